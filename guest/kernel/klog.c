/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's messages as programs see them, for dmesg: a ring of text in the form of syslog(2), next to the VMM's
 * log, which gets them as well (printk.c). A message that comes while another one is being written or read is left out,
 * since messages may come from anywhere.
 */
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/lock.h>
#include <gk/printk.h>
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/timer.h>
#include <gk/uaccess.h>

#define SYSLOG_READ 2
#define SYSLOG_READ_ALL 3
#define SYSLOG_READ_CLEAR 4
#define SYSLOG_CLEAR 5
#define SYSLOG_SIZE_UNREAD 9
#define SYSLOG_SIZE_BUFFER 10
#define CAP_SYSLOG 34
#define LOG_BUFFER_BYTES (1u << 14)

static spinlock_t klog_lock;
static char ring[LOG_BUFFER_BYTES]; /* klog_lock */
static u64 head, cleared;	    /* klog_lock: bytes ever written; what was cleared of them */

static void put(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ring[head++ % LOG_BUFFER_BYTES] = s[i];
}

void klog_add(const char *line, size_t n)
{
	const ktime_t now = ktime_boot();
	char prefix[40];
	int len = scnprintf(prefix, sizeof(prefix), "<4>[%5lu.%06lu] ", (unsigned long)(now / NSEC_PER_SEC),
			    (unsigned long)(now % NSEC_PER_SEC / 1000));

	if (!spin_trylock(&klog_lock))
		return;
	put(prefix, (size_t)len);
	put(line, n);
	put("\n", 1);
	spin_unlock(&klog_lock);
}

/* The newest whole lines that fit into @size bytes. How many bytes. */
static size_t copy_lines(char *to, size_t size, bool clear)
{
	u64 from;
	size_t n = 0;

	spin_lock(&klog_lock);
	from = MAX(cleared, head > LOG_BUFFER_BYTES ? head - LOG_BUFFER_BYTES : 0);
	if (head - from > size || (from && from != cleared)) {
		from = MAX(from, head > size ? head - size : 0);
		while (from < head && ring[from++ % LOG_BUFFER_BYTES] != '\n')
			;
	}
	for (; from < head; from++)
		to[n++] = ring[from % LOG_BUFFER_BYTES];
	if (clear)
		cleared = head;
	spin_unlock(&klog_lock);
	return n;
}

static long read_log(char __user *ubuf, int len, bool clear)
{
	char *buf;
	long n;

	if (!ubuf || len < 0)
		return -EINVAL;
	buf = kmalloc(LOG_BUFFER_BYTES);
	if (!buf)
		return -ENOMEM;
	n = (long)copy_lines(buf, MIN((size_t)len, (size_t)LOG_BUFFER_BYTES), clear);
	if (copy_to_user(ubuf, buf, (size_t)n))
		n = -EFAULT;
	kfree(buf);
	return n;
}

static void clear_log(void)
{
	spin_lock(&klog_lock);
	cleared = head;
	spin_unlock(&klog_lock);
}

SYSCALL3(syslog, int, type, char __user *, buf, int, len)
{
	if (type < 0 || type > SYSLOG_SIZE_BUFFER)
		return -EINVAL;
	if (type != SYSLOG_READ_ALL && type != SYSLOG_SIZE_BUFFER && !capable(CAP_SYSLOG) && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	switch (type) {
	case SYSLOG_READ:
		return buf && len >= 0 ? 0 : -EINVAL;
	case SYSLOG_READ_ALL:
	case SYSLOG_READ_CLEAR:
		return read_log(buf, len, type == SYSLOG_READ_CLEAR);
	case SYSLOG_CLEAR:
		clear_log();
		return 0;
	case SYSLOG_SIZE_UNREAD:
		return (long)MIN(READ_ONCE(head) - READ_ONCE(cleared), (u64)LOG_BUFFER_BYTES);
	case SYSLOG_SIZE_BUFFER:
		return LOG_BUFFER_BYTES;
	default:
		return 0;
	}
}
