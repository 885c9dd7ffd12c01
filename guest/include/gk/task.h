/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks (threads), processes and what they share.
 *
 * A task is one thread. The threads of a process share struct process (what POSIX gives to the process: signals,
 * limits, timers, children). Memory, descriptors, directories and handlers are shared by reference, as clone flags say.
 */
#ifndef GK_TASK_H
#define GK_TASK_H

#include <gk/cred.h>
#include <gk/lock.h>
#include <gk/percpu.h>
#include <gk/ptregs.h>
#include <gk/signal.h>
#include <gk/timer.h>
#include <gk/wait.h>

struct mm;
struct files;
struct fs_info;
struct file;
struct tty;

#define KSTACK_SIZE 16384ul
#define TASK_COMM_LEN 16

/* states; a sleeper is woken by try_wake_up() with a mask of states */
#define TASK_RUNNING 0x0
#define TASK_INTERRUPTIBLE 0x1
#define TASK_UNINTERRUPTIBLE 0x2
#define TASK_STOPPED 0x4 /* job control */
#define TASK_TRACED 0x8
#define TASK_DEAD 0x10	    /* left the CPU for good */
#define TASK_WAKEKILL 0x100 /* a fatal signal wakes it */
#define TASK_KILLABLE (TASK_WAKEKILL | TASK_UNINTERRUPTIBLE)
#define TASK_NORMAL (TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE)

/* work pending on the way to user mode: task->work, atomic bits */
#define WORK_SIGNAL 0x1
#define WORK_RSEQ 0x2
#define WORK_TRACE_SYSCALL 0x4
#define WORK_RESTORE_SIGMASK 0x8
#define WORK_EXIT_GROUP 0x10
#define WORK_NOTIFY 0x20
#define WORK_SECCOMP 0x40
#define WORK_STRACE 0x80
#define WORK_RECLAIM 0x200   /* took from the kernel's reserve of memory: has to fill it up */
#define WORK_FULL_REGS 0x100 /* a system call replaced the registers: the fast way out would not load them all */

#define RLIM_NLIMITS 16
#define RLIM_INFINITY (~0ull)
enum {
	RLIMIT_CPU,
	RLIMIT_FSIZE,
	RLIMIT_DATA,
	RLIMIT_STACK,
	RLIMIT_CORE,
	RLIMIT_RSS,
	RLIMIT_NPROC,
	RLIMIT_NOFILE,
	RLIMIT_MEMLOCK,
	RLIMIT_AS,
	RLIMIT_LOCKS,
	RLIMIT_SIGPENDING,
	RLIMIT_MSGQUEUE,
	RLIMIT_NICE,
	RLIMIT_RTPRIO,
	RLIMIT_RTTIME
};
struct rlimit {
	u64 cur, max;
};

/* What getrusage() and times() report. */
struct rusage_acct {
	u64 utime_ns, stime_ns, minflt, majflt, nvcsw, nivcsw, inblock, oublock, maxrss_kb;
};

/* A number that names a process, group or session, and whoever waits on it (kernel/pid.c). */
struct pid {
	refcount_t refs;
	s32 nr;
	struct rb_node node;	      /* pid_lock: by nr, while any of the following is not empty */
	bool hashed;		      /* pid_lock: node is in the tree */
	struct task *task;	      /* pid_lock: thread with this tid, or NULL */
	struct process *process;      /* pid_lock: process with this pid (from birth until reaped), or NULL */
	struct list_head pgrp;	      /* pid_lock: processes of the group */
	struct list_head session;     /* pid_lock: processes of the session */
	struct wait_queue pidfd_wait; /* pidfd pollers, woken on exit */
};

/* One process: everything its threads share by POSIX. Lock: siglock unless said. */
#define ADDR_NO_RANDOMIZE 0x0040000 /* process->personality, as programs give it */

