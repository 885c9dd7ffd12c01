/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overlay: copying things of the lower layer to the upper one, before they change.
 *
 * First the directories above, from the top; then the thing. A regular file is made without a name, filled, and then
 * linked, so nobody sees it half done; if its name has gone meanwhile, it stays without. Its content may come later:
 * oi->upper_data says whether it is there. Several tasks may ask at once: oi->copy_lock makes one do it.
 */
#include "overlay.h"

#define CHUNK (256u << 10)

/* ---- content ---- */

static bool all_zero(const char *p, size_t n)
{
	const u64 *w = (const u64 *)(const void *)p;

	for (; n >= 8; n -= 8) {
		if (*w++)
			return false;
	}
	p = (const char *)w;
	while (n--) {
		if (*p++)
			return false;
	}
	return true;
}

/* Writes what is not zero, page by page, so that holes stay holes. */
static int write_sparse(struct file *to, const char *buf, size_t n, loff_t at)
{
	while (n) {
		const size_t len = MIN(n, (size_t)PAGE_SIZE - (size_t)(at & (loff_t)(PAGE_SIZE - 1)));
		loff_t pos = at;

		if (!all_zero(buf, len)) {
			const ssize_t w = kernel_write(to, buf, len, &pos);

			if (w < 0)
				return (int)w;
			if ((size_t)w < len)
				return -ENOSPC;
		}
		buf += len;
		at += (loff_t)len;
		n -= len;
	}
	return 0;
}

static int copy_chunks(struct file *from, struct file *to, loff_t *end)
{
	char *buf = kmalloc(CHUNK);
	loff_t pos = 0, at;
	ssize_t n;
	int err = 0;

	if (!buf)
		return -ENOMEM;
	while (!err) {
		at = pos;
		n = kernel_read(from, buf, CHUNK, &pos);
		if (n <= 0) {
			err = (int)n;
			break;
		}
		err = write_sparse(to, buf, (size_t)n, at);
		if (!err && fatal_signal_pending())
			err = -EINTR;
		cond_resched();
	}
	kfree(buf);
	*end = pos;
	return err;
}

/* Fills upper file @u with the content of lower file @l. */
static int copy_data(struct super *sb, struct dentry *l, struct dentry *u)
{
	struct path from = ovl_layer_path(sb, l), to = ovl_layer_path(sb, u);
	struct file *in = file_open_path(&from, O_RDONLY | O_LARGEFILE | O_NOATIME, current->cred), *out;
	loff_t end;
	int err;

	if (IS_ERR(in))
		return (int)PTR_ERR(in);
	out = file_open_path(&to, O_WRONLY | O_LARGEFILE, current->cred);
	if (IS_ERR(out)) {
		err = (int)PTR_ERR(out);
	} else {
		err = copy_chunks(in, out, &end);
		if (!err) {
			/* A hole at the end, too, belongs to the size. */
			down_write(&u->inode->lock);
			if (u->inode->size < end)
				u->inode->size = end;
			up_write(&u->inode->lock);
		}
		file_put(out);
	}
	file_put(in);
	return err;
}

/* ---- attributes ---- */

static int copy_xattrs(struct dentry *l, struct dentry *u)
{
	const size_t max = 65536;
	char *names = kmalloc(max), *val = kmalloc(max);
	ssize_t n, size;
	int err = 0;

	if (!names || !val) {
		err = -ENOMEM;
		goto out;
	}
	n = vfs_listxattr(l, names, max);
	for (char *s = names; n > 0 && s < names + n && !err; s += strlen(s) + 1) {
		size = vfs_getxattr(l, s, val, max);
		if (size < 0)
			continue;
		err = vfs_setxattr(u, s, val, (size_t)size, 0);
		/* Attributes that memory cannot hold (ACLs) are left behind. */
		if (err == -EOPNOTSUPP)
			err = 0;
	}
out:
	kfree(names);
	kfree(val);
	return err;
}

