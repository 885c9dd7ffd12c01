/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /dev: a tmpfs that is filled when it is mounted with what drivers registered until then, and the links and
 * directories that programs expect. From then on it is an ordinary tmpfs.
 */
#include "dev.h"
#include <gk/init.h>

static const struct {
	const char *name, *target;
} links[] = {
	{"fd", "/proc/self/fd"},       {"stdin", "/proc/self/fd/0"}, {"stdout", "/proc/self/fd/1"},
	{"stderr", "/proc/self/fd/2"}, {"core", "/proc/kcore"},
};

static const struct {
	const char *name;
	umode_t mode;
} dirs[] = {{"pts", 0755}, {"shm", 01777}, {"mqueue", 01777}};

/* A new name in the root directory, which is locked; to be put. */
static struct dentry *new_name(struct super *sb, const char *name)
{
	return lookup_one(sb->root, name, (u32)strlen(name));
}

static int add_node(const char *name, u64 rdev, umode_t mode, void *arg)
{
	struct super *sb = arg;
	struct dentry *d = new_name(sb, name);
	int err;

	if (IS_ERR(d))
		return (int)PTR_ERR(d);
	err = d->inode ? 0 : vfs_mknod(sb->root->inode, d, S_IFCHR | mode, rdev);
	dput(d);
	return err;
}

static int add_link(struct super *sb, const char *name, const char *target)
{
	struct dentry *d = new_name(sb, name);
	int err;

	if (IS_ERR(d))
		return (int)PTR_ERR(d);
	err = vfs_symlink(sb->root->inode, d, target);
	dput(d);
	return err;
}

static int add_dir(struct super *sb, const char *name, umode_t mode)
{
	struct dentry *d = new_name(sb, name);
	int err;

	if (IS_ERR(d))
		return (int)PTR_ERR(d);
	err = vfs_mkdir(sb->root->inode, d, S_IFDIR | mode);
	dput(d);
	return err;
}

static int fill(struct super *sb)
{
	struct inode *root = sb->root->inode;
	int err;

	down_write(&root->lock);
	err = special_for_each(add_node, sb);
	for (u32 i = 0; i < ARRAY_SIZE(links) && !err; i++)
		err = add_link(sb, links[i].name, links[i].target);
	for (u32 i = 0; i < ARRAY_SIZE(dirs) && !err; i++)
		err = add_dir(sb, dirs[i].name, dirs[i].mode);
	up_write(&root->lock);
	return err;
}

static struct super *devtmpfs_mount(struct fs_type *type, u32 flags, const char *source, const char *data)
{
	struct fs_type *tmpfs = find_fs("tmpfs");
	struct super *sb = tmpfs->mount(tmpfs, flags & ~(u32)MS_RDONLY, source, data && *data ? data : "mode=755");
	int err;

	if (IS_ERR(sb))
		return sb;
	sb->type = type;
	err = fill(sb);
	if (err) {
		super_put(sb);
		return ERR_PTR(err);
	}
	sb->flags |= flags & MS_RDONLY;
	return sb;
}

static struct fs_type devtmpfs_type = {.name = "devtmpfs", .mount = devtmpfs_mount, .nodev = true};

void devfs_init(void)
{
	mem_devices_init();
	register_fs(&devtmpfs_type);
}
