/* SPDX-License-Identifier: Apache-2.0 */
/* FP state and FS/GS base of user tasks at a switch: fpu.c for process.c. */
#ifndef ARCH_FPU_SWITCH_H
#define ARCH_FPU_SWITCH_H

struct task;

extern unsigned int fpu_mxcsr_mask; /* MXCSR bits that exist */
#define MXCSR_OFFSET 24		    /* in the legacy area; XRSTOR faults if other bits are set */

/* @t has an mm and is current: its live state goes to @t. */
void fpu_switch_out(struct task *t);
/* @t has an mm, its table is loaded: its state becomes live. */
void fpu_switch_in(struct task *t);

#endif
