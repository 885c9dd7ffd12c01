/* SPDX-License-Identifier: Apache-2.0 */
/* Overlay: lookup in both layers, revalidation, and making new names, which happens in the upper layer only. */
#include "overlay.h"

/* ---- lookup ---- */

/* The name in @dir of a layer, or NULL: there is no such layer here. Maybe negative. */
static struct dentry *layer_lookup(struct dentry *dir, const struct dentry *d)
{
	return dir ? lookup_one_unlocked(dir, d->name, d->name_len) : NULL;
}

/* The lower directory that @upper is merged with (reference), or NULL. */
static struct dentry *merged_with(struct super *sb, const struct dentry *upper)
{
	struct dentry *lower = NULL;
	u64 ino;

	return ovl_origin_get(sb, upper->inode->ino, &lower, NULL, &ino) ? lower : NULL;
}

static int ovl_lookup(struct inode *dir, struct dentry *d)
{
	struct dentry *upper, *lower = NULL;
	struct inode *i = NULL;

	upper = layer_lookup(ovl_upper(dir), d);
	if (IS_ERR(upper))
		return (int)PTR_ERR(upper);
	if (upper && !upper->inode) {
		dput(upper);
		upper = NULL;
	}
	if (!upper) {
		lower = layer_lookup(ovl_i(dir)->lower, d);
		if (IS_ERR(lower))
			return (int)PTR_ERR(lower);
	} else if (ovl_is_whiteout(upper->inode)) {
		dput(upper);
		upper = NULL;
	} else if (S_ISDIR(upper->inode->mode)) {
		lower = merged_with(d->sb, upper);
	}
	if (upper || (lower && lower->inode && !ovl_is_whiteout(lower->inode))) {
		i = ovl_get_inode(d->sb, upper, lower);
		if (IS_ERR(i)) {
			dput(upper);
			dput(lower);
			return (int)PTR_ERR(i);
		}
	}
	d->ops = &ovl_dentry_ops;
	d->private = upper;
	ovl_set_lower_name(d, lower);
	d_add(d, i);
	return 0;
}

/* What is in memory only changes through us; what the lower layer said may have become wrong. */
int ovl_revalidate(struct dentry *parent, struct dentry *d, u32 flags)
{
	struct dentry *lower = ovl_lower_name(d);
	struct inode *i = d->inode;
	int ok = 1;

	if (!lower || ovl_upper_name(d) || (i && ovl_upper(i)))
		return 1;
	if (!(READ_ONCE(lower->flags) & DENTRY_HASHED))
		return 0;
	if (lower->ops && lower->ops->revalidate)
		ok = lower->ops->revalidate(lower->parent, lower, flags);
	if (ok > 0 && i) {
		if (unlikely(!lower->inode || ((lower->inode->mode ^ i->mode) & S_IFMT)))
			return 0;
		ovl_copy_attr(i);
	}
	return ok;
}

/* ---- new names ---- */

struct new_thing {
	umode_t mode;
	u64 rdev;
	const char *target;    /* symlink */
	struct dentry *linked; /* hard link: the upper dentry of what gets another name */
};

/* Makes the name in upper directory @up, which is locked. */
static int make_upper(struct dentry *up, struct dentry *d, const struct new_thing *t, struct dentry **out)
{
	struct inode *dir = up->inode;
	struct dentry *u;
	int err = ovl_clear_whiteout(up, d->name, d->name_len);

	if (err)
		return err;
	u = lookup_one(up, d->name, d->name_len);
	if (IS_ERR(u))
		return (int)PTR_ERR(u);
	if (t->linked) {
		/* A lower file whose copied name is gone may well have others. */
		if (!t->linked->inode->nlink)
			t->linked->inode->flags |= INODE_LINKABLE;
		err = vfs_link(t->linked, dir, u);
	} else if (S_ISDIR(t->mode)) {
		err = vfs_mkdir(dir, u, t->mode);
	} else if (S_ISLNK(t->mode)) {
		err = vfs_symlink(dir, u, t->target);
	} else if (S_ISREG(t->mode)) {
		err = vfs_create(dir, u, t->mode);
	} else {
		err = vfs_mknod(dir, u, t->mode, t->rdev);
	}
	if (err)
		dput(u);
	else
		*out = u;
	return err;
}

