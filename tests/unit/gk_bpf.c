/* SPDX-License-Identifier: Apache-2.0 */
/* The filter interpreter: what the checker lets through, and what programs compute. */
#include <string.h>

#include "../../guest/kernel/bpf.h"
#include "unit.h"

#define LD_ABS 0x20
#define LD_IMM 0x00
#define LD_LEN 0x80
#define LD_MEM 0x60
#define LDX_IMM 0x01
#define LDX_MEM 0x61
#define ST 0x02
#define STX 0x03
#define ALU(op) (0x04 | (op))
#define ALU_X(op) (0x0c | (op))
#define JMP(op) (0x05 | (op))
#define JMP_X(op) (0x0d | (op))
#define RET_K 0x06
#define RET_A 0x16
#define TAX 0x07
#define TXA 0x87

#define DATA_BYTES 64

static bool ok(const struct bpf_insn *p, size_t n)
{
	return bpf_check(p, n, DATA_BYTES);
}

static uint32_t run(const struct bpf_insn *p, size_t n)
{
	uint32_t data[DATA_BYTES / 4];

	for (size_t i = 0; i < DATA_BYTES / 4; i++)
		data[i] = (uint32_t)(1000 + i);
	assert_true(ok(p, n));
	return bpf_run(p, data, sizeof(data));
}

#define RUN(...) run((const struct bpf_insn[]){__VA_ARGS__}, sizeof((const struct bpf_insn[]){__VA_ARGS__}) / 8)
#define OK(...) ok((const struct bpf_insn[]){__VA_ARGS__}, sizeof((const struct bpf_insn[]){__VA_ARGS__}) / 8)

static uint32_t alu(uint16_t op, uint32_t a, uint32_t k)
{
	uint32_t by_k = RUN({LD_IMM, 0, 0, a}, {ALU(op), 0, 0, k}, {RET_A, 0, 0, 0});
	uint32_t by_x = RUN({LDX_IMM, 0, 0, k}, {LD_IMM, 0, 0, a}, {ALU_X(op), 0, 0, 0}, {RET_A, 0, 0, 0});

	assert_int_equal(by_k, by_x);
	return by_k;
}

static bool jumps(uint16_t op, uint32_t a, uint32_t k)
{
	return RUN({LD_IMM, 0, 0, a}, {JMP(op), 1, 0, k}, {RET_K, 0, 0, 0}, {RET_K, 0, 0, 1});
}

static void test_check(void **state)
{
	struct bpf_insn many[BPF_MAX_INSNS + 1];

	assert_true(OK({RET_K, 0, 0, 0}));
	assert_false(bpf_check(many, 0, DATA_BYTES));
	for (size_t i = 0; i < BPF_MAX_INSNS + 1; i++)
		many[i] = (struct bpf_insn){RET_K, 0, 0, 0};
	assert_true(bpf_check(many, BPF_MAX_INSNS, DATA_BYTES));
	assert_false(bpf_check(many, BPF_MAX_INSNS + 1, DATA_BYTES));
	/* The end is a return. */
	assert_false(OK({LD_IMM, 0, 0, 0}));
	assert_false(OK({RET_K, 0, 0, 0}, {TAX, 0, 0, 0}));
	/* Loads: aligned and inside. */
	assert_true(OK({LD_ABS, 0, 0, DATA_BYTES - 4}, {RET_A, 0, 0, 0}));
	assert_false(OK({LD_ABS, 0, 0, DATA_BYTES}, {RET_A, 0, 0, 0}));
	assert_false(OK({LD_ABS, 0, 0, 2}, {RET_A, 0, 0, 0}));
	assert_false(OK({LD_ABS, 0, 0, 0xfffffffc}, {RET_A, 0, 0, 0}));
	assert_false(OK({LD_ABS | 0x08, 0, 0, 0}, {RET_A, 0, 0, 0})); /* half words */
	/* Jumps: forward and inside. */
	assert_true(OK({JMP(0x00), 0, 0, 0}, {RET_K, 0, 0, 0}));
	assert_false(OK({JMP(0x00), 0, 0, 1}, {RET_K, 0, 0, 0}));
	assert_false(OK({JMP(0x00), 0, 0, 0xffffffff}, {RET_K, 0, 0, 0}));
	assert_false(OK({JMP(0x10), 1, 0, 0}, {RET_K, 0, 0, 0}));
	assert_false(OK({JMP(0x10), 0, 255, 0}, {RET_K, 0, 0, 0}));
	assert_false(OK({JMP(0x50), 0, 0, 0}, {RET_K, 0, 0, 0}));
	/* Scratch memory has sixteen words. */
	assert_true(OK({ST, 0, 0, 15}, {RET_K, 0, 0, 0}));
	assert_false(OK({ST, 0, 0, 16}, {RET_K, 0, 0, 0}));
	assert_false(OK({LDX_MEM, 0, 0, 16}, {RET_K, 0, 0, 0}));
	/* Arithmetic. */
	assert_false(OK({ALU(0x30), 0, 0, 0}, {RET_A, 0, 0, 0}));
	assert_false(OK({ALU(0x60), 0, 0, 32}, {RET_A, 0, 0, 0}));
	assert_false(OK({ALU(0x90), 0, 0, 1}, {RET_A, 0, 0, 0})); /* modulo: not for filters */
	assert_false(OK({0x0100 | RET_K, 0, 0, 0}));
	assert_false(OK({0xffff, 0, 0, 0}, {RET_K, 0, 0, 0}));
}

