/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inodes: creation, the cache by number, times, eviction.
 *
 * An inode lives while somebody has a reference: its dentries, open files, mappings. A super block may keep those
 * nobody uses (super_ops.cache_inodes): they stay in its tree with count 0 and on the LRU list below, until memory is
 * short, there are too many, or the last link goes.
 *
 * Locks: sb->inode_lock (tree, cache_state, 0 <-> 1 of the count of hashed inodes) > inode_lru_lock. File systems'
 * evict() is called with no lock held.
 */
#include "internal.h"

#define CACHED_HASHED 0x1
#define CACHED_LRU 0x2

#define MAX_UNUSED_INODES 8192

static struct slab_cache *inode_slab;
static spinlock_t inode_lru_lock = SPINLOCK_INIT;
static LIST_HEAD(inode_lru); /* inode_lru_lock */
static u64 nr_inodes, nr_unused;
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

u64 inode_unused_count(void)
{
	return READ_ONCE(nr_unused);
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
	list_init(&i->lru);
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

static void inode_unhash(struct inode *i)
{
	rb_erase(&i->hash_node, &i->sb->inodes);
	i->cache_state &= ~CACHED_HASHED;
}

static void inode_lru_del(struct inode *i)
{
	if (!(i->cache_state & CACHED_LRU))
		return;
	spin_lock(&inode_lru_lock);
	list_del(&i->lru);
	nr_unused--;
	spin_unlock(&inode_lru_lock);
	i->cache_state &= ~CACHED_LRU;
}

static void inode_lru_add(struct inode *i)
{
	spin_lock(&inode_lru_lock);
	list_add_tail(&i->lru, &inode_lru);
	nr_unused++;
	spin_unlock(&inode_lru_lock);
	i->cache_state |= CACHED_LRU;
}

void inode_put(struct inode *i)
{
	struct super *sb;
	u32 n;

	if (!i)
		return;
	if (unlikely(i->watches && !i->nlink) && fsnotify_inode_put(i))
		return;
	sb = i->sb;
	n = refcount_read(&i->refs);
	while (n > 1) {
		if (atomic_try_cmpxchg(&i->refs.n, &n, n - 1))
			return;
	}
	spin_lock(&sb->inode_lock);
	if (!refcount_dec_and_test(&i->refs)) {
		spin_unlock(&sb->inode_lock);
		return;
	}
	if (i->cache_state & CACHED_HASHED) {
		if (sb->ops->cache_inodes && i->nlink && sb->root) {
			inode_lru_add(i);
			spin_unlock(&sb->inode_lock);
			if (READ_ONCE(nr_unused) > MAX_UNUSED_INODES)
				inode_shrink(MAX_UNUSED_INODES / 16);
			return;
		}
		inode_unhash(i);
	}
	spin_unlock(&sb->inode_lock);
	inode_evict(i);
}

/* sb->inode_lock held. */
static struct inode *inode_find(struct super *sb, u64 ino, struct rb_node **parent, struct rb_node ***link)
{
	struct rb_node **l = &sb->inodes.node, *p = NULL;

	while (*l) {
		struct inode *i = rb_entry(*l, struct inode, hash_node);

		if (i->ino == ino)
			return i;
		p = *l;
		l = ino < i->ino ? &p->left : &p->right;
	}
	*parent = p;
	*link = l;
	return NULL;
}

static struct inode *inode_revive(struct inode *i)
{
	if (refcount_read(&i->refs) == 0)
		inode_lru_del(i);
	refcount_inc(&i->refs);
	return i;
}

struct inode *inode_lookup(struct super *sb, u64 ino, int (*init)(struct inode *, void *), void *arg)
{
	struct rb_node *parent, **link;
	struct inode *i, *fresh;
	int err;

	spin_lock(&sb->inode_lock);
	i = inode_find(sb, ino, &parent, &link);
	if (i) {
		inode_revive(i);
		spin_unlock(&sb->inode_lock);
		return i;
	}
	spin_unlock(&sb->inode_lock);

	fresh = inode_new(sb);
	if (!fresh)
		return ERR_PTR(-ENOMEM);
	fresh->ino = ino;
	err = init ? init(fresh, arg) : 0;
	if (err) {
		inode_put(fresh);
		return ERR_PTR(err);
	}
	spin_lock(&sb->inode_lock);
	i = inode_find(sb, ino, &parent, &link);
	if (i) {
		/* Somebody was faster. */
		inode_revive(i);
		spin_unlock(&sb->inode_lock);
		inode_put(fresh);
		return i;
	}
	rb_link_node(&fresh->hash_node, parent, link);
	rb_insert_color(&fresh->hash_node, &sb->inodes);
	fresh->cache_state |= CACHED_HASHED;
	spin_unlock(&sb->inode_lock);
	return fresh;
}

void inode_set_nlink(struct inode *i, u32 n)
{
	WRITE_ONCE(i->nlink, n);
}

/*
 * Takes the least recently used inode off the list and evicts it. The order of locks is sb->inode_lock first, so that
 * one is only tried here.
 */
static bool inode_evict_one(void)
{
	struct inode *i;

	spin_lock(&inode_lru_lock);
	list_for_each_entry(i, &inode_lru, lru) {
		struct super *isb = i->sb;

		if (!spin_trylock(&isb->inode_lock))
			continue;
		list_del(&i->lru);
		nr_unused--;
		i->cache_state &= ~CACHED_LRU;
		inode_unhash(i);
		spin_unlock(&isb->inode_lock);
		spin_unlock(&inode_lru_lock);
		inode_evict(i);
		return true;
	}
	spin_unlock(&inode_lru_lock);
	return false;
}

u64 inode_shrink(u64 want)
{
	u64 n = 0;

	while (n < want && inode_evict_one())
		n++;
	return n;
}

void inode_drop_unused(struct super *sb)
{
	struct rb_node *n;

	for (;;) {
		struct inode *found = NULL;

		spin_lock(&sb->inode_lock);
		for (n = rb_first(&sb->inodes); n; n = rb_next(n)) {
			struct inode *i = rb_entry(n, struct inode, hash_node);

			if (i->cache_state & CACHED_LRU) {
				inode_lru_del(i);
				inode_unhash(i);
				found = i;
				break;
			}
		}
		spin_unlock(&sb->inode_lock);
		if (!found)
			return;
		inode_evict(found);
	}
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
	i->change_id++;
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
