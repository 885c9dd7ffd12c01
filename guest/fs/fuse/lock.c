/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks on shared mounts: the server's word decides, since others on the host lock the same files. Each owner here is
 * an owner there, so conflicts between programs of the sandbox are found there too; what was granted is also kept here,
 * for F_GETLK and for the end of a file. On all other mounts locks stay in the sandbox.
 *
 * The server does not wait: who wants to wait asks again, first soon, then every 50 ms. Deadlocks are not found.
 */
#include <gk/filelock.h>

#include "fuse.h"

#define RETRY_MIN (1 * NSEC_PER_MSEC)
#define RETRY_MAX (50 * NSEC_PER_MSEC)

static bool is_shared(const struct file *f)
{
	return fuse_s(f->inode->sb)->shared;
}

static struct fuse_lk_in request(const struct file_lock *fl, u32 flags)
{
	return (struct fuse_lk_in){
		.owner = (u64)fl->owner,
		.lk = {.start = (u64)fl->start, .end = (u64)fl->end, .type = fl->type},
		.lk_flags = flags,
	};
}

static int set_once(struct file *f, const struct file_lock *fl, u32 flags)
{
	const struct fuse_lk_in in = request(fl, flags);
	const struct fuse_call c = {
		.opcode = FUSE_SETLK, .nodeid = fuse_i(f->inode)->nodeid, .nr_in = 1, .in = {{&in, sizeof(in)}}};

	return fuse_call_exact(&c);
}

static int set(struct file *f, int cmd, const struct file_lock *fl, u32 flags)
{
	u64 delay = RETRY_MIN;
	int err;

	for (;;) {
		err = set_once(f, fl, flags);
		if (err != -EAGAIN || cmd != F_SETLKW)
			return err;
		set_current_state(TASK_INTERRUPTIBLE);
		err = schedule_until(ktime_mono() + delay);
		if (err < 0)
			return err;
		delay = MIN(delay * 2, RETRY_MAX);
	}
}

static int get(struct file *f, struct file_lock *fl)
{
	const struct fuse_lk_in in = request(fl, 0);
	struct fuse_lk_out out;
	const struct fuse_call c = {.opcode = FUSE_GETLK,
				    .nodeid = fuse_i(f->inode)->nodeid,
				    .nr_in = 1,
				    .in = {{&in, sizeof(in)}},
				    .out = &out,
				    .out_size = sizeof(out)};
	const int err = fuse_call_exact(&c);

	if (err)
		return err;
	fl->type = out.lk.type;
	if (fl->type != F_UNLCK) {
		fl->start = (loff_t)out.lk.start;
		fl->end = (loff_t)out.lk.end;
		fl->pid = -1; /* nobody in this sandbox */
	}
	return 0;
}

int fuse_file_lock(struct file *f, int cmd, struct file_lock *fl)
{
	const u32 type = fl->type;
	int err;

	if (!is_shared(f))
		return posix_lock_file(f, cmd, fl);
	if (cmd == F_GETLK) {
		/* One of ours can be named. */
		err = posix_lock_file(f, cmd, fl);
		if (err || fl->type != F_UNLCK)
			return err;
		fl->type = type;
		return get(f, fl);
	}
	err = set(f, cmd, fl, 0);
	return err ? err : posix_lock_file(f, F_SETLK, fl);
}

int fuse_file_flock(struct file *f, int cmd, struct file_lock *fl)
{
	int err;

	if (!is_shared(f))
		return flock_lock_file(f, cmd, fl);
	err = set(f, cmd, fl, FUSE_LK_FLOCK);
	return err ? err : flock_lock_file(f, F_SETLK, fl);
}
