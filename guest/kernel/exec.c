/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execve. The new program is built completely beside the old one (strings, address space, credentials); until then any
 * error leaves the caller as it was. Then the other threads die, and the rest cannot fail.
 */
#include <gk/acct.h>
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/exec.h>
#include <gk/fork.h>
#include <gk/futex.h>
#include <gk/printk.h>
#include <gk/ptrace.h>
#include <gk/rseq.h>
#include <gk/signal.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/uaccess.h>

#define ARG_LIMIT_MAX (6ull << 20)
#define ARG_LIMIT_MIN (32 * PAGE_SIZE)

/* ---- the file ---- */

struct file *open_exec_path(const struct path *p)
{
	struct inode *inode = p->dentry->inode;
	struct file *f;
	int err;

	if (!S_ISREG(inode->mode) || ((p->mnt->flags | inode->sb->flags) & MS_NOEXEC))
		return ERR_PTR(-EACCES);
	err = inode_permission(inode, MAY_EXEC);
	if (err)
		return ERR_PTR(err);
	/* Reading needs no permission of its own here. */
	f = file_open_path(p, O_RDONLY, current->cred);
	if (IS_ERR(f))
		return f;
	err = deny_write(inode);
	if (err) {
		file_put(f);
		return ERR_PTR(err);
	}
	return f;
}

struct file *open_exec(const char *name)
{
	struct path p;
	struct file *f;
	int err = path_lookup(AT_FDCWD, name, LOOKUP_FOLLOW, &p);

	if (err)
		return ERR_PTR(err);
	f = open_exec_path(&p);
	path_put(&p);
	return f;
}

void exec_file_put(struct file *f)
{
	if (!f)
		return;
	allow_write(file_inode(f));
	file_put(f);
}

int exec_read_head(struct exec *e)
{
	loff_t pos = 0;
	ssize_t n;

	memset(e->head, 0, sizeof(e->head));
	n = kernel_read(e->file, e->head, sizeof(e->head), &pos);
	return n < 0 ? (int)n : 0;
}

/* ---- the old threads ---- */

/* current, not the leader, takes the leader's place and number. The leader has left already. */
static void become_leader(void)
{
	struct task *t = current, *old;
	struct process *p = t->process;
	struct pid *mine = t->pid;

	spin_lock(&task_lock);
	old = p->leader;
	pid_detach_task(mine);
	pid_attach_task(p->pid, t);
	t->pid = pid_get(p->pid);
	p->leader = task_get(t);
	ptrace_replace_leader(old);
	spin_unlock(&task_lock);
	pid_put(mine);
	task_put(old);
}

/* Kills all other threads and waits until they are gone. -EAGAIN: current is to die itself. */
static int de_thread(void)
{
	struct process *p = current->process;
	int err = 0;

	spin_lock(&p->siglock);
	if (p->group_exit || p->group_exec_task) {
		spin_unlock(&p->siglock);
		return -EAGAIN;
	}
	if (p->nr_threads == 1) {
		spin_unlock(&p->siglock);
		goto alone;
	}
	p->group_exec_task = current;
	signals_zap_others();
	spin_unlock(&p->siglock);
	for (;;) {
		set_current_state(TASK_KILLABLE);
		if (READ_ONCE(p->nr_threads) == 1)
			break;
		if (fatal_signal_pending()) {
			err = -EAGAIN;
			break;
		}
		schedule();
	}
	set_current_state(TASK_RUNNING);
	spin_lock(&task_lock); /* the last one to leave is out of exit_notify() */
	p->group_exec_task = NULL;
	spin_unlock(&task_lock);
	if (err)
		return err;
alone:
	if (p->leader != current)
		become_leader();
	return 0;
}

/* ---- the point of no return ---- */

static void switch_mm(struct mm *mm)
{
	struct task *t = current;
	struct mm *old = t->mm;

	if (old) {
		account_maxrss(t);
		futex_mm_release();
	}
	load_mm(mm);
	spin_lock(&task_lock);
	t->mm = mm;
	spin_unlock(&task_lock);
	vfork_release();
	if (old)
		mm_put_user(old);
}

static void set_comm(struct task *t, const char *filename)
{
	const char *slash = strrchr(filename, '/');

	strscpy(t->comm, slash ? slash + 1 : filename, TASK_COMM_LEN);
}

static void commit(struct exec *e)
{
	struct task *t = current;
	struct process *p = t->process;

	switch_mm(e->mm);
	e->mm = NULL;
	files_unshare();
	files_close_on_exec();
	signals_flush_exec(t);
	posix_timers_exit(p);
	cred_exec_commit(e->cred, e->secure);
	e->cred = NULL;
	rseq_clear(t);
	t->clear_child_tid = t->set_child_tid = 0;
	t->robust_list = 0;
	t->forked_no_exec = false;
	t->exec_id++;
	p->did_exec = true;
	p->exit_signal = SIGCHLD;
	set_comm(t, e->filename);
	arch_start_program(task_pt_regs(t), e->entry, e->sp);
}

