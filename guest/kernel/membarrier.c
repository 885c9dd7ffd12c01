/* SPDX-License-Identifier: Apache-2.0 */
/*
 * membarrier(2): a full barrier on every vCPU that runs one of a set of tasks. Each such vCPU is kicked out of user
 * mode and clears its barrier_wanted in handle_pending(); the caller waits for all. While waiting it serves its own, so
 * that two callers cannot wait for each other for ever.
 */
#include <gk/errno.h>
#include <gk/hypercall.h>
#include <gk/mm.h>
#include <gk/rseq.h>
#include <gk/syscall.h>
#include <gk/task.h>

#define MEMBARRIER_CMD_QUERY 0
#define MEMBARRIER_CMD_GLOBAL 0x1
#define MEMBARRIER_CMD_GLOBAL_EXPEDITED 0x2
#define MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED 0x4
#define MEMBARRIER_CMD_PRIVATE_EXPEDITED 0x8
#define MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED 0x10
#define MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE 0x20
#define MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE 0x40
#define MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ 0x80
#define MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ 0x100
#define MEMBARRIER_CMD_GET_REGISTRATIONS 0x200
#define MEMBARRIER_ALL 0x3ff
#define MEMBARRIER_CMD_FLAG_CPU 1

#define RECHECK_NS 20000

enum whom { EVERYBODY, REGISTERED, THIS_MM };

/* rq_lock held: must the task @c runs see the barrier? */
static bool concerns(const struct cpu *c, enum whom whom, struct mm *mm)
{
	const struct task *t = c->rq_curr;

	if (!t->mm)
		return false; /* the kernel's own code orders what it does itself */
	if (whom == EVERYBODY)
		return true;
	if (whom == REGISTERED)
		return t->mm->membarrier & MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED;
	return t->mm == mm;
}

static void ask(struct cpu *c, bool restart_rseq)
{
	if (restart_rseq)
		rseq_preempt(c->rq_curr);
	atomic_xchg(&c->barrier_wanted, 1);
	hv_kick(c->id);
}

static void wait_for(struct cpu *c)
{
	while (READ_ONCE(c->barrier_wanted)) {
		poll_pending();
		hv_wait(&c->barrier_wanted, 1, RECHECK_NS);
	}
}

static void barrier_on(enum whom whom, s32 only_cpu, bool restart_rseq)
{
	struct cpu *c;
	u64 asked = 0;

	smp_mb();
	for_each_cpu(c) {
		if (c == this_cpu() || (only_cpu >= 0 && c->id != (u32)only_cpu))
			continue;
		spin_lock(&c->rq_lock);
		if (concerns(c, whom, current->mm)) {
			ask(c, restart_rseq);
			asked |= 1ull << c->id;
		}
		spin_unlock(&c->rq_lock);
	}
	for_each_cpu(c) {
		if (asked & (1ull << c->id))
			wait_for(c);
	}
	if (restart_rseq && (only_cpu < 0 || (u32)only_cpu == smp_id()))
		rseq_preempt(current);
	smp_mb();
}

static long barrier_if_registered(u32 needed, s32 cpu, bool restart_rseq)
{
	if (!(READ_ONCE(current->mm->membarrier) & needed))
		return -EPERM;
	barrier_on(THIS_MM, cpu, restart_rseq);
	return 0;
}

SYSCALL3(membarrier, int, cmd, u32, flags, s32, cpu)
{
	bool one_cpu = cmd == MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ && flags == MEMBARRIER_CMD_FLAG_CPU;

	if (flags && !one_cpu)
		return -EINVAL;
	if (!one_cpu)
		cpu = -1;
	else if (cpu < 0 || (u32)cpu >= nr_cpus)
		return 0;
	switch (cmd) {
	case MEMBARRIER_CMD_QUERY:
		return MEMBARRIER_ALL;
	case MEMBARRIER_CMD_GLOBAL:
		barrier_on(EVERYBODY, -1, false);
		return 0;
	case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
		barrier_on(REGISTERED, -1, false);
		return 0;
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
		return barrier_if_registered(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, -1, false);
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE:
		/* The way back from a kick serialises. */
		return barrier_if_registered(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, -1, false);
	case MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ:
		return barrier_if_registered(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ, cpu, true);
	case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
	case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ:
		atomic_or(&current->mm->membarrier, (u32)cmd);
		return 0;
	case MEMBARRIER_CMD_GET_REGISTRATIONS:
		return READ_ONCE(current->mm->membarrier);
	default:
		return -EINVAL;
	}
}
