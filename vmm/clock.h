/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the clock page (struct um_clock) in step with the host's clocks.
 */
#ifndef UMBRA_VMM_CLOCK_H
#define UMBRA_VMM_CLOCK_H

#include <stdint.h>

#include "abi/boot.h"

/* One reading of TSC and CLOCK_MONOTONIC "at the same time". */
struct clock_sample {
	uint64_t tsc;
	uint64_t mono_ns;
};

struct clock {
	struct um_clock *page;	    /* in guest RAM, written only, never read back */
	struct um_clock now;	    /* what the page says, or will say with the next publication: our own copy */
	struct um_clock shown;	    /* what it says */
	struct clock_sample anchor; /* the far end of the rate measurement */
	struct clock_sample middle; /* becomes the anchor when it is old enough */
	uint64_t next_ns;	    /* how long until the next clock_update() */
};

/* Reads both clocks; the best of a few attempts. */
void clock_sample(struct clock_sample *s);

/*
 * Starts the page at @page. @first is a sample taken as early in the process's life as possible: the time since then is
 * the calibration (it is stretched to a few hundred microseconds if it was shorter). Returns the TSC frequency in kHz.
 */
uint32_t clock_init(struct clock *c, struct um_clock *page, const struct clock_sample *first);

/* Measures again and corrects the rate so that time neither jumps nor runs backwards. Call when next_ns have passed. */
void clock_update(struct clock *c);

/* As clock_update(), and tells the guest that CLOCK_REALTIME was set. */
void clock_stepped(struct clock *c);

/* Monotonic time at @tsc as a reader of the page computes it. */
uint64_t clock_page_ns(const struct um_clock *page, uint64_t tsc);

/*
 * The correction itself, apart from any real clock (for tests): the page after sample @s,
 * @offset_real/_boot from monotonic.
 */
void clock_apply(struct clock *c, const struct clock_sample *s);

#endif
