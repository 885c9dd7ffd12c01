/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of an address space's vmas (vma.c). mmap_lock held for writing unless said. */
#ifndef GK_MM_VMA_H
#define GK_MM_VMA_H

#include <gk/mm.h>

#define STACK_GUARD_GAP (256ull << PAGE_SHIFT)

void vma_cache_init(void);
/* A zeroed vma for @mm; NULL: no memory. */
struct vma *vma_new(struct mm *mm, u64 start, u64 end, u32 flags);
/* Of one that is in no tree: close op, file reference, memory. May sleep; without mmap_lock if it had a file. */
void vma_free(struct vma *v);
/* Into tree and file's list, and into the accounts. Nothing else lies in its range. */
void vma_insert(struct vma *v);
/* Out of all of them; the vma stays the caller's. */
void vma_remove(struct vma *v);
/* Changes the borders (and pgoff with start) of a vma in the tree, within the room there is. */
void vma_resize(struct vma *v, u64 start, u64 end);
/* Changes flags and the accounts that depend on them. */
void vma_set_flags(struct vma *v, u32 flags);
/* Cuts @v at @addr: @v keeps the lower part; returns the upper one, or NULL (no memory). */
struct vma *vma_split(struct vma *v, u64 addr);
/*
 * Cuts @v so that a vma covers exactly the part of it within [start, end); returns that, or NULL: no memory, too many
 * vmas (then it may have been cut at one end).
 */
struct vma *vma_cut(struct vma *v, u64 start, u64 end);
/* Joins @v with its neighbours where nothing tells them apart. Returns the vma that covers it now; it is not freed. */
struct vma *vma_merge(struct vma *v);
/*
 * Grows a neighbour over [start, end), which is free, instead of a new anonymous vma with @flags. NULL: none fits.
 * mmap's short cut.
 */
struct vma *vma_extend_neighbour(struct mm *mm, u64 start, u64 end, u32 flags);
struct vma *vma_prev(struct vma *v);
/* The vma that contains @addr, or NULL. mmap_lock held in any way. */
struct vma *vma_at(struct mm *mm, u64 addr);
/* True if no vma touches [start, end). Any mmap_lock. */
bool range_is_free(struct mm *mm, u64 start, u64 end);
/* A free range of @len bytes within [low, high): the highest, or the lowest. 0: none. Any mmap_lock. */
u64 find_gap_down(struct mm *mm, u64 len, u64 low, u64 high);
u64 find_gap_up(struct mm *mm, u64 len, u64 low, u64 high);

static inline u64 vma_pages(const struct vma *v)
{
	return (v->end - v->start) >> PAGE_SHIFT;
}

static inline u64 vma_pgoff_at(const struct vma *v, u64 addr)
{
	return v->pgoff + ((addr - v->start) >> PAGE_SHIFT);
}

/* Lowest address that others keep clear of: a stack keeps a gap to grow into. */
static inline u64 vma_low(const struct vma *v)
{
	if (!(v->flags & VM_GROWSDOWN))
		return v->start;
	return v->start > STACK_GUARD_GAP ? v->start - STACK_GUARD_GAP : 0;
}

#endif
