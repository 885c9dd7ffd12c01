/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_INET and AF_INET6 datagrams over the loopback: boundaries, truncation, connected sockets and their errors, what
 * comes with a datagram, full buffers.
 */
#include "inet.h"

#include <sys/ioctl.h>
#include <sys/time.h>
#include <linux/sockios.h>

static char buf[70000], got[70000];

static void talk(const char *ip)
{
	int a = bound(SOCK_DGRAM, ip), b = CHECK_OK(socket(strchr(ip, ':') ? AF_INET6 : AF_INET, SOCK_DGRAM, 0)), n;
	union addr to, from;
	socklen_t len = addr_of(&to, ip, port_of(a)), flen = sizeof(from);

	CHECK_EQ(events(b), POLLOUT);
	CHECK_EQ(port_of(b), 0);
	CHECK_ERR(send(b, "x", 1, 0), EDESTADDRREQ);
	CHECK_EQ(sendto(b, "hello", 5, 0, &to.any, len), 5);
	CHECK(port_of(b) != 0);
	CHECK_EQ(sendto(b, "", 0, 0, &to.any, len), 0);
	CHECK_EQ(sendto(b, "world", 5, 0, &to.any, len), 5);
	CHECK_EQ(wait_events(a, POLLIN), POLLIN | POLLOUT);
	CHECK_OK(ioctl(a, SIOCINQ, &n));
	CHECK_EQ(n, 5);
	CHECK_EQ(recv(a, got, 100, MSG_PEEK), 5);
	CHECK_EQ(recvfrom(a, got, 3, MSG_TRUNC, &from.any, &flen), 5); /* the rest is lost */
	CHECK_EQ(flen, len);
	CHECK_EQ(ntohs(from.in4.sin_port), port_of(b));
	CHECK_EQ(recv(a, got, 100, 0), 0);
	CHECK_EQ(recv(a, got, 100, 0), 5);
	CHECK_ERR(recv(a, got, 100, MSG_DONTWAIT), EAGAIN);
	CHECK_EQ(sendto(a, "back", 4, 0, &from.any, flen), 4);
	CHECK_EQ(recv(b, got, 100, 0), 4);
	CHECK_ERR(sendto(b, buf, 66000, 0, &to.any, len), EMSGSIZE);
	CHECK_EQ(sendto(b, buf, 65000, 0, &to.any, len), 65000);
	CHECK_EQ(recv(a, got, sizeof(got), 0), 65000);
	CHECK_ERR(sendto(b, bad_ptr, 10, 0, &to.any, len), EFAULT);
	CHECK_ERR(sendto(b, "x", 1, 0, &to.any, 4), EINVAL);
	CHECK_ERR(listen(a, 1), EOPNOTSUPP);
	CHECK_ERR(accept(a, NULL, NULL), EOPNOTSUPP);
	close(a);
	close(b);
}

