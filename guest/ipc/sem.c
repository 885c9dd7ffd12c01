/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System V semaphores. A set's operations are under its spin lock. A call that cannot be done at once leaves itself in
 * the set's list; who changes the set then does for the sleepers, first come first served, what has become possible,
 * and wakes them with the result: a sleeper never has to try again.
 *
 * SEM_UNDO adjustments hang on the process (struct sem_undo) and on the set; both lists are under undo_lock >
 * set->lock.
 */
#include "ipc/ipc.h"

#include <gk/fs.h>
#include <gk/pseudo.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/time.h>

#define SEM_UNDO 0x1000
#define GETPID 11
#define GETVAL 12
#define GETALL 13
#define GETNCNT 14
#define GETZCNT 15
#define SETVAL 16
#define SETALL 17
#define SEM_STAT 18
#define SEM_INFO 19
#define SEM_STAT_ANY 20
#define SEMMNI 32000
#define SEMOPM_MAX 32000
#define SEMVMX 32767

struct sem {
	s32 val, pid; /* set->lock */
};

struct sem_set {
	struct ipc_obj obj;
	spinlock_t lock;
	s64 otime, ctime;	   /* lock */
	struct list_head sleepers; /* lock */
	struct list_head undos;	   /* undo_lock */
	u32 n;
	struct sem sem[];
};

struct sembuf {
	u16 num;
	s16 op, flags;
};

/* One process' adjustments to one set. */
struct sem_undo {
	struct list_head process_link, set_link; /* undo_lock */
	struct sem_set *set;			 /* reference */
	s16 adj[];				 /* set->lock */
};

/* What struct process points to. */
struct sem_undo_list {
	struct list_head list; /* undo_lock */
};

struct sleeper {
	struct list_head link; /* set->lock; empty once done */
	struct task *task;
	const struct sembuf *ops;
	u32 n;
	s32 pid;
	struct sem_undo *undo;
	u32 blocked_on; /* set->lock: index in ops */
	int result;	/* 1: not yet */
};

struct semid64_ds {
	struct ipc64_perm perm;
	s64 otime;
	u64 unused1;
	s64 ctime;
	u64 unused2, nsems, unused3, unused4;
};
_Static_assert(sizeof(struct semid64_ds) == 104, "struct semid64_ds");

struct seminfo {
	s32 semmap, semmni, semmns, semmnu, semmsl, semopm, semume, semusz, semvmx, semaem;
};

static struct ipc_ids sem_ids;
/* /proc/sys/kernel/sem: in a set, in all, operations in a call; the fourth is sem_ids.limit. */
static u32 sem_msl = 32000, sem_mns = 1024000000, sem_opm = 500;
static u32 sems_in_use; /* sem_ids.mutex */
static spinlock_t undo_lock;

static struct sem_set *set_of(struct ipc_obj *o)
{
	return container_of(o, struct sem_set, obj);
}

static void sem_free(struct ipc_obj *o)
{
	kfree(set_of(o));
}

/* ---- operations: set->lock held ---- */

/*
 * Tries all of @ops: 0 done, 1 would block (*at: on which), -EAGAIN (IPC_NOWAIT), -ERANGE, -EFBIG never. All or
 * nothing.
 */
static int try_ops(struct sem_set *s, const struct sembuf *ops, u32 n, s32 pid, struct sem_undo *undo, u32 *at)
{
	u32 i;
	int ret = 0;

	for (i = 0; i < n; i++) {
		struct sem *sem = &s->sem[ops[i].num];
		s32 val = sem->val + ops[i].op;

		if ((!ops[i].op && sem->val) || val < 0) {
			ret = ops[i].flags & IPC_NOWAIT ? -EAGAIN : 1;
			break;
		}
		if (val > SEMVMX) {
			ret = -ERANGE;
			break;
		}
		if (ops[i].flags & SEM_UNDO) {
			s32 adj = undo->adj[ops[i].num] - ops[i].op;

			if (adj < -SEMVMX - 1 || adj > SEMVMX) {
				ret = -ERANGE;
				break;
			}
			undo->adj[ops[i].num] = (s16)adj;
		}
		sem->val = val;
	}
	if (!ret) {
		for (u32 k = 0; k < n; k++)
			s->sem[ops[k].num].pid = pid;
		s->otime = ipc_now();
		return 0;
	}
	*at = i;
	while (i--) {
		s->sem[ops[i].num].val -= ops[i].op;
		if (ops[i].flags & SEM_UNDO)
			undo->adj[ops[i].num] += ops[i].op;
	}
	return ret;
}

