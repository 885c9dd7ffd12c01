/* SPDX-License-Identifier: Apache-2.0 */
/* Nice values and I/O priorities. A nice value belongs to a thread; the calls name threads, groups or users. */
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/sched.h>
#include <gk/syscall.h>
#include <gk/task.h>

#define PRIO_PROCESS 0
#define PRIO_PGRP 1
#define PRIO_USER 2

struct prio_op {
	bool set;
	int nice;
	kuid_t uid;
	int ret; /* what the call gives: best of all, or the error */
};

/* Under task_lock. */
static int set_nice(struct task *t, int nice)
{
	const struct cred *mine = current->cred;
	struct process *p = t->process;
	const struct cred *c = t->cred;

	if (c->uid != mine->euid && c->euid != mine->euid && !capable(CAP_SYS_NICE))
		return -EPERM;
	/* RLIMIT_NICE counts 1..40 for 19..-20. */
	if (nice < t->nice && (u64)(20 - nice) > p->rlim[RLIMIT_NICE].cur && !capable(CAP_SYS_NICE))
		return -EACCES;
	sched_set(t, t->policy, t->rt_priority, nice);
	return 0;
}

static void visit(struct task *t, struct prio_op *op)
{
	int err;

	if (op->set) {
		err = set_nice(t, op->nice);
		if (op->ret == -ESRCH || err)
			op->ret = err;
	} else if (20 - t->nice > op->ret) {
		op->ret = 20 - t->nice;
	}
}

static void visit_process(struct process *p, struct prio_op *op)
{
	struct task *t;

	list_for_each_entry(t, &p->threads, thread_link)
		visit(t, op);
}

static int visit_user(struct process *p, void *arg)
{
	struct prio_op *op = arg;

	if (p->leader && p->leader->cred->uid == op->uid)
		visit_process(p, op);
	return 0;
}

static void visit_group(s32 who, struct prio_op *op)
{
	struct pid *pgrp = who ? find_get_pid(who) : NULL;
	struct process *p;

	if (who && !pgrp)
		return;
	spin_lock(&task_lock);
	list_for_each_entry(p, &(pgrp ? pgrp : current->process->pgrp)->pgrp, pgrp_link)
		visit_process(p, op);
	spin_unlock(&task_lock);
	if (pgrp)
		pid_put(pgrp);
}

static void visit_thread(s32 who, struct prio_op *op)
{
	struct task *t = who ? find_get_task(who) : task_get(current);

	if (!t)
		return;
	spin_lock(&task_lock);
	visit(t, op);
	spin_unlock(&task_lock);
	task_put(t);
}

static long priority(int which, s32 who, struct prio_op *op)
{
	op->ret = -ESRCH;
	switch (which) {
	case PRIO_PROCESS:
		visit_thread(who, op);
		break;
	case PRIO_PGRP:
		visit_group(who, op);
		break;
	case PRIO_USER:
		op->uid = who ? (kuid_t)who : current->cred->uid;
		for_each_process_do(visit_user, op);
		break;
	default:
		return -EINVAL;
	}
	return op->ret;
}

SYSCALL3(setpriority, int, which, s32, who, int, nice)
{
	struct prio_op op = { .set = true, .nice = nice < NICE_MIN ? NICE_MIN : MIN(nice, NICE_MAX) };

	return priority(which, who, &op);
}

SYSCALL2(getpriority, int, which, s32, who)
{
	struct prio_op op = { .set = false };

	return priority(which, who, &op);
}

/* ---- I/O priorities: kept and reported, there is no disk scheduler here ---- */

#define IOPRIO_WHO_PROCESS 1
#define IOPRIO_WHO_PGRP 2
#define IOPRIO_WHO_USER 3
#define IOPRIO_CLASS_SHIFT 13
#define IOPRIO_CLASS_RT 1
#define IOPRIO_CLASS_IDLE 3

SYSCALL3(ioprio_set, int, which, s32, who, int, value)
{
	u32 class = (u32)value >> IOPRIO_CLASS_SHIFT & 7;
	struct task *t;

	if (class > IOPRIO_CLASS_IDLE || (!class && (value & 7)))
		return -EINVAL;
	if (class == IOPRIO_CLASS_RT && !capable(CAP_SYS_ADMIN) && !capable(CAP_SYS_NICE))
		return -EPERM;
	if (which != IOPRIO_WHO_PROCESS)
		return which == IOPRIO_WHO_PGRP || which == IOPRIO_WHO_USER ? 0 : -EINVAL;
	t = who ? find_get_task(who) : task_get(current);
	if (!t)
		return -ESRCH;
	t->ioprio = (u16)value;
	task_put(t);
	return 0;
}

SYSCALL2(ioprio_get, int, which, s32, who)
{
	struct task *t;
	long ret;

	if (which != IOPRIO_WHO_PROCESS)
		return which == IOPRIO_WHO_PGRP || which == IOPRIO_WHO_USER ? 0 : -EINVAL;
	t = who ? find_get_task(who) : task_get(current);
	if (!t)
		return -ESRCH;
	ret = t->ioprio;
	task_put(t);
	return ret;
}
