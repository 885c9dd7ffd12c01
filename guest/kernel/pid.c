/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of threads, processes, groups and sessions. One struct pid per number in use; it stays in the tree while it
 * names anything, and in memory while anyone has a reference (pidfds outlive what they name).
 *
 * Locks: task_lock protects what a number names, as a whole; pid_lock, inside it, the tree and the two pointers, so
 * that lookups need only pid_lock.
 */
#include <gk/errno.h>
#include <gk/init.h>
#include <gk/slab.h>
#include <gk/sysctl.h>
#include <gk/task.h>

static spinlock_t pid_lock;
static struct rb_root pid_tree; /* pid_lock */
static s32 last_pid;		/* pid_lock */
static struct slab_cache *pid_cache;

u32 sysctl_pid_max = PID_MAX;

#define RESERVED_PIDS 300 /* where numbers start again after the highest, as Linux does */

void pid_init(void)
{
	pid_cache = slab_cache_new("pid", sizeof(struct pid), 8);
}

/* pid_lock held. *parent and *link: where @nr would be linked. */
static struct pid *tree_find(s32 nr, struct rb_node **parent, struct rb_node ***link)
{
	struct rb_node **l = &pid_tree.node, *up = NULL;
	struct pid *found = NULL;

	while (*l && !found) {
		struct pid *p = rb_entry(*l, struct pid, node);

		up = *l;
		if (nr == p->nr)
			found = p;
		else
			l = nr < p->nr ? &(*l)->left : &(*l)->right;
	}
	if (parent) {
		*parent = up;
		*link = l;
	}
	return found;
}

/* pid_lock held: links @pid under its number, or says -EEXIST. */
static int tree_insert(struct pid *pid)
{
	struct rb_node *parent, **link;

	if (tree_find(pid->nr, &parent, &link))
		return -EEXIST;
	rb_link_node(&pid->node, parent, link);
	rb_insert_color(&pid->node, &pid_tree);
	pid->hashed = true;
	return 0;
}

/* pid_lock held: the next free number. */
static int tree_insert_free(struct pid *pid)
{
	const s32 max = (s32)READ_ONCE(sysctl_pid_max);

	for (s32 tries = 0; tries < max; tries++) {
		if (++last_pid >= max)
			last_pid = RESERVED_PIDS;
		pid->nr = last_pid;
		if (tree_insert(pid) == 0)
			return 0;
	}
	return -EAGAIN;
}

struct pid *pid_alloc(s32 nr)
{
	struct pid *pid = slab_zalloc(pid_cache);
	int err;

	if (!pid)
		return ERR_PTR(-ENOMEM);
	refcount_set(&pid->refs, 1);
	list_init(&pid->pgrp);
	list_init(&pid->session);
	wait_queue_init(&pid->pidfd_wait);
	spin_lock(&pid_lock);
	if (nr) {
		pid->nr = nr;
		err = tree_insert(pid);
	} else {
		err = tree_insert_free(pid);
	}
	spin_unlock(&pid_lock);
	if (err) {
		slab_free(pid_cache, pid);
		return ERR_PTR(err);
	}
	return pid;
}

s32 pid_last(void)
{
	return READ_ONCE(last_pid);
}

void pid_set_last(s32 nr)
{
	spin_lock(&pid_lock);
	last_pid = nr;
	spin_unlock(&pid_lock);
}

struct pid *pid_get(struct pid *p)
{
	refcount_inc(&p->refs);
	return p;
}

/* pid_lock held: does the number name nothing any more? */
static void unhash_if_unused(struct pid *pid)
{
	if (!pid->hashed || pid->task || pid->process || !list_empty(&pid->pgrp) || !list_empty(&pid->session))
		return;
	rb_erase(&pid->node, &pid_tree);
	pid->hashed = false;
}

void pid_put(struct pid *p)
{
	if (!p || !refcount_dec_and_test(&p->refs))
		return;
	/* A number that was allocated but never attached is still in the tree. */
	spin_lock(&pid_lock);
	unhash_if_unused(p);
	spin_unlock(&pid_lock);
	slab_free(pid_cache, p);
}

void pid_attach_task(struct pid *pid, struct task *t)
{
	spin_lock(&pid_lock);
	pid->task = t;
	spin_unlock(&pid_lock);
}

void pid_attach_process(struct pid *pid, struct process *p)
{
	spin_lock(&pid_lock);
	pid->process = p;
	spin_unlock(&pid_lock);
}

void pid_detach_task(struct pid *pid)
{
	spin_lock(&pid_lock);
	pid->task = NULL;
	unhash_if_unused(pid);
	spin_unlock(&pid_lock);
}

void pid_detach_process(struct pid *pid)
{
	spin_lock(&pid_lock);
	pid->process = NULL;
	unhash_if_unused(pid);
	spin_unlock(&pid_lock);
}

static void move_link(struct list_head *link, struct list_head *to, struct pid *old, struct pid *new)
{
	spin_lock(&pid_lock);
	if (old) {
		list_del(link);
		unhash_if_unused(old);
	}
	if (new)
		list_add_tail(link, to);
	spin_unlock(&pid_lock);
	if (new)
		pid_get(new);
	if (old)
		pid_put(old);
}

void process_set_pgrp(struct process *p, struct pid *pgrp)
{
	struct pid *old = p->pgrp;

	if (old == pgrp)
		return;
	p->pgrp = pgrp;
	move_link(&p->pgrp_link, pgrp ? &pgrp->pgrp : NULL, old, pgrp);
}

void process_set_session(struct process *p, struct pid *session)
{
	struct pid *old = p->session;

	if (old == session)
		return;
	p->session = session;
	move_link(&p->session_link, session ? &session->session : NULL, old, session);
}

struct pid *find_get_pid(s32 nr)
{
	struct pid *p;

	spin_lock(&pid_lock);
	p = tree_find(nr, NULL, NULL);
	if (p)
		pid_get(p);
	spin_unlock(&pid_lock);
	return p;
}

struct task *find_get_task(s32 tid)
{
	struct task *t = NULL;
	struct pid *p;

	spin_lock(&pid_lock);
	p = tree_find(tid, NULL, NULL);
	if (p && p->task)
		t = task_get(p->task);
	spin_unlock(&pid_lock);
	return t;
}

struct process *find_get_process(s32 nr)
{
	struct process *proc = NULL;
	struct pid *p;

	spin_lock(&pid_lock);
	p = tree_find(nr, NULL, NULL);
	if (p && p->process)
		proc = process_get(p->process);
	spin_unlock(&pid_lock);
	return proc;
}

struct process *process_next(s32 from)
{
	struct process *found = NULL;
	struct rb_node *n, *best = NULL;

	spin_lock(&pid_lock);
	for (n = pid_tree.node; n;) {
		if (rb_entry(n, struct pid, node)->nr >= from) {
			best = n;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	for (; best && !found; best = rb_next(best)) {
		if (rb_entry(best, struct pid, node)->process)
			found = process_get(rb_entry(best, struct pid, node)->process);
	}
	spin_unlock(&pid_lock);
	return found;
}

int for_each_process_do(int (*fn)(struct process *p, void *arg), void *arg)
{
	struct process *p;
	int ret = 0;

	spin_lock(&task_lock);
	list_for_each_entry(p, &all_processes, all_link) {
		ret = fn(p, arg);
		if (ret)
			break;
	}
	spin_unlock(&task_lock);
	return ret;
}
