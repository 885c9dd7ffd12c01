/* SPDX-License-Identifier: Apache-2.0 */
/* openat2: argument checks and what RESOLVE_* forbids. */
#include <stdint.h>

#include <linux/openat2.h>
#include <sys/syscall.h>

#include "fsdir.h"

static long open_how(int dfd, const char *name, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};

	return syscall(SYS_openat2, dfd, name, &how, sizeof(how));
}

static long try(const char *name, uint64_t resolve)
{
	long fd = open_how(AT_FDCWD, name, O_RDONLY, 0, resolve);

	if (fd >= 0)
		close((int)fd);
	return fd;
}

static void test_arguments(void)
{
	struct {
		struct open_how how;
		uint64_t more;
	} big = {.how = {.flags = O_RDONLY}};

	make_file("f", "x");
	CHECK_OK(try("f", 0));
	CHECK_ERR(syscall(SYS_openat2, AT_FDCWD, "f", &big.how, 0), EINVAL);
	CHECK_ERR(syscall(SYS_openat2, AT_FDCWD, "f", &big.how, 23), EINVAL);
	CHECK_OK(syscall(SYS_openat2, AT_FDCWD, "f", &big, sizeof(big)));
	big.more = 1;
	CHECK_ERR(syscall(SYS_openat2, AT_FDCWD, "f", &big, sizeof(big)), E2BIG);
	CHECK_ERR(syscall(SYS_openat2, AT_FDCWD, "f", &big, 100000), E2BIG);
	CHECK_ERR(syscall(SYS_openat2, AT_FDCWD, "f", (void *)8, sizeof(big.how)), EFAULT);
	CHECK_ERR(open_how(AT_FDCWD, "f", O_RDONLY | 1ull << 40, 0, 0), EINVAL);
	CHECK_ERR(open_how(AT_FDCWD, "f", O_RDONLY, 0644, 0), EINVAL);
	CHECK_ERR(open_how(AT_FDCWD, "g", O_WRONLY | O_CREAT, 010000, 0), EINVAL);
	CHECK_ERR(open_how(AT_FDCWD, "f", O_RDONLY, 0, 1ull << 20), EINVAL);
	CHECK_ERR(open_how(AT_FDCWD, "f", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT), EINVAL);
	CHECK_ERR(open_how(AT_FDCWD, "f", O_PATH | O_RDWR, 0, 0), EINVAL);
	CHECK_OK(open_how(AT_FDCWD, "g", O_WRONLY | O_CREAT, 0600, 0));
	CHECK(exists("g"));
}

static void test_resolve(void)
{
	char cwd[PATH_MAX], abs[PATH_MAX + 8];

	CHECK(getcwd(cwd, sizeof(cwd)));
	snprintf(abs, sizeof(abs), "%s/d/f", cwd);
	CHECK_OK(mkdir("d", 0755));
	make_file("d/f", "x");
	CHECK_OK(symlink("f", "d/l"));
	CHECK_OK(symlink("d", "ld"));
	CHECK_OK(symlink("../d/f", "d/up"));
	CHECK_OK(symlink("../../", "d/out"));
	CHECK_OK(symlink(abs, "abs"));

	CHECK_OK(try("d/f", RESOLVE_NO_SYMLINKS));
	CHECK_ERR(try("d/l", RESOLVE_NO_SYMLINKS), ELOOP);
	CHECK_ERR(try("ld/f", RESOLVE_NO_SYMLINKS), ELOOP);

	CHECK_OK(try("d/../d/f", RESOLVE_BENEATH));
	CHECK_OK(try("d/up", RESOLVE_BENEATH));
	CHECK_ERR(try("..", RESOLVE_BENEATH), EXDEV);
	CHECK_ERR(try("d/../..", RESOLVE_BENEATH), EXDEV);
	CHECK_ERR(try("d/out", RESOLVE_BENEATH), EXDEV);
	CHECK_ERR(try("abs", RESOLVE_BENEATH), EXDEV);
	CHECK_ERR(try(abs, RESOLVE_BENEATH), EXDEV);

	CHECK_OK(try("/d/f", RESOLVE_IN_ROOT));
	CHECK_OK(try("../../../d/f", RESOLVE_IN_ROOT));
	CHECK_ERR(try("abs", RESOLVE_IN_ROOT), ENOENT);
	CHECK_OK(try("d/out", RESOLVE_IN_ROOT));

	CHECK_OK(try("d/f", RESOLVE_NO_XDEV));
	CHECK_ERR(try("/proc/self/stat", RESOLVE_NO_XDEV), EXDEV);

	CHECK_OK(try("/proc/self/cwd", 0));
	CHECK_ERR(try("/proc/self/cwd", RESOLVE_NO_MAGICLINKS), ELOOP);
	CHECK_ERR(try("/proc/self/cwd/d", RESOLVE_NO_MAGICLINKS), ELOOP);
	CHECK_OK(try("d/l", RESOLVE_NO_MAGICLINKS));
}

static void test_create_beneath(void)
{
	long fd = CHECK_OK(open_how(AT_FDCWD, "new", O_CREAT | O_WRONLY, 0600, RESOLVE_BENEATH));

	close((int)fd);
	CHECK_ERR(open_how(AT_FDCWD, "../new", O_CREAT | O_WRONLY, 0600, RESOLVE_BENEATH), EXDEV);
	CHECK_ERR(open_how(AT_FDCWD, "new2", O_CREAT | O_WRONLY, 0600, RESOLVE_CACHED), EAGAIN);
}

int main(void)
{
	struct open_how how = {.flags = O_RDONLY};

	if (syscall(SYS_openat2, AT_FDCWD, ".", &how, sizeof(how)) < 0 && errno == ENOSYS)
		SKIP("no openat2");
	EVERYWHERE(test_arguments);
	EVERYWHERE(test_resolve);
	EVERYWHERE(test_create_beneath);
	return 0;
}
