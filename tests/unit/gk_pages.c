/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's page allocator and slabs: no two owners, zero where promised, nothing lost, threads as vCPUs. */
#include <pthread.h>
#include <string.h>

#include <gk/init.h>
#include <gk/page.h>
#include <gk/slab.h>
#include "../../guest/mm/internal.h"
#include "unit.h"
#include "gkshim/shim.h"

#define RAM (192ull << 20)
#define HELD 4000

static u32 give_back_asked;

void give_back_soon(void)
{
	give_back_asked++;
}

bool faults_on;

void faults_early_init(void)
{
}

bool fault_due(void)
{
	return false;
}

bool fault_take(void)
{
	return false;
}

void fault_count(s64 n)
{
}

void reclaim_on_return(void)
{
}

void reclaim_soon(void)
{
}

bool reclaim_for_alloc(u32 order, bool may_kill, u32 tries)
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
		assert_true(*(u64 *)page_address(p + i) == value + i);
}

static void check_zero(struct page *p, u32 order)
{
	const u64 *w = page_address(p);

	for (u64 i = 0; i < (PAGE_SIZE << order) / 8; i += 61)
		assert_false(w[i]);
	assert_false(w[0]);
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
			assert_int_equal(h->p->refs, 1);
			assert_true(h->p->order == h->order);
			put_page(h->p);
			h->p = NULL;
			continue;
		}
		h->order = rnd(&seed) % 100 ? rnd(&seed) % 5 * (rnd(&seed) % 2) : rnd(&seed) % (MAX_ORDER + 1);
		h->p = alloc_pages(h->order, zero ? GFP_ZERO : 0);
		if (!h->p)
			continue;
		assert_false((page_to_pfn(h->p) & ((1ul << h->order) - 1)));
		assert_int_equal(h->p->flags, PG_USED);
		assert_false(h->p->extra);
		assert_false(h->p->mapping);
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

static void test_basic(void **state)
{
	u64 before = free_now();
	struct page *p = alloc_pages(CHUNK_ORDER, GFP_ZERO), *q, *run;

	assert_true(p);
	assert_true(free_now() == before - CHUNK_PAGES);
	split_page(p, CHUNK_ORDER);
	for (u32 i = 0; i < CHUNK_PAGES; i++) {
		assert_int_equal(p[i].refs, 1);
		assert_int_equal(p[i].order, 0);
		get_page(p + i);
		put_page(p + i);
		memset(page_address(p + i), 0xaa, PAGE_SIZE);
	}
	for (u32 i = 0; i < CHUNK_PAGES; i++)
		put_page(p + i);
	assert_true(free_now() == before);
	/* What comes back was used: it must be cleared. */
	q = alloc_page(GFP_ZERO);
	check_zero(q, 0);
	put_page(q);
	for (u32 nr = 1; nr <= CHUNK_PAGES; nr++) {
		run = alloc_page_run(nr, GFP_ZERO);
		assert_true(run);
		assert_true(free_now() == before - nr);
		for (u32 i = 0; i < nr; i++) {
			assert_int_equal(run[i].refs, 1);
			assert_int_equal(run[i].order, 0);
			check_zero(run + i, 0);
		}
		for (u32 i = 0; i < nr; i++)
			put_page(run + i);
	}
	assert_false(alloc_pages(MAX_ORDER + 1, 0));
	/* Boot memory is never freed. */
	q = pfn_to_page(2);
	get_page(q);
	put_page(q);
	assert_true(free_now() == before);
}

static void test_exhaustion(void **state)
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
	assert_true(n == before);
	assert_true(user < n); /* the kernel has a reserve */
	assert_false(kmalloc(100000));
	while (!list_empty(&all)) {
		p = list_first_entry(&all, struct page, lru);
		list_del(&p->lru);
		memset(page_address(p), 0x55, PAGE_SIZE);
		put_page(p);
	}
	assert_true(free_now() == before);
	/* It came back in single pages and is whole again. */
	p = alloc_pages(MAX_ORDER, GFP_ZERO);
	assert_true(p);
	check_zero(p, MAX_ORDER);
	put_page(p);
}

static void test_give_back(void **state)
{
	u64 before = free_now(), surplus = give_back_surplus();
	struct page *p;

	assert_true(give_back_asked);
	assert_true(surplus);
	assert_true(give_back_pages(surplus) >= surplus);
	assert_true(shim_given_back >= surplus << PAGE_SHIFT);
	assert_false(give_back_surplus());
	assert_true(free_now() == before);
	for (u32 i = 0; i < 20; i++) {
		p = alloc_pages(MAX_ORDER, GFP_ZERO);
		assert_true(p);
		check_zero(p, MAX_ORDER);
		memset(page_address(p), 1, PAGE_SIZE << MAX_ORDER);
		put_page(p);
	}
}

static void slabs(u32 seed)
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
				assert_true(held[k].p[j] == held[k].fill);
			if (rnd(&seed) % 4 == 0) {
				size_t n = 1 + rnd(&seed) % 5000;
				u8 *q = krealloc(held[k].p, n);

				assert_true(q);
				assert_true(q[0] == held[k].fill);
				assert_true(q[MIN(n, held[k].n) - 1] == held[k].fill);
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
		assert_true(held[k].p);
		assert_true(ksize(held[k].p) >= held[k].n);
		assert_false(((u64)held[k].p & 7));
		if (i & 1)
			assert_true(!held[k].p[0] && !held[k].p[held[k].n - 1]);
		held[k].fill = (u8)rnd(&seed);
		memset(held[k].p, held[k].fill, held[k].n);
	}
	for (u32 k = 0; k < 2000; k++) {
		kfree(held[k].p);
		held[k].p = NULL;
	}
}

static void test_slab_edges(void **state)
{
	assert_false(kmalloc(0));
	assert_false(kcalloc(~0ul, 16));
	assert_false(kmalloc((4ul << 20) + 1));
	kfree(NULL);
	void *p = kmalloc(4ul << 20);

	assert_true(p);
	assert_true(ksize(p) == 4ul << 20);
	kfree(p);
	char *s = kstrndup("abcdef", 3);

	assert_string_equal(s, "abc");
	kfree(s);
}

static void *thread(void *arg)
{
	u32 id = (u32)(u64)arg;

	shim_cpu = &shim_cpus[id];
	shim_cpu->id = id;
	churn(id * 77 + 1, 60000);
	slabs(id + 5);
	return NULL;
}

static void test_churn(void **state)
{
	u64 before = free_now();

	churn(1, 100000);
	assert_true(free_now() == before);
}

static void test_slabs(void **state)
{
	slabs(3);
}

static void test_threads(void **state)
{
	pthread_t t[4];
	u64 before = free_now();

	nr_cpus = 5;
	for (u64 i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, thread, (void *)(i + 1)), 0);
	for (u64 i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	/* All but slabs and magazines is back. */
	assert_true(before - free_now() < 1024);
}

static int setup(void **state)
{
	shim_ram(RAM);
	page_alloc_init();
	slab_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_basic),	  cmocka_unit_test(test_churn),	     cmocka_unit_test(test_exhaustion),
		cmocka_unit_test(test_give_back), cmocka_unit_test(test_slab_edges), cmocka_unit_test(test_slabs),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
