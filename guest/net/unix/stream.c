/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_UNIX streams: connecting, accepting, sending and receiving bytes. Connecting and accepting serve seqpacket sockets
 * too.
 *
 * connect() makes both ends at once: the server's, an embryo, goes into the listener's queue and may already be written
 * to; accept() only gives it a file. A send becomes one or more messages in the peer's queue. A receive joins messages
 * until it is full, but never over a change of the sender's credentials (if those are wanted) or behind descriptors.
 */
#include "net/unix/unix.h"

#define STREAM_MAX 32768u /* bytes in one message */

int unix_stream_listen(struct socket *s, int backlog)
{
	struct unix_sock *sk = s->sk;
	int ret = 0;

	if (!smp_load_acquire(&sk->addr))
		return -EINVAL;
	spin_lock(&sk->lock);
	if (sk->state == UNIX_CONNECTED) {
		ret = -EINVAL;
	} else {
		sk->state = UNIX_LISTEN;
		sk->backlog = backlog < 0 ? 0 : (u32)backlog;
	}
	spin_unlock(&sk->lock);
	if (!ret) {
		unix_set_peer_cred(sk); /* what those who connect will see */
		wake_up_all_poll(&sk->peer_wait, EPOLLOUT);
	}
	return ret;
}

static bool backlog_full(const struct unix_sock *sk)
{
	return READ_ONCE(sk->qlen) > READ_ONCE(sk->backlog);
}

static bool may_connect(const struct unix_sock *other)
{
	return !backlog_full(other) || READ_ONCE(other->dead) || READ_ONCE(other->state) != UNIX_LISTEN ||
	       (READ_ONCE(other->shutdown) & SHUT_RECV);
}

/* Both locks held: joins @sk and the embryo @child of @other. */
static void join(struct unix_sock *sk, struct unix_sock *child, struct unix_sock *other, struct unix_msg *m)
{
	child->peer = unix_get(sk);
	child->state = UNIX_CONNECTED;
	child->passcred = other->passcred;
	child->addr = other->addr;
	refcount_inc(&child->addr->refs);
	sk->peer = unix_get(child);
	sk->state = UNIX_CONNECTED;
	unix_copy_peer_cred(sk, other);
	m->embryo = child;
	unix_queue(other, m);
}

/* One attempt: 0, -EAGAIN (the queue is full), or why not. Consumes @child and @m on success. */
static int try_connect(struct unix_sock *sk, struct unix_sock *other, struct unix_sock *child, struct unix_msg *m)
{
	int ret = 0;

	spin_lock_two(&sk->lock, &other->lock);
	if (other->dead || other->state != UNIX_LISTEN || (other->shutdown & SHUT_RECV))
		ret = -ECONNREFUSED;
	else if (sk->state == UNIX_CONNECTED)
		ret = -EISCONN;
	else if (sk->state != UNIX_CLOSE)
		ret = -EINVAL;
	else if (backlog_full(other))
		ret = -EAGAIN;
	else
		join(sk, child, other, m);
	spin_unlock_two(&sk->lock, &other->lock);
	return ret;
}

static int connect_to(struct unix_sock *sk, struct unix_sock *other, ktime_t deadline)
{
	struct unix_sock *child = unix_new(sk->type);
	struct unix_msg *m = kzalloc(sizeof(*m));
	int ret = child && m ? 0 : -ENOMEM;

	if (!ret)
		unix_set_peer_cred(child);
	while (!ret) {
		ret = sk == other ? -ECONNREFUSED : try_connect(sk, other, child, m);
		if (!ret) {
			wake_up_poll(&other->rd_wait, EPOLLIN | EPOLLRDNORM);
			fasync_notify(&other->fasync, FASYNC_IN);
			return 0;
		}
		if (ret != -EAGAIN || !deadline)
			break;
		ret = sock_wait(&other->peer_wait, may_connect(other), deadline);
	}
	if (child)
		unix_put(child);
	kfree(m);
	return ret;
}

int unix_stream_connect(struct socket *s, const struct sockaddr_any *addr, u32 len, bool nonblock)
{
	struct unix_sock *sk = s->sk, *other;
	int ret = unix_check_addr(addr, len);

	if (ret)
		return ret;
	if (sk->passcred && !sk->addr) {
		ret = unix_autobind(sk);
		if (ret)
			return ret;
	}
	other = unix_find(addr, len, sk->type);
	if (IS_ERR(other))
		return (int)PTR_ERR(other);
	ret = connect_to(sk, other, sock_deadline(s->sndtimeo, nonblock));
	unix_put(other);
	return ret;
}

/* The oldest embryo's message, off the queue; or ERR_PTR. */
static struct unix_msg *next_connection(struct socket *s, bool nonblock)
{
	struct unix_sock *sk = s->sk;
	ktime_t deadline = sock_deadline(s->rcvtimeo, nonblock);
	struct unix_msg *m;
	int ret;

