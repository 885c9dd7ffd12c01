/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New tasks: clone and its relatives, kernel tasks, idle tasks, and the end of their memory.
 *
 * copy_task() first gets everything that can fail, undoing it in reverse; publish() then makes the child visible under
 * task_lock and cannot fail halfway. References: one for being alive (dropped when it has left its vCPU for good), the
 * process holds one on its leader. Namespaces are not offered: their flags are -EPERM, as for a program without
 * privileges.
 */
#include <gk/acct.h>
#include <gk/errno.h>
#include <gk/fork.h>
#include <gk/fpu.h>
#include <gk/fs.h>
#include <gk/init.h>
#include <gk/mm.h>
#include <gk/printk.h>
#include <gk/ptrace.h>
#include <gk/rseq.h>
#include <gk/sched.h>
#include <gk/seccomp.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/strace.h>
#include <gk/syscall.h>
#include <gk/sysctl.h>
#include <gk/tty.h>
#include <gk/uaccess.h>

#include "../arch/x86_64/arch.h"

#define KSTACK_ORDER 2

spinlock_t task_lock;
struct list_head all_processes = LIST_HEAD_INIT(all_processes);
struct process *init_process;
bool init_protected;
static struct slab_cache *task_cache, *process_cache;

/* What kernel and idle tasks belong to: no limits, never seen. */
static struct process kernel_process = {
	.refs = REFCOUNT_INIT(1),
	.threads = LIST_HEAD_INIT(kernel_process.threads),
	.children = LIST_HEAD_INIT(kernel_process.children),
};
static struct pid kernel_pid = {
	.refs = REFCOUNT_INIT(1),
	.pgrp = LIST_HEAD_INIT(kernel_pid.pgrp),
	.session = LIST_HEAD_INIT(kernel_pid.session),
};
static struct task boot_idle; /* vCPU 0's, on the boot stack */

void sched_init(void)
{
	boot_idle.kstack = (u64)boot_stack;
	boot_idle.pid = &kernel_pid;
	boot_idle.process = &kernel_process;
	refcount_set(&boot_idle.refs, 1);
	strscpy(boot_idle.comm, "idle/0", TASK_COMM_LEN);
	kernel_process.pid = &kernel_pid;
	for (u32 i = 0; i < RLIM_NLIMITS; i++)
		kernel_process.rlim[i] = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
	boot_cpu.self = &boot_cpu;
	sched_clock_init();
	sched_cpu_init(&boot_cpu, &boot_idle);
	arch_cpu_init(&boot_cpu);
	cpus[0] = &boot_cpu;
	nr_cpus = 1;
}

void fork_init(void)
{
	task_cache = slab_cache_new("task", sizeof(struct task), 64);
	process_cache = slab_cache_new("process", sizeof(struct process), 64);
	if (!task_cache || !process_cache)
		panic("no memory for tasks");
	/* Kernel tasks have credentials too: file systems ask for them. */
	boot_idle.cred = cred_new_root();
}

/* A task without anything but its stack. */
static struct task *task_alloc(void)
{
	struct task *t = slab_zalloc(task_cache);
	struct page *stack;

	if (!t)
		return NULL;
	stack = alloc_pages(KSTACK_ORDER, 0);
	if (!stack) {
		slab_free(task_cache, t);
		return NULL;
	}
	t->kstack = (u64)page_address(stack);
	refcount_set(&t->refs, 1);
	list_init(&t->rq_link);
	list_init(&t->thread_link);
	wait_queue_init(&t->vfork_wait);
	sigpending_init(&t->pending);
	t->sas_flags = SS_DISABLE;
	t->start_time = ktime_boot();
	t->timer_slack_ns = t->default_slack_ns = 50 * NSEC_PER_USEC;
	return t;
}

static void task_free(struct task *t)
{
	seccomp_release(t);
	fpu_free(t->fpstate);
	if (t->sighand)
		sighand_put(t->sighand);
	if (t->cred)
		cred_put(t->cred);
	if (t->pid && t->pid != &kernel_pid)
		pid_put(t->pid);
	if (t->process && t->process != &kernel_process)
		process_put(t->process);
	put_page(virt_to_page((void *)t->kstack));
	slab_free(task_cache, t);
}

void task_put(struct task *t)
{
	if (refcount_dec_and_test(&t->refs))
		task_free(t);
}

struct process *process_get(struct process *p)
{
	refcount_inc(&p->refs);
	return p;
}

