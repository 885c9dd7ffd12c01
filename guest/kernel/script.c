/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "#!" files: the interpreter named in the first line runs instead, with the line's argument and the file's name in
 * front.
 */
#include <gk/errno.h>
#include <gk/exec.h>
#include <gk/slab.h>
#include <gk/string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * Splits the line at @line (NUL-terminated, without #!) in place: the interpreter's name, and all that follows as one
 * argument (NULL: none). NULL: there is no name.
 */
static char *parse_line(char *line, char **arg)
{
	char *end, *name;

	while (is_blank(*line))
		line++;
	for (end = line + strlen(line); end > line && is_blank(end[-1]);)
		*--end = 0;
	name = line;
	while (*line && !is_blank(*line))
		line++;
	*arg = NULL;
	if (*line) {
		*line++ = 0;
		while (is_blank(*line))
			line++;
		*arg = line;
	}
	return *name ? name : NULL;
}

/*
 * The first line without #!, as a string in @buf. -ENOEXEC: it does not end within what was read, and might be cut in
 * its name.
 */
static int first_line(const u8 *head, char *buf)
{
	char *end;

	memcpy(buf, head + 2, BINPRM_BUF_SIZE - 2);
	buf[BINPRM_BUF_SIZE - 2] = 0;
	end = strchr(buf, '\n');
	if (end) {
		*end = 0;
		return 0;
	}
	if (strlen(buf) < BINPRM_BUF_SIZE - 2)
		return 0; /* the whole file is one line */
	/* Cut: fine as long as the name is whole. */
	for (char *p = buf; *p; p++) {
		if (!is_blank(*p)) {
			while (*p && !is_blank(*p))
				p++;
			return *p ? 0 : -ENOEXEC;
		}
	}
	return -ENOEXEC;
}

/* Puts @s in front of the arguments that come before args[1]. */
static int push_front(struct exec *e, const char *s)
{
	char *copy = kstrdup(s);

	if (!copy)
		return -ENOMEM;
	if (e->nr_prefix == ARRAY_SIZE(e->prefix)) {
		kfree(copy);
		return -ELOOP;
	}
	memmove(e->prefix + 1, e->prefix, e->nr_prefix * sizeof(e->prefix[0]));
	e->prefix[0] = copy;
	e->nr_prefix++;
	return 0;
}

/* New arguments: interpreter, its argument, the script's name, then the old ones without argv[0]. */
static int push_arguments(struct exec *e, const char *name, const char *arg)
{
	int err = 0;

	if (!e->nr_prefix) /* else the script is an interpreter, and its name is already the first argument */
		err = push_front(e, e->filename);
	if (!err && arg)
		err = push_front(e, arg);
	return err ? err : push_front(e, name);
}

int exec_script(struct exec *e)
{
	char line[BINPRM_BUF_SIZE];
	struct file *interp;
	char *name, *arg;
	int err;

	if (e->head[0] != '#' || e->head[1] != '!')
		return 0;
	if (first_line(e->head, line))
		return -ENOEXEC;
	name = parse_line(line, &arg);
	if (!name)
		return -ENOEXEC;
	if (e->fd_is_cloexec)
		return -ENOENT;
	err = push_arguments(e, name, arg);
	if (err)
		return err;
	interp = open_exec(name);
	if (IS_ERR(interp))
		return (int)PTR_ERR(interp);
	exec_file_put(e->file);
	e->file = interp;
	err = exec_read_head(e);
	return err ? err : 1;
}
