/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp: strict mode and filters (classic BPF, bpf.c).
 *
 * Filters form a chain that children share: a struct seccomp_filter never changes, a new one points to the ones before.
 * All of a chain are run; the strictest answer counts. A task's chain is replaced under siglock (by itself, or by a
 * sibling with TSYNC) and only gets longer, so the task itself reads it without: it holds what it sees through its own
 * reference.
 */
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/ptrace.h>
#include <gk/seccomp.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/uaccess.h>

#include "bpf.h"

#define SECCOMP_SET_MODE_STRICT 0
#define SECCOMP_SET_MODE_FILTER 1
#define SECCOMP_GET_ACTION_AVAIL 2
#define FLAG_TSYNC 1
#define FLAG_LOG 2
#define FLAG_SPEC_ALLOW 4
#define FLAG_TSYNC_ESRCH 16

#define RET_KILL_PROCESS 0x80000000u
#define RET_KILL_THREAD 0x00000000u
#define RET_TRAP 0x00030000u
#define RET_ERRNO 0x00050000u
#define RET_USER_NOTIF 0x7fc00000u
#define RET_TRACE 0x7ff00000u
#define RET_LOG 0x7ffc0000u
#define RET_ALLOW 0x7fff0000u
#define RET_ACTION 0xffff0000u
#define RET_DATA 0x0000ffffu

#define AUDIT_ARCH_X86_64 0xc000003eu
#define SYS_SECCOMP 1
#define MAX_ERRNO_RET 4095
/* Instructions in a chain; each filter counts for four more. */
#define CHAIN_INSNS_MAX 32768

struct seccomp_data {
	s32 nr;
	u32 arch;
	u64 ip;
	u64 args[6];
};

struct seccomp_filter {
	refcount_t refs;
	struct seccomp_filter *prev; /* reference */
	u32 n, chain_insns;
	struct bpf_insn insn[];
};

static void filter_put(struct seccomp_filter *f)
{
	struct seccomp_filter *prev;

	for (; f && refcount_dec_and_test(&f->refs); f = prev) {
		prev = f->prev;
		kfree(f);
	}
}

void seccomp_fork(struct task *child)
{
	struct task *t = current;

	child->seccomp = t->seccomp;
	child->seccomp_mode = t->seccomp_mode;
	if (child->seccomp)
		refcount_inc(&child->seccomp->refs);
	if (child->seccomp_mode)
		atomic_or(&child->work, WORK_SECCOMP);
}

void seccomp_release(struct task *t)
{
	filter_put(t->seccomp);
	t->seccomp = NULL;
}

/* ---- entry ---- */

/* Which of two answers counts: as signed numbers, the smaller action. */
static bool stricter(u32 a, u32 b)
{
	return (s32)(a & RET_ACTION) < (s32)(b & RET_ACTION);
}

static u32 run_filters(const struct seccomp_filter *f, const struct seccomp_data *d)
{
	u32 ret = RET_ALLOW, r;

	for (; f; f = f->prev) {
		r = bpf_run(f->insn, d, sizeof(*d));
		if (stricter(r, ret))
			ret = r;
	}
	return ret;
}

static void send_sigsys(const struct seccomp_data *d, u32 ret)
{
	struct siginfo info = {.si_signo = SIGSYS, .si_code = SYS_SECCOMP, .si_errno = (s32)(ret & RET_DATA)};

	info.sys.call_addr = d->ip;
	info.sys.syscall = d->nr;
	info.sys.arch = d->arch;
	force_signal_info(&info);
}

static bool skip(struct pt_regs *regs, s64 result)
{
	regs->rax = (u64)result;
	return false;
}

static void data_of_call(struct seccomp_data *d, const struct pt_regs *regs)
{
	d->nr = (s32)regs->orig_rax;
	d->arch = AUDIT_ARCH_X86_64;
	d->ip = regs->rip;
	d->args[0] = regs->rdi;
	d->args[1] = regs->rsi;
	d->args[2] = regs->rdx;
	d->args[3] = regs->r10;
	d->args[4] = regs->r8;
	d->args[5] = regs->r9;
}

