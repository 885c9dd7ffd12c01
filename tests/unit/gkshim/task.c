/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks are threads. Each has a vCPU of its own, so that what the kernel keeps per vCPU without a lock is per thread.
 */
#include <pthread.h>
#include <stdlib.h>

#include <gk/cred.h>
#include <gk/fs.h>
#include <gk/init.h>
#include <gk/task.h>
#include "../unit.h"
#include "shim.h"

struct shim_task {
	struct task task;
	struct pid pid;
	pthread_t thread;
	bool own_process;
	void (*fn)(void *arg);
	void *arg;
};

spinlock_t task_lock;
static spinlock_t slots_lock;
static u64 slots_used = 1; /* slots_lock: vCPUs */
static s32 next_pid = 1;

static struct process *process_new(struct pid *pid)
{
	struct process *p = calloc(1, sizeof(*p));

	refcount_set(&p->refs, 1);
	p->pid = pid;
	list_init(&p->threads);
	wait_queue_init(&p->wait_child);
	wait_queue_init(&p->signalfd_wait);
	for (u32 i = 0; i < RLIM_NLIMITS; i++)
		p->rlim[i] = (struct rlimit){RLIM_INFINITY, RLIM_INFINITY};
	p->rlim[RLIMIT_NOFILE] = (struct rlimit){1024, 1024};
	return p;
}

static struct shim_task *task_new(struct process *process)
{
	struct shim_task *s = calloc(1, sizeof(*s));
	u64 slot;

	refcount_set(&s->pid.refs, 1);
	s->pid.nr = atomic_add_return(&next_pid, 1);
	refcount_set(&s->task.refs, 1);
	s->task.on_cpu = true;
	s->task.pid = &s->pid;
	s->own_process = !process;
	s->task.process = process ? process : process_new(&s->pid);
	if (s->own_process)
		s->task.process->leader = &s->task;
	spin_lock(&slots_lock);
	slot = (u64)__builtin_ctzll(~slots_used);
	slots_used |= 1ull << slot;
	spin_unlock(&slots_lock);
	s->task.cpu = &shim_cpus[slot];
	s->task.cpu->id = (u32)slot;
	timers_init_cpu(s->task.cpu);
	return s;
}

static void task_free(struct shim_task *s)
{
	spin_lock(&slots_lock);
	slots_used &= ~(1ull << s->task.cpu->id);
	spin_unlock(&slots_lock);
	if (s->own_process)
		free(s->task.process);
	free(s);
}

static void *thread(void *arg)
{
	struct shim_task *s = arg;

	shim_current = &s->task;
	shim_cpu = s->task.cpu;
	shim_seed((u32)s->pid.nr * 7919);
	s->fn(s->arg);
	if (s->task.files)
		files_put(s->task.files);
	if (s->task.fs)
		fs_info_put(s->task.fs);
	cred_put(s->task.cred);
	return NULL;
}

static struct task *start(struct shim_task *s, void (*fn)(void *arg), void *arg)
{
	s->fn = fn;
	s->arg = arg;
	s->task.cred = cred_get(current->cred);
	s->task.fs = current->fs;
	if (s->task.fs)
		fs_info_get(s->task.fs);
	assert_int_equal(pthread_create(&s->thread, NULL, thread, s), 0);
	return &s->task;
}

struct task *shim_thread(void (*fn)(void *arg), void *arg)
{
	struct shim_task *s = task_new(current->process);

	s->task.files = current->files;
	if (s->task.files)
		files_get(s->task.files);
	return start(s, fn, arg);
}

struct task *shim_process(void (*fn)(void *arg), void *arg)
{
	struct shim_task *s = task_new(NULL);

	s->task.files = files_dup(current->files);
	return start(s, fn, arg);
}

void shim_join(struct task *t)
{
	struct shim_task *s = container_of(t, struct shim_task, task);

	pthread_join(s->thread, NULL);
	task_free(s);
}

void shim_together(u32 n, void (*fn)(void *arg))
{
	struct task *t[MAX_CPUS];

	for (u32 i = 0; i < n; i++)
		t[i] = shim_thread(fn, (void *)(u64)i);
	for (u32 i = 0; i < n; i++)
		shim_join(t[i]);
}

/* The kernel's own tasks would make tests depend on time; what they do is called by name. */
struct task *kthread_run(const char *name, void (*fn)(void *arg), void *arg)
{
	return NULL;
}

void shim_init(void)
{
	struct shim_task *s;

	for (u32 i = 0; i < MAX_CPUS; i++)
		cpus[i] = &shim_cpus[i];
	nr_cpus = MAX_CPUS;
	slots_used = 0;
	s = task_new(NULL);
	shim_current = &s->task;
	shim_cpu = s->task.cpu;
	current->cred = cred_new_root();
}
