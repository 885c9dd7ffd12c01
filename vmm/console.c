/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console device. Data moves between guest buffers and host descriptors without a copy in between.
 *
 * Guest to host: chains wait in a list per stream, so that a blocked stdout does not hold up stderr; a chain is
 * returned when all of it is written, which is the guest's flow control. The virtqueue bounds how many there are. A
 * failed write is told once (UM_CON_BROKEN) and whatever follows is swallowed.
 *
 * Host to guest: one buffer of the guest is held ready; input is read only while the guest wants it (a terminal:
 * always), one buffer's worth per wish, so that input nobody asked for stays with the host.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "vmm/console.h"

/* A chain may name terabytes, and a regular file takes them all: then the loop gets its turn in between. */
#define TURN_BYTES (1u << 20)

/* ---- guest to host ---- */

/*
 * The pool has as many entries as the queue, and the virtqueue hands out no more chains than that:
 * never NULL for a chain.
 */
static struct con_tx *tx_get(struct console *con)
{
	struct con_tx *t = con->free;

	if (t)
		con->free = t->next;
	else if (con->pool_used < CONSOLE_QUEUE_SIZE)
		t = &con->pool[con->pool_used++];
	return t;
}

static void tx_put(struct console *con, struct con_tx *t)
{
	t->next = con->free;
	con->free = t;
}

static void tx_return(struct con_out *o)
{
	struct con_tx *t = o->first;

	o->first = t->next;
	if (!o->first)
		o->last = &o->first;
	virtq_push(&o->con->tx, t->chain.head, (uint32_t)o->error);
	tx_put(o->con, t);
}

static void tx_publish(struct console *con)
{
	if (virtq_publish(&con->tx))
		vm_interrupt(con->vm);
}

/* The part of @t that is still to be written, at most @most bytes of it. */
static int tx_iov(const struct con_tx *t, uint64_t most, struct iovec *iov)
{
	const uint64_t left = t->end - t->done;

	return (int)virtq_chain_readable(&t->chain, t->done, left < most ? left : most, iov);
}

static void out_close(struct con_out *o)
{
	loop_forget(o->con->loop, &o->source);
	/* The terminal's output descriptor stays: input goes on. */
	if (!o->con->tty)
		stream_close(o->io);
}

static void rx_pump(struct console *con);

static void out_broken(struct con_out *o, int error)
{
	if (o->error)
		return;
	o->error = error;
	out_close(o);
	o->con->tell_broken |= 1u << o->stream;
}

/* Later: when the other side is ready, or, where that cannot be waited for, in the next turn. */
static void out_later(struct con_out *o)
{
	if (loop_watch(o->con->loop, &o->source, EPOLLOUT) < 0)
		o->con->eager = true;
}

/* Writes until all is written, the other side makes us wait or the turn is over. */
static void out_drain(struct con_out *o)
{
	struct iovec iov[UM_VIRTQ_CHAIN_MAX];

	while (o->first) {
		struct con_tx *t = o->first;
		ssize_t n;

		if (t->done < t->end && !o->error) {
			if (o->con->budget == 0) {
				out_later(o);
				return;
			}
			n = stream_write(o->io, iov, tx_iov(t, o->con->budget, iov));
			if (n == -EINTR)
				continue;
			if (n == -EAGAIN) {
				loop_watch(o->con->loop, &o->source, EPOLLOUT);
				return;
			}
			if (n <= 0) {
				out_broken(o, n ? (int)-n : EIO);
			} else {
				t->done += (uint64_t)n;
				o->con->budget -= (uint64_t)n;
			}
			if (!o->error && t->done < t->end)
				continue;
		}
		if (t->eof && !o->error) {
			o->error = EBADF;
			out_close(o);
		}
		tx_return(o);
	}
	/* Nothing to write: still hear when the reader goes away. Regular files cannot be watched and need not. */
	if (!o->error)
		loop_watch(o->con->loop, &o->source, 0);
}

static void out_ready(void *ctx, uint32_t events)
{
	struct con_out *o = ctx;

	o->con->budget = TURN_BYTES;
	if (events & EPOLLERR)
		out_broken(o, EPIPE);
	else if (events & EPOLLHUP && !(events & EPOLLOUT))
		out_broken(o, EIO);
	out_drain(o);
	tx_publish(o->con);
	rx_pump(o->con);
	if (!o->first && o->con->written)
		o->con->written(o->con->ctx);
}

