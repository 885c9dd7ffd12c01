/* SPDX-License-Identifier: Apache-2.0 */
/*
 * VMAs: a red-black tree by address. Each node knows the free bytes right below its vma and the largest such gap in its
 * subtree, so that room for a new mapping is found without visiting every vma.
 *
 * A vma of a file is also in the list of the file's mapping; whoever walks that list (truncation, write-back) holds
 * mapping->vma_lock only, so borders and flags of such a vma change under that lock as well.
 */
#include <gk/fs.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/sysctl.h>
#include "internal.h"
#include "mmap.h"
#include "vma.h"

u32 sysctl_max_map_count = 65530;

static struct slab_cache *vma_cache;

void vma_cache_init(void)
{
	vma_cache = slab_cache_new("vma", sizeof(struct vma), 8);
}

static struct vma *to_vma(struct rb_node *n)
{
	return n ? rb_entry(n, struct vma, node) : NULL;
}

static u64 subtree_gap(struct rb_node *n)
{
	return n ? rb_entry(n, struct vma, node)->subtree_gap : 0;
}

static void update_gap(struct rb_node *n)
{
	struct vma *v = rb_entry(n, struct vma, node);

	u64 left = subtree_gap(n->left), right = subtree_gap(n->right), below = MAX(left, right);

	v->subtree_gap = MAX(v->gap, below);
}

/* The gap below @v from its own and the previous vma's border. */
static void set_gap(struct vma *v, const struct vma *prev)
{
	u64 floor = prev ? prev->end : 0, low = vma_low(v);

	v->gap = low > floor ? low - floor : 0;
}

static void refresh_gap(struct vma *v)
{
	if (!v)
		return;
	set_gap(v, vma_prev(v));
	rb_update_path(&v->node, update_gap);
}

struct vma *vma_first(struct mm *mm)
{
	return to_vma(rb_first(&mm->vmas));
}

struct vma *vma_next(struct vma *v)
{
	return to_vma(rb_next(&v->node));
}

struct vma *vma_prev(struct vma *v)
{
	return to_vma(rb_prev(&v->node));
}

struct vma *vma_find(struct mm *mm, u64 addr)
{
	struct rb_node *n = mm->vmas.node;
	struct vma *best = NULL;

