/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Spaces: which process stands for which guest page table, and how a vCPU moves from one to another.
 *
 * A vCPU has a carrier thread in each space where it has run; exactly one is active, the others wait in park(). Loading
 * a table = leave the registers on the guest's kernel stack, hand over, park. The supervisor goes on with the same
 * stack in the other process.
 *
 * Spaces are a cache: a root that lost its space (least recently used) gets another when it is loaded; the tag in CR3
 * is only a hint. ctl->root[] is the truth. Taking a root away: clear root[] (locked instruction), then look at active;
 * loading: raise active (locked), then look at root[]. Either sees the other.
 *
 * Flushes of other spaces go through a queue which the keeper of that space (its main thread, which never runs guest
 * code) empties; the flusher waits. If no vCPU has the space loaded, whoever loads it next empties it: enqueue, then
 * look at active; raise active, then look at the queue.
 */
#include "switcher.h"

#define ROOT_MASK 0x000ffffffffff000ull
#define TAG_MASK 0xfffull

#define USES_MAX 256	  /* then the space ends: the host's page tables for its view of guest RAM only grow */
#define WARM_MAX 16	  /* blank spaces that keep their shadow */
#define WARM_MAPS_MAX 500 /* larger shadows are cheaper to make anew than to compare */

#define BIND_WAIT_NS 20000000 /* for a blank space, then look again */
#define BIND_TRIES 100	      /* a new table can be refused */
#define LOAD_TRIES 3000	      /* a vCPU that cannot load its table cannot go on */

#define CARRIER_WAIT_NS 5000000
#define CARRIER_TRIES 2000

#define FLUSH_WAIT_NS 10000000

struct host_stack {
	void *sp;
	int flags;
	size_t size;
};

struct carrier_self *self(void)
{
	uint64_t sp;

	__asm__("movq %%rsp, %0" : "=r"(sp));
	return (struct carrier_self *)(sp & ~(SLOT_SIZE - 1ull));
}

static struct carrier_self *slot(uint32_t n)
{
	return (struct carrier_self *)(UM_SIGSTACKS + (uint64_t)n * SLOT_SIZE);
}

static void keeper_command(struct ctl_space *sp, uint32_t command)
{
	if (!(fetch_or(&sp->keeper, command) & command))
		host_wake(&sp->keeper, 1);
}

/* ---- Hand-over ---- */

static bool gone(struct ctl_carrier *c)
{
	return cmpxchg32(&c->word, CARRIER_GO, CARRIER_EMPTY);
}

/*
 * Sleeps until the vCPU is handed to this carrier. No sched_yield, although a yield or two would save a microsecond:
 * some schedulers let a task that yields often starve all others on its CPU for seconds (Linux 6.18, seen with a single
 * one).
 */
static void park(struct ctl_carrier *c)
{
	while (!gone(c)) {
		if (cmpxchg32(&c->word, CARRIER_EMPTY, CARRIER_SLEEPING) || READ_ONCE(c->word) == CARRIER_SLEEPING)
			host_wait(&c->word, CARRIER_SLEEPING);
	}
}

static void hand_over(struct ctl_carrier *c)
{
	if (xchg(&c->word, CARRIER_GO) == CARRIER_SLEEPING)
		host_wake(&c->word, 1);
}

/* The vCPU is here now. */
static void arrive(struct ctl_vcpu *vc, struct ctl_space *sp)
{
	wrgsbase(vc->kernel_gs);
	if (READ_ONCE(sp->q_seq) != READ_ONCE(sp->q_done))
		shadow_drain(sp);
	if (READ_ONCE(sp->validate))
		shadow_validate(sp);
}

/* Makes the carrier of vCPU @v in this space; negative errno. */
static int spawn_here(uint32_t v)
{
	struct carrier_self *me = slot(v);
	struct ctl_space *sp = self()->space;

	if (sp->carrier[v].tid)
		return 0;
	me->vcpu = &CTL->vcpu[v];
	me->space = sp;
	me->space_index = self()->space_index;
	return spawn_carrier((uint8_t *)me + SLOT_SIZE, &sp->carrier[v].tid, me);
}

