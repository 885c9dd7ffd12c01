/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which system calls in a page of text can be patched: the fast scans against slow ones, and what is a site and what is
 * none.
 */
#include <stdlib.h>
#include <string.h>

#include "../../guest/arch/x86_64/direct_sites.h"
#include "unit.h"

#define PAGE 4096u
#define ROUNDS 300

static uint8_t page[PAGE];

/* Few different bytes, so that every pair and every branch comes up. */
static void random_page(void)
{
	static const uint8_t some[] = {0x0f, 0x05, 0xe9, 0xeb, 0x74, 0x00, 0xff, 0x80, 0x0e, 0x8f, 0x10, 0xf0};
	const int rare = 1 + rand() % 50;

	for (unsigned int i = 0; i < PAGE; i++)
		page[i] = rand() % rare ? (uint8_t)rand() : some[(unsigned int)rand() % sizeof(some)];
}

static unsigned int slow_next(unsigned int i, uint8_t beyond)
{
	for (; i < PAGE; i++) {
		if (page[i] == 0x0f && (i + 1 < PAGE ? page[i + 1] : beyond) == 0x05)
			return i;
	}
	return PAGE;
}

static void finds_every_syscall(void **state)
{
	(void)state;
	srand(1);
	for (int n = 0; n < ROUNDS; n++) {
		random_page();
		for (unsigned int i = 0, found = 0; i < PAGE; i = found + 1) {
			const uint8_t beyond = n & 1 ? 0x05 : 0;

			found = direct_next_syscall(page, i, beyond);
			assert_int_equal(found, slow_next(i, beyond));
		}
	}
}

static bool slow_branch_into(unsigned int from, unsigned int to)
{
	for (unsigned int i = 0; i < PAGE; i++) {
		unsigned int target = 0, opcode = 1;
		int32_t rel;

		if (((page[i] & 0xf0) == 0x70 || page[i] == 0xeb) && i + 2 <= PAGE) {
			target = i + 2 + (unsigned int)(int8_t)page[i + 1];
		} else {
			if (page[i] == 0x0f && i + 1 < PAGE && (page[i + 1] & 0xf0) == 0x80)
				opcode = 2;
			else if (page[i] != 0xe9)
				continue;
			if (i + opcode + 4 > PAGE)
				continue;
			memcpy(&rel, page + i + opcode, 4);
			target = i + opcode + 4 + (unsigned int)rel;
		}
		if (target > from && target < to)
			return true;
	}
	return false;
}

static void finds_every_branch(void **state)
{
	unsigned int hits = 0;

	(void)state;
	srand(2);
	for (int n = 0; n < ROUNDS; n++) {
		random_page();
		for (unsigned int from = 0; from + 12 < PAGE; from += 1 + (unsigned int)rand() % 64) {
			const unsigned int to = from + 6 + (unsigned int)rand() % 6;

			assert_int_equal(direct_branch_into(page, from, to), slow_branch_into(from, to));
			hits += direct_branch_into(page, from, to);
		}
	}
	assert_true(hits > ROUNDS);
}

/* ---- what is a site ---- */

#define MOV 0xb8, 0x27, 0, 0, 0 /* mov $getpid,%eax */
#define SYSCALL 0x0f, 0x05
#define CMP 0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff /* cmp $-4096,%rax */
#define XOR 0x31, 0xc0			       /* xor %eax,%eax */
#define MOVES 0x48, 0x89, 0xc7, 0x48, 0x89, 0xc7, 0x48, 0x89, 0xc7

struct code {
	const char *name;
	uint8_t bytes[64];
	unsigned int len;
	unsigned int lead; /* 0: no site */
	unsigned int pad;  /* behind the beginning of the code; 0: none */
};

#define CODE(...) .bytes = {__VA_ARGS__}, .len = sizeof((const uint8_t[]){__VA_ARGS__})