static void test_alu(void **state)
{
	assert_int_equal(alu(0x00, 7, 5), 12);
	assert_int_equal(alu(0x10, 5, 7), (uint32_t)-2);
	assert_int_equal(alu(0x20, 0x10000, 0x10001), 0x10000);
	assert_int_equal(alu(0x30, 100, 7), 14);
	assert_int_equal(alu(0x40, 0xf0, 0x0f), 0xff);
	assert_int_equal(alu(0x50, 0xff, 0x3c), 0x3c);
	assert_int_equal(alu(0x60, 1, 31), 0x80000000u);
	assert_int_equal(alu(0x70, 0x80000000u, 31), 1);
	assert_int_equal(alu(0xa0, 0xff, 0x0f), 0xf0);
	assert_int_equal(RUN({LD_IMM, 0, 0, 1}, {ALU(0x80), 0, 0, 0}, {RET_A, 0, 0, 0}), 0xffffffffu);
	/* Division by a zero X ends the program with 0. */
	assert_int_equal(RUN({LD_IMM, 0, 0, 1}, {ALU_X(0x30), 0, 0, 0}, {RET_K, 0, 0, 9}), 0);
}

static void test_moves(void **state)
{
	assert_int_equal(RUN({LD_ABS, 0, 0, 8}, {RET_A, 0, 0, 0}), 1002);
	assert_int_equal(RUN({LD_LEN, 0, 0, 0}, {RET_A, 0, 0, 0}), DATA_BYTES);
	assert_int_equal(RUN({LD_IMM, 0, 0, 5}, {ST, 0, 0, 3}, {LD_IMM, 0, 0, 0}, {LD_MEM, 0, 0, 3}, {RET_A, 0, 0, 0}),
			 5);
	assert_int_equal(RUN({LDX_IMM, 0, 0, 6}, {STX, 0, 0, 0}, {LD_MEM, 0, 0, 0}, {RET_A, 0, 0, 0}), 6);
	assert_int_equal(RUN({LD_MEM, 0, 0, 1}, {RET_A, 0, 0, 0}), 0); /* scratch memory starts as zero */
	assert_int_equal(RUN({LD_IMM, 0, 0, 8}, {TAX, 0, 0, 0}, {LD_IMM, 0, 0, 0}, {TXA, 0, 0, 0}, {RET_A, 0, 0, 0}),
			 8);
}

static void test_jumps(void **state)
{
	assert_true(jumps(0x10, 5, 5));
	assert_false(jumps(0x10, 5, 6));
	assert_true(jumps(0x20, 6, 5));
	assert_false(jumps(0x20, 5, 5));
	assert_true(jumps(0x30, 5, 5));
	assert_false(jumps(0x30, 4, 5));
	assert_true(jumps(0x40, 6, 2));
	assert_false(jumps(0x40, 4, 2));
	assert_true(jumps(0x20, 0x80000000u, 1)); /* unsigned */
	assert_int_equal(RUN({JMP(0x00), 0, 0, 1}, {RET_K, 0, 0, 1}, {RET_K, 0, 0, 2}), 2);
	assert_int_equal(
		RUN({LDX_IMM, 0, 0, 3}, {LD_IMM, 0, 0, 3}, {JMP_X(0x10), 0, 1, 0}, {RET_K, 0, 0, 1}, {RET_K, 0, 0, 2}),
		1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check),
		cmocka_unit_test(test_alu),
		cmocka_unit_test(test_moves),
		cmocka_unit_test(test_jumps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
