/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The FUSE protocol, revision 7.38, as guest and VMM speak it over UM_QUEUE_FS (virtio 1.2, "File System Device").
 *
 * A request chain is: readable, struct fuse_in_header and the operation's input; writable, struct fuse_out_header and
 * its output. Forgets have no writable part. Layouts and numbers are those of the Linux interface;
 * tests/unit/abi_fuse.c compares them with the system's header. What we fix beyond it:
 *   - in.padding is the number of the vCPU to interrupt when the request completes.
 *   - the roots of the exports have the node ids 1, 2, ... in the order of the configuration (see abi/control.h,
 *     "export="); all other ids come from replies and are never used again. The root of an export may be a regular
 *     file.
 *   - the guest checks permissions and applies the umask; the VMM's host rights are the outer limit.
 *   - SETLKW, INTERRUPT, IOCTL, POLL, BMAP and notifications are not spoken: who wants to wait for a lock repeats
 *     SETLK. Locks of one lk_in.owner never conflict with each other.
 */
#ifndef UMBRA_ABI_FUSE_H
#define UMBRA_ABI_FUSE_H

#include <stddef.h>
#include <stdint.h>

#define FUSE_VERSION_MAJOR 7
#define FUSE_VERSION_MINOR 38

/* Limits of our server. */
#define UM_FUSE_MAX_DATA (1024 * 1024) /* bytes of data in one READ, WRITE, READDIR */
#define UM_FUSE_MAX_NAME 255
#define UM_FUSE_MAX_LINK 4095 /* bytes of a symbolic link's target */
#define UM_FUSE_MAX_XATTR 65536

#define FUSE_LOOKUP 1
#define FUSE_FORGET 2
#define FUSE_GETATTR 3
#define FUSE_SETATTR 4
#define FUSE_READLINK 5
#define FUSE_SYMLINK 6
#define FUSE_MKNOD 8
#define FUSE_MKDIR 9
#define FUSE_UNLINK 10
#define FUSE_RMDIR 11
#define FUSE_RENAME 12
#define FUSE_LINK 13
#define FUSE_OPEN 14
#define FUSE_READ 15
#define FUSE_WRITE 16
#define FUSE_STATFS 17
#define FUSE_RELEASE 18
#define FUSE_FSYNC 20
#define FUSE_SETXATTR 21
#define FUSE_GETXATTR 22
#define FUSE_LISTXATTR 23
#define FUSE_REMOVEXATTR 24
#define FUSE_FLUSH 25
#define FUSE_INIT 26
#define FUSE_OPENDIR 27
#define FUSE_READDIR 28
#define FUSE_RELEASEDIR 29
#define FUSE_FSYNCDIR 30
#define FUSE_GETLK 31
#define FUSE_SETLK 32
#define FUSE_SETLKW 33
#define FUSE_ACCESS 34
#define FUSE_CREATE 35
#define FUSE_INTERRUPT 36
#define FUSE_DESTROY 38
#define FUSE_BATCH_FORGET 42
#define FUSE_FALLOCATE 43
#define FUSE_READDIRPLUS 44
#define FUSE_RENAME2 45
#define FUSE_LSEEK 46
#define FUSE_COPY_FILE_RANGE 47
#define FUSE_SYNCFS 50
#define FUSE_OPCODE_LIMIT 51

/* Ours: what takes several requests otherwise. */
#define UM_FUSE_LIST 4096      /* OPENDIR, READDIR or READDIRPLUS, RELEASEDIR: struct um_fuse_list_in */
#define UM_FUSE_OPEN_READ 4097 /* OPEN for reading and READ: struct fuse_read_in; struct fuse_open_out, data */
#define UM_FUSE_OPCODE_LIMIT 4098

struct fuse_in_header {
	uint32_t len; /* of the whole readable part */
	uint32_t opcode;
	uint64_t unique;
	uint64_t nodeid;
	uint32_t uid; /* owner of what the request creates */
	uint32_t gid;
	uint32_t pid;
	uint16_t total_extlen; /* 0 */
	uint16_t padding;      /* ours: vCPU */
};

struct fuse_out_header {
	uint32_t len;  /* of the whole reply */
	int32_t error; /* 0 or negative errno */
	uint64_t unique;
};

struct fuse_attr {
	uint64_t ino;
	uint64_t size;
	uint64_t blocks;
	uint64_t atime;
	uint64_t mtime;
	uint64_t ctime;
	uint32_t atimensec;
	uint32_t mtimensec;
	uint32_t ctimensec;
	uint32_t mode;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint32_t rdev;
	uint32_t blksize;
	uint32_t flags;
};

/* fuse_attr.flags */
#define UM_FUSE_ATTR_READABLE 0x10000 /* ours: the server may read this regular file */
#define FUSE_ATTR_SUBMOUNT 1	      /* something else is mounted here on the host: an empty directory to mount over */

