/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who serves the queues: one thread beside each vCPU, which its bell wakes, and a small pool for the common doorbell.
 *
 * A thread that found work takes requests until both queues are empty. Before one that may be slow, it hands on: its
 * bell goes to the common doorbell meanwhile, and if more is waiting already it wakes the pool. Replies become visible
 * at once; the interrupt for them is sent when there is nothing left to take, or after a few: a guest that sent a batch
 * gets one.
 *
 * Locks: queue_lock and wake_lock, both leaves; no request is worked on under either.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "abi/boot.h"
#include "abi/pvm.h"
#include "../backend/backend.h"
#include "internal.h"

/* Enough for the largest frames (a directory buffer, a chain); untouched pages cost nothing. */
#define STACK_BYTES (256 * 1024)
/* Replies for which an interrupt may be outstanding. */
#define QUIET_REPLIES 4
/* vCPUs beyond these use the common doorbell. */
#define MAX_BESIDE 8

/* Interrupts owed: one bit per vCPU. */
struct owed {
	uint64_t vcpus;
	unsigned int replies;
};

static void interrupt_now(struct fs *fs, struct owed *owed)
{
	for (unsigned int i = 0; owed->vcpus >> i; i++) {
		if (owed->vcpus >> i & 1)
			fs->vm->backend->interrupt(fs->vm, i, UM_PENDING_QUEUE);
		if (i == UM_MAX_VCPUS - 1)
			break;
	}
	*owed = (struct owed){0};
}

static bool more_waiting(struct fs *fs)
{
	return virtq_suppress(&fs->requests, VIRTQ_LOUD);
}

/* Takes the next request of either queue: 1, or 0, or -EPROTO. queue_lock held. */
static int take(struct fs *fs, struct fs_req *req, struct virtq **from)
{
	int r;

	*from = &fs->hiprio;
	r = virtq_pop(*from, &req->chain);
	if (r)
		return r;
	*from = &fs->requests;
	return virtq_pop(*from, &req->chain);
}

static void give_back(struct fs *fs, struct fs_req *req, struct virtq *vq, struct owed *owed)
{
	const unsigned int vcpu = req->in.padding < fs->vm->ncpus ? req->in.padding : 0;

	pthread_mutex_lock(&fs->queue_lock);
	virtq_push(vq, req->chain.head, req->written);
	if (virtq_publish(vq))
		owed->vcpus |= 1ull << vcpu;
	pthread_mutex_unlock(&fs->queue_lock);
	owed->replies++;
}

/* Who listens to @bell now; the guest's side looks at it after it has counted up. */
static void set_listener(struct vm_bell *bell, uint32_t state)
{
	if (bell)
		__atomic_exchange_n(&bell->listener, state, __ATOMIC_SEQ_CST);
}

/* Works until nothing is waiting. */
static void serve(struct fs *fs, struct fs_req *req, struct vm_bell *bell)
{
	struct owed owed = {0};
	struct virtq *vq;
	int r = 0;

	while (!fs->stopping) {
		enum fs_pace pace;
		bool more;

		pthread_mutex_lock(&fs->queue_lock);
		r = take(fs, req, &vq);
		more = r > 0 && more_waiting(fs);
		pthread_mutex_unlock(&fs->queue_lock);
		if (r <= 0)
			break;
		pace = fs_decode(req);
		if (pace == FS_SLOW) {
			interrupt_now(fs, &owed);
			set_listener(bell, BELL_BUSY);
			if (more)
				fs_doorbell(fs);
		}
		fs_handle(req);
		if (pace == FS_SLOW)
			set_listener(bell, BELL_AWAKE);
		give_back(fs, req, vq, &owed);
		if (owed.replies >= QUIET_REPLIES)
			interrupt_now(fs, &owed);
	}
	interrupt_now(fs, &owed);
	if (r < 0)
		vm_end(fs->vm, VM_EXIT_FAILURE, "%s", vq->fault);
}

void fs_doorbell(struct fs *fs)
{
	pthread_mutex_lock(&fs->wake_lock);
	fs->bell = true;
	if (fs->idle)
		pthread_cond_signal(&fs->wake);
	pthread_mutex_unlock(&fs->wake_lock);
}

