/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page cache: per file a radix tree of pages.
 *
 * A page in the cache has a reference of the cache's. PG_LOCKED guards its content while it is filled, written out or
 * removed, and its membership: page->mapping changes with both the page lock and mapping->lock held. PG_UPTODATE says
 * that the content is the file's; a page that is neither up to date nor locked has to be read by whoever wants it.
 * Writers of a file hold the page lock while they copy into the page; readers copy without any lock.
 *
 * File systems without backing (tmpfs) have no other copy: a missing page is zero, and nothing is dropped or written.
 */
#include <gk/direct.h>
#include <gk/errno.h>
#include <gk/printk.h>
#include <gk/string.h>
#include <gk/task.h>
#include <gk/wait.h>
#include "cache.h"
#include "internal.h"

/* ---- page lock ---- */

static struct wait_queue page_queues[64];

static struct wait_queue *page_queue(const struct page *p)
{
	return &page_queues[page_to_pfn(p) % ARRAY_SIZE(page_queues)];
}

bool page_trylock(struct page *p)
{
	return !(atomic_or(&p->flags, PG_LOCKED) & PG_LOCKED);
}

/* The mark comes first: who unlocks after that wakes us. */
static bool trylock_marked(struct page *p)
{
	atomic_or(&p->flags, PG_WAITERS);
	return page_trylock(p);
}

void page_lock(struct page *p)
{
	if (!page_trylock(p))
		wait_event(page_queue(p), trylock_marked(p));
}

void page_unlock(struct page *p)
{
	u32 old = atomic_and(&p->flags, ~(PG_LOCKED | PG_WAITERS));

	if (unlikely(old & PG_WAITERS))
		wake_up_all(page_queue(p));
}

/* ---- the tree ---- */

void pagecache_init(void)
{
	for (u32 i = 0; i < ARRAY_SIZE(page_queues); i++)
		list_init(&page_queues[i].entries);
	writeback_init();
	reclaim_init();
}

void mapping_init(struct mapping *m, struct inode *host, const struct mapping_ops *ops)
{
	memset(m, 0, sizeof(*m));
	m->host = host;
	m->ops = ops;
	list_init(&m->vmas);
	list_init(&m->dirty_link);
	list_init(&m->cache_link);
	mutex_init(&m->wb_lock);
}

struct page *mapping_find(struct mapping *m, u64 index)
{
	struct page *p;

	spin_lock(&m->lock);
	p = radix_get(&m->pages, index);
	if (p)
		get_page(p);
	spin_unlock(&m->lock);
	if (p && !(READ_ONCE(p->flags) & PG_REFERENCED))
		atomic_or(&p->flags, PG_REFERENCED);
	return p;
}

u32 cache_gang(struct mapping *m, u64 first, u64 last, struct page **pages, u32 max, bool uptodate)
{
	u32 n, kept = 0;

	spin_lock(&m->lock);
	n = radix_gang(&m->pages, first, last, (void **)pages, NULL, max, false);
	for (u32 i = 0; i < n; i++) {
		if (uptodate && !(READ_ONCE(pages[i]->flags) & PG_UPTODATE))
			continue;
		get_page(pages[i]);
		pages[kept++] = pages[i];
	}
	spin_unlock(&m->lock);
	return kept;
}

u32 cache_absent_run(struct mapping *m, u64 index, u32 max)
{
	void *item;
	u64 found;
	u32 n;

	spin_lock(&m->lock);
	n = radix_gang(&m->pages, index, index + max - 1, &item, &found, 1, false);
	spin_unlock(&m->lock);
	return n ? (u32)(found - index) : max;
}

static void count_pages(struct mapping *m, s64 pages)
{
	mm_stat_add(m->ops->no_backing ? STAT_SHMEM : STAT_CACHED, pages);
}

u32 cache_add_run(struct mapping *m, struct page *p, u64 index, u32 nr, u32 flags, int *err)
{
	bool track = false;
	u32 n = 0;

	*err = m->ops->charge ? m->ops->charge(m->host, nr) : 0;
	if (*err)
		return 0;
	spin_lock(&m->lock);
	for (; n < nr; n++) {
		*err = radix_insert(&m->pages, index + n, p + n);
		if (*err)
			break;
		p[n].mapping = m;
		p[n].index = index + n;
		p[n].flags |= flags;
		get_page(p + n);
	}
	m->nr_pages += n;
	track = n && list_empty(&m->cache_link);
	spin_unlock(&m->lock);
	if (n < nr && m->ops->charge)
		m->ops->charge(m->host, -(long)(nr - n));
	count_pages(m, n);
	if (track)
		reclaim_track(m);
	return n;
}

void cache_remove(struct mapping *m, struct page *p)
{
	cache_clear_dirty(m, p);
	spin_lock(&m->lock);
	radix_remove(&m->pages, p->index);
	p->mapping = NULL;
	m->nr_pages--;
	spin_unlock(&m->lock);
	if (p->extra)
		direct_forget(p);
	if (m->ops->charge)
		m->ops->charge(m->host, -1);
	count_pages(m, -1);
	put_page(p);
}

void cache_reserve(struct mapping *m, u64 index, u32 nr)
{
	struct page *p;
	u32 n;
	int err;

	nr = MIN(nr, CHUNK_PAGES - (u32)(index % CHUNK_PAGES));
	nr = cache_absent_run(m, index, nr);
	if (nr < 2)
		return;
	p = alloc_page_run(nr, GFP_USER | GFP_NOWAIT);
	if (!p)
		return;
	n = cache_add_run(m, p, index, nr, 0, &err);
	(void)n; /* what found no place has only our reference */
	for (u32 i = 0; i < nr; i++)
		put_page(p + i);
}

