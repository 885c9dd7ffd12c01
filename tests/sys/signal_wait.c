/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rt_sigtimedwait, rt_sigsuspend, pause, ppoll's temporary mask; what interrupts and what restarts: nanosleep, read,
 * futex, restart_syscall.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "sys.h"

static volatile sig_atomic_t hits;
static int pipe_fd[2];

static void count(int sig)
{
	hits++;
}

static void feed(int sig)
{
	hits++;
	if (write(pipe_fd[1], "x", 1) != 1)
		_exit(50);
}

static void handle(int sig, void (*fn)(int), int flags)
{
	struct sigaction sa = {.sa_handler = fn, .sa_flags = flags};

	CHECK_OK(sigaction(sig, &sa, NULL));
	hits = 0;
}

static void alarm_in_ms(int ms)
{
	struct itimerval it = {.it_value = {.tv_usec = ms * 1000}};

	CHECK_OK(setitimer(ITIMER_REAL, &it, NULL));
}

/* For a sleep that it is to interrupt: the first may come before the sleep. 0: no more. */
static void alarms_every_ms(int ms)
{
	const struct timeval t = {.tv_usec = ms * 1000};

	CHECK_OK(setitimer(ITIMER_REAL, &(struct itimerval){t, t}, NULL));
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static sigset_t only(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	if (sig)
		sigaddset(&set, sig);
	return set;
}

static void test_timedwait(void)
{
	sigset_t usr1 = only(SIGUSR1), alrm = only(SIGALRM);
	struct timespec ts = {.tv_nsec = 20000000};
	siginfo_t info;
	double t0;

	sigprocmask(SIG_BLOCK, &usr1, NULL);
	t0 = now();
	CHECK_ERR(sigtimedwait(&usr1, &info, &ts), EAGAIN);
	CHECK(now() - t0 >= 0.019);
	kill(getpid(), SIGUSR1);
	CHECK_EQ(sigtimedwait(&usr1, &info, &ts), SIGUSR1);
	CHECK_EQ(info.si_pid, getpid());
	/* One that is not waited for interrupts. */
	handle(SIGALRM, count, SA_RESTART);
	alarms_every_ms(10);
	CHECK_ERR(sigwaitinfo(&usr1, &info), EINTR);
	alarms_every_ms(0);
	CHECK(hits >= 1);
	/* One that is ignored by default can be waited for if it is blocked. */
	hits = 0;
	sigprocmask(SIG_BLOCK, &alrm, NULL);
	alarm_in_ms(10);
	CHECK_EQ(sigwaitinfo(&alrm, &info), SIGALRM);
	CHECK_EQ(info.si_code, SI_KERNEL);
	sigprocmask(SIG_UNBLOCK, &alrm, NULL);
	CHECK_EQ(hits, 0);
	ts.tv_nsec = 1000000000;
	CHECK_ERR(sigtimedwait(&usr1, &info, &ts), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigtimedwait, &usr1, &info, NULL, 4), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigtimedwait, (void *)8, &info, NULL, 8), EFAULT);
	sigprocmask(SIG_UNBLOCK, &usr1, NULL);
}

static void test_suspend(void)
{
	sigset_t none = only(0), alrm = only(SIGALRM), cur;

	handle(SIGALRM, count, SA_RESTART);
	sigprocmask(SIG_BLOCK, &alrm, NULL);
	alarm_in_ms(10);
	CHECK_ERR(sigsuspend(&none), EINTR);
	CHECK_EQ(hits, 1);
	sigprocmask(SIG_BLOCK, NULL, &cur);
	CHECK(sigismember(&cur, SIGALRM));
	sigprocmask(SIG_UNBLOCK, &alrm, NULL);
	alarms_every_ms(10);
	CHECK_ERR(pause(), EINTR);
	alarms_every_ms(0);
	CHECK(hits >= 2);
	CHECK_ERR(syscall(SYS_rt_sigsuspend, &none, 4), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigsuspend, (void *)8, 8), EFAULT);
}

static void test_ppoll(void)
{
	sigset_t none = only(0), alrm = only(SIGALRM), cur;
	struct timespec ts = {.tv_sec = 5};

	handle(SIGALRM, count, SA_RESTART);
	sigprocmask(SIG_BLOCK, &alrm, NULL);
	alarm_in_ms(10);
	CHECK_ERR(ppoll(NULL, 0, &ts, &none), EINTR);
	CHECK_EQ(hits, 1);
	sigprocmask(SIG_BLOCK, NULL, &cur);
	CHECK(sigismember(&cur, SIGALRM));
	/* Pending before: nothing is waited for. */
	raise(SIGALRM);
	CHECK_EQ(hits, 1);
	CHECK_ERR(ppoll(NULL, 0, &ts, &none), EINTR);
	CHECK_EQ(hits, 2);
	/* And when it does not interrupt, the mask comes back too. */
	ts = (struct timespec){0};
	CHECK_OK(ppoll(NULL, 0, &ts, &none));
	sigprocmask(SIG_BLOCK, NULL, &cur);
	CHECK(sigismember(&cur, SIGALRM));
	sigprocmask(SIG_UNBLOCK, &alrm, NULL);
}

static void test_restart(void)
{
	struct timespec ts = {.tv_sec = 100}, rem;
	double t0;
	char c;
	int futex = 0;

	CHECK_OK(pipe(pipe_fd));
	handle(SIGALRM, feed, SA_RESTART);
	alarm_in_ms(10);
	CHECK_EQ(read(pipe_fd[0], &c, 1), 1); /* goes on after the handler */
	CHECK_EQ(hits, 1);
	handle(SIGALRM, count, 0);
	alarms_every_ms(10);
	CHECK_ERR(read(pipe_fd[0], &c, 1), EINTR);

	/* A sleep is interrupted by any handler and says what was left. */
	handle(SIGALRM, count, SA_RESTART);
	CHECK_ERR(nanosleep(&ts, &rem), EINTR);
	alarms_every_ms(0);
	CHECK(rem.tv_sec < 100 && rem.tv_sec > 50);
	/* Without a handler it goes on to its end: stop and continue. */
	pid_t me = getpid(), pid = CHECK_OK(fork());

	if (!pid) {
		usleep(10000);
		kill(me, SIGSTOP);
		usleep(20000);
		kill(me, SIGCONT);
		_exit(0);
	}
	ts = (struct timespec){.tv_nsec = 150000000};
	t0 = now();
	CHECK_OK(nanosleep(&ts, &rem));
	CHECK(now() - t0 >= 0.149);
	CHECK_EQ(wait_for(pid), 0);

	handle(SIGALRM, count, SA_RESTART);
	alarms_every_ms(10);
	ts = (struct timespec){.tv_sec = 100};
	CHECK_ERR(syscall(SYS_futex, &futex, 0, 0, &ts, NULL, 0), EINTR);
	handle(SIGALRM, count, 0);
	CHECK_ERR(syscall(SYS_futex, &futex, 0, 0, NULL, NULL, 0), EINTR);
	alarms_every_ms(0);
	/* Nobody interrupted anything restartable: */
	CHECK_ERR(syscall(SYS_restart_syscall), EINTR);
}

int main(void)
{
	alarm(0);
	test_timedwait();
	test_suspend();
	test_ppoll();
	test_restart();
	return 0;
}