static void copy_stat(const struct kstat *st, struct inode *u)
{
	const struct iattr attr = {
		.valid = ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_ATIME | ATTR_MTIME | ATTR_CTIME,
		.mode = st->mode,
		.uid = st->uid,
		.gid = st->gid,
		.atime = st->atime,
		.mtime = st->mtime,
		.ctime = st->ctime,
	};

	down_write(&u->lock);
	setattr_copy(u, &attr);
	u->btime = st->btime;
	up_write(&u->lock);
}

/* ---- one thing ---- */

/* A regular file in upper directory @up without a name, with a dentry nobody finds. */
static struct dentry *new_unnamed(struct dentry *up, umode_t mode)
{
	struct inode *u = up->inode->ops->tmpfile(up->inode, mode);
	struct dentry *d;

	if (IS_ERR(u))
		return ERR_CAST(u);
	d = d_alloc(up, "#copy", 5);
	if (!d) {
		inode_put(u);
		return ERR_PTR(-ENOMEM);
	}
	u->flags |= INODE_LINKABLE;
	atomic_or(&d->flags, DENTRY_UNLINKED);
	d_instantiate(d, u);
	return d;
}

static bool has_name(const struct dentry *d)
{
	return !(READ_ONCE(d->flags) & DENTRY_UNLINKED);
}

/* names_lock held: makes @d's name in upper directory @up: a directory, symlink or special file, or a link to @file. */
static struct dentry *make_name(struct dentry *up, struct dentry *d, const struct kstat *st, struct dentry *file)
{
	struct inode *dir = up->inode;
	const struct timespec64 mtime = dir->mtime, ctime = dir->ctime;
	struct dentry *u;
	char *target = NULL;
	int err;

	if (S_ISLNK(st->mode)) {
		struct path none;
		struct inode *l = ovl_i(d->inode)->lower->inode;

		target = l->link ? kstrdup(l->link) : l->ops->readlink(ovl_i(d->inode)->lower, l, &none);
		if (IS_ERR_OR_NULL(target))
			return target ? ERR_CAST(target) : ERR_PTR(-ENOMEM);
	}
	down_write(&dir->lock);
	u = lookup_one(up, d->name, d->name_len);
	err = IS_ERR(u) ? (int)PTR_ERR(u) : u->inode ? -ESTALE : 0;
	if (!err && file)
		err = vfs_link(file, dir, u);
	else if (!err && S_ISDIR(st->mode))
		err = vfs_mkdir(dir, u, st->mode);
	else if (!err && S_ISLNK(st->mode))
		err = vfs_symlink(dir, u, target);
	else if (!err)
		err = vfs_mknod(dir, u, st->mode, st->rdev);
	/* To programs nothing has happened in this directory. */
	dir->mtime = mtime;
	dir->ctime = ctime;
	up_write(&dir->lock);
	kfree(target);
	if (!err)
		return u;
	if (!IS_ERR(u))
		dput(u);
	return ERR_PTR(err);
}

/* From here on the overlay inode is in the upper layer, at @u. copy_lock held. */
static int publish(struct dentry *d, struct dentry *u, bool with_data)
{
	struct inode *i = d->inode;
	struct ovl_inode *oi = ovl_i(i);
	const bool dir = S_ISDIR(i->mode);
	int err = ovl_origin_add(i->sb, u->inode, i->ino, dir ? oi->lower : NULL, dir ? NULL : i);

	if (err)
		return err;
	smp_store_release(&oi->upper_data, with_data);
	smp_store_release(&oi->upper, dget(u));
	return 0;
}

/* names_lock held. */
static int copy_named(struct dentry *d, const struct kstat *st)
{
	struct dentry *up = ovl_upper(d->parent->inode), *u;
	int err;

	u = make_name(up, d, st, NULL);
	if (IS_ERR(u))
		return (int)PTR_ERR(u);
	copy_stat(st, u->inode);
	err = copy_xattrs(ovl_i(d->inode)->lower, u);
	if (!err)
		err = publish(d, u, true);
	if (err) {
		down_write(&up->inode->lock);
		if (S_ISDIR(u->inode->mode))
			vfs_rmdir(up->inode, u);
		else
			vfs_unlink(up->inode, u);
		up_write(&up->inode->lock);
		dput(u);
		return err;
	}
	ovl_set_upper_name(d, u);
	return 0;
}

