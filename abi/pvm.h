/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processor a guest kernel runs on: PVM ABI revision 3 and Umbra's extensions.
 *
 * Both sides include this header, C and assembly alike. Offsets are asserted below; assembly uses the PVCS_* constants.
 * Numbers below UM_HC_BASE are PVM's and keep their meaning; what Umbra adds lives above it.
 *
 * Words: "supervisor mode" (smod) is the guest kernel, "user mode" (umod) a guest program. Both are hardware ring 3.
 */
#ifndef UMBRA_ABI_PVM_H
#define UMBRA_ABI_PVM_H

/* ---- PVCS: the per-vCPU structure shared between guest kernel and hypervisor ---- */

#define PVCS_EVENT_FLAGS 0
#define PVCS_CR2 8
#define PVCS_PENDING 16
#define PVCS_BACKEND 24
#define PVCS_USER_CS 64
#define PVCS_USER_SS 66
#define PVCS_ERRCODE 68
#define PVCS_VECTOR 70
#define PVCS_USER_GSBASE 72
#define PVCS_EFLAGS 80
#define PVCS_PKRU 84
#define PVCS_RIP 88
#define PVCS_RCX 96
#define PVCS_R11 104
#define PVCS_SIZE 128

/* event_flags */
#define PVM_EVENT_IP 0x100 /* an interrupt is pending and could not be delivered */
#define PVM_EVENT_IF 0x200 /* virtual interrupt flag of supervisor mode */

/* event_vector: bits 0-7 vector, then what the high byte says */
#define PVM_VECTOR_STD 0x100
#define PVM_VECTOR_NMI 0x200
#define PVM_VECTOR_MCE 0x400

#define PVM_USER_CS 0x33
#define PVM_USER_SS 0x2b
/* The two selectors as the one 32-bit word at PVCS_USER_CS. */
#define PVM_USER_CS_SS 0x002b0033
/* RFLAGS bits a guest may set: CF PF AF ZF SF TF IF DF OF NT RF AC ID. */
#define PVM_EFLAGS_MASK 0x254fd7

/*
 * Supervisor events enter at EVENT_ENTRY + this; user events at EVENT_ENTRY. RSP is never changed. A synchronous
 * supervisor event while the high byte of event_vector is not 0 ends the guest. Before eretu the guest sets
 * PVM_VECTOR_STD; it clears it once the entry code runs on its own stack.
 *
 * After an event (SYSCALL included) live FP registers and FS base are the user's; R11 = 0x202 and RCX = RIP at the
 * entry. GS base: the supervisor's while in supervisor mode. When PVCS.user_gsbase is 0, user mode runs with the
 * supervisor's value too (reloading it costs more than it is worth); when it is not 0, eretu loads it and an event
 * restores. An event finds a program's own wrgsbase and stores it in user_gsbase.
 */
#define PVM_SUPERVISOR_ENTRY_OFFSET 512

/* Exception vectors delivered as events (Intel SDM vol. 3, "Exception and Interrupt Reference"). */
#define PVM_VEC_DE 0
#define PVM_VEC_DB 1
#define PVM_VEC_BP 3
#define PVM_VEC_OF 4
#define PVM_VEC_UD 6
#define PVM_VEC_SS 12
#define PVM_VEC_GP 13
#define PVM_VEC_PF 14
#define PVM_VEC_MF 16
#define PVM_VEC_AC 17
#define PVM_VEC_XM 19
/* Umbra: "look at PVCS.pending". The only external interrupt vector. */
#define PVM_VEC_INTR 0x20
#define PVM_VEC_INT80 0x80

/* #PF error code */
#define PVM_PF_PRESENT 1
#define PVM_PF_WRITE 2
#define PVM_PF_USER 4
#define PVM_PF_RSVD 8
#define PVM_PF_INSTR 16

/* Umbra: bits of PVCS.pending. Set by anyone with an atomic or; fetched by the vCPU with an atomic exchange. */
#define UM_PENDING_TIMER 0x1   /* the deadline of UM_HC_SET_TIMER has passed */
#define UM_PENDING_KICK 0x2    /* another vCPU called UM_HC_KICK (reschedule, task work) */
#define UM_PENDING_QUEUE 0x4   /* a device published something in a used ring, or um_clock.steps was raised */
#define UM_PENDING_CONTROL 0x8 /* reserved for the control plane (pause, snapshot) */

