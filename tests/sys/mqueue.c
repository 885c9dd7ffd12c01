/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX message queues: mq_open, mq_unlink, mq_timedsend, mq_timedreceive, mq_notify, mq_getsetattr; priorities,
 * limits, poll.
 */
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#include "sys.h"

static char name[32];

static void put(mqd_t q, const char *s, unsigned int prio)
{
	CHECK_OK(mq_send(q, s, strlen(s), prio));
}

static void get(mqd_t q, const char *want, unsigned int want_prio)
{
	char buf[64];
	unsigned int prio;
	int n = CHECK_OK(mq_receive(q, buf, sizeof(buf), &prio));

	CHECK_EQ(n, (int)strlen(want));
	CHECK(!memcmp(buf, want, n));
	CHECK_EQ(prio, want_prio);
}

static volatile int told;
static volatile pid_t teller;

static void on_message(int sig, siginfo_t *si, void *uc)
{
	CHECK_EQ(si->si_code, SI_MESGQ);
	CHECK_EQ(si->si_value.sival_int, 4711);
	teller = si->si_pid;
	told++;
}

static void notify(mqd_t q)
{
	struct sigaction sa = {.sa_sigaction = on_message, .sa_flags = SA_SIGINFO};
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 4711};

	sigaction(SIGUSR1, &sa, NULL);
	CHECK_OK(mq_notify(q, &ev));
	CHECK_ERR(mq_notify(q, &ev), EBUSY);
	put(q, "a", 0);
	CHECK_EQ(told, 1);
	CHECK_EQ(teller, getpid());
	put(q, "b", 0); /* told once only */
	CHECK_EQ(told, 1);
	CHECK_OK(mq_notify(q, &ev));
	put(q, "c", 0); /* the queue was not empty */
	CHECK_EQ(told, 1);
	CHECK_OK(mq_notify(q, NULL));
	get(q, "a", 0);
	get(q, "b", 0);
	get(q, "c", 0);
	put(q, "d", 0);
	CHECK_EQ(told, 1);
	get(q, "d", 0);
	ev.sigev_notify = SIGEV_NONE;
	CHECK_OK(mq_notify(q, &ev));
	CHECK_OK(mq_notify(q, NULL));
	ev.sigev_notify = 77;
	CHECK_ERR(mq_notify(q, &ev), EINVAL);
}

int main(void)
{
	struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 64}, got;
	struct timespec ts;
	struct pollfd p;
	char buf[64];
	pid_t pid;
	mqd_t q, r;

	snprintf(name, sizeof(name), "/umbra-%d", getpid());
	q = mq_open(name, O_RDWR);
	if (q < 0 && errno == ENOSYS)
		SKIP("no message queues");
	CHECK_EQ(errno, ENOENT);
	attr.mq_maxmsg = 0;
	CHECK_ERR(mq_open(name, O_RDWR | O_CREAT, 0600, &attr), EINVAL);
	attr.mq_maxmsg = 4;
	CHECK_ERR(mq_open("/a/b", O_RDWR | O_CREAT, 0600, &attr), EACCES);
	q = CHECK_OK(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
	CHECK_ERR(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr), EEXIST);
	CHECK_OK(mq_getattr(q, &got));
	CHECK_EQ(got.mq_maxmsg, 4);
	CHECK_EQ(got.mq_msgsize, 64);
	CHECK_EQ(got.mq_curmsgs, 0);
	CHECK_EQ(fcntl(q, F_GETFD), FD_CLOEXEC);

	put(q, "low", 1);
	put(q, "high", 9);
	put(q, "low2", 1);
	put(q, "mid", 5);
	CHECK_OK(mq_getattr(q, &got));
	CHECK_EQ(got.mq_curmsgs, 4);
	p = (struct pollfd){q, POLLIN | POLLOUT, 0};
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLIN);
	clock_gettime(CLOCK_REALTIME, &ts);
	CHECK_ERR(mq_timedsend(q, "x", 1, 0, &ts), ETIMEDOUT);
	ts.tv_nsec = -1;
	CHECK_ERR(mq_timedsend(q, "x", 1, 0, &ts), EINVAL);
	get(q, "high", 9);
	get(q, "mid", 5);
	get(q, "low", 1);
	get(q, "low2", 1);
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLOUT);
	CHECK_ERR(mq_receive(q, buf, 63, NULL), EMSGSIZE);
	CHECK_ERR(syscall(SYS_mq_timedsend, q, name, 65, 0, NULL), EMSGSIZE);
	CHECK_ERR(mq_send(q, "x", 1, 32768), EINVAL);
	CHECK_ERR(mq_send(0, "x", 1, 0), EBADF);
	CHECK_ERR(mq_send(999, "x", 1, 0), EBADF);
	CHECK_ERR(syscall(SYS_mq_timedsend, q, bad_ptr, 10, 0, NULL), EFAULT);

	got.mq_flags = O_NONBLOCK;
	CHECK_OK(mq_setattr(q, &got, &attr));
	CHECK_EQ(attr.mq_flags, 0);
	CHECK_ERR(mq_receive(q, buf, 64, NULL), EAGAIN);
	got.mq_flags = 0x123;
	CHECK_ERR(syscall(SYS_mq_getsetattr, q, &got, NULL), EINVAL);
	got.mq_flags = 0;
	CHECK_OK(mq_setattr(q, &got, NULL));

	r = CHECK_OK(mq_open(name, O_RDONLY));
	CHECK_ERR(mq_send(r, "x", 1, 0), EBADF);
	mq_close(r);
	notify(q);

	/* A receiver and a sender that wait. */
	pid = fork();
	if (!pid) {
		get(q, "wake", 2);
		usleep(30000);
		get(q, "f", 0);
		_exit(0);
	}
	usleep(20000);
	put(q, "wake", 2);
	for (int i = 0; i < 5; i++)
		put(q, "f", 0); /* the fifth waits */
	CHECK_EQ(wait_for(pid), 0);
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 20000000;
	if (ts.tv_nsec >= 1000000000) {
		ts.tv_sec++;
		ts.tv_nsec -= 1000000000;
	}
	CHECK_ERR(mq_timedsend(q, "f", 1, 0, &ts), ETIMEDOUT);

	CHECK_OK(mq_unlink(name));
	CHECK_ERR(mq_unlink(name), ENOENT);
	CHECK_ERR(mq_open(name, O_RDWR), ENOENT);
	get(q, "f", 0); /* still there for who has it open */
	CHECK_OK(mq_close(q));
	return 0;
}
