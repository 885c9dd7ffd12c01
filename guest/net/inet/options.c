/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options at IPPROTO_TCP, IPPROTO_IP, IPPROTO_IPV6 and those at SOL_SOCKET that the generic layer leaves to us.
 *
 * Most only tell a network what to do, and there is none: they are checked and kept, so that what was set is shown.
 */
#include "net/inet/inet.h"

#define SO_BINDTODEVICE 25
#define SO_ACCEPTCONN 30
#define SO_TIMESTAMPING 37
#define SO_RXQ_OVFL 40
#define SO_LOCK_FILTER 44
#define SO_SELECT_ERR_QUEUE 45
#define SO_BUSY_POLL 46
#define SO_MAX_PACING_RATE 47
#define SO_INCOMING_CPU 49
#define SO_COOKIE 57
#define SO_ZEROCOPY 60

#define TCP_MAXSEG 2
#define TCP_INFO 11
#define TCP_CONGESTION 13
#define TCP_ULP 31
#define IP_ADD_MEMBERSHIP 35
#define IP_DROP_MEMBERSHIP 36
#define IP_MULTICAST_IF 32
#define IP_MTU 14
#define IP_FREEBIND 15
#define IPV6_MULTICAST_IF 17
#define IPV6_JOIN_GROUP 20
#define IPV6_LEAVE_GROUP 21
#define IPV6_MTU 24
#define IPV6_V6ONLY 26
#define MCAST_JOIN_GROUP 42
#define MCAST_LEAVE_GROUP 45
#define LO_MSS 65483

