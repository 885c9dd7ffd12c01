/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals in masses: threads and processes that signal each other while they work. Queued signals arrive all, in order
 * and once; interrupted calls go on; nobody is forgotten in a sleep.
 */
#include <pthread.h>
#include <signal.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "sys.h"

#define THREADS 4
#define EACH 1500

static __thread int me;
static __thread int next_from[THREADS];
static volatile int received[THREADS], wrong;
static pthread_t threads[THREADS];
static pthread_barrier_t start;

static void on_rt(int sig, siginfo_t *info, void *ctx)
{
	int from = info->si_value.sival_int / EACH, n = info->si_value.sival_int % EACH;

	if (next_from[from]++ != n)
		wrong++;
	received[me]++;
}

static void *sender(void *arg)
{
	pthread_t to;

	me = (int)(long)arg;
	pthread_barrier_wait(&start);
	to = threads[(me + 1) % THREADS];
	for (int i = 0; i < EACH; i++) {
		while (pthread_sigqueue(to, SIGRTMIN + 1, (union sigval){.sival_int = me * EACH + i}))
			sched_yield(); /* the queue is full */
		if (i % 32 == 0)
			getppid();
	}
	while (received[me] < EACH)
		usleep(200);
	return NULL;
}

static void test_queued(void)
{
	struct sigaction sa = {.sa_sigaction = on_rt, .sa_flags = SA_SIGINFO | SA_RESTART};

	CHECK_OK(sigaction(SIGRTMIN + 1, &sa, NULL));
	pthread_barrier_init(&start, NULL, THREADS + 1);
	for (long i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, sender, (void *)i), 0);
	pthread_barrier_wait(&start);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	CHECK_EQ(wrong, 0);
	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(received[i], EACH);
}

static volatile sig_atomic_t ticks;

static void tick(int sig)
{
	ticks++;
}

/* A byte goes round between two processes while alarms interrupt every call. */
static void test_restarts(void)
{
	struct sigaction sa = {.sa_handler = tick, .sa_flags = SA_RESTART};
	struct itimerval it = {.it_value = {.tv_usec = 300}, .it_interval = {.tv_usec = 300}};
	int a[2], b[2];
	pid_t pid;
	char c;

	CHECK_OK(sigaction(SIGALRM, &sa, NULL));
	CHECK_OK(pipe(a));
	CHECK_OK(pipe(b));
	pid = CHECK_OK(fork());
	CHECK_OK(setitimer(ITIMER_REAL, &it, NULL));
	if (!pid) {
		for (int i = 0; i < 3000; i++) {
			if (read(a[0], &c, 1) != 1 || c != (char)i || write(b[1], &c, 1) != 1)
				_exit(1);
		}
		_exit(ticks ? 0 : 2);
	}
	for (int i = 0; i < 3000; i++) {
		c = (char)i;
		CHECK_EQ(write(a[1], &c, 1), 1);
		CHECK_EQ(read(b[0], &c, 1), 1);
		CHECK_EQ(c, (char)i);
		if (i % 100 == 0)
			usleep(1000); /* cut short by the alarm, or not */
	}
	it = (struct itimerval){0};
	CHECK_OK(setitimer(ITIMER_REAL, &it, NULL));
	CHECK_EQ(wait_for(pid), 0);
}

/* Ping-pong with signals alone: sigsuspend must not miss one. */
static void test_ping_pong(void)
{
	sigset_t set, old;
	pid_t parent = getpid(), pid;

	signal(SIGUSR1, tick);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	ticks = 0;
	pid = CHECK_OK(fork());
	for (int i = 1; i <= 2000; i++) {
		if (!pid) {
			while (ticks < i)
				sigsuspend(&old);
			kill(parent, SIGUSR1);
		} else {
			kill(pid, SIGUSR1);
			while (ticks < i)
				sigsuspend(&old);
		}
	}
	if (!pid)
		_exit(0);
	CHECK_EQ(wait_for(pid), 0);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

/* Many children die at once, and are all counted. */
static void test_children(void)
{
	int seen = 0, status;

	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 40; i++) {
			pid_t pid = CHECK_OK(fork());

			if (!pid) {
				if (i % 2)
					raise(SIGKILL);
				_exit(i);
			}
		}
		while (wait(&status) > 0)
			seen++;
	}
	CHECK_EQ(seen, 200);
}

int main(void)
{
	test_queued();
	test_restarts();
	test_ping_pong();
	test_children();
	return 0;
}
