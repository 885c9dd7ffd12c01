/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the template process: a fork of the VMM that puts everything a space needs at its fixed place, gives up what is
 * the VMM's, and jumps into the switcher (switcher/template.c), where it serves.
 *
 * All steps of the child that can fail report an errno through the channel's `ready` word. The VMM goes on meanwhile.
 * Between fork and jump the child runs ordinary C with the VMM's memory, single-threaded.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/wait.h>

#include "user.h"

struct kernel_sigaction {
	uint64_t handler;
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};

static long set_signal(int sig, uint64_t handler)
{
	/*
	 * Never masked: the handlers leave without rt_sigreturn, nothing would unmask. The restorer
	 * is only a formality.
	 */
	struct kernel_sigaction sa = {
		.handler = handler,
		.flags = (uint64_t)(SA_SIGINFO | SA_ONSTACK | SA_NODEFER) | 0x04000000 /* SA_RESTORER */,
		.restorer = handler,
	};

	if (handler == (uint64_t)SIG_IGN || handler == (uint64_t)SIG_DFL)
		sa.flags = 0;
	return syscall(SYS_rt_sigaction, sig, &sa, NULL, 8);
}

/* Deaf to everything but faults, SIGSYS and the kick. */
static int set_signals(uint64_t entry)
{
	static const int handled[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, KICK_SIGNAL};
	uint64_t none = 0;
	stack_t ss = {.ss_flags = SS_DISABLE};

	for (int sig = 1; sig <= 64; sig++)
		if (sig != SIGKILL && sig != SIGSTOP)
			set_signal(sig, (uint64_t)SIG_IGN);
	for (size_t i = 0; i < sizeof(handled) / sizeof(handled[0]); i++)
		if (set_signal(handled[i], entry))
			return -errno;
	if (sigaltstack(&ss, NULL) || syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, 8))
		return -errno;
	return 0;
}

/* The address sanitizer keeps a few pages of its own at the start of the window; the child no longer needs them. */
#ifdef __SANITIZE_ADDRESS__
#define FIXED MAP_FIXED
#else
#define FIXED MAP_FIXED_NOREPLACE
#endif

static int map_at(uint64_t address, uint64_t size, int prot, int flags, int fd)
{
	void *want = (void *)address;
	void *got = mmap(want, size, prot, flags | FIXED | MAP_NORESERVE, fd, 0);

	if (got == MAP_FAILED)
		return -errno;
	if (got != want)
		return -EEXIST;
	return 0;
}

static int map_all(const struct user_backend *ub)
{
	const int rw = PROT_READ | PROT_WRITE, rx = PROT_READ | PROT_EXEC;
	int ret;

	ret = map_at(UM_RAM_BASE, ub->vm->ram_bytes, rw | PROT_EXEC, MAP_SHARED, ub->vm->ram_fd);
	if (!ret)
		ret = map_at(UM_SWITCHER_TEXT, ub->hdr.template_end - UM_SWITCHER_TEXT, rx, MAP_SHARED, ub->text_fd);
	if (!ret)
		ret = map_at(UM_SWITCHER_CTL, sizeof(struct ctl), rw, MAP_SHARED, ub->ctl_fd);
	if (!ret)
		ret = map_at(UM_SWITCHER_PRIV, CHAN_SIZE, rw, MAP_SHARED, ub->chan_fd);
	if (!ret)
		ret = map_at(UM_SIGSTACKS, SLOT_COUNT * SLOT_SIZE, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	if (!ret)
		ret = map_at(UM_SHADOW_DIR, UM_SHADOW_DIR_SIZE, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	return ret;
}

/*
 * The C library has told the kernel about memory that is about to vanish: a restartable-sequence area (the next
 * preemption would kill us), the robust list, the thread id word.
 */
static int forget_libc(void)
{
	unsigned int size[] = {__rseq_size, 32, 64};
	void *rseq = (char *)__builtin_thread_pointer() + __rseq_offset;
	bool done = __rseq_size == 0;

	for (size_t i = 0; i < sizeof(size) / sizeof(size[0]) && !done; i++)
		done = syscall(SYS_rseq, rseq, size[i], RSEQ_FLAG_UNREGISTER, RSEQ_SIG) == 0;
	if (!done)
		return -errno;
	syscall(SYS_set_robust_list, NULL, 24);
	syscall(SYS_set_tid_address, NULL);
	return 0;
}

/*
 * Limits of every space. The number of processes and threads is counted per user, so it can only be limited where we
 * have a user namespace of our own; root of the host is exempt: see jail_tasks().
 */
static int set_limits(const struct user_backend *ub)
{
	const rlim_t threads = user_max_tasks(ub->vm->ncpus);
	const struct rlimit none = {0, 0}, fds = {SPACE_FD_DOORBELL + 1, SPACE_FD_DOORBELL + 1},
			    nproc = {threads, threads};

	if (setrlimit(RLIMIT_CORE, &none) || setrlimit(RLIMIT_MEMLOCK, &none) || setrlimit(RLIMIT_NOFILE, &fds) ||
	    setrlimit(RLIMIT_MSGQUEUE, &none))
		return -errno;
	if (ub->own_pid_ns)
		setrlimit(RLIMIT_NPROC, &nproc);
	/* Sleeps of vCPUs end when they are due; the default slack is 50 us. */
	prctl(PR_SET_TIMERSLACK, 1000);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_DUMPABLE, 0))
		return -errno;
	return 0;
}

