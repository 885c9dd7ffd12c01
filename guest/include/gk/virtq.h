/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver side of the virtqueues in the boot block (drivers/virtq.c). Any number of requests is in flight, from any
 * vCPU.
 *
 * A driver fills a struct virtq_req (its own, or on its stack for virtq_call()), submits buffers and rings once for a
 * batch. Buffers are kernel memory and stay untouched until the request is done.
 */
#ifndef GK_VIRTQ_H
#define GK_VIRTQ_H

#include <abi/virtq.h>
#include <gk/types.h>

struct task;
struct virtq;

struct virtq_buf {
	void *addr; /* kernel memory */
	u32 len;    /* not 0 */
};

struct virtq_req {
	/* Called once the device is done: any vCPU, no lock held, must not sleep. May free or submit the request. */
	void (*done)(struct virtq_req *r);
	u32 written; /* bytes the device wrote into the writable buffers */
	/* virtq.c */
	u32 completed;
	struct task *waiter;
	struct virtq_req *next;
};

/* The queue UM_QUEUE_*, or NULL when the VMM did not give us that one. */
struct virtq *virtq_get(u32 number);
/* Entries: no chain may have more (nor more than UM_VIRTQ_CHAIN_MAX). */
u32 virtq_size(const struct virtq *vq);

/*
 * Offers a request: @nout buffers the device reads, then @nin it writes. 0, or -EAGAIN when the ring is full for now.
 * The device may not look before virtq_kick(). Any context.
 */
int virtq_submit(struct virtq *vq, struct virtq_req *r, const struct virtq_buf *out, u32 nout,
		 const struct virtq_buf *in, u32 nin);
/* Like it, but sleeps while the ring is full (having rung). */
void virtq_submit_wait(struct virtq *vq, struct virtq_req *r, const struct virtq_buf *out, u32 nout,
		       const struct virtq_buf *in, u32 nin);
/* Rings the doorbell if the device wants it. Any context. */
void virtq_kick(struct virtq *vq);
/*
 * No interrupts for this queue, for requests nobody waits for: they are completed with other queues', or when room is
 * needed.
 */
void virtq_set_quiet(struct virtq *vq);
/*
 * Submits, rings, sleeps until the device is done. Returns the bytes written. Not interruptible: the
 * device owns the buffers.
 */
u32 virtq_call(struct virtq *vq, const struct virtq_buf *out, u32 nout, const struct virtq_buf *in, u32 nin);

#endif
