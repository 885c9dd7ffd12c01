/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials: objects, commit, groups, per-user counts, and the questions the kernel asks (capable(), in_group()).
 *
 * A published struct cred never changes. current replaces its own under task_lock and siglock; others read t->cred
 * under either, current without. The calls that change them are in cred_syscalls.c and caps.c.
 */
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/task.h>

/* ---- users ---- */

#define USER_BUCKETS 64

static struct {
	spinlock_t lock; /* the lists; a leaf */
	struct list_head list;
} user_buckets[USER_BUCKETS];

/* The first task is made before any other runs. */
static void users_init(void)
{
	u32 i;

	for (i = 0; i < USER_BUCKETS; i++)
		list_init(&user_buckets[i].list);
}

static struct user *user_search(struct list_head *list, kuid_t uid)
{
	struct user *u;

	list_for_each_entry(u, list, link) {
		if (u->uid == uid && refcount_inc_not_zero(&u->refs))
			return u;
	}
	return NULL;
}

struct user *user_find_get(kuid_t uid)
{
	u32 b = (uid ^ uid >> 6) % USER_BUCKETS;
	struct user *u, *found, *fresh;

	spin_lock(&user_buckets[b].lock);
	u = user_search(&user_buckets[b].list, uid);
	spin_unlock(&user_buckets[b].lock);
	if (u)
		return u;
	fresh = kzalloc(sizeof(*fresh));
	if (!fresh)
		return NULL;
	refcount_set(&fresh->refs, 1);
	fresh->uid = uid;
	spin_lock(&user_buckets[b].lock);
	found = user_search(&user_buckets[b].list, uid);
	if (!found)
		list_add(&fresh->link, &user_buckets[b].list);
	spin_unlock(&user_buckets[b].lock);
	if (!found)
		return fresh;
	kfree(fresh);
	return found;
}

struct user *user_get(struct user *u)
{
	refcount_inc(&u->refs);
	return u;
}

void user_put(struct user *u)
{
	u32 b;

	if (!u || !refcount_dec_and_test(&u->refs))
		return;
	b = (u->uid ^ u->uid >> 6) % USER_BUCKETS;
	spin_lock(&user_buckets[b].lock);
	list_del(&u->link);
	spin_unlock(&user_buckets[b].lock);
	kfree(u);
}

/* ---- groups ---- */

struct group_info *groups_alloc(u32 n)
{
	struct group_info *g = kzalloc(sizeof(*g) + n * sizeof(g->gid[0]));

	if (g) {
		refcount_set(&g->refs, 1);
		g->n = n;
	}
	return g;
}

/* Heap sort: in place, and no bad case for a program to pick. */
void groups_sort(struct group_info *g)
{
	u32 n = g->n, start = n / 2, root, child;
	kgid_t v;

	while (n > 1) {
		if (start) {
			v = g->gid[--start];
		} else {
			v = g->gid[--n];
			g->gid[n] = g->gid[0];
		}
		for (root = start; (child = 2 * root + 1) < n; root = child) {
			if (child + 1 < n && g->gid[child] < g->gid[child + 1])
				child++;
			if (v >= g->gid[child])
				break;
			g->gid[root] = g->gid[child];
		}
		g->gid[root] = v;
	}
}

static bool groups_search(const struct group_info *g, kgid_t gid)
{
	u32 lo = 0, hi = g ? g->n : 0, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (g->gid[mid] == gid)
			return true;
		if (g->gid[mid] < gid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}

void groups_put(struct group_info *g)
{
	if (g && refcount_dec_and_test(&g->refs))
		kfree(g);
}

/* ---- credentials ---- */

struct cred *cred_new_root(void)
{
	struct cred *c = kzalloc(sizeof(*c));

	if (!c)
		return NULL;
	if (!user_buckets[0].list.next)
		users_init();
	refcount_set(&c->refs, 1);
	c->user = user_find_get(0);
	c->groups = groups_alloc(0);
	if (!c->user || !c->groups) {
		cred_put(c);
		return NULL;
	}
	c->cap_permitted = c->cap_effective = c->cap_bset = CAP_FULL;
	return c;
}

struct cred *cred_get(struct cred *c)
{
	refcount_inc(&c->refs);
	return c;
}

void cred_put(struct cred *c)
{
	if (!c || !refcount_dec_and_test(&c->refs))
		return;
	groups_put(c->groups);
	user_put(c->user);
	kfree(c);
}

struct cred *cred_prepare(void)
{
	struct cred *c = kmemdup(current->cred, sizeof(*c));

	if (!c)
		return NULL;
	refcount_set(&c->refs, 1);
	refcount_inc(&c->groups->refs);
	user_get(c->user);
	return c;
}

struct cred *task_cred_get(struct task *t)
{
	struct process *p = t->process;
	struct cred *c;

	spin_lock(&p->siglock);
	c = cred_get(t->cred);
	spin_unlock(&p->siglock);
	return c;
}

/*
 * A program that could not be spied on before must not become so by giving up rights, nor one that has just gained
 * some.
 */
static bool dumpable_changes(const struct cred *old, const struct cred *new)
{
	return old->euid != new->euid || old->egid != new->egid || old->fsuid != new->fsuid ||
	       old->fsgid != new->fsgid || (new->cap_permitted & ~old->cap_permitted);
}

static void switch_user(struct cred *new, struct cred *old)
{
	if (new->user == old->user)
		return;
	atomic_inc(&new->user->processes);
	atomic_dec(&old->user->processes);
}

void cred_commit(struct cred *c)
{
	struct task *t = current;
	struct process *p = t->process;
	struct cred *old = t->cred;

	switch_user(c, old);
	spin_lock(&task_lock);
	spin_lock(&p->siglock);
	if (dumpable_changes(old, c)) {
		p->dumpable = 0;
		t->pdeath_signal = 0;
	}
	t->cred = c;
	spin_unlock(&p->siglock);
	spin_unlock(&task_lock);
	cred_put(old);
}

bool capable(int cap)
{
	return current->cred->cap_effective >> cap & 1;
}

bool in_group(kgid_t gid)
{
	const struct cred *c = current->cred;

	return gid == c->fsgid || groups_search(c->groups, gid);
}

bool in_egroup(kgid_t gid)
{
	const struct cred *c = current->cred;

	return gid == c->egid || groups_search(c->groups, gid);
}
