/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VFS: inodes, dentries, mounts, open files, descriptor tables, and what a file system implements.
 *
 * Objects: an inode is a file; a dentry is a name in a directory (negative when inode is NULL); a mount puts a super
 * block's tree on a dentry; a path is mount + dentry; a file is an open description. Names are bytes, at most 255;
 * paths at most PATH_MAX - 1.
 */
#ifndef GK_FS_H
#define GK_FS_H

#include <gk/errno.h>
#include <gk/lock.h>
#include <gk/mm.h>
#include <gk/timer.h>
#include <gk/uaccess.h>
#include <gk/wait.h>

#define NAME_MAX 255
#define PATH_MAX 4096
#define MAX_LFS_FILESIZE 0x7fffffffffffffffll

#define S_IFMT 0170000
#define S_IFSOCK 0140000
#define S_IFLNK 0120000
#define S_IFREG 0100000
#define S_IFBLK 0060000
#define S_IFDIR 0040000
#define S_IFCHR 0020000
#define S_IFIFO 0010000
#define S_ISUID 04000
#define S_ISGID 02000
#define S_ISVTX 01000
#define S_ISLNK(m) (((m)&S_IFMT) == S_IFLNK)
#define S_ISREG(m) (((m)&S_IFMT) == S_IFREG)
#define S_ISDIR(m) (((m)&S_IFMT) == S_IFDIR)
#define S_ISCHR(m) (((m)&S_IFMT) == S_IFCHR)
#define S_ISBLK(m) (((m)&S_IFMT) == S_IFBLK)
#define S_ISFIFO(m) (((m)&S_IFMT) == S_IFIFO)
#define S_ISSOCK(m) (((m)&S_IFMT) == S_IFSOCK)
/* d_type of getdents */
#define DT_OF_MODE(m) (((m)&S_IFMT) >> 12)

#define O_ACCMODE 3
#define O_RDONLY 0
#define O_WRONLY 1
#define O_RDWR 2
#define O_CREAT 0100
#define O_EXCL 0200
#define O_NOCTTY 0400
#define O_TRUNC 01000
#define O_APPEND 02000
#define O_NONBLOCK 04000
#define O_DSYNC 010000
#define FASYNC 020000
#define O_DIRECT 040000
#define O_LARGEFILE 0100000
#define O_DIRECTORY 0200000
#define O_NOFOLLOW 0400000
#define O_NOATIME 01000000
#define O_CLOEXEC 02000000
#define O_SYNC 04010000
#define O_PATH 010000000
#define O_TMPFILE 020200000

#define AT_FDCWD -100
#define AT_SYMLINK_NOFOLLOW 0x100
#define AT_EACCESS 0x200
#define AT_REMOVEDIR 0x200
#define AT_SYMLINK_FOLLOW 0x400
#define AT_NO_AUTOMOUNT 0x800
#define AT_EMPTY_PATH 0x1000

#define MAY_EXEC 1
#define MAY_WRITE 2
#define MAY_READ 4

struct kdev {
	u32 major, minor;
};
#define MKDEV(ma, mi)                                                                                                  \
	(((u64)((ma)&0xfff) << 8) | ((mi)&0xff) | ((u64)((mi) & ~0xffu) << 12) | ((u64)((ma) & ~0xfffu) << 32))
#define MAJOR(d) ((u32)((((d) >> 8) & 0xfff) | (((d) >> 32) & ~0xfffull)))
#define MINOR(d) ((u32)(((d)&0xff) | (((d) >> 12) & ~0xffull)))

struct timespec64 {
	s64 tv_sec;
	s64 tv_nsec;
};
struct timespec64 current_time(void); /* CLOCK_REALTIME */

struct inode;
struct dentry;
struct file;
struct mount;
struct super;
struct path;
struct poll_table;
struct dir_context;
struct kstat;
struct iattr;
struct statfs64;
struct file_lock;
struct fasync;
struct fasync_list;
struct task;
struct cred;

