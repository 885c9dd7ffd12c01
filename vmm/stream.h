/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host side of a console stream: a descriptor the user gave us, which others may share.
 *
 * Its open file description is not ours: O_NONBLOCK is never set on it. Where the file can be opened once more (pipes,
 * terminals) we get a description of our own; sockets take a flag per call; regular files do not block; for the rest we
 * ask poll() first and move small pieces.
 */
#ifndef UMBRA_VMM_STREAM_H
#define UMBRA_VMM_STREAM_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

enum stream_how {
	STREAM_CLOSED, /* there is no such descriptor */
	STREAM_DIRECT, /* never blocks for long: regular files, /dev/null */
	STREAM_OWN,    /* a non-blocking description of our own */
	STREAM_SOCKET,
	STREAM_SHARED, /* could block: poll() first */
};

struct stream {
	int fd; /* -1 when closed; owned */
	enum stream_how how;
	bool tty;
	const char *kind; /* for the configuration: "file", "pipe", "chr", "null", "closed" */
};

/*
 * Makes @s from the inherited descriptor @fd, for reading and/or writing as @flags (O_RDONLY, O_WRONLY, O_RDWR) says.
 * @fd stays the caller's. Needs /proc for the best result. A closed @fd gives a closed stream; never fails.
 */
void stream_open(struct stream *s, int fd, int flags);
void stream_close(struct stream *s);

/* Like readv/writev, never blocking: a count, 0 (end of file, reading only), or a negative errno (-EAGAIN: ask epoll).
 */
ssize_t stream_read(struct stream *s, const struct iovec *iov, int count);
ssize_t stream_write(struct stream *s, const struct iovec *iov, int count);

#endif
