/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tmpfs: regular files. The page cache is the file: pages that are missing read as zero, and each page present is
 * charged to the size limit of the super block (mapping_ops.charge). Seals of memfd are kept and enforced here.
 */
#include <gk/memfd.h>
#include "tmpfs.h"

static int charge(struct inode *i, long pages)
{
	struct tmpfs_super *ts = tmpfs_sb(i->sb);

	if (pages > 0 && atomic_add_return(&ts->used_pages, (u64)pages) > ts->max_pages && ts->max_pages) {
		atomic_sub_return(&ts->used_pages, (u64)pages);
		return -ENOSPC;
	}
	if (pages < 0)
		atomic_sub_return(&ts->used_pages, (u64)-pages);
	atomic_add_return(&i->blocks, (u64)pages * (PAGE_SIZE / 512));
	return 0;
}

const struct mapping_ops tmpfs_mapping_ops = {
	.no_backing = true,
	.charge = charge,
};

/* ---- seals ---- */

/* inode lock held: may the file get @size? */
static int size_allowed(struct inode *i, loff_t size)
{
	const u32 seals = tmpfs_i(i)->seals;

	if ((seals & F_SEAL_SHRINK) && size < i->size)
		return -EPERM;
	return (seals & F_SEAL_GROW) && size > i->size ? -EPERM : 0;
}

static bool is_memfile(const struct file *f)
{
	return f->ops == &tmpfs_file_ops;
}

long memfd_get_seals(struct file *f)
{
	return is_memfile(f) ? (long)tmpfs_i(f->inode)->seals : -EINVAL;
}

long memfd_add_seals(struct file *f, u32 seals)
{
	struct tmpfs_inode *ti;
	long err = 0;

	if (!is_memfile(f))
		return -EINVAL;
	if (!(f->fmode & FMODE_WRITE))
		return -EPERM;
	if (seals & ~(u32)F_ALL_SEALS)
		return -EINVAL;
	ti = tmpfs_i(f->inode);
	down_write(&f->inode->lock);
	if (ti->seals & F_SEAL_SEAL)
		err = -EPERM;
	else if ((seals & F_SEAL_WRITE) && !(ti->seals & F_SEAL_WRITE) && READ_ONCE(f->inode->mapping.nr_writable))
		err = -EBUSY;
	else
		ti->seals |= seals;
	/* A file that is executable and may not change its mode cannot be written either. */
	if (!err && (seals & F_SEAL_EXEC) && (f->inode->mode & 0111))
		ti->seals |= F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
	up_write(&f->inode->lock);
	return err;
}

/* ---- file operations ---- */

static ssize_t tmpfs_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	const u32 seals = READ_ONCE(tmpfs_i(f->inode)->seals);

	if (unlikely(seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
		return -EPERM;
	if (unlikely(seals & F_SEAL_GROW)) {
		const loff_t at = f->flags & O_APPEND ? f->inode->size : *pos;

		if (at + (loff_t)it->count > f->inode->size) {
			if (at >= f->inode->size)
				return -EPERM;
			it->count = (size_t)(f->inode->size - at);
		}
	}
	return generic_file_write(f, it, pos);
}

static int tmpfs_mmap(struct file *f, struct vma *vma)
{
	const u32 seals = READ_ONCE(tmpfs_i(f->inode)->seals);

	if ((seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) && (vma->flags & VM_SHARED)) {
		if (vma->flags & VM_WRITE)
			return -EPERM;
		vma->flags &= ~(u32)VM_MAYWRITE;
	}
	return generic_file_mmap(f, vma);
}

#define FALLOC_FL_KEEP_SIZE 0x1
#define FALLOC_FL_PUNCH_HOLE 0x2
#define FALLOC_FL_ZERO_RANGE 0x10

/* Gives every page of [start, end) memory. */
static int populate(struct file *f, loff_t start, loff_t end)
{
	struct mapping *m = &f->inode->mapping;

	for (u64 n = (u64)start >> PAGE_SHIFT; n << PAGE_SHIFT < (u64)end; n++) {
		struct page *p = mapping_write_begin(m, f, n, 0, 0);

		if (IS_ERR(p))
			return (int)PTR_ERR(p);
		mapping_write_end(m, p, 0, 0);
		if (fatal_signal_pending())
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int tmpfs_fallocate(struct file *f, int mode, loff_t off, loff_t len)
{
	struct inode *i = f->inode;
	const loff_t end = off + len;
	int err = 0;

	down_write(&i->lock);
	if (tmpfs_i(i)->seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) && (mode & ~FALLOC_FL_KEEP_SIZE))
		err = -EPERM;
	else if (!(mode & FALLOC_FL_KEEP_SIZE) && end > i->size)
		err = size_allowed(i, end);
	if (!err && (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)))
		mapping_punch(&i->mapping, off, end);
	if (!err && !(mode & FALLOC_FL_PUNCH_HOLE))
		err = populate(f, off, end);
	if (!err && !(mode & FALLOC_FL_KEEP_SIZE) && end > i->size) {
		mapping_extend(&i->mapping, i->size);
		i->size = end;
	}
	if (!err)
		inode_update_time(i);
	up_write(&i->lock);
	return err;
}

static int tmpfs_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	return 0;
}

