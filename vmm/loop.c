/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An event loop over epoll, level-triggered, one event per wait: a handler may then forget any source, itself included,
 * without a later event of the same batch finding a source that is gone. The loads of a control thread are small.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "vmm/loop.h"

int loop_init(struct loop *l)
{
	l->stop = false;
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	return l->epfd < 0 ? -errno : 0;
}

void loop_deinit(struct loop *l)
{
	if (l->epfd >= 0)
		close(l->epfd);
	l->epfd = -1;
}

int loop_watch(struct loop *l, struct loop_source *s, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = s};

	if (epoll_ctl(l->epfd, s->added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, s->fd, &ev) < 0)
		return -errno;
	s->added = true;
	return 0;
}

void loop_forget(struct loop *l, struct loop_source *s)
{
	if (s->added)
		epoll_ctl(l->epfd, EPOLL_CTL_DEL, s->fd, NULL);
	s->added = false;
}

void loop_run(struct loop *l)
{
	while (!l->stop) {
		struct epoll_event ev;
		struct loop_source *s;

		if (epoll_wait(l->epfd, &ev, 1, -1) != 1)
			continue;
		s = ev.data.ptr;
		s->ready(s->ctx, ev.events);
	}
}
