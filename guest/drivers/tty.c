/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminals: open and close, read and write, poll, hang-up. The bytes' fate is the line discipline's (n_tty.c),
 * settings are in tty_ioctl.c, sessions and job control in tty_jobctl.c; devices below are console.c and pty.c.
 *
 * Reads and writes copy through a small buffer on the stack, because the discipline runs under a spin lock. A hang-up
 * raises tty->hangups: files that were opened before it (f->version) are dead from then on.
 */
#include "drivers/tty.h"

#include <gk/init.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/syscall.h>

#define CHUNK 256u

struct mutex tty_mutex;

struct tty *tty_new(const struct tty_driver *driver, u64 rdev, void *priv)
{
	struct tty *t = kzalloc(sizeof(*t));

	if (!t)
		return NULL;
	refcount_set(&t->refs, 1);
	t->driver = driver;
	t->rdev = rdev;
	t->private = priv;
	n_tty_init(&t->ld, &termios_default);
	mutex_init(&t->read_mutex);
	mutex_init(&t->write_mutex);
	wait_queue_init(&t->read_wait);
	wait_queue_init(&t->write_wait);
	return t;
}

struct tty *tty_get(struct tty *t)
{
	refcount_inc(&t->refs);
	return t;
}

void tty_put(struct tty *t)
{
	if (!refcount_dec_and_test(&t->refs))
		return;
	tty_forget_owners(t);
	if (t->driver->free)
		t->driver->free(t);
	kfree(t);
}

/* Lock held: tells the master of a pty, if it wants to know. True if there is news. */
static bool note_status(struct tty *t)
{
	struct n_tty *ld = &t->ld;
	u8 old = t->packet_status;

	if (t->packet) {
		if (ld->flushed_in)
			t->packet_status |= TIOCPKT_FLUSHREAD;
		if (ld->flushed_out)
			t->packet_status |= TIOCPKT_FLUSHWRITE;
		if (ld->flow_changed) {
			t->packet_status &= ~(TIOCPKT_STOP | TIOCPKT_START);
			t->packet_status |= ld->stopped ? TIOCPKT_STOP : TIOCPKT_START;
		}
	}
	ld->flushed_in = ld->flushed_out = ld->flow_changed = false;
	return t->packet_status != old;
}

void tty_unlock_and_run(struct tty *t)
{
	struct n_tty *ld = &t->ld;
	u64 signals = ld->signals;
	bool emptied = ld->flushed_in, drained = ld->flushed_out, flow = ld->flow_changed;
	bool news = note_status(t), output = n_tty_outq(ld), readable = n_tty_readable(ld, 1);
	int sig;

	ld->signals = 0;
	spin_unlock(&t->lock);
	if (readable && wait_queue_active(&t->read_wait))
		wake_up_poll(&t->read_wait, EPOLLIN | EPOLLRDNORM);
	if ((flow || drained) && wait_queue_active(&t->write_wait))
		wake_up_poll(&t->write_wait, EPOLLOUT | EPOLLWRNORM);
	if (output || news || flow)
		t->driver->output(t);
	if (emptied)
		t->driver->unthrottle(t);
	while (signals) {
		sig = __builtin_ctzll(signals) + 1;
		signals &= signals - 1;
		tty_signal_foreground(t, sig);
	}
}

u32 tty_receive(struct tty *t, const u8 *p, u32 n)
{
	u32 taken;

	spin_lock(&t->lock);
	taken = n_tty_receive(&t->ld, p, n);
	tty_unlock_and_run(t);
	if (taken && n_tty_readable(&t->ld, 1))
		fasync_notify(&t->fasync, FASYNC_IN);
	return taken;
}

/* ---- files ---- */

int tty_open(struct tty *t, struct file *f)
{
	int ret = 0;

	mutex_lock(&tty_mutex);
	if (t->exclusive && t->opens && !capable(CAP_SYS_ADMIN))
		ret = -EBUSY;
	else if (t->driver->open)
		ret = t->driver->open(t, f);
	if (!ret) {
		t->opens++;
		f->private = tty_get(t);
		f->version = t->hangups;
		f->fmode |= FMODE_STREAM;
		f->fmode &= ~(FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE);
	}
	mutex_unlock(&tty_mutex);
	if (!ret && !(f->flags & O_NOCTTY))
		tty_open_controlling(t, f);
	return ret;
}

