/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork: the child's copy of an address space.
 *
 * Private pages are shared and write-protected in both tables; the first to write copies (fault.c), the last owner just writes.
 * The parent's shadow loses its write permissions before the fork returns, one call to the backend per stretch of address
 * space. Pages of the page cache are copied where the child is sure to run (text); other file pages fault in again.
 *
 * mmap_lock of the parent is held for writing: nothing of its tables changes. The child's is not visible yet.
 */
#include <gk/errno.h>
#include <gk/fs.h>
#include "internal.h"
#include "pgtable.h"
#include "vma.h"

/* Vmas closer than this are write-protected by one call. */
#define JOIN_FLUSH (1ull << 20)

struct protect {
	struct mm *mm;
	u64 lo, hi; /* entries lost their write permission in here */
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

/* One table's worth. Returns false when there is no memory for the child's table. Both table_locks held. */
static bool copy_entries(struct mm *to, struct vma *v, u64 *src, u64 addr, u64 end, struct protect *prot)
{
	u64 *dst = NULL, anon = 0, file = 0, first = 0, last = 0;
	bool private = !(v->flags & VM_SHARED);

	for (; addr < end; addr += PAGE_SIZE, src++) {
		u64 e = *src;
		struct page *p;

		if (!e) {
			if (dst)
				dst++;
			continue;
		}
		p = pte_page(e);
		if (private && (e & PTE_W)) {
			e &= ~(PTE_W | PTE_D);
			WRITE_ONCE(*src, e);
			if (!last)
				first = addr;
			last = addr + PAGE_SIZE;
		}
		if (!dst) {
			dst = pte_alloc(to, addr);
			if (!dst)
				return false;
		}
		if (!(e & PTE_SPECIAL)) {
			if (p->flags & PG_ANON)
				anon++;
			else
				file++;
			get_page(p);
		}
		*dst++ = e;
	}
	if (last)
		protect_range(prot, first, last);
	to->rss_anon += anon;
	if (v->file && v->file->inode->mapping.ops && v->file->inode->mapping.ops->no_backing)
		to->rss_shmem += file;
	else
		to->rss_file += file;
	return true;
}

static int copy_tables(struct mm *to, struct vma *v, struct protect *prot)
{
	struct mm *from = v->mm;
	bool ok = true;

	for (u64 addr = v->start, next; ok && addr < v->end; addr = next) {
		u64 *src;

		spin_lock(&from->table_lock);
		src = pte_span(from, addr, v->end, &next);
		if (src)
			ok = copy_entries(to, v, src, addr, next, prot);
		spin_unlock(&from->table_lock);
	}
	return ok ? 0 : -ENOMEM;
}

/* Does the child need the parent's entries, or can it find the pages by itself? */
static bool must_copy(const struct vma *v)
{
	if (v->flags & VM_WIPEONFORK)
		return false;
	return v->has_anon || (!v->ops && !v->file) || (v->flags & VM_EXEC);
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
	struct protect prot = { .mm = from };
	struct vma *v;
	int err = 0;

	for_each_vma(v, from) {
		if (v->flags & VM_DONTCOPY)
			continue;
		if (!copy_vma(to, v))
			err = -ENOMEM;
		else if (must_copy(v))
			err = copy_tables(to, v, &prot);
		if (err)
			break;
	}
	protect_flush(&prot);
	return err;
}
