/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When memory is short: dropping clean cached pages and unused names, and the task that does so in the background. It
 * also returns large free blocks to the host when they have been lying around for a while.
 *
 * There are no lists of pages. Mappings with pages stand in a circle; a pass takes some from each: clean, unlocked,
 * referenced by nobody but the cache, and not used since the last pass (PG_REFERENCED gives a second chance). If that
 * is not enough the next round also takes what programs map, which faults in again: within limits, since taking it
 * again and again would leave everybody waiting for his text and nobody would be killed.
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
#define RECLAIM_PAGES 128ul
#define BARREN_PERIOD (5 * NSEC_PER_MSEC)
#define OOM_PAUSE (2 * NSEC_PER_MSEC)
#define OOM_PAUSE_SHIFTS 5u
#define GIVE_BACK_DELAY (2 * NSEC_PER_SEC)
#define GIVE_BACK_PAUSE (200 * NSEC_PER_MSEC)

static LIST_HEAD(tracked);
static spinlock_t track_lock;
static u64 nr_tracked;
static struct wait_queue memd_wait;
static bool want_reclaim, want_give_back;

#define NAMES_A_PAGE 8 /* dentries, with the inodes they keep */
#define MAPPED_PERIOD NSEC_PER_SEC
#define MAPPED_FLOOR 64 /* a part of all memory that is left to mapped pages */

static struct {
	ktime_t since;
	u64 taken, most; /* pages since then */
} mapped;		 /* guesses: no lock */

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

/* What programs map may be taken once a period as a whole, but for a floor. */
static bool may_take_mapped(void)
{
	ktime_t now = ktime_mono();
	u64 floor = ram_pages / MAPPED_FLOOR, cached = (u64)mm_stat_sum(STAT_CACHED);

	if (now - mapped.since > MAPPED_PERIOD) {
		mapped.since = now;
		mapped.taken = 0;
		mapped.most = cached > floor ? cached - floor : 0;
	}
	return cached > floor && mapped.taken < mapped.most;
}

/* One round over all mappings and unused names. Pages. */
static u64 reclaim_round(u64 want, u32 round)
{
	u64 freed = 0;

	for (u64 i = READ_ONCE(nr_tracked); i && freed < want; i--) {
		if (round > 1 && !may_take_mapped())
			break;
		freed += shrink_next(want - freed, round);
	}
	if (round > 1)
		mapped.taken += freed;
	return freed + dcache_shrink((want >> 2) + 16) / NAMES_A_PAGE;
}

/* Cached pages that programs do not map, and unused names. */
static u64 reclaim_unmapped(u64 want)
{
	u64 freed = reclaim_round(want, 0);

	return freed < want ? freed + reclaim_round(want - freed, 1) : freed;
}

u64 pagecache_reclaim(u64 want_pages)
{
	u64 freed = reclaim_unmapped(want_pages);

	return freed < want_pages ? freed + reclaim_round(want_pages - freed, 2) : freed;
}

/* Pages, of caches. When many wait for memory, not all of them have to look where there is none. */
static u64 reclaim_caches(u32 order)
{
	static ktime_t barren; /* when nothing was found; a guess, without lock */
	u64 want = MAX(RECLAIM_PAGES, 1ul << order), freed;

	if (ktime_mono() - READ_ONCE(barren) < BARREN_PERIOD)
		return 0;
	current->no_reclaim = true;
	freed = pagecache_reclaim(want);
	if (!freed && mm_stat_sum(STAT_DIRTY)) {
		sync_all();
		freed = pagecache_reclaim(want);
	}
	current->no_reclaim = false;
	if (!freed)
		WRITE_ONCE(barren, ktime_mono());
	return freed;
}

bool reclaim_for_alloc(u32 order, bool may_kill, u32 tries)
{
	/* A kernel task that cleans up must not wait for itself; and nobody recurses. */
	if (current->no_reclaim)
		return false;
	if (reclaim_caches(order))
		return true;
	if (!may_kill || fatal_signal_pending())
		return false;
	if (!oom_kill())
		return false;
	/* Let it die, which takes the vCPU that we would use for asking. */
	if (!fatal_signal_pending()) {
		set_current_state(TASK_KILLABLE);
		schedule_until(ktime_mono() + (OOM_PAUSE << MIN(tries, OOM_PAUSE_SHIFTS)));
	}
	return !fatal_signal_pending();
}

void reclaim_on_return(void)
{
	if (current->mm && !current->no_reclaim)
		atomic_or(&current->work, WORK_RECLAIM);
}

void refill_reserve(void)
{
	for (u32 tries = 0; tries < 64 && reserve_is_low(); tries++) {
		if (!reclaim_for_alloc(0, true, tries))
			break;
	}
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
			while (memory_is_low() && reclaim_unmapped(256))
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
