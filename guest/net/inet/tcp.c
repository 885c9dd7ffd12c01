/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: how they come and go.
 *
 * connect() makes both ends at once. The server's end waits in the listener's accept queue and may already be written
 * to. If that queue is full, the client waits among the listener's pending (TCP_SYN_SENT) until accept() makes room. A
 * connection's end knows its peer, and the states change as Linux shows them, but there is no time in them: nothing is
 * under way, so FIN_WAIT1, LAST_ACK, CLOSING and TIME_WAIT are passed at once.
 */
#include "net/inet/inet.h"

#include <gk/sysctl.h>

#define SOMAXCONN_DEFAULT 4096

spinlock_t tcp_lock;
u32 sysctl_somaxconn = SOMAXCONN_DEFAULT;

/* ---- ends of a connection ---- */

void tcp_half_put(struct tcp_half *h)
{
	if (h && refcount_dec_and_test(&h->refs)) {
		byte_ring_free(&h->ring);
		kfree(h);
	}
}

static struct tcp_half *half_new(void)
{
	struct tcp_half *h = kzalloc(sizeof(*h));

	if (h)
		refcount_set(&h->refs, 2);
	return h;
}

/* tcp_lock held. No more of this connection. */
static void done(struct inet_sock *sk)
{
	WRITE_ONCE(sk->state, TCP_CLOSE);
	WRITE_ONCE(sk->shutdown, SHUT_BOTH);
}

/* tcp_lock held. @sk learns that its connection is gone. */
static void reset(struct inet_sock *sk, s32 error)
{
	if (sk->state == TCP_CLOSE)
		return;
	WRITE_ONCE(sk->error, sk->state == TCP_CLOSE_WAIT ? EPIPE : error);
	done(sk);
	inet_wake_all(sk);
	fasync_notify(&sk->fasync, FASYNC_ERR);
}

void tcp_reset(struct inet_sock *sk)
{
	spin_lock(&tcp_lock);
	if (READ_ONCE(sk->peer->peer) == sk)
		reset(sk->peer, ECONNRESET);
	reset(sk, ECONNRESET);
	spin_unlock(&tcp_lock);
}

/* tcp_lock held. The peer of @sk sends no more. */
static void receive_fin(struct inet_sock *sk)
{
	if (sk->state != TCP_ESTABLISHED && sk->state != TCP_FIN_WAIT2)
		return;
	WRITE_ONCE(sk->fin, true);
	if (sk->state == TCP_FIN_WAIT2)
		done(sk);
	else
		WRITE_ONCE(sk->state, TCP_CLOSE_WAIT);
	__atomic_store_n(&sk->shutdown, sk->shutdown | SHUT_RECV,
			 __ATOMIC_RELEASE); /* after the data: pairs with look_at_end() */
	inet_wake_all(sk);
	fasync_notify(&sk->fasync, sk->shutdown == SHUT_BOTH ? FASYNC_HUP : FASYNC_IN);
}

/* tcp_lock held. @sk sends no more. */
static void send_fin(struct inet_sock *sk)
{
	if (sk->state == TCP_ESTABLISHED)
		WRITE_ONCE(sk->state, TCP_FIN_WAIT2);
	else if (sk->state == TCP_CLOSE_WAIT)
		done(sk);
	else
		return;
	receive_fin(sk->peer);
}

static void set_sock(struct inet_sock *sk, struct socket *s)
{
	spin_lock(&tcp_lock);
	spin_lock(&sk->lock);
	sk->sock = s;
	spin_unlock(&sk->lock);
	spin_unlock(&tcp_lock);
}

/* ---- connecting ---- */

static void free_embryo(struct inet_sock *e)
{
	if (!e)
		return;
	/* Nobody else has the halves yet. */
	if (e->rx)
		refcount_set(&e->rx->refs, 1);
	if (e->tx)
		refcount_set(&e->tx->refs, 1);
	inet_put(e);
}

/* What a client needs for the other end; all is made before any of it shows. */
static struct inet_sock *make_embryo(struct inet_sock *sk)
{
	struct inet_sock *e = inet_new(sk->family, SOCK_STREAM);

	if (!e)
		return NULL;
	e->rx = half_new();
	e->tx = half_new();
	if (!e->rx || !e->tx) {
		free_embryo(e);
		return NULL;
	}
	return e;
}

