/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NETLINK_ROUTE: questions about interfaces, addresses and routes. There is one interface, lo, which cannot be changed;
 * the routes are those that Linux has in its table "local" for it. What else may be listed (neighbours, rules, queues)
 * is empty.
 */
#include "net/netlink/netlink.h"

#include <gk/cred.h>
#include <gk/socket.h>
#include <gk/string.h>

#define RTM_NEWLINK 16
#define RTM_GETLINK 18
#define RTM_NEWADDR 20
#define RTM_GETADDR 22
#define RTM_NEWROUTE 24
#define RTM_GETROUTE 26
#define RTM_MAX 123

#define LO_INDEX 1
#define LO_FLAGS 0x10049u /* UP, LOOPBACK, RUNNING, LOWER_UP */
#define ARPHRD_LOOPBACK 772
#define SCOPE_HOST 254
#define TABLE_LOCAL 255
#define TABLE_MAIN 254
#define RTM_F_CLONED 0x200
#define RTCF_LOCAL 0x80000000u
#define RTPROT_KERNEL 2
#define RTN_LOCAL 2
#define RTN_BROADCAST 3
#define SCOPE_LINK 253

enum {
	IFLA_ADDRESS = 1,
	IFLA_BROADCAST,
	IFLA_IFNAME,
	IFLA_MTU,
	IFLA_QDISC = 6,
	IFLA_STATS,
	IFLA_TXQLEN = 13,
	IFLA_OPERSTATE = 16,
	IFLA_LINKMODE,
	IFLA_STATS64 = 23,
	IFLA_GROUP = 27,
	IFLA_PROMISCUITY = 30,
	IFLA_NUM_TX_QUEUES,
	IFLA_NUM_RX_QUEUES,
	IFLA_CARRIER
};
enum { IFA_ADDRESS = 1, IFA_LOCAL, IFA_LABEL, IFA_CACHEINFO = 6, IFA_FLAGS = 8 };
enum { RTA_DST = 1, RTA_OIF = 4, RTA_PREFSRC = 7, RTA_TABLE = 15 };

struct ifinfomsg {
	u8 family, pad;
	u16 type;
	s32 index;
	u32 flags, change;
};

struct ifaddrmsg {
	u8 family, prefix, flags, scope;
	u32 index;
};

struct rtmsg {
	u8 family, dst_len, src_len, tos, table, protocol, scope, type;
	u32 flags;
};

struct attr {
	u16 len, type;
};

static const u8 zeros[192], lo4[4] = {127, 0, 0, 1}, net4[4] = {127, 0, 0, 0}, bcast4[4] = {127, 255, 255, 255};
static const u8 lo6[16] = {[15] = 1};

static void put_u32(struct nl_reply *r, u16 type, u32 v)
{
	nl_attr(r, type, &v, sizeof(v));
}

static void put_link(struct nl_reply *r, u16 flags)
{
	const struct ifinfomsg m = {0, 0, ARPHRD_LOOPBACK, LO_INDEX, LO_FLAGS, 0};
	const u8 no = 0, yes = 1;

	nl_begin(r, RTM_NEWLINK, flags, &m, sizeof(m));
	nl_attr(r, IFLA_IFNAME, "lo", 3);
	put_u32(r, IFLA_TXQLEN, 1000);
	nl_attr(r, IFLA_OPERSTATE, &no, 1);
	nl_attr(r, IFLA_LINKMODE, &no, 1);
	put_u32(r, IFLA_MTU, 65536);
	put_u32(r, IFLA_GROUP, 0);
	put_u32(r, IFLA_PROMISCUITY, 0);
	put_u32(r, IFLA_NUM_TX_QUEUES, 1);
	put_u32(r, IFLA_NUM_RX_QUEUES, 1);
	nl_attr(r, IFLA_CARRIER, &yes, 1);
	nl_attr(r, IFLA_QDISC, "noqueue", 8);
	nl_attr(r, IFLA_ADDRESS, zeros, 6);
	nl_attr(r, IFLA_BROADCAST, zeros, 6);
	nl_attr(r, IFLA_STATS64, zeros, 24 * 8);
	nl_attr(r, IFLA_STATS, zeros, 24 * 4);
}

static void put_addr(struct nl_reply *r, u16 flags, u8 family)
{
	const bool v4 = family == AF_INET;
	const struct ifaddrmsg m = {family, v4 ? 8 : 128, 0x80, SCOPE_HOST, LO_INDEX};
	const u32 forever[4] = {~0u, ~0u, 0, 0};

	nl_begin(r, RTM_NEWADDR, flags, &m, sizeof(m));
	nl_attr(r, IFA_ADDRESS, v4 ? lo4 : lo6, v4 ? 4 : 16);
	if (v4) {
		nl_attr(r, IFA_LOCAL, lo4, 4);
		nl_attr(r, IFA_LABEL, "lo", 3);
	}
	put_u32(r, IFA_FLAGS, 0x80); /* permanent */
	nl_attr(r, IFA_CACHEINFO, forever, sizeof(forever));
}

