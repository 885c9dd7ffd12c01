/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes and FIFOs: a ring of pages behind one mutex.
 *
 * A write of at most PIPE_BUF bytes goes into one page (the last one if it fits behind what is there, else a new one),
 * which makes it atomic. Data is copied under the mutex, since the copies may fault; wake-ups come after the unlock, so
 * that the woken side does not run into the lock. Every write wakes whoever is queued: a sleeping reader is queued only
 * while the pipe is empty, so otherwise these are pollers, and edge-triggered ones want to hear of each write.
 *
 * The pipe belongs to its inode and lives as long as an open description does; inode_pipe_lock guards the link.
 * splice and tee are in fs/splice.c.
 *
 * Order: pipe->lock (two: by address) > inode_pipe_lock, wait queue locks.
 */
#include <gk/cred.h>
#include <gk/fs.h>
#include <gk/init.h>
#include <gk/pipe.h>
#include <gk/poll.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/sysctl.h>
#include <gk/task.h>

u32 sysctl_pipe_max = PIPE_MAX_SIZE;

#define FIONREAD 0x541B

static spinlock_t inode_pipe_lock;

static struct pipe *pipe_new(void)
{
	struct pipe *p = kzalloc(sizeof(*p));

	if (!p)
		return NULL;
	p->bufs = kcalloc(PIPE_DEF_BUFS, sizeof(*p->bufs));
	if (!p->bufs) {
		kfree(p);
		return NULL;
	}
	p->nr_bufs = PIPE_DEF_BUFS;
	mutex_init(&p->lock);
	wait_queue_init(&p->rd_wait);
	wait_queue_init(&p->wr_wait);
	return p;
}

static void pipe_free(struct pipe *p)
{
	for (; p->tail != p->head; p->tail++)
		put_page(pipe_slot(p, p->tail)->page);
	if (p->spare)
		put_page(p->spare);
	kfree(p->bufs);
	kfree(p);
}

/* One open description less. */
static void pipe_put(struct inode *inode, struct pipe *p)
{
	bool last;

	spin_lock(&inode_pipe_lock);
	last = --p->files == 0;
	if (last)
		inode->pipe = NULL;
	spin_unlock(&inode_pipe_lock);
	if (last)
		pipe_free(p);
}

/* The inode's pipe, made if there is none, with one more open description. */
static struct pipe *pipe_get(struct inode *inode)
{
	struct pipe *fresh = NULL, *p;

	for (;;) {
		spin_lock(&inode_pipe_lock);
		p = inode->pipe;
		if (!p && fresh)
			inode->pipe = p = fresh;
		if (p)
			p->files++;
		spin_unlock(&inode_pipe_lock);
		if (p)
			break;
		fresh = pipe_new();
		if (!fresh)
			return NULL;
	}
	if (fresh && p != fresh)
		pipe_free(fresh);
	return p;
}

void pipe_drop_tail(struct pipe *p)
{
	struct pipe_buf *b = pipe_slot(p, p->tail);

	if (!p->spare && (b->flags & PIPE_BUF_MERGE) && READ_ONCE(b->page->refs) == 1)
		p->spare = b->page;
	else
		put_page(b->page);
	b->page = NULL;
	p->tail++;
}

void pipe_wake_readers(struct pipe *p)
{
	if (wait_queue_active(&p->rd_wait))
		wake_up_poll(&p->rd_wait, EPOLLIN | EPOLLRDNORM);
	fasync_notify(&p->fasync, FASYNC_IN);
}

void pipe_wake_writers(struct pipe *p)
{
	if (wait_queue_active(&p->wr_wait))
		wake_up_poll(&p->wr_wait, EPOLLOUT | EPOLLWRNORM);
	fasync_notify(&p->fasync, FASYNC_OUT);
}

int pipe_wait_data(struct pipe *p, bool nonblock)
{
	int ret = 0;

	while (!ret && pipe_empty(p) && p->writers) {
		if (nonblock)
			return -EAGAIN;
		mutex_unlock(&p->lock);
		ret = wait_event_interruptible(&p->rd_wait, !pipe_empty(p) || !READ_ONCE(p->writers));
		mutex_lock(&p->lock);
	}
	return ret;
}

int pipe_wait_room(struct pipe *p, bool nonblock)
{
	int ret = 0;

	while (!ret && pipe_full(p) && p->readers) {
		if (nonblock)
			return -EAGAIN;
		mutex_unlock(&p->lock);
		ret = wait_event_interruptible(&p->wr_wait, !pipe_full(p) || !READ_ONCE(p->readers));
		mutex_lock(&p->lock);
	}
	return ret;
}

