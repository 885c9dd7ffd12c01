/* SPDX-License-Identifier: Apache-2.0 */
/*
 * umbra doctor: looks at what this host allows, says what umbra will use, and what to do about what is missing.
 *
 * Each line is one check of the table: it tries the thing itself where that is harmless, in a child where it is not.
 * Exit status 0: sandboxes can run here; 1: something that is needed is missing.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/boot.h"
#include "runtime/command.h"
#include "runtime/host.h"
#include "runtime/msg.h"
#include "vmm/backend/backend.h"
#include "vmm/vmm.h"

#define KERNEL_NEEDED_MAJOR 5
#define KERNEL_NEEDED_MINOR 11

enum verdict { GOOD, HINT, MISSING };

struct finding {
	enum verdict verdict;
	char text[160];	  /* what there is */
	char advice[200]; /* what to do; for HINT and MISSING */
};

static void found(struct finding *f, enum verdict verdict, const char *advice, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void found(struct finding *f, enum verdict verdict, const char *advice, const char *fmt, ...)
{
	va_list ap;

	f->verdict = verdict;
	snprintf(f->advice, sizeof(f->advice), "%s", advice);
	va_start(ap, fmt);
	vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

/* Runs @fn in a child; its result is the exit status. -1: no child. */
static int in_child(int (*fn)(void))
{
	const pid_t pid = fork();
	int status;

	if (pid < 0)
		return -1;
	if (pid == 0)
		_exit(fn());
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static long read_number(const char *path)
{
	char text[32] = "";
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd >= 0) {
		n = read(fd, text, sizeof(text) - 1);
		close(fd);
	}
	return n > 0 ? strtol(text, NULL, 10) : -1;
}

/* ---- the checks ---- */

static void check_kernel(struct finding *f)
{
	int major = 0, minor = 0;
	struct utsname u;

	uname(&u);
	sscanf(u.release, "%d.%d", &major, &minor);
	if (major > KERNEL_NEEDED_MAJOR || (major == KERNEL_NEEDED_MAJOR && minor >= KERNEL_NEEDED_MINOR))
		found(f, GOOD, "", "Linux %s on %s", u.release, u.machine);
	else
		found(f, MISSING, "use a kernel of 5.11 or later", "Linux %s is too old", u.release);
}

static void check_fsgsbase(struct finding *f)
{
	if (getauxval(AT_HWCAP2) & 2)
		found(f, GOOD, "", "usable by programs");
	else
		found(f, MISSING,
		      "needs an x86-64 CPU of 2012 (Intel) or 2017 (AMD) or later, and no 'nofsgsbase' on the "
		      "kernel command line",
		      "not usable");
}

static int try_seccomp(void)
{
	const unsigned int action = SECCOMP_RET_KILL_PROCESS;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0 ? 0 : errno;
}

static void check_seccomp(struct finding *f)
{
	const int err = try_seccomp();

	if (err == 0)
		found(f, GOOD, "", "filters available");
	else
		found(f, MISSING,
		      "use a kernel with CONFIG_SECCOMP_FILTER, and allow seccomp(2) if you are in a container", "%s",
		      strerror(err));
}

static int try_namespaces(void)
{
	int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

	if (geteuid() != 0)
		flags |= CLONE_NEWUSER;
	if (unshare(flags) == 0)
		return 0;
	if (errno == EPERM && unshare(flags | CLONE_NEWUSER) == 0)
		return 0;
	return errno;
}

static void check_namespaces(struct finding *f)
{
	const int err = in_child(try_namespaces);

	if (err == 0) {
		found(f, GOOD, "", "user, mount, pid, network, IPC, UTS");
		return;
	}
	if (read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1)
		found(f, MISSING,
		      "sysctl kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile that allows "
		      "userns for umbra, or run as root",
		      "%s", strerror(err));
	else if (read_number("/proc/sys/kernel/unprivileged_userns_clone") == 0)
		found(f, MISSING, "sysctl kernel.unprivileged_userns_clone=1, or run as root", "%s", strerror(err));
	else if (read_number("/proc/sys/user/max_user_namespaces") == 0)
		found(f, MISSING, "sysctl user.max_user_namespaces=10000, or run as root", "%s", strerror(err));
	else
		found(f, MISSING,
		      "run as root; in a container allow unshare(2) (docker: --security-opt seccomp=unconfined)", "%s",
		      strerror(err));
}

static void check_memfd(struct finding *f)
{
	const int fd = (int)syscall(SYS_memfd_create, "umbra-doctor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *p;

	if (fd < 0 || ftruncate(fd, 4096) < 0) {
		found(f, MISSING, "use a kernel with CONFIG_MEMFD_CREATE", "%s", strerror(errno));
		return;
	}
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED) {
		found(f, MISSING, "sysctl vm.memfd_noexec=0, and no SELinux rule against executable shared memory",
		      "guest memory cannot be executable: %s", strerror(errno));
		return;
	}
	munmap(p, 4096);
	found(f, GOOD, "", "executable memory files");
}

static void check_maps(struct finding *f)
{
	const long count = read_number("/proc/sys/vm/max_map_count");

	if (count >= 32768)
		found(f, GOOD, "", "vm.max_map_count is %ld", count);
	else
		found(f, HINT, "sysctl vm.max_map_count=65530", "vm.max_map_count is only %ld", count);
}

static void check_processes(struct finding *f)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NPROC, &l) < 0 || l.rlim_max == RLIM_INFINITY || l.rlim_max >= 1024)
		found(f, GOOD, "", "enough processes allowed");
	else
		found(f, HINT, "raise it: ulimit -u; a sandbox needs up to one process per guest process",
		      "only %llu processes are allowed", (unsigned long long)l.rlim_max);
}

