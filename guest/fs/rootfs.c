/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of the first program, from the configuration (abi/control.h): mount=TYPE:SOURCE:TARGET:OPTIONS in order,
 * then hide=PATH. Missing mount points are made if they can be. In a field, \ooo is a byte in octal (":" and "\").
 *
 * The first root, a tmpfs, stays below the mount on "/", which becomes the root of the first program and so of all
 * others.
 */
#include <gk/init.h>
#include "internal.h"

struct mount_line {
	char *type, *source, *target, *options;
};

/* Replaces \ooo in place. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' &&
		    s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

/* Cuts @s at ':' into four fields. */
static bool split(char *s, struct mount_line *m)
{
	char **field[4] = {&m->type, &m->source, &m->target, &m->options};

	for (u32 i = 0; i < 4; i++) {
		*field[i] = s;
		if (i == 3)
			break;
		s = strchr(s, ':');
		if (!s)
			return false;
		*s++ = '\0';
	}
	for (u32 i = 0; i < 4; i++)
		unescape(*field[i]);
	return true;
}

static const struct {
	const char *name;
	u32 set, clear;
} flag_names[] = {
	{"ro", MS_RDONLY, 0},
	{"rw", 0, MS_RDONLY},
	{"nosuid", MS_NOSUID, 0},
	{"suid", 0, MS_NOSUID},
	{"nodev", MS_NODEV, 0},
	{"dev", 0, MS_NODEV},
	{"noexec", MS_NOEXEC, 0},
	{"exec", 0, MS_NOEXEC},
	{"noatime", MS_NOATIME, 0},
	{"relatime", MS_RELATIME, 0},
	{"nodiratime", MS_NODIRATIME, 0},
	{"strictatime", 0, 0},
};

/* Takes the options that are flags of every mount out of @options; the rest stays. */
static u32 take_flags(char *options)
{
	char *to = options, *p, *next;
	u32 flags = 0;

	for (p = options; p; p = next) {
		u32 i;
		size_t len;

		next = strchr(p, ',');
		if (next)
			*next++ = '\0';
		for (i = 0; i < ARRAY_SIZE(flag_names) && strcmp(p, flag_names[i].name); i++)
			;
		if (i < ARRAY_SIZE(flag_names)) {
			flags = (flags | flag_names[i].set) & ~flag_names[i].clear;
			continue;
		}
		len = strlen(p);
		if (!len)
			continue;
		if (to != options)
			*to++ = ',';
		memmove(to, p, len);
		to += len;
	}
	*to = '\0';
	return flags;
}

/* The kernel's name for a type of the configuration. */
static const char *type_name(const char *type)
{
	static const char *const names[][2] = {{"export", "virtiofs"}, {"dev", "devtmpfs"}};

	for (u32 i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(type, names[i][0]))
			return names[i][1];
	}
	return type;
}

static int make_one(const char *path, bool dir)
{
	struct path parent;
	struct dentry *d = path_create(AT_FDCWD, path, &parent, dir);
	int err;

	if (IS_ERR(d))
		return PTR_ERR(d) == -EEXIST ? 0 : (int)PTR_ERR(d);
	/* Not created, which would open it too: the file server refuses that where something is to be covered. */
	err = dir ? vfs_mkdir(parent.dentry->inode, d, S_IFDIR | 0755)
		  : vfs_mknod(parent.dentry->inode, d, S_IFREG | 0644, 0);
	done_path_create(&parent, d);
	return err;
}

/* Makes @target and what is missing above it: a mount point for a directory or a file. */
static int make_mount_point(char *target, bool dir)
{
	struct path p;
	int err = 0;

	if (path_lookup(AT_FDCWD, target, LOOKUP_FOLLOW, &p) == 0) {
		path_put(&p);
		return 0;
	}
	for (char *s = strchr(target + 1, '/'); s && !err; s = strchr(s + 1, '/')) {
		*s = '\0';
		err = make_one(target, true);
		*s = '/';
	}
	return err ? err : make_one(target, dir);
}