struct inode {
	refcount_t refs;
	u64 ino;
	umode_t mode; /* lock */
	kuid_t uid;   /* lock */
	kgid_t gid;   /* lock */
	u32 nlink;    /* lock */
	u64 rdev;
	loff_t size; /* lock to change; readers may race */
	u64 blocks;  /* 512-byte units */
	struct timespec64 atime, mtime, ctime, btime;
	u32 flags; /* INODE_* */
	struct super *sb;
	const struct inode_ops *ops;
	const struct file_ops *fops; /* of a fresh open; special files: chosen by type (fs/special.c) */
	struct rwsem lock;	     /* names of a directory; size, content changes and attributes of a file */
	struct mapping mapping;	     /* page cache of a regular file */
	void *private;		     /* the file system's */
	void *pipe;		     /* FIFO */
	void *sock;		     /* bound AF_UNIX socket */
	struct file_lock_ctx *locks; /* fs/locks.c */
	void *watches;		     /* inotify */
	s32 write_count;	     /* atomic: >0 open for writing, <0 being executed (ETXTBSY) */
	const char *link;	     /* symlink: the target, immutable, freed by evict(); NULL: ask ops->readlink */
};
#define INODE_IMMUTABLE 0x1
#define INODE_APPEND 0x2
#define INODE_DEAD 0x8	    /* removed directory */
#define INODE_LINKABLE 0x10 /* made by O_TMPFILE: may get a first name */

/* Life cycle and locks: fs/dcache.c. Whoever holds a reference may read inode and name; a positive dentry stays so. */
struct dentry {
	struct {
		refcount_t refs;
		u32 flags; /* DENTRY_*, atomic; with refs one word, see dput() */
	} __aligned(8);
	spinlock_t lock; /* children, parent */
	u32 hash;
	struct dentry *hash_next, **hash_pprev; /* bucket's lock */
	struct dentry *parent;			/* lock; reference; itself for a root */
	struct inode *inode;			/* reference; NULL: negative */
	char *name;				/* NUL-terminated; rename_lock to change */
	u32 name_len;
	u32 mounted; /* mounts on it; mount_lock */
	struct super *sb;
	const struct dentry_ops *ops;
	void *private;		     /* the file system's */
	u64 time;		     /* the file system's (e.g. end of validity) */
	struct list_head child_link; /* parent->lock */
	struct list_head children;   /* lock */
	struct list_head lru;	     /* lru_lock */
	char inline_name[40];
};
#define DENTRY_HASHED 0x1   /* can be found by name */
#define DENTRY_UNLINKED 0x2 /* its name was removed */
#define DENTRY_LOOKUP 0x4   /* being looked up: others wait */
#define DENTRY_LRU 0x8
#define DENTRY_REFERENCED 0x10
#define DENTRY_DYING 0x20	 /* no reference can be taken any more */
#define DENTRY_DONTCACHE 0x80	 /* goes with its last reference */
#define DENTRY_DISCONNECTED 0x40 /* root of nothing: anonymous files */

struct dentry_ops {
	/* Is the cached entry still right? 1 yes, 0 drop it, or -errno. May sleep. NULL: always. */
	int (*revalidate)(struct dentry *parent, struct dentry *d, u32 flags);
	void (*release)(struct dentry *d);
	/* Synthetic path text of an anonymous file ("pipe:[1234]"). */
	int (*dname)(struct dentry *d, char *buf, size_t size);
};

struct path {
	struct mount *mnt;
	struct dentry *dentry;
};
void path_get(const struct path *p);
void path_put(const struct path *p);

