/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls of the VMM, one list per kind of thread, a reason per line. Anything else kills the whole sandbox.
 *
 * The lists are plain numbers with at most one check of an argument, so the filter is assembled here: one comparison
 * each, which the host kernel turns into a bitmap. (The filter of a space, which looks at instruction pointers and
 * addresses, is the user backend's.)
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/jail.h"

#define RULES_MAX 256
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct rule {
	int nr;
	const char *reason;
	/* If mask is not 0: (args[arg] & mask) must be value. */
	unsigned int arg;
	uint32_t mask;
	uint32_t value;
};

#define NO_EXEC .arg = 2, .mask = PROT_EXEC, .value = 0

static const struct rule every_thread[] = {
	{SYS_futex, "locks and sleeping"},
	{SYS_read, "eventfds, timers, signals; data"},
	{SYS_write, "eventfds; data"},
	{SYS_close, "descriptors come and go"},
	{SYS_clock_gettime, "where the vDSO cannot answer"},
	{SYS_mmap, "memory for the C library's heap", NO_EXEC},
	{SYS_mprotect, "the same", NO_EXEC},
	{SYS_munmap, "the same"},
	{SYS_mremap, "the same"},
	{SYS_brk, "the same"},
	{SYS_madvise, "the same; guest memory that is given back"},
	{SYS_getrandom, "the heap's secret"},
	{SYS_rt_sigprocmask, "the C library around thread exit"},
	{SYS_rt_sigreturn, "return from a handler"},
	{SYS_restart_syscall, "a sleep goes on after SIGSTOP and SIGCONT"},
	{SYS_sched_yield, "short waits"},
	{SYS_gettid, "the C library"},
	{SYS_exit, "end of a thread"},
	{SYS_exit_group, "end of the sandbox"},
};

static const struct rule control_thread[] = {
	{SYS_epoll_wait, "the event loop"},
	{SYS_epoll_pwait, "the same"},
	{SYS_epoll_ctl, "console streams are watched when there is something to wait for"},
	{SYS_readv, "console input goes straight into guest memory"},
	{SYS_writev, "console output comes straight from there"},
	{SYS_recvmsg, "the same, when the stream is a socket"},
	{SYS_sendmsg, "the same"},
	{SYS_poll, "streams that cannot be made non-blocking are asked first"},
	{SYS_timerfd_settime, "clock page: next correction; noticing that the clock was set"},
	{SYS_ioctl, "the terminal's modes are restored when the launcher was killed", .arg = 1, .mask = ~0u,
	 .value = TCSETS},
	{SYS_wait4, "spaces that died"},
	{SYS_kill, "the end: spaces are killed (the PID namespace bounds it)"},
	{SYS_tgkill, "kicks"},
	{SYS_fallocate, "memory the guest gave back"},
	{SYS_sched_setaffinity, "where vCPUs run"},
	{SYS_sched_getaffinity, "the same"},
};

static const struct rule file_workers[] = {
	{SYS_tgkill, "kicks (the PID namespace bounds it)"},
	{SYS_fallocate, "of files; the rest of the list comes from the file server"},
};

static const struct rule backend_threads[] = {
	{SYS_tgkill, "kicks (the PID namespace bounds it)"},
	{SYS_kill, "spaces are thrown away (the PID namespace bounds it)"},
	{SYS_wait4, "spaces that died"},
	{SYS_fallocate, "memory the guest gave back"},
	{SYS_sched_setaffinity, "where vCPUs run"},
	{SYS_sched_getaffinity, "the same"},
	{SYS_clock_nanosleep, "timers"},
	{SYS_poll, "waiting for work"},
	{SYS_epoll_wait, "the same"},
	{SYS_timerfd_settime, "the same"},
};

static const struct {
	const struct rule *rules;
	size_t count;
} lists[] = {
	[JAIL_CONTROL] = {control_thread, ARRAY_SIZE(control_thread)},
	[JAIL_FILES] = {file_workers, ARRAY_SIZE(file_workers)},
	[JAIL_BACKEND] = {backend_threads, ARRAY_SIZE(backend_threads)},
};

struct program {
	struct sock_filter insn[8 * RULES_MAX];
	unsigned short len;
};

static void emit(struct program *p, struct sock_filter insn)
{
	p->insn[p->len++] = insn;
}

static void load(struct program *p, uint32_t offset)
{
	emit(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset));
}

static void emit_rule(struct program *p, const struct rule *r)
{
	const uint32_t arg = (uint32_t)(offsetof(struct seccomp_data, args) + r->arg * sizeof(uint64_t));

	if (!r->mask) {
		emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)r->nr, 0, 1));
		emit(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
		return;
	}
	emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)r->nr, 0, 5));
	load(p, arg);
	emit(p, (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, r->mask));
	emit(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, r->value, 0, 1));
	emit(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
	emit(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
}

int jail_seccomp(enum jail_thread kind, const int *more, size_t count)
{
	struct program p = {.len = 0};
	struct sock_fprog prog = {.filter = p.insn};

	if (ARRAY_SIZE(every_thread) + lists[kind].count + count > RULES_MAX)
		return -E2BIG;
	load(&p, offsetof(struct seccomp_data, arch));
	emit(&p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
	emit(&p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
	load(&p, offsetof(struct seccomp_data, nr));
	for (size_t i = 0; i < ARRAY_SIZE(every_thread); i++)
		emit_rule(&p, &every_thread[i]);
	for (size_t i = 0; i < lists[kind].count; i++)
		emit_rule(&p, &lists[kind].rules[i]);
	for (size_t i = 0; i < count; i++)
		emit_rule(&p, &(struct rule){.nr = more[i]});
	emit(&p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
	prog.len = p.len;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
		return -errno;
	return 0;
}
