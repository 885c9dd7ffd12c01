/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node table: which files the guest knows, by ids that are never used again.
 *
 * A node remembers where it was last seen (parent and name) and what makes it that file (struct node_key). An O_PATH
 * descriptor is opened by the look-up, or when an operation wants one, and kept in an LRU; when it has been dropped it
 * is opened again from the parent, one name, and counts only if it still is the same file. A node whose name is gone
 * keeps its descriptor.
 *
 * Lock: fs->lock for everything; system calls are made without it on nodes held busy.
 * Invariant: parent chains end at a root and have no cycle; node_fd() depends on it (see adopt()).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <linux/openat2.h>
#include <unistd.h>

#include "internal.h"

/* Bounds what a hostile guest can make us allocate: about 60 MB. */
#define MAX_NODES (256 * 1024)
#define MIN_BUCKETS 1024
#define EVICT_SCAN 64
#define MAX_DEPTH 4096 /* of directories; who is looked for below more fails */

static unsigned int mix(uint64_t v)
{
	return (unsigned int)((v * 0x9e3779b97f4a7c15ull) >> 32);
}

static unsigned int key_hash(const struct node_key *k)
{
	return mix(k->ino ^ ((uint64_t)k->dev_minor << 40) ^ ((uint64_t)k->export << 52));
}

static struct node_key key_of(unsigned int export, const struct statx *stx)
{
	return (struct node_key){
		.ino = stx->stx_ino,
		.dev_major = stx->stx_dev_major,
		.dev_minor = stx->stx_dev_minor,
		.btime_ns = (stx->stx_mask & STATX_BTIME)
				    ? (uint64_t)stx->stx_btime.tv_sec * 1000000000u + stx->stx_btime.tv_nsec
				    : 0,
		.type = stx->stx_mode & S_IFMT,
		.export = (uint16_t) export,
	};
}

static bool key_same_numbers(const struct node_key *a, const struct node_key *b)
{
	return a->ino == b->ino && a->dev_major == b->dev_major && a->dev_minor == b->dev_minor &&
	       a->export == b->export;
}

static bool key_same(const struct node_key *a, const struct node_key *b)
{
	return key_same_numbers(a, b) && a->btime_ns == b->btime_ns && a->type == b->type;
}

int nodes_init(struct fs *fs)
{
	pthread_mutex_init(&fs->lock, NULL);
	list_init(&fs->lru);
	fs->hash_mask = MIN_BUCKETS - 1;
	fs->by_id = calloc(MIN_BUCKETS, sizeof(*fs->by_id));
	fs->by_key = calloc(MIN_BUCKETS, sizeof(*fs->by_key));
	fs->next_id = FS_MAX_EXPORTS + 1;
	fs->max_nodes = MAX_NODES;
	return fs->by_id && fs->by_key ? 0 : -ENOMEM;
}

static void node_destroy(struct node *node)
{
	if (node->fd >= 0)
		close(node->fd);
	free(node->name);
	free(node);
}

void nodes_deinit(struct fs *fs)
{
	for (unsigned int i = 0; fs->by_id && i <= fs->hash_mask; i++) {
		struct node *next;

		for (struct node *n = fs->by_id[i]; n; n = next) {
			next = n->id_next;
			node_destroy(n);
		}
	}
	free(fs->by_id);
	free(fs->by_key);
	pthread_mutex_destroy(&fs->lock);
}

static void hash_id(struct fs *fs, struct node *node)
{
	struct node **head = &fs->by_id[mix(node->id) & fs->hash_mask];

	node->id_next = *head;
	*head = node;
}

static void hash_key(struct fs *fs, struct node *node)
{
	struct node **head = &fs->by_key[key_hash(&node->key) & fs->hash_mask];

	node->key_next = *head;
	*head = node;
	node->key_hashed = true;
}

static void unhash_key(struct fs *fs, struct node *node)
{
	struct node **p = &fs->by_key[key_hash(&node->key) & fs->hash_mask];

	if (!node->key_hashed)
		return;
	while (*p != node)
		p = &(*p)->key_next;
	*p = node->key_next;
	node->key_hashed = false;
}

