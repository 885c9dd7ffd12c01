/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host file server as a well-behaved guest uses it: every operation against a scratch directory, checked from
 * outside.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "unit.h"
#include "fsclient.h"
#include "vmm/fs/internal.h"

static char root[64];
static struct fsclient c;

static int host_open(const char *name, int flags, mode_t mode)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	return open(path, flags | O_CLOEXEC, mode);
}

static struct stat host_stat(const char *name)
{
	char path[512];
	struct stat st = {0};

	snprintf(path, sizeof(path), "%s/%s", root, name);
	assert_int_equal(lstat(path, &st), 0);
	return st;
}

static void host_write(const char *name, const char *text)
{
	const int fd = host_open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static int simple(uint32_t opcode, uint64_t node, const void *args, size_t args_len, const char *name,
		  const char *name2)
{
	const int r = fsc_call(&c, opcode, node, args, args_len, name, name2);

	return r < 0 ? r : 0;
}

static void test_read_write(void **state)
{
	struct fuse_entry_out e;
	struct fuse_attr attr;
	uint64_t node, fh;
	char buf[64] = {0};

	host_write("hello", "hello world");
	assert_int_equal(fsc_lookup(&c, 1, "hello", &e), 0);
	assert_int_equal(e.attr.size, 11);
	assert_int_equal(e.attr.ino, host_stat("hello").st_ino);
	assert_int_equal(e.entry_valid, 1);
	assert_int_equal(fsc_open(&c, e.nodeid, O_RDONLY, &fh), 0);
	assert_int_equal(fsc_read(&c, e.nodeid, fh, 6, buf, sizeof(buf)), 5);
	assert_string_equal(buf, "world");
	assert_int_equal(fsc_read(&c, e.nodeid, fh, 100, buf, sizeof(buf)), 0);
	assert_int_equal(fsc_write(&c, e.nodeid, fh, 0, "J", 1), -EBADF);
	assert_int_equal(fsc_release(&c, e.nodeid, fh), 0);
	assert_int_equal(fsc_release(&c, e.nodeid, fh), -EBADF);
	assert_int_equal(fsc_read(&c, e.nodeid, fh, 0, buf, sizeof(buf)), -EBADF);

	assert_int_equal(fsc_open(&c, e.nodeid, O_WRONLY, &fh), 0);
	assert_int_equal(fsc_write(&c, e.nodeid, fh, 0, "J", 1), 1);
	assert_int_equal(fsc_read(&c, e.nodeid, fh, 0, buf, 5), 5); /* promoted to read-write */
	assert_memory_equal(buf, "Jello", 5);
	assert_int_equal(fsc_release(&c, e.nodeid, fh), 0);

	assert_int_equal(fsc_create(&c, 1, "new", O_RDWR | O_EXCL, 0640, &node, &fh), 0);
	assert_int_equal(fsc_write(&c, node, fh, 4096, "x", 1), 1);
	assert_int_equal(fsc_getattr(&c, node, &attr), 0);
	assert_int_equal(attr.size, 4097);
	assert_int_equal(attr.mode, S_IFREG | 0640);
	assert_int_equal(fsc_release(&c, node, fh), 0);
	assert_int_equal(fsc_create(&c, 1, "new", O_RDWR | O_EXCL, 0640, &node, &fh), -EEXIST);
	assert_int_equal(fsc_create(&c, 1, "new", O_RDWR | O_TRUNC, 0640, &node, &fh), 0);
	assert_int_equal(host_stat("new").st_size, 0);
	assert_int_equal(fsc_release(&c, node, fh), 0);
}

/* Reads and writes longer than any buffer of the server's, of odd lengths, across the end. */
static void test_large(void **state)
{
	static uint8_t data[300001], back[sizeof(data)];
	const uint32_t size = sizeof(data);
	uint64_t node, fh;

	for (uint32_t i = 0; i < size; i++)
		data[i] = (uint8_t)(i * 7 + (i >> 8));
	assert_int_equal(fsc_create(&c, 1, "large", O_RDWR, 0644, &node, &fh), 0);
	assert_int_equal(fsc_write(&c, node, fh, 3, data, size), size);
	assert_int_equal(fsc_read(&c, node, fh, 3, back, size), size);
	assert_memory_equal(back, data, size);
	assert_int_equal(fsc_read(&c, node, fh, 100003, back, size), size - 100000);
	assert_memory_equal(back, data + 100000, size - 100000);
	assert_int_equal(fsc_read(&c, node, fh, size + 3, back, size), 0);
	assert_int_equal(fsc_release(&c, node, fh), 0);
}

static void test_owner(void **state)
{
	uint64_t node, fh;
	const struct fuse_mkdir_in dir = {.mode = 0755};

	if (geteuid() != 0)
		return;
	c.uid = 1234;
	c.gid = 4321;
	assert_int_equal(fsc_create(&c, 1, "owned", O_RDWR, 04755, &node, &fh), 0);
	assert_int_equal(host_stat("owned").st_uid, 1234);
	assert_int_equal(host_stat("owned").st_gid, 4321);
	assert_int_equal(host_stat("owned").st_mode, S_IFREG | 04755);

	const struct fuse_write_in in = {.fh = fh, .size = 1, .write_flags = FUSE_WRITE_KILL_SUIDGID};
	struct fuse_write_out out;
	const struct fscall kill_suid = {.opcode = FUSE_WRITE,
					 .node = node,
					 .args = &in,
					 .args_len = sizeof(in),
					 .data = "x",
					 .data_len = 1,
					 .out = &out,
					 .out_room = sizeof(out)};

	assert_int_equal(fscall(&c, &kill_suid), sizeof(out));
	assert_int_equal(host_stat("owned").st_mode, S_IFREG | 0755);
	assert_int_equal(fsc_release(&c, node, fh), 0);

	assert_int_equal(simple(FUSE_MKDIR, 1, &dir, sizeof(dir), "owneddir", NULL), 0);
	assert_int_equal(host_stat("owneddir").st_uid, 1234);
	assert_int_equal(simple(FUSE_RMDIR, 1, NULL, 0, "owneddir", NULL), 0);
	c.uid = c.gid = 0;
}

static void test_names(void **state)
{
	const struct fuse_mkdir_in dir = {.mode = 0755};
	const struct fuse_mknod_in fifo = {.mode = S_IFIFO | 0600}, dev = {.mode = S_IFCHR | 0600, .rdev = 0x103};
	struct fuse_entry_out a, b, sub;
	struct fuse_attr attr;
	uint64_t fh;
	char target[64] = {0};

	assert_int_equal(simple(FUSE_MKDIR, 1, &dir, sizeof(dir), "sub", NULL), 0);
	assert_int_equal(fsc_lookup(&c, 1, "sub", &sub), 0);
	assert_int_equal(simple(FUSE_MKNOD, sub.nodeid, &fifo, sizeof(fifo), "fifo", NULL), 0);
	assert_true(S_ISFIFO(host_stat("sub/fifo").st_mode));
	assert_int_equal(fsc_lookup(&c, sub.nodeid, "fifo", &a), 0);
	assert_int_equal(fsc_open(&c, a.nodeid, O_RDONLY, &fh), -EACCES);
	assert_int_equal(simple(FUSE_MKNOD, sub.nodeid, &dev, sizeof(dev), "null", NULL), -EPERM);

	assert_int_equal(simple(FUSE_SYMLINK, 1, NULL, 0, "link", "/etc/passwd"), 0);
	assert_int_equal(fsc_lookup(&c, 1, "link", &a), 0);
	assert_true(S_ISLNK(a.attr.mode));
	const struct fscall readlink = {
		.opcode = FUSE_READLINK, .node = a.nodeid, .out = target, .out_room = sizeof(target)};

	assert_int_equal(fscall(&c, &readlink), 11);
	assert_string_equal(target, "/etc/passwd");
	assert_int_equal(fsc_open(&c, a.nodeid, O_RDONLY, &fh), -EACCES);

	/* A hard link is the same node; a rename keeps it; an open file outlives its name. */
	host_write("file", "content");
	assert_int_equal(fsc_lookup(&c, 1, "file", &a), 0);
	const struct fuse_link_in link = {.oldnodeid = a.nodeid};

	assert_int_equal(simple(FUSE_LINK, sub.nodeid, &link, sizeof(link), "hard", NULL), 0);
	assert_int_equal(fsc_lookup(&c, sub.nodeid, "hard", &b), 0);
	assert_int_equal(a.nodeid, b.nodeid);
	assert_int_equal(b.attr.nlink, 2);
	assert_int_equal(simple(FUSE_UNLINK, sub.nodeid, NULL, 0, "hard", NULL), 0);
	assert_int_equal(fsc_getattr(&c, a.nodeid, &attr), 0);
	assert_int_equal(attr.nlink, 1);
	const struct fuse_rename_in into = {.newdir = sub.nodeid};

	assert_int_equal(fsc_lookup(&c, 1, "file", &a), 0);
	assert_int_equal(simple(FUSE_RENAME, 1, &into, sizeof(into), "file", "moved"), 0);
	assert_int_equal(fsc_open(&c, a.nodeid, O_RDONLY, &fh), 0);
	assert_int_equal(simple(FUSE_UNLINK, sub.nodeid, NULL, 0, "moved", NULL), 0);
	assert_int_equal(fsc_read(&c, a.nodeid, fh, 0, target, sizeof(target)), 7);
	assert_int_equal(fsc_getattr(&c, a.nodeid, &attr), 0);
	assert_int_equal(attr.nlink, 0);
	assert_int_equal(fsc_release(&c, a.nodeid, fh), 0);
	assert_int_equal(fsc_lookup(&c, sub.nodeid, "moved", &b), -ENOENT);

	host_write("x1", "1");
	host_write("x2", "22");
	const struct fuse_rename2_in swap = {.newdir = 1, .flags = 2}, noreplace = {.newdir = 1, .flags = 1},
				     whiteout = {.newdir = 1, .flags = 4};

	assert_int_equal(simple(FUSE_RENAME2, 1, &swap, sizeof(swap), "x1", "x2"), 0);
	assert_int_equal(host_stat("x1").st_size, 2);
	assert_int_equal(simple(FUSE_RENAME2, 1, &noreplace, sizeof(noreplace), "x1", "x2"), -EEXIST);
	assert_int_equal(simple(FUSE_RENAME2, 1, &whiteout, sizeof(whiteout), "x1", "x2"), -EINVAL);
	assert_int_equal(simple(FUSE_RMDIR, 1, NULL, 0, "sub", NULL), -ENOTEMPTY);
}

/* The host moves things about: what has been looked up stays that file, and what is not held must notice. */
static void test_host_changes(void **state)
{
	struct fuse_entry_out dir, file, other;
	char from[128], to[128], text[8];
	uint64_t fh;

	snprintf(from, sizeof(from), "%s/d1", root);
	assert_int_equal(mkdir(from, 0755), 0);
	host_write("d1/f", "old");
	assert_int_equal(fsc_lookup(&c, 1, "d1", &dir), 0);
	assert_int_equal(fsc_lookup(&c, dir.nodeid, "f", &file), 0);
	snprintf(from, sizeof(from), "%s/d1/f", root);
	snprintf(to, sizeof(to), "%s/d1/g", root);
	assert_int_equal(rename(from, to), 0);
	host_write("d1/f", "other");
	assert_int_equal(fsc_open(&c, file.nodeid, O_RDONLY, &fh), 0);
	assert_int_equal(fsc_read(&c, file.nodeid, fh, 0, text, sizeof(text)), 3);
	assert_memory_equal(text, "old", 3);
	assert_int_equal(fsc_release(&c, file.nodeid, fh), 0);
	/* To write is meant for the file that has the name now. */
	assert_int_equal(fsc_open(&c, file.nodeid, O_RDWR, &fh), -ESTALE);

	/* Its descriptor gives way to that of another. */
	c.fs->max_path_fds = 0;
	assert_int_equal(fsc_lookup(&c, dir.nodeid, "f", &other), 0);
	assert_int_equal(fsc_open(&c, file.nodeid, O_RDONLY, &fh), -ESTALE);
	c.fs->max_path_fds = 100;
	assert_int_equal(fsc_lookup(&c, dir.nodeid, "g", &file), 0);
	assert_int_equal(fsc_open(&c, file.nodeid, O_RDWR, &fh), 0);
	assert_int_equal(fsc_release(&c, file.nodeid, fh), 0);
	fsc_forget(&c, file.nodeid, 2);
	assert_int_equal(fsc_open(&c, file.nodeid, O_RDONLY, &fh), -ESTALE);
}

static void test_setattr(void **state)
{
	struct fuse_entry_out e;
	struct fuse_attr_out out;
	struct fuse_setattr_in in = {
		.valid = FATTR_MODE | FATTR_SIZE | FATTR_MTIME, .mode = 0600, .size = 3, .mtime = 1000, .mtimensec = 5};
	struct fscall call = {
		.opcode = FUSE_SETATTR, .args = &in, .args_len = sizeof(in), .out = &out, .out_room = sizeof(out)};

	host_write("attr", "0123456789");
	assert_int_equal(fsc_lookup(&c, 1, "attr", &e), 0);
	call.node = e.nodeid;
	assert_int_equal(fscall(&c, &call), sizeof(out));
	assert_int_equal(out.attr.size, 3);
	assert_int_equal(out.attr.mode, S_IFREG | 0600);
	assert_int_equal(host_stat("attr").st_mtim.tv_sec, 1000);
	assert_int_equal(host_stat("attr").st_mtim.tv_nsec, 5);
	in = (struct fuse_setattr_in){.valid = FATTR_ATIME, .atimensec = 0x3fffffff};
	assert_int_equal(fscall(&c, &call), -EINVAL);

	struct fuse_statfs_out st;
	const struct fscall statfs = {.opcode = FUSE_STATFS, .node = 1, .out = &st, .out_room = sizeof(st)};

	assert_int_equal(fscall(&c, &statfs), sizeof(st));
	assert_true(st.st.blocks > 0);
	assert_true(st.st.namelen >= 255);
}

static void test_readdir(void **state)
{
	const struct fuse_open_in open_in = {0};
	const struct fuse_mkdir_in dir = {.mode = 0755};
	struct fuse_open_out opened;
	struct fuse_entry_out e;
	struct fuse_read_in in = {.size = 2000};
	static uint8_t buf[4096];
	bool seen[200] = {0};
	int total = 0, n;

	assert_int_equal(simple(FUSE_MKDIR, 1, &dir, sizeof(dir), "many", NULL), 0);
	assert_int_equal(fsc_lookup(&c, 1, "many", &e), 0);
	for (int i = 0; i < 200; i++) {
		char name[32];

		snprintf(name, sizeof(name), "many/file%d", i);
		host_write(name, "x");
	}
	const struct fscall open_call = {.opcode = FUSE_OPENDIR,
					 .node = e.nodeid,
					 .args = &open_in,
					 .args_len = sizeof(open_in),
					 .out = &opened,
					 .out_room = sizeof(opened)};

	assert_int_equal(fscall(&c, &open_call), sizeof(opened));
	in.fh = opened.fh;
	struct fscall call = {.opcode = FUSE_READDIRPLUS,
			      .node = e.nodeid,
			      .args = &in,
			      .args_len = sizeof(in),
			      .out = buf,
			      .out_room = sizeof(buf)};

	while ((n = fscall(&c, &call)) > 0) {
		for (int at = 0; at < n;) {
			const struct fuse_direntplus *d = (const void *)(buf + at);
			int number;

			at += (int)FUSE_DIRENTPLUS_BYTES(d->dirent.namelen);
			in.offset = d->dirent.off;
			if (sscanf(d->dirent.name, "file%d", &number) != 1) {
				assert_int_equal(d->entry_out.nodeid, 0);
				continue;
			}
			assert_true(number >= 0);
			assert_true(number < 200);
			assert_false(seen[number]);
			assert_true(d->entry_out.nodeid != 0);
			assert_int_equal(d->entry_out.attr.size, 1);
			assert_int_equal(d->dirent.type, DT_REG);
			seen[number] = true;
			total++;
		}
		assert_true(n <= 2000);
	}
	assert_int_equal(n, 0);
	assert_int_equal(total, 200);

	/* Plain, from the start again, larger than one host buffer would not be; entries must add up too. */
	call.opcode = FUSE_READDIR;
	in.offset = 0;
	for (total = 0; (n = fscall(&c, &call)) > 0;)
		for (int at = 0; at < n; total++) {
			const struct fuse_dirent *d = (const void *)(buf + at);

			at += (int)FUSE_DIRENT_BYTES(d->namelen);
			in.offset = d->off;
		}
	assert_int_equal(total, 202);
	const struct fuse_release_in rel = {.fh = in.fh};

	assert_int_equal(simple(FUSE_RELEASE, e.nodeid, &rel, sizeof(rel), NULL, NULL), -EBADF);
	assert_int_equal(simple(FUSE_RELEASEDIR, e.nodeid, &rel, sizeof(rel), NULL, NULL), 0);
}

/* The requests that do what several others do. */
static void test_combined(void **state)
{
	const struct um_fuse_list_in list_in = {.size = 8192, .plus = 1}, short_in = {.size = 600, .plus = 1};
	const struct fuse_read_in read_in = {.offset = 1, .size = 3};
	const struct fuse_mkdir_in mkdir_in = {.mode = 0755};
	struct fuse_entry_out dir, e;
	struct {
		struct um_fuse_list_out head;
		uint8_t entries[8192];
	} list;
	struct {
		struct fuse_open_out open;
		char data[3];
	} opened;
	char b[3];

	assert_int_equal(simple(FUSE_MKDIR, 1, &mkdir_in, sizeof(mkdir_in), "listed", NULL), 0);
	assert_int_equal(fsc_lookup(&c, 1, "listed", &dir), 0);
	for (int i = 0; i < 10; i++) {
		char name[32];

		snprintf(name, sizeof(name), "listed/%d", i);
		host_write(name, "abcd");
	}
	struct fscall call = {.opcode = UM_FUSE_LIST,
			      .node = dir.nodeid,
			      .args = &list_in,
			      .args_len = sizeof(list_in),
			      .out = &list,
			      .out_room = sizeof(list)};
	const int n = fscall(&c, &call) - (int)sizeof(list.head);
	int count = 0;

	for (int at = 0; at < n; count++)
		at += (int)FUSE_DIRENTPLUS_BYTES(
			((const struct fuse_direntplus *)(const void *)(list.entries + at))->dirent.namelen);
	assert_int_equal(count, 12);
	assert_int_equal(list.head.at_end, 1);
	call.args = &short_in;
	assert_true(fscall(&c, &call) <= 600 + (int)sizeof(list.head));
	assert_int_equal(list.head.at_end, 0);

	assert_int_equal(fsc_lookup(&c, dir.nodeid, "3", &e), 0);
	assert_true(e.attr.flags & UM_FUSE_ATTR_READABLE);
	call = (struct fscall){.opcode = UM_FUSE_OPEN_READ,
			       .node = e.nodeid,
			       .args = &read_in,
			       .args_len = sizeof(read_in),
			       .out = &opened,
			       .out_room = sizeof(opened)};
	assert_int_equal(fscall(&c, &call), sizeof(opened.open) + 3);
	assert_memory_equal(opened.data, "bcd", 3);
	assert_int_equal(fsc_read(&c, e.nodeid, opened.open.fh, 0, b, 3), 3);
	assert_int_equal(fsc_write(&c, e.nodeid, opened.open.fh, 0, b, 3), -EBADF);
	assert_int_equal(fsc_release(&c, e.nodeid, opened.open.fh), 0);
}

static void test_xattr(void **state)
{
	const struct fuse_setxattr_in set = {.size = 3};
	const struct fuse_getxattr_in get = {.size = 100}, ask = {0};
	struct fuse_getxattr_out size;
	struct fuse_entry_out e;
	char buf[100];
	int r;

	host_write("xattr", "");
	assert_int_equal(fsc_lookup(&c, 1, "xattr", &e), 0);
	struct fscall call = {.opcode = FUSE_SETXATTR,
			      .node = e.nodeid,
			      .args = &set,
			      .args_len = sizeof(set),
			      .name = "user.a",
			      .data = "val",
			      .data_len = 3};

	r = fscall(&c, &call);
	if (r == -EOPNOTSUPP)
		return; /* the scratch directory's file system has none */
	assert_int_equal(r, 0);
	call.name = "security.capability";
	assert_int_equal(fscall(&c, &call), -EOPNOTSUPP);
	call = (struct fscall){.opcode = FUSE_GETXATTR,
			       .node = e.nodeid,
			       .args = &get,
			       .args_len = sizeof(get),
			       .name = "user.a",
			       .out = buf,
			       .out_room = sizeof(buf)};
	assert_int_equal(fscall(&c, &call), 3);
	assert_memory_equal(buf, "val", 3);
	call.args = &ask;
	call.out = &size;
	assert_int_equal(fscall(&c, &call), sizeof(size));
	assert_int_equal(size.size, 3);
	call = (struct fscall){.opcode = FUSE_LISTXATTR,
			       .node = e.nodeid,
			       .args = &get,
			       .args_len = sizeof(get),
			       .out = buf,
			       .out_room = sizeof(buf)};
	assert_int_equal(fscall(&c, &call), 7);
	assert_memory_equal(buf, "user.a", 7);
	assert_int_equal(simple(FUSE_REMOVEXATTR, e.nodeid, NULL, 0, "user.a", NULL), 0);
	assert_int_equal(fscall(&c, &call), 0);
}

static int setlk(uint64_t node, uint64_t owner, uint32_t type, uint64_t start, uint64_t end, uint32_t flags)
{
	const struct fuse_lk_in in = {
		.owner = owner, .lk = {.start = start, .end = end, .type = type}, .lk_flags = flags};

	return simple(FUSE_SETLK, node, &in, sizeof(in), NULL, NULL);
}

static void test_locks(void **state)
{
	struct fuse_entry_out e;
	int fd;

	host_write("lock", "0123456789");
	assert_int_equal(fsc_lookup(&c, 3, "lock", &e), 0);
	assert_int_equal(setlk(e.nodeid, 1, F_WRLCK, 0, 4, 0), 0);
	assert_int_equal(setlk(e.nodeid, 1, F_WRLCK, 2, 8, 0), 0); /* one owner never conflicts with itself */
	assert_int_equal(setlk(e.nodeid, 2, F_WRLCK, 4, 4, 0), -EAGAIN);
	assert_int_equal(setlk(e.nodeid, 2, F_RDLCK, 9, INT64_MAX, 0), 0);
	fd = host_open("lock", O_RDWR, 0);
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1};

	assert_true(fcntl(fd, F_OFD_SETLK, &fl) < 0);
	assert_int_equal(errno, EAGAIN);
	const struct fuse_flush_in flush = {.lock_owner = 1};

	assert_int_equal(simple(FUSE_FLUSH, e.nodeid, &flush, sizeof(flush), NULL, NULL), 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &fl), 0);

	const struct fuse_lk_in ask = {.owner = 3, .lk = {.start = 0, .end = 100, .type = F_RDLCK}};
	struct fuse_lk_out answer;
	const struct fscall getlk = {.opcode = FUSE_GETLK,
				     .node = e.nodeid,
				     .args = &ask,
				     .args_len = sizeof(ask),
				     .out = &answer,
				     .out_room = sizeof(answer)};

	assert_int_equal(fscall(&c, &getlk), sizeof(answer));
	assert_int_equal(answer.lk.type, F_WRLCK);
	assert_int_equal(answer.lk.end, 0);

	assert_int_equal(setlk(e.nodeid, 7, F_WRLCK, 0, INT64_MAX, FUSE_LK_FLOCK), 0);
	assert_true(flock(fd, LOCK_EX | LOCK_NB) < 0);
	assert_int_equal(errno, EWOULDBLOCK);
	assert_int_equal(setlk(e.nodeid, 7, F_UNLCK, 0, INT64_MAX, FUSE_LK_FLOCK), 0);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
}

