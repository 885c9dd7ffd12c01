/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open and its relatives: from a path (or an inode) to an open description; access.
 *
 * file_inode() decides about permissions; the file system's open() may then put another inode and other operations into
 * the file (fs/overlay). O_CREAT first looks without the directory's lock, because most files opened that way are there
 * already.
 */
#include "internal.h"

#define O_VALID                                                                                                        \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC | FASYNC | O_DIRECT |     \
	 O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_SYNC | O_PATH | O_TMPFILE)
#define O_TMPFILE_BIT 020000000

static u32 acc_mode(u32 flags)
{
	static const u8 map[4] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE};
	u32 m = map[flags & O_ACCMODE];

	if (flags & O_TRUNC)
		m |= MAY_WRITE;
	return m;
}

static u32 fmode_of(u32 flags)
{
	u32 m = 0;

	if ((flags & O_ACCMODE) == O_RDONLY || (flags & O_ACCMODE) == O_RDWR)
		m |= FMODE_READ;
	if ((flags & O_ACCMODE) == O_WRONLY || (flags & O_ACCMODE) == O_RDWR)
		m |= FMODE_WRITE;
	return m;
}

static int may_open(const struct path *p, u32 acc, u32 flags)
{
	struct inode *i = p->dentry->inode;
	int err;

	switch (i->mode & S_IFMT) {
	case S_IFLNK:
		return -ELOOP;
	case S_IFDIR:
		if (acc & MAY_WRITE)
			return -EISDIR;
		break;
	case S_IFBLK:
	case S_IFCHR:
		if ((p->mnt->flags | i->sb->flags) & MS_NODEV)
			return -EACCES;
		flags &= ~(u32)O_TRUNC;
		break;
	case S_IFSOCK:
		return -ENXIO;
	case S_IFIFO:
		flags &= ~(u32)O_TRUNC;
		break;
	case S_IFREG:
		if ((acc & MAY_WRITE) && mnt_want_write(p))
			return -EROFS;
		break;
	}
	err = inode_permission(i, acc);
	if (err)
		return err;
	if (i->flags & INODE_APPEND) {
		if ((flags & O_ACCMODE) != O_RDONLY && !(flags & O_APPEND))
			return -EPERM;
		if (flags & O_TRUNC)
			return -EPERM;
	}
	if ((flags & O_NOATIME) && !owner_or_capable(i))
		return -EPERM;
	return 0;
}

static int file_truncate(struct file *f)
{
	struct iattr attr = {.valid = ATTR_SIZE | ATTR_MTIME | ATTR_CTIME | ATTR_FILE | ATTR_OPEN, .file = f};

	return notify_change(f->path.dentry, &attr);
}

/* Makes @f, whose path is set (reference owned by @f), an open file of it. */
static int file_open(struct file *f)
{
	static const struct file_ops no_ops;
	struct inode *i = file_inode(f);
	int err;

	f->inode = i;
	if (f->flags & O_PATH) {
		f->fmode = FMODE_PATH | FMODE_OPENED;
		f->ops = &no_ops;
		f->flags &= O_PATH | O_DIRECTORY | O_NOFOLLOW;
		return 0;
	}
	f->fmode = fmode_of(f->flags);
	if ((f->fmode & FMODE_WRITE) && S_ISREG(i->mode)) {
		err = get_write_access(i);
		if (err)
			return err;
		f->fmode |= FMODE_WRITER;
	}
	/* Special files of devpts and anonymous ones (pipes, standard streams) bring their own. */
	f->ops = i->fops ? i->fops : special_fops(i);
	if (!f->ops)
		return -ENXIO;
	if (f->ops->open) {
		err = f->ops->open(i, f);
		if (err)
			return err;
	}
	f->fmode |= FMODE_OPENED;
	if (f->ops->llseek && !(f->fmode & FMODE_STREAM))
		f->fmode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	else if (!f->ops->llseek)
		f->fmode |= FMODE_STREAM;
	f->flags &= ~(u32)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC);
	if (unlikely(i->watches || (f->path.dentry->parent->inode && f->path.dentry->parent->inode->watches)))
		fsnotify_dentry(f->path.dentry, IN_OPEN);
	return 0;
}

