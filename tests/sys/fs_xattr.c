/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setxattr, lsetxattr, fsetxattr, getxattr, lgetxattr, fgetxattr, listxattr, llistxattr, flistxattr, removexattr,
 * lremovexattr, fremovexattr. Skipped where the file system has no user attributes.
 */
#include <sys/xattr.h>

#include "fsdir.h"

static int has_name(const char *list, ssize_t n, const char *name)
{
	for (const char *s = list; s < list + n; s += strlen(s) + 1) {
		if (!strcmp(s, name))
			return 1;
	}
	return 0;
}

static void test_user(void)
{
	char buf[256], name[300];
	int fd;
	ssize_t n;

	make_file("f", "x");
	if (setxattr("f", "user.one", "1", 1, 0) < 0 && errno == EOPNOTSUPP)
		return;
	CHECK_EQ(getxattr("f", "user.one", buf, sizeof(buf)), 1);
	CHECK_EQ(buf[0], '1');
	CHECK_EQ(getxattr("f", "user.one", NULL, 0), 1);
	CHECK_OK(setxattr("f", "user.two", "value two", 9, XATTR_CREATE));
	CHECK_ERR(setxattr("f", "user.two", "x", 1, XATTR_CREATE), EEXIST);
	CHECK_ERR(setxattr("f", "user.three", "x", 1, XATTR_REPLACE), ENODATA);
	CHECK_OK(setxattr("f", "user.two", "2", 1, XATTR_REPLACE));
	CHECK_EQ(getxattr("f", "user.two", buf, sizeof(buf)), 1);
	CHECK_OK(setxattr("f", "user.two", "value two", 9, 0));
	CHECK_ERR(getxattr("f", "user.two", buf, 3), ERANGE);
	CHECK_ERR(getxattr("f", "user.none", buf, 3), ENODATA);
	CHECK_OK(setxattr("f", "user.empty", "", 0, 0));
	CHECK_EQ(getxattr("f", "user.empty", buf, sizeof(buf)), 0);
	n = CHECK_OK(listxattr("f", buf, sizeof(buf)));
	CHECK(has_name(buf, n, "user.one") && has_name(buf, n, "user.two") && has_name(buf, n, "user.empty"));
	CHECK_EQ(listxattr("f", NULL, 0), n);
	CHECK_ERR(listxattr("f", buf, 3), ERANGE);
	CHECK_OK(removexattr("f", "user.one"));
	CHECK_ERR(removexattr("f", "user.one"), ENODATA);
	CHECK_ERR(getxattr("f", "user.one", buf, sizeof(buf)), ENODATA);
	fd = (int)CHECK_OK(open("f", O_RDONLY));
	CHECK_OK(fsetxattr(fd, "user.fd", "by fd", 5, 0));
	CHECK_EQ(fgetxattr(fd, "user.fd", buf, sizeof(buf)), 5);
	CHECK(flistxattr(fd, buf, sizeof(buf)) > 0);
	CHECK_OK(fremovexattr(fd, "user.fd"));
	close(fd);
	CHECK_ERR(fsetxattr(fd, "user.fd", "", 0, 0), EBADF);
	CHECK_ERR(setxattr("f", "bad", "x", 1, 0), EOPNOTSUPP);
	CHECK_ERR(setxattr("f", "", "x", 1, 0), ERANGE);
	CHECK_ERR(setxattr("f", "user.x", "x", 1, 8), EINVAL);
	CHECK_ERR(setxattr("f", "user.x", buf, 65537, 0), E2BIG);
	CHECK_ERR(setxattr("none", "user.x", "x", 1, 0), ENOENT);
	CHECK_ERR(setxattr("f", "user.x", (void *)8, 10, 0), EFAULT);
	memset(name, 'n', sizeof(name));
	memcpy(name, "user.", 5);
	name[256] = 0;
	CHECK_ERR(setxattr("f", name, "x", 1, 0), ERANGE);
	/* They stay with the file. */
	CHECK_OK(rename("f", "g"));
	CHECK_OK(chmod("g", 0600));
	CHECK_EQ(getxattr("g", "user.two", buf, sizeof(buf)), 9);
	CHECK(!memcmp(buf, "value two", 9));
}

static void test_symlinks(void)
{
	char buf[64];

	make_file("f", "x");
	if (setxattr("f", "user.t", "1", 1, 0) < 0)
		return;
	CHECK_OK(symlink("f", "l"));
	CHECK_EQ(getxattr("l", "user.t", buf, sizeof(buf)), 1);
	CHECK_ERR(lsetxattr("l", "user.t", "1", 1, 0), EPERM);
	CHECK_ERR(lgetxattr("l", "user.t", buf, sizeof(buf)), ENODATA);
	CHECK_ERR(lremovexattr("l", "user.t"), EPERM);
	CHECK(llistxattr("l", buf, sizeof(buf)) >= 0);
	CHECK_OK(mkfifo("p", 0600));
	CHECK_ERR(setxattr("p", "user.t", "1", 1, 0), EPERM);
	CHECK_OK(mkdir("d", 0700));
	CHECK_OK(setxattr("d", "user.t", "dir", 3, 0));
	CHECK_EQ(getxattr("d", "user.t", buf, sizeof(buf)), 3);
}

static void test_unprivileged(void)
{
	char buf[256];
	int status;

	if (getuid() != 0)
		return;
	make_file("f", "x");
	CHECK_OK(chmod("f", 0644));
	if (setxattr("f", "user.t", "1", 1, 0) < 0)
		return;
	const int trusted = setxattr("f", "trusted.t", "1", 1, 0) == 0;
	if (fork() == 0) {
		ssize_t n;

		CHECK_OK(setgid(1000));
		CHECK_OK(setuid(1000));
		CHECK_EQ(getxattr("f", "user.t", buf, sizeof(buf)), 1);
		CHECK_ERR(setxattr("f", "user.t", "2", 1, 0), EACCES);
		CHECK_ERR(setxattr("f", "trusted.t", "2", 1, 0), EPERM);
		CHECK_ERR(getxattr("f", "trusted.t", buf, sizeof(buf)), ENODATA);
		n = CHECK_OK(listxattr("f", buf, sizeof(buf)));
		CHECK(!has_name(buf, n, "trusted.t"));
		_exit(0);
	}
	CHECK_OK(wait(&status));
	CHECK_EQ(status, 0);
	if (trusted)
		CHECK_EQ(getxattr("f", "trusted.t", buf, sizeof(buf)), 1);
}

int main(void)
{
	EVERYWHERE(test_user);
	EVERYWHERE(test_symlinks);
	EVERYWHERE(test_unprivileged);
	return 0;
}
