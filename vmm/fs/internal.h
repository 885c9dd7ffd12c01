/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the host file server share. Nobody outside vmm/fs includes this.
 */
#ifndef UMBRA_VMM_FS_INTERNAL_H
#define UMBRA_VMM_FS_INTERNAL_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "abi/fuse.h"
#include "../virtq.h"
#include "../vm.h"
#include "fs.h"
#include "lib/list.h"

/* All a request may bring besides WRITE's data, SETXATTR's value and BATCH_FORGET's list. */
#define FS_ARGS_MAX (sizeof(struct fuse_setattr_in) + NAME_MAX + 1 + PATH_MAX)

/* What makes a file the same file: numbers are reused, birth times hardly. */
struct node_key {
	uint64_t ino;
	uint32_t dev_major, dev_minor;
	uint64_t btime_ns; /* 0 where the file system knows none */
	uint16_t type;	   /* S_IFMT bits */
	uint16_t export;   /* index */
};

/*
 * A file the guest knows about. All fields are protected by fs->lock, except where immutable. Lives while the guest
 * knows it (nlookup), an operation uses it (busy), or another node or handle refers to it (refs). Roots live forever.
 */
struct node {
	uint64_t id;	      /* immutable; never used again */
	struct node_key key;  /* immutable */
	struct node *id_next; /* hash chains */
	struct node *key_next;
	bool key_hashed; /* false once another file has taken over its numbers */
	bool stub;	 /* immutable: a mount point of the host or covered, shown as an empty directory or file */
	bool unlinked;	 /* its name is gone: fd cannot be had again and stays */
	uint64_t nlookup;
	unsigned int busy;
	unsigned int refs;
	unsigned int handles; /* part of refs: open files */
	struct node *parent;  /* counted; NULL for a root */
	char *name;	      /* under parent, when last seen */
	int fd;		      /* O_PATH; -1: to be opened when wanted. Stable while busy. */
	struct list_head lru; /* in fs->lru while fd is open and it is no root */
};

enum handle_kind { HANDLE_FREE, HANDLE_FILE, HANDLE_DIR };

/* An open file or directory. Protected by fs->lock; fd and kind are stable while busy. */
struct handle {
	enum handle_kind kind;
	uint32_t generation;
	unsigned int busy;
	bool closing; /* released; freed when no longer busy */
	bool writable;
	int fd;
	struct node *node; /* counted */
	uint32_t next_free;
	pthread_mutex_t dir_lock; /* HANDLE_DIR: the position of fd; taken without fs->lock */
	uint64_t dir_pos;
};

struct export_root {
	struct node *root;
	unsigned int flags;
	uint64_t mnt_id;
};

/* fs_cover() */
struct cover {
	int root; /* 0: any */
	struct fs_cover what;
};

/* A lock owner's own open file description of a file: lock.c. */
struct lock_file {
	struct list_head link;
	struct node *node; /* counted */
	uint64_t owner;
	bool flock;
	bool drop; /* its owner has closed the file: ends with the last user, unless that has taken a lock */
	unsigned int busy;
	int fd;
};

struct fs_thread {
	pthread_t thread;
	struct fs *fs;
	struct vm_bell *bell; /* NULL: one of the pool */
	unsigned int vcpu;    /* whose bell it is */
};

#define FS_NO_ID UINT32_MAX

struct fs {
	/* Immutable after fs_start(). */
	struct vm *vm;
	int proc_fd;	/* /proc/self/fd */
	bool reads_all; /* we may read whatever there is */
	uint32_t euid;
	uint32_t unmapped_uid, unmapped_gid; /* shown as 0; FS_NO_ID: none */
	unsigned int export_count;
	struct export_root exports[FS_MAX_EXPORTS];
	unsigned int cover_count;
	struct cover *covers;
	unsigned int max_nodes;
	unsigned int max_path_fds;
	uint32_t max_handles;
	unsigned int max_lock_files;
	struct fs_thread *threads;
	unsigned int thread_count;
	void (*thread_init)(void *);
	void *thread_init_arg;

	pthread_mutex_t queue_lock; /* protects the two queues; leaf */
	struct virtq requests;
	struct virtq hiprio;

	pthread_mutex_t wake_lock; /* protects the next three; leaf */
	pthread_cond_t wake;
	bool bell;	   /* rung, and nobody has gone to look yet */
	unsigned int idle; /* workers waiting for it */
	_Atomic bool stopping;

