/* SPDX-License-Identifier: Apache-2.0 */
/* The console device: what its parts (queues, streams, terminal) and the control device call of each other. */
#ifndef GUEST_DRIVERS_CONSOLE_H
#define GUEST_DRIVERS_CONSOLE_H

#include <abi/control.h>
#include <gk/list.h>
#include <gk/virtq.h>

#include "drivers/tty.h"

#define CON_RX_ORDER 4 /* 64 KB of input at a time */
#define CON_RX_SIZE ((u32)PAGE_SIZE << CON_RX_ORDER)
#define CON_TX_MAX 65536u /* bytes of one output message */

/* A buffer of input. Posted with the device, then with whoever consumes it, then posted again. */
struct con_rx {
	struct virtq_req req;
	struct list_head link;	/* posted list, or the consumer's */
	bool done;		/* rx_lock: filled */
	u32 off, len;		/* data not consumed yet; consumer's */
	struct um_con_hdr *hdr; /* the buffer: header, then data */
};

/* A piece of output. */
struct con_tx {
	struct virtq_req req;
	void *owner;
	u32 len;
	struct um_con_hdr hdr;
	u8 data[];
};

/* drivers/console.c */
/* Data of the input buffer. */
static inline u8 *con_rx_data(struct con_rx *rx)
{
	return (u8 *)(rx->hdr + 1) + rx->off;
}
/* Offers the buffer to the device again. Any context. */
void con_rx_post(struct con_rx *rx);
/* Sends tx->len bytes to @stream; the device gives it back through tx->req.done. May sleep. */
void con_send(struct con_tx *tx, u32 stream);
/* Like it, from anywhere; -EAGAIN if the queue is full. */
int con_try_send(struct con_tx *tx, u32 stream);
/* Messages that may be under way for one stream without blocking the others. */
u32 con_tx_limit(void);

/* drivers/console_stream.c */
void stream_init(void);
/* Input, or the end of it; takes over the buffer. */
void stream_input(struct con_rx *rx, bool eof);
void stream_broken(u32 stream, int error);
void stream_drain(void); /* sleeps until all output is with the host */
/* The file for descriptor @n, NULL if the host has none there, or ERR_PTR. */
struct file *stream_open(u32 n);

/* drivers/console_tty.c */
void console_tty_init(void);
/* Takes what the terminal takes of it; false: keep it and try again when asked (con_rx_run()). */
bool console_tty_input(struct con_rx *rx);
void console_tty_gone(void); /* the host's terminal is gone */
void console_tty_broken(void);
void console_tty_drain(void);
struct tty *console_tty(void); /* NULL: no terminal */
void con_rx_run(void);	       /* drivers/console.c: goes on with input that could not be consumed */

/* drivers/control.c */
int control_want_stdin(void); /* may sleep; 0 or -ENOMEM */

#endif
