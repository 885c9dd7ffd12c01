/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prctl: the many small attributes of threads and processes. Capability sets are in prctl_caps(), seccomp in seccomp.c.
 */
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/mm.h>
#include <gk/seccomp.h>
#include <gk/signal.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/uaccess.h>

#define PR_SET_PDEATHSIG 1
#define PR_GET_PDEATHSIG 2
#define PR_GET_DUMPABLE 3
#define PR_SET_DUMPABLE 4
#define PR_GET_KEEPCAPS 7
#define PR_SET_KEEPCAPS 8
#define PR_GET_TIMING 13
#define PR_SET_TIMING 14
#define PR_SET_NAME 15
#define PR_GET_NAME 16
#define PR_GET_SECCOMP 21
#define PR_SET_SECCOMP 22
#define PR_CAPBSET_READ 23
#define PR_CAPBSET_DROP 24
#define PR_GET_TSC 25
#define PR_SET_TSC 26
#define PR_GET_SECUREBITS 27
#define PR_SET_SECUREBITS 28
#define PR_SET_TIMERSLACK 29
#define PR_GET_TIMERSLACK 30
#define PR_TASK_PERF_EVENTS_DISABLE 31
#define PR_TASK_PERF_EVENTS_ENABLE 32
#define PR_MCE_KILL_GET 34
#define PR_SET_MM 35
#define PR_SET_CHILD_SUBREAPER 36
#define PR_GET_CHILD_SUBREAPER 37
#define PR_SET_NO_NEW_PRIVS 38
#define PR_GET_NO_NEW_PRIVS 39
#define PR_GET_TID_ADDRESS 40
#define PR_SET_THP_DISABLE 41
#define PR_GET_THP_DISABLE 42
#define PR_CAP_AMBIENT 47
#define PR_GET_SPECULATION_CTRL 52
#define PR_SET_SPECULATION_CTRL 53
#define PR_SET_VMA 0x53564d41
#define PR_SET_PTRACER 0x59616d61

#define PR_TSC_ENABLE 1
#define PR_CAP_AMBIENT_IS_SET 1
#define PR_CAP_AMBIENT_RAISE 2
#define PR_CAP_AMBIENT_LOWER 3
#define PR_CAP_AMBIENT_CLEAR_ALL 4

/* ---- capabilities ---- */

static long commit(struct cred *new, long ret)
{
	if (ret)
		cred_put(new);
	else
		cred_commit(new);
	return ret;
}

static long drop_bounding(u64 cap)
{
	struct cred *new;

	if (!capable(CAP_SETPCAP))
		return -EPERM;
	if (cap > CAP_LAST)
		return -EINVAL;
	new = cred_prepare();
	if (!new)
		return -ENOMEM;
	new->cap_bset &= ~(1ull << cap);
	return commit(new, 0);
}

/* Each bit of securebits has a bit next to it that locks it. */
#define SECUREBITS_ALL 0xff
#define SECUREBITS_LOCKS 0xaa

static long set_securebits(u64 bits)
{
	u32 old = current->cred->securebits;
	u32 locked = (old & SECUREBITS_LOCKS) >> 1;
	struct cred *new;

	if (((locked & (old ^ (u32)bits)) | (old & SECUREBITS_LOCKS & ~(u32)bits)) || (bits & ~(u64)SECUREBITS_ALL) ||
	    !capable(CAP_SETPCAP))
		return -EPERM;
	new = cred_prepare();
	if (!new)
		return -ENOMEM;
	new->securebits = (u32)bits;
	return commit(new, 0);
}

static long set_keepcaps(u64 on)
{
	struct cred *new;

	if (on > 1)
		return -EINVAL;
	if (current->cred->securebits & SECURE_KEEP_CAPS_LOCKED)
		return -EPERM;
	new = cred_prepare();
	if (!new)
		return -ENOMEM;
	new->securebits &= ~SECURE_KEEP_CAPS;
	if (on)
		new->securebits |= SECURE_KEEP_CAPS;
	return commit(new, 0);
}

