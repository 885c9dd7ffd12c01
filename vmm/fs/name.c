/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on names: look up, create, remove, rename, link.
 *
 * Each takes one component, checked by fs_arg_name(), under a held directory, and never follows a link in it. Such a
 * call can leave the export only over a mount point; lookups see that by the mount id (fs_sight()), the others fail on
 * one (EBUSY, EXDEV). Covered places are refused here in the same way.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <unistd.h>

#include "internal.h"

/* Descriptor of the directory in.nodeid. */
static int dir_fd(struct fs_req *req)
{
	if (!S_ISDIR(req->node->key.type))
		return -ENOTDIR;
	return node_fd(req->fs, req->node);
}

/*
 * Looks at @name in @dirfd: *@stx, and in *@fd a path descriptor of the same file. It is kept with the node, so that
 * what the guest opens after this stays what it is, whatever the host does to the name meanwhile. *@fd is -1 where
 * something is mounted.
 */
static int look_at(int dirfd, const char *name, struct statx *stx, int *fd)
{
	int r;

	*fd = node_open_path(dirfd, name);
	if (*fd == -EXDEV) {
		*fd = -1;
		return fs_statx(dirfd, name, stx);
	}
	if (*fd < 0)
		return *fd;
	r = fs_statx(*fd, "", stx);
	if (r < 0) {
		close(*fd);
		*fd = -1;
	}
	return r;
}

int fs_op_lookup(struct fs_req *req)
{
	struct fuse_entry_out out = {0};
	struct statx stx;
	size_t pos = 0;
	const char *name = fs_arg_name(req, &pos);
	enum fs_sight sight;
	int fd, path_fd, r;

	if (!name)
		return -EINVAL;
	if (req->node->stub)
		return -ENOENT;
	fd = dir_fd(req);
	if (fd < 0)
		return fd;
	r = look_at(fd, name, &stx, &path_fd);
	if (r == -ENOENT && !fs_export_has(req->fs, req->node, FS_EXPORT_SHARED)) {
		out.entry_valid = 1;
		fs_reply(req, &out, sizeof(out));
		return 0;
	}
	if (r < 0)
		return r;
	sight = fs_sight(req->fs, req->node, name, &stx);
	r = sight == FS_UNSEEN ? -EACCES : fs_fill_entry(req->fs, req->node, name, &stx, &out);
	if (r == 0 && sight == FS_SEEN && path_fd >= 0)
		node_hold(req->fs, out.nodeid, path_fd);
	else if (path_fd >= 0)
		close(path_fd);
	if (r < 0)
		return r;
	fs_reply(req, &out, sizeof(out));
	return 0;
}

/* The group of a new file: the caller's, except in a set-gid directory. -1: what the host gave it. */
static gid_t new_gid(const struct fs_req *req, int dirfd)
{
	struct stat st;

	if (fstatat(dirfd, "", &st, AT_EMPTY_PATH) < 0 || (st.st_mode & S_ISGID))
		return (gid_t)-1;
	return req->in.gid;
}

/* Gives the new file @fd with the attributes @stx to the caller. True if it had another owner. */
static bool give_away(const struct fs_req *req, int dirfd, int fd, const struct statx *stx)
{
	const gid_t gid = new_gid(req, dirfd);

	if (stx->stx_uid == req->in.uid && (gid == (gid_t)-1 || stx->stx_gid == gid))
		return false;
	return fchownat(fd, "", req->in.uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) == 0;
}

/* Puts back the set-id bits of @mode that a change of owner has cost. */
static void restore_mode(struct fs_req *req, mode_t mode, struct fuse_entry_out *out)
{
	struct node *node;

	if (!S_ISREG(out->attr.mode) || (out->attr.mode & 06000) == (mode & 06000))
		return;
	node = node_get(req->fs, out->nodeid);
	if (node && fs_chmod_node(req->fs, node, mode) == 0)
		out->attr.mode |= mode & 06000;
	node_put(req->fs, node);
}

