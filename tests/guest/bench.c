/* SPDX-License-Identifier: Apache-2.0 */
/* What the backend's mechanisms cost: minimum and median over rounds, in ns. */
#include "mini.h"

extern const char u_syscall[], u_touch[], u_direct[], u_read[], u_spin[];

#define DATA 0x10000000ull
#define ROUNDS 41

static u64 samples[ROUNDS];

static struct uregs program(const char *what)
{
	return (struct uregs){.rip = USER_ADDR(what), .rsp = USER_STACK_TOP - 64, .eflags = 0x202};
}

static u64 to_ns10(u64 tsc)
{
	return tsc * 10000000 / boot->tsc_khz;
}

static void report(const char *what, u64 per)
{
	u64 t;

	for (int i = 1; i < ROUNDS; i++)
		for (int j = i; j > 0 && samples[j - 1] > samples[j]; j--) {
			t = samples[j];
			samples[j] = samples[j - 1];
			samples[j - 1] = t;
		}
	log_printf("%s: min %lu.%lu median %lu.%lu ns", what, to_ns10(samples[0]) / per / 10,
		   to_ns10(samples[0]) / per % 10, to_ns10(samples[ROUNDS / 2]) / per / 10,
		   to_ns10(samples[ROUNDS / 2]) / per % 10);
}

static void bench_syscall(const char *name, struct uregs u, u64 n)
{
	for (int r = 0; r < ROUNDS; r++) {
		u64 t = rdtsc();

		for (u64 i = 0; i < n; i++)
			CHECK(run_user(&u) == EV_SYSCALL);
		samples[r] = rdtsc() - t;
	}
	report(name, n);
}

static void bench_hypercall(void)
{
	for (int r = 0; r < ROUNDS; r++) {
		u64 t = rdtsc();

		for (int i = 0; i < 1000; i++)
			hypercall(PVM_HC_IRQ_WIN, 0, 0, 0, 0);
		samples[r] = rdtsc() - t;
	}
	report("hypercall", 1000);
}

/* @pages present in the guest's table, contiguous, shadow empty: touch one a @step pages. */
static void bench_fill(u64 cr3, const char *name, u64 pages, u64 step)
{
	u64 gpa = alloc_pages(pages + 64);

	gpa = (gpa + 0x3ffff) & ~0x3ffffull;
	for (u64 i = 0; i < pages; i++)
		map(cr3, DATA + i * UM_PAGE_SIZE, gpa + i * UM_PAGE_SIZE, PTE_P | PTE_W | PTE_U | PTE_NX);
	memset(va(gpa), 1, pages * UM_PAGE_SIZE);
	for (int r = 0; r < ROUNDS; r++) {
		struct uregs u = program(u_touch);
		u64 t;

		flush(0, DATA, pages * UM_PAGE_SIZE, UM_FLUSH_UNMAP);
		u.rdi = DATA;
		u.rsi = pages / step;
		u.rdx = step * UM_PAGE_SIZE;
		t = rdtsc();
		CHECK(run_user(&u) == EV_SYSCALL);
		samples[r] = rdtsc() - t;
	}
	report(name, pages / step);
	for (int r = 0; r < ROUNDS; r++) {
		struct uregs u = program(u_touch);
		u64 t;

		u.rdi = DATA;
		u.rsi = pages / step;
		u.rdx = step * UM_PAGE_SIZE;
		CHECK(run_user(&u) == EV_SYSCALL);
		t = rdtsc();
		flush(0, DATA, pages * UM_PAGE_SIZE, UM_FLUSH_UNMAP);
		samples[r] = rdtsc() - t;
	}
	report("  flush of it, per page", pages);
}

/* Scattered pages: no run longer than one. */
static void bench_fill_single(u64 cr3)
{
	const u64 pages = 64;

	for (u64 i = 0; i < pages; i++)
		map(cr3, DATA + i * UM_PAGE_SIZE, alloc_pages(2), PTE_P | PTE_W | PTE_U | PTE_NX);
	for (int r = 0; r < ROUNDS; r++) {
		struct uregs u = program(u_touch);
		u64 t;

		flush(0, DATA, pages * UM_PAGE_SIZE, UM_FLUSH_UNMAP);
		u.rdi = DATA;
		u.rsi = pages;
		u.rdx = UM_PAGE_SIZE;
		t = rdtsc();
		CHECK(run_user(&u) == EV_SYSCALL);
		samples[r] = rdtsc() - t;
	}
	report("fill, single pages, per page", pages);
	for (int r = 0; r < ROUNDS; r++) {
		u64 t = rdtsc();

		for (u64 i = 0; i < pages; i++) {
			struct uregs u = program(u_touch);

			flush(0, DATA + i * UM_PAGE_SIZE, UM_PAGE_SIZE, UM_FLUSH_UNMAP);
			u.rdi = DATA + i * UM_PAGE_SIZE;
			u.rsi = 1;
			CHECK(run_user(&u) == EV_SYSCALL);
		}
		samples[r] = rdtsc() - t;
	}
	report("flush one + fill one (remap)", pages);
	for (int r = 0; r < ROUNDS; r++) {
		u64 t = rdtsc();

		for (u64 i = 0; i < pages; i++)
			flush(0, DATA + i * UM_PAGE_SIZE, UM_PAGE_SIZE, UM_FLUSH_REPLACE);
		samples[r] = rdtsc() - t;
	}
	report("replace one", pages);
}

