/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devpts: a directory with a name for each living pty, and ptmx.
 *
 * There is one instance; every mount shows it, and the options of the last mount hold for the names made from then on.
 * Names are not stored: a lookup asks the pty table, and a cached name is checked against it (its pty may be gone, its
 * number used again). The pty keeps its inode, so that changes of owner and mode last as long as the pty.
 */
#include <gk/fs.h>
#include <gk/init.h>
#include <gk/printk.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/task.h>

#include "drivers/pty.h"

#define DEVPTS_MAGIC 0x1cd1
#define INO_ROOT 1
#define INO_PTMX 2
#define INO_FIRST 3

static DEFINE_MUTEX(devpts_mutex);
static struct super *devpts_sb; /* devpts_mutex; never goes */

/* Options of the last mount. */
static struct {
	bool set_uid, set_gid;
	kuid_t uid;
	kgid_t gid;
	umode_t mode, ptmx_mode;
} opts = {.mode = 0600};

static int pts_open(struct inode *inode, struct file *f)
{
	struct pty *p = pty_find(MINOR(inode->rdev));
	int ret;

	if (!p)
		return -EIO;
	ret = p->inode == inode ? pty_open_slave(p, f) : -EIO;
	tty_put(p->slave);
	return ret;
}

static const struct file_ops pts_ops = {
	.open = pts_open,
};

static const struct inode_ops pts_inode_ops = {
	.lookup = NULL,
};

static int pts_revalidate(struct dentry *parent, struct dentry *d, u32 flags)
{
	struct inode *inode = d->inode;
	struct pty *p;
	bool same;

	if (!inode)
		return 0;
	if (inode->ino < INO_FIRST)
		return 1;
	p = pty_find(MINOR(inode->rdev));
	same = p && p->inode == inode;
	if (p)
		tty_put(p->slave);
	return same;
}

static const struct dentry_ops pts_dentry_ops = {
	.revalidate = pts_revalidate,
};

static struct inode *special_inode(struct super *sb, u64 ino, umode_t mode, u64 rdev, const struct file_ops *fops)
{
	struct inode *i = inode_new(sb);

	if (!i)
		return NULL;
	i->ino = ino;
	i->mode = S_IFCHR | mode;
	i->rdev = rdev;
	i->nlink = 1;
	i->ops = &pts_inode_ops;
	i->fops = fops;
	return i;
}

/* The inode of @p, with a reference. */
static struct inode *pty_inode(struct super *sb, struct pty *p)
{
	struct inode *i = pty_set_inode(p, NULL), *mine;

	if (i)
		return i;
	i = special_inode(sb, INO_FIRST + p->index, opts.mode, MKDEV(PTY_MAJOR, p->index), &pts_ops);
	if (!i)
		return NULL;
	i->uid = opts.set_uid ? opts.uid : p->uid;
	i->gid = opts.set_gid ? opts.gid : p->gid;
	mine = pty_set_inode(p, i);
	inode_put(i);
	return mine;
}

/* A decimal number as we would print it, or -1. */
static long parse_index(const char *name, u32 len)
{
	u32 n = 0;

	if (!len || len > 5 || (name[0] == '0' && len > 1))
		return -1;
	for (u32 i = 0; i < len; i++) {
		if (name[i] < '0' || name[i] > '9')
			return -1;
		n = n * 10 + (u32)(name[i] - '0');
	}
	return n < PTY_MAX ? (long)n : -1;
}

static int devpts_lookup(struct inode *dir, struct dentry *d)
{
	long index = parse_index(d->name, d->name_len);
	struct inode *i = NULL;
	struct pty *p;

	d->ops = &pts_dentry_ops;
	if (d->name_len == 4 && !memcmp(d->name, "ptmx", 4)) {
		i = special_inode(dir->sb, INO_PTMX, opts.ptmx_mode, MKDEV(5, 2), &ptmx_ops);
		if (!i)
			return -ENOMEM;
	} else if (index >= 0 && (p = pty_find((u32)index))) {
		i = pty_inode(dir->sb, p);
		tty_put(p->slave);
		if (!i)
			return -ENOMEM;
	}
	d_add(d, i);
	return 0;
}

