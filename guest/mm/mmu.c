/* SPDX-License-Identifier: Apache-2.0 */
/* What the backend is told about page tables: which one is loaded, and which entries went or lost permissions. */
#include <gk/direct.h>
#include <gk/errno.h>
#include <gk/percpu.h>
#include "internal.h"
#include "hv.h"

void mmu_flush_range(struct mm *mm, u64 start, u64 end, u32 kind)
{
	/* 0: the backend has forgotten the whole table already. */
	if (mm->cr3)
		hv_flush_range(mm->cr3, start, end - start, kind);
}

int mm_switch(struct mm *mm)
{
	struct cpu *c = this_cpu();
	struct mm *old = c->active_mm;

	if (mm == old)
		return 0;
	if (hv_load_table(mm ? mm->cr3 : 0))
		return -EAGAIN;
	if (mm)
		mm_get(mm);
	c->active_mm = mm;
	c->loaded_cr3 = mm ? mm->cr3 : 0;
	c->direct_ret = direct_ret_table(mm);
	if (old)
		mm_put(old);
	return 0;
}
