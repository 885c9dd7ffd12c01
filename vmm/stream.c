/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Non-blocking reads and writes on descriptors that we share with the user's other programs; see stream.h for the rule.
 * SIGPIPE is blocked in the VMM; SIGTTIN too, so that reading from the background gives -EIO instead of a stop.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "vmm/stream.h"

/* A pipe that polls writable takes this much; a terminal may take less and then makes us wait a moment. */
#define SHARED_PIECE 512

/* Opens the file behind @fd again. Its description is then ours alone. */
static int reopen(int fd, int flags)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

static bool is_null(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

/* /dev/zero, /dev/full and the like never make anybody wait. */
static bool is_memory(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && major(st->st_rdev) == 1;
}

void stream_open(struct stream *s, int fd, int flags)
{
	struct stat st;

	*s = (struct stream){.fd = -1, .how = STREAM_CLOSED, .kind = "closed"};
	/* The launcher puts a path descriptor where there was nothing. */
	if (fstat(fd, &st) < 0 || (fcntl(fd, F_GETFL) & O_PATH))
		return;

	if (S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && !is_memory(&st))) {
		s->kind = S_ISCHR(st.st_mode) ? "chr" : "pipe";
		s->tty = S_ISCHR(st.st_mode) && isatty(fd);
		s->how = STREAM_OWN;
		s->fd = reopen(fd, flags);
		if (s->fd >= 0)
			return;
		s->how = STREAM_SHARED;
	} else if (S_ISSOCK(st.st_mode)) {
		s->kind = "pipe";
		s->how = STREAM_SOCKET;
	} else {
		s->kind = is_null(&st) ? "null" : "file";
		s->how = STREAM_DIRECT;
	}
	s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (s->fd < 0)
		*s = (struct stream){.fd = -1, .how = STREAM_CLOSED, .kind = "closed"};
}

void stream_close(struct stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->how = STREAM_CLOSED;
}

/* Shared descriptions: is it our turn? Leaves in *@piece what may be moved at once. */
static int shared_turn(const struct stream *s, short events, const struct iovec *iov, struct iovec *piece)
{
	struct pollfd p = {.fd = s->fd, .events = events};

	if (poll(&p, 1, 0) < 0)
		return -errno;
	if (!p.revents)
		return -EAGAIN;
	*piece = iov[0];
	if (piece->iov_len > SHARED_PIECE)
		piece->iov_len = SHARED_PIECE;
	return 0;
}

enum direction { IN, OUT };

static ssize_t move(struct stream *s, enum direction way, const struct iovec *iov, int count)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)count};
	struct iovec piece;
	ssize_t n;

	switch (s->how) {
	case STREAM_CLOSED:
		return -EBADF;
	case STREAM_SOCKET:
		n = way == IN ? recvmsg(s->fd, &msg, MSG_DONTWAIT) : sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case STREAM_SHARED:
		n = shared_turn(s, way == IN ? POLLIN : POLLOUT, iov, &piece);
		if (n < 0)
			return n;
		n = way == IN ? readv(s->fd, &piece, 1) : writev(s->fd, &piece, 1);
		break;
	default:
		n = way == IN ? readv(s->fd, iov, count) : writev(s->fd, iov, count);
	}
	return n < 0 ? -errno : n;
}

ssize_t stream_read(struct stream *s, const struct iovec *iov, int count)
{
	return move(s, IN, iov, count);
}

ssize_t stream_write(struct stream *s, const struct iovec *iov, int count)
{
	return move(s, OUT, iov, count);
}
