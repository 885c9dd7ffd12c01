/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page allocator: buddy lists over guest RAM, a frontier behind them, small stacks of blocks per vCPU before them.
 *
 * Metadata is an array behind the kernel image. Nothing is written to it at boot: an all-zero struct page is memory
 * that was never used, whose content is zero and which costs the host nothing. The frontier is where such memory
 * begins. An allocation takes, in this order, from the stack of its vCPU, from blocks that were used before (the host
 * has them already), from free blocks known to be zero (given back to the host, or skipped at the frontier), from the
 * frontier. Blocks of the two kinds are in lists of their own and do not merge with each other: the knowledge that a
 * block is zero is worth more than its size.
 *
 * A free block: PG_FREE (and PG_ZERO) and its order in the first page; all other metadata zero but the list link. Pages
 * inside a block never have PG_FREE. An allocated page starts with all metadata zero but flags, refs and order.
 *
 * Locks: zone.lock, innermost.
 */
#include <gk/init.h>
#include <gk/page.h>
#include <gk/printk.h>
#include <gk/string.h>
#include "internal.h"
#include "hv.h"

enum { DIRTY, ZERO, KINDS };

u64 linear_base;
struct page *page_map;
u64 ram_pages;
struct mm_cpu mm_cpu_area[MAX_CPUS];

static struct zone {
	spinlock_t lock;
	struct list_head free[KINDS][MAX_ORDER + 1]; /* lock; DIRTY: last freed first */
	u32 orders[KINDS];			     /* lock: bit per order with a non-empty list */
	u64 nr_free[KINDS];			     /* lock: pages */
	u64 large_dirty;			     /* lock: pages in DIRTY blocks of GIVE_BACK_ORDER and more */
	u64 frontier, end;			     /* lock: pfns; from the frontier on nothing was ever used */
	u64 first;				     /* pages below are never allocated nor freed */
	u64 reserve;				     /* free pages that programs cannot have */
	u64 low;				     /* below this many free pages caches shrink */
} zone;

#define GIVE_BACK_ORDER 8
#define GIVE_BACK_KEEP (32ul << (20 - PAGE_SHIFT))

/* How many blocks a vCPU keeps, and how many it fetches or returns at once, by order. */
static u8 stack_max[PCP_ORDERS] = {32, 8, 8, 4, 8};
static u8 stack_batch[PCP_ORDERS] = {16, 4, 4, 2, 4};

/* ---- buddy lists; zone.lock held ---- */

static void list_insert_block(struct page *p, u32 order, u32 kind)
{
	p->flags = PG_FREE | (kind == ZERO ? PG_ZERO : 0);
	p->refs = 0;
	p->order = order;
	list_add(&p->lru, &zone.free[kind][order]);
	zone.orders[kind] |= 1u << order;
	if (kind == DIRTY && order >= GIVE_BACK_ORDER)
		zone.large_dirty += 1ul << order;
}

static void list_remove_block(struct page *p, u32 kind)
{
	u32 order = p->order;

	list_del(&p->lru);
	p->private[0] = p->private[1] = 0;
	p->flags = 0;
	p->order = 0;
	if (list_empty(&zone.free[kind][order]))
		zone.orders[kind] &= ~(1u << order);
	if (kind == DIRTY && order >= GIVE_BACK_ORDER)
		zone.large_dirty -= 1ul << order;
}

static void free_block(struct page *p, u32 order, u32 kind)
{
	u64 pfn = page_to_pfn(p);
	u32 want = PG_FREE | (kind == ZERO ? PG_ZERO : 0);

	zone.nr_free[kind] += 1ul << order;
	while (order < MAX_ORDER) {
		u64 buddy_pfn = pfn ^ (1ul << order);
		struct page *buddy = pfn_to_page(buddy_pfn);

		if (buddy_pfn < zone.first || buddy_pfn + (1ul << order) > zone.frontier || buddy->flags != want ||
		    buddy->order != order)
			break;
		list_remove_block(buddy, kind);
		pfn &= ~(1ul << order);
		order++;
	}
	list_insert_block(pfn_to_page(pfn), order, kind);
}

/* Gives the upper part of a block of order @have to the free lists until @want is left. */
static void trim_block(struct page *p, u32 have, u32 want, u32 kind)
{
	while (have > want) {
		have--;
		zone.nr_free[kind] += 1ul << have;
		list_insert_block(p + (1ul << have), have, kind);
	}
}

