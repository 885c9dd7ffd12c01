/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VMM: from a fresh process to a running guest, the control thread's event loop, and the end. umbra_vmm_main() is
 * the list of steps; nothing is done on the guest's behalf before the jail is closed.
 *
 * The control thread serves console and control device, the launcher's channel, deaths of children and the clock page;
 * file workers (vmm/fs) and the backend have threads of their own. It never waits for the guest or for the user.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "abi/layout.h"
#include "abi/pvm.h"
#include "vmm/backend/backend.h"
#include "vmm/console.h"
#include "vmm/control.h"
#include "vmm/fs/fs.h"
#include "vmm/image.h"
#include "vmm/jail.h"
#include "vmm/loop.h"
#include "vmm/vm.h"
#include "vmm/vmm.h"

#define FS_QUEUE_SIZE 256
#define FS_HIPRIO_SIZE 64
#define FS_WORKERS 2
#define DESCRIPTORS_MIN 256

struct vmm {
	const struct vmm_spec *spec;
	struct vm vm;
	struct um_boot *boot;
	struct config config; /* what the VMM adds to the launcher's */
	struct image_info image;
	struct clock clock;
	struct fs *fs;
	struct jail_tree trees[VMM_MAX_EXPORTS + 1]; /* mounts that fs holds: the exports, its view of /proc/self/fd */
	unsigned int ntrees;
	struct stream io[3];
	struct loop loop;
	struct console *console;
	struct control control;
	struct loop_source doorbell, end, children, channel, clock_timer, clock_set;
	bool ending; /* the guest is gone; only its last output is still to be written */
};

/* What the user can do about @err. */
static const char *advice(int err)
{
	switch (err) {
	case -ENOMEM:
		return " (see ulimit -v and -d, and the memory limit of the cgroup)";
	case -EMFILE:
		return " (raise ulimit -n)";
	case -EAGAIN:
		return " (see ulimit -u and the limit of processes of the cgroup)";
	case -EPERM:
	case -EACCES:
		return " (a container's seccomp profile or a security module may forbid it; umbra doctor says more)";
	case -ENOSYS:
		return " (the kernel is older than 5.11, or a container's seccomp profile forbids it)";
	default:
		return "";
	}
}

/* @what completes "...". */
static int fail(struct vmm *v, int err, const char *what)
{
	vm_end(&v->vm, VM_EXIT_FAILURE, "cannot %s: %s%s", what, strerror(-err), advice(err));
	return err;
}

static void tell_launcher(const struct vmm *v, uint32_t type, const char *text)
{
	struct vmm_note note = {.type = type};

	snprintf(note.text, sizeof(note.text), "%s", text);
	/* If the launcher is gone nobody is interested, and the channel's hang-up ends us. */
	if (write(v->spec->channel, &note, sizeof(note)) < 0)
		(void)0;
}

/* ---- what the event loop serves ---- */

static void ring_again(struct vmm *v)
{
	const uint64_t one = 1;

	if (write(v->vm.doorbell, &one, sizeof(one)) < 0)
		(void)0; /* full means that it rings anyway */
}

static void stop_when_written(struct vmm *v)
{
	if (v->ending && !console_busy(v->console))
		v->loop.stop = true;
}

static void doorbell_ready(void *ctx, uint32_t events)
{
	struct vmm *v = ctx;
	uint64_t count;
	bool more;

	(void)events;
	if (read(v->vm.doorbell, &count, sizeof(count)) < 0)
		return;
	if (v->ending) { /* our own, below: output that could not be written in one turn */
		if (console_notify(v->console))
			ring_again(v);
		stop_when_written(v);
		return;
	}
	fs_doorbell(v->fs);
	more = console_notify(v->console);
	more |= control_notify(&v->control);
	v->vm.backend->poll(&v->vm);
	if (more)
		ring_again(v);
}

/* The guest is over. Programs may have ended with output still on its way: that much must reach its reader. */
static void end_ready(void *ctx, uint32_t events)
{
	struct vmm *v = ctx;
	char text[256];

	(void)events;
	loop_forget(&v->loop, &v->end);
	if (console_notify(v->console))
		ring_again(v);
	v->ending = true;
	if (!(v->spec->features & UM_FEAT_QUIET)) {
		v->vm.backend->poll(&v->vm); /* the guest's last words first */
		v->vm.backend->describe(&v->vm, text, sizeof(text));
		vm_log(&v->vm, text, strlen(text));
	}
	if (v->vm.end_reason[0])
		tell_launcher(v, VMM_NOTE_ERROR, v->vm.end_reason);
	/*
	 * Usually it is all written and we leave, which ends every thread and, in our PID namespace, every process.
	 * While a slow reader keeps us, the guest must not run on. Our own threads are not waited for: what they sleep
	 * on may be memory of the guest's, or a slow disk.
	 */
	if (console_busy(v->console))
		v->vm.backend->kill(&v->vm);
	stop_when_written(v);
}

