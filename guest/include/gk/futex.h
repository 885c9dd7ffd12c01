/* SPDX-License-Identifier: Apache-2.0 */
/* Futexes: what other parts call (kernel/futex*.c). */
#ifndef GK_FUTEX_H
#define GK_FUTEX_H

#include <gk/types.h>

struct task;

/*
 * Current is about to give up its address space (exit, exec): robust list and PI locks go to their waiters with
 * FUTEX_OWNER_DIED, then clear_child_tid is zeroed and woken if others use the memory too. Before mm is replaced or
 * dropped.
 */
void futex_mm_release(void);

#endif
