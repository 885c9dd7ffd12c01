/* SPDX-License-Identifier: Apache-2.0 */
/* The files of /proc that tell about the whole system. */
#include <gk/init.h>
#include <gk/page.h>
#include <gk/percpu.h>
#include <gk/sched.h>
#include <gk/utsname.h>
#include "proc.h"

#define USER_HZ 100
#define TICK_NS (NSEC_PER_SEC / USER_HZ)

static int show_version(struct seq *s, void *arg)
{
	struct utsname u;

	utsname_read(&u);
	seq_printf(s, "%s version %s (umbra@umbra) (gcc) %s\n", u.sysname, u.release, u.version);
	return 0;
}

static int show_uptime(struct seq *s, void *arg)
{
	const u64 up = ktime_boot() / TICK_NS;
	u64 idle = 0;
	struct cpu *c;

	for_each_cpu(c)
		idle += c->idle_ns / TICK_NS;
	seq_printf(s, "%lu.%02lu %lu.%02lu\n", (unsigned long)(up / USER_HZ), (unsigned long)(up % USER_HZ),
		   (unsigned long)(idle / USER_HZ), (unsigned long)(idle % USER_HZ));
	return 0;
}

/* ---- load ---- */

#define FIXED_1 2048u

static struct mutex load_lock = MUTEX_INIT(load_lock);
static u64 load[3]; /* load_lock: in 1/FIXED_1 */
static ktime_t load_time;

/*
 * Nobody ticks, so the averages are brought up to date when somebody asks: the load in between is taken to be what it
 * is now.
 */
static void update_load(void)
{
	static const u32 factor[3] = {1884, 2014, 2037}; /* what is left of the old after 5 s, 1/2048 */
	const ktime_t now = ktime_mono();
	const u64 active = (u64)nr_running_tasks() * FIXED_1;
	u64 steps = (now - load_time) / (5 * NSEC_PER_SEC);

	if (!steps)
		return;
	load_time = now;
	for (steps = MIN(steps, 1000ull); steps; steps--) {
		for (u32 i = 0; i < 3; i++)
			load[i] = (load[i] * factor[i] + active * (FIXED_1 - factor[i])) / FIXED_1;
	}
}

static int count_threads(struct process *p, void *arg)
{
	*(u32 *)arg += p->nr_threads;
	return 0;
}

void proc_loads(u64 out[3])
{
	mutex_lock(&load_lock);
	update_load();
	memcpy(out, load, sizeof(load));
	mutex_unlock(&load_lock);
}

static int show_loadavg(struct seq *s, void *arg)
{
	u64 l[3];
	u32 threads = 0;

	proc_loads(l);
	for_each_process_do(count_threads, &threads);
	for (u32 i = 0; i < 3; i++)
		seq_printf(s, "%lu.%02lu ", (unsigned long)(l[i] / FIXED_1),
			   (unsigned long)(l[i] % FIXED_1 * 100 / FIXED_1));
	seq_printf(s, "%u/%u %d\n", nr_running_tasks(), threads, task_pid_nr(current));
	return 0;
}

/* ---- memory ---- */

static void put_kb(struct seq *s, const char *name, u64 pages)
{
	seq_printf(s, "%-16s%8lu kB\n", name, (unsigned long)(pages * (PAGE_SIZE / 1024)));
}

static int show_meminfo(struct seq *s, void *arg)
{
	struct mem_stats m;
	u64 cached;

	mem_stats(&m);
	cached = m.cached_pages + m.shmem_pages;
	put_kb(s, "MemTotal:", m.total_pages);
	put_kb(s, "MemFree:", m.free_pages);
	put_kb(s, "MemAvailable:", m.free_pages + m.cached_pages);
	put_kb(s, "Buffers:", 0);
	put_kb(s, "Cached:", cached);
	put_kb(s, "SwapCached:", 0);
	put_kb(s, "Active:", m.anon_pages + m.shmem_pages);
	put_kb(s, "Inactive:", m.cached_pages);
	put_kb(s, "Active(anon):", m.anon_pages + m.shmem_pages);
	put_kb(s, "Inactive(anon):", 0);
	put_kb(s, "Active(file):", 0);
	put_kb(s, "Inactive(file):", m.cached_pages);
	put_kb(s, "Unevictable:", 0);
	put_kb(s, "Mlocked:", 0);
	put_kb(s, "SwapTotal:", 0);
	put_kb(s, "SwapFree:", 0);
	put_kb(s, "Dirty:", m.dirty_pages);
	put_kb(s, "Writeback:", 0);
	put_kb(s, "AnonPages:", m.anon_pages);
	put_kb(s, "Mapped:", m.cached_pages);
	put_kb(s, "Shmem:", m.shmem_pages);
	put_kb(s, "KReclaimable:", 0);
	put_kb(s, "Slab:", m.slab_pages);
	put_kb(s, "SReclaimable:", 0);
	put_kb(s, "SUnreclaim:", m.slab_pages);
	put_kb(s, "KernelStack:", 0);
	put_kb(s, "PageTables:", m.table_pages);
	put_kb(s, "CommitLimit:", m.total_pages);
	put_kb(s, "Committed_AS:", m.anon_pages + m.shmem_pages);
	seq_puts(s, "VmallocTotal:          0 kB\nVmallocUsed:           0 kB\nVmallocChunk:          0 kB\n");
	seq_puts(s, "HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\nHugePages_Surp:     "
		    "   0\n"
		    "Hugepagesize:       2048 kB\n");
	return 0;
}

