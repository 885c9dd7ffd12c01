/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signal system calls on masks, actions, stacks and waiting. Sending is in kill.c; rt_sigreturn is with the frames
 * in arch/x86_64/sigframe.c.
 */
#include <gk/errno.h>
#include <gk/syscall.h>
#include <gk/time.h>
#include <gk/time.h>
#include <gk/timer.h>
#include <gk/uaccess.h>

#include "signal_internal.h"

/* struct kernel_sigaction of the system call, x86-64 */
struct user_sigaction {
	u64 handler;
	u64 flags;
	u64 restorer;
	u64 mask;
};

/* What sigaction() may set; unknown flags are dropped, so that programs can find out what there is. */
#define SA_KNOWN                                                                                                       \
	(SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_RESETHAND | SA_RESTORER)

static void set_action(int sig, const struct user_sigaction *ua)
{
	struct task *t = current, *i;
	struct process *p = t->process;
	struct k_sigaction ka = {.handler = ua->handler, .flags = ua->flags & SA_KNOWN, .restorer = ua->restorer};

	ka.mask = ua->mask & ~SIG_KERNEL_ONLY;
	spin_lock(&t->sighand->lock);
	t->sighand->action[sig - 1] = ka;
	spin_unlock(&t->sighand->lock);
	/* POSIX: what is pending and now ignored is gone, blocked or not. */
	if (ka.handler == SIG_IGN || (ka.handler == SIG_DFL && sigset_has(SIG_IGNORE_SET, sig))) {
		sigpending_flush(&p->shared_pending, sigbit(sig));
		for_each_thread(i, p)
			sigpending_flush(&i->pending, sigbit(sig));
	}
}

SYSCALL4(rt_sigaction, int, sig, const struct user_sigaction __user *, act, struct user_sigaction __user *, oact,
	 size_t, size)
{
	struct process *p = current->process;
	struct user_sigaction ua, old;
	struct k_sigaction ka;

	if (size != sizeof(u64) || !valid_signal(sig) || (act && sigset_has(SIG_KERNEL_ONLY, sig)))
		return -EINVAL;
	if (act && copy_from_user(&ua, act, sizeof(ua)))
		return -EFAULT;
	spin_lock(&p->siglock);
	ka = current->sighand->action[sig - 1];
	if (act)
		set_action(sig, &ua);
	spin_unlock(&p->siglock);
	if (!oact)
		return 0;
	old = (struct user_sigaction){ka.handler, ka.flags, ka.restorer, ka.mask};
	return copy_to_user(oact, &old, sizeof(old));
}

#define SIG_BLOCK 0
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2

SYSCALL4(rt_sigprocmask, int, how, const u64 __user *, uset, u64 __user *, uold, size_t, size)
{
	u64 old = current->blocked, set;

	if (size != sizeof(u64))
		return -EINVAL;
	if (uset) {
		if (copy_from_user(&set, uset, sizeof(set)))
			return -EFAULT;
		switch (how) {
		case SIG_BLOCK:
			set |= old;
			break;
		case SIG_UNBLOCK:
			set = old & ~set;
			break;
		case SIG_SETMASK:
			break;
		default:
			return -EINVAL;
		}
		set_current_blocked(set);
	}
	return uold ? copy_to_user(uold, &old, sizeof(old)) : 0;
}

SYSCALL2(rt_sigpending, u64 __user *, uset, size_t, size)
{
	struct process *p = current->process;
	u64 set;

	if (size > sizeof(u64))
		return -EINVAL;
	spin_lock(&p->siglock);
	set = (current->pending.set | p->shared_pending.set) & current->blocked;
	spin_unlock(&p->siglock);
	return copy_to_user(uset, &set, size);
}

