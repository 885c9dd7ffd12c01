/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads: numbers, ends, what happens to their registers when others run (FP state, FS and GS base, flags),
 * restartable sequences, membarrier.
 */
#include <asm/prctl.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "sys.h"

#define THREADS 6

/* ---- numbers and ends ---- */

static void *tell_tid(void *arg)
{
	*(pid_t *)arg = (pid_t)syscall(SYS_gettid);
	return arg;
}

static void test_tids(void)
{
	pthread_t t[THREADS];
	pid_t tid[THREADS];

	for (int i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, tell_tid, &tid[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		void *ret;

		CHECK_EQ(pthread_join(t[i], &ret), 0);
		CHECK(ret == &tid[i]);
		CHECK(tid[i] != getpid());
		for (int j = 0; j < i; j++)
			CHECK(tid[i] != tid[j]);
	}
	/* A thread that is gone is no address for signals; join() may return a moment before it is. */
	for (int i = 0; i < 1000 && syscall(SYS_tgkill, getpid(), tid[0], 0) == 0; i++)
		usleep(1000);
	CHECK_ERR(syscall(SYS_tgkill, getpid(), tid[0], 0), ESRCH);
}

static void *sleeper(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

static void *ends_group(void *arg)
{
	syscall(SYS_exit_group, 17);
	return NULL;
}

static void *spinner(void *arg)
{
	for (;;)
		;
	return NULL;
}

static void test_exit_group(void)
{
	void *(*body[])(void *) = {ends_group, sleeper, spinner};
	pthread_t t;
	pid_t pid = (pid_t)CHECK_OK(fork());

	if (!pid) {
		for (int i = 2; i >= 0; i--)
			pthread_create(&t, NULL, body[i], NULL);
		sleeper(NULL);
	}
	CHECK_EQ(wait_for(pid), 17);

	/* The leader leaves first: the process lives on until the last thread ends, and has its status. */
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		pthread_create(&t, NULL, sleeper, NULL);
		syscall(SYS_exit, 5);
	}
	usleep(20000);
	CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
	kill(pid, SIGTERM);
	CHECK_EQ(wait_for(pid), 128 + SIGTERM);
}

/* ---- registers ---- */

static _Atomic int stop;

struct fp_pattern {
	uint32_t xmm[16][4] __attribute__((aligned(16)));
	uint32_t mxcsr;
	uint16_t fcw;
};

/*
 * Fills all registers a program can see from the thread's number, works for a while without touching them, and
 * compares. One asm block: the compiler uses none of them in between.
 */
static int registers_kept(uint32_t seed, int use_syscall)
{
	struct fp_pattern in, out;
	register uint64_t sys __asm__("r8") =
		(uint64_t)use_syscall; /* as the others below: none that the program changes */
	uint64_t gpr_ok, flags;

	for (int i = 0; i < 16; i++)
		for (int j = 0; j < 4; j++)
			in.xmm[i][j] = seed * 1000003u + (uint32_t)(i * 4 + j);
	in.mxcsr = 0x1f80 | ((seed & 3) << 13);
	in.fcw = (uint16_t)(0x37f & ~0xc00) | (uint16_t)((seed & 3) << 10);
	__asm__ volatile("leaq -128(%%rsp), %%rsp\n\t" /* the red zone is the compiler's */
			 "pushq %%rbx; pushq %%rbp; pushq %%r12; pushq %%r13\n\t"
			 "ldmxcsr 256(%[in])\n\t"
			 "fldcw 260(%[in])\n\t"
			 "fld1; fldpi\n\t"
			 "movaps (%[in]), %%xmm0; movaps 16(%[in]), %%xmm1; movaps 32(%[in]), %%xmm2; movaps "
			 "48(%[in]), %%xmm3\n\t"
			 "movaps 64(%[in]), %%xmm4; movaps 112(%[in]), %%xmm7; movaps 128(%[in]), %%xmm8\n\t"
			 "movaps 240(%[in]), %%xmm15\n\t"
			 "movl %[seed], %%ebp; movq %%rbp, %%r12; notq %%r12; leaq 7(%%rbp), %%r13\n\t"
			 "movl $200000, %%ebx\n\t"
			 "testq %[sys], %[sys]; jz 2f\n\t"
			 "movl $300, %%ebx\n"
			 "1: movl $24, %%eax; syscall\n\t" /* sched_yield */
			 "decl %%ebx; jnz 1b; jmp 3f\n"
			 "2: decl %%ebx; jnz 2b\n"
			 "3: xorl %%eax, %%eax\n\t"
			 "movl %[seed], %%ecx; cmpq %%rcx, %%rbp; jne 4f\n\t"
			 "notq %%rcx; cmpq %%rcx, %%r12; jne 4f\n\t"
			 "leaq 7(%%rbp), %%rcx; cmpq %%rcx, %%r13; jne 4f\n\t"
			 "incl %%eax\n"
			 "4: movaps %%xmm0, (%[out]); movaps %%xmm1, 16(%[out]); movaps %%xmm2, 32(%[out]); movaps "
			 "%%xmm3, 48(%[out])\n\t"
			 "movaps %%xmm4, 64(%[out]); movaps %%xmm7, 112(%[out]); movaps %%xmm8, 128(%[out])\n\t"
			 "movaps %%xmm15, 240(%[out])\n\t"
			 "stmxcsr 256(%[out]); fnstcw 260(%[out])\n\t"
			 "fldpi; fcomip %%st(1), %%st; fstp %%st(0); fstp %%st(0); setz %%cl; movzbl %%cl, %%ecx; andl "
			 "%%ecx, %%eax\n\t"
			 "fninit; pushfq; popq %%rcx\n\t"
			 "popq %%r13; popq %%r12; popq %%rbp; popq %%rbx\n\t"
			 "leaq 128(%%rsp), %%rsp"
			 : "=&a"(gpr_ok), "=&c"(flags)
			 : [in] "S"(&in), [out] "D"(&out), [seed] "d"(seed), [sys] "r"(sys)
			 : "r11", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm7", "xmm8", "xmm15");
	__asm__ volatile("ldmxcsr %0" : : "m"((const uint32_t){0x1f80}));
	for (int i = 0; i < 16; i++) {
		if (i <= 4 || i == 7 || i == 8 || i == 15) {
			if (memcmp(in.xmm[i], out.xmm[i], 16))
				return 0;
		}
	}
	return gpr_ok && (out.mxcsr & ~0x3fu) == (in.mxcsr & ~0x3fu) && out.fcw == in.fcw;
}

static void *check_registers(void *arg)
{
	uint32_t seed = (uint32_t)(uintptr_t)arg;
	long bad = 0;

	while (!stop)
		bad += !registers_kept(seed, seed & 1);
	return (void *)bad;
}

static void test_registers(void)
{
	pthread_t t[THREADS];
	void *bad;

	stop = 0;
	for (long i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, check_registers, (void *)(i + 1)), 0);
	/* Processes that do the same: switches between address spaces. */
	for (int i = 0; i < 12; i++) {
		pid_t pid = (pid_t)CHECK_OK(fork());

		if (!pid)
			_exit(!registers_kept(77, 1) || !registers_kept(78, 0));
		CHECK_EQ(wait_for(pid), 0);
	}
	stop = 1;
	for (int i = 0; i < THREADS; i++) {
		pthread_join(t[i], &bad);
		CHECK_EQ((long)bad, 0);
	}
}

/* FP state goes to a forked child and is its own from then on. */
static void test_fp_fork(void)
{
	volatile double x = 1.5;
	uint32_t mxcsr = 0x1f80 | 0x6000;
	pid_t pid;

	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	pid = (pid_t)CHECK_OK(syscall(SYS_fork));
	if (!pid) {
		uint32_t now;

		__asm__ volatile("stmxcsr %0" : "=m"(now));
		x = x * 2;
		_exit((now & 0xff80) == mxcsr && x == 3.0 ? 0 : 1);
	}
	mxcsr = 0x1f80;
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	CHECK_EQ(wait_for(pid), 0);
	CHECK(x == 1.5);
}

static void test_segment_bases(void)
{
	unsigned long fs = 0, gs = 1, old_gs = 0;
	static unsigned long cell[2] = {0x1234, 0x5678};

	CHECK_OK(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
	CHECK(fs != 0);
	CHECK_OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &old_gs));
	CHECK_OK(syscall(SYS_arch_prctl, ARCH_SET_GS, cell));
	for (int i = 0; i < 100; i++) {
		unsigned long v;

		syscall(SYS_sched_yield);
		__asm__ volatile("movq %%gs:8, %0" : "=r"(v));
		CHECK_EQ(v, 0x5678);
	}
	CHECK_OK(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
	CHECK_EQ(gs, (unsigned long)cell);
	CHECK_OK(syscall(SYS_arch_prctl, ARCH_SET_GS, old_gs));
	CHECK_ERR(syscall(SYS_arch_prctl, ARCH_SET_FS, ~0ul), EPERM);
	CHECK_ERR(syscall(SYS_arch_prctl, ARCH_GET_FS, 8), EFAULT);
	CHECK_ERR(syscall(SYS_arch_prctl, 0x9999, 0), EINVAL);
}

/* ---- CPUs ---- */

static void test_affinity(void)
{
	cpu_set_t all, one, now;
	unsigned int cpu = 99, node = 99;

	CHECK_OK(sched_getaffinity(0, sizeof(all), &all));
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET(i, &all))
			continue;
		CPU_ZERO(&one);
		CPU_SET(i, &one);
		CHECK_OK(sched_setaffinity(0, sizeof(one), &one));
		CHECK_OK(syscall(SYS_getcpu, &cpu, &node, NULL));
		CHECK_EQ(cpu, (unsigned int)i);
		CHECK_EQ(sched_getcpu(), i);
		CHECK_OK(sched_getaffinity(0, sizeof(now), &now));
		CHECK(CPU_EQUAL(&one, &now));
	}
	CHECK_OK(sched_setaffinity(0, sizeof(all), &all));
	CPU_ZERO(&one);
	CHECK_ERR(sched_setaffinity(0, sizeof(one), &one), EINVAL);
	CHECK_ERR(syscall(SYS_sched_getaffinity, 0, 3, &now), EINVAL);
	CHECK_ERR(sched_setaffinity(99999999, sizeof(all), &all), ESRCH);
}

