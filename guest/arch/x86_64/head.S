/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first instructions of a vCPU. Entered in supervisor mode on the home table; GS base is the backend's until
 * arch_cpu_init() announces ours.
 *   vCPU 0: RDI = boot block, RSP undefined.
 *   others (UM_HC_VCPU_START, smp.c): RDI = their struct cpu, RSP = their idle task's stack.
 */
	.section .head.text, "ax"

	.globl	_start
	.type	_start, @function
_start:
	leaq	boot_stack_top(%rip), %rsp
	xorl	%ebp, %ebp
	call	gk_init
	ud2
	.size	_start, . - _start

	.globl	secondary_start
	.hidden	secondary_start
	.type	secondary_start, @function
secondary_start:
	xorl	%ebp, %ebp
	call	smp_secondary_main
	ud2
	.size	secondary_start, . - secondary_start

	.section .bss.page_aligned, "aw", @nobits
	.balign	4096
	.globl	boot_stack
	.hidden	boot_stack
boot_stack:
	.skip	16384
	.globl	boot_stack_top
	.hidden	boot_stack_top
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