static void connected(void)
{
	int a = bound(SOCK_DGRAM, "127.0.0.1"), b = bound(SOCK_DGRAM, "127.0.0.1"), c = bound(SOCK_DGRAM, "127.0.0.1");
	union addr to, back, none = {.any = {.sa_family = AF_UNSPEC}};
	socklen_t len = addr4(&to, "127.0.0.1", port_of(a)), blen = addr4(&back, "127.0.0.1", port_of(b));

	CHECK_OK(connect(b, &to.any, len));
	CHECK_EQ(send(b, "one", 3, 0), 3);
	CHECK_EQ(recv(a, got, 100, 0), 3);
	CHECK_EQ(sendto(c, "stranger", 8, 0, &back.any, blen), 8); /* not heard */
	CHECK_EQ(sendto(a, "friend", 6, 0, &back.any, blen), 6);
	CHECK_EQ(recv(b, got, 100, 0), 6);
	CHECK_ERR(recv(b, got, 100, MSG_DONTWAIT), EAGAIN);
	close(a);
	/* nobody there any more */
	CHECK_EQ(send(b, "two", 3, 0), 3);
	wait_events(b, POLLERR);
	CHECK_EQ(option(b, SOL_SOCKET, SO_ERROR), ECONNREFUSED);
	CHECK_EQ(send(b, "three", 5, 0), 5);
	wait_events(b, POLLERR);
	CHECK_ERR(recv(b, got, 100, 0), ECONNREFUSED);
	CHECK_EQ(send(b, "four", 4, 0), 4);
	wait_events(b, POLLERR);
	CHECK_ERR(send(b, "five", 4, 0), ECONNREFUSED);
	addr4(&to, "127.0.0.1", ntohs(to.in4.sin_port));
	CHECK_EQ(sendto(b, "named", 5, 0, &to.any, len), 5); /* the same as without its name */
	wait_events(b, POLLERR);
	CHECK_OK(connect(b, &none.any, sizeof(none.in4)));
	CHECK_EQ(option(b, SOL_SOCKET, SO_ERROR), ECONNREFUSED); /* stays until somebody asks */
	CHECK_ERR(getpeername(b, &to.any, &len), ENOTCONN);
	CHECK_ERR(send(b, "six", 3, 0), EDESTADDRREQ);
	CHECK(port_of(b) != ntohs(back.in4.sin_port)); /* the port went: it was not asked for by number */
	blen = addr4(&back, "127.0.0.1", port_of(b));
	CHECK_EQ(sendto(c, "now", 3, 0, &back.any, blen), 3);
	CHECK_EQ(recv(b, got, 100, 0), 3);
	CHECK_ERR(recv(b, bad_ptr, 1, MSG_DONTWAIT), EAGAIN);
	CHECK_ERR(shutdown(b, SHUT_RD), ENOTCONN);
	CHECK_EQ(events(b), POLLIN | POLLOUT | POLLRDHUP);
	CHECK_EQ(recv(b, got, 1, 0), 0);
	CHECK_ERR(recv(b, got, 1, MSG_DONTWAIT), EAGAIN);
	close(b);
	close(c);
}

static void families(void)
{
	int a = bound(SOCK_DGRAM, "::"), b = CHECK_OK(socket(AF_INET, SOCK_DGRAM, 0)),
	    c = bound(SOCK_DGRAM, "127.0.0.1");
	union addr to, from;
	socklen_t len = addr4(&to, "127.0.0.1", port_of(a)), flen = sizeof(from);

	CHECK_EQ(sendto(b, "four", 4, 0, &to.any, len), 4);
	CHECK_EQ(recvfrom(a, got, 100, 0, &from.any, &flen), 4);
	CHECK_EQ(from.any.sa_family, AF_INET6);
	CHECK(IN6_IS_ADDR_V4MAPPED(&from.in6.sin6_addr));
	len = addr6(&to, "::ffff:127.0.0.1", port_of(c));
	CHECK_EQ(sendto(a, "mapped", 6, 0, &to.any, len), 6);
	CHECK_EQ(recv(c, got, 100, 0), 6);
	len = addr6(&to, "::1", port_of(a));
	CHECK_ERR(sendto(b, "x", 1, 0, &to.any, len), EAFNOSUPPORT);
	CHECK_ERR(bind(c, &to.any, len), EAFNOSUPPORT);
	close(a);
	close(b);
	close(c);
}

static void control(void)
{
	char room[200];
	struct iovec iov = {got, 100};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	int a = bound(SOCK_DGRAM, "127.0.0.1"), times = 0, infos = 0, ttls = 0, ttl;
	union addr to;
	socklen_t len = addr4(&to, "127.0.0.1", port_of(a));
	struct in_pktinfo info;

	set_option(a, SOL_SOCKET, SO_TIMESTAMP, 1);
	set_option(a, IPPROTO_IP, IP_PKTINFO, 1);
	set_option(a, IPPROTO_IP, IP_RECVTTL, 1);
	CHECK_EQ(sendto(a, "self", 4, 0, &to.any, len), 4);
	CHECK_EQ(recvmsg(a, &m, 0), 4);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMP)
			times++;
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
			memcpy(&info, CMSG_DATA(c), sizeof(info));
			CHECK_EQ(info.ipi_addr.s_addr, htonl(INADDR_LOOPBACK));
			CHECK(info.ipi_ifindex > 0);
			infos++;
		}
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) {
			memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
			CHECK_EQ(ttl, 64);
			ttls++;
		}
	}
	CHECK_EQ(times, 1);
	CHECK_EQ(infos, 1);
	CHECK_EQ(ttls, 1);
	iov.iov_len = 2;
	m.msg_controllen = 4; /* too small */
	CHECK_EQ(sendto(a, "self", 4, 0, &to.any, len), 4);
	CHECK_EQ(recvmsg(a, &m, 0), 2);
	CHECK_EQ(m.msg_flags, MSG_TRUNC | MSG_CTRUNC);
	close(a);
}

