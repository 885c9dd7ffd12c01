/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_UNIX datagrams and sequenced packets: boundaries, addresses, truncation, full queues, connected pairs, mmsg.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "sys.h"

static socklen_t name(struct sockaddr_un *a, const char *s)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	snprintf(a->sun_path + 1, 100, "dgram-%d-%s", getpid(), s);
	return offsetof(struct sockaddr_un, sun_path) + 1 + strlen(a->sun_path + 1);
}

static int bound(const char *s, struct sockaddr_un *a, socklen_t *len)
{
	int fd = CHECK_OK(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));

	*len = name(a, s);
	CHECK_OK(bind(fd, (void *)a, *len));
	return fd;
}

static int events(int fd, int want)
{
	struct pollfd p = {fd, want, 0};

	CHECK_OK(poll(&p, 1, 0));
	return p.revents;
}

static void datagrams(void)
{
	struct sockaddr_un a, b, from;
	socklen_t alen, blen, flen = sizeof(from);
	int x = bound("a", &a, &alen), y = bound("b", &b, &blen), z, n;
	struct iovec v;
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	char buf[100];

	CHECK_ERR(recv(x, buf, 100, 0), EAGAIN);
	CHECK_ERR(send(x, "x", 1, 0), ENOTCONN);
	CHECK_EQ(sendto(x, "one", 3, 0, (void *)&b, blen), 3);
	CHECK_EQ(sendto(x, "", 0, 0, (void *)&b, blen), 0);
	CHECK_EQ(sendto(x, "three", 5, 0, (void *)&b, blen), 5);
	CHECK_EQ(recv(y, buf, 100, MSG_PEEK), 3);
	CHECK_EQ(recvfrom(y, buf, 100, 0, (void *)&from, &flen), 3);
	CHECK_EQ(flen, alen);
	CHECK(!memcmp(&from, &a, alen));
	CHECK_EQ(events(y, POLLIN), POLLIN);
	CHECK_EQ(recv(y, buf, 100, 0), 0); /* an empty message is a message */
	v = (struct iovec){buf, 2};
	CHECK_EQ(recvmsg(y, &m, MSG_TRUNC), 5);
	CHECK_EQ(m.msg_flags & MSG_TRUNC, MSG_TRUNC);
	CHECK_ERR(recv(y, buf, 100, 0), EAGAIN);
	/* A sender without a name has none. */
	z = CHECK_OK(socket(AF_UNIX, SOCK_DGRAM, 0));
	CHECK_EQ(sendto(z, "q", 1, 0, (void *)&b, blen), 1);
	flen = sizeof(from);
	CHECK_EQ(recvfrom(y, buf, 100, 0, (void *)&from, &flen), 1);
	CHECK_EQ(flen, 0);
	/* A full queue. */
	for (n = 0; n < 1000 && sendto(x, "fill", 4, 0, (void *)&b, blen) == 4; n++)
		;
	CHECK_EQ(errno, EAGAIN);
	CHECK(n >= 10 && n < 1000);
	CHECK_OK(connect(x, (void *)&b, blen));
	CHECK_EQ(events(x, POLLOUT), 0);
	CHECK_EQ(recv(y, buf, 100, 0), 4);
	CHECK_EQ(events(x, POLLOUT), POLLOUT);
	while (recv(y, buf, 100, 0) >= 0)
		;
	/* Connected: send needs no name; the peer of somebody else hears only that one. */
	CHECK_EQ(send(x, "con", 3, 0), 3);
	CHECK_EQ(recv(y, buf, 100, 0), 3);
	CHECK_OK(connect(y, (void *)&a, alen));
	CHECK_ERR(sendto(z, "q", 1, 0, (void *)&b, blen), EPERM);
	CHECK_ERR(connect(z, (void *)&b, blen), EPERM);
	a.sun_family = AF_UNSPEC;
	CHECK_OK(connect(y, (void *)&a, alen));
	CHECK_EQ(sendto(z, "q", 1, 0, (void *)&b, blen), 1);
	close(y);
	CHECK_ERR(send(x, "gone", 4, 0), ECONNREFUSED);
	CHECK_ERR(send(x, "gone", 4, 0), ENOTCONN);
	CHECK_ERR(sendto(z, "q", 1, 0, (void *)&b, blen), ECONNREFUSED);
	CHECK_ERR(listen(z, 1), EOPNOTSUPP);
	CHECK_ERR(accept(z, NULL, NULL), EOPNOTSUPP);
	close(x);
	close(z);
}

