/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User and group ids: get and set, supplementary groups. The rules of credentials(7) and capabilities(7).
 * There is one id space: ids are as programs see them; (id)-1 means "leave".
 */
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/slab.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/uaccess.h>

#define NO_ID ((u32)-1)
#define CAP_FS_SET                                                                                                     \
	(1ull << CAP_CHOWN | 1ull << CAP_MKNOD | 1ull << CAP_DAC_OVERRIDE | 1ull << CAP_DAC_READ_SEARCH |              \
	 1ull << CAP_FOWNER | 1ull << CAP_FSETID | 1ull << CAP_LINUX_IMMUTABLE | 1ull << 32 /* MAC_OVERRIDE */)

SYSCALL0(getuid)
{
	return current->cred->uid;
}

SYSCALL0(geteuid)
{
	return current->cred->euid;
}

SYSCALL0(getgid)
{
	return current->cred->gid;
}

SYSCALL0(getegid)
{
	return current->cred->egid;
}

SYSCALL3(getresuid, kuid_t __user *, r, kuid_t __user *, e, kuid_t __user *, s)
{
	const struct cred *c = current->cred;

	if (put_user(c->uid, r) || put_user(c->euid, e) || put_user(c->suid, s))
		return -EFAULT;
	return 0;
}

SYSCALL3(getresgid, kgid_t __user *, r, kgid_t __user *, e, kgid_t __user *, s)
{
	const struct cred *c = current->cred;

	if (put_user(c->gid, r) || put_user(c->egid, e) || put_user(c->sgid, s))
		return -EFAULT;
	return 0;
}

/* Capabilities follow user ids between 0 and others, unless securebits say no. */
static void fixup_caps(struct cred *new, const struct cred *old)
{
	bool had_root = !old->uid || !old->euid || !old->suid;
	bool has_root = !new->uid || !new->euid || !new->suid;

	if (new->securebits & SECURE_NO_SETUID_FIXUP)
		return;
	if (had_root && !has_root) {
		if (!(new->securebits &SECURE_KEEP_CAPS)) {
			new->cap_permitted = 0;
			new->cap_effective = 0;
		}
		new->cap_ambient = 0;
	}
	if (!old->euid && new->euid)
		new->cap_effective = 0;
	if (old->euid && !new->euid)
		new->cap_effective = new->cap_permitted;
}

static void fixup_fs_caps(struct cred *new, const struct cred *old)
{
	if (new->securebits & SECURE_NO_SETUID_FIXUP)
		return;
	if (!old->fsuid && new->fsuid)
		new->cap_effective &= ~CAP_FS_SET;
	if (old->fsuid && !new->fsuid)
		new->cap_effective |= new->cap_permitted &CAP_FS_SET;
}

/* Takes over a new real id: 0 or -EAGAIN. */
static int set_user(struct cred *new)
{
	struct user *u;

	if (new->user->uid == new->uid)
		return 0;
	u = user_find_get(new->uid);
	if (!u)
		return -EAGAIN;
	user_put(new->user);
	new->user = u;
	return 0;
}

/* Real, effective and saved id have their new values in @new. */
static long finish_uid(struct cred *new)
{
	int err = set_user(new);

	if (err) {
		cred_put(new);
		return err;
	}
	new->fsuid = new->euid;
	fixup_caps(new, current->cred);
	cred_commit(new);
	return 0;
}

static long finish_gid(struct cred *new)
{
	new->fsgid = new->egid;
	cred_commit(new);
	return 0;
}

static long refuse(struct cred *new)
{
	cred_put(new);
	return -EPERM;
}

SYSCALL1(setuid, kuid_t, uid)
{
	const struct cred *old = current->cred;
	struct cred *new;

	if (uid == NO_ID)
		return -EINVAL;
	new = cred_prepare();
	if (!new)
		return -ENOMEM;
	if (capable(CAP_SETUID))
		new->uid = new->suid = uid;
	else if (uid != old->uid && uid != old->suid)
		return refuse(new);
	new->euid = uid;
	return finish_uid(new);
}

SYSCALL1(setgid, kgid_t, gid)
{
	const struct cred *old = current->cred;
	struct cred *new;

	if (gid == NO_ID)
		return -EINVAL;
	new = cred_prepare();
	if (!new)
		return -ENOMEM;
	if (capable(CAP_SETGID))
		new->gid = new->sgid = gid;
	else if (gid != old->gid && gid != old->sgid)
		return refuse(new);
	new->egid = gid;
	return finish_gid(new);
}

SYSCALL2(setreuid, kuid_t, ruid, kuid_t, euid)
{
	const struct cred *old = current->cred;
	struct cred *new = cred_prepare();
	bool cap = capable(CAP_SETUID);

	if (!new)
		return -ENOMEM;
	if (ruid != NO_ID) {
		if (ruid != old->uid && ruid != old->euid && !cap)
			return refuse(new);
		new->uid = ruid;
	}
	if (euid != NO_ID) {
		if (euid != old->uid && euid != old->euid && euid != old->suid && !cap)
			return refuse(new);
		new->euid = euid;
	}
	if (ruid != NO_ID || (euid != NO_ID && euid != old->uid))
		new->suid = new->euid;
	return finish_uid(new);
}

