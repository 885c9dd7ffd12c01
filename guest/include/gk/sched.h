/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler (kernel/sched.c): what start-up, fork and the scheduling calls need. What everyone needs is in
 * gk/task.h.
 */
#ifndef GK_SCHED_H
#define GK_SCHED_H

#include <gk/percpu.h>
#include <gk/task.h>

#define SCHED_NORMAL 0
#define SCHED_FIFO 1
#define SCHED_RR 2
#define SCHED_BATCH 3
#define SCHED_IDLE 5
#define SCHED_DEADLINE 6 /* not offered */
#define SCHED_RESET_ON_FORK 0x40000000

#define NICE_MIN -20
#define NICE_MAX 19
#define SCHED_SLICE_NS (3 * NSEC_PER_MSEC)

static inline bool policy_is_rt(int policy)
{
	return policy == SCHED_FIFO || policy == SCHED_RR;
}

/* Makes @c ready to run its @idle task; before the vCPU starts. */
void sched_cpu_init(struct cpu *c, struct task *idle);
/* The idle loop: never returns. */
void cpu_idle(void) __noreturn;
/* kernel/fork.c: vCPU @c's idle task, not runnable by itself. NULL: no memory. */
struct task *idle_task_new(struct cpu *c);
/* A new thread's scheduling state from its parent's. */
void sched_fork(struct task *child);
/* Changes policy, priority or nice of any task; the caller checked permissions and values. */
void sched_set(struct task *t, int policy, int rt_priority, int nice);
/* Restricts @t to @mask (not empty, only online vCPUs); it moves if it must. */
void sched_set_affinity(struct task *t, u64 mask);
/* All vCPUs there are. */
static inline u64 cpu_online_mask(void)
{
	u32 n = READ_ONCE(nr_cpus);

	return n >= 64 ? ~0ull : (1ull << n) - 1;
}
/* Time on CPUs up to now, of a task that may be running. */
u64 sched_exec_ns(const struct task *t);
/* The last act of a thread: state TASK_DEAD, never runs again. */
void sched_exit(void) __noreturn;
/* Tasks that run or want to, now. */
u32 nr_running_tasks(void);

#endif
