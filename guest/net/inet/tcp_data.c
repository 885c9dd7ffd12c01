/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams: sending, receiving, polling. One sender (send_mutex) and one receiver (recv_mutex) for each direction at a
 * time, with the ring of bytes between them; neither lock is held while sleeping. How much may lie in the ring follows
 * from the buffer sizes of both ends.
 */
#include "net/inet/inet.h"

#define SEND_PIECE (64u << 10) /* the reader is told after so many bytes */

/* Bytes that may lie between @from and @to in all. */
static u64 most_bytes(const struct inet_sock *from, const struct inet_sock *to)
{
	return ((u64)READ_ONCE(from->sndbuf) + READ_ONCE(to->rcvbuf)) / 2;
}

u64 tcp_room(const struct inet_sock *sk, const struct inet_sock *peer, const struct tcp_half *tx)
{
	const u64 limit = most_bytes(sk, peer), used = byte_ring_used(&tx->ring);

	return used < limit ? limit - used : 0;
}

/* As Linux: pollers hear of room when a third of it is free. */
static bool writable(const struct inet_sock *sk, const struct inet_sock *peer, const struct tcp_half *tx)
{
	return tcp_room(sk, peer, tx) * 3 >= most_bytes(sk, peer);
}

static ssize_t pipe_error(const struct inet_sock *sk, const struct sock_msg *m, ssize_t error)
{
	if (error == -EPIPE && !(m->flags & MSG_NOSIGNAL))
		send_signal_task(SIGPIPE, NULL, current);
	return error;
}

/* ---- sending ---- */

static bool send_over(const struct inet_sock *sk)
{
	return READ_ONCE(sk->error) || (READ_ONCE(sk->shutdown) & SHUT_SEND) ||
	       (READ_ONCE(sk->state) != TCP_ESTABLISHED && READ_ONCE(sk->state) != TCP_CLOSE_WAIT);
}

static void data_ready(struct inet_sock *peer)
{
	if (wait_queue_active(&peer->rd_wait))
		wake_up_poll(&peer->rd_wait, EPOLLIN | EPOLLRDNORM);
	fasync_notify(&peer->fasync, FASYNC_IN);
}

/* Says that the byte at @pos of the stream will be urgent; before it is there, so that no reader can miss it. */
static void mark_urgent(struct tcp_half *tx, u64 pos, u8 byte)
{
	smp_store_release(&tx->urg, 0);
	tx->urg_pos = pos;
	smp_store_release(&tx->urg, (u16)(URG_VALID | byte));
}

static void tell_urgent(struct inet_sock *peer)
{
	spin_lock(&tcp_lock);
	if (peer->sock && peer->sock->file)
		fown_urgent(peer->sock->file);
	spin_unlock(&tcp_lock);
	wake_up_poll(&peer->rd_wait, EPOLLPRI | EPOLLIN | EPOLLRDNORM);
	fasync_notify(&peer->fasync, FASYNC_PRI);
	fasync_notify(&peer->fasync, FASYNC_IN);
}

/*
 * Does @peer answer more data with a reset, because it is closed, or has said that it neither reads nor writes any
 * more?
 */
static bool unwanted(const struct inet_sock *peer)
{
	return READ_ONCE(peer->dead) ||
	       (READ_ONCE(peer->state) == TCP_FIN_WAIT2 && (READ_ONCE(peer->shutdown) & SHUT_RECV));
}

/* send_mutex held. Bytes, 0: no room, or -errno. @byte: the last one of MSG_OOB. */
static ssize_t send_some(struct inet_sock *sk, struct sock_msg *m, u8 byte)
{
	struct inet_sock *peer;
	struct tcp_half *tx;
	size_t size;
	ssize_t n;
	bool oob;
	u64 room;

	if (send_over(sk))
		return -EPIPE;
	/* After the state: while we slept another thread may have led this socket into another connection. */
	peer = READ_ONCE(sk->peer);
	tx = READ_ONCE(sk->tx);
	if (unwanted(peer)) {
		/* It goes out, and the answer is a reset: a long write does not come to its end. */
		n = (ssize_t)MIN(m->it.count, (size_t)SEND_PIECE);
		iter_advance(&m->it, (size_t)n);
		tcp_reset(sk);
		return n;
	}
	room = tcp_room(sk, peer, tx);
	if (!room)
		return 0;
	size = MIN(m->it.count, (size_t)SEND_PIECE);
	size = MIN(size, (size_t)room);
	oob = (m->flags & MSG_OOB) && size == m->it.count;
	if (oob)
		mark_urgent(tx, tx->ring.head + size - 1, byte);
	n = byte_ring_write(&tx->ring, &m->it, size);
	if (oob && n != (ssize_t)size)
		smp_store_release(&tx->urg, 0);
	if (n <= 0)
		return n ? n : -EFAULT;
	smp_mb(); /* pairs with close_connected() */
	if (READ_ONCE(peer->dead))
		tcp_reset(sk);
	else if (oob)
		tell_urgent(peer);
	else
		data_ready(peer);
	return n;
}

