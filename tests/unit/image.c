/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loader of the guest kernel: a good image lands and is relocated; every field that could lie is refused.
 */
#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/layout.h"
#include "unit.h"
#include "fakevm.h"
#include "vmm/image.h"

#define RAM 0x1000000ull

struct file {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[2];
	Elf64_Dyn dyn[4];
	Elf64_Rela rela[2];
	uint64_t data[2];
};

static struct file good(void)
{
	struct file f = {0};

	memcpy(f.eh.e_ident, ELFMAG, SELFMAG);
	f.eh.e_ident[EI_CLASS] = ELFCLASS64;
	f.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	f.eh.e_machine = EM_X86_64;
	f.eh.e_type = ET_DYN;
	f.eh.e_phentsize = sizeof(Elf64_Phdr);
	f.eh.e_phnum = 2;
	f.eh.e_phoff = offsetof(struct file, ph);
	f.eh.e_entry = 0x40;
	f.ph[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_filesz = sizeof(f), .p_memsz = sizeof(f) + 0x2000};
	f.ph[1] = (Elf64_Phdr){.p_type = PT_DYNAMIC, .p_vaddr = offsetof(struct file, dyn), .p_memsz = sizeof(f.dyn)};
	f.dyn[0] = (Elf64_Dyn){.d_tag = DT_RELA, .d_un.d_ptr = offsetof(struct file, rela)};
	f.dyn[1] = (Elf64_Dyn){.d_tag = DT_RELASZ, .d_un.d_val = sizeof(f.rela)};
	f.dyn[2] = (Elf64_Dyn){.d_tag = DT_RELAENT, .d_un.d_val = sizeof(Elf64_Rela)};
	f.rela[0] =
		(Elf64_Rela){.r_offset = offsetof(struct file, data), .r_info = R_X86_64_RELATIVE, .r_addend = 0x1234};
	f.rela[1] = (Elf64_Rela){
		.r_offset = offsetof(struct file, data) + 8, .r_info = R_X86_64_RELATIVE, .r_addend = 0x40};
	return f;
}

static int load(struct vm *vm, const struct file *f, size_t size)
{
	struct image_info info;
	const char *why = NULL;
	const int err = image_load(vm, f, size, UM_RAM_BASE, &info, &why);

	assert_true(err == 0 || why != NULL);
	return err;
}

static void test_good(void **state)
{
	struct vm *vm = *state;
	const struct file f = good();
	struct image_info info;
	const char *why;
	uint64_t v[2];

	assert_int_equal(image_load(vm, &f, sizeof(f), UM_RAM_BASE, &info, &why), 0);
	assert_int_equal(info.start, UM_GPA_KERNEL);
	assert_int_equal(info.end, UM_GPA_KERNEL + 0x3000);
	assert_int_equal(info.entry, UM_RAM_BASE + UM_GPA_KERNEL + 0x40);
	memcpy(v, vm->ram + UM_GPA_KERNEL + offsetof(struct file, data), sizeof(v));
	assert_int_equal(v[0], UM_RAM_BASE + UM_GPA_KERNEL + 0x1234);
	assert_int_equal(v[1], UM_RAM_BASE + UM_GPA_KERNEL + 0x40);
}

static void test_refused(void **state)
{
	struct vm *vm = *state;
	struct file f;

#define REFUSED(change, error)                                                                                         \
	do {                                                                                                           \
		f = good();                                                                                            \
		change;                                                                                                \
		assert_int_equal(load(vm, &f, sizeof(f)), error);                                                      \
	} while (0)

	REFUSED(f.eh.e_ident[0] = 0, -ENOEXEC);
	REFUSED(f.eh.e_ident[EI_CLASS] = ELFCLASS32, -ENOEXEC);
	REFUSED(f.eh.e_machine = EM_386, -ENOEXEC);
	REFUSED(f.eh.e_type = ET_EXEC, -ENOEXEC);
	REFUSED(f.eh.e_phnum = 0, -ENOEXEC);
	REFUSED(f.eh.e_phnum = 0xffff, -ENOEXEC);
	REFUSED(f.eh.e_phentsize = 1, -ENOEXEC);
	REFUSED(f.eh.e_phoff = ~0ull, -ENOEXEC);
	REFUSED(f.eh.e_phoff = sizeof(f) - 1, -ENOEXEC);
	REFUSED(f.eh.e_entry = 1ull << 40, -ENOEXEC);
	REFUSED(f.ph[0].p_offset = 8, -ENOEXEC);
	REFUSED(f.ph[0].p_offset = ~0ull, -ENOEXEC);
	REFUSED(f.ph[0].p_filesz = ~0ull, -ENOEXEC);
	REFUSED(f.ph[0].p_memsz = 8, -ENOEXEC);
	REFUSED(f.ph[0].p_memsz = RAM, -ENOMEM);
	REFUSED(f.ph[0].p_memsz = ~0ull, -ENOMEM);
	REFUSED(f.ph[0].p_vaddr = ~0ull - 0x1000, -ENOMEM);
	REFUSED(f.ph[0].p_vaddr = RAM - UM_GPA_KERNEL, -ENOMEM);
	REFUSED(f.ph[0].p_type = PT_NULL, -ENOEXEC);
	REFUSED(f.ph[1].p_type = PT_INTERP, -ENOEXEC);
	REFUSED(f.ph[1].p_vaddr = ~0ull - 8, -ENOEXEC);
	REFUSED(f.ph[1].p_memsz = 1ull << 40, -ENOEXEC);
	REFUSED(f.dyn[0].d_un.d_ptr = ~0ull - 8, -ENOEXEC);
	REFUSED(f.dyn[1].d_un.d_val = 0x30000, -ENOEXEC);
	REFUSED(f.dyn[1].d_un.d_val = 25, -ENOEXEC);
	REFUSED(f.dyn[2].d_un.d_val = 0, -ENOEXEC);
	REFUSED(f.dyn[3].d_tag = DT_JMPREL, -ENOEXEC);
	REFUSED(f.rela[0].r_info = R_X86_64_64, -ENOEXEC);
	REFUSED(f.rela[0].r_offset = ~0ull - 3, -ENOEXEC);
	REFUSED(f.rela[0].r_offset = sizeof(f) + 0x2000 - 7, -ENOEXEC);
}

/* Every truncation ends in an error or a load, never outside the buffer (ASan watches). */
static void test_truncated(void **state)
{
	struct vm *vm = *state;
	const struct file f = good();

	for (size_t size = 0; size < sizeof(f); size++) {
		void *copy = malloc(size + 1);
		struct image_info info;
		const char *why;

		memcpy(copy, &f, size);
		assert_true(image_load(vm, copy, size, UM_RAM_BASE, &info, &why) < 0);
		free(copy);
	}
}

static int setup(void **state)
{
	static struct vm vm;

	fakevm_init_file(&vm, RAM);
	*state = &vm;
	return 0;
}

static int teardown(void **state)
{
	fakevm_deinit(*state);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_truncated),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
