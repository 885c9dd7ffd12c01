/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PI futexes and robust lists: LOCK_PI, UNLOCK_PI, TRYLOCK_PI, time limits, a dying owner, robust mutexes of processes,
 * and the word that a thread's end clears.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "sys.h"

static uint32_t *word;

static long futex(void *addr, int op, uint32_t val, const void *timeout)
{
	return syscall(SYS_futex, addr, op, val, timeout, NULL, 0);
}

static struct timespec soon(int ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += ms * 1000000l;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

static void test_alone(void)
{
	uint32_t me = (uint32_t)gettid();

	*word = 0;
	CHECK_OK(futex(word, FUTEX_LOCK_PI, 0, NULL));
	CHECK_EQ(*word, me);
	CHECK_ERR(futex(word, FUTEX_LOCK_PI, 0, NULL), EDEADLK);
	CHECK_ERR(futex(word, FUTEX_TRYLOCK_PI, 0, NULL), EDEADLK);
	CHECK_OK(futex(word, FUTEX_UNLOCK_PI, 0, NULL));
	CHECK_EQ(*word, 0);
	CHECK_ERR(futex(word, FUTEX_UNLOCK_PI, 0, NULL), EPERM);
	CHECK_OK(futex(word, FUTEX_TRYLOCK_PI, 0, NULL));
	CHECK_OK(futex(word, FUTEX_UNLOCK_PI, 0, NULL));
	*word = 0x3ffffff0; /* nobody */
	CHECK_ERR(futex(word, FUTEX_LOCK_PI, 0, NULL), ESRCH);
	*word = 0;
	CHECK_ERR(futex((char *)word + 1, FUTEX_LOCK_PI, 0, NULL), EINVAL);
	CHECK_ERR(futex((void *)8, FUTEX_LOCK_PI, 0, NULL), EFAULT);
	CHECK_ERR(futex((void *)8, FUTEX_UNLOCK_PI, 0, NULL), EFAULT);
}

/* Processes: the word is in shared memory. word[1]: how many got it; word[2]: somebody broke in. */
static void contender(int rounds)
{
	uint32_t me = (uint32_t)gettid();

	for (int i = 0; i < rounds; i++) {
		uint32_t c = 0;

		if (!__atomic_compare_exchange_n(word, &c, me, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) &&
		    futex(word, FUTEX_LOCK_PI, 0, NULL))
			_exit(1);
		if ((__atomic_load_n(word, __ATOMIC_SEQ_CST) & FUTEX_TID_MASK) != me)
			_exit(2);
		word[1]++;
		if (i % 8 == 0)
			sched_yield();
		c = me;
		if (!__atomic_compare_exchange_n(word, &c, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST) &&
		    futex(word, FUTEX_UNLOCK_PI, 0, NULL))
			_exit(3);
	}
	_exit(0);
}

static void test_contention(void)
{
	pid_t pid[4];

	word[0] = word[1] = 0;
	for (int i = 0; i < 4; i++) {
		pid[i] = CHECK_OK(fork());
		if (!pid[i])
			contender(500);
	}
	for (int i = 0; i < 4; i++)
		CHECK_EQ(wait_for(pid[i]), 0);
	CHECK_EQ(word[1], 2000);
	CHECK_EQ(word[0] & FUTEX_TID_MASK, 0);
}

static pid_t owner(void)
{
	pid_t pid;

	word[0] = word[1] = 0;
	pid = CHECK_OK(fork());
	if (!pid) {
		CHECK_OK(futex(word, FUTEX_LOCK_PI, 0, NULL));
		word[1] = 1;
		while (!__atomic_load_n(&word[2], __ATOMIC_SEQ_CST))
			usleep(1000);
		_exit(0);
	}
	while (!__atomic_load_n(&word[1], __ATOMIC_SEQ_CST))
		usleep(1000);
	return pid;
}

static void test_timeout_and_death(void)
{
	struct timespec ts;
	pid_t pid, helper;

	word[2] = 0;
	pid = owner();
	CHECK_EQ(word[0], (uint32_t)pid);
	CHECK_ERR(futex(word, FUTEX_TRYLOCK_PI, 0, NULL), EWOULDBLOCK);
	ts = soon(20);
	CHECK_ERR(futex(word, FUTEX_LOCK_PI, 0, &ts), ETIMEDOUT);
	CHECK_EQ(word[0], (uint32_t)pid | FUTEX_WAITERS);
	/* The owner dies while we wait: it is ours, and we are told. */
	helper = CHECK_OK(fork());
	if (!helper) {
		usleep(20000);
		word[2] = 1;
		_exit(0);
	}
	CHECK_OK(futex(word, FUTEX_LOCK_PI, 0, NULL));
	CHECK_EQ(word[0] & FUTEX_TID_MASK, (uint32_t)gettid());
	CHECK(word[0] & FUTEX_OWNER_DIED);
	CHECK_OK(futex(word, FUTEX_UNLOCK_PI, 0, NULL));
	CHECK_EQ(wait_for(pid), 0);
	CHECK_EQ(wait_for(helper), 0);
}

/* ---- robust lists ---- */

static pthread_mutex_t *robust(int protocol)
{
	pthread_mutex_t *m = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	CHECK_EQ(pthread_mutexattr_setprotocol(&a, protocol), 0);
	CHECK_EQ(pthread_mutex_init(m, &a), 0);
	return m;
}

static void test_robust(int protocol)
{
	pthread_mutex_t *m = robust(protocol);
	pid_t pid;

	/* Nobody waits when the owner dies. */
	pid = CHECK_OK(fork());
	if (!pid) {
		pthread_mutex_lock(m);
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
	CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_consistent(m), 0);
	CHECK_EQ(pthread_mutex_unlock(m), 0);
	/* Somebody does; the owner is killed. */
	word[1] = 0;
	pid = CHECK_OK(fork());
	if (!pid) {
		pthread_mutex_lock(m);
		word[1] = 1;
		usleep(30000);
		raise(SIGKILL);
	}
	while (!__atomic_load_n(&word[1], __ATOMIC_SEQ_CST))
		usleep(1000);
	CHECK_EQ(pthread_mutex_lock(m), EOWNERDEAD);
	CHECK_EQ(wait_for(pid), 128 + SIGKILL);
	CHECK_EQ(pthread_mutex_unlock(m), 0);
	CHECK_EQ(pthread_mutex_lock(m), ENOTRECOVERABLE);
	munmap(m, 4096);
}

static void test_robust_calls(void)
{
	void *head;
	size_t len;

	CHECK_OK(syscall(SYS_get_robust_list, 0, &head, &len));
	CHECK_EQ(len, 24);
	CHECK(head);
	CHECK_ERR(syscall(SYS_set_robust_list, head, 23), EINVAL);
	CHECK_OK(syscall(SYS_set_robust_list, head, 24));
	CHECK_ERR(syscall(SYS_get_robust_list, 999999, &head, &len), ESRCH);
	CHECK_ERR(syscall(SYS_get_robust_list, 0, (void *)8, &len), EFAULT);
}

/* A list that leads nowhere or in a circle must not hurt. */
static void test_robust_rubbish(void)
{
	static struct {
		uintptr_t next;
		long offset;
		uintptr_t pending;
	} head;
	pid_t pid;

	for (int i = 0; i < 4; i++) {
		pid = CHECK_OK(fork());
		if (!pid) {
			static uintptr_t node[2];

			node[0] = (uintptr_t)&node[1];
			node[1] = (uintptr_t)&node[0];
			head.next = i == 0   ? 8
				    : i == 1 ? (uintptr_t)node
				    : i == 2 ? (uintptr_t)-4096
					     : (uintptr_t)&head;
			head.offset = i == 3 ? -1 : 16;
			head.pending = i == 3 ? 12345 : 0;
			syscall(SYS_set_robust_list, &head, 24);
			_exit(0);
		}
		CHECK_EQ(wait_for(pid), 0);
	}
}

/* ---- CLONE_CHILD_CLEARTID ---- */

static int child(void *arg)
{
	usleep(10000);
	syscall(SYS_exit, 0);
	return 0;
}

static void test_clear_tid(void)
{
	static char stack[65536];
	static uint32_t tid;
	struct timespec ts = {.tv_sec = 5};

	CHECK_OK(clone(child, stack + sizeof(stack),
		       CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_PARENT_SETTID |
			       CLONE_CHILD_CLEARTID,
		       NULL, &tid, NULL, &tid));
	while (__atomic_load_n(&tid, __ATOMIC_SEQ_CST)) {
		uint32_t t = tid;

		if (t && futex(&tid, FUTEX_WAIT, t, &ts))
			CHECK(errno == EAGAIN);
	}
}

int main(void)
{
	alarm(25);
	word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	test_alone();
	test_contention();
	test_timeout_and_death();
	test_robust(PTHREAD_PRIO_NONE);
	test_robust(PTHREAD_PRIO_INHERIT);
	test_robust_calls();
	test_robust_rubbish();
	test_clear_tid();
	return 0;
}
