/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shadow: host mappings of guest RAM in the user half of this process, a cache of the guest page table the space
 * stands for.
 *
 * Every mapping is recorded in the shadow directory, memory private to the process: per window of 64 pages a bit each
 * for present, writable and executable. The record is exact, so a flush costs host calls only for what is really mapped
 * (mprotect and munmap are told runs, never holes), and a fill never maps twice.
 *
 * Coherence: fill_lock is held across walk and mmap, and across every unmap. A flush comes after the guest has changed
 * its entry, so a walk either sees the new entry or its mapping is taken away by the flush.
 *
 * Cost is per mapping (4-5 us), hardly per page (0.1-0.3 us): map runs, and drop everything at MAPS_MAX (the host's
 * limit is 65530 and tearing down that many takes a tenth of a second).
 */
#include "switcher.h"

#define WINDOW_SHIFT 18
#define WINDOW_PAGES 64
#define WINDOW_SIZE (1ull << WINDOW_SHIFT)
#define FIRST_PAGES 16 /* a window's first fault maps that much of it, the next one all of it */

#define REPLACE_MAX (WINDOW_SIZE / 4) /* bytes; more is simply unmapped */

#define DIR_MIN 128
#define DIR_MAX 8192
#define MAPS_MAX 12000

#define PTE_P 0x1ull
#define PTE_W 0x2ull
#define PTE_U 0x4ull
#define PTE_PS 0x80ull
#define PTE_NX 0x8000000000000000ull
#define PTE_ADDR 0x000ffffffffff000ull

#define PF_PK 0x20 /* protection key: nothing a mapping could change */

struct dir_entry {
	uint64_t key; /* window number + 1, 0 = free */
	uint64_t present, write, exec;
};

struct dir {
	uint32_t capacity; /* a power of two; 0: never used */
	uint32_t used;	   /* keys taken */
	uint32_t area;	   /* which half of the space below holds the table */
	uint32_t maps;	   /* upper bound on host mappings */
	uint64_t spurious; /* page last found mapped although it had faulted */
};

/* Page numbers of a window, beside its entry. */
struct dir_pages {
	uint32_t pfn[WINDOW_PAGES];
};

#define DIR ((struct dir *)UM_SHADOW_DIR)
#define AREA_SIZE (DIR_MAX * (sizeof(struct dir_entry) + sizeof(struct dir_pages)))
#define DIR_AREA(n) ((struct dir_entry *)(UM_SHADOW_DIR + 0x1000 + (n)*AREA_SIZE))
#define DIR_PAGES(n) ((struct dir_pages *)(DIR_AREA(n) + DIR_MAX))
static_assert(0x1000 + 2 * AREA_SIZE <= UM_SHADOW_DIR_SIZE, "shadow directory");

bool user_address(uint64_t address)
{
	return (address >= UM_USER_LO_START && address < UM_USER_LO_END) ||
	       (address >= UM_USER_HI_START && address < UM_USER_HI_END);
}

static void dir_clear(struct dir_entry *table, uint32_t capacity)
{
	for (uint32_t i = 0; i < capacity; i++)
		table[i] = (struct dir_entry){0};
}

static void dir_reset(void)
{
	DIR->capacity = DIR_MIN;
	DIR->used = 0;
	DIR->area = 0;
	DIR->maps = 0;
	dir_clear(DIR_AREA(0), DIR_MIN);
}

static struct dir_entry *dir_slot(struct dir_entry *table, uint32_t capacity, uint64_t window)
{
	uint32_t i = (uint32_t)window & (capacity - 1);

	while (table[i].key && table[i].key != window + 1)
		i = (i + 1) & (capacity - 1);
	return &table[i];
}

static struct dir_entry *dir_find(uint64_t window)
{
	struct dir_entry *e;

	if (!DIR->capacity)
		return NULL;
	e = dir_slot(DIR_AREA(DIR->area), DIR->capacity, window);
	return e->key ? e : NULL;
}

static struct dir_pages *pages_of(const struct dir_entry *e)
{
	return DIR_PAGES(DIR->area) + (e - DIR_AREA(DIR->area));
}

