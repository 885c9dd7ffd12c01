/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From chain to operation and back: checks a request's shape, copies its fixed part, finds its node, enforces read-only
 * exports, calls the operation from the table, writes the reply.
 *
 * Nothing here or in the operations reads guest memory twice for the same value: header and arguments are copied into
 * struct fs_req first; only file data and attribute values move directly, and are not interpreted. A request that makes
 * no sense gets an error; a ring that makes no sense ends the sandbox.
 */
#include <errno.h>
#include <string.h>

#include "internal.h"

#define OP_NO_NODE 0x1 /* in.nodeid means nothing */
#define OP_CHANGES 0x2 /* refused on read-only exports */
#define OP_NO_REPLY 0x4
#define OP_SLOW 0x8 /* may wait for a disk or move much data: another worker should look at the rest of the queue */

struct op {
	int (*fn)(struct fs_req *req);
	uint16_t args; /* bytes of the fixed part */
	uint16_t flags;
};

static int op_init(struct fs_req *req)
{
	struct fuse_init_in in;
	struct fuse_init_out out = {
		.major = FUSE_VERSION_MAJOR,
		.minor = FUSE_VERSION_MINOR,
		.max_background = 64,
		.congestion_threshold = 48,
		.max_write = UM_FUSE_MAX_DATA,
		.max_pages = UM_FUSE_MAX_DATA / 4096,
		.time_gran = 1,
	};

	memcpy(&in, req->args, sizeof(in));
	if (in.major != FUSE_VERSION_MAJOR)
		return -EPROTO;
	out.max_readahead = in.max_readahead;
	out.max_open = req->fs->max_handles;
	out.flags = in.flags & (FUSE_ASYNC_READ | FUSE_POSIX_LOCKS | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES |
				FUSE_FLOCK_LOCKS | FUSE_DO_READDIRPLUS | FUSE_WRITEBACK_CACHE | FUSE_PARALLEL_DIROPS |
				FUSE_MAX_PAGES | FUSE_SUBMOUNTS | FUSE_HANDLE_KILLPRIV_V2);
	fs_reply(req, &out, sizeof(out));
	return 0;
}

static int op_forget(struct fs_req *req)
{
	struct fuse_forget_in in;

	memcpy(&in, req->args, sizeof(in));
	node_forget(req->fs, req->in.nodeid, in.nlookup);
	return 0;
}

static int op_batch_forget(struct fs_req *req)
{
	size_t at = sizeof(struct fuse_in_header) + sizeof(struct fuse_batch_forget_in);
	struct fuse_batch_forget_in in;
	struct fuse_forget_one one;

	memcpy(&in, req->args, sizeof(in));
	/* Bounded by the chain's bytes, whatever the count says; a chain is at most 128 buffers, so cap that too. */
	for (uint32_t i = 0; i < in.count && i < 65536; i++, at += sizeof(one)) {
		if (virtq_chain_read(&req->chain, at, &one, sizeof(one)) != sizeof(one))
			break;
		node_forget(req->fs, one.nodeid, one.nlookup);
	}
	return 0;
}

/* Nothing to do: INTERRUPT (no operation waits for long) and DESTROY (the end of the sandbox is noticed otherwise). */
static int op_nothing(struct fs_req *req)
{
	return 0;
}

#define ARGS(type) sizeof(struct type)

/* From UM_FUSE_LIST on. */
static const struct op our_ops[UM_FUSE_OPCODE_LIMIT - UM_FUSE_LIST] = {
	[UM_FUSE_LIST - UM_FUSE_LIST] = {fs_op_list, ARGS(um_fuse_list_in), OP_SLOW},
	[UM_FUSE_OPEN_READ - UM_FUSE_LIST] = {fs_op_open_read, ARGS(fuse_read_in), OP_SLOW},
};

