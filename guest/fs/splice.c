/* SPDX-License-Identifier: Apache-2.0 */
/*
 * splice, tee, vmsplice. Between two pipes pages move or are shared; to and from other files the data is copied once,
 * between the file and the pipe's pages. vmsplice copies too.
 *
 * The pipe's mutex is held across the file's read or write, as data taken from a stream must have its place in the
 * pipe.
 */
#include <gk/fs.h>
#include <gk/pipe.h>
#include <gk/poll.h>
#include <gk/slab.h>
#include <gk/syscall.h>
#include <gk/task.h>

#define SPLICE_F_MOVE 1
#define SPLICE_F_NONBLOCK 2
#define SPLICE_F_MORE 4
#define SPLICE_F_GIFT 8
#define SPLICE_F_ALL 15

static void push_page(struct pipe *p, struct page *page, u32 offset, u32 len, u32 flags)
{
	struct pipe_buf *b = pipe_slot(p, p->head);

	*b = (struct pipe_buf){page, offset, len, flags};
	smp_store_release(&p->head, p->head + 1);
}

/* p->lock held, a slot is free. Reads one page's worth: bytes, 0 at the end, or -errno. */
static ssize_t fill_page(struct pipe *p, struct file *f, loff_t *pos, size_t want)
{
	struct page *page = alloc_page(GFP_USER);
	ssize_t n;

	if (!page)
		return -ENOMEM;
	n = kernel_read(f, page_address(page), want, pos);
	if (n > 0)
		push_page(p, page, 0, n, PIPE_BUF_MERGE);
	else
		put_page(page);
	return n;
}

static ssize_t file_to_pipe(struct file *f, loff_t *pos, struct pipe *p, size_t len, bool nonblock)
{
	ssize_t done = 0, n;

	mutex_lock(&p->lock);
	n = pipe_wait_room(p, nonblock);
	if (!n && !p->readers)
		n = pipe_broken();
	while (n >= 0 && len && !pipe_full(p)) {
		size_t want = MIN(len, (size_t)PAGE_SIZE);

		/* Only the first read of a stream may sleep. */
		if (done && (f->fmode & FMODE_STREAM) && !(vfs_poll(f, NULL) & EPOLLIN))
			break;
		n = fill_page(p, f, pos, want);
		if (n <= 0)
			break;
		done += n;
		len -= n;
		if ((size_t)n < want)
			break;
	}
	mutex_unlock(&p->lock);
	if (done)
		pipe_wake_readers(p);
	return done ? done : n;
}

static ssize_t pipe_to_file(struct pipe *p, struct file *f, loff_t *pos, size_t len, bool nonblock)
{
	ssize_t done = 0, n;

	mutex_lock(&p->lock);
	n = pipe_wait_data(p, nonblock);
	while (!n && len && !pipe_empty(p)) {
		struct pipe_buf *b = pipe_slot(p, p->tail);
		size_t want = MIN(len, (size_t)b->len);

		n = kernel_write(f, (char *)page_address(b->page) + b->offset, want, pos);
		if (n <= 0)
			break;
		b->offset += n;
		b->len -= n;
		done += n;
		len -= n;
		if (!b->len)
			pipe_drop_tail(p);
		if ((size_t)n < want)
			break;
		n = 0;
	}
	mutex_unlock(&p->lock);
	if (done)
		pipe_wake_writers(p);
	return done ? done : n;
}

/*
 * Sleeps until both sides can go on; then holds both locks. 0 and data and room are there (or @in is at its end), or
 * -errno.
 */
static int lock_pipes(struct pipe *in, struct pipe *out, bool nonblock)
{
	struct pipe *a = in < out ? in : out, *b = in < out ? out : in;
	int ret;

	for (;;) {
		mutex_lock(&in->lock);
		ret = pipe_wait_data(in, nonblock);
		mutex_unlock(&in->lock);
		if (!ret) {
			mutex_lock(&out->lock);
			ret = pipe_wait_room(out, nonblock);
			mutex_unlock(&out->lock);
		}
		if (ret)
			return ret;
		mutex_lock(&a->lock);
		mutex_lock(&b->lock);
		if (!out->readers) {
			ret = -EPIPE;
			break;
		}
		if ((!pipe_empty(in) || !in->writers) && !pipe_full(out))
			return 0;
		mutex_unlock(&b->lock);
		mutex_unlock(&a->lock);
	}
	mutex_unlock(&b->lock);
	mutex_unlock(&a->lock);
	return pipe_broken();
}

/* Moves (or with @keep shares) up to @len bytes of pages. */
static ssize_t pipe_to_pipe(struct pipe *in, struct pipe *out, size_t len, bool nonblock, bool keep)
{
	ssize_t done = 0;
	int ret = lock_pipes(in, out, nonblock);
	u32 i;

	if (ret)
		return ret;
	for (i = in->tail; i != in->head && len && !pipe_full(out); i++) {
		struct pipe_buf *b = pipe_slot(in, i);
		u32 n = (u32)MIN(len, (size_t)b->len);

		if (!keep && n == b->len) {
			push_page(out, b->page, b->offset, n, b->flags);
			b->page = NULL;
			in->tail++;
		} else {
			/* Shared now: neither side may write behind its data any more. */
			b->flags &= ~(u32)PIPE_BUF_MERGE;
			get_page(b->page);
			push_page(out, b->page, b->offset, n, b->flags);
			if (!keep) {
				b->offset += n;
				b->len -= n;
			}
		}
		done += n;
		len -= n;
	}
	mutex_unlock(&in->lock);
	mutex_unlock(&out->lock);
	if (done) {
		pipe_wake_readers(out);
		if (!keep)
			pipe_wake_writers(in);
	}
	return done;
}

