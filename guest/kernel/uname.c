/* SPDX-License-Identifier: Apache-2.0 */
/* What the system calls itself. There is one such set of names in a sandbox: no UTS namespaces. */
#include <gk/cred.h>
#include <gk/errno.h>
#include <gk/init.h>
#include <gk/lock.h>
#include <gk/string.h>
#include <gk/syscall.h>
#include <gk/task.h>
#include <gk/uaccess.h>
#include <gk/utsname.h>

#define PER_UNAME26 0x0020000

static spinlock_t uts_lock;
static struct utsname uts = {
	/* uts_lock */
	.sysname = "Linux",
	.nodename = "umbra",
	/* The Linux release whose system calls we follow; programs compare it. */
	.release = "6.1.0-umbra",
	.version = "#1 SMP Penumbra 0.1",
	.machine = "x86_64",
	.domainname = "(none)",
};

void uname_init(void)
{
	const char *name = config_get("hostname");

	if (name)
		hostname_write(name, MIN(strlen(name), (size_t)UTS_LEN - 1));
}

void utsname_read(struct utsname *u)
{
	spin_lock(&uts_lock);
	*u = uts;
	spin_unlock(&uts_lock);
}

static int write_name(char *field, const char *name, size_t len)
{
	if (len >= UTS_LEN)
		return -EINVAL;
	spin_lock(&uts_lock);
	memset(field, 0, UTS_LEN);
	memcpy(field, name, len);
	spin_unlock(&uts_lock);
	return 0;
}

int hostname_write(const char *name, size_t len)
{
	return write_name(uts.nodename, name, len);
}

int domainname_write(const char *name, size_t len)
{
	return write_name(uts.domainname, name, len);
}

SYSCALL1(uname, struct utsname __user *, ubuf)
{
	struct utsname u;

	utsname_read(&u);
	if (current->process->personality & PER_UNAME26)
		strscpy(u.release, "2.6.61", sizeof(u.release));
	return copy_to_user(ubuf, &u, sizeof(u));
}

static long name_from_user(char *field, const char __user *uname, s32 len)
{
	char name[UTS_LEN];

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (len < 0 || len >= UTS_LEN)
		return -EINVAL;
	if (copy_from_user(name, uname, (size_t)len))
		return -EFAULT;
	return write_name(field, name, (size_t)len);
}

SYSCALL2(sethostname, const char __user *, name, s32, len)
{
	return name_from_user(uts.nodename, name, len);
}

SYSCALL2(setdomainname, const char __user *, name, s32, len)
{
	return name_from_user(uts.domainname, name, len);
}
