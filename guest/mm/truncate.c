/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking pages out of the page cache: truncation, holes, invalidation, the end of an inode.
 *
 * Programs lose their mappings first. A fault that had found its page before may put it back until the page has left
 * the cache (it looks at page->mapping under table_lock); so the entries are removed once more after that, if anybody
 * maps the file at all.
 */
#include <gk/string.h>
#include "cache.h"
#include "internal.h"

#define BATCH 16

static bool is_mapped(struct mapping *m)
{
	return !list_empty(&m->vmas);
}

/* Removes all pages in [first, last]. */
static void drop_pages(struct mapping *m, u64 first, u64 last)
{
	struct page *pages[BATCH];
	u32 n;

	while (READ_ONCE(m->nr_pages) && (n = cache_gang(m, first, last, pages, BATCH, false))) {
		for (u32 i = 0; i < n; i++) {
			page_lock(pages[i]);
			if (pages[i]->mapping == m)
				cache_remove(m, pages[i]);
			page_unlock(pages[i]);
			put_page(pages[i]);
		}
	}
}

/* Zeroes [from, to) of a page if it is cached; if it is not, the file system's copy is what counts. */
static void zero_part(struct mapping *m, u64 index, u32 from, u32 to)
{
	struct page *p = mapping_find(m, index);

	if (!p)
		return;
	page_lock(p);
	if (p->mapping == m && (p->flags & PG_UPTODATE)) {
		cache_forget_twin(m, p);
		memset((char *)page_address(p) + from, 0, to - from);
	}
	page_unlock(p);
	put_page(p);
}

static void drop_range(struct mapping *m, u64 first, u64 last)
{
	bool mapped = is_mapped(m);

	if (mapped)
		unmap_mapping_range(m, first, last, true);
	drop_pages(m, first, last);
	if (mapped || is_mapped(m))
		unmap_mapping_range(m, first, last, true);
}

void mapping_truncate(struct mapping *m, loff_t new_size)
{
	u64 first = ((u64)new_size + PAGE_SIZE - 1) >> PAGE_SHIFT;
	u32 tail = (u32)((u64)new_size & ~PAGE_MASK);

	drop_range(m, first, ~0ull);
	if (tail)
		zero_part(m, first - 1, tail, PAGE_SIZE);
}

void mapping_extend(struct mapping *m, loff_t old_size)
{
	u32 tail = (u32)((u64)old_size & ~PAGE_MASK);

	if (tail)
		zero_part(m, (u64)old_size >> PAGE_SHIFT, tail, PAGE_SIZE);
}

void mapping_punch(struct mapping *m, loff_t start, loff_t end)
{
	u64 first = ((u64)start + PAGE_SIZE - 1) >> PAGE_SHIFT, after = (u64)end >> PAGE_SHIFT;
	u32 head = (u32)((u64)start & ~PAGE_MASK), tail = (u32)((u64)end & ~PAGE_MASK);

	if (start >= end)
		return;
	if (first > after) {
		zero_part(m, after, head, tail); /* inside one page */
		return;
	}
	if (head)
		zero_part(m, first - 1, head, PAGE_SIZE);
	if (first < after)
		drop_range(m, first, after - 1);
	if (tail)
		zero_part(m, after, 0, tail);
}

void mapping_invalidate(struct mapping *m, u64 first, u64 last, bool all)
{
	struct page *pages[BATCH];
	u64 next = first;
	u32 n;

	if (m->ops->no_backing)
		return;
	if (all && is_mapped(m))
		unmap_mapping_range(m, first, last, false);
	while (next <= last && (n = cache_gang(m, next, last, pages, BATCH, false))) {
		next = pages[n - 1]->index + 1;
		for (u32 i = 0; i < n; i++) {
			struct page *p = pages[i];

			/* References: the cache's and ours; any other may be a page table's. */
			if (page_trylock(p)) {
				if (p->mapping == m && !(p->flags & PG_DIRTY) && (all || READ_ONCE(p->refs) == 2))
					cache_remove(m, p);
				page_unlock(p);
			}
			put_page(p);
		}
		if (!next)
			break;
	}
	if (all && is_mapped(m))
		unmap_mapping_range(m, first, last, false);
}

void mapping_destroy(struct mapping *m)
{
	if (m->ops)
		drop_pages(m, 0, ~0ull);
	writeback_untrack(m);
	reclaim_untrack(m);
}
