/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intrusive doubly linked lists. The caller locks. An entry is in at most one list per link; list_del() leaves it
 * empty.
 */
#ifndef GK_LIST_H
#define GK_LIST_H

#include <gk/types.h>

struct list_head {
	struct list_head *next, *prev;
};

#define LIST_HEAD_INIT(name)                                                                                           \
	{                                                                                                              \
		&(name), &(name)                                                                                       \
	}
#define LIST_HEAD(name) struct list_head name = LIST_HEAD_INIT(name)

static inline void list_init(struct list_head *h)
{
	h->next = h->prev = h;
}

static inline bool list_empty(const struct list_head *h)
{
	return h->next == h;
}

static inline void list_insert_(struct list_head *e, struct list_head *prev, struct list_head *next)
{
	next->prev = e;
	e->next = next;
	e->prev = prev;
	prev->next = e;
}

static inline void list_add(struct list_head *e, struct list_head *h)
{
	list_insert_(e, h, h->next);
}

static inline void list_add_tail(struct list_head *e, struct list_head *h)
{
	list_insert_(e, h->prev, h);
}

static inline void list_del(struct list_head *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
	list_init(e);
}

static inline void list_move_tail(struct list_head *e, struct list_head *h)
{
	list_del(e);
	list_add_tail(e, h);
}

/* Moves everything from @from to the end of @to; @from is left empty. */
static inline void list_splice_tail(struct list_head *from, struct list_head *to)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_entry(p, type, member) container_of(p, type, member)
#define list_first_entry(h, type, member) list_entry((h)->next, type, member)
#define list_last_entry(h, type, member) list_entry((h)->prev, type, member)
#define list_first_entry_or_null(h, type, member) (list_empty(h) ? NULL : list_first_entry(h, type, member))
#define list_next_entry(p, member) list_entry((p)->member.next, __typeof__(*(p)), member)
#define list_for_each_entry(p, h, member)                                                                              \
	for (p = list_entry((h)->next, __typeof__(*p), member); &p->member != (h);                                     \
	     p = list_entry(p->member.next, __typeof__(*p), member))
#define list_for_each_entry_safe(p, n, h, member)                                                                      \
	for (p = list_entry((h)->next, __typeof__(*p), member),                                                        \
	    n = list_entry(p->member.next, __typeof__(*p), member);                                                    \
	     &p->member != (h); p = n, n = list_entry(n->member.next, __typeof__(*n), member))

#endif
