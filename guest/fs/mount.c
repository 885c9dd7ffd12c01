/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of mounts: one for the whole sandbox (there is one mount namespace).
 *
 * A mount in the tree holds its parent and the dentry it covers and is held once by the tree. A name is covered when
 * dentry->mounted is not 0; which mount covers it depends on the mount it is seen through, hence the hash by both.
 * Propagation (shared, slave) does not exist: everything is private.
 *
 * Locks: mount_lock (spinlock, leaf but for reference counts) protects tree, hash, list and mounted counts. mount_mutex
 * serializes changes and is taken before any inode lock.
 */
#include <gk/poll.h>
#include "internal.h"

#define MOUNT_HASH 64

spinlock_t mount_lock = SPINLOCK_INIT;
struct mount *root_mount;
static DEFINE_MUTEX(mount_mutex);
static struct mount *hash[MOUNT_HASH]; /* mount_lock */
static LIST_HEAD(all_mounts);	       /* mount_lock */
static u32 mount_ids;
static u64 mount_seq;

DEFINE_WAIT_QUEUE(mount_wait);

/* mount_lock held. */
static void tree_changed(void)
{
	WRITE_ONCE(mount_seq, mount_seq + 1);
	if (wait_queue_active(&mount_wait))
		wake_up_all_poll(&mount_wait, EPOLLIN | EPOLLRDNORM | EPOLLERR | EPOLLPRI);
}

u64 mount_sequence(void)
{
	return READ_ONCE(mount_seq);
}

struct mount *mount_get(struct mount *m)
{
	refcount_inc(&m->refs);
	return m;
}

void mount_put(struct mount *m)
{
	if (!m || !refcount_dec_and_test(&m->refs))
		return;
	dput(m->root);
	super_put(m->sb);
	kfree(m->source);
	kfree(m);
}

void path_get(const struct path *p)
{
	mount_get(p->mnt);
	dget(p->dentry);
}

void path_put(const struct path *p)
{
	dput(p->dentry);
	mount_put(p->mnt);
}

int mnt_want_write(const struct path *p)
{
	return (p->mnt->flags | p->mnt->sb->flags) & MS_RDONLY ? -EROFS : 0;
}

/* Takes a reference on @sb and @root. */
static struct mount *mount_alloc(struct super *sb, struct dentry *root, u32 flags, const char *source)
{
	struct mount *m = kzalloc(sizeof(*m));

	if (!m)
		return NULL;
	m->source = kstrdup(source && *source ? source : "none");
	if (!m->source) {
		kfree(m);
		return NULL;
	}
	refcount_set(&m->refs, 1);
	refcount_inc(&sb->refs);
	m->sb = sb;
	m->root = dget(root);
	m->flags = flags;
	m->id = atomic_add_return(&mount_ids, 1) + 20;
	list_init(&m->link);
	list_init(&m->children);
	list_init(&m->child_link);
	return m;
}

#define MOUNT_FLAGS                                                                                                    \
	(MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MNT_NOSYMFOLLOW)
#define ATIME_FLAGS (MS_NOATIME | MS_NODIRATIME | MS_RELATIME)

static u32 mount_flags(u32 flags)
{
	u32 f = flags & MOUNT_FLAGS;

	if (flags & MS_STRICTATIME)
		return f & ~(u32)(MS_RELATIME | MS_NOATIME);
	return f & MS_NOATIME ? f : f | MS_RELATIME;
}

static struct mount *mount_new(const char *type, u32 flags, const char *source, const char *data)
{
	struct fs_type *t = find_fs(type);
	struct super *sb;
	struct mount *m;

	if (!t)
		return ERR_PTR(-ENODEV);
	sb = t->mount(t, flags, source, data);
	if (IS_ERR(sb))
		return ERR_CAST(sb);
	if (source && !sb->source[0])
		strscpy(sb->source, source, sizeof(sb->source));
	m = mount_alloc(sb, sb->root, mount_flags(flags), source);
	super_put(sb);
	return m ? m : ERR_PTR(-ENOMEM);
}