/* ---- Synthetic MSRs ---- */
#define PVM_MSR_LINEAR_ADDRESS_RANGE 0x4b564df0
#define PVM_MSR_VCPU_STRUCT 0x4b564df1 /* gpa of this vCPU's PVCS, page aligned */
#define PVM_MSR_EVENT_ENTRY 0x4b564df4
#define PVM_MSR_RETU_RIP 0x4b564df5
#define PVM_MSR_LSTAR 0xc0000082
#define PVM_MSR_KERNEL_GS_BASE 0xc0000102 /* GS base in supervisor mode */

/* ---- Hypercalls ----
 * Called through the hypercall page: `call *boot->hypercall_entry`, number in RAX, arguments RBX, R10, RDX, RSI, RDI,
 * result in RAX (negative errno on failure). RCX and R11 are lost, all else is kept, except where a call says
 * otherwise. Supervisor mode only, on a kernel stack with at least 512 free bytes.
 */
#define PVM_HC_BASE 0x17088200
/*
 * LOAD_PGTBL: RBX = flags (bit 0: flush), R10 = CR3 (root gpa | tag; 0 = the home table, which maps nothing for users).
 * RAX = 0, or -EAGAIN when the backend has nothing to run this table on now: the old one stays loaded.
 * Does NOT carry the live FP/SIMD registers, PKRU and the FS base: the caller saves what it wants to keep before and
 * restores it after. General registers, stack and the supervisor GS base are kept.
 */
#define PVM_HC_LOAD_PGTBL (PVM_HC_BASE + 0)
#define PVM_HC_IRQ_WIN (PVM_HC_BASE + 1)
#define PVM_HC_IRQ_HALT (PVM_HC_BASE + 2)  /* sleep until PVCS.pending != 0; the timer deadline wakes it too */
#define PVM_HC_TLB_FLUSH (PVM_HC_BASE + 3) /* every table */
#define PVM_HC_TLB_FLUSH_CURRENT (PVM_HC_BASE + 4)
#define PVM_HC_TLB_INVLPG (PVM_HC_BASE + 5) /* RBX address, current table */
#define PVM_HC_LOAD_GS (PVM_HC_BASE + 6)
#define PVM_HC_RDMSR (PVM_HC_BASE + 7)
#define PVM_HC_WRMSR (PVM_HC_BASE + 8) /* RBX index, R10 value */
#define PVM_HC_LOAD_TLS (PVM_HC_BASE + 9)

#define UM_HC_BASE 0x756d6200
/*
 * BIND_ROOT: RBX = root gpa. Prepares the backend for a new page table. RAX = tag (1..4095), to be put in the low 12
 * bits of every CR3 with this root (the architecture's PCID field), or -EAGAIN when no space is to be had.
 * R10 = the table's family, 0 = none: the number that a fork's parent and child share, whose tables are much alike. A
 * hint: the backend starts with what it knows of an earlier member.
 */
#define UM_HC_BIND_ROOT (UM_HC_BASE + 0)
/* RELEASE_ROOT: RBX = CR3 (root | tag). No vCPU may have it loaded. Its shadow is gone when this returns. */
#define UM_HC_RELEASE_ROOT (UM_HC_BASE + 1)
/*
 * FLUSH_RANGE: RBX = CR3 (0: the current one), R10 = start, RDX = length (bytes, page multiples), RSI = kind.
 * The guest has already changed its entries. When this returns no vCPU can reach the old ones.
 */
#define UM_HC_FLUSH_RANGE (UM_HC_BASE + 2)
#define UM_FLUSH_UNMAP 0     /* entries were removed or replaced */
#define UM_FLUSH_WRPROTECT 1 /* entries only lost write permission */
/*
 * As UNMAP; besides, entries now map other pages which will be used at once (copy on write): where the old ones were in
 * use, the new ones are made accessible in the same step, which saves a fault. For single pages.
 */
