/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel timers: per vCPU a tree by deadline. There is no tick; the hypervisor is told the earliest deadline when the
 * vCPU is about to leave the kernel (timers_arm()), and sets UM_PENDING_TIMER when it has passed.
 *
 * A timer is queued on the vCPU that starts it, except while its func runs elsewhere: then it stays there, so that
 * ktimer_cancel() always knows where to look. Lock: cpu->timer_lock, a leaf; funcs run without it.
 */
#include <gk/init.h>
#include <gk/errno.h>
#include <gk/hypercall.h>
#include <gk/signal.h>
#include <gk/task.h>
#include <gk/timer.h>

void timers_init_cpu(struct cpu *c)
{
	spin_init(&c->timer_lock);
	c->timers = RB_ROOT;
	c->armed = c->timer_next = KTIME_NEVER;
	c->timer_running = NULL;
}

void ktimer_init(struct ktimer *t, ktimer_func_t func)
{
	t->func = func;
	t->cpu = NULL;
	t->queued = false;
	t->deadline = KTIME_NEVER;
}

static void tree_insert(struct cpu *c, struct ktimer *t)
{
	struct rb_node **link = &c->timers.node, *parent = NULL;

	while (*link) {
		parent = *link;
		if (t->deadline < rb_entry(parent, struct ktimer, node)->deadline)
			link = &parent->left;
		else
			link = &parent->right; /* first come, first served */
	}
	rb_link_node(&t->node, parent, link);
	rb_insert_color(&t->node, &c->timers);
	t->queued = true;
	if (t->deadline < c->timer_next)
		WRITE_ONCE(c->timer_next, t->deadline);
}

static void tree_remove(struct cpu *c, struct ktimer *t)
{
	struct rb_node *first;

	rb_erase(&t->node, &c->timers);
	t->queued = false;
	if (t->deadline > c->timer_next)
		return;
	first = rb_first(&c->timers);
	WRITE_ONCE(c->timer_next, first ? rb_entry(first, struct ktimer, node)->deadline : KTIME_NEVER);
}

/* Locks the vCPU the timer belongs to; NULL, nothing locked: it was never started. */
static struct cpu *lock_base(struct ktimer *t)
{
	struct cpu *c;

	for (;;) {
		c = READ_ONCE(t->cpu);
		if (!c)
			return NULL;
		spin_lock(&c->timer_lock);
		if (t->cpu == c)
			return c;
		spin_unlock(&c->timer_lock);
	}
}

void ktimer_start(struct ktimer *t, ktime_t deadline)
{
	struct cpu *here = this_cpu(), *c = lock_base(t);

	if (c && t->queued)
		tree_remove(c, t);
	if (c != here && !(c && c->timer_running == t)) {
		if (c) {
			WRITE_ONCE(t->cpu, here); /* a concurrent try_cancel goes on to the new base */
			spin_unlock(&c->timer_lock);
		}
		c = here;
		spin_lock(&c->timer_lock);
		WRITE_ONCE(t->cpu, c);
	}
	t->deadline = deadline;
	if (deadline != KTIME_NEVER)
		tree_insert(c, t);
	spin_unlock(&c->timer_lock);
}

int ktimer_try_cancel(struct ktimer *t)
{
	struct cpu *c = lock_base(t);
	int ret = 0;

	if (!c)
		return 0;
	if (t->queued) {
		tree_remove(c, t);
		ret = 1;
	}
	if (c->timer_running == t)
		ret = -1;
	spin_unlock(&c->timer_lock);
	return ret;
}

bool ktimer_cancel(struct ktimer *t)
{
	int ret;

	while ((ret = ktimer_try_cancel(t)) < 0)
		cpu_relax();
	return ret;
}

void timers_run(void)
{
	struct cpu *c = this_cpu();
	ktime_t now = ktime_mono();
	struct rb_node *n;
	struct ktimer *t;

	spin_lock(&c->timer_lock);
	/*
	 * The hypervisor has forgotten the deadline, whatever our clock says: it may be a little behind the one that
	 * the deadline was measured with. What is left is armed anew.
	 */
	c->armed = KTIME_NEVER;
	/* @now stays fixed: a timer that re-arms itself for later cannot hold this loop. */
	while ((n = rb_first(&c->timers))) {
		t = rb_entry(n, struct ktimer, node);
		if (t->deadline > now)
			break;
		tree_remove(c, t);
		c->timer_running = t;
		spin_unlock(&c->timer_lock);
		t->func(t);
		spin_lock(&c->timer_lock);
		c->timer_running = NULL;
	}
	spin_unlock(&c->timer_lock);
}

void timers_arm_slow(void)
{
	struct cpu *c = this_cpu();
	ktime_t next;

	spin_lock(&c->timer_lock);
	next = c->timer_next;
	c->armed = next;
	spin_unlock(&c->timer_lock);
	hypercall1(UM_HC_SET_TIMER, next);
}

struct sleeper {
	struct ktimer timer;
	struct task *task;
	bool fired;
};

static void sleeper_fire(struct ktimer *t)
{
	struct sleeper *s = container_of(t, struct sleeper, timer);

	WRITE_ONCE(s->fired, true);
	try_wake_up(s->task, TASK_NORMAL);
}

static bool state_lets_signal_through(u32 state)
{
	return ((state & TASK_INTERRUPTIBLE) && signal_pending()) ||
	       ((state & TASK_WAKEKILL) && fatal_signal_pending());
}

int schedule_until(ktime_t deadline)
{
	u32 state = READ_ONCE(current->state);
	struct sleeper s = {.task = current};

	/* A waker has set it back to RUNNING already. */
	if (state == TASK_RUNNING)
		return 1;
	if (state_lets_signal_through(state)) {
		set_current_state(TASK_RUNNING);
		return -ERESTARTSYS;
	}
	if (deadline != KTIME_NEVER) {
		if (deadline <= ktime_mono()) {
			set_current_state(TASK_RUNNING);
			return 0;
		}
		ktimer_init(&s.timer, sleeper_fire);
		ktimer_start(&s.timer, deadline);
	}
	schedule();
	set_current_state(TASK_RUNNING);
	if (deadline != KTIME_NEVER) {
		ktimer_cancel(&s.timer);
		if (s.fired)
			return 0;
	}
	return state_lets_signal_through(state) ? -ERESTARTSYS : 1;
}
