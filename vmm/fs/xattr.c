/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Extended attributes in the user.* name space of regular files and directories. Other name spaces mean something to
 * the host (capabilities, labels, overlay markers) and do not exist for a guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "internal.h"

#define NAME_LIMIT 255

/* A descriptor xattr calls take (a path descriptor they do not); -EOPNOTSUPP for other types of file. */
static int xattr_fd(struct fs_req *req)
{
	if (S_ISREG(req->node->key.type))
		return fs_open_data(req->fs, req->node, O_RDONLY);
	if (!S_ISDIR(req->node->key.type) || req->node->stub)
		return -EOPNOTSUPP;
	return fs_open_dir(req->fs, req->node);
}

static bool ours(const char *name)
{
	return strncmp(name, "user.", 5) == 0 && name[5];
}

int fs_op_setxattr(struct fs_req *req)
{
	struct fuse_setxattr_in in;
	size_t pos = sizeof(in);
	const char *name = fs_arg_string(req, &pos, NAME_LIMIT);
	const size_t at = sizeof(struct fuse_in_header) + pos;
	void *value;
	int fd, r;

	memcpy(&in, req->args, sizeof(in));
	if (!name || (in.flags & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE)))
		return -EINVAL;
	if (!ours(name))
		return -EOPNOTSUPP;
	if (in.size > UM_FUSE_MAX_XATTR)
		return -E2BIG;
	if (req->chain.out_bytes - at != in.size)
		return -EINVAL;
	value = malloc(in.size + 1);
	if (!value)
		return -ENOMEM;
	virtq_chain_read(&req->chain, at, value, in.size);
	fd = xattr_fd(req);
	r = fd;
	if (fd >= 0) {
		r = fsetxattr(fd, name, value, in.size, (int)in.flags) < 0 ? -errno : 0;
		close(fd);
	}
	free(value);
	return r;
}

/* Keeps the names of @list that a guest may see; returns the new length. */
static size_t filter(char *list, size_t len)
{
	size_t kept = 0;

	for (size_t at = 0; at < len;) {
		const size_t n = strlen(list + at) + 1;

		if (ours(list + at)) {
			memmove(list + kept, list + at, n);
			kept += n;
		}
		at += n;
	}
	return kept;
}

static int reply_sized(struct fs_req *req, const void *data, size_t len, uint32_t room)
{
	struct fuse_getxattr_out out = {.size = (uint32_t)len};

	if (room == 0) {
		fs_reply(req, &out, sizeof(out));
		return 0;
	}
	if (len > room || len > fs_reply_room(req))
		return -ERANGE;
	fs_reply(req, data, len);
	return 0;
}

/* Value of @name, or the filtered list of names when it is NULL. */
static int get_common(struct fs_req *req, const char *name, uint32_t room)
{
	char *buf = malloc(UM_FUSE_MAX_XATTR + 1);
	ssize_t n;
	int fd, r;

	if (!buf)
		return -ENOMEM;
	fd = xattr_fd(req);
	r = fd;
	if (fd >= 0) {
		n = name ? fgetxattr(fd, name, buf, UM_FUSE_MAX_XATTR) : flistxattr(fd, buf, UM_FUSE_MAX_XATTR);
		if (n < 0) {
			r = -errno;
		} else {
			buf[n] = 0;
			r = reply_sized(req, buf, name ? (size_t)n : filter(buf, (size_t)n), room);
		}
		close(fd);
	}
	free(buf);
	return r;
}

int fs_op_getxattr(struct fs_req *req)
{
	struct fuse_getxattr_in in;
	size_t pos = sizeof(in);
	const char *name = fs_arg_string(req, &pos, NAME_LIMIT);

	memcpy(&in, req->args, sizeof(in));
	if (!name)
		return -EINVAL;
	return ours(name) ? get_common(req, name, in.size) : -EOPNOTSUPP;
}

int fs_op_listxattr(struct fs_req *req)
{
	struct fuse_getxattr_in in;

	memcpy(&in, req->args, sizeof(in));
	if (!S_ISREG(req->node->key.type) && !S_ISDIR(req->node->key.type))
		return reply_sized(req, "", 0, in.size);
	return get_common(req, NULL, in.size);
}

int fs_op_removexattr(struct fs_req *req)
{
	size_t pos = 0;
	const char *name = fs_arg_string(req, &pos, NAME_LIMIT);
	int fd, r;

	if (!name)
		return -EINVAL;
	if (!ours(name))
		return -EOPNOTSUPP;
	fd = xattr_fd(req);
	if (fd < 0)
		return fd;
	r = fremovexattr(fd, name) < 0 ? -errno : 0;
	close(fd);
	return r;
}
