/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets: families, files, and the system calls but those that move data (sendrecv.c). Everything a program passes is
 * copied and checked here and there; the families see kernel memory only, except for the data itself (iov_iter).
 */
#include "net/internal.h"

#include <gk/fasync.h>
#include <gk/init.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/task.h>

#define OPTION_MAX 4096
#define FIOSETOWN 0x8901
#define SIOCSPGRP 0x8902
#define FIOGETOWN 0x8903
#define SIOCGPGRP 0x8904

static struct sock_family *families;

void sock_register(struct sock_family *fam)
{
	fam->next = families;
	families = fam;
}

/* ---- files ---- */

static ssize_t sock_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct socket *s = f->private;
	struct sock_msg m = {.it = *it, .flags = f->flags & O_NONBLOCK ? MSG_DONTWAIT : 0};
	ssize_t n;

	if (!it->count)
		return 0;
	n = s->ops->recvmsg(s, &m);
	*it = m.it;
	return n;
}

static ssize_t sock_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct socket *s = f->private;
	struct sock_msg m = {.it = *it, .flags = f->flags & O_NONBLOCK ? MSG_DONTWAIT : 0};
	ssize_t n;

	if (s->type == SOCK_SEQPACKET)
		m.flags |= MSG_EOR;
	n = s->ops->sendmsg(s, &m);
	*it = m.it;
	return n;
}

static u32 sock_poll(struct file *f, struct poll_table *pt)
{
	struct socket *s = f->private;

	return s->ops->poll(s, f, pt);
}

static long sock_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct socket *s = f->private;
	s32 owner;
	long ret;

	switch (cmd) {
	case FIOSETOWN:
	case SIOCSPGRP:
		if (get_user(owner, (s32 __user *)arg))
			return -EFAULT;
		return fown_set(f, owner);
	case FIOGETOWN:
	case SIOCGPGRP:
		return put_user(fown_get(f), (s32 __user *)arg);
	}
	ret = s->ops->ioctl(s, cmd, arg);
	return ret == -ENOIOCTLCMD ? iface_ioctl(cmd, arg) : ret;
}

static struct fasync_list *sock_fasync(struct file *f)
{
	struct socket *s = f->private;

	return s->ops->fasync ? s->ops->fasync(s) : NULL;
}

static int sock_reopen(struct inode *inode, struct file *f)
{
	return -ENXIO;
}

static void sock_free(struct socket *s)
{
	if (s->ops)
		s->ops->release(s);
	kfree(s);
}

static void sock_release(struct file *f)
{
	sock_free(f->private);
}

static const struct file_ops socket_ops = {
	.open = sock_reopen,
	.release = sock_release,
	.read = sock_read,
	.write = sock_write,
	.poll = sock_poll,
	.ioctl = sock_ioctl,
	.fasync = sock_fasync,
};

struct socket *file_socket(const struct file *f)
{
	return f->ops == &socket_ops ? f->private : NULL;
}

static struct socket *sock_alloc(int domain, int type, int protocol)
{
	struct socket *s = kzalloc(sizeof(*s));

	if (!s)
		return NULL;
	s->domain = (u16)domain;
	s->type = (u16)type;
	s->protocol = protocol;
	s->rcvtimeo = s->sndtimeo = KTIME_NEVER;
	s->sndbuf = s->rcvbuf = 212992;
	s->rcvlowat = 1;
	s->errorp = &s->error;
	return s;
}

/* An open file around @s; on failure @s is freed. */
static struct file *sock_file(struct socket *s, u32 flags)
{
	struct file *f = anon_inode_file("socket", S_IFSOCK | 0777, &socket_ops, s, O_RDWR | (flags & O_NONBLOCK));

	if (IS_ERR_OR_NULL(f)) {
		sock_free(s);
		return f ? f : ERR_PTR(-ENOMEM);
	}
	s->file = f;
	return f;
}

static struct sock_family *find_family(int domain)
{
	struct sock_family *fam = families;

	while (fam && fam->domain != domain)
		fam = fam->next;
	return fam;
}

int sock_create_file(int domain, int type, int protocol, u32 flags, struct file **out)
{
	struct sock_family *fam;
	struct socket *s;
	struct file *f;
	int ret;

	if (domain < 0 || domain >= AF_MAX)
		return -EAFNOSUPPORT;
	if (type <= 0 || type > 10)
		return -EINVAL;
	fam = find_family(domain);
	if (!fam)
		return -EAFNOSUPPORT;
	s = sock_alloc(domain, type, protocol);
	if (!s)
		return -ENOMEM;
	ret = fam->create(s);
	if (ret) {
		kfree(s);
		return ret;
	}
	f = sock_file(s, flags);
	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	*out = f;
	return 0;
}

int sock_get(int fd, struct fdref *r, struct socket **s)
{
	*r = fdref_get(fd);
	if (!r->f)
		return -EBADF;
	*s = file_socket(r->f);
	if (*s)
		return 0;
	fdref_put(*r);
	return -ENOTSOCK;
}

