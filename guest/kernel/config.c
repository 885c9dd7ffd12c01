/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: NUL-terminated "key=value" strings from the VMM (abi/control.h), read where they lie. */
#include <abi/layout.h>
#include <gk/init.h>
#include <gk/page.h>
#include <gk/string.h>

/* The string after @prev (NULL: the first), or NULL at the end. A missing terminator ends the last one. */
static const char *next_string(const char *prev)
{
	const char *base = gpa_to_virt(boot->config), *p = base;
	u64 size = MIN(boot->config_bytes, (u64)UM_CONFIG_MAX);

	if (prev)
		p = prev + strlen(prev) + 1;
	if ((u64)(p - base) >= size || !*p)
		return NULL;
	return p;
}

const char *config_next(const char *key, const char **iter)
{
	size_t len = strlen(key);
	const char *p = *iter;

	while ((p = next_string(p))) {
		if (strncmp(p, key, len) == 0 && p[len] == '=') {
			*iter = p;
			return p + len + 1;
		}
	}
	return NULL;
}

const char *config_get(const char *key)
{
	const char *iter = NULL;

	return config_next(key, &iter);
}
