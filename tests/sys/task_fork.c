/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fork, vfork, clone, clone3: what is shared and what is not, numbers, pidfds, flags that do not go together.
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "sys.h"

static int global = 1;

static long raw_clone(unsigned long flags, void *stack, int *parent_tid, int *child_tid)
{
	return syscall(SYS_clone, flags, stack, parent_tid, child_tid, 0);
}

static void test_memory_is_copied(void)
{
	char *shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char *private = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	memset(private, 1, 1 << 20);
	pid = CHECK_OK(fork());
	if (!pid) {
		for (int i = 0; i < 1 << 20; i += 4096) {
			if (private[i] != 1)
				_exit(1);
			private[i] = 2;
		}
		shared[0] = 7;
		global = 2;
		_exit(0);
	}
	for (int i = 0; i < 1 << 20; i += 8192)
	private[i] = 3;
	CHECK_EQ(wait_for(pid), 0);
	for (int i = 0; i < 1 << 20; i += 4096)
		CHECK_EQ(private[i], i % 8192 ? 1 : 3);
	CHECK_EQ(shared[0], 7);
	CHECK_EQ(global, 1);
	munmap(private, 1 << 20);
}

static void test_ids(void)
{
	pid_t me = getpid(), pid;
	int fd[2];
	pid_t seen[3];

	CHECK_OK(pipe(fd));
	pid = CHECK_OK(fork());
	if (!pid) {
		seen[0] = getpid();
		seen[1] = getppid();
		seen[2] = (pid_t)syscall(SYS_gettid);
		_exit(write(fd[1], seen, sizeof(seen)) != sizeof(seen));
	}
	CHECK_EQ(read(fd[0], seen, sizeof(seen)), sizeof(seen));
	CHECK_EQ(seen[0], pid);
	CHECK_EQ(seen[1], me);
	CHECK_EQ(seen[2], pid);
	CHECK_EQ(wait_for(pid), 0);
	close(fd[0]);
	close(fd[1]);
}

static void test_vfork(void)
{
	volatile int done = 0;
	pid_t pid = vfork();

	if (!pid) {
		done = 1; /* the parent's memory */
		_exit(3);
	}
	CHECK_EQ(done, 1); /* the parent went on only after that */
	CHECK_EQ(wait_for(pid), 3);
}

static int clone_fn(void *arg)
{
	*(int *)arg = 5;
	close(100);
	return 9;
}

static void test_sharing(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	int value = 0;
	pid_t pid;

	CHECK_OK(dup2(1, 100));
	pid = CHECK_OK(clone(clone_fn, stack + sizeof(stack), CLONE_VM | CLONE_FILES | SIGCHLD, &value));
	CHECK_EQ(wait_for(pid), 9);
	CHECK_EQ(value, 5);
	CHECK_ERR(fcntl(100, F_GETFD), EBADF); /* the table was shared */

	value = 0;
	CHECK_OK(dup2(1, 100));
	pid = CHECK_OK(clone(clone_fn, stack + sizeof(stack), SIGCHLD, &value));
	CHECK_EQ(wait_for(pid), 9);
	CHECK_EQ(value, 0);
	CHECK_OK(fcntl(100, F_GETFD));
	close(100);
}

static void test_tids(void)
{
	int *tid = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long pid;

	tid[0] = tid[1] = 1;
	pid = CHECK_OK(raw_clone(CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD, NULL, &tid[0], &tid[1]));
	if (!pid)
		_exit(tid[1] != getpid());
	CHECK_EQ(wait_for((pid_t)pid), 0);
	CHECK_EQ(tid[0], pid);
	CHECK_EQ(tid[1], pid);
}

static void test_bad_flags(void)
{
	struct clone_args ca;

	CHECK_ERR(raw_clone(CLONE_SIGHAND | SIGCHLD, NULL, NULL, NULL), EINVAL);
	CHECK_ERR(raw_clone(CLONE_THREAD | CLONE_VM, NULL, NULL, NULL), EINVAL);
	CHECK_ERR(raw_clone(CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, NULL, NULL, NULL), EINVAL);

	memset(&ca, 0, sizeof(ca));
	CHECK_ERR(syscall(SYS_clone3, &ca, 8), EINVAL);
	CHECK_ERR(syscall(SYS_clone3, &ca, 8192), E2BIG);
	CHECK_ERR(syscall(SYS_clone3, (void *)8, sizeof(ca)), EFAULT);
	ca.exit_signal = 65;
	CHECK_ERR(syscall(SYS_clone3, &ca, sizeof(ca)), EINVAL);
	ca.exit_signal = SIGCHLD;
	ca.stack = 4096;
	CHECK_ERR(syscall(SYS_clone3, &ca, sizeof(ca)), EINVAL); /* a stack without a size */
	ca.stack = 0;
	ca.flags = 1ull << 63;
	CHECK_ERR(syscall(SYS_clone3, &ca, sizeof(ca)), EINVAL);
	ca.flags = CLONE_SIGHAND | CLONE_CLEAR_SIGHAND | CLONE_VM;
	CHECK_ERR(syscall(SYS_clone3, &ca, sizeof(ca)), EINVAL);
}

