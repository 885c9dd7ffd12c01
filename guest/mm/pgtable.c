/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest page tables: walking, adding, removing, and the batches in which removed pages wait for the backend.
 *
 * The backend reads these tables when a program faults, and caches what it found; what it may still use must not be
 * freed before a flush has returned. That holds for tables as well as for pages.
 */
#include <gk/fs.h>
#include <gk/string.h>
#include "internal.h"
#include "hv.h"
#include "pgtable.h"

#define LEVELS 4
#define TABLE_FLAGS (PTE_P | PTE_W | PTE_U | PTE_A)

struct page *zero_chunk;

static u32 level_shift(u32 level) /* what one entry of a table of this level covers; level 1 is the lowest */
{
	return PAGE_SHIFT + 9 * (level - 1);
}

static u32 slot_of(u64 addr, u32 level)
{
	return (addr >> level_shift(level)) & 511;
}

static u64 *table_at(u64 entry)
{
	return gpa_to_virt(entry & PTE_ADDR);
}

u64 *pte_lookup(struct mm *mm, u64 addr)
{
	u64 *table = gpa_to_virt(mm->root);

	for (u32 level = LEVELS; level > 1; level--) {
		u64 entry = table[slot_of(addr, level)];

		if (!entry)
			return NULL;
		table = table_at(entry);
	}
	return &table[slot_of(addr, 1)];
}

u64 *pte_alloc(struct mm *mm, u64 addr)
{
	u64 *table = gpa_to_virt(mm->root);

	for (u32 level = LEVELS; level > 1; level--) {
		u64 *entry = &table[slot_of(addr, level)];

		if (!*entry) {
			struct page *p = alloc_page(GFP_ZERO | GFP_NOWAIT);

			if (!p)
				return NULL;
			p->flags |= PG_TABLE;
			mm->table_pages++;
			mm_stat_add(STAT_TABLE, 1);
			/* The backend may walk at any time: a table is zero before it can be seen. */
			smp_store_release(entry, page_to_gpa(p) | TABLE_FLAGS);
		}
		table = table_at(*entry);
	}
	return &table[slot_of(addr, 1)];
}

u64 *pte_span(struct mm *mm, u64 addr, u64 end, u64 *next)
{
	u64 *table = gpa_to_virt(mm->root);
	u32 level = LEVELS, shift;

	for (; level > 1; level--) {
		u64 entry = table[slot_of(addr, level)];

		if (!entry)
			break;
		table = table_at(entry);
	}
	/* A table of the lowest level ends where the entry above ends; so does a hole. */
	shift = level_shift(level > 1 ? level : 2);
	*next = MIN(end, ((addr >> shift) + 1) << shift);
	return level > 1 ? NULL : &table[slot_of(addr, 1)];
}

u64 *rss_counter(struct vma *vma, const struct page *p)
{
	struct mm *mm = vma->mm;

	if (p->flags & PG_ANON)
		return &mm->rss_anon;
	if (vma->file && vma->file->inode->mapping.ops && vma->file->inode->mapping.ops->no_backing)
		return &mm->rss_shmem;
	return &mm->rss_file;
}

struct page *zero_page_for(u64 addr)
{
	return zero_chunk + ((addr >> PAGE_SHIFT) & (CHUNK_PAGES - 1));
}

/* ---- gathering ---- */

void gather_init(struct gather *g, struct mm *mm)
{
	g->mm = mm;
	g->lo = ~0ull;
	g->hi = 0;
	g->kind = UM_FLUSH_UNMAP;
	g->nr = 0;
	g->max = ARRAY_SIZE(g->local);
	g->pages = g->local;
	g->store = NULL;
	list_init(&g->tables);
}

void release_pages(struct page **pages, u32 nr)
{
	u32 gone = 0;

	for (u32 i = 0; i < nr; i++) {
		struct page *p = pages[i];

		/* The only reference to an anonymous page was that of the entry: nobody can get another. */
		if ((p->flags & PG_ANON) && READ_ONCE(p->refs) == 1)
			p->refs = 0;
		else if (atomic_sub_return(&p->refs, 1))
			continue;
		pages[gone++] = p;
	}
	free_page_batch(pages, gone);
}