	for (;;) {
		spin_lock(&sk->lock);
		m = sk->state != UNIX_LISTEN ? ERR_PTR(-EINVAL)
					     : list_first_entry_or_null(&sk->queue, struct unix_msg, link);
		if (m && !IS_ERR(m))
			unix_unqueue(sk, m);
		else if (!m && (sk->shutdown & SHUT_RECV))
			m = ERR_PTR(-EINVAL);
		spin_unlock(&sk->lock);
		if (m)
			return m;
		ret = unix_wait_data(sk, deadline);
		if (ret)
			return ERR_PTR(ret);
	}
}

int unix_stream_accept(struct socket *s, struct socket *child, bool nonblock)
{
	struct unix_sock *sk = s->sk, *c;
	struct unix_msg *m;

	m = next_connection(s, nonblock);
	if (IS_ERR(m))
		return (int)PTR_ERR(m);
	wake_up_poll(&sk->peer_wait, EPOLLOUT);
	c = m->embryo;
	m->embryo = NULL;
	unix_msg_free(m);
	child->ops = s->ops;
	child->sk = c;
	child->errorp = &c->error;
	child->passcred = c->passcred;
	spin_lock(&c->lock);
	c->sock = child;
	spin_unlock(&c->lock);
	return 0;
}

/* ---- sending ---- */

/* Puts @m into the peer's queue; -EPIPE if it takes no more. */
static int deliver(struct unix_sock *peer, struct unix_msg *m)
{
	spin_lock(&peer->lock);
	if (peer->dead || (peer->shutdown & SHUT_RECV)) {
		spin_unlock(&peer->lock);
		return -EPIPE;
	}
	unix_queue(peer, m);
	spin_unlock(&peer->lock);
	if (wait_queue_active(&peer->rd_wait))
		wake_up_poll(&peer->rd_wait, EPOLLIN | EPOLLRDNORM);
	fasync_notify(&peer->fasync, FASYNC_IN);
	return 0;
}

/* Sends some of m->it: bytes or -errno. */
static ssize_t send_some(struct unix_sock *sk, struct unix_sock *peer, struct sock_msg *m, struct scm *scm,
			 ktime_t deadline)
{
	u32 most = MIN(STREAM_MAX, sk->sndbuf / 2);
	u32 size = (u32)MIN(m->it.count, (size_t)most);
	struct unix_msg *msg = unix_msg_new(sk, size, deadline);
	int ret;

	if (IS_ERR(msg))
		return PTR_ERR(msg);
	ret = copy_from_iter(msg->data, size, &m->it) == size ? 0 : -EFAULT;
	if (!ret) {
		unix_attach(msg, scm);
		ret = deliver(peer, msg);
	}
	if (ret) {
		unix_msg_free(msg);
		return ret;
	}
	return size;
}

static ssize_t send_all(struct socket *s, struct unix_sock *peer, struct sock_msg *m, struct scm *scm)
{
	struct unix_sock *sk = s->sk;
	ktime_t deadline = sock_deadline(s->sndtimeo, m->flags & MSG_DONTWAIT);
	ssize_t done = 0, n = 0;

	if (READ_ONCE(sk->shutdown) & SHUT_SEND)
		n = -EPIPE;
	while (!n && m->it.count) {
		n = send_some(sk, peer, m, scm, deadline);
		if (n <= 0)
			break;
		done += n;
		n = 0;
	}
	if (done)
		return done;
	return n == -EPIPE ? unix_pipe_error(m) : n;
}

static ssize_t unix_stream_sendmsg(struct socket *s, struct sock_msg *m)
{
	struct unix_sock *sk = s->sk, *peer;
	struct scm scm;
	ssize_t ret;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	ret = scm_parse(s, m, &scm);
	if (ret)
		return ret;
	peer = unix_peer_get(sk);
	if (m->namelen)
		ret = sk->state == UNIX_CONNECTED ? -EISCONN : -EOPNOTSUPP;
	else if (!peer)
		ret = -ENOTCONN;
	else
		ret = send_all(s, peer, m, &scm);
	if (peer)
		unix_put(peer);
	scm_files_free(scm.files);
	return ret;
}

/* ---- receiving ---- */

/* How far a receive has come. */
struct recv_state {
	ssize_t done;
	bool started;
	struct ucred cred; /* of the first message */
	struct scm_files *files;
	u32 peek_skip; /* MSG_PEEK: bytes of the queue already looked at */
};

static bool same_cred(const struct ucred *a, const struct ucred *b)
{
	return a->pid == b->pid && a->uid == b->uid && a->gid == b->gid;
}

/* recv_mutex held. The message that holds the next byte to give; *off its start there. NULL: none. */
static struct unix_msg *next_message(struct unix_sock *sk, const struct recv_state *r, u32 *off)
{
	struct unix_msg *m, *found = NULL;
	u32 skip = r->peek_skip;

