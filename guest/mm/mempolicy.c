/* SPDX-License-Identifier: Apache-2.0 */
/* Memory policy on a machine with one node: every policy that names node 0 is accepted and makes no difference. */
#include <gk/errno.h>
#include <gk/signal.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/uaccess.h>
#include "internal.h"
#include "pgtable.h"
#include "vma.h"

#define MPOL_DEFAULT 0
#define MPOL_LOCAL 4
#define MPOL_MAX 6
#define MPOL_MODE_FLAGS 0xe000u
#define MPOL_F_NODE 1
#define MPOL_F_ADDR 2
#define MPOL_F_MEMS_ALLOWED 4
#define MPOL_MF_VALID 7
#define MAX_NODES 4096 /* bits a program may pass */

/* 0 if mode and mask make sense together: node 0, and only that. */
static int check_policy(u64 mode, const u64 __user *mask, u64 maxnode)
{
	u64 word = 0, bits = maxnode ? maxnode - 1 : 0;

	mode &= ~(u64)MPOL_MODE_FLAGS;
	if (mode > MPOL_MAX || bits > MAX_NODES)
		return -EINVAL;
	for (u64 i = 0; mask && i * 64 < bits; i++) {
		u64 w;

		if (get_user(w, mask + i))
			return -EFAULT;
		if (bits - i * 64 < 64)
			w &= (1ull << (bits - i * 64)) - 1;
		if (i ? w != 0 : (w & ~1ull) != 0)
			return -EINVAL;
		word |= w;
	}
	if (mode == MPOL_DEFAULT || mode == MPOL_LOCAL)
		return word ? -EINVAL : 0;
	return word || mode == 1 ? 0 : -EINVAL; /* 1: preferred, empty means local */
}

SYSCALL3(set_mempolicy, u64, mode, const u64 __user *, mask, u64, maxnode)
{
	return check_policy(mode, mask, maxnode);
}

SYSCALL6(mbind, u64, start, u64, len, u64, mode, const u64 __user *, mask, u64, maxnode, u64, flags)
{
	u64 size = PAGE_ALIGN(len);

	if ((start & ~PAGE_MASK) || start + size < start || (flags & ~(u64)MPOL_MF_VALID))
		return -EINVAL;
	return check_policy(mode, mask, maxnode);
}

static int put_mask(u64 __user *mask, u64 maxnode, u64 word)
{
	for (u64 i = 0; i * 64 < maxnode; i++) {
		if (put_user(i ? 0ull : word, mask + i))
			return -EFAULT;
	}
	return 0;
}

SYSCALL5(get_mempolicy, s32 __user *, mode, u64 __user *, mask, u64, maxnode, u64, addr, u64, flags)
{
	u64 word = 0;

	if ((flags & ~(u64)(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED)) || maxnode > MAX_NODES)
		return -EINVAL;
	if (flags & MPOL_F_MEMS_ALLOWED) {
		if (flags & (MPOL_F_NODE | MPOL_F_ADDR))
			return -EINVAL;
		word = 1;
	} else if (flags & MPOL_F_ADDR) {
		bool mapped;

		down_read(&current->mm->mmap_lock);
		mapped = vma_at(current->mm, addr);
		up_read(&current->mm->mmap_lock);
		if (!mapped)
			return -EFAULT;
	} else if (addr) {
		return -EINVAL;
	}
	/* The default policy and node 0 are both 0. */
	if (mode && put_user(0, mode))
		return -EFAULT;
	return mask ? put_mask(mask, maxnode, word) : 0;
}

SYSCALL4(set_mempolicy_home_node, u64, start, u64, len, u64, node, u64, flags)
{
	return flags || (start & ~PAGE_MASK) || node ? -EINVAL : 0;
}

SYSCALL4(migrate_pages, s32, pid, u64, maxnode, const u64 __user *, from, const u64 __user *, to)
{
	struct task *t = pid ? find_get_task(pid) : task_get(current);

	if (!t)
		return -ESRCH;
	task_put(t);
	return maxnode > MAX_NODES ? -EINVAL : 0; /* all are where they can be */
}

/* The node of a page of the current program: 0, or -ENOENT where there is none, -EFAULT where none can be. */
static s32 node_of_page(struct mm *mm, u64 addr)
{
	struct vma *v = vma_at(mm, addr);
	s32 node = -EFAULT;
	u64 *pte;

	if (!v)
		return node;
	spin_lock(&mm->table_lock);
	pte = pte_lookup(mm, addr);
	node = pte && *pte ? 0 : -ENOENT;
	spin_unlock(&mm->table_lock);
	return node;
}

SYSCALL6(move_pages, s32, pid, u64, count, const u64 __user *, pages, const s32 __user *, nodes, s32 __user *, status,
	 u64, flags)
{
	if (flags & ~6ull)
		return -EINVAL;
	/* Others' pages are not shown. */
	if (pid && pid != task_tgid_nr(current) && pid != task_pid_nr(current))
		return -EPERM;
	for (u64 i = 0; i < count; i++) {
		s32 node = 0, where;
		u64 addr;

		if (get_user(addr, pages + i) || (nodes && get_user(node, nodes + i)))
			return -EFAULT;
		if (node)
			return -ENODEV;
		down_read(&current->mm->mmap_lock);
		where = node_of_page(current->mm, addr);
		up_read(&current->mm->mmap_lock);
		if (put_user(where, status + i))
			return -EFAULT;
		if (fatal_signal_pending())
			return -EINTR;
	}
	return 0;
}