static void unhash_id(struct fs *fs, struct node *node)
{
	struct node **p = &fs->by_id[mix(node->id) & fs->hash_mask];

	while (*p != node)
		p = &(*p)->id_next;
	*p = node->id_next;
}

/* Doubles the tables when there is more than one node per bucket. Without memory they stay as they are. */
static void grow(struct fs *fs)
{
	const unsigned int mask = fs->hash_mask * 2 + 1, old_mask = fs->hash_mask;
	struct node **old_ids = fs->by_id, **old_keys = fs->by_key;
	struct node **ids = calloc((size_t)mask + 1, sizeof(*ids));
	struct node **keys = calloc((size_t)mask + 1, sizeof(*keys));

	if (!ids || !keys) {
		free(ids);
		free(keys);
		return;
	}
	fs->by_id = ids;
	fs->by_key = keys;
	fs->hash_mask = mask;
	for (unsigned int i = 0; i <= old_mask; i++) {
		struct node *next;

		for (struct node *n = old_ids[i]; n; n = next) {
			next = n->id_next;
			hash_id(fs, n);
			if (n->key_hashed)
				hash_key(fs, n);
		}
	}
	free(old_ids);
	free(old_keys);
}

static struct node *node_alloc(struct fs *fs, uint64_t id, const struct node_key *key)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	node->id = id;
	node->key = *key;
	node->fd = -1;
	list_init(&node->lru);
	if (++fs->node_count > fs->hash_mask)
		grow(fs);
	hash_id(fs, node);
	hash_key(fs, node);
	return node;
}

struct node *node_new_root(struct fs *fs, unsigned int export, int fd, const struct statx *stx)
{
	const struct node_key key = key_of(export, stx);
	struct node *node;

	pthread_mutex_lock(&fs->lock);
	node = node_alloc(fs, export + 1, &key);
	if (node) {
		node->fd = fd;
		node->refs = 1; /* the export's */
	}
	pthread_mutex_unlock(&fs->lock);
	return node;
}

/* Frees @node and then those ancestors that only it kept, if nobody uses it any more. */
static void reap(struct fs *fs, struct node *node)
{
	while (node && node->nlookup == 0 && node->busy == 0 && node->refs == 0) {
		struct node *parent = node->parent;

		unhash_id(fs, node);
		unhash_key(fs, node);
		if (!list_empty(&node->lru)) {
			list_del_init(&node->lru);
			fs->path_fds--;
		}
		fs->node_count--;
		node_destroy(node);
		if (parent)
			parent->refs--;
		node = parent;
	}
}

static struct node *find_id(struct fs *fs, uint64_t id)
{
	struct node *n = fs->by_id[mix(id) & fs->hash_mask];

	while (n && n->id != id)
		n = n->id_next;
	return n;
}

/* The hashed node with these numbers, whether or not it is the same file. */
static struct node *find_numbers(struct fs *fs, const struct node_key *key)
{
	struct node *n = fs->by_key[key_hash(key) & fs->hash_mask];

	while (n && !key_same_numbers(&n->key, key))
		n = n->key_next;
	return n;
}

struct node *node_get(struct fs *fs, uint64_t id)
{
	struct node *node;

	pthread_mutex_lock(&fs->lock);
	node = find_id(fs, id);
	if (node)
		node->busy++;
	pthread_mutex_unlock(&fs->lock);
	return node;
}

void node_put(struct fs *fs, struct node *node)
{
	if (!node)
		return;
	pthread_mutex_lock(&fs->lock);
	node->busy--;
	reap(fs, node);
	pthread_mutex_unlock(&fs->lock);
}

struct node *node_find(struct fs *fs, unsigned int export, const struct statx *stx)
{
	const struct node_key key = key_of(export, stx);
	struct node *node;

	pthread_mutex_lock(&fs->lock);
	node = find_numbers(fs, &key);
	if (node && !key_same(&node->key, &key))
		node = NULL;
	if (node)
		node->busy++;
	pthread_mutex_unlock(&fs->lock);
	return node;
}

