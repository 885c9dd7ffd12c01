/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Direct switch: patched twins of text pages.
 *
 * A site is `mov $nr,%eax; syscall` (b8 imm32 0f 05) or `xor %eax,%eax; syscall` (31 c0 0f 05). In the first, the five bytes
 * of the mov become ff 24 25 lo hi, which together with the untouched 0f 05 is `jmp *0x050fhhll`: an indirect jump through
 * a table at DIRECT_TABLE, from any address, so that one twin serves every process. In the second, the two bytes of the xor
 * become a short jump to padding behind an unconditional ret, where the same seven bytes are written. The 0f 05 stays a
 * valid instruction: restarts (RIP - 2) and jumps straight to it trap as ever.
 *
 * Every site has a slot: an entry of the table (the same for all), a stub in kernel memory, and in each process a return
 * address (direct_mm.ret[], reached through GS: struct cpu.direct_ret, which mm_switch() sets). The slot of a page belongs to one address in a
 * process; a second mapping of the page elsewhere gets the original.
 *
 *	site:   jmp *table(slot)
 *	stub:   mov $nr,%eax; mov $slot*8,%r11d; jmp direct_common
 *	common: rcx = cpu->direct_ret[slot]; jmp *cpu->direct_entry     (arch/x86_64/entry.S)
 *
 * Locks: direct_lock (slots, making and freeing twins) is a leaf.
 */
#include <abi/pvm.h>
#include <gk/direct.h>
#include <gk/errno.h>
#include <gk/init.h>
#include <gk/mm.h>
#include <gk/percpu.h>
#include <gk/printk.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/task.h>

#define NR_SLOTS (DIRECT_TABLE_SIZE / 8)
#define STUB_BYTES 16
#define SITES_MAX 128 /* in one page; more stay unpatched */
#define NR_MAX 512    /* no system call has a higher number: such a mov is no site */

#define TABLE_ORDER 4
_Static_assert(DIRECT_TABLE_SIZE == PAGE_SIZE << TABLE_ORDER, "one block");

/* How many slots beyond those known at exec a process can take; later ones stay unpatched in it. */
#define SLOT_RESERVE 1024

/* One process: mm->direct. */
struct direct_mm {
	u32 nr;    /* slots there is room for; immutable */
	u32 unused;
	u64 ret[]; /* by slot; 0: this process has no such site */
};

/* What a page's sites are: hangs off the original (page->extra). Immutable once published. */
struct twin {
	struct page *page;     /* the patched copy, holds a reference */
	struct page *original; /* no reference: direct_forget() comes first */
	u32 nr_sites;
	u32 first_slot;        /* slots are consecutive */
	u16 after[SITES_MAX];  /* offset behind the syscall instruction */
};

/* Marks a page that was scanned and has no sites. */
static struct twin no_twin;

static spinlock_t direct_lock;
static u32 next_slot;      /* direct_lock */
static struct page *table; /* one block: NR_SLOTS pointers */
static u8 *stubs;          /* NR_SLOTS * STUB_BYTES, kernel memory */
static bool enabled;

extern const char direct_common[];

/* The most specific nop or int3 at @p, as compilers and assemblers pad with; 0 if it is none. */
static u32 padding_length(const u8 *p, u32 room)
{
	u32 n = 0;

	if (room && (p[0] == 0xcc || p[0] == 0x90))
		return 1;
	while (n < room && (p[n] == 0x66 || p[n] == 0x2e))
		n++;
	if (n && n < room && p[n] == 0x90)
		return n + 1;
	if (n + 2 >= room || p[n] != 0x0f || p[n + 1] != 0x1f)
		return 0;
	switch (p[n + 2]) {
	case 0x00:
		n += 3;
		break;
	case 0x40:
		n += 4;
		break;
	case 0x44:
		n += 5;
		break;
	case 0x80:
		n += 7;
		break;
	case 0x84:
		n += 8;
		break;
	default:
		return 0;
	}
	return n <= room ? n : 0;
}

/* Seven bytes of padding behind a ret, within reach of a short jump at @site; its offset, or 0. */
static u32 find_padding(const u8 *text, u32 site)
{
	u32 end = MIN(site + 2 + 127, (u32)PAGE_SIZE);

	for (u32 i = site + 4; i < end; i++) {
		u32 pad = i + 1, len = 0, n;

		if (text[i] != 0xc3)
			continue;
		while (pad + len < PAGE_SIZE && len < 16 && (n = padding_length(text + pad + len, (u32)PAGE_SIZE - pad - len)))
			len += n;
		/* Padding ends where the next function begins: anything else may be code that only looks like it. */
		if (len >= 7 && (pad + len) % 16 == 0 && pad <= site + 2 + 127)
			return pad;
	}
	return 0;
}

