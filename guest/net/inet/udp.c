/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagrams. A send goes straight into the queue of the socket that hears the address; if that is full it is lost, as
 * datagrams are. If nobody hears, a connected sender learns so with its next call (ECONNREFUSED).
 */
#include "net/inet/inet.h"

#include <gk/time.h>

#define UDP_MAX 65507u
#define UDP6_MAX 65527u
#define OVERHEAD 768u /* what a small datagram costs the receiver's buffer */
#define SO_TIMESTAMP 29
#define SO_TIMESTAMPNS 35
#define IP_TOS 1
#define IP_TTL 2
#define IP_PKTINFO 8
#define IP_RECVTTL 12
#define IP_RECVTOS 13
#define IPV6_UNICAST_HOPS 16
#define IPV6_RECVPKTINFO 49
#define IPV6_PKTINFO 50
#define IPV6_RECVHOPLIMIT 51
#define IPV6_HOPLIMIT 52
#define IPV6_RECVTCLASS 66
#define IPV6_TCLASS 67

struct dgram {
	struct list_head link;
	struct endpoint from;
	union in_addr6 to;
	ktime_t when; /* of day */
	s32 ttl, tos;
	u32 len, charge;
	char data[];
};

struct in_pktinfo4 {
	s32 ifindex;
	u32 spec_dst, addr;
};

struct in_pktinfo6 {
	union in_addr6 addr;
	s32 ifindex;
} __packed;

/* lock held. */
static struct dgram *pop(struct inet_sock *sk)
{
	struct dgram *d = list_first_entry_or_null(&sk->queue, struct dgram, link);

	if (d) {
		list_del(&d->link);
		sk->rmem -= d->charge;
	}
	return d;
}

void udp_purge(struct inet_sock *sk)
{
	struct dgram *d;

	do {
		spin_lock(&sk->lock);
		d = pop(sk);
		spin_unlock(&sk->lock);
		kfree(d);
	} while (d);
}

u32 udp_next_len(struct inet_sock *sk)
{
	struct dgram *d;
	u32 n;

	spin_lock(&sk->lock);
	d = list_first_entry_or_null(&sk->queue, struct dgram, link);
	n = d ? d->len : 0;
	spin_unlock(&sk->lock);
	return n;
}

/* ---- sending ---- */

/* Where a message goes, and from where. 0 or -errno. bind_mutex held. */
static int destination(struct inet_sock *sk, const struct sock_msg *m, struct endpoint *to, struct endpoint *from)
{
	int ret;

	if (!sk->local.port && inet_autobind(sk, &sk->local.addr, NULL))
		return -EAGAIN;
	*from = sk->local;
	if (m->namelen) {
		if (m->namelen >= sizeof(m->name->family) && m->name->family == AF_UNSPEC && sk->family == AF_INET6)
			return -EINVAL;
		ret = inet_parse(sk, m->name, m->namelen, true, to);
		if (ret)
			return ret;
		if (!to->port)
			return -EINVAL;
	} else {
		if (!sk->remote.port)
			return -EDESTADDRREQ;
		*to = sk->remote;
	}
	return inet_route(sk, &to->addr, &from->addr);
}

/* Gives @d to @to; false if its buffer is full or it hears no more. */
static bool deliver(struct inet_sock *to, struct dgram *d)
{
	bool ok;

	spin_lock(&to->lock);
	ok = !to->dead && (!to->rmem || to->rmem + d->charge <= READ_ONCE(to->rcvbuf));
	if (ok) {
		list_add_tail(&d->link, &to->queue);
		to->rmem += d->charge;
	} else {
		to->drops++;
	}
	spin_unlock(&to->lock);
	if (!ok)
		return false;
	if (wait_queue_active(&to->rd_wait))
		wake_up_poll(&to->rd_wait, EPOLLIN | EPOLLRDNORM);
	fasync_notify(&to->fasync, FASYNC_IN);
	return true;
}

static struct dgram *read_message(struct inet_sock *sk, struct sock_msg *m, u32 len)
{
	struct dgram *d = kmalloc(sizeof(*d) + len);

