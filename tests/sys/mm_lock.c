/* SPDX-License-Identifier: Apache-2.0 */
/* mlock and its family, memory policies. */
#include <sys/resource.h>
#include <sys/syscall.h>

#include "mm.h"

#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

static void locking(void)
{
	char *p = map(16 * PAGE, RW, ANON);
	unsigned char vec[16];

	CHECK_OK(mlock(p + 10, 3 * PAGE)); /* rounded out to four pages */
	CHECK_OK(mincore(p, 16 * PAGE, vec));
	for (int i = 0; i < 4; i++)
		CHECK_EQ(vec[i] & 1, 1);
	CHECK_ERR(madvise(p, PAGE, MADV_DONTNEED), EINVAL);
	CHECK_OK(munlock(p, 16 * PAGE));
	CHECK_OK(madvise(p, PAGE, MADV_DONTNEED));
	if (syscall(SYS_mlock2, p, 16 * PAGE, MLOCK_ONFAULT) < 0)
		CHECK_EQ(errno, ENOSYS);
	CHECK_ERR(syscall(SYS_mlock2, p, PAGE, 8), EINVAL);
	CHECK_OK(munlock(p, 16 * PAGE));
	CHECK_OK(munmap(p + 8 * PAGE, PAGE));
	CHECK_ERR(mlock(p, 16 * PAGE), ENOMEM);
	CHECK_ERR(munlock(p, 16 * PAGE), ENOMEM);
	CHECK_ERR(mlockall(0), EINVAL);
	CHECK_ERR(mlockall(64), EINVAL);
	CHECK_OK(munmap(p, 16 * PAGE));
	p = mmap(NULL, 8 * PAGE, RW, ANON | MAP_LOCKED, -1, 0);
	CHECK(p != MAP_FAILED);
	CHECK_OK(mincore(p, 8 * PAGE, vec));
	CHECK_EQ(vec[7] & 1, 1);
	CHECK_OK(munmap(p, 8 * PAGE));
}

static void everything(void)
{
	pid_t pid = (pid_t)CHECK_OK(fork());

	if (!pid) {
		unsigned char vec[8];
		char *p;

		if (mlockall(MCL_CURRENT | MCL_FUTURE) < 0)
			_exit(errno == ENOMEM || errno == EPERM ? 0 : 1);
		p = map(8 * PAGE, RW, ANON);
		CHECK_OK(mincore(p, 8 * PAGE, vec));
		CHECK_EQ(vec[5] & 1, 1);
		CHECK_OK(munlockall());
		p = map(8 * PAGE, RW, ANON);
		CHECK_OK(munmap(p, 8 * PAGE));
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
}

static void limits(void)
{
	pid_t pid = (pid_t)CHECK_OK(fork());

	if (!pid) {
		struct rlimit r = {8 * PAGE, 8 * PAGE};
		char *p = map(16 * PAGE, RW, ANON);

		CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &r));
		if (!geteuid())
			CHECK_OK(setresuid(12345, 12345, 12345));
		CHECK_OK(mlock(p, 8 * PAGE));
		CHECK_OK(mlock(p, 8 * PAGE)); /* again: nothing more */
		CHECK_ERR(mlock(p, 9 * PAGE), ENOMEM);
		CHECK_ERR((long)mmap(NULL, PAGE, RW, ANON | MAP_LOCKED, -1, 0), EAGAIN);
		CHECK_OK(munlock(p, 8 * PAGE));
		r.rlim_cur = PAGE - 1; /* not nothing, but not enough */
		CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &r));
		CHECK_ERR(mlock(p, PAGE), ENOMEM);
		r.rlim_cur = 0;
		CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &r));
		CHECK_ERR(mlock(p, PAGE), EPERM);
		CHECK_ERR(mlockall(MCL_CURRENT), EPERM);
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
}

static void policy(void)
{
	unsigned long mask[16] = {1}, none[16] = {0};
	char *p = map(PAGE, RW, ANON);
	int mode = 7;

	if (syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0) < 0 && errno == ENOSYS)
		return;
	CHECK_EQ(mode, 0);
	CHECK_OK(syscall(SYS_get_mempolicy, NULL, mask, 1024, NULL, 4 /* MEMS_ALLOWED */));
	CHECK(mask[0] & 1);
	CHECK_OK(syscall(SYS_set_mempolicy, 0, NULL, 0));
	CHECK_OK(syscall(SYS_set_mempolicy, 2 /* BIND */, mask, 1024));
	CHECK_ERR(syscall(SYS_set_mempolicy, 2, none, 1024), EINVAL);
	CHECK_ERR(syscall(SYS_set_mempolicy, 99, NULL, 0), EINVAL);
	CHECK_OK(syscall(SYS_mbind, p, PAGE, 2, mask, 1024, 0));
	CHECK_ERR(syscall(SYS_mbind, p + 1, PAGE, 2, mask, 1024, 0), EINVAL);
	CHECK_ERR(syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 77), EINVAL);
	void *pages[2] = {p, (void *)8};
	int status[2] = {55, 55};

	p[0] = 1;
	CHECK_OK(syscall(SYS_move_pages, 0, 2, pages, NULL, status, 0));
	CHECK_EQ(status[0], 0);
	CHECK(status[1] == -EFAULT || status[1] == -ENOENT);
	CHECK_OK(munmap(p, PAGE));
}

static void keys(void)
{
	char *p = map(PAGE, RW, ANON);
	long key = syscall(SYS_pkey_alloc, 0, 0);

	CHECK_ERR(syscall(SYS_pkey_alloc, 1, 0), EINVAL);
	CHECK_OK(syscall(SYS_pkey_mprotect, p, PAGE, PROT_READ, -1));
	CHECK_ERR(syscall(SYS_pkey_free, 99), EINVAL);
	if (key >= 0)
		CHECK_OK(syscall(SYS_pkey_free, key));
	CHECK_OK(munmap(p, PAGE));
}

static void advising_others(void)
{
	char *p = map(4 * PAGE, RW, ANON);
	struct iovec {
		void *base;
		size_t len;
	} v = {p, 4 * PAGE};
	int fd = (int)syscall(434 /* pidfd_open */, getpid(), 0);

	if (fd < 0)
		return;
	CHECK_EQ(syscall(440 /* process_madvise */, fd, &v, 1, 20 /* COLD */, 0), 4 * (long)PAGE);
	CHECK_ERR(syscall(440, fd, &v, 1, 20, 1), EINVAL);
	CHECK_ERR(syscall(440, -1, &v, 1, 20, 0), EBADF);
	close(fd);
	CHECK_OK(munmap(p, 4 * PAGE));
}

int main(void)
{
	locking();
	everything();
	limits();
	policy();
	keys();
	advising_others();
	return 0;
}
