/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a space may ask of the host: the seccomp filter of template and spaces, in classic BPF.
 *
 * From outside the switcher's text every call traps (SIGSYS): that is how system calls of guest programs reach us. From
 * inside, what is not on the list kills the process. A guest can jump into the switcher with registers of its choice,
 * so the arguments are checked as if they came from an enemy: each call that passes must be harmless.
 *
 * Addresses: a program owns what lies below the window (high word <= 0x647e) and above it (0x6f01..0x7fff). With a
 * length below 4 GiB nothing that starts there reaches the window: the gaps in abi/layout.h are made for that.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "user.h"

#define NR (offsetof(struct seccomp_data, nr))
#define ARCH (offsetof(struct seccomp_data, arch))
#define IP_LO (offsetof(struct seccomp_data, instruction_pointer))
#define IP_HI (IP_LO + 4)
#define ARG_LO(n) (offsetof(struct seccomp_data, args) + 8 * (n))
#define ARG_HI(n) (ARG_LO(n) + 4)

#define HI(v) ((uint32_t)((uint64_t)(v) >> 32))
#define LO(v) ((uint32_t)(v))

#define LABELS 64

struct prog {
	struct sock_filter *f;
	unsigned int len, max;
	unsigned int at[LABELS]; /* position of a label */
	unsigned int labels;
	struct {
		unsigned char t, f;
	} ref[CHAN_FILTER_MAX]; /* labels of a jump, 0 = next instruction */
};

static unsigned int label(struct prog *p)
{
	assert(p->labels + 1 < LABELS);
	return ++p->labels;
}

static void here(struct prog *p, unsigned int l)
{
	p->at[l] = p->len;
}

static void put(struct prog *p, uint16_t code, uint32_t k, unsigned int t, unsigned int f)
{
	assert(p->len < p->max);
	p->ref[p->len].t = (unsigned char)t;
	p->ref[p->len].f = (unsigned char)f;
	p->f[p->len++] = (struct sock_filter){.code = code, .k = k};
}

