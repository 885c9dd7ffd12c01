/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals of the host become events of the guest.
 *
 * SIGSYS is a system call of a program (the filter traps them), faults are faults, the kick is an interrupt. What the
 * shadow can resolve is resolved here. An event is made by rewriting the signal frame to what the guest's entry
 * expects; signal_entry then loads it without going through rt_sigreturn.
 *
 * The vCPU is found at the bottom of the signal stack, never through GS: a program may have changed that. While RSP is
 * on that stack further signals nest below, so everything here may be interrupted by a kick, which finds RIP in the
 * switcher and returns (see entry.S for the windows where it may not).
 */
#include "switcher.h"

#define SIG_ILL 4
#define SIG_TRAP 5
#define SIG_BUS 7
#define SIG_FPE 8
#define SIG_SEGV 11
#define SIG_SYS 31

#define SI_KERNEL_ 0x80
#define AUDIT_X86_64 0xc000003e
#define EFLAGS_TF 0x100
#define EFLAGS_AC 0x40000

static bool between(uint64_t rip, const char *start, const char *end)
{
	return rip >= (uint64_t)start && rip < (uint64_t)end;
}

static bool in_switcher(uint64_t rip)
{
	return rip >= UM_SWITCHER_TEXT && rip < UM_SWITCHER_TEXT + 0x100000000;
}

static struct pvcs *pvcs_of(struct ctl_vcpu *vc)
{
	return (struct pvcs *)vc->pvcs;
}

/* From now on the vCPU is in supervisor mode with the supervisor's GS; the program's own one, if it made one, is kept.
 */
static void enter_supervisor(struct ctl_vcpu *vc)
{
	uint64_t gs = rdgsbase();

	WRITE_ONCE(vc->mode, VC_SUPER);
	vc->resume_uc = 0;
	if (gs != vc->kernel_gs) {
		pvcs_of(vc)->user_gsbase = gs;
		wrgsbase(vc->kernel_gs);
	}
}

/* As above, but the program's GS base is what the PVCS says: in the exit windows GS may be either. */
static void enter_supervisor_from_window(struct ctl_vcpu *vc)
{
	WRITE_ONCE(vc->mode, VC_SUPER);
	vc->resume_uc = 0;
	wrgsbase(vc->kernel_gs);
}

static void save_user(struct pvcs *p, const struct sigcontext64 *mc)
{
	p->user_cs = PVM_USER_CS;
	p->user_ss = PVM_USER_SS;
	p->eflags = (uint32_t)mc->eflags;
	p->rip = mc->rip;
	p->rcx = mc->rcx;
	p->r11 = mc->r11;
}

static struct ucontext64 *go(struct ucontext64 *uc, uint64_t entry)
{
	uc->mc.rcx = pvcs_of(self()->vcpu)->rip;
	uc->mc.r11 = 0x202;
	uc->mc.eflags = 0x202;
	uc->mc.rip = entry;
	return uc;
}

/* The guest's table says no, or the fault is not about memory: tell the guest. The user's state stands in the PVCS. */
static struct ucontext64 *user_event(struct ctl_vcpu *vc, struct ucontext64 *uc, uint64_t vector, uint64_t error)
{
	struct pvcs *p = pvcs_of(vc);

	p->event_errcode = (uint16_t)error;
	p->event_vector = (uint16_t)(vector | PVM_VECTOR_STD);
	vc->events++;
	return go(uc, vc->event_entry);
}

static struct ucontext64 *syscall_event(struct ctl_vcpu *vc, struct ucontext64 *uc)
{
	enter_supervisor(vc);
	uc->mc.rcx = uc->mc.rip;
	uc->mc.r11 = uc->mc.eflags;
	save_user(pvcs_of(vc), &uc->mc);
	vc->syscalls++;
	return go(uc, vc->lstar);
}