struct process {
	refcount_t refs;
	spinlock_t siglock;
	struct pid *pid;	      /* immutable */
	struct task *leader;	      /* immutable until de_thread() in exec */
	struct list_head threads;     /* task->thread_link; changed under task_lock and siglock, read under either */
	u32 nr_threads;		      /* like threads: live ones */
	u32 live;		      /* atomic: threads that have not begun to exit */
	struct list_head all_link;    /* task_lock: all processes that are not reaped */
	u32 group_exit_code;	      /* siglock: wait status once group_exit */
	bool group_exit;	      /* siglock */
	struct task *group_exec_task; /* siglock: the thread that execs; the others die */
	struct sigpending shared_pending; /* siglock */
	struct wait_queue wait_child;	  /* parents sleep here in wait4() */
	struct wait_queue signalfd_wait;

	/* job control: siglock */
	u32 group_stop_sig;	       /* 0: running; else the signal that stopped all of it */
	bool stop_reported, continued; /* for wait4(): cleared and set by it, respectively cleared by it */
	u32 stop_count;		       /* threads that still have to stop */
	u32 stopping_sig;	       /* a stop is under way: its signal */
	u32 notify;		       /* SIGNAL_NOTIFY_*: what the parent must still be told */
	u64 sig_forced;		       /* first program: pending ones that act by default all the same */

	/* family: task_lock */
	struct process *parent;
	s32 ppid;		   /* parent's number; readable without a lock */
	struct list_head children; /* process->sibling */
	struct list_head sibling;
	struct pid *pgrp, *session;
	struct list_head pgrp_link, session_link;
	struct tty *tty; /* controlling terminal, tty code's lock */
	bool is_session_leader, child_subreaper, did_exec;
	bool zombie; /* last thread gone; waits to be reaped */
	bool reaped;
	u32 exit_code;	 /* wait status */
	int exit_signal; /* sent to the parent */

	struct rlimit rlim[RLIM_NLIMITS]; /* siglock */
	struct rusage_acct acct_dead;	  /* of threads that have exited; siglock */
	struct rusage_acct acct_children;
	ktime_t start_time;		   /* boot clock */
	struct ptrace_state *ptraced;	   /* task_lock: whom it traces */
	struct posix_timers *posix_timers; /* siglock; kernel/posix_timer.c */
	struct itimers *itimers;	   /* siglock; kernel/itimer.c */
	struct pid *tty_old_pgrp;
	void *sem_undo; /* ipc/sem.c */
	u32 oom_score_adj;
	int dumpable;
	u32 personality; /* of its flags ADDR_NO_RANDOMIZE and UNAME26 (kernel/uname.c) have an effect */
};

struct robust_list_head;
struct pi_state;
struct seccomp_filter;
struct ptrace_state;
struct posix_timers;
struct itimers;

struct task {
	/* Offsets known to assembly (asserted in arch/x86_64/asm-offsets.c). */
	u64 ksp;	    /* saved kernel RSP while not running */
	u64 kstack;	    /* lowest address of the kernel stack */
	u64 work;	    /* WORK_*, atomic */
	u32 acct_entries;   /* gk/acct.h: entries into the kernel, modulo 2^32 */
	void *fpstate;	    /* XSAVE area, 64-byte aligned */
	u64 fsbase, gsbase; /* the program's, valid while not running in user mode */

	refcount_t refs;
	u32 state;	 /* TASK_*, see try_wake_up() */
	struct cpu *cpu; /* where it runs or last ran */
	bool on_cpu, on_rq;
	struct list_head rq_link; /* cpu->rq_lock */
	bool sync_placed;	  /* cpu->rq_lock: waits for its waker to block, not for a share of the CPU */
	u64 vruntime, slice_start, sum_exec_ns;
	u64 queued_tsc; /* cpu->rq_lock: when it began to wait */
	int nice, policy, rt_priority;
	u16 ioprio;
	u64 cpus_allowed; /* bit per vCPU */
	u64 fp_valid_tag; /* arch: vCPU + 1 where live FP state may still be loaded; 0 after changing fpstate */
	u64 trap_nr, trap_err, trap_cr2; /* the last exception, for signal frames */
	u64 last_wake;			 /* TSC when it last woke another task: kernel/sched.c */
	s32 sync_score;			 /* > 0: it tends to block right after waking somebody */

	struct pid *pid;	      /* tid; immutable */
	struct process *process;      /* immutable */
	struct list_head thread_link; /* process->threads */
	char comm[TASK_COMM_LEN];

