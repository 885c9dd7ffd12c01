/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mremap: mappings that grow, shrink and move. Moving takes the entries along: no page is copied or faulted in again.
 *
 * While entries move, both vmas are in the file's list, the new one behind the old: who walks it meets each entry in
 * one of them.
 */
#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/syscall.h>
#include <gk/sysctl.h>
#include <gk/task.h>
#include "internal.h"
#include "mmap.h"
#include "pgtable.h"
#include "vma.h"

/* Tables for all that will be moved, so that moving cannot fail. */
static int prepare_tables(struct mm *mm, u64 from, u64 to, u64 len)
{
	u64 end = from + len, next;
	bool ok = true;

	for (u64 addr = from; ok && addr < end; addr = next) {
		u64 target = to + (addr - from), last;

		spin_lock(&mm->table_lock);
		if (pte_span(mm, addr, end, &next)) {
			last = to + (next - from) - PAGE_SIZE;
			ok = pte_alloc(mm, target) && pte_alloc(mm, last);
		}
		spin_unlock(&mm->table_lock);
	}
	return ok ? 0 : -ENOMEM;
}

/* table_lock held; the gather is not full. */
static void move_entry(struct vma *v, u64 *pte, u64 addr, u64 target, struct gather *g)
{
	u64 e = *pte;
	struct page *p = pte_page(e);

	WRITE_ONCE(*pte, 0);
	if (e & PTE_P)
		gather_range(g, addr, addr + PAGE_SIZE);
	if (p->flags & PG_TWIN) {
		/* A patched copy knows its address: the new place faults in what is right there. */
		atomic_sub_return(rss_counter(v, p), 1);
		gather_page(g, p);
		return;
	}
	WRITE_ONCE(*pte_lookup(v->mm, target), e);
}

static void move_entries(struct vma *v, u64 from, u64 to, u64 len)
{
	u64 addr = from, end = from + len, next;
	struct gather g;

	gather_init(&g, v->mm);
	while (addr < end) {
		u64 *pte;

		spin_lock(&v->mm->table_lock);
		pte = pte_span(v->mm, addr, end, &next);
		if (!pte)
			addr = next;
		for (; addr < next && !gather_full(&g); addr += PAGE_SIZE, pte++) {
			if (*pte)
				move_entry(v, pte, addr, to + (addr - from), &g);
		}
		spin_unlock(&v->mm->table_lock);
		if (gather_full(&g))
			gather_flush(&g);
	}
	gather_finish(&g);
}

struct request {
	u64 addr, old_len, new_len, flags, new_addr;
};

/* The vDSO may go elsewhere (checkpoints want that), but stays in one piece. */
static bool may_move_special(const struct vma *v, const struct request *r)
{
	return v->ops->movable && r->addr == v->start && r->old_len <= v->end - v->start &&
	       r->new_len >= v->end - v->start && !(r->flags & MREMAP_DONTUNMAP);
}

/* May the mapping at r->addr become r->new_len long? The vma, or ERR_PTR. */
static struct vma *check_resize(struct mm *mm, const struct request *r)
{
	struct vma *v = vma_at(mm, r->addr);
	u64 more = r->new_len > r->old_len ? (r->new_len - r->old_len) >> PAGE_SHIFT : 0;

	if (!v)
		return ERR_PTR(-EFAULT);
	if (!r->old_len && !(v->flags & VM_SHARED))
		return ERR_PTR(-EINVAL);
	if ((v->flags & VM_SPECIAL) && !may_move_special(v, r))
		return ERR_PTR(-EINVAL);
	if (r->old_len > v->end - r->addr)
		return ERR_PTR(-EFAULT);
	if (r->new_len == r->old_len)
		return v;
	if (v->flags & VM_DONTEXPAND)
		return ERR_PTR(-EFAULT);
	if (vma_pgoff_at(v, r->addr) + (r->new_len >> PAGE_SHIFT) < vma_pgoff_at(v, r->addr))
		return ERR_PTR(-EINVAL);
	if ((v->flags & VM_LOCKED) && may_lock(mm, more))
		return ERR_PTR(-EAGAIN);
	return may_expand(mm, v->flags, more) ? ERR_PTR(-ENOMEM) : v;
}

static struct vma *copy_vma_to(struct vma *v, const struct request *r)
{
	struct vma *new = vma_new(v->mm, r->new_addr, r->new_addr + r->new_len, v->flags);

	if (!new)
		return NULL;
	new->pgoff = vma_pgoff_at(v, r->addr);
	new->ops = v->ops;
	new->private = v->private;
	new->has_anon = v->has_anon;
	if (v->file)
		new->file = file_get(v->file);
	if (new->ops &&new->ops->open)
		new->ops->open(new);
	vma_insert(new);
	return new;
}

/* To r->new_addr, where there is room. The new address or -errno. */
static long move_vma(struct vma *v, const struct request *r, struct list_head *dead)
{
	struct mm *mm = v->mm;
	u64 len = MIN(r->old_len, r->new_len);
	struct vma *new;
	int err;

	if (mm->nr_vmas + 3 >= READ_ONCE(sysctl_max_map_count))
		return -ENOMEM;
	/* The range leaves its neighbours first: a failure later on has nothing to undo but a cut. */
	if (len && !(r->flags & MREMAP_DONTUNMAP)) {
		v = vma_cut(v, r->addr, r->addr + r->old_len);
		if (!v)
			return -ENOMEM;
	}
	if (prepare_tables(mm, r->addr, r->new_addr, len))
		return -ENOMEM;
	new = copy_vma_to(v, r);
	if (!new)
		return -ENOMEM;
	move_entries(v, r->addr, r->new_addr, len);
	if (r->flags & MREMAP_DONTUNMAP) {
		v = vma_cut(v, r->addr, r->addr + r->old_len);
		if (v)
			vma_set_flags(v, v->flags & ~VM_LOCKED);
	} else if (r->old_len) {
		err = unmap_locked(mm, r->addr, r->addr + r->old_len, dead);
		if (err)
			return err; /* cannot be: it is a vma of its own */
	}
	vma_merge(new);
	return (long)r->new_addr;
}