struct file *file_open_path(const struct path *p, u32 flags, const struct cred *cred)
{
	struct file *f = file_alloc(flags & ~(u32)O_CLOEXEC);
	int err;

	if (!f)
		return ERR_PTR(-ENOMEM);
	f->path = *p;
	path_get(&f->path);
	err = file_open(f);
	if (err) {
		file_put(f);
		return ERR_PTR(err);
	}
	return f;
}

/* Opens what @p names after all checks; truncates if asked to. */
static struct file *open_checked(const struct path *p, u32 flags, u32 acc)
{
	const bool trunc = (flags & O_TRUNC) && S_ISREG(p->dentry->inode->mode);
	struct file *f;
	int err = flags & O_PATH ? 0 : may_open(p, acc, flags);

	if (!err && (flags & O_DIRECTORY) && !S_ISDIR(p->dentry->inode->mode))
		err = -ENOTDIR;
	if (err)
		return ERR_PTR(err);
	f = file_open_path(p, flags, current->cred);
	if (IS_ERR(f) || !trunc || (flags & O_PATH))
		return f;
	err = file_truncate(f);
	if (err) {
		file_put(f);
		return ERR_PTR(err);
	}
	return f;
}

static umode_t create_mode(const struct inode *dir, umode_t mode)
{
	return inode_create_mode(dir, (mode & 07777) | S_IFREG);
}

/* O_TMPFILE in directory @p. */
static struct file *open_tmpfile(const struct path *p, u32 flags, umode_t mode)
{
	struct inode *dir = p->dentry->inode, *i;
	struct dentry *d;
	struct file *f;
	struct path at;
	int err = mnt_want_write(p);

	if (!S_ISDIR(dir->mode))
		return ERR_PTR(-ENOTDIR);
	if (!err)
		err = inode_permission(dir, MAY_WRITE | MAY_EXEC);
	if (err)
		return ERR_PTR(err);
	if (!dir->ops->tmpfile)
		return ERR_PTR(-EOPNOTSUPP);
	d = d_alloc(p->dentry, "#tmpfile", 8);
	if (!d)
		return ERR_PTR(-ENOMEM);
	i = dir->ops->tmpfile(dir, create_mode(dir, mode));
	if (IS_ERR(i)) {
		dput(d);
		return ERR_CAST(i);
	}
	/* Unnamed: nothing finds it, and paths show it as deleted. */
	d->flags |= DENTRY_UNLINKED;
	if (!(flags & O_EXCL))
		i->flags |= INODE_LINKABLE;
	d_instantiate(d, i);
	at = (struct path){p->mnt, d};
	f = file_open_path(&at, flags & ~(u32)(O_TMPFILE | O_CREAT), current->cred);
	dput(d);
	return f;
}

/* Creates nd->last if it is not there. *d: the dentry, positive; *created says which. Directory not locked. */
static int lookup_or_create(struct nameidata *nd, u32 flags, umode_t mode, struct dentry **out, bool *created)
{
	struct inode *dir = nd->path.dentry->inode;
	struct dentry *d;
	int err = 0;

	*created = false;
	down_write(&dir->lock);
	d = lookup_last(nd);
	if (IS_ERR(d)) {
		up_write(&dir->lock);
		return (int)PTR_ERR(d);
	}
	if (!d->inode) {
		err = mnt_want_write(&nd->path);
		if (!err)
			err = may_create(dir);
		if (!err)
			err = vfs_create(dir, d, create_mode(dir, mode));
		*created = !err;
	}
	up_write(&dir->lock);
	if (err)
		dput(d);
	else
		*out = d;
	return err;
}