static void load(struct prog *p, size_t offset)
{
	put(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void ret(struct prog *p, uint32_t action)
{
	put(p, BPF_RET | BPF_K, action, 0, 0);
}

static void jeq(struct prog *p, uint32_t k, unsigned int t, unsigned int f)
{
	put(p, BPF_JMP | BPF_JEQ | BPF_K, k, t, f);
}

static void jgt(struct prog *p, uint32_t k, unsigned int t, unsigned int f)
{
	put(p, BPF_JMP | BPF_JGT | BPF_K, k, t, f);
}

static void jge(struct prog *p, uint32_t k, unsigned int t, unsigned int f)
{
	put(p, BPF_JMP | BPF_JGE | BPF_K, k, t, f);
}

/* Goes on only if a word has this value. */
static void require(struct prog *p, size_t offset, uint32_t value, unsigned int otherwise)
{
	load(p, offset);
	jeq(p, value, 0, otherwise);
}

static void require64(struct prog *p, size_t lo, uint64_t value, unsigned int otherwise)
{
	require(p, lo + 4, HI(value), otherwise);
	require(p, lo, LO(value), otherwise);
}

/* Goes on only if argument 0 lies in a user half and argument 1, a length, is below 4 GiB. */
static void require_user_range(struct prog *p, unsigned int otherwise)
{
	unsigned int ok = label(p);

	require(p, ARG_HI(1), 0, otherwise);
	load(p, ARG_HI(0));
	jgt(p, HI(UM_USER_LO_END) - 1, 0, ok);
	jge(p, HI(UM_USER_HI_START), 0, otherwise);
	jgt(p, HI(UM_USER_HI_END), otherwise, 0);
	here(p, ok);
}

/* Goes on only if argument @n is one of R, W, X and their unions. */
static void require_prot(struct prog *p, unsigned int n, unsigned int otherwise)
{
	require(p, ARG_HI(n), 0, otherwise);
	load(p, ARG_LO(n));
	jgt(p, PROT_READ | PROT_WRITE | PROT_EXEC, otherwise, 0);
}

static void allow_futex(struct prog *p, unsigned int kill)
{
	unsigned int ok = label(p);

	load(p, ARG_LO(1));
	put(p, BPF_ALU | BPF_AND | BPF_K, ~(uint32_t)(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME), 0, 0);
	jeq(p, FUTEX_WAIT, ok, 0);
	jeq(p, FUTEX_WAKE, ok, 0);
	jeq(p, FUTEX_WAIT_BITSET, ok, 0);
	jeq(p, FUTEX_WAKE_BITSET, ok, kill);
	here(p, ok);
	ret(p, SECCOMP_RET_ALLOW);
}

/* mmap: guest RAM into a user half, nothing else. */
static void allow_mmap(struct prog *p, unsigned int kill)
{
	require_user_range(p, kill);
	require_prot(p, 2, kill);
	require(p, ARG_HI(3), 0, kill);
	load(p, ARG_LO(3));
	put(p, BPF_ALU | BPF_AND | BPF_K, ~(uint32_t)MAP_POPULATE, 0, 0);
	jeq(p, MAP_SHARED | MAP_FIXED, 0, kill);
	require64(p, ARG_LO(4), SPACE_FD_RAM, kill);
	ret(p, SECCOMP_RET_ALLOW);
}

/* munmap: in a user half; all of a user half; what a new space has of the template. */
static void allow_munmap(struct prog *p, const struct switcher_header *hdr, unsigned int kill)
{
	static const uint64_t half[2][2] = {{UM_USER_LO_START, UM_USER_LO_END - UM_USER_LO_START},
					    {UM_USER_HI_START, UM_USER_HI_END - UM_USER_HI_START}};
	const uint64_t rest[2][2] = {{UM_SWITCHER_PRIV, CHAN_SIZE},
				     {hdr->template_start, hdr->template_end - hdr->template_start}};
	unsigned int next = label(p);

	require_user_range(p, next);
	ret(p, SECCOMP_RET_ALLOW);
	here(p, next);
	for (int i = 0; i < 4; i++) {
		const uint64_t *range = i < 2 ? half[i] : rest[i - 2];

		next = i < 3 ? label(p) : kill;
		require64(p, ARG_LO(0), range[0], next);
		require64(p, ARG_LO(1), range[1], next);
		ret(p, SECCOMP_RET_ALLOW);
		if (i < 3)
			here(p, next);
	}
}

static void allow_mprotect(struct prog *p, unsigned int kill)
{
	require_user_range(p, kill);
	require_prot(p, 2, kill);
	ret(p, SECCOMP_RET_ALLOW);
}

/* madvise: guest RAM in its window. What it takes away or brings in is the guest's own memory. */
static void allow_madvise(struct prog *p, unsigned int kill)
{
	unsigned int ok = label(p);

	require(p, ARG_HI(1), 0, kill);
	load(p, ARG_HI(0));
	jge(p, HI(UM_RAM_BASE), 0, kill);
	jge(p, HI(UM_RAM_BASE + UM_RAM_MAX), kill, 0);
	load(p, ARG_LO(2));
	jeq(p, MADV_DONTNEED, ok, 0);
	jeq(p, MADV_REMOVE, ok, 0);
	jeq(p, 22 /* MADV_POPULATE_READ */, ok, 0);
	jeq(p, 23 /* MADV_POPULATE_WRITE */, ok, kill);
	here(p, ok);
	ret(p, SECCOMP_RET_ALLOW);
}

/* clone: one exact flag word for threads; the one for processes only from the template's page. */
static void allow_clone(struct prog *p, const struct switcher_header *hdr, unsigned int kill)
{
	unsigned int process = label(p);

	require(p, ARG_HI(0), 0, kill);
	load(p, ARG_LO(0));
	jeq(p, CARRIER_CLONE_FLAGS, 0, process);
	ret(p, SECCOMP_RET_ALLOW);
	here(p, process);
	jeq(p, SPACE_CLONE_FLAGS, 0, kill);
	require(p, IP_LO, LO(hdr->clone_ip), kill);
	ret(p, SECCOMP_RET_ALLOW);
}

/* The doorbell, 8 bytes. */
static void allow_write(struct prog *p, unsigned int kill)
{
	require64(p, ARG_LO(0), SPACE_FD_DOORBELL, kill);
	require64(p, ARG_LO(2), 8, kill);
	ret(p, SECCOMP_RET_ALLOW);
}

static void allow_tgkill(struct prog *p, unsigned int kill)
{
	require(p, ARG_LO(2), KICK_SIGNAL, kill);
	ret(p, SECCOMP_RET_ALLOW);
}

/* A space dies with the VMM, also where no PID namespace sees to it. */
static void allow_prctl(struct prog *p, unsigned int kill)
{
	require(p, ARG_LO(0), PR_SET_PDEATHSIG, kill);
	require64(p, ARG_LO(1), 9, kill);
	ret(p, SECCOMP_RET_ALLOW);
}

static void resolve(struct prog *p)
{
	for (unsigned int i = 0; i < p->len; i++) {
		struct sock_filter *f = &p->f[i];

		if (BPF_CLASS(f->code) != BPF_JMP)
			continue;
		if (p->ref[i].t)
			f->jt = (uint8_t)(p->at[p->ref[i].t] - i - 1);
		if (p->ref[i].f)
			f->jf = (uint8_t)(p->at[p->ref[i].f] - i - 1);
		assert(!p->ref[i].t || (p->at[p->ref[i].t] > i && p->at[p->ref[i].t] - i - 1 < 256));
		assert(!p->ref[i].f || (p->at[p->ref[i].f] > i && p->at[p->ref[i].f] - i - 1 < 256));
	}
}

unsigned int filter_build(struct sock_filter *f, unsigned int max, const struct switcher_header *hdr, bool direct_kick)
{
	/* Calls that are harmless with any arguments. */
	static const uint32_t plain[] = {
		SYS_rt_sigreturn,
		SYS_restart_syscall, /* a timed futex wait after SIGSTOP and SIGCONT */
		SYS_sigaltstack,
		SYS_exit_group,
	};
	struct prog p = {.f = f, .max = max < CHAN_FILTER_MAX ? max : CHAN_FILTER_MAX};
	unsigned int trap = label(&p), kill = label(&p), allow = label(&p), next;

	require(&p, IP_HI, HI(UM_SWITCHER_TEXT), trap);
	load(&p, IP_LO);
	jge(&p, LO(hdr->template_end), trap, 0);
	require(&p, ARCH, AUDIT_ARCH_X86_64, kill);
	load(&p, NR);

	/* Each test leaves the number loaded when it fails. Frequent ones first. */
#define CALL(nr, body)                                                                                                 \
	do {                                                                                                           \
		next = label(&p);                                                                                      \
		jeq(&p, (nr), 0, next);                                                                                \
		body;                                                                                                  \
		here(&p, next);                                                                                        \
	} while (0)
	CALL(SYS_futex, allow_futex(&p, kill));
	CALL(SYS_mmap, allow_mmap(&p, kill));
	CALL(SYS_munmap, allow_munmap(&p, hdr, kill));
	CALL(SYS_mprotect, allow_mprotect(&p, kill));
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		jeq(&p, plain[i], allow, 0);
	CALL(SYS_write, allow_write(&p, kill));
	if (direct_kick)
		CALL(SYS_tgkill, allow_tgkill(&p, kill));
	CALL(SYS_madvise, allow_madvise(&p, kill));
	CALL(SYS_clone, allow_clone(&p, hdr, kill));
	CALL(SYS_prctl, allow_prctl(&p, kill));
#undef CALL
	here(&p, kill);
	ret(&p, SECCOMP_RET_KILL_PROCESS);
	here(&p, allow);
	ret(&p, SECCOMP_RET_ALLOW);
	here(&p, trap);
	ret(&p, SECCOMP_RET_TRAP);
	resolve(&p);
	return p.len;
}