/* Moves the live entries to a table of the right size. */
static void dir_grow(void)
{
	struct dir_entry *old = DIR_AREA(DIR->area), *table = DIR_AREA(DIR->area ^ 1), *e;
	uint32_t live = 0, capacity = DIR_MIN;

	for (uint32_t i = 0; i < DIR->capacity; i++)
		live += old[i].present != 0;
	while (capacity < live * 3 && capacity < DIR_MAX)
		capacity *= 4;
	if (capacity > DIR_MAX)
		capacity = DIR_MAX;
	dir_clear(table, capacity);
	for (uint32_t i = 0; i < DIR->capacity; i++) {
		if (!old[i].present)
			continue;
		e = dir_slot(table, capacity, old[i].key - 1);
		*e = old[i];
		DIR_PAGES(DIR->area ^ 1)[e - table] = DIR_PAGES(DIR->area)[i];
	}
	DIR->used = live;
	DIR->capacity = capacity;
	DIR->area ^= 1;
}

static void drop_locked(struct ctl_space *sp)
{
	host3(HOST_munmap, UM_USER_LO_START, UM_USER_LO_END - UM_USER_LO_START, 0);
	host3(HOST_munmap, UM_USER_HI_START, UM_USER_HI_END - UM_USER_HI_START, 0);
	dir_reset();
	sp->maps = 0;
	sp->drops++;
}

/* The entry of a window, made if need be. Making one may move the others, or drop the whole shadow to have room. */
static struct dir_entry *dir_get(struct ctl_space *sp, uint64_t window)
{
	struct dir_entry *e;

	if (!DIR->capacity)
		dir_reset();
	e = dir_find(window);
	if (e)
		return e;
	if (DIR->used >= DIR->capacity / 4 * 3)
		dir_grow();
	if (DIR->used >= DIR->capacity / 4 * 3)
		drop_locked(sp);
	e = dir_slot(DIR_AREA(DIR->area), DIR->capacity, window);
	e->key = window + 1;
	DIR->used++;
	return e;
}

/* ---- Guest tables ---- */

struct leaf {
	uint64_t flags;	     /* PTE_P PTE_W PTE_U PTE_NX as they hold over all levels */
	uint64_t gpa;	     /* of the page */
	const uint64_t *pte; /* of the page, NULL for a large page */
	uint64_t large_size; /* bytes, large page */
};

static const uint64_t *table_at(uint64_t gpa)
{
	if (gpa >= CTL->ram_bytes || CTL->ram_bytes - gpa < UM_PAGE_SIZE)
		return NULL;
	return (const uint64_t *)(UM_RAM_BASE + gpa);
}

/* Returns false when the page is not present in the guest's table. */
static bool walk(uint64_t root, uint64_t address, struct leaf *leaf)
{
	uint64_t flags = PTE_P | PTE_W | PTE_U, table = root & PTE_ADDR;

	for (int shift = 39; root; shift -= 9) {
		const uint64_t *t = table_at(table);
		unsigned int i = (address >> shift) & 511;
		uint64_t e;

		if (!t)
			return false;
		e = READ_ONCE(t[i]);
		if (!(e & PTE_P))
			return false;
		flags = (flags & e & (PTE_P | PTE_W | PTE_U)) | (flags & PTE_NX) | (e & PTE_NX);
		if (shift == 12 || (e & PTE_PS)) {
			uint64_t size = 1ull << shift;

			if (shift > 30)
				return false;
			leaf->flags = flags;
			leaf->gpa = (e & PTE_ADDR & ~(size - 1)) | (address & (size - 1) & ~(UM_PAGE_SIZE - 1ull));
			leaf->pte = shift == 12 ? &t[i] : NULL;
			leaf->large_size = size;
			return leaf->gpa < CTL->ram_bytes;
		}
		table = e & PTE_ADDR;
	}
	return false;
}

