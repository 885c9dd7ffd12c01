/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX timers: timer_create and friends.
 *
 * Each timer owns one queue entry, so that its signal can always be sent, and is pending at most once: expirations
 * meanwhile are its overrun. A periodic timer whose signal is pending is not armed; it is again when the signal is
 * taken (posix_timer_dequeued()). Timers on CPU clocks are checked by the sampler in itimer.c.
 * Lock: siglock of the process, also in the kernel timer's func. A deleted timer is first taken out of the table (dead)
 * and freed when its func is known not to run.
 */
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/uaccess.h>

#include "cputime.h"
#include "signal_internal.h"

#define SIGEV_SIGNAL 0
#define SIGEV_NONE 1
#define SIGEV_THREAD 2
#define SIGEV_THREAD_ID 4
#define TABLE_SIZE 64
/* A timer whose signal is ignored keeps its time, but not faster than this. */
#define IGNORED_PERIOD_MIN_NS (4 * NSEC_PER_MSEC)

struct posix_timers {
	struct list_head table[TABLE_SIZE]; /* siglock */
	s32 next_id;
	bool wrapped; /* else no number from next_id on was ever used */
	u32 nr_cpu;   /* armed ones on CPU clocks */
};

struct posix_timer {
	struct list_head link;
	struct process *process;
	struct task *target; /* SIGEV_THREAD_ID: reference; else NULL */
	struct sigqueue *q;
	struct ktimer ktimer;
	s32 id;
	s32 clock;
	bool on_cpu_clock, dead;
	struct cpu_clock cpu;
	s32 notify;
	bool realtime;	      /* expiry is a CLOCK_REALTIME or TAI time, else monotonic (or CPU time) */
	u64 expiry, interval; /* ns; expiry 0: disarmed */
	u64 overrun;	      /* since the signal that is pending was sent */
	s32 overrun_last;     /* of the last signal taken */
};

/* ---- table ---- */

static struct posix_timer *timer_find(struct process *p, s32 id)
{
	struct posix_timer *pt;

	if (!p->posix_timers || id < 0)
		return NULL;
	list_for_each_entry(pt, &p->posix_timers->table[id % TABLE_SIZE], link) {
		if (pt->id == id)
			return pt;
	}
	return NULL;
}

/* siglock held; *fresh is used up when the process has no table yet. */
static int timer_publish(struct process *p, struct posix_timer *pt, struct posix_timers **fresh)
{
	struct posix_timers *ts;
	s32 id;

	if (!p->posix_timers) {
		p->posix_timers = *fresh;
		*fresh = NULL;
	}
	ts = p->posix_timers;
	id = ts->next_id;
	while (ts->wrapped && timer_find(p, id)) { /* RLIMIT_SIGPENDING bounds how many there are */
		id = (id + 1) & INT32_MAX;
		if (id == ts->next_id)
			return -EAGAIN;
	}
	ts->next_id = (id + 1) & INT32_MAX;
	ts->wrapped |= !ts->next_id;
	pt->id = id;
	list_add_tail(&pt->link, &ts->table[id % TABLE_SIZE]);
	return 0;
}

/* ---- time ---- */

/* Now, on the clock that pt->expiry is measured with. */
static u64 timer_now(const struct posix_timer *pt)
{
	u64 ns = 0;

	if (pt->on_cpu_clock)
		ns = cpu_clock_read_locked(&pt->cpu, pt->process);
	else if (pt->realtime)
		wall_clock_read(pt->clock, &ns);
	else
		ns = ktime_mono();
	return ns;
}

/* siglock held. Arms for pt->expiry, but not before @floor (monotonic). */
static void timer_arm(struct posix_timer *pt, ktime_t floor)
{
	u64 now;

	if (!pt->expiry) {
		ktimer_start(&pt->ktimer, KTIME_NEVER);
	} else if (pt->on_cpu_clock) {
		cputime_sampler_start(pt->process);
	} else if (pt->realtime) {
		now = timer_now(pt);
		now = pt->expiry > now ? MIN(pt->expiry - now, (u64)REALTIME_RECHECK_NS) : 0;
		ktimer_start(&pt->ktimer, MAX(ktime_after(now), floor));
	} else {
		ktimer_start(&pt->ktimer, MAX(pt->expiry, floor));
	}
}

