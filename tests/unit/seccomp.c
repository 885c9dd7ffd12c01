/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VMM's filters, run through an interpreter: what is on a list passes, everything else kills.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "unit.h"
#include "vmm/jail.h"

static struct sock_filter insn[JAIL_FILTER_MAX];
static int len;

/* The few instructions a filter uses; everything else is a failure of the test. */
static uint32_t run(const struct seccomp_data *d)
{
	uint32_t a = 0;

	for (int pc = 0; pc < len; pc++) {
		const struct sock_filter *i = &insn[pc];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_int_equal(i->k % 4, 0);
			assert_true(i->k < sizeof(*d));
			memcpy(&a, (const char *)d + i->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			assert_true(!"an unknown instruction");
		}
	}
	assert_true(!"fell off the end");
	return 0;
}

static bool allowed(int nr, unsigned int arg, uint64_t value)
{
	struct seccomp_data d = {.nr = nr, .arch = AUDIT_ARCH_X86_64};
	uint32_t verdict;

	d.args[arg] = value;
	verdict = run(&d);
	assert_true(verdict == SECCOMP_RET_ALLOW || verdict == SECCOMP_RET_KILL_PROCESS);
	d.arch = AUDIT_ARCH_I386;
	assert_int_equal(run(&d), SECCOMP_RET_KILL_PROCESS);
	return verdict == SECCOMP_RET_ALLOW;
}

static void check_kind(enum jail_thread kind)
{
	static const int never[] = {
		SYS_execve,	 SYS_execveat,	  SYS_socket, SYS_connect, SYS_ptrace,	SYS_fork,
		SYS_clone,	 SYS_clone3,	  SYS_mount,  SYS_setns,   SYS_unshare, SYS_io_uring_setup,
		SYS_bpf,	 SYS_open,	  SYS_prctl,  SYS_setuid,  SYS_keyctl,	SYS_process_vm_writev,
		SYS_userfaultfd, SYS_memfd_create};
	int count = 0;

	len = jail_filter(kind, NULL, 0, insn, JAIL_FILTER_MAX);
	assert_true(len > 0);
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		assert_false(allowed(never[i], 0, 0));
	assert_true(allowed(SYS_futex, 0, 0));
	assert_true(allowed(SYS_exit_group, 0, 0));
	assert_true(allowed(SYS_read, 0, 0));
	assert_true(allowed(SYS_mmap, 2, PROT_READ | PROT_WRITE));
	assert_false(allowed(SYS_mmap, 2, PROT_READ | PROT_EXEC));
	assert_false(allowed(SYS_mprotect, 2, PROT_EXEC));
	for (int nr = -2; nr < 1000; nr++)
		count += allowed(nr, 0, 0);
	assert_true(count > 10);
	assert_true(count < 60);
	for (int nr = 0x40000000; nr < 0x40000000 + 1000; nr++)
		assert_false(allowed(nr, 0, 0));
}

/* More numbers, in any order, some there already: each passes, its neighbours still do not. */
static void test_more(void **state)
{
	static const int more[] = {SYS_openat2, SYS_futex, SYS_io_uring_setup, SYS_mmap, SYS_openat2, 999};

	len = jail_filter(JAIL_FILES, more, 6, insn, JAIL_FILTER_MAX);
	assert_true(len > 0);
	assert_true(allowed(SYS_openat2, 0, 0));
	assert_true(allowed(SYS_io_uring_setup, 0, 0));
	assert_true(allowed(999, 0, 0));
	assert_false(allowed(998, 0, 0));
	assert_false(allowed(1000, 0, 0));
	assert_false(allowed(SYS_io_uring_enter, 0, 0));
	assert_true(allowed(SYS_mmap, 2, PROT_EXEC)); /* the caller asked for it without a check */
	assert_int_equal(jail_filter(JAIL_FILES, more, 6, insn, 10), -7 /* E2BIG */);
}

static void test_control(void **state)
{
	check_kind(JAIL_CONTROL);
	assert_true(allowed(SYS_ioctl, 1, TCSETS));
	assert_false(allowed(SYS_ioctl, 1, TIOCSTI));
}

static void test_files(void **state)
{
	check_kind(JAIL_FILES);
	assert_false(allowed(SYS_ioctl, 1, TCSETS));
}

static void test_backend(void **state)
{
	check_kind(JAIL_BACKEND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_control),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_backend),
		cmocka_unit_test(test_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
