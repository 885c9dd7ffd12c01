/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read, write, pread64, pwrite64, readv, writev, preadv, pwritev, preadv2, pwritev2, lseek: positions, holes, partial
 * transfers, bad buffers, append, limits.
 */
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "fsdir.h"

static void test_positions(void)
{
	int fd = (int)CHECK_OK(open("f", O_RDWR | O_CREAT, 0600)), dupfd;
	char buf[16];

	CHECK_EQ(write(fd, "0123456789", 10), 10);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 10);
	CHECK_EQ(read(fd, buf, 4), 0);
	CHECK_EQ(lseek(fd, 2, SEEK_SET), 2);
	CHECK_EQ(read(fd, buf, 3), 3);
	CHECK(!memcmp(buf, "234", 3));
	CHECK_EQ(pread(fd, buf, 16, 7), 3);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
	CHECK_EQ(pwrite(fd, "x", 1, 0), 1);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
	CHECK_EQ(lseek(fd, -1, SEEK_END), 9);
	dupfd = (int)CHECK_OK(dup(fd));
	CHECK_EQ(lseek(dupfd, 1, SEEK_SET), 1);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 1);
	CHECK_ERR(lseek(fd, -1, SEEK_SET), EINVAL);
	CHECK_ERR(lseek(fd, -20, SEEK_END), EINVAL);
	CHECK_ERR(lseek(fd, 0, 9), EINVAL);
	CHECK_ERR(lseek(-1, 0, SEEK_SET), EBADF);
	CHECK_ERR(pread(fd, buf, 1, -1), EINVAL);
	CHECK_ERR(pread(fd, buf, 2, INT64_MAX), EINVAL);
	CHECK_ERR(pwrite(fd, buf, 2, INT64_MAX), EINVAL);
	CHECK_ERR(pwrite(fd, buf, 1, -1), EINVAL);
	CHECK_ERR(read(-1, buf, 1), EBADF);
	CHECK_ERR(read(fd, (void *)1, 1), EFAULT);
	CHECK_ERR(write(fd, (void *)1, 1), EFAULT);
	CHECK_ERR(read(fd, buf, (size_t)-1), EFAULT);
	CHECK_EQ(read(fd, buf, 0), 0);
	CHECK_EQ(write(fd, buf, 0), 0);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 1);
}

static void test_holes(void)
{
	int fd = (int)CHECK_OK(open("f", O_RDWR | O_CREAT, 0600));
	char buf[100];
	struct stat st;
	off_t data;

	CHECK_EQ(pwrite(fd, "end", 3, 1 << 20), 3);
	CHECK_OK(fstat(fd, &st));
	CHECK_EQ(st.st_size, (1 << 20) + 3);
	memset(buf, 1, sizeof(buf));
	CHECK_EQ(pread(fd, buf, sizeof(buf), 4000), sizeof(buf));
	for (size_t i = 0; i < sizeof(buf); i++)
		CHECK_EQ(buf[i], 0);
	data = lseek(fd, 0, SEEK_DATA);
	CHECK(data >= 0 && data <= 1 << 20);
	CHECK_EQ(lseek(fd, 1 << 20, SEEK_DATA), 1 << 20);
	CHECK_EQ(lseek(fd, 1 << 20, SEEK_HOLE), (1 << 20) + 3);
	CHECK_ERR(lseek(fd, (1 << 20) + 3, SEEK_DATA), ENXIO);
	CHECK_ERR(lseek(fd, (1 << 20) + 3, SEEK_HOLE), ENXIO);
	CHECK_EQ(pread(fd, buf, 10, 1 << 20), 3);
	CHECK_EQ(pread(fd, buf, 10, 1 << 21), 0);
}

static void test_big(void)
{
	const size_t size = 3 << 20;
	unsigned char *out = malloc(size), *in = malloc(size);
	int fd = (int)CHECK_OK(open("f", O_RDWR | O_CREAT, 0600));

	for (size_t i = 0; i < size; i++)
		out[i] = (unsigned char)(i * 7 + (i >> 9));
	CHECK_EQ(write(fd, out, size), (ssize_t)size);
	CHECK_EQ(pread(fd, in, size, 0), (ssize_t)size);
	CHECK(!memcmp(in, out, size));
	/* Odd pieces at odd places. */
	CHECK_EQ(pwrite(fd, out, 10001, 4095), 10001);
	memcpy(out + 4095, memcpy(in, out, 10001), 10001);
	CHECK_OK(close(fd));
	fd = (int)CHECK_OK(open("f", O_RDONLY));
	for (size_t at = 0; at < size;) {
		size_t want = 1 + at % 70001;
		ssize_t n = read(fd, in, want);

		CHECK(n > 0);
		CHECK(!memcmp(in, out + at, (size_t)n));
		at += (size_t)n;
	}
	CHECK_EQ(read(fd, in, 1), 0);
	free(in);
	free(out);
}

