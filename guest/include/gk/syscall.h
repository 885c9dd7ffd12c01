/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a system call is defined. In the .c file of its family:
 *
 *	SYSCALL3(read, int, fd, char __user *, buf, size_t, count)
 *	{
 *		...
 *		return bytes;  // or a negative errno
 *	}
 *
 * defines sys_read(regs), which the table in kernel/syscall_table.c names. Every number has an entry there with its
 * status.
 */
#ifndef GK_SYSCALL_H
#define GK_SYSCALL_H

#include <gk/ptregs.h>
#include <gk/types.h>

typedef long (*syscall_fn_t)(struct pt_regs *regs);

#define SYSCALL0(name)                                                                                                 \
	long sys_##name(struct pt_regs *regs);                                                                         \
	static long do_sys_##name(void);                                                                               \
	long sys_##name(struct pt_regs *regs)                                                                          \
	{                                                                                                              \
		return do_sys_##name();                                                                                \
	}                                                                                                              \
	static long do_sys_##name(void)
#define SYSCALL1(name, t1, a1)                                                                                         \
	long sys_##name(struct pt_regs *regs);                                                                         \
	static long do_sys_##name(t1 a1);                                                                              \
	long sys_##name(struct pt_regs *regs)                                                                          \
	{                                                                                                              \
		return do_sys_##name((t1)regs->rdi);                                                                   \
	}                                                                                                              \
	static long do_sys_##name(t1 a1)
#define SYSCALL2(name, t1, a1, t2, a2)                                                                                 \
	long sys_##name(struct pt_regs *regs);                                                                         \
	static long do_sys_##name(t1 a1, t2 a2);                                                                       \
	long sys_##name(struct pt_regs *regs)                                                                          \
	{                                                                                                              \
		return do_sys_##name((t1)regs->rdi, (t2)regs->rsi);                                                    \
	}                                                                                                              \
	static long do_sys_##name(t1 a1, t2 a2)
#define SYSCALL3(name, t1, a1, t2, a2, t3, a3)                                                                         \
	long sys_##name(struct pt_regs *regs);                                                                         \
	static long do_sys_##name(t1 a1, t2 a2, t3 a3);                                                                \
	long sys_##name(struct pt_regs *regs)                                                                          \
	{                                                                                                              \
		return do_sys_##name((t1)regs->rdi, (t2)regs->rsi, (t3)regs->rdx);                                     \
	}                                                                                                              \
	static long do_sys_##name(t1 a1, t2 a2, t3 a3)
#define SYSCALL4(name, t1, a1, t2, a2, t3, a3, t4, a4)                                                                 \
	long sys_##name(struct pt_regs *regs);                                                                         \
	static long do_sys_##name(t1 a1, t2 a2, t3 a3, t4 a4);                                                         \
	long sys_##name(struct pt_regs *regs)                                                                          \
	{                                                                                                              \
		return do_sys_##name((t1)regs->rdi, (t2)regs->rsi, (t3)regs->rdx, (t4)regs->r10);                      \
	}                                                                                                              \
	static long do_sys_##name(t1 a1, t2 a2, t3 a3, t4 a4)
#define SYSCALL5(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5)                                                         \
	long sys_##name(struct pt_regs *regs);                                                                         \
	static long do_sys_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5);                                                  \
	long sys_##name(struct pt_regs *regs)                                                                          \
	{                                                                                                              \
		return do_sys_##name((t1)regs->rdi, (t2)regs->rsi, (t3)regs->rdx, (t4)regs->r10, (t5)regs->r8);        \
	}                                                                                                              \
	static long do_sys_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5)
#define SYSCALL6(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6)                                                 \
	long sys_##name(struct pt_regs *regs);                                                                         \
	static long do_sys_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6);                                           \
	long sys_##name(struct pt_regs *regs)                                                                          \
	{                                                                                                              \
		return do_sys_##name((t1)regs->rdi, (t2)regs->rsi, (t3)regs->rdx, (t4)regs->r10, (t5)regs->r8,         \
				     (t6)regs->r9);                                                                    \
	}                                                                                                              \
	static long do_sys_##name(t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6)

#endif
