/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc, and in it /proc/PID and /proc/PID/task/TID. What there is in those is in entries.c.
 *
 * Their names are not kept in the cache after use: a look at /proc of every process would fill it with the dead. What
 * is held open is revalidated by whether its struct pid still names something.
 */
#include <gk/init.h>
#include <gk/ptrace.h>
#include "proc.h"

#define PROC_SUPER_MAGIC 0x9fa0
#define PID_POS 512 /* position of process 0 in a listing of /proc: above the fixed names */

struct pseudo *proc_root, *proc_net;

u64 proc_pid_ino(s32 pid, u32 what)
{
	return ((u64)(u32)pid << 24) | what | 1ull << 56;
}

struct task *proc_task(const struct inode *i)
{
	const struct proc_inode *pi = proc_i(i);
	struct task *t = find_get_task(pi->pid->nr);

	if (t && t->pid != pi->pid) {
		task_put(t);
		t = NULL;
	}
	return t;
}

struct mm *task_mm(struct task *t)
{
	struct mm *mm;

	spin_lock(&task_lock);
	mm = t->mm && mm_get_user(t->mm) ? t->mm : NULL;
	spin_unlock(&task_lock);
	return mm;
}

/* ---- inodes ---- */

static void set_owner(struct inode *i, struct task *t)
{
	const bool open = t->process->dumpable == 1 || !t->mm;

	i->uid = open ? t->cred->euid : 0;
	i->gid = open ? t->cred->egid : 0;
}

static struct inode *pid_inode(struct super *sb, struct task *t, bool thread, const struct pid_entry *e, umode_t mode,
			       int fd)
{
	struct proc_inode *pi = kzalloc(sizeof(*pi));
	struct inode *i = pi ? inode_new(sb) : NULL;

	if (!i) {
		kfree(pi);
		return NULL;
	}
	pi->pid = pid_get(t->pid);
	pi->thread = thread;
	pi->fd = fd;
	pi->entry = e;
	i->private = pi;
	i->mode = mode;
	i->ops = e->ops;
	i->fops = e->fops;
	i->ino = proc_pid_ino(t->pid->nr, (u32)next_ino() & 0xffffff);
	if (S_ISDIR(mode))
		i->nlink = 2;
	spin_lock(&task_lock);
	set_owner(i, t);
	spin_unlock(&task_lock);
	return i;
}

/* @i (NULL: no memory) becomes what @d names, for one use. */
static int give_inode(struct dentry *d, struct inode *i)
{
	if (!i)
		return -ENOMEM;
	d->ops = &proc_pid_dentry_ops;
	atomic_or(&d->flags, DENTRY_DONTCACHE);
	d_add(d, i);
	return 0;
}

int proc_pid_add(struct inode *dir, struct dentry *d, struct task *t, const struct pid_entry *e, umode_t mode, int fd)
{
	return give_inode(d, pid_inode(dir->sb, t, proc_i(dir)->thread, e, mode, fd));
}

static void proc_evict(struct inode *i)
{
	/* Those of the fixed tree point to their nodes. */
	if (!(i->ino >> 56 & 1) && i->ops != &proc_ns_link_ops)
		return;
	pid_put(proc_i(i)->pid);
	kfree(i->private);
}

static int pid_revalidate(struct dentry *parent, struct dentry *d, u32 flags)
{
	struct task *t;

	if (!d->inode)
		return 0;
	t = proc_task(d->inode);
	if (!t)
		return 0;
	spin_lock(&task_lock);
	set_owner(d->inode, t);
	spin_unlock(&task_lock);
	task_put(t);
	return 1;
}

const struct dentry_ops proc_pid_dentry_ops = {.revalidate = pid_revalidate};

/* ---- /proc/PID ---- */

static bool shown_in(const struct pid_entry *e, const struct proc_inode *dir)
{
	if (dir->thread)
		return !(e->flags & PID_TGID_ONLY);
	return strcmp(e->name, "children") != 0;
}

static int pid_dir_lookup(struct inode *dir, struct dentry *d)
{
	struct task *t = proc_task(dir);
	int err = 0;

	if (!t)
		return -ENOENT;
	for (u32 n = 0; n < proc_nr_pid_entries; n++) {
		if (!strcmp(proc_pid_entries[n].name, d->name) && shown_in(&proc_pid_entries[n], proc_i(dir))) {
			err = proc_pid_add(dir, d, t, &proc_pid_entries[n], proc_pid_entries[n].mode, 0);
			task_put(t);
			return err;
		}
	}
	task_put(t);
	return -ENOENT;
}

