/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest page tables: x86-64, four levels (Intel SDM vol. 3, "4-Level Paging"), 4 KB leaves only. Entries of upper
 * levels permit everything. All functions: mm->table_lock held unless said.
 */
#ifndef GK_MM_PGTABLE_H
#define GK_MM_PGTABLE_H

#include <gk/mm.h>

#define PTE_P 0x1ull
#define PTE_W 0x2ull
#define PTE_U 0x4ull
#define PTE_A 0x20ull
#define PTE_D 0x40ull
#define PTE_SPECIAL (1ull << 9) /* ours: no reference is held on the page (zero pages) */
#define PTE_HIDDEN (1ull << 10) /* ours: not present since the vma is PROT_NONE, but holds its page */
#define PTE_ADDR 0x000ffffffffff000ull
#define PTE_NX (1ull << 63)

#define PMD_SIZE (1ull << 21) /* what one lowest-level table covers */

static inline struct page *pte_page(u64 pte)
{
	return pfn_to_page((pte & PTE_ADDR) >> PAGE_SHIFT);
}

/*
 * The entry for @p in a vma with @vm_flags. Accessed and dirty are set at once: nobody looks at them, and no processor
 * has to.
 */
static inline u64 make_pte(const struct page *p, u32 vm_flags, bool write)
{
	u64 pte = page_to_gpa(p) | PTE_U | PTE_A;

	pte |= vm_flags & (VM_READ | VM_WRITE | VM_EXEC) ? PTE_P : PTE_HIDDEN;
	if (write)
		pte |= PTE_W | PTE_D;
	if (!(vm_flags & VM_EXEC))
		pte |= PTE_NX;
	return pte;
}

/* Where the entry of @addr lies; NULL: no table there. */
u64 *pte_lookup(struct mm *mm, u64 addr);
/* The same, adding tables; NULL: no memory. Does not sleep. */
u64 *pte_alloc(struct mm *mm, u64 addr);
/*
 * For loops over [addr, end): the entry of @addr, or NULL when there is no table, and in *next where this table (or the
 * hole) ends, at most @end.
 */
u64 *pte_span(struct mm *mm, u64 addr, u64 end, u64 *next);

/*
 * Collects what was removed from a table until the backend has been told. Entries are cleared first, under table_lock;
 * gather_flush(), without it, tells the backend and only then lets pages go.
 */
struct gather {
	struct mm *mm;
	u64 lo, hi; /* present entries were removed or replaced in here; lo >= hi: none */
	u32 kind;   /* UM_FLUSH_UNMAP, or _REPLACE when they will be used at once */
	u32 nr, max;
	struct page **pages;
	struct list_head tables;
	struct page *store;
	struct page *local[32];
};

void gather_init(struct gather *g, struct mm *mm);
static inline bool gather_full(const struct gather *g)
{
	return g->nr == g->max;
}
static inline void gather_range(struct gather *g, u64 start, u64 end)
{
	g->lo = MIN(g->lo, start);
	g->hi = MAX(g->hi, end);
}
/* Takes over a reference. Not when full. */
static inline void gather_page(struct gather *g, struct page *p)
{
	g->pages[g->nr++] = p;
}
/* No spinlock held but mapping->vma_lock. Afterwards it is empty and can be used again. */
void gather_flush(struct gather *g);
/* gather_flush() and end of use. */
void gather_finish(struct gather *g);

/*
 * Removes the entries of [start, end) within @vma: all of them, or (@file_only) those of page-cache pages. table_lock
 * is taken inside; flushes in between when the gather is full, but the last part is left to the caller.
 */
void zap_range(struct gather *g, struct vma *vma, u64 start, u64 end, bool file_only);
/*
 * Takes out the tables below [start, end) that serve nothing else: those within [floor, ceiling), where no vma is left.
 * Takes table_lock.
 */
void prune_tables(struct gather *g, u64 start, u64 end, u64 floor, u64 ceiling);

/* Adds to the mm's count of pages of @p's kind, of which @vma maps file pages. */
u64 *rss_counter(struct vma *vma, const struct page *p);

/* Drops one reference each; pages may be repeated. */
void release_pages(struct page **pages, u32 nr);

/* A chunk of zero pages for reads of memory never written: the one for @addr, so that neighbours are neighbours. */
struct page *zero_page_for(u64 addr);
extern struct page *zero_chunk; /* from mm_init() on */

#endif
