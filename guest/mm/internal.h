/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of mm/ share among themselves.
 *
 * Lock order (outer first): inode->lock, mmap_lock, page lock (PG_LOCKED), mapping->vma_lock, mm->table_lock,
 * mapping->lock, slab and zone locks.
 */
#ifndef GK_MM_INTERNAL_H
#define GK_MM_INTERNAL_H

#include <gk/init.h>
#include <gk/mm.h>
#include <gk/percpu.h>

/* ---- per-vCPU part of the allocators; touched by its own vCPU only, so it needs no lock ---- */

#define PCP_ORDERS 5 /* orders 0 .. 4 */
#define PCP_MAX 32
#define MAG_MAX 24
#define MAX_SLAB_CACHES 96

enum mm_stat { STAT_ANON, STAT_CACHED, STAT_SLAB, STAT_TABLE, STAT_DIRTY, STAT_SHMEM, NR_MM_STATS };

struct page_stack {
	u32 n;
	struct page *page[PCP_MAX];
};

struct magazine {
	u32 n;
	void *obj[MAG_MAX];
};

struct mm_cpu {
	struct page_stack pages[PCP_ORDERS];
	struct magazine mag[MAX_SLAB_CACHES];
	s64 stat[NR_MM_STATS]; /* pages; only the sum over all vCPUs means something */
};

extern struct mm_cpu mm_cpu_area[MAX_CPUS];

static inline struct mm_cpu *this_mm_cpu(void)
{
	return &mm_cpu_area[this_cpu()->id];
}

static inline void mm_stat_add(enum mm_stat which, s64 pages)
{
	this_mm_cpu()->stat[which] += pages;
}
s64 mm_stat_sum(enum mm_stat which);

/* ---- page_alloc.c ---- */
/* Frees @nr single pages whose last reference is gone. */
void free_page_batch(struct page **pages, u32 nr);
u64 free_page_count(void);
/* Is memory short enough that caches should shrink, or that nothing should be allocated ahead of need? */
bool memory_is_low(void);
/* Is half of what only the kernel may have gone? */
bool reserve_is_low(void);

/* ---- giveback.c ---- */
/* Called when the free lists hold many large blocks that the host still backs. */
void give_back_soon(void);
u64 give_back_pages(u64 want); /* page_alloc.c */
u64 give_back_surplus(void);   /* page_alloc.c: pages above what we like to keep */

/* ---- faults.c: allocations that fail on purpose ---- */
extern bool faults_on; /* set at start-up; the fast ways of the allocators are closed */
void faults_early_init(void);
/* Is this the allocation that the current task wants to fail? */
bool fault_due(void);
/* Has fault_due() just said so? Once. */
bool fault_take(void);
/* @n more pages or objects in use. */
void fault_count(s64 n);

/* ---- reclaim.c ---- */
/*
 * Tries to free pages, also by killing if @may_kill. True: trying again makes sense. May sleep, the longer the more
 * often the caller has tried already.
 */
bool reclaim_for_alloc(u32 order, bool may_kill, u32 tries);
void reclaim_soon(void);
/* The current task took from the reserve: it pays on its way to user mode. Any context. */
void reclaim_on_return(void);

/* ---- mm.c ---- */
/* Where programs may live; the limits come from the boot block. */
static inline bool user_range(u64 start, u64 len)
{
	u64 end = start + len;

	return end >= start && ((start >= boot->user_lo_start && end <= boot->user_lo_end) ||
				(start >= boot->user_hi_start && end <= boot->user_hi_end));
}

/* ---- fault.c ---- */
#define FAULT_WRITE 0x1
#define FAULT_FORCE 0x2 /* ptrace: against the protection, into a private copy */
/*
 * Makes the page at @addr present for the access. mmap_lock held for reading; rights were checked by the caller. 0, or
 * -EFAULT (SIGSEGV), -EIO (SIGBUS), -ENOMEM.
 */
int handle_mm_fault(struct vma *vma, u64 addr, u32 flags);
/* Faults in all of [start, end) as mlock and MAP_POPULATE do; stops at holes and errors. mmap_lock held for reading. */
int populate_range(struct mm *mm, u64 start, u64 end);
/*
 * Finds the vma for @addr, growing a stack if that is needed. mmap_lock held for reading, may be dropped and retaken.
 */
struct vma *vma_for_access(struct mm *mm, u64 addr);

/* ---- mmap.c ---- */
/*
 * Unmaps [start, end), mmap_lock held for writing. Vmas that need sleeping to be freed go to @dead (free_dead_vmas()).
 */
int unmap_locked(struct mm *mm, u64 start, u64 end, struct list_head *dead);
void free_dead_vmas(struct list_head *dead); /* without mmap_lock */
/*
 * A program takes [start, start + len) for itself: if the table of gk/direct.h is there, it does without. No mmap_lock.
 */
void leave_direct_table(struct mm *mm, u64 start, u64 len);
/* Everything, when nobody uses the address space any more. */
void exit_mmap(struct mm *mm);
/* 0 or -ENOMEM: limits and what is left of memory, for @pages more with these flags. */
int may_expand(struct mm *mm, u32 vm_flags, u64 pages);
/* Likewise for pages that exist but become private and writable. */
int may_expand_data(struct mm *mm, u32 vm_flags, u64 pages);
/* Room for a new mapping of @len bytes (flags: MAP_32BIT matters); 0: none. */
u64 find_room(struct mm *mm, u64 len, u32 flags);
/* 0, -EAGAIN or -EPERM: RLIMIT_MEMLOCK. */
int may_lock(struct mm *mm, u64 pages);

/* ---- access.c ---- */
/* The address space of @t as a further user, if the current task may look into it. NULL: *err says why. */
struct mm *task_mm_for_access(struct task *t, long *err);

/* ---- dup.c ---- */
int copy_address_space(struct mm *to, struct mm *from);

#endif
