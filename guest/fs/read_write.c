/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read, write, lseek and their vector and position forms.
 *
 * A file's own position is used under pos_lock when another descriptor, thread or process could use it at the same
 * time, as POSIX wants reads and writes of one description to be atomic against each other. Streams have no position.
 */
#include "internal.h"

#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#define SEEK_DATA 3
#define SEEK_HOLE 4

ssize_t vfs_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	ssize_t n;

	if (unlikely(!(f->fmode & FMODE_READ)))
		return -EBADF;
	if (unlikely(!f->ops->read))
		return S_ISDIR(f->inode->mode) ? -EISDIR : -EINVAL;
	if (unlikely(!vfs_range_ok(*pos, it->count)))
		return -EINVAL;
	n = f->ops->read(f, it, pos);
	if (n > 0)
		notify_access(f);
	return n;
}

ssize_t vfs_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	ssize_t n;

	if (unlikely(!(f->fmode & FMODE_WRITE)))
		return -EBADF;
	if (unlikely(!f->ops->write || !vfs_range_ok(*pos, it->count)))
		return -EINVAL;
	n = f->ops->write(f, it, pos);
	if (n > 0)
		notify_modify(f);
	return n;
}

ssize_t kernel_read(struct file *f, void *buf, size_t n, loff_t *pos)
{
	struct iovec v;
	struct iov_iter it;

	iter_init_kernel(&it, &v, buf, n);
	if (!f->ops->read)
		return -EINVAL;
	return f->ops->read(f, &it, pos);
}

ssize_t kernel_write(struct file *f, const void *buf, size_t n, loff_t *pos)
{
	struct iovec v;
	struct iov_iter it;

	iter_init_kernel(&it, &v, (void *)(u64)buf, n);
	if (!f->ops->write)
		return -EINVAL;
	return f->ops->write(f, &it, pos);
}

/* ---- the file's own position ---- */

static bool pos_begin(struct file *f, const struct fdref *r)
{
	if ((f->fmode & FMODE_STREAM) || (!r->counted && refcount_read(&f->refs) == 1))
		return false;
	mutex_lock(&f->pos_lock);
	return true;
}

typedef ssize_t rw_fn(struct file *f, struct iov_iter *it, loff_t *pos);

static ssize_t rw_at_pos(int fd, struct iov_iter *it, rw_fn *rw)
{
	struct fdref r = fdref_get(fd);
	bool locked;
	loff_t pos;
	ssize_t n;

	if (unlikely(!r.f))
		return -EBADF;
	locked = pos_begin(r.f, &r);
	pos = r.f->pos;
	n = rw(r.f, it, &pos);
	if (n > 0 && !(r.f->fmode & FMODE_STREAM))
		r.f->pos = pos;
	if (locked)
		mutex_unlock(&r.f->pos_lock);
	fdref_put(r);
	return n;
}

static ssize_t check_buffer(const void __user *buf, size_t *count)
{
	if (unlikely(!buffer_ok((u64)buf, *count)))
		return -EFAULT;
	if (unlikely(*count > MAX_RW_COUNT))
		*count = MAX_RW_COUNT;
	return 0;
}

static ssize_t one_buffer(int fd, void __user *buf, size_t count, rw_fn *rw)
{
	struct iovec v;
	struct iov_iter it;

	if (unlikely(check_buffer(buf, &count))) {
		struct fdref r = fdref_get(fd);

		fdref_put(r);
		return r.f ? -EFAULT : -EBADF;
	}
	iter_init_user(&it, &v, buf, count);
	return rw_at_pos(fd, &it, rw);
}

SYSCALL3(read, int, fd, char __user *, buf, size_t, count)
{
	return one_buffer(fd, buf, count, vfs_read);
}

SYSCALL3(write, int, fd, char __user *, buf, size_t, count)
{
	return one_buffer(fd, buf, count, vfs_write);
}

static ssize_t vector(int fd, const struct iovec __user *uvec, u64 nr, rw_fn *rw)
{
	struct iovec fast[8], *iov;
	struct iov_iter it;
	ssize_t n;

	n = iter_import(&it, uvec, nr, fast, &iov);
	if (n < 0)
		return n;
	n = rw_at_pos(fd, &it, rw);
	if (iov != fast)
		kfree(iov);
	return n;
}

SYSCALL3(readv, int, fd, const struct iovec __user *, uvec, u64, nr)
{
	return vector(fd, uvec, nr, vfs_read);
}

SYSCALL3(writev, int, fd, const struct iovec __user *, uvec, u64, nr)
{
	return vector(fd, uvec, nr, vfs_write);
}

/* ---- the caller's position ---- */

