/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Taking signals on the way to user mode: default actions, handlers, restarted system calls; signal masks; handler
 * tables.
 *
 * do_signal() is called by the exit path while there is work. Frames on the program's stack are made by
 * arch/x86_64/sigframe.c. Sending is in signal_send.c, stopping in jobctl.c, the system calls in signal_syscalls.c.
 * Lock: siglock of current's process; sighand->lock inside it.
 */
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/ptrace.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/uaccess.h>

#include "signal_internal.h"

#define NR_RESTART_SYSCALL 219

bool signal_pending_task(struct task *t)
{
	return READ_ONCE(t->work) & WORK_SIGNAL;
}

bool signal_pending(void)
{
	return signal_pending_task(current);
}

bool fatal_signal_pending(void)
{
	return signal_pending() && sigset_has(READ_ONCE(current->pending.set), SIGKILL);
}

void recalc_signal_work(struct task *t)
{
	struct process *p = t->process;

	if (((t->pending.set | p->shared_pending.set) & ~t->blocked) || sigset_has(t->pending.set, SIGKILL) ||
	    (t->jobctl & (JOBCTL_STOP_PENDING | JOBCTL_TRAP_STOP | JOBCTL_TRAP_NOTIFY)))
		set_task_work(t, WORK_SIGNAL);
	else if (t == current)
		atomic_and(&t->work, ~(u64)WORK_SIGNAL); /* others clear theirs themselves */
}

/* ---- masks ---- */

static void set_blocked_locked(u64 mask)
{
	struct task *t = current;

	if (t->process->nr_threads > 1)
		retarget_shared_pending(t, mask & ~t->blocked);
	t->blocked = mask;
	recalc_signal_work(t);
}

void set_current_blocked(u64 mask)
{
	struct process *p = current->process;

	mask &= ~SIG_KERNEL_ONLY;
	if (mask == current->blocked)
		return;
	spin_lock(&p->siglock);
	set_blocked_locked(mask);
	spin_unlock(&p->siglock);
}

int set_user_sigmask(const u64 __user *mask, size_t size)
{
	u64 set;

	if (!mask)
		return 0;
	if (size != sizeof(set))
		return -EINVAL;
	if (copy_from_user(&set, mask, sizeof(set)))
		return -EFAULT;
	current->saved_sigmask = current->blocked;
	set_task_work(current, WORK_RESTORE_SIGMASK);
	set_current_blocked(set);
	return 0;
}

void restore_user_sigmask(bool interrupted)
{
	if (!(current->work & WORK_RESTORE_SIGMASK))
		return;
	/* The handler must run under the temporary mask: do_signal() puts the saved one back. */
	if (interrupted && signal_pending())
		return;
	atomic_and(&current->work, ~(u64)WORK_RESTORE_SIGMASK);
	set_current_blocked(current->saved_sigmask);
}

/* ---- what happens by default ---- */

/* A stop signal acts. True: take the next signal, siglock was dropped. False: it has no effect. */
static bool default_stop(int sig)
{
	struct process *p = current->process;
	bool orphaned;

	if (sig != SIGSTOP) {
		spin_unlock(&p->siglock);
		spin_lock(&task_lock);
		orphaned = pgrp_is_orphaned(p->pgrp, NULL);
		spin_unlock(&task_lock);
		spin_lock(&p->siglock);
		if (orphaned)
			return false;
	}
	return do_signal_stop(sig);
}

struct taken_signal {
	int sig;
	struct k_sigaction action;
	struct siginfo info;
};

/* siglock held: true if a handler is to run for s->sig; the action is copied, reset if one-shot. */
static bool take_handler(struct taken_signal *s)
{
	struct sighand *h = current->sighand;
	bool caught;

	spin_lock(&h->lock);
	s->action = h->action[s->sig - 1];
	caught = s->action.handler != SIG_DFL && s->action.handler != SIG_IGN;
	if (caught && (s->action.flags & SA_RESETHAND))
		h->action[s->sig - 1].handler = SIG_DFL;
	spin_unlock(&h->lock);
	return caught;
}

