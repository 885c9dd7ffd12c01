/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest RAM as the VMM has it: the one translation of guest addresses, the seals that keep it from shrinking under us,
 * what of a guest's log reaches a terminal, who ends a sandbox.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"
#include "abi/layout.h"
#include "abi/pvm.h"
#include "vmm/backend/backend.h"
#include "vmm/vm.h"

#define RAM VM_RAM_MIN

static void test_create(void **state)
{
	struct vm vm;

	assert_int_equal(vm_create(&vm, 0, RAM), -EINVAL);
	assert_int_equal(vm_create(&vm, UM_MAX_VCPUS + 1, RAM), -EINVAL);
	assert_int_equal(vm_create(&vm, 1, RAM + 1), -EINVAL);
	assert_int_equal(vm_create(&vm, 1, RAM - UM_PAGE_SIZE), -EINVAL);
	assert_int_equal(vm_create(&vm, 1, UM_RAM_MAX + UM_PAGE_SIZE), -EINVAL);
}

static void test_translation(void **state)
{
	struct vm vm;

	assert_int_equal(vm_create(&vm, 1, RAM), 0);
	assert_ptr_equal(vm_gpa(&vm, 0, 1), vm.ram);
	assert_ptr_equal(vm_gpa(&vm, 0, RAM), vm.ram);
	assert_ptr_equal(vm_gpa(&vm, RAM - 1, 1), vm.ram + RAM - 1);
	assert_null(vm_gpa(&vm, 0, 0));
	assert_null(vm_gpa(&vm, RAM - 1, 0));
	assert_null(vm_gpa(&vm, 0, RAM + 1));
	assert_null(vm_gpa(&vm, RAM - 1, 2));
	assert_null(vm_gpa(&vm, RAM, 1));
	assert_null(vm_gpa(&vm, 1, UINT64_MAX));
	assert_null(vm_gpa(&vm, 4096, UINT64_MAX - 4095));
	assert_null(vm_gpa(&vm, UINT64_MAX, 1));
	assert_null(vm_gpa(&vm, UINT64_MAX, UINT64_MAX));
	assert_null(vm_gpa(&vm, UINT64_MAX - 4095, 4096));
	assert_null(vm_gpa(&vm, UINT64_MAX - 4095, 8192));
	vm_destroy(&vm);
}

static void test_seals(void **state)
{
	struct vm vm;

	assert_int_equal(vm_create(&vm, 1, RAM), 0);
	assert_int_equal(ftruncate(vm.ram_fd, RAM / 2), -1);
	assert_int_equal(ftruncate(vm.ram_fd, RAM * 2), -1);
	assert_int_equal(fcntl(vm.ram_fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_true(fcntl(vm.ram_fd, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(vm.doorbell, F_GETFL) & O_NONBLOCK);
	vm_destroy(&vm);
	vm_destroy(&vm);
}

static void test_log(void **state)
{
	static const char line[] = "a\tb\033]0;x\007\177\302\233\r\n~";
	char got[2048];
	struct vm vm = {0};
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	vm.log_fd = fd[1];
	vm_log(&vm, line, sizeof(line) - 1);
	assert_int_equal(read(fd[0], got, sizeof(got)), sizeof(line));
	assert_memory_equal(got,
			    "a\tb?]0;x?????"
			    "?~\n",
			    sizeof(line));
	close(fd[0]);
	close(fd[1]);
}

static void test_end(void **state)
{
	struct vm vm;

	assert_int_equal(vm_create(&vm, 1, RAM), 0);
	vm_end(&vm, 125, "first %d", 1);
	vm_end(&vm, 0, "second");
	assert_int_equal(vm.exit_status, 125);
	assert_string_equal(vm.end_reason, "first 1");
	vm_destroy(&vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create), cmocka_unit_test(test_translation), cmocka_unit_test(test_seals),
		cmocka_unit_test(test_log),    cmocka_unit_test(test_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
