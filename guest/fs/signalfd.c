/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signalfd: reads the pending signals of whoever reads, those in the descriptor's mask.
 *
 * Pollers hang on the signal queue of the process that polls, not on the file. An epoll entry may outlive that process
 * (the descriptor may be shared with others), so the file keeps a reference to every process whose queue it gave out,
 * and drops those that nobody hangs on any more when a new one comes.
 */
#include <gk/fs.h>
#include <gk/poll.h>
#include <gk/printk.h>
#include <gk/signal.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/task.h>

#define SIGSET_SIZE 8

/* As Linux has it: 128 bytes. */
struct signalfd_siginfo {
	u32 signo;
	s32 err, code;
	u32 pid, uid;
	s32 fd;
	u32 tid, band, overrun, trapno;
	s32 status, value_int;
	u64 value_ptr, utime, stime, addr;
	u16 addr_lsb, pad2;
	s32 syscall;
	u64 call_addr;
	u32 arch;
	u8 pad[28];
};
_Static_assert(sizeof(struct signalfd_siginfo) == 128, "signalfd_siginfo");

struct polled {
	struct list_head link;
	struct process *process; /* reference */
};

struct signalfd {
	u64 mask; /* atomic */
	spinlock_t lock;
	struct list_head polled; /* lock */
};

static void fill_info(struct signalfd_siginfo *out, int sig, const struct siginfo *in)
{
	memset(out, 0, sizeof(*out));
	out->signo = sig;
	out->err = in->si_errno;
	out->code = in->si_code;
	if (in->si_code == SI_TIMER) {
		out->tid = in->timer.timerid;
		out->overrun = in->timer.overrun;
		out->value_ptr = in->timer.value;
		out->value_int = (s32)in->timer.value;
	} else if (in->si_code > 0 && in->si_code != SI_KERNEL && sig == SIGIO) {
		out->band = (u32)in->poll.band;
		out->fd = in->poll.fd;
	} else if (in->si_code > 0 && in->si_code != SI_KERNEL && sig == SIGCHLD) {
		out->pid = in->chld.pid;
		out->uid = in->chld.uid;
		out->status = in->chld.status;
		out->utime = in->chld.utime;
		out->stime = in->chld.stime;
	} else if (in->si_code > 0 && in->si_code != SI_KERNEL && sig == SIGSYS) {
		out->call_addr = in->sys.call_addr;
		out->syscall = in->sys.syscall;
		out->arch = in->sys.arch;
	} else if (in->si_code > 0 && in->si_code != SI_KERNEL) {
		out->addr = in->fault.addr;
		out->addr_lsb = in->fault.addr_lsb;
	} else {
		out->pid = in->rt.pid;
		out->uid = in->rt.uid;
		out->value_ptr = in->rt.sigval;
		out->value_int = (s32)in->rt.sigval;
	}
}

static ssize_t signalfd_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct signalfd *s = f->private;
	struct signalfd_siginfo out;
	struct siginfo info;
	ssize_t done = 0;
	int sig, err;

	if (it->count < sizeof(out))
		return -EINVAL;
	while (it->count >= sizeof(out)) {
		u64 mask = READ_ONCE(s->mask);

		sig = dequeue_signal_set(mask, &info);
		if (!sig) {
			if (done)
				break;
			if (f->flags & O_NONBLOCK)
				return -EAGAIN;
			err = wait_event_interruptible(&current->process->signalfd_wait, signal_pending_set(mask));
			if (err)
				return err;
			continue;
		}
		fill_info(&out, sig, &info);
		if (copy_to_iter(&out, sizeof(out), it) != sizeof(out))
			return done ? done : -EFAULT;
		done += sizeof(out);
	}
	return done;
}

/* Lock held. Moves processes nobody can hang on any more to @out. */
static void prune(struct signalfd *s, struct list_head *out)
{
	struct polled *p, *n;

	list_for_each_entry_safe(p, n, &s->polled, link) {
		if (p->process != current->process && READ_ONCE(p->process->zombie) &&
		    list_empty(&p->process->signalfd_wait.entries))
			list_move_tail(&p->link, out);
	}
}

static void polled_free(struct list_head *list)
{
	struct polled *p, *n;

	list_for_each_entry_safe(p, n, list, link) {
		process_put(p->process);
		kfree(p);
	}
}

/* Current's process stays allocated while the file does. False: no memory. */
static bool remember_process(struct signalfd *s)
{
	struct polled *p, *fresh = kmalloc(sizeof(*fresh));
	LIST_HEAD(dead);

	if (!fresh)
		return false;
	spin_lock(&s->lock);
	list_for_each_entry(p, &s->polled, link) {
		if (p->process == current->process) {
			spin_unlock(&s->lock);
			kfree(fresh);
			return true;
		}
	}
	prune(s, &dead);
	fresh->process = process_get(current->process);
	list_add_tail(&fresh->link, &s->polled);
	spin_unlock(&s->lock);
	polled_free(&dead);
	return true;
}

static u32 signalfd_poll(struct file *f, struct poll_table *pt)
{
	struct signalfd *s = f->private;

	if (pt && pt->queue) {
		if (!remember_process(s))
			return EPOLLERR;
		poll_wait(f, &current->process->signalfd_wait, pt);
	}
	return signal_pending_set(READ_ONCE(s->mask)) ? EPOLLIN : 0;
}

static int signalfd_fdinfo(struct file *f, char *buf, size_t size)
{
	struct signalfd *s = f->private;

	return scnprintf(buf, size, "sigmask:\t%016lx\n", READ_ONCE(s->mask));
}

static void signalfd_release(struct file *f)
{
	struct signalfd *s = f->private;

	polled_free(&s->polled);
	kfree(s);
}

static const struct file_ops signalfd_ops = {
	.release = signalfd_release,
	.read = signalfd_read,
	.poll = signalfd_poll,
	.fdinfo = signalfd_fdinfo,
};

static long signalfd_new(u64 mask, u32 flags)
{
	struct signalfd *s = kzalloc(sizeof(*s));
	struct file *f;

	if (!s)
		return -ENOMEM;
	s->mask = mask;
	list_init(&s->polled);
	f = anon_file("[signalfd]", &signalfd_ops, s, O_RDWR | (flags & O_NONBLOCK));
	if (IS_ERR_OR_NULL(f)) {
		kfree(s);
		return f ? PTR_ERR(f) : -ENOMEM;
	}
	return fd_install_new(f, flags);
}

static long signalfd_change(int fd, u64 mask)
{
	struct file *f = fd_get(fd);
	long ret = fd;

	if (!f)
		return -EBADF;
	if (f->ops == &signalfd_ops) {
		WRITE_ONCE(((struct signalfd *)f->private)->mask, mask);
		wake_up_all(&current->process->signalfd_wait);
	} else {
		ret = -EINVAL;
	}
	file_put(f);
	return ret;
}

static long do_signalfd(int fd, const u64 __user *umask, size_t size, u32 flags)
{
	u64 mask;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK) || size != SIGSET_SIZE)
		return -EINVAL;
	if (copy_from_user(&mask, umask, sizeof(mask)))
		return -EFAULT;
	mask &= ~(sigbit(SIGKILL) | sigbit(SIGSTOP));
	return fd == -1 ? signalfd_new(mask, flags) : signalfd_change(fd, mask);
}

SYSCALL3(signalfd, s32, fd, const u64 __user *, mask, size_t, size)
{
	return do_signalfd(fd, mask, size, 0);
}

SYSCALL4(signalfd4, s32, fd, const u64 __user *, mask, size_t, size, u32, flags)
{
	return do_signalfd(fd, mask, size, flags);
}
