/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks. Spin locks sleep in the hypervisor after about a microsecond, since the holder's vCPU may be off its host CPU.
 * Mutexes and read-write semaphores hand the lock over to the first waiter: fair, and no thundering herd.
 *
 * A waiter lives on the sleeper's stack; `granted` is set by the one who hands over, under the lock's own spin lock.
 */
#include <gk/errno.h>
#include <gk/hypercall.h>
#include <gk/lock.h>
#include <gk/printk.h>
#include <gk/signal.h>
#include <gk/task.h>

#define SPIN_TRIES 64 /* with cpu_relax(): about a microsecond */

void spin_lock_slow(spinlock_t *l)
{
	for (int i = 0; i < SPIN_TRIES; i++) {
		if (READ_ONCE(l->word) == 0 && spin_trylock(l))
			return;
		cpu_relax();
	}
	/* From here on we say that somebody sleeps, also when we get it: a needless wake is harmless. */
	while (__atomic_exchange_n(&l->word, 2, __ATOMIC_ACQUIRE) != 0)
		hv_wait(&l->word, 2, KTIME_NEVER);
}

void spin_unlock_slow(spinlock_t *l)
{
	hv_wake(&l->word, 1);
}

struct lock_waiter {
	struct list_head link;
	struct task *task;
	bool write;
	bool granted;
};

/*
 * Lock held. Sleeps until granted or, if @state is INTERRUPTIBLE, until a signal comes: then -EINTR, and the waiter is
 * gone.
 */
static int wait_for_grant(spinlock_t *lock, struct list_head *waiters, struct lock_waiter *w, u32 state)
{
	int err = 0;

	list_add_tail(&w->link, waiters);
	for (;;) {
		set_current_state(state);
		if (w->granted)
			break;
		if (state == TASK_INTERRUPTIBLE && signal_pending()) {
			list_del(&w->link);
			err = -EINTR;
			break;
		}
		spin_unlock(lock);
		schedule();
		spin_lock(lock);
	}
	WRITE_ONCE(current->state, TASK_RUNNING);
	return err;
}

static void grant(struct lock_waiter *w)
{
	struct task *t = w->task;

	list_del(&w->link);
	/*
	 * The waiter's stack frame may be gone once it sees this: the lock is held, so it cannot look before we are
	 * done.
	 */
	w->granted = true;
	try_wake_up(t, TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE);
}

void mutex_init(struct mutex *m)
{
	spin_init(&m->lock);
	m->owner = NULL;
	list_init(&m->waiters);
}

static int mutex_lock_state(struct mutex *m, u32 state)
{
	struct lock_waiter w = {.task = current};
	int err = 0;

	spin_lock(&m->lock);
	if (!m->owner)
		m->owner = current;
	else
		err = wait_for_grant(&m->lock, &m->waiters, &w, state);
	spin_unlock(&m->lock);
	return err;
}

void mutex_lock(struct mutex *m)
{
	mutex_lock_state(m, TASK_UNINTERRUPTIBLE);
}

int mutex_lock_interruptible(struct mutex *m)
{
	return mutex_lock_state(m, TASK_INTERRUPTIBLE) ? -ERESTARTSYS : 0;
}

bool mutex_trylock(struct mutex *m)
{
	bool got;

	spin_lock(&m->lock);
	got = !m->owner;
	if (got)
		m->owner = current;
	spin_unlock(&m->lock);
	return got;
}

void mutex_unlock(struct mutex *m)
{
	struct lock_waiter *w;

	BUG_ON(m->owner != current);
	spin_lock(&m->lock);
	w = list_first_entry_or_null(&m->waiters, struct lock_waiter, link);
	m->owner = w ? w->task : NULL;
	if (w)
		grant(w);
	spin_unlock(&m->lock);
}

void rwsem_init(struct rwsem *s)
{
	spin_init(&s->lock);
	s->count = 0;
	list_init(&s->waiters);
}

/* Lock held: gives the lock to the first waiter, and if that is a reader, to the readers right behind it. */
static void rwsem_grant(struct rwsem *s)
{
	while (!list_empty(&s->waiters)) {
		struct lock_waiter *w = list_first_entry(&s->waiters, struct lock_waiter, link);

		if (w->write) {
			if (s->count == 0) {
				s->count = -1;
				grant(w);
			}
			return;
		}
		if (s->count < 0)
			return;
		s->count++;
		grant(w);
	}
}

void down_read(struct rwsem *s)
{
	struct lock_waiter w = {.task = current};

	spin_lock(&s->lock);
	if (s->count >= 0 && list_empty(&s->waiters))
		s->count++;
	else
		wait_for_grant(&s->lock, &s->waiters, &w, TASK_UNINTERRUPTIBLE);
	spin_unlock(&s->lock);
}

void up_read(struct rwsem *s)
{
	spin_lock(&s->lock);
	if (--s->count == 0)
		rwsem_grant(s);
	spin_unlock(&s->lock);
}

void down_write(struct rwsem *s)
{
	struct lock_waiter w = {.task = current, .write = true};

	spin_lock(&s->lock);
	if (s->count == 0 && list_empty(&s->waiters))
		s->count = -1;
	else
		wait_for_grant(&s->lock, &s->waiters, &w, TASK_UNINTERRUPTIBLE);
	spin_unlock(&s->lock);
}

bool down_write_trylock(struct rwsem *s)
{
	bool got;

	spin_lock(&s->lock);
	got = s->count == 0 && list_empty(&s->waiters);
	if (got)
		s->count = -1;
	spin_unlock(&s->lock);
	return got;
}

void up_write(struct rwsem *s)
{
	spin_lock(&s->lock);
	s->count = 0;
	rwsem_grant(s);
	spin_unlock(&s->lock);
}

void downgrade_write(struct rwsem *s)
{
	spin_lock(&s->lock);
	s->count = 1;
	rwsem_grant(s);
	spin_unlock(&s->lock);
}