/* First code of a carrier, on its signal stack. Returns when the vCPU comes to it in the middle of a hypercall. */
void carrier_main(struct carrier_self *me)
{
	struct host_stack stack = {(uint8_t *)me + SLOT_RESERVED, 0, SLOT_SIZE - SLOT_RESERVED};
	struct ctl_vcpu *vc = me->vcpu;
	uint64_t rip;

	host3(HOST_sigaltstack, (long)&stack, 0, 0);
	park(&me->space->carrier[vc->index]);
	arrive(vc, me->space);
	rip = vc->start_rip;
	vc->start_rip = 0;
	if (rip)
		start_guest(rip, vc->start_rsp, vc->start_rdi);
}

long vcpu_start(uint64_t index, uint64_t rip, uint64_t rsp, uint64_t rdi)
{
	struct ctl_vcpu *vc;

	if (index >= CTL->ncpus || !rip)
		return -EINVAL;
	vc = &CTL->vcpu[index];
	if (!cmpxchg32(&vc->started, 0, 1))
		return -EBUSY;
	vc->start_rip = rip;
	vc->start_rsp = rsp;
	vc->start_rdi = rdi;
	fetch_add(&CTL->space[CTL_HOME].active, 1);
	hand_over(&CTL->space[CTL_HOME].carrier[index]);
	return 0;
}

/* ---- Binding ---- */

/* Which space stands for @cr3? -1: none. */
static int find(uint64_t cr3)
{
	uint64_t root = cr3 & ROOT_MASK, tag = cr3 & TAG_MASK;

	if (!root)
		return CTL_HOME;
	if (tag && tag <= CTL->max_spaces && READ_ONCE(CTL->root[tag - 1]) == root)
		return (int)tag - 1;
	for (uint32_t i = 1; i < CTL->max_spaces; i++)
		if (READ_ONCE(CTL->root[i]) == root)
			return (int)i;
	return -1;
}

static bool take(uint32_t i)
{
	uint64_t bit = 1ull << (i % 64);

	return fetch_and(&CTL->blank[i / 64], ~bit) & bit;
}

/* Blank spaces, those with (@warm) or without a shadow of their last use. */
static uint32_t count_blank(uint32_t warm)
{
	uint32_t n = 0;

	for (int w = 0; w < CTL_MAX_SPACES / 64; w++)
		for (uint64_t bits = READ_ONCE(CTL->blank[w]); bits; bits &= bits - 1)
			n += CTL->warm[w * 64 + __builtin_ctzll(bits)] == warm;
	return n;
}

static void queue_drop(struct ctl_space *sp)
{
	mutex_lock(&sp->q_lock, 0);
	sp->q_drop = 1;
	sp->q_seq++;
	mutex_unlock(&sp->q_lock, 0);
}

/* Under space_lock. Which of two blank spaces (-1: none) suits @family better? */
static int better(int a, int b, uint64_t family)
{
	bool match_a, match_b;

	if (a < 0)
		return b;
	match_a = family && CTL->warm[a] && CTL->family[a] == family;
	match_b = family && CTL->warm[b] && CTL->family[b] == family;
	if (match_a != match_b)
		return match_a ? a : b;
	if (CTL->warm[a] != CTL->warm[b])
		return CTL->warm[b] ? a : b; /* no brother: rather one with nothing to clear away */
	/* The one last used has the warmest view of guest RAM; of strangers' shadows the oldest is the least loss. */
	return (CTL->space[a].last_use > CTL->space[b].last_use) == (match_a || !CTL->warm[a]) ? a : b;
}

/* Under space_lock. Takes a blank space for a table of @family. */
static int take_blank(uint64_t family)
{
	int found = -1;

	for (int w = 0; w < CTL_MAX_SPACES / 64; w++)
		for (uint64_t bits = READ_ONCE(CTL->blank[w]); bits; bits &= bits - 1)
			found = better(found, w * 64 + __builtin_ctzll(bits), family);
	if (found >= 0)
		take((uint32_t)found);
	if (count_blank(0) < CTL->pool_low)
		request(CTL_REQ_SPACES);
	return found;
}

static void bind_to(uint32_t i, uint64_t root, uint64_t family)
{
	struct ctl_space *sp = &CTL->space[i];

	if (CTL->warm[i] && family && CTL->family[i] == family)
		sp->validate = 1;
	else if (CTL->warm[i])
		queue_drop(sp);
	sp->uses++;
	CTL->warm[i] = 0;
	CTL->family[i] = family;
	CTL->state[i] = SPACE_BOUND;
	sp->last_use = fetch_add(&CTL->use_count, 1);
	xchg(&CTL->root[i], root);
}

