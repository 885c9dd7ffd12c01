/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doubly linked ring lists for host programs. A head that is empty points at itself; so does an entry that is on no
 * list, after list_init(). No locks.
 */
#ifndef UMBRA_LIB_LIST_H
#define UMBRA_LIB_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_head {
	struct list_head *next, *prev;
};

static inline void list_init(struct list_head *h)
{
	h->next = h->prev = h;
}

static inline bool list_empty(const struct list_head *h)
{
	return h->next == h;
}

/* At the front. */
static inline void list_add(struct list_head *e, struct list_head *h)
{
	e->next = h->next;
	e->prev = h;
	h->next->prev = e;
	h->next = e;
}

/* Takes @e out; fine when it is on no list. */
static inline void list_del_init(struct list_head *e)
{
	e->next->prev = e->prev;
	e->prev->next = e->next;
	list_init(e);
}

#define list_entry(p, type, member) ((type *)(void *)((char *)(p)-offsetof(type, member)))
#define list_for_each_entry(p, h, member)                                                                              \
	for (p = list_entry((h)->next, __typeof__(*p), member); &p->member != (h);                                     \
	     p = list_entry(p->member.next, __typeof__(*p), member))
#define list_for_each_entry_safe(p, n, h, member)                                                                      \
	for (p = list_entry((h)->next, __typeof__(*p), member),                                                        \
	    n = list_entry(p->member.next, __typeof__(*p), member);                                                    \
	     &p->member != (h); p = n, n = list_entry(n->member.next, __typeof__(*n), member))

#endif
