/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Radix trees with 64 ways a level and one tag bit an entry.
 *
 * A tree of height h holds indices below 64^h; it grows at the top and forgets nodes when they become empty. A set tag
 * bit in an inner node says that some entry below has its tag set, so looking for tagged entries skips everything else.
 */
#include <gk/errno.h>
#include <gk/radix.h>
#include <gk/slab.h>

#define SHIFT 6
#define WAYS (1u << SHIFT)
#define MAX_HEIGHT 11 /* 64^11 > 2^64 */

struct radix_node {
	void *slot[WAYS];
	u64 tags;
	u32 count; /* slots in use */
};

static struct slab_cache *node_cache;

void radix_init(void)
{
	node_cache = slab_cache_new("radix_node", sizeof(struct radix_node), 8);
}

static u32 slot_of(u64 index, u32 level)
{
	return (index >> (level * SHIFT)) & (WAYS - 1);
}

/* Is @index within a tree of this height? */
static bool covers(u32 height, u64 index)
{
	return height >= MAX_HEIGHT || !(index >> (height * SHIFT));
}

void *radix_get(const struct radix_tree *t, u64 index)
{
	const struct radix_node *n = t->root;

	if (!n || !covers(t->height, index))
		return NULL;
	for (u32 level = t->height - 1; level; level--) {
		n = n->slot[slot_of(index, level)];
		if (!n)
			return NULL;
	}
	return n->slot[slot_of(index, 0)];
}

/* Adds levels on top until @index fits. On failure the tree is as before, maybe higher. */
static int grow(struct radix_tree *t, u64 index)
{
	if (!t->root) {
		u32 height = 1;

		while (!covers(height, index))
			height++;
		t->root = slab_zalloc(node_cache);
		if (!t->root)
			return -ENOMEM;
		t->height = height;
		return 0;
	}
	while (!covers(t->height, index)) {
		struct radix_node *n = slab_zalloc(node_cache);

		if (!n)
			return -ENOMEM;
		n->slot[0] = t->root;
		n->count = 1;
		n->tags = t->root->tags ? 1 : 0;
		t->root = n;
		t->height++;
	}
	return 0;
}

/* Frees the empty nodes on the way to @index, from the bottom up. */
static void prune(struct radix_tree *t, struct radix_node **path, u64 index)
{
	u32 level = 0;

	while (!path[level]->count) {
		slab_free(node_cache, path[level]);
		if (++level == t->height) {
			t->root = NULL;
			t->height = 0;
			return;
		}
		path[level]->slot[slot_of(index, level)] = NULL;
		path[level]->count--;
	}
}

int radix_insert(struct radix_tree *t, u64 index, void *item)
{
	struct radix_node *path[MAX_HEIGHT] = {NULL}, *n;
	int err = grow(t, index);
	u32 level;

	if (err)
		return err;
	n = t->root;
	for (level = t->height - 1; level; level--) {
		struct radix_node *next = n->slot[slot_of(index, level)];

		path[level] = n;
		if (!next) {
			next = slab_zalloc(node_cache);
			if (!next)
				goto err_prune;
			n->slot[slot_of(index, level)] = next;
			n->count++;
		}
		n = next;
	}
	if (n->slot[slot_of(index, 0)])
		return -EEXIST;
	n->slot[slot_of(index, 0)] = item;
	n->count++;
	return 0;

err_prune:
	/* The nodes just added have one way each and nothing in it. */
	while (!n->count) {
		slab_free(node_cache, n);
		if (++level == t->height) {
			t->root = NULL;
			t->height = 0;
			break;
		}
		n = path[level];
		n->slot[slot_of(index, level)] = NULL;
		n->count--;
	}
	return -ENOMEM;
}

/* Fills path[level] for every level; false when there is no entry. */
static bool find_path(const struct radix_tree *t, u64 index, struct radix_node **path)
{
	struct radix_node *n = t->root;

	if (!n || !covers(t->height, index))
		return false;
	for (u32 level = t->height - 1;; level--) {
		path[level] = n;
		if (!level)
			return n->slot[slot_of(index, 0)] != NULL;
		n = n->slot[slot_of(index, level)];
		if (!n)
			return false;
	}
}

static void untag_path(const struct radix_tree *t, struct radix_node **path, u64 index)
{
	for (u32 level = 0; level < t->height; level++) {
		path[level]->tags &= ~(1ull << slot_of(index, level));
		if (path[level]->tags)
			break;
	}
}

void *radix_remove(struct radix_tree *t, u64 index)
{
	struct radix_node *path[MAX_HEIGHT];
	void *item;

	if (!find_path(t, index, path))
		return NULL;
	item = path[0]->slot[slot_of(index, 0)];
	if (path[0]->tags & (1ull << slot_of(index, 0)))
		untag_path(t, path, index);
	path[0]->slot[slot_of(index, 0)] = NULL;
	path[0]->count--;
	prune(t, path, index);
	return item;
}

void radix_tag(struct radix_tree *t, u64 index)
{
	struct radix_node *path[MAX_HEIGHT];

	if (!find_path(t, index, path))
		return;
	for (u32 level = 0; level < t->height; level++)
		path[level]->tags |= 1ull << slot_of(index, level);
}

void radix_untag(struct radix_tree *t, u64 index)
{
	struct radix_node *path[MAX_HEIGHT];

	if (find_path(t, index, path))
		untag_path(t, path, index);
}

/* The smallest index >= @from with an entry (tagged, if so wanted); false when there is none. */
static bool find_from(const struct radix_tree *t, u64 from, bool tagged, u64 *index, void **item)
{
	const struct radix_node *n = t->root;
	u32 level = t->height - 1;

	if (!n)
		return false;
	while (covers(t->height, from)) {
		u32 first = slot_of(from, level), slot = first, shift = level * SHIFT;

		while (slot < WAYS && (!n->slot[slot] || (tagged && !(n->tags & (1ull << slot)))))
			slot++;
		if (slot == WAYS) {
			/* Nothing left below this node: start again behind it. */
			shift += SHIFT;
			if (shift >= 64 || !(((from >> shift) + 1) << shift))
				return false;
			from = ((from >> shift) + 1) << shift;
			n = t->root;
			level = t->height - 1;
			continue;
		}
		if (slot != first)
			from = ((from >> shift) + (slot - first)) << shift;
		if (!level) {
			*index = from;
			*item = n->slot[slot];
			return true;
		}
		n = n->slot[slot];
		level--;
	}
	return false;
}

u32 radix_gang(const struct radix_tree *t, u64 first, u64 last, void **item, u64 *index, u32 max, bool tagged)
{
	u32 n = 0;

	while (n < max && first <= last) {
		u64 found;

		if (!find_from(t, first, tagged, &found, &item[n]) || found > last)
			break;
		if (index)
			index[n] = found;
		n++;
		if (found == ~0ull)
			break;
		first = found + 1;
	}
	return n;
}
