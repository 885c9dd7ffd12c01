/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Advisory locks: POSIX record locks (owned by a descriptor table), open-file-description locks and flock (owned by an
 * open file). They hang off the inode of the name (file_inode()).
 *
 * Each owner's record locks do not overlap; setting one cuts what it covers and joins neighbours of its type. Sleepers
 * wait on the inode's queue and look again at every change. A sleeper for a POSIX lock is also in the global list
 * `blocked`, which is searched for a cycle before sleeping (EDEADLK); the other kinds have no deadlock detection, as in
 * Linux.
 *
 * Locks: ctx->lock > blocked_lock.
 */
#include <gk/filelock.h>
#include "internal.h"

struct file_lock_ctx {
	spinlock_t lock;
	struct list_head posix; /* lock: of one owner in order of start */
	struct list_head flock; /* lock */
	struct wait_queue wait;
};

struct blocked {
	struct list_head link;
	void *owner, *by;
	const struct file_lock_ctx *ctx;
};

static spinlock_t blocked_lock = SPINLOCK_INIT;
static LIST_HEAD(blocked); /* blocked_lock */

static struct file_lock_ctx *get_ctx(struct inode *i)
{
	struct file_lock_ctx *c = smp_load_acquire(&i->locks), *fresh;

	if (c)
		return c;
	fresh = kzalloc(sizeof(*fresh));
	if (!fresh)
		return NULL;
	list_init(&fresh->posix);
	list_init(&fresh->flock);
	wait_queue_init(&fresh->wait);
	if (atomic_try_cmpxchg(&i->locks, &c, fresh))
		return fresh;
	kfree(fresh);
	return c;
}

void locks_free(struct inode *i)
{
	kfree(i->locks);
}

static bool conflict(const struct file_lock *a, const struct file_lock *b)
{
	return a->owner != b->owner && (a->type == F_WRLCK || b->type == F_WRLCK) && a->start <= b->end &&
	       b->start <= a->end;
}

static struct file_lock *find_conflict(struct list_head *list, const struct file_lock *fl)
{
	struct file_lock *l;

	list_for_each_entry(l, list, link) {
		if (conflict(l, fl))
			return l;
	}
	return NULL;
}

/* ---- record locks ---- */

static void free_lock(struct file_lock *l)
{
	list_del(&l->link);
	kfree(l);
}

/*
 * Gives the range of @fl to its owner as @fl->type, with two spare structures for the case that a lock is cut in two
 * and a new one is needed. Uses up what it takes from @spare. ctx->lock held.
 */
static void set_range(struct file_lock_ctx *c, const struct file_lock *fl, struct file_lock *spare[2])
{
	struct file_lock *l, *n, *mine = NULL;
	loff_t start = fl->start, end = fl->end;

	list_for_each_entry_safe(l, n, &c->posix, link) {
		if (l->owner != fl->owner)
			continue;
		if (l->type == fl->type) {
			/* Touching or overlapping: one lock. */
			const bool before = end != MAX_LFS_FILESIZE && l->start > end + 1;
			const bool after = l->end != MAX_LFS_FILESIZE && start > l->end + 1;

			if (before || after)
				continue;
			start = MIN(start, l->start);
			end = MAX(end, l->end);
			free_lock(l);
			continue;
		}
		if (l->end < start || l->start > end)
			continue;
		if (l->start < start && l->end > end) {
			struct file_lock *rest = spare[0];

			spare[0] = NULL;
			*rest = *l;
			rest->start = end + 1;
			list_add(&rest->link, &l->link);
			l->end = start - 1;
		} else if (l->start < start) {
			l->end = start - 1;
		} else if (l->end > end) {
			l->start = end + 1;
		} else {
			free_lock(l);
		}
	}
	if (fl->type == F_UNLCK)
		return;
	mine = spare[1];
	spare[1] = NULL;
	*mine = *fl;
	mine->start = start;
	mine->end = end;
	list_for_each_entry(l, &c->posix, link) {
		if (l->owner == fl->owner && l->start > end)
			break;
	}
	list_add_tail(&mine->link, &l->link);
}

/*
 * Locks have changed: all who wait look again. Until then they wait for nobody, or a search for circles would follow
 * what is no longer true.
 */
static void wake_waiters(struct file_lock_ctx *c)
{
	struct blocked *b, *next;

	spin_lock(&blocked_lock);
	list_for_each_entry_safe(b, next, &blocked, link) {
		if (b->ctx == c)
			list_del(&b->link);
	}
	spin_unlock(&blocked_lock);
	wake_up_all(&c->wait);
}