/* One wait for a signal of @these. Its number, -EAGAIN (timeout) or -EINTR (another signal). */
static long wait_for_signal(u64 these, struct siginfo *info, ktime_t deadline)
{
	struct task *t = current;
	struct process *p = t->process;
	int sig, ret;

	spin_lock(&p->siglock);
	sig = dequeue_signal(t, ~these, info);
	if (!sig && deadline) {
		/* Senders must not drop or divert what is waited for. */
		t->real_blocked = t->blocked;
		t->blocked &= ~these;
		recalc_signal_work(t);
		set_current_state(TASK_INTERRUPTIBLE);
		spin_unlock(&p->siglock);
		ret = schedule_until(deadline);
		spin_lock(&p->siglock);
		t->blocked = t->real_blocked;
		t->real_blocked = 0;
		sig = dequeue_signal(t, ~these, info);
	} else {
		ret = 0;
	}
	recalc_signal_work(t);
	spin_unlock(&p->siglock);
	if (sig)
		return sig;
	return ret ? -EINTR : -EAGAIN;
}

SYSCALL4(rt_sigtimedwait, const u64 __user *, uthese, struct siginfo __user *, uinfo, const struct timespec64 __user *,
	 uts, size_t, size)
{
	struct siginfo info;
	ktime_t deadline = KTIME_NEVER;
	u64 these;
	long ret;

	if (size != sizeof(u64))
		return -EINVAL;
	if (copy_from_user(&these, uthese, sizeof(these)))
		return -EFAULT;
	ret = timeout_from_user(uts, &deadline);
	if (ret)
		return ret;
	ret = wait_for_signal(these & ~SIG_KERNEL_ONLY, &info, deadline);
	if (ret > 0 && uinfo && copy_to_user(uinfo, &info, sizeof(info)))
		return -EFAULT;
	return ret;
}

static long wait_for_handler(void)
{
	while (!signal_pending()) {
		set_current_state(TASK_INTERRUPTIBLE);
		schedule_until(KTIME_NEVER);
	}
	return -ERESTARTNOHAND;
}

SYSCALL0(pause)
{
	return wait_for_handler();
}

SYSCALL2(rt_sigsuspend, const u64 __user *, uset, size_t, size)
{
	int err;

	if (!uset)
		return -EFAULT;
	err = set_user_sigmask(uset, size);
	return err ? err : wait_for_handler();
}

SYSCALL0(restart_syscall)
{
	struct restart_block *r = &current->restart;

	return r->fn ? r->fn(r) : -EINTR;
}

/* ---- alternate stack ---- */

static bool within_sas(u64 sp)
{
	const struct task *t = current;

	return sp > t->sas_sp && sp - t->sas_sp <= t->sas_size;
}

bool on_sig_stack(u64 sp)
{
	/* It may be reused by then: a program that switches stacks in a handler asked for that. */
	if (current->sas_flags & SS_AUTODISARM)
		return false;
	return within_sas(sp);
}

s32 sas_ss_flags(u64 sp)
{
	if (!current->sas_size)
		return SS_DISABLE;
	return on_sig_stack(sp) ? SS_ONSTACK : 0;
}

int do_sigaltstack(const struct sigaltstack *ss, struct sigaltstack *old, u64 sp)
{
	struct task *t = current;
	u32 mode;

	if (old) {
		old->ss_sp = t->sas_sp;
		old->ss_size = t->sas_size;
		old->ss_flags = sas_ss_flags(sp) | (s32)(t->sas_flags & SS_AUTODISARM);
		old->pad = 0;
	}
	if (!ss)
		return 0;
	if (on_sig_stack(sp))
		return -EPERM;
	mode = (u32)ss->ss_flags & ~SS_AUTODISARM;
	if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
		return -EINVAL;
	if (mode == SS_DISABLE) {
		t->sas_sp = t->sas_size = 0;
	} else {
		if (ss->ss_size < MINSIGSTKSZ)
			return -ENOMEM;
		t->sas_sp = ss->ss_sp;
		t->sas_size = ss->ss_size;
	}
	t->sas_flags = (u32)ss->ss_flags;
	return 0;
}

SYSCALL2(sigaltstack, const struct sigaltstack __user *, uss, struct sigaltstack __user *, uold)
{
	struct sigaltstack ss, old;
	int err;

	if (uss && copy_from_user(&ss, uss, sizeof(ss)))
		return -EFAULT;
	err = do_sigaltstack(uss ? &ss : NULL, &old, task_pt_regs(current)->rsp);
	if (!err && uold)
		err = copy_to_user(uold, &old, sizeof(old));
	return err;
}
