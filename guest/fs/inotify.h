/* SPDX-License-Identifier: Apache-2.0 */
/* Between the watches (fsnotify.c) and the descriptors they report to (inotify.c). */
#ifndef FS_INOTIFY_H
#define FS_INOTIFY_H

#include <gk/fs.h>

#define IN_UNMOUNT 0x2000
#define IN_Q_OVERFLOW 0x4000
#define IN_IGNORED 0x8000
#define IN_ONLYDIR 0x01000000
#define IN_DONT_FOLLOW 0x02000000
#define IN_EXCL_UNLINK 0x04000000
#define IN_MASK_CREATE 0x10000000
#define IN_MASK_ADD 0x20000000
#define IN_ONESHOT 0x80000000u
#define IN_ALL_EVENTS 0xfff
#define IN_WATCHABLE (IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED)

struct event;

/* What an inotify descriptor stands for. */
struct inotify {
	spinlock_t lock;
	struct list_head events; /* lock */
	u32 nr_events;		 /* lock */
	bool overflowed;	 /* lock: the overflow event is queued */
	struct event *overflow;	 /* kept ready: it must not fail */
	struct wait_queue wait;
	struct mutex read_mutex;
	struct mutex watch_mutex; /* adding and removing by system call */
	struct list_head watches; /* notify_lock */
	s32 last_wd;		  /* notify_lock */
	u32 nr_watches;		  /* notify_lock */
};

/* inotify.c: an event for the reader. @name may be NULL. notify_lock may be held. */
void inotify_queue(struct inotify *in, s32 wd, u32 mask, u32 cookie, const char *name);

/*
 * fsnotify.c: watches @i for @in, or changes the watch that there is. @arg: as inotify_add_watch() has it. The number
 * of the watch, -ENOMEM, -ENOSPC or -EEXIST. in->watch_mutex held.
 */
s32 watch_set(struct inotify *in, struct inode *i, u32 arg);
/* Ends the watch @wd of @in and says so. 0 or -EINVAL. in->watch_mutex held. */
int watch_end(struct inotify *in, s32 wd);
/* Ends all watches of @in, which nobody reads any more. */
void watches_end(struct inotify *in);
/* A line per watch, for /proc/PID/fdinfo: the length. */
size_t watches_show(struct inotify *in, char *buf, size_t size);

#endif
