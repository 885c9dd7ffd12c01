/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inodes: creation, times, eviction.
 *
 * An inode lives while somebody has a reference: its dentries, open files, mappings. What finds inodes by number is the
 * file systems' own (fs/fuse, fs/overlay). Their evict() is called with no lock held.
 */
#include "internal.h"

static struct slab_cache *inode_slab;
static u64 nr_inodes; /* atomic */
static u64 ino_counter;

void inode_cache_init(void)
{
	inode_slab = slab_cache_new("inode", sizeof(struct inode), 64);
	if (!inode_slab)
		panic("no memory for the inode cache");
}

u64 inode_count(void)
{
	return READ_ONCE(nr_inodes);
}

u64 next_ino(void)
{
	return atomic_add_return(&ino_counter, 1) + 1;
}

struct inode *inode_new(struct super *sb)
{
	struct inode *i = slab_zalloc(inode_slab);

	if (!i)
		return NULL;
	refcount_set(&i->refs, 1);
	i->sb = sb;
	i->nlink = 1;
	i->atime = i->mtime = i->ctime = i->btime = current_time();
	rwsem_init(&i->lock);
	mapping_init(&i->mapping, i, NULL);
	atomic_inc(&nr_inodes);
	return i;
}

void inode_get(struct inode *i)
{
	refcount_inc(&i->refs);
}

static void inode_evict(struct inode *i)
{
	mapping_destroy(&i->mapping);
	if (i->sb->ops && i->sb->ops->evict)
		i->sb->ops->evict(i);
	locks_free(i);
	atomic_dec(&nr_inodes);
	slab_free(inode_slab, i);
}

void inode_put(struct inode *i)
{
	if (!i)
		return;
	if (unlikely(i->watches && !i->nlink) && fsnotify_inode_put(i))
		return;
	if (refcount_dec_and_test(&i->refs))
		inode_evict(i);
}

void inode_set_nlink(struct inode *i, u32 n)
{
	WRITE_ONCE(i->nlink, n);
}

/* Somebody outside the group gets no set-group-id file of it. */
static umode_t strip_sgid(const struct inode *dir, umode_t mode)
{
	if (S_ISDIR(mode) || !(dir->mode & S_ISGID) || (mode & (S_ISGID | 0010)) != (S_ISGID | 0010) ||
	    in_group(dir->gid) || capable(CAP_FSETID))
		return mode;
	return mode & ~(umode_t)S_ISGID;
}

umode_t inode_create_mode(const struct inode *dir, umode_t mode)
{
	return strip_sgid(dir, mode) & ~(umode_t)current->fs->umask;
}

void inode_init_owner(struct inode *i, const struct inode *dir, umode_t mode)
{
	i->uid = current->cred->fsuid;
	i->gid = current->cred->fsgid;
	if (dir && (dir->mode & S_ISGID)) {
		i->gid = dir->gid;
		mode = S_ISDIR(mode) ? mode | S_ISGID : strip_sgid(dir, mode);
	}
	i->mode = mode;
}

void inode_update_time(struct inode *i)
{
	i->mtime = i->ctime = current_time();
}

void generic_fillattr(struct inode *i, struct kstat *st)
{
	st->dev = i->sb->dev;
	st->ino = i->ino;
	st->mode = i->mode;
	st->nlink = i->nlink;
	st->uid = i->uid;
	st->gid = i->gid;
	st->rdev = i->rdev;
	st->size = i->size;
	st->blksize = i->sb->blocksize ? i->sb->blocksize : (u32)PAGE_SIZE;
	st->blocks = i->blocks;
	st->atime = i->atime;
	st->mtime = i->mtime;
	st->ctime = i->ctime;
	st->btime = i->btime;
}
