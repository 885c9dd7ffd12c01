/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a path to a dentry.
 *
 * A walk holds a reference on the dentry where it is and allocates nothing as long as names are cached and symlink
 * targets are kept with their inodes. Symlinks are walked by iteration: what is left of the outer string goes on a
 * stack in the nameidata. A final component is not walked by nd_walk_parent(), so that callers can create, open or
 * follow it.
 *
 * A name that is not cached is looked up with the directory locked for reading; a dentry marked DENTRY_LOOKUP makes
 * others who want the same name wait (fs/dcache.c).
 *
 * BENEATH and IN_ROOT: a rename or mount elsewhere during a walk that used ".." could have led out; such a walk is
 * -EAGAIN.
 */
#include "internal.h"

/* ---- names from programs ---- */

int pathname_get(struct pathname *n, const char __user *uname, bool may_be_empty)
{
	ssize_t len = strncpy_from_user(n->buf, uname, sizeof(n->buf));

	n->p = n->buf;
	if (len == -ENAMETOOLONG) {
		n->p = kmalloc(PATH_MAX);
		if (!n->p)
			return -ENOMEM;
		len = strncpy_from_user(n->p, uname, PATH_MAX);
		if (len < 0)
			kfree(n->p);
	}
	if (len < 0)
		return (int)len;
	if (len == 0 && !may_be_empty) {
		pathname_put(n);
		return -ENOENT;
	}
	return 0;
}

void pathname_put(struct pathname *n)
{
	if (n->p != n->buf)
		kfree(n->p);
}

char *getname_flags(const char __user *name, u32 flags)
{
	struct pathname n;
	char *copy;
	int err = pathname_get(&n, name, (flags & LOOKUP_EMPTY) != 0);

	if (err)
		return ERR_PTR(err);
	if (n.p != n.buf)
		return n.p;
	copy = kstrdup(n.p);
	return copy ? copy : ERR_PTR(-ENOMEM);
}

char *getname(const char __user *name)
{
	return getname_flags(name, 0);
}

/* ---- permissions ---- */

bool owner_or_capable(const struct inode *i)
{
	return current->cred->fsuid == i->uid || capable(CAP_FOWNER);
}

int generic_permission(struct inode *i, u32 mask)
{
	const struct cred *c = current->cred;
	u32 mode = i->mode;

	if (c->fsuid == i->uid)
		mode >>= 6;
	else if ((((mode >> 3) ^ mode) & mask & 7) && in_group(i->gid))
		mode >>= 3;
	if (!(mask & ~mode & 7))
		return 0;
	if (S_ISDIR(i->mode)) {
		if (!(mask & MAY_WRITE) && capable(CAP_DAC_READ_SEARCH))
			return 0;
		return capable(CAP_DAC_OVERRIDE) ? 0 : -EACCES;
	}
	if (mask == MAY_READ && capable(CAP_DAC_READ_SEARCH))
		return 0;
	if (!(mask & MAY_EXEC) || (i->mode & 0111))
		return capable(CAP_DAC_OVERRIDE) ? 0 : -EACCES;
	return -EACCES;
}

int inode_permission(struct inode *i, u32 mask)
{
	if (mask & MAY_WRITE) {
		if ((i->sb->flags & MS_RDONLY) && (S_ISREG(i->mode) || S_ISDIR(i->mode) || S_ISLNK(i->mode)))
			return -EROFS;
		if (i->flags & INODE_IMMUTABLE)
			return -EPERM;
	}
	if (i->ops && i->ops->permission)
		return i->ops->permission(i, mask);
	return generic_permission(i, mask);
}

int may_create(struct inode *dir)
{
	if (dir->flags & INODE_DEAD)
		return -ENOENT;
	return inode_permission(dir, MAY_WRITE | MAY_EXEC);
}

int may_delete(struct inode *dir, struct dentry *d, bool is_dir)
{
	struct inode *i = d->inode;
	int err;

	if (!i)
		return -ENOENT;
	err = inode_permission(dir, MAY_WRITE | MAY_EXEC);
	if (err)
		return err;
	if ((dir->mode & S_ISVTX) && current->cred->fsuid != i->uid && current->cred->fsuid != dir->uid &&
	    !capable(CAP_FOWNER))
		return -EPERM;
	if ((dir->flags & INODE_APPEND) || (i->flags & (INODE_APPEND | INODE_IMMUTABLE)))
		return -EPERM;
	if (is_dir) {
		if (!S_ISDIR(i->mode))
			return -ENOTDIR;
		if (d->parent == d)
			return -EBUSY;
	} else if (S_ISDIR(i->mode)) {
		return -EISDIR;
	}
	if (dir->flags & INODE_DEAD)
		return -ENOENT;
	return READ_ONCE(d->mounted) ? -EBUSY : 0;
}

