/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slabs: objects of one size, cut from blocks of pages; kmalloc() on top.
 *
 * In front of each cache stands a magazine per vCPU, a stack of free objects that needs no lock; it trades batches with
 * the slabs under the cache's lock. A slab's first page holds its free list (linked through the objects), how many
 * objects are out, and how far the memory behind was ever handed out: what no object has reached yet is not touched.
 * The other pages of a slab point to the first one. Empty slabs go back at once but for one a cache.
 *
 * Nothing here sleeps. Locks: cache.lock, then the page allocator's.
 */
#include <gk/errno.h>
#include <gk/init.h>
#include <gk/page.h>
#include <gk/printk.h>
#include <gk/slab.h>
#include <gk/string.h>
#include "internal.h"

struct slab_cache {
	const char *name;
	u32 size;  /* of an object, alignment included */
	u32 order; /* of a slab; smaller ones do when memory is in pieces */
	u32 id;	   /* index of the magazines */
	u32 mag_max;
	spinlock_t lock;
	struct list_head partial; /* lock: slabs with free objects; empty ones at the end */
	u32 nr_empty;		  /* lock */
};

/* page->extra2 of a slab's first page */
struct slab_state {
	u16 used; /* objects out, magazines included */
	u16 cut;  /* objects that were ever out */
};

#define KMALLOC_MAX_SLAB 8192
static const u16 class_size[] = {16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 8192};
#define NR_CLASSES ARRAY_SIZE(class_size)

static struct slab_cache caches[MAX_SLAB_CACHES];
static u32 nr_caches = NR_CLASSES; /* the first ones are kmalloc's */
static spinlock_t caches_lock;
static u8 small_class[KMALLOC_MAX_SLAB / 2 / 16]; /* (size - 1) / 16 to class, up to 4096 */

static struct slab_state *state_of(struct page *slab)
{
	return (struct slab_state *)&slab->extra2;
}

static u32 objects_in(const struct slab_cache *c, const struct page *slab)
{
	return (u32)(PAGE_SIZE << slab->order) / c->size;
}

static void cache_init(struct slab_cache *c, const char *name, u32 size, u32 id)
{
	c->name = name;
	c->size = size;
	c->id = id;
	c->order = 0;
	while (c->order < 3 && (PAGE_SIZE << c->order) / size < 8)
		c->order++;
	c->mag_max = faults_on ? 0 : size <= 512 ? MAG_MAX : size <= 2048 ? 8 : 4;
	list_init(&c->partial);
	spin_init(&c->lock);
}

void slab_init(void)
{
	for (u32 i = 0; i < NR_CLASSES; i++)
		cache_init(&caches[i], "kmalloc", class_size[i], i);
	for (u32 i = 0, class = 0; i < ARRAY_SIZE(small_class); i++) {
		while (class_size[class] < (i + 1) * 16)
			class ++;
		small_class[i] = (u8) class;
	}
}

struct slab_cache *slab_cache_new(const char *name, size_t size, size_t align)
{
	struct slab_cache *c = NULL;

	if (align < 8)
		align = 8;
	size = ALIGN_UP(size, align);
	spin_lock(&caches_lock);
	if (nr_caches < MAX_SLAB_CACHES && size && size <= 4 * PAGE_SIZE) {
		c = &caches[nr_caches];
		cache_init(c, name, (u32)size, nr_caches);
		nr_caches++;
	}
	spin_unlock(&caches_lock);
	/* Called with constants at start-up only. */
	if (!c)
		panic("slab cache %s: no room for %lu bytes", name, size);
	return c;
}

static struct page *alloc_slab_pages(const struct slab_cache *c)
{
	struct page *p = alloc_pages(c->order, GFP_NOWAIT);

	for (u32 order = c->order; !p && order-- && PAGE_SIZE << order >= c->size;)
		p = alloc_pages(order, GFP_NOWAIT);
	if (unlikely(faults_on) && p)
		fault_count(-(1l << p->order)); /* its objects count */
	return p;
}

/* A slab with free objects at the head of the list, or NULL. lock held. */
static struct page *slab_with_room(struct slab_cache *c)
{
	struct page *slab = list_first_entry_or_null(&c->partial, struct page, lru);

	if (slab)
		return slab;
	slab = alloc_slab_pages(c);
	if (!slab)
		return NULL;
	slab->cache = c;
	for (u32 i = 0; i < 1u << slab->order; i++) {
		slab[i].flags = PG_USED | PG_SLAB;
		slab[i].extra = slab;
	}
	mm_stat_add(STAT_SLAB, 1l << slab->order);
	list_add(&slab->lru, &c->partial);
	c->nr_empty++;
	return slab;
}

/* lock held */
static void *take_object(struct slab_cache *c, struct page *slab)
{
	struct slab_state *st = state_of(slab);
	void *obj = slab->freelist;

	if (!st->used)
		c->nr_empty--;
	if (obj)
		slab->freelist = *(void **)obj;
	else
		obj = (char *)page_address(slab) + (u64)c->size * st->cut++;
	if (++st->used == objects_in(c, slab))
		list_del(&slab->lru);
	return obj;
}

