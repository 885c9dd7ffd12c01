/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: the cache of dentries and path walks over tmpfs, by system calls as programs make them: negative entries,
 * "..", links and their limits, mounts, renames of directories, many threads at once, memory that runs out.
 */
#include <stdio.h>
#include <string.h>

#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/task.h>
#include "gkshim/calls.h"
#include "gkshim/shim.h"
#include "unit.h"

static struct path found;

static int look(const char *name, u32 flags)
{
	const int err = path_lookup(AT_FDCWD, name, flags, &found);

	if (!err)
		path_put(&found);
	return err;
}

static u64 ino_of(const char *name)
{
	struct kstat st;

	assert_int_equal(k_stat(name, LOOKUP_FOLLOW, &st), 0);
	return st.ino;
}

static void make(const char *name)
{
	const int fd = k_open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);

	assert_true(fd >= 0);
	assert_int_equal(k_close(fd), 0);
}

/* ---- one thread ---- */

static void test_walk(void **state)
{
	char name[600], path[4200];

	assert_int_equal(k_mkdir("/w", 0755), 0);
	assert_int_equal(k_mkdir("/w/d", 0755), 0);
	make("/w/d/f");
	assert_int_equal(look("/w//./d/../d/f", 0), 0);
	assert_int_equal(look("/w/d/f/", 0), -ENOTDIR);
	assert_int_equal(look("/w/d/f/x", 0), -ENOTDIR);
	assert_int_equal(look("/w/none/f", 0), -ENOENT);
	assert_int_equal(look("", 0), -ENOENT);
	assert_int_equal(ino_of("/.."), ino_of("/"));
	assert_int_equal(ino_of("/w/d/../../.."), ino_of("/"));
	memset(name, 'n', sizeof(name));
	memcpy(name, "/w/", 3);
	name[3 + NAME_MAX] = '\0';
	make(name);
	assert_int_equal(k_unlink(name), 0);
	name[3 + NAME_MAX] = 'n';
	name[3 + NAME_MAX + 1] = '\0';
	assert_int_equal(look(name, 0), -ENAMETOOLONG);
	for (u32 i = 0; i < sizeof(path) - 1; i++)
		path[i] = i % 2 ? '.' : '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(k_mkdir(path, 0), -ENAMETOOLONG);
	path[PATH_MAX - 1] = '\0';
	assert_int_equal(k_mkdir(path, 0), -EEXIST);
	assert_int_equal(k_unlink("/w/d/f"), 0);
	assert_int_equal(k_rmdir("/w/d"), 0);
	assert_int_equal(k_rmdir("/w"), 0);
}

static void test_negative(void **state)
{
	/* What is not there is remembered, and forgotten when it comes. */
	assert_int_equal(look("/n", 0), -ENOENT);
	assert_int_equal(look("/n", 0), -ENOENT);
	make("/n");
	assert_int_equal(look("/n", 0), 0);
	assert_int_equal(k_rename("/n", "/m", 0), 0);
	assert_int_equal(look("/n", 0), -ENOENT);
	assert_int_equal(look("/m", 0), 0);
	assert_int_equal(k_link("/m", "/n"), 0);
	assert_int_equal(ino_of("/n"), ino_of("/m"));
	assert_int_equal(k_rename("/n", "/m", 0), 0); /* the same file: nothing happens */
	assert_int_equal(look("/n", 0), 0);
	assert_int_equal(k_unlink("/m"), 0);
	assert_int_equal(k_unlink("/n"), 0);
	assert_int_equal(look("/m", 0), -ENOENT);
	assert_int_equal(k_unlink("/m"), -ENOENT);
	shim_shrink();
	assert_int_equal(look("/m", 0), -ENOENT);
}

