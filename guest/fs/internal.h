/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of fs/ tell each other; under the file that defines it. */
#ifndef FS_INTERNAL_H
#define FS_INTERNAL_H

#include <gk/cred.h>
#include <gk/fs.h>
#include <gk/printk.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/task.h>

/* inode.c */
void inode_cache_init(void);
u64 inode_count(void);

/* dcache.c */
void dcache_init(void);
u32 name_hash(const char *name, u32 len);
struct dentry *d_lookup_hash(struct dentry *parent, const char *name, u32 len, u32 hash);
/*
 * The cached entry with a reference, or a new hashed one marked DENTRY_LOOKUP (*is_new): the caller fills it and calls
 * d_lookup_done(). Sleeps while somebody else fills it. ERR_PTR(-ENOMEM).
 */
struct dentry *d_alloc_lookup(struct dentry *parent, const char *name, u32 len, u32 hash, bool *is_new);
void d_lookup_done(struct dentry *d);
/* Drops all unused entries of a super block. */
void dcache_shrink_sb(struct super *sb);
void dcache_stats(u64 *total, u64 *unused);
extern spinlock_t rename_lock; /* names and parents change under it: for walks towards the root */
extern u64 rename_seq;	       /* counts those changes */
struct dentry *d_alloc_anon(struct super *sb, const char *name);

/* namei.c */
/* A path from a program: inline if short, so that most calls do not allocate. */
#define NAME_INLINE 200
struct pathname {
	char *p;
	char buf[NAME_INLINE];
};
int pathname_get(struct pathname *n, const char __user *uname, bool may_be_empty);
void pathname_put(struct pathname *n);

enum last_type { LAST_NORM, LAST_ROOT, LAST_DOT, LAST_DOTDOT };
#define MAX_LINKS 40

struct walk_link {
	const char *rest;      /* of the string that held the link */
	char *owned;	       /* kmalloc'ed target, or NULL */
	struct dentry *dentry; /* whose inode->link is being walked, or NULL */
};

struct nameidata {
	struct path path; /* where we are: references */
	struct path root; /* what "/" means: references once set */
	u32 flags;	  /* LOOKUP_* */
	u32 last_hash, last_len;
	const char *last; /* final component, not terminated */
	enum last_type last_type;
	bool trailing; /* slashes after it */
	u32 links;     /* followed so far */
	u32 depth;
	u64 seq;		/* rename_seq and mounts when we began */
	struct walk_link final; /* the trailing link being walked */
	struct walk_link stack[MAX_LINKS];
};
int nd_init(struct nameidata *nd, int dfd, const char *name, u32 flags);
void nd_init_at(struct nameidata *nd, const struct path *base, u32 flags);
void nd_end(struct nameidata *nd);
/* All but the last component. */
int nd_walk_parent(struct nameidata *nd, const char *name);
/* nd->path is a directory and nd->last the name of a trailing symlink @d (consumed): the target, to walk next. */
const char *nd_follow(struct nameidata *nd, struct dentry *d);
/* Goes through mounts on @p. */
int follow_mounts(struct nameidata *nd, struct path *p);
int handle_dots(struct nameidata *nd, enum last_type type);
struct dentry *lookup_last(struct nameidata *nd);
/* lookup_one() for a directory that is not locked. */
struct dentry *lookup_one_unlocked(struct dentry *dir, const char *name, u32 len);
/* The parent of the last component of @name: path with references; nd->last valid until nd_end(). */
int path_parent(struct nameidata *nd, int dfd, const char *name, u32 flags);
int may_create(struct inode *dir);
int may_delete(struct inode *dir, struct dentry *d, bool is_dir);
bool owner_or_capable(const struct inode *i);

/* open.c */
struct file *do_filp_open(int dfd, const char *name, u32 flags, umode_t mode, u32 lookup);

/* file.c */
struct file *file_alloc(u32 flags);
u64 file_count(void);
int get_write_access(struct inode *i);
void put_write_access(struct inode *i);

/* fdtable.c */
void fd_set_cloexec(int fd, bool on);

/* special.c */
/* What an open of @i uses; NULL: ENXIO. */
const struct file_ops *special_fops(struct inode *i);
int special_for_each(int (*fn)(const char *name, u64 rdev, umode_t mode, void *arg), void *arg);

/* attr.c */
int chmod_path(const struct path *p, umode_t mode);

/* mount.c */
void mount_init(void);
bool mount_follow(struct path *p);   /* one step down through a mount; p updated */
u64 mount_sequence(void);	     /* grows with each change of the tree of mounts */
extern struct wait_queue mount_wait; /* woken then */
/* Puts @m (reference consumed) at @at. */
int mount_at(struct mount *m, const struct path *at);
/* Another mount of the same super block with the root @root. ERR_PTR(-ENOMEM). */
struct mount *mount_clone(struct mount *m, struct dentry *root);

/* super.c */
u64 new_anon_dev(void);
int sync_super(struct super *sb);
int for_each_super(int (*fn)(struct super *sb, void *arg), void *arg);
size_t list_fs_types(char *buf, size_t size);

/* read_write.c */
/* Can there be bytes? No position of one is negative. */
static inline bool vfs_range_ok(loff_t pos, size_t count)
{
	return pos >= 0 && (loff_t)((u64)pos + count) >= 0;
}
/* RWF_*: 0 or -EOPNOTSUPP. */
int vfs_check_rw_flags(u32 flags, bool write);
/* vfs_read() or vfs_write() with flags that were checked. */
ssize_t vfs_rw_flags(struct file *f, struct iov_iter *it, loff_t *pos, u32 flags, bool write);

/* nsfs.c */
/* The file of the namespace of kind @name ("mnt", "pid"...): *out with references, or -ENOENT. */
int nsfs_path(const char *name, struct path *out);

/* fs_info.c */
void fs_get_root(struct path *root);
void fs_get_pwd(struct path *pwd);
/* Both for current; the references are consumed. */
void fs_set_root_pwd(const struct path *root, const struct path *pwd);
/* Is @path at or below @top? */
bool path_is_below(const struct path *path, const struct path *top);
/* Every task whose root or directory is @old_root gets @new_root. */
void fs_swap_root(const struct path *old_root, const struct path *new_root);

/* locks.c */
void locks_remove_posix(struct file *f, void *owner);
void locks_remove_file(struct file *f);
void locks_free(struct inode *i);

/* The hooks cost a test when nobody watches. */
static inline void notify_access(struct file *f)
{
	struct dentry *d = f->path.dentry;

	if (unlikely(d->inode->watches || (d->parent->inode && d->parent->inode->watches)))
		fsnotify_dentry(d, IN_ACCESS);
}

static inline void notify_modify(struct file *f)
{
	struct dentry *d = f->path.dentry;

	if (unlikely(d->inode->watches || (d->parent->inode && d->parent->inode->watches)))
		fsnotify_dentry(d, IN_MODIFY);
}

#endif
