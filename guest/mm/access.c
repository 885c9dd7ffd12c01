/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reaching into a program's memory by its page tables instead of its addresses: other tasks' memory, and pages the
 * kernel wants to hold on to.
 */
#include <gk/direct.h>
#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include "internal.h"
#include "pgtable.h"
#include "vma.h"

static bool rights_ok(const struct vma *v, u32 flags)
{
	if (flags & FAULT_WRITE) {
		if (v->flags & VM_WRITE)
			return true;
		/* A breakpoint in a private mapping; what is shared with others is not ours to change. */
		return (flags & FAULT_FORCE) && (v->flags & VM_MAYWRITE) && !(v->flags & VM_SHARED);
	}
	return (v->flags & (VM_READ | VM_WRITE | VM_EXEC)) || ((flags & FAULT_FORCE) && (v->flags & VM_MAYREAD));
}

/* The page behind an entry that allows the access, with a reference; NULL: it has to be faulted in. table_lock held. */
static struct page *page_of_entry(const u64 *pte, u32 flags)
{
	struct page *p;
	u64 e = pte ? *pte : 0;

	if (!e)
		return NULL;
	p = pte_page(e);
	if (flags & FAULT_WRITE) {
		if (!(e & PTE_W) &&
		    !((flags & FAULT_FORCE) && !(e & PTE_SPECIAL) && (p->flags & PG_ANON) && p->refs == 1))
			return NULL;
	} else {
		return direct_original_get(p);
	}
	get_page(p);
	return p;
}

/* mmap_lock held for reading; rights are checked. ERR_PTR on failure. */
static struct page *fetch_page(struct vma *v, u64 addr, u32 flags)
{
	/* Between faulting in and looking the page may go again (reclaim, truncation): a few times, not for ever. */
	for (u32 tries = 0; tries < 16; tries++) {
		struct page *p;
		int err;

		spin_lock(&v->mm->table_lock);
		p = page_of_entry(pte_lookup(v->mm, addr), flags);
		spin_unlock(&v->mm->table_lock);
		if (p)
			return p;
		err = handle_mm_fault(v, addr, flags);
		if (err)
			return ERR_PTR(err);
	}
	return ERR_PTR(-EFAULT);
}

static struct page *page_for_access(struct mm *mm, u64 addr, u32 flags)
{
	struct vma *v = user_range(addr & PAGE_MASK, PAGE_SIZE) ? vma_for_access(mm, addr) : NULL;

	if (!v || !rights_ok(v, flags))
		return ERR_PTR(-EFAULT);
	return fetch_page(v, addr & PAGE_MASK, flags);
}

ssize_t access_process_vm(struct mm *mm, u64 addr, void *buf, size_t len, bool write, bool force)
{
	u32 flags = (write ? FAULT_WRITE : 0) | (force ? FAULT_FORCE : 0);
	size_t done = 0;
	long err = 0;

	while (done < len && !err) {
		u32 off = (u32)((addr + done) & ~PAGE_MASK);
		size_t n = MIN(PAGE_SIZE - off, len - done);
		struct page *p;

		down_read(&mm->mmap_lock);
		p = page_for_access(mm, addr + done, flags);
		up_read(&mm->mmap_lock);
		if (IS_ERR(p)) {
			err = PTR_ERR(p);
			break;
		}
		if (write)
			memcpy((char *)page_address(p) + off, (char *)buf + done, n);
		else
			memcpy((char *)buf + done, (char *)page_address(p) + off, n);
		put_page(p);
		done += n;
	}
	return done ? (ssize_t)done : err;
}

/* ---- process_vm_readv, process_vm_writev ---- */

/* Copies between our iovecs and the other program's. Bytes or -errno. */
static ssize_t copy_vectors(struct mm *mm, struct iov_iter *local, struct iov_iter *remote, bool write)
{
	void *bounce = kmalloc(PAGE_SIZE);
	ssize_t total = 0, n = 0;

	if (!bounce)
		return -ENOMEM;
	while (local->count && remote->count) {
		const struct iovec *r = remote->iov;
		size_t want = MIN(local->count, (size_t)PAGE_SIZE);
		u64 addr;

		if (remote->offset >= r->iov_len) {
			iter_advance(remote, 0); /* an empty piece */
			continue;
		}
		addr = (u64)r->iov_base + remote->offset;
		want = MIN(want, r->iov_len - remote->offset);
		if (write) {
			want = copy_from_iter(bounce, want, local);
			n = want ? access_process_vm(mm, addr, bounce, want, true, false) : -EFAULT;
		} else {
			n = access_process_vm(mm, addr, bounce, want, false, false);
			if (n > 0 && copy_to_iter(bounce, (size_t)n, local) != (size_t)n)
				n = -EFAULT;
		}
		if (n <= 0)
			break;
		total += n;
		iter_advance(remote, (size_t)n);
		if ((size_t)n < want || fatal_signal_pending())
			break;
	}
	kfree(bounce);
	return total ? total : n;
}

/* May the current task see and change @t's memory (ptrace(2), "Ptrace access mode checking")? task_lock held. */
static bool may_access(const struct task *t)
{
	const struct cred *me = current->cred, *c = t->cred;

	if (t->process == current->process || capable(CAP_SYS_PTRACE))
		return true;
	return t->process->dumpable == 1 && me->uid == c->uid && me->uid == c->euid && me->uid == c->suid &&
	       me->gid == c->gid && me->gid == c->egid && me->gid == c->sgid;
}

struct mm *task_mm_for_access(struct task *t, long *err)
{
	struct mm *mm = NULL;

	*err = -ESRCH;
	spin_lock(&task_lock);
	if (!may_access(t))
		*err = -EPERM;
	else if (t->mm && mm_get_user(t->mm))
		mm = t->mm;
	spin_unlock(&task_lock);
	return mm;
}

static struct mm *find_mm(s32 pid, long *err)
{
	struct task *t = find_get_task(pid);
	struct mm *mm;

	*err = -ESRCH;
	if (!t)
		return NULL;
	mm = task_mm_for_access(t, err);
	task_put(t);
	return mm;
}

static long process_vm_rw(s32 pid, const struct iovec __user *lvec, u64 liovcnt, const struct iovec __user *rvec,
			  u64 riovcnt, u64 flags, bool write)
{
	struct iovec lfast[8], rfast[8], *liov = NULL, *riov = NULL;
	struct iov_iter local, remote;
	struct mm *mm;
	long ret;

	if (flags)
		return -EINVAL;
	ret = iter_import(&local, lvec, liovcnt, lfast, &liov);
	if (ret <= 0)
		goto out;
	ret = iter_import(&remote, rvec, riovcnt, rfast, &riov);
	if (ret <= 0)
		goto out;
	mm = find_mm(pid, &ret);
	if (!mm)
		goto out;
	ret = copy_vectors(mm, &local, &remote, write);
	mm_put_user(mm);
out:
	if (liov && liov != lfast)
		kfree(liov);
	if (riov && riov != rfast)
		kfree(riov);
	return ret;
}

SYSCALL6(process_vm_readv, s32, pid, const struct iovec __user *, lvec, u64, liovcnt, const struct iovec __user *, rvec,
	 u64, riovcnt, u64, flags)
{
	return process_vm_rw(pid, lvec, liovcnt, rvec, riovcnt, flags, false);
}

SYSCALL6(process_vm_writev, s32, pid, const struct iovec __user *, lvec, u64, liovcnt, const struct iovec __user *,
	 rvec, u64, riovcnt, u64, flags)
{
	return process_vm_rw(pid, lvec, liovcnt, rvec, riovcnt, flags, true);
}