/* Is there a `mov $nr,%eax; syscall` at @i? A byte before that could be a prefix of the mov rules it out. */
static bool is_mov_site(const u8 *text, u32 i)
{
	const u8 *p = text + i;
	u32 nr;

	if (p[0] != 0xb8 || p[5] != 0x0f || p[6] != 0x05)
		return false;
	if (i == 0 || (p[-1] & 0xf0) == 0x40 || p[-1] == 0x66)
		return false;
	memcpy(&nr, p + 1, 4);
	return nr < NR_MAX;
}

static bool is_xor_site(const u8 *text, u32 i)
{
	const u8 *p = text + i;

	if (p[0] != 0x31 || p[1] != 0xc0 || p[2] != 0x0f || p[3] != 0x05)
		return false;
	return i > 0 && (p[-1] & 0xf0) != 0x40 && p[-1] != 0x66;
}

static void put_jump(u8 *at, u32 slot)
{
	u32 off = slot * 8;

	at[0] = 0xff;
	at[1] = 0x24;
	at[2] = 0x25;
	at[3] = (u8)off;
	at[4] = (u8)(off >> 8);
	at[5] = 0x0f;
	at[6] = 0x05;
}

static void make_stub(u32 slot, u32 nr)
{
	u8 *s = stubs + slot * STUB_BYTES;
	u32 off = slot * 8;
	s32 rel = (s32)((u64)direct_common - (u64)(s + STUB_BYTES));

	s[0] = 0xb8;
	memcpy(s + 1, &nr, 4);
	s[5] = 0x41;
	s[6] = 0xbb;
	memcpy(s + 7, &off, 4);
	s[11] = 0xe9;
	memcpy(s + 12, &rel, 4);
}

/* Patches @text (a copy) and fills @t. @first: slot of the first site. Returns the number of sites. */
static u32 patch_page(u8 *text, struct twin *t, u32 first)
{
	u32 n = 0;

	for (u32 i = 0; i + 7 <= PAGE_SIZE && n < SITES_MAX && first + n < NR_SLOTS; i++) {
		u32 nr, pad;

		if (is_mov_site(text, i)) {
			memcpy(&nr, text + i + 1, 4);
			make_stub(first + n, nr);
			put_jump(text + i, first + n);
			t->after[n++] = (u16)(i + 7);
			i += 6;
		} else if (is_xor_site(text, i) && (pad = find_padding(text, i))) {
			make_stub(first + n, 0);
			put_jump(text + pad, first + n);
			text[i] = 0xeb;
			text[i + 1] = (u8)(pad - (i + 2));
			t->after[n++] = (u16)(i + 4);
			i += 3;
		}
	}
	return n;
}

static bool has_sites(const u8 *text)
{
	const u8 *p = text + 1;

	/* The quick look: most pages have no syscall instruction at all. */
	while ((p = memchr(p, 0x05, (size_t)(text + PAGE_SIZE - p)))) {
		u32 i = (u32)(p - text);

		if (text[i - 1] == 0x0f && ((i >= 6 && is_mov_site(text, i - 6)) || (i >= 3 && is_xor_site(text, i - 3))))
			return true;
		p++;
	}
	return false;
}

/* Scans @p and makes its twin. direct_lock held. */
static struct twin *twin_make(struct page *p)
{
	struct twin *t = kzalloc(sizeof(*t));
	struct page *copy = alloc_pages(0, GFP_NOWAIT);

	if (!t || !copy)
		goto fail;
	memcpy(page_address(copy), page_address(p), PAGE_SIZE);
	t->nr_sites = patch_page(page_address(copy), t, next_slot);
	if (!t->nr_sites)
		goto fail;
	t->first_slot = next_slot;
	next_slot += t->nr_sites;
	t->page = copy;
	t->original = p;
	atomic_or(&copy->flags, PG_TWIN);
	copy->extra = t;
	return t;
fail:
	if (copy)
		put_page(copy);
	kfree(t);
	return &no_twin;
}

static struct twin *twin_get(struct page *p)
{
	struct twin *t = __atomic_load_n((struct twin **)&p->extra, __ATOMIC_ACQUIRE);

