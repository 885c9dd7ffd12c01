/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that VMM, template and spaces of the `user` backend share, and the words they wait on.
 *
 * Control memory (struct ctl) is mapped read-write in every space at UM_SWITCHER_CTL and somewhere in the VMM. A
 * hostile guest can write all of it at any time: the VMM takes numbers from it only (checked), never addresses it
 * follows or counts it loops over. The switcher may trust it, since who breaks it breaks only that guest.
 *
 * The channel (struct chan) is seen by the VMM and the template only, at UM_SWITCHER_PRIV: what it says is true.
 *
 * Included by C and assembly.
 */
#ifndef UMBRA_USER_CTL_H
#define UMBRA_USER_CTL_H

#include "abi/layout.h"
#include "abi/pvm.h"

#define CTL_MAX_SPACES 256
#define CTL_HOME 0 /* index of the home space: no root, carriers of every vCPU */

/* Offsets in struct ctl_vcpu for assembly. */
#define VC_MODE 0
#define VC_SLOW 8
#define VC_RSP 16
#define VC_EXIT_RSP 24
#define VC_STACK 32
#define VC_RESUME_UC 40
#define VC_PVCS 48

/* ctl_vcpu.mode */
#define VC_SUPER 0   /* guest kernel or switcher */
#define VC_USER 1    /* guest program: a kick has to be a signal */
#define VC_HALTED 2  /* asleep in HALT: a kick is a futex wake of this word */
#define VC_POLLING 3 /* in HALT, looking at pending: needs no kick */

/* What the backend keeps in the PVCS besides `backend`; see struct pvcs. */
#define PVCS_HV_COOKIE 32 /* proves to direct_entry that GS is the supervisor's */
#define PVCS_HV_LSTAR 40
#define PVCS_HV_EVENT_ENTRY 48
#define PVCS_COOKIE 0x5c0ffee15c0ffee1

/* Signal stacks: one slot a vCPU, and one for the keeper (in the template: for the template). Aligned to their size. */
#define SLOT_SIZE 0x8000
#define SLOT_KEEPER 64
#define SLOT_COUNT 65
/* At the bottom of each slot: who runs on it (struct carrier_self). */
#define SLOT_RESERVED 64

/* The shadow directory of a space (switcher/shadow.c): private memory of each space. */
#define UM_SHADOW_DIR 0x6e4000000000
#define UM_SHADOW_DIR_SIZE 0x500000

/* Descriptors of a space. */
#define SPACE_FD_RAM 3
#define SPACE_FD_DOORBELL 4

#define KICK_SIGNAL 10 /* SIGUSR1: standard signals coalesce, real-time ones queue up and then fail */

/* CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_PARENT_SETTID */
#define CARRIER_CLONE_FLAGS 0x150f00
/* CLONE_PARENT | SIGCHLD */
#define SPACE_CLONE_FLAGS 0x8011

#ifndef __ASSEMBLER__
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/boot.h"
#include "vmm/backend/backend.h"

/* ctl.state[] */
enum space_state {
	SPACE_EMPTY,	/* no process */
	SPACE_STARTING, /* VMM -> keeper: the process is being made */
	SPACE_READY,	/* keeper -> VMM: has its carriers, nothing mapped */
	SPACE_BLANK,	/* VMM or keeper: free to be bound */
	SPACE_BOUND,	/* stands for root[] */
	SPACE_DIRTY,	/* released; the keeper cleans it */
	SPACE_EXITING,	/* the keeper ends the process */
};

/* ctl_space.keeper: commands, a futex word; 0 = nothing to do */
#define KEEPER_DRAIN 0x1
#define KEEPER_CLEAN 0x2
#define KEEPER_SPAWN 0x4

/* ctl_carrier.word: the hand-over */
#define CARRIER_EMPTY 0
#define CARRIER_GO 1
#define CARRIER_SLEEPING 2

struct ctl_carrier {
	uint32_t word;
	uint32_t tid; /* 0: no such thread yet */
};

struct ctl_flush {
	uint64_t start;
	uint64_t len;
	uint32_t kind;
	uint32_t reserved;
};

#define CTL_FLUSH_QUEUE 32

