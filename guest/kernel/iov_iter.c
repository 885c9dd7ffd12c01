/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Iterators over a program's or the kernel's memory in pieces (gk/uaccess.h). A short count means a fault or the end;
 * the iterator then stands at the first byte not done.
 */
#include <gk/slab.h>
#include <gk/string.h>
#include <gk/uaccess.h>

static void init_one(struct iov_iter *it, struct iovec *store, void *base, size_t len, enum iter_kind kind)
{
	store->iov_base = base;
	store->iov_len = len;
	it->kind = kind;
	it->iov = store;
	it->nr = 1;
	it->offset = 0;
	it->count = len;
}

void iter_init_user(struct iov_iter *it, struct iovec *store, void __user *base, size_t len)
{
	init_one(it, store, base, len, ITER_USER);
}

void iter_init_kernel(struct iov_iter *it, struct iovec *store, void *base, size_t len)
{
	init_one(it, store, base, len, ITER_KERNEL);
}

void iter_advance(struct iov_iter *it, size_t n)
{
	n = MIN(n, it->count);
	it->count -= n;
	n += it->offset;
	while (it->nr && n >= it->iov->iov_len) {
		n -= it->iov->iov_len;
		it->iov++;
		it->nr--;
	}
	it->offset = n;
}

enum copy_kind { COPY_TO, COPY_FROM, COPY_ZERO };

static size_t user_zero(void __user *dst, size_t n)
{
	static const u8 zeros[512];
	size_t done = 0;

	if (likely(!clear_user(dst, n)))
		return n;
	/* There is a fault in it: find out where. */
	while (done < n) {
		const size_t want = MIN(n - done, sizeof(zeros));
		const size_t got = copy_to_user_partial((char __user *)dst + done, zeros, want);

		done += got;
		if (got < want)
			break;
	}
	return done;
}

static size_t copy_piece(struct iov_iter *it, void *buf, size_t n, enum copy_kind what)
{
	char *p = (char *)it->iov->iov_base + it->offset;

	if (it->kind == ITER_KERNEL) {
		if (what == COPY_TO)
			memcpy(p, buf, n);
		else if (what == COPY_FROM)
			memcpy(buf, p, n);
		else
			memset(p, 0, n);
		return n;
	}
	if (what == COPY_TO)
		return copy_to_user_partial(p, buf, n);
	if (what == COPY_FROM)
		return copy_from_user_partial(buf, p, n);
	return user_zero(p, n);
}

static size_t copy(struct iov_iter *it, void *buf, size_t n, enum copy_kind what)
{
	size_t done = 0;

	n = MIN(n, it->count);
	while (done < n) {
		const size_t want = MIN(n - done, it->iov->iov_len - it->offset);
		size_t got = 0;

		if (want) {
			got = copy_piece(it, buf ? (char *)buf + done : NULL, want, what);
			done += got;
		}
		iter_advance(it, got);
		if (got < want)
			break;
	}
	return done;
}

size_t copy_to_iter(const void *buf, size_t n, struct iov_iter *it)
{
	return copy(it, (void *)(u64)buf, n, COPY_TO);
}

size_t copy_from_iter(void *buf, size_t n, struct iov_iter *it)
{
	return copy(it, buf, n, COPY_FROM);
}

size_t zero_iter(size_t n, struct iov_iter *it)
{
	return copy(it, NULL, n, COPY_ZERO);
}

/* Checks the kernel's copy of the vector. Total, or -EINVAL/-EFAULT. */
static ssize_t check_vector(struct iovec *iov, size_t nr)
{
	size_t total = 0;

	for (size_t i = 0; i < nr; i++) {
		if ((ssize_t)iov[i].iov_len < 0)
			return -EINVAL;
		if (!buffer_ok((u64)iov[i].iov_base, iov[i].iov_len))
			return -EFAULT;
		iov[i].iov_len = MIN(iov[i].iov_len, MAX_RW_COUNT - total);
		total += iov[i].iov_len;
	}
	return (ssize_t)total;
}

ssize_t iter_import(struct iov_iter *it, const struct iovec __user *uvec, size_t nr, struct iovec *fast,
		    struct iovec **out)
{
	struct iovec *iov = fast;
	ssize_t total;

	if (nr > UIO_MAXIOV)
		return -EINVAL;
	if (nr > 8) {
		iov = kmalloc(nr * sizeof(*iov));
		if (!iov)
			return -ENOMEM;
	}
	total = copy_from_user(iov, uvec, nr * sizeof(*iov)) ? -EFAULT : check_vector(iov, nr);
	if (total < 0) {
		if (iov != fast)
			kfree(iov);
		return total;
	}
	it->kind = ITER_USER;
	it->iov = iov;
	it->nr = (u32)nr;
	it->offset = 0;
	it->count = (size_t)total;
	iter_advance(it, 0); /* over empty pieces */
	*out = iov;
	return total;
}
