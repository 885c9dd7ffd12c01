/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll sets in epoll sets: readiness, edges, loops, depth.
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "sys.h"

static int add(int ep, int fd, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.fd = fd};

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
}

int main(void)
{
	int in = CHECK_OK(epoll_create1(0)), mid = CHECK_OK(epoll_create1(0)), out = CHECK_OK(epoll_create1(0));
	int e = CHECK_OK(eventfd(0, EFD_NONBLOCK)), chain[10], depth;
	struct epoll_event ev[4];
	struct pollfd p = {out, POLLIN, 0};
	unsigned long long v = 1;

	CHECK_OK(add(in, e, EPOLLIN));
	CHECK_OK(add(mid, in, EPOLLIN));
	CHECK_OK(add(out, mid, EPOLLIN));
	CHECK_EQ(poll(&p, 1, 0), 0);
	CHECK_EQ(epoll_wait(out, ev, 4, 0), 0);
	CHECK_EQ(write(e, &v, 8), 8);
	CHECK_EQ(poll(&p, 1, 1000), 1);
	CHECK_EQ(epoll_wait(out, ev, 4, -1), 1);
	CHECK_EQ(ev[0].data.fd, mid);
	CHECK_EQ(epoll_wait(mid, ev, 4, -1), 1);
	CHECK_EQ(ev[0].data.fd, in);
	CHECK_EQ(epoll_wait(in, ev, 4, -1), 1);
	CHECK_EQ(ev[0].data.fd, e);
	CHECK_EQ(read(e, &v, 8), 8);
	CHECK_EQ(epoll_wait(out, ev, 4, 0), 0);
	CHECK_EQ(poll(&p, 1, 0), 0);

	/* Somebody sleeps on the outermost while the innermost wakes. */
	if (!fork()) {
		usleep(30000);
		v = 1;
		CHECK_EQ(write(e, &v, 8), 8);
		_exit(0);
	}
	CHECK_EQ(epoll_wait(out, ev, 4, 2000), 1);
	CHECK_EQ(wait_for(-1), 0);
	CHECK_EQ(read(e, &v, 8), 8);

	CHECK_ERR(add(in, out, EPOLLIN), ELOOP);
	CHECK_ERR(add(in, mid, EPOLLIN), ELOOP);
	CHECK_ERR(add(out, in, EPOLLIN | EPOLLEXCLUSIVE), EINVAL);
	CHECK_OK(add(out, in, EPOLLIN)); /* two ways to it are no loop */
	CHECK_OK(epoll_ctl(out, EPOLL_CTL_DEL, in, NULL));

	/* There is a limit to the depth. */
	for (depth = 0; depth < 10; depth++) {
		chain[depth] = CHECK_OK(epoll_create1(0));
		if (depth && add(chain[depth], chain[depth - 1], EPOLLIN) < 0)
			break;
	}
	CHECK_EQ(errno, ELOOP);
	CHECK(depth >= 4 && depth <= 6);

	/* The inner set goes while it is watched. */
	close(mid);
	CHECK_EQ(write(e, &v, 8), 8);
	CHECK_EQ(epoll_wait(out, ev, 4, 0), 0);
	CHECK_OK(add(out, in, EPOLLIN));
	CHECK_EQ(epoll_wait(out, ev, 4, 0), 1);
	close(out);
	CHECK_EQ(epoll_wait(in, ev, 4, 0), 1);
	return 0;
}
