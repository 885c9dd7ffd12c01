/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz entry for the console and control devices: the input is the memory of all four rings and of the buffers they
 * name. The devices must live through it, end the sandbox with a sentence at most, and never write more than a queue
 * full per doorbell.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "fuzz.h"
#include "../check.h"
#include "../unit/fakevm.h"
#include "vmm/console.h"
#include "vmm/control.h"

#define RAM 0x10000
#define ENTRIES 8

static struct {
	struct vm vm;
	struct loop loop;
	struct um_boot boot;
	int null_in, null_out;
	unsigned int exits;
} rig;

static void exited(void *ctx, int status)
{
	(void)ctx, (void)status;
	CHECK(++rig.exits < 10 * ENTRIES);
}

static void want(void *ctx)
{
	console_want_input(ctx);
}

static void got_log(void *ctx, const char *text, size_t len)
{
	volatile char last = len ? text[len - 1] : 0;

	(void)ctx, (void)last;
}

static void setup(void)
{
	static const unsigned int queues[] = {UM_QUEUE_CON_RX, UM_QUEUE_CON_TX, UM_QUEUE_CTL_RX, UM_QUEUE_CTL_TX};
	gpa_t cursor = 0;

	fakevm_init(&rig.vm, RAM);
	CHECK_EQ(loop_init(&rig.loop), 0);
	for (size_t i = 0; i < 4; i++)
		CHECK_EQ(virtq_place(&rig.boot.queue[queues[i]], ENTRIES, &cursor, RAM), 0);
	rig.null_in = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	rig.null_out = open("/dev/null", O_WRONLY | O_CLOEXEC);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct control_ops ops = {exited, want, got_log};
	struct stream io[3];
	struct console *con;
	struct control ctl;

	if (!rig.vm.ram)
		setup();
	memset(rig.vm.ram, 0, RAM);
	memcpy(rig.vm.ram, data, size < RAM ? size : RAM);
	/* Indices that are far off end it at once: keep most of them near. */
	for (size_t i = 0; i < UM_MAX_QUEUES; i++) {
		struct virtq_avail *avail = vm_gpa(&rig.vm, rig.boot.queue[i].avail, 4);

		if (rig.boot.queue[i].size && avail->idx > 2 * ENTRIES)
			avail->idx %= ENTRIES + 1;
	}
	rig.vm.ended = 0;
	rig.exits = 0;
	stream_open(&io[0], rig.null_in, O_RDONLY);
	stream_open(&io[1], rig.null_out, O_WRONLY);
	stream_open(&io[2], -1, O_WRONLY);
	con = console_new(&rig.vm, &rig.loop, &rig.boot, io, size % 2);
	CHECK(con);
	CHECK_EQ(control_init(&ctl, &rig.vm, &rig.boot, &ops, con), 0);
	console_start(con);
	for (int i = 0; i < 4; i++) {
		control_signal(&ctl, 15, i % 2 ? 1 : -1);
		control_winsize(&ctl, &(struct um_ctl_winsize){.rows = 1});
		console_notify(con);
		control_notify(&ctl);
	}
	loop_forget(&rig.loop, &con->in_source);
	loop_forget(&rig.loop, &con->out[1].source);
	loop_forget(&rig.loop, &con->out[2].source);
	console_free(con);
	return 0;
}
