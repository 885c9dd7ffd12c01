/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system-call table, made from gk/syscall_list.h. A handler that no file defines is a weak null: such a call is
 * ENOSYS.
 */
#include <gk/syscall_table.h>

#define SYSCALL(nr, name, status, note) extern __weak syscall_fn_t_ sys_##name;
typedef long syscall_fn_t_(struct pt_regs *regs);
#include <gk/syscall_list.h>
#undef SYSCALL

#define SYSCALL(nr, name, status, note) [nr] = {sys_##name, #name, SYS_##status},
const struct syscall_entry syscall_table[NR_SYSCALLS] = {
#include <gk/syscall_list.h>
};
#undef SYSCALL