static void test_policies(void)
{
	struct sched_param p = {0};

	CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
	CHECK_OK(sched_setscheduler(0, SCHED_BATCH, &p));
	CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
	CHECK_OK(sched_setscheduler(0, SCHED_OTHER, &p));
	p.sched_priority = 1;
	CHECK_ERR(sched_setscheduler(0, SCHED_OTHER, &p), EINVAL);
	p.sched_priority = 100;
	CHECK_ERR(sched_setscheduler(0, SCHED_FIFO, &p), EINVAL);
	CHECK_ERR(sched_setscheduler(0, 77, &p), EINVAL);
	CHECK_EQ(sched_get_priority_max(SCHED_RR), 99);
	CHECK_EQ(sched_get_priority_min(SCHED_FIFO), 1);
	CHECK_EQ(sched_get_priority_max(SCHED_OTHER), 0);
	CHECK_ERR(sched_get_priority_max(77), EINVAL);
}

static void test_membarrier(void)
{
	pthread_t t;
	int cmds = (int)syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	if (cmds < 0 || !(cmds & MEMBARRIER_CMD_PRIVATE_EXPEDITED))
		return;
	CHECK_ERR(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0), EPERM);
	CHECK_OK(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	pthread_create(&t, NULL, spinner, NULL);
	for (int i = 0; i < 100; i++)
		CHECK_OK(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	CHECK_ERR(syscall(SYS_membarrier, 12345, 0, 0), EINVAL);
	CHECK_ERR(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 8, 0), EINVAL);
}

/* Two threads that never sleep share one CPU. How fairly depends on what else the host does. */
static void *count(void *arg)
{
	while (!stop)
		(*(volatile long *)arg)++;
	return NULL;
}

static void test_preemption(void)
{
	static long n[2];
	cpu_set_t all, one;
	pthread_t t[2];
	int cpu = sched_getcpu();

	CHECK_OK(sched_getaffinity(0, sizeof(all), &all));
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	CHECK_OK(sched_setaffinity(0, sizeof(one), &one));
	stop = 0;
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, count, &n[i]);
	usleep(300000);
	stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	CHECK_OK(sched_setaffinity(0, sizeof(all), &all));
	CHECK(n[0] > 0 && n[1] > 0);
}

int main(void)
{
	test_tids();
	test_exit_group();
	test_registers();
	test_fp_fork();
	test_segment_bases();
	test_affinity();
	test_policies();
	test_preemption();
	test_membarrier();
	return 0;
}
