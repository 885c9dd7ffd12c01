/* SPDX-License-Identifier: Apache-2.0 */
/* Times of programs (struct timespec and friends) and kernel times (ns). Conversions to ns saturate below KTIME_NEVER. */
#ifndef GK_TIME_H
#define GK_TIME_H

#include <gk/fs.h>
#include <gk/timer.h>

#define KTIME_MAX 0x7fffffffffffffffull

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

/* The monotonic time in @ns from now; 0 stays 0 ("do not wait"). */
static inline ktime_t deadline_after(u64 ns)
{
	ktime_t now;

	if (!ns)
		return 0;
	now = ktime_mono();
	return ns >= KTIME_MAX - now ? KTIME_NEVER : now + ns;
}

struct itimerspec64 {
	struct timespec64 interval, value;
};

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

/*
 * The VMM has interrupted us, perhaps because somebody set CLOCK_REALTIME on the host: if so, absolute timers on it move and
 * TFD_TIMER_CANCEL_ON_SET fires. No locks held; does not sleep. fs/timerfd.c
 */
void timerfd_look_at_clock(void);

#endif
