/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capabilities: capget, capset, and what exec does to credentials (set-id bits, file capabilities, ambient set), by the
 * rules of capabilities(7).
 */
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/uaccess.h>

/* ---- capget, capset ---- */

#define CAPABILITY_VERSION_1 0x19980330
#define CAPABILITY_VERSION_2 0x20071026
#define CAPABILITY_VERSION_3 0x20080522

struct user_cap_header {
	u32 version;
	s32 pid;
};

struct user_cap_data {
	u32 effective, permitted, inheritable;
};

/* How many struct user_cap_data the caller means; 0: unknown version, the header now says which one we know. */
static u32 cap_words(struct user_cap_header *h, struct user_cap_header __user *uh)
{
	switch (h->version) {
	case CAPABILITY_VERSION_1:
		return 1;
	case CAPABILITY_VERSION_2:
	case CAPABILITY_VERSION_3:
		return 2;
	}
	if (put_user((u32)CAPABILITY_VERSION_3, &uh->version))
		return 0;
	return 0;
}

SYSCALL2(capget, struct user_cap_header __user *, uh, struct user_cap_data __user *, udata)
{
	struct user_cap_data data[2];
	struct user_cap_header h;
	struct cred *c;
	struct task *t;
	u32 words, i;

	if (copy_from_user(&h, uh, sizeof(h)))
		return -EFAULT;
	words = cap_words(&h, uh);
	if (!words)
		return udata ? -EINVAL : 0;
	if (h.pid < 0)
		return -EINVAL;
	if (h.pid && h.pid != task_pid_nr(current)) {
		t = find_get_task(h.pid);
		if (!t)
			return -ESRCH;
		c = task_cred_get(t);
		task_put(t);
	} else {
		c = cred_get(current->cred);
	}
	for (i = 0; i < 2; i++) {
		data[i].effective = (u32)(c->cap_effective >> 32 * i);
		data[i].permitted = (u32)(c->cap_permitted >> 32 * i);
		data[i].inheritable = (u32)(c->cap_inheritable >> 32 * i);
	}
	cred_put(c);
	return udata ? copy_to_user(udata, data, words * sizeof(data[0])) : 0;
}

SYSCALL2(capset, struct user_cap_header __user *, uh, const struct user_cap_data __user *, udata)
{
	struct user_cap_data data[2] = {{0}};
	const struct cred *old = current->cred;
	struct user_cap_header h;
	u64 effective, permitted, inheritable;
	struct cred *new;
	u32 words;

	if (copy_from_user(&h, uh, sizeof(h)))
		return -EFAULT;
	words = cap_words(&h, uh);
	if (!words)
		return -EINVAL;
	if (h.pid && h.pid != task_pid_nr(current))
		return -EPERM;
	if (copy_from_user(data, udata, words * sizeof(data[0])))
		return -EFAULT;
	effective = (data[0].effective | (u64)data[1].effective << 32) & CAP_FULL;
	permitted = (data[0].permitted | (u64)data[1].permitted << 32) & CAP_FULL;
	inheritable = (data[0].inheritable | (u64)data[1].inheritable << 32) & CAP_FULL;
	if ((inheritable & ~(old->cap_inheritable | old->cap_permitted)) && !capable(CAP_SETPCAP))
		return -EPERM;
	if ((inheritable & ~(old->cap_inheritable | old->cap_bset)) || (permitted & ~old->cap_permitted) ||
	    (effective & ~permitted))
		return -EPERM;
	new = cred_prepare();
	if (!new)
		return -ENOMEM;
	new->cap_effective = effective;
	new->cap_permitted = permitted;
	new->cap_inheritable = inheritable;
	new->cap_ambient &= permitted &inheritable;
	cred_commit(new);
	return 0;
}

/* ---- exec ---- */

/* The extended attribute security.capability: revision and flags, then two 32-bit words of each set. */
#define VFS_CAP_REVISION_MASK 0xff000000
#define VFS_CAP_REVISION_2 0x02000000
#define VFS_CAP_REVISION_3 0x03000000
#define VFS_CAP_FLAG_EFFECTIVE 0x1

struct file_caps {
	u64 permitted, inheritable;
	bool effective, present;
};

