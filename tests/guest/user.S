/* SPDX-License-Identifier: Apache-2.0 */
/* Programs of the test guests: position-independent, run at USER_TEXT. Arguments in registers, as each says. */
	.section .user, "ax"
	.balign 4096
	.globl user_text, user_text_end
	.hidden user_text, user_text_end
user_text:

	.macro PROGRAM name
	.balign 16
	.globl \name
	.hidden \name
\name:
	.endm

/* One system call, number in RAX, then again for ever. */
PROGRAM u_syscall
	syscall
	jmp u_syscall

/* Reads the word at RDI into RAX, then calls; for ever. */
PROGRAM u_read
	movq (%rdi), %rax
	syscall
	jmp u_read

/* Stores RAX at RDI, then calls. */
PROGRAM u_write
	movq %rax, (%rdi)
	syscall
	jmp u_write

/* Counts in RAX until something happens. */
PROGRAM u_spin
	incq %rax
	jmp u_spin

/* Loads all xmm registers from RAX, spins RCX times, checks them: RAX = 0 if they kept it. */
PROGRAM u_fp
	movq %rax, %xmm0
	movq %rax, %xmm15
	syscall
	movq %xmm0, %rbx
	movq %xmm15, %rcx
	syscall
	jmp u_fp

PROGRAM u_ud2
	ud2
PROGRAM u_div
	xorl %ecx, %ecx
	xorl %edx, %edx
	divl %ecx
PROGRAM u_int3
	int3
	syscall
PROGRAM u_hlt
	hlt
PROGRAM u_int80
	movl $20, %eax
	int $0x80
	syscall
/* Jumps to RDI. */
PROGRAM u_jump
	jmp *%rdi
/* GS base = RDI, then a call. */
PROGRAM u_wrgsbase
	wrgsbase %rdi
	syscall
	rdgsbase %rax
	syscall
	jmp u_wrgsbase
/* A call site as the guest kernel would patch it: RDI = direct_entry, RSI = number. */
PROGRAM u_direct
	movl %esi, %eax
	leaq 1f(%rip), %rcx
	jmp *%rdi
1:	jmp u_direct
/* Touches RSI pages from RDI on, RDX bytes apart, then calls. */
PROGRAM u_touch
	movq %rdi, %rax
	movq %rsi, %rcx
1:	movb $1, (%rax)
	addq %rdx, %rax
	decq %rcx
	jnz 1b
	syscall
	jmp u_touch
/* Sets flags (AC, DF, NT as in RDI) and calls. */
PROGRAM u_flags
	pushq %rdi
	popfq
	syscall
	jmp u_flags
/* Carries a checksum over all registers through kicks: RAX counts, the others must keep a relation to it. Stops with a call
   (RAX = 1 bad, 0 good) after RCX rounds. */
PROGRAM u_relation
	movq %rcx, %r15
	xorl %eax, %eax
1:	incq %rax
	leaq 1(%rax), %rbx
	leaq 2(%rax), %rcx
	leaq 3(%rax), %rdx
	leaq 4(%rax), %rsi
	leaq 5(%rax), %rdi
	leaq 6(%rax), %rbp
	leaq 7(%rax), %r8
	leaq 8(%rax), %r9
	leaq 9(%rax), %r10
	leaq 10(%rax), %r11
	leaq 11(%rax), %r12
	leaq 12(%rax), %r13
	movq %rax, %xmm3
	movq %rsp, %r14
	decq %rbx
	cmpq %rax, %rbx
	jne 2f
	subq $2, %rcx
	cmpq %rax, %rcx
	jne 2f
	subq $3, %rdx
	cmpq %rax, %rdx
	jne 2f
	subq $4, %rsi
	cmpq %rax, %rsi
	jne 2f
	subq $5, %rdi
	cmpq %rax, %rdi
	jne 2f
	subq $6, %rbp
	cmpq %rax, %rbp
	jne 2f
	subq $10, %r11
	cmpq %rax, %r11
	jne 2f
	subq $12, %r13
	cmpq %rax, %r13
	jne 2f
	cmpq %r14, %rsp
	jne 2f
	movq %xmm3, %r8
	cmpq %rax, %r8
	jne 2f
	decq %r15
	jnz 1b
	xorl %eax, %eax
	syscall
2:	movl $1, %eax
	syscall
	.balign 4096
user_text_end:
	.section .note.GNU-stack, "", @progbits
