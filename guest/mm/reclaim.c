/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When memory is short: dropping clean cached pages and unused names, and the task that does so in the background. It also
 * returns large free blocks to the host when they have been lying around for a while.
 *
 * There are no lists of pages. Mappings with pages stand in a circle; a pass takes some from each: clean, unlocked, referenced
 * by nobody but the cache, and not used since the last pass (PG_REFERENCED gives a second chance). If that is not enough the
 * next round also takes what programs map, which faults in again.
 *
 * Locks: track_lock is a leaf; the inode's reference keeps a mapping while it is looked at.
 */
#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/task.h>
#include <gk/timer.h>
#include <gk/wait.h>
#include "cache.h"
#include "internal.h"

#define BATCH 32
#define GIVE_BACK_DELAY (2 * NSEC_PER_SEC)
#define GIVE_BACK_PAUSE (200 * NSEC_PER_MSEC)

static LIST_HEAD(tracked);
static spinlock_t track_lock;
static u64 nr_tracked;
static struct wait_queue memd_wait;
static bool want_reclaim, want_give_back;

void reclaim_track(struct mapping *m)
{
	spin_lock(&track_lock);
	if (list_empty(&m->cache_link)) {
		list_add_tail(&m->cache_link, &tracked);
		nr_tracked++;
	}
	spin_unlock(&track_lock);
}

void reclaim_untrack(struct mapping *m)
{
	spin_lock(&track_lock);
	if (!list_empty(&m->cache_link)) {
		list_del(&m->cache_link);
		nr_tracked--;
	}
	spin_unlock(&track_lock);
}

/* May this page go? mapping->lock held; the page then has our reference and its lock. */
static bool isolate(struct page *p, u32 round)
{
	u32 flags = READ_ONCE(p->flags);

	if ((flags & (PG_DIRTY | PG_LOCKED)) || (p->extra && !round))
		return false;
	if ((flags & PG_REFERENCED) && !round) {
		atomic_and(&p->flags, ~PG_REFERENCED);
		return false;
	}
	if (READ_ONCE(p->refs) != 1 || !page_trylock(p))
		return false;
	get_page(p);
	return true;
}

/* Some pages of @m at *from and behind, locked and referenced; *from moves on, to 0 at the end. */
static u32 isolate_some(struct mapping *m, u64 *from, struct page **pages, u32 round)
{
	struct page *found[BATCH];
	u32 n, kept = 0;

	spin_lock(&m->lock);
	n = radix_gang(&m->pages, *from, ~0ull, (void **)found, NULL, BATCH, false);
	*from = n ? found[n - 1]->index + 1 : 0;
	for (u32 i = 0; i < n; i++) {
		if (isolate(found[i], round))
			pages[kept++] = found[i];
	}
	spin_unlock(&m->lock);
	return kept;
}

/* Removes isolated pages nobody has found meanwhile. How many. */
static u64 drop_isolated(struct mapping *m, struct page **pages, u32 n)
{
	u64 freed = 0;

	for (u32 i = 0; i < n; i++) {
		/* Found by a reader just now: it keeps its page, the cache may forget it all the same. */
		if (pages[i]->mapping == m && !(pages[i]->flags & PG_DIRTY)) {
			cache_remove(m, pages[i]);
			freed++;
		}
		page_unlock(pages[i]);
		put_page(pages[i]);
	}
	return freed;
}

/* One mapping's turn: it goes to the end of the circle, and loses up to @want pages. */
static u64 shrink_next(u64 want, u32 round)
{
	struct page *pages[BATCH];
	struct mapping *m;
	struct inode *inode = NULL;
	u64 freed = 0, from = 0;
	u32 n;

	spin_lock(&track_lock);
	m = list_first_entry_or_null(&tracked, struct mapping, cache_link);
	if (m) {
		list_move_tail(&m->cache_link, &tracked);
		/* Inodes without references are in the file system's hands; their pages go through dcache_shrink(). */
		if (!m->ops->no_backing && READ_ONCE(m->nr_pages) && refcount_inc_not_zero(&m->host->refs))
			inode = m->host;
	}
	spin_unlock(&track_lock);
	if (!inode)
		return 0;
	if (round > 1 && !list_empty(&m->vmas))
		unmap_mapping_range(m, 0, ~0ull, false);
	do {
		n = isolate_some(m, &from, pages, round);
		freed += drop_isolated(m, pages, n);
	} while (from && freed < want);
	inode_put(inode);
	return freed;
}

u64 pagecache_reclaim(u64 want_pages)
{
	u64 freed = 0;

	for (u32 round = 0; round < 3 && freed < want_pages; round++) {
		for (u64 i = READ_ONCE(nr_tracked); i && freed < want_pages; i--)
			freed += shrink_next(want_pages - freed, round);
		freed += dcache_shrink((want_pages >> 2) + 16);
	}
	return freed;
}

bool reclaim_for_alloc(u32 order, bool may_kill)
{
	u64 want = 128;

	/* A kernel task that cleans up must not wait for itself; and nobody recurses. */
	if (current->no_reclaim)
		return false;
	current->no_reclaim = true;
	want = pagecache_reclaim(want > 1ul << order ? want : 1ul << order);
	if (!want && mm_stat_sum(STAT_DIRTY)) {
		sync_all();
		want = pagecache_reclaim(128);
	}
	current->no_reclaim = false;
	if (want)
		return true;
	if (!may_kill || fatal_signal_pending())
		return false;
	if (!oom_kill())
		return false;
	/* Let it die. */
	if (!fatal_signal_pending()) {
		set_current_state(TASK_KILLABLE);
		schedule_until(ktime_mono() + 2 * NSEC_PER_MSEC);
	}
	return !fatal_signal_pending();
}

/* ---- in the background ---- */

void reclaim_soon(void)
{
	if (READ_ONCE(want_reclaim) || !memory_is_low())
		return;
	WRITE_ONCE(want_reclaim, true);
	wake_up(&memd_wait);
}

void give_back_soon(void)
{
	if (READ_ONCE(want_give_back))
		return;
	WRITE_ONCE(want_give_back, true);
	wake_up(&memd_wait);
}

/* Half of the surplus at a time: what a program frees and takes again every second stays. */
static void give_back(void)
{
	u64 surplus;

	wait_event_until(&memd_wait, READ_ONCE(want_reclaim), ktime_mono() + GIVE_BACK_DELAY);
	while ((surplus = give_back_surplus()) && !READ_ONCE(want_reclaim)) {
		give_back_pages(surplus < 1024 ? surplus : surplus / 2);
		wait_event_until(&memd_wait, READ_ONCE(want_reclaim), ktime_mono() + GIVE_BACK_PAUSE);
	}
	WRITE_ONCE(want_give_back, false);
}

static void memd(void *arg)
{
	current->no_reclaim = true;
	for (;;) {
		wait_event(&memd_wait, READ_ONCE(want_reclaim) || READ_ONCE(want_give_back));
		if (READ_ONCE(want_reclaim)) {
			while (memory_is_low() && pagecache_reclaim(256))
				cond_resched();
			WRITE_ONCE(want_reclaim, false);
		} else {
			give_back();
		}
	}
}

void reclaim_init(void)
{
	list_init(&memd_wait.entries);
	kthread_run("kmemd", memd, NULL);
}
