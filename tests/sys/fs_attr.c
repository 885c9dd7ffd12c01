/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chmod, fchmod, fchmodat, chown, fchown, lchown, fchownat, utime, utimes, futimesat, utimensat, truncate, ftruncate,
 * fallocate, umask: effects, set-id bits, times, errors.
 */
#include <linux/falloc.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <utime.h>

#include "fsdir.h"

static struct stat st;

static mode_t mode_of(const char *name)
{
	CHECK_OK(lstat(name, &st));
	return st.st_mode & 07777;
}

static void test_mode(void)
{
	int fd;

	make_file("f", "x");
	CHECK_OK(symlink("f", "l"));
	CHECK_OK(chmod("l", 0751));
	CHECK_EQ(mode_of("f"), 0751);
	CHECK_OK(chmod("f", 07777));
	CHECK_EQ(mode_of("f"), 07777);
	fd = (int)CHECK_OK(open("f", O_RDONLY));
	CHECK_OK(fchmod(fd, 0600));
	CHECK_EQ(mode_of("f"), 0600);
	close(fd);
	CHECK_OK(fchmodat(AT_FDCWD, "f", 0400, 0));
	CHECK_EQ(mode_of("f"), 0400);
	CHECK_ERR(chmod("none", 0600), ENOENT);
	CHECK_ERR(fchmod(fd, 0600), EBADF);
	CHECK_OK(mkdir("d", 0700));
	CHECK_OK(chmod("d", 01777));
	CHECK_EQ(mode_of("d"), 01777);
	umask(022);
	CHECK_EQ(umask(07777), 022);
	CHECK_EQ(umask(022), 0777);
}

static void test_owner(void)
{
	int fd;

	if (getuid() != 0)
		return;
	make_file("f", "x");
	CHECK_OK(symlink("f", "l"));
	if (chown("f", 1, 2) < 0 && errno == EPERM)
		return; /* root here is not root there */
	CHECK_OK(stat("f", &st));
	CHECK(st.st_uid == 1 && st.st_gid == 2);
	CHECK_OK(chown("l", (uid_t)-1, 3));
	CHECK_OK(stat("f", &st));
	CHECK(st.st_uid == 1 && st.st_gid == 3);
	CHECK_OK(lchown("l", 4, 5));
	CHECK_OK(lstat("l", &st));
	CHECK(st.st_uid == 4 && st.st_gid == 5);
	CHECK_OK(stat("f", &st));
	CHECK_EQ(st.st_uid, 1);
	fd = (int)CHECK_OK(open("f", O_RDONLY));
	CHECK_OK(fchown(fd, 6, (gid_t)-1));
	CHECK_OK(fchownat(fd, "", (uid_t)-1, 7, AT_EMPTY_PATH));
	CHECK_OK(fstat(fd, &st));
	CHECK(st.st_uid == 6 && st.st_gid == 7);
	CHECK_ERR(fchownat(AT_FDCWD, "f", 0, 0, 1), EINVAL);
	CHECK_ERR(chown("none", 0, 0), ENOENT);
	CHECK_ERR(fchown(-1, 0, 0), EBADF);
	/* A new owner does not inherit privileges. */
	CHECK_OK(chmod("f", 06755));
	CHECK_OK(chown("f", 0, 0));
	CHECK_EQ(mode_of("f"), 0755);
	CHECK_OK(mkdir("d", 0755));
	CHECK_OK(chmod("d", 02755));
	CHECK_OK(chown("d", 1, 1));
	CHECK_EQ(mode_of("d"), 02755);
}

