/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses: from and to programs, and where they lead. The sandbox has one interface, lo, with 127.0.0.0/8 and ::1.
 */
#include "net/inet/inet.h"

#define V4(a0, a1, a2, a3)                                                                                             \
	{                                                                                                              \
		.b = { [10] = 0xff, 0xff, a0, a1, a2, a3 }                                                             \
	}

const union in_addr6 addr_any4 = V4(0, 0, 0, 0), addr_lo4 = V4(127, 0, 0, 1);
const union in_addr6 addr_any6, addr_lo6 = {.b = {[15] = 1}};

bool addr_is_local(const union in_addr6 *a)
{
	return addr_is_v4(a) ? a->b[12] == 127 : addr_equal(a, &addr_lo6);
}

bool addr_is_multicast(const union in_addr6 *a)
{
	return addr_is_v4(a) ? (a->b[12] & 0xf0) == 0xe0 : a->b[0] == 0xff;
}

int inet_route(const struct inet_sock *sk, union in_addr6 *to, union in_addr6 *from)
{
	bool v4 = addr_is_v4(to);

	if (sk->family == AF_INET6 && v4 && sk->v6only)
		return -ENETUNREACH;
	if (addr_is_any(to)) {
		/* As Linux: "any" as a destination is this machine. */
		if (sk->family == AF_INET6 && !addr_is_any(from))
			v4 = addr_is_v4(from);
		*to = v4 ? addr_lo4 : addr_lo6;
	}
	if (!addr_is_any(from) && addr_is_v4(from) != v4)
		return v4 ? -ENETUNREACH : -EINVAL;
	if (!addr_is_local(to))
		return -ENETUNREACH;
	if (addr_is_any(from))
		*from = v4 ? addr_lo4 : addr_lo6;
	return 0;
}

static int parse4(const struct inet_sock *sk, const struct sockaddr_in4 *in, u32 len, bool connect,
		  struct endpoint *out)
{
	if (len < sizeof(*in))
		return -EINVAL;
	if (in->family != AF_INET) {
		/* bind() of old programs */
		if (connect ? sk->type == SOCK_STREAM || in->family != AF_UNSPEC : in->family != AF_UNSPEC || in->addr)
			return -EAFNOSUPPORT;
	}
	out->addr = addr_any4;
	out->addr.w[3] = in->addr;
	out->port = swap16(in->port);
	return 0;
}

int inet_parse(const struct inet_sock *sk, const struct sockaddr_any *addr, u32 len, bool connect, struct endpoint *out)
{
	const struct sockaddr_in6 *in6 = (const void *)addr;

	if (len < sizeof(addr->family))
		return -EINVAL;
	if (sk->family == AF_INET)
		return parse4(sk, (const void *)addr, len, connect, out);
	if (connect && addr->family == AF_INET && sk->type == SOCK_DGRAM)
		return sk->v6only ? -ENETUNREACH : parse4(sk, (const void *)addr, len, connect, out);
	if (len < 24) /* the scope came later */
		return -EINVAL;
	if (addr->family != AF_INET6)
		return -EAFNOSUPPORT;
	memcpy(&out->addr, &in6->addr, sizeof(out->addr));
	out->port = swap16(in6->port);
	return 0;
}

u32 inet_fill(const struct inet_sock *sk, const struct endpoint *ep, struct sockaddr_any *out)
{
	struct sockaddr_in4 in4 = {AF_INET, swap16(ep->port), ep->addr.w[3], {0}};
	struct sockaddr_in6 in6 = {AF_INET6, swap16(ep->port), 0, ep->addr, 0};

	if (sk->family == AF_INET) {
		memcpy(out, &in4, sizeof(in4));
		return sizeof(in4);
	}
	memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}
