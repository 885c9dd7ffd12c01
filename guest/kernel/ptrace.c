/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ptrace(2): the tracer's requests. Tracing belongs to processes here: any thread of the tracing process may make them.
 *
 * Nearly all requests need the tracee stopped; then it is off its CPU, and its registers and memory are the tracer's
 * until it lets it go or somebody kills it. The tracee's side is in ptrace_stop.c, registers in ptrace_regs.c.
 */
#include <gk/cred.h>
#include <gk/direct.h>
#include <gk/errno.h>
#include <gk/mm.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/uaccess.h>

#include "ptrace_internal.h"
#include "signal_internal.h"

#define PTRACE_TRACEME 0
#define PTRACE_PEEKTEXT 1
#define PTRACE_PEEKDATA 2
#define PTRACE_PEEKUSR 3
#define PTRACE_POKETEXT 4
#define PTRACE_POKEDATA 5
#define PTRACE_POKEUSR 6
#define PTRACE_CONT 7
#define PTRACE_KILL 8
#define PTRACE_SINGLESTEP 9
#define PTRACE_GETREGS 12
#define PTRACE_SETREGS 13
#define PTRACE_GETFPREGS 14
#define PTRACE_SETFPREGS 15
#define PTRACE_ATTACH 16
#define PTRACE_DETACH 17
#define PTRACE_SYSCALL 24
#define PTRACE_SYSEMU 31
#define PTRACE_SETOPTIONS 0x4200
#define PTRACE_GETEVENTMSG 0x4201
#define PTRACE_GETSIGINFO 0x4202
#define PTRACE_SETSIGINFO 0x4203
#define PTRACE_GETREGSET 0x4204
#define PTRACE_SETREGSET 0x4205
#define PTRACE_SEIZE 0x4206
#define PTRACE_INTERRUPT 0x4207
#define PTRACE_LISTEN 0x4208
#define PTRACE_PEEKSIGINFO 0x4209
#define PTRACE_GETSIGMASK 0x420a
#define PTRACE_SETSIGMASK 0x420b
#define PTRACE_GET_SYSCALL_INFO 0x420e

int ptrace_may_access(struct task *t)
{
	const struct cred *mine = current->cred;
	struct cred *c;
	bool same;

	if (t->process == current->process || capable(CAP_SYS_PTRACE))
		return 0;
	c = task_cred_get(t);
	same = mine->uid == c->uid && mine->uid == c->euid && mine->uid == c->suid && mine->gid == c->gid &&
	       mine->gid == c->egid && mine->gid == c->sgid && !(c->cap_permitted & ~mine->cap_permitted) &&
	       t->process->dumpable == 1;
	cred_put(c);
	return same ? 0 : -EPERM;
}

/* ---- attaching ---- */

/* @t's memory, usable until mm_put_user(); NULL: it has none any more. */
static struct mm *mm_of(struct task *t)
{
	struct mm *mm;

	spin_lock(&task_lock);
	mm = t->mm;
	if (mm)
		refcount_inc(&mm->users);
	spin_unlock(&task_lock);
	return mm;
}

/* A tracer sees and steps through the instructions of the file, not our patched ones: system calls of a tracee trap. */
static void use_original_text(struct task *t)
{
	struct mm *mm = mm_of(t);

	if (mm) {
		direct_mm_disable(mm);
		mm_put_user(mm);
	}
}

static long attach(struct task *t, bool seize, u64 addr, u64 options)
{
	struct process *p = t->process;
	struct siginfo info = {.si_signo = SIGSTOP, .si_code = SI_KERNEL};
	int err;

	if (seize && (addr || (options & ~(u64)PTRACE_O_MASK)))
		return -EIO;
	if (!t->mm || p == current->process)
		return -EPERM;
	err = ptrace_may_access(t);
	if (!err)
		err = ptrace_attach_task(t, current->process, seize, seize ? (u32)options : 0);
	if (err)
		return err;
	use_original_text(t);
	if (!seize)
		send_signal_task(SIGSTOP, &info, t);
	/* One that job control has stopped comes to us for its next stop. */
	spin_lock(&p->siglock);
	if (t->jobctl & JOBCTL_STOPPED) {
		t->jobctl &= ~JOBCTL_STOPPED;
		t->jobctl |= JOBCTL_TRAP_STOP;
		set_task_work(t, WORK_SIGNAL);
		try_wake_up(t, TASK_STOPPED);
	}
	spin_unlock(&p->siglock);
	return 0;
}

