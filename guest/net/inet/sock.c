/* SPDX-License-Identifier: Apache-2.0 */
/* AF_INET and AF_INET6 sockets: life, names, what streams and datagrams share. */
#include "net/inet/inet.h"

#include <gk/init.h>

#define SO_SNDBUF 7
#define SO_SNDBUFFORCE 32

struct inet_sock *inet_new(u16 family, u16 type)
{
	struct inet_sock *sk = kzalloc(sizeof(*sk));

	if (!sk)
		return NULL;
	refcount_set(&sk->refs, 1);
	sk->family = family;
	sk->type = type;
	sk->uid = current->cred->euid;
	sk->local.addr = sk->remote.addr = family == AF_INET ? addr_any4 : addr_any6;
	sk->state = TCP_CLOSE;
	list_init(&sk->port_link);
	list_init(&sk->queue_link);
	list_init(&sk->accept_queue);
	list_init(&sk->pending);
	list_init(&sk->queue);
	wait_queue_init(&sk->rd_wait);
	wait_queue_init(&sk->wr_wait);
	mutex_init(&sk->bind_mutex);
	mutex_init(&sk->recv_mutex);
	mutex_init(&sk->send_mutex);
	inet_default_options(sk);
	return sk;
}

void inet_put(struct inet_sock *sk)
{
	if (!refcount_dec_and_test(&sk->refs))
		return;
	udp_purge(sk);
	tcp_half_put(sk->rx);
	tcp_half_put(sk->tx);
	kfree(sk);
}

void inet_wake_all(struct inet_sock *sk)
{
	wake_up_all(&sk->rd_wait);
	wake_up_all(&sk->wr_wait);
}

int inet_bind(struct socket *s, const struct sockaddr_any *addr, u32 len)
{
	struct inet_sock *sk = s->sk;
	struct endpoint ep;
	int ret = inet_parse(sk, addr, len, false, &ep);

	if (ret)
		return ret;
	if (sk->family == AF_INET6 && addr_is_v4(&ep.addr) && sk->v6only)
		return -EINVAL;
	if (!addr_is_any(&ep.addr) && !addr_is_local(&ep.addr) && !addr_is_multicast(&ep.addr) && !sk->freebind)
		return -EADDRNOTAVAIL;
	mutex_lock(&sk->bind_mutex);
	if (sk->local.port || READ_ONCE(sk->state) != TCP_CLOSE)
		ret = -EINVAL;
	else
		ret = inet_bind_port(sk, &ep);
	if (!ret && sk->type == SOCK_STREAM && addr_is_multicast(&ep.addr))
		sk->bound_addr = true;
	mutex_unlock(&sk->bind_mutex);
	return ret;
}

int inet_getname(struct socket *s, struct sockaddr_any *addr, enum sock_end end)
{
	struct inet_sock *sk = s->sk;

	if (end == SOCK_OWN)
		return (int)inet_fill(sk, &sk->local, addr);
	if (!sk->remote.port)
		return -ENOTCONN;
	if (end == SOCK_PEER && sk->type == SOCK_STREAM &&
	    (READ_ONCE(sk->state) == TCP_CLOSE || READ_ONCE(sk->state) == TCP_SYN_SENT))
		return -ENOTCONN;
	return (int)inet_fill(sk, &sk->remote, addr);
}

void inet_option_changed(struct socket *s, int opt)
{
	struct inet_sock *sk = s->sk;

	WRITE_ONCE(sk->sndbuf, s->sndbuf);
	WRITE_ONCE(sk->rcvbuf, s->rcvbuf);
	sk->reuseaddr = s->reuseaddr;
	sk->reuseport = s->reuseport;
	if (opt == SO_SNDBUF || opt == SO_SNDBUFFORCE) {
		sk->sndbuf_set = true;
		wake_up_all(&sk->wr_wait); /* there may be room now */
	}
}

struct fasync_list *inet_fasync(struct socket *s)
{
	struct inet_sock *sk = s->sk;

	return &sk->fasync;
}

static int pick_ops(struct socket *s)
{
	switch (s->type) {
	case SOCK_STREAM:
		s->ops = &tcp_ops;
		if (s->protocol && s->protocol != IPPROTO_TCP)
			return -EPROTONOSUPPORT;
		s->protocol = IPPROTO_TCP;
		s->sndbuf = 16384;
		s->rcvbuf = 131072;
		return 0;
	case SOCK_DGRAM:
		s->ops = &udp_ops;
		if (s->protocol && s->protocol != IPPROTO_UDP)
			return -EPROTONOSUPPORT;
		s->protocol = IPPROTO_UDP;
		return 0;
	case SOCK_RAW: /* nothing goes out that a program could form */
		return s->protocol ? -EPERM : -EPROTONOSUPPORT;
	}
	return -ESOCKTNOSUPPORT;
}

static int inet_create(struct socket *s)
{
	struct inet_sock *sk;
	int ret;

	if (s->protocol < 0 || s->protocol > 255)
		return -EINVAL;
	ret = pick_ops(s);
	if (ret)
		return ret;
	sk = inet_new(s->domain, s->type);
	if (!sk)
		return -ENOMEM;
	sk->sock = s;
	sk->sndbuf = s->sndbuf;
	sk->rcvbuf = s->rcvbuf;
	s->sk = sk;
	s->errorp = &sk->error;
	return 0;
}

static struct sock_family inet4_family = {.domain = AF_INET, .create = inet_create};
static struct sock_family inet6_family = {.domain = AF_INET6, .create = inet_create};

void inet_init(void)
{
	inet_ports_init();
	sock_register(&inet4_family);
	sock_register(&inet6_family);
	inet_proc_init();
}