static const struct kept {
	u16 level, opt;
	s32 value, min, max;
} kepts[] = {
	{IPPROTO_TCP, 1 /* TCP_NODELAY */, 0, 0, 1},
	{IPPROTO_TCP, 3 /* TCP_CORK */, 0, 0, 1},
	{IPPROTO_TCP, 4 /* TCP_KEEPIDLE */, 7200, 1, 32767},
	{IPPROTO_TCP, 5 /* TCP_KEEPINTVL */, 75, 1, 32767},
	{IPPROTO_TCP, 6 /* TCP_KEEPCNT */, 9, 1, 127},
	{IPPROTO_TCP, 7 /* TCP_SYNCNT */, 6, 1, 127},
	{IPPROTO_TCP, 8 /* TCP_LINGER2 */, 60, -1, 0x7fffffff},
	{IPPROTO_TCP, 9 /* TCP_DEFER_ACCEPT */, 0, 0, 0x7fffffff},
	{IPPROTO_TCP, 10 /* TCP_WINDOW_CLAMP */, 0, 0, 0x7fffffff},
	{IPPROTO_TCP, 12 /* TCP_QUICKACK */, 1, 0, 1},
	{IPPROTO_TCP, 16 /* TCP_THIN_LINEAR_TIMEOUTS */, 0, 0, 1},
	{IPPROTO_TCP, 18 /* TCP_USER_TIMEOUT */, 0, 0, 0x7fffffff},
	{IPPROTO_TCP, 23 /* TCP_FASTOPEN */, 0, 0, 0x7fffffff},
	{IPPROTO_TCP, 25 /* TCP_NOTSENT_LOWAT */, 0, -0x7fffffff - 1, 0x7fffffff},
	{IPPROTO_TCP, 30 /* TCP_FASTOPEN_CONNECT */, 0, 0, 1},
	{IPPROTO_TCP, 36 /* TCP_INQ */, 0, 0, 1},
	{IPPROTO_IP, 1 /* IP_TOS */, 0, 0, 255},
	{IPPROTO_IP, 2 /* IP_TTL */, 64, 1, 255},
	{IPPROTO_IP, 6 /* IP_RECVOPTS */, 0, 0, 1},
	{IPPROTO_IP, 8 /* IP_PKTINFO */, 0, 0, 1},
	{IPPROTO_IP, 10 /* IP_MTU_DISCOVER */, 1, 0, 5},
	{IPPROTO_IP, 11 /* IP_RECVERR */, 0, 0, 1},
	{IPPROTO_IP, 12 /* IP_RECVTTL */, 0, 0, 1},
	{IPPROTO_IP, 13 /* IP_RECVTOS */, 0, 0, 1},
	{IPPROTO_IP, 15 /* IP_FREEBIND */, 0, 0, 1},
	{IPPROTO_IP, 20 /* IP_RECVORIGDSTADDR */, 0, 0, 1},
	{IPPROTO_IP, 21 /* IP_MINTTL */, 0, 0, 255},
	{IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, 0, 0, 1},
	{IPPROTO_IP, 33 /* IP_MULTICAST_TTL */, 1, 0, 255},
	{IPPROTO_IP, 34 /* IP_MULTICAST_LOOP */, 1, 0, 1},
	{IPPROTO_IP, 49 /* IP_MULTICAST_ALL */, 1, 0, 1},
	{IPPROTO_IPV6, 16 /* IPV6_UNICAST_HOPS */, 64, 0, 255},
	{IPPROTO_IPV6, 18 /* IPV6_MULTICAST_HOPS */, 1, 0, 255},
	{IPPROTO_IPV6, 19 /* IPV6_MULTICAST_LOOP */, 1, 0, 1},
	{IPPROTO_IPV6, 23 /* IPV6_MTU_DISCOVER */, 1, 0, 5},
	{IPPROTO_IPV6, 25 /* IPV6_RECVERR */, 0, 0, 1},
	{IPPROTO_IPV6, 49 /* IPV6_RECVPKTINFO */, 0, 0, 1},
	{IPPROTO_IPV6, 51 /* IPV6_RECVHOPLIMIT */, 0, 0, 1},
	{IPPROTO_IPV6, 56 /* IPV6_RECVRTHDR */, 0, 0, 1},
	{IPPROTO_IPV6, 54 /* IPV6_RECVHOPOPTS */, 0, 0, 1},
	{IPPROTO_IPV6, 58 /* IPV6_RECVDSTOPTS */, 0, 0, 1},
	{IPPROTO_IPV6, 60 /* IPV6_RECVPATHMTU */, 0, 0, 1},
	{IPPROTO_IPV6, 62 /* IPV6_DONTFRAG */, 0, 0, 1},
	{IPPROTO_IPV6, 66 /* IPV6_RECVTCLASS */, 0, 0, 1},
	{IPPROTO_IPV6, 67 /* IPV6_TCLASS */, 0, 0, 255},
	{IPPROTO_IP, 50 /* IP_UNICAST_IF */, 0, 0, 0x7fffffff},
	{IPPROTO_TCP, 27 /* TCP_SAVE_SYN */, 0, 0, 1},
	{SOL_SOCKET, SO_LOCK_FILTER, 0, 0, 1},
	{SOL_SOCKET, SO_SELECT_ERR_QUEUE, 0, 0, 1},
	{SOL_SOCKET, SO_MAX_PACING_RATE, -1, -0x7fffffff - 1, 0x7fffffff},
	{SOL_SOCKET, SO_RXQ_OVFL, 0, 0, 1},
	{SOL_SOCKET, SO_BUSY_POLL, 0, 0, 0x7fffffff},
	{SOL_SOCKET, SO_ZEROCOPY, 0, 0, 1},
};
_Static_assert(ARRAY_SIZE(kepts) <= INET_KEPT_MAX, "inet_sock.kept is too small");

/* Those that are switches take any number. */
static bool is_switch(const struct kept *k)
{
	return !k->min && k->max == 1;
}

static s32 index_of(const struct inet_sock *sk, int level, int opt)
{
	for (u32 i = 0; i < ARRAY_SIZE(kepts); i++) {
		if (kepts[i].level == level && kepts[i].opt == opt)
			return (s32)i;
	}
	return -1;
}

/* Does a socket like this one have options of that level? */
static bool has_level(const struct inet_sock *sk, int level)
{
	switch (level) {
	case IPPROTO_TCP:
		return sk->type == SOCK_STREAM;
	case IPPROTO_IPV6:
		return sk->family == AF_INET6;
	}
	return level == IPPROTO_IP || level == SOL_SOCKET;
}

