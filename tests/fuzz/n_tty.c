/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz entry for the line discipline: the input is a list of operations. The buffers' indices must stay sound.
 */
#include <string.h>

#include "fuzz.h"
#include "../check.h"
#include "drivers/n_tty.h"

static struct n_tty t;

static void check(void)
{
	CHECK(t.head - t.tail <= N_TTY_BUF);
	CHECK(t.canon_head - t.tail <= t.head - t.tail);
	CHECK(t.echo_head - t.echo_tail <= N_TTY_ECHO);
	CHECK(t.out_head - t.out_tail <= N_TTY_OUT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buf[N_TTY_BUF];
	struct termios tio = termios_default;
	bool done;

	n_tty_init(&t, &tio);
	while (size >= 2) {
		const uint8_t op = data[0] & 7;
		uint32_t n = data[1];

		data += 2;
		size -= 2;
		if (op <= 1 || op == 4)
			n = n < size ? n : (uint32_t)size;
		switch (op) {
		case 0:
			CHECK(n_tty_receive(&t, data, n) <= n);
			break;
		case 1:
			CHECK(n_tty_write(&t, data, n) <= n);
			break;
		case 2:
			CHECK(n_tty_read(&t, buf, n * 16, &done) <= n * 16);
			break;
		case 3:
			CHECK(n_tty_out_take(&t, buf, n * 16) <= n * 16);
			break;
		case 4:
			memcpy(&tio, data, n < sizeof(tio) ? n : sizeof(tio));
			n_tty_set_termios(&t, &tio);
			break;
		case 5:
			n_tty_break(&t);
			break;
		case 6:
			n_tty_flush_input(&t);
			break;
		case 7:
			n_tty_start(&t, n & 1);
			break;
		}
		if (op <= 1 || op == 4) {
			data += n;
			size -= n;
		}
		check();
	}
	return 0;
}
