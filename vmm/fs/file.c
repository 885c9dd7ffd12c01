/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on open regular files. What is written goes from guest RAM to the host file in one system call; for
 * reading see read_to_guest().
 *
 * A file opened only for writing is opened for reading too where the host lets us: the guest's page cache must be able
 * to fill the rest of a page. Append and direct I/O are the guest's business; its offsets are explicit.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "internal.h"

#define KEPT_FLAGS (O_TRUNC | O_SYNC | O_DSYNC)
/* One request does not keep a worker longer than this takes. */
#define COPY_MAX (16u << 20)

int fs_op_open(struct fs_req *req)
{
	struct fuse_open_out out = {.open_flags = 0};
	struct fuse_open_in in;
	bool writable;
	int fd, r;

	memcpy(&in, req->args, sizeof(in));
	writable = (in.flags & O_ACCMODE) != O_RDONLY;
	if ((writable || (in.flags & O_TRUNC)) && fs_export_has(req->fs, req->node, FS_EXPORT_RO))
		return -EROFS;
	if (req->node->stub)
		return S_ISDIR(req->node->key.type) ? -EISDIR : -EACCES;
	in.flags &= KEPT_FLAGS | O_ACCMODE;
	if (writable) {
		/*
		 * What is written should reach the file that has the name now: the guest looks again after an -ESTALE.
		 */
		r = node_in_place(req->fs, req->node);
		if (r < 0)
			return r;
		fd = fs_open_data(req->fs, req->node, (int)((in.flags & KEPT_FLAGS) | O_RDWR));
		if (fd == -EACCES && (in.flags & O_ACCMODE) == O_WRONLY)
			fd = fs_open_data(req->fs, req->node, (int)in.flags);
	} else {
		fd = fs_open_data(req->fs, req->node, (int)in.flags);
	}
	if (fd < 0)
		return fd;
	if ((in.flags & O_TRUNC) && (in.open_flags & FUSE_OPEN_KILL_SUIDGID))
		fs_kill_suidgid(fd);
	r = handle_new(req->fs, req->node, HANDLE_FILE, fd, writable, &out.fh);
	if (r < 0) {
		close(fd);
		return r;
	}
	fs_reply(req, &out, sizeof(out));
	return 0;
}

static struct handle *file_get(struct fs_req *req, uint64_t fh)
{
	return handle_get(req->fs, fh, req->node, HANDLE_FILE);
}

/* Writes @len bytes of the bounce buffer to guest memory from byte @done of @iov on. 0 or -EFAULT. */
static int spread(const struct fs_req *req, const struct iovec *iov, unsigned int count, size_t done, size_t len)
{
	const struct vm *vm = req->fs->vm;
	size_t at = 0;

	for (unsigned int i = 0; i < count && at < len; i++) {
		if (done >= iov[i].iov_len) {
			done -= iov[i].iov_len;
			continue;
		}
		const off_t gpa = (const uint8_t *)iov[i].iov_base + done - vm->ram;
		const size_t n = iov[i].iov_len - done < len - at ? iov[i].iov_len - done : len - at;

		if (pwrite(vm->ram_fd, req->bounce + at, n, gpa) != (ssize_t)n)
			return -EFAULT;
		at += n;
		done = 0;
	}
	return 0;
}

/*
 * Reads from @fd at @offset into guest memory. Pages of the guest's that are filled by reading are mostly fresh:
 * through our mapping each would cost a page fault (3 us), through a buffer and the RAM file half of that.
 */
static ssize_t read_to_guest(struct fs_req *req, int fd, const struct iovec *iov, unsigned int count, off_t offset)
{
	size_t size = 0, done = 0;

	for (unsigned int i = 0; i < count; i++)
		size += iov[i].iov_len;
	if (!req->bounce && req->fs->vm->ram_fd >= 0 && size >= 4096)
		req->bounce = malloc(FS_BOUNCE_BYTES);
	if (!req->bounce || size < 4096) {
		const ssize_t n = count ? preadv(fd, iov, (int)count, offset) : 0;

		return n < 0 ? -errno : n;
	}
	while (done < size) {
		const size_t want = size - done < FS_BOUNCE_BYTES ? size - done : FS_BOUNCE_BYTES;
		const ssize_t n = pread(fd, req->bounce, want, offset + (off_t)done);

		if (n < 0)
			return done ? (ssize_t)done : -errno;
		if (spread(req, iov, count, done, (size_t)n) < 0)
			return -EFAULT;
		done += (size_t)n;
		if ((size_t)n < want)
			break;
	}
	return (ssize_t)done;
}

