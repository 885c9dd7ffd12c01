/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signal frames on a program's stack and the way back, in Linux's layout (arch/x86/include/uapi/asm/sigcontext.h,
 * ucontext.h):
 *
 *	higher addresses    FP state (64-byte aligned XSAVE image, then FP_XSTATE_MAGIC2)
 *	                    struct siginfo
 *	                    struct ucontext with struct sigcontext
 *	RSP at the handler  return address: the restorer, which calls rt_sigreturn
 *
 * Everything sigreturn reads is the program's word: registers are masked, the FP image is copied and its header
 * rebuilt.
 */
#include <gk/errno.h>
#include <gk/fpu.h>
#include <gk/init.h>
#include <gk/printk.h>
#include <gk/rseq.h>
#include <gk/signal.h>
#include <gk/slab.h>
#include <gk/strace.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/uaccess.h>

#include "arch.h"
#include "fpu-switch.h"

#define REDZONE 128
#define UC_FP_XSTATE 0x1
#define UC_SIGCONTEXT_SS 0x2
#define UC_STRICT_RESTORE_SS 0x4
#define FP_XSTATE_MAGIC1 0x46505853u
#define FP_XSTATE_MAGIC2 0x46505845u
#define FXSAVE_BYTES 512
#define XSAVE_HEADER_OFFSET 512
#define XSAVE_MIN_BYTES 576
#define XFEATURE_FPSSE 3

#define EFLAGS_TF 0x100
#define EFLAGS_DF 0x400
#define EFLAGS_RF 0x10000
/* What sigreturn may change: AC OF DF TF SF ZF AF PF CF RF. */
#define EFLAGS_RESTORE 0x50dd5

struct sigcontext {
	u64 r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags;
	u16 cs, gs, fs, ss;
	u64 err, trapno, oldmask, cr2, fpstate, reserved[8];
};

struct ucontext {
	u64 flags, link;
	struct sigaltstack stack;
	struct sigcontext mc;
	u64 sigmask;
};

struct rt_sigframe {
	u64 restorer;
	struct ucontext uc;
	struct siginfo info;
};

/* At offset 464 of the FXSAVE image, bytes that the processor leaves alone. */
struct fpx_sw_bytes {
	u32 magic1, extended_size;
	u64 xfeatures;
	u32 xstate_size;
	u32 padding[7];
};
#define SW_BYTES_OFFSET 464

_Static_assert(sizeof(struct sigcontext) == 256, "sigcontext");
_Static_assert(offsetof(struct rt_sigframe, uc.mc) == 48, "rt_sigframe");
_Static_assert(offsetof(struct rt_sigframe, info) == 312, "rt_sigframe");
_Static_assert(sizeof(struct fpx_sw_bytes) == 48, "_fpx_sw_bytes");

static u32 xstate_bytes(void)
{
	return boot->xsave_bytes;
}

/* Where the frame goes; 0: it does not fit. *fp: where the FP state goes. */
static u64 place_frame(const struct pt_regs *regs, const struct k_sigaction *ka, u64 *fp)
{
	struct task *t = current;
	u64 sp = regs->rsp - REDZONE, frame;
	bool on_alt = on_sig_stack(regs->rsp), to_alt = false;

	if ((ka->flags & SA_ONSTACK) && t->sas_size && !on_alt) {
		sp = t->sas_sp + t->sas_size;
		to_alt = true;
	}
	*fp = ALIGN_DOWN(sp - xstate_bytes() - sizeof(u32), 64);
	frame = ALIGN_DOWN(*fp - sizeof(struct rt_sigframe), 16) - 8;
	if ((on_alt || to_alt) && (frame < t->sas_sp || frame >= t->sas_sp + t->sas_size))
		return 0;
	return frame;
}

static int put_fpstate(u64 fp)
{
	u8 *area = current->fpstate;
	struct fpx_sw_bytes *sw = (struct fpx_sw_bytes *)(area + SW_BYTES_OFFSET);
	u64 *xstate_bv = (u64 *)(area + XSAVE_HEADER_OFFSET), present;
	u32 magic2 = FP_XSTATE_MAGIC2;
	int err;

	fpu_save_current(area);
	memset(sw, 0, sizeof(*sw));
	sw->magic1 = FP_XSTATE_MAGIC1;
	sw->extended_size = xstate_bytes() + sizeof(u32);
	sw->xfeatures = fpu_xcr0;
	sw->xstate_size = xstate_bytes();
	/* Old programs change the legacy part without knowing about the header: it always counts. */
	present = *xstate_bv;
	*xstate_bv |= XFEATURE_FPSSE;
	err = copy_to_user((void __user *)fp, area, xstate_bytes());
	*xstate_bv = present;
	if (!err)
		err = put_user(magic2, (u32 __user *)(fp + xstate_bytes()));
	return err;
}

static void fill_sigcontext(struct sigcontext *sc, const struct pt_regs *r, u64 mask, u64 fp)
{
	sc->r8 = r->r8;
	sc->r9 = r->r9;
	sc->r10 = r->r10;
	sc->r11 = r->r11;
	sc->r12 = r->r12;
	sc->r13 = r->r13;
	sc->r14 = r->r14;
	sc->r15 = r->r15;
	sc->rdi = r->rdi;
	sc->rsi = r->rsi;
	sc->rbp = r->rbp;
	sc->rbx = r->rbx;
	sc->rdx = r->rdx;
	sc->rax = r->rax;
	sc->rcx = r->rcx;
	sc->rsp = r->rsp;
	sc->rip = r->rip;
	sc->eflags = r->eflags;
	sc->cs = PVM_USER_CS;
	sc->ss = PVM_USER_SS;
	sc->err = current->trap_err;
	sc->trapno = current->trap_nr;
	sc->oldmask = mask;
	sc->cr2 = current->trap_cr2;
	sc->fpstate = fp;
}