/* The sleeper's stack may go as soon as it sees the result, but it takes the lock before it returns. */
static void finish(struct sleeper *w, int result)
{
	list_del(&w->link);
	w->result = result;
	wake_up_task(w->task);
}

/* The set has changed. */
static void run_sleepers(struct sem_set *s)
{
	struct sleeper *w, *n;
	bool again;
	int ret;

	do {
		again = false;
		list_for_each_entry_safe(w, n, &s->sleepers, link) {
			ret = try_ops(s, w->ops, w->n, w->pid, w->undo, &w->blocked_on);
			if (ret == 1)
				continue;
			finish(w, ret);
			again |= ret == 0;
		}
	} while (again);
}

/* ---- undo ---- */

/* The process' list, made at need. */
static struct sem_undo_list *undo_list(struct process *p)
{
	struct sem_undo_list *l = READ_ONCE(p->sem_undo), *fresh;

	if (l)
		return l;
	fresh = kzalloc(sizeof(*fresh));
	if (!fresh)
		return NULL;
	list_init(&fresh->list);
	spin_lock(&undo_lock);
	if (!p->sem_undo)
		WRITE_ONCE(p->sem_undo, fresh);
	l = p->sem_undo;
	spin_unlock(&undo_lock);
	if (l != fresh)
		kfree(fresh);
	return l;
}

/* undo_lock held. */
static struct sem_undo *find_undo(struct sem_undo_list *l, const struct sem_set *s)
{
	struct sem_undo *u;

	list_for_each_entry(u, &l->list, process_link) {
		if (u->set == s)
			return u;
	}
	return NULL;
}

/* Current's adjustments to @s, made at need; lives until the set is removed or the process exits. NULL: no memory. */
static struct sem_undo *get_undo(struct sem_set *s)
{
	struct sem_undo_list *l = undo_list(current->process);
	struct sem_undo *u, *fresh;

	if (!l)
		return NULL;
	fresh = kzalloc(sizeof(*fresh) + s->n * sizeof(fresh->adj[0]));
	if (!fresh)
		return NULL;
	spin_lock(&undo_lock);
	u = find_undo(l, s);
	if (!u) {
		u = fresh;
		fresh = NULL;
		refcount_inc(&s->obj.refs);
		u->set = s;
		list_add(&u->process_link, &l->list);
		list_add(&u->set_link, &s->undos);
	}
	spin_unlock(&undo_lock);
	kfree(fresh);
	return u;
}

static void apply_undo(struct sem_set *s, const struct sem_undo *u, s32 pid)
{
	spin_lock(&s->lock);
	for (u32 i = 0; i < s->n && !s->obj.removed; i++) {
		s32 val = s->sem[i].val + u->adj[i];

		if (!u->adj[i])
			continue;
		s->sem[i].val = val < 0 ? 0 : MIN(val, SEMVMX);
		s->sem[i].pid = pid;
	}
	s->otime = ipc_now();
	run_sleepers(s);
	spin_unlock(&s->lock);
}

void sysv_exit_process(struct process *p)
{
	struct sem_undo_list *l = p->sem_undo;
	struct sem_undo *u;
	struct sem_set *s;

	if (!l)
		return;
	for (;;) {
		spin_lock(&undo_lock);
		u = list_first_entry_or_null(&l->list, struct sem_undo, process_link);
		if (u) {
			list_del(&u->process_link);
			list_del(&u->set_link);
		}
		spin_unlock(&undo_lock);
		if (!u)
			break;
		s = u->set;
		apply_undo(s, u, p->pid->nr);
		kfree(u);
		ipc_put(&sem_ids, &s->obj);
	}
	p->sem_undo = NULL;
	kfree(l);
}

/* SETVAL, SETALL: nobody undoes what was before. set->lock not held. */
static void clear_undos(struct sem_set *s, s32 num)
{
	struct sem_undo *u;

	spin_lock(&undo_lock);
	spin_lock(&s->lock);
	list_for_each_entry(u, &s->undos, set_link) {
		if (num >= 0)
			u->adj[num] = 0;
		else
			memset(u->adj, 0, s->n * sizeof(u->adj[0]));
	}
	spin_unlock(&s->lock);
	spin_unlock(&undo_lock);
}

static void drop_undos(struct sem_set *s)
{
	struct sem_undo *u;

	for (;;) {
		spin_lock(&undo_lock);
		u = list_first_entry_or_null(&s->undos, struct sem_undo, set_link);
		if (u) {
			list_del(&u->process_link);
			list_del(&u->set_link);
		}
		spin_unlock(&undo_lock);
		if (!u)
			return;
		kfree(u);
		ipc_put(&sem_ids, &s->obj);
	}
}