static void children_ready(void *ctx, uint32_t events)
{
	struct vmm *v = ctx;
	struct signalfd_siginfo si;
	int status;
	pid_t pid;

	(void)events;
	if (read(v->children.fd, &si, sizeof(si)) < 0)
		return;
	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0)
		v->vm.backend->child_died(&v->vm, pid, status);
}

static bool fatal_signal(unsigned int signo)
{
	return signo == SIGINT || signo == SIGTERM || signo == SIGHUP || signo == SIGQUIT;
}

static void channel_ready(void *ctx, uint32_t events)
{
	struct vmm *v = ctx;
	struct vmm_command cmd;
	const ssize_t n = read(v->channel.fd, &cmd, sizeof(cmd));

	(void)events;
	if (n <= 0) {
		if (v->spec->tty)
			ioctl(v->io[0].fd, TCSETS, &v->spec->termios); /* tcsetattr() asks for more than that */
		vm_end(&v->vm, VM_EXIT_FAILURE, NULL);
		v->loop.stop = true;
		return;
	}
	if (n != sizeof(cmd))
		return;
	switch (cmd.type) {
	case VMM_CMD_SIGNAL:
		if (v->ending && fatal_signal(cmd.sig.signo))
			v->loop.stop = true;
		else if (!v->ending && fatal_signal(cmd.sig.signo) && control_deaf(&v->control))
			vm_end(&v->vm, VM_EXIT_FAILURE, "the guest kernel does not take signals any more: ended");
		else if (!v->ending)
			control_signal(&v->control, cmd.sig.signo, cmd.sig.pid);
		break;
	case VMM_CMD_WINSIZE:
		control_winsize(&v->control, &cmd.winsize);
		break;
	case VMM_CMD_INPUT:
		console_foreground(v->console, cmd.eof);
		break;
	}
}

static void clock_arm(struct vmm *v)
{
	const struct itimerspec next = {.it_value = {.tv_sec = (time_t)(v->clock.next_ns / 1000000000),
						     .tv_nsec = (long)(v->clock.next_ns % 1000000000)}};

	timerfd_settime(v->clock_timer.fd, 0, &next, NULL);
}

static void clock_ready(void *ctx, uint32_t events)
{
	struct vmm *v = ctx;
	uint64_t count;

	(void)events;
	if (read(v->clock_timer.fd, &count, sizeof(count)) < 0)
		return;
	clock_update(&v->clock);
	clock_arm(v);
}

