/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an export does not show although it lies in it: mount points of the host, and places that the guest's own view
 * covers.
 *
 * The guest kernel mounts its /tmp, a read-only bind or the emptiness of --hide over a place of an export, but a
 * hostile one asks us for what is beneath. So the launcher tells us those places, and here they end: by the file's
 * numbers, whatever name leads there, and by name, if the host puts another file there meanwhile. The name cannot be
 * moved away (name.c), its directory may. Nor can a guest put anything of its own there that it could still reach when
 * the host writes to it: only an empty directory or file can be made, to mount over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

int fs_cover(struct fs *fs, int root, const struct fs_cover *cover)
{
	struct cover *more = realloc(fs->covers, (fs->cover_count + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	fs->covers = more;
	more[fs->cover_count++] = (struct cover){.root = root, .what = *cover};
	return 0;
}

static bool is_file(const struct fs_file_id *id, uint64_t ino, uint32_t dev_major, uint32_t dev_minor)
{
	return id->ino != 0 && id->ino == ino && id->dev_major == dev_major && id->dev_minor == dev_minor;
}

/* @stx: NULL: only the name counts. */
static bool covered(const struct fs *fs, const struct node *parent, const char *name, const struct statx *stx)
{
	const struct node_key *dir = &parent->key;

	for (unsigned int i = 0; i < fs->cover_count; i++) {
		const struct cover *c = &fs->covers[i];

		if (c->root != 0 && c->root != dir->export + 1)
			continue;
		if (stx && is_file(&c->what.file, stx->stx_ino, stx->stx_dev_major, stx->stx_dev_minor))
			return true;
		if (is_file(&c->what.parent, dir->ino, dir->dev_major, dir->dev_minor) &&
		    strcmp(c->what.name, name) == 0)
			return true;
	}
	return false;
}

bool fs_name_covered(const struct fs *fs, const struct node *parent, const char *name)
{
	return covered(fs, parent, name, NULL);
}

enum fs_sight fs_sight(const struct fs *fs, const struct node *parent, const char *name, const struct statx *stx)
{
	/* Of what the host has mounted over a name, only a directory to mount on is shown. */
	if (!(stx->stx_mask & STATX_MNT_ID) || stx->stx_mnt_id != fs->exports[parent->key.export].mnt_id)
		return S_ISDIR(stx->stx_mode) ? FS_STUB : FS_UNSEEN;
	if (covered(fs, parent, name, stx))
		return S_ISDIR(stx->stx_mode) || S_ISREG(stx->stx_mode) ? FS_STUB : FS_UNSEEN;
	return FS_SEEN;
}
