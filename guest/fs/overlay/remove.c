/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overlay: taking names away. A name that the lower layer has needs a whiteout in the upper one, which stands there
 * instead.
 */
#include "overlay.h"

/* Upper directory @up locked. Removes what is at the name: a file or an empty directory. */
static int remove_upper(struct dentry *up, struct dentry *u)
{
	return S_ISDIR(u->inode->mode) ? vfs_rmdir(up->inode, u) : vfs_unlink(up->inode, u);
}

int ovl_clear_whiteout(struct dentry *dir, const char *name, u32 len)
{
	struct dentry *u = lookup_one(dir, name, len);
	int err = 0;

	if (IS_ERR(u))
		return (int)PTR_ERR(u);
	if (u->inode)
		err = ovl_is_whiteout(u->inode) ? vfs_unlink(dir->inode, u) : -EEXIST;
	dput(u);
	return err;
}

static int put_whiteout(struct dentry *up, const char *name, u32 len)
{
	struct dentry *u = lookup_one(up, name, len);
	int err = 0;

	if (IS_ERR(u))
		return (int)PTR_ERR(u);
	if (!u->inode)
		err = vfs_mknod(up->inode, u, S_IFCHR, 0);
	dput(u);
	return err;
}

/* Does the lower layer have a thing of this name in @dir? 1, 0, -errno. */
static int lower_has(const struct inode *dir, const struct dentry *d)
{
	struct dentry *l;
	int has;

	if (!ovl_i(dir)->lower)
		return 0;
	l = lookup_one_unlocked(ovl_i(dir)->lower, d->name, d->name_len);
	if (IS_ERR(l))
		return (int)PTR_ERR(l);
	has = l->inode != NULL;
	dput(l);
	return has;
}

/*
 * The file has lost a name. While it has others the count must outlive its inode's time in memory: of what was copied
 * up its origin sees to that, a lower file waits in a list. names_lock held.
 */
static void drop_link(struct inode *i)
{
	struct ovl_inode *oi = ovl_i(i);
	struct dentry *u = ovl_upper(i);

	if (i->nlink)
		inode_set_nlink(i, i->nlink - 1);
	i->ctime = current_time();
	WRITE_ONCE(oi->own_nlink, true);
	if (i->nlink && !u && list_empty(&oi->fewer_link)) {
		inode_get(i);
		list_add(&oi->fewer_link, &ovl_sb(i->sb)->fewer_links);
	} else if (!i->nlink) {
		if (u)
			ovl_origin_del(i->sb, u->inode->ino);
		ovl_forget_links(oi);
	}
}

/* Whiteouts are all that an empty merged directory has in the upper layer. @dir locked. */
static int remove_whiteouts(struct dentry *dir)
{
	struct dentry *c, *u;
	int err = 0;

	for (;;) {
		u = NULL;
		spin_lock(&dir->lock);
		list_for_each_entry(c, &dir->children, child_link) {
			/* Those of tmpfs are in memory as long as they exist. */
			if ((c->flags & DENTRY_HASHED) && c->inode && ovl_is_whiteout(c->inode)) {
				u = dget(c);
				break;
			}
		}
		spin_unlock(&dir->lock);
		if (!u)
			return err;
		err = vfs_unlink(dir->inode, u);
		dput(u);
		if (err)
			return err;
	}
}

/* names_lock held; @d's name goes. @whiteout: the lower layer has it. */
static int remove_name(struct inode *dir, struct dentry *d, bool whiteout)
{
	struct dentry *up = ovl_upper(dir), *u = ovl_upper_name(d);
	int err = 0;

	down_write(&up->inode->lock);
	if (u && S_ISDIR(u->inode->mode)) {
		down_write(&u->inode->lock);
		err = remove_whiteouts(u);
		up_write(&u->inode->lock);
	}
	if (!err && u)
		err = remove_upper(up, u);
	if (!err && whiteout)
		err = put_whiteout(up, d->name, d->name_len);
	up_write(&up->inode->lock);
	return err;
}

static int remove_checked(struct inode *dir, struct dentry *d)
{
	struct ovl_super *os = ovl_sb(dir->sb);
	int err, whiteout = lower_has(dir, d);

	if (whiteout < 0)
		return whiteout;
	err = ovl_copy_up(d->parent, OVL_COPY_INODE);
	if (err)
		return err;
	mutex_lock(&os->names_lock);
	err = remove_name(dir, d, whiteout > 0);
	mutex_unlock(&os->names_lock);
	if (!err)
		ovl_copy_attr(dir);
	return err;
}

int ovl_unlink(struct inode *dir, struct dentry *d)
{
	struct ovl_super *os = ovl_sb(dir->sb);
	int err = remove_checked(dir, d);

	if (err)
		return err;
	/* A copy-up under way must not bring the name back. */
	mutex_lock(&os->names_lock);
	atomic_or(&d->flags, DENTRY_UNLINKED);
	drop_link(d->inode);
	mutex_unlock(&os->names_lock);
	return 0;
}

