/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control device. What is to be told to the guest is kept as state, not as a queue of messages: it cannot grow,
 * whatever the guest does with its buffers. Each message of the guest is copied out once and then judged.
 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "vmm/control.h"

#define LOG_MAX 1024

static bool rx_take(struct control *c, struct virtq_chain *chain)
{
	const size_t need = sizeof(struct um_ctl_hdr) + sizeof(struct um_ctl_winsize);

	/* As in rx_ready() of the console: not for ever. */
	for (int tries = 0; tries < 2; tries++) {
		const int r = virtq_pop(&c->rx, chain);

		if (r < 0) {
			vm_end(c->vm, VM_EXIT_FAILURE, "control: %s", c->rx.fault);
			return false;
		}
		if (r > 0) {
			if (chain->in_bytes >= need)
				return true;
			vm_end(c->vm, VM_EXIT_FAILURE,
			       "the guest kernel gave the control device a buffer without room");
			return false;
		}
		if (!virtq_suppress(&c->rx, VIRTQ_LOUD))
			return false;
	}
	return false;
}

static void rx_send(struct control *c, const struct virtq_chain *chain, uint32_t type, const void *body, uint32_t len)
{
	const struct um_ctl_hdr hdr = {.type = type, .len = len};

	virtq_chain_write(chain, 0, &hdr, sizeof(hdr));
	virtq_chain_write(chain, sizeof(hdr), body, len);
	virtq_push(&c->rx, chain->head, (uint32_t)sizeof(hdr) + len);
}

/* The lowest signal of *@set is taken out of it. */
static unsigned int take_signal(uint64_t *set)
{
	const unsigned int bit = (unsigned int)__builtin_ctzll(*set);

	*set &= *set - 1;
	return bit + 1;
}

static void rx_pump(struct control *c)
{
	struct virtq_chain chain;

	while ((c->winsize_pending || c->pending_first || c->pending_group) && rx_take(c, &chain)) {
		struct um_ctl_signal sig = {0};

		/* The size first: SIGWINCH makes programs ask for it. */
		if (c->winsize_pending) {
			c->winsize_pending = false;
			rx_send(c, &chain, UM_CTL_WINSIZE, &c->winsize, sizeof(c->winsize));
			continue;
		}
		sig.pid = c->pending_first ? 1 : -1;
		sig.signo = take_signal(c->pending_first ? &c->pending_first : &c->pending_group);
		rx_send(c, &chain, UM_CTL_SIGNAL, &sig, sizeof(sig));
	}
	if (virtq_publish(&c->rx))
		vm_interrupt(c->vm);
}

static void got_exit(struct control *c, const struct virtq_chain *chain)
{
	struct um_ctl_exit e;

	if (virtq_chain_read(chain, sizeof(struct um_ctl_hdr), &e, sizeof(e)) == sizeof(e))
		c->ops->exited(c->ctx, e.wait_status);
	else
		vm_end(c->vm, VM_EXIT_FAILURE, "the guest kernel reported an exit without a status");
}

static void got_log(struct control *c, const struct virtq_chain *chain, uint32_t len)
{
	char text[LOG_MAX];

	if (len > sizeof(text))
		len = sizeof(text);
	c->ops->log(c->ctx, text, virtq_chain_read(chain, sizeof(struct um_ctl_hdr), text, len));
}

static void tx_message(struct control *c, const struct virtq_chain *chain)
{
	struct um_ctl_hdr hdr;

	if (virtq_chain_read(chain, 0, &hdr, sizeof(hdr)) != sizeof(hdr)) {
		vm_end(c->vm, VM_EXIT_FAILURE, "the guest kernel sent a control message without a header");
		return;
	}
	switch (hdr.type) {
	case UM_CTL_EXIT:
		got_exit(c, chain);
		break;
	case UM_CTL_STDIN_WANT:
		c->ops->stdin_want(c->ctx);
		break;
	case UM_CTL_LOG:
		got_log(c, chain, hdr.len);
		break;
	default:
		vm_end(c->vm, VM_EXIT_FAILURE, "the guest kernel sent a control message of unknown type %u", hdr.type);
	}
}

bool control_notify(struct control *c)
{
	bool more;

	virtq_suppress(&c->tx, VIRTQ_QUIET);
	/* At most a queue full per turn, so that a chatty guest cannot hold the control thread. */
	for (unsigned int i = 0; i < c->tx.size; i++) {
		struct virtq_chain chain;
		const int r = virtq_pop(&c->tx, &chain);

		if (r == 0)
			break;
		if (r < 0) {
			vm_end(c->vm, VM_EXIT_FAILURE, "control: %s", c->tx.fault);
			return false;
		}
		tx_message(c, &chain);
		virtq_push(&c->tx, chain.head, 0);
	}
	more = virtq_suppress(&c->tx, VIRTQ_LOUD);
	if (virtq_publish(&c->tx))
		vm_interrupt(c->vm);
	rx_pump(c);
	return more;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* A kernel that takes a message gives its buffer back. */
static bool heard(const struct control *c)
{
	return !c->unheard_since_ns || virtq_made_available(&c->rx) != c->unheard_avail;
}

bool control_deaf(const struct control *c)
{
	return !heard(c) && now_ns() - c->unheard_since_ns >= CONTROL_DEAF_NS;
}

void control_signal(struct control *c, unsigned int signo, int pid)
{
	if (signo < 1 || signo > 64)
		return;
	if (pid == 1)
		c->pending_first |= 1ull << (signo - 1);
	else
		c->pending_group |= 1ull << (signo - 1);
	if (heard(c)) {
		c->unheard_since_ns = now_ns();
		c->unheard_avail = virtq_made_available(&c->rx);
	}
	rx_pump(c);
}

void control_winsize(struct control *c, const struct um_ctl_winsize *ws)
{
	c->winsize = *ws;
	c->winsize_pending = true;
	rx_pump(c);
}

int control_init(struct control *c, struct vm *vm, const struct um_boot *boot, const struct control_ops *ops, void *ctx)
{
	int err;

	*c = (struct control){.vm = vm, .ops = ops, .ctx = ctx};
	err = virtq_init(&c->rx, vm, &boot->queue[UM_QUEUE_CTL_RX]);
	if (!err)
		err = virtq_init(&c->tx, vm, &boot->queue[UM_QUEUE_CTL_TX]);
	return err;
}

int control_exit_status(int wait_status)
{
	if (WIFEXITED(wait_status))
		return WEXITSTATUS(wait_status);
	return 128 + WTERMSIG(wait_status);
}