static void test_symlinks(void **state)
{
	char name[32], target[32];

	make("/end");
	assert_int_equal(k_symlink("/end", "/l0"), 0);
	for (u32 i = 1; i <= 41; i++) {
		snprintf(name, sizeof(name), "/l%u", i);
		snprintf(target, sizeof(target), "l%u", i - 1);
		assert_int_equal(k_symlink(target, name), 0);
	}
	assert_int_equal(look("/l39", LOOKUP_FOLLOW), 0); /* 40 links */
	assert_int_equal(look("/l40", LOOKUP_FOLLOW), -ELOOP);
	assert_int_equal(look("/l40", 0), 0);
	assert_int_equal(look("/l39/", 0), -ENOTDIR);
	assert_int_equal(look("/l39", LOOKUP_FOLLOW | LOOKUP_NO_SYMLINKS), -ELOOP);
	assert_int_equal(k_symlink("self", "/self"), 0);
	assert_int_equal(look("/self", LOOKUP_FOLLOW), -ELOOP);
	assert_int_equal(look("/self/x", 0), -ELOOP);
	/* Links in the middle nest, too. */
	assert_int_equal(k_mkdir("/d", 0755), 0);
	assert_int_equal(k_symlink(".", "/d/dot"), 0);
	assert_int_equal(k_symlink("dot/dot/dot", "/d/dots"), 0);
	assert_int_equal(ino_of("/d/dots/dots/dots/dot"), ino_of("/d"));
	assert_int_equal(k_symlink("../end", "/d/up"), 0);
	assert_int_equal(ino_of("/d/dots/up"), ino_of("/end"));
	/* O_CREAT goes to where a dangling link points; O_EXCL does not. */
	assert_int_equal(k_symlink("d/new", "/dangling"), 0);
	assert_int_equal(k_open("/dangling", O_CREAT | O_EXCL | O_RDWR, 0600), -EEXIST);
	assert_int_equal(k_close(k_open("/dangling", O_CREAT | O_RDWR, 0600)), 0);
	assert_int_equal(look("/d/new", 0), 0);
	for (u32 i = 0; i <= 41; i++) {
		snprintf(name, sizeof(name), "/l%u", i);
		assert_int_equal(k_unlink(name), 0);
	}
	assert_int_equal(k_rmdir("/d"), -ENOTEMPTY);
	assert_int_equal(k_unlink("/d/new") | k_unlink("/d/up") | k_unlink("/d/dot") | k_unlink("/d/dots"), 0);
	assert_int_equal(k_unlink("/self") | k_unlink("/dangling") | k_unlink("/end") | k_rmdir("/d"), 0);
}

static void test_mounts(void **state)
{
	u64 under;

	assert_int_equal(k_mkdir("/mnt", 0755), 0);
	make("/mnt/under");
	under = ino_of("/mnt");
	assert_int_equal(do_mount("tmpfs", "one", "/mnt", 0, NULL), 0);
	assert_int_equal(look("/mnt/under", 0), -ENOENT);
	make("/mnt/one");
	assert_int_equal(ino_of("/mnt/.."), ino_of("/"));
	assert_int_equal(k_rename("/mnt/one", "/x", 0), -EXDEV);
	assert_int_equal(k_link("/mnt/one", "/x"), -EXDEV);
	assert_int_equal(k_rmdir("/mnt"), -EBUSY);
	assert_int_equal(k_rename("/mnt", "/x", 0), -EBUSY);
	assert_int_equal(look("/mnt/one", LOOKUP_NO_XDEV), -EXDEV);
	/* One more on top; then an open file keeps it busy. */
	assert_int_equal(do_mount("tmpfs", "two", "/mnt", 0, NULL), 0);
	assert_int_equal(look("/mnt/one", 0), -ENOENT);
	make("/mnt/two");
	const int fd = k_open("/mnt/two", O_RDWR, 0);

	assert_int_equal(k_umount("/mnt", 0), -EBUSY);
	assert_int_equal(k_umount("/mnt", 2 /* detach */), 0);
	assert_int_equal(look("/mnt/one", 0), 0);
	assert_int_equal(k_write(fd, "x", 1), 1);
	assert_int_equal(k_close(fd), 0);
	assert_int_equal(k_umount("/mnt", 0), 0);
	assert_int_equal(ino_of("/mnt"), under);
	assert_int_equal(k_umount("/mnt", 0), -EINVAL);
	assert_int_equal(k_unlink("/mnt/under") | k_rmdir("/mnt"), 0);
}

