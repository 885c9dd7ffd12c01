/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what the user asked for to what the VMM is given.
 */
#ifndef UMBRA_RUNTIME_SANDBOX_H
#define UMBRA_RUNTIME_SANDBOX_H

#include <stdbool.h>

#include "vmm/vmm.h"

#define SANDBOX_MAX_WORDS 64

/* How the root of the guest is made. */
enum sandbox_root {
	SANDBOX_ROOT_OVERLAY, /* rootfs is only read; changes go to memory */
	SANDBOX_ROOT_WRITABLE,
};

/* Words as given on the command line; empty or NULL: default. All strings are the caller's and outlive the sandbox. */
struct sandbox_opts {
	enum sandbox_root root_kind;
	const char *rootfs;	   /* NULL: the host's root */
	unsigned int ncpus;	   /* 0: default */
	unsigned long long memory; /* 0: default */
	const char *cwd;
	const char *hostname;
	bool user_given;
	unsigned int uid, gid;
	bool tty;
	const char *strace; /* list of calls, or NULL */
	const char *debug;
	const char *kernel; /* a file to use instead of the built-in guest kernel */
	const char *binds[SANDBOX_MAX_WORDS];
	unsigned int nbinds;
	const char *hides[SANDBOX_MAX_WORDS];
	unsigned int nhides;
	const char *envs[SANDBOX_MAX_WORDS * 4];
	unsigned int nenvs;
	char **argv; /* the command, NULL-terminated */
};

/*
 * Fills @spec: opens the exported trees, chooses memory and processors, writes the configuration. Prints an error and
 * returns 125 on failure, else 0.
 */
int sandbox_prepare(const struct sandbox_opts *opts, struct vmm_spec *spec);

#endif