/* Moves a periodic timer's expiry beyond @now; how many periods that were. */
static u64 timer_forward(struct posix_timer *pt, u64 now)
{
	u64 n;

	if (now < pt->expiry)
		return 0;
	n = (now - pt->expiry) / pt->interval + 1;
	pt->expiry += n * pt->interval;
	return n;
}

/* ---- expiry; siglock held ---- */

/* True: the signal is pending now, and taking it will arm the timer again. */
static bool timer_send(struct posix_timer *pt)
{
	struct process *p = pt->process;
	struct task *t = pt->target ? pt->target : pt->on_cpu_clock ? busy_thread(p) : any_thread(p);

	if (pt->notify == SIGEV_NONE || !t || t->exiting)
		return false;
	if (!list_empty(&pt->q->link)) { /* can only be after timer_settime() */
		pt->overrun++;
		return true;
	}
	pt->overrun = 0;
	return send_sigqueue_locked(pt->q, t, !pt->target);
}

static void timer_expired(struct posix_timer *pt, u64 now)
{
	bool pending = timer_send(pt);

	if (!pt->interval) {
		pt->expiry = 0;
	} else if (!pending) {
		timer_forward(pt, now);
		timer_arm(pt, ktime_mono() + IGNORED_PERIOD_MIN_NS);
	}
}

static void timer_fire(struct ktimer *kt)
{
	struct posix_timer *pt = container_of(kt, struct posix_timer, ktimer);
	struct process *p = pt->process;
	u64 now;

	spin_lock(&p->siglock);
	if (!pt->dead && pt->expiry) {
		now = timer_now(pt);
		if (now >= pt->expiry)
			timer_expired(pt, now);
		else
			timer_arm(pt, 0); /* the clock was set, or the timer was */
	}
	spin_unlock(&p->siglock);
}

void posix_timer_dequeued(struct posix_timer *pt, struct siginfo *info)
{
	u64 n;

	if (pt->interval && pt->expiry) {
		n = timer_forward(pt, timer_now(pt));
		if (n) { /* it was waiting for this */
			pt->overrun += n - 1;
			timer_arm(pt, 0);
		}
	}
	pt->overrun_last = (s32)MIN(pt->overrun, (u64)INT32_MAX);
	info->timer.overrun = pt->overrun_last;
	pt->overrun = 0;
}

u64 posix_cpu_timers_check(struct process *p)
{
	struct posix_timers *ts = p->posix_timers;
	struct posix_timer *pt;
	u64 next = KTIME_NEVER, now;
	u32 i;

	if (!ts || !ts->nr_cpu)
		return KTIME_NEVER;
	for (i = 0; i < TABLE_SIZE; i++) {
		list_for_each_entry(pt, &ts->table[i], link) {
			if (!pt->on_cpu_clock || !pt->expiry || !list_empty(&pt->q->link))
				continue;
			now = timer_now(pt);
			if (now >= pt->expiry)
				timer_expired(pt, now);
			if (pt->expiry && list_empty(&pt->q->link))
				next = MIN(next, pt->expiry > now ? pt->expiry - now : 0);
		}
	}
	return next;
}

/* ---- create and delete ---- */

struct user_sigevent {
	u64 value;
	s32 signo, notify;
	s32 tid;
	s32 pad[11];
};
_Static_assert(sizeof(struct user_sigevent) == 64, "struct sigevent");

static int sigevent_check(const struct user_sigevent *ev, struct task **target)
{
	struct task *t;

	*target = NULL;
	switch (ev->notify) {
	case SIGEV_NONE:
		return 0;
	case SIGEV_SIGNAL | SIGEV_THREAD_ID:
		t = find_get_task(ev->tid);
		if (!t || t->process != current->process) {
			if (t)
				task_put(t);
			return -EINVAL;
		}
		*target = t;
		__attribute__((fallthrough));
	case SIGEV_SIGNAL:
	case SIGEV_THREAD:
		if (valid_signal(ev->signo))
			return 0;
		if (*target)
			task_put(*target);
		return -EINVAL;
	default:
		return -EINVAL;
	}
}

