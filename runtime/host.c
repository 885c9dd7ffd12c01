/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks at the host. All of it is on the way of every start: few files, each read once, nothing that waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "runtime/host.h"

#define CGROUP_DEPTH_MAX 64

/* Reads a whole file into fresh memory, NUL-terminated. NULL on failure (errno). */
static char *read_all(const char *path)
{
	size_t used = 0, room = 16384;
	char *text = malloc(room);
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	while (text && fd >= 0 && (n = read(fd, text + used, room - used - 1)) > 0) {
		used += (size_t)n;
		if (used + 1 < room)
			continue;
		char *bigger = realloc(text, room *= 2);

		if (!bigger) {
			n = -1;
			break;
		}
		text = bigger;
	}
	if (fd >= 0)
		close(fd);
	if (n < 0) {
		free(text);
		return NULL;
	}
	text[used] = 0;
	return text;
}

/* ---- memory ---- */

static unsigned long long read_limit(const char *path)
{
	char text[32];
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	if (n <= 0)
		return ULLONG_MAX;
	text[n] = 0;
	/* "max\n", or a number; v1 says "no limit" with a huge one. */
	return text[0] >= '0' && text[0] <= '9' ? strtoull(text, NULL, 10) : ULLONG_MAX;
}

/* The smallest limit on the way from @group up to the root of the hierarchy at @mount. */
static unsigned long long limit_upwards(const char *mount, char *group, const char *file)
{
	unsigned long long limit = ULLONG_MAX;

	for (int depth = 0; depth < CGROUP_DEPTH_MAX; depth++) {
		char path[PATH_MAX];
		unsigned long long l;
		char *slash;

		snprintf(path, sizeof(path), "%s%s/%s", mount, group, file);
		l = read_limit(path);
		if (l < limit)
			limit = l;
		slash = strrchr(group, '/');
		if (!slash || group[0] == 0)
			break;
		*slash = 0;
	}
	return limit;
}

static unsigned long long cgroup_limit(void)
{
	char *text = read_all("/proc/self/cgroup"), *save = NULL;
	unsigned long long limit = ULLONG_MAX;

	/* Lines are ID:CONTROLLERS:PATH; v2 has id 0 and no controllers. */
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line; line = strtok_r(NULL, "\n", &save)) {
		char *controllers = strchr(line, ':');
		char *path = controllers ? strchr(controllers + 1, ':') : NULL;
		unsigned long long l = ULLONG_MAX;

		if (!path)
			continue;
		*path++ = 0;
		controllers++;
		if (controllers[0] == 0)
			l = limit_upwards("/sys/fs/cgroup", path, "memory.max");
		else if (strcmp(controllers, "memory") == 0)
			l = limit_upwards("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes");
		if (l < limit)
			limit = l;
	}
	free(text);
	return limit;
}

static unsigned long long ram(void)
{
	struct sysinfo si;

	return sysinfo(&si) == 0 ? (unsigned long long)si.totalram * si.mem_unit : ULLONG_MAX;
}

unsigned long long host_memory(void)
{
	const unsigned long long limit = cgroup_limit(), all = ram();

	return limit < all ? limit : all;
}

bool host_memory_limited(void)
{
	return cgroup_limit() < ram();
}

unsigned int host_cpus(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (unsigned int)CPU_COUNT(&set);
}

/* ---- mounts ---- */

bool host_root_is_mount(void)
{
	struct statx sx;

	if (statx(AT_FDCWD, "/", 0, STATX_TYPE, &sx) < 0 || !(sx.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT))
		return true; /* the kernel does not tell: see what happens */
	return sx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

/* Undoes mountinfo's \ooo in place. */
static void unescape(char *s)
{
	char *out = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
		    s[3] <= '7') {
			*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*out++ = *s++;
		}
	}
	*out = 0;
}

/* "ID PARENT MAJ:MIN ROOT PATH OPTIONS [tags...] - TYPE SOURCE SUPEROPTIONS" (proc_pid_mountinfo(5)). */
static bool parse_line(char *line, struct host_mount *m)
{
	char *field[5], *save = NULL, *dash;

	dash = strstr(line, " - ");
	if (!dash)
		return false;
	*dash = 0;
	for (int i = 0; i < 5; i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!field[i])
			return false;
	}
	m->id = strtoull(field[0], NULL, 10);
	m->path = field[4];
	m->type = strtok_r(dash + 3, " ", &save);
	if (!m->type)
		return false;
	unescape(m->path);
	return true;
}

int host_mounts_parse(struct host_mounts *m)
{
	char *save = NULL;
	size_t lines = 1;

	for (const char *c = m->text; *c; c++)
		lines += *c == '\n';
	m->mounts = calloc(lines, sizeof(*m->mounts));
	m->count = 0;
	if (!m->mounts)
		return -ENOMEM;
	for (char *line = strtok_r(m->text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (parse_line(line, &m->mounts[m->count]))
			m->count++;
	}
	return 0;
}

int host_mounts_read(struct host_mounts *m)
{
	*m = (struct host_mounts){0};
	m->text = read_all("/proc/self/mountinfo");
	return m->text ? host_mounts_parse(m) : -errno;
}

void host_mounts_free(struct host_mounts *m)
{
	free(m->mounts);
	free(m->text);
	*m = (struct host_mounts){0};
}

const struct host_mount *host_mount_by_id(const struct host_mounts *m, unsigned long long id)
{
	for (size_t i = 0; i < m->count; i++) {
		if (m->mounts[i].id == id)
			return &m->mounts[i];
	}
	return NULL;
}

bool host_fs_is_real(const char *type)
{
	static const char *const real[] = {
		"ext2",	    "ext3",	"ext4",	  "xfs",   "btrfs", "f2fs",   "zfs",	 "bcachefs", "jfs",
		"reiserfs", "overlay",	"tmpfs",  "ramfs", "nfs",   "nfs4",   "cifs",	 "smb3",     "ceph",
		"9p",	    "virtiofs", "vfat",	  "exfat", "ntfs3", "udf",    "hfsplus", "iso9660",  "squashfs",
		"erofs",    "fuseblk",	"rootfs", "fuse",  "aufs",  "nilfs2",
	};

	for (size_t i = 0; i < sizeof(real) / sizeof(real[0]); i++) {
		if (strcmp(type, real[i]) == 0)
			return true;
	}
	/* fuse.sshfs, fuse.overlayfs ... but lxcfs mimics proc. */
	return strncmp(type, "fuse.", 5) == 0 && strcmp(type, "fuse.lxcfs") != 0;
}
