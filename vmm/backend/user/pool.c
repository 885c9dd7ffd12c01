/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool of spaces: asks the template for new ones ahead of need, takes note of those that are ready, buries those
 * that end.
 *
 * Everything here runs on the control thread, off the guest's critical path. State in control memory is a hint from an
 * untrusted side: what counts (which process is which space, how many there are) is in struct space_rec.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "user.h"

#define POOL_TARGET_MIN 1
#define POOL_TARGET_MAX 8
#define RETRY_NS 50000000 /* after the host has refused a process or a thread */

void pool_create(struct user_backend *ub, unsigned int index)
{
	struct space_rec *rec = &ub->space[index];

	rec->state = REC_CREATING;
	rec->announced = false;
	rec->pinned = 0;
	__atomic_store_n(&ub->ctl->state[index], SPACE_STARTING, __ATOMIC_RELAXED);
	__atomic_store_n(&ub->chan->pid[index], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&ub->chan->want[index], 1, __ATOMIC_RELEASE);
}

static void bury_early(struct user_backend *ub, unsigned int index, pid_t pid);

static void collect_one(struct user_backend *ub, unsigned int index)
{
	struct space_rec *rec = &ub->space[index];
	pid_t pid;

	if (rec->state != REC_CREATING || __atomic_load_n(&ub->chan->want[index], __ATOMIC_ACQUIRE))
		return;
	pid = ub->chan->pid[index];
	if (pid > 0) {
		atomic_store(&rec->pid, pid);
		rec->state = REC_LIVE;
		__atomic_store_n(&ub->ctl->space[index].pid, (uint32_t)pid, __ATOMIC_RELEASE);
		bury_early(ub, index, pid);
	} else {
		rec->state = REC_EMPTY;
		__atomic_store_n(&ub->ctl->refused, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&ub->ctl->state[index], SPACE_EMPTY, __ATOMIC_RELAXED);
	}
}

/* A space with its process known and its keeper ready becomes free to be bound. */
static void announce(struct user_backend *ub, unsigned int index)
{
	struct space_rec *rec = &ub->space[index];
	struct ctl *ctl = ub->ctl;

	if (rec->state != REC_LIVE || __atomic_load_n(&ctl->state[index], __ATOMIC_ACQUIRE) < SPACE_READY)
		return;
	affinity_apply(ub, index);
	if (rec->announced)
		return;
	rec->announced = true;
	if (index == CTL_HOME) {
		__atomic_store_n(&ctl->state[index], SPACE_BOUND, __ATOMIC_RELEASE);
		return;
	}
	__atomic_store_n(&ctl->state[index], SPACE_BLANK, __ATOMIC_RELEASE);
	__atomic_fetch_or(&ctl->blank[index / 64], 1ull << (index % 64), __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&ctl->blank_seq, 1, __ATOMIC_SEQ_CST);
	futex(&ctl->blank_seq, FUTEX_WAKE, INT32_MAX, NULL);
}

static unsigned int available(const struct user_backend *ub)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < ub->max_spaces; i++)
		n += (__atomic_load_n(&ub->ctl->blank[i / 64], __ATOMIC_RELAXED) >> (i % 64) & 1) &&
		     !__atomic_load_n(&ub->ctl->warm[i], __ATOMIC_RELAXED);
	for (unsigned int i = 0; i < ub->max_spaces; i++)
		n += ub->space[i].state == REC_CREATING || (ub->space[i].state == REC_LIVE && !ub->space[i].announced);
	return n;
}

/*
 * How many blank spaces to have at hand: few while nobody has had to wait for one, since a sandbox that runs one
 * program needs one, and more each time somebody did.
 */
static void size_pool(struct user_backend *ub)
{
	if (!ub->pool_target)
		ub->pool_target = POOL_TARGET_MIN;
	else if (__atomic_load_n(&ub->ctl->blank_waiters, __ATOMIC_RELAXED) && ub->pool_target < POOL_TARGET_MAX)
		ub->pool_target *= 2;
	__atomic_store_n(&ub->ctl->pool_low, ub->pool_target / 2 + 1, __ATOMIC_RELAXED);
}

/*
 * Has the host refused something lately? Then the spaces there are have to do; those that wait for one ask again all
 * the time, so now and then it is tried anew.
 */
static bool refused(struct user_backend *ub)
{
	uint64_t now = user_now_ns();

	if (!__atomic_load_n(&ub->ctl->refused, __ATOMIC_RELAXED)) {
		ub->retry_ns = 0;
		return false;
	}
	if (!ub->retry_ns)
		ub->retry_ns = now + RETRY_NS;
	if (now < ub->retry_ns)
		return true;
	ub->retry_ns = 0;
	__atomic_store_n(&ub->ctl->refused, 0, __ATOMIC_RELAXED);
	return false;
}

static void top_up(struct user_backend *ub)
{
	unsigned int have = available(ub), asked = 0;

	if (have >= ub->pool_target || refused(ub))
		return;
	for (unsigned int i = 1; i < ub->max_spaces && have < ub->pool_target; i++) {
		if (ub->space[i].state != REC_EMPTY)
			continue;
		pool_create(ub, i);
		have++;
		asked++;
	}
	if (asked)
		pool_submit(ub);
}

void pool_submit(struct user_backend *ub)
{
	__atomic_fetch_add(&ub->chan->req_seq, 1, __ATOMIC_SEQ_CST);
	futex(&ub->chan->req_seq, FUTEX_WAKE, 1, NULL);
}

