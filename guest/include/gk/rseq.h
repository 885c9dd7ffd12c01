/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restartable sequences (kernel/rseq.c): a program registers a structure in which we keep the number of its vCPU; a
 * critical section that was preempted, migrated or interrupted by a signal goes on at its abort address.
 */
#ifndef GK_RSEQ_H
#define GK_RSEQ_H

#include <gk/task.h>

/* The task was switched out: its sequence, if any, is looked at on the way to user mode. */
static inline void rseq_preempt(struct task *t)
{
	if (t->rseq)
		atomic_or(&t->work, WORK_RSEQ);
}

/* On the way to user mode with WORK_RSEQ set (clears it). SIGSEGV on a bad structure. */
void rseq_resume(struct pt_regs *regs);
/* Before a signal frame is built: @regs may be moved to the abort address. */
void rseq_signal(struct pt_regs *regs);
/* exec forgets the registration; fork keeps it, clone(CLONE_VM) starts without. */
static inline void rseq_clear(struct task *t)
{
	t->rseq = 0;
	t->rseq_len = t->rseq_sig = 0;
	atomic_and(&t->work, ~(u64)WORK_RSEQ);
}

#endif
