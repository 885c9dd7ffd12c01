/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Watches on inodes, and the hooks by which the rest of fs/ says what happens.
 *
 * All watches hang in two lists, their instance's and their inode's (inode->watches is the first), and in the list of
 * all, under one lock: events on watched inodes are rare enough. The watches of an inode hold one reference to it
 * together. When only that one is left of an inode without links, the file is gone: inode_put() asks through
 * fsnotify_inode_put().
 *
 * Order: notify_lock > instance->lock > its queue's lock. Inode references are dropped outside.
 */
#include "inotify.h"
#include "internal.h"

#define MAX_WATCHES 65536

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

/* ---- what happens ---- */

/*
 * notify_lock held. Takes @w out of all lists; true if it was the last one of its inode (whose reference is now the
 * caller's).
 */
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

/*
 * notify_lock held. One event for one watch. True: it was a one-shot, and is unlinked and told about; *last as
 * unlink_watch().
 */
static bool deliver(struct watch *w, u32 mask, u32 cookie, const char *name, bool *last)
{
	u32 hit = mask & w->mask & IN_ALL_EVENTS;

	if (!hit)
		return false;
	inotify_queue(w->in, w->wd, hit | (mask & IN_ISDIR), cookie, name);
	if (!(w->mask & IN_ONESHOT))
		return false;
	inotify_queue(w->in, w->wd, IN_IGNORED, 0, NULL);
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

/*
 * notify_lock held. Takes all watches off @i, telling them @mask and IN_IGNORED; the list is returned for
 * watches_free().
 */
static struct watch *detach_all(struct inode *i, u32 mask)
{
	struct watch *w, *all = i->watches;

	for (w = all; w; w = w->next) {
		if (w->mask & mask & IN_ALL_EVENTS || mask == IN_UNMOUNT)
			inotify_queue(w->in, w->wd, mask, 0, NULL);
		inotify_queue(w->in, w->wd, IN_IGNORED, 0, NULL);
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

/* ---- for the descriptors ---- */

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

s32 watch_set(struct inotify *in, struct inode *i, u32 arg)
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

/* notify_lock held: released. Takes @w off. */
static void watch_remove(struct watch *w)
{
	struct inode *i = w->inode;
	const bool last = unlink_watch(w);

	spin_unlock(&notify_lock);
	kfree(w);
	if (last)
		inode_put(i);
}

int watch_end(struct inotify *in, s32 wd)
{
	struct watch *w, *found = NULL;

	spin_lock(&notify_lock);
	list_for_each_entry(w, &in->watches, instance_link) {
		if (w->wd == wd)
			found = w;
	}
	if (!found) {
		spin_unlock(&notify_lock);
		return -EINVAL;
	}
	inotify_queue(in, wd, IN_IGNORED, 0, NULL);
	watch_remove(found);
	return 0;
}

void watches_end(struct inotify *in)
{
	for (;;) {
		spin_lock(&notify_lock);
		if (list_empty(&in->watches))
			break;
		watch_remove(list_first_entry(&in->watches, struct watch, instance_link));
	}
	spin_unlock(&notify_lock);
}

size_t watches_show(struct inotify *in, char *buf, size_t size)
{
	struct watch *w;
	size_t len = 0;

	spin_lock(&notify_lock);
	list_for_each_entry(w, &in->watches, instance_link)
		len += scnprintf(buf + len, size - len, "inotify wd:%x ino:%lx sdev:%lx mask:%x ignored_mask:0\n",
				 w->wd, w->inode->ino, w->inode->sb->dev, w->mask & ~(u32)IN_UNMOUNT);
	spin_unlock(&notify_lock);
	return len;
}
