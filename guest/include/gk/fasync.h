/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is told by a signal that a file is ready (F_SETOWN, F_SETSIG, O_ASYNC; fs/fasync.c).
 *
 * What files are opened on (a pipe, a socket, a terminal) has a struct fasync_list and says with fasync_notify() what
 * happens to it; its file_ops.fasync gives the list. Zeroed memory is an empty list.
 */
#ifndef GK_FASYNC_H
#define GK_FASYNC_H

#include <gk/cred.h>
#include <gk/types.h>

struct file;
struct pid;
struct fasync;

struct fasync_list {
	struct fasync *first; /* fasync_lock */
};

/* What happened: si_code of the signal, as Linux counts. */
#define FASYNC_IN 1
#define FASYNC_OUT 2
#define FASYNC_MSG 3
#define FASYNC_ERR 4
#define FASYNC_PRI 5
#define FASYNC_HUP 6

void fasync_notify_slow(struct fasync_list *l, int what);

/*
 * Tells the owners of the files on @l that asked for it (O_ASYNC). FASYNC_IN goes to files open for reading, FASYNC_OUT
 * to those open for writing. Any context that may take task_lock.
 */
static inline void fasync_notify(struct fasync_list *l, int what)
{
	if (unlikely(READ_ONCE(l->first)))
		fasync_notify_slow(l, what);
}

/*
 * O_ASYNC of @f is switched; @fd is what the signal will name. 0, -ENOMEM. Files without file_ops.fasync: nothing
 * happens.
 */
int fasync_set(int fd, struct file *f, bool on);
/* @f alone: joins @l, or leaves (NULL) the list it is on. */
int fasync_join(int fd, struct file *f, struct fasync_list *l);
/* @f goes: off its list; its owner is forgotten. */
void fasync_release(struct file *f);

/* F_SETOWN: a process, a group (negative), or nobody (0). 0, -EINVAL, -ESRCH, -ENOMEM. */
int fown_set(struct file *f, s32 who);
s32 fown_get(struct file *f);
/* The process or group that @pid names (reference taken) owns @f, unless it has an owner. */
void fown_set_default(struct file *f, struct pid *pid, bool group);
long fown_fcntl(struct file *f, u32 cmd, u64 arg); /* F_SETOWN_EX, F_GETOWN_EX, F_SETSIG, F_GETSIG, F_GETOWNER_UIDS */
/* SIGURG for the owner. @f may be on its way out, but is not freed before this returns. */
void fown_urgent(struct file *f);

#endif