/* e->file, filename and strings are there. */
static int do_exec(struct exec *e)
{
	int err = exec_read_head(e), depth = 0;
	s32 old_tid;

	while (!err) {
		int script = exec_script(e);

		if (script <= 0) {
			err = script;
			break;
		}
		if (++depth >= BINPRM_MAX_DEPTH)
			err = -ELOOP;
	}
	if (!err)
		err = cred_exec(e->file, &e->cred, &e->secure);
	if (!err)
		err = elf_load(e);
	old_tid = task_pid_nr(current);
	if (!err)
		err = de_thread();
	if (!err) {
		commit(e);
		ptrace_exec(old_tid);
	}
	return err;
}

static void exec_free(struct exec *e)
{
	exec_file_put(e->file);
	if (e->cred)
		cred_put(e->cred);
	if (e->mm)
		mm_put_user(e->mm);
	for (u32 i = 0; i < e->nr_prefix; i++)
		kfree(e->prefix[i]);
	argpages_free(&e->args);
	argpages_free(&e->env);
	kfree(e);
}

static struct exec *exec_new(void)
{
	struct exec *e = kzalloc(sizeof(*e));
	u64 limit = READ_ONCE(current->process->rlim[RLIMIT_STACK].cur) / 4;

	if (!e)
		return NULL;
	limit = MIN(limit, (u64)ARG_LIMIT_MAX);
	limit = MAX(limit, (u64)ARG_LIMIT_MIN);
	e->args.limit = limit;
	e->env.limit = limit;
	return e;
}

int kernel_execve(const char *file, const char *const *argv, const char *const *envp)
{
	struct exec *e = exec_new();
	int err = 0;

	if (!e)
		return -ENOMEM;
	for (; *argv && !err; argv++)
		err = argpages_add(&e->args, *argv);
	for (; *envp && !err; envp++)
		err = argpages_add(&e->env, *envp);
	if (!err) {
		e->filename = file;
		e->file = open_exec(file);
		if (IS_ERR(e->file)) {
			err = (int)PTR_ERR(e->file);
			e->file = NULL;
		}
	}
	if (!err)
		err = do_exec(e);
	exec_free(e);
	return err;
}

/* ---- the calls ---- */

/* A program's NULL-terminated array of strings; NULL is an empty one. */
static int copy_strings(struct argpages *a, u64 __user *v)
{
	u64 s;

	if (!v)
		return 0;
	for (;; v++) {
		int err;

		if (get_user(s, v))
			return -EFAULT;
		if (!s)
			return 0;
		err = argpages_add_user(a, (const char __user *)s);
		if (err)
			return err;
		if (fatal_signal_pending())
			return -ERESTARTNOHAND;
		cond_resched();
	}
}

/* Opens what dfd and name mean; *shown: what the program will see as its file name, kmalloc'ed. */
static int open_at(struct exec *e, int dfd, const char __user *uname, u32 flags, char **shown)
{
	u32 lookup = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	char *name = getname_flags(uname, flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0);
	struct path p;
	int err;

	if (IS_ERR(name))
		return (int)PTR_ERR(name);
	err = path_lookup(dfd, name, lookup | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0), &p);
	if (!err) {
		e->file = S_ISLNK(p.dentry->inode->mode) ? ERR_PTR(-ELOOP) : open_exec_path(&p);
		path_put(&p);
		if (IS_ERR(e->file)) {
			err = (int)PTR_ERR(e->file);
			e->file = NULL;
		}
	}
	if (err || dfd == AT_FDCWD || name[0] == '/') {
		*shown = name;
		return err;
	}
	*shown = kmalloc(PATH_MAX + 32);
	if (*shown)
		snprintf(*shown, PATH_MAX + 32, name[0] ? "/dev/fd/%d/%s" : "/dev/fd/%d", dfd, name);
	e->fd_is_cloexec = fd_cloexec(current, dfd);
	kfree(name);
	return *shown ? 0 : -ENOMEM;
}

static long do_execveat(int dfd, const char __user *uname, u64 __user *argv, u64 __user *envp, u32 flags)
{
	struct exec *e = exec_new();
	char *shown = NULL;
	int err;

	if (!e)
		return -ENOMEM;
	err = open_at(e, dfd, uname, flags, &shown);
	e->filename = shown;
	if (!err)
		err = copy_strings(&e->args, argv);
	if (!err)
		err = copy_strings(&e->env, envp);
	if (!err && !e->args.nr)
		err = argpages_add(&e->args, ""); /* programs expect at least one, and Linux gives it to them */
	if (!err)
		err = do_exec(e);
	exec_free(e);
	kfree(shown);
	return err;
}

SYSCALL3(execve, const char __user *, name, u64 __user *, argv, u64 __user *, envp)
{
	return do_execveat(AT_FDCWD, name, argv, envp, 0);
}

SYSCALL5(execveat, int, dfd, const char __user *, name, u64 __user *, argv, u64 __user *, envp, u32, flags)
{
	if (flags & ~(u32)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	return do_execveat(dfd, name, argv, envp, flags);
}
