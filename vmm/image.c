/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loader for the guest kernel: an ELF64 static PIE linked at 0 (System V ABI, "Program Loading and Dynamic
 * Linking").
 *
 * Every number in the file is checked against the file's size and the room in RAM before it is used, always as a whole
 * range; headers are copied out because the file promises no alignment. Only R_X86_64_RELATIVE is applied: a static PIE
 * has nothing else. RAM is ours alone at this time: no vCPU exists yet.
 */
#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/layout.h"
#include "vmm/image.h"

#define MAX_PHDRS 32
#define MAX_DYN 256

struct loader {
	struct vm *vm;
	const uint8_t *elf;
	size_t size;
	uint64_t bias; /* supervisor address of image address 0 */
	const char **why;
	Elf64_Ehdr eh;
	Elf64_Phdr ph[MAX_PHDRS];
	uint64_t image_bytes;
};

static int refuse(struct loader *l, const char *sentence)
{
	*l->why = sentence;
	return -ENOEXEC;
}

/* Copies @len bytes at @off of the file; false if they are not all there. */
static bool file_copy(const struct loader *l, void *dst, uint64_t off, uint64_t len)
{
	if (off > l->size || len > l->size - off)
		return false;
	memcpy(dst, l->elf + off, len);
	return true;
}

/* @len bytes of loaded image at image address @addr, or NULL. */
static void *image_at(const struct loader *l, uint64_t addr, uint64_t len)
{
	if (addr > l->image_bytes || len > l->image_bytes - addr)
		return NULL;
	return vm_gpa(l->vm, UM_GPA_KERNEL + addr, len);
}

static int read_headers(struct loader *l)
{
	if (!file_copy(l, &l->eh, 0, sizeof(l->eh)) || memcmp(l->eh.e_ident, ELFMAG, SELFMAG) != 0)
		return refuse(l, "not an ELF file");
	if (l->eh.e_ident[EI_CLASS] != ELFCLASS64 || l->eh.e_ident[EI_DATA] != ELFDATA2LSB ||
	    l->eh.e_machine != EM_X86_64 || l->eh.e_type != ET_DYN)
		return refuse(l, "not an x86-64 position-independent executable");
	if (l->eh.e_phentsize != sizeof(Elf64_Phdr) || l->eh.e_phnum == 0 || l->eh.e_phnum > MAX_PHDRS)
		return refuse(l, "its program headers have an unknown format or are too many");
	if (!file_copy(l, l->ph, l->eh.e_phoff, l->eh.e_phnum * sizeof(Elf64_Phdr)))
		return refuse(l, "its program headers lie outside the file");
	return 0;
}

static int measure(struct loader *l)
{
	const uint64_t room = l->vm->ram_bytes > UM_GPA_KERNEL ? l->vm->ram_bytes - UM_GPA_KERNEL : 0;

	for (unsigned int i = 0; i < l->eh.e_phnum; i++) {
		const Elf64_Phdr *p = &l->ph[i];

		if (p->p_type == PT_INTERP)
			return refuse(l, "it wants a dynamic linker");
		if (p->p_type != PT_LOAD)
			continue;
		if (p->p_filesz > p->p_memsz || p->p_offset > l->size || p->p_filesz > l->size - p->p_offset)
			return refuse(l, "a segment lies outside the file");
		if (p->p_vaddr > room || p->p_memsz > room - p->p_vaddr) {
			*l->why = "it does not fit into guest memory";
			return -ENOMEM;
		}
		if (p->p_vaddr + p->p_memsz > l->image_bytes)
			l->image_bytes = p->p_vaddr + p->p_memsz;
	}
	if (l->image_bytes == 0)
		return refuse(l, "it has nothing to load");
	if (l->eh.e_entry >= l->image_bytes)
		return refuse(l, "its entry point lies outside of it");
	return 0;
}

/*
 * The bss is not written: RAM is zero already. The rest goes in through the descriptor: a fault for every page of it in
 * the mapping would cost a millisecond.
 */
static int copy_segments(struct loader *l)
{
	for (unsigned int i = 0; i < l->eh.e_phnum; i++) {
		const Elf64_Phdr *p = &l->ph[i];

		if (p->p_type != PT_LOAD)
			continue;
		for (uint64_t done = 0; done < p->p_filesz;) {
			const ssize_t n = pwrite(l->vm->ram_fd, l->elf + p->p_offset + done, p->p_filesz - done,
						 (off_t)(UM_GPA_KERNEL + p->p_vaddr + done));

			if (n <= 0) {
				*l->why = "it cannot be written to guest memory";
				return n < 0 ? -errno : -EIO;
			}
			done += (uint64_t)n;
		}
	}
	return 0;
}

static int relocate(struct loader *l, uint64_t rela, uint64_t bytes)
{
	for (uint64_t done = 0; done < bytes; done += sizeof(Elf64_Rela)) {
		const void *src = image_at(l, rela + done, sizeof(Elf64_Rela));
		Elf64_Rela r;
		uint64_t value;
		void *dst;

		if (!src)
			return refuse(l, "its relocations lie outside of it");
		memcpy(&r, src, sizeof(r));
		if (ELF64_R_TYPE(r.r_info) == R_X86_64_NONE)
			continue;
		if (ELF64_R_TYPE(r.r_info) != R_X86_64_RELATIVE)
			return refuse(l, "it has relocations that are not relative");
		dst = image_at(l, r.r_offset, sizeof(value));
		if (!dst)
			return refuse(l, "a relocation lies outside of it");
		value = l->bias + (uint64_t)r.r_addend;
		memcpy(dst, &value, sizeof(value));
	}
	return 0;
}

/* Reads the dynamic section from the loaded image, where it must lie: p_offset could say something else. */
static int apply_dynamic(struct loader *l, const Elf64_Phdr *p)
{
	const uint64_t count = p->p_memsz / sizeof(Elf64_Dyn);
	uint64_t rela = 0, bytes = 0, entry = sizeof(Elf64_Rela);

	if (count > MAX_DYN)
		return refuse(l, "its dynamic section is too long");
	for (uint64_t i = 0; i < count; i++) {
		const void *src = image_at(l, p->p_vaddr + i * sizeof(Elf64_Dyn), sizeof(Elf64_Dyn));
		Elf64_Dyn d;

		if (!src)
			return refuse(l, "its dynamic section lies outside of it");
		memcpy(&d, src, sizeof(d));
		if (d.d_tag == DT_NULL)
			break;
		if (d.d_tag == DT_RELA)
			rela = d.d_un.d_ptr;
		else if (d.d_tag == DT_RELASZ)
			bytes = d.d_un.d_val;
		else if (d.d_tag == DT_RELAENT)
			entry = d.d_un.d_val;
		else if (d.d_tag == DT_NEEDED || d.d_tag == DT_JMPREL || d.d_tag == DT_REL ||
			 d.d_tag == 36 /* DT_RELR */)
			return refuse(l, "it is linked in a way we do not load (only RELA relocations)");
	}
	if (entry != sizeof(Elf64_Rela) || bytes % sizeof(Elf64_Rela) != 0 || bytes > l->image_bytes ||
	    rela > l->image_bytes)
		return refuse(l, "its relocation table is malformed");
	return relocate(l, rela, bytes);
}

int image_load(struct vm *vm, const void *elf, size_t size, uint64_t linear_base, struct image_info *info,
	       const char **why)
{
	struct loader l = {.vm = vm, .elf = elf, .size = size, .bias = linear_base + UM_GPA_KERNEL, .why = why};
	int err;

	err = read_headers(&l);
	if (!err)
		err = measure(&l);
	if (err)
		return err;
	err = copy_segments(&l);
	if (err)
		return err;
	for (unsigned int i = 0; i < l.eh.e_phnum; i++) {
		if (l.ph[i].p_type != PT_DYNAMIC)
			continue;
		err = apply_dynamic(&l, &l.ph[i]);
		if (err)
			return err;
	}
	info->start = UM_GPA_KERNEL;
	info->end = (UM_GPA_KERNEL + l.image_bytes + UM_PAGE_SIZE - 1) & ~(uint64_t)(UM_PAGE_SIZE - 1);
	info->entry = l.bias + l.eh.e_entry;
	return 0;
}