void process_put(struct process *p)
{
	if (!refcount_dec_and_test(&p->refs))
		return;
	pid_put(p->pid);
	sigpending_free(&p->shared_pending);
	slab_free(process_cache, p);
}

static struct process *process_alloc(struct pid *pid)
{
	struct process *p = slab_zalloc(process_cache);

	if (!p)
		return NULL;
	refcount_set(&p->refs, 1);
	p->pid = pid_get(pid);
	spin_init(&p->siglock);
	list_init(&p->threads);
	list_init(&p->children);
	list_init(&p->sibling);
	list_init(&p->pgrp_link);
	list_init(&p->session_link);
	list_init(&p->all_link);
	sigpending_init(&p->shared_pending);
	wait_queue_init(&p->wait_child);
	wait_queue_init(&p->signalfd_wait);
	p->start_time = ktime_boot();
	p->dumpable = 1;
	return p;
}

/* A kernel-only task: no program, no number, no mm. */
static struct task *kernel_task_new(const char *name)
{
	struct task *t = task_alloc();

	if (!t)
		return NULL;
	t->pid = &kernel_pid;
	t->process = &kernel_process;
	t->cred = cred_get(boot_idle.cred);
	t->cpus_allowed = ~0ull;
	strscpy(t->comm, name, TASK_COMM_LEN);
	return t;
}

struct task *idle_task_new(struct cpu *c)
{
	char name[TASK_COMM_LEN];
	struct task *t;

	snprintf(name, sizeof(name), "idle/%u", c->id);
	t = kernel_task_new(name);
	if (t)
		t->cpus_allowed = 1ull << c->id;
	return t;
}

struct task *kthread_run(const char *name, void (*fn)(void *arg), void *arg)
{
	struct task *t = kernel_task_new(name);

	if (!t)
		return NULL;
	arch_prepare_task(t, fn, arg);
	t->cpu = this_cpu();
	sched_new_task(t);
	return t;
}

/* ---- the first program ---- */

static const struct rlimit first_limits[RLIM_NLIMITS] = {
	[RLIMIT_CPU] = {RLIM_INFINITY, RLIM_INFINITY},
	[RLIMIT_FSIZE] = {RLIM_INFINITY, RLIM_INFINITY},
	[RLIMIT_DATA] = {RLIM_INFINITY, RLIM_INFINITY},
	[RLIMIT_STACK] = {8ull << 20, RLIM_INFINITY},
	[RLIMIT_CORE] = {0, RLIM_INFINITY},
	[RLIMIT_RSS] = {RLIM_INFINITY, RLIM_INFINITY},
	[RLIMIT_NPROC] = {RLIM_INFINITY, RLIM_INFINITY},
	[RLIMIT_NOFILE] = {1024, 1048576},
	[RLIMIT_MEMLOCK] = {8ull << 20, 8ull << 20},
	[RLIMIT_AS] = {RLIM_INFINITY, RLIM_INFINITY},
	[RLIMIT_LOCKS] = {RLIM_INFINITY, RLIM_INFINITY},
	[RLIMIT_SIGPENDING] = {32768, 32768},
	[RLIMIT_MSGQUEUE] = {819200, 819200},
	[RLIMIT_NICE] = {0, 0},
	[RLIMIT_RTPRIO] = {0, 0},
	[RLIMIT_RTTIME] = {RLIM_INFINITY, RLIM_INFINITY},
};

struct task *first_task_new(void (*fn)(void *arg))
{
	struct pid *pid = pid_alloc(1);
	struct process *p = IS_ERR(pid) ? NULL : process_alloc(pid);
	struct task *t = task_alloc();

	if (!p || !t)
		return NULL;
	t->pid = pid;
	t->process = process_get(p);
	t->cred = cred_new_root();
	t->files = files_new();
	t->fs = fs_info_copy(NULL);
	t->sighand = sighand_new();
	t->fpstate = fpu_alloc();
	if (!t->cred || !t->files || !t->fs || !t->sighand || !t->fpstate)
		return NULL;
	t->cpus_allowed = ~0ull;
	strscpy(t->comm, "init", TASK_COMM_LEN);
	memcpy(p->rlim, first_limits, sizeof(p->rlim));
	p->leader = task_get(t);
	p->nr_threads = p->live = 1;
	p->exit_signal = SIGCHLD;
	p->is_session_leader = true;
	list_add_tail(&t->thread_link, &p->threads);
	list_add_tail(&p->all_link, &all_processes);
	pid_attach_task(pid, t);
	pid_attach_process(pid, p);
	process_set_pgrp(p, pid);
	process_set_session(p, pid);
	init_process = p;
	atomic_inc(&t->cred->user->processes);
	arch_prepare_task(t, fn, NULL);
	t->cpu = this_cpu();
	return t;
}

