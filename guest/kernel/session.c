/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sessions and process groups: setsid, setpgid and the calls that read them. A process holds a reference to the struct
 * pid of its group and of its session; memberships change under task_lock. Stops and signals of groups are in jobctl.c.
 */
#include <gk/errno.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/tty.h>

/* task_lock held. The old group's reference is the caller's, to be put without the lock. */
static struct pid *move_to_pgrp(struct process *p, struct pid *pgrp)
{
	struct pid *old = p->pgrp;

	list_del(&p->pgrp_link);
	p->pgrp = pid_get(pgrp);
	list_add_tail(&p->pgrp_link, &pgrp->pgrp);
	return old;
}

static struct pid *move_to_session(struct process *p, struct pid *session)
{
	struct pid *old = p->session;

	list_del(&p->session_link);
	p->session = pid_get(session);
	list_add_tail(&p->session_link, &session->session);
	return old;
}

/* task_lock held: may current put @p into @pgrp? */
static int setpgid_check(struct process *p, struct pid *pgrp)
{
	struct process *me = current->process, *member;

	if (p->parent == me && p != me) {
		if (p->session != me->session)
			return -EPERM;
		if (p->did_exec)
			return -EACCES;
	} else if (p != me) {
		return -ESRCH;
	}
	if (p->is_session_leader)
		return -EPERM;
	if (pgrp == p->pid)
		return 0;
	if (!pgrp || list_empty(&pgrp->pgrp))
		return -EPERM;
	member = list_first_entry(&pgrp->pgrp, struct process, pgrp_link);
	return member->session == me->session ? 0 : -EPERM;
}

SYSCALL2(setpgid, s32, nr, s32, pgrp_nr)
{
	struct pid *pgrp, *old = NULL;
	struct process *p;
	int err;

	if (pgrp_nr < 0)
		return -EINVAL;
	p = nr ? find_get_process(nr) : process_get(current->process);
	if (!p)
		return -ESRCH;
	pgrp = pgrp_nr && pgrp_nr != p->pid->nr ? find_get_pid(pgrp_nr) : pid_get(p->pid);
	spin_lock(&task_lock);
	err = setpgid_check(p, pgrp);
	if (!err && p->pgrp != pgrp)
		old = move_to_pgrp(p, pgrp);
	spin_unlock(&task_lock);
	if (old)
		pid_put(old);
	if (pgrp)
		pid_put(pgrp);
	process_put(p);
	return err;
}

SYSCALL0(setsid)
{
	struct process *p = current->process;
	struct pid *old_pgrp, *old_session;

	spin_lock(&task_lock);
	/* Nobody may lead a group of another session. */
	if (p->is_session_leader || !list_empty(&p->pid->pgrp)) {
		spin_unlock(&task_lock);
		return -EPERM;
	}
	p->is_session_leader = true;
	old_session = move_to_session(p, p->pid);
	old_pgrp = move_to_pgrp(p, p->pid);
	spin_unlock(&task_lock);
	pid_put(old_pgrp);
	pid_put(old_session);
	tty_clear_process(p);
	return p->pid->nr;
}

/* The number of @nr's group (or with @session its session). */
static long group_of(s32 nr, bool session)
{
	struct process *p;
	struct task *t;
	long ret;

	if (!nr) {
		p = process_get(current->process);
	} else {
		t = find_get_task(nr);
		if (!t)
			return -ESRCH;
		p = process_get(t->process);
		task_put(t);
	}
	spin_lock(&task_lock);
	ret = (session ? p->session : p->pgrp)->nr;
	spin_unlock(&task_lock);
	process_put(p);
	return ret;
}

SYSCALL1(getpgid, s32, pid)
{
	return group_of(pid, false);
}

SYSCALL0(getpgrp)
{
	return group_of(0, false);
}

SYSCALL1(getsid, s32, pid)
{
	return group_of(pid, true);
}