/* Opens nd->last in nd->path, creating it. NULL: a symlink is to be followed, its dentry in *link. */
static struct file *open_create(struct nameidata *nd, u32 flags, umode_t mode, struct dentry **link)
{
	struct path p = {nd->path.mnt, NULL};
	struct dentry *dir = nd->path.dentry;
	bool created = false;
	struct file *f;
	int err;

	if (nd->last_type != LAST_NORM || nd->trailing)
		return ERR_PTR(-EISDIR);
	p.dentry = d_lookup_hash(dir, nd->last, nd->last_len, nd->last_hash);
	if (!p.dentry || !p.dentry->inode || (p.dentry->ops && p.dentry->ops->revalidate)) {
		dput(p.dentry);
		if (nd->flags & LOOKUP_CACHED)
			return ERR_PTR(-EAGAIN);
		err = lookup_or_create(nd, flags, mode, &p.dentry, &created);
		if (err)
			return ERR_PTR(err);
	}
	if (created) {
		/* Its mode may forbid what the creator asked for. */
		f = file_open_path(&p, flags, current->cred);
		dput(p.dentry);
		return f;
	}
	if (flags & O_EXCL) {
		dput(p.dentry);
		return ERR_PTR(-EEXIST);
	}
	if (S_ISLNK(p.dentry->inode->mode)) {
		if (flags & O_NOFOLLOW) {
			dput(p.dentry);
			return ERR_PTR(-ELOOP);
		}
		*link = p.dentry;
		return NULL;
	}
	path_get(&p);
	dput(p.dentry);
	err = follow_mounts(nd, &p);
	if (err)
		f = ERR_PTR(err);
	else if (S_ISDIR(p.dentry->inode->mode))
		f = ERR_PTR(-EISDIR);
	else
		f = open_checked(&p, flags, acc_mode(flags));
	path_put(&p);
	return f;
}

static struct file *create_walk(struct nameidata *nd, const char *s, u32 flags, umode_t mode)
{
	struct dentry *link = NULL;
	struct file *f;
	int err;

	for (;;) {
		err = nd_walk_parent(nd, s);
		if (err)
			return ERR_PTR(err);
		f = open_create(nd, flags, mode, &link);
		if (f)
			return f;
		s = nd_follow(nd, link);
		if (IS_ERR(s))
			return ERR_PTR(PTR_ERR(s));
		if (!*s) /* a magic link has jumped to the file itself */
			return S_ISDIR(nd->path.dentry->inode->mode) ? ERR_PTR(-EISDIR)
								     : open_checked(&nd->path, flags, acc_mode(flags));
	}
}

static struct file *open_name(int dfd, const char *name, u32 flags, umode_t mode, u32 lookup)
{
	struct nameidata nd;
	struct path p;
	struct file *f;
	int err;

	if ((flags & O_CREAT) && !(flags & O_PATH)) {
		if (!*name)
			return ERR_PTR(-ENOENT);
		err = nd_init(&nd, dfd, name, lookup);
		if (err)
			return ERR_PTR(err);
		f = create_walk(&nd, name, flags, mode);
		nd_end(&nd);
		return f;
	}
	if (!(flags & O_NOFOLLOW))
		lookup |= LOOKUP_FOLLOW;
	if (flags & O_DIRECTORY)
		lookup |= LOOKUP_DIRECTORY;
	err = path_lookup(dfd, name, lookup, &p);
	if (err)
		return ERR_PTR(err);
	if (flags & O_TMPFILE_BIT)
		f = open_tmpfile(&p, flags, mode);
	else
		f = open_checked(&p, flags, acc_mode(flags));
	path_put(&p);
	return f;
}

struct file *do_filp_open(int dfd, const char *name, u32 flags, umode_t mode, u32 lookup)
{
	struct file *f = open_name(dfd, name, flags, mode, lookup);

