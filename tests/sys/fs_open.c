/* SPDX-License-Identifier: Apache-2.0 */
/* open, openat, creat and their flags; O_PATH, O_TMPFILE, files without a name. */
#include <sys/syscall.h>

#include "fsdir.h"

static void test_create(void)
{
	struct stat st;
	int fd;

	umask(022);
	fd = (int)CHECK_OK(open("f", O_CREAT | O_WRONLY | O_EXCL, 0666));
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_mode, S_IFREG | 0644);
	CHECK_EQ(st.st_size, 0);
	CHECK_EQ(st.st_nlink, 1);
	CHECK_EQ(write(fd, "abc", 3), 3);
	CHECK_ERR(read(fd, &st, 1), EBADF);
	CHECK_OK(close(fd));
	CHECK_ERR(open("f", O_CREAT | O_WRONLY | O_EXCL, 0666), EEXIST);
	CHECK_ERR(open("none", O_RDWR), ENOENT);
	CHECK_ERR(open("f/x", O_RDWR), ENOTDIR);
	CHECK_ERR(open("f/x", O_RDWR | O_CREAT, 0600), ENOTDIR);
	CHECK_ERR(open("none/x", O_RDWR | O_CREAT, 0600), ENOENT);
	CHECK_ERR(open("new/", O_RDWR | O_CREAT, 0600), EISDIR);
	CHECK_ERR(open("", O_RDWR | O_CREAT, 0600), ENOENT);
	CHECK_ERR(open(".", O_RDWR), EISDIR);
	CHECK_ERR(open(".", O_WRONLY), EISDIR);
	CHECK_ERR(open(".", O_RDONLY | O_CREAT, 0600), EISDIR);
	CHECK_ERR(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
	fd = (int)CHECK_OK(open("f", O_RDONLY));
	CHECK_ERR(write(fd, "x", 1), EBADF);
	close(fd);
	/* The mode is for others: the creator may write what nobody may. */
	fd = (int)CHECK_OK(open("ro", O_CREAT | O_RDWR, 0400));
	CHECK_EQ(write(fd, "abc", 3), 3);
	close(fd);
	fd = (int)CHECK_OK(creat("f", 0600));
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, 0);
	CHECK_EQ(st.st_mode & 0777, 0644);
	close(fd);
	fd = (int)CHECK_OK(open(".", O_RDONLY));
	CHECK_ERR(read(fd, &st, 1), EISDIR);
	close(fd);
}

static void test_trunc(void)
{
	int fd, other;
	char c;

	make_file("f", "content");
	other = (int)CHECK_OK(open("f", O_RDONLY));
	fd = (int)CHECK_OK(open("f", O_WRONLY | O_TRUNC));
	CHECK_EQ(read(other, &c, 1), 0);
	CHECK_EQ(write(fd, "new", 3), 3);
	CHECK_EQ(pread(other, &c, 1, 2), 1);
	CHECK_EQ(c, 'w');
	close(fd);
	close(other);
}

static void test_symlink_create(void)
{
	int fd;

	CHECK_OK(symlink("target", "l"));
	CHECK_ERR(open("l", O_CREAT | O_EXCL | O_WRONLY, 0600), EEXIST);
	CHECK_ERR(open("l", O_CREAT | O_NOFOLLOW | O_WRONLY, 0600), ELOOP);
	CHECK_ERR(open("l", O_RDONLY | O_NOFOLLOW), ELOOP);
	fd = (int)CHECK_OK(open("l", O_CREAT | O_WRONLY, 0600));
	close(fd);
	CHECK(exists("target"));
	CHECK_OK(mkdir("d", 0755));
	CHECK_OK(symlink("d", "ld"));
	CHECK_ERR(open("ld", O_RDONLY | O_NOFOLLOW | O_DIRECTORY), ENOTDIR);
	fd = (int)CHECK_OK(open("ld", O_RDONLY | O_DIRECTORY));
	close(fd);
	fd = (int)CHECK_OK(open("ld/new", O_CREAT | O_WRONLY, 0600));
	close(fd);
	CHECK(exists("d/new"));
	CHECK_OK(symlink("loop", "loop"));
	CHECK_ERR(open("loop", O_CREAT | O_WRONLY, 0600), ELOOP);
}

static void test_openat(void)
{
	int d, fd;

	CHECK_OK(mkdir("d", 0755));
	make_file("d/f", "in d");
	d = (int)CHECK_OK(open("d", O_RDONLY));
	fd = (int)CHECK_OK(openat(d, "f", O_RDONLY));
	close(fd);
	CHECK_ERR(openat(d, "none", O_RDONLY), ENOENT);
	CHECK_ERR(openat(-1, "f", O_RDONLY), EBADF);
	CHECK_ERR(openat(99, "f", O_RDONLY), EBADF);
	fd = (int)CHECK_OK(openat(-1, "/", O_RDONLY)); /* not used */
	close(fd);
	fd = (int)CHECK_OK(open("d/f", O_RDONLY));
	CHECK_ERR(openat(fd, "f", O_RDONLY), ENOTDIR);
	CHECK_ERR(openat(d, "", O_RDONLY), ENOENT);
	close(fd);
	/* A directory that moves takes its descriptor along. */
	CHECK_OK(rename("d", "e"));
	fd = (int)CHECK_OK(openat(d, "f", O_RDONLY));
	close(fd);
	close(d);
}

