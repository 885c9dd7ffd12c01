/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapped files: shared and private, together with read and write, beyond the end, truncated under the mapping, msync.
 */
#include <sys/stat.h>
#include <sys/vfs.h>

#include "mm.h"

#define LEN (40 * PAGE + 100)

static void reading(int fd)
{
	char *p = mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, 0), *q;

	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < LEN; i += 33)
		CHECK_EQ(p[i], pattern(i));
	/* The rest of the last page is zero, behind it there is nothing. */
	CHECK_EQ(p[LEN], 0);
	CHECK_EQ(p[41 * PAGE - 1], 0);
	q = mmap(NULL, 50 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
	CHECK(q != MAP_FAILED);
	CHECK_FAULT(try_read(q + 41 * PAGE), SIGBUS, BUS_ADRERR, q + 41 * PAGE);
	CHECK_OK(munmap(q, 50 * PAGE));
	q = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 7 * PAGE);
	CHECK(q != MAP_FAILED && q[3] == pattern(7 * PAGE + 3));
	CHECK_OK(munmap(q, PAGE));
	CHECK_OK(munmap(p, LEN));
}

static void writing(int fd)
{
	char *s = mmap(NULL, LEN, RW, MAP_SHARED, fd, 0), *t = mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, 0), buf[64];
	char *priv = mmap(NULL, LEN, RW, MAP_PRIVATE, fd, 0);

	CHECK(s != MAP_FAILED && t != MAP_FAILED && priv != MAP_FAILED);
	CHECK_EQ(priv[5 * PAGE], pattern(5 * PAGE));
	/* shared mapping -> other mapping, read() */
	s[5 * PAGE] = 'S';
	CHECK_EQ(t[5 * PAGE], 'S');
	CHECK_EQ(pread(fd, buf, 1, 5 * PAGE), 1);
	CHECK_EQ(buf[0], 'S');
	CHECK_EQ(priv[5 * PAGE], 'S'); /* not written itself yet: Linux shows the change */
	/* write() -> mappings */
	CHECK_EQ(pwrite(fd, "WRITE", 5, 6 * PAGE - 2), 5);
	CHECK(!memcmp(t + 6 * PAGE - 2, "WRITE", 5));
	/* private mapping: only for itself */
	priv[7 * PAGE] = 'P';
	CHECK_EQ(t[7 * PAGE], pattern(7 * PAGE));
	CHECK_EQ(pread(fd, buf, 1, 7 * PAGE), 1);
	CHECK_EQ(buf[0], pattern(7 * PAGE));
	s[7 * PAGE] = 'Q';
	CHECK_EQ(priv[7 * PAGE], 'P');
	/* writing what is mapped: source and target are the same page */
	CHECK_EQ(pwrite(fd, t + 9 * PAGE + 10, 2 * PAGE, 9 * PAGE), 2 * (ssize_t)PAGE);
	CHECK_EQ(t[9 * PAGE], pattern(9 * PAGE + 10));
	CHECK_OK(msync(s, LEN, MS_SYNC));
	CHECK_OK(msync(s, LEN, MS_ASYNC));
	s[5 * PAGE] = 'T'; /* written again after it was cleaned */
	CHECK_OK(fsync(fd));
	CHECK_EQ(pread(fd, buf, 1, 5 * PAGE), 1);
	CHECK_EQ(buf[0], 'T');
	CHECK_OK(munmap(s, LEN));
	CHECK_OK(munmap(t, LEN));
	CHECK_OK(munmap(priv, LEN));
	CHECK_ERR(msync(s, PAGE, MS_SYNC), ENOMEM);
	CHECK_ERR(msync(s + 1, PAGE, MS_SYNC), EINVAL);
	CHECK_ERR(msync(s, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
	CHECK_ERR(msync(s, PAGE, 64), EINVAL);
}

static int on_tmpfs(int fd)
{
	struct statfs st;

	CHECK_OK(fstatfs(fd, &st));
	return st.f_type == 0x01021994;
}

static void truncating(void)
{
	int fd = pattern_file(16 * PAGE);
	char *s = mmap(NULL, 16 * PAGE, RW, MAP_SHARED, fd, 0), *priv = mmap(NULL, 16 * PAGE, RW, MAP_PRIVATE, fd, 0);

	for (unsigned i = 0; i < 16; i++) {
		CHECK_EQ(s[i * PAGE], pattern(i * PAGE));
		priv[i * PAGE] = 'p';
	}
	CHECK_OK(ftruncate(fd, 8 * PAGE + 10));
	CHECK_EQ(s[8 * PAGE + 9], pattern(8 * PAGE + 9));
	CHECK_EQ(s[8 * PAGE + 10], 0);
	CHECK_FAULT(try_read(s + 9 * PAGE), SIGBUS, BUS_ADRERR, s + 9 * PAGE);
	CHECK_FAULT(try_write(s + 15 * PAGE, 1), SIGBUS, BUS_ADRERR, s + 15 * PAGE);
	/* Private copies beyond the end go as well. */
	CHECK_EQ(priv[8 * PAGE], 'p');
	CHECK_FAULT(try_read(priv + 9 * PAGE), SIGBUS, BUS_ADRERR, priv + 9 * PAGE);
	/* What a program leaves behind the end in the last page is not part of the file. */
	s[8 * PAGE + 50] = 'x';
	CHECK_OK(ftruncate(fd, 16 * PAGE));
	CHECK(s[8 * PAGE + 50] == 0 || on_tmpfs(fd)); /* Linux's keeps it */
	CHECK_EQ(s[9 * PAGE], 0);
	s[9 * PAGE] = 'n';
	CHECK_EQ(s[9 * PAGE], 'n');
	CHECK_EQ(s[15 * PAGE + 5], 0);
	CHECK_OK(ftruncate(fd, 0));
	CHECK_EQ(try_read(s), SIGBUS);
	CHECK_OK(munmap(s, 16 * PAGE));
	CHECK_OK(munmap(priv, 16 * PAGE));
	close(fd);
}

/* Mappings outlive descriptor and name, and go over to children. */
static void sharing(void)
{
	int fd = pattern_file(4 * PAGE);
	char *s = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0), *priv = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0);
	pid_t pid;

	close(fd);
	priv[0] = 'a';
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		CHECK_EQ(priv[0], 'a');
		CHECK_EQ(priv[PAGE], pattern(PAGE));
		priv[0] = 'c';
		s[2 * PAGE] = 'c';
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
	CHECK_EQ(priv[0], 'a');
	CHECK_EQ(s[2 * PAGE], 'c');
	CHECK_OK(munmap(s, 4 * PAGE));
	CHECK_OK(munmap(priv, 4 * PAGE));
}

