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
	call template_main
	ud2

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
