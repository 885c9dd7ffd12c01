/* SPDX-License-Identifier: Apache-2.0 */
/* What the signal files share. */
#ifndef GK_SIGNAL_INTERNAL_H
#define GK_SIGNAL_INTERNAL_H

#include <gk/signal.h>
#include <gk/task.h>

#define SIG_KERNEL_ONLY (sigbit(SIGKILL) | sigbit(SIGSTOP))
#define SIG_STOP_SET (sigbit(SIGSTOP) | sigbit(SIGTSTP) | sigbit(SIGTTIN) | sigbit(SIGTTOU))
#define SIG_IGNORE_SET (sigbit(SIGCONT) | sigbit(SIGCHLD) | sigbit(SIGWINCH) | sigbit(SIGURG))
#define SIG_CORE_SET                                                                                                   \
	(sigbit(SIGQUIT) | sigbit(SIGILL) | sigbit(SIGTRAP) | sigbit(SIGABRT) | sigbit(SIGFPE) | sigbit(SIGSEGV) |     \
	 sigbit(SIGBUS) | sigbit(SIGSYS) | sigbit(SIGXCPU) | sigbit(SIGXFSZ))
/* Raised by the instruction the program was at: to be handled first. */
#define SIG_SYNC_SET                                                                                                   \
	(sigbit(SIGSEGV) | sigbit(SIGBUS) | sigbit(SIGILL) | sigbit(SIGTRAP) | sigbit(SIGFPE) | sigbit(SIGSYS))

#define for_each_thread(t, p) list_for_each_entry(t, &(p)->threads, thread_link)

static inline bool valid_signal(int sig)
{
	return sig > 0 && sig <= NSIG;
}

/* The first program: what it does not handle does not kill it, unless it was forced (sig_forced). */
static inline bool is_unkillable(const struct process *p)
{
	return p == init_process && init_protected;
}

/* sigqueue.c; siglock of the receiver held */
struct sigqueue *sigqueue_alloc(struct task *t, bool ignore_limit);
void sigqueue_free(struct sigqueue *q);
void sigpending_flush(struct sigpending *p, u64 set);
/* The next signal of @t not in @blocked (0: none) is taken out, its information in *info. */
int dequeue_signal(struct task *t, u64 blocked, struct siginfo *info);

/* signal_send.c; siglock of the receiver held */
u64 action_handler(const struct task *t, int sig);
void signal_wake_up(struct task *t, bool kill);
/* A thread of @p that can still be spoken for, or NULL: all are exiting. */
struct task *any_thread(struct process *p);
/* To @t, or with @group to @t's process by way of @t. @force: the first program cannot ignore it. 0 or -EAGAIN. */
int send_signal_locked(int sig, const struct siginfo *info, struct task *t, bool group, bool force);
/* Queues a POSIX timer's own entry; it must not be queued yet. False: ignored, or the process is dying. */
bool send_sigqueue_locked(struct sigqueue *q, struct task *t, bool group);
void retarget_shared_pending(struct task *t, u64 which);

/* jobctl.c */
/* siglock held, maybe dropped and taken again (then true). @sig 0: only if a stop is pending for current. */
bool do_signal_stop(int sig);
/* siglock held: SIGCONT and stop signals undo each other. */
void jobctl_prepare(int sig, struct process *p);
/* No lock held: tells the parent what p->notify says. */
void jobctl_notify(struct process *p);

/* posix_timer.c; siglock held: its entry was taken from a queue, @info goes to the program. */
void posix_timer_dequeued(struct posix_timer *timer, struct siginfo *info);

#endif
