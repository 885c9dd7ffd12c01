/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eventfd, eventfd2: counting, semaphore mode, overflow, blocking on both sides, poll.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include "sys.h"

static uint64_t get(int fd)
{
	uint64_t v = 0;

	CHECK_EQ(read(fd, &v, 8), 8);
	return v;
}

static void put(int fd, uint64_t v)
{
	CHECK_EQ(write(fd, &v, 8), 8);
}

static int ready(int fd)
{
	struct pollfd p = {fd, POLLIN | POLLOUT, 0};

	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

int main(void)
{
	uint64_t v, max = 0xfffffffffffffffeull, none = ~0ull;
	char big[16];
	int fd = CHECK_OK(syscall(SYS_eventfd, 3)), b;

	CHECK_EQ(get(fd), 3);
	close(fd);
	CHECK_ERR(syscall(SYS_eventfd2, 0, 0x10), EINVAL);
	fd = CHECK_OK(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(ready(fd), POLLOUT);
	CHECK_ERR(read(fd, &v, 8), EAGAIN);
	put(fd, 5);
	put(fd, 7);
	CHECK_EQ(ready(fd), POLLIN | POLLOUT);
	CHECK_ERR(read(fd, &v, 7), EINVAL);
	CHECK_ERR(write(fd, &v, 4), EINVAL);
	CHECK_ERR(write(fd, &none, 8), EINVAL);
	CHECK_EQ(read(fd, big, 16), 8);
	CHECK_EQ(big[0], 12);
	CHECK_EQ(ready(fd), POLLOUT);
	put(fd, max);
	CHECK_EQ(ready(fd), POLLIN);
	v = 1;
	CHECK_ERR(write(fd, &v, 8), EAGAIN);
	v = 0;
	CHECK_EQ(write(fd, &v, 8), 8);
	CHECK_EQ(get(fd), max);
	CHECK_ERR(write(fd, bad_ptr, 8), EFAULT);
	CHECK_ERR(pread(fd, &v, 8, 0), ESPIPE);
	close(fd);

	fd = CHECK_OK(eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK));
	for (int i = 0; i < 3; i++)
		CHECK_EQ(get(fd), 1);
	CHECK_ERR(read(fd, &v, 8), EAGAIN);
	close(fd);

	/* A reader waits for a writer and the other way round. */
	fd = CHECK_OK(eventfd(0, 0));
	b = CHECK_OK(eventfd(0, 0));
	if (!fork()) {
		usleep(20000);
		put(fd, 9);
		CHECK_EQ(get(b), 1);
		put(fd, max);
		put(fd, 1); /* waits until there is room */
		_exit(0);
	}
	CHECK_EQ(get(fd), 9);
	put(b, 1);
	usleep(30000);
	CHECK_EQ(get(fd), max);
	CHECK_EQ(get(fd), 1);
	CHECK_EQ(wait_for(-1), 0);
	return 0;
}