static void check_clock(struct finding *f)
{
	char name[32] = "unknown";
	const int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd >= 0) {
		n = read(fd, name, sizeof(name) - 1);
		close(fd);
	}
	if (n > 0)
		name[strcspn(name, "\n")] = 0;
	if (strcmp(name, "tsc") == 0 || strcmp(name, "kvm-clock") == 0 || n <= 0)
		found(f, GOOD, "", "clock source %s", name);
	else
		found(f, HINT, "guest time comes from the TSC, which this kernel does not trust: expect drift",
		      "clock source %s", name);
}

static void check_landlock(struct finding *f)
{
	const long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1 /* LANDLOCK_CREATE_RULESET_VERSION */);

	if (abi >= 2)
		found(f, GOOD, "", "version %ld: the VMM can open what is exported, and nothing else", abi);
	else
		found(f, GOOD, "", "not available (the VMM has an empty root in any case)");
}

static void check_cgroup(struct finding *f)
{
	if (host_memory_limited())
		found(f, GOOD, "", "a memory cgroup limits us to %llu MiB", host_memory() >> 20);
	else
		found(f, HINT,
		      "start umbra under a cgroup (systemd-run --user -p MemoryMax=...) to bound the page tables that "
		      "a hostile guest can make the host keep",
		      "no memory cgroup limits us");
}

static void check_backend(struct finding *f)
{
	char why[160] = "";
	const int err = backend_user.probe(why, sizeof(why));

	if (err == 0)
		found(f, GOOD, "", "'%s' will be used", backend_user.name);
	else
		found(f, MISSING, why, "'%s' cannot run: %s", backend_user.name, strerror(-err));
}

static const struct check {
	const char *name;
	void (*check)(struct finding *f);
} checks[] = {
	{"kernel", check_kernel},	  {"FSGSBASE", check_fsgsbase},	 {"seccomp", check_seccomp},
	{"namespaces", check_namespaces}, {"memory files", check_memfd}, {"mappings", check_maps},
	{"processes", check_processes},	  {"clock", check_clock},	 {"Landlock", check_landlock},
	{"memory limit", check_cgroup},	  {"backend", check_backend},
};

static int run_doctor(const struct command *self, int argc, char **argv, const struct clock_sample *start)
{
	static const char *const mark[] = {[GOOD] = "ok", [HINT] = "hint", [MISSING] = "MISSING"};
	const int first = opt_parse(self->name, self->opts, NULL, argc, argv);
	bool usable = true;

	(void)start;
	if (first == OPT_HELP)
		return command_help(self);
	if (first < 0)
		return VM_EXIT_FAILURE;
	if (first < argc)
		return msg_error("doctor takes no arguments, not '%s'", argv[first]);
	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		struct finding f = {0};

		checks[i].check(&f);
		printf("%-8s %-13s %s\n", mark[f.verdict], checks[i].name, f.text);
		if (f.verdict != GOOD)
			printf("%-22s > %s\n", "", f.advice);
		usable &= f.verdict != MISSING;
	}
	printf("\n%s\n", usable ? "Sandboxes can run on this host." : "Sandboxes cannot run on this host yet.");
	return usable ? 0 : 1;
}

static const struct opt opts[] = {{0}};

const struct command command_doctor = {
	.name = "doctor",
	.summary = "tell what this host allows and what will be used",
	.synopsis = "",
	.text = "Checks what umbra needs of this host and says what to do about what is missing.\n"
		"Exits with 0 if sandboxes can run, 1 if not.",
	.opts = opts,
	.run = run_doctor,
};
