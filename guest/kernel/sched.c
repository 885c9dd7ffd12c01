/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler: one queue per vCPU, sorted by virtual run time (nice weights as Linux has them), real-time policies
 * before all.
 *
 * A task on a queue or running has on_rq set; the running one is not in the list. Sleeping: the task sets its state,
 * tests its condition, calls schedule(), which takes it off under rq_lock. Waking: try_wake_up() under the rq_lock of
 * t->cpu. t->cpu changes only while that lock is held and the task does not run. While on_cpu is set its registers are
 * not saved yet: it may be queued on its own vCPU (which looks at its queue after the switch), but not be moved.
 *
 * Placement. On Umbra a wake-up across vCPUs costs tens of microseconds, a switch on the same vCPU little. So a task
 * that was seen to block right after it woke somebody (sync_score) gets its wakee onto its own vCPU, without a kick;
 * everyone else's wakees go to an idle vCPU. A vCPU without work steals.
 *
 * Preemption needs a deadline only while somebody waits: slice_timer runs as long as the queue is not empty, and is not
 * stopped but expires for nothing, because telling the hypervisor costs more than one empty expiry per slice.
 *
 * Locks: inside rq_lock there is only timer_lock, and a second rq_lock if trylock gets it.
 */
#include <gk/fork.h>
#include <gk/hypercall.h>
#include <gk/init.h>
#include <gk/mm.h>
#include <gk/printk.h>
#include <gk/rseq.h>
#include <gk/sched.h>
#include <gk/signal.h>
#include <gk/task.h>
#include <gk/timer.h>

#include "../arch/x86_64/arch.h"

#define WAKEUP_CREDIT_NS (3 * NSEC_PER_MSEC) /* how far behind the others a sleeper may start */
#define WAKEUP_GRAN_NS (1 * NSEC_PER_MSEC)   /* how much less a wakee must have had to preempt */
#define RT_PERIOD_NS NSEC_PER_SEC	     /* as /proc/sys/kernel/sched_rt_{period,runtime}_us say */
#define RT_RUNTIME_NS (950 * NSEC_PER_MSEC)
#define SYNC_NS 30000 /* blocking this soon after a wake-up counts as synchronous */
#define SYNC_SCORE_MAX 4
#define SYNC_STEAL_NS 50000 /* a synchronously placed task may be stolen after waiting this long */

struct cpu *cpus[MAX_CPUS];
u32 nr_cpus;
static u64 idle_mask; /* atomic: vCPUs that are halted or about to; a waker takes a bit to claim one */
static u64 sync_cycles, sync_steal_cycles;
static struct ktimer slice_timers[MAX_CPUS];

/* 1024 * 1.25^-nice, as in Linux; index nice + 20. */
static const u32 nice_weight[40] = {
	88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904,
	3906,  3121,  2501,  1991,  1586,  1277,  1024,	 820,	655,   526,   423,  335,  272,	215,
	172,   137,   110,   87,    70,	   56,	  45,	 36,	29,    23,    18,   15,
};

static u32 task_weight(const struct task *t)
{
	return t->policy == SCHED_IDLE ? 3 : nice_weight[t->nice + 20];
}

static bool is_rt(const struct task *t)
{
	return t->rt_priority > 0;
}

/* Should @a run before @b? */
static bool before(const struct task *a, const struct task *b)
{
	if (a->rt_priority != b->rt_priority)
		return a->rt_priority > b->rt_priority;
	return !is_rt(a) && (s64)(a->vruntime - b->vruntime) < 0;
}

/* rq_lock held */
static void queue_insert(struct cpu *c, struct task *t)
{
	struct list_head *pos = c->rq.prev;

	/* New ones usually go to the end. */
	while (pos != &c->rq && before(t, list_entry(pos, struct task, rq_link)))
		pos = pos->prev;
	list_add(&t->rq_link, pos);
}

/* rq_lock held, @c is this vCPU: charges the current task up to now. */
static void update_current(struct cpu *c)
{
	struct task *t = c->rq_curr;
	ktime_t now = ktime_mono();
	u64 delta = now - c->rq_clock, first;

	WRITE_ONCE(c->rq_clock, now);
	if (t == c->idle) {
		c->idle_ns += delta;
		return;
	}
	c->user_ns += delta;
	if (is_rt(t))
		c->rt_used += delta;
	WRITE_ONCE(t->sum_exec_ns, t->sum_exec_ns + delta);
	t->vruntime += delta * 1024 / task_weight(t);
	first = t->vruntime;
	if (!list_empty(&c->rq)) {
		u64 queued = list_first_entry(&c->rq, struct task, rq_link)->vruntime;

		if ((s64)(queued - first) < 0)
			first = queued;
	}
	if ((s64)(first - c->min_vruntime) > 0)
		c->min_vruntime = first;
}

