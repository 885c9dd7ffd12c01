/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls that move data through sockets: send, recv and their relatives. A message header is brought into the
 * kernel as a whole (struct msg_in) before the family sees it.
 */
#include "net/internal.h"

#include <gk/slab.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/time.h>

#define CONTROL_MAX 65536

/* ---- one buffer ---- */

/* The socket @fd, and the program's buffer in @m. 0 or -errno; then fdref_put(*r) in the end. */
static int begin(int fd, const void __user *buf, size_t len, struct sock_msg *m, struct iovec *v, struct fdref *r,
		 struct socket **s)
{
	int ret;

	len = MIN(len, (size_t)MAX_RW_COUNT);
	if (!buffer_ok((u64)buf, len))
		return -EFAULT;
	ret = sock_get(fd, r, s);
	if (ret)
		return ret;
	iter_init_user(&m->it, v, (void __user *)(u64)buf, len);
	if (r->f->flags & O_NONBLOCK)
		m->flags |= MSG_DONTWAIT;
	return 0;
}

SYSCALL6(sendto, s32, fd, const void __user *, buf, size_t, len, u32, flags, const void __user *, uaddr, s32, addrlen)
{
	struct sockaddr_any addr;
	struct sock_msg m = {.flags = flags};
	struct iovec v;
	struct socket *s;
	struct fdref r;
	long ret = begin(fd, buf, len, &m, &v, &r, &s);

	if (ret)
		return ret;
	if (uaddr) {
		ret = sock_addr_in(&addr, uaddr, addrlen);
		m.name = &addr;
		m.namelen = addrlen;
	}
	if (!ret)
		ret = s->ops->sendmsg(s, &m);
	fdref_put(r);
	return ret;
}

SYSCALL6(recvfrom, s32, fd, void __user *, buf, size_t, len, u32, flags, void __user *, uaddr, s32 __user *, ulen)
{
	struct sockaddr_any addr = {0};
	struct sock_msg m = {.flags = flags};
	struct iovec v;
	struct socket *s;
	struct fdref r;
	long ret = begin(fd, buf, len, &m, &v, &r, &s);

	if (ret)
		return ret;
	m.name = uaddr ? &addr : NULL;
	ret = s->ops->recvmsg(s, &m);
	if (ret >= 0 && uaddr && sock_addr_out(&addr, m.namelen, uaddr, ulen))
		ret = -EFAULT;
	fdref_put(r);
	return ret;
}

/* ---- message headers ---- */

/* As programs have it. */
struct user_msghdr {
	void __user *name;
	s32 namelen;
	u32 pad;
	struct iovec __user *iov;
	u64 iovlen;
	void __user *control;
	u64 controllen;
	u32 flags;
	u32 pad2;
};
_Static_assert(sizeof(struct user_msghdr) == 56, "struct msghdr");

struct user_mmsghdr {
	struct user_msghdr hdr;
	u32 len;
	u32 pad;
};

/* A message header brought into the kernel. */
struct msg_in {
	struct user_msghdr u;
	struct sock_msg m;
	struct sockaddr_any addr;
	struct iovec fast[8], *iov;
	void *control;
};

static void msg_done(struct msg_in *in)
{
	if (in->iov != in->fast)
		kfree(in->iov);
	kfree(in->control);
}

static long msg_import(struct msg_in *in, const struct user_msghdr __user *uhdr)
{
	ssize_t n;

	in->iov = in->fast;
	in->control = NULL;
	in->m = (struct sock_msg){0};
	if (copy_from_user(&in->u, uhdr, sizeof(in->u)))
		return -EFAULT;
	if (in->u.namelen < 0)
		return -EINVAL;
	if (in->u.iovlen > UIO_MAXIOV)
		return -EMSGSIZE;
	n = iter_import(&in->m.it, in->u.iov, in->u.iovlen, in->fast, &in->iov);
	return n < 0 ? n : 0;
}

static long import_control(struct msg_in *in)
{
	if (!in->u.controllen)
		return 0;
	if (in->u.controllen > CONTROL_MAX)
		return -ENOBUFS;
	in->control = kmalloc(in->u.controllen);
	if (!in->control)
		return -ENOMEM;
	if (copy_from_user(in->control, in->u.control, in->u.controllen))
		return -EFAULT;
	in->m.control = in->control;
	in->m.control_len = in->u.controllen;
	return 0;
}