/* ---- clone ---- */

static int check_flags(const struct kernel_clone_args *a)
{
	u64 f = a->flags;

	if ((f & CLONE_FS) && (f & (CLONE_NEWNS | CLONE_NEWUSER)))
		return -EINVAL;
	if ((f & CLONE_NEWIPC) && (f & CLONE_SYSVSEM))
		return -EINVAL;
	if (f & CLONE_NEW_ANY)
		return -EPERM;
	if ((f & CLONE_THREAD) && !(f & CLONE_SIGHAND))
		return -EINVAL;
	if ((f & CLONE_SIGHAND) && (!(f & CLONE_VM) || (f & CLONE_CLEAR_SIGHAND)))
		return -EINVAL;
	if ((f & CLONE_PARENT) && !(f & CLONE_THREAD) && current->process == init_process)
		return -EINVAL;
	if ((f & CLONE_PIDFD) && (f & (CLONE_DETACHED | CLONE_THREAD)))
		return -EINVAL;
	return 0;
}

static int copy_mm(struct task *t, u64 flags)
{
	struct mm *mm = current->mm;

	if (flags & CLONE_VM) {
		refcount_inc(&mm->users);
	} else {
		mm = mm_dup(mm);
		if (IS_ERR(mm))
			return (int)PTR_ERR(mm);
	}
	t->mm = mm;
	return 0;
}

static int copy_files(struct task *t, u64 flags)
{
	if (flags & CLONE_FILES) {
		files_get(current->files);
		t->files = current->files;
		return 0;
	}
	t->files = files_dup(current->files);
	if (IS_ERR_OR_NULL(t->files)) {
		int err = t->files ? (int)PTR_ERR(t->files) : -ENOMEM;

		t->files = NULL;
		return err;
	}
	return 0;
}

static int copy_fs(struct task *t, u64 flags)
{
	if (flags & CLONE_FS) {
		fs_info_get(current->fs);
		t->fs = current->fs;
		return 0;
	}
	t->fs = fs_info_copy(current->fs);
	return t->fs ? 0 : -ENOMEM;
}

static int copy_sighand(struct task *t, u64 flags)
{
	if (flags & CLONE_SIGHAND) {
		refcount_inc(&current->sighand->refs);
		t->sighand = current->sighand;
		return 0;
	}
	t->sighand = sighand_copy(current->sighand);
	if (!t->sighand)
		return -ENOMEM;
	if (flags & CLONE_CLEAR_SIGHAND) {
		for (u32 i = 0; i < NSIG; i++) {
			if (t->sighand->action[i].handler != SIG_IGN)
				t->sighand->action[i] = (struct k_sigaction){.handler = SIG_DFL};
		}
	}
	return 0;
}

/* A process of its own for the child, not yet visible. */
static int copy_process(struct task *t, struct pid *pid, const struct kernel_clone_args *a)
{
	struct process *from = current->process, *p = process_alloc(pid);

	if (!p)
		return -ENOMEM;
	t->process = p;
	spin_lock(&from->siglock);
	memcpy(p->rlim, from->rlim, sizeof(p->rlim));
	spin_unlock(&from->siglock);
	p->oom_score_adj = from->oom_score_adj;
	p->dumpable = from->dumpable;
	p->personality = from->personality;
	return 0;
}

static bool too_many_processes(void)
{
	const struct rlimit *l = &current->process->rlim[RLIMIT_NPROC];

	return READ_ONCE(current->cred->user->processes) >= READ_ONCE(l->cur) && current->cred->uid != 0 &&
	       !capable(CAP_SYS_RESOURCE) && !capable(CAP_SYS_ADMIN);
}

/* Everything of the child that needs memory. On failure @t has what it got; task_undo() frees it. */
static int copy_parts(struct task *t, const struct kernel_clone_args *a)
{
	int err;

	t->cred = cred_get(current->cred);
	t->fpstate = fpu_alloc();
	if (!t->fpstate)
		return -ENOMEM;
	err = copy_files(t, a->flags);
	if (!err)
		err = copy_fs(t, a->flags);
	if (!err)
		err = copy_sighand(t, a->flags);
	if (!err)
		err = copy_mm(t, a->flags);
	return err;
}

