/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What runs a guest's vCPUs. `user` is the first; `pvm` (/dev/umbra) and `kvm` follow. Nothing in the guest image
 * depends on which one it is: the boot block's hypercall page is all it sees.
 */
#ifndef UMBRA_VMM_BACKEND_H
#define UMBRA_VMM_BACKEND_H

#include <stdint.h>
#include <sys/types.h>

struct um_boot;
struct vm;

/*
 * A doorbell of one vCPU's own, for the file queues, in memory shared with the guest's side: a thread of the VMM on the
 * same CPU waits on it, because waking one there costs 2 us and across CPUs 60. Untrusted: it says when to look,
 * nothing else. NOTIFY counts up, then: ASLEEP, wakes by futex; AWAKE, nothing (the thread looks at the count before it
 * sleeps); BUSY, rings the common doorbell instead, for somebody else to serve.
 */
struct vm_bell {
	uint32_t count;	   /* futex */
	uint32_t listener; /* BELL_* */
};

#define BELL_BUSY 0 /* so it is before somebody listens */
#define BELL_AWAKE 1
#define BELL_ASLEEP 2

struct backend {
	const char *name;

	/*
	 * Can this host run it? Returns 0, or a negative errno with one sentence in @why (what is missing, what to do).
	 * No side effects; any time.
	 */
	int (*probe)(char *why, size_t why_size);

	/*
	 * Creates what later runs the vCPUs (for `user`: control memory, template process, first spaces) and fills the
	 * backend's fields of the boot block (linear_base, hypercall_entry, eretu_entry, direct_entry, features,
	 * user_*, max_spaces). Single-threaded, after jail_enter(), so that nothing it makes has more rights than that
	 * leaves. On failure nothing is left behind. linear_base is known earlier, from linear_base().
	 */
	int (*create)(struct vm *vm, struct um_boot *boot);

	/* The most processes and threads that all of it, with the VMM's own, will ever be with @ncpus vCPUs. */
	unsigned int (*max_tasks)(unsigned int ncpus);

	/* Supervisor address of gpa 0: needed to relocate the image. */
	uint64_t (*linear_base)(const struct vm *vm);

	/* Starts vCPU 0 at @entry (supervisor address). The jail is closed; after this guest code runs. */
	int (*start)(struct vm *vm, uint64_t entry);

	/* Sets UM_PENDING_* bits on a vCPU, ends its halt, takes it out of user mode. Any thread; does not block. */
	void (*interrupt)(struct vm *vm, unsigned int vcpu, uint64_t pending);

	/*
	 * The bell of @vcpu and the host CPU it runs on (-1: any). NULL: there is only the common doorbell. After
	 * create().
	 */
	struct vm_bell *(*bell)(struct vm *vm, unsigned int vcpu, int *cpu);

	/*
	 * A child of the VMM has died (control thread, from SIGCHLD). Returns 1 if it was the backend's and expected,
	 * 0 if it is not the backend's; an unexpected death ends the sandbox with vm_end().
	 */
	int (*child_died)(struct vm *vm, pid_t pid, int wait_status);

	/* Work the backend asked for through its doorbell (pool refill...). Control thread. */
	void (*poll)(struct vm *vm);

	/* What running the guest has cost so far, as one line for people. Any thread after create(). */
	void (*describe)(const struct vm *vm, char *text, size_t size);

	/*
	 * Kills every process of the backend: no guest code runs any more. Its memory stays, for threads that still
	 * look at it; no thread is waited for. Control thread.
	 */
	void (*kill)(struct vm *vm);

	/* Kills every process of the backend and frees everything. Idempotent; accepts a half-built backend. */
	void (*destroy)(struct vm *vm);
};

extern const struct backend backend_user;

#endif
