/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Control messages of AF_UNIX: passing descriptors (SCM_RIGHTS) and credentials (SCM_CREDENTIALS, SO_PEERCRED,
 * SO_PASSCRED).
 */
#include <fcntl.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "sys.h"

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(300 * sizeof(int))];
};

static int send_fds(int s, const char *text, const int *fd, int n)
{
	union control c;
	struct iovec v = {TEXT(text), strlen(text)};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = CMSG_SPACE(n * 4)};
	struct cmsghdr *h = (void *)c.buf;

	memset(&c, 0, sizeof(c));
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(h), fd, n * sizeof(int));
	return sendmsg(s, &m, MSG_NOSIGNAL);
}

/* Receives into a buffer of @size with control room for @room descriptors; *n is how many came. */
static int recv_fds(int s, char *buf, int size, int *fd, int room, int *n, int flags, int *out_flags)
{
	union control c;
	struct iovec v = {buf, size};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = c.buf,
			   .msg_controllen = room ? CMSG_LEN(room * sizeof(int)) : 0};
	struct cmsghdr *h;
	int ret = recvmsg(s, &m, flags);

	*n = 0;
	if (ret < 0)
		return ret;
	*out_flags = m.msg_flags;
	for (h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS) {
			*n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
			memcpy(fd, CMSG_DATA(h), *n * sizeof(int));
		}
	}
	return ret;
}

static int count_fds(void)
{
	int n = 0;

	for (int i = 0; i < 600; i++)
		n += fcntl(i, F_GETFD) >= 0;
	return n;
}

static void rights(int type)
{
	int s[2], p[2], got[300], n, flags, many[254], before = count_fds();
	char buf[100];
	struct stat a, b;

	CHECK_OK(socketpair(AF_UNIX, type, 0, s));
	CHECK_OK(pipe(p));
	CHECK_EQ(send_fds(s[0], "hi", (int[]){p[1], p[0]}, 2), 2);
	/* A look takes descriptors too, and leaves the message. */
	CHECK_EQ(recv_fds(s[1], buf, 100, got, 10, &n, MSG_PEEK, &flags), 2);
	CHECK_EQ(n, 2);
	close(got[0]);
	close(got[1]);
	CHECK_EQ(recv_fds(s[1], buf, 100, got, 10, &n, MSG_CMSG_CLOEXEC, &flags), 2);
	CHECK_EQ(flags, MSG_CMSG_CLOEXEC);
	CHECK_EQ(n, 2);
	CHECK_EQ(flags & MSG_CTRUNC, 0);
	CHECK_EQ(fcntl(got[0], F_GETFD), FD_CLOEXEC);
	CHECK_OK(fstat(got[0], &a));
	CHECK_OK(fstat(p[0], &b));
	CHECK_EQ(a.st_ino, b.st_ino);
	close(p[0]);
	close(p[1]);
	CHECK_EQ(write(got[0], "through", 7), 7);
	CHECK_EQ(read(got[1], buf, 100), 7);
	close(got[1]);

	/* Without room for all of them the rest is closed. */
	CHECK_EQ(send_fds(s[0], "x", (int[]){got[0], got[0], got[0]}, 3), 1);
	CHECK_EQ(recv_fds(s[1], buf, 100, got + 1, 2, &n, 0, &flags), 1);
	CHECK_EQ(n, 2);
	CHECK_EQ(flags & MSG_CTRUNC, MSG_CTRUNC);
	close(got[1]);
	close(got[2]);
	CHECK_EQ(send_fds(s[0], "x", got, 1), 1);
	CHECK_EQ(recv_fds(s[1], buf, 100, got + 1, 0, &n, 0, &flags), 1);
	CHECK_EQ(flags & MSG_CTRUNC, MSG_CTRUNC);
	CHECK_EQ(send_fds(s[0], "x", got, 1), 1);
	CHECK_EQ(read(s[1], buf, 100), 1); /* read knows nothing of them */

	CHECK_ERR(send_fds(s[0], "x", (int[]){999}, 1), EBADF);
	for (int i = 0; i < 254; i++)
		many[i] = got[0];
	CHECK_ERR(send_fds(s[0], "x", many, 254), EINVAL);
	CHECK_EQ(send_fds(s[0], "x", many, 253), 1);
	close(got[0]);
	/* Messages that nobody received take their files along. */
	close(s[0]);
	close(s[1]);
	CHECK_EQ(count_fds(), before);
}

