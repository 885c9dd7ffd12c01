/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pipe, pipe2: data, ends, flags, sizes, packets, FIONREAD, SIGPIPE, bad arguments.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>

#include "sys.h"

static void data_and_ends(void)
{
	char buf[100];
	struct stat st;
	int p[2], n;

	CHECK_OK(pipe(p));
	CHECK_OK(fstat(p[0], &st));
	CHECK(S_ISFIFO(st.st_mode));
	CHECK_OK(fcntl(p[0], F_SETFL, O_NONBLOCK));
	CHECK_ERR(read(p[0], buf, sizeof(buf)), EAGAIN);
	CHECK_EQ(write(p[1], "hello", 5), 5);
	CHECK_EQ(write(p[1], " world", 6), 6);
	CHECK_OK(ioctl(p[0], FIONREAD, &n));
	CHECK_EQ(n, 11);
	CHECK_EQ(read(p[0], buf, 3), 3);
	CHECK_EQ(read(p[0], buf + 3, 97), 8);
	CHECK(!memcmp(buf, "hello world", 11));
	CHECK_ERR(write(p[0], "x", 1), EBADF);
	CHECK_ERR(read(p[1], buf, 1), EBADF);
	CHECK_EQ(write(p[1], "", 0), 0);
	CHECK_ERR(lseek(p[0], 0, SEEK_SET), ESPIPE);
	CHECK_ERR(pread(p[0], buf, 1, 0), ESPIPE);
	CHECK_EQ(write(p[1], "end", 3), 3);
	close(p[1]);
	CHECK_EQ(read(p[0], buf, 100), 3);
	CHECK_EQ(read(p[0], buf, 100), 0);
	CHECK_EQ(read(p[0], buf, 100), 0);
	close(p[0]);
}

static void bad_arguments(void)
{
	int p[2], q[2] = {-7, -7};

	CHECK_ERR(syscall(SYS_pipe, bad_ptr), EFAULT);
	CHECK_ERR(pipe2(q, O_APPEND), EINVAL);
	CHECK_EQ(q[0], -7);
	CHECK_OK(pipe2(p, O_CLOEXEC | O_NONBLOCK));
	CHECK_EQ(fcntl(p[0], F_GETFD), FD_CLOEXEC);
	CHECK_EQ(fcntl(p[1], F_GETFD), FD_CLOEXEC);
	CHECK(fcntl(p[0], F_GETFL) & O_NONBLOCK);
	CHECK_EQ(fcntl(p[0], F_GETFL) & O_ACCMODE, O_RDONLY);
	CHECK_EQ(fcntl(p[1], F_GETFL) & O_ACCMODE, O_WRONLY);
	CHECK_ERR(write(p[1], bad_ptr, 10), EFAULT);
	CHECK_EQ(write(p[1], "abc", 3), 3);
	CHECK_ERR(read(p[0], bad_ptr, 10), EFAULT);
	close(p[0]);
	close(p[1]);
}

static void capacity(void)
{
	static char buf[1 << 20];
	long total = 0, n;
	int p[2];

	CHECK_OK(pipe2(p, O_NONBLOCK));
	CHECK_EQ(fcntl(p[0], F_GETPIPE_SZ), 65536);
	CHECK_EQ(write(p[1], buf, 65536), 65536);
	CHECK_ERR(write(p[1], buf, 1), EAGAIN);
	CHECK_EQ(read(p[0], buf, 4095), 4095);
	CHECK_ERR(write(p[1], buf, 1), EAGAIN); /* no page is free yet */
	CHECK_EQ(read(p[0], buf, 1), 1);
	CHECK_EQ(write(p[1], buf, 5000), 4096); /* more than PIPE_BUF may be split */
	CHECK_ERR(write(p[1], buf, 4096), EAGAIN);
	CHECK_EQ(fcntl(p[1], F_SETPIPE_SZ, 100000), 131072);
	CHECK_EQ(fcntl(p[1], F_GETPIPE_SZ), 131072);
	CHECK_ERR(fcntl(p[1], F_SETPIPE_SZ, 4096), EBUSY);
	CHECK_ERR(fcntl(p[1], F_SETPIPE_SZ, 0), EBUSY); /* a page */
	CHECK_ERR(fcntl(p[1], F_SETPIPE_SZ, 0x80000001), EINVAL);
	while ((n = read(p[0], buf, sizeof(buf))) > 0)
		total += n;
	CHECK_EQ(total, 65536);
	CHECK_EQ(fcntl(p[1], F_SETPIPE_SZ, 1), 4096);
	CHECK_EQ(write(p[1], buf, 4096), 4096);
	CHECK_ERR(write(p[1], buf, 1), EAGAIN);
	close(p[0]);
	close(p[1]);
	CHECK_ERR(fcntl(0, F_SETPIPE_SZ + 1000, 0), EINVAL);
}

