/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stopping and continuing processes, and what parents are told about their children.
 *
 * A stop signal marks all threads (JOBCTL_STOP_PENDING); the last one to stop makes the process "stopped"
 * (group_stop_sig) and tells the parent. SIGCONT takes all of that back and wakes them; a woken thread tells the
 * parent, since the sender may hold locks. Locks: task_lock for the family and process groups, outside siglock.
 */
#include <gk/cred.h>
#include <gk/ptrace.h>
#include <gk/string.h>

#include "signal_internal.h"

static void flush_everywhere(struct process *p, u64 set)
{
	struct task *t;

	sigpending_flush(&p->shared_pending, set);
	for_each_thread(t, p)
		sigpending_flush(&t->pending, set);
}

static void continue_process(struct process *p)
{
	struct task *t;

	if (p->group_stop_sig) {
		p->notify = SIGNAL_NOTIFY_CONTINUED;
		p->continued = true;
	} else if (p->stopping_sig && p->stop_count) {
		p->notify = SIGNAL_NOTIFY_STOPPED; /* it did begin to stop: the parent hears of a stop */
	}
	p->group_stop_sig = 0;
	p->stopping_sig = 0;
	p->stop_count = 0;
	for_each_thread(t, p) {
		t->jobctl &= ~(JOBCTL_STOP_PENDING | JOBCTL_STOPPED | JOBCTL_STOP_DEQUEUED);
		if (t->ptrace)
			ptrace_continued(t);
		try_wake_up(t, TASK_STOPPED);
	}
}

void jobctl_prepare(int sig, struct process *p)
{
	if (sigset_has(SIG_STOP_SET, sig)) {
		flush_everywhere(p, sigbit(SIGCONT));
	} else if (sig == SIGCONT) {
		flush_everywhere(p, SIG_STOP_SET);
		continue_process(p);
	}
}

/* What SIGCHLD says of @p itself. Its siglock not held; its leader is there until it is reaped. */
static void child_info(struct siginfo *info, struct process *p, int code, s32 status)
{
	struct cred *cred = task_cred_get(p->leader);

	memset(info, 0, sizeof(*info));
	info->si_signo = SIGCHLD;
	info->si_code = code;
	info->chld.pid = p->pid->nr;
	info->chld.uid = cred->uid;
	info->chld.status = status;
	cred_put(cred);
}

/* task_lock held. */
static void notify_parent_jobctl(struct process *p, int code, s32 status)
{
	struct process *parent = p->parent;
	struct siginfo info;
	struct task *t;

	if (!parent)
		return;
	child_info(&info, p, code, status);
	spin_lock(&parent->siglock);
	t = any_thread(parent);
	if (t && action_handler(t, SIGCHLD) != SIG_IGN &&
	    !(READ_ONCE(t->sighand->action[SIGCHLD - 1].flags) & SA_NOCLDSTOP))
		send_signal_locked(SIGCHLD, &info, t, true, false);
	spin_unlock(&parent->siglock);
	wake_up_all(&parent->wait_child); /* even without a signal: wait4(WUNTRACED) */
}

void jobctl_notify(struct process *p)
{
	u32 what, stop_sig;

	spin_lock(&task_lock);
	spin_lock(&p->siglock);
	what = p->notify;
	p->notify = 0;
	stop_sig = p->group_stop_sig;
	spin_unlock(&p->siglock);
	if (what == SIGNAL_NOTIFY_CONTINUED)
		notify_parent_jobctl(p, CLD_CONTINUED, SIGCONT);
	else if (what == SIGNAL_NOTIFY_STOPPED)
		notify_parent_jobctl(p, CLD_STOPPED, stop_sig ? (s32)stop_sig : SIGSTOP);
	spin_unlock(&task_lock);
}

/* siglock held: one thread less to wait for. True if the process is stopped now. */
static bool stop_counted(struct process *p)
{
	if (!p->stop_count || --p->stop_count)
		return false;
	p->group_stop_sig = p->stopping_sig;
	p->stopping_sig = 0;
	p->stop_reported = false;
	p->continued = false;
	p->notify = SIGNAL_NOTIFY_STOPPED;
	return true;
}

static void stop_begin(struct process *p, int sig)
{
	struct task *t;

	p->stopping_sig = (u32)sig;
	p->stop_count = 0;
	for_each_thread(t, p) {
		if (t->exiting || (t->jobctl & JOBCTL_STOPPED))
			continue;
		t->jobctl |= JOBCTL_STOP_PENDING;
		p->stop_count++;
		if (t != current)
			signal_wake_up(t, false);
	}
}