struct inode_ops {
	/*
	 * Directory: finds @d->name; d_add()s the inode or NULL (negative: "not there" is remembered). 0 or -errno;
	 * -ENOENT: not there, not to be remembered, and nothing can be made there. Dir locked for reading at least.
	 */
	int (*lookup)(struct inode *dir, struct dentry *d);
	/* The following: dir->lock held for writing; @d negative and hashed or not; on success d_instantiate(). */
	int (*create)(struct inode *dir, struct dentry *d, umode_t mode, bool excl);
	int (*mknod)(struct inode *dir, struct dentry *d, umode_t mode, u64 rdev);
	int (*mkdir)(struct inode *dir, struct dentry *d, umode_t mode);
	int (*symlink)(struct inode *dir, struct dentry *d, const char *target);
	int (*link)(struct dentry *old, struct inode *dir, struct dentry *d);
	int (*unlink)(struct inode *dir, struct dentry *d);
	int (*rmdir)(struct inode *dir, struct dentry *d);
	int (*rename)(struct inode *odir, struct dentry *od, struct inode *ndir, struct dentry *nd, u32 flags);
	/* An unnamed file for O_TMPFILE. */
	struct inode *(*tmpfile)(struct inode *dir, umode_t mode);
	/*
	 * Symlink: kmalloc'ed target (caller frees) or ERR_PTR. Or for magic links: jumps by filling *jump (reference)
	 * and returning NULL.
	 */
	char *(*readlink)(struct dentry *d, struct inode *inode, struct path *jump);
	/* NULL: generic (inode fields). @mask as in statx. May talk to the server. */
	int (*getattr)(const struct path *p, struct kstat *st, u32 mask);
	/* NULL: generic. inode->lock held for writing; permission checked already. */
	int (*setattr)(struct dentry *d, struct inode *inode, const struct iattr *attr);
	/* NULL: generic mode bits. 0, -EACCES, -EROFS... */
	int (*permission)(struct inode *inode, u32 mask);
	ssize_t (*getxattr)(struct inode *inode, const char *name, void *buf, size_t size);
	int (*setxattr)(struct dentry *d, struct inode *inode, const char *name, const void *val, size_t size,
			u32 flags);
	ssize_t (*listxattr)(struct inode *inode, char *buf, size_t size);
	int (*removexattr)(struct dentry *d, struct inode *inode, const char *name);
};

struct file_ops {
	int (*open)(struct inode *inode, struct file *f);
	/* Last reference gone. */
	void (*release)(struct file *f);
	/* Each close(2) of a descriptor. */
	int (*flush)(struct file *f);
	/* @pos is the file's or the caller's (pread). Streams ignore it. Bytes or -errno. */
	ssize_t (*read)(struct file *f, struct iov_iter *it, loff_t *pos);
	ssize_t (*write)(struct file *f, struct iov_iter *it, loff_t *pos);
	loff_t (*llseek)(struct file *f, loff_t off, int whence); /* NULL: ESPIPE */
	int (*iterate)(struct file *f, struct dir_context *ctx);  /* getdents */
	u32 (*poll)(struct file *f, struct poll_table *pt); /* EPOLL* bits ready; NULL: always readable and writable */
	long (*ioctl)(struct file *f, u32 cmd, u64 arg);    /* -ENOIOCTLCMD: unknown */
	int (*mmap)(struct file *f, struct vma *vma);	    /* sets vma->ops; NULL: ENODEV */
	int (*fsync)(struct file *f, loff_t start, loff_t end, bool datasync);
	int (*fallocate)(struct file *f, int mode, loff_t off, loff_t len);
	int (*lock)(struct file *f, int cmd, struct file_lock *fl); /* NULL: local (fs/locks.c) */
	int (*flock)(struct file *f, int cmd, struct file_lock *fl);
	int (*setfl)(struct file *f, u32 flags);
	/* Who is told by SIGIO of what happens to what @f is open on; NULL: O_ASYNC has no effect. */
	struct fasync_list *(*fasync)(struct file *f);
	int (*fdinfo)(struct file *f, char *buf, size_t size); /* extra /proc/PID/fdinfo lines */
};

