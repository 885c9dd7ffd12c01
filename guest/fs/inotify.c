/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inotify: watches on inodes, a queue of events per descriptor.
 *
 * All watches hang in two lists, their instance's and their inode's (inode->watches is the first), and in the list of all, under
 * one lock: events on watched inodes are rare enough. The watches of an inode hold one reference to it together. When only
 * that one is left of an inode without links, the file is gone: inode_put() asks through fsnotify_inode_put().
 *
 * Order: notify_lock > instance->lock > its queue's lock. Inode references are dropped outside.
 */
#include <gk/fs.h>
#include <gk/init.h>
#include <gk/poll.h>
#include <gk/printk.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include "internal.h"

#define FIONREAD 0x541B
#define IN_UNMOUNT 0x2000
#define IN_Q_OVERFLOW 0x4000
#define IN_IGNORED 0x8000
#define IN_ONLYDIR 0x01000000
#define IN_DONT_FOLLOW 0x02000000
#define IN_EXCL_UNLINK 0x04000000
#define IN_MASK_CREATE 0x10000000
#define IN_MASK_ADD 0x20000000
#define IN_ONESHOT 0x80000000u
#define IN_ALL_EVENTS 0xfff
#define IN_WATCHABLE (IN_ALL_EVENTS | IN_UNMOUNT | IN_Q_OVERFLOW | IN_IGNORED)
#define IN_FLAGS (IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK | IN_MASK_CREATE | IN_MASK_ADD | IN_ISDIR | IN_ONESHOT)

#define MAX_QUEUED_EVENTS 16384
#define MAX_WATCHES 65536

struct inotify_event { /* as programs see it */
	s32 wd;
	u32 mask, cookie, len;
};

struct event {
	struct list_head link;
	struct inotify_event head; /* len: padded length of the name */
	u32 name_len;
	char name[];
};

struct inotify {
	spinlock_t lock;
	struct list_head events; /* lock */
	u32 nr_events;		 /* lock */
	bool overflowed;	 /* lock: the overflow event is queued */
	struct event *overflow;	 /* kept ready: it must not fail */
	struct wait_queue wait;
	struct mutex read_mutex;
	struct mutex watch_mutex; /* adding and removing by system call */
	struct list_head watches; /* notify_lock */
	s32 last_wd;		  /* notify_lock */
	u32 nr_watches;		  /* notify_lock */
};

struct watch {
	struct list_head instance_link, all_link; /* notify_lock */
	struct watch *next;			  /* notify_lock: of the same inode */
	struct inotify *in;
	struct inode *inode;
	s32 wd;
	u32 mask; /* notify_lock */
};

static spinlock_t notify_lock;
static LIST_HEAD(all_watches); /* notify_lock */

/* ---- the queue ---- */

static u32 padded(u32 name_len)
{
	return name_len ? ALIGN_UP(name_len + 1, (u32)sizeof(struct inotify_event)) : 0;
}

/* in->lock held. Like the newest event: one of them is enough. */
static bool same_as_last(struct inotify *in, const struct inotify_event *ev, const char *name, u32 name_len)
{
	struct event *e;

	if (list_empty(&in->events))
		return false;
	e = list_last_entry(&in->events, struct event, link);
	return e->head.wd == ev->wd && e->head.mask == ev->mask && e->head.cookie == ev->cookie &&
	       e->name_len == name_len && !memcmp(e->name, name, name_len);
}

static void queue_event(struct inotify *in, s32 wd, u32 mask, u32 cookie, const char *name)
{
	u32 len = name ? (u32)strlen(name) : 0;
	struct inotify_event ev = {wd, mask, cookie, padded(len)};
	struct event *e = kmalloc(sizeof(*e) + len);

	spin_lock(&in->lock);
	if (same_as_last(in, &ev, name, len)) {
		spin_unlock(&in->lock);
		kfree(e);
		return;
	}
	if (e && in->nr_events < MAX_QUEUED_EVENTS) {
		e->head = ev;
		e->name_len = len;
		memcpy(e->name, name, len);
	} else {
		kfree(e);
		e = in->overflowed ? NULL : in->overflow;
		in->overflowed = true;
	}
	if (e) {
		list_add_tail(&e->link, &in->events);
		in->nr_events++;
	}
	spin_unlock(&in->lock);
	if (e)
		wake_up_poll(&in->wait, EPOLLIN | EPOLLRDNORM);
}

/* ---- watches ---- */

/* notify_lock held. Takes @w out of all lists; true if it was the last one of its inode (whose reference is now the caller's). */
static bool unlink_watch(struct watch *w)
{
	struct watch **p = (struct watch **)&w->inode->watches;

	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	list_del(&w->instance_link);
	list_del(&w->all_link);
	w->in->nr_watches--;
	return !w->inode->watches;
}

