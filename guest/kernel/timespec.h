/* SPDX-License-Identifier: Apache-2.0 */
/* Times as programs give them. All return 0, -EFAULT or -EINVAL. */
#ifndef GK_TIMESPEC_H
#define GK_TIMESPEC_H

#include <gk/fs.h>
#include <gk/timer.h>
#include <gk/uaccess.h>

struct timeval64 {
	s64 tv_sec;
	s64 tv_usec;
};

/* Beyond this a time is "never": some 292 years. */
#define KTIME_MAX (~0ull >> 1)

static inline bool timespec_valid(const struct timespec64 *ts)
{
	return ts->tv_sec >= 0 && (u64)ts->tv_nsec < NSEC_PER_SEC;
}

static inline u64 timespec_ns(const struct timespec64 *ts)
{
	if ((u64)ts->tv_sec >= KTIME_MAX / NSEC_PER_SEC)
		return KTIME_MAX;
	return (u64)ts->tv_sec * NSEC_PER_SEC + (u64)ts->tv_nsec;
}

static inline struct timespec64 ns_timespec(u64 ns)
{
	return (struct timespec64){(s64)(ns / NSEC_PER_SEC), (s64)(ns % NSEC_PER_SEC)};
}

static inline int timespec_from_user(const struct timespec64 __user *uts, u64 *ns)
{
	struct timespec64 ts;

	if (copy_from_user(&ts, uts, sizeof(ts)))
		return -EFAULT;
	if (!timespec_valid(&ts))
		return -EINVAL;
	*ns = timespec_ns(&ts);
	return 0;
}

static inline int timespec_to_user(struct timespec64 __user *uts, u64 ns)
{
	struct timespec64 ts = ns_timespec(ns);

	return copy_to_user(uts, &ts, sizeof(ts));
}

/* Now + @ns on the monotonic clock; KTIME_NEVER when that is beyond all time. */
static inline ktime_t deadline_after(u64 ns)
{
	u64 now = ktime_mono();

	return ns >= KTIME_MAX - now ? KTIME_NEVER : now + ns;
}

#endif