	struct mm *mm;	     /* NULL: kernel task */
	struct files *files; /* task's own reference; never NULL while alive */
	struct fs_info *fs;
	struct sighand *sighand; /* protected by process->siglock */
	struct cred *
		cred; /* effective; replaced by the task itself under task_lock and siglock, others read under either */

	/* signals: process->siglock */
	u64 blocked, saved_sigmask; /* bit n-1 = signal n */
	u64 real_blocked;	    /* sigtimedwait: what is blocked besides `blocked` while it waits */
	u32 jobctl;		    /* JOBCTL_* */
	struct sigpending pending;
	u64 sas_sp, sas_size; /* alternate stack */
	u32 sas_flags;
	struct restart_block restart;

	/* threads */
	u64 clear_child_tid, set_child_tid; /* program addresses */
	u64 robust_list;
	u64 rseq;	      /* program address or 0 */
	struct cpu *rseq_cpu; /* what the program's structure says */
	u32 rseq_len, rseq_sig;
	bool vfork_done;
	struct wait_queue vfork_wait;	/* the parent, until mm is released */
	bool futex_exited;		/* pi_lock of futex_pi.c: can own no PI lock any more */
	struct pi_state *pi_owned;	/* PI futexes with waiters that this task owns; kernel/futex_pi.c */
	struct seccomp_filter *seccomp; /* the last one; siglock to change; kernel/seccomp.c */
	u32 seccomp_mode;		/* 0, SECCOMP_MODE_* */

	u32 exit_code;
	bool exiting, forked_no_exec, no_new_privs;
	int pdeath_signal;
	u64 timer_slack_ns, default_slack_ns; /* the second: what PR_SET_TIMERSLACK 0 goes back to */
	struct rusage_acct acct;	      /* own */
	ktime_t start_time;
	u64 acct_stamp;		     /* gk/acct.h: CPU time at the entry that is being measured, or 0 */
	struct ptrace_state *ptrace; /* NULL: not traced; task_lock and siglock to change */
	int ptrace_sig;		     /* siglock: what the tracer lets it go with */
	u32 no_faults;		     /* > 0: copies from and to programs fail instead of faulting pages in */
	u32 fail_nth, fail_left;     /* mm/faults.c */
	bool fail_now;
	bool no_reclaim; /* frees memory itself: allocations do not reclaim (mm/reclaim.c) */
	u64 exec_id;
};

/* Order: task_lock > process->siglock > rq_lock. Protects the family tree, thread lists and pid links. */
extern spinlock_t task_lock;

static inline struct pt_regs *task_pt_regs(const struct task *t)
{
	return (struct pt_regs *)(t->kstack + KSTACK_SIZE) - 1;
}

static inline s32 task_pid_nr(const struct task *t)
{
	return t->pid->nr;
}

static inline s32 task_tgid_nr(const struct task *t)
{
	return t->process->pid->nr;
}

/* References. */
static inline struct task *task_get(struct task *t)
{
	refcount_inc(&t->refs);
	return t;
}
void task_put(struct task *t);
struct process *process_get(struct process *p);
void process_put(struct process *p);

/* kernel/pid.c: lookups return a reference, or NULL. */
/*
 * A free number, or @nr if not 0: ERR_PTR(-EEXIST, -EAGAIN, -ENOMEM). Not to be found before it is attached to
 * something.
 */
