/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of /proc/PID about a process or thread: stat, status, limits and the like. */
#include <gk/acct.h>
#include <gk/ptrace.h>
#include <gk/tty.h>
#include "proc.h"

#define TICK_NS (NSEC_PER_SEC / 100)

/* What several files show; collected under task_lock and siglock, written without. */
struct facts {
	char comm[TASK_COMM_LEN], state;
	s32 pid, tgid, ppid, pgrp, session, tpgid;
	u32 tty, threads, cpu;
	u64 utime, stime, cutime, cstime;
	struct rusage_acct acct, children;
	u64 start;
	u64 pending, shared_pending, blocked, ignored, caught;
	int nice, policy, rt_priority, exit_signal;
	u32 exit_code;
	struct cred *cred;
	bool no_new_privs;
	u64 rss_limit;
};

static char state_of(const struct task *t)
{
	const u32 s = READ_ONCE(t->state);

	if (s & TASK_DEAD || (t->process->zombie && t == t->process->leader))
		return 'Z';
	if (s & TASK_TRACED)
		return 't';
	if (s & TASK_STOPPED)
		return 'T';
	if (s & TASK_UNINTERRUPTIBLE)
		return 'D';
	return s & TASK_INTERRUPTIBLE ? 'S' : 'R';
}

/* siglock held. */
static void signal_facts(struct facts *x, struct task *t)
{
	x->pending = t->pending.set;
	x->shared_pending = t->process->shared_pending.set;
	x->blocked = t->blocked;
	if (!t->sighand)
		return;
	for (u32 n = 0; n < NSIG; n++) {
		const u64 h = t->sighand->action[n].handler;

		if (h == 1)
			x->ignored |= 1ull << n;
		else if (h)
			x->caught |= 1ull << n;
	}
}

static void time_facts(struct facts *x, struct task *t, bool thread)
{
	struct process *p = t->process;

	if (thread) {
		task_times(t, &x->utime, &x->stime);
		x->acct = t->acct;
	} else {
		struct task *i;

		process_times(p, &x->utime, &x->stime);
		x->acct = p->acct_dead;
		list_for_each_entry(i, &p->threads, thread_link) {
			x->acct.minflt += i->acct.minflt;
			x->acct.majflt += i->acct.majflt;
			x->acct.nvcsw += i->acct.nvcsw;
			x->acct.nivcsw += i->acct.nivcsw;
		}
	}
	x->children = p->acct_children;
}

static void collect(struct facts *x, struct task *t, bool thread)
{
	struct process *p = t->process;

	memset(x, 0, sizeof(*x));
	spin_lock(&task_lock);
	memcpy(x->comm, t->comm, sizeof(x->comm));
	x->comm[TASK_COMM_LEN - 1] = '\0';
	x->state = state_of(t);
	x->pid = t->pid->nr;
	x->tgid = p->pid->nr;
	x->ppid = p->parent ? p->parent->pid->nr : 0;
	x->pgrp = p->pgrp ? p->pgrp->nr : -1;
	x->session = p->session ? p->session->nr : -1;
	x->threads = p->nr_threads;
	x->cpu = t->cpu ? t->cpu->id : 0;
	x->start = thread ? t->start_time : p->start_time;
	x->nice = t->nice;
	x->policy = t->policy;
	x->rt_priority = t->rt_priority;
	x->exit_signal = p->exit_signal;
	x->exit_code = p->exit_code;
	x->no_new_privs = t->no_new_privs;
	x->cred = cred_get(t->cred);
	spin_lock(&p->siglock);
	x->rss_limit = p->rlim[RLIMIT_RSS].cur;
	signal_facts(x, t);
	time_facts(x, t, thread);
	spin_unlock(&p->siglock);
	spin_unlock(&task_lock);
	x->tpgid = -1;
	tty_process_stat(p, &x->tty, &x->tpgid);
}

static u64 mm_rss(const struct mm *mm)
{
	return mm->rss_anon + mm->rss_file + mm->rss_shmem;
}

/* A priority as stat has it: 20 + nice, or -1 - rt_priority. */
static int priority(const struct facts *x)
{
	return x->rt_priority ? -1 - x->rt_priority : 20 + x->nice;
}

