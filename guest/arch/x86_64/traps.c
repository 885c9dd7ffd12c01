/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Events: a program's exceptions become page faults handled or signals; interrupts are bits in PVCS.pending; exceptions
 * of the kernel itself are page faults of the copy helpers, or the end. And the work on the way back to a program.
 *
 * Event details are read from the PVCS before anything can fault: a nested event overwrites them.
 */
#include <gk/acct.h>
#include <gk/hypercall.h>
#include <gk/init.h>
#include <gk/mm.h>
#include <gk/printk.h>
#include <gk/rseq.h>
#include <gk/signal.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/time.h>
#include <gk/uaccess.h>

#include "arch.h"

/* si_code of exceptions (siginfo.h of Linux) */
#define FPE_INTDIV 1
#define FPE_FLTDIV 3
#define FPE_FLTOVF 4
#define FPE_FLTUND 5
#define FPE_FLTRES 6
#define FPE_FLTINV 7
#define ILL_ILLOPN 2
#define BUS_ADRALN 1
#define TRAP_BRKPT 1
#define TRAP_TRACE 2

#define EFLAGS_TF 0x100
#define MM_EXCEPTIONS 0x3f

void handle_pending(u64 pending)
{
	struct cpu *c = this_cpu();

	c->irqs++;
	c->in_pending = true;
	if (pending & UM_PENDING_TIMER)
		timers_run();
	if (pending & UM_PENDING_QUEUE) {
		virtq_interrupt();
		timerfd_look_at_clock();
	}
	c->in_pending = false;
	if (unlikely(READ_ONCE(c->barrier_wanted)) && atomic_xchg(&c->barrier_wanted, 0))
		hv_wake(&c->barrier_wanted, ~0u);
	/* UM_PENDING_KICK only makes us look at need_resched and task->work, which every caller does next. */
}

/* Which of the unmasked exceptions happened: status bits as in MXCSR and the x87 status word. */
static int fp_exception_code(u32 raised)
{
	if (raised & 0x01)
		return FPE_FLTINV;
	if (raised & 0x04)
		return FPE_FLTDIV;
	if (raised & 0x08)
		return FPE_FLTOVF;
	if (raised & 0x12)
		return FPE_FLTUND;
	if (raised & 0x20)
		return FPE_FLTRES;
	return 0;
}

static int sse_exception_code(void)
{
	u32 mxcsr;

	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	return fp_exception_code(mxcsr & ~(mxcsr >> 7) & MM_EXCEPTIONS);
}

static int x87_exception_code(void)
{
	u16 status, control;

	__asm__ volatile("fnstsw %0" : "=m"(status));
	__asm__ volatile("fnstcw %0" : "=m"(control));
	return fp_exception_code(status & ~control & MM_EXCEPTIONS);
}

static void user_page_fault(struct pt_regs *regs, u64 addr, u32 error)
{
	int sig = SIGSEGV, code = 1;

	if (handle_page_fault(addr, error | PVM_PF_USER, &sig, &code) == 0)
		return;
	current->trap_cr2 = addr;
	if (sig) /* else it is dying */
		force_signal_fault(sig, code, addr);
}

static void user_exception(struct pt_regs *regs, u32 vector)
{
	switch (vector) {
	case PVM_VEC_DE:
		force_signal_fault(SIGFPE, FPE_INTDIV, regs->rip);
		break;
	case PVM_VEC_DB:
		force_signal_fault(SIGTRAP, TRAP_TRACE, regs->rip);
		break;
	case PVM_VEC_BP:
		force_signal(SIGTRAP);
		break;
	case PVM_VEC_UD:
		force_signal_fault(SIGILL, ILL_ILLOPN, regs->rip);
		break;
	case PVM_VEC_SS: /* the stack at an address that is none */
		force_signal(SIGBUS);
		break;
	case PVM_VEC_AC:
		force_signal_fault(SIGBUS, BUS_ADRALN, 0);
		break;
	case PVM_VEC_MF:
		force_signal_fault(SIGFPE, x87_exception_code(), regs->rip);
		break;
	case PVM_VEC_XM:
		force_signal_fault(SIGFPE, sse_exception_code(), regs->rip);
		break;
	default: /* #GP, #OF, int 0x80 (there are no 32-bit calls), segment faults */
		force_signal(SIGSEGV);
		break;
	}
}

/*
 * On its way from a patched call site to syscall_entry (direct.S): user mode, but in our text. What the program must
 * not see there (signals) waits for the few instructions until the call has begun.
 */
static bool in_direct_stub(const struct pt_regs *regs)
{
	return regs->rip - linear_base < boot->ram_bytes;
}