struct file {
	refcount_t refs;
	u32 flags; /* O_*; lock to change */
	u32 fmode; /* FMODE_* */
	spinlock_t lock;
	struct mutex pos_lock; /* f_pos of read/write/lseek/getdents */
	loff_t pos;
	struct path path;
	/*
	 * Whose content this is. Usually that of path.dentry; a stacked file system's open() may put the inode of a
	 * layer here, so that reads, writes and mappings go straight to it. What belongs to the name (locks,
	 * attributes, permissions, notification) goes by file_inode().
	 */
	struct inode *inode;
	const struct file_ops *ops;
	void *private;
	struct cred *cred; /* of the opener */
	/* read-ahead: mm/readahead.c */
	u64 ra_start, ra_size, ra_prev;
	struct fasync *own; /* owner and signal of F_SETOWN, F_SETSIG, O_ASYNC: fs/fasync.c; NULL: never named */
	struct list_head epoll_links; /* epoll items that watch this file */
	spinlock_t epoll_lock;
	u64 wb_err_seen;
	u64 version;
	void *backing; /* fs/overlay: what replaced a lower file */
};
#define FMODE_READ 0x1
#define FMODE_WRITE 0x2
#define FMODE_LSEEK 0x4
#define FMODE_PREAD 0x8
#define FMODE_PWRITE 0x10
#define FMODE_PATH 0x40
#define FMODE_WRITER 0x80  /* counted in inode->write_count */
#define FMODE_STREAM 0x100 /* no position: pos_lock not taken */
#define FMODE_OPENED 0x200 /* ops->open succeeded: release is due */

static inline struct inode *file_inode(const struct file *f)
{
	return f->path.dentry->inode;
}

struct dir_context {
	/* Takes one entry; false: no room, stop (the position of this entry is the next to give). */
	bool (*actor)(struct dir_context *ctx, const char *name, u32 len, loff_t pos, u64 ino, u32 type);
	loff_t pos; /* opaque cookie: where to go on */
};
/* "." and ".." at positions 0 and 1; then ctx->pos is 2 or more. false: no room. */
bool dir_emit_dots(struct file *f, struct dir_context *ctx);

/* A file system type. */
struct fs_type {
	const char *name;
	/* Makes (or finds) the super block. @source and @data: mount(2) strings, may be NULL. */
	struct super *(*mount)(struct fs_type *type, u32 flags, const char *source, const char *data);
	struct list_head link;
	bool nodev; /* as /proc/filesystems says */
};

struct super_ops {
	int (*statfs)(struct super *sb, struct statfs64 *st);
	/* Last reference to an inode: free private data. @inode->nlink says whether content goes too. */
	void (*evict)(struct inode *inode);
	/*
	 * All mounts are gone. kill: first of all, to drop references that pin dentries; put_super: nothing is left.
	 * Optional.
	 */
	void (*kill)(struct super *sb);
	void (*put_super)(struct super *sb);
	/* mount -o remount: NULL: only MS_RDONLY changes. */
	int (*remount)(struct super *sb, u32 flags, const char *data);
	int (*sync)(struct super *sb);
	int (*show_options)(struct super *sb, char *buf, size_t size);
};

struct super {
	refcount_t refs;
	const struct fs_type *type;
	const struct super_ops *ops;
	struct dentry *root;
	u64 dev;   /* st_dev */
	u32 flags; /* MS_RDONLY... */
	u32 magic;
	u32 blocksize;
	u32 name_max;
	loff_t max_bytes;
	void *private;
	struct mutex rename_mutex; /* held over renames between directories */
	struct list_head link;
	char source[64];
};

struct mount {
	refcount_t refs;
	struct super *sb;
	struct dentry *root;
	struct mount *parent;	   /* mount_lock; NULL or itself for the root */
	struct dentry *mountpoint; /* in parent */
	u32 flags;		   /* MNT_* = MS_* bits RDONLY NOSUID NODEV NOEXEC NOATIME RELATIME */
	u32 id;
	struct list_head link, children, child_link; /* mount_lock; link: all mounts, in order */
	struct mount *hash_next;		     /* mount_lock */
	char *source;
};
#define MNT_NOSYMFOLLOW 256
#define MNT_DETACHED 0x80000000u /* no longer in the tree */
#define MS_RDONLY 1
#define MS_NOSUID 2
#define MS_NODEV 4
#define MS_NOEXEC 8
#define MS_REMOUNT 32
#define MS_NOATIME 1024
#define MS_NODIRATIME 2048
#define MS_BIND 4096
#define MS_MOVE 8192
#define MS_REC 16384
#define MS_RELATIME (1 << 21)
#define MS_STRICTATIME (1 << 24)