/* The name is in the upper layer now: what the lower one says does not count any more. */
static void settle_name(struct dentry *d, struct dentry *upper)
{
	struct dentry *lower = ovl_lower_name(d);

	d->ops = &ovl_dentry_ops;
	ovl_set_upper_name(d, upper);
	ovl_set_lower_name(d, NULL);
	dput(lower);
}

static int ovl_make(struct inode *dir, struct dentry *d, const struct new_thing *t, struct inode *i)
{
	struct dentry *up, *upper = NULL;
	int err = ovl_copy_up(d->parent, OVL_COPY_INODE);

	if (err)
		return err;
	up = ovl_upper(dir);
	down_write(&up->inode->lock);
	err = make_upper(up, d, t, &upper);
	up_write(&up->inode->lock);
	if (err)
		return err;
	if (!i) {
		i = ovl_get_inode(d->sb, upper, NULL);
		if (IS_ERR(i)) {
			/* The thing stays in the upper layer; it will be found when there is memory again. */
			dput(upper);
			d_drop(d);
			return (int)PTR_ERR(i);
		}
	}
	settle_name(d, upper);
	d_instantiate(d, i);
	d_add(d, NULL);
	ovl_copy_attr(dir);
	return 0;
}

static int ovl_create(struct inode *dir, struct dentry *d, umode_t mode, bool excl)
{
	return ovl_make(dir, d, &(struct new_thing){.mode = mode | S_IFREG}, NULL);
}

static int ovl_mknod(struct inode *dir, struct dentry *d, umode_t mode, u64 rdev)
{
	/* A whiteout of our own kind would vanish at once. */
	if (S_ISCHR(mode) && rdev == 0)
		return -EPERM;
	return ovl_make(dir, d, &(struct new_thing){.mode = mode, .rdev = rdev}, NULL);
}

static int ovl_mkdir(struct inode *dir, struct dentry *d, umode_t mode)
{
	const int err = ovl_make(dir, d, &(struct new_thing){.mode = mode | S_IFDIR}, NULL);

	if (!err && !ovl_i(dir)->lower)
		inode_set_nlink(dir, dir->nlink + 1);
	return err;
}

static int ovl_symlink(struct inode *dir, struct dentry *d, const char *target)
{
	return ovl_make(dir, d, &(struct new_thing){.mode = S_IFLNK, .target = target}, NULL);
}

static int ovl_link(struct dentry *old, struct inode *dir, struct dentry *d)
{
	struct inode *i = old->inode;
	int err = ovl_copy_up(old, OVL_COPY_INODE);

	if (err)
		return err;
	inode_get(i);
	err = ovl_make(dir, d, &(struct new_thing){.linked = ovl_upper(i)}, i);
	if (err) {
		inode_put(i);
		return err;
	}
	inode_set_nlink(i, i->nlink + 1);
	i->ctime = current_time();
	return 0;
}

static struct inode *ovl_tmpfile(struct inode *dir, umode_t mode)
{
	struct dentry *up = ovl_upper(dir), *d;
	struct inode *u, *i;

	/* Without a name it does not matter where in the upper layer it is. */
	if (!up)
		up = ovl_sb(dir->sb)->upper->root;
	u = up->inode->ops->tmpfile(up->inode, mode);
	if (IS_ERR(u))
		return u;
	d = d_alloc(up, "#tmpfile", 8);
	if (!d) {
		inode_put(u);
		return ERR_PTR(-ENOMEM);
	}
	atomic_or(&d->flags, DENTRY_UNLINKED);
	d_instantiate(d, u);
	i = ovl_get_inode(dir->sb, d, NULL);
	dput(d);
	return i;
}

const struct inode_ops ovl_dir_inode_ops = {
	.lookup = ovl_lookup,
	.create = ovl_create,
	.mknod = ovl_mknod,
	.mkdir = ovl_mkdir,
	.symlink = ovl_symlink,
	.link = ovl_link,
	.unlink = ovl_unlink,
	.rmdir = ovl_rmdir,
	.rename = ovl_rename,
	.tmpfile = ovl_tmpfile,
	.getattr = ovl_getattr,
	.setattr = ovl_setattr,
	.permission = ovl_permission,
	.getxattr = ovl_getxattr,
	.setxattr = ovl_setxattr,
	.listxattr = ovl_listxattr,
	.removexattr = ovl_removexattr,
};
