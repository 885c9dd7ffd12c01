/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz entry for vmm/virtq.c: the input is the ring memory itself. Whatever it holds, pops end, buffers lie in RAM, and
 * nothing outside the used ring is written.
 */
#include <string.h>

#include "fuzz.h"
#include "../check.h"
#include "../unit/fakevm.h"
#include "vmm/virtq.h"

#define RAM 0x10000
#define SIZE 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vm vm;
	struct virtq vq;
	struct um_boot_queue q;
	struct virtq_chain chain;
	gpa_t cursor = 0;

	fakevm_init(&vm, RAM);
	CHECK_EQ(virtq_place(&q, SIZE, &cursor, RAM), 0);
	CHECK_EQ(virtq_init(&vq, &vm, &q), 0);
	memcpy(vm.ram, data, size < cursor ? size : cursor);
	for (int i = 0; i < 4 * SIZE && virtq_pop(&vq, &chain) > 0; i++) {
		CHECK(chain.out_count + chain.in_count <= SIZE);
		for (unsigned int n = 0; n < chain.out_count + chain.in_count; n++) {
			const uint8_t *p = chain.iov[n].iov_base;

			CHECK(p >= vm.ram && p + chain.iov[n].iov_len <= vm.ram + RAM);
		}
		if (i & 1) {
			virtq_push(&vq, chain.head, 0);
			virtq_publish(&vq);
		}
	}
	fakevm_deinit(&vm);
	return 0;
}
