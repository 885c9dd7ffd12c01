/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading, writing and mapping files through the page cache: the generic file operations.
 *
 * A write copies into a locked page with faults forbidden (current->no_faults): the source may be a mapping of that
 * very page, and its fault would wait for the lock. What is not present is faulted in between two tries.
 */
#include <gk/errno.h>
#include <gk/string.h>
#include <gk/task.h>
#include "cache.h"
#include "internal.h"

#define READ_BATCH 16u

/* ---- read ---- */

/* The pages from @index that are up to date without waiting, consecutive, at most @max. */
static u32 find_ready(struct mapping *m, u64 index, struct page **pages, u32 max)
{
	u32 n = cache_gang(m, index, index + max - 1, pages, max, true), good = 0;

	while (good < n && pages[good]->index == index + good && !(READ_ONCE(pages[good]->flags) & PG_READAHEAD))
		good++;
	for (u32 i = good; i < n; i++)
		put_page(pages[i]);
	return good;
}

/* Copies from @p what lies in the file at *pos, at most @end. False: the copy was cut short. */
static bool copy_out(struct page *p, struct iov_iter *it, loff_t *pos, loff_t end)
{
	u32 off = (u32)((u64)*pos & ~PAGE_MASK);
	size_t n = MIN((size_t)(PAGE_SIZE - off), (size_t)(end - *pos)), done;

	n = MIN(n, it->count);
	done = copy_to_iter((char *)page_address(p) + off, n, it);
	*pos += (loff_t)done;
	return done == n;
}

/* One missing page: read it, or give zeros where there is no backing. */
static int read_slow(struct file *f, struct iov_iter *it, loff_t *pos, loff_t end, bool *more)
{
	struct mapping *m = &f->inode->mapping;
	u64 index = (u64)*pos >> PAGE_SHIFT;
	struct page *p = m->ops->no_backing ? mapping_find(m, index) : NULL;

	if (m->ops->no_backing && !p) {
		size_t n = MIN((size_t)(PAGE_SIZE - ((u64)*pos & ~PAGE_MASK)), (size_t)(end - *pos)), done;

		n = MIN(n, it->count);
		done = zero_iter(n, it);
		*pos += (loff_t)done;
		*more = done == n;
		return 0;
	}
	if (p)
		put_page(p);
	p = mapping_read(m, f, index);
	if (IS_ERR(p))
		return (int)PTR_ERR(p);
	*more = copy_out(p, it, pos, end);
	put_page(p);
	return 0;
}

ssize_t generic_file_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct mapping *m = &f->inode->mapping;
	struct page *pages[READ_BATCH];
	loff_t start = *pos, end;
	bool more = true;
	int err = 0;

	if (!it->count)
		return 0;
	while (more && it->count && *pos < (end = READ_ONCE(f->inode->size))) {
		u64 index = (u64)*pos >> PAGE_SHIFT;
		u64 want = (MIN((u64)end, (u64)*pos + it->count) + PAGE_SIZE - 1) >> PAGE_SHIFT;
		u32 n = find_ready(m, index, pages, (u32)MIN(want - index, (u64)READ_BATCH));

		for (u32 i = 0; i < n; i++) {
			more = more && copy_out(pages[i], it, pos, end);
			put_page(pages[i]);
		}
		if (!n) {
			err = read_slow(f, it, pos, end, &more);
			if (err)
				break;
		}
		cond_resched();
	}
	file_accessed(f); /* at the end of the file, too */
	if (*pos > start) {
		f->ra_prev = (u64)(*pos - 1) >> PAGE_SHIFT;
		return *pos - start;
	}
	return err ? err : more ? 0 : -EFAULT;
}

/* ---- write ---- */

/* Makes the next @n bytes of the source present, n <= it->count. How many are, or -EFAULT: not even the first. */
static ssize_t fault_in_source(const struct iov_iter *it, size_t n)
{
	size_t off = it->offset, done = 0;

	if (it->kind != ITER_USER)
		return -EFAULT;
	for (const struct iovec *iov = it->iov; done < n; iov++, off = 0) {
		u64 at = (u64)iov->iov_base + off, end = at + MIN(iov->iov_len - off, n - done), next;

		for (; at < end; done += next - at, at = next) {
			next = MIN(ALIGN_DOWN(at, PAGE_SIZE) + PAGE_SIZE, end);
			if (user_fault_in(at, false))
				return done ? (ssize_t)done : -EFAULT;
		}
	}
	return (ssize_t)n;
}

