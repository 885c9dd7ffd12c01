/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Terminal ioctls: settings in their three historic forms, window size, queues, flow control.
 * The master of a pty shares them (tty_common_ioctl): it speaks for its terminal.
 */
#include "drivers/tty.h"

#include <gk/string.h>

#define TCGETS 0x5401
#define TCSETS 0x5402
#define TCSETSW 0x5403
#define TCSETSF 0x5404
#define TCGETA 0x5405
#define TCSETA 0x5406
#define TCSETAW 0x5407
#define TCSETAF 0x5408
#define TCSBRK 0x5409
#define TCXONC 0x540A
#define TCFLSH 0x540B
#define TIOCEXCL 0x540C
#define TIOCNXCL 0x540D
#define TIOCOUTQ 0x5411
#define TIOCSTI 0x5412
#define TIOCGWINSZ 0x5413
#define TIOCSWINSZ 0x5414
#define TIOCGSOFTCAR 0x5419
#define TIOCSSOFTCAR 0x541A
#define FIONREAD 0x541B
#define TIOCSETD 0x5423
#define TIOCGETD 0x5424
#define TCSBRKP 0x5425
#define TIOCSBRK 0x5427
#define TIOCCBRK 0x5428
#define TCGETS2 0x802C542A
#define TCSETS2 0x402C542B
#define TCSETSW2 0x402C542C
#define TCSETSF2 0x402C542D
#define TIOCGDEV 0x80045432
#define TIOCVHANGUP 0x5437
#define TIOCGEXCL 0x80045440

enum { TCOOFF, TCOON, TCIOFF, TCION };
enum { TCIFLUSH, TCOFLUSH, TCIOFLUSH };

/* Speeds of the B* codes 0..15 and, with BOTHER set, 1..15. */
static const u32 speed_low[16] = {0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400};
static const u32 speed_high[16] = {0,	    57600,   115200,  230400,  460800,	500000,	 576000,  921600,
				   1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000};

static u32 speed_of(u32 code, u32 other)
{
	code &= CBAUD;
	if (code == BOTHER)
		return other;
	return code & BOTHER ? speed_high[code & 15] : speed_low[code & 15];
}

static u32 code_of(u32 speed)
{
	for (u32 i = 0; i < 16; i++) {
		if (speed_low[i] == speed)
			return i;
		if (i && speed_high[i] == speed)
			return BOTHER | i;
	}
	return BOTHER;
}

/* The code in cflag and the number follow from each other; termios2 with BOTHER brings the number. */
static void settle_speed(struct termios *tio)
{
	u32 in = tio->cflag >> IBSHIFT & CBAUD;

	tio->ospeed = speed_of(tio->cflag, tio->ospeed);
	tio->ispeed = in ? speed_of(in, tio->ispeed) : tio->ospeed;
	tio->cflag = (tio->cflag & ~(u32)CBAUD) | code_of(tio->ospeed);
	if (in)
		tio->cflag = (tio->cflag & ~((u32)CBAUD << IBSHIFT)) | code_of(tio->ispeed) << IBSHIFT;
}

/* Sleeps until everything written is out. 0 or -ERESTARTSYS. */
static int wait_drained(struct tty *t, struct file *f)
{
	if (!t->driver->pending)
		return 0;
	return wait_event_interruptible(&t->write_wait,
					t->driver->pending(t) == 0 || t->hangups != f->version || t->ld.stopped);
}

static struct termios get_termios(struct tty *t)
{
	struct termios tio;

	spin_lock(&t->lock);
	tio = t->ld.tio;
	spin_unlock(&t->lock);
	return tio;
}

static void set_termios(struct tty *t, struct termios *tio)
{
	struct termios old;

	settle_speed(tio);
	spin_lock(&t->lock);
	old = t->ld.tio;
	tio->line = old.line;
	tio->cflag |= CREAD | CS8;
	n_tty_set_termios(&t->ld, tio);
	if (t->driver->set_termios)
		t->driver->set_termios(t, &old);
	tty_unlock_and_run(t);
}

/* The three ways to set: at once, after the output is out, and then also without the input so far. */
enum set_how { SET_NOW, SET_WAIT, SET_FLUSH };

