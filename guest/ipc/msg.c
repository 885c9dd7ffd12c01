/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System V message queues: lists of typed messages, bounded in bytes. A queue's state is under its spin lock; senders
 * wait for room and receivers for a message on two wait queues.
 */
#include "ipc/ipc.h"

#include <gk/fs.h>
#include <gk/pseudo.h>
#include <gk/slab.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/wait.h>

#define MSG_STAT 11
#define MSG_INFO 12
#define MSG_STAT_ANY 13
#define MSG_NOERROR 010000
#define MSG_EXCEPT 020000
#define MSG_COPY 040000
#define MSGMNI 32000

struct msg {
	struct list_head link;
	s64 type;
	u64 len;
	char text[];
};

struct msg_queue {
	struct ipc_obj obj;
	spinlock_t lock;
	struct list_head messages; /* lock */
	u64 bytes, count, limit;   /* lock */
	s64 stime, rtime, ctime;   /* lock */
	s32 lspid, lrpid;	   /* lock */
	struct wait_queue senders, receivers;
};

struct msqid64_ds {
	struct ipc64_perm perm;
	s64 stime, rtime, ctime;
	u64 cbytes, qnum, qbytes;
	s32 lspid, lrpid;
	u64 unused4, unused5;
};
_Static_assert(sizeof(struct msqid64_ds) == 120, "struct msqid64_ds");

struct msginfo {
	s32 msgpool, msgmap, msgmax, msgmnb, msgmni, msgssz, msgtql;
	u16 msgseg;
};

static struct ipc_ids msg_ids;
static u32 msg_max = 8192, msg_mnb = 16384; /* bytes in a message; bytes in a queue unless it says otherwise */

static struct msg_queue *queue_of(struct ipc_obj *o)
{
	return container_of(o, struct msg_queue, obj);
}

static void msg_free(struct ipc_obj *o)
{
	struct msg_queue *q = queue_of(o);
	struct msg *m, *n;

	list_for_each_entry_safe(m, n, &q->messages, link)
		kfree(m);
	kfree(q);
}

static struct ipc_obj *msg_make(void *arg)
{
	struct msg_queue *q = kzalloc(sizeof(*q));

	if (!q)
		return ERR_PTR(-ENOMEM);
	list_init(&q->messages);
	wait_queue_init(&q->senders);
	wait_queue_init(&q->receivers);
	q->limit = READ_ONCE(msg_mnb);
	q->ctime = ipc_now();
	return &q->obj;
}

SYSCALL2(msgget, s32, key, u32, flags)
{
	return ipc_get(&msg_ids, key, flags, msg_make, NULL, NULL);
}

/* ---- sending ---- */

static bool has_room(const struct msg_queue *q, u64 len)
{
	return READ_ONCE(q->bytes) + len <= READ_ONCE(q->limit) && READ_ONCE(q->count) + 1 <= READ_ONCE(q->limit);
}

/* Puts @m into the queue: 0, or -EAGAIN (full), -EIDRM. */
static int try_send(struct msg_queue *q, struct msg *m)
{
	int ret = 0;

	spin_lock(&q->lock);
	if (READ_ONCE(q->obj.removed)) {
		ret = -EIDRM;
	} else if (!has_room(q, m->len)) {
		ret = -EAGAIN;
	} else {
		list_add_tail(&m->link, &q->messages);
		q->bytes += m->len;
		q->count++;
		q->stime = ipc_now();
		q->lspid = task_tgid_nr(current);
	}
	spin_unlock(&q->lock);
	if (!ret)
		wake_up_all(&q->receivers);
	return ret;
}

static long send(struct msg_queue *q, struct msg *m, u32 flags)
{
	u64 len = m->len;
	long ret = ipc_access(&q->obj, 0222);

	while (!ret) {
		ret = try_send(q, m);
		if (ret != -EAGAIN || (flags & IPC_NOWAIT))
			break;
		ret = wait_event_interruptible(&q->senders, has_room(q, len) || READ_ONCE(q->obj.removed));
		if (ret)
			ret = -EINTR;
	}
	return ret;
}

SYSCALL4(msgsnd, s32, id, const void __user *, ubuf, s64, len, u32, flags)
{
	struct ipc_obj *o;
	struct msg *m;
	long ret;

	if (len < 0 || (u64)len > READ_ONCE(msg_max) || id < 0)
		return -EINVAL;
	m = kmalloc(sizeof(*m) + (u64)len);
	if (!m)
		return -ENOMEM;
	m->len = (u64)len;
	if (copy_from_user(&m->type, ubuf, sizeof(m->type)) ||
	    copy_from_user(m->text, (const char __user *)ubuf + sizeof(m->type), m->len)) {
		kfree(m);
		return -EFAULT;
	}
	if (m->type < 1) {
		kfree(m);
		return -EINVAL;
	}
	o = ipc_find(&msg_ids, id, false);
	ret = IS_ERR(o) ? PTR_ERR(o) : send(queue_of(o), m, flags);
	if (!IS_ERR(o))
		ipc_put(&msg_ids, o);
	if (ret)
		kfree(m);
	return ret;
}