struct mount *kern_mount(const char *type, u32 flags, const char *source, const char *data)
{
	return mount_new(type, flags, source, data);
}

static struct mount **hash_slot(const struct mount *parent, const struct dentry *d)
{
	return &hash[(((u64)parent >> 5) ^ ((u64)d >> 6)) * 0x9e3779b97f4a7c15ull >> 58];
}

/* mount_lock held. */
static struct mount *find_mount(const struct mount *parent, const struct dentry *d)
{
	struct mount *m = *hash_slot(parent, d);

	while (m && (m->parent != parent || m->mountpoint != d))
		m = m->hash_next;
	return m;
}

struct mount *lookup_mount(const struct path *p)
{
	struct mount *m;

	if (!READ_ONCE(p->dentry->mounted))
		return NULL;
	spin_lock(&mount_lock);
	m = find_mount(p->mnt, p->dentry);
	if (m)
		mount_get(m);
	spin_unlock(&mount_lock);
	return m;
}

bool mount_follow(struct path *p)
{
	struct mount *m = lookup_mount(p);

	if (!m)
		return false;
	path_put(p);
	p->mnt = m;
	p->dentry = dget(m->root);
	return true;
}

/* mount_lock held. The tree takes over the caller's reference to @m. */
static void attach(struct mount *m, const struct path *at)
{
	struct mount **slot = hash_slot(at->mnt, at->dentry);

	m->parent = mount_get(at->mnt);
	m->mountpoint = dget(at->dentry);
	at->dentry->mounted++;
	m->hash_next = *slot;
	*slot = m;
	list_add_tail(&m->child_link, &at->mnt->children);
	list_add_tail(&m->link, &all_mounts);
	m->flags &= ~MNT_DETACHED;
	tree_changed();
}

/* mount_lock held. The caller gets the references to parent and mountpoint that the mount had. */
static struct path detach(struct mount *m)
{
	const struct path at = {m->parent, m->mountpoint};
	struct mount **slot = hash_slot(m->parent, m->mountpoint);

	while (*slot != m)
		slot = &(*slot)->hash_next;
	*slot = m->hash_next;
	m->mountpoint->mounted--;
	m->parent = NULL;
	m->mountpoint = NULL;
	list_del(&m->child_link);
	list_del(&m->link);
	m->flags |= MNT_DETACHED;
	tree_changed();
	return at;
}

int for_each_mount(int (*fn)(struct mount *m, void *arg), void *arg)
{
	struct mount *m, *prev = NULL;
	int ret = 0;

	/* A mount taken off the list while we sleep ends the walk early: a listing may miss what follows. */
	spin_lock(&mount_lock);
	for (m = list_entry(all_mounts.next, struct mount, link); &m->link != &all_mounts;
	     m = list_entry(m->link.next, struct mount, link)) {
		mount_get(m);
		spin_unlock(&mount_lock);
		mount_put(prev);
		prev = m;
		ret = fn(m, arg);
		spin_lock(&mount_lock);
		if (ret || (m->flags & MNT_DETACHED))
			break;
	}
	spin_unlock(&mount_lock);
	mount_put(prev);
	return ret;
}

void mount_init(void)
{
	struct mount *m = mount_new("tmpfs", 0, "rootfs", "mode=755");

	if (IS_ERR(m))
		panic("cannot mount the first root: %ld", PTR_ERR(m));
	spin_lock(&mount_lock);
	root_mount = m;
	list_add_tail(&m->link, &all_mounts);
	spin_unlock(&mount_lock);
}

/* Takes all mounts below @top out of the tree, leaves first. mount_mutex held. */
static void detach_below(struct mount *top)
{
	for (;;) {
		struct mount *m = top, *next;
		struct path at;

		spin_lock(&mount_lock);
		while ((next = list_first_entry_or_null(&m->children, struct mount, child_link)))
			m = next;
		if (m == top) {
			spin_unlock(&mount_lock);
			return;
		}
		at = detach(m);
		spin_unlock(&mount_lock);
		path_put(&at);
		mount_put(m); /* the tree's */
	}
}

