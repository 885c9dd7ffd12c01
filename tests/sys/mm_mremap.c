/* SPDX-License-Identifier: Apache-2.0 */
/* mremap and remap_file_pages. */
#include <sys/syscall.h>

#include "mm.h"

#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP 4
#endif

static void fill(char *p, size_t pages, char c)
{
	for (size_t i = 0; i < pages; i++)
		p[i * PAGE + 1] = (char)(c + (char)i);
}

static void check(const char *p, size_t pages, char c)
{
	for (size_t i = 0; i < pages; i++)
		CHECK_EQ(p[i * PAGE + 1], (char)(c + (char)i));
}

static void resize(void)
{
	char *area = map(64 * PAGE, PROT_NONE, ANON), *p = area;

	CHECK(mmap(p, 8 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == p);
	fill(p, 8, 1);
	CHECK(mremap(p, 8 * PAGE, 4 * PAGE, 0) == p);
	CHECK_EQ(try_read(p + 4 * PAGE), SIGSEGV);
	CHECK_ERR((long)mremap(p, 4 * PAGE, 100 * PAGE, 0), ENOMEM);
	CHECK(mremap(p, 4 * PAGE, 8 * PAGE, 0) == p); /* into the room just made */
	check(p, 4, 1);
	CHECK_EQ(p[4 * PAGE + 1], 0);
	fill(p, 8, 1);
	CHECK_OK(munmap(area + 8 * PAGE, 56 * PAGE));
	CHECK(mremap(p, 8 * PAGE, 30 * PAGE, 0) == p);
	check(p, 8, 1);
	p[29 * PAGE] = 1;
	CHECK_OK(munmap(p, 30 * PAGE));
}

static void move(void)
{
	char *p = map(300 * PAGE, RW, ANON), *q, *r;

	fill(p, 100, 3); /* the rest is never touched */
	CHECK(mmap(p + 300 * PAGE, PAGE, PROT_NONE, ANON, -1, 0) != MAP_FAILED);
	q = mremap(p, 300 * PAGE, 900 * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED);
	check(q, 100, 3);
	if (q != p)
		CHECK_EQ(try_read(p), SIGSEGV);
	CHECK_EQ(q[899 * PAGE], 0);
	/* The middle of a mapping to a given place. */
	r = map(40 * PAGE, RW, ANON);
	memset(r, 'r', 40 * PAGE);
	CHECK(mremap(q + 10 * PAGE, 20 * PAGE, 20 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, r + 5 * PAGE) == r + 5 * PAGE);
	check(r + 5 * PAGE, 20, 13);
	CHECK_EQ(r[0], 'r');
	CHECK_EQ(r[25 * PAGE], 'r');
	CHECK_FAULT(try_read(q + 10 * PAGE), SIGSEGV, SEGV_MAPERR, q + 10 * PAGE);
	check(q, 10, 3);
	check(q + 30 * PAGE, 70, 33);
	/* Smaller at the new place. */
	CHECK(mremap(q + 40 * PAGE, 10 * PAGE, 5 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, r) == r);
	check(r, 5, 43);
	CHECK_EQ(try_read(q + 45 * PAGE), SIGSEGV);
	/* Copy on write goes along. */
	pid_t pid = (pid_t)CHECK_OK(fork());

	if (!pid) {
		char *m = mremap(r, 5 * PAGE, 50 * PAGE, MREMAP_MAYMOVE);

		CHECK(m != MAP_FAILED);
		check(m, 5, 43);
		fill(m, 5, 99);
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
	check(r, 5, 43);
	CHECK_OK(munmap(q, 900 * PAGE));
	CHECK_OK(munmap(r, 40 * PAGE));
}

static void errors(void)
{
	char *p = map(8 * PAGE, RW, ANON);

	CHECK_ERR((long)mremap(p + 1, PAGE, PAGE, 0), EINVAL);
	CHECK_ERR((long)mremap(p, PAGE, 0, 0), EINVAL);
	CHECK_ERR((long)mremap(p, PAGE, PAGE, 128), EINVAL);
	CHECK_ERR((long)mremap(p, PAGE, PAGE, MREMAP_FIXED, p + 4 * PAGE), EINVAL);
	CHECK_ERR((long)mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 2 * PAGE), EINVAL);
	CHECK_ERR((long)mremap(p, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, p + 1), EINVAL);
	CHECK_ERR((long)mremap(p, 0, 4 * PAGE, MREMAP_MAYMOVE), EINVAL);
	CHECK_OK(munmap(p + 4 * PAGE, PAGE));
	CHECK_ERR((long)mremap(p, 8 * PAGE, 16 * PAGE, MREMAP_MAYMOVE), EFAULT);
	CHECK_ERR((long)mremap(p + 4 * PAGE, PAGE, 2 * PAGE, MREMAP_MAYMOVE), EFAULT);
	CHECK_OK(munmap(p, 8 * PAGE));
}

static void files(void)
{
	int fd = pattern_file(64 * PAGE);
	char *p = mmap(NULL, 16 * PAGE, RW, MAP_SHARED, fd, 4 * PAGE), *q, *dup;

	CHECK(p != MAP_FAILED);
	CHECK_EQ(p[0], pattern(4 * PAGE));
	q = mremap(p, 16 * PAGE, 40 * PAGE, MREMAP_MAYMOVE);
	CHECK(q != MAP_FAILED);
	for (unsigned i = 0; i < 40; i++)
		CHECK_EQ(q[i * PAGE], pattern((i + 4) * PAGE));
	/* Old length 0 of a shared mapping: a second one. */
	dup = mremap(q + 2 * PAGE, 0, 3 * PAGE, MREMAP_MAYMOVE);
	CHECK(dup != MAP_FAILED && dup != q + 2 * PAGE);
	dup[0] = 'D';
	CHECK_EQ(q[2 * PAGE], 'D');
	CHECK_OK(munmap(dup, 3 * PAGE));
	/* Pages of a shared mapping in another order. */
	CHECK_OK(syscall(SYS_remap_file_pages, q, PAGE, 0, 20, 0));
	CHECK_EQ(q[0], pattern(20 * PAGE));
	CHECK_EQ(q[PAGE], pattern(5 * PAGE));
	CHECK_ERR(syscall(SYS_remap_file_pages, q, PAGE, PROT_READ, 20, 0), EINVAL);
	CHECK_OK(munmap(q, 40 * PAGE));
	close(fd);
}

static void dont_unmap(void)
{
	char *p = map(20 * PAGE, RW, ANON), *q;

	fill(p, 20, 7);
	q = mremap(p, 20 * PAGE, 20 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	if (q == MAP_FAILED && errno == EINVAL)
		return; /* before Linux 5.7 */
	CHECK(q != MAP_FAILED && q != p);
	check(q, 20, 7);
	for (unsigned i = 0; i < 20; i++)
		CHECK_EQ(p[i * PAGE + 1], 0);
	p[0] = 1;
	CHECK_EQ(q[0], 0);
	CHECK_OK(munmap(p, 20 * PAGE));
	CHECK_OK(munmap(q, 20 * PAGE));
}

int main(void)
{
	catch_faults();
	resize();
	move();
	errors();
	files();
	dont_unmap();
	return 0;
}
