/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Anonymous memory: zero at first, in any order of access; copy on write over fork; stacks; threads that fault
 * together.
 */
#include <pthread.h>
#include <sys/resource.h>

#include "mm.h"

static unsigned rnd(unsigned *s)
{
	*s = *s * 1664525 + 1013904223;
	return *s >> 8;
}

/* Random pages, read or written first; each holds what was put there and zero otherwise. */
static void random_access(size_t pages, unsigned touches)
{
	char *p = map(pages * PAGE, RW, ANON), *seen = calloc(1, pages);
	unsigned s = 7;

	for (unsigned i = 0; i < touches; i++) {
		size_t n = rnd(&s) % pages;
		char *at = p + n * PAGE + rnd(&s) % (PAGE - 8);

		if (!seen[n])
			for (unsigned k = 0; k < PAGE; k += 512)
				CHECK_EQ(p[n * PAGE + k], 0);
		if (rnd(&s) & 1) {
			*at = 1;
			p[n * PAGE + PAGE - 1] = (char)n;
			seen[n] = 1;
		} else if (seen[n]) {
			CHECK_EQ(p[n * PAGE + PAGE - 1], (char)n);
		}
	}
	CHECK_OK(munmap(p, pages * PAGE));
	free(seen);
}

static void directions(void)
{
	const size_t n = 2048;
	char *p = map(n * PAGE, RW, ANON);

	for (size_t i = 0; i < n; i++)
		p[i * PAGE] = (char)(i + 1);
	for (size_t i = 0; i < n; i++)
		CHECK_EQ(p[i * PAGE], (char)(i + 1));
	CHECK_OK(munmap(p, n * PAGE));
	p = map(n * PAGE, RW, ANON);
	for (size_t i = n; i-- > 0;) {
		CHECK_EQ(p[i * PAGE + 77], 0);
		p[i * PAGE] = (char)(i + 1);
	}
	for (size_t i = 0; i < n; i++)
		CHECK_EQ(p[i * PAGE], (char)(i + 1));
	CHECK_OK(munmap(p, n * PAGE));
}

/* Pages that went back must not be seen by the next one. */
static void no_leftovers(void)
{
	for (int round = 0; round < 50; round++) {
		char *p = map(256 * PAGE, RW, ANON);

		for (size_t i = 0; i < 256 * PAGE; i += 64)
			CHECK_EQ(p[i], 0);
		memset(p, 0xaa, 256 * PAGE);
		CHECK_OK(munmap(p, 256 * PAGE));
	}
}

static void copy_on_write(void)
{
	const size_t n = 300;
	char *p = map(n * PAGE, RW, ANON);
	int go[2], done[2];
	char c;
	pid_t pid;

	for (size_t i = 0; i < n; i++)
		p[i * PAGE + 9] = 'p';
	CHECK_OK(pipe(go));
	CHECK_OK(pipe(done));
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		for (size_t i = 0; i < n; i += 3)
			p[i * PAGE + 9] = 'c';
		CHECK_OK(write(done[1], "x", 1));
		CHECK_OK(read(go[0], &c, 1));
		for (size_t i = 0; i < n; i++)
			CHECK_EQ(p[i * PAGE + 9], i % 3 ? 'p' : 'c');
		_exit(0);
	}
	CHECK_OK(read(done[0], &c, 1));
	for (size_t i = 0; i < n; i++)
		CHECK_EQ(p[i * PAGE + 9], 'p');
	for (size_t i = 0; i < n; i += 2)
		p[i * PAGE + 9] = 'q';
	CHECK_OK(write(go[1], "x", 1));
	CHECK_EQ(wait_for(pid), 0);
	for (size_t i = 0; i < n; i++)
		CHECK_EQ(p[i * PAGE + 9], i % 2 ? 'p' : 'q');
	/* Alone again: plain writes. */
	for (size_t i = 0; i < n; i++)
		p[i * PAGE + 9] = 'z';
	for (size_t i = 0; i < n; i++)
		CHECK_EQ(p[i * PAGE + 9], 'z');
	CHECK_OK(munmap(p, n * PAGE));
}

/* Generations of processes, each with its own view. */
static void generations(char *p, int depth)
{
	for (int i = 0; i < 2 && depth; i++) {
		pid_t pid = (pid_t)CHECK_OK(fork());

		if (!pid) {
			CHECK_EQ(p[0], (char)(depth + 1));
			p[0] = (char)depth;
			p[(unsigned)depth * PAGE] = 'd';
			generations(p, depth - 1);
			CHECK_EQ(p[0], (char)depth);
			for (int k = 1; k < depth; k++)
				CHECK_EQ(p[(unsigned)k * PAGE], 0);
			_exit(0);
		}
		CHECK_EQ(wait_for(pid), 0);
		CHECK_EQ(p[0], (char)(depth + 1));
	}
}

