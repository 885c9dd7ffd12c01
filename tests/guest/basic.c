/* SPDX-License-Identifier: Apache-2.0 */
/* Every hypercall and every kind of event once, with the effects checked. */
#include "mini.h"

extern const char u_syscall[], u_read[], u_write[], u_spin[], u_fp[], u_ud2[], u_div[], u_int3[], u_hlt[], u_int80[],
	u_jump[], u_wrgsbase[], u_direct[], u_flags[];

#define DATA 0x10000000ull

static struct uregs program(const char *what)
{
	return (struct uregs){.rip = USER_ADDR(what), .rsp = USER_STACK_TOP - 64, .eflags = 0x202};
}

static u64 pending(void)
{
	return __atomic_exchange_n(&this_cpu()->pvcs.pending, 0, __ATOMIC_SEQ_CST);
}

static void test_syscall(void)
{
	struct uregs u = program(u_syscall), was;

	u.rax = 39;
	u.rbx = 0x1111;
	u.rdx = 0x2222;
	u.rsi = 0x3333;
	u.rdi = 0x4444;
	u.rbp = 0x5555;
	u.r8 = 0x8888;
	u.r9 = 0x9999;
	u.r10 = 0xaaaa;
	u.r12 = 0xcccc;
	u.r13 = 0xdddd;
	u.r14 = 0xeeee;
	u.r15 = 0xffff;
	was = u;
	CHECK(run_user(&u) == EV_SYSCALL);
	CHECK(u.rip == USER_ADDR(u_syscall) + 2 && u.rcx == u.rip);
	CHECK(u.rax == was.rax && u.rbx == was.rbx && u.rdx == was.rdx && u.rsi == was.rsi && u.rdi == was.rdi);
	CHECK(u.rbp == was.rbp && u.rsp == was.rsp && u.r8 == was.r8 && u.r9 == was.r9 && u.r10 == was.r10);
	CHECK(u.r12 == was.r12 && u.r13 == was.r13 && u.r14 == was.r14 && u.r15 == was.r15);
	CHECK((u.eflags & 0x202) == 0x202 && u.r11 == u.eflags);
	u.rax = -1ull;
	CHECK(run_user(&u) == EV_SYSCALL && u.rax == -1ull);
	u.rax = 0xdeadbeef00000001;
	CHECK(run_user(&u) == EV_SYSCALL && u.rax == 0xdeadbeef00000001);
	/* Every number arrives, also those the host would rather answer itself. */
	for (u64 nr = 0; nr < 1024; nr++) {
		u.rax = nr;
		CHECK(run_user(&u) == EV_SYSCALL && u.rip == USER_ADDR(u_syscall) + 2);
		CHECK(u.rax == nr || ((nr == 335 || nr == 336) && (int64_t)u.rax < 0));
	}
	u.rsp = 0xdead000000000000;
	CHECK(run_user(&u) == EV_SYSCALL && u.rsp == 0xdead000000000000);
	log_printf("ok syscall");
}

static void test_fp(void)
{
	struct uregs u = program(u_fp);

	u.rax = 0x123456789abcdef0;
	CHECK(run_user(&u) == EV_SYSCALL);
	CHECK(run_user(&u) == EV_SYSCALL && u.rbx == 0x123456789abcdef0 && u.rcx == u.rip);
	log_printf("ok fp");
}

