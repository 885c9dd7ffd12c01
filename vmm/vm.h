/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One sandbox as the VMM sees it. All state hangs off struct vm; there are no file-scope variables in vmm/.
 *
 * Life: vm_create() (RAM) -> image_load(), boot block -> jail_enter() -> backend->create() -> devices ->
 * backend->start() -> event loop. See start() in vmm/main.c, which is that list. vm_destroy() is for tests; a VMM just
 * ends.
 */
#ifndef UMBRA_VMM_VM_H
#define UMBRA_VMM_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/boot.h"

typedef uint64_t gpa_t; /* a guest-physical address: an integer, never a pointer */

struct backend;
struct vm;

struct vm {
	/* Immutable after vm_create(). */
	unsigned int ncpus;
	uint64_t ram_bytes;
	int ram_fd;   /* memfd, sealed against resizing */
	uint8_t *ram; /* the whole RAM mapped in the VMM, MAP_NORESERVE */
	int doorbell; /* eventfd: written by the guest's side on UM_HC_NOTIFY, polled by the control thread */

	int log_fd; /* lines of the guest's debug log go here; -1: nowhere; set before backend->create() */

	/* The backend: immutable after backend->create(). */
	const struct backend *backend;
	void *backend_data;

	/* Called first in each thread that a backend starts: closes its list of system calls. NULL: nothing to do. */
	void (*thread_init)(struct vm *vm);
	/* A vCPU runs on another host CPU from now on; may be NULL. A thread of the backend; does not block. */
	void (*vcpu_moved)(struct vm *vm, unsigned int vcpu, int cpu);

	/* Set once, by whoever ends the sandbox first; see vm_end(). */
	_Atomic int ended;
	int exit_status;      /* for the launcher: 0-255, or 128+n */
	char end_reason[256]; /* empty: the guest ended by itself */
	int end_fd;	      /* eventfd that wakes the control thread once ended */
};

#define VM_RAM_MIN 0x1000000ull /* 16 MiB */

/*
 * Makes a sandbox with @ncpus (1..UM_MAX_VCPUS) and @ram_bytes (page multiple, VM_RAM_MIN..UM_RAM_MAX) of zeroed RAM,
 * without backend and devices. Returns 0 or a negative errno; on failure nothing is left behind.
 */
int vm_create(struct vm *vm, unsigned int ncpus, uint64_t ram_bytes);

/* Unmaps and closes what vm_create() made; the backend and all threads are gone. Idempotent. */
void vm_destroy(struct vm *vm);

/* Tells the guest to look at the used rings, and whether CLOCK_REALTIME was set. Any thread; does not block. */
void vm_interrupt(struct vm *vm);

/* Writes one line (without newline, any bytes, at most 1024) of the guest's debug log. Control thread. */
void vm_log(const struct vm *vm, const char *line, size_t len);

/*
 * The checked translation of every guest address the VMM uses. Returns a pointer to @len bytes of guest RAM at @gpa, or
 * NULL when any byte lies outside (overflow included) or @len is 0. The memory is shared with a hostile guest: read
 * each value once, into a local. Any thread.
 */
void *vm_gpa(const struct vm *vm, gpa_t gpa, uint64_t len);

#define VM_EXIT_FAILURE 125 /* exit status when umbra itself failed, as docker and env have it */

/*
 * Ends the sandbox: the first caller decides status and reason (printf style; NULL: the guest ended by itself); the
 * control thread does the rest. Any thread, never blocks. The reason is printed as one line "umbra: ...".
 */
void vm_end(struct vm *vm, int exit_status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
