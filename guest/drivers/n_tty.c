/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The standard line discipline: canonical editing, echo, signals, flow control, output processing. See n_tty.h.
 *
 * Echoes go through output processing when they are made, into a small ring of their own, and from there to the output
 * when it has room and is not stopped; a write lets pending echoes go first. So the order on the screen is the order of
 * events.
 */
#include "drivers/n_tty.h"

#include <gk/string.h>

#define SIGINT 2
#define SIGQUIT 3
#define SIGTSTP 20

#define IFLAG(t, f) ((t)->tio.iflag & (f))
#define OFLAG(t, f) ((t)->tio.oflag & (f))
#define LFLAG(t, f) ((t)->tio.lflag & (f))
#define DISABLED 0 /* a control character that is off */

/* Terminals start like this: what getty and every emulator expect. */
const struct termios termios_default = {
	.iflag = ICRNL | IXON,
	.oflag = OPOST | ONLCR,
	.cflag = B38400 | CS8 | CREAD,
	.lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
	.cc = {[VINTR] = 3,
	       [VQUIT] = 28,
	       [VERASE] = 127,
	       [VKILL] = 21,
	       [VEOF] = 4,
	       [VTIME] = 0,
	       [VMIN] = 1,
	       [VSTART] = 17,
	       [VSTOP] = 19,
	       [VSUSP] = 26,
	       [VREPRINT] = 18,
	       [VDISCARD] = 15,
	       [VWERASE] = 23,
	       [VLNEXT] = 22},
	.ispeed = 38400,
	.ospeed = 38400,
};

static bool is_cc(const struct n_tty *t, int which, u8 c)
{
	return c != DISABLED && t->tio.cc[which] == c;
}

static bool canonical(const struct n_tty *t)
{
	return LFLAG(t, ICANON) && !LFLAG(t, EXTPROC);
}

static bool is_continuation(const struct n_tty *t, u8 c)
{
	return IFLAG(t, IUTF8) && (c & 0xc0) == 0x80;
}

static bool is_cntrl(u8 c)
{
	return c < 32 || c == 127;
}

