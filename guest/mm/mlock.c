/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mlock and its family. Nothing is ever swapped, so a locked page needs no more than to be there: the calls keep
 * Linux's accounts and errors and fault the pages in.
 */
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include "internal.h"
#include "mmap.h"
#include "vma.h"

/* mmap_lock held for writing. */
static int set_locked(struct mm *mm, u64 start, u64 end, bool lock)
{
	struct vma *v = vma_find(mm, start);

	while (start < end) {
		u32 flags;

		if (!v || v->start > start)
			return -ENOMEM;
		flags = lock ? v->flags | VM_LOCKED : v->flags & ~VM_LOCKED;
		if (flags != v->flags && !(v->flags & VM_SPECIAL)) {
			v = vma_cut(v, start, end);
			if (!v)
				return -ENOMEM;
			vma_set_flags(v, flags);
			v = vma_merge(v);
		}
		start = v->end;
		v = vma_next(v);
	}
	return 0;
}

static u64 locked_in(struct mm *mm, u64 start, u64 end)
{
	u64 pages = 0;

	for (struct vma *v = vma_find(mm, start); v && v->start < end; v = vma_next(v)) {
		if (v->flags & VM_LOCKED)
			pages += (MIN(v->end, end) - MAX(v->start, start)) >> PAGE_SHIFT;
	}
	return pages;
}

static long do_mlock(u64 start, u64 len, bool populate)
{
	struct mm *mm = current->mm;
	u64 end;
	long ret;

	len = PAGE_ALIGN(len + (start & ~PAGE_MASK));
	start &= PAGE_MASK;
	end = start + len;
	if (end < start)
		return -EINVAL;
	if (!len)
		return 0;
	down_write(&mm->mmap_lock);
	ret = may_lock(mm, len >> PAGE_SHIFT);
	if (ret == -EAGAIN)
		ret = may_lock(mm, (len >> PAGE_SHIFT) - locked_in(mm, start, end)) ? -ENOMEM : 0;
	if (!ret)
		ret = set_locked(mm, start, end, true);
	if (!ret && populate) {
		downgrade_write(&mm->mmap_lock);
		ret = populate_range(mm, start, end);
		up_read(&mm->mmap_lock);
		return ret == -EFAULT || ret == -EIO ? -ENOMEM : ret;
	}
	up_write(&mm->mmap_lock);
	return ret;
}

SYSCALL2(mlock, u64, start, u64, len)
{
	return do_mlock(start, len, true);
}

SYSCALL3(mlock2, u64, start, u64, len, u64, flags)
{
	return flags & ~(u64)MLOCK_ONFAULT ? -EINVAL : do_mlock(start, len, !(flags & MLOCK_ONFAULT));
}

SYSCALL2(munlock, u64, start, u64, len)
{
	struct mm *mm = current->mm;
	long ret;

	len = PAGE_ALIGN(len + (start & ~PAGE_MASK));
	start &= PAGE_MASK;
	if (start + len < start)
		return -EINVAL;
	down_write(&mm->mmap_lock);
	ret = set_locked(mm, start, start + len, false);
	up_write(&mm->mmap_lock);
	return ret;
}

/* All that is mapped now. mmap_lock held for writing. */
static void set_all_locked(struct mm *mm, bool lock)
{
	struct vma *v, *next;

	for (v = vma_first(mm); v; v = next) {
		u32 flags = lock ? v->flags | VM_LOCKED : v->flags & ~VM_LOCKED;

		if (flags != v->flags && !(v->flags & VM_SPECIAL)) {
			vma_set_flags(v, flags);
			v = vma_merge(v);
		}
		next = vma_next(v);
	}
}

static void populate_all(struct mm *mm)
{
	struct vma *v;

	down_read(&mm->mmap_lock);
	for_each_vma(v, mm) {
		if (!(v->flags & VM_SPECIAL) && !fatal_signal_pending())
			populate_range(mm, v->start, v->end);
	}
	up_read(&mm->mmap_lock);
}

SYSCALL1(mlockall, u64, flags)
{
	struct mm *mm = current->mm;
	long ret = 0;

	if (!flags || flags == MCL_ONFAULT || (flags & ~(u64)(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)))
		return -EINVAL;
	down_write(&mm->mmap_lock);
	if (!current->process->rlim[RLIMIT_MEMLOCK].cur && !capable(CAP_IPC_LOCK))
		ret = -EPERM;
	if (!ret && (flags & MCL_CURRENT) && may_lock(mm, mm->total_vm - mm->locked_vm))
		ret = -ENOMEM;
	if (!ret) {
		mm->def_flags = flags & MCL_FUTURE ? mm->def_flags | VM_LOCKED : mm->def_flags & ~VM_LOCKED;
		if (flags & MCL_CURRENT)
			set_all_locked(mm, true);
	}
	up_write(&mm->mmap_lock);
	if (!ret && (flags & (MCL_CURRENT | MCL_ONFAULT)) == MCL_CURRENT)
		populate_all(mm);
	return ret;
}

SYSCALL0(munlockall)
{
	struct mm *mm = current->mm;

	down_write(&mm->mmap_lock);
	mm->def_flags &= ~VM_LOCKED;
	set_all_locked(mm, false);
	up_write(&mm->mmap_lock);
	return 0;
}
