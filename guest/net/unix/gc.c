/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Garbage: sockets that are open only because they are in messages, in queues of such sockets. Nobody can ever receive
 * them.
 *
 * unix_gc_lock guards the counts of what is in flight and holds everything still that matters here: a message with
 * files enters its count before its queue, and leaves the count (under the lock) after its queue.
 *
 * Candidates are the sockets all of whose file's references are in flight. From each one's count the messages in queues
 * of candidates are taken off; who has some left is in flight somewhere else (in a queue somebody can read, or just
 * being sent or received) and is alive, and so is all that can be reached from it. The rest is garbage: its messages
 * are taken out of the queues and dropped, which closes it.
 *
 * A reader who peeks takes references without changing counts; it passes unix_gc_barrier() before it lets anybody use
 * them.
 */
#include "net/unix/unix.h"

#define GC_TRIGGER 4096u /* more than this in flight: look before adding, each time the number has doubled */
#define GC_AT_ONCE 64u	 /* more than this in flight: who closes a socket leaves the looking to a task of its own */
#define GC_SHARE 20u	 /* which does nothing else for this many times as long */

static spinlock_t unix_gc_lock;
static LIST_HEAD(flying); /* unix_gc_lock: sockets in flight */
static u32 flying_count;  /* unix_gc_lock: references in flight */
static struct mutex gc_mutex = MUTEX_INIT(gc_mutex);
static bool gc_again;		    /* atomic: somebody came while a collection ran */
static u32 gc_trigger = GC_TRIGGER; /* a guess: no lock */
static bool gc_wanted;
static DEFINE_WAIT_QUEUE(gc_wait);

static struct unix_sock *file_unix(const struct file *f)
{
	struct socket *s = file_socket(f);

	return s && s->domain == AF_UNIX ? s->sk : NULL;
}

void unix_inflight(struct scm_files *files)
{
	if (READ_ONCE(flying_count) > READ_ONCE(gc_trigger)) {
		unix_gc();
		WRITE_ONCE(gc_trigger, MAX(GC_TRIGGER, 2 * READ_ONCE(flying_count)));
	}
	spin_lock(&unix_gc_lock);
	for (u32 i = 0; i < files->n; i++) {
		struct unix_sock *sk = file_unix(files->file[i]);

		if (!sk)
			continue;
		if (!sk->inflight++)
			list_add_tail(&sk->gc_link, &flying);
		flying_count++;
	}
	spin_unlock(&unix_gc_lock);
}

void unix_notinflight(struct scm_files *files)
{
	spin_lock(&unix_gc_lock);
	for (u32 i = 0; i < files->n; i++) {
		struct unix_sock *sk = file_unix(files->file[i]);

		if (!sk)
			continue;
		if (!--sk->inflight)
			list_del(&sk->gc_link);
		flying_count--;
	}
	spin_unlock(&unix_gc_lock);
}

void unix_gc_barrier(void)
{
	spin_lock(&unix_gc_lock);
	spin_unlock(&unix_gc_lock);
}

/* What to do with each candidate that a queue refers to. */
typedef void (*visit_t)(struct unix_sock *sk, struct list_head *list);

static void visit_files(const struct scm_files *files, visit_t visit, struct list_head *list)
{
	for (u32 i = 0; files && i < files->n; i++) {
		struct unix_sock *sk = file_unix(files->file[i]);

		if (sk && sk->gc_candidate)
			visit(sk, list);
	}
}

/* unix_gc_lock held. All candidates in messages to @sk; a listener's are in the queues of its embryos. */
static void visit_queue(struct unix_sock *sk, visit_t visit, struct list_head *list)
{
	struct unix_msg *m, *e;

	spin_lock(&sk->lock);
	list_for_each_entry(m, &sk->queue, link) {
		visit_files(m->files, visit, list);
		if (!m->embryo)
			continue;
		spin_lock(&m->embryo->lock);
		list_for_each_entry(e, &m->embryo->queue, link)
			visit_files(e->files, visit, list);
		spin_unlock(&m->embryo->lock);
	}
	spin_unlock(&sk->lock);
}

static void count_off(struct unix_sock *sk, struct list_head *list)
{
	sk->gc_refs--;
}

