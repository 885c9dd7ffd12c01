/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of threads and processes. A thread gives its parts back one by one, then leaves its process under task_lock;
 * with the last thread the process becomes a zombie: its children get a new parent, its own parent is told. Who waits
 * (wait.c) or nobody (SIGCHLD ignored) unlinks it.
 *
 * The first program is the container: when it ends, all others are killed, then the VMM is told.
 */
#include <gk/acct.h>
#include <gk/fork.h>
#include <gk/fs.h>
#include <gk/futex.h>
#include <gk/init.h>
#include <gk/ipc.h>
#include <gk/mm.h>
#include <gk/printk.h>
#include <gk/ptrace.h>
#include <gk/sched.h>
#include <gk/signal.h>
#include <gk/strace.h>
#include <gk/syscall.h>
#include <gk/tty.h>

/* current gives up its memory. */
static void exit_mm(void)
{
	struct task *t = current;
	struct mm *mm = t->mm;

	if (!mm)
		return;
	account_maxrss(t);
	futex_mm_release();
	spin_lock(&task_lock);
	t->mm = NULL;
	spin_unlock(&task_lock);
	vfork_release();
	mm_put_user(mm);
}

static void exit_files(void)
{
	struct files *files = current->files;
	struct fs_info *fs = current->fs;

	spin_lock(&task_lock);
	current->files = NULL;
	current->fs = NULL;
	spin_unlock(&task_lock);
	if (files)
		files_put(files);
	if (fs)
		fs_info_put(fs);
}

/* ---- the first program's end ---- */

static int kill_other(struct process *p, void *arg)
{
	if (p != init_process && !p->zombie)
		send_signal_process(SIGKILL, NULL, p);
	return 0;
}

static int is_other(struct process *p, void *arg)
{
	return p != init_process && !p->zombie;
}

static void end_sandbox(u32 status)
{
	/* A second is ample for programs to die; then their files are as good as they get. */
	ktime_t limit = ktime_mono() + NSEC_PER_SEC;

	while (for_each_process_do(is_other, NULL) && ktime_mono() < limit) {
		for_each_process_do(kill_other, NULL);
		wait_event_until(&init_process->wait_child, !for_each_process_do(is_other, NULL),
				 MIN(limit, ktime_mono() + NSEC_PER_SEC / 10));
	}
	sync_all();
	pr_debug("%llu system calls\n", (unsigned long long)account_syscalls());
	control_report_exit(status);
}

/* ---- the family ---- */

static struct process *new_parent(struct process *p)
{
	struct process *a;

	for (a = p->parent; a && a != init_process; a = a->parent) {
		if (a->child_subreaper && !a->zombie)
			return a;
	}
	return init_process;
}

/* task_lock held. Children get a new parent; zombies among them may be gone at once: they are put on @dead. */
static void forget_children(struct process *p, struct list_head *dead)
{
	struct process *child, *next, *to = new_parent(p);

	list_for_each_entry_safe(child, next, &p->children, sibling) {
		struct task *t;

		list_move_tail(&child->sibling, &to->children);
		child->parent = to;
		WRITE_ONCE(child->ppid, to->pid->nr);
		list_for_each_entry(t, &child->threads, thread_link) {
			if (t->pdeath_signal)
				send_signal_task(t->pdeath_signal, NULL, t);
		}
		child->exit_signal = SIGCHLD;
		if (child->zombie && notify_parent_exit(child)) {
			process_unlink(child);
			list_add_tail(&child->sibling, dead);
		}
		kill_orphaned_pgrp(child, p);
	}
}

void process_unlink(struct process *p)
{
	p->reaped = true;
	list_del(&p->sibling);
	list_del(&p->all_link);
	process_set_pgrp(p, NULL);
	process_set_session(p, NULL);
	pid_detach_task(p->pid);
	pid_detach_process(p->pid);
}

/* task_lock held: the last thread has left. Whoever need not be waited for goes on @dead. */
static void process_died(struct process *p, struct list_head *dead)
{
	forget_children(p, dead);
	kill_orphaned_pgrp(p, p->parent);
	p->zombie = true;
	if (p->parent && notify_parent_exit(p)) {
		process_unlink(p);
		list_add_tail(&p->sibling, dead);
	}
}

static void free_dead(struct list_head *dead)
{
	struct process *p, *next;

	list_for_each_entry_safe(p, next, dead, sibling) {
		list_del(&p->sibling);
		process_release(p);
	}
}

void process_release(struct process *p)
{
	task_put(p->leader);
	process_put(p);
}

/* current leaves its process. */
static void exit_notify(void)
{
	struct task *t = current;
	struct process *p = t->process;
	LIST_HEAD(dead);
	bool last;

	spin_lock(&task_lock);
	spin_lock(&p->siglock);
	account_thread_exit(t);
	list_del(&t->thread_link);
	last = --p->nr_threads == 0;
	if (!p->group_exit && t == p->leader)
		p->exit_code = t->exit_code;
	if (last && p->group_exit)
		p->exit_code = p->group_exit_code;
	spin_unlock(&p->siglock);
	if (t != p->leader) {
		ptrace_exit_tracee(t, t->exit_code);
		pid_detach_task(t->pid);
	}
	if (last) {
		ptrace_exit_tracee(p->leader, p->exit_code);
		process_died(p, &dead);
	} else if (p->group_exec_task) {
		wake_up_task(p->group_exec_task);
	}
	spin_unlock(&task_lock);
	if (last)
		wake_up_all(&p->pid->pidfd_wait);
	atomic_dec(&t->cred->user->processes);
	free_dead(&dead);
}

/* What belongs to the process as a whole; while its last thread still can sleep. */
static void exit_process_parts(struct process *p, u32 status)
{
	ptrace_exit_tracer();
	itimers_exit(p);
	posix_timers_exit(p);
	sysv_exit_process(p);
	if (p->is_session_leader)
		tty_session_leader_exit(p);
}

void do_exit(u32 wait_status)
{
	struct task *t = current;
	struct process *p = t->process;
	bool last;

	if (!t->mm && p->live == 0)
		panic("a kernel task ends");
	ptrace_event(PTRACE_EVENT_EXIT, wait_status);
	strace_death(wait_status);
	signals_exit_thread();
	t->exit_code = wait_status;
	last = atomic_sub_return(&p->live, 1) == 0;
	exit_mm();
	exit_files();
	if (last) {
		exit_process_parts(p, wait_status);
		if (p == init_process)
			end_sandbox(p->group_exit ? p->group_exit_code : wait_status);
	}
	exit_notify();
	sched_exit();
}

void do_group_exit(u32 wait_status)
{
	struct process *p = current->process;

	spin_lock(&p->siglock);
	if (p->group_exit) {
		wait_status = p->group_exit_code;
	} else if (p->group_exec_task && p->group_exec_task != current) {
		/* Another thread replaces the program: this one just goes. */
		wait_status = 0;
	} else {
		p->group_exit = true;
		p->group_exit_code = wait_status;
		signals_zap_others();
	}
	spin_unlock(&p->siglock);
	do_exit(wait_status);
}

SYSCALL1(exit, int, code)
{
	do_exit((u32)(code & 0xff) << 8);
}

SYSCALL1(exit_group, int, code)
{
	do_group_exit((u32)(code & 0xff) << 8);
}
