/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pseudo terminals. The slave is a terminal like any other; its device is the master, a file that feeds the line
 * discipline with what is written to it and reads from the discipline's output. So the bytes are buffered once.
 *
 * The pty lives as long as its slave's struct tty; the master's file and every file of the slave hold references to
 * that. When the master closes, the slave is hung up and its name disappears. When the last file of the slave closes,
 * reads of the master fail with EIO until it is opened again.
 */
#include "drivers/pty.h"

#include <gk/init.h>
#include <gk/printk.h>
#include <gk/slab.h>
#include <gk/string.h>

#define FIONREAD 0x541B
#define TIOCOUTQ 0x5411
#define TIOCPKT 0x5420
#define TIOCGPTN 0x80045430
#define TIOCSPTLCK 0x40045431
#define TIOCGDEV 0x80045432
#define TIOCSIG 0x40045436
#define TIOCGPKT 0x80045438
#define TIOCGPTLCK 0x80045439
#define TIOCGPTPEER 0x5441
#define CHUNK 256u

static spinlock_t pty_lock;
static struct pty *pty_table[PTY_MAX]; /* pty_lock; an entry stays until the slave is gone */

/* ---- the device below the slave ---- */

static void pty_output(struct tty *t)
{
	struct pty *p = t->private;

	if (wait_queue_active(&p->read_wait))
		wake_up_poll(&p->read_wait, EPOLLIN | EPOLLRDNORM | (t->packet_status ? EPOLLPRI : 0));
	if (n_tty_outq(&t->ld))
		fasync_notify(&p->fasync, FASYNC_IN);
}

static void pty_unthrottle(struct tty *t)
{
	struct pty *p = t->private;

	if (wait_queue_active(&p->write_wait) && n_tty_room(&t->ld))
		wake_up_poll(&p->write_wait, EPOLLOUT | EPOLLWRNORM);
}

static int pty_slave_open(struct tty *t, struct file *f)
{
	struct pty *p = t->private;

	if (p->locked || t->other_closed)
		return -EIO;
	p->slave_closed = false;
	return 0;
}

static void pty_slave_close(struct tty *t)
{
	struct pty *p = t->private;

	WRITE_ONCE(p->slave_closed, true);
	wake_up_all_poll(&p->read_wait, EPOLLIN | EPOLLRDNORM | EPOLLHUP);
	wake_up_all_poll(&p->write_wait, EPOLLOUT | EPOLLWRNORM | EPOLLHUP);
}

static bool usual_flow(const struct termios *tio)
{
	return (tio->iflag & IXON) && tio->cc[VSTOP] == 023 && tio->cc[VSTART] == 021;
}

/* Packet mode tells the master when flow control or EXTPROC changes. Lock held. */
static void pty_set_termios(struct tty *t, const struct termios *old)
{
	const struct termios *tio = &t->ld.tio;
	struct pty *p = t->private;
	u8 before = t->packet_status;

	if (!t->packet)
		return;
	if (usual_flow(old) != usual_flow(tio)) {
		t->packet_status &= ~(TIOCPKT_NOSTOP | TIOCPKT_DOSTOP);
		t->packet_status |= usual_flow(tio) ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP;
	}
	if ((old->lflag | tio->lflag) & EXTPROC)
		t->packet_status |= TIOCPKT_IOCTL;
	if (t->packet_status != before)
		wake_up_poll(&p->read_wait, EPOLLIN | EPOLLRDNORM | EPOLLPRI);
}

static void pty_free(struct tty *t)
{
	struct pty *p = t->private;

	spin_lock(&pty_lock);
	if (pty_table[p->index] == p)
		pty_table[p->index] = NULL;
	spin_unlock(&pty_lock);
	if (p->inode)
		inode_put(p->inode);
	kfree(p);
}

static const struct tty_driver pty_driver = {
	.name = "pty",
	.output = pty_output,
	.unthrottle = pty_unthrottle,
	.open = pty_slave_open,
	.close = pty_slave_close,
	.set_termios = pty_set_termios,
	.free = pty_free,
};

/* ---- names ---- */

struct pty *pty_find(u32 index)
{
	struct pty *p;

	if (index >= PTY_MAX)
		return NULL;
	spin_lock(&pty_lock);
	p = pty_table[index];
	if (p && (READ_ONCE(p->slave->other_closed) || !refcount_inc_not_zero(&p->slave->refs)))
		p = NULL;
	spin_unlock(&pty_lock);
	return p;
}

int pty_next(u32 from)
{
	int found = -1;

	spin_lock(&pty_lock);
	for (; from < PTY_MAX && found < 0; from++) {
		if (pty_table[from] && !READ_ONCE(pty_table[from]->slave->other_closed))
			found = (int)from;
	}
	spin_unlock(&pty_lock);
	return found;
}

