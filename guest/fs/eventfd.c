/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eventfd: a 64-bit counter that is readable while it is not zero and writable while one more fits.
 * The counter and both kinds of sleepers are under the wait queue's own lock order: ctx->lock, then the queue's.
 */
#include <gk/eventfd.h>
#include <gk/fs.h>
#include <gk/poll.h>
#include <gk/slab.h>
#include <gk/printk.h>
#include <gk/syscall.h>
#include <gk/task.h>

#define EFD_SEMAPHORE 1
#define EFD_MAX 0xfffffffffffffffeull

struct eventfd {
	spinlock_t lock;
	u64 count; /* lock */
	u32 flags;
	struct wait_queue wait;
};

/* The counter's value for a reader, or false if there is none. */
static bool eventfd_take(struct eventfd *e, u64 *val)
{
	bool ok;

	spin_lock(&e->lock);
	ok = e->count != 0;
	if (ok) {
		*val = e->flags & EFD_SEMAPHORE ? 1 : e->count;
		e->count -= *val;
	}
	spin_unlock(&e->lock);
	return ok;
}

static bool eventfd_add(struct eventfd *e, u64 val)
{
	bool ok;

	spin_lock(&e->lock);
	ok = EFD_MAX - e->count >= val;
	if (ok)
		e->count += val;
	spin_unlock(&e->lock);
	return ok;
}

static ssize_t eventfd_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct eventfd *e = f->private;
	u64 val;
	int err;

	if (it->count < sizeof(val))
		return -EINVAL;
	while (!eventfd_take(e, &val)) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(&e->wait, READ_ONCE(e->count) != 0);
		if (err)
			return err;
	}
	if (wait_queue_active(&e->wait))
		wake_up_poll(&e->wait, EPOLLOUT);
	return copy_to_iter(&val, sizeof(val), it) == sizeof(val) ? (ssize_t)sizeof(val) : -EFAULT;
}

static ssize_t eventfd_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct eventfd *e = f->private;
	u64 val;
	int err;

	if (it->count < sizeof(val))
		return -EINVAL;
	if (copy_from_iter(&val, sizeof(val), it) != sizeof(val))
		return -EFAULT;
	if (val == ~0ull)
		return -EINVAL;
	while (!eventfd_add(e, val)) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		err = wait_event_interruptible(&e->wait, EFD_MAX - READ_ONCE(e->count) >= val);
		if (err)
			return err;
	}
	if (wait_queue_active(&e->wait))
		wake_up_poll(&e->wait, EPOLLIN);
	return sizeof(val);
}

static u32 eventfd_poll(struct file *f, struct poll_table *pt)
{
	struct eventfd *e = f->private;
	u64 count;

	poll_wait(f, &e->wait, pt);
	count = READ_ONCE(e->count);
	return (count ? EPOLLIN : 0) | (count < EFD_MAX ? EPOLLOUT : 0);
}

static int eventfd_fdinfo(struct file *f, char *buf, size_t size)
{
	struct eventfd *e = f->private;

	return scnprintf(buf, size, "eventfd-count: %16lx\n", READ_ONCE(e->count));
}

static void eventfd_release(struct file *f)
{
	kfree(f->private);
}

static const struct file_ops eventfd_ops = {
	.release = eventfd_release,
	.read = eventfd_read,
	.write = eventfd_write,
	.poll = eventfd_poll,
	.fdinfo = eventfd_fdinfo,
};

struct file *eventfd_get(int fd)
{
	struct file *f = fd_get(fd);

	if (!f)
		return ERR_PTR(-EBADF);
	if (f->ops == &eventfd_ops)
		return f;
	file_put(f);
	return ERR_PTR(-EINVAL);
}

void eventfd_signal(struct file *f)
{
	struct eventfd *e = f->private;

	eventfd_add(e, 1);
	if (wait_queue_active(&e->wait))
		wake_up_poll(&e->wait, EPOLLIN);
}

static long do_eventfd(u32 count, u32 flags)
{
	struct eventfd *e;
	struct file *f;

	if (flags & ~(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	e = kzalloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	wait_queue_init(&e->wait);
	e->count = count;
	e->flags = flags;
	f = anon_file("[eventfd]", &eventfd_ops, e, O_RDWR | (flags & O_NONBLOCK));
	if (IS_ERR_OR_NULL(f)) {
		kfree(e);
		return f ? PTR_ERR(f) : -ENOMEM;
	}
	return fd_install_new(f, flags);
}

SYSCALL1(eventfd, u32, count)
{
	return do_eventfd(count, 0);
}

SYSCALL2(eventfd2, u32, count, u32, flags)
{
	return do_eventfd(count, flags);
}