static void packets(void)
{
	char buf[5000] = {0};
	int p[2];

	CHECK_OK(pipe2(p, O_DIRECT | O_NONBLOCK));
	CHECK_EQ(write(p[1], "one", 3), 3);
	CHECK_EQ(write(p[1], "three", 5), 5);
	CHECK_EQ(write(p[1], buf, 5000), 5000); /* two packets */
	CHECK_EQ(read(p[0], buf, 100), 3);
	CHECK_EQ(read(p[0], buf, 2), 2); /* the rest of the packet is lost */
	CHECK_EQ(read(p[0], buf, 5000), 4096);
	CHECK_EQ(read(p[0], buf, 5000), 904);
	CHECK_ERR(read(p[0], buf, 5000), EAGAIN);
	close(p[0]);
	close(p[1]);
}

static int sigpipes;

static void on_sigpipe(int sig)
{
	sigpipes++;
}

static void broken(void)
{
	struct pollfd pfd;
	int p[2];

	signal(SIGPIPE, on_sigpipe);
	CHECK_OK(pipe(p));
	close(p[0]);
	CHECK_ERR(write(p[1], "x", 1), EPIPE);
	CHECK_EQ(sigpipes, 1);
	signal(SIGPIPE, SIG_IGN);
	CHECK_ERR(write(p[1], "x", 1), EPIPE);
	pfd = (struct pollfd){p[1], POLLOUT, 0};
	CHECK_EQ(poll(&pfd, 1, 0), 1);
	CHECK_EQ(pfd.revents, POLLOUT | POLLERR);
	close(p[1]);
	/* The default is death. */
	if (!fork()) {
		signal(SIGPIPE, SIG_DFL);
		pipe(p);
		close(p[0]);
		write(p[1], "x", 1);
		_exit(0);
	}
	CHECK_EQ(wait_for(-1), 128 + SIGPIPE);
}

static void vectors(void)
{
	char a[4] = "", b[4] = "", c[10] = "";
	struct iovec out[3] = {{TEXT("ab"), 2}, {TEXT(""), 0}, {TEXT("cdefgh"), 6}};
	volatile int too_few = -1, too_many = 1025;
	struct iovec in[3] = {{a, 3}, {b, 3}, {c, 9}};
	int p[2];

	CHECK_OK(pipe(p));
	CHECK_EQ(writev(p[1], out, 3), 8);
	CHECK_EQ(readv(p[0], in, 3), 8);
	CHECK(!strcmp(a, "abc") && !strcmp(b, "def") && !strcmp(c, "gh"));
	CHECK_ERR(readv(p[0], in, too_few), EINVAL);
	CHECK_ERR(writev(p[1], out, too_many), EINVAL);
	close(p[0]);
	close(p[1]);
}

/* A blocked reader and a blocked writer are woken by what they wait for, and by a signal. */
static void blocking(void)
{
	static char big[200000];
	long total = 0, n;
	char c;
	int p[2];

	CHECK_OK(pipe(p));
	if (!fork()) {
		close(p[0]);
		usleep(20000);
		CHECK_EQ(write(p[1], big, sizeof(big)), sizeof(big));
		_exit(0);
	}
	close(p[1]);
	CHECK_EQ(read(p[0], &c, 1), 1);
	total = 1;
	while ((n = read(p[0], big, 7000)) > 0)
		total += n;
	CHECK_EQ(total, 200000);
	CHECK_EQ(wait_for(-1), 0);
	close(p[0]);

	CHECK_OK(pipe(p));
	const struct itimerval again = {{0, 100000}, {0, 100000}}; /* the first may come before we sleep */
	struct sigaction sa = {.sa_handler = on_sigpipe};
	sigaction(SIGALRM, &sa, NULL);
	CHECK_OK(setitimer(ITIMER_REAL, &again, NULL));
	CHECK_ERR(read(p[0], &c, 1), EINTR);
	CHECK_OK(setitimer(ITIMER_REAL, &(struct itimerval){}, NULL));
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	data_and_ends();
	bad_arguments();
	capacity();
	packets();
	broken();
	vectors();
	blocking();
	return 0;
}