/* One space: a process that stands for one guest page table. */
struct ctl_space {
	uint32_t active; /* how many vCPUs have it loaded */
	uint32_t pid;
	uint32_t keeper;    /* KEEPER_*, futex */
	uint64_t last_use;  /* a count, not a time: larger is later */
	uint32_t fill_lock; /* mutex, process-private: walk + mmap, and every munmap */
	uint32_t q_lock;    /* mutex: the flush queue; inside fill_lock */
	uint32_t q_count;
	uint32_t q_drop;	/* the queue was full: drop everything */
	uint32_t q_seq;		/* requests made */
	uint32_t q_done;	/* requests carried out; futex */
	uint32_t spawn_want[2]; /* a bit per vCPU: KEEPER_SPAWN is for these */
	uint32_t validate;	/* the shadow is from another table: compare before running anything */
	uint32_t maps;		/* hint: host mappings */
	uint32_t uses;		/* how often it was bound */
	uint32_t reserved;
	struct ctl_flush q[CTL_FLUSH_QUEUE];
	struct ctl_carrier carrier[UM_MAX_VCPUS];
	uint64_t fills, fill_pages, drops; /* statistics */
} __attribute__((aligned(2048)));

static_assert(sizeof(struct ctl_space) == 2048, "half a page");

/* Polling before a sleep; see next_poll(). */
struct ctl_poll {
	uint32_t us;   /* how long */
	uint32_t skip; /* so many times not at all */
};

/* One vCPU. The boot PVCS stands in until the guest names its own; the initial GS base points at it. */
struct ctl_vcpu {
	uint32_t mode; /* VC_*; futex while halted */
	uint32_t reserved0;
	uint64_t slow;	    /* eretu: not the fast way */
	uint64_t rsp;	    /* guest kernel stack at a hypercall, registers pushed on it */
	uint64_t exit_rsp;  /* user RSP on the slow ways out */
	uint64_t stack;	    /* switcher stack: top of this vCPU's signal stack slot, the same in every space */
	uint64_t resume_uc; /* the signal frame on the way back to user mode, 0 = none */
	uint64_t pvcs;	    /* address in a space; pvcs_gpa for the VMM */
	uint32_t index;
	uint32_t space;	   /* which space it has loaded */
	uint64_t pvcs_gpa; /* ~0: the boot PVCS below */
	uint64_t kernel_gs;
	uint64_t lstar;
	uint64_t event_entry;
	uint64_t retu_rip;
	uint64_t prefault; /* address of the last #PF delivered, 0 = none */
	uint64_t prefault_error;
	uint64_t deadline;			  /* ns, host CLOCK_MONOTONIC; ~0 = none */
	uint64_t start_rip, start_rsp, start_rdi; /* start_rip != 0: not yet running */
	uint32_t started;
	struct ctl_poll halt_poll, wait_poll;
	uint32_t served_beside; /* the next halt waits for a VMM thread on this CPU: no polling */
	uint32_t reserved2;
	uint64_t asleep_since, slept;				    /* TSC */
	struct vm_bell bell;					    /* of the file queues */
	uint64_t faults, events, syscalls, kicks, handovers, halts; /* statistics */
	struct pvcs boot_pvcs __attribute__((aligned(64)));
} __attribute__((aligned(512)));

static_assert(offsetof(struct ctl_vcpu, mode) == VC_MODE, "vcpu");
static_assert(offsetof(struct ctl_vcpu, slow) == VC_SLOW, "vcpu");
static_assert(offsetof(struct ctl_vcpu, rsp) == VC_RSP, "vcpu");
static_assert(offsetof(struct ctl_vcpu, exit_rsp) == VC_EXIT_RSP, "vcpu");
static_assert(offsetof(struct ctl_vcpu, stack) == VC_STACK, "vcpu");
static_assert(offsetof(struct ctl_vcpu, resume_uc) == VC_RESUME_UC, "vcpu");
static_assert(offsetof(struct ctl_vcpu, pvcs) == VC_PVCS, "vcpu");
static_assert(sizeof(struct ctl_vcpu) == 512, "vcpu");

/* ctl.requests: what the spaces want from the VMM's control thread (with a doorbell) */
#define CTL_REQ_SPACES 0x1 /* the pool is low, or a space changed its state */
#define CTL_REQ_LOG 0x2
#define CTL_REQ_SHUTDOWN 0x4
#define CTL_REQ_FATAL 0x8

/* ctl.fatal_why: why the switcher gave up; the VMM has the sentences */
enum ctl_fatal {
	FATAL_NONE,
	FATAL_FAULT,	   /* fault in supervisor mode with no way to tell the guest */
	FATAL_SWITCHER,	   /* fault in the switcher itself */
	FATAL_SYSCALL,	   /* host system call instruction in supervisor mode */
	FATAL_HOST_MEMORY, /* SIGBUS: the host has no memory for guest RAM */
	FATAL_MAP,	   /* the host refused a mapping */
	FATAL_CARRIER,	   /* the host refused a thread */
	FATAL_SPACE,	   /* the host refused processes: a vCPU cannot load its table */
	FATAL_COUNT,
};

#define CTL_LOG_BYTES 0x4000

