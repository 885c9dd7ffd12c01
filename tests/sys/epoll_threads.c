/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll with threads: each event wakes someone, none is lost; sets and files that come and go under waiters;
 * EPOLLEXCLUSIVE.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "sys.h"

#define WORKERS 4
#define TOKENS 5000

static int ep, efd;
static atomic_long taken;

/* Edge-triggered with a semaphore eventfd read until it is empty: all tokens are found. */
static void *worker(void *arg)
{
	struct epoll_event ev;
	unsigned long long v;

	while (atomic_load(&taken) < TOKENS) {
		if (epoll_wait(ep, &ev, 1, 50) < 1)
			continue;
		while (read(efd, &v, 8) == 8)
			atomic_fetch_add(&taken, v);
	}
	return NULL;
}

static void tokens(void)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
	unsigned long long one = 1;
	pthread_t t[WORKERS];

	ep = CHECK_OK(epoll_create1(0));
	efd = CHECK_OK(eventfd(0, EFD_NONBLOCK | EFD_SEMAPHORE));
	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, efd, &ev));
	for (int i = 0; i < WORKERS; i++)
		pthread_create(&t[i], NULL, worker, NULL);
	for (int i = 0; i < TOKENS; i++)
		CHECK_EQ(write(efd, &one, 8), 8);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(t[i], NULL);
	CHECK_EQ(atomic_load(&taken), TOKENS);
	close(ep);
	close(efd);
}

/* An echo server over socket pairs: one-shot items re-armed by whichever thread served them. */
static int pairs[8][2];
static atomic_int served;

static void *server(void *arg)
{
	struct epoll_event ev;
	char c;

	for (;;) {
		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		if (ev.data.fd < 0)
			return NULL;
		if (read(ev.data.fd, &c, 1) == 1) {
			CHECK_EQ(write(ev.data.fd, &c, 1), 1);
			atomic_fetch_add(&served, 1);
		}
		ev.events = EPOLLIN | EPOLLONESHOT;
		CHECK_OK(epoll_ctl(ep, EPOLL_CTL_MOD, ev.data.fd, &ev));
	}
}

static void echo(void)
{
	struct epoll_event ev;
	pthread_t t[3];
	int quit = CHECK_OK(eventfd(0, 0));
	unsigned long long one = 1;

	ep = CHECK_OK(epoll_create1(0));
	for (int i = 0; i < 8; i++) {
		CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]));
		ev = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT, .data.fd = pairs[i][1]};
		CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, pairs[i][1], &ev));
	}
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, server, NULL);
	for (int n = 0; n < 300; n++) {
		for (int i = 0; i < 8; i++) {
			char c = n + i;

			CHECK_EQ(write(pairs[i][0], &c, 1), 1);
		}
		for (int i = 0; i < 8; i++) {
			char c;

			CHECK_EQ(read(pairs[i][0], &c, 1), 1);
			CHECK_EQ(c, (char)(n + i));
		}
	}
	ev = (struct epoll_event){.events = EPOLLIN, .data.fd = -1};
	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, quit, &ev));
	CHECK_EQ(write(quit, &one, 8), 8);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 8; i++) {
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
	close(quit);
	close(ep);
}

static atomic_int stop;

static void *churn(void *arg)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
	unsigned long long one = 1;

	while (!atomic_load(&stop)) {
		int fd = eventfd(0, 0), other = epoll_create1(0);

		epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
		epoll_ctl(other, EPOLL_CTL_ADD, fd, &ev);
		epoll_ctl(ep, EPOLL_CTL_ADD, other, &ev);
		write(fd, &one, 8);
		close(fd);
		close(other);
	}
	return NULL;
}

static void *reaper(void *arg)
{
	struct epoll_event ev[8];

	while (!atomic_load(&stop))
		epoll_wait(ep, ev, 8, 1);
	return NULL;
}

/* Files and sets that are closed while they are watched, woken and waited for. */
static void come_and_go(void)
{
	pthread_t t[4];

	ep = CHECK_OK(epoll_create1(0));
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, i < 2 ? churn : reaper, NULL);
	usleep(300000);
	atomic_store(&stop, 1);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	close(ep);
}

static atomic_int woken;

static void *exclusive_waiter(void *arg)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLEXCLUSIVE};
	int own = CHECK_OK(epoll_create1(0));

	CHECK_OK(epoll_ctl(own, EPOLL_CTL_ADD, efd, &ev));
	if (epoll_wait(own, &ev, 1, 500) == 1)
		atomic_fetch_add(&woken, 1);
	usleep(100000);
	close(own);
	return NULL;
}

/* With EPOLLEXCLUSIVE at least one wakes, and no herd. */
static void exclusive(void)
{
	unsigned long long one = 1, v;
	pthread_t t[8];

	efd = CHECK_OK(eventfd(0, EFD_NONBLOCK));
	for (int i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, exclusive_waiter, NULL);
	usleep(150000);
	CHECK_EQ(write(efd, &one, 8), 8);
	usleep(20000);
	CHECK_EQ(read(efd, &v, 8), 8);
	for (int i = 0; i < 8; i++)
		pthread_join(t[i], NULL);
	CHECK(atomic_load(&woken) >= 1);
	CHECK(atomic_load(&woken) < 8);
	close(efd);
}

int main(void)
{
	tokens();
	echo();
	come_and_go();
	exclusive();
	return 0;
}