/*
 * Gives what was made as @name, of the type and with the bits of @mode, to the caller, as far as the VMM may (rootless:
 * not at all, and the host's owner stays), and fills the entry. If something of another type has taken the name
 * meanwhile, a device perhaps that another request has moved there, its owner stays too.
 */
static int finish_new(struct fs_req *req, int dirfd, const char *name, mode_t mode, struct fuse_entry_out *out)
{
	struct statx stx;
	enum fs_sight sight;
	bool given;
	int fd, r;

	r = look_at(dirfd, name, &stx, &fd);
	if (r < 0)
		return r;
	given = fd >= 0 && ((stx.stx_mode ^ mode) & S_IFMT) == 0 && give_away(req, dirfd, fd, &stx);
	if (given)
		r = fs_statx(fd, "", &stx);
	sight = fs_sight(req->fs, req->node, name, &stx);
	if (r == 0)
		r = sight == FS_UNSEEN ? -EACCES : fs_fill_entry(req->fs, req->node, name, &stx, out);
	if (r == 0 && sight == FS_SEEN && fd >= 0)
		node_hold(req->fs, out->nodeid, fd);
	else if (fd >= 0)
		close(fd);
	if (r == 0 && given)
		restore_mode(req, mode, out);
	return r;
}

static int reply_new(struct fs_req *req, int dirfd, const char *name, mode_t mode)
{
	struct fuse_entry_out out;
	const int r = finish_new(req, dirfd, name, mode, &out);

	if (r == 0)
		fs_reply(req, &out, sizeof(out));
	return r;
}

int fs_op_symlink(struct fs_req *req)
{
	size_t pos = 0;
	const char *name = fs_arg_name(req, &pos);
	const char *target = name ? fs_arg_string(req, &pos, UM_FUSE_MAX_LINK) : NULL;
	int fd;

	if (!target || !*target)
		return -EINVAL;
	if (fs_name_covered(req->fs, req->node, name))
		return -EACCES;
	fd = dir_fd(req);
	if (fd < 0)
		return fd;
	if (symlinkat(target, fd, name) < 0)
		return -errno;
	return reply_new(req, fd, name, S_IFLNK | 0777);
}

int fs_op_mknod(struct fs_req *req)
{
	struct fuse_mknod_in in;
	size_t pos = sizeof(in);
	const char *name = fs_arg_name(req, &pos);
	int fd;

	memcpy(&in, req->args, sizeof(in));
	if (!name)
		return -EINVAL;
	if (S_ISCHR(in.mode) || S_ISBLK(in.mode))
		return -EPERM;
	if (!S_ISREG(in.mode) && !S_ISFIFO(in.mode) && !S_ISSOCK(in.mode))
		return -EINVAL;
	if (!S_ISREG(in.mode) && fs_name_covered(req->fs, req->node, name))
		return -EACCES;
	fd = dir_fd(req);
	if (fd < 0)
		return fd;
	if (mknodat(fd, name, in.mode & (S_IFMT | 07777), 0) < 0)
		return -errno;
	return reply_new(req, fd, name, in.mode);
}

int fs_op_mkdir(struct fs_req *req)
{
	struct fuse_mkdir_in in;
	size_t pos = sizeof(in);
	const char *name = fs_arg_name(req, &pos);
	int fd;

	memcpy(&in, req->args, sizeof(in));
	if (!name)
		return -EINVAL;
	fd = dir_fd(req);
	if (fd < 0)
		return fd;
	if (mkdirat(fd, name, in.mode & 01777) < 0)
		return -errno;
	return reply_new(req, fd, name, S_IFDIR | (in.mode & 01777));
}

/* A node that must outlive its name needs its descriptor before the name goes. Returns it busy, or NULL. */
static struct node *hold_victim(struct fs_req *req, int dirfd, const char *name)
{
	struct node *node;
	struct statx stx;

	if (fs_statx(dirfd, name, &stx) < 0)
		return NULL;
	node = node_find(req->fs, req->node->key.export, &stx);
	if (node && (stx.stx_nlink > 1 || S_ISDIR(stx.stx_mode) || node_is_open(req->fs, node)))
		node_fd(req->fs, node);
	return node;
}

