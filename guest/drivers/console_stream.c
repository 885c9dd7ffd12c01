/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard streams that are passed through: files 0, 1 and 2 of the first program when the console is no terminal.
 *
 * Output is copied into messages; a stream may have a pipe's worth of them under way, then writers wait. When the
 * host's end breaks, the VMM says so once and later writes fail: EPIPE with SIGPIPE, or the host's error. Writing to a
 * file of the host waits until it is done, since a full disk is to be told to the program that fills it. Input is asked
 * for (UM_CTL_STDIN_WANT) only when somebody reads or polls and nothing is here, so that what nobody reads stays with
 * the host. One wish is under way at most; its answer is a buffer or the end of the input.
 *
 * To programs they are pipes, or character devices if the host's end is one.
 */
#include "drivers/console.h"

#include <gk/init.h>
#include <gk/pipe.h>
#include <gk/slab.h>
#include <gk/string.h>

#define FIONREAD 0x541B

struct out_stream {
	u32 stream;
	bool sync; /* a file of the host: a write returns when it is done there, with what came of it */
	spinlock_t lock;
	u32 bytes, messages; /* lock: with the device */
	int error;	     /* 0, or what writes fail with */
	struct wait_queue wait;
};

static struct {
	struct mutex read_mutex;
	spinlock_t lock;
	struct list_head bufs; /* lock: struct con_rx */
	bool eof;	       /* lock */
	bool wanted;	       /* lock: a wish is under way */
	bool sticky_eof;       /* the end is the end; a host terminal may go on after it */
	struct wait_queue wait;
} in;

static struct out_stream outs[3]; /* 1 and 2 are used */

/* ---- output ---- */

/* As a positive errno, whatever the VMM says. */
static int host_error(u32 error)
{
	return error > 0 && error < MAX_ERRNO ? (int)error : EPIPE;
}

static void out_done(struct virtq_req *r)
{
	struct con_tx *tx = container_of(r, struct con_tx, req);
	struct out_stream *o = tx->owner;

	spin_lock(&o->lock);
	o->bytes -= tx->len;
	o->messages--;
	spin_unlock(&o->lock);
	if (unlikely(r->written && !READ_ONCE(o->error)))
		WRITE_ONCE(o->error, host_error(r->written));
	kfree(tx);
	if (wait_queue_active(&o->wait))
		wake_up_poll(&o->wait, EPOLLOUT | EPOLLWRNORM);
}

/* May another message go out? Always one, else within the limits. */
static bool out_room(const struct out_stream *o)
{
	return READ_ONCE(o->messages) == 0 ||
	       (READ_ONCE(o->bytes) < CON_TX_MAX && READ_ONCE(o->messages) < con_tx_limit());
}

static int out_error(struct out_stream *o)
{
	int e = READ_ONCE(o->error);

	return e == EPIPE ? pipe_broken() : -e;
}

static ssize_t out_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct out_stream *o = f->private;
	ssize_t done = 0;
	int ret = 0;

	while (it->count && !ret) {
		size_t n = MIN(it->count, (size_t)CON_TX_MAX);
		struct con_tx *tx;

		if (!out_room(o) && (f->flags & O_NONBLOCK))
			ret = -EAGAIN;
		else
			ret = wait_event_interruptible(&o->wait, out_room(o) || READ_ONCE(o->error));
		if (!ret && READ_ONCE(o->error))
			ret = out_error(o);
		if (ret)
			break;
		tx = kmalloc(sizeof(*tx) + n);
		if (!tx) {
			ret = -ENOMEM;
			break;
		}
		tx->req.done = out_done;
		tx->owner = o;
		tx->len = copy_from_iter(tx->data, n, it);
		if (!tx->len) {
			kfree(tx);
			ret = -EFAULT;
			break;
		}
		if (tx->len < n)
			ret = -EFAULT;
		done += tx->len;
		spin_lock(&o->lock);
		o->bytes += tx->len;
		o->messages++;
		spin_unlock(&o->lock);
		con_send(tx, o->stream);
	}
	if (o->sync && done) {
		/* A signal may end the wait, not the writing. */
		(void)wait_event_interruptible(&o->wait, READ_ONCE(o->messages) == 0);
		if (READ_ONCE(o->error))
			return out_error(o);
	}
	return done ? done : ret;
}

static u32 out_poll(struct file *f, struct poll_table *pt)
{
	struct out_stream *o = f->private;
	u32 ready = 0;

	poll_wait(f, &o->wait, pt);
	if (READ_ONCE(o->error))
		ready |= EPOLLERR;
	if (out_room(o) || ready)
		ready |= EPOLLOUT | EPOLLWRNORM;
	return ready;
}

void stream_broken(u32 stream, int error)
{
	struct out_stream *o;

	if (stream != UM_CON_STDOUT && stream != UM_CON_STDERR)
		return;
	o = &outs[stream];
	WRITE_ONCE(o->error, host_error((u32)error));
	wake_up_all_poll(&o->wait, EPOLLOUT | EPOLLERR);
}

void stream_drain(void)
{
	if (console_tty())
		return;
	wait_event(&outs[1].wait, READ_ONCE(outs[1].messages) == 0);
	wait_event(&outs[2].wait, READ_ONCE(outs[2].messages) == 0);
}

/* ---- input ---- */

void stream_input(struct con_rx *rx, bool eof)
{
	bool used = rx->len != 0;

	spin_lock(&in.lock);
	in.wanted = false;
	in.eof |= eof;
	if (used)
		list_add_tail(&rx->link, &in.bufs);
	spin_unlock(&in.lock);
	if (!used)
		con_rx_post(rx);
	wake_up_poll(&in.wait, EPOLLIN | EPOLLRDNORM | (eof ? EPOLLHUP : 0));
}

