/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control device (abi/control.h): signals and the window size from the host, the wish for input and the exit status
 * to it. A few buffers are always posted for messages of the host; each is acted on in its completion and posted again.
 */
#include <gk/init.h>
#include <gk/printk.h>
#include <gk/signal.h>
#include <gk/slab.h>

#include "drivers/console.h"

#define CTL_RX_COUNT 4

struct ctl_rx {
	struct virtq_req req;
	struct um_ctl_hdr hdr;
	union {
		struct um_ctl_signal signal;
		struct um_ctl_winsize winsize;
		u8 room[48];
	};
};

static struct virtq *rx_queue, *tx_queue;
static struct ctl_rx rx[CTL_RX_COUNT];

/* A message without data. */
struct ctl_tx {
	struct virtq_req req;
	struct um_ctl_hdr hdr;
};

static void rx_post(struct ctl_rx *r);

static void host_signal(const struct um_ctl_signal *s)
{
	struct tty *t = console_tty();

	if (s->signo < 1 || s->signo > NSIG || !init_process)
		return;
	if (s->pid == -1 && t && t->pgrp)
		tty_signal_foreground(t, (int)s->signo);
	else if (s->pid == -1)
		send_signal_host_group((int)s->signo, init_process);
	else
		send_signal_host((int)s->signo, init_process);
}

static void host_winsize(const struct um_ctl_winsize *w)
{
	const struct winsize ws = {w->rows, w->cols, w->xpixel, w->ypixel};

	if (console_tty())
		tty_set_winsize(console_tty(), &ws);
}

static void rx_done(struct virtq_req *req)
{
	struct ctl_rx *r = container_of(req, struct ctl_rx, req);

	if (r->hdr.type == UM_CTL_SIGNAL && r->hdr.len >= sizeof(r->signal))
		host_signal(&r->signal);
	else if (r->hdr.type == UM_CTL_WINSIZE && r->hdr.len >= sizeof(r->winsize))
		host_winsize(&r->winsize);
	rx_post(r);
}

static void rx_post(struct ctl_rx *r)
{
	const struct virtq_buf in = {&r->hdr, sizeof(r->hdr) + sizeof(r->room)};

	r->req.done = rx_done;
	if (virtq_submit(rx_queue, &r->req, NULL, 0, &in, 1))
		panic("control: no room for a buffer");
	virtq_kick(rx_queue);
}

static void tx_done(struct virtq_req *req)
{
	kfree(container_of(req, struct ctl_tx, req));
}

int control_want_stdin(void)
{
	struct ctl_tx *tx = kzalloc(sizeof(*tx));
	struct virtq_buf out;

	if (!tx)
		return -ENOMEM;
	tx->hdr.type = UM_CTL_STDIN_WANT;
	tx->req.done = tx_done;
	out = (struct virtq_buf){&tx->hdr, sizeof(tx->hdr)};
	virtq_submit_wait(tx_queue, &tx->req, &out, 1, NULL, 0);
	virtq_kick(tx_queue);
	return 0;
}

void control_report_exit(u32 wait_status)
{
	struct {
		struct um_ctl_hdr hdr;
		struct um_ctl_exit exit;
	} msg = {{UM_CTL_EXIT, sizeof(struct um_ctl_exit), 0}, {(s32)wait_status, 0}};
	const struct virtq_buf out = {&msg, sizeof(msg)};

	console_tty_drain();
	stream_drain();
	virtq_call(tx_queue, &out, 1, NULL, 0);
}

void control_init(void)
{
	rx_queue = virtq_get(UM_QUEUE_CTL_RX);
	tx_queue = virtq_get(UM_QUEUE_CTL_TX);
	if (!rx_queue || !tx_queue)
		panic("no control queues");
	for (u32 i = 0; i < CTL_RX_COUNT; i++)
		rx_post(&rx[i]);
}
