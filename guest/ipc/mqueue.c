/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX message queues: files of a file system of their own ("mqueue"), which is there whether it is mounted or not.
 *
 * A queue hangs on its inode. Its messages are a list, highest priority first, oldest first within one. Names are
 * dentries that the file system pins; the list of queues (fs_lock) is what readdir shows.
 *
 * Order: directory's inode lock > fs_lock; queue->lock > wait queues.
 */
#include <gk/fs.h>
#include <gk/init.h>
#include <gk/poll.h>
#include <gk/printk.h>
#include <gk/signal.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/sysctl.h>
#include <gk/task.h>
#include <gk/time.h>

#define MQUEUE_MAGIC 0x19800202
#define MQ_PRIO_MAX 32768
#define MSG_HARD 65536
#define MSGSIZE_HARD (16 << 20)
#define MSG_COST 96 /* what a message costs beside its bytes, in RLIMIT_MSGQUEUE: as much as on Linux */
#define SIGEV_SIGNAL 0
#define SIGEV_NONE 1

struct mq_attr {
	s64 flags, maxmsg, msgsize, curmsgs, reserved[4];
};

struct sigevent {
	u64 value;
	s32 signo, notify;
	u8 pad[48];
};
_Static_assert(sizeof(struct sigevent) == 64, "struct sigevent");

struct mq_msg {
	struct list_head link;
	u32 prio;
	size_t len;
	char text[];
};

struct mqueue {
	spinlock_t lock;
	struct list_head messages; /* lock */
	s64 maxmsg, msgsize;	   /* immutable once opened */
	s64 count;		   /* lock */
	u64 bytes;		   /* lock */
	u32 receivers_asleep;	   /* lock */
	struct wait_queue senders, receivers;
	struct process *notify; /* lock: who is told of the next message; reference */
	struct sigevent event;	/* lock */
	struct list_head link;	/* fs_lock */
	loff_t cookie;		/* position in the directory */
	struct dentry *name;	/* fs_lock: reference; NULL once unlinked */
	struct user *charged;	/* whose RLIMIT_MSGQUEUE it counts in; reference */
	u64 charge;		/* bytes */
};

u32 sysctl_mq_queues = 256, sysctl_mq_msg = 10, sysctl_mq_msgsize = 8192, sysctl_mq_msg_default = 10,
    sysctl_mq_msgsize_default = 8192;

static struct mount *mq_mount;
static struct super *mq_sb;
static spinlock_t fs_lock;
static LIST_HEAD(all_queues); /* fs_lock: by cookie */
static loff_t next_cookie = 2;
static u32 nr_queues; /* fs_lock */

static const struct file_ops mqueue_ops;

static struct mqueue *file_mq(const struct file *f)
{
	return f->ops == &mqueue_ops ? f->inode->private : NULL;
}

/* ---- messages ---- */

/* lock held. */
static void insert(struct mqueue *q, struct mq_msg *m)
{
	struct list_head *at = q->messages.prev;

	while (at != &q->messages && list_entry(at, struct mq_msg, link)->prio < m->prio)
		at = at->prev;
	list_add(&m->link, at);
	q->count++;
	q->bytes += m->len;
}

static void tell(struct process *p, const struct sigevent *ev)
{
	struct siginfo info = {.si_signo = ev->signo, .si_code = SI_MESGQ};

	info.rt.pid = task_tgid_nr(current);
	info.rt.uid = current->cred->uid;
	info.rt.sigval = ev->value;
	if (ev->notify == SIGEV_SIGNAL)
		send_signal_process(ev->signo, &info, p);
	process_put(p);
}

