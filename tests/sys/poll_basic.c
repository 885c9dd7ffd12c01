/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll, ppoll: what is reported when, time-outs, signals and masks, bad descriptors and pointers, closing while polled.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "sys.h"

static long ms_since(const struct timespec *t0)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (t.tv_sec - t0->tv_sec) * 1000 + (t.tv_nsec - t0->tv_nsec) / 1000000;
}

static void events(void)
{
	struct pollfd p[4];
	int fd[2];
	char c;

	CHECK_OK(pipe(fd));
	p[0] = (struct pollfd){fd[0], POLLIN, 77};
	p[1] = (struct pollfd){fd[1], POLLOUT, 77};
	p[2] = (struct pollfd){-1, POLLIN, 77};
	p[3] = (struct pollfd){999, POLLIN, 77};
	CHECK_EQ(poll(p, 4, 1000), 2);
	CHECK_EQ(p[0].revents, 0);
	CHECK_EQ(p[1].revents, POLLOUT);
	CHECK_EQ(p[2].revents, 0);
	CHECK_EQ(p[3].revents, POLLNVAL);
	CHECK_EQ(write(fd[1], "x", 1), 1);
	CHECK_EQ(poll(p, 1, -1), 1);
	CHECK_EQ(p[0].revents, POLLIN);
	p[0].events = 0;
	CHECK_EQ(poll(p, 1, 0), 0);
	close(fd[1]);
	CHECK_EQ(poll(p, 1, -1), 1);
	CHECK_EQ(p[0].revents, POLLHUP);
	CHECK_EQ(read(fd[0], &c, 1), 1);
	close(fd[0]);
	/* Regular files and directories are always ready. */
	p[0] = (struct pollfd){CHECK_OK(open("/", O_RDONLY)), POLLIN | POLLOUT, 0};
	CHECK_EQ(poll(p, 1, -1), 1);
	CHECK_EQ(p[0].revents, POLLIN | POLLOUT);
	close(p[0].fd);
}

static volatile int signals;

static void on_signal(int sig)
{
	signals++;
}

static void times_and_signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct timespec t0, ts = {0, 50000000};
	sigset_t set, old;
	int fd[2];
	struct pollfd p;

	CHECK_OK(pipe(fd));
	p = (struct pollfd){fd[0], POLLIN, 0};
	clock_gettime(CLOCK_MONOTONIC, &t0);
	CHECK_EQ(poll(&p, 1, 30), 0);
	CHECK(ms_since(&t0) >= 30);
	CHECK_EQ(poll(NULL, 0, 10), 0);
	CHECK_EQ(ppoll(&p, 1, &ts, NULL), 0);
	CHECK(ms_since(&t0) >= 90);
	ts.tv_nsec = 1000000000;
	CHECK_ERR(ppoll(&p, 1, &ts, NULL), EINVAL);
	ts.tv_nsec = 0;
	ts.tv_sec = -1;
	CHECK_ERR(ppoll(&p, 1, &ts, NULL), EINVAL);

	/* A handler ends poll, even with SA_RESTART. */
	sigaction(SIGALRM, &sa, NULL);
	ualarm(20000, 20000); /* the first may come before we wait */
	CHECK_ERR(poll(&p, 1, -1), EINTR);
	ualarm(0, 0);
	CHECK(signals >= 1);
	signals = 1;
	/* ppoll's mask lets it in just for the wait. */
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, &old);
	raise(SIGALRM);
	CHECK_EQ(signals, 1);
	CHECK_ERR(ppoll(&p, 1, NULL, &old), EINTR);
	CHECK_EQ(signals, 2);
	sigprocmask(SIG_BLOCK, NULL, &old);
	CHECK(sigismember(&old, SIGALRM));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	/* Stopping and continuing is not seen by it. */
	if (!fork()) {
		clock_gettime(CLOCK_MONOTONIC, &t0);
		CHECK_EQ(poll(&p, 1, 150), 0);
		CHECK(ms_since(&t0) >= 150);
		_exit(0);
	}
	usleep(30000);
	kill(0, 0);
	CHECK_EQ(wait_for(-1), 0);
	close(fd[0]);
	close(fd[1]);
}

static void bad(void)
{
	struct pollfd p = {0, POLLIN, 0};
	struct rlimit rl;

	CHECK_ERR(poll(bad_ptr, 1, 0), EFAULT);
	getrlimit(RLIMIT_NOFILE, &rl);
	CHECK_ERR(poll(&p, rl.rlim_cur + 1, 0), EINVAL);
	CHECK_ERR(syscall(SYS_ppoll, &p, 1, bad_ptr, NULL, 8), EFAULT);
	CHECK_ERR(syscall(SYS_ppoll, &p, 1, NULL, bad_ptr, 8), EFAULT);
	CHECK_ERR(syscall(SYS_ppoll, &p, 1, NULL, &rl, 4), EINVAL);
}

static void many(void)
{
	struct pollfd p[200];
	unsigned long long one = 1;

	for (int i = 0; i < 200; i++)
		p[i] = (struct pollfd){CHECK_OK(eventfd(0, 0)), POLLIN, 0};
	CHECK_EQ(poll(p, 200, 5), 0);
	CHECK_EQ(write(p[150].fd, &one, 8), 8);
	CHECK_EQ(poll(p, 200, -1), 1);
	CHECK_EQ(p[150].revents, POLLIN);
	for (int i = 0; i < 200; i++)
		close(p[i].fd);
}

static void *closer(void *arg)
{
	int *fd = arg;

	usleep(30000);
	close(fd[0]);
	usleep(30000);
	close(fd[1]);
	return NULL;
}

/* A descriptor closed while polled: the wait goes on with the file, and ends with its last writer. */
static void close_while_polled(void)
{
	pthread_t t;
	int fd[2];
	struct pollfd p;

	CHECK_OK(pipe(fd));
	p = (struct pollfd){fd[0], POLLIN, 0};
	pthread_create(&t, NULL, closer, fd);
	CHECK_EQ(poll(&p, 1, 2000), 1);
	CHECK(p.revents & (POLLHUP | POLLNVAL));
	pthread_join(t, NULL);
}

int main(void)
{
	events();
	times_and_signals();
	bad();
	many();
	close_while_polled();
	return 0;
}