/* ---- one name ---- */

/* Is a cached entry still right? 1, 0 (then it is dropped), -errno. */
static int revalidate(struct dentry *dir, struct dentry *d, u32 flags)
{
	int ok;

	if (likely(!d->ops || !d->ops->revalidate))
		return 1;
	ok = d->ops->revalidate(dir, d, flags);
	if (ok == 0)
		d_drop(d);
	return ok;
}

/* Asks the file system. dir->inode->lock held at least for reading. */
static struct dentry *lookup_locked(struct dentry *dir, const char *name, u32 len, u32 hash)
{
	struct dentry *d;
	bool is_new;
	int err;

	if (dir->inode->flags & INODE_DEAD)
		return ERR_PTR(-ENOENT);
	d = d_alloc_lookup(dir, name, len, hash, &is_new);
	if (IS_ERR(d) || !is_new)
		return d;
	err = dir->inode->ops->lookup(dir->inode, d);
	if (err)
		d_drop(d);
	d_lookup_done(d);
	if (err) {
		dput(d);
		return ERR_PTR(err);
	}
	return d;
}

static struct dentry *lookup_hashed(struct dentry *dir, const char *name, u32 len, u32 hash, u32 flags)
{
	struct dentry *d = d_lookup_hash(dir, name, len, hash);
	int ok;

	if (d) {
		ok = revalidate(dir, d, flags);
		if (ok > 0)
			return d;
		dput(d);
		if (ok < 0)
			return ERR_PTR(ok);
	}
	return lookup_locked(dir, name, len, hash);
}

struct dentry *lookup_one(struct dentry *dir, const char *name, u32 len)
{
	if (!S_ISDIR(dir->inode->mode))
		return ERR_PTR(-ENOTDIR);
	if (len > dir->sb->name_max)
		return ERR_PTR(-ENAMETOOLONG);
	return lookup_hashed(dir, name, len, name_hash(name, len), 0);
}

struct dentry *lookup_last(struct nameidata *nd)
{
	if (nd->last_len > nd->path.dentry->sb->name_max)
		return ERR_PTR(-ENAMETOOLONG);
	return lookup_hashed(nd->path.dentry, nd->last, nd->last_len, nd->last_hash, nd->flags);
}

static struct dentry *lookup_slow(struct dentry *dir, const char *name, u32 len, u32 hash)
{
	struct dentry *d;

	down_read(&dir->inode->lock);
	d = lookup_locked(dir, name, len, hash);
	up_read(&dir->inode->lock);
	return d;
}

struct dentry *lookup_one_unlocked(struct dentry *dir, const char *name, u32 len)
{
	const u32 hash = name_hash(name, len);
	struct dentry *d;
	int ok;

	if (!S_ISDIR(dir->inode->mode))
		return ERR_PTR(-ENOTDIR);
	if (len > dir->sb->name_max)
		return ERR_PTR(-ENAMETOOLONG);
	d = d_lookup_hash(dir, name, len, hash);
	if (d) {
		ok = revalidate(dir, d, 0);
		if (ok > 0)
			return d;
		dput(d);
		if (ok < 0)
			return ERR_PTR(ok);
	}
	return lookup_slow(dir, name, len, hash);
}

static struct dentry *lookup_fast(struct nameidata *nd, const char *name, u32 len, u32 hash)
{
	struct dentry *dir = nd->path.dentry, *d;
	int ok;

	d = d_lookup_hash(dir, name, len, hash);
	if (likely(d)) {
		ok = revalidate(dir, d, nd->flags);
		if (likely(ok > 0))
			return d;
		dput(d);
		if (ok < 0)
			return ERR_PTR(ok);
	}
	if (len > dir->sb->name_max)
		return ERR_PTR(-ENAMETOOLONG);
	if (nd->flags & LOOKUP_CACHED)
		return ERR_PTR(-EAGAIN);
	return lookup_slow(dir, name, len, hash);
}

/* ---- steps ---- */

int follow_mounts(struct nameidata *nd, struct path *p)
{
	while (unlikely(READ_ONCE(p->dentry->mounted))) {
		struct mount *m = lookup_mount(p);

		if (!m)
			break;
		if (nd->flags & LOOKUP_NO_XDEV) {
			mount_put(m);
			return -EXDEV;
		}
		path_put(p);
		p->mnt = m;
		p->dentry = dget(m->root);
	}
	return 0;
}

