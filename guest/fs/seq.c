/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Synthetic text files. The generator writes the whole text into a buffer at the first read; reads are served from that
 * snapshot until the file is read from its start again. A generator that runs out of room is called again with twice as
 * much.
 */
#include "internal.h"

struct seq_file {
	int (*show)(struct seq *s, void *arg);
	void *arg;
	struct mutex lock;
	struct seq seq; /* lock */
	bool valid;	/* lock */
};

#define SEQ_FIRST 1024u
#define SEQ_MAX (4u << 20)

static char *seq_room(struct seq *s, size_t n)
{
	if (s->overflow || n > s->size - s->len) {
		s->overflow = true;
		return NULL;
	}
	return s->buf + s->len;
}

void seq_write(struct seq *s, const void *data, size_t n)
{
	char *p = seq_room(s, n);

	if (p) {
		memcpy(p, data, n);
		s->len += n;
	}
}

void seq_puts(struct seq *s, const char *str)
{
	seq_write(s, str, strlen(str));
}

void seq_putc(struct seq *s, char c)
{
	seq_write(s, &c, 1);
}

void seq_printf(struct seq *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (s->overflow)
		return;
	va_start(ap, fmt);
	n = vsnprintf(s->buf + s->len, s->size - s->len, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= s->size - s->len)
		s->overflow = true;
	else
		s->len += (size_t)n;
}

int seq_open(struct file *f, int (*show)(struct seq *s, void *arg), void *arg)
{
	struct seq_file *sf = kzalloc(sizeof(*sf));

	if (!sf)
		return -ENOMEM;
	sf->show = show;
	sf->arg = arg;
	mutex_init(&sf->lock);
	f->private = sf;
	return 0;
}

static int generate(struct seq_file *sf)
{
	struct seq *s = &sf->seq;
	int err;

	for (;;) {
		if (!s->buf) {
			s->size = SEQ_FIRST;
			s->buf = kmalloc(s->size);
			if (!s->buf)
				return -ENOMEM;
		}
		s->len = 0;
		s->overflow = false;
		err = sf->show(s, sf->arg);
		if (err || !s->overflow)
			return err;
		if (s->size >= SEQ_MAX)
			return -EOVERFLOW;
		kfree(s->buf);
		s->size *= 2;
		s->buf = kmalloc(s->size);
		if (!s->buf)
			return -ENOMEM;
	}
}

ssize_t seq_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	struct seq_file *sf = f->private;
	const size_t want = it->count;
	size_t n = 0;
	ssize_t ret = 0;

	mutex_lock(&sf->lock);
	if (!sf->valid || *pos == 0) {
		ret = generate(sf);
		sf->valid = ret == 0;
	}
	if (!ret && *pos >= 0 && (u64)*pos < sf->seq.len) {
		n = MIN(want, sf->seq.len - (size_t)*pos);
		ret = (ssize_t)copy_to_iter(sf->seq.buf + *pos, n, it);
		if (ret == 0 && n)
			ret = -EFAULT;
		else
			*pos += ret;
	}
	mutex_unlock(&sf->lock);
	return ret;
}

loff_t seq_llseek(struct file *f, loff_t off, int whence)
{
	if (whence > 1) /* the end is not known */
		return -EINVAL;
	return generic_llseek(f, off, whence);
}

void seq_release(struct file *f)
{
	struct seq_file *sf = f->private;

	kfree(sf->seq.buf);
	kfree(sf);
}
