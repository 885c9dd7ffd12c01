/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's page allocator and slabs: no two owners, zero where promised, nothing lost, threads as vCPUs. */
#include <pthread.h>
#include <string.h>

#include <gk/init.h>
#include <gk/page.h>
#include <gk/slab.h>
#include "../../guest/mm/internal.h"
#include "check.h"
#include "gkshim/shim.h"

#define RAM (192ull << 20)
#define HELD 4000

static u32 give_back_asked;

void give_back_soon(void)
{
	give_back_asked++;
}

void reclaim_soon(void)
{
}

bool reclaim_for_alloc(u32 order, bool may_kill)
{
	return false;
}

static u32 rnd(u32 *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void stamp(struct page *p, u32 order, u64 value)
{
	for (u64 i = 0; i < 1ul << order; i++)
		*(u64 *)page_address(p + i) = value + i;
}

static void check_stamp(struct page *p, u32 order, u64 value)
{
	for (u64 i = 0; i < 1ul << order; i++)
		CHECK(*(u64 *)page_address(p + i) == value + i);
}

static void check_zero(struct page *p, u32 order)
{
	const u64 *w = page_address(p);

	for (u64 i = 0; i < (PAGE_SIZE << order) / 8; i += 61)
		CHECK(!w[i]);
	CHECK(!w[0]);
}

struct held {
	struct page *p;
	u32 order;
	u64 value;
};

static void churn(u32 seed, u32 rounds)
{
	static _Thread_local struct held held[HELD];
	u64 value = (u64)seed << 40;

	for (u32 i = 0; i < rounds; i++) {
		struct held *h = &held[rnd(&seed) % HELD];
		bool zero = rnd(&seed) & 1;

		if (h->p) {
			check_stamp(h->p, h->order, h->value);
			CHECK(h->p->refs == 1 && h->p->order == h->order);
			put_page(h->p);
			h->p = NULL;
			continue;
		}
		h->order = rnd(&seed) % 100 ? rnd(&seed) % 5 * (rnd(&seed) % 2) : rnd(&seed) % (MAX_ORDER + 1);
		h->p = alloc_pages(h->order, zero ? GFP_ZERO : 0);
		if (!h->p)
			continue;
		CHECK(!(page_to_pfn(h->p) & ((1ul << h->order) - 1)));
		CHECK(h->p->flags == PG_USED && !h->p->extra && !h->p->mapping);
		if (zero)
			check_zero(h->p, h->order);
		h->value = value;
		value += 2048;
		stamp(h->p, h->order, h->value);
	}
	for (u32 i = 0; i < HELD; i++) {
		if (held[i].p) {
			check_stamp(held[i].p, held[i].order, held[i].value);
			put_page(held[i].p);
			held[i].p = NULL;
		}
	}
}

static u64 free_now(void)
{
	struct mem_stats s;

	mem_stats(&s);
	return s.free_pages;
}

static void test_basic(void)
{
	u64 before = free_now();
	struct page *p = alloc_pages(CHUNK_ORDER, GFP_ZERO), *q, *run;

	CHECK(p && free_now() == before - CHUNK_PAGES);
	split_page(p, CHUNK_ORDER);
	for (u32 i = 0; i < CHUNK_PAGES; i++) {
		CHECK(p[i].refs == 1 && p[i].order == 0);
		get_page(p + i);
		put_page(p + i);
		memset(page_address(p + i), 0xaa, PAGE_SIZE);
	}
	for (u32 i = 0; i < CHUNK_PAGES; i++)
		put_page(p + i);
	CHECK(free_now() == before);
	/* What comes back was used: it must be cleared. */
	q = alloc_page(GFP_ZERO);
	check_zero(q, 0);
	put_page(q);
	for (u32 nr = 1; nr <= CHUNK_PAGES; nr++) {
		run = alloc_page_run(nr, GFP_ZERO);
		CHECK(run && free_now() == before - nr);
		for (u32 i = 0; i < nr; i++) {
			CHECK(run[i].refs == 1 && run[i].order == 0);
			check_zero(run + i, 0);
		}
		for (u32 i = 0; i < nr; i++)
			put_page(run + i);
	}
	CHECK(!alloc_pages(MAX_ORDER + 1, 0));
	/* Boot memory is never freed. */
	q = pfn_to_page(2);
	get_page(q);
	put_page(q);
	CHECK(free_now() == before);
}

static void test_exhaustion(void)
{
	LIST_HEAD(all);
	u64 before = free_now(), n = 0, user;
	struct page *p;

	while ((p = alloc_page(GFP_USER | GFP_NOWAIT))) {
		list_add(&p->lru, &all);
		n++;
	}
	user = n;
	while ((p = alloc_page(GFP_NOWAIT))) {
		list_add(&p->lru, &all);
		n++;
	}
	CHECK(n == before && user < n); /* the kernel has a reserve */
	CHECK(!kmalloc(100000));
	while (!list_empty(&all)) {
		p = list_first_entry(&all, struct page, lru);
		list_del(&p->lru);
		memset(page_address(p), 0x55, PAGE_SIZE);
		put_page(p);
	}
	CHECK(free_now() == before);
	/* It came back in single pages and is whole again. */
	p = alloc_pages(MAX_ORDER, GFP_ZERO);
	CHECK(p);
	check_zero(p, MAX_ORDER);
	put_page(p);
}

static void test_give_back(void)
{
	u64 before = free_now(), surplus = give_back_surplus();
	struct page *p;

	CHECK(give_back_asked && surplus);
	CHECK(give_back_pages(surplus) >= surplus && shim_given_back >= surplus << PAGE_SHIFT);
	CHECK(!give_back_surplus() && free_now() == before);
	for (u32 i = 0; i < 20; i++) {
		p = alloc_pages(MAX_ORDER, GFP_ZERO);
		CHECK(p);
		check_zero(p, MAX_ORDER);
		memset(page_address(p), 1, PAGE_SIZE << MAX_ORDER);
		put_page(p);
	}
}

static void test_slab(u32 seed)
{
	static _Thread_local struct {
		u8 *p;
		size_t n;
		u8 fill;
	} held[2000];

	for (u32 i = 0; i < 60000; i++) {
		u32 k = rnd(&seed) % 2000;

		if (held[k].p) {
			for (size_t j = 0; j < held[k].n; j += 1 + held[k].n / 64)
				CHECK(held[k].p[j] == held[k].fill);
			if (rnd(&seed) % 4 == 0) {
				size_t n = 1 + rnd(&seed) % 5000;
				u8 *q = krealloc(held[k].p, n);

				CHECK(q && q[0] == held[k].fill && q[MIN(n, held[k].n) - 1] == held[k].fill);
				held[k].p = q;
				held[k].n = n;
				memset(q, held[k].fill, n);
				continue;
			}
			kfree(held[k].p);
			held[k].p = NULL;
			continue;
		}
		held[k].n = rnd(&seed) % 50 ? 1 + rnd(&seed) % 700 : 1 + rnd(&seed) % 100000;
		held[k].p = i & 1 ? kzalloc(held[k].n) : kmalloc(held[k].n);
		CHECK(held[k].p && ksize(held[k].p) >= held[k].n && !((u64)held[k].p & 7));
		if (i & 1)
			CHECK(!held[k].p[0] && !held[k].p[held[k].n - 1]);
		held[k].fill = (u8)rnd(&seed);
		memset(held[k].p, held[k].fill, held[k].n);
	}
	for (u32 k = 0; k < 2000; k++) {
		kfree(held[k].p);
		held[k].p = NULL;
	}
}

static void test_slab_edges(void)
{
	CHECK(!kmalloc(0) && !kcalloc(~0ul, 16) && !kmalloc((4ul << 20) + 1));
	kfree(NULL);
	void *p = kmalloc(4ul << 20);

	CHECK(p && ksize(p) == 4ul << 20);
	kfree(p);
	char *s = kstrndup("abcdef", 3);

	CHECK(!strcmp(s, "abc"));
	kfree(s);
}

static void *thread(void *arg)
{
	u32 id = (u32)(u64)arg;

	shim_cpu = &shim_cpus[id];
	shim_cpu->id = id;
	churn(id * 77 + 1, 60000);
	test_slab(id + 5);
	return NULL;
}

int main(void)
{
	pthread_t t[4];
	u64 before;

	shim_ram(RAM);
	page_alloc_init();
	slab_init();
	before = free_now();
	test_basic();
	churn(1, 100000);
	CHECK(free_now() == before);
	test_exhaustion();
	test_give_back();
	test_slab_edges();
	test_slab(3);
	nr_cpus = 5;
	for (u64 i = 0; i < 4; i++)
		CHECK(!pthread_create(&t[i], NULL, thread, (void *)(i + 1)));
	for (u64 i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	/* All but slabs and magazines is back. */
	CHECK(before - free_now() < 1024);
	return 0;
}
