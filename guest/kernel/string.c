/* SPDX-License-Identifier: Apache-2.0 */
/*
 * String and memory functions of the guest kernel, for kernel memory only.
 *
 * The compiler itself calls memcpy, memmove, memset and memcmp. Short blocks are done with a few overlapping moves,
 * long ones with the string instructions, which current processors run at cache-line width. The direction flag is clear
 * in supervisor code (the entry code sees to it); memmove sets it only for the length of one instruction.
 */
#include <gk/errno.h>
#include <gk/string.h>

/* Unaligned access without the compiler seeing a type pun. */
typedef u64 u64_u __attribute__((aligned(1), may_alias));
typedef u32 u32_u __attribute__((aligned(1), may_alias));
typedef u16 u16_u __attribute__((aligned(1), may_alias));

static __always_inline void rep_movsb(void *dst, const void *src, size_t n)
{
	__asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(n) : : "memory");
}

/* Up to 16 bytes; everything is loaded before anything is stored, so the blocks may overlap. */
static __always_inline void move_short(void *dst, const void *src, size_t n)
{
	char *d = dst;
	const char *s = src;

	if (n >= 8) {
		u64 a = *(const u64_u *)s, b = *(const u64_u *)(s + n - 8);

		*(u64_u *)d = a;
		*(u64_u *)(d + n - 8) = b;
	} else if (n >= 4) {
		u32 a = *(const u32_u *)s, b = *(const u32_u *)(s + n - 4);

		*(u32_u *)d = a;
		*(u32_u *)(d + n - 4) = b;
	} else if (n) {
		char a = s[0], b = s[n / 2], c = s[n - 1];

		d[0] = a;
		d[n / 2] = b;
		d[n - 1] = c;
	}
}

void *memcpy(void *dst, const void *src, size_t n)
{
	if (n <= 16)
		move_short(dst, src, n);
	else
		rep_movsb(dst, src, n);
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	if (n <= 16) {
		move_short(dst, src, n);
	} else if ((u64)dst - (u64)src >= n) {
		rep_movsb(dst, src, n);
	} else {
		char *d = (char *)dst + n - 1;
		const char *s = (const char *)src + n - 1;

		__asm__ volatile("std; rep movsb; cld" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
	}
	return dst;
}

void *memset(void *dst, int c, size_t n)
{
	u64 v = 0x0101010101010101ull * (u8)c;
	char *d = dst;

	if (n >= 8 && n <= 32) {
		*(u64_u *)d = v;
		*(u64_u *)(d + n - 8) = v;
		if (n > 16) {
			*(u64_u *)(d + 8) = v;
			*(u64_u *)(d + n - 16) = v;
		}
	} else if (n < 8) {
		if (n >= 4) {
			*(u32_u *)d = (u32)v;
			*(u32_u *)(d + n - 4) = (u32)v;
		} else if (n >= 2) {
			*(u16_u *)d = (u16)v;
			*(u16_u *)(d + n - 2) = (u16)v;
		} else if (n) {
			*d = (char)c;
		}
	} else {
		__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	}
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *p = a, *q = b;

	while (n >= 8 && *(const u64_u *)p == *(const u64_u *)q) {
		p += 8;
		q += 8;
		n -= 8;
	}
	for (; n; n--, p++, q++) {
		if (*p != *q)
			return *p - *q;
	}
	return 0;
}

/* The standard functions take const and give back plain pointers. */
static __always_inline char *unconst(const char *s)
{
	return (char *)(u64)s;
}

void *memchr(const void *s, int c, size_t n)
{
	const char *p = s;

	for (; n; n--, p++) {
		if (*p == (char)c)
			return unconst(p);
	}
	return NULL;
}

size_t strlen(const char *s)
{
	const char *p = s;

	while (*p) {
		p++;
		barrier(); /* or the compiler makes this loop a call of strlen() */
	}
	return (size_t)(p - s);
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++) {
		if (*a != *b)
			return (u8)*a - (u8)*b;
		if (!*a)
			break;
	}
	return 0;
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return unconst(s);
		if (!*s)
			return NULL;
	}
}

char *strrchr(const char *s, int c)
{
	const char *last = NULL;

	do {
		if (*s == (char)c)
			last = s;
	} while (*s++);
	return unconst(last);
}

char *strstr(const char *hay, const char *needle)
{
	size_t n = strlen(needle);

	for (; *hay || !n; hay++) {
		if (!strncmp(hay, needle, n))
			return unconst(hay);
	}
	return NULL;
}

ssize_t strscpy(char *dst, const char *src, size_t size)
{
	size_t n;

	if (!size)
		return -E2BIG;
	n = strnlen(src, size);
	if (n == size) {
		memcpy(dst, src, size - 1);
		dst[size - 1] = '\0';
		return -E2BIG;
	}
	memcpy(dst, src, n + 1);
	return (ssize_t)n;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 10;
	return 99;
}

unsigned long long strtoull(const char *s, char **end, int base)
{
	u64 v = 0;

	if ((base == 0 || base == 16) && s[0] == '0' && (s[1] | 0x20) == 'x' && digit(s[2]) < 16) {
		s += 2;
		base = 16;
	} else if (base == 0) {
		base = s[0] == '0' ? 8 : 10;
	}
	for (; digit(*s) < base; s++) {
		u64 next;

		/* Too large: stick to the largest, as the C library does. */
		if (__builtin_mul_overflow(v, (u64)base, &next) || __builtin_add_overflow(next, (u64)digit(*s), &next))
			next = ~0ull;
		v = next;
	}
	if (end)
		*end = unconst(s);
	return v;
}

long long strtoll(const char *s, char **end, int base)
{
	bool negative = *s == '-';
	u64 v = strtoull(s + (*s == '-' || *s == '+'), end, base);

	return negative ? -(s64)v : (s64)v;
}