/* lock held */
static void release_slab(struct slab_cache *c, struct page *slab)
{
	list_del(&slab->lru);
	for (u32 i = 0; i < 1u << slab->order; i++) {
		slab[i].extra = NULL;
		slab[i].flags = i ? 0 : PG_USED;
	}
	mm_stat_add(STAT_SLAB, -(1l << slab->order));
	if (unlikely(faults_on))
		fault_count(1l << slab->order);
	put_page(slab);
}

/* lock held */
static void put_object(struct slab_cache *c, void *obj)
{
	struct page *slab = virt_to_page(obj)->extra;
	struct slab_state *st = state_of(slab);

	*(void **)obj = slab->freelist;
	slab->freelist = obj;
	if (st->used-- == objects_in(c, slab))
		list_add(&slab->lru, &c->partial);
	if (st->used)
		return;
	if (c->nr_empty) {
		release_slab(c, slab);
		return;
	}
	c->nr_empty++;
	list_move_tail(&slab->lru, &c->partial);
}

void *slab_alloc(struct slab_cache *c)
{
	struct magazine *mag = &this_mm_cpu()->mag[c->id];

	if (unlikely(!mag->n)) {
		if (unlikely(faults_on) && fault_due()) {
			fault_take();
			return NULL;
		}
		spin_lock(&c->lock);
		while (mag->n < c->mag_max / 2 + 1) {
			struct page *slab = slab_with_room(c);

			if (!slab)
				break;
			mag->obj[mag->n++] = take_object(c, slab);
		}
		spin_unlock(&c->lock);
		if (!mag->n)
			return NULL;
		if (unlikely(faults_on))
			fault_count(1);
	}
	return mag->obj[--mag->n];
}

void *slab_zalloc(struct slab_cache *c)
{
	void *p = slab_alloc(c);

	return p ? memset(p, 0, c->size) : NULL;
}

void slab_free(struct slab_cache *c, void *p)
{
	struct magazine *mag = &this_mm_cpu()->mag[c->id];

	if (!p)
		return;
	if (unlikely(mag->n == c->mag_max)) {
		spin_lock(&c->lock);
		while (mag->n > c->mag_max / 2)
			put_object(c, mag->obj[--mag->n]);
		if (unlikely(faults_on))
			put_object(c, p);
		spin_unlock(&c->lock);
		if (unlikely(faults_on)) {
			fault_count(-1);
			return;
		}
	}
	mag->obj[mag->n++] = p;
}

static void *kmalloc_large(size_t size, u32 gfp)
{
	u32 order = 0;
	struct page *p;

	if (size > PAGE_SIZE << MAX_ORDER)
		return NULL;
	while (PAGE_SIZE << order < size)
		order++;
	p = alloc_pages(order, gfp | GFP_NOWAIT);
	if (!p)
		return NULL;
	mm_stat_add(STAT_SLAB, 1l << order);
	return page_address(p);
}

void *kmalloc(size_t size)
{
	if (!size)
		return NULL;
	if (size <= KMALLOC_MAX_SLAB / 2)
		return slab_alloc(&caches[small_class[(size - 1) / 16]]);
	if (size <= KMALLOC_MAX_SLAB)
		return slab_alloc(&caches[NR_CLASSES - 1]);
	return kmalloc_large(size, 0);
}

void *kzalloc(size_t size)
{
	void *p;

	if (size > KMALLOC_MAX_SLAB)
		return kmalloc_large(size, GFP_ZERO);
	p = kmalloc(size);
	return p ? memset(p, 0, size) : NULL;
}

void *kcalloc(size_t n, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : kzalloc(bytes);
}

size_t ksize(const void *p)
{
	struct page *page = virt_to_page(p);

	if (page->flags & PG_SLAB)
		return ((struct page *)page->extra)->cache->size;
	return PAGE_SIZE << page->order;
}

void kfree(const void *p)
{
	struct page *page;

	if (!p)
		return;
	page = virt_to_page(p);
	if (page->flags & PG_SLAB) {
		slab_free(((struct page *)page->extra)->cache, (void *)(u64)p);
		return;
	}
	BUG_ON(((u64)p & ~PAGE_MASK) || !page->refs);
	mm_stat_add(STAT_SLAB, -(1l << page->order));
	put_page(page);
}

void *krealloc(void *p, size_t size)
{
	size_t old = p ? ksize(p) : 0;
	void *n;

	/* Room enough, and not far too much. */
	if (p && size <= old && size > old / 4)
		return p;
	n = kmalloc(size);
	if (!n)
		return NULL;
	memcpy(n, p, MIN(old, size));
	kfree(p);
	return n;
}

char *kstrndup(const char *s, size_t max)
{
	size_t n = strnlen(s, max);
	char *copy = kmalloc(n + 1);

	if (copy) {
		memcpy(copy, s, n);
		copy[n] = '\0';
	}
	return copy;
}

char *kstrdup(const char *s)
{
	return kstrndup(s, ~0ul);
}

void *kmemdup(const void *p, size_t n)
{
	void *copy = kmalloc(n);

	return copy ? memcpy(copy, p, n) : NULL;
}
