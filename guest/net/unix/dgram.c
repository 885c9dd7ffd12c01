/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_UNIX datagrams and sequenced packets: messages with boundaries.
 *
 * A datagram goes to a name or to the peer that connect() or socketpair() set. Its queue takes UNIX_DGRAM_QLEN messages
 * from strangers; two sockets that are each other's peers are limited by the sender's buffer only. A seqpacket socket
 * is connected like a stream and sends to its peer only.
 */
#include "net/unix/unix.h"

/* May @sk send to @to? Who is connected hears only its peer. */
static bool may_send(const struct unix_sock *sk, const struct unix_sock *to)
{
	return !READ_ONCE(to->peer) || READ_ONCE(to->peer) == sk;
}

static bool queue_full(const struct unix_sock *sk, const struct unix_sock *to)
{
	return to != sk && READ_ONCE(to->peer) != sk && READ_ONCE(to->qlen) > READ_ONCE(to->backlog);
}

static bool may_go_on(const struct unix_sock *sk, const struct unix_sock *to)
{
	return !queue_full(sk, to) || READ_ONCE(to->dead) || (READ_ONCE(to->shutdown) & SHUT_RECV);
}

/* The peer is gone: forget it. */
static void drop_peer(struct unix_sock *sk, struct unix_sock *gone)
{
	struct unix_sock *peer = NULL;

	spin_lock(&sk->lock);
	if (sk->peer == gone) {
		peer = gone;
		sk->peer = NULL;
	}
	spin_unlock(&sk->lock);
	if (peer)
		unix_put(peer);
}

/* One attempt to deliver: 0, -EAGAIN (full), -ECONNREFUSED, -EPIPE, -EPERM. */
static int try_deliver(struct unix_sock *sk, struct unix_sock *to, struct unix_msg *msg)
{
	int ret = 0;

	spin_lock(&to->lock);
	if (!may_send(sk, to))
		ret = -EPERM;
	else if (to->dead)
		ret = sk->type == SOCK_SEQPACKET ? -EPIPE : -ECONNREFUSED;
	else if (to->shutdown & SHUT_RECV)
		ret = -EPIPE;
	else if (queue_full(sk, to))
		ret = -EAGAIN;
	else
		unix_queue(to, msg);
	spin_unlock(&to->lock);
	return ret;
}

static int deliver(struct unix_sock *sk, struct unix_sock *to, struct unix_msg *msg, ktime_t deadline)
{
	int ret;

	for (;;) {
		ret = try_deliver(sk, to, msg);
		if (!ret) {
			if (wait_queue_active(&to->rd_wait))
				wake_up_poll(&to->rd_wait, EPOLLIN | EPOLLRDNORM);
			fasync_notify(&to->fasync, FASYNC_IN);
			return 0;
		}
		if (ret == -ECONNREFUSED)
			drop_peer(sk, to);
		if (ret != -EAGAIN || !deadline)
			return ret;
		ret = sock_wait(&to->peer_wait, may_go_on(sk, to), deadline);
		if (ret)
			return ret;
	}
}

static ssize_t send_message(struct socket *s, struct unix_sock *to, struct sock_msg *m, struct scm *scm)
{
	struct unix_sock *sk = s->sk;
	ktime_t deadline = sock_deadline(s->sndtimeo, m->flags & MSG_DONTWAIT);
	size_t len = m->it.count;
	struct unix_msg *msg;
	ssize_t ret;

	if (len > sk->sndbuf - 32)
		return -EMSGSIZE;
	msg = unix_msg_new(sk, (u32)len, deadline);
	if (IS_ERR(msg))
		return PTR_ERR(msg) == -EPIPE ? unix_pipe_error(m) : PTR_ERR(msg);
	if (copy_from_iter(msg->data, len, &m->it) != len) {
		unix_msg_free(msg);
		return -EFAULT;
	}
	if (sk->addr) {
		msg->from = sk->addr;
		refcount_inc(&msg->from->refs);
	}
	unix_attach(msg, scm);
	ret = deliver(sk, to, msg, deadline);
	if (!ret)
		return (ssize_t)len;
	unix_msg_free(msg);
	return ret == -EPIPE ? unix_pipe_error(m) : ret;
}

