/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside a space: the switcher's own declarations. It runs in ring 3 beside the guest, on the signal stack of the vCPU,
 * without a C library, without FP registers, without writable data of its own besides control memory and the shadow
 * directory.
 *
 * Locks, outer first: ctl->space_lock, space->fill_lock, space->q_lock; ctl->log_lock alone.
 */
#ifndef UMBRA_SWITCHER_H
#define UMBRA_SWITCHER_H

#include "host.h"
#include "../ctl.h"

#define CTL ((struct ctl *)UM_SWITCHER_CTL)

/* Kernel ABI: what a signal handler is given ("struct ucontext" of x86-64). */
struct sigcontext64 {
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	uint16_t cs, gs, fs, ss;
	uint64_t err, trapno, oldmask, cr2;
	uint64_t fpstate;
	uint64_t reserved[8];
};

struct ucontext64 {
	uint64_t flags;
	uint64_t link;
	uint64_t stack[3];
	struct sigcontext64 mc;
};

/* The front of siginfo; for SIGSYS with its own fields. */
struct siginfo64 {
	int32_t signo, error, code, pad;
	uint64_t call_addr;
	int32_t syscall;
	uint32_t arch;
};

/* Registers of a hypercall as hypercall_entry pushes them. */
struct hc_regs {
	uint64_t rax, rdx, rsi, rdi, r8, r9, r10, rbx, rbp, r12, r13, r14, r15;
	uint64_t rip;
};

/* Result of a shadow fill. */
enum fill_result {
	FILL_DONE,
	FILL_DENIED, /* the guest table does not allow it: its *error says what a processor would report */
};

/* Hidden: one image, no table of addresses. */
#pragma GCC visibility push(hidden)

/* entry.S */
void signal_entry(void);
void hypercall_entry(void);
void eretu_entry(void);
void direct_entry(void);
int spawn_carrier(void *stack_top, uint32_t *tid, struct carrier_self *self);
void start_guest(uint64_t rip, uint64_t rsp, uint64_t rdi) __attribute__((noreturn));
extern const char eretu_window[], eretu_exact_window[], eretu_window_end[];
extern const char direct_end[], direct_trap[];
extern const char signal_window[], signal_window_end[];
extern const char template_start[], template_end[];

/* signal.c */
struct ucontext64 *signal_event(int sig, struct siginfo64 *info, struct ucontext64 *uc);
void signal_interrupt(struct ctl_vcpu *vc, struct ucontext64 *uc);
/* Slow way out (eretu_entry): returns 0 to try again, 1 when an event for the guest stands in its PVCS. */
uint64_t eretu_work(struct ctl_vcpu *vc);

/* hypercall.c */
void hypercall(struct ctl_vcpu *vc, struct hc_regs *regs);
/* Sets bits in a vCPU's pending word and makes it look at them. */
void vcpu_interrupt(struct ctl_vcpu *vc, uint64_t bits);
/* Asks the VMM's control thread for something. */
void request(uint32_t bits);
/* Ends the sandbox with a sentence made by the VMM. */
void fatal(enum ctl_fatal why, uint64_t vcpu, uint64_t vector, uint64_t address, uint64_t rip, uint64_t extra)
	__attribute__((noreturn));

/* shadow.c: all of it for the space of the calling process */
/*
 * Makes @address accessible as PVM_PF_* @error asks (WRITE, INSTR), if the table of @sp allows. FILL_DENIED: *@error
 * has PRESENT set or cleared as the guest's own table says.
 */
enum fill_result shadow_fill(struct ctl_space *sp, uint64_t address, uint64_t *error);
/*
 * Takes the range out of the shadow, or takes write permission from it. Complete for every carrier of
 * this space on return.
 */
void shadow_flush(struct ctl_space *sp, uint64_t start, uint64_t len, uint32_t kind);
/* Drops everything. */
void shadow_drop(struct ctl_space *sp);
/* Carries out what other spaces have queued. */
void shadow_drain(struct ctl_space *sp);
/*
 * The space has got another table: takes away what that does not say. For the first carrier that arrives
 * (sp->validate).
 */
void shadow_validate(struct ctl_space *sp);
/* Is it an address programs may use? */
bool user_address(uint64_t address);

/* space.c */
/* This carrier's identity, from the bottom of the stack it runs on. */
struct carrier_self *self(void);
long space_bind(uint64_t root, uint64_t family);
long space_release(uint64_t cr3);
/*
 * Hands the vCPU to its carrier in the space of @cr3; @flush drops what is mapped there. *@result is set before the
 * hand-over. Returns in this carrier when the vCPU comes back to this space, perhaps from quite another hypercall.
 */
long space_load(struct ctl_vcpu *vc, uint64_t cr3, bool flush, uint64_t *result);
long space_flush(struct ctl_vcpu *vc, uint64_t cr3, uint64_t start, uint64_t len, uint32_t kind);
void space_flush_all(struct ctl_vcpu *vc);
long vcpu_start(uint64_t index, uint64_t rip, uint64_t rsp, uint64_t rdi);
void carrier_main(struct carrier_self *me);
/* First code of a space: drops the template's pages, then serves as its keeper. */
void keeper_start(uint32_t index) __attribute__((noreturn));

#pragma GCC visibility pop

#endif
