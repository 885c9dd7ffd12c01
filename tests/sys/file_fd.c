/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors: close, dup, dup2, dup3, F_DUPFD, close_range, the lowest free number, limits, many of them, threads. */
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "fsdir.h"

static int null(void)
{
	return (int)CHECK_OK(open("/dev/null", O_RDWR));
}

static void test_dup(void)
{
	int a = null(), b = (int)CHECK_OK(dup(a)), c;

	CHECK(b > a);
	CHECK_OK(close(a));
	CHECK_EQ(null(), a); /* the lowest */
	CHECK_EQ(dup2(a, 50), 50);
	CHECK_EQ(dup2(a, a), a);
	CHECK_ERR(dup2(99, 51), EBADF);
	CHECK_ERR(dup2(99, 99), EBADF);
	CHECK_ERR(dup2(a, -1), EBADF);
	CHECK_ERR(dup2(a, 100000000), EBADF);
	CHECK_ERR(dup3(a, a, 0), EINVAL);
	CHECK_ERR(dup3(a, 52, 1), EINVAL);
	CHECK_EQ(dup3(a, 52, O_CLOEXEC), 52);
	CHECK_EQ(fcntl(52, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(dup2(a, 52), 52);
	CHECK_EQ(fcntl(52, F_GETFD), 0);
	c = (int)CHECK_OK(fcntl(a, F_DUPFD, 60));
	CHECK_EQ(c, 60);
	CHECK_EQ(fcntl(a, F_DUPFD_CLOEXEC, 60), 61);
	CHECK_EQ(fcntl(61, F_GETFD), FD_CLOEXEC);
	CHECK_OK(fcntl(61, F_SETFD, 0));
	CHECK_EQ(fcntl(61, F_GETFD), 0);
	CHECK_ERR(fcntl(a, F_DUPFD, -1), EINVAL);
	CHECK_ERR(fcntl(a, F_DUPFD, 100000000), EINVAL);
	CHECK_ERR(fcntl(99, F_GETFD), EBADF);
	CHECK_ERR(close(99), EBADF);
	CHECK_ERR(close(-1), EBADF);
	CHECK_OK(close(50));
	CHECK_ERR(close(50), EBADF);
}

static void test_limit(void)
{
	struct rlimit old, low = {20, 4096};
	int fd, n = 0;

	CHECK_OK(getrlimit(RLIMIT_NOFILE, &old));
	low.rlim_max = old.rlim_max;
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &low));
	while ((fd = open("/dev/null", O_RDONLY)) >= 0) {
		CHECK(fd < 20);
		n++;
	}
	CHECK_EQ(errno, EMFILE);
	CHECK(n > 5);
	CHECK_ERR(dup(0), EMFILE);
	CHECK_ERR(dup2(0, 20), EBADF);
	CHECK_EQ(dup2(0, 19), 19);
	CHECK_ERR(fcntl(0, F_DUPFD, 20), EINVAL);
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &old));
	CHECK_OK(dup(0));
}

static void test_many(void)
{
	struct rlimit limit;
	pid_t pid;
	int n;

	CHECK_OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max;
	CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
	n = limit.rlim_max > 20000 ? 20000 : (int)limit.rlim_max;
	CHECK_EQ(dup2(0, n - 1), n - 1);
	for (int i = 10; i < n; i += 7)
		CHECK_EQ(dup2(0, i), i);
	pid = (pid_t)CHECK_OK(fork());
	if (!pid)
		_exit(fcntl(n - 1, F_GETFD));
	CHECK_EQ(wait_for(pid), 0);
	for (int i = 10; i < n; i += 7)
		CHECK_EQ(fcntl(i, F_GETFD), 0);
	CHECK_OK(syscall(SYS_close_range, 10, ~0u, 0));
	CHECK_ERR(fcntl(17, F_GETFD), EBADF);
	CHECK_ERR(fcntl(n - 1, F_GETFD), EBADF);
}

static void test_close_range(void)
{
	for (int i = 30; i < 40; i++)
		CHECK_EQ(dup2(0, i), i);
	CHECK_OK(syscall(SYS_close_range, 32, 34, 0));
	CHECK_EQ(fcntl(31, F_GETFD), 0);
	CHECK_ERR(fcntl(32, F_GETFD), EBADF);
	CHECK_ERR(fcntl(34, F_GETFD), EBADF);
	CHECK_EQ(fcntl(35, F_GETFD), 0);
	CHECK_OK(syscall(SYS_close_range, 36, 37, 4 /* CLOEXEC */));
	CHECK_EQ(fcntl(36, F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(38, F_GETFD), 0);
	CHECK_ERR(syscall(SYS_close_range, 5, 4, 0), EINVAL);
	CHECK_ERR(syscall(SYS_close_range, 4, 5, 8), EINVAL);
	CHECK_OK(syscall(SYS_close_range, 30, 39, 2 /* UNSHARE */));
	CHECK_ERR(fcntl(38, F_GETFD), EBADF);
	CHECK_EQ(fcntl(0, F_GETFD), 0);
}

static void test_exec(void)
{
	pid_t pid;

	CHECK_EQ(dup2(0, 40), 40);
	CHECK_EQ(dup3(0, 41, O_CLOEXEC), 41);
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		execl("/bin/sh", "sh", "-c", "test -e /proc/self/fd/40 && ! test -e /proc/self/fd/41", NULL);
		_exit(99);
	}
	CHECK_EQ(wait_for(pid), 0);
}

static volatile int stop;

static void *opener(void *arg)
{
	while (!stop) {
		int fd = open("/dev/null", O_RDONLY), copy;

		CHECK(fd >= 0);
		copy = dup(fd);
		CHECK(copy >= 0 && copy != fd);
		CHECK(fcntl(copy, F_GETFL) >= 0);
		CHECK_OK(close(fd));
		CHECK_OK(close(copy));
	}
	return NULL;
}

static void test_threads(void)
{
	pthread_t t[4];
	int before = 0, after = 0;

	for (int i = 0; i < 256; i++)
		before += fcntl(i, F_GETFD) >= 0;
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&t[i], NULL, opener, NULL), 0);
	usleep(200000);
	stop = 1;
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (int i = 0; i < 256; i++)
		after += fcntl(i, F_GETFD) >= 0;
	CHECK_EQ(before, after);
}

int main(void)
{
	test_dup();
	test_limit();
	test_close_range();
	test_many();
	test_exec();
	test_threads();
	return 0;
}