/* ---- dirty ---- */

void mapping_set_dirty(struct mapping *m, struct page *p)
{
	bool first = false;

	if (READ_ONCE(p->flags) & PG_DIRTY)
		return;
	if (m->ops->no_backing) {
		atomic_or(&p->flags, PG_DIRTY);
		return;
	}
	spin_lock(&m->lock);
	if (p->mapping == m && !(atomic_or(&p->flags, PG_DIRTY) & PG_DIRTY)) {
		radix_tag(&m->pages, p->index);
		first = !m->nr_dirty++;
		mm_stat_add(STAT_DIRTY, 1);
	}
	spin_unlock(&m->lock);
	if (first)
		writeback_track(m);
}

bool cache_clear_dirty(struct mapping *m, struct page *p)
{
	bool was;

	if (!(READ_ONCE(p->flags) & PG_DIRTY))
		return false;
	if (m->ops->no_backing)
		return atomic_and(&p->flags, ~PG_DIRTY) & PG_DIRTY;
	spin_lock(&m->lock);
	was = atomic_and(&p->flags, ~PG_DIRTY) & PG_DIRTY;
	if (was) {
		radix_untag(&m->pages, p->index);
		m->nr_dirty--;
		mm_stat_add(STAT_DIRTY, -1);
	}
	spin_unlock(&m->lock);
	return was;
}

void cache_forget_twin(struct mapping *m, struct page *p)
{
	if (likely(!p->extra))
		return;
	/* Dirty pages get no new twin. */
	mapping_set_dirty(m, p);
	unmap_mapping_range(m, p->index, p->index, false);
	direct_forget(p);
}

/* ---- reading ---- */

/* Waits for a page that is being read, or reads it. 0, -EIO..., or -EAGAIN: it left the cache. */
static int make_uptodate(struct mapping *m, struct file *file, struct page *p)
{
	int err = 0;

	page_lock(p);
	for (u32 tries = 0;; tries++) {
		if (p->mapping != m)
			err = -EAGAIN;
		else if (!(p->flags & PG_UPTODATE) && tries)
			err = err ? err : -EIO;
		else
			err = 0;
		if (err || (p->flags & PG_UPTODATE))
			break;
		if (m->ops->no_backing) {
			memset(page_address(p), 0, PAGE_SIZE);
			atomic_or(&p->flags, PG_UPTODATE);
			break;
		}
		/* read_pages() unlocks; who locks it again finds out how it went. */
		atomic_and(&p->flags, ~PG_ERROR);
		err = m->ops->read_pages(m->host, file, &p, 1);
		page_lock(p);
	}
	page_unlock(p);
	return err;
}

static struct page *read_page(struct mapping *m, struct file *file, u64 index, bool fault)
{
	for (;;) {
		struct page *p = mapping_find(m, index);
		int err;

		if (!p) {
			p = readahead_miss(m, file, index, fault);
			if (IS_ERR(p))
				return p;
			if (!p)
				continue;
		}
		if (unlikely(READ_ONCE(p->flags) & PG_READAHEAD))
			readahead_hit(m, file, p);
		if (smp_load_acquire(&p->flags) & PG_UPTODATE)
			return p;
		err = make_uptodate(m, file, p);
		if (!err)
			return p;
		put_page(p);
		if (err != -EAGAIN)
			return ERR_PTR(err);
	}
}

struct page *mapping_read(struct mapping *m, struct file *file, u64 index)
{
	return read_page(m, file, index, false);
}

struct page *cache_read_fault(struct mapping *m, struct file *file, u64 index)
{
	return read_page(m, file, index, true);
}

/* ---- writing ---- */

/* The page, locked, with a reference, in whatever state; ERR_PTR. */
static struct page *find_or_add_locked(struct mapping *m, u64 index)
{
	for (;;) {
		struct page *p = mapping_find(m, index);
		int err;

		if (p) {
			page_lock(p);
			if (p->mapping == m)
				return p;
			page_unlock(p);
			put_page(p);
			continue;
		}
		p = alloc_page(GFP_USER);
		if (!p)
			return ERR_PTR(-ENOMEM);
		if (cache_add_run(m, p, index, 1, PG_LOCKED, &err))
			return p;
		put_page(p);
		if (err != -EEXIST)
			return ERR_PTR(err);
	}
}

struct page *mapping_write_begin(struct mapping *m, struct file *file, u64 index, u32 from, u32 to)
{
	struct page *p;
	int err;

again:
	p = find_or_add_locked(m, index);
	if (IS_ERR(p))
		return p;
	if (!(p->flags & PG_UPTODATE) && (from || to < PAGE_SIZE)) {
		if (m->ops->no_backing || index >= file_pages(m->host)) {
			memset(page_address(p), 0, PAGE_SIZE);
			atomic_or(&p->flags, PG_UPTODATE);
		} else {
			page_unlock(p);
			err = make_uptodate(m, file, p);
			if (err) {
				put_page(p);
				if (err == -EAGAIN)
					goto again;
				return ERR_PTR(err);
			}
			page_lock(p);
			if (p->mapping != m) {
				page_unlock(p);
				put_page(p);
				goto again;
			}
		}
	}
	cache_forget_twin(m, p);
	return p;
}

void mapping_write_end(struct mapping *m, struct page *p, u32 from, u32 to)
{
	if (to > from) {
		if (!(p->flags & PG_UPTODATE))
			atomic_or(&p->flags, PG_UPTODATE);
		mapping_set_dirty(m, p);
	}
	page_unlock(p);
	put_page(p);
}