static const struct op ops[FUSE_OPCODE_LIMIT] = {
	[FUSE_LOOKUP] = {fs_op_lookup, 0, 0},
	[FUSE_FORGET] = {op_forget, ARGS(fuse_forget_in), OP_NO_NODE | OP_NO_REPLY},
	[FUSE_GETATTR] = {fs_op_getattr, ARGS(fuse_getattr_in), 0},
	[FUSE_SETATTR] = {fs_op_setattr, ARGS(fuse_setattr_in), OP_CHANGES},
	[FUSE_READLINK] = {fs_op_readlink, 0, 0},
	[FUSE_SYMLINK] = {fs_op_symlink, 0, OP_CHANGES},
	[FUSE_MKNOD] = {fs_op_mknod, ARGS(fuse_mknod_in), OP_CHANGES},
	[FUSE_MKDIR] = {fs_op_mkdir, ARGS(fuse_mkdir_in), OP_CHANGES},
	[FUSE_UNLINK] = {fs_op_unlink, 0, OP_CHANGES},
	[FUSE_RMDIR] = {fs_op_rmdir, 0, OP_CHANGES},
	[FUSE_RENAME] = {fs_op_rename, ARGS(fuse_rename_in), OP_CHANGES},
	[FUSE_RENAME2] = {fs_op_rename2, ARGS(fuse_rename2_in), OP_CHANGES},
	[FUSE_LINK] = {fs_op_link, ARGS(fuse_link_in), OP_CHANGES},
	[FUSE_OPEN] = {fs_op_open, ARGS(fuse_open_in), 0},
	[FUSE_CREATE] = {fs_op_create, ARGS(fuse_create_in), OP_CHANGES},
	[FUSE_READ] = {fs_op_read, ARGS(fuse_read_in), OP_SLOW},
	[FUSE_WRITE] = {fs_op_write, ARGS(fuse_write_in), OP_CHANGES | OP_SLOW},
	[FUSE_STATFS] = {fs_op_statfs, 0, 0},
	[FUSE_RELEASE] = {fs_op_release, ARGS(fuse_release_in), 0},
	[FUSE_FLUSH] = {fs_op_flush, ARGS(fuse_flush_in), 0},
	[FUSE_FSYNC] = {fs_op_fsync, ARGS(fuse_fsync_in), OP_SLOW},
	[FUSE_SETXATTR] = {fs_op_setxattr, ARGS(fuse_setxattr_in), OP_CHANGES},
	[FUSE_GETXATTR] = {fs_op_getxattr, ARGS(fuse_getxattr_in), 0},
	[FUSE_LISTXATTR] = {fs_op_listxattr, ARGS(fuse_getxattr_in), 0},
	[FUSE_REMOVEXATTR] = {fs_op_removexattr, 0, OP_CHANGES},
	[FUSE_INIT] = {op_init, ARGS(fuse_init_in), OP_NO_NODE},
	[FUSE_OPENDIR] = {fs_op_opendir, ARGS(fuse_open_in), 0},
	[FUSE_READDIR] = {fs_op_readdir, ARGS(fuse_read_in), 0},
	[FUSE_READDIRPLUS] = {fs_op_readdirplus, ARGS(fuse_read_in), OP_SLOW},
	[FUSE_RELEASEDIR] = {fs_op_releasedir, ARGS(fuse_release_in), 0},
	[FUSE_FSYNCDIR] = {fs_op_fsyncdir, ARGS(fuse_fsync_in), OP_SLOW},
	[FUSE_GETLK] = {fs_op_getlk, ARGS(fuse_lk_in), 0},
	[FUSE_SETLK] = {fs_op_setlk, ARGS(fuse_lk_in), 0},
	[FUSE_INTERRUPT] = {op_nothing, 0, OP_NO_NODE | OP_NO_REPLY},
	[FUSE_DESTROY] = {op_nothing, 0, OP_NO_NODE},
	[FUSE_BATCH_FORGET] = {op_batch_forget, ARGS(fuse_batch_forget_in), OP_NO_NODE | OP_NO_REPLY},
	[FUSE_FALLOCATE] = {fs_op_fallocate, ARGS(fuse_fallocate_in), OP_CHANGES | OP_SLOW},
	[FUSE_LSEEK] = {fs_op_lseek, ARGS(fuse_lseek_in), 0},
	[FUSE_COPY_FILE_RANGE] = {fs_op_copy_file_range, ARGS(fuse_copy_file_range_in), OP_SLOW},
	[FUSE_SYNCFS] = {fs_op_syncfs, ARGS(fuse_syncfs_in), OP_SLOW},
};

