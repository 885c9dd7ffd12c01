/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing directories: create, mknod, mkdir, symlink, link, unlink, rmdir, rename.
 *
 * The system calls walk to the parent, lock it and check; the vfs_*() functions do the change, tell inotify and keep
 * the name cache right. Two directories are locked ancestor first, else by address, under the rename_mutex of their
 * super block if they differ, so that the tree cannot turn under a rename (fs/README.md has the order of locks).
 */
#include "internal.h"

static void notify_dir(struct inode *dir, u32 mask, struct dentry *d, u32 cookie)
{
	if (dir->watches)
		fsnotify_name(dir, mask, d->name, cookie);
}

/* ---- one directory ---- */

int vfs_create(struct inode *dir, struct dentry *d, umode_t mode)
{
	int err;

	if (!dir->ops->create)
		return -EACCES;
	err = dir->ops->create(dir, d, mode, true);
	if (!err)
		notify_dir(dir, IN_CREATE, d, 0);
	return err;
}

int vfs_mknod(struct inode *dir, struct dentry *d, umode_t mode, u64 rdev)
{
	int err;

	if (!dir->ops->mknod)
		return -EPERM;
	err = dir->ops->mknod(dir, d, mode, rdev);
	if (!err)
		notify_dir(dir, IN_CREATE, d, 0);
	return err;
}

int vfs_mkdir(struct inode *dir, struct dentry *d, umode_t mode)
{
	int err;

	if (!dir->ops->mkdir)
		return -EPERM;
	err = dir->ops->mkdir(dir, d, mode);
	if (!err)
		notify_dir(dir, IN_CREATE | IN_ISDIR, d, 0);
	return err;
}

int vfs_symlink(struct inode *dir, struct dentry *d, const char *target)
{
	int err;

	if (!dir->ops->symlink)
		return -EPERM;
	err = dir->ops->symlink(dir, d, target);
	if (!err)
		notify_dir(dir, IN_CREATE, d, 0);
	return err;
}

int vfs_link(struct dentry *old, struct inode *dir, struct dentry *d)
{
	int err;

	if (old->sb != dir->sb)
		return -EXDEV;
	if (S_ISDIR(old->inode->mode) || !dir->ops->link)
		return -EPERM;
	if (old->inode->nlink == 0 && !(old->inode->flags & INODE_LINKABLE))
		return -ENOENT;
	err = dir->ops->link(old, dir, d);
	if (!err) {
		old->inode->flags &= ~(u32)INODE_LINKABLE;
		if (old->inode->watches)
			fsnotify_inode(old->inode, IN_ATTRIB);
		notify_dir(dir, IN_CREATE, d, 0);
	}
	return err;
}

int vfs_unlink(struct inode *dir, struct dentry *d)
{
	struct inode *i = d->inode;
	int err;

	if (!dir->ops->unlink)
		return -EPERM;
	inode_get(i);
	err = dir->ops->unlink(dir, d);
	if (!err) {
		d_delete(d);
		if (i->watches)
			fsnotify_inode(i, IN_ATTRIB);
		notify_dir(dir, IN_DELETE, d, 0);
	}
	inode_put(i);
	return err;
}

int vfs_rmdir(struct inode *dir, struct dentry *d)
{
	struct inode *i = d->inode;
	int err;

	if (!dir->ops->rmdir)
		return -EPERM;
	down_write(&i->lock);
	err = dir->ops->rmdir(dir, d);
	if (!err)
		i->flags |= INODE_DEAD;
	up_write(&i->lock);
	if (!err) {
		d_prune_children(d);
		d_delete(d);
		notify_dir(dir, IN_DELETE | IN_ISDIR, d, 0);
	}
	return err;
}

/* ---- rename ---- */

/* The child of @a through which @d is reached, or NULL if @a is no proper ancestor of @d. */
static struct dentry *child_towards(struct dentry *a, struct dentry *d)
{
	struct dentry *found = NULL;

	spin_lock(&rename_lock);
	for (; d->parent != d; d = d->parent) {
		if (d->parent == a) {
			found = d;
			break;
		}
	}
	spin_unlock(&rename_lock);
	return found;
}

struct dentry *lock_rename(struct dentry *a, struct dentry *b)
{
	struct inode *ai = a->inode, *bi = b->inode;
	struct dentry *p;

