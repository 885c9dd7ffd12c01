/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setsid, setpgid, getpgid, getsid, getpgrp: who may move whom where.
 */
#include <signal.h>
#include <sys/syscall.h>

#include "sys.h"

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	CHECK_EQ(wait_for(pid), 128 + SIGKILL);
}

static void body(const char *self)
{
	pid_t a, b, c;
	int fd[2];
	char ch;

	CHECK_OK(setsid());
	CHECK_EQ(getsid(0), getpid());
	CHECK_EQ(getpgrp(), getpid());
	CHECK_EQ(getpgid(0), getpid());
	CHECK_ERR(setsid(), EPERM);
	CHECK_ERR(setpgid(0, 0), EPERM); /* a session leader stays */
	CHECK_ERR(setpgid(0, -1), EINVAL);
	CHECK_ERR(setpgid(999999, 0), ESRCH);
	CHECK_ERR(setpgid(getppid(), 0), ESRCH);
	CHECK_ERR(getpgid(999999), ESRCH);
	CHECK_ERR(getsid(999999), ESRCH);

	a = sleeping_child();
	b = sleeping_child();
	CHECK_EQ(getpgid(a), getpid());
	CHECK_EQ(getsid(a), getpid());
	CHECK_OK(setpgid(a, a));
	CHECK_EQ(getpgid(a), a);
	CHECK_OK(setpgid(b, a));
	CHECK_EQ(getpgid(b), a);
	CHECK_ERR(setpgid(b, 999999), EPERM); /* no such group */
	CHECK_OK(setpgid(b, 0));
	CHECK_EQ(getpgid(b), b);
	CHECK_OK(setpgid(b, getpid()));
	end(b);
	CHECK_OK(kill(-a, 0));
	end(a);
	CHECK_ERR(kill(-a, 0), ESRCH);

	/* The group outlives its leader. */
	a = sleeping_child();
	b = sleeping_child();
	CHECK_OK(setpgid(a, a));
	CHECK_OK(setpgid(b, a));
	end(a);
	CHECK_EQ(getpgid(b), a);
	c = sleeping_child();
	CHECK_OK(setpgid(c, a));
	end(b);
	end(c);

	/* Another session's group is out of reach; a child in it, too. */
	CHECK_OK(pipe(fd));
	a = CHECK_OK(fork());
	if (!a) {
		setsid();
		if (write(fd[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	CHECK_EQ(read(fd[0], &ch, 1), 1);
	CHECK_EQ(getsid(a), a);
	CHECK_ERR(setpgid(a, getpid()), EPERM);
	b = sleeping_child();
	CHECK_ERR(setpgid(b, a), EPERM);
	end(a);
	end(b);

	/* After exec a child is its own master. */
	a = CHECK_OK(fork());
	if (!a) {
		dup2(fd[1], 1);
		execl(self, self, "wait", NULL);
		_exit(99);
	}
	CHECK_EQ(read(fd[0], &ch, 1), 1);
	CHECK_ERR(setpgid(a, a), EACCES);
	end(a);
}

int main(int argc, char **argv)
{
	pid_t pid;

	if (argc > 1) {
		CHECK_EQ(write(1, "x", 1), 1);
		for (;;)
			pause();
	}
	pid = CHECK_OK(fork());
	if (!pid) {
		body(argv[0]);
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
	/* A group leader cannot start a session. */
	pid = CHECK_OK(fork());
	if (!pid) {
		CHECK_OK(setpgid(0, 0));
		CHECK_ERR(setsid(), EPERM);
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
	return 0;
}
