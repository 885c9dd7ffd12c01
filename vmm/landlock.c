/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock: the exported trees and nothing else, for every thread of the VMM and every process it makes. A wall behind
 * the empty root: it still stands if somebody inside the VMM gets hold of a descriptor that leads elsewhere.
 *
 * Optional, because kernels without it are many. The first version, which refuses every rename between directories, is
 * not used. The structures are written here as the kernel has them today: headers of a distribution are older.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/jail.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

#define CREATE_RULESET_VERSION 1
#define RULE_PATH_BENEATH 1

#define FS_EXECUTE (1ull << 0)
#define FS_WRITE_FILE (1ull << 1)
#define FS_READ_FILE (1ull << 2)
#define FS_READ_DIR (1ull << 3)
#define FS_REMOVE_DIR (1ull << 4)
#define FS_REMOVE_FILE (1ull << 5)
#define FS_MAKE_CHAR (1ull << 6)
#define FS_MAKE_DIR (1ull << 7)
#define FS_MAKE_REG (1ull << 8)
#define FS_MAKE_SOCK (1ull << 9)
#define FS_MAKE_FIFO (1ull << 10)
#define FS_MAKE_BLOCK (1ull << 11)
#define FS_MAKE_SYM (1ull << 12)
#define FS_REFER (1ull << 13)	  /* version 2 */
#define FS_TRUNCATE (1ull << 14)  /* 3 */
#define FS_IOCTL_DEV (1ull << 15) /* 5 */
#define NET_ALL 3ull		  /* 4: TCP bind and connect */
#define SCOPE_ALL 3ull		  /* 6: abstract sockets and signals beyond the domain */

#define OF_FILES (FS_READ_FILE | FS_WRITE_FILE | FS_TRUNCATE)
#define TO_READ (FS_READ_FILE | FS_READ_DIR)
#define TO_WRITE                                                                                                       \
	(TO_READ | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SOCK |         \
	 FS_MAKE_FIFO | FS_MAKE_SYM | FS_REFER | FS_TRUNCATE)

struct ruleset_attr {
	uint64_t fs, net, scoped;
};

struct path_beneath_attr {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

/* All that this version of Landlock can forbid. Returns the size of the part of @attr that it knows. */
static size_t forbid_all(int version, struct ruleset_attr *attr)
{
	*attr = (struct ruleset_attr){.fs = (FS_REFER << 1) - 1};
	if (version >= 3)
		attr->fs |= FS_TRUNCATE;
	if (version >= 5)
		attr->fs |= FS_IOCTL_DEV;
	if (version >= 4)
		attr->net = NET_ALL;
	if (version >= 6)
		attr->scoped = SCOPE_ALL;
	return version >= 6 ? 24 : version >= 4 ? 16 : 8;
}

static int allow(int ruleset, uint64_t handled, const struct jail_tree *t)
{
	struct path_beneath_attr rule = {.allowed = (t->read_only ? TO_READ : TO_WRITE) & handled, .parent_fd = t->fd};
	struct stat st;

	if (fstat(t->fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		rule.allowed &= OF_FILES;
	return syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno : 0;
}

int jail_landlock(const struct jail_tree *trees, unsigned int count)
{
	const int version = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
	struct ruleset_attr attr;
	const size_t size = forbid_all(version, &attr);
	int ruleset, err = 0;

	if (version < 2)
		return 0;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (ruleset < 0)
		return -errno;
	for (unsigned int i = 0; i < count && !err; i++) {
		if (trees[i].exported)
			err = allow(ruleset, attr.fs, &trees[i]);
	}
	if (!err && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		err = -errno;
	close(ruleset);
	return err;
}
