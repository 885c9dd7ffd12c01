/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Times of programs (struct timespec and friends) and kernel times (ns). Conversions to ns saturate below KTIME_NEVER.
 */
#ifndef GK_TIME_H
#define GK_TIME_H

#include <gk/fs.h>
#include <gk/timer.h>

#define KTIME_MAX 0x7fffffffffffffffull /* beyond this a time is "never": some 292 years */

static inline bool timespec64_valid(const struct timespec64 *ts)
{
	return ts->tv_sec >= 0 && ts->tv_nsec >= 0 && ts->tv_nsec < (s64)NSEC_PER_SEC;
}

/* @ts valid. */
static inline u64 timespec64_to_ns(const struct timespec64 *ts)
{
	if ((u64)ts->tv_sec >= KTIME_MAX / NSEC_PER_SEC)
		return KTIME_MAX;
	return (u64)ts->tv_sec * NSEC_PER_SEC + (u64)ts->tv_nsec;
}

static inline struct timespec64 ns_to_timespec64(u64 ns)
{
	return (struct timespec64){(s64)(ns / NSEC_PER_SEC), (s64)(ns % NSEC_PER_SEC)};
}

/* Now + @ns on the monotonic clock; KTIME_NEVER when that is beyond all time. */
static inline ktime_t ktime_after(u64 ns)
{
	const ktime_t now = ktime_mono();

	return ns >= KTIME_MAX - now ? KTIME_NEVER : now + ns;
}

/* The same as a deadline of a call that does not wait if it is given 0: that stays 0. */
static inline ktime_t deadline_after(u64 ns)
{
	return ns ? ktime_after(ns) : 0;
}

struct itimerspec64 {
	struct timespec64 interval, value;
};

struct timeval64 {
	s64 tv_sec, tv_usec;
};

static inline struct timeval64 ns_to_timeval64(u64 ns)
{
	return (struct timeval64){(s64)(ns / NSEC_PER_SEC), (s64)(ns % NSEC_PER_SEC / NSEC_PER_USEC)};
}

/* Times as programs give them and take them: 0, -EFAULT or -EINVAL. */
static inline int timespec_from_user(const struct timespec64 __user *uts, u64 *ns)
{
	struct timespec64 ts;

	if (copy_from_user(&ts, uts, sizeof(ts)))
		return -EFAULT;
	if (!timespec64_valid(&ts))
		return -EINVAL;
	*ns = timespec64_to_ns(&ts);
	return 0;
}

static inline int timespec_to_user(struct timespec64 __user *uts, u64 ns)
{
	const struct timespec64 ts = ns_to_timespec64(ns);

	return copy_to_user(uts, &ts, sizeof(ts));
}

/* A relative time-out: *deadline is 0 for "do not wait", KTIME_NEVER for NULL. */
static inline int timeout_from_user(const struct timespec64 __user *uts, ktime_t *deadline)
{
	u64 ns;
	int err;

	*deadline = KTIME_NEVER;
	if (!uts)
		return 0;
	err = timespec_from_user(uts, &ns);
	if (!err)
		*deadline = deadline_after(ns);
	return err;
}

#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1
#define CLOCK_PROCESS_CPUTIME_ID 2
#define CLOCK_THREAD_CPUTIME_ID 3
#define CLOCK_MONOTONIC_RAW 4
#define CLOCK_REALTIME_COARSE 5
#define CLOCK_MONOTONIC_COARSE 6
#define CLOCK_BOOTTIME 7
#define CLOCK_REALTIME_ALARM 8
#define CLOCK_BOOTTIME_ALARM 9
#define CLOCK_TAI 11
#define TIMER_ABSTIME 1

/*
 * The VMM has interrupted us, perhaps because somebody set CLOCK_REALTIME on the host: if so, absolute timers on it
 * move and TFD_TIMER_CANCEL_ON_SET fires. No locks held; does not sleep. fs/timerfd.c
 */
void timerfd_look_at_clock(void);

#endif