static void test_faults(u64 cr3)
{
	struct uregs u = program(u_read);
	struct pvcs *p = &this_cpu()->pvcs;
	u64 gpa = alloc_pages(4);

	*(u64 *)va(gpa) = 77;
	u.rdi = DATA;
	CHECK(run_user(&u) == PVM_VEC_PF && p->cr2 == DATA && p->event_errcode == PVM_PF_USER);
	CHECK(u.rip == USER_ADDR(u_read));
	map(cr3, DATA, gpa, PTE_P | PTE_U | PTE_NX);
	CHECK(run_user(&u) == EV_SYSCALL && u.rax == 77);
	u.rip = USER_ADDR(u_write);
	u.rax = 78;
	CHECK(run_user(&u) == PVM_VEC_PF && p->cr2 == DATA);
	CHECK(p->event_errcode == (PVM_PF_USER | PVM_PF_WRITE | PVM_PF_PRESENT));
	map(cr3, DATA, gpa, PTE_P | PTE_U | PTE_W | PTE_NX);
	CHECK(run_user(&u) == EV_SYSCALL && *(u64 *)va(gpa) == 78);
	/* Write-protect, unmap, remap. */
	map(cr3, DATA, gpa, PTE_P | PTE_U | PTE_NX);
	CHECK(flush(0, DATA, UM_PAGE_SIZE, UM_FLUSH_WRPROTECT) == 0);
	u.rip = USER_ADDR(u_write);
	CHECK(run_user(&u) == PVM_VEC_PF && (p->event_errcode & PVM_PF_WRITE));
	map(cr3, DATA, 0, 0);
	CHECK(hypercall(PVM_HC_TLB_INVLPG, DATA, 0, 0, 0) == 0);
	CHECK(run_user(&u) == PVM_VEC_PF && p->event_errcode == (PVM_PF_USER | PVM_PF_WRITE));
	*(u64 *)va(gpa + UM_PAGE_SIZE) = 99;
	map(cr3, DATA, gpa + UM_PAGE_SIZE, PTE_P | PTE_U | PTE_NX);
	u.rip = USER_ADDR(u_read);
	CHECK(run_user(&u) == EV_SYSCALL && u.rax == 99);
	/* No execution. */
	u.rip = DATA;
	CHECK(run_user(&u) == PVM_VEC_PF && p->event_errcode == (PVM_PF_USER | PVM_PF_PRESENT | PVM_PF_INSTR));
	CHECK(p->cr2 == DATA);
	/* Supervisor pages are not the program's. */
	map(cr3, DATA, gpa, PTE_P | PTE_W);
	flush(0, DATA, UM_PAGE_SIZE, UM_FLUSH_UNMAP);
	u.rip = USER_ADDR(u_read);
	CHECK(run_user(&u) == PVM_VEC_PF && p->event_errcode == (PVM_PF_USER | PVM_PF_PRESENT));
	map(cr3, DATA, 0, 0);
	log_printf("ok page faults");
}

static void expect(const char *what, int vector, u64 rip_offset)
{
	struct uregs u = program(what);
	int got = run_user(&u);

	if (got != vector || u.rip != USER_ADDR(what) + rip_offset)
		panic("vector %d instead of %d, rip +%lx", got, vector, u.rip - USER_ADDR(what));
}

static void test_exceptions(void)
{
	struct uregs u;

	expect(u_ud2, PVM_VEC_UD, 0);
	expect(u_div, PVM_VEC_DE, 4);
	expect(u_int3, PVM_VEC_BP, 1);
	expect(u_hlt, PVM_VEC_GP, 0);
	expect(u_int80, PVM_VEC_INT80, 7);
	/* A jump to nowhere, by the program and by the kernel. */
	u = program(u_jump);
	u.rdi = 0x8000000000000000;
	CHECK(run_user(&u) == PVM_VEC_GP);
	u = program(u_jump);
	u.rip = 0x8000000000000000;
	CHECK(run_user(&u) == PVM_VEC_GP && u.rip == 0x8000000000000000);
	u = program(u_jump);
	u.rip = u.rcx = 0x8000000000000000;
	u.r11 = u.eflags;
	CHECK(run_user(&u) == PVM_VEC_GP && u.rip == 0x8000000000000000 && u.rcx == 0x8000000000000000);
	/* Strange flags must not survive into the kernel. */
	for (u64 f = 0; f < 8; f++) {
		u64 bits = ((f & 1) ? 0x400 : 0) | ((f & 2) ? 0x4000 : 0) | ((f & 4) ? 0x40000 : 0), now;

		u = program(u_flags);
		u.rdi = 0x202 | bits;
		CHECK(run_user(&u) == EV_SYSCALL && (u.eflags & 0x44400) == bits);
		__asm__ volatile("pushfq; popq %0" : "=r"(now));
		CHECK(!(now & 0x44400));
		CHECK(run_user(&u) == EV_SYSCALL && (u.eflags & 0x44400) == bits);
	}
	log_printf("ok exceptions");
}

