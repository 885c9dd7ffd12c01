/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rt_sigaction, rt_sigprocmask, rt_sigpending, handlers and their masks, one-shot handlers, what is ignored.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>

#include "sys.h"

static volatile sig_atomic_t seen[65], depth, max_depth;
static volatile siginfo_t last;
static sigset_t mask_in_handler; /* read after calls the compiler cannot see through */

static void count(int sig)
{
	seen[sig]++;
}

static void detailed(int sig, siginfo_t *info, void *ctx)
{
	seen[sig]++;
	last = *info;
	sigprocmask(SIG_BLOCK, NULL, &mask_in_handler);
}

static void nested(int sig)
{
	seen[sig]++;
	if (++depth > max_depth)
		max_depth = depth;
	if (seen[sig] == 1)
		raise(sig);
	depth--;
}

static void handle(int sig, void (*fn)(int), int flags)
{
	struct sigaction sa = {.sa_handler = fn, .sa_flags = flags};

	CHECK_OK(sigaction(sig, &sa, NULL));
	seen[sig] = 0;
}

static void test_action(void)
{
	struct sigaction sa = {.sa_handler = count, .sa_flags = SA_RESTART}, old;
	unsigned long buf[4];

	CHECK_OK(sigaction(SIGUSR1, &sa, NULL));
	CHECK_OK(sigaction(SIGUSR1, NULL, &old));
	CHECK(old.sa_handler == count && (old.sa_flags & SA_RESTART));
	CHECK_ERR(sigaction(SIGKILL, &sa, NULL), EINVAL);
	CHECK_ERR(sigaction(SIGSTOP, &sa, NULL), EINVAL);
	CHECK_OK(sigaction(SIGKILL, NULL, &old));
	CHECK_ERR(syscall(SYS_rt_sigaction, 0, NULL, NULL, 8), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigaction, 65, NULL, NULL, 8), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigaction, SIGUSR1, NULL, buf, 4), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigaction, SIGUSR1, (void *)8, NULL, 8), EFAULT);
	CHECK_ERR(syscall(SYS_rt_sigaction, SIGUSR1, NULL, (void *)8, 8), EFAULT);
}

static void test_delivery(void)
{
	struct sigaction sa = {.sa_sigaction = detailed, .sa_flags = SA_SIGINFO};

	sigaddset(&sa.sa_mask, SIGUSR2);
	CHECK_OK(sigaction(SIGUSR1, &sa, NULL));
	seen[SIGUSR1] = 0;
	CHECK_OK(kill(getpid(), SIGUSR1));
	CHECK_EQ(seen[SIGUSR1], 1);
	CHECK_EQ(last.si_signo, SIGUSR1);
	CHECK_EQ(last.si_code, SI_USER);
	CHECK_EQ(last.si_pid, getpid());
	CHECK_EQ(last.si_uid, getuid());
	CHECK(sigismember(&mask_in_handler, SIGUSR1) && sigismember(&mask_in_handler, SIGUSR2));
	sigprocmask(SIG_BLOCK, NULL, &mask_in_handler);
	CHECK(!sigismember(&mask_in_handler, SIGUSR1) && !sigismember(&mask_in_handler, SIGUSR2));

	raise(SIGUSR1);
	CHECK_EQ(last.si_code, SI_TKILL);

	/* Its own signal is blocked in a handler, unless SA_NODEFER. */
	handle(SIGUSR1, nested, 0);
	raise(SIGUSR1);
	CHECK_EQ(seen[SIGUSR1], 2);
	CHECK_EQ(max_depth, 1);
	max_depth = 0;
	handle(SIGUSR1, nested, SA_NODEFER);
	raise(SIGUSR1);
	CHECK_EQ(max_depth, 2);

	handle(SIGUSR1, count, SA_RESETHAND);
	raise(SIGUSR1);
	CHECK_OK(sigaction(SIGUSR1, NULL, &sa));
	CHECK(sa.sa_handler == SIG_DFL);
}

