/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Futexes, the common part: keys, hash buckets, queueing and sleeping.
 *
 * A waiter raises bucket->waiters, locks, reads its word, queues itself and sleeps; a waker has changed the word before
 * it looks at bucket->waiters. Either the waiter sees the new word or the waker sees the waiter. A woken futex_q is
 * marked by bucket = NULL as the last thing done to it: it lies on the waiter's stack. Locks: buckets by address;
 * inside them pi_lock, pid_lock and run queues. A program's memory is touched under a bucket lock only by accesses that
 * do not fault in.
 */
#include <abi/boot.h>
#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/init.h>
#include <gk/mm.h>
#include <gk/printk.h>
#include <gk/signal.h>
#include <gk/slab.h>
#include <gk/task.h>
#include <gk/uaccess.h>

#include "futex_internal.h"

#define BUCKETS_PER_CPU 256
#define USER_ADDR_MAX 0x7ffffffff000ull

static struct futex_bucket *buckets;
static u32 bucket_mask;

void futex_init(void)
{
	u32 n = BUCKETS_PER_CPU, i;

	while (n < BUCKETS_PER_CPU * boot->ncpus)
		n *= 2;
	buckets = kcalloc(n, sizeof(*buckets));
	if (!buckets)
		panic("no memory for futexes");
	for (i = 0; i < n; i++)
		list_init(&buckets[i].list);
	bucket_mask = n - 1;
}

static int shared_key(u64 uaddr, struct futex_key *key)
{
	struct mm *mm = current->mm;
	struct vma *vma;
	int ret = -EFAULT;

	down_read(&mm->mmap_lock);
	vma = vma_find(mm, uaddr);
	if (vma && vma->start <= uaddr) {
		if (!(vma->flags & (VM_READ | VM_WRITE)))
			goto out;
		ret = 0;
		if ((vma->flags & VM_SHARED) && vma->file) {
			key->inode = vma->file->inode;
			inode_get(key->inode);
			key->offset = uaddr - vma->start + (vma->pgoff << PAGE_SHIFT);
			if (key->offset >= PAGE_ALIGN((u64)key->inode->size))
				ret = -EFAULT; /* beyond the end of the file there is no word */
		} else {
			key->mm = mm;
			key->offset = uaddr;
		}
	}
out:
	up_read(&mm->mmap_lock);
	return ret;
}

int futex_key_get(u64 uaddr, bool shared, struct futex_key *key)
{
	if (uaddr & 3)
		return -EINVAL;
	if (uaddr >= USER_ADDR_MAX) /* a private futex is a name: its word need not be there */
		return -EFAULT;
	*key = (struct futex_key){0};
	if (shared)
		return shared_key(uaddr, key);
	key->mm = current->mm;
	key->offset = uaddr;
	return 0;
}

void futex_key_put(struct futex_key *key)
{
	if (key->inode)
		inode_put(key->inode);
	key->inode = NULL;
}

void futex_key_copy(struct futex_key *to, const struct futex_key *from)
{
	*to = *from;
	if (to->inode)
		inode_get(to->inode);
}

bool futex_key_equal(const struct futex_key *a, const struct futex_key *b)
{
	return a->mm == b->mm && a->inode == b->inode && a->offset == b->offset;
}

struct futex_bucket *futex_bucket_of(const struct futex_key *key)
{
	u64 h = ((u64)key->mm ^ (u64)key->inode) * 0x9e3779b97f4a7c15ull;

	h = (h ^ h >> 32 ^ key->offset >> 2) * 0xd6e8feb86659fd93ull;
	return &buckets[(h >> 32) & bucket_mask];
}

struct futex_bucket *futex_queue_lock(const struct futex_key *key)
{
	struct futex_bucket *b = futex_bucket_of(key);

	atomic_inc(&b->waiters); /* pairs with smp_mb() in futex_wake_up() */
	spin_lock(&b->lock);
	return b;
}

void futex_queue_unlock(struct futex_bucket *b)
{
	spin_unlock(&b->lock);
	atomic_dec(&b->waiters);
}

void futex_link(struct futex_q *q, struct futex_bucket *b)
{
	struct list_head *at = b->list.prev;

	while (at != &b->list && list_entry(at, struct futex_q, link)->prio < q->prio)
		at = at->prev;
	list_add(&q->link, at);
}

void futex_queue(struct futex_q *q, struct futex_bucket *b)
{
	q->task = current;
	q->bucket = b;
	q->prio = current->rt_priority;
	futex_link(q, b);
}

bool futex_woken(const struct futex_q *q)
{
	return !smp_load_acquire(&q->bucket);
}

bool futex_unqueue(struct futex_q *q)
{
	struct futex_bucket *b;
	bool queued = false;

	while ((b = smp_load_acquire(&q->bucket))) {
		spin_lock(&b->lock);
		if (q->bucket == b) {
			list_del(&q->link);
			q->bucket = NULL;
			queued = true;
		}
		spin_unlock(&b->lock);
		if (queued) {
			atomic_dec(&b->waiters);
			break;
		}
	}
	futex_key_put(&q->key);
	return queued;
}

void futex_mark_woken(struct futex_q *q, struct futex_wakes *w)
{
	struct futex_bucket *b = q->bucket;

	if (w->n == FUTEX_WAKE_BATCH)
		futex_wakes_flush(w);
	w->task[w->n++] = task_get(q->task);
	list_del(&q->link);
	atomic_dec(&b->waiters);
	smp_store_release(&q->bucket, NULL); /* pairs with futex_woken() */
}

void futex_wakes_flush(struct futex_wakes *w)
{
	u32 i;

	for (i = 0; i < w->n; i++) {
		try_wake_up(w->task[i], TASK_NORMAL);
		task_put(w->task[i]);
	}
	w->n = 0;
}

int futex_fault(u64 uaddr, bool write)
{
	if (fatal_signal_pending())
		return -EINTR;
	return user_fault_in(uaddr, write);
}

int futex_sleep(struct futex_q *q, ktime_t deadline)
{
	int ret;

	for (;;) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (futex_woken(q)) {
			set_current_state(TASK_RUNNING);
			break;
		}
		ret = schedule_until(deadline);
		if (ret > 0)
			continue;
		if (futex_unqueue(q))
			return ret ? -ERESTARTSYS : -ETIMEDOUT;
		return 0;
	}
	futex_key_put(&q->key);
	return 0;
}