static struct con_out *out_stream(struct console *con, uint32_t stream)
{
	if (con->tty)
		return stream == UM_CON_TTY ? &con->out[1] : NULL;
	return stream == UM_CON_STDOUT || stream == UM_CON_STDERR ? &con->out[stream] : NULL;
}

/* Takes one chain into the list of its stream. False: the guest broke the protocol, the sandbox ends. */
static bool tx_accept(struct console *con, struct con_tx *t)
{
	struct um_con_hdr hdr;
	struct con_out *o;

	if (virtq_chain_read(&t->chain, 0, &hdr, sizeof(hdr)) != sizeof(hdr)) {
		vm_end(con->vm, VM_EXIT_FAILURE, "the guest kernel sent a console message without a header");
		return false;
	}
	o = out_stream(con, hdr.stream);
	if (!o || hdr.len > t->chain.out_bytes - sizeof(hdr)) {
		vm_end(con->vm, VM_EXIT_FAILURE,
		       "the guest kernel sent a bad console message (stream %u, %u of %llu bytes)", hdr.stream, hdr.len,
		       (unsigned long long)t->chain.out_bytes);
		return false;
	}
	t->done = sizeof(hdr);
	t->end = sizeof(hdr) + hdr.len;
	t->eof = hdr.flags & UM_CON_EOF;
	t->next = NULL;
	*o->last = t;
	o->last = &t->next;
	return true;
}

/* Takes in what the guest sent, at most a queue full. True: there is more. */
static bool tx_pump(struct console *con)
{
	struct con_tx *t = NULL;
	bool more;
	int r = 0;

	virtq_suppress(&con->tx, VIRTQ_QUIET);
	for (unsigned int i = 0; i < con->tx.size; i++) {
		t = tx_get(con);
		if (!t)
			break;
		r = virtq_pop(&con->tx, &t->chain);
		if (r > 0 && !tx_accept(con, t))
			return false;
		if (r <= 0) {
			tx_put(con, t);
			break;
		}
		/* At once: stdout and stderr may be the same file, and must come out in the order of the writes. */
		for (unsigned int s = 1; s < 3; s++) {
			if (con->out[s].first)
				out_drain(&con->out[s]);
		}
	}
	if (r < 0) {
		vm_end(con->vm, VM_EXIT_FAILURE, "console: %s", con->tx.fault);
		return false;
	}
	more = virtq_suppress(&con->tx, VIRTQ_LOUD);
	tx_publish(con);
	return more;
}

/* ---- host to guest ---- */

/* Makes sure that there is an empty buffer with room for a header and something. False: the guest has none for us now.
 */
static bool rx_ready(struct console *con)
{
	if (con->have_rx)
		return true;
	/* Who says "more" after the bell is on and then has none is no honest driver: not for ever. */
	for (int tries = 0; tries < 2; tries++) {
		const int r = virtq_pop(&con->rx, &con->rx_chain);

		if (r < 0)
			vm_end(con->vm, VM_EXIT_FAILURE, "console: %s", con->rx.fault);
		if (r < 0)
			return false;
		if (r == 0 && !virtq_suppress(&con->rx, VIRTQ_LOUD))
			return false;
		if (r == 0)
			continue;
		if (con->rx_chain.in_bytes <= sizeof(struct um_con_hdr)) {
			vm_end(con->vm, VM_EXIT_FAILURE, "the guest kernel gave the console a buffer without room");
			return false;
		}
		con->have_rx = true;
		virtq_suppress(&con->rx, VIRTQ_QUIET);
		return true;
	}
	return false;
}

static void rx_send(struct console *con, uint32_t stream, uint32_t flags, uint32_t len, int error)
{
	const struct um_con_hdr hdr = {.stream = stream, .flags = flags, .len = len, .reserved = (uint32_t)error};

	virtq_chain_write(&con->rx_chain, 0, &hdr, sizeof(hdr));
	virtq_push(&con->rx, con->rx_chain.head, (uint32_t)sizeof(hdr) + len);
	con->have_rx = false;
	if (virtq_publish(&con->rx))
		vm_interrupt(con->vm);
}

static ssize_t rx_read(struct console *con)
{
	struct iovec iov[UM_VIRTQ_CHAIN_MAX];
	const unsigned int count = virtq_chain_writable(&con->rx_chain, sizeof(struct um_con_hdr), SIZE_MAX, iov);

	return stream_read(&con->io[0], iov, (int)count);
}