	if (!d)
		return ERR_PTR(-ENOBUFS);
	d->len = len;
	d->charge = len + OVERHEAD;
	d->when = ktime_real();
	if (copy_from_iter(d->data, len, &m->it) != len) {
		kfree(d);
		return ERR_PTR(-EFAULT);
	}
	return d;
}

/* A control message of a send: what this one datagram is to say in its header. */
static int header_option(void *arg, int level, int type, const void *data, u32 len)
{
	struct dgram *d = arg;
	const bool v4 = level == IPPROTO_IP;
	s32 n;

	if (level == SOL_SOCKET)
		return type == SCM_RIGHTS || type == SCM_CREDENTIALS ? 0 : -EINVAL;
	if (level != IPPROTO_IP && level != IPPROTO_IPV6)
		return 0;
	if (v4 ? type == IP_PKTINFO : type == IPV6_PKTINFO)
		return len < (v4 ? sizeof(struct in_pktinfo4) : sizeof(struct in_pktinfo6)) ? -EINVAL : 0;
	if (v4 && type == IP_TOS && len == 1) {
		d->tos = *(const u8 *)data;
		return 0;
	}
	if (len != sizeof(n))
		return -EINVAL;
	memcpy(&n, data, sizeof(n));
	if (n < (v4 ? type == IP_TTL : -1) || n > 255)
		return -EINVAL;
	if (v4 ? type == IP_TTL : type == IPV6_HOPLIMIT)
		d->ttl = n < 0 ? d->ttl : n;
	else if (v4 ? type == IP_TOS : type == IPV6_TCLASS)
		d->tos = n < 0 ? 0 : n;
	else
		return -EINVAL;
	return 0;
}

static ssize_t udp_sendmsg(struct socket *s, struct sock_msg *m)
{
	struct inet_sock *sk = s->sk, *hears;
	struct endpoint to, from;
	size_t len = m->it.count;
	struct dgram *d;
	ssize_t ret = inet_take_error(sk);

	if (ret)
		return ret;
	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (sk->shutdown & SHUT_SEND)
		ret = -EPIPE;
	mutex_lock(&sk->bind_mutex);
	if (!ret)
		ret = destination(sk, m, &to, &from);
	mutex_unlock(&sk->bind_mutex);
	if (ret == -EPIPE && !(m->flags & MSG_NOSIGNAL))
		send_signal_task(SIGPIPE, NULL, current);
	if (ret)
		return ret;
	if (len > (addr_is_v4(&to.addr) ? UDP_MAX : UDP6_MAX))
		return -EMSGSIZE;
	d = read_message(sk, m, (u32)len);
	if (IS_ERR(d))
		return PTR_ERR(d);
	d->from = from;
	d->to = to.addr;
	d->ttl = addr_is_v4(&to.addr) ? inet_kept(sk, IPPROTO_IP, IP_TTL)
				      : inet_kept(sk, IPPROTO_IPV6, IPV6_UNICAST_HOPS);
	d->tos = addr_is_v4(&to.addr) ? inet_kept(sk, IPPROTO_IP, IP_TOS) : inet_kept(sk, IPPROTO_IPV6, IPV6_TCLASS);
	ret = scm_walk(m, header_option, d);
	if (ret) {
		kfree(d);
		return ret;
	}
	hears = inet_find(SOCK_DGRAM, &to, &from);
	if (!hears && sk->remote.port == to.port && addr_equal(&sk->remote.addr, &to.addr)) {
		WRITE_ONCE(sk->error, ECONNREFUSED);
		inet_wake_all(sk);
	}
	if (!hears || !deliver(hears, d))
		kfree(d);
	if (hears)
		inet_put(hears);
	return (ssize_t)len;
}

/* ---- receiving ---- */

static bool readable(const struct inet_sock *sk)
{
	return !list_empty(&sk->queue) || READ_ONCE(sk->error) || (READ_ONCE(sk->shutdown) & SHUT_RECV);
}

