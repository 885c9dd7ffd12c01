/* SPDX-License-Identifier: Apache-2.0 */
/* The page cache's inner interface: pagecache.c, readahead.c, writeback.c, reclaim.c, truncate.c, rmap.c. */
#ifndef GK_MM_CACHE_H
#define GK_MM_CACHE_H

#include <gk/fs.h>
#include <gk/mm.h>

#define RA_MIN 16u /* pages: first window of a sequential reader */
#define RA_MAX 64u /* pages: largest window */
#define RA_RANDOM 4u
#define RA_FAULT 32u /* pages around a fault on a mapped file */

/* ---- pagecache.c ---- */
/*
 * Puts the consecutive pages p[0..nr) at @index and up, with @flags (PG_LOCKED or 0), until one place is taken. The
 * cache takes a reference of its own. Returns how many; 0 with *err -EEXIST, -ENOMEM, -ENOSPC.
 */
u32 cache_add_run(struct mapping *m, struct page *p, u64 index, u32 nr, u32 flags, int *err);
/* Takes a locked page of @m out, dirty or not; the cache's reference goes. */
void cache_remove(struct mapping *m, struct page *p);
/* How many of the places from @index are free, at most @max. */
u32 cache_absent_run(struct mapping *m, u64 index, u32 max);
/* References to the pages that are there in [first, last], at most @max; only those up to date if @uptodate. */
u32 cache_gang(struct mapping *m, u64 first, u64 last, struct page **pages, u32 max, bool uptodate);
/* mapping_read() for a fault: reads around @index instead of ahead of a reader. */
struct page *cache_read_fault(struct mapping *m, struct file *file, u64 index);
/* Free places at @index and up get pages without content (neither up to date nor locked), contiguous ones. A hint. */
void cache_reserve(struct mapping *m, u64 index, u32 nr);
/* False, and DIRTY not set any more, if the page was not dirty. Page locked. */
bool cache_clear_dirty(struct mapping *m, struct page *p);
/* The patched copies of a text page that is about to change go. Page locked. */
void cache_forget_twin(struct mapping *m, struct page *p);
static inline u64 file_pages(const struct inode *inode)
{
	return ((u64)READ_ONCE(inode->size) + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

/* ---- readahead.c ---- */
/*
 * @index is missing: reads it and what will be wanted with it. The page (maybe still being read), NULL (look again),
 * ERR_PTR.
 */
struct page *readahead_miss(struct mapping *m, struct file *file, u64 index, bool fault);
/* A reader has come to the mark on @p: reads the next window. */
void readahead_hit(struct mapping *m, struct file *file, struct page *p);
/* Starts reading what is missing in [first, first + nr). */
void readahead_range(struct mapping *m, struct file *file, u64 first, u64 nr);

/* ---- rmap.c ---- */
/* Write-protects all shared mappings of [first, last]; true if any was writable. */
bool mapping_mkclean(struct mapping *m, u64 first, u64 last);

/* ---- writeback.c ---- */
void writeback_init(void);
/* The mapping has its first dirty page: it will be written before long. */
void writeback_track(struct mapping *m);
void writeback_untrack(struct mapping *m); /* it is going away */
/* Makes who dirties pages wait when there are too many. No page locked. */
void balance_dirty(struct mapping *m);

/* ---- reclaim.c ---- */
void reclaim_init(void);
void reclaim_track(struct mapping *m);
void reclaim_untrack(struct mapping *m);

#endif