/* Moves input once. False: nothing more can be done now (the source is watched if that will change by itself). */
static bool rx_step(struct console *con)
{
	const uint32_t stream = con->tty ? UM_CON_TTY : UM_CON_STDIN;
	ssize_t n = 0;

	if (!con->wanted || con->background || !rx_ready(con))
		return false;
	if (!con->at_eof) {
		n = rx_read(con);
		if (n == -EAGAIN || n == -EINTR) {
			loop_watch(con->loop, &con->in_source, EPOLLIN);
			return false;
		}
		if (n == -EIO && con->io[0].tty && con->in_background) {
			con->background = true;
			con->in_background(con->ctx);
			return false;
		}
	}
	if (n <= 0) {
		/* A terminal in line mode may have more to say after ^D, and a file may grow. */
		con->at_eof = n < 0 || con->tty || (!con->io[0].tty && con->io[0].how != STREAM_DIRECT);
		con->wanted = false;
		rx_send(con, stream, UM_CON_EOF, 0, 0);
		return false;
	}
	con->wanted = con->tty;
	rx_send(con, stream, 0, (uint32_t)n, 0);
	return con->wanted;
}

static void rx_pump(struct console *con)
{
	for (uint32_t s = UM_CON_STDOUT; con->tell_broken && s <= UM_CON_TTY; s++) {
		if (!(con->tell_broken & 1u << s))
			continue;
		if (!rx_ready(con))
			return;
		con->tell_broken &= ~(1u << s);
		rx_send(con, s, UM_CON_BROKEN, 0, out_stream(con, s)->error);
	}
	loop_forget(con->loop, &con->in_source);
	/* The guest's buffers bound this, and a flood of input must not keep the control thread from other work. */
	for (int i = 0; i < CONSOLE_QUEUE_SIZE && rx_step(con); i++)
		;
	/* Still eager after a full round: let the loop come back. */
	if (con->wanted && !con->background && con->have_rx && !con->in_source.added)
		loop_watch(con->loop, &con->in_source, EPOLLIN);
}

static void in_ready(void *ctx, uint32_t events)
{
	(void)events;
	rx_pump(ctx);
}

void console_want_input(struct console *con)
{
	con->wanted = true;
	rx_pump(con);
}

void console_foreground(struct console *con, bool eof)
{
	con->background = false;
	con->at_eof |= eof;
	rx_pump(con);
}

/* ---- life ---- */

struct console *console_new(struct vm *vm, struct loop *loop, const struct um_boot *boot, struct stream io[3], bool tty)
{
	struct console *con = calloc(1, sizeof(*con));

	if (!con)
		return NULL;
	if (virtq_init(&con->rx, vm, &boot->queue[UM_QUEUE_CON_RX]) < 0 ||
	    virtq_init(&con->tx, vm, &boot->queue[UM_QUEUE_CON_TX]) < 0 || con->tx.size > CONSOLE_QUEUE_SIZE) {
		free(con);
		return NULL;
	}
	con->vm = vm;
	con->loop = loop;
	con->tty = con->wanted = tty;
	for (unsigned int i = 0; i < 3; i++) {
		struct con_out *o = &con->out[i];

		con->io[i] = io[i];
		o->con = con;
		o->stream = tty ? UM_CON_TTY : i;
		o->io = &con->io[i];
		o->source = (struct loop_source){.fd = io[i].fd, .ready = out_ready, .ctx = o};
		o->last = &o->first;
		if (io[i].how == STREAM_CLOSED)
			o->error = EBADF;
	}
	con->in_source = (struct loop_source){.fd = io[0].fd, .ready = in_ready, .ctx = con};
	con->at_eof = io[0].how == STREAM_CLOSED;
	return con;
}

void console_start(struct console *con)
{
	for (unsigned int i = 1; i < (con->tty ? 2 : 3); i++) {
		if (!con->out[i].error)
			loop_watch(con->loop, &con->out[i].source, 0);
	}
	rx_pump(con);
}

bool console_notify(struct console *con)
{
	const bool eager = con->eager;
	bool more;

	con->budget = TURN_BYTES;
	con->eager = false;
	for (unsigned int s = 1; eager && s < 3; s++)
		out_drain(&con->out[s]);
	more = tx_pump(con) || con->eager;
	if (con->wanted || con->tell_broken)
		rx_pump(con);
	return more;
}

bool console_busy(const struct console *con)
{
	return con->out[1].first || con->out[2].first;
}

void console_free(struct console *con)
{
	if (!con)
		return;
	for (unsigned int i = 0; i < 3; i++)
		stream_close(&con->io[i]);
	free(con);
}
