/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device side of a split virtqueue (virtio 1.2, "Split Virtqueues").
 *
 * The three parts of a ring lie in guest RAM and may change under us at any moment. Hence: our indices live in struct
 * virtq and the shared ones only publish them; the avail index, a head and each descriptor are read exactly once, into
 * locals; a chain is followed for at most min(size, UM_VIRTQ_CHAIN_MAX) steps; every buffer is translated as a whole by
 * vm_gpa(); no more chains are in flight than the ring has entries, so a guest cannot make a device queue without
 * bound. What the buffers contain is for the device to judge.
 */
#include <errno.h>
#include <string.h>

#include "virtq.h"

#define CACHE_LINE 64

static gpa_t align_up(gpa_t v, gpa_t to)
{
	return (v + to - 1) & ~(to - 1);
}

int virtq_place(struct um_boot_queue *q, unsigned int size, gpa_t *cursor, gpa_t limit)
{
	const gpa_t desc = align_up(*cursor, CACHE_LINE);
	const gpa_t avail = align_up(desc + VIRTQ_DESC_BYTES(size), CACHE_LINE);
	const gpa_t used = align_up(avail + VIRTQ_AVAIL_BYTES(size), CACHE_LINE);
	const gpa_t end = align_up(used + VIRTQ_USED_BYTES(size), CACHE_LINE);

	if (end > limit)
		return -ENOSPC;
	*q = (struct um_boot_queue){.size = size, .desc = desc, .avail = avail, .used = used};
	*cursor = end;
	return 0;
}

int virtq_init(struct virtq *vq, const struct vm *vm, const struct um_boot_queue *q)
{
	if (q->size == 0 || q->size > UM_VIRTQ_SIZE_MAX || (q->size & (q->size - 1)) != 0)
		return -EINVAL;
	if (q->desc % 16 != 0 || q->avail % 2 != 0 || q->used % 4 != 0)
		return -EINVAL;
	*vq = (struct virtq){
		.vm = vm,
		.size = q->size,
		.desc = vm_gpa(vm, q->desc, VIRTQ_DESC_BYTES(q->size)),
		.avail = vm_gpa(vm, q->avail, VIRTQ_AVAIL_BYTES(q->size)),
		.used = vm_gpa(vm, q->used, VIRTQ_USED_BYTES(q->size)),
	};
	if (!vq->desc || !vq->avail || !vq->used)
		return -EINVAL;
	return 0;
}

static int malformed(struct virtq *vq, const char *sentence)
{
	vq->fault = sentence;
	return -EPROTO;
}

/* One read of guest memory per half; the copy is what counts from here on. */
static struct virtq_desc fetch_desc(const struct virtq *vq, unsigned int i)
{
	const uint64_t *raw = (const uint64_t *)&vq->desc[i];
	const uint64_t half[2] = {__atomic_load_n(&raw[0], __ATOMIC_RELAXED),
				  __atomic_load_n(&raw[1], __ATOMIC_RELAXED)};
	struct virtq_desc d;

	memcpy(&d, half, sizeof(d));
	return d;
}

static int add_buffer(struct virtq *vq, struct virtq_chain *chain, const struct virtq_desc *d)
{
	void *p = vm_gpa(vq->vm, d->addr, d->len);

	if (!p)
		return malformed(vq, "a virtqueue descriptor lies outside guest RAM");
	chain->iov[chain->out_count + chain->in_count] = (struct iovec){.iov_base = p, .iov_len = d->len};
	if (d->flags & VIRTQ_DESC_F_WRITE) {
		chain->in_count++;
		chain->in_bytes += d->len;
	} else {
		if (chain->in_count)
			return malformed(vq, "a virtqueue chain has a readable buffer after a writable one");
		chain->out_count++;
		chain->out_bytes += d->len;
	}
	return 0;
}

