/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache of names.
 *
 * A dentry has a parent, which it holds by a reference, and sits in its parent's list of children. If hashed it can be
 * found by (parent, name); such a one stays in memory with count 0, on the LRU list, until shrunk. An unhashed one dies
 * with its last reference.
 *
 * Count and flags are one 64-bit word, so that "last reference of a hashed, listed dentry" is one compare-and-exchange
 * and needs no lock. A dentry whose count is 0 dies by one such exchange that sets DENTRY_DYING: from then on nobody
 * can take a reference, and the one who set it takes the dentry out of list, hash and parent. So whoever finds a dentry
 * in one of the three, holding its lock, may try d_try_get().
 *
 * While somebody asks the file system for a name, a hashed dentry marked DENTRY_LOOKUP holds the place; others sleep.
 *
 * Locks: rename_lock > dentry->lock (parent before child) > bucket lock; lru_lock is a leaf. rename_lock protects names
 * and parents as a whole (walks to the root); one dentry's parent is stable under its own lock too.
 */
#include "internal.h"

struct bucket {
	spinlock_t lock;
	struct dentry *first;
};

static struct bucket *table; /* zero is empty, so untouched buckets cost no memory */
static u32 table_shift;
static struct slab_cache *dentry_slab;
static spinlock_t lru_lock = SPINLOCK_INIT;
static LIST_HEAD(lru); /* lru_lock; newest first */
static u64 nr_lru;     /* lru_lock */
static u64 nr_dentries;
static u64 max_lru;
spinlock_t rename_lock = SPINLOCK_INIT;
u64 rename_seq;
static DEFINE_WAIT_QUEUE(lookup_wait);

void dcache_init(void)
{
	u32 bits = 10, order;
	struct page *p;

	while (bits < 16 && (1ull << bits) < ram_pages / 16)
		bits++;
	order = 0;
	while ((PAGE_SIZE << order) < (sizeof(struct bucket) << bits))
		order++;
	p = alloc_pages(order, GFP_ZERO);
	dentry_slab = slab_cache_new("dentry", sizeof(struct dentry), 64);
	if (!p || !dentry_slab)
		panic("no memory for the name cache");
	table = page_address(p);
	table_shift = 64 - bits;
	max_lru = MAX(ram_pages / 16, 8192ull);
}

u32 name_hash(const char *name, u32 len)
{
	u32 h = 0;

	/* The walk computes the same while it looks for the end of the name: parse_component(). */
	for (u32 i = 0; i < len; i++)
		h = h * 31 + (u8)name[i];
	return h + len;
}

static struct bucket *bucket_of(const struct dentry *parent, u32 hash)
{
	return &table[(((u64)parent >> 6) ^ ((u64)hash << 20) ^ hash) * 0x9e3779b97f4a7c15ull >> table_shift];
}

static u64 *d_word(struct dentry *d)
{
	return (u64 *)(void *)&d->refs;
}

#define FLAG(f) ((u64)(f) << 32)

static void d_set_flags(struct dentry *d, u32 f)
{
	atomic_or(&d->flags, f);
}

static void d_clear_flags(struct dentry *d, u32 f)
{
	atomic_and(&d->flags, ~f);
}

/* The caller holds a lock that keeps @d in memory. */
static bool d_try_get(struct dentry *d)
{
	u64 old = READ_ONCE(*d_word(d));

	while (!(old & FLAG(DENTRY_DYING))) {
		if (atomic_try_cmpxchg(d_word(d), &old, old + 1))
			return true;
	}
	return false;
}

struct dentry *dget(struct dentry *d)
{
	refcount_inc(&d->refs);
	return d;
}

/* ---- death ---- */

static void lru_remove(struct dentry *d)
{
	spin_lock(&lru_lock);
	if (d->flags & DENTRY_LRU) {
		list_del(&d->lru);
		nr_lru--;
		d_clear_flags(d, DENTRY_LRU);
	}
	spin_unlock(&lru_lock);
}

