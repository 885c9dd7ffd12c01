/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the hostile guest share. */
#ifndef HOSTILE_H
#define HOSTILE_H

#include "mini.h"

#pragma GCC visibility push(hidden)

/* hostile_queues.c: with two vCPUs, the second one changes what the first has sent */
void attack_rings(u64 end, u64 *rnd);
void attack_messages(u64 end, u64 *rnd);
void attack_fuse(u64 end, u64 *rnd);

#pragma GCC visibility pop

#endif
