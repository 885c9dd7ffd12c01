/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How AF_INET streams begin and end where two sides do so at once: connections that are over before they are accepted,
 * connect() given up by another thread, shutdown() in every state, data for who does not want it, room that comes by an
 * option.
 */
#include "inet.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>

static char buf[1 << 16], got[100];

static void set_linger(int fd)
{
	CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)));
}

/* A socket that waits for room in the queue of the listener *@l, which *@first fills. */
static int waiting(int *l, int *first, int flags)
{
	union addr a;
	socklen_t len;
	int fd = CHECK_OK(socket(AF_INET, SOCK_STREAM | flags, 0));

	*l = listener("127.0.0.1", 0);
	*first = connect_to("127.0.0.1", port_of(*l));
	if (flags & SOCK_NONBLOCK) {
		len = addr4(&a, "127.0.0.1", port_of(*l));
		CHECK_ERR(connect(fd, &a.any, len), EINPROGRESS);
	}
	return fd;
}

/* Reset before anybody accepted it: accept() gives it all the same, and whose it was. */
static void reset_in_queue(const char *ip)
{
	int l = listener(ip, 5), c = connect_to(ip, port_of(l)), port = port_of(c), d;
	union addr a;
	socklen_t len = sizeof(a);

	wait_events(l, POLLIN);
	set_linger(c);
	close(c);
	d = CHECK_OK(accept(l, &a.any, &len));
	CHECK_EQ(ntohs(a.in4.sin_port), port);
	wait_events(d, POLLERR);
	CHECK_ERR(getpeername(d, &a.any, &len), ENOTCONN);
	CHECK_ERR(read(d, got, 1), ECONNRESET);
	CHECK_EQ(read(d, got, 1), 0);
	close(l);
	close(d);
}

/* To leave a connection that is not one yet. */
static void give_up(int how)
{
	int l, first, fd = waiting(&l, &first, SOCK_NONBLOCK), d;
	union addr a = {.any = {.sa_family = AF_UNSPEC}};
	socklen_t len = sizeof(a.in4);

	if (how < 0)
		CHECK_OK(connect(fd, &a.any, len));
	else
		CHECK_OK(shutdown(fd, how));
	CHECK_EQ(events(fd), POLLOUT | POLLERR | POLLHUP);
	CHECK_EQ(option(fd, SOL_SOCKET, SO_ERROR), ECONNRESET);
	CHECK_ERR(recv(fd, got, 1, 0), ENOTCONN);
	CHECK_ERR(send(fd, got, 1, MSG_NOSIGNAL), EPIPE);
	/* and on to the next */
	d = CHECK_OK(accept(l, NULL, NULL));
	len = addr4(&a, "127.0.0.1", port_of(l));
	CHECK_ERR(connect(fd, &a.any, len), EINPROGRESS);
	wait_events(fd, POLLOUT);
	CHECK_OK(connect(fd, &a.any, len));
	CHECK_ERR(connect(fd, &a.any, len), EISCONN);
	CHECK_EQ(send(fd, "x", 1, 0), 1);
	close(fd);
	close(d);
	close(first);
	close(l);
}

struct connecting {
	int fd, port, error;
};

static void *connecter(void *arg)
{
	struct connecting *c = arg;
	union addr a;
	socklen_t len = addr4(&a, "127.0.0.1", c->port);

	c->error = connect(c->fd, &a.any, len) ? errno : 0;
	return NULL;
}

/* Another thread's connect() does not wait for what will never come. */
static void give_up_other(int how)
{
	int l, first, fd = waiting(&l, &first, 0);
	union addr a = {.any = {.sa_family = AF_UNSPEC}};
	struct connecting c = {fd, port_of(l), -1};
	pthread_t t;

	CHECK_EQ(pthread_create(&t, NULL, connecter, &c), 0);
	while (events(fd) & POLLHUP) /* not yet connecting */
		usleep(1000);
	if (how < 0)
		CHECK_OK(connect(fd, &a.any, sizeof(a.in4)));
	else
		CHECK_OK(shutdown(fd, how));
	CHECK_EQ(pthread_join(t, NULL), 0);
	CHECK(c.error > 0); /* which one differs between versions of Linux */
	close(fd);
	close(first);
	close(l);
}

static void larger_backlog(void)
{
	int l, first, fd = waiting(&l, &first, SOCK_NONBLOCK);

	CHECK_OK(listen(l, 10));
	CHECK_EQ(wait_events(fd, POLLOUT), POLLOUT);
	close(fd);
	close(first);
	close(l);
}