/* 0, or -EAGAIN when the queue is full. */
static int try_send(struct mqueue *q, struct mq_msg *m)
{
	struct process *notify = NULL;
	struct sigevent ev = {0};

	spin_lock(&q->lock);
	if (q->count >= q->maxmsg) {
		spin_unlock(&q->lock);
		return -EAGAIN;
	}
	/* Only a message that comes to an empty queue nobody waits at is news. */
	if (!q->count && !q->receivers_asleep && q->notify) {
		notify = q->notify;
		ev = q->event;
		q->notify = NULL;
	}
	insert(q, m);
	spin_unlock(&q->lock);
	wake_up_poll(&q->receivers, EPOLLIN | EPOLLRDNORM);
	if (notify)
		tell(notify, &ev);
	return 0;
}

static struct mq_msg *try_receive(struct mqueue *q)
{
	struct mq_msg *m;

	spin_lock(&q->lock);
	m = list_first_entry_or_null(&q->messages, struct mq_msg, link);
	if (m) {
		list_del(&m->link);
		q->count--;
		q->bytes -= m->len;
	}
	spin_unlock(&q->lock);
	if (m)
		wake_up_poll(&q->senders, EPOLLOUT | EPOLLWRNORM);
	return m;
}

/* ---- files ---- */

static void drop_notify(struct mqueue *q, struct process *p)
{
	struct process *old = NULL;

	spin_lock(&q->lock);
	if (q->notify && (!p || q->notify == p)) {
		old = q->notify;
		q->notify = NULL;
	}
	spin_unlock(&q->lock);
	if (old)
		process_put(old);
}

static int mq_flush(struct file *f)
{
	drop_notify(f->inode->private, current->process);
	return 0;
}

static u32 mq_poll(struct file *f, struct poll_table *pt)
{
	struct mqueue *q = f->inode->private;
	s64 n;

	poll_wait(f, &q->receivers, pt);
	poll_wait(f, &q->senders, pt);
	n = READ_ONCE(q->count);
	return (n ? EPOLLIN | EPOLLRDNORM : 0) | (n < q->maxmsg ? EPOLLOUT | EPOLLWRNORM : 0);
}

/* The queue's state as text. */
static ssize_t mq_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct mqueue *q = f->inode->private;
	char text[96];
	size_t len, n;

	spin_lock(&q->lock);
	len = scnprintf(text, sizeof(text), "QSIZE:%-10lu NOTIFY:%-5d SIGNO:%-5d NOTIFY_PID:%-6d\n", q->bytes,
			q->notify ? q->event.notify : 0,
			q->notify && q->event.notify == SIGEV_SIGNAL ? q->event.signo : 0,
			q->notify ? q->notify->pid->nr : 0);
	spin_unlock(&q->lock);
	if (*pos < 0 || (size_t)*pos >= len)
		return 0;
	n = MIN(len - (size_t)*pos, it->count);
	if (copy_to_iter(text + *pos, n, it) != n)
		return -EFAULT;
	*pos += (loff_t)n;
	return (ssize_t)n;
}

static const struct file_ops mqueue_ops = {
	.flush = mq_flush,
	.read = mq_read,
	.poll = mq_poll,
	.llseek = generic_llseek,
};

/* ---- the file system ---- */

static const struct inode_ops mq_inode_ops;

static int mq_lookup(struct inode *dir, struct dentry *d)
{
	d_add(d, NULL); /* what exists is cached: its dentry is pinned */
	return 0;
}

/* Counts what the queue may hold against its maker's limit. */
static int charge(struct mqueue *q)
{
	struct user *u = current->cred->user;
	u64 bytes = (u64)q->maxmsg * ((u64)q->msgsize + MSG_COST);

	if (atomic_add_return(&u->mqueue_bytes, bytes) > READ_ONCE(current->process->rlim[RLIMIT_MSGQUEUE].cur)) {
		atomic_sub_return(&u->mqueue_bytes, bytes);
		return -EMFILE;
	}
	q->charge = bytes;
	q->charged = user_get(u);
	return 0;
}

static void mqueue_free(struct mqueue *q)
{
	if (q->charged) {
		atomic_sub_return(&q->charged->mqueue_bytes, q->charge);
		user_put(q->charged);
	}
	kfree(q);
}

