/* SPDX-License-Identifier: Apache-2.0 */
/* Classic BPF over a seccomp_data record (kernel/bpf.c). Needs nothing of the kernel. */
#ifndef GK_BPF_H
#define GK_BPF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BPF_MAX_INSNS 4096

struct bpf_insn { /* struct sock_filter */
	uint16_t code;
	uint8_t jt, jf;
	uint32_t k;
};

/*
 * Is this a program that bpf_run() may be given for records of @data_bytes? Every opcode known, every jump forward and
 * inside, every load aligned and inside the record, no division by a constant zero, the last instruction a return.
 */
bool bpf_check(const struct bpf_insn *prog, size_t n, size_t data_bytes);
/* Runs a checked program over @data (aligned to 4) of @data_bytes. What it returns. */
uint32_t bpf_run(const struct bpf_insn *prog, const void *data, size_t data_bytes);

#endif