static int copy_regular(struct dentry *d, const struct kstat *st, enum ovl_copy what)
{
	struct ovl_super *os = ovl_sb(d->sb);
	struct ovl_inode *oi = ovl_i(d->inode);
	const bool with_data = what != OVL_COPY_INODE || st->size == 0;
	struct dentry *up, *file, *u;
	int err = 0;

	file = new_unnamed(os->upper->root, S_IFREG | (st->mode & 07777));
	if (IS_ERR(file))
		return (int)PTR_ERR(file);
	if (what == OVL_COPY_DATA && st->size)
		err = copy_data(d->sb, oi->lower, file);
	if (!err) {
		copy_stat(st, file->inode);
		err = copy_xattrs(oi->lower, file);
	}
	if (err) {
		dput(file);
		return err;
	}
	mutex_lock(&os->names_lock);
	if (has_name(d)) {
		up = ovl_upper(d->parent->inode);
		u = make_name(up, d, st, file);
		if (IS_ERR(u))
			err = (int)PTR_ERR(u);
		if (!err) {
			u->inode->ctime = st->ctime;
			err = publish(d, u, with_data);
			if (err) {
				down_write(&up->inode->lock);
				vfs_unlink(up->inode, u);
				up_write(&up->inode->lock);
				dput(u);
			} else {
				ovl_set_upper_name(d, u);
			}
		}
	} else {
		err = publish(d, file, with_data);
	}
	mutex_unlock(&os->names_lock);
	dput(file);
	return err;
}

/* The inode is up already; now its content. copy_lock held. */
static int copy_content(struct inode *i, enum ovl_copy what)
{
	struct ovl_inode *oi = ovl_i(i);
	const struct inode *u = oi->upper->inode;
	const struct timespec64 mtime = u->mtime, ctime = u->ctime;
	int err = what == OVL_COPY_EMPTY ? 0 : copy_data(i->sb, oi->lower, oi->upper);

	if (err)
		return err;
	oi->upper->inode->mtime = mtime;
	oi->upper->inode->ctime = ctime;
	smp_store_release(&oi->upper_data, true);
	return 0;
}

/* The directory above @d is in the upper layer. */
static int copy_one(struct dentry *d, enum ovl_copy what)
{
	struct ovl_super *os = ovl_sb(d->sb);
	struct inode *i = d->inode;
	struct ovl_inode *oi = ovl_i(i);
	struct path lower;
	struct kstat st;
	int err = 0;

	mutex_lock(&oi->copy_lock);
	if (oi->upper) {
		if (what != OVL_COPY_INODE && !oi->upper_data)
			err = copy_content(i, what);
		goto out;
	}
	lower = ovl_layer_path(d->sb, oi->lower);
	err = vfs_getattr(&lower, &st, 0x7ff);
	if (err)
		goto out;
	if (S_ISREG(st.mode)) {
		err = copy_regular(d, &st, what);
	} else {
		mutex_lock(&os->names_lock);
		err = has_name(d) ? copy_named(d, &st) : -ENOENT;
		mutex_unlock(&os->names_lock);
	}
out:
	mutex_unlock(&oi->copy_lock);
	return err;
}

static bool is_up(const struct inode *i, enum ovl_copy what)
{
	return ovl_upper(i) && (what == OVL_COPY_INODE || ovl_has_upper_data(i));
}

/* The topmost directory above @d, or @d itself, that is not in the upper layer: reference. */
static struct dentry *topmost_lower(struct dentry *d)
{
	struct dentry *top = dget(d), *p;

	for (;;) {
		p = dget_parent(top);
		if (ovl_upper(p->inode) || p == top) {
			dput(p);
			return top;
		}
		dput(top);
		top = p;
	}
}

int ovl_copy_up(struct dentry *d, enum ovl_copy what)
{
	int err = 0;

	while (!err && !is_up(d->inode, what)) {
		struct dentry *top = topmost_lower(d);

		err = copy_one(top, top == d ? what : OVL_COPY_INODE);
		dput(top);
	}
	return err;
}
