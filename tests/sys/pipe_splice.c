/* SPDX-License-Identifier: Apache-2.0 */
/*
 * splice, tee, vmsplice: between pipes, files and sockets; offsets, flags, errors.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "sys.h"

static void files(void)
{
	char name[] = "/tmp/splice-XXXXXX", buf[100000], back[100000];
	int fd = CHECK_OK(mkstemp(name)), p[2];
	loff_t off = 10;

	unlink(name);
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = i * 31 >> 3;
	CHECK_EQ(write(fd, buf, sizeof(buf)), sizeof(buf));
	CHECK_OK(pipe(p));
	CHECK_EQ(splice(fd, &off, p[1], NULL, 5000, 0), 5000);
	CHECK_EQ(off, 5010);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), sizeof(buf));
	CHECK_EQ(read(p[0], back, 5000), 5000);
	CHECK(!memcmp(back, buf + 10, 5000));
	CHECK_OK(lseek(fd, 99990, SEEK_SET));
	CHECK_EQ(splice(fd, NULL, p[1], NULL, 5000, 0), 10);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 100000);
	CHECK_EQ(splice(fd, NULL, p[1], NULL, 5000, 0), 0);
	off = 3;
	CHECK_EQ(splice(p[0], NULL, fd, &off, 4, 0), 4);
	CHECK_EQ(off, 7);
	CHECK_EQ(pread(fd, back, 4, 3), 4);
	CHECK(!memcmp(back, buf + 99990, 4));
	CHECK_OK(lseek(fd, 0, SEEK_SET));
	CHECK_EQ(splice(p[0], NULL, fd, NULL, 100, 0), 6);
	CHECK_EQ(lseek(fd, 0, SEEK_CUR), 6);
	CHECK_ERR(splice(p[0], NULL, fd, NULL, 100, SPLICE_F_NONBLOCK), EAGAIN);

	off = 0;
	CHECK_ERR(splice(fd, NULL, fd, NULL, 1, 0), EINVAL);
	CHECK_ERR(splice(p[0], &off, fd, NULL, 1, 0), ESPIPE);
	CHECK_ERR(splice(p[1], NULL, fd, NULL, 1, 0), EBADF);
	CHECK_ERR(splice(fd, NULL, p[0], NULL, 1, 0), EBADF);
	CHECK_ERR(splice(-1, NULL, p[1], NULL, 1, 0), EBADF);
	CHECK_ERR(splice(fd, NULL, p[1], NULL, 1, 0x100), EINVAL);
	CHECK_EQ(splice(fd, NULL, p[1], NULL, 0, 0), 0);
	close(fd);
	close(p[0]);
	close(p[1]);
}

static void pipes(void)
{
	char buf[100];
	int a[2], b[2];

	CHECK_OK(pipe(a));
	CHECK_OK(pipe(b));
	CHECK_EQ(write(a[1], "abcdefgh", 8), 8);
	CHECK_EQ(tee(a[0], b[1], 5, 0), 5);
	CHECK_EQ(read(b[0], buf, 100), 5);
	CHECK(!memcmp(buf, "abcde", 5));
	CHECK_EQ(splice(a[0], NULL, b[1], NULL, 3, 0), 3);
	CHECK_EQ(write(b[1], "X", 1), 1); /* must not show up behind the shared bytes in a */
	CHECK_EQ(write(a[1], "Y", 1), 1);
	CHECK_EQ(read(b[0], buf, 100), 4);
	CHECK(!memcmp(buf, "abcX", 4));
	CHECK_EQ(read(a[0], buf, 100), 6);
	CHECK(!memcmp(buf, "defghY", 6));
	CHECK_ERR(tee(a[0], b[1], 5, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_ERR(tee(a[0], a[1], 5, 0), EINVAL);
	CHECK_ERR(splice(a[0], NULL, a[1], NULL, 5, 0), EINVAL);
	CHECK_ERR(tee(a[1], b[1], 5, 0), EBADF);
	close(a[1]);
	CHECK_EQ(tee(a[0], b[1], 5, 0), 0);
	CHECK_EQ(splice(a[0], NULL, b[1], NULL, 5, 0), 0);
	close(a[0]);
	close(b[0]);
	close(b[1]);
}

static void memory(void)
{
	char buf[100];
	struct iovec v[2] = {{TEXT("one"), 3}, {TEXT("two"), 3}}, in = {buf, 100};
	int p[2], s[2];

	CHECK_OK(pipe(p));
	CHECK_EQ(vmsplice(p[1], v, 2, 0), 6);
	CHECK_EQ(vmsplice(p[0], &in, 1, 0), 6);
	CHECK(!memcmp(buf, "onetwo", 6));
	CHECK_ERR(vmsplice(p[0], &in, 1, SPLICE_F_NONBLOCK), EAGAIN);
	/* What fits is all; only a full pipe is waited for. */
	static char big[200000] __attribute__((aligned(4096)));
	struct iovec much = {big, sizeof(big)};
	CHECK_EQ(vmsplice(p[1], &much, 1, 0), 65536);
	CHECK_ERR(vmsplice(p[1], &much, 1, SPLICE_F_NONBLOCK), EAGAIN);
	CHECK_EQ(read(p[0], big, sizeof(big)), 65536);
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_ERR(vmsplice(s[0], v, 2, 0), EBADF);
	CHECK_EQ(write(s[0], "sock", 4), 4);
	CHECK_EQ(splice(s[1], NULL, p[1], NULL, 100, 0), 4);
	CHECK_EQ(splice(p[0], NULL, s[1], NULL, 100, 0), 4);
	CHECK_EQ(read(s[0], buf, 100), 4);
	CHECK(!memcmp(buf, "sock", 4));
	close(s[0]);
	close(s[1]);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	files();
	pipes();
	memory();
	return 0;
}