u64 sched_exec_ns(const struct task *t)
{
	const struct cpu *c = READ_ONCE(t->cpu);
	u64 sum = READ_ONCE(t->sum_exec_ns), now, since;

	if (!c || READ_ONCE(c->rq_curr) != t)
		return sum;
	since = READ_ONCE(c->rq_clock);
	now = ktime_mono();
	return now > since ? sum + (now - since) : sum;
}

/* Makes vCPU @c look at its queue. */
static void resched_cpu(struct cpu *c)
{
	if (atomic_xchg(&c->need_resched, 1) == 0 && c != this_cpu())
		hv_kick(c->id);
}

/* rq_lock held (it serialises the timer's users): somebody waits on @c and cannot have it at once. */
static void start_slice_timer(struct cpu *c)
{
	struct ktimer *t = &slice_timers[c->id];

	if (!READ_ONCE(t->queued))
		ktimer_start(t, ktime_mono() + SCHED_SLICE_NS);
}

/* Somebody waits on a busy vCPU while another one sleeps: wake that, it will steal. */
static void wake_idle_cpu(u64 allowed)
{
	u64 idle = READ_ONCE(idle_mask) & allowed;

	if (idle)
		resched_cpu(cpus[__builtin_ctzll(idle)]);
}

static void slice_expired(struct ktimer *timer)
{
	struct cpu *c = cpus[timer - slice_timers];
	bool waiting, due;
	u64 allowed = 0;

	spin_lock(&c->rq_lock);
	waiting = !list_empty(&c->rq);
	due = waiting && ktime_mono() - c->rq_curr->slice_start >= SCHED_SLICE_NS / 2;
	if (waiting) {
		allowed = list_first_entry(&c->rq, struct task, rq_link)->cpus_allowed;
		start_slice_timer(c);
	}
	spin_unlock(&c->rq_lock);
	if (waiting)
		wake_idle_cpu(allowed);
	if (due)
		resched_cpu(c);
}

/* rq_lock held; @t gets onto @c's queue. */
static void activate(struct cpu *c, struct task *t, bool sync)
{
	u64 floor = c->min_vruntime - WAKEUP_CREDIT_NS;

	if ((s64)(t->vruntime - floor) < 0)
		t->vruntime = floor;
	t->cpu = c;
	t->on_rq = true;
	t->sync_placed = sync;
	t->queued_tsc = rdtsc();
	queue_insert(c, t);
	c->nr_running++;
}

/* rq_lock held: should @t, just queued, displace what runs? */
static bool preempts(struct cpu *c, struct task *t)
{
	struct task *curr = c->rq_curr;

	if (curr == c->idle)
		return true;
	if (t->sync_placed)
		return false;
	if (t->rt_priority != curr->rt_priority)
		return t->rt_priority > curr->rt_priority;
	if (is_rt(t))
		return false;
	if (curr->policy == SCHED_IDLE && t->policy != SCHED_IDLE)
		return true;
	return (s64)(curr->vruntime - t->vruntime) > (s64)WAKEUP_GRAN_NS;
}

/* Takes an idle vCPU of @allowed for a wakee, or NULL. */
static struct cpu *claim_idle(u64 allowed, const struct cpu *prefer)
{
	for (;;) {
		u64 mask = READ_ONCE(idle_mask) & allowed, bit;

		if (!mask)
			return NULL;
		bit = mask & (1ull << prefer->id);
		if (!bit)
			bit = mask & -mask;
		if (atomic_and(&idle_mask, ~bit) & bit)
			return cpus[__builtin_ctzll(bit)];
	}
}

static bool may_run_on(const struct task *t, const struct cpu *c)
{
	return t->cpus_allowed & (1ull << c->id);
}

/* Remembers that current woke somebody; true if it should keep the wakee near because it will block soon. */
static bool note_wake(struct task *curr)
{
	u64 now = rdtsc();
	bool first = curr->last_wake == 0;

	if (!first) {
		/* Another wake-up without having blocked: not a synchronous pair. */
		if (now - curr->last_wake > sync_cycles && curr->sync_score > -SYNC_SCORE_MAX)
			curr->sync_score--;
	}
	curr->last_wake = now;
	return first && curr->sync_score > 0;
}

/* current is about to sleep */
static void note_block(struct task *curr)
{
	if (!curr->last_wake)
		return;
	if (rdtsc() - curr->last_wake <= sync_cycles) {
		if (curr->sync_score < SYNC_SCORE_MAX)
			curr->sync_score++;
	} else if (curr->sync_score > -SYNC_SCORE_MAX) {
		curr->sync_score--;
	}
	curr->last_wake = 0;
}