/* notify_lock held. One event for one watch. True: it was a one-shot, and is unlinked and told about; *last as unlink_watch(). */
static bool deliver(struct watch *w, u32 mask, u32 cookie, const char *name, bool *last)
{
	u32 hit = mask & w->mask & IN_ALL_EVENTS;

	if (!hit)
		return false;
	queue_event(w->in, w->wd, hit | (mask & IN_ISDIR), cookie, name);
	if (!(w->mask & IN_ONESHOT))
		return false;
	queue_event(w->in, w->wd, IN_IGNORED, 0, NULL);
	*last = unlink_watch(w);
	return true;
}

static void notify(struct inode *i, u32 mask, u32 cookie, const char *name, bool name_unlinked)
{
	struct watch *w, *next, *dead = NULL;
	bool last = false;

	if (!READ_ONCE(i->watches))
		return;
	spin_lock(&notify_lock);
	for (w = i->watches; w; w = next) {
		next = w->next;
		if (name_unlinked && (w->mask & IN_EXCL_UNLINK))
			continue;
		if (deliver(w, mask, cookie, name, &last)) {
			w->next = dead;
			dead = w;
		}
	}
	spin_unlock(&notify_lock);
	while ((w = dead)) {
		dead = w->next;
		kfree(w);
	}
	if (last)
		inode_put(i);
}

void fsnotify_inode(struct inode *i, u32 mask)
{
	const bool self = mask & (IN_MOVE_SELF | IN_DELETE_SELF); /* these never say that it is a directory */

	notify(i, mask | (S_ISDIR(i->mode) && !self ? IN_ISDIR : 0), 0, NULL, false);
}

void fsnotify_name(struct inode *dir, u32 mask, const char *name, u32 cookie)
{
	notify(dir, mask, cookie, name, false);
}

void fsnotify_dentry(struct dentry *d, u32 mask)
{
	struct inode *i = d->inode;
	char name[NAME_MAX + 1];
	struct dentry *parent;

	if (!i)
		return;
	if (S_ISDIR(i->mode))
		mask |= IN_ISDIR;
	parent = dget_parent(d);
	if (parent && parent != d && parent->inode && READ_ONCE(parent->inode->watches)) {
		spin_lock(&rename_lock); /* the name may be changed and freed meanwhile */
		strscpy(name, d->name, sizeof(name));
		spin_unlock(&rename_lock);
		notify(parent->inode, mask, 0, name, READ_ONCE(d->flags) & DENTRY_UNLINKED);
	}
	dput(parent);
	notify(i, mask, 0, NULL, false); /* the directory's watches hear of it first */
}

/* notify_lock held. Takes all watches off @i, telling them @mask and IN_IGNORED; the list is returned for watches_free(). */
static struct watch *detach_all(struct inode *i, u32 mask)
{
	struct watch *w, *all = i->watches;

	for (w = all; w; w = w->next) {
		if (w->mask & mask & IN_ALL_EVENTS || mask == IN_UNMOUNT)
			queue_event(w->in, w->wd, mask, 0, NULL);
		queue_event(w->in, w->wd, IN_IGNORED, 0, NULL);
		list_del(&w->instance_link);
		list_del(&w->all_link);
		w->in->nr_watches--;
	}
	i->watches = NULL;
	return all;
}

static void watches_free(struct watch *w)
{
	struct watch *next;

	for (; w; w = next) {
		next = w->next;
		kfree(w);
	}
}

bool fsnotify_inode_put(struct inode *i)
{
	struct watch *all = NULL;
	bool gone;

	spin_lock(&notify_lock);
	if (!i->watches) {
		spin_unlock(&notify_lock);
		return false;
	}
	gone = atomic_sub_return(&i->refs.n, 1) == 1;
	if (gone)
		all = detach_all(i, IN_DELETE_SELF);
	spin_unlock(&notify_lock);
	watches_free(all);
	if (gone)
		inode_put(i);
	return true;
}

void fsnotify_unmount(struct super *sb)
{
	struct watch *w, *all;
	struct inode *i;

	do {
		i = NULL;
		all = NULL;
		spin_lock(&notify_lock);
		list_for_each_entry(w, &all_watches, all_link) {
			if (w->inode->sb == sb) {
				i = w->inode;
				all = detach_all(i, IN_UNMOUNT);
				break;
			}
		}
		spin_unlock(&notify_lock);
		watches_free(all);
		inode_put(i);
	} while (i);
}

/* ---- the descriptor ---- */

static void event_free(struct inotify *in, struct event *e)
{
	if (e != in->overflow)
		kfree(e);
}