int fs_op_read(struct fs_req *req)
{
	struct iovec iov[UM_VIRTQ_CHAIN_MAX];
	struct fuse_read_in in;
	struct handle *h;
	ssize_t n;
	unsigned int count;

	memcpy(&in, req->args, sizeof(in));
	if (in.size > UM_FUSE_MAX_DATA || in.offset > INT64_MAX)
		return -EINVAL;
	h = file_get(req, in.fh);
	if (!h)
		return -EBADF;
	count = virtq_chain_writable(&req->chain, sizeof(struct fuse_out_header), in.size, iov);
	n = read_to_guest(req, h->fd, iov, count, (off_t)in.offset);
	handle_put(req->fs, h);
	if (n < 0)
		return (int)n;
	fs_reply_in_place(req, (size_t)n);
	return 0;
}

int fs_op_open_read(struct fs_req *req)
{
	struct fuse_open_out open = {0};
	struct iovec iov[UM_VIRTQ_CHAIN_MAX];
	struct fuse_read_in in;
	unsigned int count;
	ssize_t n;
	int fd, r;

	memcpy(&in, req->args, sizeof(in));
	if (in.size > UM_FUSE_MAX_DATA || in.offset > INT64_MAX || fs_reply_room(req) < sizeof(open))
		return -EINVAL;
	if (req->node->stub)
		return S_ISDIR(req->node->key.type) ? -EISDIR : -EACCES;
	fd = fs_open_data(req->fs, req->node, O_RDONLY);
	if (fd < 0)
		return fd;
	count = virtq_chain_writable(&req->chain, sizeof(struct fuse_out_header) + sizeof(open), in.size, iov);
	n = read_to_guest(req, fd, iov, count, (off_t)in.offset);
	r = n < 0 ? (int)n : handle_new(req->fs, req->node, HANDLE_FILE, fd, false, &open.fh);
	if (r < 0) {
		close(fd);
		return r;
	}
	virtq_chain_write(&req->chain, sizeof(struct fuse_out_header), &open, sizeof(open));
	fs_reply_in_place(req, sizeof(open) + (size_t)n);
	return 0;
}

/* All of it or an error; what was written before an error is reported as success of that much. */
static ssize_t write_all(int fd, struct iovec *iov, unsigned int count, off_t offset)
{
	ssize_t done = 0;

	while (count) {
		ssize_t n = pwritev(fd, iov, (int)count, offset + done);

		if (n < 0)
			return done ? done : -errno;
		if (n == 0)
			break;
		done += n;
		while (count && (size_t)n >= iov->iov_len) {
			n -= (ssize_t)iov->iov_len;
			iov++;
			count--;
		}
		if (count) {
			iov->iov_base = (uint8_t *)iov->iov_base + n;
			iov->iov_len -= (size_t)n;
		}
	}
	return done;
}

int fs_op_write(struct fs_req *req)
{
	const size_t data = sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in);
	struct iovec iov[UM_VIRTQ_CHAIN_MAX];
	struct fuse_write_out out = {0};
	struct fuse_write_in in;
	struct handle *h;
	unsigned int count;
	ssize_t n;

	memcpy(&in, req->args, sizeof(in));
	if (in.size > UM_FUSE_MAX_DATA || in.offset > (uint64_t)INT64_MAX - in.size ||
	    req->chain.out_bytes < data + in.size)
		return -EINVAL;
	h = file_get(req, in.fh);
	if (!h || !h->writable) {
		if (h)
			handle_put(req->fs, h);
		return -EBADF;
	}
	count = virtq_chain_readable(&req->chain, data, in.size, iov);
	n = write_all(h->fd, iov, count, (off_t)in.offset);
	if (n >= 0 && (in.write_flags & FUSE_WRITE_KILL_SUIDGID))
		fs_kill_suidgid(h->fd);
	handle_put(req->fs, h);
	if (n < 0)
		return (int)n;
	out.size = (uint32_t)n;
	fs_reply(req, &out, sizeof(out));
	return 0;
}

