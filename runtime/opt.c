/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option parser. GNU conventions: --name VALUE, --name=VALUE, -x VALUE, -xVALUE, letters without a value may be
 * joined, "--" ends the options; the first other word ends them too, since what follows is a command with options of
 * its own.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/msg.h"
#include "runtime/opt.h"

static bool takes_value(const struct opt *o)
{
	return o->arg && o->arg[0] != '[';
}

static int bad(const char *command, const char *word, const char *why)
{
	msg_error("%s: %s: %s (see 'umbra %s --help')", command, word, why, command);
	return -1;
}

static const struct opt *find_long(const struct opt *table, const char *name, size_t len)
{
	for (; table->name; table++) {
		if (strncmp(table->name, name, len) == 0 && table->name[len] == 0)
			return table;
	}
	return NULL;
}

static const struct opt *find_letter(const struct opt *table, char letter)
{
	for (; table->name; table++) {
		if (table->letter == letter)
			return table;
	}
	return NULL;
}

static int set(const char *command, const char *word, const struct opt *o, void *ctx, const char *value)
{
	const char *why = o->set(ctx, value);

	return why ? bad(command, word, why) : 0;
}

/* One "--name..." word; returns how many words it took, or -1. */
static int parse_long(const char *command, const struct opt *table, void *ctx, char *word, char *next)
{
	const char *eq = strchr(word, '=');
	const size_t len = eq ? (size_t)(eq - word - 2) : strlen(word + 2);
	const struct opt *o = find_long(table, word + 2, len);

	if (!o)
		return bad(command, word, "no such option");
	if (eq) {
		if (!o->arg)
			return bad(command, word, "it takes no value");
		return set(command, word, o, ctx, eq + 1) ? -1 : 1;
	}
	if (!takes_value(o))
		return set(command, word, o, ctx, NULL) ? -1 : 1;
	if (!next)
		return bad(command, word, "a value is missing");
	return set(command, word, o, ctx, next) ? -1 : 2;
}

static int parse_letters(const char *command, const struct opt *table, void *ctx, char *word, char *next)
{
	for (const char *c = word + 1; *c; c++) {
		const struct opt *o = find_letter(table, *c);

		if (!o)
			return bad(command, word, "no such option");
		if (!takes_value(o)) {
			if (set(command, word, o, ctx, NULL))
				return -1;
			continue;
		}
		if (c[1])
			return set(command, word, o, ctx, c + 1) ? -1 : 1;
		if (!next)
			return bad(command, word, "a value is missing");
		return set(command, word, o, ctx, next) ? -1 : 2;
	}
	return 1;
}

int opt_parse(const char *command, const struct opt *table, void *ctx, int argc, char **argv)
{
	int i = 1;

	while (i < argc && argv[i][0] == '-' && argv[i][1]) {
		char *next = i + 1 < argc ? argv[i + 1] : NULL;
		int took;

		if (strcmp(argv[i], "--") == 0)
			return i + 1;
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return OPT_HELP;
		took = argv[i][1] == '-' ? parse_long(command, table, ctx, argv[i], next)
					 : parse_letters(command, table, ctx, argv[i], next);
		if (took < 0)
			return -1;
		i += took;
	}
	return i;
}

void opt_help(const struct opt *table)
{
	for (; table->name; table++) {
		char left[64], letter[8] = "    ";
		const char *arg = table->arg ? table->arg : "";

		if (table->letter)
			snprintf(letter, sizeof(letter), "-%c, ", table->letter);
		snprintf(left, sizeof(left), "%s--%s%s%s", letter, table->name, takes_value(table) ? " " : "", arg);
		printf("  %-36s %s\n", left, table->help);
	}
}

bool opt_size(const char *text, unsigned long long *bytes)
{
	static const char units[] = "KMGT";
	unsigned long long v;
	const char *unit;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	v = strtoull(text, &end, 10);
	if (errno)
		return false;
	if (*end) {
		unit = strchr(units, *end & ~0x20);
		if (!unit)
			return false;
		for (const char *u = units; u <= unit; u++) {
			if (v > ULLONG_MAX / 1024)
				return false;
			v *= 1024;
		}
		/* 512M, 512MB, 512MiB */
		end++;
		if (strcasecmp(end, "") != 0 && strcasecmp(end, "b") != 0 && strcasecmp(end, "ib") != 0)
			return false;
	}
	*bytes = v;
	return true;
}

bool opt_number(const char *text, unsigned long max, unsigned long *value)
{
	unsigned long v;
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	v = strtoul(text, &end, 10);
	if (errno || *end || v > max)
		return false;
	*value = v;
	return true;
}
