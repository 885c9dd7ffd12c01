/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpfs: inodes and directories.
 *
 * The name cache is the directory: each entry pins its dentry, so a name that is not cached does not exist. Next to it
 * a directory keeps its entries in a tree by an ever-growing cookie, which is the position of readdir(): entries made
 * while a directory is read come at its end, and removed ones do not disturb.
 */
#include "tmpfs.h"

struct tmpfs_entry { /* dentry->private */
	struct rb_node node;
	u64 cookie;
	struct dentry *d; /* reference */
};

#define FIRST_COOKIE 2 /* after "." and ".." */

static const struct inode_ops dir_inode_ops, special_inode_ops;
static const struct file_ops dir_ops;

/* ---- inodes ---- */

static int charge_inode(struct super *sb)
{
	struct tmpfs_super *ts = tmpfs_sb(sb);

	if (atomic_add_return(&ts->used_inodes, 1) > ts->max_inodes && ts->max_inodes) {
		atomic_dec(&ts->used_inodes);
		return -ENOSPC;
	}
	return 0;
}

struct inode *tmpfs_inode_new(struct super *sb, struct inode *dir, umode_t mode, u64 rdev)
{
	struct tmpfs_inode *ti;
	struct inode *i;

	if (charge_inode(sb))
		return ERR_PTR(-ENOSPC);
	ti = kzalloc(sizeof(*ti));
	i = ti ? inode_new(sb) : NULL;
	if (!i) {
		kfree(ti);
		atomic_dec(&tmpfs_sb(sb)->used_inodes);
		return ERR_PTR(-ENOMEM);
	}
	ti->next_cookie = FIRST_COOKIE;
	i->private = ti;
	i->ino = next_ino();
	i->rdev = rdev;
	inode_init_owner(i, dir, mode);
	switch (mode & S_IFMT) {
	case S_IFREG:
		i->ops = &tmpfs_file_inode_ops;
		i->fops = &tmpfs_file_ops;
		i->mapping.ops = &tmpfs_mapping_ops;
		break;
	case S_IFDIR:
		i->ops = &dir_inode_ops;
		i->fops = &dir_ops;
		i->nlink = 2;
		break;
	default:
		i->ops = &special_inode_ops;
		break;
	}
	return i;
}

void tmpfs_evict(struct inode *i)
{
	struct tmpfs_inode *ti = tmpfs_i(i);

	if (!ti)
		return;
	tmpfs_free_xattrs(ti);
	kfree(i->link);
	kfree(ti);
	atomic_dec(&tmpfs_sb(i->sb)->used_inodes);
}

/* ---- entries ---- */

/* Puts @e at the end of @dir. */
static void entry_link(struct inode *dir, struct tmpfs_entry *e)
{
	struct tmpfs_inode *ti = tmpfs_i(dir);
	struct rb_node **link = &ti->entries.node, *parent = NULL;

	e->cookie = ti->next_cookie++;
	while (*link) {
		parent = *link;
		link = &parent->right;
	}
	rb_link_node(&e->node, parent, link);
	rb_insert_color(&e->node, &ti->entries);
}

static void entry_unlink(struct inode *dir, struct tmpfs_entry *e)
{
	rb_erase(&e->node, &tmpfs_i(dir)->entries);
}

/* What an entry counts in st_size, as Linux has it. */
#define ENTRY_SIZE 20

