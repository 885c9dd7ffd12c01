/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The per-vCPU area. GS base points at it in supervisor mode; the PVCS must be its first member (abi/pvm.h).
 * Kernel code never changes vCPU except in schedule() and whatever calls it.
 */
#ifndef GK_PERCPU_H
#define GK_PERCPU_H

#include <abi/pvm.h>
#include <gk/lock.h>
#include <gk/rbtree.h>

struct task;
struct mm;
struct ktimer;

#define MAX_CPUS 64

struct cpu {
	struct pvcs pvcs;
	struct cpu *self;   /* offset 128: used by this_cpu() */
	struct task *curr;  /* offset 136: used by `current` and the entry code */
	u64 kstack_top;	    /* offset 144: where the entry code puts its frame */
	u64 scratch_rsp;    /* offset 152: the program's RSP during entry */
	u64 *direct_ret;    /* offset 160: return addresses of the loaded mm's patched sites (gk/direct.h) */
	u64 direct_entry;   /* offset 168: boot->direct_entry */
	ktime_t timer_next; /* offset 176: timer_lock: the earliest in @timers; starts as KTIME_NEVER */
	ktime_t armed;	    /* offset 184: timer_lock: what the hypervisor was told; starts as KTIME_NEVER */
	u32 id;
	u32 need_resched; /* offset 196: another task should run; set by anyone, read on the way to user mode */

	/* This vCPU only. */
	struct task *idle;
	struct mm *active_mm; /* whose table is loaded; holds a reference */
	u64 loaded_cr3;
	struct task *fp_task; /* whose FP state is still in the registers (arch/x86_64/fpu.c), or NULL */

	/* run queue, kernel/sched.c */
	spinlock_t rq_lock;
	struct list_head rq;	/* rq_lock: waiting tasks, best first */
	struct task *rq_curr;	/* rq_lock: whom the vCPU runs or is just switching to */
	struct task *yielding;	/* rq_lock: wants the next one to run, whatever its share */
	struct task *migrating; /* this vCPU: between switch_out() and finish_switch() */
	u32 nr_running;		/* rq_lock */
	u64 rq_clock;		/* rq_lock: when the current task was put on the CPU */
	u64 min_vruntime;	/* rq_lock */
	u64 rt_since, rt_used;	/* rq_lock: time that real-time tasks had since then */
	u32 barrier_wanted;	/* atomic: membarrier() waits until this vCPU has left user mode */
	bool in_pending;	/* this vCPU: in handle_pending(), on whatever task's back */

	/* timers, kernel/timer.c */
	spinlock_t timer_lock;
	struct rb_root timers;	      /* timer_lock, by deadline */
	struct ktimer *timer_running; /* timer_lock: whose func runs here now */

	/* statistics for /proc/stat */
	u64 user_ns, system_ns, idle_ns, irqs, ctxt_switches;
	/* for account_syscalls(): exceptions and interrupts of programs; entries of tasks that have ended here */
	u64 user_events, entries_of_dead;
} __aligned(4096);

_Static_assert(offsetof(struct cpu, self) == 128, "entry.S");
_Static_assert(offsetof(struct cpu, curr) == 136, "entry.S");
_Static_assert(offsetof(struct cpu, kstack_top) == 144, "entry.S");
_Static_assert(offsetof(struct cpu, scratch_rsp) == 152, "entry.S");
_Static_assert(offsetof(struct cpu, direct_ret) == 160, "entry.S");
_Static_assert(offsetof(struct cpu, direct_entry) == 168, "entry.S");
_Static_assert(offsetof(struct cpu, timer_next) == 176, "entry.S");
_Static_assert(offsetof(struct cpu, armed) == 184, "entry.S");
_Static_assert(offsetof(struct cpu, need_resched) == 196, "entry.S");

extern struct cpu *cpus[MAX_CPUS];
extern u32 nr_cpus; /* online */

static __always_inline struct cpu *this_cpu(void)
{
	struct cpu *c;

	__asm__ volatile("movq %%gs:128, %0" : "=r"(c));
	return c;
}

static __always_inline struct task *get_current(void)
{
	struct task *t;

	/* Not volatile: `current` never changes under the code that reads it. */
	__asm__("movq %%gs:136, %0" : "=r"(t));
	return t;
}
#define current get_current()

static inline u32 smp_id(void)
{
	return this_cpu()->id;
}

#define for_each_cpu(c) for (u32 i_ = 0; i_ < nr_cpus && ((c) = cpus[i_]); i_++)

#endif
