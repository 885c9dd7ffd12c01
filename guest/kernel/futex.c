/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futexes: wait, wake, requeue, wake-op, and the multiplexed futex(2). The newer calls are in futex2.c, priority
 * inheritance in futex_pi.c, robust lists in futex_robust.c.
 */
#include <gk/errno.h>
#include <gk/futex.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/time.h>
#include <gk/uaccess.h>

#include "futex_internal.h"

#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define FUTEX_REQUEUE 3
#define FUTEX_CMP_REQUEUE 4
#define FUTEX_WAKE_OP 5
#define FUTEX_LOCK_PI 6
#define FUTEX_UNLOCK_PI 7
#define FUTEX_TRYLOCK_PI 8
#define FUTEX_WAIT_BITSET 9
#define FUTEX_WAKE_BITSET 10
#define FUTEX_LOCK_PI2 13
#define FUTEX_PRIVATE_FLAG 128
#define FUTEX_CLOCK_REALTIME 256

ktime_t futex_deadline(u64 ns, bool realtime)
{
	u64 now;

	if (!realtime)
		return ns >= KTIME_MAX ? KTIME_NEVER : ns;
	now = ktime_real();
	return ktime_after(ns > now ? ns - now : 0);
}

int futex_wait_on(u64 uaddr, bool shared, u32 val, ktime_t deadline, u32 bitset)
{
	struct futex_q q = {.bitset = bitset};
	struct futex_bucket *b;
	u32 cur;
	int err;

	if (!bitset)
		return -EINVAL;
	for (;;) {
		err = futex_key_get(uaddr, shared, &q.key);
		if (err)
			return err;
		b = futex_queue_lock(&q.key);
		err = user_load32((u32 __user *)uaddr, &cur);
		if (!err)
			break;
		futex_queue_unlock(b);
		futex_key_put(&q.key);
		err = futex_fault(uaddr, false);
		if (err)
			return err;
	}
	if (cur != val) {
		futex_queue_unlock(b);
		futex_key_put(&q.key);
		return -EAGAIN;
	}
	futex_queue(&q, b);
	spin_unlock(&b->lock);
	return futex_sleep(&q, deadline);
}

/* Bucket locked. Wakes up to @n that wait for @key; how many, or -EINVAL when somebody waits for a PI lock there. */
static int wake_some(struct futex_bucket *b, const struct futex_key *key, u32 n, u32 bitset, struct futex_wakes *w)
{
	struct futex_q *q, *next;
	u32 woken = 0;

	list_for_each_entry_safe(q, next, &b->list, link) {
		if (!futex_key_equal(&q->key, key))
			continue;
		if (q->pi)
			return -EINVAL;
		if (!(q->bitset & bitset))
			continue;
		futex_mark_woken(q, w);
		if (++woken >= n)
			break;
	}
	return (int)woken;
}

int futex_wake_up(u64 uaddr, bool shared, u32 n, u32 bitset)
{
	struct futex_wakes w = {.n = 0};
	struct futex_bucket *b;
	struct futex_key key;
	int ret;

	if (!bitset)
		return -EINVAL;
	ret = futex_key_get(uaddr, shared, &key);
	if (ret)
		return ret;
	b = futex_bucket_of(&key);
	smp_mb(); /* pairs with futex_queue_lock(): the program changed its word before it called us */
	if (READ_ONCE(b->waiters)) {
		spin_lock(&b->lock);
		ret = wake_some(b, &key, n, bitset, &w);
		spin_unlock(&b->lock);
		futex_wakes_flush(&w);
	}
	futex_key_put(&key);
	return ret;
}

/* Both buckets locked. Moves @q; the key it had is handed back, to be put without locks. */
static void requeue_one(struct futex_q *q, struct futex_bucket *from, struct futex_bucket *to,
			const struct futex_key *key)
{
	if (from != to) {
		list_del(&q->link);
		atomic_dec(&from->waiters);
		atomic_inc(&to->waiters);
		futex_link(q, to);
		smp_store_release(&q->bucket, to);
	}
	/*
	 * @key and the waiter's old one differ at most in which inode they hold; each keeps its reference alive
	 * elsewhere.
	 */
	futex_key_copy(&q->key, key);
}