static long do_sendmsg(struct socket *s, struct file *f, const struct user_msghdr __user *uhdr, u32 flags)
{
	struct msg_in in;
	long ret = msg_import(&in, uhdr);

	if (!ret && in.u.name && in.u.namelen) {
		in.m.name = &in.addr;
		in.m.namelen = MIN(in.u.namelen, (s32)sizeof(in.addr));
		ret = sock_addr_in(&in.addr, in.u.name, (s32)in.m.namelen);
	}
	if (!ret)
		ret = import_control(&in);
	if (!ret) {
		in.m.flags = flags | (f->flags & O_NONBLOCK ? MSG_DONTWAIT : 0);
		ret = s->ops->sendmsg(s, &in.m);
	}
	msg_done(&in);
	return ret;
}

static long do_recvmsg(struct socket *s, struct file *f, struct user_msghdr __user *uhdr, u32 flags)
{
	struct msg_in in;
	long ret = msg_import(&in, uhdr);

	if (!ret) {
		memset(&in.addr, 0, sizeof(in.addr));
		in.m.name = in.u.name ? &in.addr : NULL;
		in.m.control_out = in.u.control;
		in.m.control_room = in.u.control ? in.u.controllen : 0;
		in.m.flags = flags | (f->flags & O_NONBLOCK ? MSG_DONTWAIT : 0);
		ret = s->ops->recvmsg(s, &in.m);
	}
	if (ret >= 0) {
		u64 used = in.u.control ? in.u.controllen - in.m.control_room : 0;

		if (in.u.name && (copy_to_user(in.u.name, &in.addr, MIN((u32)in.u.namelen, in.m.namelen)) ||
				  put_user((s32)in.m.namelen, &uhdr->namelen)))
			ret = -EFAULT;
		if (put_user(in.m.out_flags | (flags & MSG_CMSG_CLOEXEC), &uhdr->flags) ||
		    put_user(used, &uhdr->controllen))
			ret = -EFAULT;
	}
	msg_done(&in);
	return ret;
}

SYSCALL3(sendmsg, s32, fd, const struct user_msghdr __user *, uhdr, u32, flags)
{
	struct socket *s;
	struct fdref r;
	long ret = sock_get(fd, &r, &s);

	if (ret)
		return ret;
	ret = do_sendmsg(s, r.f, uhdr, flags);
	fdref_put(r);
	return ret;
}

SYSCALL3(recvmsg, s32, fd, struct user_msghdr __user *, uhdr, u32, flags)
{
	struct socket *s;
	struct fdref r;
	long ret = sock_get(fd, &r, &s);

	if (ret)
		return ret;
	ret = do_recvmsg(s, r.f, uhdr, flags & ~(u32)MSG_WAITFORONE);
	fdref_put(r);
	return ret;
}

SYSCALL4(sendmmsg, s32, fd, struct user_mmsghdr __user *, vec, u32, count, u32, flags)
{
	struct socket *s;
	struct fdref r;
	long ret = sock_get(fd, &r, &s);
	u32 i;

	if (ret)
		return ret;
	count = MIN(count, (u32)UIO_MAXIOV);
	for (i = 0; i < count; i++) {
		ret = do_sendmsg(s, r.f, &vec[i].hdr, flags);
		if (ret < 0)
			break;
		if (put_user((u32)ret, &vec[i].len)) {
			ret = -EFAULT;
			break;
		}
		ret = 0;
		cond_resched();
	}
	fdref_put(r);
	return i ? (long)i : ret;
}

static long recv_many(struct socket *s, struct file *f, struct user_mmsghdr __user *vec, u32 count, u32 flags,
		      ktime_t deadline)
{
	long ret = sock_take_error(s);
	u32 i;

	for (i = 0; !ret && i < count; i++) {
		ret = do_recvmsg(s, f, &vec[i].hdr, flags & ~(u32)MSG_WAITFORONE);
		if (ret < 0)
			break;
		if (put_user((u32)ret, &vec[i].len)) {
			ret = -EFAULT;
			break;
		}
		ret = 0;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (deadline != KTIME_NEVER && ktime_mono() >= deadline) {
			i++;
			break;
		}
		cond_resched();
	}
	/* An error after the first message is kept for the next call. */
	if (i && ret && ret != -EAGAIN)
		WRITE_ONCE(*s->errorp, (s32)-ret);
	return i ? (long)i : ret;
}

SYSCALL5(recvmmsg, s32, fd, struct user_mmsghdr __user *, vec, u32, count, u32, flags, struct timespec64 __user *, uts)
{
	ktime_t deadline, now;
	struct socket *s;
	struct fdref r;
	long ret = timeout_from_user(uts, &deadline);

	if (!ret)
		ret = sock_get(fd, &r, &s);
	if (ret)
		return ret;
	ret = recv_many(s, r.f, vec, MIN(count, (u32)UIO_MAXIOV), flags, deadline);
	fdref_put(r);
	if (uts && ret > 0) {
		now = ktime_mono();
		if (timespec_to_user(uts, deadline > now ? deadline - now : 0))
			ret = -EFAULT;
	}
	return ret;
}
