/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies from and to programs: range checks here, accesses in uaccess.S. The limits are the boot block's, so no address
 * that passes can lie in supervisor memory.
 */
#include <gk/init.h>
#include <gk/uaccess.h>

#include "uaccess-raw.h"

bool access_ok(u64 addr, u64 len)
{
	u64 end = addr + len;

	if (unlikely(end < addr))
		return false;
	return (addr >= user_limits.lo_start && end <= user_limits.lo_end) ||
	       (addr >= user_limits.hi_start && end <= user_limits.hi_end) || len == 0; /* nothing is accessed */
}

int copy_from_user(void *dst, const void __user *src, size_t n)
{
	if (unlikely(!access_ok((u64)src, n)))
		return n ? -EFAULT : 0;
	return unlikely(raw_copy_user(dst, src, n)) ? -EFAULT : 0;
}

int copy_to_user(void __user *dst, const void *src, size_t n)
{
	if (unlikely(!access_ok((u64)dst, n)))
		return n ? -EFAULT : 0;
	return unlikely(raw_copy_user(dst, src, n)) ? -EFAULT : 0;
}

/* How many of @n bytes at @addr are in a range where programs may be. */
static size_t accessible(u64 addr, size_t n)
{
	u64 limit;

	if (addr >= user_limits.lo_start && addr < user_limits.lo_end)
		limit = user_limits.lo_end - addr;
	else if (addr >= user_limits.hi_start && addr < user_limits.hi_end)
		limit = user_limits.hi_end - addr;
	else
		limit = 0;
	return MIN((u64)n, limit);
}

size_t copy_from_user_partial(void *dst, const void __user *src, size_t n)
{
	n = accessible((u64)src, n);
	return n - raw_copy_user(dst, src, n);
}

size_t copy_to_user_partial(void __user *dst, const void *src, size_t n)
{
	n = accessible((u64)dst, n);
	return n - raw_copy_user(dst, src, n);
}

int clear_user(void __user *dst, size_t n)
{
	if (unlikely(!access_ok((u64)dst, n)))
		return n ? -EFAULT : 0;
	return raw_clear_user(dst, n) ? -EFAULT : 0;
}

ssize_t strncpy_from_user(char *dst, const char __user *src, size_t size)
{
	size_t max = accessible((u64)src, size);
	ssize_t len;

	if (!max)
		return size ? -EFAULT : 0;
	len = raw_strncpy_user(dst, src, max);
	if (len < 0)
		return -EFAULT;
	if ((size_t)len < max)
		return len;
	return max < size ? -EFAULT : -ENAMETOOLONG;
}

int user_cmpxchg32(u32 __user *p, u32 *old, u32 new)
{
	return access_ok((u64)p, 4) ? raw_user_cmpxchg32(p, old, new) : -EFAULT;
}

int user_load32(u32 __user *p, u32 *val)
{
	return access_ok((u64)p, 4) ? raw_user_load32(p, val) : -EFAULT;
}
