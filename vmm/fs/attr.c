/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes: reading and changing them, links' targets, file system statistics; and opening a held file for data.
 *
 * Path descriptors are turned into data descriptors through /proc/self/fd, by numbers that we made; that is the only
 * path ever followed, and only for regular files and for changing mode and times.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "internal.h"

int fs_statx(int dirfd, const char *name, struct statx *stx)
{
	const int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH);

	return statx(dirfd, name, flags, FS_STATX_MASK, stx) < 0 ? -errno : 0;
}

/* What ids look like that our user namespace does not map: there, capabilities count for nothing. */
#define OVERFLOW_ID 65534

/* Certain for root; for others by the mode, which is right but for access lists. If we say no the guest just asks. */
static uint32_t attr_flags(const struct fs *fs, const struct statx *stx)
{
	if (!S_ISREG(stx->stx_mode))
		return 0;
	if ((fs->reads_all && stx->stx_uid != OVERFLOW_ID && stx->stx_gid != OVERFLOW_ID) ||
	    (stx->stx_mode & 0444) == 0444 || (stx->stx_uid == fs->euid && (stx->stx_mode & S_IRUSR)))
		return UM_FUSE_ATTR_READABLE;
	return 0;
}

void fs_fill_attr(const struct fs *fs, struct fuse_attr *attr, const struct statx *stx)
{
	*attr = (struct fuse_attr){
		.ino = stx->stx_ino,
		.size = stx->stx_size,
		.blocks = stx->stx_blocks,
		.atime = (uint64_t)stx->stx_atime.tv_sec,
		.mtime = (uint64_t)stx->stx_mtime.tv_sec,
		.ctime = (uint64_t)stx->stx_ctime.tv_sec,
		.atimensec = stx->stx_atime.tv_nsec,
		.mtimensec = stx->stx_mtime.tv_nsec,
		.ctimensec = stx->stx_ctime.tv_nsec,
		.mode = stx->stx_mode,
		.nlink = stx->stx_nlink,
		.uid = stx->stx_uid == fs->unmapped_uid ? 0 : stx->stx_uid,
		.gid = stx->stx_gid == fs->unmapped_gid ? 0 : stx->stx_gid,
		.rdev = (uint32_t)makedev(stx->stx_rdev_major, stx->stx_rdev_minor),
		.blksize = stx->stx_blksize,
		.flags = attr_flags(fs, stx),
	};
}

void fs_fill_stub(struct fuse_attr *attr, uint64_t ino, uint16_t type)
{
	*attr = (struct fuse_attr){.ino = ino, .mode = S_IFREG, .nlink = 1, .blksize = 4096};
	if (S_ISDIR(type)) {
		attr->mode = S_IFDIR | 0555;
		attr->nlink = 2;
		attr->flags = FUSE_ATTR_SUBMOUNT;
	}
}

bool fs_export_has(const struct fs *fs, const struct node *node, unsigned int flag)
{
	return fs->exports[node->key.export].flags & flag;
}

/* How long the guest may believe what we tell it: seconds. */
static uint64_t validity(const struct fs *fs, const struct node *node)
{
	return fs_export_has(fs, node, FS_EXPORT_SHARED) ? 0 : 1;
}

int fs_fill_entry(struct fs *fs, struct node *parent, const char *name, const struct statx *stx,
		  struct fuse_entry_out *entry)
{
	const uint64_t id = node_intern(fs, parent, name, stx);

	if (id == 0)
		return -ENFILE;
	*entry = (struct fuse_entry_out){
		.nodeid = id,
		.entry_valid = validity(fs, parent),
		.attr_valid = validity(fs, parent),
	};
	if (fs_sight(fs, parent, name, stx) == FS_STUB)
		fs_fill_stub(&entry->attr, stx->stx_ino, stx->stx_mode & S_IFMT);
	else
		fs_fill_attr(fs, &entry->attr, stx);
	return 0;
}

/* Name of @fd in fs->proc_fd. */
struct fd_name {
	char text[16];
};

static struct fd_name fd_name(int fd)
{
	struct fd_name n;

