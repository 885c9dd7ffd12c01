/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signal frames: what a handler finds in its ucontext, what it may change, FP state before, in and after it, the
 * details of exceptions (si_code, si_addr, trap numbers), frames that were tampered with.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "sys.h"

static void install(int sig, void (*handler)(int, siginfo_t *, void *))
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};

	sigaction(sig, &sa, NULL);
}

static volatile int ticks;

static void on_tick(int sig, siginfo_t *info, void *ctx)
{
	ticks++;
}

/* ---- general registers ---- */

static void change_registers(int sig, siginfo_t *info, void *ctx)
{
	ucontext_t *uc = ctx;
	greg_t *r = uc->uc_mcontext.gregs;

	for (int i = 0; i < 8; i++)
		CHECK_EQ(r[REG_R8 + i], 0x1000 + i);
	CHECK_EQ(r[REG_RBX], 0x2000);
	for (int i = 0; i < 8; i++)
		r[REG_R8 + i] = 0x3000 + i;
	r[REG_RBX] = 0x4000;
	r[REG_RDX] = 0x5000;
	r[REG_RCX] = 0x6000;
	r[REG_EFL] |= 1; /* carry */
	r[REG_RIP] += 2; /* over the ud2 */
}

static void test_registers(void)
{
	static uint64_t out[12];

	install(SIGILL, change_registers);
	__asm__ volatile(
		"leaq -128(%%rsp), %%rsp\n\t" /* the red zone is the compiler's */
		"pushq %%rbx; pushq %%rbp; movq %0, %%rbp\n\t"
		"movl $0x1000, %%r8d; movl $0x1001, %%r9d; movl $0x1002, %%r10d; movl $0x1003, %%r11d\n\t"
		"movl $0x1004, %%r12d; movl $0x1005, %%r13d; movl $0x1006, %%r14d; movl $0x1007, %%r15d\n\t"
		"movl $0x2000, %%ebx; clc\n\t"
		"ud2\n\t"
		"movq %%r8, (%%rbp); movq %%r9, 8(%%rbp); movq %%r10, 16(%%rbp); movq %%r11, 24(%%rbp)\n\t"
		"movq %%r12, 32(%%rbp); movq %%r13, 40(%%rbp); movq %%r14, 48(%%rbp); movq %%r15, 56(%%rbp)\n\t"
		"movq %%rbx, 64(%%rbp); movq %%rdx, 72(%%rbp); movq %%rcx, 80(%%rbp)\n\t"
		"setc 88(%%rbp)\n\t"
		"popq %%rbp; popq %%rbx\n\t"
		"leaq 128(%%rsp), %%rsp"
		:
		: "r"(out)
		: "rax", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
	for (unsigned int i = 0; i < 8; i++)
		CHECK_EQ(out[i], 0x3000 + i);
	CHECK_EQ(out[8], 0x4000);
	CHECK_EQ(out[9], 0x5000);
	CHECK_EQ(out[10], 0x6000);
	CHECK_EQ(out[11], 1);
}

/* ---- FP state ---- */

static int mode;

static void on_fp(int sig, siginfo_t *info, void *ctx)
{
	ucontext_t *uc = ctx;
	struct _libc_fpstate *fp = uc->uc_mcontext.fpregs;
	const uint32_t *sw = (const uint32_t *)((const char *)fp + 464);
	uint32_t mxcsr, other = 0x1f80 | 0x2000, magic2;
	double x = 9.0;

	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	CHECK_EQ(mxcsr, 0x1f80); /* handlers start with the initial state */
	CHECK_EQ((uintptr_t)fp & 63, 0);
	CHECK_EQ(sw[0], FP_XSTATE_MAGIC1);
	CHECK(sw[1] > 576 && sw[4] >= 576 && sw[1] == sw[4] + 4);
	memcpy(&magic2, (const char *)fp + sw[4], sizeof(magic2));
	CHECK_EQ(magic2, FP_XSTATE_MAGIC2);
	CHECK_EQ(fp->mxcsr & 0xff80u, 0x1f80 | 0x6000);
	CHECK_EQ(fp->_xmm[5].element[0], 0xdead0005);
	/* What the handler does with the registers does not matter... */
	__asm__ volatile("ldmxcsr %0; movsd %1, %%xmm5; fninit; fldz" : : "m"(other), "m"(x) : "xmm5");
	/* ...what it does with the frame does. */
	if (mode == 1)
		fp->_xmm[5].element[0] = 0x12345678;
	if (mode == 2)
		memset((char *)fp + 512 + 8, 0xff, 56); /* a header no processor would take */
	if (mode == 3)
		memset((char *)fp + 464, 0, 48); /* an old-style frame: the legacy part only */
	if (mode == 4)
		fp->mxcsr = 0xffffffff;
}

static uint32_t fp_round_trip(int how)
{
	uint32_t in[4] __attribute__((aligned(16))) = {0xdead0005, 1, 2, 3}, out[4] __attribute__((aligned(16)));
	uint32_t mxcsr = 0x1f80 | 0x6000, after;

	mode = how;
	__asm__ volatile("ldmxcsr %2\n\t"
			 "movaps %3, %%xmm5\n\t"
			 "movq %4, %%rdi; movl $10, %%esi; movl $62, %%eax; syscall\n\t" /* kill(self, SIGUSR1) */
			 "movaps %%xmm5, %0; stmxcsr %1"
			 : "=m"(out), "=m"(after)
			 : "m"(mxcsr), "m"(in), "r"((uint64_t)getpid())
			 : "rax", "rcx", "rdx", "rsi", "rdi", "r11", "xmm5", "memory");
	__asm__ volatile("ldmxcsr %0" : : "m"((const uint32_t){0x1f80}));
	if (how != 4)
		CHECK_EQ(after & 0xff80, mxcsr);
	return out[0];
}

static void test_fp(void)
{
	install(SIGUSR1, on_fp);
	CHECK_EQ(fp_round_trip(0), 0xdead0005);
	CHECK_EQ(fp_round_trip(1), 0x12345678);
	CHECK_EQ(fp_round_trip(3), 0xdead0005);
	/* A broken image must not hurt more than the program: it dies, or goes on with something. */
	for (int how = 2; how <= 4; how += 2) {
		pid_t pid = (pid_t)CHECK_OK(fork());

		if (!pid) {
			fp_round_trip(how);
			_exit(0);
		}
		int status = wait_for(pid);

		CHECK(status == 0 || status == 128 + SIGSEGV);
	}
}

/* ---- exceptions ---- */

static sigjmp_buf back;
static siginfo_t seen;
static greg_t seen_trap, seen_err, seen_cr2, seen_rip;

static void on_fault(int sig, siginfo_t *info, void *ctx)
{
	const greg_t *r = ((ucontext_t *)ctx)->uc_mcontext.gregs;

	seen = *info;
	seen_trap = r[REG_TRAPNO];
	seen_err = r[REG_ERR];
	seen_cr2 = r[REG_CR2];
	seen_rip = r[REG_RIP];
	siglongjmp(back, 1);
}

#define FAULT(...)                                                                                                     \
	do {                                                                                                           \
		memset(&seen, 0, sizeof(seen));                                                                        \
		if (!sigsetjmp(back, 1)) {                                                                             \
			__VA_ARGS__;                                                                                   \
			CHECK(!"no fault");                                                                            \
		}                                                                                                      \
	} while (0)

static void test_exceptions(void)
{
	char *ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	volatile int zero = 0, sink;
	uint32_t unmasked = 0x1f80 & ~0x200u;
	const int sigs[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};

	for (int i = 0; i < 5; i++)
		install(sigs[i], on_fault);
	FAULT(*(volatile char *)16 = 1);
	CHECK_EQ(seen.si_signo, SIGSEGV);
	CHECK_EQ(seen.si_code, SEGV_MAPERR);
	CHECK_EQ((uintptr_t)seen.si_addr, 16);
	CHECK_EQ(seen_trap, 14);
	CHECK_EQ(seen_cr2, 16);
	CHECK_EQ(seen_err & 6, 6); /* user, write */

	sink = *(volatile char *)ro;
	FAULT(*(volatile char *)(ro + 5) = 1);
	CHECK_EQ(seen.si_code, SEGV_ACCERR);
	CHECK(seen.si_addr == ro + 5);
	CHECK_EQ(seen_err & 7, 7); /* present too */
	FAULT(sink = *(volatile char *)none);
	CHECK_EQ(seen.si_code, SEGV_ACCERR);
	FAULT(((void (*)(void))(uintptr_t)ro)()); /* not executable */
	CHECK_EQ(seen.si_signo, SIGSEGV);
	CHECK_EQ(seen_rip, (greg_t)(uintptr_t)ro);
	FAULT(sink = *(volatile char *)0x8000000000000000ul); /* not canonical */
	CHECK_EQ(seen.si_signo, SIGSEGV);
	CHECK_EQ(seen.si_code, SI_KERNEL);
	FAULT(((void (*)(void))0x7123456789abcdeful)());
	CHECK_EQ(seen.si_signo, SIGSEGV);

	FAULT(sink = 77 / zero);
	CHECK_EQ(seen.si_signo, SIGFPE);
	CHECK_EQ(seen.si_code, FPE_INTDIV);
	CHECK_EQ((greg_t)(uintptr_t)seen.si_addr, seen_rip);
	FAULT({
		volatile double d = 1.0, e = 0.0;

		__asm__ volatile("ldmxcsr %0" : : "m"(unmasked));
		d = d / e;
	});
	CHECK_EQ(seen.si_signo, SIGFPE);
	CHECK_EQ(seen.si_code, FPE_FLTDIV);
	CHECK_EQ(seen_trap, 19);
	__asm__ volatile("ldmxcsr %0" : : "m"((const uint32_t){0x1f80}));

	FAULT(__asm__ volatile("ud2"));
	CHECK_EQ(seen.si_signo, SIGILL);
	CHECK_EQ(seen.si_code, ILL_ILLOPN);
	CHECK_EQ((greg_t)(uintptr_t)seen.si_addr, seen_rip);
	FAULT(__asm__ volatile("int3"));
	CHECK_EQ(seen.si_signo, SIGTRAP);
	CHECK_EQ(seen.si_code, SI_KERNEL);
	FAULT(__asm__ volatile("pushfq; orl $0x100, (%%rsp); popfq; nop; nop" : : : "memory", "cc")); /* single step */
	CHECK_EQ(seen.si_signo, SIGTRAP);
	CHECK_EQ(seen.si_code, TRAP_TRACE);
	FAULT(__asm__ volatile("hlt"));
	CHECK_EQ(seen.si_signo, SIGSEGV);
	CHECK_EQ(seen.si_code, SI_KERNEL);
	FAULT(__asm__ volatile("cli"));
	CHECK_EQ(seen.si_signo, SIGSEGV);
	(void)sink;
}

/* ---- frames that cannot be ---- */

static void bad_return(int sig, siginfo_t *info, void *ctx)
{
	((ucontext_t *)ctx)->uc_mcontext.gregs[REG_RIP] = (greg_t)0x8000000000000000ul;
}

static void bad_fp_pointer(int sig, siginfo_t *info, void *ctx)
{
	((ucontext_t *)ctx)->uc_mcontext.fpregs = (void *)8;
}

static void bad_mxcsr(int sig, siginfo_t *info, void *ctx)
{
	((ucontext_t *)ctx)->uc_mcontext.fpregs->mxcsr = 0xffffffff;
}

static void bad_cs(int sig, siginfo_t *info, void *ctx)
{
	((ucontext_t *)ctx)->uc_mcontext.gregs[REG_CSGSFS] = 0;
}

/* An impossible RIP is in place when it faults. */
static greg_t bad_rip;

static void to_bad_rip(int sig, siginfo_t *info, void *ctx)
{
	((ucontext_t *)ctx)->uc_mcontext.gregs[REG_RIP] = bad_rip;
}

static void test_bad_rip(void)
{
	static const greg_t rips[] = {INT64_MIN, 0x800000000000, -4096, 0x7ffffffff000, 16};

	install(SIGUSR1, to_bad_rip);
	install(SIGSEGV, on_fault);
	for (size_t i = 0; i < sizeof(rips) / sizeof(rips[0]); i++) {
		bad_rip = rips[i];
		FAULT(raise(SIGUSR1));
		CHECK_EQ(seen.si_signo, SIGSEGV);
		CHECK_EQ(seen_rip, bad_rip);
	}
}

/* A signal on the way out of a call that was made with the nested-task flag: IRET with NT set would fault. */
static void test_nested_task(void)
{
	int before = ticks;

	install(SIGUSR1, on_tick);
	__asm__ volatile("pushfq; orl $0x4000, (%%rsp); popfq" : : : "memory", "cc");
	kill(getpid(), SIGUSR1);
	__asm__ volatile("pushq $0x202; popfq" : : : "memory", "cc");
	CHECK_EQ(ticks, before + 1);
}

static void test_bad_frames(void)
{
	void (*handlers[])(int, siginfo_t *, void *) = {bad_return, bad_fp_pointer, bad_mxcsr, bad_cs};

	for (int i = 0; i < 4; i++) {
		pid_t pid = (pid_t)CHECK_OK(fork());

		if (!pid) {
			signal(SIGSEGV, SIG_DFL);
			install(SIGUSR1, handlers[i]);
			raise(SIGUSR1);
			_exit(0);
		}
		CHECK_EQ(wait_for(pid), 128 + SIGSEGV);
	}
	/* No room for a frame. */
	pid_t pid = (pid_t)CHECK_OK(fork());

	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		install(SIGUSR1, bad_return);
		__asm__ volatile("movl %0, %%edi; movl $10, %%esi; movl $62, %%eax; xorl %%esp, %%esp; syscall; ud2"
				 :
				 : "r"(getpid()));
	}
	CHECK_EQ(wait_for(pid), 128 + SIGSEGV);
	/* rt_sigreturn out of nowhere. */
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		__asm__ volatile("movl $15, %%eax; movl $4096, %%esp; syscall; ud2" : : : "memory");
	}
	CHECK_EQ(wait_for(pid), 128 + SIGSEGV);
}

/* Signals that come at any moment of a system call's way into the kernel and back. */
static void test_any_moment(void)
{
	struct itimerval fast = {{0, 50}, {0, 50}}, off = {{0, 0}, {0, 0}};
	pid_t parent = getppid();
	int before;

	install(SIGALRM, on_tick);
	setitimer(ITIMER_REAL, &fast, NULL);
	for (int i = 0; i < 300000 || ticks < 20; i++)
		CHECK_EQ(getppid(), parent);
	setitimer(ITIMER_REAL, &off, NULL);
	before = ticks;
	usleep(10000);
	CHECK(ticks <= before + 1);
}

int main(void)
{
	test_any_moment();
	test_registers();
	test_fp();
	test_exceptions();
	test_bad_rip();
	test_nested_task();
	test_bad_frames();
	return 0;
}
