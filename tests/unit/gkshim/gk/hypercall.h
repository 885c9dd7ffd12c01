/* SPDX-License-Identifier: Apache-2.0 */
/* Guest kernel code in a host program: hypercalls are a function of the test. */
#ifndef GK_HYPERCALL_H
#define GK_HYPERCALL_H

#include <abi/pvm.h>
#include <gk/types.h>

long hypercall4(u64 nr, u64 a, u64 b, u64 c, u64 d);
#define hypercall1(nr, a) hypercall4(nr, a, 0, 0, 0)

#endif
