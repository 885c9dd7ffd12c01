/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overlay inodes: one per file of the overlay, whatever layer it is in now. Files are found by the layer inode they
 * came from, so that hard links meet; a directory has one name and needs no search.
 */
#include "overlay.h"

static const struct inode_ops ovl_file_inode_ops, ovl_symlink_inode_ops;

struct path ovl_layer_path(const struct super *sb, struct dentry *real)
{
	struct ovl_super *os = ovl_sb(sb);

	return (struct path){real->sb == os->upper->sb ? os->upper : os->lower, real};
}

static void copy_attr_from(struct inode *i, const struct inode *real)
{
	i->mode = real->mode;
	i->uid = real->uid;
	i->gid = real->gid;
	i->atime = real->atime;
	i->mtime = real->mtime;
	i->ctime = real->ctime;
	i->flags = (i->flags & (INODE_DEAD | INODE_LINKABLE)) | (real->flags & (INODE_IMMUTABLE | INODE_APPEND));
}

void ovl_copy_attr(struct inode *i)
{
	copy_attr_from(i, ovl_real(i)->inode);
	i->size = ovl_real_data(i)->inode->size;
}

static void set_ops(struct inode *i)
{
	if (S_ISDIR(i->mode)) {
		i->ops = &ovl_dir_inode_ops;
		i->fops = &ovl_dir_ops;
	} else if (S_ISLNK(i->mode)) {
		i->ops = &ovl_symlink_inode_ops;
		i->link = ovl_real(i)->inode->link; /* lives as long as the layer's inode, which we hold */
	} else {
		i->ops = &ovl_file_inode_ops;
		i->fops = S_ISREG(i->mode) ? &ovl_file_ops : NULL; /* special ones are opened by what they are */
	}
}

static struct inode *new_inode(struct super *sb, struct dentry *upper, struct dentry *lower, u64 ino, u64 key)
{
	struct ovl_inode *oi = kzalloc(sizeof(*oi));
	struct inode *i = oi ? inode_new(sb) : NULL;
	struct inode *real = upper ? upper->inode : lower->inode;

	if (!i) {
		kfree(oi);
		return ERR_PTR(-ENOMEM);
	}
	mutex_init(&oi->copy_lock);
	list_init(&oi->fewer_link);
	oi->inode = i;
	oi->key = key;
	oi->upper = upper ? dget(upper) : NULL;
	oi->lower = lower ? dget(lower) : NULL;
	oi->upper_data = upper != NULL;
	i->private = oi;
	i->ino = ino;
	i->rdev = real->rdev;
	i->btime = real->btime;
	i->nlink = S_ISDIR(real->mode) && upper && lower ? 1 : real->nlink;
	copy_attr_from(i, real);
	i->size = real->size;
	set_ops(i);
	return i;
}

/* inodes_lock held. */
static struct inode *find_inode(struct ovl_super *os, u64 key, struct rb_node **parent, struct rb_node ***link)
{
	struct rb_node **l = &os->inodes.node, *p = NULL;

	while (*l) {
		struct ovl_inode *oi = rb_entry(*l, struct ovl_inode, node);

		if (oi->key == key) {
			if (refcount_inc_not_zero(&oi->inode->refs))
				return oi->inode;
			/* It is being evicted: make room; ovl_evict() sees that it is out. */
			rb_erase(&oi->node, &os->inodes);
			oi->key = 0;
			p = NULL;
			l = &os->inodes.node;
			continue;
		}
		p = *l;
		l = key < oi->key ? &p->left : &p->right;
	}
	*parent = p;
	*link = l;
	return NULL;
}

static struct inode *find_or_add(struct ovl_super *os, u64 key, struct inode *fresh)
{
	struct rb_node *parent = NULL, **link = NULL;
	struct inode *i;

	spin_lock(&os->inodes_lock);
	i = find_inode(os, key, &parent, &link);
	if (!i && fresh) {
		rb_link_node(&ovl_i(fresh)->node, parent, link);
		rb_insert_color(&ovl_i(fresh)->node, &os->inodes);
		i = fresh;
	}
	spin_unlock(&os->inodes_lock);
	return i;
}

struct inode *ovl_get_inode(struct super *sb, struct dentry *upper, struct dentry *lower)
{
	struct ovl_super *os = ovl_sb(sb);
	struct inode *real = upper ? upper->inode : lower->inode, *i, *fresh;
	u64 ino = real->ino | (upper ? OVL_UPPER_BIT : 0);

	if (upper && ovl_origin_get(sb, upper->inode->ino, NULL, &i, &ino) && i)
		return i;
	if (S_ISDIR(real->mode))
		return new_inode(sb, upper, lower, ino, 0);
	if (upper)
		lower = NULL;
	i = find_or_add(os, (u64)real, NULL);
	if (i)
		return i;
	fresh = new_inode(sb, upper, lower, ino, (u64)real);
	if (IS_ERR(fresh))
		return fresh;
	i = find_or_add(os, (u64)real, fresh);
	if (i != fresh) {
		ovl_i(fresh)->key = 0;
		inode_put(fresh);
	}
	return i;
}

