/* SPDX-License-Identifier: Apache-2.0 */
/*
 * madvise. What would save memory is done at once (MADV_FREE frees, since nobody can tell whether a page was written
 * again); what concerns huge pages, merging and reclaim order is accepted and without effect.
 */
#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/signal.h>
#include <gk/slab.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/uaccess.h>
#include "cache.h"
#include "internal.h"
#include "mmap.h"
#include "pgtable.h"
#include "vma.h"

#define FALLOC_FL_KEEP_SIZE 0x01
#define FALLOC_FL_PUNCH_HOLE 0x02

static int drop_pages(struct vma *v, u64 start, u64 end, int advice)
{
	struct gather g;

	if ((v->flags & VM_SPECIAL) || ((v->flags & VM_LOCKED) && advice != MADV_DONTNEED_LOCKED))
		return -EINVAL;
	if (advice == MADV_FREE && v->ops)
		return -EINVAL;
	gather_init(&g, v->mm);
	zap_range(&g, v, start, end, false);
	gather_finish(&g);
	return 0;
}

/* Takes what it needs out of the vma, and drops mmap_lock meanwhile: the file system sleeps and unmaps. */
static int remove_pages(struct vma *v, u64 start, u64 end)
{
	struct mm *mm = v->mm;
	struct file *f = v->file;
	loff_t off;
	int err;

	if (v->flags & VM_LOCKED)
		return -EINVAL;
	if (!f || !f->ops->fallocate)
		return -EINVAL;
	if ((v->flags & (VM_SHARED | VM_WRITE)) != (VM_SHARED | VM_WRITE))
		return -EACCES;
	off = (loff_t)(vma_pgoff_at(v, start) << PAGE_SHIFT);
	file_get(f);
	up_read(&mm->mmap_lock);
	err = f->ops->fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, (loff_t)(end - start));
	file_put(f);
	down_read(&mm->mmap_lock);
	return err;
}

static int will_need(struct vma *v, u64 start, u64 end)
{
	if (v->file && v->ops == &generic_file_vm_ops)
		readahead_range(&v->file->inode->mapping, v->file, vma_pgoff_at(v, start), (end - start) >> PAGE_SHIFT);
	return 0;
}

static int populate(struct vma *v, u64 start, u64 end, bool write)
{
	u32 need = write ? VM_WRITE : VM_READ;

	if ((v->flags & VM_SPECIAL) || !(v->flags & need))
		return -EINVAL;
	for (; start < end; start += PAGE_SIZE) {
		int err = handle_mm_fault(v, start, write ? FAULT_WRITE : 0);

		if (err)
			return err == -EIO ? -EFAULT : err;
		if (fatal_signal_pending())
			return -EINTR;
	}
	return 0;
}

/* One vma's part, mmap_lock held for reading. */
static int advise_pages(struct vma *v, u64 start, u64 end, int advice)
{
	switch (advice) {
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_FREE:
		return drop_pages(v, start, end, advice);
	case MADV_REMOVE:
		return remove_pages(v, start, end);
	case MADV_WILLNEED:
		return will_need(v, start, end);
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
		return populate(v, start, end, advice == MADV_POPULATE_WRITE);
	case MADV_COLD:
	case MADV_PAGEOUT:
		return v->flags & (VM_LOCKED | VM_SPECIAL) ? -EINVAL : 0;
	default:
		return 0;
	}
}

/* The flags of @v after the advice, or -EINVAL. */
static s64 advised_flags(const struct vma *v, int advice)
{
	switch (advice) {
	case MADV_DONTFORK:
		return v->flags | VM_DONTCOPY;
	case MADV_DOFORK:
		return v->flags & VM_SPECIAL ? -EINVAL : (s64)(v->flags & ~VM_DONTCOPY);
	case MADV_WIPEONFORK:
		return v->file || (v->flags & VM_SHARED) ? -EINVAL : (s64)(v->flags | VM_WIPEONFORK);
	case MADV_KEEPONFORK:
		return v->flags & ~VM_WIPEONFORK;
	case MADV_DONTDUMP:
		return v->flags | VM_DONTDUMP;
	case MADV_DODUMP:
		return v->flags & VM_SPECIAL ? -EINVAL : (s64)(v->flags & ~VM_DONTDUMP);
	default:
		return -EINVAL;
	}
}

