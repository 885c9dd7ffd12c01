/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, keys and permissions of System V IPC objects. See ipc.h. */
#include "ipc/ipc.h"

#include <gk/init.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/task.h>
#include <gk/time.h>

s64 ipc_now(void)
{
	return (s64)(ktime_real() / NSEC_PER_SEC);
}

void ipc_ids_init(struct ipc_ids *ids, u32 limit, void (*free)(struct ipc_obj *o))
{
	mutex_init(&ids->mutex);
	ids->limit = limit;
	ids->next_id = -1;
	ids->free = free;
}

void ipc_put(struct ipc_ids *ids, struct ipc_obj *o)
{
	if (refcount_dec_and_test(&o->refs))
		ids->free(o);
}

int ipc_access(const struct ipc_obj *o, u32 mode)
{
	u32 want = (mode >> 6 | mode >> 3 | mode) & 7, have = o->mode;
	const struct cred *c = current->cred;

	if (c->euid == o->cuid || c->euid == o->uid)
		have >>= 6;
	else if (in_egroup(o->cgid) || in_egroup(o->gid))
		have >>= 3;
	return (want & ~have & 7) && !capable(CAP_IPC_OWNER) ? -EACCES : 0;
}

int ipc_owner(const struct ipc_obj *o)
{
	const struct cred *c = current->cred;

	return c->euid == o->cuid || c->euid == o->uid || capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
}

/* ids->mutex held. */
static struct ipc_obj *find_key(struct ipc_ids *ids, s32 key)
{
	for (u32 i = 0; i < ids->top; i++) {
		if (ids->table[i] && ids->table[i]->key == key)
			return ids->table[i];
	}
	return NULL;
}

/* ids->mutex held: room for @index at least. */
static int grow(struct ipc_ids *ids, u32 index)
{
	u32 size = ids->size ? ids->size : 16;
	void *table;

	while (size <= index)
		size *= 2;
	table = kcalloc(size, sizeof(*ids->table));
	if (!table)
		return -ENOMEM;
	if (ids->size)
		memcpy(table, ids->table, ids->size * sizeof(*ids->table));
	kfree(ids->table);
	ids->table = table;
	ids->size = size;
	return 0;
}

/* ids->mutex held. The first free index from @from on, or -errno. */
static s32 free_index(struct ipc_ids *ids, u32 from)
{
	u32 i = from;
	int ret;

	if (ids->used >= ids->limit)
		return -ENOSPC;
	while (i < ids->size && ids->table[i])
		i++;
	if (i >= IPC_MAX)
		return -ENOSPC;
	ret = i < ids->size ? 0 : grow(ids, i);
	return ret ? ret : (s32)i;
}

/* ids->mutex held. */
static long add(struct ipc_ids *ids, s32 key, u32 mode, struct ipc_obj *(*make)(void *arg), void *arg)
{
	const struct cred *c = current->cred;
	const s32 want = ids->next_id;
	s32 index = free_index(ids, want < 0 ? 0 : (u32)want % IPC_STEP);
	struct ipc_obj *o;

	if (index < 0)
		return index;
	o = make(arg);
	if (IS_ERR(o))
		return PTR_ERR(o);
	refcount_set(&o->refs, 1);
	o->key = key;
	o->seq = want < 0 ? ids->seq++ & 0x7fff : (u32)want / IPC_STEP;
	ids->next_id = -1;
	o->id = (s32)(o->seq * IPC_STEP) + index;
	o->uid = o->cuid = c->euid;
	o->gid = o->cgid = c->egid;
	o->mode = (o->mode & ~0777u) | (mode & 0777);
	ids->table[index] = o;
	ids->used++;
	ids->top = MAX(ids->top, (u32)index + 1);
	return o->id;
}

long ipc_get(struct ipc_ids *ids, s32 key, u32 flags, struct ipc_obj *(*make)(void *arg),
	     int (*check)(struct ipc_obj *o, void *arg), void *arg)
{
	struct ipc_obj *o;
	long ret;

	mutex_lock(&ids->mutex);
	o = key == IPC_PRIVATE ? NULL : find_key(ids, key);
	if (!o) {
		ret = key != IPC_PRIVATE && !(flags & IPC_CREAT) ? -ENOENT : add(ids, key, flags, make, arg);
	} else if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL)) {
		ret = -EEXIST;
	} else {
		ret = check ? check(o, arg) : 0;
		if (!ret)
			ret = ipc_access(o, flags & 0777);
		if (!ret)
			ret = o->id;
	}
	mutex_unlock(&ids->mutex);
	return ret;
}

struct ipc_obj *ipc_find(struct ipc_ids *ids, s32 id, bool by_index)
{
	u32 index = by_index ? (u32)id : (u32)id % IPC_STEP;
	struct ipc_obj *o = NULL;

	if (id < 0)
		return ERR_PTR(-EINVAL);
	mutex_lock(&ids->mutex);
	if (index < ids->size)
		o = ids->table[index];
	if (!o)
		o = ERR_PTR(-EINVAL);
	else if (!by_index && o->id != id)
		o = ERR_PTR(-EINVAL);
	else
		refcount_inc(&o->refs);
	mutex_unlock(&ids->mutex);
	return o;
}

bool ipc_remove(struct ipc_ids *ids, struct ipc_obj *o)
{
	bool mine;

	mutex_lock(&ids->mutex);
	mine = !o->removed;
	if (mine) {
		o->removed = true;
		ids->table[o->id % IPC_STEP] = NULL;
		ids->used--;
		while (ids->top && !ids->table[ids->top - 1])
			ids->top--;
	}
	mutex_unlock(&ids->mutex);
	return mine;
}

void ipc_fill_perm(const struct ipc_obj *o, struct ipc64_perm *p)
{
	*p = (struct ipc64_perm){.key = o->key,
				 .uid = o->uid,
				 .gid = o->gid,
				 .cuid = o->cuid,
				 .cgid = o->cgid,
				 .mode = o->mode,
				 .seq = (u16)o->seq};
}

void ipc_set_perm(struct ipc_ids *ids, struct ipc_obj *o, const struct ipc64_perm *p)
{
	mutex_lock(&ids->mutex);
	o->uid = p->uid;
	o->gid = p->gid;
	o->mode = (o->mode & ~0777u) | (p->mode & 0777);
	mutex_unlock(&ids->mutex);
}

void sysv_init(void)
{
	shm_init();
	sem_init();
	msg_init();
}