/* Puts @m (consumed) on @target. */
static int place(struct mount *m, char *target)
{
	struct path at;
	int err;

	if (!strcmp(target, "/")) {
		err = path_lookup(AT_FDCWD, "/", 0, &at);
	} else {
		err = make_mount_point(target, S_ISDIR(m->root->inode->mode));
		if (!err)
			err = path_lookup(AT_FDCWD, target, LOOKUP_FOLLOW, &at);
	}
	if (err) {
		mount_put(m);
		return err;
	}
	err = mount_at(m, &at);
	path_put(&at);
	return err;
}

/* current works in the mount that now covers "/". */
static int enter_root(void)
{
	struct path root = {mount_get(root_mount), dget(root_mount->root)};
	struct path cwd;

	if (!mount_follow(&root)) {
		path_put(&root);
		return -ENOENT;
	}
	cwd = root;
	path_get(&cwd);
	fs_set_root_pwd(&root, &cwd);
	return 0;
}

static int mount_line(struct mount_line *l)
{
	const u32 flags = take_flags(l->options);
	struct mount *m;
	int err;

	m = kern_mount(type_name(l->type), flags, *l->source ? l->source : l->type, l->options);
	if (IS_ERR(m))
		return (int)PTR_ERR(m);
	err = place(m, l->target);
	if (!err && !strcmp(l->target, "/"))
		err = enter_root();
	return err;
}

/* The host's further file systems, and what this kernel may lack, are a convenience. */
static bool may_fail(const struct mount_line *l)
{
	return (l->source[0] == 'm' && l->source[1] >= '0' && l->source[1] <= '9') || !strcmp(l->type, "mqueue");
}

static int mount_all(const char **where)
{
	const char *iter = NULL, *v;

	while ((v = config_next("mount", &iter))) {
		char *copy = kstrdup(v);
		struct mount_line l;
		int err;

		if (!copy)
			return -ENOMEM;
		err = split(copy, &l) ? mount_line(&l) : -EINVAL;
		if (err)
			pr_err("mount %s: error %d\n", v, -err);
		/* A type that this kernel does not know is as good as an empty directory. */
		if (err == -ENODEV || (err && may_fail(&l)))
			err = 0;
		if (err) {
			*where = err == -EINVAL ? v : l.target; /* in @copy, which stays */
			return err;
		}
		kfree(copy);
	}
	return 0;
}

/* ---- hide ---- */

/* A mount whose root is an empty thing of the type @mode. */
static struct mount *empty_mount(umode_t mode)
{
	struct mount *m = kern_mount("tmpfs", 0, "tmpfs", "mode=0,size=4k"), *file;
	struct dentry *d;
	int err;

	if (IS_ERR(m) || S_ISDIR(mode))
		goto out;
	down_write(&m->root->inode->lock);
	d = lookup_one(m->root, "hidden", 6);
	err = IS_ERR(d) ? (int)PTR_ERR(d) : vfs_create(m->root->inode, d, S_IFREG);
	up_write(&m->root->inode->lock);
	file = err ? ERR_PTR(err) : mount_clone(m, d);
	if (!IS_ERR(d))
		dput(d);
	mount_put(m);
	m = file;
out:
	if (!IS_ERR(m))
		m->flags |= MS_RDONLY;
	return m;
}

static int hide(const char *name)
{
	struct path p;
	struct mount *m;
	int err = path_lookup(AT_FDCWD, name, LOOKUP_FOLLOW, &p);

	if (err)
		return err == -ENOENT || err == -ENOTDIR ? 0 : err;
	m = empty_mount(p.dentry->inode->mode);
	err = IS_ERR(m) ? (int)PTR_ERR(m) : mount_at(m, &p);
	path_put(&p);
	return err;
}

int mount_config(const char **where)
{
	const char *iter = NULL, *v;
	int err = mount_all(where);

	while (!err && (v = config_next("hide", &iter))) {
		err = hide(v);
		*where = v;
		if (err)
			pr_err("hide %s: error %d\n", v, -err);
	}
	return err;
}