/* @attr: NULL: what the system's defaults say. */
static struct mqueue *mqueue_new(const struct mq_attr *attr)
{
	struct mqueue *q = kzalloc(sizeof(*q));
	int err;

	if (!q)
		return ERR_PTR(-ENOMEM);
	list_init(&q->messages);
	list_init(&q->link);
	wait_queue_init(&q->senders);
	wait_queue_init(&q->receivers);
	q->maxmsg = attr ? attr->maxmsg : MIN(sysctl_mq_msg, sysctl_mq_msg_default);
	q->msgsize = attr ? attr->msgsize : MIN(sysctl_mq_msgsize, sysctl_mq_msgsize_default);
	err = charge(q);
	if (err) {
		kfree(q);
		return ERR_PTR(err);
	}
	return q;
}

/* One queue more? */
static int count_queue(void)
{
	int ret = 0;

	spin_lock(&fs_lock);
	if (nr_queues >= sysctl_mq_queues && !capable(CAP_SYS_RESOURCE))
		ret = -ENOSPC;
	else
		nr_queues++;
	spin_unlock(&fs_lock);
	return ret;
}

static void uncount_queue(void)
{
	spin_lock(&fs_lock);
	nr_queues--;
	spin_unlock(&fs_lock);
}

/* Directory locked. @attr checked. */
static int create_queue(struct inode *dir, struct dentry *d, umode_t mode, const struct mq_attr *attr)
{
	struct mqueue *q;
	struct inode *i;
	int err = count_queue();

	if (err)
		return err;
	q = mqueue_new(attr);
	i = IS_ERR(q) ? NULL : inode_new(dir->sb);
	if (!i) {
		uncount_queue();
		if (IS_ERR(q))
			return PTR_ERR(q);
		mqueue_free(q);
		return -ENOMEM;
	}
	inode_init_owner(i, dir, S_IFREG | (mode & 07777));
	i->ino = next_ino();
	i->size = 80;
	i->ops = &mq_inode_ops;
	i->fops = &mqueue_ops;
	i->private = q;
	spin_lock(&fs_lock);
	q->cookie = next_cookie++;
	q->name = dget(d);
	list_add_tail(&q->link, &all_queues);
	spin_unlock(&fs_lock);
	d_instantiate(d, i);
	inode_update_time(dir);
	return 0;
}

static int mq_create(struct inode *dir, struct dentry *d, umode_t mode, bool excl)
{
	return create_queue(dir, d, mode, NULL);
}

static int mq_unlink_inode(struct inode *dir, struct dentry *d)
{
	struct mqueue *q = d->inode->private;
	struct dentry *name;

	spin_lock(&fs_lock);
	name = q->name;
	q->name = NULL;
	list_del(&q->link);
	spin_unlock(&fs_lock);
	d->inode->nlink--;
	inode_update_time(dir);
	dput(name);
	return 0;
}

static int mq_iterate(struct file *f, struct dir_context *ctx)
{
	char name[NAME_MAX + 1];
	struct mqueue *q;
	u64 ino = 0;
	bool found;

	for (; ctx->pos < 2; ctx->pos++) {
		if (!ctx->actor(ctx, "..", ctx->pos ? 2 : 1, ctx->pos, f->inode->ino, DT_OF_MODE(S_IFDIR)))
			return 0;
	}
	do {
		found = false;
		spin_lock(&fs_lock);
		list_for_each_entry(q, &all_queues, link) {
			if (q->cookie >= ctx->pos) {
				strscpy(name, q->name->name, sizeof(name));
				ino = q->name->inode ? q->name->inode->ino : 1;
				ctx->pos = q->cookie;
				found = true;
				break;
			}
		}
		spin_unlock(&fs_lock);
		if (found && !ctx->actor(ctx, name, (u32)strlen(name), ctx->pos, ino, DT_OF_MODE(S_IFREG)))
			return 0;
		ctx->pos += found;
	} while (found);
	return 0;
}

