/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks that reach the host, for trees others use at the same time. Only for those the user said so of
 * (FS_EXPORT_SHARED): a lock on a file of the host's root would keep the host's own programs waiting, for which reading
 * it is enough.
 *
 * Each lock owner of a guest (a process for POSIX locks, an open file for flock) gets an open file description of its
 * own on the host file and takes its locks through that one (F_OFD_SETLK, flock), so the host sees exactly the owners
 * the guest has. No call here waits: who cannot have a lock is told so and asks again.
 *
 * Lock: fs->lock for the list and the counts; the calls on a description are made without it, while it is busy.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "internal.h"

/* fs->lock held. */
static struct lock_file *find(struct fs *fs, const struct node *node, uint64_t owner, bool is_flock)
{
	struct lock_file *lf;

	list_for_each_entry(lf, &fs->lock_files, link)
		if (lf->node == node && lf->owner == owner && lf->flock == is_flock)
			return lf;
	return NULL;
}

/* Takes it out of the list: closing the description ends its locks. fs->lock held. */
static void destroy(struct fs *fs, struct lock_file *lf)
{
	list_del_init(&lf->link);
	fs->lock_file_count--;
	close(lf->fd);
	node_unref_locked(fs, lf->node);
	free(lf);
}

/* The description of an owner, busy; opened if there is none and @create. */
static int lock_file_get(struct fs *fs, struct node *node, uint64_t owner, bool is_flock, bool create,
			 struct lock_file **out)
{
	struct lock_file *lf, *fresh = NULL;
	int fd;

	pthread_mutex_lock(&fs->lock);
	lf = find(fs, node, owner, is_flock);
	if (lf)
		lf->busy++;
	pthread_mutex_unlock(&fs->lock);
	*out = lf;
	if (lf || !create)
		return 0;
	if (!fs_export_has(fs, node, FS_EXPORT_SHARED))
		return -EOPNOTSUPP;
	fd = fs_export_has(fs, node, FS_EXPORT_RO) ? -EROFS : fs_open_data(fs, node, O_RDWR);
	if (fd == -EACCES || fd == -EROFS)
		fd = fs_open_data(fs, node, O_RDONLY);
	if (fd < 0)
		return fd;
	fresh = malloc(sizeof(*fresh));

	pthread_mutex_lock(&fs->lock);
	lf = find(fs, node, owner, is_flock);
	if (!lf && fresh && fs->lock_file_count < fs->max_lock_files) {
		*fresh = (struct lock_file){.node = node, .owner = owner, .flock = is_flock, .fd = fd};
		list_add(&fresh->link, &fs->lock_files);
		fs->lock_file_count++;
		node->refs++;
		lf = fresh;
		fresh = NULL;
		fd = -1;
	}
	if (lf)
		lf->busy++;
	pthread_mutex_unlock(&fs->lock);
	free(fresh);
	if (fd >= 0)
		close(fd);
	*out = lf;
	return lf ? 0 : -ENOLCK;
}

/* @locked: the caller has taken a lock. */
static void lock_file_put(struct fs *fs, struct lock_file *lf, bool locked)
{
	pthread_mutex_lock(&fs->lock);
	if (locked)
		lf->drop = false;
	if (--lf->busy == 0 && lf->drop)
		destroy(fs, lf);
	pthread_mutex_unlock(&fs->lock);
}

/* The description has no locks any more: it ends, unless somebody else is about to take one. */
static void drop_if_idle(struct fs *fs, struct node *node, uint64_t owner, bool is_flock)
{
	struct lock_file *lf;

	pthread_mutex_lock(&fs->lock);
	lf = find(fs, node, owner, is_flock);
	if (lf && !lf->busy)
		destroy(fs, lf);
	pthread_mutex_unlock(&fs->lock);
}

static int unlock_all(const struct lock_file *lf)
{
	struct flock fl = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	return lf->flock ? flock(lf->fd, LOCK_UN | LOCK_NB) : fcntl(lf->fd, F_OFD_SETLK, &fl);
}