/* What the VMM may do to files is nothing to a space. */
static int drop_capabilities(void)
{
	struct __user_cap_header_struct hdr = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}};

	return syscall(SYS_capset, &hdr, none) ? -errno : 0;
}

/* Keeps the RAM file and the doorbell, at their places, and nothing else. */
static int set_descriptors(const struct vm *vm)
{
	int ram = fcntl(vm->ram_fd, F_DUPFD, SPACE_FD_DOORBELL + 1);
	int doorbell = fcntl(vm->doorbell, F_DUPFD, SPACE_FD_DOORBELL + 1);

	if (ram < 0 || doorbell < 0 || dup2(ram, SPACE_FD_RAM) < 0 || dup2(doorbell, SPACE_FD_DOORBELL) < 0)
		return -errno;
	if (syscall(SYS_close_range, 0, SPACE_FD_RAM - 1, 0) || syscall(SYS_close_range, SPACE_FD_DOORBELL + 1, ~0u, 0))
		return -errno;
	return 0;
}

static void __attribute__((noreturn)) child(struct user_backend *ub)
{
	void (*entry)(void) = (void (*)(void))ub->hdr.template_entry;
	int ret = map_all(ub);

	/*
	 * Out of reach of the terminal's signals. Not setsid(): with automatic task groups the spaces would be a
	 * scheduling group apart from the VMM, and Linux 6.18 keeps other tasks off their CPUs for many seconds while
	 * two groups wake each other at a high rate (measured: gaps of 5 s; 0.5 s within one group, which is what the
	 * same storm does without a sandbox).
	 */
	setpgid(0, 0);
	prctl(PR_SET_NAME, "umbra-space");
	if (!ret)
		ret = set_descriptors(ub->vm);
	if (!ret)
		ret = drop_capabilities();
	if (!ret)
		ret = set_limits(ub);
	if (!ret)
		ret = set_signals(ub->hdr.signal_entry);
	if (!ret)
		ret = forget_libc();
	if (!ret)
		entry();
	__atomic_store_n(&ub->chan->ready, (uint32_t)ret, __ATOMIC_RELEASE);
	futex(&ub->chan->ready, FUTEX_WAKE, 1, NULL);
	_exit(1);
}

int template_check(const struct user_backend *ub)
{
	const uint32_t ready = __atomic_load_n(&ub->chan->ready, __ATOMIC_ACQUIRE);

	if (ready == 1)
		return 0;
	return ready ? (int)ready : -EAGAIN;
}

int template_spawn(struct user_backend *ub)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0)
		child(ub);
	ub->template_pid = pid;
	return 0;
}
