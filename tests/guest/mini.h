/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest guest kernel that can test a backend: hypercalls, page tables, "run this program until something
 * happens". Uses abi/ only.
 */
#ifndef MINI_H
#define MINI_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/boot.h"
#include "abi/layout.h"
#include "abi/pvm.h"

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint8_t u8;

#pragma GCC visibility push(hidden)

#define PTE_P 1ull
#define PTE_W 2ull
#define PTE_U 4ull
#define PTE_NX 0x8000000000000000ull
#define PTE_ADDR 0x000ffffffffff000ull

#define EFAULT 14
#define EAGAIN 11
#define EBUSY 16
#define EINVAL 22
#define ETIMEDOUT 110

/* A program's registers; offsets are known to entry.S. */
struct uregs {
	u64 rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15;
	u64 rip, eflags;
};

struct pcpu {
	struct pvcs pvcs;
	struct pcpu *self; /* 128 */
	u64 kstack;	   /* 136 */
	struct uregs *cur; /* 144 */
	u64 scratch;	   /* 152 */
	u64 fixup;	   /* 160: where a supervisor fault goes, 0 = panic */
	u64 eretu;	   /* 168 */
	u32 index;
	u32 reserved;
	u64 cr3;
	u64 sup_faults;
} __attribute__((aligned(4096)));

_Static_assert(offsetof(struct pcpu, kstack) == 136, "entry.S");
_Static_assert(offsetof(struct pcpu, eretu) == 168, "entry.S");
_Static_assert(offsetof(struct pcpu, sup_faults) == 192, "entry.S");

/* What run_user() came back with. */
#define EV_SYSCALL 0x1000
/* otherwise the vector */

extern struct um_boot *boot;
extern u64 linear_base;
extern struct pcpu pcpus[UM_MAX_VCPUS];

/* entry.S */
long hypercall(u64 nr, u64 rbx, u64 r10, u64 rdx, u64 rsi);
/* Runs a program until it calls or faults or is interrupted. */
int run_user(struct uregs *u);
void lstar_entry(void);
void event_entry(void);
/* Copies, or returns how many bytes are left after a fault. */
u64 copy_fault(void *dst, const void *src, u64 n);
void secondary_entry(void);

/* mini.c */
void log_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void panic(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void finish(int status) __attribute__((noreturn));
#define CHECK(cond)                                                                                                    \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			panic("%s:%d: %s", __FILE__, __LINE__, #cond);                                                 \
	} while (0)

static inline struct pcpu *this_cpu(void)
{
	struct pcpu *p;

	__asm__ volatile("movq %%gs:128, %0" : "=r"(p));
	return p;
}

static inline u64 rdtsc(void)
{
	u32 lo, hi;

	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}

u64 now_ns(void);
u64 alloc_page(void);	/* gpa, zeroed */
u64 alloc_pages(u64 n); /* contiguous */
static inline void *va(u64 gpa)
{
	return (void *)(linear_base + gpa);
}
static inline u64 gpa_of(const void *p)
{
	return (u64)p - linear_base;
}

u64 *pte_of(u64 root, u64 address, bool make);
void map(u64 root, u64 address, u64 gpa, u64 flags);
long flush(u64 cr3, u64 start, u64 len, u32 kind);
long load_cr3(u64 cr3);
/* A bound root with the user text at USER_TEXT and a stack. Returns CR3. */
u64 new_cr3(void);
void cpu_init(u32 index);
void start_cpu(u32 index, void (*fn)(u32));
const char *option(const char *key);
u64 option_num(const char *key, u64 def);
u32 random32(u64 *state);

#define USER_TEXT 0x400000ull
#define USER_STACK_TOP 0x7ffff0000000ull
#define USER_STACK_PAGES 16

/* user.S: programs, at USER_TEXT + (symbol - user_text) */
extern const char user_text[], user_text_end[];
#define USER_ADDR(sym) (USER_TEXT + (u64)((sym)-user_text))

void *memcpy(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
void mini_main(void);
#pragma GCC visibility pop

#endif
