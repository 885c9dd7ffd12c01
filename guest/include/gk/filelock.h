/* SPDX-License-Identifier: Apache-2.0 */
/* Advisory locks of files: POSIX record locks, open-file-description locks, flock (fs/locks.c). */
#ifndef GK_FILELOCK_H
#define GK_FILELOCK_H

#include <gk/list.h>
#include <gk/types.h>

struct file;

#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2

#define F_GETLK 5
#define F_SETLK 6
#define F_SETLKW 7

/*
 * Two locks conflict if their ranges meet, one is for writing and the owners differ. Offsets in bytes, both ends
 * included.
 */
struct file_lock {
	struct list_head link; /* ctx->lock */
	void *owner;	       /* struct files of a POSIX lock; struct file of the others */
	struct file *file;
	s32 pid;	   /* who is told in F_GETLK: -1 for open-file-description locks */
	u32 type;	   /* F_RDLCK, F_WRLCK; F_UNLCK in requests */
	loff_t start, end; /* end: MAX_LFS_FILESIZE for "to the end" */
};

/*
 * What a file system that keeps locks elsewhere falls back on, and what happens without file_ops.lock / file_ops.flock.
 * @cmd: F_GETLK (fills *fl with the first conflict, type F_UNLCK: none), F_SETLK (-EAGAIN), F_SETLKW (sleeps; -EDEADLK,
 * -ERESTARTSYS).
 */
int posix_lock_file(struct file *f, int cmd, struct file_lock *fl);
int flock_lock_file(struct file *f, int cmd, struct file_lock *fl);

#endif
