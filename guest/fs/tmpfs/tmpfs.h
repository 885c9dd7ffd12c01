/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of tmpfs share. */
#ifndef TMPFS_H
#define TMPFS_H

#include "../internal.h"

struct tmpfs_xattr {
	struct tmpfs_xattr *next;
	size_t size;
	u8 *value;
	char name[];
};

struct tmpfs_inode {		/* inode->private */
	struct rb_root entries; /* directory: struct tmpfs_entry by cookie; inode lock */
	u64 next_cookie;	/* inode lock */
	u32 seals;		/* F_SEAL_*; inode lock */
	spinlock_t xattr_lock;
	struct tmpfs_xattr *xattrs; /* xattr_lock */
	u32 nr_xattrs;
};

struct tmpfs_super {		     /* sb->private */
	u64 max_pages, max_inodes;   /* 0: no limit */
	u64 used_pages, used_inodes; /* atomic */
	umode_t mode;
	kuid_t uid;
	kgid_t gid;
};

static inline struct tmpfs_inode *tmpfs_i(const struct inode *i)
{
	return i->private;
}

static inline struct tmpfs_super *tmpfs_sb(const struct super *sb)
{
	return sb->private;
}

/* inode.c. @dir NULL: owned by the current task. ERR_PTR(-ENOSPC, -ENOMEM). */
struct inode *tmpfs_inode_new(struct super *sb, struct inode *dir, umode_t mode, u64 rdev);
void tmpfs_evict(struct inode *i);
void tmpfs_kill(struct super *sb);

/* file.c */
extern const struct file_ops tmpfs_file_ops;
extern const struct inode_ops tmpfs_file_inode_ops;
extern const struct mapping_ops tmpfs_mapping_ops;

/* xattr.c */
ssize_t tmpfs_getxattr(struct inode *i, const char *name, void *buf, size_t size);
int tmpfs_setxattr(struct dentry *d, struct inode *i, const char *name, const void *val, size_t size, u32 flags);
ssize_t tmpfs_listxattr(struct inode *i, char *buf, size_t size);
int tmpfs_removexattr(struct dentry *d, struct inode *i, const char *name);
void tmpfs_free_xattrs(struct tmpfs_inode *ti);

/* super.c */
extern struct mount *shm_mnt; /* of files without a name */

#endif