int pipe_broken(void)
{
	send_signal_task(SIGPIPE, NULL, current);
	return -EPIPE;
}

/* Lock held, pipe not empty. Takes from the oldest buffer; false when the read is over. */
static bool read_one(struct pipe *p, struct iov_iter *it, ssize_t *done)
{
	struct pipe_buf *b = pipe_slot(p, p->tail);
	size_t want = MIN((size_t)b->len, it->count);
	size_t n = copy_to_iter((char *)page_address(b->page) + b->offset, want, it);

	if (n < want && !n) {
		if (!*done)
			*done = -EFAULT;
		return false;
	}
	b->offset += n;
	b->len -= n;
	*done += n;
	if (b->flags & PIPE_BUF_PACKET) {
		pipe_drop_tail(p);
		return false;
	}
	if (!b->len)
		pipe_drop_tail(p);
	return n == want && it->count;
}

ssize_t pipe_take(struct pipe *p, struct iov_iter *it, bool nonblock)
{
	bool was_full = false;
	ssize_t done = 0;
	int err;

	if (!it->count)
		return 0;
	mutex_lock(&p->lock);
	for (;;) {
		if (!pipe_empty(p)) {
			was_full |= pipe_full(p);
			if (!read_one(p, it, &done))
				break;
			continue;
		}
		if (done || !p->writers)
			break;
		err = pipe_wait_data(p, nonblock);
		if (err) {
			done = err;
			break;
		}
	}
	mutex_unlock(&p->lock);
	if (was_full)
		pipe_wake_writers(p);
	else if (done > 0)
		fasync_notify(&p->fasync, FASYNC_OUT);
	return done;
}

static ssize_t pipe_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	ssize_t n = pipe_take(f->private, it, f->flags & O_NONBLOCK);

	if (n > 0)
		file_accessed(f);
	return n;
}

/*
 * Lock held. The odd part of a write (all of it if shorter than a page) goes behind the newest data when it fits there
 * whole. Returns the bytes taken or -EFAULT.
 */
static ssize_t write_merge(struct pipe *p, struct iov_iter *it)
{
	size_t part = it->count & (PAGE_SIZE - 1), n;
	struct pipe_buf *b;

	if (!part || pipe_empty(p))
		return 0;
	b = pipe_slot(p, p->head - 1);
	if (!(b->flags & PIPE_BUF_MERGE) || b->offset + b->len + part > PAGE_SIZE)
		return 0;
	n = copy_from_iter((char *)page_address(b->page) + b->offset + b->len, part, it);
	if (n < part)
		return -EFAULT; /* nothing published: a short write must not be torn in two */
	b->len += n;
	return n;
}

/* Lock held, a slot free. One page of data into a new buffer: bytes or -errno. */
static ssize_t write_page(struct pipe *p, struct iov_iter *it, bool packet)
{
	struct page *page = p->spare;
	size_t want = MIN(it->count, (size_t)PAGE_SIZE), n;
	struct pipe_buf *b;

	p->spare = NULL;
	if (!page)
		page = alloc_page(GFP_USER);
	if (!page)
		return -ENOMEM;
	n = copy_from_iter(page_address(page), want, it);
	if (n < want) {
		p->spare = page;
		return -EFAULT;
	}
	b = pipe_slot(p, p->head);
	b->page = page;
	b->offset = 0;
	b->len = n;
	b->flags = packet ? PIPE_BUF_PACKET : PIPE_BUF_MERGE;
	smp_store_release(&p->head, p->head + 1);
	return n;
}

ssize_t pipe_give(struct pipe *p, struct iov_iter *it, bool packet, bool nonblock)
{
	ssize_t done = 0, n = 0;

	if (!it->count)
		return 0;
	mutex_lock(&p->lock);
	if (p->readers && !packet)
		n = write_merge(p, it);
	for (;;) {
		if (n < 0)
			break;
		done += n;
		n = 0;
		if (!p->readers) {
			n = pipe_broken();
			break;
		}
		if (!it->count)
			break;
		if (pipe_full(p)) {
			if (!nonblock && done)
				pipe_wake_readers(p);
			n = pipe_wait_room(p, nonblock);
		} else {
			n = write_page(p, it, packet);
		}
	}
	mutex_unlock(&p->lock);
	if (done)
		pipe_wake_readers(p);
	return done ? done : n;
}

