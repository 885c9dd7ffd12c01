/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device side of a split virtqueue. The ring memory belongs to a hostile guest; see virtq.c for the rules.
 *
 * Use: virtq_place() when the boot block is built, virtq_init(), then per doorbell
 *
 *	do {
 *		virtq_suppress(vq, VIRTQ_QUIET);
 *		while ((r = virtq_pop(vq, &chain)) > 0)
 *			... virtq_push(vq, chain.head, written);
 *		if (r < 0)
 *			vm_end(vm, ..., "%s", vq->fault);
 *	} while (virtq_suppress(vq, VIRTQ_LOUD));
 *	if (virtq_publish(vq))
 *		interrupt the guest
 *
 * Locks: none inside. Calls on one queue must not overlap, except where a function says so.
 */
#ifndef UMBRA_VMM_VIRTQ_H
#define UMBRA_VMM_VIRTQ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "abi/boot.h"
#include "abi/virtq.h"
#include "vm.h"

struct virtq {
	/* Immutable after virtq_init(). */
	const struct vm *vm;
	unsigned int size;
	const struct virtq_desc *desc;
	const struct virtq_avail *avail;
	struct virtq_used *used;

	/* Ours alone: the guest sees copies of these and cannot change them. */
	uint16_t next_avail;	/* next entry of the avail ring to take */
	uint16_t next_used;	/* next entry of the used ring to fill */
	uint16_t published;	/* used->idx as the guest sees it */
	unsigned int in_flight; /* chains popped and not yet pushed */
	const char *fault;	/* set once the ring is malformed: a sentence; the queue stays dead */
};

/* One request. The buffers are guest memory: fetch each value once, into a local. */
struct virtq_chain {
	uint16_t head;
	unsigned int out_count; /* iov[0 .. out_count): readable */
	unsigned int in_count;	/* iov[out_count .. out_count + in_count): writable */
	uint64_t out_bytes;
	uint64_t in_bytes;
	struct iovec iov[UM_VIRTQ_CHAIN_MAX];
};

/*
 * Lays out a queue of @size entries (a power of two, at most UM_VIRTQ_SIZE_MAX) in guest RAM from *@cursor on, fills @q
 * for the boot block and advances *@cursor. Driver-written and device-written parts get cache lines of their own.
 * Returns 0, or -ENOSPC if it would reach beyond @limit (then nothing is changed).
 */
int virtq_place(struct um_boot_queue *q, unsigned int size, gpa_t *cursor, gpa_t limit);

/*
 * Makes @vq serve the queue at @q. Returns 0, or -EINVAL when size, alignment or addresses are
 * wrong. Allocates nothing.
 */
int virtq_init(struct virtq *vq, const struct vm *vm, const struct um_boot_queue *q);

/*
 * Takes the next chain the driver made available. Returns 1 with @chain filled, 0 when there is none, or -EPROTO when
 * the ring is malformed: vq->fault then says how, and the caller ends the sandbox with it.
 */
int virtq_pop(struct virtq *vq, struct virtq_chain *chain);

/* How many chains the driver has made available so far, modulo 65536. */
uint16_t virtq_made_available(const struct virtq *vq);

/* Returns the chain @head, into which @written bytes were written, to the driver. Visible after virtq_publish(). */
void virtq_push(struct virtq *vq, uint16_t head, uint32_t written);

/*
 * Makes all pushed chains visible. Returns true when the driver wants an interrupt for them; false
 * too if there were none.
 */
bool virtq_publish(struct virtq *vq);

enum virtq_noise { VIRTQ_LOUD, VIRTQ_QUIET };

/*
 * Asks the driver to ring the doorbell for new chains (LOUD, the state at start) or not to (QUIET; a hint). Returns
 * true after LOUD when chains are waiting already: the caller must go on popping, there will be no doorbell for them.
 */
bool virtq_suppress(struct virtq *vq, enum virtq_noise noise);

/*
 * The readable (or writable) bytes of @chain from byte @offset on, at most @len of them, as pieces of guest memory in
 * @iov (room for UM_VIRTQ_CHAIN_MAX). Returns how many pieces.
 */
unsigned int virtq_chain_readable(const struct virtq_chain *chain, size_t offset, size_t len, struct iovec *iov);
unsigned int virtq_chain_writable(const struct virtq_chain *chain, size_t offset, size_t len, struct iovec *iov);

/* Copies up to @len readable bytes of @chain from byte @offset on to @dst; returns how many there were. */
size_t virtq_chain_read(const struct virtq_chain *chain, size_t offset, void *dst, size_t len);

/* Copies up to @len bytes from @src to the writable bytes of @chain from byte @offset on; returns how many fit. */
size_t virtq_chain_write(const struct virtq_chain *chain, size_t offset, const void *src, size_t len);

#endif