static void test_opath(void)
{
	char link[64], buf[8];
	struct stat st;
	int fd, again;

	make_file("f", "text");
	CHECK_OK(symlink("f", "l"));
	fd = (int)CHECK_OK(open("f", O_PATH));
	CHECK_ERR(read(fd, buf, 1), EBADF);
	CHECK_ERR(write(fd, buf, 1), EBADF);
	CHECK_ERR(fchmod(fd, 0600), EBADF);
	CHECK_ERR(ftruncate(fd, 0), EBADF);
	CHECK_OK(fstat(fd, &st));
	CHECK(S_ISREG(st.st_mode));
	CHECK_EQ(fcntl(fd, F_GETFL), O_PATH);
	CHECK_OK(fstatat(fd, "", &st, AT_EMPTY_PATH));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	again = (int)CHECK_OK(open(link, O_RDWR));
	CHECK_EQ(read(again, buf, 4), 4);
	close(again);
	close(fd);
	fd = (int)CHECK_OK(open("l", O_PATH | O_NOFOLLOW));
	CHECK_OK(fstat(fd, &st));
	CHECK(S_ISLNK(st.st_mode));
	close(fd);
	CHECK_ERR(open("f", O_PATH | O_DIRECTORY), ENOTDIR);
	CHECK_ERR(open("new", O_PATH | O_CREAT, 0600), ENOENT);
	CHECK(!exists("new"));
}

static void test_unlinked(void)
{
	struct stat st;
	char buf[8], path[64], text[PATH_MAX];
	int fd, fd2;
	ssize_t n;

	make_file("f", "still");
	fd = (int)CHECK_OK(open("f", O_RDWR));
	CHECK_OK(unlink("f"));
	CHECK(!exists("f"));
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 0);
	CHECK_EQ(pread(fd, buf, 5, 0), 5);
	CHECK(!memcmp(buf, "still", 5));
	CHECK_EQ(pwrite(fd, "more", 4, 5), 4);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = CHECK_OK(readlink(path, text, sizeof(text) - 1));
	text[n] = 0;
	CHECK(strstr(text, "/f (deleted)"));
	/* The same name is another file. */
	make_file("f", "other");
	CHECK_EQ(pread(fd, buf, 5, 0), 5);
	CHECK(!memcmp(buf, "still", 5));
	fd2 = (int)CHECK_OK(open(path, O_RDONLY));
	CHECK_EQ(pread(fd2, buf, 5, 0), 5);
	CHECK(!memcmp(buf, "still", 5));
	close(fd);
	close(fd2);
}

static void test_tmpfile(void)
{
	char path[64];
	struct stat st;
	int fd = open(".", O_TMPFILE | O_RDWR, 0640);

	if (fd < 0 && errno == EOPNOTSUPP)
		return; /* not every file system can */
	CHECK(fd >= 0);
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_nlink, 0);
	CHECK_EQ(st.st_mode, S_IFREG | 0640);
	CHECK_EQ(write(fd, "hidden", 6), 6);
	CHECK_EQ(count_entries("."), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK_OK(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
	CHECK_TEXT("named", "hidden");
	close(fd);
	fd = (int)CHECK_OK(open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	CHECK_ERR(linkat(AT_FDCWD, path, AT_FDCWD, "never", AT_SYMLINK_FOLLOW), ENOENT);
	close(fd);
	CHECK_ERR(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
	CHECK_ERR(open("named", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
}

static void test_misc_flags(void)
{
	int fd;

	make_file("f", "x");
	fd = (int)CHECK_OK(open("f", O_RDWR | O_APPEND | O_NONBLOCK));
	CHECK_EQ(fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK), O_RDWR | O_APPEND | O_NONBLOCK);
	CHECK_EQ(fcntl(fd, F_GETFD), 0);
	close(fd);
	fd = (int)CHECK_OK(open("f", O_RDONLY | O_CLOEXEC));
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	fd = (int)CHECK_OK(open("f", O_RDONLY | O_NOATIME | O_SYNC));
	close(fd);
	/* Executed files are not written. */
	CHECK_ERR(open("/proc/self/exe", O_WRONLY), ETXTBSY);
}

int main(void)
{
	EVERYWHERE(test_create);
	EVERYWHERE(test_trunc);
	EVERYWHERE(test_symlink_create);
	EVERYWHERE(test_openat);
	EVERYWHERE(test_opath);
	EVERYWHERE(test_unlinked);
	EVERYWHERE(test_tmpfile);
	EVERYWHERE(test_misc_flags);
	return 0;
}
