/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The split virtqueue in memory (virtio 1.2, "Split Virtqueues"): types and limits, shared by driver and device.
 *
 * Where a queue lies is said in the boot block (struct um_boot_queue). Our transport fixes what virtio negotiates:
 * little endian, no indirect descriptors, no event index (notifications are suppressed by the two flag words), buffers
 * may be used in any order. A chain has at most UM_VIRTQ_CHAIN_MAX descriptors; a device ends the sandbox over a longer
 * one.
 */
#ifndef UMBRA_ABI_VIRTQ_H
#define UMBRA_ABI_VIRTQ_H

#include <stddef.h>
#include <stdint.h>

#define UM_VIRTQ_SIZE_MAX 1024
#define UM_VIRTQ_CHAIN_MAX 128

/* virtq_desc.flags */
#define VIRTQ_DESC_F_NEXT 1  /* the chain goes on at .next */
#define VIRTQ_DESC_F_WRITE 2 /* the device writes this buffer; else it reads it. All readable ones come first. */

/* virtq_avail.flags: the driver needs no interrupt just now (a hint) */
#define VIRTQ_AVAIL_F_NO_INTERRUPT 1
/* virtq_used.flags: the device needs no doorbell just now (a hint) */
#define VIRTQ_USED_F_NO_NOTIFY 1

struct virtq_desc {
	uint64_t addr; /* gpa */
	uint32_t len;
	uint16_t flags;
	uint16_t next;
};

struct virtq_avail {
	uint16_t flags;
	uint16_t idx;	 /* where the driver puts its next entry, modulo 2^16 */
	uint16_t ring[]; /* heads of chains */
};

struct virtq_used_elem {
	uint32_t id;  /* head of the chain */
	uint32_t len; /* bytes the device wrote, from the first writable one on */
};

struct virtq_used {
	uint16_t flags;
	uint16_t idx; /* where the device puts its next entry, modulo 2^16 */
	struct virtq_used_elem ring[];
};

_Static_assert(sizeof(struct virtq_desc) == 16, "virtio 1.2");
_Static_assert(offsetof(struct virtq_avail, ring) == 4, "virtio 1.2");
_Static_assert(sizeof(struct virtq_used_elem) == 8, "virtio 1.2");
_Static_assert(offsetof(struct virtq_used, ring) == 4, "virtio 1.2");

/* Sizes in bytes for @size entries. The two spare bytes at the end are virtio's event words, which we leave unused. */
#define VIRTQ_DESC_BYTES(size) (16u * (size))
#define VIRTQ_AVAIL_BYTES(size) (6u + 2u * (size))
#define VIRTQ_USED_BYTES(size) (6u + 8u * (size))

#endif
