/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's tree of mounts as it will be, seen from the host: which file of which export lies at a path of the guest.
 */
#ifndef UMBRA_RUNTIME_VIEW_H
#define UMBRA_RUNTIME_VIEW_H

#include <limits.h>
#include <stdbool.h>

#include "vmm/vmm.h"

#define VIEW_MAX_MOUNTS (VMM_MAX_EXPORTS + 16)

struct view {
	unsigned int count;
	struct view_mount {
		char *target; /* resolved, "" for the root */
		int tree;     /* O_PATH, the caller's; -1: a file system of the guest's own */
		int export;
	} mounts[VIEW_MAX_MOUNTS]; /* in the order in which they are made: a later one covers what lies below it */
};

/* What lies at a path. */
struct view_place {
	char path[PATH_MAX];  /* without symbolic links, "." and ".."; "" for the root */
	int export;	      /* which one it lies in; -1: none */
	struct fs_cover what; /* as far as it exists */
};

/*
 * Finds @path as the guest will, through symbolic links. Parts that do not exist are taken as they stand. Returns 0, or
 * -ELOOP or -ENAMETOOLONG.
 */
int view_find(const struct view *v, const char *path, struct view_place *place);

/* Adds a mount at @path, which view_find() made. Returns 0, -ENOMEM or -ENFILE. */
int view_mount(struct view *v, const char *path, int tree, int export);

void view_deinit(struct view *v);

/* Does the resolved @path lie in the resolved @dir, or is it that? */
bool view_below(const char *path, const char *dir);

#endif
