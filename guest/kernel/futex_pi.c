/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PI futexes: locks whose word holds the owner's tid, so that the kernel can hand them over.
 *
 * While somebody waits there is one struct pi_state for the lock, found through the waiters in the bucket and in its
 * owner's list (task->pi_owned). FUTEX_UNLOCK_PI gives the lock to the first waiter and writes the word for it. When an
 * owner dies the first waiter becomes the owner (handed) and writes the word itself, with FUTEX_OWNER_DIED: the dead
 * one's address space may be another. Until then it stays queued, so that nobody takes the old tid in the word for the
 * truth. There is no priority to inherit: the scheduler is fair. Locks: bucket, then pi_lock (all lists of owners), a
 * leaf.
 */
#include <gk/errno.h>
#include <gk/signal.h>
#include <gk/slab.h>
#include <gk/task.h>
#include <gk/uaccess.h>

#include "futex_internal.h"

static spinlock_t pi_lock;

/* ---- who owns what ---- */

static void owner_link(struct pi_state *pi, struct task *owner)
{
	pi->owner = task_get(owner);
	pi->next = owner->pi_owned;
	owner->pi_owned = pi;
}

/* pi_lock held. The reference to the owner goes to the caller. */
static struct task *owner_unlink(struct pi_state *pi)
{
	struct task *owner = pi->owner;
	struct pi_state **link = &owner->pi_owned;

	while (*link != pi)
		link = &(*link)->next;
	*link = pi->next;
	return owner;
}

static void change_owner(struct pi_state *pi, struct task *to)
{
	struct task *old;

	spin_lock(&pi_lock);
	old = owner_unlink(pi);
	owner_link(pi, to);
	spin_unlock(&pi_lock);
	task_put(old);
}

/* Bucket locked: one waiter less. True: it was the last one, @pi is unlinked and for the caller to free. */
static bool pi_drop(struct pi_state *pi)
{
	struct task *owner;

	if (--pi->waiters)
		return false;
	spin_lock(&pi_lock);
	owner = owner_unlink(pi);
	spin_unlock(&pi_lock);
	task_put(owner);
	return true;
}

/* Bucket locked: the first waiter for @key, or NULL. */
static struct futex_q *top_waiter(struct futex_bucket *b, const struct futex_key *key)
{
	struct futex_q *q;

	list_for_each_entry(q, &b->list, link) {
		if (futex_key_equal(&q->key, key))
			return q;
	}
	return NULL;
}

static bool more_waiters(struct futex_q *q, struct futex_bucket *b)
{
	struct futex_q *i;

	list_for_each_entry(i, &b->list, link) {
		if (i != q && i->pi == q->pi)
			return true;
	}
	return false;
}

/*
 * Bucket locked: binds the lock to the task its word names. -ESRCH: there is none; -EAGAIN: it is just dying, look
 * again.
 */
static int attach_owner(u64 uaddr, u32 val, struct pi_state *pi)
{
	struct task *owner = find_get_task((s32)(val & FUTEX_TID_MASK));
	int ret = 0;
	u32 now;

	if (!owner)
		return user_load32((u32 __user *)uaddr, &now) || now != val ? -EAGAIN : -ESRCH;
	if (!owner->mm) {
		ret = -EPERM;
	} else {
		spin_lock(&pi_lock);
		if (owner->futex_exited)
			ret = -ESRCH;
		else
			owner_link(pi, owner);
		spin_unlock(&pi_lock);
		if (ret && (user_load32((u32 __user *)uaddr, &now) || now != val))
			ret = -EAGAIN;
	}
	task_put(owner);
	return ret;
}

/* ---- lock ---- */

/*
 * One try under the bucket lock. 0: locked. 1: queued (q->pi set). -EFAULT: the page is not there. -EAGAIN: the owner
 * is dying. Else the answer. @fresh is used up when q->pi == fresh.
 */
