/* SPDX-License-Identifier: Apache-2.0 */
/* fcntl and ioctl: what concerns every file; the rest goes to the file's operations. */
#include <gk/fasync.h>
#include <gk/filelock.h>
#include <gk/memfd.h>
#include <gk/pipe.h>
#include "internal.h"

#define F_DUPFD 0
#define F_GETFD 1
#define F_SETFD 2
#define F_GETFL 3
#define F_SETFL 4
#define F_SETOWN 8
#define F_GETOWN 9
#define F_SETSIG 10
#define F_GETSIG 11
#define F_SETOWN_EX 15
#define F_GETOWN_EX 16
#define F_GETOWNER_UIDS 17
#define F_OFD_GETLK 36
#define F_OFD_SETLK 37
#define F_OFD_SETLKW 38
#define F_SETLEASE 1024
#define F_GETLEASE 1025
#define F_DUPFD_QUERY 1027
#define F_DUPFD_CLOEXEC 1030
#define F_ADD_SEALS 1033
#define F_GET_SEALS 1034
#define F_GET_RW_HINT 1035
#define F_SET_RW_HINT 1036

#define FD_CLOEXEC 1

/* ---- record locks ---- */

struct flock64 {
	s16 l_type, l_whence;
	s32 pad;
	s64 l_start, l_len;
	s32 l_pid, pad2;
};

_Static_assert(sizeof(struct flock64) == 32, "struct flock");

/* A program's range to [start, end]. */
static int flock_range(struct file *f, const struct flock64 *u, struct file_lock *fl)
{
	loff_t start = u->l_start, base = 0;

	switch (u->l_whence) {
	case 0:
		break;
	case 1:
		base = f->pos;
		break;
	case 2:
		base = f->inode->size;
		break;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(start, base, &start))
		return -EOVERFLOW;
	if (start < 0)
		return -EINVAL;
	fl->start = start;
	fl->end = MAX_LFS_FILESIZE;
	if (u->l_len > 0) {
		if (__builtin_add_overflow(start, u->l_len - 1, &fl->end))
			return -EOVERFLOW;
	} else if (u->l_len < 0) {
		if (start + u->l_len < 0)
			return -EINVAL;
		fl->end = start - 1;
		fl->start = start + u->l_len;
	}
	return 0;
}

static int lock_file(struct file *f, int cmd, struct file_lock *fl)
{
	return f->ops->lock ? f->ops->lock(f, cmd, fl) : posix_lock_file(f, cmd, fl);
}

/* The descriptor was closed by another thread while we waited: its locks are gone, ours must go too. */
static int recheck_fd(int fd, struct file *f, struct file_lock *fl)
{
	struct file *now = fd_get(fd);
	const bool same = now == f;

	if (now)
		file_put(now);
	if (same)
		return 0;
	fl->type = F_UNLCK;
	lock_file(f, F_SETLK, fl);
	return -EBADF;
}

static long fcntl_lock(int fd, struct file *f, u32 cmd, struct flock64 __user *ufl)
{
	const bool ofd = cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
	const int base = cmd == F_OFD_GETLK    ? F_GETLK
			 : cmd == F_OFD_SETLK  ? F_SETLK
			 : cmd == F_OFD_SETLKW ? F_SETLKW
					       : (int)cmd;
	struct file_lock fl = {.file = f};
	struct flock64 u;
	int err;

	if (copy_from_user(&u, ufl, sizeof(u)))
		return -EFAULT;
	if (u.l_type != F_RDLCK && u.l_type != F_WRLCK && (u.l_type != F_UNLCK || base == F_GETLK))
		return -EINVAL;
	if (ofd && u.l_pid)
		return -EINVAL;
	err = flock_range(f, &u, &fl);
	if (err)
		return err;
	fl.type = (u32)u.l_type;
	fl.owner = ofd ? (void *)f : (void *)current->files;
	fl.pid = ofd ? -1 : task_tgid_nr(current);
	if (base != F_GETLK) {
		if ((fl.type == F_RDLCK && !(f->fmode & FMODE_READ)) ||
		    (fl.type == F_WRLCK && !(f->fmode & FMODE_WRITE)))
			return -EBADF;
		err = lock_file(f, base, &fl);
		if (!err && !ofd && fl.type != F_UNLCK)
			err = recheck_fd(fd, f, &fl);
		return err;
	}
	err = lock_file(f, F_GETLK, &fl);
	if (err)
		return err;
	u.l_type = (s16)fl.type;
	if (fl.type != F_UNLCK) {
		u.l_whence = 0;
		u.l_start = fl.start;
		u.l_len = fl.end == MAX_LFS_FILESIZE ? 0 : fl.end - fl.start + 1;
		u.l_pid = fl.pid;
	}
	return copy_to_user(ufl, &u, sizeof(u));
}

/* ---- flags ---- */

#define SETFL_MASK ((u32)(O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | FASYNC))

static int set_flags(int fd, struct file *f, u32 arg)
{
	const u32 flags = (f->flags & ~SETFL_MASK) | (arg & SETFL_MASK);
	int err = 0;

	if ((f->flags & O_APPEND) && !(arg & O_APPEND) && (file_inode(f)->flags & INODE_APPEND))
		return -EPERM;
	if ((arg & O_NOATIME) && !(f->flags & O_NOATIME) && !owner_or_capable(file_inode(f)))
		return -EPERM;
	if (f->ops->setfl)
		err = f->ops->setfl(f, flags);
	if (!err && ((flags ^ f->flags) & FASYNC))
		err = fasync_set(fd, f, flags & FASYNC);
	if (err)
		return err;
	spin_lock(&f->lock);
	f->flags = flags;
	spin_unlock(&f->lock);
	return 0;
}