void gather_flush(struct gather *g)
{
	if (g->lo < g->hi)
		mmu_flush_range(g->mm, g->lo, g->hi, g->kind);
	g->lo = ~0ull;
	g->hi = 0;
	release_pages(g->pages, g->nr);
	g->nr = 0;
	while (!list_empty(&g->tables)) {
		struct page *p = list_first_entry(&g->tables, struct page, lru);

		list_del(&p->lru);
		mm_stat_add(STAT_TABLE, -1);
		put_page(p);
	}
}

void gather_finish(struct gather *g)
{
	gather_flush(g);
	if (g->store)
		put_page(g->store);
	g->store = NULL;
}

/* The few places on the stack were not enough: a page full of them. */
static void gather_grow(struct gather *g)
{
	struct page *store = g->store ? NULL : alloc_page(GFP_NOWAIT);

	if (!store) {
		gather_flush(g);
		return;
	}
	g->store = store;
	g->pages = memcpy(page_address(store), g->local, g->nr * sizeof(g->local[0]));
	g->max = PAGE_SIZE / sizeof(g->local[0]);
}

/* One table's worth, or less if the gather is full; returns where it stopped. table_lock held. */
static u64 zap_entries(struct gather *g, struct vma *vma, u64 *pte, u64 addr, u64 end, bool file_only)
{
	u64 *file_rss = NULL;
	u64 anon = 0, file = 0;

	for (; addr < end && !gather_full(g); addr += PAGE_SIZE, pte++) {
		u64 old = *pte;
		struct page *p;

		if (!old)
			continue;
		p = pte_page(old);
		if (file_only && ((old & PTE_SPECIAL) || (p->flags & PG_ANON)))
			continue;
		WRITE_ONCE(*pte, 0);
		if (old & PTE_P)
			gather_range(g, addr, addr + PAGE_SIZE);
		if (old & PTE_SPECIAL)
			continue;
		if (p->flags & PG_ANON) {
			anon++;
		} else {
			file++;
			file_rss = rss_counter(vma, p);
		}
		gather_page(g, p);
	}
	if (anon)
		atomic_sub_return(&g->mm->rss_anon, anon);
	if (file)
		atomic_sub_return(file_rss, file);
	return addr;
}

void zap_range(struct gather *g, struct vma *vma, u64 start, u64 end, bool file_only)
{
	while (start < end) {
		u64 next, *pte;

		spin_lock(&g->mm->table_lock);
		pte = pte_span(g->mm, start, end, &next);
		start = pte ? zap_entries(g, vma, pte, start, next, file_only) : next;
		spin_unlock(&g->mm->table_lock);
		if (gather_full(g))
			gather_grow(g);
	}
}

/* Everything below @table, which covers nothing that is still in use, and the table itself. */
static void remove_subtree(struct gather *g, u64 *table, u32 level)
{
	struct page *p = virt_to_page(table);

	for (u32 i = 0; level > 1 && i < 512; i++) {
		if (table[i])
			remove_subtree(g, table_at(table[i]), level - 1);
	}
	list_add(&p->lru, &g->tables);
	g->mm->table_pages--;
}

static void prune_level(struct gather *g, u64 *table, u32 level, u64 start, u64 end, u64 floor, u64 ceiling)
{
	u32 shift = level_shift(level);

	for (u64 base = ALIGN_DOWN(start, 1ull << shift); base < end; base += 1ull << shift) {
		u64 *entry = &table[slot_of(base, level)];

		if (!*entry)
			continue;
		if (base >= floor && base + (1ull << shift) <= ceiling) {
			u64 *below = table_at(*entry);

			WRITE_ONCE(*entry, 0);
			remove_subtree(g, below, level - 1);
		} else if (level > 2) {
			prune_level(g, table_at(*entry), level - 1, MAX(base, start), MIN(base + (1ull << shift), end),
				    floor, ceiling);
		}
	}
}

void prune_tables(struct gather *g, u64 start, u64 end, u64 floor, u64 ceiling)
{
	spin_lock(&g->mm->table_lock);
	prune_level(g, gpa_to_virt(g->mm->root), LEVELS, start, end, floor, ceiling);
	spin_unlock(&g->mm->table_lock);
	/* A walker that saw a table may still be in it: one flush, even if no entry was present. */
	if (!list_empty(&g->tables) && g->lo >= g->hi)
		gather_range(g, start, start + PAGE_SIZE);
}