/* LOOKUP, MKNOD, MKDIR, SYMLINK, LINK, CREATE. nodeid 0 (LOOKUP): no such name, and that may be cached. */
struct fuse_entry_out {
	uint64_t nodeid;
	uint64_t generation;
	uint64_t entry_valid;
	uint64_t attr_valid;
	uint32_t entry_valid_nsec;
	uint32_t attr_valid_nsec;
	struct fuse_attr attr;
};

struct fuse_forget_in {
	uint64_t nlookup;
};

struct fuse_forget_one {
	uint64_t nodeid;
	uint64_t nlookup;
};

struct fuse_batch_forget_in {
	uint32_t count;
	uint32_t dummy;
};

#define FUSE_GETATTR_FH 1

struct fuse_getattr_in {
	uint32_t getattr_flags;
	uint32_t dummy;
	uint64_t fh;
};

struct fuse_attr_out {
	uint64_t attr_valid;
	uint32_t attr_valid_nsec;
	uint32_t dummy;
	struct fuse_attr attr;
};

#define FATTR_MODE (1u << 0)
#define FATTR_UID (1u << 1)
#define FATTR_GID (1u << 2)
#define FATTR_SIZE (1u << 3)
#define FATTR_ATIME (1u << 4)
#define FATTR_MTIME (1u << 5)
#define FATTR_FH (1u << 6)
#define FATTR_ATIME_NOW (1u << 7)
#define FATTR_MTIME_NOW (1u << 8)
#define FATTR_LOCKOWNER (1u << 9)
#define FATTR_CTIME (1u << 10)
#define FATTR_KILL_SUIDGID (1u << 11)

struct fuse_setattr_in {
	uint32_t valid;
	uint32_t padding;
	uint64_t fh;
	uint64_t size;
	uint64_t lock_owner;
	uint64_t atime;
	uint64_t mtime;
	uint64_t ctime;
	uint32_t atimensec;
	uint32_t mtimensec;
	uint32_t ctimensec;
	uint32_t mode;
	uint32_t unused4;
	uint32_t uid;
	uint32_t gid;
	uint32_t unused5;
};

struct fuse_mknod_in {
	uint32_t mode;
	uint32_t rdev;
	uint32_t umask;
	uint32_t padding;
};

struct fuse_mkdir_in {
	uint32_t mode;
	uint32_t umask;
};

struct fuse_rename_in {
	uint64_t newdir;
};

struct fuse_rename2_in {
	uint64_t newdir;
	uint32_t flags; /* RENAME_NOREPLACE, RENAME_EXCHANGE */
	uint32_t padding;
};

struct fuse_link_in {
	uint64_t oldnodeid;
};

struct fuse_open_in {
	uint32_t flags; /* Linux O_* */
	uint32_t open_flags;
};

#define FUSE_OPEN_KILL_SUIDGID 1

struct fuse_create_in {
	uint32_t flags;
	uint32_t mode;
	uint32_t umask;
	uint32_t open_flags;
};

struct fuse_open_out {
	uint64_t fh;
	uint32_t open_flags;
	uint32_t padding;
};

struct fuse_release_in {
	uint64_t fh;
	uint32_t flags;
	uint32_t release_flags;
	uint64_t lock_owner;
};

#define FUSE_RELEASE_FLUSH 1
#define FUSE_RELEASE_FLOCK_UNLOCK 2

struct fuse_flush_in {
	uint64_t fh;
	uint32_t unused;
	uint32_t padding;
	uint64_t lock_owner;
};

struct fuse_read_in {
	uint64_t fh;
	uint64_t offset;
	uint32_t size;
	uint32_t read_flags;
	uint64_t lock_owner;
	uint32_t flags;
	uint32_t padding;
};

struct fuse_write_in {
	uint64_t fh;
	uint64_t offset;
	uint32_t size;
	uint32_t write_flags;
	uint64_t lock_owner;
	uint32_t flags;
	uint32_t padding;
};

#define FUSE_WRITE_CACHE 1
#define FUSE_WRITE_LOCKOWNER 2
#define FUSE_WRITE_KILL_SUIDGID 4

struct fuse_write_out {
	uint32_t size;
	uint32_t padding;
};

struct fuse_kstatfs {
	uint64_t blocks;
	uint64_t bfree;
	uint64_t bavail;
	uint64_t files;
	uint64_t ffree;
	uint32_t bsize;
	uint32_t namelen;
	uint32_t frsize;
	uint32_t padding;
	uint32_t spare[6];
};

struct fuse_statfs_out {
	struct fuse_kstatfs st;
};

#define FUSE_FSYNC_FDATASYNC 1

struct fuse_fsync_in {
	uint64_t fh;
	uint32_t fsync_flags;
	uint32_t padding;
};

