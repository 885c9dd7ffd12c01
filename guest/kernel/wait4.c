/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wait4, waitid: looks through the children under task_lock for one that has something to tell, else sleeps on the
 * process's wait_child queue, which every change of a child wakes.
 */
#include <gk/acct.h>
#include <gk/errno.h>
#include <gk/fork.h>
#include <gk/fs.h>
#include <gk/ptrace.h>
#include <gk/signal.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/uaccess.h>

#define WNOHANG 0x1u
#define WUNTRACED 0x2u
#define WSTOPPED WUNTRACED
#define WEXITED 0x4u
#define WCONTINUED 0x8u
#define WNOWAIT 0x01000000u
#define WNOTHREAD_ 0x20000000u
#define WALL_ 0x40000000u
#define WCLONE_ 0x80000000u

#define P_ALL 0
#define P_PID 1
#define P_PGID 2
#define P_PIDFD 3

struct wait_request {
	u32 options;
	s32 pid;	  /* > 0: this process; 0: any */
	struct pid *pgrp; /* or: of this group */
	/* results */
	s32 child;
	u32 status; /* as wait4 reports it */
	s32 code;   /* CLD_* */
	u32 uid;
	struct linux_rusage ru;
};

static bool eligible(const struct wait_request *w, const struct process *p)
{
	bool is_clone = p->exit_signal != SIGCHLD;

	if (w->pid && p->pid->nr != w->pid)
		return false;
	if (w->pgrp && p->pgrp != w->pgrp)
		return false;
	return (w->options & WALL_) || is_clone == !!(w->options & WCLONE_);
}

/* For ptrace_wait(): tracees are eligible whatever they are clones of. */
static bool wants_tracee(void *arg, s32 tid, struct pid *pgrp)
{
	const struct wait_request *w = arg;

	return (!w->pid || w->pid == tid) && (!w->pgrp || w->pgrp == pgrp);
}

/* task_lock held. What current's process traces; like look(). */
static int look_at_tracees(struct wait_request *w)
{
	struct ptrace_report r;
	int ret = ptrace_wait(wants_tracee, w, w->options & WNOWAIT, w->options & WEXITED, &r);

	if (ret > 0) {
		w->child = r.tid;
		w->status = r.status;
		w->code = r.code;
		w->uid = r.uid;
		memset(&w->ru, 0, sizeof(w->ru));
	}
	return ret;
}

/* task_lock held */
static void report(struct wait_request *w, struct process *p, u32 status, s32 code)
{
	struct cred *cred = p->leader->cred;

	w->child = p->pid->nr;
	w->status = status;
	w->code = code;
	w->uid = cred->uid;
	rusage_of_process(p, &w->ru);
}

static s32 exit_reason(u32 status)
{
	if (status & 0x80)
		return CLD_DUMPED;
	return status & 0x7f ? CLD_KILLED : CLD_EXITED;
}

/* task_lock held. Has @p stopped or continued since that was last reported? */
static bool check_jobctl(struct wait_request *w, struct process *p)
{
	bool keep = w->options & WNOWAIT, found = false;

	spin_lock(&p->siglock);
	if ((w->options & WSTOPPED) && p->group_stop_sig && !p->stop_reported) {
		p->stop_reported = !keep;
		report(w, p, p->group_stop_sig << 8 | 0x7f, CLD_STOPPED);
		found = true;
	} else if ((w->options & WCONTINUED) && p->continued) {
		p->continued = keep;
		report(w, p, 0xffff, CLD_CONTINUED);
		found = true;
	}
	spin_unlock(&p->siglock);
	return found;
}

/*
 * One look at all children. 1: *w is filled (*reaped: to be released after unlocking), 0: some may report later,
 * -ECHILD: none can.
 */
static int look(struct wait_request *w, struct process **reaped)
{
	struct process *me = current->process, *p;
	int ret = -ECHILD;

	*reaped = NULL;
	spin_lock(&task_lock);
	list_for_each_entry(p, &me->children, sibling) {
		if (!eligible(w, p))
			continue;
		if (p->zombie) {
			if (!(w->options & WEXITED)) {
				continue;
			}
			report(w, p, p->exit_code, exit_reason(p->exit_code));
			if (!(w->options & WNOWAIT)) {
				account_reap(me, p); /* only children that were waited for count */
				process_unlink(p);
				*reaped = p;
			}
			ret = 1;
			break;
		}
		ret = 0;
		/* One that we trace tells of its stops itself. */
		if (!ptrace_is_ours(p->leader) && check_jobctl(w, p)) {
			ret = 1;
			break;
		}
	}
	if (ret <= 0 && me->ptraced)
		ret = MAX(ret, look_at_tracees(w));
	spin_unlock(&task_lock);
	return ret;
}

