/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminal settings as programs see them (Linux x86-64 struct termios2; struct termios is its first TERMIOS_SIZE
 * bytes).
 */
#ifndef GUEST_DRIVERS_TERMIOS_H
#define GUEST_DRIVERS_TERMIOS_H

#include <gk/types.h>

#define NCCS 19
enum {
	VINTR,
	VQUIT,
	VERASE,
	VKILL,
	VEOF,
	VTIME,
	VMIN,
	VSWTC,
	VSTART,
	VSTOP,
	VSUSP,
	VEOL,
	VREPRINT,
	VDISCARD,
	VWERASE,
	VLNEXT,
	VEOL2
};

struct termios {
	u32 iflag, oflag, cflag, lflag;
	u8 line;
	u8 cc[NCCS];
	u32 ispeed, ospeed;
};
#define TERMIOS_SIZE 36
_Static_assert(sizeof(struct termios) == 44, "struct termios2");
_Static_assert(offsetof(struct termios, ispeed) == TERMIOS_SIZE, "struct termios");

struct winsize {
	u16 row, col, xpixel, ypixel;
};

/* iflag */
#define IGNBRK 0000001
#define BRKINT 0000002
#define IGNPAR 0000004
#define PARMRK 0000010
#define INPCK 0000020
#define ISTRIP 0000040
#define INLCR 0000100
#define IGNCR 0000200
#define ICRNL 0000400
#define IUCLC 0001000
#define IXON 0002000
#define IXANY 0004000
#define IXOFF 0010000
#define IMAXBEL 0020000
#define IUTF8 0040000
/* oflag */
#define OPOST 0000001
#define OLCUC 0000002
#define ONLCR 0000004
#define OCRNL 0000010
#define ONOCR 0000020
#define ONLRET 0000040
#define TABDLY 0014000
#define XTABS 0014000
/* cflag */
#define CS8 0000060
#define CREAD 0000200
#define HUPCL 0002000
#define CLOCAL 0004000
#define CBAUD 0010017
#define BOTHER 0010000
#define B38400 0000017
#define IBSHIFT 16
/* lflag */
#define ISIG 0000001
#define ICANON 0000002
#define ECHO 0000010
#define ECHOE 0000020
#define ECHOK 0000040
#define ECHONL 0000100
#define NOFLSH 0000200
#define TOSTOP 0000400
#define ECHOCTL 0001000
#define ECHOPRT 0002000
#define ECHOKE 0004000
#define FLUSHO 0010000
#define PENDIN 0040000
#define IEXTEN 0100000
#define EXTPROC 0200000

extern const struct termios termios_default;

#endif
