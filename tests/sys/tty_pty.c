/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pseudo terminals: making a pair, canonical and raw input, editing, echo, output processing, sizes, hang-up, packet
 * mode.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <time.h>

#include "sys.h"

static int master, slave;

static void open_pair(void)
{
	char *name;

	master = CHECK_OK(posix_openpt(O_RDWR | O_NOCTTY));
	CHECK_OK(grantpt(master));
	name = ptsname(master);
	CHECK(name);
	CHECK_ERR(open(name, O_RDWR | O_NOCTTY), EIO); /* locked */
	CHECK_OK(unlockpt(master));
	slave = CHECK_OK(open(name, O_RDWR | O_NOCTTY));
}

static void close_pair(void)
{
	close(slave);
	close(master);
}

static void put(const char *s)
{
	CHECK_EQ(write(master, s, strlen(s)), (long)strlen(s));
}

/* Linux brings the master's bytes to the line discipline a little later. */
static void settle(void)
{
	usleep(20000);
}

/* What the master can read must be exactly this. */
static void screen(const char *want)
{
	struct pollfd p = {master, POLLIN, 0};
	char buf[5000];
	size_t have = 0, n = strlen(want);

	while (have < n && poll(&p, 1, 1000) == 1 && p.revents & POLLIN)
		have += CHECK_OK(read(master, buf + have, sizeof(buf) - have));
	if (have != n || memcmp(buf, want, n)) {
		fprintf(stderr, "screen shows '%.*s', want '%s'\n", (int)have, buf, want);
		exit(1);
	}
	CHECK_EQ(poll(&p, 1, 0), 0);
}

static void line(const char *want)
{
	char buf[5000];
	int n = CHECK_OK(read(slave, buf, sizeof(buf)));

	if (n != (int)strlen(want) || memcmp(buf, want, n)) {
		fprintf(stderr, "read '%.*s', want '%s'\n", n, buf, want);
		exit(1);
	}
}

static int readable(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};

	return CHECK_OK(poll(&p, 1, 0)) && (p.revents & POLLIN);
}

static void set_flags(tcflag_t iflag, tcflag_t oflag, tcflag_t lflag)
{
	struct termios t;

	CHECK_OK(tcgetattr(slave, &t));
	t.c_iflag = iflag;
	t.c_oflag = oflag;
	t.c_lflag = lflag;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
}

#define COOKED_I (ICRNL | IXON)
#define COOKED_O (OPOST | ONLCR)
#define COOKED_L (ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN)

static void identity(void)
{
	struct stat st;
	unsigned int n;
	char *name;

	open_pair();
	CHECK_EQ(isatty(slave), 1);
	CHECK_EQ(isatty(master), 1);
	CHECK_OK(fstat(slave, &st));
	CHECK(S_ISCHR(st.st_mode));
	CHECK_EQ(major(st.st_rdev), 136);
	CHECK_OK(ioctl(master, TIOCGPTN, &n));
	CHECK_EQ(minor(st.st_rdev), n);
	name = ttyname(slave);
	CHECK(name && !strcmp(name, ptsname(master)));
	CHECK_OK(fstat(master, &st));
	CHECK_EQ(st.st_rdev, makedev(5, 2));
	CHECK_ERR(lseek(slave, 0, SEEK_SET), ESPIPE);
	CHECK_ERR(ioctl(slave, 0x5499, 0), ENOTTY);
	CHECK_ERR(tcgetpgrp(slave), ENOTTY); /* not ours */
	CHECK_ERR(ioctl(slave, TCGETS, bad_ptr), EFAULT);
	close_pair();
}

static void canonical(void)
{
	char buf[100];
	int n;

	open_pair();
	put("hello");
	screen("hello");
	CHECK_EQ(readable(slave), 0);
	put("\r");
	screen("\r\n");
	CHECK_OK(ioctl(slave, FIONREAD, &n));
	CHECK_EQ(n, 6);
	line("hello\n");
	/* One line at a time; a short read leaves the rest. */
	put("one\rtwo\r");
	screen("one\r\ntwo\r\n");
	CHECK_EQ(read(slave, buf, 2), 2);
	line("e\n");
	line("two\n");
	CHECK_EQ(readable(slave), 0);
	/* End of file: alone, and behind text. */
	put("\4");
	CHECK_EQ(read(slave, buf, 100), 0);
	put("part\4");
	line("part");
	CHECK_EQ(readable(slave), 0);
	put("exact\4");
	CHECK_EQ(read(slave, buf, 5), 5);
	CHECK_EQ(readable(slave), 0); /* no false end of file */
	screen("partexact");
	close_pair();
}

