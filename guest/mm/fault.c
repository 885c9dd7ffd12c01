/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page faults: giving programs the memory their mappings promise.
 *
 * What a fault costs is the host mapping behind it, one per physically contiguous run, hardly the pages in it. So a
 * fault fills a window around its page from contiguous memory: 64 KB of anonymous memory, up to 256 KB for a program
 * that walks through its memory, less where a vma is touched here and there; files are in filefault.c. Writes to shared
 * pages whose other owners are gone make the whole neighbourhood writable.
 *
 * Context: mmap_lock held for reading. Memory is allocated and filled without table_lock; entries are looked at again
 * before they change. Replacing an entry: new entry, then flush, then the old page's reference.
 */
#include <abi/pvm.h>
#include <gk/direct.h>
#include <gk/errno.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/uaccess.h>
#include "fault.h"

#define WINDOW_MAX 64u /* pages */
#define COW_WINDOW 4u  /* pages copied at once */
#define COW_MAX 16u    /* the same when a program goes through its memory */

#define SEGV_MAPERR 1
#define SEGV_ACCERR 2
#define BUS_ADRERR 2

/*
 * How much to fill for a fault on untouched anonymous memory. Joining the last window: more. Alone in the middle of
 * nothing: the first few times a chunk all the same, since most programs come back; a vma that keeps doing so gets less
 * and less. table_lock held.
 */
static u32 anon_window(struct vma *v, u64 addr)
{
	u64 chunk = PAGE_SIZE << CHUNK_ORDER, base = ALIGN_DOWN(addr, chunk);

	if (memory_is_low())
		return 1;
	if (addr - v->fault_next < chunk) {
		if (v->fault_streak < 8)
			v->fault_streak++;
		return v->fault_streak >= 4 ? WINDOW_MAX : v->fault_streak >= 2 ? 2 * CHUNK_PAGES : CHUNK_PAGES;
	}
	v->fault_streak = 0;
	if ((base > v->start && entry_present(v->mm, base - PAGE_SIZE)) ||
	    (base + chunk < v->end && entry_present(v->mm, base + chunk))) {
		if (v->fault_lonely)
			v->fault_lonely--;
		return CHUNK_PAGES;
	}
	if (v->fault_lonely < 1024)
		v->fault_lonely++;
	return v->fault_lonely < 64 ? CHUNK_PAGES : v->fault_lonely < 256 ? 4 : 1;
}

/* ---- anonymous memory ---- */

/* What may be replaced by a fresh zero page: nothing, or the zero page. */
static bool is_blank(u64 pte)
{
	return !pte || (pte & PTE_SPECIAL);
}

/* Narrows @w to the run of blank entries around @addr. @pte is the entry of w->start. table_lock held. */
static void narrow_to_blank(struct window *w, const u64 *pte, u64 addr, bool only_none)
{
	u64 lo = addr, hi = addr + PAGE_SIZE;

	pte += (addr - w->start) >> PAGE_SHIFT;
	for (const u64 *p = pte; lo > w->start; lo -= PAGE_SIZE) {
		p--;
		if (only_none ? *p != 0 : !is_blank(*p))
			break;
	}
	for (const u64 *p = pte; hi < w->end; hi += PAGE_SIZE) {
		p++;
		if (only_none ? *p != 0 : !is_blank(*p))
			break;
	}
	w->start = lo;
	w->end = hi;
}

/*
 * @nr zeroed single pages, in runs as long as memory allows; how many (0: none, also not for the one that is needed).
 */
static u32 alloc_window(struct page **pages, u32 nr)
{
	u32 done = 0;

	if (nr == WINDOW_MAX) {
		struct page *p = alloc_pages(6, GFP_USER | GFP_ZERO | GFP_NOWAIT);

		if (p) {
			split_page(p, 6);
			for (; done < nr; done++)
				pages[done] = p + done;
			return nr;
		}
	}
	while (done < nr) {
		u32 run = MIN(nr - done, CHUNK_PAGES);
		struct page *p = alloc_page_run(run, GFP_USER | GFP_ZERO | GFP_NOWAIT);

		if (!p)
			break;
		for (u32 i = 0; i < run; i++)
			pages[done++] = p + i;
	}
	return done;
}

