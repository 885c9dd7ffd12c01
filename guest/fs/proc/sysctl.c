/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/sys: values that programs read to learn about their limits. Those that may be written are kept and shown again;
 * few have an effect here.
 */
#include <gk/init.h>
#include <gk/pipe.h>
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

static u32 pid_max = PID_MAX, threads_max = 32768, overcommit_memory, overcommit_ratio = 50, swappiness = 60;
static u32 max_map_count = 65530, shmmni = 4096, ngroups_max = NGROUPS_MAX, cap_last_cap = CAP_LAST;
static u32 randomize_va_space = 2, yama = 0, dmesg_restrict = 1, kptr_restrict = 1, perf_paranoid = 3, panic_s, sysrq;
static u32 nr_open = 1048576, pipe_max = PIPE_MAX_SIZE, protected_links = 1, lease_time = 45, dir_notify;
static u32 inotify_instances = 128, inotify_watches = 65536, inotify_events = 16384, epoll_watches = 1048576;
static u32 somaxconn = 4096, entropy = 256, mq_queues = 256, mq_msg = 10, mq_msgsize = 8192, suid_dumpable;
static u32 keys_max = 200, vfs_cache_pressure = 100, dirty_ratio = 20, dirty_background = 10, min_free = 8192,
	   core_uses_pid;
static u32 tcp_syn_retries = 6, tcp_fin_timeout = 60, tcp_keepalive = 7200, ip_forward, disable_ipv6 = 0, bindv6only;
static u32 rmem = 212992, wmem = 212992, ip_unprivileged_port_start = 1024;
static u32 sched_rt_runtime = 950000, sched_rt_period = 1000000, sched_child_first, timer_migration, numa_balancing;
static u32 unprivileged_userns = 0, user_max = 0, io_uring_disabled = 2, unprivileged_bpf_disabled = 2,
	   page_cluster = 3;

static const struct {
	const char *path;
	u32 *value;
	bool writable;
} numbers[] = {
	{"sys/kernel/pid_max", &pid_max, false},
	{"sys/kernel/threads-max", &threads_max, false},
	{"sys/kernel/ngroups_max", &ngroups_max, false},
	{"sys/kernel/cap_last_cap", &cap_last_cap, false},
	{"sys/kernel/randomize_va_space", &randomize_va_space, false},
	{"sys/kernel/yama/ptrace_scope", &yama, false},
	{"sys/kernel/dmesg_restrict", &dmesg_restrict, false},
	{"sys/kernel/kptr_restrict", &kptr_restrict, false},
	{"sys/kernel/perf_event_paranoid", &perf_paranoid, false},
	{"sys/kernel/panic", &panic_s, false},
	{"sys/kernel/sysrq", &sysrq, false},
	{"sys/kernel/core_uses_pid", &core_uses_pid, true},
	{"sys/kernel/shmmni", &shmmni, false},
	{"sys/kernel/keys/maxkeys", &keys_max, false},
	{"sys/kernel/sched_rt_runtime_us", &sched_rt_runtime, false},
	{"sys/kernel/sched_rt_period_us", &sched_rt_period, false},
	{"sys/kernel/sched_child_runs_first", &sched_child_first, false},
	{"sys/kernel/timer_migration", &timer_migration, false},
	{"sys/kernel/numa_balancing", &numa_balancing, false},
	{"sys/kernel/unprivileged_userns_clone", &unprivileged_userns, false},
	{"sys/kernel/unprivileged_bpf_disabled", &unprivileged_bpf_disabled, false},
	{"sys/kernel/io_uring_disabled", &io_uring_disabled, false},
	{"sys/kernel/random/entropy_avail", &entropy, false},
	{"sys/kernel/random/poolsize", &entropy, false},
	{"sys/user/max_user_namespaces", &user_max, false},
	{"sys/vm/overcommit_memory", &overcommit_memory, true},
	{"sys/vm/overcommit_ratio", &overcommit_ratio, true},
	{"sys/vm/swappiness", &swappiness, true},
	{"sys/vm/max_map_count", &max_map_count, false},
	{"sys/vm/vfs_cache_pressure", &vfs_cache_pressure, true},
	{"sys/vm/dirty_ratio", &dirty_ratio, true},
	{"sys/vm/dirty_background_ratio", &dirty_background, true},
	{"sys/vm/min_free_kbytes", &min_free, false},
	{"sys/vm/page-cluster", &page_cluster, false},
	{"sys/fs/nr_open", &nr_open, false},
	{"sys/fs/pipe-max-size", &pipe_max, false},
	{"sys/fs/protected_hardlinks", &protected_links, false},
	{"sys/fs/protected_symlinks", &protected_links, false},
	{"sys/fs/suid_dumpable", &suid_dumpable, false},
	{"sys/fs/lease-break-time", &lease_time, false},
	{"sys/fs/dir-notify-enable", &dir_notify, false},
	{"sys/fs/inotify/max_user_instances", &inotify_instances, true},
	{"sys/fs/inotify/max_user_watches", &inotify_watches, true},
	{"sys/fs/inotify/max_queued_events", &inotify_events, true},
	{"sys/fs/epoll/max_user_watches", &epoll_watches, true},
	{"sys/fs/mqueue/queues_max", &mq_queues, false},
	{"sys/fs/mqueue/msg_max", &mq_msg, false},
	{"sys/fs/mqueue/msgsize_max", &mq_msgsize, false},
	{"sys/net/core/somaxconn", &somaxconn, true},
	{"sys/net/core/rmem_max", &rmem, false},
	{"sys/net/core/wmem_max", &wmem, false},
	{"sys/net/core/rmem_default", &rmem, false},
	{"sys/net/core/wmem_default", &wmem, false},
	{"sys/net/ipv4/ip_forward", &ip_forward, false},
	{"sys/net/ipv4/ip_unprivileged_port_start", &ip_unprivileged_port_start, false},
	{"sys/net/ipv4/tcp_syn_retries", &tcp_syn_retries, true},
	{"sys/net/ipv4/tcp_fin_timeout", &tcp_fin_timeout, true},
	{"sys/net/ipv4/tcp_keepalive_time", &tcp_keepalive, true},
	{"sys/net/ipv6/bindv6only", &bindv6only, true},
	{"sys/net/ipv6/conf/all/disable_ipv6", &disable_ipv6, true},
	{"sys/net/ipv6/conf/default/disable_ipv6", &disable_ipv6, true},
	{"sys/net/ipv6/conf/lo/disable_ipv6", &disable_ipv6, true},
};

