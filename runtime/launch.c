/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launcher: clones the VMM into its namespaces, then is the user's end of it. It passes signals on, stops and
 * continues with it, keeps the terminal (raw while the sandbox runs, restored at every end), prints why a sandbox
 * failed, and leaves with its exit status.
 *
 * A key press like Ctrl-C signals the whole foreground group, launcher and VMM. The VMM has every signal blocked, so
 * the guest hears it once: from us.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "runtime/host.h"
#include "runtime/launch.h"
#include "runtime/msg.h"
#include "vmm/backend/backend.h"

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

struct launcher {
	struct vmm_spec *spec;
	pid_t vmm;
	int pidfd;
	int channel;
	int signals;
	struct termios cooked;
	bool raw;
	char error[sizeof(((struct vmm_note *)0)->text)]; /* what the VMM said last; printed at the end */
};

/* ---- terminal ---- */

static void terminal_raw(struct launcher *l)
{
	struct termios raw = l->cooked;

	cfmakeraw(&raw);
	l->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void terminal_restore(struct launcher *l)
{
	if (l->raw)
		tcsetattr(STDIN_FILENO, TCSANOW, &l->cooked);
	l->raw = false;
}

static void command(const struct launcher *l, const struct vmm_command *cmd)
{
	/* A VMM that is gone needs no commands; its exit is noticed elsewhere. */
	(void)send(l->channel, cmd, sizeof(*cmd), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void send_winsize(const struct launcher *l)
{
	struct vmm_command cmd = {.type = VMM_CMD_WINSIZE};
	struct winsize ws;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) < 0)
		return;
	cmd.winsize = (struct um_ctl_winsize){ws.ws_row, ws.ws_col, ws.ws_xpixel, ws.ws_ypixel};
	command(l, &cmd);
}

/* ---- signals ---- */

static void forward(const struct launcher *l, unsigned int signo, int pid)
{
	const struct vmm_command cmd = {.type = VMM_CMD_SIGNAL, .sig = {.signo = signo, .pid = pid}};

	command(l, &cmd);
}

/* Stops ourselves as if @signo had its default effect, until somebody continues us. */
static void stop_self(struct launcher *l, int signo)
{
	const bool was_raw = l->raw;
	sigset_t set;

	terminal_restore(l);
	sigemptyset(&set);
	sigaddset(&set, signo);
	kill(getpid(), signo);
	/* It takes effect here. */
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (was_raw) {
		terminal_raw(l);
		send_winsize(l);
	}
}

static void got_signal(struct launcher *l)
{
	struct signalfd_siginfo si;
	int target;

	if (read(l->signals, &si, sizeof(si)) != sizeof(si))
		return;
	/* From the terminal: for the group of the first process, as it would be without a sandbox. */
	target = si.ssi_code == SI_KERNEL || si.ssi_signo == SIGCONT ? -1 : 1;
	switch (si.ssi_signo) {
	case SIGCHLD:
	case SIGPIPE:
	case SIGTTIN:
	case SIGTTOU:
		break;
	case SIGWINCH:
		if (l->spec->tty)
			send_winsize(l);
		break;
	case SIGTSTP:
		forward(l, SIGTSTP, target);
		stop_self(l, SIGTSTP);
		break;
	default:
		forward(l, si.ssi_signo, target);
	}
}

/* The VMM may not read the terminal: we are in the background. Stop like any program would, then tell it to go on. */
static void input_in_background(struct launcher *l)
{
	struct vmm_command cmd = {.type = VMM_CMD_INPUT};
	const pid_t foreground = tcgetpgrp(STDIN_FILENO);

	if (foreground >= 0 && foreground != getpgrp())
		stop_self(l, SIGTTIN);
	/* Still not ours: hung up, or nobody will ever continue us into the foreground (an orphaned group). */
	cmd.eof = tcgetpgrp(STDIN_FILENO) != getpgrp();
	command(l, &cmd);
}

/* Takes in what the VMM says. False: nothing, the VMM has closed its end. */
static bool got_note(struct launcher *l)
{
	struct vmm_note note;

	if (recv(l->channel, &note, sizeof(note), MSG_DONTWAIT) != sizeof(note))
		return false;
	note.text[sizeof(note.text) - 1] = 0;
	if (note.type == VMM_NOTE_ERROR)
		memcpy(l->error, note.text, sizeof(l->error));
	else if (note.type == VMM_NOTE_BACKGROUND)
		input_in_background(l);
	return true;
}

/* ---- start and end ---- */

static const char *why_no_namespaces(int err, bool root)
{
	switch (err) {
	case EPERM:
		if (root)
			return "not permitted here; in a container allow unshare(2), mount(2) and the like (docker: "
			       "--privileged, "
			       "or --security-opt seccomp=unconfined --security-opt apparmor=unconfined)";
		if (!host_root_is_mount())
			return "the kernel allows no user namespace in a chroot; start umbra outside and use --rootfs";
		return "not permitted here; allow user namespaces (sysctl user.max_user_namespaces, "
		       "kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns) or run as root";
	case ENOSPC:
	case EUSERS:
		return "the limit of user.max_*_namespaces is reached";
	case EAGAIN:
		return "the limit of processes is reached (ulimit -u, pids cgroup)";
	default:
		return strerror(err);
	}
}

/* fork() into namespaces. Root needs no user namespace of its own: it has what it takes, and gives it up in the jail.
 */
static pid_t clone_vmm(struct launcher *l)
{
	const unsigned long flags =
		CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD | SIGCHLD;
	pid_t pid = -1;

	l->spec->user_ns = false;
	errno = EPERM;
	if (l->spec->uid == 0)
		pid = (pid_t)syscall(SYS_clone, flags, NULL, &l->pidfd, NULL, 0);
	if (pid >= 0 || errno != EPERM)
		return pid;
	l->spec->user_ns = true;
	return (pid_t)syscall(SYS_clone, flags | CLONE_NEWUSER, NULL, &l->pidfd, NULL, 0);
}

static int start(struct launcher *l)
{
	int channel[2];
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0)
		return msg_error("cannot make a channel to the VMM: %s", strerror(errno));
	l->spec->channel = channel[1];
	l->spec->termios = l->cooked;
	l->vmm = clone_vmm(l);
	if (l->vmm < 0)
		return msg_error("cannot create namespaces: %s (umbra doctor says more)",
				 why_no_namespaces(errno, l->spec->uid == 0));
	if (l->vmm == 0) {
		close(channel[0]);
		_exit(umbra_vmm_main(l->spec));
	}
	l->channel = channel[0];
	close(channel[1]);
	l->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	return l->signals < 0 ? msg_error("signalfd: %s", strerror(errno)) : 0;
}

