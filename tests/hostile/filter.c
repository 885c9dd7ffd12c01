/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filter of a space against an enemy who calls from inside the switcher with any number and any arguments.
 *
 * First the program is interpreted here for many combinations of edge values, and what it lets through is checked
 * against what makes a call harmless (said in terms of ranges, not of words). Then it is installed for real and every
 * number is tried, from the switcher's address (must kill or be on the list) and from elsewhere (must trap).
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "vmm/backend/user/user.h"

#define X32_BIT 0x40000000
#define TRAPPED 55 /* exit status of a child whose call came back as SIGSYS */

static const struct switcher_header hdr = {
	.text_end = UM_SWITCHER_TEXT + 0x5000,
	.template_start = UM_SWITCHER_TEXT + 0x5000,
	.template_end = UM_SWITCHER_TEXT + 0x6000,
	.clone_ip = UM_SWITCHER_TEXT + 0x5029,
};

static struct sock_filter program[CHAN_FILTER_MAX];
static unsigned int length;
static unsigned long tried, allowed;

static void fail(const char *what, const struct seccomp_data *d)
{
	fprintf(stderr, "%s: nr %d arch %#x ip %#llx args", what, d->nr, d->arch,
		(unsigned long long)d->instruction_pointer);
	for (int i = 0; i < 6; i++)
		fprintf(stderr, " %#llx", (unsigned long long)d->args[i]);
	fprintf(stderr, "\n");
	exit(1);
}

static uint32_t interpret(const struct seccomp_data *d)
{
	uint32_t a = 0;

	for (unsigned int pc = 0; pc < length; pc++) {
		const struct sock_filter *f = &program[pc];

		switch (f->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&a, (const char *)d + f->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= f->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > f->k ? f->jt : f->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= f->k ? f->jt : f->jf;
			break;
		case BPF_RET | BPF_K:
			return f->k;
		default:
			fail("unknown instruction", d);
		}
	}
	fail("ran off the end", d);
	return 0;
}

/* Does [start, start + len) keep away from the window and lie in user space altogether? */
static bool outside_window(uint64_t start, uint64_t len)
{
	unsigned __int128 end = (unsigned __int128)start + len;

	return end <= UM_WINDOW_START || (start >= UM_WINDOW_END && end <= ((unsigned __int128)1 << 48));
}

static bool harmless(const struct seccomp_data *d, bool direct_kick)
{
	const uint64_t *a = (const uint64_t *)d->args;
	uint32_t op = (uint32_t)a[1] & ~(uint32_t)(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);

	switch (d->nr) {
	case SYS_rt_sigreturn:
	case SYS_restart_syscall:
	case SYS_sigaltstack:
	case SYS_exit_group:
		return true;
	case SYS_futex: /* the kernel looks at 32 bits of the operation */
		return op == FUTEX_WAIT || op == FUTEX_WAKE || op == FUTEX_WAIT_BITSET || op == FUTEX_WAKE_BITSET;
	case SYS_mmap:
		return outside_window(a[0], a[1]) && a[2] <= 7 &&
		       (a[3] == (MAP_SHARED | MAP_FIXED) || a[3] == (MAP_SHARED | MAP_FIXED | MAP_POPULATE)) &&
		       a[4] == SPACE_FD_RAM;
	case SYS_munmap:
		return outside_window(a[0], a[1]) || (a[0] == UM_SWITCHER_PRIV && a[1] == CHAN_SIZE) ||
		       (a[0] == hdr.template_start && a[1] == hdr.template_end - hdr.template_start);
	case SYS_mprotect:
		return outside_window(a[0], a[1]) && a[2] <= 7;
	case SYS_write:
		return a[0] == SPACE_FD_DOORBELL && a[2] == 8;
	case SYS_tgkill:
		return direct_kick && (uint32_t)a[2] == KICK_SIGNAL;
	case SYS_madvise:
		/* Of shared memory; what the rest of the window has at worst loses its page-table entries. */
		return a[0] >= UM_RAM_BASE && a[0] < UM_RAM_BASE + UM_RAM_MAX && a[1] <= 0xffffffff &&
		       ((uint32_t)a[2] == MADV_DONTNEED || (uint32_t)a[2] == MADV_REMOVE || (uint32_t)a[2] == 22 ||
			(uint32_t)a[2] == 23);
	case SYS_clone:
		if (a[0] == (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
			     CLONE_PARENT_SETTID))
			return true;
		return a[0] == (CLONE_PARENT | SIGCHLD) && d->instruction_pointer == hdr.clone_ip;
	case SYS_prctl: /* the kernel looks at 32 bits of the option */
		return (uint32_t)a[0] == PR_SET_PDEATHSIG && a[1] == SIGKILL;
	default:
		return false;
	}
}

