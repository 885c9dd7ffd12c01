/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/fd and fdinfo: the descriptors of a process, as links to what is open and as text about how. */
#include <gk/ptrace.h>
#include "proc.h"

static const struct inode_ops fd_link_ops, fdinfo_file_inode_ops;
static const struct file_ops fdinfo_file_ops;

static const struct pid_entry link_entry = {.name = "fd", .mode = S_IFLNK, .ops = &fd_link_ops};
static const struct pid_entry info_entry = {
	.name = "fdinfo",
	.mode = S_IFREG | 0444,
	.ops = &fdinfo_file_inode_ops,
	.fops = &fdinfo_file_ops,
	.flags = PID_PRIVATE,
};

/* The open file behind a name, with a reference, or ERR_PTR. */
static struct file *file_of(const struct inode *i, int fd)
{
	struct task *t = proc_task(i);
	struct file *f;

	if (!t)
		return ERR_PTR(-ENOENT);
	f = ptrace_may_access(t) ? ERR_PTR(-EACCES) : files_lookup(t, fd);
	task_put(t);
	return f ? f : ERR_PTR(-ENOENT);
}

static int parse_fd(const struct dentry *d)
{
	int n = 0;

	if (d->name_len > 9 || (d->name[0] == '0' && d->name_len > 1))
		return -1;
	for (u32 i = 0; i < d->name_len; i++) {
		if (d->name[i] < '0' || d->name[i] > '9')
			return -1;
		n = n * 10 + d->name[i] - '0';
	}
	return n;
}

/* ---- the directories ---- */

static int lookup(struct inode *dir, struct dentry *d, const struct pid_entry *e)
{
	const int fd = parse_fd(d);
	struct file *f = fd < 0 ? ERR_PTR(-ENOENT) : file_of(dir, fd);
	umode_t mode = e->mode;
	struct task *t;
	int err;

	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	if (S_ISLNK(mode)) {
		mode |= f->fmode & (FMODE_READ | FMODE_PATH) ? 0500 : 0;
		mode |= f->fmode & (FMODE_WRITE | FMODE_PATH) ? 0300 : 0;
	}
	file_put(f);
	t = proc_task(dir);
	if (!t)
		return -ENOENT;
	err = proc_pid_add(dir, d, t, e, mode, fd);
	if (!err && S_ISLNK(mode))
		d->inode->size = 64;
	task_put(t);
	return err;
}

static int fd_lookup(struct inode *dir, struct dentry *d)
{
	return lookup(dir, d, &link_entry);
}

static int fdinfo_lookup(struct inode *dir, struct dentry *d)
{
	return lookup(dir, d, &info_entry);
}

static int iterate(struct file *f, struct dir_context *ctx)
{
	const umode_t type = proc_i(f->inode)->entry->fops == &proc_fd_ops ? S_IFLNK : S_IFREG;
	struct task *t = proc_task(f->inode);
	char name[12];
	int fd, err = 0;

	if (!t)
		return -ENOENT;
	if (ptrace_may_access(t))
		err = -EACCES;
	if (!err && dir_emit_dots(f, ctx)) {
		while ((fd = files_next(t, (int)ctx->pos - 2)) >= 0) {
			ctx->pos = fd + 2;
			if (!ctx->actor(ctx, name, (u32)scnprintf(name, sizeof(name), "%d", fd), ctx->pos,
					proc_pid_ino(t->pid->nr, 0x1000u + (u32)fd), DT_OF_MODE(type)))
				break;
			ctx->pos++;
		}
	}
	task_put(t);
	return err;
}

/* Whoever may not look would not see the names either; the process itself always may. */
static int fd_permission(struct inode *i, u32 mask)
{
	struct task *t = proc_task(i);
	int err = t && t->process == current->process ? 0 : generic_permission(i, mask);

	if (t)
		task_put(t);
	return err;
}

/* How many are open: find counts on it. */
static int fd_getattr(const struct path *p, struct kstat *st, u32 mask)
{
	struct task *t = proc_task(p->dentry->inode);

	generic_fillattr(p->dentry->inode, st);
	if (!t)
		return 0;
	for (int fd = files_next(t, 0); fd >= 0; fd = files_next(t, fd + 1))
		st->size++;
	task_put(t);
	return 0;
}

const struct inode_ops proc_fd_inode_ops = {
	.lookup = fd_lookup,
	.permission = fd_permission,
	.getattr = fd_getattr,
	.setattr = pseudo_setattr,
};
const struct inode_ops proc_fdinfo_inode_ops = {
	.lookup = fdinfo_lookup,
	.permission = fd_permission,
	.setattr = pseudo_setattr,
};
const struct file_ops proc_fd_ops = {.llseek = generic_llseek, .iterate = iterate};
const struct file_ops proc_fdinfo_ops = {.llseek = generic_llseek, .iterate = iterate};

/* ---- what is in them ---- */

static char *fd_readlink(struct dentry *d, struct inode *i, struct path *jump)
{
	struct file *f = file_of(i, proc_i(i)->fd);

	if (IS_ERR(f))
		return ERR_CAST(f);
	*jump = f->path;
	path_get(jump);
	file_put(f);
	return NULL;
}

static const struct inode_ops fd_link_ops = {.readlink = fd_readlink, .setattr = pseudo_setattr};

static int show_fdinfo(struct seq *s, void *arg)
{
	struct inode *i = arg;
	struct task *t = proc_task(i);
	struct file *f = file_of(i, proc_i(i)->fd);
	char extra[1024];
	u32 flags;
	int n;

	if (IS_ERR(f) || !t) {
		if (t)
			task_put(t);
		return IS_ERR(f) ? (int)PTR_ERR(f) : -ENOENT;
	}
	flags = f->flags | (fd_cloexec(t, proc_i(i)->fd) ? O_CLOEXEC : 0);
	task_put(t);
	seq_printf(s, "pos:\t%ld\nflags:\t0%o\nmnt_id:\t%u\nino:\t%lu\n", (long)f->pos, flags, f->path.mnt->id,
		   (unsigned long)file_inode(f)->ino);
	if (f->ops->fdinfo) {
		n = f->ops->fdinfo(f, extra, sizeof(extra));
		if (n > 0)
			seq_write(s, extra, MIN((size_t)n, sizeof(extra)));
	}
	file_put(f);
	return 0;
}

static int fdinfo_open(struct inode *i, struct file *f)
{
	struct file *open = file_of(i, proc_i(i)->fd);

	if (IS_ERR(open))
		return (int)PTR_ERR(open);
	file_put(open);
	return seq_open(f, show_fdinfo, i);
}

static const struct inode_ops fdinfo_file_inode_ops = {.setattr = pseudo_setattr};
static const struct file_ops fdinfo_file_ops = {
	.open = fdinfo_open,
	.read = seq_read,
	.llseek = seq_llseek,
	.release = seq_release,
};