static int clock_check(s32 clock, struct posix_timer *pt)
{
	u64 ns;
	int err;

	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_TAI:
		return 0;
	}
	if (cpu_clock_decode(clock, &pt->cpu)) {
		/* Kept as what it means, should the number's bearer change; only the process's own. */
		if (!pt->cpu.pid && pt->cpu.kind == CLOCK_KIND_THREAD)
			pt->cpu.pid = task_pid_nr(current);
		err = cpu_clock_read(&pt->cpu, &ns);
		if (err)
			return err;
		if (pt->cpu.kind == CLOCK_KIND_PROCESS && pt->cpu.pid && pt->cpu.pid != task_tgid_nr(current))
			return -EOPNOTSUPP;
		pt->on_cpu_clock = true;
		return 0;
	}
	return wall_clock_read(clock, &ns) ? -EOPNOTSUPP : -EINVAL;
}

static void timer_free(struct posix_timer *pt)
{
	if (!pt)
		return;
	if (pt->target)
		task_put(pt->target);
	kfree(pt);
}

/* Takes @pt out (siglock held): it sends nothing any more. A signal that is pending stays, and frees its entry. */
static void timer_unpublish(struct process *p, struct posix_timer *pt)
{
	list_del(&pt->link);
	pt->dead = true;
	if (pt->on_cpu_clock && p->posix_timers)
		p->posix_timers->nr_cpu--;
	pt->q->timer = NULL;
	if (list_empty(&pt->q->link))
		sigqueue_free(pt->q);
	pt->q = NULL;
}

SYSCALL3(timer_create, s32, clock, const struct user_sigevent __user *, uev, s32 __user *, uid)
{
	struct user_sigevent ev = {.notify = SIGEV_SIGNAL, .signo = SIGALRM};
	struct process *p = current->process;
	struct posix_timers *fresh;
	struct posix_timer *pt = kzalloc(sizeof(*pt));
	s32 id;
	int err;
	u32 i;

	if (!pt)
		return -EAGAIN;
	err = clock_check(clock, pt);
	if (!err && uev && copy_from_user(&ev, uev, sizeof(ev)))
		err = -EFAULT;
	if (!err)
		err = sigevent_check(&ev, &pt->target);
	if (err) {
		kfree(pt);
		return err;
	}
	pt->process = p;
	pt->clock = clock;
	pt->notify = ev.notify;
	ktimer_init(&pt->ktimer, timer_fire);
	fresh = kzalloc(sizeof(*fresh));
	if (!fresh) {
		timer_free(pt);
		return -EAGAIN;
	}
	for (i = 0; i < TABLE_SIZE; i++)
		list_init(&fresh->table[i]);

	spin_lock(&p->siglock);
	pt->q = sigqueue_alloc(current, false);
	err = pt->q ? timer_publish(p, pt, &fresh) : -EAGAIN;
	if (!err) {
		memset(&pt->q->info, 0, sizeof(pt->q->info));
		pt->q->info.si_signo = ev.notify == SIGEV_NONE ? SIGALRM : ev.signo;
		pt->q->info.si_code = SI_TIMER;
		pt->q->info.timer.timerid = pt->id;
		pt->q->info.timer.value = uev ? ev.value : (u64)pt->id;
		pt->q->timer = pt;
		if (pt->on_cpu_clock)
			p->posix_timers->nr_cpu++;
	} else if (pt->q) {
		sigqueue_free(pt->q);
	}
	id = pt->id;
	spin_unlock(&p->siglock);
	kfree(fresh);
	if (err) {
		timer_free(pt);
		return err;
	}
	if (!put_user(id, uid))
		return 0;
	spin_lock(&p->siglock);
	pt = timer_find(p, id);
	if (pt)
		timer_unpublish(p, pt);
	spin_unlock(&p->siglock);
	timer_free(pt);
	return -EFAULT;
}

SYSCALL1(timer_delete, s32, id)
{
	struct process *p = current->process;
	struct posix_timer *pt;

	spin_lock(&p->siglock);
	pt = timer_find(p, id);
	if (pt)
		timer_unpublish(p, pt);
	spin_unlock(&p->siglock);
	if (!pt)
		return -EINVAL;
	ktimer_cancel(&pt->ktimer);
	timer_free(pt);
	return 0;
}