void inet_default_options(struct inet_sock *sk)
{
	for (u32 i = 0; i < ARRAY_SIZE(kepts); i++)
		sk->kept[i] = kepts[i].value;
}

s32 inet_kept(const struct inet_sock *sk, int level, int opt)
{
	const s32 i = index_of(sk, level, opt);

	return i < 0 ? 0 : READ_ONCE(sk->kept[i]);
}

/* A number of 4 bytes, or at IPPROTO_IP of 1. */
static int get_int(int level, const void *val, u32 len, s32 *n)
{
	if (len >= sizeof(*n))
		memcpy(n, val, sizeof(*n));
	else if (level == IPPROTO_IP && len)
		*n = *(const u8 *)val;
	else
		return -EINVAL;
	return 0;
}

static int set_kept(struct inet_sock *sk, u32 i, s32 n)
{
	const struct kept *k = &kepts[i];

	if (is_switch(k))
		n = n != 0;
	if (n == -1 && (k->opt == 2 || k->opt == 16 || k->opt == 18 || k->opt == 33 || k->opt == 67) &&
	    k->level != IPPROTO_TCP)
		n = k->value; /* the default again */
	if (n < k->min || n > k->max)
		return -EINVAL;
	WRITE_ONCE(sk->kept[i], n);
	if (k->level == IPPROTO_IP && k->opt == IP_FREEBIND)
		sk->freebind = n;
	return 0;
}

static int set_congestion(const char *name, u32 len)
{
	if (!len)
		return -EINVAL;
	if ((len >= 5 && !strncmp(name, "cubic", 5)) || (len >= 4 && !strncmp(name, "reno", 4)))
		return 0;
	return -ENOENT;
}

static int set_v6only(struct inet_sock *sk, s32 n)
{
	if (sk->local.port)
		return -EINVAL;
	sk->v6only = n != 0;
	return 0;
}

/* Groups exist on a network only; what is said to one of the interface's is accepted. */
static bool is_membership(int level, int opt)
{
	if (level == IPPROTO_IP)
		return opt == IP_ADD_MEMBERSHIP || opt == IP_DROP_MEMBERSHIP || opt == IP_MULTICAST_IF;
	return level == IPPROTO_IPV6 && (opt == IPV6_JOIN_GROUP || opt == IPV6_LEAVE_GROUP || opt == IPV6_MULTICAST_IF);
}

static int bind_device(const char *name, u32 len)
{
	if (!len || !name[0] || (len >= 2 && !strncmp(name, "lo", 3)))
		return 0;
	return -ENODEV;
}

int inet_setsockopt(struct socket *s, int level, int opt, const void *val, u32 len)
{
	struct inet_sock *sk = s->sk;
	s32 i, n;
	int ret;

	if (!has_level(sk, level))
		return -ENOPROTOOPT;
	if (level == SOL_SOCKET && opt == SO_BINDTODEVICE)
		return bind_device(val, len);
	if (level == IPPROTO_TCP && opt == TCP_CONGESTION)
		return set_congestion(val, len);
	if (level == IPPROTO_TCP && opt == TCP_ULP)
		return -ENOENT;
	if (is_membership(level, opt))
		return len < 4 ? -EINVAL : 0;
	ret = get_int(level, val, len, &n);
	if (ret)
		return ret;
	if (level == IPPROTO_IPV6 && opt == IPV6_V6ONLY)
		return set_v6only(sk, n);
	if (level == IPPROTO_TCP && opt == TCP_MAXSEG)
		return n && (n < 88 || n > 32767) ? -EINVAL : 0;
	if (level == SOL_SOCKET && opt == SO_TIMESTAMPING)
		return 0;
	i = index_of(sk, level, opt);
	return i < 0 ? -ENOPROTOOPT : set_kept(sk, (u32)i, n);
}

/* The start of struct tcp_info; what a network would have measured is as on a fast one. */
struct tcp_info_head {
	u8 state, ca_state, retransmits, probes, backoff, options, wscale, flags;
	u32 rto, ato, snd_mss, rcv_mss;
	u32 unacked, sacked, lost, retrans, fackets;
	u32 last_data_sent, last_ack_sent, last_data_recv, last_ack_recv;
	u32 pmtu, rcv_ssthresh, rtt, rttvar, snd_ssthresh, snd_cwnd, advmss, reordering;
	u32 rcv_rtt, rcv_space, total_retrans;
};
_Static_assert(sizeof(struct tcp_info_head) == 104, "struct tcp_info");