static void test_copy(u64 cr3)
{
	static char buf[10000] = "hello";
	u64 gpa = alloc_pages(2);

	CHECK(copy_fault((void *)DATA, buf, 100) == 100);
	map(cr3, DATA, gpa, PTE_P | PTE_U | PTE_W | PTE_NX);
	CHECK(copy_fault((void *)DATA, buf, 100) == 0 && *(char *)va(gpa) == 'h');
	CHECK(copy_fault((void *)(DATA + 4000), buf, 100) == 4);
	CHECK(copy_fault(buf + 200, (void *)DATA, 100) == 0 && buf[200] == 'h');
	map(cr3, DATA, gpa, PTE_P | PTE_U | PTE_NX);
	flush(cr3, DATA, UM_PAGE_SIZE, UM_FLUSH_WRPROTECT);
	CHECK(copy_fault((void *)DATA, buf, 100) == 100);
	CHECK(copy_fault(buf, (void *)DATA, 100) == 0);
	CHECK(copy_fault((void *)0x8000000000000000, buf, 1) == 1);
	CHECK(copy_fault((void *)0xffff800000000000, buf, 1) == 1);
	map(cr3, DATA, 0, 0);
	flush(0, DATA, UM_PAGE_SIZE, UM_FLUSH_UNMAP);
	CHECK(copy_fault(buf, (void *)DATA, 100) == 100);
	log_printf("ok copy (%lu supervisor faults)", this_cpu()->sup_faults);
}

static void test_gs(void)
{
	struct pvcs *p = &this_cpu()->pvcs;
	struct uregs u = program(u_wrgsbase);

	u.rdi = 0x12345678;
	CHECK(run_user(&u) == EV_SYSCALL && p->user_gsbase == 0x12345678);
	p->user_gsbase = 0x7654321;
	CHECK(run_user(&u) == EV_SYSCALL && u.rax == 0x7654321 && p->user_gsbase == 0x7654321);
	p->user_gsbase = 0;
	log_printf("ok gs base");
}

static void test_direct(void)
{
	struct uregs u = program(u_direct), was;
	struct pvcs *p = &this_cpu()->pvcs;

	u.rdi = boot->direct_entry;
	u.rsi = 4711;
	u.rbx = 1;
	u.rdx = 2;
	was = u;
	for (int i = 0; i < 1000; i++) {
		CHECK(run_user(&u) == EV_SYSCALL && u.rax == 4711 && u.rbx == 1 && u.rdx == 2 && u.rsp == was.rsp);
		CHECK(u.rip == USER_ADDR(u_direct) + 11 && u.rcx == u.rip && u.r11 == 0x202);
	}
	/* With a foreign GS base it falls back to a trap. */
	p->user_gsbase = USER_TEXT;
	CHECK(run_user(&u) == EV_SYSCALL && u.rax == 4711 && p->user_gsbase == USER_TEXT);
	p->user_gsbase = 8;
	CHECK(run_user(&u) == EV_SYSCALL && u.rax == 4711 && p->user_gsbase == 8);
	p->user_gsbase = 0;
	CHECK(run_user(&u) == EV_SYSCALL && u.rax == 4711);
	log_printf("ok direct entry");
}

/* The trap flag: one instruction at a time, also over a direct entry. */
static void test_step(void)
{
	struct uregs u = program(u_spin);
	u64 now;

	for (int i = 0; i < 10; i++) {
		u.eflags |= 0x100;
		CHECK(run_user(&u) == PVM_VEC_DB);
		CHECK(u.rip == USER_ADDR(u_spin) + (i & 1 ? 0 : 3));
		__asm__ volatile("pushfq; popq %0" : "=r"(now));
		CHECK(!(now & 0x100));
	}
	u = program(u_direct);
	u.rdi = boot->direct_entry;
	u.rsi = 4711;
	u.eflags |= 0x100;
	CHECK(run_user(&u) == PVM_VEC_DB && run_user(&u) == PVM_VEC_DB);
	CHECK(run_user(&u) == EV_SYSCALL && u.rax == 4711 && u.rip == USER_ADDR(u_direct) + 11);
	log_printf("ok single step");
}

