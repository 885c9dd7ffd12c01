/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deadlines and kicks. The timer thread sleeps on a futex in control memory until the earliest deadline of a vCPU that
 * is not halted (a halted one sleeps for its own), then interrupts that vCPU. It never blocks on anything else. Where
 * there is no PID namespace of our own, it also sends the kicks that spaces may not send themselves.
 *
 * Deadlines come from the guest: the worst they can do is to make this thread run at the pace of ROUND_MIN_NS.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "user.h"

#define NO_DEADLINE (~0ull)
#define ROUND_MIN_NS 20000
#define NS_PER_S 1000000000ull

uint64_t user_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* The word where a vCPU looks for interrupts, or NULL if the guest named a bad place. */
static uint64_t *pending_word(struct user_backend *ub, struct ctl_vcpu *vc)
{
	uint64_t gpa = __atomic_load_n(&vc->pvcs_gpa, __ATOMIC_ACQUIRE);

	if (gpa == ~0ull)
		return &vc->boot_pvcs.pending;
	if (gpa % UM_PAGE_SIZE)
		return NULL;
	return vm_gpa(ub->vm, gpa + PVCS_PENDING, sizeof(uint64_t));
}

/* A signal to the active carrier. The kernel checks that the thread belongs to the process, which is one of ours. */
static void send_kick(struct user_backend *ub, unsigned int vcpu)
{
	uint32_t space = __atomic_load_n(&ub->ctl->vcpu[vcpu].space, __ATOMIC_RELAXED);
	pid_t pid, tid;

	if (space >= CTL_MAX_SPACES)
		return;
	pid = atomic_load(&ub->space[space].pid);
	tid = (pid_t)__atomic_load_n(&ub->ctl->space[space].carrier[vcpu].tid, __ATOMIC_RELAXED);
	if (pid > 0 && tid > 0)
		syscall(SYS_tgkill, pid, tid, KICK_SIGNAL);
}

/* The exclusive-or of roles: the or is a full barrier before the load of mode; pairs with eretu_entry and halt(). */
void vcpu_kick(struct user_backend *ub, unsigned int vcpu, uint64_t bits)
{
	struct ctl_vcpu *vc = &ub->ctl->vcpu[vcpu];
	uint64_t *pending = pending_word(ub, vc);
	uint32_t mode;

	if (!pending)
		return;
	__atomic_fetch_or(pending, bits, __ATOMIC_SEQ_CST);
	mode = __atomic_load_n(&vc->mode, __ATOMIC_RELAXED);
	if (mode == VC_HALTED) {
		if (__atomic_compare_exchange_n(&vc->mode, &mode, VC_SUPER, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			futex(&vc->mode, FUTEX_WAKE, 1, NULL);
	} else if (mode == VC_USER) {
		send_kick(ub, vcpu);
	}
}

/* Fires what is due; returns the earliest deadline that is left. */
static uint64_t scan(struct user_backend *ub, uint64_t now)
{
	uint64_t earliest = NO_DEADLINE;

	for (unsigned int i = 0; i < ub->vm->ncpus; i++) {
		struct ctl_vcpu *vc = &ub->ctl->vcpu[i];
		uint64_t deadline = __atomic_load_n(&vc->deadline, __ATOMIC_SEQ_CST);

		if (deadline == NO_DEADLINE || __atomic_load_n(&vc->mode, __ATOMIC_SEQ_CST) == VC_HALTED)
			continue;
		if (deadline > now) {
			earliest = deadline < earliest ? deadline : earliest;
			continue;
		}
		if (__atomic_compare_exchange_n(&vc->deadline, &deadline, NO_DEADLINE, false, __ATOMIC_SEQ_CST,
						__ATOMIC_SEQ_CST))
			vcpu_kick(ub, i, UM_PENDING_TIMER);
	}
	return earliest;
}

static void forward_kicks(struct user_backend *ub)
{
	uint64_t mask = __atomic_exchange_n(&ub->ctl->kick_mask, 0, __ATOMIC_SEQ_CST);

	for (unsigned int i = 0; i < ub->vm->ncpus; i++)
		if (mask >> i & 1)
			send_kick(ub, i);
}

static void *timer_main(void *arg)
{
	const struct timespec pause = {.tv_nsec = ROUND_MIN_NS};
	struct user_backend *ub = arg;
	struct timespec ts;
	uint64_t earliest, again, round;
	uint32_t seq;

	prctl(PR_SET_TIMERSLACK, 1000);
	if (ub->vm->thread_init)
		ub->vm->thread_init(ub->vm);
	while (!atomic_load(&ub->stop)) {
		seq = __atomic_load_n(&ub->ctl->timer_seq, __ATOMIC_SEQ_CST);
		forward_kicks(ub);
		earliest = scan(ub, user_now_ns());
		/* Pairs with timer_cover(): it stores a deadline, then loads timer_armed. */
		__atomic_exchange_n(&ub->ctl->timer_armed, earliest, __ATOMIC_SEQ_CST);
		again = scan(ub, user_now_ns());
		if (again < earliest) {
			nanosleep(&pause, NULL);
			continue;
		}
		round = affinity_round(ub, user_now_ns());
		__atomic_store_n(&ub->ctl->idle, round == NO_DEADLINE, __ATOMIC_RELAXED);
		earliest = round < earliest ? round : earliest;
		ts.tv_sec = (time_t)(earliest / NS_PER_S);
		ts.tv_nsec = (long)(earliest % NS_PER_S);
		futex(&ub->ctl->timer_seq, FUTEX_WAIT_BITSET, seq, earliest == NO_DEADLINE ? NULL : &ts);
	}
	return NULL;
}

int timer_start(struct user_backend *ub)
{
	int ret = pthread_create(&ub->timer, NULL, timer_main, ub);

	if (ret)
		return -ret;
	ub->timer_running = true;
	return 0;
}

void timer_stop(struct user_backend *ub)
{
	if (!ub->timer_running)
		return;
	atomic_store(&ub->stop, true);
	__atomic_fetch_add(&ub->ctl->timer_seq, 1, __ATOMIC_SEQ_CST);
	futex(&ub->ctl->timer_seq, FUTEX_WAKE, INT32_MAX, NULL);
	pthread_join(ub->timer, NULL);
	ub->timer_running = false;
}