	if (ai == bi) {
		down_write(&ai->lock);
		return NULL;
	}
	mutex_lock(&a->sb->rename_mutex);
	p = child_towards(b, a);
	if (p || (!d_is_ancestor(a, b) && bi < ai)) {
		down_write(&bi->lock);
		down_write(&ai->lock);
		return p;
	}
	p = child_towards(a, b);
	down_write(&ai->lock);
	down_write(&bi->lock);
	return p;
}

void unlock_rename(struct dentry *a, struct dentry *b)
{
	up_write(&a->inode->lock);
	if (a->inode != b->inode) {
		up_write(&b->inode->lock);
		mutex_unlock(&a->sb->rename_mutex);
	}
}

/* The two moved things are locked too if they are directories, after their parents. */
static void lock_moved(struct inode *a, struct inode *b)
{
	if (b && S_ISDIR(b->mode) && S_ISDIR(a->mode) && b < a) {
		struct inode *t = a;

		a = b;
		b = t;
	}
	if (S_ISDIR(a->mode))
		down_write(&a->lock);
	if (b && S_ISDIR(b->mode))
		down_write(&b->lock);
}

static void unlock_moved(struct inode *a, struct inode *b)
{
	if (S_ISDIR(a->mode))
		up_write(&a->lock);
	if (b && S_ISDIR(b->mode))
		up_write(&b->lock);
}

static void notify_rename(struct inode *odir, const char *oname, struct inode *ndir, struct dentry *now, u32 cookie)
{
	const u32 dir = S_ISDIR(now->inode->mode) ? IN_ISDIR : 0;

	if (odir->watches)
		fsnotify_name(odir, IN_MOVED_FROM | dir, oname, cookie);
	if (ndir->watches)
		fsnotify_name(ndir, IN_MOVED_TO | dir, now->name, cookie);
	if (now->inode->watches)
		fsnotify_inode(now->inode, IN_MOVE_SELF);
}

int vfs_rename(struct inode *odir, struct dentry *od, struct inode *ndir, struct dentry *nd, u32 flags)
{
	static u32 cookies;
	struct inode *oi = od->inode, *ni = nd->inode;
	char *oname = NULL;
	u32 cookie;
	int err;

	if (oi == ni)
		return 0; /* two links to one file */
	if (!odir->ops->rename)
		return -EPERM;
	if (odir->watches || ndir->watches)
		oname = kstrdup(od->name);
	if (ni)
		inode_get(ni);
	lock_moved(oi, ni);
	err = odir->ops->rename(odir, od, ndir, nd, flags);
	if (!err && ni && !(flags & RENAME_EXCHANGE) && S_ISDIR(ni->mode))
		ni->flags |= INODE_DEAD;
	unlock_moved(oi, ni);
	if (!err) {
		if (ni && !(flags & RENAME_EXCHANGE))
			d_prune_children(nd);
		d_move(od, nd, (flags & RENAME_EXCHANGE) != 0);
		cookie = atomic_add_return(&cookies, 1);
		notify_rename(odir, oname ? oname : "", ndir, od, cookie);
		if (flags & RENAME_EXCHANGE)
			notify_rename(ndir, od->name, odir, nd, atomic_add_return(&cookies, 1));
		else if (ni && ni->watches)
			fsnotify_inode(ni, IN_ATTRIB);
	}
	inode_put(ni);
	kfree(oname);
	return err;
}

/* ---- creation by path ---- */

/* @only: unless NULL, the mount it has to be on; that counts before permissions do. */
static struct dentry *create_at(struct nameidata *nd, bool is_dir, const struct mount *only)
{
	struct inode *dir = nd->path.dentry->inode;
	struct dentry *d;
	int err;

	if (nd->last_type != LAST_NORM)
		return ERR_PTR(-EEXIST);
	down_write(&dir->lock);
	d = lookup_last(nd);
	if (IS_ERR(d)) {
		up_write(&dir->lock);
		return d;
	}
	err = -EEXIST;
	if (!d->inode) {
		err = nd->trailing && !is_dir ? -ENOENT : mnt_want_write(&nd->path);
		if (!err && only && nd->path.mnt != only)
			err = -EXDEV;
		if (!err)
			err = may_create(dir);
	}
	if (!err)
		return d;
	up_write(&dir->lock);
	dput(d);
	return ERR_PTR(err);
}

static struct dentry *path_create_on(int dfd, const char *name, struct path *parent, bool is_dir,
				     const struct mount *only)
{
	struct nameidata nd;
	struct dentry *d;
	int err = path_parent(&nd, dfd, name, 0);

	if (err)
		return ERR_PTR(err);
	d = create_at(&nd, is_dir, only);
	if (!IS_ERR(d)) {
		*parent = nd.path;
		path_get(parent);
	}
	nd_end(&nd);
	return d;
}

