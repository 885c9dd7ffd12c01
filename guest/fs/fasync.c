/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals for files that become ready: owners (F_SETOWN), the signal's number (F_SETSIG), and who has asked (O_ASYNC).
 *
 * Few files have an owner, so what belongs to it is allocated when one is first named and stays until the file goes.
 * fasync_lock protects owners and lists; signals are sent under it, so it is outside task_lock.
 */
#include <gk/fasync.h>
#include <gk/poll.h>
#include <gk/signal.h>
#include <gk/task.h>
#include "internal.h"

#define F_SETSIG 10
#define F_GETSIG 11
#define F_SETOWN_EX 15
#define F_GETOWN_EX 16
#define F_GETOWNER_UIDS 17

enum owner_type { OWNER_TID, OWNER_PID, OWNER_PGRP }; /* as F_OWNER_* */

struct f_owner_ex {
	s32 type, pid;
};

struct fasync {
	struct file *file;
	struct pid *pid; /* reference; NULL: nobody */
	enum owner_type type;
	kuid_t uid, euid; /* of who named the owner */
	int sig;	  /* 0: SIGIO */
	int fd;
	struct fasync_list *list; /* where it is, or NULL */
	struct fasync *next;
};

static spinlock_t fasync_lock;

/* What belongs to the owner of @f; NULL: no memory. */
static struct fasync *own_of(struct file *f)
{
	struct fasync *o = smp_load_acquire(&f->own), *fresh;

	if (o)
		return o;
	fresh = kzalloc(sizeof(*fresh));
	if (!fresh)
		return NULL;
	fresh->file = f;
	fresh->type = OWNER_PID;
	if (atomic_try_cmpxchg(&f->own, &o, fresh))
		return fresh;
	kfree(fresh);
	return o;
}

/* ---- owners ---- */

/* @pid: reference consumed. @force: also if there is one. */
static void set_owner(struct fasync *o, struct pid *pid, enum owner_type type, bool force)
{
	struct pid *old = pid;

	spin_lock(&fasync_lock);
	if (force || !o->pid) {
		old = o->pid;
		o->pid = pid;
		o->type = type;
		o->uid = current->cred->uid;
		o->euid = current->cred->euid;
	}
	spin_unlock(&fasync_lock);
	pid_put(old);
}

static int name_owner(struct file *f, s32 nr, enum owner_type type)
{
	struct fasync *o = own_of(f);
	struct pid *pid = NULL;

	if (!o)
		return -ENOMEM;
	if (nr) {
		pid = find_get_pid(nr);
		if (!pid)
			return -ESRCH;
	}
	set_owner(o, pid, type, true);
	return 0;
}

int fown_set(struct file *f, s32 who)
{
	if (who == (s32)0x80000000)
		return -EINVAL;
	return who < 0 ? name_owner(f, -who, OWNER_PGRP) : name_owner(f, who, OWNER_PID);
}

void fown_set_default(struct file *f, struct pid *pid, bool group)
{
	struct fasync *o = own_of(f);

	if (o)
		set_owner(o, pid_get(pid), group ? OWNER_PGRP : OWNER_PID, false);
}

/* task_lock held. Does the owner still exist? */
static bool is_there(const struct fasync *o)
{
	if (!o->pid)
		return false;
	if (o->type == OWNER_PGRP)
		return !list_empty(&o->pid->pgrp);
	return o->type == OWNER_PID ? o->pid->process != NULL : o->pid->task != NULL;
}

static struct f_owner_ex get_owner(struct file *f)
{
	struct fasync *o = smp_load_acquire(&f->own);
	struct f_owner_ex out = {OWNER_PID, 0};

	if (!o)
		return out;
	spin_lock(&fasync_lock);
	spin_lock(&task_lock);
	out.type = (s32)o->type;
	if (is_there(o))
		out.pid = o->pid->nr;
	spin_unlock(&task_lock);
	spin_unlock(&fasync_lock);
	return out;
}

s32 fown_get(struct file *f)
{
	const struct f_owner_ex o = get_owner(f);

	return o.type == OWNER_PGRP ? -o.pid : o.pid;
}

static long set_owner_ex(struct file *f, const struct f_owner_ex __user *u)
{
	struct f_owner_ex o;

	if (copy_from_user(&o, u, sizeof(o)))
		return -EFAULT;
	if (o.type < OWNER_TID || o.type > OWNER_PGRP)
		return -EINVAL;
	return o.pid < 0 ? -ESRCH : name_owner(f, o.pid, (enum owner_type)o.type);
}

static long get_owner_uids(struct file *f, u32 __user *u)
{
	const struct fasync *o = smp_load_acquire(&f->own);
	const u32 ids[2] = {o ? o->uid : 0, o ? o->euid : 0};

	return copy_to_user(u, ids, sizeof(ids));
}

long fown_fcntl(struct file *f, u32 cmd, u64 arg)
{
	struct f_owner_ex ex;
	struct fasync *o;

	switch (cmd) {
	case F_SETOWN_EX:
		return set_owner_ex(f, (const struct f_owner_ex __user *)arg);
	case F_GETOWN_EX:
		ex = get_owner(f);
		return copy_to_user((struct f_owner_ex __user *)arg, &ex, sizeof(ex));
	case F_GETOWNER_UIDS:
		return get_owner_uids(f, (u32 __user *)arg);
	case F_SETSIG:
		if (arg > NSIG)
			return -EINVAL;
		o = own_of(f);
		if (!o)
			return -ENOMEM;
		WRITE_ONCE(o->sig, (int)arg);
		return 0;
	case F_GETSIG:
		o = smp_load_acquire(&f->own);
		return o ? o->sig : 0;
	}
	return -EINVAL;
}