static int show_vmstat(struct seq *s, void *arg)
{
	struct mem_stats m;

	mem_stats(&m);
	seq_printf(s,
		   "nr_free_pages %lu\nnr_anon_pages %lu\nnr_file_pages %lu\nnr_dirty %lu\nnr_shmem "
		   "%lu\nnr_page_table_pages %lu\n",
		   (unsigned long)m.free_pages, (unsigned long)m.anon_pages,
		   (unsigned long)(m.cached_pages + m.shmem_pages), (unsigned long)m.dirty_pages,
		   (unsigned long)m.shmem_pages, (unsigned long)m.table_pages);
	seq_puts(s, "pgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault 0\npgmajfault 0\noom_kill 0\n");
	return 0;
}

/* ---- processors ---- */

static void put_cpu_times(struct seq *s, u64 user, u64 system, u64 idle)
{
	seq_printf(s, "%lu 0 %lu %lu 0 0 0 0 0 0\n", (unsigned long)(user / TICK_NS), (unsigned long)(system / TICK_NS),
		   (unsigned long)(idle / TICK_NS));
}

static int show_stat(struct seq *s, void *arg)
{
	u64 user = 0, system = 0, idle = 0, switches = 0;
	struct cpu *c;

	for_each_cpu(c) {
		user += c->user_ns;
		system += c->system_ns;
		idle += c->idle_ns;
		switches += c->ctxt_switches;
	}
	seq_puts(s, "cpu  ");
	put_cpu_times(s, user, system, idle);
	for_each_cpu(c) {
		seq_printf(s, "cpu%u ", c->id);
		put_cpu_times(s, c->user_ns, c->system_ns, c->idle_ns);
	}
	seq_printf(s, "intr 0\nctxt %lu\nbtime %lu\nprocesses %d\nprocs_running %u\nprocs_blocked 0\nsoftirq 0\n",
		   (unsigned long)switches, (unsigned long)((ktime_real() - ktime_boot()) / NSEC_PER_SEC),
		   task_pid_nr(current), nr_running_tasks());
	return 0;
}

/* ---- other ---- */

static int show_filesystems(struct seq *s, void *arg)
{
	char buf[1024];

	seq_write(s, buf, list_fs_types(buf, sizeof(buf)));
	return 0;
}

static int show_cmdline(struct seq *s, void *arg)
{
	seq_puts(s, "umbra\n");
	return 0;
}

static int show_devices(struct seq *s, void *arg)
{
	seq_puts(s, "Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n\nBlock "
		    "devices:\n");
	return 0;
}

static int show_nothing(struct seq *s, void *arg)
{
	return 0;
}

static int show_swaps(struct seq *s, void *arg)
{
	seq_puts(s, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	return 0;
}

static int show_cgroups(struct seq *s, void *arg)
{
	seq_puts(s, "#subsys_name\thierarchy\tnum_cgroups\tenabled\n");
	return 0;
}

static const struct {
	const char *name;
	pseudo_show_t show;
} files[] = {
	{"version", show_version},    {"uptime", show_uptime},		 {"loadavg", show_loadavg},
	{"meminfo", show_meminfo},    {"vmstat", show_vmstat},		 {"stat", show_stat},
	{"cpuinfo", proc_cpuinfo},    {"filesystems", show_filesystems}, {"cmdline", show_cmdline},
	{"devices", show_devices},    {"modules", show_nothing},	 {"swaps", show_swaps},
	{"partitions", show_nothing}, {"diskstats", show_nothing},	 {"interrupts", show_nothing},
	{"softirqs", show_nothing},   {"locks", show_nothing},		 {"cgroups", show_cgroups},
	{"kallsyms", show_nothing},
};

void proc_system_init(void)
{
	load_time = ktime_mono();
	for (u32 i = 0; i < ARRAY_SIZE(files); i++)
		pseudo_file(proc_root, files[i].name, 0444, files[i].show, NULL, NULL);
	pseudo_link(proc_root, "mounts", "self/mounts");
	pseudo_link(proc_root, "net", "self/net");
}
