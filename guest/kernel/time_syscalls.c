/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading clocks. Nobody in a sandbox sets one: CLOCK_REALTIME is the host's. Most readers never come here, they use
 * the vDSO.
 */
#include <gk/errno.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/uaccess.h>

#include "cputime.h"

#define COARSE_NS (4 * NSEC_PER_MSEC)

bool wall_clock_read(s32 clock, u64 *ns)
{
	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_REALTIME_COARSE:
		*ns = ktime_real();
		return true;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
		*ns = ktime_mono();
		return true;
	case CLOCK_BOOTTIME:
	case CLOCK_BOOTTIME_ALARM:
		*ns = ktime_boot();
		return true;
	case CLOCK_TAI:
		*ns = ktime_real() + (u64)clock_tai_offset_ns();
		return true;
	default:
		return false;
	}
}

/*
 * Other ids are made from a pid: ~pid << 3, bit 2 "thread", bits 0-1 which part (clock_getcpuclockid(3)).
 */
bool cpu_clock_decode(s32 clock, struct cpu_clock *c)
{
	c->pid = 0;
	c->part = CPU_CLOCK_SCHED;
	if (clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID) {
		c->kind = clock == CLOCK_THREAD_CPUTIME_ID ? CLOCK_KIND_THREAD : CLOCK_KIND_PROCESS;
		return true;
	}
	if (clock >= 0 || (clock & 3) == 3)
		return false;
	c->pid = ~(clock >> 3);
	c->kind = clock & 4 ? CLOCK_KIND_THREAD : CLOCK_KIND_PROCESS;
	c->part = clock & 3;
	return true;
}

static u64 pick_part(const struct cpu_clock *c, u64 utime, u64 stime)
{
	return c->part == CPU_CLOCK_VIRT ? utime : utime + stime;
}

int cpu_clock_read(const struct cpu_clock *c, u64 *ns)
{
	struct task *t = c->pid ? find_get_task(c->pid) : task_get(current);
	struct process *p;
	u64 u, s;
	int ret = -EINVAL;

	if (!t)
		return -EINVAL;
	p = t->process;
	if (c->kind == CLOCK_KIND_THREAD) {
		if (p == current->process) { /* other processes' threads are none of our business */
			task_times(t, &u, &s);
			ret = 0;
		}
	} else if (t == p->leader || !c->pid) {
		spin_lock(&p->siglock);
		process_times(p, &u, &s);
		spin_unlock(&p->siglock);
		ret = 0;
	}
	if (!ret)
		*ns = pick_part(c, u, s);
	task_put(t);
	return ret;
}

u64 cpu_clock_read_locked(const struct cpu_clock *c, struct process *p)
{
	struct task *t;
	u64 u = 0, s = 0;

	if (c->kind == CLOCK_KIND_PROCESS) {
		process_times(p, &u, &s);
		return pick_part(c, u, s);
	}
	list_for_each_entry(t, &p->threads, thread_link) {
		if (task_pid_nr(t) == c->pid) {
			task_times(t, &u, &s);
			break;
		}
	}
	return pick_part(c, u, s);
}

static int clock_read_any(s32 clock, u64 *ns)
{
	struct cpu_clock c;

	if (wall_clock_read(clock, ns))
		return 0;
	return cpu_clock_decode(clock, &c) ? cpu_clock_read(&c, ns) : -EINVAL;
}

SYSCALL2(clock_gettime, s32, clock, struct timespec64 __user *, uts)
{
	u64 ns;
	int err = clock_read_any(clock, &ns);

	return err ? err : timespec_to_user(uts, ns);
}

SYSCALL2(clock_getres, s32, clock, struct timespec64 __user *, uts)
{
	bool coarse = clock == CLOCK_REALTIME_COARSE || clock == CLOCK_MONOTONIC_COARSE;
	u64 ns;
	int err = clock_read_any(clock, &ns);

	if (err || !uts)
		return err;
	return timespec_to_user(uts, coarse ? COARSE_NS : 1);
}

SYSCALL2(clock_settime, s32, clock, const struct timespec64 __user *, uts)
{
	u64 ns;
	int err;

	if (clock != CLOCK_REALTIME)
		return -EINVAL;
	err = timespec_from_user(uts, &ns);
	return err ? err : -EPERM;
}

struct timezone {
	s32 minuteswest, dsttime;
};

SYSCALL2(gettimeofday, struct timeval64 __user *, utv, struct timezone __user *, utz)
{
	u64 ns = ktime_real();
	struct timeval64 tv = ns_to_timeval64(ns);

	if (utv && copy_to_user(utv, &tv, sizeof(tv)))
		return -EFAULT;
	return utz ? clear_user(utz, sizeof(*utz)) : 0;
}

SYSCALL2(settimeofday, const struct timeval64 __user *, utv, const struct timezone __user *, utz)
{
	struct timeval64 tv;

	if (utv) {
		if (copy_from_user(&tv, utv, sizeof(tv)))
			return -EFAULT;
		if ((u64)tv.tv_usec >= 1000000)
			return -EINVAL;
	}
	return -EPERM;
}

SYSCALL1(time, s64 __user *, utime)
{
	s64 now = (s64)(ktime_real() / NSEC_PER_SEC);

	if (utime && put_user(now, utime))
		return -EFAULT;
	return now;
}

/* ---- adjtimex: only to look ---- */

struct timex {
	u32 modes, pad0;
	s64 offset, freq, maxerror, esterror;
	s32 status, pad1;
	s64 constant, precision, tolerance;
	struct timeval64 time;
	s64 tick, ppsfreq, jitter;
	s32 shift, pad2;
	s64 stabil, jitcnt, calcnt, errcnt, stbcnt;
	s32 tai, pad3[11];
};
_Static_assert(sizeof(struct timex) == 208, "struct timex");

#define STA_UNSYNC 0x40
#define TIME_ERROR 5
#define ADJ_OFFSET_SS_READ 0xa001

static long adjust(struct timex __user *utx)
{
	struct timex tx;
	u64 now = ktime_real();

	if (copy_from_user(&tx, utx, sizeof(tx)))
		return -EFAULT;
	if (tx.modes && tx.modes != ADJ_OFFSET_SS_READ)
		return -EPERM;
	memset(&tx, 0, sizeof(tx));
	/* Whether the host is synchronised we do not know. */
	tx.status = STA_UNSYNC;
	tx.maxerror = tx.esterror = 16000000;
	tx.constant = 2;
	tx.precision = 1;
	tx.tolerance = 32768000;
	tx.tick = 10000;
	tx.time = ns_to_timeval64(now);
	tx.tai = (s32)(clock_tai_offset_ns() / (s64)NSEC_PER_SEC);
	if (copy_to_user(utx, &tx, sizeof(tx)))
		return -EFAULT;
	return TIME_ERROR;
}

SYSCALL1(adjtimex, struct timex __user *, utx)
{
	return adjust(utx);
}

SYSCALL2(clock_adjtime, s32, clock, struct timex __user *, utx)
{
	u64 ns;

	if (clock_read_any(clock, &ns))
		return -EINVAL;
	return clock == CLOCK_REALTIME ? adjust(utx) : -EOPNOTSUPP;
}