/* direct_entry went wrong before it had left user mode: finish its work. */
static struct ucontext64 *direct_event(struct ctl_vcpu *vc, struct ucontext64 *uc)
{
	uc->mc.rip = uc->mc.rcx;
	return syscall_event(vc, uc);
}

static struct ucontext64 *supervisor_event(struct ctl_vcpu *vc, struct ucontext64 *uc, uint64_t vector, uint64_t error)
{
	struct pvcs *p = pvcs_of(vc);

	if (!vc->event_entry || (p->event_vector >> 8) || in_switcher(uc->mc.rip))
		fatal(in_switcher(uc->mc.rip) ? FATAL_SWITCHER : FATAL_FAULT, vc->index, vector, uc->mc.cr2, uc->mc.rip,
		      error);
	p->eflags = (uint32_t)uc->mc.eflags;
	p->rip = uc->mc.rip;
	p->rcx = uc->mc.rcx;
	p->r11 = uc->mc.r11;
	p->event_errcode = (uint16_t)error;
	p->event_vector = (uint16_t)(vector | PVM_VECTOR_STD);
	p->event_flags &= ~(uint64_t)PVM_EVENT_IF;
	vc->resume_uc = 0;
	return go(uc, vc->event_entry + PVM_SUPERVISOR_ENTRY_OFFSET);
}

/*
 * An exit window was hit. The user's registers: RIP, RFLAGS, RCX, R11 and GS base in the PVCS, RSP live or in exit_rsp,
 * the rest live; or all of them in an outer signal frame. Returns the frame to build the event on, or NULL if RIP is in
 * no window.
 */
static struct ucontext64 *window_frame(struct ctl_vcpu *vc, struct ucontext64 *uc)
{
	uint64_t rip = uc->mc.rip;

	if (between(rip, signal_window, signal_window_end) && vc->resume_uc) {
		uc = (struct ucontext64 *)vc->resume_uc;
		enter_supervisor(vc);
		save_user(pvcs_of(vc), &uc->mc);
		return uc;
	}
	if (!between(rip, eretu_window, eretu_window_end))
		return NULL;
	if (rip >= (uint64_t)eretu_exact_window)
		uc->mc.rsp = vc->exit_rsp;
	enter_supervisor_from_window(vc);
	return uc;
}

void signal_interrupt(struct ctl_vcpu *vc, struct ucontext64 *uc)
{
	enter_supervisor(vc);
	save_user(pvcs_of(vc), &uc->mc);
	user_event(vc, uc, PVM_VEC_INTR, 0);
}

static struct ucontext64 *kick(struct ctl_vcpu *vc, struct ucontext64 *uc)
{
	struct ucontext64 *frame;

	if (READ_ONCE(vc->mode) != VC_USER)
		return NULL;
	vc->kicks++;
	if (in_switcher(uc->mc.rip)) {
		frame = window_frame(vc, uc);
		return frame ? user_event(vc, frame, PVM_VEC_INTR, 0) : NULL;
	}
	signal_interrupt(vc, uc);
	return uc;
}

static struct ucontext64 *trapped_syscall(struct ctl_vcpu *vc, struct siginfo64 *info, struct ucontext64 *uc)
{
	if (READ_ONCE(vc->mode) != VC_USER)
		fatal(FATAL_SYSCALL, vc->index, uc->mc.rax, 0, uc->mc.rip, info->arch);
	if (info->arch == AUDIT_X86_64)
		return syscall_event(vc, uc);
	enter_supervisor(vc);
	save_user(pvcs_of(vc), &uc->mc);
	return user_event(vc, uc, PVM_VEC_INT80, 0);
}

static struct ucontext64 *user_fault(struct ctl_vcpu *vc, struct ucontext64 *uc)
{
	uint64_t vector = uc->mc.trapno, error = uc->mc.err, address = uc->mc.cr2;
	struct ucontext64 *frame;