/*
 * Under space_lock. Sends the least recently used idle space to its keeper for cleaning, if no blank one comes anyway.
 */
static void reclaim(void)
{
	bool refused = READ_ONCE(CTL->refused);
	int victim = -1;
	uint64_t root;

	for (uint32_t i = 1; i < CTL->max_spaces; i++) {
		if (!refused && (CTL->state[i] == SPACE_EMPTY || CTL->state[i] == SPACE_DIRTY))
			return;
		if (CTL->state[i] == SPACE_BOUND && !READ_ONCE(CTL->space[i].active) &&
		    (victim < 0 || CTL->space[i].last_use < CTL->space[victim].last_use))
			victim = (int)i;
	}
	if (victim < 0)
		return;
	root = xchg(&CTL->root[victim], 0);
	if (READ_ONCE(CTL->space[victim].active)) {
		xchg(&CTL->root[victim], root); /* somebody loads it at this moment */
		return;
	}
	CTL->state[victim] = SPACE_DIRTY;
	keeper_command(&CTL->space[victim], KEEPER_CLEAN);
}

/* Under space_lock, which it may drop. -1: no space to be had, @tries times. */
static int bind_locked(uint64_t root, uint64_t family, int tries)
{
	struct host_timespec ts = {0, BIND_WAIT_NS};
	uint32_t seq;
	int i;

	for (; tries; tries--) {
		i = find(root);
		if (i >= 0)
			return i;
		seq = READ_ONCE(CTL->blank_seq);
		i = take_blank(family);
		if (i >= 0) {
			bind_to((uint32_t)i, root, family);
			return i;
		}
		reclaim();
		fetch_add(&CTL->blank_waiters, 1);
		mutex_unlock(&CTL->space_lock, 0);
		request(CTL_REQ_SPACES);
		host_futex(&CTL->blank_seq, FUTEX_WAIT_, seq, &ts, 0);
		mutex_lock(&CTL->space_lock, 0);
		fetch_add(&CTL->blank_waiters, -1);
	}
	return -1;
}

long space_bind(uint64_t root, uint64_t family)
{
	int i;

	if (!root || (root & ~ROOT_MASK) || root >= CTL->ram_bytes)
		return -EINVAL;
	mutex_lock(&CTL->space_lock, 0);
	i = bind_locked(root, family, BIND_TRIES);
	mutex_unlock(&CTL->space_lock, 0);
	return i < 0 ? -EAGAIN : i + 1;
}

static void send_to_clean(uint32_t i)
{
	CTL->state[i] = SPACE_DIRTY;
	keeper_command(&CTL->space[i], KEEPER_CLEAN);
}

static void make_blank(uint32_t i, uint32_t warm)
{
	CTL->warm[i] = warm;
	WRITE_ONCE(CTL->state[i], SPACE_BLANK);
	fetch_or(&CTL->blank[i / 64], 1ull << (i % 64));
	fetch_add(&CTL->blank_seq, 1);
	if (READ_ONCE(CTL->blank_waiters))
		host_wake(&CTL->blank_seq, 1);
}

/*
 * Under space_lock. A space whose root is gone: as long as its family lives it is kept as it is for the next member.
 * When the last one goes, so do the shadows that were kept for the family.
 */
static void retire(uint32_t i)
{
	uint64_t family = CTL->family[i];
	bool others = false;

	for (uint32_t j = 1; family && j < CTL->max_spaces && !others; j++)
		others = j != i && CTL->state[j] == SPACE_BOUND && CTL->family[j] == family;
	if (others && CTL->space[i].uses < USES_MAX && CTL->space[i].maps < WARM_MAPS_MAX &&
	    count_blank(1) < WARM_MAX) {
		CTL->space[i].last_use = fetch_add(&CTL->use_count, 1);
		make_blank(i, 1);
		return;
	}
	send_to_clean(i);
	for (uint32_t j = 1; family && j < CTL->max_spaces && !others; j++)
		if (CTL->warm[j] && CTL->family[j] == family && take(j))
			send_to_clean(j);
}