struct dentry *path_create(int dfd, const char *name, struct path *parent, bool is_dir)
{
	return path_create_on(dfd, name, parent, is_dir, NULL);
}

void done_path_create(struct path *parent, struct dentry *d)
{
	up_write(&parent->dentry->inode->lock);
	dput(d);
	path_put(parent);
}

static struct dentry *user_path_create(int dfd, const char __user *uname, struct path *parent, bool is_dir)
{
	struct pathname n;
	struct dentry *d;
	int err = pathname_get(&n, uname, false);

	if (err)
		return ERR_PTR(err);
	d = path_create(dfd, n.p, parent, is_dir);
	pathname_put(&n);
	return d;
}

static long do_mknod(int dfd, const char __user *uname, umode_t mode, u64 dev)
{
	struct path parent;
	struct dentry *d;
	u64 rdev = 0;
	int err;

	switch (mode & S_IFMT) {
	case 0:
		mode |= S_IFREG;
		break;
	case S_IFREG:
	case S_IFIFO:
	case S_IFSOCK:
		break;
	case S_IFCHR:
	case S_IFBLK:
		rdev = (u32)dev;
		break;
	case S_IFDIR:
		return -EPERM;
	default:
		return -EINVAL;
	}
	d = user_path_create(dfd, uname, &parent, false);
	if (IS_ERR(d))
		return PTR_ERR(d);
	mode = inode_create_mode(parent.dentry->inode, mode & (S_IFMT | 07777));
	if ((S_ISCHR(mode) || S_ISBLK(mode)) && !(S_ISCHR(mode) && rdev == 0) && !capable(CAP_MKNOD))
		err = -EPERM;
	else if (S_ISREG(mode))
		err = vfs_create(parent.dentry->inode, d, mode);
	else
		err = vfs_mknod(parent.dentry->inode, d, mode, rdev);
	done_path_create(&parent, d);
	return err;
}

SYSCALL3(mknod, const char __user *, uname, umode_t, mode, u64, dev)
{
	return do_mknod(AT_FDCWD, uname, mode, dev);
}

SYSCALL4(mknodat, int, dfd, const char __user *, uname, umode_t, mode, u64, dev)
{
	return do_mknod(dfd, uname, mode, dev);
}

static long do_mkdir(int dfd, const char __user *uname, umode_t mode)
{
	struct path parent;
	struct dentry *d = user_path_create(dfd, uname, &parent, true);
	int err;

	if (IS_ERR(d))
		return PTR_ERR(d);
	err = vfs_mkdir(parent.dentry->inode, d, (mode & 01777 & ~current->fs->umask) | S_IFDIR);
	done_path_create(&parent, d);
	return err;
}

SYSCALL2(mkdir, const char __user *, uname, umode_t, mode)
{
	return do_mkdir(AT_FDCWD, uname, mode);
}

SYSCALL3(mkdirat, int, dfd, const char __user *, uname, umode_t, mode)
{
	return do_mkdir(dfd, uname, mode);
}

static long do_symlink(const char __user *utarget, int dfd, const char __user *uname)
{
	struct pathname target;
	struct path parent;
	struct dentry *d;
	int err = pathname_get(&target, utarget, false);

	if (err)
		return err;
	d = user_path_create(dfd, uname, &parent, false);
	if (IS_ERR(d)) {
		err = (int)PTR_ERR(d);
	} else {
		err = vfs_symlink(parent.dentry->inode, d, target.p);
		done_path_create(&parent, d);
	}
	pathname_put(&target);
	return err;
}

SYSCALL2(symlink, const char __user *, utarget, const char __user *, uname)
{
	return do_symlink(utarget, AT_FDCWD, uname);
}

SYSCALL3(symlinkat, const char __user *, utarget, int, dfd, const char __user *, uname)
{
	return do_symlink(utarget, dfd, uname);
}

/*
 * Links to what one could not write anyway are for its owner (Linux: fs.protected_hardlinks = 1): else anybody could
 * pin a set-id program that is about to be replaced.
 */
static bool may_link(struct inode *i)
{
	if (owner_or_capable(i))
		return true;
	if (!S_ISREG(i->mode) || (i->mode & S_ISUID) || (i->mode & (S_ISGID | 0010)) == (S_ISGID | 0010))
		return false;
	return inode_permission(i, MAY_READ | MAY_WRITE) == 0;
}