	/* Nodes and handles. Leaf: nothing blocking is done under it. */
	pthread_mutex_t lock;
	uint64_t next_id;
	unsigned int node_count;
	unsigned int hash_mask;
	struct node **by_id;
	struct node **by_key;
	struct list_head lru; /* most recently used first */
	unsigned int path_fds;
	struct handle *handles; /* max_handles of them, reserved address space */
	uint32_t handles_used;	/* slots ever used */
	uint32_t handles_free;	/* list through next_free, ~0: empty */
	struct list_head lock_files;
	unsigned int lock_file_count;
};

#define FS_BOUNCE_BYTES 65536

/* One request, on its worker. */
struct fs_req {
	struct fs *fs;
	struct virtq_chain chain;
	struct fuse_in_header in;
	size_t args_len;
	struct node *node;		       /* in.nodeid, busy for the duration */
	uint32_t written;		       /* bytes of the reply, header included */
	uint8_t *bounce;		       /* FS_BOUNCE_BYTES, from the first read on; see file.c */
	_Alignas(8) uint8_t args[FS_ARGS_MAX]; /* our copy of what follows the header; the rest of the chain is data */
};

/* server.c */
enum fs_pace { FS_QUICK, FS_SLOW };
/* Copies the fixed parts of the request in req->chain. FS_SLOW: it may wait for a disk or move much data. */
enum fs_pace fs_decode(struct fs_req *req);
/* Carries out the decoded request and writes the reply; req->written says how much. */
void fs_handle(struct fs_req *req);
/* Each op returns 0 after fs_reply() (or without: an empty reply), or a negative errno, which becomes the reply. */
void fs_reply(struct fs_req *req, const void *data, size_t len);
/* As fs_reply(), for @len bytes of data that already are in the chain behind the header. */
void fs_reply_in_place(struct fs_req *req, size_t len);
/* Room for data in the reply. */
size_t fs_reply_room(const struct fs_req *req);
/*
 * The string at byte *@pos of req->args, which it advances behind the NUL. NULL without a NUL or longer than @max
 * bytes.
 */
const char *fs_arg_string(struct fs_req *req, size_t *pos, size_t max);
/* As above, for one component of a path: NULL also for "", ".", ".." and with '/'. */
const char *fs_arg_name(struct fs_req *req, size_t *pos);
bool fs_export_has(const struct fs *fs, const struct node *node, unsigned int flag);

/* node.c */
int nodes_init(struct fs *fs);
void nodes_deinit(struct fs *fs);
/* The root of a new export; takes over @fd. NULL: no memory. */
struct node *node_new_root(struct fs *fs, unsigned int export, int fd, const struct statx *stx);
/* By id, busy until node_put(). NULL: not known. */
struct node *node_get(struct fs *fs, uint64_t id);
void node_put(struct fs *fs, struct node *node);
/*
 * The node of the file with attributes @stx that was just seen as @name in @parent; one more nlookup, not busy. Returns
 * its id, or 0 when there is no memory or there are too many nodes.
 */
uint64_t node_intern(struct fs *fs, struct node *parent, const char *name, const struct statx *stx);
void node_forget(struct fs *fs, uint64_t id, uint64_t nlookup);
/*
 * 0: the name by which the busy @node is known still leads to it (or the guest has removed it). -ESTALE: the host has
 * given the name away. Other errors of the host.
 */
int node_in_place(struct fs *fs, struct node *node);
/*
 * Opens @name in the directory @dirfd with O_PATH, no link followed, no mount point crossed (-EXDEV). Or a negative
 * errno.
 */
int node_open_path(int dirfd, const char *name);
/* The node @id keeps @fd, which is a path descriptor of its file, if it has none yet. @fd is consumed. */
void node_hold(struct fs *fs, uint64_t id, int fd);
/*
 * O_PATH descriptor of a busy node, valid as long as it is busy; or a negative errno (-ESTALE: it is
 * not there any more).
 */
int node_fd(struct fs *fs, struct node *node);
/* The known node of a file, busy; NULL if there is none. */
struct node *node_find(struct fs *fs, unsigned int export, const struct statx *stx);
/* Does the guest have it open? */
bool node_is_open(struct fs *fs, const struct node *node);
/* After a rename: @node is now @name in @parent. */
void node_moved(struct fs *fs, struct node *node, struct node *parent, const char *name);
/* @name in @parent is gone. If that is where @node was last seen, its descriptor, if open, stays until it is forgotten.
 */
void node_unlinked(struct fs *fs, struct node *node, const struct node *parent, const char *name);
/* Drops one of node->refs. fs->lock held. */
void node_unref_locked(struct fs *fs, struct node *node);

