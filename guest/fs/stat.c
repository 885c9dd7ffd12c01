/* SPDX-License-Identifier: Apache-2.0 */
/* stat and its relatives: what an inode says of itself, in the layouts programs know. */
#include "internal.h"

int vfs_getattr(const struct path *p, struct kstat *st, u32 mask)
{
	struct inode *i = p->dentry->inode;

	st->mnt_id = p->mnt->id;
	st->attributes = 0;
	if (i->ops && i->ops->getattr)
		return i->ops->getattr(p, st, mask);
	generic_fillattr(i, st);
	return 0;
}

#define STATX_BASIC_STATS 0x7ffu
#define STATX_BTIME 0x800u
#define STATX_MNT_ID 0x1000u
#define STATX__RESERVED 0x80000000u
#define AT_STATX_SYNC_TYPE 0x6000
#define STATX_ATTR_IMMUTABLE 0x10
#define STATX_ATTR_APPEND 0x20
#define STATX_ATTR_MOUNT_ROOT 0x2000

/* Of an empty name: the descriptor itself. */
static int stat_fd(int fd, struct kstat *st, struct path *keep)
{
	struct fdref r = fdref_get_raw(fd);
	int err;

	if (!r.f)
		return -EBADF;
	err = vfs_getattr(&r.f->path, st, STATX_BASIC_STATS);
	if (keep && !err) {
		*keep = r.f->path;
		path_get(keep);
	}
	fdref_put(r);
	return err;
}

static int stat_name(int dfd, const char *name, u32 lookup, struct kstat *st, struct path *keep)
{
	struct path p;
	int err = path_lookup(dfd, name, lookup, &p);

	if (err)
		return err;
	err = vfs_getattr(&p, st, STATX_BASIC_STATS);
	if (keep && !err)
		*keep = p;
	else
		path_put(&p);
	return err;
}

/* @keep, if not NULL, gets the path with references. */
static int stat_at(int dfd, const char __user *uname, u32 flags, struct kstat *st, struct path *keep)
{
	u32 lookup = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct pathname n;
	int err;

	if (flags & ~(u32)(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE))
		return -EINVAL;
	if ((flags & AT_EMPTY_PATH) && !uname && dfd >= 0)
		return stat_fd(dfd, st, keep);
	err = pathname_get(&n, uname, (flags & AT_EMPTY_PATH) != 0);
	if (err)
		return err;
	if (!*n.p && dfd >= 0)
		return stat_fd(dfd, st, keep);
	lookup |= flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0;
	err = stat_name(dfd, n.p, lookup, st, keep);
	if (unlikely(err == -ESTALE))
		err = stat_name(dfd, n.p, lookup | LOOKUP_REVAL, st, keep);
	pathname_put(&n);
	return err;
}

struct linux_stat { /* struct stat of x86-64 */
	u64 st_dev, st_ino, st_nlink;
	u32 st_mode, st_uid, st_gid, pad0;
	u64 st_rdev;
	s64 st_size, st_blksize, st_blocks;
	u64 st_atime, st_atime_nsec, st_mtime, st_mtime_nsec, st_ctime, st_ctime_nsec;
	s64 unused[3];
};

_Static_assert(sizeof(struct linux_stat) == 144, "struct stat");

static int stat_out(const struct kstat *st, void __user *ubuf)
{
	const struct linux_stat s = {
		.st_dev = st->dev,
		.st_ino = st->ino,
		.st_nlink = st->nlink,
		.st_mode = st->mode,
		.st_uid = st->uid,
		.st_gid = st->gid,
		.st_rdev = st->rdev,
		.st_size = st->size,
		.st_blksize = st->blksize,
		.st_blocks = (s64)st->blocks,
		.st_atime = (u64)st->atime.tv_sec,
		.st_atime_nsec = (u64)st->atime.tv_nsec,
		.st_mtime = (u64)st->mtime.tv_sec,
		.st_mtime_nsec = (u64)st->mtime.tv_nsec,
		.st_ctime = (u64)st->ctime.tv_sec,
		.st_ctime_nsec = (u64)st->ctime.tv_nsec,
	};

	return copy_to_user(ubuf, &s, sizeof(s));
}

