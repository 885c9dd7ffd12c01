/* SPDX-License-Identifier: Apache-2.0 */
/* sendfile, copy_file_range; fsync, fdatasync, sync, syncfs, sync_file_range, fadvise64, readahead. */
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "fsdir.h"

static int pattern(const char *name, size_t size)
{
	int fd = (int)CHECK_OK(open(name, O_RDWR | O_CREAT | O_TRUNC, 0600));
	char *buf = malloc(size);

	for (size_t i = 0; i < size; i++)
		buf[i] = (char)(i * 13 + (i >> 8));
	CHECK_EQ(write(fd, buf, size), (ssize_t)size);
	CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
	free(buf);
	return fd;
}

static int same(int a, off_t ao, int b, off_t bo, size_t n)
{
	char *x = malloc(n), *y = malloc(n);
	int r;

	CHECK_EQ(pread(a, x, n, ao), (ssize_t)n);
	CHECK_EQ(pread(b, y, n, bo), (ssize_t)n);
	r = !memcmp(x, y, n);
	free(x);
	free(y);
	return r;
}

static void test_sendfile(void)
{
	int in = pattern("in", 300000), out = (int)CHECK_OK(open("out", O_RDWR | O_CREAT, 0600)), p[2];
	off_t off = 1000;
	char buf[64];

	CHECK_EQ(sendfile(out, in, NULL, 1000000), 300000);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 300000);
	CHECK_EQ(lseek(out, 0, SEEK_CUR), 300000);
	CHECK(same(in, 0, out, 0, 300000));
	CHECK_EQ(sendfile(out, in, NULL, 10), 0);
	CHECK_EQ(sendfile(out, in, &off, 500), 500);
	CHECK_EQ(off, 1500);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 300000);
	CHECK(same(in, 1000, out, 300000, 500));
	CHECK_OK(pipe(p));
	off = 0;
	CHECK_EQ(sendfile(p[1], in, &off, 64), 64);
	CHECK_EQ(read(p[0], buf, 64), 64);
	CHECK_ERR(sendfile(out, p[0], NULL, 1), EINVAL);
	CHECK_ERR(sendfile(-1, in, NULL, 1), EBADF);
	CHECK_ERR(sendfile(out, -1, NULL, 1), EBADF);
	off = -1;
	CHECK_ERR(sendfile(out, in, &off, 1), EINVAL);
	CHECK_ERR(sendfile(out, in, (off_t *)8, 1), EFAULT);
	out = (int)CHECK_OK(open("out", O_RDONLY));
	CHECK_ERR(sendfile(out, in, NULL, 1), EBADF);
}

static void test_sendfile_pipe_full(void)
{
	int in = pattern("in", 1 << 20), p[2];
	char *buf = malloc(1 << 20);
	size_t got = 0;
	off_t off = 0;

	CHECK_OK(pipe2(p, O_NONBLOCK));
	for (;;) {
		ssize_t n = sendfile(p[1], in, &off, (1 << 20) - (size_t)off);

		if (n == 0)
			break;
		CHECK(n > 0 || errno == EAGAIN);
		while ((n = read(p[0], buf + got, 50000)) > 0)
			got += (size_t)n;
	}
	ssize_t n;
	while ((n = read(p[0], buf + got, 50000)) > 0)
		got += (size_t)n;
	CHECK_EQ(got, 1 << 20);
	for (size_t i = 0; i < got; i++)
		CHECK(buf[i] == (char)(i * 13 + (i >> 8)));
	free(buf);
}

static void test_copy_range(void)
{
	int in = pattern("in", 100000), out = (int)CHECK_OK(open("out", O_RDWR | O_CREAT, 0600)), fd;
	off_t a = 5000, b = 100;
	ssize_t n;

	n = copy_file_range(in, NULL, out, NULL, 30000, 0);
	if (n < 0 && errno == ENOSYS)
		return;
	CHECK_EQ(n, 30000);
	CHECK_EQ(lseek(in, 0, SEEK_CUR), 30000);
	CHECK_EQ(copy_file_range(in, &a, out, &b, 200000, 0), 95000);
	CHECK(a == 100000 && b == 95100);
	CHECK(same(in, 5000, out, 100, 95000));
	CHECK_EQ(copy_file_range(in, &a, out, &b, 10, 0), 0);
	a = 0;
	b = 50;
	CHECK_ERR(copy_file_range(in, &a, in, &b, 100, 0), EINVAL);
	b = 200000;
	CHECK_EQ(copy_file_range(in, &a, in, &b, 100, 0), 100);
	CHECK_ERR(copy_file_range(in, &a, out, &b, 100, 1), EINVAL);
	fd = (int)CHECK_OK(open("out", O_WRONLY | O_APPEND));
	CHECK_ERR(copy_file_range(in, NULL, fd, NULL, 1, 0), EBADF);
	fd = (int)CHECK_OK(open(".", O_RDONLY));
	CHECK_ERR(copy_file_range(fd, NULL, out, NULL, 1, 0), EISDIR);
	fd = (int)CHECK_OK(open("out", O_RDONLY));
	CHECK_ERR(copy_file_range(in, NULL, fd, NULL, 1, 0), EBADF);
	CHECK_ERR(copy_file_range(-1, NULL, fd, NULL, 1, 0), EBADF);
}

static void test_sync(void)
{
	int fd = pattern("f", 10000), dir = (int)CHECK_OK(open(".", O_RDONLY)), p[2];

	CHECK_OK(fsync(fd));
	CHECK_OK(fdatasync(fd));
	CHECK_OK(fsync(dir));
	CHECK_OK(syncfs(fd));
	sync();
	CHECK_OK(sync_file_range(fd, 0, 0,
				 SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER));
	CHECK_ERR(sync_file_range(fd, -1, 0, 0), EINVAL);
	CHECK_ERR(sync_file_range(fd, 0, 0, 64), EINVAL);
	CHECK_OK(pipe(p));
	CHECK_ERR(fsync(p[0]), EINVAL);
	CHECK_ERR(fsync(-1), EBADF);
	CHECK_ERR(syncfs(-1), EBADF);
	CHECK_ERR(sync_file_range(p[0], 0, 0, 0), ESPIPE);
	CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL), 0);
	CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED), 0);
	CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	CHECK_EQ(posix_fadvise(fd, 0, 0, 77), EINVAL);
	CHECK_EQ(posix_fadvise(p[0], 0, 0, POSIX_FADV_NORMAL), ESPIPE);
	CHECK_EQ(posix_fadvise(-1, 0, 0, POSIX_FADV_NORMAL), EBADF);
	CHECK_OK(readahead(fd, 0, 10000));
	CHECK_ERR(readahead(-1, 0, 1), EBADF);
	CHECK_ERR(readahead(p[0], 0, 1), EINVAL);
	fd = (int)CHECK_OK(open("f", O_RDONLY));
	CHECK_OK(fsync(fd));
}

int main(void)
{
	EVERYWHERE(test_sendfile);
	EVERYWHERE(test_sendfile_pipe_full);
	EVERYWHERE(test_copy_range);
	EVERYWHERE(test_sync);
	return 0;
}
