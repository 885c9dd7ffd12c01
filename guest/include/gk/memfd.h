/* SPDX-License-Identifier: Apache-2.0 */
/* Seals of memory files (fs/tmpfs/file.c): fcntl F_ADD_SEALS and F_GET_SEALS. */
#ifndef GK_MEMFD_H
#define GK_MEMFD_H

#include <gk/types.h>

struct file;

#define F_SEAL_SEAL 0x1
#define F_SEAL_SHRINK 0x2
#define F_SEAL_GROW 0x4
#define F_SEAL_WRITE 0x8
#define F_SEAL_FUTURE_WRITE 0x10
#define F_SEAL_EXEC 0x20
#define F_ALL_SEALS 0x3f

/* The seals, or -EINVAL if @f is no memory file. */
long memfd_get_seals(struct file *f);
/* 0; -EINVAL, -EPERM (sealed already, not writable), -EBUSY (mapped for writing). */
long memfd_add_seals(struct file *f, u32 seals);

#endif