static ssize_t pipe_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	ssize_t n = pipe_give(f->private, it, f->flags & O_DIRECT, f->flags & O_NONBLOCK);

	if (n > 0)
		inode_update_time(f->inode);
	return n;
}

static u32 pipe_poll(struct file *f, struct poll_table *pt)
{
	struct pipe *p = f->private;
	u32 ready = 0;

	if (f->fmode & FMODE_READ)
		poll_wait(f, &p->rd_wait, pt);
	if (f->fmode & FMODE_WRITE)
		poll_wait(f, &p->wr_wait, pt);
	if (f->fmode & FMODE_READ) {
		if (!pipe_empty(p))
			ready |= EPOLLIN | EPOLLRDNORM;
		if (!READ_ONCE(p->writers) && f->version != READ_ONCE(p->w_counter))
			ready |= EPOLLHUP;
	}
	if (f->fmode & FMODE_WRITE) {
		if (!pipe_full(p))
			ready |= EPOLLOUT | EPOLLWRNORM;
		if (!READ_ONCE(p->readers))
			ready |= EPOLLERR;
	}
	return ready;
}

static long pipe_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct pipe *p = f->private;
	u32 i, n = 0;

	if (cmd != FIONREAD)
		return -ENOIOCTLCMD;
	mutex_lock(&p->lock);
	for (i = p->tail; i != p->head; i++)
		n += pipe_slot(p, i)->len;
	mutex_unlock(&p->lock);
	return put_user((s32)n, (s32 __user *)arg);
}

static struct fasync_list *pipe_fasync(struct file *f)
{
	struct pipe *p = f->private;

	return &p->fasync;
}

static void pipe_file_release(struct file *f)
{
	struct pipe *p = f->private;
	bool changed = false;

	mutex_lock(&p->lock);
	if (f->fmode & FMODE_READ)
		changed |= --p->readers == 0;
	if (f->fmode & FMODE_WRITE)
		changed |= --p->writers == 0;
	mutex_unlock(&p->lock);
	if (changed) {
		wake_up_all_poll(&p->rd_wait, EPOLLIN | EPOLLRDNORM | EPOLLERR | EPOLLHUP);
		wake_up_all_poll(&p->wr_wait, EPOLLOUT | EPOLLWRNORM | EPOLLERR | EPOLLHUP);
		fasync_notify(&p->fasync, FASYNC_IN);
		fasync_notify(&p->fasync, FASYNC_OUT);
	}
	pipe_put(f->inode, p);
}

/* Lock held. Sleeps until the other side has been opened once more; 0 or -ERESTARTSYS. */
static int wait_partner(struct pipe *p, struct wait_queue *q, u32 *counter)
{
	u32 seen = *counter;
	int ret;

	mutex_unlock(&p->lock);
	ret = wait_event_interruptible(q, READ_ONCE(*counter) != seen);
	mutex_lock(&p->lock);
	return ret;
}

static int fifo_open_locked(struct pipe *p, struct file *f)
{
	bool nonblock = f->flags & O_NONBLOCK;

	switch (f->fmode & (FMODE_READ | FMODE_WRITE)) {
	case FMODE_READ:
		p->readers++;
		p->r_counter++;
		wake_up_all(&p->wr_wait);
		if (p->writers || p->unnamed)
			return 0;
		if (nonblock) {
			f->version = p->w_counter; /* no hang-up until a writer came and went */
			return 0;
		}
		return wait_partner(p, &p->rd_wait, &p->w_counter);
	case FMODE_WRITE:
		if (nonblock && !p->readers && !p->unnamed)
			return -ENXIO;
		p->writers++;
		p->w_counter++;
		wake_up_all(&p->rd_wait);
		return p->readers || p->unnamed ? 0 : wait_partner(p, &p->wr_wait, &p->r_counter);
	case FMODE_READ | FMODE_WRITE:
		p->readers++;
		p->writers++;
		p->r_counter++;
		p->w_counter++;
		wake_up_all(&p->rd_wait);
		wake_up_all(&p->wr_wait);
		return 0;
	}
	return -EINVAL;
}

static int fifo_open(struct inode *inode, struct file *f)
{
	struct pipe *p = pipe_get(inode);
	int ret;

	if (!p)
		return -ENOMEM;
	f->fmode |= FMODE_STREAM;
	f->fmode &= ~(FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE);
	f->private = p;
	f->version = 0;
	mutex_lock(&p->lock);
	ret = fifo_open_locked(p, f);
	mutex_unlock(&p->lock);
	if (ret == -ENXIO)
		pipe_put(inode, p);
	else if (ret)
		pipe_file_release(f);
	return ret;
}

