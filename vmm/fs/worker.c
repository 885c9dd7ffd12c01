/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who serves the queues: a small pool of threads, and threads of the caller's that stand beside a vCPU (fs_serve_word()).
 *
 * A thread that found work takes requests until both queues are empty. One that takes a request which may be slow wakes
 * another if more is waiting. Replies become visible at once; the interrupt for them is sent when there is nothing left to
 * take, or after a few: a guest that sent a batch gets one.
 *
 * Locks: queue_lock and wake_lock, both leaves; no request is worked on under either.
 */
#include <errno.h>
#include <linux/futex.h>
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

/* Works until nothing is waiting. */
static void serve(struct fs *fs, struct fs_req *req)
{
	struct owed owed = {0};
	struct virtq *vq;
	int r = 0;

	while (!fs->stopping) {
		bool more;

		pthread_mutex_lock(&fs->queue_lock);
		r = take(fs, req, &vq);
		more = r > 0 && more_waiting(fs);
		pthread_mutex_unlock(&fs->queue_lock);
		if (r <= 0)
			break;
		if (fs_decode(req) == FS_SLOW) {
			interrupt_now(fs, &owed);
			if (more)
				fs_doorbell(fs);
		}
		fs_handle(req);
		give_back(fs, req, vq, &owed);
		if (owed.replies >= QUIET_REPLIES)
			interrupt_now(fs, &owed);
	}
	interrupt_now(fs, &owed);
	if (r < 0)
		vm_end(fs->vm, 125, "%s", vq->fault);
}

static struct fs_req *req_new(struct fs *fs)
{
	struct fs_req *req = calloc(1, sizeof(*req));

	if (req)
		req->fs = fs;
	return req;
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

static void *worker(void *arg)
{
	struct fs *fs = arg;
	struct fs_req *req = req_new(fs);

	if (fs->thread_init)
		fs->thread_init(fs->thread_init_arg);
	if (!req) {
		vm_end(fs->vm, 125, "no memory for a file worker");
		return NULL;
	}
	while (wait_bell(fs))
		serve(fs, req);
	free(req);
	return NULL;
}

void fs_serve_word(struct fs *fs, uint32_t *word)
{
	struct fs_req *req = req_new(fs);
	unsigned int slot;

	pthread_mutex_lock(&fs->wake_lock);
	for (slot = 0; slot < UM_MAX_VCPUS && fs->words[slot]; slot++)
		;
	if (slot < UM_MAX_VCPUS)
		fs->words[slot] = word;
	pthread_mutex_unlock(&fs->wake_lock);
	while (req && slot < UM_MAX_VCPUS && !fs->stopping) {
		const uint32_t seen = __atomic_load_n(word, __ATOMIC_ACQUIRE);

		serve(fs, req);
		if (!fs->stopping)
			syscall(SYS_futex, word, FUTEX_WAIT, seen, NULL, NULL, 0);
	}
	pthread_mutex_lock(&fs->wake_lock);
	if (slot < UM_MAX_VCPUS)
		fs->words[slot] = NULL;
	pthread_mutex_unlock(&fs->wake_lock);
	free(req);
}

int fs_start(struct fs *fs, unsigned int workers, void (*thread_init)(void *), void *arg)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int r = 0;

	fs->thread_init = thread_init;
	fs->thread_init_arg = arg;
	fs->workers = calloc(workers, sizeof(*fs->workers));
	if (!fs->workers)
		return -ENOMEM;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (r == 0 && fs->worker_count < workers) {
		r = pthread_create(&fs->workers[fs->worker_count], &attr, worker, fs);
		if (r == 0)
			fs->worker_count++;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return -r;
}

void fs_stop(struct fs *fs)
{
	fs->stopping = true;
	pthread_mutex_lock(&fs->wake_lock);
	pthread_cond_broadcast(&fs->wake);
	for (unsigned int i = 0; i < UM_MAX_VCPUS; i++) {
		if (!fs->words[i])
			continue;
		__atomic_add_fetch(fs->words[i], 1, __ATOMIC_RELEASE);
		syscall(SYS_futex, fs->words[i], FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
	}
	pthread_mutex_unlock(&fs->wake_lock);
	while (fs->worker_count)
		pthread_join(fs->workers[--fs->worker_count], NULL);
}
