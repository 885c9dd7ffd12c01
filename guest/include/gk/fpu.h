/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Floating-point and vector state (arch/x86_64/fpu.c). It belongs to programs; the kernel has no such code.
 *
 * While a task with an mm runs, in user mode or in the kernel, its state is live in the processor. task->fpstate is a
 * standard (non-compacted) XSAVE area, valid while the task is not running.
 */
#ifndef GK_FPU_H
#define GK_FPU_H

#include <gk/types.h>

struct task;

extern u32 fpu_bytes; /* of an XSAVE area */
extern u64 fpu_xcr0;  /* state components */

/* An area with the initial state, or NULL. */
void *fpu_alloc(void);
void fpu_free(void *area);
/* exec: the initial state becomes the current task's live state. */
void fpu_reset_current(void);
/* Writes current's live state to @area, all components; the registers keep it. fork, signal frames, core dumps. */
void fpu_save_current(void *area);
/*
 * Loads @area as current's live state. The caller checked the header; what it could not check is made harmless here.
 */
void fpu_load_current(void *area);

#endif
