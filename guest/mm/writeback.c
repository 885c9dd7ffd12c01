/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing dirty pages back: on demand (fsync, sync, too many of them) and by a task some seconds after they became
 * dirty.
 *
 * A mapping with dirty pages is in a list and holds a reference to its inode. For each run of pages: lock, clear DIRTY,
 * write-protect (a program that writes again dirties again, through page_mkwrite), write, unlock. If writing fails the
 * pages are dirty again and the error is kept for whoever calls fsync.
 *
 * Locks: mapping->wb_lock, page locks, mapping->lock; list_lock is a leaf.
 */
#include <gk/errno.h>
#include <gk/task.h>
#include <gk/timer.h>
#include <gk/wait.h>
#include "cache.h"
#include "internal.h"

#define WRITE_AFTER (5 * NSEC_PER_SEC)
#define BATCH 64

static LIST_HEAD(dirty_list);
static spinlock_t list_lock;
static struct wait_queue flusher_wait;
static bool flush_now; /* too many dirty pages: do not wait */

void writeback_track(struct mapping *m)
{
	bool was_empty;

	m->dirty_since = ktime_mono();
	spin_lock(&list_lock);
	was_empty = list_empty(&dirty_list);
	if (list_empty(&m->dirty_link)) {
		inode_get(m->host);
		list_add_tail(&m->dirty_link, &dirty_list);
	}
	spin_unlock(&list_lock);
	if (was_empty)
		wake_up(&flusher_wait);
}

void writeback_untrack(struct mapping *m)
{
	/* The list has a reference: who gets here with the last one is not in it. */
	spin_lock(&list_lock);
	if (!list_empty(&m->dirty_link))
		list_del(&m->dirty_link);
	spin_unlock(&list_lock);
}

/* It may have nothing dirty any more: then it leaves the list. */
static void drop_if_clean(struct mapping *m)
{
	bool drop;

	spin_lock(&list_lock);
	spin_lock(&m->lock);
	drop = !m->nr_dirty && !list_empty(&m->dirty_link);
	if (drop)
		list_del(&m->dirty_link);
	spin_unlock(&m->lock);
	spin_unlock(&list_lock);
	if (drop)
		inode_put(m->host);
}

/* Locks the dirty pages of the batch that are consecutive from its first on; how many. Drops the others. */
static u32 lock_run(struct mapping *m, struct page **pages, u32 n)
{
	u64 index = pages[0]->index;
	u32 run = 0;
	bool broken = false;

	for (u32 i = 0; i < n; i++) {
		struct page *p = pages[i];

		if (!broken) {
			page_lock(p);
			if (p->mapping == m && p->index == index + run && cache_clear_dirty(m, p)) {
				pages[run++] = p;
				continue;
			}
			page_unlock(p);
			/* One that somebody else has cleaned is no obstacle at the beginning. */
			broken = run > 0;
			if (!run && i + 1 < n)
				index = pages[i + 1]->index;
		}
		put_page(p);
	}
	return run;
}

static u32 gang_dirty(struct mapping *m, u64 first, u64 last, struct page **pages)
{
	u32 n;

	spin_lock(&m->lock);
	n = radix_gang(&m->pages, first, last, (void **)pages, NULL, BATCH, true);
	for (u32 i = 0; i < n; i++)
		get_page(pages[i]);
	spin_unlock(&m->lock);
	return n;
}

static int write_run(struct mapping *m, struct page **pages, u32 n)
{
	int err;

	mapping_mkclean(m, pages[0]->index, pages[n - 1]->index);
	err = m->ops->write_pages ? m->ops->write_pages(m->host, pages, n) : 0;
	for (u32 i = 0; i < n; i++) {
		if (err)
			mapping_set_dirty(m, pages[i]);
		page_unlock(pages[i]);
		put_page(pages[i]);
	}
	return err;
}

