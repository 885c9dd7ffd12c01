/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The boot block: all that the guest kernel knows when it starts, written by the VMM at UM_GPA_BOOT.
 *
 * vCPU 0 starts at the image's entry point in supervisor mode with RDI = supervisor address of this block, RSP
 * undefined, its home table loaded (no user mappings). GS base belongs to the backend until WRMSR KERNEL_GS_BASE (which
 * sets it at once, as supervisor code runs on it): hypercalls need it, so do not clear it. The image is a static PIE;
 * the VMM applies its R_X86_64_RELATIVE relocations for linear_base + UM_GPA_KERNEL. RAM above kernel_end is zero and
 * untouched.
 */
#ifndef UMBRA_ABI_BOOT_H
#define UMBRA_ABI_BOOT_H

#include <stddef.h>
#include <stdint.h>

#define UM_BOOT_MAGIC 0x746f6f62616d62ull
#define UM_BOOT_VERSION 1
#define UM_MAX_VCPUS 64
#define UM_MAX_QUEUES 8
#define UM_SEED_BYTES 64

/* features */
#define UM_FEAT_DIRECT 0x1 /* direct_entry may be jumped to from patched call sites */
#define UM_FEAT_QUIET 0x2  /* the guest prints only errors */
#define UM_FEAT_STRACE 0x4 /* trace system calls (see config "strace=") */

/* Queue numbers. */
#define UM_QUEUE_FS 0	     /* FUSE requests, abi/fuse.h */
#define UM_QUEUE_FS_HIPRIO 1 /* FORGET and INTERRUPT */
#define UM_QUEUE_CON_RX 2    /* console: host to guest */
#define UM_QUEUE_CON_TX 3    /* console: guest to host */
#define UM_QUEUE_CTL_RX 4    /* control messages: host to guest, abi/control.h */
#define UM_QUEUE_CTL_TX 5    /* control messages: guest to host */
#define UM_QUEUE_NET 6	     /* host sockets (later) */

/* A virtio 1.2 split virtqueue ("2.7 Split Virtqueues"); addresses are guest-physical. size 0: absent. */
struct um_boot_queue {
	uint32_t size; /* entries, a power of two */
	uint32_t reserved;
	uint64_t desc;
	uint64_t avail;
	uint64_t used;
};

struct um_boot {
	uint64_t magic;
	uint32_t version;
	uint32_t ncpus;		  /* 1..UM_MAX_VCPUS; vCPUs 1.. are started by UM_HC_VCPU_START */
	uint64_t linear_base;	  /* supervisor address of gpa 0 */
	uint64_t ram_bytes;	  /* guest RAM is gpa 0 .. ram_bytes */
	uint64_t kernel_start;	  /* gpa of the image */
	uint64_t kernel_end;	  /* gpa, page aligned: first byte after image and bss */
	uint64_t hypercall_entry; /* supervisor address: call */
	uint64_t eretu_entry;	  /* supervisor address: jump, PVCS filled, RSP = user RSP */
	uint64_t direct_entry; /* address patched sites jump to: RAX = number, RCX = return address; UM_FEAT_DIRECT */
	uint64_t features;
	/* Where programs may live: [user_lo_start, user_lo_end) and [user_hi_start, user_hi_end). */
	uint64_t user_lo_start;
	uint64_t user_lo_end;
	uint64_t user_hi_start;
	uint64_t user_hi_end;
	uint64_t clock;	 /* gpa of struct um_clock */
	uint64_t config; /* gpa of the configuration: NUL-terminated "key=value" strings, an empty one ends */
	uint64_t config_bytes;
	uint64_t xcr0;	      /* state components the host enables */
	uint32_t xsave_bytes; /* size of the XSAVE area for xcr0, non-compacted format */
	uint32_t tsc_khz;
	struct um_boot_queue queue[UM_MAX_QUEUES];
	uint8_t seed[UM_SEED_BYTES]; /* entropy for this boot */
	uint64_t max_spaces;	     /* how many tables can be bound at once; more are possible, the backend recycles */
};

_Static_assert(sizeof(struct um_boot) <= 4096, "one page");

/*
 * The clock page. The VMM writes, guest kernel and programs (vDSO) read.
 * Reader: s = seq (acquire), even; copy; seq unchanged (acquire), else again.
 * ns = base + (((rdtsc - tsc_base) * mult) >> shift), the product in 128 bits.
 */
struct um_clock {
	uint32_t seq;
	uint32_t shift;
	uint64_t mult;
	uint64_t tsc_base;
	uint64_t mono_ns; /* CLOCK_MONOTONIC of the host at tsc_base */
	uint64_t real_ns; /* CLOCK_REALTIME at tsc_base */
	uint64_t boot_ns; /* CLOCK_BOOTTIME at tsc_base */
	uint64_t steps;	  /* how often CLOCK_REALTIME was set (TFD_TIMER_CANCEL_ON_SET) */
	int64_t tai_offset_s;
};

_Static_assert(sizeof(struct um_clock) == 64, "one line");

#endif
