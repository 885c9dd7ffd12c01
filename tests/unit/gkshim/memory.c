/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory, as the sanitizers like it: slabs are malloc, so that overruns, use after free and leaks show; pages come from
 * an arena, are poisoned while free and full of rubbish when new. Each allocation can be made to fail.
 */
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)0)
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)0)
#endif

#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/page.h>
#include <gk/slab.h>
#include "../../../guest/fs/internal.h"
#include "../../../guest/mm/internal.h"
#include "../unit.h"
#include "shim.h"

static _Thread_local u64 fail_in;
static _Thread_local bool has_failed;
static u64 live;

bool shim_fail_alloc(u64 nth)
{
	const bool failed = has_failed;

	fail_in = nth;
	has_failed = false;
	return failed;
}

static bool fails(void)
{
	shim_point();
	if (!fail_in || --fail_in)
		return false;
	has_failed = true;
	return true;
}

/* ---- slabs ---- */

struct slab_cache {
	size_t size, align;
};

static void *counted(void *p)
{
	if (!p)
		abort();
	atomic_inc(&live);
	return p;
}

void *kmalloc(size_t size)
{
	return fails() || !size || size > 4ul << 20 ? NULL : counted(malloc(size));
}

void *kzalloc(size_t size)
{
	return fails() || !size || size > 4ul << 20 ? NULL : counted(calloc(1, size));
}

void *kcalloc(size_t n, size_t size)
{
	size_t bytes;

	return __builtin_mul_overflow(n, size, &bytes) ? NULL : kzalloc(bytes);
}

void kfree(const void *p)
{
	if (!p)
		return;
	atomic_dec(&live);
	free((void *)(u64)p);
}

size_t ksize(const void *p)
{
	return malloc_usable_size((void *)(u64)p);
}

void *krealloc(void *p, size_t size)
{
	if (!p)
		return kmalloc(size);
	return fails() ? NULL : realloc(p, size);
}

void *kmemdup(const void *p, size_t n)
{
	void *q = kmalloc(n);

	return q ? memcpy(q, p, n) : NULL;
}

char *kstrdup(const char *s)
{
	return kmemdup(s, strlen(s) + 1);
}

char *kstrndup(const char *s, size_t max)
{
	const size_t n = strnlen(s, max);
	char *q = kmalloc(n + 1);

	if (q) {
		memcpy(q, s, n);
		q[n] = '\0';
	}
	return q;
}

struct slab_cache *slab_cache_new(const char *name, size_t size, size_t align)
{
	struct slab_cache *c = malloc(sizeof(*c));

	c->align = align < 16 ? 16 : align;
	c->size = ALIGN_UP(size, c->align);
	return c;
}

void *slab_alloc(struct slab_cache *c)
{
	return fails() ? NULL : counted(aligned_alloc(c->align, c->size));
}

void *slab_zalloc(struct slab_cache *c)
{
	void *p = slab_alloc(c);

	return p ? memset(p, 0, c->size) : NULL;
}

void slab_free(struct slab_cache *c, void *p)
{
	kfree(p);
}

/* ---- pages ---- */

#define PAGES 16384u /* 64 MB */
#define RUBBISH 0xa5

u64 linear_base;
struct page *page_map;
u64 ram_pages = PAGES;
struct mm_cpu mm_cpu_area[MAX_CPUS];
static spinlock_t arena_lock;
static u8 used[PAGES]; /* arena_lock */
static u32 hint;       /* arena_lock: where to go on; what was freed last comes back last */
static u32 nr_used;    /* arena_lock */

static void arena_init(void)
{
	void *arena = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			   -1, 0);

	page_map = calloc(PAGES, sizeof(*page_map));
	linear_base = (u64)arena;
	ASAN_POISON_MEMORY_REGION(arena, PAGES * PAGE_SIZE);
}

/* The first page of a free aligned block, taken; PAGES: none. */
static u32 take_block(u32 n)
{
	for (u32 tries = 0, at = ALIGN_UP(hint, n); tries <= PAGES / n; tries++, at += n) {
		if (at + n > PAGES)
			at = 0;
		if (memchr(used + at, 1, n))
			continue;
		memset(used + at, 1, n);
		hint = at + n;
		nr_used += n;
		return at;
	}
	return PAGES;
}

