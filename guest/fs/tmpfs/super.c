/* SPDX-License-Identifier: Apache-2.0 */
/* tmpfs: mounting, options, and files without a name: memfd_create, shared anonymous memory. */
#include <gk/init.h>
#include <gk/memfd.h>
#include "tmpfs.h"

#define TMPFS_MAGIC 0x01021994

struct mount *shm_mnt;

static int tmpfs_statfs(struct super *sb, struct statfs64 *st)
{
	const struct tmpfs_super *ts = tmpfs_sb(sb);

	if (ts->max_pages) {
		st->f_blocks = ts->max_pages;
		st->f_bfree = ts->max_pages - MIN(ts->max_pages, ts->used_pages);
		st->f_bavail = st->f_bfree;
	}
	if (ts->max_inodes) {
		st->f_files = ts->max_inodes;
		st->f_ffree = ts->max_inodes - MIN(ts->max_inodes, ts->used_inodes);
	}
	return 0;
}

static void tmpfs_put_super(struct super *sb)
{
	kfree(sb->private);
}

static int tmpfs_show_options(struct super *sb, char *buf, size_t size)
{
	const struct tmpfs_super *ts = tmpfs_sb(sb);
	int n = 0;

	if (ts->max_pages && ts->max_pages != ram_pages / 2)
		n += scnprintf(buf + n, size - (size_t)n, ",size=%luk", (unsigned long)ts->max_pages * 4);
	if (ts->max_inodes && ts->max_inodes != ram_pages / 2)
		n += scnprintf(buf + n, size - (size_t)n, ",nr_inodes=%lu", (unsigned long)ts->max_inodes);
	if (ts->mode != 01777)
		n += scnprintf(buf + n, size - (size_t)n, ",mode=%o", ts->mode);
	if (ts->uid)
		n += scnprintf(buf + n, size - (size_t)n, ",uid=%u", ts->uid);
	if (ts->gid)
		n += scnprintf(buf + n, size - (size_t)n, ",gid=%u", ts->gid);
	return n;
}

/* "64m", "50%" of @whole, in bytes (@whole: bytes). */
static int parse_size(const char *s, u64 whole, u64 *out)
{
	char *end;
	u64 v = strtoull(s, &end, 0);

	if (end == s)
		return -EINVAL;
	switch (*end) {
	case 'g':
	case 'G':
		v <<= 10; /* fall through */
		__attribute__((fallthrough));
	case 'm':
	case 'M':
		v <<= 10;
		__attribute__((fallthrough));
	case 'k':
	case 'K':
		v <<= 10;
		end++;
		break;
	case '%':
		v = whole / 100 * v;
		end++;
		break;
	}
	if (*end)
		return -EINVAL;
	*out = v;
	return 0;
}

static int parse_option(struct tmpfs_super *ts, char *key)
{
	char *val = strchr(key, '='), *end;
	u64 v;
	int err;

	if (val)
		*val++ = '\0';
	if (!strcmp(key, "size") && val) {
		err = parse_size(val, ram_pages * PAGE_SIZE, &v);
		ts->max_pages = ALIGN_UP(v, PAGE_SIZE) / PAGE_SIZE;
		return err;
	}
	if (!strcmp(key, "nr_blocks") && val)
		return parse_size(val, ram_pages, &ts->max_pages);
	if (!strcmp(key, "nr_inodes") && val)
		return parse_size(val, ram_pages, &ts->max_inodes);
	if ((!strcmp(key, "mode") || !strcmp(key, "uid") || !strcmp(key, "gid")) && val) {
		v = strtoull(val, &end, *key == 'm' ? 8 : 10);
		if (end == val || *end)
			return -EINVAL;
		if (*key == 'm')
			ts->mode = v & 07777;
		else if (*key == 'u')
			ts->uid = (kuid_t)v;
		else
			ts->gid = (kgid_t)v;
		return 0;
	}
	/* Known, without effect here. */
	static const char *const ignored[] = {"huge", "mpol", "inode32", "inode64", "noswap", "rw", "ro", "defaults"};

	for (u32 i = 0; i < ARRAY_SIZE(ignored); i++) {
		if (!strcmp(key, ignored[i]))
			return 0;
	}
	return -EINVAL;
}

static int parse_options(struct tmpfs_super *ts, const char *data)
{
	char *copy, *p, *next;
	int err = 0;

	if (!data || !*data)
		return 0;
	copy = kstrdup(data);
	if (!copy)
		return -ENOMEM;
	for (p = copy; p && !err; p = next) {
		next = strchr(p, ',');
		if (next)
			*next++ = '\0';
		if (*p)
			err = parse_option(ts, p);
	}
	kfree(copy);
	return err;
}

