/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_UNIX streams: socketpair, names in the file system and abstract ones, backlog, shutdown, peek, time-outs, errors.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <linux/sockios.h>

#include "sys.h"

static char dir[] = "/tmp/unix-XXXXXX";

static socklen_t name(struct sockaddr_un *a, const char *file)
{
	memset(a, 0, sizeof(*a));
	a->sun_family = AF_UNIX;
	snprintf(a->sun_path, sizeof(a->sun_path), "%s/%s", dir, file);
	return sizeof(*a);
}

static int stream(void)
{
	return CHECK_OK(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int events(int fd, int want)
{
	struct pollfd p = {fd, want, 0};

	CHECK_OK(poll(&p, 1, 0));
	return p.revents;
}

static void pairs(void)
{
	char buf[100];
	int s[2], n;

	CHECK_ERR(socketpair(AF_UNIX, SOCK_STREAM, 5, s), EPROTONOSUPPORT);
	CHECK_ERR(socketpair(AF_UNIX, 9, 0, s), ESOCKTNOSUPPORT);
	CHECK_ERR(socketpair(AF_UNIX, SOCK_STREAM | 0x100, 0, s), EINVAL);
	CHECK_ERR(socketpair(AF_UNIX, SOCK_STREAM, 0, bad_ptr), EFAULT);
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s));
	CHECK_EQ(fcntl(s[1], F_GETFD), FD_CLOEXEC);
	CHECK_ERR(read(s[0], buf, 1), EAGAIN);
	CHECK_EQ(write(s[0], "hello ", 6), 6);
	CHECK_EQ(send(s[0], "world", 5, 0), 5);
	CHECK_OK(ioctl(s[1], SIOCINQ, &n));
	CHECK_EQ(n, 11);
	CHECK_OK(ioctl(s[0], SIOCOUTQ, &n));
	CHECK(n >= 11);
	CHECK_EQ(recv(s[1], buf, 8, MSG_PEEK), 8);
	CHECK(!memcmp(buf, "hello wo", 8));
	CHECK_EQ(recv(s[1], buf, 100, MSG_PEEK), 11);
	CHECK_EQ(read(s[1], buf, 100), 11); /* joined */
	CHECK(!memcmp(buf, "hello world", 11));
	CHECK_OK(ioctl(s[0], SIOCOUTQ, &n));
	CHECK_EQ(n, 0);
	CHECK_EQ(events(s[0], POLLIN | POLLOUT), POLLOUT);
	CHECK_EQ(shutdown(s[0], SHUT_WR), 0);
	CHECK_EQ(read(s[1], buf, 1), 0);
	CHECK_EQ(events(s[1], POLLIN | POLLOUT | POLLRDHUP), POLLIN | POLLOUT | POLLRDHUP);
	CHECK_ERR(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(write(s[1], "back", 4), 4);
	CHECK_EQ(read(s[0], buf, 100), 4);
	CHECK_ERR(shutdown(s[0], 3), EINVAL);
	/* Unread data and a close: the other side is reset. */
	CHECK_EQ(write(s[1], "lost", 4), 4);
	close(s[0]);
	CHECK_EQ(events(s[1], POLLIN), POLLIN | POLLHUP | POLLERR);
	CHECK_ERR(read(s[1], buf, 1), ECONNRESET);
	CHECK_EQ(read(s[1], buf, 1), 0);
	CHECK_ERR(send(s[1], "x", 1, MSG_NOSIGNAL), EPIPE);
	close(s[1]);
}

static void named(void)
{
	struct sockaddr_un a, got;
	socklen_t len = name(&a, "s"), glen;
	int l = stream(), c = stream(), d, n;
	struct stat st;
	char buf[10];

	CHECK_ERR(connect(c, (void *)&a, len), ENOENT);
	CHECK_ERR(listen(l, 1), EINVAL); /* no name */
	umask(022);
	CHECK_OK(bind(l, (void *)&a, len));
	CHECK_OK(stat(a.sun_path, &st));
	CHECK_EQ(st.st_mode, S_IFSOCK | 0755);
	CHECK_ERR(open(a.sun_path, O_RDWR), ENXIO);
	CHECK_ERR(bind(l, (void *)&a, len), EADDRINUSE);
	CHECK_ERR(bind(c, (void *)&a, len), EADDRINUSE);
	name(&got, "other");
	CHECK_ERR(bind(l, (void *)&got, len), EINVAL); /* has a name */
	CHECK_ERR(stat(got.sun_path, &st), ENOENT);
	CHECK_ERR(connect(c, (void *)&a, len), ECONNREFUSED); /* does not listen */
	CHECK_ERR(accept(l, NULL, NULL), EINVAL);
	CHECK_OK(listen(l, 5));
	CHECK_EQ(events(c, POLLIN | POLLOUT), POLLOUT | POLLHUP);
	CHECK_ERR(send(c, "x", 1, MSG_NOSIGNAL), ENOTCONN);
	CHECK_ERR(recv(c, buf, 1, 0), EINVAL);
	glen = sizeof(got);
	CHECK_ERR(getpeername(c, (void *)&got, &glen), ENOTCONN);
	CHECK_OK(connect(c, (void *)&a, len));
	CHECK_ERR(connect(c, (void *)&a, len), EISCONN);
	CHECK_EQ(events(l, POLLIN), POLLIN);
	CHECK_EQ(write(c, "early", 5), 5); /* before accept */
	glen = sizeof(got);
	d = CHECK_OK(accept4(l, (void *)&got, &glen, SOCK_NONBLOCK));
	CHECK_EQ(glen, 2);
	CHECK_EQ(got.sun_family, AF_UNIX);
	CHECK_EQ(read(d, buf, 10), 5);
	glen = sizeof(got);
	CHECK_OK(getsockname(d, (void *)&got, &glen));
	CHECK_EQ(glen, offsetof(struct sockaddr_un, sun_path) + strlen(a.sun_path) + 1);
	CHECK(!strcmp(got.sun_path, a.sun_path));
	glen = sizeof(got);
	CHECK_OK(getpeername(c, (void *)&got, &glen));
	CHECK(!strcmp(got.sun_path, a.sun_path));
	glen = 4;
	CHECK_OK(getpeername(c, (void *)&got, &glen));
	CHECK(glen > 4); /* the whole length, cut text */
	glen = sizeof(n);
	CHECK_OK(getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &n, &glen));
	CHECK_EQ(n, 1);
	fcntl(l, F_SETFL, O_NONBLOCK);
	CHECK_ERR(accept(l, NULL, NULL), EAGAIN);
	CHECK_ERR(accept4(l, NULL, NULL, 0x100), EINVAL);
	close(l);
	CHECK_EQ(write(d, "still", 5), 5); /* the connection outlives its listener */
	CHECK_EQ(read(c, buf, 10), 5);
	close(d);
	close(c);
	c = stream();
	CHECK_ERR(connect(c, (void *)&a, len), ECONNREFUSED); /* the name is there, nobody behind it */
	CHECK_OK(unlink(a.sun_path));
	CHECK_ERR(connect(c, (void *)&a, len), ENOENT);
	/* No socket: refused. A datagram socket: wrong type. */
	close(CHECK_OK(open(a.sun_path, O_CREAT | O_WRONLY, 0600)));
	CHECK_ERR(connect(c, (void *)&a, len), ECONNREFUSED);
	CHECK_OK(unlink(a.sun_path));
	d = CHECK_OK(socket(AF_UNIX, SOCK_DGRAM, 0));
	CHECK_OK(bind(d, (void *)&a, len));
	CHECK_ERR(connect(c, (void *)&a, len), EPROTOTYPE);
	CHECK_OK(unlink(a.sun_path));
	close(d);
	a.sun_family = AF_INET;
	CHECK_ERR(bind(c, (void *)&a, len), EINVAL);
	a.sun_family = AF_UNIX;
	CHECK_ERR(bind(c, (void *)&a, sizeof(a) + 1), EINVAL);
	CHECK_ERR(bind(c, (void *)&a, 1), EINVAL);
	CHECK_ERR(bind(c, bad_ptr, 20), EFAULT);
	strcpy(a.sun_path, "/nowhere/at/all");
	CHECK_ERR(bind(c, (void *)&a, len), ENOENT);
	close(c);
}

