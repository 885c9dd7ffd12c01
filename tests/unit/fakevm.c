/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See fakevm.h. vm_end() records the sentence, as the real one does, and lets the test look at it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create */
#endif
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fakevm.h"

void fakevm_init(struct vm *vm, uint64_t ram_bytes)
{
	memset(vm, 0, sizeof(*vm));
	vm->ncpus = 1;
	vm->ram_fd = -1;
	vm->ram_bytes = ram_bytes;
	vm->ram = aligned_alloc(4096, ram_bytes);
	if (!vm->ram)
		abort();
	memset(vm->ram, 0, ram_bytes);
}

void fakevm_init_file(struct vm *vm, uint64_t ram_bytes)
{
	fakevm_init(vm, ram_bytes);
	free(vm->ram);
	vm->ram_fd = memfd_create("ram", MFD_CLOEXEC);
	if (vm->ram_fd < 0 || ftruncate(vm->ram_fd, (off_t)ram_bytes) < 0)
		abort();
	vm->ram = mmap(NULL, ram_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vm->ram_fd, 0);
	if (vm->ram == MAP_FAILED)
		abort();
}

void fakevm_deinit(struct vm *vm)
{
	if (vm->ram_fd < 0) {
		free(vm->ram);
		return;
	}
	munmap(vm->ram, vm->ram_bytes);
	close(vm->ram_fd);
}

void *vm_gpa(const struct vm *vm, gpa_t gpa, uint64_t len)
{
	if (len == 0 || gpa >= vm->ram_bytes || len > vm->ram_bytes - gpa)
		return NULL;
	return vm->ram + gpa;
}

void vm_end(struct vm *vm, int exit_status, const char *fmt, ...)
{
	va_list ap;

	if (vm->ended++)
		return;
	vm->exit_status = exit_status;
	if (!fmt)
		return;
	va_start(ap, fmt);
	vsnprintf(vm->end_reason, sizeof(vm->end_reason), fmt, ap);
	va_end(ap);
}

void vm_interrupt(struct vm *vm)
{
	(void)vm;
}
