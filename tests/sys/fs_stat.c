/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stat, lstat, fstat, newfstatat, statx, access, faccessat, faccessat2, statfs, fstatfs, name_to_handle_at: what
 * they say and refuse.
 */
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>

#include "fsdir.h"

static void test_agree(void)
{
	struct stat a, b, c;
	struct statx x;
	int fd;

	make_file("f", "hello");
	CHECK_OK(symlink("f", "l"));
	fd = (int)CHECK_OK(open("f", O_RDONLY));
	CHECK_OK(stat("l", &a));
	CHECK_OK(fstat(fd, &b));
	CHECK_OK(fstatat(AT_FDCWD, "f", &c, AT_SYMLINK_NOFOLLOW));
	CHECK(!memcmp(&a, &b, sizeof(a)));
	CHECK(!memcmp(&a, &c, sizeof(a)));
	CHECK_EQ(a.st_size, 5);
	CHECK_EQ(a.st_uid, getuid());
	CHECK_EQ(a.st_nlink, 1);
	CHECK(a.st_blksize >= 512);
	CHECK_OK(statx(fd, "", AT_EMPTY_PATH, STATX_ALL, &x));
	CHECK_EQ(x.stx_ino, a.st_ino);
	CHECK_EQ(x.stx_size, 5);
	CHECK_EQ(x.stx_mode, a.st_mode);
	CHECK_EQ(makedev(x.stx_dev_major, x.stx_dev_minor), a.st_dev);
	CHECK_EQ(x.stx_mtime.tv_sec, a.st_mtim.tv_sec);
	CHECK_EQ(x.stx_mtime.tv_nsec, a.st_mtim.tv_nsec);
	CHECK_EQ(x.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
	CHECK_OK(statx(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &x));
	CHECK(S_ISLNK(x.stx_mode));
	CHECK_OK(fstatat(AT_FDCWD, "", &b, AT_EMPTY_PATH));
	CHECK(S_ISDIR(b.st_mode));
	CHECK_OK(fstatat(fd, "", &b, AT_EMPTY_PATH));
	CHECK_EQ(b.st_ino, a.st_ino);
	close(fd);
	CHECK_ERR(fstat(fd, &a), EBADF);
	CHECK_ERR(fstatat(AT_FDCWD, "f", &a, 1), EINVAL);
	CHECK_ERR(fstatat(AT_FDCWD, "", &a, 0), ENOENT);
	CHECK_ERR(statx(AT_FDCWD, "f", 0x6000, STATX_ALL, &x), EINVAL);
	CHECK_ERR(statx(AT_FDCWD, "f", 0, 0x80000000u, &x), EINVAL);
	CHECK_ERR(syscall(SYS_statx, AT_FDCWD, "f", 0, STATX_ALL, 1), EFAULT);
}

static void test_numbers_last(void)
{
	struct stat a, b;

	/* A file's number stays what it was, whatever happens to it. */
	make_file("f", "x");
	CHECK_OK(stat("f", &a));
	CHECK_OK(chmod("f", 0600));
	make_file("f", "other content");
	CHECK_OK(rename("f", "g"));
	CHECK_OK(link("g", "h"));
	CHECK_OK(stat("h", &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	CHECK_EQ(a.st_dev, b.st_dev);
}

static void test_blocks(void)
{
	struct stat st;
	char buf[8192];
	int fd = (int)CHECK_OK(open("f", O_RDWR | O_CREAT, 0600));

	memset(buf, 'b', sizeof(buf));
	CHECK_EQ(write(fd, buf, sizeof(buf)), sizeof(buf));
	CHECK_OK(fsync(fd));
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 8192);
	CHECK_EQ(st.st_blocks, 16);
	CHECK_OK(ftruncate(fd, 0));
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_blocks, 0);
}

static void test_access(void)
{
	make_file("f", "");
	CHECK_OK(chmod("f", 0644));
	CHECK_OK(access("f", F_OK));
	CHECK_OK(access("f", R_OK | W_OK));
	CHECK_ERR(access("f", X_OK), EACCES); /* for root, too */
	CHECK_OK(chmod("f", 0100));
	CHECK_OK(access("f", X_OK));
	CHECK_ERR(access("none", F_OK), ENOENT);
	CHECK_ERR(access("f/x", F_OK), ENOTDIR);
	CHECK_ERR(access("f", 8), EINVAL);
	CHECK_OK(symlink("none", "l"));
	CHECK_ERR(access("l", F_OK), ENOENT);
	CHECK_OK(syscall(SYS_faccessat2, AT_FDCWD, "l", F_OK, AT_SYMLINK_NOFOLLOW));
	CHECK_ERR(syscall(SYS_faccessat2, AT_FDCWD, "f", F_OK, 1), EINVAL);
	CHECK_OK(syscall(SYS_faccessat2, AT_FDCWD, "f", X_OK, AT_EACCESS));
	CHECK_OK(syscall(SYS_faccessat, AT_FDCWD, "f", F_OK));
	int fd = (int)CHECK_OK(open("f", O_PATH));
	CHECK_OK(syscall(SYS_faccessat2, fd, "", X_OK, AT_EMPTY_PATH));
	close(fd);
}

static void test_access_ids(void)
{
	make_file("f", "");
	CHECK_OK(chmod("f", 0600));
	if (getuid() != 0)
		return;
	if (fork() == 0) {
		CHECK_OK(setresuid(1000, 0, 0)); /* real ids decide */
		CHECK_ERR(access("f", R_OK), EACCES);
		CHECK_OK(syscall(SYS_faccessat2, AT_FDCWD, "f", R_OK, AT_EACCESS));
		_exit(0);
	}
	int status;
	CHECK_OK(wait(&status));
	CHECK_EQ(status, 0);
}

static void test_statfs(void)
{
	struct statfs a, b;
	int fd = (int)CHECK_OK(open(".", O_RDONLY));

	CHECK_OK(statfs(".", &a));
	CHECK_OK(fstatfs(fd, &b));
	CHECK_EQ(a.f_type, b.f_type);
	CHECK(a.f_bsize >= 512);
	CHECK_EQ(a.f_namelen, 255);
	CHECK(a.f_bfree <= a.f_blocks);
	CHECK_ERR(statfs("none", &a), ENOENT);
	CHECK_ERR(fstatfs(-1, &a), EBADF);
	/* There are programs in the root, or we would not be here. */
	CHECK_OK(statfs("/", &a));
	CHECK(a.f_blocks > a.f_bfree);
	CHECK(a.f_bfree >= a.f_bavail);
	CHECK_OK(statfs("/proc", &a));
	CHECK_EQ(a.f_type, 0x9fa0);
	close(fd);
}

static void test_handle(void)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + 128];
	} u = {.h = {.handle_bytes = 0}};
	int id;

	/* Whether there are handles is up to the file system. */
	CHECK_EQ(name_to_handle_at(AT_FDCWD, ".", &u.h, &id, 0), -1);
	CHECK(errno == EOVERFLOW || errno == EOPNOTSUPP);
	CHECK_ERR(name_to_handle_at(AT_FDCWD, "none", &u.h, &id, 0), ENOENT);
}

int main(void)
{
	EVERYWHERE(test_agree);
	EVERYWHERE(test_numbers_last);
	EVERYWHERE(test_blocks);
	EVERYWHERE(test_access);
	EVERYWHERE(test_access_ids);
	EVERYWHERE(test_statfs);
	EVERYWHERE(test_handle);
	return 0;
}
