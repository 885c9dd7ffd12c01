/* SPDX-License-Identifier: Apache-2.0 */
/* Asserts what asm-offsets.h tells the assembly files. No code. */
#include "asm-offsets.h"

#include <gk/acct.h>
#include <gk/errno.h>
#include <gk/percpu.h>
#include <gk/ptregs.h>
#include <gk/syscall_table.h>
#include <gk/task.h>

#define CHECK(type, field, value) _Static_assert(offsetof(struct type, field) == (value), #type "." #field)

CHECK(cpu, pvcs, 0);
CHECK(cpu, self, CPU_SELF);
CHECK(cpu, curr, CPU_CURRENT);
CHECK(cpu, kstack_top, CPU_KSTACK_TOP);
CHECK(cpu, scratch_rsp, CPU_SCRATCH_RSP);
CHECK(cpu, timer_next, CPU_TIMER_NEXT);
CHECK(cpu, armed, CPU_ARMED);
CHECK(cpu, need_resched, CPU_NEED_RESCHED);

CHECK(task, ksp, TASK_KSP);
CHECK(task, kstack, TASK_KSTACK);
CHECK(task, work, TASK_WORK_BITS);
CHECK(task, acct_entries, TASK_ACCT_ENTRIES);
_Static_assert(ACCT_SAMPLE - 1 == ACCT_SAMPLE_MASK, "acct");

CHECK(pt_regs, r15, PT_R15);
CHECK(pt_regs, rbx, PT_RBX);
CHECK(pt_regs, rbp, PT_RBP);
CHECK(pt_regs, r11, PT_R11);
CHECK(pt_regs, r10, PT_R10);
CHECK(pt_regs, r9, PT_R9);
CHECK(pt_regs, r8, PT_R8);
CHECK(pt_regs, rax, PT_RAX);
CHECK(pt_regs, rcx, PT_RCX);
CHECK(pt_regs, rdx, PT_RDX);
CHECK(pt_regs, rsi, PT_RSI);
CHECK(pt_regs, rdi, PT_RDI);
CHECK(pt_regs, orig_rax, PT_ORIG_RAX);
CHECK(pt_regs, rip, PT_RIP);
CHECK(pt_regs, eflags, PT_EFLAGS);
CHECK(pt_regs, rsp, PT_RSP);
_Static_assert(sizeof(struct pt_regs) == PT_SIZE, "pt_regs");

CHECK(syscall_entry, fn, 0);
_Static_assert(sizeof(struct syscall_entry) == SYSCALL_ENTRY_SIZE, "syscall_entry");
_Static_assert(NR_SYSCALLS == SYSCALL_COUNT, "syscall_table");
_Static_assert((WORK_TRACE_SYSCALL | WORK_SECCOMP | WORK_STRACE) == WORK_SYSCALL_ENTRY, "work");
_Static_assert(ERESTARTSYS == RESTART_FIRST && ERESTART_RESTARTBLOCK == RESTART_LAST, "errno");
