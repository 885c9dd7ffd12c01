/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regular files. Reading and writing go through the page cache; what is written goes to the host when a writer closes,
 * on fsync, when memory is short or after some seconds, and at once on shared mounts. Closing is the point because that
 * is when others, on the host too, may expect to see it, and because an error can still be told.
 */
#include "../internal.h"
#include "fuse.h"

static bool may_write(const struct file *f)
{
	return (f->fmode & FMODE_WRITE) != 0;
}

static bool is_shared(const struct file *f)
{
	return fuse_s(f->inode->sb)->shared;
}

/*
 * f->private is a handle that the open file keeps, so that it stays readable whatever happens to the name on the host.
 * A file that nobody has read yet may have none.
 */
static int fuse_open(struct inode *inode, struct file *f)
{
	struct fuse_fh *fh;
	int err = fuse_refresh(inode);

	if (err)
		return err;
	fh = !may_write(f) && fuse_i(inode)->readable ? fuse_fh_existing(inode, false)
						      : fuse_fh_open(inode, may_write(f));
	if (IS_ERR(fh))
		return (int)PTR_ERR(fh);
	f->private = fh;
	fuse_count_open(inode, 1, may_write(f), !fh);
	return 0;
}

/* An open file without a handle gets @fh (consumed). Returns the one it has. */
static struct fuse_fh *set_handle(struct file *f, struct fuse_fh *fh)
{
	void *none = NULL;

	if (!atomic_try_cmpxchg(&f->private, &none, fh)) {
		fuse_fh_put(fh);
		return none;
	}
	fuse_count_open(f->inode, 0, 0, -1);
	return fh;
}

/* The handle of an open file, got now if it has none. It stays as long as the file. ERR_PTR. */
static struct fuse_fh *file_fh(struct file *f)
{
	struct fuse_fh *fh = READ_ONCE(f->private);

	if (fh)
		return fh;
	fh = fuse_fh_open(f->inode, false);
	return IS_ERR(fh) ? fh : set_handle(f, fh);
}

/* After reading: the handle the read came back with is kept. */
static void keep_handle(struct file *f)
{
	struct fuse_fh *fh = fuse_fh_existing(f->inode, false);

	if (fh)
		set_handle(f, fh);
}

static int write_back(struct inode *inode)
{
	if (!READ_ONCE(inode->mapping.nr_dirty))
		return 0;
	/* What has no name any more, and nobody else has open, nobody will read. */
	if (!inode->nlink && READ_ONCE(fuse_i(inode)->openers) == 1)
		return 0;
	return mapping_writeback(&inode->mapping, 0, MAX_LFS_FILESIZE);
}

static int fuse_flush(struct file *f)
{
	return may_write(f) ? write_back(f->inode) : 0;
}

static void fuse_release(struct file *f)
{
	struct fuse_fh *fh = f->private;

	if (may_write(f))
		write_back(f->inode); /* what a mapping has dirtied since the close */
	fuse_count_open(f->inode, -1, -(s32)may_write(f), -(s32)!fh);
	fuse_fh_put(fh);
}

static ssize_t fuse_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	ssize_t n;

	/* Has somebody on the host changed it? */
	if (!fuse_fresh(f->inode)) {
		const int err = fuse_refresh(f->inode);

		if (err && err != -ESTALE)
			return err;
	}
	n = generic_file_read(f, it, pos);
	if (unlikely(!READ_ONCE(f->private)))
		keep_handle(f);
	return n;
}

static ssize_t fuse_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	ssize_t n;
	int err;

	if ((f->flags & O_APPEND) && !fuse_fresh(f->inode)) {
		err = fuse_refresh(f->inode);
		if (err)
			return err;
	}
	n = generic_file_write(f, it, pos);
	if (n > 0 && (is_shared(f) || (f->flags & O_DIRECT))) {
		err = mapping_writeback(&f->inode->mapping, *pos - n, *pos - 1);
		if (err)
			return err;
	}
	return n;
}

