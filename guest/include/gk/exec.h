/* SPDX-License-Identifier: Apache-2.0 */
/* What exec.c (the call), argpages.c (its strings), script.c (#!) and elf.c (the loader) share. */
#ifndef GK_EXEC_H
#define GK_EXEC_H

#include <gk/fs.h>
#include <gk/mm.h>

#define BINPRM_BUF_SIZE 256
#define BINPRM_MAX_DEPTH 5
#define MAX_ARG_STRLEN (32 * PAGE_SIZE)

/* Strings in the order in which they were added, each with its NUL, over as many pages as they need. */
struct argpages {
	u8 **page;
	u32 nr_pages, cap_pages;
	u32 *offset; /* of each string */
	u32 nr, cap;
	size_t len;   /* bytes */
	size_t limit; /* bytes and 8 per string: beyond it -E2BIG */
};

int argpages_add_user(struct argpages *a, const char __user *s);
int argpages_add(struct argpages *a, const char *s);
void argpages_free(struct argpages *a);

struct exec {
	struct file *file;	  /* what will run; write access denied */
	const char *filename;	  /* as /proc and AT_EXECFN show it */
	u8 head[BINPRM_BUF_SIZE]; /* its first bytes, zero-padded */
	struct argpages args, env;
	/* #! lines put strings in front of the arguments and take argv[0] away; kmalloc'ed. */
	char *prefix[2 * BINPRM_MAX_DEPTH + 1];
	u32 nr_prefix;
	bool fd_is_cloexec; /* filename is /dev/fd/N of a descriptor that exec closes: no interpreter could open it */

	struct cred *cred;
	bool secure;

	/* results of the loader */
	struct mm *mm;
	u64 entry, sp;
};

/* Opens an executable: checks, denies writing. ERR_PTR(-EACCES, -ETXTBSY, ...) */
struct file *open_exec_path(const struct path *p);
struct file *open_exec(const char *name);
void exec_file_put(struct file *f); /* allows writing again, drops the reference */
/* Reads the first bytes of e->file. */
int exec_read_head(struct exec *e);

/* kernel/script.c: 1: e->file is a script, replaced by its interpreter now; 0: it is not; or -errno. */
int exec_script(struct exec *e);
/*
 * kernel/elf.c: builds e->mm from e->file: segments, interpreter, vDSO, stack with all strings and tables. Nothing of
 * the current program is touched. -ENOEXEC: not ours.
 */
int elf_load(struct exec *e);

/* arch: maps the vDSO, its address goes to mm->vdso (0: none). */
void vdso_map(struct mm *mm);

#endif