/* Waits for the bell. False: the end. */
static bool wait_bell(struct fs *fs)
{
	pthread_mutex_lock(&fs->wake_lock);
	fs->idle++;
	while (!fs->bell && !fs->stopping)
		pthread_cond_wait(&fs->wake, &fs->wake_lock);
	fs->idle--;
	fs->bell = false;
	pthread_mutex_unlock(&fs->wake_lock);
	return !fs->stopping;
}

static void serve_pool(struct fs *fs, struct fs_req *req)
{
	while (wait_bell(fs))
		serve(fs, req, NULL);
}

static void serve_vcpu(struct fs *fs, struct fs_req *req, struct vm_bell *bell)
{
	while (!fs->stopping) {
		const uint32_t count = __atomic_load_n(&bell->count, __ATOMIC_ACQUIRE);

		set_listener(bell, BELL_AWAKE);
		serve(fs, req, bell);
		set_listener(bell, BELL_ASLEEP);
		if (!fs->stopping)
			syscall(SYS_futex, &bell->count, FUTEX_WAIT, count, NULL, NULL, 0);
	}
}

static void *thread_main(void *arg)
{
	struct fs_thread *t = arg;
	struct fs *fs = t->fs;
	struct fs_req *req = calloc(1, sizeof(*req));

	if (fs->thread_init)
		fs->thread_init(fs->thread_init_arg);
	if (!req) {
		vm_end(fs->vm, VM_EXIT_FAILURE, "no memory for a file worker");
		return NULL;
	}
	req->fs = fs;
	if (t->bell)
		serve_vcpu(fs, req, t->bell);
	else
		serve_pool(fs, req);
	free(req->bounce);
	free(req);
	return NULL;
}

static int start_thread(struct fs *fs, struct vm_bell *bell, unsigned int vcpu, int cpu)
{
	struct fs_thread *t = &fs->threads[fs->thread_count];
	pthread_attr_t attr;
	cpu_set_t set;
	int r;

	*t = (struct fs_thread){.fs = fs, .bell = bell, .vcpu = vcpu};
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	if (bell && cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET((unsigned int)cpu, &set);
		pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	}
	r = pthread_create(&t->thread, &attr, thread_main, t);
	pthread_attr_destroy(&attr);
	if (r == 0)
		fs->thread_count++;
	return -r;
}

/* The threads will have the capabilities of this one. */
static bool may_read_all(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	return syscall(SYS_capget, &head, data) == 0 &&
	       (data[0].effective & (1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH));
}

int fs_start(struct fs *fs, unsigned int workers, void (*thread_init)(void *), void *arg)
{
	const struct backend *b = fs->vm->backend;
	const unsigned int beside = b->bell ? (fs->vm->ncpus < MAX_BESIDE ? fs->vm->ncpus : MAX_BESIDE) : 0;
	sigset_t all, old;
	int r = 0;

	fs->euid = geteuid();
	fs->reads_all = may_read_all();
	fs->thread_init = thread_init;
	fs->thread_init_arg = arg;
	fs->threads = calloc(workers + beside, sizeof(*fs->threads));
	if (!fs->threads)
		return -ENOMEM;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (unsigned int i = 0; r == 0 && i < workers; i++)
		r = start_thread(fs, NULL, 0, -1);
	for (unsigned int i = 0; r == 0 && i < beside; i++) {
		int cpu = -1;
		struct vm_bell *bell = b->bell(fs->vm, i, &cpu);

		if (bell)
			r = start_thread(fs, bell, i, cpu);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

void fs_vcpu_moved(struct fs *fs, unsigned int vcpu, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned int)cpu, &set);
	for (unsigned int i = 0; i < fs->thread_count; i++)
		if (fs->threads[i].bell && fs->threads[i].vcpu == vcpu)
			pthread_setaffinity_np(fs->threads[i].thread, sizeof(set), &set);
}

void fs_stop(struct fs *fs)
{
	fs->stopping = true;
	pthread_mutex_lock(&fs->wake_lock);
	pthread_cond_broadcast(&fs->wake);
	pthread_mutex_unlock(&fs->wake_lock);
	while (fs->thread_count) {
		struct fs_thread *t = &fs->threads[--fs->thread_count];

		if (t->bell) {
			__atomic_add_fetch(&t->bell->count, 1, __ATOMIC_SEQ_CST);
			syscall(SYS_futex, &t->bell->count, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
		}
		pthread_join(t->thread, NULL);
	}
}
