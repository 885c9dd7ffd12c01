/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The boot block is checked and its facts taken; a vCPU is told to the hypervisor: its PVCS, where its events enter,
 * its GS base.
 */
#include <abi/layout.h>
#include <gk/hypercall.h>
#include <gk/init.h>
#include <gk/page.h>
#include <gk/percpu.h>
#include <gk/printk.h>
#include <gk/string.h>
#include <gk/uaccess.h>

#include "arch.h"

const struct um_boot *boot;
u64 hypercall_entry;
u64 eretu_entry; /* entry.S */
struct user_limits user_limits;

struct cpu boot_cpu __attribute__((section(".bss.page_aligned")));

/*
 * Called first: before it nothing works but stack and GS base. If the block is not what we were built for there is no
 * way to say so but to stop; hypercalls come with it.
 */
void arch_boot_init(const struct um_boot *b)
{
	if (b->magic != UM_BOOT_MAGIC || b->version != UM_BOOT_VERSION)
		__builtin_trap();
	boot = b;
	hypercall_entry = b->hypercall_entry;
	eretu_entry = b->eretu_entry;
	linear_base = b->linear_base;
	if (b->ncpus < 1 || b->ncpus > MAX_CPUS)
		panic("boot block: %u vCPUs", b->ncpus);
	if ((u64)image_start != linear_base + b->kernel_start)
		panic("image at %p, boot block says %#llx", (void *)image_start,
		      (unsigned long long)(linear_base + b->kernel_start));
	user_limits.lo_start = b->user_lo_start;
	user_limits.lo_end = b->user_lo_end;
	user_limits.hi_start = b->user_hi_start;
	user_limits.hi_end = b->user_hi_end;
}

static void set_msr(u32 msr, u64 value)
{
	long err = hv_wrmsr(msr, value);

	if (err)
		panic("hypervisor refused MSR %#x = %#llx: error %ld", msr, (unsigned long long)value, err);
}

void arch_cpu_init(struct cpu *c)
{
	memset(&c->pvcs, 0, sizeof(c->pvcs));
	c->pvcs.user_cs = PVM_USER_CS;
	c->pvcs.user_ss = PVM_USER_SS;
	set_msr(PVM_MSR_KERNEL_GS_BASE, (u64)c);
	set_msr(PVM_MSR_VCPU_STRUCT, virt_to_gpa(c));
	set_msr(PVM_MSR_EVENT_ENTRY, (u64)event_entry);
	set_msr(PVM_MSR_LSTAR, (u64)syscall_entry);
	set_msr(PVM_MSR_RETU_RIP, eretu_entry);
}
