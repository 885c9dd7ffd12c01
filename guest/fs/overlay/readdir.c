/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overlay: listings.
 *
 * A directory of one layer is read through; a merged one is listed completely into a cache of the open file when it is
 * read from its start: upper entries first, then lower ones not covered. Positions: 0 and 1 are "." and "..", then the
 * layer's position or the index in the cache, plus 2.
 */
#include "overlay.h"

struct entry {
	struct rb_node node; /* by name */
	struct entry *next;  /* in order of the listing */
	u64 ino;
	u32 len, type;
	bool whiteout;
	char name[];
};

struct listing {
	struct rb_root names;
	struct entry *first, **end;
};

struct dir_file {	    /* file->private */
	struct file *layer; /* the directory of the one layer there is; NULL: merged */
	struct listing list;
	struct entry *at; /* the entry at position `at_pos` */
	loff_t at_pos;
};

/* ---- listings ---- */

static int compare(const char *name, u32 len, const struct entry *e)
{
	const int c = memcmp(name, e->name, MIN(len, e->len));

	return c ? c : len < e->len ? -1 : len > e->len;
}

/* Adds the name unless it is there. False: no memory. */
static bool list_name(struct listing *l, const char *name, u32 len, u64 ino, u32 type, bool whiteout)
{
	struct rb_node **link = &l->names.node, *parent = NULL;
	struct entry *e;

	while (*link) {
		int c;

		parent = *link;
		c = compare(name, len, rb_entry(parent, struct entry, node));
		if (!c)
			return true;
		link = c < 0 ? &parent->left : &parent->right;
	}
	e = kmalloc(sizeof(*e) + len);
	if (!e)
		return false;
	memcpy(e->name, name, len);
	e->len = len;
	e->ino = ino;
	e->type = type;
	e->whiteout = whiteout;
	e->next = NULL;
	rb_link_node(&e->node, parent, link);
	rb_insert_color(&e->node, &l->names);
	*l->end = e;
	l->end = &e->next;
	return true;
}

static void list_free(struct listing *l)
{
	struct entry *e, *next;

	for (e = l->first; e; e = next) {
		next = e->next;
		kfree(e);
	}
	l->names = RB_ROOT;
	l->first = NULL;
	l->end = &l->first;
}

static bool is_dots(const char *name, u32 len)
{
	return name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
}

struct collect {
	struct dir_context ctx;
	struct listing *list;
	struct super *sb;
	struct dentry *dir; /* of the layer */
	bool upper;
	int err;
};

/* The number the overlay shows for an entry of the upper layer. */
static u64 upper_ino(struct super *sb, u64 ino)
{
	u64 shown;

	return ovl_origin_get(sb, ino, NULL, NULL, &shown) ? shown : ino | OVL_UPPER_BIT;
}

/* All names of tmpfs are in the cache. */
static bool names_whiteout(struct dentry *dir, const char *name, u32 len)
{
	struct dentry *d = d_lookup(dir, name, len);
	const bool is = d && d->inode && ovl_is_whiteout(d->inode);

	dput(d);
	return is;
}

static bool collect_entry(struct dir_context *ctx, const char *name, u32 len, loff_t pos, u64 ino, u32 type)
{
	struct collect *c = container_of(ctx, struct collect, ctx);
	bool whiteout = false;

	if (is_dots(name, len))
		return true;
	if (c->upper) {
		whiteout = type == DT_OF_MODE(S_IFCHR) && names_whiteout(c->dir, name, len);
		ino = upper_ino(c->sb, ino);
	}
	if (list_name(c->list, name, len, ino, type, whiteout))
		return true;
	c->err = -ENOMEM;
	return false;
}

static struct file *open_layer_dir(struct super *sb, struct dentry *real)
{
	const struct path p = ovl_layer_path(sb, real);

	return file_open_path(&p, O_RDONLY | O_DIRECTORY | O_LARGEFILE, current->cred);
}

/* Reads an open directory of a layer from where it is. */
static int iterate_layer(struct file *f, struct dir_context *ctx)
{
	int err;

	down_read(&f->inode->lock);
	err = f->ops->iterate(f, ctx);
	up_read(&f->inode->lock);
	return err;
}