static void test_rename_directories(void **state)
{
	assert_int_equal(k_mkdir("/a", 0755) | k_mkdir("/a/b", 0755) | k_mkdir("/a/b/c", 0755) | k_mkdir("/z", 0755),
			 0);
	assert_int_equal(k_rename("/a", "/a/b/c/a", 0), -EINVAL);
	assert_int_equal(k_rename("/a/b/c", "/a", 0), -ENOTEMPTY);
	assert_int_equal(k_rename("/a", "/a/b", RENAME_EXCHANGE), -EINVAL);
	assert_int_equal(k_rename("/a/b", "/z", RENAME_NOREPLACE), -EEXIST);
	const u64 c = ino_of("/a/b/c");

	assert_int_equal(k_rename("/a/b", "/z", 0), 0);
	assert_int_equal(ino_of("/z/c"), c);
	assert_int_equal(ino_of("/z/c/../.."), ino_of("/"));
	make("/f");
	assert_int_equal(k_rename("/f", "/z", 0), -EISDIR);
	assert_int_equal(k_rename("/z", "/f", 0), -ENOTDIR);
	assert_int_equal(k_rename("/f", "/z/c", RENAME_EXCHANGE), 0);
	assert_int_equal(ino_of("/f"), c);
	assert_int_equal(ino_of("/f/.."), ino_of("/"));
	assert_int_equal(k_unlink("/z/c") | k_rmdir("/f") | k_rmdir("/z") | k_rmdir("/a"), 0);
}

static void test_removed_directory(void **state)
{
	const int fd = ({
		assert_int_equal(k_mkdir("/gone", 0755), 0);
		k_open("/gone", O_RDONLY | O_DIRECTORY, 0);
	});

	assert_int_equal(k_rmdir("/gone"), 0);
	assert_int_equal(SHIM_CALL(mkdirat, (u64)fd, (u64) "x", 0755), -ENOENT);
	assert_int_equal(path_lookup(fd, "x", 0, &found), -ENOENT);
	assert_int_equal(path_lookup(fd, "..", 0, &found), 0);
	path_put(&found);
	assert_int_equal(k_close(fd), 0);
}

static void test_shrink(void **state)
{
	char name[32];

	assert_int_equal(k_mkdir("/many", 0755), 0);
	for (u32 i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "/many/%u", i);
		assert_int_equal(look(name, 0), -ENOENT);
	}
	shim_shrink();
	const u64 before = shim_live();

	for (u32 i = 0; i < 2000; i++) {
		snprintf(name, sizeof(name), "/many/%u", i);
		assert_int_equal(look(name, 0), -ENOENT);
	}
	assert_true(shim_live() >= before + 2000);
	assert_true(dcache_shrink(500) >= 500);
	shim_shrink();
	assert_int_equal(shim_live(), before);
	assert_int_equal(k_rmdir("/many"), 0);
}

/* ---- many threads ---- */

#define THREADS 4

/* Everybody makes, renames and removes the same few names; what the calls say must be possible. */
static void churn(void *arg)
{
	char a[32], b[32];

	for (u32 i = 0; i < 2000; i++) {
		const char *const dirs[] = {"/c", "/c/x", "/c/x/y", "/c/z"};
		struct path p;
		int err;

		snprintf(a, sizeof(a), "%s/%u", dirs[shim_random(4)], shim_random(4));
		snprintf(b, sizeof(b), "%s/%u", dirs[shim_random(4)], shim_random(4));
		switch (shim_random(9)) {
		case 0:
			err = k_open(a, O_CREAT | O_RDWR, 0644);
			if (err >= 0)
				err = k_close(err);
			assert_true(!err || err == -ENOENT || err == -EISDIR);
			break;
		case 1:
			err = k_unlink(a);
			assert_true(!err || err == -ENOENT || err == -EISDIR);
			break;
		case 2:
			err = k_rename(a, b, shim_random(3));
			assert_true(!err || err == -ENOENT || err == -EEXIST || err == -EISDIR || err == -ENOTDIR ||
				    err == -ENOTEMPTY);
			break;
		case 3:
			err = k_mkdir(a, 0755);
			assert_true(!err || err == -ENOENT || err == -EEXIST);
			break;
		case 4:
			err = k_rmdir(a);
			assert_true(!err || err == -ENOENT || err == -ENOTDIR || err == -ENOTEMPTY);
			break;
		case 5: /* whole directories move under the others' feet */
			err = shim_random(2) ? k_rename("/c/x/y", "/c/z", RENAME_EXCHANGE)
					     : k_rename("/c/x", "/c/z", RENAME_EXCHANGE);
			assert_true(!err || err == -ENOENT || err == -EINVAL);
			break;
		case 6:
			err = k_link(a, b);
			assert_true(!err || err == -ENOENT || err == -EEXIST || err == -EPERM);
			break;
		case 7:
			dcache_shrink(20);
			break;
		default:
			err = path_lookup(AT_FDCWD, a, 0, &p);
			assert_true(!err || err == -ENOENT);
			if (!err) {
				char text[PATH_MAX];

				assert_false(IS_ERR(d_path(&p, text, sizeof(text))));
				path_put(&p);
			}
		}
	}
}

