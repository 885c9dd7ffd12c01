/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time (kernel/rusage.c). The total of a task is exact: the scheduler adds it up in sum_exec_ns at context
 * switches. How it splits into user and system time is sampled: one entry into the kernel in ACCT_SAMPLE is measured
 * and counts for all of them, so that an ordinary entry costs one increment.
 */
#ifndef GK_ACCT_H
#define GK_ACCT_H

#include <gk/task.h>

#define ACCT_SAMPLE 64 /* a power of two */

void account_sample_begin(struct task *t);
void account_sample_end(struct task *t);

/* Entry code, current: around whatever the kernel does for the program. They nest not. */
static __always_inline void account_enter(struct task *t)
{
	if (unlikely((++t->acct_entries & (ACCT_SAMPLE - 1)) == 0))
		account_sample_begin(t);
}

static __always_inline void account_leave(struct task *t)
{
	if (unlikely(t->acct_stamp))
		account_sample_end(t);
}

/* Time @t has spent on CPUs until now. No lock needed. */
u64 task_cpu_ns(const struct task *t);
/* All of it, split. */
void task_times(struct task *t, u64 *utime_ns, u64 *stime_ns);
/* Of all threads, dead ones included; siglock or task_lock held. */
void process_times(struct process *p, u64 *utime_ns, u64 *stime_ns);

/* siglock held: @t leaves its process; its figures go to acct_dead. */
void account_thread_exit(struct task *t);
/*
 * @parent has waited for the zombie @child: what it and its children used goes to the children of @parent. task_lock
 * held.
 */
void account_reap(struct process *parent, struct process *child);
/* System calls of all programs since the start, however they came in. Takes task_lock; others may be running. */
u64 account_syscalls(void);
/* exec and exit: remember the largest resident size. */
void account_maxrss(struct task *t);

/* struct rusage and what getrusage(2), wait4(2) give to programs. */
struct linux_rusage {
	s64 utime_sec, utime_usec, stime_sec, stime_usec;
	s64 maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock, oublock, msgsnd, msgrcv, nsignals, nvcsw,
		nivcsw;
};
/* The zombie or running child @p with its own children, as wait4() reports it. task_lock held. */
void rusage_of_process(struct process *p, struct linux_rusage *ru);

/* Timers of a process: siglock not held. exec deletes POSIX timers, the last thread's exit all. */
void posix_timers_exit(struct process *p);
void itimers_exit(struct process *p);
/* fork: a new process has no timers of its own, but the limit on CPU time. Its limits are set. */
void itimers_new_process(struct process *child);

#endif