void pool_collect(struct user_backend *ub)
{
	for (unsigned int i = 0; i < ub->max_spaces; i++) {
		collect_one(ub, i);
		announce(ub, i);
	}
}

void pool_run(struct user_backend *ub)
{
	pool_collect(ub);
	size_pool(ub);
	top_up(ub);
}

static void bury(struct user_backend *ub, unsigned int index)
{
	struct space_rec *rec = &ub->space[index];

	atomic_store(&rec->pid, 0);
	rec->state = REC_EMPTY;
	memset(&ub->ctl->space[index], 0, sizeof(ub->ctl->space[index]));
	__atomic_store_n(&ub->ctl->root[index], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&ub->ctl->warm[index], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&ub->ctl->state[index], SPACE_EMPTY, __ATOMIC_RELEASE);
}

/* A keeper that has too many brothers says so before it goes. */
static bool expected(const struct user_backend *ub, unsigned int index, int wait_status)
{
	return index != CTL_HOME && WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0 &&
	       __atomic_load_n(&ub->ctl->state[index], __ATOMIC_RELAXED) == SPACE_EXITING;
}

/* "was killed by signal 9 (Killed)" and the like. */
static void describe_end(int wait_status, char *text, size_t size)
{
	const int sig = WIFSIGNALED(wait_status) ? WTERMSIG(wait_status) : 0;

	if (sig == SIGKILL)
		snprintf(text, size,
			 "was killed by signal 9: by hand, or the host is short of memory (or a ulimit -t)");
	else if (sig)
		snprintf(text, size, "was killed by signal %d (%s)", sig,
			 sig == SIGSYS ? "a host call off the list" : strsignal(sig));
	else
		snprintf(text, size, "ended by itself (status %d)", WEXITSTATUS(wait_status));
}

static void end_by_death(struct user_backend *ub, unsigned int index, pid_t pid, int wait_status)
{
	char how[120];

	describe_end(wait_status, how, sizeof(how));
	vm_end(ub->vm, VM_EXIT_FAILURE, "space %u (pid %d) %s", index, (int)pid, how);
}

/* -1: none. */
static int find_space(const struct user_backend *ub, pid_t pid)
{
	for (unsigned int i = 0; i < ub->max_spaces; i++) {
		if (ub->space[i].state == REC_LIVE && atomic_load(&ub->space[i].pid) == pid)
			return (int)i;
	}
	return -1;
}

static bool any_creating(const struct user_backend *ub)
{
	for (unsigned int i = 0; i < ub->max_spaces; i++) {
		if (ub->space[i].state == REC_CREATING)
			return true;
	}
	return false;
}

/* The template has told us the number of a space that may be dead already. */
static void bury_early(struct user_backend *ub, unsigned int index, pid_t pid)
{
	for (unsigned int i = 0; i < ub->nr_early; i++) {
		const int status = ub->early[i].wait_status;

		if (ub->early[i].pid != pid)
			continue;
		ub->early[i] = ub->early[--ub->nr_early];
		bury(ub, index);
		end_by_death(ub, index, pid, status);
		return;
	}
}

static void template_died(struct user_backend *ub, int wait_status)
{
	char how[120];

	ub->template_pid = 0;
	describe_end(wait_status, how, sizeof(how));
	vm_end(ub->vm, VM_EXIT_FAILURE, "the process that makes spaces %s", how);
}

int pool_child_died(struct user_backend *ub, pid_t pid, int wait_status)
{
	int index;

	if (pid == ub->template_pid) {
		template_died(ub, wait_status);
		return -1;
	}
	pool_collect(ub);
	index = find_space(ub, pid);
	if (index < 0 && any_creating(ub) && ub->nr_early < EARLY_MAX) {
		ub->early[ub->nr_early].pid = pid;
		ub->early[ub->nr_early++].wait_status = wait_status;
		return 1;
	}
	if (index < 0)
		return 0;
	if (expected(ub, (unsigned int)index, wait_status)) {
		bury(ub, (unsigned int)index);
		top_up(ub);
		return 1;
	}
	bury(ub, (unsigned int)index);
	end_by_death(ub, (unsigned int)index, pid, wait_status);
	return -1;
}

/* Kills and reaps. The template goes first, so that no space is born behind our back. */
void pool_kill_all(struct user_backend *ub)
{
	if (ub->template_pid > 0) {
		kill(ub->template_pid, SIGKILL);
		waitpid(ub->template_pid, NULL, 0);
		ub->template_pid = 0;
	}
	for (unsigned int i = 0; i < CTL_MAX_SPACES; i++) {
		pid_t pid = atomic_load(&ub->space[i].pid);

		if (ub->space[i].state == REC_CREATING && ub->chan)
			pid = ub->chan->pid[i];
		if (pid > 0)
			kill(pid, SIGKILL);
	}
	for (unsigned int i = 0; i < CTL_MAX_SPACES; i++) {
		pid_t pid = atomic_load(&ub->space[i].pid);

		if (ub->space[i].state == REC_CREATING && ub->chan)
			pid = ub->chan->pid[i];
		if (pid > 0)
			waitpid(pid, NULL, 0);
		atomic_store(&ub->space[i].pid, 0);
		ub->space[i].state = REC_EMPTY;
	}
}
