/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A struct vm that is only RAM, for host tests of devices: vm_gpa() and vm_end() without a backend.
 */
#ifndef UMBRA_TESTS_FAKEVM_H
#define UMBRA_TESTS_FAKEVM_H

#include "vmm/vm.h"

/* Gives @vm @ram_bytes of zeroed RAM. Aborts on failure. */
void fakevm_init(struct vm *vm, uint64_t ram_bytes);
/* The same with RAM that is a memory file, as in a real VM; sanitizers see less of it. */
void fakevm_init_file(struct vm *vm, uint64_t ram_bytes);
void fakevm_deinit(struct vm *vm);

#endif
