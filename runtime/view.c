/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Follows a path through the guest's mounts, on the host's files. The launcher needs it to tell the file server which
 * places are covered in the guest's view (vmm/fs/cover.c): the guest alone could not be trusted to keep away from them.
 *
 * Path walk as everywhere: component by component, a symbolic link's target in place of its name. A component is looked
 * at under the export that is mounted there last; what lies on a file system of the guest's own is not known and taken
 * as it stands.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/view.h"

#define LINKS_MAX 40

bool view_below(const char *path, const char *dir)
{
	const size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == 0);
}

/* The mount that @path, resolved, lies on. */
static const struct view_mount *mount_at(const struct view *v, const char *path)
{
	for (unsigned int i = v->count; i-- > 0;) {
		if (view_below(path, v->mounts[i].target))
			return &v->mounts[i];
	}
	return NULL;
}

/* Opens @path, which lies on @m and has no symbolic links but perhaps at its end. */
static int open_on(const struct view_mount *m, const char *path)
{
	struct open_how how = {
		.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	const char *rest = path + strlen(m->target);

	while (*rest == '/')
		rest++;
	return (int)syscall(SYS_openat2, m->tree, *rest ? rest : ".", &how, sizeof(how));
}

static bool identify(const struct view_mount *m, const char *path, struct fs_file_id *id)
{
	const int fd = open_on(m, path);
	struct statx stx;
	bool found;

	if (fd < 0)
		return false;
	found = statx(fd, "", AT_EMPTY_PATH, STATX_INO, &stx) == 0;
	close(fd);
	if (found)
		*id = (struct fs_file_id){stx.stx_ino, stx.stx_dev_major, stx.stx_dev_minor};
	return found;
}

/* The target of the symbolic link @path on @m into @target; false if it is none. */
static bool read_link(const struct view_mount *m, const char *path, char target[PATH_MAX])
{
	const int fd = m && m->tree >= 0 && strcmp(path, m->target) != 0 ? open_on(m, path) : -1;
	ssize_t n;

	if (fd < 0)
		return false;
	n = readlinkat(fd, "", target, PATH_MAX - 1); /* EINVAL or ENOENT for what is no link */
	close(fd);
	if (n <= 0)
		return false;
	target[n] = 0;
	return true;
}

static void pop(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash)
		*slash = 0;
}

static int resolve(const struct view *v, const char *path, char done[PATH_MAX])
{
	char rest[2 * PATH_MAX], target[PATH_MAX], joined[2 * PATH_MAX];
	char *at = rest;
	int links = 0;

	if (strlen(path) >= PATH_MAX)
		return -ENAMETOOLONG;
	strcpy(rest, path);
	done[0] = 0;
	for (;;) {
		size_t len, have = strlen(done);

		at += strspn(at, "/");
		len = strcspn(at, "/");
		if (len == 0)
			return 0;
		if (len == 2 && strncmp(at, "..", 2) == 0) {
			pop(done);
		} else if (len != 1 || at[0] != '.') {
			if (have + 1 + len >= PATH_MAX || len > NAME_MAX)
				return -ENAMETOOLONG;
			done[have] = '/';
			memcpy(done + have + 1, at, len);
			done[have + 1 + len] = 0;
		}
		at += len;
		if (!read_link(mount_at(v, done), done, target))
			continue;
		if (++links > LINKS_MAX)
			return -ELOOP;
		if (strlen(target) + strlen(at) >= PATH_MAX)
			return -ENAMETOOLONG;
		strcpy(joined, target);
		strcat(joined, at);
		strcpy(rest, joined);
		at = rest;
		if (target[0] == '/')
			done[0] = 0;
		else
			pop(done);
	}
}

int view_find(const struct view *v, const char *path, struct view_place *place)
{
	char parent[PATH_MAX];
	const struct view_mount *m;
	const char *name;
	const int err = resolve(v, path, place->path);

	if (err)
		return err;
	place->export = -1;
	place->what = (struct fs_cover){{0}, {0}, ""};
	m = mount_at(v, place->path);
	/* The root of a mount is no place in it. */
	if (!m || m->tree < 0 || strcmp(place->path, m->target) == 0)
		return 0;
	place->export = m->export;
	identify(m, place->path, &place->what.file);
	strcpy(parent, place->path);
	pop(parent);
	identify(m, parent, &place->what.parent);
	name = strrchr(place->path, '/') + 1;
	strcpy(place->what.name, name); /* at most NAME_MAX: resolve() */
	return 0;
}

int view_mount(struct view *v, const char *path, int tree, int export)
{
	char *target;

	if (v->count == VIEW_MAX_MOUNTS)
		return -ENFILE;
	target = strdup(path);
	if (!target)
		return -ENOMEM;
	v->mounts[v->count++] = (struct view_mount){.target = target, .tree = tree, .export = export};
	return 0;
}

void view_deinit(struct view *v)
{
	for (unsigned int i = 0; i < v->count; i++)
		free(v->mounts[i].target);
	v->count = 0;
}
