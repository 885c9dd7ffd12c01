/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nanosleep, clock_nanosleep on each clock, relative and absolute; bad arguments.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#include "clock.h"
#include "sys.h"

/* libc returns the error; so does this. */
static int sleep_on(clockid_t clock, int flags, struct timespec ts)
{
	return syscall(SYS_clock_nanosleep, clock, flags, &ts, NULL) ? errno : 0;
}

static void test_lengths(void)
{
	static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI};
	double t0, d;

	for (size_t i = 0; i < 4; i++) {
		t0 = now(CLOCK_MONOTONIC);
		CHECK_EQ(sleep_on(clocks[i], 0, (struct timespec){.tv_nsec = 15000000}), 0);
		d = now(CLOCK_MONOTONIC) - t0;
		CHECK(d >= 0.015);
		t0 = now(CLOCK_MONOTONIC);
		CHECK_EQ(sleep_on(clocks[i], TIMER_ABSTIME, in_ms(clocks[i], 15)), 0);
		d = now(CLOCK_MONOTONIC) - t0;
		CHECK(d >= 0.0149);
		CHECK_EQ(sleep_on(clocks[i], TIMER_ABSTIME, (struct timespec){.tv_sec = 1}), 0); /* long past */
	}
	for (int us = 0; us < 2000; us += 97) {
		t0 = now(CLOCK_MONOTONIC);
		CHECK_OK(nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL));
		CHECK(now(CLOCK_MONOTONIC) - t0 >= us / 1e6);
	}
}

static void test_errors(void)
{
	struct timespec bad = {.tv_nsec = 1000000000}, negative = {.tv_sec = -1}, zero = {0};

	CHECK_ERR(nanosleep(&bad, NULL), EINVAL);
	CHECK_ERR(nanosleep(&negative, NULL), EINVAL);
	CHECK_ERR(nanosleep((void *)8, NULL), EFAULT);
	CHECK_OK(nanosleep(&zero, (void *)8)); /* nothing is written when it is not interrupted */
	CHECK_EQ(sleep_on(CLOCK_MONOTONIC, 0, bad), EINVAL);
	CHECK_EQ(sleep_on(99, 0, zero), EINVAL);
	CHECK_EQ(sleep_on(CLOCK_THREAD_CPUTIME_ID, 0, zero), EOPNOTSUPP);
	CHECK_EQ(sleep_on(CLOCK_MONOTONIC_RAW, 0, zero), EOPNOTSUPP);
	CHECK_EQ(sleep_on(CLOCK_MONOTONIC_COARSE, 0, zero), EOPNOTSUPP);
}

static volatile int stop;

static void *burn(void *arg)
{
	while (!stop)
		;
	return NULL;
}

/* A sleep on the process's CPU time lasts while nobody works. */
static void test_cpu(void)
{
	double c0 = now(CLOCK_PROCESS_CPUTIME_ID);
	pthread_t t;

	CHECK_EQ(pthread_create(&t, NULL, burn, NULL), 0);
	CHECK_EQ(sleep_on(CLOCK_PROCESS_CPUTIME_ID, 0, (struct timespec){.tv_nsec = 40000000}), 0);
	CHECK(now(CLOCK_PROCESS_CPUTIME_ID) - c0 >= 0.04);
	stop = 1;
	pthread_join(t, NULL);
}

/* Many sleepers, each for its own time: nobody wakes early, nobody is forgotten. */
#define SLEEPERS 20
static double late[SLEEPERS];

static void *sleeper(void *arg)
{
	struct timespec ts = ((struct timespec *)arg)[0];
	long i = ((struct timespec *)arg)[1].tv_sec;

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
	late[i] = now(CLOCK_MONOTONIC) - ((double)ts.tv_sec + (double)ts.tv_nsec / 1e9);
	return NULL;
}

static void test_many(void)
{
	static struct timespec arg[SLEEPERS][2];
	pthread_t t[SLEEPERS];

	for (int i = 0; i < SLEEPERS; i++) {
		int k = i * 7 % SLEEPERS;

		arg[i][0] = in_ms(CLOCK_MONOTONIC, 30 + 10 * k);
		arg[i][1].tv_sec = k;
		CHECK_EQ(pthread_create(&t[i], NULL, sleeper, arg[i]), 0);
	}
	for (int i = 0; i < SLEEPERS; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < SLEEPERS; i++)
		CHECK(late[i] >= 0);
}

int main(void)
{
	alarm(25);
	test_lengths();
	test_errors();
	test_cpu();
	test_many();
	return 0;
}