/* The header of one datagram, told with it. */
static void header(void)
{
	char room[CMSG_SPACE(sizeof(int))], back[200];
	struct iovec iov = {got, 1};
	int a = bound(SOCK_DGRAM, "::1"), n = 17;
	union addr to;
	struct msghdr m = {.msg_name = &to,
			   .msg_namelen = addr6(&to, "::1", port_of(a)),
			   .msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = room,
			   .msg_controllen = sizeof(room)};
	struct cmsghdr *c = (void *)room;

	set_option(a, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	*c = (struct cmsghdr){CMSG_LEN(sizeof(n)), IPPROTO_IPV6, IPV6_HOPLIMIT};
	memcpy(CMSG_DATA(c), &n, sizeof(n));
	CHECK_EQ(sendmsg(a, &m, 0), 1);
	c->cmsg_len--;
	CHECK_ERR(sendmsg(a, &m, 0), EINVAL);
	c->cmsg_len = 3;
	CHECK_ERR(sendmsg(a, &m, 0), EINVAL);
	m.msg_control = back;
	m.msg_controllen = sizeof(back);
	CHECK_EQ(recvmsg(a, &m, 0), 1);
	c = CMSG_FIRSTHDR(&m);
	CHECK(c && c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT);
	memcpy(&n, CMSG_DATA(c), sizeof(n));
	CHECK_EQ(n, 17);
	close(a);
}

/* Nobody reads: what does not fit is lost, and the sender never waits. */
static void full(void)
{
	int a = bound(SOCK_DGRAM, "127.0.0.1"), n = 0;
	union addr to;
	socklen_t len = addr4(&to, "127.0.0.1", port_of(a));

	set_option(a, SOL_SOCKET, SO_RCVBUF, 10000);
	for (int i = 0; i < 1000; i++)
		CHECK_EQ(sendto(a, buf, 1000, 0, &to.any, len), 1000);
	while (recv(a, got, sizeof(got), MSG_DONTWAIT) == 1000)
		n++;
	CHECK_EQ(errno, EAGAIN);
	CHECK(n > 0 && n < 100);
	close(a);
}

static void many(void)
{
	struct mmsghdr m[4];
	struct iovec iov[4];
	int a = bound(SOCK_DGRAM, "127.0.0.1");
	union addr to;
	socklen_t len = addr4(&to, "127.0.0.1", port_of(a));

	memset(m, 0, sizeof(m));
	for (int i = 0; i < 4; i++) {
		iov[i] = (struct iovec){buf, (size_t)i + 1};
		m[i].msg_hdr =
			(struct msghdr){.msg_name = &to, .msg_namelen = len, .msg_iov = &iov[i], .msg_iovlen = 1};
	}
	CHECK_EQ(sendmmsg(a, m, 3, 0), 3);
	for (int i = 0; i < 4; i++) {
		iov[i] = (struct iovec){got, 100};
		m[i].msg_hdr.msg_name = NULL;
	}
	CHECK_EQ(recvmmsg(a, m, 4, MSG_WAITFORONE, NULL), 3);
	CHECK_EQ(m[0].msg_len, 1);
	CHECK_EQ(m[2].msg_len, 3);
	close(a);
}

int main(void)
{
	talk("127.0.0.1");
	talk("::1");
	connected();
	families();
	control();
	header();
	full();
	many();
	return 0;
}
