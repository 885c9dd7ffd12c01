/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copies between files inside the kernel: sendfile, copy_file_range. Through a buffer: what was read and could not be
 * written is not consumed, as the input has positions.
 */
#include "internal.h"

#define CHUNK (64u << 10)

/* Moves up to @count bytes from @in at *ipos to @out at *opos; both advance by what was written. */
static ssize_t copy_data(struct file *in, loff_t *ipos, struct file *out, loff_t *opos, size_t count)
{
	char *buf = kmalloc(CHUNK);
	size_t done = 0;
	ssize_t n = 0;

	if (!buf)
		return -ENOMEM;
	while (done < count) {
		const size_t want = MIN(count - done, (size_t)CHUNK);
		loff_t at = *ipos;
		ssize_t w;

		n = kernel_read(in, buf, want, &at);
		if (n <= 0)
			break;
		w = kernel_write(out, buf, (size_t)n, opos);
		if (w <= 0) {
			n = w;
			break;
		}
		*ipos += w;
		done += (size_t)w;
		if (w < n)
			break;
		if (signal_pending()) {
			n = -EINTR;
			break;
		}
		cond_resched();
	}
	kfree(buf);
	if (done) {
		notify_access(in);
		notify_modify(out);
	}
	return done ? (ssize_t)done : n;
}

/* @uoff NULL: the file's own position. */
static ssize_t send_file(struct file *out, struct file *in, loff_t __user *uoff, size_t count)
{
	const bool own_in = !uoff, own_out = !(out->fmode & FMODE_STREAM);
	loff_t ipos = in->pos, opos = out->pos;
	ssize_t n;

	if (!(in->fmode & FMODE_READ) || !(out->fmode & FMODE_WRITE))
		return -EBADF;
	if (!(in->fmode & FMODE_PREAD))
		return uoff ? -ESPIPE : -EINVAL;
	if (out->flags & O_APPEND)
		return -EINVAL;
	if (uoff && get_user(ipos, uoff))
		return -EFAULT;
	if (ipos < 0)
		return -EINVAL;
	n = copy_data(in, &ipos, out, &opos, MIN(count, (size_t)MAX_RW_COUNT));
	if (n > 0) {
		if (own_in)
			in->pos = ipos;
		if (own_out)
			out->pos = opos;
	}
	if (uoff && put_user(ipos, uoff))
		return -EFAULT;
	return n;
}

SYSCALL4(sendfile, int, ofd, int, ifd, loff_t __user *, uoff, size_t, count)
{
	struct fdref in = fdref_get(ifd), out;
	ssize_t n;

	if (!in.f)
		return -EBADF;
	out = fdref_get(ofd);
	n = out.f ? send_file(out.f, in.f, uoff, count) : -EBADF;
	fdref_put(out);
	fdref_put(in);
	return n;
}

static int range_checks(struct file *in, loff_t ipos, struct file *out, loff_t opos, size_t *count)
{
	if (S_ISDIR(in->inode->mode) || S_ISDIR(out->inode->mode))
		return -EISDIR;
	if (!S_ISREG(in->inode->mode) || !S_ISREG(out->inode->mode))
		return -EINVAL;
	if (!(in->fmode & FMODE_READ) || !(out->fmode & FMODE_WRITE) || (out->flags & O_APPEND))
		return -EBADF;
	if (ipos < 0 || opos < 0)
		return -EINVAL;
	*count = MIN(*count, (size_t)MAX_RW_COUNT);
	if (ipos + (loff_t)*count < ipos || opos + (loff_t)*count < opos)
		return -EOVERFLOW;
	if (ipos >= in->inode->size)
		*count = 0;
	else
		*count = MIN(*count, (size_t)(in->inode->size - ipos));
	if (in->inode == out->inode && opos < ipos + (loff_t)*count && ipos < opos + (loff_t)*count)
		return -EINVAL;
	return 0;
}

static ssize_t copy_range(struct file *in, loff_t __user *uipos, struct file *out, loff_t __user *uopos, size_t count)
{
	loff_t ipos = in->pos, opos = out->pos;
	ssize_t n;

	if ((uipos && get_user(ipos, uipos)) || (uopos && get_user(opos, uopos)))
		return -EFAULT;
	n = range_checks(in, ipos, out, opos, &count);
	if (n || !count)
		return n;
	n = copy_data(in, &ipos, out, &opos, count);
	if (n <= 0)
		return n;
	if (!uipos)
		in->pos = ipos;
	else if (put_user(ipos, uipos))
		return -EFAULT;
	if (!uopos)
		out->pos = opos;
	else if (put_user(opos, uopos))
		return -EFAULT;
	return n;
}

SYSCALL6(copy_file_range, int, ifd, loff_t __user *, uipos, int, ofd, loff_t __user *, uopos, size_t, count, u32, flags)
{
	struct fdref in, out;
	ssize_t n;

	if (flags)
		return -EINVAL;
	in = fdref_get(ifd);
	if (!in.f)
		return -EBADF;
	out = fdref_get(ofd);
	n = out.f ? copy_range(in.f, uipos, out.f, uopos, count) : -EBADF;
	fdref_put(out);
	fdref_put(in);
	return n;
}

/* No file system here gives out handles. */
SYSCALL5(name_to_handle_at, int, dfd, const char __user *, uname, void __user *, uhandle, s32 __user *, umount, u32,
	 flags)
{
	struct path p;
	const int err = user_path_at(dfd, uname, LOOKUP_EMPTY, &p);

	if (err)
		return err;
	path_put(&p);
	return -EOPNOTSUPP;
}
