/* SPDX-License-Identifier: Apache-2.0 */
/* The linked switcher as data of the VMM. */
	.section .rodata
	.globl switcher_image, switcher_image_end
	.balign 4096
switcher_image:
	.incbin SWITCHER_BIN
switcher_image_end:
	.section .note.GNU-stack, "", @progbits
