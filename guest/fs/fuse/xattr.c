/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes: user.* of regular files and directories, always asked for at the server. It serves no others, so
 * the many questions for access lists and capabilities are answered here.
 */
#include "fuse.h"

static bool ours(const char *name)
{
	return strncmp(name, "user.", 5) == 0;
}

static int not_ours(const char *name)
{
	/* security.capability and the like simply are not set; access lists are not supported. */
	return strncmp(name, "security.", 9) == 0 || strncmp(name, "trusted.", 8) == 0 ? -ENODATA : -EOPNOTSUPP;
}

/* Value or list into @buf; with size 0 only how long it is. */
static ssize_t ask(struct fuse_call *c, void *buf, size_t size)
{
	const struct fuse_getxattr_in in = {.size = (u32)MIN(size, (size_t)UM_FUSE_MAX_XATTR)};
	struct fuse_getxattr_out out;
	ssize_t n;

	c->in[0] = (struct fuse_arg){&in, sizeof(in)};
	c->out = size ? buf : &out;
	c->out_size = size ? in.size : sizeof(out);
	n = fuse_call(c);
	if (n < 0 || size)
		return n;
	return n == sizeof(out) ? (ssize_t)out.size : -EIO;
}

ssize_t fuse_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	struct fuse_call c = {.opcode = FUSE_GETXATTR, .nodeid = fuse_i(inode)->nodeid, .nr_in = 2};

	if (!ours(name))
		return not_ours(name);
	c.in[1] = (struct fuse_arg){name, strlen(name) + 1};
	return ask(&c, buf, size);
}

ssize_t fuse_listxattr(struct inode *inode, char *buf, size_t size)
{
	struct fuse_call c = {.opcode = FUSE_LISTXATTR, .nodeid = fuse_i(inode)->nodeid, .nr_in = 1};

	return ask(&c, buf, size);
}

int fuse_setxattr(struct dentry *d, struct inode *inode, const char *name, const void *val, size_t size, u32 flags)
{
	const struct fuse_setxattr_in in = {.size = (u32)size, .flags = flags};
	const struct fuse_call c = {.opcode = FUSE_SETXATTR,
				    .nodeid = fuse_i(inode)->nodeid,
				    .nr_in = 3,
				    .in = {{&in, sizeof(in)}, {name, strlen(name) + 1}, {val, size}}};

	if (!ours(name))
		return -EOPNOTSUPP;
	if (size > UM_FUSE_MAX_XATTR)
		return -E2BIG;
	fuse_changed(inode, false);
	return fuse_call_exact(&c);
}

int fuse_removexattr(struct dentry *d, struct inode *inode, const char *name)
{
	const struct fuse_call c = {.opcode = FUSE_REMOVEXATTR,
				    .nodeid = fuse_i(inode)->nodeid,
				    .nr_in = 1,
				    .in = {{name, strlen(name) + 1}}};

	if (!ours(name))
		return -EOPNOTSUPP;
	fuse_changed(inode, false);
	return fuse_call_exact(&c);
}