static void put_route(struct nl_reply *r, u16 flags, u8 type, const u8 *dst, u8 bits)
{
	const bool v4 = bits <= 32;
	const struct rtmsg m = {v4 ? AF_INET : AF_INET6,
				bits,
				0,
				0,
				TABLE_LOCAL,
				RTPROT_KERNEL,
				!v4		    ? 0
				: type == RTN_LOCAL ? SCOPE_HOST
						    : SCOPE_LINK,
				type,
				0};

	nl_begin(r, RTM_NEWROUTE, flags, &m, sizeof(m));
	put_u32(r, RTA_TABLE, TABLE_LOCAL);
	nl_attr(r, RTA_DST, dst, v4 ? 4 : 16);
	if (v4)
		nl_attr(r, RTA_PREFSRC, lo4, 4);
	put_u32(r, RTA_OIF, LO_INDEX);
}

/*
 * How IPv4 gets to @dst on the loopback: not an entry of a table but what came of one, hence "cloned", without a
 * protocol and a scope. Linux names the main table in any case: it holds the local one while nobody has added rules.
 */
static void put_answer4(struct nl_reply *r, const u8 *dst)
{
	const struct rtmsg m = {AF_INET, 32, 0, 0, TABLE_MAIN, 0, 0, RTN_LOCAL, RTM_F_CLONED | RTCF_LOCAL};

	nl_begin(r, RTM_NEWROUTE, 0, &m, sizeof(m));
	put_u32(r, RTA_TABLE, TABLE_MAIN);
	nl_attr(r, RTA_DST, dst, 4);
	put_u32(r, RTA_OIF, LO_INDEX);
	nl_attr(r, RTA_PREFSRC, lo4, 4);
}

static void dump(const struct nlmsghdr *h, u8 family, struct nl_reply *r)
{
	const s32 done = 0;

	if (h->type == RTM_GETLINK)
		put_link(r, NLM_F_MULTI);
	if (h->type == RTM_GETADDR && (!family || family == AF_INET))
		put_addr(r, NLM_F_MULTI, AF_INET);
	if (h->type == RTM_GETADDR && (!family || family == AF_INET6))
		put_addr(r, NLM_F_MULTI, AF_INET6);
	if (h->type == RTM_GETROUTE && (!family || family == AF_INET)) {
		put_route(r, NLM_F_MULTI, RTN_LOCAL, net4, 8);
		put_route(r, NLM_F_MULTI, RTN_LOCAL, lo4, 32);
		put_route(r, NLM_F_MULTI, RTN_BROADCAST, bcast4, 32);
	}
	if (h->type == RTM_GETROUTE && (!family || family == AF_INET6))
		put_route(r, NLM_F_MULTI, RTN_LOCAL, lo6, 128);
	nl_begin(r, NLMSG_DONE, NLM_F_MULTI, &done, sizeof(done));
}

/* The attribute @type of a request whose fixed part has @fixed bytes; NULL: not there. *size: of its data. */
static const void *find_attr(const struct nlmsghdr *h, u32 fixed, u16 type, u32 *size)
{
	u32 at = (u32)sizeof(*h) + ALIGN_UP(fixed, 4u);

	while (at <= h->len && h->len - at >= sizeof(struct attr)) {
		const struct attr *a = (const void *)((const char *)h + at);

		if (a->len < sizeof(*a) || a->len > h->len - at)
			break;
		*size = a->len - (u32)sizeof(*a);
		if ((a->type & 0x3fff) == type)
			return a + 1;
		at += ALIGN_UP((u32)a->len, 4u);
	}
	return NULL;
}

static int get_link(const struct nlmsghdr *h, struct nl_reply *r)
{
	const struct ifinfomsg *m = (const void *)(h + 1);
	const char *name;
	u32 size;

	if (h->len < sizeof(*h) + sizeof(*m))
		return -EINVAL;
	name = find_attr(h, sizeof(*m), IFLA_IFNAME, &size);
	if (m->index ? m->index != LO_INDEX : !name || size < 2 || strncmp(name, "lo", MIN(size, 3u)))
		return m->index || name ? -ENODEV : -EINVAL;
	put_link(r, 0);
	return 0;
}

static int get_route(const struct nlmsghdr *h, struct nl_reply *r)
{
	const struct rtmsg *m = (const void *)(h + 1);
	const u8 *dst;
	u32 size;

	if (h->len < sizeof(*h) + sizeof(*m))
		return -EINVAL;
	dst = find_attr(h, sizeof(*m), RTA_DST, &size);
	if (!dst)
		return -EINVAL;
	if (m->family == AF_INET && size == 4 && dst[0] == 127)
		put_answer4(r, dst);
	else if (m->family == AF_INET6 && size == 16 && !memcmp(dst, lo6, 16))
		put_route(r, 0, RTN_LOCAL, dst, 128);
	else
		return -ENETUNREACH;
	return 0;
}

int rtnl_request(const struct nlmsghdr *h, struct nl_reply *r)
{
	const u32 body = h->len - (u32)sizeof(*h);

	if (h->type > RTM_MAX)
		return -EOPNOTSUPP;
	if (!body) /* every request names a family at least */
		return 0;
	if ((h->type & 3) != 2) /* not a question */
		return capable(CAP_NET_ADMIN) ? -EOPNOTSUPP : -EPERM;
	if ((h->flags & NLM_F_DUMP) == NLM_F_DUMP ||
	    (h->flags & NLM_F_DUMP && h->type != RTM_GETLINK && h->type != RTM_GETROUTE)) {
		dump(h, *(const u8 *)(h + 1), r);
		return 0;
	}
	if (h->type == RTM_GETLINK)
		return get_link(h, r);
	if (h->type == RTM_GETROUTE)
		return get_route(h, r);
	return -EOPNOTSUPP;
}
