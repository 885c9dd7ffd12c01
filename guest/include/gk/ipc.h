/* SPDX-License-Identifier: Apache-2.0 */
/* System V and POSIX message IPC (guest/ipc): what other parts call. */
#ifndef GK_IPC_H
#define GK_IPC_H

#include <gk/types.h>

struct process;

/* The last thread of @p exits: undo its semaphore operations (SEM_UNDO). No locks held. */
void sysv_exit_process(struct process *p);

#endif
