/* SPDX-License-Identifier: Apache-2.0 */
/* Messages and the end of the world. */
#ifndef GK_PRINTK_H
#define GK_PRINTK_H

#include <stdarg.h>
#include <gk/types.h>

/*
 * A line for the VMM's log (UM_HC_LOG); a "\n" at its end makes no difference. printf subset: %d %i %u %x %X %o %c %s
 * %p %%, with l, ll, z, h, width, precision, 0, -, +, space, #, *. Any context. pr_debug is compiled in and shown with
 * config "debug=...".
 */
void printk(const char *fmt, ...) __printf(1, 2);
#define pr_err(...) printk("penumbra: " __VA_ARGS__)
#define pr_warn(...) printk("penumbra: " __VA_ARGS__)
#define pr_info(...)                                                                                                   \
	do {                                                                                                           \
		if (!gk_quiet)                                                                                         \
			printk("penumbra: " __VA_ARGS__);                                                              \
	} while (0)
#define pr_debug(...)                                                                                                  \
	do {                                                                                                           \
		if (unlikely(gk_debug))                                                                                \
			printk("penumbra: " __VA_ARGS__);                                                              \
	} while (0)
extern bool gk_quiet, gk_debug, gk_klog; /* gk_klog: the clock runs, messages can be kept */
/* kernel/klog.c: keeps a line for syslog(2). Any context. */
void klog_add(const char *line, size_t n);

int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap) __printf(3, 0);
int snprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
/* Like snprintf, but returns what was really written (without the NUL). */
int scnprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);

/* Ends the sandbox with a sentence (UM_SHUTDOWN_PANIC). For our own bugs, never for what a program does. */
void panic(const char *fmt, ...) __printf(1, 2) __noreturn;

#define BUG_ON(cond)                                                                                                   \
	do {                                                                                                           \
		if (unlikely(cond))                                                                                    \
			panic("%s:%d: %s: bug: %s", __FILE__, __LINE__, __func__, #cond);                              \
	} while (0)
#define WARN_ONCE(cond, ...)                                                                                           \
	({                                                                                                             \
		static bool warned;                                                                                    \
		bool c_ = !!(cond);                                                                                    \
		if (unlikely(c_ && !warned)) {                                                                         \
			warned = true;                                                                                 \
			printk("penumbra: warning: " __VA_ARGS__);                                                     \
		}                                                                                                      \
		c_;                                                                                                    \
	})

#endif
