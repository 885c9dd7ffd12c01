/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ways into and out of the guest: signals, hypercalls, eretu, direct entry.
 *
 * A vCPU in user mode (mode == VC_USER) may be hit by a kick at any instruction. Between the store of VC_USER and the first user
 * instruction lie the exit windows, marked by labels: a kick (or a fault of the exit itself) there becomes a user event built
 * from the PVCS and the registers, see signal_event(). Elsewhere in the switcher a kick just returns, because each way out
 * looks at PVCS.pending after it has stored VC_USER. The store is a locked instruction: it pairs with the one in
 * vcpu_interrupt().
 *
 * C code of the switcher always runs on the vCPU's signal stack (never on the guest's), so that a signal nests below it.
 */
#include "../ctl.h"

#define UC_R8 40
#define UC_R9 48
#define UC_R10 56
#define UC_R11 64
#define UC_R12 72
#define UC_R13 80
#define UC_R14 88
#define UC_R15 96
#define UC_RDI 104
#define UC_RSI 112
#define UC_RBP 120
#define UC_RBX 128
#define UC_RDX 136
#define UC_RAX 144
#define UC_RCX 152
#define UC_RSP 160
#define UC_RIP 168
#define UC_EFLAGS 176
#define UC_FPSTATE 224

/* TF DF NT RF AC: not restored by plain loads and a jump */
#define EFLAGS_EXACT 0x54500

#define NR_rt_sigreturn 15
#define NR_clone 56

	.text

	.globl signal_entry
	.hidden signal_entry
	.balign 64
/* RDI = signal, RSI = siginfo, RDX = ucontext, RSP just below it. Signals are never masked. */
signal_entry:
	pushq $2		/* AC, NT and DF of whoever was interrupted */
	popfq
	subq $8, %rsp
	call signal_event	/* what to load, 0 = return from the signal */
	testq %rax, %rax
	jz signal_return
	movq %rax, %rbx
	movl $-1, %eax
	movl $-1, %edx
	movq UC_FPSTATE(%rbx), %rcx
	xrstor64 (%rcx)		/* the host reset the FP state when it delivered the signal */
	movq %rsp, %rcx
	andq $-SLOT_SIZE, %rcx
	movq (%rcx), %rcx	/* carrier_self.vcpu */
	cmpq $0, VC_RESUME_UC(%rcx)
	je signal_load
	movl $VC_USER, %eax
	xchgl %eax, VC_MODE(%rcx)
	.globl signal_window, signal_window_end
	.hidden signal_window, signal_window_end
signal_window:			/* registers are those of VC_RESUME_UC; live FP registers are the user's */
	movq VC_PVCS(%rcx), %rax
	cmpq $0, PVCS_PENDING(%rax)
	jne signal_pending
signal_load:			/* RSP stays below all we read from until iretq. */
	pushq $PVM_USER_SS
	pushq UC_RSP(%rbx)
	pushq UC_EFLAGS(%rbx)
	pushq $PVM_USER_CS
	pushq UC_RIP(%rbx)
	movq UC_R8(%rbx), %r8
	movq UC_R9(%rbx), %r9
	movq UC_R10(%rbx), %r10
	movq UC_R11(%rbx), %r11
	movq UC_R12(%rbx), %r12
	movq UC_R13(%rbx), %r13
	movq UC_R14(%rbx), %r14
	movq UC_R15(%rbx), %r15
	movq UC_RDI(%rbx), %rdi
	movq UC_RSI(%rbx), %rsi
	movq UC_RBP(%rbx), %rbp
	movq UC_RDX(%rbx), %rdx
	movq UC_RAX(%rbx), %rax
	movq UC_RCX(%rbx), %rcx
	movq UC_RBX(%rbx), %rbx
	iretq
signal_window_end:

signal_pending:
	movl $VC_SUPER, VC_MODE(%rcx)
	movq $0, VC_RESUME_UC(%rcx)
	movq %rcx, %rdi
	movq %rbx, %rsi
	call signal_interrupt
	jmp signal_load

signal_return:
	addq $16, %rsp		/* pretcode is gone: where the host looks for its frame */
	movl $NR_rt_sigreturn, %eax
	syscall
	ud2

	.globl hypercall_entry
	.hidden hypercall_entry
	.balign 64
hypercall_entry:
	pushq %r15
	pushq %r14
	pushq %r13
	pushq %r12
	pushq %rbp
	pushq %rbx
	pushq %r10
	pushq %r9
	pushq %r8
	pushq %rdi
	pushq %rsi
	pushq %rdx
	pushq %rax
	movq %gs:PVCS_BACKEND, %rbx
	movq %rsp, VC_RSP(%rbx)
	movq %rsp, %rsi
	movq VC_STACK(%rbx), %rsp
	movq %rbx, %rdi
	call hypercall
	/* Perhaps in another carrier's call than the one that came in: all that matters is in the vCPU. */
hypercall_return:
	movq VC_RSP(%rbx), %rsp
	popq %rax
	popq %rdx
	popq %rsi
	popq %rdi
	popq %r8
	popq %r9
	popq %r10
	popq %rbx
	popq %rbp
	popq %r12
	popq %r13
	popq %r14
	popq %r15
	ret

	.globl eretu_entry
	.hidden eretu_entry
	.balign 64
