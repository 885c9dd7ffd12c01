/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kill, tkill, tgkill, pidfd_send_signal: whom they reach, who may, and threads: which one takes a signal, what one
 * that kills does to all.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "sys.h"

static volatile sig_atomic_t hits;
static volatile pid_t taker;
static pid_t *shared;

static void count(int sig)
{
	hits++;
	taker = gettid();
}

static void test_kill(void)
{
	pid_t a, b, group;

	CHECK_OK(kill(getpid(), 0));
	CHECK_ERR(kill(getpid(), 65), EINVAL);
	CHECK_ERR(kill(getpid(), -1), EINVAL);
	CHECK_ERR(kill(999999, SIGTERM), ESRCH);
	CHECK_ERR(kill(-999999, SIGTERM), ESRCH);
	CHECK_ERR(kill((pid_t)0x80000000, SIGTERM), ESRCH);
	a = sleeping_child();
	b = sleeping_child();
	group = a;
	CHECK_OK(setpgid(a, group));
	CHECK_OK(setpgid(b, group));
	CHECK_OK(kill(-group, 0));
	CHECK_OK(kill(-group, SIGTERM));
	CHECK_EQ(wait_for(a), 128 + SIGTERM);
	CHECK_EQ(wait_for(b), 128 + SIGTERM);
	CHECK_ERR(kill(-group, 0), ESRCH);
	/* A zombie is still there. */
	a = CHECK_OK(fork());
	if (!a)
		_exit(0);
	CHECK_OK(waitid(P_PID, (id_t)a, NULL, WEXITED | WNOWAIT));
	CHECK_OK(kill(a, SIGTERM));
	CHECK_EQ(wait_for(a), 0);
	CHECK_ERR(kill(a, 0), ESRCH);
	/* kill(0): the own group. */
	a = CHECK_OK(fork());
	if (!a) {
		CHECK_OK(setpgid(0, 0));
		b = sleeping_child();
		signal(SIGUSR1, count);
		CHECK_OK(kill(0, SIGUSR1));
		CHECK_EQ(hits, 1);
		CHECK_EQ(wait_for(b), 128 + SIGUSR1);
		_exit(0);
	}
	CHECK_EQ(wait_for(a), 0);
}

static void test_thread_calls(void)
{
	pid_t me = gettid(), pid = getpid();

	signal(SIGUSR1, count);
	hits = 0;
	CHECK_OK(syscall(SYS_tgkill, pid, me, SIGUSR1));
	CHECK_OK(syscall(SYS_tkill, me, SIGUSR1));
	CHECK_EQ(hits, 2);
	CHECK_OK(syscall(SYS_tgkill, pid, me, 0));
	CHECK_ERR(syscall(SYS_tgkill, pid, 0, SIGUSR1), EINVAL);
	CHECK_ERR(syscall(SYS_tgkill, 0, me, SIGUSR1), EINVAL);
	CHECK_ERR(syscall(SYS_tgkill, 999999, me, SIGUSR1), ESRCH);
	CHECK_ERR(syscall(SYS_tkill, 0, SIGUSR1), EINVAL);
	CHECK_ERR(syscall(SYS_tkill, me, 65), EINVAL);
	CHECK_ERR(syscall(SYS_tkill, 999999, SIGUSR1), ESRCH);
}

static void test_pidfd(void)
{
	pid_t pid = sleeping_child();
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	siginfo_t info = {.si_signo = SIGTERM, .si_code = SI_QUEUE};

	if (fd < 0 && errno == ENOSYS) {
		kill(pid, SIGKILL);
		wait_for(pid);
		return;
	}
	CHECK(fd >= 0);
	CHECK_OK(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	CHECK_ERR(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0x100), EINVAL);
	CHECK_ERR(syscall(SYS_pidfd_send_signal, fd, SIGKILL, &info, 0), EINVAL);
	CHECK_ERR(syscall(SYS_pidfd_send_signal, 0x7ffffff, 0, NULL, 0), EBADF);
	CHECK_OK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, &info, 0));
	CHECK_EQ(wait_for(pid), 128 + SIGTERM);
	CHECK_ERR(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), ESRCH);
	close(fd);
}

/* A directory of /proc does for pidfd_send_signal(), but only a process's, and only for that. */
static void test_proc_directory(void)
{
	const pid_t pid = sleeping_child();
	char path[64];
	int fd, other;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	fd = (int)CHECK_OK(open(path, O_RDONLY | O_DIRECTORY));
	CHECK_OK(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0));
	CHECK_ERR(syscall(SYS_pidfd_getfd, fd, 0, 0), EBADF);
	other = (int)CHECK_OK(open(path, O_PATH | O_DIRECTORY));
	CHECK_ERR(syscall(SYS_pidfd_send_signal, other, 0, NULL, 0), EBADF);
	close(other);
	snprintf(path, sizeof(path), "/proc/%d/task/%d", pid, pid);
	other = (int)CHECK_OK(open(path, O_RDONLY | O_DIRECTORY));
	CHECK_ERR(syscall(SYS_pidfd_send_signal, other, 0, NULL, 0), EBADF);
	close(other);
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	other = (int)CHECK_OK(open(path, O_RDONLY | O_DIRECTORY));
	CHECK_ERR(syscall(SYS_pidfd_send_signal, other, 0, NULL, 0), EBADF);
	close(other);
	CHECK_OK(syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0));
	CHECK_EQ(wait_for(pid), 128 + SIGTERM);
	CHECK_ERR(syscall(SYS_pidfd_send_signal, fd, 0, NULL, 0), ESRCH);
	close(fd);
}