/* Who connects or is connected gets larger buffers by itself, as on Linux, unless it said what it wants. */
static void tune(struct inet_sock *sk)
{
	if (!sk->sndbuf_set)
		WRITE_ONCE(sk->sndbuf, 2626560);
	if (sk->sock)
		sk->sock->sndbuf = sk->sndbuf;
}

/* tcp_lock held. Joins @sk and its embryo, which goes to @l. */
static void establish(struct inet_sock *sk, struct inet_sock *l)
{
	struct inet_sock *e = sk->embryo;

	sk->embryo = NULL;
	e->family = l->family;
	e->uid = l->uid;
	e->v6only = l->v6only;
	e->reuseaddr = l->reuseaddr;
	e->reuseport = l->reuseport;
	e->sndbuf = l->sndbuf;
	e->sndbuf_set = l->sndbuf_set;
	e->rcvbuf = l->rcvbuf;
	memcpy(e->kept, l->kept, sizeof(e->kept));
	e->bound_port = true;
	e->local = sk->remote;
	e->remote = sk->local;
	e->phase = PHASE_CONNECTED;
	e->state = TCP_ESTABLISHED;
	e->peer = inet_get(sk);
	inet_hash(e);
	tune(e);
	tune(sk);
	spin_lock(&sk->lock);
	sk->rx = e->tx;
	sk->tx = e->rx;
	sk->peer = inet_get(e);
	spin_unlock(&sk->lock);
	smp_store_release(&sk->state, TCP_ESTABLISHED);
	list_add_tail(&e->queue_link, &l->accept_queue); /* with the reference of its birth */
	WRITE_ONCE(l->qlen, l->qlen + 1);
	wake_up_poll(&l->rd_wait, EPOLLIN | EPOLLRDNORM);
	fasync_notify(&l->fasync, FASYNC_IN);
}

/* tcp_lock held. Nobody takes the connection. */
static void refuse(struct inet_sock *sk)
{
	WRITE_ONCE(sk->error, ECONNREFUSED);
	done(sk);
}

static bool queue_full(const struct inet_sock *l)
{
	return l->qlen > l->backlog;
}

/* Looks for who listens and joins, waits or fails. */
static void start_connect(struct inet_sock *sk)
{
	struct inet_sock *l;

	spin_lock(&tcp_lock);
	sk->phase = PHASE_CONNECTING;
	sk->error = 0; /* what a former connection left */
	sk->fin = false;
	l = inet_find(SOCK_STREAM, &sk->remote, &sk->local);
	if (!l || l->state != TCP_LISTEN) {
		refuse(sk);
	} else if (queue_full(l)) {
		sk->state = TCP_SYN_SENT;
		list_add_tail(&inet_get(sk)->queue_link, &l->pending);
	} else {
		establish(sk, l);
	}
	spin_unlock(&tcp_lock);
	if (l)
		inet_put(l);
}

/* tcp_lock held. @l has room: whoever waits longest is next. The reference to be put by the caller, or NULL. */
static struct inet_sock *admit(struct inet_sock *l)
{
	struct inet_sock *sk;

	if (list_empty(&l->pending) || queue_full(l))
		return NULL;
	sk = list_first_entry(&l->pending, struct inet_sock, queue_link);
	list_del(&sk->queue_link);
	establish(sk, l);
	inet_wake_all(sk);
	fasync_notify(&sk->fasync, FASYNC_OUT);
	return sk;
}

/* @l has room: whoever it is enough for. */
static void admit_all(struct inet_sock *l)
{
	struct inet_sock *client;

	do {
		spin_lock(&tcp_lock);
		client = l->state == TCP_LISTEN ? admit(l) : NULL;
		spin_unlock(&tcp_lock);
		if (client)
			inet_put(client);
	} while (client);
}

int tcp_wait_connect(struct inet_sock *sk, ktime_t deadline)
{
	if (READ_ONCE(sk->state) != TCP_SYN_SENT)
		return 0;
	if (!deadline)
		return -EAGAIN;
	return sock_wait(&sk->wr_wait, READ_ONCE(sk->state) != TCP_SYN_SENT, deadline);
}

