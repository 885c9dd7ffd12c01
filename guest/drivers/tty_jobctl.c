/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions, controlling terminals, foreground and background.
 *
 * tty_ctrl_lock guards process->tty (a reference) and tty->session, tty->pgrp (references). It nests inside task_lock.
 * References and signals are dropped and sent after it.
 */
#include "drivers/tty.h"

#define TIOCSCTTY 0x540E
#define TIOCGPGRP 0x540F
#define TIOCSPGRP 0x5410
#define TIOCNOTTY 0x5422
#define TIOCGSID 0x5429
#define SIG_IGN 1

spinlock_t tty_ctrl_lock;

struct tty *current_tty(void)
{
	struct tty *t;

	spin_lock(&tty_ctrl_lock);
	t = current->process->tty;
	if (t)
		tty_get(t);
	spin_unlock(&tty_ctrl_lock);
	return t;
}

static struct pid *foreground(struct tty *t)
{
	struct pid *pgrp;

	spin_lock(&tty_ctrl_lock);
	pgrp = t->pgrp ? pid_get(t->pgrp) : NULL;
	spin_unlock(&tty_ctrl_lock);
	return pgrp;
}

static void pid_drop(struct pid *p)
{
	if (p)
		pid_put(p);
}

/* Replaces session and group of @t; takes over the references. */
static void set_owners(struct tty *t, struct pid *session, struct pid *pgrp)
{
	struct pid *old_session, *old_pgrp;

	spin_lock(&tty_ctrl_lock);
	old_session = t->session;
	old_pgrp = t->pgrp;
	t->session = session;
	t->pgrp = pgrp;
	spin_unlock(&tty_ctrl_lock);
	pid_drop(old_session);
	pid_drop(old_pgrp);
}

void tty_own_file(struct tty *t, struct file *f)
{
	struct pid *pgrp = foreground(t);

	fown_set_default(f, pgrp ? pgrp : current->process->pid, pgrp);
	pid_drop(pgrp);
}

void tty_forget_owners(struct tty *t)
{
	set_owners(t, NULL, NULL);
}

void tty_signal_foreground(struct tty *t, int sig)
{
	struct pid *pgrp = foreground(t);

	if (!pgrp)
		return;
	send_signal_pgrp(sig, NULL, pgrp);
	pid_put(pgrp);
}

/* @t is no longer the terminal of any process of @session. */
static void session_clear(struct pid *session, struct tty *t)
{
	struct process *p;
	u32 n = 0;

	spin_lock(&task_lock);
	spin_lock(&tty_ctrl_lock);
	list_for_each_entry(p, &session->session, session_link) {
		if (p->tty == t) {
			p->tty = NULL;
			n++;
		}
	}
	spin_unlock(&tty_ctrl_lock);
	spin_unlock(&task_lock);
	while (n--)
		tty_put(t);
}

/* ---- life of processes ---- */

void tty_fork(struct process *parent, struct process *child)
{
	spin_lock(&tty_ctrl_lock);
	child->tty = parent->tty ? tty_get(parent->tty) : NULL;
	child->tty_old_pgrp = NULL;
	spin_unlock(&tty_ctrl_lock);
}

void tty_clear_process(struct process *p)
{
	struct tty *t;
	struct pid *old;

	spin_lock(&tty_ctrl_lock);
	t = p->tty;
	old = p->tty_old_pgrp;
	p->tty = NULL;
	p->tty_old_pgrp = NULL;
	spin_unlock(&tty_ctrl_lock);
	pid_drop(old);
	if (t)
		tty_put(t);
}

void tty_process_stat(struct process *p, u32 *dev, s32 *pgrp)
{
	spin_lock(&tty_ctrl_lock);
	*dev = p->tty ? (u32)p->tty->rdev : 0;
	*pgrp = p->tty && p->tty->pgrp ? p->tty->pgrp->nr : -1;
	spin_unlock(&tty_ctrl_lock);
}

