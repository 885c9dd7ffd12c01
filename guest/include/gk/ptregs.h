/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program's registers at the top of its task's kernel stack, in Linux's struct pt_regs order (ptrace and signals use
 * it).
 */
#ifndef GK_PTREGS_H
#define GK_PTREGS_H

#include <gk/types.h>

struct pt_regs {
	u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	u64 orig_rax; /* system-call number, or -1 outside a call */
	u64 rip, cs, eflags, rsp, ss;
};

_Static_assert(sizeof(struct pt_regs) == 21 * 8, "entry.S");

#endif