static void timed_connect(void)
{
	int l, first, fd = waiting(&l, &first, 0);
	struct timeval tv = {0, 20000};
	union addr a;
	socklen_t len = addr4(&a, "127.0.0.1", port_of(l));

	CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	CHECK_ERR(connect(fd, &a.any, len), EINPROGRESS);
	CHECK_ERR(connect(fd, &a.any, len), EALREADY);
	close(fd);
	close(first);
	close(l);
}

/* Data for an end that neither sends nor receives any more is answered with a reset. */
static void unwanted_data(void)
{
	int s[2];

	tcp_pair("127.0.0.1", s);
	CHECK_EQ(send(s[0], "abc", 3, 0), 3);
	wait_events(s[1], POLLIN);
	CHECK_OK(shutdown(s[1], SHUT_RDWR));
	CHECK_EQ(wait_events(s[0], POLLRDHUP), POLLIN | POLLOUT | POLLRDHUP);
	CHECK_EQ(events(s[1]), POLLIN | POLLOUT | POLLRDHUP | POLLHUP);
	CHECK_EQ(send(s[0], "x", 1, MSG_NOSIGNAL), 1);
	CHECK_EQ(wait_events(s[0], POLLERR), POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR);
	CHECK_EQ(wait_events(s[1], POLLERR), POLLIN | POLLOUT | POLLRDHUP | POLLHUP | POLLERR);
	CHECK_ERR(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(recv(s[1], got, 10, 0), 3);
	CHECK_ERR(recv(s[1], got, 10, 0), ECONNRESET);
	CHECK_EQ(recv(s[1], got, 10, 0), 0);
	CHECK_EQ(recv(s[0], got, 10, 0), 0);
	close(s[0]);
	close(s[1]);
	/* an end that only does not read any more gets it */
	tcp_pair("127.0.0.1", s);
	CHECK_OK(shutdown(s[1], SHUT_RD));
	CHECK_EQ(recv(s[1], got, 10, 0), 0);
	CHECK_EQ(send(s[0], "abc", 3, 0), 3);
	while (recv(s[1], got, 10, MSG_PEEK) != 3)
		usleep(1000);
	CHECK_EQ(recv(s[1], got, 10, 0), 3);
	CHECK_EQ(recv(s[1], bad_ptr, 10, 0), 0); /* what is not there is not copied */
	CHECK_EQ(send(s[1], "abc", 3, 0), 3);
	CHECK_EQ(recv(s[0], got, 10, 0), 3);
	close(s[0]);
	close(s[1]);
}

static void *filler(void *arg)
{
	while (write(*(int *)arg, buf, sizeof(buf)) > 0)
		;
	return NULL;
}

/* A writer that nobody reads from goes on when its peer is closed. */
static void close_under_writer(int linger)
{
	int s[2];
	pthread_t t;

	tcp_pair("127.0.0.1", s);
	CHECK_EQ(pthread_create(&t, NULL, filler, &s[0]), 0);
	while (events(s[0]) & POLLOUT)
		usleep(1000);
	if (linger)
		set_linger(s[1]);
	close(s[1]);
	CHECK_EQ(pthread_join(t, NULL), 0);
	close(s[0]);
}

/* Who wants to hear of more than fits hears when it is full. */
static void low_water(void)
{
	int s[2];

	tcp_pair("127.0.0.1", s);
	set_option(s[1], SOL_SOCKET, SO_RCVBUF, 65536);
	set_option(s[1], SOL_SOCKET, SO_RCVLOWAT, 64 << 20);
	CHECK_EQ(write(s[0], "x", 1), 1);
	CHECK_EQ(events_within(s[1], 20), POLLOUT);
	fcntl(s[0], F_SETFL, O_NONBLOCK);
	do {
		while (write(s[0], buf, sizeof(buf)) > 0)
			;
		CHECK_EQ(errno, EAGAIN);
	} while (!(events_within(s[1], 100) & POLLIN));
	close(s[0]);
	close(s[1]);
}

/* Bytes that were written to @s[0] and not read. */
static int under_way(const int s[2])
{
	int out, in;

	CHECK_OK(ioctl(s[0], SIOCOUTQ, &out));
	CHECK_OK(ioctl(s[1], SIOCINQ, &in));
	return out + in;
}

/* A larger buffer is room for who waits. */
static void larger_buffer(void)
{
	int s[2], before;
	pthread_t t;

	tcp_pair("127.0.0.1", s);
	set_option(s[0], SOL_SOCKET, SO_SNDBUF, 4096);
	fcntl(s[0], F_SETFL, O_NONBLOCK);
	while (write(s[0], buf, sizeof(buf)) > 0 || events_within(s[0], 50))
		;
	fcntl(s[0], F_SETFL, 0);
	before = under_way(s);
	CHECK_EQ(pthread_create(&t, NULL, filler, &s[0]), 0);
	usleep(20000); /* it should be asleep: otherwise nothing is tested */
	set_option(s[0], SOL_SOCKET, SO_SNDBUF, 200000);
	while (under_way(s) <= before)
		usleep(1000);
	close(s[1]);
	CHECK_EQ(pthread_join(t, NULL), 0);
	close(s[0]);
}

/* Two sockets of one port cannot have the same connection. */
static void same_ends(void)
{
	int l = listener("127.0.0.1", 5), s[2];
	union addr a, to;
	socklen_t len = addr4(&a, "127.0.0.1", 0);

	for (int i = 0; i < 2; i++) {
		s[i] = CHECK_OK(socket(AF_INET, SOCK_STREAM, 0));
		set_option(s[i], SOL_SOCKET, SO_REUSEADDR, 1);
		CHECK_OK(bind(s[i], &a.any, len));
		addr4(&a, "127.0.0.1", port_of(s[0]));
	}
	addr4(&to, "127.0.0.1", port_of(l));
	CHECK_OK(connect(s[0], &to.any, len));
	CHECK_ERR(connect(s[1], &to.any, len), EADDRNOTAVAIL);
	CHECK_ERR(connect(s[1], &to.any, len), EADDRNOTAVAIL);
	CHECK_EQ(port_of(s[1]), port_of(s[0]));
	close(s[0]);
	close(s[1]);
	close(l);
}

/* shutdown() of a listener, which may then be anything again; of a socket that is nothing yet. */
static void shut_others(void)
{
	int l = CHECK_OK(socket(AF_INET, SOCK_STREAM, 0)), c, port;
	union addr a;
	socklen_t len;

	CHECK_OK(listen(l, 5)); /* on a port that it was not bound to */
	port = port_of(l);
	c = connect_to("127.0.0.1", port);
	wait_events(l, POLLIN);
	CHECK_OK(shutdown(l, SHUT_WR));
	CHECK_EQ(events(l), POLLIN);
	CHECK_OK(shutdown(l, SHUT_RD));
	CHECK_EQ(events(l), POLLOUT | POLLHUP);
	CHECK_ERR(shutdown(l, SHUT_RD), ENOTCONN);
	CHECK_ERR(accept(l, NULL, NULL), EINVAL);
	CHECK_ERR(recv(c, got, 1, 0), ECONNRESET);
	close(c);
	c = CHECK_OK(socket(AF_INET, SOCK_STREAM, 0));
	len = addr4(&a, "127.0.0.1", port);
	CHECK_OK(bind(c, &a.any, len)); /* the port is free */
	close(c);
	c = listener("127.0.0.1", 5);
	addr4(&a, "127.0.0.1", port_of(c));
	close(l);
	/* what is shut before it is connected stays so */
	l = CHECK_OK(socket(AF_INET, SOCK_STREAM, 0));
	CHECK_ERR(shutdown(l, SHUT_WR), ENOTCONN);
	CHECK_OK(connect(l, &a.any, len));
	CHECK_ERR(send(l, "x", 1, MSG_NOSIGNAL), EPIPE);
	close(l);
	close(c);
}

/* Data in place of a connect(). */
static void fast_open(void)
{
	int l = listener("127.0.0.1", 5), c = CHECK_OK(socket(AF_INET, SOCK_STREAM, 0)), d;
	union addr a;
	socklen_t len = addr4(&a, "127.0.0.1", port_of(l));

	CHECK_EQ(sendto(c, "hello", 5, MSG_FASTOPEN, &a.any, len), 5);
	d = CHECK_OK(accept(l, NULL, NULL));
	CHECK_EQ(recv(d, got, 5, MSG_WAITALL), 5);
	CHECK_ERR(sendto(c, "hello", 5, MSG_FASTOPEN, &a.any, len), EISCONN);
	close(l);
	close(d);
	close(c);
}

static volatile int band_pri, band_in, urgent;

static void on_io(int sig, siginfo_t *info, void *ctx)
{
	if (sig == SIGURG)
		urgent = 1;
	else if (info->si_code == POLL_PRI)
		band_pri = 1;
	else if (info->si_code == POLL_IN)
		band_in = 1;
}

/* All that a process can ask to be told of an urgent byte. */
static void urgent_signals(void)
{
	const struct sigaction sa = {.sa_sigaction = on_io, .sa_flags = SA_SIGINFO | SA_RESTART};
	int s[2];

	sigaction(SIGRTMIN, &sa, NULL);
	sigaction(SIGURG, &sa, NULL);
	tcp_pair("127.0.0.1", s);
	CHECK_OK(fcntl(s[1], F_SETOWN, getpid()));
	CHECK_OK(fcntl(s[1], F_SETSIG, SIGRTMIN));
	CHECK_OK(fcntl(s[1], F_SETFL, O_ASYNC));
	CHECK_EQ(send(s[0], "u", 1, MSG_OOB), 1);
	while (!urgent || !band_pri || !band_in)
		usleep(1000);
	close(s[0]);
	close(s[1]);
}

/* Once both ends have said that they are through, closing one is no news for the other. */
static void no_news(void)
{
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};
	int s[2], ep = CHECK_OK(epoll_create1(0));

	tcp_pair("127.0.0.1", s);
	CHECK_OK(shutdown(s[0], SHUT_WR));
	CHECK_OK(shutdown(s[1], SHUT_WR));
	wait_events(s[1], POLLHUP);
	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, s[1], &e));
	CHECK_EQ(epoll_wait(ep, &e, 1, 0), 1);
	CHECK_EQ(e.events, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
	close(s[0]);
	CHECK_EQ(epoll_wait(ep, &e, 1, 10), 0);
	close(s[1]);
	close(ep);
}