static void abstract(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "\0umbra-test\0x"}, got;
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + 13, glen = sizeof(got);
	int l = stream(), c = stream(), d;

	snprintf(a.sun_path + 1, 12, "u%d", getpid());
	CHECK_OK(bind(l, (void *)&a, len));
	CHECK_ERR(bind(c, (void *)&a, len), EADDRINUSE);
	CHECK_OK(listen(l, 1));
	CHECK_ERR(connect(c, (void *)&a, len - 1), ECONNREFUSED); /* another name */
	CHECK_OK(connect(c, (void *)&a, len));
	d = CHECK_OK(accept(l, NULL, NULL));
	CHECK_OK(getpeername(c, (void *)&got, &glen));
	CHECK_EQ(glen, len);
	CHECK(!memcmp(&got, &a, len));
	close(l);
	close(c);
	close(d);
	c = stream();
	CHECK_ERR(connect(c, (void *)&a, len), ECONNREFUSED); /* gone with its socket */
	/* Autobind: five hexadecimal digits. */
	CHECK_OK(bind(c, (void *)&a, sizeof(sa_family_t)));
	glen = sizeof(got);
	memset(&got, 0, sizeof(got));
	CHECK_OK(getsockname(c, (void *)&got, &glen));
	CHECK_EQ(glen, 8);
	CHECK_EQ(got.sun_path[0], 0);
	CHECK_EQ(strspn(got.sun_path + 1, "0123456789abcdef"), 5);
	close(c);
}

