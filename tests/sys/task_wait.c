/* SPDX-License-Identifier: Apache-2.0 */
/* wait4 and waitid: which children, which events, what is reported and what stays. */
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "sys.h"

static pid_t child_that_exits(int code)
{
	pid_t pid = (pid_t)CHECK_OK(fork());

	if (!pid)
		_exit(code);
	return pid;
}

static pid_t child_that_pauses(void)
{
	pid_t pid = (pid_t)CHECK_OK(fork());

	if (!pid) {
		for (;;)
			pause();
	}
	return pid;
}

static void test_errors(void)
{
	siginfo_t info;
	int status;

	CHECK_ERR(waitpid(-1, &status, 0), ECHILD);
	CHECK_ERR(waitpid(-1, &status, WNOHANG), ECHILD);
	CHECK_ERR(waitpid(getpid(), &status, 0), ECHILD);
	CHECK_ERR(waitpid(-1, &status, 0x4000), EINVAL);
	CHECK_ERR(waitpid(INT32_MIN, &status, 0), ESRCH);
	CHECK_ERR(waitid(P_ALL, 0, &info, 0), EINVAL);
	CHECK_ERR(waitid(P_ALL, 0, &info, WEXITED), ECHILD);
	CHECK_ERR(waitid((idtype_t)9, 0, &info, WEXITED), EINVAL);
	CHECK_ERR(waitid(P_PID, 0, &info, WEXITED), EINVAL);
	CHECK_ERR(waitid((idtype_t)3, 0, &info, WEXITED), EBADF);
}

static void test_nohang(void)
{
	pid_t pid = child_that_pauses();
	siginfo_t info;
	int status;

	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	memset(&info, 0xff, sizeof(info));
	CHECK_OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG));
	CHECK_EQ(info.si_pid, 0);
	CHECK_EQ(info.si_signo, 0);
	kill(pid, SIGTERM);
	CHECK_EQ(wait_for(pid), 128 + SIGTERM);
}

static void test_nowait(void)
{
	pid_t pid = child_that_exits(42);
	siginfo_t info;

	for (int i = 0; i < 3; i++) {
		memset(&info, 0, sizeof(info));
		CHECK_OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
		CHECK_EQ(info.si_pid, pid);
		CHECK_EQ(info.si_status, 42);
		CHECK_EQ(info.si_code, CLD_EXITED);
		CHECK_EQ(info.si_signo, SIGCHLD);
		CHECK_EQ(info.si_uid, getuid());
	}
	CHECK_OK(kill(pid, 0)); /* still there */
	CHECK_EQ(wait_for(pid), 42);
	CHECK_ERR(kill(pid, 0), ESRCH);
}

static void test_stop_continue(void)
{
	pid_t pid = child_that_pauses();
	siginfo_t info;
	int status;

	kill(pid, SIGSTOP);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0); /* reported once */
	kill(pid, SIGCONT);
	CHECK_OK(waitid(P_PID, (id_t)pid, &info, WCONTINUED));
	CHECK_EQ(info.si_code, CLD_CONTINUED);
	CHECK_EQ(info.si_status, SIGCONT);
	CHECK_EQ(waitpid(pid, &status, WCONTINUED | WNOHANG), 0);
	kill(pid, SIGSTOP);
	CHECK_OK(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT));
	CHECK_EQ(info.si_code, CLD_STOPPED);
	CHECK_OK(waitid(P_PID, (id_t)pid, &info, WSTOPPED));
	kill(pid, SIGKILL); /* stopped or not */
	CHECK_EQ(wait_for(pid), 128 + SIGKILL);
}

static void test_groups(void)
{
	pid_t a = child_that_pauses(), b = child_that_pauses();
	int status;

	CHECK_OK(setpgid(a, a));
	kill(a, SIGKILL);
	kill(b, SIGKILL);
	CHECK_EQ(waitpid(-a, &status, 0), a);
	CHECK_ERR(waitpid(-a, &status, 0), ECHILD);
	CHECK_EQ(waitpid(0, &status, 0), b);
	CHECK_ERR(waitpid(0, &status, 0), ECHILD);
}

