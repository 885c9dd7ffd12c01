/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks: the time stamp counter, scaled by the clock page that the VMM keeps (abi/boot.h, struct um_clock).
 *
 * Readers take no lock: the page carries a sequence number. The VMM slews the scale so that the monotonic clocks never
 * go back; settings of CLOCK_REALTIME show in `steps`.
 */
#include <abi/boot.h>
#include <gk/atomic.h>
#include <gk/fs.h>
#include <gk/init.h>
#include <gk/page.h>
#include <gk/timer.h>

static const struct um_clock *clock_page;

void clock_init(void)
{
	clock_page = gpa_to_virt(boot->clock);
}

/* Reads of memory before it in program order are done before the counter is read. */
static inline u64 rdtsc_ordered(void)
{
	u32 lo, hi;

	__asm__ volatile("lfence\n\trdtsc" : "=a"(lo), "=d"(hi)::"memory");
	return (u64)hi << 32 | lo;
}

/* Nanoseconds since the page's tsc_base, of a consistent page; *base is the field at @offset. */
static inline u64 clock_read(size_t offset, u64 *base)
{
	const struct um_clock *c = clock_page;
	u64 mult, tsc_base, tsc;
	u32 seq, shift;

	for (;;) {
		seq = smp_load_acquire(&c->seq);
		shift = READ_ONCE(c->shift);
		mult = READ_ONCE(c->mult);
		tsc_base = READ_ONCE(c->tsc_base);
		*base = READ_ONCE(*(const u64 *)(const void *)((const char *)c + offset));
		tsc = rdtsc_ordered();
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (likely(!(seq & 1) && READ_ONCE(c->seq) == seq))
			break;
		cpu_relax();
	}
	/* Another CPU's counter may be a hair behind the one the VMM read. */
	if (unlikely((s64)(tsc - tsc_base) < 0))
		return 0;
	return (u64)(((unsigned __int128)(tsc - tsc_base) * mult) >> shift);
}

ktime_t ktime_mono(void)
{
	u64 base, delta = clock_read(offsetof(struct um_clock, mono_ns), &base);

	return base + delta;
}

ktime_t ktime_real(void)
{
	u64 base, delta = clock_read(offsetof(struct um_clock, real_ns), &base);

	return base + delta;
}

ktime_t ktime_boot(void)
{
	u64 base, delta = clock_read(offsetof(struct um_clock, boot_ns), &base);

	return base + delta;
}

u64 clock_steps(void)
{
	return READ_ONCE(clock_page->steps);
}

s64 clock_tai_offset_ns(void)
{
	return READ_ONCE(clock_page->tai_offset_s) * (s64)NSEC_PER_SEC;
}

struct timespec64 current_time(void)
{
	u64 ns = ktime_real();

	return (struct timespec64){.tv_sec = (s64)(ns / NSEC_PER_SEC), .tv_nsec = (s64)(ns % NSEC_PER_SEC)};
}
