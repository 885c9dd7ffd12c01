/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system calls of the VMM, one list per kind of thread, a reason per line. Anything else kills the whole sandbox.
 *
 * The lists are plain numbers with at most one check of an argument, so the filter is assembled here: one comparison
 * each, which the host kernel turns into a bitmap. (The filter of a space, which looks at instruction pointers and
 * addresses, is the user backend's.)
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/jail.h"

#define RULES_MAX 120
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
	{SYS_fcntl, "locks of open file descriptions that do not wait: F_OFD_GETLK, F_OFD_SETLK", .arg = 1, .mask = ~1u,
	 .value = F_OFD_GETLK},
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

/* A filter under construction. Leaves of the tree jump to places that are only known at the end. */
struct program {
	struct sock_filter insn[JAIL_FILTER_MAX + 8 * RULES_MAX];
	unsigned short len;
	struct rule rules[RULES_MAX]; /* sorted by number */
	size_t count;
	unsigned short leaf[RULES_MAX]; /* the instruction that recognises rules[i] */
};

static unsigned short emit(struct program *p, uint16_t code, uint32_t k)
{
	p->insn[p->len] = (struct sock_filter){.code = code, .k = k};
	return p->len++;
}

static void load(struct program *p, size_t offset)
{
	emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset);
}

/* From instruction @at: where to go on, relative to the next one. */
static bool branch(struct program *p, unsigned short at, unsigned int on_true, unsigned int on_false)
{
	if (on_true - at - 1 > UINT8_MAX || on_false - at - 1 > UINT8_MAX)
		return false;
	p->insn[at].jt = (uint8_t)(on_true - at - 1);
	p->insn[at].jf = (uint8_t)(on_false - at - 1);
	return true;
}

/*
 * A search tree over rules[first .. first + count): the host runs a filter once for each number when it is installed,
 * so short ways count at the start of a sandbox.
 */
static bool emit_tree(struct program *p, size_t first, size_t count)
{
	const size_t half = count / 2;
	unsigned short at;

	if (count == 1) {
		p->leaf[first] = emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)p->rules[first].nr);
		return true;
	}
	at = emit(p, BPF_JMP | BPF_JGE | BPF_K, (uint32_t)p->rules[first + half].nr);
	if (!emit_tree(p, first, half) || !branch(p, at, p->len, at + 1u))
		return false;
	return emit_tree(p, first + half, count - half);
}

/* What follows the tree: the two answers, and a check for each rule that has one. */
static bool emit_answers(struct program *p)
{
	const unsigned short kill = emit(p, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	const unsigned short allow = emit(p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW);

	for (size_t i = 0; i < p->count; i++) {
		const struct rule *r = &p->rules[i];
		unsigned short at;

		if (!branch(p, p->leaf[i], r->mask ? p->len : allow, kill))
			return false;
		if (!r->mask)
			continue;
		load(p, offsetof(struct seccomp_data, args) + r->arg * sizeof(uint64_t));
		emit(p, BPF_ALU | BPF_AND | BPF_K, r->mask);
		at = emit(p, BPF_JMP | BPF_JEQ | BPF_K, r->value);
		branch(p, at, at + 1u, at + 2u);
		emit(p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
		emit(p, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	}
	return true;
}

/* Inserts in order; of two rules for one number the one without a check counts. */
static void add_rule(struct program *p, const struct rule *r)
{
	size_t i = p->count;

	while (i > 0 && p->rules[i - 1].nr > r->nr)
		i--;
	if (i > 0 && p->rules[i - 1].nr == r->nr) {
		if (!r->mask)
			p->rules[i - 1] = *r;
		return;
	}
	memmove(&p->rules[i + 1], &p->rules[i], (p->count - i) * sizeof(p->rules[0]));
	p->rules[i] = *r;
	p->count++;
}

int jail_filter(enum jail_thread kind, const int *more, size_t count, struct sock_filter *insn, size_t room)
{
	struct program p = {.len = 0};
	unsigned short at;

	if (ARRAY_SIZE(every_thread) + lists[kind].count + count > RULES_MAX)
		return -E2BIG;
	for (size_t i = 0; i < ARRAY_SIZE(every_thread); i++)
		add_rule(&p, &every_thread[i]);
	for (size_t i = 0; i < lists[kind].count; i++)
		add_rule(&p, &lists[kind].rules[i]);
	for (size_t i = 0; i < count; i++)
		add_rule(&p, &(struct rule){.nr = more[i]});

	load(&p, offsetof(struct seccomp_data, arch));
	at = emit(&p, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64);
	branch(&p, at, at + 2u, at + 1u);
	emit(&p, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
	load(&p, offsetof(struct seccomp_data, nr));
	if (!emit_tree(&p, 0, p.count) || !emit_answers(&p) || p.len > room)
		return -E2BIG;
	memcpy(insn, p.insn, p.len * sizeof(*insn));
	return p.len;
}

int jail_seccomp(enum jail_thread kind, const int *more, size_t count)
{
	struct sock_filter insn[JAIL_FILTER_MAX];
	struct sock_fprog prog = {.filter = insn};
	const int len = jail_filter(kind, more, count, insn, JAIL_FILTER_MAX);

	if (len < 0)
		return len;
	prog.len = (unsigned short)len;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
		return -errno;
	return 0;
}