struct fs_info { /* what CLONE_FS shares; fs/fs_info.c */
	refcount_t refs;
	spinlock_t lock;
	u32 umask;
	struct path root, cwd;
};

struct kstat {
	u64 dev, ino, rdev, blocks, mnt_id;
	loff_t size;
	umode_t mode;
	u32 nlink, blksize;
	kuid_t uid;
	kgid_t gid;
	struct timespec64 atime, mtime, ctime, btime;
	u64 attributes;
};

struct iattr {
	u32 valid; /* ATTR_* */
	umode_t mode;
	kuid_t uid;
	kgid_t gid;
	loff_t size;
	struct timespec64 atime, mtime, ctime;
	struct file *file; /* ftruncate's */
};
#define ATTR_MODE 0x1
#define ATTR_UID 0x2
#define ATTR_GID 0x4
#define ATTR_SIZE 0x8
#define ATTR_ATIME 0x10
#define ATTR_MTIME 0x20
#define ATTR_CTIME 0x40
#define ATTR_ATIME_SET 0x80
#define ATTR_MTIME_SET 0x100
#define ATTR_FORCE 0x200
#define ATTR_KILL_SUID 0x400
#define ATTR_FILE 0x800
#define ATTR_OPEN 0x1000

struct statfs64 { /* Linux x86-64 struct statfs */
	s64 f_type, f_bsize;
	u64 f_blocks, f_bfree, f_bavail, f_files, f_ffree;
	s32 f_fsid[2];
	s64 f_namelen, f_frsize, f_flags, f_spare[4];
};

/* ---- inodes and dentries (fs/inode.c, fs/dcache.c) ---- */
struct inode *inode_new(struct super *sb); /* zeroed, refs 1, times now, mapping initialised */
void inode_get(struct inode *i);
void inode_put(struct inode *i);
void inode_set_nlink(struct inode *i, u32 n);
/* Mode and owner of a new inode: current's, or the group of a set-group-id @dir. @dir may be NULL. */
void inode_init_owner(struct inode *i, const struct inode *dir, umode_t mode);
/* @mode of a file to be made in @dir, type included, without what the umask and the group of @dir forbid. */
umode_t inode_create_mode(const struct inode *dir, umode_t mode);
u64 next_ino(void); /* for memory file systems */

struct dentry *d_alloc(struct dentry *parent, const char *name, u32 len);
struct dentry *d_make_root(struct inode *inode);	   /* consumes the inode reference */
void d_add(struct dentry *d, struct inode *inode);	   /* hash; consumes the inode reference (NULL: negative) */
void d_instantiate(struct dentry *d, struct inode *inode); /* already hashed or not; consumes the reference */
void d_drop(struct dentry *d);				   /* forget the name; users keep their references */
void d_delete(struct dentry *d);			   /* after unlink: becomes negative or is dropped */
void d_move(struct dentry *d, struct dentry *target, bool exchange);
/* Finds a cached child; reference or NULL. */
struct dentry *d_lookup(struct dentry *parent, const char *name, u32 len);
struct dentry *dget(struct dentry *d);
void dput(struct dentry *d); /* NULL is fine */
struct dentry *dget_parent(struct dentry *d);
/*
 * The entry @name of directory @dir, from the cache or the file system; dir->inode->lock held. Maybe negative. ERR_PTR.
 */
