/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports: two tables, one for streams and one for datagrams, of all sockets that have a port, whichever family they are
 * of.
 *
 * A port may be shared as Linux allows it: different addresses; SO_REUSEADDR on all while none listens; SO_REUSEPORT on
 * all of one user; sockets that got it by connecting, to different places.
 */
#include "net/inet/inet.h"

#include <gk/init.h>
#include <gk/sysctl.h>

#define BUCKETS 1024u

struct inet_table {
	struct list_head bucket[BUCKETS]; /* ports_lock */
};
struct inet_table tcp_table, udp_table;

static spinlock_t ports_lock;
static u32 port_low = 32768, port_high = 60999; /* ports_lock */
u32 sysctl_unprivileged_port = 1024;

static struct inet_table *table_of(u16 type)
{
	return type == SOCK_STREAM ? &tcp_table : &udp_table;
}

static struct list_head *bucket_of(u16 type, u16 port)
{
	return &table_of(type)->bucket[port % BUCKETS];
}

void inet_ports_init(void)
{
	for (u32 i = 0; i < BUCKETS; i++) {
		list_init(&tcp_table.bucket[i]);
		list_init(&udp_table.bucket[i]);
	}
}

/* Does "any" of @sk stand for addresses of IPv4 (IPv6) too? */
static bool any_covers(const struct inet_sock *sk, const union in_addr6 *any, bool v4)
{
	if (addr_is_v4(any))
		return v4;
	return !v4 || !sk->v6only;
}

static bool overlap(const struct inet_sock *a, const union in_addr6 *x, const struct inet_sock *b,
		    const union in_addr6 *y)
{
	if (addr_is_any(x) && addr_is_any(y))
		return addr_is_v4(x) == addr_is_v4(y) || (!(addr_is_v4(x) ? b : a)->v6only);
	if (addr_is_any(x))
		return any_covers(a, x, addr_is_v4(y));
	if (addr_is_any(y))
		return any_covers(b, y, addr_is_v4(x));
	return addr_equal(x, y);
}

/* ports_lock held. May @sk have @ep beside @other, which has the same port? */
static bool conflict(const struct inet_sock *sk, const union in_addr6 *addr, const struct inet_sock *other, bool listen)
{
	if (sk == other || !overlap(sk, addr, other, &other->local.addr))
		return false;
	if (sk->reuseport && other->reuseport && sk->uid == other->uid)
		return false;
	if (sk->type == SOCK_STREAM)
		return !(sk->reuseaddr && other->reuseaddr && other->state != TCP_LISTEN) ||
		       (listen && other->state == TCP_LISTEN);
	return !(sk->reuseaddr && other->reuseaddr);
}

/* ports_lock held. */
static bool port_taken(const struct inet_sock *sk, const struct endpoint *ep, bool listen)
{
	struct inet_sock *other;

	list_for_each_entry(other, bucket_of(sk->type, ep->port), port_link) {
		if (other->local.port == ep->port && conflict(sk, &ep->addr, other, listen))
			return true;
	}
	return false;
}

static bool same_end(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_equal(&a->addr, &b->addr);
}

/* ports_lock held. May the port be used for a connection to @to (NULL: is nobody there at all)? */
static bool port_free(u16 type, u16 port, const struct endpoint *to)
{
	struct inet_sock *other;

	list_for_each_entry(other, bucket_of(type, port), port_link) {
		if (other->local.port != port)
			continue;
		if (!to || other->bound_port || !other->remote.port || same_end(&other->remote, to))
			return false;
	}
	return true;
}

/* ports_lock held. A port of the range, 0 if none is free. */
static u16 find_port(u16 type, const struct endpoint *to)
{
	const u32 n = port_high - port_low + 1;
	u32 start;

	random_bytes(&start, sizeof(start));
	for (u32 i = 0; i < n; i++) {
		u16 port = (u16)(port_low + (start + i) % n);

		if (port_free(type, port, to))
			return port;
	}
	return 0;
}

/* ports_lock held. */
static void hash(struct inet_sock *sk)
{
	list_add(&sk->port_link, bucket_of(sk->type, sk->local.port));
}

int inet_bind_port(struct inet_sock *sk, const struct endpoint *ep)
{
	struct endpoint want = *ep;
	int ret = 0;

	if (want.port && want.port < READ_ONCE(sysctl_unprivileged_port) && !capable(CAP_NET_BIND_SERVICE))
		return -EACCES;
	spin_lock(&ports_lock);
	if (!want.port) {
		want.port = find_port(sk->type, NULL);
		ret = want.port ? 0 : -EADDRINUSE;
	} else if (port_taken(sk, &want, false)) {
		ret = -EADDRINUSE;
	}
	if (!ret) {
		sk->local = want;
		sk->bound_port = ep->port != 0; /* as Linux: one that was not asked for goes with the connection */
		sk->bound_addr = !addr_is_any(&want.addr);
		hash(sk);
	}
	spin_unlock(&ports_lock);
	return ret;
}

