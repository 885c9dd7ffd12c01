/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_INET and AF_INET6 inside the kernel: streams and datagrams between two sockets of this sandbox. There are no
 * packets: a stream is two byte rings, a datagram goes straight into the receiver's queue. Both families share
 * everything but the form of addresses: inside, an address is always of IPv6, those of IPv4 mapped (::ffff:a.b.c.d).
 *
 * inet_route() decides where an address leads; all that is not local has no route. Sockets of the host will hang in
 * there.
 *
 * Locks: sk->bind_mutex, sk->recv_mutex, sk->send_mutex (in this order) sleep. tcp_lock (states, peers, accept queues
 * of all streams) > ports_lock > nothing; tcp_lock > sk->lock, wait queues, fasync_lock. tcp_lock is taken once for
 * each connect, accept, shutdown and close, never to send or receive.
 */
#ifndef GUEST_NET_INET_H
#define GUEST_NET_INET_H

#include <gk/bytering.h>
#include <gk/cred.h>
#include <gk/fasync.h>
#include <gk/slab.h>
#include <gk/socket.h>
#include <gk/string.h>
#include <gk/task.h>

#define IPPROTO_IP 0
#define IPPROTO_ICMP 1
#define IPPROTO_TCP 6
#define IPPROTO_UDP 17
#define IPPROTO_IPV6 41

#define LO_IFINDEX 1
#define LO_MTU 65536

enum tcp_state {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT,
	TCP_SYN_RECV,
	TCP_FIN_WAIT1,
	TCP_FIN_WAIT2,
	TCP_TIME_WAIT,
	TCP_CLOSE,
	TCP_CLOSE_WAIT,
	TCP_LAST_ACK,
	TCP_LISTEN
};
/* What connect() has come to, beside the state of the connection. */
enum conn_phase { PHASE_NONE, PHASE_CONNECTING, PHASE_CONNECTED };

union in_addr6 {
	u8 b[16];
	u16 h[8];
	u32 w[4];
	u64 q[2];
};

struct endpoint {
	union in_addr6 addr;
	u16 port; /* host order */
};

struct sockaddr_in4 {
	u16 family, port;
	u32 addr;
	u8 zero[8];
};

struct sockaddr_in6 {
	u16 family, port;
	u32 flowinfo;
	union in_addr6 addr;
	u32 scope;
} __packed;
_Static_assert(sizeof(struct sockaddr_in4) == 16 && sizeof(struct sockaddr_in6) == 28, "as in Linux");

/* One direction of a stream. Its two ends hold a reference each. */
struct tcp_half {
	refcount_t refs;
	struct byte_ring ring;
	u64 urg_pos; /* where in the stream the urgent byte is; written before urg */
	u16 urg;     /* atomic: 0 none, URG_VALID | byte, URG_READ */
};
#define URG_VALID 0x100
#define URG_READ 0x400

/* Options that are only kept and shown again (options.c). */
#define INET_KEPT_MAX 64

struct inet_sock {
	refcount_t refs;
	u16 family, type;
	struct socket *sock; /* NULL: not accepted yet, or closed; tcp_lock and lock to change */
	kuid_t uid;
	struct endpoint local, remote; /* change under ports_lock */
	bool bound_addr, bound_port;   /* asked for with bind() */
	bool v6only, reuseaddr, reuseport, freebind;
	struct list_head port_link; /* ports_lock */
	struct mutex bind_mutex, recv_mutex, send_mutex;
	struct wait_queue rd_wait, wr_wait;
	struct fasync_list fasync;
	s32 error;    /* atomic: SO_ERROR */
	u32 shutdown; /* streams: tcp_lock; SHUT_*: what cannot be received, sent any more */
	u32 sndbuf, rcvbuf;
	bool sndbuf_set;
	s32 kept[INET_KEPT_MAX];

	/* streams; tcp_lock unless said otherwise */
	enum tcp_state state;
	enum conn_phase phase;
	u32 attempt;  /* bind_mutex: how many connections it has left, or failed to make */
	bool dead;    /* closed: what is sent to it is answered with a reset */
	bool fin;     /* the peer's end of data was seen */
	bool nospace; /* atomic: somebody wants to hear when there is room to send */
	struct inet_sock
		*peer; /* reference; set before state says connected, cleared with both mutexes and lock held */
	struct tcp_half *rx, *tx; /* likewise */
	spinlock_t lock;	  /* peer, rx, tx for those without the mutexes; dgram queue */
	struct inet_sock *embryo; /* SYN_SENT: the other end to be, reference */
	struct list_head queue_link;
	struct list_head accept_queue; /* to be accepted; a reference each */
	struct list_head pending;      /* SYN_SENT: they wait for room in accept_queue; a reference each */
	u32 qlen, backlog;

	/* datagrams: lock */
	struct list_head queue;
	u32 rmem;
	u64 drops;
};

static inline bool addr_is_v4(const union in_addr6 *a)
{
	return !a->q[0] && a->w[2] == 0xffff0000u;
}

static inline bool addr_is_any(const union in_addr6 *a)
{
	return !a->q[0] && !a->w[3] && (!a->w[2] || a->w[2] == 0xffff0000u);
}

static inline bool addr_equal(const union in_addr6 *a, const union in_addr6 *b)
{
	return a->q[0] == b->q[0] && a->q[1] == b->q[1];
}

