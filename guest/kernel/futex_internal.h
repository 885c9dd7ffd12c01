/* SPDX-License-Identifier: Apache-2.0 */
/* What the futex files share. */
#ifndef GK_FUTEX_INTERNAL_H
#define GK_FUTEX_INTERNAL_H

#include <gk/lock.h>
#include <gk/timer.h>

struct inode;
struct mm;
struct task;

#define FUTEX_WAITERS 0x80000000u
#define FUTEX_OWNER_DIED 0x40000000u
#define FUTEX_TID_MASK 0x3fffffffu
#define FUTEX_BITSET_ANY 0xffffffffu

/*
 * The identity of a futex word: for memory that only one address space has, @mm and the address; for shared file
 * mappings (which shared anonymous memory is, too) the inode, of which the key holds a reference, and the offset in it.
 */
struct futex_key {
	struct mm *mm;
	struct inode *inode;
	u64 offset;
};

struct futex_bucket {
	spinlock_t lock;
	u32 waiters; /* atomic: raised before a waiter looks at its word, so that a waker may skip an empty bucket */
	struct list_head list; /* lock: struct futex_q: real-time priorities first, within one first come first */
} __aligned(64);

/* A PI futex with waiters. Lives as long as somebody waits. */
struct pi_state {
	struct futex_key key;  /* immutable; the waiters hold the references */
	struct task *owner;    /* bucket and pi_lock: reference */
	struct pi_state *next; /* pi_lock: owner->pi_owned */
	u32 waiters;	       /* bucket */
	bool handed;	       /* bucket: @owner has it because the last one died, and has not written the word yet */
};

/* Somebody who waits; on the waiter's stack. */
struct futex_q {
	struct list_head link;	     /* bucket */
	struct futex_bucket *bucket; /* NULL once woken; changes (requeue) only under both locks */
	struct task *task;
	int prio;	      /* real-time priority when it queued, 0: none */
	struct futex_key key; /* bucket */
	u32 bitset;
	struct pi_state *pi; /* NULL: an ordinary waiter */
};

/* Tasks to wake when the locks are dropped. */
#define FUTEX_WAKE_BATCH 16
struct futex_wakes {
	struct task *task[FUTEX_WAKE_BATCH];
	u32 n;
};

/* futex_core.c */
/* The key of the word at @uaddr: 0, -EINVAL (misaligned), -EFAULT. To be put. */
int futex_key_get(u64 uaddr, bool shared, struct futex_key *key);
void futex_key_put(struct futex_key *key);
void futex_key_copy(struct futex_key *to, const struct futex_key *from);
bool futex_key_equal(const struct futex_key *a, const struct futex_key *b);
struct futex_bucket *futex_bucket_of(const struct futex_key *key);
/* For one who is about to queue: counted in waiters, locked. */
struct futex_bucket *futex_queue_lock(const struct futex_key *key);
/* Undoes it without having queued. */
void futex_queue_unlock(struct futex_bucket *b);
void futex_queue(struct futex_q *q, struct futex_bucket *b); /* locked */
/* Bucket locked: puts @q, whose prio is set, at its place. */
void futex_link(struct futex_q *q, struct futex_bucket *b);
/* Takes @q out; false: it was woken already. Puts the key. */
bool futex_unqueue(struct futex_q *q);
bool futex_woken(const struct futex_q *q);
/* Bucket locked: @q is woken; it may be gone as soon as this returns. Its key is put by the waiter. */
void futex_mark_woken(struct futex_q *q, struct futex_wakes *w);
void futex_wakes_flush(struct futex_wakes *w);
/*
 * A failed user access under a lock, which has been dropped: makes the page present. 0: try again; -EFAULT, -EINTR
 * (dying).
 */
int futex_fault(u64 uaddr, bool write);
/* Sleeps until @q is woken: 0; -ETIMEDOUT; -ERESTARTSYS. @q is out of its queue and the key put. */
int futex_sleep(struct futex_q *q, ktime_t deadline);

/* futex.c */
int futex_wait_on(u64 uaddr, bool shared, u32 val, ktime_t deadline, u32 bitset);
int futex_wake_up(u64 uaddr, bool shared, u32 n, u32 bitset);
int futex_requeue_to(u64 from, bool from_shared, u64 to, bool to_shared, u32 n_wake, u32 n_requeue, const u32 *cmpval);
/* Absolute deadline on the monotonic clock of a time on @clock (CLOCK_MONOTONIC or CLOCK_REALTIME). */
ktime_t futex_deadline(u64 ns, bool realtime);

/* futex_pi.c */
int futex_lock_pi(u64 uaddr, bool shared, ktime_t deadline, bool try);
int futex_unlock_pi(u64 uaddr, bool shared);
void futex_exit_pi(void);

#endif