const struct file_ops fifo_ops = {
	.open = fifo_open,
	.release = pipe_file_release,
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.ioctl = pipe_ioctl,
	.fasync = pipe_fasync,
};

struct pipe *file_pipe(const struct file *f)
{
	return f->ops == &fifo_ops ? f->private : NULL;
}

/* Lock held. New ring of @nr slots, a power of two. */
static int pipe_resize(struct pipe *p, u32 nr)
{
	struct pipe_buf *bufs;
	u32 used = pipe_used(p), i;

	if (nr < used)
		return -EBUSY;
	bufs = kcalloc(nr, sizeof(*bufs));
	if (!bufs)
		return -ENOMEM;
	for (i = 0; i < used; i++)
		bufs[i] = *pipe_slot(p, p->tail + i);
	kfree(p->bufs);
	p->bufs = bufs;
	p->nr_bufs = nr;
	p->tail = 0;
	p->head = used;
	return 0;
}

long pipe_fcntl(struct file *f, u32 cmd, u64 arg)
{
	struct pipe *p = file_pipe(f);
	u32 size = arg, nr;
	long ret;

	if (!p)
		return -EBADF;
	mutex_lock(&p->lock);
	if (cmd == F_GETPIPE_SZ) {
		ret = (long)p->nr_bufs * PAGE_SIZE;
	} else if (size > 1u << 31) {
		ret = -EINVAL;
	} else {
		for (nr = 1; nr * (u64)PAGE_SIZE < size; nr *= 2)
			;
		if (nr > p->nr_bufs && nr * (u64)PAGE_SIZE > READ_ONCE(sysctl_pipe_max) && !capable(CAP_SYS_RESOURCE))
			ret = -EPERM;
		else
			ret = pipe_resize(p, nr);
		if (!ret)
			ret = (long)nr * PAGE_SIZE;
	}
	mutex_unlock(&p->lock);
	if (ret > 0)
		pipe_wake_writers(p);
	return ret;
}

int pipe_create(struct file *out[2], u32 flags)
{
	struct pipe *p = pipe_new();

	if (!p)
		return -ENOMEM;
	out[1] = anon_inode_file("pipe", S_IFIFO | 0600, &fifo_ops, p, O_WRONLY | (flags & (O_NONBLOCK | O_DIRECT)));
	if (IS_ERR_OR_NULL(out[1])) {
		pipe_free(p);
		return out[1] ? PTR_ERR(out[1]) : -ENOMEM;
	}
	p->unnamed = true;
	p->writers = p->w_counter = 1;
	p->files = 1;
	out[1]->inode->pipe = p;
	out[1]->fmode |= FMODE_STREAM;
	out[0] = anon_file_clone(out[1], &fifo_ops, p, O_RDONLY | (flags & O_NONBLOCK));
	if (IS_ERR_OR_NULL(out[0])) {
		file_put(out[1]);
		return out[0] ? PTR_ERR(out[0]) : -ENOMEM;
	}
	p->readers = p->r_counter = 1;
	p->files = 2;
	out[0]->fmode |= FMODE_STREAM;
	return 0;
}

static long do_pipe(s32 __user *fds, u32 flags)
{
	struct file *file[2];
	s32 fd[2];
	int ret;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	ret = pipe_create(file, flags);
	if (ret)
		return ret;
	fd[0] = ret = fd_reserve(flags);
	if (ret < 0)
		goto err_files;
	fd[1] = ret = fd_reserve(flags);
	if (ret < 0)
		goto err_fd0;
	ret = copy_to_user(fds, fd, sizeof(fd));
	if (ret)
		goto err_fd1;
	fd_install(fd[0], file[0]);
	fd_install(fd[1], file[1]);
	return 0;

err_fd1:
	fd_release(fd[1]);
err_fd0:
	fd_release(fd[0]);
err_files:
	file_put(file[0]);
	file_put(file[1]);
	return ret;
}

SYSCALL1(pipe, s32 __user *, fds)
{
	return do_pipe(fds, 0);
}

SYSCALL2(pipe2, s32 __user *, fds, u32, flags)
{
	return do_pipe(fds, flags);
}

void pipe_init(void)
{
	spin_init(&inode_pipe_lock);
}
