/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Advisory locks: record locks against a model byte by byte, ranges up to the end of everything, deadlocks that are
 * some and that are none, flock, and no memory.
 */
#include <stdio.h>
#include <string.h>

#include <gk/errno.h>
#include <gk/filelock.h>
#include <gk/fs.h>
#include <gk/task.h>
#include "gkshim/calls.h"
#include "gkshim/shim.h"
#include "unit.h"

#define BYTES 24
#define OWNERS 3

static struct file *file[2];
static char owner_of[8]; /* their addresses are owners */

static struct file_lock range(u32 owner, u32 type, loff_t start, loff_t end)
{
	return (struct file_lock){.owner = &owner_of[owner],
				  .file = file[0],
				  .type = type,
				  .start = start,
				  .end = end,
				  .pid = (s32)owner + 100};
}

static int set(u32 owner, u32 type, loff_t start, loff_t end)
{
	struct file_lock fl = range(owner, type, start, end);

	return posix_lock_file(file[0], F_SETLK, &fl);
}

/* Who keeps @owner from a write lock on the byte, and in what range. */
static struct file_lock get(u32 owner, loff_t byte)
{
	struct file_lock fl = range(owner, F_WRLCK, byte, byte);

	assert_int_equal(posix_lock_file(file[0], F_GETLK, &fl), 0);
	return fl;
}

static void all_unlocked(void)
{
	for (u32 o = 0; o < OWNERS; o++)
		assert_int_equal(set(o, F_UNLCK, 0, MAX_LFS_FILESIZE), 0);
}

/* ---- ranges ---- */

static void test_split_and_join(void **state)
{
	struct file_lock l;

	assert_int_equal(set(0, F_WRLCK, 10, 19), 0);
	assert_int_equal(set(0, F_UNLCK, 14, 15), 0);
	l = get(1, 13);
	assert_int_equal(l.start, 10);
	assert_int_equal(l.end, 13);
	assert_int_equal(get(1, 14).type, F_UNLCK);
	l = get(1, 16);
	assert_int_equal(l.start, 16);
	assert_int_equal(l.end, 19);
	assert_int_equal(set(0, F_WRLCK, 14, 15), 0); /* whole again */
	l = get(1, 19);
	assert_int_equal(l.start, 10);
	assert_int_equal(set(0, F_RDLCK, 12, 12), 0); /* three pieces */
	assert_int_equal(get(1, 12).type, F_RDLCK);
	assert_int_equal(get(1, 12).start, 12);
	assert_int_equal(get(1, 13).start, 13);
	assert_int_equal(set(1, F_RDLCK, 12, 12), 0);
	assert_int_equal(set(1, F_RDLCK, 12, 13), -EAGAIN);
	assert_int_equal(set(0, F_WRLCK, 12, 12), -EAGAIN);
	all_unlocked();
	assert_int_equal(get(1, 10).type, F_UNLCK);
}

static void test_far_end(void **state)
{
	struct file_lock l;

	assert_int_equal(set(0, F_WRLCK, MAX_LFS_FILESIZE, MAX_LFS_FILESIZE), 0);
	assert_int_equal(set(0, F_WRLCK, 100, MAX_LFS_FILESIZE - 1), 0);
	l = get(1, 200);
	assert_int_equal(l.start, 100);
	assert_int_equal(l.end, MAX_LFS_FILESIZE);
	assert_int_equal(set(0, F_UNLCK, 0, 1000), 0);
	assert_int_equal(get(1, 1001).start, 1001);
	assert_int_equal(set(0, F_RDLCK, 5000, MAX_LFS_FILESIZE), 0);
	assert_int_equal(get(1, 2000).end, 4999);
	assert_int_equal(get(1, MAX_LFS_FILESIZE).type, F_RDLCK);
	all_unlocked();
}

