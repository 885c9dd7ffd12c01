/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host file server: FUSE over UM_QUEUE_FS and UM_QUEUE_FS_HIPRIO. See README.md here for the rules it lives by.
 *
 * Order: fs_new(), fs_export() for each tree, fs_attach(), (the jail closes), fs_start(), fs_doorbell()..., fs_free().
 */
#ifndef UMBRA_VMM_FS_H
#define UMBRA_VMM_FS_H

#include <stddef.h>
#include <stdint.h>

struct fs;
struct um_boot_queue;
struct vm;

#define FS_MAX_EXPORTS 256

/* Flags of an export. */
#define FS_EXPORT_RO 0x1     /* nothing under it is ever changed */
#define FS_EXPORT_SHARED 0x2 /* others write here meanwhile: names and attributes are not cached by the guest */

/*
 * A server without exports. To be called in the process that will serve, while /proc is still mounted: it keeps
 * /proc/self/fd open (to turn held path descriptors into data descriptors) and raises the descriptor limit to the hard
 * one. Sets the process's umask to 0, since the guest applies its own. Returns 0 or a negative errno.
 */
int fs_new(struct fs **out, struct vm *vm);

/* Uses @fd, a safer view of /proc/self/fd, from now on; takes it over. Before fs_start(). */
void fs_use_descriptors(struct fs *fs, int fd);

/*
 * For a server in a user namespace that maps only the caller's ids: files of all others, whom the host then calls by
 * its overflow ids, are shown as root's (nearly all are). Changes nothing about what is allowed. Before fs_start().
 */
void fs_unmapped_is_root(struct fs *fs);

/*
 * Exports the directory or regular file @fd (any descriptor, O_PATH suffices; the server takes it over on success).
 * Returns the node id of its root, counted from 1, or a negative errno: -EXDEV for a file system type that is not on
 * the list of real ones (proc, sysfs, cgroup... are never exported), -ENOTSUP for a file that is neither, -ENFILE
 * beyond FS_MAX_EXPORTS. Before fs_start().
 */
int fs_export(struct fs *fs, int fd, unsigned int flags);

/* What the host calls a file, from statx(). ino 0: no file. */
struct fs_file_id {
	uint64_t ino;
	uint32_t dev_major, dev_minor;
};

/*
 * A place the guest must not look behind, because something else is put there in its own view (or nothing: --hide): the
 * file @file by any name, and whatever is called @name in the directory @parent.
 */
struct fs_cover {
	struct fs_file_id file, parent;
	char name[256];
};

/*
 * Covers a place in the export whose root is node @root (0: in all exports). What is there is shown as an empty
 * directory or an empty file to mount over; it can neither be opened nor moved nor removed. Before fs_start(). Returns
 * 0 or -ENOMEM.
 */
int fs_cover(struct fs *fs, int root, const struct fs_cover *cover);

/* The queues of the boot block. Before fs_start(). Returns 0, or -EINVAL for a queue that cannot be. */
int fs_attach(struct fs *fs, const struct um_boot_queue *requests, const struct um_boot_queue *hiprio);

/*
 * Starts threads with all signals blocked: @workers that serve when the doorbell rings, and one beside each of the
 * first vCPUs, on its CPU, if the backend gives them bells of their own. @thread_init, if given, runs first in each
 * (its seccomp filter). Returns 0 or a negative errno.
 */
int fs_start(struct fs *fs, unsigned int workers, void (*thread_init)(void *), void *arg);

/* The thread beside @vcpu follows it to @cpu. Between fs_start() and fs_stop(), any thread. */
void fs_vcpu_moved(struct fs *fs, unsigned int vcpu, int cpu);

/* The common doorbell rang: some worker looks at the queues. Any thread, does not block. */
void fs_doorbell(struct fs *fs);

/*
 * Ends all workers and waits for them. Requests being worked on are finished, others are left. Idempotent. No guest may
 * be running: it could keep a worker beside a vCPU asleep.
 */
void fs_stop(struct fs *fs);

/* Stops and frees everything. Accepts NULL. */
void fs_free(struct fs *fs);

/*
 * System calls the workers make for files, for the jail's filter (what every thread needs not among
 * them): *@count numbers.
 */
const int *fs_syscalls(size_t *count);

#endif