struct dentry *lookup_one(struct dentry *dir, const char *name, u32 len);
bool d_is_ancestor(struct dentry *a, struct dentry *d); /* a == d counts */
void d_prune_children(struct dentry *d);		/* drop unused cached names below */
u64 dcache_shrink(u64 want);

/* ---- paths (fs/namei.c) ---- */
#define LOOKUP_FOLLOW 0x1
#define LOOKUP_DIRECTORY 0x2
#define LOOKUP_PARENT 0x4
#define LOOKUP_EMPTY 0x8
#define LOOKUP_REVAL 0x20
#define LOOKUP_NO_SYMLINKS 0x40
#define LOOKUP_BENEATH 0x80
#define LOOKUP_IN_ROOT 0x100
#define LOOKUP_NO_XDEV 0x200
#define LOOKUP_NO_MAGICLINKS 0x400
#define LOOKUP_CACHED 0x800 /* -EAGAIN rather than asking a file system */
/* Walks @name (kernel memory) from dfd/cwd/root of current. 0 and *out with references, or -errno. */
int path_lookup(int dfd, const char *name, u32 flags, struct path *out);
int user_path_at(int dfd, const char __user *name, u32 flags, struct path *out);
/* Copies a path from a program: kmalloc'ed (kfree) or ERR_PTR(-EFAULT, -ENAMETOOLONG, -ENOENT when empty). */
char *getname(const char __user *name);
char *getname_flags(const char __user *name, u32 flags);
/*
 * Locks the parent and gives the (maybe negative) dentry of the last component, for creation. done_path_create()
 * undoes.
 */
struct dentry *path_create(int dfd, const char *name, struct path *parent, bool is_dir);
void done_path_create(struct path *parent, struct dentry *d);
int inode_permission(struct inode *i, u32 mask);
int generic_permission(struct inode *i, u32 mask);
int vfs_getattr(const struct path *p, struct kstat *st, u32 mask);
int notify_change(struct dentry *d, struct iattr *attr); /* takes inode lock; permission checks inside */
/*
 * Changes of a directory: @dir locked for writing, permissions and read-only mounts checked by the caller (the path
 * functions do). They call the file system, the notification hooks and keep the cache right.
 */
int vfs_create(struct inode *dir, struct dentry *d, umode_t mode);
int vfs_unlink(struct inode *dir, struct dentry *d);
int vfs_mknod(struct inode *dir, struct dentry *d, umode_t mode, u64 rdev);
int vfs_mkdir(struct inode *dir, struct dentry *d, umode_t mode);
int vfs_rmdir(struct inode *dir, struct dentry *d);
int vfs_symlink(struct inode *dir, struct dentry *d, const char *target);
int vfs_link(struct dentry *old, struct inode *dir, struct dentry *d);
/* Both directories locked (lock_rename()). @flags: RENAME_* */
int vfs_rename(struct inode *odir, struct dentry *od, struct inode *ndir, struct dentry *nd, u32 flags);
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#define RENAME_WHITEOUT 4
/* Locks two directories for a rename; returns the child of one that is an ancestor of the other, if there is one. */
struct dentry *lock_rename(struct dentry *a, struct dentry *b);
void unlock_rename(struct dentry *a, struct dentry *b);
/* 0 or -EROFS. */
int mnt_want_write(const struct path *p);
/* xattr without permission checks (fs/xattr.c). */
ssize_t vfs_getxattr(struct dentry *d, const char *name, void *buf, size_t size);
int vfs_setxattr(struct dentry *d, const char *name, const void *val, size_t size, u32 flags);
ssize_t vfs_listxattr(struct dentry *d, char *buf, size_t size);
int vfs_removexattr(struct dentry *d, const char *name);
/* The inode's attributes as they are. */
void generic_fillattr(struct inode *i, struct kstat *st);
/* Stores what @attr says into the inode (no checks); times and mode bits included. */
void setattr_copy(struct inode *i, const struct iattr *attr);
int vfs_truncate(const struct path *p, loff_t size);
/* Text of a path as seen from current's root; returns start inside buf, or ERR_PTR. " (deleted)" is appended if so. */
char *d_path(const struct path *p, char *buf, size_t size);

