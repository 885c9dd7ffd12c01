/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An enemy in the sandbox. attack=
 *   call    a host call from an instruction of the switcher: call=NR a0= .. a5= (decimal)
 *   ctl     random writes all over control memory, with hypercalls in between: seed= seconds=
 *   wild    hypercalls with random arguments: seed= seconds=
 *   threads as many threads as the filter gives: count=
 *   leak    looks for what the VMM may have left in registers
 *   tables  page tables that loop, lie and leave RAM: seed= seconds=
 *   scribble writes over its own kernel and goes on: seed=
 *   rings, messages, fuse: see hostile_queues.c; they need the real VMM around them
 *   deaf    spins and hears nothing any more
 *   outside a host call from the guest kernel's own text
 */
#include "hostile.h"
#include "vmm/backend/user/ctl.h"

extern const char u_spin[];

static struct uregs program(const char *what)
{
	return (struct uregs){.rip = USER_ADDR(what), .rsp = USER_STACK_TOP - 64, .eflags = 0x202};
}

/* Address of the @n-th syscall instruction in the switcher, 0 if there are fewer. */
static u64 syscall_site(int n)
{
	const u8 *p = (const u8 *)UM_SWITCHER_TEXT;

	for (u64 i = 0; i < 0x4000; i++)
		if (p[i] == 0x0f && p[i + 1] == 0x05 && n-- == 0)
			return UM_SWITCHER_TEXT + i;
	return 0;
}

static void attack_call(void)
{
	for (int i = 0; syscall_site(i); i++) {
		struct uregs u = program(u_spin);

		u.rip = syscall_site(i);
		u.rax = option_num("call", 59);
		u.rdi = option_num("a0", 0);
		u.rsi = option_num("a1", 0);
		u.rdx = option_num("a2", 0);
		u.r10 = option_num("a3", 0);
		u.r8 = option_num("a4", 0);
		u.r9 = option_num("a5", 0);
		hypercall(UM_HC_SET_TIMER, now_ns() + 1000000, 0, 0, 0);
		log_printf("site %d: event %d", i, run_user(&u));
	}
}

static void attack_ctl(u64 end, u64 *rnd)
{
	u8 *ctl = (u8 *)UM_SWITCHER_CTL;

	while (now_ns() < end) {
		/* Each time another part, so that the others still work. */
		u64 from = random32(rnd) % sizeof(struct ctl), len = random32(rnd) % 4096;

		for (u64 i = 0; i < 64; i++) {
			u64 off = (from + random32(rnd) % (len + 1)) % (sizeof(struct ctl) - 8);
			u64 v = random32(rnd) % 4 ? random32(rnd) % 64 : (u64)random32(rnd) << 32 | random32(rnd);

			/* Our own vCPU stays alive, so that there is somebody to go on. */
			if (off >= offsetof(struct ctl, vcpu) - 8 && off < offsetof(struct ctl, vcpu[1]))
				continue;
			if (off < 64 ||
			    (off >= offsetof(struct ctl, space_lock) - 8 && off < offsetof(struct ctl, log) + 8))
				continue;
			*(u64 *)(void *)(ctl + off) = v;
		}
		__atomic_fetch_or((u32 *)(void *)(ctl + offsetof(struct ctl, requests)),
				  random32(rnd) & ~(u32)(CTL_REQ_SHUTDOWN | CTL_REQ_FATAL), __ATOMIC_SEQ_CST);
		hypercall(UM_HC_NOTIFY, 0, 0, 0, 0);
		hypercall(UM_HC_SET_TIMER, now_ns() + random32(rnd) % 100000, 0, 0, 0);
		hypercall(UM_HC_YIELD, 0, 0, 0, 0);
	}
}

static void attack_wild(u64 end, u64 *rnd)
{
	static const u64 nr[] = {PVM_HC_LOAD_PGTBL,
				 PVM_HC_IRQ_WIN,
				 PVM_HC_TLB_FLUSH,
				 PVM_HC_TLB_FLUSH_CURRENT,
				 PVM_HC_TLB_INVLPG,
				 PVM_HC_LOAD_GS,
				 PVM_HC_RDMSR,
				 PVM_HC_LOAD_TLS,
				 UM_HC_BIND_ROOT,
				 UM_HC_RELEASE_ROOT,
				 UM_HC_FLUSH_RANGE,
				 UM_HC_SET_TIMER,
				 UM_HC_KICK,
				 UM_HC_WAKE,
				 UM_HC_NOTIFY,
				 UM_HC_VCPU_START,
				 UM_HC_LOG,
				 UM_HC_YIELD,
				 0,
				 1};
	u64 arg[] = {0,
		     1,
		     0xfff,
		     0x1000,
		     0x2000,
		     1ull << 32,
		     ~0ull,
		     1ull << 63,
		     boot->ram_bytes,
		     boot->ram_bytes - 4096,
		     linear_base,
		     linear_base + boot->ram_bytes,
		     UM_USER_LO_START,
		     UM_USER_LO_END,
		     UM_USER_HI_END,
		     0x200000,
		     0x201005};
	const u64 n = sizeof(arg) / sizeof(arg[0]);

	while (now_ns() < end) {
		u64 call = nr[random32(rnd) % (sizeof(nr) / sizeof(nr[0]))], a = arg[random32(rnd) % n];

		if (call == UM_HC_VCPU_START && a == 1)
			continue; /* it would run into the wild, and we should be over */
		hypercall(call, a, arg[random32(rnd) % n], arg[random32(rnd) % n], random32(rnd) % 4);
	}
}