/* Where a waking task (not running, registers saved) should go. */
static struct cpu *select_cpu(struct task *t, bool *sync)
{
	struct cpu *me = this_cpu(), *prev = t->cpu, *c;
	u64 allowed = t->cpus_allowed & cpu_online_mask();

	*sync = false;
	if (current == me->idle) {
		/* An interrupt while idle: nothing is nearer than this vCPU. */
		if (may_run_on(t, me))
			return me;
	} else if (!me->in_pending && note_wake(current) && may_run_on(t, me) && list_empty(&me->rq)) {
		*sync = true;
		return me;
	}
	c = claim_idle(allowed, prev);
	if (c)
		return c;
	if (may_run_on(t, prev))
		return prev;
	return cpus[__builtin_ctzll(allowed)];
}

/* Locks the queue of the vCPU @t belongs to. */
static struct cpu *lock_task_cpu(struct task *t)
{
	for (;;) {
		struct cpu *c = READ_ONCE(t->cpu);

		spin_lock(&c->rq_lock);
		if (likely(READ_ONCE(t->cpu) == c))
			return c;
		spin_unlock(&c->rq_lock);
	}
}

static void enqueue_and_unlock(struct cpu *c, struct task *t, bool sync)
{
	bool kick;

	if (c == this_cpu())
		update_current(c);
	activate(c, t, sync);
	kick = preempts(c, t);
	if (!kick)
		start_slice_timer(c);
	spin_unlock(&c->rq_lock);
	if (kick)
		resched_cpu(c);
}

bool try_wake_up(struct task *t, u32 states)
{
	struct cpu *c, *to;
	bool sync = false;

	smp_mb(); /* what the waker did before its look at the state; pairs with set_current_state() */
	if (!(READ_ONCE(t->state) & states))
		return false;
	c = lock_task_cpu(t);
	if (!(READ_ONCE(t->state) & states)) {
		spin_unlock(&c->rq_lock);
		return false;
	}
	WRITE_ONCE(t->state, TASK_RUNNING);
	if (t->on_rq) { /* it has not gone to sleep yet */
		spin_unlock(&c->rq_lock);
		return true;
	}
	if (smp_load_acquire(&t->on_cpu)) {
		/* Its vCPU is just switching away from it and will look at the queue again. */
		enqueue_and_unlock(c, t, false);
		return true;
	}
	to = select_cpu(t, &sync);
	if (to != c) {
		t->cpu = to; /* nobody else touches it: its state is RUNNING and it is on no queue */
		spin_unlock(&c->rq_lock);
		spin_lock(&to->rq_lock);
		t->vruntime += to->min_vruntime - c->min_vruntime;
	}
	enqueue_and_unlock(to, t, sync);
	return true;
}

void sched_fork(struct task *child)
{
	struct task *parent = current;

	child->nice = parent->nice;
	child->policy = parent->policy & ~SCHED_RESET_ON_FORK;
	child->rt_priority = parent->rt_priority;
	if (parent->policy & SCHED_RESET_ON_FORK) {
		child->policy = SCHED_NORMAL;
		child->rt_priority = 0;
		child->nice = MAX(child->nice, 0);
	}
	child->cpus_allowed = parent->cpus_allowed;
	child->vruntime = parent->vruntime;
	child->cpu = this_cpu();
	child->sync_score = 0;
	child->last_wake = 0;
	list_init(&child->rq_link);
}

void sched_new_task(struct task *t)
{
	struct cpu *c;
	bool sync;

	WRITE_ONCE(t->state, TASK_RUNNING);
	c = select_cpu(t, &sync);
	spin_lock(&c->rq_lock);
	/* It starts as if it had had what its parent had, not with the credit of a sleeper. */
	if ((s64)(t->vruntime - c->min_vruntime) < 0 || t->cpu != c)
		t->vruntime = c->min_vruntime;
	enqueue_and_unlock(c, t, sync);
}

void kick_task(struct task *t)
{
	if (t != current && READ_ONCE(t->on_cpu))
		hv_kick(READ_ONCE(t->cpu)->id);
}

void set_task_work(struct task *t, u64 bits)
{
	atomic_or(&t->work, bits);
	kick_task(t);
}

/* Own rq_lock held, own queue empty: moves a waiting task of another vCPU here. */
static struct task *steal(struct cpu *c)
{
	u32 n = READ_ONCE(nr_cpus);