struct inode *pty_set_inode(struct pty *p, struct inode *inode)
{
	spin_lock(&pty_lock);
	if (!p->inode && inode) {
		inode_get(inode);
		p->inode = inode;
	}
	inode = p->inode;
	if (inode)
		inode_get(inode);
	spin_unlock(&pty_lock);
	return inode;
}

int pty_open_slave(struct pty *p, struct file *f)
{
	f->ops = &tty_ops;
	return tty_open(p->slave, f);
}

/* ---- the master ---- */

static int ptmx_open(struct inode *inode, struct file *f)
{
	struct pty *p = kzalloc(sizeof(*p));
	struct tty *t;
	u32 i;

	if (!p)
		return -ENOMEM;
	t = tty_new(&pty_driver, 0, p);
	if (!t) {
		kfree(p);
		return -ENOMEM;
	}
	p->slave = t;
	p->locked = true;
	p->uid = current->cred->fsuid;
	p->gid = current->cred->fsgid;
	mutex_init(&p->read_mutex);
	mutex_init(&p->write_mutex);
	wait_queue_init(&p->read_wait);
	wait_queue_init(&p->write_wait);

	spin_lock(&pty_lock);
	for (i = 0; i < PTY_MAX && pty_table[i]; i++)
		;
	if (i < PTY_MAX) {
		p->index = i;
		t->rdev = MKDEV(PTY_MAJOR, i);
		pty_table[i] = p;
	}
	spin_unlock(&pty_lock);
	if (i == PTY_MAX) {
		tty_put(t);
		return -ENOSPC;
	}
	f->private = p;
	f->fmode |= FMODE_STREAM;
	f->fmode &= ~(FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE);
	return 0;
}

static void master_release(struct file *f)
{
	struct pty *p = f->private;
	struct tty *t = p->slave;

	mutex_lock(&tty_mutex);
	spin_lock(&t->lock);
	t->other_closed = true;
	t->packet = false;
	spin_unlock(&t->lock);
	tty_hangup(t);
	mutex_unlock(&tty_mutex);
	tty_put(t);
}

static bool master_readable(struct pty *p)
{
	struct tty *t = p->slave;

	return n_tty_outq(&t->ld) || (t->packet && t->packet_status);
}

/* Fills @buf: packet mode puts a byte in front, and news about the terminal come alone. */
static u32 master_take(struct pty *p, u8 *buf, u32 max, bool first, bool *alone)
{
	struct tty *t = p->slave;
	u32 n = 0;
	bool room;

	spin_lock(&t->lock);
	*alone = first && t->packet && t->packet_status;
	if (*alone) {
		buf[n++] = t->packet_status;
		t->packet_status = 0;
	} else if (n_tty_outq(&t->ld) && !(t->packet && t->packet_status)) {
		if (first && t->packet)
			buf[n++] = TIOCPKT_DATA;
		n += n_tty_out_take(&t->ld, buf + n, max - n);
	}
	room = n_tty_writable(&t->ld);
	spin_unlock(&t->lock);
	if (room && wait_queue_active(&t->write_wait))
		wake_up_poll(&t->write_wait, EPOLLOUT | EPOLLWRNORM);
	return n;
}

static ssize_t master_read_locked(struct pty *p, struct file *f, struct iov_iter *it)
{
	u8 buf[CHUNK];
	ssize_t done = 0;
	bool alone;
	int ret;
	u32 n;

	while (it->count) {
		n = master_take(p, buf, MIN(it->count, (size_t)CHUNK), !done, &alone);
		if (n) {
			if (copy_to_iter(buf, n, it) != n)
				return done ? done : -EFAULT;
			done += n;
			if (alone)
				break;
			continue;
		}
		if (done)
			break;
		if (READ_ONCE(p->slave_closed))
			return -EIO;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		ret = wait_event_interruptible(&p->read_wait, master_readable(p) || READ_ONCE(p->slave_closed));
		if (ret)
			return ret;
	}
	return done;
}

static ssize_t master_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct pty *p = f->private;
	ssize_t ret;

	if (f->flags & O_NONBLOCK) {
		if (!mutex_trylock(&p->read_mutex))
			return -EAGAIN;
	} else if (mutex_lock_interruptible(&p->read_mutex)) {
		return -ERESTARTSYS;
	}
	ret = master_read_locked(p, f, it);
	mutex_unlock(&p->read_mutex);
	return ret;
}

static ssize_t master_write_locked(struct pty *p, struct file *f, struct iov_iter *it)
{
	u8 buf[CHUNK];
	ssize_t done = 0;
	int ret;

	while (it->count) {
		size_t want = MIN(it->count, (size_t)CHUNK);
		size_t n = copy_from_iter(buf, want, it), sent = 0;

		if (!n)
			return done ? done : -EFAULT;
		while (sent < n) {
			u32 taken = tty_receive(p->slave, buf + sent, n - sent);

			sent += taken;
			done += taken;
			if (taken)
				continue;
			if (f->flags & O_NONBLOCK)
				return done ? done : -EAGAIN;
			ret = wait_event_interruptible(&p->write_wait, n_tty_room(&p->slave->ld));
			if (ret)
				return done ? done : ret;
		}
	}
	return done;
}