static const struct inode_ops mq_dir_ops = {
	.lookup = mq_lookup,
	.create = mq_create,
	.unlink = mq_unlink_inode,
};

static const struct file_ops mq_dir_fops = {
	.iterate = mq_iterate,
	.llseek = generic_llseek,
};

static void mq_evict(struct inode *i)
{
	struct mqueue *q = i->private;
	struct mq_msg *m, *n;

	if (!q)
		return;
	drop_notify(q, NULL);
	list_for_each_entry_safe(m, n, &q->messages, link)
		kfree(m);
	mqueue_free(q);
	uncount_queue();
}

static const struct super_ops mq_super_ops = {
	.evict = mq_evict,
};

static struct super *mq_fs_mount(struct fs_type *type, u32 flags, const char *source, const char *data)
{
	struct super *sb = mq_sb;
	struct inode *root;

	if (sb) {
		refcount_inc(&sb->refs);
		return sb;
	}
	sb = super_new(type, &mq_super_ops, MQUEUE_MAGIC);
	root = sb ? inode_new(sb) : NULL;
	if (!root)
		panic("no memory for message queues");
	root->ino = next_ino();
	root->mode = S_IFDIR | S_ISVTX | 0777;
	root->nlink = 2;
	root->ops = &mq_dir_ops;
	root->fops = &mq_dir_fops;
	sb->root = d_make_root(root);
	mq_sb = sb;
	return sb;
}

static struct fs_type mqueue_type = {
	.name = "mqueue",
	.mount = mq_fs_mount,
	.nodev = true,
};

void mqueue_init(void)
{
	register_fs(&mqueue_type);
	mq_mount = kern_mount("mqueue", 0, NULL, NULL);
	if (IS_ERR(mq_mount))
		panic("no memory for message queues");
}

/* ---- mq_open, mq_unlink ---- */

static int check_attr(const struct mq_attr *a)
{
	const bool big = capable(CAP_SYS_RESOURCE);

	if (a->maxmsg <= 0 || a->msgsize <= 0)
		return -EINVAL;
	if (a->maxmsg > (big ? MSG_HARD : sysctl_mq_msg) || a->msgsize > (big ? MSGSIZE_HARD : sysctl_mq_msgsize))
		return -EINVAL;
	return 0;
}

static int check_name(const char *name)
{
	size_t len = strlen(name);

	if (!len)
		return -ENOENT;
	if (strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		return -EACCES;
	return len > NAME_MAX ? -ENAMETOOLONG : 0;
}

/* Directory locked. Makes @d (negative) a queue. */
static int make_queue(struct inode *dir, struct dentry *d, umode_t mode, const struct mq_attr *attr)
{
	int ret = attr ? check_attr(attr) : 0;

	if (!ret)
		ret = inode_permission(dir, MAY_WRITE | MAY_EXEC);
	if (ret)
		return ret;
	ret = create_queue(dir, d, mode & 07777 & ~current->fs->umask, attr);
	if (!ret)
		fsnotify_name(dir, IN_CREATE, d->name, 0);
	return ret;
}

/* Directory locked. */
static struct file *open_locked(struct dentry *d, u32 flags, umode_t mode, const struct mq_attr *attr)
{
	static const u32 acc_mode[4] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE};
	const struct path path = {mq_mount, d};
	int ret;

	if (!d->inode) {
		ret = flags & O_CREAT ? make_queue(mq_mount->root->inode, d, mode, attr) : -ENOENT;
	} else if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) {
		ret = -EEXIST;
	} else if ((flags & O_ACCMODE) == O_ACCMODE) {
		ret = -EINVAL;
	} else {
		ret = inode_permission(d->inode, acc_mode[flags & O_ACCMODE]);
	}
	if (ret)
		return ERR_PTR(ret);
	return file_open_path(&path, flags & (O_ACCMODE | O_NONBLOCK), current->cred);
}

