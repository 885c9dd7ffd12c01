/* SPDX-License-Identifier: Apache-2.0 */
/* Signals: numbers, sets, and what other parts call (kernel/signal.c, arch/x86_64/sigframe.c). */
#ifndef GK_SIGNAL_H
#define GK_SIGNAL_H

#include <gk/lock.h>
#include <gk/wait.h>
#include <gk/types.h>

struct task;
struct process;
struct pid;
struct pt_regs;
struct user;
struct posix_timer;

#define NSIG 64
enum {
	SIGHUP = 1,
	SIGINT,
	SIGQUIT,
	SIGILL,
	SIGTRAP,
	SIGABRT,
	SIGBUS,
	SIGFPE,
	SIGKILL,
	SIGUSR1,
	SIGSEGV,
	SIGUSR2,
	SIGPIPE,
	SIGALRM,
	SIGTERM,
	SIGSTKFLT,
	SIGCHLD,
	SIGCONT,
	SIGSTOP,
	SIGTSTP,
	SIGTTIN,
	SIGTTOU,
	SIGURG,
	SIGXCPU,
	SIGXFSZ,
	SIGVTALRM,
	SIGPROF,
	SIGWINCH,
	SIGIO,
	SIGPWR,
	SIGSYS,
	SIGRTMIN
};
#define SIGPOLL SIGIO
#define sigbit(n) (1ull << ((n)-1))

/* siginfo_t, Linux x86-64, 128 bytes. */
struct siginfo {
	s32 si_signo, si_errno, si_code, pad0;
	union {
		struct {
			s32 pid;
			u32 uid;
			union {
				s32 status;
				struct {
					u64 sigval;
				};
			};
			s64 utime, stime;
		};
		struct {
			s32 timerid, overrun;
			u64 value;
			s32 sys_private;
		} timer;
		struct {
			s32 pid;
			u32 uid;
			u64 sigval;
		} rt;
		struct {
			s32 pid;
			u32 uid;
			s32 status;
			s32 pad;
			s64 utime, stime;
		} chld;
		struct {
			u64 addr;
			s16 addr_lsb;
			u64 lower, upper;
		} fault;
		struct {
			s64 band;
			s32 fd;
		} poll;
		struct {
			u64 call_addr;
			s32 syscall;
			u32 arch;
		} sys;
		u8 raw[112];
	};
};
_Static_assert(sizeof(struct siginfo) == 128, "siginfo_t");

#define SI_USER 0
#define SI_KERNEL 0x80
#define SI_QUEUE -1
#define SI_TIMER -2
#define SI_MESGQ -3
#define SI_ASYNCIO -4
#define SI_TKILL -6
#define SI_SIGIO -5
#define SI_DETHREAD -7
#define SI_ASYNCNL -60
#define CLD_EXITED 1
#define CLD_KILLED 2
#define CLD_DUMPED 3
#define CLD_TRAPPED 4
#define CLD_STOPPED 5
#define CLD_CONTINUED 6

struct sigqueue {
	struct list_head link;
	struct siginfo info;
	struct user *charged;	   /* in whose count (RLIMIT_SIGPENDING) this is; reference */
	struct posix_timer *timer; /* POSIX timer that this is a part of, or NULL */
};

struct sigpending {
	struct list_head list; /* struct sigqueue */
	u64 set;
};

struct k_sigaction {
	u64 handler; /* program address, 0 SIG_DFL, 1 SIG_IGN */
	u64 flags;
	u64 restorer;
	u64 mask;
};
#define SIG_DFL 0
#define SIG_IGN 1
#define SA_NOCLDSTOP 1
#define SA_NOCLDWAIT 2
#define SA_SIGINFO 4
#define SA_RESTORER 0x04000000
#define SA_ONSTACK 0x08000000
#define SA_RESTART 0x10000000
#define SA_NODEFER 0x40000000
#define SA_RESETHAND 0x80000000

struct sighand {
	refcount_t refs;
	spinlock_t lock; /* inside siglock: processes may share it (CLONE_SIGHAND without CLONE_THREAD) */
	struct k_sigaction action[NSIG]; /* lock */
};

struct restart_block {
	long (*fn)(struct restart_block *);
	u64 arg[6];
};

/* task->jobctl */
#define JOBCTL_STOP_PENDING 0x1	  /* must stop: counted in process->stop_count */
#define JOBCTL_STOPPED 0x2	  /* has stopped */
#define JOBCTL_TRAP_STOP 0x4	  /* ptrace: must trap (PTRACE_INTERRUPT, group stop of a seized task) */
#define JOBCTL_LISTENING 0x8	  /* ptrace: PTRACE_LISTEN */
#define JOBCTL_STOP_DEQUEUED 0x10 /* is about to stop by a signal it took; SIGCONT takes this away */
#define JOBCTL_TRAP_NOTIFY 0x20	  /* ptrace: must trap, SIGCONT came; until its next PTRACE_EVENT_STOP */
/* process->notify */
#define SIGNAL_NOTIFY_CONTINUED 0x1
#define SIGNAL_NOTIFY_STOPPED 0x2

