/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock_gettime, clock_getres, gettimeofday, time, settimeofday, adjtimex, times, CPU-time clocks: by system call and
 * through libc (vDSO), never backwards, alike.
 */
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <time.h>

#include "sys.h"

static long long ns(const struct timespec *ts)
{
	return ts->tv_sec * 1000000000ll + ts->tv_nsec;
}

static long long raw(clockid_t clock)
{
	struct timespec ts;

	CHECK_OK(syscall(SYS_clock_gettime, clock, &ts));
	CHECK(ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
	return ns(&ts);
}

static long long lib(clockid_t clock)
{
	struct timespec ts;

	CHECK_OK(clock_gettime(clock, &ts));
	return ns(&ts);
}

static void test_clocks(void)
{
	static const clockid_t clocks[] = {
		CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE,
		CLOCK_BOOTTIME, CLOCK_TAI};
	struct timespec ts;

	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		long long a = raw(clocks[i]), b = lib(clocks[i]), c = raw(clocks[i]);

		/* A coarse clock stands still between ticks: the two ways may differ by one. */
		CHECK(b >= a - 20000000 && c >= b - 20000000 && c - a < 1000000000);
		CHECK_OK(syscall(SYS_clock_getres, clocks[i], &ts));
		CHECK(ts.tv_sec == 0 && ts.tv_nsec >= 1 && ts.tv_nsec <= 10000000);
		CHECK_OK(syscall(SYS_clock_getres, clocks[i], NULL));
	}
	for (int i = 0; i < 20000; i++) {
		long long a = lib(CLOCK_MONOTONIC), b = raw(CLOCK_MONOTONIC), c = lib(CLOCK_MONOTONIC);

		CHECK(a <= b && b <= c);
	}
	CHECK(lib(CLOCK_BOOTTIME) >= lib(CLOCK_MONOTONIC) - 1000);
	CHECK_ERR(syscall(SYS_clock_gettime, 99, &ts), EINVAL);
	CHECK_ERR(syscall(SYS_clock_gettime, CLOCK_REALTIME, (void *)8), EFAULT);
	CHECK_ERR(syscall(SYS_clock_getres, 99, &ts), EINVAL);
}

static void test_real(void)
{
	struct timeval tv;
	struct timezone tz;
	time_t t, t2;

	CHECK_OK(syscall(SYS_gettimeofday, &tv, &tz));
	t = CHECK_OK(syscall(SYS_time, &t2));
	CHECK_EQ(t, t2);
	CHECK(t - tv.tv_sec <= 1 && tv.tv_usec < 1000000);
	CHECK(lib(CLOCK_REALTIME) / 1000000000 - t <= 1);
	CHECK(t > 1600000000);
	CHECK_OK(gettimeofday(&tv, NULL));
	CHECK_ERR(syscall(SYS_gettimeofday, (void *)8, NULL), EFAULT);
	CHECK_ERR(syscall(SYS_time, (void *)8), EFAULT);
}

static void test_setting(void)
{
	struct timespec ts = {.tv_nsec = 1000000000};
	struct timex tx = {.modes = 0};

	CHECK_ERR(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &ts), EINVAL);
	CHECK_ERR(syscall(SYS_clock_settime, CLOCK_REALTIME, &ts), EINVAL);
	CHECK(adjtimex(&tx) >= 0);
	CHECK(tx.tick >= 9000 && tx.tick <= 11000);
	CHECK(tx.time.tv_sec > 1600000000);
	CHECK(clock_adjtime(CLOCK_REALTIME, &tx) >= 0);
	if (geteuid()) {
		ts.tv_nsec = 0;
		CHECK_ERR(syscall(SYS_clock_settime, CLOCK_REALTIME, &ts), EPERM);
		tx.modes = ADJ_FREQUENCY;
		CHECK_ERR(adjtimex(&tx), EPERM);
	}
}

static void burn(long long cpu_ns)
{
	long long end = raw(CLOCK_THREAD_CPUTIME_ID) + cpu_ns;

	while (raw(CLOCK_THREAD_CPUTIME_ID) < end)
		;
}

