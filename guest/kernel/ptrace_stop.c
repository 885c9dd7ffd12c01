/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tracee's side of ptrace: stopping for the tracer at system calls, signals and events, and what tracers' and
 * tracees' ends mean for each other. The requests are in ptrace.c.
 *
 * A stop: under siglock the tracee fills in its ptrace_state and becomes TASK_TRACED, tells the tracer (task_lock, no
 * siglock), and sleeps until stopped is false, it is detached (no ptrace_state), or killed. Locks: task_lock, then
 * siglock.
 */
#include <gk/errno.h>
#include <gk/fork.h>
#include <gk/slab.h>
#include <gk/string.h>

#include "ptrace_internal.h"
#include "signal_internal.h"

#define TRAP_SYSCALL 0x80

/* task_lock held: SIGCHLD to the tracer, and its waiters woken. */
static void tell_tracer(const struct ptrace_state *ps, struct task *t, s32 why, s32 status)
{
	struct process *tracer = ps->tracer;
	struct siginfo info;
	struct task *to;

	memset(&info, 0, sizeof(info));
	info.si_signo = SIGCHLD;
	info.si_code = why;
	info.chld.pid = ps->tid;
	info.chld.uid = t->cred->uid;
	info.chld.status = status;
	spin_lock(&tracer->siglock);
	to = any_thread(tracer);
	if (to && action_handler(to, SIGCHLD) != SIG_IGN &&
	    !(READ_ONCE(to->sighand->action[SIGCHLD - 1].flags) & SA_NOCLDSTOP))
		send_signal_locked(SIGCHLD, &info, to, true, false);
	spin_unlock(&tracer->siglock);
	wake_up_all(&tracer->wait_child);
}

static void notify_stop(struct task *t)
{
	struct ptrace_state *ps;

	spin_lock(&task_lock);
	ps = t->ptrace;
	if (ps)
		tell_tracer(ps, t, ps->stop_why, ps->stop_code & 0x7f);
	spin_unlock(&task_lock);
}

static bool must_stay(const struct task *t)
{
	return t->ptrace && t->ptrace->stopped && !sigset_has(t->pending.set, SIGKILL);
}

/*
 * siglock held, dropped and taken again. Stops current with @code; @info (or NULL) may be changed by the tracer. The
 * signal the tracer lets it go with, or 0.
 */
static int stop(u32 code, s32 why, struct siginfo *info)
{
	struct task *t = current;
	struct process *p = t->process;
	struct ptrace_state *ps = t->ptrace;

	if (!ps || sigset_has(t->pending.set, SIGKILL))
		return 0;
	if (ps->stepping) {
		task_pt_regs(t)->eflags &= ~(u64)EFLAGS_TF;
		ps->stepping = false;
	}
	ps->stop_code = code;
	ps->stop_why = why;
	ps->reported = false;
	ps->info = info;
	ps->stopped = true;
	t->ptrace_sig = 0;
	set_current_state(TASK_TRACED);
	spin_unlock(&p->siglock);
	notify_stop(t);
	spin_lock(&p->siglock);
	while (must_stay(t)) {
		set_current_state(TASK_TRACED);
		spin_unlock(&p->siglock);
		schedule();
		spin_lock(&p->siglock);
	}
	set_current_state(TASK_RUNNING);
	t->jobctl &= ~JOBCTL_LISTENING;
	recalc_signal_work(t); /* what was sent to the process in the meantime passed us by */
	ps = t->ptrace;
	if (ps) {
		ps->stopped = false;
		ps->info = NULL;
		ps->syscall_stop = SYSCALL_STOP_NONE;
	}
	return t->ptrace_sig;
}

static void own_info(struct siginfo *info, int sig, int code)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	info->si_code = code;
	info->rt.pid = task_tgid_nr(current);
	info->rt.uid = current->cred->uid;
}

/* ---- signals ---- */

int ptrace_signal(int sig, struct siginfo *info)
{
	int new = stop((u32)sig, CLD_TRAPPED, info);

	if (!current->ptrace && !new)
		return 0;
	if (new != sig &&new) {
		own_info(info, new, SI_USER);
		if (current->ptrace) {
			info->rt.pid = current->ptrace->tracer->pid->nr;
			info->rt.uid = 0;
		}
	}
	/* It may be blocked: then it waits like any other. */
	if (new &&sigset_has(current->blocked, new)) {
		send_signal_locked(new, info, current, false, false);
		return 0;
	}
	return new;
}

