/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of the switcher (struct switcher_header), and the two pieces of the template that must be assembly.
 */
#include "../ctl.h"

	.section .header, "a"
	.quad 0x6863746977536d55	/* SWITCHER_MAGIC */
	.quad switcher_text_end
	.quad template_start
	.quad template_end
	.quad template_entry
	.quad template_clone_ip
	.quad signal_entry
	.quad hypercall_entry
	.quad eretu_entry
	.quad direct_entry

	.section .template.text, "ax"
	.globl template_entry
	.hidden template_entry
template_entry:
	movabsq $(UM_SIGSTACKS + (SLOT_KEEPER + 1) * SLOT_SIZE), %rsp
	xorl %ebp, %ebp
	/* What the VMM has left in registers goes to every space, and would tell the guest things: where its memory is. */
	xorl %eax, %eax
	wrfsbase %rax
	wrgsbase %rax
	movl $-1, %eax
	movl $-1, %edx
	xrstor64 initial_fpu(%rip)
	call template_main
	ud2

	.balign 64
initial_fpu:			/* no component in the header: all of them get their initial values; MXCSR is taken from here */
	.zero 24
	.long 0x1f80
	.zero 576 - 28

	.globl template_clone
	.hidden template_clone
/* long template_clone(void): fork-like; 0 in the new space */
template_clone:
	movl $SPACE_CLONE_FLAGS, %edi
	xorl %esi, %esi
	xorl %edx, %edx
	xorl %r10d, %r10d
	xorl %r8d, %r8d
	movl $56, %eax
	syscall
template_clone_ip:
	ret

	.section .note.GNU-stack, "", @progbits
