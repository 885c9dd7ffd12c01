/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UMBRA_GKSHIM_H
#define UMBRA_GKSHIM_H

#include <abi/boot.h>
#include <gk/types.h>

/* Gives the guest this much memory at gpa 0; before page_alloc_init(). */
void shim_ram(u64 bytes);
extern u64 shim_given_back; /* bytes */

#endif