static long prctl_ambient(u64 op, u64 cap, u64 a4, u64 a5)
{
	const struct cred *c = current->cred;
	struct cred *new;
	u64 bit;

	if (a4 || a5 || (op == PR_CAP_AMBIENT_CLEAR_ALL ? cap != 0 : cap > CAP_LAST))
		return -EINVAL;
	bit = op == PR_CAP_AMBIENT_CLEAR_ALL ? CAP_FULL : 1ull << cap;
	switch (op) {
	case PR_CAP_AMBIENT_IS_SET:
		return !!(c->cap_ambient & bit);
	case PR_CAP_AMBIENT_RAISE:
		if (!(c->cap_permitted & c->cap_inheritable & bit) || (c->securebits & SECURE_NO_CAP_AMBIENT_RAISE))
			return -EPERM;
		break;
	case PR_CAP_AMBIENT_LOWER:
	case PR_CAP_AMBIENT_CLEAR_ALL:
		break;
	default:
		return -EINVAL;
	}
	new = cred_prepare();
	if (!new)
		return -ENOMEM;
	if (op == PR_CAP_AMBIENT_RAISE)
		new->cap_ambient |= bit;
	else
		new->cap_ambient &= ~bit;
	return commit(new, 0);
}

/* ---- names and memory ---- */

static long set_name(u64 uname)
{
	char name[TASK_COMM_LEN];
	ssize_t n = strncpy_from_user(name, (const char __user *)uname, sizeof(name) - 1);

	if (n < 0 && n != -ENAMETOOLONG)
		return n;
	name[n < 0 ? (ssize_t)sizeof(name) - 1 : n] = 0;
	memset(current->comm, 0, sizeof(current->comm));
	strscpy(current->comm, name, sizeof(current->comm));
	return 0;
}

/* PR_SET_MM: where a program's parts lie, which only /proc reports. */
static u64 *mm_field(struct mm *mm, u64 which)
{
	switch (which) {
	case 1:
		return &mm->start_code;
	case 2:
		return &mm->end_code;
	case 3:
		return &mm->start_data;
	case 4:
		return &mm->end_data;
	case 5:
		return &mm->start_stack;
	case 6:
		return &mm->start_brk;
	case 7:
		return &mm->brk;
	case 8:
		return &mm->arg_start;
	case 9:
		return &mm->arg_end;
	case 10:
		return &mm->env_start;
	case 11:
		return &mm->env_end;
	default:
		return NULL;
	}
}

static long set_mm(u64 which, u64 addr, u64 a4, u64 a5)
{
	u64 *field = mm_field(current->mm, which);

	if (a5 || a4 || !field)
		return -EINVAL;
	if (!capable(CAP_SYS_RESOURCE))
		return -EPERM;
	if (!access_ok(addr, 1))
		return -EINVAL;
	down_write(&current->mm->mmap_lock);
	*field = addr;
	up_write(&current->mm->mmap_lock);
	return 0;
}

/* PR_SET_VMA_ANON_NAME: names of anonymous memory. Checked, and forgotten: /proc/PID/maps does not show them. */
static long set_vma(u64 op, u64 addr, u64 len)
{
	if (op != 0 || (addr & ~PAGE_MASK))
		return -EINVAL;
	return access_ok(addr, len) ? 0 : -ENOMEM;
}

/* ---- the call ---- */

static long get_into(u64 uptr, s32 value)
{
	return put_user(value, (s32 __user *)uptr);
}

static long set_process(struct process *p, int option, u64 arg)
{
	if (option == PR_SET_DUMPABLE) {
		if (arg > 1)
			return -EINVAL;
		p->dumpable = (int)arg;
	} else {
		p->child_subreaper = arg != 0;
	}
	return 0;
}