static void revive(struct unix_sock *sk, struct list_head *live)
{
	sk->gc_candidate = false;
	list_move_tail(&sk->gc_link, live);
}

/* unix_gc_lock held. Moves the garbage from flying to @garbage. */
static void find_garbage(struct list_head *garbage)
{
	struct unix_sock *sk, *n;
	LIST_HEAD(candidates);
	LIST_HEAD(live);

	list_for_each_entry_safe(sk, n, &flying, gc_link) {
		if (!sk->sock || !sk->sock->file || refcount_read(&sk->sock->file->refs) != sk->inflight)
			continue;
		sk->gc_candidate = true;
		sk->gc_refs = sk->inflight;
		list_move_tail(&sk->gc_link, &candidates);
	}
	list_for_each_entry(sk, &candidates, gc_link)
		visit_queue(sk, count_off, NULL);
	list_for_each_entry_safe(sk, n, &candidates, gc_link) {
		if (sk->gc_refs)
			revive(sk, &live);
	}
	/* The list grows while it is walked: what a live socket can still receive is alive. */
	list_for_each_entry(sk, &live, gc_link)
		visit_queue(sk, revive, &live);
	list_splice_tail(&live, &flying);
	list_splice_tail(&candidates, garbage);
}

/* Takes the messages that carry garbage out of @queue; its lock is held. */
static void take_messages(struct unix_sock *sk, struct list_head *hit)
{
	struct unix_msg *m, *n;

	list_for_each_entry_safe(m, n, &sk->queue, link) {
		bool carries = false;

		for (u32 i = 0; m->files && i < m->files->n; i++) {
			struct unix_sock *c = file_unix(m->files->file[i]);

			carries |= c && c->gc_candidate;
		}
		if (carries) {
			unix_unqueue(sk, m);
			list_add_tail(&m->link, hit);
		}
	}
}

/* gc_mutex held. */
static void collect(void)
{
	struct unix_sock *sk, *n;
	struct unix_msg *m;
	LIST_HEAD(garbage);
	LIST_HEAD(hit);

	spin_lock(&unix_gc_lock);
	find_garbage(&garbage);
	list_for_each_entry(sk, &garbage, gc_link) {
		spin_lock(&sk->lock);
		take_messages(sk, &hit);
		list_for_each_entry(m, &sk->queue, link) {
			if (!m->embryo)
				continue;
			spin_lock(&m->embryo->lock);
			take_messages(m->embryo, &hit);
			spin_unlock(&m->embryo->lock);
		}
		spin_unlock(&sk->lock);
	}
	list_for_each_entry_safe(sk, n, &garbage, gc_link) {
		sk->gc_candidate = false;
		list_move_tail(&sk->gc_link, &flying);
	}
	spin_unlock(&unix_gc_lock);
	while (!list_empty(&hit)) {
		m = list_first_entry(&hit, struct unix_msg, link);
		list_del(&m->link);
		unix_msg_free(m);
	}
}

void unix_gc(void)
{
	if (!READ_ONCE(flying_count))
		return;
	WRITE_ONCE(gc_again, true);
	smp_mb(); /* before the trylock: who holds the mutex looks again after its unlock */
	/* Who frees garbage closes sockets and comes here again. */
	while (READ_ONCE(gc_again) && mutex_trylock(&gc_mutex)) {
		if (atomic_xchg(&gc_again, false))
			collect();
		mutex_unlock(&gc_mutex);
	}
}

static void gc_loop(void *arg)
{
	for (;;) {
		ktime_t start, end;

		wait_event(&gc_wait, READ_ONCE(gc_wanted));
		WRITE_ONCE(gc_wanted, false);
		start = ktime_mono();
		unix_gc();
		end = ktime_mono();
		set_current_state(TASK_UNINTERRUPTIBLE);
		schedule_until(end + GC_SHARE * (end - start));
	}
}

void unix_gc_after_close(void)
{
	static bool started;

	if (READ_ONCE(flying_count) <= GC_AT_ONCE) {
		unix_gc();
		return;
	}
	WRITE_ONCE(gc_wanted, true);
	if (!atomic_xchg(&started, true) && IS_ERR_OR_NULL(kthread_run("kunixgc", gc_loop, NULL)))
		WRITE_ONCE(started, false); /* the next one tries again */
	wake_up(&gc_wait);
}
