/* SPDX-License-Identifier: Apache-2.0 */
/* memfd_create and seals; names in /proc; shared with a child. */
#include <sys/mman.h>
#include <sys/syscall.h>

#include "fsdir.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif

static void test_basic(void)
{
	char link[64], text[128];
	struct stat st;
	int fd = (int)CHECK_OK(memfd_create("my name", MFD_CLOEXEC));
	ssize_t n;
	char *p;

	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_OK(fstat(fd, &st));
	CHECK(S_ISREG(st.st_mode) && st.st_nlink == 0 && st.st_size == 0);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = CHECK_OK(readlink(link, text, sizeof(text) - 1));
	text[n] = 0;
	CHECK(!strcmp(text, "/memfd:my name (deleted)"));
	CHECK_OK(ftruncate(fd, 8192));
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	strcpy(p + 4096, "shared");
	if (fork() == 0) {
		char buf[8];

		CHECK_EQ(pread(fd, buf, 7, 4096), 7);
		CHECK(!strcmp(buf, "shared"));
		strcpy(p, "child");
		_exit(0);
	}
	int status;
	CHECK_OK(wait(&status));
	CHECK_EQ(status, 0);
	CHECK(!strcmp(p, "child"));
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
	CHECK_ERR(memfd_create("x", 0x80000000u), EINVAL);
	CHECK_ERR(memfd_create((char *)8, 0), EFAULT);
	char longname[300];
	memset(longname, 'n', sizeof(longname));
	longname[249] = 0;
	CHECK_OK(memfd_create(longname, 0));
	longname[249] = 'n';
	longname[250] = 0;
	CHECK_ERR(memfd_create(longname, 0), EINVAL);
	int again = (int)CHECK_OK(open(link, O_RDWR));
	CHECK_EQ(pread(again, text, 5, 0), 5);
	CHECK(!memcmp(text, "child", 5));
}

static void test_seals(void)
{
	int fd = (int)CHECK_OK(memfd_create("s", MFD_ALLOW_SEALING)), ro, null;
	char link[64];
	char *p;

	CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);
	CHECK_OK(ftruncate(fd, 4096));
	CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	CHECK_ERR(ftruncate(fd, 100), EPERM);
	CHECK_OK(ftruncate(fd, 8192));
	CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	CHECK_ERR(ftruncate(fd, 10000), EPERM);
	CHECK_EQ(pwrite(fd, "in", 2, 0), 2);
	CHECK_EQ(pwrite(fd, "across", 6, 8190), 2);
	CHECK_ERR(pwrite(fd, "beyond", 6, 8192), EPERM);
	CHECK_ERR(fallocate(fd, 0, 0, 10000), EPERM);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	CHECK_OK(munmap(p, 4096));
	CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	CHECK_ERR(pwrite(fd, "x", 1, 0), EPERM);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EPERM);
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK(p != MAP_FAILED);
	p[0] = 'p';
	p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED && p[0] == 'i');
	CHECK_ERR(mprotect(p, 4096, PROT_READ | PROT_WRITE), EACCES);
	CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ro = (int)CHECK_OK(open(link, O_RDONLY));
	CHECK_ERR(fcntl(ro, F_ADD_SEALS, F_SEAL_GROW), EPERM);
	null = (int)CHECK_OK(open("/dev/null", O_RDWR));
	CHECK_ERR(fcntl(null, F_GET_SEALS), EINVAL);
	CHECK_ERR(fcntl(null, F_ADD_SEALS, 0), EINVAL);
	fd = (int)CHECK_OK(memfd_create("t", MFD_ALLOW_SEALING));
	CHECK_ERR(fcntl(fd, F_ADD_SEALS, 0x1000), EINVAL);
}

static void test_future_write(void)
{
	int fd = (int)CHECK_OK(memfd_create("s", MFD_ALLOW_SEALING));
	char *p;

	CHECK_OK(ftruncate(fd, 4096));
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	p[0] = 'x'; /* what is mapped may still write */
	CHECK_ERR(pwrite(fd, "y", 1, 0), EPERM);
	CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EPERM);
}

int main(void)
{
	test_basic();
	test_seals();
	test_future_write();
	return 0;
}
