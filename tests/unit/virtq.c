/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm/virtq.c against good and malformed rings, each malformation alone and valid in all else; then random rings.
 */
#include <errno.h>
#include <string.h>

#include "check.h"
#include "fakevm.h"
#include "vmm/virtq.h"

#define RAM 0x40000
#define SIZE 8

struct fixture {
	struct vm vm;
	struct um_boot_queue q;
	struct virtq vq;
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	struct virtq_used *used;
	struct virtq_chain chain;
};

static void setup(struct fixture *f, unsigned int size)
{
	gpa_t cursor = 0x1000;

	fakevm_init(&f->vm, RAM);
	CHECK_EQ(virtq_place(&f->q, size, &cursor, RAM), 0);
	CHECK_EQ(virtq_init(&f->vq, &f->vm, &f->q), 0);
	f->desc = (struct virtq_desc *)(f->vm.ram + f->q.desc);
	f->avail = (struct virtq_avail *)(f->vm.ram + f->q.avail);
	f->used = (struct virtq_used *)(f->vm.ram + f->q.used);
}

static void offer(struct fixture *f, uint16_t head)
{
	f->avail->ring[f->avail->idx % f->q.size] = head;
	f->avail->idx++;
}

/* Two readable and one writable buffer in descriptors 0, 5, 2. */
static void good_chain(struct fixture *f)
{
	f->desc[0] = (struct virtq_desc){0x8000, 4, VIRTQ_DESC_F_NEXT, 5};
	f->desc[5] = (struct virtq_desc){0x9000, 100, VIRTQ_DESC_F_NEXT, 2};
	f->desc[2] = (struct virtq_desc){0xa000, 64, VIRTQ_DESC_F_WRITE, 77};
}

static void test_good(void)
{
	struct fixture f;
	char buf[200];

	setup(&f, SIZE);
	CHECK_EQ(virtq_pop(&f.vq, &f.chain), 0);
	good_chain(&f);
	memcpy(f.vm.ram + 0x8000, "abcd", 4);
	memcpy(f.vm.ram + 0x9000, "efgh", 4);
	for (int round = 0; round < 100000; round++) { /* wraps the 16-bit indices */
		offer(&f, 0);
		CHECK_EQ(virtq_pop(&f.vq, &f.chain), 1);
		CHECK_EQ(virtq_pop(&f.vq, &f.chain), 0);
		virtq_push(&f.vq, f.chain.head, 7);
		CHECK(virtq_publish(&f.vq));
		CHECK_EQ(f.used->idx, (uint16_t)(round + 1));
	}
	CHECK_EQ(f.chain.out_count, 2);
	CHECK_EQ(f.chain.in_count, 1);
	CHECK_EQ(f.chain.out_bytes, 104);
	CHECK_EQ(f.chain.in_bytes, 64);
	CHECK_EQ(f.used->ring[0].len, 7);
	CHECK_EQ(virtq_chain_read(&f.chain, 2, buf, sizeof(buf)), 102);
	CHECK(memcmp(buf, "cdefgh", 6) == 0);
	CHECK_EQ(virtq_chain_write(&f.chain, 60, "0123456", 7), 4);
	CHECK(memcmp(f.vm.ram + 0xa000 + 60, "0123", 4) == 0);
	CHECK_EQ(f.vm.ram[0xa000 + 64], 0);
	fakevm_deinit(&f.vm);
}

static void test_notifications(void)
{
	struct fixture f;

	setup(&f, SIZE);
	good_chain(&f);
	CHECK(!virtq_suppress(&f.vq, VIRTQ_QUIET));
	CHECK_EQ(f.used->flags, VIRTQ_USED_F_NO_NOTIFY);
	offer(&f, 0);
	CHECK(virtq_suppress(&f.vq, VIRTQ_LOUD));
	CHECK_EQ(f.used->flags, 0);
	CHECK_EQ(virtq_pop(&f.vq, &f.chain), 1);
	CHECK(!virtq_suppress(&f.vq, VIRTQ_LOUD));
	CHECK(!virtq_publish(&f.vq));
	virtq_push(&f.vq, f.chain.head, 0);
	f.avail->flags = VIRTQ_AVAIL_F_NO_INTERRUPT;
	CHECK(!virtq_publish(&f.vq));
	CHECK_EQ(f.used->idx, 1);
	fakevm_deinit(&f.vm);
}

