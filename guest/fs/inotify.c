/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify: the descriptors, each with its queue of events, and the system calls. The watches are in fsnotify.c.
 *
 * Lock: instance->lock guards the queue; its wait queue's lock is inside.
 */
#include <gk/init.h>
#include <gk/poll.h>
#include "inotify.h"
#include "internal.h"

#define FIONREAD 0x541B
#define IN_FLAGS (IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD | IN_ISDIR | IN_ONESHOT)
#define MAX_QUEUED_EVENTS 16384

struct inotify_event { /* as programs see it */
	s32 wd;
	u32 mask, cookie, len;
};

struct event {
	struct list_head link;
	struct inotify_event head; /* len: padded length of the name */
	u32 name_len;
	char name[];
};

/* ---- the queue ---- */

static u32 padded(u32 name_len)
{
	return name_len ? ALIGN_UP(name_len + 1, (u32)sizeof(struct inotify_event)) : 0;
}

/* in->lock held. Like the newest event: one of them is enough. */
static bool same_as_last(struct inotify *in, const struct inotify_event *ev, const char *name, u32 name_len)
{
	struct event *e;

	if (list_empty(&in->events))
		return false;
	e = list_last_entry(&in->events, struct event, link);
	return e->head.wd == ev->wd && e->head.mask == ev->mask && e->head.cookie == ev->cookie &&
	       e->name_len == name_len && !memcmp(e->name, name, name_len);
}

void inotify_queue(struct inotify *in, s32 wd, u32 mask, u32 cookie, const char *name)
{
	u32 len = name ? (u32)strlen(name) : 0;
	struct inotify_event ev = {wd, mask, cookie, padded(len)};
	struct event *e = kmalloc(sizeof(*e) + len);

	spin_lock(&in->lock);
	if (same_as_last(in, &ev, name, len)) {
		spin_unlock(&in->lock);
		kfree(e);
		return;
	}
	if (e && in->nr_events < MAX_QUEUED_EVENTS) {
		e->head = ev;
		e->name_len = len;
		memcpy(e->name, name, len);
	} else {
		kfree(e);
		e = in->overflowed ? NULL : in->overflow;
		in->overflowed = true;
	}
	if (e) {
		list_add_tail(&e->link, &in->events);
		in->nr_events++;
	}
	spin_unlock(&in->lock);
	if (e)
		wake_up_poll(&in->wait, EPOLLIN | EPOLLRDNORM);
}

/* ---- the descriptor ---- */

static void event_free(struct inotify *in, struct event *e)
{
	if (e != in->overflow)
		kfree(e);
}

/* read_mutex held. The oldest event if its record fits into @room: NULL nothing there, ERR_PTR(-EINVAL) too small. */
static struct event *take_event(struct inotify *in, size_t room)
{
	struct event *e;

	spin_lock(&in->lock);
	e = list_first_entry_or_null(&in->events, struct event, link);
	if (e && sizeof(e->head) + e->head.len > room) {
		e = ERR_PTR(-EINVAL);
	} else if (e) {
		list_del(&e->link);
		in->nr_events--;
		if (e == in->overflow)
			in->overflowed = false;
	}
	spin_unlock(&in->lock);
	return e;
}

static bool put_event(const struct event *e, struct iov_iter *it)
{
	u32 pad = e->head.len - e->name_len;

	return copy_to_iter(&e->head, sizeof(e->head), it) == sizeof(e->head) &&
	       copy_to_iter(e->name, e->name_len, it) == e->name_len && zero_iter(pad, it) == pad;
}

static ssize_t read_locked(struct inotify *in, struct file *f, struct iov_iter *it)
{
	ssize_t done = 0;
	int ret;

	for (;;) {
		struct event *e = take_event(in, it->count);
		size_t n;
		bool ok;

		if (IS_ERR(e))
			return done ? done : PTR_ERR(e);
		if (e) {
			n = sizeof(e->head) + e->head.len;
			ok = put_event(e, it);
			event_free(in, e);
			if (!ok)
				return -EFAULT;
			done += n;
			continue;
		}
		if (done)
			return done;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		ret = wait_event_interruptible(&in->wait, !list_empty(&in->events));
		if (ret)
			return ret;
	}
}

static ssize_t inotify_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct inotify *in = f->private;
	ssize_t ret;

	if (mutex_lock_interruptible(&in->read_mutex))
		return -ERESTARTSYS;
	ret = read_locked(in, f, it);
	mutex_unlock(&in->read_mutex);
	return ret;
}

