/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which host CPU a vCPU runs on. All carriers of a vCPU share one, because a hand-over between two costs 60 us when it
 * crosses CPUs and 1.3 us when it does not.
 *
 * The first choice is random over the allowed set, so that many small sandboxes do not share one CPU. Thread numbers
 * come from the guest's side: tgkill with signal 0 proves that the thread is one of the space's before it is moved.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/random.h>

#include "user.h"

#define ROUND_NS 500000000ull
#define BUSY_PERCENT 30	   /* of a round: less is not worth a move */
#define STARVED_PERCENT 80 /* of what it wanted */

static unsigned int random_below(unsigned int n)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint32_t)getpid() * 2654435761u;
	return n ? r % n : 0;
}

void affinity_init(struct user_backend *ub)
{
	struct affinity *a = &ub->affinity;
	unsigned int start;
	cpu_set_t set;

	for (unsigned int v = 0; v < UM_MAX_VCPUS; v++)
		atomic_store(&a->cpu[v], -1);
	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (unsigned int c = 0; c < CPU_SETSIZE; c++)
		if (CPU_ISSET(c, &set))
			a->allowed[a->nr_allowed++] = (uint16_t)c;
	if (!a->nr_allowed)
		return;
	start = random_below(a->nr_allowed);
	for (unsigned int v = 0; v < ub->vm->ncpus; v++)
		atomic_store(&a->cpu[v], a->allowed[(start + v) % a->nr_allowed]);
}

static void pin(struct user_backend *ub, unsigned int space, unsigned int vcpu)
{
	pid_t pid = atomic_load(&ub->space[space].pid);
	pid_t tid = (pid_t)__atomic_load_n(&ub->ctl->space[space].carrier[vcpu].tid, __ATOMIC_RELAXED);
	int cpu = atomic_load(&ub->affinity.cpu[vcpu]);
	cpu_set_t set;

	if (pid <= 0 || tid <= 0 || cpu < 0 || syscall(SYS_tgkill, pid, tid, 0))
		return;
	CPU_ZERO(&set);
	CPU_SET((unsigned int)cpu, &set);
	sched_setaffinity(tid, sizeof(set), &set);
}

void affinity_apply(struct user_backend *ub, unsigned int index)
{
	struct space_rec *rec = &ub->space[index];

	for (unsigned int v = 0; v < ub->vm->ncpus; v++) {
		if ((rec->pinned >> v & 1) || !__atomic_load_n(&ub->ctl->space[index].carrier[v].tid, __ATOMIC_RELAXED))
			continue;
		pin(ub, index, v);
		rec->pinned |= 1ull << v;
	}
}

/*
 * A new space may be pinned by the control thread to the old CPU at the same moment: the next round
 * finds it slow again.
 */
static void move(struct user_backend *ub, unsigned int vcpu)
{
	struct affinity *a = &ub->affinity;
	int old = atomic_load(&a->cpu[vcpu]), cpu = a->allowed[random_below(a->nr_allowed)];

	if (cpu == old)
		return;
	/* Two of ours change places rather than share one. */
	for (unsigned int v = 0; v < ub->vm->ncpus && ub->vm->ncpus <= a->nr_allowed; v++)
		if (atomic_load(&a->cpu[v]) == cpu)
			atomic_store(&a->cpu[v], old);
	atomic_store(&a->cpu[vcpu], cpu);
	for (unsigned int i = 0; i < ub->max_spaces; i++)
		for (unsigned int v = 0; v < ub->vm->ncpus; v++)
			pin(ub, i, v);
	if (ub->vm->vcpu_moved)
		for (unsigned int v = 0; v < ub->vm->ncpus; v++)
			ub->vm->vcpu_moved(ub->vm, v, atomic_load(&a->cpu[v]));
}

/* CPU time of all spaces. Those that came or went since the last round make it inexact, which is fine. */
static uint64_t cpu_time_ns(struct user_backend *ub)
{
	uint64_t sum = 0;
	struct timespec ts;

	for (unsigned int i = 0; i < ub->max_spaces; i++) {
		pid_t pid = atomic_load(&ub->space[i].pid);

		/* The CPU-time clock of a process, as clock_getcpuclockid() makes it. */
		if (pid > 0 && !clock_gettime((clockid_t)(~(unsigned int)pid << 3 | 2), &ts))
			sum += (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	}
	return sum;
}

/* How long a vCPU has slept so far, in TSC units. */
static uint64_t slept(const struct user_backend *ub, unsigned int vcpu)
{
	const struct ctl_vcpu *vc = &ub->ctl->vcpu[vcpu];
	uint64_t since = __atomic_load_n(&vc->asleep_since, __ATOMIC_RELAXED);

	return __atomic_load_n(&vc->slept, __ATOMIC_RELAXED) + (since ? __builtin_ia32_rdtsc() - since : 0);
}

uint64_t affinity_round(struct user_backend *ub, uint64_t now_ns)
{
	struct affinity *a = &ub->affinity;
	uint64_t wall = now_ns - a->last_ns, wanted = 0, got, used, most = 0;
	unsigned int busiest = 0;

	if (a->nr_allowed < 2)
		return ~0ull;
	if (wall < ROUND_NS && a->last_ns)
		return a->last_ns + ROUND_NS;
	used = cpu_time_ns(ub);
	for (unsigned int v = 0; v < ub->vm->ncpus; v++) {
		uint64_t s = slept(ub, v), asleep = (uint64_t)((double)(s - a->slept[v]) * 1e6 / ub->tsc_khz), awake;

		a->slept[v] = s;
		awake = asleep < wall ? wall - asleep : 0;
		wanted += awake;
		if (awake > most) {
			most = awake;
			busiest = v;
		}
	}
	got = used - a->used_ns;
	a->used_ns = used;
	/* The first round after a pause of ours only takes stock. */
	if (wall < 2 * ROUND_NS && most > wall * BUSY_PERCENT / 100 && got < wanted * STARVED_PERCENT / 100)
		move(ub, ub->vm->ncpus > 1 && random_below(2) ? random_below(ub->vm->ncpus) : busiest);
	a->last_ns = now_ns;
	return wanted <= wall / 100 && wall < 2 * ROUND_NS ? ~0ull : now_ns + ROUND_NS;
}
