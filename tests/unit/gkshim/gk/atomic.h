/* SPDX-License-Identifier: Apache-2.0 */
/* Guest kernel code in a host program: exchanges are points where a thread may give way. */
#ifndef SHIM_ATOMIC_H
#define SHIM_ATOMIC_H

#include "../../../../guest/include/gk/atomic.h"

extern u32 shim_stirred;
void shim_point_slow(void);

static inline void shim_point(void)
{
	if (unlikely(READ_ONCE(shim_stirred)))
		shim_point_slow();
}

#undef atomic_try_cmpxchg
#define atomic_try_cmpxchg(p, old, new)                                                                                \
	(shim_point(), __atomic_compare_exchange_n(p, old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
#undef atomic_xchg
#define atomic_xchg(p, v) (shim_point(), __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST))
#undef atomic_or
#define atomic_or(p, v) (shim_point(), __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST))
#undef atomic_and
#define atomic_and(p, v) (shim_point(), __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST))

#endif
