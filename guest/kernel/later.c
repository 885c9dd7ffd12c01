/* SPDX-License-Identifier: Apache-2.0 */
/* Parts that have not landed yet: each is nothing until its real definition is there. This file goes with the last of them. */
#include <gk/types.h>

#define LATER(name)                                                                                                    \
	long name(void);                                                                                               \
	__weak long name(void)                                                                                         \
	{                                                                                                              \
		return 0;                                                                                              \
	}

LATER(mqueue_init)
LATER(net_init)
LATER(overlay_init)
LATER(pidfd_file)
LATER(pidfd_pid)
LATER(proc_init)
LATER(ptrace_seccomp)
LATER(rseq_resume)
LATER(setup_signal_frame)
LATER(strace_enter)
LATER(strace_exit)
LATER(strace_init)
LATER(strace_task)
LATER(sysfs_init)
LATER(sysv_exit_process)
LATER(sysv_init)
LATER(vdso_init)
LATER(vdso_map)