/* ---- files and descriptors (fs/file.c, fs/open.c) ---- */
struct file *filp_open(const char *name, u32 flags, umode_t mode); /* kernel path, current's root */
struct file *file_open_path(const struct path *p, u32 flags, const struct cred *cred);
/* An open file without a name in any directory ("[eventpoll]"). ERR_PTR(-ENOMEM). */
struct file *anon_file(const char *name, const struct file_ops *ops, void *priv, u32 flags);
/* Like it, but with an inode of its own of type @mode (pipes, sockets, memfd). ERR_PTR(-ENOMEM). fs/file.c */
struct file *anon_inode_file(const char *name, umode_t mode, const struct file_ops *ops, void *priv, u32 flags);
/* Another open description of the inode behind @f, an anon_inode_file (the second end of a pipe). NULL: no memory. */
struct file *anon_file_clone(struct file *f, const struct file_ops *ops, void *priv, u32 flags);
static inline struct file *file_get(struct file *f)
{
	refcount_inc(&f->refs);
	return f;
}
void file_put(struct file *f); /* last: epoll_release_file(), release */

struct files *files_new(void);
struct files *files_dup(struct files *from); /* CLONE_FILES not set */
void files_get(struct files *f);
void files_put(struct files *f);
void files_close_on_exec(void);
int files_unshare(void); /* exec, unshare: current gets a private table */
/* Descriptor to file with a reference, or NULL. fd_get: not O_PATH files. */
struct file *fd_get(int fd);
struct file *fd_get_raw(int fd);
/*
 * The same for the time of one system call, without touching the count when nobody else shares the table. fdref.f is
 * NULL when there is no such file. The caller must not close or replace @fd before fdref_put().
 */
struct fdref {
	struct file *f;
	bool counted;
};
struct fdref fdref_get(int fd);
struct fdref fdref_get_raw(int fd);
static inline void fdref_put(struct fdref r)
{
	if (r.counted)
		file_put(r.f);
}
struct file *files_lookup(struct task *t, int fd); /* another task's */
/* The next open descriptor >= @fd of @t (for /proc), or -1. */
int files_next(struct task *t, int fd);
/* A free descriptor >= @min under RLIMIT_NOFILE, reserved; then fd_install() or fd_release(). */
int fd_reserve(u32 flags);
int fd_reserve_from(u32 min, u32 flags);
void fd_install(int fd, struct file *f); /* consumes the reference */
void fd_release(int fd);
int fd_install_new(struct file *f, u32 flags); /* reserve + install; on error puts @f */
int fd_close(int fd);
/* Is @fd of @t closed by exec? */
bool fd_cloexec(struct task *t, int fd);

ssize_t vfs_read(struct file *f, struct iov_iter *it, loff_t *pos);
ssize_t vfs_write(struct file *f, struct iov_iter *it, loff_t *pos);
/* Kernel buffers, position given. */
ssize_t kernel_read(struct file *f, void *buf, size_t n, loff_t *pos);
ssize_t kernel_write(struct file *f, const void *buf, size_t n, loff_t *pos);
loff_t vfs_llseek(struct file *f, loff_t off, int whence);
loff_t generic_llseek(struct file *f, loff_t off, int whence); /* SEEK_SET/CUR/END (+DATA/HOLE trivially) */
int vfs_fsync(struct file *f, loff_t start, loff_t end, bool datasync);
/* Drops suid/sgid after a write by someone unprivileged; updates times. inode lock held. */
int file_remove_privs(struct file *f);
void file_accessed(struct file *f);
void inode_update_time(struct inode *i);
/* RLIMIT_FSIZE and s_maxbytes: cuts *count; 0, or -EFBIG with SIGXFSZ sent. */
int generic_write_checks(struct file *f, loff_t *pos, size_t *count);
int deny_write(struct inode *i); /* exec: ETXTBSY; allow_write() undoes */
void allow_write(struct inode *i);