static void nd_set_root(struct nameidata *nd)
{
	if (!nd->root.mnt)
		fs_get_root(&nd->root);
}

static bool path_is(const struct path *a, const struct path *b)
{
	return a->dentry == b->dentry && a->mnt == b->mnt;
}

/* From the root of a mount to what it covers; false at the top. */
static bool follow_up(struct path *p)
{
	struct path up = {NULL, NULL};

	spin_lock(&mount_lock);
	if (p->mnt->parent)
		up = (struct path){mount_get(p->mnt->parent), dget(p->mnt->mountpoint)};
	spin_unlock(&mount_lock);
	if (!up.mnt)
		return false;
	path_put(p);
	*p = up;
	return true;
}

static int follow_dotdot(struct nameidata *nd)
{
	struct dentry *parent;

	nd_set_root(nd);
	for (;;) {
		if (path_is(&nd->path, &nd->root))
			return nd->flags & LOOKUP_BENEATH ? -EXDEV : 0;
		if (nd->path.dentry != nd->path.mnt->root)
			break;
		if (!follow_up(&nd->path))
			return 0;
		if (nd->flags & LOOKUP_NO_XDEV)
			return -EXDEV;
	}
	parent = dget_parent(nd->path.dentry);
	dput(nd->path.dentry);
	nd->path.dentry = parent;
	return follow_mounts(nd, &nd->path);
}

int handle_dots(struct nameidata *nd, enum last_type type)
{
	if (type != LAST_DOTDOT)
		return 0;
	/* Out of a moved directory: only what the caller pinned down can tell. */
	if ((nd->flags & (LOOKUP_BENEATH | LOOKUP_IN_ROOT)) && nd->seq != READ_ONCE(rename_seq) + mount_sequence())
		return -EAGAIN;
	return follow_dotdot(nd);
}

static int jump_to_root(struct nameidata *nd)
{
	if (nd->flags & LOOKUP_BENEATH)
		return -EXDEV;
	nd_set_root(nd);
	if ((nd->flags & LOOKUP_NO_XDEV) && nd->root.mnt != nd->path.mnt)
		return -EXDEV;
	path_get(&nd->root);
	path_put(&nd->path);
	nd->path = nd->root;
	return 0;
}

static void link_put(struct walk_link *l)
{
	kfree(l->owned);
	dput(l->dentry);
	l->owned = NULL;
	l->dentry = NULL;
}

/* To where a magic link points. */
static int jump(struct nameidata *nd, struct path *to)
{
	int err = 0;

	if (nd->flags & LOOKUP_NO_MAGICLINKS)
		err = -ELOOP;
	else if (nd->flags & (LOOKUP_BENEATH | LOOKUP_IN_ROOT))
		err = -EXDEV;
	else if ((nd->flags & LOOKUP_NO_XDEV) && to->mnt != nd->path.mnt)
		err = -EXDEV;
	path_put(err ? to : &nd->path);
	if (!err)
		nd->path = *to;
	return err;
}

/*
 * The target of symlink @d (reference consumed) found in nd->path; what keeps it in memory goes to @l. An absolute one
 * takes nd->path to the root. A magic link has jumped already: the target is "".
 */
static const char *get_link(struct nameidata *nd, struct dentry *d, struct walk_link *l)
{
	struct inode *i = d->inode;
	struct path to = {NULL, NULL};
	const char *s = i->link;
	char *owned = NULL;
	int err = 0;

	if (nd->flags & LOOKUP_NO_SYMLINKS)
		err = -ELOOP;
	else if (++nd->links > MAX_LINKS)
		err = -ELOOP;
	else if ((nd->path.mnt->flags & MNT_NOSYMFOLLOW))
		err = -ELOOP;
	if (!err && !s) {
		s = owned = i->ops->readlink(d, i, &to);
		if (IS_ERR(s)) {
			err = (int)PTR_ERR(s);
			owned = NULL;
		} else if (!s) {
			err = to.mnt ? jump(nd, &to) : -ENOMEM;
			s = "";
		}
	}
	if (!err && *s == '\0' && !to.mnt)
		err = -ENOENT;
	if (!err && *s == '/')
		err = jump_to_root(nd);
	if (err) {
		kfree(owned);
		dput(d);
		return ERR_PTR(err);
	}
	l->owned = owned;
	l->dentry = d;
	return s;
}

/*
 * In a directory like /tmp a final symlink is followed only for its owner, or if it is the directory's owner's (Linux:
 * fs.protected_symlinks = 1).
 */