/* ---- receiving ---- */

/* lock held. The message that @type and @flags ask for, or NULL. */
static struct msg *select_msg(struct msg_queue *q, s64 type, u32 flags)
{
	struct msg *m, *best = NULL;
	s64 index = 0;

	list_for_each_entry(m, &q->messages, link) {
		if (flags & MSG_COPY) {
			if (index++ == type)
				return m;
		} else if (type == 0) {
			return m;
		} else if (type > 0) {
			if ((m->type == type) != ((flags & MSG_EXCEPT) != 0))
				return m;
		} else if (m->type <= -type && (!best || m->type < best->type)) {
			best = m;
		}
	}
	return best;
}

/* One attempt: the message, off the queue (with MSG_COPY a copy), or ERR_PTR: -EAGAIN none, -E2BIG, -EIDRM, -ENOMSG. */
static struct msg *try_receive(struct msg_queue *q, u64 room, s64 type, u32 flags)
{
	struct msg *m;

	spin_lock(&q->lock);
	m = READ_ONCE(q->obj.removed) ? ERR_PTR(-EIDRM) : select_msg(q, type, flags);
	if (!m) {
		m = ERR_PTR(-EAGAIN);
	} else if (!IS_ERR(m)) {
		if (m->len > room && !(flags & MSG_NOERROR)) {
			m = ERR_PTR(-E2BIG);
		} else if (flags & MSG_COPY) {
			m = kmemdup(m, sizeof(*m) + m->len);
			m = m ? m : ERR_PTR(-ENOMEM);
		} else {
			list_del(&m->link);
			q->bytes -= m->len;
			q->count--;
			q->rtime = ipc_now();
			q->lrpid = task_tgid_nr(current);
		}
	}
	spin_unlock(&q->lock);
	if (!IS_ERR(m))
		wake_up_all(&q->senders);
	return m;
}

static bool has_msg(struct msg_queue *q, s64 type, u32 flags)
{
	bool ret;

	spin_lock(&q->lock);
	ret = q->obj.removed || select_msg(q, type, flags);
	spin_unlock(&q->lock);
	return ret;
}

static struct msg *receive(struct msg_queue *q, u64 room, s64 type, u32 flags)
{
	int ret = ipc_access(&q->obj, 0444);
	struct msg *m;

	while (!ret) {
		m = try_receive(q, room, type, flags);
		if (!IS_ERR(m) || PTR_ERR(m) != -EAGAIN)
			return m;
		if (flags & (IPC_NOWAIT | MSG_COPY))
			return ERR_PTR(-ENOMSG);
		ret = wait_event_interruptible(&q->receivers, has_msg(q, type, flags));
		if (ret)
			ret = -EINTR;
	}
	return ERR_PTR(ret);
}

SYSCALL5(msgrcv, s32, id, void __user *, ubuf, s64, size, s64, type, u32, flags)
{
	struct ipc_obj *o;
	struct msg *m;
	u64 n;
	long ret;

	if (id < 0 || size < 0)
		return -EINVAL;
	if ((flags & MSG_COPY) && ((flags & MSG_EXCEPT) || !(flags & IPC_NOWAIT)))
		return -EINVAL;
	if (type < -0x7fffffffffffffffll)
		type = -0x7fffffffffffffffll;
	o = ipc_find(&msg_ids, id, false);
	if (IS_ERR(o))
		return PTR_ERR(o);
	m = receive(queue_of(o), (u64)size, type, flags);
	ipc_put(&msg_ids, o);
	if (IS_ERR(m))
		return PTR_ERR(m);
	n = MIN(m->len, (u64)size);
	ret = (long)n;
	if (copy_to_user(ubuf, &m->type, sizeof(m->type)) ||
	    copy_to_user((char __user *)ubuf + sizeof(m->type), m->text, n))
		ret = -EFAULT;
	kfree(m);
	return ret;
}

/* ---- msgctl ---- */

static long msg_stat(struct msg_queue *q, void __user *buf)
{
	struct msqid64_ds ds = {0};

	ipc_fill_perm(&q->obj, &ds.perm);
	spin_lock(&q->lock);
	ds.stime = q->stime;
	ds.rtime = q->rtime;
	ds.ctime = q->ctime;
	ds.cbytes = q->bytes;
	ds.qnum = q->count;
	ds.qbytes = q->limit;
	ds.lspid = q->lspid;
	ds.lrpid = q->lrpid;
	spin_unlock(&q->lock);
	return copy_to_user(buf, &ds, sizeof(ds));
}