/* recv_mutex held. The next one: left in the queue if @peek. NULL: the end; ERR_PTR. */
static struct dgram *next_dgram(struct socket *s, bool peek, ktime_t deadline)
{
	struct inet_sock *sk = s->sk;
	struct dgram *d;
	int ret;

	for (;;) {
		ret = inet_take_error(sk);
		if (ret)
			return ERR_PTR(ret);
		spin_lock(&sk->lock);
		d = peek ? list_first_entry_or_null(&sk->queue, struct dgram, link) : pop(sk);
		spin_unlock(&sk->lock);
		if (d)
			return d;
		if (!deadline)
			return ERR_PTR(-EAGAIN);
		if (READ_ONCE(sk->shutdown) & SHUT_RECV)
			return NULL;
		mutex_unlock(&sk->recv_mutex);
		ret = sock_wait(&sk->rd_wait, readable(sk), deadline);
		mutex_lock(&sk->recv_mutex);
		if (ret)
			return ERR_PTR(ret);
	}
}

static void put_time(const struct socket *s, struct sock_msg *m, ktime_t when)
{
	const struct timespec64 ts = ns_to_timespec64(when);
	const s64 tv[2] = {ts.tv_sec, ts.tv_nsec / 1000};

	if (s->timestampns)
		scm_put(m, SOL_SOCKET, SO_TIMESTAMPNS, &ts, sizeof(ts));
	else if (s->timestamp)
		scm_put(m, SOL_SOCKET, SO_TIMESTAMP, tv, sizeof(tv));
}

