/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Option tables, sizes and numbers.
 */
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "unit.h"
#include "runtime/opt.h"

struct seen {
	int flags;
	const char *value;
	const char *optional;
};

static const char *set_flag(void *ctx, const char *value)
{
	assert_true(value == NULL);
	((struct seen *)ctx)->flags++;
	return NULL;
}

static const char *set_value(void *ctx, const char *value)
{
	((struct seen *)ctx)->value = value;
	return strcmp(value, "bad") == 0 ? "it is bad" : NULL;
}

static const char *set_optional(void *ctx, const char *value)
{
	((struct seen *)ctx)->optional = value ? value : "default";
	return NULL;
}

static const struct opt table[] = {
	{"flag", 'f', NULL, "", set_flag},
	{"value", 'v', "V", "", set_value},
	{"optional", 0, "[=V]", "", set_optional},
	{0},
};

static int parse(struct seen *seen, const char *a, const char *b, const char *c)
{
	const char *argv[] = {"cmd", a, b, c, NULL};
	int argc = 1;

	*seen = (struct seen){0};
	while (argv[argc])
		argc++;
	return opt_parse("cmd", table, seen, argc, (char **)(uintptr_t)argv);
}

static void test_parse(void **state)
{
	struct seen s;

	assert_int_equal(parse(&s, NULL, NULL, NULL), 1);
	assert_int_equal(parse(&s, "prog", "--flag", NULL), 1);
	assert_int_equal(s.flags, 0);
	assert_int_equal(parse(&s, "--flag", "-ff", "prog"), 3);
	assert_int_equal(s.flags, 3);
	assert_int_equal(parse(&s, "--value", "x", "prog"), 3);
	assert_string_equal(s.value, "x");
	assert_int_equal(parse(&s, "--value=", "prog", NULL), 2);
	assert_string_equal(s.value, "");
	assert_int_equal(parse(&s, "-fvx", "prog", NULL), 2);
	assert_int_equal(s.flags, 1);
	assert_string_equal(s.value, "x");
	assert_int_equal(parse(&s, "-v", "-f", "prog"), 3);
	assert_int_equal(s.flags, 0);
	assert_string_equal(s.value, "-f");
	assert_int_equal(parse(&s, "--optional", "prog", NULL), 2);
	assert_string_equal(s.optional, "default");
	assert_int_equal(parse(&s, "--optional=a,b", "prog", NULL), 2);
	assert_string_equal(s.optional, "a,b");
	assert_int_equal(parse(&s, "--", "--flag", NULL), 2);
	assert_int_equal(s.flags, 0);
	assert_int_equal(parse(&s, "-", NULL, NULL), 1);

	assert_int_equal(parse(&s, "--fla", NULL, NULL), -1);
	assert_int_equal(parse(&s, "--flags", NULL, NULL), -1);
	assert_int_equal(parse(&s, "--flag=x", NULL, NULL), -1);
	assert_int_equal(parse(&s, "--value", NULL, NULL), -1);
	assert_int_equal(parse(&s, "-v", NULL, NULL), -1);
	assert_int_equal(parse(&s, "-x", NULL, NULL), -1);
	assert_int_equal(parse(&s, "--value=bad", NULL, NULL), -1);
	assert_int_equal(parse(&s, "--=x", NULL, NULL), -1);
}

static void test_sizes(void **state)
{
	unsigned long long v = 7;

	assert_true(opt_size("1024", &v));
	assert_int_equal(v, 1024);
	assert_true(opt_size("4k", &v));
	assert_int_equal(v, 4096);
	assert_true(opt_size("512M", &v));
	assert_true(v == 512ull << 20);
	assert_true(opt_size("2GiB", &v));
	assert_true(v == 2ull << 30);
	assert_true(opt_size("1tb", &v));
	assert_true(v == 1ull << 40);
	v = 7;
	assert_false(opt_size("", &v));
	assert_false(opt_size("M", &v));
	assert_false(opt_size("-1", &v));
	assert_false(opt_size("1X", &v));
	assert_false(opt_size("1MM", &v));
	assert_false(opt_size("99999999999999999999", &v));
	assert_false(opt_size("99999999999T", &v));
	assert_false(opt_size(" 1", &v));
	assert_int_equal(v, 7);
}

static void test_numbers(void **state)
{
	unsigned long v = 7;

	assert_true(opt_number("0", 5, &v));
	assert_int_equal(v, 0);
	assert_true(opt_number("5", 5, &v));
	assert_int_equal(v, 5);
	v = 7;
	assert_false(opt_number("6", 5, &v));
	assert_false(opt_number("", 5, &v));
	assert_false(opt_number("+1", 5, &v));
	assert_false(opt_number("1 ", 5, &v));
	assert_false(opt_number("99999999999999999999999", ULONG_MAX, &v));
	assert_int_equal(v, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
