/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Controlling terminals and job control: getting and losing one, keys that send signals, background reads and writes,
 * orphans, what a leader's exit and a hang-up do.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "sys.h"

static int master, slave;
static volatile int got[65];

static void on_signal(int sig)
{
	got[sig]++;
}

static void catch_signal(int sig)
{
	struct sigaction sa = {.sa_handler = on_signal};

	got[sig] = 0;
	sigaction(sig, &sa, NULL);
}

/* The key's signal comes, maybe a little later. */
static void wait_signal(int sig, int count)
{
	for (int i = 0; i < 2000 && got[sig] < count; i++)
		usleep(1000);
	CHECK_EQ(got[sig], count);
}

/* Runs @fn in a session of its own with the pty as terminal; the exit status must be @want. */
static void in_session(void (*fn)(void), int want)
{
	pid_t pid;

	master = CHECK_OK(posix_openpt(O_RDWR | O_NOCTTY));
	CHECK_OK(grantpt(master));
	CHECK_OK(unlockpt(master));
	pid = fork();
	if (!pid) {
		alarm(20);
		CHECK_OK(setsid());
		CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
		slave = CHECK_OK(open(ptsname(master), O_RDWR));
		fn();
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), want);
	close(master);
}

static void controlling(void)
{
	int fd, second;

	/* The first terminal a session leader opens is its controlling one. */
	CHECK_EQ(tcgetsid(slave), getpid());
	CHECK_EQ(tcgetpgrp(slave), getpid());
	CHECK_OK(ioctl(slave, TIOCSCTTY, 0)); /* has it already */
	fd = CHECK_OK(open("/dev/tty", O_RDWR));
	CHECK_EQ(isatty(fd), 1);
	CHECK_EQ(tcgetsid(fd), getpid());
	CHECK_EQ(write(fd, "x", 1), 1);
	close(fd);
	/* Only one, and not another session's. */
	second = CHECK_OK(posix_openpt(O_RDWR | O_NOCTTY));
	CHECK_OK(grantpt(second));
	CHECK_OK(unlockpt(second));
	fd = CHECK_OK(open(ptsname(second), O_RDWR));
	CHECK_ERR(ioctl(fd, TIOCSCTTY, 0), EPERM);
	CHECK_ERR(tcgetpgrp(fd), ENOTTY);
	close(fd);
	close(second);
	if (!fork()) {
		CHECK_ERR(ioctl(slave, TIOCSCTTY, 0), EPERM); /* no leader */
		CHECK_OK(setsid());
		CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
		CHECK_ERR(ioctl(slave, TIOCSCTTY, 0), EPERM); /* belongs to the other session */
		CHECK_ERR(tcsetpgrp(slave, getpid()), ENOTTY);
		_exit(0);
	}
	CHECK_EQ(wait_for(-1), 0);
	CHECK_ERR(tcsetpgrp(slave, 1), EPERM); /* in another session */
	CHECK_ERR(tcsetpgrp(slave, 0x3fffff), ESRCH);
	CHECK_ERR(tcsetpgrp(slave, -1), EINVAL);
	catch_signal(SIGHUP);
	catch_signal(SIGCONT);
	CHECK_OK(ioctl(slave, TIOCNOTTY));
	CHECK_EQ(got[SIGHUP], 1);
	CHECK_EQ(got[SIGCONT], 1);
	CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
	CHECK_OK(ioctl(slave, TIOCSCTTY, 0)); /* and back */
	CHECK_EQ(tcgetsid(slave), getpid());
	signal(SIGHUP, SIG_IGN);
}

