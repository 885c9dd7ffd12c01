/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The little that the linked files of the kernel call in others. What no test gets to is left undefined: who does get
 * there is told the name by the dynamic linker.
 */
#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/signal.h>
#include <gk/string.h>
#include "shim.h"

int set_user_sigmask(const u64 __user *mask, size_t size)
{
	return mask ? -EINVAL : 0;
}

void restore_user_sigmask(bool interrupted)
{
}

ssize_t strscpy(char *dst, const char *src, size_t size)
{
	const size_t n = strnlen(src, size);

	if (!size)
		return -E2BIG;
	memcpy(dst, src, n < size ? n + 1 : size);
	dst[size - 1] = '\0';
	return n < size ? (ssize_t)n : -E2BIG;
}
