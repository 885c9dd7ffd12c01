/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stopping and continuing: wait statuses, SIGCHLD and its flags, stop and continue cancel each other, orphaned groups,
 * threads stop together.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>

#include "sys.h"

static volatile sig_atomic_t children;
static volatile siginfo_t last;

static void on_child(int sig, siginfo_t *info, void *ctx)
{
	children++;
	last = *info;
}

static void watch(int flags)
{
	struct sigaction sa = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART | flags};

	CHECK_OK(sigaction(SIGCHLD, &sa, NULL));
	children = 0;
}

/* The parent may learn of a change from wait before its signal comes. */
static int told(int n)
{
	for (int i = 0; i < 1000 && children < n; i++)
		usleep(1000);
	return children;
}

static void end(pid_t pid)
{
	CHECK_OK(kill(pid, SIGKILL));
	CHECK_EQ(wait_for(pid), 128 + SIGKILL);
}

static void test_stop(void)
{
	pid_t pid;
	int status;
	siginfo_t info;

	watch(0);
	pid = sleeping_child();
	CHECK_OK(kill(pid, SIGSTOP));
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	CHECK_EQ(told(1), 1);
	CHECK_EQ(last.si_code, CLD_STOPPED);
	CHECK_EQ(last.si_pid, pid);
	CHECK_EQ(last.si_status, SIGSTOP);
	CHECK_EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0); /* told once */
	CHECK_OK(kill(pid, SIGCONT));
	CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
	CHECK(WIFCONTINUED(status));
	CHECK_EQ(told(2), 2);
	CHECK_EQ(last.si_code, CLD_CONTINUED);
	CHECK_EQ(last.si_status, SIGCONT);

	CHECK_OK(kill(pid, SIGSTOP));
	CHECK_OK(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT));
	CHECK_OK(waitid(P_PID, (id_t)pid, &info, WSTOPPED));
	CHECK_EQ(info.si_code, CLD_STOPPED);
	CHECK_EQ(info.si_status, SIGSTOP);
	/* A stopped process dies at once of SIGKILL, of others when it continues. */
	CHECK_OK(kill(pid, SIGTERM));
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	CHECK_OK(kill(pid, SIGCONT));
	CHECK_EQ(wait_for(pid), 128 + SIGTERM);
	pid = sleeping_child();
	CHECK_OK(kill(pid, SIGSTOP));
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	end(pid);
}

static void test_flags(void)
{
	pid_t pid;
	int status;

	watch(SA_NOCLDSTOP);
	pid = sleeping_child();
	CHECK_OK(kill(pid, SIGSTOP));
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK_OK(kill(pid, SIGCONT));
	CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
	CHECK_EQ(children, 0);
	end(pid);
	CHECK_EQ(told(1), 1);
	CHECK_EQ(last.si_code, CLD_KILLED);
	CHECK_EQ(last.si_status, SIGKILL);

	watch(SA_NOCLDWAIT);
	pid = sleeping_child();
	kill(pid, SIGKILL);
	CHECK_ERR(waitpid(pid, &status, 0), ECHILD);
	signal(SIGCHLD, SIG_IGN);
	pid = sleeping_child();
	kill(pid, SIGKILL);
	CHECK_ERR(waitpid(pid, &status, 0), ECHILD);
	signal(SIGCHLD, SIG_DFL);
}

/* In a session of its own with a parent outside its group, so that terminal stops work. */
static void test_terminal_stops(void)
{
	static const int sigs[] = {SIGTSTP, SIGTTIN, SIGTTOU};
	int status;
	pid_t pid;

	for (size_t i = 0; i < 3; i++) {
		pid = sleeping_child();
		CHECK_OK(setpgid(pid, pid));
		CHECK_OK(kill(pid, sigs[i]));
		CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
		CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == sigs[i]);
		end(pid);
	}
	/* An orphaned group is not stopped by them. */
	pid = CHECK_OK(fork());
	if (!pid) {
		setsid();
		raise(SIGTSTP);
		_exit(7);
	}
	CHECK_EQ(wait_for(pid), 7);
}