/* 1: *w has a child; 0: none with WNOHANG; or -ECHILD, -ERESTARTSYS. */
static int do_wait(struct wait_request *w)
{
	struct wait_queue *q = &current->process->wait_child;
	struct process *reaped;
	struct wait_entry we;
	int ret;

	wait_entry_init(&we, current);
	for (;;) {
		prepare_to_wait(q, &we, TASK_INTERRUPTIBLE);
		ret = look(w, &reaped);
		if (ret || (w->options & WNOHANG))
			break;
		if (signal_pending()) {
			ret = -ERESTARTSYS;
			break;
		}
		schedule();
	}
	finish_wait(q, &we);
	if (reaped)
		process_release(reaped);
	return ret;
}

/* The group a request means: -1 of pid 0 is our own. */
static struct pid *own_group(void)
{
	struct pid *pid;

	spin_lock(&task_lock);
	pid = pid_get(current->process->pgrp);
	spin_unlock(&task_lock);
	return pid;
}

SYSCALL4(wait4, s32, pid, s32 __user *, status, u32, options, struct linux_rusage __user *, ru)
{
	struct wait_request w = {.options = options | WEXITED};
	int ret;

	if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | WNOTHREAD_ | WCLONE_ | WALL_))
		return -EINVAL;
	if (pid == INT32_MIN)
		return -ESRCH;
	if (pid > 0) {
		w.pid = pid;
	} else if (pid == 0) {
		w.pgrp = own_group();
	} else if (pid < -1) {
		w.pgrp = find_get_pid(-pid);
		if (!w.pgrp)
			return -ECHILD;
	}
	ret = do_wait(&w);
	pid_put(w.pgrp);
	if (ret <= 0)
		return ret;
	if (status && put_user((s32)w.status, status))
		return -EFAULT;
	if (ru && copy_to_user(ru, &w.ru, sizeof(w.ru)))
		return -EFAULT;
	return w.child;
}

static s32 info_status(const struct wait_request *w)
{
	switch (w->code) {
	case CLD_EXITED:
		return (s32)(w->status >> 8 & 0xff);
	case CLD_STOPPED:
		return (s32)(w->status >> 8 & 0xff);
	case CLD_TRAPPED:
		return (s32)(w->status >> 8);
	case CLD_CONTINUED:
		return SIGCONT;
	default:
		return (s32)(w->status & 0x7f);
	}
}

static int put_info(const struct wait_request *w, int found, struct siginfo __user *uinfo)
{
	struct siginfo info;

	memset(&info, 0, sizeof(info));
	if (found) {
		info.si_signo = SIGCHLD;
		info.si_code = w->code;
		info.chld.pid = w->child;
		info.chld.uid = w->uid;
		info.chld.status = info_status(w);
	}
	/* Linux leaves the times alone. */
	return copy_to_user(uinfo, &info, offsetof(struct siginfo, chld.status) + sizeof(s32));
}

SYSCALL5(waitid, int, which, s32, id, struct siginfo __user *, uinfo, u32, options, struct linux_rusage __user *, ru)
{
	struct wait_request w = {.options = options};
	struct pid *pid = NULL;
	struct file *f;
	int ret;

	if (options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | WNOTHREAD_ | WCLONE_ | WALL_))
		return -EINVAL;
	if (!(options & (WEXITED | WSTOPPED | WCONTINUED)))
		return -EINVAL;
	switch (which) {
	case P_ALL:
		break;
	case P_PID:
		if (id <= 0)
			return -EINVAL;
		w.pid = id;
		break;
	case P_PGID:
		if (id < 0)
			return -EINVAL;
		w.pgrp = id ? find_get_pid(id) : own_group();
		if (!w.pgrp)
			return -ECHILD;
		break;
	case P_PIDFD:
		if (id < 0)
			return -EINVAL;
		pid = pidfd_pid(id);
		if (IS_ERR(pid))
			return PTR_ERR(pid);
		w.pid = pid->nr;
		f = fd_get(id);
		if (f && (f->flags & O_NONBLOCK))
			w.options |= WNOHANG;
		if (f)
			file_put(f);
		break;
	default:
		return -EINVAL;
	}
	ret = do_wait(&w);
	pid_put(w.pgrp);
	pid_put(pid);
	if (ret == 0 && pid && !(options & WNOHANG))
		return -EAGAIN;
	if (ret < 0)
		return ret;
	if (ret > 0 && ru && copy_to_user(ru, &w.ru, sizeof(w.ru)))
		return -EFAULT;
	if (uinfo && put_info(&w, ret, uinfo))
		return -EFAULT;
	return 0;
}