static int collect_layer(struct super *sb, struct dentry *real, struct listing *list)
{
	struct collect c = {
		.ctx = {.actor = collect_entry},
		.list = list,
		.sb = sb,
		.dir = real,
		.upper = real->sb == ovl_sb(sb)->upper->sb,
	};
	struct file *f = open_layer_dir(sb, real);
	loff_t before;
	int err;

	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	/* A file system may give part of its entries at a time. */
	do {
		before = c.ctx.pos;
		err = iterate_layer(f, &c.ctx);
	} while (!err && !c.err && c.ctx.pos != before);
	file_put(f);
	return err ? err : c.err;
}

static int collect_all(struct inode *dir, struct listing *list)
{
	struct dentry *upper = ovl_upper(dir), *lower = ovl_i(dir)->lower;
	int err = 0;

	list_free(list);
	if (upper)
		err = collect_layer(dir->sb, upper, list);
	if (!err && lower)
		err = collect_layer(dir->sb, lower, list);
	return err;
}

int ovl_check_empty(struct dentry *d)
{
	struct listing list = {.names = RB_ROOT};
	int err;

	list.end = &list.first;
	err = collect_all(d->inode, &list);
	for (struct entry *e = list.first; e && !err; e = e->next) {
		if (!e->whiteout)
			err = -ENOTEMPTY;
	}
	list_free(&list);
	return err;
}

/* ---- open directories ---- */

static int dir_open(struct inode *i, struct file *f)
{
	struct dir_file *df = kzalloc(sizeof(*df));

	if (!df)
		return -ENOMEM;
	df->list.end = &df->list.first;
	f->private = df;
	return 0;
}

static void dir_release(struct file *f)
{
	struct dir_file *df = f->private;

	if (df->layer)
		file_put(df->layer);
	list_free(&df->list);
	kfree(df);
}

/* Reading begins anew: what layers are there now? */
static int start(struct inode *dir, struct dir_file *df)
{
	struct dentry *upper = ovl_upper(dir), *lower = ovl_i(dir)->lower;
	struct file *f;

	if (df->layer)
		file_put(df->layer);
	df->layer = NULL;
	list_free(&df->list);
	df->at = NULL;
	if (upper && lower) {
		const int err = collect_all(dir, &df->list);

		df->at = df->list.first;
		df->at_pos = 2;
		return err;
	}
	f = open_layer_dir(dir->sb, upper ? upper : lower);
	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	df->layer = f;
	return 0;
}

struct through {
	struct dir_context ctx, *out;
	struct super *sb;
	bool upper;
};

static bool pass_entry(struct dir_context *ctx, const char *name, u32 len, loff_t pos, u64 ino, u32 type)
{
	struct through *t = container_of(ctx, struct through, ctx);

	if (is_dots(name, len))
		return true;
	t->out->pos = pos + 2;
	return t->out->actor(t->out, name, len, pos + 2, t->upper ? upper_ino(t->sb, ino) : ino, type);
}

static int read_layer(struct super *sb, struct file *layer, struct dir_context *ctx)
{
	struct through t = {
		.ctx = {.actor = pass_entry, .pos = ctx->pos - 2},
		.out = ctx,
		.sb = sb,
		.upper = layer->inode->sb == ovl_sb(sb)->upper->sb,
	};
	const int err = iterate_layer(layer, &t.ctx);

	ctx->pos = t.ctx.pos + 2;
	return err;
}

static int read_merged(struct dir_file *df, struct dir_context *ctx)
{
	if (!df->at || df->at_pos != ctx->pos) {
		df->at = df->list.first;
		for (df->at_pos = 2; df->at && df->at_pos < ctx->pos; df->at_pos++)
			df->at = df->at->next;
	}
	for (; df->at; df->at = df->at->next, df->at_pos++, ctx->pos++) {
		struct entry *e = df->at;

		if (!e->whiteout && !ctx->actor(ctx, e->name, e->len, ctx->pos, e->ino, e->type))
			return 0;
	}
	return 0;
}

static int dir_iterate(struct file *f, struct dir_context *ctx)
{
	struct dir_file *df = f->private;
	int err;

	if (ctx->pos == 0 || (!df->layer && !df->list.first)) {
		err = start(f->inode, df);
		if (err)
			return err;
	}
	if (!dir_emit_dots(f, ctx))
		return 0;
	return df->layer ? read_layer(f->inode->sb, df->layer, ctx) : read_merged(df, ctx);
}

const struct file_ops ovl_dir_ops = {
	.open = dir_open,
	.release = dir_release,
	.llseek = generic_llseek,
	.iterate = dir_iterate,
};
