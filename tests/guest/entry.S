/* SPDX-License-Identifier: Apache-2.0 */
/* Start, hypercalls and events of the test guests; see mini.h. */
#include "abi/pvm.h"

#define PC_KSTACK 136
#define PC_CUR 144
#define PC_SCRATCH 152
#define PC_FIXUP 160
#define PC_ERETU 168
#define PC_SUP_FAULTS 192

	.text
	.globl _start
_start:
	leaq boot_stack_top(%rip), %rsp
	xorl %ebp, %ebp
	call mini_start
	ud2

	.globl secondary_entry
	.hidden secondary_entry
secondary_entry:
	call secondary_main
	ud2

	.globl hypercall
	.hidden hypercall
hypercall:			/* (nr, rbx, r10, rdx, rsi) */
	pushq %rbx
	movq %rdi, %rax
	movq %rsi, %rbx
	movq %rdx, %r10
	movq %rcx, %rdx
	movq %r8, %rsi
	call *hypercall_ptr(%rip)
	popq %rbx
	ret

	.globl run_user
	.hidden run_user
run_user:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, %gs:PC_KSTACK
	movq %rdi, %gs:PC_CUR
	movq 128(%rdi), %rax
	movq %rax, %gs:PVCS_RIP
	movq 136(%rdi), %rax
	movl %eax, %gs:PVCS_EFLAGS
	movq 16(%rdi), %rax
	movq %rax, %gs:PVCS_RCX
	movq 88(%rdi), %rax
	movq %rax, %gs:PVCS_R11
	movl $PVM_USER_CS_SS, %gs:PVCS_USER_CS
	movw $PVM_VECTOR_STD, %gs:PVCS_VECTOR
	movq 0(%rdi), %rax
	movq 8(%rdi), %rbx
	movq 24(%rdi), %rdx
	movq 32(%rdi), %rsi
	movq 48(%rdi), %rbp
	movq 56(%rdi), %rsp
	movq 64(%rdi), %r8
	movq 72(%rdi), %r9
	movq 80(%rdi), %r10
	movq 96(%rdi), %r12
	movq 104(%rdi), %r13
	movq 112(%rdi), %r14
	movq 120(%rdi), %r15
	movq 40(%rdi), %rdi
	jmp *%gs:PC_ERETU

	.macro SAVE_USER
	movq %rsp, %gs:PC_SCRATCH
	movq %gs:PC_CUR, %rsp
	movq %rax, 0(%rsp)
	movq %rbx, 8(%rsp)
	movq %rdx, 24(%rsp)
	movq %rsi, 32(%rsp)
	movq %rdi, 40(%rsp)
	movq %rbp, 48(%rsp)
	movq %r8, 64(%rsp)
	movq %r9, 72(%rsp)
	movq %r10, 80(%rsp)
	movq %r12, 96(%rsp)
	movq %r13, 104(%rsp)
	movq %r14, 112(%rsp)
	movq %r15, 120(%rsp)
	movq %gs:PC_SCRATCH, %rax
	movq %rax, 56(%rsp)
	movq %gs:PVCS_RCX, %rax
	movq %rax, 16(%rsp)
	movq %gs:PVCS_R11, %rax
	movq %rax, 88(%rsp)
	movq %gs:PVCS_RIP, %rax
	movq %rax, 128(%rsp)
	movl %gs:PVCS_EFLAGS, %eax
	movq %rax, 136(%rsp)
	movq %gs:PC_KSTACK, %rsp
	.endm

	.macro RETURN
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret
	.endm

	.globl lstar_entry
	.hidden lstar_entry
lstar_entry:
	SAVE_USER
	movw $0, %gs:PVCS_VECTOR
	movl $0x1000, %eax
	RETURN

	.balign 4096
	.globl event_entry
	.hidden event_entry
event_entry:
	SAVE_USER
	xorl %eax, %eax
	xchgw %ax, %gs:PVCS_VECTOR
	movzbl %al, %eax
	RETURN
	.org event_entry + PVM_SUPERVISOR_ENTRY_OFFSET
	/* A fault in copy_fault(): RSP and all but RCX and R11 as they were. */
	cmpq $0, %gs:PC_FIXUP
	je 1f
	movw $0, %gs:PVCS_VECTOR
	movq %gs:PVCS_RCX, %rcx
	incq %gs:PC_SUP_FAULTS
	jmp *%gs:PC_FIXUP
1:	call sup_panic
	ud2

	.globl copy_fault
	.hidden copy_fault
copy_fault:
	leaq 1f(%rip), %rax
	movq %rax, %gs:PC_FIXUP
	movq %rdx, %rcx
	rep movsb
1:	movq %rcx, %rax
	movq $0, %gs:PC_FIXUP
	ret

	.bss
	.balign 4096
	.skip 32768
boot_stack_top:
	.section .note.GNU-stack, "", @progbits
