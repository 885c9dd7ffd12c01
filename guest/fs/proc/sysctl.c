/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/sys: values that programs read to learn about their limits. Those that may be written are kept and shown again;
 * few have an effect here.
 */
#include <gk/init.h>
#include <gk/sysctl.h>
#include <gk/utsname.h>
#include "proc.h"

/* ---- kernel ---- */

static int show_hostname(struct seq *s, void *arg)
{
	struct utsname u;

	utsname_read(&u);
	seq_printf(s, "%s\n", u.nodename);
	return 0;
}

static int store_hostname(char *text, size_t len, void *arg)
{
	return capable(CAP_SYS_ADMIN) ? hostname_write(text, len) : -EPERM;
}

static int show_domainname(struct seq *s, void *arg)
{
	struct utsname u;

	utsname_read(&u);
	seq_printf(s, "%s\n", u.domainname);
	return 0;
}

static int show_osrelease(struct seq *s, void *arg)
{
	struct utsname u;

	utsname_read(&u);
	seq_printf(s, "%s\n", u.release);
	return 0;
}

static int show_kversion(struct seq *s, void *arg)
{
	struct utsname u;

	utsname_read(&u);
	seq_printf(s, "%s\n", u.version);
	return 0;
}

static int put_uuid(struct seq *s, const u8 *id)
{
	u8 u[16];

	memcpy(u, id, 16);
	u[6] = (u8)((u[6] & 15) | 0x40); /* version 4, RFC 4122 */
	u[8] = (u8)((u[8] & 63) | 0x80);
	for (u32 i = 0; i < 16; i++)
		seq_printf(s, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", u[i]);
	seq_putc(s, '\n');
	return 0;
}

static int show_uuid(struct seq *s, void *arg)
{
	u8 id[16];

	random_bytes(id, sizeof(id));
	return put_uuid(s, id);
}

static u8 boot_id[16];

static int show_boot_id(struct seq *s, void *arg)
{
	return put_uuid(s, boot_id);
}

/* ---- values ---- */

#define NUMBER_MAX 0x7fffffff

static struct number {
	const char *path;
	u32 own;      /* the value, unless it is somebody else's */
	u32 min, max; /* what may be written; min > max: nothing */
	u32 *value;
} numbers[] = {
	{"sys/kernel/pid_max", 0, 301, 0x400000, &sysctl_pid_max},
	{"sys/kernel/threads-max", 32768, 20, 0x400000, NULL},
	{"sys/kernel/ngroups_max", NGROUPS_MAX, 1, 0, NULL},
	{"sys/kernel/cap_last_cap", CAP_LAST, 1, 0, NULL},
	{"sys/kernel/randomize_va_space", 2, 0, 2, NULL},
	{"sys/kernel/yama/ptrace_scope", 0, 0, 3, NULL},
	{"sys/kernel/dmesg_restrict", 1, 0, NUMBER_MAX, NULL},
	{"sys/kernel/kptr_restrict", 1, 0, NUMBER_MAX, NULL},
	{"sys/kernel/perf_event_paranoid", 3, 0, NUMBER_MAX, NULL},
	{"sys/kernel/panic", 0, 0, NUMBER_MAX, NULL},
	{"sys/kernel/sysrq", 0, 0, NUMBER_MAX, NULL},
	{"sys/kernel/core_uses_pid", 0, 0, NUMBER_MAX, NULL},
	{"sys/kernel/keys/maxkeys", 200, 0, NUMBER_MAX, NULL},
	{"sys/kernel/sched_rt_runtime_us", 950000, 0, NUMBER_MAX, NULL},
	{"sys/kernel/sched_rt_period_us", 1000000, 0, NUMBER_MAX, NULL},
	{"sys/kernel/sched_child_runs_first", 0, 0, NUMBER_MAX, NULL},
	{"sys/kernel/timer_migration", 0, 0, NUMBER_MAX, NULL},
	{"sys/kernel/numa_balancing", 0, 0, NUMBER_MAX, NULL},
	{"sys/kernel/unprivileged_userns_clone", 0, 0, NUMBER_MAX, NULL},
	{"sys/kernel/unprivileged_bpf_disabled", 2, 0, NUMBER_MAX, NULL},
	{"sys/kernel/io_uring_disabled", 2, 0, NUMBER_MAX, NULL},
	{"sys/kernel/random/entropy_avail", 256, 1, 0, NULL},
	{"sys/kernel/random/poolsize", 256, 1, 0, NULL},
	{"sys/user/max_user_namespaces", 0, 0, NUMBER_MAX, NULL},
	{"sys/vm/overcommit_memory", 0, 0, 2, NULL},
	{"sys/vm/overcommit_ratio", 50, 0, NUMBER_MAX, NULL},
	{"sys/vm/swappiness", 60, 0, 200, NULL},
	{"sys/vm/max_map_count", 0, 0, NUMBER_MAX, &sysctl_max_map_count},
	{"sys/vm/vfs_cache_pressure", 100, 0, NUMBER_MAX, NULL},
	{"sys/vm/dirty_ratio", 20, 0, 100, NULL},
	{"sys/vm/dirty_background_ratio", 10, 0, 100, NULL},
	{"sys/vm/min_free_kbytes", 8192, 0, NUMBER_MAX, NULL},
	{"sys/vm/page-cluster", 3, 0, 31, NULL},
	{"sys/fs/nr_open", 1048576, 0, NUMBER_MAX, NULL},
	{"sys/fs/pipe-max-size", 0, 4096, 0x80000000, &sysctl_pipe_max},
	{"sys/fs/protected_hardlinks", 1, 0, 1, NULL},
	{"sys/fs/protected_symlinks", 1, 0, 1, NULL},
	{"sys/fs/suid_dumpable", 0, 0, 2, NULL},
	{"sys/fs/lease-break-time", 45, 0, NUMBER_MAX, NULL},
	{"sys/fs/dir-notify-enable", 0, 0, NUMBER_MAX, NULL},
	{"sys/fs/inotify/max_user_instances", 128, 0, NUMBER_MAX, NULL},
	{"sys/fs/inotify/max_user_watches", 65536, 0, NUMBER_MAX, NULL},
	{"sys/fs/inotify/max_queued_events", 16384, 0, NUMBER_MAX, NULL},
	{"sys/fs/epoll/max_user_watches", 1048576, 0, NUMBER_MAX, NULL},
	{"sys/fs/mqueue/queues_max", 0, 0, NUMBER_MAX, &sysctl_mq_queues},
	{"sys/fs/mqueue/msg_max", 0, 1, 65536, &sysctl_mq_msg},
	{"sys/fs/mqueue/msgsize_max", 0, 128, 0x1000000, &sysctl_mq_msgsize},
	{"sys/net/core/somaxconn", 0, 0, NUMBER_MAX, &sysctl_somaxconn},
	{"sys/net/core/rmem_max", 212992, 0, NUMBER_MAX, NULL},
	{"sys/net/core/wmem_max", 212992, 0, NUMBER_MAX, NULL},
	{"sys/net/core/rmem_default", 212992, 0, NUMBER_MAX, NULL},
	{"sys/net/core/wmem_default", 212992, 0, NUMBER_MAX, NULL},
	{"sys/net/ipv4/ip_forward", 0, 0, NUMBER_MAX, NULL},
	{"sys/net/ipv4/ip_unprivileged_port_start", 0, 0, 65535, &sysctl_unprivileged_port},
	{"sys/net/ipv4/tcp_syn_retries", 6, 0, NUMBER_MAX, NULL},
	{"sys/net/ipv4/tcp_fin_timeout", 60, 0, NUMBER_MAX, NULL},
	{"sys/net/ipv4/tcp_keepalive_time", 7200, 0, NUMBER_MAX, NULL},
	{"sys/net/ipv6/bindv6only", 0, 0, NUMBER_MAX, NULL},
	{"sys/net/ipv6/conf/all/disable_ipv6", 0, 0, NUMBER_MAX, NULL},
	{"sys/net/ipv6/conf/default/disable_ipv6", 0, 0, NUMBER_MAX, NULL},
	{"sys/net/ipv6/conf/lo/disable_ipv6", 0, 0, NUMBER_MAX, NULL},
	{"sys/fs/mqueue/msg_default", 0, 1, 65536, &sysctl_mq_msg_default},
	{"sys/fs/mqueue/msgsize_default", 0, 128, 0x1000000, &sysctl_mq_msgsize_default},
	{"sys/fs/pipe-user-pages-soft", 16384, 0, NUMBER_MAX, NULL},
	{"sys/fs/pipe-user-pages-hard", 0, 0, NUMBER_MAX, NULL},
};

static u32 *value_of(struct number *n)
{
	return n->value ? n->value : &n->own;
}

static int store_number(char *text, size_t len, void *arg)
{
	struct number *n = arg;
	char *end;
	const u64 v = strtoull(text, &end, 10);

	if (end == text || *end || v < n->min || v > n->max)
		return -EINVAL;
	WRITE_ONCE(*value_of(n), (u32)v);
	return 0;
}

static int show_number(struct seq *s, void *arg)
{
	return pseudo_show_u32(s, value_of(arg));
}

static struct mutex text_lock = MUTEX_INIT(text_lock);

static struct text {
	const char *path;
	umode_t mode;
	char text[128]; /* text_lock */
} texts[] = {
	{"sys/kernel/ostype", 0444, "Linux"},
	{"sys/kernel/core_pattern", 0644, "core"},
	{"sys/kernel/modprobe", 0644, ""},
	{"sys/kernel/tainted", 0644, "0"},
	{"sys/kernel/printk", 0644, "4\t4\t1\t7"},
	{"sys/vm/mmap_min_addr", 0644, "65536"},
	{"sys/vm/nr_hugepages", 0644, "0"},
	{"sys/vm/overcommit_kbytes", 0644, "0"},
	{"sys/net/ipv4/tcp_rmem", 0644, "4096\t131072\t6291456"},
	{"sys/net/ipv4/tcp_wmem", 0644, "4096\t16384\t4194304"},
	{"sys/net/ipv4/tcp_congestion_control", 0644, "cubic"},
	{"sys/net/ipv4/tcp_available_congestion_control", 0444, "reno cubic"},
	{"sys/net/ipv4/ping_group_range", 0644, "1\t0"},
};

static int show_text(struct seq *s, void *arg)
{
	const struct text *t = arg;

	mutex_lock(&text_lock);
	seq_printf(s, "%s\n", t->text);
	mutex_unlock(&text_lock);
	return 0;
}

static int store_text(char *text, size_t len, void *arg)
{
	struct text *t = arg;

	mutex_lock(&text_lock);
	strscpy(t->text, text, sizeof(t->text)); /* cut, as Linux does */
	mutex_unlock(&text_lock);
	return 0;
}

static int show_last_pid(struct seq *s, void *arg)
{
	seq_printf(s, "%d\n", pid_last());
	return 0;
}

static int store_last_pid(char *text, size_t len, void *arg)
{
	char *end;
	const u64 v = strtoull(text, &end, 10);

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (end == text || *end || v >= READ_ONCE(sysctl_pid_max))
		return -EINVAL;
	pid_set_last((s32)v);
	return 0;
}

static int store_domainname(char *text, size_t len, void *arg)
{
	return capable(CAP_SYS_ADMIN) ? domainname_write(text, len) : -EPERM;
}

static int show_file_nr(struct seq *s, void *arg)
{
	seq_printf(s, "%lu\t0\t9223372036854775807\n", (unsigned long)file_count());
	return 0;
}

static int show_file_max(struct seq *s, void *arg)
{
	seq_puts(s, "9223372036854775807\n");
	return 0;
}

static int show_dentry_state(struct seq *s, void *arg)
{
	u64 total, unused;

	dcache_stats(&total, &unused);
	seq_printf(s, "%lu\t%lu\t45\t0\t0\t0\n", (unsigned long)total, (unsigned long)unused);
	return 0;
}

static int show_inode_nr(struct seq *s, void *arg)
{
	seq_printf(s, "%lu\t0\n", (unsigned long)inode_count()); /* none is kept that nobody uses */
	return 0;
}

static int store_drop_caches(char *text, size_t len, void *arg)
{
	dcache_shrink(~0ull);
	pagecache_reclaim(~0ull);
	return 0;
}

void proc_sysctl_init(void)
{
	random_bytes(boot_id, sizeof(boot_id));
	proc_file("sys/kernel/hostname", 0644, show_hostname, store_hostname, NULL);
	proc_file("sys/kernel/domainname", 0644, show_domainname, store_domainname, NULL);
	proc_file("sys/kernel/ns_last_pid", 0666, show_last_pid, store_last_pid, NULL);
	proc_file("sys/kernel/osrelease", 0444, show_osrelease, NULL, NULL);
	proc_file("sys/kernel/version", 0444, show_kversion, NULL, NULL);
	proc_file("sys/kernel/random/uuid", 0444, show_uuid, NULL, NULL);
	proc_file("sys/kernel/random/boot_id", 0444, show_boot_id, NULL, NULL);
	proc_file("sys/fs/file-nr", 0444, show_file_nr, NULL, NULL);
	proc_file("sys/fs/file-max", 0444, show_file_max, NULL, NULL);
	proc_file("sys/fs/dentry-state", 0444, show_dentry_state, NULL, NULL);
	proc_file("sys/fs/inode-nr", 0444, show_inode_nr, NULL, NULL);
	proc_file("sys/vm/drop_caches", 0200, NULL, store_drop_caches, NULL);
	for (u32 i = 0; i < ARRAY_SIZE(numbers); i++) {
		const bool w = numbers[i].min <= numbers[i].max;

		proc_file(numbers[i].path, w ? 0644 : 0444, show_number, w ? store_number : NULL, &numbers[i]);
	}
	for (u32 i = 0; i < ARRAY_SIZE(texts); i++) {
		const bool w = texts[i].mode & 0200;

		proc_file(texts[i].path, texts[i].mode, show_text, w ? store_text : NULL, &texts[i]);
	}
}