static void detach_tree(struct mount *top)
{
	struct path at;

	detach_below(top);
	spin_lock(&mount_lock);
	at = detach(top);
	spin_unlock(&mount_lock);
	path_put(&at);
	mount_put(top);
}

/* Puts @m (reference consumed) at @at: a directory on a directory, a file on a file. */
static int graft(struct mount *m, const struct path *at)
{
	if (S_ISDIR(m->root->inode->mode) != S_ISDIR(at->dentry->inode->mode)) {
		mutex_lock(&mount_mutex);
		detach_below(m);
		mutex_unlock(&mount_mutex);
		mount_put(m);
		return -ENOTDIR;
	}
	mutex_lock(&mount_mutex);
	spin_lock(&mount_lock);
	attach(m, at);
	spin_unlock(&mount_lock);
	mutex_unlock(&mount_mutex);
	return 0;
}

int mount_at(struct mount *m, const struct path *at)
{
	return graft(m, at);
}

struct mount *mount_clone(struct mount *m, struct dentry *root)
{
	struct mount *copy = mount_alloc(m->sb, root, m->flags & ~MNT_DETACHED, m->source);

	return copy ? copy : ERR_PTR(-ENOMEM);
}

static int do_new_mount(const char *type, const char *source, const struct path *at, u32 flags, const char *data)
{
	struct mount *m;

	if (!type)
		return -EINVAL;
	m = mount_new(type, flags, source, data);
	if (IS_ERR(m))
		return (int)PTR_ERR(m);
	return graft(m, at);
}

/* The next mount of the tree below @top after @m, parents first; NULL: done. mount_lock held. */
static struct mount *next_mount(struct mount *m, struct mount *top)
{
	if (!list_empty(&m->children))
		return list_first_entry(&m->children, struct mount, child_link);
	while (m != top) {
		if (m->child_link.next != &m->parent->children)
			return list_next_entry(m, child_link);
		m = m->parent;
	}
	return NULL;
}

/* Copies the mounts below @from (seen under dentry @root) to the copy @to, as far as memory goes. mount_mutex held. */
static void copy_submounts(struct mount *from, struct dentry *root, struct mount *to)
{
	struct mount *m, *copy;

	for (m = next_mount(from, from); m; m = next_mount(m, from)) {
		struct mount *parent = NULL, *p;
		struct path at;

		if (m->parent == from && !d_is_ancestor(root, m->mountpoint))
			continue;
		/* The copy of m's parent: same super block and root, found by walking the copy in the same order. */
		for (p = to; p; p = next_mount(p, to)) {
			if (p->sb == m->parent->sb && (p == to ? m->parent == from : p->root == m->parent->root)) {
				parent = p;
				break;
			}
		}
		if (!parent)
			continue;
		copy = mount_alloc(m->sb, m->root, m->flags, m->source);
		if (!copy)
			return;
		at = (struct path){parent, m->mountpoint};
		spin_lock(&mount_lock);
		attach(copy, &at);
		spin_unlock(&mount_lock);
	}
}

static int do_bind(const char *source, const struct path *at, u32 flags)
{
	struct path from;
	struct mount *m;
	int err;

	if (!source || !*source)
		return -EINVAL;
	err = path_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, &from);
	if (err)
		return err;
	m = mount_alloc(from.mnt->sb, from.dentry, from.mnt->flags & ~MNT_DETACHED, from.mnt->source);
	if (!m) {
		path_put(&from);
		return -ENOMEM;
	}
	if (flags & MS_REC) {
		/* Before the copy is in the tree: it may come to lie below what it copies. */
		mutex_lock(&mount_mutex);
		copy_submounts(from.mnt, from.dentry, m);
		mutex_unlock(&mount_mutex);
	}
	err = graft(m, at);
	path_put(&from);
	return err;
}

