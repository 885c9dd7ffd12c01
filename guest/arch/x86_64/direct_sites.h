/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the system calls in a page of text that can be patched: see direct_sites.c. */
#ifndef DIRECT_SITES_H
#define DIRECT_SITES_H

#include <gk/types.h>

#define DIRECT_LEAD_MAX 20 /* bytes of instructions that move to the stub */

struct direct_site {
	u32 at;	  /* offset of the syscall instruction in the page */
	u32 lead; /* how many bytes before it move to the stub */
	u32 pad;  /* 0, or the offset of seven bytes of padding for the jump, for a lead that is too short to hold it */
};

/*
 * The next site of @text, a page, behind *@s (all zero: from the beginning). @beyond is the first byte of the next
 * page, if that is known, else 0: the last syscall instruction may end with it. Returns false, and leaves *@s
 * undefined, when there is none.
 */
bool direct_next_site(const u8 *text, u8 beyond, struct direct_site *s);

/* The offset of the next syscall instruction of @text at or after @i, or PAGE_SIZE. */
u32 direct_next_syscall(const u8 *text, u32 i, u8 beyond);

/* Does a branch in @text, if its bytes are one, lead into the middle of [@from, @to)? */
bool direct_branch_into(const u8 *text, u32 from, u32 to);

#endif
