/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/PID/ns, where there is one namespace of each kind, and /proc/PID/net, which is the system's. */
#include <gk/task.h>
#include "proc.h"

static const struct {
	const char *name;
	u32 id;
} namespaces[] = {
	{"cgroup", 4026531835u}, {"ipc", 4026531839u},
	{"mnt", 4026531841u},	 {"net", 4026531840u},
	{"pid", 4026531836u},	 {"pid_for_children", 4026531836u},
	{"time", 4026531834u},	 {"time_for_children", 4026531834u},
	{"user", 4026531837u},	 {"uts", 4026531838u},
};

static char *ns_readlink(struct dentry *d, struct inode *i, struct path *jump)
{
	const char *end = strstr(d->name, "_for_children");
	char name[16];
	int err;

	strscpy(name, d->name, MIN(sizeof(name), end ? (size_t)(end - d->name) + 1 : sizeof(name)));
	err = nsfs_path(name, jump);
	return err ? ERR_PTR(err) : NULL;
}

const struct inode_ops proc_ns_link_ops = {.readlink = ns_readlink};

static int ns_lookup(struct inode *dir, struct dentry *d)
{
	static const struct pid_entry entry = {.name = "ns", .mode = S_IFLNK | 0777, .ops = &proc_ns_link_ops};
	struct task *t = proc_task(dir);
	int err = -ENOENT;

	if (!t)
		return -ESRCH;
	for (u32 n = 0; n < ARRAY_SIZE(namespaces); n++) {
		if (!strcmp(d->name, namespaces[n].name)) {
			err = proc_pid_add(dir, d, t, &entry, entry.mode, 0);
			if (!err)
				d->inode->ino = namespaces[n].id;
			break;
		}
	}
	task_put(t);
	return err;
}

static int ns_iterate(struct file *f, struct dir_context *ctx)
{
	if (!dir_emit_dots(f, ctx))
		return 0;
	for (; (u64)ctx->pos < ARRAY_SIZE(namespaces) + 2; ctx->pos++) {
		const u64 n = (u64)ctx->pos - 2;

		if (!ctx->actor(ctx, namespaces[n].name, (u32)strlen(namespaces[n].name), ctx->pos, namespaces[n].id,
				DT_OF_MODE(S_IFLNK)))
			break;
	}
	return 0;
}

const struct inode_ops proc_ns_inode_ops = {.lookup = ns_lookup, .setattr = pseudo_setattr};
const struct file_ops proc_ns_ops = {.llseek = generic_llseek, .iterate = ns_iterate};

/* ---- net ---- */

static int net_lookup(struct inode *dir, struct dentry *d)
{
	struct pseudo *p = pseudo_find(proc_net, d->name, d->name_len);
	struct inode *i = p ? pseudo_inode(dir->sb, p) : NULL;

	if (!i)
		return p ? -ENOMEM : -ENOENT;
	d_add(d, i);
	return 0;
}

static int net_iterate(struct file *f, struct dir_context *ctx)
{
	if (dir_emit_dots(f, ctx))
		pseudo_emit(proc_net, ctx);
	return 0;
}

const struct inode_ops proc_net_inode_ops = {.lookup = net_lookup, .setattr = pseudo_setattr};
const struct file_ops proc_net_ops = {.llseek = generic_llseek, .iterate = net_iterate};