static int do_remount(const struct path *at, u32 flags, const char *data)
{
	struct super *sb = at->mnt->sb;
	u32 want = mount_flags(flags);
	int err = 0;

	if (at->dentry != at->mnt->root)
		return -EINVAL;
	mutex_lock(&mount_mutex);
	if (!(flags & MS_BIND)) {
		if (sb->ops->remount)
			err = sb->ops->remount(sb, flags, data);
		if (!err && (flags & MS_RDONLY))
			err = sync_super(sb);
		if (!err)
			sb->flags = (sb->flags & ~MS_RDONLY) | (flags & MS_RDONLY);
	}
	if (!err) {
		spin_lock(&mount_lock);
		if (!(flags & (ATIME_FLAGS | MS_STRICTATIME)))
			want = (want & ~(u32)ATIME_FLAGS) | (at->mnt->flags & ATIME_FLAGS);
		at->mnt->flags = (at->mnt->flags & MNT_DETACHED) | want;
		tree_changed();
		spin_unlock(&mount_lock);
	}
	mutex_unlock(&mount_mutex);
	return err;
}

/* Is @m, or a parent of it, @top? mount_lock held. */
static bool is_below(struct mount *m, struct mount *top)
{
	while (m && m != top)
		m = m->parent;
	return m != NULL;
}

static int do_move_mount(const char *source, const struct path *at)
{
	struct path from, old = {NULL, NULL};
	int err;

	if (!source || !*source)
		return -EINVAL;
	err = path_lookup(AT_FDCWD, source, LOOKUP_FOLLOW, &from);
	if (err)
		return err;
	mutex_lock(&mount_mutex);
	spin_lock(&mount_lock);
	if (from.dentry != from.mnt->root || !from.mnt->parent)
		err = -EINVAL;
	else if (S_ISDIR(from.dentry->inode->mode) != S_ISDIR(at->dentry->inode->mode))
		err = -EINVAL;
	else if (is_below(at->mnt, from.mnt))
		err = -ELOOP;
	if (!err) {
		old = detach(from.mnt);
		attach(from.mnt, at);
	}
	spin_unlock(&mount_lock);
	mutex_unlock(&mount_mutex);
	if (!err)
		path_put(&old);
	path_put(&from);
	return err;
}

#define MS_UNBINDABLE (1 << 17)
#define MS_PRIVATE (1 << 18)
#define MS_SLAVE (1 << 19)
#define MS_SHARED (1 << 20)
#define MS_MGC_VAL 0xc0ed0000u
#define MS_MGC_MSK 0xffff0000u

int do_mount(const char *type, const char *source, const char *target, u32 flags, const char *data)
{
	struct path at;
	int err;

	if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
		flags &= ~MS_MGC_MSK;
	err = path_lookup(AT_FDCWD, target, LOOKUP_FOLLOW, &at);
	if (err)
		return err;
	if (flags & MS_REMOUNT)
		err = do_remount(&at, flags, data);
	else if (flags & MS_BIND)
		err = do_bind(source, &at, flags);
	else if (flags & (MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE))
		err = at.dentry == at.mnt->root ? 0 : -EINVAL;
	else if (flags & MS_MOVE)
		err = do_move_mount(source, &at);
	else
		err = do_new_mount(type, source, &at, flags, data);
	path_put(&at);
	return err;
}

#define MNT_FORCE 1
#define MNT_DETACH 2
#define MNT_EXPIRE 4
#define UMOUNT_NOFOLLOW 8

static int do_umount(const struct path *p, u32 flags)
{
	struct mount *m = p->mnt;
	int err = 0;

	if (p->dentry != m->root)
		return -EINVAL;
	mutex_lock(&mount_mutex);
	spin_lock(&mount_lock);
	if (m->flags & MNT_DETACHED)
		err = -EINVAL;
	else if (m == root_mount || !m->parent)
		err = -EBUSY;
	else if (flags & MNT_EXPIRE)
		err = -EAGAIN;
	else if (!(flags & MNT_DETACH) && (refcount_read(&m->refs) > 2 || !list_empty(&m->children)))
		err = -EBUSY; /* 2: the tree's and the caller's path */
	spin_unlock(&mount_lock);
	if (!err)
		detach_tree(m);
	mutex_unlock(&mount_mutex);
	return err;
}

