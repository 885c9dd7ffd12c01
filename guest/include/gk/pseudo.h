/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees of synthetic files (fs/pseudo.c): /proc and /sys, as far as they do not depend on processes. Nodes are made at
 * start-up and never go away. Any part of the kernel may add its own:
 *
 *	proc_net_file("tcp", 0444, show_tcp, NULL, NULL);
 */
#ifndef GK_PSEUDO_H
#define GK_PSEUDO_H

#include <gk/fs.h>

/* Writes the text. 0 or -errno. May be called again from the start with more room. May sleep. */
typedef int (*pseudo_show_t)(struct seq *s, void *arg);
/* A program wrote @text (NUL-terminated, without a final newline, @len bytes). 0 or -errno. */
typedef int (*pseudo_store_t)(char *text, size_t len, void *arg);

struct pseudo {
	const char *name;
	umode_t mode; /* with type */
	u64 ino;
	struct pseudo *parent, *children, *last, *next;
	pseudo_show_t show;
	pseudo_store_t store;
	void *arg;
	const char *target;	     /* symlink */
	const struct inode_ops *ops; /* instead of the usual ones */
	const struct file_ops *fops;
};

/* /proc, /proc/net, /sys */
extern struct pseudo *proc_root, *proc_net, *sys_root;

/* Below @parent; @name is kept, not copied. They panic when there is no memory: start-up only. */
struct pseudo *pseudo_dir(struct pseudo *parent, const char *name);
struct pseudo *pseudo_file(struct pseudo *parent, const char *name, umode_t mode, pseudo_show_t show,
			   pseudo_store_t store, void *arg);
struct pseudo *pseudo_link(struct pseudo *parent, const char *name, const char *target);
/* Below @root, making the directories of @path. */
struct pseudo *pseudo_path(struct pseudo *root, const char *path, umode_t mode, pseudo_show_t show,
			   pseudo_store_t store, void *arg);
#define proc_file(path, mode, show, store, arg) pseudo_path(proc_root, path, mode, show, store, arg)
#define proc_net_file(path, mode, show, store, arg) pseudo_path(proc_net, path, mode, show, store, arg)
#define sys_file(path, mode, show, store, arg) pseudo_path(sys_root, path, mode, show, store, arg)

/* show functions for a u32 or string at @arg. */
int pseudo_show_u32(struct seq *s, void *arg);
int pseudo_show_str(struct seq *s, void *arg); /* @arg is the text itself; a newline is added */

#endif
