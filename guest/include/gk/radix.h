/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Radix trees: from a 64-bit index to a pointer, with one tag bit per entry that is cheap to search for
 * (kernel/radix.c). The page cache's map. The caller locks; nothing here sleeps.
 */
#ifndef GK_RADIX_H
#define GK_RADIX_H

#include <gk/types.h>

struct radix_node;

struct radix_tree {
	struct radix_node *root;
	u32 height; /* levels; 0 when empty */
};

/* Before the first insertion. */
void radix_init(void);
void *radix_get(const struct radix_tree *t, u64 index);
/* 0, -EEXIST, -ENOMEM. @item is not NULL. */
int radix_insert(struct radix_tree *t, u64 index, void *item);
/* What was there, or NULL. */
void *radix_remove(struct radix_tree *t, u64 index);
/* The tag of an entry that exists. */
void radix_tag(struct radix_tree *t, u64 index);
void radix_untag(struct radix_tree *t, u64 index);
/*
 * Collects up to @max entries with first <= index <= last in ascending order, only tagged ones if @tagged. Returns how
 * many. @index (may be NULL) gets their indices.
 */
u32 radix_gang(const struct radix_tree *t, u64 first, u64 last, void **item, u64 *index, u32 max, bool tagged);

#endif