static long prctl_task(int option, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct task *t = current;

	switch (option) {
	case PR_SET_PDEATHSIG:
		if (a2 > NSIG)
			return -EINVAL;
		t->pdeath_signal = (int)a2;
		return 0;
	case PR_GET_PDEATHSIG:
		return get_into(a2, t->pdeath_signal);
	case PR_SET_NAME:
		return set_name(a2);
	case PR_GET_NAME:
		return copy_to_user((char __user *)a2, t->comm, sizeof(t->comm));
	case PR_SET_TIMERSLACK:
		t->timer_slack_ns = (s64)a2 <= 0 ? t->default_slack_ns : a2;
		return 0;
	case PR_GET_TIMERSLACK:
		return (long)t->timer_slack_ns;
	case PR_SET_NO_NEW_PRIVS:
		if (a2 != 1 || a3 || a4 || a5)
			return -EINVAL;
		t->no_new_privs = true;
		return 0;
	case PR_GET_NO_NEW_PRIVS:
		return a2 || a3 || a4 || a5 ? -EINVAL : t->no_new_privs;
	case PR_GET_TID_ADDRESS:
		return put_user(t->clear_child_tid, (u64 __user *)a2);
	case PR_GET_SECCOMP:
		return t->seccomp_mode;
	case PR_SET_SECCOMP:
		return seccomp_prctl(a2, a3);
	default:
		return -ENOSYS;
	}
}

static long prctl_cred(int option, u64 a2, u64 a3, u64 a4, u64 a5)
{
	const struct cred *c = current->cred;

	switch (option) {
	case PR_GET_KEEPCAPS:
		return !!(c->securebits & SECURE_KEEP_CAPS);
	case PR_SET_KEEPCAPS:
		return set_keepcaps(a2);
	case PR_CAPBSET_READ:
		return a2 > CAP_LAST ? -EINVAL : (long)(c->cap_bset >> a2 & 1);
	case PR_CAPBSET_DROP:
		return drop_bounding(a2);
	case PR_GET_SECUREBITS:
		return c->securebits;
	case PR_SET_SECUREBITS:
		return set_securebits(a2);
	case PR_CAP_AMBIENT:
		return prctl_ambient(a2, a3, a4, a5);
	default:
		return -ENOSYS;
	}
}

static long prctl_process(int option, u64 a2, u64 a3, u64 a4, u64 a5)
{
	struct process *p = current->process;

	switch (option) {
	case PR_GET_DUMPABLE:
		return p->dumpable;
	case PR_SET_DUMPABLE:
	case PR_SET_CHILD_SUBREAPER:
		return set_process(p, option, a2);
	case PR_GET_CHILD_SUBREAPER:
		return get_into(a2, p->child_subreaper);
	case PR_SET_MM:
		return set_mm(a2, a3, a4, a5);
	case PR_SET_VMA:
		return set_vma(a2, a3, a4);
	case PR_SET_THP_DISABLE:
		return a3 || a4 || a5 ? -EINVAL : 0;
	case PR_GET_THP_DISABLE:
		return a2 || a3 || a4 || a5 ? -EINVAL : 0;
	case PR_GET_TSC:
		return get_into(a2, PR_TSC_ENABLE);
	case PR_SET_TSC: /* the counter cannot be taken away */
		return a2 == PR_TSC_ENABLE ? 0 : -EINVAL;
	case PR_GET_TIMING:
	case PR_TASK_PERF_EVENTS_DISABLE:
	case PR_TASK_PERF_EVENTS_ENABLE:
	case PR_SET_PTRACER: /* tracing is not restricted to descendants here */
		return 0;
	case PR_SET_TIMING:
		return a2 ? -EINVAL : 0;
	case PR_MCE_KILL_GET:
		return a2 || a3 || a4 || a5 ? -EINVAL : 2; /* the default policy */
	case PR_GET_SPECULATION_CTRL:
		return a3 || a4 || a5 ? -EINVAL : -ENODEV;
	case PR_SET_SPECULATION_CTRL:
		return a4 || a5 ? -EINVAL : -ENODEV;
	default:
		return -EINVAL;
	}
}

SYSCALL5(prctl, int, option, u64, a2, u64, a3, u64, a4, u64, a5)
{
	long ret = prctl_task(option, a2, a3, a4, a5);

	if (ret == -ENOSYS)
		ret = prctl_cred(option, a2, a3, a4, a5);
	if (ret == -ENOSYS)
		ret = prctl_process(option, a2, a3, a4, a5);
	return ret;
}
