/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes: who may touch which name, and the system calls. Names have a first part that decides: user. is
 * for regular files and directories by their permissions; trusted. for administrators and hidden from others; security.
 * can be read by all. What is stored is up to the file system; ACLs (system.) are not supported.
 */
#include "internal.h"

#define XATTR_SIZE_MAX 65536u
#define XATTR_LIST_MAX 65536u
#define XATTR_CREATE 1
#define XATTR_REPLACE 2

static bool starts(const char *s, const char *prefix)
{
	return !strncmp(s, prefix, strlen(prefix));
}

static int xattr_permission(struct inode *i, const char *name, u32 mask)
{
	if ((mask & MAY_WRITE) && (i->flags & (INODE_IMMUTABLE | INODE_APPEND)))
		return -EPERM;
	if (starts(name, "security.")) {
		if (!(mask & MAY_WRITE))
			return 0;
		if (!strcmp(name, "security.capability"))
			return capable(CAP_SETFCAP) ? 0 : -EPERM;
		return capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
	}
	if (starts(name, "trusted.")) {
		if (capable(CAP_SYS_ADMIN))
			return 0;
		return mask & MAY_WRITE ? -EPERM : -ENODATA;
	}
	if (starts(name, "system."))
		return mask & MAY_WRITE && !owner_or_capable(i) ? -EPERM : 0;
	if (starts(name, "user.")) {
		if (!S_ISREG(i->mode) && !S_ISDIR(i->mode))
			return mask & MAY_WRITE ? -EPERM : -ENODATA;
		if (S_ISDIR(i->mode) && (i->mode & S_ISVTX) && (mask & MAY_WRITE) && !owner_or_capable(i))
			return -EPERM;
		return inode_permission(i, mask);
	}
	return -EOPNOTSUPP;
}

ssize_t vfs_getxattr(struct dentry *d, const char *name, void *buf, size_t size)
{
	struct inode *i = d->inode;

	return i->ops && i->ops->getxattr ? i->ops->getxattr(i, name, buf, size) : -EOPNOTSUPP;
}

int vfs_setxattr(struct dentry *d, const char *name, const void *val, size_t size, u32 flags)
{
	struct inode *i = d->inode;
	int err;

	if (!i->ops || !i->ops->setxattr)
		return -EOPNOTSUPP;
	down_write(&i->lock);
	err = i->ops->setxattr(d, i, name, val, size, flags);
	if (!err)
		i->ctime = current_time();
	up_write(&i->lock);
	if (!err && i->watches)
		fsnotify_inode(i, IN_ATTRIB);
	return err;
}

ssize_t vfs_listxattr(struct dentry *d, char *buf, size_t size)
{
	struct inode *i = d->inode;

	return i->ops && i->ops->listxattr ? i->ops->listxattr(i, buf, size) : 0;
}

int vfs_removexattr(struct dentry *d, const char *name)
{
	struct inode *i = d->inode;
	int err;

	if (!i->ops || !i->ops->removexattr)
		return -EOPNOTSUPP;
	down_write(&i->lock);
	err = i->ops->removexattr(d, i, name);
	if (!err)
		i->ctime = current_time();
	up_write(&i->lock);
	if (!err && i->watches)
		fsnotify_inode(i, IN_ATTRIB);
	return err;
}

static int get_name(char *name, const char __user *uname)
{
	const ssize_t n = strncpy_from_user(name, uname, NAME_MAX + 1);

	if (n == 0 || n == -ENAMETOOLONG)
		return -ERANGE;
	return n < 0 ? (int)n : 0;
}

/* ---- one operation on a path ---- */

enum xattr_op { XATTR_SET, XATTR_GET, XATTR_LIST, XATTR_REMOVE };

struct xattr_args {
	enum xattr_op op;
	const char __user *name;
	void __user *value;
	size_t size;
	u32 flags;
};

static long do_set(const struct path *p, const struct xattr_args *a)
{
	char name[NAME_MAX + 1];
	void *val = NULL;
	int err;

	if (a->flags & ~(u32)(XATTR_CREATE | XATTR_REPLACE))
		return -EINVAL;
	err = get_name(name, a->name);
	if (err)
		return err;
	if (a->size > XATTR_SIZE_MAX)
		return -E2BIG;
	if (a->size) {
		val = kmalloc(a->size);
		if (!val)
			return -ENOMEM;
		if (copy_from_user(val, a->value, a->size)) {
			kfree(val);
			return -EFAULT;
		}
	}
	err = mnt_want_write(p);
	if (!err)
		err = xattr_permission(p->dentry->inode, name, MAY_WRITE);
	if (!err)
		err = vfs_setxattr(p->dentry, name, val, a->size, a->flags);
	kfree(val);
	return err;
}

static long do_get(const struct path *p, const struct xattr_args *a)
{
	const size_t size = MIN(a->size, (size_t)XATTR_SIZE_MAX);
	char name[NAME_MAX + 1];
	void *val = NULL;
	ssize_t n = get_name(name, a->name);

	if (n)
		return n;
	if (size) {
		val = kmalloc(size);
		if (!val)
			return -ENOMEM;
	}
	n = xattr_permission(p->dentry->inode, name, MAY_READ);
	if (!n)
		n = vfs_getxattr(p->dentry, name, val, size);
	if (n > 0 && size && copy_to_user(a->value, val, (size_t)n))
		n = -EFAULT;
	kfree(val);
	return n;
}

