/* SPDX-License-Identifier: Apache-2.0 */
/*
 * No wake-up may be lost: a lock, a hand-over and a barrier made of raw futexes, many threads, many rounds. A lost one
 * hangs, and the alarm ends the test.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "sys.h"

#define THREADS 6
#define ROUNDS 3000

static uint32_t lock_word, turn, barrier_count, barrier_round;
static long counter;

static long futex(uint32_t *addr, int op, uint32_t val)
{
	return syscall(SYS_futex, addr, op | FUTEX_PRIVATE_FLAG, val, NULL, NULL, 0);
}

/* 0 free, 1 held, 2 held and somebody waits */
static void lock(void)
{
	uint32_t c = 0;

	if (__atomic_compare_exchange_n(&lock_word, &c, 1, 0, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return;
	while (__atomic_exchange_n(&lock_word, 2, __ATOMIC_ACQUIRE))
		futex(&lock_word, FUTEX_WAIT, 2);
}

static void unlock(void)
{
	if (__atomic_exchange_n(&lock_word, 0, __ATOMIC_RELEASE) == 2)
		futex(&lock_word, FUTEX_WAKE, 1);
}

static void *locker(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		lock();
		counter++;
		if (i % 16 == 0)
			sched_yield();
		unlock();
	}
	return NULL;
}

/* Everyone waits for his turn: one waiter is right, all are woken. */
static void *in_turn(void *arg)
{
	uint32_t me = (uint32_t)(long)arg, t;

	for (int i = 0; i < ROUNDS / 10; i++) {
		while ((t = __atomic_load_n(&turn, __ATOMIC_SEQ_CST)) % THREADS != me)
			futex(&turn, FUTEX_WAIT, t);
		__atomic_store_n(&turn, t + 1, __ATOMIC_SEQ_CST);
		futex(&turn, FUTEX_WAKE, INT32_MAX);
	}
	return NULL;
}

static void *barrier(void *arg)
{
	for (int i = 0; i < ROUNDS / 10; i++) {
		uint32_t round = __atomic_load_n(&barrier_round, __ATOMIC_SEQ_CST);

		if (__atomic_add_fetch(&barrier_count, 1, __ATOMIC_SEQ_CST) == THREADS) {
			__atomic_store_n(&barrier_count, 0, __ATOMIC_SEQ_CST);
			__atomic_add_fetch(&barrier_round, 1, __ATOMIC_SEQ_CST);
			futex(&barrier_round, FUTEX_WAKE, INT32_MAX);
		}
		while (__atomic_load_n(&barrier_round, __ATOMIC_SEQ_CST) == round)
			futex(&barrier_round, FUTEX_WAIT, round);
	}
	return NULL;
}

static void run(void *(*fn)(void *))
{
	pthread_t t[THREADS];

	for (long i = 0; i < THREADS; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, fn, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
}

/* glibc's mutexes and condition variables. */
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER, not_full = PTHREAD_COND_INITIALIZER;
static int queue[4], head, count;
static long sum;

static void *queue_user(void *arg)
{
	long producer = (long)arg % 2;

	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&m);
		if (producer) {
			while (count == 4)
				pthread_cond_wait(&not_full, &m);
			queue[(head + count++) % 4] = i;
			pthread_cond_signal(&not_empty);
		} else {
			while (!count)
				pthread_cond_wait(&not_empty, &m);
			sum += queue[head++ % 4];
			head %= 4;
			count--;
			pthread_cond_signal(&not_full);
		}
		pthread_mutex_unlock(&m);
	}
	return NULL;
}

/* Waiters that time out all the time while others wake them. */
static void *impatient(void *arg)
{
	for (int i = 0; i < ROUNDS / 10; i++) {
		struct timespec ts = {.tv_nsec = (i * 7919 % 200) * 1000};

		if ((long)arg % 2)
			syscall(SYS_futex, &turn, FUTEX_WAIT_PRIVATE, turn, &ts, NULL, 0);
		else
			futex(&turn, FUTEX_WAKE, 1);
	}
	return NULL;
}

int main(void)
{
	alarm(60);
	run(locker);
	CHECK_EQ(counter, THREADS * ROUNDS);
	run(in_turn);
	run(barrier);
	run(queue_user);
	CHECK_EQ(sum, (long)ROUNDS * (ROUNDS - 1) / 2 * (THREADS / 2));
	run(impatient);
	return 0;
}
