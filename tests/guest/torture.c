/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shadow coherence under load: several vCPUs in a few tables read, write and copy through pages while others unmap,
 * remap and write-protect them, kick each other and reload tables.
 *
 * Each page has a sequence number, odd while somebody changes it. Who finds it even and unchanged around an access
 * knows what the access must have done. Options: roots=, seconds=, pages=, seed=.
 */
#include "mini.h"

extern const char u_read[], u_write[], u_relation[];

#define MAX_ROOTS 512
#define MAX_PAGES 512
#define FRAMES 64
#define BASE 0x20000000ull

struct page {
	u32 seq;
	u32 lock;
	int frame; /* -1: not mapped */
	bool writable;
};

static struct {
	u64 root;
	u64 cr3;
	u32 lock;  /* around a change of the table's binding */
	u32 users; /* vCPUs that have it loaded */
	struct page page[MAX_PAGES];
} table[MAX_ROOTS];

static u64 frames[FRAMES];
static u64 nroots, npages, end_ns;
static u64 births[UM_MAX_VCPUS];
static u64 checked[UM_MAX_VCPUS], unstable[UM_MAX_VCPUS], changes[UM_MAX_VCPUS], loads[UM_MAX_VCPUS],
	intrs[UM_MAX_VCPUS], kicks[UM_MAX_VCPUS];
static u32 done;

static u64 address_of(u64 i)
{
	/* Some neighbours, some far apart, both halves of the address space. */
	if (i & 1)
		return UM_USER_HI_START + 0x10000000ull * (i / 16) + i * UM_PAGE_SIZE;
	return BASE + (i / 64) * 0x40000000ull + i / 2 * UM_PAGE_SIZE;
}

static void lock(u32 *l)
{
	while (__atomic_exchange_n(l, 1, __ATOMIC_SEQ_CST))
		hypercall(UM_HC_YIELD, 0, 0, 0, 0);
}

static void unlock(u32 *l)
{
	__atomic_store_n(l, 0, __ATOMIC_SEQ_CST);
}

/* Frames that belong together are adjacent, so that runs form. */
static void change(u64 r, u64 first, u64 count, u64 *rnd)
{
	u32 kind = random32(rnd) % 4;
	u64 lo = ~0ull, hi = 0;
	int frame = (int)(random32(rnd) % FRAMES);
	bool downgrade = false;

	for (u64 i = first; i < first + count; i++) {
		struct page *p = &table[r].page[i];
		u64 a = address_of(i);

		lock(&p->lock);
		__atomic_fetch_add(&p->seq, 1, __ATOMIC_SEQ_CST);
		if (kind == 0) {
			downgrade |= p->frame >= 0;
			p->frame = -1;
		} else if (kind == 1) {
			downgrade |= p->frame >= 0 && p->writable;
			p->writable = false;
		} else if (kind == 2) {
			p->writable = true;
		} else {
			downgrade |= p->frame >= 0;
			p->frame = (frame + (int)(i - first)) % FRAMES;
			p->writable = random32(rnd) & 1;
		}
		map(table[r].root, a, p->frame < 0 ? 0 : frames[p->frame],
		    p->frame < 0 ? 0 : PTE_P | PTE_U | PTE_NX | (p->writable ? PTE_W : 0));
		lo = a < lo ? a : lo;
		hi = a + UM_PAGE_SIZE > hi ? a + UM_PAGE_SIZE : hi;
	}
	if (downgrade) {
		long ret;

		if (count == 1 && table[r].cr3 == this_cpu()->cr3 && (random32(rnd) & 1))
			ret = hypercall(PVM_HC_TLB_INVLPG, lo, 0, 0, 0);
		else
			ret = flush(table[r].cr3, lo, hi - lo,
				    kind == 1			     ? UM_FLUSH_WRPROTECT
				    : kind == 3 && random32(rnd) % 2 ? UM_FLUSH_REPLACE
								     : UM_FLUSH_UNMAP);
		CHECK(ret == 0);
	}
	for (u64 i = first; i < first + count; i++) {
		struct page *p = &table[r].page[i];

		__atomic_fetch_add(&p->seq, 1, __ATOMIC_SEQ_CST);
		unlock(&p->lock);
	}
	changes[this_cpu()->index]++;
}