static int lock_or_queue(u64 uaddr, struct futex_bucket *b, struct futex_q *q, struct pi_state *fresh, bool try)
{
	struct futex_q *top = top_waiter(b, &q->key);
	u32 me = (u32)task_pid_nr(current), val, want, seen;
	int err;

	if (top && !top->pi)
		return -EINVAL; /* somebody uses it as an ordinary futex */
	for (;;) {
		if (user_load32((u32 __user *)uaddr, &val))
			return -EFAULT;
		if ((val & FUTEX_TID_MASK) == me && !(top && top->pi->handed))
			return -EDEADLK;
		if (!(val & FUTEX_TID_MASK) && !top)
			want = me | (val & FUTEX_OWNER_DIED);
		else if (try)
			return -EWOULDBLOCK;
		else
			want = val | FUTEX_WAITERS;
		seen = val;
		if (want != val && user_cmpxchg32((u32 __user *)uaddr, &seen, want))
			return -EFAULT;
		if (seen == val)
			break;
	}
	if ((want & FUTEX_TID_MASK) == me)
		return 0;
	if (top) {
		q->pi = top->pi;
	} else {
		err = attach_owner(uaddr, want, fresh);
		if (err)
			return err;
		fresh->key = q->key;
		q->pi = fresh;
	}
	q->pi->waiters++;
	futex_queue(q, b);
	return 1;
}

/* Bucket locked: @q leaves; the pi_state to free or NULL. */
static struct pi_state *pi_unqueue(struct futex_q *q, struct futex_bucket *b)
{
	struct pi_state *pi = q->pi;

	list_del(&q->link);
	q->bucket = NULL;
	atomic_dec(&b->waiters);
	return pi_drop(pi) ? pi : NULL;
}

/* The owner died and we are next: writes that into the word. */
static void take_over(u64 uaddr, struct futex_q *q, struct futex_bucket *b)
{
	u32 me = (u32)task_pid_nr(current), val, seen, new;
	struct pi_state *gone;

	for (;;) {
		spin_lock(&b->lock);
		if (!user_load32((u32 __user *)uaddr, &val)) {
			new = me | FUTEX_OWNER_DIED | (more_waiters(q, b) ? FUTEX_WAITERS : 0);
			seen = val;
			if (!user_cmpxchg32((u32 __user *)uaddr, &seen, new)) {
				if (seen == val)
					break;
				spin_unlock(&b->lock);
				continue;
			}
		}
		spin_unlock(&b->lock);
		if (user_fault_in(uaddr, true)) {
			spin_lock(&b->lock); /* it has unmapped the lock: nothing to write */
			break;
		}
	}
	q->pi->handed = false;
	gone = pi_unqueue(q, b);
	spin_unlock(&b->lock);
	kfree(gone);
}

enum pi_fate { PI_WAITING, PI_GIVEN, PI_HANDED };

/* Bucket locked (a pi_state lasts as long as its waiters are queued). */
static enum pi_fate fate(const struct futex_q *q)
{
	if (!q->bucket)
		return PI_GIVEN;
	return q->pi->handed && q->pi->owner == current ? PI_HANDED : PI_WAITING;
}

/* 0: the lock is ours. -ETIMEDOUT, -ERESTARTNOINTR. Out of the queue in any case. */
static int pi_sleep(u64 uaddr, struct futex_q *q, struct futex_bucket *b, ktime_t deadline)
{
	struct pi_state *gone = NULL;
	int ret = 1;
	enum pi_fate f;

	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		spin_lock(&b->lock);
		f = fate(q);
		if (f == PI_WAITING && ret <= 0)
			gone = pi_unqueue(q, b);
		spin_unlock(&b->lock);
		if (f != PI_WAITING || ret <= 0)
			break;
		ret = schedule_until(deadline);
	}
	set_current_state(TASK_RUNNING);
	kfree(gone);
	if (f == PI_HANDED)
		take_over(uaddr, q, b);
	if (f != PI_WAITING)
		return 0;
	return ret ? -ERESTARTNOINTR : -ETIMEDOUT;
}