static void test_timer(void)
{
	struct uregs u = program(u_spin);
	u64 start = now_ns();
	int ev;

	hypercall(UM_HC_SET_TIMER, start + 2000000, 0, 0, 0);
	hypercall(PVM_HC_IRQ_HALT, 0, 0, 0, 0);
	CHECK(pending() == UM_PENDING_TIMER && now_ns() - start >= 1900000);
	log_printf("  halt timer: %lu us late", (now_ns() - start) / 1000 - 2000);

	start = now_ns();
	hypercall(UM_HC_SET_TIMER, start + 2000000, 0, 0, 0);
	ev = run_user(&u);
	CHECK(ev == PVM_VEC_INTR && pending() == UM_PENDING_TIMER && now_ns() - start >= 1900000);
	log_printf("  user timer: %lu us late", (now_ns() - start) / 1000 - 2000);
	hypercall(UM_HC_SET_TIMER, ~0ull, 0, 0, 0);
	log_printf("ok timer");
}

static void test_pending_at_exit(void)
{
	struct uregs u = program(u_syscall);

	__atomic_fetch_or(&this_cpu()->pvcs.pending, UM_PENDING_QUEUE, __ATOMIC_SEQ_CST);
	u.rcx = 5;
	u.r11 = 6;
	CHECK(run_user(&u) == PVM_VEC_INTR && pending() == UM_PENDING_QUEUE);
	CHECK(u.rip == USER_ADDR(u_syscall) && u.rcx == 5 && u.r11 == 6);
	CHECK(run_user(&u) == EV_SYSCALL);
	CHECK(hypercall(UM_HC_KICK, 0, 0, 0, 0) == 0);
	hypercall(PVM_HC_IRQ_HALT, 0, 0, 0, 0);
	CHECK(pending() == UM_PENDING_KICK);
	CHECK(hypercall(UM_HC_KICK, 64, 0, 0, 0) == -EINVAL);
	log_printf("ok pending");
}

static void test_wait(void)
{
	static u32 word;
	u64 start = now_ns();

	CHECK(hypercall(UM_HC_WAIT, (u64)&word, 1, ~0ull, 0) == -EAGAIN);
	CHECK(hypercall(UM_HC_WAIT, (u64)&word, 0, 1000000, 0) == -ETIMEDOUT && now_ns() - start > 900000);
	CHECK(hypercall(UM_HC_WAIT, 0x1000, 0, 1000000, 0) == -EINVAL);
	CHECK(hypercall(UM_HC_WAKE, (u64)&word, 1, 0, 0) == 0);
	log_printf("ok wait");
}

static void test_give_back(void)
{
	u64 gpa = alloc_pages(16);
	u8 *p = va(gpa);

	memset(p, 7, 16 * UM_PAGE_SIZE);
	CHECK(hypercall(UM_HC_GIVE_BACK, gpa + UM_PAGE_SIZE, 8 * UM_PAGE_SIZE, 0, 0) == 0);
	CHECK(p[0] == 7 && p[UM_PAGE_SIZE] == 0 && p[9 * UM_PAGE_SIZE - 1] == 0 && p[9 * UM_PAGE_SIZE] == 7);
	CHECK(hypercall(UM_HC_GIVE_BACK, gpa + 1, UM_PAGE_SIZE, 0, 0) == -EINVAL);
	CHECK(hypercall(UM_HC_GIVE_BACK, boot->ram_bytes, UM_PAGE_SIZE, 0, 0) == -EINVAL);
	log_printf("ok give back");
}

