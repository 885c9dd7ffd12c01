/* SPDX-License-Identifier: Apache-2.0 */
/* What the ptrace files share. */
#ifndef GK_PTRACE_INTERNAL_H
#define GK_PTRACE_INTERNAL_H

#include <gk/ptrace.h>

#define PTRACE_O_TRACESYSGOOD 0x1
#define PTRACE_O_EXITKILL 0x100000
#define PTRACE_O_MASK (0xff | PTRACE_O_EXITKILL)

enum ptrace_mode { PTRACE_RUN, PTRACE_RUN_SYSCALL, PTRACE_RUN_SYSEMU };
/* What kind of stop PTRACE_GET_SYSCALL_INFO reports. */
enum ptrace_syscall_stop { SYSCALL_STOP_NONE, SYSCALL_STOP_ENTRY, SYSCALL_STOP_EXIT, SYSCALL_STOP_SECCOMP };

/*
 * One per tracee. In the tracer's list (process->ptraced) until it is detached or its end has been reported.
 * task->ptrace points here while the tracee lives; that changes under task_lock and the tracee's siglock.
 */
struct ptrace_state {
	struct ptrace_state *next; /* task_lock */
	struct process *tracer;	   /* task_lock; lives as long as this is in its list */
	struct task *task;	   /* immutable: reference */
	s32 tid;
	bool dead; /* task_lock: it has ended with @exit_status */
	u32 exit_status;
	bool seized;

	/* siglock of the tracee */
	u32 options;
	enum ptrace_mode mode;
	bool stepping; /* the trap flag is ours */
	bool stopped;  /* waits in a ptrace stop */
	bool reported; /* wait has told of it */
	u32 stop_code; /* signal, event << 8 */
	s32 stop_why;  /* CLD_TRAPPED or CLD_STOPPED */
	u64 message;
	struct siginfo *info; /* of this stop, on the tracee's stack; or NULL */
	enum ptrace_syscall_stop syscall_stop;
	u32 seccomp_data;
};

#define EFLAGS_TF 0x100u

/* ptrace_stop.c; no lock held */
/* @tracer traces @t from now on. 0; -EPERM: somebody does already, or it is exiting; -ENOMEM. */
int ptrace_attach_task(struct task *t, struct process *tracer, bool seize, u32 options);
/* It goes on untraced, with @sig if that is not 0. */
void ptrace_detach_task(struct task *t, int sig);
/* siglock held. @t's stop under PTRACE_LISTEN ends. */
void ptrace_end_listening(struct task *t);

/* ptrace_regs.c: @t is stopped and off its CPU. */
long ptrace_get_regs(struct task *t, u64 uaddr);
long ptrace_set_regs(struct task *t, u64 uaddr);
long ptrace_get_fpregs(struct task *t, u64 uaddr);
long ptrace_set_fpregs(struct task *t, u64 uaddr);
long ptrace_regset(struct task *t, u64 type, u64 uiov, bool set);
long ptrace_peek_user(struct task *t, u64 offset, u64 uaddr);
long ptrace_poke_user(struct task *t, u64 offset, u64 value);
long ptrace_syscall_info(struct task *t, const struct ptrace_state *ps, u64 size, u64 uaddr);

#endif
