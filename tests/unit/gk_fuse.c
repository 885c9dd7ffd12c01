/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the client of the file server believes about a file: a server that is a few variables, whose replies can be held
 * back until they are out of date. Attributes, cached pages and write-back are the kernel's own (fs/fuse/attr.c,
 * file.c, pages.c).
 */
#include <stdio.h>
#include <string.h>

#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/task.h>
#include "fs/fuse/fuse.h"
#include "gkshim/calls.h"
#include "gkshim/shim.h"
#include "unit.h"

#define ROOM 65536

/* ---- the server ---- */

static struct {
	spinlock_t lock;
	u8 data[ROOM];
	u64 size, time;
	u32 mode;
} server;
static DEFINE_WAIT_QUEUE(gate_wait);
static u32 gate_opcode; /* replies to it wait, once they are made */
static u32 at_gate;
static bool asked_first; /* before the server makes a change, somebody asks: late_question */
static struct task *late_question;
static struct task *held_back(void);

static struct fuse_attr attr_now(void)
{
	return (struct fuse_attr){
		.ino = 1,
		.size = server.size,
		.mtime = server.time,
		.ctime = server.time,
		.mode = server.mode,
		.nlink = 1,
		.flags = UM_FUSE_ATTR_READABLE,
	};
}

/* Somebody on the host writes. */
static void host_writes(const char *text)
{
	memcpy(server.data, text, strlen(text));
	server.size = strlen(text);
	server.time++;
}

static void set_attr(const struct fuse_setattr_in *in)
{
	if (in->valid & FATTR_MODE)
		server.mode = S_IFREG | (in->mode & 07777);
	if (in->valid & FATTR_SIZE) {
		if (in->size < server.size)
			memset(server.data + in->size, 0, server.size - in->size);
		server.size = in->size;
	}
	server.time++;
}

int fuse_call_exact(const struct fuse_call *c)
{
	if (c->opcode == FUSE_SETATTR && asked_first)
		late_question = held_back();
	spin_lock(&server.lock);
	if (c->opcode == FUSE_SETATTR)
		set_attr(c->in[0].data);
	if (c->out)
		*(struct fuse_attr_out *)c->out = (struct fuse_attr_out){.attr = attr_now()};
	spin_unlock(&server.lock);
	shim_point();
	if (READ_ONCE(gate_opcode) == c->opcode) {
		atomic_inc(&at_gate);
		wait_event(&gate_wait, READ_ONCE(gate_opcode) != c->opcode);
	}
	return 0;
}

int fuse_write_bufs(const struct fuse_fh *fh, u64 offset, u32 size, const struct virtq_buf *bufs, u32 nr_bufs)
{
	spin_lock(&server.lock);
	for (u32 i = 0; i < nr_bufs; i++) {
		assert_true(offset + bufs[i].len <= ROOM);
		memcpy(server.data + offset, bufs[i].addr, bufs[i].len);
		offset += bufs[i].len;
	}
	server.size = MAX(server.size, offset);
	server.time++;
	spin_unlock(&server.lock);
	shim_point();
	return 0;
}

void fuse_send(struct fuse_async *a, u32 opcode, u64 nodeid, const struct virtq_buf *bufs, u32 nr_bufs)
{
	u64 at = a->arg.read.offset;

	assert_int_equal(opcode, FUSE_READ);
	a->vr.written = 0;
	spin_lock(&server.lock);
	for (u32 i = 0; i < nr_bufs && at < server.size; i++) {
		const u64 n = MIN((u64)bufs[i].len, server.size - at);

		memcpy(bufs[i].addr, server.data + at, n);
		at += n;
		a->vr.written += (u32)n;
	}
	spin_unlock(&server.lock);
	a->vr.done(&a->vr);
}

void fuse_kick(void)
{
}

ssize_t fuse_result(const struct fuse_async *a)
{
	return (ssize_t)a->vr.written;
}

static struct fuse_fh handle;

struct fuse_fh *fuse_fh_get(struct fuse_fh *fh)
{
	return fh;
}

void fuse_fh_put(struct fuse_fh *fh)
{
}

struct fuse_fh *fuse_fh_open(struct inode *i, bool write)
{
	return &handle;
}