	for (u32 i = 1; i < n; i++) {
		struct cpu *from = cpus[(c->id + i) % n];
		struct task *t;

		if (list_empty(&from->rq) || !spin_trylock(&from->rq_lock))
			continue;
		list_for_each_entry(t, &from->rq, rq_link) {
			if (READ_ONCE(t->on_cpu) || !may_run_on(t, c))
				continue;
			if (t->sync_placed && rdtsc() - t->queued_tsc < sync_steal_cycles)
				continue;
			list_del(&t->rq_link);
			from->nr_running--;
			t->vruntime += c->min_vruntime - from->min_vruntime;
			t->cpu = c;
			c->nr_running++;
			spin_unlock(&from->rq_lock);
			return t;
		}
		spin_unlock(&from->rq_lock);
	}
	return NULL;
}

/* rq_lock held: have real-time tasks had what they may? The rest of the period is for others, if there are any. */
static bool rt_used_up(struct cpu *c)
{
	if (c->rq_clock - c->rt_since >= RT_PERIOD_NS) {
		c->rt_since = c->rq_clock;
		c->rt_used = 0;
	}
	return c->rt_used > RT_RUNTIME_NS;
}

/* rq_lock held */
static struct task *first_not_rt(struct cpu *c)
{
	struct task *t;

	list_for_each_entry(t, &c->rq, rq_link) {
		if (!is_rt(t))
			return t;
	}
	return NULL;
}

/* rq_lock held: takes the next task off the queue. */
static struct task *pick_next(struct cpu *c)
{
	struct task *t = list_first_entry_or_null(&c->rq, struct task, rq_link), *other;

	if (unlikely(t && is_rt(t) && rt_used_up(c))) {
		other = first_not_rt(c);
		t = other ? other : t;
	}
	if (t && t == c->yielding && t->rq_link.next != &c->rq)
		t = list_next_entry(t, rq_link);
	c->yielding = NULL;
	if (t) {
		list_del(&t->rq_link);
		return t;
	}
	if (nr_cpus > 1) {
		t = steal(c);
		if (t)
			return t;
	}
	return c->idle;
}

/* On the new task's stack: the old one's registers are saved now. */
void finish_switch(struct task *prev)
{
	bool dead = READ_ONCE(prev->state) == TASK_DEAD;
	struct cpu *c = this_cpu();

	smp_store_release(&prev->on_cpu, false);
	/* From here on @prev may run elsewhere and be gone, unless it is on no queue by our doing. */
	if (unlikely(dead)) {
		task_put(prev);
	} else if (unlikely(c->migrating)) {
		c->migrating = NULL;
		c = cpus[__builtin_ctzll(prev->cpus_allowed & cpu_online_mask())];
		spin_lock(&c->rq_lock);
		prev->vruntime = c->min_vruntime;
		enqueue_and_unlock(c, prev, false);
	}
}

/* rq_lock held: @prev wants to sleep. True if a signal forbids it. */
static bool signal_keeps_awake(const struct task *prev, u32 state)
{
	return ((state & TASK_INTERRUPTIBLE) && signal_pending()) ||
	       ((state & TASK_WAKEKILL) && fatal_signal_pending());
}

static void switch_out(struct cpu *c, struct task *prev)
{
	u32 state = READ_ONCE(prev->state);

	if (state != TASK_RUNNING && signal_keeps_awake(prev, state)) {
		WRITE_ONCE(prev->state, TASK_RUNNING);
		state = TASK_RUNNING;
	}
	if (state != TASK_RUNNING) {
		prev->on_rq = false;
		c->nr_running--;
		prev->acct.nvcsw++;
		note_block(prev);
		return;
	}
	prev->acct.nivcsw++;
	rseq_preempt(prev);
	if (unlikely(!may_run_on(prev, c))) {
		/* Its affinity has changed: once its registers are saved, finish_switch() queues it elsewhere. */
		prev->on_rq = false;
		c->nr_running--;
		c->migrating = prev;
		return;
	}
	prev->sync_placed = false;
	prev->queued_tsc = rdtsc();
	queue_insert(c, prev);
}

void schedule(void)
{
	struct cpu *c = this_cpu();
	struct task *prev = current, *next;

	spin_lock(&c->rq_lock);
	WRITE_ONCE(c->need_resched, 0);
	update_current(c);
	if (prev != c->idle)
		switch_out(c, prev);
	else
		BUG_ON(prev->state != TASK_RUNNING);
	next = pick_next(c);
	if (next == prev) {
		spin_unlock(&c->rq_lock);
		return;
	}
	c->ctxt_switches++;
	next->on_cpu = true;
	next->slice_start = c->rq_clock;
	c->rq_curr = next;
	if (!list_empty(&c->rq))
		start_slice_timer(c);
	spin_unlock(&c->rq_lock);
	if (next->rseq && next->rseq_cpu != c)
		rseq_preempt(next);
	finish_switch(__switch_to(prev, next));
}

