/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of AF_UNIX: allocation against the sender's buffer, queues, and what travels with them.
 * A message is charged to its sender until it is read, so a reader who does not read stops its writers.
 */
#include "net/unix/unix.h"

#define SIOCINQ 0x541B
#define SIOCOUTQ 0x5411
#define SIOCATMARK 0x8905
#define MSG_OVERHEAD 256u /* what a small message costs beyond its data */

static bool room_for(const struct unix_sock *sk)
{
	return READ_ONCE(sk->wmem) < READ_ONCE(sk->sndbuf);
}

static bool may_go_on(const struct unix_sock *sk)
{
	return room_for(sk) || (READ_ONCE(sk->shutdown) & SHUT_SEND) || READ_ONCE(sk->error);
}

static int wait_room(struct unix_sock *sk, ktime_t deadline)
{
	int ret;

	for (;;) {
		ret = unix_take_error(sk);
		if (ret)
			return ret;
		if (READ_ONCE(sk->shutdown) & SHUT_SEND)
			return -EPIPE;
		if (room_for(sk))
			return 0;
		if (!deadline)
			return -EAGAIN;
		ret = sock_wait(&sk->wr_wait, may_go_on(sk), deadline);
		if (ret)
			return ret;
	}
}

struct unix_msg *unix_msg_new(struct unix_sock *sk, u32 len, ktime_t deadline)
{
	struct unix_msg *m;
	int ret = wait_room(sk, deadline);

	if (ret)
		return ERR_PTR(ret);
	m = kmalloc(sizeof(*m) + len);
	if (!m)
		return ERR_PTR(-ENOBUFS);
	memset(m, 0, sizeof(*m));
	list_init(&m->link);
	m->len = len;
	m->charge = len + MSG_OVERHEAD;
	m->sender = unix_get(sk);
	atomic_add_return(&sk->wmem, m->charge);
	return m;
}

void unix_msg_free(struct unix_msg *m)
{
	struct unix_sock *sk = m->sender;

	if (m->files) {
		unix_notinflight(m->files);
		scm_files_free(m->files);
	}
	if (m->from)
		unix_addr_put(m->from);
	if (m->embryo)
		unix_put(m->embryo);
	if (sk) {
		const u64 before = atomic_sub_return(&sk->wmem, m->charge) + m->charge;

		if (unix_writable(sk) && wait_queue_active(&sk->wr_wait))
			wake_up_poll(&sk->wr_wait, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
		if (unix_writable(sk) && before * 4 > READ_ONCE(sk->sndbuf))
			fasync_notify(&sk->fasync, FASYNC_OUT);
		unix_put(sk);
	}
	kfree(m);
}

void unix_queue(struct unix_sock *sk, struct unix_msg *m)
{
	list_add_tail(&m->link, &sk->queue);
	sk->qlen++;
}

void unix_unqueue(struct unix_sock *sk, struct unix_msg *m)
{
	list_del(&m->link);
	sk->qlen--;
}

void unix_purge(struct unix_sock *sk)
{
	struct unix_msg *m;

	for (;;) {
		spin_lock(&sk->lock);
		m = list_first_entry_or_null(&sk->queue, struct unix_msg, link);
		if (m)
			unix_unqueue(sk, m);
		spin_unlock(&sk->lock);
		if (!m)
			return;
		if (m->embryo)
			unix_close(m->embryo, true);
		unix_msg_free(m);
	}
}

int unix_attach(struct unix_msg *m, struct scm *scm)
{
	m->cred = scm->cred;
	if (scm->files) {
		unix_inflight(scm->files);
		m->files = scm->files;
		scm->files = NULL;
	}
	return 0;
}

struct scm_files *unix_detach_files(struct unix_msg *m, bool peek)
{
	struct scm_files *f = m->files;

	if (!f)
		return NULL;
	if (peek) {
		f = scm_files_dup(f);
		unix_gc_barrier();
		return f ? f : ERR_PTR(-ENOMEM);
	}
	m->files = NULL;
	unix_notinflight(f);
	return f;
}

void unix_put_control(struct unix_sock *sk, struct sock_msg *out, struct scm_files *files, const struct ucred *cred)
{
	if (sk->passcred)
		scm_put(out, SOL_SOCKET, SCM_CREDENTIALS, cred, sizeof(*cred));
	if (files)
		scm_put_files(out, files);
}

bool unix_readable(const struct unix_sock *sk)
{
	return !list_empty(&sk->queue) || (READ_ONCE(sk->shutdown) & SHUT_RECV) || READ_ONCE(sk->error);
}

int unix_wait_data(struct unix_sock *sk, ktime_t deadline)
{
	return deadline ? sock_wait(&sk->rd_wait, unix_readable(sk), deadline) : -EAGAIN;
}

/* What one read could get: of a stream all, else the next message. */
static u32 input_bytes(struct unix_sock *sk)
{
	struct unix_msg *m;
	u32 n = 0;

	spin_lock(&sk->lock);
	list_for_each_entry(m, &sk->queue, link) {
		n += m->len - m->off;
		if (sk->type == SOCK_DGRAM)
			break;
	}
	spin_unlock(&sk->lock);
	return n;
}

long unix_ioctl(struct socket *s, u32 cmd, u64 arg)
{
	struct unix_sock *sk = s->sk;

	switch (cmd) {
	case SIOCINQ:
		if (sk->state == UNIX_LISTEN)
			return -EINVAL;
		return put_user((s32)input_bytes(sk), (s32 __user *)arg);
	case SIOCOUTQ:
		return put_user((s32)READ_ONCE(sk->wmem), (s32 __user *)arg);
	case SIOCATMARK:
		return put_user((s32)0, (s32 __user *)arg);
	}
	return -ENOIOCTLCMD;
}
