/* SPDX-License-Identifier: Apache-2.0 */
/* mmap, munmap, mprotect, brk: placement, flags, errors, permissions. */
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>

#include "mm.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static void errors(void)
{
	int fd = pattern_file(PAGE), ro, wo;
	char path[64], *p = map(4 * PAGE, RW, ANON);

	CHECK_ERR((long)mmap(NULL, 0, RW, ANON, -1, 0), EINVAL);
	CHECK_ERR((long)mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0), EINVAL);
	CHECK_ERR(syscall(SYS_mmap, NULL, PAGE, RW, ANON, -1, 5), EINVAL);
	CHECK_ERR((long)mmap(NULL, PAGE, RW, MAP_PRIVATE, -1, 0), EBADF);
	CHECK_ERR((long)mmap(NULL, ~0ul - PAGE, RW, ANON, -1, 0), ENOMEM);
	CHECK_ERR((long)mmap(NULL, ~0ul, RW, ANON, -1, 0), ENOMEM);
	CHECK_ERR((long)mmap(NULL, 1ul << 47, PROT_NONE, ANON | MAP_NORESERVE, -1, 0), ENOMEM);
	CHECK_ERR((long)mmap(p + 1, PAGE, RW, ANON | MAP_FIXED, -1, 0), EINVAL);
	CHECK_ERR((long)mmap(p, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0), EEXIST);
	CHECK_ERR((long)mmap((void *)0x7fffffffe000ul, 4 * PAGE, RW, ANON | MAP_FIXED, -1, 0), ENOMEM);
	CHECK_ERR((long)mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, (off_t)(~0ul >> 1) & ~4095), EOVERFLOW);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ro = open(path, O_RDONLY);
	wo = open(path, O_WRONLY);
	if (ro >= 0) {
		CHECK_ERR((long)mmap(NULL, PAGE, RW, MAP_SHARED, ro, 0), EACCES);
		CHECK((mmap(NULL, PAGE, RW, MAP_PRIVATE, ro, 0)) != MAP_FAILED);
		char *s = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0);
		CHECK(s != MAP_FAILED);
		CHECK_ERR(mprotect(s, PAGE, RW), EACCES);
		CHECK_ERR((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, wo, 0), EACCES);
	}
	int pipefd[2];
	CHECK_OK(pipe(pipefd));
	CHECK_ERR((long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, pipefd[0], 0), ENODEV);
	CHECK_ERR(munmap(p + 1, PAGE), EINVAL);
	CHECK_ERR(munmap(p, 0), EINVAL);
	CHECK_ERR(munmap(p, ~0ul - PAGE), EINVAL);
	CHECK_OK(munmap(p, 4 * PAGE));
	CHECK_OK(munmap(p, 4 * PAGE)); /* nothing there is fine */
	CHECK_ERR(mprotect(p, PAGE, PROT_READ), ENOMEM);
	CHECK_ERR(mprotect(p + 1, PAGE, PROT_READ), EINVAL);
	CHECK_OK(mprotect(p, 0, PROT_READ));
	close(fd);
}

static void placement(void)
{
	char *p = map(64 * PAGE, RW, ANON), *q;

	/* A hint is taken where there is room. */
	CHECK_OK(munmap(p + 16 * PAGE, 16 * PAGE));
	CHECK(mmap(p + 20 * PAGE, 4 * PAGE, RW, ANON, -1, 0) == p + 20 * PAGE);
	q = mmap(p, 4 * PAGE, RW, ANON, -1, 0);
	CHECK(q != p && q != MAP_FAILED);
	CHECK_OK(munmap(q, 4 * PAGE));
	CHECK(mmap(p + 16 * PAGE, 4 * PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == p + 16 * PAGE);
	/* A fixed mapping replaces content. */
	p[0] = 'x';
	CHECK(mmap(p, PAGE, RW, ANON | MAP_FIXED, -1, 0) == p);
	CHECK_EQ(p[0], 0);
	CHECK_OK(munmap(p, 64 * PAGE));
	q = mmap(NULL, 8 * PAGE, RW, ANON | MAP_32BIT, -1, 0);
	CHECK(q != MAP_FAILED && (uintptr_t)q < 1ul << 31);
	q[0] = 1;
	CHECK_OK(munmap(q, 8 * PAGE));
	/* The low half of the address space is for fixed mappings as well. */
	q = mmap((void *)0xc000000000ul, 64ul << 20, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0);
	CHECK(q == (void *)0xc000000000ul);
	q[(64ul << 20) - 1] = 1;
	CHECK_OK(munmap(q, 64ul << 20));
}

/* Addresses that a kernel may use for its own purposes belong to the program that asks for them. */
static void anywhere(void)
{
	static const unsigned long at[] = {0x10000,    0x400000,    0x50f0000,	   0x50f8000,
					   0x7fff0000, 0x100000000, 0x7ffff0000000};
	volatile long pid = getpid();

	for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		char *p = (char *)at[i];

		if (mmap(p, PAGE, PROT_NONE, ANON | MAP_FIXED_NOREPLACE, -1, 0) != p && i != 2 && i != 3)
			continue; /* this program's own */
		CHECK(mmap(p, 16 * PAGE, RW, ANON | MAP_FIXED, -1, 0) == p);
		memset(p, 0x5a, 16 * PAGE);
		CHECK_EQ(syscall(SYS_getpid), pid);
		CHECK_EQ(getpid(), pid);
		CHECK_EQ(p[15 * PAGE], 0x5a);
		CHECK_OK(munmap(p, 16 * PAGE));
		CHECK_EQ(getppid(), syscall(SYS_getppid));
	}
}

