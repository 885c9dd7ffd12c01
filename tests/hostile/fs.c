/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hostile guest against the host file server, by raw protocol: nothing outside the exports can be named, read or
 * changed; nonsense gets an error and a malformed ring ends the sandbox.
 *
 * Export 1 is a scratch directory, 2 the same read-only, 3 the host's "/" (what `--bind /:/x` would give), 4 as 1 but
 * shared.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../check.h"
#include "../unit/fsclient.h"
#include "vmm/fs/internal.h"

static char root[64];
static struct fsclient c;

static void in_root(char *path, size_t size, const char *name)
{
	snprintf(path, size, "%s/%s", root, name);
}

static void host_write(const char *name, const char *text)
{
	char path[256];
	int fd;

	in_root(path, sizeof(path), name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	CHECK(fd >= 0);
	CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int raw(uint32_t opcode, uint64_t node, const void *args, size_t args_len, const char *name, const char *name2)
{
	return fsc_call(&c, opcode, node, args, args_len, name, name2);
}

static void test_bad_names(void)
{
	const char *const bad[] = {"", ".", "..", "a/b", "/", "/etc", "a/", "../x"};
	const struct fuse_mkdir_in dir = {.mode = 0755};
	const struct fuse_mknod_in node = {.mode = S_IFREG | 0644};
	const struct fuse_create_in create = {.flags = O_RDWR, .mode = 0644};
	const struct fuse_rename_in into = {.newdir = 1};
	const struct fuse_link_in link = {.oldnodeid = 1};
	char longname[5000];

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		CHECK_EQ(raw(FUSE_LOOKUP, 1, NULL, 0, bad[i], NULL), -EINVAL);
		CHECK_EQ(raw(FUSE_UNLINK, 1, NULL, 0, bad[i], NULL), -EINVAL);
		CHECK_EQ(raw(FUSE_RMDIR, 1, NULL, 0, bad[i], NULL), -EINVAL);
		CHECK_EQ(raw(FUSE_MKDIR, 1, &dir, sizeof(dir), bad[i], NULL), -EINVAL);
		CHECK_EQ(raw(FUSE_MKNOD, 1, &node, sizeof(node), bad[i], NULL), -EINVAL);
		CHECK_EQ(raw(FUSE_CREATE, 1, &create, sizeof(create), bad[i], NULL), -EINVAL);
		CHECK_EQ(raw(FUSE_SYMLINK, 1, NULL, 0, bad[i], "x"), -EINVAL);
		CHECK_EQ(raw(FUSE_RENAME, 1, &into, sizeof(into), bad[i], "x"), -EINVAL);
		CHECK_EQ(raw(FUSE_RENAME, 1, &into, sizeof(into), "x", bad[i]), -EINVAL);
		CHECK_EQ(raw(FUSE_LINK, 1, &link, sizeof(link), bad[i], NULL), -EINVAL);
	}
	for (size_t len = 256; len < sizeof(longname); len += 1581) {
		memset(longname, 'a', len);
		longname[len] = 0;
		CHECK_EQ(raw(FUSE_LOOKUP, 1, NULL, 0, longname, NULL), -EINVAL);
		CHECK_EQ(raw(FUSE_RENAME, 1, &into, sizeof(into), "x", longname), -EINVAL);
	}
	/* No NUL at the end; a NUL inside ends the name. */
	const struct fscall unterminated = {.opcode = FUSE_LOOKUP, .node = 1, .data = "abc", .data_len = 3};

	CHECK_EQ(fscall(&c, &unterminated), -EINVAL);
	const struct fscall inside = {.opcode = FUSE_LOOKUP, .node = 1, .data = "..\0x", .data_len = 5};

	CHECK_EQ(fscall(&c, &inside), -EINVAL);
}

static void test_bad_ids(void)
{
	const uint64_t nodes[] = {0, 5, 255, 256, 257, 1000000, UINT64_MAX, 1ull << 32 | 1};
	struct fuse_attr attr;
	struct fuse_entry_out e;
	uint64_t fh, fh2;
	char b;

	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		CHECK_EQ(fsc_getattr(&c, nodes[i], &attr), -ESTALE);
		CHECK_EQ(fsc_lookup(&c, nodes[i], "x", &e), -ESTALE);
		CHECK_EQ(fsc_open(&c, nodes[i], O_RDONLY, &fh), -ESTALE);
		fsc_forget(&c, nodes[i], UINT64_MAX);
	}
	/* A root survives being forgotten. */
	fsc_forget(&c, 1, UINT64_MAX);
	CHECK_EQ(fsc_getattr(&c, 1, &attr), 0);

	host_write("f", "secret");
	CHECK_EQ(fsc_lookup(&c, 1, "f", &e), 0);
	CHECK_EQ(fsc_open(&c, e.nodeid, O_RDONLY, &fh), 0);
	CHECK_EQ(fsc_read(&c, 1, fh, 0, &b, 1), -EBADF); /* another node's */
	CHECK_EQ(fsc_read(&c, e.nodeid, fh + 1, 0, &b, 1), -EBADF);
	CHECK_EQ(fsc_read(&c, e.nodeid, fh | 1ull << 40, 0, &b, 1), -EBADF);
	CHECK_EQ(fsc_read(&c, e.nodeid, UINT64_MAX, 0, &b, 1), -EBADF);
	CHECK_EQ(fsc_release(&c, e.nodeid, fh), 0);
	CHECK_EQ(fsc_open(&c, e.nodeid, O_RDONLY, &fh2), 0);
	CHECK(fh2 != fh);
	CHECK_EQ(fsc_read(&c, e.nodeid, fh, 0, &b, 1), -EBADF); /* same slot, older generation */
	CHECK_EQ(fsc_release(&c, e.nodeid, fh2), 0);
	/* A file handle is no directory handle. */
	const struct fuse_open_in open_in = {0};
	struct fuse_open_out opened;
	const struct fscall opendir = {.opcode = FUSE_OPENDIR,
				       .node = 1,
				       .args = &open_in,
				       .args_len = sizeof(open_in),
				       .out = &opened,
				       .out_room = sizeof(opened)};

	CHECK_EQ(fscall(&c, &opendir), sizeof(opened));
	CHECK_EQ(fsc_read(&c, 1, opened.fh, 0, &b, 1), -EBADF);
	CHECK_EQ(fsc_write(&c, 1, opened.fh, 0, &b, 1), -EBADF);
	const struct fuse_read_in huge = {.fh = opened.fh, .offset = UINT64_MAX, .size = 4096};

	CHECK_EQ(raw(FUSE_READDIR, 1, &huge, sizeof(huge), NULL, NULL), -EINVAL);
	const struct um_fuse_list_in list[] = {{.offset = UINT64_MAX, .size = 4096}, {.size = UINT32_MAX}};

	CHECK_EQ(raw(UM_FUSE_LIST, 1, &list[0], sizeof(list[0]), NULL, NULL), -EINVAL);
	CHECK_EQ(raw(UM_FUSE_LIST, 1, &list[1], sizeof(list[1]), NULL, NULL), -EINVAL);
	CHECK_EQ(raw(UM_FUSE_LIST, e.nodeid, &list[0], sizeof(list[0]), NULL, NULL), -ENOTDIR);
	CHECK_EQ(raw(UM_FUSE_OPEN_READ, e.nodeid, &huge, sizeof(huge), NULL, NULL), -EINVAL);
	CHECK_EQ(raw(UM_FUSE_OPEN_READ, 1, &(struct fuse_read_in){.size = 1}, sizeof(huge), NULL, NULL), -EISDIR);
}

