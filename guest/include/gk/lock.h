/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks. Supervisor code is never preempted and never interrupted, so one kind of spin lock is enough; it spins for
 * about a microsecond and then sleeps in the hypervisor (UM_HC_WAIT), because the host may have preempted the holder's
 * vCPU. Nobody may block (schedule, copy to or from a program, wait) while holding a spinlock. The order is in
 * docs/locking.md.
 */
#ifndef GK_LOCK_H
#define GK_LOCK_H

#include <gk/atomic.h>
#include <gk/list.h>

typedef struct spinlock {
	u32 word; /* 0 free, 1 held, 2 held and somebody sleeps */
} spinlock_t;

#define SPINLOCK_INIT                                                                                                  \
	{                                                                                                              \
		0                                                                                                      \
	}

void spin_lock_slow(spinlock_t *l);
void spin_unlock_slow(spinlock_t *l);

static inline void spin_init(spinlock_t *l)
{
	l->word = 0;
}

static __always_inline void spin_lock(spinlock_t *l)
{
	u32 free = 0;

	if (unlikely(!__atomic_compare_exchange_n(&l->word, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)))
		spin_lock_slow(l);
}

static __always_inline bool spin_trylock(spinlock_t *l)
{
	u32 free = 0;

	return __atomic_compare_exchange_n(&l->word, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static __always_inline void spin_unlock(spinlock_t *l)
{
	if (unlikely(__atomic_exchange_n(&l->word, 0, __ATOMIC_RELEASE) == 2))
		spin_unlock_slow(l);
}

static inline bool spin_is_locked(const spinlock_t *l)
{
	return READ_ONCE(l->word) != 0;
}

/* Two locks of one kind: by address. */
static inline void spin_lock_two(spinlock_t *a, spinlock_t *b)
{
	if (a == b) {
		spin_lock(a);
	} else if (a < b) {
		spin_lock(a);
		spin_lock(b);
	} else {
		spin_lock(b);
		spin_lock(a);
	}
}

static inline void spin_unlock_two(spinlock_t *a, spinlock_t *b)
{
	spin_unlock(a);
	if (a != b)
		spin_unlock(b);
}

struct task;

/* A lock whose holder may sleep. Not recursive; only the holder unlocks. Fair: first come, first served. */
struct mutex {
	spinlock_t lock;
	struct task *owner;	  /* lock */
	struct list_head waiters; /* lock */
};

#define MUTEX_INIT(name)                                                                                               \
	{                                                                                                              \
		SPINLOCK_INIT, NULL, LIST_HEAD_INIT((name).waiters)                                                    \
	}
#define DEFINE_MUTEX(name) struct mutex name = MUTEX_INIT(name)

void mutex_init(struct mutex *m);
void mutex_lock(struct mutex *m);
int mutex_lock_interruptible(struct mutex *m); /* -ERESTARTSYS */
bool mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m);

/* Many readers or one writer; the holder may sleep. Writers are not starved. */
struct rwsem {
	spinlock_t lock;
	s32 count;		  /* lock: readers, or -1 */
	struct list_head waiters; /* lock */
};

void rwsem_init(struct rwsem *s);
void down_read(struct rwsem *s);
void up_read(struct rwsem *s);
void down_write(struct rwsem *s);
bool down_write_trylock(struct rwsem *s);
void up_write(struct rwsem *s);
void downgrade_write(struct rwsem *s);

#endif