/* What the program asked to know of a datagram. */
static void put_control(const struct socket *s, struct sock_msg *m, const struct dgram *d)
{
	const struct inet_sock *sk = s->sk;
	const struct in_pktinfo4 info4 = {LO_IFINDEX, d->to.w[3], d->to.w[3]};
	const struct in_pktinfo6 info6 = {d->to, LO_IFINDEX};
	const u8 tos = (u8)d->tos;

	put_time(s, m, d->when);
	if (sk->family == AF_INET6) {
		if (inet_kept(sk, IPPROTO_IPV6, IPV6_RECVPKTINFO))
			scm_put(m, IPPROTO_IPV6, IPV6_PKTINFO, &info6, sizeof(info6));
		if (inet_kept(sk, IPPROTO_IPV6, IPV6_RECVHOPLIMIT))
			scm_put(m, IPPROTO_IPV6, IPV6_HOPLIMIT, &d->ttl, sizeof(d->ttl));
		if (inet_kept(sk, IPPROTO_IPV6, IPV6_RECVTCLASS))
			scm_put(m, IPPROTO_IPV6, IPV6_TCLASS, &d->tos, sizeof(d->tos));
	}
	if (!addr_is_v4(&d->to))
		return;
	if (inet_kept(sk, IPPROTO_IP, IP_PKTINFO))
		scm_put(m, IPPROTO_IP, IP_PKTINFO, &info4, sizeof(info4));
	if (inet_kept(sk, IPPROTO_IP, IP_RECVTTL))
		scm_put(m, IPPROTO_IP, IP_TTL, &d->ttl, sizeof(d->ttl));
	if (inet_kept(sk, IPPROTO_IP, IP_RECVTOS))
		scm_put(m, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
}

static ssize_t give(struct socket *s, struct sock_msg *m, const struct dgram *d)
{
	struct inet_sock *sk = s->sk;
	u32 n = (u32)MIN(m->it.count, (size_t)d->len);

	if (copy_to_iter(d->data, n, &m->it) != n)
		return -EFAULT;
	if (n < d->len)
		m->out_flags |= MSG_TRUNC;
	if (m->name)
		m->namelen = inet_fill(sk, &d->from, m->name);
	put_control(s, m, d);
	return m->flags & MSG_TRUNC ? (ssize_t)d->len : (ssize_t)n;
}

static ssize_t udp_recvmsg(struct socket *s, struct sock_msg *m)
{
	struct inet_sock *sk = s->sk;
	bool peek = m->flags & MSG_PEEK;
	struct dgram *d;
	ssize_t ret;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (m->flags & MSG_ERRQUEUE)
		return -EAGAIN;
	mutex_lock(&sk->recv_mutex);
	d = next_dgram(s, peek, sock_deadline(s->rcvtimeo, m->flags & MSG_DONTWAIT));
	if (IS_ERR_OR_NULL(d)) {
		ret = d ? PTR_ERR(d) : 0;
	} else {
		ret = give(s, m, d);
		if (!peek)
			kfree(d);
	}
	mutex_unlock(&sk->recv_mutex);
	return ret;
}

/* ---- names and ends ---- */

/* bind_mutex held. */
static void disconnect(struct inet_sock *sk)
{
	const struct endpoint none = {sk->family == AF_INET ? addr_any4 : addr_any6, 0};
	struct endpoint local = sk->local;

	if (!sk->bound_addr)
		local.addr = none.addr;
	if (!sk->bound_port) {
		inet_unhash(sk);
		local.port = 0;
	}
	inet_set_ends(sk, &local, &none);
}

static int udp_connect(struct socket *s, const struct sockaddr_any *addr, u32 len, bool nonblock)
{
	struct inet_sock *sk = s->sk;
	struct endpoint to, from;
	int ret = 0;

	if (len < sizeof(addr->family))
		return -EINVAL;
	mutex_lock(&sk->bind_mutex);
	if (addr->family == AF_UNSPEC) {
		disconnect(sk);
	} else {
		from = sk->local;
		if (!sk->bound_addr)
			from.addr = sk->family == AF_INET ? addr_any4 : addr_any6;
		ret = inet_parse(sk, addr, len, true, &to);
		if (!ret)
			ret = inet_route(sk, &to.addr, &from.addr);
		if (!ret && !sk->local.port) {
			ret = inet_autobind(sk, &from.addr, NULL) ? -EAGAIN : 0;
			from.port = sk->local.port;
		}
		if (!ret)
			inet_set_ends(sk, &from, &to);
	}
	mutex_unlock(&sk->bind_mutex);
	return ret;
}

static int udp_shutdown(struct socket *s, u32 how)
{
	struct inet_sock *sk = s->sk;

	atomic_or(&sk->shutdown, how);
	inet_wake_all(sk);
	return sk->remote.port ? 0 : -ENOTCONN;
}

static u32 udp_poll(struct socket *s, struct file *f, struct poll_table *pt)
{
	struct inet_sock *sk = s->sk;
	u32 ready = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND, shut;

	poll_wait(f, &sk->rd_wait, pt);
	poll_wait(f, &sk->wr_wait, pt);
	shut = READ_ONCE(sk->shutdown);
	if (READ_ONCE(sk->error))
		ready |= EPOLLERR;
	if (shut & SHUT_RECV)
		ready |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
	if (shut == SHUT_BOTH)
		ready |= EPOLLHUP;
	if (!list_empty(&sk->queue))
		ready |= EPOLLIN | EPOLLRDNORM;
	return ready;
}

static int no_listen(struct socket *s, int backlog)
{
	return -EOPNOTSUPP;
}

static int no_accept(struct socket *s, struct socket *child, bool nonblock)
{
	return -EOPNOTSUPP;
}

static void udp_release(struct socket *s)
{
	struct inet_sock *sk = s->sk;

	inet_unhash(sk);
	spin_lock(&sk->lock);
	sk->dead = true;
	sk->sock = NULL;
	spin_unlock(&sk->lock);
	udp_purge(sk);
	inet_put(sk);
}

const struct sock_ops udp_ops = {
	.bind = inet_bind,
	.connect = udp_connect,
	.listen = no_listen,
	.accept = no_accept,
	.getname = inet_getname,
	.shutdown = udp_shutdown,
	.sendmsg = udp_sendmsg,
	.recvmsg = udp_recvmsg,
	.poll = udp_poll,
	.ioctl = inet_ioctl,
	.setsockopt = inet_setsockopt,
	.getsockopt = inet_getsockopt,
	.option_changed = inet_option_changed,
	.fasync = inet_fasync,
	.release = udp_release,
};
