/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes: what we believe, for how long, and what a surprise means.
 *
 * The server's word is good for a second (not at all on shared mounts). While we hold dirty pages, size, times and
 * blocks are ours. Each change we make raises fi->version, its low half for content and size, its high half for the
 * rest, once the server has made it; a reply to a request that was made before says nothing about what has changed.
 * When size, mtime or ctime differ from what was seen last and we did not change the file, somebody on the host did:
 * cached pages go.
 *
 * Locks: fields of the inode change under inode->lock; an update that finds it taken leaves them (and stays out of
 * date, so the next one tries again). fi->lock protects what we remember of the server.
 */
#include "fuse.h"

#define CONTENT_CHANGE 1ull
#define ATTR_CHANGE (1ull << 32)

u64 fuse_version(struct inode *i)
{
	return READ_ONCE(fuse_i(i)->version);
}

void fuse_changed(struct inode *i, bool content)
{
	struct fuse_inode *fi = fuse_i(i);

	spin_lock(&fi->lock);
	fi->own_change = true;
	fi->valid_until = 0;
	fi->version += content ? CONTENT_CHANGE : ATTR_CHANGE;
	spin_unlock(&fi->lock);
}

static struct timespec64 ts(u64 s, u32 ns)
{
	return (struct timespec64){(s64)s, ns};
}

static bool ts_same(struct timespec64 a, u64 s, u32 ns)
{
	return a.tv_sec == (s64)s && a.tv_nsec == ns;
}

/* Nothing to change: the usual case, and it needs no lock. */
static bool same(const struct inode *i, const struct fuse_attr *a)
{
	return i->mode == a->mode && i->uid == a->uid && i->gid == a->gid && i->nlink == a->nlink &&
	       i->size == (loff_t)a->size && i->blocks == a->blocks && ts_same(i->mtime, a->mtime, a->mtimensec) &&
	       ts_same(i->ctime, a->ctime, a->ctimensec);
}

/* Remembers what the server said; true if that is a change on the host that we did not make. fi->lock held. */
static bool note_seen(struct fuse_inode *fi, const struct fuse_attr *a)
{
	const bool changed = fi->seen.size != a->size || fi->seen.mtime != a->mtime || fi->seen.ctime != a->ctime ||
			     fi->seen.mtimensec != a->mtimensec || fi->seen.ctimensec != a->ctimensec;
	const bool own = fi->own_change;

	fi->seen.size = a->size;
	fi->seen.mtime = a->mtime;
	fi->seen.ctime = a->ctime;
	fi->seen.mtimensec = a->mtimensec;
	fi->seen.ctimensec = a->ctimensec;
	fi->own_change = false;
	return changed && !own;
}

static void set_valid(struct fuse_inode *fi, u64 valid)
{
	fi->valid_until = valid ? ktime_mono() + valid * NSEC_PER_SEC : 0;
}

static void set_owner_and_mode(struct inode *i, const struct fuse_attr *a, bool own)
{
	fuse_i(i)->readable = a->flags & UM_FUSE_ATTR_READABLE;
	i->mode = a->mode;
	i->uid = a->uid;
	i->gid = a->gid;
	if (i->nlink != a->nlink)
		inode_set_nlink(i, a->nlink);
	/* Reading from the cache moves it here and not on the host. */
	if (own || (s64)a->atime > i->atime.tv_sec)
		i->atime = ts(a->atime, a->atimensec);
}

static void set_content(struct inode *i, const struct fuse_attr *a)
{
	i->size = (loff_t)a->size;
	i->blocks = a->blocks;
	i->mtime = ts(a->mtime, a->mtimensec);
	i->ctime = ts(a->ctime, a->ctimensec);
}

static bool content_is_ours(const struct inode *i)
{
	/* In this order: what is dirty no more is being written back, and after that the version has changed. */
	return S_ISREG(i->mode) && (READ_ONCE(i->mapping.nr_dirty) || smp_load_acquire(&i->mapping.writing_back));
}

/* inode->lock held for writing (or nobody else knows the inode). */
static void apply(struct inode *i, const struct fuse_attr *a, u64 valid, u64 version, bool surprise_is_ours)
{
	struct fuse_inode *fi = fuse_i(i);
	bool surprise, ours, stale;
	loff_t old_size;

	spin_lock(&fi->lock);
	stale = (version ^ fi->version) >= ATTR_CHANGE;
	ours = content_is_ours(i) || version != fi->version;
	surprise = !ours && note_seen(fi, a) && !surprise_is_ours;
	if (version == fi->version)
		set_valid(fi, valid);
	spin_unlock(&fi->lock);
	if (!stale || surprise_is_ours)
		set_owner_and_mode(i, a, surprise_is_ours);
	if (ours)
		return;
	old_size = i->size;
	set_content(i, a);
	if (!S_ISREG(i->mode) || !i->mapping.nr_pages)
		return;
	if (i->size < old_size)
		mapping_truncate(&i->mapping, i->size);
	if (surprise)
		mapping_invalidate(&i->mapping, 0, ~0ull, true);
}

void fuse_attr_update(struct inode *i, const struct fuse_attr *a, u64 valid, u64 version)
{
	struct fuse_inode *fi = fuse_i(i);

	if (same(i, a)) {
		spin_lock(&fi->lock);
		if (version == fi->version) {
			note_seen(fi, a);
			set_valid(fi, valid);
		}
		spin_unlock(&fi->lock);
		return;
	}
	if (!down_write_trylock(&i->lock))
		return;
	apply(i, a, valid, version, false);
	up_write(&i->lock);
}

