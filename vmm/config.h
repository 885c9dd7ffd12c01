/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration of a guest: NUL-terminated "key=value" strings, as abi/control.h lists them.
 */
#ifndef UMBRA_VMM_CONFIG_H
#define UMBRA_VMM_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

struct config {
	char *text;   /* the strings so far; not yet ended by the empty one */
	size_t bytes; /* in use, always at most UM_CONFIG_MAX - 1 */
	size_t room;
	bool overflow; /* something did not fit (or no memory was left): the whole is unusable */
};

/* Adds "KEY=" and the text that @fmt makes (printf style). Failure is remembered in overflow: check once at the end. */
void config_add(struct config *c, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/*
 * As config_add(), for a value that is several fields separated by ':'. In the fields, which may hold any character
 * (paths), ':' and '\' are written as a backslash and three octal digits.
 */
void config_add_fields(struct config *c, const char *key, const char *const *fields, unsigned int count);

/* Frees the text. NULL-safe members; @c may be used again. */
void config_deinit(struct config *c);

#endif
