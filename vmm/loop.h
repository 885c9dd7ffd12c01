/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control thread's event loop: an epoll set of sources, one handler each.
 */
#ifndef UMBRA_VMM_LOOP_H
#define UMBRA_VMM_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct loop {
	int epfd;
	bool stop; /* set by a handler: loop_run() returns */
};

/* Lives as long as it is in the loop; the loop keeps only its address. */
struct loop_source {
	int fd;
	void (*ready)(void *ctx, uint32_t events); /* EPOLL* bits; must not block */
	void *ctx;
	bool added;
};

/* Returns 0 or a negative errno. */
int loop_init(struct loop *l);
void loop_deinit(struct loop *l);

/*
 * Watches @s->fd for @events (EPOLL* bits; 0: only errors and hang-up), adding the source when it is not there yet.
 * Returns 0 or a negative errno (-EPERM: a file that is always ready, such as a regular one).
 */
int loop_watch(struct loop *l, struct loop_source *s, uint32_t events);

/* Takes @s out; no handler of it runs any more, not even for events of the same round. Does not close the descriptor.
 */
void loop_forget(struct loop *l, struct loop_source *s);

/* Runs handlers until @l->stop. */
void loop_run(struct loop *l);

#endif
