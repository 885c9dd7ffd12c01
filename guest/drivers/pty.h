/* SPDX-License-Identifier: Apache-2.0 */
/* Pseudo terminals: what devpts needs of them and they of it. */
#ifndef GUEST_DRIVERS_PTY_H
#define GUEST_DRIVERS_PTY_H

#include "drivers/tty.h"

#define PTY_MAX 1024u
#define PTY_MAJOR 136u

struct pty {
	struct tty *slave; /* owns us: tty->private */
	u32 index;
	bool locked;				 /* slave->lock: TIOCSPTLCK */
	bool slave_closed;			 /* slave->lock: opened once, all closed now */
	struct mutex read_mutex, write_mutex;	 /* of the master */
	struct wait_queue read_wait, write_wait; /* of the master */
	struct fasync_list fasync;		 /* of the master */
	kuid_t uid;
	kgid_t gid;
	struct inode *inode; /* pty_lock: of the name in devpts, a reference; NULL until looked up */
};

extern const struct file_ops ptmx_ops; /* open makes a new pair */

/* The living pty @index (its terminal with a reference), or NULL. */
struct pty *pty_find(u32 index);
/* The next one with a number >= @from, or -1. */
int pty_next(u32 from);
/* Makes @inode (a reference is taken) the one of @p unless it has one; returns the one it has, with a reference. */
struct inode *pty_set_inode(struct pty *p, struct inode *inode);
int pty_open_slave(struct pty *p, struct file *f);
void pty_init(void);

#endif