static bool default_ignores(struct taken_signal *s, bool forced)
{
	if (s->action.handler == SIG_IGN || sigset_has(SIG_IGNORE_SET, s->sig))
		return true;
	return is_unkillable(current->process) && !forced;
}

/*
 * The next signal with a handler. False: none is left. Signals that stop or kill act in here.
 */
static bool get_signal(struct taken_signal *s)
{
	struct task *t = current;
	struct process *p = t->process;
	u32 status;
	bool forced;

	if (READ_ONCE(p->notify))
		jobctl_notify(p);
	spin_lock(&p->siglock);
	for (;;) {
		if (p->group_exit || sigset_has(t->pending.set, SIGKILL)) {
			status = p->group_exit ? p->group_exit_code : SIGKILL;
			break;
		}
		if (p->notify) { /* woken by SIGCONT */
			spin_unlock(&p->siglock);
			jobctl_notify(p);
			spin_lock(&p->siglock);
			continue;
		}
		if ((t->jobctl & JOBCTL_STOP_PENDING) && do_signal_stop(0))
			continue;
		if (t->jobctl & (JOBCTL_TRAP_STOP | JOBCTL_TRAP_NOTIFY)) {
			ptrace_group_stop((int)p->group_stop_sig);
			continue;
		}
		s->sig = dequeue_signal(t, t->blocked, &s->info);
		if (!s->sig) {
			recalc_signal_work(t);
			spin_unlock(&p->siglock);
			return false;
		}
		if (t->ptrace && s->sig != SIGKILL) {
			s->sig = ptrace_signal(s->sig, &s->info);
			if (!s->sig || p->group_exit)
				continue;
		}
		forced = sigset_has(p->sig_forced, s->sig);
		p->sig_forced &= ~sigbit(s->sig);
		if (take_handler(s)) {
			recalc_signal_work(t);
			spin_unlock(&p->siglock);
			return true;
		}
		if (default_ignores(s, forced))
			continue;
		if (sigset_has(SIG_STOP_SET, s->sig)) {
			t->jobctl |= JOBCTL_STOP_DEQUEUED;
			default_stop(s->sig);
			t->jobctl &= ~JOBCTL_STOP_DEQUEUED;
			continue;
		}
		status = (u32)s->sig;
		break;
	}
	spin_unlock(&p->siglock);
	do_group_exit(status);
}

/* ---- handlers and restarts ---- */

static bool in_syscall(const struct pt_regs *regs)
{
	return (s64)regs->orig_rax >= 0;
}

static void restart(struct pt_regs *regs, u64 nr)
{
	regs->rax = nr;
	regs->rip -= 2; /* the syscall instruction */
}

/* A handler will run: what does the interrupted call return after it? */
static void restart_with_handler(struct pt_regs *regs, const struct k_sigaction *ka)
{
	switch (-(s64)regs->rax) {
	case ERESTART_RESTARTBLOCK:
		current->restart.fn = NULL;
		regs->rax = (u64)-EINTR;
		break;
	case ERESTARTNOHAND:
		regs->rax = (u64)-EINTR;
		break;
	case ERESTARTSYS:
		if (!(ka->flags & SA_RESTART)) {
			regs->rax = (u64)-EINTR;
			break;
		}
		restart(regs, regs->orig_rax);
		break;
	case ERESTARTNOINTR:
		restart(regs, regs->orig_rax);
		break;
	}
}

static void restart_without_handler(struct pt_regs *regs)
{
	switch (-(s64)regs->rax) {
	case ERESTARTNOHAND:
	case ERESTARTSYS:
	case ERESTARTNOINTR:
		restart(regs, regs->orig_rax);
		break;
	case ERESTART_RESTARTBLOCK:
		restart(regs, NR_RESTART_SYSCALL);
		break;
	}
}

