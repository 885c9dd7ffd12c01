/* SPDX-License-Identifier: Apache-2.0 */
/* eventfds that the kernel itself writes to (fs/eventfd.c). */
#ifndef GK_EVENTFD_H
#define GK_EVENTFD_H

struct file;

/* The eventfd @fd with a reference, or ERR_PTR: -EBADF, -EINVAL (it is none). */
struct file *eventfd_get(int fd);
/* Adds one; a counter that is full stays so. Any context. */
void eventfd_signal(struct file *f);

#endif