static long change_termios(struct tty *t, struct file *f, struct termios *tio, enum set_how how)
{
	long ret = tty_check_change(t);

	if (ret)
		return ret;
	if (how == SET_FLUSH) {
		spin_lock(&t->lock);
		n_tty_flush_input(&t->ld);
		tty_unlock_and_run(t);
	}
	if (how != SET_NOW) {
		ret = wait_drained(t, f);
		if (ret)
			return ret;
	}
	set_termios(t, tio);
	return 0;
}

static long ioctl_set(struct tty *t, struct file *f, u64 arg, size_t size, enum set_how how)
{
	struct termios tio = get_termios(t);

	if (copy_from_user(&tio, (const void __user *)arg, size))
		return -EFAULT;
	return change_termios(t, f, &tio, how);
}

static long ioctl_get(struct tty *t, u64 arg, size_t size)
{
	struct termios tio = get_termios(t);

	return copy_to_user((void __user *)arg, &tio, size);
}

/* System V's form: half words and eight control characters. */
struct termio {
	u16 iflag, oflag, cflag, lflag;
	u8 line;
	u8 cc[8];
};

static long ioctl_get_termio(struct tty *t, u64 arg)
{
	struct termios tio = get_termios(t);
	struct termio old = {tio.iflag, tio.oflag, tio.cflag, tio.lflag, tio.line, {0}};

	memcpy(old.cc, tio.cc, sizeof(old.cc));
	return copy_to_user((void __user *)arg, &old, sizeof(old));
}

static long ioctl_set_termio(struct tty *t, struct file *f, u64 arg, enum set_how how)
{
	struct termios tio = get_termios(t);
	struct termio old;

	if (copy_from_user(&old, (const void __user *)arg, sizeof(old)))
		return -EFAULT;
	tio.iflag = (tio.iflag & ~0xffffu) | old.iflag;
	tio.oflag = (tio.oflag & ~0xffffu) | old.oflag;
	tio.cflag = (tio.cflag & ~0xffffu) | old.cflag;
	tio.lflag = (tio.lflag & ~0xffffu) | old.lflag;
	memcpy(tio.cc, old.cc, sizeof(old.cc));
	return change_termios(t, f, &tio, how);
}

static long ioctl_termios(struct tty *t, struct file *f, u32 cmd, u64 arg)
{
	switch (cmd) {
	case TCGETS:
		return ioctl_get(t, arg, TERMIOS_SIZE);
	case TCGETS2:
		return ioctl_get(t, arg, sizeof(struct termios));
	case TCGETA:
		return ioctl_get_termio(t, arg);
	case TCSETS:
	case TCSETSW:
	case TCSETSF:
		return ioctl_set(t, f, arg, TERMIOS_SIZE, cmd - TCSETS);
	case TCSETS2:
	case TCSETSW2:
	case TCSETSF2:
		return ioctl_set(t, f, arg, sizeof(struct termios), cmd - TCSETS2);
	case TCSETA:
	case TCSETAW:
	case TCSETAF:
		return ioctl_set_termio(t, f, arg, cmd - TCSETA);
	}
	return -ENOIOCTLCMD;
}

void tty_set_winsize(struct tty *t, const struct winsize *ws)
{
	bool changed;

	spin_lock(&t->lock);
	changed = memcmp(&t->winsize, ws, sizeof(*ws)) != 0;
	t->winsize = *ws;
	spin_unlock(&t->lock);
	if (changed)
		tty_signal_foreground(t, SIGWINCH);
}

static long ioctl_winsize(struct tty *t, u32 cmd, u64 arg)
{
	struct winsize ws;

	if (cmd == TIOCSWINSZ) {
		if (copy_from_user(&ws, (const void __user *)arg, sizeof(ws)))
			return -EFAULT;
		tty_set_winsize(t, &ws);
		return 0;
	}
	spin_lock(&t->lock);
	ws = t->winsize;
	spin_unlock(&t->lock);
	return copy_to_user((void __user *)arg, &ws, sizeof(ws));
}

static long ioctl_flush(struct tty *t, u64 arg)
{
	long ret = tty_check_change(t);

	if (ret)
		return ret;
	if (arg > TCIOFLUSH)
		return -EINVAL;
	spin_lock(&t->lock);
	if (arg != TCOFLUSH)
		n_tty_flush_input(&t->ld);
	if (arg != TCIFLUSH)
		n_tty_flush_output(&t->ld);
	tty_unlock_and_run(t);
	return 0;
}

