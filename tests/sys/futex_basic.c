/* SPDX-License-Identifier: Apache-2.0 */
/*
 * futex: WAIT, WAKE, BITSET, REQUEUE, CMP_REQUEUE, WAKE_OP, time limits, shared and private words, bad arguments.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "clock.h"
#include "sys.h"

static uint32_t word, other;
static volatile int asleep, awake;

static long futex(void *addr, int op, uint32_t val, const void *timeout, void *addr2, uint32_t val3)
{
	return syscall(SYS_futex, addr, op, val, timeout, addr2, val3);
}

struct waiter {
	pthread_t thread;
	uint32_t *addr, bitset;
	int op;
	long result;
};

static void *wait_on(void *arg)
{
	struct waiter *w = arg;

	__atomic_add_fetch(&asleep, 1, __ATOMIC_SEQ_CST);
	w->result = futex(w->addr, w->op, *w->addr, NULL, NULL, w->bitset);
	__atomic_add_fetch(&awake, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void start(struct waiter *w, int n, uint32_t *addr, int op, uint32_t bitset)
{
	asleep = awake = 0;
	for (int i = 0; i < n; i++) {
		w[i] = (struct waiter){.addr = addr, .op = op, .bitset = bitset};
		CHECK_EQ(pthread_create(&w[i].thread, NULL, wait_on, &w[i]), 0);
	}
	while (asleep < n)
		usleep(1000);
	usleep(20000); /* and into the kernel */
}

static void finish(struct waiter *w, int n)
{
	for (int i = 0; i < n; i++) {
		pthread_join(w[i].thread, NULL);
		CHECK_EQ(w[i].result, 0);
	}
}

static void until_awake(int n)
{
	for (int i = 0; i < 2000 && awake < n; i++)
		usleep(1000);
	usleep(5000);
	CHECK_EQ(awake, n);
}

static void test_errors(void)
{
	struct timespec bad = {.tv_nsec = 1000000000}, zero = {0};

	CHECK_ERR(futex(&word, FUTEX_WAIT, word + 1, NULL, NULL, 0), EAGAIN);
	CHECK_ERR(futex((char *)&word + 1, FUTEX_WAIT, 0, NULL, NULL, 0), EINVAL);
	CHECK_ERR(futex((char *)&word + 2, FUTEX_WAKE, 1, NULL, NULL, 0), EINVAL);
	CHECK_ERR(futex((void *)8, FUTEX_WAIT, 0, NULL, NULL, 0), EFAULT);
	CHECK_ERR(futex((void *)8, FUTEX_WAKE, 1, NULL, NULL, 0), EFAULT);
	CHECK_OK(futex((void *)8, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	CHECK_ERR(futex((void *)-4096, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), EFAULT);
	CHECK_ERR(futex((void *)8, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), EFAULT);
	CHECK_ERR(futex(&word, FUTEX_WAIT, 0, &bad, NULL, 0), EINVAL);
	CHECK_ERR(futex(&word, FUTEX_WAIT, 0, (void *)8, NULL, 0), EFAULT);
	CHECK_ERR(futex(&word, FUTEX_WAIT, 0, &zero, NULL, 0), ETIMEDOUT);
	CHECK_ERR(futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0), EINVAL);
	CHECK_ERR(futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0), EINVAL);
	CHECK_ERR(futex(&word, 99, 0, NULL, NULL, 0), ENOSYS);
	CHECK_ERR(futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, NULL, NULL, 0), ENOSYS);
	CHECK_ERR(futex(&word, FUTEX_CMP_REQUEUE, (uint32_t)-1, NULL, &other, 0), EINVAL);
	CHECK_EQ(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
}