static bool may_send(struct inet_sock *sk)
{
	bool ok = true;

	spin_lock(&sk->lock);
	if (sk->peer && !send_over(sk))
		ok = unwanted(sk->peer) || tcp_room(sk, sk->peer, sk->tx);
	spin_unlock(&sk->lock);
	return ok;
}

/* send_mutex held; dropped while it sleeps. */
static int wait_room(struct inet_sock *sk, ktime_t deadline)
{
	int ret;

	WRITE_ONCE(sk->nospace, true);
	smp_mb(); /* pairs with space_freed() */
	if (may_send(sk))
		return 0;
	if (!deadline)
		return -EAGAIN;
	mutex_unlock(&sk->send_mutex);
	ret = sock_wait(&sk->wr_wait, may_send(sk), deadline);
	mutex_lock(&sk->send_mutex);
	return ret;
}

/* The last byte of @it, which is then sent as urgent. */
static int last_byte(const struct iov_iter *it, u8 *byte)
{
	struct iov_iter copy = *it;

	if (!it->count)
		return -EINVAL;
	iter_advance(&copy, it->count - 1);
	return copy_from_iter(byte, 1, &copy) == 1 ? 0 : -EFAULT;
}

static ssize_t tcp_sendmsg(struct socket *s, struct sock_msg *m)
{
	struct inet_sock *sk = s->sk;
	const bool nonblock = m->flags & MSG_DONTWAIT;
	ktime_t deadline = sock_deadline(s->sndtimeo, nonblock);
	ssize_t sent = 0, n = 0;
	u8 byte = 0;

	if ((m->flags & MSG_FASTOPEN) && m->name)
		n = tcp_connect(s, m->name, m->namelen, nonblock);
	if (!n)
		n = tcp_wait_connect(sk, deadline);
	if (!n && (m->flags & MSG_OOB) && m->it.count)
		n = last_byte(&m->it, &byte);
	if (n)
		return n;
	mutex_lock(&sk->send_mutex);
	if (!sk->tx || send_over(sk))
		n = -EPIPE;
	while (!n && m->it.count) {
		n = send_some(sk, m, byte);
		if (n > 0) {
			sent += n;
			n = 0;
		} else if (!n) {
			n = wait_room(sk, deadline);
		}
	}
	mutex_unlock(&sk->send_mutex);
	if (sent)
		return sent;
	if (n == -EPIPE) {
		n = inet_take_error(sk);
		n = n ? n : -EPIPE;
	}
	return pipe_error(sk, m, n);
}

/* ---- receiving ---- */

