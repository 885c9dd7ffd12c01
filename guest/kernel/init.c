/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start-up, as two lists. Each step may use those above it. gk_init() runs as what becomes the idle task and so cannot
 * sleep; init_devices() is the first task's beginning and can.
 */
#include <gk/direct.h>
#include <gk/errno.h>
#include <gk/fork.h>
#include <gk/fs.h>
#include <gk/init.h>
#include <gk/percpu.h>
#include <gk/printk.h>
#include <gk/sched.h>
#include <gk/slab.h>
#include <gk/strace.h>
#include <gk/string.h>
#include <gk/timer.h>
#include <gk/tty.h>

void gk_init(struct um_boot *b)
{
	arch_boot_init(b); /* from here on hypercalls and printk work */
	gk_quiet = b->features & UM_FEAT_QUIET;
	gk_debug = config_get("debug");
	pr_info("Penumbra on %u vCPUs, %llu MB\n", b->ncpus, (unsigned long long)(b->ram_bytes >> 20));
	clock_init(); /* the scheduler reads it */
	gk_klog = true;
	sched_init(); /* this context becomes vCPU 0's idle task; events may come from here on */
	page_alloc_init();
	slab_init();
	fpu_init(); /* needs slabs, as does all that follows */
	random_init();
	pid_init();
	fork_init();
	futex_init();
	uname_init();
	mm_init();
	pagecache_init(); /* starts a kernel task */
	direct_init();
	vdso_init();

	vfs_init(); /* a root file system in memory: tasks need a root and a current directory */
	pipe_init();
	epoll_init();
	proc_init();
	nsfs_init();
	aio_init();
	faults_init();
	sysfs_init();
	devfs_init();
	devpts_init();
	sysv_init();
	mqueue_init();
	net_init();

	strace_init();
	smp_init(); /* the other vCPUs: they steal what there is to do */
	start_first_program();
	cpu_idle();
}

void init_devices(void)
{
	virtq_init();
	fuse_init();
	overlay_init();
	tty_init();
	console_init();
	control_init();
}
