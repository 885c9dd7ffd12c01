/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals: a line discipline, a device below it (the console or the master of a pty), files above it, a session
 * around it.
 *
 * Locks: tty_mutex (open, close, hang-up) > tty->lock (discipline and flags; a spin lock) ; task_lock > tty_ctrl_lock
 * (who controls what). Signals are noted under tty->lock and sent after it.
 */
#ifndef GUEST_DRIVERS_TTY_H
#define GUEST_DRIVERS_TTY_H

#include <gk/fasync.h>
#include <gk/fs.h>
#include <gk/lock.h>
#include <gk/poll.h>
#include <gk/task.h>
#include <gk/tty.h>
#include <gk/wait.h>

#include "drivers/n_tty.h"

struct tty;

struct tty_driver {
	const char *name;
	/* There is output to take, or flow control changed. No locks held; must not sleep. */
	void (*output)(struct tty *t);
	/* Input was read: there may be room again. No locks held; must not sleep. */
	void (*unthrottle)(struct tty *t);
	/* First open; tty_mutex held. NULL: always possible. */
	int (*open)(struct tty *t, struct file *f);
	/* Last close; tty_mutex held. */
	void (*close)(struct tty *t);
	/* Bytes written that are not out yet (TIOCOUTQ, drain). NULL: output is out at once. */
	u32 (*pending)(struct tty *t);
	/* The settings changed from @old; lock held. May be NULL. */
	void (*set_termios)(struct tty *t, const struct termios *old);
	/* The last reference is gone. */
	void (*free)(struct tty *t);
};

struct tty {
	refcount_t refs;
	const struct tty_driver *driver;
	u64 rdev;
	void *private; /* the driver's */
	spinlock_t lock;
	struct n_tty ld;	  /* lock */
	struct winsize winsize;	  /* lock */
	u32 opens;		  /* tty_mutex */
	u32 hangups;		  /* counts: a file of an earlier life is hung up */
	bool exclusive;		  /* lock: TIOCEXCL */
	bool packet;		  /* lock: the master of the pty is in packet mode */
	u8 packet_status;	  /* lock: TIOCPKT_* it has not read yet */
	bool other_closed;	  /* lock: a pty whose master is gone */
	struct mutex read_mutex;  /* one reader at a time */
	struct mutex write_mutex; /* writes do not mix */
	struct wait_queue read_wait, write_wait;
	struct fasync_list fasync;
	struct pid *session, *pgrp; /* tty_ctrl_lock: references */
};

#define TIOCPKT_DATA 0
#define TIOCPKT_FLUSHREAD 1
#define TIOCPKT_FLUSHWRITE 2
#define TIOCPKT_STOP 4
#define TIOCPKT_START 8
#define TIOCPKT_NOSTOP 16
#define TIOCPKT_DOSTOP 32
#define TIOCPKT_IOCTL 64

extern struct mutex tty_mutex;
extern spinlock_t tty_ctrl_lock;

/* drivers/tty.c */
struct tty *tty_new(const struct tty_driver *driver, u64 rdev, void *priv); /* one reference; NULL: no memory */
struct tty *tty_get(struct tty *t);
void tty_put(struct tty *t);
/* What an open of a terminal device does: f->private = @t with a reference. 0 or -errno. */
int tty_open(struct tty *t, struct file *f);
extern const struct file_ops tty_ops; /* .open is NULL: devices have their own that call tty_open() */
static inline struct tty *file_tty(const struct file *f)
{
	return f->ops->release == tty_ops.release ? f->private : NULL;
}
static inline bool tty_hung_up(const struct tty *t, const struct file *f)
{
	return f->version != READ_ONCE(t->hangups);
}
/* From the device, any context without sleeping: bytes in. Returns how many were taken. */
u32 tty_receive(struct tty *t, const u8 *p, u32 n);
/* Lock held on entry, released: does what the discipline asks for (signals, wake-ups, output). */
void tty_unlock_and_run(struct tty *t);
/* Everyone who has it open finds it dead; its session gets SIGHUP. tty_mutex held. */
void tty_hangup(struct tty *t);

/* drivers/tty_ioctl.c */
long tty_ioctl(struct file *f, u32 cmd, u64 arg);
/* What a terminal and the master of a pty have in common; the master (@master) speaks for its terminal @t. */
long tty_common_ioctl(struct tty *t, struct file *f, u32 cmd, u64 arg, bool master);
/* Sets the window size; SIGWINCH if it changed. */
void tty_set_winsize(struct tty *t, const struct winsize *ws);

/* drivers/tty_jobctl.c */
/* May current read, or write (change settings)? 0, -ERESTARTSYS after SIGTTIN/SIGTTOU, -EIO for an orphan. */
int tty_check_read(struct tty *t);
int tty_check_change(struct tty *t);
/* An open without O_NOCTTY by a session leader without terminal. */
void tty_open_controlling(struct tty *t, struct file *f);
long tty_job_ioctl(struct tty *t, struct file *f, u32 cmd, u64 arg, bool master);
void tty_signal_foreground(struct tty *t, int sig);
/* SIGHUP and SIGCONT to the session leader and the foreground group; the session loses it. */
void tty_signal_session_hangup(struct tty *t);
/* Current's controlling terminal with a reference, or NULL. */
struct tty *current_tty(void);
/* The foreground group, or current, owns @f unless somebody does: for O_ASYNC. */
void tty_own_file(struct tty *t, struct file *f);
void tty_forget_owners(struct tty *t); /* free: drops session and group */

#endif
