/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listing directories. Entries come from the server a buffer at a time, with attributes (READDIRPLUS) as long as
 * somebody makes use of them: they fill the caches of names and inodes, so that the stat() calls that usually follow a
 * listing ask nobody. Whether it pays is learned by credit: each entry cached that way costs one, its first use gives
 * several.
 *
 * The cookies are the host's. The buffer belongs to the open directory and is used under its pos_lock.
 */
#include "../internal.h"
#include "fuse.h"

#define LIST_BYTES 32000 /* with the rest of struct listing within 32 KB */
#define CREDIT_MAX 65536
#define CREDIT_USE 8

static s32 credit = 8192; /* races lose a count now and then */

struct listing {
	struct fuse_async release;
	bool open; /* fh is valid: a directory that took more than one buffer */
	bool plus; /* what kind of entries */
	bool started;
	bool at_end; /* there is nothing behind the buffer */
	u64 fh;
	u64 next;		      /* cookie behind the buffer */
	u32 len, at;		      /* bytes in data, and consumed */
	u64 at_pos;		      /* cookie of the entry at `at` */
	struct um_fuse_list_out head; /* comes before data */
	char data[LIST_BYTES] __aligned(8);
};

_Static_assert(offsetof(struct listing, data) == offsetof(struct listing, head) + sizeof(struct um_fuse_list_out),
	       "one reply");
_Static_assert(sizeof(struct listing) <= 32768, "one reply");

void fuse_listing_used(void)
{
	if (READ_ONCE(credit) < CREDIT_MAX)
		credit += CREDIT_USE;
}

static int open_dir(struct inode *i, struct listing *l)
{
	const struct fuse_open_in in = {.flags = O_RDONLY | O_DIRECTORY};
	struct fuse_open_out out;
	const struct fuse_call c = {.opcode = FUSE_OPENDIR,
				    .nodeid = fuse_i(i)->nodeid,
				    .nr_in = 1,
				    .in = {{&in, sizeof(in)}},
				    .out = &out,
				    .out_size = sizeof(out)};
	int err = l->open ? 0 : fuse_call_exact(&c);

	if (!err && !l->open) {
		l->fh = out.fh;
		l->open = true;
	}
	return err;
}

/* The directory's state, made at the first listing: opening one to fchdir() or openat() costs nothing. */
static struct listing *get_listing(struct file *f)
{
	struct listing *l = f->private;

	if (l)
		return l;
	l = kmalloc(sizeof(*l));
	if (!l)
		return NULL;
	memset(l, 0, offsetof(struct listing, data));
	f->private = l;
	return l;
}

/* The entry at l->at if it lies wholly in the buffer, or NULL; *size is how far the next one is. */
static struct fuse_dirent *entry(struct listing *l, struct fuse_entry_out **e, u32 *size)
{
	const u32 head = l->plus ? offsetof(struct fuse_direntplus, dirent.name) : offsetof(struct fuse_dirent, name);
	const u32 left = l->len - l->at;
	struct fuse_dirent *d;

	if (left < head)
		return NULL;
	*e = l->plus ? (struct fuse_entry_out *)(void *)(l->data + l->at) : NULL;
	d = (struct fuse_dirent *)(void *)(l->data + l->at + (l->plus ? sizeof(**e) : 0));
	if (!d->namelen || d->namelen > NAME_MAX)
		return NULL;
	*size = (u32)(l->plus ? FUSE_DIRENTPLUS_BYTES(d->namelen) : FUSE_DIRENT_BYTES(d->namelen));
	return *size <= left ? d : NULL;
}

/* The name is cached already: is it still that file? */
static void update_known(struct dentry *d, const struct fuse_entry_out *e)
{
	struct inode *i = d->inode;

	if (READ_ONCE(d->mounted))
		return;
	if (!i || fuse_i(i)->nodeid != e->nodeid) {
		d_drop(d);
		return;
	}
	/* Nobody knows which changes of ours the listing has seen: it counts for files that we have never changed. */
	fuse_attr_update(i, &e->attr, e->attr_valid, 0);
	d->time = fuse_entry_until(e->entry_valid);
}

