/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The other half of mm_torture: fork, vfork and exec, faults that a signal handler repairs, truncation under a mapping,
 * code that is rewritten and run, and timer signals through all of it, for some seconds (argument, default 3), all
 * content checked.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "mm.h"

#define PAGES 64
#define THREADS 2 /* of each kind */

extern char **environ;

static time_t end_time;
static const char *self;
static volatile unsigned long ticks;

/* Set by a thread that expects a fault: what the handler is to do about it. */
static __thread struct {
	char *volatile page; /* the only one that may fault; NULL: none */
	volatile int faults;
	volatile bool bus; /* SIGBUS is expected: jump out */
	sigjmp_buf out;
} expected;

static bool running(void)
{
	return time(NULL) < end_time;
}

static unsigned rnd(unsigned *s)
{
	*s = *s * 1664525 + 1013904223;
	return *s >> 8;
}

static uint64_t stamp(unsigned seed, unsigned page, unsigned word)
{
	return (seed * 0x9e3779b97f4a7c15ull) ^ ((uint64_t)page << 32 | word);
}

static void fill(char *p, unsigned seed, unsigned page)
{
	for (unsigned i = 0; i < PAGE / 8; i += 37)
		((uint64_t *)(void *)p)[i] = stamp(seed, page, i);
}

static void verify(const char *p, unsigned seed, unsigned page)
{
	for (unsigned i = 0; i < PAGE / 8; i += 37)
		CHECK_EQ(((const uint64_t *)(const void *)p)[i], stamp(seed, page, i));
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	char *page = (char *)((uintptr_t)info->si_addr & ~(PAGE - 1));

	(void)context;
	if (sig == SIGBUS && expected.bus)
		siglongjmp(expected.out, 1);
	if (sig != SIGSEGV || page != expected.page) {
		static const char text[] = "mm_torture_exec: a fault nobody expected\n";

		if (write(2, text, sizeof(text) - 1) < 0)
			_exit(4);
		_exit(3);
	}
	expected.page = NULL;
	expected.faults++;
	if (mprotect(page, PAGE, RW))
		_exit(5);
}

/* Uses some stack that may not be there yet. */
static void on_tick(int sig)
{
	volatile char deep[3 * PAGE];

	(void)sig;
	for (unsigned i = 0; i < sizeof(deep); i += PAGE)
		deep[i] = (char)i;
	ticks += deep[0] == 0;
}

/* ---- exec ---- */

/* The program that is executed: finds in descriptor @fd what its parent wrote there. */
static int executed(unsigned seed, int fd)
{
	char *p = mmap(NULL, PAGES * PAGE, RW, MAP_PRIVATE, fd, 0);

	CHECK(p != MAP_FAILED);
	for (unsigned i = 0; i < PAGES; i++)
		verify(p + i * PAGE, seed, i);
	for (unsigned i = 0; i < PAGES; i += 3)
		fill(p + i * PAGE, seed + 1, i);
	for (unsigned i = 0; i < PAGES; i++)
		verify(p + i * PAGE, i % 3 ? seed : seed + 1, i);
	return 0;
}

/* The ways to start @argv; @scribble: what a forked child may do to its copy of the caller's memory first. */
static pid_t start(unsigned kind, char **argv, char *scribble, unsigned tag)
{
	pid_t pid;

	if (kind == 0) {
		CHECK_EQ(posix_spawn(&pid, self, NULL, NULL, argv, environ), 0);
		return pid;
	}
	pid = (pid_t)CHECK_OK(kind == 1 ? fork() : vfork());
	if (!pid) {
		if (kind == 1)
			for (unsigned i = 0; i < PAGES; i += 5)
				fill(scribble + i * PAGE, tag, i);
		execv(self, argv);
		_exit(126);
	}
	return pid;
}

static void *exec_thread(void *arg)
{
	unsigned seed = 77 + (unsigned)(uintptr_t)arg;
	int fd = CHECK_OK(memfd_create("torture", 0));
	char *shared, *private = mmap(NULL, PAGES * PAGE, RW, ANON, -1, 0), number[2][16];
	char *argv[] = {TEXT(self), number[0], number[1], NULL};
	pid_t pid;

	CHECK_OK(ftruncate(fd, PAGES * PAGE));
	shared = mmap(NULL, PAGES * PAGE, RW, MAP_SHARED, fd, 0);
	CHECK(shared != MAP_FAILED && private != MAP_FAILED);
	while (running()) {
		unsigned tag = rnd(&seed);

		for (unsigned i = 0; i < PAGES; i++) {
			fill(shared + i * PAGE, tag, i);
			fill(private + i * PAGE, tag + 5, i);
		}
		snprintf(number[0], sizeof(number[0]), "+%u", tag);
		snprintf(number[1], sizeof(number[1]), "%d", fd);
		pid = start(rnd(&seed) % 3, argv, private, tag + 9);
		for (unsigned i = 0; i < PAGES; i++)
			verify(private + i * PAGE, tag + 5, i);
		CHECK_EQ(wait_for(pid), 0);
		for (unsigned i = 0; i < PAGES; i++)
			verify(shared + i * PAGE, tag, i);
	}
	CHECK_OK(munmap(shared, PAGES * PAGE));
	CHECK_OK(munmap(private, PAGES * PAGE));
	close(fd);
	return NULL;
}

/* ---- faults repaired by the handler ---- */