static bool allows(const struct leaf *leaf, uint64_t error)
{
	if (!(leaf->flags & PTE_U))
		return false;
	if ((error & PVM_PF_WRITE) && !(leaf->flags & PTE_W))
		return false;
	return !((error & PVM_PF_INSTR) && (leaf->flags & PTE_NX));
}

/* Does the page @delta pages away from the leaf continue it: same rights, next address? */
static bool continues(const struct leaf *leaf, int delta)
{
	uint64_t e, gpa = leaf->gpa + (int64_t)delta * UM_PAGE_SIZE;

	if (gpa >= CTL->ram_bytes)
		return false;
	if (!leaf->pte)
		return ((gpa ^ leaf->gpa) & ~(leaf->large_size - 1)) == 0;
	e = READ_ONCE(leaf->pte[delta]);
	if (((e ^ READ_ONCE(*leaf->pte)) & (PTE_P | PTE_W | PTE_U | PTE_NX)) != 0)
		return false;
	return (e & PTE_ADDR) == gpa;
}

/* ---- Fill ---- */

static bool mapped(const struct dir_entry *e, int page, const struct leaf *leaf)
{
	uint64_t bit = 1ull << page;

	return (e->present & bit) && (!(leaf->flags & PTE_W) || (e->write & bit)) &&
	       ((leaf->flags & PTE_NX) || (e->exec & bit));
}

static uint64_t mask(int first, int count)
{
	return count == WINDOW_PAGES ? ~0ull : ((1ull << count) - 1) << first;
}

static void map_run(struct ctl_space *sp, uint64_t address, const struct leaf *leaf)
{
	uint64_t start, bits;
	struct dir_entry *e = dir_get(sp, address >> WINDOW_SHIFT);
	int page = (address >> UM_PAGE_SHIFT) & (WINDOW_PAGES - 1), first = page, last = page, prot = HOST_PROT_READ;
	int low = e->present ? 0 : page & ~(FIRST_PAGES - 1),
	    high = e->present ? WINDOW_PAGES - 1 : low + FIRST_PAGES - 1;
	long ret;

	if (mapped(e, page, leaf) && DIR->spurious != (address >> UM_PAGE_SHIFT)) {
		/* Another carrier was faster. If it comes again we map it again rather than fault forever. */
		DIR->spurious = address >> UM_PAGE_SHIFT;
		return;
	}
	while (first > low && !mapped(e, first - 1, leaf) && continues(leaf, first - 1 - page))
		first--;
	while (last < high && !mapped(e, last + 1, leaf) && continues(leaf, last + 1 - page))
		last++;
	if (leaf->flags & PTE_W)
		prot |= HOST_PROT_WRITE;
	if (!(leaf->flags & PTE_NX))
		prot |= HOST_PROT_EXEC;
	start = (address & ~(WINDOW_SIZE - 1)) + (uint64_t)first * UM_PAGE_SIZE;
	ret = host6(HOST_mmap, (long)start, (long)(last - first + 1) * UM_PAGE_SIZE, prot,
		    HOST_MAP_SHARED | HOST_MAP_FIXED | HOST_MAP_POPULATE, SPACE_FD_RAM,
		    (long)(leaf->gpa - (uint64_t)(page - first) * UM_PAGE_SIZE));
	if (ret < 0)
		fatal(FATAL_MAP, self()->vcpu ? self()->vcpu->index : 0, 0, start, 0, (uint64_t)-ret);
	bits = mask(first, last - first + 1);
	e->present |= bits;
	e->write = (prot & HOST_PROT_WRITE) ? e->write | bits : e->write & ~bits;
	e->exec = (prot & HOST_PROT_EXEC) ? e->exec | bits : e->exec & ~bits;
	for (int i = first; i <= last; i++)
		pages_of(e)->pfn[i] = (uint32_t)(leaf->gpa >> UM_PAGE_SHIFT) + (uint32_t)(i - page);
	DIR->spurious = 0;
	sp->fills++;
	sp->fill_pages += (uint64_t)(last - first + 1);
	if (++DIR->maps > MAPS_MAX)
		drop_locked(sp);
	sp->maps = DIR->maps;
}

