/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VMM process as its launcher sees it: what it is given, what the two say to each other, how it ends.
 */
#ifndef UMBRA_VMM_VMM_H
#define UMBRA_VMM_VMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <termios.h>

#include "abi/control.h"
#include "vmm/clock.h"
#include "vmm/config.h"
#include "vmm/fs/fs.h"
#include "vmm/vm.h"

#define VMM_MAX_EXPORTS 128
#define VMM_MAX_COVERS 256

/* A host tree (or regular file) the guest may see. */
struct vmm_export {
	int fd;		  /* O_PATH */
	const char *path; /* where it lies, from the current directory */
	bool read_only;
	bool shared; /* others change it meanwhile: nothing is cached for longer than an operation, locks reach the host */
	char tag[16]; /* how mount= names it */
};

/* A place in an export that the guest must not look behind; see fs_cover(). */
struct vmm_cover {
	int export; /* index, -1: any */
	struct fs_cover what;
};

struct vmm_spec {
	unsigned int ncpus;
	uint64_t ram_bytes;
	const void *kernel; /* the guest kernel's ELF file */
	size_t kernel_bytes;
	struct config config; /* all keys but export= and stdio= */
	struct vmm_export exports[VMM_MAX_EXPORTS];
	unsigned int nexports;
	struct vmm_cover covers[VMM_MAX_COVERS];
	unsigned int ncovers;
	uint64_t features; /* UM_FEAT_QUIET, UM_FEAT_STRACE */
	bool tty;
	struct termios termios;	   /* with tty: the modes to restore if the launcher cannot */
	int log_fd;		   /* debug output of guest kernel and VMM; -1: nowhere */
	int channel;		   /* our end of the socket pair to the launcher */
	bool user_ns;		   /* in a new user namespace, ids not mapped yet */
	unsigned int uid, gid;	   /* ours, outside */
	struct clock_sample first; /* taken when the program started */
};

/* Messages on the channel (SOCK_SEQPACKET), one struct each. */
enum vmm_command_type {
	VMM_CMD_SIGNAL,	 /* .sig, for the guest */
	VMM_CMD_WINSIZE, /* .winsize */
	VMM_CMD_INPUT,	 /* after VMM_NOTE_BACKGROUND: .eof, or try again */
};

struct vmm_command {
	uint32_t type;
	union {
		struct um_ctl_signal sig;
		struct um_ctl_winsize winsize;
		uint32_t eof;
	};
};

enum vmm_note_type {
	VMM_NOTE_ERROR,	     /* .text: why the sandbox ends; to be printed once the terminal is restored */
	VMM_NOTE_BACKGROUND, /* the terminal may not be read: we are in the background */
};

struct vmm_note {
	uint32_t type;
	char text[508];
};

/*
 * The whole life of a VMM. The calling process is a fresh clone of the launcher in its namespaces, with every signal
 * blocked, one thread, and no descriptors but 0-2 and those of @spec. Returns the exit status for the launcher; the
 * caller leaves with _exit() at once, which ends whatever threads and, as the init of a PID namespace, processes are
 * left.
 */
int umbra_vmm_main(const struct vmm_spec *spec);

#endif