static void backlog(void)
{
	struct sockaddr_un a;
	socklen_t len = name(&a, "b");
	struct timeval tv = {0, 30000};
	int l = stream(), c[4], d;

	CHECK_OK(bind(l, (void *)&a, len));
	CHECK_OK(listen(l, 1));
	for (int i = 0; i < 4; i++)
		c[i] = CHECK_OK(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
	CHECK_OK(connect(c[0], (void *)&a, len));
	CHECK_OK(connect(c[1], (void *)&a, len));
	CHECK_ERR(connect(c[2], (void *)&a, len), EAGAIN);
	fcntl(c[2], F_SETFL, 0);
	CHECK_OK(setsockopt(c[2], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	CHECK_ERR(connect(c[2], (void *)&a, len), EAGAIN); /* the time ran out */
	if (!fork()) {
		usleep(20000);
		close(CHECK_OK(accept(l, NULL, NULL)));
		_exit(0);
	}
	fcntl(c[3], F_SETFL, 0);
	CHECK_OK(connect(c[3], (void *)&a, len)); /* waits for room */
	CHECK_EQ(wait_for(-1), 0);
	d = CHECK_OK(accept(l, NULL, NULL));
	close(l); /* c[3] is still in the queue */
	char x;
	CHECK_ERR(read(c[3], &x, 1), ECONNRESET);
	close(d);
	for (int i = 0; i < 4; i++)
		close(c[i]);
	CHECK_OK(unlink(a.sun_path));
}

static void timeouts_and_options(void)
{
	struct timeval tv = {0, 30000}, got;
	struct linger li = {1, 5};
	socklen_t len = sizeof(got);
	char big[400000];
	int s[2], n;

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_OK(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	CHECK_OK(getsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &got, &len));
	CHECK(got.tv_usec >= 30000 && got.tv_usec <= 40000); /* Linux rounds to its ticks */
	CHECK_ERR(read(s[0], big, 1), EAGAIN);
	CHECK_OK(setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	n = CHECK_OK(write(s[0], big, sizeof(big)));
	CHECK(n > 0 && n < (int)sizeof(big)); /* what fit before the time ran out */
	CHECK_ERR(write(s[0], big, sizeof(big)), EAGAIN);
	CHECK_EQ(events(s[0], POLLOUT), 0);
	CHECK_EQ(recv(s[1], big, n, MSG_WAITALL), n);
	CHECK_EQ(events(s[0], POLLOUT), POLLOUT);

	tv.tv_usec = 1000000;
	CHECK_ERR(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), EDOM);
	CHECK_ERR(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, 4), EINVAL);
	n = 10000;
	CHECK_OK(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &n, sizeof(n)));
	len = sizeof(n);
	CHECK_OK(getsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &n, &len));
	CHECK_EQ(n, 20000);
	n = 1;
	CHECK_OK(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &n, sizeof(n)));
	CHECK_OK(getsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &n, &len));
	CHECK_EQ(n, 4608);
	CHECK_OK(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &n, &len));
	CHECK_EQ(n, SOCK_STREAM);
	CHECK_OK(getsockopt(s[0], SOL_SOCKET, SO_DOMAIN, &n, &len));
	CHECK_EQ(n, AF_UNIX);
	CHECK_OK(getsockopt(s[0], SOL_SOCKET, SO_PROTOCOL, &n, &len));
	CHECK_EQ(n, 0);
	CHECK_OK(getsockopt(s[0], SOL_SOCKET, SO_ERROR, &n, &len));
	CHECK_EQ(n, 0);
	CHECK_OK(setsockopt(s[0], SOL_SOCKET, SO_LINGER, &li, sizeof(li)));
	CHECK_ERR(setsockopt(s[0], SOL_SOCKET, SO_TYPE, &n, sizeof(n)), ENOPROTOOPT);
	CHECK_ERR(setsockopt(s[0], SOL_SOCKET, SO_REUSEADDR, &n, 2), EINVAL);
	CHECK_ERR(setsockopt(s[0], SOL_SOCKET, SO_REUSEADDR, bad_ptr, 4), EFAULT);
	CHECK_ERR(getsockopt(s[0], SOL_SOCKET, 4711, &n, &len), ENOPROTOOPT);
	CHECK_ERR(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &n, bad_ptr), EFAULT);
	CHECK_ERR(getsockopt(0, SOL_SOCKET, SO_TYPE, &n, &len), ENOTSOCK);
	CHECK_ERR(getsockopt(999, SOL_SOCKET, SO_TYPE, &n, &len), EBADF);
	len = 1;
	n = -1;
	CHECK_OK(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &n, &len));
	CHECK_EQ(len, 1);
	close(s[1]);
	len = sizeof(n);
	CHECK_OK(getsockopt(s[0], SOL_SOCKET, SO_ERROR, &n, &len));
	close(s[0]);
	CHECK_ERR(socket(99, SOCK_STREAM, 0), EAFNOSUPPORT);
	CHECK_ERR(socket(-1, SOCK_STREAM, 0), EAFNOSUPPORT);
	CHECK_ERR(socket(AF_UNIX, 99, 0), EINVAL);
}

