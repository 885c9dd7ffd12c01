/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the host-file client share. See README.md here for what is cached and for how long.
 *
 * Lock order: inode->lock > page locks > everything here. fuse_lock (table of inodes, lists of handles) > fi->lock.
 */
#ifndef FS_FUSE_H
#define FS_FUSE_H

#include <abi/fuse.h>
#include <gk/fs.h>
#include <gk/printk.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/task.h>
#include <gk/virtq.h>

#define FUSE_SUPER_MAGIC 0x65735546

/* A request that is sent without waiting. */
struct fuse_async {
	struct virtq_req vr;
	struct fuse_in_header in;
	union {
		struct fuse_read_in read;
		struct fuse_release_in release;
	} arg;
	size_t arg_size;
	struct fuse_out_header out;
	struct fuse_open_out open; /* UM_FUSE_OPEN_READ: comes before the data */
};

/* A file open at the server. Shared by all opens of an inode: offsets are explicit. */
struct fuse_fh {
	refcount_t refs; /* opens, reads in flight, the inode's own */
	bool writable;
	u64 nodeid;
	u64 fh;
	struct fuse_fh *dead_next;
	struct fuse_async release; /* for the end */
};

/* inode->private. */
struct fuse_inode {
	struct inode *inode;
	u64 nodeid;		      /* immutable */
	u64 nlookup;		      /* fuse_lock: what the server counts for us */
	struct fuse_inode *hash_next; /* fuse_lock */
	bool submount;		      /* immutable: an empty directory to mount over */
	bool readable;		      /* the server has said that it can be opened for reading */

	spinlock_t lock;
	struct fuse_fh *ro;	    /* lock: kept while the inode is cached */
	struct fuse_fh *rw;	    /* lock: kept while somebody writes */
	u32 openers;		    /* lock: open files */
	u32 writers;		    /* lock: those that may write */
	u32 lazy;		    /* lock: open files that have no handle yet */
	struct list_head idle_link; /* fuse_lock: inodes that keep a read handle */

	/* Attributes as the server told them last; see attr.c. lock. */
	ktime_t valid_until;
	u64 version;	 /* counts our own changes: attr.c */
	bool own_change; /* we changed something since `seen` was taken */
	struct {
		u64 size, mtime, ctime;
		u32 mtimensec, ctimensec;
	} seen;
};

static inline struct fuse_inode *fuse_i(const struct inode *i)
{
	return i->private;
}

/* sb->private. */
struct fuse_super {
	u64 root_node;
	bool shared; /* others write on the host: nothing is believed for longer than one operation */
};

static inline struct fuse_super *fuse_s(const struct super *sb)
{
	return sb->private;
}

/* ---- conn.c: requests ---- */

#define FUSE_MAX_IN 4

struct fuse_arg {
	const void *data;
	size_t size;
};

struct fuse_call {
	u32 opcode;
	u64 nodeid;
	u32 nr_in;
	struct fuse_arg in[FUSE_MAX_IN]; /* sent one after the other */
	void *out;			 /* where the reply goes, without its header */
	size_t out_size;
};

/* Sends it and sleeps until the reply is there. Returns the bytes in c->out, or -errno. */
ssize_t fuse_call(const struct fuse_call *c);
/* As above, for replies of exactly c->out_size bytes: 0, or -errno (-EIO for another size). */
int fuse_call_exact(const struct fuse_call *c);

/*
 * Sends a request whose reply's data goes to @bufs (page memory, at most FUSE_MAX_BUFS). a->vr.done is called when it
 * is there. Sleeps only while the ring is full. The caller rings with fuse_kick().
 */
#define FUSE_MAX_BUFS 120
void fuse_send(struct fuse_async *a, u32 opcode, u64 nodeid, const struct virtq_buf *bufs, u32 nr_bufs);
void fuse_kick(void);
/*
 * Sends a request whose reply nobody wants, beside the others; it may overtake them. -EAGAIN: no room now. Any context.
 * The server sees it with the next request, or at once with fuse_kick_quiet().
 */
