/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interval timers (setitimer, alarm), and the sampler of CPU time behind ITIMER_VIRTUAL, ITIMER_PROF, RLIMIT_CPU and
 * POSIX timers on CPU clocks.
 *
 * Without a tick nothing counts a process's time while it runs. The sampler is a kernel timer set for the earliest
 * moment at which anything can be due, that is if all threads run all the time; it adds up and sets itself again. Its
 * period has a floor, so a process that sleeps costs a few looks a second at most while it has such a timer.
 * Lock: siglock; the timers' funcs take it and look at what they find, so nothing needs to wait for them except the
 * end.
 */
#include <gk/errno.h>
#include <gk/slab.h>
#include <gk/syscall.h>
#include <gk/uaccess.h>

#include "cputime.h"
#include "signal_internal.h"

#define SAMPLE_MIN_NS (NSEC_PER_MSEC)
#define SAMPLE_MAX_NS (NSEC_PER_SEC)
/* A periodic timer goes off no more often than this. */
#define PERIOD_MIN_NS (20 * NSEC_PER_USEC)

#define ITIMER_REAL 0
#define ITIMER_VIRTUAL 1
#define ITIMER_PROF 2

struct task *busy_thread(struct process *p)
{
	struct task *t = current;

	if (t->process == p && !t->exiting)
		return t;
	for_each_thread(t, p) {
		if (READ_ONCE(t->on_cpu) && !t->exiting && t->sighand)
			return t;
	}
	return any_thread(p);
}

static void send_alarm(struct task *t, int sig)
{
	if (t)
		send_signal_locked(sig, NULL, t, true, false);
}

/* ---- ITIMER_REAL ---- */

static void real_fire(struct ktimer *kt)
{
	struct itimers *it = container_of(kt, struct itimers, real);
	struct process *p = it->process;
	ktime_t now = ktime_mono();

	spin_lock(&p->siglock);
	if (it->real_expiry && it->real_expiry <= now) {
		send_alarm(any_thread(p), SIGALRM);
		if (it->real_interval) {
			it->real_expiry += ((now - it->real_expiry) / it->real_interval + 1) * it->real_interval;
			ktimer_start(kt, MAX(it->real_expiry, now + PERIOD_MIN_NS));
		} else {
			it->real_expiry = 0;
		}
	}
	spin_unlock(&p->siglock);
}

/* ---- the sampler ---- */

/* Something every @interval of CPU time: sends @sig if due; ns until it is next, or KTIME_NEVER. */
static u64 cpu_itimer_check(struct process *p, struct cpu_itimer *ci, u64 used, int sig)
{
	if (!ci->expiry)
		return KTIME_NEVER;
	if (used >= ci->expiry) {
		send_alarm(busy_thread(p), sig);
		if (!ci->interval) {
			ci->expiry = 0;
			return KTIME_NEVER;
		}
		ci->expiry += ((used - ci->expiry) / ci->interval + 1) * ci->interval;
	}
	return ci->expiry - used;
}

/* SIGXCPU at the soft limit and every second beyond, SIGKILL at the hard one. */
static u64 cpu_limit_check(struct process *p, u64 used)
{
	struct rlimit *r = &p->rlim[RLIMIT_CPU];
	u64 soft, hard;

	if (r->cur == RLIM_INFINITY && r->max == RLIM_INFINITY)
		return KTIME_NEVER;
	hard = r->max >= KTIME_MAX / NSEC_PER_SEC ? KTIME_NEVER : MAX(r->max, 1ull) * NSEC_PER_SEC;
	soft = r->cur >= KTIME_MAX / NSEC_PER_SEC ? KTIME_NEVER : MAX(r->cur, 1ull) * NSEC_PER_SEC;
	if (used >= hard) {
		send_alarm(any_thread(p), SIGKILL);
		return KTIME_NEVER;
	}
	if (used >= soft) {
		send_alarm(busy_thread(p), SIGXCPU);
		r->cur++;
		soft += NSEC_PER_SEC;
	}
	return MIN(soft, hard) == KTIME_NEVER ? KTIME_NEVER : MIN(soft, hard) - used;
}

static void sample(struct ktimer *kt)
{
	struct itimers *it = container_of(kt, struct itimers, sampler);
	struct process *p = it->process;
	u64 utime, stime, next;

	spin_lock(&p->siglock);
	process_times(p, &utime, &stime);
	next = cpu_itimer_check(p, &it->virt, utime, SIGVTALRM);
	next = MIN(next, cpu_itimer_check(p, &it->prof, utime + stime, SIGPROF));
	next = MIN(next, cpu_limit_check(p, utime + stime));
	next = MIN(next, posix_cpu_timers_check(p));
	if (next != KTIME_NEVER && !p->zombie) {
		next = MAX(next / max_parallelism(p), (u64)SAMPLE_MIN_NS);
		ktimer_start(kt, ktime_mono() + MIN(next, (u64)SAMPLE_MAX_NS));
	}
	spin_unlock(&p->siglock);
}

struct itimers *itimers_get(struct process *p)
{
	struct itimers *it = p->itimers;

	if (it)
		return it;
	if (!any_thread(p))
		return NULL; /* dying: itimers_exit() has been here */
	it = kzalloc(sizeof(*it));
	if (!it)
		return NULL;
	it->process = p;
	ktimer_init(&it->real, real_fire);
	ktimer_init(&it->sampler, sample);
	p->itimers = it;
	return it;
}

void cputime_sampler_start(struct process *p)
{
	struct itimers *it = itimers_get(p);

	if (it)
		ktimer_start(&it->sampler, ktime_mono());
}

