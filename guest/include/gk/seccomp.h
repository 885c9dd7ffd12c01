/* SPDX-License-Identifier: Apache-2.0 */
/* System-call filters of programs (kernel/seccomp.c). */
#ifndef GK_SECCOMP_H
#define GK_SECCOMP_H

#include <gk/ptregs.h>
#include <gk/types.h>

struct task;

#define SECCOMP_MODE_STRICT 1
#define SECCOMP_MODE_FILTER 2

/*
 * At system-call entry when WORK_SECCOMP is set, after ptrace, regs->orig_rax is the number. True: do the call. False:
 * skip it, regs->rax is the result. May end the process.
 */
bool seccomp_enter(struct pt_regs *regs);
/*
 * fork, siglock held, @child not running yet: it starts with current's filters (reference, WORK_SECCOMP).
 * seccomp_release(): the task is going away.
 */
void seccomp_fork(struct task *child);
void seccomp_release(struct task *t);
/* prctl(PR_SET_SECCOMP) */
long seccomp_prctl(u64 mode, u64 arg);

#endif
