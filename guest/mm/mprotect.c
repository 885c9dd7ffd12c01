/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mprotect: permissions of vmas and of the entries below them.
 *
 * Entries of a vma without any permission keep their page but are not present (PTE_HIDDEN). Write permission comes back
 * at once for pages that belong to us alone; what is shared waits for its fault.
 */
#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include "internal.h"
#include "mmap.h"
#include "pgtable.h"
#include "vma.h"

#define RWX (VM_READ | VM_WRITE | VM_EXEC)

struct change {
	struct vma *v;
	bool free_write;	    /* shared, and nobody needs to be told of writes */
	bool text;		    /* patched copies may stay */
	u64 protect_lo, protect_hi; /* entries lost only write permission */
	struct gather g;	    /* entries lost more, or their page */
};

static bool may_write(const struct change *c, u64 e)
{
	const struct page *p = pte_page(e);

	if (!(c->v->flags & VM_WRITE))
		return false;
	if (c->v->flags & VM_SHARED)
		return c->free_write || (e & PTE_W);
	return (e & PTE_W) || (!(e & PTE_SPECIAL) && (p->flags & PG_ANON) && READ_ONCE(p->refs) == 1);
}

/* table_lock held; the gather is not full. */
static void change_entry(struct change *c, u64 *pte, u64 addr)
{
	u64 e = *pte, new;
	struct page *p = pte_page(e);

	if ((p->flags & PG_TWIN) && !c->text) {
		WRITE_ONCE(*pte, 0);
		atomic_sub_return(rss_counter(c->v, p), 1);
		gather_page(&c->g, p);
		gather_range(&c->g, addr, addr + PAGE_SIZE);
		return;
	}
	new = make_pte(p, c->v->flags, may_write(c, e)) | (e & PTE_SPECIAL);
	if (new == e)
		return;
	WRITE_ONCE(*pte, new);
	if (!(e & PTE_P))
		return;
	if (!(new &PTE_P) || ((new &PTE_NX) && !(e & PTE_NX))) {
		gather_range(&c->g, addr, addr + PAGE_SIZE);
	} else if ((e & PTE_W) && !(new &PTE_W)) {
		c->protect_lo = MIN(c->protect_lo, addr);
		c->protect_hi = addr + PAGE_SIZE;
	}
}

static void change_entries(struct vma *v)
{
	struct change c = {.v = v, .protect_lo = ~0ull};
	u64 addr = v->start, next;

	c.free_write = !v->file || !v->file->inode->mapping.ops || v->file->inode->mapping.ops->no_backing;
	c.text = (v->flags & (VM_EXEC | VM_WRITE)) == VM_EXEC;
	gather_init(&c.g, v->mm);
	while (addr < v->end) {
		u64 *pte;

		spin_lock(&v->mm->table_lock);
		pte = pte_span(v->mm, addr, v->end, &next);
		if (!pte)
			addr = next;
		for (; addr < next && !gather_full(&c.g); addr += PAGE_SIZE, pte++) {
			if (*pte)
				change_entry(&c, pte, addr);
		}
		spin_unlock(&v->mm->table_lock);
		if (gather_full(&c.g))
			gather_flush(&c.g);
	}
	gather_finish(&c.g);
	if (c.protect_lo < c.protect_hi)
		mmu_flush_range(v->mm, c.protect_lo, c.protect_hi, UM_FLUSH_WRPROTECT);
}

/* The part of @v within [start, end) gets @prot. Returns the vma that covers it now, or ERR_PTR. */
static struct vma *protect_vma(struct vma *v, u64 start, u64 end, u32 prot)
{
	u32 flags = (v->flags & ~RWX) | prot;
	u64 pages;

	start = MAX(start, v->start);
	end = MIN(end, v->end);
	if (flags == v->flags)
		return v;
	/* VM_MAYx is VM_x four bits up. */
	if (prot & ~(v->flags >> 4))
		return ERR_PTR(-EACCES);
	if (prot && !user_range(start, end - start))
		return ERR_PTR(-ENOMEM);
	pages = (end - start) >> PAGE_SHIFT;
	if ((prot & VM_WRITE) && !(v->flags & (VM_WRITE | VM_SHARED)) && may_expand_data(v->mm, flags, pages))
		return ERR_PTR(-ENOMEM);
	v = vma_cut(v, start, end);
	if (!v)
		return ERR_PTR(-ENOMEM);
	vma_set_flags(v, flags);
	change_entries(v);
	return vma_merge(v);
}

static long protect_locked(struct mm *mm, u64 start, u64 end, u32 prot, bool grows_down)
{
	struct vma *v = vma_find(mm, start);

	if (!v)
		return -ENOMEM;
	if (grows_down) {
		if (v->start >= end)
			return -ENOMEM;
		start = v->start;
		if (!(v->flags & VM_GROWSDOWN))
			return -EINVAL;
	}
	while (start < end) {
		if (!v || v->start > start)
			return -ENOMEM;
		v = protect_vma(v, start, end, prot);
		if (IS_ERR(v))
			return PTR_ERR(v);
		start = v->end;
		v = vma_next(v);
	}
	return 0;
}

static long do_mprotect(u64 start, u64 len, u64 prot)
{
	bool down = prot & PROT_GROWSDOWN, up = prot & PROT_GROWSUP;
	struct mm *mm = current->mm;
	u64 end;
	long ret;

	prot &= ~(u64)(PROT_GROWSDOWN | PROT_GROWSUP);
	if ((down && up) || (start & ~PAGE_MASK))
		return -EINVAL;
	if (!len)
		return 0;
	end = start + PAGE_ALIGN(len);
	if (end <= start)
		return -ENOMEM;
	if ((prot & ~(u64)(RWX | 0x8)) || up) /* 8: PROT_SEM, without effect */
		return -EINVAL;
	leave_direct_table(mm, start, end - start);
	down_write(&mm->mmap_lock);
	ret = protect_locked(mm, start, end, (u32)prot & RWX, down);
	up_write(&mm->mmap_lock);
	return ret;
}

SYSCALL3(mprotect, u64, start, u64, len, u64, prot)
{
	return do_mprotect(start, len, prot);
}

/* Protection keys: as on a processor without them. */

SYSCALL4(pkey_mprotect, u64, start, u64, len, u64, prot, int, pkey)
{
	return pkey == -1 ? do_mprotect(start, len, prot) : -EINVAL;
}

SYSCALL2(pkey_alloc, u64, flags, u64, rights)
{
	return flags || (rights & ~3ull) ? -EINVAL : -ENOSPC;
}

SYSCALL1(pkey_free, int, pkey)
{
	return -EINVAL;
}