static void check(const struct seccomp_data *d, bool direct_kick)
{
	bool inside = d->instruction_pointer >= UM_SWITCHER_TEXT && d->instruction_pointer < hdr.template_end;
	uint32_t action = interpret(d);

	tried++;
	if (!inside) {
		if (action != SECCOMP_RET_TRAP)
			fail("a call from outside does not trap", d);
		return;
	}
	if (action == SECCOMP_RET_ALLOW) {
		allowed++;
		if (d->arch != AUDIT_ARCH_X86_64 || !harmless(d, direct_kick))
			fail("allowed", d);
	} else if (action != SECCOMP_RET_KILL_PROCESS) {
		fail("neither allowed nor killed", d);
	}
}

static uint64_t rnd_state = 88172645463325252ull;

static uint64_t rnd(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 7;
	rnd_state ^= rnd_state << 17;
	return rnd_state;
}

static const uint64_t edges[] = {
	0,
	1,
	2,
	3,
	4,
	5,
	7,
	8,
	9,
	10,
	11,
	15,
	17,
	22,
	23,
	128,
	129,
	137,
	138,
	256,
	265,
	0xfff,
	0x1000,
	0x2000,
	0x10000,
	0x7fffffff,
	0x80000000,
	0xfffff000,
	0xffffffff,
	0x100000000,
	0x100000001,
	0x100000003,
	0x10000000a,
	0x100001000,
	MAP_SHARED | MAP_FIXED,
	MAP_SHARED | MAP_FIXED | MAP_POPULATE,
	MAP_PRIVATE | MAP_FIXED,
	MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS,
	MAP_SHARED | MAP_FIXED | MAP_HUGETLB,
	0x100000000 | MAP_SHARED | MAP_FIXED,
	CARRIER_CLONE_FLAGS,
	CARRIER_CLONE_FLAGS | CLONE_NEWUSER,
	CARRIER_CLONE_FLAGS & ~CLONE_THREAD,
	SPACE_CLONE_FLAGS,
	SPACE_CLONE_FLAGS | 0x100000000,
	SIGCHLD,
	CLONE_PARENT,
	UM_USER_LO_START,
	UM_USER_LO_END - UM_USER_LO_START,
	0x63fe00000000,
	0x63fefffff000,
	0x63feffffffff,
	UM_USER_LO_END,
	UM_USER_LO_END - 1,
	UM_WINDOW_START - 0x1000,
	UM_RAM_BASE,
	UM_RAM_BASE + 0x1000,
	UM_RAM_BASE + UM_RAM_MAX - 0x1000,
	UM_RAM_BASE + UM_RAM_MAX,
	UM_SWITCHER_TEXT,
	UM_SWITCHER_TEXT + 0x5000,
	UM_SWITCHER_CTL,
	UM_SWITCHER_PRIV,
	UM_SIGSTACKS,
	UM_WINDOW_END - 0x1000,
	UM_WINDOW_END,
	0x7000fffff000,
	UM_USER_HI_START,
	UM_USER_HI_END - UM_USER_HI_START,
	0x7ffefffff000,
	0x7fff00000000,
	0x7ffffffff000,
	0x800000000000,
	0xffff800000000000,
	0xfffffffffffff000,
	~0ull,
};

static uint64_t edge(void)
{
	return edges[rnd() % (sizeof(edges) / sizeof(edges[0]))];
}

static void interpreted(bool direct_kick)
{
	static const uint64_t ips[] = {UM_SWITCHER_TEXT,
				       UM_SWITCHER_TEXT + 2,
				       UM_SWITCHER_TEXT + 0x5029,
				       UM_SWITCHER_TEXT + 0x5fff,
				       UM_SWITCHER_TEXT + 0x6000,
				       UM_SWITCHER_TEXT - 1,
				       0,
				       0x400000,
				       0xffffffffff600000,
				       UM_SWITCHER_TEXT + 0x100000000,
				       ~0ull};
	static const uint32_t archs[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64, 0};
	static const int listed[] = {SYS_futex,	 SYS_mmap,    SYS_munmap, SYS_mprotect, SYS_write,
				     SYS_tgkill, SYS_madvise, SYS_clone,  SYS_prctl};
	struct seccomp_data d = {0};

	length = filter_build(program, CHAN_FILTER_MAX, &hdr, direct_kick);
	for (int nr = -2; nr < 1100; nr++)
		for (size_t i = 0; i < sizeof(ips) / sizeof(ips[0]); i++)
			for (size_t a = 0; a < 4; a++)
				for (int x32 = 0; x32 < 2; x32++) {
					d.nr = nr | (x32 ? X32_BIT : 0);
					d.arch = archs[a];
					d.instruction_pointer = ips[i];
					for (int n = 0; n < 6; n++)
						d.args[n] = edge();
					check(&d, direct_kick);
				}
	for (size_t i = 0; i < sizeof(listed) / sizeof(listed[0]); i++)
		for (int round = 0; round < 500000; round++) {
			d.nr = listed[i];
			d.arch = AUDIT_ARCH_X86_64;
			d.instruction_pointer = ips[rnd() % 4];
			for (int n = 0; n < 6; n++)
				d.args[n] = edge();
			if (rnd() % 8 == 0)
				d.args[rnd() % 6] ^= 1ull << (rnd() % 64);
			check(&d, direct_kick);
		}
	/* What the switcher does must pass. */
	d = (struct seccomp_data){
		.nr = SYS_mmap,
		.arch = AUDIT_ARCH_X86_64,
		.instruction_pointer = UM_SWITCHER_TEXT + 0x100,
		.args = {UM_USER_HI_START, 0x40000, 7, MAP_SHARED | MAP_FIXED | MAP_POPULATE, 3, 0x1000}};
	if (interpret(&d) != SECCOMP_RET_ALLOW)
		fail("refused", &d);
	d.args[0] = UM_USER_LO_START;
	d.args[1] = UM_USER_LO_END - UM_USER_LO_START;
	d.nr = SYS_munmap;
	if (interpret(&d) != SECCOMP_RET_ALLOW)
		fail("refused", &d);
	d.args[0] = UM_USER_HI_START;
	d.args[1] = UM_USER_HI_END - UM_USER_HI_START;
	if (interpret(&d) != SECCOMP_RET_ALLOW)
		fail("refused", &d);
}

