/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's side of a virtqueue, as simple as can be: one descriptor per chain, for host tests of devices.
 */
#ifndef UMBRA_TESTS_GUESTQ_H
#define UMBRA_TESTS_GUESTQ_H

#include "vmm/virtq.h"
#include "vmm/vm.h"

struct guestq {
	struct vm *vm;
	struct um_boot_queue q;
	uint16_t next_desc;
	uint16_t avail_idx;
	uint16_t seen_used;
};

/* Places a queue of @size in RAM at *@cursor. */
void guestq_init(struct guestq *g, struct vm *vm, unsigned int size, gpa_t *cursor);

/* Makes @len bytes at @gpa available, for the device to read or (@flags VIRTQ_DESC_F_WRITE) write. Returns the head. */
uint16_t guestq_post(struct guestq *g, gpa_t gpa, uint32_t len, uint16_t flags);

/* The next used entry: true with head and length. */
bool guestq_used(struct guestq *g, uint32_t *head, uint32_t *len);

#endif
