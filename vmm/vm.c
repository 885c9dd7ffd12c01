/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sandbox object: guest RAM, the checked translation of guest addresses, and the one way a sandbox ends.
 *
 * RAM is a memfd sealed against resizing, so that no access inside ram_bytes can ever raise SIGBUS, here or in a space.
 * It is sparse: pages appear when somebody writes them. Everything else (devices, backend) hangs off other objects.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/layout.h"
#include "abi/pvm.h"
#include "vmm/backend/backend.h"
#include "vmm/vm.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10u
#endif

/* Newer kernels want to be told that the memory will be executed, older ones do not know the word. */
static int ram_memfd(void)
{
	int fd = memfd_create("umbra-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create("umbra-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	return fd < 0 ? -errno : fd;
}

int vm_create(struct vm *vm, unsigned int ncpus, uint64_t ram_bytes)
{
	int err;

	if (ncpus == 0 || ncpus > UM_MAX_VCPUS || ram_bytes % UM_PAGE_SIZE != 0 || ram_bytes < VM_RAM_MIN ||
	    ram_bytes > UM_RAM_MAX)
		return -EINVAL;

	memset(vm, 0, sizeof(*vm));
	vm->ncpus = ncpus;
	vm->ram_bytes = ram_bytes;
	vm->ram_fd = vm->doorbell = vm->end_fd = vm->log_fd = -1;

	vm->ram_fd = ram_memfd();
	if (vm->ram_fd < 0)
		return vm->ram_fd;
	if (ftruncate(vm->ram_fd, (off_t)ram_bytes) < 0 ||
	    fcntl(vm->ram_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		goto err_destroy;
	vm->ram = mmap(NULL, ram_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, vm->ram_fd, 0);
	if (vm->ram == MAP_FAILED) {
		vm->ram = NULL;
		goto err_destroy;
	}
	vm->doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vm->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vm->doorbell < 0 || vm->end_fd < 0)
		goto err_destroy;
	return 0;

err_destroy:
	err = -errno;
	vm_destroy(vm);
	return err;
}

void vm_destroy(struct vm *vm)
{
	if (vm->ram)
		munmap(vm->ram, vm->ram_bytes);
	vm->ram = NULL;
	for (int **fd = (int *[]){&vm->ram_fd, &vm->doorbell, &vm->end_fd, NULL}; *fd; fd++) {
		if (**fd >= 0)
			close(**fd);
		**fd = -1;
	}
}

void *vm_gpa(const struct vm *vm, gpa_t gpa, uint64_t len)
{
	if (len == 0 || gpa >= vm->ram_bytes || len > vm->ram_bytes - gpa)
		return NULL;
	return vm->ram + gpa;
}

/*
 * What a terminal could take for a command is replaced: also the control characters above ASCII, in whatever encoding.
 */
void vm_log(const struct vm *vm, const char *line, size_t len)
{
	char text[1100];
	size_t n = 0;

	if (vm->log_fd < 0)
		return;
	for (size_t i = 0; i < len && n < sizeof(text) - 1; i++)
		text[n++] = (line[i] >= ' ' && line[i] <= '~') || line[i] == '\t' ? line[i] : '?';
	text[n++] = '\n';
	if (write(vm->log_fd, text, n) < 0)
		return;
}

void vm_interrupt(struct vm *vm)
{
	vm->backend->interrupt(vm, 0, UM_PENDING_QUEUE);
}

/* ended: 0 = running, 1 = somebody is writing down why, 2 = decided. */
void vm_end(struct vm *vm, int exit_status, const char *fmt, ...)
{
	const uint64_t one = 1;
	int running = 0;

	if (!atomic_compare_exchange_strong(&vm->ended, &running, 1))
		return;
	vm->exit_status = exit_status;
	if (fmt) {
		va_list ap;

		va_start(ap, fmt);
		vsnprintf(vm->end_reason, sizeof(vm->end_reason), fmt, ap);
		va_end(ap);
	}
	atomic_store(&vm->ended, 2);
	/* The counter cannot be full: this is the only write. */
	if (write(vm->end_fd, &one, sizeof(one)) < 0)
		return;
}
