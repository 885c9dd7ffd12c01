/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only instructions of the kernel that touch a program's memory. Each has an entry in the exception table; range checks are
 * the callers' (uaccess.c). On a fault do_supervisor_event() either makes the page present and retries, or goes to the fixup.
 *
 * An entry: where it may fault, where to go on then (both relative to the field), and whether to try to fault the page in.
 */
#define EX_FAULT_IN 0
#define EX_NO_FAULT 1

	.macro EX insn fixup kind=EX_FAULT_IN
	.pushsection .ex_table, "a"
	.balign	4
	.long	\insn - .
	.long	\fixup - .
	.long	\kind
	.popsection
	.endm

	.macro FUNC name
	.balign	16
	.globl	\name
	.hidden	\name
	.type	\name, @function
\name:
	.endm
	.macro END name
	.size	\name, . - \name
	.endm

	.text

	/* size_t raw_copy_user(void *dst, const void *src, size_t n): bytes not copied. */
FUNC raw_copy_user
	cmpq	$8, %rdx
	je	10f
	cmpq	$4, %rdx
	je	20f
	movq	%rdx, %rcx
	cmpq	$256, %rdx
	ja	2f
	subq	$8, %rcx
	jb	6f
	/* Short: eight bytes at a time. After a fault the byte copy finds the exact place. */
1:	movq	(%rsi), %rax
3:	movq	%rax, (%rdi)
	addq	$8, %rsi
	addq	$8, %rdi
	subq	$8, %rcx
	jae	1b
6:	addq	$8, %rcx
	jz	4f
5:	movb	(%rsi), %al
7:	movb	%al, (%rdi)
	incq	%rsi
	incq	%rdi
	decq	%rcx
	jnz	5b
4:	movq	%rcx, %rax
	ret
8:	addq	$8, %rcx
2:	rep movsb
9:	movq	%rcx, %rax
	ret
10:	movq	(%rsi), %rax
11:	movq	%rax, (%rdi)
	xorl	%eax, %eax
	ret
12:	movl	$8, %ecx
	jmp	2b
20:	movl	(%rsi), %eax
21:	movl	%eax, (%rdi)
	xorl	%eax, %eax
	ret
22:	movl	$4, %ecx
	jmp	2b
	EX 1b 8b
	EX 3b 8b
	EX 5b 4b
	EX 7b 4b
	EX 2b 9b
	EX 10b 12b
	EX 11b 12b
	EX 20b 22b
	EX 21b 22b
END raw_copy_user

	/* size_t raw_clear_user(void *dst, size_t n): bytes not cleared. */
FUNC raw_clear_user
	movq	%rsi, %rcx
	xorl	%eax, %eax
1:	rep stosb
2:	movq	%rcx, %rax
	ret
	EX 1b 2b
END raw_clear_user

	/*
	 * ssize_t raw_strncpy_user(char *dst, const char *src, size_t n): copies up to and including the NUL. Length without it,
	 * n if there is none within n bytes, -1 on a fault. Eight bytes at a time while no byte of them is 0.
	 */
FUNC raw_strncpy_user
	movq	%rdx, %rcx
	movq	%rdi, %r8
	movabsq	$0x0101010101010101, %r9
	movabsq	$0x8080808080808080, %r10
1:	cmpq	$8, %rcx
	jb	4f
2:	movq	(%rsi), %rax
	movq	%rax, %rdx
	subq	%r9, %rdx
	movq	%rax, %r11
	notq	%r11
	andq	%r11, %rdx
	testq	%r10, %rdx
	jnz	4f
	movq	%rax, (%rdi)
	addq	$8, %rsi
	addq	$8, %rdi
	subq	$8, %rcx
	jmp	1b
4:	testq	%rcx, %rcx
	jz	6f
5:	movb	(%rsi), %al
	movb	%al, (%rdi)
	testb	%al, %al
	jz	6f
	incq	%rsi
	incq	%rdi
	decq	%rcx
	jmp	4b
6:	movq	%rdi, %rax
	subq	%r8, %rax
	ret
7:	movq	$-1, %rax
	ret
	EX 2b 4b
	EX 5b 7b
END raw_strncpy_user

	/* int raw_user_cmpxchg32(u32 *p, u32 *old, u32 new) and the next: 0, or -14 at once if the page is not there. */
FUNC raw_user_cmpxchg32
	movl	(%rsi), %eax
1:	lock cmpxchgl %edx, (%rdi)
	movl	%eax, (%rsi)
	xorl	%eax, %eax
	ret
2:	movl	$-14, %eax
	ret
	EX 1b 2b EX_NO_FAULT
END raw_user_cmpxchg32

FUNC raw_user_load32
1:	movl	(%rdi), %eax
	movl	%eax, (%rsi)
	xorl	%eax, %eax
	ret
2:	movl	$-14, %eax
	ret
	EX 1b 2b EX_NO_FAULT
END raw_user_load32

	.section .note.GNU-stack, "", @progbits
