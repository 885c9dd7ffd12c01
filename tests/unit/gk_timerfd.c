/* SPDX-License-Identifier: Apache-2.0 */
/* Timers on CLOCK_REALTIME when somebody sets that clock on the host: sleepers hear of it, deadlines move. */
#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/task.h>
#include <gk/time.h>

#include "gkshim/calls.h"
#include "gkshim/shim.h"
#include "unit.h"

#define TFD_TIMER_ABSTIME 1ul
#define TFD_TIMER_CANCEL_ON_SET 2ul
#define HOUR (3600 * NSEC_PER_SEC)

/* ---- the clock ---- */

static u64 real_offset = 1000 * HOUR, steps;

ktime_t ktime_real(void)
{
	return ktime_mono() + READ_ONCE(real_offset);
}

ktime_t ktime_boot(void)
{
	return ktime_mono();
}

u64 clock_steps(void)
{
	return READ_ONCE(steps);
}

static void set_clock(u64 forward)
{
	atomic_add_return(&real_offset, forward);
	atomic_inc(&steps);
	timerfd_look_at_clock();
}

/* ---- tests ---- */

static s32 fd;
static u64 ticks;
static ssize_t result;

static void arm(u64 flags)
{
	const struct itimerspec64 its = {.value = ns_to_timespec64(ktime_real() + HOUR)};

	fd = (s32)SHIM_CALL(timerfd_create, CLOCK_REALTIME, 0);
	assert_true(fd >= 0);
	assert_int_equal(SHIM_CALL(timerfd_settime, (u64)fd, flags, (u64)&its, 0), 0);
}

static void reader(void *arg)
{
	result = k_read(fd, &ticks, sizeof(ticks));
}

/* A sleeper is told at once. Told once: the next read waits again. */
static void test_cancel(void **state)
{
	struct task *t;

	arm(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
	t = shim_thread(reader, NULL);
	shim_wait_asleep(t);
	set_clock(1);
	shim_join(t);
	assert_int_equal(result, -ECANCELED);
	assert_int_equal(SHIM_CALL(fcntl, (u64)fd, 4 /* F_SETFL */, O_NONBLOCK), 0);
	assert_int_equal(k_read(fd, &ticks, sizeof(ticks)), -EAGAIN);
	assert_int_equal(k_close(fd), 0);
}

/* The hour has passed by decree. */
static void test_move(void **state)
{
	struct task *t;

	arm(TFD_TIMER_ABSTIME);
	t = shim_thread(reader, NULL);
	shim_wait_asleep(t);
	set_clock(HOUR + 1);
	timers_run();
	shim_join(t);
	assert_int_equal(result, sizeof(ticks));
	assert_int_equal(ticks, 1);
	assert_int_equal(k_close(fd), 0);
}

static int setup(void **state)
{
	shim_vfs();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_move),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