/*
 * Puts fresh pages where entries are still blank. Returns the part of the window where present entries were replaced.
 */
static struct window install_anon(struct vma *v, struct window w, u64 *pte, struct page **pages)
{
	struct window replaced = {~0ull, 0};
	u64 added = 0;

	for (u64 addr = w.start; addr < w.end; addr += PAGE_SIZE, pte++, pages++) {
		struct page *p = *pages;

		if (!is_blank(*pte))
			continue;
		if (*pte & PTE_P) {
			replaced.start = MIN(replaced.start, addr);
			replaced.end = addr + PAGE_SIZE;
		}
		p->flags = PG_USED | PG_ANON;
		WRITE_ONCE(*pte, make_pte(p, v->flags, v->flags & VM_WRITE));
		*pages = NULL;
		added++;
	}
	v->has_anon = true;
	atomic_add_return(&v->mm->rss_anon, added);
	mm_stat_add(STAT_ANON, (s64)added);
	return replaced;
}

static int fill_anon(struct vma *v, u64 addr)
{
	struct page *pages[WINDOW_MAX];
	struct mm *mm = v->mm;
	struct window w, replaced;
	u32 nr, got;
	u64 *pte;

	spin_lock(&mm->table_lock);
	w = window_around(v, addr, anon_window(v, addr));
	pte = pte_alloc(mm, w.start);
	if (pte)
		narrow_to_blank(&w, pte, addr, false);
	spin_unlock(&mm->table_lock);
	if (!pte)
		return -ENOMEM;

	nr = (u32)((w.end - w.start) >> PAGE_SHIFT);
	got = alloc_window(pages, nr);
	if (got < nr) {
		/* Just the page, and whatever it takes to get it. */
		while (got)
			put_page(pages[--got]);
		w = (struct window){addr, addr + PAGE_SIZE};
		nr = 1;
		pages[0] = alloc_page(GFP_USER | GFP_ZERO);
		if (!pages[0])
			return -ENOMEM;
	}

	spin_lock(&mm->table_lock);
	replaced = install_anon(v, w, pte_lookup(mm, w.start), pages);
	v->fault_next = w.end;
	spin_unlock(&mm->table_lock);
	if (replaced.start < replaced.end)
		mmu_flush_range(mm, replaced.start, replaced.end, UM_FLUSH_UNMAP);
	for (u32 i = 0; i < nr; i++) {
		if (pages[i])
			put_page(pages[i]); /* somebody else was there first */
	}
	return 0;
}

/* Reading what was never written: zero pages, a chunk of them. */
static int fill_zero(struct vma *v, u64 addr)
{
	struct window w = window_around(v, addr, CHUNK_PAGES);
	struct mm *mm = v->mm;
	u64 *pte;

	spin_lock(&mm->table_lock);
	pte = pte_alloc(mm, w.start);
	if (pte) {
		narrow_to_blank(&w, pte, addr, true);
		pte = pte_lookup(mm, w.start);
		for (u64 a = w.start; a < w.end; a += PAGE_SIZE, pte++) {
			if (!*pte)
				WRITE_ONCE(*pte, make_pte(zero_page_for(a), v->flags, false) | PTE_SPECIAL);
		}
	}
	spin_unlock(&mm->table_lock);
	return pte ? 0 : -ENOMEM;
}

/* ---- copy on write ---- */

/* @p belongs to nobody but the entry it was found in. table_lock held. */
static bool sole_owner(const struct page *p)
{
	return (p->flags & PG_ANON) && READ_ONCE(p->refs) == 1;
}

