/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the linked files of the kernel refer to and no test gets to: page tables, other processes. Getting there is an
 * error of the test.
 */
#include <gk/direct.h>
#include <gk/fs.h>
#include <gk/init.h>
#include <gk/printk.h>
#include <gk/signal.h>
#include <gk/task.h>
#include "../../../guest/fs/internal.h"
#include "../../../guest/mm/pgtable.h"
#include "shim.h"

#define NOT_HERE panic("%s: no test can get here", __func__)

void gather_init(struct gather *g, struct mm *mm)
{
	NOT_HERE;
}

void gather_finish(struct gather *g)
{
	NOT_HERE;
}

void zap_range(struct gather *g, struct vma *vma, u64 start, u64 end, bool file_only)
{
	NOT_HERE;
}

u64 *pte_span(struct mm *mm, u64 addr, u64 end, u64 *next)
{
	NOT_HERE;
}

void mmu_flush_range(struct mm *mm, u64 start, u64 end, u32 kind)
{
	NOT_HERE;
}

void direct_forget(struct page *p)
{
	NOT_HERE;
}

int for_each_process_do(int (*fn)(struct process *p, void *arg), void *arg)
{
	NOT_HERE;
}

int set_user_sigmask(const u64 __user *mask, size_t size)
{
	return mask ? -EINVAL : 0;
}

void restore_user_sigmask(bool interrupted)
{
}

ssize_t strscpy(char *dst, const char *src, size_t size)
{
	const size_t n = strnlen(src, size);

	if (!size)
		return -E2BIG;
	memcpy(dst, src, n < size ? n + 1 : size);
	dst[size - 1] = '\0';
	return n < size ? (ssize_t)n : -E2BIG;
}