static int fuse_mmap(struct file *f, struct vma *vma)
{
	const int err = fuse_refresh(f->inode);
	const struct fuse_fh *fh = file_fh(f); /* it may be long until a page is wanted */

	if (err)
		return err;
	return IS_ERR(fh) ? (int)PTR_ERR(fh) : generic_file_mmap(f, vma);
}

static int fuse_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	const struct fuse_fh *fh = file_fh(f);
	int err = IS_ERR(fh) ? (int)PTR_ERR(fh) : mapping_writeback(&f->inode->mapping, start, end);

	if (err)
		return err;
	const struct fuse_fsync_in in = {.fh = fh->fh, .fsync_flags = datasync ? FUSE_FSYNC_FDATASYNC : 0};
	const struct fuse_call c = {.opcode = FUSE_FSYNC, .nodeid = fh->nodeid, .nr_in = 1, .in = {{&in, sizeof(in)}}};
	return fuse_call_exact(&c);
}

#define FALLOC_FL_KEEP_SIZE 0x1

static int fuse_fallocate(struct file *f, int mode, loff_t off, loff_t len)
{
	const struct fuse_fh *fh = f->private;
	const struct fuse_fallocate_in in = {.fh = fh->fh, .offset = (u64)off, .length = (u64)len, .mode = (u32)mode};
	const struct fuse_call c = {
		.opcode = FUSE_FALLOCATE, .nodeid = fh->nodeid, .nr_in = 1, .in = {{&in, sizeof(in)}}};
	struct inode *i = f->inode;
	int err;

	if (!may_write(f))
		return -EBADF;
	down_write(&i->lock);
	/* Holes, zeroed and collapsed ranges are made on the host: everything must be there, nothing may be cached. */
	err = mapping_writeback(&i->mapping, 0, MAX_LFS_FILESIZE);
	if (!err) {
		fuse_changed(i, true);
		err = fuse_call_exact(&c);
		fuse_changed(i, true);
	}
	if (!err && (mode & ~FALLOC_FL_KEEP_SIZE))
		mapping_invalidate(&i->mapping, 0, ~0ull, true);
	if (!err && !(mode & FALLOC_FL_KEEP_SIZE) && off + len > i->size)
		i->size = off + len;
	up_write(&i->lock);
	return err ? err : fuse_refresh(i);
}

#define SEEK_DATA 3
#define SEEK_HOLE 4

static loff_t fuse_llseek(struct file *f, loff_t off, int whence)
{
	struct inode *i = f->inode;
	const struct fuse_fh *fh;
	int err = fuse_refresh(i);

	if (err && err != -ESTALE)
		return err;
	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return generic_llseek(f, off, whence);
	if (off < 0 || off >= i->size)
		return -ENXIO;
	fh = file_fh(f);
	if (IS_ERR(fh))
		return PTR_ERR(fh);
	const struct fuse_lseek_in in = {.fh = fh->fh, .offset = (u64)off, .whence = (u32)whence};
	struct fuse_lseek_out out;
	const struct fuse_call c = {.opcode = FUSE_LSEEK,
				    .nodeid = fh->nodeid,
				    .nr_in = 1,
				    .in = {{&in, sizeof(in)}},
				    .out = &out,
				    .out_size = sizeof(out)};

	err = mapping_writeback(&i->mapping, 0, MAX_LFS_FILESIZE);
	if (!err)
		err = fuse_call_exact(&c);
	if (err)
		return err;
	f->pos = (loff_t)out.offset;
	return f->pos;
}

const struct file_ops fuse_file_fops = {
	.open = fuse_open,
	.release = fuse_release,
	.flush = fuse_flush,
	.read = fuse_read,
	.write = fuse_write,
	.llseek = fuse_llseek,
	.mmap = fuse_mmap,
	.fsync = fuse_fsync,
	.fallocate = fuse_fallocate,
	.lock = fuse_file_lock,
	.flock = fuse_file_flock,
};

const struct inode_ops fuse_file_iops = {
	.getattr = fuse_getattr,
	.setattr = fuse_setattr,
	.getxattr = fuse_getxattr,
	.setxattr = fuse_setxattr,
	.listxattr = fuse_listxattr,
	.removexattr = fuse_removexattr,
};