static bool may_follow(const struct inode *dir, const struct inode *link)
{
	return (dir->mode & (S_ISVTX | 0002)) != (S_ISVTX | 0002) || link->uid == current->cred->fsuid ||
	       link->uid == dir->uid;
}

const char *nd_follow(struct nameidata *nd, struct dentry *d)
{
	struct walk_link l = {NULL, NULL, NULL};
	const char *s;

	if (!may_follow(nd->path.dentry->inode, d->inode)) {
		dput(d);
		return ERR_PTR(-EACCES);
	}
	s = get_link(nd, d, &l);
	link_put(&nd->final);
	if (!IS_ERR(s))
		nd->final = l;
	return s;
}

static int may_walk(struct dentry *dir)
{
	struct inode *i = dir->inode;

	if (unlikely(!i || !S_ISDIR(i->mode)))
		return -ENOTDIR;
	/* What nearly always is so: everybody may search. */
	if (likely((i->mode & 0111) == 0111 && (!i->ops || !i->ops->permission)))
		return 0;
	return inode_permission(i, MAY_EXEC);
}

/* Reads one component at @s into nd->last*; returns what follows it. */
static const char *parse_component(struct nameidata *nd, const char *s)
{
	const char *p = s;
	u32 h = 0;

	while (*p && *p != '/')
		h = h * 31 + (u8)*p++;
	nd->last = s;
	nd->last_len = (u32)(p - s);
	nd->last_type = LAST_NORM;
	if (s[0] == '.') {
		if (nd->last_len == 1)
			nd->last_type = LAST_DOT;
		else if (nd->last_len == 2 && s[1] == '.')
			nd->last_type = LAST_DOTDOT;
	}
	nd->last_hash = h + nd->last_len;
	return p;
}

/* Walks the component in nd->last. 0, -errno; 1: a symlink to follow, in *link. */
static int walk_component(struct nameidata *nd, struct dentry **link)
{
	struct dentry *d;
	struct path next;
	int err;

	if (nd->last_type != LAST_NORM)
		return handle_dots(nd, nd->last_type);
	d = lookup_fast(nd, nd->last, nd->last_len, nd->last_hash);
	if (IS_ERR(d))
		return (int)PTR_ERR(d);
	if (!d->inode) {
		dput(d);
		return -ENOENT;
	}
	if (unlikely(S_ISLNK(d->inode->mode))) {
		*link = d;
		return 1;
	}
	if (likely(!READ_ONCE(d->mounted))) {
		dput(nd->path.dentry);
		nd->path.dentry = d;
		return 0;
	}
	next = (struct path){mount_get(nd->path.mnt), d};
	err = follow_mounts(nd, &next);
	path_put(err ? &next : &nd->path);
	if (!err)
		nd->path = next;
	return err;
}

static const char *skip_slashes(const char *s)
{
	while (*s == '/')
		s++;
	return s;
}

int nd_walk_parent(struct nameidata *nd, const char *s)
{
	struct dentry *link;
	const char *rest;
	int err;

	s = skip_slashes(s);
	nd->trailing = false;
	if (!*s) {
		nd->last_type = LAST_ROOT;
		nd->last_len = 0;
		return 0;
	}
	for (;;) {
		err = may_walk(nd->path.dentry);
		if (err)
			return err;
		rest = parse_component(nd, s);
		if (nd->last_len > NAME_MAX)
			return -ENAMETOOLONG;
		s = skip_slashes(rest);
		if (!*s && !nd->depth) {
			nd->trailing = s != rest;
			return 0;
		}
		err = walk_component(nd, &link);
		if (err < 0)
			return err;
		if (err) {
			struct walk_link *l = &nd->stack[nd->depth];

			/* nd->links bounds the depth. */
			if (nd->depth == MAX_LINKS) {
				dput(link);
				return -ELOOP;
			}
			l->rest = s;
			s = get_link(nd, link, l);
			if (IS_ERR(s))
				return (int)PTR_ERR(s);
			nd->depth++;
			s = skip_slashes(s);
		}
		/* Ends of links: go on with what followed them. Only the outermost string has a last component. */
		while (!*s && nd->depth) {
			struct walk_link *l = &nd->stack[--nd->depth];

			s = l->rest;
			link_put(l);
		}
	}
}

/* ---- whole walks ---- */

static int start_at_fd(int dfd, const char *name, struct path *out)
{
	struct fdref r = fdref_get_raw(dfd);
	int err = 0;

	if (!r.f)
		return -EBADF;
	if (*name && !S_ISDIR(file_inode(r.f)->mode)) {
		err = -ENOTDIR;
	} else {
		*out = r.f->path;
		path_get(out);
	}
	fdref_put(r);
	return err;
}