/* Positions: 0 ".", 1 "..", 2 "ptmx", 3 + number. */
static int devpts_iterate(struct file *f, struct dir_context *ctx)
{
	static const char *const fixed[3] = {".", "..", "ptmx"};
	char name[12];
	int n;

	for (; ctx->pos < 3; ctx->pos++) {
		const char *s = fixed[ctx->pos];

		if (!ctx->actor(ctx, s, strlen(s), ctx->pos, ctx->pos < 2 ? INO_ROOT : INO_PTMX,
				DT_OF_MODE(ctx->pos < 2 ? S_IFDIR : S_IFCHR)))
			return 0;
	}
	while (ctx->pos - 3 < (loff_t)PTY_MAX && (n = pty_next((u32)(ctx->pos - 3))) >= 0) {
		ctx->pos = 3 + n;
		snprintf(name, sizeof(name), "%d", n);
		if (!ctx->actor(ctx, name, strlen(name), ctx->pos, INO_FIRST + (u64)n, DT_OF_MODE(S_IFCHR)))
			return 0;
		ctx->pos++;
	}
	return 0;
}

static const struct inode_ops devpts_dir_ops = {
	.lookup = devpts_lookup,
};

static const struct file_ops devpts_dir_fops = {
	.iterate = devpts_iterate,
	.llseek = generic_llseek,
};

static int devpts_show_options(struct super *sb, char *buf, size_t size)
{
	size_t n = 0;

	if (opts.set_uid)
		n += scnprintf(buf + n, size - n, ",uid=%u", opts.uid);
	if (opts.set_gid)
		n += scnprintf(buf + n, size - n, ",gid=%u", opts.gid);
	n += scnprintf(buf + n, size - n, ",mode=%03o,ptmxmode=%03o", opts.mode, opts.ptmx_mode);
	return n;
}

static const struct super_ops devpts_super_ops = {
	.show_options = devpts_show_options,
};

/* "uid=0,gid=5,mode=620,ptmxmode=666,newinstance,max=10". Unknown ones are an error. */
static int parse_options(const char *s)
{
	while (s && *s) {
		const char *eq = strchr(s, '='), *end = strchr(s, ',');
		size_t len = end ? (size_t)(end - s) : strlen(s);
		size_t key = eq && (!end || eq < end) ? (size_t)(eq - s) : len;
		const char *val = key < len ? eq + 1 : "";

		if (key == 3 && !memcmp(s, "uid", 3)) {
			opts.uid = (kuid_t)strtoull(val, NULL, 10);
			opts.set_uid = true;
		} else if (key == 3 && !memcmp(s, "gid", 3)) {
			opts.gid = (kgid_t)strtoull(val, NULL, 10);
			opts.set_gid = true;
		} else if (key == 4 && !memcmp(s, "mode", 4)) {
			opts.mode = (umode_t)strtoull(val, NULL, 8) & 0777;
		} else if (key == 8 && !memcmp(s, "ptmxmode", 8)) {
			opts.ptmx_mode = (umode_t)strtoull(val, NULL, 8) & 0777;
		} else if (!(key == 3 && !memcmp(s, "max", 3)) && !(len == 11 && !memcmp(s, "newinstance", 11)) &&
			   len) {
			return -EINVAL;
		}
		s = end ? end + 1 : NULL;
	}
	return 0;
}

static struct super *make_super(struct fs_type *type)
{
	struct super *sb = super_new(type, &devpts_super_ops, DEVPTS_MAGIC);
	struct inode *root;

	if (IS_ERR_OR_NULL(sb))
		return sb ? sb : ERR_PTR(-ENOMEM);
	root = inode_new(sb);
	if (root) {
		root->ino = INO_ROOT;
		root->mode = S_IFDIR | 0755;
		root->nlink = 2;
		root->ops = &devpts_dir_ops;
		root->fops = &devpts_dir_fops;
		sb->root = d_make_root(root);
	}
	if (!sb->root) {
		super_put(sb);
		return ERR_PTR(-ENOMEM);
	}
	return sb;
}

static struct super *devpts_mount(struct fs_type *type, u32 flags, const char *source, const char *data)
{
	struct super *sb;
	int ret;

	mutex_lock(&devpts_mutex);
	ret = parse_options(data);
	sb = ret ? ERR_PTR(ret) : devpts_sb;
	if (!sb) {
		sb = make_super(type);
		if (!IS_ERR(sb))
			devpts_sb = sb; /* our reference: the instance stays */
	}
	if (!IS_ERR(sb))
		refcount_inc(&sb->refs);
	mutex_unlock(&devpts_mutex);
	return sb;
}

static struct fs_type devpts_type = {
	.name = "devpts",
	.mount = devpts_mount,
	.nodev = true,
};

void devpts_init(void)
{
	pty_init();
	register_fs(&devpts_type);
}