void fs_locks_drop(struct fs *fs, struct node *node, uint64_t owner, bool is_flock)
{
	struct lock_file *lf;
	bool shared = false;

	pthread_mutex_lock(&fs->lock);
	lf = find(fs, node, owner, is_flock);
	if (lf) {
		shared = lf->busy++ > 0;
		lf->drop = true;
	}
	pthread_mutex_unlock(&fs->lock);
	if (!lf)
		return;
	/* Another thread of the owner is at it: what it holds ends now, what it takes from here on is its own. */
	if (shared)
		(void)unlock_all(lf);
	lock_file_put(fs, lf, false);
}

void fs_locks_deinit(struct fs *fs)
{
	struct lock_file *lf, *next;

	pthread_mutex_lock(&fs->lock);
	list_for_each_entry_safe(lf, next, &fs->lock_files, link)
		destroy(fs, lf);
	pthread_mutex_unlock(&fs->lock);
}

static int decode(const struct fuse_lk_in *in, struct flock *fl)
{
	if (in->lk.start > INT64_MAX || in->lk.end > INT64_MAX || in->lk.end < in->lk.start)
		return -EINVAL;
	if (in->lk.type != F_RDLCK && in->lk.type != F_WRLCK && in->lk.type != F_UNLCK)
		return -EINVAL;
	*fl = (struct flock){.l_type = (short)in->lk.type, .l_whence = SEEK_SET, .l_start = (off_t)in->lk.start};
	/* Length 0: to the end, however far that is. */
	if (in->lk.end != INT64_MAX)
		fl->l_len = (off_t)(in->lk.end - in->lk.start + 1);
	return 0;
}

int fs_op_getlk(struct fs_req *req)
{
	struct fuse_lk_out out = {0};
	struct lock_file *lf;
	struct fuse_lk_in in;
	struct flock fl;
	int r;

	memcpy(&in, req->args, sizeof(in));
	r = decode(&in, &fl);
	if (r < 0)
		return r;
	r = lock_file_get(req->fs, req->node, in.owner, false, true, &lf);
	if (r < 0)
		return r;
	r = fcntl(lf->fd, F_OFD_GETLK, &fl) < 0 ? -errno : 0;
	lock_file_put(req->fs, lf, false);
	if (r < 0)
		return r;
	out.lk.type = (uint32_t)fl.l_type;
	if (fl.l_type != F_UNLCK) {
		out.lk.start = (uint64_t)fl.l_start;
		out.lk.end = fl.l_len ? (uint64_t)(fl.l_start + fl.l_len - 1) : INT64_MAX;
		/* Whoever it is, it is no process of the guest. */
	}
	fs_reply(req, &out, sizeof(out));
	return 0;
}

static int set_flock(const struct lock_file *lf, uint32_t type)
{
	const int op = type == F_UNLCK ? LOCK_UN : type == F_RDLCK ? LOCK_SH : LOCK_EX;

	return flock(lf->fd, op | LOCK_NB) < 0 ? -errno : 0;
}

int fs_op_setlk(struct fs_req *req)
{
	struct lock_file *lf;
	struct fuse_lk_in in;
	struct flock fl;
	bool is_flock;
	int r;

	memcpy(&in, req->args, sizeof(in));
	is_flock = in.lk_flags & FUSE_LK_FLOCK;
	r = decode(&in, &fl);
	if (r < 0)
		return r;
	r = lock_file_get(req->fs, req->node, in.owner, is_flock, fl.l_type != F_UNLCK, &lf);
	if (r < 0 || !lf)
		return r;
	if (is_flock)
		r = set_flock(lf, in.lk.type);
	else
		r = fcntl(lf->fd, F_OFD_SETLK, &fl) < 0 ? -errno : 0;
	lock_file_put(req->fs, lf, r == 0 && fl.l_type != F_UNLCK);
	if (r == 0 && fl.l_type == F_UNLCK && (is_flock || (in.lk.start == 0 && fl.l_len == 0)))
		drop_if_idle(req->fs, req->node, in.owner, is_flock);
	return r;
}
