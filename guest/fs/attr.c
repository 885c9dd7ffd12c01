/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing attributes: who may, what follows from what (set-id bits, times), and the system calls.
 *
 * notify_change() is the one way to a file system's setattr(): it checks, holds the inode's lock and tells inotify.
 */
#include <gk/time.h>
#include "internal.h"

/* Who may do what @attr asks. */
static int attr_allowed(struct inode *i, const struct iattr *attr)
{
	const struct cred *c = current->cred;
	const bool owner = c->fsuid == i->uid;

	if (i->flags &
	    (INODE_IMMUTABLE |
	     (attr->valid & (ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_ATIME_SET | ATTR_MTIME_SET) ? INODE_APPEND : 0)))
		return -EPERM;
	if (attr->valid & ATTR_FORCE)
		return 0;
	if ((attr->valid & ATTR_UID) && !(owner && attr->uid == i->uid) && !capable(CAP_CHOWN))
		return -EPERM;
	if ((attr->valid & ATTR_GID) && !(owner && (attr->gid == i->gid || in_group(attr->gid))) && !capable(CAP_CHOWN))
		return -EPERM;
	if ((attr->valid & ATTR_MODE) && !owner && !capable(CAP_FOWNER))
		return -EPERM;
	if ((attr->valid & (ATTR_ATIME_SET | ATTR_MTIME_SET)) && !owner && !capable(CAP_FOWNER))
		return -EPERM;
	return 0;
}

/* A chmod by someone outside the group cannot give set-group-id. */
static umode_t clean_mode(const struct inode *i, const struct iattr *attr)
{
	const kgid_t gid = attr->valid & ATTR_GID ? attr->gid : i->gid;

	if (!(attr->valid & ATTR_FORCE) && !in_group(gid) && !capable(CAP_FSETID))
		return attr->mode & ~(umode_t)S_ISGID;
	return attr->mode;
}

void setattr_copy(struct inode *i, const struct iattr *attr)
{
	if (attr->valid & ATTR_UID)
		i->uid = attr->uid;
	if (attr->valid & ATTR_GID)
		i->gid = attr->gid;
	if (attr->valid & ATTR_MODE)
		i->mode = (i->mode & S_IFMT) | (attr->mode & 07777);
	if (attr->valid & ATTR_ATIME)
		i->atime = attr->atime;
	if (attr->valid & ATTR_MTIME)
		i->mtime = attr->mtime;
	if (attr->valid & ATTR_CTIME)
		i->ctime = attr->ctime;
}

/* Set-id bits go when the owner or content of a file changes, unless it is somebody's who may set them. */
static void kill_set_ids(struct inode *i, struct iattr *attr)
{
	umode_t mode = attr->valid & ATTR_MODE ? attr->mode : i->mode, kill = 0;

	if (S_ISDIR(i->mode))
		return;
	if (mode & S_ISUID)
		kill |= S_ISUID;
	if ((mode & (S_ISGID | 0010)) == (S_ISGID | 0010))
		kill |= S_ISGID;
	if (!kill)
		return;
	attr->valid |= ATTR_MODE | ATTR_FORCE;
	attr->mode = mode & ~kill;
}

int notify_change(struct dentry *d, struct iattr *attr)
{
	struct inode *i = d->inode;
	int err;

	down_write(&i->lock);
	err = attr_allowed(i, attr);
	if (!err && (attr->valid & ATTR_MODE))
		attr->mode = clean_mode(i, attr);
	if (!err) {
		const struct timespec64 now = current_time();

		if ((attr->valid & (ATTR_UID | ATTR_GID)) || (attr->valid & ATTR_KILL_SUID))
			kill_set_ids(i, attr);
		if ((attr->valid & ATTR_SIZE) && !capable(CAP_FSETID))
			kill_set_ids(i, attr);
		if (!(attr->valid & ATTR_ATIME_SET))
			attr->atime = now;
		if (!(attr->valid & ATTR_MTIME_SET))
			attr->mtime = now;
		attr->ctime = now;
		attr->valid |= ATTR_CTIME;
		if (i->ops && i->ops->setattr)
			err = i->ops->setattr(d, i, attr);
		else if (attr->valid & ATTR_SIZE)
			err = -EINVAL;
		else
			setattr_copy(i, attr);
	}
	up_write(&i->lock);
	if (!err && (i->watches || (d->parent->inode && d->parent->inode->watches)))
		fsnotify_dentry(d, attr->valid & ATTR_SIZE ? IN_MODIFY : IN_ATTRIB);
	return err;
}

