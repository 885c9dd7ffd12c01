/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of AF_INET and AF_INET6 sockets: addresses of the loopback, pairs, what poll says. */
#ifndef UMBRA_TESTS_INET_H
#define UMBRA_TESTS_INET_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "sys.h"

union addr {
	struct sockaddr any;
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
	struct sockaddr_storage room;
};

static inline socklen_t addr4(union addr *a, const char *ip, int port)
{
	memset(a, 0, sizeof(*a));
	a->in4.sin_family = AF_INET;
	a->in4.sin_port = htons((uint16_t)port);
	CHECK_EQ(inet_pton(AF_INET, ip, &a->in4.sin_addr), 1);
	return sizeof(a->in4);
}

static inline socklen_t addr6(union addr *a, const char *ip, int port)
{
	memset(a, 0, sizeof(*a));
	a->in6.sin6_family = AF_INET6;
	a->in6.sin6_port = htons((uint16_t)port);
	CHECK_EQ(inet_pton(AF_INET6, ip, &a->in6.sin6_addr), 1);
	return sizeof(a->in6);
}

static inline socklen_t addr_of(union addr *a, const char *ip, int port)
{
	return strchr(ip, ':') ? addr6(a, ip, port) : addr4(a, ip, port);
}

static inline int port_of(int fd)
{
	union addr a;
	socklen_t len = sizeof(a);

	CHECK_OK(getsockname(fd, &a.any, &len));
	return ntohs(a.any.sa_family == AF_INET ? a.in4.sin_port : a.in6.sin6_port);
}

/* A socket of @type bound to a free port of @ip. */
static inline int bound(int type, const char *ip)
{
	union addr a;
	socklen_t len = addr_of(&a, ip, 0);
	int fd = CHECK_OK(socket(a.any.sa_family, type, 0));

	CHECK_OK(bind(fd, &a.any, len));
	return fd;
}

static inline int listener(const char *ip, int backlog)
{
	int fd = bound(SOCK_STREAM, ip);

	CHECK_OK(listen(fd, backlog));
	return fd;
}

static inline int connect_to(const char *ip, int port)
{
	union addr a;
	socklen_t len = addr_of(&a, ip, port);
	int fd = CHECK_OK(socket(a.any.sa_family, SOCK_STREAM, 0));

	CHECK_OK(connect(fd, &a.any, len));
	return fd;
}

/* Two ends of a stream over @ip. */
static inline void tcp_pair(const char *ip, int s[2])
{
	int l = listener(ip, 5);

	s[0] = connect_to(ip, port_of(l));
	s[1] = CHECK_OK(accept(l, NULL, NULL));
	close(l);
}

static inline int option(int fd, int level, int opt)
{
	int n = 0;
	socklen_t len = sizeof(n);

	CHECK_OK(getsockopt(fd, level, opt, &n, &len));
	return n;
}

static inline void set_option(int fd, int level, int opt, int n)
{
	CHECK_OK(setsockopt(fd, level, opt, &n, sizeof(n)));
}

/* What poll says within @ms; all there is to ask for. */
static inline int events_within(int fd, int ms)
{
	struct pollfd p = {fd, POLLIN | POLLOUT | POLLPRI | POLLRDHUP, 0};

	CHECK_OK(poll(&p, 1, ms));
	return p.revents;
}

static inline int events(int fd)
{
	return events_within(fd, 0);
}

/* Waits until poll says all of @want; returns all it says. */
static inline int wait_events(int fd, int want)
{
	struct pollfd p = {fd, (short)want, 0};

	do {
		p.revents = 0;
		CHECK(poll(&p, 1, 10000) == 1);
	} while ((p.revents & want) != want);
	return events(fd);
}

#endif
