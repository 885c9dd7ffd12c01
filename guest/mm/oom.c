/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Out of memory: the process whose end frees most is killed, as Linux chooses it: resident pages and page tables,
 * shifted by oom_score_adj in thousandths of all memory. The first process is spared unless it is the only one left.
 */
#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/printk.h>
#include <gk/signal.h>
#include <gk/string.h>
#include <gk/task.h>
#include "internal.h"

#define ADJ_NEVER -1000
#define KILL_PERIOD (5 * NSEC_PER_MSEC) /* until the last one is seen to be dying */

struct choice {
	struct process *victim;
	s64 badness;
	bool dying; /* somebody is on the way out already */
	char comm[TASK_COMM_LEN];
};

static struct mm *process_mm(struct process *p)
{
	struct task *t;

	list_for_each_entry(t, &p->threads, thread_link) {
		if (t->mm)
			return t->mm;
	}
	return NULL;
}

static s64 badness_of(struct process *p, const struct mm *mm)
{
	s64 pages =
		(s64)(READ_ONCE(mm->rss_anon) + READ_ONCE(mm->rss_file) + READ_ONCE(mm->rss_shmem) + mm->table_pages);

	return pages + (s64)(s32)p->oom_score_adj * (s64)(ram_pages / 1000);
}

/* task_lock held. */
static int consider(struct process *p, void *arg)
{
	struct choice *c = arg;
	struct mm *mm = process_mm(p);
	s64 badness;

	if (!mm)
		return 0;
	if (p->group_exit) {
		c->dying = true;
		return 0;
	}
	if (p == init_process || (s32)p->oom_score_adj == ADJ_NEVER)
		return 0;
	badness = badness_of(p, mm);
	if (c->victim && badness <= c->badness)
		return 0;
	if (c->victim)
		process_put(c->victim);
	c->victim = process_get(p);
	c->badness = badness;
	memcpy(c->comm, p->leader->comm, sizeof(c->comm));
	return 0;
}

bool oom_kill(void)
{
	static spinlock_t lock;
	static ktime_t last;
	struct choice c = {NULL};
	ktime_t now = ktime_mono();

	/* One at a time, and time for it to go. */
	spin_lock(&lock);
	if (now - last < KILL_PERIOD) {
		spin_unlock(&lock);
		return true;
	}
	last = now;
	spin_unlock(&lock);

	for_each_process_do(consider, &c);
	if (c.dying) {
		if (c.victim)
			process_put(c.victim);
		return true;
	}
	if (!c.victim && init_process) {
		c.victim = process_get(init_process);
		strscpy(c.comm, "the first one", sizeof(c.comm));
	}
	if (!c.victim)
		return false;
	pr_err("out of memory: killing process %d (%s), %ld pages\n", c.victim->pid->nr, c.comm, c.badness);
	send_signal_process(SIGKILL, NULL, c.victim);
	process_put(c.victim);
	return true;
}
