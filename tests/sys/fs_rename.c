/* SPDX-License-Identifier: Apache-2.0 */
/* rename, renameat, renameat2: what replaces what, directories, NOREPLACE and EXCHANGE, open files. */
#include <sys/syscall.h>

#include "fsdir.h"

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#endif

static int rename2(const char *a, const char *b, unsigned int flags)
{
	return (int)syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, flags);
}

static void test_files(void)
{
	struct stat a, b;
	int fd;
	char c;

	make_file("a", "A");
	CHECK_OK(stat("a", &a));
	CHECK_OK(rename("a", "b"));
	CHECK(!exists("a"));
	CHECK_OK(stat("b", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	make_file("c", "C");
	fd = (int)CHECK_OK(open("c", O_RDONLY));
	CHECK_OK(rename("b", "c"));
	CHECK_TEXT("c", "A");
	CHECK_EQ(read(fd, &c, 1), 1);
	CHECK_EQ(c, 'C');
	CHECK_OK(fstat(fd, &a));
	CHECK_EQ(a.st_nlink, 0);
	close(fd);
	CHECK_OK(rename("c", "c"));
	CHECK_OK(link("c", "d"));
	CHECK_OK(rename("c", "d")); /* the same file: nothing happens */
	CHECK(exists("c") && exists("d"));
	CHECK_ERR(rename("none", "x"), ENOENT);
	CHECK_ERR(rename("c", "none/x"), ENOENT);
	CHECK_ERR(rename("c", ""), ENOENT);
	CHECK_ERR(rename("c", "x/"), ENOTDIR);
	CHECK_ERR(rename("c/", "x"), ENOTDIR);
	CHECK_ERR(rename("c", "."), EBUSY);
	CHECK_ERR(rename(".", "x"), EBUSY);
	CHECK_ERR(rename("..", "x"), EBUSY);
	CHECK_ERR(rename("c", "/proc/x"), EXDEV);
}

static void test_dirs(void)
{
	struct stat st;

	CHECK_OK(mkdir("d", 0755));
	make_file("d/f", "in d");
	CHECK_OK(rename("d", "e"));
	CHECK_TEXT("e/f", "in d");
	CHECK(!exists("d"));
	CHECK_OK(mkdir("empty", 0755));
	CHECK_OK(rename("e", "empty"));
	CHECK_TEXT("empty/f", "in d");
	CHECK_OK(mkdir("full", 0755));
	make_file("full/x", "");
	CHECK_ERR(rename("empty", "full"), ENOTEMPTY);
	make_file("file", "");
	CHECK_ERR(rename("empty", "file"), ENOTDIR);
	CHECK_ERR(rename("file", "empty"), EISDIR);
	CHECK_ERR(rename("empty", "empty/sub"), EINVAL);
	CHECK_OK(mkdir("empty/deep", 0755));
	CHECK_ERR(rename("empty", "empty/deep/sub"), EINVAL);
	CHECK_ERR(rename("empty/deep", "empty"), ENOTEMPTY);
	CHECK_OK(rename("empty/", "trailing/"));
	CHECK_OK(stat("trailing/deep/..", &st));
	/* Between directories ".." changes. */
	CHECK_OK(mkdir("other", 0755));
	CHECK_OK(rename("trailing/deep", "other/deep"));
	struct stat up, other;
	CHECK_OK(stat("other/deep/..", &up));
	CHECK_OK(stat("other", &other));
	CHECK_EQ(up.st_ino, other.st_ino);
}

static void test_symlinks(void)
{
	make_file("f", "F");
	CHECK_OK(symlink("f", "l"));
	CHECK_OK(rename("l", "m"));
	CHECK_TEXT("m", "F");
	make_file("g", "G");
	CHECK_OK(rename("g", "m")); /* replaces the link, not the file */
	CHECK_TEXT("f", "F");
	CHECK_TEXT("m", "G");
}

static void test_flags(void)
{
	make_file("a", "A");
	make_file("b", "B");
	CHECK_ERR(rename2("a", "b", RENAME_NOREPLACE), EEXIST);
	CHECK_ERR(rename2("a", "a", RENAME_NOREPLACE), EEXIST);
	CHECK_OK(rename2("a", "c", RENAME_NOREPLACE));
	CHECK_TEXT("c", "A");
	CHECK_OK(rename2("b", "c", RENAME_EXCHANGE));
	CHECK_TEXT("b", "A");
	CHECK_TEXT("c", "B");
	CHECK_ERR(rename2("b", "none", RENAME_EXCHANGE), ENOENT);
	CHECK(exists("b"));
	CHECK_ERR(rename2("b", "c", RENAME_EXCHANGE | RENAME_NOREPLACE), EINVAL);
	CHECK_ERR(rename2("b", "c", 64), EINVAL);
	CHECK_OK(mkdir("d", 0755));
	make_file("d/x", "X");
	CHECK_OK(mkdir("sub", 0755));
	CHECK_OK(mkdir("sub/e", 0755));
	make_file("sub/e/y", "Y");
	CHECK_OK(rename2("d", "sub/e", RENAME_EXCHANGE));
	CHECK_TEXT("d/y", "Y");
	CHECK_TEXT("sub/e/x", "X");
	CHECK_OK(rename2("b", "d", RENAME_EXCHANGE)); /* a file and a directory */
	CHECK_TEXT("d", "A");
	CHECK_TEXT("b/y", "Y");
	CHECK_ERR(rename2("sub", "sub/e", RENAME_EXCHANGE), EINVAL);
	CHECK_ERR(rename2("sub/e", "sub", RENAME_EXCHANGE), EINVAL);
}

/* Many at once between two directories: nothing gets lost. */
static void test_storm(void)
{
	char a[32], b[32];

	CHECK_OK(mkdir("x", 0755));
	CHECK_OK(mkdir("y", 0755));
	for (int p = 0; p < 4; p++) {
		snprintf(a, sizeof(a), "x/%d", p);
		make_file(a, "1");
	}
	for (int p = 0; p < 4; p++) {
		if (fork() == 0) {
			snprintf(a, sizeof(a), "x/%d", p);
			snprintf(b, sizeof(b), "y/%d", (p + 1) % 4);
			for (int i = 0; i < 200; i++) {
				CHECK_OK(rename2(a, b, RENAME_NOREPLACE) < 0 && errno != EEXIST && errno != ENOENT ? -1
														   : 0);
				CHECK_OK(rename2(b, a, RENAME_NOREPLACE) < 0 && errno != EEXIST && errno != ENOENT ? -1
														   : 0);
			}
			_exit(0);
		}
	}
	for (int p = 0; p < 4; p++) {
		int status;

		CHECK_OK(wait(&status));
		CHECK_EQ(status, 0);
	}
	CHECK_EQ(count_entries("x") + count_entries("y"), 4);
}

int main(void)
{
	EVERYWHERE(test_files);
	EVERYWHERE(test_dirs);
	EVERYWHERE(test_symlinks);
	EVERYWHERE(test_flags);
	EVERYWHERE(test_storm);
	return 0;
}
