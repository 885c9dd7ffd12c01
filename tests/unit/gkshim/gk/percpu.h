/* SPDX-License-Identifier: Apache-2.0 */
/* Guest kernel code in a host program: a thread is a task, and a vCPU of its own. */
#ifndef SHIM_PERCPU_H
#define SHIM_PERCPU_H

#define this_cpu real_this_cpu
#define get_current real_get_current
#include "../../../../guest/include/gk/percpu.h"
#undef this_cpu
#undef get_current
#undef current

extern struct cpu shim_cpus[MAX_CPUS];
extern _Thread_local struct cpu *shim_cpu;
extern _Thread_local struct task *shim_current;

static inline struct cpu *this_cpu(void)
{
	return shim_cpu;
}

#define current shim_current

#endif
