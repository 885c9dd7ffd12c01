/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signalfd, signalfd4: reading signals, what they carry, changing the mask, poll and epoll, across fork.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

#include "sys.h"

static struct signalfd_siginfo get(int fd)
{
	struct signalfd_siginfo si;

	CHECK_EQ(read(fd, &si, sizeof(si)), sizeof(si));
	return si;
}

static int readable(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};

	return CHECK_OK(poll(&p, 1, 0));
}

static void *raise_here(void *arg)
{
	pthread_kill(*(pthread_t *)arg, SIGUSR2);
	return NULL;
}

int main(void)
{
	struct signalfd_siginfo si, many[4];
	struct epoll_event ev = {.events = EPOLLIN};
	union sigval val = {.sival_int = 4711};
	pthread_t self = pthread_self(), t;
	sigset_t set;
	int fd, ep;
	pid_t pid;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGRTMIN);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	CHECK_ERR(signalfd(-1, &set, 0x4000000), EINVAL);
	CHECK_ERR(syscall(SYS_signalfd4, -1, &set, 4, 0), EINVAL);
	CHECK_ERR(syscall(SYS_signalfd4, -1, bad_ptr, 8, 0), EFAULT);
	CHECK_ERR(signalfd(0, &set, 0), EINVAL);
	CHECK_ERR(signalfd(999, &set, 0), EBADF);
	fd = CHECK_OK(signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
	CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	CHECK_ERR(read(fd, &si, sizeof(si)), EAGAIN);
	CHECK_ERR(read(fd, &si, 100), EINVAL);
	CHECK_EQ(readable(fd), 0);

	kill(getpid(), SIGUSR1);
	CHECK_EQ(readable(fd), 1);
	si = get(fd);
	CHECK_EQ(si.ssi_signo, SIGUSR1);
	CHECK_EQ(si.ssi_code, SI_USER);
	CHECK_EQ(si.ssi_pid, getpid());
	CHECK_EQ(si.ssi_uid, getuid());
	sigqueue(getpid(), SIGRTMIN, val);
	val.sival_int++;
	sigqueue(getpid(), SIGRTMIN, val);
	kill(getpid(), SIGUSR1);
	CHECK_EQ(read(fd, many, sizeof(many)), 3 * sizeof(si));
	CHECK_EQ(many[0].ssi_signo, SIGUSR1);
	CHECK_EQ(many[1].ssi_int, 4711);
	CHECK_EQ(many[1].ssi_code, SI_QUEUE);
	CHECK_EQ(many[2].ssi_int, 4712);

	pid = fork();
	if (!pid)
		_exit(7);
	CHECK_EQ(wait_for(pid), 7);
	si = get(fd);
	CHECK_EQ(si.ssi_signo, SIGCHLD);
	CHECK_EQ(si.ssi_pid, pid);
	CHECK_EQ(si.ssi_status, 7);
	CHECK_EQ(si.ssi_code, CLD_EXITED);

	/* A signal for one thread is read by that thread. */
	pthread_create(&t, NULL, raise_here, &self);
	pthread_join(t, NULL);
	CHECK_EQ(get(fd).ssi_signo, SIGUSR2);

	/* The mask can change; SIGKILL and SIGSTOP are never in it. */
	sigfillset(&set);
	sigdelset(&set, SIGUSR1);
	CHECK_EQ(signalfd(fd, &set, 0), fd);
	kill(getpid(), SIGUSR1);
	CHECK_EQ(readable(fd), 0);
	sigaddset(&set, SIGUSR1);
	CHECK_EQ(signalfd(fd, &set, 0), fd);
	CHECK_EQ(readable(fd), 1);
	get(fd);

	ep = CHECK_OK(epoll_create1(0));
	CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	CHECK_EQ(epoll_wait(ep, &ev, 1, 0), 0);
	if (!fork()) {
		usleep(20000);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	CHECK_EQ(epoll_wait(ep, &ev, 1, 2000), 1);
	CHECK_EQ(get(fd).ssi_signo, SIGUSR1);
	CHECK_EQ(wait_for(-1), 0);
	get(fd); /* SIGCHLD */

	/* A child with an own set on the shared descriptor goes; the set stays with the parent. */
	pid = fork();
	if (!pid) {
		int own = CHECK_OK(epoll_create1(0));

		CHECK_OK(epoll_ctl(own, EPOLL_CTL_ADD, fd, &ev));
		raise(SIGUSR1);
		CHECK_EQ(epoll_wait(own, &ev, 1, 1000), 1);
		CHECK_EQ(get(fd).ssi_signo, SIGUSR1);
		_exit(0);
	}
	CHECK_EQ(wait_for(pid), 0);
	get(fd);
	close(fd);
	close(ep);

	/* Blocking. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	fd = CHECK_OK(signalfd(-1, &set, 0));
	pid = fork();
	if (!pid) {
		usleep(20000);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	CHECK_EQ(get(fd).ssi_pid, pid);
	CHECK_EQ(wait_for(pid), 0);
	return 0;
}
