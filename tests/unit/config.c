/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration strings: format, escapes, the limit.
 */
#include <string.h>

#include "abi/layout.h"
#include "unit.h"
#include "vmm/config.h"

static void test_strings(void **state)
{
	static const char want[] = "arg=ls\0arg=\0mount=export:a\\072b:/x\\134y:ro\0gid=7";
	struct config c = {0};

	config_add(&c, "arg", "%s", "ls");
	config_add(&c, "arg", "%s", "");
	config_add_fields(&c, "mount", (const char *const[]){"export", "a:b", "/x\\y", "ro"}, 4);
	config_add(&c, "gid", "%d", 7);
	assert_false(c.overflow);
	assert_int_equal(c.bytes, sizeof(want));
	assert_memory_equal(c.text, want, sizeof(want));
	config_deinit(&c);
	assert_true(c.text == NULL);
}

static void test_limit(void **state)
{
	struct config c = {0};
	char big[1001];

	memset(big, 'x', 1000);
	big[1000] = 0;
	for (int i = 0; i < UM_CONFIG_MAX / 1000 + 2; i++)
		config_add(&c, "env", "%s", big);
	assert_true(c.overflow);
	assert_true(c.bytes < UM_CONFIG_MAX);
	config_add(&c, "env", "x");
	assert_true(c.overflow);
	config_deinit(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
