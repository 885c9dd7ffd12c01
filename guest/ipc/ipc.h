/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the three kinds of System V objects share: numbers, keys, permissions (ipc/util.c).
 *
 * ids->mutex guards the table; an object found keeps a reference and is worked on under its own lock. A removed object
 * is marked and leaves the table; whoever still holds it sees obj->removed.
 */
#ifndef GUEST_IPC_IPC_H
#define GUEST_IPC_IPC_H

#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/ipc.h>
#include <gk/lock.h>
#include <gk/types.h>
#include <gk/uaccess.h>

#define IPC_CREAT 01000
#define IPC_EXCL 02000
#define IPC_NOWAIT 04000
#define IPC_PRIVATE 0
#define IPC_RMID 0
#define IPC_SET 1
#define IPC_STAT 2
#define IPC_INFO 3
#define IPC_64 0x100

#define IPC_MAX 32000  /* objects of one kind */
#define IPC_STEP 32768 /* id = sequence * IPC_STEP + index */

struct ipc64_perm { /* as programs see it */
	s32 key;
	u32 uid, gid, cuid, cgid, mode;
	u16 seq, pad;
	u64 unused1, unused2;
};
_Static_assert(sizeof(struct ipc64_perm) == 48, "struct ipc64_perm");

struct ipc_obj {
	refcount_t refs; /* the table's, and users' */
	bool removed;	 /* ids->mutex and the object's lock to set */
	s32 id, key;
	u32 seq;
	kuid_t uid, cuid; /* ids->mutex */
	kgid_t gid, cgid;
	u32 mode;
};

struct ipc_ids {
	struct mutex mutex;
	struct ipc_obj **table; /* mutex: grows */
	u32 size, used, top;	/* mutex: slots, objects, highest index in use + 1 */
	u32 limit;		/* objects at most; root may change it */
	u32 seq;
	s32 next_id; /* mutex: the number the next object shall have (/proc/sys/kernel/msg_next_id...), or -1 */
	void (*free)(struct ipc_obj *o); /* last reference */
};

void ipc_ids_init(struct ipc_ids *ids, u32 limit, void (*free)(struct ipc_obj *o));
/*
 * The get call: finds the object with @key or makes one with @make(arg) (refs 1; owner and mode are set here), checks
 * with @check what is found (NULL: nothing). The id or -errno.
 */
long ipc_get(struct ipc_ids *ids, s32 key, u32 flags, struct ipc_obj *(*make)(void *arg),
	     int (*check)(struct ipc_obj *o, void *arg), void *arg);
/* The object with @id and a reference, or ERR_PTR(-EINVAL, -EIDRM). @by_index: *_STAT, an index of the table. */
struct ipc_obj *ipc_find(struct ipc_ids *ids, s32 id, bool by_index);
void ipc_put(struct ipc_ids *ids, struct ipc_obj *o);
/* May current do this (mode bits as in 0600)? */
int ipc_access(const struct ipc_obj *o, u32 mode);
/* May current change or remove it? */
int ipc_owner(const struct ipc_obj *o);
/* ids->mutex not held: takes @o out of the table; false if somebody was faster. */
bool ipc_remove(struct ipc_ids *ids, struct ipc_obj *o);
void ipc_fill_perm(const struct ipc_obj *o, struct ipc64_perm *p);
void ipc_set_perm(struct ipc_ids *ids, struct ipc_obj *o, const struct ipc64_perm *p);
/* The lines of a file of /proc/sysvipc, as Linux words them: @show for each object, with ids->mutex held. */
struct seq;
void ipc_show_all(struct seq *s, struct ipc_ids *ids, void (*show)(struct seq *s, struct ipc_obj *o));
/* A number of /proc/sys/kernel that root may change: 32 or 64 bits wide at @value, at most @max. At start-up. */
struct ipc_limit {
	const char *path;
	void *value;
	u32 size;
	u64 max;
};
void ipc_limits_init(const struct ipc_limit *limits, u32 n);
/* /proc/sys/kernel/@name: ids->next_id. At start-up. */
void ipc_next_id_init(const char *path, struct ipc_ids *ids);
/* CLOCK_REALTIME in seconds. */
s64 ipc_now(void);

/* ipc/shm.c, sem.c, msg.c */
void shm_init(void);
void sem_init(void);
void msg_init(void);

#endif
