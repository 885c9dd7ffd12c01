/* SPDX-License-Identifier: Apache-2.0 */
/* The test guests' kernel; see mini.h. */
#include "mini.h"

struct um_boot *boot;
u64 linear_base;
struct pcpu pcpus[UM_MAX_VCPUS];
extern u64 hypercall_ptr;
u64 hypercall_ptr;
static u64 next_page;
static u8 stacks[UM_MAX_VCPUS][32768] __attribute__((aligned(4096)));
static void (*cpu_fn[UM_MAX_VCPUS])(u32);

void mini_start(u64 boot_address) __attribute__((noreturn));
void secondary_main(u64 index) __attribute__((noreturn));
void sup_panic(void) __attribute__((noreturn));

/* ---- Output ---- */

static char *put_num(char *p, char *end, u64 v, unsigned int base, bool neg, int width, char pad)
{
	char tmp[24];
	int n = 0;

	do {
		tmp[n++] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	if (neg)
		tmp[n++] = '-';
	while (n < width && n < 20)
		tmp[n++] = pad;
	while (n && p < end)
		*p++ = tmp[--n];
	return p;
}

static size_t format(char *buf, size_t size, const char *fmt, va_list ap)
{
	char *p = buf, *end = buf + size;

	for (; *fmt && p < end; fmt++) {
		int width = 0, longs = 0;
		char pad = ' ';
		const char *s;
		int64_t v;

		if (*fmt != '%') {
			*p++ = *fmt;
			continue;
		}
		fmt++;
		if (*fmt == '0')
			pad = *fmt++;
		for (; *fmt >= '0' && *fmt <= '9'; fmt++)
			width = width * 10 + (*fmt - '0');
		for (; *fmt == 'l'; fmt++)
			longs++;
		switch (*fmt) {
		case 's':
			for (s = va_arg(ap, const char *); *s && p < end; s++)
				*p++ = *s;
			break;
		case 'd':
			v = longs ? va_arg(ap, int64_t) : va_arg(ap, int);
			p = put_num(p, end, v < 0 ? (u64)-v : (u64)v, 10, v < 0, width, pad);
			break;
		case 'u':
			p = put_num(p, end, longs ? va_arg(ap, u64) : va_arg(ap, u32), 10, false, width, pad);
			break;
		case 'x':
			p = put_num(p, end, longs ? va_arg(ap, u64) : va_arg(ap, u32), 16, false, width, pad);
			break;
		default:
			*p++ = *fmt;
		}
	}
	return (size_t)(p - buf);
}

static void log_va(const char *fmt, va_list ap)
{
	char buf[256];

	hypercall(UM_HC_LOG, (u64)buf, format(buf, sizeof(buf), fmt, ap), 0, 0);
}

void log_printf(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_va(fmt, ap);
	va_end(ap);
}

void finish(int status)
{
	hypercall(UM_HC_SHUTDOWN, (u64)status, UM_SHUTDOWN_EXIT, 0, 0);
	__builtin_unreachable();
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_va(fmt, ap);
	va_end(ap);
	hypercall(UM_HC_SHUTDOWN, 1, UM_SHUTDOWN_PANIC, 0, 0);
	__builtin_unreachable();
}

void sup_panic(void)
{
	struct pvcs *p = &this_cpu()->pvcs;

	panic("supervisor fault: vector %x error %x cr2 %lx rip +%lx", p->event_vector, p->event_errcode, p->cr2,
	      gpa_of((void *)p->rip));
}

u64 now_ns(void)
{
	const struct um_clock *c = va(boot->clock);

	return c->mono_ns + (u64)(((unsigned __int128)(rdtsc() - c->tsc_base) * c->mult) >> c->shift);
}

/* ---- Memory ---- */

u64 alloc_pages(u64 n)
{
	u64 gpa = __atomic_fetch_add(&next_page, n * UM_PAGE_SIZE, __ATOMIC_SEQ_CST);

	if (gpa + n * UM_PAGE_SIZE > boot->ram_bytes)
		panic("out of memory");
	return gpa;
}

u64 alloc_page(void)
{
	return alloc_pages(1);
}

u64 *pte_of(u64 root, u64 address, bool make)
{
	u64 *t = va(root & PTE_ADDR);

	for (int shift = 39; shift > 12; shift -= 9) {
		u64 *e = &t[(address >> shift) & 511];

		if (!(*e & PTE_P)) {
			if (!make)
				return NULL;
			*e = alloc_page() | PTE_P | PTE_W | PTE_U;
		}
		t = va(*e & PTE_ADDR);
	}
	return &t[(address >> 12) & 511];
}

void map(u64 root, u64 address, u64 gpa, u64 flags)
{
	__atomic_store_n(pte_of(root, address, true), gpa | flags, __ATOMIC_SEQ_CST);
}

long flush(u64 cr3, u64 start, u64 len, u32 kind)
{
	return hypercall(UM_HC_FLUSH_RANGE, cr3, start, len, kind);
}

long load_cr3(u64 cr3)
{
	long ret = hypercall(PVM_HC_LOAD_PGTBL, 0, cr3, 0, 0);

	if (!ret)
		this_cpu()->cr3 = cr3;
	return ret;
}

u64 new_cr3(void)
{
	u64 root = alloc_page(), stack;
	long tag;

	for (u64 off = 0; off < (u64)(user_text_end - user_text); off += UM_PAGE_SIZE)
		map(root, USER_TEXT + off, gpa_of(user_text) + off, PTE_P | PTE_U);
	stack = alloc_pages(USER_STACK_PAGES);
	for (u64 i = 0; i < USER_STACK_PAGES; i++)
		map(root, USER_STACK_TOP - (i + 1) * UM_PAGE_SIZE, stack + (USER_STACK_PAGES - 1 - i) * UM_PAGE_SIZE,
		    PTE_P | PTE_U | PTE_W | PTE_NX);
	tag = hypercall(UM_HC_BIND_ROOT, root, 0, 0, 0);
	if (tag <= 0 || tag > 4095)
		panic("bind_root: %ld", tag);
	return root | (u64)tag;
}

/* ---- vCPUs ---- */

void cpu_init(u32 index)
{
	struct pcpu *p = &pcpus[index];

	p->self = p;
	p->index = index;
	p->eretu = boot->eretu_entry;
	CHECK(hypercall(PVM_HC_WRMSR, PVM_MSR_VCPU_STRUCT, gpa_of(p), 0, 0) == 0);
	CHECK(hypercall(PVM_HC_WRMSR, PVM_MSR_KERNEL_GS_BASE, (u64)p, 0, 0) == 0);
	CHECK(hypercall(PVM_HC_WRMSR, PVM_MSR_LSTAR, (u64)lstar_entry, 0, 0) == 0);
	CHECK(hypercall(PVM_HC_WRMSR, PVM_MSR_EVENT_ENTRY, (u64)event_entry, 0, 0) == 0);
	CHECK(this_cpu() == p);
}

void secondary_main(u64 index)
{
	cpu_init((u32)index);
	cpu_fn[index]((u32)index);
	for (;;)
		hypercall(PVM_HC_IRQ_HALT, 0, 0, 0, 0);
}

void start_cpu(u32 index, void (*fn)(u32))
{
	cpu_fn[index] = fn;
	CHECK(hypercall(UM_HC_VCPU_START, index, (u64)secondary_entry, (u64)stacks[index] + sizeof(stacks[index]),
			index) == 0);
}

const char *option(const char *key)
{
	const char *s = va(boot->config);

	while (*s) {
		const char *k = key;

		/* Under umbra itself options come as environment variables. */
		if (s[0] == 'e' && s[1] == 'n' && s[2] == 'v' && s[3] == '=')
			s += 4;
		while (*k && *s == *k)
			s++, k++;
		if (!*k && *s == '=')
			return s + 1;
		while (*s)
			s++;
		s++;
	}
	return NULL;
}

u64 option_num(const char *key, u64 def)
{
	const char *s = option(key);
	u64 v = 0;

	if (!s)
		return def;
	for (; *s >= '0' && *s <= '9'; s++)
		v = v * 10 + (u64)(*s - '0');
	return v;
}

u32 random32(u64 *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(*state >> 32);
}

void mini_start(u64 boot_address)
{
	boot = (struct um_boot *)boot_address;
	linear_base = boot->linear_base;
	hypercall_ptr = boot->hypercall_entry;
	next_page = boot->kernel_end;
	cpu_init(0);
	mini_main();
	finish(0);
}