int proc_stat(struct seq *s, struct task *t, struct proc_inode *pi)
{
	struct mm *mm = task_mm(t);
	/* Addresses of a process are for those who may trace it. */
	const bool show = mm && !ptrace_may_access(t);
	struct facts x;

	collect(&x, t, pi->thread);
	seq_printf(s, "%d (%s) %c %d %d %d %d %d %u ", x.pid, x.comm, x.state, x.ppid, x.pgrp, x.session, (s32)x.tty,
		   x.tpgid, mm ? 0x400000u : 0x200040u);
	seq_printf(s, "%lu %lu %lu %lu ", (unsigned long)x.acct.minflt, (unsigned long)x.children.minflt,
		   (unsigned long)x.acct.majflt, (unsigned long)x.children.majflt);
	seq_printf(s, "%lu %lu %lu %lu ", (unsigned long)(x.utime / TICK_NS), (unsigned long)(x.stime / TICK_NS),
		   (unsigned long)(x.children.utime_ns / TICK_NS), (unsigned long)(x.children.stime_ns / TICK_NS));
	seq_printf(s, "%d %d %u 0 %lu ", priority(&x), x.nice, x.threads, (unsigned long)(x.start / TICK_NS));
	seq_printf(s, "%lu %lu %lu ", mm ? (unsigned long)mm->total_vm * PAGE_SIZE : 0ul,
		   mm ? (unsigned long)mm_rss(mm) : 0ul, (unsigned long)x.rss_limit);
	seq_printf(s, "%lu %lu %lu 0 0 ", show ? (unsigned long)mm->start_code : 0ul,
		   show ? (unsigned long)mm->end_code : 0ul, show ? (unsigned long)mm->start_stack : 0ul);
	seq_printf(s, "%lu %lu %lu %lu ", (unsigned long)(x.pending & 0x7fffffff),
		   (unsigned long)(x.blocked & 0x7fffffff), (unsigned long)(x.ignored & 0x7fffffff),
		   (unsigned long)(x.caught & 0x7fffffff));
	seq_printf(s, "%u 0 0 %d %u %u %u 0 0 0 ", x.state == 'S' || x.state == 'D' ? 1u : 0u, x.exit_signal, x.cpu,
		   (u32)x.rt_priority, (u32)x.policy);
	if (show)
		seq_printf(s, "%lu %lu %lu %lu %lu %lu %lu %u\n", (unsigned long)mm->start_data,
			   (unsigned long)mm->end_data, (unsigned long)mm->start_brk, (unsigned long)mm->arg_start,
			   (unsigned long)mm->arg_end, (unsigned long)mm->env_start, (unsigned long)mm->env_end,
			   x.exit_code);
	else
		seq_puts(s, "0 0 0 0 0 0 0 0\n");
	cred_put(x.cred);
	if (mm)
		mm_put_user(mm);
	return 0;
}

int proc_statm(struct seq *s, struct task *t, struct proc_inode *pi)
{
	struct mm *mm = task_mm(t);

	if (!mm) {
		seq_puts(s, "0 0 0 0 0 0 0\n");
		return 0;
	}
	seq_printf(s, "%lu %lu %lu %lu 0 %lu 0\n", (unsigned long)mm->total_vm, (unsigned long)mm_rss(mm),
		   (unsigned long)(mm->rss_file + mm->rss_shmem),
		   (unsigned long)((mm->end_code - mm->start_code) >> PAGE_SHIFT),
		   (unsigned long)(mm->data_vm + mm->stack_vm));
	mm_put_user(mm);
	return 0;
}

static const char *state_name(char c)
{
	switch (c) {
	case 'R':
		return "R (running)";
	case 'S':
		return "S (sleeping)";
	case 'D':
		return "D (disk sleep)";
	case 'T':
		return "T (stopped)";
	case 't':
		return "t (tracing stop)";
	}
	return "Z (zombie)";
}

static void put_ids(struct seq *s, const struct cred *c)
{
	seq_printf(s, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", c->uid, c->euid, c->suid, c->fsuid, c->gid,
		   c->egid, c->sgid, c->fsgid);
}

static void put_groups(struct seq *s, const struct cred *c)
{
	seq_puts(s, "Groups:\t");
	for (u32 i = 0; c->groups && i < c->groups->n; i++)
		seq_printf(s, "%u ", c->groups->gid[i]);
	seq_putc(s, '\n');
}

