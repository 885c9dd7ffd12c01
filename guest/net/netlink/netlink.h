/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_NETLINK inside the kernel. A program's request is answered at once, into the queue of its own socket; nothing is
 * ever told unasked, as nothing about the network changes.
 */
#ifndef GUEST_NET_NETLINK_H
#define GUEST_NET_NETLINK_H

#include <gk/types.h>

#define NLMSG_ERROR 2
#define NLMSG_DONE 3
#define NLM_F_REQUEST 1
#define NLM_F_MULTI 2
#define NLM_F_ACK 4
#define NLM_F_CAPPED 0x100
#define NLM_F_DUMP 0x300
#define NLMSG_MIN_TYPE 16

struct nlmsghdr {
	u32 len; /* with this header */
	u16 type, flags;
	u32 seq, pid;
};

/* An answer being written: messages in a row. What does not fit is left out (overflow). */
#define NL_REPLY_MAX 4096u
struct nl_reply {
	u32 len, msg; /* bytes in use; where the last message begins */
	u32 seq, pid; /* of who asked */
	bool overflow;
	char data[NL_REPLY_MAX];
};

/* Begins a message whose body starts with @size bytes of @body. */
void nl_begin(struct nl_reply *r, u16 type, u16 flags, const void *body, u32 size);
/* Adds an attribute to the last message. */
void nl_attr(struct nl_reply *r, u16 type, const void *data, u32 size);

/*
 * NETLINK_ROUTE: the answer to @h, whose whole body (@h->len bytes with the header) was copied. 0 or -errno.
 * netlink/route.c
 */
int rtnl_request(const struct nlmsghdr *h, struct nl_reply *r);

#endif