static void shared_anonymous(void)
{
	volatile int *p = (volatile int *)map(64 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS);
	pid_t pid = (pid_t)CHECK_OK(fork());

	if (!pid) {
		for (unsigned i = 0; i < 64; i++)
			p[i * 1024] = (int)i + 1;
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
	for (unsigned i = 0; i < 64; i++)
		CHECK_EQ(p[i * 1024], (int)i + 1);
	CHECK_OK(munmap((void *)(uintptr_t)p, 64 * PAGE));
}

static size_t __attribute__((noinline)) deep(size_t bytes)
{
	volatile char frame[3000];

	frame[0] = frame[2999] = 1;
	return bytes <= 3000 ? (size_t)frame[0] : deep(bytes - 3000) + (size_t)frame[2999];
}

static void stacks(void)
{
	pid_t pid;

	CHECK(deep(6 << 20) > 1000);
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		struct rlimit r = {1 << 20, 1 << 20};

		signal(SIGSEGV, SIG_DFL);
		CHECK_OK(setrlimit(RLIMIT_STACK, &r));
		r.rlim_cur = r.rlim_max = 0;
		setrlimit(RLIMIT_CORE, &r);
		deep(64 << 20);
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 128 + SIGSEGV);
}

static void grows_down(void)
{
	/* Room below for the gap and some more. */
	char *base = map(2048 * PAGE, PROT_NONE, ANON), *p = base + 1024 * PAGE;

	CHECK_OK(munmap(base, 2048 * PAGE));
	CHECK(mmap(p, 2 * PAGE, RW, ANON | MAP_GROWSDOWN | MAP_FIXED, -1, 0) == p);
	for (int i = 0; i < 100; i++)
		CHECK_EQ(try_write(p - (unsigned)i * PAGE - 1, 'g'), 0);
	CHECK_EQ(p[-(long)PAGE - 1], 'g');
	/* Something accessible close below: no further. */
	CHECK(mmap(base + 600 * PAGE, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == base + 600 * PAGE);
	CHECK_FAULT(try_write(base + 700 * PAGE, 'g'), SIGSEGV, SEGV_MAPERR, base + 700 * PAGE);
	CHECK_EQ(try_write(base + 900 * PAGE, 'g'), 0);
	CHECK_OK(munmap(base, 1026 * PAGE));
}

struct job {
	char *p;
	size_t pages;
	unsigned seed;
};

static void *toucher(void *arg)
{
	struct job *j = arg;

	for (size_t i = 0; i < j->pages * 4; i++) {
		size_t n = rnd(&j->seed) % j->pages;

		__atomic_fetch_add((int *)(void *)(j->p + n * PAGE), 1, __ATOMIC_SEQ_CST);
	}
	return NULL;
}

/* Many threads take the same faults at once: no touch is lost. */
static void threads(void)
{
	enum { THREADS = 6, PAGES = 3000 };
	pthread_t t[THREADS];
	struct job job[THREADS];
	char *p = map(PAGES * PAGE, RW, ANON);
	long sum = 0;

	for (unsigned i = 0; i < THREADS; i++) {
		job[i] = (struct job){p, PAGES, i + 1};
		CHECK(!pthread_create(&t[i], NULL, toucher, &job[i]));
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (unsigned i = 0; i < PAGES; i++)
		sum += *(int *)(void *)(p + i * PAGE);
	CHECK_EQ(sum, THREADS * PAGES * 4l);
	CHECK_OK(munmap(p, PAGES * PAGE));
}

static volatile int stop;

static void *adder(void *arg)
{
	volatile long *n = arg;

	while (!stop)
		++*n;
	return NULL;
}

/* A thread writes while the process forks: the child sees one moment, the parent loses nothing. */
static void fork_under_writes(void)
{
	volatile long *n = (volatile long *)(void *)map(PAGE, RW, ANON);
	pthread_t t;

	stop = 0;
	CHECK(!pthread_create(&t, NULL, adder, (void *)(uintptr_t)n));
	for (int i = 0; i < 30; i++) {
		pid_t pid = (pid_t)CHECK_OK(fork());

		if (!pid) {
			long a = *n;

			for (volatile int k = 0; k < 20000; k++)
				;
			_exit(*n != a);
		}
		CHECK_EQ(wait_for(pid), 0);
	}
	stop = 1;
	pthread_join(t, NULL);
	CHECK_OK(munmap((void *)(uintptr_t)n, PAGE));
}

int main(void)
{
	catch_faults();
	CHECK_FAULT(try_read((void *)8), SIGSEGV, SEGV_MAPERR, 8);
	random_access(500, 3000);
	random_access(100000, 2000);
	directions();
	no_leftovers();
	copy_on_write();
	char *p = map(16 * PAGE, RW, ANON);
	p[0] = 5;
	generations(p, 4);
	CHECK_OK(munmap(p, 16 * PAGE));
	shared_anonymous();
	stacks();
	grows_down();
	threads();
	fork_under_writes();
	return 0;
}