/* Where a datagram goes: a reference or ERR_PTR. */
static struct unix_sock *destination(struct unix_sock *sk, const struct sock_msg *m)
{
	struct unix_sock *to;
	int ret;

	if (m->namelen) {
		ret = unix_check_addr(m->name, m->namelen);
		return ret ? ERR_PTR(ret) : unix_find(m->name, m->namelen, sk->type);
	}
	to = unix_peer_get(sk);
	return to ? to : ERR_PTR(-ENOTCONN);
}

static ssize_t unix_dgram_sendmsg(struct socket *s, struct sock_msg *m)
{
	struct unix_sock *sk = s->sk, *to;
	struct scm scm;
	ssize_t ret;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (sk->passcred && !sk->addr) {
		ret = unix_autobind(sk);
		if (ret)
			return ret;
	}
	ret = scm_parse(s, m, &scm);
	if (ret)
		return ret;
	to = destination(sk, m);
	if (IS_ERR(to)) {
		ret = PTR_ERR(to);
	} else {
		ret = send_message(s, to, m, &scm);
		unix_put(to);
	}
	scm_files_free(scm.files);
	return ret;
}

static ssize_t unix_seqpacket_sendmsg(struct socket *s, struct sock_msg *m)
{
	struct unix_sock *sk = s->sk;
	int ret = unix_take_error(sk);

	if (ret)
		return ret;
	if (READ_ONCE(sk->state) != UNIX_CONNECTED)
		return -ENOTCONN;
	m->namelen = 0;
	return unix_dgram_sendmsg(s, m);
}

/* recv_mutex held. The next message: left in the queue if @peek, else off it. NULL: the end; ERR_PTR. */
static struct unix_msg *next_message(struct socket *s, bool peek, ktime_t deadline)
{
	struct unix_sock *sk = s->sk;
	struct unix_msg *m;
	int ret;

	for (;;) {
		spin_lock(&sk->lock);
		m = list_first_entry_or_null(&sk->queue, struct unix_msg, link);
		if (m && !peek)
			unix_unqueue(sk, m);
		spin_unlock(&sk->lock);
		if (m)
			return m;
		ret = unix_take_error(sk);
		if (ret)
			return ERR_PTR(ret);
		if (READ_ONCE(sk->shutdown) & SHUT_RECV) {
			if (list_empty(&sk->queue))
				return NULL;
			continue;
		}
		if (!deadline)
			return ERR_PTR(-EAGAIN);
		mutex_unlock(&sk->recv_mutex);
		ret = unix_wait_data(sk, deadline);
		mutex_lock(&sk->recv_mutex);
		if (ret)
			return ERR_PTR(ret);
	}
}

/* recv_mutex held. */
static ssize_t recv_message(struct socket *s, struct sock_msg *m, struct unix_msg *msg, bool peek)
{
	struct unix_sock *sk = s->sk;
	u32 n = (u32)MIN(m->it.count, (size_t)msg->len);
	struct scm_files *files;

	if (m->name)
		m->namelen = unix_copy_addr(msg->from, m->name);
	if (copy_to_iter(msg->data, n, &m->it) != n)
		return -EFAULT;
	if (n < msg->len)
		m->out_flags |= MSG_TRUNC;
	files = unix_detach_files(msg, peek);
	if (IS_ERR(files))
		return PTR_ERR(files);
	unix_put_control(sk, m, files, &msg->cred);
	return m->flags & MSG_TRUNC ? (ssize_t)msg->len : (ssize_t)n;
}