static int pid_dir_iterate(struct file *f, struct dir_context *ctx)
{
	const struct proc_inode *pi = proc_i(f->inode);
	struct task *t = proc_task(f->inode);

	if (!t)
		return -ENOENT;
	task_put(t);
	if (!dir_emit_dots(f, ctx))
		return 0;
	for (; (u64)ctx->pos < proc_nr_pid_entries + 2; ctx->pos++) {
		const struct pid_entry *e = &proc_pid_entries[ctx->pos - 2];

		if (shown_in(e, pi) && !ctx->actor(ctx, e->name, (u32)strlen(e->name), ctx->pos,
						   proc_pid_ino(pi->pid->nr, (u32)ctx->pos), DT_OF_MODE(e->mode)))
			break;
	}
	return 0;
}

static const struct inode_ops dir_inode_ops = {.lookup = pid_dir_lookup, .setattr = pseudo_setattr};
static const struct file_ops pid_dir_ops = {.llseek = generic_llseek, .iterate = pid_dir_iterate};
static const struct pid_entry pid_dir_entry = {
	.name = "", .mode = S_IFDIR | 0555, .ops = &dir_inode_ops, .fops = &pid_dir_ops};

struct pid *proc_dir_pid(const struct file *f)
{
	return f->ops == &pid_dir_ops && !proc_i(f->inode)->thread ? pid_get(proc_i(f->inode)->pid) : ERR_PTR(-EBADF);
}

/* Gives @d the directory of @t (reference consumed). */
static int add_pid_dir(struct super *sb, struct dentry *d, struct task *t, bool thread)
{
	struct inode *i = pid_inode(sb, t, thread, &pid_dir_entry, pid_dir_entry.mode, 0);

	task_put(t);
	return give_inode(d, i);
}

/* A positive number without leading zeros, or 0. */
static s32 parse_pid(const struct dentry *d)
{
	s32 n = 0;

	if (d->name_len > 9 || d->name[0] == '0')
		return 0;
	for (u32 i = 0; i < d->name_len; i++) {
		if (d->name[i] < '0' || d->name[i] > '9')
			return 0;
		n = n * 10 + d->name[i] - '0';
	}
	return n;
}

/* ---- /proc/PID/task ---- */

static int task_dir_lookup(struct inode *dir, struct dentry *d)
{
	struct task *leader = proc_task(dir), *t = find_get_task(parse_pid(d));
	int err = -ENOENT;

	if (t && leader && t->process == leader->process)
		err = add_pid_dir(dir->sb, d, task_get(t), true);
	if (t)
		task_put(t);
	if (leader)
		task_put(leader);
	return err;
}

/* The smallest thread number of @p that is at least @from, or 0. */
static s32 next_thread(struct process *p, s32 from)
{
	struct task *t;
	s32 best = 0;

	spin_lock(&task_lock);
	list_for_each_entry(t, &p->threads, thread_link) {
		if (t->pid->nr >= from && (!best || t->pid->nr < best))
			best = t->pid->nr;
	}
	spin_unlock(&task_lock);
	return best;
}

/* Writes @n in decimal; its length. */
static u32 number(char buf[12], s32 n)
{
	return (u32)scnprintf(buf, 12, "%d", n);
}

static int task_dir_iterate(struct file *f, struct dir_context *ctx)
{
	struct task *leader = proc_task(f->inode);
	char name[12];
	s32 nr;

	if (!leader)
		return -ENOENT;
	if (dir_emit_dots(f, ctx)) {
		while ((nr = next_thread(leader->process, (s32)ctx->pos - 2))) {
			ctx->pos = nr + 2;
			if (!ctx->actor(ctx, name, number(name, nr), ctx->pos, proc_pid_ino(nr, 1),
					DT_OF_MODE(S_IFDIR)))
				break;
			ctx->pos++;
		}
	}
	task_put(leader);
	return 0;
}

static int task_dir_getattr(const struct path *p, struct kstat *st, u32 mask)
{
	struct task *t = proc_task(p->dentry->inode);

	generic_fillattr(p->dentry->inode, st);
	if (t) {
		st->nlink = t->process->nr_threads + 2;
		task_put(t);
	}
	return 0;
}