/* ---- semget ---- */

struct sem_args {
	s32 n;
};

static struct ipc_obj *sem_make(void *arg)
{
	const struct sem_args *a = arg;
	struct sem_set *s;

	if (!a->n)
		return ERR_PTR(-EINVAL);
	if (sems_in_use + (u32)a->n > sem_mns)
		return ERR_PTR(-ENOSPC);
	s = kzalloc(sizeof(*s) + (u32)a->n * sizeof(s->sem[0]));
	if (!s)
		return ERR_PTR(-ENOMEM);
	s->n = (u32)a->n;
	sems_in_use += s->n;
	s->ctime = ipc_now();
	list_init(&s->sleepers);
	list_init(&s->undos);
	return &s->obj;
}

static int sem_check(struct ipc_obj *o, void *arg)
{
	const struct sem_args *a = arg;

	return (u32)a->n > set_of(o)->n ? -EINVAL : 0;
}

SYSCALL3(semget, s32, key, s32, n, u32, flags)
{
	struct sem_args args = {n};

	if (n < 0 || (u32)n > READ_ONCE(sem_msl))
		return -EINVAL;
	return ipc_get(&sem_ids, key, flags, sem_make, sem_check, &args);
}

/* ---- semop ---- */

/* set->lock held on entry and return. Sleeps until somebody has done it for us: the result. */
static int sleep_for(struct sem_set *s, struct sleeper *w, ktime_t deadline)
{
	int slept = 1;

	list_add_tail(&w->link, &s->sleepers);
	while (w->result == 1) {
		set_current_state(TASK_INTERRUPTIBLE);
		spin_unlock(&s->lock);
		slept = signal_pending() ? -EINTR : schedule_until(deadline);
		spin_lock(&s->lock);
		set_current_state(TASK_RUNNING);
		if (w->result != 1)
			break;
		if (slept == 0 || signal_pending()) {
			list_del(&w->link);
			return slept == 0 ? -EAGAIN : -EINTR;
		}
	}
	return w->result;
}

static long do_ops(struct sem_set *s, const struct sembuf *ops, u32 n, ktime_t deadline)
{
	struct sleeper w = {.task = current, .ops = ops, .n = n, .pid = task_tgid_nr(current), .result = 1};
	bool alter = false;
	long ret;
	u32 i;

	for (i = 0; i < n; i++) {
		if (ops[i].num >= s->n)
			return -EFBIG;
		alter |= ops[i].op != 0;
	}
	ret = ipc_access(&s->obj, alter ? 0222 : 0444);
	if (ret)
		return ret;
	for (i = 0; i < n && !w.undo; i++) {
		if (ops[i].flags & SEM_UNDO) {
			w.undo = get_undo(s);
			if (!w.undo)
				return -ENOMEM;
		}
	}
	spin_lock(&s->lock);
	if (s->obj.removed)
		ret = -EIDRM;
	else
		ret = try_ops(s, ops, n, w.pid, w.undo, &w.blocked_on);
	if (!ret && alter)
		run_sleepers(s);
	else if (ret == 1)
		ret = deadline ? sleep_for(s, &w, deadline) : -EAGAIN;
	spin_unlock(&s->lock);
	return ret;
}

static long do_semop(s32 id, const struct sembuf __user *uops, u32 n, ktime_t deadline)
{
	struct sembuf stack[16], *ops = stack;
	struct ipc_obj *o;
	long ret = 0;

	if (!n)
		return -EINVAL;
	if (n > READ_ONCE(sem_opm))
		return -E2BIG;
	if (n > ARRAY_SIZE(stack)) {
		ops = kcalloc(n, sizeof(*ops));
		if (!ops)
			return -ENOMEM;
	}
	if (copy_from_user(ops, uops, n * sizeof(*ops)))
		ret = -EFAULT;
	if (!ret) {
		o = ipc_find(&sem_ids, id, false);
		ret = IS_ERR(o) ? PTR_ERR(o) : do_ops(set_of(o), ops, n, deadline);
		if (!IS_ERR(o))
			ipc_put(&sem_ids, o);
	}
	if (ops != stack)
		kfree(ops);
	return ret;
}

SYSCALL3(semop, s32, id, const struct sembuf __user *, ops, u32, n)
{
	return do_semop(id, ops, n, KTIME_NEVER);
}

SYSCALL4(semtimedop, s32, id, const struct sembuf __user *, ops, u32, n, const struct timespec64 __user *, uts)
{
	ktime_t deadline;
	const int err = timeout_from_user(uts, &deadline);

	return err ? err : do_semop(id, ops, n, deadline);
}