static struct uregs program(const char *what)
{
	return (struct uregs){.rip = USER_ADDR(what), .rsp = USER_STACK_TOP - 64, .eflags = 0x202};
}

static int run(struct uregs *u)
{
	int ev;

	while ((ev = run_user(u)) == PVM_VEC_INTR) {
		intrs[this_cpu()->index]++;
		__atomic_exchange_n(&this_cpu()->pvcs.pending, 0, __ATOMIC_SEQ_CST);
	}
	return ev;
}

static void bad(u64 r, u64 i, const char *what, u64 got, const struct page *p)
{
	panic("vcpu %u root %lu page %lu (%lx): %s %lx, should be frame %d%s", this_cpu()->index, r, i, address_of(i),
	      what, got, p->frame, p->writable ? " rw" : "");
}

/* One access by program or kernel in the loaded table, checked if nobody interfered. */
static void access(u64 r, u64 i, u64 *rnd)
{
	struct page *p = &table[r].page[i], was;
	u32 seq = __atomic_load_n(&p->seq, __ATOMIC_SEQ_CST), kind = random32(rnd) % 3;
	u64 a = address_of(i), value = 0;
	struct uregs u;
	bool ok;

	was = *p;
	if (kind == 0) {
		u = program(u_read);
		u.rdi = a;
		ok = run(&u) == EV_SYSCALL;
		value = u.rax;
	} else if (kind == 1) {
		u = program(u_write);
		u.rdi = a + 8 + 8 * this_cpu()->index;
		u.rax = seq;
		ok = run(&u) == EV_SYSCALL;
	} else {
		ok = copy_fault(&value, (void *)a, 8) == 0;
	}
	if ((seq & 1) || __atomic_load_n(&p->seq, __ATOMIC_SEQ_CST) != seq) {
		unstable[this_cpu()->index]++;
		return;
	}
	checked[this_cpu()->index]++;
	if (ok != (was.frame >= 0 && (kind != 1 || was.writable)))
		bad(r, i, kind == 1 ? "write" : "read", ok, &was);
	if (ok && kind != 1 && value != 0xf0000000 + (u64)was.frame)
		bad(r, i, "value", value, &was);
}

