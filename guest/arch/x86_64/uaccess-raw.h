/* SPDX-License-Identifier: Apache-2.0 */
/* uaccess.S: the accesses themselves, without range checks. Only uaccess.c calls these. */
#ifndef ARCH_UACCESS_RAW_H
#define ARCH_UACCESS_RAW_H

#include <gk/types.h>

size_t raw_copy_user(void *dst, const void *src, size_t n);
size_t raw_clear_user(void *dst, size_t n);
ssize_t raw_strncpy_user(char *dst, const char *src, size_t n);
int raw_user_cmpxchg32(u32 *p, u32 *old, u32 new);
int raw_user_load32(u32 *p, u32 *val);

#endif
