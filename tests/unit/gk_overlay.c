/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The overlay over two tmpfs: a lower layer that must not change, and what programs see. Single cases first, then
 * random changes against the same changes in an ordinary tmpfs, then several tasks at the same files, then no memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/init.h>
#include <gk/task.h>
#include "gkshim/calls.h"
#include "gkshim/shim.h"
#include "unit.h"

/* ---- layers ---- */

/* The host's files, as the overlay asks for them: the super block mounted on /lower. */
static struct super *lower_mount(struct fs_type *type, u32 flags, const char *source, const char *data)
{
	struct super *sb;
	struct path p;

	assert_int_equal(path_lookup(AT_FDCWD, "/lower", 0, &p), 0);
	sb = p.mnt->sb;
	refcount_inc(&sb->refs);
	path_put(&p);
	return sb;
}

static struct fs_type lower_type = {.name = "virtiofs", .mount = lower_mount};

static void put_file(const char *name, const char *text)
{
	const int fd = k_open(name, O_CREAT | O_TRUNC | O_WRONLY, 0644);

	assert_true(fd >= 0);
	assert_int_equal(k_write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(k_close(fd), 0);
}

static void file_is(const char *name, const char *text)
{
	char buf[256];
	const int fd = k_open(name, O_RDONLY, 0);
	ssize_t n;

	assert_true(fd >= 0);
	n = k_read(fd, buf, sizeof(buf) - 1);
	assert_true(n >= 0);
	buf[n] = '\0';
	assert_string_equal(buf, text);
	assert_int_equal(k_close(fd), 0);
}

static struct kstat stat_of(const char *name)
{
	struct kstat st;

	assert_int_equal(k_stat(name, 0, &st), 0);
	return st;
}

static int look(const char *name)
{
	struct kstat st;

	return k_stat(name, 0, &st);
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* The names in a directory, sorted, one space after each. */
static void list(const char *dir, char *out)
{
	struct {
		u64 ino;
		s64 off;
		u16 len;
		u8 type;
		char name[];
	} __packed *e;
	static _Thread_local char names[64][64], buf[300];
	const int fd = k_open(dir, O_RDONLY | O_DIRECTORY, 0);
	u32 count = 0;
	int n;

	assert_true(fd >= 0);
	while ((n = k_getdents(fd, buf, sizeof(buf))) > 0) {
		for (int at = 0; at < n; at += e->len) {
			e = (void *)(buf + at);
			assert_true(count < 64);
			strcpy(names[count++], e->name);
		}
	}
	assert_int_equal(n, 0);
	assert_int_equal(k_close(fd), 0);
	qsort(names, count, sizeof(names[0]), compare);
	*out = '\0';
	for (u32 i = 0; i < count; i++) {
		strcat(out, names[i]);
		strcat(out, " ");
	}
}

static void list_is(const char *dir, const char *want)
{
	char got[4096];

	list(dir, got);
	assert_string_equal(got, want);
}

/* /lower with a little tree, /o over it. */
static void mount_both(void)
{
	assert_int_equal(do_mount("tmpfs", "lower", "/lower", 0, NULL), 0);
	assert_int_equal(k_mkdir("/lower/d", 0755) | k_mkdir("/lower/d/e", 0700) | k_mkdir("/lower/empty", 0755), 0);
	put_file("/lower/f", "lower f");
	put_file("/lower/d/g", "lower g");
	put_file("/lower/d/e/h", "lower h");
	assert_int_equal(k_link("/lower/f", "/lower/f2"), 0);
	assert_int_equal(k_symlink("d/g", "/lower/l"), 0);
	assert_int_equal(k_chmod("/lower/d/g", 0600), 0);
	assert_int_equal(do_mount("overlay", "root", "/o", 0, NULL), 0);
}

static void umount_both(void)
{
	assert_int_equal(k_umount("/o", 0), 0);
	list_is("/lower", ". .. d empty f f2 l ");
	list_is("/lower/d", ". .. e g ");
	file_is("/lower/f", "lower f");
	file_is("/lower/d/g", "lower g");
	file_is("/lower/d/e/h", "lower h");
	assert_int_equal(stat_of("/lower/d/g").mode, S_IFREG | 0600);
	assert_int_equal(k_umount("/lower", 0), 0);
}

/* Every test has its own mounts; nothing is left of them. */
static u64 live_before;

static int begin(void **state)
{
	mount_both();
	umount_both();
	shim_shrink();
	live_before = shim_live();
	mount_both();
	return 0;
}

static int end(void **state)
{
	umount_both();
	shim_shrink();
	assert_int_equal(shim_live(), live_before);
	return 0;
}

/* ---- single cases ---- */

static void test_copy_up(void **state)
{
	const struct kstat before = stat_of("/o/d/g");
	int rd, wr;
	char c[8];

	file_is("/o/l", "lower g");
	rd = k_open("/o/d/g", O_RDONLY, 0);
	wr = k_open("/o/d/g", O_RDWR, 0);
	assert_int_equal(k_pwrite(wr, "UPPER", 5, 0), 5);
	/* An open for reading sees what was written since. */
	assert_int_equal(k_pread(rd, c, 7, 0), 7);
	assert_memory_equal(c, "UPPER g", 7);
	assert_int_equal(k_close(rd) | k_close(wr), 0);
	file_is("/o/d/g", "UPPER g");
	assert_int_equal(stat_of("/o/d/g").ino, before.ino);
	assert_int_equal(stat_of("/o/d/g").dev, before.dev);
	assert_int_equal(stat_of("/o/d/g").mode, S_IFREG | 0600);
	assert_int_equal(k_chmod("/o/d/e/h", 0444), 0);
	assert_int_equal(stat_of("/o/d/e/h").mode, S_IFREG | 0444);
	assert_int_equal(stat_of("/o/d/e").mode, S_IFDIR | 0700);
	file_is("/o/d/e/h", "lower h");
	shim_shrink();
	file_is("/o/d/e/h", "lower h");
	assert_int_equal(stat_of("/o/d/g").ino, before.ino);
}

static void test_truncate(void **state)
{
	int fd = k_open("/o/f", O_WRONLY | O_TRUNC, 0);

	assert_true(fd >= 0);
	assert_int_equal(k_close(fd), 0);
	file_is("/o/f", "");
	fd = k_open("/o/d/g", O_WRONLY, 0);
	assert_int_equal(k_ftruncate(fd, 5), 0);
	assert_int_equal(k_close(fd), 0);
	file_is("/o/d/g", "lower");
}

static void test_whiteouts(void **state)
{
	assert_int_equal(k_unlink("/o/d/g"), 0);
	assert_int_equal(look("/o/d/g"), -ENOENT);
	list_is("/o/d", ". .. e ");
	shim_shrink();
	assert_int_equal(look("/o/d/g"), -ENOENT);
	assert_int_equal(k_unlink("/o/d/g"), -ENOENT);
	assert_int_equal(k_rmdir("/o/d"), -ENOTEMPTY);
	put_file("/o/d/g", "new g");
	file_is("/o/d/g", "new g");
	list_is("/o/d", ". .. e g ");
	assert_int_equal(k_unlink("/o/d/g"), 0);
	assert_int_equal(look("/o/d/g"), -ENOENT);
	/* A directory of whiteouts is empty; what comes after it is opaque. */
	assert_int_equal(k_unlink("/o/d/e/h") | k_rmdir("/o/d/e") | k_rmdir("/o/d"), 0);
	assert_int_equal(look("/o/d"), -ENOENT);
	assert_int_equal(k_mkdir("/o/d", 0755), 0);
	list_is("/o/d", ". .. ");
	assert_int_equal(look("/o/d/g"), -ENOENT);
	assert_int_equal(look("/o/d/e"), -ENOENT);
	list_is("/o", ". .. d empty f f2 l ");
}

static void test_rename(void **state)
{
	/* A directory of the lower layer keeps what is in it. */
	assert_int_equal(k_rename("/o/d", "/o/moved", 0), 0);
	file_is("/o/moved/e/h", "lower h");
	assert_int_equal(look("/o/d"), -ENOENT);
	put_file("/o/moved/new", "n");
	shim_shrink();
	list_is("/o/moved", ". .. e g new ");
	assert_int_equal(k_rename("/o/moved/g", "/o/f", 0), 0);
	file_is("/o/f", "lower g");
	file_is("/o/f2", "lower f");
	list_is("/o/moved", ". .. e new ");
	assert_int_equal(k_mkdir("/o/d", 0755), 0);
	list_is("/o/d", ". .. ");
	assert_int_equal(k_rename("/o/moved/e", "/o/empty", 0), 0);
	file_is("/o/empty/h", "lower h");
	assert_int_equal(k_rename("/o/empty", "/o/f2", RENAME_EXCHANGE), 0);
	file_is("/o/f2/h", "lower h");
	file_is("/o/empty", "lower f");
	assert_int_equal(k_rename("/o/f2", "/o/d", 0), 0);
	file_is("/o/d/h", "lower h");
	list_is("/o", ". .. d empty f l moved ");
	assert_int_equal(k_rename("/o/d", "/o/moved", 0), -ENOTEMPTY);
}

static void test_links(void **state)
{
	const u64 ino = stat_of("/o/f").ino;
	int fd;

	assert_int_equal(stat_of("/o/f2").ino, ino);
	assert_int_equal(stat_of("/o/f").nlink, 2);
	fd = k_open("/o/f", O_WRONLY, 0);
	assert_int_equal(k_write(fd, "UPPER", 5), 5);
	assert_int_equal(k_close(fd), 0);
	file_is("/o/f2", "UPPER f"); /* both names are one file */
	assert_int_equal(stat_of("/o/f2").ino, ino);
	assert_int_equal(k_link("/o/f2", "/o/f3"), 0);
	assert_int_equal(stat_of("/o/f").nlink, 3);
	assert_int_equal(k_unlink("/o/f"), 0);
	shim_shrink();
	file_is("/o/f2", "UPPER f");
	file_is("/o/f3", "UPPER f");
	assert_int_equal(stat_of("/o/f3").ino, ino);
	assert_int_equal(k_unlink("/o/f2"), 0);
	assert_int_equal(stat_of("/o/f3").nlink, 1);
	fd = k_open("/o/f3", O_RDWR, 0);
	assert_int_equal(k_unlink("/o/f3"), 0);
	assert_int_equal(k_pwrite(fd, "x", 1, 0), 1); /* an open file outlives its names */
	assert_int_equal(k_close(fd), 0);
	list_is("/o", ". .. d empty l ");
}

/* The names of files that are never copied up are counted just as well, and for as long. */
static void test_lower_links(void **state)
{
	struct kstat st;
	struct file *f;
	int fd;

	assert_int_equal(k_unlink("/o/f"), 0);
	shim_shrink();
	assert_int_equal(stat_of("/o/f2").nlink, 1);
	shim_shrink();
	fd = k_open("/o/f2", O_RDONLY, 0);
	assert_int_equal(k_unlink("/o/f2"), 0);
	f = fd_get(fd);
	assert_int_equal(vfs_getattr(&f->path, &st, 0x7ff /* STATX_BASIC_STATS */), 0);
	assert_int_equal(st.nlink, 0);
	file_put(f);
	assert_int_equal(k_close(fd), 0);
}

/* ---- against a tmpfs ---- */

#define STEPS 3000
#define ROUNDS 12

static const char *const dirs[] = {"", "/d", "/d/e", "/empty", "/n"};
static const char *const names[] = {"f", "f2", "g", "h", "d", "e", "empty", "n"};

static void random_name(char *out)
{
	const char *dir = dirs[shim_random(ARRAY_SIZE(dirs))];

	sprintf(out, "%s/%s", dir, names[shim_random(ARRAY_SIZE(names))]);
}

static int append(const char *name, const char *text)
{
	const int fd = k_open(name, O_WRONLY | O_APPEND, 0);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = k_write(fd, text, strlen(text));
	k_close(fd);
	return (int)n;
}

static int create(const char *name)
{
	const int fd = k_open(name, O_CREAT | O_WRONLY | (shim_random(2) ? O_EXCL : 0), 0644);

	return fd < 0 ? fd : k_close(fd);
}

/* Does the same to both and gives what it said in one of them. */
static int change(const char *root, u32 op, const char *a, const char *b)
{
	char x[64], y[64];

	snprintf(x, sizeof(x), "%s%s", root, a);
	snprintf(y, sizeof(y), "%s%s", root, b);
	switch (op) {
	case 0:
		return create(x);
	case 1:
		return k_unlink(x);
	case 2:
		return k_mkdir(x, 0755);
	case 3:
		return k_rmdir(x);
	case 4:
		return k_rename(x, y, 0);
	case 5:
		return k_rename(x, y, RENAME_EXCHANGE);
	case 6:
		return k_link(x, y);
	case 7:
		return append(x, "+");
	case 8:
		return k_chmod(x, 0700);
	default:
		return look(x);
	}
}

static void same_tree(const char *a, const char *b, u32 depth)
{
	char la[4096], lb[4096], na[256], nb[256], *s, *rest;
	struct kstat sa = stat_of(a), sb = stat_of(b);

	assert_int_equal(sa.mode, sb.mode);
	if (S_ISREG(sa.mode)) {
		char text[256];
		const int fd = k_open(b, O_RDONLY, 0);
		ssize_t n = k_read(fd, text, sizeof(text) - 1);

		assert_true(n >= 0);
		text[n] = '\0';
		assert_int_equal(k_close(fd), 0);
		file_is(a, text);
		assert_int_equal(sa.size, sb.size);
		assert_int_equal(sa.nlink, sb.nlink);
	}
	if (!S_ISDIR(sa.mode))
		return;
	list(a, la);
	list(b, lb);
	assert_string_equal(la, lb);
	for (s = strtok_r(la, " ", &rest); s; s = strtok_r(NULL, " ", &rest)) {
		if (s[0] == '.')
			continue;
		snprintf(na, sizeof(na), "%s/%s", a, s);
		snprintf(nb, sizeof(nb), "%s/%s", b, s);
		assert_true(depth < 10);
		same_tree(na, nb, depth + 1);
	}
}

static void follow_model(u32 round)
{
	char a[32], b[32];

	assert_int_equal(do_mount("tmpfs", "model", "/model", 0, NULL), 0);
	assert_int_equal(k_mkdir("/model/d", 0755) | k_mkdir("/model/d/e", 0700) | k_mkdir("/model/empty", 0755), 0);
	put_file("/model/f", "lower f");
	put_file("/model/d/g", "lower g");
	put_file("/model/d/e/h", "lower h");
	assert_int_equal(k_link("/model/f", "/model/f2"), 0);
	assert_int_equal(k_symlink("d/g", "/model/l"), 0);
	assert_int_equal(k_chmod("/model/d/g", 0600), 0);
	for (u32 i = 0; i < STEPS; i++) {
		const u32 op = shim_random(10), seed = i * 99991 + round;
		int want, got;

		random_name(a);
		random_name(b);
		shim_seed(seed);
		want = change("/model", op, a, b);
		shim_seed(seed);
		got = change("/o", op, a, b);
		if (got != want)
			fail_msg("step %u: operation %u on %s, %s: %d, not %d", i, op, a, b, got, want);
		if (i % 11 == 0)
			shim_shrink();
		if (i % 150 == 0)
			same_tree("/o", "/model", 0);
	}
	same_tree("/o", "/model", 0);
	assert_int_equal(k_umount("/model", 0), 0);
}

static void test_model(void **state)
{
	for (u32 round = 0; round < ROUNDS; round++) {
		follow_model(round);
		umount_both();
		mount_both();
	}
}

/* ---- several tasks ---- */

static void append_all(void *arg)
{
	static const char *const files[] = {"/o/f", "/o/f2", "/o/d/g", "/o/d/e/h"};
	char name[32];

	for (u32 i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(name, sizeof(name), "/o/d/e/%u", (u32)(u64)arg);
		assert_int_equal(append(files[i], "+"), 1);
		put_file(name, "own");
		assert_int_equal(k_chmod("/o/empty", 0700), 0);
		k_rename(name, "/o/empty/last", 0);
	}
}

/* Everybody is first somewhere: one copy, and no byte is lost. */
static void test_concurrent_copy_up(void **state)
{
	shim_stir(6);
	for (u32 i = 0; i < 6; i++) {
		shim_together(4, append_all);
		file_is("/o/f", "lower f++++++++");
		file_is("/o/f2", "lower f++++++++");
		file_is("/o/d/g", "lower g++++");
		file_is("/o/d/e/h", "lower h++++");
		list_is("/o/d/e", ". .. h ");
		list_is("/o/empty", ". .. last ");
		umount_both();
		mount_both();
	}
	shim_stir(0);
}

static void churn(void *arg)
{
	char a[32], b[32];

	for (u32 i = 0; i < 300; i++) {
		random_name(a);
		random_name(b);
		const int err = change("/o", shim_random(10), a, b);

		/* What a race can bring about, and nothing else. */
		if (err < 0 && err != -ENOENT && err != -EEXIST && err != -ENOTDIR && err != -EISDIR &&
		    err != -ENOTEMPTY && err != -EINVAL && err != -EPERM)
			fail_msg("%s %s: %d", a, b, err);
		if (!shim_random(20)) {
			char names_there[4096];

			list("/o", names_there);
		}
		if (!shim_random(20))
			dcache_shrink(10);
	}
}

static void test_churn(void **state)
{
	shim_stir(8);
	shim_together(4, churn);
	shim_stir(0);
}

/* ---- no memory ---- */

static int op_append(void *arg)
{
	const int n = append("/o/d/e/h", "+");

	return n < 0 ? n : 0;
}

static int op_chmod(void *arg)
{
	return k_chmod("/o/d/g", 0755);
}

static int op_rename(void *arg)
{
	return k_rename("/o/d", "/o/moved", 0);
}

static int op_unlink(void *arg)
{
	return k_unlink("/o/d/e/h");
}

static int op_link(void *arg)
{
	return k_link("/o/f", "/o/d/f");
}

static int op_create(void *arg)
{
	return create("/o/d/e/new");
}

static int op_list(void *arg)
{
	char buf[300];
	const int fd = k_open("/o/d", O_RDONLY | O_DIRECTORY, 0);
	int n = fd < 0 ? fd : k_getdents(fd, buf, sizeof(buf));

	if (fd >= 0)
		k_close(fd);
	return n < 0 ? n : 0;
}

static void undo(void *arg)
{
	umount_both();
	mount_both();
}

static int op_mount(void *arg)
{
	return do_mount("overlay", "root", "/model", 0, NULL);
}

static void undo_mount(void *arg)
{
	k_umount("/model", 0);
}

static void test_no_memory(void **state)
{
	shim_exhaust(op_mount, undo_mount, NULL, false);
	shim_exhaust(op_chmod, undo, NULL, true);
	shim_exhaust(op_append, undo, NULL, true);
	shim_exhaust(op_rename, undo, NULL, true);
	shim_exhaust(op_unlink, undo, NULL, true);
	shim_exhaust(op_link, undo, NULL, true);
	shim_exhaust(op_create, undo, NULL, true);
	shim_exhaust(op_list, undo, NULL, true);
}

static int setup(void **state)
{
	shim_vfs();
	overlay_init();
	register_fs(&lower_type);
	assert_int_equal(k_mkdir("/lower", 0755) | k_mkdir("/o", 0755) | k_mkdir("/model", 0755), 0);
	return 0;
}

#define OVERLAY_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OVERLAY_TEST(test_copy_up),   OVERLAY_TEST(test_truncate),
		OVERLAY_TEST(test_whiteouts), OVERLAY_TEST(test_rename),
		OVERLAY_TEST(test_links),     OVERLAY_TEST(test_lower_links),
		OVERLAY_TEST(test_model),     OVERLAY_TEST(test_concurrent_copy_up),
		OVERLAY_TEST(test_churn),     OVERLAY_TEST(test_no_memory),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
