/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which syscall instructions of a page of text can be patched for the direct switch (direct.c), and how: without
 * symbols, and without knowing where instructions begin, so whatever is not certain is no site. Nothing but bytes in,
 * offsets out.
 */
#include <gk/mm.h>
#include <gk/string.h>

#include "direct_sites.h"

#define NR_MAX 512 /* no system call has a higher number: such a mov is no site */

#define BYTES(b) (0x0101010101010101ull * (b)) /* eight of them */

/* The most specific nop or int3 at @p, as compilers and assemblers pad with; 0 if it is none. */
static u32 padding_length(const u8 *p, u32 room)
{
	u32 n = 0;

	if (room && (p[0] == 0xcc || p[0] == 0x90))
		return 1;
	while (n < room && (p[n] == 0x66 || p[n] == 0x2e))
		n++;
	if (n && n < room && p[n] == 0x90)
		return n + 1;
	if (n + 2 >= room || p[n] != 0x0f || p[n + 1] != 0x1f)
		return 0;
	switch (p[n + 2]) {
	case 0x00:
		n += 3;
		break;
	case 0x40:
		n += 4;
		break;
	case 0x44:
		n += 5;
		break;
	case 0x80:
		n += 7;
		break;
	case 0x84:
		n += 8;
		break;
	default:
		return 0;
	}
	return n <= room ? n : 0;
}

/* Seven bytes of padding behind a ret, within reach of a short jump at @site; its offset, or 0. */
static u32 find_padding(const u8 *text, u32 site)
{
	u32 end = MIN(site + 2 + 127, (u32)PAGE_SIZE);

	for (u32 i = site + 4; i < end; i++) {
		u32 pad = i + 1, len = 0, n;

		if (text[i] != 0xc3)
			continue;
		while (pad + len < PAGE_SIZE && len < 16 &&
		       (n = padding_length(text + pad + len, (u32)PAGE_SIZE - pad - len)))
			len += n;
		/* Padding ends where the next function begins: anything else may be code that only looks like it. */
		if (len >= 7 && (pad + len) % 16 == 0 && pad <= site + 2 + 127)
			return pad;
	}
	return 0;
}

/*
 * The length of the instruction at @p if it is one of the few that may stand between the mov and the syscall and that
 * mean the same at any address: moves and logic between registers, with small immediates, loads and stores not relative
 * to RIP. Else 0.
 */
static u32 movable_length(const u8 *p, const u8 *end)
{
	const u8 *start = p;
	u8 op, modrm, mod;
	u32 imm = 0;

	if (end - p < 2)
		return 0;
	if ((*p & 0xf0) == 0x40)
		p++;
	op = *p++;
	if ((op & 0xf8) == 0xb8) /* mov $imm32,%reg; with REX.W it would have 64 bits */
		return p - 1 > start && (start[0] & 8) ? 0 : (u32)(p - start) + 4;
	switch (op) {
	case 0x01: /* add */
	case 0x21: /* and */
	case 0x29: /* sub */
	case 0x31: /* xor */
	case 0x33:
	case 0x63: /* movslq */
	case 0x85: /* test */
	case 0x89: /* mov */
	case 0x8b:
	case 0x8d: /* lea */
		break;
	case 0x80:
	case 0x83:
		imm = 1;
		break;
	case 0x81:
	case 0xc7:
		imm = 4;
		break;
	default:
		return 0;
	}
	if (p >= end)
		return 0;
	modrm = *p++;
	mod = modrm >> 6;
	if (mod == 0 && (modrm & 7) == 5)
		return 0; /* relative to RIP */
	if (mod != 3 && (modrm & 7) == 4) {
		if (p >= end || (mod == 0 && (*p & 7) == 5))
			return 0;
		p++;
	}
	p += mod == 1 ? 1 : mod == 2 ? 4 : 0;
	return (u32)(p - start) + imm;
}

/* Do movable instructions fill [@from, @to) exactly? */
static bool all_movable(const u8 *from, const u8 *to)
{
	while (from < to) {
		u32 n = movable_length(from, to);

		if (!n)
			return false;
		from += n;
	}
	return from == to;
}

/* Whole sequences that are known for what they are: the generic call of the C library, those of the Go runtime. */
static const struct {
	u8 len, lead; /* bytes to match; how many of them, at the end, move */
	u8 bytes[12];
} known[] = {
	{5, 5, {0x4c, 0x8b, 0x4c, 0x24, 0x08}},
	{5, 5, {0x48, 0x8b, 0x44, 0x24, 0x08}},
	{12, 6, {0x49, 0x89, 0xf2, 0x48, 0x89, 0xfa, 0x48, 0x89, 0xce, 0x48, 0x89, 0xdf}},
};

/*
 * `mov $15,%rax; syscall`: what signal handlers return to. Unwinders know these nine bytes where a C library has no
 * unwind information for them, so only glibc's are patched, which has it: aligned, and not behind the single nop that
 * others put there for the unwinder's sake.
 */
#define RESTORER_LEAD 7
static bool is_restorer(const u8 *text, u32 i)
{
	static const u8 mov[RESTORER_LEAD] = {0x48, 0xc7, 0xc0, 0x0f};

	return i > 16 && (i - RESTORER_LEAD) % 16 == 0 && !memcmp(text + i - RESTORER_LEAD, mov, sizeof(mov)) &&
	       text[i - RESTORER_LEAD - 1] != 0x90;
}

/*
 * May the bytes [@from, @to) be part of a 64-bit immediate, as in a program that puts system calls together itself?
 * Nothing else in an instruction is long enough to look like a lead and a syscall.
 */