/* Names of mount points and covered places stay where they are. */
static int check_movable(const struct fs *fs, const struct node *dir, int dirfd, const char *name)
{
	struct statx stx;
	const int r = fs_statx(dirfd, name, &stx);

	if (r < 0)
		return r;
	return fs_sight(fs, dir, name, &stx) == FS_SEEN ? 0 : -EBUSY;
}

static int remove_name(struct fs_req *req, int flags)
{
	size_t pos = 0;
	const char *name = fs_arg_name(req, &pos);
	struct node *victim;
	int fd, r;

	if (!name)
		return -EINVAL;
	fd = dir_fd(req);
	if (fd < 0)
		return fd;
	r = check_movable(req->fs, req->node, fd, name);
	if (r < 0)
		return r;
	victim = hold_victim(req, fd, name);
	r = unlinkat(fd, name, flags) < 0 ? -errno : 0;
	if (r == 0 && victim)
		node_unlinked(req->fs, victim, req->node, name);
	node_put(req->fs, victim);
	return r;
}

int fs_op_unlink(struct fs_req *req)
{
	return remove_name(req, 0);
}

int fs_op_rmdir(struct fs_req *req)
{
	return remove_name(req, AT_REMOVEDIR);
}

static int rename_held(struct fs_req *req, struct node *newdir, unsigned int flags, const char *old, const char *new)
{
	const int ofd = dir_fd(req);
	const int nfd = S_ISDIR(newdir->key.type) ? node_fd(req->fs, newdir) : -ENOTDIR;
	struct node *moved, *victim;
	struct statx stx;
	int r;

	if (ofd < 0 || nfd < 0)
		return ofd < 0 ? ofd : nfd;
	r = check_movable(req->fs, req->node, ofd, old);
	if (r == 0)
		r = fs_statx(ofd, old, &stx);
	if (r == 0) {
		r = check_movable(req->fs, newdir, nfd, new);
		if (r == -ENOENT)
			r = fs_name_covered(req->fs, newdir, new) ? -EBUSY : 0;
	}
	if (r < 0)
		return r;
	moved = node_find(req->fs, req->node->key.export, &stx);
	victim = flags & RENAME_NOREPLACE ? NULL : hold_victim(req, nfd, new);
	r = syscall(SYS_renameat2, ofd, old, nfd, new, flags) < 0 ? -errno : 0;
	if (r == 0 && moved != victim) { /* two names of one file: nothing has happened */
		if (moved)
			node_moved(req->fs, moved, newdir, new);
		if (victim && (flags & RENAME_EXCHANGE))
			node_moved(req->fs, victim, req->node, old);
		else if (victim)
			node_unlinked(req->fs, victim, newdir, new);
	}
	node_put(req->fs, moved);
	node_put(req->fs, victim);
	return r;
}

static int do_rename(struct fs_req *req, uint64_t newdir_id, unsigned int flags, size_t pos)
{
	const char *old = fs_arg_name(req, &pos);
	const char *new = old ? fs_arg_name(req, &pos) : NULL;
	struct node *newdir;
	int r;

	if (!new || (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)))
		return -EINVAL;
	newdir = node_get(req->fs, newdir_id);
	if (!newdir)
		return -ESTALE;
	r = newdir->key.export == req->node->key.export ? rename_held(req, newdir, flags, old, new) : -EXDEV;
	node_put(req->fs, newdir);
	return r;
}

int fs_op_rename(struct fs_req *req)
{
	struct fuse_rename_in in;

	memcpy(&in, req->args, sizeof(in));
	return do_rename(req, in.newdir, 0, sizeof(in));
}

int fs_op_rename2(struct fs_req *req)
{
	struct fuse_rename2_in in;

	memcpy(&in, req->args, sizeof(in));
	return do_rename(req, in.newdir, in.flags, sizeof(in));
}