int setup_signal_frame(struct pt_regs *regs, int sig, const struct k_sigaction *ka, const struct siginfo *info,
		       u64 mask)
{
	struct rt_sigframe f;
	u64 fp, at;

	if (!(ka->flags & SA_RESTORER))
		return -EFAULT;
	strace_signal(sig, info);
	rseq_signal(regs);
	at = place_frame(regs, ka, &fp);
	if (!at || put_fpstate(fp))
		return -EFAULT;
	memset(&f.uc, 0, sizeof(f.uc));
	f.restorer = ka->restorer;
	f.uc.flags = UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS;
	f.uc.stack.ss_sp = current->sas_sp;
	f.uc.stack.ss_size = current->sas_size;
	f.uc.stack.ss_flags = (s32)current->sas_flags; /* as sigreturn wants it back, SS_AUTODISARM included */
	f.uc.sigmask = mask;
	fill_sigcontext(&f.uc.mc, regs, mask, fp);
	f.info = *info;
	if (copy_to_user((void __user *)at, &f, sizeof(f)))
		return -EFAULT;

	regs->rdi = (u64)sig;
	regs->rsi = at + offsetof(struct rt_sigframe, info);
	regs->rdx = at + offsetof(struct rt_sigframe, uc);
	regs->rax = 0;
	regs->rip = ka->handler;
	regs->rsp = at;
	regs->eflags &= ~(u64)(EFLAGS_DF | EFLAGS_RF | EFLAGS_TF);
	fpu_reset_current();
	return 0;
}

/* ---- the way back ---- */

/* How much of the image at @fp is a full XSAVE image by its own account: its size, or 0 for the legacy part only. */
static u32 xstate_in_frame(u64 fp, u64 *features)
{
	struct fpx_sw_bytes sw;
	u32 magic2;

	if (copy_from_user(&sw, (void __user *)(fp + SW_BYTES_OFFSET), sizeof(sw)))
		return 0;
	if (sw.magic1 != FP_XSTATE_MAGIC1 || sw.xstate_size < XSAVE_MIN_BYTES || sw.xstate_size > xstate_bytes() ||
	    sw.xstate_size > sw.extended_size)
		return 0;
	if (get_user(magic2, (u32 __user *)(fp + sw.xstate_size)) || magic2 != FP_XSTATE_MAGIC2)
		return 0;
	*features = sw.xfeatures;
	return sw.xstate_size;
}

static int restore_fpstate(u64 fp)
{
	u8 *area = current->fpstate;
	u64 *header = (u64 *)(area + XSAVE_HEADER_OFFSET), features = XFEATURE_FPSSE;
	u32 size;

	if (!fp) {
		fpu_reset_current();
		return 0;
	}
	size = xstate_in_frame(fp, &features);
	memset(area, 0, fpu_bytes);
	if (copy_from_user(area, (void __user *)fp, size ? size : FXSAVE_BYTES))
		return -EFAULT;
	if (*(u32 *)(void *)(area + MXCSR_OFFSET) & ~fpu_mxcsr_mask)
		return -EINVAL;
	/* Only xstate_bv is the program's to say; the rest of the header must be zero or XRSTOR faults. */
	header[0] = size ? header[0] & features & fpu_xcr0 : XFEATURE_FPSSE;
	memset(header + 1, 0, 56);
	fpu_load_current(area);
	return 0;
}

static void restore_registers(struct pt_regs *r, const struct sigcontext *sc)
{
	r->r8 = sc->r8;
	r->r9 = sc->r9;
	r->r10 = sc->r10;
	r->r11 = sc->r11;
	r->r12 = sc->r12;
	r->r13 = sc->r13;
	r->r14 = sc->r14;
	r->r15 = sc->r15;
	r->rdi = sc->rdi;
	r->rsi = sc->rsi;
	r->rbp = sc->rbp;
	r->rbx = sc->rbx;
	r->rdx = sc->rdx;
	r->rax = sc->rax;
	r->rcx = sc->rcx;
	r->rsp = sc->rsp;
	r->rip = sc->rip;
	r->eflags = (r->eflags & ~(u64)EFLAGS_RESTORE) | (sc->eflags & EFLAGS_RESTORE);
	r->orig_rax = ~0ull;
	atomic_or(&current->work, WORK_FULL_REGS);
}

long sys_rt_sigreturn(struct pt_regs *regs);
long sys_rt_sigreturn(struct pt_regs *regs)
{
	struct ucontext uc;

	/* The handler's return has taken the restorer off the stack. */
	if (copy_from_user(&uc, (void __user *)(regs->rsp - 8 + offsetof(struct rt_sigframe, uc)), sizeof(uc)))
		goto bad;
	/*
	 * Where Linux fails on its way out, with the registers already restored, we do before. Not so with an
	 * impossible RIP: it faults when it is loaded, and a handler finds it there.
	 */
	if ((uc.mc.cs | 3) != PVM_USER_CS || restore_fpstate(uc.mc.fpstate))
		goto bad;
	set_current_blocked(uc.sigmask);
	restore_registers(regs, &uc.mc);
	do_sigaltstack(&uc.stack, NULL, regs->rsp); /* a bad one changes nothing */
	return (long)regs->rax;

bad:
	force_signal(SIGSEGV);
	return 0;
}
