/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stopped tracee's registers: general, floating point, and the pretended struct user of PEEKUSER. Registers are in
 * the frame on its kernel stack, FP state in task->fpstate; whatever a tracer writes is made harmless before it is
 * loaded.
 */
#include <gk/errno.h>
#include <gk/fpu.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/uaccess.h>

#include <cpuid.h>

#include "../arch/x86_64/fpu-switch.h"
#include "ptrace_internal.h"

/* struct user_regs_struct, x86-64 */
struct user_regs {
	struct pt_regs r; /* in this order */
	u64 fs_base, gs_base, ds, es, fs, gs;
};
_Static_assert(sizeof(struct user_regs) == 27 * 8, "user_regs_struct");

#define USER_SIZE 912 /* struct user */
#define USER_DEBUGREG 848

#define NT_PRSTATUS 1
#define NT_PRFPREG 2
#define NT_X86_XSTATE 0x202
#define FXSAVE_BYTES 512
#define XSAVE_SW_XCR0 464 /* within the FXSAVE image: what software may use; debuggers expect XCR0 there */
#define XSAVE_HEADER 512
#define XSAVE_HEADER_BYTES 64
#define FCW_DEFAULT 0x37f
#define XMM_OFFSET 160

#define USER_ADDR_MAX 0x7ffffffff000ull
#define EFLAGS_ALWAYS 0x202u

static void regs_read(struct task *t, struct user_regs *u)
{
	memset(u, 0, sizeof(*u));
	u->r = *task_pt_regs(t);
	u->fs_base = t->fsbase;
	u->gs_base = t->gsbase;
}

static int regs_write(struct task *t, const struct user_regs *u)
{
	struct pt_regs *regs = task_pt_regs(t);

	if (u->fs_base >= USER_ADDR_MAX || u->gs_base >= USER_ADDR_MAX)
		return -EIO;
	if ((u32)u->r.cs != PVM_USER_CS || (u32)u->r.ss != PVM_USER_SS)
		return -EIO;
	*regs = u->r;
	regs->cs = PVM_USER_CS;
	regs->ss = PVM_USER_SS;
	regs->eflags = (u->r.eflags & PVM_EFLAGS_MASK) | EFLAGS_ALWAYS;
	t->fsbase = u->fs_base;
	t->gsbase = u->gs_base;
	t->fp_valid_tag = 0; /* or the FS base would not be loaded */
	return 0;
}

long ptrace_get_regs(struct task *t, u64 uaddr)
{
	struct user_regs u;

	regs_read(t, &u);
	return copy_to_user((void __user *)uaddr, &u, sizeof(u));
}

long ptrace_set_regs(struct task *t, u64 uaddr)
{
	struct user_regs u;

	if (copy_from_user(&u, (const void __user *)uaddr, sizeof(u)))
		return -EFAULT;
	return regs_write(t, &u);
}

/*
 * A copy of @t's FP state in which every component can be read: the processor does not write those that are in their
 * initial state, but only says so in the header. To be kfree'd, or NULL.
 */
static u8 *fp_image(struct task *t)
{
	u8 *image = kmemdup(t->fpstate, fpu_bytes);
	u32 size, offset, c, d, i;
	u64 missing;

	if (!image)
		return NULL;
	missing = fpu_xcr0 & ~*(u64 *)(void *)(image + XSAVE_HEADER);
	if (missing & 1) {
		memset(image, 0, MXCSR_OFFSET);
		memset(image + MXCSR_OFFSET + 8, 0, XMM_OFFSET - MXCSR_OFFSET - 8);
		*(u16 *)(void *)image = FCW_DEFAULT;
	}
	if (missing & 2)
		memset(image + XMM_OFFSET, 0, FXSAVE_BYTES - XMM_OFFSET);
	for (i = 2; i < 63; i++) {
		if (!(missing >> i & 1))
			continue;
		__cpuid_count(13, i, size, offset, c, d);
		if (offset < fpu_bytes && size <= fpu_bytes - offset)
			memset(image + offset, 0, size);
	}
	return image;
}

static long fp_read(struct task *t, void __user *to, size_t n)
{
	u8 *image = fp_image(t);
	long err;

	if (!image)
		return -ENOMEM;
	memcpy(image + XSAVE_SW_XCR0, &fpu_xcr0, sizeof(fpu_xcr0));
	err = copy_to_user(to, image, n);
	kfree(image);
	return err;
}

long ptrace_get_fpregs(struct task *t, u64 uaddr)
{
	return fp_read(t, (void __user *)uaddr, FXSAVE_BYTES);
}

/* @n bytes of an XSAVE image that the tracer gives replace the beginning of @t's. */
static long fp_write(struct task *t, const void __user *from, size_t n)
{
	u8 *area = t->fpstate, *image = fp_image(t);
	u64 *header;

	if (!image)
		return -ENOMEM;
	if (copy_from_user(image, from, n)) {
		kfree(image);
		return -EFAULT;
	}
	header = (u64 *)(void *)(image + XSAVE_HEADER);
	if (n <= FXSAVE_BYTES)
		header[0] |= 3; /* x87 and SSE are what was given */
	header[0] &= fpu_xcr0;
	memset(header + 1, 0, XSAVE_HEADER_BYTES - sizeof(*header));
	memcpy(area, image, fpu_bytes);
	kfree(image);
	*(u32 *)(void *)(area + MXCSR_OFFSET) &= fpu_mxcsr_mask;
	t->fp_valid_tag = 0; /* no CPU has it loaded any more */
	return 0;
}