void itimers_exit(struct process *p)
{
	struct itimers *it;

	spin_lock(&p->siglock);
	it = p->itimers;
	p->itimers = NULL;
	if (it) /* a func that runs just now finds nothing to do, and starts nothing */
		it->real_expiry = it->virt.expiry = it->prof.expiry = 0;
	spin_unlock(&p->siglock);
	if (!it)
		return;
	ktimer_cancel(&it->real);
	while (ktimer_cancel(&it->sampler))
		;
	kfree(it);
}

void itimers_new_process(struct process *child)
{
	child->itimers = NULL;
	child->posix_timers = NULL;
	if (child->rlim[RLIMIT_CPU].cur != RLIM_INFINITY || child->rlim[RLIMIT_CPU].max != RLIM_INFINITY) {
		spin_lock(&child->siglock);
		cputime_sampler_start(child);
		spin_unlock(&child->siglock);
	}
}

/* ---- system calls ---- */

struct itimer_value {
	u64 interval, value; /* ns */
};

static struct cpu_itimer *cpu_itimer_of(struct itimers *it, int which)
{
	return which == ITIMER_VIRTUAL ? &it->virt : &it->prof;
}

static u64 cpu_used(struct process *p, int which)
{
	u64 utime, stime;

	process_times(p, &utime, &stime);
	return which == ITIMER_VIRTUAL ? utime : utime + stime;
}

/* What is left of something due at @expiry: at least 1 us while it is armed. */
static u64 left_of(u64 expiry, u64 now)
{
	if (!expiry)
		return 0;
	return expiry > now + NSEC_PER_USEC ? expiry - now : NSEC_PER_USEC;
}

/* siglock held. */
static struct itimer_value itimer_read(struct process *p, int which)
{
	struct itimers *it = p->itimers;
	struct cpu_itimer *ci;

	if (!it)
		return (struct itimer_value){0, 0};
	if (which == ITIMER_REAL)
		return (struct itimer_value){it->real_interval, left_of(it->real_expiry, ktime_mono())};
	ci = cpu_itimer_of(it, which);
	return (struct itimer_value){ci->interval, ci->expiry ? left_of(ci->expiry, cpu_used(p, which)) : 0};
}

/* siglock held. */
static int itimer_write(struct process *p, int which, const struct itimer_value *v)
{
	struct itimers *it = itimers_get(p);
	struct cpu_itimer *ci;
	ktime_t deadline;

	if (!it)
		return -ENOMEM;
	if (which == ITIMER_REAL) {
		deadline = ktime_after(v->value);
		it->real_interval = v->interval;
		it->real_expiry = v->value ? deadline : 0;
		ktimer_start(&it->real, v->value ? deadline : KTIME_NEVER);
		return 0;
	}
	ci = cpu_itimer_of(it, which);
	ci->interval = v->interval;
	ci->expiry = v->value ? cpu_used(p, which) + v->value : 0;
	if (v->value)
		cputime_sampler_start(p);
	return 0;
}

struct user_itimerval {
	struct timeval64 interval, value;
};

static int timeval_ns(const struct timeval64 *tv, u64 *ns)
{
	if (tv->tv_sec < 0 || (u64)tv->tv_usec >= 1000000)
		return -EINVAL;
	*ns = (u64)tv->tv_sec >= KTIME_MAX / NSEC_PER_SEC
		      ? KTIME_MAX / 4
		      : (u64)tv->tv_sec * NSEC_PER_SEC + (u64)tv->tv_usec * NSEC_PER_USEC;
	return 0;
}

static int itimer_to_user(struct user_itimerval __user *uv, const struct itimer_value *v)
{
	struct user_itimerval u = {ns_to_timeval64(v->interval), ns_to_timeval64(v->value)};

	return copy_to_user(uv, &u, sizeof(u));
}

SYSCALL2(getitimer, int, which, struct user_itimerval __user *, uv)
{
	struct process *p = current->process;
	struct itimer_value v;

	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	spin_lock(&p->siglock);
	v = itimer_read(p, which);
	spin_unlock(&p->siglock);
	return itimer_to_user(uv, &v);
}

SYSCALL3(setitimer, int, which, const struct user_itimerval __user *, unew, struct user_itimerval __user *, uold)
{
	struct process *p = current->process;
	struct itimer_value v = {0, 0}, old;
	struct user_itimerval u;
	int err;

	if (unew) {
		if (copy_from_user(&u, unew, sizeof(u)))
			return -EFAULT;
		if (timeval_ns(&u.value, &v.value) || timeval_ns(&u.interval, &v.interval))
			return -EINVAL;
	}
	if (which < ITIMER_REAL || which > ITIMER_PROF)
		return -EINVAL;
	spin_lock(&p->siglock);
	old = itimer_read(p, which);
	err = itimer_write(p, which, &v);
	spin_unlock(&p->siglock);
	if (!err && uold)
		err = itimer_to_user(uold, &old);
	return err;
}

SYSCALL1(alarm, u32, seconds)
{
	struct process *p = current->process;
	struct itimer_value v = {0, seconds * NSEC_PER_SEC}, old;

	spin_lock(&p->siglock);
	old = itimer_read(p, ITIMER_REAL);
	itimer_write(p, ITIMER_REAL, &v);
	spin_unlock(&p->siglock);
	/* Rounded to the nearest second, but an alarm that is pending is never 0. */
	if (old.value && old.value < NSEC_PER_SEC)
		return 1;
	return (long)((old.value + NSEC_PER_SEC / 2) / NSEC_PER_SEC);
}
