/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console device's queues (abi/control.h): input buffers and who gets them, output messages.
 *
 * The device fills buffers in the order they were posted, but their completions may run on several vCPUs at once. So
 * completions only mark, and one of them at a time (rx_busy) takes filled buffers off the front of the posted list and
 * hands them out: standard input to its reader's list, terminal input to the line discipline (which may refuse when it
 * is full; then the buffer stays in front), news about broken output streams.
 *
 * What a file on it does is in console_stream.c and console_tty.c.
 */
#include "drivers/console.h"

#include <gk/init.h>
#include <gk/printk.h>
#include <gk/slab.h>

#define CON_RX_COUNT 4

static struct virtq *rx_queue, *tx_queue;
static spinlock_t rx_lock;
static LIST_HEAD(rx_posted);   /* rx_lock */
static bool rx_busy, rx_again; /* rx_lock */

static void rx_done(struct virtq_req *r)
{
	struct con_rx *rx = container_of(r, struct con_rx, req);
	u32 room = r->written > sizeof(*rx->hdr) ? r->written - (u32)sizeof(*rx->hdr) : 0;

	rx->off = 0;
	rx->len = MIN(rx->hdr->len, room);
	smp_store_release(&rx->done, true);
	con_rx_run();
}

void con_rx_post(struct con_rx *rx)
{
	const struct virtq_buf in = {rx->hdr, CON_RX_SIZE};

	rx->req.done = rx_done;
	rx->done = false;
	spin_lock(&rx_lock);
	/* Order in the list and in the ring must be the same: both under the lock. */
	if (virtq_submit(rx_queue, &rx->req, NULL, 0, &in, 1))
		panic("console: no room for an input buffer");
	list_add_tail(&rx->link, &rx_posted);
	spin_unlock(&rx_lock);
	virtq_kick(rx_queue);
}

/* True: the buffer has found its place. */
static bool rx_dispatch(struct con_rx *rx)
{
	const struct um_con_hdr *h = rx->hdr;

	if (h->flags & UM_CON_BROKEN) {
		if (h->stream == UM_CON_TTY)
			console_tty_broken();
		else
			stream_broken(h->stream, (int)h->reserved);
	} else if (h->stream == UM_CON_STDIN) {
		spin_lock(&rx_lock);
		list_del(&rx->link);
		spin_unlock(&rx_lock);
		stream_input(rx, h->flags & UM_CON_EOF);
		return true;
	} else if (h->stream == UM_CON_TTY) {
		if (rx->len && !console_tty_input(rx))
			return false;
		if (h->flags & UM_CON_EOF)
			console_tty_gone();
	}
	spin_lock(&rx_lock);
	list_del(&rx->link);
	spin_unlock(&rx_lock);
	con_rx_post(rx);
	return true;
}

void con_rx_run(void)
{
	struct con_rx *rx;
	bool go_on;

	spin_lock(&rx_lock);
	if (rx_busy) {
		rx_again = true;
		spin_unlock(&rx_lock);
		return;
	}
	rx_busy = true;
	do {
		rx_again = false;
		rx = list_first_entry_or_null(&rx_posted, struct con_rx, link);
		if (!rx || !smp_load_acquire(&rx->done))
			break;
		spin_unlock(&rx_lock);
		go_on = rx_dispatch(rx);
		spin_lock(&rx_lock);
	} while (go_on || rx_again);
	rx_busy = false;
	spin_unlock(&rx_lock);
}

u32 con_tx_limit(void)
{
	return virtq_size(tx_queue) / 4;
}

static struct virtq_buf tx_buf(struct con_tx *tx, u32 stream)
{
	tx->hdr = (struct um_con_hdr){.stream = stream, .len = tx->len};
	return (struct virtq_buf){&tx->hdr, (u32)sizeof(tx->hdr) + tx->len};
}

void con_send(struct con_tx *tx, u32 stream)
{
	const struct virtq_buf out = tx_buf(tx, stream);

	virtq_submit_wait(tx_queue, &tx->req, &out, 1, NULL, 0);
	virtq_kick(tx_queue);
}

int con_try_send(struct con_tx *tx, u32 stream)
{
	const struct virtq_buf out = tx_buf(tx, stream);
	int ret = virtq_submit(tx_queue, &tx->req, &out, 1, NULL, 0);

	if (!ret)
		virtq_kick(tx_queue);
	return ret;
}

/* A file in the first program's table at exactly @fd. */
static int install_at(int fd, struct file *f)
{
	int got = fd_reserve_from((u32)fd, 0);

	if (got != fd) {
		if (got >= 0)
			fd_release(got);
		file_put(f);
		return got < 0 ? got : -EBUSY;
	}
	fd_install(fd, f);
	return 0;
}

int console_open_stdio(void)
{
	struct file *f = NULL;
	int ret = 0;

	if (console_tty()) {
		f = filp_open("/dev/console", O_RDWR, 0);
		if (IS_ERR(f))
			f = anon_inode_file("/dev/console", S_IFCHR | 0620, &tty_ops, NULL, O_RDWR);
		if (IS_ERR_OR_NULL(f))
			return f ? (int)PTR_ERR(f) : -ENOMEM;
		if (!f->private)
			ret = tty_open(console_tty(), f);
		for (int fd = 0; fd < 3 && !ret; fd++)
			ret = install_at(fd, file_get(f));
		file_put(f);
		return ret;
	}
	for (u32 fd = 0; fd < 3 && !ret; fd++) {
		f = stream_open(fd);
		if (IS_ERR(f))
			return (int)PTR_ERR(f);
		if (f)
			ret = install_at((int)fd, f);
	}
	return ret;
}

void console_init(void)
{
	rx_queue = virtq_get(UM_QUEUE_CON_RX);
	tx_queue = virtq_get(UM_QUEUE_CON_TX);
	if (!rx_queue || !tx_queue)
		panic("no console queues");
	if (config_get("tty"))
		console_tty_init();
	else
		stream_init();
	for (int i = 0; i < CON_RX_COUNT; i++) {
		struct con_rx *rx = kzalloc(sizeof(*rx));
		struct page *p = alloc_pages(CON_RX_ORDER, 0);

		if (!rx || !p)
			panic("console: no memory");
		rx->hdr = page_address(p);
		con_rx_post(rx);
	}
}
