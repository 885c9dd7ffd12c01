/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Direct switch: patched twins of text pages.
 *
 * A site is a syscall instruction (0f 05) behind instructions that can run elsewhere just as well: mostly `mov $nr,%eax`,
 * sometimes with a few register moves after it (see lead_length()). The last five bytes before the 0f 05 become ff 24 25 lo hi,
 * which together with the untouched 0f 05 is `jmp *0x050fhhll`: an indirect jump through a table at DIRECT_TABLE, from any
 * address, so that one twin serves every process. What stood there (the lead) moves to the stub. Where there is only
 * `xor %eax,%eax`, its two bytes become a short jump to padding behind an unconditional ret, where the seven bytes are
 * written. The 0f 05 stays a valid instruction: restarts (RIP - 2) and jumps straight to it trap as ever. Its 05 may be the
 * first byte of the next page (that is so where glibc 2.36 opens files for itself): who maps one page without the other, or
 * changes that byte alone, has cut an instruction in half anyhow.
 *
 * Every site has a slot: an entry of the table (the same for all), a stub in kernel memory, and in each process a return
 * address (direct_mm.ret[], reached through GS: struct cpu.direct_ret, which mm_switch() sets). The slot of a page belongs to one address in a
 * process; a second mapping of the page elsewhere gets the original.
 *
 *	site:   jmp *table(slot)
 *	stub:   the lead; mov $slot*8,%r11d; jmp direct_common
 *	common: rcx = cpu->direct_ret[slot]; jmp *cpu->direct_entry     (arch/x86_64/entry.S)
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

#define NR_SLOTS (DIRECT_TABLE_SIZE / 8)
#define STUB_BYTES 32
#define LEAD_MAX 20   /* bytes of instructions that move to the stub */
#define SITES_MAX 128 /* in one page; more stay unpatched */
#define NR_MAX 512    /* no system call has a higher number: such a mov is no site */

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
		while (pad + len < PAGE_SIZE && len < 16 &&
		       (n = padding_length(text + pad + len, (u32)PAGE_SIZE - pad - len)))
			len += n;
		/* Padding ends where the next function begins: anything else may be code that only looks like it. */
		if (len >= 7 && (pad + len) % 16 == 0 && pad <= site + 2 + 127)
			return pad;
	}
	return 0;
}

/*
 * The length of the instruction at @p if it is one of the few that may stand between the mov and the syscall and that mean the
 * same at any address: moves and logic between registers, with small immediates, loads and stores not relative to RIP. Else 0.
 */
static u32 movable_length(const u8 *p, const u8 *end)
{
	const u8 *start = p;
	u8 op, modrm, mod;
	u32 imm = 0;

	if (end - p < 2)
		return 0;
	if ((*p & 0xf0) == 0x40)
		p++;
	op = *p++;
	if ((op & 0xf8) == 0xb8) /* mov $imm32,%reg; with REX.W it would have 64 bits */
		return p - 1 > start && (start[0] & 8) ? 0 : (u32)(p - start) + 4;
	switch (op) {
	case 0x01: /* add */
	case 0x21: /* and */
	case 0x29: /* sub */
	case 0x31: /* xor */
	case 0x33:
	case 0x63: /* movslq */
	case 0x85: /* test */
	case 0x89: /* mov */
	case 0x8b:
	case 0x8d: /* lea */
		break;
	case 0x80:
	case 0x83:
		imm = 1;
		break;
	case 0x81:
	case 0xc7:
		imm = 4;
		break;
	default:
		return 0;
	}
	if (p >= end)
		return 0;
	modrm = *p++;
	mod = modrm >> 6;
	if (mod == 0 && (modrm & 7) == 5)
		return 0; /* relative to RIP */
	if (mod != 3 && (modrm & 7) == 4) {
		if (p >= end || (mod == 0 && (*p & 7) == 5))
			return 0;
		p++;
	}
	p += mod == 1 ? 1 : mod == 2 ? 4 : 0;
	return (u32)(p - start) + imm;
}

/* Do movable instructions fill [@from, @to) exactly? */
static bool all_movable(const u8 *from, const u8 *to)
{
	while (from < to) {
		u32 n = movable_length(from, to);

		if (!n)
			return false;
		from += n;
	}
	return from == to;
}

/* Whole sequences that are known for what they are: the generic call of the C library, those of the Go runtime. */
static const struct {
	u8 len, lead; /* bytes to match; how many of them, at the end, move */
	u8 bytes[12];
} known[] = {
	{5, 5, {0x4c, 0x8b, 0x4c, 0x24, 0x08}},
	{5, 5, {0x48, 0x8b, 0x44, 0x24, 0x08}},
	{12, 6, {0x49, 0x89, 0xf2, 0x48, 0x89, 0xfa, 0x48, 0x89, 0xce, 0x48, 0x89, 0xdf}},
};

/*
 * `mov $15,%rax; syscall`: what signal handlers return to. Unwinders know these nine bytes where a C library has no unwind
 * information for them, so only glibc's are patched, which has it: aligned, and not behind the single nop that others put
 * there for the unwinder's sake.
 */
#define RESTORER_LEAD 7
static bool is_restorer(const u8 *text, u32 i)
{
	static const u8 mov[RESTORER_LEAD] = {0x48, 0xc7, 0xc0, 0x0f};

	return i > 16 && (i - RESTORER_LEAD) % 16 == 0 && !memcmp(text + i - RESTORER_LEAD, mov, sizeof(mov)) &&
	       text[i - RESTORER_LEAD - 1] != 0x90;
}