static long traceme(void)
{
	struct process *parent;
	int err;

	spin_lock(&task_lock);
	parent = process_get(current->process->parent ? current->process->parent : init_process);
	spin_unlock(&task_lock);
	err = ptrace_attach_task(current, parent, false, 0);
	process_put(parent);
	if (!err)
		use_original_text(current);
	return err;
}

/* SEIZEd tracees can be stopped without a signal. */
static long interrupt(struct task *t)
{
	struct process *p = t->process;
	long ret = -EIO;

	spin_lock(&p->siglock);
	if (t->ptrace && t->ptrace->seized) {
		t->jobctl |= JOBCTL_TRAP_STOP;
		signal_wake_up(t, false);
		ret = 0;
	}
	spin_unlock(&p->siglock);
	return ret;
}

/* ---- letting go ---- */

/* siglock held. How the tracee goes on. */
static void set_mode(struct task *t, struct ptrace_state *ps, u64 request)
{
	ps->mode = request == PTRACE_SYSCALL  ? PTRACE_RUN_SYSCALL
		   : request == PTRACE_SYSEMU ? PTRACE_RUN_SYSEMU
					      : PTRACE_RUN;
	if (ps->mode == PTRACE_RUN)
		atomic_and(&t->work, ~(u64)WORK_TRACE_SYSCALL);
	else
		atomic_or(&t->work, WORK_TRACE_SYSCALL);
	ps->stepping = request == PTRACE_SINGLESTEP;
	if (ps->stepping)
		task_pt_regs(t)->eflags |= EFLAGS_TF;
}

static long resume(struct task *t, u64 request, u64 sig)
{
	struct process *p = t->process;
	struct ptrace_state *ps;

	if (sig > NSIG)
		return -EIO;
	spin_lock(&p->siglock);
	ps = t->ptrace;
	if (ps && ps->stopped) {
		set_mode(t, ps, request);
		t->ptrace_sig = (int)sig;
		ps->stopped = false;
		try_wake_up(t, TASK_TRACED);
	}
	spin_unlock(&p->siglock);
	return 0;
}

/* A group stop that the tracer accepts: it stays until SIGCONT, which is another stop. */
static long listen(struct task *t)
{
	struct process *p = t->process;
	struct ptrace_state *ps;
	long ret = -EIO;

	spin_lock(&p->siglock);
	ps = t->ptrace;
	if (ps && ps->seized && ps->stopped && ps->stop_code >> 8 == PTRACE_EVENT_STOP) {
		t->jobctl |= JOBCTL_LISTENING;
		if (t->jobctl & JOBCTL_TRAP_NOTIFY) /* SIGCONT was faster */
			ptrace_end_listening(t);
		ret = 0;
	}
	spin_unlock(&p->siglock);
	return ret;
}

/* ---- memory and signals of a stopped tracee ---- */

static long access_word(struct task *t, u64 addr, u64 *word, bool write)
{
	struct mm *mm = mm_of(t);
	ssize_t n;

	if (!mm)
		return -ESRCH;
	n = access_process_vm(mm, addr, word, sizeof(*word), write, true);
	mm_put_user(mm);
	return n == (ssize_t)sizeof(*word) ? 0 : -EIO;
}

static long peek(struct task *t, u64 addr, u64 udata)
{
	u64 word;
	long err = access_word(t, addr, &word, false);

	return err ? err : put_user(word, (u64 __user *)udata);
}