static void reservations(void)
{
	const size_t tb = 1ul << 40;
	char *p[4];

	for (int i = 0; i < 4; i++) {
		p[i] = mmap(NULL, tb, PROT_NONE, ANON | MAP_NORESERVE, -1, 0);
		CHECK(p[i] != MAP_FAILED);
		CHECK_FAULT(try_read(p[i] + tb / 2), SIGSEGV, SEGV_ACCERR, p[i] + tb / 2);
		CHECK_OK(mprotect(p[i] + tb / 2, 16 * PAGE, RW));
		p[i][tb / 2 + 5] = 7;
		CHECK_EQ(p[i][tb / 2 + 5], 7);
		CHECK_FAULT(try_write(p[i] + tb / 2 - 1, 1), SIGSEGV, SEGV_ACCERR, p[i] + tb / 2 - 1);
	}
	for (int i = 0; i < 4; i++)
		CHECK_OK(munmap(p[i], tb));
	CHECK_FAULT(try_read(p[0] + tb / 2), SIGSEGV, SEGV_MAPERR, p[0] + tb / 2);
}

/* Shadow memory and heaps of sanitizers lie at fixed addresses; whoever builds a program with them relies on it. */
static void sanitizer_ranges(void)
{
	static const struct {
		uint64_t start, len;
	} range[] = {
		{0x00007fff7000, 0x00001000f000}, /* AddressSanitizer: low shadow */
		{0x02008fff7000, 0x0e0000001000}, /* high shadow */
		{0x600000000000, 0x040000002000}, /* heap, 4 TiB and two pages; LeakSanitizer's, too */
		{0x700000000000, 0x040000000000}, /* MemorySanitizer: heap */
		{0x7b0000000000, 0x001000000000}, /* ThreadSanitizer: heap */
	};

	for (size_t i = 0; i < sizeof(range) / sizeof(*range); i++) {
		char *p = mmap((void *)range[i].start, range[i].len, PROT_NONE,
			       ANON | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);

		CHECK_EQ((uint64_t)p, range[i].start);
		if (p == MAP_FAILED)
			continue;
		for (uint64_t at = 0; at < range[i].len; at += range[i].len - PAGE) {
			CHECK_OK(mprotect(p + at, PAGE, RW));
			p[at + 1] = 7;
			CHECK((mmap(p + at, PAGE, RW, ANON | MAP_FIXED, -1, 0)) == p + at);
			CHECK_EQ(p[at + 1], 0);
		}
		CHECK_OK(munmap(p, range[i].len));
	}
}

static void protection(void)
{
	char *p = map(16 * PAGE, RW, ANON);

	memset(p, 'a', 16 * PAGE);
	CHECK_OK(mprotect(p + 4 * PAGE, 4 * PAGE, PROT_READ));
	CHECK_EQ(try_read(p + 4 * PAGE), 0);
	CHECK_FAULT(try_write(p + 5 * PAGE, 'b'), SIGSEGV, SEGV_ACCERR, p + 5 * PAGE);
	CHECK_EQ(try_write(p + 3 * PAGE, 'b'), 0);
	CHECK_EQ(try_write(p + 8 * PAGE, 'b'), 0);
	CHECK_OK(mprotect(p, 16 * PAGE, PROT_NONE));
	for (int i = 0; i < 16; i++)
		CHECK_FAULT(try_read(p + (unsigned)i * PAGE), SIGSEGV, SEGV_ACCERR, p + (unsigned)i * PAGE);
	CHECK_OK(mprotect(p, 16 * PAGE, RW));
	for (int i = 0; i < 16; i++)
		CHECK_EQ(p[(unsigned)i * PAGE], i == 3 || i == 8 ? 'b' : 'a');
	p[5 * PAGE] = 'c';
	CHECK_EQ(p[5 * PAGE + 1], 'a');
	/* Holes end the call with an error, what was before them is done. */
	CHECK_OK(munmap(p + 8 * PAGE, PAGE));
	CHECK_ERR(mprotect(p, 16 * PAGE, PROT_READ), ENOMEM);
	CHECK_EQ(try_write(p, 'x'), SIGSEGV);
	CHECK_EQ(try_write(p + 9 * PAGE, 'x'), 0);
	CHECK_FAULT(try_read(p + 8 * PAGE), SIGSEGV, SEGV_MAPERR, p + 8 * PAGE);
	CHECK_OK(munmap(p, 16 * PAGE));
}