/* ---- fcntl ---- */

static long do_fcntl(int fd, struct file *f, u32 cmd, u64 arg)
{
	struct file *other;
	int n;

	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		n = fd_reserve_from((u32)arg, cmd == F_DUPFD_CLOEXEC ? O_CLOEXEC : 0);
		if (n >= 0)
			fd_install(n, file_get(f));
		return n;
	case F_GETFD:
		return fd_cloexec(current, fd) ? FD_CLOEXEC : 0;
	case F_SETFD:
		fd_set_cloexec(fd, arg & FD_CLOEXEC);
		return 0;
	case F_GETFL:
		return f->flags;
	case F_DUPFD_QUERY:
		other = fd_get_raw((int)arg);
		if (!other)
			return -EBADF;
		n = other == f;
		file_put(other);
		return n;
	}
	if (f->fmode & FMODE_PATH)
		return -EBADF;
	switch (cmd) {
	case F_SETFL:
		return set_flags(fd, f, (u32)arg);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return fcntl_lock(fd, f, cmd, (struct flock64 __user *)arg);
	case F_SETOWN:
		return fown_set(f, (s32)arg);
	case F_GETOWN:
		return fown_get(f);
	case F_SETOWN_EX:
	case F_GETOWN_EX:
	case F_SETSIG:
	case F_GETSIG:
	case F_GETOWNER_UIDS:
		return fown_fcntl(f, cmd, arg);
	case F_GETLEASE:
		return F_UNLCK;
	case F_SETLEASE: /* nobody can have one */
		return arg == F_UNLCK ? -EAGAIN : -EINVAL;
	case F_SETPIPE_SZ:
	case F_GETPIPE_SZ:
		return pipe_fcntl(f, cmd, arg);
	case F_ADD_SEALS:
		return memfd_add_seals(f, (u32)arg);
	case F_GET_SEALS:
		return memfd_get_seals(f);
	case F_GET_RW_HINT:
		return put_user((u64)0, (u64 __user *)arg);
	case F_SET_RW_HINT:
		return 0;
	}
	return -EINVAL;
}

SYSCALL3(fcntl, int, fd, u32, cmd, u64, arg)
{
	/* Counted: F_SETLKW sleeps, F_DUPFD keeps it. */
	struct file *f = fd_get_raw(fd);
	long ret;

	if (!f)
		return -EBADF;
	ret = do_fcntl(fd, f, cmd, arg);
	file_put(f);
	return ret;
}

/* ---- ioctl ---- */

#define FIONREAD 0x541b
#define FIONBIO 0x5421
#define FIONCLEX 0x5450
#define FIOCLEX 0x5451
#define FIOASYNC 0x5452
#define FIOQSIZE 0x5460
#define FIGETBSZ 0x2
#define FICLONE 0x40049409
#define FICLONERANGE 0x4020940d

static int set_flag_by_int(int fd, struct file *f, u32 flag, const s32 __user *uon)
{
	s32 on;

	if (get_user(on, uon))
		return -EFAULT;
	if (flag == FASYNC && !f->ops->fasync && !on != !(f->flags & FASYNC))
		return -ENOTTY;
	return set_flags(fd, f, on ? f->flags | flag : f->flags & ~flag);
}

static long generic_ioctl(int fd, struct file *f, u32 cmd, u64 arg)
{
	struct inode *i = f->inode;

	switch (cmd) {
	case FIOCLEX:
		fd_set_cloexec(fd, true);
		return 0;
	case FIONCLEX:
		fd_set_cloexec(fd, false);
		return 0;
	case FIONBIO:
		return set_flag_by_int(fd, f, O_NONBLOCK, (const s32 __user *)arg);
	case FIOASYNC:
		return set_flag_by_int(fd, f, FASYNC, (const s32 __user *)arg);
	case FIOQSIZE:
		if (!S_ISDIR(i->mode) && !S_ISREG(i->mode) && !S_ISLNK(i->mode))
			return -ENOTTY;
		return put_user((s64)i->size, (s64 __user *)arg);
	case FIGETBSZ:
		return put_user((s32)i->sb->blocksize, (s32 __user *)arg);
	case FIONREAD:
		if (S_ISREG(i->mode))
			return put_user((s32)(i->size - f->pos), (s32 __user *)arg);
		return -ENOIOCTLCMD;
	case FICLONE:
	case FICLONERANGE:
		return -EOPNOTSUPP;
	}
	return -ENOIOCTLCMD;
}

SYSCALL3(ioctl, int, fd, u32, cmd, u64, arg)
{
	struct fdref r = fdref_get(fd);
	long ret;

	if (!r.f)
		return -EBADF;
	ret = generic_ioctl(fd, r.f, cmd, arg);
	if (ret == -ENOIOCTLCMD && r.f->ops->ioctl)
		ret = r.f->ops->ioctl(r.f, cmd, arg);
	fdref_put(r);
	return ret == -ENOIOCTLCMD ? -ENOTTY : ret;
}
