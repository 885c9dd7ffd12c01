/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timerfd: a timer whose expirations are read as a count.
 *
 * An interval timer fires once and stays quiet until somebody looks (read, gettime): only then the periods that went by
 * are counted and the timer is armed again. So an unread timer costs nothing.
 *
 * All kernel timers run on the monotonic clock. Absolute deadlines on CLOCK_REALTIME remember the clock's own value and
 * move when the clock is set; the count of settings (clock_steps()) tells a reader that it was, even if nobody told us.
 *
 * Order: op_lock > all_lock > lock. The timer function takes lock only; ktimer_cancel() is called without it.
 */
#include <gk/fs.h>
#include <gk/poll.h>
#include <gk/printk.h>
#include <gk/slab.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/time.h>

#define TFD_TIMER_ABSTIME 1
#define TFD_TIMER_CANCEL_ON_SET 2
#define TFD_IOC_SET_TICKS 0x40085400
#define CAP_WAKE_ALARM 35

struct timerfd {
	struct mutex op_lock; /* settime, gettime, the re-arming part of read */
	spinlock_t lock;
	struct ktimer timer;
	int clock;
	u32 settime_flags; /* op_lock */
	u64 real_value;	   /* op_lock: absolute CLOCK_REALTIME deadline, or 0 */
	ktime_t deadline;  /* lock: monotonic; 0: disarmed */
	u64 interval;	   /* lock */
	u64 ticks;	   /* lock: expirations not read yet */
	bool expired;	   /* lock: fired, not armed again */
	u64 steps;	   /* lock: clock_steps() when armed */
	struct wait_queue wait;
	struct list_head link; /* all_lock: of all timers on CLOCK_REALTIME */
};

static spinlock_t all_lock;
static LIST_HEAD(all_realtime);

static bool is_realtime(const struct timerfd *t)
{
	return t->clock == CLOCK_REALTIME || t->clock == CLOCK_REALTIME_ALARM;
}

/* The clock of @t minus the monotonic clock. */
static u64 clock_offset(const struct timerfd *t)
{
	if (is_realtime(t))
		return ktime_real() - ktime_mono();
	return t->clock == CLOCK_MONOTONIC ? 0 : ktime_boot() - ktime_mono();
}

static bool cancelled(const struct timerfd *t)
{
	return (t->settime_flags & TFD_TIMER_CANCEL_ON_SET) && t->real_value && clock_steps() != READ_ONCE(t->steps);
}

static void timerfd_fire(struct ktimer *kt)
{
	struct timerfd *t = container_of(kt, struct timerfd, timer);
	ktime_t later = 0;
	bool fired = false;

	/* timerfd_move() may have armed it while it was being set: the deadline decides. */
	spin_lock(&t->lock);
	if (t->deadline > ktime_mono()) {
		later = t->deadline;
	} else if (t->deadline && !t->expired) {
		fired = t->expired = true;
		t->ticks++;
	}
	spin_unlock(&t->lock);
	if (later)
		ktimer_start(kt, later);
	if (fired)
		wake_up_poll(&t->wait, EPOLLIN);
}

/* op_lock held. Counts the periods an expired interval timer has slept through, and arms it for the next. */
static void catch_up(struct timerfd *t)
{
	ktime_t now = ktime_mono(), next = 0;
	u64 periods;

	spin_lock(&t->lock);
	if (t->expired && t->interval) {
		periods = now >= t->deadline ? (now - t->deadline) / t->interval + 1 : 1;
		t->deadline += periods * t->interval;
		t->ticks += periods - 1;
		t->expired = false;
		next = t->deadline;
	}
	spin_unlock(&t->lock);
	if (next)
		ktimer_start(&t->timer, next);
}

