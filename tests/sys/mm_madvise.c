/* SPDX-License-Identifier: Apache-2.0 */
/* madvise and mincore. */
#include "mm.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

static void dropping(void)
{
	char *p = map(64 * PAGE, RW, ANON);

	memset(p, 'd', 64 * PAGE);
	CHECK_OK(madvise(p + 10 * PAGE, 20 * PAGE, MADV_DONTNEED));
	for (unsigned i = 0; i < 64; i++)
		CHECK_EQ(p[i * PAGE + 5], i >= 10 && i < 30 ? 0 : 'd');
	memset(p, 'e', 64 * PAGE);
	CHECK_OK(madvise(p, 64 * PAGE, MADV_FREE));
	for (unsigned i = 0; i < 64; i++)
		CHECK(p[i * PAGE] == 'e' || p[i * PAGE] == 0);
	p[3 * PAGE] = 'f';
	CHECK_EQ(p[3 * PAGE], 'f');
	CHECK_OK(munmap(p + 8 * PAGE, PAGE));
	CHECK_ERR(madvise(p, 64 * PAGE, MADV_DONTNEED), ENOMEM); /* but all that is there is done */
	CHECK_EQ(p[3 * PAGE], 0);
	CHECK_ERR(madvise(p + 1, PAGE, MADV_DONTNEED), EINVAL);
	CHECK_ERR(madvise(p, PAGE, 999), EINVAL);
	CHECK_OK(madvise(p, 0, MADV_DONTNEED));
	CHECK_OK(munmap(p, 64 * PAGE));
}

static void files(void)
{
	int fd = pattern_file(16 * PAGE);
	char *p = mmap(NULL, 16 * PAGE, RW, MAP_PRIVATE, fd, 0);

	CHECK_OK(madvise(p, 16 * PAGE, MADV_WILLNEED));
	p[5 * PAGE] = 'x';
	CHECK_OK(madvise(p, 16 * PAGE, MADV_DONTNEED));
	CHECK_EQ(p[5 * PAGE], pattern(5 * PAGE));
	CHECK_ERR(madvise(p, 16 * PAGE, MADV_FREE), EINVAL);
	for (int a = MADV_NORMAL; a <= MADV_SEQUENTIAL; a++)
		CHECK_OK(madvise(p, 16 * PAGE, a));
	CHECK_OK(munmap(p, 16 * PAGE));
	close(fd);
	fd = (int)CHECK_OK(memfd_create("m", 0));
	CHECK_OK(ftruncate(fd, 16 * PAGE));
	p = mmap(NULL, 16 * PAGE, RW, MAP_SHARED, fd, 0);
	memset(p, 'm', 16 * PAGE);
	CHECK_OK(madvise(p, 16 * PAGE, MADV_DONTNEED));
	CHECK_EQ(p[0], 'm'); /* the file keeps it */
	CHECK_OK(madvise(p + 4 * PAGE, 4 * PAGE, MADV_REMOVE));
	for (unsigned i = 0; i < 16; i++)
		CHECK_EQ(p[i * PAGE], i >= 4 && i < 8 ? 0 : 'm');
	CHECK_OK(munmap(p, 16 * PAGE));
	p = map(4 * PAGE, RW, ANON);
	CHECK_ERR(madvise(p, 4 * PAGE, MADV_REMOVE), EINVAL);
	CHECK_OK(munmap(p, 4 * PAGE));
	close(fd);
}