/* @old: what to link to. */
static int link_path(const struct path *old, int dfd, const char __user *uname)
{
	struct inode *i = old->dentry->inode;
	const bool allowed = may_link(i);
	struct path parent;
	struct pathname n;
	struct dentry *d;
	int err = pathname_get(&n, uname, false);

	if (err)
		return err;
	d = path_create_on(dfd, n.p, &parent, false, old->mnt);
	pathname_put(&n);
	if (IS_ERR(d)) {
		err = (int)PTR_ERR(d);
		return (err == -EACCES || err == -EXDEV) && !allowed ? -EPERM : err;
	}
	if (!allowed)
		err = -EPERM;
	else if (i->flags & (INODE_APPEND | INODE_IMMUTABLE))
		err = -EPERM;
	else
		err = vfs_link(old->dentry, parent.dentry->inode, d);
	done_path_create(&parent, d);
	return err;
}

static long do_link(int odfd, const char __user *uold, int ndfd, const char __user *unew, u32 flags)
{
	struct path old;
	u32 lookup = 0;
	int err;

	if (flags & ~(u32)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (flags & AT_SYMLINK_FOLLOW)
		lookup |= LOOKUP_FOLLOW;
	if (flags & AT_EMPTY_PATH) {
		if (!capable(CAP_DAC_READ_SEARCH))
			return -ENOENT;
		lookup |= LOOKUP_EMPTY;
	}
	err = user_path_at(odfd, uold, lookup, &old);
	if (err)
		return err;
	err = link_path(&old, ndfd, unew);
	path_put(&old);
	return err;
}

SYSCALL2(link, const char __user *, uold, const char __user *, unew)
{
	return do_link(AT_FDCWD, uold, AT_FDCWD, unew, 0);
}

SYSCALL5(linkat, int, odfd, const char __user *, uold, int, ndfd, const char __user *, unew, u32, flags)
{
	return do_link(odfd, uold, ndfd, unew, flags);
}

/* ---- removal by path ---- */

static int remove_last(struct nameidata *nd, bool is_dir)
{
	struct inode *dir = nd->path.dentry->inode, *victim = NULL;
	struct dentry *d;
	int err = 0;

	if (is_dir) {
		if (nd->last_type == LAST_DOTDOT)
			return -ENOTEMPTY;
		if (nd->last_type == LAST_DOT)
			return -EINVAL;
		if (nd->last_type == LAST_ROOT)
			return -EBUSY;
	} else if (nd->last_type != LAST_NORM) {
		return -EISDIR;
	}
	down_write(&dir->lock);
	d = lookup_last(nd);
	if (IS_ERR(d)) {
		up_write(&dir->lock);
		return (int)PTR_ERR(d);
	}
	if (!d->inode)
		err = -ENOENT;
	else if (!is_dir && nd->trailing)
		err = S_ISDIR(d->inode->mode) ? -EISDIR : -ENOTDIR;
	if (!err)
		err = mnt_want_write(&nd->path);
	if (!err)
		err = may_delete(dir, d, is_dir);
	if (!err) {
		/* Its content goes after the lock. */
		victim = d->inode;
		inode_get(victim);
		err = is_dir ? vfs_rmdir(dir, d) : vfs_unlink(dir, d);
	}
	up_write(&dir->lock);
	dput(d);
	inode_put(victim);
	return err;
}

static long do_remove(int dfd, const char __user *uname, bool is_dir)
{
	struct nameidata nd;
	struct pathname n;
	int err = pathname_get(&n, uname, false);

	if (err)
		return err;
	err = path_parent(&nd, dfd, n.p, 0);
	if (!err) {
		err = remove_last(&nd, is_dir);
		nd_end(&nd);
	}
	pathname_put(&n);
	return err;
}

SYSCALL1(unlink, const char __user *, uname)
{
	return do_remove(AT_FDCWD, uname, false);
}

SYSCALL1(rmdir, const char __user *, uname)
{
	return do_remove(AT_FDCWD, uname, true);
}

SYSCALL3(unlinkat, int, dfd, const char __user *, uname, u32, flags)
{
	if (flags & ~(u32)AT_REMOVEDIR)
		return -EINVAL;
	return do_remove(dfd, uname, (flags & AT_REMOVEDIR) != 0);
}

/* ---- rename by path ---- */

/* Both parents locked; @between: see lock_rename(). */
static int rename_checked(struct nameidata *o, struct nameidata *n, struct dentry *between, u32 flags)
{
	struct inode *odir = o->path.dentry->inode, *ndir = n->path.dentry->inode;
	struct dentry *od, *nd = NULL;
	int err = 0;

	od = lookup_last(o);
	if (IS_ERR(od))
		return (int)PTR_ERR(od);
	if (!od->inode) {
		err = -ENOENT;
		goto put;
	}
	nd = lookup_last(n);
	if (IS_ERR(nd)) {
		err = (int)PTR_ERR(nd);
		nd = NULL;
		goto put;
	}
	if ((flags & RENAME_NOREPLACE) && nd->inode)
		err = -EEXIST;
	else if ((flags & RENAME_EXCHANGE) && !nd->inode)
		err = -ENOENT;
	else if (!S_ISDIR(od->inode->mode) && (o->trailing || (!(flags & RENAME_EXCHANGE) && n->trailing)))
		err = -ENOTDIR;
	else if ((flags & RENAME_EXCHANGE) && !S_ISDIR(nd->inode->mode) && n->trailing)
		err = -ENOTDIR;
	else if (od == between)
		err = -EINVAL; /* into itself */
	else if (nd == between)
		err = flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	if (!err)
		err = mnt_want_write(&o->path);
	if (!err && od->inode != nd->inode) {
		err = may_delete(odir, od, S_ISDIR(od->inode->mode));
		if (!err && !nd->inode)
			err = may_create(ndir);
		else if (!err && (flags & RENAME_EXCHANGE))
			err = may_delete(ndir, nd, S_ISDIR(nd->inode->mode));
		else if (!err)
			err = may_delete(ndir, nd, S_ISDIR(od->inode->mode));
		/* A directory that gets another ".." must be writable. */
		if (!err && odir != ndir && S_ISDIR(od->inode->mode))
			err = inode_permission(od->inode, MAY_WRITE);
		if (!err && odir != ndir && (flags & RENAME_EXCHANGE) && S_ISDIR(nd->inode->mode))
			err = inode_permission(nd->inode, MAY_WRITE);
	}
	if (!err)
		err = vfs_rename(odir, od, ndir, nd, flags);
put:
	dput(nd);
	dput(od);
	return err;
}

static int rename_at(struct nameidata *o, struct nameidata *n, u32 flags)
{
	struct dentry *between;
	int err;

	if (o->path.mnt != n->path.mnt)
		return -EXDEV;
	if (o->last_type != LAST_NORM || n->last_type != LAST_NORM)
		return (flags & RENAME_NOREPLACE) && n->last_type != LAST_NORM && o->last_type == LAST_NORM ? -EEXIST
													    : -EBUSY;
	between = lock_rename(o->path.dentry, n->path.dentry);
	err = rename_checked(o, n, between, flags);
	unlock_rename(o->path.dentry, n->path.dentry);
	return err;
}

static long do_rename(int odfd, const char __user *uold, int ndfd, const char __user *unew, u32 flags)
{
	struct {
		struct pathname on, nn;
		struct nameidata o, n;
	} * w;
	int err;

	if (flags & ~(u32)(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	if ((flags & RENAME_EXCHANGE) && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)))
		return -EINVAL;
	if ((flags & RENAME_WHITEOUT) && !capable(CAP_MKNOD))
		return -EPERM;
	w = kmalloc(sizeof(*w)); /* too much for the stack */
	if (!w)
		return -ENOMEM;
	err = pathname_get(&w->on, uold, false);
	if (err)
		goto free;
	err = pathname_get(&w->nn, unew, false);
	if (err)
		goto put_old;
	err = path_parent(&w->o, odfd, w->on.p, 0);
	if (err)
		goto put_new;
	err = path_parent(&w->n, ndfd, w->nn.p, 0);
	if (!err) {
		err = rename_at(&w->o, &w->n, flags);
		nd_end(&w->n);
	}
	nd_end(&w->o);
put_new:
	pathname_put(&w->nn);
put_old:
	pathname_put(&w->on);
free:
	kfree(w);
	return err;
}

SYSCALL2(rename, const char __user *, uold, const char __user *, unew)
{
	return do_rename(AT_FDCWD, uold, AT_FDCWD, unew, 0);
}

SYSCALL4(renameat, int, odfd, const char __user *, uold, int, ndfd, const char __user *, unew)
{
	return do_rename(odfd, uold, ndfd, unew, 0);
}

SYSCALL5(renameat2, int, odfd, const char __user *, uold, int, ndfd, const char __user *, unew, u32, flags)
{
	return do_rename(odfd, uold, ndfd, unew, flags);
}