/* Takes names out of @list that current may not see. */
static ssize_t hide_trusted(char *list, ssize_t n)
{
	char *to = list;

	for (char *s = list; s < list + n;) {
		const size_t len = strlen(s) + 1;

		if (!starts(s, "trusted.")) {
			memmove(to, s, len);
			to += len;
		}
		s += len;
	}
	return to - list;
}

static long do_list(const struct path *p, const struct xattr_args *a)
{
	char *list = kmalloc(XATTR_LIST_MAX);
	ssize_t n;

	if (!list)
		return -ENOMEM;
	n = vfs_listxattr(p->dentry, list, XATTR_LIST_MAX);
	if (n > 0 && !capable(CAP_SYS_ADMIN))
		n = hide_trusted(list, n);
	if (n > 0 && a->size) {
		if ((size_t)n > a->size)
			n = -ERANGE;
		else if (copy_to_user(a->value, list, (size_t)n))
			n = -EFAULT;
	}
	kfree(list);
	return n;
}

static long do_remove(const struct path *p, const struct xattr_args *a)
{
	char name[NAME_MAX + 1];
	int err = get_name(name, a->name);

	if (!err)
		err = mnt_want_write(p);
	if (!err)
		err = xattr_permission(p->dentry->inode, name, MAY_WRITE);
	return err ? err : vfs_removexattr(p->dentry, name);
}

static long xattr_path(const struct path *p, const struct xattr_args *a)
{
	switch (a->op) {
	case XATTR_SET:
		return do_set(p, a);
	case XATTR_GET:
		return do_get(p, a);
	case XATTR_LIST:
		return do_list(p, a);
	default:
		return do_remove(p, a);
	}
}

static long xattr_user(const char __user *uname, u32 lookup, const struct xattr_args *a)
{
	struct path p;
	long ret = user_path_at(AT_FDCWD, uname, lookup, &p);

	if (ret)
		return ret;
	ret = xattr_path(&p, a);
	path_put(&p);
	return ret;
}

static long xattr_fd(int fd, const struct xattr_args *a)
{
	struct fdref r = fdref_get(fd);
	long ret;

	if (!r.f)
		return -EBADF;
	ret = xattr_path(&r.f->path, a);
	fdref_put(r);
	return ret;
}

SYSCALL5(setxattr, const char __user *, path, const char __user *, name, void __user *, val, size_t, size, u32, flags)
{
	return xattr_user(path, LOOKUP_FOLLOW, &(struct xattr_args){XATTR_SET, name, val, size, flags});
}

SYSCALL5(lsetxattr, const char __user *, path, const char __user *, name, void __user *, val, size_t, size, u32, flags)
{
	return xattr_user(path, 0, &(struct xattr_args){XATTR_SET, name, val, size, flags});
}

SYSCALL5(fsetxattr, int, fd, const char __user *, name, void __user *, val, size_t, size, u32, flags)
{
	return xattr_fd(fd, &(struct xattr_args){XATTR_SET, name, val, size, flags});
}

SYSCALL4(getxattr, const char __user *, path, const char __user *, name, void __user *, val, size_t, size)
{
	return xattr_user(path, LOOKUP_FOLLOW, &(struct xattr_args){XATTR_GET, name, val, size, 0});
}

SYSCALL4(lgetxattr, const char __user *, path, const char __user *, name, void __user *, val, size_t, size)
{
	return xattr_user(path, 0, &(struct xattr_args){XATTR_GET, name, val, size, 0});
}

SYSCALL4(fgetxattr, int, fd, const char __user *, name, void __user *, val, size_t, size)
{
	return xattr_fd(fd, &(struct xattr_args){XATTR_GET, name, val, size, 0});
}

SYSCALL3(listxattr, const char __user *, path, char __user *, list, size_t, size)
{
	return xattr_user(path, LOOKUP_FOLLOW, &(struct xattr_args){XATTR_LIST, NULL, list, size, 0});
}

SYSCALL3(llistxattr, const char __user *, path, char __user *, list, size_t, size)
{
	return xattr_user(path, 0, &(struct xattr_args){XATTR_LIST, NULL, list, size, 0});
}

SYSCALL3(flistxattr, int, fd, char __user *, list, size_t, size)
{
	return xattr_fd(fd, &(struct xattr_args){XATTR_LIST, NULL, list, size, 0});
}

SYSCALL2(removexattr, const char __user *, path, const char __user *, name)
{
	return xattr_user(path, LOOKUP_FOLLOW, &(struct xattr_args){XATTR_REMOVE, name, NULL, 0, 0});
}

SYSCALL2(lremovexattr, const char __user *, path, const char __user *, name)
{
	return xattr_user(path, 0, &(struct xattr_args){XATTR_REMOVE, name, NULL, 0, 0});
}

SYSCALL2(fremovexattr, int, fd, const char __user *, name)
{
	return xattr_fd(fd, &(struct xattr_args){XATTR_REMOVE, name, NULL, 0, 0});
}
