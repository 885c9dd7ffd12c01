/* SPDX-License-Identifier: Apache-2.0 */
/*
 * umbra: the command line. Finds the command in the table and lets it run; help comes from the same table.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/command.h"
#include "runtime/msg.h"

static int run_version(const struct command *self, int argc, char **argv, const struct clock_sample *start)
{
	(void)self, (void)argc, (void)argv, (void)start;
	printf("umbra %s\n", UMBRA_VERSION);
	return 0;
}

static const struct opt no_opts[] = {{0}};

static const struct command command_version = {
	.name = "version",
	.summary = "print the version",
	.synopsis = "",
	.text = "Prints the version of umbra.",
	.opts = no_opts,
	.run = run_version,
};

static const struct command *const commands[] = {&command_do, &command_run, &command_doctor, &command_version};

#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))

static int print_help(void)
{
	printf("Usage: umbra COMMAND [OPTIONS] [ARGUMENTS]\n\n"
	       "Runs programs in a virtual machine of their own, on hosts without hardware "
	       "virtualization.\n\nCommands:\n");
	for (size_t i = 0; i < NCOMMANDS; i++)
		printf("  %-10s %s\n", commands[i]->name, commands[i]->summary);
	printf("\n'umbra COMMAND --help' tells more about one of them.\n");
	return 0;
}

int command_help(const struct command *c)
{
	printf("Usage: umbra %s%s%s\n\n%s\n", c->name, c->synopsis[0] ? " " : "", c->synopsis, c->text);
	if (c->opts[0].name) {
		printf("\nOptions:\n");
		opt_help(c->opts);
	}
	return 0;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < NCOMMANDS; i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	}
	return NULL;
}

/* Descriptors we inherited beyond stdin, stdout and stderr are nobody's business in a sandbox. */
static void close_inherited(void)
{
	if (syscall(SYS_close_range, 3, ~0u, 0) == 0)
		return;
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
}

/*
 * Where there is no stdin, stdout or stderr the next file we open would become it. A descriptor that can neither be
 * read nor written takes the place; the VMM knows it by that.
 */
static void fill_standard_streams(void)
{
	for (int fd = 0; fd < 3; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/", O_PATH) != fd)
			return; /* no descriptors at all: whoever needs one will say so */
	}
}

int main(int argc, char **argv)
{
	const struct command *c;
	struct clock_sample start;
	const char *name = argc > 1 ? argv[1] : "--help";

	clock_sample(&start);
	fill_standard_streams();
	close_inherited();
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return print_help();
	if (strcmp(name, "help") == 0) {
		if (argc < 3)
			return print_help();
		c = find_command(argv[2]);
		return c ? command_help(c) : msg_error("no command '%s' (see 'umbra --help')", argv[2]);
	}
	if (strcmp(name, "--version") == 0)
		name = "version";
	c = find_command(name);
	if (!c)
		return msg_error("no command '%s' (see 'umbra --help')", name);
	if (argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0))
		return command_help(c);
	return c->run(c, argc - 1, argv + 1, &start);
}
