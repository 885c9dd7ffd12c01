/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only ways to a program's memory. Addresses are untrusted; a bad one is -EFAULT, never a crash. May sleep (page
 * faults): never under a spinlock. Implemented in arch/x86_64/uaccess.S with an exception table.
 */
#ifndef GK_UACCESS_H
#define GK_UACCESS_H

#include <gk/errno.h>
#include <gk/types.h>

/* Where programs may live, from the boot block; immutable. */
extern struct user_limits {
	u64 lo_start, lo_end, hi_start, hi_end;
} user_limits;
/* The first address no program of the architecture can have (Linux's TASK_SIZE_MAX). */
#define TASK_SIZE_MAX 0x7ffffffff000ull

/* True if [addr, addr+len) is empty or lies in one of the two ranges programs may use (limits from the boot block). */
bool access_ok(u64 addr, u64 len);
/*
 * What Linux checks of a buffer before it looks at the file: that it ends below the top of the programs' half. Only for
 * what then goes through the copy functions: they find out about the rest, byte by byte.
 */
static inline bool buffer_ok(u64 addr, u64 len)
{
	return addr + len >= addr && addr + len <= TASK_SIZE_MAX;
}

/* 0 or -EFAULT. On a fault the destination may be partly written. */
int __must_check copy_from_user(void *dst, const void __user *src, size_t n);
int __must_check copy_to_user(void __user *dst, const void *src, size_t n);
int __must_check clear_user(void __user *dst, size_t n);
/* How many bytes were copied before a fault: for partial reads and writes. */
size_t copy_from_user_partial(void *dst, const void __user *src, size_t n);
size_t copy_to_user_partial(void __user *dst, const void *src, size_t n);
/* Length of the string without NUL; -EFAULT; -ENAMETOOLONG if no NUL within @size (dst then holds size bytes). */
ssize_t __must_check strncpy_from_user(char *dst, const char __user *src, size_t size);

#define get_user(x, ptr)                                                                                               \
	({                                                                                                             \
		__typeof__(({                                                                                          \
			__auto_type gt_ = *(ptr);                                                                      \
			gt_;                                                                                           \
		})) gu_; /* without const */                                                                           \
		int ge_ = copy_from_user(&gu_, ptr, sizeof(gu_));                                                      \
		if (!ge_)                                                                                              \
			(x) = gu_;                                                                                     \
		ge_;                                                                                                   \
	})
#define put_user(x, ptr)                                                                                               \
	({                                                                                                             \
		__typeof__(*(ptr)) pu_ = (x);                                                                          \
		copy_to_user(ptr, &pu_, sizeof(pu_));                                                                  \
	})

/*
 * Atomic operations on a program's aligned u32 (futex). 0 or -EFAULT; the old value in *old.
 * They do not handle page faults themselves: -EFAULT may mean "not present now", so call user_fault_in() and retry.
 */
int user_cmpxchg32(u32 __user *p, u32 *old, u32 new);
int user_load32(u32 __user *p, u32 *val);
/* Makes the page present (and writable) as an access by the program would. 0 or -EFAULT. mm/fault.c */
int user_fault_in(u64 addr, bool write);

/* Data that is either in a program or in the kernel, in up to UIO_MAXIOV pieces. */
struct iovec {
	void __user *iov_base;
	size_t iov_len;
};
#define UIO_MAXIOV 1024

enum iter_kind { ITER_USER, ITER_KERNEL };

struct iov_iter {
	enum iter_kind kind;
	const struct iovec *iov; /* kernel copy of the vector */
	u32 nr;
	size_t offset; /* into iov[0] */
	size_t count;  /* bytes left */
};

/* kernel/iov_iter.c. One-piece iterators need one struct iovec of storage. */
void iter_init_user(struct iov_iter *it, struct iovec *store, void __user *base, size_t len);
void iter_init_kernel(struct iov_iter *it, struct iovec *store, void *base, size_t len);
/* Copies between @buf and the iterator and advances; returns the bytes done (short: fault or end). */
size_t copy_to_iter(const void *buf, size_t n, struct iov_iter *it);
size_t copy_from_iter(void *buf, size_t n, struct iov_iter *it);
size_t zero_iter(size_t n, struct iov_iter *it);
void iter_advance(struct iov_iter *it, size_t n);
/*
 * Reads a program's iovec array (readv and friends): *iov is kmalloc'ed when nr > 8, else fast[]; caller frees if !=
 * fast. Returns total bytes or -EINVAL/-EFAULT/-ENOMEM. Total is cut at MAX_RW_COUNT.
 */
ssize_t iter_import(struct iov_iter *it, const struct iovec __user *uvec, size_t nr, struct iovec *fast,
		    struct iovec **iov);
#define MAX_RW_COUNT 0x7ffff000

#endif