long ptrace_set_fpregs(struct task *t, u64 uaddr)
{
	return fp_write(t, (const void __user *)uaddr, FXSAVE_BYTES);
}

static long gp_regset(struct task *t, struct iovec *iov, bool set)
{
	struct user_regs u;

	iov->iov_len = MIN(iov->iov_len, sizeof(u));
	if (iov->iov_len % 8)
		return -EINVAL;
	regs_read(t, &u);
	if (!set)
		return copy_to_user(iov->iov_base, &u, iov->iov_len);
	if (copy_from_user(&u, iov->iov_base, iov->iov_len))
		return -EFAULT;
	return regs_write(t, &u);
}

static long fp_regset(struct task *t, struct iovec *iov, bool set)
{
	iov->iov_len = MIN(iov->iov_len, (size_t)FXSAVE_BYTES);
	if (!set)
		return fp_read(t, iov->iov_base, iov->iov_len);
	return iov->iov_len == FXSAVE_BYTES ? fp_write(t, iov->iov_base, FXSAVE_BYTES) : -EINVAL;
}

static long xstate_regset(struct task *t, struct iovec *iov, bool set)
{
	if (iov->iov_len % 8)
		return -EINVAL;
	if (!set) {
		iov->iov_len = MIN(iov->iov_len, (size_t)fpu_bytes);
		return fp_read(t, iov->iov_base, iov->iov_len);
	}
	if (iov->iov_len < XSAVE_HEADER + XSAVE_HEADER_BYTES || iov->iov_len > fpu_bytes)
		return -EFAULT;
	return fp_write(t, iov->iov_base, iov->iov_len);
}

long ptrace_regset(struct task *t, u64 type, u64 uiov, bool set)
{
	struct iovec iov;
	long err;

	if (copy_from_user(&iov, (const void __user *)uiov, sizeof(iov)))
		return -EFAULT;
	switch (type) {
	case NT_PRSTATUS:
		err = gp_regset(t, &iov, set);
		break;
	case NT_PRFPREG:
		err = fp_regset(t, &iov, set);
		break;
	case NT_X86_XSTATE:
		err = xstate_regset(t, &iov, set);
		break;
	default:
		err = -EINVAL;
	}
	return err ? err : put_user(iov.iov_len, &((struct iovec __user *)uiov)->iov_len);
}

long ptrace_peek_user(struct task *t, u64 offset, u64 uaddr)
{
	struct user_regs u;
	u64 value = 0;

	if (offset % 8 || offset >= USER_SIZE)
		return -EIO;
	if (offset < sizeof(u)) {
		regs_read(t, &u);
		value = ((u64 *)&u)[offset / 8];
	}
	return put_user(value, (u64 __user *)uaddr);
}

long ptrace_poke_user(struct task *t, u64 offset, u64 value)
{
	struct user_regs u;

	if (offset % 8 || offset >= USER_SIZE)
		return -EIO;
	if (offset >= USER_DEBUGREG)
		return value ? -EIO : 0; /* there are no debug registers to be had */
	if (offset >= sizeof(u))
		return -EIO;
	regs_read(t, &u);
	((u64 *)&u)[offset / 8] = value;
	return regs_write(t, &u);
}

struct user_syscall_info {
	u8 op, pad[3];
	u32 arch;
	u64 ip, sp;
	union {
		struct {
			u64 nr, args[6];
			u32 ret_data; /* seccomp */
		} entry;
		struct {
			s64 rval;
			u8 is_error;
		} exit;
	};
};

#define AUDIT_ARCH_X86_64 0xc000003eu

long ptrace_syscall_info(struct task *t, const struct ptrace_state *ps, u64 size, u64 uaddr)
{
	const struct pt_regs *regs = task_pt_regs(t);
	struct user_syscall_info i;
	size_t n = offsetof(struct user_syscall_info, entry);

	memset(&i, 0, sizeof(i));
	i.op = (u8)ps->syscall_stop;
	i.arch = AUDIT_ARCH_X86_64;
	i.ip = regs->rip;
	i.sp = regs->rsp;
	switch (ps->syscall_stop) {
	case SYSCALL_STOP_NONE:
		break;
	case SYSCALL_STOP_ENTRY:
	case SYSCALL_STOP_SECCOMP:
		i.entry.nr = regs->orig_rax;
		i.entry.args[0] = regs->rdi;
		i.entry.args[1] = regs->rsi;
		i.entry.args[2] = regs->rdx;
		i.entry.args[3] = regs->r10;
		i.entry.args[4] = regs->r8;
		i.entry.args[5] = regs->r9;
		i.entry.ret_data = ps->seccomp_data;
		n = ps->syscall_stop == SYSCALL_STOP_ENTRY ? offsetof(struct user_syscall_info, entry.ret_data)
							   : offsetof(struct user_syscall_info, entry.ret_data) + 4;
		break;
	case SYSCALL_STOP_EXIT:
		i.exit.rval = (s64)regs->rax;
		i.exit.is_error = regs->rax >= (u64)-MAX_ERRNO;
		n = offsetof(struct user_syscall_info, exit.is_error) + 1;
		break;
	}
	if (copy_to_user((void __user *)uaddr, &i, MIN(size, (u64)n)))
		return -EFAULT;
	return (long)n;
}
