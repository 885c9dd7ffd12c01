/* SPDX-License-Identifier: Apache-2.0 */
/* For file systems that show trees of struct pseudo. */
#ifndef FS_PSEUDO_H
#define FS_PSEUDO_H

#include <gk/pseudo.h>
#include "internal.h"

extern const struct inode_ops pseudo_dir_inode_ops;
extern const struct file_ops pseudo_dir_ops;

struct pseudo *pseudo_new_root(void);
/* A new inode for @p, private data set to it. NULL: no memory. */
struct inode *pseudo_inode(struct super *sb, struct pseudo *p);
struct pseudo *pseudo_find(struct pseudo *dir, const char *name, u32 len);
/* Gives the children of @dir from position 2 on; false: no room. */
bool pseudo_emit(struct pseudo *dir, struct dir_context *ctx);
/* A super block that shows @root, made once. */
struct super *pseudo_mount(struct fs_type *type, const struct super_ops *ops, u32 magic, struct pseudo *root);
/* What programs may change of a synthetic file: nothing, quietly where O_TRUNC asks. */
int pseudo_setattr(struct dentry *d, struct inode *i, const struct iattr *attr);
/* One write of a program into a NUL-terminated buffer: length without final newline, or -errno. */
ssize_t pseudo_text(struct iov_iter *it, char *buf, size_t size);

#endif
