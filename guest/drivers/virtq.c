/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver side of split virtqueues (virtio 1.2, "Split Virtqueues"), on the transport of the boot block.
 *
 * Free descriptors are chained through their next fields. The head of a chain in flight finds its request. Whoever sees
 * UM_PENDING_QUEUE (the way to user mode, idle) calls virtq_interrupt(), which collects what is done under the lock and
 * calls back without it. The device is the VMM, which could do worse to us than a bad ring: it is checked only as far
 * as that catches bugs.
 *
 * Lock: vq->lock, a leaf except for the wait queue's own.
 */
#include <abi/boot.h>
#include <abi/pvm.h>
#include <gk/errno.h>
#include <gk/hypercall.h>
#include <gk/init.h>
#include <gk/page.h>
#include <gk/printk.h>
#include <gk/slab.h>
#include <gk/task.h>
#include <gk/virtq.h>

struct virtq {
	u32 number; /* immutable, like the pointers */
	u32 size;
	struct virtq_desc *desc;
	struct virtq_avail *avail;
	struct virtq_used *used;
	spinlock_t lock;
	u32 nr_free;		 /* lock */
	u16 free_head;		 /* lock */
	u16 avail_idx;		 /* lock */
	u16 seen_used;		 /* lock to change */
	struct virtq_req **reqs; /* lock: by head */
	struct wait_queue room;	 /* who waits for free descriptors */
};

static struct virtq *queues[UM_MAX_QUEUES];

static struct virtq *virtq_new(u32 number, const struct um_boot_queue *q)
{
	struct virtq *vq = kzalloc(sizeof(*vq));

	if (vq)
		vq->reqs = kcalloc(q->size, sizeof(*vq->reqs));
	if (!vq || !vq->reqs)
		panic("no memory for virtqueue %u", number);
	vq->number = number;
	vq->size = q->size;
	vq->desc = gpa_to_virt(q->desc);
	vq->avail = gpa_to_virt(q->avail);
	vq->used = gpa_to_virt(q->used);
	spin_init(&vq->lock);
	wait_queue_init(&vq->room);
	for (u32 i = 0; i < q->size; i++)
		vq->desc[i].next = (u16)(i + 1);
	vq->nr_free = q->size;
	return vq;
}

void virtq_init(void)
{
	for (u32 i = 0; i < UM_MAX_QUEUES; i++)
		if (boot->queue[i].size)
			queues[i] = virtq_new(i, &boot->queue[i]);
}

struct virtq *virtq_get(u32 number)
{
	return number < UM_MAX_QUEUES ? queues[number] : NULL;
}

u32 virtq_size(const struct virtq *vq)
{
	return vq->size;
}

/* Takes one free descriptor for @buf; lock held, there is one. */
static u16 fill_desc(struct virtq *vq, const struct virtq_buf *buf, u16 flags)
{
	const u16 i = vq->free_head;
	struct virtq_desc *d = &vq->desc[i];

	d->addr = virt_to_gpa(buf->addr);
	d->len = buf->len;
	d->flags = flags;
	vq->free_head = d->next;
	return i;
}

static int try_submit(struct virtq *vq, struct virtq_req *r, const struct virtq_buf *out, u32 nout,
		      const struct virtq_buf *in, u32 nin)
{
	const u32 n = nout + nin;
	u16 head, last = 0;

	BUG_ON(n == 0 || n > vq->size || n > UM_VIRTQ_CHAIN_MAX);
	r->completed = 0;
	spin_lock(&vq->lock);
	if (vq->nr_free < n) {
		spin_unlock(&vq->lock);
		return -EAGAIN;
	}
	head = vq->free_head;
	/* next of each already names the one that is taken after it. */
	for (u32 i = 0; i < n; i++)
		last = i < nout ? fill_desc(vq, &out[i], VIRTQ_DESC_F_NEXT)
				: fill_desc(vq, &in[i - nout], VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE);
	vq->desc[last].flags &= (u16)~VIRTQ_DESC_F_NEXT;
	vq->nr_free -= n;
	vq->reqs[head] = r;
	vq->avail->ring[vq->avail_idx & (vq->size - 1)] = head;
	/* Pairs with the device's acquire load in virtq_pop(). */
	smp_store_release(&vq->avail->idx, ++vq->avail_idx);
	spin_unlock(&vq->lock);
	return 0;
}

