/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_INET streams and datagrams with epoll, level and edge: an edge for each arrival and each half-close, none for
 * reading; room to send is told once there is enough; a server of many connections loses none.
 */
#include "inet.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>

#define CLIENTS 64
#define ROUNDS 50

static char buf[1 << 16];

static int watch(int ep, int fd, uint32_t ev)
{
	struct epoll_event e = {ev, {.fd = fd}};

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

/* The next event within @ms, 0 if there is none. */
static uint32_t next(int ep, int ms)
{
	struct epoll_event e;
	int n = CHECK_OK(epoll_wait(ep, &e, 1, ms));

	return n ? e.events : 0;
}

static void edges(void)
{
	int ep = CHECK_OK(epoll_create1(0)), s[2];

	tcp_pair("127.0.0.1", s);
	CHECK_OK(watch(ep, s[1], EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET));
	CHECK_EQ(next(ep, 1000), EPOLLOUT);
	CHECK_EQ(next(ep, 0), 0);
	CHECK_EQ(write(s[0], "a", 1), 1);
	CHECK_EQ(next(ep, 1000), EPOLLIN | EPOLLOUT);
	CHECK_EQ(next(ep, 0), 0);
	CHECK_EQ(write(s[0], "b", 1), 1); /* another arrival, nothing read between */
	CHECK_EQ(next(ep, 1000), EPOLLIN | EPOLLOUT);
	CHECK_EQ(read(s[1], buf, 1), 1);
	CHECK_EQ(next(ep, 0), 0);
	CHECK_OK(shutdown(s[0], SHUT_WR));
	CHECK_EQ(next(ep, 1000), EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	CHECK_EQ(next(ep, 0), 0);
	CHECK_EQ(read(s[1], buf, 10), 1);
	CHECK_EQ(read(s[1], buf, 10), 0);
	CHECK_OK(shutdown(s[1], SHUT_WR));
	CHECK_EQ(next(ep, 1000), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
	close(s[0]);
	close(s[1]);
	close(ep);
}

/* Filled up; the edge of room comes after the reader has read enough. */
static void room(void)
{
	int ep = CHECK_OK(epoll_create1(0)), s[2];
	size_t in = 0, out = 0;
	ssize_t n;

	tcp_pair("127.0.0.1", s);
	fcntl(s[0], F_SETFL, O_NONBLOCK);
	fcntl(s[1], F_SETFL, O_NONBLOCK);
	CHECK_OK(watch(ep, s[0], EPOLLOUT | EPOLLET));
	CHECK_EQ(next(ep, 1000), EPOLLOUT);
	while ((n = write(s[0], buf, sizeof(buf))) > 0)
		out += (size_t)n;
	CHECK_EQ(errno, EAGAIN);
	while (in < out) {
		n = read(s[1], buf, sizeof(buf));
		if (n > 0)
			in += (size_t)n;
		else
			wait_events(s[1], POLLIN);
	}
	CHECK_EQ(next(ep, 10000), EPOLLOUT);
	close(s[0]);
	close(s[1]);
	close(ep);
}

static void datagrams(void)
{
	int ep = CHECK_OK(epoll_create1(0)), a = bound(SOCK_DGRAM, "127.0.0.1");
	union addr to;
	socklen_t len = addr4(&to, "127.0.0.1", port_of(a));

	CHECK_OK(watch(ep, a, EPOLLIN | EPOLLET));
	CHECK_EQ(next(ep, 0), 0);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(sendto(a, "x", 1, 0, &to.any, len), 1);
		CHECK_EQ(next(ep, 1000), EPOLLIN);
		CHECK_EQ(next(ep, 0), 0);
	}
	close(a);
	close(ep);
}

static int server_port;

/* Asks ROUNDS times over each of its connections. */
static void *client(void *arg)
{
	int fd[CLIENTS / 4];
	unsigned int got;

	for (int i = 0; i < CLIENTS / 4; i++)
		fd[i] = connect_to("127.0.0.1", server_port);
	for (unsigned int r = 0; r < ROUNDS; r++) {
		for (int i = 0; i < CLIENTS / 4; i++)
			CHECK_EQ(write(fd[i], &r, sizeof(r)), sizeof(r));
		for (int i = 0; i < CLIENTS / 4; i++) {
			CHECK_EQ(recv(fd[i], &got, sizeof(got), MSG_WAITALL), sizeof(got));
			CHECK_EQ(got, r + 1);
		}
	}
	for (int i = 0; i < CLIENTS / 4; i++)
		close(fd[i]);
	return NULL;
}

static void accept_all(int ep, int l)
{
	int fd;

	while ((fd = accept4(l, NULL, NULL, SOCK_NONBLOCK)) >= 0)
		CHECK_OK(watch(ep, fd, EPOLLIN | EPOLLRDHUP | EPOLLET));
	CHECK_EQ(errno, EAGAIN);
}

/* Answers all that is there; true when the client is done. */
static int answer(int fd)
{
	unsigned int v;
	ssize_t n;

	while ((n = read(fd, &v, sizeof(v))) > 0) {
		CHECK_EQ(n, sizeof(v));
		v++;
		CHECK_EQ(write(fd, &v, sizeof(v)), sizeof(v));
	}
	if (n < 0)
		CHECK_EQ(errno, EAGAIN);
	return n == 0;
}

static void server(void)
{
	int ep = CHECK_OK(epoll_create1(0)), l = listener("127.0.0.1", CLIENTS), gone = 0;
	struct epoll_event e[16];
	pthread_t t[4];

	server_port = port_of(l);
	fcntl(l, F_SETFL, O_NONBLOCK);
	CHECK_OK(watch(ep, l, EPOLLIN | EPOLLET));
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, client, NULL), 0);
	while (gone < CLIENTS) {
		int n = epoll_wait(ep, e, 16, 20000);

		CHECK(n > 0);
		for (int i = 0; i < n; i++) {
			if (e[i].data.fd == l) {
				accept_all(ep, l);
			} else if (answer(e[i].data.fd)) {
				close(e[i].data.fd);
				gone++;
			}
		}
	}
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	close(l);
	close(ep);
}

int main(void)
{
	edges();
	room();
	datagrams();
	server();
	return 0;
}
