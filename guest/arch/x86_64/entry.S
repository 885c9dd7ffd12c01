/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The border between programs and the kernel (PVM ABI revision 3, abi/pvm.h).
 *
 *   syscall_entry      LSTAR: a program's system call
 *   event_entry        a program's exception, or an interrupt while it ran
 *   event_entry + 512  an exception of the kernel itself: only copy helpers may cause one (uaccess.S)
 *
 * On entry GS base is the supervisor's, RSP still the interrupted one, the program's RIP, RFLAGS, RCX, R11 and GS base are in
 * the PVCS, all else is live. RFLAGS are clean (DF, AC, NT clear). The high byte of PVCS.event_vector guards the PVCS: it is set
 * while we fill it for the way out and stays set in user mode; we clear it once we are on our own stack.
 *
 * The way out fills the PVCS and jumps to the backend's eretu entry with RSP = the program's. The backend looks at PVCS.pending
 * once more after it has said "user mode", so whoever sets work for us and then kicks is never missed.
 *
 * A system call saves all registers (fork, signals, ptrace) but its fast way out restores only those that C may have changed.
 */
#include <abi/pvm.h>
#include "asm-offsets.h"

#define ENOSYS 38

	/* Builds struct pt_regs on the task's stack. RCX and R11 are free. */
	.macro SAVE_REGS orig_rax:req rax:req
	movq	%rsp, %gs:CPU_SCRATCH_RSP
	movq	%gs:CPU_KSTACK_TOP, %rsp
	pushq	$PVM_USER_SS
	pushq	%gs:CPU_SCRATCH_RSP
	movl	%gs:PVCS_EFLAGS, %ecx
	pushq	%rcx
	pushq	$PVM_USER_CS
	pushq	%gs:PVCS_RIP
	pushq	\orig_rax
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%gs:PVCS_RCX
	pushq	\rax
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%gs:PVCS_R11
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	subq	$8, %rsp	/* calls want RSP on 16 bytes; the frame is at 8(%rsp) from here on */
	xorl	%ebp, %ebp	/* a backtrace ends here */
	.endm

#define FRAME(reg) 8 + reg(%rsp)

	.section .entry.text, "ax"

	.balign	64
	.globl	syscall_entry
	.hidden	syscall_entry
	.type	syscall_entry, @function
syscall_entry:
	SAVE_REGS orig_rax=%rax rax=$-ENOSYS
	movw	$0, %gs:PVCS_VECTOR
	movq	%gs:CPU_CURRENT, %rbx
	leaq	8(%rsp), %rdi
	incl	TASK_ACCT_ENTRIES(%rbx)
	testb	$WORK_SYSCALL_ENTRY, TASK_WORK_BITS(%rbx)
	jnz	syscall_slow
	testb	$ACCT_SAMPLE_MASK, TASK_ACCT_ENTRIES(%rbx)
	jz	syscall_slow	/* this one is timed */
	cmpl	$SYSCALL_COUNT, %eax
	jae	syscall_slow
	leal	(%rax, %rax, 2), %ecx
	leaq	syscall_table(%rip), %r11
	movq	(%r11, %rcx, 8), %rcx
	testq	%rcx, %rcx
	jz	syscall_slow
	call	*%rcx
	movq	%rax, FRAME(PT_RAX)
	/* Restart codes are for the signal code only, even if the signal has gone to another thread meanwhile. */
	leaq	RESTART_LAST(%rax), %rcx
	cmpq	$(RESTART_LAST - RESTART_FIRST), %rcx
	jbe	exit_slow
syscall_exit:
	movl	%gs:CPU_NEED_RESCHED, %ecx
	orl	%gs:PVCS_PENDING, %ecx
	orl	TASK_WORK_BITS(%rbx), %ecx
	jnz	exit_slow
	movq	%gs:CPU_TIMER_NEXT, %rcx
	cmpq	%gs:CPU_ARMED, %rcx
	jb	exit_slow

	movw	$PVM_VECTOR_STD, %gs:PVCS_VECTOR
	movl	$PVM_USER_CS_SS, %gs:PVCS_USER_CS
	movq	FRAME(PT_RIP), %rcx
	movq	FRAME(PT_EFLAGS), %r11
	movq	%rcx, %gs:PVCS_RIP
	movq	%rcx, %gs:PVCS_RCX
	movl	%r11d, %gs:PVCS_EFLAGS
	movq	%r11, %gs:PVCS_R11
	movq	FRAME(PT_RBX), %rbx
	movq	FRAME(PT_RBP), %rbp
	movq	FRAME(PT_R10), %r10
	movq	FRAME(PT_R9), %r9
	movq	FRAME(PT_R8), %r8
	movq	FRAME(PT_RDX), %rdx
	movq	FRAME(PT_RSI), %rsi
	movq	FRAME(PT_RDI), %rdi
	movq	FRAME(PT_RSP), %rsp
	jmp	*eretu_entry(%rip)

	/* Traced, timed, unknown, or missing: C does it all. */