static long do_stat(int dfd, const char __user *uname, u32 flags, void __user *ubuf)
{
	struct kstat st;
	const int err = stat_at(dfd, uname, flags, &st, NULL);

	return err ? err : stat_out(&st, ubuf);
}

SYSCALL2(stat, const char __user *, uname, void __user *, ubuf)
{
	return do_stat(AT_FDCWD, uname, 0, ubuf);
}

SYSCALL2(lstat, const char __user *, uname, void __user *, ubuf)
{
	return do_stat(AT_FDCWD, uname, AT_SYMLINK_NOFOLLOW, ubuf);
}

SYSCALL4(newfstatat, int, dfd, const char __user *, uname, void __user *, ubuf, u32, flags)
{
	return do_stat(dfd, uname, flags, ubuf);
}

SYSCALL2(fstat, int, fd, void __user *, ubuf)
{
	struct kstat st;
	const int err = stat_fd(fd, &st, NULL);

	return err ? err : stat_out(&st, ubuf);
}

struct statx_time {
	s64 tv_sec;
	u32 tv_nsec;
	s32 pad;
};

struct linux_statx {
	u32 stx_mask, stx_blksize;
	u64 stx_attributes;
	u32 stx_nlink, stx_uid, stx_gid;
	u16 stx_mode, pad1;
	u64 stx_ino, stx_size, stx_blocks, stx_attributes_mask;
	struct statx_time stx_atime, stx_btime, stx_ctime, stx_mtime;
	u32 stx_rdev_major, stx_rdev_minor, stx_dev_major, stx_dev_minor;
	u64 stx_mnt_id;
	u64 spare[13];
};

_Static_assert(sizeof(struct linux_statx) == 256, "struct statx");

static struct statx_time statx_time(struct timespec64 t)
{
	return (struct statx_time){t.tv_sec, (u32)t.tv_nsec, 0};
}

