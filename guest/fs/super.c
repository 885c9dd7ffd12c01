/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Super blocks and file-system types: registration, device numbers, the end of a super block, sync(2) over all.
 *
 * A super block lives as long as a mount (or a stacked file system) has a reference. Lock: supers_lock (lists).
 */
#include "internal.h"

static spinlock_t supers_lock = SPINLOCK_INIT;
static LIST_HEAD(supers); /* supers_lock */
static LIST_HEAD(types);  /* supers_lock; never shrinks */
static u32 dev_counter;

void register_fs(struct fs_type *t)
{
	spin_lock(&supers_lock);
	list_add_tail(&t->link, &types);
	spin_unlock(&supers_lock);
}

struct fs_type *find_fs(const char *name)
{
	struct fs_type *t, *found = NULL;

	spin_lock(&supers_lock);
	list_for_each_entry(t, &types, link) {
		if (!strcmp(t->name, name)) {
			found = t;
			break;
		}
	}
	spin_unlock(&supers_lock);
	return found;
}

/* /proc/filesystems. */
size_t list_fs_types(char *buf, size_t size)
{
	struct fs_type *t;
	size_t n = 0;

	spin_lock(&supers_lock);
	list_for_each_entry(t, &types, link)
		n += (size_t)scnprintf(buf + n, size - n, "%s\t%s\n", t->nodev ? "nodev" : "", t->name);
	spin_unlock(&supers_lock);
	return n;
}

u64 new_anon_dev(void)
{
	return MKDEV(0u, (u32)atomic_add_return(&dev_counter, 1));
}

struct super *super_new(const struct fs_type *t, const struct super_ops *ops, u32 magic)
{
	struct super *sb = kzalloc(sizeof(*sb));

	if (!sb)
		return NULL;
	refcount_set(&sb->refs, 1);
	mutex_init(&sb->rename_mutex);
	sb->type = t;
	sb->ops = ops;
	sb->magic = magic;
	sb->dev = new_anon_dev();
	sb->blocksize = PAGE_SIZE;
	sb->name_max = NAME_MAX;
	sb->max_bytes = MAX_LFS_FILESIZE;
	spin_lock(&supers_lock);
	list_add_tail(&sb->link, &supers);
	spin_unlock(&supers_lock);
	return sb;
}

void super_put(struct super *sb)
{
	struct dentry *root;

	if (!sb || !refcount_dec_and_test(&sb->refs))
		return;
	spin_lock(&supers_lock);
	list_del(&sb->link);
	spin_unlock(&supers_lock);
	fsnotify_unmount(sb);
	sync_super(sb);
	if (sb->ops && sb->ops->kill)
		sb->ops->kill(sb);
	dcache_shrink_sb(sb);
	root = sb->root;
	sb->root = NULL; /* from here on nothing is cached any more */
	dput(root);
	dcache_shrink_sb(sb);
	if (sb->ops && sb->ops->put_super)
		sb->ops->put_super(sb);
	kfree(sb);
}

int sync_super(struct super *sb)
{
	return sb->ops && sb->ops->sync ? sb->ops->sync(sb) : 0;
}

int for_each_super(int (*fn)(struct super *sb, void *arg), void *arg)
{
	struct super *sb, *prev = NULL;
	int ret = 0;

	spin_lock(&supers_lock);
	list_for_each_entry(sb, &supers, link) {
		if (!refcount_inc_not_zero(&sb->refs))
			continue;
		spin_unlock(&supers_lock);
		super_put(prev);
		prev = sb;
		ret = fn(sb, arg);
		spin_lock(&supers_lock);
		if (ret)
			break;
	}
	spin_unlock(&supers_lock);
	super_put(prev);
	return ret;
}