ssize_t unix_dgram_recvmsg(struct socket *s, struct sock_msg *m)
{
	struct unix_sock *sk = s->sk;
	bool peek = m->flags & MSG_PEEK;
	struct unix_msg *msg;
	ssize_t ret;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	mutex_lock(&sk->recv_mutex);
	msg = next_message(s, peek, sock_deadline(s->rcvtimeo, m->flags & MSG_DONTWAIT));
	if (IS_ERR_OR_NULL(msg)) {
		ret = msg ? PTR_ERR(msg) : 0;
	} else {
		ret = recv_message(s, m, msg, peek);
		if (!peek) {
			if (wait_queue_active(&sk->peer_wait))
				wake_up_poll(&sk->peer_wait, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
			unix_msg_free(msg);
		}
	}
	mutex_unlock(&sk->recv_mutex);
	return ret;
}

static ssize_t unix_seqpacket_recvmsg(struct socket *s, struct sock_msg *m)
{
	struct unix_sock *sk = s->sk;

	if (READ_ONCE(sk->state) != UNIX_CONNECTED)
		return -ENOTCONN;
	return unix_dgram_recvmsg(s, m);
}

static int unix_dgram_connect(struct socket *s, const struct sockaddr_any *addr, u32 len, bool nonblock)
{
	struct unix_sock *sk = s->sk, *to = NULL, *old, *relay;
	int ret;

	if (len < sizeof(addr->family))
		return -EINVAL;
	if (addr->family != AF_UNSPEC) {
		ret = unix_check_addr(addr, len);
		if (!ret && sk->passcred && !sk->addr)
			ret = unix_autobind(sk);
		if (ret)
			return ret;
		to = unix_find(addr, len, sk->type);
		if (IS_ERR(to))
			return (int)PTR_ERR(to);
		if (!may_send(sk, to)) {
			unix_put(to);
			return -EPERM;
		}
	}
	spin_lock(&sk->lock);
	old = sk->peer;
	sk->peer = to;
	relay = unix_relay_clear(sk);
	spin_unlock(&sk->lock);
	if (relay)
		unix_put(relay);
	if (old) {
		/* What the old peer sent is lost, and it is told so if the two talked only to each other. */
		if (old != to && !list_empty(&sk->queue)) {
			unix_purge(sk);
			if (READ_ONCE(old->peer) == sk)
				unix_set_error(old, ECONNRESET);
		}
		wake_up_all_poll(&old->peer_wait, EPOLLOUT | EPOLLWRNORM);
		unix_put(old);
	}
	return 0;
}

static int no_listen(struct socket *s, int backlog)
{
	return -EOPNOTSUPP;
}

static int no_accept(struct socket *s, struct socket *child, bool nonblock)
{
	return -EOPNOTSUPP;
}

static u32 unix_dgram_poll(struct socket *s, struct file *f, struct poll_table *pt)
{
	struct unix_sock *sk = s->sk, *peer;
	u32 ready = unix_poll_common(sk, f, pt);
	bool writable = unix_writable(sk);

	/* The peer's queue counts too, unless the two talk only to each other. */
	peer = unix_peer_get(sk);
	if (peer) {
		if (READ_ONCE(peer->peer) != sk && !READ_ONCE(sk->dead)) {
			if (pt && pt->queue)
				unix_relay_set(sk, peer);
			writable = writable && !queue_full(sk, peer);
		}
		unix_put(peer);
	}
	if (writable)
		ready |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
	return ready;
}

const struct sock_ops unix_dgram_ops = {
	.bind = unix_bind,
	.connect = unix_dgram_connect,
	.listen = no_listen,
	.accept = no_accept,
	.getname = unix_getname,
	.shutdown = unix_shutdown,
	.sendmsg = unix_dgram_sendmsg,
	.recvmsg = unix_dgram_recvmsg,
	.poll = unix_dgram_poll,
	.ioctl = unix_ioctl,
	.getsockopt = unix_getsockopt,
	.socketpair = unix_socketpair,
	.option_changed = unix_option_changed,
	.fasync = unix_fasync,
	.release = unix_release,
};

const struct sock_ops unix_seqpacket_ops = {
	.bind = unix_bind,
	.connect = unix_stream_connect,
	.listen = unix_stream_listen,
	.accept = unix_stream_accept,
	.getname = unix_getname,
	.shutdown = unix_shutdown,
	.sendmsg = unix_seqpacket_sendmsg,
	.recvmsg = unix_seqpacket_recvmsg,
	.poll = unix_dgram_poll,
	.ioctl = unix_ioctl,
	.getsockopt = unix_getsockopt,
	.socketpair = unix_socketpair,
	.option_changed = unix_option_changed,
	.fasync = unix_fasync,
	.release = unix_release,
};