static int change_path(const struct path *p, struct iattr *attr)
{
	const int err = mnt_want_write(p);

	return err ? err : notify_change(p->dentry, attr);
}

/* user_path_at() with the flags that fchmodat2(), fchownat() and utimensat() take. */
static int path_at(int dfd, const char __user *uname, u32 flags, struct path *p)
{
	const u32 follow = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;

	if (flags & ~(u32)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	return user_path_at(dfd, uname, follow | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0), p);
}

/* ---- mode ---- */

int chmod_path(const struct path *p, umode_t mode)
{
	struct iattr attr = {.valid = ATTR_MODE, .mode = mode & 07777};

	if (S_ISLNK(p->dentry->inode->mode))
		return -EOPNOTSUPP;
	return change_path(p, &attr);
}

static long do_chmod(int dfd, const char __user *uname, umode_t mode, u32 flags)
{
	struct path p;
	int err = path_at(dfd, uname, flags, &p);

	if (err)
		return err;
	err = chmod_path(&p, mode);
	path_put(&p);
	return err;
}

SYSCALL2(chmod, const char __user *, uname, umode_t, mode)
{
	return do_chmod(AT_FDCWD, uname, mode, 0);
}

SYSCALL3(fchmodat, int, dfd, const char __user *, uname, umode_t, mode)
{
	return do_chmod(dfd, uname, mode, 0);
}

SYSCALL4(fchmodat2, int, dfd, const char __user *, uname, umode_t, mode, u32, flags)
{
	return do_chmod(dfd, uname, mode, flags);
}

SYSCALL2(fchmod, int, fd, umode_t, mode)
{
	struct fdref r = fdref_get(fd);
	int err;

	if (!r.f)
		return -EBADF;
	err = chmod_path(&r.f->path, mode);
	fdref_put(r);
	return err;
}

/* ---- owner ---- */

static int chown_path(const struct path *p, kuid_t uid, kgid_t gid)
{
	struct iattr attr = {.valid = 0, .uid = uid, .gid = gid};

	if (uid != (kuid_t)-1)
		attr.valid |= ATTR_UID;
	if (gid != (kgid_t)-1)
		attr.valid |= ATTR_GID;
	if (!attr.valid)
		attr.valid = ATTR_CTIME;
	if (!S_ISDIR(p->dentry->inode->mode))
		attr.valid |= ATTR_KILL_SUID;
	return change_path(p, &attr);
}

static long do_chown(int dfd, const char __user *uname, kuid_t uid, kgid_t gid, u32 flags)
{
	struct path p;
	int err = path_at(dfd, uname, flags, &p);

	if (err)
		return err;
	err = chown_path(&p, uid, gid);
	path_put(&p);
	return err;
}

SYSCALL3(chown, const char __user *, uname, kuid_t, uid, kgid_t, gid)
{
	return do_chown(AT_FDCWD, uname, uid, gid, 0);
}

SYSCALL3(lchown, const char __user *, uname, kuid_t, uid, kgid_t, gid)
{
	return do_chown(AT_FDCWD, uname, uid, gid, AT_SYMLINK_NOFOLLOW);
}

SYSCALL5(fchownat, int, dfd, const char __user *, uname, kuid_t, uid, kgid_t, gid, u32, flags)
{
	return do_chown(dfd, uname, uid, gid, flags);
}

SYSCALL3(fchown, int, fd, kuid_t, uid, kgid_t, gid)
{
	struct fdref r = fdref_get(fd);
	int err;

	if (!r.f)
		return -EBADF;
	err = chown_path(&r.f->path, uid, gid);
	fdref_put(r);
	return err;
}

/* ---- times ---- */

#define UTIME_NOW 0x3fffffff
#define UTIME_OMIT 0x3ffffffe