/* PVCS filled, RSP and all registers but RCX and R11 are the user's. */
eretu_entry:
	movq %gs:PVCS_BACKEND, %rcx
	movl $VC_USER, %r11d
	xchgl %r11d, VC_MODE(%rcx)
	.globl eretu_window, eretu_exact_window, eretu_window_end
	.hidden eretu_window, eretu_exact_window, eretu_window_end
eretu_window:			/* RSP is the user's */
	movq %gs:PVCS_PENDING, %r11
	orq VC_SLOW(%rcx), %r11
	jnz eretu_slow
	movq %gs:PVCS_RIP, %rcx
	cmpq %rcx, %gs:PVCS_RCX
	jne eretu_exact
	movq %gs:PVCS_R11, %r11
	cmpl %r11d, %gs:PVCS_EFLAGS
	jne eretu_exact
	testl $EFLAGS_EXACT, %r11d
	jnz eretu_exact
	cmpq $0, %gs:PVCS_USER_GSBASE
	jne eretu_exact
	jmp *%rcx

eretu_exact:
	movq %gs:PVCS_BACKEND, %rcx
	movq %rsp, VC_EXIT_RSP(%rcx)
eretu_exact_window:		/* RSP is in VC_EXIT_RSP */
	movq VC_STACK(%rcx), %rsp
	pushq $2		/* NT of a program that came in by direct_entry: iretq would fault */
	popfq
	pushq $PVM_USER_SS
	pushq VC_EXIT_RSP(%rcx)
	movl %gs:PVCS_EFLAGS, %r11d
	andl $PVM_EFLAGS_MASK, %r11d
	orl $0x202, %r11d
	pushq %r11
	pushq $PVM_USER_CS
	pushq %gs:PVCS_RIP
	movq %gs:PVCS_R11, %r11
	pushq %gs:PVCS_RCX
	movq %gs:PVCS_USER_GSBASE, %rcx
	testq %rcx, %rcx
	jz 1f
	wrgsbase %rcx
1:	popq %rcx
	iretq
eretu_window_end:

eretu_slow:
	movl $VC_SUPER, VC_MODE(%rcx)
	movq %rsp, VC_EXIT_RSP(%rcx)
	movq VC_STACK(%rcx), %rsp
	subq $8, %rsp
	pushq %rax
	pushq %rbx
	pushq %rdx
	pushq %rsi
	pushq %rdi
	pushq %rbp
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rcx, %rdi
	call eretu_work
	movq %rax, %rcx
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %r10
	popq %r9
	popq %r8
	popq %rbp
	popq %rdi
	popq %rsi
	popq %rdx
	popq %rbx
	popq %rax
	movq %gs:PVCS_BACKEND, %r11
	movq VC_EXIT_RSP(%r11), %rsp
	jrcxz eretu_entry_far
	movq %gs:PVCS_RIP, %rcx
	movl $0x202, %r11d
	jmp *%gs:PVCS_HV_EVENT_ENTRY
eretu_entry_far:
	jmp eretu_entry

	.globl direct_entry, direct_end, direct_trap
	.hidden direct_entry, direct_end, direct_trap
	.balign 64
/*
 * From a patched call site in user mode: RAX = system call number, RCX = return address, R11 free. A fault up to direct_end is
 * completed by the signal handler as if the site had trapped.
 */
direct_entry:
	movq %gs:PVCS_HV_COOKIE, %r11
	cmpq direct_cookie(%rip), %r11
	jne direct_trap		/* not our GS: the signal handler finds the vCPU without it */
	movq %gs:PVCS_BACKEND, %r11
	movl $VC_SUPER, VC_MODE(%r11)
direct_end:
	movq %rcx, %gs:PVCS_RIP
	movq %rcx, %gs:PVCS_RCX
	cld
	movl $0x202, %r11d
	movq %r11, %gs:PVCS_R11
	movl %r11d, %gs:PVCS_EFLAGS
	jmp *%gs:PVCS_HV_LSTAR
direct_trap:
	ud2
	.balign 8
direct_cookie:
	.quad PVCS_COOKIE

	.globl spawn_carrier
	.hidden spawn_carrier
	.balign 16
/* int spawn_carrier(void *stack_top, uint32_t *tid, struct carrier_self *self): a thread that runs carrier_main(self) */
spawn_carrier:
	movq %rdx, %r9
	movq %rsi, %rdx
	movq %rdi, %rsi
	movl $CARRIER_CLONE_FLAGS, %edi
	xorl %r10d, %r10d
	xorl %r8d, %r8d
	movl $NR_clone, %eax
	syscall
	testq %rax, %rax
	jz 1f
	ret
1:	xorl %ebp, %ebp
	movq %r9, %rdi
	movq (%r9), %rbx	/* self->vcpu */
	call carrier_main	/* returns when the vCPU is handed to it in the middle of a hypercall */
	jmp hypercall_return

	.globl start_guest
	.hidden start_guest
/* start_guest(rip, rsp, rdi): a vCPU's first instruction */
start_guest:
	movq %rdi, %rax
	movq %rsi, %rsp
	movq %rdx, %rdi
	xorl %ebx, %ebx
	xorl %ecx, %ecx
	xorl %edx, %edx
	xorl %esi, %esi
	xorl %ebp, %ebp
	xorl %r8d, %r8d
	xorl %r9d, %r9d
	xorl %r10d, %r10d
	xorl %r11d, %r11d
	xorl %r12d, %r12d
	xorl %r13d, %r13d
	xorl %r14d, %r14d
	xorl %r15d, %r15d
	jmp *%rax

	.section .note.GNU-stack, "", @progbits
