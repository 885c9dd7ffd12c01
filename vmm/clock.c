/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The clock page: guest time is the host's CLOCK_MONOTONIC, computed from the TSC.
 *
 * The rate is never calibrated by waiting: the first estimate comes from the time the process has been alive (a
 * millisecond or two, good to some ten parts per million), and every update measures it again over a longer stretch. An
 * update starts a new segment exactly where the old one is at that TSC value, with a rate that meets the host's clock
 * one interval later: readers see a continuous clock that never runs backwards. Only a lag too large to catch up (the
 * machine was suspended or the VMM stopped) is made up by a jump forward. CLOCK_REALTIME and CLOCK_BOOTTIME are offsets
 * to it.
 *
 * Written by the control thread only; the sequence counter is the readers' lock.
 */
#include <string.h>
#include <time.h>

#include "vmm/clock.h"

#define NS_PER_S 1000000000ull
#define SHIFT 32
#define FIRST_NS 300000ull	  /* shortest first calibration */
#define ANCHOR_NS (16 * NS_PER_S) /* the rate is measured over one to two of these */
#define JUMP_NS 100000000ll	  /* behind by more: jump */
#define INTERVAL_FIRST_NS 10000000ull
#define INTERVAL_MAX_NS (4 * NS_PER_S)
#define SLEW_DIV 1000	/* at most 1/1000 faster or slower... */
#define SLEW_FAR_DIV 20 /* ...or 1/20 when off by more than FAR_NS */
#define FAR_NS 1000000ll

typedef unsigned __int128 u128;

static uint64_t rdtsc(void)
{
	return __builtin_ia32_rdtsc();
}

static uint64_t now_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

void clock_sample(struct clock_sample *s)
{
	uint64_t best = ~0ull;

	for (int i = 0; i < 4; i++) {
		const uint64_t before = rdtsc();
		const uint64_t ns = now_ns(CLOCK_MONOTONIC);
		const uint64_t width = rdtsc() - before;

		if (width >= best)
			continue;
		best = width;
		s->tsc = before + width / 2;
		s->mono_ns = ns;
	}
}

uint64_t clock_page_ns(const struct um_clock *page, uint64_t tsc)
{
	return page->mono_ns + (uint64_t)(((u128)(tsc - page->tsc_base) * page->mult) >> page->shift);
}

/* Nanoseconds per tick, times 2^SHIFT. */
static uint64_t rate_between(const struct clock_sample *a, const struct clock_sample *b)
{
	return (uint64_t)(((u128)(b->mono_ns - a->mono_ns) << SHIFT) / (b->tsc - a->tsc));
}

/*
 * The new segment begins at this moment, not when it was computed: since then readers have followed the old one, and
 * where that is ahead a slower new one would take them back.
 */
static void begin_now(struct clock *c)
{
	struct um_clock *n = &c->now;
	const uint64_t tsc = rdtsc();
	uint64_t mono;

	if (!c->shown.mult || tsc < n->tsc_base || tsc < c->shown.tsc_base)
		return;
	mono = clock_page_ns(n, tsc);
	if (mono < clock_page_ns(&c->shown, tsc))
		mono = clock_page_ns(&c->shown, tsc);
	n->real_ns += mono - n->mono_ns;
	n->boot_ns += mono - n->mono_ns;
	n->mono_ns = mono;
	n->tsc_base = tsc;
}

