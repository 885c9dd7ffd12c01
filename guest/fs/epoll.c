/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll: a set of files, and a list of those that may be ready.
 *
 * An item hangs its hooks on its file's wait queues; a wake-up (ep_wake) puts the item on the ready list and wakes one
 * waiter. epoll_wait takes the ready list over as a whole, asks each file, reports, and puts level-triggered items back
 * at the end. An item is on at most one list (the ready list or the one being scanned), under ep->lock: an item still
 * to be scanned need not be queued again, one scanned already can be.
 *
 * Life: an item is in its set's tree and in its file's list. It goes by EPOLL_CTL_DEL, with the set, or with the file
 * (epoll_release_file(), before the file's release op). All three happen under the set's mutex, and so do all calls of
 * a file's poll op from here: so the file and its queues are there while an item is. Never drop a file reference under
 * that mutex.
 *
 * Sets may watch sets, up to EP_MAX_NESTS deep, without cycles: such insertions are serialised by nest_mutex.
 * Order: nest_mutex > ep->mutex (outer set > inner set) > file->epoll_lock (inner file > outer file in depth_above());
 * a file's queue lock > ep->lock > ep->waiters' lock; inner ep->pollers' lock > outer ep->lock.
 */
#include <gk/fs.h>
#include <gk/init.h>
#include <gk/poll.h>
#include <gk/printk.h>
#include <gk/slab.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/time.h>

#define EPOLLEXCLUSIVE (1u << 28)
#define EPOLLWAKEUP (1u << 29)
#define EPOLLONESHOT (1u << 30)
#define EPOLLET (1u << 31)
#define EP_PRIVATE (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)
#define EP_EXCLUSIVE_OK                                                                                                \
	(EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

#define EPOLL_CTL_ADD 1
#define EPOLL_CTL_DEL 2
#define EPOLL_CTL_MOD 3

#define EP_MAX_NESTS 4
#define EP_MAX_EVENTS (0x7fffffff / (int)sizeof(struct epoll_event))

struct epoll_event {
	u32 events;
	u64 data;
} __packed;

struct eventpoll {
	refcount_t refs; /* the file, and epoll_release_file() in passing */
	struct mutex mutex;
	struct rb_root items; /* mutex: by file and descriptor */
	spinlock_t lock;
	struct list_head ready;	   /* lock: epitem.ready_link */
	struct wait_queue waiters; /* in epoll_wait */
	struct wait_queue pollers; /* of the set's own file */
	struct file *file;
};

/* One entry on one wait queue of the watched file. */
struct ep_hook {
	struct wait_entry wait;
	struct wait_queue *queue;
	struct ep_hook *next;
};

struct epitem {
	struct rb_node node;	     /* ep->mutex */
	struct list_head ready_link; /* ep->lock */
	struct list_head file_link;  /* file->epoll_lock */
	struct eventpoll *ep;
	struct file *file; /* no reference: see above */
	int fd;
	u32 events;	       /* ep->mutex to change */
	u64 data;	       /* ep->mutex */
	struct ep_hook *hooks; /* ep->mutex */
	struct ep_hook first_hook;
};

struct ep_table {
	struct poll_table pt;
	struct epitem *item;
	bool failed;
};

static struct mutex nest_mutex;
static const struct file_ops epoll_ops;

static struct eventpoll *file_ep(const struct file *f)
{
	return f->ops == &epoll_ops ? f->private : NULL;
}

static void ep_put(struct eventpoll *ep)
{
	if (refcount_dec_and_test(&ep->refs))
		kfree(ep);
}

/* Lock held. */
static bool is_queued(const struct epitem *i)
{
	return !list_empty(&i->ready_link);
}

static void wake_pollers(struct eventpoll *ep)
{
	if (wait_queue_active(&ep->pollers))
		wake_up_poll(&ep->pollers, EPOLLIN | EPOLLRDNORM);
}

/* Puts @i on the ready list and wakes a waiter; true if one was asleep. */
static bool ep_queue(struct epitem *i)
{
	struct eventpoll *ep = i->ep;
	bool active;

	spin_lock(&ep->lock);
	if (!is_queued(i))
		list_add_tail(&i->ready_link, &ep->ready);
	active = wait_queue_active(&ep->waiters);
	spin_unlock(&ep->lock);
	if (active)
		wake_up(&ep->waiters);
	wake_pollers(ep);
	return active;
}

/* The watched file's queue is woken; its lock is held. */
static bool ep_wake(struct wait_entry *e, u32 events)
{
	struct epitem *i = e->priv;
	u32 want = READ_ONCE(i->events);
	bool active;

	if (!(want & ~EP_PRIVATE))
		return false; /* a one-shot item that has fired */
	if (events && !(events & want))
		return false;
	active = ep_queue(i);
	/* An exclusive entry lets the waker stop only if somebody will look. */
	return (want & EPOLLEXCLUSIVE) && active;
}

static void ep_hook_queue(struct file *f, struct wait_queue *q, struct poll_table *pt)
{
	struct ep_table *t = container_of(pt, struct ep_table, pt);
	struct epitem *i = t->item;
	struct ep_hook *h = i->hooks ? kmalloc(sizeof(*h)) : &i->first_hook;

	if (!h) {
		t->failed = true;
		return;
	}
	wait_entry_init(&h->wait, NULL);
	h->wait.func = ep_wake;
	h->wait.priv = i;
	if (i->events & EPOLLEXCLUSIVE)
		h->wait.flags |= WAIT_EXCLUSIVE;
	h->queue = q;
	h->next = i->hooks;
	i->hooks = h;
	add_wait_queue(q, &h->wait);
}

/* ep->mutex held: what of the wanted events is there. */
static u32 item_poll(struct epitem *i, struct poll_table *pt)
{
	return vfs_poll(i->file, pt) & READ_ONCE(i->events);
}

/* ep->mutex held. @i is gone on return. */
static void ep_remove(struct eventpoll *ep, struct epitem *i)
{
	struct ep_hook *h;

	while ((h = i->hooks)) {
		i->hooks = h->next;
		remove_wait_queue(h->queue, &h->wait);
		if (h != &i->first_hook)
			kfree(h);
	}
	spin_lock(&i->file->epoll_lock);
	list_del(&i->file_link);
	spin_unlock(&i->file->epoll_lock);
	rb_erase(&i->node, &ep->items);
	spin_lock(&ep->lock);
	list_del(&i->ready_link);
	spin_unlock(&ep->lock);
	kfree(i);
}

/* A set that watches the dying @f, with a reference, or NULL. */
static struct eventpoll *watching_set(struct file *f)
{
	struct eventpoll *ep = NULL;

	spin_lock(&f->epoll_lock);
	if (!list_empty(&f->epoll_links)) {
		ep = list_first_entry(&f->epoll_links, struct epitem, file_link)->ep;
		refcount_inc(&ep->refs); /* not zero: a set unlinks its items before it goes */
	}
	spin_unlock(&f->epoll_lock);
	return ep;
}

/* @ep->mutex held. An item of @ep that watches @f, or NULL. */
static struct epitem *item_of_set(struct file *f, struct eventpoll *ep)
{
	struct epitem *i, *found = NULL;

	spin_lock(&f->epoll_lock);
	list_for_each_entry(i, &f->epoll_links, file_link) {
		if (i->ep == ep) {
			found = i;
			break;
		}
	}
	spin_unlock(&f->epoll_lock);
	return found;
}

void epoll_release_file(struct file *f)
{
	struct eventpoll *ep;
	struct epitem *i;

	/* Usual and cheap. The lock word is read after the list: who emptied it has left ep_remove()'s section. */
	if (list_empty(&f->epoll_links) && !spin_is_locked(&f->epoll_lock))
		return;
	while ((ep = watching_set(f))) {
		mutex_lock(&ep->mutex);
		while ((i = item_of_set(f, ep)))
			ep_remove(ep, i);
		mutex_unlock(&ep->mutex);
		ep_put(ep);
	}
}

static void ep_release(struct file *f)
{
	struct eventpoll *ep = f->private;
	struct rb_node *n;

	mutex_lock(&ep->mutex);
	while ((n = rb_first(&ep->items)))
		ep_remove(ep, rb_entry(n, struct epitem, node));
	mutex_unlock(&ep->mutex);
	ep_put(ep);
}

/* ep->mutex held. Takes over the ready list for a scan. */
static void scan_begin(struct eventpoll *ep, struct list_head *scan)
{
	spin_lock(&ep->lock);
	list_splice_tail(&ep->ready, scan);
	spin_unlock(&ep->lock);
}

/* ep->mutex held. The next item to look at, off all lists, or NULL. */
static struct epitem *scan_next(struct eventpoll *ep, struct list_head *scan)
{
	struct epitem *i = NULL;

	spin_lock(&ep->lock);
	if (!list_empty(scan)) {
		i = list_first_entry(scan, struct epitem, ready_link);
		list_del(&i->ready_link);
	}
	spin_unlock(&ep->lock);
	return i;
}

/* ep->mutex held. What was not looked at goes back to the front. */
static void scan_end(struct eventpoll *ep, struct list_head *scan)
{
	bool more;

	spin_lock(&ep->lock);
	list_splice_tail(&ep->ready, scan);
	list_splice_tail(scan, &ep->ready);
	more = !list_empty(&ep->ready);
	spin_unlock(&ep->lock);
	if (more && wait_queue_active(&ep->waiters))
		wake_up(&ep->waiters);
}

static void requeue(struct eventpoll *ep, struct epitem *i, struct list_head *list)
{
	spin_lock(&ep->lock);
	if (!is_queued(i))
		list_add_tail(&i->ready_link, list);
	spin_unlock(&ep->lock);
}

static u32 ep_poll(struct file *f, struct poll_table *pt)
{
	struct eventpoll *ep = f->private;
	struct epitem *i;
	u32 ready = 0;
	LIST_HEAD(scan);

	poll_wait(f, &ep->pollers, pt);
	mutex_lock(&ep->mutex);
	scan_begin(ep, &scan);
	while (!ready && (i = scan_next(ep, &scan))) {
		if (item_poll(i, NULL)) {
			ready = EPOLLIN | EPOLLRDNORM;
			spin_lock(&ep->lock);
			if (!is_queued(i))
				list_add(&i->ready_link, &scan);
			spin_unlock(&ep->lock);
		}
	}
	scan_end(ep, &scan);
	mutex_unlock(&ep->mutex);
	return ready;
}

static int ep_fdinfo(struct file *f, char *buf, size_t size)
{
	struct eventpoll *ep = f->private;
	struct rb_node *n;
	size_t len = 0;

	mutex_lock(&ep->mutex);
	for (n = rb_first(&ep->items); n && len + 1 < size; n = rb_next(n)) {
		struct epitem *i = rb_entry(n, struct epitem, node);

		len += scnprintf(buf + len, size - len, "tfd: %8d events: %8x data: %16lx  pos:%li ino:%lx sdev:%lx\n",
				 i->fd, i->events, i->data, i->file->pos, i->file->inode->ino,
				 i->file->inode->sb ? i->file->inode->sb->dev : 0);
	}
	mutex_unlock(&ep->mutex);
	return len;
}

static const struct file_ops epoll_ops = {
	.release = ep_release,
	.poll = ep_poll,
	.fdinfo = ep_fdinfo,
};

/* ---- epoll_ctl ---- */

static int item_cmp(const struct epitem *i, const struct file *f, int fd)
{
	if (i->file != f)
		return (u64)f < (u64)i->file ? -1 : 1;
	return fd < i->fd ? -1 : fd > i->fd;
}

/* ep->mutex held. The item, or NULL and where it would be linked. */
static struct epitem *item_find(struct eventpoll *ep, struct file *f, int fd, struct rb_node **parent,
				struct rb_node ***link)
{
	struct rb_node **l = &ep->items.node, *p = NULL;

	while (*l) {
		struct epitem *i = rb_entry(*l, struct epitem, node);
		int c = item_cmp(i, f, fd);

		if (!c)
			return i;
		p = *l;
		l = c < 0 ? &p->left : &p->right;
	}
	*parent = p;
	*link = l;
	return NULL;
}

/*
 * nest_mutex held. Levels of sets below @ep (0: it watches none), or EP_MAX_NESTS + 1 if too deep or @target is among
 * them.
 */
static int depth_below(struct eventpoll *ep, const struct eventpoll *target, int level)
{
	struct rb_node *n;
	int depth = 0, d;

	if (ep == target || level > EP_MAX_NESTS)
		return EP_MAX_NESTS + 1;
	mutex_lock(&ep->mutex);
	for (n = rb_first(&ep->items); n && depth <= EP_MAX_NESTS; n = rb_next(n)) {
		struct eventpoll *inner = file_ep(rb_entry(n, struct epitem, node)->file);

		if (inner) {
			d = depth_below(inner, target, level + 1) + 1;
			depth = MAX(depth, d);
		}
	}
	mutex_unlock(&ep->mutex);
	return depth;
}

/* nest_mutex held. Levels of sets that watch @ep. */
static int depth_above(struct eventpoll *ep, int level)
{
	struct epitem *i;
	int depth = 0, d;

	if (level > EP_MAX_NESTS)
		return EP_MAX_NESTS + 1;
	spin_lock(&ep->file->epoll_lock);
	list_for_each_entry(i, &ep->file->epoll_links, file_link) {
		d = depth_above(i->ep, level + 1) + 1;
		depth = MAX(depth, d);
	}
	spin_unlock(&ep->file->epoll_lock);
	return depth;
}

/* ep->mutex held. */
static int ep_insert(struct eventpoll *ep, struct file *f, int fd, const struct epoll_event *ev, struct rb_node *parent,
		     struct rb_node **link)
{
	struct ep_table t = {{ep_hook_queue, ev->events}, NULL, false};
	struct epitem *i = kzalloc(sizeof(*i));
	u32 ready;

	if (!i)
		return -ENOMEM;
	i->ep = ep;
	i->file = f;
	i->fd = fd;
	i->events = ev->events;
	i->data = ev->data;
	list_init(&i->ready_link);
	rb_link_node(&i->node, parent, link);
	rb_insert_color(&i->node, &ep->items);
	spin_lock(&f->epoll_lock);
	list_add_tail(&i->file_link, &f->epoll_links);
	spin_unlock(&f->epoll_lock);

	t.item = i;
	ready = item_poll(i, &t.pt);
	if (t.failed) {
		ep_remove(ep, i);
		return -ENOMEM;
	}
	if (ready)
		ep_queue(i);
	return 0;
}

/* ep->mutex held. */
static void ep_modify(struct epitem *i, const struct epoll_event *ev)
{
	WRITE_ONCE(i->events, ev->events);
	i->data = ev->data;
	smp_mb(); /* an event from now on is judged by the new mask; one before is seen by the poll below */
	if (item_poll(i, NULL))
		ep_queue(i);
}

/* ep->mutex held. */
static int ctl_locked(struct eventpoll *ep, int op, struct file *f, int fd, const struct epoll_event *ev)
{
	struct rb_node *parent = NULL, **link = NULL;
	struct epitem *i = item_find(ep, f, fd, &parent, &link);

	switch (op) {
	case EPOLL_CTL_ADD:
		return i ? -EEXIST : ep_insert(ep, f, fd, ev, parent, link);
	case EPOLL_CTL_DEL:
		if (!i)
			return -ENOENT;
		ep_remove(ep, i);
		return 0;
	case EPOLL_CTL_MOD:
		if (!i)
			return -ENOENT;
		if (i->events & EPOLLEXCLUSIVE)
			return -EINVAL;
		ep_modify(i, ev);
		return 0;
	}
	return -EINVAL;
}

/* A set that watches a set: serialised against other such insertions, so that the depths stay true. */
static int ctl_nested(struct eventpoll *ep, struct file *f, int fd, const struct epoll_event *ev)
{
	int ret, below;

	mutex_lock(&nest_mutex);
	below = depth_below(file_ep(f), ep, 0);
	if (below + 1 + depth_above(ep, 0) > EP_MAX_NESTS) {
		ret = -ELOOP;
	} else {
		mutex_lock(&ep->mutex);
		ret = ctl_locked(ep, EPOLL_CTL_ADD, f, fd, ev);
		mutex_unlock(&ep->mutex);
	}
	mutex_unlock(&nest_mutex);
	return ret;
}

static int ctl_files(struct file *epf, struct file *f, int op, int fd, struct epoll_event *ev)
{
	struct eventpoll *ep = file_ep(epf);
	int ret;

	if (!f->ops->poll)
		return -EPERM;
	if (!ep || f == epf)
		return -EINVAL;
	if (op != EPOLL_CTL_DEL && (ev->events & EPOLLEXCLUSIVE) &&
	    (op == EPOLL_CTL_MOD || file_ep(f) || ev->events & ~EP_EXCLUSIVE_OK))
		return -EINVAL;
	ev->events |= EPOLLERR | EPOLLHUP;
	if (op == EPOLL_CTL_ADD && file_ep(f))
		return ctl_nested(ep, f, fd, ev);
	mutex_lock(&ep->mutex);
	ret = ctl_locked(ep, op, f, fd, ev);
	mutex_unlock(&ep->mutex);
	return ret;
}

SYSCALL4(epoll_ctl, s32, epfd, s32, op, s32, fd, const struct epoll_event __user *, uev)
{
	struct epoll_event ev = {0};
	struct file *epf, *f;
	int ret = -EBADF;

	if (op != EPOLL_CTL_DEL && copy_from_user(&ev, uev, sizeof(ev)))
		return -EFAULT;
	epf = fd_get(epfd);
	f = fd_get(fd);
	if (epf && f)
		ret = ctl_files(epf, f, op, fd, &ev);
	if (f)
		file_put(f);
	if (epf)
		file_put(epf);
	return ret;
}

/* ---- epoll_wait ---- */

/* ep->mutex held. Reports @i if it is ready: 1, 0, or -EFAULT (then it is still queued). */
static int report(struct eventpoll *ep, struct epitem *i, struct epoll_event __user *out)
{
	struct epoll_event ev = {item_poll(i, NULL), i->data};

	if (!ev.events)
		return 0;
	if (copy_to_user(out, &ev, sizeof(ev))) {
		requeue(ep, i, &ep->ready);
		return -EFAULT;
	}
	if (i->events & EPOLLONESHOT)
		WRITE_ONCE(i->events, i->events & EP_PRIVATE);
	else if (!(i->events & EPOLLET))
		requeue(ep, i, &ep->ready);
	return 1;
}

static int send_events(struct eventpoll *ep, struct epoll_event __user *out, int max)
{
	struct epitem *i;
	int n = 0, ret = 0;
	LIST_HEAD(scan);

	mutex_lock(&ep->mutex);
	scan_begin(ep, &scan);
	while (n < max && (i = scan_next(ep, &scan))) {
		ret = report(ep, i, out + n);
		if (ret < 0)
			break;
		n += ret;
	}
	scan_end(ep, &scan);
	mutex_unlock(&ep->mutex);
	return n || ret >= 0 ? n : ret;
}

/* Sleeps until an item is queued, a signal, or the deadline; true in the last case. */
static bool ep_sleep(struct eventpoll *ep, ktime_t deadline)
{
	struct wait_entry we;
	int ret = 1;

	wait_entry_init(&we, current);
	we.flags |= WAIT_EXCLUSIVE;
	prepare_to_wait(&ep->waiters, &we, TASK_INTERRUPTIBLE);
	if (list_empty(&ep->ready))
		ret = schedule_until(deadline);
	finish_wait(&ep->waiters, &we);
	return ret == 0;
}

static int ep_wait(struct eventpoll *ep, struct epoll_event __user *out, int max, ktime_t deadline)
{
	bool timed_out = deadline == 0;
	int n;

	for (;;) {
		if (!list_empty(&ep->ready)) {
			n = send_events(ep, out, max);
			if (n)
				return n;
		}
		if (timed_out)
			return 0;
		if (signal_pending())
			return -EINTR;
		timed_out = ep_sleep(ep, deadline);
	}
}

static long do_epoll_wait(int epfd, struct epoll_event __user *out, int max, ktime_t deadline)
{
	struct file *f;
	long ret;

	if (max <= 0 || max > EP_MAX_EVENTS)
		return -EINVAL;
	if (!access_ok((u64)out, (u64)max * sizeof(*out)))
		return -EFAULT;
	f = fd_get(epfd);
	if (!f)
		return -EBADF;
	ret = file_ep(f) ? ep_wait(file_ep(f), out, max, deadline) : -EINVAL;
	file_put(f);
	return ret;
}

static ktime_t deadline_ms(int ms)
{
	return ms < 0 ? KTIME_NEVER : deadline_after(ms * NSEC_PER_MSEC);
}

SYSCALL4(epoll_wait, s32, epfd, struct epoll_event __user *, out, s32, max, s32, timeout_ms)
{
	return do_epoll_wait(epfd, out, max, deadline_ms(timeout_ms));
}

static long do_epoll_pwait(int epfd, struct epoll_event __user *out, int max, ktime_t deadline, const u64 __user *mask,
			   size_t size)
{
	long ret;

	if (mask) {
		ret = set_user_sigmask(mask, size);
		if (ret)
			return ret;
	}
	ret = do_epoll_wait(epfd, out, max, deadline);
	if (mask)
		restore_user_sigmask(ret == -EINTR);
	return ret;
}

SYSCALL6(epoll_pwait, s32, epfd, struct epoll_event __user *, out, s32, max, s32, timeout_ms, const u64 __user *, mask,
	 size_t, size)
{
	return do_epoll_pwait(epfd, out, max, deadline_ms(timeout_ms), mask, size);
}

SYSCALL6(epoll_pwait2, s32, epfd, struct epoll_event __user *, out, s32, max, const struct timespec64 __user *, uts,
	 const u64 __user *, mask, size_t, size)
{
	ktime_t deadline;
	const int err = timeout_from_user(uts, &deadline);

	return err ? err : do_epoll_pwait(epfd, out, max, deadline, mask, size);
}

static long do_epoll_create(u32 flags)
{
	struct eventpoll *ep;
	struct file *f;

	if (flags & ~O_CLOEXEC)
		return -EINVAL;
	ep = kzalloc(sizeof(*ep));
	if (!ep)
		return -ENOMEM;
	refcount_set(&ep->refs, 1);
	mutex_init(&ep->mutex);
	list_init(&ep->ready);
	wait_queue_init(&ep->waiters);
	wait_queue_init(&ep->pollers);
	f = anon_file("[eventpoll]", &epoll_ops, ep, O_RDWR);
	if (IS_ERR_OR_NULL(f)) {
		kfree(ep);
		return f ? PTR_ERR(f) : -ENOMEM;
	}
	ep->file = f;
	return fd_install_new(f, flags);
}

SYSCALL1(epoll_create, s32, size)
{
	return size > 0 ? do_epoll_create(0) : -EINVAL;
}

SYSCALL1(epoll_create1, u32, flags)
{
	return do_epoll_create(flags);
}

void epoll_init(void)
{
	mutex_init(&nest_mutex);
}
