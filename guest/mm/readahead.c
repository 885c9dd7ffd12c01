/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What to read besides the page that is missing.
 *
 * A sequential reader gets windows that double from 64 KB to 256 KB; in the middle of a window one page carries a mark,
 * and who comes to it starts the next one, so that reading goes on while the program works. A random reader gets a few
 * pages. A fault on a mapped file reads around its page. Memory is taken in chunks that lie in RAM as they lie in the
 * file: one host mapping then covers many pages.
 *
 * Windows of one open file are hints (file->ra_*), changed without a lock.
 */
#include <gk/errno.h>
#include "cache.h"
#include "internal.h"

struct window {
	u64 start;
	u32 size;
};

/* Hands a run of locked pages to the file system, with our references. */
static void issue(struct mapping *m, struct file *file, struct page **pages, u32 *nr)
{
	if (*nr)
		m->ops->read_pages(m->host, file, pages, *nr);
	for (u32 i = 0; i < *nr; i++)
		put_page(pages[i]);
	*nr = 0;
}

/* Locked pages without content at the @nr free places from @index; how many there were memory and places for. */
static u32 add_pages(struct mapping *m, u64 index, u32 nr, struct page **pages, u32 gfp, int *err)
{
	u32 run = MIN(nr, CHUNK_PAGES - (u32)(index % CHUNK_PAGES)), n;
	struct page *p = alloc_page_run(run, gfp | (run > 1 ? GFP_NOWAIT : 0));

	if (!p && run > 1) {
		run = 1;
		p = alloc_page(gfp);
	}
	*err = -ENOMEM;
	if (!p)
		return 0;
	n = cache_add_run(m, p, index, run, PG_LOCKED, err);
	for (u32 i = 0; i < run; i++) {
		if (i < n)
			pages[i] = p + i;
		else
			put_page(p + i);
	}
	return n;
}

/*
 * Reads what is missing of the window. The page at @index, if it was among that, in *want with a reference. 0 or the
 * error that kept @index from being added.
 */
static int read_window(struct mapping *m, struct file *file, struct window w, u64 index, struct page **want)
{
	struct page *pages[RA_MAX];
	u64 at = w.start, end = w.start + w.size;
	u32 nr = 0;
	int ret = 0, err;

	while (at < end) {
		u32 absent = cache_absent_run(m, at, (u32)(end - at)), n;

		if (!absent) {
			issue(m, file, pages, &nr);
			at++;
			continue;
		}
		/* Reading ahead is not worth waiting for memory. */
		n = add_pages(m, at, absent, pages + nr, at == index ? GFP_USER : GFP_USER | GFP_NOWAIT, &err);
		if (index - at < n) {
			*want = pages[nr + (index - at)];
			get_page(*want);
		} else if (!n && at == index && err != -EEXIST) {
			ret = err;
		}
		if (!n && err != -EEXIST) {
			if (at >= index)
				break;
			/* Before the page that is needed: give up on these, not on that one. */
			issue(m, file, pages, &nr);
			at = index;
			continue;
		}
		at += n;
		nr += n;
	}
	issue(m, file, pages, &nr);
	return ret;
}

static struct window clip(struct mapping *m, struct window w, u64 index)
{
	u64 pages = file_pages(m->host);

	if (w.start + w.size > pages)
		w.size = pages > w.start ? (u32)(pages - w.start) : 0;
	/* At least the page itself. */
	if (index < w.start || index >= w.start + w.size)
		w = (struct window){.start = index, .size = 1};
	return w;
}

static void set_mark(struct mapping *m, u64 index)
{
	struct page *p = mapping_find(m, index);

	if (!p)
		return;
	atomic_or(&p->flags, PG_READAHEAD);
	put_page(p);
}

static struct window choose_window(struct file *file, u64 index, bool fault, bool *sequential)
{
	*sequential = false;
	if (fault || !file)
		return (struct window){ALIGN_DOWN(index, RA_FAULT), RA_FAULT};
	*sequential = !index || index == file->ra_prev + 1 || index - file->ra_start <= file->ra_size;
	if (!*sequential)
		return (struct window){index, RA_RANDOM};
	return (struct window){index, index && file->ra_size ? MIN((u32)file->ra_size * 2, RA_MAX) : RA_MIN};
}

static struct page *add_zero_page(struct mapping *m, u64 index)
{
	struct page *p = alloc_page(GFP_USER | GFP_ZERO);
	int err;

	if (!p)
		return ERR_PTR(-ENOMEM);
	if (cache_add_run(m, p, index, 1, PG_UPTODATE, &err))
		return p;
	put_page(p);
	return err == -EEXIST ? NULL : ERR_PTR(err);
}

struct page *readahead_miss(struct mapping *m, struct file *file, u64 index, bool fault)
{
	struct page *p = NULL;
	bool sequential;
	struct window w;
	int err;

	if (m->ops->no_backing)
		return add_zero_page(m, index);
	w = clip(m, choose_window(file, index, fault, &sequential), index);
	err = read_window(m, file, w, index, &p);
	if (err)
		return ERR_PTR(err);
	if (sequential) {
		file->ra_start = w.start;
		file->ra_size = w.size;
		if (w.size > 1)
			set_mark(m, w.start + w.size / 2);
	}
	return p;
}

void readahead_hit(struct mapping *m, struct file *file, struct page *p)
{
	struct page *unused = NULL;
	struct window w;

	atomic_and(&p->flags, ~PG_READAHEAD);
	if (!file || memory_is_low() || p->index - file->ra_start >= file->ra_size)
		return;
	w.start = file->ra_start + file->ra_size;
	w.size = MIN((u32)file->ra_size * 2, RA_MAX);
	if (w.start >= file_pages(m->host))
		return;
	w.size = (u32)MIN((u64)w.size, file_pages(m->host) - w.start);
	file->ra_start = w.start;
	file->ra_size = w.size;
	read_window(m, file, w, ~0ull, &unused);
	set_mark(m, w.start + w.size / 2);
}

void readahead_range(struct mapping *m, struct file *file, u64 first, u64 nr)
{
	u64 pages = file_pages(m->host);

	if (m->ops->no_backing)
		return;
	nr = first < pages ? MIN(nr, pages - first) : 0;
	while (nr && !memory_is_low()) {
		struct window w = {first, (u32)MIN(nr, (u64)RA_MAX)};
		struct page *unused = NULL;

		read_window(m, file, w, ~0ull, &unused);
		first += w.size;
		nr -= w.size;
	}
}