static void task_undo(struct task *t)
{
	if (t->mm)
		mm_put_user(t->mm);
	if (t->fs)
		fs_info_put(t->fs);
	if (t->files)
		files_put(t->files);
	task_put(t);
}

/* The program's registers, and FP state, of the child. */
static void copy_registers(struct task *t, const struct kernel_clone_args *a)
{
	struct pt_regs *regs = task_pt_regs(t);

	*regs = *task_pt_regs(current);
	regs->rax = 0;
	if (a->stack)
		regs->rsp = a->stack;
	fpu_save_current(t->fpstate);
	t->fsbase = a->flags & CLONE_SETTLS ? a->tls : rdfsbase();
	t->gsbase = this_cpu()->pvcs.user_gsbase;
	arch_prepare_task(t, NULL, NULL);
}

static void copy_small_things(struct task *t, const struct kernel_clone_args *a)
{
	const struct task *me = current;

	memcpy(t->comm, me->comm, TASK_COMM_LEN);
	t->blocked = me->blocked;
	if (!(a->flags & CLONE_VM) || (a->flags & CLONE_VFORK)) {
		t->sas_sp = me->sas_sp;
		t->sas_size = me->sas_size;
		t->sas_flags = me->sas_flags;
	}
	if (!(a->flags & CLONE_VM)) {
		t->rseq = me->rseq;
		t->rseq_len = me->rseq_len;
		t->rseq_sig = me->rseq_sig;
		if (t->rseq)
			atomic_or(&t->work, WORK_RSEQ);
	}
	t->no_new_privs = me->no_new_privs;
	t->timer_slack_ns = t->default_slack_ns = me->timer_slack_ns;
	t->forked_no_exec = true;
	t->exec_id = me->exec_id;
	t->work |= READ_ONCE(me->work) & WORK_STRACE;
	if (a->flags & CLONE_CHILD_SETTID)
		t->set_child_tid = (u64)a->child_tid;
	if (a->flags & CLONE_CHILD_CLEARTID)
		t->clear_child_tid = (u64)a->child_tid;
	signals_new_task(t);
	sched_fork(t);
}

/* task_lock and the parent's siglock held. */
static void link_thread(struct task *t)
{
	struct process *p = t->process;

	list_add_tail(&t->thread_link, &p->threads);
	p->nr_threads++;
	atomic_inc(&p->live);
}

/* task_lock held: the new process takes its place in the family. */
static void link_process(struct task *t, const struct kernel_clone_args *a)
{
	struct process *from = current->process, *p = t->process;

	p->leader = task_get(t);
	p->exit_signal = a->flags & CLONE_PARENT ? from->exit_signal : a->exit_signal;
	p->parent = a->flags & CLONE_PARENT ? from->parent : from;
	p->ppid = p->parent->pid->nr;
	list_add_tail(&t->thread_link, &p->threads);
	p->nr_threads = p->live = 1;
	list_add_tail(&p->sibling, &p->parent->children);
	list_add_tail(&p->all_link, &all_processes);
	process_set_pgrp(p, from->pgrp);
	process_set_session(p, from->session);
	tty_fork(from, p);
	pid_attach_process(t->pid, p);
	process_get(p); /* the family's reference, dropped when it is reaped */
}

/*
 * Makes the child visible. -ERESTARTNOINTR: current is being signalled or killed; signals before the fork go to it
 * alone.
 */
static int publish(struct task *t, const struct kernel_clone_args *a)
{
	struct process *from = current->process;

	spin_lock(&task_lock);
	spin_lock(&from->siglock);
	if (signal_pending() || from->group_exit || from->group_exec_task) {
		spin_unlock(&from->siglock);
		spin_unlock(&task_lock);
		return -ERESTARTNOINTR;
	}
	if (a->flags & CLONE_THREAD)
		link_thread(t);
	seccomp_fork(t);
	spin_unlock(&from->siglock);
	if (!(a->flags & CLONE_THREAD))
		link_process(t, a);
	pid_attach_task(t->pid, t);
	spin_unlock(&task_lock);
	atomic_inc(&t->cred->user->processes);
	return 0;
}

static struct task *copy_task(const struct kernel_clone_args *a)
{
	struct task *t;
	struct pid *pid;
	int err = check_flags(a);

