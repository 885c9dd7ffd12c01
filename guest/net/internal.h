/* SPDX-License-Identifier: Apache-2.0 */
/* What the socket system calls share (socket.c). */
#ifndef NET_INTERNAL_H
#define NET_INTERNAL_H

#include <gk/socket.h>

/* The socket behind a descriptor, for the time of one call: fdref_put(*r) in the end. 0, -EBADF or -ENOTSOCK. */
int sock_get(int fd, struct fdref *r, struct socket **s);
/* An address from a program; what it does not fill is zero. 0, -EINVAL or -EFAULT. */
int sock_addr_in(struct sockaddr_any *addr, const void __user *uaddr, s32 len);
/*
 * One for a program. Value-result: it says how much room there is and learns how much there was to tell. 0 or -errno.
 */
int sock_addr_out(const struct sockaddr_any *addr, s32 len, void __user *uaddr, s32 __user *ulen);

#endif