void ptrace_group_stop(int sig)
{
	struct task *t = current;
	u32 code = sig ? (u32)sig : SIGTRAP;

	t->jobctl &= ~(JOBCTL_TRAP_STOP | JOBCTL_TRAP_NOTIFY);
	if (t->ptrace && t->ptrace->seized)
		stop(code | PTRACE_EVENT_STOP << 8, CLD_STOPPED, NULL);
	else
		stop(code, CLD_STOPPED, NULL);
}

void ptrace_end_listening(struct task *t)
{
	t->jobctl &= ~JOBCTL_LISTENING;
	if (t->ptrace)
		t->ptrace->stopped = false;
	try_wake_up(t, TASK_TRACED);
}

void ptrace_continued(struct task *t)
{
	if (!t->ptrace->seized)
		return;
	t->jobctl |= JOBCTL_TRAP_NOTIFY;
	signal_wake_up(t, false);
	if (t->jobctl & JOBCTL_LISTENING)
		ptrace_end_listening(t);
}

/* ---- system calls ---- */

/* Stops; what the tracer sends along is a signal of the program's own. */
static void stop_and_send(u32 code, s32 why, struct siginfo *info)
{
	struct process *p = current->process;
	struct siginfo sent;
	int sig;

	spin_lock(&p->siglock);
	sig = stop(code, why, info);
	if (sig) {
		own_info(&sent, sig, SI_USER);
		send_signal_locked(sig, &sent, current, false, false);
	}
	spin_unlock(&p->siglock);
}

static void syscall_stop(enum ptrace_syscall_stop which)
{
	struct process *p = current->process;
	struct siginfo info;
	struct ptrace_state *ps;
	u32 code = SIGTRAP;

	own_info(&info, SIGTRAP, SIGTRAP);
	spin_lock(&p->siglock);
	ps = current->ptrace;
	if (ps) {
		ps->syscall_stop = which;
		if (ps->options & PTRACE_O_TRACESYSGOOD) {
			code |= TRAP_SYSCALL;
			info.si_code = SIGTRAP | TRAP_SYSCALL;
		}
		ps->message = (u64)which;
	}
	spin_unlock(&p->siglock);
	if (ps)
		stop_and_send(code, CLD_TRAPPED, &info);
}

bool ptrace_syscall_enter(struct pt_regs *regs)
{
	struct process *p = current->process;
	bool emulate;

	syscall_stop(SYSCALL_STOP_ENTRY);
	if (fatal_signal_pending())
		return false;
	spin_lock(&p->siglock);
	emulate = current->ptrace && current->ptrace->mode == PTRACE_RUN_SYSEMU;
	spin_unlock(&p->siglock);
	return !emulate && (s32)regs->orig_rax != -1;
}

void ptrace_syscall_exit(struct pt_regs *regs)
{
	struct process *p = current->process;
	bool emulate;

	spin_lock(&p->siglock);
	emulate = current->ptrace && current->ptrace->mode == PTRACE_RUN_SYSEMU;
	spin_unlock(&p->siglock);
	if (!emulate)
		syscall_stop(SYSCALL_STOP_EXIT);
}

/* ---- events ---- */

bool ptrace_event_wanted(u32 event)
{
	const struct ptrace_state *ps = READ_ONCE(current->ptrace);

	return ps && (READ_ONCE(ps->options) >> event & 1);
}

static void event_stop(u32 event, u64 message, enum ptrace_syscall_stop which, u32 data)
{
	struct process *p = current->process;
	struct siginfo info;

	own_info(&info, SIGTRAP, (int)(SIGTRAP | event << 8));
	spin_lock(&p->siglock);
	if (current->ptrace) {
		current->ptrace->message = message;
		current->ptrace->syscall_stop = which;
		current->ptrace->seccomp_data = data;
	}
	spin_unlock(&p->siglock);
	stop_and_send(SIGTRAP | event << 8, CLD_TRAPPED, &info);
}

void ptrace_event(u32 event, u64 message)
{
	if (likely(!current->ptrace))
		return;
	if (ptrace_event_wanted(event))
		event_stop(event, message, SYSCALL_STOP_NONE, 0);
}

