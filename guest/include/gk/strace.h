/* SPDX-License-Identifier: Apache-2.0 */
/* Tracing of system calls to the log: configuration key "strace=" (kernel/strace.c). */
#ifndef GK_STRACE_H
#define GK_STRACE_H

#include <gk/ptregs.h>

struct siginfo;
struct task;

void strace_init(void);
/* The first name in the list that no system call has (cut if it is long), or NULL. */
const char *strace_unknown(void);
/* Gives the first program WORK_STRACE if tracing is on; fork hands it down. */
void strace_task(struct task *t);
/* Around each call of a task with WORK_STRACE. strace_exit() reads the result in regs->rax. */
void strace_enter(struct pt_regs *regs);
void strace_exit(struct pt_regs *regs);
/* A handler is about to run. */
void strace_signal(int sig, const struct siginfo *info);
/* The thread ends. */
void strace_death(u32 wait_status);

#endif
