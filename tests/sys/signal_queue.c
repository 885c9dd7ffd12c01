/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real-time signals: sigqueue, rt_sigqueueinfo, rt_tgsigqueueinfo, order, values, the limit on queued signals.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "sys.h"

static int order[64], values[64], n;

static void note(int sig, siginfo_t *info, void *ctx)
{
	order[n] = sig;
	values[n++] = info->si_value.sival_int;
}

static void block_all(int how)
{
	sigset_t set;

	sigfillset(&set);
	CHECK_OK(sigprocmask(how, &set, NULL));
}

static void test_order(void)
{
	const int base = SIGRTMIN;
	struct sigaction sa = {.sa_sigaction = note, .sa_flags = SA_SIGINFO};

	sigfillset(&sa.sa_mask);
	for (int i = 0; i < 3; i++)
		CHECK_OK(sigaction(base + i, &sa, NULL));
	CHECK_OK(sigaction(SIGUSR1, &sa, NULL));
	block_all(SIG_BLOCK);
	for (int i = 0; i < 3; i++) {
		CHECK_OK(sigqueue(getpid(), base + 2 - i, (union sigval){.sival_int = 10 + i}));
		CHECK_OK(sigqueue(getpid(), base + 2 - i, (union sigval){.sival_int = 20 + i}));
	}
	CHECK_OK(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 1}));
	CHECK_OK(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 2}));
	block_all(SIG_UNBLOCK);
	/* The lowest number first, each in the order of sending; the standard signal only once. */
	CHECK_EQ(n, 7);
	CHECK_EQ(order[0], SIGUSR1);
	CHECK_EQ(values[0], 1);
	for (int i = 0; i < 3; i++) {
		CHECK_EQ(order[1 + 2 * i], base + i);
		CHECK_EQ(values[1 + 2 * i], 12 - i);
		CHECK_EQ(values[2 + 2 * i], 22 - i);
	}
}

static void test_info(void)
{
	siginfo_t info = {.si_code = SI_QUEUE}, got;
	sigset_t set;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	info.si_pid = 4711;
	info.si_uid = 4712;
	info.si_value.sival_ptr = (void *)0x123456789abcul;
	CHECK_OK(syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, &info));
	CHECK_EQ(sigwaitinfo(&set, &got), SIGRTMIN);
	CHECK_EQ(got.si_signo, SIGRTMIN);
	CHECK_EQ(got.si_code, SI_QUEUE);
	CHECK_EQ(got.si_pid, 4711);
	CHECK_EQ(got.si_uid, 4712);
	CHECK(got.si_value.sival_ptr == (void *)0x123456789abcul);

	info.si_code = -70;
	CHECK_OK(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGRTMIN, &info));
	CHECK_EQ(sigwaitinfo(&set, &got), SIGRTMIN);
	CHECK_EQ(got.si_code, -70);

	/* To itself anything may be said, to others only what the kernel would not. */
	info.si_code = SI_USER;
	CHECK_OK(syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, &info));
	CHECK_EQ(sigwaitinfo(&set, &got), SIGRTMIN);
	pid = CHECK_OK(fork());
	if (!pid) {
		pause();
		_exit(0);
	}
	info.si_code = SI_USER;
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, pid, SIGKILL, &info), EPERM);
	info.si_code = SI_TKILL;
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, pid, SIGKILL, &info), EPERM);
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, pid, 65, &info), EPERM);
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, pid, SIGKILL, (void *)8), EFAULT);
	CHECK_ERR(syscall(SYS_rt_tgsigqueueinfo, 0, pid, SIGKILL, &info), EINVAL);
	info.si_code = SI_QUEUE;
	CHECK_ERR(syscall(SYS_rt_sigqueueinfo, pid, 65, &info), EINVAL);
	CHECK_ERR(syscall(SYS_rt_tgsigqueueinfo, getpid(), pid, SIGKILL, &info), ESRCH);
	CHECK_OK(syscall(SYS_rt_sigqueueinfo, pid, SIGKILL, &info));
	CHECK_EQ(wait_for(pid), 128 + SIGKILL);
	CHECK_ERR(sigqueue(999999, 0, (union sigval){0}), ESRCH);
}

static void test_limit(void)
{
	struct rlimit old, lim;
	siginfo_t got;
	sigset_t set;
	int queued = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK_OK(getrlimit(RLIMIT_SIGPENDING, &old));
	lim = old;
	lim.rlim_cur = 20;
	CHECK_OK(setrlimit(RLIMIT_SIGPENDING, &lim));
	while (queued < 30 && !sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = queued}))
		queued++;
	CHECK_EQ(errno, EAGAIN);
	CHECK(queued <= 20); /* others of this user may have some too */
	/* kill() always gets through, so does a standard signal. */
	CHECK_OK(kill(getpid(), SIGUSR2));
	for (int i = 0; i < queued; i++) {
		CHECK_EQ(sigtimedwait(&set, &got, &(struct timespec){0}), i ? SIGRTMIN : SIGUSR2);
		if (i)
			CHECK_EQ(got.si_value.sival_int, i - 1);
	}
	if (queued)
		CHECK_EQ(sigtimedwait(&set, &got, &(struct timespec){0}), SIGRTMIN);
	CHECK_ERR(sigtimedwait(&set, &got, &(struct timespec){0}), EAGAIN);
	CHECK_OK(setrlimit(RLIMIT_SIGPENDING, &old));
}

int main(void)
{
	test_order();
	test_info();
	test_limit();
	return 0;
}
