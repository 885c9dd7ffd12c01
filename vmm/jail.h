/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What holds the VMM once it serves a guest: an empty root, no capabilities it does not need, a list of system calls
 * per thread. The namespaces it lives in are made by the launcher (runtime/launch.c), which clones it into them.
 */
#ifndef UMBRA_VMM_JAIL_H
#define UMBRA_VMM_JAIL_H

#include <stdbool.h>
#include <stddef.h>

#define JAIL_FILTER_MAX 512

struct sock_filter;

/* Kinds of threads, each with its own list in seccomp.c. */
enum jail_thread {
	JAIL_CONTROL, /* the event loop */
	JAIL_FILES,   /* file workers: the list is fs_syscalls() and what every thread needs */
	JAIL_BACKEND, /* timers and kicks */
};

enum jail_files {
	JAIL_FILES_OWN,	 /* the VMM may do to files what its user may */
	JAIL_FILES_READ, /* root: and read everything */
	JAIL_FILES_ALL,	 /* root: and serve a writable tree with several owners */
};

/* A tree that the VMM holds by a descriptor: see jail_private_tree(). */
struct jail_tree {
	int fd;
	bool exported; /* files in it are opened; else it is only looked at */
	bool read_only;
};

/*
 * Gives the calling process, which is in new user, mount... namespaces, the user ids it had outside (@uid, @gid: as
 * seen there). Needs /proc. Returns 0, or a negative errno with the step that failed in *@step.
 */
int jail_map_ids(unsigned int uid, unsigned int gid, const char **step);

/* Raises soft limits to the hard ones where the VMM needs room, and forbids core dumps, which would hold guest memory.
 */
void jail_limits(void);

/*
 * Bounds the processes and threads in our PID namespace, where the kernel can (Linux 6.14): a guest can make threads
 * without end, and no limit of processes holds for root. Needs /proc; does nothing outside a PID namespace of our own.
 */
void jail_tasks(unsigned int most);

/*
 * The first step: before jail_private_tree(): what the host mounts from now on stays out. Returns 0 or a negative
 * errno.
 */
int jail_private_mounts(void);

/*
 * A private view of the tree @fd, which lies at @path: its own mount, so that the host's kernel refuses what the file
 * server should never try: writing (if @read_only, and that includes modes, owners and times), devices, following
 * symbolic links. Returns a descriptor to use instead of @fd, which is closed; or @fd itself where the kernel cannot do
 * it.
 */
int jail_private_tree(int fd, const char *path, bool read_only);

/*
 * /proc/self/fd as a mount of its own: from it no ".." leads to the rest of /proc, where a root could reach the whole
 * host. Returns a descriptor to read links and open files with, or a negative errno where the kernel cannot do it.
 */
int jail_descriptors(void);

/*
 * Everything but the system-call list: empty root, capabilities, Landlock. Descriptors stay usable, paths do not. To be
 * called while there is one thread. @trees are all there are. @oom_fd receives a descriptor for jail_oom()
 * (or -1). Returns 0, or a negative errno with the step that failed in *@step.
 */
int jail_enter(enum jail_files files, const struct jail_tree *trees, unsigned int count, int *oom_fd,
	       const char **step);

/*
 * landlock.c: lets the calling thread, and who descends from it, open and change files in the exported @trees only, as
 * far as the kernel has Landlock. After no_new_privs. Returns 0 (also without Landlock) or a negative errno. A step of
 * jail_enter().
 */
int jail_landlock(const struct jail_tree *trees, unsigned int count);

/* Makes the VMM a better victim for the host's out-of-memory killer than its spaces. Closes @oom_fd. Best effort. */
void jail_oom(int oom_fd);

/*
 * Closes the calling thread's system-call list; @more and @count add numbers to it. Any other call kills the sandbox.
 * Returns 0 or a negative errno.
 */
int jail_seccomp(enum jail_thread kind, const int *more, size_t count);

/* What jail_seccomp() installs: writes at most @room instructions to @insn. Returns how many, or a negative errno. */
int jail_filter(enum jail_thread kind, const int *more, size_t count, struct sock_filter *insn, size_t room);

#endif
