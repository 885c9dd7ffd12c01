/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who lives where: the guest-physical map, and the host addresses inside a space of the `user` backend.
 *
 * The guest image depends only on the guest-physical part; addresses come to it through the boot block.
 */
#ifndef UMBRA_ABI_LAYOUT_H
#define UMBRA_ABI_LAYOUT_H

#define UM_PAGE_SHIFT 12
#define UM_PAGE_SIZE 0x1000

/* ---- Guest-physical ---- */
#define UM_GPA_BOOT 0x1000    /* struct um_boot, one page */
#define UM_GPA_CLOCK 0x2000   /* struct um_clock, one page, also mapped read-only into programs */
#define UM_GPA_CONFIG 0x10000 /* configuration strings, at most UM_CONFIG_MAX bytes */
#define UM_CONFIG_MAX 0x80000
#define UM_GPA_QUEUES 0x90000  /* virtqueue memory, laid out by the VMM, up to UM_GPA_KERNEL */
#define UM_GPA_KERNEL 0x200000 /* the guest image is loaded here */

/* ---- Host-virtual, in every space of the `user` backend ---- */
/*
 * Nothing a guest program maps may come within 4 GiB of the window: the filter of a space checks the high word of an
 * address and that the length is below 4 GiB, it cannot add.
 * The window lies where no sanitizer wants anything: AddressSanitizer's heap ends two pages above 0x640000000000,
 * MemorySanitizer's starts at 0x700000000000.
 */
#define UM_USER_LO_START 0x10000
#define UM_USER_LO_END 0x647f00000000
#define UM_WINDOW_START 0x648000000000
#define UM_RAM_BASE 0x648000000000	/* guest RAM, linear; at most UM_RAM_MAX */
#define UM_RAM_MAX 0x40000000000	/* 4 TiB */
#define UM_SWITCHER_TEXT 0x6e0000000000 /* the switcher: shared text, hypercall page in it */
#define UM_SWITCHER_CTL 0x6e1000000000	/* control memory shared with the VMM (untrusted there) */
#define UM_SWITCHER_PRIV 0x6e2000000000 /* template only: channel to the VMM */
#define UM_SIGSTACKS 0x6e3000000000	/* private signal stacks, one per vCPU */
#define UM_WINDOW_END 0x6f0000000000
#define UM_USER_HI_START 0x6f0100000000
#define UM_USER_HI_END 0x7ffffffff000

#endif