static void test_timeout(void)
{
	struct timespec ts = {.tv_nsec = 20000000};
	double t0 = now(CLOCK_MONOTONIC), d;

	CHECK_ERR(futex(&word, FUTEX_WAIT_PRIVATE, word, &ts, NULL, 0), ETIMEDOUT);
	d = now(CLOCK_MONOTONIC) - t0;
	CHECK(d >= 0.02);
	t0 = now(CLOCK_MONOTONIC);
	ts = in_ms(CLOCK_MONOTONIC, 20);
	CHECK_ERR(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, word, &ts, NULL, FUTEX_BITSET_MATCH_ANY), ETIMEDOUT);
	d = now(CLOCK_MONOTONIC) - t0;
	CHECK(d >= 0.0199);
	t0 = now(CLOCK_MONOTONIC);
	ts = in_ms(CLOCK_REALTIME, 20);
	CHECK_ERR(
		futex(&word, FUTEX_WAIT_BITSET_PRIVATE | FUTEX_CLOCK_REALTIME, word, &ts, NULL, FUTEX_BITSET_MATCH_ANY),
		ETIMEDOUT);
	d = now(CLOCK_MONOTONIC) - t0;
	CHECK(d >= 0.0199);
	ts = (struct timespec){.tv_sec = 1}; /* long ago */
	CHECK_ERR(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, word, &ts, NULL, FUTEX_BITSET_MATCH_ANY), ETIMEDOUT);
}

static void test_wake(void)
{
	struct waiter w[4];

	start(w, 4, &word, FUTEX_WAIT_PRIVATE, 0);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 1);
	until_awake(1);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 2, NULL, NULL, 0), 2);
	until_awake(3);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0), 1);
	finish(w, 4);
	/* Bit sets. */
	start(w, 1, &word, FUTEX_WAIT_BITSET_PRIVATE, 0x2);
	CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 0x5), 0);
	CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 0x6), 1);
	finish(w, 1);
}

static int order[4], nr_order;

static void *wait_in_turn(void *arg)
{
	const struct sched_param p = {.sched_priority = *(int *)arg};

	if (p.sched_priority)
		CHECK_EQ(pthread_setschedparam(pthread_self(), SCHED_FIFO, &p), 0);
	__atomic_add_fetch(&asleep, 1, __ATOMIC_SEQ_CST);
	CHECK_OK(futex(&word, FUTEX_WAIT, word, NULL, NULL, 0));
	order[nr_order++] = p.sched_priority;
	__atomic_add_fetch(&awake, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Who has a real-time priority is woken first, the highest before all. */
static void test_priority(void)
{
	static int prios[4] = {0, 1, 3, 2};
	pthread_t t[4];

	if (geteuid())
		return;
	asleep = awake = 0;
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(pthread_create(&t[i], NULL, wait_in_turn, &prios[i]), 0);
		while (asleep <= i)
			usleep(1000);
		usleep(20000);
	}
	for (int i = 1; i <= 4; i++) {
		CHECK_EQ(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0), 1);
		until_awake(i);
	}
	for (int i = 0; i < 4; i++) {
		CHECK_EQ(order[i], 3 - i);
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	}
}

static void test_requeue(void)
{
	struct waiter w[5];

	start(w, 5, &word, FUTEX_WAIT_PRIVATE, 0);
	CHECK_ERR(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2, &other, word + 1), EAGAIN);
	CHECK_EQ(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)2, &other, word), 3);
	until_awake(1);
	CHECK_EQ(futex(&other, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 2);
	until_awake(3);
	CHECK_EQ(futex(&word, FUTEX_REQUEUE_PRIVATE, 0, (void *)1, &other, 0), 1);
	CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 1);
	CHECK_EQ(futex(&other, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 1);
	finish(w, 5);
}

static void test_wake_op(void)
{
	struct waiter w[2], v[2];

	start(w, 2, &word, FUTEX_WAIT_PRIVATE, 0);
	start(v, 2, &other, FUTEX_WAIT_PRIVATE, 0);
	other = 5;
	CHECK_EQ(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)9, &other,
		       FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_GT, 5)),
		 1);
	CHECK_EQ(other, 8);
	CHECK_EQ(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)9, &other,
		       FUTEX_OP(FUTEX_OP_ANDN, 8, FUTEX_OP_CMP_EQ, 8)),
		 3);
	CHECK_EQ(other, 0);
	finish(w, 2);
	finish(v, 2);
	CHECK_EQ(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &other,
		       FUTEX_OP(FUTEX_OP_SET, -1, FUTEX_OP_CMP_LT, 0)),
		 0);
	CHECK_EQ(other, 0xffffffff);
	CHECK_EQ(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &other,
		       FUTEX_OP(FUTEX_OP_XOR, 0xf, FUTEX_OP_CMP_NE, 0)),
		 0);
	CHECK_EQ(other, 0xfffffff0);
	other = 0;
	CHECK_EQ(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &other,
		       FUTEX_OP((FUTEX_OP_OR | FUTEX_OP_OPARG_SHIFT), 5, FUTEX_OP_CMP_NE, 0)),
		 0);
	CHECK_EQ(other, 32);
	other = 0;
	CHECK_ERR(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &other, 7u << 28), ENOSYS);
	CHECK_ERR(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, (void *)8, 0), EFAULT);
}