static ssize_t timerfd_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct timerfd *t = f->private;
	u64 ticks = 0;
	int ret;

	if (it->count < sizeof(ticks))
		return -EINVAL;
	while (!ticks) {
		if (!READ_ONCE(t->ticks) && !cancelled(t)) {
			if (f->flags & O_NONBLOCK)
				return -EAGAIN;
			ret = wait_event_interruptible(&t->wait, READ_ONCE(t->ticks) || cancelled(t));
			if (ret)
				return ret;
		}
		mutex_lock(&t->op_lock);
		ret = cancelled(t) ? -ECANCELED : 0;
		if (ret)
			t->steps = clock_steps();
		else if (READ_ONCE(t->ticks))
			catch_up(t);
		spin_lock(&t->lock);
		ticks = t->ticks;
		t->ticks = 0;
		spin_unlock(&t->lock);
		mutex_unlock(&t->op_lock);
		if (ret)
			return ret;
	}
	return copy_to_iter(&ticks, sizeof(ticks), it) == sizeof(ticks) ? (ssize_t)sizeof(ticks) : -EFAULT;
}

static u32 timerfd_poll(struct file *f, struct poll_table *pt)
{
	struct timerfd *t = f->private;

	poll_wait(f, &t->wait, pt);
	return READ_ONCE(t->ticks) || cancelled(t) ? EPOLLIN : 0;
}

static void timerfd_release(struct file *f)
{
	struct timerfd *t = f->private;

	spin_lock(&all_lock);
	list_del(&t->link);
	spin_unlock(&all_lock);
	ktimer_cancel(&t->timer);
	kfree(t);
}

static long timerfd_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct timerfd *t = f->private;
	u64 ticks;

	if (cmd != TFD_IOC_SET_TICKS)
		return -ENOIOCTLCMD;
	if (get_user(ticks, (u64 __user *)arg))
		return -EFAULT;
	if (!ticks)
		return -EINVAL;
	spin_lock(&t->lock);
	t->ticks = ticks;
	spin_unlock(&t->lock);
	wake_up_poll(&t->wait, EPOLLIN);
	return 0;
}

/* op_lock held. What gettime reports. */
static struct itimerspec64 current_setting(struct timerfd *t)
{
	struct itimerspec64 its;
	ktime_t now = ktime_mono();
	u64 left = 0;

	spin_lock(&t->lock);
	if (t->deadline && !t->expired)
		left = t->deadline > now ? t->deadline - now : 1;
	its.interval = ns_to_timespec64(t->interval);
	spin_unlock(&t->lock);
	its.value = ns_to_timespec64(left);
	return its;
}

static int timerfd_fdinfo(struct file *f, char *buf, size_t size)
{
	struct timerfd *t = f->private;
	struct itimerspec64 its;
	u64 ticks;

	mutex_lock(&t->op_lock);
	its = current_setting(t);
	ticks = READ_ONCE(t->ticks);
	mutex_unlock(&t->op_lock);
	return scnprintf(buf, size,
			 "clockid: %d\nticks: %lu\nsettime flags: 0%o\nit_value: (%ld, %ld)\nit_interval: (%ld, %ld)\n",
			 t->clock, ticks, t->settime_flags, its.value.tv_sec, its.value.tv_nsec, its.interval.tv_sec,
			 its.interval.tv_nsec);
}

static const struct file_ops timerfd_ops = {
	.release = timerfd_release,
	.read = timerfd_read,
	.poll = timerfd_poll,
	.ioctl = timerfd_ioctl,
	.fdinfo = timerfd_fdinfo,
};

/* op_lock held, timer cancelled. Arms for @value on the timer's clock (0: stays off). */
static void timerfd_arm(struct timerfd *t, u64 value, u64 interval, u32 flags)
{
	bool abs = flags & TFD_TIMER_ABSTIME;
	u64 offset = clock_offset(t), deadline = 0;

	if (value && abs)
		deadline = (s64)(value - offset) > 0 ? value - offset : 1;
	else if (value)
		deadline = deadline_after(value);
	t->settime_flags = flags;
	t->real_value = abs && is_realtime(t) ? value : 0;
	spin_lock(&t->lock);
	t->steps = clock_steps();
	t->deadline = deadline;
	t->interval = value ? interval : 0;
	t->ticks = 0;
	t->expired = false;
	spin_unlock(&t->lock);
	if (deadline)
		ktimer_start(&t->timer, deadline);
}

