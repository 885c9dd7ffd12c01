/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmm/virtq.c against good and malformed rings, each malformation alone and valid in all else; then random rings.
 */
#include <errno.h>
#include <string.h>

#include "unit.h"
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
	assert_int_equal(virtq_place(&f->q, size, &cursor, RAM), 0);
	assert_int_equal(virtq_init(&f->vq, &f->vm, &f->q), 0);
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

static void test_good(void **state)
{
	struct fixture f;
	char buf[200];

	setup(&f, SIZE);
	assert_int_equal(virtq_pop(&f.vq, &f.chain), 0);
	good_chain(&f);
	memcpy(f.vm.ram + 0x8000, "abcd", 4);
	memcpy(f.vm.ram + 0x9000, "efgh", 4);
	for (int round = 0; round < 100000; round++) { /* wraps the 16-bit indices */
		offer(&f, 0);
		assert_int_equal(virtq_pop(&f.vq, &f.chain), 1);
		assert_int_equal(virtq_pop(&f.vq, &f.chain), 0);
		virtq_push(&f.vq, f.chain.head, 7);
		assert_true(virtq_publish(&f.vq));
		assert_int_equal(f.used->idx, (uint16_t)(round + 1));
	}
	assert_int_equal(f.chain.out_count, 2);
	assert_int_equal(f.chain.in_count, 1);
	assert_int_equal(f.chain.out_bytes, 104);
	assert_int_equal(f.chain.in_bytes, 64);
	assert_int_equal(f.used->ring[0].len, 7);
	assert_int_equal(virtq_chain_read(&f.chain, 2, buf, sizeof(buf)), 102);
	assert_memory_equal(buf, "cdefgh", 6);
	assert_int_equal(virtq_chain_write(&f.chain, 60, "0123456", 7), 4);
	assert_memory_equal(f.vm.ram + 0xa000 + 60, "0123", 4);
	assert_int_equal(f.vm.ram[0xa000 + 64], 0);
	fakevm_deinit(&f.vm);
}

static void test_notifications(void **state)
{
	struct fixture f;

	setup(&f, SIZE);
	good_chain(&f);
	assert_false(virtq_suppress(&f.vq, VIRTQ_QUIET));
	assert_int_equal(f.used->flags, VIRTQ_USED_F_NO_NOTIFY);
	offer(&f, 0);
	assert_true(virtq_suppress(&f.vq, VIRTQ_LOUD));
	assert_int_equal(f.used->flags, 0);
	assert_int_equal(virtq_pop(&f.vq, &f.chain), 1);
	assert_false(virtq_suppress(&f.vq, VIRTQ_LOUD));
	assert_false(virtq_publish(&f.vq));
	virtq_push(&f.vq, f.chain.head, 0);
	f.avail->flags = VIRTQ_AVAIL_F_NO_INTERRUPT;
	assert_false(virtq_publish(&f.vq));
	assert_int_equal(f.used->idx, 1);
	fakevm_deinit(&f.vm);
}

static void expect_fault(struct fixture *f, const char *what)
{
	assert_int_equal(virtq_pop(&f->vq, &f->chain), -EPROTO);
	assert_true(f->vq.fault);
	assert_true(strstr(f->vq.fault, what));
	assert_int_equal(virtq_pop(&f->vq, &f->chain), -EPROTO);
	fakevm_deinit(&f->vm);
}

static void test_malformed(void **state)
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
		assert_int_equal(virtq_pop(&f.vq, &f.chain), 1);
	}
	offer(&f, 0);
	expect_fault(&f, "in flight");
}

static void test_init(void **state)
{
	struct fixture f;
	struct um_boot_queue q;
	struct virtq vq;
	gpa_t cursor = RAM - 64;

	setup(&f, SIZE);
	assert_int_equal(virtq_place(&q, SIZE, &cursor, RAM), -ENOSPC);
	assert_int_equal(cursor, RAM - 64);
	q = f.q;
	q.size = 6;
	assert_int_equal(virtq_init(&vq, &f.vm, &q), -EINVAL);
	q = f.q;
	q.desc++;
	assert_int_equal(virtq_init(&vq, &f.vm, &q), -EINVAL);
	q = f.q;
	q.used = RAM - 8;
	assert_int_equal(virtq_init(&vq, &f.vm, &q), -EINVAL);
	fakevm_deinit(&f.vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_notifications),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_init),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