bool ptrace_seccomp(u32 data)
{
	if (!ptrace_event_wanted(PTRACE_EVENT_SECCOMP))
		return false;
	event_stop(PTRACE_EVENT_SECCOMP, data, SYSCALL_STOP_SECCOMP, data);
	return true;
}

u32 ptrace_clone_event(u64 clone_flags, int exit_signal)
{
	if (clone_flags & CLONE_VFORK)
		return PTRACE_EVENT_VFORK;
	return exit_signal == SIGCHLD ? PTRACE_EVENT_FORK : PTRACE_EVENT_CLONE;
}

void ptrace_exec(s32 old_tid)
{
	struct ptrace_state *ps = current->ptrace;
	struct siginfo info;

	if (likely(!ps))
		return;
	if (ptrace_event_wanted(PTRACE_EVENT_EXEC)) {
		event_stop(PTRACE_EVENT_EXEC, (u64)old_tid, SYSCALL_STOP_NONE, 0);
	} else if (!ps->seized) {
		own_info(&info, SIGTRAP, SI_USER);
		send_signal_task(SIGTRAP, &info, current);
	}
}

/* ---- coming and going ---- */

/* task_lock held: new state of @t, linked to @tracer; @t's siglock taken inside. */
static void link_tracee(struct ptrace_state *ps, struct task *t, struct process *tracer)
{
	ps->task = task_get(t);
	ps->tid = task_pid_nr(t);
	ps->tracer = tracer;
	ps->next = tracer->ptraced;
	tracer->ptraced = ps;
	spin_lock(&t->process->siglock);
	t->ptrace = ps;
	spin_unlock(&t->process->siglock);
}

static void unlink_tracee(struct ptrace_state *ps)
{
	struct ptrace_state **link = &ps->tracer->ptraced;

	while (*link != ps)
		link = &(*link)->next;
	*link = ps->next;
}

int ptrace_attach_task(struct task *t, struct process *tracer, bool seize, u32 options)
{
	struct ptrace_state *ps = kzalloc(sizeof(*ps));
	int err = -EPERM;

	if (!ps)
		return -ENOMEM;
	ps->seized = seize;
	ps->options = options;
	spin_lock(&task_lock);
	if (!t->ptrace && !t->exiting && t->mm) {
		link_tracee(ps, t, tracer);
		err = 0;
	}
	spin_unlock(&task_lock);
	if (err)
		kfree(ps);
	return err;
}

/* task_lock held: @ps is nobody's any more; the caller frees it. */
static void detach_locked(struct ptrace_state *ps, int sig)
{
	struct task *t = ps->task;
	struct process *p = t->process;

	unlink_tracee(ps);
	if (ps->dead)
		return;
	spin_lock(&p->siglock);
	t->ptrace = NULL;
	t->ptrace_sig = sig;
	if (ps->stepping)
		task_pt_regs(t)->eflags &= ~(u64)EFLAGS_TF;
	atomic_and(&t->work, ~(u64)WORK_TRACE_SYSCALL);
	t->jobctl &= ~(JOBCTL_TRAP_STOP | JOBCTL_TRAP_NOTIFY | JOBCTL_LISTENING);
	if (p->group_stop_sig && !t->exiting) {
		t->jobctl |= JOBCTL_STOP_PENDING; /* it joins the others, who have stopped long ago */
		signal_wake_up(t, false);
	}
	try_wake_up(t, TASK_TRACED);
	spin_unlock(&p->siglock);
}

static void state_free(struct ptrace_state *ps)
{
	task_put(ps->task);
	kfree(ps);
}

void ptrace_detach_task(struct task *t, int sig)
{
	struct ptrace_state *ps;

	spin_lock(&task_lock);
	ps = t->ptrace;
	if (ps)
		detach_locked(ps, sig);
	spin_unlock(&task_lock);
	if (ps)
		state_free(ps);
}