#define SEEK_DATA 3
#define SEEK_HOLE 4

/* The first position at or after @off that is data (or, with @hole, is not), at most the size. inode lock held. */
static loff_t seek_page(struct inode *i, loff_t off, bool hole)
{
	u64 n = (u64)off >> PAGE_SHIFT;

	for (; (loff_t)(n << PAGE_SHIFT) < i->size; n++) {
		struct page *p = mapping_find(&i->mapping, n);
		const bool there = p != NULL;

		if (p)
			put_page(p);
		if (there != hole)
			return MAX(off, (loff_t)(n << PAGE_SHIFT));
		/* Nothing at all is the usual large hole. */
		if (!READ_ONCE(i->mapping.nr_pages))
			break;
		if (!(n & 1023))
			cond_resched();
	}
	return i->size;
}

static loff_t tmpfs_llseek(struct file *f, loff_t off, int whence)
{
	struct inode *i = f->inode;
	loff_t to;

	if (whence != SEEK_DATA && whence != SEEK_HOLE)
		return generic_llseek(f, off, whence);
	down_read(&i->lock);
	if (off < 0 || off >= i->size) {
		to = -ENXIO;
	} else {
		to = seek_page(i, off, whence == SEEK_HOLE);
		if (whence == SEEK_DATA && to >= i->size)
			to = -ENXIO;
		else
			f->pos = to;
	}
	up_read(&i->lock);
	return to;
}

const struct file_ops tmpfs_file_ops = {
	.read = generic_file_read,
	.write = tmpfs_write,
	.llseek = tmpfs_llseek,
	.mmap = tmpfs_mmap,
	.fsync = tmpfs_fsync,
	.fallocate = tmpfs_fallocate,
};

static int tmpfs_setattr(struct dentry *d, struct inode *i, const struct iattr *attr)
{
	int err;

	if (attr->valid & ATTR_MODE && (tmpfs_i(i)->seals & F_SEAL_EXEC) && ((attr->mode ^ i->mode) & 0111))
		return -EPERM;
	if (attr->valid & ATTR_SIZE) {
		err = size_allowed(i, attr->size);
		if (err)
			return err;
		if (attr->size != i->size) {
			const bool shrinks = attr->size < i->size;

			if (!shrinks)
				mapping_extend(&i->mapping, i->size);
			WRITE_ONCE(i->size, attr->size);
			if (shrinks)
				mapping_truncate(&i->mapping, attr->size);
		}
	}
	setattr_copy(i, attr);
	return 0;
}

const struct inode_ops tmpfs_file_inode_ops = {
	.setattr = tmpfs_setattr,
	.getxattr = tmpfs_getxattr,
	.setxattr = tmpfs_setxattr,
	.listxattr = tmpfs_listxattr,
	.removexattr = tmpfs_removexattr,
};