static int tmpfs_remount(struct super *sb, u32 flags, const char *data)
{
	struct tmpfs_super *ts = tmpfs_sb(sb), new = *ts;
	int err = parse_options(&new, data);

	if (err)
		return err;
	if ((new.max_pages &&new.max_pages < ts->used_pages) || (new.max_inodes &&new.max_inodes < ts->used_inodes))
		return -EINVAL;
	ts->max_pages = new.max_pages;
	ts->max_inodes = new.max_inodes;
	return 0;
}

static const struct super_ops tmpfs_super_ops = {
	.statfs = tmpfs_statfs,
	.evict = tmpfs_evict,
	.kill = tmpfs_kill,
	.put_super = tmpfs_put_super,
	.remount = tmpfs_remount,
	.show_options = tmpfs_show_options,
};

static struct super *tmpfs_mount(struct fs_type *type, u32 flags, const char *source, const char *data)
{
	struct tmpfs_super *ts = kzalloc(sizeof(*ts));
	struct super *sb = ts ? super_new(type, &tmpfs_super_ops, TMPFS_MAGIC) : NULL;
	struct inode *root;
	int err = -ENOMEM;

	if (!sb) {
		kfree(ts);
		return ERR_PTR(-ENOMEM);
	}
	ts->mode = 01777;
	ts->max_pages = ts->max_inodes = ram_pages / 2;
	sb->private = ts;
	sb->flags = flags & MS_RDONLY;
	err = parse_options(ts, data);
	if (err)
		goto put;
	root = tmpfs_inode_new(sb, NULL, S_IFDIR | ts->mode, 0);
	if (IS_ERR(root)) {
		err = (int)PTR_ERR(root);
		goto put;
	}
	root->uid = ts->uid;
	root->gid = ts->gid;
	sb->root = d_make_root(root);
	if (sb->root)
		return sb;
	err = -ENOMEM;
put:
	super_put(sb);
	return ERR_PTR(err);
}

static struct fs_type tmpfs_type = {.name = "tmpfs", .mount = tmpfs_mount, .nodev = true};

/* ---- files without a name ---- */

static int shm_dname(struct dentry *d, char *buf, size_t size)
{
	return scnprintf(buf, size, "/%s (deleted)", d->name);
}

static const struct dentry_ops shm_dentry_ops = {.dname = shm_dname};

static struct file *unnamed_file(const char *name, loff_t size, umode_t mode, u32 seals)
{
	struct inode *i = tmpfs_inode_new(shm_mnt->sb, NULL, S_IFREG | mode, 0);
	struct dentry *d;
	struct file *f;
	struct path p;

	if (IS_ERR(i))
		return ERR_CAST(i);
	d = d_alloc_anon(shm_mnt->sb, name);
	if (!d) {
		inode_put(i);
		return ERR_PTR(-ENOMEM);
	}
	inode_set_nlink(i, 0);
	i->size = size;
	tmpfs_i(i)->seals = seals;
	d->inode = i;
	d->ops = &shm_dentry_ops;
	p = (struct path){shm_mnt, d};
	f = file_open_path(&p, O_RDWR | O_LARGEFILE, current->cred);
	dput(d);
	return f;
}

struct file *shmem_file(const char *name, loff_t size, u32 flags)
{
	return unnamed_file(name, size, 0777, F_SEAL_SEAL);
}

#define MFD_CLOEXEC 0x1u
#define MFD_ALLOW_SEALING 0x2u
#define MFD_HUGETLB 0x4u
#define MFD_NOEXEC_SEAL 0x8u
#define MFD_EXEC 0x10u
#define MFD_NAME_MAX (NAME_MAX - 6) /* with "memfd:" in front */

SYSCALL2(memfd_create, const char __user *, uname, u32, flags)
{
	char name[NAME_MAX + 1] = "memfd:";
	u32 seals = F_SEAL_SEAL;
	struct file *f;
	ssize_t n;

	if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC))
		return -EINVAL; /* huge pages included: there are none */
	if ((flags & MFD_NOEXEC_SEAL) && (flags & MFD_EXEC))
		return -EINVAL;
	n = strncpy_from_user(name + 6, uname, MFD_NAME_MAX + 1);
	if (n < 0)
		return n == -ENAMETOOLONG ? -EINVAL : n;
	if (flags & MFD_ALLOW_SEALING)
		seals = 0;
	if (flags & MFD_NOEXEC_SEAL)
		seals = F_SEAL_EXEC;
	f = unnamed_file(name, 0, flags & MFD_NOEXEC_SEAL ? 0666 : 0777, seals);
	if (IS_ERR(f))
		return PTR_ERR(f);
	return fd_install_new(f, flags & MFD_CLOEXEC ? O_CLOEXEC : 0);
}

void tmpfs_init(void)
{
	register_fs(&tmpfs_type);
	shm_mnt = kern_mount("tmpfs", 0, NULL, "mode=1777,size=0,nr_inodes=0");
	if (IS_ERR(shm_mnt))
		panic("no memory for shared memory");
}
