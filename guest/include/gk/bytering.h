/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stream of bytes between one writer and one reader at a time (the caller has a mutex for each side): pages in a
 * chain, taken when data comes and given back when it is read, so that an idle one costs a page at most. Neither side
 * ever waits for the other.
 */
#ifndef GK_BYTERING_H
#define GK_BYTERING_H

#include <gk/fs.h>

struct page;

/* Zeroed memory is an empty ring. */
struct byte_ring {
	u64 head;	    /* bytes written; the writer's, read by all */
	u64 tail;	    /* bytes read; the reader's, read by all */
	struct page *first; /* of the chain; published with head */
	struct page *wpage; /* writer: where head is, or was when a page was full */
	struct page *rpage; /* reader: where tail is; NULL before the first byte */
	struct page *spare; /* atomic: a page that was read, for the writer */
};

static inline u64 byte_ring_used(const struct byte_ring *r)
{
	const u64 tail = __atomic_load_n(&r->tail, __ATOMIC_ACQUIRE); /* first: head never falls behind it */

	return __atomic_load_n(&r->head, __ATOMIC_ACQUIRE) - tail;
}

/* Appends up to @n bytes of @it: how many; -EFAULT or -ENOMEM if none. Writer. */
ssize_t byte_ring_write(struct byte_ring *r, struct iov_iter *it, size_t n);
/*
 * Copies up to @n bytes from @skip bytes behind the tail on; they stay. How many; -EFAULT if none of those that are
 * there. Reader.
 */
ssize_t byte_ring_peek(struct byte_ring *r, struct iov_iter *it, u64 skip, size_t n);
/* Drops @n bytes, which must be there. Reader. */
void byte_ring_consume(struct byte_ring *r, u64 n);
/* Frees the pages; nobody uses the ring any more. */
void byte_ring_free(struct byte_ring *r);

#endif
