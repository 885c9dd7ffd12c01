/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: looking them up, believing them for a while, changing them.
 *
 * d->time says until when a name (or that there is none) may be believed; after that the next walk asks again. A name
 * that something is mounted on is always believed: what the host does below a mount is nobody's business.
 */
#include "fuse.h"

static int lookup_at_server(struct inode *dir, const char *name, struct fuse_entry_out *out)
{
	const struct fuse_call c = {.opcode = FUSE_LOOKUP,
				    .nodeid = fuse_i(dir)->nodeid,
				    .nr_in = 1,
				    .in = {{name, strlen(name) + 1}},
				    .out = out,
				    .out_size = sizeof(*out)};
	int err = fuse_call_exact(&c);

	if (err == -ENFILE) {
		/* Too many names are remembered there on our account. */
		dcache_shrink(4096);
		err = fuse_call_exact(&c);
	}
	return err;
}

static int fuse_lookup(struct inode *dir, struct dentry *d)
{
	struct fuse_entry_out out;
	struct inode *inode = NULL;
	int err = lookup_at_server(dir, d->name, &out);

	if (err == -ENOENT) /* and that must not be believed */
		out = (struct fuse_entry_out){0};
	else if (err)
		return err;
	if (out.nodeid) {
		inode = fuse_iget(dir->sb, &out, 0);
		if (IS_ERR(inode))
			return (int)PTR_ERR(inode);
	}
	d->ops = &fuse_dentry_ops;
	d->time = fuse_entry_until(out.entry_valid);
	d_add(d, inode);
	if (inode)
		fuse_listing_used();
	return 0;
}

static int fuse_revalidate(struct dentry *parent, struct dentry *d, u32 flags)
{
	struct inode *inode = d->inode;
	struct fuse_entry_out out;
	u64 version;
	int err;

	if (READ_ONCE(d->mounted) || (!(flags & LOOKUP_REVAL) && d->time && ktime_mono() < d->time)) {
		if (unlikely(d->private == FUSE_FROM_LISTING)) {
			d->private = NULL;
			fuse_listing_used();
		}
		return 1;
	}
	if (!inode)
		return 0;
	if (flags & LOOKUP_CACHED)
		return -EAGAIN;
	version = fuse_version(inode);
	err = lookup_at_server(parent->inode, d->name, &out);
	if (err)
		return err == -ENOENT || err == -ESTALE || err == -ENOTDIR ? 0 : err;
	if (out.nodeid != fuse_i(inode)->nodeid || ((out.attr.mode ^ inode->mode) & S_IFMT)) {
		fuse_forget(out.nodeid, out.nodeid ? 1 : 0);
		return 0;
	}
	/* The count of one lookup too many goes back at once: the inode keeps one as long as it lives. */
	fuse_forget(out.nodeid, 1);
	fuse_attr_update(inode, &out.attr, out.attr_valid, version);
	d->time = fuse_entry_until(out.entry_valid);
	return 1;
}

const struct dentry_ops fuse_dentry_ops = {
	.revalidate = fuse_revalidate,
};

/* A new name for the inode of @e. */
static int instantiate(struct inode *dir, struct dentry *d, const struct fuse_entry_out *e)
{
	struct inode *inode = fuse_iget(dir->sb, e, 0);

	fuse_changed(dir, false);
	if (IS_ERR(inode)) {
		d_drop(d);
		return (int)PTR_ERR(inode);
	}
	d->ops = &fuse_dentry_ops;
	d->time = fuse_entry_until(e->entry_valid);
	d_instantiate(d, inode);
	return 0;
}

/* Sends what makes a new file; the reply is an entry. */
static int make(struct inode *dir, struct dentry *d, struct fuse_call *c)
{
	struct fuse_entry_out e;
	int err;

	c->nodeid = fuse_i(dir)->nodeid;
	c->out = &e;
	c->out_size = sizeof(e);
	err = fuse_call_exact(c);
	if (err == -EEXIST)
		d->time = 0; /* we believed there was nothing */
	return err ? err : instantiate(dir, d, &e);
}

static int fuse_create(struct inode *dir, struct dentry *d, umode_t mode, bool excl)
{
	const struct fuse_create_in in = {.flags = O_RDWR | O_CREAT | (excl ? O_EXCL : 0), .mode = mode};
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out;
	const struct fuse_call c = {.opcode = FUSE_CREATE,
				    .nodeid = fuse_i(dir)->nodeid,
				    .nr_in = 2,
				    .in = {{&in, sizeof(in)}, {d->name, d->name_len + 1}},
				    .out = &out,
				    .out_size = sizeof(out)};
	int err = fuse_call_exact(&c);

	if (err == -EEXIST)
		d->time = 0;
	if (err)
		return err;
	err = instantiate(dir, d, &out.entry);
	if (!err)
		fuse_fh_adopt(d->inode, out.open.fh);
	return err;
}

static int fuse_mknod(struct inode *dir, struct dentry *d, umode_t mode, u64 rdev)
{
	const struct fuse_mknod_in in = {.mode = mode};
	struct fuse_call c = {.opcode = FUSE_MKNOD, .nr_in = 2, .in = {{&in, sizeof(in)}, {d->name, d->name_len + 1}}};

	return make(dir, d, &c);
}

