/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials: immutable once published, shared by reference. A task changes its own by replacing them (kernel/cred.c). */
#ifndef GK_CRED_H
#define GK_CRED_H

#include <gk/atomic.h>

#define NGROUPS_MAX 65536

struct group_info {
	refcount_t refs;
	u32 n;
	kgid_t gid[]; /* sorted */
};

struct cred {
	refcount_t refs;
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

struct cred *cred_get(struct cred *c);
void cred_put(struct cred *c);
/* A private copy of the current task's credentials, to change and cred_commit(), or cred_put(). NULL: no memory. */
struct cred *cred_prepare(void);
void cred_commit(struct cred *c); /* becomes current's; consumes the reference */

bool capable(int cap);         /* current, effective */
bool in_group(kgid_t gid);     /* fsgid or supplementary, current */
bool in_egroup(kgid_t gid);

#endif
