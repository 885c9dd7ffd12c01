/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals for files that become ready: owners by process, group and thread, the number and what comes with it, pipes,
 * sockets, terminals; who gets none.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>

#include "sys.h"

#define RT (SIGRTMIN + 3)

static sigset_t all;

/* The signal that is there, without waiting: its number or 0. */
static int taken(siginfo_t *info)
{
	const struct timespec none = {0, 0};

	return sigtimedwait(&all, info, &none) > 0 ? info->si_signo : 0;
}

static void none(void)
{
	siginfo_t info;

	CHECK_EQ(taken(&info), 0);
}

static void expect(int fd, int code, int band)
{
	siginfo_t info;

	CHECK_EQ(taken(&info), RT);
	CHECK_EQ(info.si_code, code);
	CHECK_EQ(info.si_fd, fd);
	CHECK_EQ(info.si_band & band, band);
}

static void watch(int fd)
{
	CHECK_OK(fcntl(fd, F_SETOWN, getpid()));
	CHECK_OK(fcntl(fd, F_SETSIG, RT));
	CHECK_OK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC));
}

static void unwatch(int fd)
{
	CHECK_OK(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_ASYNC));
}

static void owners(void)
{
	struct f_owner_ex ex = {F_OWNER_TID, getpid()};
	int p[2];

	CHECK_OK(pipe(p));
	CHECK_EQ(fcntl(p[0], F_GETOWN), 0);
	CHECK_EQ(fcntl(p[0], F_GETSIG), 0);
	CHECK_OK(fcntl(p[0], F_SETOWN, -getpgrp()));
	CHECK_EQ(syscall(72, p[0], F_GETOWN), -getpgrp()); /* the C library takes small negative values for errors */
	CHECK_OK(fcntl(p[0], F_GETOWN_EX, &ex));
	CHECK(ex.type == F_OWNER_PGRP && ex.pid == getpgrp());
	ex = (struct f_owner_ex){F_OWNER_TID, getpid()};
	CHECK_OK(fcntl(p[0], F_SETOWN_EX, &ex));
	ex.type = ex.pid = 0;
	CHECK_OK(fcntl(p[0], F_GETOWN_EX, &ex));
	CHECK(ex.type == F_OWNER_TID && ex.pid == getpid());
	ex.type = 3;
	CHECK_ERR(fcntl(p[0], F_SETOWN_EX, &ex), EINVAL);
	CHECK_ERR(fcntl(p[0], F_SETOWN_EX, bad_ptr), EFAULT);
	CHECK_ERR(fcntl(p[0], F_SETOWN, 4000000), ESRCH);
	CHECK_ERR(fcntl(p[0], F_SETSIG, 65), EINVAL);
	CHECK_OK(fcntl(p[0], F_SETOWN, 0));
	CHECK_EQ(fcntl(p[0], F_GETOWN), 0);
	/* An owner that is gone is not shown. */
	const pid_t pid = CHECK_OK(fork());
	if (!pid)
		_exit(0);
	CHECK_OK(fcntl(p[0], F_SETOWN, pid));
	CHECK_EQ(fcntl(p[0], F_GETOWN), pid);
	CHECK_EQ(wait_for(pid), 0);
	CHECK_EQ(fcntl(p[0], F_GETOWN), 0);
	close(p[0]);
	close(p[1]);
}

static void pipes(void)
{
	siginfo_t info;
	char c;
	int p[2];

	CHECK_OK(pipe(p));
	watch(p[0]);
	none();
	CHECK_EQ(write(p[1], "a", 1), 1);
	expect(p[0], POLL_IN, POLLIN | POLLRDNORM);
	CHECK_EQ(write(p[1], "b", 1), 1);
	expect(p[0], POLL_IN, POLLIN);
	watch(p[1]);
	CHECK_EQ(read(p[0], &c, 1), 1);
	expect(p[1], POLL_OUT, POLLOUT | POLLWRNORM);
	unwatch(p[1]);
	/* Without a number: SIGIO, which says nothing. */
	CHECK_OK(fcntl(p[0], F_SETSIG, 0));
	CHECK_EQ(write(p[1], "c", 1), 1);
	CHECK_EQ(taken(&info), SIGIO);
	CHECK_EQ(info.si_code, SI_KERNEL);
	CHECK_OK(fcntl(p[0], F_SETSIG, RT));
	unwatch(p[0]);
	CHECK_EQ(write(p[1], "d", 1), 1);
	none();
	/* Nobody is told when nobody owns the file; the end is told. */
	watch(p[0]);
	CHECK_OK(fcntl(p[0], F_SETOWN, 0));
	CHECK_EQ(write(p[1], "e", 1), 1);
	none();
	CHECK_OK(fcntl(p[0], F_SETOWN, getpid()));
	close(p[1]);
	expect(p[0], POLL_IN, POLLIN);
	close(p[0]);
	none();
}