static bool maybe_immediate(const u8 *text, u32 from, u32 to)
{
	for (u32 q = MAX(from, 9u) - 8; q < from && q + 1 < to; q++) {
		if ((text[q] & 0xf8) == 0xb8 && (text[q - 1] & 0xf8) == 0x48)
			return true;
	}
	return false;
}

static u64 load64(const u8 *p)
{
	u64 v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Bit 7 of the lowest byte of @v that is @byte is the lowest bit set; 0 if none is. Higher bits mean nothing. */
static u64 find_byte(u64 v, u8 byte)
{
	v ^= byte * BYTES(0x01);
	return (v - BYTES(0x01)) & ~v & BYTES(0x80);
}

static bool between(u32 target, u32 from, u32 to)
{
	return target > from && target < to;
}

static bool short_branch_into(const u8 *text, u32 from, u32 to)
{
	const u32 end = MIN(to + 128, (u32)PAGE_SIZE - 1);

	for (u32 i = MAX(from, 129u) - 129; i < end; i++) {
		if (((text[i] & 0xf0) == 0x70 || text[i] == 0xeb) && between(i + 2 + (u32)(s8)text[i + 1], from, to))
			return true;
	}
	return false;
}

static bool near_branch_at(const u8 *text, u32 i, u32 from, u32 to)
{
	u32 opcode, rel;

	if (text[i] == 0xe9)
		opcode = 1;
	else if (text[i] == 0x0f && (text[i + 1] & 0xf0) == 0x80)
		opcode = 2;
	else
		return false;
	if (i + opcode + 4 > PAGE_SIZE)
		return false;
	memcpy(&rel, text + i + opcode, sizeof(rel));
	return between(i + opcode + 4 + rel, from, to);
}

bool direct_branch_into(const u8 *text, u32 from, u32 to)
{
	if (short_branch_into(text, from, to))
		return true;
	for (u32 i = 0; i < PAGE_SIZE; i += 8) {
		const u64 v = load64(text + i);

		if (!(find_byte(v, 0xe9) | find_byte(v, 0x0f)))
			continue;
		for (u32 k = i; k < i + 8 && k + 5 <= PAGE_SIZE; k++) {
			if (near_branch_at(text, k, from, to))
				return true;
		}
	}
	return false;
}

/*
 * The lead of the syscall instruction at @i: how many bytes before it can move to a stub, 0 if we do not know. Without
 * the beginning of the function there is no telling where instructions begin, so a lead has to start with a `mov
 * $nr,%eax` (five bytes of which three or four are known) that no byte before it can be a prefix of, and decode to the
 * end.
 */
static u32 lead_length(const u8 *text, u32 i)
{
	if (is_restorer(text, i))
		return RESTORER_LEAD;
	for (u32 k = 0; k < ARRAY_SIZE(known); k++) {
		if (i >= known[k].len && !memcmp(text + i - known[k].len, known[k].bytes, known[k].len))
			return maybe_immediate(text, i - known[k].len, i + 2) ? 0 : known[k].lead;
	}
	for (u32 len = 5; len <= DIRECT_LEAD_MAX && len < i; len++) {
		const u8 *p = text + i - len;
		u32 nr;

		if (p[0] != 0xb8 || (p[-1] & 0xf0) == 0x40 || p[-1] == 0x66)
			continue;
		memcpy(&nr, p + 1, 4);
		if (nr >= NR_MAX || !all_movable(p, text + i) || maybe_immediate(text, i - len, i + 2))
			continue;
		return len > 5 && direct_branch_into(text, i - len, i) ? 0 : len;
	}
	return 0;
}

/*
 * Four bytes may stand in any instruction; with the test for errors that C libraries have behind their calls it is ten.
 */
static bool is_xor_site(const u8 *text, u32 i)
{
	static const u8 cmp[] = {0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff};

	return i > 2 && i + 2 + sizeof(cmp) <= PAGE_SIZE && text[i - 2] == 0x31 && text[i - 1] == 0xc0 &&
	       (text[i - 3] & 0xf0) != 0x40 && text[i - 3] != 0x66 && !memcmp(text + i + 2, cmp, sizeof(cmp));
}

u32 direct_next_syscall(const u8 *text, u32 i, u8 beyond)
{
	for (; i + 9 <= PAGE_SIZE; i += 8) {
		/* Byte n is zero where text[i + n] is 0f and the byte after it 05. */
		const u64 pairs = (load64(text + i) ^ BYTES(0x0f)) | (load64(text + i + 1) ^ BYTES(0x05));
		const u64 hit = find_byte(pairs, 0);

		if (hit)
			return i + (u32)__builtin_ctzll(hit) / 8;
	}
	for (; i < PAGE_SIZE; i++) {
		if (text[i] == 0x0f && (i + 1 < PAGE_SIZE ? text[i + 1] : beyond) == 0x05)
			break;
	}
	return MIN(i, (u32)PAGE_SIZE);
}

bool direct_next_site(const u8 *text, u8 beyond, struct direct_site *s)
{
	for (u32 i = direct_next_syscall(text, s->at ? s->at + 2 : 0, beyond); i < PAGE_SIZE;
	     i = direct_next_syscall(text, i + 2, beyond)) {
		*s = (struct direct_site){.at = i, .lead = lead_length(text, i)};
		if (!s->lead && is_xor_site(text, i)) {
			s->lead = 2;
			s->pad = find_padding(text, i - 2);
		}
		if (s->lead && (s->lead > 2 || s->pad))
			return true;
	}
	return false;
}