/* A timer that never expires, but is cancelled when somebody sets the clock (or the machine was suspended). */
static void clock_set_arm(struct vmm *v)
{
	const struct itimerspec never = {.it_value = {.tv_sec = INT64_MAX / 2000000000}};

	timerfd_settime(v->clock_set.fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

static void clock_set_ready(void *ctx, uint32_t events)
{
	struct vmm *v = ctx;
	uint64_t count;

	(void)events;
	if (read(v->clock_set.fd, &count, sizeof(count)) >= 0 || errno != ECANCELED)
		return;
	clock_set_arm(v);
	clock_stepped(&v->clock);
	vm_interrupt(&v->vm);
}

/* ---- what the devices report ---- */

static void guest_exited(void *ctx, int wait_status)
{
	struct vmm *v = ctx;

	vm_end(&v->vm, control_exit_status(wait_status), NULL);
}

static void guest_wants_input(void *ctx)
{
	struct vmm *v = ctx;

	console_want_input(v->console);
}

static void guest_logs(void *ctx, const char *text, size_t len)
{
	const struct vmm *v = ctx;

	for (size_t at = 0; at < len;) {
		const char *nl = memchr(text + at, '\n', len - at);
		const size_t n = nl ? (size_t)(nl - text) - at : len - at;

		vm_log(&v->vm, text + at, n);
		at += n + 1;
	}
}

static const struct control_ops control_ops = {
	.exited = guest_exited,
	.stdin_want = guest_wants_input,
	.log = guest_logs,
};

static void input_in_background(void *ctx)
{
	tell_launcher(ctx, VMM_NOTE_BACKGROUND, "");
}

static void output_written(void *ctx)
{
	stop_when_written(ctx);
}

/* ---- the steps ---- */

/* Dies with the launcher. The launcher may have died before that took effect: the channel then says so at once. */
static int tie_to_launcher(struct vmm *v)
{
	prctl(PR_SET_NAME, "umbra-vmm", 0, 0, 0);
	/* With a terminal we have to live on for a moment, to give it back its modes: channel_ready(). */
	if (v->spec->tty)
		return 0;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
		return fail(v, -errno, "tie the VMM to its launcher");
	return 0;
}

/*
 * Lets go of the user's stdin, stdout and stderr. Their numbers stay taken, by something that can neither be read nor
 * written: a stray message of the C library must not end in a file that happens to be number 2.
 */
static int free_standard_streams(void)
{
	const int nothing = epoll_create1(EPOLL_CLOEXEC);

	for (int fd = 0; fd < 3; fd++) {
		if (nothing < 0 || (fd != nothing && dup3(nothing, fd, O_CLOEXEC) < 0))
			return -1;
	}
	if (nothing > 2)
		close(nothing);
	return 0;
}

/* Exports become FUSE roots, streams get descriptions of their own: both need the host's /proc. */
static int open_files(struct vmm *v)
{
	const struct vmm_spec *s = v->spec;
	int err = jail_private_mounts(), fd, nodes[VMM_MAX_EXPORTS];

	if (err)
		return fail(v, err, "make the mounts private");
	err = fs_new(&v->fs, &v->vm);
	if (err)
		return fail(v, err, "make the file server");
	if (s->user_ns)
		fs_unmapped_is_root(v->fs);
	fd = jail_descriptors();
	if (fd >= 0) {
		fs_use_descriptors(v->fs, fd);
		v->trees[v->ntrees++] = (struct jail_tree){.fd = fd};
	}
	for (unsigned int i = 0; i < s->nexports; i++) {
		const struct vmm_export *x = &s->exports[i];
		const int tree = jail_private_tree(x->fd, x->path, x->read_only);
		const int node =
			fs_export(v->fs, tree, (x->read_only ? FS_EXPORT_RO : 0) | (x->shared ? FS_EXPORT_SHARED : 0));

		v->trees[v->ntrees++] = (struct jail_tree){.fd = tree, .exported = true, .read_only = x->read_only};

		if (node < 0) {
			char what[64];

			snprintf(what, sizeof(what), "export tree '%s'", x->tag);
			return fail(v, node, what);
		}
		config_add(&v->config, "export", "%d:%s:%s", node, x->read_only ? "ro" : "rw", x->tag);
		nodes[i] = node;
	}
	for (unsigned int i = 0; i < s->ncovers; i++) {
		const struct vmm_cover *c = &s->covers[i];

		err = fs_cover(v->fs, c->export < 0 ? 0 : nodes[c->export], &c->what);
		if (err)
			return fail(v, err, "cover what is hidden");
	}
	for (int i = 0; i < 3; i++) {
		stream_open(&v->io[i], i, i == 0 ? O_RDONLY : O_WRONLY);
		config_add(&v->config, "stdio", "%d:%s", i, v->io[i].kind);
	}
	return free_standard_streams() < 0 ? fail(v, -errno, "let go of the standard streams") : 0;
}

static int place_queues(struct vmm *v)
{
	static const struct {
		unsigned int queue, size;
	} queues[] = {
		{UM_QUEUE_FS, FS_QUEUE_SIZE},	       {UM_QUEUE_FS_HIPRIO, FS_HIPRIO_SIZE},
		{UM_QUEUE_CON_RX, CONSOLE_QUEUE_SIZE}, {UM_QUEUE_CON_TX, CONSOLE_QUEUE_SIZE},
		{UM_QUEUE_CTL_RX, CONTROL_QUEUE_SIZE}, {UM_QUEUE_CTL_TX, CONTROL_QUEUE_SIZE},
	};
	gpa_t cursor = UM_GPA_QUEUES;

	for (size_t i = 0; i < sizeof(queues) / sizeof(queues[0]); i++) {
		const int err = virtq_place(&v->boot->queue[queues[i].queue], queues[i].size, &cursor, UM_GPA_KERNEL);

		if (err)
			return fail(v, err, "place the queues");
	}
	return 0;
}

/* The launcher's strings, then ours, then the empty one, which is there already: RAM is zero. */
static int write_config(struct vmm *v)
{
	const struct config *theirs = &v->spec->config;
	uint8_t *dst = vm_gpa(&v->vm, UM_GPA_CONFIG, UM_CONFIG_MAX);

	if (theirs->overflow || v->config.overflow || theirs->bytes + v->config.bytes >= UM_CONFIG_MAX)
		return fail(v, -E2BIG, "pass so many arguments and environment variables");
	memcpy(dst, theirs->text, theirs->bytes);
	memcpy(dst + theirs->bytes, v->config.text, v->config.bytes);
	v->boot->config = UM_GPA_CONFIG;
	v->boot->config_bytes = theirs->bytes + v->config.bytes + 1;
	return 0;
}

/* CPUID leaf 0xd and XCR0: what the host saves for us on a signal. */
static void describe_fpu(struct um_boot *boot)
{
	uint32_t lo, hi, eax = 0xd, ebx, ecx = 0, edx;

	__asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
	__asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	boot->xcr0 = (uint64_t)hi << 32 | lo;
	boot->xsave_bytes = ebx;
}

static int write_boot(struct vmm *v)
{
	struct um_boot *boot = v->boot;
	int err;

	boot->magic = UM_BOOT_MAGIC;
	boot->version = UM_BOOT_VERSION;
	boot->ncpus = v->vm.ncpus;
	boot->linear_base = v->vm.backend->linear_base(&v->vm);
	boot->ram_bytes = v->vm.ram_bytes;
	boot->kernel_start = v->image.start;
	boot->kernel_end = v->image.end;
	boot->features = v->spec->features;
	boot->clock = UM_GPA_CLOCK;
	describe_fpu(boot);
	if (getrandom(boot->seed, sizeof(boot->seed), 0) != sizeof(boot->seed))
		return fail(v, -EIO, "get randomness");
	err = place_queues(v);
	return err ? err : write_config(v);
}

/* Better told now than by a program that cannot open a file later. */
static int check_descriptors(struct vmm *v)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_max >= DESCRIPTORS_MIN)
		return 0;
	vm_end(&v->vm, VM_EXIT_FAILURE, "only %llu open files are allowed, a sandbox needs %d: raise ulimit -n",
	       (unsigned long long)l.rlim_max, DESCRIPTORS_MIN);
	return -EMFILE;
}