static void sockets(void)
{
	struct sockaddr_un a = {AF_UNIX, "\0umbra-sigio"};
	int s[2], l, c, on = 1;
	char big[4096] = "";
	siginfo_t info;

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	watch(s[0]);
	CHECK_EQ(write(s[1], "a", 1), 1);
	expect(s[0], POLL_IN, POLLIN);
	none();
	/* Room is only news to who found none. */
	watch(s[1]);
	CHECK_EQ(read(s[0], big, 1), 1);
	none();
	CHECK_OK(fcntl(s[1], F_SETFL, O_NONBLOCK | O_ASYNC));
	while (write(s[1], big, sizeof(big)) > 0)
		;
	while (taken(&info))
		CHECK_EQ(info.si_fd, s[0]);
	while (recv(s[0], big, sizeof(big), MSG_DONTWAIT) > 0)
		;
	expect(s[1], POLL_OUT, POLLOUT);
	while (taken(&info))
		CHECK_EQ(info.si_code, POLL_OUT);
	close(s[1]);
	expect(s[0], POLL_HUP, POLLHUP);
	close(s[0]);

	l = CHECK_OK(socket(AF_UNIX, SOCK_STREAM, 0));
	CHECK_OK(bind(l, (struct sockaddr *)&a, sizeof(a)));
	CHECK_OK(listen(l, 1));
	CHECK_OK(fcntl(l, F_SETOWN, getpid()));
	CHECK_OK(fcntl(l, F_SETSIG, RT));
	CHECK_OK(ioctl(l, FIOASYNC, &on));
	CHECK(fcntl(l, F_GETFL) & O_ASYNC);
	c = CHECK_OK(socket(AF_UNIX, SOCK_STREAM, 0));
	CHECK_OK(connect(c, (struct sockaddr *)&a, sizeof(a)));
	expect(l, POLL_IN, POLLIN);
	close(c);
	close(l);
}

static void terminals(void)
{
	const int m = CHECK_OK(posix_openpt(O_RDWR | O_NOCTTY));
	struct termios t;
	char c;
	int s;

	CHECK_OK(grantpt(m));
	CHECK_OK(unlockpt(m));
	s = CHECK_OK(open(ptsname(m), O_RDWR | O_NOCTTY));
	CHECK_OK(tcgetattr(s, &t));
	cfmakeraw(&t);
	CHECK_OK(tcsetattr(s, TCSANOW, &t));
	/* A terminal has an owner at once. */
	CHECK_OK(fcntl(s, F_SETSIG, RT));
	CHECK_OK(fcntl(s, F_SETFL, O_RDWR | O_ASYNC));
	CHECK_EQ(fcntl(s, F_GETOWN), getpid());
	CHECK_EQ(write(m, "x", 1), 1);
	CHECK_EQ(read(s, &c, 1), 1);
	expect(s, POLL_IN, POLLIN);
	unwatch(s);
	watch(m);
	CHECK_EQ(write(s, "y", 1), 1);
	CHECK_EQ(read(m, &c, 1), 1);
	expect(m, POLL_IN, POLLIN);
	close(m);
	close(s);
}

static void *other_thread(void *arg)
{
	const int *p = arg;
	struct f_owner_ex ex = {F_OWNER_TID, gettid()};
	siginfo_t info;

	watch(p[0]);
	CHECK_OK(fcntl(p[0], F_SETOWN_EX, &ex));
	CHECK_EQ(write(p[1], "t", 1), 1);
	CHECK_EQ(taken(&info), RT);
	CHECK_EQ(write(p[1], "t", 1), 1);
	return NULL;
}

/* A thread's signals are its own. */
static void threads(void)
{
	pthread_t t;
	int p[2];

	CHECK_OK(pipe(p));
	CHECK_EQ(pthread_create(&t, NULL, other_thread, p), 0);
	CHECK_EQ(pthread_join(t, NULL), 0);
	none();
	CHECK_EQ(write(p[1], "t", 1), 1);
	none();
	close(p[0]);
	close(p[1]);
}

/* A group: each of its processes is told; a file that asks and is none of these tells nobody. */
static void groups(void)
{
	int p[2], go[2];
	siginfo_t info;
	char c;
	pid_t pid;

	CHECK_OK(pipe(p));
	CHECK_OK(pipe(go));
	pid = CHECK_OK(fork());
	if (!pid) {
		CHECK_OK(setpgid(0, 0));
		CHECK_EQ(write(go[1], "", 1), 1);
		CHECK_EQ(sigwaitinfo(&all, &info), SIGIO);
		_exit(7);
	}
	CHECK_EQ(read(go[0], &c, 1), 1);
	CHECK_OK(fcntl(p[0], F_SETOWN, -pid));
	CHECK_OK(fcntl(p[0], F_SETFL, O_ASYNC));
	CHECK_EQ(write(p[1], "g", 1), 1);
	CHECK_EQ(wait_for(pid), 7);
	none();
}

static void regular(void)
{
	char name[] = "/tmp/sigio-XXXXXX";
	const int fd = CHECK_OK(mkstemp(name));
	int on = 1;

	unlink(name);
	CHECK_OK(fcntl(fd, F_SETOWN, getpid()));
	CHECK_OK(fcntl(fd, F_SETFL, O_RDWR | O_ASYNC));
	CHECK_EQ(write(fd, "r", 1), 1);
	none();
	CHECK_OK(fcntl(fd, F_SETFL, O_RDWR));
	CHECK_ERR(ioctl(fd, FIOASYNC, &on), ENOTTY);
	close(fd);
}

int main(void)
{
	sigemptyset(&all);
	sigaddset(&all, RT);
	sigaddset(&all, SIGIO);
	CHECK_OK(sigprocmask(SIG_BLOCK, &all, NULL));
	owners();
	pipes();
	sockets();
	terminals();
	threads();
	groups();
	regular();
	return 0;
}