static void test_more_file_ops(void **state)
{
	struct fuse_lseek_out where;
	uint64_t node, fh, node2, fh2;
	char buf[8] = {0};

	assert_int_equal(fsc_create(&c, 1, "ops", O_RDWR, 0644, &node, &fh), 0);
	assert_int_equal(fsc_create(&c, 1, "ops2", O_RDWR, 0644, &node2, &fh2), 0);
	const struct fuse_fallocate_in fa = {.fh = fh, .length = 65536};

	assert_int_equal(simple(FUSE_FALLOCATE, node, &fa, sizeof(fa), NULL, NULL), 0);
	assert_int_equal(host_stat("ops").st_size, 65536);
	assert_int_equal(fsc_write(&c, node, fh, 10, "abc", 3), 3);
	const struct fuse_fsync_in fsync_in = {.fh = fh};

	assert_int_equal(simple(FUSE_FSYNC, node, &fsync_in, sizeof(fsync_in), NULL, NULL), 0);
	const struct fuse_copy_file_range_in cp = {
		.fh_in = fh, .off_in = 10, .nodeid_out = node2, .fh_out = fh2, .len = 3};
	struct fuse_write_out copied;
	const struct fscall copy = {.opcode = FUSE_COPY_FILE_RANGE,
				    .node = node,
				    .args = &cp,
				    .args_len = sizeof(cp),
				    .out = &copied,
				    .out_room = sizeof(copied)};

	assert_int_equal(fscall(&c, &copy), sizeof(copied));
	assert_int_equal(fsc_read(&c, node2, fh2, 0, buf, sizeof(buf)), 3);
	assert_memory_equal(buf, "abc", 3);
	const struct fuse_lseek_in hole = {.fh = fh2, .offset = 0, .whence = SEEK_HOLE};
	const struct fscall seek = {.opcode = FUSE_LSEEK,
				    .node = node2,
				    .args = &hole,
				    .args_len = sizeof(hole),
				    .out = &where,
				    .out_room = sizeof(where)};

	assert_int_equal(fscall(&c, &seek), sizeof(where));
	assert_int_equal(where.offset, 3);
	assert_int_equal(fsc_release(&c, node, fh), 0);
	assert_int_equal(fsc_release(&c, node2, fh2), 0);

	const struct fuse_init_in init = {.major = 7, .minor = 38, .flags = ~0u};
	struct fuse_init_out out;
	const struct fscall init_call = {
		.opcode = FUSE_INIT, .args = &init, .args_len = sizeof(init), .out = &out, .out_room = sizeof(out)};

	assert_int_equal(fscall(&c, &init_call), sizeof(out));
	assert_int_equal(out.major, 7);
	assert_int_equal(out.max_write, UM_FUSE_MAX_DATA);
}

