/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Record locks (POSIX and of open descriptions) and flock: conflicts, splitting, joining, waiting, deadlock,
 * who loses them when.
 */
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>

#include "fsdir.h"

static int set(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock fl = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

	return fcntl(fd, cmd, &fl);
}

/* What a child sees: the type of the first conflict for a write lock on [start, len). */
static struct flock seen_by_child(const char *name, short type, off_t start, off_t len)
{
	struct flock *out = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), r;
	pid_t pid;

	CHECK(out != MAP_FAILED);
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		int fd = open(name, O_RDWR);

		*out = (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
		_exit(fcntl(fd, F_GETLK, out) ? 1 : 0);
	}
	CHECK_EQ(wait_for(pid), 0);
	r = *out;
	munmap(out, 4096);
	return r;
}

static void test_ranges(void)
{
	int fd = (int)CHECK_OK(open("f", O_RDWR | O_CREAT, 0600)), again;
	struct flock r;

	CHECK_OK(set(fd, F_SETLK, F_WRLCK, 10, 10));
	r = seen_by_child("f", F_WRLCK, 0, 0);
	CHECK(r.l_type == F_WRLCK && r.l_start == 10 && r.l_len == 10 && r.l_pid == getpid());
	CHECK_EQ(seen_by_child("f", F_WRLCK, 0, 10).l_type, F_UNLCK);
	CHECK_EQ(seen_by_child("f", F_WRLCK, 20, 10).l_type, F_UNLCK);
	/* Joined with its neighbour. */
	CHECK_OK(set(fd, F_SETLK, F_WRLCK, 20, 10));
	r = seen_by_child("f", F_RDLCK, 0, 0);
	CHECK(r.l_start == 10 && r.l_len == 20);
	/* A hole splits it. */
	CHECK_OK(set(fd, F_SETLK, F_UNLCK, 15, 2));
	r = seen_by_child("f", F_RDLCK, 0, 0);
	CHECK(r.l_start == 10 && r.l_len == 5);
	r = seen_by_child("f", F_RDLCK, 15, 0);
	CHECK(r.l_start == 17 && r.l_len == 13);
	CHECK_EQ(seen_by_child("f", F_WRLCK, 15, 2).l_type, F_UNLCK);
	/* A part becomes a read lock. */
	CHECK_OK(set(fd, F_SETLK, F_RDLCK, 18, 2));
	CHECK_EQ(seen_by_child("f", F_RDLCK, 18, 2).l_type, F_UNLCK);
	CHECK_EQ(seen_by_child("f", F_WRLCK, 18, 2).l_type, F_RDLCK);
	/* To the end of all. */
	CHECK_OK(set(fd, F_SETLK, F_WRLCK, 100, 0));
	r = seen_by_child("f", F_RDLCK, 1l << 40, 1);
	CHECK(r.l_type == F_WRLCK && r.l_start == 100 && r.l_len == 0);
	/* Closing any descriptor of the file drops them all. */
	again = (int)CHECK_OK(open("f", O_RDONLY));
	CHECK_OK(close(again));
	CHECK_EQ(seen_by_child("f", F_WRLCK, 0, 0).l_type, F_UNLCK);
	close(fd);
}

static void test_arguments(void)
{
	int fd = (int)CHECK_OK(open("f", O_RDWR | O_CREAT, 0600)), ro = (int)CHECK_OK(open("f", O_RDONLY)),
	    wo = (int)CHECK_OK(open("f", O_WRONLY));
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_END, .l_start = -3, .l_len = 3};

	CHECK_ERR(set(ro, F_SETLK, F_WRLCK, 0, 1), EBADF);
	CHECK_ERR(set(wo, F_SETLK, F_RDLCK, 0, 1), EBADF);
	CHECK_ERR(set(fd, F_SETLK, 5, 0, 1), EINVAL);
	CHECK_ERR(set(fd, F_SETLK, F_WRLCK, -1, 1), EINVAL);
	CHECK_ERR(set(fd, F_SETLK, F_WRLCK, 5, -6), EINVAL);
	CHECK_OK(set(fd, F_SETLK, F_WRLCK, 5, -5));
	CHECK_EQ(seen_by_child("f", F_WRLCK, 0, 1).l_type, F_WRLCK);
	CHECK_ERR(fcntl(fd, F_SETLK, &fl), EINVAL); /* before the start */
	CHECK_OK(ftruncate(fd, 10));
	CHECK_OK(fcntl(fd, F_SETLK, &fl));
	CHECK_EQ(seen_by_child("f", F_WRLCK, 7, 1).l_type, F_WRLCK);
	CHECK_EQ(seen_by_child("f", F_WRLCK, 6, 1).l_type, F_UNLCK);
	CHECK_ERR(fcntl(fd, F_SETLK, (void *)8), EFAULT);
	fl.l_whence = 7;
	CHECK_ERR(fcntl(fd, F_SETLK, &fl), EINVAL);
	CHECK_ERR(set(fd, F_SETLK, F_WRLCK, 2, 0x7fffffffffffffff), EOVERFLOW);
}

