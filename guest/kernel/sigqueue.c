/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Queues of pending signals: entries, their count against RLIMIT_SIGPENDING, and which signal comes next.
 *
 * A bit in sigpending.set says that a signal is pending; entries carry its information. A standard signal has one entry
 * at most, a real-time signal any number. A bit without an entry is a signal whose entry could not be had.
 * Lock: siglock of the process.
 */
#include <gk/cred.h>
#include <gk/slab.h>
#include <gk/string.h>

#include "signal_internal.h"

struct sigqueue *sigqueue_alloc(struct task *t, bool ignore_limit)
{
	struct user *user = t->cred->user;
	struct sigqueue *q;

	if (atomic_add_return(&user->sigpending, 1) > t->process->rlim[RLIMIT_SIGPENDING].cur && !ignore_limit)
		goto err;
	q = kmalloc(sizeof(*q));
	if (!q)
		goto err;
	list_init(&q->link);
	q->charged = user_get(user);
	q->timer = NULL;
	return q;
err:
	atomic_dec(&user->sigpending);
	return NULL;
}

void sigqueue_free(struct sigqueue *q)
{
	atomic_dec(&q->charged->sigpending);
	user_put(q->charged);
	kfree(q);
}

void sigpending_init(struct sigpending *p)
{
	list_init(&p->list);
	p->set = 0;
}

/* An entry leaves its queue. A POSIX timer keeps its own. */
static void sigqueue_drop(struct sigqueue *q)
{
	list_del(&q->link);
	if (!q->timer)
		sigqueue_free(q);
}

void sigpending_flush(struct sigpending *p, u64 set)
{
	struct sigqueue *q, *n;

	if (!(p->set & set))
		return;
	p->set &= ~set;
	list_for_each_entry_safe(q, n, &p->list, link) {
		if (!sigset_has(set, q->info.si_signo))
			continue;
		if (q->timer)
			posix_timer_dequeued(q->timer, &q->info); /* it goes on */
		sigqueue_drop(q);
	}
}

void sigpending_free(struct sigpending *p)
{
	sigpending_flush(p, ~0ull);
}

static int next_signal(const struct sigpending *p, u64 blocked)
{
	u64 set = p->set & ~blocked;

	if (!set)
		return 0;
	if (set & SIG_SYNC_SET)
		set &= SIG_SYNC_SET;
	return __builtin_ctzll(set) + 1;
}

static void collect_signal(struct sigpending *p, int sig, struct siginfo *info)
{
	struct sigqueue *q, *first = NULL;

	list_for_each_entry(q, &p->list, link) {
		if (q->info.si_signo != sig)
			continue;
		if (first)
			goto more; /* a real-time signal, queued again: the bit stays */
		first = q;
	}
	p->set &= ~sigbit(sig);
more:
	if (!first) {
		memset(info, 0, sizeof(*info));
		info->si_signo = sig;
		info->si_code = SI_USER;
		return;
	}
	*info = first->info;
	if (first->timer)
		posix_timer_dequeued(first->timer, info);
	sigqueue_drop(first);
}

int dequeue_signal(struct task *t, u64 blocked, struct siginfo *info)
{
	struct sigpending *p = &t->pending;
	int sig = next_signal(p, blocked);

	if (!sig) {
		p = &t->process->shared_pending;
		sig = next_signal(p, blocked);
	}
	if (sig)
		collect_signal(p, sig, info);
	return sig;
}

int dequeue_signal_set(u64 set, struct siginfo *info)
{
	struct process *p = current->process;
	int sig;

	set &= ~SIG_KERNEL_ONLY;
	spin_lock(&p->siglock);
	sig = dequeue_signal(current, ~set, info);
	recalc_signal_work(current);
	spin_unlock(&p->siglock);
	return sig;
}

bool signal_pending_set(u64 set)
{
	return (READ_ONCE(current->pending.set) | READ_ONCE(current->process->shared_pending.set)) & set;
}