/* Random locks of three owners against an array of bytes. */
static void test_model(void **state)
{
	u8 held[OWNERS][BYTES] = {0}; /* F_UNLCK is not 0 */

	memset(held, F_UNLCK, sizeof(held));
	for (u32 step = 0; step < 30000; step++) {
		const u32 o = shim_random(OWNERS), a = shim_random(BYTES), b = a + shim_random(BYTES - a),
			  type = shim_random(3);
		bool conflict = false;

		for (u32 other = 0; other < OWNERS; other++) {
			for (u32 i = a; i <= b && other != o; i++)
				conflict |= type != F_UNLCK && held[other][i] != F_UNLCK &&
					    (type == F_WRLCK || held[other][i] == F_WRLCK);
		}
		assert_int_equal(set(o, type, a, b), conflict ? -EAGAIN : 0);
		if (!conflict)
			memset(&held[o][a], (int)type, b - a + 1);
		for (u32 i = 0; i < BYTES; i++) {
			const struct file_lock l = get(o, i);
			u32 by = l.type == F_UNLCK ? 0 : (u32)l.pid - 100;

			if (l.type == F_UNLCK) {
				for (u32 other = 0; other < OWNERS; other++)
					assert_true(other == o || held[other][i] == F_UNLCK);
				continue;
			}
			/* The reported lock is one of somebody else, and as long as it can be. */
			assert_true(by != o && by < OWNERS);
			assert_true(l.start <= i && l.end >= i && l.end < BYTES);
			for (loff_t k = l.start; k <= l.end; k++)
				assert_int_equal(held[by][k], l.type);
			assert_true(!l.start || held[by][l.start - 1] != l.type);
			assert_true(l.end == BYTES - 1 || held[by][l.end + 1] != l.type);
		}
	}
	all_unlocked();
}

/* ---- waiting ---- */

struct waiter {
	u32 owner, byte;
	int result;
};

static void wait_for_lock(void *arg)
{
	struct waiter *w = arg;
	struct file_lock fl = range(w->owner, F_WRLCK, w->byte, w->byte);

	w->result = posix_lock_file(file[0], F_SETLKW, &fl);
}

static int set_wait(u32 owner, u32 byte)
{
	struct waiter w = {owner, byte, 1};

	wait_for_lock(&w);
	return w.result;
}

static void test_wait(void **state)
{
	struct waiter w = {1, 0, 1};
	struct task *t;

	assert_int_equal(set(0, F_WRLCK, 0, 0), 0);
	t = shim_thread(wait_for_lock, &w);
	shim_wait_asleep(t);
	assert_int_equal(set(0, F_UNLCK, 0, 0), 0);
	shim_join(t);
	assert_int_equal(w.result, 0);
	assert_int_equal(set(0, F_WRLCK, 0, 0), -EAGAIN);
	/* A signal ends the wait, and nothing of it is left. */
	w.owner = 2;
	t = shim_thread(wait_for_lock, &w);
	shim_wait_asleep(t);
	shim_signal(t, true);
	shim_join(t);
	assert_int_equal(w.result, -ERESTARTSYS);
	all_unlocked();
	assert_int_equal(set(0, F_WRLCK, 0, 0), 0);
	all_unlocked();
}

static void test_deadlock(void **state)
{
	struct waiter w1 = {1, 0, 1}, w2 = {2, 1, 1};
	struct task *t1, *t2;

	for (u32 o = 0; o < 3; o++)
		assert_int_equal(set(o, F_WRLCK, o, o), 0);
	t1 = shim_thread(wait_for_lock, &w1); /* 1 waits for 0 */
	shim_wait_asleep(t1);
	t2 = shim_thread(wait_for_lock, &w2); /* 2 waits for 1 */
	shim_wait_asleep(t2);
	assert_int_equal(set_wait(0, 1), -EDEADLK);
	assert_int_equal(set_wait(0, 2), -EDEADLK);
	/* The one in between lets go: no circle any more. */
	assert_int_equal(set(0, F_UNLCK, 0, 0), 0);
	shim_join(t1);
	assert_int_equal(w1.result, 0);
	assert_int_equal(set(1, F_UNLCK, 0, 10), 0);
	shim_join(t2);
	assert_int_equal(w2.result, 0);
	all_unlocked();
}

/*
 * Tasks that take two locks in the same order never deadlock, however they race; who claims they do is wrong. And a
 * wait that is not woken would hang here.
 */
#define RACERS 4
static u32 inside;

static void in_order(void *arg)
{
	const u32 owner = (u32)(u64)arg;

	for (u32 i = 0; i < 100; i++) {
		assert_int_equal(set_wait(owner, 0), 0);
		assert_int_equal(set_wait(owner, 1), 0);
		assert_int_equal(atomic_add_return(&inside, 1), 1);
		atomic_dec(&inside);
		/* Either first, or both at once. */
		if (shim_random(2))
			assert_int_equal(set(owner, F_UNLCK, shim_random(2), 1), 0);
		assert_int_equal(set(owner, F_UNLCK, 0, 1), 0);
	}
}

static void test_no_false_deadlock(void **state)
{
	shim_stir(6);
	shim_together(RACERS, in_order);
	shim_stir(0);
}