static void keys(void)
{
	struct termios t;

	catch_signal(SIGINT);
	catch_signal(SIGQUIT);
	CHECK_EQ(write(master, "lost\3", 5), 5);
	wait_signal(SIGINT, 1);
	CHECK_EQ(write(master, "\34", 1), 1);
	wait_signal(SIGQUIT, 1);
	CHECK_EQ(write(master, "kept\r", 5), 5);
	char buf[20];
	CHECK_EQ(read(slave, buf, 20), 5); /* "lost" was flushed by the interrupt */
	CHECK_OK(tcgetattr(slave, &t));
	t.c_lflag |= NOFLSH;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	CHECK_EQ(write(master, "stay\3\r", 6), 6);
	wait_signal(SIGINT, 2);
	CHECK_EQ(read(slave, buf, 20), 5);
	t.c_lflag &= ~ISIG;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	CHECK_EQ(write(master, "\3\r", 2), 2);
	CHECK_EQ(read(slave, buf, 20), 2);
	CHECK_EQ(got[SIGINT], 2);
	/* A read is interrupted. */
	t.c_lflag |= ISIG;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	if (!fork()) {
		setpgid(0, 0); /* out of the way of the key */
		usleep(30000);
		CHECK_EQ(write(master, "\3", 1), 1);
		_exit(0);
	}
	CHECK_ERR(read(slave, buf, 20), EINTR);
	CHECK_EQ(wait_for(-1), 0);
	/* TIOCSIG from the master. */
	CHECK_OK(ioctl(master, TIOCSIG, SIGQUIT));
	wait_signal(SIGQUIT, 2);
	CHECK_ERR(ioctl(master, TIOCSIG, SIGKILL), EINVAL);
}

static int wait_stop(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	return WIFSTOPPED(status) ? WSTOPSIG(status) : -1;
}

static void background(void)
{
	struct termios t;
	char c;
	pid_t pid = fork();
	int p[2];

	signal(SIGTTOU, SIG_IGN);
	CHECK_OK(pipe(p));
	if (!pid) {
		CHECK_OK(setpgid(0, 0));
		signal(SIGTTOU, SIG_DFL);
		CHECK_EQ(read(slave, &c, 1), 1); /* stops, goes on in the foreground */
		CHECK_EQ(c, 'f');
		_exit(3);
	}
	setpgid(pid, pid);
	CHECK_EQ(wait_stop(pid), SIGTTIN);
	CHECK_OK(tcsetpgrp(slave, pid));
	CHECK_EQ(tcgetpgrp(slave), pid);
	CHECK_OK(kill(-pid, SIGCONT));
	CHECK_EQ(write(master, "f\r", 2), 2);
	CHECK_EQ(wait_for(pid), 3);
	CHECK_OK(tcsetpgrp(slave, getpgrp()));
	CHECK_EQ(read(slave, &c, 1), 1);

	/* Writing stops with TOSTOP only; changing settings always. */
	pid = fork();
	if (!pid) {
		CHECK_OK(setpgid(0, 0));
		signal(SIGTTOU, SIG_DFL);
		CHECK_EQ(write(slave, "w", 1), 1);
		CHECK_OK(tcgetattr(slave, &t));
		CHECK_OK(tcsetattr(slave, TCSANOW, &t)); /* stops */
		_exit(4);
	}
	setpgid(pid, pid);
	CHECK_EQ(wait_stop(pid), SIGTTOU);
	CHECK_OK(tcsetpgrp(slave, pid));
	CHECK_OK(kill(-pid, SIGCONT));
	CHECK_EQ(wait_for(pid), 4);
	CHECK_OK(tcsetpgrp(slave, getpgrp()));
	CHECK_OK(tcgetattr(slave, &t));
	t.c_lflag |= TOSTOP;
	CHECK_OK(tcsetattr(slave, TCSANOW, &t));
	pid = fork();
	if (!pid) {
		CHECK_OK(setpgid(0, 0));
		signal(SIGTTOU, SIG_DFL);
		write(slave, "w", 1);
		_exit(5);
	}
	setpgid(pid, pid);
	CHECK_EQ(wait_stop(pid), SIGTTOU);
	kill(pid, SIGKILL);
	CHECK_EQ(wait_for(pid), 128 + SIGKILL);
	/* Who ignores or blocks it may. */
	pid = fork();
	if (!pid) {
		CHECK_OK(setpgid(0, 0));
		signal(SIGTTOU, SIG_IGN);
		CHECK_EQ(write(slave, "w", 1), 1);
		signal(SIGTTIN, SIG_IGN);
		CHECK_ERR(read(slave, &c, 1), EIO);
		_exit(6);
	}
	CHECK_EQ(wait_for(pid), 6);
	/* The suspend key. */
	pid = fork();
	if (!pid) {
		CHECK_OK(setpgid(0, 0));
		CHECK_OK(tcsetpgrp(slave, getpid()));
		signal(SIGTTOU, SIG_DFL);
		CHECK_EQ(write(p[1], "x", 1), 1);
		for (;;)
			pause();
	}
	CHECK_EQ(read(p[0], &c, 1), 1);
	CHECK_EQ(write(master, "\32", 1), 1);
	CHECK_EQ(wait_stop(pid), SIGTSTP);
	CHECK_OK(kill(pid, SIGCONT));
	CHECK_EQ(write(master, "\3", 1), 1);
	CHECK_EQ(wait_for(pid), 128 + SIGINT);
	CHECK_OK(tcsetpgrp(slave, getpgrp()));
}