static int fuse_mkdir(struct inode *dir, struct dentry *d, umode_t mode)
{
	const struct fuse_mkdir_in in = {.mode = mode};
	struct fuse_call c = {.opcode = FUSE_MKDIR, .nr_in = 2, .in = {{&in, sizeof(in)}, {d->name, d->name_len + 1}}};

	return make(dir, d, &c);
}

static int fuse_symlink(struct inode *dir, struct dentry *d, const char *target)
{
	struct fuse_call c = {
		.opcode = FUSE_SYMLINK, .nr_in = 2, .in = {{d->name, d->name_len + 1}, {target, strlen(target) + 1}}};

	return make(dir, d, &c);
}

static int fuse_link(struct dentry *old, struct inode *dir, struct dentry *d)
{
	const struct fuse_link_in in = {.oldnodeid = fuse_i(old->inode)->nodeid};
	struct fuse_call c = {.opcode = FUSE_LINK, .nr_in = 2, .in = {{&in, sizeof(in)}, {d->name, d->name_len + 1}}};

	fuse_changed(old->inode, false);
	return make(dir, d, &c);
}

static int remove_name(struct inode *dir, struct dentry *d, u32 opcode)
{
	const struct fuse_call c = {
		.opcode = opcode, .nodeid = fuse_i(dir)->nodeid, .nr_in = 1, .in = {{d->name, d->name_len + 1}}};
	const int err = fuse_call_exact(&c);

	if (err == -ENOENT)
		d->time = 0;
	if (err)
		return err;
	fuse_changed(dir, false);
	fuse_changed(d->inode, false);
	return 0;
}

static int fuse_unlink(struct inode *dir, struct dentry *d)
{
	int err;

	fuse_fh_hold(d->inode);
	err = remove_name(dir, d, FUSE_UNLINK);
	if (!err && d->inode->nlink)
		inode_set_nlink(d->inode, d->inode->nlink - 1);
	return err;
}

static int fuse_rmdir(struct inode *dir, struct dentry *d)
{
	const int err = remove_name(dir, d, FUSE_RMDIR);

	if (!err)
		inode_set_nlink(d->inode, 0);
	return err;
}

static int fuse_rename(struct inode *odir, struct dentry *od, struct inode *ndir, struct dentry *nd, u32 flags)
{
	const struct fuse_rename2_in in = {.newdir = fuse_i(ndir)->nodeid, .flags = flags};
	const struct fuse_call c = {
		.opcode = FUSE_RENAME2,
		.nodeid = fuse_i(odir)->nodeid,
		.nr_in = 3,
		.in = {{&in, sizeof(in)}, {od->name, od->name_len + 1}, {nd->name, nd->name_len + 1}}};
	int err;

	if (flags & RENAME_WHITEOUT)
		return -EINVAL;
	if (nd->inode && !(flags & RENAME_EXCHANGE))
		fuse_fh_hold(nd->inode);
	err = fuse_call_exact(&c);
	if (err) {
		od->time = nd->time = 0;
		return err;
	}
	fuse_changed(odir, false);
	fuse_changed(ndir, false);
	fuse_changed(od->inode, false);
	if (!nd->inode || nd->inode == od->inode)
		return 0;
	fuse_changed(nd->inode, false);
	if (!(flags & RENAME_EXCHANGE) && nd->inode->nlink)
		inode_set_nlink(nd->inode, S_ISDIR(nd->inode->mode) ? 0 : nd->inode->nlink - 1);
	return 0;
}

/* A link's target never changes: it is asked for once and stays with the inode. */
static char *fuse_readlink(struct dentry *d, struct inode *inode, struct path *jump)
{
	char *target, *none = NULL;
	ssize_t n;

	if (READ_ONCE(inode->link)) {
		target = kstrdup(inode->link);
		return target ? target : ERR_PTR(-ENOMEM);
	}
	target = kmalloc(UM_FUSE_MAX_LINK + 1);
	if (!target)
		return ERR_PTR(-ENOMEM);
	const struct fuse_call c = {
		.opcode = FUSE_READLINK, .nodeid = fuse_i(inode)->nodeid, .out = target, .out_size = UM_FUSE_MAX_LINK};

	n = fuse_call(&c);
	if (n <= 0) {
		kfree(target);
		return ERR_PTR(n ? n : -EIO);
	}
	target[n] = '\0';
	char *keep = kstrndup(target, (size_t)n);

	if (keep && !atomic_try_cmpxchg((char **)(u64)&inode->link, &none, keep))
		kfree(keep);
	return target;
}

const struct inode_ops fuse_dir_iops = {
	.lookup = fuse_lookup,
	.create = fuse_create,
	.mknod = fuse_mknod,
	.mkdir = fuse_mkdir,
	.symlink = fuse_symlink,
	.link = fuse_link,
	.unlink = fuse_unlink,
	.rmdir = fuse_rmdir,
	.rename = fuse_rename,
	.getattr = fuse_getattr,
	.setattr = fuse_setattr,
	.getxattr = fuse_getxattr,
	.setxattr = fuse_setxattr,
	.listxattr = fuse_listxattr,
	.removexattr = fuse_removexattr,
};

const struct inode_ops fuse_link_iops = {
	.readlink = fuse_readlink,
	.getattr = fuse_getattr,
	.setattr = fuse_setattr,
};
