/* SPDX-License-Identifier: Apache-2.0 */
/* The finished vDSO (VDSO_FILE, from the build) as data of the kernel. */
	.section .rodata, "a"
	.globl	vdso_image, vdso_image_end
	.hidden	vdso_image, vdso_image_end
	.balign	16
vdso_image:
	.incbin	VDSO_FILE
vdso_image_end:
	.section .note.GNU-stack, "", @progbits