int virtq_pop(struct virtq *vq, struct virtq_chain *chain)
{
	/* Pairs with the driver's release store of avail->idx: the entry and its descriptors are written. */
	const uint16_t idx = __atomic_load_n(&vq->avail->idx, __ATOMIC_ACQUIRE);
	const uint16_t waiting = (uint16_t)(idx - vq->next_avail);
	unsigned int i;

	if (vq->fault)
		return -EPROTO;
	if (waiting == 0)
		return 0;
	if (waiting > vq->size)
		return malformed(vq, "a virtqueue's avail index is further ahead than the ring is long");
	if (vq->in_flight >= vq->size)
		return malformed(vq, "a virtqueue has more chains in flight than entries");

	i = __atomic_load_n(&vq->avail->ring[vq->next_avail & (vq->size - 1)], __ATOMIC_RELAXED);
	chain->head = (uint16_t)i;
	chain->out_count = chain->in_count = 0;
	chain->out_bytes = chain->in_bytes = 0;
	for (unsigned int steps = 0;; steps++) {
		if (i >= vq->size)
			return malformed(vq, "a virtqueue chain names a descriptor beyond the table");
		if (steps == vq->size || steps == UM_VIRTQ_CHAIN_MAX)
			return malformed(vq, "a virtqueue chain is too long");

		const struct virtq_desc d = fetch_desc(vq, i);

		if (d.flags & ~(VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE))
			return malformed(vq, "a virtqueue descriptor has unknown flags");
		if (add_buffer(vq, chain, &d) < 0)
			return -EPROTO;
		if (!(d.flags & VIRTQ_DESC_F_NEXT))
			break;
		i = d.next;
	}
	vq->next_avail++;
	vq->in_flight++;
	return 1;
}

uint16_t virtq_made_available(const struct virtq *vq)
{
	return __atomic_load_n(&vq->avail->idx, __ATOMIC_RELAXED);
}

void virtq_push(struct virtq *vq, uint16_t head, uint32_t written)
{
	struct virtq_used_elem *e = &vq->used->ring[vq->next_used & (vq->size - 1)];

	__atomic_store_n(&e->id, head, __ATOMIC_RELAXED);
	__atomic_store_n(&e->len, written, __ATOMIC_RELAXED);
	vq->next_used++;
	vq->in_flight--;
}

bool virtq_publish(struct virtq *vq)
{
	if (vq->published == vq->next_used)
		return false;
	vq->published = vq->next_used;
	/* Pairs with the driver's acquire load of used->idx. */
	__atomic_store_n(&vq->used->idx, vq->published, __ATOMIC_RELEASE);
	/* The index must be visible before the flag is read: the driver clears the flag and then looks at the index. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !(__atomic_load_n(&vq->avail->flags, __ATOMIC_RELAXED) & VIRTQ_AVAIL_F_NO_INTERRUPT);
}

bool virtq_suppress(struct virtq *vq, enum virtq_noise noise)
{
	__atomic_store_n(&vq->used->flags, noise == VIRTQ_QUIET ? VIRTQ_USED_F_NO_NOTIFY : 0, __ATOMIC_RELAXED);
	if (noise == VIRTQ_QUIET || vq->fault)
		return false;
	/* The flag must be visible before the index is read: the driver publishes and then looks at the flag. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&vq->avail->idx, __ATOMIC_RELAXED) != vq->next_avail;
}

static unsigned int slice(const struct iovec *iov, unsigned int count, size_t offset, size_t len, struct iovec *out)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < count && len; i++) {
		if (offset >= iov[i].iov_len) {
			offset -= iov[i].iov_len;
			continue;
		}
		out[n].iov_base = (uint8_t *)iov[i].iov_base + offset;
		out[n].iov_len = iov[i].iov_len - offset < len ? iov[i].iov_len - offset : len;
		len -= out[n++].iov_len;
		offset = 0;
	}
	return n;
}

unsigned int virtq_chain_readable(const struct virtq_chain *chain, size_t offset, size_t len, struct iovec *iov)
{
	return slice(chain->iov, chain->out_count, offset, len, iov);
}

unsigned int virtq_chain_writable(const struct virtq_chain *chain, size_t offset, size_t len, struct iovec *iov)
{
	return slice(chain->iov + chain->out_count, chain->in_count, offset, len, iov);
}

size_t virtq_chain_read(const struct virtq_chain *chain, size_t offset, void *dst, size_t len)
{
	struct iovec iov[UM_VIRTQ_CHAIN_MAX];
	const unsigned int count = virtq_chain_readable(chain, offset, len, iov);
	size_t done = 0;

	for (unsigned int i = 0; i < count; done += iov[i++].iov_len)
		memcpy((uint8_t *)dst + done, iov[i].iov_base, iov[i].iov_len);
	return done;
}

size_t virtq_chain_write(const struct virtq_chain *chain, size_t offset, const void *src, size_t len)
{
	struct iovec iov[UM_VIRTQ_CHAIN_MAX];
	const unsigned int count = virtq_chain_writable(chain, offset, len, iov);
	size_t done = 0;

	for (unsigned int i = 0; i < count; done += iov[i++].iov_len)
		memcpy(iov[i].iov_base, (const uint8_t *)src + done, iov[i].iov_len);
	return done;
}
