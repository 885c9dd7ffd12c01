/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sleeping and waking, signals, clocks. A sleeper waits on its own state word; its timers run when it wakes up by
 * itself.
 */
#include <sched.h>
#include <time.h>

#include <gk/fs.h>
#include <gk/hypercall.h>
#include <gk/signal.h>
#include <gk/task.h>
#include "shim.h"

/* ---- clocks ---- */

static u64 clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (u64)ts.tv_sec * NSEC_PER_SEC + (u64)ts.tv_nsec;
}

ktime_t ktime_mono(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

struct timespec64 current_time(void)
{
	const u64 ns = clock_ns(CLOCK_REALTIME);

	return (struct timespec64){(s64)(ns / NSEC_PER_SEC), (s64)(ns % NSEC_PER_SEC)};
}

/* ---- sleeping and waking ---- */

void schedule(void)
{
	struct task *t = current;
	u32 state = READ_ONCE(t->state);

	if (state == TASK_RUNNING)
		sched_yield();
	for (; state != TASK_RUNNING; state = READ_ONCE(t->state)) {
		const ktime_t next = READ_ONCE(this_cpu()->timer_next);
		const ktime_t now = next == KTIME_NEVER ? 0 : ktime_mono();

		if (next != KTIME_NEVER && next <= now) {
			timers_run();
			continue;
		}
		WRITE_ONCE(t->on_cpu, false);
		hv_wait(&t->state, state, next == KTIME_NEVER ? KTIME_NEVER : next - now);
		WRITE_ONCE(t->on_cpu, true);
	}
}

bool try_wake_up(struct task *t, u32 states)
{
	u32 old = READ_ONCE(t->state);

	smp_mb(); /* what the sleeper waits for came before */
	do {
		if (!(old & states))
			return false;
	} while (!atomic_try_cmpxchg(&t->state, &old, TASK_RUNNING));
	/* From here on @t may be gone: the address of its word is all that counts. */
	hv_wake(&t->state, 1);
	return true;
}

void cond_resched(void)
{
	shim_point();
}

void shim_wait_asleep(struct task *t)
{
	while (READ_ONCE(t->on_cpu) || READ_ONCE(t->state) == TASK_RUNNING)
		sched_yield();
}

/* ---- signals ---- */

bool signal_pending(void)
{
	return READ_ONCE(current->work) & WORK_SIGNAL;
}

bool fatal_signal_pending(void)
{
	return READ_ONCE(current->work) & WORK_EXIT_GROUP;
}

void shim_signal(struct task *t, bool pending)
{
	if (pending)
		atomic_or(&t->work, (u64)WORK_SIGNAL);
	else
		atomic_and(&t->work, ~(u64)WORK_SIGNAL);
	if (pending)
		try_wake_up(t, TASK_INTERRUPTIBLE);
}

int send_signal_task(int sig, const struct siginfo *info, struct task *t)
{
	return 0;
}