/* Puts an entry of the listing into the caches. Takes over the lookup that it counts. */
static void cache_entry(struct dentry *parent, const struct fuse_dirent *de, const struct fuse_entry_out *e)
{
	const u32 hash = name_hash(de->name, de->namelen);
	struct dentry *d = d_lookup_hash(parent, de->name, de->namelen, hash);
	struct inode *i;
	bool is_new;

	if (d) {
		update_known(d, e);
		dput(d);
		fuse_forget(e->nodeid, 1);
		return;
	}
	i = fuse_iget(parent->sb, e, 0);
	if (IS_ERR(i))
		return;
	d = d_alloc_lookup(parent, de->name, de->namelen, hash, &is_new);
	if (IS_ERR(d)) {
		inode_put(i);
		return;
	}
	if (is_new) {
		d->ops = &fuse_dentry_ops;
		d->time = fuse_entry_until(e->entry_valid);
		d->private = FUSE_FROM_LISTING;
		d_add(d, i);
		d_lookup_done(d);
		credit--;
	} else {
		inode_put(i);
	}
	dput(d);
}

/*
 * Puts a whole buffer into the caches: now, while the directory is locked, so that no name comes back that is removed
 * after.
 */
static void cache_all(struct dentry *parent, struct listing *l)
{
	struct fuse_entry_out *e;
	struct fuse_dirent *d;
	u32 size;

	for (l->at = 0; l->at < l->len && (d = entry(l, &e, &size)); l->at += size)
		if (e->nodeid)
			cache_entry(parent, d, e);
	l->at = 0;
}

/* The start of a directory, and all of it if it is not large, in one request. Bytes of entries or -errno. */
static ssize_t list_start(struct inode *i, struct listing *l)
{
	const struct um_fuse_list_in in = {.size = LIST_BYTES, .plus = l->plus};
	const struct fuse_call c = {.opcode = UM_FUSE_LIST,
				    .nodeid = fuse_i(i)->nodeid,
				    .nr_in = 1,
				    .in = {{&in, sizeof(in)}},
				    .out = &l->head,
				    .out_size = sizeof(l->head) + LIST_BYTES};
	const ssize_t n = fuse_call(&c);

	if (n < 0)
		return n;
	if (n < (ssize_t)sizeof(l->head))
		return -EIO;
	l->at_end = l->head.at_end;
	return n - (ssize_t)sizeof(l->head);
}

static ssize_t list_more(struct inode *i, struct listing *l, u64 pos)
{
	const int err = open_dir(i, l);
	const struct fuse_read_in in = {.fh = l->fh, .offset = pos, .size = LIST_BYTES};
	const struct fuse_call c = {.opcode = l->plus ? FUSE_READDIRPLUS : FUSE_READDIR,
				    .nodeid = fuse_i(i)->nodeid,
				    .nr_in = 1,
				    .in = {{&in, sizeof(in)}},
				    .out = l->data,
				    .out_size = LIST_BYTES};
	ssize_t n;

	if (err)
		return err;
	n = fuse_call(&c);
	l->at_end = n == 0;
	return n;
}

/* Gets the entries from cookie @pos on; none at the end. */
static int fill(struct file *f, struct listing *l, u64 pos)
{
	ssize_t n;

	l->plus = READ_ONCE(credit) > 0;
	n = pos ? list_more(f->inode, l, pos) : list_start(f->inode, l);
	l->len = n < 0 ? 0 : (u32)n;
	l->at = 0;
	l->at_pos = l->next = pos;
	if (l->plus)
		cache_all(f->path.dentry, l);
	return n < 0 ? (int)n : 0;
}

static bool is_dots(const struct fuse_dirent *d)
{
	return d->name[0] == '.' && (d->namelen == 1 || (d->namelen == 2 && d->name[1] == '.'));
}

/* What ".." is above the root of an export is not for the guest. */
static u64 shown_ino(const struct file *f, const struct fuse_dirent *d)
{
	const bool root = f->path.dentry->parent == f->path.dentry;

	return d->namelen == 2 && is_dots(d) && root ? f->inode->ino : d->ino;
}

