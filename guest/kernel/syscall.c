/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls off the fast path (entry.S): traced ones, filtered ones, those that are timed for accounting, unknown
 * numbers. The table is gk/syscall_table.h; every path ends with the result in regs->rax.
 */
#include <gk/acct.h>
#include <gk/errno.h>
#include <gk/printk.h>
#include <gk/ptrace.h>
#include <gk/seccomp.h>
#include <gk/strace.h>
#include <gk/syscall_table.h>
#include <gk/task.h>

void syscall_dispatch_slow(struct pt_regs *regs);

static long no_such_call(u32 nr)
{
	static u64 logged[NR_SYSCALLS / 64 + 1];

	if (nr < NR_SYSCALLS && syscall_table[nr].name &&
	    !(atomic_or(&logged[nr / 64], 1ull << (nr % 64)) & (1ull << (nr % 64))))
		pr_info("%s: system call %s (%u) is not implemented\n", current->comm, syscall_table[nr].name, nr);
	return -ENOSYS;
}

static long dispatch(struct pt_regs *regs)
{
	u64 nr = (u32)regs->orig_rax;

	if (nr >= NR_SYSCALLS || !syscall_table[nr].fn)
		return no_such_call((u32)nr);
	return syscall_table[nr].fn(regs);
}

void syscall_dispatch_slow(struct pt_regs *regs)
{
	u64 work = READ_ONCE(current->work);

	if ((current->acct_entries & (ACCT_SAMPLE - 1)) == 0)
		account_sample_begin(current);
	if ((work & WORK_TRACE_SYSCALL) && !ptrace_syscall_enter(regs))
		goto out;
	if ((work & WORK_SECCOMP) && !seccomp_enter(regs))
		goto out;
	if (work & WORK_STRACE)
		strace_enter(regs);
	regs->rax = (u64)dispatch(regs);
	if (work & WORK_STRACE)
		strace_exit(regs);
out:
	if (READ_ONCE(current->work) & WORK_TRACE_SYSCALL)
		ptrace_syscall_exit(regs);
}