void fuse_attr_update_own(struct inode *i, const struct fuse_attr *a, u64 valid, u64 version)
{
	apply(i, a, valid, version, true);
}

int fuse_refresh(struct inode *i)
{
	const u64 version = fuse_version(i);
	const struct fuse_getattr_in in = {0};
	struct fuse_attr_out out;
	const struct fuse_call c = {.opcode = FUSE_GETATTR,
				    .nodeid = fuse_i(i)->nodeid,
				    .nr_in = 1,
				    .in = {{&in, sizeof(in)}},
				    .out = &out,
				    .out_size = sizeof(out)};
	int err;

	if (fuse_fresh(i))
		return 0;
	err = fuse_call_exact(&c);
	if (err)
		return err;
	if ((i->mode ^ out.attr.mode) & S_IFMT)
		return -ESTALE;
	fuse_attr_update(i, &out.attr, out.attr_valid, version);
	return 0;
}

int fuse_getattr(const struct path *p, struct kstat *st, u32 mask)
{
	struct inode *i = p->dentry->inode;
	const int err = fuse_refresh(i);

	/* A file that is gone on the host but open here still has the attributes we know. */
	if (err && err != -ESTALE)
		return err;
	generic_fillattr(i, st);
	st->blksize = CHUNK_PAGES * PAGE_SIZE;
	return 0;
}

static void set_time(struct fuse_setattr_in *in, const struct iattr *attr)
{
	if (attr->valid & ATTR_ATIME) {
		in->valid |= FATTR_ATIME;
		in->atime = (u64)attr->atime.tv_sec;
		in->atimensec = (u32)attr->atime.tv_nsec;
	}
	if (attr->valid & ATTR_MTIME) {
		in->valid |= FATTR_MTIME;
		in->mtime = (u64)attr->mtime.tv_sec;
		in->mtimensec = (u32)attr->mtime.tv_nsec;
	}
}

/*
 * The cache is cut before the host's file, so that write-back cannot put back what was cut off; if the host then
 * refuses, the old size is what the server says next.
 */
static int truncate_pages(struct inode *inode, loff_t size)
{
	const loff_t old = inode->size;

	if (size > old) {
		/*
		 * What is dirty goes out under the old size; what a mapping left behind the end is
		 * not part of the file.
		 */
		const int err = inode->mapping.nr_dirty ? mapping_writeback(&inode->mapping, 0, MAX_LFS_FILESIZE) : 0;

		if (err)
			return err;
		mapping_punch(&inode->mapping, old, (loff_t)PAGE_ALIGN(old));
	}
	if (size > inode->size)
		mapping_extend(&inode->mapping, inode->size);
	inode->size = size;
	mapping_truncate(&inode->mapping, size);
	return 0;
}

int fuse_setattr(struct dentry *d, struct inode *inode, const struct iattr *attr)
{
	struct fuse_setattr_in in = {0};
	struct fuse_attr_out out;
	const struct fuse_call c = {.opcode = FUSE_SETATTR,
				    .nodeid = fuse_i(inode)->nodeid,
				    .nr_in = 1,
				    .in = {{&in, sizeof(in)}},
				    .out = &out,
				    .out_size = sizeof(out)};
	u64 version;
	int err = 0;

	if (attr->valid & ATTR_MODE) {
		in.valid |= FATTR_MODE;
		in.mode = attr->mode;
	}
	if (attr->valid & ATTR_UID) {
		in.valid |= FATTR_UID;
		in.uid = attr->uid;
	}
	if (attr->valid & ATTR_GID) {
		in.valid |= FATTR_GID;
		in.gid = attr->gid;
	}
	set_time(&in, attr);
	if (attr->valid & ATTR_SIZE) {
		in.valid |= FATTR_SIZE;
		in.size = (u64)attr->size;
		/* The size sets them to the host's now; what else is asked for comes later. */
		in.valid &= ~(attr->valid & ATTR_MTIME_SET ? 0u : FATTR_MTIME);
		err = truncate_pages(inode, attr->size);
	} else if ((in.valid & FATTR_MTIME) && S_ISREG(inode->mode)) {
		/* What is written back after it would change it again. */
		err = mapping_writeback(&inode->mapping, 0, MAX_LFS_FILESIZE);
	}
	if (err || !in.valid)
		return err;
	fuse_changed(inode, in.valid & FATTR_SIZE);
	version = fuse_version(inode);
	err = fuse_call_exact(&c);
	if (err)
		return err;
	/*
	 * Who asked meanwhile may have been told how it was before; and so were we, of what was written back meanwhile.
	 */
	fuse_changed(inode, false);
	version += ATTR_CHANGE;
	if (in.valid & FATTR_SIZE) {
		fuse_changed(inode, true);
		version += CONTENT_CHANGE;
	}
	fuse_attr_update_own(inode, &out.attr, out.attr_valid, version);
	/* While pages are dirty the times are ours to keep. */
	if (inode->mapping.nr_dirty) {
		inode->ctime = current_time();
		if (attr->valid & ATTR_SIZE)
			inode->mtime = inode->ctime;
	}
	return 0;
}
