/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pipes and epoll: every byte once and in order, writes up to PIPE_BUF in one piece, ends that go away while others
 * sleep, resizing meanwhile, no memory.
 */
#include <string.h>

#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/init.h>
#include <gk/poll.h>
#include <gk/task.h>
#include "gkshim/calls.h"
#include "gkshim/shim.h"
#include "unit.h"

#define F_SETPIPE_SZ 1031
#define EPOLLET (1u << 31)
#define RECORD 100
#define RECORDS 400
#define WRITERS 3

static s32 ends[2];

static int begin(void **state)
{
	return k_pipe(ends, 0);
}

static int end(void **state)
{
	k_close(ends[0]);
	k_close(ends[1]);
	return 0;
}

static void test_simple(void **state)
{
	static char big[3 * 65536];
	char c[8];

	assert_int_equal(k_write(ends[1], "hello", 5), 5);
	assert_int_equal(k_read(ends[0], c, 2), 2);
	assert_int_equal(k_read(ends[0], c, 8), 3);
	assert_memory_equal(c, "llo", 3);
	assert_int_equal(SHIM_CALL(fcntl, (u64)ends[1], 4 /* F_SETFL */, O_NONBLOCK), 0);
	assert_int_equal(k_write(ends[1], big, sizeof(big)), 65536);
	assert_int_equal(k_write(ends[1], big, 1), -EAGAIN);
	assert_int_equal(k_read(ends[0], big, 65536), 65536);
	assert_int_equal(k_close(ends[1]), 0);
	assert_int_equal(k_read(ends[0], c, 8), 0);
}

/* ---- many writers ---- */

static u32 next[WRITERS];

static void writer(void *arg)
{
	u8 record[RECORD];

	for (u32 i = 0; i < RECORDS; i++) {
		memset(record, (int)(u64)arg, sizeof(record));
		memcpy(record + 1, &i, sizeof(i));
		assert_int_equal(k_write(ends[1], record, sizeof(record)), sizeof(record));
		if (!shim_random(50))
			SHIM_CALL(fcntl, (u64)ends[1], F_SETPIPE_SZ, 4096ul << shim_random(5));
	}
}

static void check_record(const u8 *record)
{
	const u32 who = record[0];
	u32 i;

	memcpy(&i, record + 1, sizeof(i));
	assert_true(who < WRITERS);
	assert_int_equal(i, next[who]++);
	for (u32 k = 5; k < RECORD; k++)
		assert_int_equal(record[k], who);
}

static void test_writers(void **state)
{
	struct task *t[WRITERS];
	u8 buf[7 * RECORD];
	size_t have = 0;
	u32 records = 0;

	memset(next, 0, sizeof(next));
	shim_stir(6);
	for (u64 i = 0; i < WRITERS; i++)
		t[i] = shim_thread(writer, (void *)i);
	while (records < WRITERS * RECORDS) {
		const ssize_t n = k_read(ends[0], buf + have, 1 + shim_random((u32)(sizeof(buf) - have)));

		assert_true(n > 0);
		for (have += (size_t)n; have >= RECORD; have -= RECORD, records++) {
			check_record(buf);
			memmove(buf, buf + RECORD, have - RECORD);
		}
	}
	assert_int_equal(have, 0);
	for (u32 i = 0; i < WRITERS; i++)
		shim_join(t[i]);
	shim_stir(0);
}

/* ---- ends that go ---- */

static void read_all(void *arg)
{
	char c[16];
	ssize_t n;

	while ((n = k_read(ends[0], c, sizeof(c))) > 0)
		;
	*(ssize_t *)arg = n;
}

static void write_much(void *arg)
{
	static char big[200000];

	*(ssize_t *)arg = k_write(ends[1], big, sizeof(big));
}

static void test_ends(void **state)
{
	ssize_t result = 1;
	struct task *t = shim_thread(read_all, &result);

	shim_wait_asleep(t);
	assert_int_equal(k_close(ends[1]), 0);
	shim_join(t);
	assert_int_equal(result, 0);
	k_close(ends[0]);

	assert_int_equal(k_pipe(ends, 0), 0);
	t = shim_thread(write_much, &result);
	shim_wait_asleep(t);
	assert_int_equal(k_close(ends[0]), 0);
	shim_join(t);
	assert_int_equal(result, 65536); /* what went before the reader did */
	write_much(&result);
	assert_int_equal(result, -EPIPE);
	k_close(ends[1]);

	assert_int_equal(k_pipe(ends, 0), 0);
	t = shim_thread(read_all, &result);
	shim_wait_asleep(t);
	shim_signal(t, true);
	shim_join(t);
	assert_int_equal(result, -ERESTARTSYS);
}