int futex_requeue_to(u64 from, bool from_shared, u64 to, bool to_shared, u32 n_wake, u32 n_requeue, const u32 *cmpval)
{
	struct futex_wakes w = {.n = 0};
	struct futex_bucket *b1, *b2;
	struct futex_key k1, k2;
	struct futex_q *q, *next;
	u32 cur, moved_refs = 0, woken = 0, moved = 0;
	int err;

again:
	err = futex_key_get(from, from_shared, &k1);
	if (err)
		return err;
	err = futex_key_get(to, to_shared, &k2);
	if (err)
		goto out_k1;
	b1 = futex_bucket_of(&k1);
	b2 = futex_bucket_of(&k2);
	spin_lock_two(&b1->lock, &b2->lock);
	if (cmpval) {
		err = user_load32((u32 __user *)from, &cur);
		if (err) {
			spin_unlock_two(&b1->lock, &b2->lock);
			futex_key_put(&k2);
			futex_key_put(&k1);
			err = futex_fault(from, false);
			if (err)
				return err;
			goto again;
		}
		if (cur != *cmpval) {
			err = -EAGAIN;
			goto out_unlock;
		}
	}
	list_for_each_entry_safe(q, next, &b1->list, link) {
		if (!futex_key_equal(&q->key, &k1))
			continue;
		if (q->pi) {
			err = -EINVAL;
			break;
		}
		if (woken < n_wake) {
			futex_mark_woken(q, &w);
			woken++;
			continue;
		}
		if (moved >= n_requeue)
			break;
		requeue_one(q, b1, b2, &k2);
		moved++;
		moved_refs++;
	}
out_unlock:
	spin_unlock_two(&b1->lock, &b2->lock);
	futex_wakes_flush(&w);
	/* The moved waiters gave up their references to the old inode. */
	while (k1.inode && moved_refs--)
		inode_put(k1.inode);
	futex_key_put(&k2);
out_k1:
	futex_key_put(&k1);
	return err ? err : (int)(woken + moved);
}

/* ---- wake-op ---- */

static int op_decode(u32 encoded, u32 *arg, u32 *cmp)
{
	*arg = (u32)((s32)(encoded << 8) >> 20);
	*cmp = (u32)((s32)(encoded << 20) >> 20);
	if (encoded >> 31) { /* FUTEX_OP_OPARG_SHIFT */
		if (*arg > 31)
			*arg &= 31;
		*arg = 1u << *arg;
	}
	return (encoded >> 28 & 7) > 4 ? -ENOSYS : 0;
}

static u32 op_apply(u32 encoded, u32 old, u32 arg)
{
	switch (encoded >> 28 & 7) {
	case 0:
		return arg;
	case 1:
		return old + arg;
	case 2:
		return old | arg;
	case 3:
		return old & ~arg;
	default:
		return old ^ arg;
	}
}

/* 1 the comparison holds, 0 it does not, -ENOSYS. */
static int op_compare(u32 encoded, u32 old, u32 cmp)
{
	s32 a = (s32)old, b = (s32)cmp;

	switch (encoded >> 24 & 15) {
	case 0:
		return a == b;
	case 1:
		return a != b;
	case 2:
		return a < b;
	case 3:
		return a <= b;
	case 4:
		return a > b;
	case 5:
		return a >= b;
	default:
		return -ENOSYS;
	}
}

/*
 * Under locks: the operation on the program's word; *old is what was there. -EFAULT: not present or not writable now.
 */
static int op_user(u64 uaddr, u32 encoded, u32 arg, u32 *old)
{
	u32 expected, seen;
	int err = user_load32((u32 __user *)uaddr, &expected);

	while (!err) {
		seen = expected;
		err = user_cmpxchg32((u32 __user *)uaddr, &seen, op_apply(encoded, expected, arg));
		if (!err && seen == expected)
			break;
		expected = seen;
	}
	*old = expected;
	return err;
}

static int futex_wake_op(u64 uaddr1, u64 uaddr2, bool shared, u32 n1, u32 n2, u32 encoded)
{
	struct futex_wakes w = {.n = 0};
	struct futex_bucket *b1, *b2;
	struct futex_key k1, k2;
	u32 arg, cmp, old;
	int ret, more;

	ret = op_decode(encoded, &arg, &cmp);
	if (ret)
		return ret;
again:
	ret = futex_key_get(uaddr1, shared, &k1);
	if (ret)
		return ret;
	ret = futex_key_get(uaddr2, shared, &k2);
	if (ret)
		goto out_k1;
	b1 = futex_bucket_of(&k1);
	b2 = futex_bucket_of(&k2);
	spin_lock_two(&b1->lock, &b2->lock);
	if (op_user(uaddr2, encoded, arg, &old)) {
		spin_unlock_two(&b1->lock, &b2->lock);
		futex_key_put(&k2);
		futex_key_put(&k1);
		ret = futex_fault(uaddr2, true);
		if (ret)
			return ret;
		goto again;
	}
	ret = wake_some(b1, &k1, n1, FUTEX_BITSET_ANY, &w);
	if (ret >= 0) {
		more = op_compare(encoded, old, cmp);
		if (more > 0)
			more = wake_some(b2, &k2, n2, FUTEX_BITSET_ANY, &w);
		ret = more < 0 ? more : ret + more;
	}
	spin_unlock_two(&b1->lock, &b2->lock);
	futex_wakes_flush(&w);
	futex_key_put(&k2);
out_k1:
	futex_key_put(&k1);
	return ret;
}