int fs_op_link(struct fs_req *req)
{
	struct fuse_link_in in;
	struct fuse_entry_out out;
	size_t pos = sizeof(in);
	const char *name = fs_arg_name(req, &pos);
	struct node *old;
	struct statx stx;
	int fd, r;

	memcpy(&in, req->args, sizeof(in));
	if (!name)
		return -EINVAL;
	if (fs_name_covered(req->fs, req->node, name))
		return -EACCES;
	fd = dir_fd(req);
	if (fd < 0)
		return fd;
	old = node_get(req->fs, in.oldnodeid);
	if (!old)
		return -ESTALE;
	r = old->key.export == req->node->key.export ? fs_link_node(req->fs, old, fd, name) : -EXDEV;
	node_put(req->fs, old);
	if (r == 0)
		r = fs_statx(fd, name, &stx);
	if (r == 0)
		r = fs_fill_entry(req->fs, req->node, name, &stx, &out);
	if (r == 0)
		fs_reply(req, &out, sizeof(out));
	return r;
}

/* Makes @name a new regular file and opens it. -EEXIST if there is anything by that name. */
static int create_new(struct fs_req *req, int dirfd, const char *name, const struct fuse_create_in *in)
{
	struct open_how how = {
		.flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | (in->flags & (O_SYNC | O_DSYNC)),
		.mode = in->mode & 0777,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
	};
	const int fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));

	if (fd < 0)
		return -errno;
	if (fchown(fd, req->in.uid, new_gid(req, dirfd)) == 0 && (in->mode & 07000))
		fchmod(fd, in->mode & 07777);
	return fd;
}

/* Opens what is there by @name already, which must be a regular file. */
static int open_existing(struct fs_req *req, int dirfd, const char *name, int flags, struct fuse_entry_out *entry)
{
	struct node *node;
	struct statx stx;
	int fd, r;

	r = fs_statx(dirfd, name, &stx);
	if (r < 0)
		return r;
	if (fs_sight(req->fs, req->node, name, &stx) != FS_SEEN)
		return -EACCES;
	if (S_ISLNK(stx.stx_mode))
		return -ELOOP;
	r = fs_fill_entry(req->fs, req->node, name, &stx, entry);
	if (r < 0)
		return r;
	node = node_get(req->fs, entry->nodeid);
	fd = node ? fs_open_data(req->fs, node, flags) : -ESTALE;
	if (fd >= 0 && (flags & O_TRUNC) && fs_statx(fd, "", &stx) == 0)
		fs_fill_attr(req->fs, &entry->attr, &stx);
	if (fd < 0)
		node_forget(req->fs, entry->nodeid, 1);
	node_put(req->fs, node);
	return fd;
}

int fs_op_create(struct fs_req *req)
{
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out = {0};
	struct fuse_create_in in;
	size_t pos = sizeof(in);
	const char *name = fs_arg_name(req, &pos);
	struct node *node;
	struct statx stx;
	int dirfd, fd, r;

	memcpy(&in, req->args, sizeof(in));
	if (!name)
		return -EINVAL;
	if (fs_name_covered(req->fs, req->node, name))
		return -EACCES;
	dirfd = dir_fd(req);
	if (dirfd < 0)
		return dirfd;
	fd = create_new(req, dirfd, name, &in);
	if (fd == -EEXIST && !(in.flags & O_EXCL)) {
		fd = open_existing(req, dirfd, name, O_RDWR | (in.flags & O_TRUNC), &out.entry);
	} else if (fd >= 0) {
		r = fs_statx(fd, "", &stx);
		if (r == 0)
			r = fs_fill_entry(req->fs, req->node, name, &stx, &out.entry);
		if (r < 0) {
			close(fd);
			return r;
		}
	}
	if (fd < 0)
		return fd;
	node = node_get(req->fs, out.entry.nodeid);
	r = node ? handle_new(req->fs, node, HANDLE_FILE, fd, true, &out.open.fh) : -ESTALE;
	node_put(req->fs, node);
	if (r < 0) {
		close(fd);
		node_forget(req->fs, out.entry.nodeid, 1);
		return r;
	}
	fs_reply(req, &out, sizeof(out));
	return 0;
}