/* A word in memory that two processes share, at different addresses: anonymous and of a file. */
/* A word of a file that has been cut off before it. */
static void test_truncated(void)
{
	char name[] = "/tmp/futex-XXXXXX";
	const int fd = (int)CHECK_OK(mkstemp(name));
	uint32_t *p;

	unlink(name);
	CHECK_OK(ftruncate(fd, 8192));
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	CHECK_EQ(futex(p + 1024, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
	CHECK_OK(ftruncate(fd, 4096));
	CHECK_EQ(futex(p, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
	CHECK_ERR(futex(p + 1024, FUTEX_WAKE, 1, NULL, NULL, 0), EFAULT);
	CHECK_OK(munmap(p, 8192));
	close(fd);
}

static void shared_between(int fd, int flags)
{
	uint32_t *a = mmap(NULL, 4096, PROT_READ | PROT_WRITE, flags, fd, 0), *b;
	struct timespec ts = {.tv_sec = 5};
	pid_t pid;

	CHECK(a != MAP_FAILED);
	*a = 0;
	pid = CHECK_OK(fork());
	if (!pid) {
		b = fd < 0 ? a : mmap(NULL, 4096, PROT_READ | PROT_WRITE, flags, fd, 0);
		if (fd < 0)
			b = mremap(a, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, (char *)a + (1 << 30));
		if (b == MAP_FAILED)
			_exit(2);
		__atomic_store_n(b + 1, 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(b, __ATOMIC_SEQ_CST) == 0) {
			if (futex(b, FUTEX_WAIT, 0, &ts, NULL, 0) && errno == ETIMEDOUT)
				_exit(1);
		}
		_exit(0);
	}
	while (!__atomic_load_n(a + 1, __ATOMIC_SEQ_CST)) {
		CHECK_EQ(waitpid(pid, NULL, WNOHANG), 0);
		usleep(1000);
	}
	usleep(20000);
	CHECK_EQ(futex(a, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 0); /* not the same futex */
	*a = 1;
	CHECK_EQ(futex(a, FUTEX_WAKE, 1, NULL, NULL, 0), 1);
	CHECK_EQ(wait_for(pid), 0);
	munmap(a, 4096);
}

static void test_shared(void)
{
	char name[] = "/tmp/futexXXXXXX";
	int fd = CHECK_OK(mkstemp(name));

	unlink(name);
	CHECK_OK(ftruncate(fd, 4096));
	shared_between(-1, MAP_SHARED | MAP_ANONYMOUS);
	shared_between(fd, MAP_SHARED);
	close(fd);
}

/* The page comes and goes while somebody waits; a word that is not present yet. */
static void test_faults(void)
{
	uint32_t *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct timespec ts = {.tv_nsec = 1000000};

	CHECK_ERR(futex(p, FUTEX_WAIT_PRIVATE, 0, &ts, NULL, 0), ETIMEDOUT);
	CHECK_OK(madvise(p, 4096, MADV_DONTNEED));
	CHECK_EQ(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, p, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 1)),
		 0);
	CHECK_EQ(*p, 3);
	CHECK_OK(mprotect(p, 4096, PROT_READ));
	CHECK_ERR(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, p, FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 1)),
		  EFAULT);
	CHECK_ERR(futex(p, FUTEX_WAIT_PRIVATE, 3, &ts, NULL, 0), ETIMEDOUT);
	CHECK_OK(mprotect(p, 4096, PROT_NONE));
	CHECK_ERR(futex(p, FUTEX_WAIT_PRIVATE, 3, &ts, NULL, 0), EFAULT);
	CHECK_ERR(futex(p, FUTEX_WAKE, 1, NULL, NULL, 0), EFAULT);
	CHECK_ERR(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, p, word), EFAULT);
	munmap(p, 4096);
}

int main(void)
{
	alarm(25);
	test_errors();
	test_timeout();
	test_wake();
	test_priority();
	test_requeue();
	test_wake_op();
	test_shared();
	test_faults();
	test_truncated();
	return 0;
}