SYSCALL2(umount2, const char __user *, uname, int, flags)
{
	struct path p;
	int err;

	if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
		return -EINVAL;
	if ((flags & MNT_EXPIRE) && (flags & (MNT_FORCE | MNT_DETACH)))
		return -EINVAL;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = user_path_at(AT_FDCWD, uname, flags & UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &p);
	if (err)
		return err;
	err = do_umount(&p, (u32)flags);
	path_put(&p);
	return err;
}

/* A string argument of mount(2) that may be NULL: *out kmalloc'ed or NULL. */
static int mount_string(const char __user *u, size_t max, char **out)
{
	ssize_t n;

	*out = NULL;
	if (!u)
		return 0;
	*out = kmalloc(max + 1);
	if (!*out)
		return -ENOMEM;
	n = strncpy_from_user(*out, u, max);
	if (n == -ENAMETOOLONG)
		n = max == PATH_MAX ? -ENAMETOOLONG : -EINVAL;
	if (n < 0) {
		kfree(*out);
		*out = NULL;
		return (int)n;
	}
	(*out)[n] = '\0';
	return 0;
}

SYSCALL5(mount, const char __user *, usource, const char __user *, utarget, const char __user *, utype, u64, flags,
	 const void __user *, udata)
{
	char *source = NULL, *target = NULL, *type = NULL, *data = NULL;
	int err;

	err = mount_string(utype, NAME_MAX, &type);
	if (!err)
		err = mount_string(usource, PATH_MAX, &source);
	if (!err)
		err = mount_string(udata, PAGE_SIZE - 1, &data);
	if (!err) {
		target = getname(utarget);
		if (IS_ERR(target)) {
			err = (int)PTR_ERR(target);
			target = NULL;
		}
	}
	if (!err)
		err = capable(CAP_SYS_ADMIN) ? do_mount(type, source, target, (u32)flags, data) : -EPERM;
	kfree(type);
	kfree(source);
	kfree(data);
	kfree(target);
	return err;
}

/*
 * new becomes the root mount; the old root is put on @put_old, which lies in the new one. If both are the same
 * directory the old root comes to lie over the new one, to be unmounted next (as `pivot_root(".", ".")` wants).
 */
static int do_pivot(const struct path *new, const struct path *put_old, const struct path *root)
{
	struct path new_at, root_at = {NULL, NULL};
	int err = -EINVAL;

	mutex_lock(&mount_mutex);
	spin_lock(&mount_lock);
	if (new->mnt == root->mnt || put_old->mnt == root->mnt)
		err = -EBUSY;
	else if (root->mnt->root != root->dentry || new->mnt->root != new->dentry || !new->mnt->parent)
		err = -EINVAL;
	else if (!is_below(put_old->mnt, new->mnt) || !is_below(new->mnt, root->mnt))
		err = -EINVAL;
	else
		err = 0;
	if (!err) {
		new_at = detach(new->mnt);
		if (root->mnt->parent) {
			root_at = detach(root->mnt);
			attach(new->mnt, &root_at);
		} else {
			list_del(&root->mnt->link);
			root_mount = new->mnt;
			new->mnt->flags &= ~MNT_DETACHED;
			list_add(&new->mnt->link, &all_mounts);
		}
		attach(root->mnt, put_old);
	}
	spin_unlock(&mount_lock);
	mutex_unlock(&mount_mutex);
	if (err)
		return err;
	path_put(&new_at);
	if (root_at.mnt)
		path_put(&root_at);
	fs_swap_root(root, new);
	return 0;
}

SYSCALL2(pivot_root, const char __user *, unew, const char __user *, uold)
{
	struct path new, old, root;
	int err;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	err = user_path_at(AT_FDCWD, unew, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &new);
	if (err)
		return err;
	err = user_path_at(AT_FDCWD, uold, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &old);
	if (!err) {
		fs_get_root(&root);
		err = do_pivot(&new, &old, &root);
		path_put(&root);
		path_put(&old);
	}
	path_put(&new);
	return err;
}
