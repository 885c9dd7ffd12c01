/* SPDX-License-Identifier: Apache-2.0 */
/* msync and mincore: mappings and what is behind them. */
#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/slab.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/uaccess.h>
#include "internal.h"
#include "mmap.h"
#include "pgtable.h"
#include "vma.h"

/* Writes what [start, end) of one vma shows of a file, if it is shared. The file gets a reference in *file. */
static bool must_write(struct vma *v, u64 start, u64 end, struct file **file, loff_t *from, loff_t *to)
{
	if (!v->file || !(v->flags & VM_SHARED))
		return false;
	*file = file_get(v->file);
	*from = (loff_t)(vma_pgoff_at(v, start) << PAGE_SHIFT);
	*to = *from + (loff_t)(end - start) - 1;
	return true;
}

static long sync_range(struct mm *mm, u64 start, u64 end, u64 flags)
{
	long ret = 0;

	down_read(&mm->mmap_lock);
	while (start < end) {
		struct vma *v = vma_find(mm, start);
		struct file *file;
		loff_t from, to;
		u64 stop;

		if (!v || v->start >= end) {
			ret = -ENOMEM;
			break;
		}
		if (v->start > start) {
			ret = -ENOMEM;
			start = v->start;
		}
		if ((flags & MS_INVALIDATE) && (v->flags & VM_LOCKED)) {
			ret = -EBUSY;
			break;
		}
		stop = MIN(end, v->end);
		if ((flags & MS_SYNC) && must_write(v, start, stop, &file, &from, &to)) {
			int err;

			up_read(&mm->mmap_lock);
			err = vfs_fsync(file, from, to, true);
			file_put(file);
			if (err)
				return err;
			down_read(&mm->mmap_lock);
		}
		start = stop;
	}
	up_read(&mm->mmap_lock);
	return ret;
}

SYSCALL3(msync, u64, start, u64, len, u64, flags)
{
	u64 size = PAGE_ALIGN(len);

	if ((flags & ~(u64)(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) || (start & ~PAGE_MASK) ||
	    (flags & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC))
		return -EINVAL;
	if (size < len || start + size < start)
		return -ENOMEM;
	return sync_range(current->mm, start, start + size, flags);
}

/* Is the page there, in the table or in the cache of the file? mmap_lock held for reading. */
static bool page_resident(struct vma *v, u64 addr)
{
	struct page *p = NULL;
	u64 *pte;
	bool there;

	spin_lock(&v->mm->table_lock);
	pte = pte_lookup(v->mm, addr);
	there = pte && *pte;
	spin_unlock(&v->mm->table_lock);
	if (there || !v->file || !v->file->inode->mapping.ops)
		return there;
	p = mapping_find(&v->file->inode->mapping, vma_pgoff_at(v, addr));
	if (!p)
		return false;
	there = p->flags & PG_UPTODATE;
	put_page(p);
	return there;
}

/* Up to @max pages from @start; how many, or -ENOMEM at a hole. */
static long resident_pages(struct mm *mm, u64 start, u64 max, u8 *vec)
{
	struct vma *v;
	u64 n = 0;

	down_read(&mm->mmap_lock);
	v = vma_at(mm, start);
	for (; v && n < max && start < v->end; n++, start += PAGE_SIZE)
		vec[n] = page_resident(v, start);
	up_read(&mm->mmap_lock);
	return v ? (long)n : -ENOMEM;
}

SYSCALL3(mincore, u64, start, u64, len, u8 __user *, vec)
{
	u64 pages = PAGE_ALIGN(len) >> PAGE_SHIFT;
	long ret = 0;
	u8 *buf;

	if (start & ~PAGE_MASK)
		return -EINVAL;
	if (PAGE_ALIGN(len) < len || start + len < start || start + len > boot->user_hi_end)
		return -ENOMEM;
	if (!access_ok((u64)vec, pages))
		return -EFAULT;
	buf = get_zeroed_page();
	if (!buf)
		return -EAGAIN;
	while (pages) {
		ret = resident_pages(current->mm, start, MIN(pages, (u64)PAGE_SIZE), buf);
		if (ret <= 0)
			break;
		if (copy_to_user(vec, buf, (size_t)ret)) {
			ret = -EFAULT;
			break;
		}
		pages -= (u64)ret;
		vec += ret;
		start += (u64)ret << PAGE_SHIFT;
		ret = 0;
	}
	free_page_addr(buf);
	return ret;
}