static void test_vectors(void)
{
	int fd = (int)CHECK_OK(open("f", O_RDWR | O_CREAT, 0600));
	char a[4] = "abcd", b[2] = "ef", c[8];
	struct iovec v[3] = {{a, 4}, {NULL, 0}, {b, 2}}, many[1100];

	CHECK_EQ(writev(fd, v, 3), 6);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	v[0] = (struct iovec){c, 2};
	v[1] = (struct iovec){c + 2, 1};
	v[2] = (struct iovec){c + 3, 5};
	CHECK_EQ(readv(fd, v, 3), 6);
	CHECK(!memcmp(c, "abcdef", 6));
	CHECK_EQ(preadv(fd, v, 3, 4), 2);
	CHECK_EQ(pwritev(fd, v, 2, 10), 3);
	CHECK_EQ(readv(fd, v, 0), 0);
	CHECK_ERR(readv(fd, v, -1), EINVAL);
	for (int i = 0; i < 1100; i++)
		many[i] = (struct iovec){c, 1};
	CHECK_EQ(pwritev(fd, many, 1024, 0), 1024);
	CHECK_ERR(pwritev(fd, many, 1025, 0), EINVAL);
	v[1].iov_len = (size_t)-1;
	CHECK_ERR(readv(fd, v, 3), EINVAL);
	CHECK_ERR(readv(fd, (struct iovec *)1, 1), EFAULT);
	CHECK_ERR(preadv(fd, v, 1, -1), EINVAL);
	CHECK_ERR(readv(-1, v, 1), EBADF);
	/* The fault of a later piece leaves what came before. */
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	v[0] = (struct iovec){c, 4};
	v[1] = (struct iovec){(void *)4096, 4};
	CHECK_EQ(readv(fd, v, 2), 4);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 4);
}

static void test_v2(void)
{
	int fd = (int)CHECK_OK(open("f", O_RDWR | O_CREAT, 0600));
	char c[8] = "12345678";
	struct iovec v = {c, 8};

	CHECK_EQ(pwritev2(fd, &v, 1, 0, 0), 8);
	CHECK_EQ(pwritev2(fd, &v, 1, -1, 0), 8); /* at the file's position */
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 8);
	CHECK_EQ(pwritev2(fd, &v, 1, 0, RWF_APPEND), 8);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 16);
	CHECK_EQ(pwritev2(fd, &v, 1, 0, RWF_DSYNC), 8);
	CHECK_EQ(preadv2(fd, &v, 1, 4, 0), 8);
	CHECK_EQ(preadv2(fd, &v, 1, 4, RWF_HIPRI), 8);
	CHECK_ERR(preadv2(fd, &v, 1, 0, 0x10000), EOPNOTSUPP);
	CHECK_ERR(preadv2(fd, &v, 1, -2, 0), EINVAL);
}

static void test_append(void)
{
	int a = (int)CHECK_OK(open("f", O_WRONLY | O_CREAT | O_APPEND, 0600));
	int b = (int)CHECK_OK(open("f", O_WRONLY | O_APPEND));

	CHECK_EQ(write(a, "a", 1), 1);
	CHECK_EQ(write(b, "b", 1), 1);
	CHECK_EQ(lseek(a, 0, SEEK_SET), 0);
	CHECK_EQ(write(a, "c", 1), 1);
	CHECK_EQ(lseek(a, 0, SEEK_CUR), 3);
	CHECK_EQ(pwrite(a, "d", 1, 0), 1); /* Linux appends this, too */
	CHECK_TEXT("f", "abcd");
	/* From several processes: nothing is overwritten. */
	for (int p = 0; p < 4; p++) {
		if (fork() == 0) {
			for (int i = 0; i < 100; i++)
				CHECK_EQ(write(p & 1 ? a : b, "0123456789", 10), 10);
			_exit(0);
		}
	}
	for (int p = 0; p < 4; p++) {
		int status;

		CHECK_OK(wait(&status));
		CHECK_EQ(status, 0);
	}
	CHECK_EQ(lseek(a, 0, SEEK_END), 4004);
}