/* Gives entries from the buffer. 1: it is empty; 0: the caller has enough; or -EIO. */
static int give(struct file *f, struct listing *l, struct dir_context *ctx)
{
	while (l->at < l->len) {
		struct fuse_entry_out *e;
		struct fuse_dirent *d;
		u32 size;

		d = entry(l, &e, &size);
		if (!d)
			return -EIO;
		if (!ctx->actor(ctx, d->name, d->namelen, (loff_t)l->at_pos, shown_ino(f, d), d->type))
			return 0;
		l->at += size;
		l->at_pos = l->next = d->off;
		ctx->pos = (loff_t)d->off;
	}
	return 1;
}

static int iterate_submount(struct file *f, struct dir_context *ctx)
{
	if (ctx->pos == 0 && ctx->actor(ctx, ".", 1, 0, f->inode->ino, DT_OF_MODE(S_IFDIR)))
		ctx->pos = 1;
	if (ctx->pos == 1 && ctx->actor(ctx, "..", 2, 1, f->inode->ino, DT_OF_MODE(S_IFDIR)))
		ctx->pos = 2;
	return 0;
}

static int fuse_iterate(struct file *f, struct dir_context *ctx)
{
	struct listing *l;
	int r;

	if (fuse_i(f->inode)->submount)
		return iterate_submount(f, ctx);
	l = get_listing(f);
	if (!l)
		return -ENOMEM;
	if (!l->started || l->at_pos != (u64)ctx->pos) {
		l->started = true;
		r = fill(f, l, (u64)ctx->pos);
		if (r)
			return r;
	}
	for (;;) {
		r = give(f, l, ctx);
		if (r <= 0)
			return r;
		if (l->at_end)
			return 0;
		r = fill(f, l, l->next);
		if (r || !l->len)
			return r;
	}
}

static void release_done(struct virtq_req *r)
{
	kfree(container_of(r, struct listing, release.vr));
}

static void fuse_dir_release(struct file *f)
{
	struct listing *l = f->private;

	if (!l || !l->open) {
		kfree(l);
		return;
	}
	l->release.arg.release = (struct fuse_release_in){.fh = l->fh};
	l->release.arg_size = sizeof(l->release.arg.release);
	l->release.vr.done = release_done;
	if (fuse_send_quiet(&l->release, FUSE_RELEASEDIR, fuse_i(f->inode)->nodeid)) {
		const struct fuse_call c = {.opcode = FUSE_RELEASEDIR,
					    .nodeid = fuse_i(f->inode)->nodeid,
					    .nr_in = 1,
					    .in = {{&l->release.arg.release, sizeof(l->release.arg.release)}}};

		fuse_call(&c);
		kfree(l);
	}
}

static loff_t fuse_dir_llseek(struct file *f, loff_t off, int whence)
{
	/* Cookies only: back to the start or to what telldir() gave. */
	if (whence == 1) /* SEEK_CUR */
		off += f->pos;
	else if (whence != 0)
		return -EINVAL;
	if (off < 0)
		return -EINVAL;
	if (off == 0 && f->private)
		((struct listing *)f->private)->started = false; /* rewinddir() sees what is new */
	f->pos = off;
	return off;
}

static int fuse_dir_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	struct listing *l = get_listing(f);
	const int err = l ? open_dir(f->inode, l) : -ENOMEM;

	if (err)
		return err;
	const struct fuse_fsync_in in = {.fh = l->fh, .fsync_flags = datasync ? FUSE_FSYNC_FDATASYNC : 0};
	const struct fuse_call c = {
		.opcode = FUSE_FSYNCDIR, .nodeid = fuse_i(f->inode)->nodeid, .nr_in = 1, .in = {{&in, sizeof(in)}}};

	return fuse_call_exact(&c);
}

const struct file_ops fuse_dir_fops = {
	.release = fuse_dir_release,
	.llseek = fuse_dir_llseek,
	.iterate = fuse_iterate,
	.fsync = fuse_dir_fsync,
};
