/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending signals: who ignores what, which thread is woken, and signals that kill.
 *
 * A signal that is fatal by default marks the whole process (group_exit) at once and gives SIGKILL to every thread, so
 * that no thread runs on. Lock: siglock of the receiver; sighand->lock inside it where an action is changed. Handlers
 * are read without sighand->lock here: one word, and a race with sigaction() has no right outcome.
 */
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/string.h>

#include "signal_internal.h"

u64 action_handler(const struct task *t, int sig)
{
	return READ_ONCE(t->sighand->action[sig - 1].handler);
}

static bool handler_ignores(const struct task *t, int sig)
{
	u64 h = action_handler(t, sig);

	return h == SIG_IGN || (h == SIG_DFL && sigset_has(SIG_IGNORE_SET, sig));
}

struct task *any_thread(struct process *p)
{
	struct task *t = p->leader;

	if (t && !t->exiting && t->sighand)
		return t;
	for_each_thread(t, p) {
		if (!t->exiting && t->sighand)
			return t;
	}
	return NULL;
}

static bool signal_ignored(int sig, struct task *t, bool force)
{
	struct process *p = t->process;

	/* What is blocked now may have a handler when it is unblocked. */
	if (sigset_has(t->blocked | t->real_blocked, sig))
		return false;
	/* A tracer wants to see it all the same. */
	if (t->ptrace && sig != SIGKILL)
		return false;
	if (is_unkillable(p) && !force && action_handler(t, sig) == SIG_DFL)
		return true;
	return handler_ignores(t, sig);
}

void signal_wake_up(struct task *t, bool kill)
{
	set_task_work(t, WORK_SIGNAL);
	try_wake_up(t, TASK_INTERRUPTIBLE | (kill ? TASK_WAKEKILL | TASK_STOPPED | TASK_TRACED : 0));
}

static bool wants_signal(int sig, struct task *t)
{
	if (sigset_has(t->blocked, sig) || t->exiting)
		return false;
	if (sig == SIGKILL)
		return true;
	if (READ_ONCE(t->state) & (TASK_STOPPED | TASK_TRACED))
		return false;
	return t == current || !signal_pending_task(t);
}

static bool acts_fatally(int sig, struct task *t)
{
	struct process *p = t->process;

	if (p->group_exit || action_handler(t, sig) != SIG_DFL)
		return false;
	if (sigset_has(SIG_IGNORE_SET | SIG_STOP_SET, sig))
		return false;
	return !is_unkillable(p) || sigset_has(p->sig_forced, sig);
}

static void kill_all_threads(struct process *p)
{
	struct task *t;

	for_each_thread(t, p) {
		t->jobctl &= ~(JOBCTL_STOP_PENDING | JOBCTL_STOP_DEQUEUED);
		t->pending.set |= sigbit(SIGKILL);
		signal_wake_up(t, true);
	}
	p->stop_count = 0;
	p->stopping_sig = 0;
}

void kill_process_with(struct process *p, u32 wait_status)
{
	spin_lock(&p->siglock);
	if (!p->group_exit) {
		p->group_exit = true;
		p->group_exit_code = wait_status;
		kill_all_threads(p);
	}
	spin_unlock(&p->siglock);
}

/* The signal is in a queue: finds a thread to handle it and wakes it. */
static void complete_signal(int sig, struct task *t, bool group)
{
	struct process *p = t->process;
	struct task *i;

	if (!wants_signal(sig, t)) {
		if (!group)
			return;
		t = NULL;
		for_each_thread(i, p) {
			if (wants_signal(sig, i)) {
				t = i;
				break;
			}
		}
		if (!t)
			return; /* whoever unblocks it first takes it */
	}
	if (acts_fatally(sig, t) && !sigset_has(t->real_blocked, sig) && (sig == SIGKILL || !t->ptrace) &&
	    !sigset_has(SIG_CORE_SET, sig)) {
		p->group_exit = true;
		p->group_exit_code = (u32)sig;
		kill_all_threads(p);
		return;
	}
	signal_wake_up(t, sig == SIGKILL);
}

/* Signals whose information a program relies on: rather fail than lose it. */
static bool must_queue(int sig, const struct siginfo *info)
{
	return sig >= SIGRTMIN && info && info->si_code != SI_USER;
}

int send_signal_locked(int sig, const struct siginfo *info, struct task *t, bool group, bool force)
{
	struct process *p = t->process;
	struct sigpending *pending = group ? &p->shared_pending : &t->pending;
	struct sigqueue *q;

	if (p->group_exit)
		return 0; /* on its way out */
	jobctl_prepare(sig, p);
	if (signal_ignored(sig, t, force))
		return 0;
	if (sig < SIGRTMIN && sigset_has(pending->set, sig))
		return 0;
	if (force && is_unkillable(p))
		p->sig_forced |= sigbit(sig);
	if (sig != SIGKILL) {
		/*
		 * A standard signal from the kernel or kill() gets its entry above the limit: one per number at most.
		 */
		q = sigqueue_alloc(t, sig < SIGRTMIN && (!info || info->si_code >= 0));
		if (q) {
			if (info) {
				q->info = *info;
			} else {
				memset(&q->info, 0, sizeof(q->info));
				q->info.si_code = SI_KERNEL;
			}
			q->info.si_signo = sig;
			list_add_tail(&q->link, &pending->list);
		} else if (must_queue(sig, info)) {
			return -EAGAIN;
		}
	}
	pending->set |= sigbit(sig);
	if (wait_queue_active(&p->signalfd_wait))
		wake_up_all(&p->signalfd_wait);
	complete_signal(sig, t, group);
	return 0;
}