	while (n) {
		struct vma *v = rb_entry(n, struct vma, node);

		if (v->end > addr) {
			best = v;
			if (v->start <= addr)
				break;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return best;
}

struct vma *vma_at(struct mm *mm, u64 addr)
{
	struct vma *v = vma_find(mm, addr);

	return v && v->start <= addr ? v : NULL;
}

bool range_is_free(struct mm *mm, u64 start, u64 end)
{
	struct vma *v = vma_find(mm, start);

	return !v || v->start >= end;
}

/* ---- one vma ---- */

struct vma *vma_new(struct mm *mm, u64 start, u64 end, u32 flags)
{
	struct vma *v = slab_zalloc(vma_cache);

	if (!v)
		return NULL;
	v->mm = mm;
	v->start = start;
	v->end = end;
	v->flags = flags;
	list_init(&v->mapping_link);
	return v;
}

void vma_free(struct vma *v)
{
	if (v->ops && v->ops->close)
		v->ops->close(v);
	if (v->file)
		file_put(v->file);
	slab_free(vma_cache, v);
}

static struct mapping *mapping_of(const struct vma *v)
{
	return v->file ? &v->file->inode->mapping : NULL;
}

static void lock_mapping(const struct vma *v)
{
	if (v->file)
		spin_lock(&mapping_of(v)->vma_lock);
}

static void unlock_mapping(const struct vma *v)
{
	if (v->file)
		spin_unlock(&mapping_of(v)->vma_lock);
}

/* @pages may be negative. */
static void account(struct mm *mm, u32 flags, s64 pages)
{
	mm->total_vm += (u64)pages;
	if (flags & VM_LOCKED)
		mm->locked_vm += (u64)pages;
	if (flags & (VM_GROWSDOWN | VM_STACK))
		mm->stack_vm += (u64)pages;
	else if ((flags & VM_EXEC) && !(flags & VM_WRITE))
		mm->exec_vm += (u64)pages;
	else if ((flags & VM_WRITE) && !(flags & VM_SHARED))
		mm->data_vm += (u64)pages;
}

static bool counts_as_writable(const struct vma *v)
{
	return v->file && (v->flags & VM_SHARED) && (v->flags & VM_MAYWRITE);
}

static void link_file(struct vma *v)
{
	struct mapping *m = mapping_of(v);

	if (!m)
		return;
	spin_lock(&m->vma_lock);
	list_add_tail(&v->mapping_link, &m->vmas);
	if (counts_as_writable(v))
		atomic_inc(&m->nr_writable);
	spin_unlock(&m->vma_lock);
}

static void unlink_file(struct vma *v)
{
	struct mapping *m = mapping_of(v);

	if (!m)
		return;
	spin_lock(&m->vma_lock);
	list_del(&v->mapping_link);
	if (counts_as_writable(v))
		atomic_dec(&m->nr_writable);
	spin_unlock(&m->vma_lock);
}

void vma_insert(struct vma *v)
{
	struct mm *mm = v->mm;
	struct rb_node **link = &mm->vmas.node, *parent = NULL;
	struct vma *prev = NULL;

	while (*link) {
		struct vma *at = rb_entry(*link, struct vma, node);

		parent = *link;
		if (v->start < at->start) {
			link = &parent->left;
		} else {
			prev = at;
			link = &parent->right;
		}
	}
	set_gap(v, prev);
	rb_link_node(&v->node, parent, link);
	rb_insert_augmented(&v->node, &mm->vmas, update_gap);
	refresh_gap(vma_next(v));
	mm->nr_vmas++;
	account(mm, v->flags, (s64)vma_pages(v));
	link_file(v);
}

void vma_remove(struct vma *v)
{
	struct mm *mm = v->mm;
	struct vma *next = vma_next(v);

	unlink_file(v);
	rb_erase_augmented(&v->node, &mm->vmas, update_gap);
	refresh_gap(next);
	mm->nr_vmas--;
	account(mm, v->flags, -(s64)vma_pages(v));
}

void vma_resize(struct vma *v, u64 start, u64 end)
{
	account(v->mm, v->flags, (s64)((end - start) >> PAGE_SHIFT) - (s64)vma_pages(v));
	lock_mapping(v);
	v->pgoff += (u64)((s64)(start - v->start) >> PAGE_SHIFT);
	v->start = start;
	v->end = end;
	unlock_mapping(v);
	refresh_gap(v);
	refresh_gap(vma_next(v));
}

void vma_set_flags(struct vma *v, u32 flags)
{
	bool stack = (v->flags ^ flags) & VM_GROWSDOWN;

	account(v->mm, v->flags, -(s64)vma_pages(v));
	lock_mapping(v);
	v->flags = flags;
	unlock_mapping(v);
	account(v->mm, v->flags, (s64)vma_pages(v));
	if (stack)
		refresh_gap(v);
}

/* ---- split and merge ---- */

struct vma *vma_split(struct vma *v, u64 addr)
{
	struct vma *upper = slab_alloc(vma_cache);

	if (!upper)
		return NULL;
	*upper = *v;
	upper->start = addr;
	upper->pgoff = vma_pgoff_at(v, addr);
	/* Only the lowest part of a stack can grow. */
	upper->flags &= ~VM_GROWSDOWN;
	if (v->flags & VM_GROWSDOWN)
		upper->flags |= VM_STACK;
	list_init(&upper->mapping_link);
	if (upper->file)
		file_get(upper->file);
	if (upper->ops && upper->ops->open)
		upper->ops->open(upper);
	/* Overlapping for a moment: who walks the file's list must not miss a page. */
	vma_insert(upper);
	vma_resize(v, v->start, addr);
	return upper;
}

struct vma *vma_cut(struct vma *v, u64 start, u64 end)
{
	if (v->mm->nr_vmas >= READ_ONCE(sysctl_max_map_count) && (v->start < start || v->end > end))
		return NULL;
	if (v->start < start) {
		v = vma_split(v, start);
		if (!v)
			return NULL;
	}
	return v->end > end && !vma_split(v, end) ? NULL : v;
}

static bool same_kind(const struct vma *v, u32 flags, struct file *file)
{
	return v->flags == flags && v->file == file && !(v->flags & (VM_SPECIAL | VM_GROWSDOWN)) && !v->private &&
	       (!v->ops || !v->ops->close);
}

static bool can_join(const struct vma *low, const struct vma *high)
{
	return low->end == high->start && low->ops == high->ops && same_kind(low, high->flags, high->file) &&
	       same_kind(high, low->flags, low->file) && (!low->file || vma_pgoff_at(low, low->end) == high->pgoff);
}

/* @low takes over the range of @high, which is freed but for what needs sleeping: they share the file. */
static void join(struct vma *low, struct vma *high)
{
	low->has_anon |= high->has_anon;
	/* Overlapping for a moment, as in vma_split(). */
	vma_resize(low, low->start, high->end);
	vma_remove(high);
	if (high->file)
		refcount_dec_and_test(&high->file->refs); /* never the last: @low has one */
	slab_free(vma_cache, high);
}

struct vma *vma_merge(struct vma *v)
{
	struct vma *other = vma_next(v);

	if (other && can_join(v, other))
		join(v, other);
	other = vma_prev(v);
	if (other && can_join(other, v)) {
		join(other, v);
		v = other;
	}
	return v;
}

struct vma *vma_extend_neighbour(struct mm *mm, u64 start, u64 end, u32 flags)
{
	struct vma *next = vma_find(mm, start), *prev = next ? vma_prev(next) : to_vma(rb_last(&mm->vmas));

	if (prev && prev->end == start && !prev->ops && same_kind(prev, flags, NULL)) {
		vma_resize(prev, prev->start, end);
		return vma_merge(prev);
	}
	if (next && next->start == end && !next->ops && same_kind(next, flags, NULL)) {
		vma_resize(next, start, next->end);
		return next;
	}
	return NULL;
}

/* ---- free ranges ---- */

static u64 clip(u64 gap_start, u64 gap_end, u64 low, u64 high, u64 len, bool down)
{
	gap_start = MAX(gap_start, low);
	gap_end = MIN(gap_end, high);
	if (gap_end < gap_start || gap_end - gap_start < len)
		return 0;
	return down ? gap_end - len : gap_start;
}

static u64 search_down(struct rb_node *n, u64 len, u64 low, u64 high)
{
	struct vma *v = to_vma(n);
	u64 found, top;

	if (!v || v->subtree_gap < len)
		return 0;
	top = vma_low(v);
	/* Gaps on the right begin above this vma. */
	if (v->end < high) {
		found = search_down(n->right, len, low, high);
		if (found)
			return found;
	}
	found = clip(top - v->gap, top, low, high, len, true);
	if (found || top - v->gap <= low)
		return found;
	return search_down(n->left, len, low, high);
}

static u64 search_up(struct rb_node *n, u64 len, u64 low, u64 high)
{
	struct vma *v = to_vma(n);
	u64 found, top;

	if (!v || v->subtree_gap < len)
		return 0;
	top = vma_low(v);
	if (top > low) {
		found = search_up(n->left, len, low, high);
		if (found)
			return found;
		found = clip(top - v->gap, top, low, high, len, false);
		if (found)
			return found;
	}
	return v->end < high ? search_up(n->right, len, low, high) : 0;
}

u64 find_gap_down(struct mm *mm, u64 len, u64 low, u64 high)
{
	struct vma *last = to_vma(rb_last(&mm->vmas));
	u64 found = clip(last ? last->end : 0, ~0ull, low, high, len, true);

	return found ? found : search_down(mm->vmas.node, len, low, high);
}

u64 find_gap_up(struct mm *mm, u64 len, u64 low, u64 high)
{
	struct vma *last = to_vma(rb_last(&mm->vmas));
	u64 found = search_up(mm->vmas.node, len, low, high);

	return found ? found : clip(last ? last->end : 0, ~0ull, low, high, len, false);
}