enum fill_result shadow_fill(struct ctl_space *sp, uint64_t address, uint64_t *error)
{
	enum fill_result result = FILL_DENIED;
	struct leaf leaf;

	mutex_lock(&sp->fill_lock, FUTEX_PRIVATE_);
	if (!walk(READ_ONCE(CTL->root[sp - CTL->space]), address, &leaf)) {
		*error &= ~(uint64_t)PVM_PF_PRESENT;
	} else if ((*error & PF_PK) || !allows(&leaf, *error)) {
		*error |= PVM_PF_PRESENT;
	} else {
		map_run(sp, address, &leaf);
		result = FILL_DONE;
	}
	mutex_unlock(&sp->fill_lock, FUTEX_PRIVATE_);
	return result;
}

/* ---- Flush ---- */

static void unmap(uint64_t start, uint64_t end)
{
	host3(HOST_munmap, (long)start, (long)(end - start), 0);
	DIR->maps++; /* at worst it split one */
}

/* Calls for each run of set bits. */
static void unmap_runs(uint64_t base, uint64_t bits)
{
	while (bits) {
		int first = __builtin_ctzll(bits);
		uint64_t rest = ~(bits >> first);
		int count = rest ? __builtin_ctzll(rest) : WINDOW_PAGES;

		unmap(base + (uint64_t)first * UM_PAGE_SIZE, base + (uint64_t)(first + count) * UM_PAGE_SIZE);
		bits &= ~mask(first, count);
	}
}

static void protect_runs(uint64_t base, uint64_t bits, int prot)
{
	while (bits) {
		int first = __builtin_ctzll(bits);
		uint64_t rest = ~(bits >> first);
		int count = rest ? __builtin_ctzll(rest) : WINDOW_PAGES;

		host3(HOST_mprotect, (long)(base + (uint64_t)first * UM_PAGE_SIZE), (long)count * UM_PAGE_SIZE, prot);
		DIR->maps += 2;
		bits &= ~mask(first, count);
	}
}

/* The part of a window that lies in [start, end). */
static uint64_t window_mask(uint64_t base, uint64_t start, uint64_t end)
{
	int first = start > base ? (int)((start - base) >> UM_PAGE_SHIFT) : 0;
	int last = end < base + WINDOW_SIZE ? (int)((end - base) >> UM_PAGE_SHIFT) : WINDOW_PAGES;

	return last > first ? mask(first, last - first) : 0;
}

struct hull {
	uint64_t start, end;
	uint32_t windows;
};

/* First look at a window for unmapping: what is there, without doing it. */
static void measure(const struct dir_entry *e, uint64_t start, uint64_t end, struct hull *h)
{
	uint64_t base = (e->key - 1) << WINDOW_SHIFT, bits = e->present & window_mask(base, start, end);
	uint64_t lo, hi;

	if (!bits)
		return;
	lo = base + (uint64_t)__builtin_ctzll(bits) * UM_PAGE_SIZE;
	hi = base + (uint64_t)(64 - __builtin_clzll(bits)) * UM_PAGE_SIZE;
	if (!h->windows || lo < h->start)
		h->start = lo;
	if (!h->windows || hi > h->end)
		h->end = hi;
	h->windows++;
}

static void flush_entry(struct dir_entry *e, uint64_t start, uint64_t end, uint32_t kind, const struct hull *whole)
{
	uint64_t base = (e->key - 1) << WINDOW_SHIFT, bits = e->present & window_mask(base, start, end);

	if (kind == UM_FLUSH_WRPROTECT) {
		bits &= e->write;
		protect_runs(base, bits & e->exec, HOST_PROT_READ | HOST_PROT_EXEC);
		protect_runs(base, bits & ~e->exec, HOST_PROT_READ);
		e->write &= ~bits;
		return;
	}
	if (!whole)
		unmap_runs(base, bits);
	e->present &= ~bits;
	e->write &= ~bits;
	e->exec &= ~bits;
}

