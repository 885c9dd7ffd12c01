/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that crash: what each instruction, place or stack that cannot be does to the process that tries it, and to
 * nobody else.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "sys.h"

#define PAGE 4096ul
#define CODE(...) (const unsigned char[]){__VA_ARGS__}, sizeof((const unsigned char[]){__VA_ARGS__})
#define SYSCALL 0xb8, 39, 0, 0, 0, 0x0f, 0x05 /* getpid */
#define UD2 0x0f, 0x0b
#define SET_FLAG(b1, b2, b3) 0x9c, 0x81, 0x0c, 0x24, 0, b1, b2, b3, 0x9d
#define NON_CANONICAL_RAX 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0x80
#define RSP_FROM_RAX 0x48, 0x89, 0xc4

enum place { ANYWHERE, ACROSS_PAGES, END_OF_MEMORY };

static const struct {
	const char *name;
	int sig;
	enum place place;
	const unsigned char *code;
	size_t size;
} codes[] = {
	{"ud2", SIGILL, ANYWHERE, CODE(UD2)},
	{"hlt", SIGSEGV, ANYWHERE, CODE(0xf4)},
	{"cli", SIGSEGV, ANYWHERE, CODE(0xfa)},
	{"in", SIGSEGV, ANYWHERE, CODE(0xec)},
	{"rdmsr", SIGSEGV, ANYWHERE, CODE(0x0f, 0x32)},
	{"mov to cr3", SIGSEGV, ANYWHERE, CODE(0x0f, 0x22, 0xd8)},
	{"lgdt", SIGSEGV, ANYWHERE, CODE(0x0f, 0x01, 0x14, 0x24)},
	{"invd", SIGSEGV, ANYWHERE, CODE(0x0f, 0x08)},
	{"swapgs", SIGSEGV, ANYWHERE, CODE(0x0f, 0x01, 0xf8)},
	{"sysret", SIGSEGV, ANYWHERE, CODE(0x48, 0x0f, 0x07)},
	{"sysexit", SIGSEGV, ANYWHERE, CODE(0x0f, 0x35)},
	{"int3", SIGTRAP, ANYWHERE, CODE(0xcc)},
	{"int1", SIGTRAP, ANYWHERE, CODE(0xf1)},
	{"int 0", SIGSEGV, ANYWHERE, CODE(0xcd, 0)},
	{"int 4", SIGSEGV, ANYWHERE, CODE(0xcd, 4)},
	{"int 14", SIGSEGV, ANYWHERE, CODE(0xcd, 14)},
	{"int 0x20", SIGSEGV, ANYWHERE, CODE(0xcd, 0x20)},
	{"int 0x81", SIGSEGV, ANYWHERE, CODE(0xcd, 0x81)},
	{"iret to nowhere", SIGSEGV, ANYWHERE, CODE(0x48, 0xcf)},
	{"overflow of a division", SIGFPE, ANYWHERE,
	 CODE(0xba, 1, 0, 0, 0, 0x31, 0xc0, 0x31, 0xc9, 0xff, 0xc1, 0xf7, 0xf1)},
	{"lock nop", SIGILL, ANYWHERE, CODE(0xf0, 0x90)},
	{"sixteen prefixes", SIGSEGV, ANYWHERE,
	 CODE(0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90)},
	{"push, rsp 0", SIGSEGV, ANYWHERE, CODE(0x31, 0xe4, 0x50)},
	{"push, rsp not canonical", SIGBUS, ANYWHERE, CODE(NON_CANONICAL_RAX, RSP_FROM_RAX, 0x50)},
	{"push, rsp the kernel's", SIGSEGV, ANYWHERE, CODE(0x48, 0xc7, 0xc4, 0, 0, 0, 0x80, 0x50)},
	{"system call, rsp 0", SIGILL, ANYWHERE, CODE(0x31, 0xe4, SYSCALL, UD2)},
	{"system call, rsp not canonical", SIGILL, ANYWHERE, CODE(NON_CANONICAL_RAX, RSP_FROM_RAX, SYSCALL, UD2)},
	{"system call, alignment checks", SIGILL, ANYWHERE, CODE(SET_FLAG(0, 4, 0), SYSCALL, UD2)},
	{"system call, direction flag", SIGILL, ANYWHERE, CODE(0xfd, SYSCALL, UD2)},
	{"system call, nested task", SIGILL, ANYWHERE, CODE(SET_FLAG(0x40, 0, 0), SYSCALL, UD2)},
	{"system call, single step", SIGTRAP, ANYWHERE, CODE(SET_FLAG(1, 0, 0), SYSCALL, UD2)},
	{"system call, %gs null", SIGILL, ANYWHERE, CODE(0x31, 0xc0, 0x8e, 0xe8, SYSCALL, UD2)},
	{"system call across pages", SIGILL, ACROSS_PAGES, CODE(SYSCALL, UD2)},
	{"system call at the end", SIGSEGV, END_OF_MEMORY, CODE(SYSCALL)},
	{"half an instruction at the end", SIGSEGV, END_OF_MEMORY, CODE(0x0f)},
	{"alignment check", SIGBUS, ANYWHERE, CODE(SET_FLAG(0, 4, 0), 0x48, 0x8b, 0x44, 0x24, 0x01)},
	{"far return to 0", SIGSEGV, ANYWHERE, CODE(0x6a, 0x33, 0x6a, 0x00, 0x48, 0xcb)},
	{"far return, bad cs", SIGSEGV, ANYWHERE, CODE(0x6a, 0x07, 0x6a, 0x00, 0x48, 0xcb)},
	{"bad ds", SIGSEGV, ANYWHERE, CODE(0xb8, 0x55, 0x55, 0, 0, 0x8e, 0xd8)},
	{"ds and es null", SIGILL, ANYWHERE, CODE(0x31, 0xc0, 0x8e, 0xc0, 0x8e, 0xd8, UD2)},
	{"ss null", SIGSEGV, ANYWHERE, CODE(0x31, 0xc0, 0x8e, 0xd0)},
	{"flat fs", SIGSEGV, ANYWHERE, CODE(0xb8, 0x2b, 0, 0, 0, 0x8e, 0xe0, 0x64, 0x8b, 0x04, 0x25, 0, 0, 0, 0)},
	{"flat gs", SIGSEGV, ANYWHERE, CODE(0xb8, 0x2b, 0, 0, 0, 0x8e, 0xe8, 0x65, 0x8b, 0x04, 0x25, 0, 0, 0, 0)},
	{"fs base the kernel's", SIGSEGV, ANYWHERE,
	 CODE(0x48, 0xb8, 0, 0, 0, 0, 0, 0x88, 0xff, 0xff, 0xf3, 0x48, 0x0f, 0xae, 0xd0, 0x64, 0x8b, 0x04, 0x25, 0, 0,
	      0, 0)},
	{"fs base not canonical", SIGSEGV, ANYWHERE, CODE(NON_CANONICAL_RAX, 0xf3, 0x48, 0x0f, 0xae, 0xd0)},
};

