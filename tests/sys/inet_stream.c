/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_INET and AF_INET6 streams over the loopback: connecting, accepting, data both ways, half-close, resets, urgent
 * bytes, limits of buffers, what poll says in each state.
 */
#include "inet.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <linux/sockios.h>

static char buf[1 << 20], got[1 << 20];

static void creation(void)
{
	int fd;

	CHECK_ERR(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP), EPROTONOSUPPORT);
	CHECK_ERR(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP), EPROTONOSUPPORT);
	CHECK_ERR(socket(AF_INET, 9, 0), ESOCKTNOSUPPORT);
	CHECK_ERR(socketpair(AF_INET, SOCK_STREAM, 0, (int[2]){0}), EOPNOTSUPP);
	fd = CHECK_OK(socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
	CHECK_EQ(option(fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	CHECK_EQ(option(fd, SOL_SOCKET, SO_DOMAIN), AF_INET6);
	CHECK_EQ(option(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
	CHECK_EQ(events(fd), POLLOUT | POLLHUP);
	CHECK_ERR(send(fd, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_ERR(recv(fd, got, 1, 0), ENOTCONN);
	CHECK_ERR(shutdown(fd, SHUT_RDWR), ENOTCONN);
	CHECK_ERR(getpeername(fd, (void *)got, &(socklen_t){100}), ENOTCONN);
	CHECK_ERR(accept(fd, NULL, NULL), EINVAL);
	close(fd);
}

static void talk(const char *ip)
{
	union addr a;
	socklen_t len;
	int l = listener(ip, 5), port = port_of(l), c, d, n;

	CHECK_EQ(option(l, SOL_SOCKET, SO_ACCEPTCONN), 1);
	CHECK_EQ(events(l), 0);
	fcntl(l, F_SETFL, O_NONBLOCK);
	CHECK_ERR(accept(l, NULL, NULL), EAGAIN);
	CHECK_ERR(recv(l, got, 1, 0), ENOTCONN);
	c = connect_to(ip, port);
	CHECK_EQ(wait_events(l, POLLIN), POLLIN);
	CHECK_EQ(write(c, "early", 5), 5);
	len = sizeof(a);
	d = CHECK_OK(accept4(l, &a.any, &len, SOCK_CLOEXEC));
	CHECK_EQ(len, strchr(ip, ':') ? sizeof(a.in6) : sizeof(a.in4));
	CHECK_EQ(ntohs(a.in4.sin_port), port_of(c));
	CHECK_EQ(port_of(d), port);
	len = sizeof(a);
	CHECK_OK(getpeername(c, &a.any, &len));
	CHECK_EQ(ntohs(a.in4.sin_port), port);
	CHECK_EQ(recv(d, got, 100, MSG_PEEK), 5);
	CHECK_OK(ioctl(d, SIOCINQ, &n));
	CHECK_EQ(n, 5);
	CHECK_EQ(recv(d, got, 2, 0), 2);
	CHECK_EQ(recv(d, got, 100, 0), 3);
	CHECK(!memcmp(got, "rly", 3));
	CHECK_ERR(recv(d, got, 1, MSG_DONTWAIT), EAGAIN);
	CHECK_EQ(events(d), POLLOUT);
	CHECK_ERR(connect(c, &a.any, len), EISCONN);
	CHECK_ERR(listen(c, 1), EINVAL);
	/* half-close */
	CHECK_EQ(write(c, "last", 4), 4);
	CHECK_OK(shutdown(c, SHUT_WR));
	CHECK_ERR(send(c, "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(wait_events(d, POLLRDHUP), POLLIN | POLLOUT | POLLRDHUP);
	CHECK_EQ(read(d, got, 100), 4);
	CHECK_EQ(read(d, got, 100), 0);
	CHECK_EQ(write(d, "answer", 6), 6);
	CHECK_EQ(recv(c, got, 6, MSG_WAITALL), 6);
	CHECK_OK(shutdown(d, SHUT_WR));
	CHECK_EQ(wait_events(c, POLLHUP), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	CHECK_EQ(read(c, got, 100), 0);
	CHECK_ERR(getpeername(c, &a.any, &len), ENOTCONN);
	close(c);
	close(d);
	/* the listener's end resets who was not accepted */
	c = connect_to(ip, port);
	wait_events(l, POLLIN);
	close(l);
	wait_events(c, POLLERR);
	CHECK_ERR(read(c, got, 1), ECONNRESET);
	CHECK_EQ(read(c, got, 1), 0);
	close(c);
}

static void mapped(void)
{
	int l = listener("::", 5), port = port_of(l), c = connect_to("127.0.0.1", port), d, fd;
	union addr a;
	socklen_t len = sizeof(a);
	char text[INET6_ADDRSTRLEN];

	d = CHECK_OK(accept(l, &a.any, &len));
	CHECK_EQ(a.any.sa_family, AF_INET6);
	CHECK(IN6_IS_ADDR_V4MAPPED(&a.in6.sin6_addr));
	CHECK(!strcmp(inet_ntop(AF_INET6, &a.in6.sin6_addr, text, sizeof(text)), "::ffff:127.0.0.1"));
	close(c);
	close(d);
	close(connect_to("::ffff:127.0.0.1", port));
	close(connect_to("::1", port));
	close(connect_to("0.0.0.0", port)); /* this machine */
	close(connect_to("127.9.8.7", port));
	len = addr4(&a, "0.0.0.0", port);
	fd = CHECK_OK(socket(AF_INET, SOCK_STREAM, 0));
	CHECK_ERR(bind(fd, &a.any, len), EADDRINUSE);
	close(l);
	close(fd);
	/* IPv6 only */
	l = CHECK_OK(socket(AF_INET6, SOCK_STREAM, 0));
	set_option(l, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	len = addr6(&a, "::", 0);
	CHECK_OK(bind(l, &a.any, len));
	CHECK_ERR(setsockopt(l, IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, 4), EINVAL);
	CHECK_OK(listen(l, 5));
	port = port_of(l);
	fd = CHECK_OK(socket(AF_INET, SOCK_STREAM, 0));
	len = addr4(&a, "127.0.0.1", port);
	CHECK_ERR(connect(fd, &a.any, len), ECONNREFUSED);
	CHECK_OK(bind(fd, &a.any, len)); /* the port of IPv4 is free */
	close(fd);
	close(l);
}

static void ports(void)
{
	int a = bound(SOCK_STREAM, "127.0.0.1"), port = port_of(a), b;
	union addr addr;
	socklen_t len = addr4(&addr, "127.0.0.1", port);

	CHECK(port >= 1024);
	b = CHECK_OK(socket(AF_INET, SOCK_STREAM, 0));
	CHECK_ERR(bind(a, &addr.any, len), EINVAL); /* has one */
	CHECK_ERR(bind(b, &addr.any, len), EADDRINUSE);
	CHECK_ERR(bind(b, &addr.any, 4), EINVAL);
	addr.any.sa_family = AF_UNIX;
	CHECK_ERR(bind(b, &addr.any, len), EAFNOSUPPORT);
	addr.any.sa_family = AF_INET;
	len = addr4(&addr, "192.0.2.1", 0);
	CHECK_ERR(bind(b, &addr.any, len), EADDRNOTAVAIL);
	len = addr4(&addr, "127.0.0.2", port);
	CHECK_OK(bind(b, &addr.any, len)); /* another address */
	close(b);
	b = CHECK_OK(socket(AF_INET, SOCK_STREAM, 0));
	len = addr4(&addr, "0.0.0.0", port);
	set_option(a, SOL_SOCKET, SO_REUSEADDR, 1);
	CHECK_ERR(bind(b, &addr.any, len), EADDRINUSE);
	set_option(b, SOL_SOCKET, SO_REUSEADDR, 1);
	CHECK_OK(bind(b, &addr.any, len)); /* both may share while none listens */
	CHECK_OK(listen(a, 1));
	CHECK_ERR(listen(b, 1), EADDRINUSE);
	close(a);
	close(b);
	a = CHECK_OK(socket(AF_INET, SOCK_STREAM, 0));
	b = CHECK_OK(socket(AF_INET, SOCK_STREAM, 0));
	set_option(a, SOL_SOCKET, SO_REUSEPORT, 1);
	set_option(b, SOL_SOCKET, SO_REUSEPORT, 1);
	len = addr4(&addr, "127.0.0.1", 0);
	CHECK_OK(bind(a, &addr.any, len));
	len = addr4(&addr, "127.0.0.1", port_of(a));
	CHECK_OK(bind(b, &addr.any, len));
	CHECK_OK(listen(a, 1));
	CHECK_OK(listen(b, 1));
	close(connect_to("127.0.0.1", port_of(a)));
	close(a);
	close(b);
}

static void refused(void)
{
	int a = bound(SOCK_STREAM, "127.0.0.1"), port = port_of(a), b = CHECK_OK(socket(AF_INET, SOCK_STREAM, 0)), n;
	union addr addr;
	socklen_t len = addr4(&addr, "127.0.0.1", port);

	CHECK_ERR(connect(b, &addr.any, len), ECONNREFUSED);
	CHECK_ERR(connect(b, &addr.any, len), ECONNREFUSED);
	CHECK_ERR(connect(b, &addr.any, 3), EINVAL);
	fcntl(b, F_SETFL, O_NONBLOCK);
	CHECK_ERR(connect(b, &addr.any, len), EINPROGRESS);
	n = wait_events(b, POLLERR);
	CHECK_EQ(n, POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP);
	CHECK_EQ(option(b, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	CHECK_EQ(option(b, SOL_SOCKET, SO_ERROR), 0);
	CHECK_ERR(connect(b, &addr.any, len), ECONNABORTED);
	/* now with somebody */
	CHECK_OK(listen(a, 1));
	CHECK_ERR(connect(b, &addr.any, len), EINPROGRESS);
	CHECK_EQ(wait_events(b, POLLOUT), POLLOUT);
	CHECK_EQ(option(b, SOL_SOCKET, SO_ERROR), 0);
	CHECK_OK(connect(b, &addr.any, len));
	CHECK_ERR(connect(b, &addr.any, len), EISCONN);
	close(a);
	close(b);
}

/* A full queue of the listener: who comes waits until there is room. */
static void backlog(void)
{
	int l = listener("127.0.0.1", 0), port = port_of(l), a = connect_to("127.0.0.1", port), b, d;
	union addr addr;
	socklen_t len = addr4(&addr, "127.0.0.1", port);

	b = CHECK_OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	CHECK_ERR(connect(b, &addr.any, len), EINPROGRESS);
	CHECK_EQ(events_within(b, 100), 0);
	CHECK_ERR(connect(b, &addr.any, len), EALREADY);
	CHECK_ERR(send(b, "x", 1, 0), EAGAIN);
	CHECK_ERR(recv(b, got, 1, 0), EAGAIN);
	d = CHECK_OK(accept(l, NULL, NULL));
	CHECK_EQ(wait_events(b, POLLOUT), POLLOUT);
	close(d);
	d = CHECK_OK(accept(l, NULL, NULL));
	CHECK_EQ(write(b, "x", 1), 1);
	CHECK_EQ(read(d, got, 10), 1);
	close(a);
	close(b);
	close(d);
	close(l);
}

static void resets(void)
{
	struct iovec iov[64];
	int s[2];

	/* unread data */
	tcp_pair("127.0.0.1", s);
	CHECK_EQ(write(s[0], "lost", 4), 4);
	wait_events(s[1], POLLIN);
	CHECK_EQ(write(s[1], "read", 4), 4);
	wait_events(s[0], POLLIN);
	close(s[1]);
	CHECK_EQ(wait_events(s[0], POLLERR), POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	CHECK_EQ(read(s[0], got, 10), 4); /* what had come is still there */
	CHECK_ERR(read(s[0], got, 10), ECONNRESET);
	CHECK_EQ(read(s[0], got, 10), 0);
	CHECK_ERR(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	close(s[0]);
	/* linger 0 */
	tcp_pair("::1", s);
	CHECK_OK(setsockopt(s[1], SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)));
	close(s[1]);
	wait_events(s[0], POLLERR);
	CHECK_EQ(option(s[0], SOL_SOCKET, SO_ERROR), ECONNRESET);
	close(s[0]);
	/* writing to who is gone: the first goes out, the next fails */
	tcp_pair("127.0.0.1", s);
	close(s[1]);
	CHECK_EQ(wait_events(s[0], POLLRDHUP), POLLIN | POLLOUT | POLLRDHUP);
	CHECK_EQ(send(s[0], "x", 1, MSG_NOSIGNAL), 1);
	CHECK_EQ(wait_events(s[0], POLLERR), POLLIN | POLLOUT | POLLRDHUP | POLLERR | POLLHUP);
	CHECK_ERR(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(read(s[0], got, 10), 0);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERR(write(s[0], "x", 1), EPIPE);
	close(s[0]);
	/* a write too long to be over before the answer comes */
	tcp_pair("127.0.0.1", s);
	close(s[1]);
	for (int i = 0; i < 64; i++)
		iov[i] = (struct iovec){buf, sizeof(buf)};
	CHECK(writev(s[0], iov, 64) < (ssize_t)(64 * sizeof(buf)));
	CHECK_ERR(write(s[0], "x", 1), EPIPE);
	close(s[0]);
}

static void urgent(void)
{
	int s[2], n;

	tcp_pair("127.0.0.1", s);
	CHECK_ERR(recv(s[1], got, 1, MSG_OOB), EINVAL);
	CHECK_EQ(write(s[0], "abc", 3), 3);
	CHECK_EQ(send(s[0], "def", 3, MSG_OOB), 3);
	CHECK_EQ(write(s[0], "ghi", 3), 3);
	wait_events(s[1], POLLPRI);
	CHECK_OK(ioctl(s[1], SIOCATMARK, &n));
	CHECK_EQ(n, 0);
	CHECK_EQ(read(s[1], got, 100), 5);
	CHECK(!memcmp(got, "abcde", 5));
	CHECK_OK(ioctl(s[1], SIOCATMARK, &n));
	CHECK_EQ(n, 1);
	CHECK_EQ(recv(s[1], got, 10, MSG_OOB), 1);
	CHECK_EQ(got[0], 'f');
	CHECK_ERR(recv(s[1], got, 10, MSG_OOB), EINVAL);
	CHECK_EQ(read(s[1], got, 100), 3);
	CHECK(!memcmp(got, "ghi", 3));
	CHECK_OK(ioctl(s[1], SIOCATMARK, &n));
	CHECK_EQ(n, 0);
	set_option(s[1], SOL_SOCKET, SO_OOBINLINE, 1);
	CHECK_EQ(send(s[0], "xy", 2, MSG_OOB), 2);
	wait_events(s[1], POLLPRI);
	CHECK_EQ(read(s[1], got, 100), 1);
	CHECK_EQ(read(s[1], got, 100), 1);
	CHECK_EQ(got[0], 'y');
	close(s[0]);
	close(s[1]);
}

static void *drain(void *arg)
{
	size_t all = 0;
	ssize_t n;

	while (all < sizeof(got) && (n = read(*(int *)arg, got + all, sizeof(got) - all)) > 0)
		all += (size_t)n;
	return (void *)all;
}

/* More than fits: the writer waits; every byte comes in order. */
static void bulk(const char *ip)
{
	int s[2], n;
	pthread_t t;
	void *all;
	ssize_t r;
	size_t sent = 0;

	tcp_pair(ip, s);
	set_option(s[0], SOL_SOCKET, SO_SNDBUF, 20000);
	fcntl(s[0], F_SETFL, O_NONBLOCK);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 7 + i / 4096);
	while (sent < sizeof(buf) && (r = write(s[0], buf + sent, 10000)) > 0)
		sent += (size_t)r;
	CHECK(sent < sizeof(buf));
	CHECK_EQ(errno, EAGAIN);
	CHECK_EQ(events(s[0]), 0);
	CHECK_OK(ioctl(s[1], SIOCINQ, &n));
	CHECK(n > 0);
	fcntl(s[0], F_SETFL, 0);
	CHECK_OK(setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){0, 20000}, sizeof(struct timeval)));
	r = write(s[0], buf + sent, sizeof(buf) - sent);
	if (r > 0) /* some room was left */
		sent += (size_t)r;
	else
		CHECK_EQ(errno, EAGAIN);
	CHECK_OK(setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &(struct timeval){0, 0}, sizeof(struct timeval)));
	CHECK_EQ(pthread_create(&t, NULL, drain, &s[1]), 0);
	while (sent < sizeof(buf))
		sent += (size_t)CHECK_OK(write(s[0], buf + sent, sizeof(buf) - sent));
	CHECK_EQ(pthread_join(t, &all), 0);
	CHECK_EQ((size_t)all, sizeof(got));
	CHECK(!memcmp(buf, got, sizeof(buf)));
	CHECK_EQ(wait_events(s[0], POLLOUT), POLLOUT);
	close(s[0]);
	CHECK_EQ(read(s[1], got, 1), 0);
	close(s[1]);
}

static void flags(void)
{
	struct timeval tv = {0, 20000};
	int s[2], p[2], f;
	off_t at = 0;

	tcp_pair("127.0.0.1", s);
	CHECK_EQ(write(s[0], "0123456789", 10), 10);
	wait_events(s[1], POLLIN);
	got[0] = 'k';
	CHECK_EQ(recv(s[1], got, 4, MSG_TRUNC), 4); /* thrown away */
	CHECK_EQ(got[0], 'k');
	CHECK_ERR(recv(s[1], bad_ptr, 4, 0), EFAULT);
	CHECK_EQ(recv(s[1], got, 0, 0), 0);
	CHECK_EQ(read(s[1], got, 100), 6);
	CHECK_EQ(got[0], '4');
	CHECK_ERR(send(s[0], bad_ptr, 10, 0), EFAULT);
	CHECK_OK(setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	CHECK_ERR(read(s[1], got, 1), EAGAIN);
	/* sendfile and splice */
	f = CHECK_OK(open("/proc/self/exe", O_RDONLY));
	CHECK_EQ(sendfile(s[0], f, &at, 5000), 5000);
	CHECK_EQ(at, 5000);
	CHECK_EQ(pread(f, buf, 5000, 0), 5000);
	CHECK_EQ(recv(s[1], got, 5000, MSG_WAITALL), 5000);
	CHECK(!memcmp(buf, got, 5000));
	CHECK_OK(pipe(p));
	CHECK_EQ(write(p[1], "piped", 5), 5);
	CHECK_EQ(splice(p[0], NULL, s[0], NULL, 5, 0), 5);
	wait_events(s[1], POLLIN);
	CHECK_EQ(splice(s[1], NULL, p[1], NULL, 100, 0), 5);
	CHECK_EQ(read(p[0], got, 10), 5);
	CHECK(!memcmp(got, "piped", 5));
	close(f);
	close(p[0]);
	close(p[1]);
	close(s[0]);
	close(s[1]);
}

static void options(void)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);
	int s[2];

	tcp_pair("127.0.0.1", s);
	CHECK_EQ(option(s[0], IPPROTO_TCP, TCP_NODELAY), 0);
	set_option(s[0], IPPROTO_TCP, TCP_NODELAY, 5);
	CHECK_EQ(option(s[0], IPPROTO_TCP, TCP_NODELAY), 1);
	set_option(s[0], IPPROTO_TCP, TCP_KEEPIDLE, 30);
	CHECK_EQ(option(s[0], IPPROTO_TCP, TCP_KEEPIDLE), 30);
	CHECK_ERR(setsockopt(s[0], IPPROTO_TCP, TCP_KEEPIDLE, &(int){0}, 4), EINVAL);
	CHECK_ERR(setsockopt(s[0], IPPROTO_TCP, TCP_NODELAY, &(int){0}, 2), EINVAL);
	CHECK_ERR(setsockopt(s[0], IPPROTO_TCP, 9999, &(int){0}, 4), ENOPROTOOPT);
	CHECK_ERR(setsockopt(s[0], IPPROTO_IPV6, IPV6_V6ONLY, &(int){0}, 4), ENOPROTOOPT);
	CHECK_OK(getsockopt(s[0], IPPROTO_TCP, TCP_INFO, &info, &len));
	CHECK_EQ(info.tcpi_state, TCP_ESTABLISHED);
	set_option(s[0], IPPROTO_IP, IP_TOS, 0x10);
	CHECK_EQ(option(s[0], IPPROTO_IP, IP_TOS), 0x10);
	CHECK_EQ(option(s[0], IPPROTO_IP, IP_TTL), 64);
	CHECK_EQ(option(s[0], SOL_SOCKET, SO_MAX_PACING_RATE), -1);
	set_option(s[0], SOL_SOCKET, SO_MAX_PACING_RATE, 1000000);
	CHECK_EQ(option(s[0], SOL_SOCKET, SO_MAX_PACING_RATE), 1000000);
	CHECK_EQ(option(s[0], SOL_SOCKET, SO_SELECT_ERR_QUEUE), 0);
	set_option(s[0], IPPROTO_TCP, TCP_SAVE_SYN, 1);
	CHECK_EQ(option(s[0], IPPROTO_TCP, TCP_SAVE_SYN), 1);
	set_option(s[0], SOL_SOCKET, SO_RCVBUF, 30000);
	CHECK_EQ(option(s[0], SOL_SOCKET, SO_RCVBUF), 60000);
	close(s[0]);
	close(s[1]);
}

/* Away from a connection, and on to the next. */
static void unspec(void)
{
	int l = listener("127.0.0.1", 5), c = connect_to("127.0.0.1", port_of(l)), d = CHECK_OK(accept(l, NULL, NULL));
	union addr a = {.any = {.sa_family = AF_UNSPEC}};
	socklen_t len;

	CHECK_OK(connect(c, &a.any, sizeof(a.in4)));
	wait_events(d, POLLERR);
	CHECK_ERR(read(d, got, 1), ECONNRESET);
	CHECK_ERR(recv(c, got, 1, 0), ECONNRESET);
	CHECK_ERR(recv(c, got, 1, 0), ENOTCONN);
	len = addr4(&a, "127.0.0.1", port_of(l));
	CHECK_OK(connect(c, &a.any, len));
	close(d);
	d = CHECK_OK(accept(l, NULL, NULL));
	CHECK_EQ(write(c, "again", 5), 5);
	CHECK_EQ(read(d, got, 10), 5);

	/* An end of the former connection goes, with bytes that nobody read: nothing to do with the next one. */
	CHECK_EQ(write(c, "left", 4), 4);
	wait_events(d, POLLIN);
	CHECK_OK(connect(c, &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr)));
	wait_events(d, POLLIN | POLLERR);
	CHECK_OK(connect(c, &a.any, len));
	close(d);
	d = CHECK_OK(accept(l, NULL, NULL));
	CHECK_EQ(write(c, "on", 2), 2);
	CHECK_EQ(read(d, got, 10), 2);
	close(c);
	close(d);
	close(l);
}

int main(void)
{
	creation();
	talk("127.0.0.1");
	talk("::1");
	mapped();
	ports();
	refused();
	backlog();
	resets();
	urgent();
	bulk("127.0.0.1");
	bulk("::1");
	flags();
	options();
	unspec();
	return 0;
}
