/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The console device: the guest's stdin, stdout and stderr, or its terminal, on two queues (abi/control.h).
 * Control thread only.
 */
#ifndef UMBRA_VMM_CONSOLE_H
#define UMBRA_VMM_CONSOLE_H

#include <stdbool.h>

#include "abi/boot.h"
#include "abi/control.h"
#include "vmm/loop.h"
#include "vmm/stream.h"
#include "vmm/virtq.h"
#include "vmm/vm.h"

#define CONSOLE_QUEUE_SIZE 64

struct console;

/* One chain on its way out. */
struct con_tx {
	struct con_tx *next;
	struct virtq_chain chain;
	uint64_t done; /* readable bytes consumed, the header included */
	uint64_t end;  /* where the data ends */
	bool eof;      /* the guest closes the stream after this */
};

struct con_out {
	struct console *con;
	uint32_t stream;
	struct stream *io;
	struct loop_source source;
	struct con_tx *first;
	struct con_tx **last;
	int error; /* errno of the write that failed; later data is swallowed */
};

struct console {
	struct vm *vm;
	struct loop *loop;
	struct virtq rx, tx;
	struct stream io[3];
	bool tty;

	/* host to guest */
	struct loop_source in_source;
	bool wanted;	 /* the guest waits for input */
	bool background; /* we may not read the terminal now */
	bool at_eof;
	bool have_rx; /* rx_chain is an empty buffer of the guest's */
	struct virtq_chain rx_chain;
	uint32_t tell_broken; /* bit per stream: UM_CON_BROKEN is still to be sent */

	/* guest to host: streams 1 and 2, or only [1] with a terminal */
	struct con_out out[3];
	struct con_tx pool[CONSOLE_QUEUE_SIZE];
	unsigned int pool_used; /* pool entries from here on were never touched */
	struct con_tx *free;
	uint64_t budget; /* bytes that may still be written in this turn */
	bool eager;	 /* it was used up, and nothing will call us to go on */

	/* Called when the terminal may not be read because we are in the background. */
	void (*in_background)(void *ctx);
	/* Called when a stream that had to wait has been written. */
	void (*written)(void *ctx);
	void *ctx;
};

/*
 * Makes a console of the streams @io (taken over) on the two queues of @boot. @tty: one terminal, io[0] and io[1],
 * instead of three streams. Returns the console or NULL (no memory, bad queue). The loop is used from console_start()
 * on.
 */
struct console *console_new(struct vm *vm, struct loop *loop, const struct um_boot *boot, struct stream io[3],
			    bool tty);
void console_free(struct console *con);

/* Starts to watch the host's side. */
void console_start(struct console *con);

/* The doorbell rang. True when there is more to do at once: call again after other work. */
bool console_notify(struct console *con);

/* The guest waits for input. */
void console_want_input(struct console *con);

/* After in_background(): the terminal may be read again, or (@eof) never will be. */
void console_foreground(struct console *con, bool eof);

/* True while output of the guest waits for a slow reader. */
bool console_busy(const struct console *con);

#endif
