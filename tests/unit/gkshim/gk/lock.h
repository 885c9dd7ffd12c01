/* SPDX-License-Identifier: Apache-2.0 */
/* Guest kernel code in a host program: before and after a spin lock a thread may give way. */
#ifndef SHIM_LOCK_H
#define SHIM_LOCK_H

#include <gk/atomic.h>

#define spin_lock real_spin_lock
#define spin_unlock real_spin_unlock
#include "../../../../guest/include/gk/lock.h"
#undef spin_lock
#undef spin_unlock

static inline void spin_lock(spinlock_t *l)
{
	shim_point();
	real_spin_lock(l);
}

static inline void spin_unlock(spinlock_t *l)
{
	real_spin_unlock(l);
	shim_point();
}

#endif