/* In a stream a receive stops behind descriptors, so that it is clear which bytes they came with. */
static void stream_bounds(void)
{
	int s[2], fd = 0, got[10], n, flags;
	char buf[100];

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_EQ(write(s[0], "before", 6), 6);
	CHECK_EQ(send_fds(s[0], "with", &fd, 1), 4);
	CHECK_EQ(write(s[0], "after", 5), 5);
	CHECK_EQ(recv_fds(s[1], buf, 100, got, 10, &n, 0, &flags), 10);
	CHECK_EQ(n, 1);
	close(got[0]);
	CHECK_EQ(recv_fds(s[1], buf, 100, got, 10, &n, 0, &flags), 5);
	CHECK_EQ(n, 0);
	close(s[0]);
	close(s[1]);
}

/* The last reference to a pipe's end is in a message: its end comes with the message's. */
static void last_reference(void)
{
	int s[2], p[2];
	char c;

	CHECK_OK(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	CHECK_OK(pipe(p));
	CHECK_EQ(send_fds(s[0], "x", &p[1], 1), 1);
	close(p[1]);
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	CHECK_ERR(read(p[0], &c, 1), EAGAIN);
	CHECK_EQ(read(s[1], &c, 1), 1);
	CHECK_EQ(read(p[0], &c, 1), 0);
	CHECK_OK(pipe(p));
	CHECK_EQ(send_fds(s[0], "x", &p[1], 1), 1);
	close(p[1]);
	close(s[1]);
	close(s[0]);
	CHECK_EQ(read(p[0], &c, 1), 0);
	close(p[0]);
}

static int get_cred(int s, struct ucred *uc)
{
	union control c;
	char buf[10];
	struct iovec v = {buf, 10};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = sizeof(c.buf)};
	struct cmsghdr *h;

	CHECK_OK(recvmsg(s, &m, 0));
	h = CMSG_FIRSTHDR(&m);
	if (!h || h->cmsg_type != SCM_CREDENTIALS)
		return 0;
	CHECK_EQ(h->cmsg_len, CMSG_LEN(sizeof(*uc)));
	memcpy(uc, CMSG_DATA(h), sizeof(*uc));
	return 1;
}

static int send_cred(int s, const struct ucred *uc)
{
	union control c;
	struct iovec v = {TEXT("c"), 1};
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = CMSG_SPACE(sizeof(*uc))};
	struct cmsghdr *h = (void *)c.buf;

	memset(&c, 0, sizeof(c));
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_CREDENTIALS;
	h->cmsg_len = CMSG_LEN(sizeof(*uc));
	memcpy(CMSG_DATA(h), uc, sizeof(*uc));
	return sendmsg(s, &m, 0);
}

