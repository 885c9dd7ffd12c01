/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The template: the process that makes spaces. It lies in pages of its own behind the switcher, which each new space
 * unmaps first, because the filter lets the one process-creating instruction in them through.
 *
 * It starts as a fork of the VMM (template_proc.c has prepared signals, limits and descriptors) on the keeper's stack
 * slot, gives up everything of the VMM's memory, installs the filter it finds in the channel, and then makes spaces on
 * request.
 */
#include "switcher.h"

#define CHAN ((struct chan *)UM_SWITCHER_PRIV)
#define TEMPLATE __attribute__((section(".template.text")))

#define SECCOMP_SET_MODE_FILTER 1
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW 4 /* no speculative-store-bypass penalty for guest programs */

#define PR_SET_PDEATHSIG 1
#define SIG_KILL 9

void template_main(void) __attribute__((visibility("hidden")));
long template_clone(void) __attribute__((visibility("hidden")));

struct host_fprog {
	uint16_t len;
	const void *filter;
};

/* Unmaps all that lies between @from and @to. */
TEMPLATE static void unmap_gap(uint64_t from, uint64_t to)
{
	if (to > from)
		host3(HOST_munmap, (long)from, (long)(to - from), 0);
}

TEMPLATE static void leave_vmm(void)
{
	unmap_gap(0, UM_RAM_BASE);
	unmap_gap(UM_RAM_BASE + CTL->ram_bytes, UM_SWITCHER_TEXT);
	unmap_gap((uint64_t)template_end, UM_SWITCHER_CTL);
	unmap_gap(UM_SWITCHER_CTL + ((sizeof(struct ctl) + UM_PAGE_SIZE - 1) & ~(UM_PAGE_SIZE - 1ul)),
		  UM_SWITCHER_PRIV);
	unmap_gap(UM_SWITCHER_PRIV + CHAN_SIZE, UM_SIGSTACKS);
	unmap_gap(UM_SIGSTACKS + SLOT_COUNT * SLOT_SIZE, UM_SHADOW_DIR);
	unmap_gap(UM_SHADOW_DIR + UM_SHADOW_DIR_SIZE, UM_USER_HI_END);
}

TEMPLATE static void make_wanted(void)
{
	uint64_t one = 1;
	bool made = false;

	for (uint32_t i = 0; i < CTL_MAX_SPACES; i++) {
		long pid;

		if (!load_acquire(&CHAN->want[i]))
			continue;
		pid = template_clone();
		if (pid == 0) {
			host3(HOST_munmap, UM_SWITCHER_PRIV, CHAN_SIZE, 0);
			host3(HOST_prctl, PR_SET_PDEATHSIG, SIG_KILL, 0);
			keeper_start(i);
		}
		WRITE_ONCE(CHAN->pid[i], (int32_t)pid);
		store_release(&CHAN->want[i], 0);
		made = true;
	}
	if (made)
		host3(HOST_write, SPACE_FD_DOORBELL, (long)&one, sizeof(one));
}

TEMPLATE void template_main(void)
{
	struct host_fprog prog = {(uint16_t)CHAN->filter_len, CHAN->filter};
	uint32_t seq;
	long ret;

	leave_vmm();
	ret = host3(HOST_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, (long)&prog);
	store_release(&CHAN->ready, ret < 0 ? (uint32_t)ret : 1);
	host_wake(&CHAN->ready, 1);
	if (ret < 0)
		host3(HOST_exit_group, 1, 0, 0);
	for (;;) {
		seq = load_acquire(&CHAN->req_seq);
		make_wanted();
		host_wait(&CHAN->req_seq, seq);
	}
}
