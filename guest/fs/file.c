/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open descriptions: allocation, the last put, who may write to what is being executed, anonymous files.
 *
 * An anonymous file has an inode of its own (pipes, sockets, memfd) or the one all others share, on a super block
 * nobody can mount.
 */
#include <gk/fasync.h>
#include <gk/init.h>
#include <gk/poll.h>
#include "internal.h"

static struct slab_cache *file_slab;
static u64 nr_files;
static struct mount *anon_mnt;
static struct inode *anon_shared;

u64 file_count(void)
{
	return READ_ONCE(nr_files);
}

struct file *file_alloc(u32 flags)
{
	struct file *f = slab_zalloc(file_slab);

	if (!f)
		return NULL;
	refcount_set(&f->refs, 1);
	f->flags = flags;
	mutex_init(&f->pos_lock);
	list_init(&f->epoll_links);
	f->cred = cred_get(current->cred);
	atomic_inc(&nr_files);
	return f;
}

static void file_free(struct file *f)
{
	cred_put(f->cred);
	atomic_dec(&nr_files);
	slab_free(file_slab, f);
}

static void file_close_notify(struct file *f)
{
	struct dentry *d = f->path.dentry;

	if (d->inode->watches || (d->parent->inode && d->parent->inode->watches))
		fsnotify_dentry(d, f->fmode & FMODE_WRITE ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
}

void file_put(struct file *f)
{
	if (!refcount_dec_and_test(&f->refs))
		return;
	if (f->fmode & FMODE_OPENED) {
		if (!(f->fmode & FMODE_PATH))
			file_close_notify(f);
		epoll_release_file(f);
		fasync_release(f);
		if (file_inode(f)->locks)
			locks_remove_file(f);
		if (f->ops->release)
			f->ops->release(f);
	}
	if (f->backing)
		file_put(f->backing);
	if (f->fmode & FMODE_WRITER)
		put_write_access(file_inode(f));
	if (f->path.dentry)
		path_put(&f->path);
	file_free(f);
}

/* ---- who writes, who executes: >0 writers, <0 executors ---- */

int get_write_access(struct inode *i)
{
	s32 n = READ_ONCE(i->write_count);

	do {
		if (n < 0)
			return -ETXTBSY;
	} while (!atomic_try_cmpxchg(&i->write_count, &n, n + 1));
	return 0;
}

void put_write_access(struct inode *i)
{
	atomic_dec(&i->write_count);
}

int deny_write(struct inode *i)
{
	s32 n = READ_ONCE(i->write_count);

	do {
		if (n > 0)
			return -ETXTBSY;
	} while (!atomic_try_cmpxchg(&i->write_count, &n, n - 1));
	return 0;
}

void allow_write(struct inode *i)
{
	atomic_inc(&i->write_count);
}

/* ---- anonymous files ---- */

/* "pipe:[1234]" for those with an inode of their own. */
static int anon_dname(struct dentry *d, char *buf, size_t size)
{
	if (d->inode == anon_shared)
		return scnprintf(buf, size, "anon_inode:%s", d->name);
	if (S_ISREG(d->inode->mode))
		return scnprintf(buf, size, "/%s (deleted)", d->name);
	return scnprintf(buf, size, "%s:[%lu]", d->name, (unsigned long)d->inode->ino);
}

static const struct dentry_ops anon_dentry_ops = {.dname = anon_dname};

static const struct super_ops anon_super_ops = {0};

static struct super *anon_fs_mount(struct fs_type *type, u32 flags, const char *source, const char *data);

static struct fs_type anon_fs = {.name = "anon_inodefs", .mount = anon_fs_mount, .nodev = true};

static struct super *anon_fs_mount(struct fs_type *type, u32 flags, const char *source, const char *data)
{
	struct super *sb = super_new(type, &anon_super_ops, 0x09041934);
	struct inode *root;

	if (!sb)
		return ERR_PTR(-ENOMEM);
	root = inode_new(sb);
	if (!root)
		panic("no memory for anonymous files");
	root->mode = S_IFDIR | 0555;
	sb->root = d_make_root(root);
	return sb;
}

/* @inode: reference consumed, also on failure. */
static struct file *anon_open(const char *name, struct inode *inode, const struct file_ops *ops, void *priv, u32 flags)
{
	struct dentry *d = d_alloc_anon(anon_mnt->sb, name);
	struct file *f = d ? file_alloc(flags & ~(u32)O_CLOEXEC) : NULL;

	if (!f) {
		dput(d);
		inode_put(inode);
		return NULL;
	}
	d->inode = inode;
	d->ops = &anon_dentry_ops;
	f->path = (struct path){mount_get(anon_mnt), d};
	f->inode = inode;
	f->ops = ops;
	f->private = priv;
	f->fmode = FMODE_OPENED;
	if ((flags & O_ACCMODE) != O_WRONLY)
		f->fmode |= FMODE_READ;
	if ((flags & O_ACCMODE) != O_RDONLY)
		f->fmode |= FMODE_WRITE;
	if (ops->llseek)
		f->fmode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	else
		f->fmode |= FMODE_STREAM;
	return f;
}

struct file *anon_file(const char *name, const struct file_ops *ops, void *priv, u32 flags)
{
	struct file *f;

	inode_get(anon_shared);
	f = anon_open(name, anon_shared, ops, priv, flags);
	return f ? f : ERR_PTR(-ENOMEM);
}

struct file *anon_inode_file(const char *name, umode_t mode, const struct file_ops *ops, void *priv, u32 flags)
{
	struct inode *i = inode_new(anon_mnt->sb);
	struct file *f;

	if (!i)
		return ERR_PTR(-ENOMEM);
	i->ino = next_ino();
	i->mode = mode;
	i->uid = current->cred->fsuid;
	i->gid = current->cred->fsgid;
	i->fops = ops;
	f = anon_open(name, i, ops, priv, flags);
	return f ? f : ERR_PTR(-ENOMEM);
}

struct file *anon_file_clone(struct file *f, const struct file_ops *ops, void *priv, u32 flags)
{
	inode_get(f->inode);
	return anon_open(f->path.dentry->name, f->inode, ops, priv, flags);
}

void anon_init(void)
{
	file_slab = slab_cache_new("file", sizeof(struct file), 64);
	if (!file_slab)
		panic("no memory for open files");
	register_fs(&anon_fs);
	anon_mnt = kern_mount("anon_inodefs", 0, NULL, NULL);
	if (IS_ERR(anon_mnt))
		panic("no memory for anonymous files");
	anon_shared = inode_new(anon_mnt->sb);
	if (!anon_shared)
		panic("no memory for anonymous files");
	anon_shared->ino = next_ino();
	anon_shared->mode = 0600;
}