static void code(void)
{
	/* mov $imm,%eax; ret */
	unsigned char *p = (unsigned char *)map(2 * PAGE, RW, ANON);
	int (*fn)(void) = (int (*)(void))(uintptr_t)p;

	for (int round = 0; round < 5; round++) {
		p[0] = 0xb8;
		p[1] = (unsigned char)(40 + round);
		p[2] = p[3] = p[4] = 0;
		p[5] = 0xc3;
		CHECK_OK(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
		CHECK_EQ(fn(), 40 + round);
		CHECK_EQ(try_write(p, 0), SIGSEGV);
		CHECK_OK(mprotect(p, PAGE, RW));
		fault_signal = 0;
		if (!sigsetjmp(fault_jump, 1))
			fn();
		CHECK_FAULT(fault_signal, SIGSEGV, SEGV_ACCERR, p);
	}
	CHECK_OK(munmap(p, 2 * PAGE));
}

static void program_break(void)
{
	char *start = sbrk(0), *p;

	CHECK_OK((long)sbrk(10 * PAGE + 100));
	p = start;
	memset(p, 1, 10 * PAGE + 100);
	CHECK_EQ(brk(start + PAGE), 0);
	CHECK_EQ(p[10], 1);
	CHECK_EQ(brk(start + 5 * PAGE), 0);
	CHECK_EQ(p[4 * PAGE], 0);
	CHECK_EQ(brk(start), 0);
	CHECK_EQ(syscall(SYS_brk, 0), (long)start);
	CHECK_EQ(syscall(SYS_brk, 1), (long)start);
	CHECK_EQ(syscall(SYS_brk, 0x7ffffffff000ul), (long)start);
}

static void limits(void)
{
	pid_t pid = fork();

	if (!pid) {
		struct rlimit r = {512ul << 20, 512ul << 20};
		char *p;

		CHECK_OK(setrlimit(RLIMIT_AS, &r));
		CHECK_ERR((long)mmap(NULL, 600ul << 20, RW, ANON, -1, 0), ENOMEM);
		CHECK_ERR((long)mmap(NULL, 600ul << 20, PROT_NONE, ANON, -1, 0), ENOMEM);
		p = map(200ul << 20, RW, ANON);
		CHECK_ERR((long)mmap(NULL, 400ul << 20, RW, ANON, -1, 0), ENOMEM);
		munmap(p, 200ul << 20);
		CHECK_OK((long)mmap(NULL, 400ul << 20, RW, ANON, -1, 0));
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
	pid = fork();
	if (!pid) {
		struct rlimit r = {64ul << 20, 64ul << 20};

		CHECK_OK(setrlimit(RLIMIT_DATA, &r));
		CHECK_ERR((long)mmap(NULL, 100ul << 20, RW, ANON, -1, 0), ENOMEM);
		CHECK_OK((long)mmap(NULL, 100ul << 20, PROT_READ, ANON, -1, 0));
		CHECK_OK((long)mmap(NULL, 100ul << 20, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
}

static void many(void)
{
	enum { N = 20000 };
	char *p = map((N * 2) * PAGE, RW, ANON);

	/* Every other page read-only: twice as many vmas as pages; and back again. */
	for (unsigned i = 0; i < N; i++)
		CHECK_OK(mprotect(p + i * 2 * PAGE, PAGE, PROT_READ));
	for (unsigned i = 0; i < N; i += 97) {
		CHECK_EQ(try_write(p + i * 2 * PAGE, 1), SIGSEGV);
		CHECK_EQ(try_write(p + i * 2 * PAGE + PAGE, 1), 0);
	}
	CHECK_OK(mprotect(p, N * 2 * PAGE, RW));
	CHECK_EQ(try_write(p, 1), 0);
	CHECK_OK(munmap(p, N * 2 * PAGE));
}

int main(void)
{
	catch_faults();
	errors();
	placement();
	anywhere();
	reservations();
	sanitizer_ranges();
	protection();
	code();
	program_break();
	limits();
	many();
	return 0;
}
