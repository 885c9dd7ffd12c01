/* SPDX-License-Identifier: Apache-2.0 */
/* System calls of the guest kernel, as its entry makes them. Pointers are the test's own. */
#ifndef UMBRA_GKSHIM_CALLS_H
#define UMBRA_GKSHIM_CALLS_H

#include <gk/fs.h>
#include <gk/syscall.h>

#define SHIM_CALL(name, ...)                                                                                           \
	({                                                                                                             \
		long sys_##name(struct pt_regs *regs);                                                                 \
		shim_call(sys_##name, (const u64[6]){__VA_ARGS__});                                                    \
	})

static inline long shim_call(syscall_fn_t fn, const u64 *a)
{
	struct pt_regs regs = {.rdi = a[0], .rsi = a[1], .rdx = a[2], .r10 = a[3], .r8 = a[4], .r9 = a[5]};

	return fn(&regs);
}

static inline int k_open(const char *name, u32 flags, umode_t mode)
{
	return (int)SHIM_CALL(openat, (u64)AT_FDCWD, (u64)name, flags, mode);
}

static inline int k_close(int fd)
{
	return fd_close(fd);
}

static inline ssize_t k_read(int fd, void *buf, size_t n)
{
	return SHIM_CALL(read, (u64)fd, (u64)buf, n);
}

static inline ssize_t k_write(int fd, const void *buf, size_t n)
{
	return SHIM_CALL(write, (u64)fd, (u64)buf, n);
}

static inline ssize_t k_pread(int fd, void *buf, size_t n, loff_t pos)
{
	return SHIM_CALL(pread64, (u64)fd, (u64)buf, n, (u64)pos);
}

static inline ssize_t k_pwrite(int fd, const void *buf, size_t n, loff_t pos)
{
	return SHIM_CALL(pwrite64, (u64)fd, (u64)buf, n, (u64)pos);
}

static inline int k_ftruncate(int fd, loff_t size)
{
	return (int)SHIM_CALL(ftruncate, (u64)fd, (u64)size);
}

static inline int k_mkdir(const char *name, umode_t mode)
{
	return (int)SHIM_CALL(mkdir, (u64)name, mode);
}

static inline int k_rmdir(const char *name)
{
	return (int)SHIM_CALL(rmdir, (u64)name);
}

static inline int k_unlink(const char *name)
{
	return (int)SHIM_CALL(unlink, (u64)name);
}

static inline int k_link(const char *from, const char *to)
{
	return (int)SHIM_CALL(link, (u64)from, (u64)to);
}

static inline int k_symlink(const char *target, const char *name)
{
	return (int)SHIM_CALL(symlink, (u64)target, (u64)name);
}

static inline int k_rename(const char *from, const char *to, u32 flags)
{
	return (int)SHIM_CALL(renameat2, (u64)AT_FDCWD, (u64)from, (u64)AT_FDCWD, (u64)to, flags);
}

static inline int k_chmod(const char *name, umode_t mode)
{
	return (int)SHIM_CALL(chmod, (u64)name, mode);
}

static inline int k_umount(const char *name, int flags)
{
	return (int)SHIM_CALL(umount2, (u64)name, (u64)flags);
}

static inline int k_getdents(int fd, void *buf, u32 size)
{
	return (int)SHIM_CALL(getdents64, (u64)fd, (u64)buf, size);
}

static inline int k_pipe(s32 fds[2], u32 flags)
{
	return (int)SHIM_CALL(pipe2, (u64)fds, flags);
}

/* Attributes without a struct of the ABI. @flags: LOOKUP_FOLLOW or 0. */
static inline int k_stat(const char *name, u32 flags, struct kstat *st)
{
	struct path p;
	int err = path_lookup(AT_FDCWD, name, flags, &p);

	if (err)
		return err;
	err = vfs_getattr(&p, st, 0x7ff);
	path_put(&p);
	return err;
}

#endif
