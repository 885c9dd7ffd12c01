/* SPDX-License-Identifier: Apache-2.0 */
/* The other vCPUs: each gets its area and idle task here and goes to its idle loop. */
#include <gk/hypercall.h>
#include <gk/init.h>
#include <gk/page.h>
#include <gk/percpu.h>
#include <gk/printk.h>
#include <gk/sched.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/task.h>

#include "arch.h"

static void start_cpu(u32 id)
{
	struct cpu *c = get_zeroed_page();
	struct task *idle;
	long err;

	_Static_assert(sizeof(struct cpu) == PAGE_SIZE, "struct cpu is one page");
	if (!c)
		panic("no memory for vCPU %u", id);
	c->self = c;
	c->id = id;
	idle = idle_task_new(c);
	if (!idle)
		panic("no memory for vCPU %u", id);
	sched_cpu_init(c, idle);
	err = hypercall4(UM_HC_VCPU_START, id, (u64)secondary_start, idle->kstack + KSTACK_SIZE, (u64)c);
	if (err)
		panic("vCPU %u does not start: error %ld", id, err);
	/* It may run before we publish it here: nobody wakes tasks on it before that. */
	cpus[id] = c;
	smp_store_release(&nr_cpus, id + 1);
}

void smp_secondary_main(struct cpu *c)
{
	arch_cpu_init(c);
	cpu_idle();
}

void smp_init(void)
{
	for (u32 id = 1; id < boot->ncpus; id++)
		start_cpu(id);
}
