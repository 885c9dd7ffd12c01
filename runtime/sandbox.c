/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Turns the user's wishes into a struct vmm_spec: which host trees the guest may see and where, what its configuration
 * says.
 *
 * The guest's view, in mount order (a parent before what lies in it): the root; each further real file system of the
 * host below it; the guest's own /proc, /sys, /dev, /tmp, /run; the current directory; what --bind names. How a tree is
 * shown (memory overlay or itself) is decided here, what may be exported at all by file-system type too; the file
 * server checks the type again. And each place that another mount or --hide covers is told to the file server, because
 * a hostile guest would look behind it.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "abi/layout.h"
#include "runtime/host.h"
#include "runtime/msg.h"
#include "runtime/sandbox.h"
#include "runtime/view.h"
#include "vmm/image.h"
#include "vmm/vm.h"

#define CPUS_DEFAULT_MAX 8
#define RAM_ALIGN (2ull << 20)
#define RAM_USER_MIN (32ull << 20)

extern char **environ;

/* Where a guest has file systems of its own. */
static const struct own_mount {
	const char *type, *target, *options;
	bool only_do; /* 'umbra run' leaves to the root file system what is there */
} own_mounts[] = {
	{"proc", "/proc", "nosuid,nodev,noexec", false},
	{"sysfs", "/sys", "ro,nosuid,nodev,noexec", false},
	{"dev", "/dev", "nosuid,mode=755", false},
	{"devpts", "/dev/pts", "nosuid,noexec,mode=620,ptmxmode=666", false},
	{"tmpfs", "/dev/shm", "nosuid,nodev,mode=1777", false},
	{"mqueue", "/dev/mqueue", "nosuid,nodev,noexec", false},
	{"tmpfs", "/tmp", "nosuid,nodev,mode=1777", true},
	{"tmpfs", "/run", "nosuid,nodev,mode=755", true},
};

struct builder {
	const struct sandbox_opts *opts;
	struct vmm_spec *spec;
	struct host_mounts mounts;
	struct view view;
	char *hidden[SANDBOX_MAX_WORDS]; /* opts->hides, resolved below the root */
	char rootfs[PATH_MAX];		 /* resolved */
	int error;			 /* of add_mount(): printed already */
};

static bool is_below(const char *path, const char *dir)
{
	return strcmp(dir, "/") == 0 || view_below(path, dir);
}

static bool is_hidden(const struct builder *b, const char *path)
{
	for (unsigned int i = 0; i < b->opts->nhides; i++) {
		if (view_below(path, b->hidden[i]))
			return true;
	}
	return false;
}

static bool own_mount_covers(const struct builder *b, const char *path)
{
	for (size_t i = 0; i < sizeof(own_mounts) / sizeof(own_mounts[0]); i++) {
		if (own_mounts[i].only_do && b->opts->root_kind != SANDBOX_ROOT_OVERLAY)
			continue;
		if (is_below(path, own_mounts[i].target))
			return true;
	}
	return false;
}

/* @export: -1 for all. */
static int add_cover(struct builder *b, int export, const struct fs_cover *what)
{
	struct vmm_spec *s = b->spec;

	if (s->ncovers == VMM_MAX_COVERS)
		return msg_error("more than %d places are to be mounted over or hidden", VMM_MAX_COVERS);
	s->covers[s->ncovers++] = (struct vmm_cover){.export = export, .what = *what};
	return 0;
}

/* Notes that @tree (of @export, or -1 and -1) is mounted at @target and covers what is there. */
static int cover_target(struct builder *b, const char *target, int tree, int export)
{
	struct view_place place;
	int err = view_find(&b->view, target, &place);

	if (err)
		return msg_error("'%s': %s", target, strerror(-err));
	err = place.export >= 0 ? add_cover(b, place.export, &place.what) : 0;
	if (err)
		return err;
	err = view_mount(&b->view, place.path, tree, export);
	return err ? msg_error("'%s': %s", target, strerror(-err)) : 0;
}

