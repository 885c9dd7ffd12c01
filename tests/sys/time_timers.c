/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setitimer, getitimer, alarm; timer_create, timer_settime, timer_gettime, timer_getoverrun, timer_delete; the limit on
 * CPU time.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "clock.h"
#include "sys.h"

static volatile sig_atomic_t hits;
static volatile pid_t taker;
static volatile siginfo_t last;

static void note(int sig, siginfo_t *info, void *ctx)
{
	taker = gettid();
	last = *info;
	hits++; /* last: another thread may be waiting for it */
}

static void handle(int sig)
{
	struct sigaction sa = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};

	CHECK_OK(sigaction(sig, &sa, NULL));
	hits = 0;
}

static void until(int n)
{
	double end = now(CLOCK_MONOTONIC) + 5;

	while (hits < n && now(CLOCK_MONOTONIC) < end)
		usleep(500);
	CHECK(hits >= n);
}

static void burn_until(int n)
{
	double end = now(CLOCK_MONOTONIC) + 5;

	while (hits < n && now(CLOCK_MONOTONIC) < end)
		;
	CHECK(hits >= n);
}

static void test_real(void)
{
	struct itimerval it = {.it_value = {.tv_sec = 1000}}, old;

	handle(SIGALRM);
	CHECK_OK(setitimer(ITIMER_REAL, &it, NULL));
	CHECK_OK(getitimer(ITIMER_REAL, &old));
	CHECK(old.it_value.tv_sec > 0 && old.it_value.tv_sec <= 1000);
	it.it_value = (struct timeval){.tv_usec = 20000};
	CHECK_OK(setitimer(ITIMER_REAL, &it, NULL));
	until(1);
	CHECK_OK(getitimer(ITIMER_REAL, &old));
	CHECK_EQ(old.it_value.tv_usec, 0);
	it.it_interval.tv_usec = 5000;
	CHECK_OK(setitimer(ITIMER_REAL, &it, NULL));
	until(6);
	it = (struct itimerval){0};
	CHECK_OK(setitimer(ITIMER_REAL, &it, &old));
	CHECK_EQ(old.it_interval.tv_usec, 5000);
	it.it_value.tv_usec = 1000000;
	CHECK_ERR(setitimer(ITIMER_REAL, &it, NULL), EINVAL);
	CHECK_ERR(getitimer(9, &old), EINVAL);
	CHECK_ERR(syscall(SYS_getitimer, ITIMER_REAL, (void *)8), EFAULT);
	CHECK_ERR(syscall(SYS_setitimer, ITIMER_REAL, (void *)8, NULL), EFAULT);

	CHECK_EQ(alarm(100), 0);
	CHECK_EQ(alarm(50), 100);
	CHECK_EQ(alarm(0), 50);
	/* A child has none of its own. */
	alarm(100);
	pid_t pid = CHECK_OK(fork());

	if (!pid)
		_exit((int)alarm(0));
	CHECK_EQ(wait_for(pid), 0);
	CHECK(alarm(0) > 90);
}

static void test_cpu(void)
{
	struct itimerval it = {.it_value = {.tv_usec = 20000}, .it_interval = {.tv_usec = 10000}};
	double c0;

	handle(SIGVTALRM);
	handle(SIGPROF);
	c0 = now(CLOCK_PROCESS_CPUTIME_ID);
	CHECK_OK(setitimer(ITIMER_PROF, &it, NULL));
	burn_until(3);
	/*
	 * Three hits are 40 ms as the timer counts, by samples at ticks where the clock is exact: only the order of
	 * magnitude holds.
	 */
	CHECK(now(CLOCK_PROCESS_CPUTIME_ID) - c0 >= 0.005);
	it = (struct itimerval){0};
	CHECK_OK(setitimer(ITIMER_PROF, &it, NULL));
	hits = 0;
	it.it_value.tv_usec = 20000;
	CHECK_OK(setitimer(ITIMER_VIRTUAL, &it, NULL));
	while (hits < 1)
		for (volatile int i = 0; i < 1000; i++)
			;
	CHECK_EQ(last.si_signo, SIGVTALRM);
	/* None while nobody works. */
	hits = 0;
	it.it_value.tv_usec = 30000;
	CHECK_OK(setitimer(ITIMER_PROF, &it, NULL));
	usleep(80000);
	CHECK_EQ(hits, 0);
	it.it_value.tv_usec = 0;
	CHECK_OK(setitimer(ITIMER_PROF, &it, NULL));
}