/* A demand-zero fault as a guest kernel sees it: event, new entry, eretu (prefault). */
static void bench_demand(u64 cr3)
{
	const u64 pages = 64;
	u64 gpa = alloc_pages(pages);

	memset(va(gpa), 1, pages * UM_PAGE_SIZE);
	for (int r = 0; r < ROUNDS; r++) {
		struct uregs u = program(u_touch);
		u64 t;

		for (u64 i = 0; i < pages; i++)
			map(cr3, DATA + i * UM_PAGE_SIZE, 0, 0);
		flush(0, DATA, pages * UM_PAGE_SIZE, UM_FLUSH_UNMAP);
		u.rdi = DATA;
		u.rsi = pages;
		u.rdx = UM_PAGE_SIZE;
		t = rdtsc();
		for (u64 i = 0; i < pages; i++) {
			CHECK(run_user(&u) == PVM_VEC_PF);
			map(cr3, DATA + i * UM_PAGE_SIZE, gpa + i * UM_PAGE_SIZE, PTE_P | PTE_W | PTE_U | PTE_NX);
		}
		CHECK(run_user(&u) == EV_SYSCALL);
		samples[r] = rdtsc() - t;
	}
	report("demand fault, page by page", pages);
	for (int r = 0; r < ROUNDS; r++) {
		struct uregs u = program(u_touch);
		u64 t, n = 0;

		for (u64 i = 0; i < pages; i++)
			map(cr3, DATA + i * UM_PAGE_SIZE, 0, 0);
		flush(0, DATA, pages * UM_PAGE_SIZE, UM_FLUSH_UNMAP);
		u.rdi = DATA;
		u.rsi = pages;
		u.rdx = UM_PAGE_SIZE;
		t = rdtsc();
		while (run_user(&u) == PVM_VEC_PF)
			for (u64 i = 0; i < 16; i++, n++)
				map(cr3, DATA + n * UM_PAGE_SIZE, gpa + n * UM_PAGE_SIZE,
				    PTE_P | PTE_W | PTE_U | PTE_NX);
		samples[r] = rdtsc() - t;
	}
	report("demand fault, 16 pages at once, per page", pages);
}

static void bench_load(u64 a)
{
	u64 b = new_cr3(), c = new_cr3(), d = new_cr3(), ring[4] = {a, b, c, d};

	for (int i = 0; i < 10; i++)
		CHECK(!load_cr3(b) && !load_cr3(a));
	for (int r = 0; r < ROUNDS; r++) {
		u64 t = rdtsc();

		for (int i = 0; i < 100; i++) {
			load_cr3(b);
			load_cr3(a);
		}
		samples[r] = rdtsc() - t;
	}
	report("hand-over, one way, two spaces", 200);
	for (int r = 0; r < ROUNDS; r++) {
		u64 t = rdtsc();

		for (int i = 0; i < 100; i++)
			load_cr3(ring[i & 3]);
		samples[r] = rdtsc() - t;
	}
	report("hand-over, one way, four spaces", 100);
	load_cr3(a);
}

/* What a fork, a first system call in the child and its exit cost the backend; the table is there already. */
static void bench_space(u64 a)
{
	u64 root = new_cr3() & PTE_ADDR;

	hypercall(UM_HC_RELEASE_ROOT, root, 0, 0, 0);
	for (int phase = 0; phase < 4; phase++) {
		static const char *const name[] = {"bind", "load + first system call", "load back", "release"};

		for (int r = 0; r < ROUNDS; r++) {
			struct uregs u = program(u_syscall);
			u64 t[5], cr3;

			t[0] = rdtsc();
			cr3 = root | (u64)hypercall(UM_HC_BIND_ROOT, root, 0, 0, 0);
			t[1] = rdtsc();
			CHECK(!load_cr3(cr3));
			CHECK(run_user(&u) == EV_SYSCALL);
			t[2] = rdtsc();
			CHECK(!load_cr3(a));
			t[3] = rdtsc();
			CHECK(!hypercall(UM_HC_RELEASE_ROOT, cr3, 0, 0, 0));
			t[4] = rdtsc();
			samples[r] = t[phase + 1] - t[phase];
			for (int i = 0; i < 10; i++)
				hypercall(UM_HC_YIELD, 0, 0, 0, 0);
		}
		report(name[phase], 1);
	}
}

