/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page faults on files and on special mappings.
 *
 * Shared pages and private ones that are only read are the page cache's own (or a patched twin, gk/direct.h). What is
 * cached around the fault is mapped along with it, 512 KB at a time; the data of a program or library gets private
 * copies as a whole.
 *
 * Context and rules: as in fault.c. A page that has left its file is not mapped any more: page->mapping is looked at
 * under table_lock.
 */
#include <abi/pvm.h>
#include <gk/direct.h>
#include <gk/errno.h>
#include <gk/task.h>
#include "cache.h"
#include "fault.h"

#define FILE_WINDOW 128u /* cached pages mapped at once */
#define DATA_PAGES 32u	 /* a private writable mapping of a file up to this size is copied as a whole */

/* Small vmas are done at once. */
static struct window file_window(const struct vma *v, u64 addr)
{
	if (v->end - v->start <= FILE_WINDOW << PAGE_SHIFT)
		return (struct window){v->start, v->end};
	return window_around(v, addr, FILE_WINDOW);
}

static struct mapping *vma_mapping(const struct vma *v)
{
	return &v->file->inode->mapping;
}

bool needs_mkwrite(const struct vma *v)
{
	return v->file && vma_mapping(v)->ops && !vma_mapping(v)->ops->no_backing;
}

/*
 * Maps @p (our reference goes to the entry or is dropped) unless something is there or the page has left the file, of
 * which @original is the page (@p, or what @p is the twin of). table_lock held. @write: already allowed. @m NULL: not
 * of a file.
 */
static void install_file(struct vma *v, u64 *pte, struct page *p, const struct page *original, struct mapping *m,
			 bool write)
{
	if (*pte || (m && READ_ONCE(original->mapping) != m)) {
		put_page(p);
		return;
	}
	WRITE_ONCE(*pte, make_pte(p, v->flags, write));
	atomic_add_return(rss_counter(v, p), 1);
}

/* References to what is cached of the file behind @w; *first is the index of its first page. */
static u32 cached_in(struct vma *v, struct window w, struct page **pages, u64 *first)
{
	u64 size = file_pages(v->file->inode), last;

	*first = vma_pgoff_at(v, w.start);
	last = MIN(*first + ((w.end - w.start) >> PAGE_SHIFT), size);
	return last > *first ? cache_gang(vma_mapping(v), *first, last - 1, pages, FILE_WINDOW, true) : 0;
}

/*
 * Maps p[0..n) at the places of @original[0..n), whose indices count from @first at @base. False: no memory for a
 * table. table_lock held.
 */
static bool install_window(struct vma *v, u64 base, u64 first, struct page **p, struct page **original, u32 n,
			   bool write)
{
	u64 *pte = NULL, last = 0;
	bool ok = true;

	for (u32 i = 0; i < n; i++) {
		u64 at = base + ((original[i]->index - first) << PAGE_SHIFT);

		pte = pte && at / PMD_SIZE == last / PMD_SIZE ? pte + ((at - last) >> PAGE_SHIFT)
							      : pte_alloc(v->mm, at);
		last = at;
		if (pte)
			install_file(v, pte, p[i], original[i], vma_mapping(v), write);
		else
			put_page(p[i]);
		ok = ok && pte;
	}
	return ok;
}

/* Cached pages around @addr, among them its own. */
static int map_around(struct vma *v, u64 addr, bool write)
{
	struct page *pages[FILE_WINDOW], *original[FILE_WINDOW];
	struct window w = file_window(v, addr);
	bool text = direct_text(v), ok;
	u64 first;
	u32 n = cached_in(v, w, pages, &first);

	/* Of a twin's page only the place is needed; that it stays in the file is looked at under the lock. */
	memcpy(original, pages, n * sizeof(pages[0]));
	if (text) {
		for (u32 i = 0; i < n; i++)
			get_page(original[i]);
		direct_text_pages(v->mm, pages, n, first, w.start);
	}
	spin_lock(&v->mm->table_lock);
	ok = install_window(v, w.start, first, pages, original, n, write) || entry_present(v->mm, addr);
	spin_unlock(&v->mm->table_lock);
	for (u32 i = 0; text && i < n; i++)
		put_page(original[i]);
	return ok ? 0 : -ENOMEM;
}

static int map_one(struct vma *v, u64 addr, struct page *p, bool write)
{
	struct mapping *m = p->mapping;
	u64 *pte;

	spin_lock(&v->mm->table_lock);
	pte = pte_alloc(v->mm, addr);
	if (pte)
		install_file(v, pte, p, p, v->flags & VM_SPECIAL ? NULL : m, write);
	spin_unlock(&v->mm->table_lock);
	if (!pte)
		put_page(p);
	return pte ? 0 : -ENOMEM;
}

