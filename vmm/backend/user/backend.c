/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The `user` backend: a guest without hardware or kernel support. This file is the VMM's interface to it (struct
 * backend): set-up, start, requests from the spaces, the end.
 *
 * The parts: template_proc.c makes the process that makes spaces, filter.c says what those may ask of the host, pool.c
 * keeps some ready, timer.c interrupts, affinity.c places; switcher/ is the code that lives inside each space.
 */
#include <cpuid.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <fcntl.h>

#include "user.h"
#include "vmm/backend/backend.h"

#define HOME_TIMEOUT_MS 10000
#define POOL_KEEP 16   /* blank spaces that wait for another use instead of ending */
#define PRESPAWN_MAX 4 /* with more vCPUs carriers are made when first needed */

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u
#endif
#ifndef HWCAP2_FSGSBASE
#define HWCAP2_FSGSBASE 2
#endif

static int user_probe(char *why, size_t why_size)
{
	const uint32_t trap = SECCOMP_RET_TRAP;
	unsigned int a, b, c, d;

	if (!(getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE)) {
		snprintf(why, why_size,
			 "the processor or kernel lacks FSGSBASE: Linux 5.9 or later on a CPU with FSGSBASE is needed");
		return -ENOTSUP;
	}
	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) {
		snprintf(why, why_size, "the processor lacks XSAVE");
		return -ENOTSUP;
	}
	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &trap)) {
		snprintf(why, why_size, "seccomp filters are not available: the kernel needs CONFIG_SECCOMP_FILTER");
		return -ENOTSUP;
	}
	if (syscall(SYS_close_range, ~0u, ~0u, 0) && errno == ENOSYS) {
		snprintf(why, why_size, "close_range() is not available: Linux 5.11 or later is needed");
		return -ENOTSUP;
	}
	return 0;
}

static uint64_t user_linear_base(const struct vm *vm)
{
	return UM_RAM_BASE;
}

/* A sealed memfd of @size bytes, mapped at *@map. */
static int shared_memory(const char *name, size_t size, void **map)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int ret;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		goto err;
	*map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (*map == MAP_FAILED) {
		*map = NULL;
		goto err;
	}
	return fd;
err:
	ret = -errno;
	close(fd);
	return ret;
}