SYSCALL4(mq_open, const char __user *, uname, u32, flags, umode_t, mode, const struct mq_attr __user *, uattr)
{
	struct dentry *root = mq_mount->root, *d;
	struct mq_attr attr;
	struct file *f;
	char *name;
	int ret;

	if (uattr && (flags & O_CREAT) && copy_from_user(&attr, uattr, sizeof(attr)))
		return -EFAULT;
	name = getname(uname);
	if (IS_ERR(name))
		return PTR_ERR(name);
	ret = check_name(name);
	if (ret) {
		kfree(name);
		return ret;
	}
	down_write(&root->inode->lock);
	d = lookup_one(root, name, (u32)strlen(name));
	f = IS_ERR(d) ? ERR_CAST(d) : open_locked(d, flags, mode, uattr && (flags & O_CREAT) ? &attr : NULL);
	up_write(&root->inode->lock);
	if (!IS_ERR(d))
		dput(d);
	kfree(name);
	return IS_ERR(f) ? PTR_ERR(f) : fd_install_new(f, O_CLOEXEC); /* always, as Linux has it */
}

/* The directory is sticky: only the queue's owner, or who may do all, removes a name. */
static int may_unlink(const struct inode *i)
{
	return i->uid == current->cred->fsuid || capable(CAP_FOWNER) ? 0 : -EACCES;
}

SYSCALL1(mq_unlink, const char __user *, uname)
{
	struct dentry *root = mq_mount->root, *d;
	char *name = getname(uname);
	long ret;

	if (IS_ERR(name))
		return PTR_ERR(name);
	ret = check_name(name);
	if (!ret) {
		down_write(&root->inode->lock);
		d = lookup_one(root, name, (u32)strlen(name));
		if (IS_ERR(d)) {
			ret = PTR_ERR(d);
		} else {
			ret = !d->inode ? -ENOENT : may_unlink(d->inode);
			if (!ret)
				ret = vfs_unlink(root->inode, d);
			dput(d);
		}
		up_write(&root->inode->lock);
	}
	kfree(name);
	return ret;
}

/* ---- sending and receiving ---- */

/* The deadline of a call whose time-out is an absolute CLOCK_REALTIME: monotonic; 1: long ago. */
static int get_deadline(const struct timespec64 __user *uts, ktime_t *deadline)
{
	u64 when, now;
	int err;

	*deadline = KTIME_NEVER;
	if (!uts)
		return 0;
	err = timespec_from_user(uts, &when);
	if (err)
		return err;
	now = ktime_real();
	*deadline = when > now ? deadline_after(when - now) : 1;
	return 0;
}

static int timed_wait(int ret)
{
	return ret == -ETIME ? -ETIMEDOUT : ret;
}

static long send(struct mqueue *q, struct file *f, const char __user *text, size_t len, u32 prio, ktime_t deadline)
{
	struct mq_msg *m;
	long ret;

	if (!(f->fmode & FMODE_WRITE))
		return -EBADF;
	if ((s64)len > q->msgsize || (s64)len < 0)
		return -EMSGSIZE;
	m = kmalloc(sizeof(*m) + len);
	if (!m)
		return -ENOMEM;
	m->len = len;
	m->prio = prio;
	ret = copy_from_user(m->text, text, len);
	while (!ret) {
		ret = try_send(q, m);
		if (ret != -EAGAIN || (f->flags & O_NONBLOCK))
			break;
		ret = timed_wait(
			wait_event_interruptible_until(&q->senders, READ_ONCE(q->count) < q->maxmsg, deadline));
	}
	if (ret)
		kfree(m);
	return ret;
}

SYSCALL5(mq_timedsend, s32, fd, const char __user *, text, size_t, len, u32, prio, const struct timespec64 __user *,
	 uts)
{
	ktime_t deadline;
	struct file *f;
	long ret;

	if (prio >= MQ_PRIO_MAX)
		return -EINVAL;
	ret = get_deadline(uts, &deadline);
	if (ret)
		return ret;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	ret = file_mq(f) ? send(file_mq(f), f, text, len, prio, deadline) : -EBADF;
	file_put(f);
	return ret;
}

