/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_UNIX sockets: life, names, options, what all three types share.
 *
 * A name in a file system is an inode of type socket whose inode->sock is the bound socket; abstract names are in a
 * small hash table. Both are guarded by table_lock, and a name is free again when its socket closes (the inode stays,
 * as on Linux).
 */
#include "net/unix/unix.h"

#include <gk/init.h>

#define TABLE_SIZE 256u
#define SO_PEERCRED 17
#define SO_ACCEPTCONN 30
#define SO_PEERSEC 31
#define SO_PEERGROUPS 59
#define SO_SNDBUF 7
#define SO_SNDBUFFORCE 32
#define SO_PASSCRED 16
#define MAY_CONNECT MAY_WRITE

static spinlock_t table_lock;
static struct list_head abstract[TABLE_SIZE]; /* table_lock: struct unix_addr */
static spinlock_t all_lock;
static LIST_HEAD(all_socks); /* all_lock */

/* ---- life ---- */

struct unix_sock *unix_new(u16 type)
{
	struct unix_sock *sk = kzalloc(sizeof(*sk));

	if (!sk)
		return NULL;
	refcount_set(&sk->refs, 1);
	sk->type = type;
	list_init(&sk->queue);
	list_init(&sk->gc_link);
	wait_queue_init(&sk->rd_wait);
	wait_queue_init(&sk->wr_wait);
	wait_queue_init(&sk->peer_wait);
	mutex_init(&sk->recv_mutex);
	mutex_init(&sk->bind_mutex);
	sk->sndbuf = 212992;
	sk->backlog = UNIX_DGRAM_QLEN;
	sk->peer_ucred = (struct ucred){0, ~0u, ~0u};
	spin_lock(&all_lock);
	list_add_tail(&sk->all_link, &all_socks);
	spin_unlock(&all_lock);
	return sk;
}

void unix_put(struct unix_sock *sk)
{
	if (!refcount_dec_and_test(&sk->refs))
		return;
	spin_lock(&all_lock);
	list_del(&sk->all_link);
	spin_unlock(&all_lock);
	if (sk->addr)
		unix_addr_put(sk->addr);
	groups_put(sk->peer_groups);
	kfree(sk);
}

struct unix_sock *unix_next(struct unix_sock *sk)
{
	struct list_head *at;
	struct unix_sock *next = NULL;

	spin_lock(&all_lock);
	for (at = sk ? sk->all_link.next : all_socks.next; at != &all_socks; at = at->next) {
		next = list_entry(at, struct unix_sock, all_link);
		if (refcount_inc_not_zero(&next->refs))
			break;
	}
	spin_unlock(&all_lock);
	return at != &all_socks ? next : NULL;
}

u32 unix_count(void)
{
	struct list_head *at;
	u32 n = 0;

	spin_lock(&all_lock);
	for (at = all_socks.next; at != &all_socks; at = at->next)
		n++;
	spin_unlock(&all_lock);
	return n;
}

struct unix_sock *unix_peer_get(struct unix_sock *sk)
{
	struct unix_sock *peer;

	spin_lock(&sk->lock);
	peer = sk->peer ? unix_get(sk->peer) : NULL;
	spin_unlock(&sk->lock);
	return peer;
}

void unix_set_error(struct unix_sock *sk, int error)
{
	WRITE_ONCE(sk->error, error);
}

int unix_take_error(struct unix_sock *sk)
{
	return READ_ONCE(sk->error) ? -atomic_xchg(&sk->error, 0) : 0;
}

void unix_set_peer_cred(struct unix_sock *sk)
{
	struct group_info *g = current->cred->groups, *old = sk->peer_groups;

	if (g)
		refcount_inc(&g->refs);
	sk->peer_groups = g;
	sk->peer_ucred = (struct ucred){task_tgid_nr(current), current->cred->euid, current->cred->egid};
	groups_put(old);
}

void unix_copy_peer_cred(struct unix_sock *to, const struct unix_sock *from)
{
	struct group_info *g = from->peer_groups, *old = to->peer_groups;

	if (g)
		refcount_inc(&g->refs);
	to->peer_groups = g;
	to->peer_ucred = from->peer_ucred;
	groups_put(old);
}

