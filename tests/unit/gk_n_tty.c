/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line discipline by itself: what the system-call tests cannot bring about (tiny outputs, breaks, mixed modes), and
 * the invariants of its buffers under random input, output, reads and settings.
 */
#include <gk/types.h>
#include <gk/string.h>

#include "drivers/n_tty.h"

#include "unit.h"

int rand(void);

static struct n_tty t;

static void reset(u32 iflag, u32 oflag, u32 lflag)
{
	struct termios tio = termios_default;

	tio.iflag = iflag;
	tio.oflag = oflag;
	tio.lflag = lflag;
	n_tty_init(&t, &tio);
}

static void in(const char *s)
{
	assert_true(n_tty_receive(&t, (const u8 *)s, (u32)strlen(s)) == strlen(s));
}

static void out_is(const char *want)
{
	u8 buf[8192];
	u32 n = n_tty_out_take(&t, buf, sizeof(buf));

	assert_true(n == strlen(want));
	assert_memory_equal(buf, want, n);
}

static void line_is(const char *want)
{
	u8 buf[8192];
	bool done;
	u32 n = n_tty_read(&t, buf, sizeof(buf), &done);

	assert_true(done);
	assert_true(n == strlen(want));
	assert_memory_equal(buf, want, n);
}

static void marks_and_breaks(void **state)
{
	u8 buf[16];
	bool done;

	reset(PARMRK, 0, 0);
	assert_true(n_tty_receive(&t, (const u8 *)"a\377b", 3) == 3);
	n_tty_break(&t);
	assert_true(n_tty_read(&t, buf, sizeof(buf), &done) == 7);
	assert_memory_equal(buf, "a\377\377b\377\0\0", 7);
	reset(BRKINT, 0, ISIG);
	in("x");
	n_tty_break(&t);
	assert_true(t.signals == 1ull << (2 - 1));
	assert_true(t.flushed_in);
	assert_false(n_tty_readable(&t, 1));
	reset(IGNBRK | BRKINT, 0, 0);
	n_tty_break(&t);
	assert_false(t.signals);
	assert_false(n_tty_readable(&t, 1));
}

static void echoprt(void **state)
{
	reset(ICRNL, OPOST | ONLCR, ICANON | ECHO | ECHOE | ECHOPRT);
	in("abc\177\177d\r");
	line_is("ad\n");
	out_is("abc\\cb/d\r\n");
}

static void extproc(void **state)
{
	u8 buf[16];
	bool done;

	reset(ICRNL, 0, ICANON | ECHO | ISIG | EXTPROC);
	in("a\3\r");
	assert_false(t.signals);
	assert_true(n_tty_read(&t, buf, sizeof(buf), &done) == 3);
	out_is("");
}

/* Echoes wait for room and come before later output. */
static void full_output(void **state)
{
	static u8 big[N_TTY_OUT + 100];
	u8 buf[64];

	reset(ICRNL, 0, ICANON | ECHO);
	memset(big, 'o', sizeof(big));
	assert_true(n_tty_write(&t, big, sizeof(big)) == N_TTY_OUT);
	assert_false(n_tty_writable(&t));
	in("echo");
	assert_true(n_tty_write(&t, (const u8 *)"later", 5) == 0);
	assert_true(n_tty_out_take(&t, buf, 2) == 2);
	assert_true(n_tty_outq(&t) == N_TTY_OUT); /* two bytes of the echo took the room */
	assert_true(n_tty_write(&t, (const u8 *)"later", 5) == 0);
	n_tty_flush_output(&t);
	assert_true(n_tty_outq(&t) == 0);
	assert_true(n_tty_write(&t, (const u8 *)"later", 5) == 5);
	out_is("later");
	/* An output of two bytes is not torn: "\r\n" needs room for both. */
	reset(0, OPOST | ONLCR, 0);
	assert_true(n_tty_write(&t, big, N_TTY_OUT - 1) == N_TTY_OUT - 1);
	assert_true(n_tty_write(&t, (const u8 *)"\n", 1) == 0);
}

static void stop_and_start(void **state)
{
	reset(IXON, 0, ECHO);
	in("\23ab");
	assert_true(t.stopped);
	assert_true(t.flow_changed);
	out_is("");
	assert_true(n_tty_write(&t, (const u8 *)"x", 1) == 0);
	in("\21");
	out_is("ab");
	reset(IXON | IXANY, 0, 0);
	in("\23");
	assert_true(t.stopped);
	in("q");
	assert_false(t.stopped);
	assert_true(n_tty_inq(&t) == 1);
}

static void check_invariants(void)
{
	u32 used = t.head - t.tail, edge = t.canon_head - t.tail;

	assert_true(used <= N_TTY_BUF);
	assert_true(edge <= used);
	assert_true(t.echo_head - t.echo_tail <= N_TTY_ECHO);
	assert_true(t.out_head - t.out_tail <= N_TTY_OUT);
	assert_true(n_tty_inq(&t) <= used);
	if ((t.tio.lflag & ICANON) && !(t.tio.lflag & EXTPROC) && edge) {
		/* The finished part ends with the end of a line. */
		u32 last = (t.canon_head - 1) & (N_TTY_BUF - 1);

		assert_true(t.line_end[last / 64] >> (last % 64) & 1);
	}
}

static u32 pick(u32 n)
{
	return (u32)rand() % n;
}

static void random_termios(void)
{
	struct termios tio = termios_default;

	tio.iflag = pick(1 << 15);
	tio.oflag = pick(1 << 14);
	tio.lflag = pick(1 << 17);
	for (int i = 0; i < NCCS; i++) {
		if (!pick(4))
			tio.cc[i] = (u8)pick(256);
	}
	n_tty_set_termios(&t, &tio);
}

static void random_walk(void **state)
{
	static u8 buf[6000];
	bool done;

	reset(ICRNL | IXON, OPOST | ONLCR, ICANON | ECHO | ISIG | IEXTEN);
	for (u32 step = 0; step < 200000; step++) {
		u32 n = pick(64) ? pick(20) : pick(sizeof(buf));

		for (u32 i = 0; i < n; i++)
			buf[i] = pick(3) ? (u8)('a' + pick(26)) : (u8)pick(256);
		switch (pick(8)) {
		case 0:
		case 1:
		case 2:
			assert_true(n_tty_receive(&t, buf, n) <= n);
			break;
		case 3:
			assert_true(n_tty_read(&t, buf, n, &done) <= n);
			break;
		case 4:
			assert_true(n_tty_write(&t, buf, n) <= n);
			break;
		case 5:
			assert_true(n_tty_out_take(&t, buf, n) <= n);
			break;
		case 6:
			if (!pick(20))
				random_termios();
			else if (!pick(20))
				n_tty_flush_input(&t);
			else if (!pick(20))
				n_tty_break(&t);
			break;
		case 7:
			if (!pick(10))
				n_tty_start(&t, true);
			break;
		}
		check_invariants();
		t.signals = 0;
	}
	/* Whatever happened: once somebody reads, room comes back. */
	n_tty_start(&t, true);
	for (int i = 0; i < 10000 && !n_tty_room(&t); i++)
		n_tty_read(&t, buf, sizeof(buf), &done);
	assert_true(n_tty_room(&t));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks_and_breaks), cmocka_unit_test(echoprt),	      cmocka_unit_test(extproc),
		cmocka_unit_test(full_output),	    cmocka_unit_test(stop_and_start), cmocka_unit_test(random_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