static void run_code(size_t n)
{
	char *p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	munmap(p + 2 * PAGE, PAGE);
	p += codes[n].place == ACROSS_PAGES ? PAGE - 6 : codes[n].place == END_OF_MEMORY ? 2 * PAGE - codes[n].size : 0;
	memcpy(p, codes[n].code, codes[n].size);
	((void (*)(void))(unsigned long)p)();
}

static void test_codes(void)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		const pid_t pid = (pid_t)CHECK_OK(fork());
		int got;

		if (!pid) {
			run_code(i);
			_exit(0);
		}
		got = wait_for(pid);
		if (got != 128 + codes[i].sig) {
			fprintf(stderr, "%s: %d, not %d\n", codes[i].name, got, 128 + codes[i].sig);
			exit(1);
		}
	}
}

/* ---- places ---- */

static char data[64] = {(char)0xc3};

static void test_places(void)
{
	const unsigned long nowhere[] = {0,
					 8,
					 0x8000000000000000ul,
					 0xffffffff81000000ul,
					 0xffff888000000000ul,
					 0x7ffffffff000ul,
					 (unsigned long)data};

	for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
		for (int handler = 0; handler < 2; handler++) {
			const pid_t pid = (pid_t)CHECK_OK(fork());

			if (!pid) {
				if (handler) {
					/* 0 and 1 would be SIG_DFL and SIG_IGN */
					signal(SIGUSR1, (void (*)(int))(nowhere[i] ? nowhere[i] : 16));
					raise(SIGUSR1);
				} else {
					((void (*)(void))nowhere[i])();
				}
				_exit(0);
			}
			CHECK_EQ(wait_for(pid), 128 + SIGSEGV);
		}
	}
}

