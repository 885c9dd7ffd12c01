/* SPDX-License-Identifier: Apache-2.0 */
/*
 * XSAVE areas and when they are written and read.
 *
 * Invariant: while `current` has an mm its FP state is live. So it is saved when a user task is switched out and loaded
 * when one is switched in (fpu_switch_out/in, from __switch_to()). Loading another table loses the live state (another
 * host thread goes on), and so does running another user task. The load is skipped when the state is provably still
 * there: this vCPU's last user task was this one, it has not run elsewhere since, and no table was loaded in between
 * (cpu->fp_task).
 *
 * XSAVEOPT may leave components unwritten that are unchanged since XRSTOR from the same area. That is right for an area
 * whose state is live; a fresh area (fork, signal) is written with XSAVE.
 */
#include <gk/fpu.h>
#include <gk/init.h>
#include <gk/page.h>
#include <gk/percpu.h>
#include <gk/printk.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/task.h>

#include "arch.h"
#include "fpu-switch.h"

#define MXCSR_MASK_OFFSET 28
#define XSTATE_HEADER_OFFSET 512
#define MXCSR_DEFAULT 0x1f80
#define FCW_DEFAULT 0x37f

u32 fpu_bytes;
u64 fpu_xcr0;
u32 fpu_mxcsr_mask;
static struct slab_cache *fpu_cache;
static bool have_xsaveopt;
static u8 init_area[512 + 64] __aligned(64); /* XSTATE_BV = 0: all components initial */

static inline void xsave(void *area)
{
	__asm__ volatile("xsave64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
}

static inline void xsaveopt(void *area)
{
	__asm__ volatile("xsaveopt64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
}

static inline void xrstor(void *area)
{
	__asm__ volatile("xrstor64 (%0)" : : "r"(area), "a"(~0u), "d"(~0u) : "memory");
}

void fpu_init(void)
{
	u32 a, b, c, d;

	fpu_xcr0 = boot->xcr0;
	fpu_bytes = ALIGN_UP(boot->xsave_bytes, 64);
	if (!(fpu_xcr0 & 3) || fpu_bytes < 576 || fpu_bytes > 65536)
		panic("boot block: impossible FP state (xcr0 %#llx, %u bytes)", (unsigned long long)fpu_xcr0,
		      fpu_bytes);
	cpuid(13, 1, &a, &b, &c, &d);
	have_xsaveopt = a & 1;
	*(u16 *)init_area = FCW_DEFAULT;
	*(u32 *)(init_area + MXCSR_OFFSET) = MXCSR_DEFAULT;

	fpu_cache = slab_cache_new("fpstate", fpu_bytes, 64);
	if (!fpu_cache)
		panic("no memory for FP state");
	/* XSAVE writes which MXCSR bits exist. */
	void *probe = slab_zalloc(fpu_cache);

	if (!probe)
		panic("no memory for FP state");
	xsave(probe);
	fpu_mxcsr_mask = *(u32 *)((u8 *)probe + MXCSR_MASK_OFFSET);
	if (!fpu_mxcsr_mask)
		fpu_mxcsr_mask = 0xffbf;
	slab_free(fpu_cache, probe);
}

void *fpu_alloc(void)
{
	u8 *area = slab_zalloc(fpu_cache);

	if (area)
		memcpy(area, init_area, sizeof(init_area));
	return area;
}

void fpu_free(void *area)
{
	if (area)
		slab_free(fpu_cache, area);
}

void fpu_reset_current(void)
{
	xrstor(init_area);
	this_cpu()->fp_task = NULL;
}

void fpu_save_current(void *area)
{
	xsave(area);
}

void fpu_load_current(void *area)
{
	*(u32 *)((u8 *)area + MXCSR_OFFSET) &= fpu_mxcsr_mask;
	xrstor(area);
	/* Not loaded from the task's own area: XSAVEOPT must not think so later; a full save does no harm. */
	this_cpu()->fp_task = NULL;
}

void fpu_switch_out(struct task *t)
{
	struct cpu *c = this_cpu();

	if (have_xsaveopt)
		xsaveopt(t->fpstate);
	else
		xsave(t->fpstate);
	t->fsbase = rdfsbase();
	t->gsbase = c->pvcs.user_gsbase;
	t->fp_valid_tag = c->id + 1;
	c->fp_task = t;
}

void fpu_switch_in(struct task *t)
{
	struct cpu *c = this_cpu();

	c->pvcs.user_gsbase = t->gsbase;
	if (c->fp_task == t && t->fp_valid_tag == c->id + 1)
		return;
	xrstor(t->fpstate);
	wrfsbase(t->fsbase);
	c->fp_task = t;
	t->fp_valid_tag = c->id + 1;
}