static void editing(void)
{
	open_pair();
	put("abc\177\177x\r");
	line("ax\n");
	screen("abc\b \b\b \bx\r\n");
	put("some words\27\27done\r"); /* ^W */
	line("done\n");
	screen("some words\b \b\b \b\b \b\b \b\b \b\b \b\b \b\b \b\b \b\b \bdone\r\n");
	put("gone\25ok\r"); /* ^U */
	line("ok\n");
	screen("gone\b \b\b \b\b \b\b \bok\r\n");
	put("a\26\3b\r"); /* ^V ^C */
	line("a\3b\n");
	screen("a^\b^Cb\r\n");
	put("x\1\177y\r"); /* a control character takes two columns */
	line("xy\n");
	screen("x^A\b \b\b \by\r\n");
	put("re\22print\r"); /* ^R */
	line("reprint\n");
	screen("re^R\r\nreprint\r\n");
	put("a\tb\177\177c\r"); /* a tab goes in one piece */
	line("ac\n");
	screen("a\tb\b \b\b\b\b\b\b\b\bc\r\n");
	/* Nothing to erase: nothing happens. */
	put("\177\177\27\25z\r");
	line("z\n");
	screen("z\r\n");
	/* UTF-8: one key, one character. */
	set_flags(COOKED_I | IUTF8, COOKED_O, COOKED_L);
	put("a\303\244\342\202\254\177\177b\r");
	line("ab\n");
	screen("a\303\244\342\202\254\b \b\b \bb\r\n");
	/* Without ECHOE the erase character shows, without ECHOKE the kill character and a new line. */
	set_flags(COOKED_I, COOKED_O, COOKED_L & ~(ECHOE | ECHOKE));
	put("ab\177c\25d\r");
	line("d\n");
	screen("ab^?c^U\r\nd\r\n");
	close_pair();
}

static void echo_and_output(void)
{
	open_pair();
	set_flags(COOKED_I, COOKED_O, COOKED_L & ~ECHO);
	put("secret\r");
	line("secret\n");
	screen("");
	set_flags(COOKED_I, COOKED_O, (COOKED_L & ~ECHO) | ECHONL);
	put("secret\r");
	line("secret\n");
	screen("\r\n");
	set_flags(COOKED_I, COOKED_O, COOKED_L & ~ECHOCTL);
	put("\1x\r");
	line("\1x\n");
	screen("\1x\r\n");
	set_flags(COOKED_I, COOKED_O, COOKED_L);
	CHECK_EQ(write(slave, "a\nb\tc", 5), 5);
	screen("a\r\nb\tc");
	CHECK_EQ(write(slave, "\n", 1), 1);
	screen("\r\n");
	set_flags(COOKED_I, COOKED_O | TAB3, COOKED_L);
	CHECK_EQ(write(slave, "ab\tc\n", 5), 5);
	screen("ab      c\r\n");
	set_flags(COOKED_I, OPOST | OCRNL | OLCUC, COOKED_L);
	CHECK_EQ(write(slave, "x\ry", 3), 3);
	screen("X\nY");
	set_flags(COOKED_I, 0, COOKED_L);
	CHECK_EQ(write(slave, "x\r\ny", 4), 4);
	screen("x\r\ny");
	/* Input mappings. */
	set_flags(INLCR, 0, ICANON);
	put("a\n\4");
	line("a\r");
	set_flags(IGNCR, 0, ICANON);
	put("a\rb\n");
	line("ab\n");
	set_flags(ISTRIP | ICRNL, 0, ICANON);
	put("\341\r");
	line("a\n");
	set_flags(IUCLC | ICRNL, 0, ICANON | IEXTEN);
	put("ABC\r");
	line("abc\n");
	close_pair();
}

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void raw(void)
{
	struct termios t;
	char buf[100];
	long t0;

	open_pair();
	CHECK_OK(tcgetattr(slave, &t));
	cfmakeraw(&t);
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	put("\3\177\r\4");
	CHECK_EQ(read(slave, buf, 100), 4);
	CHECK(!memcmp(buf, "\3\177\r\4", 4));
	screen("");
	fcntl(slave, F_SETFL, O_NONBLOCK);
	CHECK_ERR(read(slave, buf, 100), EAGAIN);
	fcntl(slave, F_SETFL, 0);

	/* VMIN 0, VTIME 0: whatever is there. */
	t.c_cc[VMIN] = 0;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	CHECK_EQ(read(slave, buf, 100), 0);
	/* VMIN 0, VTIME: the first byte within the time. */
	t.c_cc[VTIME] = 1;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	t0 = now_ms();
	CHECK_EQ(read(slave, buf, 100), 0);
	CHECK(now_ms() - t0 >= 95);
	/* VMIN 3: not before three are there. */
	t.c_cc[VMIN] = 3;
	t.c_cc[VTIME] = 0;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	put("ab");
	settle();
	CHECK_EQ(readable(slave), 0);
	if (!fork()) {
		usleep(30000);
		put("c");
		_exit(0);
	}
	CHECK_EQ(read(slave, buf, 100), 3);
	CHECK_EQ(wait_for(-1), 0);
	/* VMIN and VTIME: a pause after the first byte ends it. */
	t.c_cc[VTIME] = 1;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	put("x");
	CHECK_EQ(read(slave, buf, 100), 1);
	/* What was typed in raw mode becomes a line in canonical mode, and the other way round. */
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	put("typed");
	settle();
	t.c_lflag |= ICANON;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	line("typed");
	put("half");
	settle();
	CHECK_EQ(readable(slave), 0);
	t.c_lflag &= ~ICANON;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	CHECK_EQ(readable(slave), 1);
	line("half");
	close_pair();
}