static void sparse(void)
{
	int fd = (int)CHECK_OK(memfd_create("sparse", 0));
	char *p;
	struct stat st;

	CHECK_OK(ftruncate(fd, 1l << 30));
	p = mmap(NULL, 1ul << 30, RW, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < 1ul << 30; i += 32ul << 20) {
		CHECK_EQ(p[i], 0);
		p[i] = 'm';
	}
	CHECK_OK(fstat(fd, &st));
	CHECK(st.st_size == 1l << 30 && st.st_blocks >= 32 * 8 && st.st_blocks < 1 << 20);
	CHECK_EQ(pread(fd, p, 1, 64 << 20), 1); /* into a mapping of itself */
	CHECK_EQ(p[0], 'm');
	CHECK_OK(munmap(p, 1ul << 30));
	close(fd);
}

/* A page of the source is not there while its target is locked, for many sizes and offsets. */
static void copies(void)
{
	int from = pattern_file(64 * PAGE), to = pattern_file(0);
	char *src = mmap(NULL, 64 * PAGE, PROT_READ, MAP_PRIVATE, from, 0);

	for (size_t off = 0, n = 1; off < 60 * PAGE; off += n, n = n * 3 % 40000 + 1) {
		if (off + n > 64 * PAGE)
			n = 64 * PAGE - off;
		CHECK_EQ(pwrite(to, src + off, n, (off_t)off), (ssize_t)n);
	}
	char *dst = mmap(NULL, 60 * PAGE, PROT_READ, MAP_SHARED, to, 0);

	CHECK(!memcmp(src, dst, 60 * PAGE));
	/* A source that ends in nowhere: what was there is written. */
	char *edge = map(2 * PAGE, RW, ANON);

	memset(edge, 'e', 2 * PAGE);
	CHECK_OK(munmap(edge + PAGE, PAGE));
	CHECK_EQ(pwrite(to, edge + PAGE - 100, 200, 0), 100);
	CHECK_ERR(pwrite(to, edge + PAGE, 10, 0), EFAULT);
	CHECK_EQ(dst[99], 'e');
	CHECK_EQ(dst[100], pattern(100));
	CHECK_ERR(pread(to, edge + PAGE, 10, 0), EFAULT);
	CHECK_OK(munmap(edge, PAGE));
	CHECK_OK(munmap(dst, 60 * PAGE));
	CHECK_OK(munmap(src, 64 * PAGE));
	close(from);
	close(to);
}

/* Who writes through a mapping changes the file's times. */
static void times(int fd)
{
	const struct timespec past[2] = {{1000000000, 0}, {1000000000, 0}};
	volatile char *p = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
	struct stat st;

	CHECK(p != MAP_FAILED);
	CHECK_OK(futimens(fd, past));
	p[5] = pattern(5);
	CHECK_OK(msync(TEXT(p), PAGE, MS_SYNC));
	CHECK_OK(fstat(fd, &st));
	CHECK(st.st_mtim.tv_sec > 1000000000);
	CHECK_OK(munmap(TEXT(p), PAGE));
}

int main(void)
{
	int fd = pattern_file(LEN);

	catch_faults();
	reading(fd);
	writing(fd);
	truncating();
	sharing();
	times(fd);
	sparse();
	copies();
	return 0;
}