/* Sending. @info NULL: SI_KERNEL. 0 or -EAGAIN (queue limit). Any context, no siglock held. */
int send_signal_task(int sig, const struct siginfo *info, struct task *t);	 /* to one thread */
int send_signal_process(int sig, const struct siginfo *info, struct process *p); /* to the process */
int send_signal_pgrp(int sig, const struct siginfo *info, struct pid *pgrp);	 /* 0 if anyone got it, else -ESRCH */
/* From outside the sandbox: like send_signal_process(), and acts on the first program by default too. */
int send_signal_host(int sig, struct process *p);
void send_signal_host_group(int sig, struct process *of); /* to the process group of @of */
/* A fault of the current program: cannot be blocked or ignored. */
void force_signal_fault(int sig, int code, u64 addr);
void force_signal(int sig);
void force_signal_info(const struct siginfo *info);
/* Takes the first pending signal of current (its own, then the process's) that is in @set: its number, or 0. */
int dequeue_signal_set(u64 set, struct siginfo *info);
/* Is one of @set pending for current, blocked or not? */
bool signal_pending_set(u64 set);
/* Kills all of @p, whoever it is; its wait status will be @wait_status. */
void kill_process_with(struct process *p, u32 wait_status);
/* May the current task signal p? (kill(2) rules) 0 or -EPERM. */
int may_signal(struct process *p, int sig);

static inline bool sigset_has(u64 set, int sig)
{
	return set & sigbit(sig);
}
bool signal_pending(void);	 /* current has something to handle: return -ERESTARTSYS and friends */
bool fatal_signal_pending(void); /* current is being killed */
bool signal_pending_task(struct task *t);

/*
 * On the way to user mode when WORK_SIGNAL, WORK_NOTIFY or WORK_RESTORE_SIGMASK is set: delivers one signal or stops;
 * with none to deliver it restarts an interrupted system call and puts the saved mask back. To be called again while
 * any of these bits is set. May not return (the process dies).
 */
void do_signal(struct pt_regs *regs);
/* Sets current->blocked (SIGKILL and SIGSTOP are filtered out) and re-evaluates WORK_SIGNAL. */
void set_current_blocked(u64 mask);
/*
 * Temporary mask of ppoll, pselect, sigsuspend, epoll_pwait: restored after the handler or at return. 0, -EFAULT,
 * -EINVAL.
 */
int set_user_sigmask(const u64 __user *mask, size_t size);
void restore_user_sigmask(bool interrupted);

/* arch: 0 or -EFAULT (then the task gets SIGSEGV). */
int setup_signal_frame(struct pt_regs *regs, int sig, const struct k_sigaction *ka, const struct siginfo *info,
		       u64 mask);

/* Alternate stack, as sigaltstack(2) and sigreturn have it. */
struct sigaltstack {
	u64 ss_sp;
	s32 ss_flags;
	u32 pad;
	u64 ss_size;
};
#define SS_ONSTACK 1
#define SS_DISABLE 2
#define SS_AUTODISARM (1u << 31)
#define MINSIGSTKSZ 2048
/* current: is @sp on its alternate stack (never so with SS_AUTODISARM)? SS_* flags as sigaltstack reports them. */
bool on_sig_stack(u64 sp);
s32 sas_ss_flags(u64 sp);
/* @ss, @old may be NULL; @sp the program's stack pointer. 0, -EPERM, -EINVAL, -ENOMEM. */
int do_sigaltstack(const struct sigaltstack *ss, struct sigaltstack *old, u64 sp);

/* Threads that come and go (fork.c, exit.c, exec.c). */
/*
 * @child was just made from current: nothing pending, no stop, no restart; blocked mask and alternate stack are kept.
 */
void signals_new_task(struct task *child);
/*
 * First in do_exit(), for current: it takes no more signals, shared ones that were meant for it go to other threads, a
 * group stop waits for it no longer.
 */
void signals_exit_thread(void);
/* siglock held: kills every other thread of current's process (they see SIGKILL); returns how many. */
u32 signals_zap_others(void);
/*
 * task_lock held, @p is a zombie: tells the parent (p->exit_signal) and wakes its wait_child. True: the parent ignores
 * its children (SIG_IGN or SA_NOCLDWAIT for SIGCHLD), nobody will wait for @p: reap it now.
 */
bool notify_parent_exit(struct process *p);
/*
 * task_lock held. No process of the group has a parent in another group of the same session (@ignored counts as gone).
 */
bool pgrp_is_orphaned(struct pid *pgrp, struct process *ignored);
/*
 * task_lock held, @p exits or loses @parent: a group that gets orphaned by that and has stopped members gets SIGHUP,
 * SIGCONT.
 */
void kill_orphaned_pgrp(struct process *p, struct process *parent);

void signals_flush_exec(struct task *t); /* exec: handlers to default, alternate stack off */
struct sighand *sighand_new(void);
struct sighand *sighand_copy(struct sighand *h);
void sighand_put(struct sighand *h);
void sigpending_free(struct sigpending *p);
void sigpending_init(struct sigpending *p);
/* siglock held: recompute WORK_SIGNAL of @t */
void recalc_signal_work(struct task *t);

#endif
