/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds the guest's configuration strings. No meaning here: callers know the keys, abi/control.h lists them.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/layout.h"
#include "vmm/config.h"

/* Room for @more further bytes, one of the maximum being kept for the empty string at the end. */
static bool reserve(struct config *c, size_t more)
{
	size_t room = c->room ? c->room : 4096;
	char *text;

	if (c->overflow || more > UM_CONFIG_MAX - 1 - c->bytes) {
		c->overflow = true;
		return false;
	}
	while (room < c->bytes + more)
		room *= 2;
	if (room == c->room)
		return true;
	text = realloc(c->text, room);
	if (!text) {
		c->overflow = true;
		return false;
	}
	c->text = text;
	c->room = room;
	return true;
}

static void append(struct config *c, const char *s, size_t len)
{
	if (!reserve(c, len))
		return;
	memcpy(c->text + c->bytes, s, len);
	c->bytes += len;
}

void config_add(struct config *c, const char *key, const char *fmt, ...)
{
	va_list ap, again;
	int len;

	append(c, key, strlen(key));
	append(c, "=", 1);
	va_start(ap, fmt);
	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (len >= 0 && reserve(c, (size_t)len + 1)) {
		vsnprintf(c->text + c->bytes, (size_t)len + 1, fmt, again);
		c->bytes += (size_t)len + 1;
	} else {
		c->overflow = true;
	}
	va_end(again);
}

static void append_escaped(struct config *c, const char *s)
{
	for (; *s; s++) {
		char octal[5];

		if (*s != ':' && *s != '\\') {
			append(c, s, 1);
			continue;
		}
		snprintf(octal, sizeof(octal), "\\%03o", (unsigned int)(unsigned char)*s);
		append(c, octal, 4);
	}
}

void config_add_fields(struct config *c, const char *key, const char *const *fields, unsigned int count)
{
	append(c, key, strlen(key));
	append(c, "=", 1);
	for (unsigned int i = 0; i < count; i++) {
		if (i)
			append(c, ":", 1);
		append_escaped(c, fields[i]);
	}
	append(c, "", 1);
}

void config_deinit(struct config *c)
{
	free(c->text);
	*c = (struct config){0};
}
