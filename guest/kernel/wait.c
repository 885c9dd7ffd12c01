/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wait queues (gk/wait.h). Wakers call the entries' functions under the queue's lock; those may take run-queue locks
 * only.
 */
#include <gk/errno.h>
#include <gk/signal.h>
#include <gk/task.h>
#include <gk/timer.h>
#include <gk/wait.h>

void wait_queue_init(struct wait_queue *q)
{
	spin_init(&q->lock);
	list_init(&q->entries);
}

static void wake_up_common(struct wait_queue *q, u32 events, bool all)
{
	struct wait_entry *e, *next;

	if (!wait_queue_active(q))
		return;
	spin_lock(&q->lock);
	list_for_each_entry_safe(e, next, &q->entries, link) {
		bool exclusive = e->flags & WAIT_EXCLUSIVE; /* the entry may be gone after func */

		if (e->func(e, events) && exclusive && !all)
			break;
	}
	spin_unlock(&q->lock);
}

void wake_up_poll(struct wait_queue *q, u32 events)
{
	wake_up_common(q, events, false);
}

void wake_up_all_poll(struct wait_queue *q, u32 events)
{
	wake_up_common(q, events, true);
}

bool wait_default_func(struct wait_entry *e, u32 events)
{
	return try_wake_up(e->task, TASK_NORMAL);
}

void wait_entry_init(struct wait_entry *e, struct task *t)
{
	list_init(&e->link);
	e->task = t;
	e->func = wait_default_func;
	e->priv = NULL;
	e->flags = 0;
}

void add_wait_queue(struct wait_queue *q, struct wait_entry *e)
{
	spin_lock(&q->lock);
	/* Exclusive entries come last, so that everyone else is woken first. */
	if (e->flags & WAIT_EXCLUSIVE)
		list_add_tail(&e->link, &q->entries);
	else
		list_add(&e->link, &q->entries);
	spin_unlock(&q->lock);
}

void remove_wait_queue(struct wait_queue *q, struct wait_entry *e)
{
	spin_lock(&q->lock);
	if (!list_empty(&e->link))
		list_del(&e->link);
	spin_unlock(&q->lock);
}

void prepare_to_wait(struct wait_queue *q, struct wait_entry *e, u32 state)
{
	spin_lock(&q->lock);
	if (list_empty(&e->link)) {
		if (e->flags & WAIT_EXCLUSIVE)
			list_add_tail(&e->link, &q->entries);
		else
			list_add(&e->link, &q->entries);
	}
	set_current_state(state);
	spin_unlock(&q->lock);
}

void finish_wait(struct wait_queue *q, struct wait_entry *e)
{
	WRITE_ONCE(current->state, TASK_RUNNING);
	if (!list_empty(&e->link))
		remove_wait_queue(q, e);
}

int wait_event_step(struct wait_queue *q, struct wait_entry *e, u32 state, ktime_t deadline)
{
	if (state == TASK_INTERRUPTIBLE && signal_pending())
		return -ERESTARTSYS;
	if ((state & TASK_WAKEKILL) && fatal_signal_pending())
		return -ERESTARTSYS;
	if (deadline == KTIME_NEVER) {
		schedule();
		return 0;
	}
	return schedule_until(deadline) == 0 ? -ETIME : 0;
}