#define UM_FLUSH_REPLACE 2
/* SET_TIMER: RBX = deadline in ns of the clock page's monotonic clock; ~0 = none. Replaces the earlier one. */
#define UM_HC_SET_TIMER (UM_HC_BASE + 3)
/* KICK: RBX = vCPU number. Sets UM_PENDING_KICK there, ends its halt, takes it out of user mode. */
#define UM_HC_KICK (UM_HC_BASE + 4)
/*
 * WAIT: RBX = supervisor address of an aligned u32, R10 = expected value, RDX = timeout in ns (~0 = none).
 * Sleeps while the word has that value; may wake early for no reason. RAX = 0, -EAGAIN (value differs), -ETIMEDOUT.
 */
#define UM_HC_WAIT (UM_HC_BASE + 5)
/* WAKE: RBX = supervisor address of the word, R10 = how many waiters. RAX = number woken. */
#define UM_HC_WAKE (UM_HC_BASE + 6)
/* NOTIFY: RBX = queue number. The doorbell of a virtqueue. */
#define UM_HC_NOTIFY (UM_HC_BASE + 7)
/* SHUTDOWN: RBX = exit status (0-255), R10 = UM_SHUTDOWN_*. Does not return. */
#define UM_HC_SHUTDOWN (UM_HC_BASE + 8)
#define UM_SHUTDOWN_EXIT 0
#define UM_SHUTDOWN_PANIC 1
/*
 * VCPU_START: RBX = vCPU, R10 = rip, RDX = rsp, RSI = value for RDI. It starts in its home table, GS base as at boot.
 */
#define UM_HC_VCPU_START (UM_HC_BASE + 9)
/* LOG: RBX = supervisor address, R10 = length (at most 1024). A line for the VMM's debug log; best effort. */
#define UM_HC_LOG (UM_HC_BASE + 10)
/* GIVE_BACK: RBX = gpa, R10 = length, page multiples. The pages read as zero from now on and cost the host nothing. */
#define UM_HC_GIVE_BACK (UM_HC_BASE + 11)
/* YIELD: let another host task run on this CPU; costs some ten microseconds. */
#define UM_HC_YIELD (UM_HC_BASE + 12)

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

/*
 * On the `user` backend the PVCS must be the first thing at the supervisor GS base: the switcher finds it there. The
 * guest therefore starts its per-CPU area with it. "HV" fields are written by the hypervisor, "G" by the guest.
 */
struct pvcs {
	uint64_t event_flags; /* HV+G */
	uint64_t cr2;	      /* HV, on #PF */
	uint64_t pending;     /* HV+G, UM_PENDING_*, atomic */
	uint64_t backend;     /* HV, private to the backend; the guest never touches it */
	uint64_t hv[3];	      /* HV, likewise */
	uint64_t reserved0;   /* zero */
	uint16_t user_cs;
	uint16_t user_ss;
	uint16_t event_errcode; /* HV */
	uint16_t event_vector;	/* HV+G */
	uint64_t user_gsbase;
	uint32_t eflags;
	uint32_t pkru;
	uint64_t rip;
	uint64_t rcx;
	uint64_t r11;
	uint64_t reserved1[2]; /* zero */
};

_Static_assert(offsetof(struct pvcs, cr2) == PVCS_CR2, "PVCS");
_Static_assert(offsetof(struct pvcs, pending) == PVCS_PENDING, "PVCS");
_Static_assert(offsetof(struct pvcs, backend) == PVCS_BACKEND, "PVCS");
_Static_assert(offsetof(struct pvcs, user_cs) == PVCS_USER_CS, "PVCS");
_Static_assert(offsetof(struct pvcs, event_errcode) == PVCS_ERRCODE, "PVCS");
_Static_assert(offsetof(struct pvcs, event_vector) == PVCS_VECTOR, "PVCS");
_Static_assert(offsetof(struct pvcs, user_gsbase) == PVCS_USER_GSBASE, "PVCS");
_Static_assert(offsetof(struct pvcs, eflags) == PVCS_EFLAGS, "PVCS");
_Static_assert(offsetof(struct pvcs, rip) == PVCS_RIP, "PVCS");
_Static_assert(offsetof(struct pvcs, rcx) == PVCS_RCX, "PVCS");
_Static_assert(offsetof(struct pvcs, r11) == PVCS_R11, "PVCS");
_Static_assert(sizeof(struct pvcs) == PVCS_SIZE, "PVCS");
#endif

#endif
