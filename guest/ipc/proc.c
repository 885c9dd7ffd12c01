/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc says about System V IPC: the tables of /proc/sysvipc, and limits and next numbers in /proc/sys/kernel.
 * Each kind of object registers its own files here.
 */
#include "ipc/ipc.h"

#include <gk/printk.h>
#include <gk/pseudo.h>
#include <gk/slab.h>
#include <gk/string.h>

void ipc_show_all(struct seq *s, struct ipc_ids *ids, void (*show)(struct seq *s, struct ipc_obj *o))
{
	mutex_lock(&ids->mutex);
	for (u32 i = 0; i < ids->top; i++) {
		if (ids->table[i])
			show(s, ids->table[i]);
	}
	mutex_unlock(&ids->mutex);
}

/* ---- limits ---- */

static int show_limit(struct seq *s, void *arg)
{
	const struct ipc_limit *l = arg;

	seq_printf(s, "%lu\n", l->size == sizeof(u64) ? READ_ONCE(*(u64 *)l->value) : READ_ONCE(*(u32 *)l->value));
	return 0;
}

static int store_limit(char *text, size_t len, void *arg)
{
	const struct ipc_limit *l = arg;
	char *end;
	const u64 v = strtoull(text, &end, 10);

	if (end == text || *end || v > l->max)
		return -EINVAL;
	if (l->size == sizeof(u64))
		WRITE_ONCE(*(u64 *)l->value, v);
	else
		WRITE_ONCE(*(u32 *)l->value, (u32)v);
	return 0;
}

void ipc_limits_init(const struct ipc_limit *limits, u32 n)
{
	for (u32 i = 0; i < n; i++) {
		struct ipc_limit *l = kmemdup(&limits[i], sizeof(limits[i]));

		if (!l)
			panic("no memory for /proc/sys/kernel");
		proc_file(l->path, 0644, show_limit, store_limit, l);
	}
}

/* ---- numbers to come, for those who restore processes ---- */

static int show_next_id(struct seq *s, void *arg)
{
	const struct ipc_ids *ids = arg;

	seq_printf(s, "%d\n", READ_ONCE(ids->next_id));
	return 0;
}

static int store_next_id(char *text, size_t len, void *arg)
{
	struct ipc_ids *ids = arg;
	char *end;
	const bool none = !strcmp(text, "-1");
	const u64 v = none ? 0 : strtoull(text, &end, 10);

	if (!none && (end == text || *end || v > 0x7fffffff))
		return -EINVAL;
	mutex_lock(&ids->mutex);
	ids->next_id = none ? -1 : (s32)v;
	mutex_unlock(&ids->mutex);
	return 0;
}

void ipc_next_id_init(const char *path, struct ipc_ids *ids)
{
	proc_file(path, 0644, show_next_id, store_next_id, ids);
}
