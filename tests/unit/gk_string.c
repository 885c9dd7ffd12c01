/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's string and memory functions against the C library's, at every length and overlap that takes another path.
 */
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
#include "unit.h"

static void test_memory(void **state)
{
	for (size_t n = 0; n < 200; n++) {
		for (int shift = -20; shift <= 20; shift++) {
			char *a = malloc(n + 64), *b = malloc(n + 64);

			for (size_t i = 0; i < n + 64; i++)
				a[i] = b[i] = (char)(i * 7);
			memmove(a + 20 + shift, a + 20, n);
			assert_true(gk_memmove(b + 20 + shift, b + 20, n) == b + 20 + shift);
			assert_memory_equal(a, b, n + 64);
			memset(a + 5, shift, n);
			assert_true(gk_memset(b + 5, shift, n) == b + 5);
			assert_memory_equal(a, b, n + 64);
			free(a);
			free(b);
		}
		/* Exactly as large as needed: overruns show. */
		char *src = malloc(n + 1), *dst = malloc(n + 1);

		memset(src, 'x', n);
		gk_memcpy(dst, src, n);
		assert_false(gk_memcmp(dst, src, n));
		if (n) {
			dst[n - 1] = 'y';
			assert_true(gk_memcmp(dst, src, n) > 0);
			assert_true(gk_memcmp(src, dst, n) < 0);
			assert_true(gk_memchr(dst, 'y', n) == dst + n - 1);
			assert_false(gk_memchr(dst, 'z', n));
		}
		free(src);
		free(dst);
	}
}

static void test_strings(void **state)
{
	char buf[8], *end;

	assert_int_equal(gk_strlen(""), 0);
	assert_int_equal(gk_strlen("abc"), 3);
	assert_int_equal(gk_strnlen("abc", 2), 2);
	assert_true(gk_strcmp("a", "b") < 0);
	assert_true(gk_strcmp("ab", "a") > 0);
	assert_false(gk_strcmp("ab", "ab"));
	assert_true(gk_strcmp("\xff", "a") > 0);
	assert_false(gk_strncmp("abc", "abd", 2));
	assert_true(gk_strncmp("abc", "abd", 3) < 0);
	assert_false(gk_strncmp("a", "a", 9));
	assert_string_equal(gk_strchr("abcb", 'b'), "bcb");
	assert_string_equal(gk_strrchr("abcb", 'b'), "b");
	assert_false(gk_strchr("a", 'z'));
	assert_int_equal(*gk_strchr("a", 0), 0);
	assert_int_equal(*gk_strrchr("a", 0), 0);
	assert_string_equal(gk_strstr("hello", "ll"), "llo");
	assert_false(gk_strstr("hello", "lo!"));
	assert_string_equal(gk_strstr("x", ""), "x");
	assert_int_equal(gk_strscpy(buf, "1234567", 8), 7);
	assert_int_equal(gk_strscpy(buf, "12345678", 8), -E2BIG);
	assert_string_equal(buf, "1234567");
	assert_int_equal(gk_strtoull("123x", &end, 10), 123);
	assert_true(*end == 'x');
	assert_int_equal(gk_strtoull("0x1f", &end, 0), 31);
	assert_int_equal(gk_strtoull("017", &end, 0), 15);
	assert_int_equal(gk_strtoull("0", &end, 0), 0);
	assert_true(gk_strtoull("99999999999999999999", &end, 10) == ~0ull);
	assert_false(*end);
	assert_int_equal(gk_strtoll("-42", &end, 10), -42);
	assert_int_equal(gk_strtoull("", &end, 10), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