static void lru_insert(struct dentry *d)
{
	spin_lock(&lru_lock);
	if (!(d->flags & DENTRY_LRU)) {
		list_add(&d->lru, &lru);
		nr_lru++;
		d_set_flags(d, DENTRY_LRU);
	}
	spin_unlock(&lru_lock);
}

static void unhash(struct dentry *d)
{
	struct bucket *b;

	for (;;) {
		b = bucket_of(READ_ONCE(d->parent), READ_ONCE(d->hash));
		spin_lock(&b->lock);
		/* A rename changes them only while @d is unhashed. */
		if (b == bucket_of(READ_ONCE(d->parent), READ_ONCE(d->hash)))
			break;
		spin_unlock(&b->lock);
	}
	if (d->flags & DENTRY_HASHED) {
		*d->hash_pprev = d->hash_next;
		if (d->hash_next)
			d->hash_next->hash_pprev = d->hash_pprev;
		d_clear_flags(d, DENTRY_HASHED);
	}
	spin_unlock(&b->lock);
}

static void hash_locked(struct bucket *b, struct dentry *d)
{
	d->hash_next = b->first;
	if (b->first)
		b->first->hash_pprev = &d->hash_next;
	d->hash_pprev = &b->first;
	b->first = d;
	d_set_flags(d, DENTRY_HASHED);
}

/* @d is ours: DYING, count 0. Frees it and returns its parent, whose reference passes to the caller (NULL for a root).
 */
static struct dentry *d_kill(struct dentry *d)
{
	struct dentry *parent = d->parent == d ? NULL : d->parent;

	if (d->flags & DENTRY_LRU)
		lru_remove(d);
	if (d->flags & DENTRY_HASHED)
		unhash(d);
	if (parent) {
		spin_lock(&parent->lock);
		list_del(&d->child_link);
		spin_unlock(&parent->lock);
	}
	if (d->ops && d->ops->release)
		d->ops->release(d);
	inode_put(d->inode);
	if (d->name != d->inline_name)
		kfree(d->name);
	atomic_dec(&nr_dentries);
	slab_free(dentry_slab, d);
	return parent;
}

/* Drops one reference. True: it was the last of a dentry that must go, and @d is DYING. */
static bool d_put_ref(struct dentry *d)
{
	u64 old = READ_ONCE(*d_word(d));

	for (;;) {
		if ((u32)old > 1) {
			if (atomic_try_cmpxchg(d_word(d), &old, old - 1))
				return false;
		} else if ((old & FLAG(DENTRY_HASHED | DENTRY_DONTCACHE)) != FLAG(DENTRY_HASHED)) {
			if (atomic_try_cmpxchg(d_word(d), &old, FLAG(DENTRY_DYING) | (old - 1)))
				return true;
		} else if (old & FLAG(DENTRY_LRU)) {
			if (atomic_try_cmpxchg(d_word(d), &old, FLAG(DENTRY_REFERENCED) | (old - 1)))
				return false;
		} else {
			lru_insert(d);
			old = READ_ONCE(*d_word(d));
		}
	}
}

void dput(struct dentry *d)
{
	while (d && d_put_ref(d))
		d = d_kill(d);
}

/* Takes a dentry with count 0 for killing. */
static bool d_try_kill(struct dentry *d)
{
	u64 old = READ_ONCE(*d_word(d));

	while ((u32)old == 0 && !(old & FLAG(DENTRY_DYING))) {
		if (atomic_try_cmpxchg(d_word(d), &old, old | FLAG(DENTRY_DYING)))
			return true;
	}
	return false;
}

/* ---- birth ---- */

static struct dentry *d_alloc_named(const char *name, u32 len, u32 hash)
{
	struct dentry *d = slab_zalloc(dentry_slab);

	if (!d)
		return NULL;
	d->name = d->inline_name;
	if (len >= sizeof(d->inline_name)) {
		d->name = kmalloc(len + 1);
		if (!d->name) {
			slab_free(dentry_slab, d);
			return NULL;
		}
	}
	memcpy(d->name, name, len);
	d->name[len] = '\0';
	d->name_len = len;
	d->hash = hash;
	refcount_set(&d->refs, 1);
	list_init(&d->child_link);
	list_init(&d->children);
	list_init(&d->lru);
	d->parent = d;
	atomic_inc(&nr_dentries);
	return d;
}