static bool filtered_enter(struct pt_regs *regs, bool traced)
{
	struct seccomp_data d;
	u32 ret;

	data_of_call(&d, regs);
	ret = run_filters(READ_ONCE(current->seccomp), &d);
	switch (ret & RET_ACTION) {
	case RET_ALLOW:
	case RET_LOG:
		return true;
	case RET_ERRNO:
		return skip(regs, -(s64)MIN(ret & RET_DATA, (u32)MAX_ERRNO_RET));
	case RET_TRAP:
		regs->rax = regs->orig_rax; /* the handler finds the call as it was made */
		send_sigsys(&d, ret);
		return false;
	case RET_TRACE:
		if (traced)
			return true; /* asked already: what the tracer made of it is only judged by the rest */
		if (!ptrace_seccomp(ret & RET_DATA))
			return skip(regs, -ENOSYS);
		if ((s32)regs->orig_rax < 0)
			return false; /* the tracer took the call away and set the result */
		return filtered_enter(regs, true);
	case RET_USER_NOTIF:
		return skip(regs, -ENOSYS); /* no listeners */
	case RET_KILL_THREAD:
		if (current->process->nr_threads > 1)
			do_exit(SIGSYS);
		__attribute__((fallthrough));
	default:
		do_group_exit(SIGSYS);
	}
}

bool seccomp_enter(struct pt_regs *regs)
{
	if (current->seccomp_mode == SECCOMP_MODE_FILTER)
		return filtered_enter(regs, false);
	switch ((u32)regs->orig_rax) {
	case 0:	 /* read */
	case 1:	 /* write */
	case 15: /* rt_sigreturn */
	case 60: /* exit */
		return true;
	default:
		do_exit(SIGKILL);
	}
}

/* ---- installing ---- */

struct user_fprog {
	u16 len, pad[3];
	u64 insns;
};

/* A checked filter not yet in a chain, or ERR_PTR. */
static struct seccomp_filter *filter_from_user(u64 uprog)
{
	struct seccomp_filter *f;
	struct user_fprog prog;

	if (copy_from_user(&prog, (const void __user *)uprog, sizeof(prog)))
		return ERR_PTR(-EFAULT);
	if (!prog.len || prog.len > BPF_MAX_INSNS)
		return ERR_PTR(-EINVAL);
	if (!current->no_new_privs && !capable(CAP_SYS_ADMIN))
		return ERR_PTR(-EACCES);
	f = kzalloc(sizeof(*f) + prog.len * sizeof(f->insn[0]));
	if (!f)
		return ERR_PTR(-ENOMEM);
	refcount_set(&f->refs, 1);
	f->n = prog.len;
	if (copy_from_user(f->insn, (const void __user *)prog.insns, prog.len * sizeof(f->insn[0]))) {
		kfree(f);
		return ERR_PTR(-EFAULT);
	}
	if (!bpf_check(f->insn, f->n, sizeof(struct seccomp_data))) {
		kfree(f);
		return ERR_PTR(-EINVAL);
	}
	return f;
}

/* siglock held: @t gets @f on top of what it has; its old reference is @f's now. */
static void filter_set(struct task *t, struct seccomp_filter *f)
{
	WRITE_ONCE(t->seccomp, f);
	t->seccomp_mode = SECCOMP_MODE_FILTER;
	set_task_work(t, WORK_SECCOMP);
}

static bool is_ancestor(const struct seccomp_filter *old, const struct seccomp_filter *f)
{
	if (!old)
		return true;
	for (; f; f = f->prev) {
		if (f == old)
			return true;
	}
	return false;
}

/* siglock held: the first thread whose own filters are not among current's, or NULL. */
static struct task *tsync_obstacle(struct process *p)
{
	struct task *t;

