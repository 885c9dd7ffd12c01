/* SPDX-License-Identifier: Apache-2.0 */
/*
 * umbra do, umbra run: a program in a sandbox, in the foreground. The two differ in the root file system only.
 */
#include <stdlib.h>
#include <string.h>

#include "abi/boot.h"
#include "runtime/command.h"
#include "runtime/launch.h"
#include "runtime/msg.h"
#include "runtime/sandbox.h"

/* ---- options ---- */

static const char *set_cpus(void *ctx, const char *value)
{
	struct sandbox_opts *o = ctx;
	unsigned long n;

	if (!opt_number(value, UM_MAX_VCPUS, &n) || n == 0)
		return "a number from 1 to 64 is wanted";
	o->ncpus = (unsigned int)n;
	return NULL;
}

static const char *set_memory(void *ctx, const char *value)
{
	struct sandbox_opts *o = ctx;

	if (!opt_size(value, &o->memory) || o->memory == 0)
		return "a size like 512M or 2G is wanted";
	return NULL;
}

static const char *set_rootfs(void *ctx, const char *value)
{
	((struct sandbox_opts *)ctx)->rootfs = value;
	return NULL;
}

static const char *add_word(const char **list, unsigned int *count, unsigned int max, const char *value)
{
	if (*count == max)
		return "given too often";
	list[(*count)++] = value;
	return NULL;
}

static const char *add_bind(void *ctx, const char *value)
{
	struct sandbox_opts *o = ctx;

	return add_word(o->binds, &o->nbinds, SANDBOX_MAX_WORDS, value);
}

static const char *add_hide(void *ctx, const char *value)
{
	struct sandbox_opts *o = ctx;

	if (value[0] != '/' || value[strspn(value, "/")] == 0)
		return "an absolute path, not the root, is wanted";
	return add_word(o->hides, &o->nhides, SANDBOX_MAX_WORDS, value);
}

static const char *add_env(void *ctx, const char *value)
{
	struct sandbox_opts *o = ctx;

	if (value[0] == '=' || value[0] == 0)
		return "NAME=VALUE or NAME is wanted";
	return add_word(o->envs, &o->nenvs, SANDBOX_MAX_WORDS * 4, value);
}

static const char *set_cwd(void *ctx, const char *value)
{
	if (value[0] != '/')
		return "an absolute path is wanted";
	((struct sandbox_opts *)ctx)->cwd = value;
	return NULL;
}

static const char *set_user(void *ctx, const char *value)
{
	struct sandbox_opts *o = ctx;
	const char *colon = strchr(value, ':');
	unsigned long uid, gid;
	char left[16];

	if (!colon)
		colon = value + strlen(value);
	if ((size_t)(colon - value) >= sizeof(left))
		return "UID or UID:GID, as numbers, is wanted";
	memcpy(left, value, (size_t)(colon - value));
	left[colon - value] = 0;
	if (!opt_number(left, 0xfffffffe, &uid))
		return "UID or UID:GID, as numbers, is wanted";
	gid = uid;
	if (*colon && !opt_number(colon + 1, 0xfffffffe, &gid))
		return "UID or UID:GID, as numbers, is wanted";
	o->uid = (unsigned int)uid;
	o->gid = (unsigned int)gid;
	o->user_given = true;
	return NULL;
}

static const char *set_hostname(void *ctx, const char *value)
{
	if (strlen(value) > 64 || value[0] == 0)
		return "1 to 64 characters are wanted";
	((struct sandbox_opts *)ctx)->hostname = value;
	return NULL;
}

static const char *set_tty(void *ctx, const char *value)
{
	(void)value;
	((struct sandbox_opts *)ctx)->tty = true;
	return NULL;
}

static const char *set_strace(void *ctx, const char *value)
{
	((struct sandbox_opts *)ctx)->strace = value ? value : "all";
	return NULL;
}

static const char *set_debug(void *ctx, const char *value)
{
	if (value && strcmp(value, "all") != 0 && strcmp(value, "faults") != 0)
		return "only 'all' or 'faults' may follow";
	((struct sandbox_opts *)ctx)->debug = value ? value : "all";
	return NULL;
}