struct pid *pid_alloc(s32 nr);
/* The number given last, after which the search for the next one starts. */
s32 pid_last(void);
void pid_set_last(s32 nr);
/* task_lock held. What a number names; the number is free again when it names nothing. */
void pid_attach_task(struct pid *pid, struct task *t);
void pid_attach_process(struct pid *pid, struct process *p);
void pid_detach_task(struct pid *pid);
void pid_detach_process(struct pid *pid);
/* task_lock held: @p joins the group or session (leaving the old one); references are counted inside. */
void process_set_pgrp(struct process *p, struct pid *pgrp);
void process_set_session(struct process *p, struct pid *session);
#define PID_MAX 32768
struct pid *pid_get(struct pid *p);
void pid_put(struct pid *p);
struct pid *find_get_pid(s32 nr);
struct task *find_get_task(s32 tid);
struct process *find_get_process(s32 pid);
/* What a pidfd stands for, with a reference; ERR_PTR(-EBADF): @fd is none. */
struct pid *pidfd_pid(int fd);
/* The same for an open directory /proc/PID, which pidfd_send_signal() takes as well (fs/proc/pid.c). */
struct pid *proc_dir_pid(const struct file *f);
/* Walks: calls @fn under task_lock for each live task/process; stops when it returns non-zero and returns that. */
int for_each_process_do(int (*fn)(struct process *p, void *arg), void *arg);
/* The first process/task with number >= @from (reference), for /proc listings. */
struct process *process_next(s32 from);
extern struct process *init_process;
extern bool
	init_protected; /* signals it does not handle do not kill init_process, as in a container; set before it starts */

/* kernel/sched.c */
void schedule(void); /* gives up the vCPU according to current->state */
void sched_yield_cpu(void);
bool try_wake_up(struct task *t, u32 states);
static inline void wake_up_task(struct task *t)
{
	try_wake_up(t, TASK_NORMAL);
}
#define set_current_state(s) ((void)atomic_xchg(&current->state, s))
static inline bool need_resched(void)
{
	return READ_ONCE(this_cpu()->need_resched) != 0;
}
/* At safe points of long kernel paths (no spinlock held). */
void cond_resched(void);
void sched_new_task(struct task *t);	      /* first wake-up */
void kick_task(struct task *t);		      /* makes a running task look at its work soon */
void set_task_work(struct task *t, u64 bits); /* atomic or + kick if it runs elsewhere */
/* A kernel task (no mm). It starts with fn(arg) on some vCPU; must never return. */
struct task *kthread_run(const char *name, void (*fn)(void *arg), void *arg);

/* kernel/fork.c, exit.c */
extern struct list_head all_processes; /* task_lock */
/* task_lock held: @p, a zombie, is waited for: it is in no list and has no number any more. Then process_release(). */
void process_unlink(struct process *p);
void process_release(struct process *p); /* the family's references; no lock held */
/* The processes' pidfd (kernel/pidfd.c): the new descriptor's file for @pid, or ERR_PTR. */
struct file *pidfd_file(struct pid *pid, u32 flags);
/* Wakes the parent that waits in vfork(): current gives up the memory it shares with it. */
void vfork_release(void);
struct kernel_clone_args {
	u64 flags;
	int exit_signal;
	u64 stack, tls;
	s32 __user *pidfd, *child_tid, *parent_tid;
	s32 *set_tid;
	u32 set_tid_size;
};
long kernel_clone(const struct kernel_clone_args *args);
void do_exit(u32 wait_status) __noreturn;	/* this thread */
void do_group_exit(u32 wait_status) __noreturn; /* the whole process */

/* arch/x86_64 */
/* Goes on with @next; returns (when @prev runs again) the task that ran before it. */
struct task *__switch_to(struct task *prev, struct task *next);
/* Handles fetched UM_PENDING_* bits. No lock held; does not sleep. */
void handle_pending(u64 pending);
/* Fetches and handles what is pending on this vCPU. */
static inline void poll_pending(void)
{
	u64 *p = &this_cpu()->pvcs.pending;

	if (unlikely(READ_ONCE(*p)))
		handle_pending(atomic_xchg(p, 0));
}
/*
 * Lays out a new task's kernel stack: it starts with fn(arg) (fn may return once it has become a program), or with NULL
 * at the registers in task_pt_regs(). FP state, FS and GS base are those of @t->fpstate, fsbase, gsbase.
 */
void arch_prepare_task(struct task *t, void (*fn)(void *arg), void *arg);
/* exec: current starts anew at @rip with @rsp and the initial FP state; its mm is loaded. */
void arch_start_program(struct pt_regs *regs, u64 rip, u64 rsp);
/* exec, fork, exit: loads @mm's table (NULL: the home table); live FP state and FS base are gone. */
void load_mm(struct mm *mm);

#endif
