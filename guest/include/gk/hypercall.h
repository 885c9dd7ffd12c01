/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hypercalls (abi/pvm.h): how the kernel asks the hypervisor. A call may switch the host thread under us but keeps our
 * registers and stack. Any supervisor context with 512 bytes of stack; LOAD_PGTBL only through mm_switch().
 */
#ifndef GK_HYPERCALL_H
#define GK_HYPERCALL_H

#include <abi/pvm.h>
#include <gk/types.h>

extern u64 hypercall_entry; /* boot->hypercall_entry */

static __always_inline long hypercall4(u64 nr, u64 a, u64 b, u64 c, u64 d)
{
	register u64 r10 __asm__("r10") = b;
	long ret;

	__asm__ volatile("call *hypercall_entry(%%rip)"
			 : "=a"(ret), "+r"(r10)
			 : "0"(nr), "b"(a), "d"(c), "S"(d)
			 : "rcx", "r11", "memory", "cc");
	return ret;
}

static __always_inline long hypercall0(u64 nr)
{
	return hypercall4(nr, 0, 0, 0, 0);
}

static __always_inline long hypercall1(u64 nr, u64 a)
{
	return hypercall4(nr, a, 0, 0, 0);
}

static __always_inline long hypercall2(u64 nr, u64 a, u64 b)
{
	return hypercall4(nr, a, b, 0, 0);
}

static __always_inline long hypercall3(u64 nr, u64 a, u64 b, u64 c)
{
	return hypercall4(nr, a, b, c, 0);
}

static inline long hv_wrmsr(u64 index, u64 value)
{
	return hypercall2(PVM_HC_WRMSR, index, value);
}

/* Sleeps while *@word is @val, at most @timeout_ns (~0: no limit); may return early. */
static inline long hv_wait(u32 *word, u32 val, u64 timeout_ns)
{
	return hypercall3(UM_HC_WAIT, (u64)word, val, timeout_ns);
}

static inline long hv_wake(u32 *word, u64 count)
{
	return hypercall2(UM_HC_WAKE, (u64)word, count);
}

static inline void hv_kick(u32 vcpu)
{
	hypercall1(UM_HC_KICK, vcpu);
}

static inline void hv_log(const char *text, size_t len)
{
	hypercall2(UM_HC_LOG, (u64)text, len);
}

static inline void hv_halt(void)
{
	hypercall0(PVM_HC_IRQ_HALT);
}

#endif