static struct dentry *d_alloc_hash(struct dentry *parent, const char *name, u32 len, u32 hash)
{
	struct dentry *d;

	if (READ_ONCE(nr_lru) > max_lru)
		dcache_shrink(256);
	d = d_alloc_named(name, len, hash);
	if (!d)
		return NULL;
	d->sb = parent->sb;
	d->parent = dget(parent);
	spin_lock(&parent->lock);
	list_add_tail(&d->child_link, &parent->children);
	spin_unlock(&parent->lock);
	return d;
}

struct dentry *d_alloc(struct dentry *parent, const char *name, u32 len)
{
	return d_alloc_hash(parent, name, len, name_hash(name, len));
}

struct dentry *d_alloc_anon(struct super *sb, const char *name)
{
	const u32 len = (u32)strlen(name);
	struct dentry *d = d_alloc_named(name, len, 0);

	if (!d)
		return NULL;
	d->sb = sb;
	d->flags = DENTRY_DISCONNECTED;
	return d;
}

struct dentry *d_make_root(struct inode *inode)
{
	struct dentry *d;

	if (!inode)
		return NULL;
	d = d_alloc_named("/", 1, 0);
	if (!d) {
		inode_put(inode);
		return NULL;
	}
	d->sb = inode->sb;
	d->inode = inode;
	return d;
}

void d_instantiate(struct dentry *d, struct inode *inode)
{
	BUG_ON(d->inode);
	smp_store_release(&d->inode, inode);
}

void d_add(struct dentry *d, struct inode *inode)
{
	struct bucket *b = bucket_of(d->parent, d->hash);

	if (inode)
		d_instantiate(d, inode);
	spin_lock(&b->lock);
	if (!(d->flags & DENTRY_HASHED))
		hash_locked(b, d);
	spin_unlock(&b->lock);
}

/* ---- finding ---- */

/* Bucket locked. */
static struct dentry *find_locked(struct bucket *b, struct dentry *parent, const char *name, u32 len, u32 hash)
{
	for (struct dentry *d = b->first; d; d = d->hash_next) {
		if (d->hash == hash && d->parent == parent && d->name_len == len && !memcmp(d->name, name, len) &&
		    d_try_get(d))
			return d;
	}
	return NULL;
}

/* Somebody else asks the file system for @d. */
static void wait_lookup(struct dentry *d)
{
	wait_event(&lookup_wait, !(READ_ONCE(d->flags) & DENTRY_LOOKUP));
}

struct dentry *d_lookup_hash(struct dentry *parent, const char *name, u32 len, u32 hash)
{
	struct bucket *b = bucket_of(parent, hash);
	struct dentry *d;

	for (;;) {
		if (!READ_ONCE(b->first))
			return NULL;
		spin_lock(&b->lock);
		d = find_locked(b, parent, name, len, hash);
		spin_unlock(&b->lock);
		if (!d || likely(!(READ_ONCE(d->flags) & DENTRY_LOOKUP)))
			return d;
		wait_lookup(d);
		if (READ_ONCE(d->flags) & DENTRY_HASHED)
			return d;
		dput(d);
	}
}

struct dentry *d_lookup(struct dentry *parent, const char *name, u32 len)
{
	return d_lookup_hash(parent, name, len, name_hash(name, len));
}

struct dentry *d_alloc_lookup(struct dentry *parent, const char *name, u32 len, u32 hash, bool *is_new)
{
	struct bucket *b = bucket_of(parent, hash);
	struct dentry *d, *fresh = d_alloc_hash(parent, name, len, hash);

