/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Directory listings. A directory handle is a host directory descriptor; its cookies are those of the host file system,
 * so a guest can go on at any entry it has seen. READDIRPLUS adds attributes and counts as a lookup of each entry.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "internal.h"

#define HOST_BUF 16384

enum listing { LIST_NAMES, LIST_PLUS };

int fs_op_opendir(struct fs_req *req)
{
	struct fuse_open_out out = {0};
	int fd, r;

	fd = fs_open_dir(req->fs, req->node);
	if (fd < 0)
		return fd;
	r = handle_new(req->fs, req->node, HANDLE_DIR, fd, false, &out.fh);
	if (r < 0) {
		close(fd);
		return r;
	}
	fs_reply(req, &out, sizeof(out));
	return 0;
}

/* The output being built: written to the guest piece by piece. */
struct out_buf {
	struct fs_req *req;
	size_t base; /* where in the reply entries begin */
	size_t used, room;
};

static bool out_fits(const struct out_buf *out, size_t len)
{
	return len <= out->room - out->used;
}

static void out_append(struct out_buf *out, const void *data, size_t len)
{
	out->used += virtq_chain_write(&out->req->chain, out->base + out->used, data, len);
}

static bool is_dot(const char *name)
{
	return name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));
}

/* Looks at @name for READDIRPLUS; an entry that is gone or something else's mount point keeps nodeid 0. */
static void fill_plus(struct fs_req *req, int dirfd, const char *name, struct fuse_entry_out *entry)
{
	struct statx stx;

	memset(entry, 0, sizeof(*entry));
	if (is_dot(name) || fs_statx(dirfd, name, &stx) < 0)
		return;
	if (fs_sight(req->fs, req->node, name, &stx) == FS_UNSEEN)
		return;
	if (fs_fill_entry(req->fs, req->node, name, &stx, entry) < 0)
		memset(entry, 0, sizeof(*entry));
}

/* Appends one entry. False: no room. */
static bool put_entry(struct out_buf *out, int dirfd, const struct dirent64 *d, enum listing kind)
{
	static const uint8_t zeros[8];
	const size_t namelen = strlen(d->d_name);
	const struct fuse_dirent de = {
		.ino = d->d_ino, .off = (uint64_t)d->d_off, .namelen = (uint32_t)namelen, .type = d->d_type};
	const size_t head = offsetof(struct fuse_dirent, name);
	const size_t pad = FUSE_REC_ALIGN(head + namelen) - (head + namelen);
	const size_t total = kind == LIST_PLUS ? FUSE_DIRENTPLUS_BYTES(namelen) : FUSE_DIRENT_BYTES(namelen);

	if (namelen > UM_FUSE_MAX_NAME) /* some file systems have them; the guest could not name it */
		return true;
	if (!out_fits(out, total))
		return false;
	if (kind == LIST_PLUS) {
		struct fuse_entry_out entry;

		fill_plus(out->req, dirfd, d->d_name, &entry);
		out_append(out, &entry, sizeof(entry));
	}
	out_append(out, &de, head);
	out_append(out, d->d_name, namelen);
	out_append(out, zeros, pad);
	return true;
}

/*
 * Lists directory @fd, whose position is *@pos, from @offset on into @out; updates *@pos. 1: there is no more; 0: there
 * may be.
 */
static int list(int fd, uint64_t *pos, struct out_buf *out, uint64_t offset, enum listing kind)
{
	_Alignas(struct dirent64) char buf[HOST_BUF];
	/* About as much as will fit: what we read and cannot pass on is read again. */
	const size_t want = kind == LIST_PLUS ? out->room / 5 + 512 : out->room + 512;
	bool full = false;

	if (offset > INT64_MAX)
		return -EINVAL;
	if (*pos != offset && lseek(fd, (off_t)offset, SEEK_SET) < 0)
		return -errno;
	*pos = offset;
	while (!full) {
		const long n = syscall(SYS_getdents64, fd, buf, want < sizeof(buf) ? want : sizeof(buf));
		uint64_t host_pos = *pos;

		if (n < 0)
			return out->used ? 0 : -errno;
		if (n == 0)
			return 1;
		for (long at = 0; at < n;) {
			const struct dirent64 *d = (const struct dirent64 *)(const void *)(buf + at);

			if (!full && put_entry(out, fd, d, kind))
				*pos = (uint64_t)d->d_off;
			else
				full = true;
			host_pos = (uint64_t)d->d_off;
			at += d->d_reclen;
		}
		if (host_pos != *pos && lseek(fd, (off_t)*pos, SEEK_SET) < 0)
			*pos = UINT64_MAX; /* nowhere: seek next time */
	}
	return 0;
}

static int readdir_common(struct fs_req *req, enum listing kind)
{
	struct fuse_read_in in;
	struct out_buf out = {.req = req, .base = sizeof(struct fuse_out_header)};
	struct handle *h;
	int r;

	memcpy(&in, req->args, sizeof(in));
	if (in.size > UM_FUSE_MAX_DATA)
		return -EINVAL;
	out.room = fs_reply_room(req);
	if (out.room > in.size)
		out.room = in.size;
	h = handle_get(req->fs, in.fh, req->node, HANDLE_DIR);
	if (!h)
		return -EBADF;
	pthread_mutex_lock(&h->dir_lock);
	r = list(h->fd, &h->dir_pos, &out, in.offset, kind);
	pthread_mutex_unlock(&h->dir_lock);
	handle_put(req->fs, h);
	if (r < 0)
		return r;
	fs_reply_in_place(req, out.used);
	return 0;
}

int fs_op_readdir(struct fs_req *req)
{
	return readdir_common(req, LIST_NAMES);
}

int fs_op_readdirplus(struct fs_req *req)
{
	return readdir_common(req, LIST_PLUS);
}

int fs_op_list(struct fs_req *req)
{
	struct um_fuse_list_out head = {0};
	struct out_buf out = {.req = req, .base = sizeof(struct fuse_out_header) + sizeof(head)};
	struct um_fuse_list_in in;
	uint64_t pos = 0;
	int fd, r;

	memcpy(&in, req->args, sizeof(in));
	if (in.size > UM_FUSE_MAX_DATA || fs_reply_room(req) < sizeof(head))
		return -EINVAL;
	if (!S_ISDIR(req->node->key.type))
		return -ENOTDIR;
	out.room = fs_reply_room(req) - sizeof(head);
	if (out.room > in.size)
		out.room = in.size;
	fd = fs_open_dir(req->fs, req->node);
	if (fd < 0)
		return fd;
	r = list(fd, &pos, &out, in.offset, in.plus ? LIST_PLUS : LIST_NAMES);
	close(fd);
	if (r < 0)
		return r;
	head.at_end = (uint32_t)r;
	virtq_chain_write(&req->chain, sizeof(struct fuse_out_header), &head, sizeof(head));
	fs_reply_in_place(req, sizeof(head) + out.used);
	return 0;
}

int fs_op_releasedir(struct fs_req *req)
{
	struct fuse_release_in in;

	memcpy(&in, req->args, sizeof(in));
	return handle_release(req->fs, in.fh, req->node, HANDLE_DIR);
}

int fs_op_fsyncdir(struct fs_req *req)
{
	struct fuse_fsync_in in;
	struct handle *h;
	int r;

	memcpy(&in, req->args, sizeof(in));
	h = handle_get(req->fs, in.fh, req->node, HANDLE_DIR);
	if (!h)
		return -EBADF;
	r = !fs_export_has(req->fs, req->node, FS_EXPORT_RO) && fsync(h->fd) < 0 ? -errno : 0;
	handle_put(req->fs, h);
	return r;
}
