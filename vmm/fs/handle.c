/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files and directories of the guest. A file handle is slot + generation, so that a stale one is recognised; it
 * counts only together with the node it was opened on.
 *
 * Lock: fs->lock. A handle held busy keeps its descriptor; a release while others use it takes effect with the last of
 * them.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

#define NO_SLOT UINT32_MAX

int handles_init(struct fs *fs)
{
	void *p = mmap(NULL, fs->max_handles * sizeof(struct handle), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	fs->handles = p;
	fs->handles_free = NO_SLOT;
	return 0;
}

/*
 * Undoes handle_new(); the slot is not listed as free. Returns the descriptor, to be closed without the lock: that can
 * take long.
 */
static int handle_end(struct handle *h)
{
	if (h->kind == HANDLE_DIR)
		pthread_mutex_destroy(&h->dir_lock);
	h->kind = HANDLE_FREE;
	h->generation++;
	return h->fd;
}

void handles_deinit(struct fs *fs)
{
	if (!fs->handles)
		return;
	for (uint32_t i = 0; i < fs->handles_used; i++)
		if (fs->handles[i].kind != HANDLE_FREE)
			close(handle_end(&fs->handles[i]));
	munmap(fs->handles, fs->max_handles * sizeof(struct handle));
}

int handle_new(struct fs *fs, struct node *node, enum handle_kind kind, int fd, bool writable, uint64_t *fh)
{
	struct handle *h;
	uint32_t slot;

	pthread_mutex_lock(&fs->lock);
	slot = fs->handles_free;
	if (slot != NO_SLOT) {
		fs->handles_free = fs->handles[slot].next_free;
	} else if (fs->handles_used < fs->max_handles) {
		slot = fs->handles_used++;
	} else {
		pthread_mutex_unlock(&fs->lock);
		return -ENFILE;
	}
	h = &fs->handles[slot];
	h->kind = kind;
	h->busy = 0;
	h->closing = false;
	h->writable = writable;
	h->fd = fd;
	h->node = node;
	if (kind == HANDLE_DIR)
		pthread_mutex_init(&h->dir_lock, NULL);
	h->dir_pos = 0;
	node->refs++;
	node->handles++;
	*fh = slot | (uint64_t)h->generation << 32;
	pthread_mutex_unlock(&fs->lock);
	return 0;
}

/* fs->lock held. */
static struct handle *find(struct fs *fs, uint64_t fh, const struct node *node, enum handle_kind kind)
{
	const uint32_t slot = (uint32_t)fh;
	struct handle *h;

	if (slot >= fs->handles_used)
		return NULL;
	h = &fs->handles[slot];
	if (h->kind != kind || h->closing || h->generation != (uint32_t)(fh >> 32) || h->node != node)
		return NULL;
	return h;
}

struct handle *handle_get(struct fs *fs, uint64_t fh, const struct node *node, enum handle_kind kind)
{
	struct handle *h;

	pthread_mutex_lock(&fs->lock);
	h = find(fs, fh, node, kind);
	if (h)
		h->busy++;
	pthread_mutex_unlock(&fs->lock);
	return h;
}

/* fs->lock held. Returns a descriptor to close, or -1. */
static int end_if_done(struct fs *fs, struct handle *h)
{
	struct node *node = h->node;
	int fd;

	if (!h->closing || h->busy)
		return -1;
	fd = handle_end(h);
	h->next_free = fs->handles_free;
	fs->handles_free = (uint32_t)(h - fs->handles);
	node->handles--;
	node_unref_locked(fs, node);
	return fd;
}

void handle_put(struct fs *fs, struct handle *h)
{
	int fd;

	pthread_mutex_lock(&fs->lock);
	h->busy--;
	fd = end_if_done(fs, h);
	pthread_mutex_unlock(&fs->lock);
	if (fd >= 0)
		close(fd);
}

int handle_release(struct fs *fs, uint64_t fh, const struct node *node, enum handle_kind kind)
{
	struct handle *h;
	int fd = -1;

	pthread_mutex_lock(&fs->lock);
	h = find(fs, fh, node, kind);
	if (h) {
		h->closing = true;
		fd = end_if_done(fs, h);
	}
	pthread_mutex_unlock(&fs->lock);
	if (fd >= 0)
		close(fd);
	return h ? 0 : -EBADF;
}