	*is_new = false;
	if (!fresh)
		return ERR_PTR(-ENOMEM);
	fresh->flags |= DENTRY_LOOKUP;
	for (;;) {
		spin_lock(&b->lock);
		d = find_locked(b, parent, name, len, hash);
		if (!d)
			hash_locked(b, fresh);
		spin_unlock(&b->lock);
		if (!d) {
			*is_new = true;
			return fresh;
		}
		wait_lookup(d);
		if (READ_ONCE(d->flags) & DENTRY_HASHED) {
			d_clear_flags(fresh, DENTRY_LOOKUP);
			dput(fresh);
			return d;
		}
		dput(d);
	}
}

void d_lookup_done(struct dentry *d)
{
	d_clear_flags(d, DENTRY_LOOKUP);
	if (wait_queue_active(&lookup_wait))
		wake_up_all(&lookup_wait);
}

/* ---- changes ---- */

void d_drop(struct dentry *d)
{
	unhash(d);
}

void d_delete(struct dentry *d)
{
	d_set_flags(d, DENTRY_UNLINKED);
	unhash(d);
}

static void d_set_parent(struct dentry *d, struct dentry *parent)
{
	d->parent = parent;
	list_add_tail(&d->child_link, &parent->children);
}

/* Swaps what the two are called; parts of it may be inline. */
static void swap_names(struct dentry *a, struct dentry *b)
{
	const bool a_in = a->name == a->inline_name, b_in = b->name == b->inline_name;
	char *const a_name = a->name, *const b_name = b->name;
	char tmp[sizeof(a->inline_name)];
	const u32 len = a->name_len, hash = a->hash;

	memcpy(tmp, a->inline_name, sizeof(tmp));
	memcpy(a->inline_name, b->inline_name, sizeof(tmp));
	memcpy(b->inline_name, tmp, sizeof(tmp));
	a->name = b_in ? a->inline_name : b_name;
	b->name = a_in ? b->inline_name : a_name;
	a->name_len = b->name_len;
	a->hash = b->hash;
	b->name_len = len;
	b->hash = hash;
}

/* @d gets @from's name; @from keeps it, if there is memory for two. */
static void take_name(struct dentry *d, struct dentry *from, char **old)
{
	char *copy = NULL;

	if (from->name != from->inline_name) {
		copy = kmemdup(from->name, from->name_len + 1);
		if (!copy) {
			swap_names(d, from);
			return;
		}
	}
	*old = d->name == d->inline_name ? NULL : d->name;
	if (!copy)
		memcpy(d->inline_name, from->name, from->name_len + 1);
	d->name = copy ? copy : d->inline_name;
	d->name_len = from->name_len;
	d->hash = from->hash;
}

void d_move(struct dentry *d, struct dentry *target, bool exchange)
{
	struct dentry *op = d->parent, *np = target->parent;
	char *old = NULL;

	unhash(d);
	unhash(target);
	spin_lock(&rename_lock);
	rename_seq++;
	spin_lock_two(&op->lock, &np->lock);
	/*
	 * An entry's own lock holds its parent still for ".."; the four locks cannot meet others in
	 * another order: rename_lock.
	 */
	if (d != op && d != np)
		spin_lock(&d->lock);
	if (target != op && target != np && target != d)
		spin_lock(&target->lock);
	if (exchange)
		swap_names(d, target);
	else
		take_name(d, target, &old);
	if (op != np) {
		list_del(&d->child_link);
		list_del(&target->child_link);
		/* Each takes over the other's reference on its parent. */
		d_set_parent(d, np);
		d_set_parent(target, op);
	}
	if (target != op && target != np && target != d)
		spin_unlock(&target->lock);
	if (d != op && d != np)
		spin_unlock(&d->lock);
	spin_unlock_two(&op->lock, &np->lock);
	spin_unlock(&rename_lock);
	kfree(old);
	d_add(d, NULL);
	if (exchange)
		d_add(target, NULL);
	else
		d_set_flags(target, DENTRY_UNLINKED);
}

struct dentry *dget_parent(struct dentry *d)
{
	struct dentry *p;

	spin_lock(&d->lock);
	p = dget(d->parent);
	spin_unlock(&d->lock);
	return p;
}

