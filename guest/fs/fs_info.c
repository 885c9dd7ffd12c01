/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a task is: root and current directory, umask; chdir, chroot, getcwd, and the text of paths.
 *
 * A struct fs_info is shared by tasks cloned with CLONE_FS. Its lock protects the two paths; references are taken under
 * it.
 */
#include "internal.h"

static struct slab_cache *fs_slab;

static struct fs_info *fs_info_alloc(void)
{
	struct fs_info *fs;

	if (!fs_slab) {
		fs_slab = slab_cache_new("fs_info", sizeof(struct fs_info), 8);
		if (!fs_slab)
			return NULL;
	}
	fs = slab_zalloc(fs_slab);
	if (fs)
		refcount_set(&fs->refs, 1);
	return fs;
}

/* @from NULL: that of the first task, at the first root. */
struct fs_info *fs_info_copy(struct fs_info *from)
{
	struct fs_info *fs = fs_info_alloc();

	if (!fs)
		return NULL;
	if (!from) {
		fs->umask = 022;
		fs->root = (struct path){mount_get(root_mount), dget(root_mount->root)};
		fs->cwd = fs->root;
		path_get(&fs->cwd);
		return fs;
	}
	spin_lock(&from->lock);
	fs->umask = from->umask;
	fs->root = from->root;
	path_get(&fs->root);
	fs->cwd = from->cwd;
	path_get(&fs->cwd);
	spin_unlock(&from->lock);
	return fs;
}

void fs_info_get(struct fs_info *fs)
{
	refcount_inc(&fs->refs);
}

void fs_info_put(struct fs_info *fs)
{
	if (!fs || !refcount_dec_and_test(&fs->refs))
		return;
	path_put(&fs->root);
	path_put(&fs->cwd);
	slab_free(fs_slab, fs);
}

/* A kernel task works from the first root. */
static void fs_get(struct path *p, size_t which)
{
	struct fs_info *fs = current->fs;

	if (!fs) {
		*p = (struct path){mount_get(root_mount), dget(root_mount->root)};
		return;
	}
	spin_lock(&fs->lock);
	*p = *(struct path *)(void *)((char *)fs + which);
	path_get(p);
	spin_unlock(&fs->lock);
}

void fs_get_root(struct path *root)
{
	fs_get(root, offsetof(struct fs_info, root));
}

void fs_get_pwd(struct path *pwd)
{
	fs_get(pwd, offsetof(struct fs_info, cwd));
}

/* Takes over the reference on @new. */
static void fs_set(struct path *slot, const struct path *new)
{
	struct fs_info *fs = current->fs;
	struct path old;

	spin_lock(&fs->lock);
	old = *slot;
	*slot = *new;
	spin_unlock(&fs->lock);
	path_put(&old);
}

void fs_set_root_pwd(const struct path *root, const struct path *pwd)
{
	fs_set(&current->fs->root, root);
	fs_set(&current->fs->cwd, pwd);
}

struct swap_root {
	const struct path *old, *new;
	u64 count; /* references on old to drop later: not under a spinlock */
};

static void swap_if(struct path *p, struct swap_root *s)
{
	if (p->mnt == s->old->mnt && p->dentry == s->old->dentry) {
		*p = *s->new;
		path_get(p);
		s->count++;
	}
}

static int swap_process_root(struct process *p, void *arg)
{
	struct task *t;

	list_for_each_entry(t, &p->threads, thread_link) {
		struct fs_info *fs = t->fs;

		if (!fs)
			continue;
		spin_lock(&fs->lock);
		swap_if(&fs->root, arg);
		swap_if(&fs->cwd, arg);
		spin_unlock(&fs->lock);
	}
	return 0;
}

void fs_swap_root(const struct path *old_root, const struct path *new_root)
{
	struct swap_root s = {old_root, new_root, 0};

	for_each_process_do(swap_process_root, &s);
	while (s.count--)
		path_put(old_root);
}

static int set_dir(int dfd, const char __user *uname, size_t which)
{
	struct path p;
	int err = user_path_at(dfd, uname, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);

	if (err)
		return err;
	err = inode_permission(p.dentry->inode, MAY_EXEC);
	if (!err && which == offsetof(struct fs_info, root) && !capable(CAP_SYS_CHROOT))
		err = -EPERM;
	if (err) {
		path_put(&p);
		return err;
	}
	fs_set((struct path *)(void *)((char *)current->fs + which), &p);
	return 0;
}

SYSCALL1(chdir, const char __user *, uname)
{
	return set_dir(AT_FDCWD, uname, offsetof(struct fs_info, cwd));
}

SYSCALL1(chroot, const char __user *, uname)
{
	return set_dir(AT_FDCWD, uname, offsetof(struct fs_info, root));
}