static int entry_add(struct inode *dir, struct dentry *d)
{
	struct tmpfs_entry *e = kzalloc(sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->d = dget(d);
	d->private = e;
	entry_link(dir, e);
	dir->size += ENTRY_SIZE;
	return 0;
}

static void entry_del(struct inode *dir, struct dentry *d)
{
	struct tmpfs_entry *e = d->private;

	d->private = NULL;
	entry_unlink(dir, e);
	dir->size -= ENTRY_SIZE;
	kfree(e);
	dput(d);
}

static bool is_empty(const struct inode *dir)
{
	return tmpfs_i(dir)->entries.node == NULL;
}

static void touch(struct inode *dir)
{
	inode_update_time(dir);
}

static void change_nlink(struct inode *i, int by)
{
	inode_set_nlink(i, (u32)((int)i->nlink + by));
	i->ctime = current_time();
}

/* Everything must go: the super block has no mount left. Nobody else is here. */
void tmpfs_kill(struct super *sb)
{
	struct dentry *dir = sb->root;

	while (dir) {
		struct rb_node *n = rb_first(&tmpfs_i(dir->inode)->entries);
		struct dentry *d = n ? rb_entry(n, struct tmpfs_entry, node)->d : NULL;

		if (!d)
			dir = dir == sb->root ? NULL : dir->parent;
		else if (S_ISDIR(d->inode->mode) && !is_empty(d->inode))
			dir = d;
		else
			entry_del(dir->inode, d);
	}
}

/* ---- directory operations ---- */

static int tmpfs_lookup(struct inode *dir, struct dentry *d)
{
	d_add(d, NULL);
	return 0;
}

/* Gives @d the new inode @i. */
static int add_inode(struct inode *dir, struct dentry *d, struct inode *i)
{
	int err;

	if (IS_ERR(i))
		return (int)PTR_ERR(i);
	err = entry_add(dir, d);
	if (err) {
		inode_set_nlink(i, 0);
		inode_put(i);
		return err;
	}
	d_instantiate(d, i);
	d_add(d, NULL);
	touch(dir);
	return 0;
}

static int tmpfs_mknod(struct inode *dir, struct dentry *d, umode_t mode, u64 rdev)
{
	return add_inode(dir, d, tmpfs_inode_new(dir->sb, dir, mode, rdev));
}

static int tmpfs_create(struct inode *dir, struct dentry *d, umode_t mode, bool excl)
{
	return tmpfs_mknod(dir, d, mode | S_IFREG, 0);
}

static int tmpfs_mkdir(struct inode *dir, struct dentry *d, umode_t mode)
{
	const int err = tmpfs_mknod(dir, d, mode | S_IFDIR, 0);

	if (!err)
		change_nlink(dir, 1);
	return err;
}

static int tmpfs_symlink(struct inode *dir, struct dentry *d, const char *target)
{
	struct inode *i = tmpfs_inode_new(dir->sb, dir, S_IFLNK | 0777, 0);

	if (IS_ERR(i))
		return (int)PTR_ERR(i);
	i->link = kstrdup(target);
	i->size = (loff_t)strlen(target);
	if (!i->link) {
		inode_set_nlink(i, 0);
		inode_put(i);
		return -ENOMEM;
	}
	return add_inode(dir, d, i);
}

static struct inode *tmpfs_tmpfile(struct inode *dir, umode_t mode)
{
	struct inode *i = tmpfs_inode_new(dir->sb, dir, mode, 0);

	if (!IS_ERR(i))
		inode_set_nlink(i, 0);
	return i;
}

static int tmpfs_link(struct dentry *old, struct inode *dir, struct dentry *d)
{
	struct inode *i = old->inode;
	int err = entry_add(dir, d);

	if (err)
		return err;
	inode_get(i);
	change_nlink(i, 1);
	d_instantiate(d, i);
	d_add(d, NULL);
	touch(dir);
	return 0;
}

static int tmpfs_unlink(struct inode *dir, struct dentry *d)
{
	entry_del(dir, d);
	change_nlink(d->inode, -1);
	touch(dir);
	return 0;
}

static int tmpfs_rmdir(struct inode *dir, struct dentry *d)
{
	if (!is_empty(d->inode))
		return -ENOTEMPTY;
	entry_del(dir, d);
	change_nlink(d->inode, -2);
	change_nlink(dir, -1);
	touch(dir);
	return 0;
}

/* Moves the entry of @d between trees; its dentry follows later (d_move()). */
static void entry_move(struct inode *from, struct inode *to, struct dentry *d)
{
	entry_unlink(from, d->private);
	entry_link(to, d->private);
	from->size -= ENTRY_SIZE;
	to->size += ENTRY_SIZE;
	if (from != to && S_ISDIR(d->inode->mode)) {
		change_nlink(from, -1);
		change_nlink(to, 1);
	}
}

/* Leaves a character device 0/0 at the name @od has now. */
static int leave_whiteout(struct inode *dir, struct dentry *od)
{
	struct dentry *w = d_alloc(od->parent, od->name, od->name_len);
	int err;

	if (!w)
		return -ENOMEM;
	err = tmpfs_mknod(dir, w, S_IFCHR, 0);
	dput(w);
	return err;
}

static int tmpfs_rename(struct inode *odir, struct dentry *od, struct inode *ndir, struct dentry *nd, u32 flags)
{
	const bool dir = S_ISDIR(od->inode->mode);
	int err;

	if (flags & RENAME_EXCHANGE) {
		entry_move(odir, ndir, od);
		entry_move(ndir, odir, nd);
		nd->inode->ctime = current_time();
	} else {
		if (nd->inode && S_ISDIR(nd->inode->mode) && !is_empty(nd->inode))
			return -ENOTEMPTY;
		if (flags & RENAME_WHITEOUT) {
			err = leave_whiteout(odir, od);
			if (err)
				return err;
		}
		if (nd->inode && dir)
			tmpfs_rmdir(ndir, nd);
		else if (nd->inode)
			tmpfs_unlink(ndir, nd);
		entry_move(odir, ndir, od);
	}
	od->inode->ctime = current_time();
	touch(odir);
	if (ndir != odir)
		touch(ndir);
	return 0;
}

static int tmpfs_dir_setattr(struct dentry *d, struct inode *i, const struct iattr *attr)
{
	if (attr->valid & ATTR_SIZE)
		return -EISDIR;
	setattr_copy(i, attr);
	return 0;
}

static const struct inode_ops dir_inode_ops = {
	.lookup = tmpfs_lookup,
	.create = tmpfs_create,
	.mknod = tmpfs_mknod,
	.mkdir = tmpfs_mkdir,
	.symlink = tmpfs_symlink,
	.link = tmpfs_link,
	.unlink = tmpfs_unlink,
	.rmdir = tmpfs_rmdir,
	.rename = tmpfs_rename,
	.tmpfile = tmpfs_tmpfile,
	.setattr = tmpfs_dir_setattr,
	.getxattr = tmpfs_getxattr,
	.setxattr = tmpfs_setxattr,
	.listxattr = tmpfs_listxattr,
	.removexattr = tmpfs_removexattr,
};

static const struct inode_ops special_inode_ops = {
	.getxattr = tmpfs_getxattr,
	.setxattr = tmpfs_setxattr,
	.listxattr = tmpfs_listxattr,
	.removexattr = tmpfs_removexattr,
};

/* ---- reading ---- */

/* The first entry at or after @cookie. */
static struct tmpfs_entry *entry_from(const struct inode *dir, u64 cookie)
{
	struct rb_node *n = tmpfs_i(dir)->entries.node;
	struct tmpfs_entry *found = NULL;

	while (n) {
		struct tmpfs_entry *e = rb_entry(n, struct tmpfs_entry, node);

		if (e->cookie >= cookie) {
			found = e;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return found;
}

static int tmpfs_iterate(struct file *f, struct dir_context *ctx)
{
	struct rb_node *n;

	if (!dir_emit_dots(f, ctx))
		return 0;
	/* A stacked file system reads us through its own file: the inode counts, not the path. */
	for (struct tmpfs_entry *e = entry_from(f->inode, (u64)ctx->pos); e;
	     e = n ? rb_entry(n, struct tmpfs_entry, node) : NULL) {
		const struct inode *i = e->d->inode;

		ctx->pos = (loff_t)e->cookie;
		if (!ctx->actor(ctx, e->d->name, e->d->name_len, ctx->pos, i->ino, DT_OF_MODE(i->mode)))
			return 0;
		ctx->pos++;
		n = rb_next(&e->node);
	}
	return 0;
}

static const struct file_ops dir_ops = {
	.llseek = generic_llseek,
	.iterate = tmpfs_iterate,
};