int nd_init(struct nameidata *nd, int dfd, const char *name, u32 flags)
{
	int err = 0;

	nd->root = (struct path){NULL, NULL};
	nd->flags = flags;
	nd->links = nd->depth = 0;
	nd->final = (struct walk_link){NULL, NULL, NULL};
	nd->seq = READ_ONCE(rename_seq) + mount_sequence();
	if (*name == '/' && !(flags & LOOKUP_IN_ROOT)) {
		if (flags & LOOKUP_BENEATH)
			return -EXDEV;
		fs_get_root(&nd->root);
		nd->path = nd->root;
		path_get(&nd->path);
		return 0;
	}
	if (dfd == AT_FDCWD)
		fs_get_pwd(&nd->path);
	else
		err = start_at_fd(dfd, name, &nd->path);
	if (!err && (flags & (LOOKUP_BENEATH | LOOKUP_IN_ROOT))) {
		nd->root = nd->path;
		path_get(&nd->root);
	}
	return err;
}

void nd_init_at(struct nameidata *nd, const struct path *base, u32 flags)
{
	nd->root = (struct path){NULL, NULL};
	nd->flags = flags;
	nd->links = nd->depth = 0;
	nd->final = (struct walk_link){NULL, NULL, NULL};
	nd->seq = READ_ONCE(rename_seq) + mount_sequence();
	nd->path = *base;
	path_get(&nd->path);
}

/* Drops all but nd->path. */
static void nd_end_links(struct nameidata *nd)
{
	while (nd->depth)
		link_put(&nd->stack[--nd->depth]);
	link_put(&nd->final);
	if (nd->root.mnt)
		path_put(&nd->root);
	nd->root.mnt = NULL;
}

void nd_end(struct nameidata *nd)
{
	nd_end_links(nd);
	path_put(&nd->path);
}

/* Walks the last component too; then nd->path is the result. */
static int nd_walk(struct nameidata *nd, const char *s)
{
	struct dentry *link;
	int err;

	if (!*s && (nd->flags & LOOKUP_EMPTY))
		return 0;
	for (;;) {
		err = nd_walk_parent(nd, s);
		if (err)
			return err;
		if (nd->trailing)
			nd->flags |= LOOKUP_FOLLOW | LOOKUP_DIRECTORY;
		err = walk_component(nd, &link);
		if (err <= 0)
			break;
		if (!(nd->flags & LOOKUP_FOLLOW)) {
			dput(nd->path.dentry);
			nd->path.dentry = link;
			err = 0;
			break;
		}
		s = nd_follow(nd, link);
		if (IS_ERR(s))
			return (int)PTR_ERR(s);
		if (!*s)
			break; /* jumped */
		err = 0;
	}
	if (err < 0)
		return err;
	if ((nd->flags & LOOKUP_DIRECTORY) && !S_ISDIR(nd->path.dentry->inode->mode))
		return -ENOTDIR;
	return 0;
}

static int finish_lookup(struct nameidata *nd, const char *name, struct path *out)
{
	int err = nd_walk(nd, name);

	nd_end_links(nd);
	if (err)
		path_put(&nd->path);
	else
		*out = nd->path;
	return err;
}

int path_lookup(int dfd, const char *name, u32 flags, struct path *out)
{
	struct nameidata nd;
	int err;

	if (!*name && !(flags & LOOKUP_EMPTY))
		return -ENOENT;
	err = nd_init(&nd, dfd, name, flags);
	if (err)
		return err;
	err = finish_lookup(&nd, name, out);
	/* A directory on the way was replaced behind our back: once more, believing no cached name. */
	if (unlikely(err == -ESTALE && !(flags & LOOKUP_REVAL)))
		return path_lookup(dfd, name, flags | LOOKUP_REVAL, out);
	return err;
}

int user_path_at(int dfd, const char __user *uname, u32 flags, struct path *out)
{
	struct pathname n;
	int err = pathname_get(&n, uname, (flags & LOOKUP_EMPTY) != 0);

	if (err)
		return err;
	err = path_lookup(dfd, n.p, flags, out);
	pathname_put(&n);
	return err;
}

int path_parent(struct nameidata *nd, int dfd, const char *name, u32 flags)
{
	int err;

	if (!*name)
		return -ENOENT;
	err = nd_init(nd, dfd, name, flags | LOOKUP_PARENT);
	if (err)
		return err;
	err = nd_walk_parent(nd, name);
	if (!err && !S_ISDIR(nd->path.dentry->inode->mode))
		err = -ENOTDIR;
	if (err)
		nd_end(nd);
	return err;
}