static timer_t make(clockid_t clock, int sig, int value)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = sig, .sigev_value.sival_int = value};
	timer_t t;

	CHECK_OK(timer_create(clock, &ev, &t));
	return t;
}

static void arm(timer_t t, int ms, int interval_ms)
{
	struct itimerspec its = {.it_value = {.tv_nsec = ms * 1000000l},
				 .it_interval = {.tv_nsec = interval_ms * 1000000l}};

	CHECK_OK(timer_settime(t, 0, &its, NULL));
}

static void test_posix(void)
{
	static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};
	struct itimerspec its;
	struct timespec ts;
	timer_t t;

	handle(SIGUSR1);
	for (size_t i = 0; i < 3; i++) {
		t = make(clocks[i], SIGUSR1, 77);
		hits = 0;
		arm(t, 10, 0);
		CHECK_OK(timer_gettime(t, &its));
		CHECK(its.it_value.tv_sec == 0 && its.it_value.tv_nsec > 0 && its.it_value.tv_nsec <= 10000000);
		until(1);
		CHECK_EQ(last.si_code, SI_TIMER);
		CHECK_EQ(last.si_value.sival_int, 77);
		CHECK_EQ(timer_getoverrun(t), 0);
		CHECK_OK(timer_gettime(t, &its));
		CHECK_EQ(its.it_value.tv_nsec, 0);
		/* absolute */
		clock_gettime(clocks[i], &ts);
		ts.tv_nsec += 10000000;
		ts.tv_sec += ts.tv_nsec / 1000000000;
		ts.tv_nsec %= 1000000000;
		its = (struct itimerspec){.it_value = ts};
		CHECK_OK(timer_settime(t, TIMER_ABSTIME, &its, NULL));
		until(2);
		arm(t, 5, 5);
		until(6);
		CHECK_OK(timer_delete(t));
		CHECK_ERR(timer_gettime(t, &its), EINVAL);
	}
}

static void test_overrun(void)
{
	timer_t t = make(CLOCK_MONOTONIC, SIGRTMIN, 5);
	siginfo_t info;
	sigset_t set;
	int n;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	arm(t, 2, 2);
	usleep(50000);
	/* One signal for all the times; how many they were is its overrun. */
	CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN);
	CHECK_EQ(info.si_code, SI_TIMER);
	n = timer_getoverrun(t);
	CHECK(n >= 15 && n < 5000);
	CHECK_EQ(info.si_overrun, n);
	CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN); /* and it goes on */
	CHECK_OK(timer_delete(t));
	while (sigtimedwait(&set, &info, &(struct timespec){0}) > 0)
		;
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static volatile pid_t other_tid;
static volatile int done;

static void *other_thread(void *arg)
{
	other_tid = gettid();
	while (!done)
		usleep(500);
	return NULL;
}