	if (err)
		return ERR_PTR(err);
	if (too_many_processes())
		return ERR_PTR(-EAGAIN);
	t = task_alloc();
	if (!t)
		return ERR_PTR(-ENOMEM);
	pid = pid_alloc(a->set_tid_size ? a->set_tid[0] : 0);
	if (IS_ERR(pid)) {
		err = (int)PTR_ERR(pid);
		goto err_task;
	}
	t->pid = pid;
	if (a->flags & CLONE_THREAD)
		t->process = process_get(current->process);
	else
		err = copy_process(t, pid, a);
	if (!err)
		err = copy_parts(t, a);
	if (err)
		goto err_task;
	copy_small_things(t, a);
	copy_registers(t, a);
	return t;

err_task:
	task_undo(t);
	return ERR_PTR(err);
}

/* The pidfd of CLONE_PIDFD: a reserved descriptor that is installed once the child exists. */
static int prepare_pidfd(const struct kernel_clone_args *a, struct task *t, struct file **file)
{
	int fd = fd_reserve(O_CLOEXEC);

	if (fd < 0)
		return fd;
	*file = pidfd_file(t->pid, O_RDWR);
	if (IS_ERR(*file)) {
		fd_release(fd);
		return (int)PTR_ERR(*file);
	}
	if (put_user(fd, a->pidfd)) {
		file_put(*file);
		fd_release(fd);
		return -EFAULT;
	}
	return fd;
}

static void wait_for_vfork(struct task *child)
{
	/* Killable: then the child goes on alone. */
	if (wait_event_killable(&child->vfork_wait, READ_ONCE(child->vfork_done)))
		return;
}

long kernel_clone(const struct kernel_clone_args *a)
{
	struct task *t = copy_task(a);
	struct file *pidfile = NULL;
	int pidfd = -1, err;
	u32 event = ptrace_clone_event(a->flags, a->exit_signal);
	bool traced = ptrace_event_wanted(event) && !(a->flags & CLONE_UNTRACED);
	long nr;

	if (IS_ERR(t))
		return PTR_ERR(t);
	nr = task_pid_nr(t);
	if (a->flags & CLONE_PIDFD) {
		pidfd = prepare_pidfd(a, t, &pidfile);
		if (pidfd < 0) {
			err = pidfd;
			goto err_task;
		}
	}
	err = publish(t, a);
	if (err)
		goto err_pidfd;
	if (!(a->flags & CLONE_THREAD))
		itimers_new_process(t->process);
	if (traced || (a->flags & CLONE_PTRACE))
		ptrace_new_task(t);
	if (pidfile)
		fd_install(pidfd, pidfile);
	if ((a->flags & CLONE_PARENT_SETTID) && put_user((s32)nr, a->parent_tid)) {
		/* As Linux: the child exists, the number is just not told. */
	}
	if (a->flags & CLONE_VFORK)
		task_get(t);
	else
		t->vfork_done = true;
	sched_new_task(t);
	if (traced)
		ptrace_event(event, (u64)nr);
	if (a->flags & CLONE_VFORK) {
		wait_for_vfork(t);
		task_put(t);
		ptrace_event(PTRACE_EVENT_VFORK_DONE, (u64)nr);
	}
	return nr;

err_pidfd:
	if (pidfile) {
		file_put(pidfile);
		fd_release(pidfd);
	}
err_task:
	task_undo(t);
	return err;
}

void vfork_release(void)
{
	struct task *t = current;

	if (t->vfork_done)
		return;
	WRITE_ONCE(t->vfork_done, true);
	wake_up_all(&t->vfork_wait);
}

/* A new program's task runs for the first time (entry.S: task_start). */
void schedule_tail(struct task *prev)
{
	finish_switch(prev);
	if (current->set_child_tid && put_user(task_pid_nr(current), (s32 __user *)current->set_child_tid)) {
		/* The program gave a bad address: its problem, as in Linux. */
	}
}

/* ---- the calls ---- */

SYSCALL0(fork)
{
	struct kernel_clone_args a = {.exit_signal = SIGCHLD};

	return kernel_clone(&a);
}

SYSCALL0(vfork)
{
	struct kernel_clone_args a = {.flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD};

	return kernel_clone(&a);
}

SYSCALL5(clone, u64, flags, u64, stack, s32 __user *, parent_tid, s32 __user *, child_tid, u64, tls)
{
	struct kernel_clone_args a = {
		.flags = (u32)flags & ~(u32)CSIGNAL,
		.exit_signal = (int)(flags & CSIGNAL),
		.stack = stack,
		.tls = tls,
		.parent_tid = parent_tid,
		.child_tid = child_tid,
		.pidfd = parent_tid,
	};

	/* One address for two results. */
	if ((a.flags & CLONE_PIDFD) && (a.flags & CLONE_PARENT_SETTID))
		return -EINVAL;
	if ((a.flags & CLONE_SETTLS) && tls >= TASK_SIZE_MAX)
		return -EPERM;
	return kernel_clone(&a);
}

