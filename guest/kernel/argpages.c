/* SPDX-License-Identifier: Apache-2.0 */
/* Argument and environment strings of an exec, between the old program's memory and the new one's. */
#include <gk/errno.h>
#include <gk/exec.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/uaccess.h>

/* Room at the end: at least one byte in the last page. */
static int add_page(struct argpages *a)
{
	u8 **page, *p;

	if (a->len < (size_t)a->nr_pages * PAGE_SIZE)
		return 0;
	if (a->nr_pages == a->cap_pages) {
		u32 cap = a->cap_pages ? a->cap_pages * 2 : 8;

		page = krealloc(a->page, cap * sizeof(*page));
		if (!page)
			return -ENOMEM;
		a->page = page;
		a->cap_pages = cap;
	}
	p = kmalloc(PAGE_SIZE);
	if (!p)
		return -ENOMEM;
	a->page[a->nr_pages++] = p;
	return 0;
}

static int begin_string(struct argpages *a)
{
	u32 *offset;

	if (a->len + 8ul * (a->nr + 1) > a->limit)
		return -E2BIG;
	if (a->nr == a->cap) {
		u32 cap = a->cap ? a->cap * 2 : 32;

		offset = krealloc(a->offset, cap * sizeof(*offset));
		if (!offset)
			return -ENOMEM;
		a->offset = offset;
		a->cap = cap;
	}
	a->offset[a->nr++] = (u32)a->len;
	return 0;
}

int argpages_add_user(struct argpages *a, const char __user *s)
{
	size_t start = a->len, off, room;
	int err = begin_string(a);
	ssize_t n;

	for (; !err; s += room) {
		err = add_page(a);
		if (err)
			break;
		off = a->len % PAGE_SIZE;
		room = PAGE_SIZE - off;
		n = strncpy_from_user((char *)a->page[a->nr_pages - 1] + off, s, room);
		if (n >= 0) {
			a->len += (size_t)n + 1;
			break;
		}
		if (n != -ENAMETOOLONG)
			return (int)n;
		a->len += room;
		if (a->len - start >= MAX_ARG_STRLEN || a->len + 8ul * a->nr > a->limit)
			return -E2BIG;
	}
	if (!err && (a->len - start > MAX_ARG_STRLEN || a->len + 8ul * a->nr > a->limit))
		err = -E2BIG;
	return err;
}

int argpages_add(struct argpages *a, const char *s)
{
	size_t left = strlen(s) + 1, n;
	int err = left > MAX_ARG_STRLEN ? -E2BIG : begin_string(a);

	for (; !err && left; left -= n, s += n) {
		err = add_page(a);
		if (err)
			break;
		n = MIN(left, PAGE_SIZE - a->len % PAGE_SIZE);
		memcpy(a->page[a->nr_pages - 1] + a->len % PAGE_SIZE, s, n);
		a->len += n;
	}
	if (!err && a->len + 8ul * a->nr > a->limit)
		err = -E2BIG;
	return err;
}

void argpages_free(struct argpages *a)
{
	for (u32 i = 0; i < a->nr_pages; i++)
		kfree(a->page[i]);
	kfree(a->page);
	kfree(a->offset);
	memset(a, 0, sizeof(*a));
}