/* Lets go of the streams, so that their other ends notice when the guest closes its own. A terminal we still need. */
static void release_streams(const struct launcher *l)
{
	for (unsigned int i = 0; i < l->spec->nexports; i++)
		close(l->spec->exports[i].fd);
	for (int fd = 0; fd < 2; fd++) {
		if (!isatty(fd))
			close(fd);
	}
}

static int exit_status(struct launcher *l)
{
	siginfo_t si = {0};

	if (waitid(P_PID, (id_t)l->vmm, &si, WEXITED) < 0)
		return msg_error("the VMM is lost: %s", strerror(errno));
	(void)got_note(l);
	terminal_restore(l);
	if (si.si_code == CLD_EXITED) {
		if (l->error[0])
			msg_error("%s", l->error);
		return si.si_status;
	}
	if (si.si_status == SIGKILL)
		return msg_error(
			"the VMM was killed by signal 9: by hand, or the host is short of memory (or a ulimit -t)");
	if (si.si_status == SIGSYS)
		return msg_error(
			"the VMM made a system call that is not on its list and was killed; this is a bug in umbra");
	return msg_error("the VMM was killed by signal %d (%s)", si.si_status, strsignal(si.si_status));
}

int launch(struct vmm_spec *spec)
{
	struct launcher l = {.spec = spec};
	char why[160];
	int err;

	if (backend_user.probe(why, sizeof(why)) < 0)
		return msg_error("this host cannot run sandboxes: %s (umbra doctor says more)", why);
	if (spec->uid == 0 && !host_root_is_mount())
		return msg_error(
			"the root directory of this chroot is no mount point: 'mount --bind DIR DIR' before chroot, or "
			"start umbra outside and use --rootfs");
	if (spec->tty && tcgetattr(STDIN_FILENO, &l.cooked) < 0)
		return msg_error("-t: standard input is not a terminal");
	err = start(&l);
	if (err)
		return err;
	if (spec->tty) {
		terminal_raw(&l);
		send_winsize(&l);
	}
	release_streams(&l);
	for (;;) {
		struct pollfd p[] = {{l.pidfd, POLLIN, 0}, {l.signals, POLLIN, 0}, {l.channel, POLLIN, 0}};

		if (poll(p, 3, -1) < 0)
			continue;
		if (p[0].revents)
			return exit_status(&l);
		if (p[1].revents)
			got_signal(&l);
		/* Closed: the VMM is on its way out. */
		if (p[2].revents && !got_note(&l))
			return exit_status(&l);
	}
}