/* The clock was set under an armed absolute timer. */
static void timerfd_move(struct timerfd *t)
{
	u64 offset = clock_offset(t), value = READ_ONCE(t->real_value), deadline = 0;

	spin_lock(&t->lock);
	if (value && t->deadline && !t->expired) {
		deadline = (s64)(value - offset) > 0 ? value - offset : 1;
		t->deadline = deadline;
	}
	spin_unlock(&t->lock);
	if (deadline)
		ktimer_start(&t->timer, deadline);
	wake_up_poll(&t->wait, EPOLLIN);
}

void timerfd_look_at_clock(void)
{
	static u64 seen; /* of several vCPUs that look at once each may move the timers: that does not hurt */
	const u64 steps = clock_steps();
	struct timerfd *t;

	if (likely(steps == READ_ONCE(seen)))
		return;
	WRITE_ONCE(seen, steps);
	spin_lock(&all_lock);
	list_for_each_entry(t, &all_realtime, link)
		timerfd_move(t);
	spin_unlock(&all_lock);
}

static bool clock_ok(int clock)
{
	return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME ||
	       clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM;
}

SYSCALL2(timerfd_create, s32, clock, u32, flags)
{
	struct timerfd *t;
	struct file *f;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK) || !clock_ok(clock))
		return -EINVAL;
	if ((clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM) && !capable(CAP_WAKE_ALARM))
		return -EPERM;
	t = kzalloc(sizeof(*t));
	if (!t)
		return -ENOMEM;
	mutex_init(&t->op_lock);
	wait_queue_init(&t->wait);
	ktimer_init(&t->timer, timerfd_fire);
	t->clock = clock;
	list_init(&t->link);
	if (is_realtime(t)) {
		spin_lock(&all_lock);
		list_add(&t->link, &all_realtime);
		spin_unlock(&all_lock);
	}
	f = anon_file("[timerfd]", &timerfd_ops, t, O_RDWR | (flags & O_NONBLOCK));
	if (IS_ERR_OR_NULL(f)) {
		spin_lock(&all_lock);
		list_del(&t->link);
		spin_unlock(&all_lock);
		kfree(t);
		return f ? PTR_ERR(f) : -ENOMEM;
	}
	return fd_install_new(f, flags);
}

/* The timer behind @fd; *out is the file with a reference. */
static struct timerfd *timerfd_get(int fd, struct file **out)
{
	struct file *f = fd_get(fd);

	if (!f)
		return ERR_PTR(-EBADF);
	if (f->ops != &timerfd_ops) {
		file_put(f);
		return ERR_PTR(-EINVAL);
	}
	*out = f;
	return f->private;
}

SYSCALL4(timerfd_settime, s32, fd, u32, flags, const struct itimerspec64 __user *, unew, struct itimerspec64 __user *,
	 uold)
{
	struct itimerspec64 new, old;
	struct timerfd *t;
	struct file *f;

	if (copy_from_user(&new, unew, sizeof(new)))
		return -EFAULT;
	if (flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) || !timespec64_valid(&new.value) ||
	    !timespec64_valid(&new.interval))
		return -EINVAL;
	t = timerfd_get(fd, &f);
	if (IS_ERR(t))
		return PTR_ERR(t);
	mutex_lock(&t->op_lock);
	ktimer_cancel(&t->timer);
	catch_up(t);
	ktimer_cancel(&t->timer);
	old = current_setting(t);
	timerfd_arm(t, timespec64_to_ns(&new.value), timespec64_to_ns(&new.interval), flags);
	mutex_unlock(&t->op_lock);
	file_put(f);
	return uold ? copy_to_user(uold, &old, sizeof(old)) : 0;
}

SYSCALL2(timerfd_gettime, s32, fd, struct itimerspec64 __user *, ucur)
{
	struct itimerspec64 cur;
	struct timerfd *t;
	struct file *f;

	t = timerfd_get(fd, &f);
	if (IS_ERR(t))
		return PTR_ERR(t);
	mutex_lock(&t->op_lock);
	catch_up(t);
	cur = current_setting(t);
	mutex_unlock(&t->op_lock);
	file_put(f);
	return copy_to_user(ucur, &cur, sizeof(cur));
}
