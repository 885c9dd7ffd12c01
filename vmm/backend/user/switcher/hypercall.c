/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hypercalls: decoding, and those that need nothing but a futex. Page tables and vCPUs changing space are in space.c.
 *
 * Runs on the vCPU's signal stack in supervisor mode. Arguments come from the guest kernel, which shares the process
 * with us: checks here catch its bugs, they protect nobody.
 */
#include "switcher.h"

#define NO_DEADLINE (~0ull)

/* Polling before sleep. */
#define SLEEP_SHORT_US 60
#define POLL_MAX_US 20
#define POLL_MIN_US 5
#define POLL_SKIP 16

#define YIELD_NS 10000

void request(uint32_t bits)
{
	uint64_t one = 1;

	if (!fetch_or(&CTL->requests, bits))
		host3(HOST_write, SPACE_FD_DOORBELL, (long)&one, sizeof(one));
}

static void __attribute__((noreturn)) sleep_forever(void)
{
	for (;;)
		host_wait(&CTL->forever, 0);
}

void fatal(enum ctl_fatal why, uint64_t vcpu, uint64_t vector, uint64_t address, uint64_t rip, uint64_t extra)
{
	if (cmpxchg32(&CTL->fatal_why, FATAL_NONE, why)) {
		CTL->fatal[0] = vcpu;
		CTL->fatal[1] = vector;
		CTL->fatal[2] = address;
		CTL->fatal[3] = rip;
		CTL->fatal[4] = extra;
		request(CTL_REQ_FATAL);
	}
	sleep_forever();
}

static bool in_ram(uint64_t address, uint64_t len)
{
	uint64_t off = address - UM_RAM_BASE;

	return off < CTL->ram_bytes && len <= CTL->ram_bytes - off;
}

/* ---- Interrupts and timers ---- */

static void kick(struct ctl_vcpu *vc)
{
	struct ctl_space *sp = &CTL->space[READ_ONCE(vc->space) % CTL_MAX_SPACES];

	if (CTL->flags & CTL_KICK_DIRECT) {
		host3(HOST_tgkill, READ_ONCE(sp->pid), READ_ONCE(sp->carrier[vc->index].tid), KICK_SIGNAL);
		return;
	}
	fetch_or(&CTL->kick_mask, 1ull << vc->index);
	fetch_add(&CTL->timer_seq, 1);
	host_wake(&CTL->timer_seq, 1);
}

/* The or is a full barrier before the load of mode; it pairs with the exchange of mode before the load of pending. */
void vcpu_interrupt(struct ctl_vcpu *vc, uint64_t bits)
{
	struct pvcs *p = (struct pvcs *)READ_ONCE(vc->pvcs);
	uint32_t mode;

	if ((fetch_or(&p->pending, bits) & bits) == bits)
		return; /* who set them first makes it look */
	mode = READ_ONCE(vc->mode);
	if (mode == VC_HALTED) {
		if (cmpxchg32(&vc->mode, VC_HALTED, VC_SUPER))
			host_wake(&vc->mode, 1);
	} else if (mode == VC_USER) {
		kick(vc);
	}
}

/* Makes sure that the timer thread wakes up for this vCPU's deadline. */
static void timer_cover(struct ctl_vcpu *vc)
{
	if (READ_ONCE(vc->deadline) >= READ_ONCE(CTL->timer_armed) && !READ_ONCE(CTL->idle))
		return;
	WRITE_ONCE(CTL->idle, 0);
	fetch_add(&CTL->timer_seq, 1);
	host_wake(&CTL->timer_seq, 1);
}

/*
 * A sleeper costs its waker a futex call and itself some 25 us, so it pays to look a little before going to sleep, if
 * the one who ends the wait runs on another CPU. That is found out by trying: more while it works, for a while not at
 * all when it does not. Returns how long to look this time, in TSC units.
 */
static uint64_t poll_time(struct ctl_poll *poll)
{
	if (!(CTL->flags & CTL_POLL))
		return 0;
	if (poll->skip) {
		poll->skip--;
		return 0;
	}
	return (uint64_t)poll->us * CTL->tsc_khz / 1000;
}