void posix_timers_exit(struct process *p)
{
	struct posix_timers *ts;
	struct posix_timer *pt;
	u32 i;

	if (!p->posix_timers)
		return;
	for (i = 0; i < TABLE_SIZE; i++) {
		for (;;) {
			spin_lock(&p->siglock);
			pt = list_first_entry_or_null(&p->posix_timers->table[i], struct posix_timer, link);
			if (pt)
				timer_unpublish(p, pt);
			spin_unlock(&p->siglock);
			if (!pt)
				break;
			ktimer_cancel(&pt->ktimer);
			timer_free(pt);
		}
	}
	spin_lock(&p->siglock);
	ts = p->posix_timers;
	p->posix_timers = NULL;
	spin_unlock(&p->siglock);
	kfree(ts);
}

/* ---- set and get ---- */

struct timer_value {
	u64 interval, value; /* ns */
};

/* siglock held. */
static struct timer_value timer_read(struct posix_timer *pt)
{
	struct timer_value v = {.interval = pt->interval};
	u64 now;

	if (!pt->expiry)
		return v;
	now = timer_now(pt);
	if (pt->expiry > now)
		v.value = pt->expiry - now;
	else if (pt->interval) /* waits for its signal to be taken: as if it went on */
		v.value = pt->interval - (now - pt->expiry) % pt->interval;
	else
		v.value = pt->notify == SIGEV_NONE ? 0 : 1; /* about to go off */
	return v;
}

/* siglock held. */
static void timer_write(struct posix_timer *pt, int flags, const struct timer_value *v)
{
	u64 base;

	pt->interval = v->interval;
	pt->overrun = 0;
	pt->overrun_last = 0;
	pt->realtime = false;
	pt->expiry = 0;
	if (v->value) {
		if (!pt->on_cpu_clock && (flags & TIMER_ABSTIME)) {
			pt->realtime = pt->clock != CLOCK_MONOTONIC;
			pt->expiry = v->value;
		} else {
			base = flags & TIMER_ABSTIME ? 0 : timer_now(pt);
			pt->expiry = v->value >= KTIME_MAX - base ? KTIME_MAX : base + v->value;
		}
	}
	timer_arm(pt, 0);
}

static int timer_to_user(struct itimerspec64 __user *us, const struct timer_value *v)
{
	struct itimerspec64 s = {ns_to_timespec64(v->interval), ns_to_timespec64(v->value)};

	return copy_to_user(us, &s, sizeof(s));
}

SYSCALL4(timer_settime, s32, id, int, flags, const struct itimerspec64 __user *, unew, struct itimerspec64 __user *,
	 uold)
{
	struct process *p = current->process;
	struct itimerspec64 s;
	struct timer_value v, old = {0, 0};
	struct posix_timer *pt;

	if (!unew)
		return -EINVAL;
	if (copy_from_user(&s, unew, sizeof(s)))
		return -EFAULT;
	if (!timespec64_valid(&s.interval) || !timespec64_valid(&s.value))
		return -EINVAL;
	v.interval = timespec64_to_ns(&s.interval);
	v.value = timespec64_to_ns(&s.value);
	spin_lock(&p->siglock);
	pt = timer_find(p, id);
	if (pt) {
		old = timer_read(pt);
		timer_write(pt, flags, &v);
	}
	spin_unlock(&p->siglock);
	if (!pt)
		return -EINVAL;
	return uold ? timer_to_user(uold, &old) : 0;
}

SYSCALL2(timer_gettime, s32, id, struct itimerspec64 __user *, us)
{
	struct process *p = current->process;
	struct timer_value v = {0, 0};
	struct posix_timer *pt;

	spin_lock(&p->siglock);
	pt = timer_find(p, id);
	if (pt)
		v = timer_read(pt);
	spin_unlock(&p->siglock);
	return pt ? timer_to_user(us, &v) : -EINVAL;
}

SYSCALL1(timer_getoverrun, s32, id)
{
	struct process *p = current->process;
	struct posix_timer *pt;
	long ret = -EINVAL;

	spin_lock(&p->siglock);
	pt = timer_find(p, id);
	if (pt)
		ret = pt->overrun_last;
	spin_unlock(&p->siglock);
	return ret;
}
