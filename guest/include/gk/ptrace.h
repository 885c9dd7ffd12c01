/* SPDX-License-Identifier: Apache-2.0 */
/* Tracing: what the rest of the kernel calls (kernel/ptrace*.c). All cheap when current is not traced. */
#ifndef GK_PTRACE_H
#define GK_PTRACE_H

#include <gk/ptregs.h>
#include <gk/task.h>

#define PTRACE_EVENT_FORK 1
#define PTRACE_EVENT_VFORK 2
#define PTRACE_EVENT_CLONE 3
#define PTRACE_EVENT_EXEC 4
#define PTRACE_EVENT_VFORK_DONE 5
#define PTRACE_EVENT_EXIT 6
#define PTRACE_EVENT_SECCOMP 7
#define PTRACE_EVENT_STOP 128

/*
 * System-call entry and exit when WORK_TRACE_SYSCALL is set. Entry: regs->rax holds -ENOSYS; false: the tracer took the
 * call away (or current is dying), regs->rax is the result.
 */
bool ptrace_syscall_enter(struct pt_regs *regs);
void ptrace_syscall_exit(struct pt_regs *regs);
/* A filter asks the tracer (SECCOMP_RET_TRACE). False: there is none that wants to know. */
bool ptrace_seccomp(u32 data);
/* Tells the tracer of @event if it asked for that; @message is what PTRACE_GETEVENTMSG gives. */
void ptrace_event(u32 event, u64 message);
bool ptrace_event_wanted(u32 event);

/* fork: @child exists and has not run; current's tracer, if there is one, traces it too. */
void ptrace_new_task(struct task *child);
/* The PTRACE_EVENT_* of a clone with these flags and exit signal. */
u32 ptrace_clone_event(u64 clone_flags, int exit_signal);
/* exec succeeded: PTRACE_EVENT_EXEC with @old_tid, or SIGTRAP for those who have not asked for events. */
void ptrace_exec(s32 old_tid);
/* task_lock held: current has taken the number of @old, the leader that is gone. */
void ptrace_replace_leader(struct task *old);

/* current traces others: lets them all go (kills those with PTRACE_O_EXITKILL). Early in do_exit(), no lock held. */
void ptrace_exit_tracer(void);
/*
 * task_lock held: @t leaves its process with @status (for a leader: the whole process is dead). Its tracer will find
 * that with wait, unless it is the parent, which is told anyway.
 */
void ptrace_exit_tracee(struct task *t, u32 status);

/* A stop or death that wait reports. */
struct ptrace_report {
	s32 tid;
	u32 status; /* as wait4 reports it */
	s32 code;   /* CLD_* */
	u32 uid;
};
/*
 * task_lock held, from wait: looks at what the threads of current's process trace, of those that @wants() chooses
 * (@pgrp is the tracee's group or NULL when it is gone). 1: *r is filled, and forgotten unless @keep; 0: there are
 * tracees; -ECHILD: none.
 */
int ptrace_wait(bool (*wants)(void *arg, s32 tid, struct pid *pgrp), void *arg, bool keep, bool exits,
		struct ptrace_report *r);
/* task_lock held: does current's process trace @t? */
bool ptrace_is_ours(const struct task *t);
/* Who traces @t, for /proc (0: nobody). No lock held. */
s32 ptrace_tracer_nr(struct task *t);
/* May current look into @t as a tracer could (PTRACE_MODE_ATTACH)? 0 or -EPERM. No lock held. */
int ptrace_may_access(struct task *t);

/*
 * signal.c: current, siglock held (dropped and retaken). A signal is about to be taken: what the tracer makes of it, or
 * 0.
 */
int ptrace_signal(int sig, struct siginfo *info);
/* jobctl.c: current, siglock held (dropped and retaken): the group stops, or PTRACE_INTERRUPT. */
void ptrace_group_stop(int sig);
/* jobctl.c: siglock held. SIGCONT came to @t, a tracee: the tracer of a seized one hears of it by another stop. */
void ptrace_continued(struct task *t);

#endif
