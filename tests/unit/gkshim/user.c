/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program's memory is the test's own. One range of it can be absent: with faults forbidden copies stop there, else it
 * is faulted in; or bad: copies stop there in any case.
 */
#include <string.h>

#include <gk/errno.h>
#include <gk/page.h>
#include <gk/task.h>
#include <gk/uaccess.h>
#include "shim.h"

#define LOWEST 0x10000ull

static _Thread_local u64 absent_start, absent_end;
static _Thread_local bool absent_bad;

void shim_absent(const void *addr, size_t len, bool bad)
{
	absent_start = (u64)addr & PAGE_MASK;
	absent_end = PAGE_ALIGN((u64)addr + len);
	absent_bad = bad;
}

int user_fault_in(u64 addr, bool write)
{
	if (!access_ok(addr, 1))
		return -EFAULT;
	if (addr < absent_start || addr >= absent_end)
		return 0;
	if (absent_bad)
		return -EFAULT;
	absent_start = MIN(absent_end, (addr & PAGE_MASK) + PAGE_SIZE);
	return 0;
}

bool access_ok(u64 addr, u64 len)
{
	return addr + len >= addr && addr >= LOWEST && addr + len <= TASK_SIZE_MAX;
}

/* How much of [addr, addr + n) can be touched. */
static size_t reachable(const void *p, size_t n)
{
	const u64 addr = (u64)p;

	if (!n || !access_ok(addr, n))
		return 0;
	while (absent_start < absent_end && addr < absent_end && addr + n > absent_start) {
		const u64 at = MAX(addr, absent_start);

		if (current->no_faults || user_fault_in(at, false))
			return at - addr;
	}
	return n;
}

size_t copy_from_user_partial(void *dst, const void __user *src, size_t n)
{
	n = reachable(src, n);
	memcpy(dst, src, n);
	return n;
}

size_t copy_to_user_partial(void __user *dst, const void *src, size_t n)
{
	n = reachable(dst, n);
	memcpy(dst, src, n);
	return n;
}

int copy_from_user(void *dst, const void __user *src, size_t n)
{
	return copy_from_user_partial(dst, src, n) == n ? 0 : -EFAULT;
}

int copy_to_user(void __user *dst, const void *src, size_t n)
{
	return copy_to_user_partial(dst, src, n) == n ? 0 : -EFAULT;
}

int clear_user(void __user *dst, size_t n)
{
	if (reachable(dst, n) != n)
		return -EFAULT;
	memset(dst, 0, n);
	return 0;
}

ssize_t strncpy_from_user(char *dst, const char __user *src, size_t size)
{
	size_t n;

	if (!reachable(src, 1))
		return -EFAULT;
	n = strnlen(src, size);
	memcpy(dst, src, n < size ? n + 1 : size);
	return n < size ? (ssize_t)n : -ENAMETOOLONG;
}