/* The session leader @p gives the terminal up. */
static void disassociate(struct process *p, bool exits)
{
	struct tty *t = current_tty();
	struct pid *pgrp, *session;

	if (!t) {
		spin_lock(&tty_ctrl_lock);
		pgrp = p->tty_old_pgrp;
		p->tty_old_pgrp = NULL;
		spin_unlock(&tty_ctrl_lock);
		if (exits && pgrp) {
			send_signal_pgrp(SIGHUP, NULL, pgrp);
			send_signal_pgrp(SIGCONT, NULL, pgrp);
		}
		pid_drop(pgrp);
		return;
	}
	pgrp = foreground(t);
	spin_lock(&task_lock);
	session = pid_get(p->session);
	spin_unlock(&task_lock);
	tty_forget_owners(t);
	session_clear(session, t);
	pid_put(session);
	/* Whoever takes the signal finds no terminal any more. */
	if (pgrp) {
		send_signal_pgrp(SIGHUP, NULL, pgrp);
		send_signal_pgrp(SIGCONT, NULL, pgrp);
		pid_put(pgrp);
	}
	tty_put(t);
}

void tty_session_leader_exit(struct process *p)
{
	if (p->is_session_leader)
		disassociate(p, true);
	tty_clear_process(p);
}

/* Keeps the foreground group in mind for when the leader exits (disassociate()). */
static void remember_group(struct process *leader, struct pid *pgrp)
{
	struct pid *old;

	spin_lock(&tty_ctrl_lock);
	old = leader->tty_old_pgrp;
	leader->tty_old_pgrp = pgrp ? pid_get(pgrp) : NULL;
	spin_unlock(&tty_ctrl_lock);
	pid_drop(old);
}

void tty_signal_session_hangup(struct tty *t)
{
	struct process *leader = NULL;
	struct pid *session, *pgrp;

	spin_lock(&tty_ctrl_lock);
	session = t->session ? pid_get(t->session) : NULL;
	pgrp = t->pgrp ? pid_get(t->pgrp) : NULL;
	spin_unlock(&tty_ctrl_lock);
	if (session) {
		spin_lock(&task_lock);
		if (session->process && session->process->is_session_leader)
			leader = process_get(session->process);
		spin_unlock(&task_lock);
	}
	if (leader) {
		remember_group(leader, pgrp);
		send_signal_process(SIGHUP, NULL, leader);
		send_signal_process(SIGCONT, NULL, leader);
		process_put(leader);
	}
	tty_forget_owners(t);
	if (session)
		session_clear(session, t);
	pid_drop(session);
	pid_drop(pgrp);
}

/* ---- background processes ---- */

static bool sig_ignored(int sig)
{
	return sigset_has(current->blocked, sig) || READ_ONCE(current->sighand->action[sig - 1].handler) == SIG_IGN;
}

/* Is current in a background group of its own terminal @t? Then *orphaned says whether anyone could bring it back. */
static bool in_background(struct tty *t, bool *orphaned)
{
	struct process *p = current->process;
	bool back;

	if (READ_ONCE(p->tty) != t)
		return false;
	spin_lock(&task_lock);
	spin_lock(&tty_ctrl_lock);
	back = t->pgrp && t->pgrp != p->pgrp;
	spin_unlock(&tty_ctrl_lock);
	*orphaned = back && pgrp_is_orphaned(p->pgrp, NULL);
	spin_unlock(&task_lock);
	return back;
}

static int stop_group(int sig)
{
	struct pid *pgrp;

	spin_lock(&task_lock);
	pgrp = pid_get(current->process->pgrp);
	spin_unlock(&task_lock);
	send_signal_pgrp(sig, NULL, pgrp);
	pid_put(pgrp);
	return -ERESTARTSYS;
}

int tty_check_read(struct tty *t)
{
	bool orphaned;

	if (!in_background(t, &orphaned))
		return 0;
	return orphaned || sig_ignored(SIGTTIN) ? -EIO : stop_group(SIGTTIN);
}

int tty_check_change(struct tty *t)
{
	bool orphaned;

	if (!in_background(t, &orphaned) || sig_ignored(SIGTTOU))
		return 0;
	return orphaned ? -EIO : stop_group(SIGTTOU);
}

/* ---- getting and giving ---- */

/* Makes @t the controlling terminal of current, a session leader; false if somebody was faster. */
static bool set_controlling(struct tty *t)
{
	struct process *p = current->process;
	struct tty *old = NULL;
	struct pid *old_pgrp = NULL;
	bool ok;

	spin_lock(&task_lock);
	spin_lock(&tty_ctrl_lock);
	ok = !t->session;
	if (ok) {
		old_pgrp = t->pgrp;
		t->session = pid_get(p->session);
		t->pgrp = pid_get(p->pgrp);
		old = p->tty;
		p->tty = tty_get(t);
	}
	spin_unlock(&tty_ctrl_lock);
	spin_unlock(&task_lock);
	pid_drop(old_pgrp);
	if (old)
		tty_put(old);
	return ok;
}

