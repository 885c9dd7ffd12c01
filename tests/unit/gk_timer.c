/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel timers: order, cancelling, re-arming from the timer's own function, several vCPUs at once. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include <gk/hypercall.h>
#include <gk/init.h>
#include <gk/signal.h>
#include <gk/task.h>
#include <gk/timer.h>

#include "unit.h"
#include "gkshim/shim.h"

/* ---- what timer.c needs ---- */

static ktime_t now;

ktime_t ktime_mono(void)
{
	return READ_ONCE(now);
}

void schedule(void)
{
}

bool try_wake_up(struct task *t, u32 states)
{
	return false;
}

bool signal_pending(void)
{
	return false;
}

bool fatal_signal_pending(void)
{
	return false;
}

/* ---- one vCPU ---- */

#define N 1000

struct timer {
	struct ktimer t;
	u32 fired, again;
	ktime_t at;
};

static u32 order[N], fired;
static struct timer timers[N];

static void fire(struct ktimer *t)
{
	struct timer *x = container_of(t, struct timer, t);

	x->fired++;
	order[fired++ % N] = (u32)(x - timers);
	if (x->again) {
		x->again--;
		ktimer_start(t, now + 10);
	}
}

static void test_order(void **state)
{
	u32 i;

	srandom(1);
	for (i = 0; i < N; i++) {
		ktimer_init(&timers[i].t, fire);
		timers[i].at = 1000 + (ktime_t)random() % 100000;
		ktimer_start(&timers[i].t, timers[i].at);
	}
	assert_int_equal(ktimer_cancel(&timers[7].t), true);
	assert_int_equal(ktimer_cancel(&timers[7].t), false);
	now = 50000;
	timers_run();
	for (i = 1; i < fired; i++)
		assert_true(timers[order[i - 1]].at <= timers[order[i]].at);
	for (i = 0; i < N; i++)
		assert_int_equal(timers[i].fired, i != 7 && timers[i].at <= now);
	now = 200000;
	timers_run();
	assert_int_equal(fired, N - 1);
	assert_true(shim_cpus[0].timer_next == KTIME_NEVER);
}

static void test_again(void **state)
{
	struct timer *x = &timers[0];

	x->fired = 0;
	x->again = 3;
	ktimer_start(&x->t, now);
	timers_run();
	assert_int_equal(x->fired, 1); /* what it started is for later, even if it were due */
	now += 9;
	timers_run();
	assert_int_equal(x->fired, 1);
	for (u32 i = 0; i < 5; i++) {
		now += 10;
		timers_run();
	}
	assert_int_equal(x->fired, 4);
}

static void test_arm(void **state)
{
	struct cpu *c = &shim_cpus[0];

	ktimer_start(&timers[1].t, now + 500);
	assert_true(c->timer_next < c->armed);
	timers_arm();
	assert_int_equal(c->armed, now + 500);
	ktimer_start(&timers[2].t, now + 900);
	assert_true(c->timer_next >= c->armed); /* nothing to tell */
	ktimer_cancel(&timers[1].t);
	assert_int_equal(c->armed, now + 500); /* stays armed: costs one look */
	now += 600;
	timers_run();
	assert_true(c->timer_next < c->armed);
	timers_arm();
	assert_int_equal(c->armed, now + 300);
	/* The hypervisor's clock was ahead of ours: its deadline is gone, ours is not. */
	now += 299;
	timers_run();
	assert_true(c->timer_next < c->armed);
	timers_arm();
	assert_int_equal(c->armed, now + 1);
	ktimer_start(&timers[2].t, KTIME_NEVER);
	assert_false(timers[2].t.queued);
	assert_true(c->timer_next == KTIME_NEVER);
}

/* ---- many vCPUs: each starts and cancels timers of its own that others run ---- */

#define THREADS 4
#define ROUNDS 10000

static struct {
	struct ktimer t;
	spinlock_t owner;
	u32 fired;
	bool dead;
} shared[16];

static u32 bad;

static void fire_shared(struct ktimer *t)
{
	u32 i = (u32)(container_of(t, __typeof__(shared[0]), t) - shared);

	if (READ_ONCE(shared[i].dead))
		atomic_inc(&bad);
	atomic_inc(&shared[i].fired);
}

static void *vcpu(void *arg)
{
	unsigned int seed = (unsigned int)(u64)arg;

	shim_cpu = &shim_cpus[(u64)arg];
	for (u32 i = 0; i < ROUNDS; i++) {
		u32 k = (u32)rand_r(&seed) % ARRAY_SIZE(shared);

		spin_lock(&shared[k].owner);
		WRITE_ONCE(shared[k].dead, false);
		if (rand_r(&seed) % 2) {
			ktimer_start(&shared[k].t, READ_ONCE(now) + (u64)rand_r(&seed) % 3);
		} else {
			ktimer_cancel(&shared[k].t);
			WRITE_ONCE(shared[k].dead, true); /* from here on it must not run */
			/* Others get a chance; on a busy host a yield may cost milliseconds. */
			if (i % 64)
				cpu_relax();
			else
				sched_yield();
			WRITE_ONCE(shared[k].dead, false);
		}
		spin_unlock(&shared[k].owner);
		atomic_add_return(&now, 1);
		timers_run();
	}
	return NULL;
}

static void test_smp(void **state)
{
	pthread_t t[THREADS];
	u32 i, total = 0;

	for (i = 0; i < ARRAY_SIZE(shared); i++)
		ktimer_init(&shared[i].t, fire_shared);
	for (i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, vcpu, (void *)(u64)i), 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (i = 0; i < ARRAY_SIZE(shared); i++) {
		ktimer_cancel(&shared[i].t);
		total += shared[i].fired;
	}
	assert_true(total > 0);
	assert_int_equal(bad, 0);
	for (i = 0; i < THREADS; i++)
		assert_false(shim_cpus[i].timers.node);
}

static int setup(void **state)
{
	for (u32 i = 0; i < THREADS; i++)
		timers_init_cpu(&shim_cpus[i]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_again),
		cmocka_unit_test(test_arm),
		cmocka_unit_test(test_smp),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