int futex_lock_pi(u64 uaddr, bool shared, ktime_t deadline, bool try)
{
	struct futex_q q = {.bitset = FUTEX_BITSET_ANY};
	struct pi_state *fresh = kzalloc(sizeof(*fresh));
	struct futex_bucket *b;
	int ret;

	if (!fresh)
		return -ENOMEM;
	for (;;) {
		ret = futex_key_get(uaddr, shared, &q.key);
		if (ret)
			break;
		b = futex_queue_lock(&q.key);
		ret = lock_or_queue(uaddr, b, &q, fresh, try);
		if (ret > 0) {
			spin_unlock(&b->lock);
			if (q.pi == fresh)
				fresh = NULL;
			ret = pi_sleep(uaddr, &q, b, deadline);
			futex_key_put(&q.key);
			break;
		}
		futex_queue_unlock(b);
		futex_key_put(&q.key);
		if (ret == -EFAULT)
			ret = futex_fault(uaddr, true);
		else if (ret == -EAGAIN && !try) /* the owner is dying: give it a chance to */
			ret = fatal_signal_pending() ? -EINTR : (sched_yield_cpu(), 0);
		else
			break;
		if (ret)
			break;
	}
	kfree(fresh);
	return ret;
}

/* Bucket locked. 0, -EFAULT (not present), -EAGAIN (the word changed: look again), -EPERM, -EINVAL. */
static int unlock_locked(u64 uaddr, struct futex_bucket *b, const struct futex_key *key, struct futex_wakes *w,
			 struct pi_state **gone)
{
	struct futex_q *top = top_waiter(b, key);
	u32 me = (u32)task_pid_nr(current), val, seen, new = 0;
	struct task *heir = NULL;
	struct pi_state *pi;

	if (user_load32((u32 __user *)uaddr, &val))
		return -EFAULT;
	if ((val & FUTEX_TID_MASK) != me)
		return -EPERM;
	if (top) {
		if (!top->pi || top->pi->owner != current)
			return -EINVAL;
		heir = top->task;
		new = (u32)task_pid_nr(heir) | (more_waiters(top, b) ? FUTEX_WAITERS : 0);
	}
	seen = val;
	if (user_cmpxchg32((u32 __user *)uaddr, &seen, new))
		return -EFAULT;
	if (seen != val)
		return -EAGAIN;
	if (!top)
		return 0;
	pi = top->pi;
	if (pi->waiters > 1)
		change_owner(pi, heir);
	futex_mark_woken(top, w);
	if (pi_drop(pi))
		*gone = pi;
	return 0;
}

int futex_unlock_pi(u64 uaddr, bool shared)
{
	struct futex_wakes w = {.n = 0};
	struct pi_state *gone = NULL;
	struct futex_bucket *b;
	struct futex_key key;
	int ret;

	do {
		ret = futex_key_get(uaddr, shared, &key);
		if (ret)
			return ret;
		b = futex_bucket_of(&key);
		spin_lock(&b->lock);
		ret = unlock_locked(uaddr, b, &key, &w, &gone);
		spin_unlock(&b->lock);
		futex_key_put(&key);
		if (ret == -EFAULT) {
			ret = futex_fault(uaddr, true);
			if (ret)
				return ret;
			ret = -EAGAIN;
		}
	} while (ret == -EAGAIN);
	futex_wakes_flush(&w);
	kfree(gone);
	return ret;
}

/* ---- the end of an owner ---- */

static bool owns(const struct task *t, const struct pi_state *pi)
{
	const struct pi_state *i;

	for (i = t->pi_owned; i; i = i->next) {
		if (i == pi)
			return true;
	}
	return false;
}

/* The lock @pi (which may be gone by now) goes to whoever waits first. */
static void hand_over(struct pi_state *pi, const struct futex_key *key)
{
	struct futex_bucket *b = futex_bucket_of(key);
	struct task *heir = NULL;
	bool mine;

	spin_lock(&b->lock);
	spin_lock(&pi_lock);
	mine = owns(current, pi) && futex_key_equal(&pi->key, key);
	spin_unlock(&pi_lock);
	if (mine) {
		heir = task_get(top_waiter(b, key)->task);
		change_owner(pi, heir);
		WRITE_ONCE(pi->handed, true);
	}
	spin_unlock(&b->lock);
	if (heir) {
		try_wake_up(heir, TASK_NORMAL);
		task_put(heir);
	}
}

void futex_exit_pi(void)
{
	struct task *t = current;
	struct futex_key key;
	struct pi_state *pi;

	spin_lock(&pi_lock);
	t->futex_exited = true;
	while ((pi = t->pi_owned)) {
		key = pi->key;
		spin_unlock(&pi_lock);
		hand_over(pi, &key);
		spin_lock(&pi_lock);
	}
	t->futex_exited = t->exiting; /* after exec it may own locks again */
	spin_unlock(&pi_lock);
}