static bool overlaps(u64 a, u64 a_len, u64 b, u64 b_len)
{
	return a < b + b_len && b < a + a_len;
}

/* MREMAP_FIXED and MREMAP_DONTUNMAP. */
static long remap_to(struct mm *mm, struct request *r, struct list_head *dead)
{
	struct vma *v;
	int err;

	if (r->flags & MREMAP_FIXED) {
		if ((r->new_addr & ~PAGE_MASK) || !user_range(r->new_addr, r->new_len) ||
		    overlaps(r->addr, r->old_len, r->new_addr, r->new_len))
			return -EINVAL;
		err = unmap_locked(mm, r->new_addr, r->new_addr + r->new_len, dead);
		if (err)
			return err;
	}
	if (r->old_len > r->new_len) {
		err = unmap_locked(mm, r->addr + r->new_len, r->addr + r->old_len, dead);
		if (err)
			return err;
		r->old_len = r->new_len;
	}
	v = check_resize(mm, r);
	if (IS_ERR(v))
		return PTR_ERR(v);
	if ((r->flags & MREMAP_DONTUNMAP) && may_expand(mm, v->flags, r->old_len >> PAGE_SHIFT))
		return -ENOMEM;
	if (!(r->flags & MREMAP_FIXED)) {
		r->new_addr = find_room(mm, r->new_len, 0);
		if (!r->new_addr)
			return -ENOMEM;
	}
	return move_vma(v, r, dead);
}

static long remap_locked(struct mm *mm, struct request *r, struct list_head *dead)
{
	struct vma *v;

	if (r->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
		return remap_to(mm, r, dead);
	if (r->old_len && r->old_len >= r->new_len) {
		int err = 0;

		if (!vma_at(mm, r->addr))
			return -EFAULT;
		if (r->old_len > r->new_len)
			err = unmap_locked(mm, r->addr + r->new_len, r->addr + r->old_len, dead);
		return err ? err : (long)r->addr;
	}
	v = check_resize(mm, r);
	if (IS_ERR(v))
		return PTR_ERR(v);
	if (r->old_len && r->old_len == v->end - r->addr) {
		u64 end = r->addr + r->new_len;
		struct vma *next = vma_next(v);

		if (user_range(v->start, end - v->start) && (!next || vma_low(next) >= end)) {
			vma_resize(v, v->start, end);
			vma_merge(v);
			return (long)r->addr;
		}
	}
	if (!(r->flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	r->new_addr = find_room(mm, r->new_len, 0);
	return r->new_addr ? move_vma(v, r, dead) : -ENOMEM;
}

SYSCALL5(mremap, u64, addr, u64, old_len, u64, new_len, u64, flags, u64, new_addr)
{
	struct request r = {addr, PAGE_ALIGN(old_len), PAGE_ALIGN(new_len), flags, new_addr};
	struct mm *mm = current->mm;
	LIST_HEAD(dead);
	bool locked = false;
	long ret;

	if (flags & ~(u64)(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP))
		return -EINVAL;
	if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) && !(flags & MREMAP_MAYMOVE))
		return -EINVAL;
	if ((addr & ~PAGE_MASK) || !r.new_len || r.new_len > boot->user_hi_end || r.old_len > boot->user_hi_end ||
	    ((flags & MREMAP_DONTUNMAP) && r.old_len != r.new_len))
		return -EINVAL;
	leave_direct_table(mm, addr, r.old_len);
	if (flags & MREMAP_FIXED)
		leave_direct_table(mm, new_addr, r.new_len);
	down_write(&mm->mmap_lock);
	ret = remap_locked(mm, &r, &dead);
	if (ret >= 0 && r.new_len > r.old_len) {
		struct vma *v = vma_at(mm, (u64)ret);

		locked = v && (v->flags & VM_LOCKED);
	}
	up_write(&mm->mmap_lock);
	free_dead_vmas(&dead);
	if (locked) {
		down_read(&mm->mmap_lock);
		populate_range(mm, (u64)ret + r.old_len, (u64)ret + r.new_len);
		up_read(&mm->mmap_lock);
	}
	return ret;
}

/* As Linux has it since 4.0: a mapping like any other in the place of a part of the old one. */
SYSCALL5(remap_file_pages, u64, start, u64, size, u64, prot, u64, pgoff, u64, flags)
{
	struct mm *mm = current->mm;
	struct file *file = NULL;
	u32 vm_prot = 0;
	struct vma *v;
	long ret;

	start = ALIGN_DOWN(start, PAGE_SIZE);
	size = ALIGN_DOWN(size, PAGE_SIZE);
	if (prot || start + size <= start || pgoff + (size >> PAGE_SHIFT) < pgoff)
		return -EINVAL;
	down_read(&mm->mmap_lock);
	v = vma_at(mm, start);
	if (v && (v->flags & VM_SHARED) && v->file && start + size <= v->end) {
		file = file_get(v->file);
		vm_prot = v->flags & (VM_READ | VM_WRITE | VM_EXEC);
	}
	up_read(&mm->mmap_lock);
	if (!file)
		return -EINVAL;
	ret = do_mmap(mm, file, start, size, vm_prot,
		      MAP_SHARED | MAP_FIXED | ((u32)flags & MAP_NONBLOCK) | MAP_POPULATE, pgoff);
	file_put(file);
	return ret < 0 ? ret : 0;
}