/* Makes all pages around @addr writable that belong to us alone. True: @addr is now. table_lock held. */
static bool reuse_around(struct vma *v, u64 addr, u64 *pte)
{
	struct window w;

	if (!sole_owner(pte_page(*pte)) || !(v->flags & VM_WRITE))
		return false;
	w = window_around(v, addr, WINDOW_MAX);
	pte -= (addr - w.start) >> PAGE_SHIFT;
	for (u64 a = w.start; a < w.end; a += PAGE_SIZE, pte++) {
		u64 e = *pte;

		if ((e & (PTE_P | PTE_W | PTE_SPECIAL)) == PTE_P && sole_owner(pte_page(e)))
			WRITE_ONCE(*pte, e | PTE_W | PTE_D);
	}
	return true;
}

static bool needs_copy(u64 e)
{
	return (e & (PTE_P | PTE_HIDDEN)) && !(e & (PTE_W | PTE_SPECIAL));
}

/*
 * The pages around @addr that are shared with others, with references. Returns the first address; @addr's is among
 * them.
 */
static u64 collect_shared(struct vma *v, u64 addr, const u64 *pte, u64 *old, u32 *nr)
{
	struct window w = window_around(v, addr, addr == v->fault_next ? COW_MAX : COW_WINDOW);
	u64 lo = addr, hi = addr + PAGE_SIZE;
	const u64 *p = pte;

	if (!(pte_page(*pte)->flags & PG_ANON))
		w = (struct window){addr, addr + PAGE_SIZE};
	for (; lo > w.start && needs_copy(p[-1]) && (pte_page(p[-1])->flags & PG_ANON); lo -= PAGE_SIZE)
		p--;
	while (hi < w.end && needs_copy(pte[(hi - addr) >> PAGE_SHIFT]) &&
	       (pte_page(pte[(hi - addr) >> PAGE_SHIFT])->flags & PG_ANON))
		hi += PAGE_SIZE;
	v->fault_next = hi;
	*nr = (u32)((hi - lo) >> PAGE_SHIFT);
	for (u32 i = 0; i < *nr; i++) {
		old[i] = p[i];
		get_page(pte_page(p[i]));
	}
	return lo;
}

/* Private pages come from the file's own content, not from a patched copy. */
static void copy_original(struct page *to, struct page *from)
{
	from = direct_original_get(from);
	copy_page(to, from);
	put_page(from);
}

/*
 * Puts the copies where nothing has changed meanwhile. old[] then lists what lost its entry, new[] what was not needed.
 */
static void install_copies(struct vma *v, u64 addr, u64 *old, struct page **new, u32 nr, struct gather *g)
{
	u64 anon = 0, file = 0;
	u64 *pte = pte_lookup(v->mm, addr), *file_rss = NULL;

	for (u32 i = 0; i < nr; i++, addr += PAGE_SIZE) {
		struct page *was = pte_page(old[i]);

		if (pte[i] != old[i])
			continue;
		new[i]->flags = PG_USED | PG_ANON;
		WRITE_ONCE(pte[i], make_pte(new[i], v->flags, v->flags & VM_WRITE));
		new[i] = NULL;
		anon++;
		if (!(was->flags & PG_ANON)) {
			file++;
			file_rss = rss_counter(v, was);
		}
		if (old[i] & PTE_P)
			gather_range(g, addr, addr + PAGE_SIZE);
		gather_page(g, was);
	}
	v->has_anon = true;
	atomic_add_return(&v->mm->rss_anon, file);
	if (file)
		atomic_sub_return(file_rss, file);
	mm_stat_add(STAT_ANON, (s64)anon);
}