/* The switcher's text in a memfd that nobody can change any more. */
static int text_memory(void)
{
	size_t size = (size_t)(switcher_image_end - switcher_image);
	int fd = memfd_create("umbra-switcher", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
	int ret;

	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = memfd_create("umbra-switcher", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (pwrite(fd, switcher_image, size, 0) == (ssize_t)size &&
	    !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL))
		return fd;
	ret = errno ? -errno : -EIO;
	close(fd);
	return ret;
}

/*
 * New spaces map at once what every guest kernel touches: the loaded part of its image. Its bss is a
 * hole in the file yet.
 */
static void populate_range(struct ctl *ctl, const struct vm *vm, const struct um_boot *boot)
{
	off_t hole = lseek(vm->ram_fd, (off_t)boot->kernel_start, SEEK_HOLE);

	if (hole < 0 || (uint64_t)hole > vm->ram_bytes)
		return;
	ctl->populate_start = boot->kernel_start;
	ctl->populate_end = (uint64_t)hole;
}

static void ctl_init(struct user_backend *ub, const struct um_boot *boot)
{
	const struct vm *vm = ub->vm;
	struct ctl *ctl = ub->ctl;

	ctl->ncpus = vm->ncpus;
	ctl->max_spaces = ub->max_spaces;
	ctl->prespawn = vm->ncpus <= PRESPAWN_MAX ? vm->ncpus : 0;
	ctl->flags = (ub->own_pid_ns ? CTL_KICK_DIRECT : 0) | (vm->ncpus <= ub->affinity.nr_allowed ? CTL_POLL : 0);
	ctl->ram_bytes = vm->ram_bytes;
	populate_range(ctl, vm, boot);
	ctl->tsc_khz = ub->tsc_khz = boot->tsc_khz ? boot->tsc_khz : 1000000;
	ctl->pool_max = POOL_KEEP;
	ctl->timer_armed = ~0ull;
	for (unsigned int i = 0; i < UM_MAX_VCPUS; i++) {
		struct ctl_vcpu *vc = &ctl->vcpu[i];

		vc->index = i;
		vc->space = CTL_HOME;
		vc->stack = UM_SIGSTACKS + (uint64_t)(i + 1) * SLOT_SIZE;
		vc->pvcs_gpa = ~0ull;
		vc->pvcs = UM_SWITCHER_CTL + offsetof(struct ctl, vcpu[i].boot_pvcs);
		vc->kernel_gs = vc->pvcs;
		vc->deadline = ~0ull;
		vc->boot_pvcs.backend = UM_SWITCHER_CTL + offsetof(struct ctl, vcpu[i]);
	}
}

static void boot_init(const struct user_backend *ub, struct um_boot *boot)
{
	boot->linear_base = UM_RAM_BASE;
	boot->hypercall_entry = ub->hdr.hypercall_entry;
	boot->eretu_entry = ub->hdr.eretu_entry;
	boot->direct_entry = ub->hdr.direct_entry;
	boot->features |= UM_FEAT_DIRECT;
	boot->user_lo_start = UM_USER_LO_START;
	boot->user_lo_end = UM_USER_LO_END;
	boot->user_hi_start = UM_USER_HI_START;
	boot->user_hi_end = UM_USER_HI_END;
	boot->max_spaces = ub->max_spaces - 1; /* one is everybody's home */
}

static void user_kill(struct vm *vm)
{
	pool_kill_all(user_of(vm));
}

/* The spaces first: while one lives it can keep the timer thread from waking up, which sleeps on a word they share. */
static void user_destroy(struct vm *vm)
{
	struct user_backend *ub = user_of(vm);

	if (!ub)
		return;
	pool_kill_all(ub);
	timer_stop(ub);
	if (ub->ctl)
		munmap(ub->ctl, sizeof(*ub->ctl));
	if (ub->chan)
		munmap(ub->chan, CHAN_SIZE);
	if (ub->ctl_fd >= 0)
		close(ub->ctl_fd);
	if (ub->chan_fd >= 0)
		close(ub->chan_fd);
	if (ub->text_fd >= 0)
		close(ub->text_fd);
	free(ub);
	vm->backend_data = NULL;
}

static int user_create(struct vm *vm, struct um_boot *boot)
{
	struct user_backend *ub = calloc(1, sizeof(*ub));
	int ret;

	if (!ub)
		return -ENOMEM;
	vm->backend_data = ub;
	ub->vm = vm;
	ub->ctl_fd = ub->chan_fd = ub->text_fd = -1;
	ub->own_pid_ns = getpid() == 1;
	ub->max_spaces = CTL_MAX_SPACES;
	memcpy(&ub->hdr, switcher_image, sizeof(ub->hdr));
	assert(ub->hdr.magic == SWITCHER_MAGIC);
	/* Stray kicks of a hostile guest reach us where we share its PID namespace. */
	signal(KICK_SIGNAL, SIG_IGN);

	ret = ub->ctl_fd = shared_memory("umbra-ctl", sizeof(*ub->ctl), (void **)&ub->ctl);
	if (ret >= 0)
		ret = ub->chan_fd = shared_memory("umbra-chan", CHAN_SIZE, (void **)&ub->chan);
	if (ret >= 0)
		ret = ub->text_fd = text_memory();
	if (ret < 0)
		goto err;
	affinity_init(ub);
	ctl_init(ub, boot);
	ub->chan->filter_len =
		filter_build((struct sock_filter *)ub->chan->filter, CHAN_FILTER_MAX, &ub->hdr, ub->own_pid_ns);
	ret = template_spawn(ub);
	if (ret < 0)
		goto err;
	pool_create(ub, CTL_HOME);
	pool_submit(ub);
	boot_init(ub, boot);
	return 0;
err:
	user_destroy(vm);
	return ret;
}

/*
 * Has one of our processes died before the control thread hears of that by itself? Returns why the guest cannot start,
 * or 0.
 */
static int early_death(struct user_backend *ub)
{
	const int ret = template_check(ub);
	int status;
	pid_t pid;

	if (ret < 0 && ret != -EAGAIN)
		return ret;
	while ((pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0) {
		/* If it knows itself why, it has said so before it went. */
		const int why = pid == ub->template_pid ? template_check(ub) : -EAGAIN;

		if (why < 0 && why != -EAGAIN)
			return why;
		if (pool_child_died(ub, pid, status) < 0)
			return -ECHILD;
	}
	return 0;
}

/* Waits until the home space has its carriers. */
static int wait_home(struct user_backend *ub)
{
	struct pollfd pfd = {.fd = ub->vm->doorbell, .events = POLLIN};
	uint64_t count;
	int ret;

	for (int ms = 0; ms < HOME_TIMEOUT_MS; ms++) {
		/* Fetched as in user_poll(): who finds a bit set does not ring again. */
		__atomic_exchange_n(&ub->ctl->requests, 0, __ATOMIC_SEQ_CST);
		ret = early_death(ub);
		if (ret)
			return ret;
		pool_collect(ub);
		if (ub->space[CTL_HOME].announced)
			return 0;
		if (poll(&pfd, 1, 1) > 0 && read(ub->vm->doorbell, &count, sizeof(count)) < 0 && errno != EAGAIN)
			return -errno;
	}
	return -ETIMEDOUT;
}

static int user_start(struct vm *vm, uint64_t entry)
{
	struct user_backend *ub = user_of(vm);
	struct ctl_vcpu *vc = &ub->ctl->vcpu[0];
	struct ctl_carrier *carrier = &ub->ctl->space[CTL_HOME].carrier[0];
	int ret = wait_home(ub);

	if (!ret)
		ret = timer_start(ub);
	if (ret)
		return ret;
	vc->started = 1;
	vc->start_rdi = UM_RAM_BASE + UM_GPA_BOOT;
	vc->start_rip = entry;
	ub->ctl->space[CTL_HOME].active = 1;
	__atomic_exchange_n(&carrier->word, CARRIER_GO, __ATOMIC_SEQ_CST);
	futex(&carrier->word, FUTEX_WAKE, 1, NULL);
	pool_run(ub);
	return 0;
}

static void user_interrupt(struct vm *vm, unsigned int vcpu, uint64_t pending)
{
	if (vcpu < vm->ncpus)
		vcpu_kick(user_of(vm), vcpu, pending);
}

static struct vm_bell *user_bell(struct vm *vm, unsigned int vcpu, int *cpu)
{
	struct user_backend *ub = user_of(vm);

	*cpu = atomic_load(&ub->affinity.cpu[vcpu]);
	return &ub->ctl->vcpu[vcpu].bell;
}

static int user_child_died(struct vm *vm, pid_t pid, int wait_status)
{
	int ret = pool_child_died(user_of(vm), pid, wait_status);

	return ret < 0 ? 1 : ret;
}

/* Copies what the guest has logged to our stderr. Bounded by the ring. */
static void drain_log(struct user_backend *ub)
{
	uint32_t head = __atomic_load_n(&ub->ctl->log_head, __ATOMIC_ACQUIRE), tail = ub->ctl->log_tail;
	char line[1025];
	size_t n = 0;

	if (head - tail > CTL_LOG_BYTES)
		tail = head - CTL_LOG_BYTES;
	for (; tail != head; tail++) {
		char c = (char)ub->ctl->log[tail % CTL_LOG_BYTES];

		if (c != '\n' && n < sizeof(line) - 1) {
			line[n++] = c;
			continue;
		}
		vm_log(ub->vm, line, n);
		n = 0;
	}
	__atomic_store_n(&ub->ctl->log_tail, tail, __ATOMIC_RELEASE);
}

static void end_fatal(struct user_backend *ub)
{
	static const char *const sentence[FATAL_COUNT] = {
		[FATAL_FAULT] = "fault in the guest kernel that it cannot take",
		[FATAL_SWITCHER] = "fault in the switcher",
		[FATAL_SYSCALL] = "host system call in the guest kernel",
		[FATAL_HOST_MEMORY] = "the host has no memory left for guest RAM",
		[FATAL_MAP] = "the host refused a mapping",
		[FATAL_CARRIER] = "the host refused a thread",
		[FATAL_SPACE] = "the host refused a process",
	};
	uint32_t why = ub->ctl->fatal_why;
	uint64_t v[5];

	memcpy(v, ub->ctl->fatal, sizeof(v));
	if (why == FATAL_MAP || why == FATAL_CARRIER) {
		vm_end(ub->vm, VM_EXIT_FAILURE, "%s: %s%s", sentence[why], strerror((int)v[4]),
		       why == FATAL_CARRIER ? " (see ulimit -u and the limit of processes of the cgroup)"
					    : " (see ulimit -v, and sysctl vm.max_map_count)");
		return;
	}
	if (why == FATAL_HOST_MEMORY) {
		vm_end(ub->vm, VM_EXIT_FAILURE, "%s (see --memory, and the memory limit of the cgroup)", sentence[why]);
		return;
	}
	vm_end(ub->vm, VM_EXIT_FAILURE, "%s (vcpu %llu, vector %llu, address %#llx, rip %#llx, error %#llx)",
	       why < FATAL_COUNT && sentence[why] ? sentence[why] : "the switcher gave up", (unsigned long long)v[0],
	       (unsigned long long)v[1], (unsigned long long)v[2], (unsigned long long)v[3], (unsigned long long)v[4]);
}

static void end_shutdown(struct user_backend *ub)
{
	uint32_t status = ub->ctl->shutdown_status, kind = ub->ctl->shutdown_kind;

	if (kind == UM_SHUTDOWN_PANIC)
		vm_end(ub->vm, VM_EXIT_FAILURE, "the guest kernel panicked");
	else
		vm_end(ub->vm, (int)(status & 0xff), NULL);
}

static void user_poll(struct vm *vm)
{
	struct user_backend *ub = user_of(vm);
	uint32_t requests = __atomic_exchange_n(&ub->ctl->requests, 0, __ATOMIC_SEQ_CST);

	pool_run(ub);
	if (requests & CTL_REQ_LOG)
		drain_log(ub);
	if (requests & CTL_REQ_FATAL)
		end_fatal(ub);
	if (requests & CTL_REQ_SHUTDOWN)
		end_shutdown(ub);
}

/* The counters are the guest's to overwrite: nothing is decided by them. */
static void user_describe(const struct vm *vm, char *text, size_t size)
{
	const struct user_backend *ub = user_of(vm);
	uint64_t traps = 0, faults = 0, events = 0, kicks = 0, handovers = 0, halts = 0;

	for (unsigned int i = 0; i < vm->ncpus; i++) {
		const struct ctl_vcpu *vc = &ub->ctl->vcpu[i];

		traps += __atomic_load_n(&vc->syscalls, __ATOMIC_RELAXED);
		faults += __atomic_load_n(&vc->faults, __ATOMIC_RELAXED);
		events += __atomic_load_n(&vc->events, __ATOMIC_RELAXED);
		kicks += __atomic_load_n(&vc->kicks, __ATOMIC_RELAXED);
		handovers += __atomic_load_n(&vc->handovers, __ATOMIC_RELAXED);
		halts += __atomic_load_n(&vc->halts, __ATOMIC_RELAXED);
	}
	snprintf(text, size,
		 "user backend: %llu trapped system calls, %llu page faults, %llu events for the guest, %llu kicks, "
		 "%llu "
		 "hand-overs, %llu halts",
		 (unsigned long long)traps, (unsigned long long)faults, (unsigned long long)events,
		 (unsigned long long)kicks, (unsigned long long)handovers, (unsigned long long)halts);
}

const struct backend backend_user = {
	.name = "user",
	.probe = user_probe,
	.create = user_create,
	.max_tasks = user_max_tasks,
	.linear_base = user_linear_base,
	.start = user_start,
	.interrupt = user_interrupt,
	.bell = user_bell,
	.child_died = user_child_died,
	.poll = user_poll,
	.describe = user_describe,
	.kill = user_kill,
	.destroy = user_destroy,
};
