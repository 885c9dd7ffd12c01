/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Host system calls and atomics for the switcher, which has no C library. Each call here is on the list of filter.c;
 * nothing else may be called from a space.
 */
#ifndef UMBRA_SWITCHER_HOST_H
#define UMBRA_SWITCHER_HOST_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOST_write 1
#define HOST_mmap 9
#define HOST_mprotect 10
#define HOST_munmap 11
#define HOST_rt_sigreturn 15
#define HOST_madvise 28
#define HOST_clone 56
#define HOST_sigaltstack 131
#define HOST_prctl 157
#define HOST_futex 202
#define HOST_restart_syscall 219
#define HOST_exit_group 231
#define HOST_tgkill 234
#define HOST_seccomp 317

#define HOST_PROT_READ 1
#define HOST_PROT_WRITE 2
#define HOST_PROT_EXEC 4
#define HOST_MAP_SHARED 0x01
#define HOST_MAP_FIXED 0x10
#define HOST_MAP_POPULATE 0x8000
#define HOST_MADV_REMOVE 9
#define HOST_MADV_POPULATE_READ 22

#define FUTEX_WAIT_ 0
#define FUTEX_WAKE_ 1
#define FUTEX_WAIT_BITSET_ 9
#define FUTEX_PRIVATE_ 128

struct host_timespec {
	int64_t sec;
	int64_t nsec;
};

static inline long host6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}

static inline long host3(long nr, long a, long b, long c)
{
	long ret;

	__asm__ volatile("syscall" : "=a"(ret) : "a"(nr), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return ret;
}

static inline long host_futex(uint32_t *word, int op, uint32_t val, const struct host_timespec *ts, uint32_t bits)
{
	return host6(HOST_futex, (long)word, op, val, (long)ts, 0, bits);
}

/* Between processes. */
static inline void host_wake(uint32_t *word, uint32_t n)
{
	host_futex(word, FUTEX_WAKE_, n, NULL, 0);
}

static inline void host_wait(uint32_t *word, uint32_t val)
{
	host_futex(word, FUTEX_WAIT_, val, NULL, 0);
}

static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (uint64_t)hi << 32 | lo;
}

static inline void cpu_relax(void)
{
	__asm__ volatile("pause" ::: "memory");
}

static inline uint64_t rdgsbase(void)
{
	uint64_t base;

	__asm__ volatile("rdgsbase %0" : "=r"(base));
	return base;
}

static inline void wrgsbase(uint64_t base)
{
	__asm__ volatile("wrgsbase %0" ::"r"(base) : "memory");
}

/* Plain accesses to shared words. */
#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#define load_acquire(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
/* All of these are full barriers on x86. */
#define xchg(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
#define fetch_add(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)
#define fetch_or(p, v) __atomic_fetch_or((p), (v), __ATOMIC_SEQ_CST)
#define fetch_and(p, v) __atomic_fetch_and((p), (v), __ATOMIC_SEQ_CST)

static inline bool cmpxchg32(uint32_t *p, uint32_t old, uint32_t new)
{
	return __atomic_compare_exchange_n(p, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static inline bool cmpxchg64(uint64_t *p, uint64_t old, uint64_t new)
{
	return __atomic_compare_exchange_n(p, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/*
 * A mutex in one word: 0 free, 1 held, 2 held and somebody may sleep. @op_flag is FUTEX_PRIVATE_ when all its users
 * share one process, 0 when they do not.
 */
static inline void mutex_lock(uint32_t *m, int op_flag)
{
	if (cmpxchg32(m, 0, 1))
		return;
	for (int spin = 0; spin < 100; spin++) {
		cpu_relax();
		if (READ_ONCE(*m) == 0 && cmpxchg32(m, 0, 1))
			return;
	}
	while (xchg(m, 2) != 0)
		host_futex(m, FUTEX_WAIT_ | op_flag, 2, NULL, 0);
}

static inline void mutex_unlock(uint32_t *m, int op_flag)
{
	if (xchg(m, 0) == 2)
		host_futex(m, FUTEX_WAKE_ | op_flag, 1, NULL, 0);
}

#endif
