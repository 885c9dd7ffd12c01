/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of mm/ share among themselves.
 *
 * Lock order (outer first): inode->lock, mmap_lock, page lock (PG_LOCKED), mapping->vma_lock, mm->table_lock, mapping->lock,
 * slab and zone locks.
 */
#ifndef GK_MM_INTERNAL_H
#define GK_MM_INTERNAL_H

#include <gk/mm.h>
#include <gk/percpu.h>

/* ---- per-vCPU part of the allocators; touched by its own vCPU only, so it needs no lock ---- */

#define PCP_ORDERS 5 /* orders 0 .. 4 */
#define PCP_MAX 32
#define MAG_MAX 24
#define MAX_SLAB_CACHES 96

enum mm_stat { STAT_ANON, STAT_CACHED, STAT_SLAB, STAT_TABLE, STAT_DIRTY, STAT_SHMEM, NR_MM_STATS };

struct page_stack {
	u32 n;
	struct page *page[PCP_MAX];
};

struct magazine {
	u32 n;
	void *obj[MAG_MAX];
};

struct mm_cpu {
	struct page_stack pages[PCP_ORDERS];
	struct magazine mag[MAX_SLAB_CACHES];
	s64 stat[NR_MM_STATS]; /* pages; only the sum over all vCPUs means something */
};

extern struct mm_cpu mm_cpu_area[MAX_CPUS];

static inline struct mm_cpu *this_mm_cpu(void)
{
	return &mm_cpu_area[this_cpu()->id];
}

static inline void mm_stat_add(enum mm_stat which, s64 pages)
{
	this_mm_cpu()->stat[which] += pages;
}
s64 mm_stat_sum(enum mm_stat which);

/* ---- page_alloc.c ---- */
/* Frees @nr single pages whose last reference is gone. */
void free_page_batch(struct page **pages, u32 nr);
/* @nr (1 .. CHUNK_PAGES) consecutive single pages with a reference each; NULL: none. */
struct page *alloc_page_run(u32 nr, u32 gfp);
u64 free_page_count(void);
/* Is memory short enough that caches should shrink, or that nothing should be allocated ahead of need? */
bool memory_is_low(void);

/* ---- giveback.c ---- */
/* Called when the free lists hold many large blocks that the host still backs. */
void give_back_soon(void);
u64 give_back_pages(u64 want); /* page_alloc.c */
u64 give_back_surplus(void);   /* page_alloc.c: pages above what we like to keep */

/* ---- reclaim.c ---- */
/* Tries to free pages, also by killing if @may_kill. True: trying again makes sense. May sleep. */
bool reclaim_for_alloc(u32 order, bool may_kill);
void reclaim_soon(void);

#endif
