/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls about scheduling: policies and priorities, affinity, getcpu. nice values are in kernel/nice.c.
 *
 * Deadline scheduling is not offered. A real-time policy puts a task before all others on its vCPU; that the vCPU
 * itself is shared with the host's other work, no guest can change.
 */
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/sched.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/time.h>
#include <gk/uaccess.h>

#define RT_PRIORITY_MAX 99
#define RR_SLICE_NS (100 * NSEC_PER_MSEC)
#define SCHED_FLAG_RESET_ON_FORK 1
#define SCHED_FLAG_KEEP_POLICY 8
#define SCHED_FLAG_KEEP_PARAMS 16
#define SCHED_ATTR_SIZE_VER0 48

struct sched_attr {
	u32 size, policy;
	u64 flags;
	s32 nice;
	u32 priority;
	u64 runtime, deadline, period;
	u32 util_min, util_max;
};

/* The task @pid names, 0: current. A reference, or NULL. */
static struct task *task_of(s32 pid)
{
	return pid ? find_get_task(pid) : task_get(current);
}

/* Is @t of current's user, or is current allowed to meddle with anybody? */
static bool may_change(struct task *t)
{
	struct cred *c = task_cred_get(t);
	bool same = current->cred->euid == c->euid || current->cred->euid == c->uid;

	cred_put(c);
	return same || capable(CAP_SYS_NICE);
}

/* The lowest nice value RLIMIT_NICE allows. */
static int nice_floor(struct task *t)
{
	u64 limit = READ_ONCE(t->process->rlim[RLIMIT_NICE].cur);

	return 20 - (int)MIN(limit, 40ull);
}

struct sched_request {
	int policy; /* -1: keep */
	bool reset_on_fork, keep_params;
	int nice;
	u32 priority;
};

static int check_request(const struct sched_request *r, int policy)
{
	if (policy != SCHED_NORMAL && policy != SCHED_BATCH && policy != SCHED_IDLE && !policy_is_rt(policy))
		return -EINVAL;
	if (r->priority > RT_PRIORITY_MAX || policy_is_rt(policy) != (r->priority != 0))
		return -EINVAL;
	return 0;
}

static int check_permission(struct task *t, const struct sched_request *r, int policy)
{
	u64 rt_limit = READ_ONCE(t->process->rlim[RLIMIT_RTPRIO].cur);

	if (capable(CAP_SYS_NICE))
		return 0;
	if (!may_change(t))
		return -EPERM;
	if (policy_is_rt(policy)) {
		if (policy != (t->policy & ~SCHED_RESET_ON_FORK) && !rt_limit)
			return -EPERM;
		if ((int)r->priority > t->rt_priority && r->priority > rt_limit)
			return -EPERM;
	} else if (r->nice < t->nice && r->nice < nice_floor(t)) {
		return -EPERM;
	}
	if ((t->policy & SCHED_RESET_ON_FORK) && !r->reset_on_fork)
		return -EPERM;
	return 0;
}

static int change(s32 pid, struct sched_request *r)
{
	struct task *t;
	int policy, err;

	if (pid < 0)
		return -EINVAL;
	t = task_of(pid);
	if (!t)
		return -ESRCH;
	policy = t->policy & ~SCHED_RESET_ON_FORK;
	if (r->policy >= 0)
		policy = r->policy;
	else
		r->reset_on_fork = t->policy & SCHED_RESET_ON_FORK;
	if (r->keep_params) {
		r->nice = t->nice;
		r->priority = (u32)t->rt_priority;
	}
	if (policy_is_rt(policy) || policy == SCHED_IDLE)
		r->nice = t->nice;
	err = check_request(r, policy);
	if (!err)
		err = check_permission(t, r, policy);
	if (!err)
		sched_set(t, policy | (r->reset_on_fork ? SCHED_RESET_ON_FORK : 0), (int)r->priority, r->nice);
	task_put(t);
	return err;
}

static int set_scheduler(s32 pid, int policy, const s32 __user *param)
{
	struct sched_request r = {.policy = policy};
	struct task *t;
	s32 priority;

	if (!param || pid < 0)
		return -EINVAL;
	if (copy_from_user(&priority, (void __user *)(u64)param, sizeof(priority)))
		return -EFAULT;
	if (policy >= 0) {
		r.reset_on_fork = policy & SCHED_RESET_ON_FORK;
		r.policy = policy & ~SCHED_RESET_ON_FORK;
	}
	if (priority < 0)
		return -EINVAL;
	r.priority = (u32)priority;
	t = task_of(pid);
	if (t) {
		r.nice = t->nice;
		task_put(t);
	}
	return change(pid, &r);
}

SYSCALL3(sched_setscheduler, s32, pid, int, policy, const s32 __user *, param)
{
	if (policy < 0)
		return -EINVAL;
	return set_scheduler(pid, policy, param);
}

SYSCALL2(sched_setparam, s32, pid, const s32 __user *, param)
{
	return set_scheduler(pid, -1, param);
}

SYSCALL1(sched_getscheduler, s32, pid)
{
	struct task *t;
	long policy;

	if (pid < 0)
		return -EINVAL;
	t = task_of(pid);
	if (!t)
		return -ESRCH;
	policy = t->policy;
	task_put(t);
	return policy;
}

SYSCALL2(sched_getparam, s32, pid, s32 __user *, param)
{
	struct task *t;
	s32 priority;

	if (!param || pid < 0)
		return -EINVAL;
	t = task_of(pid);
	if (!t)
		return -ESRCH;
	priority = t->rt_priority;
	task_put(t);
	return put_user(priority, param);
}

