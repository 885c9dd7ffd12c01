/* SPDX-License-Identifier: Apache-2.0 */
/* mkdir, rmdir, mknod, link, symlink, unlink and their *at forms: link counts, times, errors. */
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "fsdir.h"

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

static nlink_t links(const char *name)
{
	struct stat st;

	CHECK_OK(lstat(name, &st));
	return st.st_nlink;
}

static void test_mkdir(void)
{
	struct stat st;

	umask(027);
	CHECK_OK(mkdir("d", 0777));
	CHECK_OK(stat("d", &st));
	CHECK_EQ(st.st_mode, S_IFDIR | 0750);
	CHECK_ERR(mkdir("d", 0777), EEXIST);
	CHECK_ERR(mkdir("d/", 0777), EEXIST);
	CHECK_ERR(mkdir(".", 0777), EEXIST);
	CHECK_ERR(mkdir("d/..", 0777), EEXIST);
	CHECK_ERR(mkdir("/", 0777), EEXIST);
	CHECK_ERR(mkdir("none/x", 0777), ENOENT);
	CHECK_OK(mkdir("slash///", 0777));
	CHECK_OK(rmdir("slash///"));
	make_file("f", "");
	CHECK_ERR(mkdir("f", 0777), EEXIST);
	CHECK_ERR(mkdir("f/x", 0777), ENOTDIR);
	CHECK_OK(symlink("nowhere", "l"));
	CHECK_ERR(mkdir("l", 0777), EEXIST);
	CHECK_OK(chmod("d", 02755));
	CHECK_OK(mkdir("d/sub", 0755));
	CHECK_OK(stat("d/sub", &st));
	CHECK(st.st_mode & S_ISGID);
}

static void test_rmdir(void)
{
	CHECK_OK(mkdir("d", 0755));
	make_file("d/f", "");
	CHECK_ERR(rmdir("d"), ENOTEMPTY);
	CHECK_ERR(rmdir("d/f"), ENOTDIR);
	CHECK_ERR(rmdir("d/."), EINVAL);
	CHECK_ERR(rmdir("d/.."), ENOTEMPTY);
	CHECK_ERR(rmdir("none"), ENOENT);
	CHECK_ERR(rmdir("/"), EBUSY);
	CHECK_ERR(unlink("d"), EISDIR);
	CHECK_OK(unlink("d/f"));
	CHECK_OK(symlink("d", "l"));
	CHECK_ERR(rmdir("l"), ENOTDIR);
	CHECK_ERR(rmdir("l/"), ENOTDIR);
	CHECK_OK(rmdir("d/"));
	CHECK(!exists("d"));
	CHECK_ERR(unlinkat(AT_FDCWD, "l", AT_REMOVEDIR), ENOTDIR);
	CHECK_ERR(unlinkat(AT_FDCWD, "l", 4), EINVAL);
	CHECK_OK(unlinkat(AT_FDCWD, "l", 0));
}

static void test_unlink(void)
{
	make_file("f", "");
	CHECK_ERR(unlink("f/"), ENOTDIR);
	CHECK_ERR(unlink("none"), ENOENT);
	CHECK_ERR(unlink("none/"), ENOENT);
	CHECK_ERR(unlink("."), EISDIR);
	CHECK_ERR(unlink(".."), EISDIR);
	CHECK_ERR(unlink("/"), EISDIR);
	CHECK_ERR(unlink(""), ENOENT);
	CHECK_OK(unlink("f"));
	CHECK_ERR(unlink("f"), ENOENT);
	CHECK_OK(symlink("none", "l"));
	CHECK_OK(unlink("l"));
	CHECK(!exists("l"));
	make_file("f", "again");
	CHECK_TEXT("f", "again");
}

static void test_link(void)
{
	char path[32];
	int fd;

	make_file("a", "one");
	CHECK_OK(link("a", "b"));
	CHECK_EQ(links("a"), 2);
	CHECK_ERR(link("a", "b"), EEXIST);
	CHECK_ERR(link("none", "c"), ENOENT);
	CHECK_ERR(link("a", "none/c"), ENOENT);
	CHECK_OK(mkdir("d", 0755));
	CHECK_ERR(link("d", "e"), EPERM);
	make_file("b", "two");
	CHECK_TEXT("a", "two");
	CHECK_OK(unlink("a"));
	CHECK_EQ(links("b"), 1);
	CHECK_TEXT("b", "two");
	CHECK_ERR(link("b", "/dev/umbra-test"), EXDEV);
	CHECK_OK(symlink("b", "l"));
	CHECK_OK(link("l", "l2"));
	CHECK_EQ(links("l"), 2);
	CHECK_OK(linkat(AT_FDCWD, "l", AT_FDCWD, "b2", AT_SYMLINK_FOLLOW));
	CHECK_EQ(links("b"), 2);
	CHECK_ERR(linkat(AT_FDCWD, "l", AT_FDCWD, "b3", 1), EINVAL);
	fd = (int)CHECK_OK(open("b", O_RDONLY));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK_OK(linkat(AT_FDCWD, path, AT_FDCWD, "b3", AT_SYMLINK_FOLLOW));
	CHECK_EQ(links("b"), 3);
	close(fd);
}