static void waits(void)
{
	struct sockaddr_un b;
	socklen_t blen;
	int y = bound("w", &b, &blen), x = CHECK_OK(socket(AF_UNIX, SOCK_DGRAM, 0)), n;
	struct pollfd p = {x, POLLOUT, 0};
	char buf[10];

	CHECK_OK(connect(x, (void *)&b, blen));
	fcntl(y, F_SETFL, 0);
	for (n = 0; send(x, "f", 1, MSG_DONTWAIT) == 1; n++)
		;
	if (!fork()) {
		usleep(30000);
		for (int i = 0; i < n + 2; i++)
			CHECK_EQ(recv(y, buf, 10, 0), 1);
		_exit(0);
	}
	CHECK_EQ(poll(&p, 1, 2000), 1); /* the peer's queue decides */
	CHECK_EQ(send(x, "f", 1, 0), 1);
	CHECK_EQ(send(x, "f", 1, 0), 1);
	CHECK_EQ(wait_for(-1), 0);
	close(x);
	close(y);
}

static void big(void)
{
	static char buf[1 << 20];
	int s[2];

	CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	CHECK_ERR(send(s[0], buf, sizeof(buf), 0), EMSGSIZE);
	memset(buf, 7, 100000);
	CHECK_EQ(send(s[0], buf, 100000, 0), 100000);
	CHECK_EQ(recv(s[1], buf, sizeof(buf), 0), 100000);
	CHECK_EQ(buf[99999], 7);
	CHECK_EQ(write(s[1], "x", 1), 1);
	shutdown(s[1], SHUT_RD);
	CHECK_EQ(recv(s[1], buf, 1, 0), 0);
	CHECK_ERR(send(s[0], buf, 1, MSG_NOSIGNAL), EPIPE);
	close(s[0]);
	close(s[1]);
}

static void seqpacket(void)
{
	struct sockaddr_un a;
	socklen_t len = name(&a, "seq");
	int l = CHECK_OK(socket(AF_UNIX, SOCK_SEQPACKET, 0)), c = CHECK_OK(socket(AF_UNIX, SOCK_SEQPACKET, 0)), d;
	struct iovec v;
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	char buf[100];

	CHECK_OK(bind(l, (void *)&a, len));
	CHECK_OK(listen(l, 1));
	CHECK_ERR(send(c, "x", 1, MSG_NOSIGNAL), ENOTCONN);
	CHECK_ERR(recv(c, buf, 1, 0), ENOTCONN);
	CHECK_OK(connect(c, (void *)&a, len));
	d = CHECK_OK(accept(l, NULL, NULL));
	CHECK_EQ(send(c, "ab", 2, 0), 2);
	CHECK_EQ(send(c, "cdefg", 5, 0), 5);
	CHECK_EQ(read(d, buf, 100), 2);
	v = (struct iovec){buf, 3};
	CHECK_EQ(recvmsg(d, &m, 0), 3);
	CHECK(m.msg_flags & MSG_TRUNC);
	CHECK_EQ(send(c, "last", 4, 0), 4);
	close(c);
	CHECK_EQ(read(d, buf, 100), 4);
	CHECK_EQ(read(d, buf, 100), 0);
	CHECK_ERR(send(d, "x", 1, MSG_NOSIGNAL), EPIPE);
	close(d);
	close(l);
}

static void mmsg(void)
{
	char text[4][8] = {"a", "bb", "ccc", "dddd"}, in[6][8];
	struct iovec v[6];
	struct mmsghdr m[6];
	struct timespec ts = {0, 20000000};
	int s[2];

	CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	memset(m, 0, sizeof(m));
	for (int i = 0; i < 4; i++) {
		v[i] = (struct iovec){text[i], i + 1};
		m[i].msg_hdr = (struct msghdr){.msg_iov = &v[i], .msg_iovlen = 1};
	}
	CHECK_EQ(sendmmsg(s[0], m, 4, 0), 4);
	CHECK_EQ(m[3].msg_len, 4);
	for (int i = 0; i < 6; i++) {
		v[i] = (struct iovec){in[i], 8};
		m[i].msg_hdr = (struct msghdr){.msg_iov = &v[i], .msg_iovlen = 1};
	}
	CHECK_EQ(recvmmsg(s[1], m, 6, MSG_WAITFORONE, NULL), 4);
	CHECK_EQ(m[2].msg_len, 3);
	CHECK(!memcmp(in[2], "ccc", 3));
	CHECK_ERR(recvmmsg(s[1], m, 6, MSG_DONTWAIT, NULL), EAGAIN);
	CHECK_EQ(send(s[0], "x", 1, 0), 1);
	CHECK_EQ(recvmmsg(s[1], m, 1, 0, &ts), 1);
	ts.tv_nsec = -1;
	CHECK_ERR(recvmmsg(s[1], m, 1, 0, &ts), EINVAL);
	CHECK_ERR(sendmmsg(s[1], bad_ptr, 1, 0), EFAULT);
	close(s[0]);
	close(s[1]);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	datagrams();
	waits();
	big();
	seqpacket();
	mmsg();
	return 0;
}