void ptrace_new_task(struct task *child)
{
	struct ptrace_state *mine = current->ptrace, *ps;
	bool seized;

	if (likely(!mine))
		return;
	ps = kzalloc(sizeof(*ps));
	if (!ps)
		return;
	spin_lock(&task_lock);
	mine = current->ptrace;
	if (!mine) {
		spin_unlock(&task_lock);
		kfree(ps);
		return;
	}
	seized = ps->seized = mine->seized;
	ps->options = mine->options;
	link_tracee(ps, child, mine->tracer);
	spin_unlock(&task_lock);
	spin_lock(&child->process->siglock);
	if (seized) {
		child->jobctl |= JOBCTL_TRAP_STOP;
	} else {
		child->pending.set |= sigbit(SIGSTOP); /* it begins with a stop that the tracer sees */
	}
	atomic_or(&child->work, WORK_SIGNAL);
	spin_unlock(&child->process->siglock);
}

void ptrace_exit_tracer(void)
{
	struct process *p = current->process;
	struct ptrace_state *ps;

	while (READ_ONCE(p->ptraced)) {
		spin_lock(&task_lock);
		ps = p->ptraced;
		if (ps)
			detach_locked(ps, 0);
		spin_unlock(&task_lock);
		if (!ps)
			break;
		if (!ps->dead && (ps->options & PTRACE_O_EXITKILL))
			send_signal_task(SIGKILL, NULL, ps->task);
		state_free(ps);
	}
}

void ptrace_replace_leader(struct task *old)
{
	struct ptrace_state *ps = old->ptrace;

	if (ps) { /* nobody will hear of its end */
		old->ptrace = NULL;
		unlink_tracee(ps);
		state_free(ps);
	}
	if (current->ptrace)
		current->ptrace->tid = task_pid_nr(current);
}

void ptrace_exit_tracee(struct task *t, u32 status)
{
	struct ptrace_state *ps = t->ptrace;
	struct process *p = t->process;
	bool parent_tells;

	if (likely(!ps))
		return;
	parent_tells = t == p->leader && ps->tracer == p->parent;
	spin_lock(&p->siglock);
	t->ptrace = NULL;
	spin_unlock(&p->siglock);
	if (parent_tells) {
		unlink_tracee(ps);
		state_free(ps); /* not the last reference: the caller has one */
		return;
	}
	ps->dead = true;
	ps->exit_status = status;
	ps->reported = false;
	tell_tracer(ps, t, status & 0x7f ? CLD_KILLED : CLD_EXITED, (s32)(status & 0x7f ? status & 0x7f : status >> 8));
}

/* ---- wait ---- */

static bool stop_to_report(struct ptrace_state *ps, bool keep, struct ptrace_report *r)
{
	struct process *p = ps->task->process;
	bool found;

	spin_lock(&p->siglock);
	found = ps->stopped && !ps->reported;
	if (found) {
		r->status = ps->stop_code << 8 | 0x7f;
		r->code = ps->stop_why;
		ps->reported = !keep;
	}
	spin_unlock(&p->siglock);
	return found;
}

static bool death_to_report(struct ptrace_state *ps, struct ptrace_report *r)
{
	u32 s = ps->exit_status;

	r->status = s;
	r->code = s & 0x80 ? CLD_DUMPED : s & 0x7f ? CLD_KILLED : CLD_EXITED;
	return true;
}

int ptrace_wait(bool (*wants)(void *arg, s32 tid, struct pid *pgrp), void *arg, bool keep, bool exits,
		struct ptrace_report *r)
{
	struct ptrace_state *ps;
	int ret = -ECHILD;

	for (ps = current->process->ptraced; ps; ps = ps->next) {
		if (!wants(arg, ps->tid, ps->dead ? NULL : ps->task->process->pgrp))
			continue;
		ret = 0;
		if (ps->dead ? exits && death_to_report(ps, r) : stop_to_report(ps, keep, r)) {
			r->tid = ps->tid;
			r->uid = ps->task->cred->uid;
			if (ps->dead && !keep) {
				unlink_tracee(ps);
				state_free(ps);
			}
			return 1;
		}
	}
	return ret;
}

bool ptrace_is_ours(const struct task *t)
{
	return t->ptrace && t->ptrace->tracer == current->process;
}

s32 ptrace_tracer_nr(struct task *t)
{
	s32 nr;

	spin_lock(&task_lock);
	nr = t->ptrace ? t->ptrace->tracer->pid->nr : 0;
	spin_unlock(&task_lock);
	return nr;
}
