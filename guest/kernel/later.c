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
LATER(proc_init)
LATER(ptrace_seccomp)
LATER(sysfs_init)
LATER(sysv_exit_process)
LATER(sysv_init)
