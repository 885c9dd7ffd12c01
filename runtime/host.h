/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host has: memory, processors, mounts.
 */
#ifndef UMBRA_RUNTIME_HOST_H
#define UMBRA_RUNTIME_HOST_H

#include <stdbool.h>
#include <stddef.h>

/* RAM of the host or the limit of our memory cgroup (v1 or v2, any level), whichever is smaller; in bytes. */
unsigned long long host_memory(void);

/* True if a memory cgroup limits us. */
bool host_memory_limited(void);

/* Processors we may use. */
unsigned int host_cpus(void);

/*
 * False in a chroot whose root directory is not a mount point: no namespace of our own can be given another root there.
 */
bool host_root_is_mount(void);

struct host_mount {
	char *path; /* where it is mounted; unescaped */
	char *type; /* file-system type */
	unsigned long long id;
};

struct host_mounts {
	char *text; /* what the strings point into */
	struct host_mount *mounts;
	size_t count;
};

/* Reads /proc/self/mountinfo. Returns 0 or a negative errno. */
int host_mounts_read(struct host_mounts *m);
void host_mounts_free(struct host_mounts *m);

/* The mount with @id, or NULL. */
const struct host_mount *host_mount_by_id(const struct host_mounts *m, unsigned long long id);

/* True for types that hold real files; false for proc, sysfs, cgroup, devtmpfs and their like. */
bool host_fs_is_real(const char *type);

/* Parses the text of a mountinfo file in place (for tests; host_mounts_read() does it). */
int host_mounts_parse(struct host_mounts *m);

#endif
