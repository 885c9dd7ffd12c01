/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overlay: opening files.
 *
 * The open file becomes one of the layer: file->inode and file->ops are the layer's, the path stays the overlay's. For
 * writing the content is copied up first. A file opened for reading in the lower layer keeps operations of ours: they
 * ask each time whether the content has moved up, and then go to a file of the upper layer (file->backing) from there
 * on.
 */
#include "overlay.h"

static const struct file_ops lower_ops;

static const struct file_ops *layer_ops(const struct inode *real)
{
	return real->fops;
}

/* Makes @f an open file of the layer inode @real. */
static int enter_layer(struct file *f, struct inode *real, const struct file_ops *shown)
{
	int err;

	f->inode = real;
	f->ops = shown;
	if (!layer_ops(real)->open)
		return 0;
	err = layer_ops(real)->open(real, f);
	if (err)
		f->inode = file_inode(f);
	return err;
}

static int ovl_open(struct inode *i, struct file *f)
{
	struct inode *real;
	int err;

	if (f->fmode & FMODE_WRITE) {
		err = ovl_copy_up(f->path.dentry, f->flags & O_TRUNC ? OVL_COPY_EMPTY : OVL_COPY_DATA);
		if (err)
			return err;
	}
	real = ovl_real_data(i)->inode;
	if (ovl_has_upper_data(i))
		return enter_layer(f, real, layer_ops(real));
	return enter_layer(f, real, &lower_ops);
}

/* Regular files get here only by ovl_open(); the operations are those of the layer. */
const struct file_ops ovl_file_ops = {.open = ovl_open};

/* ---- lower files opened for reading ---- */

static struct file *open_backing(struct file *f)
{
	struct inode *upper = ovl_real_data(file_inode(f))->inode;
	struct file *b = file_alloc(f->flags);
	int err;

	if (!b)
		return ERR_PTR(-ENOMEM);
	b->path = f->path;
	path_get(&b->path);
	b->fmode = FMODE_READ | FMODE_LSEEK | FMODE_PREAD;
	err = enter_layer(b, upper, layer_ops(upper));
	if (err) {
		file_put(b);
		return ERR_PTR(err);
	}
	b->fmode |= FMODE_OPENED;
	return b;
}

/* The file that has the content now: @f itself, or one of the upper layer. */
static struct file *content(struct file *f)
{
	struct file *b = smp_load_acquire(&f->backing), *none = NULL;

	if (likely(!b && !ovl_has_upper_data(file_inode(f))))
		return f;
	if (b)
		return b;
	b = open_backing(f);
	if (IS_ERR(b))
		return b;
	if (!atomic_try_cmpxchg((struct file **)&f->backing, &none, b)) {
		file_put(b);
		b = none;
	}
	return b;
}

static const struct file_ops *content_ops(const struct file *c)
{
	return layer_ops(c->inode);
}

static ssize_t lower_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct file *c = content(f);

	return IS_ERR(c) ? PTR_ERR(c) : content_ops(c)->read(c, it, pos);
}

static loff_t lower_llseek(struct file *f, loff_t off, int whence)
{
	struct file *c = content(f);

	if (IS_ERR(c))
		return PTR_ERR(c);
	if (c == f)
		return content_ops(f)->llseek(f, off, whence);
	c->pos = f->pos;
	off = content_ops(c)->llseek(c, off, whence);
	if (off >= 0)
		f->pos = off;
	return off;
}

static int lower_mmap(struct file *f, struct vma *vma)
{
	struct file *c = content(f);
	int err;

	if (IS_ERR(c))
		return (int)PTR_ERR(c);
	err = content_ops(c)->mmap(c, vma);
	if (!err && c != f) {
		/* The mapping is one of the upper file. */
		file_put(vma->file);
		vma->file = file_get(c);
	}
	return err;
}

static int lower_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	return 0;
}

static long lower_ioctl(struct file *f, u32 cmd, u64 arg)
{
	struct file *c = content(f);

	if (IS_ERR(c))
		return PTR_ERR(c);
	return content_ops(c)->ioctl ? content_ops(c)->ioctl(c, cmd, arg) : -ENOIOCTLCMD;
}

static void lower_release(struct file *f)
{
	if (layer_ops(f->inode)->release)
		layer_ops(f->inode)->release(f);
}

static const struct file_ops lower_ops = {
	.read = lower_read,
	.llseek = lower_llseek,
	.mmap = lower_mmap,
	.fsync = lower_fsync,
	.ioctl = lower_ioctl,
	.release = lower_release,
};
