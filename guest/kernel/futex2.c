/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The newer futex calls: futex_waitv (any of several), futex_wake, futex_wait, futex_requeue. 32-bit words only, as
 * Linux.
 */
#include <gk/errno.h>
#include <gk/signal.h>
#include <gk/slab.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/time.h>
#include <gk/uaccess.h>

#include "futex_internal.h"

#define FUTEX2_SIZE_U32 0x02
#define FUTEX2_SIZE_MASK 0x03
#define FUTEX2_PRIVATE 128
#define FUTEX2_VALID (FUTEX2_SIZE_MASK | FUTEX2_PRIVATE)
#define FUTEX_WAITV_MAX 128

struct futex_waitv {
	u64 val;
	u64 uaddr;
	u32 flags;
	u32 reserved;
};

static bool flags_valid(u32 flags)
{
	return !(flags & ~FUTEX2_VALID) && (flags & FUTEX2_SIZE_MASK) == FUTEX2_SIZE_U32;
}

static bool flags_shared(u32 flags)
{
	return !(flags & FUTEX2_PRIVATE);
}

/* The absolute deadline of @uts on @clock; no @uts: never. */
static int absolute_deadline(const struct timespec64 __user *uts, s32 clock, ktime_t *deadline)
{
	u64 ns;
	int err;

	*deadline = KTIME_NEVER;
	if (!uts)
		return 0;
	if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
		return -EINVAL;
	err = timespec_from_user(uts, &ns);
	if (!err)
		*deadline = futex_deadline(ns, clock == CLOCK_REALTIME);
	return err;
}

/* ---- waitv ---- */

/* Takes all @n out; the index of one that was woken, or -1. */
static int unqueue_all(struct futex_q *qs, u32 n)
{
	int woken = -1;
	u32 i;

	for (i = 0; i < n; i++) {
		if (!futex_unqueue(&qs[i]))
			woken = (int)i;
	}
	return woken;
}

/*
 * Queues on all words. 0: all queued. > 0: 1 + the index of one that was woken meanwhile. Else nothing is queued:
 * -EAGAIN a word differs, or *fault is set and the word there was not present.
 */
static int queue_all(const struct futex_waitv *wv, struct futex_q *qs, u32 n, u64 *fault)
{
	struct futex_bucket *b;
	int err, woken;
	u32 i, cur;

	*fault = 0;
	for (i = 0; i < n; i++) {
		qs[i] = (struct futex_q){.bitset = FUTEX_BITSET_ANY};
		err = futex_key_get(wv[i].uaddr, flags_shared(wv[i].flags), &qs[i].key);
		if (err)
			goto undo;
		b = futex_queue_lock(&qs[i].key);
		err = user_load32((u32 __user *)wv[i].uaddr, &cur);
		if (err || cur != (u32)wv[i].val) {
			futex_queue_unlock(b);
			futex_key_put(&qs[i].key);
			if (err)
				*fault = wv[i].uaddr;
			else
				err = -EAGAIN;
			goto undo;
		}
		futex_queue(&qs[i], b);
		spin_unlock(&b->lock);
	}
	return 0;
undo:
	woken = unqueue_all(qs, i);
	if (woken < 0)
		return err;
	*fault = 0;
	return woken + 1;
}

static bool any_woken(const struct futex_q *qs, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++) {
		if (futex_woken(&qs[i]))
			return true;
	}
	return false;
}

static int sleep_on_any(struct futex_q *qs, u32 n, ktime_t deadline)
{
	int ret = 1, woken;

	while (ret > 0) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (any_woken(qs, n))
			break;
		ret = schedule_until(deadline);
	}
	set_current_state(TASK_RUNNING);
	woken = unqueue_all(qs, n);
	if (woken >= 0)
		return woken;
	return ret ? -ERESTARTSYS : -ETIMEDOUT;
}

static int wait_any(const struct futex_waitv *wv, struct futex_q *qs, u32 n, ktime_t deadline)
{
	u64 fault;
	int ret;

	for (;;) {
		ret = queue_all(wv, qs, n, &fault);
		if (!ret)
			return sleep_on_any(qs, n, deadline);
		if (ret > 0)
			return ret - 1;
		if (!fault)
			return ret;
		ret = futex_fault(fault, false);
		if (ret)
			return ret;
	}
}

static int waitv_check(const struct futex_waitv *wv, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++) {
		if (!flags_valid(wv[i].flags) || wv[i].reserved || wv[i].val >> 32)
			return -EINVAL;
	}
	return 0;
}

SYSCALL5(futex_waitv, const struct futex_waitv __user *, uwaiters, u32, n, u32, flags, const struct timespec64 __user *,
	 uts, s32, clock)
{
	struct futex_waitv *wv;
	struct futex_q *qs;
	ktime_t deadline;
	long ret;

	if (flags || !n || n > FUTEX_WAITV_MAX || !uwaiters)
		return -EINVAL;
	ret = absolute_deadline(uts, clock, &deadline);
	if (ret)
		return ret;
	wv = kcalloc(n, sizeof(*wv));
	qs = kcalloc(n, sizeof(*qs));
	ret = -ENOMEM;
	if (!wv || !qs)
		goto out;
	ret = copy_from_user(wv, uwaiters, n * sizeof(*wv));
	if (!ret)
		ret = waitv_check(wv, n);
	if (!ret)
		ret = wait_any(wv, qs, n, deadline);
out:
	kfree(qs);
	kfree(wv);
	return ret;
}

/* ---- the single ones ---- */

SYSCALL6(futex_wait, u64, uaddr, u64, val, u64, mask, u32, flags, const struct timespec64 __user *, uts, s32, clock)
{
	ktime_t deadline;
	int err;

	if (!flags_valid(flags) || val >> 32 || mask >> 32)
		return -EINVAL;
	err = absolute_deadline(uts, clock, &deadline);
	return err ? err : futex_wait_on(uaddr, flags_shared(flags), (u32)val, deadline, (u32)mask);
}

SYSCALL4(futex_wake, u64, uaddr, u64, mask, s32, n, u32, flags)
{
	if (!flags_valid(flags) || mask >> 32)
		return -EINVAL;
	if (n <= 0)
		return mask ? 0 : -EINVAL;
	return futex_wake_up(uaddr, flags_shared(flags), (u32)n, (u32)mask);
}

SYSCALL4(futex_requeue, const struct futex_waitv __user *, uwaiters, u32, flags, s32, n_wake, s32, n_requeue)
{
	struct futex_waitv wv[2];
	int err;
	u32 val;

	if (flags || !uwaiters)
		return -EINVAL;
	if (copy_from_user(wv, uwaiters, sizeof(wv)))
		return -EFAULT;
	err = waitv_check(wv, 2);
	if (err || n_wake < 0 || n_requeue < 0)
		return -EINVAL;
	val = (u32)wv[0].val;
	return futex_requeue_to(wv[0].uaddr, flags_shared(wv[0].flags), wv[1].uaddr, flags_shared(wv[1].flags),
				(u32)n_wake, (u32)n_requeue, &val);
}