static void test_cancel(void)
{
	sigset_t set, pending;

	/* A pending stop goes when SIGCONT comes, and the other way round. */
	sigemptyset(&set);
	sigaddset(&set, SIGTSTP);
	sigaddset(&set, SIGCONT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGCONT, SIG_DFL);
	kill(getpid(), SIGTSTP);
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGTSTP));
	kill(getpid(), SIGCONT);
	sigpending(&pending);
	CHECK(!sigismember(&pending, SIGTSTP) && sigismember(&pending, SIGCONT));
	kill(getpid(), SIGTSTP);
	sigpending(&pending);
	CHECK(sigismember(&pending, SIGTSTP) && !sigismember(&pending, SIGCONT));
	kill(getpid(), SIGCONT);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* The parent of a stopped group dies: the group gets SIGHUP and SIGCONT. */
static void test_orphan(void)
{
	volatile int *result = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t session, middle, child;
	int status, alive[2];
	char c;

	CHECK_OK(pipe(alive));
	session = CHECK_OK(fork());
	if (!session) {
		setsid();
		middle = CHECK_OK(fork());
		if (!middle) {
			child = CHECK_OK(fork());
			if (!child) {
				setpgid(0, 0);
				result[0] = 1;
				raise(SIGSTOP);
				result[1] = 1; /* continued, but SIGHUP kills first */
				_exit(0);
			}
			setpgid(child, child);
			CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
			_exit(0); /* the child's group is an orphan now */
		}
		CHECK_EQ(wait_for(middle), 0);
		_exit(0);
	}
	CHECK_EQ(wait_for(session), 0);
	close(alive[1]);
	CHECK_EQ(read(alive[0], &c, 1), 0); /* until the child is gone */
	CHECK_EQ(result[0], 1);
	CHECK_EQ(result[1], 0);
}

/* The same when the member dies that had a parent outside. */
static void test_orphan_by_member(void)
{
	volatile int *result = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t session, member, child;
	int status, alive[2];
	char c;

	CHECK_OK(pipe(alive));
	session = CHECK_OK(fork());
	if (!session) {
		setsid();
		member = CHECK_OK(fork());
		if (!member) {
			setpgid(0, 0);
			child = CHECK_OK(fork());
			if (!child) {
				signal(SIGHUP, SIG_IGN);
				raise(SIGSTOP);
				result[0] = 1;
				_exit(0);
			}
			CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
			_exit(0);
		}
		CHECK_EQ(wait_for(member), 0);
		_exit(0);
	}
	close(alive[1]);
	CHECK_EQ(wait_for(session), 0);
	CHECK_EQ(read(alive[0], &c, 1), 0);
	CHECK_EQ(result[0], 1); /* SIGHUP was ignored, SIGCONT had it go on */
}

static volatile unsigned long *beats;

static void *beat(void *arg)
{
	for (;;) {
		beats[(long)arg]++;
		sched_yield();
	}
	return NULL;
}

static void test_threads(void)
{
	unsigned long before[3];
	pthread_t t;
	int status;
	pid_t pid;

	beats = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = CHECK_OK(fork());
	if (!pid) {
		for (long i = 1; i < 3; i++)
			pthread_create(&t, NULL, beat, (void *)i);
		beat(0);
	}
	while (!beats[0] || !beats[1] || !beats[2])
		usleep(1000);
	CHECK_OK(kill(pid, SIGSTOP));
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	for (int i = 0; i < 3; i++)
		before[i] = beats[i];
	usleep(30000);
	for (int i = 0; i < 3; i++)
		CHECK_EQ(before[i], beats[i]);
	CHECK_OK(kill(pid, SIGCONT));
	for (int i = 0; i < 3; i++) {
		while (before[i] == beats[i])
			usleep(1000);
	}
	end(pid);
}

int main(void)
{
	test_stop();
	test_flags();
	test_terminal_stops();
	test_cancel();
	test_orphan();
	test_orphan_by_member();
	test_threads();
	return 0;
}
