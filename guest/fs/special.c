/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Special files: which operations an open of a device node, FIFO or socket gets. Drivers register character devices by
 * number; a name makes it appear in /dev (fs/dev). Entries are never removed. There are no block devices.
 */
#include <gk/init.h>
#include <gk/pipe.h>
#include "internal.h"

struct chrdev {
	struct chrdev *next;
	u64 rdev;
	umode_t mode;
	const char *name;
	const struct file_ops *fops;
};

static spinlock_t chrdev_lock = SPINLOCK_INIT;
static struct chrdev *chrdevs, **chrdevs_end = &chrdevs; /* chrdev_lock to add */

int register_chrdev(const char *name, u32 major, u32 minor, umode_t mode, const struct file_ops *fops)
{
	struct chrdev *c = kzalloc(sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->rdev = MKDEV(major, minor);
	c->mode = mode;
	c->name = name;
	c->fops = fops;
	spin_lock(&chrdev_lock);
	smp_store_release(chrdevs_end, c); /* pairs with the acquire in next_chrdev() */
	chrdevs_end = &c->next;
	spin_unlock(&chrdev_lock);
	return 0;
}

static struct chrdev *next_chrdev(struct chrdev *c)
{
	return smp_load_acquire(c ? &c->next : &chrdevs);
}

int special_for_each(int (*fn)(const char *name, u64 rdev, umode_t mode, void *arg), void *arg)
{
	struct chrdev *c;
	int ret = 0;

	for (c = next_chrdev(NULL); c && !ret; c = next_chrdev(c)) {
		if (c->name)
			ret = fn(c->name, c->rdev, c->mode, arg);
	}
	return ret;
}

const struct file_ops *special_fops(struct inode *i)
{
	if (S_ISFIFO(i->mode))
		return &fifo_ops;
	if (!S_ISCHR(i->mode))
		return NULL;
	for (struct chrdev *c = next_chrdev(NULL); c; c = next_chrdev(c)) {
		if (c->rdev == i->rdev)
			return c->fops;
	}
	return NULL;
}

void special_init(void)
{
}
