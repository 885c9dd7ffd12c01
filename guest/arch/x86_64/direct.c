/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Direct switch: patched twins of text pages.
 *
 * A site is a syscall instruction (0f 05) behind instructions that can run elsewhere just as well: mostly `mov
 * $nr,%eax`, sometimes with a few register moves after it (see lead_length()). The last five bytes before the 0f 05
 * become ff 24 25 lo hi, which together with the untouched 0f 05 is `jmp *0x050fhhll`: an indirect jump through a table
 * at DIRECT_TABLE, from any address, so that one twin serves every process. What stood there (the lead) moves to the
 * stub. Where there is only `xor %eax,%eax`, its two bytes become a short jump to padding behind an unconditional ret,
 * where the seven bytes are written. The 0f 05 stays a valid instruction: restarts (RIP - 2) and jumps straight to it
 * trap as ever. Its 05 may be the first byte of the next page (that is so where glibc 2.36 opens files for itself): who
 * maps one page without the other, or changes that byte alone, has cut an instruction in half anyhow.
 *
 * Every site has a slot: an entry of the table (the same for all), a stub in kernel memory, and in each process a
 * return address (direct_mm.ret[], reached through GS: struct cpu.direct_ret, which mm_switch() sets). The slot of a
 * page belongs to one address in a process; a second mapping of the page elsewhere gets the original.
 *
 *	site:   jmp *table(slot)
 *	stub:   the lead; mov $slot*8,%r11d; jmp direct_common
 *	common: rcx = cpu->direct_ret[slot]; jmp *cpu->direct_entry     (direct.S)
 *
 * Locks: direct_lock (slots, making and freeing twins) is a leaf.
 */
#include <abi/pvm.h>
#include <gk/direct.h>
#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/init.h>
#include <gk/mm.h>
#include <gk/percpu.h>
#include <gk/printk.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/task.h>

#include "direct_sites.h"

#define NR_SLOTS (DIRECT_TABLE_SIZE / 8)
#define STUB_BYTES 32
#define SITES_MAX 128 /* in one page; more stay unpatched */

#define TABLE_ORDER 4
_Static_assert(DIRECT_TABLE_SIZE == PAGE_SIZE << TABLE_ORDER, "one block");

/* How many slots beyond those known at exec a process can take; later ones stay unpatched in it. */
#define SLOT_RESERVE 1024

/* One process: mm->direct. */
struct direct_mm {
	u32 nr; /* slots there is room for; immutable */
	enum direct_text whose;
	u64 ret[]; /* by slot; 0: this process has no such site */
};

/* What a page's sites are: hangs off the original (page->extra). Immutable once published. */
struct twin {
	struct page *page;     /* the patched copy, holds a reference */
	struct page *original; /* no reference: direct_forget() comes first */
	u32 nr_sites;
	u32 first_slot;	      /* slots are consecutive */
	u16 after[SITES_MAX]; /* offset behind the syscall instruction */
};

/* Marks a page that was scanned and has no sites. */
static struct twin no_twin;

static spinlock_t direct_lock;
static u32 next_slot;	   /* direct_lock */
static struct page *table; /* one block: NR_SLOTS pointers */
/* In the image, so that direct_common is near: on a large machine what is allocated may be more than 2 GB away. */
static u8 stubs[NR_SLOTS * STUB_BYTES];
static bool enabled;

extern const char direct_common[];

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

static void make_stub(u32 slot, const u8 *lead, u32 len)
{
	u8 *s = stubs + slot * STUB_BYTES, *p = s;
	u32 off = slot * 8;
	s32 rel;

	memcpy(p, lead, len);
	p += len;
	*p++ = 0x41; /* mov $off,%r11d */
	*p++ = 0xbb;
	memcpy(p, &off, 4);
	p += 4;
	rel = (s32)((u64)direct_common - (u64)(p + 5));
	*p++ = 0xe9; /* jmp direct_common */
	memcpy(p, &rel, 4);
}
_Static_assert(DIRECT_LEAD_MAX + 6 + 5 <= STUB_BYTES, "a stub has room for the longest lead");