/* handle.c */
int handles_init(struct fs *fs);
void handles_deinit(struct fs *fs);
/* Takes over @fd on success. Returns 0 or -ENFILE. */
int handle_new(struct fs *fs, struct node *node, enum handle_kind kind, int fd, bool writable, uint64_t *fh);
/* Busy until handle_put(). NULL when @fh is no handle of that kind on @node. */
struct handle *handle_get(struct fs *fs, uint64_t fh, const struct node *node, enum handle_kind kind);
void handle_put(struct fs *fs, struct handle *h);
/* Ends it, when the last user is done. Returns 0 or -EBADF. */
int handle_release(struct fs *fs, uint64_t fh, const struct node *node, enum handle_kind kind);

/* attr.c */
#define FS_STATX_MASK (STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID)
/* Attributes of @name under @dirfd, or of @dirfd itself when @name is "". Never follows a link. Negative errno. */
int fs_statx(int dirfd, const char *name, struct statx *stx);
void fs_fill_attr(const struct fs *fs, struct fuse_attr *attr, const struct statx *stx);
/* Attributes of an empty thing of the type S_IFMT(@type). */
void fs_fill_stub(struct fuse_attr *attr, uint64_t ino, uint16_t type);
/*
 * Fills @entry for the file @stx just seen as @name in @parent and counts the lookup. Returns 0 or -ENFILE.
 */
int fs_fill_entry(struct fs *fs, struct node *parent, const char *name, const struct statx *stx,
		  struct fuse_entry_out *entry);
/* Opens a busy regular node for data. Returns a descriptor or a negative errno. */
int fs_open_data(struct fs *fs, struct node *node, int flags);
/* Opens a busy directory for listing, fsync and the like. Returns a descriptor or a negative errno (-ENOTDIR). */
int fs_open_dir(struct fs *fs, struct node *node);
int fs_chmod_node(struct fs *fs, struct node *node, mode_t mode);
/* Makes @name in @dirfd another name of a busy node. */
int fs_link_node(struct fs *fs, struct node *node, int dirfd, const char *name);
/* What the kernel does to set-id bits on a write without CAP_FSETID, which the VMM may hold. */
void fs_kill_suidgid(int fd);
int fs_op_getattr(struct fs_req *req);
int fs_op_setattr(struct fs_req *req);
int fs_op_readlink(struct fs_req *req);
int fs_op_statfs(struct fs_req *req);

/* cover.c */
enum fs_sight {
	FS_SEEN,
	FS_STUB,   /* an empty thing of its type: to mount over */
	FS_UNSEEN, /* -EACCES */
};
/*
 * What the guest may see of the file @stx that was found as @name in @parent: mount points of the host and covered
 * places.
 */
enum fs_sight fs_sight(const struct fs *fs, const struct node *parent, const char *name, const struct statx *stx);
/* Is @name in @parent such a place, whether or not there is anything? */
bool fs_name_covered(const struct fs *fs, const struct node *parent, const char *name);

/* name.c */
int fs_op_lookup(struct fs_req *req);
int fs_op_symlink(struct fs_req *req);
int fs_op_mknod(struct fs_req *req);
int fs_op_mkdir(struct fs_req *req);
int fs_op_unlink(struct fs_req *req);
int fs_op_rmdir(struct fs_req *req);
int fs_op_rename(struct fs_req *req);
int fs_op_rename2(struct fs_req *req);
int fs_op_link(struct fs_req *req);
int fs_op_create(struct fs_req *req);

/* file.c */
int fs_op_open(struct fs_req *req);
int fs_op_read(struct fs_req *req);
int fs_op_open_read(struct fs_req *req);
int fs_op_write(struct fs_req *req);
int fs_op_release(struct fs_req *req);
int fs_op_flush(struct fs_req *req);
int fs_op_fsync(struct fs_req *req);
int fs_op_fallocate(struct fs_req *req);
int fs_op_lseek(struct fs_req *req);
int fs_op_copy_file_range(struct fs_req *req);
int fs_op_syncfs(struct fs_req *req);

/* dir.c */
int fs_op_opendir(struct fs_req *req);
int fs_op_readdir(struct fs_req *req);
int fs_op_readdirplus(struct fs_req *req);
int fs_op_list(struct fs_req *req);
int fs_op_releasedir(struct fs_req *req);
int fs_op_fsyncdir(struct fs_req *req);

/* xattr.c */
int fs_op_setxattr(struct fs_req *req);
int fs_op_getxattr(struct fs_req *req);
int fs_op_listxattr(struct fs_req *req);
int fs_op_removexattr(struct fs_req *req);

/* lock.c */
int fs_op_getlk(struct fs_req *req);
int fs_op_setlk(struct fs_req *req);
/* Ends all locks of @owner on @node (flock: of that kind). */
void fs_locks_drop(struct fs *fs, struct node *node, uint64_t owner, bool flock);
void fs_locks_deinit(struct fs *fs);

#endif
