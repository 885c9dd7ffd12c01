/* SPDX-License-Identifier: Apache-2.0 */
/* Resource limits: getrlimit, setrlimit, prlimit64. What a limit means is with whoever enforces it. Lock: siglock. */
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/uaccess.h>

#include "cputime.h"

#define NR_OPEN_MAX (1u << 20)

static int limit_change(struct process *p, u32 res, const struct rlimit *new, struct rlimit *old)
{
	bool privileged = capable(CAP_SYS_RESOURCE);
	int err = 0;

	if (new &&new->cur > new->max)
		return -EINVAL;
	if (new &&res == RLIMIT_NOFILE &&new->max > NR_OPEN_MAX)
		return -EPERM;
	spin_lock(&p->siglock);
	*old = p->rlim[res];
	if (new) {
		if (new->max > old->max && !privileged)
			err = -EPERM;
		else
			p->rlim[res] = *new;
	}
	if (new && !err && res == RLIMIT_CPU && (new->cur != RLIM_INFINITY || new->max != RLIM_INFINITY))
		cputime_sampler_start(p);
	spin_unlock(&p->siglock);
	return err;
}

SYSCALL2(getrlimit, u32, res, struct rlimit __user *, ulim)
{
	struct rlimit old;

	if (res >= RLIM_NLIMITS)
		return -EINVAL;
	limit_change(current->process, res, NULL, &old);
	return copy_to_user(ulim, &old, sizeof(old));
}

SYSCALL2(setrlimit, u32, res, const struct rlimit __user *, ulim)
{
	struct rlimit new, old;

	if (copy_from_user(&new, ulim, sizeof(new)))
		return -EFAULT;
	if (res >= RLIM_NLIMITS)
		return -EINVAL;
	return limit_change(current->process, res, &new, &old);
}

/* Another process's limits: only between equals, or with CAP_SYS_RESOURCE. */
static int prlimit_permission(struct task *t)
{
	const struct cred *mine = current->cred;
	struct cred *c;
	bool same;

	if (t->process == current->process)
		return 0;
	c = task_cred_get(t);
	same = mine->uid == c->euid && mine->uid == c->suid && mine->uid == c->uid && mine->gid == c->egid &&
	       mine->gid == c->sgid && mine->gid == c->gid;
	cred_put(c);
	return same || capable(CAP_SYS_RESOURCE) ? 0 : -EPERM;
}

SYSCALL4(prlimit64, s32, pid, u32, res, const struct rlimit __user *, unew, struct rlimit __user *, uold)
{
	struct rlimit new, old;
	struct task *t;
	int err;

	if (res >= RLIM_NLIMITS)
		return -EINVAL;
	if (unew && copy_from_user(&new, unew, sizeof(new)))
		return -EFAULT;
	t = pid ? find_get_task(pid) : task_get(current);
	if (!t)
		return -ESRCH;
	err = prlimit_permission(t);
	if (!err)
		err = limit_change(t->process, res, unew ? &new : NULL, &old);
	task_put(t);
	if (!err && uold)
		err = copy_to_user(uold, &old, sizeof(old));
	return err;
}