static const struct code codes[] = {
	{"number, call", CODE(0xc3, MOV, SYSCALL), .lead = 5},
	{"a register moved between", CODE(0xc3, MOV, 0x49, 0x89, 0xca, SYSCALL), .lead = 8},
	{"a load relative to RIP between", CODE(0xc3, MOV, 0x8b, 0x3d, 1, 2, 3, 4, SYSCALL)},
	{"%r8d, not %eax", CODE(0x41, MOV, SYSCALL)},
	{"16 bits", CODE(0x66, MOV, SYSCALL)},
	{"no such call", CODE(0xc3, 0xb8, 0x27, 0x27, 0, 0, SYSCALL)},
	{"part of an immediate", CODE(0x48, 0xb8, 0x90, MOV, SYSCALL)},
	{"no number", CODE(0x48, 0x89, 0xd8, 0x90, 0x90, 0x90, SYSCALL)},
	{"the C library's syscall()", CODE(0x90, 0x4c, 0x8b, 0x4c, 0x24, 0x08, SYSCALL), .lead = 5},
	{"read(), with room behind",
	 CODE(XOR, SYSCALL, CMP, MOVES, 0xc3, 0x0f, 0x1f, 0x80, 0, 0, 0, 0, 0x0f, 0x1f, 0x44, 0, 0), .lead = 2,
	 .pad = 20},
	{"read(), with room that ends early", CODE(XOR, SYSCALL, CMP, MOVES, 0xc3, 0x0f, 0x1f, 0x80, 0, 0, 0, 0, 0xf4)},
	{"read(), with code behind", CODE(XOR, SYSCALL, CMP, 0xc3, MOVES, MOVES)},
	{"xor, without the test", CODE(XOR, SYSCALL, 0xc3, 0x0f, 0x1f, 0x80, 0, 0, 0, 0, 0x90, 0x90, 0x90, 0x90, 0x90)},
};

static void knows_sites(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		const struct code *c = &codes[i];
		struct direct_site s = {};
		const unsigned int start = 512;

		memset(page, 0xf4, sizeof(page));
		memcpy(page + start, c->bytes, c->len);
		if (direct_next_site(page, 0, &s) != (c->lead != 0))
			fail_msg("%s: %s", c->name, c->lead ? "no site" : "a site");
		if (!c->lead)
			continue;
		if (s.at != direct_next_syscall(page, 0, 0) || s.lead != c->lead)
			fail_msg("%s: at %u, lead %u", c->name, s.at, s.lead);
		assert_int_equal(s.pad, c->pad ? start + c->pad : 0);
		assert_false(direct_next_site(page, 0, &s));
	}
}

/* A loop may begin in the middle of what would move. */
static void respects_branches(void **state)
{
	static const uint8_t code[] = {MOV, 0x49, 0x89, 0xca, SYSCALL};
	const int32_t near = 512 + 5 - (2048 + 6);
	struct direct_site s = {};

	(void)state;
	memset(page, 0xf4, sizeof(page));
	memcpy(page + 512, code, sizeof(code));
	assert_true(direct_next_site(page, 0, &s));

	memcpy(page + 540, (const uint8_t[]){0x75, (uint8_t)(512 + 5 - 542)}, 2);
	s = (struct direct_site){};
	assert_false(direct_next_site(page, 0, &s));

	memset(page + 540, 0xf4, 2);
	memcpy(page + 2048, (const uint8_t[]){0x0f, 0x84}, 2);
	memcpy(page + 2050, &near, 4);
	s = (struct direct_site){};
	assert_false(direct_next_site(page, 0, &s));
}

static void sees_the_next_page(void **state)
{
	static const uint8_t code[] = {MOV, 0x0f};
	struct direct_site s = {};

	(void)state;
	memset(page, 0xf4, sizeof(page));
	memcpy(page + PAGE - sizeof(code), code, sizeof(code));
	assert_false(direct_next_site(page, 0, &s));
	s = (struct direct_site){};
	assert_true(direct_next_site(page, 0x05, &s));
	assert_int_equal(s.at, PAGE - 1);
	assert_int_equal(s.lead, 5);
	assert_false(direct_next_site(page, 0x05, &s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_every_syscall), cmocka_unit_test(finds_every_branch),
		cmocka_unit_test(knows_sites),	       cmocka_unit_test(respects_branches),
		cmocka_unit_test(sees_the_next_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
