/* SPDX-License-Identifier: Apache-2.0 */
/* Guest kernel code in a host program: hypercalls are a function of the shim. */
#ifndef GK_HYPERCALL_H
#define GK_HYPERCALL_H

#include <abi/pvm.h>
#include <gk/types.h>

long hypercall4(u64 nr, u64 a, u64 b, u64 c, u64 d);
#define hypercall1(nr, a) hypercall4(nr, a, 0, 0, 0)
#define hypercall2(nr, a, b) hypercall4(nr, a, b, 0, 0)
#define hypercall3(nr, a, b, c) hypercall4(nr, a, b, c, 0)

static inline long hv_wait(u32 *word, u32 val, u64 timeout_ns)
{
	return hypercall3(UM_HC_WAIT, (u64)word, val, timeout_ns);
}

static inline long hv_wake(u32 *word, u64 count)
{
	return hypercall2(UM_HC_WAKE, (u64)word, count);
}

#endif