bool node_is_open(struct fs *fs, const struct node *node)
{
	bool is_open;

	pthread_mutex_lock(&fs->lock);
	is_open = node->handles > 0;
	pthread_mutex_unlock(&fs->lock);
	return is_open;
}

void node_unref_locked(struct fs *fs, struct node *node)
{
	node->refs--;
	reap(fs, node);
}

/*
 * Records that @node was seen as @name in @parent. Host renames can make what we remember contradict itself: if @parent
 * seems to lie below @node, the old place is kept and will fail its identity check when it matters.
 */
static void adopt(struct fs *fs, struct node *node, struct node *parent, const char *name)
{
	struct node *old = node->parent;
	char *copy;

	if (node->id <= FS_MAX_EXPORTS || (old == parent && strcmp(node->name, name) == 0))
		return;
	if (strlen(name) > NAME_MAX) /* some file systems of the host list such names; nobody could ask for one */
		return;
	if (S_ISDIR(node->key.type)) {
		unsigned int depth = 0;

		for (const struct node *n = parent; n; n = n->parent)
			if (n == node || ++depth > MAX_DEPTH)
				return;
	}
	copy = strdup(name);
	if (!copy)
		return;
	free(node->name);
	node->name = copy;
	if (old != parent) {
		parent->refs++;
		node->parent = parent;
		if (old)
			node_unref_locked(fs, old);
	}
}

uint64_t node_intern(struct fs *fs, struct node *parent, const char *name, const struct statx *stx)
{
	const struct node_key key = key_of(parent->key.export, stx);
	const bool stub = fs_sight(fs, parent, name, stx) == FS_STUB;
	struct node *node;
	uint64_t id = 0;

	pthread_mutex_lock(&fs->lock);
	node = find_numbers(fs, &key);
	if (node && (!key_same(&node->key, &key) || node->stub != stub)) {
		/* The numbers have been given to another file. */
		unhash_key(fs, node);
		node = NULL;
	}
	if (!node && fs->node_count < fs->max_nodes) {
		node = node_alloc(fs, fs->next_id, &key);
		if (node) {
			fs->next_id++;
			node->stub = stub;
		}
	}
	if (node) {
		adopt(fs, node, parent, name);
		node->unlinked = false;
		node->nlookup++;
		id = node->id;
		if (!node->parent && id > FS_MAX_EXPORTS) { /* no memory for the name */
			node->nlookup--;
			reap(fs, node);
			id = 0;
		}
	}
	pthread_mutex_unlock(&fs->lock);
	return id;
}

void node_forget(struct fs *fs, uint64_t id, uint64_t nlookup)
{
	struct node *node;

	pthread_mutex_lock(&fs->lock);
	node = find_id(fs, id);
	if (node) {
		node->nlookup -= nlookup < node->nlookup ? nlookup : node->nlookup;
		reap(fs, node);
	}
	pthread_mutex_unlock(&fs->lock);
}

void node_moved(struct fs *fs, struct node *node, struct node *parent, const char *name)
{
	pthread_mutex_lock(&fs->lock);
	adopt(fs, node, parent, name);
	pthread_mutex_unlock(&fs->lock);
}

void node_unlinked(struct fs *fs, struct node *node, const struct node *parent, const char *name)
{
	pthread_mutex_lock(&fs->lock);
	if (node->parent == parent && strcmp(node->name, name) == 0)
		node->unlinked = true;
	pthread_mutex_unlock(&fs->lock);
}

/* Closes the least recently used descriptors that can be had again until there is room. fs->lock held. */
static void evict(struct fs *fs)
{
	struct list_head *at = fs->lru.prev;

	for (int scan = 0; scan < EVICT_SCAN && at != &fs->lru && fs->path_fds > fs->max_path_fds; scan++) {
		struct node *n = list_entry(at, struct node, lru);

		at = at->prev;
		/* What is unlinked cannot be had again, but a guest may not pile that up either. */
		if (n->busy || (n->unlinked && fs->path_fds <= 2 * fs->max_path_fds))
			continue;
		close(n->fd);
		n->fd = -1;
		list_del_init(&n->lru);
		fs->path_fds--;
	}
}