static ssize_t rw_at(int fd, struct iov_iter *it, loff_t pos, rw_fn *rw, u32 need)
{
	struct fdref r = fdref_get(fd);
	ssize_t n;

	if (!r.f)
		return -EBADF;
	n = r.f->fmode & need ? rw(r.f, it, &pos) : -ESPIPE;
	fdref_put(r);
	return n;
}

static ssize_t one_buffer_at(int fd, void __user *buf, size_t count, loff_t pos, rw_fn *rw, u32 need)
{
	struct iovec v;
	struct iov_iter it;
	ssize_t err;

	if (pos < 0)
		return -EINVAL;
	err = check_buffer(buf, &count);
	if (err)
		return err;
	iter_init_user(&it, &v, buf, count);
	return rw_at(fd, &it, pos, rw, need);
}

SYSCALL4(pread64, int, fd, char __user *, buf, size_t, count, loff_t, pos)
{
	return one_buffer_at(fd, buf, count, pos, vfs_read, FMODE_PREAD);
}

SYSCALL4(pwrite64, int, fd, char __user *, buf, size_t, count, loff_t, pos)
{
	return one_buffer_at(fd, buf, count, pos, vfs_write, FMODE_PWRITE);
}

static ssize_t vector_at(int fd, const struct iovec __user *uvec, u64 nr, loff_t pos, rw_fn *rw, u32 need)
{
	struct iovec fast[8], *iov;
	struct iov_iter it;
	ssize_t n;

	if (pos < 0)
		return -EINVAL;
	n = iter_import(&it, uvec, nr, fast, &iov);
	if (n < 0)
		return n;
	n = rw_at(fd, &it, pos, rw, need);
	if (iov != fast)
		kfree(iov);
	return n;
}

/* The position comes in two halves; on 64 bits the low one is all of it. */
SYSCALL5(preadv, int, fd, const struct iovec __user *, uvec, u64, nr, u64, lo, u64, hi)
{
	return vector_at(fd, uvec, nr, (loff_t)lo, vfs_read, FMODE_PREAD);
}

SYSCALL5(pwritev, int, fd, const struct iovec __user *, uvec, u64, nr, u64, lo, u64, hi)
{
	return vector_at(fd, uvec, nr, (loff_t)lo, vfs_write, FMODE_PWRITE);
}

#define RWF_HIPRI 0x1
#define RWF_DSYNC 0x2
#define RWF_SYNC 0x4
#define RWF_NOWAIT 0x8
#define RWF_APPEND 0x10

static int fsync_range(struct file *f, ssize_t n, loff_t end)
{
	return n > 0 ? vfs_fsync(f, end - n, end - 1, true) : 0;
}

static ssize_t write_synced(struct file *f, struct iov_iter *it, loff_t *pos)
{
	const ssize_t n = vfs_write(f, it, pos);
	const int err = fsync_range(f, n, *pos);

	return err ? err : n;
}

static ssize_t write_appending(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct file *tmp;
	ssize_t n;

	if (f->flags & O_APPEND)
		return vfs_write(f, it, pos);
	/* The flag belongs to the description; one of our own carries it for this write. */
	if (!(f->fmode & FMODE_WRITE))
		return -EBADF;
	tmp = file_open_path(&f->path, (f->flags & ~(u32)O_ACCMODE) | O_WRONLY | O_APPEND, f->cred);
	if (IS_ERR(tmp))
		return PTR_ERR(tmp);
	n = vfs_write(tmp, it, pos);
	file_put(tmp);
	return n;
}

/* The function that reads or writes with @flags (RWF_*); NULL: not supported. */
static rw_fn *rw_of_flags(u32 flags, bool write)
{
	/* Whether a call would wait is not known in advance here: no RWF_NOWAIT. */
	if ((flags & ~(u32)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_APPEND)) || (!write && (flags & RWF_APPEND)))
		return NULL;
	if (!write)
		return vfs_read;
	if (flags & RWF_APPEND)
		return write_appending;
	return flags & (RWF_DSYNC | RWF_SYNC) ? write_synced : vfs_write;
}

int vfs_check_rw_flags(u32 flags, bool write)
{
	return rw_of_flags(flags, write) ? 0 : -EOPNOTSUPP;
}

ssize_t vfs_rw_flags(struct file *f, struct iov_iter *it, loff_t *pos, u32 flags, bool write)
{
	return rw_of_flags(flags, write)(f, it, pos);
}

static ssize_t vector_flags(int fd, const struct iovec __user *uvec, u64 nr, loff_t pos, u32 flags, bool write)
{
	rw_fn *rw = rw_of_flags(flags, write);

	if (!rw)
		return -EOPNOTSUPP;
	if (pos == -1)
		return vector(fd, uvec, nr, rw);
	return vector_at(fd, uvec, nr, pos, rw, write ? FMODE_PWRITE : FMODE_PREAD);
}