/* Copies c->now to the page under its sequence counter. Pairs with the acquire loads of readers. */
static void publish(struct clock *c)
{
	struct um_clock *p = c->page;
	const struct um_clock *n = &c->now;

	__atomic_store_n(&p->seq, c->now.seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	begin_now(c);
	__atomic_store_n(&p->shift, n->shift, __ATOMIC_RELAXED);
	__atomic_store_n(&p->mult, n->mult, __ATOMIC_RELAXED);
	__atomic_store_n(&p->tsc_base, n->tsc_base, __ATOMIC_RELAXED);
	__atomic_store_n(&p->mono_ns, n->mono_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&p->real_ns, n->real_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&p->boot_ns, n->boot_ns, __ATOMIC_RELAXED);
	__atomic_store_n(&p->steps, n->steps, __ATOMIC_RELAXED);
	__atomic_store_n(&p->tai_offset_s, n->tai_offset_s, __ATOMIC_RELAXED);
	c->now.seq += 2;
	__atomic_store_n(&p->seq, c->now.seq, __ATOMIC_RELEASE);
	c->shown = c->now;
}

/*
 * The other clocks as offsets to the monotonic one. Read back to back: the error is the time between two reads, so the
 * quickest of a few attempts counts.
 */
static void set_offsets(struct clock *c)
{
	int64_t mono = 0, real = 0, boot = 0, tai = 0;
	uint64_t best = ~0ull;

	for (int i = 0; i < 3; i++) {
		const uint64_t before = rdtsc();
		const int64_t m = (int64_t)now_ns(CLOCK_MONOTONIC), r = (int64_t)now_ns(CLOCK_REALTIME);
		const int64_t b = (int64_t)now_ns(CLOCK_BOOTTIME), t = (int64_t)now_ns(CLOCK_TAI);
		const uint64_t width = rdtsc() - before;

		if (width >= best)
			continue;
		best = width;
		mono = m;
		real = r;
		boot = b;
		tai = t;
	}
	c->now.real_ns = (uint64_t)((int64_t)c->now.mono_ns + (real - mono));
	c->now.boot_ns = (uint64_t)((int64_t)c->now.mono_ns + (boot - mono));
	c->now.tai_offset_s = (tai - real + (int64_t)NS_PER_S / 2) / (int64_t)NS_PER_S;
}

uint32_t clock_init(struct clock *c, struct um_clock *page, const struct clock_sample *first)
{
	struct clock_sample s;

	do
		clock_sample(&s);
	while (s.mono_ns - first->mono_ns < FIRST_NS);

	*c = (struct clock){.page = page, .anchor = *first, .middle = s, .next_ns = INTERVAL_FIRST_NS};
	c->now.shift = SHIFT;
	c->now.mult = rate_between(first, &s);
	c->now.tsc_base = s.tsc;
	c->now.mono_ns = s.mono_ns;
	set_offsets(c);
	publish(c);
	return (uint32_t)((s.tsc - first->tsc) * 1000000 / (s.mono_ns - first->mono_ns));
}

void clock_apply(struct clock *c, const struct clock_sample *s)
{
	/* A TSC that went backwards (some machines, after suspend) starts a new measurement. */
	if (s->tsc <= c->now.tsc_base || s->tsc <= c->anchor.tsc || s->mono_ns <= c->anchor.mono_ns) {
		c->anchor = c->middle = *s;
		c->now.tsc_base = s->tsc;
		if (c->now.mono_ns < s->mono_ns)
			c->now.mono_ns = s->mono_ns;
		return;
	}

	const uint64_t rate = rate_between(&c->anchor, s);
	const uint64_t est = clock_page_ns(&c->now, s->tsc);
	int64_t off = (int64_t)(s->mono_ns - est); /* > 0: the page is behind */

	c->now.tsc_base = s->tsc;
	c->now.mono_ns = est;
	if (off > JUMP_NS) {
		c->now.mono_ns = s->mono_ns;
		off = 0;
	}

	const int64_t div = off > FAR_NS || off < -FAR_NS ? SLEW_FAR_DIV : SLEW_DIV;
	const int64_t limit = (int64_t)(rate / (uint64_t)div);
	int64_t slew = (int64_t)((__int128)(int64_t)rate * off / (int64_t)c->next_ns);

	if (slew > limit)
		slew = limit;
	if (slew < -limit)
		slew = -limit;
	c->now.mult = (uint64_t)((int64_t)rate + slew);

	if (s->mono_ns - c->middle.mono_ns > ANCHOR_NS) {
		c->anchor = c->middle;
		c->middle = *s;
	}
}

void clock_update(struct clock *c)
{
	struct clock_sample s;

	c->next_ns = c->next_ns * 4 < INTERVAL_MAX_NS ? c->next_ns * 4 : INTERVAL_MAX_NS;
	clock_sample(&s);
	clock_apply(c, &s);
	set_offsets(c);
	publish(c);
}

void clock_stepped(struct clock *c)
{
	c->now.steps++;
	clock_update(c);
}