struct fuse_fh *fuse_fh_existing(struct inode *i, bool write)
{
	return &handle;
}

void fuse_count_open(struct inode *i, s32 openers, s32 writers, s32 lazy)
{
}

/* ---- one file, mounted on /file ---- */

static struct inode *inode;
static struct fuse_inode *fi;
static struct fuse_super options;
static const struct super_ops super_ops;
static const struct inode_ops file_iops = {.getattr = fuse_getattr, .setattr = fuse_setattr};

static struct super *file_mount(struct fs_type *type, u32 flags, const char *source, const char *data)
{
	const struct fuse_attr attr = attr_now();
	struct super *sb = super_new(type, &super_ops, 1);

	sb->private = &options;
	inode = inode_new(sb);
	fi = kzalloc(sizeof(*fi));
	fi->inode = inode;
	fi->nodeid = 1;
	inode->private = fi;
	inode->mode = S_IFREG;
	inode->ops = &file_iops;
	inode->fops = &fuse_file_fops;
	inode->mapping.ops = &fuse_mapping_ops;
	fuse_attr_update_own(inode, &attr, 0, 0);
	sb->root = d_make_root(inode);
	return sb;
}

static struct fs_type file_type = {.name = "file", .mount = file_mount};
static int fd;

static int begin(void **state)
{
	memset(&server, 0, sizeof(server));
	server.mode = S_IFREG | 0644;
	server.time = 1000;
	host_writes("from the host");
	gate_opcode = at_gate = 0;
	asked_first = false;
	assert_int_equal(do_mount("file", "file", "/file", 0, NULL), 0);
	fd = k_open("/file", O_RDWR, 0);
	return fd < 0;
}

static int end(void **state)
{
	assert_int_equal(k_close(fd), 0);
	assert_int_equal(k_umount("/file", 0), 0);
	kfree(fi);
	return 0;
}

static void file_is(const char *text)
{
	char buf[256];
	const ssize_t n = k_pread(fd, buf, sizeof(buf) - 1, 0);

	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, text);
}

static struct kstat stat_now(void)
{
	struct kstat st;

	assert_int_equal(k_stat("/file", 0, &st), 0);
	return st;
}

static void ask(void *arg)
{
	stat_now();
}

/* Somebody asks for the attributes, is told, and does not get to look at the reply before let_go(). */
static struct task *held_back(void)
{
	struct task *t;

	WRITE_ONCE(gate_opcode, FUSE_GETATTR);
	t = shim_thread(ask, NULL);
	while (!READ_ONCE(at_gate))
		schedule();
	shim_wait_asleep(t);
	return t;
}

static void let_go(struct task *t)
{
	WRITE_ONCE(gate_opcode, 0);
	wake_up_all(&gate_wait);
	shim_join(t);
}

/* ---- tests ---- */

static void test_host_changes(void **state)
{
	file_is("from the host");
	host_writes("by somebody else");
	file_is("by somebody else");
	host_writes("short");
	file_is("short");
	server.mode = S_IFREG | 0600;
	assert_int_equal(stat_now().mode, S_IFREG | 0600);
	/* Own changes are no surprise: what is cached stays. */
	assert_int_equal(k_pwrite(fd, "SHORT", 5, 0), 5);
	assert_int_equal(SHIM_CALL(fsync, (u64)fd), 0);
	const u64 pages = inode->mapping.nr_pages;

	stat_now();
	assert_int_equal(inode->mapping.nr_pages, pages);
	file_is("SHORT");
}

static void test_dirty_is_ours(void **state)
{
	assert_int_equal(k_pwrite(fd, "and more", 8, 13), 8);
	assert_int_equal(stat_now().size, 21);
	file_is("from the hostand more");
	assert_int_equal(server.size, 13);
	assert_int_equal(SHIM_CALL(fsync, (u64)fd), 0);
	assert_int_equal(server.size, 21);
	assert_int_equal(stat_now().size, 21);
}

/* A reply made before pages were written out must not cut them off. */
static void test_reply_before_write_back(void **state)
{
	struct task *t = held_back();

	assert_int_equal(k_pwrite(fd, "longer than it was", 18, 0), 18);
	assert_int_equal(mapping_writeback(&inode->mapping, 0, INT64_MAX), 0);
	let_go(t);
	assert_int_equal(inode->size, 18);
	file_is("longer than it was");
}