static void flow(void)
{
	char big[100000];
	long n, total = 0;

	open_pair();
	/* ^S holds output back, ^Q lets it go. */
	put("\23");
	fcntl(slave, F_SETFL, O_NONBLOCK);
	settle();
	CHECK_ERR(write(slave, "x", 1), EAGAIN);
	put("\21");
	settle();
	CHECK_EQ(write(slave, "y", 1), 1);
	screen("y");
	CHECK_OK(tcflow(slave, TCOOFF));
	CHECK_ERR(write(slave, "x", 1), EAGAIN);
	put("\21"); /* does not undo tcflow() */
	settle();
	CHECK_ERR(write(slave, "x", 1), EAGAIN);
	CHECK_OK(tcflow(slave, TCOON));
	CHECK_EQ(write(slave, "z", 1), 1);
	screen("z");
	CHECK_ERR(tcflow(slave, 99), EINVAL);
	/* Output that nobody takes stops the writer. */
	memset(big, 'b', sizeof(big));
	while ((n = write(slave, big, sizeof(big))) > 0)
		total += n;
	CHECK_EQ(errno, EAGAIN);
	CHECK(total > 100 && total < 1000000);
	while (total > 0) {
		n = CHECK_OK(read(master, big, sizeof(big)));
		total -= n;
	}
	CHECK_EQ(total, 0);
	/* Flushing. */
	put("unread\r");
	screen("unread\r\n");
	CHECK_EQ(readable(slave), 1);
	CHECK_OK(tcflush(slave, TCIFLUSH));
	CHECK_EQ(readable(slave), 0);
	CHECK_ERR(tcflush(slave, 99), EINVAL);
	close_pair();
}

static void long_lines(void)
{
	static char buf[10000];

	open_pair();
	set_flags(COOKED_I, COOKED_O, COOKED_L & ~ECHO);
	memset(buf, 'l', sizeof(buf));
	/* A line can have 4095 characters and its end; more is lost. */
	for (int i = 0; i < 10; i++)
		CHECK_EQ(write(master, buf, 500), 500);
	put("\r");
	CHECK_EQ(read(slave, buf, sizeof(buf)), 4096);
	CHECK_EQ(buf[4095], '\n');
	put("next\r");
	line("next\n");
	close_pair();
}

static volatile int winch;

static void on_winch(int sig)
{
	winch++;
}

static void sizes(void)
{
	struct winsize ws = {24, 80, 1, 2}, got;

	open_pair();
	CHECK_OK(ioctl(slave, TIOCGWINSZ, &got));
	CHECK_EQ(got.ws_row, 0);
	CHECK_OK(ioctl(master, TIOCSWINSZ, &ws));
	CHECK_OK(ioctl(slave, TIOCGWINSZ, &got));
	CHECK(!memcmp(&ws, &got, sizeof(ws)));
	CHECK_ERR(ioctl(slave, TIOCSWINSZ, bad_ptr), EFAULT);
	if (!fork()) {
		signal(SIGWINCH, on_winch);
		CHECK_OK(setsid());
		CHECK_OK(ioctl(slave, TIOCSCTTY, 0));
		ws.ws_row++;
		CHECK_OK(ioctl(master, TIOCSWINSZ, &ws));
		CHECK_EQ(winch, 1);
		CHECK_OK(ioctl(master, TIOCSWINSZ, &ws)); /* no change, no signal */
		CHECK_EQ(winch, 1);
		signal(SIGHUP, SIG_IGN);
		_exit(0);
	}
	CHECK_EQ(wait_for(-1), 0);
	close_pair();
}