int inet_autobind(struct inet_sock *sk, const union in_addr6 *from, const struct endpoint *to)
{
	u16 port;

	spin_lock(&ports_lock);
	port = find_port(sk->type, NULL);
	if (!port && to)
		port = find_port(sk->type, to);
	if (port) {
		sk->local.addr = *from;
		sk->local.port = port;
		if (to)
			sk->remote = *to;
		hash(sk);
	}
	spin_unlock(&ports_lock);
	return port ? 0 : -EADDRNOTAVAIL;
}

bool inet_may_listen(struct inet_sock *sk)
{
	bool taken;

	spin_lock(&ports_lock);
	taken = port_taken(sk, &sk->local, true);
	spin_unlock(&ports_lock);
	return !taken;
}

void inet_set_ends(struct inet_sock *sk, const struct endpoint *local, const struct endpoint *remote)
{
	spin_lock(&ports_lock);
	if (local)
		sk->local = *local;
	if (remote)
		sk->remote = *remote;
	spin_unlock(&ports_lock);
}

int inet_set_connection(struct inet_sock *sk, const struct endpoint *local, const struct endpoint *remote)
{
	struct inet_sock *other;
	int ret = 0;

	spin_lock(&ports_lock);
	list_for_each_entry(other, bucket_of(sk->type, local->port), port_link) {
		if (other != sk && READ_ONCE(other->state) != TCP_CLOSE && same_end(&other->local, local) &&
		    same_end(&other->remote, remote))
			ret = -EADDRNOTAVAIL;
	}
	if (!ret) {
		sk->local = *local;
		sk->remote = *remote;
	}
	spin_unlock(&ports_lock);
	return ret;
}

void inet_set_port_range(u32 low, u32 high)
{
	spin_lock(&ports_lock);
	port_low = low;
	port_high = high;
	spin_unlock(&ports_lock);
}

void inet_port_range(u32 *low, u32 *high)
{
	spin_lock(&ports_lock);
	*low = port_low;
	*high = port_high;
	spin_unlock(&ports_lock);
}

void inet_hash(struct inet_sock *sk)
{
	spin_lock(&ports_lock);
	hash(sk);
	spin_unlock(&ports_lock);
}

void inet_unhash(struct inet_sock *sk)
{
	spin_lock(&ports_lock);
	list_del(&sk->port_link);
	spin_unlock(&ports_lock);
}

/* ports_lock held. How well @sk fits: 0 not at all. */
static u32 score(const struct inet_sock *sk, const struct endpoint *to, const struct endpoint *from)
{
	u32 n = 1;

	if (sk->local.port != to->port || (sk->type == SOCK_STREAM && sk->state != TCP_LISTEN))
		return 0;
	if (addr_is_any(&sk->local.addr)) {
		if (!any_covers(sk, &sk->local.addr, addr_is_v4(&to->addr)))
			return 0;
		n += addr_is_v4(&sk->local.addr) == addr_is_v4(&to->addr);
	} else {
		if (!addr_equal(&sk->local.addr, &to->addr))
			return 0;
		n += 4;
	}
	if (sk->type == SOCK_DGRAM && sk->remote.port) {
		if (!same_end(&sk->remote, from))
			return 0;
		n += 8;
	}
	return n;
}

static u32 hash_pair(const struct endpoint *a, const struct endpoint *b)
{
	u64 h = (a->addr.q[1] ^ b->addr.q[1]) * 0x9e3779b97f4a7c15ull;

	h ^= ((u64)a->port << 16 | b->port) * 0xc2b2ae3d27d4eb4full;
	return (u32)(h >> 32);
}

struct inet_sock *inet_find(u16 type, const struct endpoint *to, const struct endpoint *from)
{
	struct inet_sock *sk, *best = NULL;
	u32 most = 0, same = 0;

	spin_lock(&ports_lock);
	list_for_each_entry(sk, bucket_of(type, to->port), port_link) {
		u32 n = score(sk, to, from);

		if (n > most) {
			most = n;
			same = 1;
			best = sk;
		} else if (n && n == most && sk->reuseport && best->reuseport) {
			/* A group shares what comes: by sender, each as often as the others. */
			same++;
			if (hash_pair(to, from) % same == 0)
				best = sk;
		}
	}
	if (best)
		inet_get(best);
	spin_unlock(&ports_lock);
	return best;
}

void inet_for_each(u16 type, void (*fn)(struct inet_sock *sk, void *arg), void *arg)
{
	struct inet_sock *sk;

	spin_lock(&ports_lock);
	for (u32 i = 0; i < BUCKETS; i++) {
		list_for_each_entry(sk, &table_of(type)->bucket[i], port_link)
			fn(sk, arg);
	}
	spin_unlock(&ports_lock);
}
