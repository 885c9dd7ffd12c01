/* SPDX-License-Identifier: Apache-2.0 */
/* ioctl of AF_INET sockets: how much there is to read, how much is not received yet, the urgent mark. */
#include "net/inet/inet.h"

#define SIOCINQ 0x541B
#define SIOCOUTQ 0x5411
#define SIOCATMARK 0x8905
#define SIOCGSTAMP 0x8906

static s64 input_bytes(struct inet_sock *sk)
{
	s64 n = 0;

	if (sk->type == SOCK_DGRAM)
		return udp_next_len(sk);
	spin_lock(&sk->lock);
	if (sk->rx) {
		n = (s64)byte_ring_used(&sk->rx->ring);
		/* The urgent byte ends what can be read at once. */
		if (sk->rx->urg && sk->rx->urg_pos >= sk->rx->ring.tail && sk->rx->urg_pos - sk->rx->ring.tail < (u64)n)
			n = (s64)(sk->rx->urg_pos - sk->rx->ring.tail);
	}
	spin_unlock(&sk->lock);
	return n;
}

static bool at_mark(struct inet_sock *sk)
{
	bool mark;

	spin_lock(&sk->lock);
	mark = sk->rx && sk->rx->urg && sk->rx->urg_pos == sk->rx->ring.tail;
	spin_unlock(&sk->lock);
	return mark;
}

/* Bytes that the peer's buffer does not hold yet. */
static s64 output_bytes(struct inet_sock *sk)
{
	s64 n = 0;

	spin_lock(&sk->lock);
	if (sk->tx && sk->peer)
		n = (s64)byte_ring_used(&sk->tx->ring) - READ_ONCE(sk->peer->rcvbuf) / 2;
	spin_unlock(&sk->lock);
	return n > 0 ? n : 0;
}

long inet_ioctl(struct socket *s, u32 cmd, u64 arg)
{
	struct inet_sock *sk = s->sk;
	const bool listens = READ_ONCE(sk->state) == TCP_LISTEN;

	switch (cmd) {
	case SIOCINQ:
		return listens ? -EINVAL : put_user((s32)input_bytes(sk), (s32 __user *)arg);
	case SIOCOUTQ:
		return listens ? -EINVAL : put_user((s32)output_bytes(sk), (s32 __user *)arg);
	case SIOCATMARK:
		if (sk->type != SOCK_STREAM)
			return -ENOIOCTLCMD;
		return put_user((s32)at_mark(sk), (s32 __user *)arg);
	case SIOCGSTAMP:
		return -ENOENT;
	}
	return -ENOIOCTLCMD;
}