void tty_open_controlling(struct tty *t, struct file *f)
{
	if (current->process->is_session_leader && !READ_ONCE(current->process->tty) && (f->fmode & FMODE_READ))
		set_controlling(t);
}

static long ioctl_sctty(struct tty *t, struct file *f, u64 force)
{
	struct process *p = current->process;
	struct pid *session;
	bool mine;

	spin_lock(&task_lock);
	spin_lock(&tty_ctrl_lock);
	mine = p->is_session_leader && t->session == p->session;
	session = t->session ? pid_get(t->session) : NULL;
	spin_unlock(&tty_ctrl_lock);
	spin_unlock(&task_lock);
	if (mine || !p->is_session_leader || READ_ONCE(p->tty)) {
		pid_drop(session);
		return mine ? 0 : -EPERM;
	}
	if (session) {
		if (force != 1 || !capable(CAP_SYS_ADMIN)) {
			pid_put(session);
			return -EPERM;
		}
		tty_forget_owners(t);
		session_clear(session, t);
		pid_put(session);
	}
	if (!(f->fmode & FMODE_READ) && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	return set_controlling(t) ? 0 : -EPERM;
}

static long ioctl_notty(struct tty *t)
{
	struct process *p = current->process;

	if (READ_ONCE(p->tty) != t)
		return -ENOTTY;
	if (p->is_session_leader)
		disassociate(p, false);
	tty_clear_process(p);
	return 0;
}

/* task_lock held. The session of the group's processes, or NULL if it has none. */
static struct pid *session_of_group(struct pid *pgrp)
{
	struct process *p = list_first_entry_or_null(&pgrp->pgrp, struct process, pgrp_link);

	return p ? p->session : NULL;
}

static long ioctl_spgrp(struct tty *t, u64 arg)
{
	struct process *p = current->process;
	struct pid *pgrp, *old = NULL;
	long ret;
	s32 nr;

	ret = tty_check_change(t);
	if (ret)
		return ret == -EIO ? -ENOTTY : ret;
	if (get_user(nr, (s32 __user *)arg))
		return -EFAULT;
	if (nr < 0)
		return -EINVAL;
	pgrp = find_get_pid(nr);
	if (!pgrp)
		return READ_ONCE(p->tty) == t ? -ESRCH : -ENOTTY;
	spin_lock(&task_lock);
	spin_lock(&tty_ctrl_lock);
	if (p->tty != t || t->session != p->session) {
		ret = -ENOTTY;
	} else if (!session_of_group(pgrp)) {
		ret = -ESRCH;
	} else if (session_of_group(pgrp) != p->session) {
		ret = -EPERM;
	} else {
		old = t->pgrp;
		t->pgrp = pid_get(pgrp);
	}
	spin_unlock(&tty_ctrl_lock);
	spin_unlock(&task_lock);
	pid_drop(old);
	pid_put(pgrp);
	return ret;
}

/* TIOCGPGRP, TIOCGSID. The master of a pty may ask about its terminal's session. */
static long ioctl_owner(struct tty *t, bool master, bool session, u64 arg)
{
	s32 nr = 0;
	bool ok;

	spin_lock(&tty_ctrl_lock);
	ok = (master || current->process->tty == t) && (!session || t->session);
	if (ok && session)
		nr = t->session->nr;
	else if (ok && t->pgrp)
		nr = t->pgrp->nr;
	spin_unlock(&tty_ctrl_lock);
	return ok ? put_user(nr, (s32 __user *)arg) : -ENOTTY;
}

long tty_job_ioctl(struct tty *t, struct file *f, u32 cmd, u64 arg, bool master)
{
	switch (cmd) {
	case TIOCSCTTY:
		return ioctl_sctty(t, f, arg);
	case TIOCNOTTY:
		return master ? -ENOTTY : ioctl_notty(t);
	case TIOCGPGRP:
		return ioctl_owner(t, master, false, arg);
	case TIOCSPGRP:
		return ioctl_spgrp(t, arg);
	case TIOCGSID:
		return ioctl_owner(t, master, true, arg);
	}
	return -ENOIOCTLCMD;
}
