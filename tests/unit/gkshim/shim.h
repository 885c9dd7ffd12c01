/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest kernel code in host programs. The kernel's files are linked unmodified; the shim stands for what is below and
 * beside them:
 *
 *   cpu.c     boot block, hypercalls, panic; where threads give way
 *   sleep.c   sleeping is a futex on task->state; clocks, signals
 *   task.c    a task is a thread, and a vCPU of its own
 *   vfs.c     starts the VFS
 *   memory.c  slabs are malloc, pages a poisoned arena: the address sanitizer sees both; allocations fail on demand
 *   user.c    a program's memory is the test's, absent or bad where the test says so
 *   rest.c    the little that they call in other files
 *
 * It is a library: a test that brings its own schedule() or alloc_pages() gets that.
 */
#ifndef UMBRA_GKSHIM_H
#define UMBRA_GKSHIM_H

#include <abi/boot.h>
#include <gk/atomic.h>

struct task;

/* ---- cpu.c ---- */
/* Gives the guest this much memory at gpa 0, for tests that bring the real allocator; before page_alloc_init(). */
void shim_ram(u64 bytes);
extern u64 shim_given_back; /* bytes */
/*
 * Threads give way at one in @one_in (0: none) of the points where it can matter: locks, atomic exchanges, allocations.
 * So they meet in the middle of things, on few processors too.
 */
void shim_stir(u32 one_in);
/* A random number below @n of this thread's: the same sequence in each run. */
u32 shim_random(u32 n);
void shim_seed(u32 s);

/* ---- task.c, vfs.c ---- */
/* current is root in a fresh process, with no descriptors and no root directory yet. shim_vfs() gives it both. */
void shim_init(void);
/* shim_init(), the VFS with a tmpfs as root, and the page cache without its background tasks. Once in a program. */
void shim_vfs(void);
/* Runs fn(arg) as a further task of current's process, sharing descriptors and directories; joins it. */
struct task *shim_thread(void (*fn)(void *arg), void *arg);
void shim_join(struct task *t);
/* Runs fn(0) .. fn(n - 1) at the same time and waits for all. */
void shim_together(u32 n, void (*fn)(void *arg));
/* The same as a process of its own, with a copy of the descriptors: another owner of locks. */
struct task *shim_process(void (*fn)(void *arg), void *arg);

/* ---- sleep.c ---- */
/* @t has a signal pending, or none any more: interruptible sleeps end. */
void shim_signal(struct task *t, bool pending);
/* Waits until @t sleeps in the kernel. */
void shim_wait_asleep(struct task *t);

/* ---- memory.c ---- */
/* The @nth allocation of this thread from now fails (0: none). Returns whether the one asked for before has failed. */
bool shim_fail_alloc(u64 nth);
/* Objects and pages in use. */
u64 shim_live(void);
/*
 * Runs @op again and again: in the nth run its nth allocation fails, until a run needs no more than were allowed to
 * work. Each failed run must return -ENOMEM (or 0, where @may_do_without); @undo (may be NULL) is called after each so
 * that the next one starts from the same. Checks that nothing is lost: shim_live(), caches shrunk, is as before.
 */
void shim_exhaust(int (*op)(void *arg), void (*undo)(void *arg), void *arg, bool may_do_without);
/* Drops all cached names and inodes nobody uses. */
void shim_shrink(void);

/* ---- user.c ---- */
/*
 * The pages of [addr, addr + len) have to be faulted in first; @bad: cannot be. One such range at a time, for this
 * thread.
 */
void shim_absent(const void *addr, size_t len, bool bad);

#endif
