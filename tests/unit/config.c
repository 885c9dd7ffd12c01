/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration strings: format, escapes, the limit.
 */
#include <string.h>

#include "abi/layout.h"
#include "check.h"
#include "vmm/config.h"

static void test_strings(void)
{
	static const char want[] = "arg=ls\0arg=\0mount=export:a\\072b:/x\\134y:ro\0gid=7";
	struct config c = {0};

	config_add(&c, "arg", "%s", "ls");
	config_add(&c, "arg", "%s", "");
	config_add_fields(&c, "mount", (const char *const[]){"export", "a:b", "/x\\y", "ro"}, 4);
	config_add(&c, "gid", "%d", 7);
	CHECK(!c.overflow);
	CHECK_EQ(c.bytes, sizeof(want));
	CHECK(memcmp(c.text, want, sizeof(want)) == 0);
	config_deinit(&c);
	CHECK(c.text == NULL);
}

static void test_limit(void)
{
	struct config c = {0};
	char big[1001];

	memset(big, 'x', 1000);
	big[1000] = 0;
	for (int i = 0; i < UM_CONFIG_MAX / 1000 + 2; i++)
		config_add(&c, "env", "%s", big);
	CHECK(c.overflow);
	CHECK(c.bytes < UM_CONFIG_MAX);
	config_add(&c, "env", "x");
	CHECK(c.overflow);
	config_deinit(&c);
}

int main(void)
{
	test_strings();
	test_limit();
	return 0;
}
