/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What there is in /proc/PID and /proc/PID/task/TID: the table, and those of its entries that have no source file of
 * their own.
 */
#include <gk/poll.h>
#include "proc.h"

/* ---- text ---- */

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

static int show_personality(struct seq *s, struct task *t, struct proc_inode *pi)
{
	seq_printf(s, "%08x\n", t->process->personality);
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

/* What is the same for all: entry->text. */
static int show_fixed(struct seq *s, struct task *t, struct proc_inode *pi)
{
	seq_puts(s, pi->entry->text);
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

/* ---- files ---- */

static const struct file_ops show_ops = {
	.open = proc_entry_open,
	.read = seq_read,
	.llseek = seq_llseek,
	.release = seq_release,
};

static int mounts_open(struct inode *i, struct file *f)
{
	f->version = mount_sequence();
	return proc_entry_open(i, f);
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

static const struct file_ops comm_ops = {
	.open = proc_entry_open,
	.read = seq_read,
	.write = comm_write,
	.llseek = seq_llseek,
	.release = seq_release,
};

static const struct file_ops oom_ops = {
	.open = proc_entry_open,
	.read = seq_read,
	.write = oom_write,
	.llseek = seq_llseek,
	.release = seq_release,
};

/* ---- the table ---- */

#define FILE(name_, mode_, show_, fops_, flags_)                                                                       \
	{                                                                                                              \
		.name = name_, .mode = S_IFREG | (mode_), .show = show_, .ops = &proc_entry_inode_ops, .fops = fops_,  \
		.flags = flags_                                                                                        \
	}
#define TEXT(name, mode, show, flags) FILE(name, mode, show, &show_ops, flags)
#define FIXED(name_, text_)                                                                                            \
	{                                                                                                              \
		.name = name_, .mode = S_IFREG | 0444, .show = show_fixed, .text = text_,                              \
		.ops = &proc_entry_inode_ops, .fops = &show_ops                                                        \
	}
#define LINK(name_, link_)                                                                                             \
	{                                                                                                              \
		.name = name_, .mode = S_IFLNK | 0777, .link = link_, .ops = &proc_link_inode_ops,                     \
		.flags = PID_PRIVATE                                                                                   \
	}
#define DIR(name_, mode_, iops_, fops_, flags_)                                                                        \
	{                                                                                                              \
		.name = name_, .mode = S_IFDIR | (mode_), .ops = iops_, .fops = fops_, .flags = flags_                 \
	}

/* One id space: every id maps to itself. */
#define ID_MAP "         0          0 4294967295\n"

const struct pid_entry proc_pid_entries[] = {
	DIR("task", 0555, &proc_task_inode_ops, &proc_task_ops, PID_TGID_ONLY),
	DIR("fd", 0500, &proc_fd_inode_ops, &proc_fd_ops, PID_PRIVATE),
	DIR("fdinfo", 0555, &proc_fdinfo_inode_ops, &proc_fdinfo_ops, PID_PRIVATE),
	DIR("ns", 0511, &proc_ns_inode_ops, &proc_ns_ops, 0),
	DIR("net", 0555, &proc_net_inode_ops, &proc_net_ops, 0),
	TEXT("environ", 0400, show_environ, PID_PRIVATE),
	TEXT("auxv", 0400, show_auxv, PID_PRIVATE),
	TEXT("status", 0444, proc_status, 0),
	TEXT("personality", 0400, show_personality, PID_PRIVATE),
	TEXT("limits", 0444, proc_limits, 0),
	TEXT("sched", 0444, proc_sched, 0),
	FILE("comm", 0644, show_comm, &comm_ops, 0),
	TEXT("cmdline", 0444, show_cmdline, 0),
	TEXT("stat", 0444, proc_stat, 0),
	TEXT("statm", 0444, proc_statm, 0),
	TEXT("maps", 0444, proc_maps, PID_PRIVATE),
	TEXT("children", 0444, proc_children, 0),
	FILE("mem", 0600, NULL, &proc_mem_ops, PID_PRIVATE),
	LINK("cwd", link_cwd),
	LINK("root", link_root),
	LINK("exe", link_exe),
	FILE("mounts", 0444, proc_mounts, &mounts_ops, 0),
	FILE("mountinfo", 0444, proc_mountinfo, &mounts_ops, 0),
	FILE("mountstats", 0400, proc_mountstats, &mounts_ops, 0),
	TEXT("smaps", 0444, proc_smaps, PID_PRIVATE),
	TEXT("smaps_rollup", 0444, proc_smaps_rollup, PID_PRIVATE),
	FIXED("wchan", "0"),
	TEXT("schedstat", 0444, proc_schedstat, 0),
	FIXED("cgroup", "0::/\n"),
	FIXED("oom_score", "0\n"),
	FILE("oom_adj", 0644, show_oom_adj, &oom_ops, 0),
	FILE("oom_score_adj", 0644, show_oom_score_adj, &oom_ops, 0),
	FIXED("loginuid", "4294967295"),
	FIXED("sessionid", "4294967295"),
	FIXED("coredump_filter", "00000033\n"),
	TEXT("io", 0400, proc_io, PID_PRIVATE),
	FIXED("uid_map", ID_MAP),
	FIXED("gid_map", ID_MAP),
	FIXED("projid_map", ID_MAP),
	FIXED("setgroups", "allow\n"),
	TEXT("timerslack_ns", 0444, show_timerslack, PID_TGID_ONLY),
};
const u32 proc_nr_pid_entries = ARRAY_SIZE(proc_pid_entries);