SYSCALL2(setregid, kgid_t, rgid, kgid_t, egid)
{
	const struct cred *old = current->cred;
	struct cred *new = cred_prepare();
	bool cap = capable(CAP_SETGID);

	if (!new)
		return -ENOMEM;
	if (rgid != NO_ID) {
		if (rgid != old->gid && rgid != old->egid && !cap)
			return refuse(new);
		new->gid = rgid;
	}
	if (egid != NO_ID) {
		if (egid != old->gid && egid != old->egid && egid != old->sgid && !cap)
			return refuse(new);
		new->egid = egid;
	}
	if (rgid != NO_ID || (egid != NO_ID && egid != old->gid))
		new->sgid = new->egid;
	return finish_gid(new);
}

SYSCALL3(setresuid, kuid_t, r, kuid_t, e, kuid_t, s)
{
	const struct cred *old = current->cred;
	const kuid_t ids[3] = {r, e, s};
	struct cred *new = cred_prepare();
	u32 i;

	if (!new)
		return -ENOMEM;
	for (i = 0; i < 3; i++) {
		if (ids[i] != NO_ID && ids[i] != old->uid && ids[i] != old->euid && ids[i] != old->suid &&
		    !capable(CAP_SETUID))
			return refuse(new);
	}
	if (r != NO_ID)
		new->uid = r;
	if (e != NO_ID)
		new->euid = e;
	if (s != NO_ID)
		new->suid = s;
	return finish_uid(new);
}

SYSCALL3(setresgid, kgid_t, r, kgid_t, e, kgid_t, s)
{
	const struct cred *old = current->cred;
	const kgid_t ids[3] = {r, e, s};
	struct cred *new = cred_prepare();
	u32 i;

	if (!new)
		return -ENOMEM;
	for (i = 0; i < 3; i++) {
		if (ids[i] != NO_ID && ids[i] != old->gid && ids[i] != old->egid && ids[i] != old->sgid &&
		    !capable(CAP_SETGID))
			return refuse(new);
	}
	if (r != NO_ID)
		new->gid = r;
	if (e != NO_ID)
		new->egid = e;
	if (s != NO_ID)
		new->sgid = s;
	return finish_gid(new);
}

/* These two never fail: they return the old id whatever happens. */
SYSCALL1(setfsuid, kuid_t, uid)
{
	const struct cred *old = current->cred;
	kuid_t was = old->fsuid;
	struct cred *new;

	if (uid == NO_ID || uid == was ||
	    (uid != old->uid && uid != old->euid && uid != old->suid && !capable(CAP_SETUID)))
		return was;
	new = cred_prepare();
	if (!new)
		return was;
	new->fsuid = uid;
	fixup_fs_caps(new, old);
	cred_commit(new);
	return was;
}

SYSCALL1(setfsgid, kgid_t, gid)
{
	const struct cred *old = current->cred;
	kgid_t was = old->fsgid;
	struct cred *new;

	if (gid == NO_ID || gid == was ||
	    (gid != old->gid && gid != old->egid && gid != old->sgid && !capable(CAP_SETGID)))
		return was;
	new = cred_prepare();
	if (!new)
		return was;
	new->fsgid = gid;
	cred_commit(new);
	return was;
}

SYSCALL2(getgroups, int, size, kgid_t __user *, list)
{
	const struct group_info *g = current->cred->groups;

	if (size < 0)
		return -EINVAL;
	if (!size)
		return g->n;
	if ((u32)size < g->n)
		return -EINVAL;
	if (copy_to_user(list, g->gid, g->n * sizeof(g->gid[0])))
		return -EFAULT;
	return g->n;
}

SYSCALL2(setgroups, size_t, size, const kgid_t __user *, list)
{
	struct group_info *g;
	struct cred *new;
	u32 i;

	if (!capable(CAP_SETGID))
		return -EPERM;
	if (size > NGROUPS_MAX)
		return -EINVAL;
	g = groups_alloc((u32)size);
	if (!g)
		return -ENOMEM;
	if (copy_from_user(g->gid, list, size * sizeof(g->gid[0]))) {
		kfree(g);
		return -EFAULT;
	}
	for (i = 0; i < g->n; i++) {
		if (g->gid[i] == NO_ID) {
			kfree(g);
			return -EINVAL;
		}
	}
	groups_sort(g);
	new = cred_prepare();
	if (!new) {
		kfree(g);
		return -ENOMEM;
	}
	/* @new has a reference of its own to the old list; the last user frees it. */
	if (refcount_dec_and_test(&new->groups->refs))
		kfree(new->groups);
	new->groups = g;
	cred_commit(new);
	return 0;
}