/* @t: two times, or NULL for "now". */
static int set_times(const struct path *p, const struct timespec64 *t)
{
	struct iattr attr = {.valid = ATTR_ATIME | ATTR_MTIME | ATTR_CTIME};
	struct inode *i = p->dentry->inode;
	bool all_now = !t || (t[0].tv_nsec == UTIME_NOW && t[1].tv_nsec == UTIME_NOW);
	int err;

	if (t && t[0].tv_nsec == UTIME_OMIT && t[1].tv_nsec == UTIME_OMIT)
		return 0;
	if (!all_now) {
		for (int n = 0; n < 2; n++) {
			const u32 what = n ? ATTR_MTIME : ATTR_ATIME, set = n ? ATTR_MTIME_SET : ATTR_ATIME_SET;

			if (t[n].tv_nsec == UTIME_OMIT) {
				attr.valid &= ~what;
			} else if (t[n].tv_nsec != UTIME_NOW) {
				attr.valid |= set;
				*(n ? &attr.mtime : &attr.atime) = t[n];
			}
		}
		/* One now and the other left alone is more than touching: the owner's right. */
		if (!(attr.valid & (ATTR_ATIME_SET | ATTR_MTIME_SET)) && !owner_or_capable(i))
			return -EPERM;
	} else if (!owner_or_capable(i)) {
		err = inode_permission(i, MAY_WRITE);
		if (err)
			return err;
	}
	return change_path(p, &attr);
}

static int check_times(const struct timespec64 *t)
{
	for (int n = 0; n < 2; n++) {
		if (t[n].tv_nsec == UTIME_NOW || t[n].tv_nsec == UTIME_OMIT)
			continue;
		if (t[n].tv_nsec < 0 || t[n].tv_nsec >= (s64)NSEC_PER_SEC)
			return -EINVAL;
	}
	return 0;
}

static long utimes_at(int dfd, const char __user *uname, const struct timespec64 *t, u32 flags)
{
	struct path p;
	int err = path_at(dfd, uname, flags, &p);

	if (err)
		return err;
	err = set_times(&p, t);
	path_put(&p);
	return err;
}

static long utimes_fd(int fd, const struct timespec64 *t)
{
	struct fdref r = fdref_get(fd);
	int err;

	if (!r.f)
		return -EBADF;
	err = set_times(&r.f->path, t);
	fdref_put(r);
	return err;
}

SYSCALL4(utimensat, int, dfd, const char __user *, uname, const struct timespec64 __user *, ut, u32, flags)
{
	struct timespec64 t[2];

	if (ut) {
		if (copy_from_user(t, ut, sizeof(t)))
			return -EFAULT;
		if (check_times(t))
			return -EINVAL;
		if (t[0].tv_nsec == UTIME_OMIT && t[1].tv_nsec == UTIME_OMIT)
			return 0;
	}
	if (!uname && dfd != AT_FDCWD)
		return flags ? -EINVAL : utimes_fd(dfd, ut ? t : NULL);
	return utimes_at(dfd, uname, ut ? t : NULL, flags);
}

static long do_utimes(int dfd, const char __user *uname, const struct timeval64 __user *ut)
{
	struct timeval64 tv[2];
	struct timespec64 t[2];

	if (ut) {
		if (copy_from_user(tv, ut, sizeof(tv)))
			return -EFAULT;
		for (int n = 0; n < 2; n++) {
			if (tv[n].tv_usec < 0 || tv[n].tv_usec >= 1000000)
				return -EINVAL;
			t[n] = (struct timespec64){tv[n].tv_sec, tv[n].tv_usec * 1000};
		}
	}
	if (!uname && dfd != AT_FDCWD)
		return utimes_fd(dfd, ut ? t : NULL);
	return utimes_at(dfd, uname, ut ? t : NULL, 0);
}

SYSCALL2(utimes, const char __user *, uname, const struct timeval64 __user *, ut)
{
	return do_utimes(AT_FDCWD, uname, ut);
}

SYSCALL3(futimesat, int, dfd, const char __user *, uname, const struct timeval64 __user *, ut)
{
	return do_utimes(dfd, uname, ut);
}

