/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a test guest on the `user` backend: no devices, no jail, the guest's log on stdout, its exit status is ours.
 *
 *   runguest [-c NCPUS] [-m MIB] [-n] [-v] [-t SECONDS] IMAGE [key=value...]
 *
 * -v: say how long the steps took. -n: in a PID namespace of its own. -t: end it from outside after that time, with
 * status 124.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "abi/layout.h"
#include "vmm/backend/backend.h"
#include "vmm/image.h"
#include "vmm/vm.h"

static int verbose;

static void die(const char *what, int err)
{
	fprintf(stderr, "runguest: %s: %s\n", what, strerror(err < 0 ? -err : err));
	exit(99);
}

static void load(struct vm *vm, const char *path, struct um_boot *boot, uint64_t *entry)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct image_info info;
	const char *why = "?";
	struct stat st;
	void *elf;

	if (fd < 0 || fstat(fd, &st))
		die(path, errno);
	elf = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (elf == MAP_FAILED)
		die(path, errno);
	if (image_load(vm, elf, (size_t)st.st_size, vm->backend->linear_base(vm), &info, &why))
		die(why, ENOEXEC);
	boot->kernel_start = info.start;
	boot->kernel_end = info.end;
	*entry = info.entry;
	munmap(elf, (size_t)st.st_size);
	close(fd);
}

static uint32_t tsc_khz(void)
{
	struct timespec a, b;
	uint64_t t0, t1;

	clock_gettime(CLOCK_MONOTONIC, &a);
	t0 = __rdtsc();
	usleep(10000);
	clock_gettime(CLOCK_MONOTONIC, &b);
	t1 = __rdtsc();
	return (uint32_t)((t1 - t0) * 1000000 / (uint64_t)((b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec));
}

static void set_clock(struct vm *vm, uint32_t khz)
{
	struct um_clock *clock = vm_gpa(vm, UM_GPA_CLOCK, sizeof(*clock));
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	clock->tsc_base = __rdtsc();
	clock->mono_ns = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	clock->shift = 32;
	clock->mult = (1000000ull << 32) / khz;
}

static void reap(struct vm *vm)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (!vm->backend->child_died(vm, pid, status))
			vm_end(vm, 98, "unknown child %d died", (int)pid);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int run(unsigned int ncpus, uint64_t mib, int seconds, const char *path, char **keys)
{
	struct um_boot *boot;
	uint64_t entry, count;
	struct timespec now;
	uint64_t t[5];
	time_t until;
	sigset_t set;
	struct vm vm;
	char *config;
	char why[200];
	int ret, sfd;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);

	ret = vm_create(&vm, ncpus, mib << 20);
	if (ret)
		die("vm_create", ret);
	vm.log_fd = 1;
	vm.backend = &backend_user;
	if (vm.backend->probe(why, sizeof(why))) {
		fprintf(stderr, "runguest: %s\n", why);
		return 77;
	}
	boot = vm_gpa(&vm, UM_GPA_BOOT, sizeof(*boot));
	boot->magic = UM_BOOT_MAGIC;
	boot->version = UM_BOOT_VERSION;
	boot->ncpus = ncpus;
	boot->ram_bytes = vm.ram_bytes;
	boot->clock = UM_GPA_CLOCK;
	boot->config = UM_GPA_CONFIG;
	config = vm_gpa(&vm, UM_GPA_CONFIG, UM_CONFIG_MAX);
	for (; *keys; keys++)
		config += sprintf(config, "%s", *keys) + 1;
	boot->tsc_khz = tsc_khz();
	set_clock(&vm, boot->tsc_khz);
	load(&vm, path, boot, &entry);
	t[0] = now_us();
	ret = vm.backend->create(&vm, boot);
	t[1] = now_us();
	if (ret)
		die("create", ret);
	ret = vm.backend->start(&vm, entry);
	if (ret)
		die("start", ret);
	t[2] = now_us();
	clock_gettime(CLOCK_MONOTONIC, &now);
	until = now.tv_sec + seconds;

	while (!vm.ended) {
		struct pollfd pfd[3] = {{vm.doorbell, POLLIN, 0}, {sfd, POLLIN, 0}, {vm.end_fd, POLLIN, 0}};
		struct signalfd_siginfo si;

		if (poll(pfd, 3, seconds ? 100 : -1) == 0 || seconds)
			clock_gettime(CLOCK_MONOTONIC, &now);
		if (seconds && now.tv_sec >= until)
			vm_end(&vm, 124, "still running after %d s", seconds);
		if (pfd[0].revents && read(vm.doorbell, &count, sizeof(count)) > 0)
			vm.backend->poll(&vm);
		if (pfd[1].revents && read(sfd, &si, sizeof(si)) > 0)
			reap(&vm);
	}
	vm.backend->poll(&vm);
	if (vm.end_reason[0])
		fprintf(stderr, "runguest: %s\n", vm.end_reason);
	ret = vm.exit_status;
	t[3] = now_us();
	vm.backend->destroy(&vm);
	vm_destroy(&vm);
	t[4] = now_us();
	if (verbose)
		fprintf(stderr, "create %lu us, start %lu us, run %lu us, destroy %lu us\n", t[1] - t[0], t[2] - t[1],
			t[3] - t[2], t[4] - t[3]);
	return ret;
}

int main(int argc, char **argv)
{
	unsigned int ncpus = 1;
	uint64_t mib = 64;
	int opt, ns = 0, status, seconds = 0;
	pid_t pid;

	while ((opt = getopt(argc, argv, "c:m:nt:v")) != -1) {
		if (opt == 'c')
			ncpus = (unsigned int)atoi(optarg);
		else if (opt == 'm')
			mib = (uint64_t)atoi(optarg);
		else if (opt == 'n')
			ns = 1;
		else if (opt == 'v')
			verbose = 1;
		else if (opt == 't')
			seconds = atoi(optarg);
		else
			return 2;
	}
	if (optind >= argc)
		return 2;
	if (!ns)
		return run(ncpus, mib, seconds, argv[optind], argv + optind + 1);
	if (unshare(CLONE_NEWPID) && unshare(CLONE_NEWUSER | CLONE_NEWPID))
		return 77;
	pid = fork();
	if (pid < 0)
		die("fork", errno);
	if (pid == 0)
		exit(run(ncpus, mib, seconds, argv[optind], argv + optind + 1));
	if (waitpid(pid, &status, 0) != pid)
		die("wait", errno);
	if (WIFSIGNALED(status))
		fprintf(stderr, "runguest: VMM killed by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 97;
}
