/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AF_UNIX inside the kernel.
 *
 * Locks: sk->recv_mutex (one reader of a stream) and sk->bind_mutex sleep. unix_gc_lock > sk->lock (two of them: by
 * address) > wait queues. table_lock (names) nests in nothing and nothing in it.
 *
 * References: a socket's file holds one, so does a peer pointer, a message (its sender), and an embryo in an accept
 * queue.
 */
#ifndef GUEST_NET_UNIX_H
#define GUEST_NET_UNIX_H

#include <gk/cred.h>
#include <gk/fasync.h>
#include <gk/pipe.h>
#include <gk/slab.h>
#include <gk/socket.h>
#include <gk/string.h>
#include <gk/task.h>

#define UNIX_PATH_MAX 108u
#define UNIX_ADDR_MIN 2u /* the family alone */
#define UNIX_ADDR_MAX (2u + UNIX_PATH_MAX)
#define UNIX_DGRAM_QLEN 10u /* /proc/sys/net/unix/max_dgram_qlen */

enum unix_state { UNIX_CLOSE, UNIX_LISTEN, UNIX_CONNECTED };

/* A name, shared by a listener and what it accepts. */
struct unix_addr {
	refcount_t refs;
	u32 len; /* of the whole address */
	u32 hash;
	struct unix_sock *owner; /* table_lock: who bound it; NULL when gone */
	struct list_head link;	 /* table_lock: abstract names */
	struct {
		u16 family;
		char path[UNIX_PATH_MAX + 1]; /* NUL-terminated */
	} name;
};

struct unix_msg {
	struct list_head link;
	struct unix_sock *sender; /* reference: who pays */
	struct unix_sock *embryo; /* reference: a connection to be accepted; no data */
	struct unix_addr *from;	  /* reference, or NULL */
	struct scm_files *files;  /* owned, or NULL */
	struct ucred cred;
	u32 charge;   /* of the sender's buffer */
	u32 len, off; /* data: off bytes are consumed */
	char data[];
};

struct unix_sock {
	refcount_t refs;
	u16 type;
	spinlock_t lock;
	enum unix_state state;	/* lock */
	bool dead;		/* lock: its file is closed */
	struct socket *sock;	/* NULL for an embryo and when dead; changed under lock */
	struct unix_sock *peer; /* lock; reference */
	u32 shutdown;		/* lock: SHUT_* */
	s32 error;		/* atomic: SO_ERROR */
	struct list_head queue; /* lock: unix_msg */
	u32 qlen;		/* lock */
	u32 backlog;		/* lock */
	u32 sndbuf;
	u32 wmem; /* atomic: bytes of ours that are not read yet */
	bool passcred;
	struct wait_queue rd_wait, wr_wait; /* data, connections, ends; room for what we send */
	struct wait_queue peer_wait;	    /* those who want to send to us or connect: room in our queue */
	struct fasync_list fasync;
	struct unix_sock *relay_peer; /* lock; reference: whose peer_wait our relay hangs on */
	struct wait_entry relay;      /* wakes our wr_wait when that peer has room again */
	struct mutex recv_mutex, bind_mutex;
	struct unix_addr *addr;	 /* bind_mutex to set, once; reference */
	struct path path;	 /* likewise: bound in a file system */
	struct ucred peer_ucred; /* SO_PEERCRED; set before others can see it */
	struct group_info *peer_groups;

	/* garbage collection: unix_gc_lock */
	u32 inflight; /* how often our file is in messages */
	u32 gc_refs;
	bool gc_candidate;
	struct list_head gc_link;  /* of all in flight */
	struct list_head all_link; /* all_lock: /proc/net/unix */
};

static inline bool unix_is_stream(const struct unix_sock *sk)
{
	return sk->type != SOCK_DGRAM; /* stream and seqpacket: connected */
}

/* May @sk send more? As Linux: while less than a quarter of the buffer is out. */
static inline bool unix_writable(const struct unix_sock *sk)
{
	return (u64)READ_ONCE(sk->wmem) * 4 <= READ_ONCE(sk->sndbuf);
}

/* unix/sock.c: life, names */
struct unix_sock *unix_new(u16 type);
static inline struct unix_sock *unix_get(struct unix_sock *sk)
{
	refcount_inc(&sk->refs);
	return sk;
}
void unix_put(struct unix_sock *sk);
struct unix_sock *unix_peer_get(struct unix_sock *sk); /* reference, or NULL */
/*
 * Pollers of @sk want to hear when @peer's queue has room. They cannot hang on the peer's own wait queue, which may go
 * before they do; so one relay does. sk->lock held by the second.
 */