long space_release(uint64_t cr3)
{
	long ret = 0;
	int i;

	if (!(cr3 & ROOT_MASK))
		return -EINVAL;
	mutex_lock(&CTL->space_lock, 0);
	i = find(cr3);
	if (i >= 0 && READ_ONCE(CTL->space[i].active)) {
		ret = -EBUSY;
	} else if (i >= 0) {
		xchg(&CTL->root[i], 0);
		retire((uint32_t)i);
	}
	mutex_unlock(&CTL->space_lock, 0);
	return ret;
}

/* Finds the space for @cr3 and marks it active, rebinding the root if it has lost its space. */
static int activate(const struct ctl_vcpu *vc, uint64_t cr3)
{
	uint64_t root = cr3 & ROOT_MASK;
	int i = find(cr3);

	if (i >= 0) {
		fetch_add(&CTL->space[i].active, 1);
		if (READ_ONCE(CTL->root[i]) == root)
			return i;
		fetch_add(&CTL->space[i].active, -1);
	}
	mutex_lock(&CTL->space_lock, 0);
	i = bind_locked(root, 0, LOAD_TRIES);
	if (i < 0)
		fatal(FATAL_SPACE, vc->index, 0, root, 0, 0);
	fetch_add(&CTL->space[i].active, 1);
	mutex_unlock(&CTL->space_lock, 0);
	return i;
}

long space_load(struct ctl_vcpu *vc, uint64_t cr3, bool flush, uint64_t *result)
{
	struct carrier_self *me = self();
	struct ctl_space *to;
	struct ctl_carrier *c;
	int i;

	*result = 0;
	i = activate(vc, cr3);
	to = &CTL->space[i];
	if (to == me->space) {
		fetch_add(&to->active, -1);
		if (flush)
			shadow_drop(to);
		return 0;
	}
	if (flush)
		queue_drop(to);
	to->last_use = fetch_add(&CTL->use_count, 1);
	vc->space = (uint32_t)i;
	vc->prefault = 0;
	vc->handovers++;
	c = &to->carrier[vc->index];
	fetch_add(&me->space->active, -1);
	hand_over(c);
	if (!READ_ONCE(c->tid)) { /* it finds the vCPU waiting */
		fetch_or(&to->spawn_want[vc->index / 32], 1u << (vc->index % 32));
		keeper_command(to, KEEPER_SPAWN);
	}
	/* From here on the vCPU is elsewhere: nothing of it may be touched. */
	park(&me->space->carrier[me->vcpu->index]);
	arrive(vc, me->space);
	return 0;
}

/* ---- Flushing ---- */

static void flush_other(struct ctl_space *sp, uint64_t start, uint64_t len, uint32_t kind)
{
	struct host_timespec ts = {0, FLUSH_WAIT_NS};
	uint32_t seq, done;

	mutex_lock(&sp->q_lock, 0);
	if (sp->q_count < CTL_FLUSH_QUEUE)
		sp->q[sp->q_count++] = (struct ctl_flush){.start = start, .len = len, .kind = kind};
	else
		sp->q_drop = 1;
	seq = ++sp->q_seq;
	mutex_unlock(&sp->q_lock, 0);
	if (!__atomic_load_n(&sp->active, __ATOMIC_SEQ_CST))
		return;
	keeper_command(sp, KEEPER_DRAIN);
	/*
	 * Looks again now and then: a space that is left at this moment may be cleaned and end, and its keeper with it.
	 */
	while (__atomic_load_n(&sp->active, __ATOMIC_SEQ_CST)) {
		done = load_acquire(&sp->q_done);
		if ((int32_t)(done - seq) >= 0)
			return;
		host_futex(&sp->q_done, FUTEX_WAIT_, done, &ts, 0);
	}
}

long space_flush(struct ctl_vcpu *vc, uint64_t cr3, uint64_t start, uint64_t len, uint32_t kind)
{
	int i = (int)vc->space;

	if (kind > UM_FLUSH_REPLACE)
		return -EINVAL;
	if (cr3)
		i = find(cr3);
	if (i < 0)
		return 0; /* no space: nothing is mapped */
	if (i == (int)vc->space)
		shadow_flush(&CTL->space[i], start, len, kind);
	else
		flush_other(&CTL->space[i], start, len, kind);
	return 0;
}