static void test_reply_while_dirty(void **state)
{
	struct task *t = held_back();

	assert_int_equal(k_pwrite(fd, "longer than it was", 18, 0), 18);
	let_go(t);
	assert_int_equal(inode->size, 18);
	assert_int_equal(mapping_writeback(&inode->mapping, 0, INT64_MAX), 0);
	file_is("longer than it was");
}

/* The server answers a question and then makes our change; we hear of the change first. */
static void test_reply_before_truncate(void **state)
{
	asked_first = true;
	for (u64 size = 4; size <= 40; size += 36) {
		at_gate = 0;
		assert_int_equal(k_ftruncate(fd, (loff_t)size), 0);
		let_go(late_question);
		assert_int_equal(inode->size, size);
	}
}

static void test_reply_before_chmod(void **state)
{
	asked_first = true;
	assert_int_equal(k_chmod("/file", 0600), 0);
	let_go(late_question);
	assert_int_equal(inode->mode, S_IFREG | 0600);
}

static void change_mode(void *arg)
{
	assert_int_equal(k_chmod("/file", 0600), 0);
}

/* The reply to a change of our own can be too old, too: pages were written out after it was made. */
static void test_write_back_during_chmod(void **state)
{
	struct task *t;

	assert_int_equal(k_pwrite(fd, "longer than it was", 18, 0), 18);
	WRITE_ONCE(gate_opcode, FUSE_SETATTR);
	t = shim_thread(change_mode, NULL);
	while (!READ_ONCE(at_gate))
		schedule();
	shim_wait_asleep(t);
	assert_int_equal(mapping_writeback(&inode->mapping, 0, INT64_MAX), 0);
	let_go(t);
	assert_int_equal(inode->size, 18);
	assert_int_equal(inode->mode, S_IFREG | 0600);
	file_is("longer than it was");
}

/* ---- all at once ---- */

#define LINES 200

static void append(void *arg)
{
	const int mine = k_open("/file", O_WRONLY | O_APPEND, 0);
	char line[8];

	for (u32 i = 0; i < LINES; i++) {
		snprintf(line, sizeof(line), "%c %04u\n", (int)('a' + (u64)arg), i);
		assert_int_equal(k_write(mine, line, 7), 7);
		if (!shim_random(4))
			assert_int_equal(mapping_writeback(&inode->mapping, 0, INT64_MAX), 0);
		if (!shim_random(30))
			pagecache_reclaim(10);
	}
	assert_int_equal(k_close(mine), 0);
}

static void append_or_ask(void *arg)
{
	if ((u64)arg < 2) {
		append(arg);
		return;
	}
	for (u32 i = 0; i < LINES; i++) {
		if (shim_random(8))
			stat_now();
		else
			assert_int_equal(k_chmod("/file", 0600 + shim_random(0100)), 0);
	}
}

static void test_append(void **state)
{
	u32 next[2] = {0};

	assert_int_equal(k_ftruncate(fd, 0), 0);
	shim_stir(4);
	shim_together(4, append_or_ask);
	shim_stir(0);
	assert_int_equal(SHIM_CALL(fsync, (u64)fd), 0);
	assert_int_equal(server.size, 2 * LINES * 7);
	for (u32 at = 0; at < server.size; at += 7) {
		const u32 who = server.data[at] - 'a';
		char want[8];

		assert_true(who < 2);
		snprintf(want, sizeof(want), "%c %04u\n", (int)('a' + who), next[who]++);
		assert_memory_equal(server.data + at, want, 7);
	}
}

static int setup(void **state)
{
	int made;

	shim_vfs();
	register_fs(&file_type);
	made = k_open("/file", O_CREAT | O_RDWR, 0666);
	return made < 0 ? made : k_close(made);
}

#define FUSE_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FUSE_TEST(test_host_changes),
		FUSE_TEST(test_dirty_is_ours),
		FUSE_TEST(test_reply_before_write_back),
		FUSE_TEST(test_reply_while_dirty),
		FUSE_TEST(test_reply_before_truncate),
		FUSE_TEST(test_reply_before_chmod),
		FUSE_TEST(test_write_back_during_chmod),
		FUSE_TEST(test_append),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