/* ctl.flags */
#define CTL_POLL 0x2	    /* each vCPU has a host CPU of its own: polling before sleep makes sense */
#define CTL_KICK_DIRECT 0x1 /* tgkill is on the list of spaces: own PID namespace */

struct ctl {
	/* Written by the VMM before the template starts. */
	uint32_t ncpus;
	uint32_t max_spaces;
	uint32_t prespawn; /* carriers made with a space: for vCPUs 0 .. prespawn-1 (the home space has all) */
	uint32_t flags;	   /* CTL_* */
	uint64_t ram_bytes;
	uint64_t populate_start, populate_end; /* gpa range that new spaces map at once */
	uint32_t tsc_khz;
	uint32_t pool_low; /* fewer blank spaces: ask for more */
	uint32_t pool_max; /* more: a released one is not kept */
	uint32_t reserved;

	/* Spaces to VMM. */
	uint32_t requests __attribute__((aligned(64))); /* CTL_REQ_*, atomic or; the VMM exchanges it with 0 */
	uint32_t shutdown_status;
	uint32_t shutdown_kind;
	uint32_t fatal_why; /* enum ctl_fatal */
	uint64_t fatal[5];  /* vcpu, vector, address, rip, extra */

	/* Timer thread. */
	uint32_t timer_seq __attribute__((aligned(64))); /* futex: look again */
	uint32_t idle;	      /* it does not watch the load of vCPUs: wake it when one wakes up */
	uint64_t timer_armed; /* what the timer thread sleeps for */
	uint64_t kick_mask;   /* vCPUs to be kicked by the timer thread, when spaces may not */

	/* Spaces among themselves. */
	uint32_t space_lock __attribute__((aligned(64))); /* mutex: binding and releasing */
	uint32_t blank_seq;				  /* futex: a space became blank */
	uint32_t blank_waiters;
	uint32_t refused; /* the host gave no process or thread lately: idle spaces are taken, not waited for */
	uint64_t use_count;
	uint64_t blank[CTL_MAX_SPACES / 64]; /* a bit for each space in SPACE_BLANK; who clears it has it */
	uint32_t forever;		     /* always 0: a place to sleep for good */
	uint32_t log_lock;
	uint32_t carrier_waiters; /* keepers that the host has refused a thread: spaces to be cleaned end */
	uint32_t reserved5;

	uint32_t log_head, log_tail; /* free-running; head is the writer's */
	uint8_t log[CTL_LOG_BYTES];

	uint64_t root[CTL_MAX_SPACES];	/* which guest table a space stands for, 0 = none */
	uint32_t state[CTL_MAX_SPACES]; /* enum space_state */
	/* BIND_ROOT's family. A blank space of the right one still has a shadow, most of which will be right again. */
	uint64_t family[CTL_MAX_SPACES];
	uint32_t warm[CTL_MAX_SPACES]; /* blank, with a shadow from its last use */
	struct ctl_vcpu vcpu[UM_MAX_VCPUS];
	struct ctl_space space[CTL_MAX_SPACES];
};

/* Bottom of a signal stack slot. */
struct carrier_self {
	struct ctl_vcpu *vcpu; /* NULL: the keeper */
	struct ctl_space *space;
	uint32_t space_index;
	uint32_t reserved;
};

static_assert(sizeof(struct carrier_self) <= SLOT_RESERVED, "slot");

#define CHAN_FILTER_MAX 400

/* VMM and template. */
struct chan {
	uint32_t req_seq;	      /* futex: VMM -> template */
	uint32_t ready;		      /* futex: the template has its filter and waits (1), or failed (negative errno) */
	uint8_t want[CTL_MAX_SPACES]; /* VMM sets, template clears after storing pid[] */
	int32_t pid[CTL_MAX_SPACES];  /* > 0 process, < 0 errno */
	uint32_t filter_len;
	uint32_t reserved;
	uint64_t filter[CHAN_FILTER_MAX]; /* struct sock_filter */
};

#define CHAN_SIZE 0x3000
static_assert(sizeof(struct chan) <= CHAN_SIZE, "channel");

/* First thing in the switcher's text: where its parts are. */
#define SWITCHER_MAGIC 0x6863746977536d55ull
struct switcher_header {
	uint64_t magic;
	uint64_t text_end;	 /* end of the part that stays */
	uint64_t template_start; /* template-only pages */
	uint64_t template_end;
	uint64_t template_entry; /* the forked child jumps here */
	uint64_t clone_ip;	 /* address behind the one instruction that may create a process */
	uint64_t signal_entry;
	uint64_t hypercall_entry;
	uint64_t eretu_entry;
	uint64_t direct_entry;
};
#endif

#endif
