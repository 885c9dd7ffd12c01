/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll: adding, changing, removing; level and edge triggering, one-shot; duplicates and closed files; errors.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "sys.h"

static int ep;

static int add(int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

static int mod(int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};

	return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);
}

/* The events of the one descriptor that must be ready; 0: none is. */
static uint32_t one(int fd)
{
	struct epoll_event ev[4];
	int n = CHECK_OK(epoll_wait(ep, ev, 4, 0));

	if (n == 0)
		return 0;
	CHECK_EQ(n, 1);
	CHECK_EQ(ev[0].data.fd, fd);
	return ev[0].events;
}

static void triggering(void)
{
	char c;
	int p[2];

	CHECK_OK(pipe(p));
	CHECK_OK(add(p[0], EPOLLIN));
	CHECK_EQ(one(p[0]), 0);
	CHECK_EQ(write(p[1], "ab", 2), 2);
	CHECK_EQ(one(p[0]), EPOLLIN);
	CHECK_EQ(one(p[0]), EPOLLIN); /* level: again and again */
	CHECK_OK(mod(p[0], EPOLLIN | EPOLLET));
	CHECK_EQ(one(p[0]), EPOLLIN);
	CHECK_EQ(one(p[0]), 0); /* edge: once */
	CHECK_EQ(write(p[1], "c", 1), 1);
	CHECK_EQ(one(p[0]), EPOLLIN); /* each write is an edge */
	CHECK_EQ(read(p[0], &c, 1), 1);
	CHECK_EQ(one(p[0]), 0);
	CHECK_OK(mod(p[0], EPOLLIN | EPOLLONESHOT));
	CHECK_EQ(one(p[0]), EPOLLIN);
	CHECK_EQ(write(p[1], "d", 1), 1);
	CHECK_EQ(one(p[0]), 0); /* disarmed */
	CHECK_OK(mod(p[0], EPOLLIN | EPOLLONESHOT));
	CHECK_EQ(one(p[0]), EPOLLIN);
	close(p[1]);
	CHECK_EQ(one(p[0]), 0);
	CHECK_OK(mod(p[0], 0));
	CHECK_EQ(one(p[0]), EPOLLHUP); /* always reported */
	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
	CHECK_EQ(one(p[0]), 0);
	close(p[0]);
}

static void errors(void)
{
	struct epoll_event ev = {.events = EPOLLIN};
	volatile int few = -1;
	int p[2], file, ep2;

	CHECK_ERR(epoll_create(0), EINVAL);
	CHECK_ERR(epoll_create1(1), EINVAL);
	ep2 = CHECK_OK(epoll_create1(EPOLL_CLOEXEC));
	CHECK_EQ(fcntl(ep2, F_GETFD), FD_CLOEXEC);
	CHECK_OK(close(ep2));
	CHECK_OK(pipe(p));
	CHECK_OK(add(p[0], EPOLLIN));
	CHECK_ERR(add(p[0], EPOLLIN), EEXIST);
	CHECK_ERR(mod(p[1], EPOLLIN), ENOENT);
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_DEL, p[1], NULL), ENOENT);
	CHECK_ERR(epoll_ctl(ep, 77, p[0], &ev), EINVAL);
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], bad_ptr), EFAULT);
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, 999, &ev), EBADF);
	CHECK_ERR(epoll_ctl(999, EPOLL_CTL_ADD, p[1], &ev), EBADF);
	CHECK_ERR(epoll_ctl(p[0], EPOLL_CTL_ADD, p[1], &ev), EINVAL);
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &ev), EINVAL);
	file = CHECK_OK(open("/", O_RDONLY));
	CHECK_ERR(add(file, EPOLLIN), EPERM);
	close(file);
	CHECK_ERR(epoll_wait(ep, &ev, 0, 0), EINVAL);
	CHECK_ERR(epoll_wait(ep, &ev, few, 0), EINVAL);
	CHECK_ERR(epoll_wait(p[0], &ev, 1, 0), EINVAL);
	CHECK_ERR(epoll_wait(999, &ev, 1, 0), EBADF);
	CHECK_EQ(write(p[1], "x", 1), 1);
	CHECK_ERR(epoll_wait(ep, bad_ptr, 1, 0), EFAULT);
	CHECK_EQ(one(p[0]), EPOLLIN); /* not lost by the fault */
	CHECK_ERR(add(p[1], EPOLLIN | EPOLLONESHOT | EPOLLEXCLUSIVE), EINVAL);
	CHECK_OK(add(p[1], EPOLLIN | EPOLLEXCLUSIVE));
	CHECK_ERR(mod(p[1], EPOLLIN), EINVAL);
	CHECK_ERR(mod(p[0], EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
	close(p[0]);
	close(p[1]);
}

/* A set watches open files, not numbers: a duplicate keeps the file in, the last close takes it out. */
static void closing(void)
{
	int p[2], d, q[2];

	CHECK_OK(pipe(p));
	CHECK_OK(add(p[0], EPOLLIN));
	CHECK_EQ(write(p[1], "x", 1), 1);
	d = CHECK_OK(dup(p[0]));
	CHECK_OK(add(d, EPOLLIN));
	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_DEL, d, NULL));
	close(p[0]);
	CHECK_EQ(one(p[0]), EPOLLIN);
	CHECK_ERR(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL), EBADF);
	close(d);
	CHECK_EQ(one(p[0]), 0);
	/* The number is free for another file. */
	CHECK_OK(pipe(q));
	CHECK_OK(add(q[0], EPOLLIN));
	CHECK_EQ(one(q[0]), 0);
	close(q[0]);
	close(q[1]);
	close(p[1]);
}