static void test_mask(void)
{
	sigset_t set, old, pending;
	unsigned long all = ~0ul, got;

	handle(SIGUSR1, count, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK_OK(sigprocmask(SIG_BLOCK, &set, &old));
	CHECK(!sigismember(&old, SIGUSR1));
	raise(SIGUSR1);
	raise(SIGUSR1); /* a standard signal is pending once */
	CHECK_EQ(seen[SIGUSR1], 0);
	CHECK_OK(sigpending(&pending));
	CHECK(sigismember(&pending, SIGUSR1) && !sigismember(&pending, SIGUSR2));
	CHECK_OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
	CHECK_EQ(seen[SIGUSR1], 1);

	/* KILL and STOP cannot be blocked. */
	CHECK_OK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, 8));
	CHECK_OK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &got, 8));
	CHECK_EQ(got, ~(1ul << (SIGKILL - 1) | 1ul << (SIGSTOP - 1)));
	got = 0;
	CHECK_OK(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &got, NULL, 8));
	CHECK_ERR(syscall(SYS_rt_sigprocmask, 3, &all, NULL, 8), EINVAL);
	CHECK_OK(syscall(SYS_rt_sigprocmask, 3, NULL, &got, 8));
	CHECK_ERR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, NULL, 16), EINVAL);
	CHECK_ERR(syscall(SYS_rt_sigprocmask, SIG_BLOCK, (void *)8, NULL, 8), EFAULT);
	CHECK_ERR(syscall(SYS_rt_sigpending, &got, 16), EINVAL);
	CHECK_OK(syscall(SYS_rt_sigpending, &got, 8));
}

static void test_ignored(void)
{
	sigset_t set, pending;

	handle(SIGUSR1, SIG_IGN, 0);
	raise(SIGUSR1);
	signal(SIGCHLD, SIG_DFL);
	signal(SIGURG, SIG_DFL);
	signal(SIGWINCH, SIG_DFL);
	raise(SIGCHLD);
	raise(SIGURG);
	raise(SIGWINCH);
	raise(SIGCONT);

	/* Ignoring a signal throws away what is pending. */
	handle(SIGUSR1, count, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	handle(SIGUSR1, count, 0);
	sigpending(&pending);
	CHECK(!sigismember(&pending, SIGUSR1));
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	CHECK_EQ(seen[SIGUSR1], 0);
}

/* The status with which a child dies of @sig by default. */
static int dies_of(int sig)
{
	int status;
	pid_t pid = CHECK_OK(fork());

	if (!pid) {
		signal(sig, SIG_DFL);
		raise(sig);
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void test_default(void)
{
	static const int fatal[] = {SIGHUP,    SIGINT,	SIGQUIT, SIGILL,  SIGTRAP, SIGABRT, SIGBUS,    SIGFPE,	SIGKILL,
				    SIGUSR1,   SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGSTKFLT, SIGXCPU, SIGXFSZ,
				    SIGVTALRM, SIGPROF, SIGIO,	 SIGPWR,  SIGSYS,  34,	    64};
	static const int harmless[] = {SIGCHLD, SIGCONT, SIGURG, SIGWINCH};

	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		CHECK_EQ(dies_of(fatal[i]), fatal[i]);
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		CHECK_EQ(dies_of(harmless[i]), 0);
}

/* exec keeps what is ignored and blocked, and resets handlers. */
static void test_exec(char *self)
{
	pid_t pid = CHECK_OK(fork());

	if (!pid) {
		sigset_t set;

		signal(SIGUSR1, SIG_IGN);
		signal(SIGUSR2, count);
		sigemptyset(&set);
		sigaddset(&set, SIGHUP);
		sigprocmask(SIG_SETMASK, &set, NULL);
		raise(SIGHUP);
		execl("/proc/self/exe", self, "after-exec", NULL);
		execl(self, self, "after-exec", NULL);
		_exit(99);
	}
	CHECK_EQ(wait_for(pid), 0);
}

static int after_exec(void)
{
	struct sigaction sa;
	sigset_t set;

	CHECK_OK(sigaction(SIGUSR1, NULL, &sa));
	CHECK(sa.sa_handler == SIG_IGN);
	CHECK_OK(sigaction(SIGUSR2, NULL, &sa));
	CHECK(sa.sa_handler == SIG_DFL);
	sigprocmask(SIG_BLOCK, NULL, &set);
	CHECK(sigismember(&set, SIGHUP) && !sigismember(&set, SIGINT));
	sigpending(&set);
	CHECK(sigismember(&set, SIGHUP));
	return 0;
}

/* fork: handlers and masks are copied, pending signals are not. */
static void test_fork(void)
{
	sigset_t set, pending;
	pid_t pid;

	handle(SIGUSR1, count, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	pid = CHECK_OK(fork());
	if (!pid) {
		sigpending(&pending);
		CHECK(!sigismember(&pending, SIGUSR1));
		raise(SIGUSR1);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
		_exit(seen[SIGUSR1] == 1 ? 0 : 1);
	}
	CHECK_EQ(wait_for(pid), 0);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	CHECK_EQ(seen[SIGUSR1], 1);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return after_exec();
	test_action();
	test_delivery();
	test_mask();
	test_ignored();
	test_default();
	test_fork();
	test_exec(argv[0]);
	return 0;
}
