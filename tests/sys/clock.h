/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks, for tests that wait: how long something took, and deadlines. */
#ifndef UMBRA_TESTS_SYS_CLOCK_H
#define UMBRA_TESTS_SYS_CLOCK_H

#include <time.h>

/* Seconds. */
static inline double now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* The time on @clock in @ms. */
static inline struct timespec in_ms(clockid_t clock, int ms)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	ts.tv_nsec += ms * 1000000l;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

#endif