static void test_shapes(void)
{
	const struct fuse_read_in read_in = {.size = 1};
	struct fscall call = {.opcode = FUSE_READ, .node = 1, .args = &read_in, .args_len = sizeof(read_in)};

	/*
	 * Shorter than the header: no reply can be made. Shorter than the arguments, or lying about
	 * the length: refused.
	 */
	for (size_t cut = sizeof(read_in) + 1; cut < sizeof(read_in) + sizeof(struct fuse_in_header); cut += 13) {
		call.cut = cut;
		fscall(&c, &call);
	}
	for (size_t cut = 1; cut <= sizeof(read_in); cut++) {
		call.cut = cut;
		CHECK_EQ(fscall(&c, &call), -EINVAL);
	}
	call.cut = 0;
	call.lie_len = 1;
	CHECK_EQ(fscall(&c, &call), -EINVAL);
	call.lie_len = -1u;
	CHECK_EQ(fscall(&c, &call), -EINVAL);
	for (uint32_t op = 0; op < 80; op++) {
		call = (struct fscall){.opcode = op, .node = 1};
		CHECK(fscall(&c, &call) <= 0 || op == FUSE_STATFS);
		call.opcode = op << 20 | 8192;
		CHECK_EQ(fscall(&c, &call), -ENOSYS);
	}
	/* No room for the reply. */
	call = (struct fscall){.opcode = FUSE_STATFS, .node = 1, .no_reply = true};
	CHECK_EQ(fscall(&c, &call), INT32_MIN);
	call = (struct fscall){.opcode = FUSE_STATFS, .node = 1};
	CHECK_EQ(fscall(&c, &call), -EINVAL);

	struct fuse_entry_out e;
	uint64_t fh;

	CHECK_EQ(fsc_lookup(&c, 1, "f", &e), 0);
	CHECK_EQ(fsc_open(&c, e.nodeid, O_RDWR, &fh), 0);
	const struct fuse_read_in reads[] = {{.fh = fh, .size = UINT32_MAX},
					     {.fh = fh, .offset = UINT64_MAX, .size = 1},
					     {.fh = fh, .offset = 1ull << 63}};

	for (int i = 0; i < 3; i++)
		CHECK_EQ(raw(FUSE_READ, e.nodeid, &reads[i], sizeof(reads[i]), NULL, NULL), -EINVAL);
	/* WRITE that says more than it brings, or ends beyond the largest offset. */
	const struct fuse_write_in writes[] = {
		{.fh = fh, .size = 100}, {.fh = fh, .size = UINT32_MAX}, {.fh = fh, .offset = INT64_MAX, .size = 1}};

	for (int i = 0; i < 3; i++)
		CHECK_EQ(raw(FUSE_WRITE, e.nodeid, &writes[i], sizeof(writes[i]), NULL, NULL), -EINVAL);
	const struct fuse_fallocate_in fa = {.fh = fh, .length = UINT64_MAX};

	CHECK_EQ(raw(FUSE_FALLOCATE, e.nodeid, &fa, sizeof(fa), NULL, NULL), -EINVAL);
	const struct fuse_setxattr_in xa = {.size = UINT32_MAX};

	CHECK_EQ(raw(FUSE_SETXATTR, e.nodeid, &xa, sizeof(xa), "user.x", NULL), -E2BIG);
	CHECK_EQ(fsc_release(&c, e.nodeid, fh), 0);
	const struct fuse_batch_forget_in batch = {.count = UINT32_MAX};
	const struct fscall forget = {
		.opcode = FUSE_BATCH_FORGET, .args = &batch, .args_len = sizeof(batch), .no_reply = true};

	CHECK_EQ(fscall(&c, &forget), INT32_MIN);
}

