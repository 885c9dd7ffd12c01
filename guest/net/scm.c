/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control messages at SOL_SOCKET: passing of open files (SCM_RIGHTS) and credentials.
 *
 * Dropping files that were under way may drop sockets that have more files under way, and so on as deep as a program
 * likes. So a task that is already dropping files only adds to its list (struct dropper): the depth of the stack is
 * bounded.
 */
#include <gk/cred.h>
#include <gk/slab.h>
#include <gk/socket.h>
#include <gk/string.h>
#include <gk/task.h>

struct cmsghdr {
	u64 len; /* with this header */
	s32 level, type;
};
#define CMSG_ALIGN(n) ALIGN_UP((u64)(n), 8ul)

/* A task that is dropping files; on its stack. */
struct dropper {
	struct list_head link;
	struct task *task;
	struct list_head files; /* struct scm_files */
};

static spinlock_t drop_lock;
static LIST_HEAD(droppers); /* drop_lock */

static struct scm_files *files_new_scm(u32 n)
{
	struct scm_files *f = kmalloc(sizeof(*f) + n * sizeof(f->file[0]));

	if (f) {
		list_init(&f->link);
		f->n = n;
	}
	return f;
}

struct scm_files *scm_files_dup(const struct scm_files *files)
{
	struct scm_files *f = files_new_scm(files->n);

	for (u32 i = 0; f && i < f->n; i++)
		f->file[i] = file_get(files->file[i]);
	return f;
}

static void drop_now(struct scm_files *f)
{
	for (u32 i = 0; i < f->n; i++)
		file_put(f->file[i]);
	kfree(f);
}

/* drop_lock held. */
static struct dropper *current_dropper(void)
{
	struct dropper *d;

	list_for_each_entry(d, &droppers, link) {
		if (d->task == current)
			return d;
	}
	return NULL;
}

void scm_files_free(struct scm_files *files)
{
	struct dropper me, *d;

	if (!files)
		return;
	spin_lock(&drop_lock);
	d = current_dropper();
	if (d) {
		list_add_tail(&files->link, &d->files);
		spin_unlock(&drop_lock);
		return;
	}
	me.task = current;
	list_init(&me.files);
	list_add_tail(&files->link, &me.files);
	list_add(&me.link, &droppers);
	while (!list_empty(&me.files)) {
		files = list_first_entry(&me.files, struct scm_files, link);
		list_del(&files->link);
		spin_unlock(&drop_lock);
		drop_now(files);
		spin_lock(&drop_lock);
	}
	list_del(&me.link);
	spin_unlock(&drop_lock);
}

/* ---- sending ---- */

/* More descriptors to pass: adds to scm->files. */
static int parse_rights(struct scm *scm, const s32 *fd, u32 n)
{
	u32 had = scm->files ? scm->files->n : 0;
	struct scm_files *f;

	if (!n)
		return 0;
	if (had + n > SCM_MAX_FD)
		return -EINVAL;
	f = files_new_scm(had + n);
	if (!f)
		return -ENOMEM;
	if (had)
		memcpy(f->file, scm->files->file, had * sizeof(f->file[0]));
	kfree(scm->files);
	scm->files = f;
	for (f->n = had; f->n < had + n; f->n++) {
		f->file[f->n] = fd_get_raw(fd[f->n - had]);
		if (!f->file[f->n])
			return -EBADF;
	}
	return 0;
}

static bool own_uid(const struct cred *c, u32 uid)
{
	return uid == c->uid || uid == c->euid || uid == c->suid || capable(CAP_SETUID);
}

static bool own_gid(const struct cred *c, u32 gid)
{
	return gid == c->gid || gid == c->egid || gid == c->sgid || capable(CAP_SETGID);
}