/* ---- semctl ---- */

static long sem_rmid(struct sem_set *s)
{
	struct sleeper *w, *n;

	if (!ipc_remove(&sem_ids, &s->obj))
		return -EIDRM;
	mutex_lock(&sem_ids.mutex);
	sems_in_use -= s->n;
	mutex_unlock(&sem_ids.mutex);
	spin_lock(&s->lock);
	list_for_each_entry_safe(w, n, &s->sleepers, link)
		finish(w, -EIDRM);
	spin_unlock(&s->lock);
	drop_undos(s);
	ipc_put(&sem_ids, &s->obj);
	return 0;
}

static long sem_stat(struct sem_set *s, void __user *buf)
{
	struct semid64_ds ds = {.nsems = s->n};

	ipc_fill_perm(&s->obj, &ds.perm);
	spin_lock(&s->lock);
	ds.otime = s->otime;
	ds.ctime = s->ctime;
	spin_unlock(&s->lock);
	return copy_to_user(buf, &ds, sizeof(ds));
}

static long sem_set_perm(struct sem_set *s, const void __user *buf)
{
	struct semid64_ds ds;

	if (copy_from_user(&ds, buf, sizeof(ds)))
		return -EFAULT;
	ipc_set_perm(&sem_ids, &s->obj, &ds.perm);
	spin_lock(&s->lock);
	s->ctime = ipc_now();
	spin_unlock(&s->lock);
	return 0;
}

static long sem_getall(struct sem_set *s, u16 __user *buf)
{
	u16 *vals = kcalloc(s->n, sizeof(*vals));
	long ret;

	if (!vals)
		return -ENOMEM;
	spin_lock(&s->lock);
	for (u32 i = 0; i < s->n; i++)
		vals[i] = (u16)s->sem[i].val;
	spin_unlock(&s->lock);
	ret = copy_to_user(buf, vals, s->n * sizeof(*vals));
	kfree(vals);
	return ret;
}

static long sem_setall(struct sem_set *s, const u16 __user *buf)
{
	u16 *vals = kcalloc(s->n, sizeof(*vals));
	long ret;

	if (!vals)
		return -ENOMEM;
	ret = copy_from_user(vals, buf, s->n * sizeof(*vals));
	for (u32 i = 0; i < s->n && !ret; i++)
		ret = vals[i] > SEMVMX ? -ERANGE : 0;
	if (!ret) {
		clear_undos(s, -1);
		spin_lock(&s->lock);
		for (u32 i = 0; i < s->n; i++) {
			s->sem[i].val = vals[i];
			s->sem[i].pid = task_tgid_nr(current);
		}
		s->ctime = ipc_now();
		run_sleepers(s);
		spin_unlock(&s->lock);
	}
	kfree(vals);
	return ret;
}

static long sem_setval(struct sem_set *s, s32 num, s32 val)
{
	if (num < 0 || (u32)num >= s->n)
		return -EINVAL;
	if (val < 0 || val > SEMVMX)
		return -ERANGE;
	clear_undos(s, num);
	spin_lock(&s->lock);
	s->sem[num].val = val;
	s->sem[num].pid = task_tgid_nr(current);
	s->ctime = ipc_now();
	run_sleepers(s);
	spin_unlock(&s->lock);
	return 0;
}

/* How many sleepers wait for the semaphore to grow (or to become zero). lock held. */
static long count_sleepers(struct sem_set *s, u32 num, bool zero)
{
	struct sleeper *w;
	long n = 0;

	list_for_each_entry(w, &s->sleepers, link) {
		const struct sembuf *op = &w->ops[w->blocked_on];

		n += op->num == num && (op->op == 0) == zero;
	}
	return n;
}

static long sem_get_one(struct sem_set *s, s32 num, u32 cmd)
{
	long ret;

	if (num < 0 || (u32)num >= s->n)
		return -EINVAL;
	spin_lock(&s->lock);
	if (cmd == GETVAL)
		ret = s->sem[num].val;
	else if (cmd == GETPID)
		ret = s->sem[num].pid;
	else
		ret = count_sleepers(s, (u32)num, cmd == GETZCNT);
	spin_unlock(&s->lock);
	return ret;
}