static void test_read_only(void)
{
	const struct fuse_mkdir_in dir = {.mode = 0755};
	const struct fuse_mknod_in mknod_in = {.mode = S_IFREG | 0644};
	const struct fuse_create_in create = {.flags = O_RDWR, .mode = 0644};
	const struct fuse_setattr_in setattr = {.valid = FATTR_MODE, .mode = 0777};
	const struct fuse_setxattr_in xattr = {0};
	struct fuse_entry_out e, rw;
	uint64_t fh;

	CHECK_EQ(fsc_lookup(&c, 2, "f", &e), 0);
	CHECK_EQ(fsc_lookup(&c, 1, "f", &rw), 0);
	CHECK(e.nodeid != rw.nodeid); /* rights belong to the export, so must the node */
	const struct fuse_rename_in to_ro = {.newdir = 2}, to_rw = {.newdir = 1};
	const struct fuse_link_in link_ro = {.oldnodeid = e.nodeid};

	CHECK_EQ(fsc_open(&c, e.nodeid, O_RDWR, &fh), -EROFS);
	CHECK_EQ(fsc_open(&c, e.nodeid, O_WRONLY, &fh), -EROFS);
	CHECK_EQ(fsc_open(&c, e.nodeid, 3, &fh), -EROFS);
	CHECK_EQ(fsc_open(&c, e.nodeid, O_RDONLY | O_TRUNC, &fh), -EROFS);
	CHECK_EQ(raw(FUSE_SETATTR, e.nodeid, &setattr, sizeof(setattr), NULL, NULL), -EROFS);
	CHECK_EQ(raw(FUSE_SETXATTR, e.nodeid, &xattr, sizeof(xattr), "user.x", NULL), -EROFS);
	CHECK_EQ(raw(FUSE_REMOVEXATTR, e.nodeid, NULL, 0, "user.x", NULL), -EROFS);
	CHECK_EQ(raw(FUSE_MKDIR, 2, &dir, sizeof(dir), "d", NULL), -EROFS);
	CHECK_EQ(raw(FUSE_MKNOD, 2, &mknod_in, sizeof(mknod_in), "n", NULL), -EROFS);
	CHECK_EQ(raw(FUSE_CREATE, 2, &create, sizeof(create), "n", NULL), -EROFS);
	CHECK_EQ(raw(FUSE_SYMLINK, 2, NULL, 0, "n", "t"), -EROFS);
	CHECK_EQ(raw(FUSE_UNLINK, 2, NULL, 0, "f", NULL), -EROFS);
	CHECK_EQ(raw(FUSE_RMDIR, 2, NULL, 0, "d", NULL), -EROFS);
	CHECK_EQ(raw(FUSE_RENAME, 2, &to_ro, sizeof(to_ro), "f", "g"), -EROFS);
	CHECK_EQ(raw(FUSE_RENAME, 2, &to_rw, sizeof(to_rw), "f", "g"), -EROFS);
	CHECK_EQ(raw(FUSE_RENAME, 1, &to_ro, sizeof(to_ro), "f", "g"), -EXDEV);
	CHECK_EQ(raw(FUSE_LINK, 2, &link_ro, sizeof(link_ro), "g", NULL), -EROFS);
	/* Through the writable export a read-only one's file must not be linked in either. */
	CHECK_EQ(raw(FUSE_LINK, 1, &link_ro, sizeof(link_ro), "g", NULL), -EXDEV);
	CHECK_EQ(fsc_open(&c, e.nodeid, O_RDONLY, &fh), 0);
	CHECK_EQ(fsc_write(&c, e.nodeid, fh, 0, "x", 1), -EROFS);
	/* Other ways to write through a handle that may only read. */
	uint64_t source;
	const struct fuse_fallocate_in fa = {.fh = fh, .length = 1};

	CHECK_EQ(fsc_open(&c, rw.nodeid, O_RDWR, &source), 0);
	const struct fuse_copy_file_range_in copy = {.fh_in = source, .nodeid_out = e.nodeid, .fh_out = fh, .len = 1};

	CHECK_EQ(raw(FUSE_COPY_FILE_RANGE, rw.nodeid, &copy, sizeof(copy), NULL, NULL), -EBADF);
	CHECK_EQ(raw(FUSE_FALLOCATE, e.nodeid, &fa, sizeof(fa), NULL, NULL), -EROFS);
	CHECK_EQ(fsc_release(&c, rw.nodeid, source), 0);
	CHECK_EQ(fsc_open(&c, rw.nodeid, O_RDONLY, &source), 0);
	CHECK_EQ(fsc_write(&c, rw.nodeid, source, 0, "x", 1), -EBADF);
	CHECK_EQ(fsc_release(&c, rw.nodeid, source), 0);
	/* A handle of the read-only file, presented as one of the writable file. */
	CHECK_EQ(fsc_write(&c, rw.nodeid, fh, 0, "x", 1), -EBADF);
	CHECK_EQ(fsc_release(&c, e.nodeid, fh), 0);
}

/* /proc, /sys, /dev below an export of "/": names to mount over, nothing else. And they cannot be exported themselves.
 */
