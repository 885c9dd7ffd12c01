/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the launcher reads about the host: mountinfo with every oddity, file-system types, limits that make sense.
 */
#include <string.h>

#include "unit.h"
#include "runtime/host.h"

static void parse(struct host_mounts *m, const char *text)
{
	*m = (struct host_mounts){.text = strdup(text)};
	assert_int_equal(host_mounts_parse(m), 0);
}

static void test_mounts(void **state)
{
	struct host_mounts m;

	parse(&m, "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
		  "23 22 0:5 / /proc rw - proc proc rw\n"
		  "24 22 8:2 /a /mnt/with\\040space\\134 rw master:1 propagate_from:2 - fuse.sshfs x:/y - rw\n"
		  "garbage\n"
		  "25 22 8:3 / /short\n"
		  "26 22 0:6 / /x rw - \n"
		  "27 22 8:4 / /last rw - xfs /dev/sdb rw");
	assert_int_equal(m.count, 4);
	assert_string_equal(m.mounts[0].path, "/");
	assert_string_equal(m.mounts[0].type, "ext4");
	assert_string_equal(m.mounts[2].path, "/mnt/with space\\");
	assert_string_equal(m.mounts[2].type, "fuse.sshfs");
	assert_true(host_mount_by_id(&m, 23) == &m.mounts[1]);
	assert_true(host_mount_by_id(&m, 99) == NULL);
	host_mounts_free(&m);

	parse(&m, "");
	assert_int_equal(m.count, 0);
	host_mounts_free(&m);

	assert_int_equal(host_mounts_read(&m), 0);
	assert_true(m.count > 0);
	host_mounts_free(&m);
}

static void test_types(void **state)
{
	static const char *const never[] = {"proc",	  "sysfs",    "cgroup",	     "cgroup2",	 "devtmpfs",
					    "devpts",	  "debugfs",  "bpf",	     "nsfs",	 "mqueue",
					    "pstore",	  "tracefs",  "securityfs",  "configfs", "fusectl",
					    "fuse.lxcfs", "efivarfs", "binfmt_misc", ""};

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		assert_false(host_fs_is_real(never[i]));
	assert_true(host_fs_is_real("ext4"));
	assert_true(host_fs_is_real("tmpfs"));
	assert_true(host_fs_is_real("fuse.sshfs"));
}

static void test_limits(void **state)
{
	assert_true(host_memory() > 1 << 20);
	assert_true(host_cpus() >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
