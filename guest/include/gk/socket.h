/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets: the layer between the system calls (net/socket.c) and an address family.
 *
 * A family registers itself and makes sockets; a socket's ops do the work. What all families have in common (options at
 * SOL_SOCKET, time-outs, control messages, passing of descriptors) is in the generic layer.
 */
#ifndef GK_SOCKET_H
#define GK_SOCKET_H

#include <gk/fs.h>
#include <gk/poll.h>

#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10
#define AF_NETLINK 16
#define AF_MAX 46

#define SOCK_STREAM 1
#define SOCK_DGRAM 2
#define SOCK_RAW 3
#define SOCK_SEQPACKET 5
#define SOCK_TYPE_MASK 0xf
#define SOCK_CLOEXEC O_CLOEXEC
#define SOCK_NONBLOCK O_NONBLOCK

#define SOL_SOCKET 1
#define SCM_RIGHTS 1
#define SCM_CREDENTIALS 2
#define SCM_MAX_FD 253

#define MSG_OOB 0x1u
#define MSG_PEEK 0x2u
#define MSG_DONTROUTE 0x4u
#define MSG_CTRUNC 0x8u
#define MSG_TRUNC 0x20u
#define MSG_DONTWAIT 0x40u
#define MSG_EOR 0x80u
#define MSG_WAITALL 0x100u
#define MSG_ERRQUEUE 0x2000u
#define MSG_NOSIGNAL 0x4000u
#define MSG_MORE 0x8000u
#define MSG_WAITFORONE 0x10000u
#define MSG_FASTOPEN 0x20000000u
#define MSG_CMSG_CLOEXEC 0x40000000u

/* socket->shutdown of those families that keep it: ours towards the peer, the peer's towards us. */
#define SHUT_RECV 1u
#define SHUT_SEND 2u
#define SHUT_BOTH 3u

struct sockaddr_any { /* any address: the family, then what it likes */
	u16 family;
	char data[126];
};
_Static_assert(sizeof(struct sockaddr_any) == 128, "struct sockaddr_storage");

struct ucred {
	s32 pid;
	u32 uid, gid;
};

/* Open files on their way in a message. */
struct scm_files {
	struct list_head link;
	u32 n;
	struct file *file[]; /* references */
};

/* One sendmsg or recvmsg. */
struct sock_msg {
	struct sockaddr_any *name; /* send: destination, or NULL. recv: room for the source, or NULL */
	u32 namelen;		   /* send: bytes. recv: set to the source's length (0: none) */
	struct iov_iter it;
	u32 flags; /* send, recv: MSG_* asked for, MSG_DONTWAIT included for O_NONBLOCK */
	/* send */
	const void *control; /* kernel copy */
	size_t control_len;
	/* recv */
	void __user *control_out;
	size_t control_room;
	u32 out_flags; /* MSG_TRUNC, MSG_CTRUNC, MSG_EOR... */
};

/* Whose name; SOCK_ACCEPTED: the peer's as accept() tells it, also when the connection is over again. */
enum sock_end { SOCK_OWN, SOCK_PEER, SOCK_ACCEPTED };

struct socket;
struct sock_ops {
	int (*bind)(struct socket *s, const struct sockaddr_any *addr, u32 len);
	int (*connect)(struct socket *s, const struct sockaddr_any *addr, u32 len, bool nonblock);
	int (*listen)(struct socket *s, int backlog);
	/* Gives @child, a fresh socket of the same family and type without ops' state, the next connection. */
	int (*accept)(struct socket *s, struct socket *child, bool nonblock);
	int (*getname)(struct socket *s, struct sockaddr_any *addr, enum sock_end end); /* length or -errno */
	int (*shutdown)(struct socket *s, u32 how);					/* SHUT_* */
	ssize_t (*sendmsg)(struct socket *s, struct sock_msg *m);
	ssize_t (*recvmsg)(struct socket *s, struct sock_msg *m);
	u32 (*poll)(struct socket *s, struct file *f, struct poll_table *pt);
	long (*ioctl)(struct socket *s, u32 cmd, u64 arg); /* -ENOIOCTLCMD: unknown */
	/* Levels and options the generic layer does not know; -ENOPROTOOPT. @val is a kernel copy of at most 4 KB. */
	int (*setsockopt)(struct socket *s, int level, int opt, const void *val, u32 len);
	/* Writes at most *len bytes to @val and sets *len. */
	int (*getsockopt)(struct socket *s, int level, int opt, void *val, u32 *len);
	int (*socketpair)(struct socket *a, struct socket *b);
	/* A generic option changed (SO_SNDBUF, SO_PASSCRED...); may be NULL. */
	void (*option_changed)(struct socket *s, int opt);
	/* Whom SIGIO tells of the socket; NULL: nobody can ask. */
	struct fasync_list *(*fasync)(struct socket *s);
	void (*release)(struct socket *s);
};