int fs_op_release(struct fs_req *req)
{
	struct fuse_release_in in;

	memcpy(&in, req->args, sizeof(in));
	if (in.release_flags & FUSE_RELEASE_FLOCK_UNLOCK)
		fs_locks_drop(req->fs, req->node, in.lock_owner, true);
	return handle_release(req->fs, in.fh, req->node, HANDLE_FILE);
}

/* A descriptor was closed: the locks of its owner end. Data has come by WRITE before. */
int fs_op_flush(struct fs_req *req)
{
	struct fuse_flush_in in;

	memcpy(&in, req->args, sizeof(in));
	fs_locks_drop(req->fs, req->node, in.lock_owner, false);
	return 0;
}

int fs_op_fsync(struct fs_req *req)
{
	struct fuse_fsync_in in;
	struct handle *h;
	int r;

	memcpy(&in, req->args, sizeof(in));
	h = file_get(req, in.fh);
	if (!h)
		return -EBADF;
	if (fs_export_has(req->fs, req->node, FS_EXPORT_RO))
		r = 0;
	else
		r = in.fsync_flags & FUSE_FSYNC_FDATASYNC ? fdatasync(h->fd) : fsync(h->fd);
	r = r < 0 ? -errno : 0;
	handle_put(req->fs, h);
	return r;
}

/*
 * syncfs() for the file system of an export's file: the guest's sync(2). Under a read-only export nothing to sync is
 * ours.
 */
int fs_op_syncfs(struct fs_req *req)
{
	int fd, r;

	if (!S_ISDIR(req->node->key.type))
		return -ENOTDIR;
	if (fs_export_has(req->fs, req->node, FS_EXPORT_RO))
		return 0;
	fd = fs_open_dir(req->fs, req->node);
	if (fd < 0)
		return fd;
	r = syncfs(fd) < 0 ? -errno : 0;
	close(fd);
	return r;
}

int fs_op_fallocate(struct fs_req *req)
{
	struct fuse_fallocate_in in;
	struct handle *h;
	int r;

	memcpy(&in, req->args, sizeof(in));
	if (in.offset > INT64_MAX || in.length > INT64_MAX || in.mode > INT32_MAX)
		return -EINVAL;
	h = file_get(req, in.fh);
	if (!h || !h->writable)
		r = -EBADF;
	else
		r = fallocate(h->fd, (int)in.mode, (off_t)in.offset, (off_t)in.length) < 0 ? -errno : 0;
	if (h)
		handle_put(req->fs, h);
	return r;
}

int fs_op_lseek(struct fs_req *req)
{
	struct fuse_lseek_out out;
	struct fuse_lseek_in in;
	struct handle *h;
	off_t at;

	memcpy(&in, req->args, sizeof(in));
	if ((in.whence != SEEK_DATA && in.whence != SEEK_HOLE) || in.offset > INT64_MAX)
		return -EINVAL;
	h = file_get(req, in.fh);
	if (!h)
		return -EBADF;
	at = lseek(h->fd, (off_t)in.offset, (int)in.whence);
	at = at < 0 ? -errno : at;
	handle_put(req->fs, h);
	if (at < 0)
		return (int)at;
	out.offset = (uint64_t)at;
	fs_reply(req, &out, sizeof(out));
	return 0;
}

int fs_op_copy_file_range(struct fs_req *req)
{
	struct fuse_copy_file_range_in in;
	struct fuse_write_out out = {0};
	struct handle *from, *to = NULL;
	struct node *target;
	ssize_t n = -EBADF;

	memcpy(&in, req->args, sizeof(in));
	if (in.flags || in.off_in > INT64_MAX || in.off_out > INT64_MAX)
		return -EINVAL;
	target = node_get(req->fs, in.nodeid_out);
	if (!target)
		return -ESTALE;
	from = file_get(req, in.fh_in);
	to = handle_get(req->fs, in.fh_out, target, HANDLE_FILE);
	if (from && to && to->writable) {
		off_t off_in = (off_t)in.off_in, off_out = (off_t)in.off_out;
		const size_t len = in.len < COPY_MAX ? in.len : COPY_MAX;

		n = copy_file_range(from->fd, &off_in, to->fd, &off_out, len, 0);
		n = n < 0 ? -errno : n;
	}
	if (from)
		handle_put(req->fs, from);
	if (to)
		handle_put(req->fs, to);
	node_put(req->fs, target);
	if (n < 0)
		return (int)n;
	out.size = (uint32_t)n;
	fs_reply(req, &out, sizeof(out));
	return 0;
}
