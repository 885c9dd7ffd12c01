/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pages of guest RAM and their allocator (mm/page_alloc.c).
 *
 * Metadata costs nothing at boot: an all-zero struct page means "never used, content zero". Blocks of 2^order pages are
 * naturally aligned in guest-physical space, which is what makes host mappings merge: user memory and page cache ask
 * for order 4 (64 KB) and split.
 */
#ifndef GK_PAGE_H
#define GK_PAGE_H

#include <gk/atomic.h>
#include <gk/list.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096ul
#define PAGE_MASK (~(PAGE_SIZE - 1))
#define PAGE_ALIGN(x) ALIGN_UP((u64)(x), PAGE_SIZE)
#define MAX_ORDER 10  /* largest block: 4 MB */
#define CHUNK_ORDER 4 /* the unit that keeps host mappings few: 64 KB */
#define CHUNK_PAGES (1u << CHUNK_ORDER)

struct mapping;
struct slab_cache;

/* flags */
#define PG_USED 0x1 /* allocated (0: never used or free) */
#define PG_FREE 0x2 /* in a free list */
#define PG_SLAB 0x4
#define PG_DIRTY 0x8	 /* page cache: differs from the file */
#define PG_UPTODATE 0x10 /* page cache: content valid */
#define PG_LOCKED 0x20	 /* page cache: being filled, written or truncated; page_lock() */
#define PG_ANON 0x80	 /* belongs to anonymous memory */
#define PG_TABLE 0x100	 /* a page table */
#define PG_ZERO 0x200	 /* free and known to be zero */
#define PG_ERROR 0x800
#define PG_TWIN 0x1000	     /* patched copy of a text page */
#define PG_WAITERS 0x2000    /* somebody waits for PG_LOCKED */
#define PG_REFERENCED 0x4000 /* page cache: used since reclaim last looked */
#define PG_READAHEAD 0x8000  /* page cache: whoever gets here should read on */

struct page {
	u32 flags; /* atomic */
	u32 refs;  /* atomic: 0 while free */
	u32 unused;
	u32 order; /* of the block, in its first page */
	union {
		struct { /* page cache */
			struct mapping *mapping;
			u64 index; /* in pages */
		};
		struct { /* slab */
			struct slab_cache *cache;
			void *freelist;
		};
		u64 table_private[2];
	};
	union {
		struct list_head lru; /* free lists, slab lists; else the owner's */
		u64 private[2];
	};
	void *extra; /* twin of a text page, or the owner's */
	u64 extra2;
};

_Static_assert(sizeof(struct page) == 64, "one line each");

/* Allocation flags */
#define GFP_ZERO 0x1   /* content zero; never-used and given-back pages are not cleared again */
#define GFP_USER 0x2   /* for a program: may fail early, triggers the out-of-memory killer, must leave a reserve */
#define GFP_NOWAIT 0x4 /* under a spinlock: no reclaim */

/* Supervisor addresses are linear over guest RAM: linear_base + gpa. */
extern u64 linear_base;
extern struct page *page_map; /* page_map[pfn] */
extern u64 ram_pages;

static inline void *gpa_to_virt(gpa_t gpa)
{
	return (void *)(linear_base + gpa);
}

static inline gpa_t virt_to_gpa(const void *p)
{
	return (u64)p - linear_base;
}

static inline u64 page_to_pfn(const struct page *p)
{
	return (u64)(p - page_map);
}

static inline struct page *pfn_to_page(u64 pfn)
{
	return page_map + pfn;
}

static inline gpa_t page_to_gpa(const struct page *p)
{
	return page_to_pfn(p) << PAGE_SHIFT;
}

static inline void *page_address(const struct page *p)
{
	return gpa_to_virt(page_to_gpa(p));
}

static inline struct page *virt_to_page(const void *v)
{
	return page_map + (virt_to_gpa(v) >> PAGE_SHIFT);
}

/* 2^order pages with one reference on the first (NULL: none). Any context; sleeps only without GFP_NOWAIT. */
struct page *alloc_pages(u32 order, u32 gfp);
/* Drops the block's reference; the whole block is freed with the last. */
void put_page(struct page *p);
static inline void get_page(struct page *p)
{
	atomic_inc(&p->refs);
}
/* Turns a fresh block of 2^order pages into single pages with one reference each. */
void split_page(struct page *p, u32 order);
/* @nr (1 .. CHUNK_PAGES) consecutive single pages with a reference each; NULL: none. */
struct page *alloc_page_run(u32 nr, u32 gfp);
static inline struct page *alloc_page(u32 gfp)
{
	return alloc_pages(0, gfp);
}
/* Zeroed single page by supervisor address, or NULL. free_page_addr() frees it. */
void *get_zeroed_page(void);
void free_page_addr(void *p);

struct mem_stats {
	u64 total_pages, free_pages, cached_pages, anon_pages, slab_pages, table_pages, dirty_pages, shmem_pages;
};
void mem_stats(struct mem_stats *s);

#endif