static void test_wait(void)
{
	int fd = (int)CHECK_OK(open("f", O_RDWR | O_CREAT, 0600));
	pid_t pid;
	char c;

	CHECK_OK(set(fd, F_SETLK, F_WRLCK, 0, 0));
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		CHECK_ERR(set(fd, F_SETLK, F_RDLCK, 0, 1), EAGAIN);
		CHECK_OK(set(fd, F_SETLKW, F_RDLCK, 0, 1));
		CHECK_EQ(pread(fd, &c, 1, 0), 1); /* what was written before the unlock */
		_exit(0);
	}
	usleep(50000);
	CHECK_EQ(pwrite(fd, "x", 1, 0), 1);
	CHECK_OK(set(fd, F_SETLK, F_UNLCK, 0, 0));
	CHECK_EQ(wait_for(pid), 0);
	/* A dying owner lets go. */
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		CHECK_OK(set(fd, F_SETLK, F_WRLCK, 0, 0));
		pause();
	}
	while (seen_by_child("f", F_WRLCK, 0, 0).l_type == F_UNLCK)
		usleep(1000);
	CHECK_OK(kill(pid, SIGKILL));
	CHECK_OK(set(fd, F_SETLKW, F_WRLCK, 0, 0));
	CHECK_EQ(wait_for(pid), 128 + SIGKILL);
	close(fd);
}

static void on_alarm(int sig)
{
}

static void test_interrupted(void)
{
	int fd = (int)CHECK_OK(open("f", O_RDWR | O_CREAT, 0600));
	const struct sigaction sa = {.sa_handler = on_alarm};
	pid_t pid;

	CHECK_OK(set(fd, F_SETLK, F_WRLCK, 0, 0));
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		sigaction(SIGALRM, &sa, NULL);
		ualarm(50000, 50000); /* the first may come before we wait */
		CHECK_ERR(set(fd, F_SETLKW, F_WRLCK, 0, 0), EINTR);
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
	close(fd);
}

static void test_deadlock(void)
{
	int fd = (int)CHECK_OK(open("f", O_RDWR | O_CREAT, 0600)), p[2], err;
	pid_t pid;
	char c;

	CHECK_OK(pipe(p));
	CHECK_OK(set(fd, F_SETLK, F_WRLCK, 0, 1));
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		CHECK_OK(set(fd, F_SETLK, F_WRLCK, 1, 1));
		CHECK_EQ(write(p[1], "r", 1), 1);
		err = set(fd, F_SETLKW, F_WRLCK, 0, 1) < 0 ? errno : 0;
		_exit(err == 0 || err == EDEADLK ? 10 + (err != 0) : 1);
	}
	CHECK_EQ(read(p[0], &c, 1), 1);
	usleep(50000);
	err = set(fd, F_SETLKW, F_WRLCK, 1, 1) < 0 ? errno : 0;
	CHECK_EQ(err, EDEADLK); /* the child waits already */
	CHECK_OK(set(fd, F_SETLK, F_UNLCK, 0, 0));
	CHECK_EQ(wait_for(pid), 10);
	close(fd);
}

