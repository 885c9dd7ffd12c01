/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vDSO: what a program's C library calls instead of the kernel. Runs in user mode in every program; the clock page
 * (struct um_clock) is mapped right before it, read-only. Built on its own, position independent, without any library.
 */
#include <abi/boot.h>

#define EXPORT __attribute__((visibility("default")))
#define ALIAS(name) __attribute__((weak, visibility("default"), alias(name)))

#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1
#define CLOCK_MONOTONIC_RAW 4
#define CLOCK_REALTIME_COARSE 5
#define CLOCK_MONOTONIC_COARSE 6
#define CLOCK_BOOTTIME 7
#define CLOCK_TAI 11

#define NR_gettimeofday 96
#define NR_time 201
#define NR_clock_gettime 228
#define NR_clock_getres 229
#define NR_getcpu 309

#define NSEC 1000000000ull

struct timespec {
	int64_t sec, nsec;
};

struct timeval {
	int64_t sec, usec;
};

struct timezone {
	int32_t minuteswest, dsttime;
};

/* vdso.lds: the page before the image. Not const: the compiler would take it that nobody writes there. */
extern struct um_clock clock_page __attribute__((visibility("hidden")));

static inline long syscall3(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "0"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return ret;
}

static inline uint64_t rdtsc_ordered(void)
{
	uint32_t lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}

/* The clock whose base is at @base in the clock page, in ns; false: no such clock here. */
static inline uint64_t read_clock(const uint64_t *base)
{
	const struct um_clock *c = &clock_page;
	uint32_t seq, shift;
	uint64_t ns, tsc, tsc_base, mult;

	do {
		while ((seq = __atomic_load_n(&c->seq, __ATOMIC_ACQUIRE)) & 1)
			__asm__ volatile("pause");
		shift = __atomic_load_n(&c->shift, __ATOMIC_RELAXED);
		mult = __atomic_load_n(&c->mult, __ATOMIC_RELAXED);
		tsc_base = __atomic_load_n(&c->tsc_base, __ATOMIC_RELAXED);
		ns = __atomic_load_n(base, __ATOMIC_RELAXED);
		tsc = rdtsc_ordered();
		/* A vCPU may have moved to a host CPU whose TSC lags a little: time stands still rather than jump. */
		tsc = tsc > tsc_base ? tsc - tsc_base : 0;
		ns += (uint64_t)(((unsigned __int128)tsc * mult) >> shift);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (__atomic_load_n(&c->seq, __ATOMIC_RELAXED) != seq);
	return ns;
}

static const uint64_t *clock_base(int clock, uint64_t *extra)
{
	*extra = 0;
	switch (clock) {
	case CLOCK_TAI:
		*extra = (uint64_t)clock_page.tai_offset_s * NSEC;
		return &clock_page.real_ns;
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
		return &clock_page.real_ns;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
		return &clock_page.mono_ns;
	case CLOCK_BOOTTIME:
		return &clock_page.boot_ns;
	default:
		return 0;
	}
}

EXPORT int __vdso_clock_gettime(int clock, struct timespec *ts);
int __vdso_clock_gettime(int clock, struct timespec *ts)
{
	uint64_t extra, ns;
	const uint64_t *base = clock_base(clock, &extra);

	if (!base)
		return (int)syscall3(NR_clock_gettime, clock, (long)ts, 0);
	ns = read_clock(base) + extra;
	ts->sec = (int64_t)(ns / NSEC);
	ts->nsec = (int64_t)(ns % NSEC);
	return 0;
}

EXPORT int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz);
int __vdso_gettimeofday(struct timeval *tv, struct timezone *tz)
{
	if (tz)
		return (int)syscall3(NR_gettimeofday, (long)tv, (long)tz, 0);
	if (tv) {
		uint64_t ns = read_clock(&clock_page.real_ns);

		tv->sec = (int64_t)(ns / NSEC);
		tv->usec = (int64_t)(ns % NSEC / 1000);
	}
	return 0;
}

EXPORT int64_t __vdso_time(int64_t *t);
int64_t __vdso_time(int64_t *t)
{
	int64_t now = (int64_t)(read_clock(&clock_page.real_ns) / NSEC);

	if (t)
		*t = now;
	return now;
}

EXPORT int __vdso_clock_getres(int clock, struct timespec *res);
int __vdso_clock_getres(int clock, struct timespec *res)
{
	return (int)syscall3(NR_clock_getres, clock, (long)res, 0);
}

/* Only the kernel knows the vCPU: what the processor would tell is the host's CPU. */
EXPORT long __vdso_getcpu(unsigned int *cpu, unsigned int *node, void *unused);
long __vdso_getcpu(unsigned int *cpu, unsigned int *node, void *unused)
{
	return syscall3(NR_getcpu, (long)cpu, (long)node, 0);
}

int clock_gettime(int clock, struct timespec *ts) ALIAS("__vdso_clock_gettime");
int gettimeofday(struct timeval *tv, struct timezone *tz) ALIAS("__vdso_gettimeofday");
int64_t time(int64_t *t) ALIAS("__vdso_time");
int clock_getres(int clock, struct timespec *res) ALIAS("__vdso_clock_getres");
long getcpu(unsigned int *cpu, unsigned int *node, void *unused) ALIAS("__vdso_getcpu");
