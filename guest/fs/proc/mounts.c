/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/mounts, mountinfo, mountstats: what is mounted below the root of the task that reads. */
#include "proc.h"

enum kind { MOUNTS, MOUNTINFO, MOUNTSTATS };

struct show {
	struct seq *s;
	struct path root; /* of the reader */
	enum kind kind;
	char *buf; /* PATH_MAX */
};

/* Blanks would end a field. */
static void put_escaped(struct seq *s, const char *text)
{
	for (; *text; text++) {
		if (*text == ' ' || *text == '\t' || *text == '\n' || *text == '\\' || *text == '#')
			seq_printf(s, "\\%03o", (u8)*text);
		else
			seq_putc(s, *text);
	}
}

static void put_mount_flags(struct seq *s, u32 flags)
{
	static const struct {
		u32 flag;
		const char *text;
	} names[] = {
		{MS_NOSUID, ",nosuid"},
		{MS_NODEV, ",nodev"},
		{MS_NOEXEC, ",noexec"},
		{MS_NOATIME, ",noatime"},
		{MS_NODIRATIME, ",nodiratime"},
		{MS_RELATIME, ",relatime"},
		{MNT_NOSYMFOLLOW, ",nosymfollow"},
	};

	seq_puts(s, flags & MS_RDONLY ? "ro" : "rw");
	for (u32 i = 0; i < ARRAY_SIZE(names); i++) {
		if (flags & names[i].flag)
			seq_puts(s, names[i].text);
	}
}

static void put_super_options(struct show *sh, struct super *sb)
{
	int n;

	if (!sb->ops || !sb->ops->show_options)
		return;
	n = sb->ops->show_options(sb, sh->buf, PATH_MAX);
	if (n > 0)
		seq_write(sh->s, sh->buf, (size_t)n);
}

/* The root of the mount within its file system. */
static const char *root_text(struct mount *m, char *buf)
{
	char *p = buf + PATH_MAX - 1;
	struct dentry *d = m->root;

	*p = '\0';
	spin_lock(&rename_lock);
	while (d->parent != d && p - buf > NAME_MAX + 1) {
		p -= d->name_len;
		memcpy(p, d->name, d->name_len);
		*--p = '/';
		d = d->parent;
	}
	spin_unlock(&rename_lock);
	return *p ? p : "/";
}

static void put_mounts_line(struct show *sh, struct mount *m, const char *where)
{
	struct seq *s = sh->s;

	put_escaped(s, m->source);
	seq_putc(s, ' ');
	put_escaped(s, where);
	seq_printf(s, " %s ", m->sb->type->name);
	put_mount_flags(s, m->flags | (m->sb->flags & MS_RDONLY));
	put_super_options(sh, m->sb);
	seq_puts(s, " 0 0\n");
}

static void put_mountinfo_line(struct show *sh, struct mount *m, const char *where)
{
	struct seq *s = sh->s;
	const struct mount *parent = m->parent ? m->parent : m;
	char *buf = kmalloc(PATH_MAX);

	seq_printf(s, "%u %u %u:%u ", m->id, parent->id, MAJOR(m->sb->dev), MINOR(m->sb->dev));
	put_escaped(s, buf ? root_text(m, buf) : "/");
	kfree(buf);
	seq_putc(s, ' ');
	put_escaped(s, where);
	seq_putc(s, ' ');
	put_mount_flags(s, m->flags);
	seq_printf(s, " - %s ", m->sb->type->name);
	put_escaped(s, m->source);
	seq_puts(s, m->sb->flags & MS_RDONLY ? " ro" : " rw");
	put_super_options(sh, m->sb);
	seq_putc(s, '\n');
}

static int show_mount(struct mount *m, void *arg)
{
	struct show *sh = arg;
	const struct path p = {m, m->root};
	char *buf, *where;

	if (!path_is_below(&p, &sh->root))
		return 0;
	buf = kmalloc(PATH_MAX);
	if (!buf)
		return -ENOMEM;
	where = d_path(&p, buf, PATH_MAX);
	if (!IS_ERR(where) && sh->kind == MOUNTS) {
		put_mounts_line(sh, m, where);
	} else if (!IS_ERR(where) && sh->kind == MOUNTINFO) {
		put_mountinfo_line(sh, m, where);
	} else if (!IS_ERR(where)) {
		seq_printf(sh->s, "device %s mounted on ", m->source);
		put_escaped(sh->s, where);
		seq_printf(sh->s, " with fstype %s\n", m->sb->type->name);
	}
	kfree(buf);
	return 0;
}

static int show_all(struct seq *s, enum kind kind)
{
	struct show sh = {.s = s, .kind = kind, .buf = kmalloc(PATH_MAX)};
	int err;

	if (!sh.buf)
		return -ENOMEM;
	fs_get_root(&sh.root);
	err = for_each_mount(show_mount, &sh);
	path_put(&sh.root);
	kfree(sh.buf);
	return err;
}

int proc_mounts(struct seq *s, struct task *t, struct proc_inode *pi)
{
	return show_all(s, MOUNTS);
}

int proc_mountinfo(struct seq *s, struct task *t, struct proc_inode *pi)
{
	return show_all(s, MOUNTINFO);
}

int proc_mountstats(struct seq *s, struct task *t, struct proc_inode *pi)
{
	return show_all(s, MOUNTSTATS);
}