static struct page *take_listed(u32 order, u32 kind)
{
	u32 fit = zone.orders[kind] & ~((1u << order) - 1), have;
	struct page *p;

	if (!fit)
		return NULL;
	have = (u32)__builtin_ctz(fit);
	p = list_first_entry(&zone.free[kind][have], struct page, lru);
	list_remove_block(p, kind);
	zone.nr_free[kind] -= 1ul << have;
	trim_block(p, have, order, kind);
	return p;
}

/* Small blocks are cut from whole chunks, so that what is freed later can become a chunk again. */
static struct page *take_frontier(u32 order)
{
	u32 unit = order > CHUNK_ORDER ? order : CHUNK_ORDER;
	u64 start = ALIGN_UP(zone.frontier, 1ul << unit);

	if (start + (1ul << unit) > zone.end) {
		unit = order;
		start = ALIGN_UP(zone.frontier, 1ul << unit);
		if (start + (1ul << unit) > zone.end)
			return NULL;
	}
	while (zone.frontier < start) {
		u64 pfn = zone.frontier;
		u32 o = (u32)__builtin_ctzl(pfn);

		if (o > MAX_ORDER)
			o = MAX_ORDER;
		while (pfn + (1ul << o) > start)
			o--;
		zone.frontier += 1ul << o;
		free_block(pfn_to_page(pfn), o, ZERO);
	}
	zone.frontier = start + (1ul << unit);
	trim_block(pfn_to_page(start), unit, order, ZERO);
	return pfn_to_page(start);
}

/* A block with PG_USED and maybe PG_ZERO, no reference yet. */
static struct page *take_block(u32 order)
{
	struct page *p = take_listed(order, DIRTY);
	u32 zero = 0;

	if (!p) {
		zero = PG_ZERO;
		p = take_listed(order, ZERO);
	}
	if (!p)
		p = take_frontier(order);
	if (p) {
		p->flags = PG_USED | zero;
		p->order = order;
	}
	return p;
}

/* ---- stacks per vCPU ---- */

static void return_blocks(struct page_stack *s, u32 order, u32 count)
{
	spin_lock(&zone.lock);
	while (count--) {
		struct page *p = s->page[--s->n];

		free_block(p, order, p->flags & PG_ZERO ? ZERO : DIRTY);
	}
	spin_unlock(&zone.lock);
	if (READ_ONCE(zone.large_dirty) > 2 * GIVE_BACK_KEEP)
		give_back_soon();
}

/* Programs must leave a reserve, so that the kernel can do what frees memory. */
static bool refused(u32 order, u32 gfp)
{
	return (gfp & GFP_USER) && free_page_count() < zone.reserve + (1ul << order);
}

/* False: not for this caller. Kernel memory is given without waiting; who takes the last of it sees to more later. */
static bool admitted(u32 order, u32 gfp)
{
	if (refused(order, gfp) || (unlikely(faults_on) && fault_due()))
		return false;
	if (unlikely(reserve_is_low()))
		reclaim_on_return();
	return true;
}

static struct page *take_stacked(u32 order, u32 gfp)
{
	struct page_stack *s = &this_mm_cpu()->pages[order];

	if (!s->n) {
		if (!admitted(order, gfp))
			return NULL;
		spin_lock(&zone.lock);
		while (s->n < stack_batch[order]) {
			struct page *p = take_block(order);

			if (!p)
				break;
			s->page[s->n++] = p;
		}
		spin_unlock(&zone.lock);
		/* Contiguous memory came out upwards: hand it out upwards as well. */
		for (u32 i = 0; i < s->n / 2; i++) {
			struct page *p = s->page[i];

			s->page[i] = s->page[s->n - 1 - i];
			s->page[s->n - 1 - i] = p;
		}
		if (unlikely(faults_on) && s->n)
			fault_count(1l << order);
	}
	return s->n ? s->page[--s->n] : NULL;
}

static void drain_own_stacks(void)
{
	for (u32 order = 0; order < PCP_ORDERS; order++) {
		struct page_stack *s = &this_mm_cpu()->pages[order];

		return_blocks(s, order, s->n);
	}
}

static struct page *take(u32 order, u32 gfp)
{
	struct page *p;