static bool is_word(u8 c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

/* ---- output ---- */

/* What output processing makes of one byte: at most 8 bytes. */
struct cooked {
	u8 byte[8];
	u32 n;
	u32 column;
	bool line_start;
};

static void cook(const struct n_tty *t, u8 c, struct cooked *o)
{
	o->n = 0;
	o->column = t->column;
	o->line_start = false;
	if (!OFLAG(t, OPOST)) {
		o->byte[o->n++] = c;
		return;
	}
	switch (c) {
	case '\n':
		if (OFLAG(t, ONLRET))
			o->column = 0;
		if (OFLAG(t, ONLCR)) {
			o->byte[o->n++] = '\r';
			o->column = 0;
		}
		o->line_start = true;
		break;
	case '\r':
		if (OFLAG(t, ONOCR) && t->column == 0)
			return;
		if (OFLAG(t, OCRNL)) {
			c = '\n';
			if (OFLAG(t, ONLRET))
				o->column = 0;
		} else {
			o->column = 0;
		}
		o->line_start = o->column == 0;
		break;
	case '\t': {
		u32 spaces = 8 - (t->column & 7);

		o->column += spaces;
		if (OFLAG(t, TABDLY) == XTABS) {
			memset(o->byte, ' ', spaces);
			o->n = spaces;
			return;
		}
		break;
	}
	case '\b':
		if (o->column)
			o->column--;
		break;
	default:
		if (!is_cntrl(c)) {
			if (OFLAG(t, OLCUC) && c >= 'a' && c <= 'z')
				c -= 'a' - 'A';
			if (!is_continuation(t, c))
				o->column++;
		}
	}
	o->byte[o->n++] = c;
}

static void cooked_done(struct n_tty *t, const struct cooked *o)
{
	t->column = o->column;
	if (o->line_start)
		t->canon_column = o->column;
}

static u32 out_room(const struct n_tty *t)
{
	return N_TTY_OUT - n_tty_outq(t);
}

static void out_put(struct n_tty *t, const u8 *p, u32 n)
{
	for (u32 i = 0; i < n; i++)
		t->out[t->out_head++ & (N_TTY_OUT - 1)] = p[i];
}

void n_tty_flush_echo(struct n_tty *t)
{
	while (!t->stopped && t->echo_tail != t->echo_head && out_room(t))
		out_put(t, &t->echo[t->echo_tail++ & (N_TTY_ECHO - 1)], 1);
}

/* One byte of echo, through output processing. A flood of echoes that nobody takes is dropped. */
static void echo_raw(struct n_tty *t, u8 c)
{
	struct cooked o;

	cook(t, c, &o);
	if (t->echo_head - t->echo_tail + o.n > N_TTY_ECHO)
		n_tty_flush_echo(t);
	if (t->echo_head - t->echo_tail + o.n > N_TTY_ECHO)
		return;
	for (u32 i = 0; i < o.n; i++)
		t->echo[t->echo_head++ & (N_TTY_ECHO - 1)] = o.byte[i];
	cooked_done(t, &o);
}

/* With ECHOCTL control characters show as ^X. */
static void echo_char(struct n_tty *t, u8 c)
{
	if (LFLAG(t, ECHOCTL) && is_cntrl(c) && c != '\t') {
		echo_raw(t, '^');
		echo_raw(t, c ^ 0100);
	} else {
		echo_raw(t, c);
	}
}

bool n_tty_writable(const struct n_tty *t)
{
	return !t->stopped && t->echo_tail == t->echo_head && out_room(t) >= 256;
}

u32 n_tty_write(struct n_tty *t, const u8 *p, u32 n)
{
	struct cooked o;
	u32 i;

	n_tty_flush_echo(t);
	if (t->stopped || t->echo_tail != t->echo_head)
		return 0;
	if (!OFLAG(t, OPOST)) {
		n = MIN(n, out_room(t));
		out_put(t, p, n);
		return n;
	}
	for (i = 0; i < n; i++) {
		cook(t, p[i], &o);
		if (o.n > out_room(t))
			break;
		out_put(t, o.byte, o.n);
		cooked_done(t, &o);
	}
	return i;
}

u32 n_tty_out_take(struct n_tty *t, u8 *p, u32 max)
{
	u32 n = MIN(max, n_tty_outq(t));

	for (u32 i = 0; i < n; i++)
		p[i] = t->out[t->out_tail++ & (N_TTY_OUT - 1)];
	if (n)
		n_tty_flush_echo(t);
	return n;
}

void n_tty_flush_output(struct n_tty *t)
{
	t->out_tail = t->out_head;
	t->echo_tail = t->echo_head;
	t->flushed_out = true;
}

void n_tty_stop(struct n_tty *t, bool tco)
{
	t->flow_changed |= !t->stopped;
	t->stopped = true;
	t->stopped_tco |= tco;
}

void n_tty_start(struct n_tty *t, bool tco)
{
	if (!t->stopped || (t->stopped_tco && !tco))
		return;
	t->stopped = t->stopped_tco = false;
	t->flow_changed = true;
	n_tty_flush_echo(t);
}

/* ---- the input buffer ---- */

static u8 *in_at(struct n_tty *t, u32 i)
{
	return &t->buf[i & (N_TTY_BUF - 1)];
}

static u8 in_get(const struct n_tty *t, u32 i)
{
	return t->buf[i & (N_TTY_BUF - 1)];
}

static bool is_line_end(const struct n_tty *t, u32 i)
{
	i &= N_TTY_BUF - 1;
	return t->line_end[i / 64] >> (i % 64) & 1;
}

static void mark_line_end(struct n_tty *t, u32 i, bool on)
{
	u64 bit;

	i &= N_TTY_BUF - 1;
	bit = 1ull << (i % 64);
	if (on)
		t->line_end[i / 64] |= bit;
	else
		t->line_end[i / 64] &= ~bit;
}

static u32 in_used(const struct n_tty *t)
{
	return t->head - t->tail;
}

static void put(struct n_tty *t, u8 c)
{
	if (in_used(t) >= N_TTY_BUF)
		return; /* n_tty_receive() keeps room; breaks come without asking */
	mark_line_end(t, t->head, false);
	*in_at(t, t->head++) = c;
}

/* With PARMRK a real 0xff is doubled, as 0xff introduces marks. */
static void put_parmrk(struct n_tty *t, u8 c)
{
	if (c == 0xff && IFLAG(t, PARMRK) && !IFLAG(t, ISTRIP))
		put(t, c);
	put(t, c);
}

static void end_line(struct n_tty *t, u8 c)
{
	if (in_used(t) < N_TTY_BUF) {
		*in_at(t, t->head) = c;
		mark_line_end(t, t->head++, true);
	} else {
		/* Only an end-of-line character that was doubled gets here. */
		mark_line_end(t, t->head - 1, true);
	}
	t->canon_head = t->head;
}

void n_tty_flush_input(struct n_tty *t)
{
	t->tail = t->canon_head = t->head;
	memset(t->line_end, 0, sizeof(t->line_end));
	t->erasing = t->lnext = false;
	t->flushed_in = true;
}

void n_tty_init(struct n_tty *t, const struct termios *tio)
{
	memset(t, 0, sizeof(*t));
	t->tio = *tio;
}

void n_tty_set_termios(struct n_tty *t, const struct termios *tio)
{
	u32 changed = t->tio.lflag ^ tio->lflag;

	t->tio = *tio;
	if (changed & (ICANON | EXTPROC)) {
		memset(t->line_end, 0, sizeof(t->line_end));
		t->canon_head = t->tail;
		if (canonical(t) && in_used(t)) {
			mark_line_end(t, t->head - 1, true);
			t->canon_head = t->head;
		}
		t->erasing = t->lnext = false;
	}
	if (!IFLAG(t, IXON) && t->stopped && !t->stopped_tco)
		n_tty_start(t, false);
}

/* ---- canonical editing ---- */

static void finish_erasing(struct n_tty *t)
{
	if (t->erasing) {
		echo_raw(t, '/');
		t->erasing = false;
	}
}

/* The columns that the tab at @tab takes up on the screen: back to where the text before it ends. */
static u32 tab_width(const struct n_tty *t, u32 tab)
{
	u32 i = tab, cols = 0;
	bool after_tab = false;

	while (i != t->canon_head) {
		u8 c = in_get(t, --i);

		if (c == '\t') {
			after_tab = true;
			break;
		}
		if (is_cntrl(c))
			cols += LFLAG(t, ECHOCTL) ? 2 : 0;
		else if (!is_continuation(t, c))
			cols++;
	}
	if (!after_tab)
		cols += t->canon_column;
	return 8 - (cols & 7);
}

/* Takes the character at t->head (just removed) off the screen. */
static void erase_shown(struct n_tty *t, u8 c)
{
	u32 i;

	if (c == '\t') {
		for (i = tab_width(t, t->head); i; i--)
			echo_raw(t, '\b');
		return;
	}
	if (is_cntrl(c) && LFLAG(t, ECHOCTL)) {
		echo_raw(t, '\b');
		echo_raw(t, ' ');
		echo_raw(t, '\b');
	}
	if (!is_cntrl(c) || LFLAG(t, ECHOCTL)) {
		echo_raw(t, '\b');
		echo_raw(t, ' ');
		echo_raw(t, '\b');
	}
}

/* Removes one character (in UTF-8 maybe several bytes) from the line being edited. */
static void erase_one(struct n_tty *t, int how)
{
	u32 first = t->head, end = t->head;
	u8 c;

	do {
		c = in_get(t, --first);
	} while (is_continuation(t, c) && first != t->canon_head);
	if (is_continuation(t, c))
		return; /* half a character: leave it */
	t->head = first;
	if (!LFLAG(t, ECHO))
		return;
	if (LFLAG(t, ECHOPRT)) {
		if (!t->erasing) {
			echo_raw(t, '\\');
			t->erasing = true;
		}
		echo_char(t, c);
		while (++first != end)
			echo_raw(t, in_get(t, first));
	} else if (how == VERASE && !LFLAG(t, ECHOE)) {
		echo_char(t, t->tio.cc[VERASE]);
	} else {
		erase_shown(t, c);
	}
}

static void kill_line(struct n_tty *t)
{
	if (!LFLAG(t, ECHO)) {
		t->head = t->canon_head;
		return;
	}
	if (LFLAG(t, ECHOK) && LFLAG(t, ECHOKE) && LFLAG(t, ECHOE))
		return; /* rubbed out one by one */
	t->head = t->canon_head;
	finish_erasing(t);
	echo_char(t, t->tio.cc[VKILL]);
	if (LFLAG(t, ECHOK))
		echo_raw(t, '\n');
}

static void erase(struct n_tty *t, int how)
{
	bool seen_word = false;
	u32 before;

	if (t->head == t->canon_head)
		return;
	if (how == VKILL)
		kill_line(t);
	while (t->head != t->canon_head) {
		if (how == VWERASE) {
			bool word = is_word(in_get(t, t->head - 1));

			if (!word && seen_word)
				break;
			seen_word |= word;
		}
		before = t->head;
		erase_one(t, how);
		if (how == VERASE || t->head == before)
			break;
	}
	if (t->head == t->canon_head && LFLAG(t, ECHO))
		finish_erasing(t);
}

static void reprint(struct n_tty *t, u8 c)
{
	finish_erasing(t);
	echo_char(t, c);
	echo_raw(t, '\n');
	for (u32 i = t->canon_head; i != t->head; i++)
		echo_char(t, in_get(t, i));
}

static void echo_input(struct n_tty *t, u8 c)
{
	if (!LFLAG(t, ECHO))
		return;
	finish_erasing(t);
	if (c == '\n') {
		echo_raw(t, '\n');
		return;
	}
	if (t->canon_head == t->head)
		t->canon_column = t->column;
	echo_char(t, c);
}

/* An editing character of canonical mode: true if @c was one and is done with. */
static bool edit(struct n_tty *t, u8 c)
{
	bool ext = LFLAG(t, IEXTEN);

	if (is_cc(t, VERASE, c)) {
		erase(t, VERASE);
	} else if (is_cc(t, VKILL, c)) {
		erase(t, VKILL);
	} else if (ext && is_cc(t, VWERASE, c)) {
		erase(t, VWERASE);
	} else if (ext && is_cc(t, VLNEXT, c)) {
		t->lnext = true;
		if (LFLAG(t, ECHO)) {
			finish_erasing(t);
			if (LFLAG(t, ECHOCTL)) {
				echo_raw(t, '^');
				echo_raw(t, '\b');
			}
		}
	} else if (ext && LFLAG(t, ECHO) && is_cc(t, VREPRINT, c)) {
		reprint(t, c);
	} else if (c == '\n') {
		if (LFLAG(t, ECHO) || LFLAG(t, ECHONL))
			echo_raw(t, '\n');
		end_line(t, c);
	} else if (is_cc(t, VEOF, c)) {
		end_line(t, N_TTY_EOF);
	} else if (is_cc(t, VEOL, c) || (ext && is_cc(t, VEOL2, c))) {
		echo_input(t, c);
		if (c == 0xff && IFLAG(t, PARMRK))
			put(t, c);
		end_line(t, c);
	} else {
		return false;
	}
	return true;
}

/* ---- signals and flow control ---- */

static void raise_signal(struct n_tty *t, int sig, u8 c)
{
	t->signals |= 1ull << (sig - 1);
	if (!LFLAG(t, NOFLSH)) {
		n_tty_flush_input(t);
		n_tty_flush_output(t);
	}
	if (IFLAG(t, IXON))
		n_tty_start(t, false);
	if (LFLAG(t, ECHO))
		echo_char(t, c);
}

static bool special(struct n_tty *t, u8 c)
{
	if (IFLAG(t, IXON)) {
		if (is_cc(t, VSTART, c)) {
			n_tty_start(t, false);
			return true;
		}
		if (is_cc(t, VSTOP, c)) {
			n_tty_stop(t, false);
			return true;
		}
	}
	if (LFLAG(t, ISIG)) {
		if (is_cc(t, VINTR, c)) {
			raise_signal(t, SIGINT, c);
			return true;
		}
		if (is_cc(t, VQUIT, c)) {
			raise_signal(t, SIGQUIT, c);
			return true;
		}
		if (is_cc(t, VSUSP, c)) {
			raise_signal(t, SIGTSTP, c);
			return true;
		}
	}
	return false;
}

void n_tty_break(struct n_tty *t)
{
	if (IFLAG(t, IGNBRK))
		return;
	if (IFLAG(t, BRKINT)) {
		raise_signal(t, SIGINT, t->tio.cc[VINTR]);
		return;
	}
	if (IFLAG(t, PARMRK)) {
		put(t, 0xff);
		put(t, 0);
	}
	put(t, 0);
}

static void receive_one(struct n_tty *t, u8 c)
{
	if (IFLAG(t, ISTRIP))
		c &= 0x7f;
	if (t->lnext) {
		t->lnext = false;
		echo_input(t, c);
		put_parmrk(t, c);
		return;
	}
	if (IFLAG(t, IUCLC) && LFLAG(t, IEXTEN) && c >= 'A' && c <= 'Z')
		c += 'a' - 'A';
	if (LFLAG(t, EXTPROC)) {
		put(t, c);
		return;
	}
	if (special(t, c))
		return;
	if (t->stopped && IFLAG(t, IXON) && IFLAG(t, IXANY))
		n_tty_start(t, false);
	if (c == '\r') {
		if (IFLAG(t, IGNCR))
			return;
		if (IFLAG(t, ICRNL))
			c = '\n';
	} else if (c == '\n' && IFLAG(t, INLCR)) {
		c = '\r';
	}
	if (LFLAG(t, ICANON) && edit(t, c))
		return;
	echo_input(t, c);
	put_parmrk(t, c);
}

/* Free bytes without which a byte cannot come in: what it may become (PARMRK doubles), and the end of the line. */
static u32 receive_room(const struct n_tty *t)
{
	return IFLAG(t, PARMRK) ? 3 : 2;
}

/* The buffer is full within one line: only what ends or edits the line may still come in. */
static bool fits_full_line(const struct n_tty *t, u8 c)
{
	if (c == '\r' && IFLAG(t, ICRNL) && !IFLAG(t, IGNCR))
		c = '\n';
	return c == '\n' || is_cc(t, VEOF, c) || is_cc(t, VEOL, c) || is_cc(t, VERASE, c) || is_cc(t, VKILL, c) ||
	       is_cc(t, VWERASE, c) ||
	       (LFLAG(t, ISIG) && (is_cc(t, VINTR, c) || is_cc(t, VQUIT, c) || is_cc(t, VSUSP, c))) ||
	       (IFLAG(t, IXON) && (is_cc(t, VSTART, c) || is_cc(t, VSTOP, c)));
}

bool n_tty_room(const struct n_tty *t)
{
	return N_TTY_BUF - in_used(t) >= receive_room(t) || (canonical(t) && t->canon_head == t->tail);
}

u32 n_tty_receive(struct n_tty *t, const u8 *p, u32 n)
{
	u32 i;

	for (i = 0; i < n; i++) {
		if (!n_tty_room(t))
			break;
		if (N_TTY_BUF - in_used(t) < receive_room(t)) {
			/* Nobody could ever read a line that has no end: the rest of it is lost, as POSIX allows. */
			if (t->lnext || !fits_full_line(t, p[i])) {
				t->lnext = false;
				if (IFLAG(t, IMAXBEL))
					echo_raw(t, '\a');
				continue;
			}
		}
		receive_one(t, p[i]);
	}
	n_tty_flush_echo(t);
	return i;
}

/* ---- reading ---- */

bool n_tty_readable(const struct n_tty *t, u32 min)
{
	if (canonical(t))
		return t->canon_head != t->tail;
	return in_used(t) >= MAX(min, 1u);
}

u32 n_tty_read(struct n_tty *t, u8 *p, u32 max, bool *line_done)
{
	u32 n = 0, end = canonical(t) ? t->canon_head : t->head;

	*line_done = false;
	while (t->tail != end && n < max) {
		u8 c = in_get(t, t->tail);
		bool last = canonical(t) && is_line_end(t, t->tail);

		mark_line_end(t, t->tail++, false);
		if (!last || c != N_TTY_EOF)
			p[n++] = c;
		if (last) {
			*line_done = true;
			break;
		}
	}
	/* An end-of-file right behind what was asked for belongs to this read: else the next would see a false end. */
	if (n && n == max && !*line_done && t->tail != end && canonical(t) && is_line_end(t, t->tail) &&
	    in_get(t, t->tail) == N_TTY_EOF) {
		mark_line_end(t, t->tail++, false);
		*line_done = true;
	}
	if (!canonical(t))
		t->canon_head = t->tail;
	return n;
}

u32 n_tty_inq(const struct n_tty *t)
{
	u32 n = 0;

	if (!canonical(t))
		return in_used(t);
	for (u32 i = t->tail; i != t->canon_head; i++)
		n += !(is_line_end(t, i) && in_get(t, i) == N_TTY_EOF);
	return n;
}
