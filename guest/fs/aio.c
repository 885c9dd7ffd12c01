/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asynchronous I/O of old (io_setup and friends). Requests are done by io_submit() itself, as Linux does where a file
 * system cannot do better, and wait as finished events for io_getevents(). So nothing is ever in flight: io_cancel()
 * finds nothing.
 *
 * A context belongs to an address space. Its number is the address of a page of zeroes in it: the C library looks there
 * for a ring it could read itself, and finds none. mm->aio, the list of contexts, and their places are under aio_lock.
 */
#include <gk/eventfd.h>
#include <gk/init.h>
#include <gk/poll.h>
#include <gk/pseudo.h>
#include <gk/signal.h>
#include <gk/slab.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/time.h>
#include "internal.h"

enum { IOCB_PREAD, IOCB_PWRITE, IOCB_FSYNC, IOCB_FDSYNC, IOCB_NOOP = 6, IOCB_PREADV, IOCB_PWRITEV };
#define IOCB_FLAG_RESFD 1u
#define AIO_MAX 65536u
#define PROT_READ 1u
#define MAP_PRIVATE_ANON 0x22u

struct iocb {
	u64 data;
	u32 key, rw_flags;
	u16 opcode;
	s16 reqprio;
	s32 fd;
	u64 buf, nbytes;
	s64 offset;
	u64 reserved2;
	u32 flags, resfd;
};
_Static_assert(sizeof(struct iocb) == 64, "struct iocb");

struct io_event {
	u64 data, obj;
	s64 res, res2;
};

struct done {
	struct list_head link;
	struct io_event event;
};

struct aio_ctx {
	refcount_t refs;
	u64 id;
	u32 max;
	bool dead; /* lock */
	spinlock_t lock;
	struct list_head events; /* lock: struct done */
	u32 nr;			 /* lock: of them, and of those being made */
	u32 ready;		 /* lock: of them */
	struct wait_queue wait;
	struct aio_ctx *next; /* aio_lock: mm->aio */
};

static spinlock_t aio_lock;
static u32 aio_nr, aio_max = AIO_MAX; /* aio_lock: requests that contexts have room for */

/* ---- contexts ---- */

static void ctx_put(struct aio_ctx *c)
{
	struct done *d, *n;

	if (!refcount_dec_and_test(&c->refs))
		return;
	list_for_each_entry_safe(d, n, &c->events, link)
		kfree(d);
	kfree(c);
}

static struct aio_ctx *ctx_get(u64 id)
{
	struct aio_ctx *c;

	spin_lock(&aio_lock);
	for (c = current->mm->aio; c && c->id != id; c = c->next)
		;
	if (c)
		refcount_inc(&c->refs);
	spin_unlock(&aio_lock);
	return c;
}

static void ctx_kill(struct aio_ctx *c)
{
	spin_lock(&c->lock);
	c->dead = true;
	spin_unlock(&c->lock);
	wake_up_all(&c->wait);
	ctx_put(c);
}

void aio_exit(struct mm *mm)
{
	struct aio_ctx *c;

	while ((c = mm->aio)) {
		mm->aio = c->next;
		spin_lock(&aio_lock);
		aio_nr -= c->max;
		spin_unlock(&aio_lock);
		ctx_kill(c);
	}
}

static struct aio_ctx *ctx_new(u32 max)
{
	struct aio_ctx *c = kzalloc(sizeof(*c));

	if (!c)
		return NULL;
	refcount_set(&c->refs, 1);
	c->max = max;
	list_init(&c->events);
	wait_queue_init(&c->wait);
	return c;
}

/* Gives @c, which has its page, to the program. */
static int ctx_publish(struct aio_ctx *c)
{
	struct mm *mm = current->mm;
	bool room;

	spin_lock(&aio_lock);
	room = c->max <= aio_max && aio_nr <= aio_max - c->max;
	if (room) {
		aio_nr += c->max;
		c->next = mm->aio;
		mm->aio = c;
	}
	spin_unlock(&aio_lock);
	return room ? 0 : -EAGAIN;
}

static struct aio_ctx *ctx_unpublish(u64 id)
{
	struct aio_ctx **p = NULL, *c;

	spin_lock(&aio_lock);
	for (p = (struct aio_ctx **)&current->mm->aio; *p && (*p)->id != id; p = &(*p)->next)
		;
	c = *p;
	if (c) {
		*p = c->next;
		aio_nr -= c->max;
	}
	spin_unlock(&aio_lock);
	return c;
}

SYSCALL2(io_setup, u32, nr, u64 __user *, uid)
{
	struct aio_ctx *c;
	long addr;
	u64 old;
	int err;

	if (get_user(old, uid))
		return -EFAULT;
	if (old || !nr || nr > 0x10000000 / sizeof(struct io_event))
		return -EINVAL;
	c = ctx_new(nr);
	if (!c)
		return -ENOMEM;
	addr = do_mmap(current->mm, NULL, 0, PAGE_SIZE, PROT_READ, MAP_PRIVATE_ANON, 0);
	if (addr < 0) {
		ctx_put(c);
		return addr;
	}
	c->id = (u64)addr;
	err = ctx_publish(c);
	if (err) {
		ctx_put(c);
		do_munmap(current->mm, (u64)addr, PAGE_SIZE);
		return err;
	}
	if (put_user((u64)addr, uid)) {
		c = ctx_unpublish((u64)addr);
		if (c)
			ctx_kill(c);
		do_munmap(current->mm, (u64)addr, PAGE_SIZE);
		return -EFAULT;
	}
	return 0;
}