static void test_mount_points(void)
{
	const char *const kernel_trees[] = {"/proc", "/sys", "/sys/fs/cgroup/unified", "/dev/pts", "/proc/self"};
	struct fuse_entry_out e, inner;
	const struct fuse_open_in open_in = {0};
	const struct fuse_mkdir_in dir = {.mode = 0755};
	uint64_t fh;

	for (size_t i = 0; i < 2; i++) {
		CHECK_EQ(fsc_lookup(&c, 3, kernel_trees[i] + 1, &e), 0);
		CHECK(e.attr.flags & FUSE_ATTR_SUBMOUNT);
		CHECK_EQ(fsc_lookup(&c, e.nodeid, "1", &inner), -ENOENT);
		CHECK_EQ(fsc_lookup(&c, e.nodeid, "self", &inner), -ENOENT);
		CHECK_EQ(fsc_open(&c, e.nodeid, O_RDONLY, &fh), -EISDIR);
		CHECK_EQ(raw(FUSE_OPENDIR, e.nodeid, &open_in, sizeof(open_in), NULL, NULL), -EACCES);
		CHECK_EQ(raw(FUSE_MKDIR, e.nodeid, &dir, sizeof(dir), "x", NULL), -EROFS);
		CHECK_EQ(raw(FUSE_LISTXATTR, e.nodeid, (uint64_t[]){100}, 8, NULL, NULL), -EOPNOTSUPP);
	}
	for (size_t i = 0; i < sizeof(kernel_trees) / sizeof(kernel_trees[0]); i++) {
		const int fd = open(kernel_trees[i], O_PATH | O_CLOEXEC);

		if (fd < 0)
			continue;
		CHECK_EQ(fs_export(c.fs, fd, 0), -EXDEV);
		close(fd);
	}
	const int dev = open("/dev", O_PATH | O_CLOEXEC), null = open("/dev/null", O_PATH | O_CLOEXEC);

	CHECK(fs_export(c.fs, dev, 0) < 0);
	CHECK(fs_export(c.fs, null, 0) < 0);
	close(dev);
	close(null);
}

/* Device nodes and FIFOs that lie in a tree are never opened, only described. */
static void test_special_files(void)
{
	struct fuse_entry_out e;
	char path[256];
	uint64_t node, fh;

	in_root(path, sizeof(path), "fifo");
	CHECK_EQ(mkfifo(path, 0666), 0);
	CHECK_EQ(fsc_lookup(&c, 1, "fifo", &e), 0);
	CHECK_EQ(raw(UM_FUSE_OPEN_READ, e.nodeid, &(struct fuse_read_in){.size = 1}, sizeof(struct fuse_read_in), NULL,
		     NULL),
		 -EACCES);
	CHECK_EQ(fsc_open(&c, e.nodeid, O_RDONLY, &fh), -EACCES);
	CHECK_EQ(fsc_create(&c, 1, "fifo", O_RDWR, 0644, &node, &fh), -EACCES);
	in_root(path, sizeof(path), "zero");
	if (mknod(path, S_IFCHR | 0666, makedev(1, 5)) == 0) {
		CHECK_EQ(fsc_lookup(&c, 1, "zero", &e), 0);
		CHECK_EQ(fsc_open(&c, e.nodeid, O_RDONLY, &fh), -EACCES);
		CHECK_EQ(fsc_create(&c, 1, "zero", O_RDWR, 0644, &node, &fh), -EACCES);
		/* Nor is it given to anybody else. */
		for (uint32_t bit = FATTR_MODE; bit <= FATTR_GID; bit <<= 1) {
			const struct fuse_setattr_in set = {.valid = bit, .mode = 0777, .uid = 1234, .gid = 1234};

			CHECK_EQ(raw(FUSE_SETATTR, e.nodeid, &set, sizeof(set), NULL, NULL), -EPERM);
		}
	}
	in_root(path, sizeof(path), "out");
	CHECK_EQ(symlink("/etc/passwd", path), 0);
	CHECK_EQ(fsc_lookup(&c, 1, "out", &e), 0);
	CHECK_EQ(fsc_lookup(&c, e.nodeid, "x", &e), -ENOTDIR);
	CHECK_EQ(fsc_create(&c, 1, "out", O_RDWR | O_TRUNC, 0644, &node, &fh), -ELOOP);
}

/*
 * The host's own programs wait for a lock on a file of the host: not for a guest to take, unless the user shares the
 * tree.
 */
static void test_locks(void)
{
	struct fuse_entry_out e;

	for (uint64_t root_node = 1; root_node <= 2; root_node++) {
		CHECK_EQ(fsc_lookup(&c, root_node, "f", &e), 0);
		for (uint32_t flags = 0; flags <= FUSE_LK_FLOCK; flags += FUSE_LK_FLOCK)
			for (uint32_t type = F_RDLCK; type <= F_WRLCK; type++) {
				const struct fuse_lk_in lk = {
					.owner = 1, .lk = {.end = INT64_MAX, .type = type}, .lk_flags = flags};

				CHECK_EQ(raw(FUSE_SETLK, e.nodeid, &lk, sizeof(lk), NULL, NULL), -EOPNOTSUPP);
				CHECK_EQ(raw(FUSE_GETLK, e.nodeid, &lk, sizeof(lk), NULL, NULL), -EOPNOTSUPP);
			}
	}
}