static const char *set_kernel(void *ctx, const char *value)
{
	((struct sandbox_opts *)ctx)->kernel = value;
	return NULL;
}

static const struct opt opts[] = {
	{"rootfs", 0, "DIR", "root file system of the sandbox", set_rootfs},
	{"bind", 'b', "SRC[:DST[:ro|rw|shared]]", "show a host directory or file in the sandbox", add_bind},
	{"hide", 0, "PATH", "put an empty unreadable thing over PATH", add_hide},
	{"env", 'e', "NAME[=VALUE]", "set an environment variable, or pass the host's", add_env},
	{"cwd", 'w', "DIR", "start in this directory of the sandbox", set_cwd},
	{"user", 'u', "UID[:GID]", "run as this user (default: yours)", set_user},
	{"hostname", 0, "NAME", "host name in the sandbox", set_hostname},
	{"tty", 't', NULL, "give the program a terminal", set_tty},
	{"cpus", 'c', "N", "virtual processors (default: the host's, at most 8)", set_cpus},
	{"memory", 'm', "SIZE", "guest memory, like 512M (default: the host's or the cgroup's limit)", set_memory},
	{"strace", 0, "[=LIST]", "print system calls (comma separated names, default all) to stderr", set_strace},
	{"debug", 0, "[=all|faults]", "print what the guest kernel logs to stderr", set_debug},
	{"kernel", 0, "FILE", "use this guest kernel instead of the built-in one", set_kernel},
	{0},
};

/* ---- the commands ---- */

static int run_sandbox(const struct command *self, struct sandbox_opts *o, int argc, char **argv,
		       const struct clock_sample *start)
{
	struct vmm_spec *spec;
	const int first = opt_parse(self->name, self->opts, o, argc, argv);
	int err;

	if (first == OPT_HELP)
		return command_help(self);
	if (first < 0)
		return VM_EXIT_FAILURE;
	if (first == argc)
		return msg_error("%s: say which program to run (see 'umbra %s --help')", self->name, self->name);
	if (o->root_kind == SANDBOX_ROOT_WRITABLE && !o->rootfs)
		return msg_error("%s: --rootfs DIR is missing ('umbra do' runs on the host's own files)", self->name);
	o->argv = argv + first;

	spec = calloc(1, sizeof(*spec));
	if (!spec)
		return msg_error("out of memory");
	spec->first = *start;
	err = sandbox_prepare(o, spec);
	return err ? err : launch(spec);
}

static int run_do(const struct command *self, int argc, char **argv, const struct clock_sample *start)
{
	struct sandbox_opts o = {.root_kind = SANDBOX_ROOT_OVERLAY};

	return run_sandbox(self, &o, argc, argv, start);
}

static int run_run(const struct command *self, int argc, char **argv, const struct clock_sample *start)
{
	struct sandbox_opts o = {.root_kind = SANDBOX_ROOT_WRITABLE};

	return run_sandbox(self, &o, argc, argv, start);
}

const struct command command_do = {
	.name = "do",
	.summary = "run a program on the host's files, which it cannot change",
	.synopsis = "[OPTIONS] [--] COMMAND [ARGUMENTS]",
	.text = "Runs COMMAND in a sandbox that sees the host's files (or those under --rootfs). What it writes goes "
		"to memory\n"
		"and is forgotten, except in the current directory and where --bind says so: those are the host's "
		"own.\n"
		"The environment is passed on. Exits with the status of COMMAND, 128+N if signal N killed it, 126 or "
		"127\n"
		"if it could not be run or found, 125 if umbra itself failed.",
	.opts = opts,
	.run = run_do,
};

const struct command command_run = {
	.name = "run",
	.summary = "run a program in a root file system of its own",
	.synopsis = "--rootfs DIR [OPTIONS] [--] COMMAND [ARGUMENTS]",
	.text = "Runs COMMAND in a sandbox whose root is the directory given with --rootfs; what it writes stays "
		"there.\n"
		"Exit status as with 'umbra do'.",
	.opts = opts,
	.run = run_run,
};
