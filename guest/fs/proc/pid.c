/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/PID and /proc/PID/task/TID.
 *
 * Their names are not kept in the cache after use: a look at /proc of every process would fill it with the dead. What
 * is held open is revalidated by whether its struct pid still names something.
 */
#include <gk/init.h>
#include <gk/poll.h>
#include <gk/ptrace.h>
#include "proc.h"

#define PROC_SUPER_MAGIC 0x9fa0
#define PID_POS 512 /* position of process 0 in a listing of /proc: above the fixed names */

struct pseudo *proc_root, *proc_net;

static const struct inode_ops entry_inode_ops, link_inode_ops, dir_inode_ops, task_dir_inode_ops, self_inode_ops;
static const struct file_ops mounts_ops, show_ops, comm_ops, pid_dir_ops, task_dir_ops, oom_ops;

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

/* ---- entries with text of their own ---- */

/* Copies [start, end) of the program's memory, where its arguments or environment lie. */
static int show_strings(struct seq *s, struct task *t, bool env)
{
	struct mm *mm = task_mm(t);
	u64 at, end;
	char buf[512];

	if (!mm)
		return 0;
	at = env ? mm->env_start : mm->arg_start;
	end = env ? mm->env_end : mm->arg_end;
	while (at < end && !s->overflow) {
		const ssize_t n = access_process_vm(mm, at, buf, MIN(end - at, (u64)sizeof(buf)), false, false);

		if (n <= 0)
			break;
		seq_write(s, buf, (size_t)n);
		at += (u64)n;
	}
	mm_put_user(mm);
	return 0;
}

static int show_cmdline(struct seq *s, struct task *t, struct proc_inode *pi)
{
	return show_strings(s, t, false);
}

static int show_environ(struct seq *s, struct task *t, struct proc_inode *pi)
{
	return show_strings(s, t, true);
}

static int show_auxv(struct seq *s, struct task *t, struct proc_inode *pi)
{
	struct mm *mm = task_mm(t);
	u32 n = 0;

	if (!mm)
		return 0;
	while (n + 2 < ARRAY_SIZE(mm->saved_auxv) && mm->saved_auxv[n])
		n += 2;
	seq_write(s, mm->saved_auxv, (n + 2) * sizeof(u64));
	mm_put_user(mm);
	return 0;
}

static int show_comm(struct seq *s, struct task *t, struct proc_inode *pi)
{
	char comm[TASK_COMM_LEN];

	memcpy(comm, t->comm, sizeof(comm));
	comm[sizeof(comm) - 1] = '\0';
	seq_printf(s, "%s\n", comm);
	return 0;
}

static int show_wchan(struct seq *s, struct task *t, struct proc_inode *pi)
{
	const char *where = READ_ONCE(t->wchan);

	seq_puts(s, where ? where : "0");
	return 0;
}

static int show_personality(struct seq *s, struct task *t, struct proc_inode *pi)
{
	seq_printf(s, "%08x\n", t->process->personality);
	return 0;
}

static int show_cgroup(struct seq *s, struct task *t, struct proc_inode *pi)
{
	seq_puts(s, "0::/\n");
	return 0;
}

/* One id space: every id maps to itself. */
static int show_id_map(struct seq *s, struct task *t, struct proc_inode *pi)
{
	seq_puts(s, "         0          0 4294967295\n");
	return 0;
}

static int show_setgroups(struct seq *s, struct task *t, struct proc_inode *pi)
{
	seq_puts(s, "allow\n");
	return 0;
}

static int show_loginuid(struct seq *s, struct task *t, struct proc_inode *pi)
{
	seq_puts(s, "4294967295");
	return 0;
}

static int show_zero(struct seq *s, struct task *t, struct proc_inode *pi)
{
	seq_puts(s, "0\n");
	return 0;
}

static int show_coredump_filter(struct seq *s, struct task *t, struct proc_inode *pi)
{
	seq_puts(s, "00000033\n");
	return 0;
}

