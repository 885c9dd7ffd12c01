/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_NETLINK sockets: names, requests in, answers out. The protocols: NETLINK_ROUTE (route.c), and
 * NETLINK_KOBJECT_UEVENT, of which nothing ever comes.
 */
#include "net/netlink/netlink.h"

#include <gk/fasync.h>
#include <gk/init.h>
#include <gk/slab.h>
#include <gk/socket.h>
#include <gk/string.h>
#include <gk/task.h>

#define NETLINK_ROUTE 0
#define NETLINK_KOBJECT_UEVENT 15
#define SOL_NETLINK 270
#define NETLINK_OPT_MAX 12
#define REQUEST_MAX 65536u
#define SIOCINQ 0x541B
#define ALIGN4(n) ALIGN_UP((u32)(n), 4u)

struct sockaddr_nl {
	u16 family, pad;
	u32 pid, groups;
};

struct nl_msg {
	struct list_head link;
	u32 len;
	char data[];
};

struct nl_sock {
	spinlock_t lock;
	struct list_head queue; /* lock */
	u32 bytes;		/* lock: in the queue */
	u32 pid, groups;	/* pid: list_lock, set once */
	struct list_head link;	/* list_lock */
	int protocol;
	s32 error; /* atomic */
	struct wait_queue wait;
	struct fasync_list fasync;
	s32 options[NETLINK_OPT_MAX + 1];
};

static spinlock_t list_lock; /* of all bound sockets; list_lock alone */
static LIST_HEAD(bound);

/* ---- answers ---- */

void nl_attr(struct nl_reply *r, u16 type, const void *data, u32 size)
{
	const struct {
		u16 len, type;
	} h = {(u16)(sizeof(h) + size), type};
	struct nlmsghdr *m = (struct nlmsghdr *)(void *)(r->data + r->msg);

	if (r->len + sizeof(h) + ALIGN4(size) > NL_REPLY_MAX) {
		r->overflow = true;
		return;
	}
	memset(r->data + r->len, 0, sizeof(h) + ALIGN4(size));
	memcpy(r->data + r->len, &h, sizeof(h));
	memcpy(r->data + r->len + sizeof(h), data, size);
	r->len += (u32)sizeof(h) + ALIGN4(size);
	m->len = r->len - r->msg;
}

void nl_begin(struct nl_reply *r, u16 type, u16 flags, const void *body, u32 size)
{
	const struct nlmsghdr h = {(u32)sizeof(h) + size, type, flags, r->seq, r->pid};

	if (r->len + sizeof(h) + ALIGN4(size) > NL_REPLY_MAX) {
		r->overflow = true;
		return;
	}
	r->msg = r->len;
	memset(r->data + r->len, 0, sizeof(h) + ALIGN4(size));
	memcpy(r->data + r->len, &h, sizeof(h));
	memcpy(r->data + r->len + sizeof(h), body, size);
	r->len += (u32)sizeof(h) + ALIGN4(size);
}

/* ---- names ---- */

/* list_lock held. */
static bool pid_taken(int protocol, u32 pid)
{
	struct nl_sock *sk;

	list_for_each_entry(sk, &bound, link) {
		if (sk->protocol == protocol && sk->pid == pid)
			return true;
	}
	return false;
}

/* @pid 0: the process's number, or when that is taken one that no process has. */
static int take_name(struct nl_sock *sk, u32 pid)
{
	static u32 next = 0xffffffffu;
	int ret = 0;

	spin_lock(&list_lock);
	if (sk->pid) {
		ret = pid && pid != sk->pid ? -EINVAL : 0;
	} else if (pid && pid_taken(sk->protocol, pid)) {
		ret = -EADDRINUSE;
	} else {
		if (!pid)
			pid = (u32)task_tgid_nr(current);
		while (pid_taken(sk->protocol, pid))
			pid = next--;
		sk->pid = pid;
		list_add(&sk->link, &bound);
	}
	spin_unlock(&list_lock);
	return ret;
}

static int nl_bind(struct socket *s, const struct sockaddr_any *addr, u32 len)
{
	const struct sockaddr_nl *nl = (const void *)addr;
	struct nl_sock *sk = s->sk;
	int ret;

	if (len < sizeof(*nl))
		return -EINVAL;
	if (nl->family != AF_NETLINK)
		return -EINVAL;
	ret = take_name(sk, nl->pid);
	if (!ret)
		sk->groups = nl->groups;
	return ret;
}

static int nl_connect(struct socket *s, const struct sockaddr_any *addr, u32 len, bool nonblock)
{
	const struct sockaddr_nl *nl = (const void *)addr;

	if (len < sizeof(addr->family))
		return -EINVAL;
	if (addr->family == AF_UNSPEC)
		return 0;
	if (addr->family != AF_NETLINK || len < sizeof(*nl))
		return -EINVAL;
	if (nl->pid)
		return -ECONNREFUSED;
	return take_name(s->sk, 0);
}