	if (order < PCP_ORDERS)
		return take_stacked(order, gfp);
	if (!admitted(order, gfp))
		return NULL;
	spin_lock(&zone.lock);
	p = take_block(order);
	spin_unlock(&zone.lock);
	if (unlikely(faults_on) && p)
		fault_count(1l << order);
	return p;
}

static struct page *take_slow(u32 order, u32 gfp)
{
	struct page *p;

	if (unlikely(faults_on) && fault_take())
		return NULL;
	drain_own_stacks();
	p = take(order, gfp);
	if (p || (gfp & GFP_NOWAIT)) {
		reclaim_soon();
		return p;
	}
	for (u32 tries = 0; !p && tries < 64; tries++) {
		if (!reclaim_for_alloc(order, gfp & GFP_USER, tries))
			break;
		p = take(order, gfp);
	}
	return p;
}

struct page *alloc_pages(u32 order, u32 gfp)
{
	struct page *p;

	if (order > MAX_ORDER)
		return NULL;
	p = take(order, gfp);
	if (unlikely(!p)) {
		p = take_slow(order, gfp);
		if (!p)
			return NULL;
	}
	if ((gfp & GFP_ZERO) && !(p->flags & PG_ZERO))
		memset(page_address(p), 0, PAGE_SIZE << order);
	p->flags = PG_USED;
	p->refs = 1;
	return p;
}

void split_page(struct page *p, u32 order)
{
	for (u32 i = 0; i < 1u << order; i++) {
		p[i].flags = PG_USED;
		p[i].refs = 1;
		p[i].order = 0;
	}
}

struct page *alloc_page_run(u32 nr, u32 gfp)
{
	u32 order = nr > 1 ? 32 - (u32)__builtin_clz(nr - 1) : 0;
	struct page *p = alloc_pages(order, gfp);

	if (!p || !order)
		return p;
	split_page(p, order);
	for (u32 i = nr; i < 1u << order; i++)
		put_page(p + i);
	return p;
}

/* Everything but the link of free lists, which is made zero on removal. */
static void reset_page(struct page *p)
{
	if (p->flags & PG_ANON)
		mm_stat_add(STAT_ANON, -1);
	p->table_private[0] = p->table_private[1] = 0;
	p->private[0] = p->private[1] = 0;
	p->extra = NULL;
	p->extra2 = 0;
}

static void free_pages_final(struct page *p)
{
	u32 order = p->order;

	if (page_to_pfn(p) < zone.first)
		return; /* part of the image or of the boot data */
	reset_page(p);
	p->flags = PG_USED;
	if (order < PCP_ORDERS && likely(stack_max[order])) {
		struct page_stack *s = &this_mm_cpu()->pages[order];

		if (s->n == stack_max[order])
			return_blocks(s, order, stack_batch[order]);
		s->page[s->n++] = p;
		return;
	}
	if (unlikely(faults_on))
		fault_count(-(1l << order));
	spin_lock(&zone.lock);
	free_block(p, order, DIRTY);
	spin_unlock(&zone.lock);
	if (READ_ONCE(zone.large_dirty) > 2 * GIVE_BACK_KEEP)
		give_back_soon();
}

void put_page(struct page *p)
{
	u32 left = atomic_sub_return(&p->refs, 1);

	if (!left)
		free_pages_final(p);
	else
		BUG_ON(left == ~0u);
}

void free_page_batch(struct page **pages, u32 nr)
{
	struct page_stack *s = &this_mm_cpu()->pages[0];
	u32 i = 0;

	for (; i < nr && s->n < stack_max[0]; i++) {
		if (page_to_pfn(pages[i]) < zone.first)
			continue;
		reset_page(pages[i]);
		pages[i]->flags = PG_USED;
		s->page[s->n++] = pages[i];
	}
	if (i == nr)
		return;
	spin_lock(&zone.lock);
	for (; i < nr; i++) {
		if (page_to_pfn(pages[i]) < zone.first)
			continue;
		if (unlikely(faults_on))
			fault_count(-1);
		reset_page(pages[i]);
		free_block(pages[i], 0, DIRTY);
	}
	spin_unlock(&zone.lock);
	if (READ_ONCE(zone.large_dirty) > 2 * GIVE_BACK_KEEP)
		give_back_soon();
}

