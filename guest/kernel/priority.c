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
	void (*visit)(struct task *t, struct prio_op *op); /* under task_lock */
	int value;					   /* nice or I/O priority to set */
	kuid_t uid;
	int ret; /* what the call gives: best of all, or the error */
};

/* Under task_lock. Is @t of current's user, or current allowed all the same? */
static bool may_set(const struct task *t)
{
	const struct cred *mine = current->cred, *c = t->cred;

	return c->uid == mine->euid || c->euid == mine->euid || capable(CAP_SYS_NICE);
}

static int set_nice(struct task *t, int nice)
{
	if (!may_set(t))
		return -EPERM;
	/* RLIMIT_NICE counts 1..40 for 19..-20. */
	if (nice < t->nice && (u64)(20 - nice) > t->process->rlim[RLIMIT_NICE].cur && !capable(CAP_SYS_NICE))
		return -EACCES;
	sched_set(t, t->policy, t->rt_priority, nice);
	return 0;
}

static void visit_set_nice(struct task *t, struct prio_op *op)
{
	const int err = set_nice(t, op->value);

	if (op->ret == -ESRCH || err)
		op->ret = err;
}

static void visit_get_nice(struct task *t, struct prio_op *op)
{
	op->ret = MAX(op->ret, 20 - t->nice);
}

static void visit_process(struct process *p, struct prio_op *op)
{
	struct task *t;

	list_for_each_entry(t, &p->threads, thread_link)
		op->visit(t, op);
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
	op->visit(t, op);
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
	struct prio_op op = {.visit = visit_set_nice, .value = nice < NICE_MIN ? NICE_MIN : MIN(nice, NICE_MAX)};

	return priority(which, who, &op);
}

SYSCALL2(getpriority, int, which, s32, who)
{
	struct prio_op op = {.visit = visit_get_nice};

	return priority(which, who, &op);
}

/* ---- I/O priorities: kept and reported, there is no disk scheduler here ---- */

#define IOPRIO_WHO(which) ((int)((u32)(which)-1)) /* 1 a thread, 2 a group, 3 a user: PRIO_* and one */
#define IOPRIO_CLASS_SHIFT 13
#define IOPRIO_DATA_MASK 0x1fff
#define IOPRIO_LEVELS 8
enum { IOPRIO_CLASS_NONE, IOPRIO_CLASS_RT, IOPRIO_CLASS_BE, IOPRIO_CLASS_IDLE };

static void visit_set_ioprio(struct task *t, struct prio_op *op)
{
	if (may_set(t)) {
		t->ioprio = (u16)op->value;
		op->ret = op->ret == -ESRCH ? 0 : op->ret;
	} else {
		op->ret = -EPERM;
	}
}

/* The best is the lowest number; none at all counts as the best of all. */
static void visit_get_ioprio(struct task *t, struct prio_op *op)
{
	op->ret = op->ret == -ESRCH ? t->ioprio : MIN(op->ret, (int)t->ioprio);
}

static int check_ioprio(int value)
{
	const u32 class = (u32)value >> IOPRIO_CLASS_SHIFT, data = (u32)value & IOPRIO_DATA_MASK;

	switch (class) {
	case IOPRIO_CLASS_NONE:
		return data ? -EINVAL : 0;
	case IOPRIO_CLASS_RT:
		if (!capable(CAP_SYS_ADMIN) && !capable(CAP_SYS_NICE))
			return -EPERM;
		return data < IOPRIO_LEVELS ? 0 : -EINVAL;
	case IOPRIO_CLASS_BE:
		return data < IOPRIO_LEVELS ? 0 : -EINVAL;
	case IOPRIO_CLASS_IDLE:
		return 0;
	}
	return -EINVAL;
}

SYSCALL3(ioprio_set, int, which, s32, who, int, value)
{
	struct prio_op op = {.visit = visit_set_ioprio, .value = value};
	const int err = check_ioprio(value);

	return err ? err : priority(IOPRIO_WHO(which), who, &op);
}

SYSCALL2(ioprio_get, int, which, s32, who)
{
	struct prio_op op = {.visit = visit_get_ioprio};

	return priority(IOPRIO_WHO(which), who, &op);
}
