/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Red-black trees (Cormen et al., "Introduction to Algorithms", Red-Black Trees), with parent pointers and an optional
 * value per subtree.
 *
 * Bit 0 of parent_color is the colour: 0 red, 1 black; a missing node is black. The update function may be NULL. When a
 * rotation happens, values above it stay right, since the set of nodes below them is the same; only the two rotated
 * nodes are redone.
 */
#include <gk/rbtree.h>

#define BLACK 1ull

static bool is_red(const struct rb_node *n)
{
	return n && !(n->parent_color & BLACK);
}

static void set_black(struct rb_node *n)
{
	n->parent_color |= BLACK;
}

static void set_red(struct rb_node *n)
{
	n->parent_color &= ~BLACK;
}

static void set_parent(struct rb_node *n, struct rb_node *parent)
{
	n->parent_color = (u64)parent | (n->parent_color & BLACK);
}

static void replace_child(struct rb_root *root, struct rb_node *parent, struct rb_node *old, struct rb_node *new)
{
	if (!parent)
		root->node = new;
	else if (parent->left == old)
		parent->left = new;
	else
		parent->right = new;
}

static void rotate_left(struct rb_root *root, struct rb_node *n, rb_update_t update)
{
	struct rb_node *up = n->right, *parent = rb_parent(n);

	n->right = up->left;
	if (n->right)
		set_parent(n->right, n);
	up->left = n;
	set_parent(n, up);
	set_parent(up, parent);
	replace_child(root, parent, n, up);
	if (update) {
		update(n);
		update(up);
	}
}

static void rotate_right(struct rb_root *root, struct rb_node *n, rb_update_t update)
{
	struct rb_node *up = n->left, *parent = rb_parent(n);

	n->left = up->right;
	if (n->left)
		set_parent(n->left, n);
	up->right = n;
	set_parent(n, up);
	set_parent(up, parent);
	replace_child(root, parent, n, up);
	if (update) {
		update(n);
		update(up);
	}
}

void rb_update_path(struct rb_node *n, rb_update_t update)
{
	for (; n; n = rb_parent(n))
		update(n);
}

void rb_insert_augmented(struct rb_node *n, struct rb_root *root, rb_update_t update)
{
	struct rb_node *parent, *grand, *uncle;

	if (update)
		rb_update_path(n, update);
	while ((parent = rb_parent(n)) && is_red(parent)) {
		bool left = (grand = rb_parent(parent))->left == parent;

		uncle = left ? grand->right : grand->left;
		if (is_red(uncle)) {
			set_black(parent);
			set_black(uncle);
			set_red(grand);
			n = grand;
			continue;
		}
		if (left) {
			if (parent->right == n) {
				rotate_left(root, parent, update);
				parent = n;
			}
			set_black(parent);
			set_red(grand);
			rotate_right(root, grand, update);
		} else {
			if (parent->left == n) {
				rotate_right(root, parent, update);
				parent = n;
			}
			set_black(parent);
			set_red(grand);
			rotate_left(root, grand, update);
		}
		break;
	}
	set_black(root->node);
}

/* @n (maybe NULL), a child of @parent, lacks one black: restores the balance. Its sibling exists, for it is deeper. */
static void erase_fixup(struct rb_root *root, struct rb_node *n, struct rb_node *parent, rb_update_t update)
{
	while (parent && !is_red(n)) {
		bool left = parent->left == n;
		struct rb_node *sib = left ? parent->right : parent->left, *near, *far;

		if (is_red(sib)) {
			set_black(sib);
			set_red(parent);
			if (left)
				rotate_left(root, parent, update);
			else
				rotate_right(root, parent, update);
			sib = left ? parent->right : parent->left;
		}
		near = left ? sib->left : sib->right;
		far = left ? sib->right : sib->left;
		if (!is_red(near) && !is_red(far)) {
			set_red(sib);
			n = parent;
			parent = rb_parent(n);
			continue;
		}
		if (!is_red(far)) {
			set_black(near);
			set_red(sib);
			if (left)
				rotate_right(root, sib, update);
			else
				rotate_left(root, sib, update);
			far = sib;
			sib = near;
		}
		if (is_red(parent))
			set_red(sib);
		else
			set_black(sib);
		set_black(parent);
		set_black(far);
		if (left)
			rotate_left(root, parent, update);
		else
			rotate_right(root, parent, update);
		return;
	}
	if (n)
		set_black(n);
}

void rb_erase_augmented(struct rb_node *n, struct rb_root *root, rb_update_t update)
{
	struct rb_node *child, *parent;
	bool black;

	if (n->left && n->right) {
		/*
		 * The next node takes the place and the colour of @n; what is missing then is the next node's own
		 * place.
		 */
		struct rb_node *next = n->right;

		while (next->left)
			next = next->left;
		child = next->right;
		parent = rb_parent(next);
		black = !is_red(next);
		if (parent == n) {
			parent = next;
		} else {
			parent->left = child;
			if (child)
				set_parent(child, parent);
			next->right = n->right;
			set_parent(n->right, next);
		}
		next->left = n->left;
		set_parent(n->left, next);
		next->parent_color = n->parent_color;
		replace_child(root, rb_parent(n), n, next);
	} else {
		child = n->left ? n->left : n->right;
		parent = rb_parent(n);
		black = !is_red(n);
		if (child)
			set_parent(child, parent);
		replace_child(root, parent, n, child);
	}
	if (update)
		rb_update_path(parent, update);
	if (black)
		erase_fixup(root, child, parent, update);
}

void rb_insert_color(struct rb_node *n, struct rb_root *root)
{
	rb_insert_augmented(n, root, NULL);
}

void rb_erase(struct rb_node *n, struct rb_root *root)
{
	rb_erase_augmented(n, root, NULL);
}

struct rb_node *rb_first(const struct rb_root *root)
{
	struct rb_node *n = root->node;

	while (n && n->left)
		n = n->left;
	return n;
}

struct rb_node *rb_last(const struct rb_root *root)
{
	struct rb_node *n = root->node;

	while (n && n->right)
		n = n->right;
	return n;
}

struct rb_node *rb_next(const struct rb_node *n)
{
	struct rb_node *parent, *next = n->right;

	if (next) {
		while (next->left)
			next = next->left;
		return next;
	}
	while ((parent = rb_parent(n)) && parent->right == n)
		n = parent;
	return parent;
}

struct rb_node *rb_prev(const struct rb_node *n)
{
	struct rb_node *parent, *prev = n->left;

	if (prev) {
		while (prev->right)
			prev = prev->right;
		return prev;
	}
	while ((parent = rb_parent(n)) && parent->left == n)
		n = parent;
	return parent;
}
