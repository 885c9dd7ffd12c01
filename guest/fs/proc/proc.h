/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of procfs share. */
#ifndef FS_PROC_H
#define FS_PROC_H

#include "../pseudo.h"

/*
 * A file or directory below /proc/PID or /proc/PID/task/TID. It keeps the struct pid, not the task: the task is looked
 * up at each use, so that an open file of a dead process says so.
 */
struct pid_entry;

struct proc_inode {	 /* inode->private of these */
	struct pid *pid; /* reference */
	bool thread;	 /* below task/TID: one thread, else the process */
	int fd;		 /* fd/N, fdinfo/N */
	const struct pid_entry *entry;
};

struct pid_entry {
	const char *name;
	umode_t mode; /* with type */
	int (*show)(struct seq *s, struct task *t, struct proc_inode *pi);
	const char *text;			       /* for a show function that shows this */
	int (*link)(struct task *t, struct path *out); /* a link that leads to *out (references) */
	const struct inode_ops *ops;
	const struct file_ops *fops;
	u32 flags;
};
#define PID_TGID_ONLY 0x1 /* not below task/TID */
#define PID_PRIVATE 0x2	  /* only for those who may trace the process */

static inline struct proc_inode *proc_i(const struct inode *i)
{
	return i->private;
}

/* pid.c */
extern const struct dentry_ops proc_pid_dentry_ops;
/* The task @i stands for, with a reference; NULL: dead and reaped. */
struct task *proc_task(const struct inode *i);
/* Its memory, to be given to mm_put_user(), or NULL. */
struct mm *task_mm(struct task *t);
/*
 * Makes the inode of an entry below the pid directory @dir and gives it to @d, which is not kept in the cache. 0 or
 * -ENOMEM.
 */
int proc_pid_add(struct inode *dir, struct dentry *d, struct task *t, const struct pid_entry *e, umode_t mode, int fd);
u64 proc_pid_ino(s32 pid, u32 what);
/* Opens an entry that has a show function, for seq_read() and friends. */
int proc_entry_open(struct inode *i, struct file *f);
extern const struct inode_ops proc_entry_inode_ops,
	proc_link_inode_ops; /* of entries with text, of those with a link */
extern const struct inode_ops proc_task_inode_ops;
extern const struct file_ops proc_task_ops;

/* entries.c */
extern const struct pid_entry proc_pid_entries[];
extern const u32 proc_nr_pid_entries;

/* ns.c */
extern const struct inode_ops proc_ns_inode_ops, proc_ns_link_ops, proc_net_inode_ops;
extern const struct file_ops proc_ns_ops, proc_net_ops;

/* fd.c */
extern const struct inode_ops proc_fd_inode_ops, proc_fdinfo_inode_ops;
extern const struct file_ops proc_fd_ops, proc_fdinfo_ops;

/* status.c: show functions of entries */
int proc_stat(struct seq *s, struct task *t, struct proc_inode *pi);
int proc_statm(struct seq *s, struct task *t, struct proc_inode *pi);
int proc_status(struct seq *s, struct task *t, struct proc_inode *pi);
int proc_limits(struct seq *s, struct task *t, struct proc_inode *pi);
int proc_io(struct seq *s, struct task *t, struct proc_inode *pi);
int proc_sched(struct seq *s, struct task *t, struct proc_inode *pi);
int proc_schedstat(struct seq *s, struct task *t, struct proc_inode *pi);
int proc_children(struct seq *s, struct task *t, struct proc_inode *pi);

/* maps.c */
int proc_maps(struct seq *s, struct task *t, struct proc_inode *pi);
int proc_smaps(struct seq *s, struct task *t, struct proc_inode *pi);
int proc_smaps_rollup(struct seq *s, struct task *t, struct proc_inode *pi);
extern const struct file_ops proc_mem_ops;

/* mounts.c */
int proc_mounts(struct seq *s, struct task *t, struct proc_inode *pi);
int proc_mountinfo(struct seq *s, struct task *t, struct proc_inode *pi);
int proc_mountstats(struct seq *s, struct task *t, struct proc_inode *pi);

/* system.c, cpuinfo.c, sysctl.c */
void proc_system_init(void);
/* Load averages in 1/2048: sysinfo(2) wants them too. */
void proc_loads(u64 out[3]);
int proc_cpuinfo(struct seq *s, void *arg);
void proc_sysctl_init(void);

#endif
