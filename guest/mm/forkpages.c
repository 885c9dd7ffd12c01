/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pages that a fork copies at once, kept for the next fork.
 *
 * A process that forks again and again has children that live and die alike. If a child gets the same pages as the one
 * before, a backend that kept the old child's host mappings finds them right again, and nothing has to be mapped. So
 * from the third fork on the parent's address space holds a reference to the pages its children get, by vma; they are
 * given to the next child if the last one is gone.
 *
 * Context: fork, with the parent's mmap_lock held for writing; and the end of the address space.
 */
#include <gk/slab.h>
#include <gk/string.h>
#include "forkpages.h"
#include "internal.h"

#define FORKS_BEFORE 2 /* forks without keeping anything */
#define MAX_VMAS 12

struct kept {
	u64 start; /* of the vma */
	u32 nr;
	u32 last_used; /* count of forks */
	struct page *page[EAGER_VMA];
};

struct fork_pages {
	u32 forks;
	struct kept *kept[MAX_VMAS];
};

static void drop(struct kept *k)
{
	if (!k)
		return;
	for (u32 i = 0; i < k->nr; i++)
		put_page(k->page[i]);
	kfree(k);
}

void fork_pages_free(struct mm *mm)
{
	struct fork_pages *fp = mm->fork_pages;

	if (!fp)
		return;
	for (u32 i = 0; i < MAX_VMAS; i++)
		drop(fp->kept[i]);
	kfree(fp);
	mm->fork_pages = NULL;
}

void fork_pages_begin(struct mm *mm)
{
	if (memory_is_low())
		fork_pages_free(mm);
	else if (!mm->fork_pages)
		mm->fork_pages = kzalloc(sizeof(struct fork_pages));
	if (mm->fork_pages)
		((struct fork_pages *)mm->fork_pages)->forks++;
}

static bool all_ours(const struct kept *k)
{
	for (u32 i = 0; i < k->nr; i++) {
		if (READ_ONCE(k->page[i]->refs) != 1)
			return false;
	}
	return true;
}

/* The place for a vma: its own, a free one, or the one unused for longest. */
static struct kept **place_of(struct fork_pages *fp, u64 start)
{
	struct kept **best = &fp->kept[0];

	for (u32 i = 0; i < MAX_VMAS; i++) {
		struct kept *k = fp->kept[i];

		if (k && k->start == start)
			return &fp->kept[i];
		if (*best && (!k || k->last_used < (*best)->last_used))
			best = &fp->kept[i];
	}
	return best;
}

static u32 alloc_runs(struct page **pages, u32 nr)
{
	u32 got = 0;

	while (got < nr) {
		u32 run = MIN(nr - got, CHUNK_PAGES);
		struct page *p = alloc_page_run(run, GFP_USER | GFP_NOWAIT);

		if (!p)
			break;
		for (u32 i = 0; i < run; i++)
			pages[got++] = p + i;
	}
	return got;
}

u32 fork_pages_get(struct vma *v, struct page **pages, u32 nr)
{
	struct fork_pages *fp = v->mm->fork_pages;
	struct kept **place, *k;
	u32 got;

	if (!nr || !fp || fp->forks <= FORKS_BEFORE)
		return alloc_runs(pages, nr);
	place = place_of(fp, v->start);
	k = *place;
	if (k && k->start == v->start && k->nr == nr) {
		k->last_used = fp->forks;
		/* The last child is still there: this one gets others. */
		if (!all_ours(k))
			return alloc_runs(pages, nr);
	} else {
		k = kmalloc(sizeof(*k));
		got = alloc_runs(pages, nr);
		if (!k || got < nr) {
			kfree(k);
			return got;
		}
		drop(*place);
		*place = k;
		k->start = v->start;
		k->nr = nr;
		k->last_used = fp->forks;
		memcpy(k->page, pages, nr * sizeof(pages[0]));
	}
	for (u32 i = 0; i < nr; i++) {
		pages[i] = k->page[i];
		get_page(pages[i]);
	}
	return nr;
}