/*
 * bind_mutex held. A connection that failed or was given up: @sk is as new, but for the port it was bound to. Whoever
 * still waits for that connection sees from sk->attempt that it will never be.
 */
static void forget(struct inet_sock *sk)
{
	const struct endpoint none = {sk->family == AF_INET ? addr_any4 : addr_any6, 0};
	struct endpoint local = sk->local;
	struct inet_sock *peer;
	struct tcp_half *rx, *tx;

	mutex_lock(&sk->recv_mutex);
	mutex_lock(&sk->send_mutex);
	spin_lock(&sk->lock);
	peer = sk->peer;
	rx = sk->rx;
	tx = sk->tx;
	sk->peer = NULL;
	sk->rx = sk->tx = NULL;
	spin_unlock(&sk->lock);
	mutex_unlock(&sk->send_mutex);
	mutex_unlock(&sk->recv_mutex);
	free_embryo(sk->embryo);
	sk->embryo = NULL;
	sk->phase = PHASE_NONE;
	sk->attempt++;
	WRITE_ONCE(sk->shutdown, 0);
	if (!sk->bound_port)
		inet_unhash(sk);
	if (!sk->bound_port)
		local.port = 0;
	if (!sk->bound_addr)
		local.addr = none.addr;
	inet_set_ends(sk, &local, &none);
	tcp_half_put(rx);
	tcp_half_put(tx);
	if (peer)
		inet_put(peer);
}

/* bind_mutex held. The @attempt to connect has come to its end. */
static int finish_connect(struct inet_sock *sk, u32 attempt)
{
	int ret;

	if (sk->attempt == attempt) {
		if (sk->phase == PHASE_CONNECTED) /* somebody else has heard of it before */
			return 0;
		if (READ_ONCE(sk->state) != TCP_CLOSE) {
			sk->phase = PHASE_CONNECTED;
			return 0;
		}
	}
	ret = inet_take_error(sk);
	if (sk->attempt == attempt)
		forget(sk);
	return ret ? ret : -ECONNABORTED;
}

/* bind_mutex held. */
static int begin_connect(struct inet_sock *sk, const struct sockaddr_any *addr, u32 len)
{
	struct endpoint to, from = sk->local;
	int ret = inet_parse(sk, addr, len, true, &to);

	if (!ret)
		ret = inet_route(sk, &to.addr, &from.addr);
	if (ret)
		return ret;
	sk->embryo = make_embryo(sk);
	if (!sk->embryo)
		return -ENOMEM;
	if (!sk->local.port)
		ret = inet_autobind(sk, &from.addr, &to);
	else
		ret = inet_set_connection(sk, &from, &to);
	if (ret) {
		free_embryo(sk->embryo);
		sk->embryo = NULL;
		return ret;
	}
	start_connect(sk);
	return 0;
}

static void abort_children(struct inet_sock *l);

/* What leave() has left to do for left(), without the lock. */
struct leaving {
	bool listened, waited;
};

/* tcp_lock held. Away from whatever there is. */
static struct leaving leave(struct inet_sock *sk)
{
	const struct leaving l = {sk->state == TCP_LISTEN, sk->state == TCP_SYN_SENT};
	const bool connected = sk->peer && sk->state != TCP_CLOSE;

	if (connected)
		reset(sk->peer, ECONNRESET);
	if (l.waited)
		list_del(&sk->queue_link);
	if (connected || l.waited)
		WRITE_ONCE(sk->error, ECONNRESET);
	done(sk);
	return l;
}

/* bind_mutex held. */
static void left(struct inet_sock *sk, struct leaving l)
{
	if (l.listened)
		abort_children(sk);
	inet_wake_all(sk);
	forget(sk);
	if (l.waited)
		inet_put(sk);
}

/* connect() to AF_UNSPEC. bind_mutex held. */
static void disconnect(struct inet_sock *sk)
{
	struct leaving l;

	spin_lock(&tcp_lock);
	l = leave(sk);
	spin_unlock(&tcp_lock);
	left(sk, l);
}

