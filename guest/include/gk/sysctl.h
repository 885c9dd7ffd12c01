/* SPDX-License-Identifier: Apache-2.0 */
/* Limits that root may change in /proc/sys while others read them (READ_ONCE()). The files: fs/proc/sysctl.c. */
#ifndef GK_SYSCTL_H
#define GK_SYSCTL_H

#include <gk/types.h>

extern u32 sysctl_max_map_count; /* vmas of one address space: mm/vma.c */
extern u32 sysctl_pid_max;	 /* numbers of tasks are below: kernel/pid.c */
extern u32 sysctl_pipe_max;	 /* bytes, F_SETPIPE_SZ without CAP_SYS_RESOURCE: fs/pipe.c */
/*
 * POSIX message queues, ipc/mqueue.c: queues; messages and bytes in a message that everyone may ask for; when nobody
 * asks.
 */
extern u32 sysctl_mq_queues, sysctl_mq_msg, sysctl_mq_msgsize, sysctl_mq_msg_default, sysctl_mq_msgsize_default;
/*
 * Sockets of AF_INET: longest accept queue (net/inet/tcp.c); below it ports want CAP_NET_BIND_SERVICE
 * (net/inet/ports.c).
 */
extern u32 sysctl_somaxconn, sysctl_unprivileged_port;

#endif