/* ---- stacks ---- */

static volatile int deeper = 1;

static int deep(const volatile char *p)
{
	volatile char b[4000];

	b[0] = p ? *p : 1;
	return deeper ? deep(b) + b[0] : 0;
}

static void *deep_thread(void *arg)
{
	deep(NULL);
	return NULL;
}

static void on_segv(int sig)
{
	_exit(5);
}

static void fault_again(int sig)
{
	*(volatile char *)bad_ptr = 1;
}

static void catch_segv(void (*handler)(int), int flags)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};

	sigaction(SIGSEGV, &sa, NULL);
}

static void plain(void)
{
	deep(NULL);
}

static void in_a_thread(void)
{
	pthread_t t;

	pthread_create(&t, NULL, deep_thread, NULL);
	pthread_join(t, NULL);
}

static void without_altstack(void)
{
	catch_segv(on_segv, 0);
	deep(NULL);
}

static void with_altstack(void)
{
	stack_t ss = {.ss_sp = malloc(65536), .ss_size = 65536};

	sigaltstack(&ss, NULL);
	catch_segv(on_segv, SA_ONSTACK);
	deep(NULL);
}

static void altstack_nowhere(void)
{
	stack_t ss = {.ss_sp = bad_ptr, .ss_size = 65536};

	sigaltstack(&ss, NULL);
	catch_segv(on_segv, SA_ONSTACK);
	deep(NULL);
}

static void fault_in_handler(void)
{
	catch_segv(fault_again, 0);
	fault_again(0);
}

static void faults_without_end(void)
{
	catch_segv(fault_again, SA_NODEFER);
	fault_again(0);
}

static void test_stacks(void)
{
	static const struct {
		void (*run)(void);
		int status;
	} runs[] = {
		{plain, 128 + SIGSEGV},
		{in_a_thread, 128 + SIGSEGV},
		{without_altstack, 128 + SIGSEGV},
		{with_altstack, 5},
		{altstack_nowhere, 128 + SIGSEGV},
		{fault_in_handler, 128 + SIGSEGV},
		{faults_without_end, 128 + SIGSEGV},
	};

	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		const pid_t pid = (pid_t)CHECK_OK(fork());

		if (!pid) {
			const struct rlimit r = {1 << 20, 1 << 20};

			setrlimit(RLIMIT_STACK, &r);
			runs[i].run();
			_exit(0);
		}
		CHECK_EQ(wait_for(pid), runs[i].status);
	}
}

/* ---- code that is rewritten while others run it ---- */

static volatile int stop;
static volatile unsigned char *jit;

static void *runner(void *arg)
{
	while (!stop) {
		const int got = ((int (*)(void))(unsigned long)jit)();

		CHECK(got == getpid() || got == getppid());
	}
	return NULL;
}

/* One byte decides which system call it is; each thread sees the one or the other. */
static void test_rewritten(void)
{
	static const unsigned char code[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3};
	pthread_t t[3];

	jit = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memcpy((void *)(unsigned long)jit, code, sizeof(code));
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, runner, NULL), 0);
	for (int i = 0; i < 20000; i++) {
		jit[1] = i & 1 ? 39 : 110; /* getpid, getppid */
		if (i % 1000 == 0) {
			mprotect((void *)(unsigned long)jit, PAGE, PROT_READ | PROT_EXEC);
			mprotect((void *)(unsigned long)jit, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
		}
	}
	stop = 1;
	for (int i = 0; i < 3; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
}

int main(void)
{
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	test_codes();
	test_places();
	test_stacks();
	test_rewritten();
	return 0;
}
