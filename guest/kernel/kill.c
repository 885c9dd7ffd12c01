/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that send signals: kill, tkill, tgkill, the queueinfo family, pidfd_send_signal.
 *
 * Who may signal whom is may_signal(). Signal 0 only checks.
 */
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/uaccess.h>

#include "signal_internal.h"

static void user_info(struct siginfo *info, int sig, int code)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	info->si_code = code;
	info->rt.pid = task_tgid_nr(current);
	info->rt.uid = current->cred->uid;
}

/* 0 is fine: it only checks. */
static bool bad_signal(int sig)
{
	return sig && !valid_signal(sig);
}

static int signal_process_checked(int sig, const struct siginfo *info, struct process *p)
{
	int err = bad_signal(sig) ? -EINVAL : may_signal(p, sig);

	if (err || !sig)
		return err;
	return send_signal_process(sig, info, p);
}

static int signal_pid(int sig, const struct siginfo *info, s32 nr)
{
	struct process *p = find_get_process(nr);
	struct task *t;
	int ret;

	if (!p) {
		/* Linux also takes the number of any thread. */
		t = find_get_task(nr);
		if (!t)
			return -ESRCH;
		p = process_get(t->process);
		task_put(t);
	}
	ret = signal_process_checked(sig, info, p);
	process_put(p);
	return ret;
}

/* task_lock held. Success if anyone got it; else the last error, -ESRCH for an empty group. */
static int signal_pgrp_checked(int sig, const struct siginfo *info, struct pid *pgrp)
{
	int ret = -ESRCH, err;
	bool reached = false;
	struct process *p;

	list_for_each_entry(p, &pgrp->pgrp, pgrp_link) {
		err = signal_process_checked(sig, info, p);
		if (!err)
			reached = true;
		else
			ret = err;
	}
	return reached ? 0 : ret;
}

static int signal_pgrp_nr(int sig, const struct siginfo *info, s32 nr)
{
	struct pid *pgrp = nr ? find_get_pid(nr) : NULL;
	int ret;

	if (nr && !pgrp)
		return -ESRCH;
	spin_lock(&task_lock);
	ret = signal_pgrp_checked(sig, info, pgrp ? pgrp : current->process->pgrp);
	spin_unlock(&task_lock);
	if (pgrp)
		pid_put(pgrp);
	return ret;
}

struct broadcast {
	int sig;
	const struct siginfo *info;
	u32 candidates;
	int ret;
};

static int broadcast_one(struct process *p, void *arg)
{
	struct broadcast *b = arg;
	int err;

	if (p == init_process || p == current->process)
		return 0;
	b->candidates++;
	err = signal_process_checked(b->sig, b->info, p);
	if (err != -EPERM)
		b->ret = err;
	return 0;
}

static int signal_everyone(int sig, const struct siginfo *info)
{
	struct broadcast b = {.sig = sig, .info = info};

	for_each_process_do(broadcast_one, &b);
	return b.candidates ? b.ret : -ESRCH;
}

SYSCALL2(kill, s32, pid, int, sig)
{
	struct siginfo info;

	user_info(&info, sig, SI_USER);
	if (pid > 0)
		return signal_pid(sig, &info, pid);
	if (pid == -1)
		return signal_everyone(sig, &info);
	if (pid == INT32_MIN)
		return -ESRCH;
	return signal_pgrp_nr(sig, &info, -pid);
}

/* @tgid 0: any process. */
static int signal_thread(s32 tgid, s32 tid, int sig, const struct siginfo *info)
{
	struct task *t = find_get_task(tid);
	int ret = -ESRCH;

	if (t && (!tgid || task_tgid_nr(t) == tgid)) {
		ret = bad_signal(sig) ? -EINVAL : may_signal(t->process, sig);
		if (!ret && sig)
			ret = send_signal_task(sig, info, t);
	}
	if (t)
		task_put(t);
	return ret;
}

SYSCALL3(tgkill, s32, tgid, s32, tid, int, sig)
{
	struct siginfo info;

	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	user_info(&info, sig, SI_TKILL);
	return signal_thread(tgid, tid, sig, &info);
}

SYSCALL2(tkill, s32, tid, int, sig)
{
	struct siginfo info;

	if (tid <= 0)
		return -EINVAL;
	user_info(&info, sig, SI_TKILL);
	return signal_thread(0, tid, sig, &info);
}

/* Nobody may pretend to be the kernel or kill(), except towards itself. */
static int info_from_user(struct siginfo *info, const struct siginfo __user *uinfo, int sig, bool to_self)
{
	if (copy_from_user(info, uinfo, sizeof(*info)))
		return -EFAULT;
	info->si_signo = sig;
	if ((info->si_code >= 0 || info->si_code == SI_TKILL) && !to_self)
		return -EPERM;
	return 0;
}

SYSCALL3(rt_sigqueueinfo, s32, pid, int, sig, const struct siginfo __user *, uinfo)
{
	struct siginfo info;
	int err = info_from_user(&info, uinfo, sig, pid == task_tgid_nr(current));

	return err ? err : signal_pid(sig, &info, pid);
}

SYSCALL4(rt_tgsigqueueinfo, s32, tgid, s32, tid, int, sig, const struct siginfo __user *, uinfo)
{
	struct siginfo info;
	int err;

	if (tgid <= 0 || tid <= 0)
		return -EINVAL;
	err = info_from_user(&info, uinfo, sig, tid == task_pid_nr(current));
	return err ? err : signal_thread(tgid, tid, sig, &info);
}

/* What to signal: a pidfd or, older than these, an open directory /proc/PID. */
static struct pid *signal_target(int fd)
{
	struct pid *pid = pidfd_pid(fd);
	struct file *f;

	if (!IS_ERR(pid))
		return pid;
	f = fd_get(fd);
	if (f) {
		pid = proc_dir_pid(f);
		file_put(f);
	}
	return pid;
}

SYSCALL4(pidfd_send_signal, int, fd, int, sig, const struct siginfo __user *, uinfo, u32, flags)
{
	struct siginfo info;
	struct process *p;
	struct pid *pid;
	s32 signo;
	int err;

	if (flags)
		return -EINVAL;
	pid = signal_target(fd);
	if (IS_ERR(pid))
		return PTR_ERR(pid);
	p = find_get_process(pid->nr);
	if (!p || p->pid != pid) { /* reaped, and the number maybe another's by now */
		err = -ESRCH;
		goto out;
	}
	if (uinfo) {
		err = copy_from_user(&signo, &uinfo->si_signo, sizeof(signo));
		if (!err)
			err = signo == sig ? info_from_user(&info, uinfo, sig, p == current->process) : -EINVAL;
	} else {
		user_info(&info, sig, SI_USER);
		err = 0;
	}
	if (!err)
		err = signal_process_checked(sig, &info, p);
out:
	if (p)
		process_put(p);
	pid_put(pid);
	return err;
}