/* The page lock keeps write-back from cleaning the page before the entry is written. */
int write_shared(struct vma *v, u64 addr, struct page *p)
{
	struct vm_fault vf = {.vma = v, .addr = addr, .pgoff = vma_pgoff_at(v, addr), .error = PVM_PF_WRITE, .page = p};
	struct mapping *m = vma_mapping(v);
	u64 *pte;
	int err;

	if (v->ops->page_mkwrite) {
		err = v->ops->page_mkwrite(&vf);
		if (err) {
			put_page(p);
			return err == -ENOMEM || err == -EFAULT ? err : -EIO;
		}
	}
	page_lock(p);
	if (p->mapping != m) {
		page_unlock(p);
		put_page(p);
		return 0; /* truncated meanwhile: the access is tried again */
	}
	cache_forget_twin(m, p);
	mapping_set_dirty(m, p);
	spin_lock(&v->mm->table_lock);
	pte = pte_alloc(v->mm, addr);
	err = pte ? 0 : -ENOMEM;
	if (pte && !*pte) {
		get_page(p);
		install_file(v, pte, p, p, m, true);
	} else if (pte && pte_page(*pte) == p) {
		WRITE_ONCE(*pte, *pte | PTE_W | PTE_D);
	}
	spin_unlock(&v->mm->table_lock);
	page_unlock(p);
	put_page(p);
	return err;
}

/* Puts a private page where nothing is. False: something is, or there is no memory. table_lock held. */
static bool install_private(struct vma *v, u64 addr, u64 *pte, struct page *copy)
{
	if (!pte || *pte)
		return false;
	copy->flags = PG_USED | PG_ANON;
	WRITE_ONCE(*pte, make_pte(copy, v->flags, v->flags & VM_WRITE));
	v->has_anon = true;
	atomic_inc(&v->mm->rss_anon);
	mm_stat_add(STAT_ANON, 1);
	return true;
}

/* A private copy of a file's page that was not mapped before. Consumes the reference. */
static int write_private(struct vma *v, u64 addr, struct page *p)
{
	struct page *copy = alloc_page(GFP_USER);
	bool used;
	u64 *pte;

	if (!copy) {
		put_page(p);
		return -ENOMEM;
	}
	copy_page(copy, p);
	put_page(p);
	spin_lock(&v->mm->table_lock);
	pte = pte_alloc(v->mm, addr);
	used = install_private(v, addr, pte, copy);
	spin_unlock(&v->mm->table_lock);
	if (!used)
		put_page(copy);
	return pte ? 0 : -ENOMEM;
}

/*
 * The data of a program or library: what is cached of it gets private copies, side by side in memory. True if @addr is
 * mapped now.
 */
static bool copy_data(struct vma *v, u64 addr)
{
	struct window w = {v->start, v->end};
	struct page *pages[FILE_WINDOW], *copy[DATA_PAGES];
	bool done;
	u32 n, got = 0;
	u64 first;

	n = cached_in(v, w, pages, &first);
	while (got < n) {
		u32 run = MIN(n - got, CHUNK_PAGES);
		struct page *p = alloc_page_run(run, GFP_USER | GFP_NOWAIT);

		if (!p)
			break;
		for (u32 i = 0; i < run; i++)
			copy[got++] = p + i;
	}
	for (u32 i = 0; i < got; i++)
		copy_page(copy[i], pages[i]);
	spin_lock(&v->mm->table_lock);
	for (u32 i = 0; i < got; i++) {
		u64 at = w.start + ((pages[i]->index - first) << PAGE_SHIFT);

		if (install_private(v, at, pte_alloc(v->mm, at), copy[i]))
			copy[i] = NULL;
	}
	done = entry_present(v->mm, addr);
	spin_unlock(&v->mm->table_lock);
	for (u32 i = 0; i < n; i++) {
		put_page(pages[i]);
		if (i < got && copy[i])
			put_page(copy[i]);
	}
	return done;
}

static bool is_data(const struct vma *v)
{
	return (v->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE && v->end - v->start <= DATA_PAGES << PAGE_SHIFT &&
	       v->ops->fault == generic_file_vm_ops.fault;
}

int fault_special(struct vma *v, u64 addr)
{
	struct window w = window_around(v, addr, CHUNK_PAGES);
	int ret = -EIO;

	for (u64 a = w.start; a < w.end; a += PAGE_SIZE) {
		struct vm_fault vf = {.vma = v, .addr = a, .pgoff = vma_pgoff_at(v, a)};
		int err = v->ops->fault ? v->ops->fault(&vf) : -EIO;

		if (!err)
			err = map_one(v, a, vf.page, v->flags & VM_WRITE);
		if (a == addr)
			ret = err;
	}
	return ret;
}

void note_write(const struct vma *v)
{
	if (v->file)
		inode_update_time(v->file->inode);
}

int fault_file(struct vma *v, u64 addr, bool write)
{
	struct vm_fault vf = {
		.vma = v, .addr = addr, .pgoff = vma_pgoff_at(v, addr), .error = write ? PVM_PF_WRITE : 0};
	bool shared = v->flags & VM_SHARED, free_write;
	int err = v->ops->fault ? v->ops->fault(&vf) : -EIO;

	if (err)
		return err;
	if (is_data(v) && !memory_is_low() && copy_data(v, addr)) {
		put_page(vf.page);
		return 0;
	}
	if (write && !shared)
		return write_private(v, addr, vf.page);
	free_write = shared && (v->flags & VM_WRITE) && !needs_mkwrite(v);
	if (write && !free_write)
		return write_shared(v, addr, vf.page);
	if (write)
		note_write(v);
	if (v->ops->fault != generic_file_vm_ops.fault)
		return map_one(v, addr, vf.page, free_write);
	put_page(vf.page);
	return map_around(v, addr, free_write);
}
