/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees of synthetic files. Nodes live for ever, so inodes just point at them; the tree is only changed at start-up, so
 * nobody locks it.
 */
#include "pseudo.h"

#define TEXT_MAX 4096u

static const struct inode_ops file_inode_ops, link_inode_ops;
static const struct file_ops file_ops;

struct pseudo *pseudo_new_root(void)
{
	struct pseudo *p = kzalloc(sizeof(*p));

	if (!p)
		panic("no memory for synthetic files");
	p->name = "";
	p->mode = S_IFDIR | 0555;
	p->ino = 1;
	return p;
}

static struct pseudo *add(struct pseudo *parent, const char *name, umode_t mode)
{
	struct pseudo *p = pseudo_new_root();

	p->name = name;
	p->mode = mode;
	p->ino = 0xf0000000ull + next_ino();
	p->parent = parent;
	if (parent->last)
		parent->last->next = p;
	else
		parent->children = p;
	parent->last = p;
	return p;
}

struct pseudo *pseudo_dir(struct pseudo *parent, const char *name)
{
	struct pseudo *p = pseudo_find(parent, name, (u32)strlen(name));

	return p ? p : add(parent, name, S_IFDIR | 0555);
}

struct pseudo *pseudo_file(struct pseudo *parent, const char *name, umode_t mode, pseudo_show_t show,
			   pseudo_store_t store, void *arg)
{
	struct pseudo *p = add(parent, name, S_IFREG | mode);

	p->show = show;
	p->store = store;
	p->arg = arg;
	return p;
}

struct pseudo *pseudo_link(struct pseudo *parent, const char *name, const char *target)
{
	struct pseudo *p = add(parent, name, S_IFLNK | 0777);

	p->target = target;
	return p;
}

struct pseudo *pseudo_path(struct pseudo *root, const char *path, umode_t mode, pseudo_show_t show,
			   pseudo_store_t store, void *arg)
{
	const char *slash;

	while ((slash = strchr(path, '/'))) {
		struct pseudo *dir = pseudo_find(root, path, (u32)(slash - path));

		if (!dir) {
			const char *name = kstrndup(path, (size_t)(slash - path));

			if (!name)
				panic("no memory for synthetic files");
			dir = add(root, name, S_IFDIR | 0555);
		}
		root = dir;
		path = slash + 1;
	}
	return pseudo_file(root, path, mode, show, store, arg);
}

struct pseudo *pseudo_find(struct pseudo *dir, const char *name, u32 len)
{
	struct pseudo *p;

	for (p = dir->children; p; p = p->next) {
		if (strlen(p->name) == len && !memcmp(p->name, name, len))
			break;
	}
	return p;
}

/* ---- inodes ---- */

struct inode *pseudo_inode(struct super *sb, struct pseudo *p)
{
	struct inode *i = inode_new(sb);

	if (!i)
		return NULL;
	i->ino = p->ino;
	i->mode = p->mode;
	i->private = p;
	if (S_ISDIR(p->mode)) {
		i->nlink = 2;
		for (struct pseudo *c = p->children; c; c = c->next)
			i->nlink += S_ISDIR(c->mode);
		i->ops = p->ops ? p->ops : &pseudo_dir_inode_ops;
		i->fops = p->fops ? p->fops : &pseudo_dir_ops;
	} else if (S_ISLNK(p->mode)) {
		i->ops = p->ops ? p->ops : &link_inode_ops;
		i->link = p->target;
		i->size = p->target ? (loff_t)strlen(p->target) : 0;
	} else {
		i->ops = p->ops ? p->ops : &file_inode_ops;
		i->fops = p->fops ? p->fops : &file_ops;
	}
	return i;
}

static int pseudo_lookup(struct inode *dir, struct dentry *d)
{
	struct pseudo *p = pseudo_find(dir->private, d->name, d->name_len);
	struct inode *i = p ? pseudo_inode(dir->sb, p) : NULL;

	if (!i)
		return p ? -ENOMEM : -ENOENT;
	d_add(d, i);
	return 0;
}

int pseudo_setattr(struct dentry *d, struct inode *i, const struct iattr *attr)
{
	if (attr->valid & (ATTR_MODE | ATTR_UID | ATTR_GID))
		return -EPERM;
	return 0;
}

const struct inode_ops pseudo_dir_inode_ops = {.lookup = pseudo_lookup, .setattr = pseudo_setattr};
static const struct inode_ops file_inode_ops = {.setattr = pseudo_setattr};
static const struct inode_ops link_inode_ops = {.setattr = pseudo_setattr};

/* ---- directories ---- */

bool pseudo_emit(struct pseudo *dir, struct dir_context *ctx)
{
	loff_t pos = 2;

	for (struct pseudo *p = dir->children; p; p = p->next, pos++) {
		if (pos < ctx->pos)
			continue;
		ctx->pos = pos;
		if (!ctx->actor(ctx, p->name, (u32)strlen(p->name), pos, p->ino, DT_OF_MODE(p->mode)))
			return false;
		ctx->pos = pos + 1;
	}
	return true;
}

static int pseudo_iterate(struct file *f, struct dir_context *ctx)
{
	if (dir_emit_dots(f, ctx))
		pseudo_emit(f->inode->private, ctx);
	return 0;
}

const struct file_ops pseudo_dir_ops = {.llseek = generic_llseek, .iterate = pseudo_iterate};

/* ---- files ---- */

static int file_open(struct inode *i, struct file *f)
{
	struct pseudo *p = i->private;

	return seq_open(f, p->show, p->arg);
}

static ssize_t file_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct pseudo *p = f->inode->private;

	return p->show ? seq_read(f, it, pos) : -EIO;
}

ssize_t pseudo_text(struct iov_iter *it, char *buf, size_t size)
{
	size_t n = it->count;

	if (n >= size)
		return -EINVAL;
	if (copy_from_iter(buf, n, it) != n)
		return -EFAULT;
	if (n && buf[n - 1] == '\n')
		n--;
	buf[n] = '\0';
	return (ssize_t)n;
}

static ssize_t file_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct pseudo *p = f->inode->private;
	const size_t count = it->count;
	char *buf;
	ssize_t n;

	if (!p->store)
		return -EIO;
	if (!count)
		return 0;
	buf = kmalloc(TEXT_MAX);
	if (!buf)
		return -ENOMEM;
	n = pseudo_text(it, buf, TEXT_MAX);
	if (n >= 0)
		n = p->store(buf, (size_t)n, p->arg);
	kfree(buf);
	if (n < 0)
		return n;
	*pos += (loff_t)count;
	return (ssize_t)count;
}

static const struct file_ops file_ops = {
	.open = file_open,
	.read = file_read,
	.write = file_write,
	.llseek = seq_llseek,
	.release = seq_release,
};

/* ---- values ---- */

int pseudo_show_u32(struct seq *s, void *arg)
{
	seq_printf(s, "%u\n", READ_ONCE(*(u32 *)arg));
	return 0;
}

int pseudo_show_str(struct seq *s, void *arg)
{
	seq_puts(s, arg);
	seq_putc(s, '\n');
	return 0;
}

/* ---- super blocks ---- */

struct super *pseudo_mount(struct fs_type *type, const struct super_ops *ops, u32 magic, struct pseudo *root)
{
	struct super *sb = super_new(type, ops, magic);
	struct inode *i;

	if (!sb)
		return ERR_PTR(-ENOMEM);
	i = pseudo_inode(sb, root);
	sb->root = i ? d_make_root(i) : NULL;
	if (!sb->root) {
		super_put(sb);
		return ERR_PTR(-ENOMEM);
	}
	return sb;
}
