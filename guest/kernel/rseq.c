/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restartable sequences. The structure is in the program's memory and only the way to user mode touches it: the
 * scheduler just sets WORK_RSEQ when the task was preempted or has moved.
 */
#include <gk/errno.h>
#include <gk/rseq.h>
#include <gk/signal.h>
#include <gk/syscall.h>
#include <gk/uaccess.h>

#define RSEQ_FLAG_UNREGISTER 1
#define RSEQ_CPU_ID_UNINITIALIZED (~0u)
#define RSEQ_SIZE_MIN 32

/* The program's structure, as much of it as we fill. */
struct rseq_area {
	u32 cpu_id_start, cpu_id;
	u64 rseq_cs;
	u32 flags, node_id, mm_cid, pad;
};
_Static_assert(sizeof(struct rseq_area) == RSEQ_SIZE_MIN, "struct rseq");

struct rseq_cs {
	u32 version, flags;
	u64 start_ip, post_commit_offset, abort_ip;
};

static u64 area_field(size_t offset)
{
	return current->rseq + offset;
}

/* If @regs is inside a critical section it goes to its abort address. 0, or -EFAULT/-EINVAL. */
static int fix_up(struct pt_regs *regs)
{
	u64 ptr, zero = 0;
	struct rseq_cs cs;
	u32 sig;

	if (get_user(ptr, (u64 __user *)area_field(offsetof(struct rseq_area, rseq_cs))))
		return -EFAULT;
	if (!ptr)
		return 0;
	if (copy_from_user(&cs, (void __user *)ptr, sizeof(cs)))
		return -EFAULT;
	if (cs.version || cs.flags || cs.start_ip + cs.post_commit_offset < cs.start_ip ||
	    !access_ok(cs.start_ip + cs.post_commit_offset, 0) || !access_ok(cs.abort_ip - 4, 8) ||
	    cs.abort_ip - cs.start_ip < cs.post_commit_offset)
		return -EINVAL;
	if (get_user(sig, (u32 __user *)(cs.abort_ip - 4)))
		return -EFAULT;
	if (sig != current->rseq_sig)
		return -EINVAL;
	if (put_user(zero, (u64 __user *)area_field(offsetof(struct rseq_area, rseq_cs))))
		return -EFAULT;
	if (regs->rip - cs.start_ip < cs.post_commit_offset)
		regs->rip = cs.abort_ip;
	return 0;
}

static int write_cpu(u32 start, u32 id)
{
	u32 first[2] = {start, id}, rest[2] = {0, id == RSEQ_CPU_ID_UNINITIALIZED ? 0 : id};

	if (copy_to_user((void __user *)area_field(0), first, sizeof(first)))
		return -EFAULT;
	return copy_to_user((void __user *)area_field(offsetof(struct rseq_area, node_id)), rest, sizeof(rest));
}

void rseq_resume(struct pt_regs *regs)
{
	atomic_and(&current->work, ~(u64)WORK_RSEQ);
	if (!current->rseq)
		return;
	current->rseq_cpu = this_cpu();
	if (fix_up(regs) || write_cpu(smp_id(), smp_id())) {
		current->rseq = 0; /* or the next way out would do the same again */
		force_signal(SIGSEGV);
		return;
	}
	/* A fault above may have moved us. */
	if (current->rseq_cpu != this_cpu())
		rseq_preempt(current);
}

void rseq_signal(struct pt_regs *regs)
{
	if (current->rseq)
		rseq_resume(regs);
}

SYSCALL4(rseq, u64, area, u32, len, int, flags, u32, sig)
{
	struct task *t = current;

	if (flags & RSEQ_FLAG_UNREGISTER) {
		if (flags & ~RSEQ_FLAG_UNREGISTER)
			return -EINVAL;
		if (t->rseq != area || !t->rseq || len != t->rseq_len)
			return -EINVAL;
		if (t->rseq_sig != sig)
			return -EPERM;
		if (write_cpu(0, RSEQ_CPU_ID_UNINITIALIZED))
			return -EFAULT;
		rseq_clear(t);
		return 0;
	}
	if (flags)
		return -EINVAL;
	if (t->rseq) {
		if (t->rseq != area || t->rseq_len != len)
			return -EINVAL;
		return t->rseq_sig != sig ? -EPERM : -EBUSY;
	}
	if (len < RSEQ_SIZE_MIN || (area & (RSEQ_SIZE_MIN - 1)))
		return -EINVAL;
	if (!access_ok(area, len))
		return -EFAULT;
	t->rseq = area;
	t->rseq_len = len;
	t->rseq_sig = sig;
	set_task_work(t, WORK_RSEQ);
	return 0;
}
