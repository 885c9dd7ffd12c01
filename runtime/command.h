/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of umbra. main.c has the table; each command is one file that exports its entry.
 */
#ifndef UMBRA_RUNTIME_COMMAND_H
#define UMBRA_RUNTIME_COMMAND_H

#include "runtime/opt.h"
#include "vmm/clock.h"

struct command {
	const char *name;
	const char *summary;  /* one line, for the list */
	const char *synopsis; /* what follows the name */
	const char *text;     /* a paragraph for its own help */
	const struct opt *opts;
	/* @argv[0] is the command's name. Returns the exit status. @start: when the program began. */
	int (*run)(const struct command *self, int argc, char **argv, const struct clock_sample *start);
};

/* Prints the help of one command. Returns the exit status: 0. */
int command_help(const struct command *c);

extern const struct command command_do;
extern const struct command command_run;
extern const struct command command_doctor;

#endif
