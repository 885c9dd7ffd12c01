/* SPDX-License-Identifier: Apache-2.0 */
/* tmpfs: extended attributes, a list per inode. Which names a program may use is decided before (fs/xattr.c). */
#include "tmpfs.h"

#define MAX_XATTRS 256
#define XATTR_CREATE 1
#define XATTR_REPLACE 2

static bool supported(const char *name)
{
	return !strncmp(name, "user.", 5) || !strncmp(name, "trusted.", 8) || !strncmp(name, "security.", 9);
}

/* Lock held: where the attribute is linked from, or the end of the list. */
static struct tmpfs_xattr **find(struct tmpfs_inode *ti, const char *name)
{
	struct tmpfs_xattr **p = &ti->xattrs;

	while (*p && strcmp((*p)->name, name))
		p = &(*p)->next;
	return p;
}

static void xattr_free(struct tmpfs_xattr *x)
{
	if (x)
		kfree(x->value);
	kfree(x);
}

ssize_t tmpfs_getxattr(struct inode *i, const char *name, void *buf, size_t size)
{
	struct tmpfs_inode *ti = tmpfs_i(i);
	struct tmpfs_xattr *x;
	ssize_t ret = -ENODATA;

	if (!supported(name))
		return -EOPNOTSUPP;
	spin_lock(&ti->xattr_lock);
	x = *find(ti, name);
	if (x && size && size < x->size) {
		ret = -ERANGE;
	} else if (x) {
		if (size)
			memcpy(buf, x->value, x->size);
		ret = (ssize_t)x->size;
	}
	spin_unlock(&ti->xattr_lock);
	return ret;
}

static struct tmpfs_xattr *xattr_new(const char *name, const void *val, size_t size)
{
	const size_t len = strlen(name) + 1;
	struct tmpfs_xattr *x = kzalloc(sizeof(*x) + len);

	if (!x)
		return NULL;
	memcpy(x->name, name, len);
	x->size = size;
	x->value = kmalloc(MAX(size, (size_t)1));
	if (!x->value) {
		kfree(x);
		return NULL;
	}
	memcpy(x->value, val, size);
	return x;
}

int tmpfs_setxattr(struct dentry *d, struct inode *i, const char *name, const void *val, size_t size, u32 flags)
{
	struct tmpfs_inode *ti = tmpfs_i(i);
	struct tmpfs_xattr *x, **p, *old = NULL;
	int err = 0;

	if (!supported(name))
		return -EOPNOTSUPP;
	x = xattr_new(name, val, size);
	if (!x)
		return -ENOMEM;
	spin_lock(&ti->xattr_lock);
	p = find(ti, name);
	if (*p && (flags & XATTR_CREATE))
		err = -EEXIST;
	else if (!*p && (flags & XATTR_REPLACE))
		err = -ENODATA;
	else if (!*p && ti->nr_xattrs >= MAX_XATTRS)
		err = -ENOSPC;
	if (!err) {
		old = *p;
		x->next = old ? old->next : NULL;
		*p = x;
		ti->nr_xattrs += !old;
		x = NULL;
	}
	spin_unlock(&ti->xattr_lock);
	xattr_free(old);
	xattr_free(x);
	return err;
}

ssize_t tmpfs_listxattr(struct inode *i, char *buf, size_t size)
{
	struct tmpfs_inode *ti = tmpfs_i(i);
	size_t n = 0;
	ssize_t ret = 0;

	spin_lock(&ti->xattr_lock);
	for (struct tmpfs_xattr *x = ti->xattrs; x; x = x->next) {
		const size_t len = strlen(x->name) + 1;

		if (size && n + len > size) {
			ret = -ERANGE;
			break;
		}
		if (size)
			memcpy(buf + n, x->name, len);
		n += len;
	}
	spin_unlock(&ti->xattr_lock);
	return ret ? ret : (ssize_t)n;
}

int tmpfs_removexattr(struct dentry *d, struct inode *i, const char *name)
{
	struct tmpfs_inode *ti = tmpfs_i(i);
	struct tmpfs_xattr **p, *x;

	if (!supported(name))
		return -EOPNOTSUPP;
	spin_lock(&ti->xattr_lock);
	p = find(ti, name);
	x = *p;
	if (x) {
		*p = x->next;
		ti->nr_xattrs--;
	}
	spin_unlock(&ti->xattr_lock);
	xattr_free(x);
	return x ? 0 : -ENODATA;
}

void tmpfs_free_xattrs(struct tmpfs_inode *ti)
{
	struct tmpfs_xattr *x, *next;

	for (x = ti->xattrs; x; x = next) {
		next = x->next;
		xattr_free(x);
	}
}
