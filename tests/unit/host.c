/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the launcher reads about the host: mountinfo with every oddity, file-system types, limits that make sense.
 */
#include <string.h>

#include "check.h"
#include "runtime/host.h"

static void parse(struct host_mounts *m, const char *text)
{
	*m = (struct host_mounts){.text = strdup(text)};
	CHECK_EQ(host_mounts_parse(m), 0);
}

static void test_mounts(void)
{
	struct host_mounts m;

	parse(&m, "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
		  "23 22 0:5 / /proc rw - proc proc rw\n"
		  "24 22 8:2 /a /mnt/with\\040space\\134 rw master:1 propagate_from:2 - fuse.sshfs x:/y - rw\n"
		  "garbage\n"
		  "25 22 8:3 / /short\n"
		  "26 22 0:6 / /x rw - \n"
		  "27 22 8:4 / /last rw - xfs /dev/sdb rw");
	CHECK_EQ(m.count, 4);
	CHECK(strcmp(m.mounts[0].path, "/") == 0 && strcmp(m.mounts[0].type, "ext4") == 0);
	CHECK(strcmp(m.mounts[2].path, "/mnt/with space\\") == 0);
	CHECK(strcmp(m.mounts[2].type, "fuse.sshfs") == 0);
	CHECK(host_mount_by_id(&m, 23) == &m.mounts[1]);
	CHECK(host_mount_by_id(&m, 99) == NULL);
	host_mounts_free(&m);

	parse(&m, "");
	CHECK_EQ(m.count, 0);
	host_mounts_free(&m);

	CHECK_EQ(host_mounts_read(&m), 0);
	CHECK(m.count > 0);
	host_mounts_free(&m);
}

static void test_types(void)
{
	static const char *const never[] = {"proc",  "sysfs", "cgroup", "cgroup2",  "devtmpfs",   "devpts",  "debugfs", "bpf",
					    "nsfs",  "mqueue", "pstore", "tracefs", "securityfs", "configfs", "fusectl",
					    "fuse.lxcfs", "efivarfs", "binfmt_misc", ""};

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		CHECK(!host_fs_is_real(never[i]));
	CHECK(host_fs_is_real("ext4") && host_fs_is_real("tmpfs") && host_fs_is_real("fuse.sshfs"));
}

int main(void)
{
	test_mounts();
	test_types();
	CHECK(host_memory() > 1 << 20);
	CHECK(host_cpus() >= 1);
	return 0;
}