int tcp_connect(struct socket *s, const struct sockaddr_any *addr, u32 len, bool nonblock)
{
	struct inet_sock *sk = s->sk;
	ktime_t deadline = sock_deadline(s->sndtimeo, nonblock);
	bool fresh = false;
	int ret = 0;
	u32 attempt;

	if (len < sizeof(addr->family))
		return -EINVAL;
	mutex_lock(&sk->bind_mutex);
	if (addr->family == AF_UNSPEC) {
		disconnect(sk);
		mutex_unlock(&sk->bind_mutex);
		return 0;
	}
	if (sk->phase == PHASE_CONNECTED || (sk->phase == PHASE_NONE && READ_ONCE(sk->state) != TCP_CLOSE)) {
		ret = -EISCONN;
	} else if (sk->phase == PHASE_NONE) {
		ret = begin_connect(sk, addr, len);
		fresh = true;
	}
	/*
	 * As Linux: who does not wait never hears the end from the first call, and "already" only while there is no
	 * end.
	 */
	if (!ret && nonblock && (fresh || READ_ONCE(sk->state) == TCP_SYN_SENT))
		ret = fresh ? -EINPROGRESS : -EALREADY;
	if (!ret) {
		attempt = sk->attempt;
		mutex_unlock(&sk->bind_mutex);
		ret = tcp_wait_connect(sk, deadline);
		mutex_lock(&sk->bind_mutex);
		if (ret == -EAGAIN)
			ret = fresh ? -EINPROGRESS : -EALREADY;
		else if (!ret)
			ret = finish_connect(sk, attempt);
	}
	mutex_unlock(&sk->bind_mutex);
	if (fresh && ret == -EINPROGRESS && READ_ONCE(sk->state) != TCP_SYN_SENT)
		inet_wake_all(sk);
	return ret;
}

/* ---- listening ---- */

int tcp_listen(struct socket *s, int backlog)
{
	struct inet_sock *sk = s->sk;
	const u32 most = READ_ONCE(sysctl_somaxconn);
	int ret = 0;

	mutex_lock(&sk->bind_mutex);
	if (sk->phase != PHASE_NONE || (sk->state != TCP_CLOSE && sk->state != TCP_LISTEN))
		ret = -EINVAL;
	else if (!sk->local.port)
		ret = inet_autobind(sk, &sk->local.addr, NULL);
	if (!ret && sk->state != TCP_LISTEN && !inet_may_listen(sk))
		ret = -EADDRINUSE;
	if (!ret) {
		spin_lock(&tcp_lock);
		sk->state = TCP_LISTEN;
		sk->shutdown = 0;
		sk->backlog = backlog < 0 || (u32)backlog > most ? most : (u32)backlog;
		spin_unlock(&tcp_lock);
		admit_all(sk);
	}
	mutex_unlock(&sk->bind_mutex);
	return ret;
}

/* The oldest connection, off the queue, or ERR_PTR: -EAGAIN when there is none. */
static struct inet_sock *next_connection(struct inet_sock *sk)
{
	struct inet_sock *e = ERR_PTR(-EAGAIN), *client = NULL;

	spin_lock(&tcp_lock);
	if (sk->state != TCP_LISTEN) {
		e = ERR_PTR(-EINVAL);
	} else if (!list_empty(&sk->accept_queue)) {
		e = list_first_entry(&sk->accept_queue, struct inet_sock, queue_link);
		list_del(&e->queue_link);
		WRITE_ONCE(sk->qlen, sk->qlen - 1);
		client = admit(sk);
	}
	spin_unlock(&tcp_lock);
	if (client)
		inet_put(client);
	return e;
}

static bool acceptable(const struct inet_sock *sk)
{
	return READ_ONCE(sk->qlen) || READ_ONCE(sk->state) != TCP_LISTEN;
}

int tcp_accept(struct socket *s, struct socket *child, bool nonblock)
{
	struct inet_sock *sk = s->sk, *e;
	ktime_t deadline = sock_deadline(s->rcvtimeo, nonblock);
	int ret;

	for (;;) {
		e = next_connection(sk);
		if (e != ERR_PTR(-EAGAIN) || !deadline)
			break;
		ret = sock_wait(&sk->rd_wait, acceptable(sk), deadline);
		if (ret)
			return ret;
	}
	if (IS_ERR(e))
		return (int)PTR_ERR(e);
	child->ops = s->ops;
	child->sk = e;
	child->errorp = &e->error;
	child->sndbuf = e->sndbuf;
	child->rcvbuf = e->rcvbuf;
	child->rcvlowat = s->rcvlowat;
	child->rcvtimeo = s->rcvtimeo;
	child->sndtimeo = s->sndtimeo;
	child->linger_on = s->linger_on;
	child->linger_s = s->linger_s;
	child->reuseaddr = s->reuseaddr;
	child->reuseport = s->reuseport;
	child->keepalive = s->keepalive;
	child->oobinline = s->oobinline;
	child->priority = s->priority;
	set_sock(e, child);
	return 0;
}