/* Visits the entries in a range, whichever way is shorter. */
static void for_range(uint64_t start, uint64_t end, uint32_t kind, struct hull *h, const struct hull *whole)
{
	uint64_t first = start >> WINDOW_SHIFT, last = (end - 1) >> WINDOW_SHIFT;
	struct dir_entry *table = DIR_AREA(DIR->area), *e;

	if (last - first < DIR->capacity) {
		for (uint64_t w = first; w <= last; w++) {
			e = dir_find(w);
			if (e && h)
				measure(e, start, end, h);
			else if (e)
				flush_entry(e, start, end, kind, whole);
		}
		return;
	}
	for (uint32_t i = 0; i < DIR->capacity; i++) {
		e = &table[i];
		if (e->key && h)
			measure(e, start, end, h);
		else if (e->key)
			flush_entry(e, start, end, kind, whole);
	}
}

/* Pages that were mapped and have been replaced are mapped anew in one step each, in place of unmapping and faulting.
 */
static void replace_locked(struct ctl_space *sp, uint64_t start, uint64_t end)
{
	for (uint64_t a = start; a < end; a += UM_PAGE_SIZE) {
		struct dir_entry *e = dir_find(a >> WINDOW_SHIFT);
		uint64_t bit = 1ull << ((a >> UM_PAGE_SHIFT) & (WINDOW_PAGES - 1));
		struct leaf leaf;

		if (!e || !(e->present & bit))
			continue;
		e->present &= ~bit;
		e->write &= ~bit;
		e->exec &= ~bit;
		if (walk(READ_ONCE(CTL->root[sp - CTL->space]), a, &leaf) && allows(&leaf, 0))
			map_run(sp, a, &leaf);
		else
			unmap(a, a + UM_PAGE_SIZE);
	}
}

static void flush_locked(struct ctl_space *sp, uint64_t start, uint64_t len, uint32_t kind)
{
	struct hull h = {0};
	uint64_t end = start + len;

	start &= ~(UM_PAGE_SIZE - 1ull);
	if (end < start || end > UM_USER_HI_END)
		end = UM_USER_HI_END;
	end = (end + UM_PAGE_SIZE - 1) & ~(UM_PAGE_SIZE - 1ull);
	if (!DIR->capacity || !len || start >= end)
		return;
	if (kind == UM_FLUSH_WRPROTECT) {
		for_range(start, end, kind, NULL, NULL);
		return;
	}
	if (kind == UM_FLUSH_REPLACE && end - start <= REPLACE_MAX) {
		replace_locked(sp, start, end);
		return;
	}
	/*
	 * One call for all of it, unless that would reach over the supervisor's window or exceed what the
	 * filter lets through.
	 */
	for_range(start, end, kind, &h, NULL);
	if (h.windows > 1 && h.end - h.start < 0xfffff000 && (h.start >= UM_USER_HI_START || h.end <= UM_USER_LO_END)) {
		unmap(h.start, h.end);
		for_range(start, end, kind, NULL, &h);
	} else if (h.windows) {
		for_range(start, end, kind, NULL, NULL);
	}
}

void shadow_flush(struct ctl_space *sp, uint64_t start, uint64_t len, uint32_t kind)
{
	mutex_lock(&sp->fill_lock, FUTEX_PRIVATE_);
	flush_locked(sp, start, len, kind);
	if (DIR->maps > MAPS_MAX)
		drop_locked(sp);
	mutex_unlock(&sp->fill_lock, FUTEX_PRIVATE_);
}

void shadow_drop(struct ctl_space *sp)
{
	mutex_lock(&sp->fill_lock, FUTEX_PRIVATE_);
	drop_locked(sp);
	mutex_unlock(&sp->fill_lock, FUTEX_PRIVATE_);
}