struct page *alloc_pages(u32 order, u32 gfp)
{
	u32 pfn;

	if (fails())
		return NULL;
	spin_lock(&arena_lock);
	if (!page_map)
		arena_init();
	pfn = take_block(1u << order);
	spin_unlock(&arena_lock);
	if (pfn == PAGES)
		return NULL;
	memset(page_map + pfn, 0, sizeof(struct page) << order);
	page_map[pfn].flags = PG_USED;
	page_map[pfn].refs = 1;
	page_map[pfn].order = order;
	ASAN_UNPOISON_MEMORY_REGION(page_address(page_map + pfn), PAGE_SIZE << order);
	memset(page_address(page_map + pfn), gfp & GFP_ZERO ? 0 : RUBBISH, PAGE_SIZE << order);
	return page_map + pfn;
}

void put_page(struct page *p)
{
	const u32 n = 1u << p->order;

	if (READ_ONCE(p->refs) == 0)
		panic("a free page is put");
	if (atomic_sub_return(&p->refs, 1))
		return;
	if (p->mapping || (p->flags & (PG_LOCKED | PG_DIRTY)))
		panic("page %lu is freed while the cache has it (flags %x)", page_to_pfn(p), p->flags);
	ASAN_POISON_MEMORY_REGION(page_address(p), n * PAGE_SIZE);
	spin_lock(&arena_lock);
	p->flags = 0;
	memset(used + page_to_pfn(p), 0, n);
	nr_used -= n;
	spin_unlock(&arena_lock);
}

void split_page(struct page *p, u32 order)
{
	p->order = 0;
	for (u32 i = 1; i < 1u << order; i++) {
		p[i].refs = 1;
		p[i].flags = PG_USED;
	}
}

struct page *alloc_page_run(u32 nr, u32 gfp)
{
	u32 order = 0;
	struct page *p;

	while (1u << order < nr)
		order++;
	p = alloc_pages(order, gfp);
	if (!p)
		return NULL;
	split_page(p, order);
	for (u32 i = nr; i < 1u << order; i++)
		put_page(p + i);
	return p;
}

void *get_zeroed_page(void)
{
	struct page *p = alloc_page(GFP_ZERO);

	return p ? page_address(p) : NULL;
}

void free_page_addr(void *p)
{
	put_page(virt_to_page(p));
}

bool memory_is_low(void)
{
	return false;
}

s64 mm_stat_sum(enum mm_stat which)
{
	s64 sum = 0;

	for (u32 i = 0; i < MAX_CPUS; i++)
		sum += READ_ONCE(mm_cpu_area[i].stat[which]);
	return sum;
}

void mem_stats(struct mem_stats *s)
{
	memset(s, 0, sizeof(*s));
	s->total_pages = PAGES;
	s->free_pages = PAGES - READ_ONCE(nr_used);
}

u64 give_back_surplus(void)
{
	return 0;
}

u64 give_back_pages(u64 want)
{
	return 0;
}

bool oom_kill(void)
{
	return false;
}

/* ---- leaks ---- */

u64 shim_live(void)
{
	return READ_ONCE(live) + READ_ONCE(nr_used);
}

void shim_shrink(void)
{
	while (dcache_shrink(~0ull))
		;
}

static bool exhaust_at(u64 nth, int (*op)(void *arg), void (*undo)(void *arg), void *arg, bool may_do_without)
{
	bool failed;
	int err;

	shim_fail_alloc(nth);
	err = op(arg);
	failed = shim_fail_alloc(0);
	if (err != 0 || (failed && !may_do_without))
		assert_int_equal(err, failed ? -ENOMEM : 0);
	if (undo)
		undo(arg); /* what failed may have left a part */
	shim_shrink();
	return failed;
}

void shim_exhaust(int (*op)(void *arg), void (*undo)(void *arg), void *arg, bool may_do_without)
{
	u64 before;

	/* Twice: what the first run leaves in a cache for good is no leak. */
	for (u64 nth = 1; exhaust_at(nth, op, undo, arg, may_do_without); nth++) {
		before = shim_live();
		exhaust_at(nth, op, undo, arg, may_do_without);
		if (shim_live() != before)
			fail_msg("allocation %lu fails: %ld objects are lost", nth, (long)(shim_live() - before));
	}
}
