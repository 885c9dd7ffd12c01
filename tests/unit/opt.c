/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Option tables, sizes and numbers.
 */
#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "runtime/opt.h"

struct seen {
	int flags;
	const char *value;
	const char *optional;
};

static const char *set_flag(void *ctx, const char *value)
{
	CHECK(value == NULL);
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

static void test_parse(void)
{
	struct seen s;

	CHECK_EQ(parse(&s, NULL, NULL, NULL), 1);
	CHECK_EQ(parse(&s, "prog", "--flag", NULL), 1);
	CHECK_EQ(s.flags, 0);
	CHECK_EQ(parse(&s, "--flag", "-ff", "prog"), 3);
	CHECK_EQ(s.flags, 3);
	CHECK_EQ(parse(&s, "--value", "x", "prog"), 3);
	CHECK(strcmp(s.value, "x") == 0);
	CHECK_EQ(parse(&s, "--value=", "prog", NULL), 2);
	CHECK(strcmp(s.value, "") == 0);
	CHECK_EQ(parse(&s, "-fvx", "prog", NULL), 2);
	CHECK(s.flags == 1 && strcmp(s.value, "x") == 0);
	CHECK_EQ(parse(&s, "-v", "-f", "prog"), 3);
	CHECK(s.flags == 0 && strcmp(s.value, "-f") == 0);
	CHECK_EQ(parse(&s, "--optional", "prog", NULL), 2);
	CHECK(strcmp(s.optional, "default") == 0);
	CHECK_EQ(parse(&s, "--optional=a,b", "prog", NULL), 2);
	CHECK(strcmp(s.optional, "a,b") == 0);
	CHECK_EQ(parse(&s, "--", "--flag", NULL), 2);
	CHECK_EQ(s.flags, 0);
	CHECK_EQ(parse(&s, "-", NULL, NULL), 1);

	CHECK_EQ(parse(&s, "--fla", NULL, NULL), -1);
	CHECK_EQ(parse(&s, "--flags", NULL, NULL), -1);
	CHECK_EQ(parse(&s, "--flag=x", NULL, NULL), -1);
	CHECK_EQ(parse(&s, "--value", NULL, NULL), -1);
	CHECK_EQ(parse(&s, "-v", NULL, NULL), -1);
	CHECK_EQ(parse(&s, "-x", NULL, NULL), -1);
	CHECK_EQ(parse(&s, "--value=bad", NULL, NULL), -1);
	CHECK_EQ(parse(&s, "--=x", NULL, NULL), -1);
}

static void test_sizes(void)
{
	unsigned long long v = 7;

	CHECK(opt_size("1024", &v) && v == 1024);
	CHECK(opt_size("4k", &v) && v == 4096);
	CHECK(opt_size("512M", &v) && v == 512ull << 20);
	CHECK(opt_size("2GiB", &v) && v == 2ull << 30);
	CHECK(opt_size("1tb", &v) && v == 1ull << 40);
	v = 7;
	CHECK(!opt_size("", &v) && !opt_size("M", &v) && !opt_size("-1", &v) && !opt_size("1X", &v) && !opt_size("1MM", &v));
	CHECK(!opt_size("99999999999999999999", &v) && !opt_size("99999999999T", &v) && !opt_size(" 1", &v));
	CHECK_EQ(v, 7);
}

static void test_numbers(void)
{
	unsigned long v = 7;

	CHECK(opt_number("0", 5, &v) && v == 0);
	CHECK(opt_number("5", 5, &v) && v == 5);
	v = 7;
	CHECK(!opt_number("6", 5, &v) && !opt_number("", 5, &v) && !opt_number("+1", 5, &v) && !opt_number("1 ", 5, &v));
	CHECK(!opt_number("99999999999999999999999", ULONG_MAX, &v));
	CHECK_EQ(v, 7);
}

int main(void)
{
	test_parse();
	test_sizes();
	test_numbers();
	return 0;
}