/* An extensible structure: what we do not know must be zero. */
static int get_attr(struct sched_attr *a, struct sched_attr __user *uattr)
{
	u8 extra[64];
	u32 size;

	memset(a, 0, sizeof(*a));
	if (get_user(size, &uattr->size))
		return -EFAULT;
	if (!size)
		size = SCHED_ATTR_SIZE_VER0;
	if (size < SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE)
		goto bad_size;
	if (copy_from_user(a, uattr, MIN(size, (u32)sizeof(*a))))
		return -EFAULT;
	for (u32 done = sizeof(*a); done < size; done += sizeof(extra)) {
		u32 n = MIN(size - done, (u32)sizeof(extra));

		if (copy_from_user(extra, (u8 __user *)uattr + done, n))
			return -EFAULT;
		for (u32 i = 0; i < n; i++) {
			if (extra[i])
				goto bad_size;
		}
	}
	return 0;

bad_size:
	size = sizeof(*a);
	return put_user(size, &uattr->size) ? -EFAULT : -E2BIG;
}

SYSCALL3(sched_setattr, s32, pid, struct sched_attr __user *, uattr, u32, flags)
{
	struct sched_request r = {0};
	struct sched_attr a;
	int err;

	if (!uattr || pid < 0 || flags)
		return -EINVAL;
	err = get_attr(&a, uattr);
	if (err)
		return err;
	if ((s32)a.policy < 0 ||
	    (a.flags & ~(u64)(SCHED_FLAG_RESET_ON_FORK | SCHED_FLAG_KEEP_POLICY | SCHED_FLAG_KEEP_PARAMS)))
		return -EINVAL;
	r.policy = a.flags & SCHED_FLAG_KEEP_POLICY ? -1 : (int)a.policy;
	r.keep_params = a.flags & SCHED_FLAG_KEEP_PARAMS;
	r.reset_on_fork = a.flags & SCHED_FLAG_RESET_ON_FORK;
	r.nice = MIN(a.nice, NICE_MAX);
	r.nice = MAX(r.nice, NICE_MIN);
	r.priority = a.priority;
	return change(pid, &r);
}

SYSCALL4(sched_getattr, s32, pid, struct sched_attr __user *, uattr, u32, size, u32, flags)
{
	struct sched_attr a = {.size = MIN(size, (u32)sizeof(a))};
	struct task *t;

	if (!uattr || pid < 0 || size > PAGE_SIZE || size < SCHED_ATTR_SIZE_VER0 || flags)
		return -EINVAL;
	t = task_of(pid);
	if (!t)
		return -ESRCH;
	a.policy = (u32)(t->policy & ~SCHED_RESET_ON_FORK);
	a.flags = t->policy & SCHED_RESET_ON_FORK ? SCHED_FLAG_RESET_ON_FORK : 0;
	a.nice = policy_is_rt((int)a.policy) ? 0 : t->nice;
	a.priority = (u32)t->rt_priority;
	a.util_max = 1024;
	task_put(t);
	return copy_to_user(uattr, &a, a.size);
}

SYSCALL1(sched_get_priority_max, int, policy)
{
	if (policy_is_rt(policy))
		return RT_PRIORITY_MAX;
	return policy == SCHED_NORMAL || policy == SCHED_BATCH || policy == SCHED_IDLE || policy == SCHED_DEADLINE
		       ? 0
		       : -EINVAL;
}

SYSCALL1(sched_get_priority_min, int, policy)
{
	if (policy_is_rt(policy))
		return 1;
	return policy == SCHED_NORMAL || policy == SCHED_BATCH || policy == SCHED_IDLE || policy == SCHED_DEADLINE
		       ? 0
		       : -EINVAL;
}

SYSCALL2(sched_rr_get_interval, s32, pid, struct timespec64 __user *, interval)
{
	struct timespec64 ts;
	struct task *t;
	int policy;

	if (pid < 0)
		return -EINVAL;
	t = task_of(pid);
	if (!t)
		return -ESRCH;
	policy = t->policy & ~SCHED_RESET_ON_FORK;
	task_put(t);
	ts = ns_to_timespec64(policy == SCHED_FIFO ? 0 : policy == SCHED_RR ? RR_SLICE_NS : SCHED_SLICE_NS);
	return put_user(ts, interval);
}

SYSCALL0(sched_yield)
{
	sched_yield_cpu();
	return 0;
}

/* ---- which vCPUs ---- */

SYSCALL3(sched_setaffinity, s32, pid, u32, len, const void __user *, umask)
{
	struct task *t;
	u64 mask = 0;
	int err = 0;

	if (copy_from_user(&mask, umask, MIN(len, (u32)sizeof(mask))))
		return -EFAULT;
	t = task_of(pid);
	if (!t)
		return -ESRCH;
	if (!may_change(t))
		err = -EPERM;
	mask &= cpu_online_mask();
	if (!err && !mask)
		err = -EINVAL;
	if (!err)
		sched_set_affinity(t, mask);
	task_put(t);
	return err;
}

SYSCALL3(sched_getaffinity, s32, pid, u32, len, void __user *, umask)
{
	struct task *t;
	u64 mask;

	if ((len & (sizeof(mask) - 1)) || len * 8ull < nr_cpus)
		return -EINVAL;
	t = task_of(pid);
	if (!t)
		return -ESRCH;
	mask = READ_ONCE(t->cpus_allowed) & cpu_online_mask();
	task_put(t);
	return copy_to_user(umask, &mask, sizeof(mask)) ? -EFAULT : (long)sizeof(mask);
}

SYSCALL3(getcpu, u32 __user *, cpu, u32 __user *, node, void __user *, unused)
{
	u32 id = smp_id(), zero = 0;

	if (cpu && put_user(id, cpu))
		return -EFAULT;
	if (node && put_user(zero, node))
		return -EFAULT;
	return 0;
}
