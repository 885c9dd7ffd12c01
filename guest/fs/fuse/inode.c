/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Super blocks and inodes of host trees: identity and life.
 *
 * An inode is found by node id, which the server never uses twice, so host files that replace one another under one
 * name or number are different inodes here. An inode that loses its last reference tells the server to forget it.
 *
 * Lock: fuse_lock protects the table and the lookup counts. An inode whose count is 0 is dying and does not count as
 * found; the same file may get a second inode meanwhile, and the server's count is the sum of both.
 */
#include <gk/init.h>

#include "fuse.h"

/* More host files than this are not remembered: each costs the VMM memory too. */
#define MAX_INODES 65536
/* Node ids are counted up, so the table fills from one end and what is not used of it costs no memory. */
#define BUCKETS (MAX_INODES / 4)

static spinlock_t fuse_lock = SPINLOCK_INIT;
static struct fuse_inode *table[BUCKETS]; /* fuse_lock; by node id */
static struct slab_cache *fi_slab;
static u32 nr_inodes; /* atomic */

static struct fuse_inode **bucket(u64 nodeid)
{
	return &table[nodeid % BUCKETS];
}

/* fuse_lock held */
static void hash(struct fuse_inode *fi)
{
	struct fuse_inode **b = bucket(fi->nodeid);

	fi->hash_next = *b;
	*b = fi;
}

/* fuse_lock held; one that was never in the table is not found. */
static void unhash(const struct fuse_inode *fi)
{
	struct fuse_inode **link = bucket(fi->nodeid);

	while (*link && *link != fi)
		link = &(*link)->hash_next;
	if (*link)
		*link = fi->hash_next;
}

/* The living inode of @nodeid, with a reference. fuse_lock held. */
static struct inode *find(const struct super *sb, u64 nodeid)
{
	for (const struct fuse_inode *fi = *bucket(nodeid); fi; fi = fi->hash_next)
		if (fi->nodeid == nodeid && fi->inode->sb == sb && refcount_inc_not_zero(&fi->inode->refs))
			return fi->inode;
	return NULL;
}

static u32 new_decode_dev(u32 dev, u32 *major)
{
	*major = (dev >> 8) & 0xfff;
	return (dev & 0xff) | ((dev >> 12) & 0xfff00);
}

/* What never changes in an inode's life. */
static void init_inode(struct inode *i, const struct fuse_attr *a)
{
	u32 major, minor;

	i->ino = a->ino;
	i->mode = a->mode;
	i->size = (loff_t)a->size;
	minor = new_decode_dev(a->rdev, &major);
	i->rdev = MKDEV(major, minor);
	if (S_ISDIR(a->mode)) {
		i->ops = &fuse_dir_iops;
		i->fops = &fuse_dir_fops;
	} else if (S_ISLNK(a->mode)) {
		i->ops = &fuse_link_iops;
	} else {
		i->ops = &fuse_file_iops;
		if (S_ISREG(a->mode)) {
			i->fops = &fuse_file_fops;
			i->mapping.ops = &fuse_mapping_ops;
		}
	}
}

static struct inode *new_inode(struct super *sb, u64 nodeid, const struct fuse_attr *a)
{
	struct fuse_inode *fi = slab_zalloc(fi_slab);
	struct inode *i = fi ? inode_new(sb) : NULL;
	u32 n;

	if (!i) {
		slab_free(fi_slab, fi);
		return NULL;
	}
	n = atomic_add_return(&nr_inodes, 1);
	if (n > MAX_INODES && n % 128 == 0)
		dcache_shrink(256);
	fi->inode = i;
	fi->nodeid = nodeid;
	fi->submount = a->flags & FUSE_ATTR_SUBMOUNT;
	spin_init(&fi->lock);
	list_init(&fi->idle_link);
	i->private = fi;
	init_inode(i, a);
	return i;
}

struct inode *fuse_iget(struct super *sb, const struct fuse_entry_out *e, u64 version)
{
	struct inode *i, *fresh = NULL;

	if (!e->nodeid)
		return ERR_PTR(-EIO);
	for (;;) {
		spin_lock(&fuse_lock);
		i = find(sb, e->nodeid);
		if (!i && fresh) {
			i = fresh;
			fresh = NULL;
			hash(fuse_i(i));
		}
		if (i)
			fuse_i(i)->nlookup++;
		spin_unlock(&fuse_lock);
		if (i)
			break;
		fresh = new_inode(sb, e->nodeid, &e->attr);
		if (!fresh) {
			fuse_forget(e->nodeid, 1);
			return ERR_PTR(-ENOMEM);
		}
		/* Complete before anyone can find it. */
		fuse_attr_update_own(fresh, &e->attr, e->attr_valid, 0);
	}
	if (fresh)
		inode_put(fresh);
	if ((i->mode ^ e->attr.mode) & S_IFMT) {
		inode_put(i);
		return ERR_PTR(-EIO);
	}
	fuse_attr_update(i, &e->attr, e->attr_valid, version);
	return i;
}