/* Credentials the sender claims. */
static int parse_cred(struct scm *scm, const struct ucred *uc)
{
	struct process *p;

	if (uc->pid != task_tgid_nr(current) && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (!own_uid(current->cred, uc->uid) || !own_gid(current->cred, uc->gid))
		return -EPERM;
	p = find_get_process(uc->pid);
	if (!p)
		return -ESRCH;
	process_put(p);
	scm->cred = *uc;
	return 0;
}

int scm_walk(const struct sock_msg *m, scm_func_t fn, void *arg)
{
	u64 at = 0;
	int ret = 0;

	while (!ret && m->control_len - at >= sizeof(struct cmsghdr)) {
		const struct cmsghdr *h = (const void *)((const char *)m->control + at);

		if (h->len < sizeof(*h) || h->len > m->control_len - at)
			return -EINVAL;
		ret = fn(arg, h->level, h->type, h + 1, (u32)(h->len - sizeof(*h)));
		if (CMSG_ALIGN(h->len) > m->control_len - at)
			break;
		at += CMSG_ALIGN(h->len);
	}
	return ret;
}

struct parse {
	struct socket *s;
	struct scm *scm;
};

static int parse_one(void *arg, int level, int type, const void *data, u32 len)
{
	struct parse *p = arg;

	if (level != SOL_SOCKET)
		return 0;
	if (type == SCM_RIGHTS && p->s->domain == AF_UNIX)
		return parse_rights(p->scm, data, len / (u32)sizeof(s32));
	if (type == SCM_CREDENTIALS && p->s->domain == AF_UNIX)
		return len == sizeof(struct ucred) ? parse_cred(p->scm, data) : -EINVAL;
	return -EINVAL;
}

int scm_parse(struct socket *s, const struct sock_msg *m, struct scm *scm)
{
	struct parse p = {s, scm};
	int ret;

	scm->files = NULL;
	scm->cred = (struct ucred){task_tgid_nr(current), current->cred->euid, current->cred->egid};
	ret = scm_walk(m, parse_one, &p);
	if (ret) {
		scm_files_free(scm->files);
		scm->files = NULL;
	}
	return ret;
}

/* ---- receiving ---- */

void scm_put(struct sock_msg *m, int level, int type, const void *data, u32 len)
{
	struct cmsghdr h = {sizeof(h) + len, level, type};
	u64 space;

	if (m->control_room < sizeof(h)) {
		m->out_flags |= MSG_CTRUNC;
		return;
	}
	if (m->control_room < h.len) {
		m->out_flags |= MSG_CTRUNC;
		h.len = m->control_room;
	}
	if (copy_to_user(m->control_out, &h, sizeof(h)) ||
	    copy_to_user((char __user *)m->control_out + sizeof(h), data, h.len - sizeof(h)))
		return;
	space = MIN(CMSG_ALIGN(h.len), (u64)m->control_room);
	m->control_out = (char __user *)m->control_out + space;
	m->control_room -= space;
}

/* Descriptors for as many files as there is room for; how many. */
static u32 install(struct sock_msg *m, struct scm_files *files, u32 room)
{
	s32 __user *out = (s32 __user *)((char __user *)m->control_out + sizeof(struct cmsghdr));
	u32 flags = m->flags & MSG_CMSG_CLOEXEC ? O_CLOEXEC : 0, i;

	for (i = 0; i < room; i++) {
		int fd = fd_reserve(flags);

		if (fd < 0)
			break;
		if (put_user(fd, out + i)) {
			fd_release(fd);
			break;
		}
		fd_install(fd, file_get(files->file[i]));
	}
	return i;
}

void scm_put_files(struct sock_msg *m, struct scm_files *files)
{
	struct cmsghdr h = {0, SOL_SOCKET, SCM_RIGHTS};
	u64 room = m->control_room > sizeof(h) ? (m->control_room - sizeof(h)) / sizeof(s32) : 0;
	u32 n = room ? install(m, files, (u32)MIN(room, (u64)files->n)) : 0;
	u64 space;

	if (n < files->n)
		m->out_flags |= MSG_CTRUNC;
	if (n) {
		h.len = sizeof(h) + n * sizeof(s32);
		if (!copy_to_user(m->control_out, &h, sizeof(h))) {
			space = MIN(CMSG_ALIGN(h.len), (u64)m->control_room);
			m->control_out = (char __user *)m->control_out + space;
			m->control_room -= space;
		}
	}
	scm_files_free(files);
}