bool d_is_ancestor(struct dentry *a, struct dentry *d)
{
	bool is;

	spin_lock(&rename_lock);
	while (d != a && d->parent != d)
		d = d->parent;
	is = d == a;
	spin_unlock(&rename_lock);
	return is;
}

/* ---- shrinking ---- */

/*
 * What to do with a listed entry, lru_lock held: in use ones leave the list (dput() puts them back), unused ones die.
 * The exchange makes sure that no count reaches 0 off the list. True: DYING or off the list; false: leave it.
 */
static bool lru_take(struct dentry *d)
{
	u64 old = READ_ONCE(*d_word(d)), new;

	do {
		if (old & FLAG(DENTRY_DYING))
			return false; /* its killer takes it off */
		new = old & ~FLAG(DENTRY_LRU);
		if ((u32)old == 0)
			new |= FLAG(DENTRY_DYING);
	} while (!atomic_try_cmpxchg(d_word(d), &old, new));
	list_del(&d->lru);
	nr_lru--;
	return true;
}

/* Takes the oldest unused entry (of @sb, if given) for killing; NULL: none. lru_lock held. */
static struct dentry *lru_victim(struct super *sb)
{
	struct dentry *d, *newer;

	for (d = list_last_entry(&lru, struct dentry, lru); &d->lru != &lru; d = newer) {
		newer = list_entry(d->lru.prev, struct dentry, lru);
		if (sb && d->sb != sb)
			continue;
		if (!sb && (d->flags & DENTRY_REFERENCED)) {
			/* A second chance; this walk meets it again at the end, unless this is the end. */
			d_clear_flags(d, DENTRY_REFERENCED);
			if (&newer->lru != &lru) {
				list_del(&d->lru);
				list_add(&d->lru, &lru);
				continue;
			}
		}
		if (lru_take(d) && (d->flags & DENTRY_DYING))
			return d;
	}
	return NULL;
}

static u64 shrink(struct super *sb, u64 want)
{
	u64 n = 0;

	while (n < want) {
		struct dentry *d;

		spin_lock(&lru_lock);
		d = lru_victim(sb);
		spin_unlock(&lru_lock);
		if (!d)
			break;
		dput(d_kill(d));
		n++;
	}
	return n;
}

u64 dcache_shrink(u64 want)
{
	return shrink(NULL, want);
}

void dcache_shrink_sb(struct super *sb)
{
	/* A parent becomes unused with its last child. */
	while (shrink(sb, ~0ull))
		;
}

/* One unused child, DYING. */
static struct dentry *unused_child(struct dentry *d)
{
	struct dentry *c, *found = NULL;

	spin_lock(&d->lock);
	list_for_each_entry(c, &d->children, child_link) {
		if (d_try_kill(c)) {
			found = c;
			break;
		}
	}
	spin_unlock(&d->lock);
	return found;
}

/* The first child with children of its own after @after (consumed), with a reference. */
static struct dentry *next_subdir(struct dentry *d, struct dentry *after)
{
	struct dentry *c, *found = NULL;
	bool seen = !after;

	spin_lock(&d->lock);
	list_for_each_entry(c, &d->children, child_link) {
		if (seen && !list_empty(&c->children) && d_try_get(c)) {
			found = c;
			break;
		}
		if (c == after)
			seen = true;
	}
	spin_unlock(&d->lock);
	dput(after);
	return found;
}

void d_prune_children(struct dentry *d)
{
	struct dentry *at = dget(d), *sub = NULL, *c;

	/* Depth first; the way back up goes by parents, so the depth of a tree costs nothing. */
	for (;;) {
		while ((c = unused_child(at)))
			dput(d_kill(c));
		sub = next_subdir(at, sub);
		if (sub) {
			dput(at);
			at = sub;
			sub = NULL;
			continue;
		}
		while ((c = unused_child(at)))
			dput(d_kill(c));
		if (at == d || at->parent == at)
			break;
		sub = at;
		at = dget_parent(sub);
	}
	dput(at);
}

void dcache_stats(u64 *total, u64 *unused)
{
	*total = READ_ONCE(nr_dentries);
	*unused = READ_ONCE(nr_lru);
}
