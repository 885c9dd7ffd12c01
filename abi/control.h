/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Console and control messages, and the keys of the configuration.
 *
 * Console. UM_QUEUE_CON_TX: one descriptor chain = struct um_con_hdr, then len bytes of data (device-readable). The
 * used entry comes when the VMM has written all of it (or the stream is closed): that is the flow control. Its length
 * is 0, or the errno with which writing to the stream has failed.
 * UM_QUEUE_CON_RX: the guest posts buffers (device-writable: header + room). Data of stdin arrives in them in order.
 * The VMM reads stdin only when the guest asked for it (UM_CTL_STDIN_WANT): an unread stdin stays with the host.
 *
 * Control. Each chain is one message: struct um_ctl_hdr and `len` bytes.
 */
#ifndef UMBRA_ABI_CONTROL_H
#define UMBRA_ABI_CONTROL_H

#include <stdint.h>

/* Console streams */
#define UM_CON_STDIN 0
#define UM_CON_STDOUT 1
#define UM_CON_STDERR 2
#define UM_CON_TTY 3 /* with -t: both directions */

#define UM_CON_EOF 0x1	  /* no more data in this direction */
#define UM_CON_BROKEN 0x2 /* RX: writing to this output stream failed; reserved = errno (EPIPE: SIGPIPE for writers) */

struct um_con_hdr {
	uint32_t stream; /* UM_CON_* */
	uint32_t flags;
	uint32_t len; /* bytes of data that follow */
	uint32_t reserved;
};

struct um_ctl_hdr {
	uint32_t type;	 /* UM_CTL_* */
	uint32_t len;	 /* bytes that follow */
	uint64_t cookie; /* copied into the answer, if there is one */
};

/* host to guest */
#define UM_CTL_SIGNAL 1	 /* struct um_ctl_signal */
#define UM_CTL_WINSIZE 2 /* struct um_ctl_winsize */
/* guest to host */
#define UM_CTL_EXIT 64	     /* struct um_ctl_exit: the first process is gone; the VMM ends the sandbox */
#define UM_CTL_STDIN_WANT 65 /* no data: somebody waits for input */
#define UM_CTL_LOG 66	     /* text */

struct um_ctl_signal {
	uint32_t signo; /* 1..64, Linux x86-64 numbers */
	int32_t pid; /* 1: the first process; -1: the terminal's foreground process group, or without one the first's group */
};

struct um_ctl_winsize {
	uint16_t rows, cols, xpixel, ypixel;
};

struct um_ctl_exit {
	int32_t wait_status; /* as wait4() reports it */
	uint32_t reserved;
};

/*
 * Configuration keys (strings "key=value" at boot->config, in this order where order matters):
 *   arg=...          one per argument of the first program, in order (arg[0] is also the file to find in PATH)
 *   env=NAME=VALUE   one per variable, in order
 *   cwd=PATH
 *   uid= gid= groups=1,2,3 umask=octal
 *   init=1           the first process is an init: signals it does not handle do not kill it (default: they do)
 *   ignore=1,13      signals that the first program ignores at its start
 *   caps=HEX         the capability bounding set (default: all)
 *   no_new_privs=1
 *   hostname=NAME
 *   tty=1            the console is a terminal (UM_CON_TTY); else stdin/stdout/stderr are streams
 *   stdio=N:KIND     what host stream N is: file, pipe, chr, null, closed
 *   export=NODE:ro|rw:TAG   a host directory tree: its root has FUSE node id NODE
 *   mount=TYPE:SOURCE:TARGET:OPTIONS   in order; TYPE: export (SOURCE a TAG), overlay (memory over export SOURCE), tmpfs,
 *                    proc, sysfs, dev, devpts, mqueue; OPTIONS comma separated (ro, nosuid, size=, mode=)
 *                    In SOURCE and TARGET ':' and '\' are written as a backslash and three octal digits. A missing
 *                    TARGET is created (parents too) where the file system below allows it.
 *   hide=PATH        an empty unreadable thing is put over PATH
 *   rlimit=NUM:SOFT:HARD
 *   strace=LIST      system call names, "all"
 *   debug=all        log what the guest kernel does
 *   debug=faults     and offer /proc/fail-nth, which lets its allocations fail
 *   nodirect=1       no direct switch: every system call traps
 */

#endif