SYSCALL6(preadv2, int, fd, const struct iovec __user *, uvec, u64, nr, u64, lo, u64, hi, u32, flags)
{
	return vector_flags(fd, uvec, nr, (loff_t)lo, flags, false);
}

SYSCALL6(pwritev2, int, fd, const struct iovec __user *, uvec, u64, nr, u64, lo, u64, hi, u32, flags)
{
	return vector_flags(fd, uvec, nr, (loff_t)lo, flags, true);
}

/* ---- lseek ---- */

loff_t generic_llseek(struct file *f, loff_t off, int whence)
{
	const loff_t size = f->inode->size;

	switch (whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		if (__builtin_add_overflow(off, f->pos, &off))
			return -EOVERFLOW;
		break;
	case SEEK_END:
		if (__builtin_add_overflow(off, size, &off))
			return -EOVERFLOW;
		break;
	case SEEK_DATA:
		if (off < 0 || off >= size)
			return -ENXIO;
		break;
	case SEEK_HOLE:
		if (off < 0 || off >= size)
			return -ENXIO;
		off = size;
		break;
	default:
		return -EINVAL;
	}
	if (off < 0 || off > f->inode->sb->max_bytes)
		return -EINVAL;
	if (off != f->pos) {
		f->pos = off;
		f->version = 0;
	}
	return off;
}

loff_t vfs_llseek(struct file *f, loff_t off, int whence)
{
	if (!(f->fmode & FMODE_LSEEK) || !f->ops->llseek)
		return -ESPIPE;
	return f->ops->llseek(f, off, whence);
}

SYSCALL3(lseek, int, fd, loff_t, off, int, whence)
{
	struct fdref r = fdref_get(fd);
	bool locked;
	loff_t ret;

	if (!r.f)
		return -EBADF;
	if (whence < SEEK_SET || whence > SEEK_HOLE) {
		fdref_put(r);
		return -EINVAL;
	}
	locked = pos_begin(r.f, &r);
	ret = vfs_llseek(r.f, off, whence);
	if (locked)
		mutex_unlock(&r.f->pos_lock);
	fdref_put(r);
	return ret;
}

/* ---- what writers of files check ---- */

int generic_write_checks(struct file *f, loff_t *pos, size_t *count)
{
	const u64 limit = READ_ONCE(current->process->rlim[RLIMIT_FSIZE].cur);
	const loff_t max = f->inode->sb->max_bytes;

	if (*count == 0)
		return 0;
	if (limit != RLIM_INFINITY) {
		if ((u64)*pos >= limit) {
			send_signal_task(SIGXFSZ, NULL, current);
			return -EFBIG;
		}
		*count = MIN(*count, (size_t)(limit - (u64)*pos));
	}
	if (*pos >= max)
		return -EFBIG;
	*count = MIN(*count, (size_t)(max - *pos));
	return 0;
}

int file_remove_privs(struct file *f)
{
	struct inode *i = f->inode;
	umode_t kill = 0;

	if (likely(!(i->mode & (S_ISUID | S_ISGID))) || !S_ISREG(i->mode))
		return 0;
	if (i->mode & S_ISUID)
		kill |= S_ISUID;
	/* Without group execution the bit means mandatory locks, not privilege. */
	if ((i->mode & (S_ISGID | 0010)) == (S_ISGID | 0010))
		kill |= S_ISGID;
	if (!kill || capable(CAP_FSETID))
		return 0;
	if (i->ops->setattr) {
		struct iattr attr = {.valid = ATTR_MODE | ATTR_FORCE | ATTR_KILL_SUID, .mode = i->mode & ~kill};

		return i->ops->setattr(f->path.dentry, i, &attr);
	}
	i->mode &= ~kill;
	return 0;
}

static bool earlier(const struct timespec64 *a, const struct timespec64 *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

void file_accessed(struct file *f)
{
	const u32 mnt = f->path.mnt->flags;
	struct inode *i = f->inode;
	struct timespec64 now;

	if ((f->flags & O_NOATIME) || ((mnt | i->sb->flags) & (MS_NOATIME | MS_RDONLY)))
		return;
	if ((mnt & MS_NODIRATIME) && S_ISDIR(i->mode))
		return;
	now = current_time();
	/* relatime: the first time after each change, and once a day */
	if ((mnt & MS_RELATIME) && earlier(&i->mtime, &i->atime) && earlier(&i->ctime, &i->atime) &&
	    now.tv_sec - i->atime.tv_sec < 86400)
		return;
	i->atime = now;
}
