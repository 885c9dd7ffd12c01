/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wait queues: how a task sleeps until somebody says so. The waiter enqueues itself, sets its state, tests the
 * condition, and only then schedules; the waker makes the condition true first. So no wake-up is lost.
 * poll, select and epoll hang their own entries (func) on the same queues.
 */
#ifndef GK_WAIT_H
#define GK_WAIT_H

#include <gk/lock.h>

struct task;
struct wait_entry;

/*
 * Called with the queue's lock held; must not sleep nor take the same queue's lock. Returns true if a task was woken.
 */
typedef bool (*wait_func_t)(struct wait_entry *e, u32 events);

struct wait_queue {
	spinlock_t lock;
	struct list_head entries; /* lock */
};

#define WAIT_EXCLUSIVE 1 /* wake_up() stops after one such entry */

struct wait_entry {
	struct list_head link; /* queue's lock */
	struct task *task;
	wait_func_t func;
	void *priv;
	u32 flags;
};

#define WAIT_QUEUE_INIT(name)                                                                                          \
	{                                                                                                              \
		SPINLOCK_INIT, LIST_HEAD_INIT((name).entries)                                                          \
	}
#define DEFINE_WAIT_QUEUE(name) struct wait_queue name = WAIT_QUEUE_INIT(name)

void wait_queue_init(struct wait_queue *q);
/* Wakes all non-exclusive and one exclusive waiter; @events are EPOLL* bits for pollers (0: any). Any context. */
void wake_up_poll(struct wait_queue *q, u32 events);
void wake_up_all_poll(struct wait_queue *q, u32 events);
#define wake_up(q) wake_up_poll(q, 0)
#define wake_up_all(q) wake_up_all_poll(q, 0)

static inline bool wait_queue_active(const struct wait_queue *q)
{
	smp_mb(); /* pairs with the waiter's enqueue before its test */
	return !list_empty(&q->entries);
}

/* Wakes e->task; the default func. */
bool wait_default_func(struct wait_entry *e, u32 events);
void wait_entry_init(struct wait_entry *e, struct task *t);
void add_wait_queue(struct wait_queue *q, struct wait_entry *e);
void remove_wait_queue(struct wait_queue *q, struct wait_entry *e);
/* Enqueue (if not yet) and set the current task's state; then test, then schedule(). */
void prepare_to_wait(struct wait_queue *q, struct wait_entry *e, u32 state);
void finish_wait(struct wait_queue *q, struct wait_entry *e);

/*
 * Internal: one sleep of a wait_event loop. 0: look again; <0: interrupted (-ERESTARTSYS) or -ETIME. In kernel/wait.c.
 */
int wait_event_step(struct wait_queue *q, struct wait_entry *e, u32 state, ktime_t deadline);

#define wait_event_state_(q, cond, state, deadline)                                                                    \
	({                                                                                                             \
		int ret_ = 0;                                                                                          \
		if (!(cond)) {                                                                                         \
			struct wait_entry we_;                                                                         \
			wait_entry_init(&we_, current);                                                                \
			for (;;) {                                                                                     \
				prepare_to_wait(q, &we_, state);                                                       \
				if (cond)                                                                              \
					break;                                                                         \
				ret_ = wait_event_step(q, &we_, state, deadline);                                      \
				if (ret_) {                                                                            \
					if (cond)                                                                      \
						ret_ = 0;                                                              \
					break;                                                                         \
				}                                                                                      \
			}                                                                                              \
			finish_wait(q, &we_);                                                                          \
		}                                                                                                      \
		ret_;                                                                                                  \
	})

/*
 * wait_event: not interruptible. The others return 0, -ERESTARTSYS (a signal), -ETIME (deadline, absolute monotonic
 * ns).
 */
#define wait_event(q, cond) ((void)wait_event_state_(q, cond, TASK_UNINTERRUPTIBLE, KTIME_NEVER))
#define wait_event_killable(q, cond) wait_event_state_(q, cond, TASK_KILLABLE, KTIME_NEVER)
#define wait_event_interruptible(q, cond) wait_event_state_(q, cond, TASK_INTERRUPTIBLE, KTIME_NEVER)
#define wait_event_interruptible_until(q, cond, deadline) wait_event_state_(q, cond, TASK_INTERRUPTIBLE, deadline)
#define wait_event_until(q, cond, deadline) wait_event_state_(q, cond, TASK_UNINTERRUPTIBLE, deadline)

#endif
