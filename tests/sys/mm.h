/* SPDX-License-Identifier: Apache-2.0 */
/* For the memory tests: shorthands, and accesses that are allowed to fault. */
#ifndef UMBRA_TESTS_MM_H
#define UMBRA_TESTS_MM_H

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

#include "sys.h"

#define PAGE 4096ul
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static sigjmp_buf fault_jump;
static volatile int fault_signal, fault_code;
static void *volatile fault_addr;

static inline void fault_handler(int sig, siginfo_t *si, void *uc)
{
	fault_signal = sig;
	fault_code = si->si_code;
	fault_addr = si->si_addr;
	siglongjmp(fault_jump, 1);
}

static inline void catch_faults(void)
{
	struct sigaction sa = {.sa_sigaction = fault_handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	static char stack[65536];
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};

	CHECK_OK(sigaltstack(&ss, NULL));
	CHECK_OK(sigaction(SIGSEGV, &sa, NULL));
	CHECK_OK(sigaction(SIGBUS, &sa, NULL));
}

/* 0 if the access works, else the signal; code and address in fault_*. */
static inline int try_read(const volatile void *p)
{
	fault_signal = 0;
	if (!sigsetjmp(fault_jump, 1))
		(void)*(const volatile char *)p;
	return fault_signal;
}

static inline int try_write(volatile void *p, char c)
{
	fault_signal = 0;
	if (!sigsetjmp(fault_jump, 1))
		*(volatile char *)p = c;
	return fault_signal;
}

#define CHECK_FAULT(access, sig, code, addr)                                                                           \
	do {                                                                                                           \
		CHECK_EQ(access, sig);                                                                                 \
		CHECK_EQ(fault_code, code);                                                                            \
		CHECK(fault_addr == (void *)(addr));                                                                   \
	} while (0)

static inline char *map(size_t len, int prot, int flags)
{
	char *p = mmap(NULL, len, prot, flags, -1, 0);

	CHECK(p != MAP_FAILED);
	return p;
}

/* Where test files go: $TEST_DIR chooses the file system. */
static inline int test_file(void)
{
	const char *dir = getenv("TEST_DIR");
	char name[4096];
	int fd;

	snprintf(name, sizeof(name), "%s/mmtest-XXXXXX", dir ? dir : "/tmp");
	fd = (int)CHECK_OK(mkstemp(name));
	CHECK_OK(unlink(name));
	return fd;
}

/* An unnamed file of @len bytes with a pattern: byte i is i / 4096 + i % 251. */
static inline char pattern(size_t i)
{
	return (char)(i / PAGE + i % 251);
}

static inline int pattern_file(size_t len)
{
	int fd = test_file();
	char *buf = malloc(len + 1);

	for (size_t i = 0; i < len; i++)
		buf[i] = pattern(i);
	CHECK_EQ(pwrite(fd, buf, len, 0), (ssize_t)len);
	free(buf);
	return fd;
}

#endif
