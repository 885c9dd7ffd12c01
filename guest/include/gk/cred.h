/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials: immutable once published, shared by reference. A task changes its own by replacing them (kernel/cred.c).
 */
#ifndef GK_CRED_H
#define GK_CRED_H

#include <gk/atomic.h>
#include <gk/list.h>

struct file;
struct process;
struct task;

#define NGROUPS_MAX 65536

struct group_info {
	refcount_t refs;
	u32 n;
	kgid_t gid[]; /* sorted */
};

/* What is counted per real user id, over all processes of it. */
struct user {
	refcount_t refs;
	kuid_t uid;
	struct list_head link;
	u32 sigpending;	  /* atomic: queued signals and POSIX timers, against RLIMIT_SIGPENDING */
	u32 processes;	  /* atomic: tasks, against RLIMIT_NPROC (fork.c, exit.c) */
	u64 mqueue_bytes; /* atomic: POSIX message queues, against RLIMIT_MSGQUEUE (ipc/mqueue.c) */
};

struct cred {
	refcount_t refs;
	struct user *user; /* of uid; reference */
	kuid_t uid, euid, suid, fsuid;
	kgid_t gid, egid, sgid, fsgid;
	u64 cap_inheritable, cap_permitted, cap_effective, cap_bset, cap_ambient;
	u32 securebits;
	struct group_info *groups;
};

#define CAP_CHOWN 0
#define CAP_DAC_OVERRIDE 1
#define CAP_DAC_READ_SEARCH 2
#define CAP_FOWNER 3
#define CAP_FSETID 4
#define CAP_KILL 5
#define CAP_SETGID 6
#define CAP_SETUID 7
#define CAP_SETPCAP 8
#define CAP_LINUX_IMMUTABLE 9
#define CAP_NET_BIND_SERVICE 10
#define CAP_NET_ADMIN 12
#define CAP_NET_RAW 13
#define CAP_IPC_LOCK 14
#define CAP_IPC_OWNER 15
#define CAP_SYS_CHROOT 18
#define CAP_SYS_PTRACE 19
#define CAP_SYS_ADMIN 21
#define CAP_SYS_BOOT 22
#define CAP_SYS_NICE 23
#define CAP_SYS_RESOURCE 24
#define CAP_SYS_TIME 25
#define CAP_SYS_TTY_CONFIG 26
#define CAP_MKNOD 27
#define CAP_LEASE 28
#define CAP_SETFCAP 31
#define CAP_LAST 40
#define CAP_FULL ((1ull << (CAP_LAST + 1)) - 1)

#define SECURE_NOROOT 0x1
#define SECURE_NOROOT_LOCKED 0x2
#define SECURE_NO_SETUID_FIXUP 0x4
#define SECURE_NO_SETUID_FIXUP_LOCKED 0x8
#define SECURE_KEEP_CAPS 0x10
#define SECURE_KEEP_CAPS_LOCKED 0x20
#define SECURE_NO_CAP_AMBIENT_RAISE 0x40
#define SECURE_NO_CAP_AMBIENT_RAISE_LOCKED 0x80

/* struct user of @uid with a reference, or NULL. */
struct user *user_find_get(kuid_t uid);
struct user *user_get(struct user *u);
void user_put(struct user *u);

/* The credentials of the first task: root with everything; to be adapted before it is published. */
struct cred *cred_new_root(void);
struct group_info *groups_alloc(u32 n);
void groups_sort(struct group_info *g);
void groups_put(struct group_info *g);
struct cred *cred_get(struct cred *c);
void cred_put(struct cred *c);
/* A private copy of the current task's credentials, to change and cred_commit(), or cred_put(). NULL: no memory. */
struct cred *cred_prepare(void);
void cred_commit(struct cred *c); /* becomes current's; consumes the reference */

/* Another task's credentials, with a reference. No lock held. */
struct cred *task_cred_get(struct task *t);

/*
 * exec: the credentials after executing @file, by its set-id bits and file capabilities. *out is to be committed with
 * cred_exec_commit() when exec can no longer fail, or put. *secure: AT_SECURE. 0 or -errno.
 */
int cred_exec(struct file *file, struct cred **out, bool *secure);
/* Makes @c current's; sets dumpable, forgets the parent-death signal if privileges changed. Consumes the reference. */
void cred_exec_commit(struct cred *c, bool secure);

bool capable(int cap);	   /* current, effective */
bool in_group(kgid_t gid); /* fsgid or supplementary, current */
bool in_egroup(kgid_t gid);

#endif