SYSCALL1(io_destroy, u64, id)
{
	struct aio_ctx *c = ctx_unpublish(id);

	if (!c)
		return -EINVAL;
	do_munmap(current->mm, id, PAGE_SIZE);
	ctx_kill(c);
	return 0;
}

/* ---- requests ---- */

/* The buffers of @b: 0, or -errno. */
static int import_buffers(const struct iocb *b, struct iov_iter *it, struct iovec fast[8], struct iovec **iov)
{
	ssize_t n;

	*iov = fast;
	if (b->opcode >= IOCB_PREADV) {
		n = iter_import(it, (const struct iovec __user *)b->buf, b->nbytes, fast, iov);
		return n < 0 ? (int)n : 0;
	}
	if (!buffer_ok(b->buf, b->nbytes))
		return -EFAULT;
	iter_init_user(it, fast, (void __user *)b->buf, MIN(b->nbytes, (u64)MAX_RW_COUNT));
	return 0;
}

static s64 rw_request(struct file *f, const struct iocb *b, bool write, int *err)
{
	struct iovec fast[8], *iov;
	struct iov_iter it;
	loff_t pos = b->offset;
	ssize_t n = 0;

	*err = vfs_check_rw_flags(b->rw_flags, write);
	if (!*err)
		*err = import_buffers(b, &it, fast, &iov);
	if (*err)
		return 0;
	if (vfs_range_ok(pos, it.count))
		n = vfs_rw_flags(f, &it, &pos, b->rw_flags, write);
	else
		*err = -EINVAL;
	if (iov != fast)
		kfree(iov);
	/* Nobody could restart it. */
	return n == -ERESTARTSYS || n == -ERESTARTNOHAND || n == -ERESTART_RESTARTBLOCK ? -EINTR : n;
}

/* What the request gives, or in *err why it cannot even begin. */
static s64 perform(struct file *f, const struct iocb *b, int *err)
{
	const bool write = b->opcode == IOCB_PWRITE || b->opcode == IOCB_PWRITEV;

	switch (b->opcode) {
	case IOCB_PREAD:
	case IOCB_PREADV:
	case IOCB_PWRITE:
	case IOCB_PWRITEV:
		if (!(f->fmode & (write ? FMODE_WRITE : FMODE_READ)))
			*err = -EBADF;
		else if (write ? !f->ops->write : !f->ops->read)
			*err = -EINVAL;
		else
			return rw_request(f, b, write, err);
		return 0;
	case IOCB_FSYNC:
	case IOCB_FDSYNC:
		if (f->ops->fsync && !b->buf && !b->offset && !b->nbytes && !b->rw_flags)
			return vfs_fsync(f, 0, MAX_LFS_FILESIZE, b->opcode == IOCB_FDSYNC);
		*err = -EINVAL;
		return 0;
	}
	*err = -EINVAL;
	return 0;
}

/* A place for one event: 0, -EAGAIN (full), -EINVAL (destroyed). */
static int take_slot(struct aio_ctx *c)
{
	int ret = 0;

	spin_lock(&c->lock);
	if (c->dead)
		ret = -EINVAL;
	else if (c->nr >= c->max)
		ret = -EAGAIN;
	else
		c->nr++;
	spin_unlock(&c->lock);
	return ret;
}

static void drop_slot(struct aio_ctx *c)
{
	spin_lock(&c->lock);
	c->nr--;
	spin_unlock(&c->lock);
}

static void finish(struct aio_ctx *c, struct done *d)
{
	spin_lock(&c->lock);
	list_add_tail(&d->link, &c->events);
	c->ready++;
	spin_unlock(&c->lock);
	wake_up_all(&c->wait);
}

static int check_request(const struct iocb *b)
{
	return b->reserved2 || (s64)b->nbytes < 0 ? -EINVAL : 0;
}

static int submit_one(struct aio_ctx *c, struct iocb __user *ub)
{
	struct file *f = NULL, *efd = NULL;
	struct done *d = NULL;
	struct iocb b;
	int err;

	if (copy_from_user(&b, ub, sizeof(b)))
		return -EFAULT;
	err = check_request(&b);
	if (!err)
		err = take_slot(c);
	if (err)
		return err;
	d = kmalloc(sizeof(*d));
	f = fd_get(b.fd);
	if (!d || !f)
		err = d ? -EBADF : -EAGAIN;
	if (!err && (b.flags & IOCB_FLAG_RESFD)) {
		efd = eventfd_get((int)b.resfd);
		if (IS_ERR(efd)) {
			err = (int)PTR_ERR(efd);
			efd = NULL;
		}
	}
	if (!err && put_user(0u, &ub->key))
		err = -EFAULT;
	if (!err)
		d->event = (struct io_event){b.data, (u64)ub, perform(f, &b, &err), 0};
	if (err) {
		kfree(d);
		drop_slot(c);
	} else {
		finish(c, d);
		if (efd)
			eventfd_signal(efd);
	}
	if (efd)
		file_put(efd);
	if (f)
		file_put(f);
	return err;
}

