/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who called whom, for the last words. Addresses are printed as offsets in the image, which are the symbols' addresses
 * in build/guest/penumbra (addr2line -fe build/guest/penumbra OFFSET...).
 */
#include <gk/page.h>
#include <gk/printk.h>
#include <gk/task.h>

#include "arch.h"

static bool on_kernel_stack(u64 addr)
{
	u64 top = nr_cpus ? this_cpu()->kstack_top : 0; /* GS base is not ours before the first vCPU is set up */

	return !(addr & 7) && addr < top && addr >= top - KSTACK_SIZE;
}

static bool is_text(u64 rip)
{
	return rip >= (u64)image_start && rip < (u64)text_end;
}

void show_backtrace(u64 rip, u64 rbp)
{
	printk("call trace (offsets in the image):\n");
	for (int depth = 0; depth < 24 && is_text(rip); depth++) {
		printk("  %#llx\n", (unsigned long long)(rip - (u64)image_start));
		if (!on_kernel_stack(rbp) || !on_kernel_stack(rbp + 8))
			break;
		rip = ((const u64 *)rbp)[1];
		rbp = ((const u64 *)rbp)[0];
	}
}