struct socket {
	const struct sock_ops *ops;
	u16 domain, type;
	int protocol;
	struct file *file; /* no reference: it owns us */
	void *sk;	   /* the family's */
	/* Options; written whole, read without a lock. */
	u64 rcvtimeo, sndtimeo; /* ns; KTIME_NEVER: none */
	u32 sndbuf, rcvbuf, rcvlowat, priority, mark;
	s32 linger_on, linger_s;
	bool passcred, reuseaddr, reuseport, keepalive, broadcast, oobinline, timestamp, timestampns, dontroute, debug,
		no_check;
	s32 error, *errorp; /* atomic: SO_ERROR; the family may keep it elsewhere */
};

struct sock_family {
	u16 domain;
	/* Sets s->ops and s->sk for s->type, s->protocol. 0, -ESOCKTNOSUPPORT, -EPROTONOSUPPORT, -EACCES, -ENOMEM... */
	int (*create)(struct socket *s);
	struct sock_family *next;
};

/* ---- net/socket.c ---- */
void sock_register(struct sock_family *fam);
/* The socket behind an open file, or NULL. */
struct socket *file_socket(const struct file *f);
/* A new socket with an open file around it (the file owns it), or -errno. @flags: O_NONBLOCK. */
int sock_create_file(int domain, int type, int protocol, u32 flags, struct file **out);
/* Until when a call waits (0: not at all). */
static inline ktime_t sock_deadline(u64 timeo, bool nonblock)
{
	if (nonblock)
		return 0;
	return timeo == KTIME_NEVER ? KTIME_NEVER : ktime_mono() + timeo;
}
/*
 * Waits for @cond on the wait queue @q: 0; -EAGAIN at the deadline; a signal: -ERESTARTSYS, or -EINTR if there is a
 * deadline.
 */
#define sock_wait(q, cond, deadline) sock_wait_result(wait_event_interruptible_until(q, cond, deadline), deadline)
static inline int sock_wait_result(int ret, ktime_t deadline)
{
	if (!ret)
		return 0;
	if (ret == -ETIME)
		return -EAGAIN;
	return deadline == KTIME_NEVER ? -ERESTARTSYS : -EINTR;
}
/* The pending error (negative), which is taken; 0 if none. */
static inline int sock_take_error(struct socket *s)
{
	return READ_ONCE(*s->errorp) ? -atomic_xchg(s->errorp, 0) : 0;
}

/* ---- net/iface.c: SIOCGIF* on any socket; -ENOIOCTLCMD ---- */
long iface_ioctl(u32 cmd, u64 arg);

/* ---- net/proc.c ---- */
void net_proc_init(void);

/* ---- net/sockopt.c ---- */
int sock_set_option(struct socket *s, int opt, const void *val, u32 len);
int sock_get_option(struct socket *s, int opt, void *val, u32 *len);

/* ---- net/scm.c: control messages ---- */
struct scm {
	struct scm_files *files; /* owned */
	struct ucred cred;
};
/* Calls @fn for each control message of a send, until it returns non-zero: that, or -EINVAL. */
typedef int (*scm_func_t)(void *arg, int level, int type, const void *data, u32 len);
int scm_walk(const struct sock_msg *m, scm_func_t fn, void *arg);
/* Reads m->control of a send; cred is the sender's unless it says otherwise. 0, -EINVAL, -EBADF, -EPERM, -ENOMEM... */
int scm_parse(struct socket *s, const struct sock_msg *m, struct scm *scm);
/* Adds a control message for the program; cut (MSG_CTRUNC) if there is no room. */
void scm_put(struct sock_msg *m, int level, int type, const void *data, u32 len);
/* Installs files as descriptors of current and tells it; what does not fit is closed (MSG_CTRUNC). Consumes @files. */
void scm_put_files(struct sock_msg *m, struct scm_files *files);
struct scm_files *scm_files_dup(const struct scm_files *files); /* new references; NULL: no memory */
void scm_files_free(struct scm_files *files);

#endif
