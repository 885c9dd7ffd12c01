/* SPDX-License-Identifier: Apache-2.0 */
/* Where assembly finds fields of C structures. asm-offsets.c asserts every one. */
#ifndef ARCH_ASM_OFFSETS_H
#define ARCH_ASM_OFFSETS_H

/* struct cpu */
#define CPU_SELF 128
#define CPU_CURRENT 136
#define CPU_KSTACK_TOP 144
#define CPU_SCRATCH_RSP 152
#define CPU_TIMER_NEXT 176
#define CPU_ARMED 184
#define CPU_NEED_RESCHED 196

/* struct task */
#define TASK_KSP 0
#define TASK_KSTACK 8
#define TASK_WORK_BITS 16
#define TASK_ACCT_ENTRIES 24

/* struct pt_regs */
#define PT_R15 0
#define PT_R14 8
#define PT_R13 16
#define PT_R12 24
#define PT_RBP 32
#define PT_RBX 40
#define PT_R11 48
#define PT_R10 56
#define PT_R9 64
#define PT_R8 72
#define PT_RAX 80
#define PT_RCX 88
#define PT_RDX 96
#define PT_RSI 104
#define PT_RDI 112
#define PT_ORIG_RAX 120
#define PT_RIP 128
#define PT_CS 136
#define PT_EFLAGS 144
#define PT_RSP 152
#define PT_SS 160
#define PT_SIZE 168

/* struct syscall_entry */
#define SYSCALL_ENTRY_SIZE 24
#define SYSCALL_COUNT 463

/* task->work bits that take a system call off its fast path */
#define WORK_SYSCALL_ENTRY 0xc4

/* gk/acct.h: one entry in ACCT_SAMPLE is timed */
#define ACCT_SAMPLE_MASK 63

/* results that only the signal code may see: -ERESTARTSYS .. -ERESTART_RESTARTBLOCK */
#define RESTART_FIRST 512
#define RESTART_LAST 516

#endif