static int show_timerslack(struct seq *s, struct task *t, struct proc_inode *pi)
{
	seq_printf(s, "%lu\n", (unsigned long)t->timer_slack_ns);
	return 0;
}

/* -1000..1000, kept as is in an unsigned field. */
static int show_oom_score_adj(struct seq *s, struct task *t, struct proc_inode *pi)
{
	seq_printf(s, "%d\n", (s32)t->process->oom_score_adj);
	return 0;
}

static int show_oom_adj(struct seq *s, struct task *t, struct proc_inode *pi)
{
	seq_printf(s, "%d\n", (s32)t->process->oom_score_adj * 15 / 1000);
	return 0;
}

/* ---- links ---- */

static int link_exe(struct task *t, struct path *out)
{
	struct mm *mm = task_mm(t);
	int err = -ENOENT;

	if (!mm)
		return -ENOENT;
	down_read(&mm->mmap_lock);
	if (mm->exe_file) {
		*out = mm->exe_file->path;
		path_get(out);
		err = 0;
	}
	up_read(&mm->mmap_lock);
	mm_put_user(mm);
	return err;
}

static int link_fs(struct task *t, struct path *out, size_t which)
{
	struct fs_info *fs;
	int err = -ENOENT;

	spin_lock(&task_lock);
	fs = t->fs;
	if (fs) {
		spin_lock(&fs->lock);
		*out = *(struct path *)(void *)((char *)fs + which);
		path_get(out);
		spin_unlock(&fs->lock);
		err = 0;
	}
	spin_unlock(&task_lock);
	return err;
}

static int link_cwd(struct task *t, struct path *out)
{
	return link_fs(t, out, offsetof(struct fs_info, cwd));
}

static int link_root(struct task *t, struct path *out)
{
	return link_fs(t, out, offsetof(struct fs_info, root));
}

/* ---- namespaces: there is one of each ---- */

static const struct {
	const char *name;
	u32 id;
} namespaces[] = {
	{"cgroup", 4026531835u}, {"ipc", 4026531839u},
	{"mnt", 4026531841u},	 {"net", 4026531840u},
	{"pid", 4026531836u},	 {"pid_for_children", 4026531836u},
	{"time", 4026531834u},	 {"time_for_children", 4026531834u},
	{"user", 4026531837u},	 {"uts", 4026531838u},
};

static char *ns_readlink(struct dentry *d, struct inode *i, struct path *jump)
{
	const char *end = strstr(d->name, "_for_children");
	char name[16];
	int err;

	strscpy(name, d->name, MIN(sizeof(name), end ? (size_t)(end - d->name) + 1 : sizeof(name)));
	err = nsfs_path(name, jump);
	return err ? ERR_PTR(err) : NULL;
}

static const struct inode_ops ns_link_ops = {.readlink = ns_readlink};

static int ns_lookup(struct inode *dir, struct dentry *d)
{
	static const struct pid_entry entry = {.name = "ns", .mode = S_IFLNK | 0777, .ops = &ns_link_ops};
	struct task *t = proc_task(dir);
	int err = -ENOENT;

	if (!t)
		return -ESRCH;
	for (u32 n = 0; n < ARRAY_SIZE(namespaces); n++) {
		if (!strcmp(d->name, namespaces[n].name)) {
			err = proc_pid_add(dir, d, t, &entry, entry.mode, 0);
			if (!err)
				d->inode->ino = namespaces[n].id;
			break;
		}
	}
	task_put(t);
	return err;
}

static int ns_iterate(struct file *f, struct dir_context *ctx)
{
	if (!dir_emit_dots(f, ctx))
		return 0;
	for (; (u64)ctx->pos < ARRAY_SIZE(namespaces) + 2; ctx->pos++) {
		const u64 n = (u64)ctx->pos - 2;

		if (!ctx->actor(ctx, namespaces[n].name, (u32)strlen(namespaces[n].name), ctx->pos, namespaces[n].id,
				DT_OF_MODE(S_IFLNK)))
			break;
	}
	return 0;
}

static const struct inode_ops ns_inode_ops = {.lookup = ns_lookup, .setattr = pseudo_setattr};
static const struct file_ops ns_dir_ops = {.llseek = generic_llseek, .iterate = ns_iterate};