/* An export that is mounted is the last one added. */
static void add_mount(struct builder *b, const char *type, const char *source, const char *target, const char *options)
{
	const bool exported = strcmp(type, "export") == 0 || strcmp(type, "overlay") == 0;
	const int export = exported ? (int)b->spec->nexports - 1 : -1;

	config_add_fields(&b->spec->config, "mount", (const char *const[]){type, source, target, options}, 4);
	if (!b->error)
		b->error = cover_target(b, target, exported ? b->spec->exports[export].fd : -1, export);
}

/* The mount that @fd lies on, or NULL where the kernel does not tell. */
static const struct host_mount *mount_of(const struct builder *b, int fd)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &sx) < 0 || !(sx.stx_mask & STATX_MNT_ID))
		return NULL;
	return host_mount_by_id(&b->mounts, sx.stx_mnt_id);
}

/* Takes @fd, which lies at @path, over. Returns the export, or NULL when there are too many (nothing is printed). */
static struct vmm_export *add_export(struct builder *b, int fd, const char *path, bool read_only, const char *tag)
{
	struct vmm_export *x;

	if (b->spec->nexports == VMM_MAX_EXPORTS) {
		close(fd);
		return NULL;
	}
	x = &b->spec->exports[b->spec->nexports++];
	*x = (struct vmm_export){.fd = fd, .path = strdup(path), .read_only = read_only};
	if (!x->path)
		return NULL;
	snprintf(x->tag, sizeof(x->tag), "%s", tag);
	return x;
}

/* ---- the trees ---- */