static const struct {
	const char *path, *text;
} texts[] = {
	{"sys/kernel/ostype", "Linux"},
	{"sys/kernel/core_pattern", "core"},
	{"sys/kernel/modprobe", ""},
	{"sys/kernel/tainted", "0"},
	{"sys/kernel/printk", "4\t4\t1\t7"},
	{"sys/kernel/sem", "32000\t1024000000\t500\t32000"},
	{"sys/kernel/shmmax", "18446744073692774399"},
	{"sys/kernel/shmall", "18446744073692774399"},
	{"sys/kernel/msgmax", "8192"},
	{"sys/kernel/msgmnb", "16384"},
	{"sys/kernel/msgmni", "32000"},
	{"sys/vm/mmap_min_addr", "65536"},
	{"sys/vm/nr_hugepages", "0"},
	{"sys/vm/overcommit_kbytes", "0"},
	{"sys/net/ipv4/ip_local_port_range", "32768\t60999"},
	{"sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456"},
	{"sys/net/ipv4/tcp_wmem", "4096\t16384\t4194304"},
	{"sys/net/ipv4/tcp_congestion_control", "cubic"},
	{"sys/net/ipv4/tcp_available_congestion_control", "reno cubic"},
	{"sys/net/ipv4/ping_group_range", "1\t0"},
};

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
	seq_printf(s, "%lu\t%lu\n", (unsigned long)inode_count(), (unsigned long)inode_unused_count());
	return 0;
}

static int store_drop_caches(char *text, size_t len, void *arg)
{
	dcache_shrink(~0ull);
	inode_shrink(~0ull);
	pagecache_reclaim(~0ull);
	return 0;
}

void proc_sysctl_init(void)
{
	random_bytes(boot_id, sizeof(boot_id));
	proc_file("sys/kernel/hostname", 0644, show_hostname, store_hostname, NULL);
	proc_file("sys/kernel/domainname", 0444, show_domainname, NULL, NULL);
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
		const bool w = numbers[i].writable;

		proc_file(numbers[i].path, w ? 0644 : 0444, pseudo_show_u32, w ? pseudo_store_u32 : NULL,
			  numbers[i].value);
	}
	for (u32 i = 0; i < ARRAY_SIZE(texts); i++)
		proc_file(texts[i].path, 0444, pseudo_show_str, NULL, (void *)(u64)texts[i].text);
}
