/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timerfd_create, timerfd_settime, timerfd_gettime: relative and absolute, intervals and their count, disarming,
 * errors.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "sys.h"

static void set(int fd, int flags, long value_ns, long interval_ns)
{
	struct itimerspec its = {{interval_ns / 1000000000, interval_ns % 1000000000},
				 {value_ns / 1000000000, value_ns % 1000000000}};

	CHECK_OK(timerfd_settime(fd, flags, &its, NULL));
}

static long now(int clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000l + ts.tv_nsec;
}

static uint64_t ticks(int fd)
{
	uint64_t v = 0;

	CHECK_EQ(read(fd, &v, 8), 8);
	return v;
}

static void clock_tests(int clock)
{
	int fd = CHECK_OK(timerfd_create(clock, 0));
	struct pollfd p = {fd, POLLIN, 0};
	struct itimerspec its;
	long t0 = now(clock), t;
	uint64_t v;

	CHECK_OK(timerfd_gettime(fd, &its));
	CHECK(!its.it_value.tv_sec && !its.it_value.tv_nsec);
	CHECK_EQ(poll(&p, 1, 0), 0);
	set(fd, 0, 20000000, 0);
	CHECK_EQ(ticks(fd), 1);
	CHECK(now(clock) - t0 >= 20000000);
	CHECK_EQ(poll(&p, 1, 30), 0); /* once */

	/* Absolute, also in the past. */
	t0 = now(clock);
	set(fd, TFD_TIMER_ABSTIME, t0 + 20000000, 0);
	CHECK_EQ(poll(&p, 1, -1), 1);
	CHECK(now(clock) >= t0 + 20000000);
	CHECK_EQ(ticks(fd), 1);
	set(fd, TFD_TIMER_ABSTIME, 1, 0);
	CHECK_EQ(ticks(fd), 1);

	/* Periods that nobody read are counted. */
	t0 = now(clock);
	set(fd, 0, 1000000, 1000000);
	usleep(50000);
	v = ticks(fd);
	t = now(clock) - t0;
	CHECK(v >= 49 && (long)v <= t / 1000000);
	CHECK_OK(timerfd_gettime(fd, &its));
	CHECK_EQ(its.it_interval.tv_nsec, 1000000);
	CHECK(its.it_value.tv_nsec <= 1000000 && its.it_value.tv_nsec > 0);
	usleep(5000);
	CHECK_OK(timerfd_gettime(fd, &its));
	v = ticks(fd);
	CHECK(v >= 4);

	/* Setting anew forgets what was counted; zero disarms. */
	usleep(5000);
	its = (struct itimerspec){{0, 0}, {100, 0}};
	struct itimerspec old;
	CHECK_OK(timerfd_settime(fd, 0, &its, &old));
	CHECK_EQ(old.it_interval.tv_nsec, 1000000);
	CHECK_EQ(poll(&p, 1, 0), 0);
	set(fd, 0, 0, 1000);
	CHECK_OK(timerfd_gettime(fd, &its));
	CHECK(!its.it_value.tv_sec && !its.it_value.tv_nsec);
	CHECK_EQ(poll(&p, 1, 5), 0);
	close(fd);
}

static void errors(void)
{
	struct itimerspec its = {{0, 0}, {0, 1000000000}};
	int fd = CHECK_OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)), p[2];
	uint64_t v;

	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_ERR(read(fd, &v, 8), EAGAIN);
	CHECK_ERR(read(fd, &v, 7), EINVAL);
	CHECK_ERR(timerfd_settime(fd, 0, &its, NULL), EINVAL);
	its.it_value.tv_nsec = 0;
	its.it_value.tv_sec = -1;
	CHECK_ERR(timerfd_settime(fd, 0, &its, NULL), EINVAL);
	its.it_value.tv_sec = 0;
	CHECK_ERR(timerfd_settime(fd, 0x100, &its, NULL), EINVAL);
	CHECK_ERR(timerfd_settime(fd, 0, bad_ptr, NULL), EFAULT);
	CHECK_ERR(timerfd_settime(999, 0, &its, NULL), EBADF);
	CHECK_ERR(timerfd_gettime(fd, bad_ptr), EFAULT);
	CHECK_OK(pipe(p));
	CHECK_ERR(timerfd_settime(p[0], 0, &its, NULL), EINVAL);
	CHECK_ERR(timerfd_gettime(p[0], &its), EINVAL);
	CHECK_ERR(timerfd_create(77, 0), EINVAL);
	CHECK_ERR(timerfd_create(CLOCK_MONOTONIC, 1), EINVAL);
	CHECK_ERR(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), EINVAL);
	CHECK_ERR(write(fd, &v, 8), EINVAL);
	/* A far deadline does not overflow. */
	its = (struct itimerspec){{0, 0}, {0x7fffffffffffffff, 999999999}};
	CHECK_OK(timerfd_settime(fd, 0, &its, NULL));
	CHECK_ERR(read(fd, &v, 8), EAGAIN);
	CHECK_OK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &its, NULL));
	CHECK_ERR(read(fd, &v, 8), EAGAIN);
	close(fd);
	/* Accepted: nobody sets the clock here. */
	fd = CHECK_OK(timerfd_create(CLOCK_REALTIME, 0));
	its = (struct itimerspec){{0, 0}, {now(CLOCK_REALTIME) / 1000000000, 0}};
	CHECK_OK(timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &its, NULL));
	CHECK_EQ(ticks(fd), 1);
	close(fd);
}

/* Edge-triggered: one event per expiry that was read, none without reading. */
static void with_epoll(void)
{
	int fd = CHECK_OK(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK)), ep = CHECK_OK(epoll_create1(0));
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};

	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	set(fd, 0, 5000000, 5000000);
	for (int i = 0; i < 5; i++) {
		CHECK_EQ(epoll_wait(ep, &ev, 1, 1000), 1);
		CHECK(ticks(fd) >= 1);
	}
	close(fd);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 20), 0);
	close(ep);
}

int main(void)
{
	clock_tests(CLOCK_MONOTONIC);
	clock_tests(CLOCK_REALTIME);
	clock_tests(CLOCK_BOOTTIME);
	errors();
	with_epoll();
	return 0;
}