/* The short form: FUSE_SETXATTR_EXT is not negotiated. Name and value follow. */
struct fuse_setxattr_in {
	uint32_t size;
	uint32_t flags; /* XATTR_CREATE, XATTR_REPLACE */
};

struct fuse_getxattr_in {
	uint32_t size; /* 0: how long would it be? */
	uint32_t padding;
};

struct fuse_getxattr_out {
	uint32_t size;
	uint32_t padding;
};

struct fuse_file_lock {
	uint64_t start;
	uint64_t end;  /* last byte; INT64_MAX: to the end */
	uint32_t type; /* F_RDLCK, F_WRLCK, F_UNLCK */
	uint32_t pid;
};

#define FUSE_LK_FLOCK 1

struct fuse_lk_in {
	uint64_t fh;
	uint64_t owner;
	struct fuse_file_lock lk;
	uint32_t lk_flags;
	uint32_t padding;
};

struct fuse_lk_out {
	struct fuse_file_lock lk;
};

struct fuse_access_in {
	uint32_t mask;
	uint32_t padding;
};

#define FUSE_ASYNC_READ (1u << 0)
#define FUSE_POSIX_LOCKS (1u << 1)
#define FUSE_ATOMIC_O_TRUNC (1u << 3)
#define FUSE_BIG_WRITES (1u << 5)
#define FUSE_FLOCK_LOCKS (1u << 10)
#define FUSE_DO_READDIRPLUS (1u << 13)
#define FUSE_WRITEBACK_CACHE (1u << 16)
#define FUSE_PARALLEL_DIROPS (1u << 18)
#define FUSE_MAX_PAGES (1u << 22)
#define FUSE_SUBMOUNTS (1u << 27)
#define FUSE_HANDLE_KILLPRIV_V2 (1u << 28)

struct fuse_init_in {
	uint32_t major;
	uint32_t minor;
	uint32_t max_readahead;
	uint32_t flags;
	uint32_t flags2;
	uint32_t unused[11];
};

struct fuse_init_out {
	uint32_t major;
	uint32_t minor;
	uint32_t max_readahead;
	uint32_t flags;
	uint16_t max_background;
	uint16_t congestion_threshold;
	uint32_t max_write;
	uint32_t time_gran;
	uint16_t max_pages;
	uint16_t map_alignment;
	uint32_t flags2;
	uint32_t max_open; /* ours: how many files and directories the server can hold open */
	uint32_t unused[6];
};

struct fuse_fallocate_in {
	uint64_t fh;
	uint64_t offset;
	uint64_t length;
	uint32_t mode;
	uint32_t padding;
};

struct fuse_dirent {
	uint64_t ino;
	uint64_t off; /* where the next READDIR goes on */
	uint32_t namelen;
	uint32_t type; /* DT_* */
	char name[];
};

struct fuse_direntplus {
	struct fuse_entry_out entry_out; /* nodeid 0: only the name is known */
	struct fuse_dirent dirent;
};

#define FUSE_REC_ALIGN(x) (((x) + 7) & ~(size_t)7)
#define FUSE_DIRENT_BYTES(namelen) FUSE_REC_ALIGN(offsetof(struct fuse_dirent, name) + (namelen))
#define FUSE_DIRENTPLUS_BYTES(namelen) FUSE_REC_ALIGN(offsetof(struct fuse_direntplus, dirent.name) + (namelen))

/*
 * Lists a directory from @offset on. The reply is struct um_fuse_list_out, then entries as in READDIR or READDIRPLUS.
 */
struct um_fuse_list_in {
	uint64_t offset;
	uint32_t size; /* bytes of entries at most */
	uint32_t plus; /* 1: as READDIRPLUS */
};

struct um_fuse_list_out {
	uint32_t at_end; /* 1: there are no more */
	uint32_t reserved;
};

struct fuse_lseek_in {
	uint64_t fh;
	uint64_t offset;
	uint32_t whence; /* SEEK_DATA, SEEK_HOLE */
	uint32_t padding;
};

struct fuse_lseek_out {
	uint64_t offset;
};

struct fuse_copy_file_range_in {
	uint64_t fh_in;
	uint64_t off_in;
	uint64_t nodeid_out;
	uint64_t fh_out;
	uint64_t off_out;
	uint64_t len;
	uint64_t flags;
};

struct fuse_syncfs_in {
	uint64_t padding;
};

_Static_assert(sizeof(struct fuse_in_header) == 40, "FUSE");
_Static_assert(sizeof(struct fuse_out_header) == 16, "FUSE");
_Static_assert(sizeof(struct fuse_attr) == 88, "FUSE");
_Static_assert(sizeof(struct fuse_entry_out) == 128, "FUSE");
_Static_assert(sizeof(struct fuse_init_in) == 64 && sizeof(struct fuse_init_out) == 64, "FUSE");

#endif