/* read_mutex held. The oldest event if its record fits into @room: NULL nothing there, ERR_PTR(-EINVAL) too small. */
static struct event *take_event(struct inotify *in, size_t room)
{
	struct event *e;

	spin_lock(&in->lock);
	e = list_first_entry_or_null(&in->events, struct event, link);
	if (e && sizeof(e->head) + e->head.len > room) {
		e = ERR_PTR(-EINVAL);
	} else if (e) {
		list_del(&e->link);
		in->nr_events--;
		if (e == in->overflow)
			in->overflowed = false;
	}
	spin_unlock(&in->lock);
	return e;
}

static bool put_event(const struct event *e, struct iov_iter *it)
{
	u32 pad = e->head.len - e->name_len;

	return copy_to_iter(&e->head, sizeof(e->head), it) == sizeof(e->head) &&
	       copy_to_iter(e->name, e->name_len, it) == e->name_len && zero_iter(pad, it) == pad;
}

static ssize_t read_locked(struct inotify *in, struct file *f, struct iov_iter *it)
{
	ssize_t done = 0;
	int ret;

	for (;;) {
		struct event *e = take_event(in, it->count);
		size_t n;
		bool ok;

		if (IS_ERR(e))
			return done ? done : PTR_ERR(e);
		if (e) {
			n = sizeof(e->head) + e->head.len;
			ok = put_event(e, it);
			event_free(in, e);
			if (!ok)
				return -EFAULT;
			done += n;
			continue;
		}
		if (done)
			return done;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		ret = wait_event_interruptible(&in->wait, !list_empty(&in->events));
		if (ret)
			return ret;
	}
}

static ssize_t inotify_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct inotify *in = f->private;
	ssize_t ret;

	if (mutex_lock_interruptible(&in->read_mutex))
		return -ERESTARTSYS;
	ret = read_locked(in, f, it);
	mutex_unlock(&in->read_mutex);
	return ret;
}

static u32 inotify_poll(struct file *f, struct poll_table *pt)
{
	struct inotify *in = f->private;

	poll_wait(f, &in->wait, pt);
	return list_empty(&in->events) ? 0 : EPOLLIN | EPOLLRDNORM;
}

static long inotify_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct inotify *in = f->private;
	struct event *e;
	u32 n = 0;

	if (cmd != FIONREAD)
		return -ENOIOCTLCMD;
	spin_lock(&in->lock);
	list_for_each_entry(e, &in->events, link)
		n += sizeof(e->head) + e->head.len;
	spin_unlock(&in->lock);
	return put_user((s32)n, (s32 __user *)arg);
}

/* Takes the instance's watch @w off. */
static void watch_remove(struct watch *w, bool tell)
{
	struct inode *i = w->inode;
	bool last;

	/* notify_lock held on entry, released. */
	if (tell)
		queue_event(w->in, w->wd, IN_IGNORED, 0, NULL);
	last = unlink_watch(w);
	spin_unlock(&notify_lock);
	kfree(w);
	if (last)
		inode_put(i);
}

static void inotify_release(struct file *f)
{
	struct inotify *in = f->private;
	struct event *e, *n;

	for (;;) {
		spin_lock(&notify_lock);
		if (list_empty(&in->watches))
			break;
		watch_remove(list_first_entry(&in->watches, struct watch, instance_link), false);
	}
	spin_unlock(&notify_lock);
	list_for_each_entry_safe(e, n, &in->events, link)
		event_free(in, e);
	kfree(in->overflow);
	kfree(in);
}

static int inotify_fdinfo(struct file *f, char *buf, size_t size)
{
	struct inotify *in = f->private;
	struct watch *w;
	size_t len = 0;

	spin_lock(&notify_lock);
	list_for_each_entry(w, &in->watches, instance_link)
		len += scnprintf(buf + len, size - len, "inotify wd:%x ino:%lx sdev:%lx mask:%x ignored_mask:0\n",
				 w->wd, w->inode->ino, w->inode->sb->dev, w->mask & ~(u32)IN_UNMOUNT);
	spin_unlock(&notify_lock);
	return len;
}

static const struct file_ops inotify_ops = {
	.release = inotify_release,
	.read = inotify_read,
	.poll = inotify_poll,
	.ioctl = inotify_ioctl,
	.fdinfo = inotify_fdinfo,
};

/* ---- system calls ---- */

