/* SPDX-License-Identifier: Apache-2.0 */
/*
 * futex_waitv, and the calls futex_wake, futex_wait, futex_requeue where the host has them.
 */
#include <pthread.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

#include "sys.h"

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif
#ifndef SYS_futex_wake
#define SYS_futex_wake 454
#endif
#ifndef SYS_futex_wait
#define SYS_futex_wait 455
#endif
#ifndef SYS_futex_requeue
#define SYS_futex_requeue 456
#endif
#define U32 2
#define PRIVATE 128

struct waitv {
	uint64_t val, uaddr;
	uint32_t flags, reserved;
};

static uint32_t words[128], go;
static struct waitv v[128];

static long waitv(unsigned int n, const struct timespec *ts)
{
	return syscall(SYS_futex_waitv, v, n, 0, ts, CLOCK_MONOTONIC);
}

static struct timespec in_ms(int ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += ms * 1000000l;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

static void set_up(void)
{
	for (int i = 0; i < 128; i++)
		v[i] = (struct waitv){.val = words[i], .uaddr = (uintptr_t)&words[i], .flags = U32 | PRIVATE};
}

static void *wake_later(void *arg)
{
	long i = (long)arg;

	usleep(20000);
	__atomic_add_fetch(&words[i], 1, __ATOMIC_SEQ_CST);
	for (int n = 0; n < 1000; n++) {
		if (syscall(SYS_futex, &words[i], 1 | 128, 1, NULL, NULL, 0) == 1)
			break;
		usleep(1000);
	}
	return NULL;
}

static void test_waitv(void)
{
	struct timespec ts;
	pthread_t t;

	set_up();
	if (waitv(0, NULL) < 0 && errno == ENOSYS)
		SKIP("no futex_waitv");
	CHECK_ERR(waitv(0, NULL), EINVAL);
	CHECK_ERR(waitv(129, NULL), EINVAL);
	ts = in_ms(20);
	CHECK_ERR(waitv(128, &ts), ETIMEDOUT);
	v[100].val++;
	CHECK_ERR(waitv(128, NULL), EAGAIN);
	set_up();
	for (long i = 0; i < 128; i += 63) {
		set_up();
		CHECK_EQ(pthread_create(&t, NULL, wake_later, (void *)i), 0);
		ts = in_ms(5000);
		CHECK_EQ(waitv(128, &ts), i);
		pthread_join(t, NULL);
	}
	set_up();
	v[1].flags = U32 | 64;
	CHECK_ERR(waitv(2, NULL), EINVAL);
	v[1].flags = PRIVATE; /* 8 bits */
	CHECK_ERR(waitv(2, NULL), EINVAL);
	set_up();
	v[1].reserved = 1;
	CHECK_ERR(waitv(2, NULL), EINVAL);
	set_up();
	v[1].uaddr++;
	CHECK_ERR(waitv(2, NULL), EINVAL);
	v[1].uaddr = 8;
	CHECK_ERR(waitv(2, NULL), EFAULT);
	set_up();
	CHECK_ERR(syscall(SYS_futex_waitv, v, 2, 1, NULL, CLOCK_MONOTONIC), EINVAL);
	CHECK_ERR(syscall(SYS_futex_waitv, v, 2, 0, &ts, 7), EINVAL);
}

static void *wait_word(void *arg)
{
	__atomic_store_n(&go, 1, __ATOMIC_SEQ_CST);
	return (void *)syscall(SYS_futex_wait, &words[0], (uint64_t)words[0], 3ul, U32 | PRIVATE, NULL,
			       CLOCK_MONOTONIC);
}

static void test_single(void)
{
	struct timespec ts = in_ms(10);
	pthread_t t;
	void *ret;

	if (syscall(SYS_futex_wake, &words[0], 1ul, 1, U32 | PRIVATE) < 0 && errno == ENOSYS)
		return;
	CHECK_ERR(syscall(SYS_futex_wait, &words[0], (uint64_t)words[0] + 1, ~0u, U32 | PRIVATE, NULL, 1), EAGAIN);
	CHECK_ERR(syscall(SYS_futex_wait, &words[0], (uint64_t)words[0], (uint64_t)~0u, U32 | PRIVATE, &ts, 1),
		  ETIMEDOUT);
	CHECK_ERR(syscall(SYS_futex_wait, &words[0], (uint64_t)words[0], 0ul, U32 | PRIVATE, &ts, 1), EINVAL);
	CHECK_ERR(syscall(SYS_futex_wait, &words[0], 1ul << 32, 1ul, U32 | PRIVATE, &ts, 1), EINVAL);
	CHECK_ERR(syscall(SYS_futex_wake, &words[0], 0ul, 1, U32 | PRIVATE), EINVAL);
	CHECK_ERR(syscall(SYS_futex_wake, &words[0], 1ul, 1, PRIVATE), EINVAL);
	go = 0;
	CHECK_EQ(pthread_create(&t, NULL, wait_word, NULL), 0);
	while (!__atomic_load_n(&go, __ATOMIC_SEQ_CST))
		usleep(1000);
	usleep(20000);
	CHECK_EQ(syscall(SYS_futex_wake, &words[0], 4ul, 1, U32 | PRIVATE), 0);
	CHECK_EQ(syscall(SYS_futex_wake, &words[0], 2ul, 0, U32 | PRIVATE), 0);
	set_up();
	CHECK_EQ(syscall(SYS_futex_requeue, v, 0, 0, 1), 1);
	CHECK_EQ(syscall(SYS_futex_wake, &words[0], 2ul, 1, U32 | PRIVATE), 0);
	CHECK_EQ(syscall(SYS_futex_wake, &words[1], 2ul, 1, U32 | PRIVATE), 1);
	pthread_join(t, &ret);
	CHECK_EQ((long)ret, 0);
	v[0].val++;
	CHECK_ERR(syscall(SYS_futex_requeue, v, 0, 0, 1), EAGAIN);
	CHECK_ERR(syscall(SYS_futex_requeue, v, 1, 0, 1), EINVAL);
	CHECK_ERR(syscall(SYS_futex_requeue, NULL, 0, 0, 1), EINVAL);
}

int main(void)
{
	alarm(25);
	test_waitv();
	test_single();
	return 0;
}
