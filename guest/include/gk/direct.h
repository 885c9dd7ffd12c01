/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Direct switch: system calls that reach the kernel by a jump instead of a trap (arch/x86_64/direct.c).
 *
 * A text page with system-call sites gets one patched copy, its twin, shared by all processes. Programs that map the
 * page executable and not writable see the twin; everybody else (reads, ptrace, copy on write) the original. Nothing is
 * patched where the backend does not offer UM_FEAT_DIRECT.
 */
#ifndef GK_DIRECT_H
#define GK_DIRECT_H

#include <gk/types.h>

struct mm;
struct page;
struct vma;

/*
 * Whose text is patched. DIRECT_OWN: only that of the file the process executes. A program without an interpreter that
 * maps other files executable is most likely one that reads them as data, to translate their code (valgrind).
 */
enum direct_text { DIRECT_ALL, DIRECT_OWN };

void direct_init(void);

/*
 * exec: gives @mm its jump table (a special mapping at a fixed address). Where that address is taken, the process just
 * uses the originals. Before any text is faulted in; mmap_lock not held.
 */
void direct_mm_setup(struct mm *mm, enum direct_text whose);
/* fork: the child's copy of what the parent knows. 0 or -ENOMEM. */
int direct_mm_dup(struct mm *to, struct mm *from);
void direct_mm_free(struct mm *mm);
/* What cpu->direct_ret must be while @mm (may be NULL) is loaded. */
u64 *direct_ret_table(struct mm *mm);
/* The program gave itself a GS base: its sites must trap from now on. Takes mmap_lock. */
void direct_mm_disable(struct mm *mm);

/* Are the pages of @v text to be patched? mmap_lock held. */
bool direct_text(const struct vma *v);
/*
 * The pages to map for the page-cache pages p[0..n), in ascending order, of a vma that is direct_text(): each
 * entry is replaced by the page's twin, if it has one (no sites near it, another address has the slots, no table: it
 * has not). References move along. Page p[i] is to be mapped at base + (p[i]->index - first) pages. mmap_lock held.
 */
void direct_text_pages(struct mm *mm, struct page **p, u32 n, u64 first, u64 base);
/* A reference to the page a twin was made from, or to @p itself if it is none. */
struct page *direct_original_get(struct page *p);
/* @p is about to change or leave the page cache: its twin goes. Its mappings are gone already (unmap_mapping_range). */
void direct_forget(struct page *p);

/* The addresses that brk and mmap keep clear of. */
#define DIRECT_TABLE 0x050f0000ul
#define DIRECT_TABLE_SIZE 0x10000ul

#endif
