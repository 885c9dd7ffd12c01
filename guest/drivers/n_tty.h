/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line discipline: what happens between the keys and read(2), and between write(2) and the screen.
 *
 * A state machine over bytes without locks, sleeping, memory allocation or knowledge of tasks; the terminal code holds
 * the tty's lock around every call. It builds as a host program for tests.
 */
#ifndef GUEST_DRIVERS_N_TTY_H
#define GUEST_DRIVERS_N_TTY_H

#include "drivers/termios.h"

#define N_TTY_BUF 4096u	 /* input, a power of two */
#define N_TTY_ECHO 1024u /* echoes that wait for room in the output, a power of two */
#define N_TTY_OUT 16384u /* output that the device has not taken, a power of two */

struct n_tty {
	struct termios tio;

	/*
	 * Input: free-running indices. [tail, canon_head) is complete lines, [canon_head, head) the line being edited.
	 */
	u32 head, canon_head, tail;
	u32 echo_head, echo_tail;
	u32 out_head, out_tail;
	u32 column;	  /* of the cursor */
	u32 canon_column; /* of the cursor where the line began */
	bool lnext;	  /* the next character is taken literally */
	bool erasing;	  /* ECHOPRT: between the backslash and the slash */
	bool stopped;	  /* output is held back (VSTOP or TCOOFF) */
	bool stopped_tco; /* by TCOOFF: VSTART and IXANY do not undo it */

	/* What the caller has to do after a call; it clears them. */
	u64 signals;	 /* bit n-1: signal n to the foreground group */
	bool flushed_in; /* input was thrown away (packet mode tells the master) */
	bool flushed_out;
	bool flow_changed; /* stopped changed */

	u64 line_end[N_TTY_BUF / 64]; /* bit per input byte: a line ends with it (or before it, when it is N_TTY_EOF) */
	u8 buf[N_TTY_BUF];
	u8 echo[N_TTY_ECHO];
	u8 out[N_TTY_OUT];
};

#define N_TTY_EOF 0 /* stands for the end-of-file character in buf */

void n_tty_init(struct n_tty *t, const struct termios *tio);
/* New settings: buffered input becomes readable, or a line, when the mode changes between canonical and raw. */
void n_tty_set_termios(struct n_tty *t, const struct termios *tio);
/* Bytes from the device. Returns how many were taken; fewer than @n: the buffer is full until somebody reads. */
u32 n_tty_receive(struct n_tty *t, const u8 *p, u32 n);
/* Would n_tty_receive() take a byte now? */
bool n_tty_room(const struct n_tty *t);
/* A break condition. */
void n_tty_break(struct n_tty *t);
/* Would a read find something? @min: how many bytes it wants in raw mode (at least 1). */
bool n_tty_readable(const struct n_tty *t, u32 min);
/*
 * Takes up to @max bytes of input; in canonical mode of one line. *line_done: that line is finished (also with 0 bytes:
 * end of file).
 */
u32 n_tty_read(struct n_tty *t, u8 *p, u32 max, bool *line_done);
/* Bytes a read could get (FIONREAD). */
u32 n_tty_inq(const struct n_tty *t);
/* A program's output, with output processing. Returns how many bytes were taken; 0 when stopped or full. */
u32 n_tty_write(struct n_tty *t, const u8 *p, u32 n);
/* Room for a byte of output: poll. */
bool n_tty_writable(const struct n_tty *t);
/* The device takes output. */
u32 n_tty_out_take(struct n_tty *t, u8 *p, u32 max);
static inline u32 n_tty_outq(const struct n_tty *t)
{
	return t->out_head - t->out_tail;
}
/* Moves echoes on: after output was taken. */
void n_tty_flush_echo(struct n_tty *t);
void n_tty_flush_input(struct n_tty *t);
void n_tty_flush_output(struct n_tty *t);
/* TCXONC. */
void n_tty_stop(struct n_tty *t, bool tco);
void n_tty_start(struct n_tty *t, bool tco);

#endif