static int load_kernel(struct vmm *v)
{
	const char *why = "";
	const int err = image_load(&v->vm, v->spec->kernel, v->spec->kernel_bytes, v->vm.backend->linear_base(&v->vm),
				   &v->image, &why);

	if (err)
		vm_end(&v->vm, VM_EXIT_FAILURE, "cannot load the guest kernel: %s", why);
	/*
	 * The file's pages have served: a sandbox that idles should be small. (They are clean, and page
	 * aligned if possible.)
	 */
	(void)madvise((void *)(uintptr_t)v->spec->kernel, v->spec->kernel_bytes, MADV_DONTNEED);
	return err;
}

static enum jail_files jail_files(const struct vmm *v)
{
	if (v->spec->uid != 0)
		return JAIL_FILES_OWN;
	for (unsigned int i = 0; i < v->spec->nexports; i++) {
		if (!v->spec->exports[i].read_only)
			return JAIL_FILES_ALL;
	}
	return JAIL_FILES_READ;
}

static int watch(struct vmm *v, struct loop_source *s, int fd, void (*ready)(void *, uint32_t))
{
	int err;

	*s = (struct loop_source){.fd = fd, .ready = ready, .ctx = v};
	err = fd < 0 ? -errno : loop_watch(&v->loop, s, EPOLLIN);
	return err ? fail(v, err, "set up the event loop") : 0;
}

static int watch_all(struct vmm *v)
{
	sigset_t chld;
	int err;

	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	err = watch(v, &v->doorbell, v->vm.doorbell, doorbell_ready);
	if (!err)
		err = watch(v, &v->end, v->vm.end_fd, end_ready);
	if (!err)
		err = watch(v, &v->channel, v->spec->channel, channel_ready);
	if (!err)
		err = watch(v, &v->children, signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK), children_ready);
	if (!err)
		err = watch(v, &v->clock_timer, timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
			    clock_ready);
	if (!err)
		err = watch(v, &v->clock_set, timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK),
			    clock_set_ready);
	if (err)
		return err;
	clock_arm(v);
	clock_set_arm(v);
	return 0;
}