/* Export 2 is a single read-only file. */
static void test_file_export(void **state)
{
	struct fuse_entry_out e;
	struct fuse_attr attr;
	uint64_t fh;
	char buf[8] = {0};

	assert_int_equal(fsc_getattr(&c, 2, &attr), 0);
	assert_true(S_ISREG(attr.mode));
	assert_int_equal(fsc_open(&c, 2, O_RDWR, &fh), -EROFS);
	assert_int_equal(fsc_open(&c, 2, O_RDONLY, &fh), 0);
	assert_int_equal(fsc_read(&c, 2, fh, 0, buf, sizeof(buf)), 6);
	assert_int_equal(fsc_release(&c, 2, fh), 0);
	assert_int_equal(fsc_lookup(&c, 2, "x", &e), -ENOTDIR);
}

static int setup(void **state)
{
	strcpy(root, "/tmp/umbra-fs-test-XXXXXX");
	assert_non_null(mkdtemp(root));
	fsclient_init(&c);
	assert_int_equal(fs_export(c.fs, open(root, O_PATH | O_CLOEXEC), 0), 1);
	host_write("single", "single");
	assert_int_equal(fs_export(c.fs, host_open("single", O_PATH, 0), FS_EXPORT_RO), 2);
	assert_int_equal(fs_export(c.fs, open(root, O_PATH | O_CLOEXEC), FS_EXPORT_SHARED), 3);
	fsclient_start(&c);
	return 0;
}

static int teardown(void **state)
{
	char cmd[128];

	fsclient_deinit(&c);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", root);
	return system(cmd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_write),    cmocka_unit_test(test_large),
		cmocka_unit_test(test_owner),	      cmocka_unit_test(test_names),
		cmocka_unit_test(test_host_changes),  cmocka_unit_test(test_setattr),
		cmocka_unit_test(test_readdir),	      cmocka_unit_test(test_combined),
		cmocka_unit_test(test_xattr),	      cmocka_unit_test(test_locks),
		cmocka_unit_test(test_more_file_ops), cmocka_unit_test(test_file_export),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