/* struct clone_args of Linux */
struct clone_args {
	u64 flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};
#define CLONE_ARGS_SIZE_VER0 64

/* Copies an extensible structure: bytes beyond what we know must be zero. */
static int copy_clone_args(struct clone_args *ca, const void __user *uargs, size_t size)
{
	u8 extra[64];
	size_t done, n;

	memset(ca, 0, sizeof(*ca));
	if (size > PAGE_SIZE)
		return -E2BIG;
	if (size < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	if (copy_from_user(ca, uargs, MIN(size, sizeof(*ca))))
		return -EFAULT;
	for (done = sizeof(*ca); done < size; done += n) {
		n = MIN(size - done, sizeof(extra));
		if (copy_from_user(extra, (const u8 __user *)uargs + done, n))
			return -EFAULT;
		for (size_t i = 0; i < n; i++) {
			if (extra[i])
				return -E2BIG;
		}
	}
	return 0;
}

SYSCALL2(clone3, const void __user *, uargs, size_t, size)
{
	struct kernel_clone_args a = {0};
	struct clone_args ca;
	s32 set_tid;
	int err = copy_clone_args(&ca, uargs, size);

	if (err)
		return err;
	if ((ca.flags & (CLONE_DETACHED | (CSIGNAL & ~(u64)CLONE_NEWTIME))) || (ca.flags & ~CLONE_KNOWN_FLAGS))
		return -EINVAL;
	if (ca.exit_signal & ~(u64)CSIGNAL || ca.exit_signal > NSIG)
		return -EINVAL;
	if ((ca.flags & (CLONE_THREAD | CLONE_PARENT)) && ca.exit_signal)
		return -EINVAL;
	if (!ca.stack != !ca.stack_size || (ca.stack && !access_ok(ca.stack, ca.stack_size)))
		return -EINVAL;
	if (ca.flags & CLONE_INTO_CGROUP)
		return -EOPNOTSUPP;
	if (ca.set_tid_size > 32 || !ca.set_tid != !ca.set_tid_size)
		return -EINVAL;
	if (ca.set_tid_size) {
		/* One level of pid namespaces. */
		if (ca.set_tid_size > 1)
			return -EINVAL;
		if (get_user(set_tid, (s32 __user *)ca.set_tid))
			return -EFAULT;
		if (set_tid <= 0 || set_tid >= (s32)READ_ONCE(sysctl_pid_max))
			return -EINVAL;
		if (!capable(CAP_SYS_ADMIN))
			return -EPERM;
		a.set_tid = &set_tid;
		a.set_tid_size = 1;
	}
	if ((ca.flags & CLONE_SETTLS) && ca.tls >= TASK_SIZE_MAX)
		return -EPERM;
	a.flags = ca.flags;
	a.exit_signal = (int)ca.exit_signal;
	a.stack = ca.stack ? ca.stack + ca.stack_size : 0;
	a.tls = ca.tls;
	a.pidfd = (s32 __user *)ca.pidfd;
	a.child_tid = (s32 __user *)ca.child_tid;
	a.parent_tid = (s32 __user *)ca.parent_tid;
	return kernel_clone(&a);
}

SYSCALL1(unshare, u64, flags)
{
	struct fs_info *fs, *old;
	int err;

	if (flags & ~(CLONE_FS | CLONE_FILES | CLONE_NEW_ANY | CLONE_SYSVSEM | CLONE_THREAD | CLONE_SIGHAND | CLONE_VM))
		return -EINVAL;
	if (flags & CLONE_NEW_ANY)
		return -EPERM;
	if ((flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)) && current->process->nr_threads > 1)
		return -EINVAL;
	if ((flags & CLONE_VM) && refcount_read(&current->mm->users) > 1)
		return -EINVAL;
	if (flags & CLONE_FS) {
		fs = fs_info_copy(current->fs);
		if (!fs)
			return -ENOMEM;
		old = current->fs;
		current->fs = fs;
		fs_info_put(old);
	}
	if (flags & CLONE_FILES) {
		err = files_unshare();
		if (err)
			return err;
	}
	return 0;
}
