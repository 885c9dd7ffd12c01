/* SPDX-License-Identifier: Apache-2.0 */
/*
 * getdents, getdents64: directory entries in the layouts programs know.
 *
 * Entries go to the program one at a time. Each carries the position of the next one (d_off), known when that comes: it
 * is filled in then, the last one's at the end.
 */
#include "internal.h"

struct dirent64 {
	u64 d_ino;
	s64 d_off;
	u16 d_reclen;
	u8 d_type;
	char d_name[];
} __packed;

struct dirent_old { /* the type is the last byte of the record */
	u64 d_ino;
	s64 d_off;
	u16 d_reclen;
	char d_name[];
} __packed;

struct getdents {
	struct dir_context ctx;
	char __user *at;   /* where the next record goes */
	char __user *prev; /* the record before, whose d_off is due */
	size_t room;
	int err;
	bool old;
};

#define REC_MAX ALIGN_UP(sizeof(struct dirent64) + NAME_MAX + 2, 8)

static bool put_entry(struct dir_context *ctx, const char *name, u32 len, loff_t pos, u64 ino, u32 type)
{
	struct getdents *g = container_of(ctx, struct getdents, ctx);
	char rec[REC_MAX] __aligned(8);
	const size_t head = g->old ? sizeof(struct dirent_old) : sizeof(struct dirent64);
	const size_t size = ALIGN_UP(head + len + 1 + (g->old ? 1 : 0), 8);

	g->err = -EINVAL; /* should not one record fit */
	if (len > NAME_MAX || size > g->room)
		return false;
	if (g->prev && put_user(pos, (s64 __user *)(void *)(g->prev + 8))) {
		g->err = -EFAULT;
		return false;
	}
	memset(rec, 0, size);
	if (g->old) {
		struct dirent_old *e = (void *)rec;

		e->d_ino = ino;
		e->d_reclen = (u16)size;
		rec[size - 1] = (char)type;
		memcpy(e->d_name, name, len);
	} else {
		struct dirent64 *e = (void *)rec;

		e->d_ino = ino;
		e->d_reclen = (u16)size;
		e->d_type = (u8)type;
		memcpy(e->d_name, name, len);
	}
	if (copy_to_user(g->at, rec, size)) {
		g->err = -EFAULT;
		return false;
	}
	g->prev = g->at;
	g->at += size;
	g->room -= size;
	g->err = 0;
	return true;
}

bool dir_emit_dots(struct file *f, struct dir_context *ctx)
{
	struct dentry *d = f->path.dentry, *parent;
	bool more;

	if (ctx->pos == 0) {
		if (!ctx->actor(ctx, ".", 1, 0, d->inode->ino, DT_OF_MODE(S_IFDIR)))
			return false;
		ctx->pos = 1;
	}
	if (ctx->pos == 1) {
		parent = dget_parent(d);
		more = ctx->actor(ctx, "..", 2, 1, parent->inode->ino, DT_OF_MODE(S_IFDIR));
		dput(parent);
		if (!more)
			return false;
		ctx->pos = 2;
	}
	return true;
}

static int iterate_dir(struct file *f, struct dir_context *ctx)
{
	struct inode *dir = f->inode;
	int err;

	if (!f->ops->iterate)
		return -ENOTDIR;
	down_read(&dir->lock);
	err = file_inode(f)->flags & INODE_DEAD ? -ENOENT : 0;
	if (!err) {
		ctx->pos = f->pos;
		err = f->ops->iterate(f, ctx);
		f->pos = ctx->pos;
	}
	up_read(&dir->lock);
	if (!err) {
		file_accessed(f);
		notify_access(f);
	}
	return err;
}

static long do_getdents(int fd, char __user *buf, u32 size, bool old)
{
	struct getdents g = {.ctx = {.actor = put_entry}, .at = buf, .room = size, .old = old};
	struct fdref r = fdref_get(fd);
	int err;

	if (!r.f)
		return -EBADF;
	mutex_lock(&r.f->pos_lock);
	err = iterate_dir(r.f, &g.ctx);
	if (g.prev && put_user(r.f->pos, (s64 __user *)(void *)(g.prev + 8)))
		g.err = -EFAULT;
	mutex_unlock(&r.f->pos_lock);
	fdref_put(r);
	if (g.at != buf && g.err != -EFAULT)
		return g.at - buf;
	return err ? err : g.err;
}

SYSCALL3(getdents64, int, fd, char __user *, buf, u32, size)
{
	return do_getdents(fd, buf, size, false);
}

SYSCALL3(getdents, int, fd, char __user *, buf, u32, size)
{
	return do_getdents(fd, buf, size, true);
}
