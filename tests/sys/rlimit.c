/* SPDX-License-Identifier: Apache-2.0 */
/*
 * getrlimit, setrlimit, prlimit64, getpriority, setpriority, ioprio_get, ioprio_set.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "sys.h"

static void limits(void)
{
	struct rlimit l, old;

	for (int i = 0; i < 16; i++) {
		CHECK_OK(syscall(SYS_getrlimit, i, &l));
		CHECK(l.rlim_cur <= l.rlim_max);
		CHECK_OK(syscall(SYS_setrlimit, i, &l));
	}
	CHECK_ERR(syscall(SYS_getrlimit, 16, &l), EINVAL);
	CHECK_ERR(syscall(SYS_setrlimit, 16, &l), EINVAL);
	CHECK_ERR(syscall(SYS_getrlimit, 0, (void *)8), EFAULT);
	CHECK_ERR(syscall(SYS_setrlimit, 0, (void *)8), EFAULT);
	l = (struct rlimit){5, 4};
	CHECK_ERR(syscall(SYS_setrlimit, RLIMIT_NOFILE, &l), EINVAL);
	CHECK_OK(syscall(SYS_getrlimit, RLIMIT_NOFILE, &l));
	l.rlim_cur = 10;
	CHECK_OK(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, &l, &old));
	CHECK_EQ(old.rlim_max, l.rlim_max);
	CHECK_OK(syscall(SYS_prlimit64, getpid(), RLIMIT_NOFILE, NULL, &old));
	CHECK_EQ(old.rlim_cur, 10);
	CHECK_ERR(dup2(1, 10), EBADF);
	CHECK_EQ(dup2(1, 9), 9);
	CHECK_ERR(syscall(SYS_prlimit64, 999999, RLIMIT_NOFILE, NULL, &old), ESRCH);
	CHECK_ERR(syscall(SYS_prlimit64, 0, 99, NULL, &old), EINVAL);
	CHECK_ERR(syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, (void *)8, NULL), EFAULT);
}

/* The hard limit only goes down. */
static void no_way_up(void)
{
	struct rlimit l = {100, 200};

	CHECK_OK(setrlimit(RLIMIT_NOFILE, &l));
	if (!geteuid())
		CHECK_OK(syscall(SYS_setuid, 1000));
	l.rlim_max = 201;
	CHECK_ERR(setrlimit(RLIMIT_NOFILE, &l), EPERM);
	l = (struct rlimit){200, 200};
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &l));
	if (kill(1, 0)) /* another user's */
		CHECK_ERR(prlimit(1, RLIMIT_NOFILE, NULL, &l), EPERM);
}

static void inherited(void)
{
	struct rlimit l = {77, 88};
	pid_t pid;

	CHECK_OK(setrlimit(RLIMIT_NOFILE, &l));
	pid = CHECK_OK(fork());
	if (!pid) {
		CHECK_OK(getrlimit(RLIMIT_NOFILE, &l));
		_exit(l.rlim_cur == 77 && l.rlim_max == 88 ? 0 : 1);
	}
	CHECK_EQ(wait_for(pid), 0);
}

/* The raw call gives 20 - nice. */
static int nice_of(int which, int who)
{
	return 20 - (int)syscall(SYS_getpriority, which, who);
}

static void priorities(void)
{
	struct rlimit l = {0, 0};

	CHECK_OK(setrlimit(RLIMIT_NICE, &l));
	CHECK_OK(setpriority(PRIO_PROCESS, 0, 5));
	CHECK_EQ(nice_of(PRIO_PROCESS, 0), 5);
	CHECK_EQ(nice_of(PRIO_PROCESS, getpid()), 5);
	CHECK_OK(setpriority(PRIO_PROCESS, getpid(), 100));
	CHECK_EQ(nice_of(PRIO_PROCESS, 0), 19);
	CHECK_OK(setpgid(0, 0));
	CHECK_EQ(nice_of(PRIO_PGRP, 0), 19);
	if (!geteuid()) {
		CHECK_OK(setpriority(PRIO_PROCESS, 0, -100));
		CHECK_EQ(nice_of(PRIO_PROCESS, 0), -20);
		CHECK_OK(setpriority(PRIO_PROCESS, 0, 7));
		CHECK_OK(syscall(SYS_setuid, 1000));
	}
	CHECK_ERR(setpriority(PRIO_PROCESS, 0, -1), EACCES);
	if (kill(1, 0))
		CHECK_ERR(setpriority(PRIO_PROCESS, 1, 19), EPERM);
	CHECK_ERR(setpriority(9, 0, 0), EINVAL);
	CHECK_ERR(syscall(SYS_getpriority, 9, 0), EINVAL);
	CHECK_ERR(syscall(SYS_getpriority, PRIO_PROCESS, 999999), ESRCH);
	CHECK_ERR(syscall(SYS_getpriority, PRIO_PGRP, 999999), ESRCH);
	CHECK(syscall(SYS_getpriority, PRIO_USER, 0) > 0);
	CHECK_OK(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 3));
	CHECK_EQ(syscall(SYS_ioprio_get, 1, 0), 2 << 13 | 3);
	CHECK_ERR(syscall(SYS_ioprio_set, 1, 0, 5 << 13), EINVAL);
	CHECK_ERR(syscall(SYS_ioprio_set, 1, 0, 1), EINVAL); /* no class, but a level */
	/* A group of our own: all of it, and the best of it. */
	const pid_t pid = CHECK_OK(fork());
	if (!pid) {
		CHECK_OK(setpgid(0, 0));
		CHECK_OK(syscall(SYS_ioprio_set, 2, 0, 2 << 13 | 5));
		CHECK_EQ(syscall(SYS_ioprio_get, 1, 0), 2 << 13 | 5);
		const pid_t kid = CHECK_OK(fork());
		if (!kid) {
			CHECK_OK(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6));
			CHECK_EQ(syscall(SYS_ioprio_get, 2, 0), 2 << 13 | 5);
			CHECK_OK(syscall(SYS_ioprio_set, 2, getpgrp(), 2 << 13 | 7));
			CHECK_EQ(syscall(SYS_ioprio_get, 2, getpgrp()), 2 << 13 | 7);
			_exit(0);
		}
		CHECK_EQ(wait_for(kid), 0);
		CHECK_EQ(syscall(SYS_ioprio_get, 1, 0), 2 << 13 | 7);
		if (!geteuid()) {
			CHECK_OK(setresuid(54321, 54321, 54321));
			CHECK_OK(syscall(SYS_ioprio_set, 3, 54321, 3 << 13));
			CHECK_EQ(syscall(SYS_ioprio_get, 3, 54321), 3 << 13);
			CHECK_ERR(syscall(SYS_ioprio_set, 1, getppid(), 2 << 13), EPERM);
			CHECK_ERR(syscall(SYS_ioprio_set, 1, 0, 1 << 13), EPERM);
		}
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
	CHECK_ERR(syscall(SYS_ioprio_get, 2, 999999), ESRCH);
	CHECK_ERR(syscall(SYS_ioprio_get, 9, 0), EINVAL);
	CHECK_ERR(syscall(SYS_ioprio_get, 1, 999999), ESRCH);
}

int main(void)
{
	in_child(limits);
	in_child(no_way_up);
	in_child(inherited);
	in_child(priorities);
	return 0;
}