static void tty_release(struct file *f)
{
	struct tty *t = f->private;

	mutex_lock(&tty_mutex);
	if (!tty_hung_up(t, f) && --t->opens == 0) {
		t->exclusive = false;
		if (t->driver->close)
			t->driver->close(t);
	}
	mutex_unlock(&tty_mutex);
	tty_put(t);
}

void tty_hangup(struct tty *t)
{
	tty_signal_session_hangup(t);
	spin_lock(&t->lock);
	WRITE_ONCE(t->hangups, t->hangups + 1);
	t->opens = 0;
	n_tty_flush_input(&t->ld);
	n_tty_flush_output(&t->ld);
	n_tty_start(&t->ld, true);
	tty_unlock_and_run(t);
	wake_up_all_poll(&t->read_wait, EPOLLIN | EPOLLRDNORM | EPOLLERR | EPOLLHUP);
	wake_up_all_poll(&t->write_wait, EPOLLOUT | EPOLLWRNORM | EPOLLERR | EPOLLHUP);
}

/* How a read waits, from VMIN and VTIME (termios(3), "Canonical and noncanonical mode"). */
struct read_rule {
	u32 min;
	u64 between;	  /* ns from one byte to the next, 0: any */
	ktime_t deadline; /* for the first byte; 0: do not wait */
};

static struct read_rule read_rule(const struct tty *t)
{
	const u8 *cc = t->ld.tio.cc;
	u64 time = cc[VTIME] * 100 * NSEC_PER_MSEC;
	struct read_rule r = {1, 0, KTIME_NEVER};

	if (t->ld.tio.lflag & ICANON)
		return r;
	if (cc[VMIN]) {
		r.min = cc[VMIN];
		r.between = time;
	} else {
		r.deadline = time ? ktime_mono() + time : 0;
	}
	return r;
}

static bool read_over(struct tty *t, struct file *f)
{
	return tty_hung_up(t, f) || READ_ONCE(t->other_closed);
}

/* Nothing to read: 0 look again, 1 the read ends, or -errno. */
static int wait_input(struct tty *t, struct file *f, const struct read_rule *r)
{
	int ret;

	if (READ_ONCE(t->other_closed))
		return -EIO;
	if (tty_hung_up(t, f))
		return 1;
	if (!r->deadline)
		return 1;
	if (f->flags & O_NONBLOCK)
		return -EAGAIN;
	ret = wait_event_interruptible_until(&t->read_wait, n_tty_readable(&t->ld, 1) || read_over(t, f), r->deadline);
	if (ret == -ETIME)
		return 1;
	return ret ? ret : tty_check_read(t);
}

static ssize_t read_locked(struct tty *t, struct file *f, struct iov_iter *it)
{
	struct read_rule r = read_rule(t);
	u8 buf[CHUNK];
	ssize_t done = 0;
	int ret = 0;

	while (it->count) {
		bool line, canon, more;
		u32 n;

		spin_lock(&t->lock);
		if (!n_tty_readable(&t->ld, 1)) {
			spin_unlock(&t->lock);
			ret = wait_input(t, f, &r);
			if (ret)
				break;
			continue;
		}
		canon = t->ld.tio.lflag & ICANON;
		n = n_tty_read(&t->ld, buf, MIN(it->count, (size_t)CHUNK), &line);
		more = n_tty_readable(&t->ld, 1);
		spin_unlock(&t->lock);
		if (copy_to_iter(buf, n, it) != n) {
			ret = -EFAULT;
			break;
		}
		done += n;
		if (canon ? line : !more && done >= r.min)
			break;
		if (r.between)
			r.deadline = ktime_mono() + r.between;
	}
	return done || ret == 1 ? done : ret;
}