/* Who closes a file loses the locks on it, also while another thread of the same owner asks for one. */
static void test_locks_end(void)
{
	const struct fuse_lk_in lk = {.owner = 7, .lk = {.end = INT64_MAX, .type = F_WRLCK}};
	const struct fuse_flush_in flush = {.lock_owner = 7};
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET}, free = fl;
	struct fuse_entry_out e;
	struct lock_file *lf;
	char path[256];
	int fd;

	in_root(path, sizeof(path), "f");
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK_EQ(fsc_lookup(&c, 4, "f", &e), 0);
	CHECK_EQ(raw(FUSE_SETLK, e.nodeid, &lk, sizeof(lk), NULL, NULL), 0);
	CHECK_EQ(fcntl(fd, F_OFD_GETLK, &fl), 0);
	CHECK_EQ(fl.l_type, F_WRLCK);
	lf = list_entry(c.fs->lock_files.next, struct lock_file, link);
	lf->busy++;
	CHECK_EQ(raw(FUSE_FLUSH, e.nodeid, &flush, sizeof(flush), NULL, NULL), 0);
	lf->busy--;
	CHECK_EQ(fcntl(fd, F_OFD_GETLK, &free), 0);
	CHECK_EQ(free.l_type, F_UNLCK);
	CHECK_EQ(raw(FUSE_SETLK, e.nodeid, &lk, sizeof(lk), NULL, NULL), 0);
	CHECK_EQ(raw(FUSE_FLUSH, e.nodeid, &flush, sizeof(flush), NULL, NULL), 0);
	CHECK_EQ(c.fs->lock_file_count, 0);
	close(fd);
}

/* FUSE file systems of the host may have names that are longer than the rest of the host knows. */
static void test_long_names(void)
{
	struct node *node = node_get(c.fs, 1);
	struct statx stx;
	char name[1024];
	uint64_t id;

	host_write("long", "x");
	in_root(name, sizeof(name), "long");
	CHECK_EQ(fs_statx(AT_FDCWD, name, &stx), 0);
	memset(name, 'n', sizeof(name));
	name[1000] = 0;
	CHECK_EQ(node_intern(c.fs, node, name, &stx), 0);
	name[UM_FUSE_MAX_NAME] = 0;
	id = node_intern(c.fs, node, name, &stx);
	CHECK(id != 0);
	node_forget(c.fs, id, 1);
	node_put(c.fs, node);
}

/* Directories deeper than any descriptor cache: each request ends, in time or with an error. */
static void test_deep(void)
{
	const struct fuse_mkdir_in dir = {.mode = 0755};
	struct fuse_entry_out e = {.nodeid = 1}, top[4];
	struct fuse_attr attr;
	uint64_t deep = 1;
	int r;

	/* Chains of 1500, each hung below the end of the last: no depth of a single step shows how deep it gets. */
	for (int chain = 0; chain < 4; chain++) {
		char name[16];
		uint64_t at = 1;

		snprintf(name, sizeof(name), "chain%d", chain);
		for (int i = 0; i < 1500; i++) {
			CHECK_EQ(raw(FUSE_MKDIR, at, &dir, sizeof(dir), i ? "d" : name, NULL), sizeof(e));
			CHECK_EQ(fsc_lookup(&c, at, i ? "d" : name, &e), 0);
			at = e.nodeid;
			if (i == 0)
				top[chain] = e;
		}
		if (chain) {
			const struct fuse_rename_in move = {.newdir = deep};

			r = raw(FUSE_RENAME, 1, &move, sizeof(move), name, "below");
			CHECK(r == 0 || r == -ENAMETOOLONG);
		}
		deep = at;
	}
	/* Everything in between has lost its descriptor by now. */
	r = fsc_getattr(&c, deep, &attr);
	CHECK(r == 0 || r == -ENAMETOOLONG);
	CHECK_EQ(fsc_getattr(&c, top[0].nodeid, &attr), 0);
}

static struct fs_file_id id_of(const char *name)
{
	struct statx stx;
	char path[256];

	in_root(path, sizeof(path), name);
	CHECK_EQ(statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_INO, &stx), 0);
	return (struct fs_file_id){stx.stx_ino, stx.stx_dev_major, stx.stx_dev_minor};
}

/* As the launcher would say it: @name in @dir of the scratch directory. */
static void cover(int export, const char *dir, const char *name)
{
	struct fs_cover what = {.parent = id_of(dir)};
	char path[300];

	snprintf(path, sizeof(path), "%s/%s/%s", root, dir, name);
	if (access(path, F_OK) == 0) {
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		what.file = id_of(path);
	}
	strcpy(what.name, name);
	CHECK_EQ(fs_cover(c.fs, export, &what), 0);
}

static void make_covers(void)
{
	char path[256];

	in_root(path, sizeof(path), "cov");
	CHECK_EQ(mkdir(path, 0755), 0);
	in_root(path, sizeof(path), "cov/keys");
	CHECK_EQ(mkdir(path, 0755), 0);
	host_write("cov/keys/key", "secret");
	host_write("cov/token", "secret");
	host_write("cov/open", "public");
	cover(0, "cov", "keys");
	cover(0, "cov", "token");
	cover(1, "cov", "open");
	cover(0, "cov", "later");
	cover(0, "cov", "never");
}

