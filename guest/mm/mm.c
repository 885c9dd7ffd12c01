/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces: their life.
 *
 * mm->users counts tasks (and others who look into it for a moment): with the last one everything is unmapped. mm->refs
 * counts those and the vCPUs that have the table loaded though nobody uses it: with the last one the root goes back to
 * the backend, which may not happen earlier.
 */
#include <gk/direct.h>
#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/printk.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/task.h>
#include "forkpages.h"
#include "internal.h"
#include "hv.h"
#include "pgtable.h"
#include "vma.h"

static struct slab_cache *mm_cache;

void mm_init(void)
{
	mm_cache = slab_cache_new("mm", sizeof(struct mm), 64);
	vma_cache_init();
	radix_init();
	zero_chunk = alloc_pages(CHUNK_ORDER, GFP_ZERO);
	BUG_ON(!zero_chunk);
	split_page(zero_chunk, CHUNK_ORDER); /* whoever looks at a program's page takes a reference */
}

/* Below the stack's room to grow, at random (unless asked not to): what mmap(2) fills downwards. */
static u64 choose_mmap_base(void)
{
	u64 room = current->process ? current->process->rlim[RLIMIT_STACK].cur : 8ull << 20;
	u64 span = boot->user_hi_end - boot->user_hi_start;
	const bool fixed = current->process && (current->process->personality & ADDR_NO_RANDOMIZE);
	const u64 shift = fixed ? 0 : STACK_RANDOM_BYTES + random_u64() % (span / 64);

	room = MAX(room, 128ull << 20);
	room = MIN(room, span / 6 * 5);
	/* Whole chunks: windows of faults and the vmas they serve begin at the same places. */
	return ALIGN_DOWN(boot->user_hi_end - room - shift - STACK_GUARD_GAP, PAGE_SIZE << CHUNK_ORDER);
}

u64 mm_new_family(void)
{
	static u64 last;

	return atomic_add_return(&last, 1);
}

struct mm *mm_new(u64 family)
{
	struct mm *mm = slab_zalloc(mm_cache);
	struct page *root;
	long tag;

	if (!mm)
		return NULL;
	root = alloc_page(GFP_ZERO);
	if (!root)
		goto err_free;
	root->flags |= PG_TABLE;
	mm->root = page_to_gpa(root);
	tag = hv_bind_root(mm->root, family);
	if (tag < 0)
		goto err_root;
	mm->cr3 = mm->root | (u64)tag;
	mm->family = family;
	refcount_set(&mm->users, 1);
	refcount_set(&mm->refs, 1);
	rwsem_init(&mm->mmap_lock);
	spin_init(&mm->table_lock);
	mm->vmas = RB_ROOT;
	mm->mmap_base = choose_mmap_base();
	mm->table_pages = 1;
	mm_stat_add(STAT_TABLE, 1);
	return mm;

err_root:
	put_page(root);
	slab_free(mm_cache, mm);
	return ERR_PTR(tag);
err_free:
	slab_free(mm_cache, mm);
	return NULL;
}

bool mm_get_user(struct mm *mm)
{
	return refcount_inc_not_zero(&mm->users);
}

void mm_get(struct mm *mm)
{
	refcount_inc(&mm->refs);
}

void mm_put(struct mm *mm)
{
	if (!refcount_dec_and_test(&mm->refs))
		return;
	if (mm->cr3) /* else exit_mmap() did it */
		hv_release_root(mm->cr3);
	put_page(pfn_to_page(mm->root >> PAGE_SHIFT));
	mm_stat_add(STAT_TABLE, -1);
	slab_free(mm_cache, mm);
}

void mm_put_user(struct mm *mm)
{
	if (!refcount_dec_and_test(&mm->users))
		return;
	/* With the table off this vCPU the backend can drop the shadow in one go, if no other vCPU has it. */
	if (this_cpu()->active_mm == mm)
		mm_switch(NULL);
	aio_exit(mm);
	exit_mmap(mm);
	fork_pages_free(mm);
	direct_mm_free(mm);
	if (mm->exe_file)
		file_put(mm->exe_file);
	mm->exe_file = NULL;
	mm_put(mm);
}

struct mm *mm_dup(struct mm *from)
{
	struct mm *mm = mm_new(from->family);
	int err;

	if (IS_ERR_OR_NULL(mm))
		return mm ? mm : ERR_PTR(-ENOMEM);
	down_write(&from->mmap_lock);
	mm->start_code = from->start_code;
	mm->end_code = from->end_code;
	mm->start_data = from->start_data;
	mm->end_data = from->end_data;
	mm->start_brk = from->start_brk;
	mm->brk = from->brk;
	mm->start_stack = from->start_stack;
	mm->mmap_base = from->mmap_base;
	mm->arg_start = from->arg_start;
	mm->arg_end = from->arg_end;
	mm->env_start = from->env_start;
	mm->env_end = from->env_end;
	memcpy(mm->saved_auxv, from->saved_auxv, sizeof(mm->saved_auxv));
	mm->vdso = from->vdso;
	if (from->exe_file)
		mm->exe_file = file_get(from->exe_file);
	err = copy_address_space(mm, from);
	if (!err)
		err = direct_mm_dup(mm, from);
	up_write(&from->mmap_lock);
	if (err) {
		mm_put_user(mm);
		return ERR_PTR(err);
	}
	return mm;
}