static int flood[2];

static void *reader(void *arg)
{
	static char buf[10000];
	unsigned int seed = 1;
	long total = 0, n;
	unsigned char want = 0;

	while ((n = recv(flood[1], buf, 1 + rand_r(&seed) % sizeof(buf), 0)) > 0) {
		for (long i = 0; i < n; i++)
			CHECK((unsigned char)buf[i] == want++);
		total += n;
	}
	return (void *)total;
}

/* Bytes keep their order, whatever the sizes of the writes. */
static void bulk(void)
{
	static unsigned char buf[100000];
	unsigned int seed = 2;
	unsigned char next = 0;
	long total = 0;
	pthread_t t;
	void *got;

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, flood));
	pthread_create(&t, NULL, reader, NULL);
	for (int k = 0; k < 300; k++) {
		long n = 1 + rand_r(&seed) % sizeof(buf);

		for (long i = 0; i < n; i++)
			buf[i] = next++;
		CHECK_EQ(send(flood[0], buf, n, 0), n);
		total += n;
	}
	close(flood[0]);
	pthread_join(t, &got);
	CHECK_EQ((long)got, total);
	close(flood[1]);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	CHECK(mkdtemp(dir));
	pairs();
	named();
	abstract();
	backlog();
	timeouts_and_options();
	bulk();
	CHECK_OK(rmdir(dir));
	return 0;
}