/* Where the host may put something to be hidden later, a guest cannot have anything of its own that it holds on to. */
static void no_traps(uint64_t dir)
{
	const struct fuse_mknod_in fifo = {.mode = S_IFIFO | 0644}, file = {.mode = S_IFREG | 0644};
	const struct fuse_rename_in here = {.newdir = dir};
	struct fuse_link_in link;
	struct fuse_entry_out e;
	uint64_t node, fh;
	char buf[16];

	host_write("bait", "bait");
	CHECK_EQ(fsc_lookup(&c, 1, "bait", &e), 0);
	link = (struct fuse_link_in){.oldnodeid = e.nodeid};
	CHECK_EQ(fsc_create(&c, dir, "never", O_RDWR, 0644, &node, &fh), -EACCES);
	CHECK_EQ(raw(FUSE_SYMLINK, dir, NULL, 0, "never", "../bait"), -EACCES);
	CHECK_EQ(raw(FUSE_LINK, dir, &link, sizeof(link), "never", NULL), -EACCES);
	CHECK_EQ(raw(FUSE_RENAME, 1, &here, sizeof(here), "bait", "never"), -EBUSY);
	CHECK_EQ(raw(FUSE_MKNOD, dir, &fifo, sizeof(fifo), "never", NULL), -EACCES);
	CHECK_EQ(fsc_lookup(&c, dir, "never", &e), -ENOENT);
	/* What can be mounted over can be made, but not opened. */
	CHECK_EQ(raw(FUSE_MKNOD, dir, &file, sizeof(file), "never", NULL), sizeof(e));
	host_write("cov/never", "secret");
	CHECK_EQ(fsc_lookup(&c, dir, "never", &e), 0);
	CHECK_EQ(e.attr.size, 0);
	CHECK_EQ(fsc_open(&c, e.nodeid, O_RDONLY, &fh), -EACCES);
	CHECK_EQ(fsc_lookup(&c, 1, "bait", &e), 0);
	CHECK_EQ(fsc_open(&c, e.nodeid, O_RDONLY, &fh), 0);
	CHECK_EQ(fsc_read(&c, e.nodeid, fh, 0, buf, sizeof(buf)), 4);
	CHECK_EQ(fsc_release(&c, e.nodeid, fh), 0);
}

/* What --hide and mounts of the guest's own cover is out of reach, whatever is done to names. */
static void test_covers(void)
{
	const struct fuse_create_in create = {.flags = O_RDWR, .mode = 0644};
	struct fuse_entry_out dir, ro, e, x;
	struct fuse_attr attr;
	uint64_t fh, node;
	char path[256], other[256];

	CHECK_EQ(fsc_lookup(&c, 1, "cov", &dir), 0);
	CHECK_EQ(fsc_lookup(&c, 2, "cov", &ro), 0);
	for (int export = 0; export < 2; export ++) {
		const uint64_t d = export ? ro.nodeid : dir.nodeid;

		CHECK_EQ(fsc_lookup(&c, d, "keys", &e), 0);
		CHECK_EQ(e.attr.mode, S_IFDIR | 0555);
		CHECK_EQ(fsc_lookup(&c, e.nodeid, "key", &x), -ENOENT);
		CHECK_EQ(
			raw(FUSE_OPENDIR, e.nodeid, &(struct fuse_open_in){0}, sizeof(struct fuse_open_in), NULL, NULL),
			-EACCES);
		CHECK_EQ(raw(UM_FUSE_LIST, e.nodeid, &(struct um_fuse_list_in){.size = 4096, .plus = 1},
			     sizeof(struct um_fuse_list_in), NULL, NULL),
			 -EACCES);
		CHECK_EQ(fsc_lookup(&c, d, "token", &e), 0);
		CHECK_EQ(e.attr.mode, S_IFREG);
		CHECK_EQ(e.attr.size, 0);
		CHECK_EQ(fsc_open(&c, e.nodeid, O_RDONLY, &fh), -EACCES);
		CHECK_EQ(raw(UM_FUSE_OPEN_READ, e.nodeid, &(struct fuse_read_in){.size = 1},
			     sizeof(struct fuse_read_in), NULL, NULL),
			 -EACCES);
		CHECK_EQ(raw(FUSE_GETXATTR, e.nodeid, &(struct fuse_getxattr_in){.size = 100},
			     sizeof(struct fuse_getxattr_in), "user.x", NULL),
			 -EACCES);
		CHECK_EQ(fsc_getattr(&c, e.nodeid, &attr), 0);
		CHECK_EQ(attr.size, 0);
	}
	no_traps(dir.nodeid);
	/* Nothing that changes it or moves it to where it could be seen. */
	const struct fuse_rename_in up = {.newdir = 1};
	const struct fuse_rename2_in exchange = {.newdir = 1, .flags = RENAME_EXCHANGE};
	const struct fuse_setattr_in setattr = {.valid = FATTR_MODE | FATTR_SIZE, .mode = 0777};
	const char *const names[] = {"keys", "token"};

	host_write("plain", "plain");
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(fsc_lookup(&c, dir.nodeid, names[i], &e), 0);
		CHECK_EQ(raw(FUSE_RENAME, dir.nodeid, &up, sizeof(up), names[i], "seen"), -EBUSY);
		CHECK_EQ(raw(FUSE_RENAME2, dir.nodeid, &exchange, sizeof(exchange), names[i], "plain"), -EBUSY);
		CHECK_EQ(raw(FUSE_RENAME2, 1, &(struct fuse_rename2_in){.newdir = dir.nodeid, .flags = RENAME_EXCHANGE},
			     sizeof(exchange), "plain", names[i]),
			 -EBUSY);
		CHECK_EQ(raw(FUSE_RENAME, 1, &(struct fuse_rename_in){.newdir = dir.nodeid}, sizeof(up), "plain",
			     names[i]),
			 -EBUSY);
		CHECK_EQ(raw(FUSE_UNLINK, dir.nodeid, NULL, 0, names[i], NULL), -EBUSY);
		CHECK_EQ(raw(FUSE_RMDIR, dir.nodeid, NULL, 0, names[i], NULL), -EBUSY);
		CHECK_EQ(raw(FUSE_SETATTR, e.nodeid, &setattr, sizeof(setattr), NULL, NULL), i ? -EACCES : -EISDIR);
		CHECK_EQ(raw(FUSE_LINK, 1, &(struct fuse_link_in){.oldnodeid = e.nodeid}, sizeof(struct fuse_link_in),
			     "seen", NULL),
			 -EACCES);
		CHECK_EQ(raw(FUSE_CREATE, dir.nodeid, &create, sizeof(create), names[i], NULL), -EACCES);
	}
	/* The directory around it may move: still covered. */
	CHECK_EQ(raw(FUSE_RENAME, 1, &up, sizeof(up), "cov", "moved"), 0);
	CHECK_EQ(fsc_lookup(&c, 1, "moved", &dir), 0);
	CHECK_EQ(fsc_lookup(&c, dir.nodeid, "token", &e), 0);
	CHECK_EQ(fsc_open(&c, e.nodeid, O_RDONLY, &fh), -EACCES);
	/* The host gives it another name; then puts a new file where it was, as editors do. */
	in_root(path, sizeof(path), "moved/token");
	in_root(other, sizeof(other), "elsewhere");
	CHECK_EQ(rename(path, other), 0);
	CHECK_EQ(fsc_lookup(&c, 1, "elsewhere", &e), 0);
	CHECK_EQ(fsc_open(&c, e.nodeid, O_RDONLY, &fh), -EACCES);
	host_write("moved/token", "new secret");
	CHECK_EQ(fsc_lookup(&c, dir.nodeid, "token", &e), 0);
	CHECK_EQ(e.attr.size, 0);
	CHECK_EQ(fsc_open(&c, e.nodeid, O_RDONLY, &fh), -EACCES);
	/* Made after the start. */
	host_write("moved/later", "secret");
	CHECK_EQ(fsc_lookup(&c, dir.nodeid, "later", &e), 0);
	CHECK_EQ(fsc_open(&c, e.nodeid, O_RDONLY, &fh), -EACCES);
	CHECK_EQ(fsc_create(&c, dir.nodeid, "later", O_RDWR, 0644, &node, &fh), -EACCES);
	/* Covered in one export only. */
	CHECK_EQ(fsc_lookup(&c, dir.nodeid, "open", &e), 0);
	CHECK_EQ(fsc_open(&c, e.nodeid, O_RDONLY, &fh), -EACCES);
	CHECK_EQ(fsc_lookup(&c, ro.nodeid, "open", &e), 0);
	CHECK_EQ(fsc_open(&c, e.nodeid, O_RDONLY, &fh), 0);
	CHECK_EQ(fsc_release(&c, e.nodeid, fh), 0);
}