static void test_spaces(u64 home)
{
	u64 n = option_num("spaces", 12), cr3[400];
	struct uregs u;

	if (n > 400)
		n = 400;
	for (u64 i = 0; i < n; i++) {
		u64 gpa = alloc_page();

		cr3[i] = new_cr3();
		*(u64 *)va(gpa) = 1000 + i;
		map(cr3[i], DATA, gpa, PTE_P | PTE_U | PTE_W | PTE_NX);
		CHECK(load_cr3(cr3[i]) == 0);
		u = program(u_read);
		u.rdi = DATA;
		CHECK(run_user(&u) == EV_SYSCALL && u.rax == 1000 + i);
	}
	for (int round = 0; round < 3; round++) {
		for (u64 i = 0; i < n; i++) {
			CHECK(load_cr3(cr3[(i * 7) % n]) == 0);
			u = program(u_read);
			u.rdi = DATA;
			CHECK(run_user(&u) == EV_SYSCALL && u.rax == 1000 + (i * 7) % n);
		}
	}
	/* Flush an inactive one. */
	CHECK(load_cr3(cr3[0]) == 0);
	map(cr3[1], DATA, 0, 0);
	CHECK(flush(cr3[1], DATA, UM_PAGE_SIZE, UM_FLUSH_UNMAP) == 0);
	CHECK(load_cr3(cr3[1]) == 0);
	u = program(u_read);
	u.rdi = DATA;
	CHECK(run_user(&u) == PVM_VEC_PF);
	CHECK(hypercall(UM_HC_RELEASE_ROOT, cr3[1], 0, 0, 0) == -EBUSY);
	CHECK(load_cr3(0) == 0);
	CHECK(run_user(&u) == PVM_VEC_PF);
	for (u64 i = 0; i < n; i++)
		CHECK(hypercall(UM_HC_RELEASE_ROOT, cr3[i], 0, 0, 0) == 0);
	CHECK(load_cr3(home) == 0);
	log_printf("ok %lu spaces", n);
}

static volatile u64 counter;

static void other_cpu(u32 index)
{
	struct uregs u = program(u_spin);
	u64 cr3 = new_cr3();
	int ev;

	CHECK(load_cr3(cr3) == 0);
	for (;;) {
		ev = run_user(&u);
		if (ev != PVM_VEC_INTR)
			panic("other cpu: event %d", ev);
		if (pending())
			counter++;
		hypercall(PVM_HC_IRQ_HALT, 0, 0, 0, 0);
		if (pending())
			counter++;
	}
}

static void test_kick(void)
{
	if (boot->ncpus < 2)
		return;
	start_cpu(1, other_cpu);
	for (u64 i = 0; i < 100; i++) {
		u64 start = now_ns();

		hypercall(UM_HC_SET_TIMER, start + 1000000, 0, 0, 0);
		hypercall(PVM_HC_IRQ_HALT, 0, 0, 0, 0);
		pending();
		hypercall(UM_HC_KICK, 1, 0, 0, 0);
		while (counter != i + 1) {
			if (now_ns() - start > 2000000000)
				panic("kick %lu was lost", i);
			hypercall(UM_HC_YIELD, 0, 0, 0, 0);
		}
	}
	log_printf("ok kick");
}

/* Sleeps with and without deadline while somebody stops and continues the host's processes. */
static void test_sleep(u64 seconds)
{
	static u32 word;
	u64 start = now_ns(), wakes = 0;

	while (now_ns() - start < seconds * 1000000000) {
		u64 before = now_ns();

		hypercall(UM_HC_SET_TIMER, before + 50000000, 0, 0, 0);
		while (!pending())
			hypercall(PVM_HC_IRQ_HALT, 0, 0, 0, 0);
		CHECK(now_ns() - before >= 49000000);
		before = now_ns();
		while (hypercall(UM_HC_WAIT, (u64)&word, 0, 50000000, 0) != -ETIMEDOUT)
			wakes++;
		CHECK(now_ns() - before >= 49000000);
	}
	log_printf("ok sleep");
}

void mini_main(void)
{
	u64 cr3;

	if (option_num("sleep", 0)) {
		test_sleep(option_num("sleep", 0));
		return;
	}

	log_printf("basic: %u vcpus, %lu MiB", boot->ncpus, boot->ram_bytes >> 20);
	CHECK(hypercall(12345, 0, 0, 0, 0) < 0);
	CHECK(hypercall(PVM_HC_WRMSR, 0x12345, 0, 0, 0) == -EINVAL);
	CHECK(hypercall(UM_HC_BIND_ROOT, 1, 0, 0, 0) == -EINVAL);
	cr3 = new_cr3();
	CHECK(load_cr3(cr3) == 0);
	test_syscall();
	test_fp();
	test_faults(cr3);
	test_exceptions();
	test_copy(cr3);
	test_gs();
	test_direct();
	test_step();
	test_timer();
	test_pending_at_exit();
	test_wait();
	test_give_back();
	test_spaces(cr3);
	test_kick();
	log_printf("basic: all ok");
}