static long msg_set(struct msg_queue *q, const void __user *buf)
{
	struct msqid64_ds ds;

	if (copy_from_user(&ds, buf, sizeof(ds)))
		return -EFAULT;
	if (ds.qbytes > READ_ONCE(msg_mnb) && !capable(CAP_SYS_RESOURCE))
		return -EPERM;
	ipc_set_perm(&msg_ids, &q->obj, &ds.perm);
	spin_lock(&q->lock);
	q->limit = ds.qbytes;
	q->ctime = ipc_now();
	spin_unlock(&q->lock);
	wake_up_all(&q->senders);
	wake_up_all(&q->receivers);
	return 0;
}

static long msg_rmid(struct msg_queue *q)
{
	if (!ipc_remove(&msg_ids, &q->obj))
		return -EIDRM;
	wake_up_all(&q->senders);
	wake_up_all(&q->receivers);
	ipc_put(&msg_ids, &q->obj);
	return 0;
}

static long msg_ctl_object(struct msg_queue *q, u32 cmd, void __user *buf)
{
	long ret;

	switch (cmd) {
	case IPC_STAT:
	case MSG_STAT:
	case MSG_STAT_ANY:
		ret = cmd == MSG_STAT_ANY ? 0 : ipc_access(&q->obj, 0444);
		if (!ret)
			ret = msg_stat(q, buf);
		return ret || cmd == IPC_STAT ? ret : q->obj.id;
	case IPC_SET:
		ret = ipc_owner(&q->obj);
		return ret ? ret : msg_set(q, buf);
	case IPC_RMID:
		ret = ipc_owner(&q->obj);
		return ret ? ret : msg_rmid(q);
	}
	return -EINVAL;
}

static long msg_info(u32 cmd, void __user *buf)
{
	const s32 mnb = (s32)msg_mnb, mni = (s32)msg_ids.limit;
	struct msginfo mi = {mni * (mnb / 1024), mnb, (s32)msg_max, mnb, mni, 16, mnb, 0xffff};
	long top;

	mutex_lock(&msg_ids.mutex);
	top = (long)msg_ids.top - 1;
	if (cmd == MSG_INFO) {
		mi.msgpool = (s32)msg_ids.used;
		mi.msgmap = mi.msgtql = 0;
		for (u32 i = 0; i < msg_ids.top; i++) {
			if (msg_ids.table[i]) {
				mi.msgmap += (s32)queue_of(msg_ids.table[i])->count;
				mi.msgtql += (s32)queue_of(msg_ids.table[i])->bytes;
			}
		}
	}
	mutex_unlock(&msg_ids.mutex);
	return copy_to_user(buf, &mi, sizeof(mi)) ? -EFAULT : MAX(top, 0l);
}

SYSCALL3(msgctl, s32, id, u32, cmd, void __user *, buf)
{
	struct ipc_obj *o;
	long ret;

	cmd &= ~(u32)IPC_64;
	if (cmd == IPC_INFO || cmd == MSG_INFO)
		return msg_info(cmd, buf);
	o = ipc_find(&msg_ids, id, cmd == MSG_STAT || cmd == MSG_STAT_ANY);
	if (IS_ERR(o))
		return PTR_ERR(o);
	ret = msg_ctl_object(queue_of(o), cmd, buf);
	ipc_put(&msg_ids, o);
	return ret;
}

/* ---- /proc ---- */

static void show_queue(struct seq *s, struct ipc_obj *o)
{
	struct msg_queue *q = container_of(o, struct msg_queue, obj);

	spin_lock(&q->lock);
	seq_printf(s, "%10d %10d  %4o  %10lu %10lu %5d %5d %5u %5u %5u %5u %10ld %10ld %10ld\n", o->key, o->id, o->mode,
		   q->bytes, q->count, q->lspid, q->lrpid, o->uid, o->gid, o->cuid, o->cgid, q->stime, q->rtime,
		   q->ctime);
	spin_unlock(&q->lock);
}

static int show_queues(struct seq *s, void *arg)
{
	seq_printf(s, "%10s %10s perms %11s %10s lspid lrpid   uid   gid  cuid  cgid %10s %10s %10s\n", "key", "msqid",
		   "cbytes", "qnum", "stime", "rtime", "ctime");
	ipc_show_all(s, &msg_ids, show_queue);
	return 0;
}

void msg_init(void)
{
	const struct ipc_limit limits[] = {
		{"sys/kernel/msgmax", &msg_max, sizeof(msg_max), 0x7fffffff},
		{"sys/kernel/msgmnb", &msg_mnb, sizeof(msg_mnb), 0x7fffffff},
		{"sys/kernel/msgmni", &msg_ids.limit, sizeof(msg_ids.limit), IPC_MAX},
	};

	ipc_ids_init(&msg_ids, MSGMNI, msg_free);
	ipc_limits_init(limits, ARRAY_SIZE(limits));
	ipc_next_id_init("sys/kernel/msg_next_id", &msg_ids);
	proc_file("sysvipc/msg", 0444, show_queues, NULL, NULL);
}