/* ---- For real ---- */

/* mov rdi,rax; rsi,rdi; rdx,rsi; rcx,rdx; r8,r10; r9,r8; syscall; ret */
static const unsigned char gadget[] = {0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6, 0x48, 0x89,
				       0xca, 0x4d, 0x89, 0xc2, 0x4d, 0x89, 0xc8, 0x0f, 0x05, 0xc3};

typedef long (*gadget_fn)(long, long, long, long, long, long);

static gadget_fn place(uint64_t address)
{
	void *want = (void *)address;
	void *page = mmap(want, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	gadget_fn fn;

	if (page != want)
		_exit(2);
	memcpy(page, gadget, sizeof(gadget));
	memcpy(&fn, &page, sizeof(fn));
	return fn;
}

static void trapped(int sig)
{
	const uint64_t address = UM_SWITCHER_TEXT;
	gadget_fn fn;

	memcpy(&fn, &address, sizeof(fn));
	fn(SYS_exit_group, sig == SIGSYS ? TRAPPED : 1, 0, 0, 0, 0);
}

static void __attribute__((noreturn)) attempt(long nr, bool inside)
{
	struct sock_fprog prog = {.len = (unsigned short)length, .filter = program};
	gadget_fn from_inside = place(UM_SWITCHER_TEXT), from_outside = place(0x5000000000);

	alarm(1); /* nothing on the list blocks with these arguments, but who knows */
	signal(SIGSYS, trapped);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		_exit(3);
	(inside ? from_inside : from_outside)(nr, 0, 0, 0, 0, 0);
	for (;;)
		from_inside(SYS_exit_group, 0, 0, 0, 0, 0);
}

static int outcome(long nr, bool inside)
{
	int status;
	pid_t pid = fork();

	if (pid == 0)
		attempt(nr, inside);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		exit(1);
	return status;
}

static bool on_list(long nr)
{
	/* With all arguments zero. */
	static const long list[] = {SYS_restart_syscall, SYS_sigaltstack, SYS_exit_group, SYS_futex,
				    SYS_rt_sigreturn,	 SYS_munmap,	  SYS_mprotect};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (list[i] == nr)
			return true;
	return false;
}

static void real(void)
{
	static const long odd[] = {-1, 0x7fffffff, X32_BIT, X32_BIT | 1, X32_BIT | 59, 512, 547, 0x100000000};
	long nr;

	for (long i = 0; i < 600 + (long)(sizeof(odd) / sizeof(odd[0])); i++) {
		bool killed;
		int status;

		nr = i < 600 ? i : odd[i - 600];
		/*
		 * uretprobe and uprobe pass seccomp by the kernel's own decision. Without a probe they do nothing but
		 * fail, the one with SIGILL, the other with an error.
		 */
		if (nr == 335 || nr == 336)
			continue;
		status = outcome(nr, false);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != TRAPPED) {
			fprintf(stderr, "call %ld from outside: status %#x instead of a trap\n", nr,
				(unsigned int)status);
			exit(1);
		}
		status = outcome(nr, true);
		killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
		if (killed == on_list((int)nr)) {
			fprintf(stderr, "call %ld from the switcher: status %#x\n", nr, (unsigned int)status);
			exit(1);
		}
	}
}

int main(void)
{
	interpreted(true);
	interpreted(false);
	printf("%u instructions, %lu combinations, %lu allowed\n", length, tried, allowed);
	length = filter_build(program, CHAN_FILTER_MAX, &hdr, true);
	real();
	return 0;
}
