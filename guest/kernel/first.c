/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first program: process 1, the container. It starts as a kernel task that mounts what the configuration says,
 * takes on the configured identity, opens its standard descriptors and executes the program. What goes wrong is said on
 * its stderr, as a shell would: exit status 127 when the program is not found, 126 when it cannot be executed, 125 when
 * the sandbox is not what was asked for.
 */
#include <gk/acct.h>
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/exec.h>
#include <gk/fork.h>
#include <gk/fs.h>
#include <gk/init.h>
#include <gk/printk.h>
#include <gk/slab.h>
#include <gk/strace.h>
#include <gk/string.h>
#include <gk/tty.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define EXIT_NO_SANDBOX 125
#define EXIT_NOT_FOUND 127
#define EXIT_CANNOT_EXEC 126

/* What can go wrong with names and programs, in words. */
static const char *error_text(int err)
{
	static const struct {
		int err;
		const char *text;
	} texts[] = {
		{ENOENT, "not found"},
		{EACCES, "permission denied"},
		{EPERM, "operation not permitted"},
		{ENOEXEC, "not an executable format this kernel knows"},
		{ENOTDIR, "not a directory"},
		{EISDIR, "is a directory"},
		{ELOOP, "too many symbolic links"},
		{ENAMETOOLONG, "name too long"},
		{E2BIG, "too many arguments or environment variables"},
		{ENOMEM, "not enough memory (see --memory)"},
		{EIO, "damaged, or it cannot be read"},
		{ETXTBSY, "open for writing"},
		{EROFS, "read-only file system"},
	};

	for (u32 i = 0; i < ARRAY_SIZE(texts); i++) {
		if (err == -texts[i].err)
			return texts[i].text;
	}
	return NULL;
}

/* A line on the program's stderr; to the log if that is not there. */
static void say(const char *what, const char *name, const char *why)
{
	struct file *f = fd_get(2);
	char line[512];
	loff_t pos = 0;
	int n = scnprintf(line, sizeof(line), "umbra: %s %s: %s\n", what, name, why);

	if (!f || kernel_write(f, line, (size_t)n, &pos) < 0)
		printk("%s", line);
	if (f)
		file_put(f);
}

static void complain(const char *what, const char *name, int err)
{
	const char *why = error_text(err);
	char number[32];

	scnprintf(number, sizeof(number), "error %d", -err);
	say(what, name, why ? why : number);
}

/* All values of @key, as an array that ends in NULL. */
static const char **config_strings(const char *key)
{
	const char *iter = NULL, *v, **list;
	u32 n = 0;

	while (config_next(key, &iter))
		n++;
	list = kcalloc(n + 1, sizeof(*list));
	if (!list)
		return NULL;
	iter = NULL;
	n = 0;
	while ((v = config_next(key, &iter)))
		list[n++] = v;
	return list;
}

static u32 config_number(const char *key, u32 otherwise, int base)
{
	const char *v = config_get(key);

	return v ? (u32)strtoull(v, NULL, base) : otherwise;
}

/* rlimit=NUM:SOFT:HARD */
static void set_limits(void)
{
	const char *iter = NULL, *v;

	while ((v = config_next("rlimit", &iter))) {
		char *end;
		u64 num = strtoull(v, &end, 10), soft, hard;

		if (num >= RLIM_NLIMITS || *end != ':')
			continue;
		soft = strtoull(end + 1, &end, 10);
		hard = *end == ':' ? strtoull(end + 1, &end, 10) : soft;
		current->process->rlim[num] = (struct rlimit){soft, hard};
	}
	itimers_new_process(current->process);
}

/* ignore=1,13 */
static void set_ignored(void)
{
	const char *v = config_get("ignore");
	char *end;

	for (; v; v = *end == ',' ? end + 1 : NULL) {
		const u64 sig = strtoull(v, &end, 10);

		if (sig >= 1 && sig <= NSIG && sig != SIGKILL && sig != SIGSTOP)
			current->sighand->action[sig - 1].handler = SIG_IGN;
	}
}

static u32 count_numbers(const char *s)
{
	u32 n = *s ? 1 : 0;

	for (; *s; s++)
		n += *s == ',';
	return n;
}

static struct group_info *config_groups(void)
{
	const char *s = config_get("groups");
	struct group_info *g = s ? groups_alloc(count_numbers(s)) : NULL;
	char *end;

	if (!g)
		return NULL;
	for (u32 i = 0; i < g->n; i++) {
		g->gid[i] = (kgid_t)strtoull(s, &end, 10);
		s = *end ? end + 1 : end;
	}
	groups_sort(g);
	return g;
}