SYSCALL1(fchdir, int, fd)
{
	struct fdref r = fdref_get_raw(fd);
	struct path p;
	int err = 0;

	if (!r.f)
		return -EBADF;
	if (!S_ISDIR(file_inode(r.f)->mode))
		err = -ENOTDIR;
	else
		err = inode_permission(file_inode(r.f), MAY_EXEC);
	if (!err) {
		p = r.f->path;
		path_get(&p);
		fs_set(&current->fs->cwd, &p);
	}
	fdref_put(r);
	return err;
}

SYSCALL1(umask, u32, mask)
{
	return atomic_xchg(&current->fs->umask, mask & 0777);
}

/* ---- text ---- */

struct prepend {
	char *start; /* the text so far, NUL-terminated at the end of the buffer */
	char *buf;
	bool full;
};

static void prepend(struct prepend *p, const char *s, size_t n)
{
	if (p->full || (size_t)(p->start - p->buf) < n) {
		p->full = true;
		return;
	}
	p->start -= n;
	memcpy(p->start, s, n);
}

enum reached { AT_ROOT, AT_OTHER_ROOT, DETACHED };

/* Prepends the names from @at up to @root. rename_lock and mount_lock are held. */
static enum reached prepend_path(struct prepend *p, struct path at, const struct path *root)
{
	while (at.dentry != root->dentry || at.mnt != root->mnt) {
		if (at.dentry == at.mnt->root) {
			if (!at.mnt->parent)
				return at.mnt == root_mount ? AT_OTHER_ROOT : DETACHED;
			at = (struct path){at.mnt->parent, at.mnt->mountpoint};
			continue;
		}
		if (at.dentry->parent == at.dentry)
			return AT_OTHER_ROOT;
		prepend(p, at.dentry->name, at.dentry->name_len);
		prepend(p, "/", 1);
		at.dentry = at.dentry->parent;
	}
	return AT_ROOT;
}

/* Writes the path into the end of @buf; *reached says how far it got. Start of the text, or ERR_PTR(-ENAMETOOLONG). */
static char *path_text(const struct path *path, const struct path *root, char *buf, size_t size, enum reached *reached)
{
	struct prepend p = {buf + size - 1, buf, size < 2};
	const bool deleted = (path->dentry->flags & (DENTRY_UNLINKED | DENTRY_HASHED)) == DENTRY_UNLINKED;

	if (p.full)
		return ERR_PTR(-ENAMETOOLONG);
	*p.start = '\0';
	if (deleted)
		prepend(&p, " (deleted)", 10);
	spin_lock(&rename_lock);
	spin_lock(&mount_lock);
	*reached = prepend_path(&p, *path, root);
	spin_unlock(&mount_lock);
	spin_unlock(&rename_lock);
	if (*p.start != '/')
		prepend(&p, "/", 1);
	return p.full ? ERR_PTR(-ENAMETOOLONG) : p.start;
}

bool path_is_below(const struct path *path, const struct path *top)
{
	struct prepend none = {NULL, NULL, true};
	enum reached r;

	spin_lock(&rename_lock);
	spin_lock(&mount_lock);
	r = prepend_path(&none, *path, top);
	spin_unlock(&mount_lock);
	spin_unlock(&rename_lock);
	return r == AT_ROOT;
}

char *d_path(const struct path *path, char *buf, size_t size)
{
	struct dentry *d = path->dentry;
	enum reached reached;
	struct path root;
	char *s;

	if (d->ops && d->ops->dname) {
		const int n = d->ops->dname(d, buf, size);

		return n < 0 ? ERR_PTR(n) : buf;
	}
	if (d->flags & DENTRY_DISCONNECTED) {
		strscpy(buf, d->name, size);
		return buf;
	}
	fs_get_root(&root);
	s = path_text(path, &root, buf, size, &reached);
	path_put(&root);
	return s;
}

SYSCALL2(getcwd, char __user *, ubuf, size_t, size)
{
	char *buf = kmalloc(PATH_MAX + 16), *s;
	struct path root, pwd;
	enum reached reached;
	long ret;

	if (!buf)
		return -ENOMEM;
	fs_get_root(&root);
	fs_get_pwd(&pwd);
	s = path_text(&pwd, &root, buf + 13, PATH_MAX, &reached);
	if (IS_ERR(s)) {
		ret = PTR_ERR(s);
	} else if ((pwd.dentry->flags & (DENTRY_UNLINKED | DENTRY_HASHED)) == DENTRY_UNLINKED) {
		ret = -ENOENT;
	} else {
		size_t len;

		if (reached != AT_ROOT) {
			s -= 13;
			memcpy(s, "(unreachable)", 13);
		}
		len = strlen(s) + 1;
		if (len > size)
			ret = -ERANGE;
		else
			ret = copy_to_user(ubuf, s, len) ? -EFAULT : (long)len;
	}
	path_put(&pwd);
	path_put(&root);
	kfree(buf);
	return ret;
}
