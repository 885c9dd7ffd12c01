/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of fs/dev share. */
#ifndef FS_DEV_H
#define FS_DEV_H

#include "../internal.h"

/* mem.c */
void mem_devices_init(void);

#endif
