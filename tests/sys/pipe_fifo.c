/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FIFOs: opens that wait for the other side, O_NONBLOCK, O_RDWR, end and hang-up, reopening through /proc.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "sys.h"

static char path[] = "/tmp/fifo-XXXXXX/f";

static int poll_now(int fd, int events)
{
	struct pollfd p = {fd, events, 0};

	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

int main(void)
{
	char buf[10];
	int r, w;

	path[16] = 0;
	CHECK(mkdtemp(path));
	path[16] = '/';
	CHECK_OK(mkfifo(path, 0600));
	CHECK_ERR(mkfifo(path, 0600), EEXIST);

	CHECK_ERR(open(path, O_WRONLY | O_NONBLOCK), ENXIO);
	r = CHECK_OK(open(path, O_RDONLY | O_NONBLOCK));
	CHECK_EQ(poll_now(r, POLLIN), 0); /* no writer came yet: no hang-up */
	CHECK_EQ(read(r, buf, 10), 0);
	w = CHECK_OK(open(path, O_WRONLY | O_NONBLOCK));
	CHECK_ERR(read(r, buf, 10), EAGAIN);
	CHECK_EQ(write(w, "abc", 3), 3);
	CHECK_EQ(poll_now(r, POLLIN), POLLIN);
	close(w);
	CHECK_EQ(poll_now(r, POLLIN), POLLIN | POLLHUP);
	CHECK_EQ(read(r, buf, 10), 3);
	CHECK_EQ(read(r, buf, 10), 0);
	CHECK_EQ(poll_now(r, POLLIN), POLLHUP);
	w = CHECK_OK(open(path, O_WRONLY));
	CHECK_EQ(poll_now(r, POLLIN), 0);
	close(w);
	close(r);

	/* Each side's open waits for the other's. */
	if (!fork()) {
		w = CHECK_OK(open(path, O_WRONLY));
		CHECK_EQ(write(w, "x", 1), 1);
		_exit(0);
	}
	usleep(20000);
	r = CHECK_OK(open(path, O_RDONLY));
	CHECK_EQ(read(r, buf, 10), 1);
	CHECK_EQ(read(r, buf, 10), 0);
	CHECK_EQ(wait_for(-1), 0);
	close(r);
	if (!fork()) {
		r = CHECK_OK(open(path, O_RDONLY));
		CHECK_EQ(read(r, buf, 10), 2);
		_exit(0);
	}
	usleep(20000);
	w = CHECK_OK(open(path, O_WRONLY));
	CHECK_EQ(write(w, "yz", 2), 2);
	CHECK_EQ(wait_for(-1), 0);
	close(w);

	/* Both ends in one. */
	r = CHECK_OK(open(path, O_RDWR));
	CHECK_EQ(write(r, "self", 4), 4);
	CHECK_EQ(read(r, buf, 10), 4);
	close(r);
	CHECK_OK(unlink(path));
	path[16] = 0;
	CHECK_OK(rmdir(path));
	return 0;
}
