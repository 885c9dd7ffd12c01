/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the stubs of patched call sites meet (direct.c): RAX = number, R11 = slot * 8, everything else the program's, RSP
 * included; GS is already the kernel's. From here it is as if a syscall instruction had been executed.
 */
	.text
	.globl direct_common
	.hidden direct_common
	.type direct_common, @function
direct_common:
	movq %gs:160, %rcx              /* struct cpu.direct_ret */
	movq (%rcx, %r11), %rcx
	jmp *%gs:168                    /* struct cpu.direct_entry */
	.size direct_common, . - direct_common
	.section .note.GNU-stack, "", @progbits
