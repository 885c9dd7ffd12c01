/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and kernel timers (kernel/clock.c, kernel/timer.c). Times are ns. */
#ifndef GK_TIMER_H
#define GK_TIMER_H

#include <gk/percpu.h>
#include <gk/rbtree.h>
#include <gk/types.h>

ktime_t ktime_mono(void); /* CLOCK_MONOTONIC */
ktime_t ktime_real(void); /* CLOCK_REALTIME */
ktime_t ktime_boot(void); /* CLOCK_BOOTTIME */
u64 clock_steps(void);	  /* counts settings of CLOCK_REALTIME */
s64 clock_tai_offset_ns(void);

struct ktimer;
/*
 * Runs on some vCPU with no lock held, in supervisor context without the right to sleep. May re-arm the timer, and may
 * free it (the timer is not touched after its func was called).
 */
typedef void (*ktimer_func_t)(struct ktimer *t);

struct ktimer {
	struct rb_node node; /* cpu->timer_lock */
	ktime_t deadline;    /* cpu->timer_lock */
	ktimer_func_t func;
	struct cpu *cpu; /* where it was queued last, or NULL; changes under that one's timer_lock */
	bool queued;	 /* cpu->timer_lock */
};

void ktimer_init(struct ktimer *t, ktimer_func_t func);
/*
 * (Re)arms for @deadline (monotonic; in the past: as soon as possible; KTIME_NEVER: not at all). Any context. Calls for
 * one timer are serialised by its owner, except against its own func.
 */
void ktimer_start(struct ktimer *t, ktime_t deadline);
/*
 * Not queued any more and not running on return; must not be called from its own func, nor with a lock func takes.
 * True if it was queued.
 */
bool ktimer_cancel(struct ktimer *t);
/*
 * Takes it off without waiting: 1 it was queued, 0 it was not, -1 its func is running just now (and may have re-armed
 * it).
 */
int ktimer_try_cancel(struct ktimer *t);

/* UM_PENDING_TIMER was seen (and with it the hypervisor's deadline is used up): runs what is due on this vCPU. */
void timers_run(void);

void timers_arm_slow(void);
/*
 * Tells the hypervisor the next deadline if it is earlier than what it knows. Must be called before user mode and
 * before halting: starting a timer alone arms nothing. A deadline that was cancelled stays armed and costs one empty
 * timers_run().
 */
static __always_inline void timers_arm(void)
{
	struct cpu *c = this_cpu();

	if (unlikely(READ_ONCE(c->timer_next) < READ_ONCE(c->armed)))
		timers_arm_slow();
}

/*
 * Sleeps in the state that the caller has set (TASK_*) until @deadline (KTIME_NEVER: none). Returns 0 when the deadline
 * passed, -ERESTARTSYS when a signal is pending that this state lets through, 1 when woken otherwise. State is RUNNING
 * after.
 */
int schedule_until(ktime_t deadline);

#endif