static inline u16 swap16(u16 v)
{
	return __builtin_bswap16(v);
}

/* inet/addr.c */
extern const union in_addr6 addr_any4, addr_any6, addr_lo4, addr_lo6;
bool addr_is_local(const union in_addr6 *a);
bool addr_is_multicast(const union in_addr6 *a);
/*
 * Where to send for @to: sets @to->addr to a real address if it is "any", and @from to the source it is reached from if
 * that is "any". 0, -ENETUNREACH, -EINVAL (families that do not meet).
 */
int inet_route(const struct inet_sock *sk, union in_addr6 *to, union in_addr6 *from);
/* A program's address. @connect: for a destination. 0, -EINVAL, -EAFNOSUPPORT. */
int inet_parse(const struct inet_sock *sk, const struct sockaddr_any *addr, u32 len, bool connect,
	       struct endpoint *out);
/* An address for a program, in the form of @sk's family: its length. */
u32 inet_fill(const struct inet_sock *sk, const struct endpoint *ep, struct sockaddr_any *out);

/* inet/ports.c: who has which port */
struct inet_table;
extern struct inet_table tcp_table, udp_table;
void inet_ports_init(void);
/* Binds to @ep (port 0: any free). sk->bind_mutex held. 0, -EADDRINUSE, -EACCES. */
int inet_bind_port(struct inet_sock *sk, const struct endpoint *ep);
/* A port for a socket that connects to @to from @from, or sends; sk->bind_mutex held. 0, -EADDRNOTAVAIL. */
int inet_autobind(struct inet_sock *sk, const union in_addr6 *from, const struct endpoint *to);
/* May @sk, which is bound, become a listener? */
bool inet_may_listen(struct inet_sock *sk);
void inet_set_ends(struct inet_sock *sk, const struct endpoint *local, const struct endpoint *remote);
/* The same for a stream that connects: -EADDRNOTAVAIL if there is such a connection already. */
int inet_set_connection(struct inet_sock *sk, const struct endpoint *local, const struct endpoint *remote);
/* Where free ports are looked for; both ends belong to it. 1 <= @low <= @high <= 65535. */
void inet_set_port_range(u32 low, u32 high);
void inet_port_range(u32 *low, u32 *high);
/* An accepted connection's entry. */
void inet_hash(struct inet_sock *sk);
void inet_unhash(struct inet_sock *sk);
/* The listener, or the datagram socket, that hears @to when @from speaks; with a reference, or NULL. */
struct inet_sock *inet_find(u16 type, const struct endpoint *to, const struct endpoint *from);
/* Calls @fn for every socket of @type, with ports_lock held. */
void inet_for_each(u16 type, void (*fn)(struct inet_sock *sk, void *arg), void *arg);

/* inet/sock.c: life, names, what both types share */
struct inet_sock *inet_new(u16 family, u16 type);
static inline struct inet_sock *inet_get(struct inet_sock *sk)
{
	refcount_inc(&sk->refs);
	return sk;
}
void inet_put(struct inet_sock *sk);
void inet_wake_all(struct inet_sock *sk);
int inet_bind(struct socket *s, const struct sockaddr_any *addr, u32 len);
int inet_getname(struct socket *s, struct sockaddr_any *addr, enum sock_end end);
void inet_option_changed(struct socket *s, int opt);
struct fasync_list *inet_fasync(struct socket *s);
static inline int inet_take_error(struct inet_sock *sk)
{
	return READ_ONCE(sk->error) ? -atomic_xchg(&sk->error, 0) : 0;
}

/* inet/tcp.c: connections */
extern spinlock_t tcp_lock;
int tcp_connect(struct socket *s, const struct sockaddr_any *addr, u32 len, bool nonblock);
int tcp_listen(struct socket *s, int backlog);
int tcp_accept(struct socket *s, struct socket *child, bool nonblock);
int tcp_shutdown(struct socket *s, u32 how);
void tcp_release(struct socket *s);
/* The peer, if there still is one, answers with a reset: nothing goes any more, for either. sk->send_mutex held. */
void tcp_reset(struct inet_sock *sk);
/* 0 when @sk is not connecting (any more); -EAGAIN, -EINTR... */
int tcp_wait_connect(struct inet_sock *sk, ktime_t deadline);

/* inet/tcp_data.c */
extern const struct sock_ops tcp_ops;
void tcp_half_put(struct tcp_half *h);
/* Bytes that may lie between @sk and @peer. */
u64 tcp_room(const struct inet_sock *sk, const struct inet_sock *peer, const struct tcp_half *tx);

/* inet/udp.c */
extern const struct sock_ops udp_ops;
void udp_purge(struct inet_sock *sk);
u32 udp_next_len(struct inet_sock *sk); /* bytes of the datagram a read would get; 0: none */

/* inet/options.c */
void inet_default_options(struct inet_sock *sk);
int inet_setsockopt(struct socket *s, int level, int opt, const void *val, u32 len);
int inet_getsockopt(struct socket *s, int level, int opt, void *val, u32 *len);
/* Is the option on, or its number; only for those that options.c keeps. */
s32 inet_kept(const struct inet_sock *sk, int level, int opt);

/* inet/ioctl.c */
long inet_ioctl(struct socket *s, u32 cmd, u64 arg);

/* inet/proc.c */
void inet_proc_init(void);
void inet_show_sockstat(struct seq *s); /* lines of /proc/net/sockstat */

#endif