SYSCALL3(io_submit, u64, id, s64, nr, u64 __user *, ubs)
{
	struct aio_ctx *c;
	int err = 0;
	s64 i;
	u64 ub;

	if (nr < 0)
		return -EINVAL;
	c = ctx_get(id);
	if (!c)
		return -EINVAL;
	nr = MIN(nr, (s64)c->max);
	for (i = 0; i < nr; i++) {
		err = get_user(ub, ubs + i) ? -EFAULT : submit_one(c, (struct iocb __user *)ub);
		if (err)
			break;
		if (signal_pending() && i + 1 < nr) {
			i++;
			break;
		}
		cond_resched();
	}
	ctx_put(c);
	return i ? i : err;
}

SYSCALL3(io_cancel, u64, id, struct iocb __user *, ub, struct io_event __user *, result)
{
	u32 key;

	/* Whatever was submitted is done: there is nothing to be found. */
	return copy_from_user(&key, &ub->key, sizeof(key)) ? -EFAULT : -EINVAL;
}

/* ---- events ---- */

/* Up to @max finished ones to @out: how many, or -EFAULT. */
static s64 reap(struct aio_ctx *c, struct io_event __user *out, s64 max)
{
	struct done *d;
	s64 n = 0;

	while (n < max) {
		spin_lock(&c->lock);
		d = list_first_entry_or_null(&c->events, struct done, link);
		if (d) {
			list_del(&d->link);
			c->nr--;
			c->ready--;
		}
		spin_unlock(&c->lock);
		if (!d)
			break;
		if (copy_to_user(out + n, &d->event, sizeof(d->event))) {
			kfree(d);
			return n ? n : -EFAULT;
		}
		kfree(d);
		n++;
	}
	return n;
}

static long get_events(u64 id, s64 min, s64 max, struct io_event __user *out, ktime_t deadline)
{
	struct aio_ctx *c;
	s64 n = 0, got;
	int err = 0;

	if (min < 0 || max < 0 || min > max)
		return -EINVAL;
	c = ctx_get(id);
	if (!c)
		return -EINVAL;
	for (;;) {
		got = reap(c, out + n, max - n);
		if (got < 0) {
			n = n ? n : got;
			break;
		}
		n += got;
		if (n >= min || err)
			break;
		if (READ_ONCE(c->dead)) {
			err = -EINVAL;
			break;
		}
		err = wait_event_interruptible_until(&c->wait, READ_ONCE(c->ready) || READ_ONCE(c->dead), deadline);
	}
	ctx_put(c);
	if (n)
		return n;
	return err == -ETIME ? 0 : err == -ERESTARTSYS ? -EINTR : err;
}

static int get_deadline(const struct timespec64 __user *uts, ktime_t *deadline)
{
	struct timespec64 ts;

	*deadline = KTIME_NEVER;
	if (!uts)
		return 0;
	if (copy_from_user(&ts, uts, sizeof(ts)))
		return -EFAULT;
	/* Linux takes any values here. */
	if (ts.tv_sec < 0 || (!ts.tv_sec && ts.tv_nsec <= 0))
		*deadline = 0;
	else if (ts.tv_sec < (s64)(KTIME_MAX / NSEC_PER_SEC) / 2 && ts.tv_nsec >= 0)
		*deadline = deadline_after((u64)ts.tv_sec * NSEC_PER_SEC + (u64)ts.tv_nsec % (1000 * NSEC_PER_SEC));
	return 0;
}

SYSCALL5(io_getevents, u64, id, s64, min, s64, max, struct io_event __user *, out, const struct timespec64 __user *,
	 uts)
{
	ktime_t deadline;
	const int err = get_deadline(uts, &deadline);

	return err ? err : get_events(id, min, max, out, deadline);
}

struct aio_sigset {
	const u64 __user *mask;
	size_t size;
};

SYSCALL6(io_pgetevents, u64, id, s64, min, s64, max, struct io_event __user *, out, const struct timespec64 __user *,
	 uts, const struct aio_sigset __user *, usig)
{
	struct aio_sigset sig = {NULL, 0};
	ktime_t deadline;
	long ret = get_deadline(uts, &deadline);

	if (!ret && usig && copy_from_user(&sig, usig, sizeof(sig)))
		ret = -EFAULT;
	if (!ret && sig.mask)
		ret = set_user_sigmask(sig.mask, sig.size);
	if (ret)
		return ret;
	ret = get_events(id, min, max, out, deadline);
	restore_user_sigmask(ret == -EINTR);
	return ret;
}

/* ---- /proc/sys/fs ---- */

void aio_init(void)
{
	proc_file("sys/fs/aio-nr", 0444, pseudo_show_u32, NULL, &aio_nr);
	proc_file("sys/fs/aio-max-nr", 0444, pseudo_show_u32, NULL, &aio_max);
}