/*
 * The next one in line gets a turn, unless current has had so much less that it would come back at once: who yields in
 * a loop still gets its share.
 */
void sched_yield_cpu(void)
{
	struct cpu *c = this_cpu();
	struct task *next;

	spin_lock(&c->rq_lock);
	update_current(c);
	next = list_first_entry_or_null(&c->rq, struct task, rq_link);
	if (next && !is_rt(current) && (s64)(next->vruntime - current->vruntime) < (s64)WAKEUP_GRAN_NS)
		c->yielding = current;
	spin_unlock(&c->rq_lock);
	if (next)
		schedule();
}

/*
 * Long work in the kernel has no other way to give way: the timers of those who wait are armed here, too, since nobody
 * may have left the kernel after they were started.
 */
void cond_resched(void)
{
	poll_pending();
	timers_arm();
	if (need_resched())
		schedule();
}

void sched_exit(void)
{
	WRITE_ONCE(current->state, TASK_DEAD);
	schedule();
	panic("a dead task runs");
}

void sched_set(struct task *t, int policy, int rt_priority, int nice)
{
	struct cpu *c = lock_task_cpu(t);
	bool queued = t->on_rq && c->rq_curr != t;

	if (c->rq_curr == t && c == this_cpu())
		update_current(c);
	if (queued)
		list_del(&t->rq_link);
	t->policy = policy;
	t->rt_priority = rt_priority;
	t->nice = nice;
	if (queued)
		queue_insert(c, t);
	spin_unlock(&c->rq_lock);
	if (t->on_rq)
		resched_cpu(c);
}

void sched_set_affinity(struct task *t, u64 mask)
{
	struct cpu *c = lock_task_cpu(t), *to;

	t->cpus_allowed = mask;
	if (may_run_on(t, c) || !t->on_rq) {
		spin_unlock(&c->rq_lock);
		return;
	}
	to = cpus[__builtin_ctzll(mask & cpu_online_mask())];
	if (c->rq_curr == t || READ_ONCE(t->on_cpu)) {
		/* It runs: its vCPU gives it up on its next schedule(). */
		spin_unlock(&c->rq_lock);
		if (t == current)
			schedule();
		else
			resched_cpu(c);
		return;
	}
	list_del(&t->rq_link);
	c->nr_running--;
	t->cpu = to;
	t->on_rq = false;
	spin_unlock(&c->rq_lock);
	spin_lock(&to->rq_lock);
	t->vruntime += to->min_vruntime - c->min_vruntime;
	enqueue_and_unlock(to, t, false);
}

u32 nr_running_tasks(void)
{
	struct cpu *c;
	u32 n = 0;

	for_each_cpu(c)
		n += READ_ONCE(c->nr_running);
	return n;
}

void sched_clock_init(void)
{
	sync_cycles = SYNC_NS * (u64)boot->tsc_khz / 1000000;
	sync_steal_cycles = SYNC_STEAL_NS * (u64)boot->tsc_khz / 1000000;
}

void sched_cpu_init(struct cpu *c, struct task *idle)
{
	spin_init(&c->rq_lock);
	list_init(&c->rq);
	c->idle = idle;
	c->curr = c->rq_curr = idle;
	c->rq_clock = ktime_mono();
	c->kstack_top = idle->kstack + KSTACK_SIZE;
	c->direct_entry = boot->direct_entry;
	idle->cpu = c;
	idle->on_cpu = true;
	timers_init_cpu(c);
	ktimer_init(&slice_timers[c->id], slice_expired);
}

/*
 * Nothing to run: sleep until something is pending. Claimed (idle_mask bit gone) means: somebody has queued something.
 */
static void idle_halt(struct cpu *c)
{
	u64 bit = 1ull << c->id;

	atomic_or(&idle_mask, bit);
	/*
	 * A dead address space must not be kept by an idle vCPU: its host memory is given back only when nobody has it
	 * loaded.
	 */
	if (c->active_mm && refcount_read(&c->active_mm->users) == 0)
		load_mm(NULL);
	timers_arm();
	if (!need_resched() && list_empty(&c->rq))
		hv_halt();
	atomic_and(&idle_mask, ~bit);
}

void cpu_idle(void)
{
	struct cpu *c = this_cpu();

	for (;;) {
		if (!need_resched())
			idle_halt(c);
		poll_pending();
		if (need_resched() || !list_empty(&c->rq))
			schedule();
	}
}
