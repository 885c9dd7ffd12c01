/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and unmaking the server; which host trees may be exported at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "internal.h"

#define TMPFS_TYPE 0x01021994
#define TABLE_ROOM 4096 /* descriptors: 32 kB of the host kernel's memory */

/*
 * File system types with ordinary files in them (statfs.f_type). Everything else is refused: on proc, sysfs, cgroup,
 * devtmpfs, debugfs, tracefs, bpf, securityfs, nsfs... a "regular file" can be a way into the host kernel or into the
 * VMM itself. devtmpfs reports tmpfs's number; is_devtmpfs() tells them apart.
 */
static const uint32_t real_types[] = {
	0xef53,			/* ext2, ext3, ext4 */
	0x58465342,		/* xfs */
	0x9123683e,		/* btrfs */
	TMPFS_TYPE, 0x858458f6, /* ramfs */
	0x794c7630,		/* overlay */
	0x73717368,		/* squashfs */
	0xf2f52010,		/* f2fs */
	0xe0f5e1e2,		/* erofs */
	0x9660,			/* iso9660 */
	0x15013346,		/* udf */
	0x4d44,			/* vfat */
	0x2011bab0,		/* exfat */
	0x7366746e,		/* ntfs3 */
	0x6969,			/* nfs */
	0xfe534d42,		/* smb2, smb3 */
	0xff534d42,		/* cifs */
	0x65735546,		/* fuse, virtiofs */
	0x01021997,		/* 9p */
	0x2fc12fc1,		/* zfs */
	0xca451a4e,		/* bcachefs */
	0x00c36400,		/* ceph */
	0x3153464a,		/* jfs */
	0x3434,			/* nilfs2 */
	0x52654973,		/* reiserfs */
	0x786f4256,		/* vboxsf */
	0xbacbacbc,		/* vmhgfs */
	0x53464846,		/* wslfs */
	0x6a656a63,		/* fakeowner: Docker Desktop */
	0xf15f,			/* ecryptfs */
	0x0bd00bd0,		/* lustre */
	0x01161970,		/* gfs2 */
	0x7461636f,		/* ocfs2 */
	0x47504653,		/* gpfs */
	0x24051905,		/* ubifs */
};

static bool is_real_type(uint32_t type)
{
	for (size_t i = 0; i < sizeof(real_types) / sizeof(real_types[0]); i++)
		if (real_types[i] == type)
			return true;
	return false;
}

/*
 * Is this the host's devtmpfs? There is one in the whole system, so its device number tells, if it is mounted where we
 * can see it. (Its nodes could not be opened anyway, but removed and re-owned.)
 */
static bool is_devtmpfs(const struct statx *stx)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t room = 0;
	bool found = false;

	while (f && !found && getline(&line, &room, f) > 0) {
		unsigned int major, minor;

		found = strstr(line, " - devtmpfs ") && sscanf(line, "%*d %*d %u:%u", &major, &minor) == 2 &&
			major == stx->stx_dev_major && minor == stx->stx_dev_minor;
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}

static void raise_descriptor_limit(struct fs *fs)
{
	struct rlimit lim;
	rlim_t have = 1024;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0) {
		lim.rlim_cur = lim.rlim_max;
		setrlimit(RLIMIT_NOFILE, &lim);
		have = lim.rlim_max;
	}
	/*
	 * A reserve for the rest of the VMM and for descriptors open during one request; most for open files. Path
	 * descriptors may be twice as many as they should: evict(). All together they stay below the limit, so that
	 * only a guest's requests fail.
	 */
	have -= have > 512 ? 256 : have / 2;
	fs->max_path_fds = have / 8 < 16384 ? (unsigned int)(have / 8) : 16384;
	fs->max_handles = have / 2 < 1u << 16 ? (uint32_t)(have / 2) : 1u << 16;
	fs->max_lock_files = have / 8 < 4096 ? (unsigned int)(have / 8) : 4096;
}

/*
 * Has the kernel enlarge the table of descriptors now, when no other thread shares it. Later, whoever needs more room
 * waits for an RCU grace period, some 10 ms; first at the 65th descriptor, while the first program starts.
 */
static void enlarge_descriptor_table(const struct fs *fs)
{
	const unsigned int most = fs->max_path_fds + fs->max_handles;
	const int fd = fcntl(fs->proc_fd, F_DUPFD_CLOEXEC, (int)(most < TABLE_ROOM ? most : TABLE_ROOM) - 1);

	if (fd >= 0)
		close(fd);
}

