/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork: the child's copy of an address space.
 *
 * Private pages are shared and write-protected in both tables; the first to write copies (fault.c), the last owner just
 * writes. The parent's shadow loses its write permissions before the fork returns, one call to the backend per stretch
 * of address space. Entries for the page cache are copied for text and for small mappings; other file pages fault in
 * again.
 *
 * Taking a write permission from the host's mappings and giving it back by a fault costs as much as copying dozens of
 * pages. So vmas with a few writable pages (data of programs and libraries, stacks, small heaps) are copied at once, up
 * to a total, and the parent goes on without a fault. Not if it has other threads: their writes would reach some copies
 * and not others.
 *
 * mmap_lock of the parent is held for writing: nothing of its tables changes. The child's is not visible yet.
 */
#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/string.h>
#include "forkpages.h"
#include "internal.h"
#include "pgtable.h"
#include "vma.h"

/* Vmas closer than this are write-protected by one call. */
#define JOIN_FLUSH (1ull << 20)
/* Pages copied at once, of all vmas. */
#define EAGER_TOTAL 192u
/* Entries of read-only file pages are copied in vmas up to this size: a fault saved for some nanoseconds a page. */
#define COPY_FILE_PAGES 2048

struct protect {
	struct mm *mm;
	u64 lo, hi; /* entries lost their write permission in here */
};

/* Fresh pages for the writable ones of a vma. */
struct eager {
	struct page *page[EAGER_VMA];
	u32 nr, used;
};

static void protect_flush(struct protect *p)
{
	if (p->lo < p->hi)
		mmu_flush_range(p->mm, p->lo, p->hi, UM_FLUSH_WRPROTECT);
	p->lo = p->hi = 0;
}

static void protect_range(struct protect *p, u64 start, u64 end)
{
	if (p->lo < p->hi && start - p->hi > JOIN_FLUSH)
		protect_flush(p);
	if (p->lo >= p->hi)
		p->lo = start;
	p->hi = end;
}

/* ---- pages copied at once ---- */

static bool is_own(u64 e)
{
	return (e & (PTE_P | PTE_W)) == (PTE_P | PTE_W) && (pte_page(e)->flags & PG_ANON);
}

/* How many pages of @v only the parent has and can write; more than @max: max + 1. */
static u32 count_own(struct vma *v, u32 max)
{
	u64 addr = v->start, next;
	u32 n = 0;

	spin_lock(&v->mm->table_lock);
	for (; addr < v->end && n <= max; addr = next) {
		u64 *pte = pte_span(v->mm, addr, v->end, &next);

		for (; pte && addr < next && n <= max; addr += PAGE_SIZE, pte++)
			n += is_own(*pte);
	}
	spin_unlock(&v->mm->table_lock);
	return n;
}

/* Gets the pages for copying @v at once; without them it is shared like any other. */
static void prepare_eager(struct vma *v, struct eager *e, u32 *budget)
{
	u32 max = MIN(EAGER_VMA, *budget), n;

	e->nr = e->used = 0;
	if ((v->flags & VM_SHARED) || !v->has_anon || !max || refcount_read(&v->mm->users) != 1 || memory_is_low())
		return;
	n = count_own(v, max);
	if (n > max)
		return;
	*budget -= n;
	e->nr = fork_pages_get(v, e->page, n);
}

static void finish_eager(struct eager *e)
{
	while (e->used < e->nr)
		put_page(e->page[e->used++]);
}

/* The child's entry for a page of its own. */
static u64 copy_now(struct eager *eager, u64 e)
{
	struct page *p = eager->page[eager->used++];

	memcpy(page_address(p), page_address(pte_page(e)), PAGE_SIZE);
	if (!(p->flags & PG_ANON)) {
		p->flags = PG_USED | PG_ANON;
		mm_stat_add(STAT_ANON, 1);
	}
	return (e & ~PTE_ADDR) | page_to_gpa(p);
}

