/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /sys: what programs look up there about processors and memory, and the places where they expect directories. There
 * are no devices to show.
 */
#include <gk/init.h>
#include <gk/percpu.h>
#include "../pseudo.h"

#define SYSFS_MAGIC 0x62656572

struct pseudo *sys_root;

/* ---- processors ---- */

/* "0-3" */
static int show_cpus(struct seq *s, void *arg)
{
	if (nr_cpus > 1)
		seq_printf(s, "0-%u\n", nr_cpus - 1);
	else
		seq_puts(s, "0\n");
	return 0;
}

static int show_cpu_mask(struct seq *s, void *arg)
{
	const u64 mask = nr_cpus >= 64 ? ~0ull : (1ull << nr_cpus) - 1;

	if (nr_cpus > 32)
		seq_printf(s, "%08x,%08x\n", (u32)(mask >> 32), (u32)mask);
	else
		seq_printf(s, "%x\n", (u32)mask);
	return 0;
}

static int show_number(struct seq *s, void *arg)
{
	seq_printf(s, "%lu\n", (unsigned long)arg);
	return 0;
}

/* One thread to a core. */
static int show_own_mask(struct seq *s, void *arg)
{
	seq_printf(s, "%lx\n", 1ul << (u64)arg);
	return 0;
}

static int show_empty(struct seq *s, void *arg)
{
	seq_putc(s, '\n');
	return 0;
}

static void add_cpu(struct pseudo *parent, u64 n)
{
	char *name = kmalloc(8);
	struct pseudo *cpu, *top;

	if (!name)
		return;
	snprintf(name, 8, "cpu%lu", (unsigned long)n);
	cpu = pseudo_dir(parent, name);
	top = pseudo_dir(cpu, "topology");
	pseudo_file(cpu, "online", 0444, show_number, NULL, (void *)1);
	pseudo_file(top, "core_id", 0444, show_number, NULL, (void *)n);
	pseudo_file(top, "physical_package_id", 0444, show_number, NULL, NULL);
	pseudo_file(top, "die_id", 0444, show_number, NULL, NULL);
	pseudo_file(top, "thread_siblings", 0444, show_own_mask, NULL, (void *)n);
	pseudo_file(top, "core_cpus", 0444, show_own_mask, NULL, (void *)n);
	pseudo_file(top, "thread_siblings_list", 0444, show_number, NULL, (void *)n);
	pseudo_file(top, "core_cpus_list", 0444, show_number, NULL, (void *)n);
	pseudo_file(top, "core_siblings", 0444, show_cpu_mask, NULL, NULL);
	pseudo_file(top, "package_cpus", 0444, show_cpu_mask, NULL, NULL);
	pseudo_file(top, "core_siblings_list", 0444, show_cpus, NULL, NULL);
	pseudo_file(top, "package_cpus_list", 0444, show_cpus, NULL, NULL);
}

/*
 * All that can be there are shown, since the tree is made before the others are started.
 */
static void add_cpus(void)
{
	struct pseudo *cpu = pseudo_dir(pseudo_dir(pseudo_dir(sys_root, "devices"), "system"), "cpu");

	pseudo_file(cpu, "online", 0444, show_cpus, NULL, NULL);
	pseudo_file(cpu, "possible", 0444, show_cpus, NULL, NULL);
	pseudo_file(cpu, "present", 0444, show_cpus, NULL, NULL);
	pseudo_file(cpu, "offline", 0444, show_empty, NULL, NULL);
	pseudo_file(cpu, "kernel_max", 0444, show_number, NULL, (void *)(MAX_CPUS - 1ul));
	for (u64 n = 0; n < boot->ncpus; n++)
		add_cpu(cpu, n);
}

static void add_node(void)
{
	struct pseudo *node = pseudo_dir(pseudo_dir(pseudo_dir(sys_root, "devices"), "system"), "node"), *node0;
	static char zero[] = "0";

	pseudo_file(node, "online", 0444, pseudo_show_str, NULL, zero);
	pseudo_file(node, "possible", 0444, pseudo_show_str, NULL, zero);
	pseudo_file(node, "has_cpu", 0444, pseudo_show_str, NULL, zero);
	pseudo_file(node, "has_memory", 0444, pseudo_show_str, NULL, zero);
	pseudo_file(node, "has_normal_memory", 0444, pseudo_show_str, NULL, zero);
	node0 = pseudo_dir(node, "node0");
	pseudo_file(node0, "cpulist", 0444, show_cpus, NULL, NULL);
	pseudo_file(node0, "cpumap", 0444, show_cpu_mask, NULL, NULL);
	pseudo_file(node0, "distance", 0444, show_number, NULL, (void *)10);
}

/* ---- the rest ---- */

static const char *const dirs[] = {
	"block",     "bus",	 "class",    "class/net", "class/block", "class/tty", "dev",
	"dev/block", "dev/char", "firmware", "fs",	  "fs/cgroup",	 "module",
};

static const struct {
	const char *path, *text;
} texts[] = {
	{"kernel/mm/transparent_hugepage/enabled", "always madvise [never]"},
	{"kernel/mm/transparent_hugepage/defrag", "always defer defer+madvise madvise [never]"},
	{"kernel/mm/transparent_hugepage/shmem_enabled", "always within_size advise [never] deny force"},
	{"kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152"},
	{"kernel/mm/transparent_hugepage/use_zero_page", "0"},
	{"kernel/mm/ksm/run", "0"},
	{"devices/system/clocksource/clocksource0/current_clocksource", "tsc"},
	{"devices/system/clocksource/clocksource0/available_clocksource", "tsc"},
	{"devices/virtual/dmi/id/product_name", "Umbra"},
	{"devices/virtual/dmi/id/sys_vendor", "Umbra"},
	{"hypervisor/type", "umbra"},
};

static void add_path(const char *path)
{
	struct pseudo *p = sys_root;
	const char *slash;

	while ((slash = strchr(path, '/'))) {
		p = pseudo_find(p, path, (u32)(slash - path));
		path = slash + 1;
	}
	pseudo_dir(p, path);
}

static const struct super_ops sysfs_super_ops = {0};

static struct super *sysfs_mount(struct fs_type *type, u32 flags, const char *source, const char *data)
{
	return pseudo_mount(type, &sysfs_super_ops, SYSFS_MAGIC, sys_root);
}

static struct fs_type sysfs_type = {.name = "sysfs", .mount = sysfs_mount, .nodev = true};

void sysfs_init(void)
{
	sys_root = pseudo_new_root();
	for (u32 i = 0; i < ARRAY_SIZE(dirs); i++)
		add_path(dirs[i]);
	for (u32 i = 0; i < ARRAY_SIZE(texts); i++)
		sys_file(texts[i].path, 0444, pseudo_show_str, NULL, (void *)(u64)texts[i].text);
	add_cpus();
	add_node();
	register_fs(&sysfs_type);
}
