/* SPDX-License-Identifier: Apache-2.0 */
/* Messages to the VMM's log (UM_HC_LOG), one line per call, and panic(). No locks: usable anywhere. */
#include <gk/atomic.h>
#include <gk/hypercall.h>
#include <gk/printk.h>
#include <gk/string.h>

#include "../arch/x86_64/arch.h"

#define LINE_MAX 512

bool gk_quiet, gk_debug, gk_klog;

static void vprintk(const char *fmt, va_list ap)
{
	char line[LINE_MAX];
	int n = vsnprintf(line, sizeof(line), fmt, ap);

	n = MIN(n, (int)sizeof(line) - 1);
	if (n > 0 && line[n - 1] == '\n')
		n--; /* the log ends lines itself */
	hv_log(line, (size_t)n);
	if (gk_klog)
		klog_add(line, (size_t)n);
}

void printk(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintk(fmt, ap);
	va_end(ap);
}

void panic(const char *fmt, ...)
{
	static u32 panicked;
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (!atomic_xchg(&panicked, 1)) {
		printk("penumbra: panic: %s\n", what);
		show_backtrace((u64)__builtin_return_address(0), *(const u64 *)__builtin_frame_address(0));
	}
	hypercall2(UM_HC_SHUTDOWN, 255, UM_SHUTDOWN_PANIC);
	__builtin_trap();
}