/* No room on the stack for a frame, or sigreturn found rubbish: SIGSEGV, which kills if it was SIGSEGV's own frame. */
static void force_sigsegv(int sig)
{
	struct sighand *h = current->sighand;

	if (sig == SIGSEGV) {
		spin_lock(&current->process->siglock);
		spin_lock(&h->lock);
		h->action[SIGSEGV - 1].handler = SIG_DFL;
		spin_unlock(&h->lock);
		spin_unlock(&current->process->siglock);
	}
	force_signal(SIGSEGV);
}

static void handle_signal(struct pt_regs *regs, struct taken_signal *s)
{
	struct task *t = current;
	u64 mask = t->work & WORK_RESTORE_SIGMASK ? t->saved_sigmask : t->blocked;
	u64 blocked;

	if (in_syscall(regs))
		restart_with_handler(regs, &s->action);
	if (setup_signal_frame(regs, s->sig, &s->action, &s->info, mask)) {
		force_sigsegv(s->sig);
		return;
	}
	regs->orig_rax = (u64)-1; /* what the program returns to was settled above */
	atomic_and(&t->work, ~(u64)WORK_RESTORE_SIGMASK);
	if (t->sas_flags & SS_AUTODISARM) {
		t->sas_sp = t->sas_size = 0;
		t->sas_flags = SS_DISABLE;
	}
	blocked = t->blocked | s->action.mask;
	if (!(s->action.flags & SA_NODEFER))
		blocked |= sigbit(s->sig);
	set_current_blocked(blocked);
}

void do_signal(struct pt_regs *regs)
{
	struct taken_signal s;

	if (get_signal(&s)) {
		handle_signal(regs, &s);
		return;
	}
	if (in_syscall(regs)) {
		restart_without_handler(regs);
		regs->orig_rax = (u64)-1;
	}
	if (current->work & WORK_RESTORE_SIGMASK) {
		atomic_and(&current->work, ~(u64)WORK_RESTORE_SIGMASK);
		set_current_blocked(current->saved_sigmask);
	}
}

/* ---- handler tables ---- */

struct sighand *sighand_new(void)
{
	struct sighand *h = kzalloc(sizeof(*h));

	if (h) {
		refcount_set(&h->refs, 1);
		spin_init(&h->lock);
	}
	return h;
}

struct sighand *sighand_copy(struct sighand *from)
{
	struct sighand *h = sighand_new();

	if (h) {
		spin_lock(&from->lock);
		memcpy(h->action, from->action, sizeof(h->action));
		spin_unlock(&from->lock);
	}
	return h;
}

void sighand_put(struct sighand *h)
{
	if (h && refcount_dec_and_test(&h->refs))
		kfree(h);
}

void signals_flush_exec(struct task *t)
{
	struct sighand *h = t->sighand, *own;
	u32 i;

	if (refcount_read(&h->refs) > 1) { /* shared with another process: CLONE_SIGHAND without CLONE_THREAD */
		own = sighand_copy(h);
		if (!own) {
			force_signal(SIGKILL);
			return;
		}
		spin_lock(&t->process->siglock);
		t->sighand = own;
		spin_unlock(&t->process->siglock);
		sighand_put(h);
		h = own;
	}
	spin_lock(&t->process->siglock);
	spin_lock(&h->lock);
	for (i = 0; i < NSIG; i++) {
		u64 keep = h->action[i].handler == SIG_IGN ? SIG_IGN : SIG_DFL;

		h->action[i] = (struct k_sigaction){.handler = keep};
	}
	spin_unlock(&h->lock);
	spin_unlock(&t->process->siglock);
	t->sas_sp = t->sas_size = 0;
	t->sas_flags = SS_DISABLE;
}

void signals_new_task(struct task *child)
{
	sigpending_init(&child->pending);
	child->jobctl = 0;
	child->real_blocked = 0;
	child->restart.fn = NULL;
	atomic_and(&child->work, ~(u64)(WORK_SIGNAL | WORK_RESTORE_SIGMASK | WORK_EXIT_GROUP | WORK_NOTIFY));
}