/* A background group that nobody could bring back gets EIO. */
static void orphan(void)
{
	int p[2];
	char c = 0;

	CHECK_OK(pipe(p));
	if (!fork()) {
		pid_t parent = getpid();

		if (!fork()) {
			CHECK_OK(setpgid(0, 0));
			close(p[0]);
			while (getppid() == parent)
				usleep(1000);
			usleep(20000);
			errno = 0;
			c = read(slave, &c, 1) < 0 && errno == EIO;
			CHECK_EQ(write(p[1], &c, 1), 1);
			_exit(0);
		}
		usleep(50000);
		_exit(0);
	}
	wait(NULL);
	close(p[1]);
	CHECK_EQ(read(p[0], &c, 1), 1);
	CHECK_EQ(c, 1);
}

/* The leader exits: the foreground group is hung up and the terminal is free. */
static int report[2];

static void leader_exits(void)
{
	int ready[2];
	char c;

	CHECK_OK(pipe(ready));
	if (!fork()) {
		catch_signal(SIGHUP);
		CHECK_EQ(write(ready[1], "r", 1), 1);
		while (!got[SIGHUP])
			usleep(1000);
		CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
		CHECK_EQ(write(report[1], "h", 1), 1);
		_exit(0);
	}
	CHECK_EQ(read(ready[0], &c, 1), 1);
}

/* vhangup(): as if the line had dropped. */
static void virtual_hang_up(void)
{
	char c;

	catch_signal(SIGHUP);
	if (vhangup() < 0) {
		CHECK_EQ(errno, EPERM);
		return;
	}
	CHECK_EQ(got[SIGHUP], 1);
	CHECK_EQ(read(slave, &c, 1), 0);
	CHECK_ERR(write(slave, "x", 1), EIO);
	CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
}

/* The master closes: the leader is hung up. */
static void hung_up(void)
{
	char c;

	catch_signal(SIGHUP);
	catch_signal(SIGCONT);
	close(master);
	if (!fork()) {
		setpgid(0, 0);
		CHECK_EQ(write(report[1], "g", 1), 1);
		_exit(0);
	}
	while (!got[SIGHUP])
		usleep(1000);
	CHECK_EQ(read(slave, &c, 1), 0);
	CHECK_ERR(open("/dev/tty", O_RDWR), ENXIO);
	wait(NULL);
}

int main(void)
{
	char c;

	signal(SIGTTOU, SIG_DFL);
	in_session(controlling, 0);
	in_session(keys, 0);
	in_session(background, 0);
	in_session(orphan, 0);
	in_session(virtual_hang_up, 0);
	CHECK_OK(pipe(report));
	in_session(leader_exits, 0);
	CHECK_EQ(read(report[0], &c, 1), 1);
	CHECK_EQ(c, 'h');

	master = CHECK_OK(posix_openpt(O_RDWR | O_NOCTTY));
	CHECK_OK(grantpt(master));
	CHECK_OK(unlockpt(master));
	pid_t pid = fork();
	if (!pid) {
		alarm(20);
		CHECK_OK(setsid());
		slave = CHECK_OK(open(ptsname(master), O_RDWR));
		hung_up();
		_exit(0);
	}
	CHECK_EQ(read(report[0], &c, 1), 1);
	CHECK_EQ(c, 'g');
	close(master);
	CHECK_EQ(wait_for(pid), 0);
	return 0;
}