static u32 inotify_poll(struct file *f, struct poll_table *pt)
{
	struct inotify *in = f->private;

	poll_wait(f, &in->wait, pt);
	return list_empty(&in->events) ? 0 : EPOLLIN | EPOLLRDNORM;
}

static long inotify_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct inotify *in = f->private;
	struct event *e;
	u32 n = 0;

	if (cmd != FIONREAD)
		return -ENOIOCTLCMD;
	spin_lock(&in->lock);
	list_for_each_entry(e, &in->events, link)
		n += sizeof(e->head) + e->head.len;
	spin_unlock(&in->lock);
	return put_user((s32)n, (s32 __user *)arg);
}

static void inotify_release(struct file *f)
{
	struct inotify *in = f->private;
	struct event *e, *n;

	watches_end(in);
	list_for_each_entry_safe(e, n, &in->events, link)
		event_free(in, e);
	kfree(in->overflow);
	kfree(in);
}

static int inotify_fdinfo(struct file *f, char *buf, size_t size)
{
	return (int)watches_show(f->private, buf, size);
}

static const struct file_ops inotify_ops = {
	.release = inotify_release,
	.read = inotify_read,
	.poll = inotify_poll,
	.ioctl = inotify_ioctl,
	.fdinfo = inotify_fdinfo,
};

/* ---- system calls ---- */

static long do_inotify_init(u32 flags)
{
	struct inotify *in;
	struct file *f;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	in = kzalloc(sizeof(*in));
	if (in)
		in->overflow = kzalloc(sizeof(*in->overflow));
	if (!in || !in->overflow) {
		kfree(in);
		return -ENOMEM;
	}
	in->overflow->head = (struct inotify_event){-1, IN_Q_OVERFLOW, 0, 0};
	list_init(&in->events);
	list_init(&in->watches);
	wait_queue_init(&in->wait);
	mutex_init(&in->read_mutex);
	mutex_init(&in->watch_mutex);
	f = anon_file("inotify", &inotify_ops, in, O_RDONLY | (flags & O_NONBLOCK));
	if (IS_ERR_OR_NULL(f)) {
		kfree(in->overflow);
		kfree(in);
		return f ? PTR_ERR(f) : -ENOMEM;
	}
	return fd_install_new(f, flags);
}

SYSCALL0(inotify_init)
{
	return do_inotify_init(0);
}

SYSCALL1(inotify_init1, u32, flags)
{
	return do_inotify_init(flags);
}

static struct inotify *file_inotify(const struct file *f)
{
	return f->ops == &inotify_ops ? f->private : NULL;
}

static long add_watch(struct inotify *in, const char __user *name, u32 mask)
{
	u32 lookup = (mask & IN_DONT_FOLLOW ? 0 : LOOKUP_FOLLOW) | (mask & IN_ONLYDIR ? LOOKUP_DIRECTORY : 0);
	struct path path;
	long ret = user_path_at(AT_FDCWD, name, lookup, &path);

	if (ret)
		return ret;
	ret = inode_permission(path.dentry->inode, MAY_READ);
	if (!ret) {
		mutex_lock(&in->watch_mutex);
		ret = watch_set(in, path.dentry->inode, mask);
		mutex_unlock(&in->watch_mutex);
	}
	path_put(&path);
	return ret;
}

SYSCALL3(inotify_add_watch, s32, fd, const char __user *, name, u32, mask)
{
	struct file *f;
	long ret;

	if (!(mask & (IN_ALL_EVENTS | IN_FLAGS)) || (mask & ~(IN_WATCHABLE | IN_FLAGS)))
		return -EINVAL;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	if (!file_inotify(f) || ((mask & IN_MASK_ADD) && (mask & IN_MASK_CREATE)))
		ret = -EINVAL;
	else
		ret = add_watch(file_inotify(f), name, mask);
	file_put(f);
	return ret;
}

static long rm_watch(struct inotify *in, s32 wd)
{
	long ret;

	mutex_lock(&in->watch_mutex);
	ret = watch_end(in, wd);
	mutex_unlock(&in->watch_mutex);
	return ret;
}

SYSCALL2(inotify_rm_watch, s32, fd, s32, wd)
{
	struct file *f = fd_get(fd);
	long ret;

	if (!f)
		return -EBADF;
	ret = file_inotify(f) ? rm_watch(file_inotify(f), wd) : -EINVAL;
	file_put(f);
	return ret;
}
