/* SPDX-License-Identifier: Apache-2.0 */
/* How much of a mapping is in memory, for /proc/PID/smaps. */
#include <gk/mm.h>
#include "pgtable.h"

static void count_entry(u64 pte, bool file, struct vma_usage *u)
{
	if (!(pte & (PTE_P | PTE_HIDDEN)) || (pte & PTE_SPECIAL))
		return;
	u->present++;
	if (READ_ONCE(pte_page(pte)->flags) & PG_ANON)
		u->anon++;
	else if (file)
		u->shared++;
}

void vma_usage(struct mm *mm, struct vma *v, struct vma_usage *u)
{
	u64 addr = v->start, next;

	*u = (struct vma_usage){0};
	while (addr < v->end) {
		u64 *pte;

		spin_lock(&mm->table_lock);
		pte = pte_span(mm, addr, v->end, &next);
		for (u64 a = addr; pte && a < next; a += PAGE_SIZE)
			count_entry(*pte++, v->file != NULL, u);
		spin_unlock(&mm->table_lock);
		addr = next;
	}
}