/* recv_mutex held. Bytes were read: does the peer want to hear of it? */
static void space_freed(struct inet_sock *sk)
{
	struct inet_sock *peer = sk->peer;

	smp_mb(); /* pairs with wait_room() and tcp_poll() */
	if (!peer || !READ_ONCE(peer->nospace) || !writable(peer, sk, sk->rx))
		return;
	WRITE_ONCE(peer->nospace, false);
	wake_up_poll(&peer->wr_wait, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
	fasync_notify(&peer->fasync, FASYNC_OUT);
}

/* How far a receive has come. */
struct recv_state {
	ssize_t done;
	u64 skip; /* MSG_PEEK: bytes already looked at */
	/* Before the bytes were counted: what was sent before the end of a stream, or its reset, comes before it. */
	u32 shutdown;
	bool failed; /* there is an error, or no connection */
};

static void look_at_end(struct inet_sock *sk, struct recv_state *r)
{
	r->shutdown = __atomic_load_n(&sk->shutdown, __ATOMIC_ACQUIRE);
	r->failed = smp_load_acquire(&sk->error) || smp_load_acquire(&sk->state) == TCP_CLOSE;
}

/*
 * recv_mutex held. How many bytes can be read in one go; the urgent byte ends a read before it, and is left out unless
 * it is to be inline (then *drop).
 */
static u64 readable(const struct socket *s, struct inet_sock *sk, const struct recv_state *r, bool *drop)
{
	struct tcp_half *rx = sk->rx;
	u64 avail, pos, urg;

	*drop = false;
	if (!rx)
		return 0;
	avail = byte_ring_used(&rx->ring);
	avail = avail > r->skip ? avail - r->skip : 0;
	if (!avail || !smp_load_acquire(&rx->urg))
		return avail;
	pos = rx->ring.tail + r->skip;
	urg = rx->urg_pos;
	if (urg < pos)
		return avail;
	if (urg > pos)
		return MIN(avail, urg - pos);
	*drop = !s->oobinline;
	return avail;
}

/* recv_mutex held. Bytes leave the stream, the urgent one perhaps among them. */
static void consume(struct inet_sock *sk, u64 n)
{
	struct tcp_half *rx = sk->rx;

	byte_ring_consume(&rx->ring, n);
	if (rx->urg && rx->ring.tail > rx->urg_pos)
		smp_store_release(&rx->urg, 0);
	space_freed(sk);
}

/* recv_mutex held. Takes @avail bytes or less: what a read gets, or -EFAULT. */
static ssize_t take(struct inet_sock *sk, struct sock_msg *m, struct recv_state *r, u64 avail)
{
	size_t n = (size_t)MIN(avail, (u64)m->it.count);
	ssize_t got = (ssize_t)n;

	if (m->flags & MSG_TRUNC) /* streams: bytes are thrown away */
		iter_advance(&m->it, n);
	else
		got = byte_ring_peek(&sk->rx->ring, &m->it, r->skip, n);
	if (got <= 0)
		return got;
	if (m->flags & MSG_PEEK) {
		r->skip += (u64)got;
	} else {
		consume(sk, (u64)got);
	}
	return (size_t)got < n ? -EFAULT : got;
}

/* recv_mutex held. Is the stream over? 1: yes; 0: no; or -errno. */
static int recv_end(struct inet_sock *sk, const struct recv_state *r, ktime_t deadline)
{
	const bool shut = r->shutdown & SHUT_RECV;
	int ret;

	if (r->done)
		return r->failed || shut || !deadline;
	if (sk->fin && shut)
		return 1;
	ret = r->failed ? inet_take_error(sk) : 0;
	if (ret)
		return ret;
	if (shut)
		return 1;
	if (r->failed && READ_ONCE(sk->state) == TCP_CLOSE)
		return -ENOTCONN;
	return deadline ? 0 : -EAGAIN;
}

static bool more_to_see(struct inet_sock *sk, u64 skip)
{
	bool more;

	spin_lock(&sk->lock);
	more = (sk->rx && byte_ring_used(&sk->rx->ring) > skip) || READ_ONCE(sk->error) ||
	       (READ_ONCE(sk->shutdown) & SHUT_RECV) || READ_ONCE(sk->state) == TCP_CLOSE;
	spin_unlock(&sk->lock);
	return more;
}

/* recv_mutex held; dropped while it sleeps. */
static int wait_data(struct inet_sock *sk, u64 skip, ktime_t deadline)
{
	int ret;

	mutex_unlock(&sk->recv_mutex);
	ret = sock_wait(&sk->rd_wait, more_to_see(sk, skip), deadline);
	mutex_lock(&sk->recv_mutex);
	return ret;
}

static ssize_t recv_bytes(struct socket *s, struct sock_msg *m)
{
	struct inet_sock *sk = s->sk;
	ktime_t deadline = sock_deadline(s->rcvtimeo, m->flags & MSG_DONTWAIT);
	ssize_t target = m->flags & MSG_WAITALL ? (ssize_t)m->it.count : (ssize_t)MIN((size_t)s->rcvlowat, m->it.count);
	struct recv_state r = {0};
	bool drop;
	int ret = 0;

	if (target == 0)
		target = 1;
	while (m->it.count) {
		u64 avail;
		ssize_t n;

		look_at_end(sk, &r);
		avail = readable(s, sk, &r, &drop);
		if (drop) {
			if (r.done)
				break;
			if (m->flags & MSG_PEEK)
				r.skip++;
			else
				consume(sk, 1);
			continue;
		}
		if (avail) {
			bool mark = avail < byte_ring_used(&sk->rx->ring) - r.skip;

			n = take(sk, m, &r, avail);
			if (n < 0) {
				ret = (int)n;
				break;
			}
			r.done += n;
			if (mark && (u64)n == avail)
				break;
			continue;
		}
		if (r.done >= target)
			break;
		ret = recv_end(sk, &r, deadline);
		if (!ret)
			ret = wait_data(sk, r.skip, deadline);
		if (ret)
			break;
	}
	return r.done || ret == 1 ? r.done : ret;
}

/* The urgent byte by itself. */
static ssize_t recv_urgent(struct socket *s, struct sock_msg *m)
{
	struct inet_sock *sk = s->sk;
	struct tcp_half *rx = sk->rx;
	u16 urg = rx ? smp_load_acquire(&rx->urg) : 0;
	u8 byte = (u8)urg;

	if (s->oobinline || !urg || urg == URG_READ)
		return -EINVAL;
	if (READ_ONCE(sk->state) == TCP_CLOSE && !sk->fin)
		return -ENOTCONN;
	m->out_flags |= MSG_OOB;
	if (!m->it.count) {
		m->out_flags |= MSG_TRUNC;
		return 0;
	}
	if (!(m->flags & MSG_TRUNC) && copy_to_iter(&byte, 1, &m->it) != 1)
		return -EFAULT;
	if (!(m->flags & MSG_PEEK))
		smp_store_release(&rx->urg, URG_READ);
	return 1;
}

static ssize_t tcp_recvmsg(struct socket *s, struct sock_msg *m)
{
	struct inet_sock *sk = s->sk;
	ssize_t ret;

	if (READ_ONCE(sk->state) == TCP_LISTEN)
		return -ENOTCONN;
	if (m->flags & MSG_ERRQUEUE)
		return -EAGAIN;
	mutex_lock(&sk->recv_mutex);
	ret = m->flags & MSG_OOB ? recv_urgent(s, m) : recv_bytes(s, m);
	mutex_unlock(&sk->recv_mutex);
	return ret;
}

/* ---- polling ---- */

/* sk->lock held. What a connected socket is ready for. */
static u32 poll_data(const struct socket *s, struct inet_sock *sk)
{
	u64 used = sk->rx ? byte_ring_used(&sk->rx->ring) : 0;
	u16 urg = sk->rx ? smp_load_acquire(&sk->rx->urg) : 0;
	u64 target = s->rcvlowat;
	u32 ready = 0;

	/* There will never be more than fits, nor even as much from who waits for room before it writes on. */
	if (sk->peer)
		target = MIN(target, most_bytes(sk->peer, sk) / 2);
	if (urg && !s->oobinline && used && sk->rx->urg_pos == sk->rx->ring.tail)
		target++;
	if (used >= target)
		ready |= EPOLLIN | EPOLLRDNORM;
	if (urg & URG_VALID)
		ready |= EPOLLPRI;
	if (!(READ_ONCE(sk->shutdown) & SHUT_SEND) && sk->peer && !writable(sk, sk->peer, sk->tx)) {
		WRITE_ONCE(sk->nospace, true);
		smp_mb(); /* pairs with space_freed() */
		if (!writable(sk, sk->peer, sk->tx))
			return ready;
	}
	return ready | EPOLLOUT | EPOLLWRNORM;
}

static u32 tcp_poll(struct socket *s, struct file *f, struct poll_table *pt)
{
	struct inet_sock *sk = s->sk;
	enum tcp_state state;
	u32 ready = 0, shut;

	poll_wait(f, &sk->rd_wait, pt);
	poll_wait(f, &sk->wr_wait, pt);
	state = smp_load_acquire(&sk->state);
	if (state == TCP_LISTEN)
		return READ_ONCE(sk->qlen) ? EPOLLIN | EPOLLRDNORM : 0;
	shut = READ_ONCE(sk->shutdown);
	if (shut == SHUT_BOTH || state == TCP_CLOSE)
		ready |= EPOLLHUP;
	if (shut & SHUT_RECV)
		ready |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
	if (state != TCP_SYN_SENT) {
		spin_lock(&sk->lock);
		ready |= poll_data(s, sk);
		spin_unlock(&sk->lock);
	}
	if (READ_ONCE(sk->error))
		ready |= EPOLLERR;
	return ready;
}

const struct sock_ops tcp_ops = {
	.bind = inet_bind,
	.connect = tcp_connect,
	.listen = tcp_listen,
	.accept = tcp_accept,
	.getname = inet_getname,
	.shutdown = tcp_shutdown,
	.sendmsg = tcp_sendmsg,
	.recvmsg = tcp_recvmsg,
	.poll = tcp_poll,
	.ioctl = inet_ioctl,
	.setsockopt = inet_setsockopt,
	.getsockopt = inet_getsockopt,
	.option_changed = inet_option_changed,
	.fasync = inet_fasync,
	.release = tcp_release,
};