static void test_kinds(void)
{
	struct sigevent ev = {.sigev_notify = SIGEV_NONE};
	struct itimerspec its;
	pthread_t th;
	timer_t t;

	CHECK_OK(timer_create(CLOCK_MONOTONIC, &ev, &t));
	arm(t, 10, 0);
	usleep(20000);
	CHECK_OK(timer_gettime(t, &its));
	CHECK(its.it_value.tv_sec == 0 && its.it_value.tv_nsec == 0);
	CHECK_OK(timer_delete(t));

	CHECK_EQ(pthread_create(&th, NULL, other_thread, NULL), 0);
	while (!other_tid)
		usleep(500);
	ev = (struct sigevent){.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
	ev._sigev_un._tid = other_tid;
	handle(SIGUSR1);
	CHECK_OK(timer_create(CLOCK_MONOTONIC, &ev, &t));
	arm(t, 5, 0);
	until(1);
	CHECK_EQ(taker, other_tid);
	CHECK_OK(timer_delete(t));
	done = 1;
	pthread_join(th, NULL);
	CHECK_OK(timer_create(CLOCK_MONOTONIC, NULL, &t)); /* SIGALRM */
	handle(SIGALRM);
	arm(t, 5, 0);
	until(1);
	CHECK_EQ(last.si_signo, SIGALRM);
	CHECK_OK(timer_delete(t));
	/* CPU time. */
	handle(SIGUSR1);
	t = make(CLOCK_PROCESS_CPUTIME_ID, SIGUSR1, 1);
	arm(t, 20, 10);
	usleep(60000);
	CHECK_EQ(hits, 0);
	burn_until(3);
	CHECK_OK(timer_delete(t));
	hits = 0;
	t = make(CLOCK_THREAD_CPUTIME_ID, SIGUSR1, 1);
	arm(t, 20, 0);
	burn_until(1);
	CHECK_OK(timer_delete(t));
}

static void test_errors(void)
{
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = 0};
	struct itimerspec its = {.it_value = {.tv_nsec = -1}};
	timer_t t;
	int id;

	CHECK_ERR(timer_create(99, NULL, &t), EINVAL);
	CHECK_ERR(timer_create(CLOCK_MONOTONIC, &ev, &t), EINVAL);
	ev.sigev_signo = 65;
	CHECK_ERR(timer_create(CLOCK_MONOTONIC, &ev, &t), EINVAL);
	ev = (struct sigevent){.sigev_notify = 99};
	CHECK_ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id), EINVAL);
	ev = (struct sigevent){.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1};
	ev._sigev_un._tid = getppid();
	CHECK_ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, &ev, &id), EINVAL);
	CHECK_ERR(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, (void *)8), EFAULT);
	t = make(CLOCK_MONOTONIC, SIGUSR1, 0);
	CHECK_ERR(timer_settime(t, 0, &its, NULL), EINVAL);
	CHECK_ERR(timer_settime(t, 0, NULL, NULL), EINVAL);
	CHECK_OK(timer_delete(t));
	CHECK_ERR(syscall(SYS_timer_delete, 12345), EINVAL);
	CHECK_ERR(syscall(SYS_timer_getoverrun, -1), EINVAL);
}

static void test_cpu_limit(void)
{
	struct rlimit lim = {1, 2};
	pid_t pid = CHECK_OK(fork());

	if (!pid) {
		CHECK_OK(setrlimit(RLIMIT_CPU, &lim));
		for (;;)
			;
	}
	CHECK_EQ(wait_for(pid), 128 + SIGXCPU);
}

/* While it burns the signals are its own. (Once it is gone the timer may still expire in another thread.) */
static void *burner(void *arg)
{
	burn_until(3);
	CHECK_EQ(taker, gettid());
	return NULL;
}

/* The signal is for the thread that uses the time, not for one that sleeps. */
static void test_busy(void)
{
	struct sigaction sa = {.sa_sigaction = note, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct itimerval it = {{0, 10000}, {0, 10000}};
	pthread_t t;
	timer_t id;

	CHECK_OK(sigaction(SIGPROF, &sa, NULL));
	hits = 0;
	CHECK_OK(setitimer(ITIMER_PROF, &it, NULL));
	CHECK_EQ(pthread_create(&t, NULL, burner, NULL), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
	memset(&it, 0, sizeof(it));
	CHECK_OK(setitimer(ITIMER_PROF, &it, NULL));
	CHECK_OK(sigaction(SIGUSR1, &sa, NULL));
	hits = 0;
	id = make(CLOCK_PROCESS_CPUTIME_ID, SIGUSR1, 0);
	arm(id, 10, 10);
	CHECK_EQ(pthread_create(&t, NULL, burner, NULL), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK_OK(timer_delete(id));
}

int main(void)
{
	test_real();
	test_busy();
	test_cpu();
	test_posix();
	test_overrun();
	test_kinds();
	test_errors();
	test_cpu_limit();
	return 0;
}