static long get_siginfo(struct task *t, u64 udata)
{
	struct process *p = t->process;
	struct siginfo info;
	bool have;

	spin_lock(&p->siglock);
	have = t->ptrace && t->ptrace->info;
	if (have)
		info = *t->ptrace->info;
	spin_unlock(&p->siglock);
	return have ? copy_to_user((void __user *)udata, &info, sizeof(info)) : -EINVAL;
}

static long set_siginfo(struct task *t, u64 udata)
{
	struct process *p = t->process;
	struct siginfo info;
	bool have;

	if (copy_from_user(&info, (const void __user *)udata, sizeof(info)))
		return -EFAULT;
	spin_lock(&p->siglock);
	have = t->ptrace && t->ptrace->stopped && t->ptrace->info;
	if (have)
		*t->ptrace->info = info;
	spin_unlock(&p->siglock);
	return have ? 0 : -EINVAL;
}

struct peeksiginfo_args {
	u64 off;
	u32 flags;
	s32 nr;
};

/* The queue entry number @off, or false. */
static bool peek_queue(struct task *t, u64 off, bool shared, struct siginfo *info)
{
	struct process *p = t->process;
	struct sigqueue *q;
	bool found = false;

	spin_lock(&p->siglock);
	list_for_each_entry(q, &(shared ? &p->shared_pending : &t->pending)->list, link) {
		if (!off--) {
			*info = q->info;
			found = true;
			break;
		}
	}
	spin_unlock(&p->siglock);
	return found;
}

static long peek_siginfo(struct task *t, u64 uargs, u64 udata)
{
	struct peeksiginfo_args a;
	struct siginfo info;
	s32 i;

	if (copy_from_user(&a, (const void __user *)uargs, sizeof(a)))
		return -EFAULT;
	if (a.flags & ~1u || a.nr < 0)
		return -EINVAL;
	for (i = 0; i < a.nr; i++) {
		if (a.off + (u32)i < a.off || !peek_queue(t, a.off + (u32)i, a.flags & 1, &info))
			break;
		if (copy_to_user((struct siginfo __user *)udata + i, &info, sizeof(info)))
			return i ? i : -EFAULT;
		if (signal_pending())
			break;
	}
	return i;
}

static long sigmask(struct task *t, u64 size, u64 udata, bool set)
{
	struct process *p = t->process;
	u64 mask;

	if (size != sizeof(mask))
		return -EINVAL;
	if (!set)
		return put_user(t->blocked, (u64 __user *)udata);
	if (copy_from_user(&mask, (const void __user *)udata, sizeof(mask)))
		return -EFAULT;
	spin_lock(&p->siglock);
	t->blocked = mask & ~SIG_KERNEL_ONLY;
	recalc_signal_work(t);
	spin_unlock(&p->siglock);
	return 0;
}

static long set_options(struct task *t, u64 options)
{
	struct process *p = t->process;

	if (options & ~(u64)PTRACE_O_MASK)
		return -EINVAL;
	spin_lock(&p->siglock);
	if (t->ptrace)
		t->ptrace->options = (u32)options;
	spin_unlock(&p->siglock);
	return 0;
}

static long get_message(struct task *t, u64 udata)
{
	struct process *p = t->process;
	u64 message = 0;

	spin_lock(&p->siglock);
	if (t->ptrace)
		message = t->ptrace->message;
	spin_unlock(&p->siglock);
	return put_user(message, (u64 __user *)udata);
}

static long syscall_info(struct task *t, u64 size, u64 udata)
{
	struct process *p = t->process;
	struct ptrace_state ps;
	bool have;

	spin_lock(&p->siglock);
	have = t->ptrace;
	if (have)
		ps = *t->ptrace;
	spin_unlock(&p->siglock);
	return have ? ptrace_syscall_info(t, &ps, size, udata) : -ESRCH;
}

/* ---- dispatch ---- */