/* Patches @text (a copy) and fills @t. @first: slot of the first site. Returns the number of sites. */
static u32 patch_page(u8 *text, u8 beyond, struct twin *t, u32 first)
{
	struct direct_site s = {};
	u32 n = 0;

	while (n < SITES_MAX && first + n < NR_SLOTS && direct_next_site(text, beyond, &s)) {
		make_stub(first + n, text + s.at - s.lead, s.lead);
		if (s.pad) {
			put_jump(text + s.pad, first + n);
			text[s.at - 2] = 0xeb; /* jmp pad */
			text[s.at - 1] = (u8)(s.pad - s.at);
		} else {
			memset(text + s.at - s.lead, 0x90, s.lead - 5);
			put_jump(text + s.at - 5, first + n);
		}
		t->after[n++] = (u16)(s.at + 2);
	}
	return n;
}

static bool has_sites(const u8 *text, u8 beyond)
{
	return direct_next_site(text, beyond, &(struct direct_site){});
}

/*
 * Makes @copy the twin of @p: patched, or (no sites) the same. Consumes @copy. direct_lock held.
 */
static void twin_make(struct page *p, struct page *copy, u8 beyond)
{
	struct twin *t = kzalloc(sizeof(*t));

	if (!t || p->extra) {
		put_page(copy);
		kfree(t);
		return;
	}
	memcpy(page_address(copy), page_address(p), PAGE_SIZE);
	t->nr_sites = patch_page(page_address(copy), beyond, t, next_slot);
	t->first_slot = next_slot;
	next_slot += t->nr_sites;
	t->page = copy;
	t->original = p;
	copy->extra = t;
	atomic_or(&copy->flags, PG_TWIN);
	__atomic_store_n((struct twin **)&p->extra, t, __ATOMIC_RELEASE); /* pairs with the load in twin_of() */
}

static struct twin *twin_of(struct page *p)
{
	return __atomic_load_n((struct twin **)&p->extra, __ATOMIC_ACQUIRE);
}

/* The first byte behind page p[i], or 0 if that is not among the @n. */
static u8 byte_behind(struct page **p, u32 i, u32 n)
{
	return i + 1 < n && p[i + 1]->index == p[i]->index + 1 ? *(const u8 *)page_address(p[i + 1]) : 0;
}

/*
 * Scans pages of one chunk of a file. If there is a site in any, all get twins, even without sites: they lie in RAM as
 * they lie in the file, so that one host mapping covers them.
 */
static void twin_group(struct page **p, u32 n)
{
	u32 span = (u32)(p[n - 1]->index - p[0]->index) + 1;
	struct page *block = NULL;
	bool any = false;

	for (u32 i = 0; i < n; i++)
		any = any || has_sites(page_address(p[i]), byte_behind(p, i, n));
	if (any)
		block = alloc_page_run(span, GFP_USER | GFP_NOWAIT);
	spin_lock(&direct_lock);
	for (u32 i = 0; i < n; i++) {
		if (!block) {
			if (!p[i]->extra)
				__atomic_store_n((struct twin **)&p[i]->extra, &no_twin, __ATOMIC_RELEASE);
			continue;
		}
		get_page(block + (p[i]->index - p[0]->index));
		twin_make(p[i], block + (p[i]->index - p[0]->index), byte_behind(p, i, n));
	}
	spin_unlock(&direct_lock);
	for (u32 i = 0; block && i < span; i++)
		put_page(block + i);
}

/* Enters the return addresses of @t at @addr; false when a slot is in use for another address. */
static bool claim_slots(struct direct_mm *d, const struct twin *t, u64 addr)
{
	u64 *ret = d->ret + t->first_slot;

	if (!t->nr_sites)
		return true;
	if (t->first_slot + t->nr_sites > d->nr)
		return false;
	if (ret[0] && ret[0] != addr + t->after[0])
		return false;
	for (u32 i = 0; i < t->nr_sites; i++)
		WRITE_ONCE(ret[i], addr + t->after[i]);
	return true;
}

/* What to map at @addr: the twin of @p or @p. The reference moves along. */
static struct page *twin_or_self(struct direct_mm *d, struct page *p, u64 addr)
{
	struct twin *t = twin_of(p);

	if (!t || t == &no_twin || !claim_slots(d, t, addr))
		return p;
	get_page(t->page);
	put_page(p);
	return t->page;
}