static void wake_all(struct unix_sock *sk)
{
	const u32 ev = EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLERR | EPOLLHUP | EPOLLRDHUP;

	wake_up_all_poll(&sk->rd_wait, ev);
	wake_up_all_poll(&sk->wr_wait, ev);
}

static bool relay_wake(struct wait_entry *e, u32 events)
{
	struct unix_sock *sk = e->priv;

	wake_up_poll(&sk->wr_wait, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
	return false;
}

void unix_relay_set(struct unix_sock *sk, struct unix_sock *peer)
{
	struct unix_sock *old = NULL;

	spin_lock(&sk->lock);
	if (sk->relay_peer != peer && sk->peer == peer) {
		old = unix_relay_clear(sk);
		wait_entry_init(&sk->relay, NULL);
		sk->relay.func = relay_wake;
		sk->relay.priv = sk;
		sk->relay_peer = unix_get(peer);
		add_wait_queue(&peer->peer_wait, &sk->relay);
	}
	spin_unlock(&sk->lock);
	if (old)
		unix_put(old);
}

struct unix_sock *unix_relay_clear(struct unix_sock *sk)
{
	struct unix_sock *old = sk->relay_peer;

	if (old)
		remove_wait_queue(&old->peer_wait, &sk->relay);
	sk->relay_peer = NULL;
	return old;
}

/* The connected peer of a socket that is closed. */
static void hang_up_peer(struct unix_sock *peer, bool reset)
{
	spin_lock(&peer->lock);
	peer->shutdown = SHUT_BOTH;
	spin_unlock(&peer->lock);
	if (reset)
		unix_set_error(peer, ECONNRESET);
	wake_all(peer);
	fasync_notify(&peer->fasync, FASYNC_HUP);
}

static void unbind(struct unix_sock *sk)
{
	spin_lock(&table_lock);
	if (sk->addr && sk->addr->owner == sk) {
		sk->addr->owner = NULL;
		list_del(&sk->addr->link);
	}
	if (sk->path.dentry && sk->path.dentry->inode->sock == sk)
		sk->path.dentry->inode->sock = NULL;
	spin_unlock(&table_lock);
}

void unix_close(struct unix_sock *sk, bool embryo)
{
	struct unix_sock *peer, *relay;
	bool unread;

	unbind(sk);
	spin_lock(&sk->lock);
	sk->dead = true;
	sk->sock = NULL;
	sk->shutdown = SHUT_BOTH;
	sk->state = UNIX_CLOSE;
	unread = !list_empty(&sk->queue);
	peer = sk->peer;
	sk->peer = NULL;
	relay = unix_relay_clear(sk);
	spin_unlock(&sk->lock);
	if (relay)
		unix_put(relay);
	wake_all(sk);
	wake_up_all_poll(&sk->peer_wait, EPOLLOUT | EPOLLWRNORM | EPOLLERR | EPOLLHUP);
	if (peer) {
		if (unix_is_stream(sk))
			hang_up_peer(peer, unread || embryo);
		unix_put(peer);
	}
	unix_purge(sk);
	if (sk->path.dentry)
		path_put(&sk->path);
	sk->path = (struct path){0};
}

void unix_release(struct socket *s)
{
	struct unix_sock *sk = s->sk;

	unix_close(sk, false);
	unix_put(sk);
	unix_gc_after_close();
}

/* ---- names ---- */

void unix_addr_put(struct unix_addr *a)
{
	if (refcount_dec_and_test(&a->refs))
		kfree(a);
}

u32 unix_copy_addr(const struct unix_addr *a, struct sockaddr_any *out)
{
	if (!a)
		return 0;
	memcpy(out, &a->name, a->len);
	return a->len;
}

int unix_check_addr(const struct sockaddr_any *addr, u32 len)
{
	if (len <= UNIX_ADDR_MIN || len > UNIX_ADDR_MAX || addr->family != AF_UNIX)
		return -EINVAL;
	return 0;
}

static u32 hash_name(const char *name, u32 len)
{
	u32 h = 2166136261u;

	for (u32 i = 0; i < len; i++)
		h = (h ^ (u8)name[i]) * 16777619u;
	return h % TABLE_SIZE;
}

/* @len of the whole address. A path is cut at its NUL and counts with one. */
static struct unix_addr *addr_new(const char *name, u32 len)
{
	struct unix_addr *a = kzalloc(sizeof(*a));

	if (!a)
		return NULL;
	refcount_set(&a->refs, 1);
	list_init(&a->link);
	a->name.family = AF_UNIX;
	memcpy(a->name.path, name, len - UNIX_ADDR_MIN);
	a->len = a->name.path[0] ? UNIX_ADDR_MIN + (u32)strlen(a->name.path) + 1 : len;
	a->hash = hash_name(a->name.path, a->len - UNIX_ADDR_MIN);
	return a;
}

/* table_lock held. */
static struct unix_addr *find_abstract(const char *name, u32 len, u32 hash)
{
	struct unix_addr *a;

	list_for_each_entry(a, &abstract[hash], link) {
		if (a->len == len && !memcmp(a->name.path, name, len - UNIX_ADDR_MIN))
			return a;
	}
	return NULL;
}

/* sk->bind_mutex held. Takes over @a. */
static int bind_abstract(struct unix_sock *sk, struct unix_addr *a)
{
	bool taken;

	spin_lock(&table_lock);
	taken = find_abstract(a->name.path, a->len, a->hash) != NULL;
	if (!taken) {
		list_add_tail(&a->link, &abstract[a->hash]);
		a->owner = sk;
		smp_store_release(&sk->addr, a);
	}
	spin_unlock(&table_lock);
	if (taken)
		unix_addr_put(a);
	return taken ? -EADDRINUSE : 0;
}

/* sk->bind_mutex held. Takes over @a. */
static int bind_path(struct unix_sock *sk, struct unix_addr *a)
{
	umode_t mode = S_IFSOCK | (sk->sock->file->inode->mode & 0777 & ~current->fs->umask);
	struct path parent;
	struct dentry *d = path_create(AT_FDCWD, a->name.path, &parent, false);
	int ret;

	if (IS_ERR(d)) {
		unix_addr_put(a);
		return PTR_ERR(d) == -EEXIST ? -EADDRINUSE : (int)PTR_ERR(d);
	}
	ret = vfs_mknod(parent.dentry->inode, d, mode, 0);
	if (!ret) {
		sk->path = (struct path){parent.mnt, d};
		path_get(&sk->path);
		spin_lock(&table_lock);
		d->inode->sock = sk;
		smp_store_release(&sk->addr, a);
		spin_unlock(&table_lock);
	} else {
		unix_addr_put(a);
	}
	done_path_create(&parent, d);
	return ret == -EEXIST ? -EADDRINUSE : ret;
}

int unix_autobind(struct unix_sock *sk)
{
	static u32 counter;
	char name[8] = {0};
	int ret = -EADDRINUSE;

	mutex_lock(&sk->bind_mutex);
	if (sk->addr)
		ret = 0;
	for (u32 tries = 0; ret == -EADDRINUSE && tries < 1u << 20; tries++) {
		u32 n = atomic_add_return(&counter, 1) & 0xfffff;
		struct unix_addr *a;

		for (u32 i = 0; i < 5; i++)
			name[1 + i] = "0123456789abcdef"[n >> (16 - 4 * i) & 15];
		a = addr_new(name, UNIX_ADDR_MIN + 6);
		ret = a ? bind_abstract(sk, a) : -ENOMEM;
	}
	mutex_unlock(&sk->bind_mutex);
	return ret;
}

static bool name_exists(const char *name)
{
	struct path path;

	if (path_lookup(AT_FDCWD, name, 0, &path))
		return false;
	path_put(&path);
	return true;
}

int unix_bind(struct socket *s, const struct sockaddr_any *addr, u32 len)
{
	struct unix_sock *sk = s->sk;
	struct unix_addr *a;
	int ret;

	if (len == UNIX_ADDR_MIN && addr->family == AF_UNIX)
		return sk->addr ? -EINVAL : unix_autobind(sk);
	ret = unix_check_addr(addr, len);
	if (ret)
		return ret;
	a = addr_new(addr->data, len);
	if (!a)
		return -ENOMEM;
	mutex_lock(&sk->bind_mutex);
	if (sk->addr) {
		ret = a->name.path[0] && name_exists(a->name.path) ? -EADDRINUSE : -EINVAL;
		unix_addr_put(a);
	} else {
		ret = a->name.path[0] ? bind_path(sk, a) : bind_abstract(sk, a);
	}
	mutex_unlock(&sk->bind_mutex);
	return ret;
}

static struct unix_sock *find_path(const char *name)
{
	struct unix_sock *sk = NULL;
	struct path path;
	int ret = path_lookup(AT_FDCWD, name, LOOKUP_FOLLOW, &path);

	if (ret)
		return ERR_PTR(ret);
	ret = inode_permission(path.dentry->inode, MAY_CONNECT);
	if (!ret && !S_ISSOCK(path.dentry->inode->mode))
		ret = -ECONNREFUSED;
	if (!ret) {
		spin_lock(&table_lock);
		sk = path.dentry->inode->sock;
		if (sk)
			unix_get(sk);
		spin_unlock(&table_lock);
	}
	path_put(&path);
	if (ret)
		return ERR_PTR(ret);
	return sk ? sk : ERR_PTR(-ECONNREFUSED);
}

struct unix_sock *unix_find(const struct sockaddr_any *addr, u32 len, u16 type)
{
	char path[UNIX_PATH_MAX + 1] = {0};
	struct unix_sock *sk = NULL;
	struct unix_addr *a;

	memcpy(path, addr->data, len - UNIX_ADDR_MIN);
	if (path[0]) {
		sk = find_path(path);
	} else {
		spin_lock(&table_lock);
		a = find_abstract(path, len, hash_name(path, len - UNIX_ADDR_MIN));
		if (a && a->owner)
			sk = unix_get(a->owner);
		spin_unlock(&table_lock);
	}
	if (!sk)
		return ERR_PTR(-ECONNREFUSED);
	if (!IS_ERR(sk) && sk->type != type) {
		unix_put(sk);
		return ERR_PTR(-EPROTOTYPE);
	}
	return sk;
}

/* ---- what all types share ---- */

int unix_getname(struct socket *s, struct sockaddr_any *addr, enum sock_end end)
{
	struct unix_sock *sk = s->sk;
	u32 len;

	sk = end == SOCK_OWN ? unix_get(sk) : unix_peer_get(sk);
	if (!sk)
		return -ENOTCONN;
	len = unix_copy_addr(smp_load_acquire(&sk->addr), addr);
	unix_put(sk);
	if (!len) {
		addr->family = AF_UNIX;
		len = UNIX_ADDR_MIN;
	}
	return (int)len;
}

int unix_shutdown(struct socket *s, u32 how)
{
	struct unix_sock *sk = s->sk, *peer;
	u32 peer_how = (how & SHUT_RECV ? SHUT_SEND : 0) | (how & SHUT_SEND ? SHUT_RECV : 0);

	spin_lock(&sk->lock);
	sk->shutdown |= how;
	peer = sk->peer && unix_is_stream(sk) ? unix_get(sk->peer) : NULL;
	spin_unlock(&sk->lock);
	if (peer) {
		spin_lock(&peer->lock);
		peer->shutdown |= peer_how;
		spin_unlock(&peer->lock);
		wake_all(peer);
		if (peer_how & SHUT_RECV)
			fasync_notify(&peer->fasync, peer_how & SHUT_SEND ? FASYNC_HUP : FASYNC_IN);
		unix_put(peer);
	}
	wake_all(sk);
	wake_up_all_poll(&sk->peer_wait, EPOLLOUT | EPOLLWRNORM);
	return 0;
}

struct fasync_list *unix_fasync(struct socket *s)
{
	struct unix_sock *sk = s->sk;

	return &sk->fasync;
}

int unix_socketpair(struct socket *a, struct socket *b)
{
	struct unix_sock *x = a->sk, *y = b->sk;

	unix_set_peer_cred(x);
	unix_set_peer_cred(y);
	x->peer = unix_get(y);
	y->peer = unix_get(x);
	x->state = y->state = x->type == SOCK_DGRAM ? UNIX_CLOSE : UNIX_CONNECTED;
	return 0;
}

static int get_groups(const struct unix_sock *sk, void *val, u32 *len)
{
	const struct group_info *g = sk->peer_groups;
	u32 need = g ? g->n * (u32)sizeof(kgid_t) : 0;

	if (sk->peer_ucred.uid == ~0u)
		return -ENODATA;
	if (*len < need) {
		*len = need;
		return -ERANGE;
	}
	if (need)
		memcpy(val, g->gid, need);
	*len = need;
	return 0;
}

int unix_getsockopt(struct socket *s, int level, int opt, void *val, u32 *len)
{
	struct unix_sock *sk = s->sk;
	s32 n;

	if (level != SOL_SOCKET)
		return -EOPNOTSUPP;
	switch (opt) {
	case SO_PEERCRED:
		*len = MIN(*len, (u32)sizeof(sk->peer_ucred));
		memcpy(val, &sk->peer_ucred, *len);
		return 0;
	case SO_ACCEPTCONN:
		n = sk->state == UNIX_LISTEN;
		*len = MIN(*len, (u32)sizeof(n));
		memcpy(val, &n, *len);
		return 0;
	case SO_PEERGROUPS:
		return get_groups(sk, val, len);
	}
	return -ENOPROTOOPT;
}

void unix_option_changed(struct socket *s, int opt)
{
	struct unix_sock *sk = s->sk;

	WRITE_ONCE(sk->sndbuf, s->sndbuf);
	WRITE_ONCE(sk->passcred, s->passcred);
}

ssize_t unix_pipe_error(const struct sock_msg *m)
{
	if (!(m->flags & MSG_NOSIGNAL))
		send_signal_task(SIGPIPE, NULL, current);
	return -EPIPE;
}

u32 unix_poll_common(struct unix_sock *sk, struct file *f, struct poll_table *pt)
{
	u32 ready = 0, shut;

	poll_wait(f, &sk->rd_wait, pt);
	poll_wait(f, &sk->wr_wait, pt);
	shut = READ_ONCE(sk->shutdown);
	if (READ_ONCE(sk->error))
		ready |= EPOLLERR;
	if (shut == SHUT_BOTH)
		ready |= EPOLLHUP;
	if (shut & SHUT_RECV)
		ready |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
	if (!list_empty(&sk->queue))
		ready |= EPOLLIN | EPOLLRDNORM;
	if (unix_is_stream(sk) && READ_ONCE(sk->state) == UNIX_CLOSE)
		ready |= EPOLLHUP;
	return ready;
}

static int unix_create(struct socket *s)
{
	struct unix_sock *sk;

	if (s->protocol && s->protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	switch (s->type) {
	case SOCK_STREAM:
		s->ops = &unix_stream_ops;
		break;
	case SOCK_RAW: /* as BSD had it */
		s->type = SOCK_DGRAM;
		s->ops = &unix_dgram_ops;
		break;
	case SOCK_DGRAM:
		s->ops = &unix_dgram_ops;
		break;
	case SOCK_SEQPACKET:
		s->ops = &unix_seqpacket_ops;
		break;
	default:
		return -ESOCKTNOSUPPORT;
	}
	s->protocol = 0;
	sk = unix_new(s->type);
	if (!sk)
		return -ENOMEM;
	sk->sock = s;
	s->sk = sk;
	s->errorp = &sk->error;
	return 0;
}

static struct sock_family unix_family = {.domain = AF_UNIX, .create = unix_create};

void unix_init(void)
{
	for (u32 i = 0; i < TABLE_SIZE; i++)
		list_init(&abstract[i]);
	sock_register(&unix_family);
}
