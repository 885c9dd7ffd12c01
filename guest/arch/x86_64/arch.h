/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of arch/x86_64 share with each other, and a few x86 instructions. */
#ifndef ARCH_ARCH_H
#define ARCH_ARCH_H

#include <gk/percpu.h>
#include <gk/ptregs.h>
#include <gk/types.h>

struct task;

/* entry.S, head.S, uaccess.S */
extern char syscall_entry[], event_entry[], task_start[], secondary_start[];
extern struct cpu boot_cpu;
extern char image_start[], text_end[], boot_stack[];
struct task *switch_stacks(struct task *prev, struct task *next);

/* An entry of the exception table: uaccess.S */
struct ex_entry {
	s32 insn, fixup; /* relative to the field itself */
	u32 kind;	 /* EX_* */
};
#define EX_FAULT_IN 0
#define EX_NO_FAULT 1
extern const struct ex_entry ex_table_start[], ex_table_end[];

/* The kernel's registers at an exception of its own (entry.S); the interrupted stack pointer is behind it. */
struct kernel_frame {
	u64 r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	u64 eflags, rip;
};

/* traps.c */
void do_user_event(struct pt_regs *regs, u32 vector);
void do_supervisor_event(struct kernel_frame *f, u32 vector);
void exit_to_user(struct pt_regs *regs);
/* backtrace.c */
void show_backtrace(u64 rip, u64 rbp);
/* kernel/sched.c */
void schedule_tail(struct task *prev);
/* smp.c */
void smp_secondary_main(struct cpu *c) __noreturn;

static inline u64 rdfsbase(void)
{
	u64 v;

	__asm__ volatile("rdfsbase %0" : "=r"(v));
	return v;
}

static inline void wrfsbase(u64 v)
{
	__asm__ volatile("wrfsbase %0" : : "r"(v) : "memory");
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return ((u64)hi << 32) | lo;
}

static inline void cpuid(u32 leaf, u32 sub, u32 *a, u32 *b, u32 *c, u32 *d)
{
	__asm__ volatile("cpuid" : "=a"(*a), "=b"(*b), "=c"(*c), "=d"(*d) : "0"(leaf), "2"(sub));
}

#endif
