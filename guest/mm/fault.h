/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files of the fault handler share. mmap_lock is held for reading in all of it. */
#ifndef MM_FAULT_H
#define MM_FAULT_H

#include <gk/string.h>
#include "internal.h"
#include "pgtable.h"
#include "vma.h"

struct window {
	u64 start, end;
};

/* The aligned window of @pages (a power of two) around @addr, within the vma. */
static inline struct window window_around(const struct vma *v, u64 addr, u32 pages)
{
	u64 size = (u64)pages << PAGE_SHIFT, start = ALIGN_DOWN(addr, size), end = start + size;

	return (struct window){MAX(start, v->start), MIN(end, v->end)};
}

static inline bool entry_present(struct mm *mm, u64 addr)
{
	u64 *pte = pte_lookup(mm, addr);

	return pte && *pte;
}

static inline void copy_page(struct page *to, struct page *from)
{
	memcpy(page_address(to), page_address(from), PAGE_SIZE);
}

/* filefault.c */
/* Can a shared page of @v not become writable without the file system being asked? */
bool needs_mkwrite(const struct vma *v);
/* Somebody begins to write to a shared page that nobody else needs to know of. */
void note_write(const struct vma *v);
/*
 * A shared page becomes writable: the file system agrees, the page becomes dirty, and only then the entry allows it.
 * Consumes the reference. 0 or -errno as handle_mm_fault().
 */
int write_shared(struct vma *v, u64 addr, struct page *p);
/*
 * Nothing is mapped at @addr: of the vdso and its like, a few pages, all at once; of a file. 0 or -errno as
 * handle_mm_fault().
 */
int fault_special(struct vma *v, u64 addr);
int fault_file(struct vma *v, u64 addr, bool write);

#endif