syscall_slow:
	call	syscall_dispatch_slow
	.size	syscall_entry, . - syscall_entry
	/* fall through */

	.globl	exit_slow
	.hidden	exit_slow
	.type	exit_slow, @function
exit_slow:
	leaq	8(%rsp), %rdi
	call	exit_to_user
	/* fall through */
	/* Every register as in the frame. */
return_exact:
	movw	$PVM_VECTOR_STD, %gs:PVCS_VECTOR
	movl	$PVM_USER_CS_SS, %gs:PVCS_USER_CS
	movq	FRAME(PT_RIP), %rax
	movq	FRAME(PT_RCX), %rcx
	movq	FRAME(PT_R11), %r11
	movl	FRAME(PT_EFLAGS), %edx
	movq	%rax, %gs:PVCS_RIP
	movq	%rcx, %gs:PVCS_RCX
	movq	%r11, %gs:PVCS_R11
	movl	%edx, %gs:PVCS_EFLAGS
	movq	FRAME(PT_R15), %r15
	movq	FRAME(PT_R14), %r14
	movq	FRAME(PT_R13), %r13
	movq	FRAME(PT_R12), %r12
	movq	FRAME(PT_RBP), %rbp
	movq	FRAME(PT_RBX), %rbx
	movq	FRAME(PT_R10), %r10
	movq	FRAME(PT_R9), %r9
	movq	FRAME(PT_R8), %r8
	movq	FRAME(PT_RAX), %rax
	movq	FRAME(PT_RDX), %rdx
	movq	FRAME(PT_RSI), %rsi
	movq	FRAME(PT_RDI), %rdi
	movq	FRAME(PT_RSP), %rsp
	jmp	*eretu_entry(%rip)
	.size	exit_slow, . - exit_slow

	.balign	512
	.globl	event_entry
	.hidden	event_entry
	.type	event_entry, @function
event_entry:
	SAVE_REGS orig_rax=$-1 rax=%rax
	xorl	%esi, %esi
	xchgw	%si, %gs:PVCS_VECTOR
	leaq	8(%rsp), %rdi
	call	do_user_event
	jmp	exit_slow
	.size	event_entry, . - event_entry

	/*
	 * A supervisor event: struct kernel_frame (traps.c) goes below the interrupted stack pointer, then back to RIP, which the
	 * handler may have moved to a fixup.
	 */
	.org	event_entry + PVM_SUPERVISOR_ENTRY_OFFSET
	.type	supervisor_event_entry, @function
supervisor_event_entry:
	pushq	%gs:PVCS_RIP
	movl	%gs:PVCS_EFLAGS, %ecx
	pushq	%rcx
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%gs:PVCS_RCX
	pushq	%rax
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%gs:PVCS_R11
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, %rbx
	movq	%rsp, %rdi
	xorl	%esi, %esi
	xchgw	%si, %gs:PVCS_VECTOR
	andq	$-16, %rsp
	call	do_supervisor_event
	movq	%rbx, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rax
	popq	%rcx
	popq	%rdx
	popq	%rsi
	popq	%rdi
	popfq
	ret
	.size	supervisor_event_entry, . - supervisor_event_entry

	/*
	 * struct task *switch_stacks(struct task *prev, struct task *next): saves what C functions keep on prev's stack, goes on
	 * with next's. Returns prev (in next's context).
	 */
	.balign	16
	.globl	switch_stacks
	.hidden	switch_stacks
	.type	switch_stacks, @function
switch_stacks:
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, TASK_KSP(%rdi)
	movq	TASK_KSP(%rsi), %rsp
	movq	%rdi, %rax
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret
	.size	switch_stacks, . - switch_stacks

	/* A new task starts here (process.c lays its stack out): RBX = kernel function or 0, R12 = its argument. */
	.globl	task_start
	.hidden	task_start
	.type	task_start, @function
task_start:
	xorl	%ebp, %ebp
	movq	%rax, %rdi
	call	schedule_tail
	testq	%rbx, %rbx
	jz	1f
	movq	%r12, %rdi
	call	*%rbx
	/* A kernel function that returns has become a program (the first process). */
1:	movq	%gs:CPU_KSTACK_TOP, %rsp
	subq	$(PT_SIZE + 8), %rsp
	jmp	exit_slow
	.size	task_start, . - task_start

	.section .note.GNU-stack, "", @progbits