static bool in_ready(void)
{
	return !list_empty(&in.bufs) || READ_ONCE(in.eof);
}

/* 0, or -ENOMEM: it could not be asked for. */
static int want_input(void)
{
	bool ask;
	int ret;

	spin_lock(&in.lock);
	ask = !in.wanted && !in_ready();
	in.wanted |= ask;
	spin_unlock(&in.lock);
	ret = ask ? control_want_stdin() : 0;
	if (ret)
		WRITE_ONCE(in.wanted, false);
	return ret;
}

/* read_mutex held, there is a buffer. */
static ssize_t take_input(struct iov_iter *it)
{
	struct con_rx *rx = list_first_entry(&in.bufs, struct con_rx, link);
	size_t want = MIN(it->count, (size_t)rx->len);
	size_t n = copy_to_iter(con_rx_data(rx), want, it);

	rx->off += n;
	rx->len -= n;
	if (!rx->len) {
		spin_lock(&in.lock);
		list_del(&rx->link);
		spin_unlock(&in.lock);
		con_rx_post(rx);
	}
	return n < want && !n ? -EFAULT : (ssize_t)n;
}

static ssize_t read_locked(struct file *f, struct iov_iter *it)
{
	ssize_t done = 0, n;
	int ret;

	while (it->count) {
		if (!list_empty(&in.bufs)) {
			n = take_input(it);
			if (n < 0)
				return done ? done : n;
			done += n;
			continue;
		}
		if (done)
			break;
		if (READ_ONCE(in.eof)) {
			if (!in.sticky_eof)
				WRITE_ONCE(in.eof, false);
			break;
		}
		ret = want_input();
		if (ret)
			return ret;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		ret = wait_event_interruptible(&in.wait, in_ready());
		if (ret)
			return ret;
	}
	return done;
}

static ssize_t in_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	ssize_t ret;

	if (f->flags & O_NONBLOCK) {
		if (!mutex_trylock(&in.read_mutex))
			return -EAGAIN;
	} else if (mutex_lock_interruptible(&in.read_mutex)) {
		return -ERESTARTSYS;
	}
	ret = read_locked(f, it);
	mutex_unlock(&in.read_mutex);
	return ret;
}

static u32 in_poll(struct file *f, struct poll_table *pt)
{
	u32 ready = 0;

	poll_wait(f, &in.wait, pt);
	want_input();
	if (!list_empty(&in.bufs))
		ready |= EPOLLIN | EPOLLRDNORM;
	if (READ_ONCE(in.eof))
		ready |= S_ISCHR(f->inode->mode) ? EPOLLIN | EPOLLRDNORM : EPOLLHUP;
	return ready;
}

static long in_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct con_rx *rx;
	u32 n = 0;

	if (cmd != FIONREAD)
		return -ENOIOCTLCMD;
	want_input();
	spin_lock(&in.lock);
	list_for_each_entry(rx, &in.bufs, link)
		n += rx->len;
	spin_unlock(&in.lock);
	return put_user((s32)n, (s32 __user *)arg);
}

/* ---- files ---- */

/* Opened again, through /dev/stdout or /proc/self/fd/1. */
static int stream_reopen(struct inode *inode, struct file *f)
{
	f->private = inode->private;
	f->fmode |= FMODE_STREAM;
	f->fmode &= ~(FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE);
	return 0;
}

static const struct file_ops in_ops = {
	.open = stream_reopen,
	.read = in_read,
	.poll = in_poll,
	.ioctl = in_ioctl,
};

static const struct file_ops out_ops = {
	.open = stream_reopen,
	.write = out_write,
	.poll = out_poll,
};

/* What the host's stream @n is ("stdio=N:KIND"). */
static const char *stream_kind(u32 n)
{
	const char *iter = NULL, *v;

	while ((v = config_next("stdio", &iter))) {
		if (v[0] == (char)('0' + n) && v[1] == ':')
			return v + 2;
	}
	return "pipe";
}

struct file *stream_open(u32 n)
{
	const char *kind = stream_kind(n);
	umode_t type = !strcmp(kind, "chr") ? S_IFCHR : S_IFIFO;
	struct file *f;

	if (!strcmp(kind, "closed"))
		return NULL;
	if (!strcmp(kind, "null")) {
		f = filp_open("/dev/null", O_RDWR, 0);
		if (!IS_ERR(f))
			return f;
	}
	f = anon_inode_file(type == S_IFCHR ? "console" : "pipe", type | 0600, n ? &out_ops : &in_ops,
			    n ? &outs[n] : NULL, n ? O_WRONLY : O_RDONLY);
	if (IS_ERR_OR_NULL(f))
		return f ? f : ERR_PTR(-ENOMEM);
	f->fmode |= FMODE_STREAM;
	/* The first program's user may open it again by name. */
	f->inode->private = f->private;
	f->inode->uid = current->cred->fsuid;
	f->inode->gid = current->cred->fsgid;
	return f;
}

void stream_init(void)
{
	mutex_init(&in.read_mutex);
	list_init(&in.bufs);
	wait_queue_init(&in.wait);
	in.sticky_eof = !strcmp(stream_kind(0), "pipe");
	for (u32 i = 1; i < 3; i++) {
		outs[i].stream = i;
		outs[i].sync = !strcmp(stream_kind(i), "file");
		wait_queue_init(&outs[i].wait);
	}
}
