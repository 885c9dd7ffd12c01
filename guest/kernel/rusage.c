/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time and resource usage: of threads, of processes, of dead children (gk/acct.h says how time is split).
 *
 * A thread's figures are in task->acct until it leaves its process, then in process->acct_dead; those of a reaped child
 * are in its parent's acct_children. Reported user time never goes back: what was reported is kept in acct.utime_ns.
 */
#include <gk/acct.h>
#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/mm.h>
#include <gk/sched.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/uaccess.h>

#define USER_HZ 100
#define NSEC_PER_TICK (NSEC_PER_SEC / USER_HZ)

/* One measured entry never counts for more than this: it may have been an odd one. */
#define SAMPLE_MAX_NS (NSEC_PER_MSEC)

u64 task_cpu_ns(const struct task *t)
{
	return sched_exec_ns(t);
}

void account_sample_begin(struct task *t)
{
	t->acct_stamp = task_cpu_ns(t) | 1; /* never 0 */
}

void account_sample_end(struct task *t)
{
	u64 now = task_cpu_ns(t), delta = now > t->acct_stamp ? now - t->acct_stamp : 0;

	t->acct_stamp = 0;
	WRITE_ONCE(t->acct.stime_ns, t->acct.stime_ns + MIN(delta, (u64)SAMPLE_MAX_NS) * ACCT_SAMPLE);
}

void task_times(struct task *t, u64 *utime_ns, u64 *stime_ns)
{
	u64 total = task_cpu_ns(t), stime = MIN(READ_ONCE(t->acct.stime_ns), total);
	u64 utime = MAX(total - stime, READ_ONCE(t->acct.utime_ns));

	utime = MIN(utime, total);
	WRITE_ONCE(t->acct.utime_ns, utime);
	*utime_ns = utime;
	*stime_ns = total - utime;
}

void process_times(struct process *p, u64 *utime_ns, u64 *stime_ns)
{
	u64 u, s;
	struct task *t;

	*utime_ns = p->acct_dead.utime_ns;
	*stime_ns = p->acct_dead.stime_ns;
	list_for_each_entry(t, &p->threads, thread_link) {
		task_times(t, &u, &s);
		*utime_ns += u;
		*stime_ns += s;
	}
}

static void acct_add(struct rusage_acct *to, const struct rusage_acct *from)
{
	to->utime_ns += from->utime_ns;
	to->stime_ns += from->stime_ns;
	to->minflt += from->minflt;
	to->majflt += from->majflt;
	to->nvcsw += from->nvcsw;
	to->nivcsw += from->nivcsw;
	to->inblock += from->inblock;
	to->oublock += from->oublock;
	to->maxrss_kb = MAX(to->maxrss_kb, from->maxrss_kb);
}

/* @t's figures with the times split. */
static void task_acct(struct task *t, struct rusage_acct *a)
{
	*a = t->acct;
	task_times(t, &a->utime_ns, &a->stime_ns);
}

static u64 mm_maxrss_kb(struct mm *mm)
{
	u64 now = READ_ONCE(mm->rss_anon) + READ_ONCE(mm->rss_file) + READ_ONCE(mm->rss_shmem);

	return MAX(READ_ONCE(mm->hiwater_rss), now) * (PAGE_SIZE / 1024);
}

void account_maxrss(struct task *t)
{
	if (t->mm)
		t->acct.maxrss_kb = MAX(t->acct.maxrss_kb, mm_maxrss_kb(t->mm));
}

void account_thread_exit(struct task *t)
{
	struct rusage_acct a;

	task_acct(t, &a);
	acct_add(&t->process->acct_dead, &a);
	this_cpu()->entries_of_dead += t->acct_entries;
	t->acct_entries = 0;
}

static int add_entries(struct process *p, void *arg)
{
	u64 *sum = arg;
	struct task *t;

	list_for_each_entry(t, &p->threads, thread_link)
		*sum += t->acct_entries;
	return 0;
}

u64 account_syscalls(void)
{
	struct cpu *c;
	u64 sum = 0;

	for_each_process_do(add_entries, &sum);
	for_each_cpu(c)
		sum += c->entries_of_dead - c->user_events;
	return sum;
}

void account_reap(struct process *parent, struct process *child)
{
	acct_add(&parent->acct_children, &child->acct_dead);
	acct_add(&parent->acct_children, &child->acct_children);
}

/* siglock or task_lock held. */
static void process_acct(struct process *p, struct rusage_acct *sum)
{
	struct rusage_acct a;
	struct task *t;

	*sum = p->acct_dead;
	list_for_each_entry(t, &p->threads, thread_link) {
		task_acct(t, &a);
		acct_add(sum, &a);
	}
}

static void acct_to_rusage(const struct rusage_acct *a, struct linux_rusage *ru)
{
	memset(ru, 0, sizeof(*ru));
	ru->utime_sec = (s64)(a->utime_ns / NSEC_PER_SEC);
	ru->utime_usec = (s64)(a->utime_ns % NSEC_PER_SEC / NSEC_PER_USEC);
	ru->stime_sec = (s64)(a->stime_ns / NSEC_PER_SEC);
	ru->stime_usec = (s64)(a->stime_ns % NSEC_PER_SEC / NSEC_PER_USEC);
	ru->maxrss = (s64)a->maxrss_kb;
	ru->minflt = (s64)a->minflt;
	ru->majflt = (s64)a->majflt;
	ru->inblock = (s64)a->inblock;
	ru->oublock = (s64)a->oublock;
	ru->nvcsw = (s64)a->nvcsw;
	ru->nivcsw = (s64)a->nivcsw;
}

void rusage_of_process(struct process *p, struct linux_rusage *ru)
{
	struct rusage_acct a;

	process_acct(p, &a);
	acct_add(&a, &p->acct_children);
	acct_to_rusage(&a, ru);
}

#define RUSAGE_SELF 0
#define RUSAGE_CHILDREN -1
#define RUSAGE_THREAD 1

SYSCALL2(getrusage, s32, who, struct linux_rusage __user *, uru)
{
	struct process *p = current->process;
	struct rusage_acct a;
	struct linux_rusage ru;

	switch (who) {
	case RUSAGE_SELF:
		spin_lock(&p->siglock);
		process_acct(p, &a);
		spin_unlock(&p->siglock);
		break;
	case RUSAGE_THREAD:
		task_acct(current, &a);
		break;
	case RUSAGE_CHILDREN:
		spin_lock(&task_lock);
		a = p->acct_children;
		spin_unlock(&task_lock);
		break;
	default:
		return -EINVAL;
	}
	if (who != RUSAGE_CHILDREN && current->mm)
		a.maxrss_kb = MAX(a.maxrss_kb, mm_maxrss_kb(current->mm));
	acct_to_rusage(&a, &ru);
	return copy_to_user(uru, &ru, sizeof(ru));
}

struct tms {
	s64 utime, stime, cutime, cstime;
};

SYSCALL1(times, struct tms __user *, utms)
{
	struct process *p = current->process;
	u64 u, s;
	struct tms t;

	if (utms) {
		spin_lock(&task_lock);
		process_times(p, &u, &s);
		t.utime = (s64)(u / NSEC_PER_TICK);
		t.stime = (s64)(s / NSEC_PER_TICK);
		t.cutime = (s64)(p->acct_children.utime_ns / NSEC_PER_TICK);
		t.cstime = (s64)(p->acct_children.stime_ns / NSEC_PER_TICK);
		spin_unlock(&task_lock);
		if (copy_to_user(utms, &t, sizeof(t)))
			return -EFAULT;
	}
	return (long)(ktime_boot() / NSEC_PER_TICK);
}