/* @polled: it was tried; @slept: in vain, or not at all; @took: until the wait was over. */
static void poll_learn(struct ctl_poll *poll, bool polled, bool slept, uint64_t took)
{
	if (polled && !slept) {
		if (poll->us < POLL_MAX_US)
			poll->us++;
	} else if (polled) {
		poll->us /= 2;
		if (poll->us < POLL_MIN_US) {
			poll->us = 0;
			poll->skip = POLL_SKIP;
		}
	} else if (!poll->us && !poll->skip && took < (uint64_t)SLEEP_SHORT_US * CTL->tsc_khz / 1000) {
		poll->us = POLL_MAX_US / 2;
	}
}

static void poll_for_interrupt(struct ctl_vcpu *vc, const struct pvcs *p, uint64_t time)
{
	uint64_t start = rdtsc();

	xchg(&vc->mode, VC_POLLING);
	while (!READ_ONCE(p->pending) && rdtsc() - start < time)
		cpu_relax();
}

static void sleep_for_interrupt(struct ctl_vcpu *vc, struct pvcs *p)
{
	struct host_timespec ts;
	uint64_t deadline;
	long ret;

	xchg(&vc->mode, VC_HALTED);
	vc->asleep_since = rdtsc();
	while (!READ_ONCE(p->pending) && READ_ONCE(vc->mode) == VC_HALTED) {
		deadline = READ_ONCE(vc->deadline);
		ts.sec = (int64_t)(deadline / 1000000000);
		ts.nsec = (int64_t)(deadline % 1000000000);
		ret = host_futex(&vc->mode, FUTEX_WAIT_BITSET_, VC_HALTED, deadline == NO_DEADLINE ? NULL : &ts, ~0u);
		if (ret == -ETIMEDOUT && cmpxchg64(&vc->deadline, deadline, NO_DEADLINE))
			fetch_or(&p->pending, UM_PENDING_TIMER);
	}
	vc->slept += rdtsc() - vc->asleep_since;
	vc->asleep_since = 0;
}

static void halt(struct ctl_vcpu *vc)
{
	struct pvcs *p = (struct pvcs *)vc->pvcs;
	uint64_t start = rdtsc(), time;
	bool slept = false;

	if (READ_ONCE(p->pending))
		return;
	vc->halts++;
	/* Who serves us on our own CPU cannot while we look. */
	time = vc->served_beside ? 0 : poll_time(&vc->halt_poll);
	if (time)
		poll_for_interrupt(vc, p, time);
	if (!READ_ONCE(p->pending)) {
		slept = true;
		sleep_for_interrupt(vc, p);
	}
	xchg(&vc->mode, VC_SUPER);
	timer_cover(vc);
	if (!vc->served_beside)
		poll_learn(&vc->halt_poll, time != 0, slept, rdtsc() - start);
	vc->served_beside = 0;
}

static void set_timer(struct ctl_vcpu *vc, uint64_t deadline)
{
	xchg(&vc->deadline, deadline);
	timer_cover(vc);
}

/* ---- MSRs ---- */

static void pvcs_adopt(struct ctl_vcpu *vc, struct pvcs *p)
{
	p->backend = (uint64_t)vc;
	p->hv[0] = PVCS_COOKIE;
	p->hv[1] = vc->lstar;
	p->hv[2] = vc->event_entry;
}

static long set_vcpu_struct(struct ctl_vcpu *vc, uint64_t gpa)
{
	struct pvcs *old = (struct pvcs *)vc->pvcs, *p = (struct pvcs *)(UM_RAM_BASE + gpa);

	if ((gpa & (UM_PAGE_SIZE - 1)) || !in_ram((uint64_t)p, UM_PAGE_SIZE))
		return -EINVAL;
	pvcs_adopt(vc, p);
	xchg(&vc->pvcs_gpa, gpa);
	xchg(&vc->pvcs, (uint64_t)p);
	if (old != p)
		fetch_or(&p->pending, xchg(&old->pending, 0));
	return 0;
}