	/* What the name meant was replaced behind our back: once more, believing no cached name. */
	if (unlikely(IS_ERR(f) && PTR_ERR(f) == -ESTALE))
		f = open_name(dfd, name, flags, mode, lookup | LOOKUP_REVAL);
	return f;
}

struct file *filp_open(const char *name, u32 flags, umode_t mode)
{
	return do_filp_open(AT_FDCWD, name, flags, mode, 0);
}

/* ---- system calls ---- */

/* Flag words as open(2) takes them: unknown bits are ignored, O_PATH drops what it cannot use. */
static int clean_flags(u32 *flags, umode_t mode, bool strict)
{
	u32 f = *flags;

	if (strict && (f & ~(u32)O_VALID))
		return -EINVAL;
	f &= O_VALID;
	if (f & O_TMPFILE_BIT) {
		if ((f & O_TMPFILE) != O_TMPFILE || (f & O_CREAT) || !(acc_mode(f) & MAY_WRITE))
			return -EINVAL;
	} else if ((f & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY) && !(f & O_PATH)) {
		return -EINVAL;
	}
	if (strict) {
		if ((mode & ~07777u) || (mode && !(f & (O_CREAT | O_TMPFILE_BIT))))
			return -EINVAL;
		if ((f & O_PATH) && (f & ~(u32)(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)))
			return -EINVAL;
	}
	if (f & O_PATH)
		f &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	if ((f & O_SYNC) == (O_SYNC & ~O_DSYNC))
		f |= O_DSYNC;
	*flags = f;
	return 0;
}

static long do_open(int dfd, const char __user *uname, u32 flags, umode_t mode, u32 lookup)
{
	struct pathname n;
	struct file *f;
	int fd, err;

	err = pathname_get(&n, uname, false);
	if (err)
		return err;
	fd = fd_reserve(flags);
	if (fd >= 0) {
		f = do_filp_open(dfd, n.p, flags, mode, lookup);
		if (IS_ERR(f)) {
			fd_release(fd);
			fd = (int)PTR_ERR(f);
		} else {
			fd_install(fd, f);
		}
	}
	pathname_put(&n);
	return fd;
}

static long open_at(int dfd, const char __user *uname, u32 flags, umode_t mode)
{
	const int err = clean_flags(&flags, mode, false);

	return err ? err : do_open(dfd, uname, flags | O_LARGEFILE, mode, 0);
}

SYSCALL3(open, const char __user *, uname, u32, flags, umode_t, mode)
{
	return open_at(AT_FDCWD, uname, flags, mode);
}

SYSCALL4(openat, int, dfd, const char __user *, uname, u32, flags, umode_t, mode)
{
	return open_at(dfd, uname, flags, mode);
}

