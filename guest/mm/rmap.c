/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a file to the page tables that map it: removing entries when pages leave the file, write-protecting them when
 * pages are written out.
 *
 * The list of vmas is walked under mapping->vma_lock; a vma in it has its tables, since unmapping takes it out first.
 * Calls to the backend happen under that lock (they depend on no other guest code), never under a table_lock.
 */
#include "cache.h"
#include "internal.h"
#include "pgtable.h"

/* The part of @v that maps pages [first, last]; false: none. */
static bool overlap(const struct vma *v, u64 first, u64 last, u64 *start, u64 *end)
{
	u64 pages = (v->end - v->start) >> PAGE_SHIFT, end_pgoff = v->pgoff + pages;

	if (first >= end_pgoff || last < v->pgoff)
		return false;
	*start = first > v->pgoff ? v->start + ((first - v->pgoff) << PAGE_SHIFT) : v->start;
	*end = last < end_pgoff - 1 ? v->start + ((last - v->pgoff + 1) << PAGE_SHIFT) : v->end;
	return true;
}

void unmap_mapping_range(struct mapping *m, u64 first, u64 last, bool even_cow)
{
	struct vma *v;

	spin_lock(&m->vma_lock);
	list_for_each_entry(v, &m->vmas, mapping_link) {
		struct gather g;
		u64 start, end;

		if (!overlap(v, first, last, &start, &end))
			continue;
		gather_init(&g, v->mm);
		zap_range(&g, v, start, end, !even_cow);
		gather_finish(&g);
	}
	spin_unlock(&m->vma_lock);
}

void zap_text(struct mm *mm)
{
	struct gather g;
	struct vma *v;

	gather_init(&g, mm);
	for_each_vma(v, mm) {
		if (v->file && (v->flags & (VM_EXEC | VM_WRITE)) == VM_EXEC)
			zap_range(&g, v, v->start, v->end, true);
	}
	gather_finish(&g);
}

/* One table's worth; widens [*lo, *hi) over what was writable. table_lock held. */
static void clean_entries(u64 *pte, u64 addr, u64 end, u64 *lo, u64 *hi)
{
	for (; addr < end; addr += PAGE_SIZE, pte++) {
		if (!(*pte & PTE_W))
			continue;
		WRITE_ONCE(*pte, *pte & ~(PTE_W | PTE_D));
		*lo = MIN(*lo, addr);
		*hi = addr + PAGE_SIZE;
	}
}

static bool clean_vma(struct vma *v, u64 start, u64 end)
{
	u64 lo = ~0ull, hi = 0, next;

	for (; start < end; start = next) {
		u64 *pte;

		spin_lock(&v->mm->table_lock);
		pte = pte_span(v->mm, start, end, &next);
		if (pte)
			clean_entries(pte, start, next, &lo, &hi);
		spin_unlock(&v->mm->table_lock);
	}
	if (lo >= hi)
		return false;
	mmu_flush_range(v->mm, lo, hi, UM_FLUSH_WRPROTECT);
	return true;
}

bool mapping_mkclean(struct mapping *m, u64 first, u64 last)
{
	struct vma *v;
	bool any = false;

	spin_lock(&m->vma_lock);
	list_for_each_entry(v, &m->vmas, mapping_link) {
		u64 start, end;

		if ((v->flags & VM_SHARED) && (v->flags & VM_MAYWRITE) && overlap(v, first, last, &start, &end))
			any |= clean_vma(v, start, end);
	}
	spin_unlock(&m->vma_lock);
	return any;
}