static void test_ofd(void)
{
	int a = (int)CHECK_OK(open("f", O_RDWR | O_CREAT, 0600)), b = (int)CHECK_OK(open("f", O_RDWR)), c;
	struct flock fl = {.l_type = F_WRLCK, .l_pid = 1};

	CHECK_ERR(fcntl(a, F_OFD_SETLK, &fl), EINVAL);
	CHECK_OK(set(a, F_OFD_SETLK, F_WRLCK, 0, 10));
	CHECK_ERR(set(b, F_OFD_SETLK, F_RDLCK, 5, 1), EAGAIN);
	CHECK_ERR(set(b, F_SETLK, F_RDLCK, 5, 1), EAGAIN); /* the same process, another owner */
	fl = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
	CHECK_OK(fcntl(b, F_OFD_GETLK, &fl));
	CHECK(fl.l_type == F_WRLCK && fl.l_pid == -1 && fl.l_len == 10);
	/* It belongs to the description: a copy keeps it, closing another open of the file does not matter. */
	c = (int)CHECK_OK(dup(a));
	CHECK_OK(close(a));
	CHECK_OK(close(dup(b)));
	CHECK_ERR(set(b, F_OFD_SETLK, F_RDLCK, 5, 1), EAGAIN);
	CHECK_OK(close(c));
	CHECK_OK(set(b, F_OFD_SETLK, F_WRLCK, 5, 1));
	close(b);
}

static void test_flock(void)
{
	int a = (int)CHECK_OK(open("f", O_RDONLY | O_CREAT, 0600)), b = (int)CHECK_OK(open("f", O_RDONLY)), c;
	pid_t pid;

	CHECK_OK(flock(a, LOCK_SH));
	CHECK_OK(flock(b, LOCK_SH | LOCK_NB));
	CHECK_ERR(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
	CHECK_OK(flock(a, LOCK_UN));
	CHECK_OK(flock(b, LOCK_EX | LOCK_NB));
	CHECK_ERR(flock(a, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	/* Independent of record locks. */
	c = (int)CHECK_OK(open("f", O_RDWR));
	CHECK_OK(set(c, F_SETLK, F_WRLCK, 0, 0));
	close(c);
	CHECK_ERR(flock(a, LOCK_SH | LOCK_NB), EWOULDBLOCK);
	/* Shared over fork, gone with the last copy. */
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		close(b);
		usleep(50000);
		_exit(0);
	}
	CHECK_OK(close(b));
	CHECK_OK(flock(a, LOCK_EX));
	CHECK_EQ(wait_for(pid), 0);
	CHECK_ERR(flock(a, 77), EINVAL);
	CHECK_ERR(flock(-1, LOCK_SH), EBADF);
	/* Waiting. */
	pid = (pid_t)CHECK_OK(fork());
	if (!pid) {
		b = open("f", O_RDONLY);
		CHECK_OK(flock(b, LOCK_EX));
		_exit(0);
	}
	usleep(30000);
	CHECK_OK(flock(a, LOCK_UN));
	CHECK_EQ(wait_for(pid), 0);
	close(a);
}

/* Processes that take turns: what the lock protects stays whole. */
static void test_exclusion(void)
{
	int fd = (int)CHECK_OK(open("f", O_RDWR | O_CREAT, 0600)), value = 0;

	CHECK_EQ(pwrite(fd, &value, sizeof(value), 0), sizeof(value));
	for (int p = 0; p < 4; p++) {
		if (fork() == 0) {
			for (int i = 0; i < 100; i++) {
				CHECK_OK(set(fd, F_SETLKW, F_WRLCK, 0, 4));
				CHECK_EQ(pread(fd, &value, sizeof(value), 0), sizeof(value));
				value++;
				CHECK_EQ(pwrite(fd, &value, sizeof(value), 0), sizeof(value));
				CHECK_OK(set(fd, F_SETLKW, F_UNLCK, 0, 4));
			}
			_exit(0);
		}
	}
	for (int p = 0; p < 4; p++) {
		int status;

		CHECK_OK(wait(&status));
		CHECK_EQ(status, 0);
	}
	CHECK_EQ(pread(fd, &value, sizeof(value), 0), sizeof(value));
	CHECK_EQ(value, 400);
	close(fd);
}

int main(void)
{
	EVERYWHERE(test_ranges);
	EVERYWHERE(test_arguments);
	EVERYWHERE(test_wait);
	EVERYWHERE(test_interrupted);
	EVERYWHERE(test_deadlock);
	EVERYWHERE(test_ofd);
	EVERYWHERE(test_flock);
	EVERYWHERE(test_exclusion);
	return 0;
}