void virtq_kick(struct virtq *vq)
{
	/* The index must be visible before the flag is read: the device clears the flag and then looks at the index. */
	smp_mb();
	if (!(READ_ONCE(vq->used->flags) & VIRTQ_USED_F_NO_NOTIFY))
		hypercall1(UM_HC_NOTIFY, vq->number);
}

/* Gives the descriptors of a chain back; lock held. */
static void free_chain(struct virtq *vq, u16 head)
{
	u16 last = head;
	u32 n = 1;

	while (vq->desc[last].flags & VIRTQ_DESC_F_NEXT) {
		last = vq->desc[last].next;
		n++;
	}
	vq->desc[last].next = vq->free_head;
	vq->free_head = head;
	vq->nr_free += n;
}

/* Takes all that is done off the ring, as a list in the order of completion. */
static struct virtq_req *collect(struct virtq *vq)
{
	struct virtq_req *first = NULL, **tail = &first;

	spin_lock(&vq->lock);
	/* Pairs with the device's release store in virtq_publish(). */
	while (vq->seen_used != smp_load_acquire(&vq->used->idx)) {
		const struct virtq_used_elem *e = &vq->used->ring[vq->seen_used & (vq->size - 1)];
		struct virtq_req *r;

		BUG_ON(e->id >= vq->size || !vq->reqs[e->id]);
		r = vq->reqs[e->id];
		vq->reqs[e->id] = NULL;
		r->written = e->len;
		r->next = NULL;
		*tail = r;
		tail = &r->next;
		free_chain(vq, (u16)e->id);
		vq->seen_used++;
	}
	spin_unlock(&vq->lock);
	return first;
}

static void complete(struct virtq *vq)
{
	struct virtq_req *r, *next;

	r = collect(vq);
	if (r && wait_queue_active(&vq->room))
		wake_up_all(&vq->room);
	for (; r; r = next) {
		next = r->next;
		r->done(r);
	}
}

void virtq_interrupt(void)
{
	for (u32 i = 0; i < UM_MAX_QUEUES; i++) {
		struct virtq *vq = queues[i];

		if (vq && READ_ONCE(vq->seen_used) != READ_ONCE(vq->used->idx))
			complete(vq);
	}
}

int virtq_submit(struct virtq *vq, struct virtq_req *r, const struct virtq_buf *out, u32 nout,
		 const struct virtq_buf *in, u32 nin)
{
	int err = try_submit(vq, r, out, nout, in, nin);

	if (err == -EAGAIN && (vq->avail->flags & VIRTQ_AVAIL_F_NO_INTERRUPT)) {
		complete(vq);
		err = try_submit(vq, r, out, nout, in, nin);
	}
	return err;
}

void virtq_submit_wait(struct virtq *vq, struct virtq_req *r, const struct virtq_buf *out, u32 nout,
		       const struct virtq_buf *in, u32 nin)
{
	while (virtq_submit(vq, r, out, nout, in, nin) == -EAGAIN) {
		virtq_kick(vq);
		wait_event(&vq->room, READ_ONCE(vq->nr_free) >= nout + nin);
	}
}

void virtq_set_quiet(struct virtq *vq)
{
	WRITE_ONCE(vq->avail->flags, VIRTQ_AVAIL_F_NO_INTERRUPT);
}

static void wake_caller(struct virtq_req *r)
{
	/* The request is gone as soon as it is marked: it lies on the waiter's stack. */
	struct task *t = task_get(r->waiter);

	smp_store_release(&r->completed, 1);
	wake_up_task(t);
	task_put(t);
}

u32 virtq_call(struct virtq *vq, const struct virtq_buf *out, u32 nout, const struct virtq_buf *in, u32 nin)
{
	struct virtq_req r = {.done = wake_caller, .waiter = current};

	virtq_submit_wait(vq, &r, out, nout, in, nin);
	virtq_kick(vq);
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		/* Perhaps the device was quicker than we can get to sleep. */
		if (READ_ONCE(vq->seen_used) != READ_ONCE(vq->used->idx))
			complete(vq);
		if (smp_load_acquire(&r.completed))
			break;
		schedule();
	}
	set_current_state(TASK_RUNNING);
	return r.written;
}