/* ---- sending: fasync_lock and task_lock held ---- */

/* May who named the owner send it signals? */
static bool may_tell(const struct fasync *o, const struct task *t)
{
	const struct cred *c = t->cred;

	return o->euid == 0 || o->euid == c->suid || o->euid == c->uid || o->uid == c->suid || o->uid == c->uid;
}

static bool has_codes_of_its_own(int sig)
{
	return sig == SIGILL || sig == SIGFPE || sig == SIGSEGV || sig == SIGBUS || sig == SIGTRAP || sig == SIGCHLD ||
	       sig == SIGSYS;
}

static void tell_task(const struct fasync *o, struct task *t, int what)
{
	static const u16 bands[] = {
		[FASYNC_IN] = EPOLLIN | EPOLLRDNORM,
		[FASYNC_OUT] = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND,
		[FASYNC_MSG] = EPOLLIN | EPOLLRDNORM | EPOLLMSG,
		[FASYNC_ERR] = EPOLLERR,
		[FASYNC_PRI] = EPOLLPRI | EPOLLRDBAND,
		[FASYNC_HUP] = EPOLLHUP | EPOLLERR,
	};
	struct siginfo info = {.si_signo = o->sig, .si_code = has_codes_of_its_own(o->sig) ? SI_SIGIO : what};
	const bool one = o->type == OWNER_TID;

	if (!may_tell(o, t))
		return;
	if (o->sig) {
		info.poll.band = bands[what];
		info.poll.fd = o->fd;
		if (!(one ? send_signal_task(o->sig, &info, t) : send_signal_process(o->sig, &info, t->process)))
			return;
	}
	/* Nothing was asked for, or there was no room in the queue. */
	if (one)
		send_signal_task(SIGIO, NULL, t);
	else
		send_signal_process(SIGIO, NULL, t->process);
}

static void tell_urgent(const struct fasync *o, struct task *t, int what)
{
	if (!may_tell(o, t))
		return;
	if (o->type == OWNER_TID)
		send_signal_task(SIGURG, NULL, t);
	else
		send_signal_process(SIGURG, NULL, t->process);
}

static void tell(const struct fasync *o, void (*how)(const struct fasync *o, struct task *t, int what), int what)
{
	struct process *p;

	if (!is_there(o))
		return;
	if (o->type == OWNER_TID) {
		how(o, o->pid->task, what);
	} else if (o->type == OWNER_PID) {
		how(o, o->pid->process->leader, what);
	} else {
		list_for_each_entry(p, &o->pid->pgrp, pgrp_link)
			how(o, p->leader, what);
	}
}

void fasync_notify_slow(struct fasync_list *l, int what)
{
	const struct fasync *o;

	spin_lock(&fasync_lock);
	spin_lock(&task_lock);
	for (o = l->first; o; o = o->next) {
		const u32 fmode = o->file->fmode;

		if ((what == FASYNC_IN && !(fmode & FMODE_READ)) || (what == FASYNC_OUT && !(fmode & FMODE_WRITE)))
			continue;
		tell(o, tell_task, what);
	}
	spin_unlock(&task_lock);
	spin_unlock(&fasync_lock);
}

void fown_urgent(struct file *f)
{
	const struct fasync *o;

	if (!READ_ONCE(f->own))
		return;
	spin_lock(&fasync_lock);
	o = smp_load_acquire(&f->own); /* the file may be going: fasync_release() */
	if (o) {
		spin_lock(&task_lock);
		tell(o, tell_urgent, 0);
		spin_unlock(&task_lock);
	}
	spin_unlock(&fasync_lock);
}

/* ---- who has asked ---- */

/* fasync_lock held. */
static void unlink_fasync(struct fasync *o)
{
	struct fasync **p;

	if (!o->list)
		return;
	for (p = &o->list->first; *p != o; p = &(*p)->next)
		;
	WRITE_ONCE(*p, o->next);
	o->list = NULL;
}

int fasync_join(int fd, struct file *f, struct fasync_list *l)
{
	struct fasync *o = own_of(f);

	if (!o)
		return -ENOMEM;
	spin_lock(&fasync_lock);
	unlink_fasync(o);
	if (l) {
		o->fd = fd;
		o->list = l;
		o->next = l->first;
		WRITE_ONCE(l->first, o);
	}
	spin_unlock(&fasync_lock);
	return 0;
}

int fasync_set(int fd, struct file *f, bool on)
{
	struct fasync_list *l = f->ops->fasync ? f->ops->fasync(f) : NULL;

	return l ? fasync_join(fd, f, on ? l : NULL) : 0;
}

void fasync_release(struct file *f)
{
	struct fasync *o = f->own;

	if (!o)
		return;
	spin_lock(&fasync_lock);
	unlink_fasync(o);
	WRITE_ONCE(f->own, NULL);
	spin_unlock(&fasync_lock);
	pid_put(o->pid);
	kfree(o);
}