static void credentials(void)
{
	struct ucred uc, mine = {getpid(), geteuid(), getegid()};
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	socklen_t len = sizeof(uc), alen;
	int s[2], on = 1, l, c, d;
	pid_t pid;

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	CHECK_OK(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &uc, &len));
	CHECK_EQ(uc.pid, getpid());
	CHECK_EQ(uc.uid, geteuid());
	CHECK_EQ(write(s[0], "x", 1), 1);
	CHECK_EQ(get_cred(s[1], &uc), 0);
	CHECK_OK(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	pid = fork();
	if (!pid) {
		CHECK_EQ(write(s[0], "x", 1), 1);
		_exit(0);
	}
	CHECK_EQ(get_cred(s[1], &uc), 1);
	CHECK_EQ(uc.pid, pid);
	CHECK_EQ(uc.uid, geteuid());
	CHECK_EQ(uc.gid, getegid());
	CHECK_EQ(wait_for(pid), 0);
	CHECK_EQ(send_cred(s[0], &mine), 1);
	CHECK_EQ(get_cred(s[1], &uc), 1);
	CHECK_EQ(uc.pid, mine.pid);
	if (geteuid() == 0) {
		mine.uid = 1234;
		CHECK_EQ(send_cred(s[0], &mine), 1);
		CHECK_EQ(get_cred(s[1], &uc), 1);
		CHECK_EQ(uc.uid, 1234);
		if (!fork()) {
			CHECK_OK(setresgid(55, 55, 55));
			CHECK_OK(setresuid(77, 77, 77));
			mine = (struct ucred){getpid(), 0, 55};
			CHECK_ERR(send_cred(s[0], &mine), EPERM);
			mine = (struct ucred){getppid(), 77, 55};
			CHECK_ERR(send_cred(s[0], &mine), EPERM);
			mine.pid = getpid();
			CHECK_EQ(send_cred(s[0], &mine), 1);
			_exit(0);
		}
		CHECK_EQ(wait_for(-1), 0);
		CHECK_EQ(get_cred(s[1], &uc), 1);
		CHECK_EQ(uc.uid, 77);
		CHECK_EQ(uc.gid, 55);
	}
	close(s[0]);
	close(s[1]);

	/* Who listened, who connected. */
	snprintf(a.sun_path + 1, 100, "cred-%d", getpid());
	alen = offsetof(struct sockaddr_un, sun_path) + 1 + strlen(a.sun_path + 1);
	l = CHECK_OK(socket(AF_UNIX, SOCK_STREAM, 0));
	CHECK_OK(getsockopt(l, SOL_SOCKET, SO_PEERCRED, &uc, &len));
	CHECK_EQ(uc.pid, 0);
	CHECK_EQ(uc.uid, -1u);
	CHECK_OK(bind(l, (void *)&a, alen));
	CHECK_OK(listen(l, 1));
	pid = fork();
	if (!pid) {
		c = CHECK_OK(socket(AF_UNIX, SOCK_STREAM, 0));
		CHECK_OK(connect(c, (void *)&a, alen));
		CHECK_OK(getsockopt(c, SOL_SOCKET, SO_PEERCRED, &uc, &len));
		CHECK_EQ(uc.pid, getppid());
		_exit(0);
	}
	d = CHECK_OK(accept(l, NULL, NULL));
	CHECK_OK(getsockopt(d, SOL_SOCKET, SO_PEERCRED, &uc, &len));
	CHECK_EQ(uc.pid, pid);
	CHECK_EQ(wait_for(pid), 0);
	close(l);
	close(d);
}

static void malformed(void)
{
	union control c;
	struct iovec v = {TEXT("c"), 1};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.buf, .msg_controllen = CMSG_SPACE(4)};
	struct cmsghdr *h = (void *)c.buf;
	int s[2];

	CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	memset(&c, 0, sizeof(c));
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = 1000; /* beyond the buffer */
	CHECK_ERR(sendmsg(s[0], &m, 0), EINVAL);
	h->cmsg_len = 3; /* not even a header */
	CHECK_ERR(sendmsg(s[0], &m, 0), EINVAL);
	h->cmsg_len = CMSG_LEN(0);
	CHECK_EQ(sendmsg(s[0], &m, 0), 1);
	h->cmsg_type = 99;
	h->cmsg_len = CMSG_LEN(4);
	CHECK_ERR(sendmsg(s[0], &m, 0), EINVAL);
	h->cmsg_type = SCM_CREDENTIALS;
	CHECK_ERR(sendmsg(s[0], &m, 0), EINVAL);
	h->cmsg_level = 4711; /* not ours: ignored */
	CHECK_EQ(sendmsg(s[0], &m, 0), 1);
	m.msg_control = bad_ptr;
	CHECK_ERR(sendmsg(s[0], &m, 0), EFAULT);
	m.msg_control = NULL;
	m.msg_controllen = 0;
	m.msg_iovlen = 1025;
	CHECK_ERR(sendmsg(s[0], &m, 0), EMSGSIZE);
	m.msg_iovlen = 1;
	m.msg_iov = bad_ptr;
	CHECK_ERR(sendmsg(s[0], &m, 0), EFAULT);
	CHECK_ERR(sendmsg(s[0], bad_ptr, 0), EFAULT);
	close(s[0]);
	close(s[1]);
}

int main(void)
{
	rights(SOCK_STREAM);
	rights(SOCK_DGRAM);
	rights(SOCK_SEQPACKET);
	stream_bounds();
	last_reference();
	credentials();
	malformed();
	return 0;
}