static void attack_threads(void)
{
	u64 made = 0;

	/* The clone of the switcher's own text: first argument order is that of spawn_carrier(). */
	for (u64 i = 0; i < option_num("count", 100); i++) {
		struct uregs u = program(u_spin);

		u.rip = syscall_site(3);
		u.rax = 56;
		u.rdi = CARRIER_CLONE_FLAGS;
		u.rsi = USER_STACK_TOP - 4096;
		hypercall(UM_HC_SET_TIMER, now_ns() + 100000, 0, 0, 0);
		run_user(&u);
		made++;
	}
	log_printf("%lu attempts", made);
}

/* The one who makes spaces began as a copy of the VMM. */
static void attack_leak(void)
{
	u64 fs, xmm = 0, part;
	u32 mxcsr;

	__asm__ volatile("rdfsbase %0" : "=r"(fs));
#define LOOK(n)                                                                                                        \
	__asm__ volatile("movq %%xmm" #n ", %0" : "=r"(part));                                                         \
	xmm |= part;                                                                                                   \
	__asm__ volatile("psrldq $8, %%xmm" #n "; movq %%xmm" #n ", %0" : "=r"(part));                                 \
	xmm |= part
	LOOK(0);
	LOOK(1);
	LOOK(2);
	LOOK(3);
	LOOK(4);
	LOOK(5);
	LOOK(6);
	LOOK(7);
	LOOK(8);
	LOOK(9);
	LOOK(10);
	LOOK(11);
	LOOK(12);
	LOOK(13);
	LOOK(14);
	LOOK(15);
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	log_printf("fs %lx xmm %lx mxcsr %x", fs, xmm, mxcsr);
	CHECK(fs == 0 && xmm == 0 && mxcsr == 0x1f80);
	log_printf("nothing to be found");
}

static u64 bad_entry(u64 root, u64 *rnd)
{
	const u64 frames[] = {
		root,	  root + 4096,	      0,	  boot->ram_bytes,	   boot->ram_bytes - 4096, PTE_ADDR,
		0x200000, boot->kernel_start, 1ull << 40, (u64)random32(rnd) << 12};
	const u64 flags[] = {7, 5, 3, 1, 0x87, 0x85, 0x67 | PTE_NX, 7 | PTE_NX, 0, 0xfff};

	return frames[random32(rnd) % (sizeof(frames) / sizeof(frames[0]))] |
	       flags[random32(rnd) % (sizeof(flags) / sizeof(flags[0]))];
}

/* Only reads: what the tables lead to may be the kernel itself, and somebody must be there to go on. */
static void attack_tables(u64 end, u64 *rnd)
{
	const u64 tables = alloc_pages(4);
	u64 home = new_cr3(), entered = 0;

	while (now_ns() < end) {
		u64 root = tables + (random32(rnd) % 4) * 4096, buf[4];
		long cr3 = hypercall(UM_HC_BIND_ROOT, root, random32(rnd) % 3, 0, 0);

		for (int i = 0; i < 64; i++)
			((u64 *)va(tables))[random32(rnd) % 2048] = bad_entry(tables, rnd);
		if (cr3 < 0 || load_cr3(root | (u64)cr3) != 0)
			continue;
		for (int i = 0; i < 16; i++) {
			u64 at = ((u64)random32(rnd) << 32 | random32(rnd)) %
				 (random32(rnd) % 2 ? UM_USER_HI_END : 1u << 30);
			struct uregs u = {.rip = at, .rsp = at, .eflags = 0x202};

			copy_fault(buf, (const void *)(at & ~7ull), sizeof(buf));
			((u64 *)va(tables))[random32(rnd) % 2048] = bad_entry(tables, rnd);
			hypercall(UM_HC_FLUSH_RANGE, random32(rnd) % 2 ? 0 : root | (u64)cr3, at, random32(rnd),
				  random32(rnd) % 3);
			/* A page it may execute is one it may write, and then it might not come back. */
			if (option("run")) {
				hypercall(UM_HC_SET_TIMER, now_ns() + 200000, 0, 0, 0);
				run_user(&u);
			}
			entered++;
		}
		CHECK(load_cr3(home) == 0);
		hypercall(UM_HC_RELEASE_ROOT, root | (u64)cr3, 0, 0, 0);
	}
	log_printf("%lu entries", entered);
}

static void attack_scribble(u64 *rnd)
{
	u64 from = boot->kernel_start, len = boot->kernel_end - from;

	for (;;) {
		*(u64 *)va(from + random32(rnd) % (len - 8)) = (u64)random32(rnd) << 32 | random32(rnd);
		hypercall(UM_HC_YIELD, 0, 0, 0, 0);
	}
}

static void attack_outside(void)
{
	__asm__ volatile("syscall" ::"a"(39) : "rcx", "r11", "memory");
}

void mini_main(void)
{
	u64 rnd = option_num("seed", 1), end = now_ns() + option_num("seconds", 1) * 1000000000;
	const char *attack = option("attack");

	CHECK(attack);
	if (attack[0] == 'l')
		return attack_leak();
	CHECK(load_cr3(new_cr3()) == 0);
	log_printf("attack %s", attack);
	if (attack[0] == 'c' && attack[1] == 'a')
		attack_call();
	else if (attack[0] == 'c')
		attack_ctl(end, &rnd);
	else if (attack[0] == 's')
		attack_scribble(&rnd);
	else if (attack[0] == 't' && attack[1] == 'a')
		attack_tables(end, &rnd);
	else if (attack[0] == 'r')
		attack_rings(end, &rnd);
	else if (attack[0] == 'm')
		attack_messages(end, &rnd);
	else if (attack[0] == 'f')
		attack_fuse(end, &rnd);
	else if (attack[0] == 'w')
		attack_wild(end, &rnd);
	else if (attack[0] == 'd')
		for (;;)
			__asm__ volatile("pause");
	else if (attack[0] == 't')
		attack_threads();
	else
		attack_outside();
	log_printf("still here");
}