static int nl_getname(struct socket *s, struct sockaddr_any *addr, enum sock_end end)
{
	struct nl_sock *sk = s->sk;
	const bool own = end == SOCK_OWN;
	const struct sockaddr_nl nl = {AF_NETLINK, 0, own ? sk->pid : 0, own ? sk->groups : 0};

	memcpy(addr, &nl, sizeof(nl));
	return sizeof(nl);
}

/* ---- requests ---- */

/* Queues an answer; if the program does not read, it hears that some are lost. */
static void answer(struct nl_sock *sk, const void *data, u32 len, u32 limit)
{
	struct nl_msg *m = kmalloc(sizeof(*m) + len);

	if (m) {
		m->len = len;
		memcpy(m->data, data, len);
	}
	spin_lock(&sk->lock);
	if (!m || sk->bytes + len > limit) {
		WRITE_ONCE(sk->error, ENOBUFS);
		kfree(m);
	} else {
		list_add_tail(&m->link, &sk->queue);
		sk->bytes += len;
	}
	spin_unlock(&sk->lock);
	wake_up_poll(&sk->wait, EPOLLIN | EPOLLRDNORM);
	fasync_notify(&sk->fasync, FASYNC_IN);
}

static void one_request(struct socket *s, const struct nlmsghdr *h, struct nl_reply *r)
{
	struct nl_sock *sk = s->sk;
	struct {
		s32 error;
		struct nlmsghdr msg;
	} err = {0, *h};

	r->len = r->msg = 0;
	r->overflow = false;
	r->seq = h->seq;
	r->pid = sk->pid;
	err.error = sk->protocol == NETLINK_ROUTE ? rtnl_request(h, r) : -EOPNOTSUPP;
	if (!err.error && r->overflow)
		err.error = -EMSGSIZE;
	if (err.error)
		r->len = 0;
	if (err.error || (h->flags & NLM_F_ACK && !(h->flags & NLM_F_DUMP)))
		nl_begin(r, NLMSG_ERROR, NLM_F_CAPPED, &err, sizeof(err));
	if (r->len)
		answer(sk, r->data, r->len, s->rcvbuf);
}

/* @buf is the kernel's copy of what was sent. */
static int handle(struct socket *s, const char *buf, u32 len)
{
	struct nl_reply *r = kmalloc(sizeof(*r));
	u32 at = 0;

	if (!r)
		return -ENOBUFS;
	while (len - at >= sizeof(struct nlmsghdr)) {
		const struct nlmsghdr *h = (const void *)(buf + at);

		if (h->len < sizeof(*h) || h->len > len - at)
			break;
		if ((h->flags & NLM_F_REQUEST) && h->type >= NLMSG_MIN_TYPE)
			one_request(s, h, r);
		if (ALIGN4(h->len) >= len - at)
			break;
		at += ALIGN4(h->len);
	}
	kfree(r);
	return 0;
}

static ssize_t nl_sendmsg(struct socket *s, struct sock_msg *m)
{
	const struct sockaddr_nl *to = (const void *)m->name;
	u32 len = (u32)MIN(m->it.count, (size_t)REQUEST_MAX + 1);
	struct nl_sock *sk = s->sk;
	char *buf;
	int ret;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (m->namelen && (m->namelen < sizeof(*to) || to->family != AF_NETLINK))
		return -EINVAL;
	if (m->namelen && to->pid)
		return -ECONNREFUSED;
	if (len > REQUEST_MAX)
		return -EMSGSIZE;
	ret = take_name(sk, 0);
	if (ret || !len)
		return ret ? ret : -ENODATA;
	buf = kmalloc(len);
	if (!buf)
		return -ENOBUFS;
	ret = copy_from_iter(buf, len, &m->it) == len ? handle(s, buf, len) : -EFAULT;
	kfree(buf);
	return ret ? ret : (ssize_t)len;
}

/* The next answer, off the queue; NULL: none. */
static struct nl_msg *next_answer(struct nl_sock *sk)
{
	struct nl_msg *m;

	spin_lock(&sk->lock);
	m = list_first_entry_or_null(&sk->queue, struct nl_msg, link);
	if (m) {
		list_del(&m->link);
		sk->bytes -= m->len;
	}
	spin_unlock(&sk->lock);
	return m;
}

static ssize_t give(struct sock_msg *m, const struct nl_msg *msg)
{
	const struct sockaddr_nl from = {AF_NETLINK, 0, 0, 0};
	u32 n = (u32)MIN(m->it.count, (size_t)msg->len);

	if (copy_to_iter(msg->data, n, &m->it) != n)
		return -EFAULT;
	if (m->name) {
		memcpy(m->name, &from, sizeof(from));
		m->namelen = sizeof(from);
	}
	if (n < msg->len)
		m->out_flags |= MSG_TRUNC;
	return m->flags & MSG_TRUNC ? (ssize_t)msg->len : (ssize_t)n;
}