SYSCALL2(creat, const char __user *, uname, umode_t, mode)
{
	return open_at(AT_FDCWD, uname, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

struct open_how {
	u64 flags, mode, resolve;
};

#define RESOLVE_NO_XDEV 0x1
#define RESOLVE_NO_MAGICLINKS 0x2
#define RESOLVE_NO_SYMLINKS 0x4
#define RESOLVE_BENEATH 0x8
#define RESOLVE_IN_ROOT 0x10
#define RESOLVE_CACHED 0x20
#define RESOLVE_VALID 0x3f

static int get_open_how(struct open_how *how, const void __user *uhow, size_t size)
{
	const char __user *tail = (const char __user *)uhow + sizeof(*how);

	if (size < sizeof(*how))
		return -EINVAL;
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (copy_from_user(how, uhow, sizeof(*how)))
		return -EFAULT;
	/* What a newer program knows must be zero. */
	for (size_t n = size - sizeof(*how); n; n--) {
		char c;

		if (get_user(c, tail))
			return -EFAULT;
		if (c)
			return -E2BIG;
		tail++;
	}
	return 0;
}

SYSCALL4(openat2, int, dfd, const char __user *, uname, const void __user *, uhow, size_t, size)
{
	static const struct {
		u32 resolve, lookup;
	} map[] = {
		{RESOLVE_NO_XDEV, LOOKUP_NO_XDEV},	   {RESOLVE_NO_MAGICLINKS, LOOKUP_NO_MAGICLINKS},
		{RESOLVE_NO_SYMLINKS, LOOKUP_NO_SYMLINKS}, {RESOLVE_BENEATH, LOOKUP_BENEATH},
		{RESOLVE_IN_ROOT, LOOKUP_IN_ROOT},	   {RESOLVE_CACHED, LOOKUP_CACHED},
	};
	struct open_how how;
	u32 flags, lookup = 0;
	int err = get_open_how(&how, uhow, size);

	if (err)
		return err;
	if (how.flags >> 32 || how.mode >> 32 || (how.resolve & ~(u64)RESOLVE_VALID))
		return -EINVAL;
	if ((how.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) == (RESOLVE_BENEATH | RESOLVE_IN_ROOT))
		return -EINVAL;
	flags = (u32)how.flags;
	err = clean_flags(&flags, (umode_t)how.mode, true);
	if (err)
		return err;
	for (u32 i = 0; i < ARRAY_SIZE(map); i++)
		lookup |= how.resolve & map[i].resolve ? map[i].lookup : 0;
	if ((lookup & LOOKUP_CACHED) && (flags & (O_TRUNC | O_CREAT | O_TMPFILE_BIT)))
		return -EAGAIN;
	return do_open(dfd, uname, flags | O_LARGEFILE, (umode_t)how.mode, lookup);
}

/* ---- access ---- */

/* access(2) asks for the real ids; capabilities as those would have them. */
static struct cred *real_cred(void)
{
	struct cred *c = cred_prepare();

	if (!c)
		return NULL;
	c->fsuid = c->uid;
	c->fsgid = c->gid;
	c->cap_effective = c->uid ? 0 : c->cap_permitted;
	return c;
}

static int access_path(const struct path *p, u32 mode)
{
	struct inode *i = p->dentry->inode;

	if ((mode & MAY_EXEC) && S_ISREG(i->mode) && ((p->mnt->flags | i->sb->flags) & MS_NOEXEC))
		return -EACCES;
	if ((mode & MAY_WRITE) && !(S_ISCHR(i->mode) || S_ISBLK(i->mode) || S_ISFIFO(i->mode) || S_ISSOCK(i->mode)) &&
	    mnt_want_write(p))
		return -EROFS;
	return mode ? inode_permission(i, mode) : 0;
}

static long do_access(int dfd, const char __user *uname, u32 mode, u32 flags)
{
	struct cred *old = NULL, *c;
	struct path p;
	u32 lookup = LOOKUP_FOLLOW;
	int err;

	if ((mode & ~7u) || (flags & ~(u32)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
		return -EINVAL;
	if (flags & AT_SYMLINK_NOFOLLOW)
		lookup &= ~(u32)LOOKUP_FOLLOW;
	if (flags & AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	c = current->cred;
	if (!(flags & AT_EACCESS) && (c->fsuid != c->uid || c->fsgid != c->gid || (c->uid && c->cap_effective))) {
		c = real_cred();
		if (!c)
			return -ENOMEM;
		old = current->cred;
		current->cred = c;
	}
	err = user_path_at(dfd, uname, lookup, &p);
	if (!err) {
		err = access_path(&p, mode);
		path_put(&p);
	}
	if (old) {
		current->cred = old;
		cred_put(c);
	}
	return err;
}

SYSCALL2(access, const char __user *, uname, u32, mode)
{
	return do_access(AT_FDCWD, uname, mode, 0);
}

SYSCALL3(faccessat, int, dfd, const char __user *, uname, u32, mode)
{
	return do_access(dfd, uname, mode, 0);
}

SYSCALL4(faccessat2, int, dfd, const char __user *, uname, u32, mode, u32, flags)
{
	return do_access(dfd, uname, mode, flags);
}
