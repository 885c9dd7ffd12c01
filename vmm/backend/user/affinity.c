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

static unsigned int random_below(unsigned int n)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint32_t)getpid() * 2654435761u;
	return n ? r % n : 0;
}

void affinity_init(struct user_backend *ub)
{
	unsigned int allowed[CPU_SETSIZE], n = 0, start;
	cpu_set_t set;

	for (unsigned int v = 0; v < UM_MAX_VCPUS; v++)
		ub->cpu[v] = -1;
	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (unsigned int c = 0; c < CPU_SETSIZE; c++)
		if (CPU_ISSET(c, &set))
			allowed[n++] = c;
	if (!n)
		return;
	start = random_below(n);
	for (unsigned int v = 0; v < ub->vm->ncpus; v++)
		ub->cpu[v] = (int)allowed[(start + v) % n];
}

void affinity_apply(struct user_backend *ub, unsigned int index)
{
	struct space_rec *rec = &ub->space[index];
	pid_t pid = atomic_load(&rec->pid);
	cpu_set_t set;

	for (unsigned int v = 0; v < ub->vm->ncpus; v++) {
		pid_t tid = (pid_t)__atomic_load_n(&ub->ctl->space[index].carrier[v].tid, __ATOMIC_RELAXED);

		if ((rec->pinned >> v & 1) || tid <= 0 || ub->cpu[v] < 0 || syscall(SYS_tgkill, pid, tid, 0))
			continue;
		CPU_ZERO(&set);
		CPU_SET((unsigned int)ub->cpu[v], &set);
		sched_setaffinity(tid, sizeof(set), &set);
		rec->pinned |= 1ull << v;
	}
}