	spin_lock(&sk->lock);
	list_for_each_entry(m, &sk->queue, link) {
		u32 left = m->len - m->off;

		if (skip < left || (!skip && !left)) {
			*off = m->off + skip;
			found = m;
			break;
		}
		skip -= left;
	}
	spin_unlock(&sk->lock);
	return found;
}

/* recv_mutex held. Gives bytes of @msg; true if the receive may go on with the next. */
static bool take_bytes(struct unix_sock *sk, struct sock_msg *m, struct recv_state *r, struct unix_msg *msg, u32 off)
{
	bool peek = m->flags & MSG_PEEK, last = false;
	u32 want = (u32)MIN(m->it.count, (size_t)(msg->len - off));
	u32 n = (u32)copy_to_iter(msg->data + off, want, &m->it);

	if (n < want && !n) {
		if (!r->done)
			r->done = -EFAULT;
		return false;
	}
	r->done += n;
	if (msg->files) {
		struct scm_files *f = unix_detach_files(msg, peek);

		if (!IS_ERR(f))
			r->files = f;
		last = true;
	}
	if (peek) {
		r->peek_skip += n;
	} else {
		msg->off += n;
		if (msg->off == msg->len) {
			spin_lock(&sk->lock);
			unix_unqueue(sk, msg);
			spin_unlock(&sk->lock);
			unix_msg_free(msg);
		}
	}
	return n == want && !last;
}

/* recv_mutex held. Nothing (more) to take: 0 look again, 1 done, or -errno. Drops the mutex while it sleeps. */
static int recv_wait(struct unix_sock *sk, const struct recv_state *r, ssize_t target, ktime_t deadline)
{
	int ret;

	if (r->done >= target)
		return 1;
	ret = unix_take_error(sk);
	if (ret)
		return ret;
	if (READ_ONCE(sk->shutdown) & SHUT_RECV) {
		/* A message may have come just before the end. */
		return list_empty(&sk->queue) || r->peek_skip ? 1 : 0;
	}
	if (!deadline)
		return -EAGAIN;
	if (r->peek_skip)
		return 1;
	mutex_unlock(&sk->recv_mutex);
	ret = unix_wait_data(sk, deadline);
	mutex_lock(&sk->recv_mutex);
	return ret;
}

static ssize_t recv_bytes(struct socket *s, struct sock_msg *m, struct recv_state *r)
{
	struct unix_sock *sk = s->sk;
	ktime_t deadline = sock_deadline(s->rcvtimeo, m->flags & MSG_DONTWAIT);
	ssize_t target = m->flags & MSG_WAITALL ? (ssize_t)m->it.count : (ssize_t)MIN((size_t)s->rcvlowat, m->it.count);
	struct unix_msg *msg;
	int ret = 0;
	u32 off;

	if (target == 0)
		target = 1;
	do {
		msg = next_message(sk, r, &off);
		if (!msg) {
			ret = recv_wait(sk, r, target, deadline);
			if (ret)
				break;
			continue;
		}
		if (!r->started) {
			r->started = true;
			r->cred = msg->cred;
			if (m->name)
				m->namelen = unix_copy_addr(smp_load_acquire(&msg->sender->addr), m->name);
		} else if (sk->passcred && !same_cred(&r->cred, &msg->cred)) {
			break;
		}
		if (!take_bytes(sk, m, r, msg, off))
			break;
	} while (m->it.count);
	return r->done || ret == 1 ? r->done : ret;
}

static ssize_t unix_stream_recvmsg(struct socket *s, struct sock_msg *m)
{
	struct unix_sock *sk = s->sk;
	struct recv_state r = {0};
	ssize_t ret;

	if (READ_ONCE(sk->state) != UNIX_CONNECTED)
		return -EINVAL;
	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	mutex_lock(&sk->recv_mutex);
	ret = recv_bytes(s, m, &r);
	mutex_unlock(&sk->recv_mutex);
	if (r.started && ret >= 0)
		unix_put_control(sk, m, r.files, &r.cred);
	else
		scm_files_free(r.files);
	return ret;
}

static u32 unix_stream_poll(struct socket *s, struct file *f, struct poll_table *pt)
{
	struct unix_sock *sk = s->sk;
	u32 ready = unix_poll_common(sk, f, pt);

	if (READ_ONCE(sk->state) != UNIX_LISTEN && unix_writable(sk))
		ready |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
	return ready;
}

const struct sock_ops unix_stream_ops = {
	.bind = unix_bind,
	.connect = unix_stream_connect,
	.listen = unix_stream_listen,
	.accept = unix_stream_accept,
	.getname = unix_getname,
	.shutdown = unix_shutdown,
	.sendmsg = unix_stream_sendmsg,
	.recvmsg = unix_stream_recvmsg,
	.poll = unix_stream_poll,
	.ioctl = unix_ioctl,
	.getsockopt = unix_getsockopt,
	.socketpair = unix_socketpair,
	.option_changed = unix_option_changed,
	.fasync = unix_fasync,
	.release = unix_release,
};