/* ---- epoll ---- */

struct event {
	u32 events;
	u64 data;
} __packed;

static s32 ep;

static int ctl(s32 op, s32 fd, u32 events)
{
	const struct event e = {events, (u64)fd};

	return (int)SHIM_CALL(epoll_ctl, (u64)ep, (u64)op, (u64)fd, (u64)&e);
}

static int wait_for(struct event *e, s32 max, s32 timeout)
{
	return (int)SHIM_CALL(epoll_wait, (u64)ep, (u64)e, (u64)max, (u64)timeout);
}

static void write_later(void *arg)
{
	for (u32 i = 0; i < RECORDS; i++)
		assert_int_equal(k_write(ends[1], "x", 1), 1);
	assert_int_equal(k_close(ends[1]), 0);
}

/* An edge-triggered reader that drains after each event misses nothing. */
static void test_epoll(void **state)
{
	struct event e;
	struct task *t;
	u32 got = 0;
	char c[64];
	ssize_t n = 1;

	ep = (s32)SHIM_CALL(epoll_create1, 0);
	assert_true(ep >= 0);
	assert_int_equal(SHIM_CALL(fcntl, (u64)ends[0], 4 /* F_SETFL */, O_NONBLOCK), 0);
	assert_int_equal(ctl(1, ends[0], EPOLLIN | EPOLLET), 0);
	assert_int_equal(ctl(1, ends[0], EPOLLIN), -EEXIST);
	assert_int_equal(ctl(1, ep, EPOLLIN), -EINVAL);
	assert_int_equal(wait_for(&e, 1, 0), 0);
	shim_stir(6);
	t = shim_thread(write_later, NULL);
	while (n) {
		assert_int_equal(wait_for(&e, 1, -1), 1);
		assert_int_equal(e.data, ends[0]);
		while ((n = k_read(ends[0], c, sizeof(c))) > 0)
			got += (u32)n;
		assert_true(n == 0 || n == -EAGAIN);
	}
	shim_join(t);
	shim_stir(0);
	assert_int_equal(got, RECORDS);
	assert_int_equal(ctl(2, ends[0], 0), 0);
	assert_int_equal(k_close(ep), 0);
}

/* ---- no memory ---- */

static int op_pipe(void *arg)
{
	return k_pipe(arg, 0);
}

static void undo_pipe(void *arg)
{
	s32 *fds = arg;

	for (u32 i = 0; i < 2; i++) {
		if (fds[i] >= 0)
			k_close(fds[i]);
		fds[i] = -1;
	}
}

static int op_write(void *arg)
{
	const ssize_t n = k_write(ends[1], "0123456789", 10);

	return n < 0 ? (int)n : 0;
}

static void undo_write(void *arg)
{
	char c[16];

	SHIM_CALL(fcntl, (u64)ends[0], 4 /* F_SETFL */, O_NONBLOCK);
	k_read(ends[0], c, sizeof(c));
}

static int op_epoll(void *arg)
{
	int err;

	ep = (s32)SHIM_CALL(epoll_create1, 0);
	if (ep < 0)
		return ep;
	err = ctl(1, ends[0], EPOLLIN);
	k_close(ep);
	return err;
}

static void test_no_memory(void **state)
{
	s32 fds[2] = {-1, -1};

	shim_exhaust(op_pipe, undo_pipe, fds, false);
	shim_exhaust(op_write, undo_write, NULL, false);
	shim_exhaust(op_epoll, NULL, NULL, false);
}

static int setup(void **state)
{
	shim_vfs();
	pipe_init();
	epoll_init();
	return 0;
}

#define PIPE_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PIPE_TEST(test_simple), PIPE_TEST(test_writers),   PIPE_TEST(test_ends),
		PIPE_TEST(test_epoll),	PIPE_TEST(test_no_memory),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
