/* SPDX-License-Identifier: Apache-2.0 */
/* Getting data to where it lasts: fsync and its relatives; and advice about access, most of which needs nothing done.
 */
#include "internal.h"

int vfs_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	if (f->ops->fsync)
		return f->ops->fsync(f, start, end, datasync);
	return S_ISDIR(f->inode->mode) ? 0 : -EINVAL;
}

static long do_fsync(int fd, bool datasync)
{
	struct fdref r = fdref_get(fd);
	int err;

	if (!r.f)
		return -EBADF;
	err = vfs_fsync(r.f, 0, MAX_LFS_FILESIZE, datasync);
	fdref_put(r);
	return err;
}

SYSCALL1(fsync, int, fd)
{
	return do_fsync(fd, false);
}

SYSCALL1(fdatasync, int, fd)
{
	return do_fsync(fd, true);
}

static int sync_one(struct super *sb, void *arg)
{
	sync_super(sb);
	return 0;
}

SYSCALL0(sync)
{
	sync_all();
	for_each_super(sync_one, NULL);
	return 0;
}

SYSCALL1(syncfs, int, fd)
{
	struct fdref r = fdref_get(fd);
	int err;

	if (!r.f)
		return -EBADF;
	err = sync_all();
	if (!err)
		err = sync_super(file_inode(r.f)->sb);
	fdref_put(r);
	return err;
}

#define SYNC_FILE_RANGE_WAIT_BEFORE 1
#define SYNC_FILE_RANGE_WRITE 2
#define SYNC_FILE_RANGE_WAIT_AFTER 4

SYSCALL4(sync_file_range, int, fd, loff_t, off, loff_t, len, u32, flags)
{
	struct fdref r;
	loff_t end;
	int err = 0;

	if (flags & ~(u32)(SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER))
		return -EINVAL;
	if (off < 0 || len < 0 || __builtin_add_overflow(off, len, &end))
		return -EINVAL;
	r = fdref_get(fd);
	if (!r.f)
		return -EBADF;
	if (!S_ISREG(r.f->inode->mode) && !S_ISDIR(r.f->inode->mode) && !S_ISLNK(r.f->inode->mode))
		err = -ESPIPE;
	else if (S_ISREG(r.f->inode->mode) && flags)
		err = mapping_writeback(&r.f->inode->mapping, off, len ? end : MAX_LFS_FILESIZE);
	fdref_put(r);
	return err;
}

/* ---- advice ---- */

#define POSIX_FADV_WILLNEED 3
#define POSIX_FADV_DONTNEED 4
#define POSIX_FADV_NOREUSE 5
#define READAHEAD_MAX (2u << 20)

/* Reads [off, off+len) into the page cache, within bounds. */
static void read_ahead(struct file *f, loff_t off, u64 len)
{
	const u64 most = MIN(len, (u64)READAHEAD_MAX);
	const u64 end = MIN((u64)f->inode->size, (u64)off + most);

	if (!f->inode->mapping.ops || f->inode->mapping.ops->no_backing)
		return;
	for (u64 n = (u64)off >> PAGE_SHIFT; n << PAGE_SHIFT < end; n++) {
		struct page *p = mapping_read(&f->inode->mapping, f, n);

		if (IS_ERR(p))
			return;
		put_page(p);
		if (fatal_signal_pending())
			return;
		cond_resched();
	}
}

static int advise(struct file *f, loff_t off, loff_t len, int advice)
{
	const loff_t size = f->inode->size;
	loff_t end;

	if (S_ISFIFO(f->inode->mode) || S_ISSOCK(f->inode->mode))
		return -ESPIPE;
	if (advice < 0 || advice > POSIX_FADV_NOREUSE || len < 0)
		return -EINVAL;
	if (!S_ISREG(f->inode->mode))
		return 0;
	if (len == 0 || __builtin_add_overflow(off, len, &end) || end > size)
		end = size;
	if (off < 0 || off >= end)
		return 0;
	if (advice == POSIX_FADV_WILLNEED) {
		read_ahead(f, off, (u64)(end - off));
	} else if (advice == POSIX_FADV_DONTNEED && f->inode->mapping.ops && !f->inode->mapping.ops->no_backing) {
		const u64 first = PAGE_ALIGN((u64)off) >> PAGE_SHIFT;
		const u64 last = end >= size ? PAGE_ALIGN((u64)end) >> PAGE_SHIFT : (u64)end >> PAGE_SHIFT;

		if (last > first)
			mapping_invalidate(&f->inode->mapping, first, last - 1, false);
	}
	return 0;
}

SYSCALL4(fadvise64, int, fd, loff_t, off, loff_t, len, int, advice)
{
	struct fdref r = fdref_get(fd);
	int err;

	if (!r.f)
		return -EBADF;
	err = advise(r.f, off, len, advice);
	fdref_put(r);
	return err;
}

SYSCALL3(readahead, int, fd, loff_t, off, size_t, count)
{
	struct fdref r = fdref_get(fd);
	int err = -EINVAL;

	if (!r.f)
		return -EBADF;
	if (!(r.f->fmode & FMODE_READ)) {
		err = -EBADF;
	} else if (S_ISREG(r.f->inode->mode) && off >= 0) {
		read_ahead(r.f, off, count);
		err = 0;
	}
	fdref_put(r);
	return err;
}