/* Private copies of shared pages. The caller has found the entry of @addr and holds table_lock, which is released. */
static int copy_shared(struct vma *v, u64 addr, u64 *pte)
{
	struct page *new[COW_MAX], *run;
	u64 old[COW_MAX], lo;
	struct gather g;
	u32 nr, first = 0;

	lo = collect_shared(v, addr, pte, old, &nr);
	spin_unlock(&v->mm->table_lock);

	gather_init(&g, v->mm);
	g.kind = UM_FLUSH_REPLACE;
	run = alloc_page_run(nr, GFP_USER | (nr > 1 ? GFP_NOWAIT : 0));
	if (!run && nr > 1) {
		/* The needed page alone. */
		first = (u32)((addr - lo) >> PAGE_SHIFT);
		for (u32 i = 0; i < nr; i++) {
			if (i != first)
				put_page(pte_page(old[i]));
		}
		old[0] = old[first];
		lo = addr;
		nr = 1;
		run = alloc_page(GFP_USER);
	}
	if (run) {
		for (u32 i = 0; i < nr; i++) {
			new[i] = run + i;
			copy_original(new[i], pte_page(old[i]));
		}
		spin_lock(&v->mm->table_lock);
		install_copies(v, lo, old, new, nr, &g);
		spin_unlock(&v->mm->table_lock);
	}
	gather_finish(&g);
	for (u32 i = 0; i < nr; i++) {
		struct page *was = pte_page(old[i]);

		release_pages(&was, 1);
		if (run && new[i])
			put_page(new[i]);
	}
	return run ? 0 : -ENOMEM;
}

/* ---- the fault ---- */

static int fault_missing(struct vma *v, u64 addr, bool write)
{
	if (v->flags & VM_SPECIAL)
		return fault_special(v, addr);
	if (v->ops)
		return fault_file(v, addr, write);
	return write ? fill_anon(v, addr) : fill_zero(v, addr);
}

/* A write to an entry that does not allow it. table_lock held; released. */
static int fault_protected(struct vma *v, u64 addr, u64 *pte)
{
	u64 e = *pte;
	struct page *p = pte_page(e);

	if (v->flags & VM_SHARED) {
		if (!needs_mkwrite(v)) {
			if (v->flags & VM_WRITE) {
				WRITE_ONCE(*pte, e | PTE_W | PTE_D);
				note_write(v);
			}
			spin_unlock(&v->mm->table_lock);
			return 0;
		}
		get_page(p);
		spin_unlock(&v->mm->table_lock);
		return write_shared(v, addr, p);
	}
	if (e & PTE_SPECIAL) {
		spin_unlock(&v->mm->table_lock);
		return fill_anon(v, addr);
	}
	if (reuse_around(v, addr, pte)) {
		spin_unlock(&v->mm->table_lock);
		return 0;
	}
	return copy_shared(v, addr, pte);
}

int handle_mm_fault(struct vma *v, u64 addr, u32 flags)
{
	bool write = flags & FAULT_WRITE;
	u64 *pte;

	addr &= PAGE_MASK;
	if (!user_range(addr, PAGE_SIZE))
		return -EFAULT;
	spin_lock(&v->mm->table_lock);
	pte = pte_lookup(v->mm, addr);
	if (!pte || !*pte) {
		spin_unlock(&v->mm->table_lock);
		return fault_missing(v, addr, write);
	}
	/* A tracer's write to what the program itself may not write: done when the page is the program's own. */
	if (write && !(*pte & PTE_W) && !((flags & FAULT_FORCE) && sole_owner(pte_page(*pte)) && !(*pte & PTE_SPECIAL)))
		return fault_protected(v, addr, pte);
	spin_unlock(&v->mm->table_lock);
	return 0;
}

/* ---- stacks ---- */

/* mmap_lock held for writing. */
static bool grow_stack(struct vma *v, u64 addr)
{
	struct mm *mm = v->mm;
	struct vma *prev = vma_prev(v);
	u64 limit = current->process->rlim[RLIMIT_STACK].cur;

	addr &= PAGE_MASK;
	if (addr >= v->start)
		return true;
	if (!user_range(addr, v->end - addr) || v->end - addr > limit)
		return false;
	if (prev && (prev->flags & (VM_READ | VM_WRITE | VM_EXEC)) && addr - prev->end < STACK_GUARD_GAP)
		return false;
	if (prev && prev->end > addr)
		return false;
	if (may_expand(mm, v->flags, (v->start - addr) >> PAGE_SHIFT) ||
	    ((v->flags & VM_LOCKED) && may_lock(mm, (v->start - addr) >> PAGE_SHIFT)))
		return false;
	vma_resize(v, addr, v->end);
	return true;
}