static void test_partial_buffer(void)
{
	char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = (int)CHECK_OK(open("f", O_RDWR | O_CREAT, 0600));
	ssize_t n;

	CHECK(p != MAP_FAILED);
	memset(p, 'p', 4096);
	CHECK_OK(munmap(p + 4096, 4096));
	/* As much as there is, or nothing: never more. */
	n = write(fd, p + 4096 - 10, 100);
	CHECK(n == 10 || (n == -1 && errno == EFAULT));
	CHECK_OK(ftruncate(fd, 100));
	n = pread(fd, p + 4096 - 10, 100, 0);
	CHECK(n == 10 || (n == -1 && errno == EFAULT));
}

static volatile sig_atomic_t xfsz;

/*
 * A page's worth that begins in one mapping and ends in another, which nobody has touched yet, or which is not there.
 */
static void test_two_mappings(void)
{
	int fd = CHECK_OK(open("x", O_CREAT | O_TRUNC | O_RDWR, 0600)),
	    other = CHECK_OK(open("y", O_CREAT | O_RDWR, 0600));
	char *p = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char back[4096];

	CHECK_OK(ftruncate(other, 4096));
	memset(p, 'a', 4096);
	CHECK(mmap(p + 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, other, 0) == p + 4096);
	CHECK_OK(munmap(p + 8192, 4096));
	CHECK_EQ(write(fd, p + 100, 4096), 4096);
	CHECK_EQ(pread(fd, back, 4096, 0), 4096);
	CHECK(!memcmp(back, p + 100, 4096));
	CHECK_EQ(pwrite(fd, p + 4096 + 100, 4096, 8192), 3996);
	CHECK_EQ(lseek(fd, 0, SEEK_END), 8192 + 3996);
	CHECK_ERR(pwrite(fd, p + 8192, 4096, 16384), EFAULT);
	CHECK_OK(munmap(p, 8192));
	CHECK_OK(close(fd));
	CHECK_OK(close(other));
	CHECK_OK(unlink("x"));
	CHECK_OK(unlink("y"));
}

static void on_xfsz(int sig)
{
	xfsz = sig;
}

static void test_limits(void)
{
	const struct rlimit limit = {1000, RLIM_INFINITY};
	char buf[600] = {0};
	int fd = (int)CHECK_OK(open("f", O_RDWR | O_CREAT, 0600));

	signal(SIGXFSZ, on_xfsz);
	CHECK_OK(setrlimit(RLIMIT_FSIZE, &limit));
	CHECK_EQ(write(fd, buf, 600), 600);
	CHECK_EQ(write(fd, buf, 600), 400);
	CHECK_EQ(xfsz, 0);
	CHECK_ERR(write(fd, buf, 1), EFBIG);
	CHECK_EQ(xfsz, SIGXFSZ);
	xfsz = 0;
	CHECK_ERR(ftruncate(fd, 1001), EFBIG);
	CHECK_EQ(xfsz, SIGXFSZ);
	CHECK_OK(ftruncate(fd, 10));
}

/* One description, many readers: each byte is read once. */
static void test_shared_position(void)
{
	const int total = 4000;
	int fd, sum = 0;

	fd = (int)CHECK_OK(open("f", O_RDWR | O_CREAT, 0600));
	CHECK_OK(ftruncate(fd, total));
	for (int p = 0; p < 4; p++) {
		if (fork() == 0) {
			int n = 0;
			char c;

			while (read(fd, &c, 1) == 1)
				n++;
			_exit(n & 255);
		}
	}
	for (int p = 0; p < 4; p++) {
		int status;

		CHECK_OK(wait(&status));
		sum += WEXITSTATUS(status);
	}
	CHECK_EQ(sum & 255, total & 255);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), total);
}

int main(void)
{
	EVERYWHERE(test_positions);
	EVERYWHERE(test_holes);
	EVERYWHERE(test_big);
	EVERYWHERE(test_vectors);
	EVERYWHERE(test_v2);
	EVERYWHERE(test_append);
	EVERYWHERE(test_partial_buffer);
	EVERYWHERE(test_two_mappings);
	EVERYWHERE(test_limits);
	EVERYWHERE(test_shared_position);
	return 0;
}