/* /proc/PID/net is the system's. */
static int net_lookup(struct inode *dir, struct dentry *d)
{
	struct pseudo *p = pseudo_find(proc_net, d->name, d->name_len);
	struct inode *i = p ? pseudo_inode(dir->sb, p) : NULL;

	if (!i)
		return p ? -ENOMEM : -ENOENT;
	d_add(d, i);
	return 0;
}

static int net_iterate(struct file *f, struct dir_context *ctx)
{
	if (dir_emit_dots(f, ctx))
		pseudo_emit(proc_net, ctx);
	return 0;
}

static const struct inode_ops net_inode_ops = {.lookup = net_lookup, .setattr = pseudo_setattr};
static const struct file_ops net_dir_ops = {.llseek = generic_llseek, .iterate = net_iterate};

/* ---- the table ---- */

#define TEXT(name, mode, fn, flags)                                                                                    \
	{                                                                                                              \
		name, S_IFREG | (mode), fn, NULL, &entry_inode_ops, &show_ops, flags                                   \
	}
#define MOUNTS(name, mode, fn)                                                                                         \
	{                                                                                                              \
		name, S_IFREG | (mode), fn, NULL, &entry_inode_ops, &mounts_ops, 0                                     \
	}
#define LINK(name, fn)                                                                                                 \
	{                                                                                                              \
		name, S_IFLNK | 0777, NULL, fn, &link_inode_ops, NULL, PID_PRIVATE                                     \
	}
#define DIR(name, mode, iops, fops, flags)                                                                             \
	{                                                                                                              \
		name, S_IFDIR | (mode), NULL, NULL, iops, fops, flags                                                  \
	}

static const struct pid_entry entries[] = {
	DIR("task", 0555, &task_dir_inode_ops, &task_dir_ops, PID_TGID_ONLY),
	DIR("fd", 0500, &proc_fd_inode_ops, &proc_fd_ops, PID_PRIVATE),
	DIR("fdinfo", 0555, &proc_fdinfo_inode_ops, &proc_fdinfo_ops, PID_PRIVATE),
	DIR("ns", 0511, &ns_inode_ops, &ns_dir_ops, 0),
	DIR("net", 0555, &net_inode_ops, &net_dir_ops, 0),
	TEXT("environ", 0400, show_environ, PID_PRIVATE),
	TEXT("auxv", 0400, show_auxv, PID_PRIVATE),
	TEXT("status", 0444, proc_status, 0),
	TEXT("personality", 0400, show_personality, PID_PRIVATE),
	TEXT("limits", 0444, proc_limits, 0),
	TEXT("sched", 0444, proc_sched, 0),
	{"comm", S_IFREG | 0644, show_comm, NULL, &entry_inode_ops, &comm_ops, 0},
	TEXT("cmdline", 0444, show_cmdline, 0),
	TEXT("stat", 0444, proc_stat, 0),
	TEXT("statm", 0444, proc_statm, 0),
	TEXT("maps", 0444, proc_maps, PID_PRIVATE),
	TEXT("children", 0444, proc_children, 0),
	{"mem", S_IFREG | 0600, NULL, NULL, &entry_inode_ops, &proc_mem_ops, PID_PRIVATE},
	LINK("cwd", link_cwd),
	LINK("root", link_root),
	LINK("exe", link_exe),
	MOUNTS("mounts", 0444, proc_mounts),
	MOUNTS("mountinfo", 0444, proc_mountinfo),
	MOUNTS("mountstats", 0400, proc_mountstats),
	TEXT("smaps", 0444, proc_smaps, PID_PRIVATE),
	TEXT("smaps_rollup", 0444, proc_smaps_rollup, PID_PRIVATE),
	TEXT("wchan", 0444, show_wchan, 0),
	TEXT("schedstat", 0444, proc_schedstat, 0),
	TEXT("cgroup", 0444, show_cgroup, 0),
	TEXT("oom_score", 0444, show_zero, 0),
	{"oom_adj", S_IFREG | 0644, show_oom_adj, NULL, &entry_inode_ops, &oom_ops, 0},
	{"oom_score_adj", S_IFREG | 0644, show_oom_score_adj, NULL, &entry_inode_ops, &oom_ops, 0},
	TEXT("loginuid", 0444, show_loginuid, 0),
	TEXT("sessionid", 0444, show_loginuid, 0),
	TEXT("coredump_filter", 0444, show_coredump_filter, 0),
	TEXT("io", 0400, proc_io, PID_PRIVATE),
	TEXT("uid_map", 0444, show_id_map, 0),
	TEXT("gid_map", 0444, show_id_map, 0),
	TEXT("projid_map", 0444, show_id_map, 0),
	TEXT("setgroups", 0444, show_setgroups, 0),
	TEXT("timerslack_ns", 0444, show_timerslack, PID_TGID_ONLY),
};