static long wrmsr(struct ctl_vcpu *vc, uint64_t index, uint64_t value)
{
	switch (index) {
	case PVM_MSR_VCPU_STRUCT:
		return set_vcpu_struct(vc, value);
	case PVM_MSR_KERNEL_GS_BASE:
		if ((value & 63) || !in_ram(value, sizeof(struct pvcs)))
			return -EINVAL;
		pvcs_adopt(vc, (struct pvcs *)value);
		vc->kernel_gs = value;
		wrgsbase(value);
		return 0;
	case PVM_MSR_EVENT_ENTRY:
		if (!in_ram(value, 2 * PVM_SUPERVISOR_ENTRY_OFFSET))
			return -EINVAL;
		vc->event_entry = value;
		break;
	case PVM_MSR_LSTAR:
		if (!in_ram(value, 1))
			return -EINVAL;
		vc->lstar = value;
		break;
	case PVM_MSR_RETU_RIP:
		vc->retu_rip = value;
		return 0;
	default:
		return -EINVAL;
	}
	pvcs_adopt(vc, (struct pvcs *)vc->pvcs);
	pvcs_adopt(vc, (struct pvcs *)vc->kernel_gs);
	return 0;
}

static uint64_t rdmsr(const struct ctl_vcpu *vc, uint64_t index)
{
	switch (index) {
	case PVM_MSR_VCPU_STRUCT:
		return vc->pvcs_gpa;
	case PVM_MSR_KERNEL_GS_BASE:
		return vc->kernel_gs;
	case PVM_MSR_EVENT_ENTRY:
		return vc->event_entry;
	case PVM_MSR_LSTAR:
		return vc->lstar;
	case PVM_MSR_RETU_RIP:
		return vc->retu_rip;
	default:
		return 0;
	}
}

/* ---- The rest ---- */

/* Did the word change while we looked? */
static bool poll_word(const uint32_t *word, uint32_t value, uint64_t time)
{
	uint64_t start = rdtsc();

	while (READ_ONCE(*word) == value) {
		if (rdtsc() - start >= time)
			return false;
		cpu_relax();
	}
	return true;
}

static long wait_word(struct ctl_vcpu *vc, uint64_t address, uint32_t value, uint64_t timeout_ns)
{
	struct host_timespec ts = {.sec = (int64_t)(timeout_ns / 1000000000),
				   .nsec = (int64_t)(timeout_ns % 1000000000)};
	uint64_t start = rdtsc(), time;
	bool changed;
	long ret = 0;

	if ((address & 3) || !in_ram(address, 4))
		return -EINVAL;
	if (READ_ONCE(*(uint32_t *)address) != value)
		return -EAGAIN;
	time = poll_time(&vc->wait_poll);
	changed = time && poll_word((uint32_t *)address, value, time);
	if (!changed) {
		vc->asleep_since = rdtsc();
		ret = host_futex((uint32_t *)address, FUTEX_WAIT_, value, timeout_ns == ~0ull ? NULL : &ts, 0);
		vc->slept += rdtsc() - vc->asleep_since;
		vc->asleep_since = 0;
	}
	poll_learn(&vc->wait_poll, time != 0, !changed, rdtsc() - start);
	return ret == -EAGAIN || ret == -ETIMEDOUT ? ret : 0;
}

static long wake_word(uint64_t address, uint64_t n)
{
	if ((address & 3) || !in_ram(address, 4))
		return -EINVAL;
	return host_futex((uint32_t *)address, FUTEX_WAKE_, n > INT32_MAX ? INT32_MAX : (uint32_t)n, NULL, 0);
}

/* A full ring loses the line. */
static long log_line(uint64_t address, uint64_t len)
{
	const uint8_t *text = (const uint8_t *)address;
	uint32_t head;

	if (len > 1024 || !in_ram(address, len))
		return -EINVAL;
	mutex_lock(&CTL->log_lock, 0);
	head = CTL->log_head;
	if (head - load_acquire(&CTL->log_tail) + len + 1 <= CTL_LOG_BYTES) {
		for (uint64_t i = 0; i < len; i++)
			CTL->log[(head + i) % CTL_LOG_BYTES] = text[i];
		CTL->log[(head + len) % CTL_LOG_BYTES] = '\n';
		store_release(&CTL->log_head, head + (uint32_t)len + 1);
	}
	mutex_unlock(&CTL->log_lock, 0);
	request(CTL_REQ_LOG);
	return 0;
}

static long give_back(uint64_t gpa, uint64_t len)
{
	uint64_t address = UM_RAM_BASE + gpa;
	long ret = 0;

	if (((gpa | len) & (UM_PAGE_SIZE - 1)) || !in_ram(address, len))
		return -EINVAL;
	for (uint64_t n; len && !ret; address += n, len -= n) {
		n = len < 0x80000000 ? len : 0x80000000;
		ret = host3(HOST_madvise, (long)address, (long)n, HOST_MADV_REMOVE);
	}
	return ret;
}

