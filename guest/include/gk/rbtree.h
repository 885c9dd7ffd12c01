/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intrusive balanced search trees. The caller searches and links (rb_link_node() at the place found, then
 * rb_insert_color()), and locks.
 */
#ifndef GK_RBTREE_H
#define GK_RBTREE_H

#include <gk/types.h>

struct rb_node {
	u64 parent_color;
	struct rb_node *left, *right;
};

struct rb_root {
	struct rb_node *node;
};

#define RB_ROOT ((struct rb_root){NULL})
#define rb_entry(p, type, member) container_of(p, type, member)

static inline void rb_link_node(struct rb_node *n, struct rb_node *parent, struct rb_node **link)
{
	n->parent_color = (u64)parent;
	n->left = n->right = NULL;
	*link = n;
}

static inline struct rb_node *rb_parent(const struct rb_node *n)
{
	return (struct rb_node *)(n->parent_color & ~1ull);
}

void rb_insert_color(struct rb_node *n, struct rb_root *root);
void rb_erase(struct rb_node *n, struct rb_root *root);
struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_last(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *n);
struct rb_node *rb_prev(const struct rb_node *n);

/*
 * Trees whose nodes carry a value computed from their subtree: @update recomputes a node's from its own data and its
 * two children's. A tree uses either these two or the plain ones above, never both.
 */
typedef void (*rb_update_t)(struct rb_node *n);
void rb_insert_augmented(struct rb_node *n, struct rb_root *root, rb_update_t update);
void rb_erase_augmented(struct rb_node *n, struct rb_root *root, rb_update_t update);
/* The own data of @n has changed: recomputes it and all above it. */
void rb_update_path(struct rb_node *n, rb_update_t update);

#endif
