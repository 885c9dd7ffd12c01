/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sigaltstack: handlers on it, stack overflow, SS_AUTODISARM, wrong sizes and flags; registers survive a handler.
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ucontext.h>

#include "sys.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static char *alt;
static size_t alt_size;
static volatile int on_alt, was_onstack, hits;
static sigjmp_buf jump;
static void *fault_addr;

static void where(int sig)
{
	char here;
	stack_t ss;

	hits++;
	on_alt = &here >= alt && &here < alt + alt_size;
	sigaltstack(NULL, &ss);
	was_onstack = ss.ss_flags;
}

static void overflow(int sig, siginfo_t *info, void *ctx)
{
	where(sig);
	fault_addr = info->si_addr;
	siglongjmp(jump, 1);
}

static void change(int sig)
{
	stack_t ss = {.ss_sp = alt, .ss_size = alt_size};

	hits = sigaltstack(&ss, NULL) ? errno : 0;
}

static void handle(void (*fn)(int), int flags)
{
	struct sigaction sa = {.sa_handler = fn, .sa_flags = flags};

	CHECK_OK(sigaction(SIGUSR1, &sa, NULL));
	hits = 0;
}

static __attribute__((noinline)) int recurse(int n)
{
	volatile char frame[4096];

	frame[0] = (char)n;
	return n <= 0 ? frame[0] : recurse(n + 1) + frame[0];
}

static void test_basic(void)
{
	stack_t ss = {.ss_sp = alt, .ss_size = alt_size}, old;

	CHECK_OK(sigaltstack(NULL, &old));
	CHECK_EQ(old.ss_flags, SS_DISABLE);
	CHECK_OK(sigaltstack(&ss, &old));
	CHECK_OK(sigaltstack(NULL, &old));
	CHECK(old.ss_sp == alt && old.ss_size == alt_size && old.ss_flags == 0);
	handle(where, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK_EQ(hits, 1);
	CHECK(on_alt);
	CHECK_EQ(was_onstack, SS_ONSTACK);
	handle(where, 0);
	raise(SIGUSR1);
	CHECK(!on_alt);
	CHECK_EQ(was_onstack, 0);
	handle(change, SA_ONSTACK); /* not while it stands on it */
	raise(SIGUSR1);
	CHECK_EQ(hits, EPERM);

	ss.ss_size = 1024;
	CHECK_ERR(sigaltstack(&ss, NULL), ENOMEM);
	ss.ss_size = alt_size;
	ss.ss_flags = 99;
	CHECK_ERR(sigaltstack(&ss, NULL), EINVAL);
	CHECK_ERR(sigaltstack((void *)8, NULL), EFAULT);
	ss.ss_flags = SS_DISABLE;
	CHECK_OK(sigaltstack(&ss, NULL));
	handle(where, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(!on_alt);
}

static void test_autodisarm(void)
{
	stack_t ss = {.ss_sp = alt, .ss_size = alt_size, .ss_flags = (int)SS_AUTODISARM}, old;

	CHECK_OK(sigaltstack(&ss, NULL));
	handle(where, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(on_alt);
	CHECK_EQ(was_onstack, SS_DISABLE); /* while the handler runs */
	CHECK_OK(sigaltstack(NULL, &old)); /* and it is back after it */
	CHECK(old.ss_sp == alt && (old.ss_flags & (int)SS_AUTODISARM));
	handle(change, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK_EQ(hits, 0);
}

static void test_overflow(void)
{
	struct sigaction sa = {.sa_sigaction = overflow, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	struct rlimit lim = {1 << 20, 1 << 20};
	stack_t ss = {.ss_sp = alt, .ss_size = alt_size};
	pid_t pid = CHECK_OK(fork());

	if (!pid) {
		CHECK_OK(sigaltstack(&ss, NULL));
		CHECK_OK(setrlimit(RLIMIT_STACK, &lim));
		CHECK_OK(sigaction(SIGSEGV, &sa, NULL));
		if (!sigsetjmp(jump, 1))
			recurse(1);
		CHECK(on_alt);
		CHECK(fault_addr);
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
	/* Without an alternate stack there is no room for the frame: it dies. */
	pid = CHECK_OK(fork());
	if (!pid) {
		ss.ss_flags = SS_DISABLE;
		CHECK_OK(sigaltstack(&ss, NULL));
		CHECK_OK(setrlimit(RLIMIT_STACK, &lim));
		CHECK_OK(sigaction(SIGSEGV, &sa, NULL));
		recurse(1);
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 128 + SIGSEGV);
}

static void clobber(int sig, siginfo_t *info, void *ctx)
{
	ucontext_t *uc = ctx;

	hits++;
	CHECK_EQ(uc->uc_mcontext.gregs[REG_R12], 0x1212);
	uc->uc_mcontext.gregs[REG_R13] = 0x9999; /* a handler may change what the program goes on with */
	__asm__ volatile("pxor %%xmm0, %%xmm0\n\tpxor %%xmm7, %%xmm7\n\txor %%rbx, %%rbx" ::: "rbx", "xmm0", "xmm7");
}

static void test_registers(void)
{
	struct sigaction sa = {.sa_sigaction = clobber, .sa_flags = SA_SIGINFO};
	long nr = 62, rax, r13, pid = getpid();
	unsigned long long x0 = 0x1122334455667788ull, x7 = 0x99aabbccddeeff00ull, y0, y7;

	CHECK_OK(sigaction(SIGUSR1, &sa, NULL));
	hits = 0;
	__asm__ volatile("movq %[x0], %%xmm0\n\tmovq %[x7], %%xmm7\n\t"
			 "movq $0x1212, %%r12\n\tmovq $0x1313, %%r13\n\t"
			 "syscall\n\t"
			 "movq %%xmm0, %[y0]\n\tmovq %%xmm7, %[y7]\n\tmovq %%r13, %[r13]"
			 : "=a"(rax), [y0] "=r"(y0), [y7] "=r"(y7), [r13] "=r"(r13)
			 : "0"(nr), "D"(pid), "S"((long)SIGUSR1), [x0] "r"(x0), [x7] "r"(x7)
			 : "rcx", "r11", "r12", "r13", "xmm0", "xmm7", "memory");
	CHECK_EQ(rax, 0);
	CHECK_EQ(hits, 1);
	CHECK_EQ(y0, x0);
	CHECK_EQ(y7, x7);
	CHECK_EQ(r13, 0x9999);
}

int main(void)
{
	alt_size = 64 * 1024;
	alt = mmap(NULL, alt_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	test_basic();
	test_autodisarm();
	test_overflow();
	test_registers();
	return 0;
}
