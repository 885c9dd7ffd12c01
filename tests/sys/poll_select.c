/* SPDX-License-Identifier: Apache-2.0 */
/*
 * select, pselect6: sets in and out, time left, limits, bad arguments, the mask.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "sys.h"

static volatile int signals;

static void on_signal(int sig)
{
	signals++;
}

int main(void)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct timeval tv = {0, 0};
	struct timespec ts = {0, 20000000};
	fd_set in, out, ex;
	sigset_t set, none;
	int p[2], s[2];
	char c;

	CHECK_OK(pipe(p));
	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&ex);
	FD_SET(p[0], &in);
	FD_SET(p[1], &out);
	FD_SET(s[0], &in);
	FD_SET(s[0], &out);
	FD_SET(s[0], &ex);
	CHECK_EQ(select(s[1] + 1, &in, &out, &ex, NULL), 2);
	CHECK(!FD_ISSET(p[0], &in) && !FD_ISSET(s[0], &in) && !FD_ISSET(s[0], &ex));
	CHECK(FD_ISSET(p[1], &out) && FD_ISSET(s[0], &out));
	FD_ZERO(&in);
	FD_SET(p[0], &in);
	CHECK_EQ(select(p[0] + 1, &in, NULL, NULL, &tv), 0);
	CHECK(!FD_ISSET(p[0], &in));
	CHECK_EQ(write(p[1], "x", 1), 1);
	FD_SET(p[0], &in);
	tv.tv_sec = 10;
	CHECK_EQ(select(FD_SETSIZE, &in, NULL, NULL, &tv), 1);
	CHECK(FD_ISSET(p[0], &in));
	CHECK(tv.tv_sec >= 9); /* the time that is left */
	CHECK_EQ(read(p[0], &c, 1), 1);

	tv = (struct timeval){0, 30000};
	CHECK_EQ(select(0, NULL, NULL, NULL, &tv), 0);
	CHECK_EQ(tv.tv_sec, 0);
	CHECK_EQ(tv.tv_usec, 0);
	CHECK_ERR(select(-1, NULL, NULL, NULL, &tv), EINVAL);
	tv.tv_usec = -1;
	CHECK_ERR(select(0, NULL, NULL, NULL, &tv), EINVAL);
	tv = (struct timeval){0, 1500000}; /* more than a second of microseconds is fine */
	FD_SET(p[1], &out);
	CHECK_EQ(select(p[1] + 1, NULL, &out, NULL, &tv), 1);
	FD_ZERO(&in);
	FD_SET(s[1] + 1, &in);
	tv = (struct timeval){0, 0};
	CHECK_ERR(select(s[1] + 2, &in, NULL, NULL, &tv), EBADF);
	CHECK_ERR(select(10, bad_ptr, NULL, NULL, &tv), EFAULT);

	/* A reader's end makes it ready. */
	close(p[1]);
	FD_ZERO(&in);
	FD_SET(p[0], &in);
	CHECK_EQ(select(p[0] + 1, &in, NULL, NULL, NULL), 1);
	close(p[0]);

	FD_ZERO(&in);
	FD_SET(s[0], &in);
	CHECK_EQ(pselect(s[0] + 1, &in, NULL, NULL, &ts, NULL), 0);
	CHECK_EQ(ts.tv_nsec, 20000000); /* the C library keeps it */
	sigaction(SIGUSR1, &sa, NULL);
	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR1);
	FD_SET(s[0], &in);
	CHECK_ERR(pselect(s[0] + 1, &in, NULL, NULL, NULL, &none), EINTR);
	CHECK_EQ(signals, 1);
	sigprocmask(SIG_BLOCK, NULL, &none);
	CHECK(sigismember(&none, SIGUSR1));
	CHECK_ERR(syscall(SYS_pselect6, 0, NULL, NULL, NULL, &ts, bad_ptr), EFAULT);

	/* A set beyond 1024, as those make who know what they do. */
	struct rlimit rl;
	static unsigned long big[4096 / 64];
	int high;

	getrlimit(RLIMIT_NOFILE, &rl);
	if (rl.rlim_max >= 4096) {
		rl.rlim_cur = 4096;
		CHECK_OK(setrlimit(RLIMIT_NOFILE, &rl));
		high = CHECK_OK(fcntl(s[0], F_DUPFD, 3000));
		big[high / 64] |= 1ul << (high % 64);
		CHECK_EQ(syscall(SYS_select, 4096, NULL, big, NULL, NULL), 1);
		CHECK(big[high / 64] == 1ul << (high % 64));
	}
	return 0;
}