int mapping_writeback(struct mapping *m, loff_t start, loff_t end)
{
	u64 first = (u64)start >> PAGE_SHIFT, last = (u64)end >> PAGE_SHIFT;
	struct page *pages[BATCH];
	int ret = 0;
	u32 n;

	if (!m->ops || m->ops->no_backing)
		return 0;
	mutex_lock(&m->wb_lock);
	/* The atomic that clears the first dirty bit makes it visible before. */
	WRITE_ONCE(m->writing_back, true);
	while (first <= last && READ_ONCE(m->nr_dirty) && (n = gang_dirty(m, first, last, pages))) {
		u64 begin = pages[0]->index;
		u32 run = lock_run(m, pages, n);
		int err;

		if (!run) {
			first = begin + 1;
			continue;
		}
		first = pages[run - 1]->index + 1;
		err = write_run(m, pages, run);
		if (err && !ret)
			ret = err;
		if (!first)
			break;
		cond_resched();
	}
	if (ret) {
		spin_lock(&m->lock);
		m->wb_err = (((m->wb_err >> 16) + 1) << 16) | (u64)-ret;
		spin_unlock(&m->lock);
	}
	smp_store_release(&m->writing_back, false);
	mutex_unlock(&m->wb_lock);
	drop_if_clean(m);
	return ret;
}

int mapping_error(struct mapping *m, u64 *seen)
{
	u64 now = READ_ONCE(m->wb_err);

	if (now == *seen)
		return 0;
	*seen = now;
	return -(int)(now & 0xffff);
}

/*
 * The mapping that is dirty for longest, if since before @before, with a reference to its inode. It goes to the list's
 * end.
 */
static struct mapping *next_dirty(ktime_t before)
{
	struct mapping *m, *found = NULL;

	spin_lock(&list_lock);
	list_for_each_entry(m, &dirty_list, dirty_link) {
		if (READ_ONCE(m->dirty_since) > before)
			continue;
		found = m;
		inode_get(m->host);
		list_move_tail(&m->dirty_link, &dirty_list);
		break;
	}
	spin_unlock(&list_lock);
	return found;
}

/* Writes what became dirty before @before. The first error. */
static int write_all(ktime_t before)
{
	struct mapping *m;
	int ret = 0, err;

	while ((m = next_dirty(before))) {
		struct inode *inode = m->host;

		/* What could not be written is tried again later, not at once. */
		m->dirty_since = ktime_mono() + 1;
		/* Only the list keeps it: nobody can read it ever again. */
		if (!inode->nlink && refcount_read(&inode->refs) == 2) {
			mapping_truncate(m, 0);
			drop_if_clean(m);
			err = 0;
		} else {
			err = mapping_writeback(m, 0, INT64_MAX);
		}
		if (err && !ret)
			ret = err;
		inode_put(inode);
	}
	return ret;
}

int sync_all(void)
{
	return write_all(ktime_mono());
}

static ktime_t oldest_dirty(void)
{
	ktime_t oldest = KTIME_NEVER;
	struct mapping *m;

	spin_lock(&list_lock);
	list_for_each_entry(m, &dirty_list, dirty_link)
		oldest = MIN(oldest, READ_ONCE(m->dirty_since));
	spin_unlock(&list_lock);
	return oldest;
}

static void flusher(void *arg)
{
	for (;;) {
		ktime_t oldest = oldest_dirty();

		if (oldest == KTIME_NEVER)
			wait_event(&flusher_wait, !list_empty(&dirty_list));
		else
			wait_event_until(&flusher_wait, READ_ONCE(flush_now), oldest + WRITE_AFTER);
		if (atomic_xchg(&flush_now, false))
			write_all(ktime_mono());
		else
			write_all(ktime_mono() - WRITE_AFTER);
	}
}

/* Dirty pages beyond this are written in the background; beyond twice as many, who makes them waits. */
static u64 dirty_limit(void)
{
	return MIN(ram_pages / 16, (256ull << 20) >> PAGE_SHIFT);
}

void balance_dirty(struct mapping *m)
{
	u64 dirty = (u64)mm_stat_sum(STAT_DIRTY);

	if (likely(dirty <= dirty_limit()))
		return;
	if (!atomic_xchg(&flush_now, true))
		wake_up(&flusher_wait);
	if (dirty > 2 * dirty_limit())
		mapping_writeback(m, 0, INT64_MAX);
}

void writeback_init(void)
{
	list_init(&flusher_wait.entries);
	kthread_run("kflushd", flusher, NULL);
}