void *get_zeroed_page(void)
{
	struct page *p = alloc_page(GFP_ZERO | GFP_NOWAIT);

	return p ? page_address(p) : NULL;
}

void free_page_addr(void *p)
{
	if (p)
		put_page(virt_to_page(p));
}

/* ---- memory back to the host ---- */

u64 give_back_surplus(void)
{
	u64 large = READ_ONCE(zone.large_dirty);

	return large > GIVE_BACK_KEEP ? large - GIVE_BACK_KEEP : 0;
}

u64 give_back_pages(u64 want)
{
	u64 done = 0;

	while (done < want) {
		struct page *p = NULL;
		u32 order;

		/* The block that was freed longest ago, large ones first. */
		spin_lock(&zone.lock);
		for (order = MAX_ORDER; order >= GIVE_BACK_ORDER && !p; order--) {
			if (!list_empty(&zone.free[DIRTY][order]))
				p = list_last_entry(&zone.free[DIRTY][order], struct page, lru);
		}
		if (p) {
			order = p->order;
			list_remove_block(p, DIRTY);
			zone.nr_free[DIRTY] -= 1ul << order;
		}
		spin_unlock(&zone.lock);
		if (!p)
			break;
		hv_give_back(page_to_gpa(p), PAGE_SIZE << order);
		spin_lock(&zone.lock);
		free_block(p, order, ZERO);
		spin_unlock(&zone.lock);
		done += 1ul << order;
	}
	return done;
}

/* ---- accounts ---- */

u64 free_page_count(void)
{
	return READ_ONCE(zone.nr_free[DIRTY]) + READ_ONCE(zone.nr_free[ZERO]) + zone.end - READ_ONCE(zone.frontier);
}

bool memory_is_low(void)
{
	return free_page_count() < zone.low;
}

bool reserve_is_low(void)
{
	return free_page_count() < zone.reserve / 2;
}

s64 mm_stat_sum(enum mm_stat which)
{
	s64 sum = 0;

	for (u32 i = 0; i < nr_cpus; i++)
		sum += READ_ONCE(mm_cpu_area[i].stat[which]);
	return sum < 0 ? 0 : sum;
}

void mem_stats(struct mem_stats *s)
{
	u64 stacked = 0;

	for (u32 i = 0; i < nr_cpus; i++) {
		for (u32 order = 0; order < PCP_ORDERS; order++)
			stacked += (u64)READ_ONCE(mm_cpu_area[i].pages[order].n) << order;
	}
	s->total_pages = zone.end - zone.first;
	s->free_pages = free_page_count() + stacked;
	s->cached_pages = (u64)mm_stat_sum(STAT_CACHED);
	s->anon_pages = (u64)mm_stat_sum(STAT_ANON);
	s->slab_pages = (u64)mm_stat_sum(STAT_SLAB);
	s->table_pages = (u64)mm_stat_sum(STAT_TABLE);
	s->dirty_pages = (u64)mm_stat_sum(STAT_DIRTY);
	s->shmem_pages = (u64)mm_stat_sum(STAT_SHMEM);
}

void page_alloc_init(void)
{
	u64 map_gpa = ALIGN_UP(boot->kernel_end, PAGE_SIZE);

	faults_early_init();
	for (u32 i = 0; faults_on && i < PCP_ORDERS; i++) {
		stack_max[i] = 0;
		stack_batch[i] = 1;
	}
	linear_base = boot->linear_base;
	ram_pages = boot->ram_bytes >> PAGE_SHIFT;
	page_map = gpa_to_virt(map_gpa);
	for (u32 kind = 0; kind < KINDS; kind++) {
		for (u32 order = 0; order <= MAX_ORDER; order++)
			list_init(&zone.free[kind][order]);
	}
	zone.first = PAGE_ALIGN(map_gpa + ram_pages * sizeof(struct page)) >> PAGE_SHIFT;
	zone.frontier = zone.first;
	zone.end = ram_pages;
	if (zone.first + (4ul << (20 - PAGE_SHIFT)) > zone.end)
		panic("%lu MB of memory are too few", ram_pages >> (20 - PAGE_SHIFT));
	zone.reserve = MIN((zone.end - zone.first) / 32, 4096ul);
	zone.low = zone.reserve * 2 + (zone.end - zone.first) / 64;
}
