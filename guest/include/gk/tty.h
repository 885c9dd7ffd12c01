/* SPDX-License-Identifier: Apache-2.0 */
/* What other parts of the kernel call in the terminal code (drivers/tty*.c). */
#ifndef GK_TTY_H
#define GK_TTY_H

#include <gk/types.h>

struct tty;
struct process;
struct file;

/* fork: the child gets its parent's controlling terminal. Child not visible yet. */
void tty_fork(struct process *parent, struct process *child);
/* setsid: current loses its controlling terminal without signals. Also for a process that is released. */
void tty_clear_process(struct process *p);
/*
 * A session leader exits: its session loses the terminal, the foreground group gets SIGHUP and SIGCONT.
 * Called by exit when the last thread of current's process goes; no locks held.
 */
void tty_session_leader_exit(struct process *p);
/* /proc/PID/stat: device number (0: none) and foreground group (-1: none). */
void tty_process_stat(struct process *p, u32 *dev, s32 *pgrp);

/* drivers/console.c: descriptors 0, 1 and 2 of the first program, which is current. 0 or -errno. */
int console_open_stdio(void);
/* drivers/control.c: the first process is gone. Writes out what the console still holds, then tells the VMM. */
void control_report_exit(u32 wait_status);

#endif
