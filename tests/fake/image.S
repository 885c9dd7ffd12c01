/* SPDX-License-Identifier: Apache-2.0 */
/* No built-in guest kernel: tests name one with --kernel. */
	.section .rodata
	.globl umbra_kernel_image, umbra_kernel_image_end
umbra_kernel_image:
umbra_kernel_image_end:
	.section .note.GNU-stack, "", @progbits