static void put_caps(struct seq *s, const struct cred *c)
{
	seq_printf(s, "CapInh:\t%016lx\nCapPrm:\t%016lx\nCapEff:\t%016lx\nCapBnd:\t%016lx\nCapAmb:\t%016lx\n",
		   (unsigned long)c->cap_inheritable, (unsigned long)c->cap_permitted, (unsigned long)c->cap_effective,
		   (unsigned long)c->cap_bset, (unsigned long)c->cap_ambient);
}

static void put_kb(struct seq *s, const char *name, u64 pages)
{
	seq_printf(s, "%s\t%8lu kB\n", name, (unsigned long)(pages * (PAGE_SIZE / 1024)));
}

static void put_memory(struct seq *s, const struct mm *mm)
{
	const u64 rss = mm_rss(mm), text = (mm->end_code - mm->start_code) >> PAGE_SHIFT;

	put_kb(s, "VmPeak:", mm->total_vm);
	put_kb(s, "VmSize:", mm->total_vm);
	put_kb(s, "VmLck:", mm->locked_vm);
	put_kb(s, "VmPin:", 0);
	put_kb(s, "VmHWM:", MAX(mm->hiwater_rss, rss));
	put_kb(s, "VmRSS:", rss);
	put_kb(s, "RssAnon:", mm->rss_anon);
	put_kb(s, "RssFile:", mm->rss_file);
	put_kb(s, "RssShmem:", mm->rss_shmem);
	put_kb(s, "VmData:", mm->data_vm);
	put_kb(s, "VmStk:", mm->stack_vm);
	put_kb(s, "VmExe:", text);
	put_kb(s, "VmLib:", mm->exec_vm > text ? mm->exec_vm - text : 0);
	put_kb(s, "VmPTE:", mm->table_pages);
	put_kb(s, "VmSwap:", 0);
}

static void put_cpu_list(struct seq *s, u64 mask)
{
	bool first = true;

	for (u32 i = 0; i < 64; i++) {
		u32 end = i;

		if (!(mask >> i & 1))
			continue;
		while (end < 63 && (mask >> (end + 1) & 1))
			end++;
		seq_printf(s, end > i ? "%s%u-%u" : "%s%u", first ? "" : ",", i, end);
		first = false;
		i = end;
	}
}

int proc_status(struct seq *s, struct task *t, struct proc_inode *pi)
{
	const u64 online = nr_cpus >= 64 ? ~0ull : (1ull << nr_cpus) - 1, cpus_allowed = t->cpus_allowed & online;
	struct mm *mm = task_mm(t);
	struct facts x;

	collect(&x, t, pi->thread);
	seq_printf(s, "Name:\t%s\n", x.comm);
	seq_printf(s, "Umask:\t%04o\n", t->fs ? t->fs->umask : 0);
	seq_printf(s, "State:\t%s\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n", state_name(x.state),
		   x.tgid, x.pid, x.ppid, ptrace_tracer_nr(t));
	put_ids(s, x.cred);
	seq_printf(s, "FDSize:\t%d\n", 64);
	put_groups(s, x.cred);
	seq_printf(s, "NStgid:\t%d\nNSpid:\t%d\nNSpgid:\t%d\nNSsid:\t%d\n", x.tgid, x.pid, x.pgrp, x.session);
	if (mm)
		put_memory(s, mm);
	seq_printf(s, "CoreDumping:\t0\nTHP_enabled:\t0\nThreads:\t%u\nSigQ:\t0/%lu\n", x.threads,
		   (unsigned long)t->process->rlim[RLIMIT_SIGPENDING].cur);
	seq_printf(s, "SigPnd:\t%016lx\nShdPnd:\t%016lx\nSigBlk:\t%016lx\nSigIgn:\t%016lx\nSigCgt:\t%016lx\n",
		   (unsigned long)x.pending, (unsigned long)x.shared_pending, (unsigned long)x.blocked,
		   (unsigned long)x.ignored, (unsigned long)x.caught);
	put_caps(s, x.cred);
	seq_printf(s, "NoNewPrivs:\t%d\nSeccomp:\t%d\nSeccomp_filters:\t0\n", x.no_new_privs,
		   t->work & WORK_SECCOMP ? 2 : 0);
	seq_puts(s, "Speculation_Store_Bypass:\tthread vulnerable\nSpeculationIndirectBranch:\tconditional enabled\n");
	seq_printf(s, "Cpus_allowed:\t%lx\nCpus_allowed_list:\t", (unsigned long)cpus_allowed);
	put_cpu_list(s, cpus_allowed);
	seq_printf(s,
		   "\nMems_allowed:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t%lu\nnonvoluntary_ctxt_"
		   "switches:\t%lu\n",
		   (unsigned long)x.acct.nvcsw, (unsigned long)x.acct.nivcsw);
	cred_put(x.cred);
	if (mm)
		mm_put_user(mm);
	return 0;
}