/* The position a side of splice uses: the program's, or the file's own. */
static int get_pos(struct file *f, const loff_t __user *uoff, u32 need, loff_t *pos)
{
	*pos = f->pos;
	if (!uoff)
		return 0;
	if (!(f->fmode & need))
		return -EINVAL;
	if (copy_from_user(pos, uoff, sizeof(*pos)))
		return -EFAULT;
	return *pos < 0 ? -EINVAL : 0;
}

static int put_pos(struct file *f, loff_t __user *uoff, loff_t pos)
{
	if (uoff)
		return copy_to_user(uoff, &pos, sizeof(pos));
	if (!(f->fmode & FMODE_STREAM))
		f->pos = pos;
	return 0;
}

static ssize_t splice_files(struct file *in, loff_t __user *off_in, struct file *out, loff_t __user *off_out,
			    size_t len, u32 flags)
{
	struct pipe *pin = file_pipe(in), *pout = file_pipe(out);
	bool nonblock = flags & SPLICE_F_NONBLOCK;
	loff_t pos;
	ssize_t n;
	int ret;

	if (!(in->fmode & FMODE_READ) || !(out->fmode & FMODE_WRITE))
		return -EBADF;
	if ((pin && off_in) || (pout && off_out))
		return -ESPIPE;
	if (pin && pout) {
		nonblock |= (in->flags | out->flags) & O_NONBLOCK;
		return pin == pout ? -EINVAL : pipe_to_pipe(pin, pout, len, nonblock, false);
	}
	if (pin) {
		if (out->flags & O_APPEND)
			return -EINVAL;
		ret = get_pos(out, off_out, FMODE_PWRITE, &pos);
		if (ret)
			return ret;
		n = pipe_to_file(pin, out, &pos, len, nonblock || (in->flags & O_NONBLOCK));
		return n > 0 && put_pos(out, off_out, pos) ? -EFAULT : n;
	}
	if (pout) {
		ret = get_pos(in, off_in, FMODE_PREAD, &pos);
		if (ret)
			return ret;
		n = file_to_pipe(in, &pos, pout, len, nonblock || (out->flags & O_NONBLOCK));
		return n > 0 && put_pos(in, off_in, pos) ? -EFAULT : n;
	}
	return -EINVAL;
}

SYSCALL6(splice, s32, fd_in, loff_t __user *, off_in, s32, fd_out, loff_t __user *, off_out, size_t, len, u32, flags)
{
	struct file *in, *out;
	long ret = -EBADF;

	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	if (!len)
		return 0;
	in = fd_get(fd_in);
	out = fd_get(fd_out);
	if (in && out)
		ret = splice_files(in, off_in, out, off_out, MIN(len, (size_t)MAX_RW_COUNT), flags);
	if (in)
		file_put(in);
	if (out)
		file_put(out);
	return ret;
}

static ssize_t tee_files(struct file *in, struct file *out, size_t len, u32 flags)
{
	struct pipe *pin = file_pipe(in), *pout = file_pipe(out);

	if (!(in->fmode & FMODE_READ) || !(out->fmode & FMODE_WRITE))
		return -EBADF;
	if (!pin || !pout || pin == pout)
		return -EINVAL;
	return pipe_to_pipe(pin, pout, len, (flags & SPLICE_F_NONBLOCK) || ((in->flags | out->flags) & O_NONBLOCK),
			    true);
}

SYSCALL4(tee, s32, fd_in, s32, fd_out, size_t, len, u32, flags)
{
	struct file *in, *out;
	long ret = -EBADF;

	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	if (!len)
		return 0;
	in = fd_get(fd_in);
	out = fd_get(fd_out);
	if (in && out)
		ret = tee_files(in, out, len, flags);
	if (in)
		file_put(in);
	if (out)
		file_put(out);
	return ret;
}

/* Into a pipe: waits for room, but once there is some, what fits is all. */
static ssize_t vmsplice_give(struct pipe *p, struct iov_iter *it, bool nonblock)
{
	ssize_t n;

	for (;;) {
		n = pipe_give(p, it, false, true);
		if (n != -EAGAIN || nonblock)
			return n;
		mutex_lock(&p->lock);
		n = pipe_wait_room(p, false);
		mutex_unlock(&p->lock);
		if (n)
			return n;
	}
}

static ssize_t vmsplice_file(struct file *f, const struct iovec __user *uvec, size_t nr, u32 flags)
{
	struct iovec fast[8], *iov = fast;
	struct pipe *p = file_pipe(f);
	bool nonblock = (flags & SPLICE_F_NONBLOCK) || (f->flags & O_NONBLOCK);
	struct iov_iter it;
	ssize_t n;

	if (!p)
		return -EBADF;
	n = iter_import(&it, uvec, nr, fast, &iov);
	if (n > 0)
		n = f->fmode & FMODE_WRITE ? vmsplice_give(p, &it, nonblock) : pipe_take(p, &it, nonblock);
	if (iov != fast)
		kfree(iov);
	return n;
}

SYSCALL4(vmsplice, s32, fd, const struct iovec __user *, uvec, size_t, nr, u32, flags)
{
	struct file *f;
	long ret;

	if (flags & ~SPLICE_F_ALL)
		return -EINVAL;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	ret = vmsplice_file(f, uvec, nr, flags);
	file_put(f);
	return ret;
}