/* mmap_lock held for writing. Holes are skipped and end in -ENOMEM. */
static long advise_flags(struct mm *mm, u64 start, u64 end, int advice)
{
	long ret = 0;

	for (struct vma *v = vma_find(mm, start); start < end; v = vma_next(v)) {
		s64 flags;

		if (!v || v->start >= end)
			return -ENOMEM;
		if (v->start > start)
			ret = -ENOMEM;
		flags = advised_flags(v, advice);
		if (flags < 0)
			return flags;
		if ((u32)flags != v->flags) {
			v = vma_cut(v, MAX(start, v->start), end);
			if (!v)
				return -EAGAIN;
			vma_set_flags(v, (u32)flags);
			v = vma_merge(v);
		}
		start = v->end;
	}
	return ret;
}

/* mmap_lock held for reading; may be dropped in between, so the vma is looked up again every time. */
static long advise_range(struct mm *mm, u64 start, u64 end, int advice)
{
	long ret = 0;

	while (start < end) {
		struct vma *v = vma_find(mm, start);
		u64 from, to;
		int err;

		if (!v || v->start >= end)
			return -ENOMEM;
		if (v->start > start) {
			if (advice == MADV_POPULATE_READ || advice == MADV_POPULATE_WRITE)
				return -ENOMEM;
			ret = -ENOMEM;
		}
		from = MAX(start, v->start);
		to = MIN(end, v->end);
		err = advise_pages(v, from, to, advice);
		if (err)
			return err;
		start = to;
	}
	return ret;
}

enum advice_kind { ADVICE_BAD, ADVICE_PAGES, ADVICE_FLAGS };

static enum advice_kind kind_of(u64 advice)
{
	switch (advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_WILLNEED:
	case MADV_DONTNEED:
	case MADV_DONTNEED_LOCKED:
	case MADV_FREE:
	case MADV_REMOVE:
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_POPULATE_READ:
	case MADV_POPULATE_WRITE:
		return ADVICE_PAGES;
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_WIPEONFORK:
	case MADV_KEEPONFORK:
	case MADV_DONTDUMP:
	case MADV_DODUMP:
		return ADVICE_FLAGS;
	default:
		return ADVICE_BAD;
	}
}

static long do_madvise(struct mm *mm, u64 start, u64 len, u64 advice)
{
	enum advice_kind kind = kind_of(advice);
	u64 size = PAGE_ALIGN(len);
	long ret;

	if (kind == ADVICE_BAD || (start & ~PAGE_MASK) || size < len || start + size < start)
		return -EINVAL;
	if (!size)
		return 0;
	if (kind == ADVICE_FLAGS) {
		down_write(&mm->mmap_lock);
		ret = advise_flags(mm, start, start + size, (int)advice);
		up_write(&mm->mmap_lock);
	} else {
		down_read(&mm->mmap_lock);
		ret = advise_range(mm, start, start + size, (int)advice);
		up_read(&mm->mmap_lock);
	}
	return ret;
}

SYSCALL3(madvise, u64, start, u64, len, u64, advice)
{
	return do_madvise(current->mm, start, len, advice);
}

/* ---- another process ---- */

static struct mm *mm_of_pidfd(int pidfd, long *err)
{
	struct pid *pid = pidfd_pid(pidfd);
	struct task *t;
	struct mm *mm = NULL;

	*err = IS_ERR(pid) ? PTR_ERR(pid) : -ESRCH;
	if (IS_ERR(pid))
		return NULL;
	t = find_get_task(pid->nr);
	if (t)
		mm = task_mm_for_access(t, err);
	if (t)
		task_put(t);
	pid_put(pid);
	return mm;
}

/* Bytes advised; an error only if there were none. */
static long advise_vector(struct mm *mm, const struct iov_iter *it, u64 advice)
{
	long total = 0;

	for (u32 i = 0; i < it->nr; i++) {
		long ret = do_madvise(mm, (u64)it->iov[i].iov_base, it->iov[i].iov_len, advice);

		if (ret)
			return total ? total : ret;
		total += (long)it->iov[i].iov_len;
	}
	return total;
}

SYSCALL5(process_madvise, int, pidfd, const struct iovec __user *, vec, u64, vlen, u64, advice, u64, flags)
{
	struct iovec fast[8], *iov = NULL;
	struct iov_iter it;
	struct mm *mm;
	long ret;

	if (flags)
		return -EINVAL;
	ret = iter_import(&it, vec, vlen, fast, &iov);
	if (ret < 0)
		return ret;
	mm = mm_of_pidfd(pidfd, &ret);
	if (mm) {
		/* To others only what does not change what they see. */
		if (mm != current->mm && advice != MADV_COLD && advice != MADV_PAGEOUT && advice != MADV_WILLNEED)
			ret = -EINVAL;
		else
			ret = advise_vector(mm, &it, advice);
		mm_put_user(mm);
	}
	if (iov && iov != fast)
		kfree(iov);
	return ret;
}
