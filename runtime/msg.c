/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages to the user. Each is written in one piece, so that lines of several programs do not mix.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/msg.h"
#include "vmm/vmm.h"

static void print(const char *prefix, const char *fmt, va_list ap)
{
	char line[1024];
	int n = snprintf(line, sizeof(line) - 1, "%s", prefix);
	int m = vsnprintf(line + n, sizeof(line) - 1 - (size_t)n, fmt, ap);

	if (m < 0)
		return;
	n += m;
	if (n > (int)sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)n) < 0)
		(void)0; /* there is nowhere else to complain */
}

int msg_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print("umbra: ", fmt, ap);
	va_end(ap);
	return VM_EXIT_FAILURE;
}

void msg_warning(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print("umbra: warning: ", fmt, ap);
	va_end(ap);
}