void do_user_event(struct pt_regs *regs, u32 event)
{
	const struct pvcs *pvcs = &this_cpu()->pvcs;
	u32 vector = event & 0xff, error = pvcs->event_errcode;
	u64 cr2 = pvcs->cr2;

	account_enter(current);
	this_cpu()->user_events++;
	if (vector == PVM_VEC_INTR)
		return; /* exit_to_user() looks at what is pending */
	if (unlikely(in_direct_stub(regs))) {
		if (vector == PVM_VEC_DB)
			return;		/* single step: over the whole call */
		do_group_exit(SIGSEGV); /* the program broke into it */
	}
	current->trap_nr = vector;
	current->trap_err = error;
	if (vector == PVM_VEC_PF)
		user_page_fault(regs, cr2, error);
	else
		user_exception(regs, vector);
}

static const struct ex_entry *find_ex_entry(u64 rip)
{
	for (const struct ex_entry *e = ex_table_start; e < ex_table_end; e++) {
		if ((u64)&e->insn + (s64)e->insn == rip)
			return e;
	}
	return NULL;
}

void do_supervisor_event(struct kernel_frame *f, u32 event)
{
	const struct pvcs *pvcs = &this_cpu()->pvcs;
	u32 vector = event & 0xff, error = pvcs->event_errcode;
	u64 cr2 = pvcs->cr2;
	const struct ex_entry *e = find_ex_entry(f->rip);
	int sig, code;

	if (e && (vector == PVM_VEC_PF || vector == PVM_VEC_GP)) {
		if (vector == PVM_VEC_PF && e->kind == EX_FAULT_IN && current->mm && access_ok(cr2, 1) &&
		    handle_page_fault(cr2, error | PVM_PF_USER, &sig, &code) == 0)
			return;
		f->rip = (u64)&e->fixup + (s64)e->fixup;
		return;
	}
	printk("penumbra: exception %u in the kernel: error %#x, address %#llx\n", vector, error,
	       (unsigned long long)cr2);
	printk("rip %llx eflags %llx rsp %p rbp %llx\n", (unsigned long long)(f->rip - (u64)image_start),
	       (unsigned long long)f->eflags, (void *)(f + 1), (unsigned long long)f->rbp);
	printk("rax %llx rbx %llx rcx %llx rdx %llx rsi %llx rdi %llx\n", (unsigned long long)f->rax,
	       (unsigned long long)f->rbx, (unsigned long long)f->rcx, (unsigned long long)f->rdx,
	       (unsigned long long)f->rsi, (unsigned long long)f->rdi);
	printk("r8 %llx r9 %llx r10 %llx r11 %llx r12 %llx r13 %llx r14 %llx r15 %llx\n", (unsigned long long)f->r8,
	       (unsigned long long)f->r9, (unsigned long long)f->r10, (unsigned long long)f->r11,
	       (unsigned long long)f->r12, (unsigned long long)f->r13, (unsigned long long)f->r14,
	       (unsigned long long)f->r15);
	show_backtrace(f->rip, f->rbp);
	panic("exception %u in the kernel at %#llx", vector, (unsigned long long)(f->rip - (u64)image_start));
}

static bool is_restart_code(const struct pt_regs *regs)
{
	return (s64)regs->orig_rax >= 0 && (s64)regs->rax <= -ERESTARTSYS && (s64)regs->rax >= -ERESTART_RESTARTBLOCK;
}

#define WORK_FOR_SIGNAL_CODE (WORK_SIGNAL | WORK_RESTORE_SIGMASK | WORK_EXIT_GROUP | WORK_NOTIFY)

/*
 * The slow way out: until there is nothing left to do. Anyone who gives us more after the last look also kicks, and the
 * backend looks at PVCS.pending after it has announced user mode.
 */
void exit_to_user(struct pt_regs *regs)
{
	u64 work;

	for (;;) {
		poll_pending();
		timers_arm();
		if (need_resched()) {
			schedule();
			continue;
		}
		work = READ_ONCE(current->work);
		if (unlikely(in_direct_stub(regs)) && !fatal_signal_pending())
			break;
		if ((work & WORK_FOR_SIGNAL_CODE) || is_restart_code(regs)) {
			do_signal(regs);
			continue;
		}
		if (work & WORK_RECLAIM) {
			atomic_and(&current->work, ~(u64)WORK_RECLAIM);
			refill_reserve();
			continue;
		}
		if (work & WORK_RSEQ) {
			rseq_resume(regs);
			continue;
		}
		if (work & WORK_FULL_REGS)
			atomic_and(&current->work, ~(u64)WORK_FULL_REGS); /* this way out loads them all */
		break;
	}
	account_leave(current);
}
