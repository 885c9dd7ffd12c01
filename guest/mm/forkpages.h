/* SPDX-License-Identifier: Apache-2.0 */
/* Pages for what fork copies at once (forkpages.c). The parent's mmap_lock is held for writing. */
#ifndef GK_MM_FORKPAGES_H
#define GK_MM_FORKPAGES_H

#include <gk/mm.h>

#define EAGER_VMA 64u /* pages of one vma that are copied at once, at most */

/* Once a fork of @mm. */
void fork_pages_begin(struct mm *mm);
/*
 * @nr pages (at most EAGER_VMA) for the child's copy of the parent's vma @v, as contiguous as they come, with a
 * reference each. How many there were. They may have PG_ANON already.
 */
u32 fork_pages_get(struct vma *v, struct page **pages, u32 nr);
/* The end of @mm. */
void fork_pages_free(struct mm *mm);

#endif