int fs_new(struct fs **out, struct vm *vm)
{
	struct fs *fs = calloc(1, sizeof(*fs));
	int r;

	if (!fs)
		return -ENOMEM;
	fs->vm = vm;
	fs->proc_fd = -1;
	fs->unmapped_uid = fs->unmapped_gid = FS_NO_ID;
	pthread_mutex_init(&fs->queue_lock, NULL);
	pthread_mutex_init(&fs->wake_lock, NULL);
	pthread_cond_init(&fs->wake, NULL);
	list_init(&fs->lock_files);
	raise_descriptor_limit(fs);
	umask(0);
	r = nodes_init(fs);
	if (r == 0)
		r = handles_init(fs);
	/* Without it nothing could be looked up; with it there is no such directory. */
	if (r == 0 && node_open_path(-1, "x") == -ENOSYS)
		r = -ENOSYS;
	if (r == 0) {
		fs->proc_fd = open("/proc/self/fd", O_PATH | O_DIRECTORY | O_CLOEXEC);
		r = fs->proc_fd < 0 ? -errno : 0;
	}
	if (r < 0) {
		fs_free(fs);
		return r;
	}
	enlarge_descriptor_table(fs);
	*out = fs;
	return 0;
}

void fs_use_descriptors(struct fs *fs, int fd)
{
	close(fs->proc_fd);
	fs->proc_fd = fd;
}

/* The id that stands for all unmapped ones, or "none" if it is our own. */
static uint32_t overflow_id(const char *path, uint32_t own)
{
	FILE *f = fopen(path, "re");
	unsigned int id = 65534;

	if (f) {
		if (fscanf(f, "%u", &id) != 1)
			id = 65534;
		fclose(f);
	}
	return id == own ? FS_NO_ID : id;
}

void fs_unmapped_is_root(struct fs *fs)
{
	fs->unmapped_uid = overflow_id("/proc/sys/kernel/overflowuid", geteuid());
	fs->unmapped_gid = overflow_id("/proc/sys/kernel/overflowgid", getegid());
}

int fs_export(struct fs *fs, int fd, unsigned int flags)
{
	struct export_root *e = &fs->exports[fs->export_count];
	struct statfs sfs;
	struct statx stx;
	int r;

	if (fs->export_count == FS_MAX_EXPORTS)
		return -ENFILE;
	if (fstatfs(fd, &sfs) < 0)
		return -errno;
	if (!is_real_type((uint32_t)sfs.f_type))
		return -EXDEV;
	r = fs_statx(fd, "", &stx);
	if (r < 0)
		return r;
	if (!(stx.stx_mask & STATX_MNT_ID))
		return -ENOSYS;
	if (!S_ISDIR(stx.stx_mode) && !S_ISREG(stx.stx_mode))
		return -ENOTSUP;
	if (sfs.f_type == TMPFS_TYPE && is_devtmpfs(&stx))
		return -EXDEV;
	e->flags = flags;
	e->mnt_id = stx.stx_mnt_id;
	e->root = node_new_root(fs, fs->export_count, fd, &stx);
	if (!e->root)
		return -ENOMEM;
	return (int)++fs->export_count;
}

int fs_attach(struct fs *fs, const struct um_boot_queue *requests, const struct um_boot_queue *hiprio)
{
	const int r = virtq_init(&fs->requests, fs->vm, requests);

	return r < 0 ? r : virtq_init(&fs->hiprio, fs->vm, hiprio);
}

void fs_free(struct fs *fs)
{
	if (!fs)
		return;
	fs_stop(fs);
	fs_locks_deinit(fs);
	handles_deinit(fs);
	nodes_deinit(fs);
	if (fs->proc_fd >= 0)
		close(fs->proc_fd);
	pthread_mutex_destroy(&fs->queue_lock);
	pthread_mutex_destroy(&fs->wake_lock);
	pthread_cond_destroy(&fs->wake);
	free(fs->threads);
	free(fs->covers);
	free(fs);
}

static const int syscalls[] = {
	SYS_openat,	     SYS_openat2,    SYS_statx,	     SYS_newfstatat,   SYS_fstat,     SYS_fstatfs,
	SYS_readlinkat,	     SYS_getdents64, SYS_lseek,	     SYS_preadv,       SYS_pwritev,   SYS_pread64,
	SYS_pwrite64,	     SYS_ftruncate,  SYS_fallocate,  SYS_fsync,	       SYS_fdatasync, SYS_syncfs,
	SYS_copy_file_range, SYS_fchmod,     SYS_fchmodat,   SYS_fchown,       SYS_fchownat,  SYS_utimensat,
	SYS_mkdirat,	     SYS_mknodat,    SYS_symlinkat,  SYS_linkat,       SYS_unlinkat,  SYS_renameat2,
	SYS_fgetxattr,	     SYS_fsetxattr,  SYS_flistxattr, SYS_fremovexattr, SYS_flock,
};

const int *fs_syscalls(size_t *count)
{
	*count = sizeof(syscalls) / sizeof(syscalls[0]);
	return syscalls;
}