static int make_devices(struct vmm *v)
{
	int err = loop_init(&v->loop);

	if (err)
		return fail(v, err, "make the event loop");
	v->console = console_new(&v->vm, &v->loop, v->boot, v->io, v->spec->tty);
	if (!v->console)
		return fail(v, -ENOMEM, "make the console");
	v->console->in_background = input_in_background;
	v->console->written = output_written;
	v->console->ctx = v;
	err = control_init(&v->control, &v->vm, v->boot, &control_ops, v);
	if (!err)
		err = fs_attach(v->fs, &v->boot->queue[UM_QUEUE_FS], &v->boot->queue[UM_QUEUE_FS_HIPRIO]);
	if (err)
		return fail(v, err, "make the devices");
	return watch_all(v);
}

static void worker_init(void *arg)
{
	struct vmm *v = arg;
	size_t count;
	const int *calls = fs_syscalls(&count);
	const int err = jail_seccomp(JAIL_FILES, calls, count);

	if (err)
		fail(v, err, "install the file workers' system-call filter");
}

static void backend_thread_init(struct vm *vm)
{
	const int err = jail_seccomp(JAIL_BACKEND, NULL, 0);

	if (err)
		vm_end(vm, VM_EXIT_FAILURE, "cannot install a thread's system-call filter: %s", strerror(-err));
}

static void vcpu_moved(struct vm *vm, unsigned int vcpu, int cpu)
{
	struct vmm *v = (struct vmm *)((char *)vm - offsetof(struct vmm, vm));

	fs_vcpu_moved(v->fs, vcpu, cpu);
}

static int start(struct vmm *v)
{
	const struct vmm_spec *s = v->spec;
	const char *step = "";
	int err, oom_fd = -1;

	v->vm.backend = &backend_user;
	v->vm.log_fd = s->log_fd;
	err = tie_to_launcher(v);
	if (!err && s->user_ns) {
		err = jail_map_ids(s->uid, s->gid, &step);
		if (err)
			return fail(v, err, step);
	}
	if (!err)
		err = check_descriptors(v);
	if (!err)
		err = open_files(v);
	if (!err)
		err = load_kernel(v);
	if (err)
		return err;
	v->boot = vm_gpa(&v->vm, UM_GPA_BOOT, sizeof(*v->boot));
	err = write_boot(v);
	if (err)
		return err;
	/* The template must be born with no more rights than it needs: the jail's walls come before it. */
	err = jail_enter(jail_files(v), v->trees, v->ntrees, &oom_fd, &step);
	if (err)
		return fail(v, err, step);
	v->boot->tsc_khz = clock_init(&v->clock, vm_gpa(&v->vm, UM_GPA_CLOCK, sizeof(struct um_clock)), &s->first);
	v->vm.thread_init = backend_thread_init;
	v->vm.vcpu_moved = vcpu_moved;
	err = v->vm.backend->create(&v->vm, v->boot);
	if (err)
		return fail(v, err, "start the backend");
	jail_oom(oom_fd);
	err = make_devices(v);
	if (err)
		return err;
	err = fs_start(v->fs, FS_WORKERS, worker_init, v);
	if (err)
		return fail(v, err, "start the file workers");
	console_start(v->console);
	/* From here on guest code runs, in spaces with filters of their own. We look at what it asks for in loop_run().
	 */
	err = v->vm.backend->start(&v->vm, v->image.entry);
	if (err)
		return fail(v, err, "start the guest");
	err = jail_seccomp(JAIL_CONTROL, NULL, 0);
	return err ? fail(v, err, "install the system-call filter") : 0;
}

int umbra_vmm_main(const struct vmm_spec *spec)
{
	struct vmm *v = calloc(1, sizeof(*v));
	int err;

	if (!v)
		return VM_EXIT_FAILURE;
	v->spec = spec;
	/* One heap for all threads: they allocate little, and each further one would cost five system calls at start.
	 */
	mallopt(M_ARENA_MAX, 1);
	jail_limits();
	jail_tasks(backend_user.max_tasks(spec->ncpus));
	err = vm_create(&v->vm, spec->ncpus, spec->ram_bytes);
	if (err) {
		char text[200];

		snprintf(text, sizeof(text), "cannot reserve %llu MiB of guest memory: %s%s",
			 (unsigned long long)spec->ram_bytes >> 20, strerror(-err),
			 err == -ENOMEM || err == -EFBIG ? " (use --memory, or see ulimit -v and ulimit -f)"
							 : advice(err));
		tell_launcher(v, VMM_NOTE_ERROR, text);
		return VM_EXIT_FAILURE;
	}
	if (start(v) == 0)
		loop_run(&v->loop);
	else
		tell_launcher(v, VMM_NOTE_ERROR, v->vm.end_reason);
	return v->vm.exit_status;
}