static int get_info(const struct inet_sock *sk, void *val, u32 *len)
{
	const struct tcp_info_head info = {
		.state = (u8)READ_ONCE(sk->state),
		.options = 7,
		.wscale = 0x77,
		.rto = 200000,
		.snd_mss = LO_MSS,
		.rcv_mss = LO_MSS,
		.pmtu = LO_MTU - 1,
		.rcv_ssthresh = LO_MTU,
		.rtt = 20,
		.rttvar = 10,
		.snd_ssthresh = 0x7fffffff,
		.snd_cwnd = 10,
		.advmss = LO_MSS,
		.reordering = 3,
		.rcv_space = LO_MTU,
	};

	*len = MIN(*len, (u32)sizeof(info));
	memcpy(val, &info, *len);
	return 0;
}

static int get_text(const char *text, u32 size, void *val, u32 *len)
{
	*len = MIN(*len, size);
	memcpy(val, text, *len);
	return 0;
}

static int get_number(const struct inet_sock *sk, int level, int opt, s32 *n)
{
	const bool connected = sk->remote.port != 0;
	const s32 i = index_of(sk, level, opt);

	if (i >= 0) {
		*n = READ_ONCE(sk->kept[i]);
		return 0;
	}
	if (level == SOL_SOCKET && (opt == SO_ACCEPTCONN || opt == SO_TIMESTAMPING || opt == SO_INCOMING_CPU)) {
		*n = opt == SO_ACCEPTCONN ? READ_ONCE(sk->state) == TCP_LISTEN : 0;
		return 0;
	}
	if (level == IPPROTO_TCP && opt == TCP_MAXSEG) {
		*n = READ_ONCE(sk->state) == TCP_CLOSE || READ_ONCE(sk->state) == TCP_LISTEN ? 536 : LO_MSS;
		return 0;
	}
	if (level == IPPROTO_IPV6 && opt == IPV6_V6ONLY) {
		*n = sk->v6only;
		return 0;
	}
	if ((level == IPPROTO_IP && opt == IP_MTU) || (level == IPPROTO_IPV6 && opt == IPV6_MTU)) {
		*n = LO_MTU;
		return connected ? 0 : -ENOTCONN;
	}
	if ((level == IPPROTO_IP && opt == IP_MULTICAST_IF) || (level == IPPROTO_IPV6 && opt == IPV6_MULTICAST_IF)) {
		*n = 0;
		return 0;
	}
	return -ENOPROTOOPT;
}

int inet_getsockopt(struct socket *s, int level, int opt, void *val, u32 *len)
{
	struct inet_sock *sk = s->sk;
	const u64 cookie = (u64)sk >> 6;
	s32 n;
	int ret;

	if (!has_level(sk, level))
		return level == IPPROTO_TCP || level == IPPROTO_IPV6 ? -EOPNOTSUPP : -ENOPROTOOPT;
	if (level == IPPROTO_TCP && opt == TCP_INFO)
		return get_info(sk, val, len);
	if (level == IPPROTO_TCP && opt == TCP_CONGESTION)
		return get_text("cubic\0\0\0\0\0\0\0\0\0\0", 16, val, len);
	if (level == SOL_SOCKET && opt == SO_BINDTODEVICE)
		return get_text("", 0, val, len);
	if (level == SOL_SOCKET && opt == SO_COOKIE)
		return *len < 8 ? -EINVAL : get_text((const char *)&cookie, 8, val, len);
	ret = get_number(sk, level, opt, &n);
	if (ret)
		return ret;
	if (level == IPPROTO_IP && *len < sizeof(n) && *len && n >= 0 && n <= 255) {
		*len = 1;
		*(u8 *)val = (u8)n;
		return 0;
	}
	*len = MIN(*len, (u32)sizeof(n));
	memcpy(val, &n, *len);
	return 0;
}
