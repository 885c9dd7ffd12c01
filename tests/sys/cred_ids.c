/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User and group ids: all calls that get and set them, as root and as a user, and what they do to capabilities.
 */
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "sys.h"

/* libc's calls act on all threads by signals; the tests mean the system calls. */
#define sys_setuid(u) syscall(SYS_setuid, u)
#define sys_setgid(g) syscall(SYS_setgid, g)
#define sys_setreuid(r, e) syscall(SYS_setreuid, r, e)
#define sys_setregid(r, e) syscall(SYS_setregid, r, e)
#define sys_setresuid(r, e, s) syscall(SYS_setresuid, r, e, s)
#define sys_setresgid(r, e, s) syscall(SYS_setresgid, r, e, s)

static void uids(uid_t r, uid_t e, uid_t s)
{
	uid_t a, b, c;

	CHECK_OK(getresuid(&a, &b, &c));
	CHECK_EQ(a, r);
	CHECK_EQ(b, e);
	CHECK_EQ(c, s);
	CHECK_EQ(getuid(), r);
	CHECK_EQ(geteuid(), e);
}

static void gids(gid_t r, gid_t e, gid_t s)
{
	gid_t a, b, c;

	CHECK_OK(getresgid(&a, &b, &c));
	CHECK_EQ(a, r);
	CHECK_EQ(b, e);
	CHECK_EQ(c, s);
	CHECK_EQ(getgid(), r);
	CHECK_EQ(getegid(), e);
}

static unsigned long long caps(void)
{
	struct {
		unsigned int version;
		int pid;
	} h = {0x20080522, 0};
	struct {
		unsigned int e, p, i;
	} d[2];

	CHECK_OK(syscall(SYS_capget, &h, d));
	return d[0].e | (unsigned long long)d[1].e << 32;
}

static void as_user(void)
{
	uid_t u = getuid(), r, e, s;
	gid_t g = getgid();

	CHECK_OK(getresuid(&r, &e, &s));
	CHECK_ERR(sys_setuid(u + 1), EPERM);
	CHECK_ERR(sys_setgid(g + 1), EPERM);
	CHECK_ERR(sys_setreuid(u + 1, -1), EPERM);
	CHECK_ERR(sys_setreuid(-1, u + 1), EPERM);
	CHECK_ERR(sys_setregid(g + 1, -1), EPERM);
	CHECK_ERR(sys_setresuid(-1, -1, u + 1), EPERM);
	CHECK_ERR(sys_setresgid(-1, g + 1, -1), EPERM);
	CHECK_ERR(setgroups(0, NULL), EPERM);
	CHECK_OK(sys_setuid(u));
	CHECK_OK(sys_setresuid(u, u, u));
	CHECK_OK(sys_setreuid(-1, -1));
	CHECK_EQ(setfsuid(u + 1), (int)u);
	CHECK_EQ(setfsuid(u), (int)u); /* the call before changed nothing */
	CHECK_ERR(sys_setuid(-1), EINVAL);
	CHECK_ERR(sys_setgid(-1), EINVAL);
}

static void root_setuid(void)
{
	CHECK(caps() != 0);
	CHECK_OK(sys_setgid(2000));
	gids(2000, 2000, 2000);
	CHECK_OK(sys_setuid(1000));
	uids(1000, 1000, 1000);
	CHECK_EQ(caps(), 0);
	CHECK_ERR(sys_setuid(0), EPERM);
	CHECK_ERR(sys_setgid(0), EPERM);
	as_user();
}