static bool may_have_twin(const struct page *p)
{
	return !(p->flags & (PG_ANON | PG_DIRTY | PG_TWIN));
}

bool direct_text(const struct vma *v)
{
	const struct direct_mm *d = v->mm->direct;

	if (!d || !v->file || (v->flags & (VM_EXEC | VM_WRITE)) != VM_EXEC || (v->flags & VM_SPECIAL))
		return false;
	return d->whose == DIRECT_ALL || (v->mm->exe_file && v->file->inode == v->mm->exe_file->inode);
}

void direct_text_pages(struct mm *mm, struct page **p, u32 n, u64 first, u64 base)
{
	struct direct_mm *d = mm->direct;
	u32 end;

	if (!d)
		return;
	for (u32 i = 0; i < n; i = end) {
		bool fresh = false;

		for (end = i;
		     end < n && p[end]->index / CHUNK_PAGES == p[i]->index / CHUNK_PAGES && may_have_twin(p[end]);
		     end++)
			fresh = fresh || !twin_of(p[end]);
		if (end == i) {
			end++;
			continue;
		}
		if (fresh)
			twin_group(p + i, end - i);
		for (u32 k = i; k < end; k++)
			p[k] = twin_or_self(d, p[k], base + ((p[k]->index - first) << PAGE_SHIFT));
	}
}

/* A twin's original, while it is one: direct_forget() takes the same lock. */
struct page *direct_original_get(struct page *p)
{
	if (unlikely(p->flags & PG_TWIN)) {
		spin_lock(&direct_lock);
		if (p->flags & PG_TWIN)
			p = ((struct twin *)p->extra)->original;
		get_page(p);
		spin_unlock(&direct_lock);
	} else {
		get_page(p);
	}
	return p;
}

void direct_forget(struct page *p)
{
	struct twin *t;

	if (likely(!p->extra))
		return;
	spin_lock(&direct_lock);
	t = p->extra;
	p->extra = NULL;
	if (t && t != &no_twin) {
		atomic_and(&t->page->flags, ~PG_TWIN);
		t->page->extra = NULL;
	}
	spin_unlock(&direct_lock);
	if (!t || t == &no_twin)
		return;
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

static struct direct_mm *direct_mm_new(u32 nr, enum direct_text whose)
{
	struct direct_mm *d = kzalloc(sizeof(*d) + nr * sizeof(d->ret[0]));

	if (d) {
		d->nr = nr;
		d->whose = whose;
	}
	return d;
}

u64 *direct_ret_table(struct mm *mm)
{
	struct direct_mm *d = mm ? mm->direct : NULL;

	/* After direct_mm_disable() a thread may still be on its way through a stub. */
	if (mm && !d)
		d = mm->direct_retired;
	return d ? d->ret : NULL;
}

void direct_mm_setup(struct mm *mm, enum direct_text whose)
{
	struct direct_mm *d;

	if (!enabled || current->ptrace) /* a tracer wants to see the file's instructions */
		return;
	d = direct_mm_new(MIN(READ_ONCE(next_slot) + SLOT_RESERVE, (u32)NR_SLOTS), whose);
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
	kfree(mm->direct_retired);
	mm->direct = mm->direct_retired = NULL;
}

void direct_mm_disable(struct mm *mm)
{
	if (!READ_ONCE(mm->direct))
		return;
	down_write(&mm->mmap_lock);
	if (mm->direct) {
		/* Kept until exit: other threads may be in a stub, on their way to its return addresses. */
		mm->direct_retired = mm->direct;
		mm->direct = NULL;
		zap_text(mm);
	}
	up_write(&mm->mmap_lock);
}

void direct_init(void)
{
	if (!(boot->features & UM_FEAT_DIRECT) || !boot->direct_entry || config_get("nodirect"))
		return;
	table = alloc_pages(TABLE_ORDER, 0);
	if (!table)
		return;
	for (u32 i = 0; i < NR_SLOTS; i++)
		((u64 *)page_address(table))[i] = (u64)(stubs + i * STUB_BYTES);
	split_page(table, TABLE_ORDER);
	next_slot = 1; /* 0 stays free: a zero offset is never a site */
	enabled = true;
}