	if (t)
		return t;
	if (!has_sites(page_address(p))) {
		__atomic_store_n((struct twin **)&p->extra, &no_twin, __ATOMIC_RELEASE);
		return &no_twin;
	}
	spin_lock(&direct_lock);
	t = p->extra;
	if (!t) {
		t = twin_make(p);
		__atomic_store_n((struct twin **)&p->extra, t, __ATOMIC_RELEASE); /* pairs with the load above */
	}
	spin_unlock(&direct_lock);
	return t;
}

/* Enters the return addresses of @t at @addr; false when a slot is in use for another address. */
static bool claim_slots(struct direct_mm *d, const struct twin *t, u64 addr)
{
	u64 *ret = d->ret + t->first_slot;

	if (t->first_slot + t->nr_sites > d->nr)
		return false;
	if (ret[0] && ret[0] != addr + t->after[0])
		return false;
	for (u32 i = 0; i < t->nr_sites; i++)
		WRITE_ONCE(ret[i], addr + t->after[i]);
	return true;
}

struct page *direct_text_page(struct mm *mm, struct page *p, u64 addr)
{
	struct direct_mm *d = mm->direct;
	struct twin *t;

	if (!d || (p->flags & (PG_ANON | PG_DIRTY | PG_TWIN)))
		return p;
	t = twin_get(p);
	if (t == &no_twin || !claim_slots(d, t, addr))
		return p;
	get_page(t->page);
	put_page(p);
	return t->page;
}

struct page *direct_original(struct page *p)
{
	if (likely(!(p->flags & PG_TWIN)))
		return p;
	return ((struct twin *)p->extra)->original;
}

void direct_forget(struct page *p)
{
	struct twin *t;

	if (likely(!p->extra))
		return;
	spin_lock(&direct_lock);
	t = p->extra;
	p->extra = NULL;
	spin_unlock(&direct_lock);
	if (!t || t == &no_twin)
		return;
	t->page->extra = NULL;
	atomic_and(&t->page->flags, ~PG_TWIN);
	put_page(t->page);
	kfree(t);
}

static int table_fault(struct vm_fault *vf)
{
	u64 index = (vf->addr - DIRECT_TABLE) >> PAGE_SHIFT;

	if (index >= DIRECT_TABLE_SIZE >> PAGE_SHIFT)
		return -EFAULT;
	vf->page = table + index;
	get_page(vf->page);
	return 0;
}

static const char *table_name(struct vma *vma)
{
	return "[umbra]";
}

static const struct vm_ops table_ops = {
	.fault = table_fault,
	.name = table_name,
};

static struct direct_mm *direct_mm_new(u32 nr)
{
	struct direct_mm *d = kzalloc(sizeof(*d) + nr * sizeof(d->ret[0]));

	if (d)
		d->nr = nr;
	return d;
}

u64 *direct_ret_table(struct mm *mm)
{
	struct direct_mm *d = mm ? mm->direct : NULL;

	return d ? d->ret : NULL;
}

void direct_mm_setup(struct mm *mm)
{
	struct direct_mm *d;

	if (!enabled)
		return;
	d = direct_mm_new(MIN(READ_ONCE(next_slot) + SLOT_RESERVE, (u32)NR_SLOTS));
	if (!d)
		return;
	if (install_special_mapping(mm, DIRECT_TABLE, DIRECT_TABLE_SIZE, VM_READ | VM_MAYREAD, &table_ops, NULL) < 0)
		kfree(d);
	else
		mm->direct = d;
}

int direct_mm_dup(struct mm *to, struct mm *from)
{
	const struct direct_mm *d = from->direct;

	if (!d)
		return 0;
	to->direct = kmemdup(d, sizeof(*d) + d->nr * sizeof(d->ret[0]));
	return to->direct ? 0 : -ENOMEM;
}

void direct_mm_free(struct mm *mm)
{
	kfree(mm->direct);
	mm->direct = NULL;
}

void direct_init(void)
{
	if (!(boot->features & UM_FEAT_DIRECT) || !boot->direct_entry || config_get("nodirect"))
		return;
	table = alloc_pages(TABLE_ORDER, 0);
	stubs = kmalloc(NR_SLOTS * STUB_BYTES);
	if (!table || !stubs)
		return;
	for (u32 i = 0; i < NR_SLOTS; i++)
		((u64 *)page_address(table))[i] = (u64)(stubs + i * STUB_BYTES);
	split_page(table, TABLE_ORDER);
	next_slot = 1; /* 0 stays free: a zero offset is never a site */
	enabled = true;
}