/* Loads a table that nobody is about to rebind. */
static void load(u64 from, u64 to)
{
	lock(&table[to].lock);
	__atomic_fetch_add(&table[to].users, 1, __ATOMIC_SEQ_CST);
	unlock(&table[to].lock);
	CHECK(load_cr3(table[to].cr3) == 0);
	if (from != to)
		__atomic_fetch_add(&table[from].users, -1, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_add(&table[to].users, -1, __ATOMIC_SEQ_CST);
}

/*
 * A process ends and another one of the same family begins: the table loses its space, changes here and there without
 * any flush, and is bound again.
 */
static void rebirth(u64 r, u64 *rnd)
{
	long tag;

	lock(&table[r].lock);
	if (__atomic_load_n(&table[r].users, __ATOMIC_SEQ_CST)) {
		unlock(&table[r].lock);
		return;
	}
	for (u64 i = 0; i < npages; i++)
		lock(&table[r].page[i].lock);
	CHECK(hypercall(UM_HC_RELEASE_ROOT, table[r].cr3, 0, 0, 0) == 0);
	for (u64 i = 0; i < npages; i++) {
		struct page *p = &table[r].page[i];
		u32 what = random32(rnd) % 16;

		if (what == 0)
			p->frame = (int)(random32(rnd) % FRAMES);
		else if (what == 1)
			p->frame = -1;
		else if (what < 4)
			p->writable = !p->writable;
		map(table[r].root, address_of(i), p->frame < 0 ? 0 : frames[p->frame],
		    p->frame < 0 ? 0 : PTE_P | PTE_U | PTE_NX | (p->writable ? PTE_W : 0));
	}
	tag = hypercall(UM_HC_BIND_ROOT, table[r].root, random32(rnd) % 8 ? 1 + r % 3 : 0, 0, 0);
	CHECK(tag > 0);
	table[r].cr3 = table[r].root | (u64)tag;
	for (u64 i = 0; i < npages; i++) {
		__atomic_fetch_add(&table[r].page[i].seq, 2, __ATOMIC_SEQ_CST);
		unlock(&table[r].page[i].lock);
	}
	births[this_cpu()->index]++;
	unlock(&table[r].lock);
}

static void registers(u64 rounds)
{
	struct uregs u = program(u_relation);

	u.rcx = rounds;
	if (run(&u) != EV_SYSCALL || u.rax)
		panic("registers were lost at count %lx", u.rax);
}

static void worker(u32 index)
{
	u64 rnd = option_num("seed", rdtsc()) + index * 7919, r = index % nroots;

	lock(&table[r].lock);
	__atomic_fetch_add(&table[r].users, 1, __ATOMIC_SEQ_CST);
	unlock(&table[r].lock);
	CHECK(load_cr3(table[r].cr3) == 0);
	while (now_ns() < end_ns) {
		u32 what = random32(&rnd) % 256;

		if (what < 180) {
			access(r, random32(&rnd) % npages, &rnd);
		} else if (what < 200) {
			u64 first = random32(&rnd) % npages, count = 1 + random32(&rnd) % 16, in = r;

			if (first + count > npages)
				count = npages - first;
			if (random32(&rnd) % 4 == 0)
				in = random32(&rnd) % nroots;
			change(in, first, count, &rnd);
		} else if (what < 210) {
			registers(1 + random32(&rnd) % 20000);
		} else if (what < 235) {
			u64 to = random32(&rnd) % nroots;

			load(r, to);
			r = to;
			loads[index]++;
		} else if (what < 239) {
			rebirth(random32(&rnd) % nroots, &rnd);
		} else if (what < 254) {
			hypercall(UM_HC_KICK, random32(&rnd) % boot->ncpus, 0, 0, 0);
			kicks[index]++;
		} else if (what == 254) {
			hypercall(UM_HC_SET_TIMER, now_ns() + random32(&rnd) % 200000, 0, 0, 0);
		} else if (random32(&rnd) % 16 == 0) {
			hypercall(random32(&rnd) & 1 ? PVM_HC_TLB_FLUSH : PVM_HC_TLB_FLUSH_CURRENT, 0, 0, 0, 0);
		}
	}
	CHECK(load_cr3(0) == 0);
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
}

void mini_main(void)
{
	u64 sum[7] = {0}, gpa;

	nroots = option_num("roots", 5);
	npages = option_num("pages", 128);
	CHECK(nroots <= MAX_ROOTS && npages <= MAX_PAGES);
	end_ns = now_ns() + option_num("seconds", 3) * 1000000000;
	gpa = alloc_pages(FRAMES);
	for (u64 i = 0; i < FRAMES; i++) {
		frames[i] = gpa + i * UM_PAGE_SIZE;
		*(u64 *)va(frames[i]) = 0xf0000000 + i;
	}
	for (u64 r = 0; r < nroots; r++) {
		table[r].cr3 = new_cr3();
		table[r].root = table[r].cr3 & PTE_ADDR;
		for (u64 i = 0; i < npages; i++) {
			table[r].page[i].frame = -1;
			pte_of(table[r].root, address_of(i), true);
		}
	}
	for (u32 i = 1; i < boot->ncpus; i++)
		start_cpu(i, worker);
	worker(0);
	while (__atomic_load_n(&done, __ATOMIC_SEQ_CST) < boot->ncpus) {
		if (now_ns() > end_ns + 5000000000)
			panic("a vCPU hangs: %u of %u done", done, boot->ncpus);
		hypercall(UM_HC_YIELD, 0, 0, 0, 0);
	}
	for (u32 i = 0; i < boot->ncpus; i++) {
		sum[0] += checked[i];
		sum[1] += unstable[i];
		sum[2] += changes[i];
		sum[3] += loads[i];
		sum[4] += intrs[i];
		sum[5] += kicks[i];
		sum[6] += births[i];
	}
	log_printf("%lu accesses checked, %lu disturbed, %lu changes, %lu loads, %lu births, %lu kicks, %lu interrupts",
		   sum[0], sum[1], sum[2], sum[3], sum[6], sum[5], sum[4]);
	CHECK(sum[0] > 100);
}
