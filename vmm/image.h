/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts the guest kernel into guest RAM.
 */
#ifndef UMBRA_VMM_IMAGE_H
#define UMBRA_VMM_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "vmm/vm.h"

struct image_info {
	gpa_t start;	/* where the image begins */
	gpa_t end;	/* first byte after image and bss, page aligned */
	uint64_t entry; /* supervisor address */
};

/*
 * Loads the static PIE at @elf (@size bytes, untrusted: it may come from a file the user names) at UM_GPA_KERNEL and
 * relocates it for linear_base. RAM outside the image is not touched.
 * Returns 0 with @info filled, or -ENOEXEC (with a sentence in *@why) when it is not an image we can load, -ENOMEM when
 * it does not fit. On failure RAM may hold parts of it.
 */
int image_load(struct vm *vm, const void *elf, size_t size, uint64_t linear_base, struct image_info *info,
	       const char **why);

/* The guest kernel that is built into this program. */
extern const unsigned char umbra_kernel_image[];
extern const unsigned char umbra_kernel_image_end[];

#endif
