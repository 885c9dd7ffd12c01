/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is below the kernel: boot block, vCPUs' areas, hypercalls (waiting is a futex, GIVE_BACK drops pages), panic;
 * and the points where threads give way.
 */
#include <linux/futex.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <gk/hypercall.h>
#include <gk/percpu.h>
#include "shim.h"

struct cpu shim_cpus[MAX_CPUS];
_Thread_local struct cpu *shim_cpu = shim_cpus;
_Thread_local struct task *shim_current;
struct cpu *cpus[MAX_CPUS];
u32 nr_cpus = 1;
static struct um_boot boot_block;
const struct um_boot *boot = &boot_block;
u64 shim_given_back;
bool gk_quiet = true, gk_debug;

static void wait_word(u32 *word, u32 val, u64 timeout_ns)
{
	struct timespec ts = {(time_t)(timeout_ns / NSEC_PER_SEC), (long)(timeout_ns % NSEC_PER_SEC)};

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, val, timeout_ns == KTIME_NEVER ? NULL : &ts, NULL, 0);
}

long hypercall4(u64 nr, u64 a, u64 b, u64 c, u64 d)
{
	switch (nr) {
	case UM_HC_GIVE_BACK:
		if (madvise((void *)(boot_block.linear_base + a), b, MADV_DONTNEED))
			abort();
		shim_given_back += b;
		break;
	case UM_HC_WAIT:
		wait_word((u32 *)a, (u32)b, c);
		break;
	case UM_HC_WAKE:
		syscall(SYS_futex, a, FUTEX_WAKE_PRIVATE, b, NULL, NULL, 0);
		break;
	}
	return 0;
}

void shim_ram(u64 bytes)
{
	const int prot = PROT_READ | PROT_WRITE, flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

	boot_block.ram_bytes = bytes;
	boot_block.kernel_end = 0x300000;
	boot_block.linear_base = (u64)mmap(NULL, bytes, prot, flags, -1, 0);
	boot_block.user_lo_start = 0x10000;
	boot_block.user_lo_end = 0x63ff00000000;
	boot_block.user_hi_start = 0x700100000000;
	boot_block.user_hi_end = 0x7ffffffff000;
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

void printk(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int scnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n < (int)size ? n : size ? (int)size - 1 : 0;
}

/* ---- giving way ---- */

/* A bad access is the sanitizer's to report, not cmocka's, also when a test is run by hand. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "handle_segv=2:handle_sigbus=2";
}

#define MAX_YIELDS 2000 /* on a busy machine each may take milliseconds */

u32 shim_stirred;
static u32 yields_left;
static _Thread_local u32 seed = 1;

u32 shim_random(u32 n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 8) % n;
}

void shim_seed(u32 s)
{
	seed = s;
}

void shim_stir(u32 one_in)
{
	WRITE_ONCE(yields_left, MAX_YIELDS);
	WRITE_ONCE(shim_stirred, one_in);
}

void shim_point_slow(void)
{
	const u32 one_in = READ_ONCE(shim_stirred);

	if (!one_in || shim_random(one_in))
		return;
	if (!shim_random(8) && READ_ONCE(yields_left)) {
		WRITE_ONCE(yields_left, yields_left - 1);
		sched_yield();
		return;
	}
	for (u32 n = shim_random(200); n; n--)
		cpu_relax();
}
