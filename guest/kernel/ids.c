/* SPDX-License-Identifier: Apache-2.0 */
/* Small questions about tasks: who am I, what personality, are two things one (kcmp). */
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/fs.h>
#include <gk/syscall.h>
#include <gk/task.h>

#define KCMP_FILE 0
#define KCMP_VM 1
#define KCMP_FILES 2
#define KCMP_FS 3
#define KCMP_SIGHAND 4
#define KCMP_IO 5
#define KCMP_SYSVSEM 6

SYSCALL0(getpid)
{
	return task_tgid_nr(current);
}

SYSCALL0(gettid)
{
	return task_pid_nr(current);
}

SYSCALL0(getppid)
{
	return READ_ONCE(current->process->ppid);
}

SYSCALL1(personality, u32, persona)
{
	struct process *p = current->process;
	u32 old = READ_ONCE(p->personality);

	if (persona != 0xffffffff)
		WRITE_ONCE(p->personality, persona);
	return old;
}

/* Which of two objects comes first says nothing but must be the same every time. */
static long compare(const void *a, const void *b)
{
	return a == b ? 0 : (u64)a < (u64)b ? 1 : 2;
}

static long compare_files(struct task *a, struct task *b, u64 fd1, u64 fd2)
{
	struct file *f1 = files_lookup(a, (int)fd1), *f2 = files_lookup(b, (int)fd2);
	long ret = f1 && f2 ? compare(f1, f2) : -EBADF;

	if (f1)
		file_put(f1);
	if (f2)
		file_put(f2);
	return ret;
}

static bool may_compare(struct task *t)
{
	struct cred *c;
	bool ok;

	if (t->process == current->process || capable(CAP_SYS_PTRACE))
		return true;
	c = task_cred_get(t);
	ok = current->cred->uid == c->uid && c->uid == c->euid && c->uid == c->suid;
	cred_put(c);
	return ok;
}

static long compare_tasks(struct task *a, struct task *b, int type, u64 i1, u64 i2)
{
	if (!may_compare(a) || !may_compare(b))
		return -EPERM;
	switch (type) {
	case KCMP_FILE:
		return compare_files(a, b, i1, i2);
	case KCMP_VM:
		return compare(a->mm, b->mm);
	case KCMP_FILES:
		return compare(a->files, b->files);
	case KCMP_FS:
		return compare(a->fs, b->fs);
	case KCMP_SIGHAND:
		return compare(a->sighand, b->sighand);
	case KCMP_IO:
		return 0; /* nobody has an I/O context */
	case KCMP_SYSVSEM:
		return compare(a->process, b->process);
	default:
		return -EINVAL;
	}
}

SYSCALL5(kcmp, s32, pid1, s32, pid2, int, type, u64, i1, u64, i2)
{
	struct task *a = find_get_task(pid1), *b = find_get_task(pid2);
	long ret = a && b ? compare_tasks(a, b, type, i1, i2) : -ESRCH;

	if (a)
		task_put(a);
	if (b)
		task_put(b);
	return ret;
}