static ssize_t nl_recvmsg(struct socket *s, struct sock_msg *m)
{
	struct nl_sock *sk = s->sk;
	ktime_t deadline = sock_deadline(s->rcvtimeo, m->flags & MSG_DONTWAIT);
	struct nl_msg *msg;
	ssize_t ret;

	if (m->flags & MSG_OOB)
		return -EOPNOTSUPP;
	for (;;) {
		ret = sock_take_error(s);
		if (ret)
			return ret;
		msg = next_answer(sk);
		if (msg)
			break;
		if (!deadline)
			return -EAGAIN;
		ret = sock_wait(&sk->wait, !list_empty(&sk->queue) || READ_ONCE(sk->error), deadline);
		if (ret)
			return ret;
	}
	ret = give(m, msg);
	if (m->flags & MSG_PEEK) {
		spin_lock(&sk->lock);
		list_add(&msg->link, &sk->queue);
		sk->bytes += msg->len;
		spin_unlock(&sk->lock);
	} else {
		kfree(msg);
	}
	return ret;
}

/* ---- the rest ---- */

static u32 nl_poll(struct socket *s, struct file *f, struct poll_table *pt)
{
	struct nl_sock *sk = s->sk;
	u32 ready = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;

	poll_wait(f, &sk->wait, pt);
	if (!list_empty(&sk->queue))
		ready |= EPOLLIN | EPOLLRDNORM;
	return READ_ONCE(sk->error) ? ready | EPOLLERR : ready;
}

static int nl_setsockopt(struct socket *s, int level, int opt, const void *val, u32 len)
{
	struct nl_sock *sk = s->sk;
	s32 n;

	if (level != SOL_NETLINK || opt < 1 || opt > NETLINK_OPT_MAX)
		return -ENOPROTOOPT;
	if (len < sizeof(n))
		return -EINVAL;
	memcpy(&n, val, sizeof(n));
	sk->options[opt] = n != 0;
	return 0;
}

static int nl_getsockopt(struct socket *s, int level, int opt, void *val, u32 *len)
{
	struct nl_sock *sk = s->sk;

	if (level != SOL_NETLINK || opt < 1 || opt > NETLINK_OPT_MAX)
		return -ENOPROTOOPT;
	if (*len < sizeof(s32))
		return -EINVAL;
	*len = sizeof(s32);
	memcpy(val, &sk->options[opt], sizeof(s32));
	return 0;
}

static long nl_ioctl(struct socket *s, u32 cmd, u64 arg)
{
	return -ENOIOCTLCMD;
}

static int nl_no_listen(struct socket *s, int backlog)
{
	return -EOPNOTSUPP;
}

static int nl_no_accept(struct socket *s, struct socket *child, bool nonblock)
{
	return -EOPNOTSUPP;
}

static int nl_no_shutdown(struct socket *s, u32 how)
{
	return -EOPNOTSUPP;
}

static struct fasync_list *nl_fasync(struct socket *s)
{
	struct nl_sock *sk = s->sk;

	return &sk->fasync;
}

static void nl_release(struct socket *s)
{
	struct nl_sock *sk = s->sk;
	struct nl_msg *m;

	spin_lock(&list_lock);
	list_del(&sk->link);
	spin_unlock(&list_lock);
	while ((m = next_answer(sk)))
		kfree(m);
	kfree(sk);
}

static const struct sock_ops netlink_ops = {
	.bind = nl_bind,
	.connect = nl_connect,
	.listen = nl_no_listen,
	.accept = nl_no_accept,
	.getname = nl_getname,
	.shutdown = nl_no_shutdown,
	.sendmsg = nl_sendmsg,
	.recvmsg = nl_recvmsg,
	.poll = nl_poll,
	.ioctl = nl_ioctl,
	.setsockopt = nl_setsockopt,
	.getsockopt = nl_getsockopt,
	.fasync = nl_fasync,
	.release = nl_release,
};

static int netlink_create(struct socket *s)
{
	struct nl_sock *sk;

	if (s->type != SOCK_RAW && s->type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	if (s->protocol != NETLINK_ROUTE && s->protocol != NETLINK_KOBJECT_UEVENT)
		return -EPROTONOSUPPORT;
	sk = kzalloc(sizeof(*sk));
	if (!sk)
		return -ENOMEM;
	list_init(&sk->queue);
	list_init(&sk->link);
	wait_queue_init(&sk->wait);
	sk->protocol = s->protocol;
	s->ops = &netlink_ops;
	s->sk = sk;
	s->errorp = &sk->error;
	return 0;
}

static struct sock_family netlink_family = {.domain = AF_NETLINK, .create = netlink_create};

void netlink_init(void)
{
	sock_register(&netlink_family);
}