static void test_mknod(void)
{
	struct stat st;

	umask(0);
	CHECK_OK(mkfifo("p", 0640));
	CHECK_OK(stat("p", &st));
	CHECK_EQ(st.st_mode, S_IFIFO | 0640);
	CHECK_ERR(mkfifo("p", 0640), EEXIST);
	CHECK_OK(mknod("r", S_IFREG | 0600, 0));
	CHECK_OK(stat("r", &st));
	CHECK_EQ(st.st_mode, S_IFREG | 0600);
	CHECK_OK(mknod("r0", 0644, 0));
	CHECK_OK(mknod("s", S_IFSOCK | 0600, 0));
	CHECK_OK(stat("s", &st));
	CHECK(S_ISSOCK(st.st_mode));
	CHECK_ERR(open("s", O_RDONLY), ENXIO);
	CHECK_ERR(mknod("d", S_IFDIR | 0700, 0), EPERM);
	CHECK_ERR(mknod("l", S_IFLNK | 0700, 0), EINVAL);
	CHECK_ERR(mknod("x/", S_IFREG | 0700, 0), ENOENT);
}

static void test_device(void)
{
	struct stat st;
	char c = 1;
	int fd;

	if (mknod("zero", S_IFCHR | 0666, makedev(1, 5)) < 0)
		return; /* not on every file system, and not for everybody */
	CHECK_OK(stat("zero", &st));
	CHECK(S_ISCHR(st.st_mode));
	CHECK_EQ(st.st_rdev, makedev(1, 5));
	fd = open("zero", O_RDWR);
	if (fd < 0)
		return; /* nodev */
	CHECK_EQ(read(fd, &c, 1), 1);
	CHECK_EQ(c, 0);
	close(fd);
}

static void test_dir_links(void)
{
	nlink_t before;

	CHECK_OK(mkdir("top", 0755));
	before = links("top");
	if (before < 2)
		return; /* this file system does not count */
	CHECK_EQ(before, 2);
	CHECK_OK(mkdir("top/a", 0755));
	CHECK_OK(mkdir("top/b", 0755));
	make_file("top/f", "");
	CHECK_EQ(links("top"), 4);
	CHECK_OK(rename("top/a", "a"));
	CHECK_EQ(links("top"), 3);
	CHECK_OK(rmdir("top/b"));
	CHECK_EQ(links("top"), 2);
}

static int later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

static void test_times(void)
{
	struct stat before, after, f;

	CHECK_OK(mkdir("d", 0755));
	make_file("d/f", "x");
	CHECK_OK(stat("d", &before));
	usleep(20000);
	make_file("d/g", "x");
	CHECK_OK(stat("d", &after));
	CHECK(later(&after.st_mtim, &before.st_mtim));
	before = after;
	usleep(20000);
	CHECK_OK(unlink("d/g"));
	CHECK_OK(stat("d", &after));
	CHECK(later(&after.st_mtim, &before.st_mtim));
	CHECK_OK(stat("d/f", &before));
	usleep(20000);
	CHECK_OK(link("d/f", "d/h"));
	CHECK_OK(stat("d/f", &f));
	CHECK(later(&f.st_ctim, &before.st_ctim));
	CHECK(!later(&f.st_mtim, &before.st_mtim));
}

/* Relative to a descriptor. */
static void test_at(void)
{
	struct stat st;
	char buf[16];
	int d;

	umask(022);
	CHECK_OK(mkdir("d", 0755));
	d = (int)CHECK_OK(open("d", O_RDONLY | O_DIRECTORY));
	CHECK_OK(mkdirat(d, "sub", 0777));
	CHECK_OK(mknodat(d, "f", S_IFREG | 0666, 0));
	CHECK_OK(symlinkat("f", d, "l"));
	CHECK_OK(fstatat(d, "sub", &st, 0));
	CHECK_EQ(st.st_mode, S_IFDIR | 0755);
	CHECK_EQ(readlinkat(d, "l", buf, sizeof(buf)), 1);
	CHECK_OK(linkat(d, "f", d, "g", 0));
	CHECK_OK(renameat(d, "g", d, "h"));
	CHECK_OK(unlinkat(d, "h", 0));
	CHECK_ERR(mkdirat(-1, "x", 0777), EBADF);
	CHECK_ERR(mknodat(-1, "x", S_IFREG, 0), EBADF);
	CHECK_ERR(symlinkat("x", -1, "x"), EBADF);
	CHECK_ERR(unlinkat(-1, "x", 0), EBADF);
	if (syscall(SYS_fchmodat2, d, "f", 0600, 0) < 0 && errno == ENOSYS)
		return;
	CHECK_OK(fstatat(d, "f", &st, 0));
	CHECK_EQ(st.st_mode, S_IFREG | 0600);
	CHECK_ERR(syscall(SYS_fchmodat2, d, "l", 0600, AT_SYMLINK_NOFOLLOW), EOPNOTSUPP);
	CHECK_ERR(syscall(SYS_fchmodat2, d, "f", 0600, 1), EINVAL);
	close(d);
}

int main(void)
{
	EVERYWHERE(test_at);
	EVERYWHERE(test_mkdir);
	EVERYWHERE(test_rmdir);
	EVERYWHERE(test_unlink);
	EVERYWHERE(test_link);
	EVERYWHERE(test_mknod);
	EVERYWHERE(test_device);
	EVERYWHERE(test_dir_links);
	EVERYWHERE(test_times);
	return 0;
}