static void burn(double seconds)
{
	struct timespec ts;
	double start;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	start = (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
	do {
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	} while ((double)ts.tv_sec + (double)ts.tv_nsec * 1e-9 < start + seconds);
}

static void test_rusage(void)
{
	struct rusage ru, children;
	pid_t pid = (pid_t)CHECK_OK(fork());
	long us;
	int status;

	if (!pid) {
		burn(0.05);
		_exit(0);
	}
	CHECK_EQ(wait4(pid, &status, 0, &ru), pid);
	us = (ru.ru_utime.tv_sec + ru.ru_stime.tv_sec) * 1000000 + ru.ru_utime.tv_usec + ru.ru_stime.tv_usec;
	CHECK(us > 40000 && us < 1000000);
	CHECK(ru.ru_maxrss > 0);
	CHECK_OK(getrusage(RUSAGE_CHILDREN, &children));
	CHECK((children.ru_utime.tv_sec + children.ru_stime.tv_sec) * 1000000 + children.ru_utime.tv_usec +
		      children.ru_stime.tv_usec >=
	      us);
}

static volatile int interrupted;

/* Children that nobody waits for do not count. */
static void test_ignored(void)
{
	struct rusage before, after;
	pid_t pid;

	CHECK_OK(getrusage(RUSAGE_CHILDREN, &before));
	signal(SIGCHLD, SIG_IGN);
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		const size_t size = (size_t)before.ru_maxrss * 1024 + (64 << 20);
		char *p = malloc(size);

		memset(p, 1, size);
		burn(0.02);
		_exit(p[size / 2] != 1);
	}
	CHECK_ERR(waitpid(pid, NULL, 0), ECHILD);
	signal(SIGCHLD, SIG_DFL);
	CHECK_OK(getrusage(RUSAGE_CHILDREN, &after));
	CHECK_EQ(after.ru_maxrss, before.ru_maxrss);
	CHECK_EQ(after.ru_utime.tv_sec, before.ru_utime.tv_sec);
	CHECK_EQ(after.ru_utime.tv_usec, before.ru_utime.tv_usec);
}

static void on_alarm(int sig)
{
	interrupted++;
}

static void test_interrupted(void)
{
	struct sigaction sa = {.sa_handler = on_alarm};
	pid_t pid = child_that_pauses();
	int status;

	sigaction(SIGALRM, &sa, NULL);
	ualarm(10000, 10000); /* the first may come before we wait */
	CHECK_ERR(waitpid(pid, &status, 0), EINTR);
	ualarm(0, 0);
	CHECK(interrupted >= 1);
	kill(pid, SIGKILL);
	CHECK_EQ(wait_for(pid), 128 + SIGKILL);
}

/* Children whose end sends no SIGCHLD are seen only with __WCLONE or __WALL. */
static void test_clone_children(void)
{
	long pid = CHECK_OK(syscall(SYS_clone, 0, NULL, NULL, NULL, 0));
	int status;

	if (!pid)
		_exit(7);
	CHECK_ERR(waitpid(-1, &status, 0), ECHILD);
	CHECK_EQ(waitpid((pid_t)pid, &status, __WALL), pid);
	CHECK_EQ(WEXITSTATUS(status), 7);
	pid = CHECK_OK(syscall(SYS_clone, 0, NULL, NULL, NULL, 0));
	if (!pid)
		_exit(8);
	CHECK_EQ(waitpid(-1, &status, __WCLONE), pid);
}

static void test_bad_pointers(void)
{
	pid_t pid = child_that_exits(1);

	/* The child is gone all the same. */
	CHECK_ERR(syscall(SYS_wait4, pid, (void *)8, 0, NULL), EFAULT);
	CHECK_ERR(waitpid(pid, NULL, 0), ECHILD);
}

int main(void)
{
	test_errors();
	test_nohang();
	test_nowait();
	test_stop_continue();
	test_groups();
	test_rusage();
	test_ignored();
	test_interrupted();
	test_clone_children();
	test_bad_pointers();
	return 0;
}
