/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control device: signals and window sizes into the guest, its exit and its wishes out (abi/control.h).
 * Control thread only.
 */
#ifndef UMBRA_VMM_CONTROL_H
#define UMBRA_VMM_CONTROL_H

#include <stdbool.h>

#include "abi/boot.h"
#include "abi/control.h"
#include "vmm/virtq.h"
#include "vmm/vm.h"

#define CONTROL_QUEUE_SIZE 16
#define CONTROL_DEAF_NS 5000000000

struct control_ops {
	void (*exited)(void *ctx, int wait_status);
	void (*stdin_want)(void *ctx);
	void (*log)(void *ctx, const char *text, size_t len);
};

struct control {
	struct vm *vm;
	struct virtq rx, tx;
	const struct control_ops *ops;
	void *ctx;

	/* What the guest has not been told yet. Standard signals coalesce, as everywhere. */
	uint64_t pending_first; /* bit signo - 1: for the first process */
	uint64_t pending_group; /* bit signo - 1: for its foreground process group */
	bool winsize_pending;

	/* Since when the guest has taken no message although there was one; 0: it has. */
	int64_t unheard_since_ns;
	uint16_t unheard_avail; /* what virtq_made_available() said then */
	struct um_ctl_winsize winsize;
};

/* Uses two queues of @boot. Returns 0 or -EINVAL. */
int control_init(struct control *c, struct vm *vm, const struct um_boot *boot, const struct control_ops *ops,
		 void *ctx);

/* The doorbell rang. True when there is more to do at once: call again after other work. */
bool control_notify(struct control *c);

/* Sends @signo (1..64) to @pid as in struct um_ctl_signal. */
void control_signal(struct control *c, unsigned int signo, int pid);

/*
 * Has the guest kernel ignored what was sent to it for so long (CONTROL_DEAF_NS of CLOCK_MONOTONIC), that it must be
 * taken for dead? Programs that ignore signals are no reason: the kernel takes them all the same.
 */
bool control_deaf(const struct control *c);

void control_winsize(struct control *c, const struct um_ctl_winsize *ws);

/* The exit status of a program with @wait_status, as a shell reports it: its own, or 128 + the signal. */
int control_exit_status(int wait_status);

#endif