static bool shown_in(const struct pid_entry *e, const struct proc_inode *dir)
{
	if (dir->thread)
		return !(e->flags & PID_TGID_ONLY);
	return strcmp(e->name, "children") != 0;
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

int proc_pid_add(struct inode *dir, struct dentry *d, struct task *t, const struct pid_entry *e, umode_t mode, int fd)
{
	struct inode *i = pid_inode(dir->sb, t, proc_i(dir)->thread, e, mode, fd);

	if (!i)
		return -ENOMEM;
	d->ops = &proc_pid_dentry_ops;
	atomic_or(&d->flags, DENTRY_DONTCACHE);
	d_add(d, i);
	return 0;
}

static void proc_evict(struct inode *i)
{
	/* Those of the fixed tree point to their nodes. */
	if (!(i->ino >> 56 & 1) && i->ops != &ns_link_ops)
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

static int pid_dir_lookup(struct inode *dir, struct dentry *d)
{
	struct task *t = proc_task(dir);
	int err = 0;

	if (!t)
		return -ENOENT;
	for (u32 n = 0; n < ARRAY_SIZE(entries); n++) {
		if (!strcmp(entries[n].name, d->name) && shown_in(&entries[n], proc_i(dir))) {
			err = proc_pid_add(dir, d, t, &entries[n], entries[n].mode, 0);
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
	for (; (u64)ctx->pos < ARRAY_SIZE(entries) + 2; ctx->pos++) {
		const struct pid_entry *e = &entries[ctx->pos - 2];

		if (shown_in(e, pi) && !ctx->actor(ctx, e->name, (u32)strlen(e->name), ctx->pos,
						   proc_pid_ino(pi->pid->nr, (u32)ctx->pos), DT_OF_MODE(e->mode)))
			break;
	}
	return 0;
}

static const struct inode_ops dir_inode_ops = {.lookup = pid_dir_lookup, .setattr = pseudo_setattr};
static const struct file_ops pid_dir_ops = {.llseek = generic_llseek, .iterate = pid_dir_iterate};
static const struct pid_entry pid_dir_entry = {"", S_IFDIR | 0555, NULL, NULL, &dir_inode_ops, &pid_dir_ops, 0};

struct pid *proc_dir_pid(const struct file *f)
{
	return f->ops == &pid_dir_ops && !proc_i(f->inode)->thread ? pid_get(proc_i(f->inode)->pid) : ERR_PTR(-EBADF);
}

/* Gives @d the directory of @t (reference consumed). */
static int add_pid_dir(struct super *sb, struct dentry *d, struct task *t, bool thread)
{
	struct inode *i = pid_inode(sb, t, thread, &pid_dir_entry, pid_dir_entry.mode, 0);

	task_put(t);
	if (!i)
		return -ENOMEM;
	d->ops = &proc_pid_dentry_ops;
	atomic_or(&d->flags, DENTRY_DONTCACHE);
	d_add(d, i);
	return 0;
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

static const struct inode_ops task_dir_inode_ops = {
	.lookup = task_dir_lookup,
	.getattr = task_dir_getattr,
	.setattr = pseudo_setattr,
};
static const struct file_ops task_dir_ops = {.llseek = generic_llseek, .iterate = task_dir_iterate};

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

static int entry_open(struct inode *i, struct file *f)
{
	struct task *t = proc_task(i);
	int err;

	if (!t)
		return -ESRCH;
	err = check_private(i, t);
	task_put(t);
	return err ? err : seq_open(f, show_entry, i);
}

static ssize_t comm_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	const size_t count = it->count;
	char buf[256];
	struct task *t;
	ssize_t n;

	it->count = MIN(it->count, (size_t)TASK_COMM_LEN - 1);
	n = pseudo_text(it, buf, sizeof(buf));
	if (n < 0)
		return n;
	t = proc_task(f->inode);
	if (!t)
		return -ESRCH;
	if (t->process == current->process)
		strscpy(t->comm, buf, sizeof(t->comm));
	else
		n = -EINVAL;
	task_put(t);
	return n < 0 ? n : (ssize_t)count;
}

static ssize_t oom_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	const bool old = !strcmp(proc_i(f->inode)->entry->name, "oom_adj");
	const size_t count = it->count;
	char buf[32], *end;
	struct task *t;
	ssize_t n = pseudo_text(it, buf, sizeof(buf));
	s64 v;

	if (n < 0)
		return n;
	v = strtoll(buf, &end, 10);
	if (end == buf || *end)
		return -EINVAL;
	if (old)
		v = v == 15 ? 1000 : v * 1000 / 17;
	if (v < -1000 || v > 1000)
		return -EINVAL;
	t = proc_task(f->inode);
	if (!t)
		return -ESRCH;
	if (v < (s32)t->process->oom_score_adj && !capable(CAP_SYS_RESOURCE))
		n = -EACCES;
	else
		t->process->oom_score_adj = (u32)(s32)v;
	task_put(t);
	return n < 0 ? n : (ssize_t)count;
}

static const struct file_ops show_ops = {
	.open = entry_open,
	.read = seq_read,
	.llseek = seq_llseek,
	.release = seq_release,
};

static int mounts_open(struct inode *i, struct file *f)
{
	f->version = mount_sequence();
	return entry_open(i, f);
}

/* Always readable; a change of the tree since one looked last is an error and urgent. */
static u32 mounts_poll(struct file *f, struct poll_table *pt)
{
	u64 seq;

	poll_wait(f, &mount_wait, pt);
	seq = mount_sequence();
	if (seq == f->version)
		return EPOLLIN | EPOLLRDNORM;
	f->version = seq;
	return EPOLLIN | EPOLLRDNORM | EPOLLERR | EPOLLPRI;
}

static const struct file_ops mounts_ops = {
	.open = mounts_open,
	.read = seq_read,
	.llseek = seq_llseek,
	.poll = mounts_poll,
	.release = seq_release,
};

static const struct file_ops comm_ops = {
	.open = entry_open,
	.read = seq_read,
	.write = comm_write,
	.llseek = seq_llseek,
	.release = seq_release,
};

static const struct file_ops oom_ops = {
	.open = entry_open,
	.read = seq_read,
	.write = oom_write,
	.llseek = seq_llseek,
	.release = seq_release,
};

static const struct inode_ops entry_inode_ops = {.setattr = pseudo_setattr};

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

static const struct inode_ops link_inode_ops = {.readlink = entry_readlink, .setattr = pseudo_setattr};

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

int proc_root_lookup(struct inode *dir, struct dentry *d)
{
	struct task *t;

	if (d->name[0] >= '1' && d->name[0] <= '9') {
		t = find_get_task(parse_pid(d));
		return t ? add_pid_dir(dir->sb, d, t, false) : -ENOENT;
	}
	return pseudo_dir_inode_ops.lookup(dir, d);
}

int proc_root_iterate(struct file *f, struct dir_context *ctx)
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

static const struct inode_ops root_inode_ops = {.lookup = proc_root_lookup, .setattr = pseudo_setattr};
static const struct file_ops root_dir_ops = {.llseek = generic_llseek, .iterate = proc_root_iterate};

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
