/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to the hypervisor through the hypercall page; numbers and arguments: abi/pvm.h. */
#ifndef GK_HYPERCALL_H
#define GK_HYPERCALL_H

#include <abi/pvm.h>
#include <gk/init.h>

static __always_inline long hypercall5(u64 nr, u64 a0, u64 a1, u64 a2, u64 a3, u64 a4)
{
	register u64 r10 __asm__("r10") = a1;
	long ret;

	__asm__ volatile("call *%[entry]"
			 : "=a"(ret), "+r"(r10)
			 : "0"(nr), "b"(a0), "d"(a2), "S"(a3), "D"(a4), [entry] "m"(boot->hypercall_entry)
			 : "rcx", "r11", "memory", "cc");
	return ret;
}

#define hypercall0(nr) hypercall5(nr, 0, 0, 0, 0, 0)
#define hypercall1(nr, a) hypercall5(nr, a, 0, 0, 0, 0)
#define hypercall2(nr, a, b) hypercall5(nr, a, b, 0, 0, 0)
#define hypercall3(nr, a, b, c) hypercall5(nr, a, b, c, 0, 0)
#define hypercall4(nr, a, b, c, d) hypercall5(nr, a, b, c, d, 0)

#endif
