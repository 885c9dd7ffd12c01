/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console as a terminal (tty=1): /dev/console, with the line discipline here and a raw byte stream to the host.
 *
 * Two output messages alternate, so that one fills while the other is with the device. Input the discipline does not
 * take stays in its buffer until a program has read (con_rx_run()).
 */
#include "drivers/console.h"

#include <gk/init.h>
#include <gk/printk.h>
#include <gk/slab.h>

#define OUT_MESSAGES 2
#define OUT_SIZE 4096u

static struct tty *con_tty;
static struct con_tx *out[OUT_MESSAGES];
static bool out_busy[OUT_MESSAGES]; /* con_tty->lock */
static u32 out_bytes;		    /* con_tty->lock: with the device */
static bool broken;		    /* con_tty->lock: nobody takes output any more */

struct tty *console_tty(void)
{
	return con_tty;
}

/* Fills message @i and sends it; false when there is nothing to send or it is under way. */
static bool send_one(u32 i)
{
	struct n_tty *ld = &con_tty->ld;
	u32 n = 0;

	spin_lock(&con_tty->lock);
	if (broken) {
		ld->out_tail = ld->out_head;
		n_tty_flush_echo(ld);
		ld->out_tail = ld->out_head;
	}
	if (!out_busy[i] && !ld->stopped)
		n = n_tty_out_take(ld, out[i]->data, OUT_SIZE);
	if (n) {
		out_busy[i] = true;
		out_bytes += n;
		out[i]->len = n;
	}
	spin_unlock(&con_tty->lock);
	if (!n)
		return false;
	/* Two messages always fit: there is nothing else in the queue. */
	if (con_try_send(out[i], UM_CON_TTY))
		panic("console: output queue full");
	return true;
}

static void con_output(struct tty *t)
{
	for (u32 i = 0; i < OUT_MESSAGES; i++)
		send_one(i);
	if (n_tty_writable(&t->ld) && wait_queue_active(&t->write_wait))
		wake_up_poll(&t->write_wait, EPOLLOUT | EPOLLWRNORM);
}

static void out_done(struct virtq_req *r)
{
	struct con_tx *tx = container_of(r, struct con_tx, req);

	spin_lock(&con_tty->lock);
	for (u32 i = 0; i < OUT_MESSAGES; i++) {
		if (out[i] == tx)
			out_busy[i] = false;
	}
	out_bytes -= tx->len;
	spin_unlock(&con_tty->lock);
	con_output(con_tty);
	/* Who waits for the last byte (tcdrain) is not served by the test for room above. */
	wake_up_poll(&con_tty->write_wait, EPOLLOUT | EPOLLWRNORM);
}

static u32 con_pending(struct tty *t)
{
	u32 n;

	spin_lock(&t->lock);
	n = n_tty_outq(&t->ld) + out_bytes;
	spin_unlock(&t->lock);
	return n;
}

static void con_unthrottle(struct tty *t)
{
	con_rx_run();
}

bool console_tty_input(struct con_rx *rx)
{
	u32 n = tty_receive(con_tty, con_rx_data(rx), rx->len);

	rx->off += n;
	rx->len -= n;
	return rx->len == 0;
}

void console_tty_gone(void)
{
	spin_lock(&con_tty->lock);
	con_tty->other_closed = true;
	spin_unlock(&con_tty->lock);
	tty_signal_session_hangup(con_tty);
	wake_up_all_poll(&con_tty->read_wait, EPOLLIN | EPOLLRDNORM | EPOLLERR | EPOLLHUP);
	wake_up_all_poll(&con_tty->write_wait, EPOLLOUT | EPOLLWRNORM | EPOLLERR | EPOLLHUP);
}

void console_tty_broken(void)
{
	spin_lock(&con_tty->lock);
	broken = true;
	spin_unlock(&con_tty->lock);
	con_output(con_tty);
}

void console_tty_drain(void)
{
	if (!con_tty)
		return;
	spin_lock(&con_tty->lock);
	n_tty_start(&con_tty->ld, true);
	tty_unlock_and_run(con_tty);
	wait_event(&con_tty->write_wait, con_pending(con_tty) == 0);
}

static const struct tty_driver con_driver = {
	.name = "console",
	.output = con_output,
	.unthrottle = con_unthrottle,
	.pending = con_pending,
};

static int con_open(struct inode *inode, struct file *f)
{
	f->ops = &tty_ops;
	return tty_open(con_tty, f);
}

static const struct file_ops con_ops = {
	.open = con_open,
};

void console_tty_init(void)
{
	con_tty = tty_new(&con_driver, MKDEV(5, 1), NULL);
	for (u32 i = 0; i < OUT_MESSAGES; i++) {
		out[i] = kzalloc(sizeof(*out[i]) + OUT_SIZE);
		if (!con_tty || !out[i])
			panic("console: no memory");
		out[i]->req.done = out_done;
	}
	register_chrdev("console", 5, 1, 0620, &con_ops);
}