/* ---- the end ---- */

/* tcp_lock held. */
static void close_connected(struct inet_sock *sk, bool abort)
{
	struct inet_sock *peer = sk->peer;

	sk->dead = true;
	smp_mb(); /* pairs with send_some(): either we see the last bytes, or their sender sees that we are gone */
	/* When the connection was reset before, the peer may be in another one by now. */
	if (sk->state != TCP_CLOSE) {
		if (abort || (sk->rx && byte_ring_used(&sk->rx->ring)))
			reset(peer, ECONNRESET);
		else
			send_fin(sk);
		wake_up_all(&peer->wr_wait); /* who waits for room */
	}
	done(sk);
}

/* The reference to the peer, which @sk forgets. */
static struct inet_sock *take_peer(struct inet_sock *sk)
{
	struct inet_sock *peer;

	spin_lock(&sk->lock);
	peer = sk->peer;
	sk->peer = NULL;
	spin_unlock(&sk->lock);
	return peer;
}

/* A listener goes: what was not accepted is reset, who waits is refused. It is not TCP_LISTEN any more. */
static void abort_children(struct inet_sock *l)
{
	struct inet_sock *client, *e, *peer;

	do {
		spin_lock(&tcp_lock);
		client = list_first_entry_or_null(&l->pending, struct inet_sock, queue_link);
		e = client ? NULL : list_first_entry_or_null(&l->accept_queue, struct inet_sock, queue_link);
		if (client) {
			list_del(&client->queue_link);
			refuse(client);
			inet_wake_all(client);
		} else if (e) {
			list_del(&e->queue_link);
			WRITE_ONCE(l->qlen, l->qlen - 1);
			close_connected(e, true);
		}
		spin_unlock(&tcp_lock);
		if (client)
			inet_put(client);
		if (e) { /* an end of ours without a file */
			inet_unhash(e);
			peer = take_peer(e);
			inet_put(peer);
			inet_put(e);
		}
	} while (client || e);
}

int tcp_shutdown(struct socket *s, u32 how)
{
	struct inet_sock *sk = s->sk;
	struct leaving l;
	bool leaves;
	int ret = 0;

	mutex_lock(&sk->bind_mutex);
	spin_lock(&tcp_lock);
	leaves = sk->state == TCP_SYN_SENT || (sk->state == TCP_LISTEN && (how & SHUT_RECV));
	if (leaves) {
		l = leave(sk);
	} else if (sk->state != TCP_LISTEN) {
		if (sk->state == TCP_CLOSE)
			ret = -ENOTCONN;
		WRITE_ONCE(sk->shutdown, sk->shutdown | how);
		if (how & SHUT_SEND)
			send_fin(sk);
	}
	spin_unlock(&tcp_lock);
	if (leaves)
		left(sk, l);
	else
		inet_wake_all(sk);
	mutex_unlock(&sk->bind_mutex);
	return ret;
}

void tcp_release(struct socket *s)
{
	struct inet_sock *sk = s->sk, *peer, *held = NULL;
	bool abort = s->linger_on && !s->linger_s, listens;

	set_sock(sk, NULL);
	spin_lock(&tcp_lock);
	listens = sk->state == TCP_LISTEN;
	if (sk->state == TCP_SYN_SENT) {
		list_del(&sk->queue_link);
		held = sk;
	}
	if (sk->peer)
		close_connected(sk, abort);
	else
		done(sk);
	sk->dead = true;
	spin_unlock(&tcp_lock);
	inet_unhash(sk);
	if (listens)
		abort_children(sk);
	if (held)
		inet_put(held);
	free_embryo(sk->embryo);
	sk->embryo = NULL;
	peer = take_peer(sk);
	if (peer)
		inet_put(peer);
	inet_put(sk);
}