int proc_limits(struct seq *s, struct task *t, struct proc_inode *pi)
{
	static const struct {
		const char *name, *unit;
	} names[RLIM_NLIMITS] = {
		[RLIMIT_CPU] = {"Max cpu time", "seconds"},
		[RLIMIT_FSIZE] = {"Max file size", "bytes"},
		[RLIMIT_DATA] = {"Max data size", "bytes"},
		[RLIMIT_STACK] = {"Max stack size", "bytes"},
		[RLIMIT_CORE] = {"Max core file size", "bytes"},
		[RLIMIT_RSS] = {"Max resident set", "bytes"},
		[RLIMIT_NPROC] = {"Max processes", "processes"},
		[RLIMIT_NOFILE] = {"Max open files", "files"},
		[RLIMIT_MEMLOCK] = {"Max locked memory", "bytes"},
		[RLIMIT_AS] = {"Max address space", "bytes"},
		[RLIMIT_LOCKS] = {"Max file locks", "locks"},
		[RLIMIT_SIGPENDING] = {"Max pending signals", "signals"},
		[RLIMIT_MSGQUEUE] = {"Max msgqueue size", "bytes"},
		[RLIMIT_NICE] = {"Max nice priority", ""},
		[RLIMIT_RTPRIO] = {"Max realtime priority", ""},
		[RLIMIT_RTTIME] = {"Max realtime timeout", "us"},
	};

	seq_printf(s, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
	for (u32 i = 0; i < RLIM_NLIMITS; i++) {
		const struct rlimit l = t->process->rlim[i];

		seq_printf(s, "%-25s ", names[i].name);
		if (l.cur == RLIM_INFINITY)
			seq_printf(s, "%-20s ", "unlimited");
		else
			seq_printf(s, "%-20lu ", (unsigned long)l.cur);
		if (l.max == RLIM_INFINITY)
			seq_printf(s, "%-20s ", "unlimited");
		else
			seq_printf(s, "%-20lu ", (unsigned long)l.max);
		seq_printf(s, "%-10s\n", names[i].unit);
	}
	return 0;
}

int proc_io(struct seq *s, struct task *t, struct proc_inode *pi)
{
	seq_printf(
		s,
		"rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: %lu\nwrite_bytes: %lu\ncancelled_write_bytes: 0\n",
		(unsigned long)t->acct.inblock * 512, (unsigned long)t->acct.oublock * 512);
	return 0;
}

int proc_sched(struct seq *s, struct task *t, struct proc_inode *pi)
{
	seq_printf(s, "%s (%d, #threads: %u)\n", t->comm, t->pid->nr, t->process->nr_threads);
	seq_printf(s,
		   "policy                                       : %20d\nprio                                         "
		   ": %20d\n",
		   t->policy, t->rt_priority ? 99 - t->rt_priority : 120 + t->nice);
	return 0;
}

int proc_schedstat(struct seq *s, struct task *t, struct proc_inode *pi)
{
	seq_printf(s, "%lu 0 %lu\n", (unsigned long)task_cpu_ns(t), (unsigned long)(t->acct.nvcsw + t->acct.nivcsw));
	return 0;
}

int proc_children(struct seq *s, struct task *t, struct proc_inode *pi)
{
	struct process *c;

	if (t != t->process->leader)
		return 0;
	spin_lock(&task_lock);
	list_for_each_entry(c, &t->process->children, sibling)
		seq_printf(s, "%d ", c->pid->nr);
	spin_unlock(&task_lock);
	return 0;
}
