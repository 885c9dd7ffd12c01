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

#define NSIG 64
enum { SIGHUP = 1, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGUSR1, SIGSEGV, SIGUSR2, SIGPIPE,
       SIGALRM, SIGTERM, SIGSTKFLT, SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU, SIGURG, SIGXCPU, SIGXFSZ,
       SIGVTALRM, SIGPROF, SIGWINCH, SIGIO, SIGPWR, SIGSYS, SIGRTMIN };
#define SIGPOLL SIGIO
#define sigbit(n) (1ull << ((n)-1))

/* siginfo_t, Linux x86-64, 128 bytes. */
struct siginfo {
	s32 si_signo, si_errno, si_code, pad0;
	union {
		struct { s32 pid; u32 uid; union { s32 status; struct { u64 sigval; }; }; s64 utime, stime; } ;
		struct { s32 timerid, overrun; u64 value; s32 sys_private; } timer;
		struct { s32 pid; u32 uid; u64 sigval; } rt;
		struct { s32 pid; u32 uid; s32 status; s32 pad; s64 utime, stime; } chld;
		struct { u64 addr; s16 addr_lsb; u64 lower, upper; } fault;
		struct { s64 band; s32 fd; } poll;
		struct { u64 call_addr; s32 syscall; u32 arch; } sys;
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
#define CLD_EXITED 1
#define CLD_KILLED 2
#define CLD_DUMPED 3
#define CLD_TRAPPED 4
#define CLD_STOPPED 5
#define CLD_CONTINUED 6

struct sigqueue {
	struct list_head link;
	struct siginfo info;
	struct process *charged; /* whose RLIMIT_SIGPENDING user count this is in, or NULL */
	void *timer;             /* POSIX timer whose signal this is, or NULL */
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
	struct k_sigaction action[NSIG]; /* siglock of the processes that share it (CLONE_SIGHAND without CLONE_THREAD: see fork.c) */
};

struct restart_block {
	long (*fn)(struct restart_block *);
	u64 arg[6];
};

/* Sending. @info NULL: SI_KERNEL. 0 or -EAGAIN (queue limit). Any context, no siglock held. */
int send_signal_task(int sig, const struct siginfo *info, struct task *t);        /* to one thread */
int send_signal_process(int sig, const struct siginfo *info, struct process *p);  /* to the process */
int send_signal_pgrp(int sig, const struct siginfo *info, struct pid *pgrp);      /* 0 if anyone got it, else -ESRCH */
/* A fault of the current program: cannot be blocked or ignored. */
void force_signal_fault(int sig, int code, u64 addr);
void force_signal(int sig);
/* May the current task signal p? (kill(2) rules) 0 or -EPERM. */
int may_signal(struct process *p, int sig);

static inline bool sigset_has(u64 set, int sig)
{
	return set & sigbit(sig);
}
bool signal_pending(void);        /* current has something to handle: return -ERESTARTSYS and friends */
bool fatal_signal_pending(void);  /* current is being killed */
bool signal_pending_task(struct task *t);

/* Takes the first pending signal of current (its own, then the process's) that is in @set: its number, or 0. */
int dequeue_signal_set(u64 set, struct siginfo *info);
/* Is one of @set pending for current, blocked or not? */
bool signal_pending_set(u64 set);

/* On the way to user mode when WORK_SIGNAL etc. are set: delivers, stops, restarts system calls. */
void do_signal(struct pt_regs *regs);
/* Sets current->blocked (SIGKILL and SIGSTOP are filtered out) and re-evaluates WORK_SIGNAL. */
void set_current_blocked(u64 mask);
/* Temporary mask of ppoll, pselect, sigsuspend, epoll_pwait: restored after the handler or at return. 0, -EFAULT, -EINVAL. */
int set_user_sigmask(const u64 __user *mask, size_t size);
void restore_user_sigmask(bool interrupted);

/* arch: 0 or -EFAULT (then the task gets SIGSEGV). */
int setup_signal_frame(struct pt_regs *regs, int sig, const struct k_sigaction *ka, const struct siginfo *info, u64 mask);

void signals_flush_exec(struct task *t); /* exec: handlers to default, alternate stack off */
struct sighand *sighand_new(void);
struct sighand *sighand_copy(struct sighand *h);
void sighand_put(struct sighand *h);
void sigpending_free(struct sigpending *p);
void sigpending_init(struct sigpending *p);
/* siglock held: recompute WORK_SIGNAL of @t */
void recalc_signal_work(struct task *t);

#endif