/* ---- addresses ---- */

int sock_addr_in(struct sockaddr_any *addr, const void __user *uaddr, s32 len)
{
	if (len < 0 || len > (s32)sizeof(*addr))
		return -EINVAL;
	memset(addr, 0, sizeof(*addr));
	return len ? copy_from_user(addr, uaddr, len) : 0;
}

int sock_addr_out(const struct sockaddr_any *addr, s32 len, void __user *uaddr, s32 __user *ulen)
{
	s32 room;

	if (get_user(room, ulen))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (copy_to_user(uaddr, addr, MIN(room, len)))
		return -EFAULT;
	return put_user(len, ulen);
}

/* ---- making and connecting ---- */

static long split_type(int *type, u32 *flags)
{
	*flags = (u32)*type & ~(u32)SOCK_TYPE_MASK;
	*type &= SOCK_TYPE_MASK;
	return *flags & ~(u32)(SOCK_CLOEXEC | SOCK_NONBLOCK) ? -EINVAL : 0;
}

SYSCALL3(socket, s32, domain, s32, type, s32, protocol)
{
	struct file *f;
	u32 flags;
	long ret = split_type(&type, &flags);

	if (!ret)
		ret = sock_create_file(domain, type, protocol, flags, &f);
	return ret ? ret : fd_install_new(f, flags);
}

static long pair_files(struct file *f[2], s32 __user *ufds, u32 flags)
{
	s32 fd[2];
	int ret;

	fd[0] = ret = fd_reserve(flags);
	if (ret < 0)
		return ret;
	fd[1] = ret = fd_reserve(flags);
	if (ret >= 0)
		ret = copy_to_user(ufds, fd, sizeof(fd));
	if (ret) {
		if (fd[1] >= 0)
			fd_release(fd[1]);
		fd_release(fd[0]);
		return ret;
	}
	fd_install(fd[0], file_get(f[0]));
	fd_install(fd[1], file_get(f[1]));
	return 0;
}

SYSCALL4(socketpair, s32, domain, s32, type, s32, protocol, s32 __user *, ufds)
{
	struct file *f[2] = {NULL, NULL};
	struct socket *a, *b;
	u32 flags;
	long ret = split_type(&type, &flags);

	if (!ret)
		ret = sock_create_file(domain, type, protocol, flags, &f[0]);
	if (!ret)
		ret = sock_create_file(domain, type, protocol, flags, &f[1]);
	if (!ret) {
		a = f[0]->private;
		b = f[1]->private;
		ret = a->ops->socketpair ? a->ops->socketpair(a, b) : -EOPNOTSUPP;
	}
	if (!ret)
		ret = pair_files(f, ufds, flags);
	if (f[0])
		file_put(f[0]);
	if (f[1])
		file_put(f[1]);
	return ret;
}

/* sock_get() and sock_addr_in(). */
static int sock_get_addr(int fd, struct fdref *r, struct socket **s, struct sockaddr_any *addr,
			 const void __user *uaddr, s32 len)
{
	int ret = sock_get(fd, r, s);

	if (ret)
		return ret;
	ret = sock_addr_in(addr, uaddr, len);
	if (ret)
		fdref_put(*r);
	return ret;
}

SYSCALL3(bind, s32, fd, const void __user *, uaddr, s32, len)
{
	struct sockaddr_any addr;
	struct socket *s;
	struct fdref r;
	int ret = sock_get_addr(fd, &r, &s, &addr, uaddr, len);

	if (ret)
		return ret;
	ret = s->ops->bind(s, &addr, len);
	fdref_put(r);
	return ret;
}

SYSCALL3(connect, s32, fd, const void __user *, uaddr, s32, len)
{
	struct sockaddr_any addr;
	struct socket *s;
	struct fdref r;
	int ret = sock_get_addr(fd, &r, &s, &addr, uaddr, len);

	if (ret)
		return ret;
	ret = s->ops->connect(s, &addr, len, r.f->flags & O_NONBLOCK);
	fdref_put(r);
	return ret;
}

SYSCALL2(listen, s32, fd, s32, backlog)
{
	struct socket *s;
	struct fdref r;
	int ret = sock_get(fd, &r, &s);

	if (ret)
		return ret;
	ret = s->ops->listen(s, (u32)backlog > 4096 ? 4096 : backlog);
	fdref_put(r);
	return ret;
}

/* Accepts into a new file; tells the peer's address if asked. */
static struct file *accept_file(struct socket *s, u32 flags, bool nonblock, void __user *uaddr, s32 __user *ulen)
{
	struct socket *child = sock_alloc(s->domain, s->type, s->protocol);
	struct sockaddr_any addr = {0};
	struct file *f;
	int ret, len;

