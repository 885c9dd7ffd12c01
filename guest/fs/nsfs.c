/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Namespaces as files. There is one of each kind and no more can be made, but programs look at them (/proc/PID/ns),
 * compare them, ask what kind they are, and enter those they are in already.
 */
#include <gk/fork.h>
#include <gk/init.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include "internal.h"

#define NSFS_MAGIC 0x6e736673
#define NS_GET_USERNS 0xb701
#define NS_GET_PARENT 0xb702
#define NS_GET_NSTYPE 0xb703
#define NS_GET_OWNER_UID 0xb704

static struct ns {
	const char *name;
	u32 ino; /* as Linux numbers its first ones */
	u64 clone_flag;
	struct dentry *dentry;
} namespaces[] = {
	{"cgroup", 4026531835u, CLONE_NEWCGROUP, NULL}, {"ipc", 4026531839u, CLONE_NEWIPC, NULL},
	{"mnt", 4026531841u, CLONE_NEWNS, NULL},	{"net", 4026531840u, CLONE_NEWNET, NULL},
	{"pid", 4026531836u, CLONE_NEWPID, NULL},	{"time", 4026531834u, CLONE_NEWTIME, NULL},
	{"user", 4026531837u, CLONE_NEWUSER, NULL},	{"uts", 4026531838u, CLONE_NEWUTS, NULL},
};

static struct mount *nsfs_mnt;
static const struct file_ops ns_ops;

static struct ns *find_ns(const char *name)
{
	for (u32 i = 0; i < ARRAY_SIZE(namespaces); i++) {
		if (!strcmp(namespaces[i].name, name))
			return &namespaces[i];
	}
	return NULL;
}

int nsfs_path(const char *name, struct path *out)
{
	const struct ns *ns = find_ns(name);

	if (!ns)
		return -ENOENT;
	*out = (struct path){mount_get(nsfs_mnt), dget(ns->dentry)};
	return 0;
}

/* ---- files ---- */

static long ns_ioctl(struct file *f, u32 cmd, u64 arg)
{
	const struct ns *ns = f->inode->private;
	struct path p;
	struct file *user;

	switch (cmd) {
	case NS_GET_USERNS:
		if (ns->clone_flag == CLONE_NEWUSER)
			return -EPERM; /* nobody's but the first's */
		if (nsfs_path("user", &p))
			return -ENOENT;
		user = file_open_path(&p, O_RDONLY, current->cred);
		path_put(&p);
		return IS_ERR(user) ? PTR_ERR(user) : fd_install_new(user, O_CLOEXEC);
	case NS_GET_PARENT:
		return ns->clone_flag == CLONE_NEWUSER || ns->clone_flag == CLONE_NEWPID ? -EPERM : -EINVAL;
	case NS_GET_NSTYPE:
		return (long)ns->clone_flag;
	case NS_GET_OWNER_UID:
		return ns->clone_flag == CLONE_NEWUSER ? put_user(0u, (u32 __user *)arg) : -EINVAL;
	}
	return -ENOIOCTLCMD;
}

static const struct file_ops ns_ops = {.ioctl = ns_ioctl};

static int ns_setattr(struct dentry *d, struct inode *i, const struct iattr *attr)
{
	return -EPERM;
}

static const struct inode_ops ns_inode_ops = {.setattr = ns_setattr};

static int ns_dname(struct dentry *d, char *buf, size_t size)
{
	return scnprintf(buf, size, "%s:[%lu]", d->name, (unsigned long)d->inode->ino);
}

static const struct dentry_ops ns_dentry_ops = {.dname = ns_dname};

/* ---- setns ---- */

/* To enter the mount namespace is to stand at its root. */
static void enter_mounts(void)
{
	struct path root = {mount_get(root_mount), dget(root_mount->root)};

	while (mount_follow(&root))
		;
	path_get(&root);
	fs_set_root_pwd(&root, &root);
}

static long enter(u64 kinds)
{
	if (kinds & CLONE_NEWUSER)
		return -EINVAL; /* one is in it already */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if ((kinds & CLONE_NEWNS) && refcount_read(&current->fs->refs) > 1)
		return -EINVAL;
	if ((kinds & CLONE_NEWTIME) && current->process->nr_threads > 1)
		return -EUSERS;
	if (kinds & CLONE_NEWNS)
		enter_mounts();
	return 0;
}

SYSCALL2(setns, int, fd, u32, kind)
{
	struct file *f = fd_get(fd);
	const struct ns *ns;
	struct pid *pid;
	long ret;

	if (!f)
		return -EBADF;
	if (f->ops == &ns_ops) {
		ns = f->inode->private;
		ret = kind && kind != ns->clone_flag ? -EINVAL : enter(ns->clone_flag);
	} else {
		/* All that a process is in. */
		pid = pidfd_pid(fd);
		if (IS_ERR(pid)) {
			ret = -EINVAL;
		} else {
			ret = !kind || (kind & ~(u32)CLONE_NEW_ANY) ? -EINVAL : !pid->process ? -ESRCH : enter(kind);
			pid_put(pid);
		}
	}
	file_put(f);
	return ret;
}

/* ---- start-up ---- */

static const struct super_ops nsfs_super_ops = {0};

static struct super *nsfs_mount(struct fs_type *type, u32 flags, const char *source, const char *data)
{
	struct super *sb = super_new(type, &nsfs_super_ops, NSFS_MAGIC);
	struct inode *root = sb ? inode_new(sb) : NULL;

	if (!root)
		panic("no memory for namespaces");
	root->mode = S_IFDIR | 0555;
	sb->root = d_make_root(root);
	return sb;
}

static struct fs_type nsfs = {.name = "nsfs", .mount = nsfs_mount, .nodev = true};

void nsfs_init(void)
{
	register_fs(&nsfs);
	nsfs_mnt = kern_mount("nsfs", 0, NULL, NULL);
	for (u32 i = 0; !IS_ERR(nsfs_mnt) && i < ARRAY_SIZE(namespaces); i++) {
		struct inode *inode = inode_new(nsfs_mnt->sb);
		struct dentry *d = d_alloc_anon(nsfs_mnt->sb, namespaces[i].name);

		if (!inode || !d)
			panic("no memory for namespaces");
		inode->ino = namespaces[i].ino;
		inode->mode = S_IFREG | 0444;
		inode->ops = &ns_inode_ops;
		inode->fops = &ns_ops;
		inode->private = &namespaces[i];
		d->inode = inode;
		d->ops = &ns_dentry_ops;
		namespaces[i].dentry = d;
	}
}