bool send_sigqueue_locked(struct sigqueue *q, struct task *t, bool group)
{
	struct process *p = t->process;
	struct sigpending *pending = group ? &p->shared_pending : &t->pending;
	int sig = q->info.si_signo;

	if (p->group_exit)
		return false;
	jobctl_prepare(sig, p);
	if (signal_ignored(sig, t, false))
		return false;
	list_add_tail(&q->link, &pending->list);
	pending->set |= sigbit(sig);
	if (wait_queue_active(&p->signalfd_wait))
		wake_up_all(&p->signalfd_wait);
	complete_signal(sig, t, group);
	return true;
}

int send_signal_task(int sig, const struct siginfo *info, struct task *t)
{
	struct process *p = t->process;
	int ret = 0;

	spin_lock(&p->siglock);
	if (t->sighand && !t->exiting)
		ret = send_signal_locked(sig, info, t, false, false);
	spin_unlock(&p->siglock);
	return ret;
}

static int send_process(int sig, const struct siginfo *info, struct process *p, bool force)
{
	struct task *t;
	int ret = 0;

	spin_lock(&p->siglock);
	t = any_thread(p);
	if (t)
		ret = send_signal_locked(sig, info, t, true, force);
	spin_unlock(&p->siglock);
	return ret;
}

int send_signal_process(int sig, const struct siginfo *info, struct process *p)
{
	return send_process(sig, info, p, false);
}

int send_signal_host(int sig, struct process *p)
{
	return send_process(sig, NULL, p, true);
}

void send_signal_host_group(int sig, struct process *of)
{
	struct process *p;

	spin_lock(&task_lock);
	list_for_each_entry(p, &of->pgrp->pgrp, pgrp_link)
		send_process(sig, NULL, p, p == of);
	spin_unlock(&task_lock);
}

int send_signal_pgrp(int sig, const struct siginfo *info, struct pid *pgrp)
{
	int ret = -ESRCH;
	struct process *p;

	spin_lock(&task_lock);
	list_for_each_entry(p, &pgrp->pgrp, pgrp_link) {
		if (!send_signal_process(sig, info, p))
			ret = 0;
	}
	spin_unlock(&task_lock);
	return ret;
}

void force_signal_info(const struct siginfo *info)
{
	struct task *t = current;
	struct process *p = t->process;
	int sig = info->si_signo;
	struct k_sigaction *ka;
	bool blocked;

	spin_lock(&p->siglock);
	blocked = sigset_has(t->blocked, sig);
	ka = &t->sighand->action[sig - 1];
	spin_lock(&t->sighand->lock);
	if (blocked || ka->handler == SIG_IGN)
		ka->handler = SIG_DFL;
	spin_unlock(&t->sighand->lock);
	t->blocked &= ~sigbit(sig);
	send_signal_locked(sig, info, t, false, true);
	recalc_signal_work(t);
	spin_unlock(&p->siglock);
}

void force_signal_fault(int sig, int code, u64 addr)
{
	struct siginfo info = {.si_signo = sig, .si_code = code};

	info.fault.addr = addr;
	force_signal_info(&info);
}

void force_signal(int sig)
{
	struct siginfo info = {.si_signo = sig, .si_code = SI_KERNEL};

	force_signal_info(&info);
}

/* @t will no longer take the signals in @which: others of its process may. */
void retarget_shared_pending(struct task *t, u64 which)
{
	struct process *p = t->process;
	struct task *i;
	u64 set;

	which &= p->shared_pending.set;
	if (!which)
		return;
	for_each_thread(i, p) {
		if (i == t || i->exiting)
			continue;
		set = which & ~i->blocked;
		if (!set)
			continue;
		if (!signal_pending_task(i))
			signal_wake_up(i, false);
		which &= ~set;
		if (!which)
			break;
	}
}

u32 signals_zap_others(void)
{
	struct process *p = current->process;
	struct task *t;
	u32 n = 0;

	p->stop_count = 0;
	p->stopping_sig = 0;
	for_each_thread(t, p) {
		t->jobctl &= ~(JOBCTL_STOP_PENDING | JOBCTL_STOP_DEQUEUED);
		if (t == current)
			continue;
		n++;
		if (t->exiting)
			continue;
		t->pending.set |= sigbit(SIGKILL);
		signal_wake_up(t, true);
	}
	return n;
}

int may_signal(struct process *p, int sig)
{
	const struct cred *mine = current->cred, *theirs;
	struct task *t;
	int ret = 0;

	if (p == current->process)
		return 0;
	spin_lock(&p->siglock);
	t = any_thread(p);
	theirs = (t ? t : p->leader)->cred;
	if (mine->euid != theirs->suid && mine->euid != theirs->uid && mine->uid != theirs->suid &&
	    mine->uid != theirs->uid && !capable(CAP_KILL) &&
	    !(sig == SIGCONT && p->session == current->process->session))
		ret = -EPERM;
	spin_unlock(&p->siglock);
	return ret;
}