/* Is @t ours, and (with @stopped) in a stop and off its CPU? */
static int check_tracee(struct task *t, bool stopped)
{
	struct process *p = t->process;
	bool ours;

	spin_lock(&task_lock);
	ours = t->ptrace && t->ptrace->tracer == current->process;
	if (ours && stopped) {
		spin_lock(&p->siglock);
		ours = t->ptrace->stopped && !(t->jobctl & JOBCTL_LISTENING) && !sigset_has(t->pending.set, SIGKILL);
		spin_unlock(&p->siglock);
	}
	spin_unlock(&task_lock);
	if (!ours)
		return -ESRCH;
	/* It has said that it stops, but may still be about to leave its vCPU. */
	while (stopped && READ_ONCE(t->on_cpu)) {
		if (READ_ONCE(t->state) != TASK_TRACED && fatal_signal_pending())
			return -ESRCH;
		sched_yield_cpu();
	}
	return 0;
}

static long request_stopped(struct task *t, u64 request, u64 addr, u64 data)
{
	u64 word = data;

	switch (request) {
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
		return peek(t, addr, data);
	case PTRACE_POKETEXT:
	case PTRACE_POKEDATA:
		return access_word(t, addr, &word, true);
	case PTRACE_PEEKUSR:
		return ptrace_peek_user(t, addr, data);
	case PTRACE_POKEUSR:
		return ptrace_poke_user(t, addr, data);
	case PTRACE_GETREGS:
		return ptrace_get_regs(t, data);
	case PTRACE_SETREGS:
		return ptrace_set_regs(t, data);
	case PTRACE_GETFPREGS:
		return ptrace_get_fpregs(t, data);
	case PTRACE_SETFPREGS:
		return ptrace_set_fpregs(t, data);
	case PTRACE_GETREGSET:
		return ptrace_regset(t, addr, data, false);
	case PTRACE_SETREGSET:
		return ptrace_regset(t, addr, data, true);
	case PTRACE_SETOPTIONS:
		return set_options(t, data);
	case PTRACE_GETEVENTMSG:
		return get_message(t, data);
	case PTRACE_GETSIGINFO:
		return get_siginfo(t, data);
	case PTRACE_SETSIGINFO:
		return set_siginfo(t, data);
	case PTRACE_PEEKSIGINFO:
		return peek_siginfo(t, addr, data);
	case PTRACE_GETSIGMASK:
		return sigmask(t, addr, data, false);
	case PTRACE_SETSIGMASK:
		return sigmask(t, addr, data, true);
	case PTRACE_GET_SYSCALL_INFO:
		return syscall_info(t, addr, data);
	case PTRACE_LISTEN:
		return listen(t);
	case PTRACE_CONT:
	case PTRACE_SYSCALL:
	case PTRACE_SYSEMU:
	case PTRACE_SINGLESTEP:
		return resume(t, request, data);
	case PTRACE_DETACH:
		if (data > NSIG)
			return -EIO;
		ptrace_detach_task(t, (int)data);
		return 0;
	default:
		return -EIO;
	}
}

static long request_any(struct task *t, u64 request, u64 addr, u64 data)
{
	int err;

	switch (request) {
	case PTRACE_ATTACH:
		return attach(t, false, 0, 0);
	case PTRACE_SEIZE:
		return attach(t, true, addr, data);
	}
	err = check_tracee(t, request != PTRACE_INTERRUPT && request != PTRACE_KILL);
	if (err)
		return err;
	if (request == PTRACE_INTERRUPT)
		return interrupt(t);
	if (request == PTRACE_KILL)
		return send_signal_task(SIGKILL, NULL, t);
	return request_stopped(t, request, addr, data);
}

SYSCALL4(ptrace, u64, request, s32, pid, u64, addr, u64, data)
{
	struct task *t;
	long ret;

	if (request == PTRACE_TRACEME)
		return traceme();
	t = find_get_task(pid);
	if (!t)
		return -ESRCH;
	ret = request_any(t, request, addr, data);
	task_put(t);
	return ret;
}
