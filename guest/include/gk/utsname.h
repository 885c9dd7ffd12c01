/* SPDX-License-Identifier: Apache-2.0 */
/* The system's names: uname(2), /proc/version, /proc/sys/kernel (kernel/uname.c). */
#ifndef GK_UTSNAME_H
#define GK_UTSNAME_H

#include <gk/types.h>

#define UTS_LEN 65

struct utsname { /* Linux struct new_utsname */
	char sysname[UTS_LEN], nodename[UTS_LEN], release[UTS_LEN], version[UTS_LEN], machine[UTS_LEN],
		domainname[UTS_LEN];
};

void utsname_read(struct utsname *u);
/* @len bytes without NUL. 0 or -EINVAL (too long). Permission is the caller's business. */
int hostname_write(const char *name, size_t len);
int domainname_write(const char *name, size_t len);

#endif
