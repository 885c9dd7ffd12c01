/* SPDX-License-Identifier: Apache-2.0 */
/* The character devices without hardware: null, zero, full, random, urandom. */
#include "dev.h"
#include <gk/init.h>

#define MEM_MAJOR 1

static ssize_t null_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	return 0;
}

static ssize_t null_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	const size_t n = it->count;

	iter_advance(it, n);
	return (ssize_t)n;
}

static loff_t null_llseek(struct file *f, loff_t off, int whence)
{
	return f->pos = 0;
}

static ssize_t zero_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	const size_t want = it->count;
	size_t done = 0;

	while (done < want) {
		const size_t chunk = MIN(want - done, (size_t)64 << 10);
		const size_t n = zero_iter(chunk, it);

		done += n;
		if (n < chunk || signal_pending())
			break;
		cond_resched();
	}
	return done || !want ? (ssize_t)done : -EFAULT;
}

/* Private: anonymous memory; shared: a memory file. */
static int zero_mmap(struct file *f, struct vma *vma)
{
	struct file *mem = NULL;
	int err = 0;

	if (vma->flags & VM_SHARED) {
		mem = shmem_file("dev/zero", (loff_t)(vma->end - vma->start), 0);
		if (IS_ERR(mem))
			return (int)PTR_ERR(mem);
		err = generic_file_mmap(mem, vma);
		if (err) {
			file_put(mem);
			return err;
		}
		vma->pgoff = 0;
	} else {
		vma->ops = NULL;
		vma->pgoff = vma->start >> PAGE_SHIFT;
	}
	file_put(vma->file);
	vma->file = mem;
	return 0;
}

static ssize_t full_write(struct file *f, struct iov_iter *it, loff_t *pos)
{
	return -ENOSPC;
}

static ssize_t random_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	const size_t want = it->count;
	size_t done = 0;
	u8 buf[256];

	while (done < want) {
		const size_t chunk = MIN(want - done, sizeof(buf));
		size_t n;

		random_bytes(buf, chunk);
		n = copy_to_iter(buf, chunk, it);
		done += n;
		if (n < chunk || (done >= PAGE_SIZE && signal_pending()))
			break;
		cond_resched();
	}
	memset(buf, 0, sizeof(buf));
	return done || !want ? (ssize_t)done : -EFAULT;
}

#define RNDGETENTCNT 0x80045200u
#define RNDADDTOENTCNT 0x40045201u
#define RNDADDENTROPY 0x40085203u
#define RNDRESEEDCRNG 0x5207u

static long random_ioctl(struct file *f, u32 cmd, u64 arg)
{
	switch (cmd) {
	case RNDGETENTCNT:
		return put_user((s32)256, (s32 __user *)arg);
	case RNDADDTOENTCNT:
	case RNDADDENTROPY:
	case RNDRESEEDCRNG:
		return capable(CAP_SYS_ADMIN) ? 0 : -EPERM; /* the host's seed is enough */
	}
	return -ENOIOCTLCMD;
}

static const struct file_ops null_ops = {.read = null_read, .write = null_write, .llseek = null_llseek};
static const struct file_ops zero_ops = {
	.read = zero_read, .write = null_write, .llseek = null_llseek, .mmap = zero_mmap};
static const struct file_ops full_ops = {.read = zero_read, .write = full_write, .llseek = null_llseek};
static const struct file_ops random_ops = {
	.read = random_read,
	.write = null_write,
	.llseek = null_llseek,
	.ioctl = random_ioctl,
};

void mem_devices_init(void)
{
	register_chrdev("null", MEM_MAJOR, 3, 0666, &null_ops);
	register_chrdev("zero", MEM_MAJOR, 5, 0666, &zero_ops);
	register_chrdev("full", MEM_MAJOR, 7, 0666, &full_ops);
	register_chrdev("random", MEM_MAJOR, 8, 0666, &random_ops);
	register_chrdev("urandom", MEM_MAJOR, 9, 0666, &random_ops);
}