void ovl_evict(struct inode *i)
{
	struct ovl_super *os = ovl_sb(i->sb);
	struct ovl_inode *oi = ovl_i(i);

	if (!oi)
		return;
	spin_lock(&os->inodes_lock);
	if (oi->key)
		rb_erase(&oi->node, &os->inodes);
	spin_unlock(&os->inodes_lock);
	dput(oi->upper);
	dput(oi->lower);
	kfree(oi);
}

/* ---- names ---- */

static void ovl_release(struct dentry *d)
{
	dput(d->private);
	dput(ovl_lower_name(d));
}

const struct dentry_ops ovl_dentry_ops = {
	.revalidate = ovl_revalidate,
	.release = ovl_release,
};

/* ---- attributes ---- */

int ovl_getattr(const struct path *p, struct kstat *st, u32 mask)
{
	struct inode *i = p->dentry->inode;
	const u64 mnt_id = st->mnt_id;
	struct dentry *data;
	struct kstat content;
	struct path real = ovl_layer_path(i->sb, ovl_real(i));
	int err = vfs_getattr(&real, st, mask);

	if (err)
		return err;
	data = ovl_real_data(i);
	if (data != real.dentry && S_ISREG(i->mode)) {
		real = ovl_layer_path(i->sb, data);
		err = vfs_getattr(&real, &content, mask);
		if (err)
			return err;
		st->size = content.size;
		st->blocks = content.blocks;
	}
	st->dev = i->sb->dev;
	st->ino = i->ino;
	st->mnt_id = mnt_id;
	/*
	 * What was copied up has the links it had in the lower layer, less those removed; a merged directory does not
	 * count its own.
	 */
	if ((ovl_upper(i) && ovl_i(i)->lower) || READ_ONCE(ovl_i(i)->own_nlink))
		st->nlink = i->nlink;
	ovl_copy_attr(i);
	return 0;
}

int ovl_permission(struct inode *i, u32 mask)
{
	struct inode *real = ovl_real(i)->inode;

	/* Not inode_permission(): a read-only layer does not make the overlay so. */
	return real->ops && real->ops->permission ? real->ops->permission(real, mask) : generic_permission(real, mask);
}

/* Gives the upper inode what @attr says. */
static int upper_setattr(struct dentry *upper, const struct iattr *attr)
{
	struct inode *u = upper->inode;
	int err = 0;

	down_write(&u->lock);
	if (u->ops && u->ops->setattr)
		err = u->ops->setattr(upper, u, attr);
	else
		setattr_copy(u, attr);
	up_write(&u->lock);
	return err;
}

int ovl_setattr(struct dentry *d, struct inode *i, const struct iattr *attr)
{
	enum ovl_copy what = OVL_COPY_INODE;
	int err;

	if (attr->valid & ATTR_SIZE)
		what = attr->size ? OVL_COPY_DATA : OVL_COPY_EMPTY;
	err = ovl_copy_up(d, what);
	if (!err)
		err = upper_setattr(ovl_upper(i), attr);
	if (!err)
		ovl_copy_attr(i);
	return err;
}

/* ---- extended attributes ---- */

ssize_t ovl_getxattr(struct inode *i, const char *name, void *buf, size_t size)
{
	return vfs_getxattr(ovl_real(i), name, buf, size);
}

ssize_t ovl_listxattr(struct inode *i, char *buf, size_t size)
{
	return vfs_listxattr(ovl_real(i), buf, size);
}

int ovl_setxattr(struct dentry *d, struct inode *i, const char *name, const void *val, size_t size, u32 flags)
{
	const int err = ovl_copy_up(d, OVL_COPY_INODE);

	return err ? err : vfs_setxattr(ovl_upper(i), name, val, size, flags);
}

int ovl_removexattr(struct dentry *d, struct inode *i, const char *name)
{
	const int err = ovl_copy_up(d, OVL_COPY_INODE);

	return err ? err : vfs_removexattr(ovl_upper(i), name);
}

/* ---- symlinks ---- */

static char *ovl_readlink(struct dentry *d, struct inode *i, struct path *jump)
{
	struct dentry *real = ovl_real(i);

	if (real->inode->link)
		return kstrdup(real->inode->link);
	return real->inode->ops->readlink(real, real->inode, jump);
}

static const struct inode_ops ovl_file_inode_ops = {
	.getattr = ovl_getattr,
	.setattr = ovl_setattr,
	.permission = ovl_permission,
	.getxattr = ovl_getxattr,
	.setxattr = ovl_setxattr,
	.listxattr = ovl_listxattr,
	.removexattr = ovl_removexattr,
};

static const struct inode_ops ovl_symlink_inode_ops = {
	.readlink = ovl_readlink,
	.getattr = ovl_getattr,
	.setattr = ovl_setattr,
	.permission = ovl_permission,
	.getxattr = ovl_getxattr,
	.setxattr = ovl_setxattr,
	.listxattr = ovl_listxattr,
	.removexattr = ovl_removexattr,
};