static long sem_ctl_object(struct sem_set *s, s32 num, u32 cmd, u64 arg)
{
	void __user *buf = (void __user *)arg;
	u32 need = cmd == SETVAL || cmd == SETALL ? 0222 : 0444;
	long ret = cmd == IPC_SET || cmd == IPC_RMID ? ipc_owner(&s->obj)
		   : cmd == SEM_STAT_ANY	     ? 0
						     : ipc_access(&s->obj, need);

	if (ret)
		return ret;
	switch (cmd) {
	case IPC_STAT:
		return sem_stat(s, buf);
	case SEM_STAT:
	case SEM_STAT_ANY:
		ret = sem_stat(s, buf);
		return ret ? ret : s->obj.id;
	case IPC_SET:
		return sem_set_perm(s, buf);
	case IPC_RMID:
		return sem_rmid(s);
	case GETALL:
		return sem_getall(s, buf);
	case SETALL:
		return sem_setall(s, buf);
	case SETVAL:
		return sem_setval(s, num, (s32)arg);
	case GETVAL:
	case GETPID:
	case GETNCNT:
	case GETZCNT:
		return sem_get_one(s, num, cmd);
	}
	return -EINVAL;
}

static long sem_info(u32 cmd, void __user *buf)
{
	struct seminfo si = {(s32)sem_mns, (s32)sem_ids.limit, (s32)sem_mns, (s32)sem_mns, (s32)sem_msl,
			     (s32)sem_opm, (s32)sem_opm,       20,	     SEMVMX,	   SEMVMX};
	long top;

	mutex_lock(&sem_ids.mutex);
	top = (long)sem_ids.top - 1;
	if (cmd == SEM_INFO) {
		si.semusz = (s32)sem_ids.used;
		si.semaem = 0;
		for (u32 i = 0; i < sem_ids.top; i++)
			si.semaem += sem_ids.table[i] ? (s32)set_of(sem_ids.table[i])->n : 0;
	}
	mutex_unlock(&sem_ids.mutex);
	return copy_to_user(buf, &si, sizeof(si)) ? -EFAULT : MAX(top, 0l);
}

SYSCALL4(semctl, s32, id, s32, num, u32, cmd, u64, arg)
{
	struct ipc_obj *o;
	long ret;

	cmd &= ~(u32)IPC_64;
	if (cmd == IPC_INFO || cmd == SEM_INFO)
		return sem_info(cmd, (void __user *)arg);
	o = ipc_find(&sem_ids, id, cmd == SEM_STAT || cmd == SEM_STAT_ANY);
	if (IS_ERR(o))
		return PTR_ERR(o);
	ret = sem_ctl_object(set_of(o), num, cmd, arg);
	ipc_put(&sem_ids, o);
	return ret;
}

/* ---- /proc ---- */

static void show_set(struct seq *s, struct ipc_obj *o)
{
	struct sem_set *set = container_of(o, struct sem_set, obj);

	spin_lock(&set->lock);
	seq_printf(s, "%10d %10d  %4o %10u %5u %5u %5u %5u %10ld %10ld\n", o->key, o->id, o->mode, set->n, o->uid,
		   o->gid, o->cuid, o->cgid, set->otime, set->ctime);
	spin_unlock(&set->lock);
}

static int show_sets(struct seq *s, void *arg)
{
	seq_printf(s, "%10s %10s perms %10s   uid   gid  cuid  cgid %10s %10s\n", "key", "semid", "nsems", "otime",
		   "ctime");
	ipc_show_all(s, &sem_ids, show_set);
	return 0;
}

static int show_limits(struct seq *s, void *arg)
{
	seq_printf(s, "%u\t%u\t%u\t%u\n", sem_msl, sem_mns, sem_opm, sem_ids.limit);
	return 0;
}

/* As many of the four as were written; all or none. */
static int store_limits(char *text, size_t len, void *arg)
{
	u32 *const at[4] = {&sem_msl, &sem_mns, &sem_opm, &sem_ids.limit};
	static const u32 max[4] = {65536, 0x7fffffff, SEMOPM_MAX, IPC_MAX};
	u64 v[4];
	u32 n = 0;
	char *p = text;

	while (n < 4) {
		while (*p == ' ' || *p == '\t')
			p++;
		if (!*p)
			break;
		v[n] = strtoull(p, &text, 10);
		if (text == p || v[n] > max[n])
			return -EINVAL;
		p = text;
		n++;
	}
	for (u32 i = 0; i < n; i++)
		WRITE_ONCE(*at[i], (u32)v[i]);
	return 0;
}

void sem_init(void)
{
	ipc_ids_init(&sem_ids, SEMMNI, sem_free);
	ipc_next_id_init("sys/kernel/sem_next_id", &sem_ids);
	proc_file("sys/kernel/sem", 0644, show_limits, store_limits, NULL);
	proc_file("sysvipc/sem", 0444, show_sets, NULL, NULL);
}
