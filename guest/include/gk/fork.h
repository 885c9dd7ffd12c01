/* SPDX-License-Identifier: Apache-2.0 */
/* clone flags, and what the files about tasks share (fork.c, exit.c, exec.c, sched.c, init.c). */
#ifndef GK_FORK_H
#define GK_FORK_H

#include <gk/task.h>

#define CSIGNAL 0xffull
#define CLONE_VM 0x100ull
#define CLONE_FS 0x200ull
#define CLONE_FILES 0x400ull
#define CLONE_SIGHAND 0x800ull
#define CLONE_PIDFD 0x1000ull
#define CLONE_PTRACE 0x2000ull
#define CLONE_VFORK 0x4000ull
#define CLONE_PARENT 0x8000ull
#define CLONE_THREAD 0x10000ull
#define CLONE_NEWNS 0x20000ull
#define CLONE_SYSVSEM 0x40000ull
#define CLONE_SETTLS 0x80000ull
#define CLONE_PARENT_SETTID 0x100000ull
#define CLONE_CHILD_CLEARTID 0x200000ull
#define CLONE_DETACHED 0x400000ull
#define CLONE_UNTRACED 0x800000ull
#define CLONE_CHILD_SETTID 0x1000000ull
#define CLONE_NEWCGROUP 0x2000000ull
#define CLONE_NEWUTS 0x4000000ull
#define CLONE_NEWIPC 0x8000000ull
#define CLONE_NEWUSER 0x10000000ull
#define CLONE_NEWPID 0x20000000ull
#define CLONE_NEWNET 0x40000000ull
#define CLONE_IO 0x80000000ull
#define CLONE_CLEAR_SIGHAND 0x100000000ull
#define CLONE_INTO_CGROUP 0x200000000ull
#define CLONE_NEWTIME 0x80ull
#define CLONE_NEW_ANY                                                                                                  \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET |   \
	 CLONE_NEWTIME)
#define CLONE_KNOWN_FLAGS (0x3ffffff00ull | CLONE_NEWTIME)

/* fork.c */ void fork_init(void);
/* The first program's task: process 1, with everything but an mm; it runs @fn in the kernel first. NULL: no memory. */
struct task *first_task_new(void (*fn)(void *arg));
/* sched.c */ void finish_switch(struct task *prev);
void sched_clock_init(void);
/*
 * exec.c: replaces current's program; argument and environment strings in kernel memory, NULL-terminated. 0 or -errno.
 */
int kernel_execve(const char *file, const char *const *argv, const char *const *envp);
/* first.c */ void start_first_program(void);
/* init.c */ void init_devices(void);

#endif
