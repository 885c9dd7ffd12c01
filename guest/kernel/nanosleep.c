/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nanosleep and clock_nanosleep. A relative sleep that a signal without handler interrupts goes on to its old deadline
 * (restart_syscall); an absolute one is simply called again.
 */
#include <gk/errno.h>
#include <gk/syscall.h>
#include <gk/uaccess.h>

#include "cputime.h"

/* Until a monotonic deadline: 0 or -ERESTARTSYS. Wake-ups without reason do not end it. */
static int sleep_until(ktime_t deadline)
{
	int ret;

	do {
		set_current_state(TASK_INTERRUPTIBLE);
		ret = schedule_until(deadline);
	} while (ret > 0);
	return ret;
}

static u64 remaining(ktime_t deadline)
{
	u64 now = ktime_mono();

	return deadline > now ? deadline - now : 0;
}

static long relative_restart(struct restart_block *r);

/* Sleeps; when interrupted, tells the program what was left (@urem may be NULL). */
static long relative_sleep(ktime_t deadline, struct timespec64 __user *urem)
{
	struct restart_block *r = &current->restart;

	if (!sleep_until(deadline))
		return 0;
	if (urem && timespec_to_user(urem, deadline == KTIME_NEVER ? KTIME_MAX : remaining(deadline)))
		return -EFAULT;
	r->fn = relative_restart;
	r->arg[0] = deadline;
	r->arg[1] = (u64)urem;
	return -ERESTART_RESTARTBLOCK;
}

static long relative_restart(struct restart_block *r)
{
	return relative_sleep(r->arg[0], (struct timespec64 __user *)r->arg[1]);
}

SYSCALL2(nanosleep, const struct timespec64 __user *, uts, struct timespec64 __user *, urem)
{
	u64 ns;
	int err = timespec_from_user(uts, &ns);

	return err ? err : relative_sleep(ktime_after(ns), urem);
}

/* Until @clock reads @target. The host may set CLOCK_REALTIME meanwhile. */
static long absolute_sleep(s32 clock, u64 target)
{
	bool settable = clock == CLOCK_REALTIME || clock == CLOCK_TAI;
	u64 now, left;

	for (;;) {
		wall_clock_read(clock, &now);
		if (now >= target)
			return 0;
		left = target - now;
		if (settable)
			left = MIN(left, (u64)REALTIME_RECHECK_NS);
		if (sleep_until(ktime_after(left)))
			return -ERESTARTNOHAND;
	}
}

/* Until the process has used @target ns of CPU time. It cannot be reached sooner than with all threads running. */
static long cpu_sleep(const struct cpu_clock *c, u64 target)
{
	u64 now, wait;
	int err;

	for (;;) {
		err = cpu_clock_read(c, &now);
		if (err)
			return err;
		if (now >= target)
			return 0;
		wait = (target - now) / max_parallelism(current->process);
		if (sleep_until(ktime_after(MAX(wait, (u64)NSEC_PER_MSEC))))
			return -ERESTARTNOHAND;
	}
}

static long sleep_on_cpu_clock(const struct cpu_clock *c, int flags, u64 ns, struct timespec64 __user *urem)
{
	u64 now, target;
	long ret;

	if (c->kind == CLOCK_KIND_THREAD && (!c->pid || c->pid == task_pid_nr(current)))
		return -EINVAL; /* it would wait for itself to run */
	ret = cpu_clock_read(c, &now);
	if (ret)
		return ret;
	target = flags & TIMER_ABSTIME ? ns : now + ns;
	ret = cpu_sleep(c, target);
	if (ret != -ERESTARTNOHAND || (flags & TIMER_ABSTIME))
		return ret;
	if (urem && !cpu_clock_read(c, &now) && timespec_to_user(urem, target > now ? target - now : 0))
		return -EFAULT;
	return -EINTR;
}

SYSCALL4(clock_nanosleep, s32, clock, int, flags, const struct timespec64 __user *, uts, struct timespec64 __user *,
	 urem)
{
	struct cpu_clock c;
	u64 ns, now;
	int err;

	if (clock != CLOCK_THREAD_CPUTIME_ID && cpu_clock_decode(clock, &c)) {
		err = timespec_from_user(uts, &ns);
		return err ? err : sleep_on_cpu_clock(&c, flags, ns, urem);
	}
	if (clock != CLOCK_THREAD_CPUTIME_ID && !wall_clock_read(clock, &now))
		return -EINVAL;
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME && clock != CLOCK_TAI)
		return -EOPNOTSUPP;
	err = timespec_from_user(uts, &ns);
	if (err)
		return err;
	if (flags & TIMER_ABSTIME)
		return absolute_sleep(clock, ns);
	return relative_sleep(ktime_after(ns), urem);
}
