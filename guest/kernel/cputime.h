/* SPDX-License-Identifier: Apache-2.0 */
/* What the files on clocks, timers and CPU time share. */
#ifndef GK_CPUTIME_H
#define GK_CPUTIME_H

#include <gk/acct.h>
#include <gk/signal.h>
#include <gk/time.h>

/*
 * How often a deadline on CLOCK_REALTIME is looked at again: somebody may set that clock on the host, and nobody tells
 * us.
 */
#define REALTIME_RECHECK_NS (5 * NSEC_PER_SEC)

enum clock_kind { CLOCK_KIND_WALL, CLOCK_KIND_PROCESS, CLOCK_KIND_THREAD };

/* A CPU-time clock id: whose, and which part of the time. */
struct cpu_clock {
	enum clock_kind kind;
	enum { CPU_CLOCK_PROF, CPU_CLOCK_VIRT, CPU_CLOCK_SCHED } part;
	s32 pid; /* 0: current */
};

/* time_syscalls.c */
/* Decodes a CPU-time clock. False: it is not one. */
bool cpu_clock_decode(s32 clock, struct cpu_clock *c);
/* Its time. 0, or -EINVAL: no such task. */
int cpu_clock_read(const struct cpu_clock *c, u64 *ns);
/* Like it, for @p itself or one of its threads; siglock held. 0 if the thread is gone. */
u64 cpu_clock_read_locked(const struct cpu_clock *c, struct process *p);
/* A clock that runs by itself. False: no such clock. */
bool wall_clock_read(s32 clock, u64 *ns);

/*
 * Interval timers and the limit on CPU time. CPU time is looked at by a sampler: a kernel timer set for the earliest
 * moment at which something can be due if all threads run without a break.
 */
struct cpu_itimer {
	u64 expiry, interval; /* CPU time, ns; expiry 0: off */
};

struct itimers {
	struct process *process;
	struct ktimer real;
	ktime_t real_expiry; /* 0: off */
	u64 real_interval;
	struct ktimer sampler;
	struct cpu_itimer virt, prof;
};

/* How fast a process's CPU time can run against the wall clock. */
static inline u32 max_parallelism(const struct process *p)
{
	u32 n = MIN(READ_ONCE(p->nr_threads), nr_cpus);

	return n ? n : 1;
}

/* itimer.c; siglock held */
struct itimers *itimers_get(struct process *p); /* NULL: no memory */
/* Something on CPU time has been set: has the sampler look now. */
void cputime_sampler_start(struct process *p);

/*
 * itimer.c; siglock held: the thread that a signal for CPU time goes to, if it takes it. That is one that is running: a
 * profiler wants to know where, and the others may not run for long. NULL: all are about to exit.
 */
struct task *busy_thread(struct process *p);
/* posix_timer.c; siglock held: sends what is due by CPU time; ns of CPU time until the next is, or KTIME_NEVER. */
u64 posix_cpu_timers_check(struct process *p);

#endif