	snprintf(n.text, sizeof(n.text), "%d", fd);
	return n;
}

int fs_open_data(struct fs *fs, struct node *node, int flags)
{
	int fd;

	if (S_ISDIR(node->key.type))
		return -EISDIR;
	if (!S_ISREG(node->key.type))
		return -EACCES;
	fd = node_fd(fs, node);
	if (fd < 0)
		return fd;
	/* node_fd() has seen that this is a regular file; what a descriptor refers to never changes. */
	fd = openat(fs->proc_fd, fd_name(fd).text, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int fs_open_dir(struct fs *fs, struct node *node)
{
	int fd;

	if (!S_ISDIR(node->key.type))
		return -ENOTDIR;
	fd = node_fd(fs, node);
	if (fd < 0)
		return fd;
	/* Not "." below @fd: that asks for search permission, which listing a directory does not. */
	fd = openat(fs->proc_fd, fd_name(fd).text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int fs_chmod_node(struct fs *fs, struct node *node, mode_t mode)
{
	const int fd = node_fd(fs, node);

	if (fd < 0)
		return fd;
	if (S_ISLNK(node->key.type))
		return -EOPNOTSUPP;
	return fchmodat(fs->proc_fd, fd_name(fd).text, mode & 07777, 0) < 0 ? -errno : 0;
}

int fs_link_node(struct fs *fs, struct node *node, int dirfd, const char *name)
{
	const int fd = node_fd(fs, node);

	if (fd < 0)
		return fd;
	return linkat(fs->proc_fd, fd_name(fd).text, dirfd, name, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

void fs_kill_suidgid(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return;
	if ((st.st_mode & S_ISUID) || (st.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		fchmod(fd, st.st_mode & 07777 & ~(mode_t)(S_ISUID | (st.st_mode & S_IXGRP ? S_ISGID : 0)));
}

/* Descriptor to ask about in.nodeid: that of the handle @fh, if wanted and good, else the node's. *@h to be put if set.
 */
static int attr_fd(struct fs_req *req, bool use_fh, uint64_t fh, struct handle **h)
{
	*h = use_fh ? handle_get(req->fs, fh, req->node, HANDLE_FILE) : NULL;
	return *h ? (*h)->fd : node_fd(req->fs, req->node);
}

static int reply_attr(struct fs_req *req, int fd)
{
	struct fuse_attr_out out = {.attr_valid = validity(req->fs, req->node)};
	struct statx stx;
	const int r = fs_statx(fd, "", &stx);

	if (r < 0)
		return r;
	fs_fill_attr(req->fs, &out.attr, &stx);
	fs_reply(req, &out, sizeof(out));
	return 0;
}

int fs_op_getattr(struct fs_req *req)
{
	struct fuse_getattr_in in;
	struct handle *h;
	int fd, r;

	memcpy(&in, req->args, sizeof(in));
	if (req->node->stub) {
		struct fuse_attr_out out = {.attr_valid = 1};

		fs_fill_stub(&out.attr, req->node->key.ino, req->node->key.type);
		fs_reply(req, &out, sizeof(out));
		return 0;
	}
	fd = attr_fd(req, in.getattr_flags & FUSE_GETATTR_FH, in.fh, &h);
	r = fd < 0 ? fd : reply_attr(req, fd);
	if (h)
		handle_put(req->fs, h);
	return r;
}

static struct timespec set_time(const struct fuse_setattr_in *in, uint32_t set, uint32_t now, uint64_t s, uint32_t ns)
{
	if (in->valid & now)
		return (struct timespec){.tv_nsec = UTIME_NOW};
	if (!(in->valid & set))
		return (struct timespec){.tv_nsec = UTIME_OMIT};
	/* Out of range values (UTIME_NOW among them) are refused by the kernel or by the check in fs_op_setattr(). */
	return (struct timespec){.tv_sec = (time_t)s, .tv_nsec = ns};
}

static int set_size(struct fs_req *req, const struct fuse_setattr_in *in)
{
	struct handle *h = in->valid & FATTR_FH ? handle_get(req->fs, in->fh, req->node, HANDLE_FILE) : NULL;
	const bool own = !h || !h->writable;
	const int fd = own ? fs_open_data(req->fs, req->node, O_WRONLY) : h->fd;
	int r = fd;

	if (fd >= 0) {
		r = ftruncate(fd, (off_t)in->size) < 0 ? -errno : 0;
		if (r == 0 && (in->valid & FATTR_KILL_SUIDGID))
			fs_kill_suidgid(fd);
		if (own)
			close(fd);
	}
	if (h)
		handle_put(req->fs, h);
	return r;
}

/* Ownership first: it clears the set-id bits that a mode in the same request may set. */
static int set_attributes(struct fs_req *req, const struct fuse_setattr_in *in)
{
	int fd, r;

	/* Who may use a device of the host is not for a guest to say, though it lies in a tree it may write to. */
	if ((S_ISCHR(req->node->key.type) || S_ISBLK(req->node->key.type)) &&
	    (in->valid & (FATTR_MODE | FATTR_UID | FATTR_GID)))
		return -EPERM;
	if (in->valid & FATTR_SIZE) {
		r = set_size(req, in);
		if (r < 0)
			return r;
	}
	fd = node_fd(req->fs, req->node);
	if (fd < 0)
		return fd;
	if (in->valid & (FATTR_UID | FATTR_GID)) {
		const uid_t uid = in->valid & FATTR_UID ? in->uid : (uid_t)-1;
		const gid_t gid = in->valid & FATTR_GID ? in->gid : (gid_t)-1;

		if (fchownat(fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
	}
	if (in->valid & FATTR_MODE) {
		r = fs_chmod_node(req->fs, req->node, in->mode);
		if (r < 0)
			return r;
	}
	if (in->valid & (FATTR_ATIME | FATTR_MTIME | FATTR_ATIME_NOW | FATTR_MTIME_NOW)) {
		const struct timespec ts[2] = {
			set_time(in, FATTR_ATIME, FATTR_ATIME_NOW, in->atime, in->atimensec),
			set_time(in, FATTR_MTIME, FATTR_MTIME_NOW, in->mtime, in->mtimensec),
		};

		if (utimensat(fd, "", ts, AT_EMPTY_PATH) < 0)
			return -errno;
	}
	return 0;
}

int fs_op_setattr(struct fs_req *req)
{
	struct fuse_setattr_in in;
	int fd, r;

	memcpy(&in, req->args, sizeof(in));
	if (in.atimensec > 999999999 || in.mtimensec > 999999999)
		return -EINVAL;
	r = set_attributes(req, &in);
	if (r < 0)
		return r;
	fd = node_fd(req->fs, req->node);
	return fd < 0 ? fd : reply_attr(req, fd);
}

int fs_op_readlink(struct fs_req *req)
{
	char target[UM_FUSE_MAX_LINK + 1];
	const int fd = node_fd(req->fs, req->node);
	ssize_t n;

	if (!S_ISLNK(req->node->key.type))
		return -EINVAL;
	if (fd < 0)
		return fd;
	n = readlinkat(fd, "", target, sizeof(target));
	if (n < 0)
		return -errno;
	if (n > UM_FUSE_MAX_LINK)
		return -ENAMETOOLONG;
	fs_reply(req, target, (size_t)n);
	return 0;
}

int fs_op_statfs(struct fs_req *req)
{
	struct fuse_statfs_out out = {0};
	struct statfs st;
	const int fd = node_fd(req->fs, req->node);

	if (fd < 0)
		return fd;
	if (fstatfs(fd, &st) < 0)
		return -errno;
	out.st = (struct fuse_kstatfs){
		.blocks = st.f_blocks,
		.bfree = st.f_bfree,
		.bavail = st.f_bavail,
		.files = st.f_files,
		.ffree = st.f_ffree,
		.bsize = (uint32_t)st.f_bsize,
		.namelen = (uint32_t)st.f_namelen,
		.frsize = (uint32_t)st.f_frsize,
	};
	fs_reply(req, &out, sizeof(out));
	return 0;
}