static void many(void)
{
	struct epoll_event ev[100];
	int fd[50], n;

	for (int i = 0; i < 50; i++) {
		fd[i] = CHECK_OK(eventfd(1, 0));
		CHECK_OK(add(fd[i], EPOLLIN));
	}
	CHECK_EQ(epoll_wait(ep, ev, 100, -1), 50);
	/* A small buffer goes round all of them. */
	unsigned long long seen = 0;
	for (int round = 0; round < 10; round++) {
		n = CHECK_OK(epoll_wait(ep, ev, 5, -1));
		CHECK_EQ(n, 5);
		for (int i = 0; i < n * 50; i++)
			seen |= (unsigned long long)(ev[i / 50].data.fd == fd[i % 50]) << (i % 50);
	}
	CHECK_EQ(seen, (1ull << 50) - 1);
	for (int i = 0; i < 50; i++)
		close(fd[i]);
	CHECK_EQ(epoll_wait(ep, ev, 100, 0), 0);
}

static void on_signal(int sig)
{
}

static void waiting(void)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct timespec t0, t1, ts = {0, 20000000};
	struct epoll_event ev;
	sigset_t none, set;

	clock_gettime(CLOCK_MONOTONIC, &t0);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 30), 0);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	CHECK((t1.tv_sec - t0.tv_sec) * 1000000000ll + t1.tv_nsec - t0.tv_nsec >= 30000000);
	sigaction(SIGALRM, &sa, NULL);
	ualarm(20000, 20000); /* the first may come before we wait */
	CHECK_ERR(epoll_wait(ep, &ev, 1, -1), EINTR);
	ualarm(0, 0);
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGALRM);
	CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 0);
	CHECK_ERR(epoll_pwait(ep, &ev, 1, -1, &none), EINTR);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	CHECK_ERR(syscall(SYS_epoll_pwait, ep, &ev, 1, 0, &none, 4), EINVAL);
	if (syscall(SYS_epoll_pwait2, ep, &ev, 1, &ts, NULL, 8) == 0) {
		ts.tv_nsec = -1;
		CHECK_ERR(syscall(SYS_epoll_pwait2, ep, &ev, 1, &ts, NULL, 8), EINVAL);
	}
}

static void sockets(void)
{
	int s[2];

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_OK(add(s[0], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET));
	CHECK_EQ(one(s[0]), EPOLLOUT);
	CHECK_EQ(one(s[0]), 0);
	CHECK_EQ(write(s[1], "x", 1), 1);
	CHECK_EQ(one(s[0]), EPOLLIN | EPOLLOUT);
	shutdown(s[1], SHUT_WR);
	CHECK_EQ(one(s[0]), EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	close(s[1]);
	CHECK_EQ(one(s[0]), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
	close(s[0]);
}

int main(void)
{
	ep = CHECK_OK(epoll_create1(0));
	triggering();
	errors();
	closing();
	many();
	waiting();
	sockets();
	return 0;
}