static void expect_fault(struct fixture *f, const char *what)
{
	CHECK_EQ(virtq_pop(&f->vq, &f->chain), -EPROTO);
	CHECK(f->vq.fault && strstr(f->vq.fault, what));
	CHECK_EQ(virtq_pop(&f->vq, &f->chain), -EPROTO);
	fakevm_deinit(&f->vm);
}

static void test_malformed(void)
{
	struct fixture f;

	setup(&f, SIZE);
	f.avail->idx = SIZE + 1;
	expect_fault(&f, "avail index");

	setup(&f, SIZE);
	offer(&f, SIZE);
	expect_fault(&f, "beyond the table");

	setup(&f, SIZE);
	good_chain(&f);
	f.desc[5].next = 0xffff;
	offer(&f, 0);
	expect_fault(&f, "beyond the table");

	setup(&f, SIZE);
	good_chain(&f);
	f.desc[5].next = 0; /* a loop */
	offer(&f, 0);
	expect_fault(&f, "too long");

	setup(&f, 1024);
	for (int i = 0; i <= UM_VIRTQ_CHAIN_MAX; i++)
		f.desc[i] = (struct virtq_desc){0x8000, 1, VIRTQ_DESC_F_NEXT, (uint16_t)(i + 1)};
	offer(&f, 0);
	expect_fault(&f, "too long");

	setup(&f, SIZE);
	good_chain(&f);
	f.desc[5].flags |= 4; /* indirect */
	offer(&f, 0);
	expect_fault(&f, "flags");

	setup(&f, SIZE);
	good_chain(&f);
	f.desc[0].flags |= VIRTQ_DESC_F_WRITE;
	offer(&f, 0);
	expect_fault(&f, "after a writable");

	static const struct {
		uint64_t addr;
		uint32_t len;
	} bad[] = {{RAM - 4, 8}, {RAM, 1}, {UINT64_MAX - 3, 8}, {UINT64_MAX, 1}, {0x8000, 0xffffffff}, {0x8000, 0}};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setup(&f, SIZE);
		good_chain(&f);
		f.desc[2].addr = bad[i].addr;
		f.desc[2].len = bad[i].len;
		offer(&f, 0);
		expect_fault(&f, "outside guest RAM");
	}

	setup(&f, SIZE);
	good_chain(&f);
	for (int i = 0; i < SIZE; i++) {
		offer(&f, 0);
		CHECK_EQ(virtq_pop(&f.vq, &f.chain), 1);
	}
	offer(&f, 0);
	expect_fault(&f, "in flight");
}

static void test_init(void)
{
	struct fixture f;
	struct um_boot_queue q;
	struct virtq vq;
	gpa_t cursor = RAM - 64;

	setup(&f, SIZE);
	CHECK_EQ(virtq_place(&q, SIZE, &cursor, RAM), -ENOSPC);
	CHECK_EQ(cursor, RAM - 64);
	q = f.q;
	q.size = 6;
	CHECK_EQ(virtq_init(&vq, &f.vm, &q), -EINVAL);
	q = f.q;
	q.desc++;
	CHECK_EQ(virtq_init(&vq, &f.vm, &q), -EINVAL);
	q = f.q;
	q.used = RAM - 8;
	CHECK_EQ(virtq_init(&vq, &f.vm, &q), -EINVAL);
	fakevm_deinit(&f.vm);
}

int main(void)
{
	test_good();
	test_notifications();
	test_malformed();
	test_init();
	return 0;
}