/* Copies up to @n bytes into the page at *pos. Bytes, 0: the source was not present, or -errno. */
static ssize_t write_page(struct file *f, struct iov_iter *it, loff_t pos, size_t n)
{
	struct inode *inode = f->inode;
	struct mapping *m = &inode->mapping;
	u32 off = (u32)((u64)pos & ~PAGE_MASK);
	struct iov_iter before = *it;
	struct page *p;
	size_t done;

	p = mapping_write_begin(m, f, (u64)pos >> PAGE_SHIFT, off, off + (u32)n);
	if (IS_ERR(p))
		return PTR_ERR(p);
	current->no_faults++;
	done = copy_from_iter((char *)page_address(p) + off, n, it);
	current->no_faults--;
	if (done < n && !(p->flags & PG_UPTODATE)) {
		/* The rest of the page is unknown: as if nothing had been written. */
		*it = before;
		done = 0;
	}
	if (done && pos + (loff_t)done > inode->size)
		WRITE_ONCE(inode->size, pos + (loff_t)done);
	mapping_write_end(m, p, off, off + (u32)done);
	return (ssize_t)done;
}

static ssize_t write_locked(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct mapping *m = &f->inode->mapping;
	size_t present = PAGE_SIZE; /* as far as we know */
	loff_t start = *pos;
	ssize_t n = 0;

	while (it->count) {
		u32 off = (u32)((u64)*pos & ~PAGE_MASK);
		size_t left = it->count, want = MIN(PAGE_SIZE - off, left);

		/* A long write gets contiguous memory. */
		if (!off && left >= 2 * PAGE_SIZE && (*pos == start || !((u64)*pos % (PAGE_SIZE << CHUNK_ORDER))))
			cache_reserve(m, (u64)*pos >> PAGE_SHIFT, (u32)MIN(left >> PAGE_SHIFT, (size_t)CHUNK_PAGES));
		n = write_page(f, it, *pos, MIN(want, present));
		present = PAGE_SIZE;
		if (!n) {
			n = fault_in_source(it, want);
			present = (size_t)n;
		} else if (n > 0) {
			*pos += n;
		}
		if (n < 0)
			break;
		if (fatal_signal_pending())
			break;
		cond_resched();
	}
	return *pos > start ? *pos - start : MIN(n, 0);
}

ssize_t generic_file_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct inode *inode = f->inode;
	size_t count = it->count, cut;
	loff_t start;
	ssize_t ret;

	if (!count)
		return 0;
	down_write(&inode->lock);
	if (f->flags & O_APPEND)
		*pos = inode->size;
	ret = generic_write_checks(f, pos, &count);
	if (!ret)
		ret = file_remove_privs(f);
	if (ret) {
		up_write(&inode->lock);
		return ret;
	}
	cut = it->count - count;
	it->count = count;
	inode_update_time(inode);
	start = *pos;
	if (start > inode->size)
		mapping_extend(&inode->mapping, inode->size);
	ret = write_locked(f, it, pos);
	it->count += cut;
	up_write(&inode->lock);
	if (ret > 0) {
		balance_dirty(&inode->mapping);
		if (f->flags & O_DSYNC) {
			int err = vfs_fsync(f, start, *pos - 1, (f->flags & O_SYNC) != O_SYNC);

			if (err)
				ret = err;
		}
	}
	return ret;
}

/* ---- mmap ---- */

static int generic_fault(struct vm_fault *vf)
{
	struct file *f = vf->vma->file;
	struct mapping *m = &f->inode->mapping;
	struct page *p;

	if (vf->pgoff >= file_pages(f->inode))
		return -EIO;
	p = cache_read_fault(m, f, vf->pgoff);
	if (IS_ERR(p))
		return PTR_ERR(p) == -ENOMEM ? -ENOMEM : -EIO;
	vf->page = p;
	return 0;
}

static int generic_page_mkwrite(struct vm_fault *vf)
{
	struct inode *inode = vf->vma->file->inode;

	/* The caller makes the page dirty. */
	inode_update_time(inode);
	balance_dirty(&inode->mapping);
	return 0;
}

const struct vm_ops generic_file_vm_ops = {
	.fault = generic_fault,
	.page_mkwrite = generic_page_mkwrite,
};

int generic_file_mmap(struct file *f, struct vma *vma)
{
	file_accessed(f);
	vma->ops = &generic_file_vm_ops;
	return 0;
}