static atomic_bool swapping;

/* Makes "swap" a directory with a harmless "f", then a link to /etc, and so on; the same for the file "swapf". */
static void *swapper(void *arg)
{
	char dir[256], link[256], at[256], file[256], flink[256], fat[256];

	in_root(dir, sizeof(dir), "swap.dir");
	in_root(link, sizeof(link), "swap.link");
	in_root(at, sizeof(at), "swap");
	in_root(file, sizeof(file), "swapf.file");
	in_root(flink, sizeof(flink), "swapf.link");
	in_root(fat, sizeof(fat), "swapf");
	while (swapping) {
		rename(dir, at);
		rename(file, fat);
		rename(at, dir);
		rename(link, at);
		rename(fat, file);
		rename(flink, fat);
		rename(at, link);
		rename(fat, flink);
	}
	return NULL;
}

static void test_swap_races(void)
{
	struct fuse_entry_out d, f;
	pthread_t thread;
	char path[256], buf[64];
	uint64_t fh, node;
	int opened = 0;

	in_root(path, sizeof(path), "swap.dir");
	CHECK_EQ(mkdir(path, 0755), 0);
	host_write("swap.dir/passwd", "harmless");
	host_write("swapf.file", "harmless");
	in_root(path, sizeof(path), "swap.link");
	CHECK_EQ(symlink("/etc", path), 0);
	in_root(path, sizeof(path), "swapf.link");
	CHECK_EQ(symlink("/etc/passwd", path), 0);
	swapping = true;
	CHECK_EQ(pthread_create(&thread, NULL, swapper, NULL), 0);
	for (int i = 0; i < 3000; i++) {
		if (fsc_lookup(&c, 1, "swap", &d) == 0) {
			if (fsc_lookup(&c, d.nodeid, "passwd", &f) == 0) {
				CHECK_EQ(f.attr.size, 8);
				if (fsc_open(&c, f.nodeid, O_RDONLY, &fh) == 0) {
					CHECK_EQ(fsc_read(&c, f.nodeid, fh, 0, buf, sizeof(buf)), 8);
					CHECK_EQ(fsc_release(&c, f.nodeid, fh), 0);
					opened++;
				}
				fsc_forget(&c, f.nodeid, 1);
			}
			fsc_forget(&c, d.nodeid, 1);
		}
		if (fsc_create(&c, 1, "swapf", O_RDWR, 0644, &node, &fh) == 0) {
			const int n = fsc_read(&c, node, fh, 0, buf, sizeof(buf));

			CHECK(n == 8 || n == 0); /* 0: made by ourselves between two renames */
			CHECK_EQ(fsc_release(&c, node, fh), 0);
			fsc_forget(&c, node, 1);
		}
	}
	swapping = false;
	pthread_join(thread, NULL);
	printf("swap race: %d opens\n", opened);
}