static void test_write_drops_setid(void)
{
	int status;

	if (getuid() != 0)
		return;
	make_file("f", "x");
	CHECK_OK(chmod("f", 06777));
	if (fork() == 0) {
		int fd;

		CHECK_OK(setgid(1000));
		CHECK_OK(setuid(1000));
		fd = open("f", O_WRONLY);
		if (fd < 0)
			_exit(77); /* the directory is not ours */
		CHECK_EQ(write(fd, "y", 1), 1);
		_exit(0);
	}
	CHECK_OK(wait(&status));
	if (WEXITSTATUS(status) == 77)
		return;
	CHECK_EQ(status, 0);
	CHECK_EQ(mode_of("f"), 0777);
	/* root may */
	CHECK_OK(chmod("f", 04777));
	make_file("g", "");
	int fd = (int)CHECK_OK(open("f", O_WRONLY));
	CHECK_EQ(write(fd, "y", 1), 1);
	close(fd);
	CHECK_EQ(mode_of("f"), 04777);
}

static void test_times(void)
{
	const struct timespec t[2] = {{1000000000, 123456789}, {1100000000, 987654321}};
	const struct timespec omit[2] = {{0, UTIME_OMIT}, {1200000000, 0}};
	const struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
	const struct timespec bad[2] = {{0, 1000000000}, {0, 0}};
	const struct timeval tv[2] = {{500, 600}, {700, 800}};
	const struct utimbuf ub = {111, 222};
	int fd;

	make_file("f", "x");
	CHECK_OK(symlink("f", "l"));
	CHECK_OK(utimensat(AT_FDCWD, "l", t, 0));
	CHECK_OK(stat("f", &st));
	CHECK(!memcmp(&st.st_atim, &t[0], sizeof(t[0])));
	CHECK(!memcmp(&st.st_mtim, &t[1], sizeof(t[1])));
	CHECK(st.st_ctim.tv_sec > 1500000000);
	CHECK_OK(utimensat(AT_FDCWD, "f", omit, 0));
	CHECK_OK(stat("f", &st));
	CHECK(!memcmp(&st.st_atim, &t[0], sizeof(t[0])));
	CHECK_EQ(st.st_mtim.tv_sec, 1200000000);
	CHECK_OK(utimensat(AT_FDCWD, "f", now, 0));
	CHECK_OK(stat("f", &st));
	CHECK(st.st_atim.tv_sec > 1500000000);
	CHECK_EQ(st.st_mtim.tv_sec, 1200000000);
	CHECK_ERR(utimensat(AT_FDCWD, "f", bad, 0), EINVAL);
	CHECK_ERR(utimensat(AT_FDCWD, "none", t, 0), ENOENT);
	CHECK_ERR(utimensat(AT_FDCWD, "f", t, 1), EINVAL);
	CHECK_OK(utimensat(AT_FDCWD, "l", t, AT_SYMLINK_NOFOLLOW));
	CHECK_OK(lstat("l", &st));
	CHECK_EQ(st.st_mtim.tv_sec, 1100000000);
	fd = (int)CHECK_OK(open("f", O_RDONLY));
	CHECK_OK(futimens(fd, t));
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_mtim.tv_sec, 1100000000);
	close(fd);
	CHECK_OK(utimes("f", tv));
	CHECK_OK(stat("f", &st));
	CHECK(st.st_atim.tv_sec == 500 && st.st_atim.tv_nsec == 600000);
	CHECK_OK(syscall(SYS_futimesat, AT_FDCWD, "f", tv));
	CHECK_OK(syscall(SYS_utime, "f", &ub));
	CHECK_OK(stat("f", &st));
	CHECK(st.st_atim.tv_sec == 111 && st.st_mtim.tv_sec == 222);
	CHECK_OK(utime("f", NULL));
	CHECK_OK(stat("f", &st));
	CHECK(st.st_mtim.tv_sec > 1500000000);
	CHECK_ERR(syscall(SYS_utimensat, AT_FDCWD, NULL, t, 0), EFAULT);
}