/* ---- futex(2) ---- */

static long futex_restart(struct restart_block *r);

static long wait_restartable(u64 uaddr, bool shared, u32 val, ktime_t deadline, u32 bitset)
{
	struct restart_block *r = &current->restart;
	int ret = futex_wait_on(uaddr, shared, val, deadline, bitset);

	/* With a time limit: what is left of it counts when the call goes on. */
	if (ret != -ERESTARTSYS || deadline == KTIME_NEVER)
		return ret;
	r->fn = futex_restart;
	r->arg[0] = uaddr;
	r->arg[1] = shared;
	r->arg[2] = val;
	r->arg[3] = deadline;
	r->arg[4] = bitset;
	return -ERESTART_RESTARTBLOCK;
}

static long futex_restart(struct restart_block *r)
{
	return wait_restartable(r->arg[0], r->arg[1], (u32)r->arg[2], r->arg[3], (u32)r->arg[4]);
}

static bool op_has_timeout(u32 cmd)
{
	return cmd == FUTEX_WAIT || cmd == FUTEX_LOCK_PI || cmd == FUTEX_LOCK_PI2 || cmd == FUTEX_WAIT_BITSET;
}

/* The time limit as an absolute deadline: relative for WAIT, and LOCK_PI always means CLOCK_REALTIME. */
static int op_deadline(u32 cmd, u32 op, const struct timespec64 __user *uts, ktime_t *deadline)
{
	u64 ns;
	int err = timespec_from_user(uts, &ns);

	if (err)
		return err;
	if (cmd == FUTEX_WAIT)
		*deadline = ktime_after(ns);
	else
		*deadline = futex_deadline(ns, cmd == FUTEX_LOCK_PI || (op & FUTEX_CLOCK_REALTIME));
	return 0;
}

/* Old calls wake at least one, whatever they say. */
static u32 old_count(u32 n)
{
	return (s32)n <= 0 ? 1 : n;
}

SYSCALL6(futex, u64, uaddr, u32, op, u32, val, const struct timespec64 __user *, uts, u64, uaddr2, u32, val3)
{
	u32 cmd = op & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME), val2 = (u32)(u64)uts;
	bool shared = !(op & FUTEX_PRIVATE_FLAG);
	ktime_t deadline = KTIME_NEVER;
	int err;

	if ((op & FUTEX_CLOCK_REALTIME) && cmd != FUTEX_WAIT_BITSET && cmd != FUTEX_LOCK_PI2)
		return -ENOSYS;
	if (uts && op_has_timeout(cmd)) {
		err = op_deadline(cmd, op, uts, &deadline);
		if (err)
			return err;
	}
	switch (cmd) {
	case FUTEX_WAIT:
		return wait_restartable(uaddr, shared, val, deadline, FUTEX_BITSET_ANY);
	case FUTEX_WAIT_BITSET:
		return wait_restartable(uaddr, shared, val, deadline, val3);
	case FUTEX_WAKE:
		return futex_wake_up(uaddr, shared, old_count(val), FUTEX_BITSET_ANY);
	case FUTEX_WAKE_BITSET:
		return futex_wake_up(uaddr, shared, old_count(val), val3);
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
		if ((s32)val < 0 || (s32)val2 < 0)
			return -EINVAL;
		return futex_requeue_to(uaddr, shared, uaddr2, shared, val, val2,
					cmd == FUTEX_CMP_REQUEUE ? &val3 : NULL);
	case FUTEX_WAKE_OP:
		return futex_wake_op(uaddr, uaddr2, shared, old_count(val), old_count(val2), val3);
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
		return futex_lock_pi(uaddr, shared, deadline, false);
	case FUTEX_TRYLOCK_PI:
		return futex_lock_pi(uaddr, shared, KTIME_NEVER, true);
	case FUTEX_UNLOCK_PI:
		return futex_unlock_pi(uaddr, shared);
	default:
		return -ENOSYS;
	}
}