static ssize_t tty_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct tty *t = f->private;
	ssize_t ret;

	if (tty_hung_up(t, f))
		return 0;
	ret = tty_check_read(t);
	if (ret)
		return ret;
	if (f->flags & O_NONBLOCK) {
		if (!mutex_trylock(&t->read_mutex))
			return -EAGAIN;
	} else if (mutex_lock_interruptible(&t->read_mutex)) {
		return -ERESTARTSYS;
	}
	ret = read_locked(t, f, it);
	mutex_unlock(&t->read_mutex);
	if (ret > 0)
		t->driver->unthrottle(t);
	return ret;
}

/* Gives @n bytes to the discipline; how many it took, or -errno if none. */
static ssize_t write_chunk(struct tty *t, struct file *f, const u8 *p, u32 n)
{
	ssize_t done = 0;
	int ret;

	for (;;) {
		if (read_over(t, f))
			return done ? done : -EIO;
		spin_lock(&t->lock);
		done += n_tty_write(&t->ld, p + done, n - done);
		tty_unlock_and_run(t);
		if (done == n)
			return done;
		if (f->flags & O_NONBLOCK)
			return done ? done : -EAGAIN;
		ret = wait_event_interruptible(&t->write_wait, n_tty_writable(&t->ld) || read_over(t, f));
		if (ret)
			return done ? done : ret;
	}
}

static ssize_t tty_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct tty *t = f->private;
	ssize_t done = 0, n;
	u8 buf[CHUNK];

	if (tty_hung_up(t, f))
		return -EIO;
	if (t->ld.tio.lflag & TOSTOP) {
		n = tty_check_change(t);
		if (n)
			return n;
	}
	if (f->flags & O_NONBLOCK) {
		if (!mutex_trylock(&t->write_mutex))
			return -EAGAIN;
	} else if (mutex_lock_interruptible(&t->write_mutex)) {
		return -ERESTARTSYS;
	}
	while (it->count) {
		size_t want = MIN(it->count, (size_t)CHUNK);
		size_t got = copy_from_iter(buf, want, it);

		n = got ? write_chunk(t, f, buf, got) : -EFAULT;
		if (n < 0) {
			done = done ? done : n;
			break;
		}
		done += n;
		if ((size_t)n < want)
			break;
	}
	mutex_unlock(&t->write_mutex);
	return done;
}

static u32 tty_poll(struct file *f, struct poll_table *pt)
{
	struct tty *t = f->private;
	const u8 *cc = t->ld.tio.cc;
	u32 ready = 0;

	poll_wait(f, &t->read_wait, pt);
	poll_wait(f, &t->write_wait, pt);
	if (tty_hung_up(t, f))
		return EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDNORM | EPOLLWRNORM;
	if (n_tty_readable(&t->ld, cc[VMIN] && !cc[VTIME] ? cc[VMIN] : 1))
		ready |= EPOLLIN | EPOLLRDNORM;
	if (n_tty_writable(&t->ld))
		ready |= EPOLLOUT | EPOLLWRNORM;
	if (READ_ONCE(t->other_closed))
		ready |= EPOLLHUP;
	return ready;
}

static struct fasync_list *tty_fasync(struct file *f)
{
	struct tty *t = f->private;

	tty_own_file(t, f);
	return &t->fasync;
}

const struct file_ops tty_ops = {
	.release = tty_release,
	.read = tty_read,
	.write = tty_write,
	.poll = tty_poll,
	.ioctl = tty_ioctl,
	.fasync = tty_fasync,
};

/* ---- /dev/tty ---- */

static int dev_tty_open(struct inode *inode, struct file *f)
{
	struct tty *t = current_tty();
	int ret;

	if (!t)
		return -ENXIO;
	f->ops = &tty_ops;
	f->flags |= O_NOCTTY;
	ret = tty_open(t, f);
	tty_put(t);
	return ret;
}

static const struct file_ops dev_tty_ops = {
	.open = dev_tty_open,
};

SYSCALL0(vhangup)
{
	struct tty *t;

	if (!capable(CAP_SYS_TTY_CONFIG))
		return -EPERM;
	t = current_tty();
	if (t) {
		mutex_lock(&tty_mutex);
		tty_hangup(t);
		mutex_unlock(&tty_mutex);
		tty_put(t);
	}
	return 0;
}

void tty_init(void)
{
	mutex_init(&tty_mutex);
	register_chrdev("tty", 5, 0, 0666, &dev_tty_ops);
}