/* Puts another name of the device "owned" where a new file is about to be given to somebody. */
static void *usurper(void *arg)
{
	char dev[256], tmp[256], at[256];

	in_root(dev, sizeof(dev), "owned");
	in_root(tmp, sizeof(tmp), "owned.link");
	in_root(at, sizeof(at), "given");
	while (swapping) {
		if (link(dev, tmp) == 0)
			rename(tmp, at);
		unlink(at);
	}
	return NULL;
}

/* A device of the host that takes a new file's name keeps its owner. */
static void test_owner_races(void)
{
	const struct fuse_mknod_in in = {.mode = S_IFREG | 0644};
	pthread_t thread;
	struct stat st;
	char path[256];
	int made = 0;

	in_root(path, sizeof(path), "owned");
	if (mknod(path, S_IFCHR | 0600, makedev(1, 3)) < 0)
		return;
	swapping = true;
	c.uid = c.gid = 1234;
	CHECK_EQ(pthread_create(&thread, NULL, usurper, NULL), 0);
	for (int i = 0; i < 10000; i++) {
		made += raw(FUSE_MKNOD, 1, &in, sizeof(in), "given", NULL) > 0;
		raw(FUSE_UNLINK, 1, NULL, 0, "given", NULL);
	}
	swapping = false;
	pthread_join(thread, NULL);
	c.uid = c.gid = 0;
	CHECK(made > 0);
	CHECK_EQ(stat(path, &st), 0);
	CHECK_EQ(st.st_uid, 0);
}

/* More path descriptors and handles than there may be: old ones go, the limit holds, nothing is lost. */
static void test_exhaustion(void)
{
	struct fuse_entry_out e;
	uint64_t fh, last = 0;
	int r = 0, opened = 0;

	CHECK_EQ(fsc_lookup(&c, 1, "f", &e), 0);
	while (opened < 100000 && (r = fsc_open(&c, e.nodeid, O_RDONLY, &fh)) == 0) {
		last = fh;
		opened++;
	}
	CHECK_EQ(r, -ENFILE);
	CHECK_EQ(fsc_release(&c, e.nodeid, last), 0);
	CHECK_EQ(fsc_open(&c, e.nodeid, O_RDONLY, &fh), 0);
}

/* A full table of nodes is an error, and what is forgotten makes room. */
static void test_many_nodes(void)
{
	const unsigned int most = c.fs->max_nodes;
	struct fuse_entry_out first, e;
	char name[16];

	for (int i = 0; i < 12; i++) {
		snprintf(name, sizeof(name), "many%d", i);
		host_write(name, "x");
	}
	c.fs->max_nodes = c.fs->node_count + 10;
	CHECK_EQ(fsc_lookup(&c, 1, "many0", &first), 0);
	for (int i = 1; i < 12; i++) {
		snprintf(name, sizeof(name), "many%d", i);
		CHECK_EQ(fsc_lookup(&c, 1, name, &e), i < 10 ? 0 : -ENFILE);
	}
	fsc_forget(&c, first.nodeid, 1);
	CHECK_EQ(fsc_lookup(&c, 1, "many11", &e), 0);
	c.fs->max_nodes = most;
}

static void test_broken_ring(void)
{
	struct virtq_avail *avail = vm_gpa(&c.vm, c.requests.avail, 64);

	avail->ring[avail->idx % 16] = 999;
	avail->idx++;
	fs_doorbell(c.fs);
	for (int i = 0; i < 1000 && !c.vm.ended; i++)
		usleep(1000);
	CHECK(c.vm.ended);
	CHECK(strstr(c.vm.end_reason, "beyond the table"));
}

int main(void)
{
	char cmd[128];
	/* Few descriptors, so that test_exhaustion() is quick. */
	const struct rlimit lim = {2048, 2048};

	setrlimit(RLIMIT_NOFILE, &lim);
	strcpy(root, "/tmp/umbra-fs-hostile-XXXXXX");
	CHECK(mkdtemp(root));
	fsclient_init(&c);
	CHECK_EQ(fs_export(c.fs, open(root, O_PATH | O_CLOEXEC), 0), 1);
	CHECK_EQ(fs_export(c.fs, open(root, O_PATH | O_CLOEXEC), FS_EXPORT_RO), 2);
	CHECK_EQ(fs_export(c.fs, open("/", O_PATH | O_CLOEXEC), FS_EXPORT_RO), 3);
	CHECK_EQ(fs_export(c.fs, open(root, O_PATH | O_CLOEXEC), FS_EXPORT_SHARED), 4);
	make_covers();
	fsclient_start(&c);
	test_bad_names();
	test_bad_ids();
	test_shapes();
	test_read_only();
	test_mount_points();
	test_special_files();
	test_covers();
	test_locks();
	test_locks_end();
	test_long_names();
	test_deep();
	test_swap_races();
	test_owner_races();
	test_many_nodes();
	test_exhaustion();
	test_broken_ring();
	fsclient_deinit(&c);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
	return system(cmd) ? 1 : 0;
}