static int file_caps_read(struct inode *inode, struct file_caps *fc)
{
	u32 raw[6] = {0};
	ssize_t n;

	*fc = (struct file_caps){0};
	if (!inode->ops || !inode->ops->getxattr)
		return 0;
	n = inode->ops->getxattr(inode, "security.capability", raw, sizeof(raw));
	if (n < 0)
		return 0; /* none, or a file system that has no such thing */
	if (!(n == 20 && (raw[0] & VFS_CAP_REVISION_MASK) == VFS_CAP_REVISION_2) &&
	    !(n == 24 && (raw[0] & VFS_CAP_REVISION_MASK) == VFS_CAP_REVISION_3))
		return -EINVAL;
	fc->permitted = (raw[1] | (u64)raw[3] << 32) & CAP_FULL;
	fc->inheritable = (raw[2] | (u64)raw[4] << 32) & CAP_FULL;
	fc->effective = raw[0] & VFS_CAP_FLAG_EFFECTIVE;
	/* Revision 3 names a user namespace by its root; ours is 0. */
	fc->present = n == 20 || raw[5] == 0;
	return 0;
}

static bool may_gain(const struct file *file)
{
	if (current->no_new_privs || (file->path.mnt->flags & MS_NOSUID))
		return false;
	return !current->ptrace || capable(CAP_SYS_PTRACE);
}

static bool apply_set_id(struct cred *new, const struct inode *inode)
{
	bool set = false;

	if (inode->mode & S_ISUID) {
		set = new->euid != inode->uid;
		new->euid = inode->uid;
	}
	if ((inode->mode & (S_ISGID | 0010)) == (S_ISGID | 0010)) {
		set |= new->egid != inode->gid;
		new->egid = inode->gid;
	}
	return set;
}

/* What the file gives when it is executed by root: everything. */
static void root_caps(const struct cred *new, struct file_caps *fc)
{
	if (new->securebits & SECURE_NOROOT)
		return;
	if (fc->present && new->uid && !new->euid)
		return; /* set-user-id root with capabilities of its own: those count */
	if (!new->euid || !new->uid)
		fc->permitted = fc->inheritable = CAP_FULL;
	if (!new->euid)
		fc->effective = true;
}

int cred_exec(struct file *file, struct cred **out, bool *secure)
{
	const struct cred *old = current->cred;
	struct file_caps fc = {0};
	struct cred *new = cred_prepare();
	bool set_id = false, root_user;
	int err;

	if (!new)
		return -ENOMEM;
	if (may_gain(file)) {
		err = file_caps_read(file->inode, &fc);
		if (err) {
			cred_put(new);
			return err;
		}
		set_id = apply_set_id(new, file->inode);
		if (!fc.present)
			fc = (struct file_caps){0};
	}
	root_user = !(new->securebits &SECURE_NOROOT) && (!new->uid || !new->euid);
	root_caps(new, &fc);
	if (set_id || fc.present)
		new->cap_ambient = 0;
	new->cap_permitted =
		(old->cap_inheritable & fc.inheritable) | (fc.permitted & old->cap_bset) | new->cap_ambient;
	new->cap_effective = fc.effective ? new->cap_permitted : new->cap_ambient;
	/* A program that expects its capabilities must not run without them. */
	if (fc.present && fc.effective && !root_user && (fc.permitted & ~new->cap_permitted)) {
		cred_put(new);
		return -EPERM;
	}
	new->suid = new->fsuid = new->euid;
	new->sgid = new->fsgid = new->egid;
	new->securebits &= ~SECURE_KEEP_CAPS;
	*secure = set_id || (new->uid && (fc.effective || (new->cap_permitted & ~new->cap_ambient)));
	*out = new;
	return 0;
}

void cred_exec_commit(struct cred *c, bool secure)
{
	const struct cred *old = current->cred;
	struct process *p = current->process;
	bool changed = secure || old->euid != c->euid || old->egid != c->egid;

	cred_commit(c);
	spin_lock(&p->siglock);
	p->dumpable = !changed;
	if (changed)
		current->pdeath_signal = 0;
	spin_unlock(&p->siglock);
}
