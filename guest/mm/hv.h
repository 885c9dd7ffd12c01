/* SPDX-License-Identifier: Apache-2.0 */
/* Hypercalls of the memory management, as functions. */
#ifndef GK_MM_HV_H
#define GK_MM_HV_H

#include <abi/pvm.h>
#include <gk/hypercall.h>

/* The pages read as zero from now on and cost the host nothing. */
static inline void hv_give_back(gpa_t gpa, u64 bytes)
{
	hypercall4(UM_HC_GIVE_BACK, gpa, bytes, 0, 0);
}

static inline long hv_bind_root(gpa_t root, u64 family)
{
	return hypercall4(UM_HC_BIND_ROOT, root, family, 0, 0);
}

static inline void hv_release_root(u64 cr3)
{
	hypercall4(UM_HC_RELEASE_ROOT, cr3, 0, 0, 0);
}

/* cr3 0: the home table. 0, or -EAGAIN with the old table still loaded. */
static inline long hv_load_table(u64 cr3)
{
	return hypercall4(PVM_HC_LOAD_PGTBL, 0, cr3, 0, 0);
}

static inline void hv_flush_range(u64 cr3, u64 start, u64 bytes, u32 kind)
{
	hypercall4(UM_HC_FLUSH_RANGE, cr3, start, bytes, kind);
}

#endif