/* ---- mounts (fs/mount.c) ---- */
void register_fs(struct fs_type *t);
struct fs_type *find_fs(const char *name);
struct super *super_new(const struct fs_type *t, const struct super_ops *ops, u32 magic);
void super_put(struct super *sb);
int do_mount(const char *type, const char *source, const char *target, u32 flags, const char *data);
extern spinlock_t mount_lock;
extern struct mount *root_mount;
/* The mount on @p->dentry within @p->mnt, with a reference, or NULL. */
struct mount *lookup_mount(const struct path *p);
struct mount *mount_get(struct mount *m);
void mount_put(struct mount *m);
/* A mount of a new super block of type @type, in no place: for the kernel's own (anonymous files, layers). ERR_PTR. */
struct mount *kern_mount(const char *type, u32 flags, const char *source, const char *data);
int for_each_mount(int (*fn)(struct mount *m, void *arg), void *arg);

/* ---- devices (fs/special.c) ---- */
/*
 * Character devices by number: @fops->open gets an inode with rdev set. Names appear in /dev. mode e.g. 0666. @name may
 * be NULL.
 */
int register_chrdev(const char *name, u32 major, u32 minor, umode_t mode, const struct file_ops *fops);

struct fs_info *fs_info_copy(struct fs_info *from); /* NULL: no memory */
void fs_info_get(struct fs_info *fs);
void fs_info_put(struct fs_info *fs);

/* ---- inotify hooks (fs/fsnotify.c): call after the fact; cheap when nobody watches ---- */
void fsnotify_inode(struct inode *i, u32 mask);
void fsnotify_name(struct inode *dir, u32 mask, const char *name, u32 cookie);
/* What happens to a file seen from its own watch and from its directory's: open, read, write, close, attributes. */
void fsnotify_dentry(struct dentry *d, u32 mask);
/*
 * inode_put() of a watched inode without links: drops the reference. If the watches' is the only one left, the file is
 * gone: IN_DELETE_SELF, and its watches end. False: there are no watches (any more), nothing was done.
 */
bool fsnotify_inode_put(struct inode *i);
/* All mounts of @sb are gone: IN_UNMOUNT, and the watches on its inodes end. */
void fsnotify_unmount(struct super *sb);
#define IN_ACCESS 0x1
#define IN_MODIFY 0x2
#define IN_ATTRIB 0x4
#define IN_CLOSE_WRITE 0x8
#define IN_CLOSE_NOWRITE 0x10
#define IN_OPEN 0x20
#define IN_MOVED_FROM 0x40
#define IN_MOVED_TO 0x80
#define IN_CREATE 0x100
#define IN_DELETE 0x200
#define IN_DELETE_SELF 0x400
#define IN_MOVE_SELF 0x800
#define IN_ISDIR 0x40000000 /* or'ed into the mask of fsnotify_name() when the name is a directory's */

/* ---- simple synthetic files, for procfs and sysfs (fs/seq.c) ---- */
struct seq {
	char *buf;
	size_t size, len;
	bool overflow; /* too small: the generator is called again with more room */
};
void seq_printf(struct seq *s, const char *fmt, ...) __printf(2, 3);
void seq_puts(struct seq *s, const char *str);
void seq_putc(struct seq *s, char c);
void seq_write(struct seq *s, const void *data, size_t n);
/* Makes f->private a snapshot of what @show writes, at the first read and again after a seek to 0. */
int seq_open(struct file *f, int (*show)(struct seq *s, void *arg), void *arg);
ssize_t seq_read(struct file *f, struct iov_iter *it, loff_t *pos);
loff_t seq_llseek(struct file *f, loff_t off, int whence);
void seq_release(struct file *f);

/* ---- memory files (fs/tmpfs): memfd, shared anonymous memory, SysV shm ---- */
struct file *shmem_file(const char *name, loff_t size, u32 flags);

#endif