	if (in_switcher(uc->mc.rip)) {
		if (between(uc->mc.rip, (const char *)direct_entry, direct_end) || uc->mc.rip == (uint64_t)direct_trap)
			return direct_event(vc, uc);
		frame = window_frame(vc, uc);
		if (frame)
			return user_event(vc, frame, vector, error);
		/* A program that jumped into the switcher: its own fault. */
	}
	if (vector == PVM_VEC_PF) {
		vc->faults++;
		/* Supervisor mode for the time being: a kick then needs no signal, the way out looks at pending. */
		WRITE_ONCE(vc->mode, VC_SUPER);
		if (user_address(address) && shadow_fill(self()->space, address, &error) == FILL_DONE) {
			vc->resume_uc = (uint64_t)uc;
			return uc;
		}
	}
	enter_supervisor(vc);
	save_user(pvcs_of(vc), &uc->mc);
	if (vector == PVM_VEC_PF) {
		pvcs_of(vc)->cr2 = address;
		error |= PVM_PF_USER;
		vc->prefault = address;
		vc->prefault_error = error;
		vc->slow = 1;
	}
	return user_event(vc, uc, vector, error);
}

static struct ucontext64 *supervisor_fault(struct ctl_vcpu *vc, struct ucontext64 *uc)
{
	uint64_t vector = uc->mc.trapno, error = uc->mc.err, address = uc->mc.cr2;

	vc->resume_uc = 0;
	/* A program came in by direct_entry with alignment checks or single steps on. */
	if ((vector == PVM_VEC_AC && (uc->mc.eflags & EFLAGS_AC)) ||
	    (vector == PVM_VEC_DB && (uc->mc.eflags & EFLAGS_TF))) {
		uc->mc.eflags &= ~(uint64_t)(EFLAGS_AC | EFLAGS_TF);
		return uc;
	}
	if (vector == PVM_VEC_PF) {
		if (user_address(address) && shadow_fill(self()->space, address, &error) == FILL_DONE)
			return uc;
		pvcs_of(vc)->cr2 = address;
		error &= ~(uint64_t)PVM_PF_USER;
	}
	return supervisor_event(vc, uc, vector, error);
}

struct ucontext64 *signal_event(int sig, struct siginfo64 *info, struct ucontext64 *uc)
{
	struct ctl_vcpu *vc = self()->vcpu;

	if (sig == KICK_SIGNAL)
		return vc ? kick(vc, uc) : NULL; /* the keeper: a stray one */
	if (info->code <= 0)
		return NULL; /* sent by a process, means nothing */
	if (!vc)
		fatal(FATAL_SWITCHER, 0, uc->mc.trapno, uc->mc.cr2, uc->mc.rip, uc->mc.err);
	if (sig == SIG_SYS)
		return trapped_syscall(vc, info, uc);
	if (sig == SIG_ILL && info->code == SI_KERNEL_) {
		/* A call that the host lets past every filter (uretprobe) and answers with a signal: RAX is -1. */
		if (READ_ONCE(vc->mode) == VC_USER && !in_switcher(uc->mc.rip))
			return syscall_event(vc, uc);
	}
	if (sig == SIG_BUS && uc->mc.trapno == PVM_VEC_PF)
		fatal(FATAL_HOST_MEMORY, vc->index, uc->mc.trapno, uc->mc.cr2, uc->mc.rip, uc->mc.err);
	return READ_ONCE(vc->mode) == VC_USER ? user_fault(vc, uc) : supervisor_fault(vc, uc);
}

uint64_t eretu_work(struct ctl_vcpu *vc)
{
	struct pvcs *p = pvcs_of(vc);
	uint64_t error = vc->prefault_error;

	vc->slow = 0;
	if (vc->prefault) {
		shadow_fill(self()->space, vc->prefault, &error);
		vc->prefault = 0;
	}
	if (!__atomic_load_n(&p->pending, __ATOMIC_RELAXED))
		return 0;
	p->event_errcode = 0;
	p->event_vector = PVM_VEC_INTR | PVM_VECTOR_STD;
	vc->events++;
	return 1;
}