static long ioctl_flow(struct tty *t, u64 arg)
{
	long ret = tty_check_change(t);

	if (ret)
		return ret;
	if (arg > TCION)
		return -EINVAL;
	spin_lock(&t->lock);
	if (arg == TCOOFF)
		n_tty_stop(&t->ld, true);
	else if (arg == TCOON && t->ld.stopped_tco)
		n_tty_start(&t->ld, true);
	/* TCIOFF and TCION would send a character to a modem: there is none. */
	tty_unlock_and_run(t);
	return 0;
}

static long ioctl_insert(struct tty *t, u64 arg)
{
	u8 c;

	if (!capable(CAP_SYS_ADMIN))
		return -EIO;
	if (get_user(c, (u8 __user *)arg))
		return -EFAULT;
	tty_receive(t, &c, 1);
	return 0;
}

static long ioctl_exclusive(struct tty *t, bool on)
{
	spin_lock(&t->lock);
	t->exclusive = on;
	spin_unlock(&t->lock);
	return 0;
}

static long ioctl_softcar(struct tty *t, u32 cmd, u64 arg)
{
	struct termios tio = get_termios(t);
	s32 on;

	if (cmd == TIOCGSOFTCAR)
		return put_user((s32) !!(tio.cflag & CLOCAL), (s32 __user *)arg);
	if (get_user(on, (s32 __user *)arg))
		return -EFAULT;
	tio.cflag = (tio.cflag & ~(u32)CLOCAL) | (on ? CLOCAL : 0);
	set_termios(t, &tio);
	return 0;
}

static long ioctl_setd(u64 arg)
{
	s32 ldisc;

	if (get_user(ldisc, (s32 __user *)arg))
		return -EFAULT;
	return ldisc == 0 ? 0 : -EINVAL;
}

static long ioctl_vhangup(struct tty *t)
{
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	mutex_lock(&tty_mutex);
	tty_hangup(t);
	mutex_unlock(&tty_mutex);
	return 0;
}

/* tcdrain() and tcsendbreak(): there is no line to break. */
static long ioctl_break(struct tty *t, struct file *f)
{
	long ret = tty_check_change(t);

	return ret ? ret : wait_drained(t, f);
}

long tty_common_ioctl(struct tty *t, struct file *f, u32 cmd, u64 arg, bool master)
{
	long ret = ioctl_termios(t, f, cmd, arg);

	if (ret != -ENOIOCTLCMD)
		return ret;
	switch (cmd) {
	case TIOCGWINSZ:
	case TIOCSWINSZ:
		return ioctl_winsize(t, cmd, arg);
	case TCFLSH:
		return ioctl_flush(t, arg);
	case TCXONC:
		return ioctl_flow(t, arg);
	case TIOCEXCL:
	case TIOCNXCL:
		return ioctl_exclusive(t, cmd == TIOCEXCL);
	case TIOCGEXCL:
		return put_user((s32)t->exclusive, (s32 __user *)arg);
	case TIOCSTI:
		return ioctl_insert(t, arg);
	case TIOCGSOFTCAR:
	case TIOCSSOFTCAR:
		return ioctl_softcar(t, cmd, arg);
	case TIOCGETD:
		return put_user((s32)0, (s32 __user *)arg);
	case TIOCSETD:
		return ioctl_setd(arg);
	case TIOCVHANGUP:
		return ioctl_vhangup(t);
	case TCSBRK:
	case TCSBRKP:
		return ioctl_break(t, f);
	case TIOCSBRK:
	case TIOCCBRK:
		return 0;
	}
	return tty_job_ioctl(t, f, cmd, arg, master);
}

long tty_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct tty *t = f->private;
	u32 n;

	if (tty_hung_up(t, f))
		return -EIO;
	switch (cmd) {
	case FIONREAD:
		spin_lock(&t->lock);
		n = n_tty_inq(&t->ld);
		spin_unlock(&t->lock);
		return put_user((s32)n, (s32 __user *)arg);
	case TIOCOUTQ:
		return put_user((s32)(t->driver->pending ? t->driver->pending(t) : 0), (s32 __user *)arg);
	case TIOCGDEV:
		return put_user((u32)t->rdev, (u32 __user *)arg);
	}
	return tty_common_ioctl(t, f, cmd, arg, false);
}