/* The node keeps @fd. fs->lock held. False: it has one already, @fd is still the caller's. */
static bool hold(struct fs *fs, struct node *node, int fd)
{
	if (node->fd >= 0)
		return false;
	node->fd = fd;
	list_add(&node->lru, &fs->lru);
	fs->path_fds++;
	evict(fs);
	return true;
}

void node_hold(struct fs *fs, uint64_t id, int fd)
{
	struct node *node;
	bool held;

	pthread_mutex_lock(&fs->lock);
	node = find_id(fs, id);
	held = node && hold(fs, node, fd);
	pthread_mutex_unlock(&fs->lock);
	if (!held)
		close(fd);
}

int node_open_path(int dirfd, const char *name)
{
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS,
	};
	/* O_PATH with O_NOFOLLOW opens a symbolic link itself; RESOLVE_NO_SYMLINKS allows that at the end. */
	const int fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* Opens @name under @dirfd if it is the file @key. */
static int open_same(const struct fs *fs, int dirfd, const char *name, const struct node_key *key)
{
	struct node_key found;
	struct statx stx;
	int fd, r;

	fd = node_open_path(dirfd, name);
	if (fd < 0)
		return fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP || fd == -EXDEV ? -ESTALE : fd;
	r = fs_statx(fd, "", &stx);
	if (r == 0) {
		found = key_of(key->export, &stx);
		if (!key_same(&found, key) || stx.stx_mnt_id != fs->exports[key->export].mnt_id)
			r = -ESTALE;
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	return fd;
}

int node_fd(struct fs *fs, struct node *node)
{
	char name[NAME_MAX + 1];
	int fd = -1;

	if (node->stub)
		return -EACCES;
	pthread_mutex_lock(&fs->lock);
	for (unsigned int tries = 0; node->fd < 0; tries++) {
		/* The uppermost ancestor without a descriptor; its parent has one. */
		struct node *n = node, *parent;
		unsigned int depth = 0;

		while (n->parent && n->parent->fd < 0 && depth++ < MAX_DEPTH)
			n = n->parent;
		/* Other threads may drop descriptors as fast as we open them. */
		if (depth > MAX_DEPTH || tries > MAX_DEPTH) {
			fd = -ENAMETOOLONG;
			break;
		}
		parent = n->parent;
		if (!parent || n->unlinked || n->stub) {
			fd = -ESTALE;
			break;
		}
		strcpy(name, n->name); /* at most NAME_MAX: adopt() */
		n->busy++;
		parent->busy++;
		pthread_mutex_unlock(&fs->lock);
		fd = open_same(fs, parent->fd, name, &n->key);
		pthread_mutex_lock(&fs->lock);
		if (fd >= 0 && !hold(fs, n, fd))
			close(fd);
		n->busy--;
		parent->busy--;
		reap(fs, parent); /* first: n may hold the last reference to it */
		reap(fs, n);
		if (fd < 0)
			break;
	}
	if (node->fd >= 0) {
		fd = node->fd;
		if (!list_empty(&node->lru)) {
			list_del_init(&node->lru);
			list_add(&node->lru, &fs->lru);
		}
	}
	pthread_mutex_unlock(&fs->lock);
	return fd;
}

int node_in_place(struct fs *fs, struct node *node)
{
	char name[NAME_MAX + 1];
	struct node_key found;
	struct node *parent;
	struct statx stx;
	int fd, r;

	pthread_mutex_lock(&fs->lock);
	parent = node->unlinked ? NULL : node->parent;
	if (parent) {
		parent->busy++;
		strcpy(name, node->name);
	}
	pthread_mutex_unlock(&fs->lock);
	if (!parent)
		return 0;
	fd = node_fd(fs, parent);
	r = fd < 0 ? fd : fs_statx(fd, name, &stx);
	if (r == 0)
		found = key_of(node->key.export, &stx);
	node_put(fs, parent);
	if (r == -ENOENT || (r == 0 && !key_same(&found, &node->key)))
		return -ESTALE;
	return r;
}
