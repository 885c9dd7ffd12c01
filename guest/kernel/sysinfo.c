/* SPDX-License-Identifier: Apache-2.0 */
/* sysinfo, reboot, and the calls that nobody in a sandbox may make. */
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/page.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/timer.h>
#include <gk/uaccess.h>

struct user_sysinfo {
	s64 uptime;
	u64 loads[3];
	u64 totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	u16 procs, pad;
	u64 totalhigh, freehigh;
	u32 mem_unit;
};
_Static_assert(sizeof(struct user_sysinfo) == 112, "struct sysinfo");

static int count_threads(struct process *p, void *arg)
{
	*(u32 *)arg += p->nr_threads;
	return 0;
}

SYSCALL1(sysinfo, struct user_sysinfo __user *, uinfo)
{
	struct user_sysinfo info;
	struct mem_stats m;
	u32 threads = 0;

	mem_stats(&m);
	for_each_process_do(count_threads, &threads);
	memset(&info, 0, sizeof(info));
	info.uptime = (s64)(ktime_boot() / NSEC_PER_SEC);
	info.totalram = m.total_pages * PAGE_SIZE;
	info.freeram = m.free_pages * PAGE_SIZE;
	info.sharedram = m.shmem_pages * PAGE_SIZE;
	info.bufferram = m.cached_pages * PAGE_SIZE;
	info.procs = (u16)MIN(threads, 0xffffu);
	info.mem_unit = 1;
	return copy_to_user(uinfo, &info, sizeof(info));
}

/* ---- reboot: as in a PID namespace, the first program ends by a signal ---- */

#define REBOOT_MAGIC1 0xfee1dead
#define REBOOT_CMD_RESTART 0x01234567
#define REBOOT_CMD_RESTART2 0xa1b2c3d4
#define REBOOT_CMD_HALT 0xcdef0123
#define REBOOT_CMD_POWER_OFF 0x4321fedc

static bool reboot_magic2(u32 m)
{
	return m == 672274793 || m == 85072278 || m == 369367448 || m == 537993216;
}

SYSCALL4(reboot, u32, magic1, u32, magic2, u32, cmd, void __user *, arg)
{
	int sig;

	if (!capable(CAP_SYS_BOOT))
		return -EPERM;
	if (magic1 != REBOOT_MAGIC1 || !reboot_magic2(magic2))
		return -EINVAL;
	switch (cmd) {
	case REBOOT_CMD_RESTART:
	case REBOOT_CMD_RESTART2:
		sig = SIGHUP;
		break;
	case REBOOT_CMD_HALT:
	case REBOOT_CMD_POWER_OFF:
		sig = SIGINT;
		break;
	default:
		return -EINVAL;
	}
	kill_process_with(init_process, (u32)sig);
	do_exit(0);
}

/* ---- never allowed ---- */

#define DENIED(name)                                                                                                   \
	SYSCALL0(name)                                                                                                 \
	{                                                                                                              \
		return -EPERM;                                                                                         \
	}

DENIED(acct)
DENIED(swapon)
DENIED(swapoff)
DENIED(iopl)
DENIED(ioperm)
DENIED(init_module)
DENIED(finit_module)
DENIED(delete_module)
DENIED(kexec_load)
DENIED(kexec_file_load)