static long do_inotify_init(u32 flags)
{
	struct inotify *in;
	struct file *f;

	if (flags & ~(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	in = kzalloc(sizeof(*in));
	if (in)
		in->overflow = kzalloc(sizeof(*in->overflow));
	if (!in || !in->overflow) {
		kfree(in);
		return -ENOMEM;
	}
	in->overflow->head = (struct inotify_event){-1, IN_Q_OVERFLOW, 0, 0};
	list_init(&in->events);
	list_init(&in->watches);
	wait_queue_init(&in->wait);
	mutex_init(&in->read_mutex);
	mutex_init(&in->watch_mutex);
	f = anon_file("inotify", &inotify_ops, in, O_RDONLY | (flags & O_NONBLOCK));
	if (IS_ERR_OR_NULL(f)) {
		kfree(in->overflow);
		kfree(in);
		return f ? PTR_ERR(f) : -ENOMEM;
	}
	return fd_install_new(f, flags);
}

SYSCALL0(inotify_init)
{
	return do_inotify_init(0);
}

SYSCALL1(inotify_init1, u32, flags)
{
	return do_inotify_init(flags);
}

/* notify_lock held. */
static struct watch *find_watch(struct inotify *in, const struct inode *i)
{
	struct watch *w;

	for (w = i->watches; w && w->in != in; w = w->next)
		;
	return w;
}

/* notify_lock held. */
static s32 change_watch(struct watch *w, u32 mask, u32 flags)
{
	if (flags & IN_MASK_CREATE)
		return -EEXIST;
	w->mask = flags & IN_MASK_ADD ? w->mask | mask : mask;
	return w->wd;
}

/* in->watch_mutex held. */
static s32 set_watch(struct inotify *in, struct inode *i, u32 arg)
{
	u32 mask = (arg & (IN_WATCHABLE | IN_ONESHOT | IN_EXCL_UNLINK)) | IN_UNMOUNT;
	struct watch *w, *fresh = kzalloc(sizeof(*fresh));
	bool first = false;
	s32 wd;

	if (!fresh)
		return -ENOMEM;
	spin_lock(&notify_lock);
	w = find_watch(in, i);
	if (w) {
		wd = change_watch(w, mask, arg);
	} else if (in->nr_watches >= MAX_WATCHES) {
		wd = -ENOSPC;
	} else {
		fresh->in = in;
		fresh->inode = i;
		fresh->mask = mask;
		fresh->wd = wd = ++in->last_wd;
		first = !i->watches;
		fresh->next = i->watches;
		i->watches = fresh;
		list_add_tail(&fresh->instance_link, &in->watches);
		list_add_tail(&fresh->all_link, &all_watches);
		in->nr_watches++;
		if (first)
			inode_get(i);
		fresh = NULL;
	}
	spin_unlock(&notify_lock);
	kfree(fresh);
	return wd;
}

static struct inotify *file_inotify(const struct file *f)
{
	return f->ops == &inotify_ops ? f->private : NULL;
}

static long add_watch(struct inotify *in, const char __user *name, u32 mask)
{
	u32 lookup = (mask & IN_DONT_FOLLOW ? 0 : LOOKUP_FOLLOW) | (mask & IN_ONLYDIR ? LOOKUP_DIRECTORY : 0);
	struct path path;
	long ret = user_path_at(AT_FDCWD, name, lookup, &path);

	if (ret)
		return ret;
	ret = inode_permission(path.dentry->inode, MAY_READ);
	if (!ret) {
		mutex_lock(&in->watch_mutex);
		ret = set_watch(in, path.dentry->inode, mask);
		mutex_unlock(&in->watch_mutex);
	}
	path_put(&path);
	return ret;
}

SYSCALL3(inotify_add_watch, s32, fd, const char __user *, name, u32, mask)
{
	struct file *f;
	long ret;

	if (!(mask & (IN_ALL_EVENTS | IN_FLAGS)) || (mask & ~(IN_WATCHABLE | IN_FLAGS)))
		return -EINVAL;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	if (!file_inotify(f) || ((mask & IN_MASK_ADD) && (mask & IN_MASK_CREATE)))
		ret = -EINVAL;
	else
		ret = add_watch(file_inotify(f), name, mask);
	file_put(f);
	return ret;
}

static long rm_watch(struct inotify *in, s32 wd)
{
	struct watch *w, *found = NULL;

	mutex_lock(&in->watch_mutex);
	spin_lock(&notify_lock);
	list_for_each_entry(w, &in->watches, instance_link) {
		if (w->wd == wd)
			found = w;
	}
	if (found)
		watch_remove(found, true);
	else
		spin_unlock(&notify_lock);
	mutex_unlock(&in->watch_mutex);
	return found ? 0 : -EINVAL;
}

SYSCALL2(inotify_rm_watch, s32, fd, s32, wd)
{
	struct file *f = fd_get(fd);
	long ret;

	if (!f)
		return -EBADF;
	ret = file_inotify(f) ? rm_watch(file_inotify(f), wd) : -EINVAL;
	file_put(f);
	return ret;
}

void inotify_init(void)
{
	spin_init(&notify_lock);
}
