/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options from tables: parsing and the help text come from the same lines.
 */
#ifndef UMBRA_RUNTIME_OPT_H
#define UMBRA_RUNTIME_OPT_H

#include <stdbool.h>
#include <stddef.h>

struct opt {
	const char *name; /* without the dashes; NULL ends a table */
	char letter;	  /* short form, or 0 */
	const char *arg;  /* what follows it, for the help; NULL: nothing; in brackets: only as --name=VALUE */
	const char *help;
	/*
	 * Takes the value (NULL when there is none) into @ctx. Returns NULL, or a sentence about what is wrong with it.
	 */
	const char *(*set)(void *ctx, const char *value);
};

/*
 * Parses options of @argv from index 1 up to the first word that is none, or past "--". Returns the index of the first
 * word after them, OPT_HELP if help is asked for, or -1 after printing an error that names @command.
 */
#define OPT_HELP (-2)
int opt_parse(const char *command, const struct opt *table, void *ctx, int argc, char **argv);

/* Prints the lines of @table to stdout. */
void opt_help(const struct opt *table);

/* "512M", "2G", "1048576": bytes. False if it is no size. */
bool opt_size(const char *text, unsigned long long *bytes);

/* A decimal number of at most @max; false otherwise. */
bool opt_number(const char *text, unsigned long max, unsigned long *value);

#endif