static void over_fork(void)
{
	char *keep = map(4 * PAGE, RW, ANON), *wipe = map(4 * PAGE, RW, ANON), *gone = map(4 * PAGE, RW, ANON);
	pid_t pid;

	memset(keep, 'k', 4 * PAGE);
	memset(wipe, 'w', 4 * PAGE);
	memset(gone, 'g', 4 * PAGE);
	CHECK_OK(madvise(wipe + PAGE, PAGE, MADV_WIPEONFORK));
	CHECK_OK(madvise(gone, 4 * PAGE, MADV_DONTFORK));
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		CHECK_EQ(keep[0], 'k');
		CHECK_EQ(wipe[0], 'w');
		CHECK_EQ(wipe[PAGE], 0);
		wipe[PAGE] = 'x';
		CHECK_EQ(wipe[2 * PAGE], 'w');
		CHECK_EQ(try_read(gone), SIGSEGV);
		/* The child's memory is wiped in its children, too. */
		pid = (pid_t)CHECK_OK(fork());
		if (!pid) {
			CHECK_EQ(wipe[PAGE], 0);
			_exit(0);
		}
		CHECK_EQ(wait_for(pid), 0);
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
	CHECK_EQ(wipe[PAGE], 'w');
	CHECK_OK(madvise(wipe, 4 * PAGE, MADV_KEEPONFORK));
	CHECK_OK(madvise(gone, 4 * PAGE, MADV_DOFORK));
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		CHECK_EQ(wipe[PAGE], 'w');
		CHECK_EQ(gone[PAGE], 'g');
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
	CHECK_OK(munmap(keep, 4 * PAGE));
	CHECK_OK(munmap(wipe, 4 * PAGE));
	CHECK_OK(munmap(gone, 4 * PAGE));
}

static void residence(void)
{
	char *p = map(64 * PAGE, RW, ANON);
	unsigned char vec[64];
	int fd;

	CHECK_OK(mincore(p, 64 * PAGE, vec));
	for (int i = 0; i < 64; i++)
		CHECK_EQ(vec[i] & 1, 0);
	p[20 * PAGE] = 1;
	CHECK_OK(mincore(p, 64 * PAGE, vec));
	CHECK_EQ(vec[20] & 1, 1);
	CHECK_OK(madvise(p, 64 * PAGE, MADV_DONTNEED));
	CHECK_OK(mincore(p, 64 * PAGE, vec));
	CHECK_EQ(vec[20] & 1, 0);
	if (!madvise(p, 32 * PAGE, MADV_POPULATE_WRITE)) {
		CHECK_OK(mincore(p, 64 * PAGE, vec));
		for (int i = 0; i < 32; i++)
			CHECK_EQ(vec[i] & 1, 1);
		CHECK_OK(madvise(p, 64 * PAGE, MADV_POPULATE_READ));
		CHECK_OK(mprotect(p, 64 * PAGE, PROT_READ));
		CHECK_ERR(madvise(p, 64 * PAGE, MADV_POPULATE_WRITE), EINVAL);
		CHECK_OK(mprotect(p, 64 * PAGE, PROT_WRITE));
		CHECK_ERR(madvise(p, 64 * PAGE, MADV_POPULATE_READ), EINVAL);
		CHECK_OK(mprotect(p, 64 * PAGE, PROT_READ));
		CHECK_OK(munmap(p + 40 * PAGE, PAGE));
		CHECK_ERR(madvise(p, 64 * PAGE, MADV_POPULATE_READ), ENOMEM);
	} else {
		CHECK_EQ(errno, EINVAL);
		CHECK_OK(munmap(p + 40 * PAGE, PAGE));
	}
	CHECK_ERR(mincore(p, 64 * PAGE, vec), ENOMEM);
	CHECK_ERR(mincore(p + 1, PAGE, vec), EINVAL);
	CHECK_ERR(mincore(p, PAGE, (unsigned char *)8), EFAULT);
	CHECK_OK(munmap(p, 64 * PAGE));
	p = mmap(NULL, 64 * PAGE, RW, ANON | MAP_POPULATE, -1, 0);
	CHECK_OK(mincore(p, 64 * PAGE, vec));
	for (int i = 0; i < 64; i++)
		CHECK_EQ(vec[i] & 1, 1);
	CHECK_OK(munmap(p, 64 * PAGE));
	fd = pattern_file(4 * PAGE);
	p = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	CHECK_EQ(p[0], pattern(0));
	CHECK_OK(mincore(p, 4 * PAGE, vec));
	CHECK_EQ(vec[0] & 1, 1);
	CHECK_OK(munmap(p, 4 * PAGE));
	close(fd);
}

int main(void)
{
	catch_faults();
	dropping();
	files();
	over_fork();
	residence();
	return 0;
}
