/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The architecture's half of a task: its kernel stack's first frame, the switch, the start of a program, arch_prctl.
 *
 * The switch loads the next task's page table while still on the old kernel stack: supervisor memory is the same in
 * every table, so it does not matter where that happens. Tasks without an mm run on whatever table is loaded.
 */
#include <gk/direct.h>
#include <gk/fpu.h>
#include <gk/mm.h>
#include <gk/printk.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/uaccess.h>

#include "arch.h"
#include "fpu-switch.h"

#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define ARCH_GET_FS 0x1003
#define ARCH_GET_GS 0x1004
#define ARCH_GET_CPUID 0x1011
#define ARCH_SET_CPUID 0x1012

/* What switch_stacks() pops. */
struct switch_frame {
	u64 r15, r14, r13, r12, rbx, rbp, rip;
};

void load_mm(struct mm *mm)
{
	if (mm_switch(mm))
		panic("an address space cannot be loaded");
	this_cpu()->fp_task = NULL;
}

struct task *__switch_to(struct task *prev, struct task *next)
{
	struct cpu *c = this_cpu();

	if (prev->mm)
		fpu_switch_out(prev);
	if (next->mm) {
		if (next->mm != c->active_mm)
			load_mm(next->mm);
		fpu_switch_in(next);
	}
	c->kstack_top = next->kstack + KSTACK_SIZE;
	c->curr = next;
	return switch_stacks(prev, next);
}

void arch_prepare_task(struct task *t, void (*fn)(void *arg), void *arg)
{
	/* 8 bytes between frame and registers: entry.S keeps RSP aligned for calls that way. */
	struct switch_frame *f = (struct switch_frame *)((u64)task_pt_regs(t) - 8) - 1;

	memset(f, 0, sizeof(*f));
	f->rbx = (u64)fn;
	f->r12 = (u64)arg;
	f->rip = (u64)task_start;
	t->ksp = (u64)f;
	t->fp_valid_tag = 0;
}

void arch_start_program(struct pt_regs *regs, u64 rip, u64 rsp)
{
	memset(regs, 0, sizeof(*regs));
	regs->orig_rax = ~0ull;
	regs->rip = rip;
	regs->rsp = rsp;
	regs->cs = PVM_USER_CS;
	regs->ss = PVM_USER_SS;
	regs->eflags = 0x202;
	atomic_or(&current->work, WORK_FULL_REGS);
	wrfsbase(0);
	this_cpu()->pvcs.user_gsbase = 0;
	fpu_reset_current();
}

SYSCALL2(arch_prctl, int, op, u64, addr)
{
	switch (op) {
	case ARCH_SET_FS:
		if (addr >= TASK_SIZE_MAX)
			return -EPERM;
		wrfsbase(addr);
		return 0;
	case ARCH_SET_GS:
		if (addr >= TASK_SIZE_MAX)
			return -EPERM;
		if (addr)
			direct_mm_disable(current->mm);
		this_cpu()->pvcs.user_gsbase = addr;
		return 0;
	case ARCH_GET_FS:
		return put_user(rdfsbase(), (u64 __user *)addr);
	case ARCH_GET_GS:
		return put_user(this_cpu()->pvcs.user_gsbase, (u64 __user *)addr);
	case ARCH_GET_CPUID:
		return 1;
	case ARCH_SET_CPUID:
		return -ENODEV; /* it cannot be made to fault */
	default:
		return -EINVAL;
	}
}