void unix_relay_set(struct unix_sock *sk, struct unix_sock *peer);
struct unix_sock *unix_relay_clear(struct unix_sock *sk); /* the reference that was held, or NULL */
void unix_set_error(struct unix_sock *sk, int error);
int unix_take_error(struct unix_sock *sk);
/* Closes @sk: the peer learns it, its queue is dropped, its name is free. */
void unix_close(struct unix_sock *sk, bool embryo);
void unix_addr_put(struct unix_addr *a);
int unix_check_addr(const struct sockaddr_any *addr, u32 len);
int unix_bind(struct socket *s, const struct sockaddr_any *addr, u32 len);
int unix_autobind(struct unix_sock *sk);
/* The socket that is bound to a name, with a reference, or ERR_PTR. */
struct unix_sock *unix_find(const struct sockaddr_any *addr, u32 len, u16 type);
u32 unix_copy_addr(const struct unix_addr *a, struct sockaddr_any *out); /* its length, 0 if NULL */
void unix_set_peer_cred(struct unix_sock *sk);
void unix_copy_peer_cred(struct unix_sock *to, const struct unix_sock *from);

/* unix/msg.c: messages and queues */
/*
 * Room for @len bytes charged to @sk, which waits for it until @deadline. ERR_PTR: -EAGAIN, -EINTR..., -EPIPE,
 * -ENOBUFS.
 */
struct unix_msg *unix_msg_new(struct unix_sock *sk, u32 len, ktime_t deadline);
void unix_msg_free(struct unix_msg *m);
/* sk->lock held. */
void unix_queue(struct unix_sock *sk, struct unix_msg *m);
void unix_unqueue(struct unix_sock *sk, struct unix_msg *m);
void unix_purge(struct unix_sock *sk);
/* Gives the message the files and credentials of @scm (which loses them). */
int unix_attach(struct unix_msg *m, struct scm *scm);
/*
 * Takes the files out of a message that left its queue, or copies those of one that stays (@peek). NULL: none, ERR_PTR.
 */
struct scm_files *unix_detach_files(struct unix_msg *m, bool peek);
/* Files, credentials to the program. */
void unix_put_control(struct unix_sock *sk, struct sock_msg *out, struct scm_files *files, const struct ucred *cred);
/* A message is there, or no more will come. */
bool unix_readable(const struct unix_sock *sk);
/* Waits for a message: 0, -EAGAIN, -EINTR... */
int unix_wait_data(struct unix_sock *sk, ktime_t deadline);
long unix_ioctl(struct socket *s, u32 cmd, u64 arg);

/* unix/stream.c, unix/dgram.c */
extern const struct sock_ops unix_stream_ops, unix_dgram_ops, unix_seqpacket_ops;
int unix_socketpair(struct socket *a, struct socket *b);
int unix_getname(struct socket *s, struct sockaddr_any *addr, enum sock_end end);
int unix_shutdown(struct socket *s, u32 how);
void unix_release(struct socket *s);
int unix_getsockopt(struct socket *s, int level, int opt, void *val, u32 *len);
void unix_option_changed(struct socket *s, int opt);
int unix_stream_connect(struct socket *s, const struct sockaddr_any *addr, u32 len, bool nonblock);
int unix_stream_listen(struct socket *s, int backlog);
int unix_stream_accept(struct socket *s, struct socket *child, bool nonblock);
ssize_t unix_dgram_recvmsg(struct socket *s, struct sock_msg *m);
struct fasync_list *unix_fasync(struct socket *s);
u32 unix_poll_common(struct unix_sock *sk, struct file *f, struct poll_table *pt);
ssize_t unix_pipe_error(const struct sock_msg *m); /* -EPIPE, SIGPIPE unless MSG_NOSIGNAL */

/* unix/sock.c, unix/proc.c: /proc/net */
/* The socket made after @sk (NULL: the first), with a reference, or NULL. The caller holds @sk. */
struct unix_sock *unix_next(struct unix_sock *sk);
u32 unix_count(void);
struct seq;
int unix_show_all(struct seq *s, void *arg);

/* unix/gc.c */
void unix_inflight(struct scm_files *files);
void unix_notinflight(struct scm_files *files);
/* Waits until a collection that may have missed new references to in-flight files is over. */
void unix_gc_barrier(void);
/* Drops sockets that only reach each other through messages. */
void unix_gc(void);
/* A socket was closed: there may be garbage. Now, or soon if much is in flight. */
void unix_gc_after_close(void);

#endif