/* Sleeps until there is a message; a sleeping receiver keeps notifications away. */
static int wait_message(struct mqueue *q, ktime_t deadline)
{
	int ret;

	spin_lock(&q->lock);
	q->receivers_asleep++;
	spin_unlock(&q->lock);
	ret = timed_wait(wait_event_interruptible_until(&q->receivers, READ_ONCE(q->count) > 0, deadline));
	spin_lock(&q->lock);
	q->receivers_asleep--;
	spin_unlock(&q->lock);
	return ret;
}

static long receive(struct mqueue *q, struct file *f, char __user *buf, size_t room, u32 __user *uprio,
		    ktime_t deadline)
{
	struct mq_msg *m;
	long ret;

	if (!(f->fmode & FMODE_READ))
		return -EBADF;
	if ((s64)room < q->msgsize)
		return -EMSGSIZE;
	while (!(m = try_receive(q))) {
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		ret = wait_message(q, deadline);
		if (ret)
			return ret;
	}
	ret = (long)m->len;
	if (copy_to_user(buf, m->text, m->len) || (uprio && put_user(m->prio, uprio)))
		ret = -EFAULT;
	kfree(m);
	return ret;
}

SYSCALL5(mq_timedreceive, s32, fd, char __user *, buf, size_t, room, u32 __user *, uprio,
	 const struct timespec64 __user *, uts)
{
	ktime_t deadline;
	struct file *f;
	long ret = get_deadline(uts, &deadline);

	if (ret)
		return ret;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	ret = file_mq(f) ? receive(file_mq(f), f, buf, room, uprio, deadline) : -EBADF;
	file_put(f);
	return ret;
}

static int set_notify(struct mqueue *q, const struct sigevent *ev)
{
	int ret = 0;

	if (!ev) {
		drop_notify(q, current->process);
		return 0;
	}
	if (ev->notify != SIGEV_SIGNAL && ev->notify != SIGEV_NONE)
		return ev->notify == 2 ? -EBADF : -EINVAL; /* SIGEV_THREAD comes with a netlink socket */
	if (ev->notify == SIGEV_SIGNAL && (ev->signo < 0 || ev->signo > NSIG))
		return -EINVAL;
	spin_lock(&q->lock);
	if (q->notify) {
		ret = -EBUSY;
	} else {
		q->notify = process_get(current->process);
		q->event = *ev;
	}
	spin_unlock(&q->lock);
	return ret;
}

SYSCALL2(mq_notify, s32, fd, const struct sigevent __user *, uev)
{
	struct sigevent ev;
	struct file *f;
	long ret;

	if (uev && copy_from_user(&ev, uev, sizeof(ev)))
		return -EFAULT;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	ret = file_mq(f) ? set_notify(file_mq(f), uev ? &ev : NULL) : -EBADF;
	file_put(f);
	return ret;
}

SYSCALL3(mq_getsetattr, s32, fd, const struct mq_attr __user *, unew, struct mq_attr __user *, uold)
{
	struct mq_attr new = {0}, old = {0};
	struct mqueue *q;
	struct file *f;
	long ret = -EBADF;

	if (unew && copy_from_user(&new, unew, sizeof(new)))
		return -EFAULT;
	if (new.flags & ~(s64)O_NONBLOCK)
		return -EINVAL;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	q = file_mq(f);
	if (q) {
		old.flags = f->flags & O_NONBLOCK;
		old.maxmsg = q->maxmsg;
		old.msgsize = q->msgsize;
		old.curmsgs = READ_ONCE(q->count);
		if (unew) {
			spin_lock(&f->lock);
			f->flags = (f->flags & ~(u32)O_NONBLOCK) | (u32) new.flags;
			spin_unlock(&f->lock);
		}
		ret = uold ? copy_to_user(uold, &old, sizeof(old)) : 0;
	}
	file_put(f);
	return ret;
}