SYSCALL2(utime, const char __user *, uname, const s64 __user *, ut)
{
	struct timespec64 t[2] = {{0, 0}, {0, 0}};

	if (ut && (get_user(t[0].tv_sec, ut) || get_user(t[1].tv_sec, ut + 1)))
		return -EFAULT;
	return utimes_at(AT_FDCWD, uname, ut ? t : NULL, 0);
}

/* ---- size ---- */

static int check_size(struct inode *i, loff_t size)
{
	const u64 limit = READ_ONCE(current->process->rlim[RLIMIT_FSIZE].cur);

	if (size > i->sb->max_bytes)
		return -EFBIG;
	if (limit != RLIM_INFINITY && (u64)size > limit && size > i->size) {
		send_signal_task(SIGXFSZ, NULL, current);
		return -EFBIG;
	}
	return 0;
}

int vfs_truncate(const struct path *p, loff_t size)
{
	struct iattr attr = {.valid = ATTR_SIZE | ATTR_MTIME | ATTR_CTIME, .size = size};
	struct inode *i = p->dentry->inode;
	int err;

	if (S_ISDIR(i->mode))
		return -EISDIR;
	if (!S_ISREG(i->mode))
		return -EINVAL;
	err = mnt_want_write(p);
	if (!err)
		err = inode_permission(i, MAY_WRITE);
	if (!err && (i->flags & INODE_APPEND))
		err = -EPERM;
	if (!err)
		err = get_write_access(i);
	if (err)
		return err;
	err = check_size(i, size);
	if (!err)
		err = notify_change(p->dentry, &attr);
	put_write_access(i);
	return err;
}

SYSCALL2(truncate, const char __user *, uname, loff_t, size)
{
	struct path p;
	int err;

	if (size < 0)
		return -EINVAL;
	err = user_path_at(AT_FDCWD, uname, LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	err = vfs_truncate(&p, size);
	path_put(&p);
	return err;
}

static int truncate_file(struct file *f, loff_t size)
{
	struct iattr attr = {.valid = ATTR_SIZE | ATTR_MTIME | ATTR_CTIME | ATTR_FILE, .size = size, .file = f};
	struct inode *i = file_inode(f);
	int err;

	if (!(f->fmode & FMODE_WRITE) || !S_ISREG(i->mode))
		return -EINVAL;
	if (i->flags & INODE_APPEND)
		return -EPERM;
	err = check_size(i, size);
	return err ? err : notify_change(f->path.dentry, &attr);
}

SYSCALL2(ftruncate, int, fd, loff_t, size)
{
	struct fdref r;
	int err;

	if (size < 0)
		return -EINVAL;
	r = fdref_get(fd);
	if (!r.f)
		return -EBADF;
	err = truncate_file(r.f, size);
	fdref_put(r);
	return err;
}

#define FALLOC_FL_KEEP_SIZE 0x1
#define FALLOC_FL_PUNCH_HOLE 0x2
#define FALLOC_FL_ZERO_RANGE 0x10

static int allocate_file(struct file *f, int mode, loff_t off, loff_t len)
{
	struct inode *i = f->inode;
	int err;

	if (!(f->fmode & FMODE_WRITE))
		return -EBADF;
	if ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE))
		return -EOPNOTSUPP;
	if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	if (S_ISFIFO(i->mode))
		return -ESPIPE;
	if (S_ISDIR(i->mode))
		return -EISDIR;
	if (!S_ISREG(i->mode))
		return -ENODEV;
	if (off > i->sb->max_bytes - len)
		return -EFBIG;
	if (!(mode & FALLOC_FL_KEEP_SIZE)) {
		err = check_size(i, off + len);
		if (err)
			return err;
	}
	if (!f->ops->fallocate)
		return -EOPNOTSUPP;
	err = f->ops->fallocate(f, mode, off, len);
	if (!err)
		notify_modify(f);
	return err;
}

SYSCALL4(fallocate, int, fd, int, mode, loff_t, off, loff_t, len)
{
	struct fdref r;
	int err;

	if (off < 0 || len <= 0)
		return -EINVAL;
	r = fdref_get(fd);
	if (!r.f)
		return -EBADF;
	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		err = -EOPNOTSUPP;
	else
		err = allocate_file(r.f, mode, off, len);
	fdref_put(r);
	return err;
}