	if (!child)
		return ERR_PTR(-ENOMEM);
	ret = s->ops->accept(s, child, nonblock);
	if (ret) {
		kfree(child);
		return ERR_PTR(ret);
	}
	f = sock_file(child, flags);
	if (IS_ERR(f) || !uaddr)
		return f;
	len = child->ops->getname(child, &addr, SOCK_ACCEPTED);
	ret = len < 0 ? -ECONNABORTED : sock_addr_out(&addr, len, uaddr, ulen);
	if (ret) {
		file_put(f);
		return ERR_PTR(ret);
	}
	return f;
}

static long do_accept(int fd, void __user *uaddr, s32 __user *ulen, u32 flags)
{
	struct socket *s;
	struct fdref r;
	struct file *f;
	int ret, newfd;

	if (flags & ~(u32)(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	ret = sock_get(fd, &r, &s);
	if (ret)
		return ret;
	newfd = fd_reserve(flags);
	if (newfd < 0) {
		fdref_put(r);
		return newfd;
	}
	f = accept_file(s, flags, r.f->flags & O_NONBLOCK, uaddr, ulen);
	fdref_put(r);
	if (IS_ERR(f)) {
		fd_release(newfd);
		return PTR_ERR(f);
	}
	fd_install(newfd, f);
	return newfd;
}

SYSCALL3(accept, s32, fd, void __user *, uaddr, s32 __user *, ulen)
{
	return do_accept(fd, uaddr, ulen, 0);
}

SYSCALL4(accept4, s32, fd, void __user *, uaddr, s32 __user *, ulen, u32, flags)
{
	return do_accept(fd, uaddr, ulen, flags);
}

static long do_getname(int fd, void __user *uaddr, s32 __user *ulen, enum sock_end end)
{
	struct sockaddr_any addr = {0};
	struct socket *s;
	struct fdref r;
	int ret = sock_get(fd, &r, &s);

	if (ret)
		return ret;
	ret = s->ops->getname(s, &addr, end);
	if (ret >= 0)
		ret = sock_addr_out(&addr, ret, uaddr, ulen);
	fdref_put(r);
	return ret;
}

SYSCALL3(getsockname, s32, fd, void __user *, uaddr, s32 __user *, ulen)
{
	return do_getname(fd, uaddr, ulen, SOCK_OWN);
}

SYSCALL3(getpeername, s32, fd, void __user *, uaddr, s32 __user *, ulen)
{
	return do_getname(fd, uaddr, ulen, SOCK_PEER);
}

SYSCALL2(shutdown, s32, fd, s32, how)
{
	struct socket *s;
	struct fdref r;
	int ret = sock_get(fd, &r, &s);

	if (ret)
		return ret;
	ret = how < 0 || how > 2 ? -EINVAL : s->ops->shutdown(s, (u32)how + 1);
	fdref_put(r);
	return ret;
}

/* ---- options ---- */

SYSCALL5(setsockopt, s32, fd, s32, level, s32, opt, const void __user *, uval, s32, len)
{
	u64 small[16];
	void *val = small;
	struct socket *s;
	struct fdref r;
	int ret;

	if (len < 0 || len > OPTION_MAX)
		return -EINVAL;
	ret = sock_get(fd, &r, &s);
	if (ret)
		return ret;
	memset(small, 0, sizeof(small));
	if ((u32)len > sizeof(small))
		val = kzalloc(len);
	if (!val)
		ret = -ENOMEM;
	else
		ret = copy_from_user(val, uval, len);
	if (!ret && level == SOL_SOCKET)
		ret = sock_set_option(s, opt, val, len);
	else if (!ret)
		ret = s->ops->setsockopt ? s->ops->setsockopt(s, level, opt, val, len) : -ENOPROTOOPT;
	if (val != small)
		kfree(val);
	fdref_put(r);
	return ret;
}

SYSCALL5(getsockopt, s32, fd, s32, level, s32, opt, void __user *, uval, s32 __user *, ulen)
{
	struct socket *s;
	struct fdref r;
	void *val = NULL;
	s32 room;
	u32 len;
	int ret;

	ret = sock_get(fd, &r, &s);
	if (ret)
		return ret;
	ret = get_user(room, ulen);
	if (!ret && room < 0)
		ret = -EINVAL;
	if (!ret && !(val = kzalloc(OPTION_MAX)))
		ret = -ENOMEM;
	if (!ret) {
		len = MIN((u32)room, (u32)OPTION_MAX);
		if (level == SOL_SOCKET)
			ret = sock_get_option(s, opt, val, &len);
		else
			ret = s->ops->getsockopt ? s->ops->getsockopt(s, level, opt, val, &len) : -ENOPROTOOPT;
		if (ret == -ERANGE) /* tell how much room it takes */
			put_user((s32)len, ulen);
	}
	if (!ret && (copy_to_user(uval, val, MIN(len, (u32)room)) || put_user((s32)len, ulen)))
		ret = -EFAULT;
	kfree(val);
	fdref_put(r);
	return ret;
}

void net_init(void)
{
	unix_init();
	inet_init();
	netlink_init();
	net_proc_init();
}