static void hang_up(void)
{
	struct pollfd p;
	char buf[10], *name;

	/* The last slave goes: the master sees EIO until somebody opens it again. */
	open_pair();
	name = strdup(ptsname(master));
	CHECK_EQ(write(slave, "bye", 3), 3);
	close(slave);
	p = (struct pollfd){master, POLLIN, 0};
	CHECK_EQ(poll(&p, 1, 1000), 1);
	CHECK(p.revents & POLLHUP);
	CHECK_EQ(read(master, buf, 10), 3);
	CHECK_ERR(read(master, buf, 10), EIO);
	slave = CHECK_OK(open(name, O_RDWR | O_NOCTTY));
	CHECK_EQ(poll(&p, 1, 0), 0);
	put("again\r");
	line("again\n");
	/* The master goes: the slave is dead, and so is its name. */
	close(master);
	CHECK_EQ(read(slave, buf, 10), 0);
	CHECK_ERR(write(slave, "x", 1), EIO);
	p.fd = slave;
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK((p.revents & (POLLIN | POLLHUP)) == (POLLIN | POLLHUP));
	CHECK_ERR(ioctl(slave, TIOCGWINSZ, buf), EIO);
	CHECK_ERR(open(name, O_RDWR | O_NOCTTY), ENOENT);
	close(slave);

	/* A sleeping reader notices. */
	open_pair();
	if (!fork()) {
		close(master);
		CHECK_ERR(read(slave, buf, 10), EIO);
		_exit(0);
	}
	usleep(30000);
	close_pair();
	CHECK_EQ(wait_for(-1), 0);
	free(name);
}

static void packet_mode(void)
{
	struct pollfd p;
	char buf[100];
	int on = 1;

	open_pair();
	CHECK_OK(ioctl(master, TIOCPKT, &on));
	CHECK_EQ(write(slave, "data", 4), 4);
	CHECK_EQ(read(master, buf, 100), 5);
	CHECK_EQ(buf[0], TIOCPKT_DATA);
	CHECK(!memcmp(buf + 1, "data", 4));
	CHECK_OK(tcflush(slave, TCIFLUSH));
	p = (struct pollfd){master, POLLIN | POLLPRI, 0};
	CHECK_EQ(poll(&p, 1, 1000), 1);
	CHECK(p.revents & POLLPRI);
	CHECK_EQ(read(master, buf, 100), 1);
	CHECK(buf[0] & TIOCPKT_FLUSHREAD);
	CHECK_OK(tcflow(slave, TCOOFF));
	CHECK_EQ(read(master, buf, 100), 1);
	CHECK(buf[0] & TIOCPKT_STOP);
	CHECK_OK(tcflow(slave, TCOON));
	CHECK_EQ(read(master, buf, 100), 1);
	CHECK(buf[0] & TIOCPKT_START);
	set_flags(ICRNL, COOKED_O, COOKED_L); /* no IXON */
	CHECK_EQ(read(master, buf, 100), 1);
	CHECK(buf[0] & TIOCPKT_NOSTOP);
	on = 0;
	CHECK_OK(ioctl(master, TIOCPKT, &on));
	CHECK_EQ(write(slave, "plain", 5), 5);
	CHECK_EQ(read(master, buf, 100), 5);
	close_pair();
}

static void misc(void)
{
	struct termios a, b;
	int n;

	open_pair();
	/* The master speaks for its terminal. */
	CHECK_OK(tcgetattr(master, &a));
	a.c_lflag &= ~ECHO;
	CHECK_OK(tcsetattr(master, TCSANOW, &a));
	CHECK_OK(tcgetattr(slave, &b));
	CHECK_EQ(b.c_lflag & ECHO, 0);
	CHECK_OK(cfsetspeed(&a, B115200));
	CHECK_OK(tcsetattr(slave, TCSADRAIN, &a));
	CHECK_OK(tcgetattr(slave, &b));
	CHECK_EQ(cfgetospeed(&b), B115200);
	CHECK_OK(tcdrain(slave));
	CHECK_OK(tcsendbreak(slave, 0));
	CHECK_OK(ioctl(slave, TIOCEXCL));
	if (geteuid() != 0)
		CHECK_ERR(open(ptsname(master), O_RDWR | O_NOCTTY), EBUSY);
	CHECK_OK(ioctl(slave, TIOCNXCL));
	CHECK_OK(ioctl(slave, TIOCOUTQ, &n));
	CHECK_OK(ioctl(slave, TIOCGETD, &n));
	CHECK_EQ(n, 0);
	n = open("/dev/ptmx", O_RDWR | O_NOCTTY);
	CHECK(n >= 0);
	CHECK(strcmp(ptsname(n), ptsname(master)) != 0 || 1);
	close(n);
	n = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	if (n >= 0) {
		CHECK_EQ(write(n, "peer", 4), 4);
		screen("peer");
		close(n);
	}
	close_pair();
}

int main(void)
{
	signal(SIGHUP, SIG_IGN);
	identity();
	canonical();
	editing();
	echo_and_output();
	raw();
	flow();
	long_lines();
	sizes();
	hang_up();
	packet_mode();
	misc();
	return 0;
}