/* Gives rights up for a while and takes them back. */
static void root_seteuid(void)
{
	unsigned long long all = caps();

	CHECK_OK(sys_setresuid(-1, 1000, -1));
	uids(0, 1000, 0);
	CHECK_EQ(caps(), 0);
	CHECK_OK(sys_setresuid(-1, 0, -1));
	CHECK_EQ(caps(), all);
	CHECK_OK(sys_setreuid(1000, 1001)); /* the saved id follows the effective one */
	uids(1000, 1001, 1001);
	CHECK_OK(sys_setreuid(-1, 1000));
	uids(1000, 1000, 1001);
	CHECK_OK(sys_setreuid(-1, 1001));
	uids(1000, 1001, 1001);
	CHECK_OK(sys_setreuid(1001, 1000)); /* swaps */
	uids(1001, 1000, 1000);
	CHECK_ERR(sys_setresuid(0, -1, -1), EPERM);
}

static void root_groups(void)
{
	gid_t in[5] = {50, 10, 40, 20, 10}, out[8];

	CHECK_OK(setgroups(5, in));
	CHECK_EQ(getgroups(0, NULL), 5);
	CHECK_EQ(getgroups(8, out), 5);
	for (int i = 1; i < 5; i++)
		CHECK(out[i - 1] <= out[i]);
	CHECK_ERR(getgroups(4, out), EINVAL);
	CHECK_ERR(syscall(SYS_getgroups, -1, out), EINVAL);
	CHECK_ERR(syscall(SYS_getgroups, 8, (void *)8), EFAULT);
	CHECK_ERR(setgroups(65537, in), EINVAL);
	CHECK_ERR(syscall(SYS_setgroups, 2, (void *)8), EFAULT);
	CHECK_OK(setgroups(0, NULL));
	CHECK_EQ(getgroups(8, out), 0);
	CHECK_OK(sys_setregid(10, 20));
	gids(10, 20, 20);
	CHECK_OK(sys_setresgid(1, 2, 3));
	gids(1, 2, 3);
	CHECK_OK(sys_setresuid(1000, 1000, 1000));
	CHECK_OK(sys_setresgid(3, 1, 2));
	gids(3, 1, 2);
	CHECK_ERR(sys_setresgid(9, -1, -1), EPERM);
}

static void root_keepcaps(void)
{
	CHECK_OK(prctl(PR_SET_KEEPCAPS, 1));
	CHECK_OK(sys_setresuid(1000, 1000, 1000));
	CHECK_EQ(caps(), 0); /* effective ones go, permitted ones stay */
	struct {
		unsigned int version;
		int pid;
	} h = {0x20080522, 0};
	struct {
		unsigned int e, p, i;
	} d[2];

	CHECK_OK(syscall(SYS_capget, &h, d));
	CHECK(d[0].p & 1 << 7); /* CAP_SETUID */
	d[0].e = d[0].p & 1 << 7;
	d[1].e = 0;
	CHECK_OK(syscall(SYS_capset, &h, d));
	CHECK_OK(sys_setuid(0));
	uids(0, 0, 0);
}

static void root_fsuid(void)
{
	CHECK_EQ(setfsuid(1000), 0);
	CHECK_EQ(setfsuid((uid_t)-1), 1000);
	CHECK(!(caps() & 1 << 1)); /* CAP_DAC_OVERRIDE */
	CHECK(caps() & 1 << 7);
	CHECK_EQ(setfsuid(0), 1000);
	CHECK(caps() & 1 << 1);
	CHECK_EQ(setfsgid(55), 0);
	CHECK_EQ(setfsgid(0), 55);
	/* A new effective id is the file system's, too. */
	CHECK_OK(sys_setresuid(-1, 1000, -1));
	CHECK_EQ(setfsuid((uid_t)-1), 1000);
}

int main(void)
{
	gid_t *bad = (gid_t *)8;

	CHECK_ERR(syscall(SYS_getresuid, bad, bad, bad), EFAULT);
	CHECK_ERR(syscall(SYS_getresgid, bad, bad, bad), EFAULT);
	if (getuid()) {
		as_user();
		return 0;
	}
	CHECK_OK(setgroups(0, NULL));
	in_child(root_setuid);
	in_child(root_seteuid);
	in_child(root_groups);
	in_child(root_keepcaps);
	in_child(root_fsuid);
	return 0;
}
