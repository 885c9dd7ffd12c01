/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How names are walked: dots, slashes, symlinks and their limits, long names, what is not a directory.
 * chdir, fchdir, getcwd.
 */
#include "fsdir.h"

static void test_dots(void)
{
	struct stat a, b;

	CHECK_OK(mkdir("d", 0755));
	CHECK_OK(mkdir("d/e", 0755));
	make_file("d/f", "x");
	CHECK_OK(stat(".", &a));
	CHECK_OK(stat("d/e/../..", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_OK(stat("d/./e/.././f", &a));
	CHECK_OK(stat("./d//f", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_OK(stat("/..", &a));
	CHECK_OK(stat("/", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_ERR(stat("", &a), ENOENT);
	CHECK_ERR(stat("d/f/", &a), ENOTDIR);
	CHECK_ERR(stat("d/f/.", &a), ENOTDIR);
	CHECK_ERR(stat("d/f/..", &a), ENOTDIR);
	CHECK_ERR(stat("d/f/x", &a), ENOTDIR);
	CHECK_ERR(stat("d/none/x", &a), ENOENT);
	CHECK_ERR(stat("none/..", &a), ENOENT);
	CHECK_OK(stat("d/e/", &a));
	CHECK_OK(stat("d/e///", &a));
}

static void test_long(void)
{
	char name[300], path[5000];
	struct stat st;

	memset(name, 'n', sizeof(name));
	name[255] = 0;
	CHECK_OK(mkdir(name, 0755));
	CHECK_OK(stat(name, &st));
	CHECK_OK(rmdir(name));
	name[255] = 'n';
	name[256] = 0;
	CHECK_ERR(mkdir(name, 0755), ENAMETOOLONG);
	CHECK_ERR(stat(name, &st), ENAMETOOLONG);
	for (size_t i = 0; i < sizeof(path) - 1; i += 2)
		memcpy(path + i, "./", 2);
	path[4094] = 0;
	CHECK_OK(stat(path, &st));
	path[4094] = '.';
	path[4095] = 0;
	CHECK_OK(stat(path, &st));
	path[4095] = '/';
	path[4096] = 0;
	CHECK_ERR(stat(path, &st), ENAMETOOLONG);
	CHECK_ERR(stat((char *)1, &st), EFAULT);
	CHECK_ERR(stat(".", (struct stat *)1), EFAULT);
}

static void test_symlinks(void)
{
	char name[64], target[64];
	struct stat st;

	CHECK_OK(mkdir("d", 0755));
	make_file("d/f", "text");
	CHECK_OK(symlink("d", "l"));
	CHECK_OK(symlink("l/f", "lf"));
	CHECK_OK(symlink("../d/f", "d/up"));
	CHECK_OK(symlink("nowhere", "dangling"));
	CHECK_OK(symlink("self", "self"));
	CHECK_TEXT("l/f", "text");
	CHECK_TEXT("lf", "text");
	CHECK_TEXT("d/up", "text");
	CHECK_OK(lstat("l", &st));
	CHECK(S_ISLNK(st.st_mode));
	CHECK_EQ(st.st_size, 1);
	CHECK_OK(lstat("l/", &st));
	CHECK(S_ISDIR(st.st_mode));
	CHECK_ERR(lstat("lf/", &st), ENOTDIR);
	CHECK_ERR(stat("dangling", &st), ENOENT);
	CHECK_OK(lstat("dangling", &st));
	CHECK_ERR(stat("self", &st), ELOOP);
	CHECK_ERR(stat("self/x", &st), ELOOP);
	CHECK_OK(lstat("self", &st));
	/* Forty are followed, one more is not. */
	make_file("s0", "end");
	for (int i = 1; i <= 41; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		snprintf(target, sizeof(target), "s%d", i - 1);
		CHECK_OK(symlink(target, name));
	}
	CHECK_OK(stat("s40", &st));
	CHECK_ERR(stat("s41", &st), ELOOP);
	/* Nested ones, each with something behind it. */
	CHECK_OK(mkdir("n0", 0755));
	CHECK_OK(mkdir("n0/x", 0755));
	for (int i = 1; i <= 10; i++) {
		snprintf(name, sizeof(name), "n%d", i);
		snprintf(target, sizeof(target), "n%d/x/..", i - 1);
		CHECK_OK(symlink(target, name));
	}
	CHECK_OK(stat("n10/x", &st));
	CHECK(S_ISDIR(st.st_mode));
}

static void test_absolute_symlink(void)
{
	char cwd[PATH_MAX], target[PATH_MAX + 8];
	struct stat st;

	CHECK(getcwd(cwd, sizeof(cwd)));
	make_file("f", "abs");
	snprintf(target, sizeof(target), "%s/f", cwd);
	CHECK_OK(symlink(target, "l"));
	CHECK_TEXT("l", "abs");
	CHECK_OK(symlink("/", "root"));
	CHECK_OK(stat("root/", &st));
	CHECK_OK(stat("root/proc", &st));
	CHECK_OK(lstat("root/..", &st));
	CHECK(S_ISDIR(st.st_mode));
	CHECK_ERR(symlink("", "e"), ENOENT);
}

static void test_readlink(void)
{
	char *volatile bad = (char *)1;
	char buf[64];

	CHECK_OK(symlink("target", "l"));
	memset(buf, 'z', sizeof(buf));
	CHECK_EQ(readlink("l", buf, sizeof(buf)), 6);
	CHECK(!memcmp(buf, "targetz", 7));
	CHECK_EQ(readlink("l", buf, 3), 3);
	CHECK_ERR(readlink("l", buf, 0), EINVAL);
	CHECK_ERR(readlink(".", buf, 10), EINVAL);
	CHECK_ERR(readlink("none", buf, 10), ENOENT);
	CHECK_ERR(readlink("l", bad, 10), EFAULT);
	int fd = (int)CHECK_OK(open("l", O_PATH | O_NOFOLLOW));
	CHECK_EQ(readlinkat(fd, "", buf, sizeof(buf)), 6);
	close(fd);
	fd = (int)CHECK_OK(open(".", O_RDONLY));
	CHECK_ERR(readlinkat(fd, "", buf, sizeof(buf)), ENOENT);
	CHECK_EQ(readlinkat(fd, "l", buf, sizeof(buf)), 6);
	close(fd);
}

static void test_cwd(void)
{
	char start[PATH_MAX], buf[PATH_MAX], want[PATH_MAX + 16];
	int fd;

	CHECK(getcwd(start, sizeof(start)));
	CHECK_OK(mkdir("a", 0755));
	CHECK_OK(mkdir("a/b", 0755));
	CHECK_OK(chdir("a/b"));
	snprintf(want, sizeof(want), "%s/a/b", start);
	CHECK(getcwd(buf, sizeof(buf)));
	CHECK(!strcmp(buf, want));
	CHECK(!getcwd(buf, 4) && errno == ERANGE);
	CHECK_OK(rename("../../a", "../../c"));
	snprintf(want, sizeof(want), "%s/c/b", start);
	CHECK(getcwd(buf, sizeof(buf)));
	CHECK(!strcmp(buf, want));
	fd = (int)CHECK_OK(open("..", O_RDONLY | O_DIRECTORY));
	CHECK_OK(fchdir(fd));
	close(fd);
	snprintf(want, sizeof(want), "%s/c", start);
	CHECK(getcwd(buf, sizeof(buf)));
	CHECK(!strcmp(buf, want));
	fd = (int)CHECK_OK(open("b", O_PATH));
	CHECK_OK(fchdir(fd));
	close(fd);
	/* In a directory that is gone. */
	CHECK_OK(rmdir("../b"));
	CHECK(!getcwd(buf, sizeof(buf)) && errno == ENOENT);
	CHECK_ERR(open("new", O_CREAT | O_WRONLY, 0644), ENOENT);
	CHECK_ERR(mkdir("new", 0755), ENOENT);
	CHECK_ERR(open("x", O_RDONLY), ENOENT);
	CHECK_OK(chdir(".."));
	CHECK(getcwd(buf, sizeof(buf)));
	make_file("file", "");
	CHECK_ERR(chdir("file"), ENOTDIR);
	CHECK_ERR(chdir("none"), ENOENT);
	CHECK_ERR(fchdir(-1), EBADF);
	fd = (int)CHECK_OK(open("file", O_RDONLY));
	CHECK_ERR(fchdir(fd), ENOTDIR);
}

static void test_deep(void)
{
	char buf[PATH_MAX];

	for (int i = 0; i < 50; i++) {
		CHECK_OK(mkdir("directory-with-a-rather-long-name", 0755));
		CHECK_OK(chdir("directory-with-a-rather-long-name"));
	}
	CHECK(getcwd(buf, sizeof(buf)));
	CHECK(strlen(buf) > 50 * 34);
	for (int i = 0; i < 50; i++) {
		CHECK_OK(chdir(".."));
		CHECK_OK(rmdir("directory-with-a-rather-long-name"));
	}
}

int main(void)
{
	EVERYWHERE(test_dots);
	EVERYWHERE(test_long);
	EVERYWHERE(test_symlinks);
	EVERYWHERE(test_absolute_symlink);
	EVERYWHERE(test_readlink);
	EVERYWHERE(test_cwd);
	EVERYWHERE(test_deep);
	return 0;
}