static void remove_all(const char *dir)
{
	char name[64];

	for (u32 i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "%s/%u", dir, i);
		if (k_unlink(name) == -EISDIR)
			assert_int_equal(k_rmdir(name), 0);
	}
}

static void test_churn(void **state)
{
	u64 before;

	shim_shrink();
	before = shim_live();
	assert_int_equal(k_mkdir("/c", 0755) | k_mkdir("/c/x", 0755) | k_mkdir("/c/x/y", 0755) | k_mkdir("/c/z", 0755),
			 0);
	shim_stir(8);
	shim_together(THREADS, churn);
	shim_stir(0);
	/* x and z are there, y is in one of them, or all is turned about: three directories in any case. */
	remove_all("/c/x/y");
	remove_all("/c/z/y");
	remove_all("/c/x");
	remove_all("/c/z");
	remove_all("/c");
	k_rmdir("/c/x/y");
	k_rmdir("/c/z/y");
	assert_int_equal(k_rmdir("/c/x"), 0);
	assert_int_equal(k_rmdir("/c/z"), 0);
	assert_int_equal(k_rmdir("/c"), 0);
	shim_shrink();
	assert_int_equal(shim_live(), before);
}

static void exclusive(void *arg)
{
	char name[32];

	for (u32 i = 0; i < 500; i++) {
		int fd;

		snprintf(name, sizeof(name), "/once-%u", i);
		fd = k_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
		if (fd >= 0) {
			atomic_inc((u32 *)found.mnt);
			k_close(fd);
		} else {
			assert_int_equal(fd, -EEXIST);
		}
	}
}

static void test_exclusive(void **state)
{
	char name[32];
	u32 won = 0;

	found.mnt = (void *)&won;
	shim_together(THREADS, exclusive);
	assert_int_equal(won, 500);
	for (u32 i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "/once-%u", i);
		assert_int_equal(k_unlink(name), 0);
	}
}

/* ---- no memory ---- */

static int op_create(void *arg)
{
	const int fd = k_open("/a-name-that-is-too-long-to-be-stored-inside-the-entry", O_CREAT | O_RDWR, 0644);

	return fd < 0 ? fd : k_close(fd);
}

static void undo_create(void *arg)
{
	k_unlink("/a-name-that-is-too-long-to-be-stored-inside-the-entry");
}

static int op_mkdir(void *arg)
{
	return k_mkdir("/dir", 0755);
}

static void undo_mkdir(void *arg)
{
	k_rmdir("/dir");
}

static int op_symlink(void *arg)
{
	return k_symlink("to/somewhere", "/symlink");
}

static void undo_symlink(void *arg)
{
	k_unlink("/symlink");
}

static int op_mount(void *arg)
{
	return do_mount("tmpfs", "none", "/tmp", 0, "size=1m");
}

static void undo_mount(void *arg)
{
	k_umount("/tmp", 0);
}

static int op_rename(void *arg)
{
	const int fd = k_open("/from", O_CREAT | O_RDWR, 0644);
	int err = fd < 0 ? fd : k_close(fd);

	return err ? err : k_rename("/from", "/a-name-that-is-too-long-to-be-stored-inside-the-entry", 0);
}

static void undo_rename(void *arg)
{
	k_unlink("/from");
	undo_create(NULL);
}

static void test_no_memory(void **state)
{
	assert_int_equal(k_mkdir("/tmp", 0755), 0);
	shim_exhaust(op_create, undo_create, NULL, false);
	shim_exhaust(op_mkdir, undo_mkdir, NULL, false);
	shim_exhaust(op_symlink, undo_symlink, NULL, false);
	shim_exhaust(op_mount, undo_mount, NULL, false);
	shim_exhaust(op_rename, undo_rename, NULL, true); /* d_move() does without a second copy of the name */
	assert_int_equal(k_rmdir("/tmp"), 0);
}

static int setup(void **state)
{
	shim_vfs();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walk),
		cmocka_unit_test(test_negative),
		cmocka_unit_test(test_symlinks),
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_rename_directories),
		cmocka_unit_test(test_removed_directory),
		cmocka_unit_test(test_shrink),
		cmocka_unit_test(test_churn),
		cmocka_unit_test(test_exclusive),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