static void test_clone3(void)
{
	struct clone_args ca = {.flags = CLONE_PIDFD, .exit_signal = SIGCHLD};
	struct pollfd pfd;
	siginfo_t info;
	int pidfd = -1;
	long pid;

	ca.pidfd = (uint64_t)(uintptr_t)&pidfd;
	pid = CHECK_OK(syscall(SYS_clone3, &ca, sizeof(ca)));
	if (!pid) {
		pause();
		_exit(0);
	}
	CHECK(pidfd >= 0);
	CHECK_EQ(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
	pfd = (struct pollfd){.fd = pidfd, .events = POLLIN};
	CHECK_EQ(poll(&pfd, 1, 0), 0);
	CHECK_OK(syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0));
	CHECK_EQ(poll(&pfd, 1, 5000), 1);
	CHECK_OK(waitid((idtype_t)3 /* P_PIDFD */, (id_t)pidfd, &info, WEXITED));
	CHECK_EQ(info.si_pid, pid);
	CHECK_EQ(info.si_code, CLD_KILLED);
	CHECK_EQ(info.si_status, SIGKILL);
	CHECK_ERR(syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0), ESRCH);
	close(pidfd);
}

static void test_pidfd_open(void)
{
	pid_t pid = CHECK_OK(fork());
	int fd;

	if (!pid)
		_exit(0);
	CHECK_ERR(syscall(SYS_pidfd_open, 0, 0), EINVAL);
	CHECK_ERR(syscall(SYS_pidfd_open, pid, 1), EINVAL);
	CHECK_ERR(syscall(SYS_pidfd_open, 99999999, 0), ESRCH);
	fd = (int)CHECK_OK(syscall(SYS_pidfd_open, pid, 0));
	CHECK_EQ(wait_for(pid), 0);
	CHECK_EQ(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 0), 1);
	close(fd);
	CHECK_ERR(syscall(SYS_pidfd_open, pid, 0), ESRCH);
}

static void test_pidfd_getfd(void)
{
	int fd[2], pidfd, got;
	char c = 0;
	pid_t pid;

	CHECK_OK(pipe(fd));
	pid = CHECK_OK(fork());
	if (!pid) {
		CHECK_EQ(dup2(fd[1], 50), 50);
		if (write(50, "a", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	CHECK_EQ(read(fd[0], &c, 1), 1);
	pidfd = (int)CHECK_OK(syscall(SYS_pidfd_open, pid, 0));
	got = (int)CHECK_OK(syscall(SYS_pidfd_getfd, pidfd, 50, 0));
	CHECK_EQ(write(got, "b", 1), 1);
	CHECK_EQ(read(fd[0], &c, 1), 1);
	CHECK_EQ(c, 'b');
	CHECK_ERR(syscall(SYS_pidfd_getfd, pidfd, 77, 0), EBADF);
	CHECK_ERR(syscall(SYS_pidfd_getfd, fd[0], 0, 0), EBADF);
	kill(pid, SIGKILL);
	CHECK_EQ(wait_for(pid), 128 + SIGKILL);
	close(pidfd);
	close(got);
	close(fd[0]);
	close(fd[1]);
}

/* Orphans go to the nearest ancestor that wants them. */
static void test_subreaper(void)
{
	pid_t child = CHECK_OK(fork());

	if (!child) {
		pid_t middle, grand;
		int fd[2];

		CHECK_OK(prctl(PR_SET_CHILD_SUBREAPER, 1));
		CHECK_OK(pipe(fd));
		middle = CHECK_OK(fork());
		if (!middle) {
			grand = CHECK_OK(fork());
			if (!grand) {
				while (getppid() == middle || !getppid())
					usleep(1000);
				char c;
				read(fd[0], &c, 1);
				_exit(getppid() == 0 ? 9 : 33);
			}
			_exit(0);
		}
		CHECK_EQ(wait_for(middle), 0);
		CHECK_EQ(write(fd[1], "x", 1), 1);
		int status;
		CHECK(wait(&status) > 0);
		CHECK_EQ(WEXITSTATUS(status), 33);
		_exit(0);
	}
	CHECK_EQ(wait_for(child), 0);
}

static void test_many(void)
{
	pid_t pid[64];

	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 64; i++) {
			pid[i] = (pid_t)CHECK_OK(fork());
			if (!pid[i])
				_exit(i);
		}
		for (int i = 63; i >= 0; i--)
			CHECK_EQ(wait_for(pid[i]), i);
	}
}

int main(void)
{
	test_memory_is_copied();
	test_ids();
	test_vfork();
	test_sharing();
	test_tids();
	test_bad_flags();
	test_clone3();
	test_pidfd_open();
	test_pidfd_getfd();
	test_subreaper();
	test_many();
	return 0;
}
