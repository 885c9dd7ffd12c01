/* SPDX-License-Identifier: Apache-2.0 */
/* The vDSO: its ELF symbols, and that its clocks agree with the system calls and never run backwards. */
#include <elf.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "sys.h"

/* The address of @name in the vDSO, found as a C library does it; version LINUX_2.6 is checked. */
static void *vdso_symbol(const char *name)
{
	const char *base = (const char *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *eh = (const void *)base;
	const Elf64_Phdr *ph = (const void *)(base + eh->e_phoff);
	const Elf64_Dyn *dyn = NULL;
	const Elf64_Sym *sym = NULL;
	const Elf64_Versym *versym = NULL;
	const Elf64_Verdef *verdef = NULL;
	const char *str = NULL;
	const uint32_t *hash = NULL;
	uintptr_t bias = 0;

	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD)
			bias = (uintptr_t)base + ph[i].p_offset - ph[i].p_vaddr;
		else if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const void *)(base + ph[i].p_offset);
	}
	CHECK(dyn && bias);
	for (; dyn->d_tag != DT_NULL; dyn++) {
		const void *p = (const void *)(bias + dyn->d_un.d_ptr);

		if (dyn->d_tag == DT_SYMTAB)
			sym = p;
		else if (dyn->d_tag == DT_STRTAB)
			str = p;
		else if (dyn->d_tag == DT_HASH)
			hash = p;
		else if (dyn->d_tag == DT_VERSYM)
			versym = p;
		else if (dyn->d_tag == DT_VERDEF)
			verdef = p;
	}
	CHECK(sym && str && versym && verdef);
	if (!hash)
		SKIP("no DT_HASH in this vDSO");
	for (uint32_t i = 0; i < hash[1]; i++) {
		const Elf64_Verdef *def = verdef;
		const Elf64_Verdaux *aux;

		if (strcmp(str + sym[i].st_name, name) || !sym[i].st_shndx)
			continue;
		while ((def->vd_ndx & 0x7fff) != (versym[i] & 0x7fff) && def->vd_next)
			def = (const void *)((const char *)def + def->vd_next);
		aux = (const void *)((const char *)def + def->vd_aux);
		CHECK_EQ(strcmp(str + aux->vda_name, "LINUX_2.6"), 0);
		return (void *)(bias + sym[i].st_value);
	}
	return NULL;
}

static int64_t ns(const struct timespec *ts)
{
	return ts->tv_sec * 1000000000ll + ts->tv_nsec;
}

static int64_t by_call(int clock)
{
	struct timespec ts;

	CHECK_OK(syscall(SYS_clock_gettime, clock, &ts));
	return ns(&ts);
}

/* The vDSO and its data may be moved together, each mapping as a whole: what checkpoint/restore does. */
static void test_move(uintptr_t get)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	char *to = mmap(NULL, 64 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uintptr_t start[4], end[4], first;
	int (*moved)(int, struct timespec *);
	int64_t before = by_call(CLOCK_MONOTONIC);
	struct timespec ts;
	char line[300];
	int n = 0;

	CHECK(maps && to != MAP_FAILED);
	while (n < 4 && fgets(line, sizeof(line), maps)) {
		if (strstr(line, "[vvar") || strstr(line, "[vdso]"))
			n += sscanf(line, "%lx-%lx", &start[n], &end[n]) == 2;
	}
	fclose(maps);
	CHECK(n >= 2);
	first = start[0];
	for (int i = 0; i < n; i++) {
		size_t size = end[i] - start[i];
		char *target = to + (start[i] - first);

		if (size > 4096)
			CHECK_ERR(mremap((void *)start[i], 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, target), EINVAL);
		CHECK(mremap((void *)start[i], size, size, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target);
	}
	*(uintptr_t *)&moved = (uintptr_t)to + (get - first);
	CHECK_EQ(moved(CLOCK_MONOTONIC, &ts), 0);
	CHECK(ns(&ts) >= before);
	_exit(0); /* the C library still has the old addresses */
}

int main(void)
{
	static const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_TAI, CLOCK_MONOTONIC_RAW};
	int (*get)(int, struct timespec *);
	int (*tod)(struct timeval *, void *);
	time_t (*now)(time_t *);
	long (*cpu)(unsigned int *, unsigned int *, void *);
	struct timespec ts, last = {0};
	struct timeval tv;
	unsigned int c = 99, n = 99;
	int status;

	*(void **)&get = vdso_symbol("__vdso_clock_gettime");
	*(void **)&tod = vdso_symbol("__vdso_gettimeofday");
	*(void **)&now = vdso_symbol("__vdso_time");
	*(void **)&cpu = vdso_symbol("__vdso_getcpu");
	CHECK(get && tod && now && cpu && vdso_symbol("__vdso_clock_getres"));
	CHECK(!vdso_symbol("__vdso_nonsense"));

	for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
		int64_t before = by_call(clocks[i]), mid, after;

		CHECK_EQ(get(clocks[i], &ts), 0);
		mid = ns(&ts);
		after = by_call(clocks[i]);
		CHECK(ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
		/* RAW runs a little differently from what slews the others. */
		CHECK(mid >= before - 1000000 && mid <= after + 1000000);
	}
	for (int i = 0; i < 200000; i++) {
		CHECK_EQ(get(CLOCK_MONOTONIC, &ts), 0);
		CHECK(ns(&ts) >= ns(&last));
		last = ts;
	}
	CHECK_EQ(get(CLOCK_PROCESS_CPUTIME_ID, &ts), 0);
	CHECK(ns(&ts) > 0);
	CHECK_EQ(get(9999, &ts), -EINVAL);
	CHECK_EQ(tod(&tv, NULL), 0);
	CHECK(llabs(now(NULL) - tv.tv_sec) <= 1);
	CHECK_EQ(cpu(&c, &n, NULL), 0);
	CHECK(c < 1024 && n < 64);
	if (!CHECK_OK(fork()))
		test_move((uintptr_t)get);
	CHECK_OK(wait(&status));
	CHECK_EQ(status, 0);
	return 0;
}