#define ROUNDS 2000
static int shared = -1;
static volatile int done;

static void *talker(void *arg)
{
	while (!done)
		if (send(shared, buf, sizeof(buf), MSG_NOSIGNAL) < 0)
			sched_yield();
	return NULL;
}

static void *hearer(void *arg)
{
	char some[10000];

	while (!done)
		if (recv(shared, some, sizeof(some), 0) <= 0)
			sched_yield();
	return NULL;
}

/*
 * One thread writes, one reads, one leads the socket from connection to connection, the last does not wait for any of
 * them.
 */
static void change_under_others(void)
{
	int l = listener("127.0.0.1", 5), d;
	union addr none = {.any = {.sa_family = AF_UNSPEC}}, a;
	socklen_t len = addr4(&a, "127.0.0.1", port_of(l));
	pthread_t t[2];

	shared = CHECK_OK(socket(AF_INET, SOCK_STREAM, 0));
	CHECK_EQ(pthread_create(&t[0], NULL, talker, NULL), 0);
	CHECK_EQ(pthread_create(&t[1], NULL, hearer, NULL), 0);
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_OK(connect(shared, &a.any, len));
		d = CHECK_OK(accept(l, NULL, NULL));
		if (i % 3 == 0)
			send(d, buf, 5000, MSG_NOSIGNAL);
		if (i % 4 == 0)
			close(d);
		CHECK_OK(connect(shared, &none.any, sizeof(none.in4)));
		if (i % 4)
			close(d);
	}
	done = 1;
	shutdown(shared, SHUT_RDWR);
	CHECK_EQ(pthread_join(t[0], NULL), 0);
	CHECK_EQ(pthread_join(t[1], NULL), 0);
	close(shared);
	close(l);
}