static void *fault_thread(void *arg)
{
	unsigned seed = 4711 + (unsigned)(uintptr_t)arg, tag[PAGES];
	char *p = mmap(NULL, PAGES * PAGE, RW, ANON, -1, 0);

	CHECK(p != MAP_FAILED);
	for (unsigned i = 0; i < PAGES; i++) {
		tag[i] = i;
		fill(p + i * PAGE, tag[i], i);
	}
	while (running()) {
		for (unsigned k = 0; k < 100; k++) {
			unsigned i = rnd(&seed) % PAGES;
			char *page = p + i * PAGE;
			bool write = rnd(&seed) & 1;

			CHECK_OK(mprotect(page, PAGE, write && (rnd(&seed) & 1) ? PROT_READ : PROT_NONE));
			expected.faults = 0;
			expected.page = page;
			if (write)
				fill(page, ++tag[i], i);
			verify(page, tag[i], i);
			CHECK_EQ(expected.faults, 1);
		}
	}
	CHECK_OK(munmap(p, PAGES * PAGE));
	return NULL;
}

/* ---- truncation ---- */

/* Reads the first word of @page; false: beyond the end of the file. */
static bool peek(char *page, uint64_t *word)
{
	bool there = false;

	expected.bus = true;
	if (!sigsetjmp(expected.out, 1)) {
		*word = *(volatile uint64_t *)(void *)page;
		there = true;
	}
	expected.bus = false;
	return there;
}

static void *truncate_thread(void *arg)
{
	unsigned seed = 99 + (unsigned)(uintptr_t)arg, size = PAGES, tag[PAGES] = {0};
	int fd = test_file();
	uint64_t word;
	char *p;

	CHECK_OK(ftruncate(fd, PAGES * PAGE));
	p = mmap(NULL, PAGES * PAGE, RW, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	while (running()) {
		unsigned i = rnd(&seed) % PAGES, what = rnd(&seed) % 10;

		if (what == 0) {
			CHECK_OK(ftruncate(fd, i * (off_t)PAGE));
			for (unsigned k = i; k < PAGES; k++)
				tag[k] = 0;
			size = i;
		} else if (what == 1) {
			CHECK_OK(ftruncate(fd, PAGES * PAGE));
			size = PAGES;
		} else if (what < 5 && i < size) {
			tag[i] = 1 + rnd(&seed);
			fill(p + i * PAGE, tag[i], i);
		} else {
			CHECK_EQ(peek(p + i * PAGE, &word), i < size);
			if (i < size)
				CHECK_EQ(word, tag[i] ? stamp(tag[i], i, 0) : 0);
		}
	}
	CHECK_OK(munmap(p, PAGES * PAGE));
	close(fd);
	return NULL;
}

/* ---- code ---- */

/* mov eax, NR; syscall; add rax, IMM; ret */
static void emit(char *at, uint32_t nr, uint32_t imm)
{
	unsigned char code[] = {0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0x48, 0x05, 0, 0, 0, 0, 0xc3};

	memcpy(code + 1, &nr, 4);
	memcpy(code + 9, &imm, 4);
	memcpy(at, code, sizeof(code));
}

static void *code_thread(void *arg)
{
	unsigned seed = 5 + (unsigned)(uintptr_t)arg;
	char *p = mmap(NULL, 4 * PAGE, RW | PROT_EXEC, ANON, -1, 0);
	bool protect = (uintptr_t)arg & 1;
	pid_t pid = getpid();

	CHECK(p != MAP_FAILED);
	while (running()) {
		/* Anywhere, across a page too. */
		char *at = p + rnd(&seed) % (4 * PAGE - 16);
		unsigned imm = rnd(&seed) & 0xffff;

		if (protect)
			CHECK_OK(mprotect(p, 4 * PAGE, RW));
		emit(at, SYS_getpid, imm);
		if (protect)
			CHECK_OK(mprotect(p, 4 * PAGE, PROT_READ | PROT_EXEC));
		for (unsigned k = 0; k < 3; k++)
			CHECK_EQ(((long (*)(void))(uintptr_t)at)(), pid + imm);
		if (rnd(&seed) % 16 == 0)
			CHECK_OK(madvise(p, 4 * PAGE, MADV_DONTNEED));
	}
	CHECK_OK(munmap(p, 4 * PAGE));
	return NULL;
}

int main(int argc, char **argv)
{
	static void *(*const kind[])(void *) = {exec_thread, fault_thread, truncate_thread, code_thread};
	const struct itimerval every = {{0, 3000}, {0, 3000}};
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	pthread_t t[4][THREADS];

	if (argc == 3 && argv[1][0] == '+')
		return executed((unsigned)strtoul(argv[1], NULL, 10), atoi(argv[2]));
	self = realpath("/proc/self/exe", NULL);
	CHECK(self);
	end_time = time(NULL) + (argc > 1 ? atoi(argv[1]) : 3);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sa = (struct sigaction){.sa_handler = on_tick, .sa_flags = SA_RESTART};
	sigaction(SIGALRM, &sa, NULL);
	CHECK_OK(setitimer(ITIMER_REAL, &every, NULL));
	for (unsigned k = 0; k < 4; k++)
		for (uintptr_t i = 0; i < THREADS; i++)
			CHECK(!pthread_create(&t[k][i], NULL, kind[k], (void *)i));
	for (unsigned k = 0; k < 4; k++)
		for (unsigned i = 0; i < THREADS; i++)
			pthread_join(t[k][i], NULL);
	CHECK(ticks > 0);
	return 0;
}