static ssize_t master_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct pty *p = f->private;
	ssize_t ret;

	if (f->flags & O_NONBLOCK) {
		if (!mutex_trylock(&p->write_mutex))
			return -EAGAIN;
	} else if (mutex_lock_interruptible(&p->write_mutex)) {
		return -ERESTARTSYS;
	}
	ret = master_write_locked(p, f, it);
	mutex_unlock(&p->write_mutex);
	return ret;
}

static u32 master_poll(struct file *f, struct poll_table *pt)
{
	struct pty *p = f->private;
	struct tty *t = p->slave;
	u32 ready = 0;

	poll_wait(f, &p->read_wait, pt);
	poll_wait(f, &p->write_wait, pt);
	if (n_tty_outq(&t->ld))
		ready |= EPOLLIN | EPOLLRDNORM;
	if (t->packet && t->packet_status)
		ready |= EPOLLPRI | EPOLLIN | EPOLLRDNORM;
	if (n_tty_room(&t->ld))
		ready |= EPOLLOUT | EPOLLWRNORM;
	if (READ_ONCE(p->slave_closed))
		ready |= EPOLLHUP;
	return ready;
}

static long ioctl_packet(struct tty *t, u64 arg)
{
	s32 on;

	if (get_user(on, (s32 __user *)arg))
		return -EFAULT;
	spin_lock(&t->lock);
	if (on && !t->packet)
		t->packet_status = 0;
	t->packet = on;
	spin_unlock(&t->lock);
	return 0;
}

static long ioctl_lock(struct pty *p, u64 arg)
{
	s32 on;

	if (get_user(on, (s32 __user *)arg))
		return -EFAULT;
	WRITE_ONCE(p->locked, on != 0);
	return 0;
}

/* The master sends a signal as if its key had been pressed. */
static long ioctl_signal(struct tty *t, u64 sig)
{
	if (sig != SIGINT && sig != SIGQUIT && sig != SIGTSTP)
		return -EINVAL;
	spin_lock(&t->lock);
	if (!(t->ld.tio.lflag & NOFLSH)) {
		n_tty_flush_input(&t->ld);
		n_tty_flush_output(&t->ld);
	}
	t->ld.signals |= sigbit(sig);
	tty_unlock_and_run(t);
	return 0;
}

static long ioctl_peer(struct pty *p, u64 flags)
{
	char name[32];
	struct file *f;

	snprintf(name, sizeof(name), "/dev/pts/%u", p->index);
	f = filp_open(name, (u32)flags & ~O_CREAT, 0);
	if (IS_ERR(f))
		return PTR_ERR(f);
	if (file_tty(f) != p->slave) {
		file_put(f);
		return -EIO;
	}
	return fd_install_new(f, (u32)flags);
}

static long master_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct pty *p = f->private;
	struct tty *t = p->slave;

	switch (cmd) {
	case TIOCGPTN:
		return put_user(p->index, (u32 __user *)arg);
	case TIOCSPTLCK:
		return ioctl_lock(p, arg);
	case TIOCGPTLCK:
		return put_user((s32)p->locked, (s32 __user *)arg);
	case TIOCPKT:
		return ioctl_packet(t, arg);
	case TIOCGPKT:
		return put_user((s32)t->packet, (s32 __user *)arg);
	case TIOCSIG:
		return ioctl_signal(t, arg);
	case TIOCGPTPEER:
		return ioctl_peer(p, arg);
	case FIONREAD:
		return put_user((s32)n_tty_outq(&t->ld), (s32 __user *)arg);
	case TIOCOUTQ:
		return put_user((s32)0, (s32 __user *)arg);
	case TIOCGDEV:
		return put_user((u32)MKDEV(5, 2), (u32 __user *)arg);
	}
	return tty_common_ioctl(t, f, cmd, arg, true);
}

static int master_fdinfo(struct file *f, char *buf, size_t size)
{
	struct pty *p = f->private;

	return scnprintf(buf, size, "tty-index:\t%u\n", p->index);
}

static struct fasync_list *master_fasync(struct file *f)
{
	struct pty *p = f->private;

	fown_set_default(f, current->process->pid, false);
	return &p->fasync;
}

const struct file_ops ptmx_ops = {
	.open = ptmx_open,
	.release = master_release,
	.read = master_read,
	.write = master_write,
	.poll = master_poll,
	.ioctl = master_ioctl,
	.fasync = master_fasync,
	.fdinfo = master_fdinfo,
};

void pty_init(void)
{
	spin_init(&pty_lock);
	register_chrdev("ptmx", 5, 2, 0666, &ptmx_ops);
}