/* Would waiting of @owner for @by close a circle? blocked_lock held. */
static bool would_deadlock(const void *owner, const void *by)
{
	struct blocked *b;

	for (u32 depth = 0; depth < 64; depth++) {
		const void *next = NULL;

		if (by == owner)
			return true;
		list_for_each_entry(b, &blocked, link) {
			if (b->owner == by) {
				next = b->by;
				break;
			}
		}
		if (!next)
			return false;
		by = next;
	}
	return false;
}

/*
 * One try. 0, or -EAGAIN, or -EDEADLK. With @b (someone who will wait) it is entered as blocked, unless that closes a
 * circle: under c->lock, so that whoever releases the lock finds it (wake_waiters()).
 */
static int try_posix(struct file_lock_ctx *c, const struct file_lock *fl, struct file_lock *spare[2], struct blocked *b)
{
	struct file_lock *l = NULL;
	int err = 0;

	spin_lock(&c->lock);
	if (fl->type != F_UNLCK)
		l = find_conflict(&c->posix, fl);
	if (!l) {
		set_range(c, fl, spare);
	} else if (!b) {
		err = -EAGAIN;
	} else {
		b->by = l->owner;
		spin_lock(&blocked_lock);
		err = would_deadlock(b->owner, b->by) ? -EDEADLK : -EAGAIN;
		if (err == -EAGAIN)
			list_add_tail(&b->link, &blocked);
		spin_unlock(&blocked_lock);
	}
	spin_unlock(&c->lock);
	return err;
}

/* Who holds the lock, or tries again, must not look as if it still waited. */
static void unblock(struct blocked *b)
{
	spin_lock(&blocked_lock);
	list_del(&b->link);
	spin_unlock(&blocked_lock);
}

static int wait_posix(struct file_lock_ctx *c, const struct file_lock *fl, struct file_lock *spare[2])
{
	const bool detect = fl->pid != -1; /* not for open-file-description locks */
	struct blocked b = {.owner = fl->owner, .ctx = c};
	struct wait_entry w;
	int err;

	list_init(&b.link);
	wait_entry_init(&w, current);
	for (;;) {
		prepare_to_wait(&c->wait, &w, TASK_INTERRUPTIBLE);
		unblock(&b);
		err = try_posix(c, fl, spare, detect ? &b : NULL);
		if (err != -EAGAIN)
			break;
		if (signal_pending()) {
			err = -ERESTARTSYS;
			break;
		}
		schedule();
	}
	finish_wait(&c->wait, &w);
	unblock(&b);
	return err;
}

static int get_conflict(struct file_lock_ctx *c, struct file_lock *fl)
{
	struct file_lock *l;

	spin_lock(&c->lock);
	l = find_conflict(&c->posix, fl);
	if (l) {
		fl->type = l->type;
		fl->start = l->start;
		fl->end = l->end;
		fl->pid = l->pid;
	} else {
		fl->type = F_UNLCK;
	}
	spin_unlock(&c->lock);
	return 0;
}

int posix_lock_file(struct file *f, int cmd, struct file_lock *fl)
{
	struct file_lock_ctx *c = get_ctx(file_inode(f));
	struct file_lock *spare[2];
	int err = -ENOLCK;

	if (!c)
		return -ENOLCK;
	if (cmd == F_GETLK)
		return get_conflict(c, fl);
	spare[0] = kzalloc(sizeof(*spare[0]));
	spare[1] = kzalloc(sizeof(*spare[1]));
	if (spare[0] && spare[1])
		err = cmd == F_SETLKW ? wait_posix(c, fl, spare) : try_posix(c, fl, spare, NULL);
	kfree(spare[0]);
	kfree(spare[1]);
	/* A downgrade lets others in, too. */
	if (!err && fl->type != F_WRLCK)
		wake_waiters(c);
	return err;
}

/* ---- flock ---- */