/* NULL: no such operation. */
static const struct op *find_op(uint32_t opcode)
{
	const struct op *op = NULL;

	if (opcode < FUSE_OPCODE_LIMIT)
		op = &ops[opcode];
	else if (opcode >= UM_FUSE_LIST && opcode < UM_FUSE_OPCODE_LIMIT)
		op = &our_ops[opcode - UM_FUSE_LIST];
	return op && op->fn ? op : NULL;
}

const char *fs_arg_string(struct fs_req *req, size_t *pos, size_t max)
{
	const char *s = (const char *)req->args + *pos;
	const size_t left = *pos < req->args_len ? req->args_len - *pos : 0;
	const size_t len = strnlen(s, left);

	if (len == left || len > max)
		return NULL;
	*pos += len + 1;
	return s;
}

const char *fs_arg_name(struct fs_req *req, size_t *pos)
{
	const char *s = fs_arg_string(req, pos, UM_FUSE_MAX_NAME);

	if (!s || !*s || strcmp(s, ".") == 0 || strcmp(s, "..") == 0 || strchr(s, '/'))
		return NULL;
	return s;
}

size_t fs_reply_room(const struct fs_req *req)
{
	const uint64_t in = req->chain.in_bytes, head = sizeof(struct fuse_out_header);
	const uint64_t most = UM_FUSE_MAX_DATA;

	if (in <= head)
		return 0;
	return in - head < most ? in - head : most;
}

static void write_header(struct fs_req *req, int error, size_t len)
{
	const struct fuse_out_header out = {
		.len = (uint32_t)(sizeof(out) + len), .error = error, .unique = req->in.unique};

	if (virtq_chain_write(&req->chain, 0, &out, sizeof(out)) == sizeof(out))
		req->written = out.len;
}

void fs_reply(struct fs_req *req, const void *data, size_t len)
{
	if (len > fs_reply_room(req)) {
		write_header(req, -EINVAL, 0);
		return;
	}
	virtq_chain_write(&req->chain, sizeof(struct fuse_out_header), data, len);
	write_header(req, 0, len);
}

void fs_reply_in_place(struct fs_req *req, size_t len)
{
	write_header(req, 0, len);
}

/* Runs the operation; the result is an error for the reply or 0. */
static int dispatch(struct fs_req *req, const struct op *op)
{
	int r;

	if (req->args_len < op->args)
		return -EINVAL;
	if (op->flags & OP_NO_NODE)
		return op->fn(req);
	req->node = node_get(req->fs, req->in.nodeid);
	if (!req->node)
		return -ESTALE;
	if ((op->flags & OP_CHANGES) && fs_export_has(req->fs, req->node, FS_EXPORT_RO))
		r = -EROFS;
	else
		r = op->fn(req);
	node_put(req->fs, req->node);
	req->node = NULL;
	return r;
}

enum fs_pace fs_decode(struct fs_req *req)
{
	const size_t head = sizeof(req->in);
	const struct op *op;

	req->node = NULL;
	req->written = 0;
	req->args_len = 0;
	if (virtq_chain_read(&req->chain, 0, &req->in, head) != head) {
		memset(&req->in, 0, head);
		return FS_QUICK;
	}
	req->args_len = virtq_chain_read(&req->chain, head, req->args, sizeof(req->args));
	op = find_op(req->in.opcode);
	return op && (op->flags & OP_SLOW) ? FS_SLOW : FS_QUICK;
}

void fs_handle(struct fs_req *req)
{
	const struct op *op = find_op(req->in.opcode);
	int r;

	if (req->in.len < sizeof(req->in) || req->in.len != req->chain.out_bytes)
		r = -EINVAL;
	else if (!op)
		r = -ENOSYS;
	else
		r = dispatch(req, op);
	if (op && (op->flags & OP_NO_REPLY)) {
		req->written = 0;
		return;
	}
	if (r < 0 || req->written == 0)
		write_header(req, r, 0);
}
