/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks the VMM in. Order matters and is told at jail_enter(). The launcher has already put us into namespaces of our
 * own; the system-call lists are in seccomp.c and close last, when every thread exists.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "vmm/jail.h"

#ifndef MOUNT_ATTR_NOSYMFOLLOW
#define MOUNT_ATTR_NOSYMFOLLOW 0x00200000
#endif

#define OOM_SCORE "300"
#define RESERVED_PIDS 300 /* the kernel uses those below only once */
#define BIT(n) (1u << (n))

static int write_file(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;
	int err;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	err = n < 0 ? -errno : 0;
	close(fd);
	return err;
}

int jail_map_ids(unsigned int uid, unsigned int gid, const char **step)
{
	char line[64];
	int err;

	*step = "map user ids";
	/* Without CAP_SETGID outside, a group map is only allowed once setgroups() is given up. */
	err = write_file("/proc/self/setgroups", "deny");
	if (err)
		return err;
	snprintf(line, sizeof(line), "%u %u 1\n", uid, uid);
	err = write_file("/proc/self/uid_map", line);
	if (err)
		return err;
	snprintf(line, sizeof(line), "%u %u 1\n", gid, gid);
	return write_file("/proc/self/gid_map", line);
}

void jail_limits(void)
{
	static const int raise[] = {RLIMIT_NOFILE, RLIMIT_NPROC, RLIMIT_AS,	 RLIMIT_DATA,	   RLIMIT_FSIZE,
				    RLIMIT_STACK,  RLIMIT_CPU,	 RLIMIT_MEMLOCK, RLIMIT_SIGPENDING};
	struct rlimit none = {0, 0};

	for (size_t i = 0; i < sizeof(raise) / sizeof(raise[0]); i++) {
		struct rlimit l;

		if (getrlimit((__rlimit_resource_t)raise[i], &l) < 0)
			continue;
		/* The guest kernel ends a program at its limit; the host's, for a whole space, is to come after that. */
		if (raise[i] == RLIMIT_CPU && l.rlim_max != RLIM_INFINITY) {
			const struct rlimit later = {l.rlim_max + 1, l.rlim_max + 1};

			if (setrlimit(RLIMIT_CPU, &later) == 0)
				continue;
		}
		l.rlim_cur = l.rlim_max;
		(void)setrlimit((__rlimit_resource_t)raise[i], &l);
	}
	(void)setrlimit(RLIMIT_CORE, &none);
}

void jail_tasks(unsigned int most)
{
	unsigned int major, minor;
	struct utsname u;
	char text[16];

	/* Before, the number was the whole host's. */
	if (getpid() != 1 || uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2 || major < 6 ||
	    (major == 6 && minor < 14))
		return;
	snprintf(text, sizeof(text), "%u", most + RESERVED_PIDS);
	(void)write_file("/proc/sys/kernel/pid_max",
			 text); /* rootless: not allowed, and the limit of processes holds */
}

int jail_private_mounts(void)
{
	return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ? -errno : 0;
}

static bool same_file(int a, int b)
{
	struct stat sa, sb;

	return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/*
 * Without privilege the kernel does not let us take a mount without what is mounted on it (that would uncover hidden
 * files): then all of it is taken.
 */
int jail_private_tree(int fd, const char *path, bool read_only)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSYMFOLLOW |
			    (read_only ? MOUNT_ATTR_RDONLY : 0),
	};
	unsigned int recursive = 0;
	int tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree < 0 && errno == EINVAL) {
		recursive = AT_RECURSIVE;
		tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
	}
	if (tree < 0)
		return fd;
	if (!same_file(fd, tree) || mount_setattr(tree, "", AT_EMPTY_PATH | recursive, &attr, sizeof(attr)) < 0) {
		close(tree);
		return fd;
	}
	close(fd);
	return tree;
}

int jail_descriptors(void)
{
	/* Its links must be followed: that is what it is for. */
	struct mount_attr attr = {.attr_set =
					  MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC};
	const int tree = open_tree(AT_FDCWD, "/proc/self/fd", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	int err;

	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) == 0)
		return tree < 0 ? -errno : tree;
	err = -errno;
	close(tree);
	return err;
}

/*
 * Hangs the trees of jail_private_tree() onto the root that is about to be taken away, and lets them go with it: they
 * live on as long as their descriptors. Closing a tree that was never part of a namespace would make the end of the
 * sandbox wait for a grace period of the kernel, once for each.
 */
static void attach_trees(const struct jail_tree *trees, unsigned int count)
{
	static const char *const places[] = {"/tmp", "/dev", "/usr", "/etc"};
	unsigned int place = 0;

	/* A file can be attached to no directory: never mind. */
	for (unsigned int i = 0; i < count; i++) {
		while (move_mount(trees[i].fd, "", AT_FDCWD, places[place], MOVE_MOUNT_F_EMPTY_PATH) < 0 &&
		       errno == ENOENT) {
			if (++place == sizeof(places) / sizeof(places[0]))
				return;
		}
	}
}

/*
 * Replaces the root by an empty, read-only file system and lets go of the host's mounts. Any directory will do as the
 * place to mount it on.
 */
static int empty_root(void)
{
	static const char *const places[] = {"/proc", "/sys", "/tmp", "/dev", "/usr", "/etc"};
	const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	int err = -ENOENT;

	for (size_t i = 0; err && i < sizeof(places) / sizeof(places[0]); i++) {
		err = mount("umbra", places[i], "tmpfs", flags, "size=4k,nr_inodes=2,mode=0") < 0 ? -errno : 0;
		if (!err && chdir(places[i]) < 0)
			err = -errno;
	}
	if (err)
		return err;
	/* The old root lands on top of the new one and is taken away from there. */
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

static int set_capabilities(enum jail_files files)
{
	static const uint32_t keep[] = {
		[JAIL_FILES_OWN] = 0,
		[JAIL_FILES_READ] = BIT(CAP_DAC_READ_SEARCH),
		[JAIL_FILES_ALL] = BIT(CAP_CHOWN) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER) |
				   BIT(CAP_FSETID),
	};
	struct __user_cap_header_struct hdr = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct now[2], data[2] = {{0}};

	if (syscall(SYS_capget, &hdr, now) < 0)
		return -errno;
	/* A root that was given less keeps less. */
	data[0].permitted = data[0].effective = keep[files] & now[0].permitted;
	return syscall(SYS_capset, &hdr, data) < 0 ? -errno : 0;
}

/* The root while we still may mount, the capabilities after it, no_new_privs before Landlock and the filters. */
int jail_enter(enum jail_files files, const struct jail_tree *trees, unsigned int count, int *oom_fd, const char **step)
{
	int err;

	*oom_fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	*step = "make an empty root";
	attach_trees(trees, count);
	err = empty_root();
	if (err)
		return err;
	*step = "drop capabilities";
	err = set_capabilities(files);
	if (err)
		return err;
	*step = "give up new privileges";
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return -errno;
	*step = "restrict access to files with Landlock";
	return jail_landlock(trees, count);
}

void jail_oom(int oom_fd)
{
	if (oom_fd < 0)
		return;
	if (write(oom_fd, OOM_SCORE, sizeof(OOM_SCORE) - 1) < 0)
		(void)0; /* a hint: without it the host kills in another order */
	close(oom_fd);
}