/* ---- entries ---- */

struct counts {
	u64 anon, file;
};

/* The child's entry for @e; the parent's is write-protected if they share it. */
static u64 share(struct vma *v, u64 *src, u64 addr, struct counts *n, struct protect *prot)
{
	u64 e = *src;
	struct page *p = pte_page(e);

	if (!(v->flags & VM_SHARED) && (e & PTE_W)) {
		e &= ~(PTE_W | PTE_D);
		WRITE_ONCE(*src, e);
		protect_range(prot, addr, addr + PAGE_SIZE);
	}
	if (e & PTE_SPECIAL)
		return e;
	if (p->flags & PG_ANON)
		n->anon++;
	else
		n->file++;
	get_page(p);
	return e;
}

/* One table's worth. Returns false when there is no memory for the child's table. table_lock held. */
static bool copy_entries(struct mm *to, struct vma *v, u64 *src, u64 addr, u64 end, struct eager *eager,
			 struct protect *prot)
{
	struct counts n = {0, 0};
	u64 *dst = NULL;

	for (; addr < end; addr += PAGE_SIZE, src++) {
		u64 e = *src;

		if (!e) {
			if (dst)
				dst++;
			continue;
		}
		if (!dst) {
			dst = pte_alloc(to, addr);
			if (!dst)
				return false;
		}
		if (is_own(e) && eager->used < eager->nr) {
			*dst++ = copy_now(eager, e);
			n.anon++;
		} else {
			*dst++ = share(v, src, addr, &n, prot);
		}
	}
	to->rss_anon += n.anon;
	if (v->file && v->file->inode->mapping.ops && v->file->inode->mapping.ops->no_backing)
		to->rss_shmem += n.file;
	else
		to->rss_file += n.file;
	return true;
}

static int copy_tables(struct mm *to, struct vma *v, u32 *budget, struct protect *prot)
{
	struct mm *from = v->mm;
	struct eager eager;
	bool ok = true;

	prepare_eager(v, &eager, budget);
	for (u64 addr = v->start, next; ok && addr < v->end; addr = next) {
		u64 *src;

		spin_lock(&from->table_lock);
		src = pte_span(from, addr, v->end, &next);
		if (src)
			ok = copy_entries(to, v, src, addr, next, &eager, prot);
		spin_unlock(&from->table_lock);
	}
	finish_eager(&eager);
	return ok ? 0 : -ENOMEM;
}

/* Does the child need the parent's entries, or can it find the pages by itself? */
static bool must_copy(const struct vma *v)
{
	if (v->flags & VM_WIPEONFORK)
		return false;
	if (v->has_anon || (!v->ops && !v->file))
		return true;
	return !(v->flags & VM_SHARED) && ((v->flags & VM_EXEC) || vma_pages(v) <= COPY_FILE_PAGES);
}

static struct vma *copy_vma(struct mm *to, const struct vma *v)
{
	struct vma *c = vma_new(to, v->start, v->end, v->flags & ~VM_LOCKED);

	if (!c)
		return NULL;
	c->pgoff = v->pgoff;
	c->ops = v->ops;
	c->private = v->private;
	if (v->file)
		c->file = file_get(v->file);
	c->has_anon = v->has_anon && !(v->flags & VM_WIPEONFORK);
	vma_insert(c);
	if (c->ops && c->ops->open)
		c->ops->open(c);
	return c;
}

int copy_address_space(struct mm *to, struct mm *from)
{
	struct protect prot = {.mm = from};
	u32 budget = EAGER_TOTAL;
	struct vma *v;
	int err = 0;

	fork_pages_begin(from);
	for_each_vma(v, from) {
		if (v->flags & VM_DONTCOPY)
			continue;
		if (!copy_vma(to, v))
			err = -ENOMEM;
		else if (must_copy(v))
			err = copy_tables(to, v, &budget, &prot);
		if (err)
			break;
	}
	protect_flush(&prot);
	return err;
}