struct vma *vma_for_access(struct mm *mm, u64 addr)
{
	struct vma *v = vma_find(mm, addr);

	if (!v || v->start <= addr)
		return v;
	if (!(v->flags & VM_GROWSDOWN))
		return NULL;
	up_read(&mm->mmap_lock);
	down_write(&mm->mmap_lock);
	v = vma_find(mm, addr);
	if (v && v->start > addr && (!(v->flags & VM_GROWSDOWN) || !grow_stack(v, addr)))
		v = NULL;
	downgrade_write(&mm->mmap_lock);
	return v;
}

/* ---- entry ---- */

static bool access_allowed(const struct vma *v, u32 error)
{
	if (error & PVM_PF_WRITE)
		return v->flags & VM_WRITE;
	if (error & PVM_PF_INSTR)
		return v->flags & VM_EXEC;
	return v->flags & (VM_READ | VM_WRITE | VM_EXEC);
}

/*
 * Memory that is not to be had, also not for tables, whose allocation does not wait. 0: some was freed, or will be
 * soon. Who is being killed does not get the page (the kernel's copy to it would be tried for ever), but needs no
 * signal: *sig is 0.
 */
static int out_of_memory(int *sig, int *code)
{
	if (unlikely(faults_on) && !memory_is_low())
		return 0; /* not in earnest */
	if (reclaim_for_alloc(0, true, 0))
		return 0;
	*sig = fatal_signal_pending() ? 0 : SIGKILL;
	*code = SI_KERNEL;
	return -EFAULT;
}

int handle_page_fault(u64 addr, u32 error, int *sig, int *code)
{
	struct mm *mm = current->mm;
	struct vma *v;
	int err;

	*sig = SIGSEGV;
	*code = SEGV_MAPERR;
	if (!mm || current->no_faults || !user_range(addr & PAGE_MASK, PAGE_SIZE))
		return -EFAULT;
	down_read(&mm->mmap_lock);
	v = vma_for_access(mm, addr);
	if (!v) {
		err = -EFAULT;
	} else if (!access_allowed(v, error)) {
		err = -EFAULT;
		*code = SEGV_ACCERR;
	} else {
		err = handle_mm_fault(v, addr, error & PVM_PF_WRITE ? FAULT_WRITE : 0);
	}
	up_read(&mm->mmap_lock);
	current->acct.minflt++;
	if (likely(!err))
		return 0;
	if (err == -ENOMEM)
		return out_of_memory(sig, code);
	if (err == -EIO) {
		*sig = SIGBUS;
		*code = BUS_ADRERR;
	}
	return -EFAULT;
}

int user_fault_in(u64 addr, bool write)
{
	int sig, code;

	return handle_page_fault(addr, PVM_PF_USER | (write ? PVM_PF_WRITE : 0), &sig, &code);
}

int populate_range(struct mm *mm, u64 start, u64 end)
{
	while (start < end) {
		struct vma *v = vma_find(mm, start);
		bool write;

		if (!v || v->start > start)
			return -ENOMEM;
		write = (v->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE;
		for (; start < MIN(v->end, end); start += PAGE_SIZE) {
			int err;

			if (!(v->flags & (VM_READ | VM_WRITE | VM_EXEC))) {
				start = v->end;
				break;
			}
			err = handle_mm_fault(v, start, write ? FAULT_WRITE : 0);
			if (err)
				return err;
			if (fatal_signal_pending())
				return -EINTR;
		}
	}
	return 0;
}
