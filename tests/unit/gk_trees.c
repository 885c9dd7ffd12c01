/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's radix tree, red-black tree and vma tree against simple models. */
#include <stdlib.h>
#include <string.h>

#include <gk/fs.h>
#include <gk/radix.h>
#include <gk/slab.h>
#include "../../guest/mm/vma.h"
#include "unit.h"
#include "gkshim/shim.h"

/* Slabs are malloc here: what leaks or is used after it was freed shows. */
struct slab_cache {
	size_t size;
};

static bool fail_next;

struct slab_cache *slab_cache_new(const char *name, size_t size, size_t align)
{
	struct slab_cache *c = malloc(sizeof(*c));

	c->size = size;
	return c;
}

void *slab_alloc(struct slab_cache *c)
{
	return fail_next ? NULL : malloc(c->size);
}

void *slab_zalloc(struct slab_cache *c)
{
	return fail_next ? NULL : calloc(1, c->size);
}

void slab_free(struct slab_cache *c, void *p)
{
	free(p);
}

void file_put(struct file *f)
{
}

static u32 seed = 1;

static u32 rnd(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

/* ---- radix ---- */

#define SLOTS 5000

static u64 spread(u32 i, u32 kind)
{
	return kind == 0 ? i : kind == 1 ? i * 64ull : kind == 2 ? i * 0x123456789ull : ~0ull - i;
}

static void radix_against_model(u32 kind)
{
	static u8 in[SLOTS], tag[SLOTS];
	static u64 items[SLOTS];
	struct radix_tree t = {NULL, 0};

	memset(in, 0, sizeof(in));
	memset(tag, 0, sizeof(tag));
	for (u32 step = 0; step < 60000; step++) {
		u32 i = rnd() % (step % 3 ? 200 : SLOTS);
		u64 index = spread(i, kind);

		switch (rnd() % 5) {
		case 0:
		case 1:
			assert_true(radix_insert(&t, index, &items[i]) == (in[i] ? -EEXIST : 0));
			in[i] = 1;
			break;
		case 2:
			assert_true(radix_remove(&t, index) == (in[i] ? &items[i] : NULL));
			in[i] = tag[i] = 0;
			break;
		case 3:
			radix_tag(&t, index);
			tag[i] = in[i];
			break;
		default:
			radix_untag(&t, index);
			tag[i] = 0;
		}
		assert_true(radix_get(&t, index) == (in[i] ? &items[i] : NULL));
		if (step % 500)
			continue;
		for (u32 tagged = 0; tagged < 2; tagged++) {
			void *got[40];
			u64 idx[40];
			u32 from = rnd() % SLOTS, n, k = 0;
			u64 first = spread(from, kind), last = ~0ull;

			if (kind == 3) { /* descending: everything from the smallest */
				first = spread(from, kind);
				last = ~0ull;
			}
			n = radix_gang(&t, first, last, got, idx, 40, tagged);
			for (u32 j = 0; j < SLOTS && k < 40; j++) {
				u32 m = kind == 3 ? from - j : from + j;

				if (m >= SLOTS)
					break;
				if (!in[m] || (tagged && !tag[m]))
					continue;
				assert_true(k < n);
				assert_true(got[k] == &items[m]);
				assert_true(idx[k] == spread(m, kind));
				k++;
			}
			assert_true(k == n);
		}
	}
	for (u32 i = 0; i < SLOTS; i++)
		assert_true(radix_remove(&t, spread(i, kind)) == (in[i] ? &items[i] : NULL));
	assert_false(t.root);
	assert_false(t.height);
}

static void radix_no_memory(void **state)
{
	struct radix_tree t = {NULL, 0};
	u64 item;

	fail_next = true;
	assert_int_equal(radix_insert(&t, 12345, &item), -ENOMEM);
	assert_false(t.root);
	fail_next = false;
	assert_false(radix_insert(&t, 5, &item));
	fail_next = true;
	assert_true(radix_insert(&t, 1ull << 40, &item) == -ENOMEM);
	fail_next = false;
	assert_true(radix_get(&t, 5) == &item);
	assert_false(radix_get(&t, 1ull << 40));
	assert_true(radix_remove(&t, 5) == &item);
	assert_false(t.root);
}

/* ---- vmas ---- */

#define PAGES 400 /* of a little address space */
#define BASE 0x100000ull

static u64 at(u32 page)
{
	return BASE + ((u64)page << PAGE_SHIFT);
}

static u32 check_subtree(struct rb_node *n, u32 *black)
{
	struct vma *v;
	u32 left_black = 0, right_black = 0, count;
	u64 gap;

	if (!n) {
		*black = 1;
		return 0;
	}
	v = rb_entry(n, struct vma, node);
	count = check_subtree(n->left, &left_black) + check_subtree(n->right, &right_black) + 1;
	assert_true(left_black == right_black);
	*black = left_black + (n->parent_color & 1);
	if (!(n->parent_color & 1)) {
		assert_true(!n->left || (n->left->parent_color & 1));
		assert_true(!n->right || (n->right->parent_color & 1));
	}
	assert_true(!n->left || rb_parent(n->left) == n);
	assert_true(!n->right || rb_parent(n->right) == n);
	gap = v->gap;
	if (n->left)
		gap = MAX(gap, rb_entry(n->left, struct vma, node)->subtree_gap);
	if (n->right)
		gap = MAX(gap, rb_entry(n->right, struct vma, node)->subtree_gap);
	assert_true(v->subtree_gap == gap);
	return count;
}

static void check_tree(struct mm *mm, const u8 *used)
{
	struct vma *v, *prev = NULL;
	u32 black, n = 0;
	u64 pages = 0;

	assert_true(check_subtree(mm->vmas.node, &black) == mm->nr_vmas);
	for_each_vma(v, mm) {
		u64 floor = prev ? prev->end : 0;

		assert_true(v->start < v->end);
		assert_true(floor <= v->start);
		assert_true(v->gap == v->start - floor);
		assert_true(!prev || vma_prev(v) == prev);
		for (u64 a = v->start; a < v->end; a += PAGE_SIZE)
			assert_true(used[(a - BASE) >> PAGE_SHIFT] == (v->flags & 7));
		pages += vma_pages(v);
		prev = v;
		n++;
	}
	for (u32 i = 0; i < PAGES; i++) {
		struct vma *f = vma_at(mm, at(i));

		assert_true(!!f == !!used[i]);
		pages -= !!used[i];
	}
	assert_true(n == mm->nr_vmas);
	assert_false(pages);
}

static void check_gaps(struct mm *mm, const u8 *used)
{
	u32 len = 1 + rnd() % 20, low = rnd() % PAGES, high = low + rnd() % (PAGES - low + 1), run = 0;
	u64 up = 0, down = 0;

	for (u32 i = low; i < high; i++) {
		run = used[i] ? 0 : run + 1;
		if (run >= len) {
			down = at(i + 1 - len);
			if (!up)
				up = at(i + 1 - len);
		}
	}
	assert_true(find_gap_down(mm, (u64)len << PAGE_SHIFT, at(low), at(high)) == down);
	assert_true(find_gap_up(mm, (u64)len << PAGE_SHIFT, at(low), at(high)) == up);
}

static void clear_range(struct mm *mm, u8 *used, u32 from, u32 to)
{
	struct vma *v = vma_find(mm, at(from));

	while (v && v->start < at(to)) {
		v = vma_cut(v, at(from), at(to));
		assert_true(v);
		struct vma *next = vma_next(v);

		vma_remove(v);
		vma_free(v);
		v = next;
	}
	memset(used + from, 0, to - from);
}

static void vmas_against_model(void **state)
{
	static u8 used[PAGES];
	struct mm mm = {.vmas = RB_ROOT};

	for (u32 step = 0; step < 30000; step++) {
		u32 from = rnd() % PAGES, to = MIN(from + 1 + rnd() % 30, (u32)PAGES), flags = 1 + rnd() % 3;
		struct vma *v;

		switch (rnd() % 4) {
		case 0:
		case 1: /* map, joining what fits */
			clear_range(&mm, used, from, to);
			if (!vma_extend_neighbour(&mm, at(from), at(to), flags)) {
				v = vma_new(&mm, at(from), at(to), flags);
				vma_insert(v);
				vma_merge(v);
			}
			memset(used + from, (int)flags, to - from);
			break;
		case 2:
			clear_range(&mm, used, from, to);
			break;
		default: /* change flags of what is there */
			for (v = vma_find(&mm, at(from)); v && v->start < at(to); v = vma_next(v)) {
				v = vma_cut(v, at(from), at(to));
				vma_set_flags(v, flags);
				memset(used + ((v->start - BASE) >> PAGE_SHIFT), (int)flags, vma_pages(v));
				v = vma_merge(v);
			}
		}
		if (step % 10 == 0)
			check_tree(&mm, used);
		check_gaps(&mm, used);
	}
	clear_range(&mm, used, 0, PAGES);
	assert_false(mm.nr_vmas);
	assert_false(mm.total_vm);
	assert_false(mm.data_vm);
	assert_false(mm.stack_vm);
	assert_false(mm.exec_vm);
}

static void stacks_keep_a_gap(void **state)
{
	struct mm mm = {.vmas = RB_ROOT};
	struct vma *v = vma_new(&mm, 0x40000000, 0x40010000, VM_GROWSDOWN | VM_READ);

	vma_insert(v);
	assert_true(find_gap_down(&mm, PAGE_SIZE, 0x10000, 0x40000000) == 0x40000000 - STACK_GUARD_GAP - PAGE_SIZE);
	assert_true(find_gap_up(&mm, PAGE_SIZE, 0x40000000 - PAGE_SIZE, 0x50000000) == 0x40010000);
	vma_remove(v);
	vma_free(v);
}

static void test_radix(void **state)
{
	for (u32 kind = 0; kind < 4; kind++)
		radix_against_model(kind);
}

static int setup(void **state)
{
	shim_ram(16 << 20);
	radix_init();
	vma_cache_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_radix),
		cmocka_unit_test(radix_no_memory),
		cmocka_unit_test(vmas_against_model),
		cmocka_unit_test(stacks_keep_a_gap),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