void space_flush_all(struct ctl_vcpu *vc)
{
	for (uint32_t i = 1; i < CTL->max_spaces; i++) {
		if (CTL->state[i] != SPACE_BOUND)
			continue;
		if (i == vc->space)
			shadow_drop(&CTL->space[i]);
		else
			flush_other(&CTL->space[i], 0, UM_USER_HI_END, UM_FLUSH_UNMAP);
	}
}

/* ---- The keeper ---- */

static void clean(struct ctl_space *sp, uint32_t index)
{
	if (count_blank(0) >= CTL->pool_max || sp->uses >= USES_MAX || READ_ONCE(CTL->carrier_waiters)) {
		WRITE_ONCE(CTL->state[index], SPACE_EXITING);
		host3(HOST_exit_group, 0, 0, 0);
	}
	shadow_drop(sp);
	mutex_lock(&sp->q_lock, 0);
	sp->q_count = 0;
	sp->q_drop = 0;
	store_release(&sp->q_done, sp->q_seq);
	mutex_unlock(&sp->q_lock, 0);
	sp->validate = 0;
	make_blank(index, 0);
}

/* Ends a space that nobody is in, so that the host has threads for another. */
static void make_room(void)
{
	bool found = false;

	mutex_lock(&CTL->space_lock, 0);
	WRITE_ONCE(CTL->refused, 1);
	for (uint32_t i = 1; i < CTL->max_spaces && !found; i++) {
		found = CTL->state[i] == SPACE_BLANK && take(i);
		if (found)
			send_to_clean(i);
	}
	if (!found)
		reclaim();
	mutex_unlock(&CTL->space_lock, 0);
}

/* A vCPU waits for its carrier: the host's limit on threads is no reason to give up as long as others have some. */
static void spawn_waited_for(struct ctl_space *sp, uint32_t v)
{
	struct host_timespec ts = {0, CARRIER_WAIT_NS};
	int ret = spawn_here(v);

	if (ret >= 0)
		return;
	fetch_add(&CTL->carrier_waiters, 1);
	for (int tries = 0; ret < 0; tries++) {
		if (ret != -EAGAIN || tries == CARRIER_TRIES)
			fatal(FATAL_CARRIER, v, 0, 0, 0, (uint64_t)-ret);
		make_room();
		shadow_drain(sp);
		host_futex(&CTL->forever, FUTEX_WAIT_, 0, &ts, 0);
		ret = spawn_here(v);
	}
	fetch_add(&CTL->carrier_waiters, -1);
}

static void spawn_wanted(struct ctl_space *sp)
{
	for (uint32_t w = 0; w < 2; w++)
		for (uint32_t bits = xchg(&sp->spawn_want[w], 0); bits; bits &= bits - 1)
			spawn_waited_for(sp, w * 32 + (uint32_t)__builtin_ctz(bits));
	request(CTL_REQ_SPACES); /* the new thread wants its CPU */
}

void keeper_start(uint32_t index)
{
	struct ctl_space *sp = &CTL->space[index];
	uint32_t n = index == CTL_HOME ? CTL->ncpus : CTL->prespawn, todo;

	host3(HOST_munmap, (long)template_start, template_end - template_start, 0);
	self()->vcpu = NULL;
	self()->space = sp;
	self()->space_index = index;
	for (uint32_t v = 0; v < n; v++) {
		int ret = spawn_here(v);

		if (ret < 0 && index == CTL_HOME)
			fatal(FATAL_CARRIER, v, 0, 0, 0, (uint64_t)-ret);
		if (ret < 0)
			WRITE_ONCE(CTL->refused, 1); /* those that are wanted are made when they are */
	}
	if (index != CTL_HOME && CTL->populate_end > CTL->populate_start)
		host3(HOST_madvise, (long)(UM_RAM_BASE + CTL->populate_start),
		      (long)(CTL->populate_end - CTL->populate_start), HOST_MADV_POPULATE_READ);
	WRITE_ONCE(CTL->state[index], SPACE_READY);
	request(CTL_REQ_SPACES);
	for (;;) {
		todo = xchg(&sp->keeper, 0);
		if (todo & KEEPER_SPAWN)
			spawn_wanted(sp);
		if (todo & KEEPER_DRAIN)
			shadow_drain(sp);
		if (todo & KEEPER_CLEAN)
			clean(sp, index);
		if (!todo)
			host_wait(&sp->keeper, 0);
	}
}