static int set_identity(void)
{
	struct cred *c = cred_prepare();
	struct group_info *groups = config_groups();
	struct user *user;
	const char *caps = config_get("caps");

	if (!c)
		return -ENOMEM;
	c->uid = c->euid = c->suid = c->fsuid = config_number("uid", 0, 10);
	c->gid = c->egid = c->sgid = c->fsgid = config_number("gid", 0, 10);
	user = user_find_get(c->uid);
	if (!user) {
		cred_put(c);
		return -ENOMEM;
	}
	user_put(c->user);
	c->user = user;
	if (groups) {
		groups_put(c->groups);
		c->groups = groups;
	}
	if (caps)
		c->cap_bset = strtoull(caps, NULL, 16) & CAP_FULL;
	c->cap_permitted &= c->cap_bset;
	c->cap_effective &= c->cap_bset;
	if (c->uid) {
		c->cap_effective = 0;
		c->cap_permitted = 0;
	}
	cred_commit(c);
	current->fs->umask = config_number("umask", 022, 8) & 0777;
	current->no_new_privs = config_number("no_new_privs", 0, 10);
	init_protected = config_number("init", 0, 10);
	return 0;
}

static int set_cwd(void)
{
	const char *cwd = config_get("cwd");
	struct path p, old;
	int err;

	if (!cwd)
		return 0;
	err = path_lookup(AT_FDCWD, cwd, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &p);
	if (err)
		return err;
	old = current->fs->cwd;
	current->fs->cwd = p;
	path_put(&old);
	return 0;
}

/* The value of PATH in @env, or the default. */
static const char *search_path(const char **env)
{
	for (; *env; env++) {
		if (strncmp(*env, "PATH=", 5) == 0)
			return *env + 5;
	}
	return DEFAULT_PATH;
}

/*
 * Tries the directories of PATH as a shell does: the first that works; a file that may not be executed is remembered.
 */
static int exec_in_path(const char *name, const char **argv, const char **env)
{
	const char *dir = search_path(env), *end;
	char *full = kmalloc(PATH_MAX);
	int err, result = -ENOENT;

	if (!full)
		return -ENOMEM;
	for (;; dir = end + 1) {
		end = strchr(dir, ':');
		if (!end)
			end = dir + strlen(dir);
		if (end == dir)
			snprintf(full, PATH_MAX, "./%s", name);
		else
			snprintf(full, PATH_MAX, "%.*s/%s", (int)(end - dir), dir, name);
		err = kernel_execve(full, argv, env);
		if (err == 0 || (err != -ENOENT && err != -ENOTDIR && err != -EACCES)) {
			result = err;
			break;
		}
		if (err == -EACCES)
			result = err;
		if (!*end)
			break;
	}
	kfree(full);
	return result;
}

static int exec_configured(const char **argv)
{
	const char **env = config_strings("env");
	int err;

	if (!env)
		return -ENOMEM;
	if (!*argv[0])
		err = -ENOENT;
	else if (strchr(argv[0], '/'))
		err = kernel_execve(argv[0], argv, env);
	else
		err = exec_in_path(argv[0], argv, env);
	kfree(env);
	return err;
}

static void first_program(void *arg)
{
	const char **argv = config_strings("arg"), *where = "";
	int err, unmounted;

	init_devices();
	unmounted = mount_config(&where);
	err = console_open_stdio();
	if (err)
		pr_warn("no standard descriptors: error %d\n", -err);
	if (unmounted) {
		complain("make the mount point", where, unmounted);
		do_group_exit(EXIT_NO_SANDBOX << 8);
	}
	if (strace_unknown()) {
		say("--strace", strace_unknown(), "there is no such system call");
		do_group_exit(EXIT_NO_SANDBOX << 8);
	}
	set_limits();
	set_ignored();
	strace_task(current);
	if (!argv || !argv[0]) {
		complain("run", "(nothing)", -ENOENT);
		do_group_exit(EXIT_NOT_FOUND << 8);
	}
	err = set_identity();
	if (!err)
		err = set_cwd();
	if (err) {
		complain("change to directory", config_get("cwd") ? config_get("cwd") : "/", err);
		do_group_exit(EXIT_NOT_FOUND << 8);
	}
	err = exec_configured(argv);
	if (err) {
		complain("run", argv[0], err);
		do_group_exit((u32)(err == -ENOENT || err == -ENOTDIR ? EXIT_NOT_FOUND : EXIT_CANNOT_EXEC) << 8);
	}
	kfree(argv);
	/* Back to entry.S, into the program. */
}

void start_first_program(void)
{
	struct task *t = first_task_new(first_program);

	if (!t)
		panic("no memory for the first program");
	sched_new_task(t);
}
