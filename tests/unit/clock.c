/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock page: close to the host's clock from the first moment, and never backwards, whatever the samples say.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "unit.h"
#include "vmm/clock.h"

static uint64_t mono(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

static int64_t page_error(const struct um_clock *page)
{
	struct clock_sample s;

	clock_sample(&s);
	return (int64_t)(clock_page_ns(page, s.tsc) - s.mono_ns);
}

/* Against the real clocks: loose bounds, the machine may be busy. */
static void test_real(void **state)
{
	struct um_clock page = {0};
	struct clock_sample first;
	struct clock c;
	int64_t err;

	clock_sample(&first);
	assert_true(clock_init(&c, &page, &first) > 100000);
	assert_int_equal(page.seq % 2, 0);
	err = page_error(&page);
	assert_true(err > -1000000);
	assert_true(err < 1000000);
	usleep(20000);
	clock_update(&c);
	usleep(2000);
	err = page_error(&page);
	assert_true(err > -1000000);
	assert_true(err < 1000000);
	assert_int_equal(page.steps, 0);
	clock_stepped(&c);
	assert_int_equal(page.steps, 1);
	assert_int_equal(page.seq % 2, 0);
	assert_true(page.real_ns > page.mono_ns);
	assert_true(page.boot_ns >= page.mono_ns);
	(void)mono();
}

struct fake {
	struct clock c;
	struct um_clock page;
	uint64_t tsc;
	double host_ns;
};

static void fake_init(struct fake *f, double ns_per_tick, double wrong_by)
{
	memset(f, 0, sizeof(*f));
	f->tsc = 1000000000;
	f->host_ns = 5e9;
	f->c.page = &f->page;
	f->c.now = (struct um_clock){.shift = 32,
				     .mult = (uint64_t)(ns_per_tick * wrong_by * 4294967296.0),
				     .tsc_base = f->tsc,
				     .mono_ns = (uint64_t)f->host_ns};
	f->c.anchor = f->c.middle = (struct clock_sample){f->tsc, (uint64_t)f->host_ns};
	f->c.next_ns = 1000000000;
}

/* Lets @ticks pass while the host's clock runs at @rate, then updates; checks continuity at that point. */
static void fake_pass(struct fake *f, uint64_t ticks, double rate)
{
	uint64_t before, after;
	struct clock_sample s;

	f->tsc += ticks;
	f->host_ns += (double)ticks * rate;
	s = (struct clock_sample){f->tsc, (uint64_t)f->host_ns};
	before = clock_page_ns(&f->c.now, f->tsc);
	clock_apply(&f->c, &s);
	after = clock_page_ns(&f->c.now, f->tsc);
	assert_true(after >= before);
	assert_true(f->c.now.mult > 0);
}

static int64_t fake_error(const struct fake *f)
{
	return (int64_t)clock_page_ns(&f->c.now, f->tsc) - (int64_t)f->host_ns;
}

static void test_converges(void **state)
{
	struct fake f;

	/* 200 ppm wrong at first, both ways; 3 GHz. */
	for (int sign = -1; sign <= 1; sign += 2) {
		fake_init(&f, 1.0 / 3, 1 + sign * 200e-6);
		for (int i = 0; i < 20; i++)
			fake_pass(&f, 3000000000ull, 1.0 / 3);
		assert_true(fake_error(&f) > -2000);
		assert_true(fake_error(&f) < 2000);
	}
}

/* The host's clock is being slewed: we follow. */
static void test_follows(void **state)
{
	struct fake f;

	fake_init(&f, 0.5, 1);
	for (int i = 0; i < 100; i++)
		fake_pass(&f, 2000000000ull, 0.5 * (1 + 400e-6));
	assert_true(fake_error(&f) > -200000);
	assert_true(fake_error(&f) < 200000);
}

static void test_jump(void **state)
{
	struct fake f;

	fake_init(&f, 0.5, 1);
	fake_pass(&f, 2000000000ull, 0.5);
	/* The TSC stood still for ten seconds. */
	f.host_ns += 10e9;
	fake_pass(&f, 2000000000ull, 0.5);
	assert_true(fake_error(&f) > -1000);
	assert_true(fake_error(&f) < 1000);
	/* The TSC starts from zero. */
	f.tsc = 0;
	f.host_ns += 1e9;
	fake_pass(&f, 1000, 0.5);
	assert_true(fake_error(&f) > -1000);
	assert_true(fake_error(&f) < 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_real),
		cmocka_unit_test(test_converges),
		cmocka_unit_test(test_follows),
		cmocka_unit_test(test_jump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