static void evict(struct inode *i)
{
	struct fuse_inode *fi = fuse_i(i);
	u64 nlookup;

	if (!fi)
		return;
	fuse_fh_drop_idle(i);
	spin_lock(&fuse_lock);
	unhash(fi);
	nlookup = fi->nlookup;
	spin_unlock(&fuse_lock);
	fuse_forget(fi->nodeid, nlookup);
	kfree(i->link);
	i->link = NULL;
	i->private = NULL;
	atomic_dec(&nr_inodes);
	slab_free(fi_slab, fi);
}

static int statfs(struct super *sb, struct statfs64 *st)
{
	struct fuse_statfs_out out;
	const struct fuse_call c = {
		.opcode = FUSE_STATFS, .nodeid = fuse_s(sb)->root_node, .out = &out, .out_size = sizeof(out)};
	const int err = fuse_call_exact(&c);

	if (err)
		return err;
	*st = (struct statfs64){
		.f_type = FUSE_SUPER_MAGIC,
		.f_bsize = out.st.bsize,
		.f_blocks = out.st.blocks,
		.f_bfree = out.st.bfree,
		.f_bavail = out.st.bavail,
		.f_files = out.st.files,
		.f_ffree = out.st.ffree,
		.f_namelen = out.st.namelen,
		.f_frsize = out.st.frsize,
	};
	return 0;
}

static int sync(struct super *sb)
{
	const struct fuse_syncfs_in in = {0};
	const struct fuse_call c = {
		.opcode = FUSE_SYNCFS, .nodeid = fuse_s(sb)->root_node, .nr_in = 1, .in = {{&in, sizeof(in)}}};
	const int err = fuse_call_exact(&c);

	return err == -ENOTDIR ? 0 : err; /* an export that is a file */
}

static void put_super(struct super *sb)
{
	kfree(sb->private);
	sb->private = NULL;
}

static const struct super_ops fuse_super_ops = {
	.statfs = statfs,
	.evict = evict,
	.put_super = put_super,
	.sync = sync,
};

/*
 * The export called @tag: its node id and whether it is read-only. From "export=NODE:ro|rw:TAG" of the configuration.
 */
static u64 find_export(const char *tag, bool *read_only)
{
	const char *iter = NULL, *value;

	while ((value = config_next("export", &iter))) {
		char *rest;
		const u64 node = strtoull(value, &rest, 10);

		if (rest[0] != ':' || (rest[1] != 'r') || (rest[2] != 'o' && rest[2] != 'w') || rest[3] != ':')
			continue;
		if (strcmp(rest + 4, tag) == 0) {
			*read_only = rest[2] == 'o';
			return node;
		}
	}
	return 0;
}

static int fill_super(struct super *sb, u64 node, bool read_only)
{
	const struct fuse_getattr_in in = {0};
	struct fuse_attr_out out;
	const struct fuse_call c = {.opcode = FUSE_GETATTR,
				    .nodeid = node,
				    .nr_in = 1,
				    .in = {{&in, sizeof(in)}},
				    .out = &out,
				    .out_size = sizeof(out)};
	struct fuse_entry_out e = {.nodeid = node};
	struct fuse_super *fs = kzalloc(sizeof(*fs));
	struct inode *root;
	int err;

	sb->private = fs;
	if (!fs)
		return -ENOMEM;
	err = fuse_call_exact(&c);
	if (err)
		return err;
	fs->root_node = node;
	fs->shared = out.attr_valid == 0;
	if (read_only)
		sb->flags |= MS_RDONLY;
	sb->blocksize = PAGE_SIZE;
	sb->name_max = UM_FUSE_MAX_NAME;
	sb->max_bytes = MAX_LFS_FILESIZE;
	e.attr = out.attr;
	e.attr_valid = out.attr_valid;
	root = fuse_iget(sb, &e, 0);
	if (IS_ERR(root))
		return (int)PTR_ERR(root);
	sb->root = d_make_root(root);
	return sb->root ? 0 : -ENOMEM;
}

/* @source is the tag of an export. */
static struct super *fuse_mount(struct fs_type *type, u32 flags, const char *source, const char *data)
{
	bool read_only = false;
	const u64 node = source ? find_export(source, &read_only) : 0;
	struct super *sb;
	int err;

	if (!node)
		return ERR_PTR(-ENODEV);
	err = fuse_connect();
	if (err)
		return ERR_PTR(err);
	sb = super_new(type, &fuse_super_ops, FUSE_SUPER_MAGIC);
	if (IS_ERR_OR_NULL(sb))
		return sb ? sb : ERR_PTR(-ENOMEM);
	strscpy(sb->source, source, sizeof(sb->source));
	err = fill_super(sb, node, read_only);
	if (err) {
		super_put(sb);
		return ERR_PTR(err);
	}
	return sb;
}

static struct fs_type fuse_type = {.name = "virtiofs", .mount = fuse_mount, .nodev = true};

void fuse_init(void)
{
	fi_slab = slab_cache_new("fuse_inode", sizeof(struct fuse_inode), 64);
	if (!fi_slab)
		panic("no memory for the host file client");
	register_fs(&fuse_type);
}