int ovl_rmdir(struct inode *dir, struct dentry *d)
{
	struct inode *i = d->inode;
	int err = ovl_check_empty(d);

	if (!err)
		err = remove_checked(dir, d);
	if (err)
		return err;
	atomic_or(&d->flags, DENTRY_UNLINKED);
	inode_set_nlink(i, 0);
	if (!ovl_i(dir)->lower)
		inode_set_nlink(dir, dir->nlink - 1);
	if (ovl_upper(i))
		ovl_origin_del(i->sb, ovl_upper(i)->inode->ino);
	return 0;
}

/* ---- rename ---- */

struct rename {
	struct inode *odir, *ndir;
	struct dentry *od, *nd; /* of the overlay */
	u32 flags;
	bool whiteout; /* the lower layer has the old name */
};

/* Makes room for the new name in the upper layer. Both upper directories locked. */
static int clear_target(const struct rename *r, struct dentry *nup, struct dentry **out)
{
	struct dentry *u;
	int err = 0;

	u = lookup_one(nup, r->nd->name, r->nd->name_len);
	if (IS_ERR(u))
		return (int)PTR_ERR(u);
	if (u->inode && ovl_is_whiteout(u->inode)) {
		err = vfs_unlink(nup->inode, u);
		dput(u);
		if (err)
			return err;
		u = lookup_one(nup, r->nd->name, r->nd->name_len);
		if (IS_ERR(u))
			return (int)PTR_ERR(u);
	} else if (u->inode && S_ISDIR(u->inode->mode) && !(r->flags & RENAME_EXCHANGE)) {
		down_write(&u->inode->lock);
		err = remove_whiteouts(u);
		up_write(&u->inode->lock);
	}
	if (err)
		dput(u);
	else
		*out = u;
	return err;
}

/* names_lock held: the rename in the upper layer. */
static int rename_upper(const struct rename *r)
{
	struct dentry *oup = ovl_upper(r->odir), *nup = ovl_upper(r->ndir), *ou, *nu = NULL;
	int err;

	lock_rename(oup, nup);
	ou = lookup_one(oup, r->od->name, r->od->name_len);
	if (IS_ERR(ou)) {
		err = (int)PTR_ERR(ou);
		goto unlock;
	}
	err = ou->inode ? clear_target(r, nup, &nu) : -ESTALE;
	if (!err) {
		const u32 flags = r->flags & RENAME_EXCHANGE;

		err = vfs_rename(oup->inode, ou, nup->inode, nu, flags);
		dput(nu);
	}
	if (!err && r->whiteout)
		err = put_whiteout(oup, r->od->name, r->od->name_len);
	dput(ou);
unlock:
	unlock_rename(oup, nup);
	return err;
}

/* A file with another name of its own in the lower layer needs that name in the upper one before it can move there. */
static int name_up(struct dentry *d)
{
	struct dentry *up, *u;
	struct inode *file;
	int err;

	if (ovl_upper_name(d))
		return 0;
	up = ovl_upper(d->parent->inode);
	file = ovl_upper(d->inode)->inode;
	down_write(&up->inode->lock);
	u = lookup_one(up, d->name, d->name_len);
	err = IS_ERR(u) ? (int)PTR_ERR(u) : 0;
	if (!err) {
		if (!file->nlink)
			file->flags |= INODE_LINKABLE;
		err = vfs_link(ovl_upper(d->inode), up->inode, u);
		if (err)
			dput(u);
	}
	up_write(&up->inode->lock);
	if (!err)
		ovl_set_upper_name(d, u);
	return err;
}

static int copy_up_all(const struct rename *r)
{
	int err = ovl_copy_up(r->od, OVL_COPY_INODE);

	if (!err)
		err = ovl_copy_up(r->nd->parent, OVL_COPY_INODE);
	if (!err && (r->flags & RENAME_EXCHANGE))
		err = ovl_copy_up(r->nd, OVL_COPY_INODE);
	return err;
}

int ovl_rename(struct inode *odir, struct dentry *od, struct inode *ndir, struct dentry *nd, u32 flags)
{
	struct rename r = {.odir = odir, .ndir = ndir, .od = od, .nd = nd, .flags = flags};
	struct ovl_super *os = ovl_sb(odir->sb);
	struct inode *gone = flags & RENAME_EXCHANGE ? NULL : nd->inode;
	int err = 0, has;

	if (flags & RENAME_WHITEOUT)
		return -EINVAL;
	if (gone && S_ISDIR(gone->mode))
		err = ovl_check_empty(nd);
	if (!err)
		err = copy_up_all(&r);
	if (err)
		return err;
	has = flags & RENAME_EXCHANGE ? 0 : lower_has(odir, od);
	if (has < 0)
		return has;
	r.whiteout = has > 0;
	mutex_lock(&os->names_lock);
	err = name_up(od);
	if (!err && (flags & RENAME_EXCHANGE))
		err = name_up(nd);
	if (!err)
		err = rename_upper(&r);
	if (!err && gone) {
		atomic_or(&nd->flags, DENTRY_UNLINKED);
		if (!S_ISDIR(gone->mode))
			drop_link(gone);
		else if (ovl_upper(gone))
			ovl_origin_del(gone->sb, ovl_upper(gone)->inode->ino);
	}
	mutex_unlock(&os->names_lock);
	if (err)
		return err;
	od->inode->ctime = current_time();
	ovl_copy_attr(odir);
	ovl_copy_attr(ndir);
	return 0;
}