static int try_flock(struct file_lock_ctx *c, const struct file_lock *fl, struct file_lock **spare)
{
	struct file_lock *l, *mine = NULL;
	int err = 0;

	spin_lock(&c->lock);
	list_for_each_entry(l, &c->flock, link) {
		if (l->owner == fl->owner)
			mine = l;
	}
	if (fl->type != F_UNLCK && find_conflict(&c->flock, fl)) {
		err = -EAGAIN;
	} else if (fl->type == F_UNLCK) {
		if (mine)
			free_lock(mine);
	} else if (mine) {
		mine->type = fl->type;
	} else {
		**spare = *fl;
		list_add_tail(&(*spare)->link, &c->flock);
		*spare = NULL;
	}
	spin_unlock(&c->lock);
	return err;
}

int flock_lock_file(struct file *f, int cmd, struct file_lock *fl)
{
	struct file_lock_ctx *c = get_ctx(file_inode(f));
	struct file_lock *spare = kzalloc(sizeof(*spare));
	int err, w;

	if (!c || !spare) {
		kfree(spare);
		return -ENOLCK;
	}
	err = try_flock(c, fl, &spare);
	if (err == -EAGAIN && cmd == F_SETLKW) {
		/* Another type is not an upgrade: what was held is given up while waiting. */
		struct file_lock drop = *fl;

		drop.type = F_UNLCK;
		try_flock(c, &drop, &spare);
		wake_waiters(c);
		w = wait_event_interruptible(&c->wait, (err = try_flock(c, fl, &spare)) == 0);
		err = w ? w : err;
	}
	kfree(spare);
	if (!err && fl->type != F_WRLCK)
		wake_waiters(c);
	return err;
}

/* ---- the end of owners ---- */

static void remove_owned(struct file_lock_ctx *c, struct list_head *list, const void *owner)
{
	struct file_lock *l, *n;
	bool any = false;

	spin_lock(&c->lock);
	list_for_each_entry_safe(l, n, list, link) {
		if (l->owner == owner) {
			free_lock(l);
			any = true;
		}
	}
	spin_unlock(&c->lock);
	if (any)
		wake_waiters(c);
}

static bool owns_any(struct file_lock_ctx *c, struct list_head *list, const void *owner)
{
	struct file_lock *l;
	bool any = false;

	spin_lock(&c->lock);
	list_for_each_entry(l, list, link)
		any |= l->owner == owner;
	spin_unlock(&c->lock);
	return any;
}

/* A file system that keeps locks elsewhere is told that all of an owner's end. */
static void unlock_all(struct file *f, int (*lock)(struct file *, int, struct file_lock *), void *owner)
{
	struct file_lock fl = {.owner = owner, .file = f, .type = F_UNLCK, .end = MAX_LFS_FILESIZE};

	lock(f, F_SETLK, &fl);
}

static void end_posix(struct file *f, struct file_lock_ctx *c, void *owner)
{
	if (f->ops->lock && owns_any(c, &c->posix, owner))
		unlock_all(f, f->ops->lock, owner);
	remove_owned(c, &c->posix, owner);
}

/* close(2) of any descriptor of the file drops all of the table's POSIX locks on it. */
void locks_remove_posix(struct file *f, void *owner)
{
	struct file_lock_ctx *c = file_inode(f)->locks;

	if (!list_empty(&c->posix))
		end_posix(f, c, owner);
}

void locks_remove_file(struct file *f)
{
	struct file_lock_ctx *c = file_inode(f)->locks;

	end_posix(f, c, f);
	if (f->ops->flock && owns_any(c, &c->flock, f))
		unlock_all(f, f->ops->flock, f);
	remove_owned(c, &c->flock, f);
}

/* ---- flock(2) ---- */

#define LOCK_SH 1
#define LOCK_EX 2
#define LOCK_NB 4
#define LOCK_UN 8

SYSCALL2(flock, int, fd, u32, op)
{
	struct file_lock fl = {.end = MAX_LFS_FILESIZE, .pid = task_tgid_nr(current)};
	struct fdref r;
	int err, cmd = op & LOCK_NB ? F_SETLK : F_SETLKW;

	switch (op & ~(u32)LOCK_NB) {
	case LOCK_SH:
		fl.type = F_RDLCK;
		break;
	case LOCK_EX:
		fl.type = F_WRLCK;
		break;
	case LOCK_UN:
		fl.type = F_UNLCK;
		break;
	default:
		return -EINVAL;
	}
	r = fdref_get(fd);
	if (!r.f)
		return -EBADF;
	fl.owner = fl.file = r.f;
	err = r.f->ops->flock ? r.f->ops->flock(r.f, cmd, &fl) : flock_lock_file(r.f, cmd, &fl);
	fdref_put(r);
	return err;
}