static void *closer(void *arg)
{
	close(*(int *)arg);
	return NULL;
}

/* Listener and clients, accepted, queued and waiting, go at the same time. */
static void all_at_once(void)
{
	int l, c[6];
	union addr a;
	socklen_t len;
	pthread_t t;

	for (int i = 0; i < ROUNDS; i++) {
		l = listener("127.0.0.1", 2);
		len = addr4(&a, "127.0.0.1", port_of(l));
		for (int k = 0; k < 6; k++) {
			c[k] = CHECK_OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
			CHECK_ERR(connect(c[k], &a.any, len), EINPROGRESS);
		}
		CHECK_EQ(pthread_create(&t, NULL, closer, &l), 0);
		for (int k = 5; k >= 0; k--)
			close(c[k]);
		CHECK_EQ(pthread_join(t, NULL), 0);
	}
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	reset_in_queue("127.0.0.1");
	reset_in_queue("::1");
	for (int how = -1; how <= SHUT_RDWR; how++) {
		give_up(how);
		give_up_other(how);
	}
	larger_backlog();
	timed_connect();
	unwanted_data();
	close_under_writer(0);
	close_under_writer(1);
	low_water();
	larger_buffer();
	same_ends();
	shut_others();
	fast_open();
	urgent_signals();
	no_news();
	change_under_others();
	all_at_once();
	return 0;
}
