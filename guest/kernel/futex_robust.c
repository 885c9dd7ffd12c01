/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a thread leaves behind: its robust list (locks it held, linked in the program's memory), its PI locks, and the
 * word that pthread_join() waits for. The list is the program's: every step is checked and their number bounded.
 */
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/futex.h>
#include <gk/mm.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/uaccess.h>

#include "futex_internal.h"

#define ROBUST_LIST_LIMIT 2048

struct robust_list_head {
	u64 next;
	s64 futex_offset;
	u64 pending; /* being locked or unlocked just now */
};

/* @p's word as a CAS; faults the page in. 0 and *old is what was there; -EFAULT. */
static int cmpxchg_faulting(u64 uaddr, u32 *old, u32 new)
{
	u32 expected = *old;

	while (user_cmpxchg32((u32 __user *)uaddr, old, new)) {
		if (user_fault_in(uaddr, true))
			return -EFAULT;
		*old = expected;
	}
	return 0;
}

static void lock_died(u64 uaddr, bool pi, bool pending)
{
	u32 val, seen, me = (u32)task_pid_nr(current);

	if ((uaddr & 3) || copy_from_user(&val, (const u32 __user *)uaddr, sizeof(val)))
		return;
	for (;;) {
		/* Unlocked, but maybe not woken yet: the next one must not sleep for ever. */
		if (pending && !pi && !val) {
			futex_wake_up(uaddr, true, 1, FUTEX_BITSET_ANY);
			return;
		}
		if ((val & FUTEX_TID_MASK) != me)
			return;
		seen = val;
		if (cmpxchg_faulting(uaddr, &seen, (val & FUTEX_WAITERS) | FUTEX_OWNER_DIED))
			return;
		if (seen == val)
			break;
		val = seen;
	}
	/* Waiters of a PI lock are handed it by futex_exit_pi(). */
	if (!pi && (val & FUTEX_WAITERS))
		futex_wake_up(uaddr, true, 1, FUTEX_BITSET_ANY);
}

/* Bit 0 of an entry's address says "PI". */
static void walk_robust_list(u64 head_addr)
{
	struct robust_list_head head;
	u64 entry, next;
	u32 limit = ROBUST_LIST_LIMIT;
	int err;

	if (copy_from_user(&head, (const void __user *)head_addr, sizeof(head)))
		return;
	for (entry = head.next; (entry & ~1ull) != head_addr && limit; entry = next, limit--) {
		/* Read before the lock is given away: its new owner may free it. */
		err = copy_from_user(&next, (const void __user *)(entry & ~1ull), sizeof(next));
		if ((entry & ~1ull) != (head.pending & ~1ull))
			lock_died((entry & ~1ull) + (u64)head.futex_offset, entry & 1, false);
		if (err)
			return;
		cond_resched();
	}
	if (head.pending)
		lock_died((head.pending & ~1ull) + (u64)head.futex_offset, head.pending & 1, true);
}

void futex_mm_release(void)
{
	struct task *t = current;
	u64 tid_addr = t->clear_child_tid, list = t->robust_list;

	if (!t->mm)
		return;
	t->robust_list = 0;
	if (list)
		walk_robust_list(list);
	futex_exit_pi();
	t->clear_child_tid = 0;
	if (tid_addr && refcount_read(&t->mm->users) > 1) {
		if (!put_user((u32)0, (u32 __user *)tid_addr))
			futex_wake_up(tid_addr, true, 1, FUTEX_BITSET_ANY);
	}
}

SYSCALL2(set_robust_list, u64, head, size_t, len)
{
	if (len != sizeof(struct robust_list_head))
		return -EINVAL;
	current->robust_list = head;
	return 0;
}

SYSCALL3(get_robust_list, s32, tid, u64 __user *, uhead, size_t __user *, ulen)
{
	struct task *t = tid ? find_get_task(tid) : task_get(current);
	const struct cred *mine = current->cred;
	struct cred *theirs;
	u64 head;
	bool ok;

	if (!t)
		return -ESRCH;
	theirs = task_cred_get(t);
	ok = t->process == current->process || capable(CAP_SYS_PTRACE) ||
	     (mine->uid == theirs->uid && mine->uid == theirs->euid && mine->uid == theirs->suid);
	cred_put(theirs);
	head = t->robust_list;
	task_put(t);
	if (!ok)
		return -EPERM;
	if (put_user(sizeof(struct robust_list_head), ulen) || put_user(head, uhead))
		return -EFAULT;
	return 0;
}

SYSCALL1(set_tid_address, u64, addr)
{
	current->clear_child_tid = addr;
	return task_pid_nr(current);
}
