/* SPDX-License-Identifier: Apache-2.0 */
/* Overlay: mounting, the layers, and what is remembered of copied-up things. */
#include <gk/init.h>
#include "overlay.h"

#define OVERLAY_MAGIC 0x794c7630

/* ---- origins ---- */

/* origin_lock held. */
static struct ovl_origin *find_origin(struct ovl_super *os, u64 ino, struct rb_node **parent, struct rb_node ***link)
{
	struct rb_node **l = &os->origins.node, *p = NULL;

	while (*l) {
		struct ovl_origin *o = rb_entry(*l, struct ovl_origin, node);

		if (o->upper_ino == ino)
			return o;
		p = *l;
		l = ino < o->upper_ino ? &p->left : &p->right;
	}
	*parent = p;
	*link = l;
	return NULL;
}

int ovl_origin_add(struct super *sb, const struct inode *upper, u64 ino, struct dentry *lower, struct inode *inode)
{
	struct ovl_super *os = ovl_sb(sb);
	struct ovl_origin *o = kzalloc(sizeof(*o));
	struct rb_node *parent, **link;

	if (!o)
		return -ENOMEM;
	o->upper_ino = upper->ino;
	o->ino = ino;
	o->lower = lower ? dget(lower) : NULL;
	o->inode = inode;
	if (inode)
		inode_get(inode);
	spin_lock(&os->origin_lock);
	BUG_ON(find_origin(os, o->upper_ino, &parent, &link));
	rb_link_node(&o->node, parent, link);
	rb_insert_color(&o->node, &os->origins);
	spin_unlock(&os->origin_lock);
	return 0;
}

bool ovl_origin_get(struct super *sb, u64 upper_ino, struct dentry **lower, struct inode **inode, u64 *ino)
{
	struct ovl_super *os = ovl_sb(sb);
	struct rb_node *parent, **link;
	struct ovl_origin *o;

	spin_lock(&os->origin_lock);
	o = find_origin(os, upper_ino, &parent, &link);
	if (o) {
		*ino = o->ino;
		if (lower)
			*lower = o->lower ? dget(o->lower) : NULL;
		if (inode) {
			*inode = o->inode;
			if (o->inode)
				inode_get(o->inode);
		}
	}
	spin_unlock(&os->origin_lock);
	return o != NULL;
}

static void free_origin(struct ovl_origin *o)
{
	dput(o->lower);
	inode_put(o->inode);
	kfree(o);
}

void ovl_origin_del(struct super *sb, u64 upper_ino)
{
	struct ovl_super *os = ovl_sb(sb);
	struct rb_node *parent, **link;
	struct ovl_origin *o;

	spin_lock(&os->origin_lock);
	o = find_origin(os, upper_ino, &parent, &link);
	if (o)
		rb_erase(&o->node, &os->origins);
	spin_unlock(&os->origin_lock);
	if (o)
		free_origin(o);
}

void ovl_forget_links(struct ovl_inode *oi)
{
	if (list_empty(&oi->fewer_link))
		return;
	list_del(&oi->fewer_link);
	inode_put(oi->inode);
}

/* ---- super block ---- */

/*
 * What can be written is the upper layer's. What the lower one holds is there as well: without it an empty upper layer
 * would make a full tree look empty.
 */
static int ovl_statfs(struct super *sb, struct statfs64 *st)
{
	struct super *upper = ovl_sb(sb)->upper->sb, *lower = ovl_sb(sb)->lower->sb;
	const int err = upper->ops->statfs(upper, st);
	struct statfs64 below;

	st->f_type = OVERLAY_MAGIC;
	if (!err && !lower->ops->statfs(lower, &below) && below.f_blocks > below.f_bfree) {
		st->f_blocks += (below.f_blocks - below.f_bfree) * below.f_frsize / st->f_frsize;
		if (below.f_files > below.f_ffree)
			st->f_files += below.f_files - below.f_ffree;
	}
	return err;
}

static void ovl_kill(struct super *sb)
{
	struct ovl_super *os = ovl_sb(sb);
	struct rb_node *n;

	while (!list_empty(&os->fewer_links))
		ovl_forget_links(list_first_entry(&os->fewer_links, struct ovl_inode, fewer_link));
	while ((n = rb_first(&os->origins))) {
		rb_erase(n, &os->origins);
		free_origin(rb_entry(n, struct ovl_origin, node));
	}
}

static void ovl_put_super(struct super *sb)
{
	struct ovl_super *os = ovl_sb(sb);

	mount_put(os->upper);
	mount_put(os->lower);
	kfree(os);
}

static int ovl_show_options(struct super *sb, char *buf, size_t size)
{
	return scnprintf(buf, size, ",lowerdir=/,upperdir=/,workdir=/");
}

static const struct super_ops ovl_super_ops = {
	.statfs = ovl_statfs,
	.evict = ovl_evict,
	.kill = ovl_kill,
	.put_super = ovl_put_super,
	.show_options = ovl_show_options,
};

/* The upper root looks like the lower one. */
static int open_layers(struct ovl_super *os, const char *source, const char *data)
{
	struct inode *u, *l;

	os->lower = kern_mount("virtiofs", MS_RDONLY, source, NULL);
	if (IS_ERR(os->lower)) {
		const int err = (int)PTR_ERR(os->lower);

		os->lower = NULL;
		return err;
	}
	os->upper = kern_mount("tmpfs", 0, "overlay", data);
	if (IS_ERR(os->upper)) {
		const int err = (int)PTR_ERR(os->upper);

		os->upper = NULL;
		return err;
	}
	if (!S_ISDIR(os->lower->root->inode->mode))
		return -ENOTDIR;
	u = os->upper->root->inode;
	l = os->lower->root->inode;
	u->mode = l->mode;
	u->uid = l->uid;
	u->gid = l->gid;
	u->atime = l->atime;
	u->mtime = l->mtime;
	return 0;
}

static struct dentry *make_root(struct super *sb)
{
	struct ovl_super *os = ovl_sb(sb);
	struct dentry *upper = os->upper->root, *lower = os->lower->root, *root;
	struct inode *i;

	if (ovl_origin_add(sb, upper->inode, lower->inode->ino, lower, NULL))
		return NULL;
	i = ovl_get_inode(sb, upper, lower);
	if (IS_ERR(i))
		return NULL;
	root = d_make_root(i);
	if (!root)
		return NULL;
	root->ops = &ovl_dentry_ops;
	root->private = dget(upper);
	ovl_set_lower_name(root, dget(lower));
	return root;
}

static struct super *ovl_mount(struct fs_type *type, u32 flags, const char *source, const char *data)
{
	struct ovl_super *os = kzalloc(sizeof(*os));
	struct super *sb;
	int err;

	if (!os || !source) {
		kfree(os);
		return ERR_PTR(os ? -EINVAL : -ENOMEM);
	}
	mutex_init(&os->names_lock);
	list_init(&os->fewer_links);
	err = open_layers(os, source, data);
	sb = err ? NULL : super_new(type, &ovl_super_ops, OVERLAY_MAGIC);
	if (!sb) {
		mount_put(os->upper);
		mount_put(os->lower);
		kfree(os);
		return ERR_PTR(err ? err : -ENOMEM);
	}
	sb->private = os;
	sb->flags = flags & MS_RDONLY;
	sb->root = make_root(sb);
	if (sb->root)
		return sb;
	super_put(sb);
	return ERR_PTR(-ENOMEM);
}

static struct fs_type ovl_type = {.name = "overlay", .mount = ovl_mount, .nodev = true};

void overlay_init(void)
{
	register_fs(&ovl_type);
}
