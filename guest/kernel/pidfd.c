/* SPDX-License-Identifier: Apache-2.0 */
/* pidfds: a descriptor that stands for a process (its struct pid) and becomes readable when it has ended. */
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/fork.h>
#include <gk/fs.h>
#include <gk/poll.h>
#include <gk/printk.h>
#include <gk/syscall.h>

#define PIDFD_NONBLOCK O_NONBLOCK

static void pidfd_release(struct file *f)
{
	pid_put(f->private);
}

static bool pid_has_ended(struct pid *pid)
{
	struct process *p;
	bool ended;

	spin_lock(&task_lock);
	p = pid->process;
	ended = !p || p->zombie;
	spin_unlock(&task_lock);
	return ended;
}

static u32 pidfd_poll(struct file *f, struct poll_table *pt)
{
	struct pid *pid = f->private;

	poll_wait(f, &pid->pidfd_wait, pt);
	return pid_has_ended(pid) ? EPOLLIN | EPOLLRDNORM : 0;
}

static int pidfd_fdinfo(struct file *f, char *buf, size_t size)
{
	const struct pid *pid = f->private;
	s32 nr = pid->process ? pid->nr : -1;

	return scnprintf(buf, size, "Pid:\t%d\nNSpid:\t%d\n", nr, nr);
}

static const struct file_ops pidfd_ops = {
	.release = pidfd_release,
	.poll = pidfd_poll,
	.fdinfo = pidfd_fdinfo,
};

struct file *pidfd_file(struct pid *pid, u32 flags)
{
	struct file *f = anon_file("[pidfd]", &pidfd_ops, pid, O_RDWR | (flags & PIDFD_NONBLOCK));

	if (!IS_ERR(f))
		pid_get(pid);
	return f;
}

struct pid *pidfd_pid(int fd)
{
	struct file *f = fd_get(fd);
	struct pid *pid = ERR_PTR(-EBADF);

	if (!f)
		return pid;
	if (f->ops == &pidfd_ops)
		pid = pid_get(f->private);
	file_put(f);
	return pid;
}

SYSCALL2(pidfd_open, s32, nr, u32, flags)
{
	struct pid *pid;
	struct file *f;
	long ret = -ESRCH;

	if ((flags & ~(u32)PIDFD_NONBLOCK) || nr <= 0)
		return -EINVAL;
	pid = find_get_pid(nr);
	if (!pid)
		return -ESRCH;
	if (!pid->process) {
		ret = pid->task ? -EINVAL : -ESRCH; /* a thread that is no process */
		goto out;
	}
	f = pidfd_file(pid, flags);
	ret = IS_ERR(f) ? PTR_ERR(f) : fd_install_new(f, O_CLOEXEC);
out:
	pid_put(pid);
	return ret;
}

/* May current look into @p? The rule of ptrace: same user throughout, or CAP_SYS_PTRACE. */
static bool may_access(struct process *p)
{
	const struct cred *me = current->cred;
	struct cred *c;
	bool ok;

	if (p == current->process || capable(CAP_SYS_PTRACE))
		return true;
	c = task_cred_get(p->leader);
	ok = p->dumpable == 1 && me->uid == c->uid && me->uid == c->euid && me->uid == c->suid && me->gid == c->gid &&
	     me->gid == c->egid && me->gid == c->sgid;
	cred_put(c);
	return ok;
}

SYSCALL3(pidfd_getfd, int, pidfd, int, fd, u32, flags)
{
	struct process *p = NULL;
	struct pid *pid;
	struct file *f;
	long ret;

	if (flags)
		return -EINVAL;
	pid = pidfd_pid(pidfd);
	if (IS_ERR(pid))
		return PTR_ERR(pid);
	spin_lock(&task_lock);
	if (pid->process)
		p = process_get(pid->process);
	spin_unlock(&task_lock);
	pid_put(pid);
	if (!p)
		return -ESRCH;
	if (!may_access(p)) {
		ret = -EPERM;
	} else {
		f = p->zombie ? NULL : files_lookup(p->leader, fd);
		ret = f ? fd_install_new(f, O_CLOEXEC) : p->zombie ? -ESRCH : -EBADF;
	}
	process_put(p);
	return ret;
}
