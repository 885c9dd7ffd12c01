/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allocations that fail on purpose, for tests: with "debug=faults" there is /proc/fail-nth. A number N written to it
 * makes the writer's Nth allocation from then on fail, of pages or of a slab's objects; 0 ends that. Reading gives two
 * numbers: how many allocations were still to come at the last 0 (0: one has failed), and how many pages and objects
 * are in use in the system, for tests that look for what got lost.
 *
 * The allocators' fast ways know nothing of this: in this mode the stacks and magazines before them stay empty.
 */
#include <gk/init.h>
#include <gk/string.h>
#include <gk/task.h>
#include "../fs/proc/proc.h"
#include "internal.h"

bool faults_on;
static u64 in_use; /* atomic: pages not of slabs, and objects */

void faults_early_init(void)
{
	const char *debug = config_get("debug");

	faults_on = debug && !strcmp(debug, "faults");
}

bool fault_due(void)
{
	struct task *t = current;

	/* An interrupt's work is nobody's. */
	if (likely(!t->fail_nth) || this_cpu()->in_pending || --t->fail_nth)
		return false;
	t->fail_now = true;
	return true;
}

bool fault_take(void)
{
	bool hit = current->fail_now;

	current->fail_now = false;
	return hit;
}

void fault_count(s64 n)
{
	atomic_add_return(&in_use, (u64)n);
}

static int show_fail_nth(struct seq *s, void *arg)
{
	seq_printf(s, "%u %lu\n", current->fail_left, (unsigned long)READ_ONCE(in_use));
	return 0;
}

static int store_fail_nth(char *text, size_t len, void *arg)
{
	u64 n = strtoull(text, NULL, 10);

	if (n > 1000000)
		return -EINVAL;
	if (!n)
		current->fail_left = current->fail_nth;
	current->fail_nth = (u32)n;
	return 0;
}

void faults_init(void)
{
	if (faults_on)
		proc_file("fail-nth", 0666, show_fail_nth, store_fail_nth, NULL);
}
