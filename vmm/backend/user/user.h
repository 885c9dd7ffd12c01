/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `user` backend, VMM side: its own declarations. ctl.h has what is shared with the spaces, and how far it may be
 * trusted.
 */
#ifndef UMBRA_USER_H
#define UMBRA_USER_H

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "ctl.h"
#include "vmm/vm.h"

struct sock_filter;

enum rec_state { REC_EMPTY, REC_CREATING, REC_LIVE };

#define EARLY_MAX 32

/* What we know ourselves about a space. */
struct space_rec {
	enum rec_state state; /* control thread */
	bool announced;	      /* control thread: has been made blank (the home space: has been used) */
	uint64_t pinned;      /* control thread: carriers whose CPU is set */
	_Atomic pid_t pid;    /* 0: none; any thread reads it for kicks */
};

/* Where vCPUs run. */
struct affinity {
	_Atomic int cpu[UM_MAX_VCPUS]; /* -1: anywhere */
	uint16_t allowed[CPU_SETSIZE]; /* immutable after affinity_init() */
	unsigned int nr_allowed;
	/* Timer thread: the last round. */
	uint64_t last_ns, used_ns;
	uint64_t slept[UM_MAX_VCPUS];
};

struct user_backend {
	struct vm *vm;
	struct ctl *ctl;   /* shared with the guest: untrusted */
	struct chan *chan; /* shared with the template: trusted */
	int ctl_fd, chan_fd, text_fd;
	struct switcher_header hdr;
	pid_t template_pid; /* 0: none */
	bool own_pid_ns;
	uint32_t tsc_khz;
	unsigned int max_spaces;
	unsigned int pool_target;
	uint64_t retry_ns; /* the host refuses processes: none is asked for before this time */
	/* Control thread: dead before the template had told us which spaces they were. */
	struct {
		pid_t pid;
		int wait_status;
	} early[EARLY_MAX];
	unsigned int nr_early;
	struct space_rec space[CTL_MAX_SPACES];
	struct affinity affinity;
	pthread_t timer;
	bool timer_running;
	_Atomic bool stop;
};

static inline struct user_backend *user_of(const struct vm *vm)
{
	return vm->backend_data;
}

static inline long futex(uint32_t *word, int op, uint32_t val, const struct timespec *ts)
{
	return syscall(SYS_futex, word, op, val, ts, NULL, FUTEX_BITSET_MATCH_ANY);
}

#define TASKS_BESIDE 256 /* the VMM's threads, the template */

/* Processes and threads in all. */
static inline unsigned int user_max_tasks(unsigned int ncpus)
{
	return CTL_MAX_SPACES * (ncpus + 1) + TASKS_BESIDE;
}

/* filter.c */
/*
 * Writes the seccomp program of template and spaces to @f (room for @max). @direct_kick: tgkill is on the list. Returns
 * the number of instructions.
 */
unsigned int filter_build(struct sock_filter *f, unsigned int max, const struct switcher_header *hdr, bool direct_kick);

/* template_proc.c */
/* The switcher as it is linked into the VMM. */
extern const uint8_t switcher_image[], switcher_image_end[];
/* Forks the template. Returns 0 or a negative errno. Single-threaded. */
int template_spawn(struct user_backend *ub);
/* Has it come up? 0, -EAGAIN while it is on its way, or why it has not. */
int template_check(const struct user_backend *ub);

/* pool.c; control thread */
/* Asks the template for space @index. */
void pool_create(struct user_backend *ub, unsigned int index);
/* Tells the template about all that pool_create() asked for. */
void pool_submit(struct user_backend *ub);
/* Takes note of finished requests, sets affinities. */
void pool_collect(struct user_backend *ub);
/* The same, and tops the pool up. */
void pool_run(struct user_backend *ub);
/*
 * A process has died: 1 ours and expected, or perhaps a space of which the template has not told us yet: then it is
 * looked at when that comes; 0 not ours; -1 ours and unexpected (the sandbox is ended).
 */
int pool_child_died(struct user_backend *ub, pid_t pid, int wait_status);
void pool_kill_all(struct user_backend *ub);

/* timer.c */
/* CLOCK_MONOTONIC, which deadlines are on. */
uint64_t user_now_ns(void);
int timer_start(struct user_backend *ub);
void timer_stop(struct user_backend *ub);
/* See struct backend.interrupt. */
void vcpu_kick(struct user_backend *ub, unsigned int vcpu, uint64_t pending);

/* affinity.c */
/* Chooses a CPU for each vCPU. */
void affinity_init(struct user_backend *ub);
/* Moves the carriers of @index that are not yet there to their CPUs. */
void affinity_apply(struct user_backend *ub, unsigned int index);
/* Time for another look? Returns when to call again, ~0 = not before a vCPU wakes up. Timer thread. */
uint64_t affinity_round(struct user_backend *ub, uint64_t now_ns);

#endif