void shadow_drain(struct ctl_space *sp)
{
	struct ctl_flush q[CTL_FLUSH_QUEUE];
	uint32_t n, drop, seq;

	mutex_lock(&sp->fill_lock, FUTEX_PRIVATE_);
	mutex_lock(&sp->q_lock, 0);
	seq = sp->q_seq;
	drop = sp->q_drop;
	n = sp->q_count < CTL_FLUSH_QUEUE ? sp->q_count : CTL_FLUSH_QUEUE;
	for (uint32_t i = 0; i < n; i++)
		q[i] = sp->q[i];
	sp->q_count = 0;
	sp->q_drop = 0;
	mutex_unlock(&sp->q_lock, 0);

	if (drop)
		drop_locked(sp);
	else
		for (uint32_t i = 0; i < n; i++)
			flush_locked(sp, q[i].start, q[i].len, q[i].kind);
	store_release(&sp->q_done, seq);
	mutex_unlock(&sp->fill_lock, FUTEX_PRIVATE_);
	host_futex(&sp->q_done, FUTEX_WAKE_, INT32_MAX, NULL, 0);
}

/* ---- Another table ---- */

/* What of a window the table of @root no longer says: *@wp gets those that are only too writable. */
static uint64_t stale_bits(uint64_t root, const struct dir_entry *e, uint64_t *wp)
{
	uint64_t base = (e->key - 1) << WINDOW_SHIFT, stale = 0;
	const struct dir_pages *pages = pages_of(e);
	struct leaf leaf;

	*wp = 0;
	for (uint64_t bits = e->present; bits; bits &= bits - 1) {
		int i = __builtin_ctzll(bits);
		uint64_t bit = 1ull << i;

		if (!walk(root, base + (uint64_t)i * UM_PAGE_SIZE, &leaf) || !(leaf.flags & PTE_U) ||
		    leaf.gpa >> UM_PAGE_SHIFT != pages->pfn[i] || ((e->exec & bit) && (leaf.flags & PTE_NX)))
			stale |= bit;
		else if ((e->write & bit) && !(leaf.flags & PTE_W))
			*wp |= bit;
	}
	return stale;
}

/*
 * What was in use in the old table and is another page now: a copy of the table's own (writable) will be used again and
 * is mapped at once; what is still to be copied on write will be mapped when it is.
 */
static void remap_stale(struct ctl_space *sp, uint64_t root, uint64_t base, uint64_t stale, uint64_t was_writable)
{
	struct leaf leaf;

	for (; stale; stale &= stale - 1) {
		int i = __builtin_ctzll(stale);
		uint64_t address = base + (uint64_t)i * UM_PAGE_SIZE;
		const struct dir_entry *e = dir_find(base >> WINDOW_SHIFT);

		if (e && (e->present >> i & 1))
			continue; /* a run has reached it */
		if (walk(root, address, &leaf) && allows(&leaf, 0) &&
		    ((leaf.flags & PTE_W) || !(was_writable >> i & 1)))
			map_run(sp, address, &leaf);
		else
			unmap(address, address + UM_PAGE_SIZE);
	}
}

static void validate_entry(struct ctl_space *sp, uint64_t root, struct dir_entry *e)
{
	uint64_t base = (e->key - 1) << WINDOW_SHIFT, wp, stale = stale_bits(root, e, &wp), was_writable = e->write;

	protect_runs(base, wp & e->exec, HOST_PROT_READ | HOST_PROT_EXEC);
	protect_runs(base, wp & ~e->exec, HOST_PROT_READ);
	e->write &= ~wp;
	e->present &= ~stale;
	e->write &= ~stale;
	e->exec &= ~stale;
	remap_stale(sp, root, base, stale, was_writable);
}

void shadow_validate(struct ctl_space *sp)
{
	struct dir_entry *table = DIR_AREA(DIR->area);
	uint64_t drops;

	mutex_lock(&sp->fill_lock, FUTEX_PRIVATE_);
	drops = sp->drops;
	if (sp->validate) { /* else another carrier was here first */
		for (uint32_t i = 0; i < DIR->capacity && sp->drops == drops; i++)
			if (table[i].key && table[i].present)
				validate_entry(sp, READ_ONCE(CTL->root[sp - CTL->space]), &table[i]);
		if (DIR->maps > MAPS_MAX)
			drop_locked(sp);
		sp->validate = 0;
	}
	mutex_unlock(&sp->fill_lock, FUTEX_PRIVATE_);
}