int fuse_send_quiet(struct fuse_async *a, u32 opcode, u64 nodeid);
void fuse_kick_quiet(void);
/* Bytes of data in the reply of a finished request (behind the handle, if that comes with it), or -errno. */
ssize_t fuse_result(const struct fuse_async *a);
/* Writes data from @bufs. 0 or -errno. */
int fuse_write_bufs(const struct fuse_fh *fh, u64 offset, u32 size, const struct virtq_buf *bufs, u32 nr_bufs);
/* Tells the server to count @nlookup less for @nodeid, some time. */
void fuse_forget(u64 nodeid, u64 nlookup);
/* Makes sure that there is a server and that it speaks as we do. 0 or -errno. */
int fuse_connect(void);

/* ---- inode.c ---- */
/* The inode of a reply; takes over the lookup it counts. ERR_PTR: -ENOMEM, -EIO. */
struct inode *fuse_iget(struct super *sb, const struct fuse_entry_out *e, u64 version);
/* Attributes from a reply whose request was made when version was @version (fuse_version(); 0 for a new inode). */
void fuse_attr_update(struct inode *i, const struct fuse_attr *a, u64 valid, u64 version);
/* The same when inode->lock is held for writing and the request itself changed the file. */
void fuse_attr_update_own(struct inode *i, const struct fuse_attr *a, u64 valid, u64 version);
u64 fuse_version(struct inode *i);
/* We have changed the file's content or size (content) or something about it: what the server says next is no surprise.
 */
void fuse_changed(struct inode *i, bool content);
/* Asks the server if what we know is too old. */
int fuse_refresh(struct inode *i);
static inline bool fuse_fresh(const struct inode *i)
{
	return ktime_mono() < READ_ONCE(fuse_i(i)->valid_until);
}
int fuse_getattr(const struct path *p, struct kstat *st, u32 mask);
int fuse_setattr(struct dentry *d, struct inode *inode, const struct iattr *attr);

/* ---- dir.c ---- */
extern const struct inode_ops fuse_dir_iops;
extern const struct inode_ops fuse_link_iops;
extern const struct dentry_ops fuse_dentry_ops;
/* Names are believed until then. */
static inline u64 fuse_entry_until(u64 valid)
{
	return valid ? ktime_mono() + valid * NSEC_PER_SEC : 0;
}

/* ---- readdir.c ---- */
/* dentry->private of an entry that came with a listing and has not been used yet. */
#define FUSE_FROM_LISTING ((void *)1)
/* Such an entry was used, or one was missed: listings should bring attributes. */
void fuse_listing_used(void);
extern const struct file_ops fuse_dir_fops;

/* ---- handle.c ---- */
struct fuse_fh *fuse_fh_get(struct fuse_fh *fh);
void fuse_fh_put(struct fuse_fh *fh); /* any context; NULL is fine */
/* How many files the server can hold open. Before the first open. */
void fuse_fh_set_max(u32 max_open);
/* A handle for reading or writing the inode: the one there is, or a new one. Reference, or ERR_PTR. */
struct fuse_fh *fuse_fh_open(struct inode *i, bool write);
/* The one there is, with a reference, or NULL. */
struct fuse_fh *fuse_fh_existing(struct inode *i, bool write);
/* The handle a read came back with: kept for the next ones. Any context. */
void fuse_fh_opened(struct inode *i, u64 fh);
/* The handle a CREATE came with: kept for the open that follows. */
void fuse_fh_adopt(struct inode *i, u64 fh);
/* Counts open files, those that may write and those without a handle. The handle for writing goes with the last writer.
 */
void fuse_count_open(struct inode *i, s32 openers, s32 writers, s32 lazy);
/* The name is about to go: files that are open without a handle get one now, while there is a name. */
void fuse_fh_hold(struct inode *i);
/* Closes handles nobody uses. */
void fuse_fh_drop_idle(struct inode *i);

/* ---- file.c, lock.c, pages.c, xattr.c ---- */
int fuse_file_lock(struct file *f, int cmd, struct file_lock *fl);
int fuse_file_flock(struct file *f, int cmd, struct file_lock *fl);
extern const struct inode_ops fuse_file_iops;
extern const struct file_ops fuse_file_fops;
extern const struct mapping_ops fuse_mapping_ops;
ssize_t fuse_getxattr(struct inode *inode, const char *name, void *buf, size_t size);
int fuse_setxattr(struct dentry *d, struct inode *inode, const char *name, const void *val, size_t size, u32 flags);
ssize_t fuse_listxattr(struct inode *inode, char *buf, size_t size);
int fuse_removexattr(struct dentry *d, struct inode *inode, const char *name);

#endif
