/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See guestq.h. Descriptors are taken round robin: tests keep fewer in flight than the queue has.
 */
#include "guestq.h"
#include "../check.h"

void guestq_init(struct guestq *g, struct vm *vm, unsigned int size, gpa_t *cursor)
{
	*g = (struct guestq){.vm = vm};
	CHECK_EQ(virtq_place(&g->q, size, cursor, vm->ram_bytes), 0);
}

uint16_t guestq_post(struct guestq *g, gpa_t gpa, uint32_t len, uint16_t flags)
{
	struct virtq_desc *desc = vm_gpa(g->vm, g->q.desc, VIRTQ_DESC_BYTES(g->q.size));
	struct virtq_avail *avail = vm_gpa(g->vm, g->q.avail, VIRTQ_AVAIL_BYTES(g->q.size));
	const uint16_t head = g->next_desc++ % g->q.size;

	desc[head] = (struct virtq_desc){.addr = gpa, .len = len, .flags = flags};
	avail->ring[g->avail_idx % g->q.size] = head;
	__atomic_store_n(&avail->idx, ++g->avail_idx, __ATOMIC_RELEASE);
	return head;
}

bool guestq_used(struct guestq *g, uint32_t *head, uint32_t *len)
{
	const struct virtq_used *used = vm_gpa(g->vm, g->q.used, VIRTQ_USED_BYTES(g->q.size));

	if (__atomic_load_n(&used->idx, __ATOMIC_ACQUIRE) == g->seen_used)
		return false;
	*head = used->ring[g->seen_used % g->q.size].id;
	*len = used->ring[g->seen_used % g->q.size].len;
	g->seen_used++;
	return true;
}