static void bench_wake(void)
{
	static u32 word;

	for (int r = 0; r < ROUNDS; r++) {
		u64 t = rdtsc();

		for (int i = 0; i < 100; i++)
			hypercall(UM_HC_WAKE, (u64)&word, 1, 0, 0);
		samples[r] = rdtsc() - t;
	}
	report("wake, nobody there", 100);
}

static volatile u32 pong;

static void echo_cpu(u32 index)
{
	for (;;) {
		hypercall(PVM_HC_IRQ_HALT, 0, 0, 0, 0);
		if (__atomic_exchange_n(&this_cpu()->pvcs.pending, 0, __ATOMIC_SEQ_CST))
			__atomic_store_n(&pong, pong + 1, __ATOMIC_SEQ_CST);
	}
}

/* Two vCPUs that wake each other and sleep. */
static void answer_cpu(u32 index)
{
	for (;;) {
		while (!__atomic_exchange_n(&this_cpu()->pvcs.pending, 0, __ATOMIC_SEQ_CST))
			hypercall(PVM_HC_IRQ_HALT, 0, 0, 0, 0);
		hypercall(UM_HC_KICK, 0, 0, 0, 0);
	}
}

static void bench_ping_pong(u32 cpu)
{
	start_cpu(cpu, answer_cpu);
	hypercall(UM_HC_SET_TIMER, ~0ull, 0, 0, 0);
	this_cpu()->pvcs.pending = 0;
	for (int r = 0; r < ROUNDS; r++) {
		u64 t = rdtsc();

		for (int i = 0; i < 100; i++) {
			hypercall(UM_HC_KICK, cpu, 0, 0, 0);
			while (!__atomic_exchange_n(&this_cpu()->pvcs.pending, 0, __ATOMIC_SEQ_CST))
				hypercall(PVM_HC_IRQ_HALT, 0, 0, 0, 0);
		}
		samples[r] = rdtsc() - t;
	}
	report("ping-pong of two halting vCPUs, round trip", 100);
}

static void spin_cpu(u32 index)
{
	struct uregs u = program(u_spin);

	load_cr3(new_cr3());
	for (;;) {
		CHECK(run_user(&u) == PVM_VEC_INTR);
		if (__atomic_exchange_n(&this_cpu()->pvcs.pending, 0, __ATOMIC_SEQ_CST))
			__atomic_store_n(&pong, pong + 1, __ATOMIC_SEQ_CST);
	}
}

static void bench_kick(u32 cpu, const char *name, void (*fn)(u32))
{
	start_cpu(cpu, fn);
	for (int r = 0; r < ROUNDS; r++) {
		u32 was = pong;
		u64 t;

		hypercall(UM_HC_SET_TIMER, now_ns() + 300000, 0, 0, 0);
		hypercall(PVM_HC_IRQ_HALT, 0, 0, 0, 0);
		this_cpu()->pvcs.pending = 0;
		t = rdtsc();
		hypercall(UM_HC_KICK, cpu, 0, 0, 0);
		while (pong == was)
			__asm__ volatile("pause");
		samples[r] = rdtsc() - t;
	}
	report(name, 1);
}

void mini_main(void)
{
	struct uregs direct = program(u_direct), trap = program(u_syscall);
	u64 cr3 = new_cr3();

	load_cr3(cr3);
	direct.rdi = boot->direct_entry;
	direct.rsi = 39;
	bench_hypercall();
	bench_syscall("system call, trapped", trap, 1000);
	bench_syscall("system call, direct entry", direct, 10000);
	bench_fill(cr3, "fill, one fault a page within 64-page runs, per page", 512, 1);
	bench_fill(cr3, "fill, one fault a 64-page run, per fault", 1024, 64);
	bench_fill_single(cr3);
	bench_demand(cr3);
	bench_load(cr3);
	bench_space(cr3);
	bench_wake();
	if (boot->ncpus > 1 && option("pingpong")) {
		bench_ping_pong(1);
		return;
	}
	if (boot->ncpus > 1)
		bench_kick(1, "kick of a halted vCPU to its answer", echo_cpu);
	if (boot->ncpus > 2)
		bench_kick(2, "kick of a vCPU in user mode to its answer", spin_cpu);
}
