/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes and FIFOs (fs/pipe.c), and what splice needs of them. */
#ifndef GK_PIPE_H
#define GK_PIPE_H

#include <gk/fasync.h>
#include <gk/lock.h>
#include <gk/page.h>
#include <gk/wait.h>

struct file;
struct inode;
struct iov_iter;

#define PIPE_BUF 4096u
#define PIPE_DEF_BUFS 16u
#define PIPE_MAX_SIZE (1u << 20) /* F_SETPIPE_SZ without CAP_SYS_RESOURCE */

#define F_SETPIPE_SZ 1031
#define F_GETPIPE_SZ 1032

#define PIPE_BUF_MERGE 0x1  /* ours alone: later writes may go behind the data */
#define PIPE_BUF_PACKET 0x2 /* one write of an O_DIRECT pipe: a read takes it whole or cuts it */

struct pipe_buf {
	struct page *page; /* reference */
	u32 offset, len;
	u32 flags;
};

struct pipe {
	struct mutex lock;
	u32 head, tail;		  /* lock: bufs[tail & mask] is the oldest; head - tail are in use */
	u32 nr_bufs;		  /* lock: a power of two */
	struct pipe_buf *bufs;	  /* lock */
	struct page *spare;	  /* lock: the page last emptied */
	u32 readers, writers;	  /* lock: open descriptions; may be looked at without it */
	u32 files;		  /* inode_pipe_lock */
	u32 r_counter, w_counter; /* lock: opens ever, for FIFOs */
	bool unnamed;		  /* immutable: of pipe(2); opening it by /proc/PID/fd waits for nobody */
	struct wait_queue rd_wait, wr_wait;
	struct fasync_list fasync;
};

/* fs/special.c gives these to every inode of type FIFO. */
extern const struct file_ops fifo_ops;

/* The pipe behind an open file, or NULL if it is no pipe. */
struct pipe *file_pipe(const struct file *f);
/* fcntl F_SETPIPE_SZ, F_GETPIPE_SZ: size or -errno. */
long pipe_fcntl(struct file *f, u32 cmd, u64 arg);
/* Two files: [0] to read, [1] to write. @flags: O_NONBLOCK, O_DIRECT. 0 or -errno. */
int pipe_create(struct file *out[2], u32 flags);

static inline u32 pipe_used(const struct pipe *p)
{
	return READ_ONCE(p->head) - READ_ONCE(p->tail);
}

static inline bool pipe_empty(const struct pipe *p)
{
	return pipe_used(p) == 0;
}

static inline bool pipe_full(const struct pipe *p)
{
	return pipe_used(p) >= READ_ONCE(p->nr_bufs);
}

static inline struct pipe_buf *pipe_slot(struct pipe *p, u32 i)
{
	return &p->bufs[i & (p->nr_bufs - 1)];
}

/* What read and write of a pipe do: bytes or -errno. @packet: each write keeps its own boundaries. */
ssize_t pipe_take(struct pipe *p, struct iov_iter *it, bool nonblock);
ssize_t pipe_give(struct pipe *p, struct iov_iter *it, bool packet, bool nonblock);
/* Lock held. Drops the oldest buffer, which must be empty or unwanted. */
void pipe_drop_tail(struct pipe *p);
/*
 * Sleep until there is data (or no writer), or room (or no reader). Lock held before and after. 0, -EAGAIN,
 * -ERESTARTSYS.
 */
int pipe_wait_data(struct pipe *p, bool nonblock);
int pipe_wait_room(struct pipe *p, bool nonblock);
/* Lock not needed: after data or room came. */
void pipe_wake_readers(struct pipe *p);
void pipe_wake_writers(struct pipe *p);
/* @p goes; no reader: -EPIPE, and SIGPIPE for current. */
int pipe_broken(void);

#endif