const struct inode_ops proc_task_inode_ops = {
	.lookup = task_dir_lookup,
	.getattr = task_dir_getattr,
	.setattr = pseudo_setattr,
};
const struct file_ops proc_task_ops = {.llseek = generic_llseek, .iterate = task_dir_iterate};

/* ---- files ---- */

static int check_private(const struct inode *i, struct task *t)
{
	return (proc_i(i)->entry->flags & PID_PRIVATE) && ptrace_may_access(t) ? -EACCES : 0;
}

static int show_entry(struct seq *s, void *arg)
{
	struct inode *i = arg;
	struct task *t = proc_task(i);
	int err;

	if (!t)
		return -ESRCH;
	err = check_private(i, t);
	if (!err)
		err = proc_i(i)->entry->show(s, t, proc_i(i));
	task_put(t);
	return err;
}

int proc_entry_open(struct inode *i, struct file *f)
{
	struct task *t = proc_task(i);
	int err;

	if (!t)
		return -ESRCH;
	err = check_private(i, t);
	task_put(t);
	return err ? err : seq_open(f, show_entry, i);
}

const struct inode_ops proc_entry_inode_ops = {.setattr = pseudo_setattr};

static char *entry_readlink(struct dentry *d, struct inode *i, struct path *jump)
{
	struct task *t = proc_task(i);
	int err;

	if (!t)
		return ERR_PTR(-ENOENT);
	err = check_private(i, t);
	if (!err)
		err = proc_i(i)->entry->link(t, jump);
	task_put(t);
	return err ? ERR_PTR(err) : NULL;
}

const struct inode_ops proc_link_inode_ops = {.readlink = entry_readlink, .setattr = pseudo_setattr};

/* ---- /proc itself ---- */

static char *self_readlink(struct dentry *d, struct inode *i, struct path *jump)
{
	char buf[48];

	if (d->name[0] == 's')
		scnprintf(buf, sizeof(buf), "%d", task_tgid_nr(current));
	else
		scnprintf(buf, sizeof(buf), "%d/task/%d", task_tgid_nr(current), task_pid_nr(current));
	return kstrdup(buf);
}

static const struct inode_ops self_inode_ops = {.readlink = self_readlink, .setattr = pseudo_setattr};

static int root_lookup(struct inode *dir, struct dentry *d)
{
	struct task *t;

	if (d->name[0] >= '1' && d->name[0] <= '9') {
		t = find_get_task(parse_pid(d));
		return t ? add_pid_dir(dir->sb, d, t, false) : -ENOENT;
	}
	return pseudo_dir_inode_ops.lookup(dir, d);
}

static int root_iterate(struct file *f, struct dir_context *ctx)
{
	struct process *p;
	char name[12];
	s32 nr;

	if (!dir_emit_dots(f, ctx))
		return 0;
	if (ctx->pos < PID_POS) {
		if (!pseudo_emit(proc_root, ctx))
			return 0;
		ctx->pos = PID_POS;
	}
	while ((p = process_next((s32)(ctx->pos - PID_POS)))) {
		nr = p->pid->nr;
		process_put(p);
		ctx->pos = nr + PID_POS;
		if (!ctx->actor(ctx, name, number(name, nr), ctx->pos, proc_pid_ino(nr, 0), DT_OF_MODE(S_IFDIR)))
			return 0;
		ctx->pos++;
	}
	return 0;
}

static const struct inode_ops root_inode_ops = {.lookup = root_lookup, .setattr = pseudo_setattr};
static const struct file_ops root_dir_ops = {.llseek = generic_llseek, .iterate = root_iterate};

static const struct super_ops proc_super_ops = {.evict = proc_evict};

static struct super *proc_mount(struct fs_type *type, u32 flags, const char *source, const char *data)
{
	return pseudo_mount(type, &proc_super_ops, PROC_SUPER_MAGIC, proc_root);
}

static struct fs_type proc_type = {.name = "proc", .mount = proc_mount, .nodev = true};

void proc_init(void)
{
	proc_root = pseudo_new_root();
	proc_net = pseudo_new_root();
	proc_root->ops = &root_inode_ops;
	proc_root->fops = &root_dir_ops;
	pseudo_link(proc_root, "self", NULL)->ops = &self_inode_ops;
	pseudo_link(proc_root, "thread-self", NULL)->ops = &self_inode_ops;
	proc_system_init();
	proc_sysctl_init();
	register_fs(&proc_type);
}