SYSCALL5(statx, int, dfd, const char __user *, uname, u32, flags, u32, mask, void __user *, ubuf)
{
	struct linux_statx x = {0};
	struct kstat st;
	struct path p;
	int err;

	if ((mask & STATX__RESERVED) || (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
		return -EINVAL;
	err = stat_at(dfd, uname, flags, &st, &p);
	if (err)
		return err;
	x.stx_mask = STATX_BASIC_STATS | STATX_MNT_ID | (st.btime.tv_sec ? STATX_BTIME : 0);
	x.stx_blksize = st.blksize;
	x.stx_nlink = st.nlink;
	x.stx_uid = st.uid;
	x.stx_gid = st.gid;
	x.stx_mode = (u16)st.mode;
	x.stx_ino = st.ino;
	x.stx_size = (u64)st.size;
	x.stx_blocks = st.blocks;
	x.stx_atime = statx_time(st.atime);
	x.stx_btime = statx_time(st.btime);
	x.stx_ctime = statx_time(st.ctime);
	x.stx_mtime = statx_time(st.mtime);
	x.stx_rdev_major = MAJOR(st.rdev);
	x.stx_rdev_minor = MINOR(st.rdev);
	x.stx_dev_major = MAJOR(st.dev);
	x.stx_dev_minor = MINOR(st.dev);
	x.stx_mnt_id = st.mnt_id;
	x.stx_attributes_mask = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND | STATX_ATTR_MOUNT_ROOT;
	x.stx_attributes = st.attributes;
	if (p.dentry->inode->flags & INODE_IMMUTABLE)
		x.stx_attributes |= STATX_ATTR_IMMUTABLE;
	if (p.dentry->inode->flags & INODE_APPEND)
		x.stx_attributes |= STATX_ATTR_APPEND;
	if (p.dentry == p.mnt->root)
		x.stx_attributes |= STATX_ATTR_MOUNT_ROOT;
	path_put(&p);
	return copy_to_user(ubuf, &x, sizeof(x));
}

/* ---- readlink ---- */

/* Text of a symlink; magic links show where they lead. */
static ssize_t link_text(struct dentry *d, char *buf)
{
	struct inode *i = d->inode;
	struct path to = {NULL, NULL};
	char *s;
	ssize_t n;

	if (i->link)
		return strscpy(buf, i->link, PATH_MAX);
	if (!i->ops->readlink)
		return -EINVAL;
	s = i->ops->readlink(d, i, &to);
	if (IS_ERR(s))
		return PTR_ERR(s);
	if (s) {
		n = strscpy(buf, s, PATH_MAX);
		kfree(s);
		return n;
	}
	s = d_path(&to, buf, PATH_MAX);
	n = IS_ERR(s) ? PTR_ERR(s) : (ssize_t)strlen(s);
	if (n > 0)
		memmove(buf, s, (size_t)n);
	path_put(&to);
	return n;
}

static long do_readlink(int dfd, const char __user *uname, char __user *ubuf, int size)
{
	struct path p;
	char *buf;
	ssize_t n;
	int err;

	if (size <= 0)
		return -EINVAL;
	err = user_path_at(dfd, uname, LOOKUP_EMPTY, &p);
	if (err)
		return err;
	buf = kmalloc(PATH_MAX);
	if (!buf) {
		n = -ENOMEM;
	} else if (!S_ISLNK(p.dentry->inode->mode)) {
		char c;

		/* An empty name with a descriptor that is no link is "no such link". */
		n = get_user(c, uname) == 0 && c == '\0' ? -ENOENT : -EINVAL;
	} else {
		n = link_text(p.dentry, buf);
	}
	if (n > 0) {
		n = MIN(n, (ssize_t)size);
		if (copy_to_user(ubuf, buf, (size_t)n))
			n = -EFAULT;
	}
	kfree(buf);
	path_put(&p);
	return n;
}

SYSCALL3(readlink, const char __user *, uname, char __user *, ubuf, int, size)
{
	return do_readlink(AT_FDCWD, uname, ubuf, size);
}

SYSCALL4(readlinkat, int, dfd, const char __user *, uname, char __user *, ubuf, int, size)
{
	return do_readlink(dfd, uname, ubuf, size);
}

/* ---- statfs ---- */

#define ST_RDONLY 1
#define ST_NOSUID 2
#define ST_NODEV 4
#define ST_NOEXEC 8
#define ST_VALID 0x20
#define ST_NOATIME 0x400
#define ST_NODIRATIME 0x800
#define ST_RELATIME 0x1000
#define ST_NOSYMFOLLOW 0x2000

static u32 statfs_flags(const struct mount *m)
{
	const u32 f = m->flags | (m->sb->flags & MS_RDONLY);

	return ST_VALID | (f & MS_RDONLY ? ST_RDONLY : 0) | (f & MS_NOSUID ? ST_NOSUID : 0) |
	       (f & MS_NODEV ? ST_NODEV : 0) | (f & MS_NOEXEC ? ST_NOEXEC : 0) | (f & MS_NOATIME ? ST_NOATIME : 0) |
	       (f & MS_NODIRATIME ? ST_NODIRATIME : 0) | (f & MS_RELATIME ? ST_RELATIME : 0) |
	       (f & MNT_NOSYMFOLLOW ? ST_NOSYMFOLLOW : 0);
}

static int statfs_path(const struct path *p, struct statfs64 *st)
{
	struct super *sb = p->dentry->sb;
	int err = 0;

	memset(st, 0, sizeof(*st));
	st->f_type = sb->magic;
	st->f_bsize = sb->blocksize;
	st->f_frsize = sb->blocksize;
	st->f_namelen = sb->name_max;
	st->f_fsid[0] = (s32)sb->dev;
	if (sb->ops && sb->ops->statfs)
		err = sb->ops->statfs(sb, st);
	st->f_flags = statfs_flags(p->mnt);
	return err;
}

SYSCALL2(statfs, const char __user *, uname, void __user *, ubuf)
{
	struct statfs64 st;
	struct path p;
	int err = user_path_at(AT_FDCWD, uname, LOOKUP_FOLLOW, &p);

	if (err)
		return err;
	err = statfs_path(&p, &st);
	path_put(&p);
	return err ? err : copy_to_user(ubuf, &st, sizeof(st));
}

SYSCALL2(fstatfs, int, fd, void __user *, ubuf)
{
	struct fdref r = fdref_get_raw(fd);
	struct statfs64 st;
	int err;

	if (!r.f)
		return -EBADF;
	err = statfs_path(&r.f->path, &st);
	fdref_put(r);
	return err ? err : copy_to_user(ubuf, &st, sizeof(st));
}
