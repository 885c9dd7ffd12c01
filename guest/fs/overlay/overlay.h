/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the overlay share. README.md says how it works. */
#ifndef OVERLAY_H
#define OVERLAY_H

#include "../internal.h"

struct ovl_origin {	     /* of an upper inode that was copied up */
	struct rb_node node; /* os->origin_lock */
	u64 upper_ino;
	u64 ino;	      /* what the overlay shows */
	struct dentry *lower; /* a directory's lower one: reference */
	struct inode *inode;  /* a file's overlay inode: reference, while it has a name */
};

struct ovl_super { /* sb->private */
	struct mount *upper, *lower;
	struct mutex names_lock;
	spinlock_t origin_lock;
	struct rb_root origins; /* origin_lock: by upper_ino */
	spinlock_t inodes_lock;
	struct rb_root inodes;	      /* inodes_lock: files by the address of the inode they came from */
	struct list_head fewer_links; /* names_lock: inodes of lower files that lost names; a reference each */
};

struct ovl_inode { /* inode->private */
	struct inode *inode;
	struct rb_node node; /* os->inodes_lock */
	u64 key;	     /* immutable; 0: not in the tree */
	struct mutex copy_lock;
	struct dentry *upper; /* set once, under copy_lock; reference. May have lost its name. */
	struct dentry *lower; /* immutable; reference */
	bool upper_data;      /* set once, under copy_lock: the content is upper's */
	bool own_nlink; /* set once, under names_lock: names went, so that inode->nlink counts, not the lower layer's */
	struct list_head fewer_link; /* names_lock: in os->fewer_links, or empty */
};

#define OVL_UPPER_BIT (1ull << 56)

static inline struct ovl_super *ovl_sb(const struct super *sb)
{
	return sb->private;
}

static inline struct ovl_inode *ovl_i(const struct inode *i)
{
	return i->private;
}

static inline struct dentry *ovl_upper(const struct inode *i)
{
	return smp_load_acquire(&ovl_i(i)->upper);
}

static inline bool ovl_has_upper_data(const struct inode *i)
{
	return smp_load_acquire(&ovl_i(i)->upper_data);
}

/* Whose attributes count. */
static inline struct dentry *ovl_real(const struct inode *i)
{
	struct dentry *u = ovl_upper(i);

	return u ? u : ovl_i(i)->lower;
}

/* Whose content counts. */
static inline struct dentry *ovl_real_data(const struct inode *i)
{
	return ovl_has_upper_data(i) ? ovl_i(i)->upper : ovl_i(i)->lower;
}

/*
 * A name of the overlay keeps where the name itself is found: in the upper layer (dentry->private) and in the lower one
 * (dentry->time; maybe negative, for revalidation). References.
 */
static inline struct dentry *ovl_upper_name(const struct dentry *d)
{
	return READ_ONCE(d->private);
}

static inline struct dentry *ovl_lower_name(const struct dentry *d)
{
	return (struct dentry *)d->time;
}

static inline void ovl_set_lower_name(struct dentry *d, struct dentry *lower)
{
	d->time = (u64)lower;
}

/* Takes over the reference to @upper; the old one is dropped. */
static inline void ovl_set_upper_name(struct dentry *d, struct dentry *upper)
{
	struct dentry *old = d->private;

	WRITE_ONCE(d->private, upper);
	dput(old);
}

static inline bool ovl_is_whiteout(const struct inode *i)
{
	return S_ISCHR(i->mode) && i->rdev == 0;
}

/* super.c */
/* Remembers where @upper came from. Takes references on @lower and @inode, which may be NULL. 0 or -ENOMEM. */
int ovl_origin_add(struct super *sb, const struct inode *upper, u64 ino, struct dentry *lower, struct inode *inode);
/*
 * The lower directory (reference), the overlay inode (reference) and the number of what was copied
 * up; false: it was not.
 */
bool ovl_origin_get(struct super *sb, u64 upper_ino, struct dentry **lower, struct inode **inode, u64 *ino);
/* @upper is going away. */
void ovl_origin_del(struct super *sb, u64 upper_ino);
/* The count of links of @oi need not be kept any longer. names_lock held, or nobody else is there. */
void ovl_forget_links(struct ovl_inode *oi);

/* inode.c */
extern const struct dentry_ops ovl_dentry_ops;
/* The overlay inode of a thing found in the layers; takes references on what it keeps. ERR_PTR(-ENOMEM). */
struct inode *ovl_get_inode(struct super *sb, struct dentry *upper, struct dentry *lower);
void ovl_evict(struct inode *i);
/* Attributes that the VFS reads from the inode. */
void ovl_copy_attr(struct inode *i);
int ovl_getattr(const struct path *p, struct kstat *st, u32 mask);
int ovl_setattr(struct dentry *d, struct inode *i, const struct iattr *attr);
int ovl_permission(struct inode *i, u32 mask);
ssize_t ovl_getxattr(struct inode *i, const char *name, void *buf, size_t size);
int ovl_setxattr(struct dentry *d, struct inode *i, const char *name, const void *val, size_t size, u32 flags);
int ovl_removexattr(struct dentry *d, struct inode *i, const char *name);
ssize_t ovl_listxattr(struct inode *i, char *buf, size_t size);
/* A path of the layer that @real lies in; no references. */
struct path ovl_layer_path(const struct super *sb, struct dentry *real);

/* dir.c */
extern const struct inode_ops ovl_dir_inode_ops;
int ovl_revalidate(struct dentry *parent, struct dentry *d, u32 flags);

/* remove.c */
int ovl_unlink(struct inode *dir, struct dentry *d);
int ovl_rmdir(struct inode *dir, struct dentry *d);
int ovl_rename(struct inode *odir, struct dentry *od, struct inode *ndir, struct dentry *nd, u32 flags);
/* Upper directory @dir locked: makes @name free there by removing a whiteout. 0, -errno. */
int ovl_clear_whiteout(struct dentry *dir, const char *name, u32 len);

/* copyup.c */
enum ovl_copy { OVL_COPY_INODE, OVL_COPY_DATA, OVL_COPY_EMPTY };
/*
 * After it the inode of @d and all directories above it are in the upper layer; with DATA its content,
 * too; EMPTY: no content.
 */
int ovl_copy_up(struct dentry *d, enum ovl_copy what);

/* file.c */
extern const struct file_ops ovl_file_ops;

/* readdir.c */
extern const struct file_ops ovl_dir_ops;
/* 0, -ENOTEMPTY, -errno. */
int ovl_check_empty(struct dentry *d);

#endif
