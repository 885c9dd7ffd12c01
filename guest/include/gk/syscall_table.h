/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatch: one table, indexed by system-call number. */
#ifndef GK_SYSCALL_TABLE_H
#define GK_SYSCALL_TABLE_H

#include <gk/syscall.h>

#define NR_SYSCALLS 463

enum syscall_status { SYS_NONE, SYS_PARTIAL, SYS_FULL };

struct syscall_entry {
	syscall_fn_t fn; /* NULL: ENOSYS */
	const char *name;
	u32 status;
};

extern const struct syscall_entry syscall_table[NR_SYSCALLS];

#endif
