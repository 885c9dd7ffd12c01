/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that are in flight only inside each other are collected; those somebody can still receive are not. Seen from
 * a pipe whose last writing end went along: its reader sees the end when the garbage is gone.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "sys.h"

static void send_fd(int s, int fd)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(int))];
	} c = {0};
	struct iovec v = {TEXT("x"), 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = sizeof(c.buf)};

	c.h.cmsg_level = SOL_SOCKET;
	c.h.cmsg_type = SCM_RIGHTS;
	c.h.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&c.h), &fd, sizeof(int));
	CHECK_EQ(sendmsg(s, &m, 0), 1);
}

static int recv_fd(int s)
{
	union {
		struct cmsghdr h;
		char buf[CMSG_SPACE(sizeof(int))];
	} c;
	char x;
	struct iovec v = {&x, 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = sizeof(c.buf)};
	int fd;

	CHECK_EQ(recvmsg(s, &m, 0), 1);
	memcpy(&fd, CMSG_DATA(&c.h), sizeof(int));
	return fd;
}

/* Makes the collector run: it does when a socket closes (now and then a little later). */
static int gone(int reader)
{
	struct pollfd p = {reader, POLLIN, 0};
	int s[2];

	for (int i = 0; i < 200; i++) {
		CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
		close(s[0]);
		close(s[1]);
		CHECK_OK(poll(&p, 1, 10));
		if (p.revents & POLLHUP)
			return 1;
		if (i == 5 && reader < 0)
			break;
	}
	return 0;
}

static int still_there(int reader)
{
	struct pollfd p = {reader, POLLIN, 0};
	int s[2];

	for (int i = 0; i < 5; i++) {
		CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
		close(s[0]);
		close(s[1]);
	}
	CHECK_OK(poll(&p, 1, 50));
	return p.revents == 0;
}

/* A socket in its own queue. */
static void self(int type)
{
	int s[2], p[2];

	CHECK_OK(socketpair(AF_UNIX, type, 0, s));
	CHECK_OK(pipe(p));
	send_fd(s[0], p[1]);
	send_fd(s[0], s[1]);
	close(p[1]);
	CHECK(still_there(p[0]));
	close(s[1]); /* nobody can read its queue any more; that s[0] could write to it does not matter */
	CHECK(gone(p[0]));
	close(s[0]);
	close(p[0]);
}

/* Two pairs whose ends are in each other's queues. */
static void cross(void)
{
	int a[2], b[2], p[2];

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, a));
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, b));
	CHECK_OK(pipe(p));
	send_fd(a[0], b[1]);
	send_fd(a[0], b[0]);
	send_fd(b[0], a[1]);
	send_fd(b[0], a[0]);
	send_fd(b[0], p[1]);
	close(p[1]);
	close(a[0]);
	close(a[1]);
	close(b[0]);
	close(b[1]);
	CHECK(gone(p[0]));
	close(p[0]);
}

/* A cycle that is still reachable through a queue somebody can read. */
static void reachable(void)
{
	int a[2], out[2], p[2], fd;
	char c;

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, a));
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, out));
	CHECK_OK(pipe(p));
	send_fd(a[0], a[1]);
	send_fd(a[0], p[1]);
	send_fd(out[0], a[1]);
	close(p[1]);
	close(a[0]);
	close(a[1]);
	CHECK(still_there(p[0]));
	fd = recv_fd(out[1]);
	close(recv_fd(fd));
	int w = recv_fd(fd);
	CHECK_EQ(write(w, "alive", 5), 5);
	close(w);
	close(fd);
	CHECK_EQ(read(p[0], &c, 1), 1);
	close(out[0]);
	close(out[1]);
	close(p[0]);
}

/* A long chain, each in the queue of the next: dropped without deep recursion. */
static void chain(void)
{
	int prev[2], next[2], p[2];

	CHECK_OK(pipe(p));
	CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, prev));
	send_fd(prev[0], p[1]);
	close(p[1]);
	for (int i = 0; i < 2000; i++) {
		CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, next));
		union {
			struct cmsghdr h;
			char buf[CMSG_SPACE(2 * sizeof(int))];
		} c = {0};
		struct iovec v = {TEXT("x"), 1};
		struct msghdr m = {
			.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = sizeof(c.buf)};

		c.h.cmsg_level = SOL_SOCKET;
		c.h.cmsg_type = SCM_RIGHTS;
		c.h.cmsg_len = CMSG_LEN(2 * sizeof(int));
		memcpy(CMSG_DATA(&c.h), prev, 2 * sizeof(int));
		if (sendmsg(next[0], &m, 0) < 0) {
			CHECK_EQ(errno, ETOOMANYREFS); /* some kernels bound the depth */
			close(next[0]);
			close(next[1]);
			break;
		}
		close(prev[0]);
		close(prev[1]);
		prev[0] = next[0];
		prev[1] = next[1];
	}
	CHECK(still_there(p[0]));
	close(prev[0]);
	close(prev[1]);
	CHECK(gone(p[0]));
	close(p[0]);
}

int main(void)
{
	self(SOCK_STREAM);
	self(SOCK_DGRAM);
	cross();
	reachable();
	chain();
	return 0;
}
