/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What memory-management code of the guest kernel expects around it, for host programs: RAM is a mapping, vCPUs are
 * threads, GIVE_BACK drops pages.
 */
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "abi/layout.h"
#include <gk/hypercall.h>
#include <gk/percpu.h>
#include "shim.h"

struct cpu shim_cpus[MAX_CPUS];
_Thread_local struct cpu *shim_cpu = shim_cpus;
struct task *shim_current;
u32 nr_cpus = 1;
static struct um_boot boot_block;
const struct um_boot *boot = &boot_block;
u64 shim_given_back;

long hypercall4(u64 nr, u64 a, u64 b, u64 c, u64 d)
{
	if (nr == UM_HC_GIVE_BACK) {
		if (madvise((void *)(boot_block.linear_base + a), b, MADV_DONTNEED))
			abort();
		shim_given_back += b;
	}
	return 0;
}

void shim_ram(u64 bytes)
{
	boot_block.ram_bytes = bytes;
	boot_block.kernel_end = 0x300000;
	boot_block.linear_base =
		(u64)mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	boot_block.user_lo_start = UM_USER_LO_START;
	boot_block.user_lo_end = UM_USER_LO_END;
	boot_block.user_hi_start = UM_USER_HI_START;
	boot_block.user_hi_end = UM_USER_HI_END;
}

void spin_lock_slow(spinlock_t *l)
{
	while (!spin_trylock(l))
		sched_yield();
}

void spin_unlock_slow(spinlock_t *l)
{
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	abort();
}