static void test_write_changes_times(void)
{
	struct stat a, b;
	int fd = (int)CHECK_OK(open("f", O_RDWR | O_CREAT, 0600));
	char c;

	CHECK_EQ(write(fd, "abc", 3), 3);
	CHECK_OK(fstat(fd, &a));
	usleep(30000);
	CHECK_EQ(pread(fd, &c, 1, 0), 1);
	CHECK_OK(fstat(fd, &b));
	CHECK(!memcmp(&a.st_mtim, &b.st_mtim, sizeof(a.st_mtim)));
	CHECK_EQ(pwrite(fd, "x", 1, 0), 1);
	CHECK_OK(fstat(fd, &b));
	CHECK(memcmp(&a.st_mtim, &b.st_mtim, sizeof(a.st_mtim)));
	a = b;
	usleep(30000);
	CHECK_OK(ftruncate(fd, 3)); /* the same size is a change, too */
	CHECK_OK(fstat(fd, &b));
	CHECK(memcmp(&a.st_ctim, &b.st_ctim, sizeof(a.st_ctim)));
	a = b;
	usleep(30000);
	CHECK_OK(fchmod(fd, 0644));
	CHECK_OK(fstat(fd, &b));
	CHECK(!memcmp(&a.st_mtim, &b.st_mtim, sizeof(a.st_mtim)));
	CHECK(memcmp(&a.st_ctim, &b.st_ctim, sizeof(a.st_ctim)));
}

static void test_truncate(void)
{
	char buf[8192], zero[8192] = {0};
	int fd = (int)CHECK_OK(open("f", O_RDWR | O_CREAT, 0600)), ro;

	memset(buf, 't', sizeof(buf));
	CHECK_EQ(write(fd, buf, sizeof(buf)), sizeof(buf));
	CHECK_OK(truncate("f", 5000));
	CHECK_OK(ftruncate(fd, 9000));
	CHECK_EQ(pread(fd, buf, sizeof(buf), 0), sizeof(buf));
	CHECK_EQ(buf[4999], 't');
	CHECK(!memcmp(buf + 5000, zero, 3192));
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 9000);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 8192);
	CHECK_ERR(truncate("f", -1), EINVAL);
	CHECK_ERR(ftruncate(fd, -1), EINVAL);
	CHECK_ERR(truncate("none", 0), ENOENT);
	CHECK_ERR(truncate(".", 0), EISDIR);
	ro = (int)CHECK_OK(open("f", O_RDONLY));
	CHECK_ERR(ftruncate(ro, 0), EINVAL);
	CHECK_ERR(ftruncate(-1, 0), EBADF);
	CHECK_OK(symlink("f", "l"));
	CHECK_OK(truncate("l", 1));
	CHECK_OK(stat("f", &st));
	CHECK_EQ(st.st_size, 1);
}

static void test_fallocate(void)
{
	char buf[12288];
	int fd = (int)CHECK_OK(open("f", O_RDWR | O_CREAT, 0600)), ro;

	if (fallocate(fd, 0, 0, 10000) < 0 && errno == EOPNOTSUPP)
		return;
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 10000);
	CHECK_OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 10000, 10000));
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 10000);
	memset(buf, 'a', sizeof(buf));
	CHECK_EQ(pwrite(fd, buf, 12288, 0), 12288);
	CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1000, 8000));
	CHECK_EQ(pread(fd, buf, 12288, 0), 12288);
	CHECK(buf[999] == 'a' && buf[1000] == 0 && buf[8999] == 0 && buf[9000] == 'a');
	CHECK_ERR(fallocate(fd, 0, -1, 1), EINVAL);
	CHECK_ERR(fallocate(fd, 0, 0, 0), EINVAL);
	CHECK_ERR(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1), EOPNOTSUPP);
	CHECK_ERR(fallocate(-1, 0, 0, 1), EBADF);
	ro = (int)CHECK_OK(open("f", O_RDONLY));
	CHECK_ERR(fallocate(ro, 0, 0, 1), EBADF);
	CHECK_OK(posix_fallocate(fd, 0, 20000));
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 20000);
}

int main(void)
{
	EVERYWHERE(test_mode);
	EVERYWHERE(test_owner);
	EVERYWHERE(test_write_drops_setid);
	EVERYWHERE(test_times);
	EVERYWHERE(test_write_changes_times);
	EVERYWHERE(test_truncate);
	EVERYWHERE(test_fallocate);
	return 0;
}
