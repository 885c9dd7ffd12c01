/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll, select and epoll ask a file twice: what is ready now, and "tell me when that may change" (poll_wait with the
 * wait queues the file will wake). A file's poll op must call poll_wait() before it looks at its state.
 */
#ifndef GK_POLL_H
#define GK_POLL_H

#include <gk/wait.h>

struct file;
struct poll_table;

#define EPOLLIN 0x001u
#define EPOLLPRI 0x002u
#define EPOLLOUT 0x004u
#define EPOLLERR 0x008u
#define EPOLLHUP 0x010u
#define EPOLLNVAL 0x020u
#define EPOLLRDNORM 0x040u
#define EPOLLRDBAND 0x080u
#define EPOLLWRNORM 0x100u
#define EPOLLWRBAND 0x200u
#define EPOLLMSG 0x400u
#define EPOLLRDHUP 0x2000u

typedef void (*poll_queue_t)(struct file *f, struct wait_queue *q, struct poll_table *pt);

struct poll_table {
	poll_queue_t queue; /* NULL: only asking */
	u32 events;	    /* what the caller wants */
};

static inline void poll_wait(struct file *f, struct wait_queue *q, struct poll_table *pt)
{
	if (pt && pt->queue)
		pt->queue(f, q, pt);
}

/* Asks a file; files without a poll op are always readable and writable. fs/poll.c */
u32 vfs_poll(struct file *f, struct poll_table *pt);

/*
 * Takes a file that goes away out of every epoll set. file_put() calls it for the last reference, before release.
 * fs/epoll.c
 */
void epoll_release_file(struct file *f);

#endif
