/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classic BPF, the part that seccomp filters may use: 32-bit loads from the record, the scratch memory, arithmetic,
 * forward jumps. Jumps only go forward, so a run takes at most as many steps as there are instructions.
 */
#include "bpf.h"

/* Classes and fields of an opcode (the BSD packet filter). */
#define BPF_LD 0x00
#define BPF_LDX 0x01
#define BPF_ST 0x02
#define BPF_STX 0x03
#define BPF_ALU 0x04
#define BPF_JMP 0x05
#define BPF_RET 0x06
#define BPF_MISC 0x07
#define BPF_W 0x00
#define BPF_IMM 0x00
#define BPF_ABS 0x20
#define BPF_MEM 0x60
#define BPF_LEN 0x80
#define BPF_ADD 0x00
#define BPF_SUB 0x10
#define BPF_MUL 0x20
#define BPF_DIV 0x30
#define BPF_OR 0x40
#define BPF_AND 0x50
#define BPF_LSH 0x60
#define BPF_RSH 0x70
#define BPF_NEG 0x80
#define BPF_XOR 0xa0
#define BPF_JA 0x00
#define BPF_JEQ 0x10
#define BPF_JGT 0x20
#define BPF_JGE 0x30
#define BPF_JSET 0x40
#define BPF_K 0x00
#define BPF_X 0x08
#define BPF_A 0x10
#define BPF_TAX 0x00
#define BPF_TXA 0x80

#define SCRATCH_WORDS 16

static bool alu_valid(const struct bpf_insn *i)
{
	uint16_t op = i->code & 0xf0;
	bool constant = !(i->code & BPF_X);

	switch (op) {
	case BPF_ADD:
	case BPF_SUB:
	case BPF_MUL:
	case BPF_OR:
	case BPF_AND:
	case BPF_XOR:
		return true;
	case BPF_DIV:
		return !constant || i->k;
	case BPF_LSH:
	case BPF_RSH:
		return !constant || i->k < 32;
	case BPF_NEG:
		return constant;
	default:
		return false;
	}
}

static bool jump_valid(const struct bpf_insn *i, size_t left)
{
	switch (i->code & 0xf0) {
	case BPF_JA:
		return !(i->code & BPF_X) && i->k < left;
	case BPF_JEQ:
	case BPF_JGT:
	case BPF_JGE:
	case BPF_JSET:
		return i->jt < left && i->jf < left;
	default:
		return false;
	}
}

/* @left: instructions after this one. */
static bool insn_valid(const struct bpf_insn *i, size_t left, size_t data_bytes)
{
	switch (i->code) {
	case BPF_LD | BPF_W | BPF_ABS:
		return i->k % 4 == 0 && i->k < data_bytes;
	case BPF_LD | BPF_W | BPF_LEN:
	case BPF_LDX | BPF_W | BPF_LEN:
	case BPF_LD | BPF_IMM:
	case BPF_LDX | BPF_IMM:
	case BPF_RET | BPF_K:
	case BPF_RET | BPF_A:
	case BPF_MISC | BPF_TAX:
	case BPF_MISC | BPF_TXA:
		return true;
	case BPF_LD | BPF_MEM:
	case BPF_LDX | BPF_MEM:
	case BPF_ST:
	case BPF_STX:
		return i->k < SCRATCH_WORDS;
	}
	if (i->code & ~0xff)
		return false;
	if ((i->code & 7) == BPF_ALU)
		return alu_valid(i);
	if ((i->code & 7) == BPF_JMP)
		return jump_valid(i, left);
	return false;
}

bool bpf_check(const struct bpf_insn *prog, size_t n, size_t data_bytes)
{
	size_t i;

	if (!n || n > BPF_MAX_INSNS)
		return false;
	for (i = 0; i < n; i++) {
		if (!insn_valid(&prog[i], n - i - 1, data_bytes))
			return false;
	}
	return prog[n - 1].code == (BPF_RET | BPF_K) || prog[n - 1].code == (BPF_RET | BPF_A);
}

/* False: division by zero, which ends the program with 0. */
static bool alu(uint16_t op, uint32_t *a, uint32_t v)
{
	switch (op) {
	case BPF_ADD:
		*a += v;
		break;
	case BPF_SUB:
		*a -= v;
		break;
	case BPF_MUL:
		*a *= v;
		break;
	case BPF_DIV:
		if (!v)
			return false;
		*a /= v;
		break;
	case BPF_OR:
		*a |= v;
		break;
	case BPF_AND:
		*a &= v;
		break;
	case BPF_XOR:
		*a ^= v;
		break;
	case BPF_LSH:
		*a <<= v & 31;
		break;
	case BPF_RSH:
		*a >>= v & 31;
		break;
	case BPF_NEG:
		*a = -*a;
		break;
	}
	return true;
}

static bool condition(uint16_t op, uint32_t a, uint32_t v)
{
	switch (op) {
	case BPF_JEQ:
		return a == v;
	case BPF_JGT:
		return a > v;
	case BPF_JGE:
		return a >= v;
	default: /* BPF_JSET */
		return a & v;
	}
}

uint32_t bpf_run(const struct bpf_insn *prog, const void *data, size_t data_bytes)
{
	const struct bpf_insn *i;
	uint32_t a = 0, x = 0, mem[SCRATCH_WORDS] = {0};

	for (i = prog;; i++) {
		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			a = ((const uint32_t *)data)[i->k / 4];
			continue;
		case BPF_LD | BPF_W | BPF_LEN:
			a = (uint32_t)data_bytes;
			continue;
		case BPF_LDX | BPF_W | BPF_LEN:
			x = (uint32_t)data_bytes;
			continue;
		case BPF_LD | BPF_IMM:
			a = i->k;
			continue;
		case BPF_LDX | BPF_IMM:
			x = i->k;
			continue;
		case BPF_LD | BPF_MEM:
			a = mem[i->k];
			continue;
		case BPF_LDX | BPF_MEM:
			x = mem[i->k];
			continue;
		case BPF_ST:
			mem[i->k] = a;
			continue;
		case BPF_STX:
			mem[i->k] = x;
			continue;
		case BPF_MISC | BPF_TAX:
			x = a;
			continue;
		case BPF_MISC | BPF_TXA:
			a = x;
			continue;
		case BPF_RET | BPF_K:
			return i->k;
		case BPF_RET | BPF_A:
			return a;
		case BPF_JMP | BPF_JA:
			i += i->k;
			continue;
		}
		if ((i->code & 7) == BPF_JMP)
			i += condition(i->code & 0xf0, a, i->code & BPF_X ? x : i->k) ? i->jt : i->jf;
		else if (!alu(i->code & 0xf0, &a, i->code & BPF_X ? x : i->k))
			return 0;
	}
}