static long kick_vcpu(uint64_t index)
{
	if (index >= CTL->ncpus)
		return -EINVAL;
	vcpu_interrupt(&CTL->vcpu[index], UM_PENDING_KICK);
	return 0;
}

static void notify(struct ctl_vcpu *vc, uint64_t queue)
{
	uint64_t one = 1;

	if (queue == UM_QUEUE_FS || queue == UM_QUEUE_FS_HIPRIO) {
		/*
		 * A locked instruction: the count is visible before the listener is looked at; pairs
		 * with set_listener() in vmm/fs/worker.c.
		 */
		fetch_add(&vc->bell.count, 1);
		switch (READ_ONCE(vc->bell.listener)) {
		case BELL_ASLEEP:
			vc->served_beside = 1;
			host_futex(&vc->bell.count, FUTEX_WAKE_, 1, NULL, 0);
			return;
		case BELL_AWAKE:
			vc->served_beside = 1;
			return;
		}
	}
	/* Not coalesced by ctl->requests: whoever serves the queues need not know about it. */
	host3(HOST_write, SPACE_FD_DOORBELL, (long)&one, sizeof(one));
}

/* A short sleep; see park() for why not sched_yield. */
static void yield(void)
{
	struct host_timespec ts = {0, YIELD_NS};

	host_futex(&CTL->forever, FUTEX_WAIT_, 0, &ts, 0);
}

static void __attribute__((noreturn)) shutdown(uint64_t status, uint64_t kind)
{
	CTL->shutdown_status = (uint32_t)status;
	CTL->shutdown_kind = (uint32_t)kind;
	request(CTL_REQ_SHUTDOWN);
	sleep_forever();
}

static long dispatch(struct ctl_vcpu *vc, struct hc_regs *r)
{
	switch (r->rax) {
	case PVM_HC_LOAD_PGTBL:
		return space_load(vc, r->r10, r->rbx & 1, &r->rax);
	case PVM_HC_IRQ_WIN:
		return 0;
	case PVM_HC_IRQ_HALT:
		halt(vc);
		return 0;
	case PVM_HC_TLB_FLUSH:
		space_flush_all(vc);
		return 0;
	case PVM_HC_TLB_FLUSH_CURRENT:
		shadow_drop(self()->space);
		return 0;
	case PVM_HC_TLB_INVLPG:
		shadow_flush(self()->space, r->rbx, 1, UM_FLUSH_UNMAP);
		return 0;
	case PVM_HC_RDMSR:
		return (long)rdmsr(vc, r->rbx);
	case PVM_HC_WRMSR:
		return wrmsr(vc, r->rbx, r->r10);
	case UM_HC_BIND_ROOT:
		return space_bind(r->rbx, r->r10);
	case UM_HC_RELEASE_ROOT:
		return space_release(r->rbx);
	case UM_HC_FLUSH_RANGE:
		return space_flush(vc, r->rbx, r->r10, r->rdx, (uint32_t)r->rsi);
	case UM_HC_SET_TIMER:
		set_timer(vc, r->rbx);
		return 0;
	case UM_HC_KICK:
		return kick_vcpu(r->rbx);
	case UM_HC_WAIT:
		return wait_word(vc, r->rbx, (uint32_t)r->r10, r->rdx);
	case UM_HC_WAKE:
		return wake_word(r->rbx, r->r10);
	case UM_HC_NOTIFY:
		notify(vc, r->rbx);
		return 0;
	case UM_HC_SHUTDOWN:
		shutdown(r->rbx, r->r10);
	case UM_HC_VCPU_START:
		return vcpu_start(r->rbx, r->r10, r->rdx, r->rsi);
	case UM_HC_LOG:
		return log_line(r->rbx, r->r10);
	case UM_HC_GIVE_BACK:
		return give_back(r->rbx, r->r10);
	case UM_HC_YIELD:
		yield();
		return 0;
	default:
		return -ENOSYS;
	}
}

void hypercall(struct ctl_vcpu *vc, struct hc_regs *regs)
{
	if (regs->rax == PVM_HC_LOAD_PGTBL)
		dispatch(vc, regs); /* stores its result itself, before the registers may be popped elsewhere */
	else
		regs->rax = (uint64_t)dispatch(vc, regs);
}