static int add_root(struct builder *b)
{
	const bool overlay = b->opts->root_kind == SANDBOX_ROOT_OVERLAY;
	const char *rootfs = b->opts->rootfs ? b->opts->rootfs : "/";
	int fd;

	if (!realpath(rootfs, b->rootfs))
		return msg_error("root file system '%s': %s", rootfs, strerror(errno));
	fd = open(b->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return msg_error("root file system '%s': %s", rootfs, strerror(errno));
	if (faccessat(fd, ".", X_OK, AT_EACCESS) < 0) {
		const int err = errno;

		close(fd);
		return msg_error("root file system '%s': %s", rootfs, strerror(err));
	}
	add_export(b, fd, b->rootfs, overlay, "root");
	add_mount(b, overlay ? "overlay" : "export", "root", "/", "");
	return b->error;
}

/* Where the hidden paths lead before anything is mounted below the root. */
static int find_hidden(struct builder *b)
{
	for (unsigned int i = 0; i < b->opts->nhides; i++) {
		struct view_place place;
		const int err = view_find(&b->view, b->opts->hides[i], &place);

		b->hidden[i] = err ? NULL : strdup(place.path);
		if (!b->hidden[i])
			return msg_error("--hide %s: %s", b->opts->hides[i], strerror(err ? -err : ENOMEM));
	}
	return 0;
}

/* What the guest puts over a hidden path is for programs of good will; this is for the others. By whatever name. */
static int cover_hidden(struct builder *b)
{
	for (unsigned int i = 0; i < b->opts->nhides; i++) {
		struct view_place place;
		int err = view_find(&b->view, b->opts->hides[i], &place);

		if (err)
			return msg_error("--hide %s: %s", b->opts->hides[i], strerror(-err));
		err = place.export >= 0 ? add_cover(b, -1, &place.what) : 0;
		if (err)
			return err;
	}
	return 0;
}

/* Other real file systems that are mounted below the root: each is an export of its own, since the server crosses none.
 */
static void add_host_mounts(struct builder *b)
{
	const bool overlay = b->opts->root_kind == SANDBOX_ROOT_OVERLAY;
	const size_t skip = strcmp(b->rootfs, "/") == 0 ? 0 : strlen(b->rootfs);

	for (size_t i = 0; i < b->mounts.count; i++) {
		const struct host_mount *m = &b->mounts.mounts[i];
		const char *target = m->path + skip;
		struct vmm_export *x;
		struct stat st;
		char tag[16];
		int fd;

		if (!host_fs_is_real(m->type) || !is_below(m->path, b->rootfs) || target[0] != '/' || target[1] == 0 ||
		    own_mount_covers(b, target) || is_hidden(b, target))
			continue;
		fd = open(m->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			continue; /* not for us to see: then not for the guest */
		/* Covered by a later mount, or out of reach below one. */
		if (mount_of(b, fd) != m || fstat(fd, &st) < 0) {
			close(fd);
			continue;
		}
		snprintf(tag, sizeof(tag), "m%u", (unsigned int)i % 100000);
		x = add_export(b, fd, m->path, overlay, tag);
		if (!x) {
			msg_warning("more than %d file systems are mounted: '%s' and others will look empty",
				    VMM_MAX_EXPORTS, target);
			return;
		}
		if (S_ISDIR(st.st_mode))
			add_mount(b, overlay ? "overlay" : "export", tag, target, "");
		else
			add_mount(b, "export", tag, target, overlay ? "ro" : "");
	}
}

static void add_own_mounts(struct builder *b)
{
	for (size_t i = 0; i < sizeof(own_mounts) / sizeof(own_mounts[0]); i++) {
		const struct own_mount *m = &own_mounts[i];

		if (!m->only_do || b->opts->root_kind == SANDBOX_ROOT_OVERLAY)
			add_mount(b, m->type, "", m->target, m->options);
	}
}

/*
 * The current directory is shown as itself, writable, so that programs can work in it: not when it is the root, not
 * inside /proc, /sys or /dev, and not when it is /tmp or /run itself. Decides the guest's working directory too.
 */
static int add_cwd(struct builder *b, char cwd[PATH_MAX])
{
	const struct host_mount *m;
	int fd;

	if (b->opts->rootfs || !getcwd(cwd, PATH_MAX) || cwd[0] != '/') {
		if (!b->opts->rootfs && !b->opts->cwd)
			msg_warning("the current directory is gone or out of reach: starting in /");
		strcpy(cwd, "/");
		return 0;
	}
	if (strcmp(cwd, "/") == 0 || strcmp(cwd, "/tmp") == 0 || strcmp(cwd, "/run") == 0)
		return 0;
	if (is_below(cwd, "/proc") || is_below(cwd, "/sys") || is_below(cwd, "/dev") || is_hidden(b, cwd)) {
		strcpy(cwd, "/");
		return 0;
	}
	fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return msg_error("current directory '%s': %s", cwd, strerror(errno));
	m = mount_of(b, fd);
	if (m && !host_fs_is_real(m->type)) {
		close(fd);
		strcpy(cwd, "/");
		return 0;
	}
	if (!add_export(b, fd, ".", false, "cwd"))
		return msg_error("too many file systems are mounted to add the current directory");
	add_mount(b, "export", "cwd", cwd, "");
	return 0;
}

/* "SRC", "SRC:DST", "SRC:DST:MODE" */
static int add_bind(struct builder *b, const char *word, unsigned int index)
{
	char buf[2 * PATH_MAX], tag[16], *save = NULL;
	const char *src, *dst, *mode, *rest;
	const struct host_mount *m;
	bool read_only, shared;
	struct vmm_export *x;
	int fd;

	if (strlen(word) >= sizeof(buf))
		return msg_error("--bind %s: too long", word);
	strcpy(buf, word);
	src = strtok_r(buf, ":", &save);
	dst = strtok_r(NULL, ":", &save);
	mode = strtok_r(NULL, ":", &save);
	rest = strtok_r(NULL, ":", &save);
	read_only = mode && strcmp(mode, "ro") == 0;
	shared = mode && strcmp(mode, "shared") == 0;
	if (rest || (mode && !read_only && !shared && strcmp(mode, "rw") != 0))
		return msg_error("--bind %s: after the second ':' only 'ro', 'rw' or 'shared' may follow", word);
	if (!src)
		return msg_error("--bind: say what to show, as SRC:DST");
	if (!dst)
		dst = src;
	if (dst[0] != '/' || dst[strspn(dst, "/")] == 0)
		return msg_error(
			"--bind %s: the place in the sandbox must begin with '/' and not be the root (--rootfs)", word);

	fd = open(src, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return msg_error("--bind %s: '%s': %s", word, src, strerror(errno));
	m = mount_of(b, fd);
	if (m && !host_fs_is_real(m->type)) {
		close(fd);
		return msg_error("--bind %s: '%s' lies on a %s file system, which is never shown to a sandbox", word,
				 src, m->type);
	}
	snprintf(tag, sizeof(tag), "b%u", index);
	x = add_export(b, fd, src, read_only, tag);
	if (!x)
		return msg_error("--bind %s: there are too many exported trees", word);
	x->shared = shared;
	add_mount(b, "export", tag, dst, read_only ? "ro" : "");
	return 0;
}

/* ---- the rest of the configuration ---- */

static bool overridden(const struct sandbox_opts *o, const char *env)
{
	const char *eq = strchr(env, '=');
	const size_t len = eq ? (size_t)(eq - env) : strlen(env);

	for (unsigned int i = 0; i < o->nenvs; i++) {
		if (strncmp(o->envs[i], env, len) == 0 && (o->envs[i][len] == '=' || o->envs[i][len] == 0))
			return true;
	}
	return false;
}

static void add_environment(struct builder *b)
{
	struct config *c = &b->spec->config;

	for (char **e = environ; *e; e++) {
		if (!overridden(b->opts, *e))
			config_add(c, "env", "%s", *e);
	}
	for (unsigned int i = 0; i < b->opts->nenvs; i++) {
		const char *word = b->opts->envs[i];
		const char *value = strchr(word, '=') ? NULL : getenv(word);

		if (strchr(word, '='))
			config_add(c, "env", "%s", word);
		else if (value)
			config_add(c, "env", "%s=%s", word, value);
	}
}

static void add_identity(struct builder *b)
{
	struct config *c = &b->spec->config;
	char list[256 * 12] = "";
	gid_t groups[256];
	size_t used = 0;
	mode_t mask;
	int n;

	config_add(c, "uid", "%u", b->opts->user_given ? b->opts->uid : b->spec->uid);
	config_add(c, "gid", "%u", b->opts->user_given ? b->opts->gid : b->spec->gid);
	n = b->opts->user_given ? 0 : getgroups(256, groups);
	for (int i = 0; i < n && used < sizeof(list) - 16; i++)
		used += (size_t)sprintf(list + used, i ? ",%u" : "%u", groups[i]);
	if (used)
		config_add(c, "groups", "%s", list);
	mask = umask(0);
	umask(mask);
	config_add(c, "umask", "%o", mask);
}

static void add_limits(struct builder *b)
{
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit l;

		if (getrlimit((__rlimit_resource_t)i, &l) == 0)
			config_add(&b->spec->config, "rlimit", "%d:%llu:%llu", i, (unsigned long long)l.rlim_cur,
				   (unsigned long long)l.rlim_max);
	}
}

/* As across execve(2): nohup and "trap '' PIPE" are meant for the program. */
static void add_ignored(struct builder *b)
{
	char list[64 * 3 + 1] = "";
	size_t used = 0;

	for (int sig = 1; sig <= 64; sig++) {
		struct sigaction sa;

		if (sigaction(sig, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			used += (size_t)sprintf(list + used, used ? ",%d" : "%d", sig);
	}
	if (used)
		config_add(&b->spec->config, "ignore", "%s", list);
}

static void add_hostname(struct builder *b)
{
	struct utsname u;

	if (b->opts->hostname)
		config_add(&b->spec->config, "hostname", "%s", b->opts->hostname);
	else if (!b->opts->rootfs && uname(&u) == 0)
		config_add(&b->spec->config, "hostname", "%s", u.nodename);
	else
		config_add(&b->spec->config, "hostname", "umbra");
}

static void add_program(struct builder *b, const char *cwd)
{
	struct config *c = &b->spec->config;
	const struct sandbox_opts *o = b->opts;

	for (char **a = o->argv; *a; a++)
		config_add(c, "arg", "%s", *a);
	add_environment(b);
	config_add(c, "cwd", "%s", o->cwd ? o->cwd : cwd);
	add_identity(b);
	add_hostname(b);
	add_limits(b);
	add_ignored(b);
	if (o->tty)
		config_add(c, "tty", "1");
	for (unsigned int i = 0; i < o->nhides; i++)
		config_add(c, "hide", "%s", o->hides[i]);
	if (o->strace)
		config_add(c, "strace", "%s", o->strace);
	if (o->debug)
		config_add(c, "debug", "%s", o->debug);
}

/* ---- the machine ---- */

static int choose_kernel(struct builder *b)
{
	const char *path = b->opts->kernel;
	struct stat st;
	int fd;

	if (!path) {
		b->spec->kernel = umbra_kernel_image;
		b->spec->kernel_bytes = (size_t)(umbra_kernel_image_end - umbra_kernel_image);
		return 0;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return msg_error("guest kernel '%s': %s", path, strerror(errno));
	b->spec->kernel_bytes = (size_t)st.st_size;
	b->spec->kernel = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (b->spec->kernel == MAP_FAILED)
		return msg_error("guest kernel '%s': %s", path, strerror(errno));
	return 0;
}

static int choose_machine(struct builder *b)
{
	struct vmm_spec *s = b->spec;
	unsigned long long memory = b->opts->memory ? b->opts->memory : host_memory();
	unsigned int cpus = b->opts->ncpus;

	if (memory > UM_RAM_MAX)
		memory = UM_RAM_MAX;
	s->ram_bytes = memory & ~(RAM_ALIGN - 1);
	if (s->ram_bytes < RAM_USER_MIN)
		return msg_error("a sandbox needs at least %llu MiB of memory, not %llu: use --memory",
				 RAM_USER_MIN >> 20, memory >> 20);
	if (!cpus) {
		cpus = host_cpus();
		if (cpus > CPUS_DEFAULT_MAX)
			cpus = CPUS_DEFAULT_MAX;
	}
	s->ncpus = cpus;
	s->tty = b->opts->tty;
	s->uid = geteuid();
	s->gid = getegid();
	s->log_fd = -1;
	if (b->opts->strace || b->opts->debug)
		s->log_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	s->features = (b->opts->debug ? 0 : UM_FEAT_QUIET) | (b->opts->strace ? UM_FEAT_STRACE : 0);
	return choose_kernel(b);
}

int sandbox_prepare(const struct sandbox_opts *opts, struct vmm_spec *spec)
{
	struct builder b = {.opts = opts, .spec = spec};
	char cwd[PATH_MAX];
	int err;

	err = choose_machine(&b);
	if (err)
		return err;
	err = host_mounts_read(&b.mounts);
	if (err)
		return msg_error("cannot read /proc/self/mountinfo: %s%s", strerror(-err),
				 err == -ENOENT ? " (is /proc mounted?)" : "");
	err = add_root(&b);
	if (!err)
		err = find_hidden(&b);
	if (!err) {
		add_host_mounts(&b);
		add_own_mounts(&b);
		err = add_cwd(&b, cwd);
	}
	for (unsigned int i = 0; !err && i < opts->nbinds; i++)
		err = add_bind(&b, opts->binds[i], i);
	if (!err)
		err = b.error;
	if (!err)
		err = cover_hidden(&b);
	if (!err)
		add_program(&b, cwd);
	for (unsigned int i = 0; i < opts->nhides; i++)
		free(b.hidden[i]);
	view_deinit(&b.view);
	host_mounts_free(&b.mounts);
	return err;
}