/* A user may signal his own processes only; SIGCONT goes to all of a session. */
static void test_permission(void)
{
	pid_t root, user;

	if (geteuid())
		return;
	root = sleeping_child();
	user = CHECK_OK(fork());
	if (!user) {
		CHECK_OK(setresuid(65534, 65534, 65534));
		CHECK_ERR(kill(root, SIGTERM), EPERM);
		CHECK_ERR(kill(root, 0), EPERM);
		CHECK_OK(kill(root, SIGCONT));
		CHECK_ERR(syscall(SYS_tkill, root, SIGTERM), EPERM);
		root = sleeping_child();
		CHECK_OK(kill(root, SIGTERM));
		_exit(wait_for(root) == 128 + SIGTERM ? 0 : 1);
	}
	CHECK_EQ(wait_for(user), 0);
	CHECK_OK(kill(root, SIGKILL));
	CHECK_EQ(wait_for(root), 128 + SIGKILL);
}

/* ---- threads ---- */

static void block(int sig)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, sig);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

static volatile pid_t ready;

static void *open_thread(void *arg)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	ready = gettid();
	while (!hits)
		usleep(1000);
	return NULL;
}

/* The process's signal goes to the thread that does not block it. */
static void test_choice(void)
{
	pthread_t t;

	signal(SIGUSR1, count);
	block(SIGUSR1);
	hits = 0;
	CHECK_EQ(pthread_create(&t, NULL, open_thread, NULL), 0);
	while (!ready)
		usleep(1000);
	CHECK_OK(kill(getpid(), SIGUSR1));
	pthread_join(t, NULL);
	CHECK_EQ(hits, 1);
	CHECK_EQ(taker, ready);
}

static void *sleep_forever(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

static void *spin_forever(void *arg)
{
	for (;;)
		__asm__ volatile("pause");
	return NULL;
}

static void *do_exit_group(void *arg)
{
	usleep(5000);
	_exit(33);
}

static void *do_crash(void *arg)
{
	usleep(5000);
	*(volatile int *)8 = 1;
	return NULL;
}

static int process_with(void *(*third)(void *), int sig)
{
	pthread_t t;
	pid_t pid = CHECK_OK(fork());

	if (!pid) {
		pthread_create(&t, NULL, sleep_forever, NULL);
		pthread_create(&t, NULL, spin_forever, NULL);
		pthread_create(&t, NULL, third, NULL);
		*shared = 1;
		sleep_forever(NULL);
	}
	while (!*(volatile pid_t *)shared)
		usleep(1000);
	*shared = 0;
	if (sig)
		kill(pid, sig);
	return wait_for(pid);
}

static void test_group_death(void)
{
	CHECK_EQ(process_with(sleep_forever, SIGTERM), 128 + SIGTERM);
	CHECK_EQ(process_with(sleep_forever, SIGKILL), 128 + SIGKILL);
	CHECK_EQ(process_with(sleep_forever, SIGABRT), 128 + SIGABRT);
	CHECK_EQ(process_with(do_exit_group, 0), 33);
	CHECK_EQ(process_with(do_crash, 0), 128 + SIGSEGV);
}

/* kill(-1) in a place where it hits nobody else: as a user without other processes. */
static void test_everyone(void)
{
	pid_t user;

	if (geteuid())
		return;
	user = CHECK_OK(fork());
	if (!user) {
		pid_t a, b;

		CHECK_OK(setresuid(54321, 54321, 54321));
		a = sleeping_child();
		b = sleeping_child();
		signal(SIGUSR2, count);
		CHECK_OK(kill(-1, SIGUSR2));
		CHECK_EQ(hits, 0); /* not the sender */
		CHECK_EQ(wait_for(a), 128 + SIGUSR2);
		_exit(wait_for(b) == 128 + SIGUSR2 ? 0 : 1);
	}
	CHECK_EQ(wait_for(user), 0);
}

/* PR_SET_PDEATHSIG: told when the parent is gone. */
static void test_pdeath(void)
{
	pid_t parent = CHECK_OK(fork());

	if (!parent) {
		if (!CHECK_OK(fork())) {
			sigset_t set;
			int sig = 0;

			block(SIGUSR2);
			prctl(PR_SET_PDEATHSIG, SIGUSR2);
			sigemptyset(&set);
			sigaddset(&set, SIGUSR2);
			shared[1] = 1;
			sigwait(&set, &sig);
			shared[2] = sig;
			_exit(0);
		}
		while (!*(volatile pid_t *)&shared[1])
			usleep(1000);
		_exit(0);
	}
	CHECK_EQ(wait_for(parent), 0);
	for (int i = 0; i < 1000 && !*(volatile pid_t *)&shared[2]; i++)
		usleep(1000);
	CHECK_EQ(shared[2], SIGUSR2);
}

int main(void)
{
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	test_kill();
	test_thread_calls();
	test_pidfd();
	test_proc_directory();
	test_permission();
	test_choice();
	test_group_death();
	hits = 0;
	test_everyone();
	test_pdeath();
	return 0;
}
