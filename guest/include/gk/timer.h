/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks and kernel timers (kernel/clock.c, kernel/timer.c). Times are ns. */
#ifndef GK_TIMER_H
#define GK_TIMER_H

#include <gk/rbtree.h>
#include <gk/types.h>

struct cpu;

ktime_t ktime_mono(void); /* CLOCK_MONOTONIC */
ktime_t ktime_real(void); /* CLOCK_REALTIME */
ktime_t ktime_boot(void); /* CLOCK_BOOTTIME */
u64 clock_steps(void);    /* counts settings of CLOCK_REALTIME */

struct ktimer;
/* Runs on the timer's vCPU with no lock held, in supervisor context without a sleeping right. May re-arm the timer. */
typedef void (*ktimer_func_t)(struct ktimer *t);

struct ktimer {
	struct rb_node node; /* cpu->timer_lock */
	ktime_t deadline;
	ktimer_func_t func;
	struct cpu *cpu;     /* where it is queued, or NULL */
	bool running;
};

void ktimer_init(struct ktimer *t, ktimer_func_t func);
/* (Re)arms for @deadline (monotonic; in the past: as soon as possible). */
void ktimer_start(struct ktimer *t, ktime_t deadline);
/* Not queued any more and not running on return; must not be called from its own func. True if it was queued. */
bool ktimer_cancel(struct ktimer *t);

/* Runs what is due on this vCPU. Called when UM_PENDING_TIMER is seen, in idle and on the way to user mode. */
void timers_run(void);
/* Tells the hypervisor the next deadline if it changed; called before user mode and before halting. */
void timers_arm(void);

/* Sleeps; @state TASK_*. Returns 0 when the deadline passed, -EINTR-like -ERESTARTSYS on a signal, 1 when woken otherwise. */
int schedule_until(ktime_t deadline);

#endif