/* Locks taken in any order: some must be told EDEADLK; they give up all and try again. All get through. */
static void any_order(void *arg)
{
	const u32 owner = (u32)(u64)arg;

	for (u32 i = 0; i < 100; i++) {
		const u32 first = shim_random(2);
		int err;

		assert_int_equal(set_wait(owner, first), 0);
		err = set_wait(owner, !first);
		assert_true(!err || err == -EDEADLK);
		if (!err) {
			assert_int_equal(atomic_add_return(&inside, 1), 1);
			atomic_dec(&inside);
		}
		assert_int_equal(set(owner, F_UNLCK, 0, 1), 0);
	}
}

static void test_true_deadlocks(void **state)
{
	shim_stir(6);
	shim_together(RACERS, any_order);
	shim_stir(0);
}

/* ---- flock ---- */

static int flk(u32 which, u32 type, int cmd)
{
	struct file_lock fl = {.owner = file[which], .file = file[which], .type = type, .end = MAX_LFS_FILESIZE};

	return flock_lock_file(file[which], cmd, &fl);
}

static void wait_flock(void *arg)
{
	*(int *)arg = flk(1, F_WRLCK, F_SETLKW);
}

static void test_flock(void **state)
{
	struct task *t;
	int result = 1;

	assert_int_equal(flk(0, F_RDLCK, F_SETLK), 0);
	assert_int_equal(flk(1, F_RDLCK, F_SETLK), 0);
	assert_int_equal(flk(1, F_WRLCK, F_SETLK), -EAGAIN);
	assert_int_equal(flk(1, F_UNLCK, F_SETLK), 0);
	assert_int_equal(flk(0, F_WRLCK, F_SETLK), 0);
	t = shim_thread(wait_flock, &result);
	shim_wait_asleep(t);
	assert_int_equal(flk(0, F_RDLCK, F_SETLK), 0); /* not enough for a writer */
	shim_wait_asleep(t);
	assert_int_equal(result, 1);
	assert_int_equal(flk(0, F_UNLCK, F_SETLK), 0);
	shim_join(t);
	assert_int_equal(result, 0);
	assert_int_equal(set(0, F_WRLCK, 0, 0), 0); /* record locks are something else */
	all_unlocked();
	assert_int_equal(flk(1, F_UNLCK, F_SETLK), 0);
}

static void flock_turns(void *arg)
{
	struct file *f = filp_open("/locked", O_RDWR, 0);
	struct file_lock fl = {.owner = f, .file = f, .end = MAX_LFS_FILESIZE};

	assert_false(IS_ERR(f));
	for (u32 i = 0; i < 100; i++) {
		fl.type = shim_random(3) ? F_WRLCK : F_RDLCK;
		assert_int_equal(flock_lock_file(f, F_SETLKW, &fl), 0);
		if (fl.type == F_WRLCK) {
			assert_int_equal(atomic_add_return(&inside, 1), 1);
			atomic_dec(&inside);
		}
		fl.type = F_UNLCK;
		assert_int_equal(flock_lock_file(f, F_SETLK, &fl), 0);
	}
	fl.type = F_RDLCK;
	assert_int_equal(flock_lock_file(f, F_SETLKW, &fl), 0);
	file_put(f); /* the last close unlocks */
}

static void test_flock_turns(void **state)
{
	shim_stir(6);
	shim_together(4, flock_turns);
	shim_stir(0);
	assert_int_equal(flk(0, F_WRLCK, F_SETLK), 0);
	assert_int_equal(flk(0, F_UNLCK, F_SETLK), 0);
}

/* ---- no memory ---- */

static int op_lock(void *arg)
{
	const int err = set(0, F_WRLCK, 5, 6);

	return err == -ENOLCK ? -ENOMEM : err; /* fcntl(2) calls it so */
}

static void undo_lock(void *arg)
{
	all_unlocked();
}

static void test_no_memory(void **state)
{
	shim_exhaust(op_lock, undo_lock, NULL, false);
}

static int setup(void **state)
{
	shim_vfs();
	file[0] = filp_open("/locked", O_CREAT | O_RDWR, 0644);
	file[1] = filp_open("/locked", O_RDWR, 0);
	return IS_ERR(file[0]) || IS_ERR(file[1]);
}

static int teardown(void **state)
{
	file_put(file[0]);
	file_put(file[1]);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_split_and_join), cmocka_unit_test(test_far_end),
		cmocka_unit_test(test_model),	       cmocka_unit_test(test_wait),
		cmocka_unit_test(test_deadlock),       cmocka_unit_test(test_no_false_deadlock),
		cmocka_unit_test(test_true_deadlocks), cmocka_unit_test(test_flock),
		cmocka_unit_test(test_flock_turns),    cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