/*
 * May the bytes [@from, @to) be part of a 64-bit immediate, as in a program that puts system calls together itself? Nothing
 * else in an instruction is long enough to look like a lead and a syscall.
 */
static bool maybe_immediate(const u8 *text, u32 from, u32 to)
{
	for (u32 q = MAX(from, 9u) - 8; q < from && q + 1 < to; q++) {
		if ((text[q] & 0xf8) == 0xb8 && (text[q - 1] & 0xf8) == 0x48)
			return true;
	}
	return false;
}

/* Does a branch in this page, if these bytes are one, lead into the middle of [@from, @to)? */
static bool branch_into(const u8 *text, u32 from, u32 to)
{
	for (u32 i = 0; i + 6 <= PAGE_SIZE; i++) {
		u32 target;
		s32 rel;

		if ((text[i] & 0xf0) == 0x70 || text[i] == 0xeb) {
			target = i + 2 + (u32)(s8)text[i + 1];
		} else if (text[i] == 0xe9 || (text[i] == 0x0f && (text[i + 1] & 0xf0) == 0x80)) {
			u32 opcode = text[i] == 0x0f ? 2 : 1;

			memcpy(&rel, text + i + opcode, 4);
			target = i + opcode + 4 + (u32)rel;
		} else {
			continue;
		}
		if (target > from && target < to)
			return true;
	}
	return false;
}

/*
 * The lead of the syscall instruction at @i: how many bytes before it can move to a stub, 0 if we do not know. Without the
 * beginning of the function there is no telling where instructions begin, so a lead has to start with a `mov $nr,%eax` (five
 * bytes of which three or four are known) that no byte before it can be a prefix of, and decode to the end.
 */
static u32 lead_length(const u8 *text, u32 i)
{
	if (is_restorer(text, i))
		return RESTORER_LEAD;
	for (u32 k = 0; k < ARRAY_SIZE(known); k++) {
		if (i >= known[k].len && !memcmp(text + i - known[k].len, known[k].bytes, known[k].len))
			return maybe_immediate(text, i - known[k].len, i + 2) ? 0 : known[k].lead;
	}
	for (u32 len = 5; len <= LEAD_MAX && len < i; len++) {
		const u8 *p = text + i - len;
		u32 nr;

		if (p[0] != 0xb8 || (p[-1] & 0xf0) == 0x40 || p[-1] == 0x66)
			continue;
		memcpy(&nr, p + 1, 4);
		if (nr >= NR_MAX || !all_movable(p, text + i) || maybe_immediate(text, i - len, i + 2))
			continue;
		return len > 5 && branch_into(text, i - len, i) ? 0 : len;
	}
	return 0;
}

/* Four bytes may stand in any instruction; with the test for errors that C libraries have behind their calls it is ten. */
static bool is_xor_site(const u8 *text, u32 i)
{
	static const u8 cmp[] = {0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff};

	return i > 2 && i + 2 + sizeof(cmp) <= PAGE_SIZE && text[i - 2] == 0x31 && text[i - 1] == 0xc0 &&
	       (text[i - 3] & 0xf0) != 0x40 && text[i - 3] != 0x66 && !memcmp(text + i + 2, cmp, sizeof(cmp));
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
_Static_assert(LEAD_MAX + 6 + 5 <= STUB_BYTES, "a stub has room for the longest lead");

/*
 * The next syscall instruction at or after @i, or PAGE_SIZE. @beyond is the first byte of the next page, if that is known: the
 * last instruction may end with it.
 */
static u32 next_syscall(const u8 *text, u32 i, u8 beyond)
{
	while (i + 1 < PAGE_SIZE) {
		const u8 *p = memchr(text + i, 0x0f, PAGE_SIZE - 1 - i);

		if (!p)
			break;
		if (p[1] == 0x05)
			return (u32)(p - text);
		i = (u32)(p - text) + 1;
	}
	return i < PAGE_SIZE && text[PAGE_SIZE - 1] == 0x0f && beyond == 0x05 ? PAGE_SIZE - 1 : PAGE_SIZE;
}

/* Patches @text (a copy) and fills @t. @first: slot of the first site. Returns the number of sites. */
static u32 patch_page(u8 *text, u8 beyond, struct twin *t, u32 first)
{
	u32 n = 0;

	for (u32 i = next_syscall(text, 0, beyond); i < PAGE_SIZE; i = next_syscall(text, i + 2, beyond)) {
		u32 lead = lead_length(text, i), pad;

		if (n == SITES_MAX || first + n == NR_SLOTS)
			break;
		if (lead) {
			make_stub(first + n, text + i - lead, lead);
			memset(text + i - lead, 0x90, lead - 5);
			put_jump(text + i - 5, first + n);
		} else if (is_xor_site(text, i) && (pad = find_padding(text, i - 2))) {
			make_stub(first + n, text + i - 2, 2);
			put_jump(text + pad, first + n);
			text[i - 2] = 0xeb;
			text[i - 1] = (u8)(pad - i);
		} else {
			continue;
		}
		t->after[n++] = (u16)(i + 2);
	}
	return n;
}

static bool has_sites(const u8 *text, u8 beyond)
{
	for (u32 i = next_syscall(text, 0, beyond); i < PAGE_SIZE; i = next_syscall(text, i + 2, beyond)) {
		if (lead_length(text, i) || is_xor_site(text, i))
			return true;
	}
	return false;
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
 * Scans pages of one chunk of a file. If there is a site in any, all get twins, even without sites: they lie in RAM as they lie
 * in the file, so that one host mapping covers them.
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
