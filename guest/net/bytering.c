/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rings of bytes (gk/bytering.h). The writer links a page before it publishes a head beyond the page's start; the
 * reader follows the link only then, and frees a page only when it has gone on to the next, hence never one that the
 * writer still fills.
 */
#include <gk/bytering.h>
#include <gk/page.h>

/* page->private[0]: the next page. */
static struct page *next_of(const struct page *p)
{
	return (struct page *)p->private[0];
}

/* A page for the head, which stands at the start of one. */
static struct page *add_page(struct byte_ring *r)
{
	struct page *p = READ_ONCE(r->spare) ? atomic_xchg(&r->spare, NULL) : NULL;

	if (!p)
		p = alloc_page(GFP_USER);
	if (!p)
		return NULL;
	p->private[0] = 0;
	if (r->wpage)
		r->wpage->private[0] = (u64)p;
	else
		r->first = p;
	r->wpage = p;
	return p;
}

ssize_t byte_ring_write(struct byte_ring *r, struct iov_iter *it, size_t n)
{
	size_t done = 0;

	while (done < n) {
		const u32 off = r->head % PAGE_SIZE;
		const size_t want = MIN(n - done, PAGE_SIZE - off);
		struct page *p = r->wpage;
		size_t got;

		/* A page that was linked for a copy which failed is still empty. */
		if (!off && (!p || p->private[1] != r->head)) {
			p = add_page(r);
			if (!p)
				return done ? (ssize_t)done : -ENOMEM;
			p->private[1] = r->head;
		}
		got = copy_from_iter((char *)page_address(p) + off, want, it);
		done += got;
		smp_store_release(&r->head, r->head + got); /* pairs with byte_ring_used() */
		if (got < want)
			break;
	}
	return done || !n ? (ssize_t)done : -EFAULT;
}

/* The page that holds position @pos, from @p (which holds @at) on. Data is there. */
static struct page *page_at(struct byte_ring *r, struct page *p, u64 at, u64 pos)
{
	if (!p) {
		p = r->first;
		at = 0;
	}
	for (at = ALIGN_DOWN(at, PAGE_SIZE); at + PAGE_SIZE <= pos; at += PAGE_SIZE)
		p = next_of(p);
	return p;
}

/* Where rpage begins: it may be a page that is read to its end. */
static u64 rpage_start(const struct byte_ring *r)
{
	return r->rpage ? r->rpage->private[1] : 0;
}

ssize_t byte_ring_peek(struct byte_ring *r, struct iov_iter *it, u64 skip, size_t n)
{
	const u64 used = byte_ring_used(r);
	struct page *p = NULL;
	u64 pos = r->tail + skip;
	size_t done = 0;

	if (skip >= used)
		return 0;
	n = MIN(n, (size_t)(used - skip));
	while (done < n) {
		const u32 off = pos % PAGE_SIZE;
		const size_t want = MIN(n - done, PAGE_SIZE - off);
		size_t got;

		p = p ? next_of(p) : page_at(r, r->rpage, rpage_start(r), pos);
		got = copy_to_iter((char *)page_address(p) + off, want, it);
		done += got;
		pos += got;
		if (got < want)
			break;
	}
	return done || !n ? (ssize_t)done : -EFAULT;
}

static void give_back(struct byte_ring *r, struct page *p)
{
	if (!READ_ONCE(r->spare))
		p = atomic_xchg(&r->spare, p);
	if (p)
		put_page(p);
}

void byte_ring_consume(struct byte_ring *r, u64 n)
{
	const u64 pos = r->tail + n;

	if (!n)
		return;
	if (!r->rpage)
		r->rpage = r->first;
	/* The page of the last byte stays: the writer may be about to link to it. */
	while (r->rpage->private[1] + PAGE_SIZE < pos) {
		struct page *p = r->rpage;

		r->rpage = next_of(p);
		give_back(r, p);
	}
	smp_store_release(&r->tail, pos);
}

void byte_ring_free(struct byte_ring *r)
{
	struct page *p = r->rpage ? r->rpage : r->first, *next;

	for (; p; p = next) {
		next = next_of(p);
		put_page(p);
	}
	if (r->spare)
		put_page(r->spare);
	*r = (struct byte_ring){0};
}
