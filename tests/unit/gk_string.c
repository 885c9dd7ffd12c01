/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's string and memory functions against the C library's, at every length and overlap that takes another path. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define memcpy gk_memcpy
#define memmove gk_memmove
#define memset gk_memset
#define memcmp gk_memcmp
#define memchr gk_memchr
#define strlen gk_strlen
#define strnlen gk_strnlen
#define strcmp gk_strcmp
#define strncmp gk_strncmp
#define strchr gk_strchr
#define strrchr gk_strrchr
#define strstr gk_strstr
#define strscpy gk_strscpy
#define strtoull gk_strtoull
#define strtoll gk_strtoll
#include "../../guest/kernel/string.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strtoull
#undef strtoll
#undef strlen
#undef strcmp
#undef strchr
#undef strrchr
#undef strstr
#include "check.h"

static void test_memory(void)
{
	for (size_t n = 0; n < 200; n++) {
		for (int shift = -20; shift <= 20; shift++) {
			char *a = malloc(n + 64), *b = malloc(n + 64);

			for (size_t i = 0; i < n + 64; i++)
				a[i] = b[i] = (char)(i * 7);
			memmove(a + 20 + shift, a + 20, n);
			CHECK(gk_memmove(b + 20 + shift, b + 20, n) == b + 20 + shift);
			CHECK(!memcmp(a, b, n + 64));
			memset(a + 5, shift, n);
			CHECK(gk_memset(b + 5, shift, n) == b + 5 && !memcmp(a, b, n + 64));
			free(a);
			free(b);
		}
		/* Exactly as large as needed: overruns show. */
		char *src = malloc(n + 1), *dst = malloc(n + 1);

		memset(src, 'x', n);
		gk_memcpy(dst, src, n);
		CHECK(!gk_memcmp(dst, src, n));
		if (n) {
			dst[n - 1] = 'y';
			CHECK(gk_memcmp(dst, src, n) > 0 && gk_memcmp(src, dst, n) < 0);
			CHECK(gk_memchr(dst, 'y', n) == dst + n - 1 && !gk_memchr(dst, 'z', n));
		}
		free(src);
		free(dst);
	}
}

static void test_strings(void)
{
	char buf[8], *end;

	CHECK(gk_strlen("") == 0 && gk_strlen("abc") == 3 && gk_strnlen("abc", 2) == 2);
	CHECK(gk_strcmp("a", "b") < 0 && gk_strcmp("ab", "a") > 0 && !gk_strcmp("ab", "ab") && gk_strcmp("\xff", "a") > 0);
	CHECK(!gk_strncmp("abc", "abd", 2) && gk_strncmp("abc", "abd", 3) < 0 && !gk_strncmp("a", "a", 9));
	CHECK(!strcmp(gk_strchr("abcb", 'b'), "bcb") && !strcmp(gk_strrchr("abcb", 'b'), "b") && !gk_strchr("a", 'z'));
	CHECK(*gk_strchr("a", 0) == 0 && *gk_strrchr("a", 0) == 0);
	CHECK(!strcmp(gk_strstr("hello", "ll"), "llo") && !gk_strstr("hello", "lo!") && !strcmp(gk_strstr("x", ""), "x"));
	CHECK(gk_strscpy(buf, "1234567", 8) == 7 && gk_strscpy(buf, "12345678", 8) == -E2BIG && !strcmp(buf, "1234567"));
	CHECK(gk_strtoull("123x", &end, 10) == 123 && *end == 'x');
	CHECK(gk_strtoull("0x1f", &end, 0) == 31 && gk_strtoull("017", &end, 0) == 15 && gk_strtoull("0", &end, 0) == 0);
	CHECK(gk_strtoull("99999999999999999999", &end, 10) == ~0ull && !*end);
	CHECK(gk_strtoll("-42", &end, 10) == -42 && gk_strtoull("", &end, 10) == 0);
}

int main(void)
{
	test_memory();
	test_strings();
	return 0;
}
