/* SPDX-License-Identifier: Apache-2.0 */
/* Atomics and reference counts. Sequentially consistent unless the name says otherwise. */
#ifndef GK_ATOMIC_H
#define GK_ATOMIC_H

#include <gk/types.h>

#define smp_load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
#define smp_mb() __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define atomic_xchg(p, v) __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#define atomic_add_return(p, v) __atomic_add_fetch(p, v, __ATOMIC_SEQ_CST)
#define atomic_sub_return(p, v) __atomic_sub_fetch(p, v, __ATOMIC_SEQ_CST)
#define atomic_inc(p) ((void)__atomic_add_fetch(p, 1, __ATOMIC_SEQ_CST))
#define atomic_dec(p) ((void)__atomic_sub_fetch(p, 1, __ATOMIC_SEQ_CST))
#define atomic_or(p, v) __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST)
#define atomic_and(p, v) __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST)
/* True and *p = @new if *p was *@old; else *@old is what was found. */
#define atomic_try_cmpxchg(p, old, new)                                                                                \
	__atomic_compare_exchange_n(p, old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

typedef struct refcount {
	u32 n;
} refcount_t;

#define REFCOUNT_INIT(v)                                                                                               \
	{                                                                                                              \
		v                                                                                                      \
	}

static inline void refcount_set(refcount_t *r, u32 n)
{
	r->n = n;
}

static inline void refcount_inc(refcount_t *r)
{
	atomic_inc(&r->n);
}

/* Takes a reference unless the count is zero already (the object is dying). */
static inline bool refcount_inc_not_zero(refcount_t *r)
{
	u32 n = READ_ONCE(r->n);

	while (n) {
		if (atomic_try_cmpxchg(&r->n, &n, n + 1))
			return true;
	}
	return false;
}

/* True when the last reference is gone. */
static inline bool refcount_dec_and_test(refcount_t *r)
{
	return atomic_sub_return(&r->n, 1) == 0;
}

static inline u32 refcount_read(const refcount_t *r)
{
	return READ_ONCE(r->n);
}

#endif