bool do_signal_stop(int sig)
{
	struct task *t = current;
	struct process *p = t->process;
	int stop_sig;

	if (!(t->jobctl & JOBCTL_STOP_PENDING)) {
		/* SIGCONT or a kill came while siglock was not held. */
		if (!sig || !(t->jobctl & JOBCTL_STOP_DEQUEUED) || p->group_exit)
			return false;
		stop_begin(p, sig);
	}
	t->jobctl &= ~(JOBCTL_STOP_PENDING | JOBCTL_STOP_DEQUEUED);
	if (t->ptrace) { /* stops for its tracer instead */
		stop_sig = (int)p->stopping_sig;
		if (!stop_sig)
			stop_sig = (int)p->group_stop_sig;
		stop_counted(p);
		ptrace_group_stop(stop_sig ? stop_sig : SIGSTOP);
		return true;
	}
	t->jobctl |= JOBCTL_STOPPED;
	set_current_state(TASK_STOPPED);
	if (stop_counted(p)) {
		spin_unlock(&p->siglock);
		jobctl_notify(p);
		spin_lock(&p->siglock);
	}
	while ((t->jobctl & JOBCTL_STOPPED) && !sigset_has(t->pending.set, SIGKILL)) {
		set_current_state(TASK_STOPPED);
		spin_unlock(&p->siglock);
		schedule();
		spin_lock(&p->siglock);
	}
	set_current_state(TASK_RUNNING);
	t->jobctl &= ~JOBCTL_STOPPED;
	return true;
}

void signals_exit_thread(void)
{
	struct task *t = current;
	struct process *p = t->process;
	bool stopped = false;

	spin_lock(&p->siglock);
	t->exiting = true;
	if (!p->group_exit)
		retarget_shared_pending(t, ~t->blocked);
	if (t->jobctl & JOBCTL_STOP_PENDING)
		stopped = stop_counted(p);
	t->jobctl = 0;
	spin_unlock(&p->siglock);
	if (stopped)
		jobctl_notify(p);
}

static void exit_info(struct siginfo *info, struct process *p)
{
	u32 code = p->exit_code;

	if (code & 0x80)
		child_info(info, p, CLD_DUMPED, code & 0x7f);
	else if (code & 0x7f)
		child_info(info, p, CLD_KILLED, code & 0x7f);
	else
		child_info(info, p, CLD_EXITED, code >> 8 & 0xff);
}

bool notify_parent_exit(struct process *p)
{
	struct process *parent = p->parent;
	int sig = p->exit_signal;
	struct siginfo info;
	struct task *t;
	bool reap = false;
	u64 handler;

	exit_info(&info, p);
	info.si_signo = sig;
	spin_lock(&parent->siglock);
	t = any_thread(parent);
	if (t && sig == SIGCHLD) {
		handler = action_handler(t, SIGCHLD);
		reap = handler == SIG_IGN || (READ_ONCE(t->sighand->action[SIGCHLD - 1].flags) & SA_NOCLDWAIT);
		if (handler == SIG_IGN)
			sig = 0;
	}
	if (t && valid_signal(sig))
		send_signal_locked(sig, &info, t, true, false);
	spin_unlock(&parent->siglock);
	wake_up_all(&parent->wait_child);
	return reap;
}

bool pgrp_is_orphaned(struct pid *pgrp, struct process *ignored)
{
	struct process *p;

	list_for_each_entry(p, &pgrp->pgrp, pgrp_link) {
		if (p == ignored || p->zombie || !p->parent)
			continue;
		if (p->parent->pgrp != pgrp && p->parent->session == p->session)
			return false;
	}
	return true;
}

static bool has_stopped_member(struct pid *pgrp)
{
	struct process *p;

	list_for_each_entry(p, &pgrp->pgrp, pgrp_link) {
		if (READ_ONCE(p->group_stop_sig))
			return true;
	}
	return false;
}

void kill_orphaned_pgrp(struct process *p, struct process *parent)
{
	struct process *i;

	if (!parent || parent->pgrp == p->pgrp || parent->session != p->session)
		return; /* it was not what kept the group from being orphaned */
	/* It is @p itself that goes, unless it has got another parent. */
	if (!pgrp_is_orphaned(p->pgrp, p->parent == parent ? p : NULL) || !has_stopped_member(p->pgrp))
		return;
	list_for_each_entry(i, &p->pgrp->pgrp, pgrp_link) {
		send_signal_process(SIGHUP, NULL, i);
		send_signal_process(SIGCONT, NULL, i);
	}
}