	list_for_each_entry(t, &p->threads, thread_link) {
		if (t == current || t->exiting)
			continue;
		if (t->seccomp_mode == SECCOMP_MODE_STRICT || !is_ancestor(t->seccomp, current->seccomp))
			return t;
	}
	return NULL;
}

/*
 * A chain that a sibling just runs must not be freed under it: what it gives up is an ancestor of what it gets, which
 * holds a reference to it.
 */
static void tsync(struct process *p)
{
	struct seccomp_filter *f = current->seccomp, *old;
	struct task *t;

	list_for_each_entry(t, &p->threads, thread_link) {
		if (t == current || t->exiting)
			continue;
		old = t->seccomp;
		refcount_inc(&f->refs);
		filter_set(t, f);
		if (old) /* never the last one: f reaches it */
			refcount_dec_and_test(&old->refs);
		if (current->no_new_privs)
			t->no_new_privs = true;
	}
}

static long attach(struct seccomp_filter *f, u64 flags)
{
	struct process *p = current->process;
	struct task *obstacle;
	u32 before;
	long ret = 0;

	spin_lock(&p->siglock);
	before = current->seccomp ? current->seccomp->chain_insns : 0;
	obstacle = flags & FLAG_TSYNC ? tsync_obstacle(p) : NULL;
	if (current->seccomp_mode == SECCOMP_MODE_STRICT) {
		ret = -EINVAL;
	} else if (before + f->n + 4 > CHAIN_INSNS_MAX) {
		ret = -ENOMEM;
	} else if (obstacle) {
		ret = flags & FLAG_TSYNC_ESRCH ? -ESRCH : task_pid_nr(obstacle);
	} else {
		f->prev = current->seccomp;
		f->chain_insns = before + f->n + 4;
		filter_set(current, f);
		if (flags & FLAG_TSYNC)
			tsync(p);
		f = NULL;
	}
	spin_unlock(&p->siglock);
	kfree(f);
	return ret;
}

static long set_filter(u64 flags, u64 uprog)
{
	struct seccomp_filter *f;

	if (flags & ~(u64)(FLAG_TSYNC | FLAG_LOG | FLAG_SPEC_ALLOW | FLAG_TSYNC_ESRCH))
		return -EINVAL;
	f = filter_from_user(uprog);
	return IS_ERR(f) ? PTR_ERR(f) : attach(f, flags);
}

static long set_strict(void)
{
	struct process *p = current->process;
	long ret = 0;

	spin_lock(&p->siglock);
	if (current->seccomp_mode == SECCOMP_MODE_FILTER) {
		ret = -EINVAL;
	} else {
		current->seccomp_mode = SECCOMP_MODE_STRICT;
		set_task_work(current, WORK_SECCOMP);
	}
	spin_unlock(&p->siglock);
	return ret;
}

static long action_available(u64 uaction)
{
	u32 action;

	if (copy_from_user(&action, (const void __user *)uaction, sizeof(action)))
		return -EFAULT;
	switch (action) {
	case RET_KILL_PROCESS:
	case RET_KILL_THREAD:
	case RET_TRAP:
	case RET_ERRNO:
	case RET_TRACE:
	case RET_LOG:
	case RET_ALLOW:
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

SYSCALL3(seccomp, u32, op, u32, flags, u64, arg)
{
	switch (op) {
	case SECCOMP_SET_MODE_STRICT:
		return flags || arg ? -EINVAL : set_strict();
	case SECCOMP_SET_MODE_FILTER:
		return set_filter(flags, arg);
	case SECCOMP_GET_ACTION_AVAIL:
		return flags ? -EINVAL : action_available(arg);
	default:
		return -EINVAL;
	}
}

long seccomp_prctl(u64 mode, u64 arg)
{
	if (mode == SECCOMP_MODE_STRICT)
		return set_strict();
	return mode == SECCOMP_MODE_FILTER ? set_filter(0, arg) : -EINVAL;
}