static void *burner(void *arg)
{
	burn(30000000);
	*(long long *)arg = raw(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

static void test_cpu(void)
{
	long long process = raw(CLOCK_PROCESS_CPUTIME_ID), thread = raw(CLOCK_THREAD_CPUTIME_ID), other;
	struct tms before, after;
	struct rusage ru;
	clockid_t clock;
	pthread_t t;

	CHECK(times(&before) != (clock_t)-1);
	burn(30000000);
	CHECK(raw(CLOCK_PROCESS_CPUTIME_ID) - process >= 30000000);
	CHECK(raw(CLOCK_THREAD_CPUTIME_ID) - thread >= 30000000);
	/* Another thread's work is not ours. On a busy host our own may take long once in a while. */
	for (int i = 0; i < 5; i++) {
		thread = raw(CLOCK_THREAD_CPUTIME_ID);
		CHECK_EQ(pthread_create(&t, NULL, burner, &other), 0);
		CHECK_EQ(pthread_getcpuclockid(t, &clock), 0);
		pthread_join(t, NULL);
		CHECK(other >= 30000000 && other < 1000000000);
		thread = raw(CLOCK_THREAD_CPUTIME_ID) - thread;
		if (thread < 20000000)
			break;
	}
	CHECK(thread < 20000000);
	CHECK(raw(CLOCK_PROCESS_CPUTIME_ID) - process >= 60000000); /* that of the dead thread counts */
	/* Sleeping costs nothing. */
	process = raw(CLOCK_PROCESS_CPUTIME_ID);
	usleep(50000);
	CHECK(raw(CLOCK_PROCESS_CPUTIME_ID) - process < 20000000);
	CHECK_EQ(clock_getcpuclockid(0, &clock), 0);
	CHECK(raw(clock) > process);
	CHECK_EQ(clock_getcpuclockid(getpid(), &clock), 0);
	CHECK(raw(clock) > process);
	CHECK_ERR(syscall(SYS_clock_gettime, (clockid_t)(~999999u << 3 | 2), &(struct timespec){0}), EINVAL);
	CHECK(times(&after) != (clock_t)-1);
	CHECK(after.tms_utime + after.tms_stime - before.tms_utime - before.tms_stime >= 4);
	CHECK_OK(getrusage(RUSAGE_SELF, &ru));
	CHECK(ru.ru_utime.tv_sec * 1000000 + ru.ru_utime.tv_usec + ru.ru_stime.tv_sec * 1000000 + ru.ru_stime.tv_usec >=
	      60000);
}

/* System time grows where the kernel works, user time where the program does. */
static void test_split(void)
{
	struct rusage a, b;

	CHECK_OK(getrusage(RUSAGE_THREAD, &a));
	for (int i = 0; i < 400000; i++)
		syscall(SYS_getppid);
	CHECK_OK(getrusage(RUSAGE_THREAD, &b));
	CHECK(b.ru_stime.tv_usec != a.ru_stime.tv_usec || b.ru_stime.tv_sec != a.ru_stime.tv_sec);
}

static void test_children(void)
{
	struct rusage ru;
	struct tms t;
	pid_t pid = CHECK_OK(fork());
	int status;

	if (!pid) {
		burn(40000000);
		_exit(0);
	}
	CHECK_EQ(wait4(pid, &status, 0, &ru), pid);
	CHECK(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec >= 39000);
	CHECK(ru.ru_maxrss > 0);
	CHECK_OK(getrusage(RUSAGE_CHILDREN, &ru));
	CHECK(ru.ru_utime.tv_usec + ru.ru_stime.tv_usec >= 39000);
	CHECK(times(&t) != (clock_t)-1);
	CHECK(t.tms_cutime + t.tms_cstime >= 3);
	CHECK_ERR(getrusage(5, &ru), EINVAL);
	CHECK_ERR(syscall(SYS_getrusage, RUSAGE_SELF, (void *)8), EFAULT);
}

int main(void)
{
	alarm(25);
	test_clocks();
	test_real();
	test_setting();
	test_cpu();
	test_split();
	test_children();
	return 0;
}
